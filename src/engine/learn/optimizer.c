/*
 * optimizer.c - the step that gradients make of parameters: one pass over memory for each of them.
 *
 * The arithmetic is in kernel/optimize.c.  From the first parameter that changes on nothing polls a stop flag: a
 * step happens as a whole.
 */
#include <math.h>

#include "../base/threads.h"
#include "../kernel/kernel.h"
#include "optimizer.h"

#define GRAIN (1 << 16) /* elements that are worth a thread */
#define PIECE (1 << 20) /* elements between two looks at the stop flag */
#define UNITS 4096      /* whose norms are summed up at a time: rows are read in order */

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

MaasStatus maas_optimizer_norm(const MaasTrainOptions *options, const MaasSlot *slots, int n, const MaasStop *stop,
                               double *norm, MaasError *err)
{
    double sum = 0;

    for (int i = 0; i < n; i++) {
        const MaasSlot *s = &slots[i];
        float l1 = s->penalized ? (float)options->l1 : 0, l2 = s->penalized ? (float)options->l2 : 0;

        for (int64_t from = 0; from < s->count; from += PIECE) {
            int64_t left = s->count - from;

            if (maas_stop_raised(stop))
                return maas_fail(err, MAAS_ERR_CANCEL, "stopped");
            sum += maas_kernel->gradient_norm2(s->w + from, s->g + from, l1, 2 * l2, left < PIECE ? left : PIECE);
        }
    }
    *norm = sqrt(sum);
    return MAAS_OK;
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
    double beta2 = o->optimizer == MAAS_OPTIMIZER_RMSPROP ? o->alpha : o->beta2;
    double beta1 = adam && !isnan(momentum) ? momentum : o->beta1, moved = isnan(momentum) ? o->momentum : momentum;
    MaasUpdate u = {.scale = 1,
                    .limit = o->clip_value > 0 ? (float)o->clip_value : INFINITY,
                    .decay = apart ? 0 : (float)o->weight_decay,
                    .shrink = apart ? (float)(1 - rate * o->weight_decay) : 1,
                    .rate = (float)rate,
                    .momentum = (float)moved,
                    .fresh = (float)(1 - o->dampening),
                    .beta1 = (float)beta1,
                    .beta2 = (float)beta2,
                    .fresh1 = (float)(1 - beta1),
                    .fresh2 = (float)(1 - beta2),
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
    maas_optimizer_max_norm(options, slots, n, threads);
}

/* ---- max_norm ---- */

typedef struct Norms {
    MaasSlot *slot;
    double most;
} Norms;

/* w: (n, inner), a row of some units. */
static void add_squares(const float *w, int64_t n, int64_t inner, double *sums)
{
    if (inner == 1) {
#pragma omp simd
        for (int64_t u = 0; u < n; u++)
            sums[u] += (double)w[u] * (double)w[u];
        return;
    }
    for (int64_t u = 0; u < n; u++) {
        double sum = 0;

#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < inner; k++)
            sum += (double)w[u * inner + k] * (double)w[u * inner + k];
        sums[u] += sum;
    }
}

static void multiply(float *w, int64_t n, int64_t inner, const float *factors)
{
    if (inner == 1) {
#pragma omp simd
        for (int64_t u = 0; u < n; u++)
            w[u] *= factors[u];
        return;
    }
    for (int64_t u = 0; u < n; u++)
        for (int64_t k = 0; factors[u] < 1 && k < inner; k++)
            w[u * inner + k] *= factors[u];
}

/* Units [first, first + n), n <= UNITS, row by row of (outer, units, inner): a unit's own weights lie far apart. */
static void bound_units(const Norms *norms, int64_t first, int64_t n)
{
    const MaasSlot *s = norms->slot;
    double sums[UNITS] = {0};
    float factors[UNITS];
    bool any = false;

    for (int64_t o = 0; o < s->outer; o++)
        add_squares(s->w + (o * s->units + first) * s->inner, n, s->inner, sums);
    for (int64_t u = 0; u < n; u++) {
        double norm = sqrt(sums[u]);
        bool longer = norm > norms->most;

        factors[u] = longer ? (float)(norms->most / (norm + 1e-7)) : 1; /* as torch.renorm */
        any |= longer;
    }
    for (int64_t o = 0; any && o < s->outer; o++)
        multiply(s->w + (o * s->units + first) * s->inner, n, s->inner, factors);
}

static void bound_part(void *arg, int64_t from, int64_t to)
{
    for (; from < to; from += UNITS)
        bound_units(arg, from, to - from < UNITS ? to - from : UNITS);
}

void maas_optimizer_max_norm(const MaasTrainOptions *options, MaasSlot *slots, int n, int threads)
{
    for (int i = 0; i < n && options->max_norm > 0; i++) {
        Norms norms = {&slots[i], options->max_norm};
        const MaasSlot *s = &slots[i];
        int64_t grain = s->outer > 1 ? UNITS : 1 + GRAIN / (s->inner > 0 ? s->inner : 1);

        if (s->penalized)
            maas_threads_run(threads, s->units, grain, bound_part, &norms, NULL);
    }
}
