/*
 * step.c - steps and evaluation of a trainer.
 *
 * A step runs the training graph, looks at the loss and the gradients, and only then changes parameters, optimiser
 * state and running statistics, without a further point of failure: so it happens as a whole or not at all.  What
 * the graph computes lies in the trainer's workspace, which is kept from step to step.
 */
#include <math.h>
#include <string.h>

#include "trainer.h"

static MaasStop stop_of(const MaasRunOptions *run)
{
    return (MaasStop){{run->stop, run->stop_too}};
}

/* ---- memory made at the start ---- */

MaasStatus maas_trainer_prepare(MaasTrainer *t, MaasError *err)
{
    MAAS_TRY(maas_optimizer_start(&t->options, t->mem, t->slots, t->n_slots, err));
    maas_schedule_start(&t->schedule, &t->options);
    if (t->options.optimizer == MAAS_OPTIMIZER_LBFGS)
        MAAS_TRY(maas_lbfgs_new(&t->options, t->mem, t->slots, t->n_slots, &t->lbfgs, err));
    if (!t->options.restore_best)
        return MAAS_OK;
    t->best = maas_arena_array(&t->arena, (size_t)t->n_variables + 1, sizeof *t->best, err);
    if (!t->best)
        return err->status;
    for (int i = 0; i < t->n_variables; i++) {
        t->best[i] = maas_alloc_array(t->mem, (size_t)t->variables[i].value->tensor.count, sizeof(float), err);
        if (!t->best[i])
            return err->status;
    }
    return MAAS_OK;
}

/* ---- what goes in ---- */

static MaasStatus check_input(const MaasEdge *edge, const MaasValue *value, MaasError *err)
{
    const MaasInfo *info = &edge->info;
    char want[512], got[512];

    if (!value)
        return maas_fail(err, MAAS_ERR_NAME, "expects input \"%.200s\", which is missing", edge->name);
    if (value->kind != MAAS_KIND_TENSOR)
        return maas_fail(err, MAAS_ERR_TYPE, "expects input \"%.200s\" to be a tensor", edge->name);
    const MaasTensor *x = &value->tensor;

    if (info->type != MAAS_UNDEFINED && x->type != info->type)
        return maas_fail(err, MAAS_ERR_TYPE, "expects input \"%.200s\" of type %s, got %s", edge->name,
                         maas_type_name(info->type), maas_type_name(x->type));
    bool fits = info->rank < 0 || info->rank == x->rank;

    for (int d = 0; fits && d < info->rank; d++)
        fits = info->dims[d] < 0 || info->dims[d] == x->dims[d];
    if (!fits)
        return maas_fail(err, MAAS_ERR_SHAPE, "expects input \"%.200s\" of shape %s, got %s", edge->name,
                         maas_dims_text(info->rank, info->dims, NULL, want, sizeof want),
                         maas_dims_text(x->rank, x->dims, NULL, got, sizeof got));
    return MAAS_OK;
}

static MaasStatus check_target(const MaasValue *target, MaasError *err)
{
    MaasType type = target->kind == MAAS_KIND_TENSOR ? target->tensor.type : MAAS_UNDEFINED;

    if (type != MAAS_FLOAT && type != MAAS_INT64 && type != MAAS_INT32)
        return maas_fail(err, MAAS_ERR_TYPE, "the target must be of type float, int64 or int32, got %s",
                         maas_type_name(type));
    if (target->tensor.rank < 1 || target->tensor.dims[0] < 1)
        return maas_fail(err, MAAS_ERR_SHAPE, "the target has no sample");
    return MAAS_OK;
}

/* Weights of 1 for n samples. */
static MaasStatus even_weights(MaasTrainer *t, int64_t n, MaasError *err)
{
    if (t->ones && t->ones->tensor.dims[0] == n)
        return MAAS_OK;
    MaasValue *ones;

    MAAS_TRY(maas_value_new_tensor(t->mem, MAAS_FLOAT, 1, &n, &ones, err));
    for (int64_t i = 0; i < n; i++)
        MAAS_F32(&ones->tensor)[i] = 1;
    maas_value_unref(t->ones);
    t->ones = ones;
    return MAAS_OK;
}

