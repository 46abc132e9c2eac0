/*
 * optimizer.c - the step that gradients make of parameters: one pass over memory for each of them.
 *
 * The arithmetic is in kernel/optimize.c.  Nothing here polls a stop flag: a step happens as a whole.
 */
#include <math.h>

#include "../base/threads.h"
#include "../kernel/kernel.h"
#include "optimizer.h"

#define GRAIN (1 << 16) /* elements that are worth a thread */

static void fall_back(double *value, double preset)
{
    if (isnan(*value))
        *value = preset;
}

void maas_optimizer_defaults(MaasTrainOptions *o)
{
    static const double rates[] = {1e-3, 1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1};

    fall_back(&o->learning_rate, rates[o->optimizer]);
    fall_back(&o->beta2, o->optimizer == MAAS_OPTIMIZER_LION ? 0.99 : 0.999);
    fall_back(&o->epsilon, o->optimizer == MAAS_OPTIMIZER_ADAGRAD ? 1e-10 : 1e-8);
    fall_back(&o->weight_decay, o->optimizer == MAAS_OPTIMIZER_ADAMW ? 0.01 : 0);
}

/* Whether state k is used. */
static bool has_state(const MaasTrainOptions *o, int k)
{
    bool moved = o->momentum > 0 || o->schedule == MAAS_SCHEDULE_ONE_CYCLE; /* which cycles the momentum */

    switch (o->optimizer) {
    case MAAS_OPTIMIZER_SGD:
        return k == 0 && moved;
    case MAAS_OPTIMIZER_RMSPROP:
        return k == 0 || (k == 1 && moved) || (k == 2 && o->centered);
    case MAAS_OPTIMIZER_ADAM:
    case MAAS_OPTIMIZER_ADAMW:
        return k < 2 || o->amsgrad;
    case MAAS_OPTIMIZER_LBFGS:
        return false;
    default:
        return k == 0;
    }
}

MaasStatus maas_optimizer_start(const MaasTrainOptions *options, MaasMem *mem, MaasSlot *slots, int n,
                                MaasError *err)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < MAAS_OPTIMIZER_SLOTS; k++) {
            if (!has_state(options, k))
                continue;
            slots[i].state[k] = maas_zalloc_array(mem, (size_t)slots[i].count, sizeof(float), err);
            if (!slots[i].state[k])
                return err->status;
        }
    return MAAS_OK;
}

double maas_optimizer_norm(const MaasTrainOptions *options, const MaasSlot *slots, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++) {
        float l1 = slots[i].penalized ? (float)options->l1 : 0, l2 = slots[i].penalized ? (float)options->l2 : 0;

        sum += maas_kernel->gradient_norm2(slots[i].w, slots[i].g, l1, 2 * l2, slots[i].count);
    }
    return sqrt(sum);
}

static MaasUpdateRule rule_of(const MaasTrainOptions *o)
{
    switch (o->optimizer) {
    case MAAS_OPTIMIZER_ADAGRAD:
        return MAAS_UPDATE_ADAGRAD;
    case MAAS_OPTIMIZER_RMSPROP:
        return MAAS_UPDATE_RMSPROP;
    case MAAS_OPTIMIZER_ADAM:
    case MAAS_OPTIMIZER_ADAMW:
        return MAAS_UPDATE_ADAM;
    case MAAS_OPTIMIZER_LION:
        return MAAS_UPDATE_LION;
    default:
        return MAAS_UPDATE_SGD;
    }
}

/* What is the same for all parameters. */
static MaasUpdate make_update(const MaasTrainOptions *o, int64_t step, double rate, double momentum, double norm)
{
    bool apart = o->optimizer == MAAS_OPTIMIZER_ADAMW || o->optimizer == MAAS_OPTIMIZER_LION;
    bool adam = o->optimizer == MAAS_OPTIMIZER_ADAM || o->optimizer == MAAS_OPTIMIZER_ADAMW;
    double beta1 = adam && !isnan(momentum) ? momentum : o->beta1, moved = isnan(momentum) ? o->momentum : momentum;
    MaasUpdate u = {.scale = 1,
                    .limit = o->clip_value > 0 ? (float)o->clip_value : INFINITY,
                    .decay = apart ? 0 : (float)o->weight_decay,
                    .shrink = apart ? (float)(1 - rate * o->weight_decay) : 1,
                    .rate = (float)rate,
                    .momentum = (float)moved,
                    .fresh = (float)(1 - o->dampening),
                    .beta1 = (float)beta1,
                    .beta2 = (float)(o->optimizer == MAAS_OPTIMIZER_RMSPROP ? o->alpha : o->beta2),
                    .epsilon = (float)o->epsilon,
                    .first = step == 1,
                    .nesterov = o->nesterov,
                    .centered = o->centered,
                    .amsgrad = o->amsgrad};

    if (o->clip_norm > 0 && norm > o->clip_norm)
        u.scale = (float)(o->clip_norm / (norm + 1e-6)); /* as torch.nn.utils.clip_grad_norm_ */
    if (adam) {
        u.rate = (float)(rate / (1 - pow(beta1, (double)step)));
        u.root = (float)(1 / sqrt(1 - pow(o->beta2, (double)step)));
    }
    if (o->optimizer == MAAS_OPTIMIZER_ADAGRAD)
        u.rate = (float)(rate / (1 + (double)(step - 1) * o->learning_rate_decay));
    return u;
}

typedef struct Part {
    const MaasUpdate *update;
    MaasUpdateFn fn;
    MaasSlot *slot;
} Part;

static float *from_or_null(float *p, int64_t from)
{
    return p ? p + from : NULL;
}

static void update_part(void *arg, int64_t from, int64_t to)
{
    const Part *part = arg;
    MaasSlot *s = part->slot;

    part->fn(part->update, s->w + from, s->g + from, from_or_null(s->state[0], from),
             from_or_null(s->state[1], from), from_or_null(s->state[2], from), to - from);
}

void maas_optimizer_step(const MaasTrainOptions *options, MaasSlot *slots, int n, int64_t step, double rate,
                         double momentum, double norm, int threads)
{
    MaasUpdate update = make_update(options, step, rate, momentum, norm);
    MaasUpdateFn fn = maas_kernel->update(rule_of(options));

    for (int i = 0; i < n; i++) {
        Part part = {&update, fn, &slots[i]};

        update.l1 = slots[i].penalized ? (float)options->l1 : 0;
        update.l2 = slots[i].penalized ? 2 * (float)options->l2 : 0;
        maas_threads_run(threads, slots[i].count, GRAIN, update_part, &part, NULL);
    }
    maas_optimizer_max_norm(options, slots, n);
}

void maas_optimizer_max_norm(const MaasTrainOptions *options, MaasSlot *slots, int n)
{
    for (int i = 0; i < n && options->max_norm > 0; i++) {
        MaasSlot *s = &slots[i];

        for (int64_t unit = 0; s->penalized && unit < s->units; unit++) {
            double sum = 0;

            for (int64_t o = 0; o < s->outer; o++)
                for (int64_t k = 0; k < s->inner; k++) {
                    double w = (double)s->w[(o * s->units + unit) * s->inner + k];

                    sum += w * w;
                }
            double norm = sqrt(sum);

            if (norm <= options->max_norm)
                continue;
            float factor = (float)(options->max_norm / (norm + 1e-7)); /* as torch.renorm */

            for (int64_t o = 0; o < s->outer; o++)
                for (int64_t k = 0; k < s->inner; k++)
                    s->w[(o * s->units + unit) * s->inner + k] *= factor;
        }
    }
}