static MaasStatus check_weights(const MaasValue *weights, int64_t n, MaasError *err)
{
    if (weights->kind != MAAS_KIND_TENSOR || weights->tensor.type != MAAS_FLOAT || weights->tensor.rank != 1 ||
        weights->tensor.dims[0] != n)
        return maas_fail(err, MAAS_ERR_SHAPE, "the weights must be %lld floats, one for each sample", (long long)n);
    for (int64_t i = 0; i < n; i++)
        if (!(MAAS_F32(&weights->tensor)[i] >= 0 && isfinite(MAAS_F32(&weights->tensor)[i])))
            return maas_fail(err, MAAS_ERR_VALUE, "weight %lld is %g, it must be a number from 0 up", (long long)i,
                             (double)MAAS_F32(&weights->tensor)[i]);
    return MAAS_OK;
}

/* ---- running a graph ---- */

static MaasStatus find_plan(MaasTrainer *t, MaasTrainGraph *g, const MaasRunOptions *run, MaasValue *const *inputs,
                            MaasPlan **out, MaasError *err)
{
    MaasStepPlan plan;
    int i = 0;

    while (i < g->n_plans && !maas_plan_matches(g->plans[i].plan, inputs, g->n_wanted, g->wanted))
        i++;
    if (i < g->n_plans)
        plan = g->plans[i];
    else {
        MAAS_TRY(maas_step_plan_new(g->onnx.graph, t->mem, inputs, g->n_wanted, g->wanted, g->limit, &t->workspace,
                                    stop_of(run), &plan, err));
        if (g->n_plans == MAAS_TRAIN_PLANS)
            maas_step_plan_free(&g->plans[--g->n_plans]);
        i = g->n_plans++;
    }
    memmove(g->plans + 1, g->plans, sizeof *g->plans * (size_t)i);
    g->plans[0] = plan;
    *out = plan.plan;
    return MAAS_OK;
}

void maas_trainer_set_memory(MaasTrainer *trainer, size_t bytes)
{
    MaasTrainGraph *g = &trainer->train;

    while (g->n_plans > 0)
        maas_step_plan_free(&g->plans[--g->n_plans]);
    g->limit = bytes;
}

MaasStepMemory maas_trainer_memory(const MaasTrainer *trainer)
{
    const MaasTrainGraph *g = &trainer->train;

    return g->n_plans > 0 ? (MaasStepMemory){g->plans[0].taken, g->plans[0].whole} : (MaasStepMemory){0};
}

/* A batch on its way through a graph. */
typedef struct Batch {
    MaasTrainer *t;
    MaasTrainGraph *g;
    const MaasRunOptions *run;
    MaasValue **inputs; /* of the model, target, weights */
    MaasValue **out;    /* what is wanted: references, or NULL */
    double loss, weight;
} Batch;

static void free_batch(Batch *b)
{
    for (int i = 0; b->out && i < b->g->n_wanted; i++)
        maas_value_unref(b->out[i]);
    maas_free(b->t->mem, b->out);
    maas_free(b->t->mem, b->inputs);
}

static MaasStatus start_batch(Batch *b, const MaasValue *const *inputs, const MaasValue *target,
                              const MaasValue *weights, MaasError *err)
{
    MaasTrainer *t = b->t;
    const MaasGraph *graph = b->g->onnx.graph;

    b->inputs = maas_zalloc_array(t->mem, (size_t)graph->n_inputs + 1, sizeof *b->inputs, err);
    b->out = maas_zalloc_array(t->mem, (size_t)b->g->n_wanted + 1, sizeof *b->out, err);
    if (!b->inputs || !b->out)
        return err->status;
    for (int i = 0; i < t->n_inputs; i++) {
        MAAS_TRY(check_input(&graph->edges[graph->inputs[i]], inputs[i], err));
        b->inputs[i] = (MaasValue *)inputs[i];
    }
    MAAS_TRY(check_target(target, err));
    if (weights)
        MAAS_TRY(check_weights(weights, target->tensor.dims[0], err));
    else
        MAAS_TRY(even_weights(t, target->tensor.dims[0], err));
    b->inputs[t->n_inputs] = (MaasValue *)target;
    b->inputs[t->n_inputs + 1] = weights ? (MaasValue *)weights : t->ones;
    return MAAS_OK;
}

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Random numbers follow from the seed and the step alone, so that a resumed run draws the same ones. */
static MaasStatus run_batch(Batch *b, MaasError *err)
{
    MaasTrainer *t = b->t;
    MaasPlan *plan;
    MaasRun run;

    MAAS_TRY(find_plan(t, b->g, b->run, b->inputs, &plan, err));
    for (int i = 0; i < b->g->n_wanted; i++) {
        maas_value_unref(b->out[i]);
        b->out[i] = NULL;
    }
    maas_run_init(&run, t->mem, stop_of(b->run), b->run->threads);
    run.seed = mix((uint64_t)t->options.seed * 0x9e3779b97f4a7c15u + (uint64_t)t->step);
    MaasStatus status = maas_plan_run(plan, &run, b->inputs, b->out, err);

    maas_run_end(&run);
    MAAS_TRY(status);
    b->loss = (double)MAAS_F32(&b->out[0]->tensor)[0];
    b->weight = (double)MAAS_F32(&b->out[1]->tensor)[0];
    return MAAS_OK;
}

/* ---- a step ---- */

static MaasStatus not_finite(const MaasTrainer *t, const char *what, double value, MaasError *err)
{
    maas_fail(err, MAAS_ERR_VALUE, "the %s is %s in step %lld", what,
              isnan(value) ? "NaN"
              : value > 0  ? "infinite"
                           : "minus infinite",
              (long long)t->step + 1);
    maas_error_hint(err, "A smaller learning_rate or clip_norm may help; look for values in the data that are no "
                         "finite numbers.");
    return err->status;
}

static MaasStatus check_loss(const MaasTrainer *t, const Batch *b, MaasError *err)
{
    return isfinite(b->loss) ? MAAS_OK : not_finite(t, "loss", b->loss, err);
}

static MaasStatus take_gradients(MaasTrainer *t, const Batch *b, MaasError *err)
{
    for (int i = 0; i < t->n_slots; i++) {
        const MaasTensor *g = &b->out[2 + i]->tensor;

        if (g->type != MAAS_FLOAT || g->count != t->slots[i].count)
            return maas_fail(err, MAAS_ERR_INTERNAL, "the gradient of \"%.200s\" has %lld elements, not %lld",
                             t->variables[t->slot_variables[i]].name, (long long)g->count,
                             (long long)t->slots[i].count);
        t->slots[i].g = MAAS_F32(g);
    }
    return MAAS_OK;
}

/* Running statistics follow those of the batch; the variance without bias, as PyTorch has it.  One value has no
 * variance: a last batch of one row, which PyTorch refuses, teaches nothing about it. */
static void follow_statistics(MaasTrainer *t, const Batch *b)
{
    for (int i = 0; i < t->n_running; i++) {
        const MaasRunning *r = &t->running[i];
        MaasValue *const *out = b->out + 2 + t->n_slots + 3 * i;
        float *mean = MAAS_F32(&t->variables[r->mean].value->tensor);
        float *variance = MAAS_F32(&t->variables[r->variance].value->tensor);
        int64_t channels = out[0]->tensor.count;
        double values = channels > 0 ? (double)MAAS_I64(&out[2]->tensor)[0] / (double)channels : 0;
        double unbiased = values / (values - 1);

        for (int64_t k = 0; values > 1 && k < channels; k++) {
            double m = (double)MAAS_F32(&out[0]->tensor)[k], v = (double)MAAS_F32(&out[1]->tensor)[k] * unbiased;

            if (!isfinite(m) || !isfinite(v)) /* a search of lbfgs may have looked there last */
                continue;
            mean[k] = (float)(r->momentum * (double)mean[k] + (1 - r->momentum) * m);
            variance[k] = (float)(r->momentum * (double)variance[k] + (1 - r->momentum) * v);
        }
    }
}

static MaasStatus loss_again(void *ctx, double *loss, MaasError *err)
{
    Batch *b = ctx;

    MAAS_TRY(run_batch(b, err));
    *loss = b->loss;
    return take_gradients(b->t, b, err);
}

static MaasStatus take_step(Batch *b, MaasStepResult *result, MaasError *err)
{
    MaasTrainer *t = b->t;
    MaasStop stop = stop_of(b->run);
    double momentum = NAN, norm;

    result->learning_rate = maas_schedule_rate(&t->schedule, &t->options, t->steps_per_epoch, t->step, &momentum);
    result->gradient_norm = NAN;
    if (t->lbfgs) {
        MAAS_TRY(maas_lbfgs_step(t->lbfgs, &t->options, t->slots, t->n_slots, result->learning_rate, loss_again, b,
                                 &stop, &result->loss, err));
    } else {
        MAAS_TRY(run_batch(b, err));
        MAAS_TRY(check_loss(t, b, err));
        MAAS_TRY(take_gradients(t, b, err));
        MAAS_TRY(maas_optimizer_norm(&t->options, t->slots, t->n_slots, &stop, &norm, err));
        if (!isfinite(norm))
            return not_finite(t, "gradient", norm, err);
        result->loss = b->loss;
        result->gradient_norm = norm;
        maas_optimizer_step(&t->options, t->slots, t->n_slots, t->step + 1, result->learning_rate, momentum, norm,
                            b->run->threads);
    }
    follow_statistics(t, b);
    result->weight = b->weight;
    result->step = ++t->step;
    return MAAS_OK;
}

MaasStatus maas_trainer_step(MaasTrainer *trainer, const MaasRunOptions *run, const MaasValue *const *inputs,
                             const MaasValue *target, const MaasValue *weights, MaasStepResult *result,
                             MaasError *err)
{
    Batch b = {.t = trainer, .g = &trainer->train, .run = run};
    MaasStatus status = start_batch(&b, inputs, target, weights, err);

    if (status == MAAS_OK)
        status = take_step(&b, result, err);
    free_batch(&b);
    return status;
}

MaasStatus maas_trainer_evaluate(MaasTrainer *trainer, const MaasRunOptions *run, const MaasValue *const *inputs,
                                 const MaasValue *target, const MaasValue *weights, MaasStepResult *result,
                                 MaasValue **output, MaasError *err)
{
    Batch b = {.t = trainer, .g = &trainer->eval, .run = run};
    MaasStatus status = start_batch(&b, inputs, target, weights, err);

    if (status == MAAS_OK)
        status = run_batch(&b, err);
    if (status == MAAS_OK) {
        *result = (MaasStepResult){.loss = b.loss, .weight = b.weight, .gradient_norm = NAN, .step = trainer->step};
        if (output) /* out of the workspace, which the next run writes over */
            status = maas_value_copy(run->mem, b.out[2], output, err);
    }
    free_batch(&b);
    return status;
}

/* ---- epochs ---- */

static void exchange_best(MaasTrainer *t, bool keep)
{
    for (int i = 0; i < t->n_variables; i++) {
        MaasTensor *value = &t->variables[i].value->tensor;

        if (keep)
            memcpy(t->best[i], value->data, maas_tensor_bytes(value));
        else
            memcpy(value->data, t->best[i], maas_tensor_bytes(value));
    }
}

MaasStatus maas_trainer_epoch(MaasTrainer *trainer, double value, bool *stop, MaasError *err)
{
    bool improved;

    maas_schedule_epoch(&trainer->schedule, &trainer->options, value, &improved, stop);
    if (improved && trainer->best) {
        exchange_best(trainer, true);
        trainer->has_best = true;
    }
    return MAAS_OK;
}

void maas_trainer_finish(MaasTrainer *trainer)
{
    if (trainer->has_best)
        exchange_best(trainer, false);
}

MaasStatus maas_trainer_check_finite(const MaasTrainer *t, MaasError *err)
{
    for (int i = 0; i < t->n_slots; i++) {
        const MaasSlot *s = &t->slots[i];
        float sum = 0; /* NaN if any of 0 * w is */

#pragma omp simd reduction(+ : sum)
        for (int64_t k = 0; k < s->count; k++)
            sum += 0 * s->w[k];
        if (sum == 0)
            continue;
        maas_fail(err, MAAS_ERR_VALUE, "parameter \"%.200s\" is no finite number after step %lld",
                  t->variables[t->slot_variables[i]].name, (long long)t->step);
        maas_error_hint(err, "A smaller learning_rate or clip_norm may help.");
        return err->status;
    }
    return MAAS_OK;
}

MaasStatus maas_trainer_export(const MaasTrainer *trainer, MaasMem *mem, void **bytes, size_t *n_bytes,
                               MaasError *err)
{
    MAAS_TRY(maas_trainer_check_finite(trainer, err));
    return maas_model_replace(trainer->bytes, trainer->n_bytes, trainer->n_variables, trainer->variables, mem,
                              bytes, n_bytes, err);
}
