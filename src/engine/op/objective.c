/*
 * objective.c - Objective, an internal operator: the end of a graph that is trained.
 *
 * It computes the loss as a weighted mean and in the same pass the gradient of the prediction, which is its output
 * 1: cross entropies take logits, so that nothing is rounded away in between.  The weights are those of the samples
 * (the first axis) times those of the classes; the third output is their sum.  Without any weight the loss is 0.
 *
 * Targets: for "cross_entropy" and "margin" class numbers in the shape of the prediction without its last axis
 * (-100: left out), for cross_entropy also a distribution in the shape of the prediction; for all others numbers in
 * the shape of the prediction.  Trailing axes of size 1 do not count.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "expect.h"
#include "grad.h"

enum { OBJ_KIND, OBJ_PARAMETER, OBJ_SMOOTHING };
enum { OBJ_X, OBJ_TARGET, OBJ_SAMPLE_WEIGHT, OBJ_CLASS_WEIGHT };
enum { OBJ_LOSS, OBJ_GRADIENT, OBJ_WEIGHT };

#define IGNORED (-100)

/* The elementwise ones in the order of MaasObjective. */
static const char *const kinds[] = {"mse",          "mae",   "huber",    "binary_cross_entropy", "poisson",
                                    "poisson_rate", "hinge", "quantile", "cross_entropy",        "margin"};
enum { KIND_CROSS_ENTROPY = MAAS_N_OBJECTIVES, KIND_MARGIN, N_KINDS };

static int kind_of(const MaasAttr *attr)
{
    MaasStr s = attr[OBJ_KIND].s;

    for (int k = 0; k < N_KINDS; k++)
        if (strlen(kinds[k]) == s.length && memcmp(kinds[k], s.data, s.length) == 0)
            return k;
    return -1;
}

static bool is_index(MaasType type)
{
    return type == MAAS_INT64 || type == MAAS_INT32;
}

static int trimmed(int rank, const int64_t *dims)
{
    while (rank > 0 && dims[rank - 1] == 1)
        rank--;
    return rank;
}

/* Whether the target has the prediction's first `rank` dimensions; what is not known yet passes. */
static bool fits(const MaasInfo *x, int rank, const MaasInfo *target)
{
    int have = trimmed(target->rank, target->dims), want = trimmed(rank, x->dims);

    for (int d = 0; d < target->rank; d++)
        if (target->dims[d] < 0)
            return true;
    for (int d = 0; d < rank; d++)
        if (x->dims[d] < 0)
            return true;
    return have == want && memcmp(x->dims, target->dims, sizeof *x->dims * (size_t)have) == 0;
}

static MaasStatus infer_objective(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[OBJ_X], *target = c->in[OBJ_TARGET];
    int kind = kind_of(c->attr);
    bool classes = kind >= KIND_CROSS_ENTROPY;
    char want[256], got[256];

    if (kind < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "there is no loss \"%.*s\"", (int)c->attr[OBJ_KIND].s.length,
                               c->attr[OBJ_KIND].s.data);
    if (kind == KIND_MARGIN && !is_index(target->type))
        return maas_infer_fail(c, MAAS_ERR_TYPE, "the target must hold class numbers");
    MAAS_TRY(maas_infer_out(c, OBJ_LOSS, MAAS_FLOAT, 0, NULL));
    MAAS_TRY(maas_infer_out(c, OBJ_GRADIENT, MAAS_FLOAT, x->rank, x->dims));
    MAAS_TRY(maas_infer_out(c, OBJ_WEIGHT, MAAS_FLOAT, 0, NULL));
    if (x->rank < 0)
        return MAAS_OK;
    if (x->rank < (classes ? 2 : 1))
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the prediction needs a batch%s", classes ? " and classes" : "");
    if (c->n_in > OBJ_SAMPLE_WEIGHT)
        MAAS_TRY(maas_expect_vector(c, OBJ_SAMPLE_WEIGHT, x->dims[0]));
    if (c->n_in > OBJ_CLASS_WEIGHT)
        MAAS_TRY(maas_expect_vector(c, OBJ_CLASS_WEIGHT, classes ? x->dims[x->rank - 1] : 2));
    if (target->rank < 0)
        return MAAS_OK;
    int rank = classes && is_index(target->type) ? x->rank - 1 : x->rank;

    if (!fits(x, rank, target))
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the target must have the shape %s, got %s",
                               maas_dims_text(rank, x->dims, NULL, want, sizeof want),
                               maas_dims_text(target->rank, target->dims, NULL, got, sizeof got));
    return MAAS_OK;
}

/* ---- computing ---- */

typedef struct Work {
    const float *x;
    float *dx;
    const MaasTensor *target;
    const float *sample_weight, *class_weight; /* NULL: 1 */
    int64_t samples, each;                     /* elements of a sample */
    int64_t classes, rows;                     /* rows of a sample */
    float parameter, smoothing;
} Work;

static float weight_of(const Work *w, int64_t sample)
{
    return w->sample_weight ? w->sample_weight[sample] : 1;
}

static int64_t label_at(const Work *w, int64_t row)
{
    return w->target->type == MAAS_INT32 ? MAAS_I32(w->target)[row] : MAAS_I64(w->target)[row];
}

static float class_weight(const Work *w, int64_t label)
{
    return w->class_weight ? w->class_weight[label] : 1;
}

/* Sum of the weights that the mean is taken over; checks the labels. */
static MaasStatus class_weights(MaasCtx *c, const Work *w, double *total)
{
    bool index = is_index(w->target->type);

    *total = 0;
    for (int64_t i = 0; i < w->samples; i++)
        for (int64_t r = i * w->rows; r < (i + 1) * w->rows; r++) {
            int64_t label = index ? label_at(w, r) : 0;

            if ((r & 0xfff) == 0 && maas_stop(c))
                return maas_stopped(c);
            if (index && label == IGNORED)
                continue;
            if (label < 0 || label >= w->classes)
                return maas_node_fail(c, MAAS_ERR_VALUE, "class %lld of row %lld is none of the %lld",
                                      (long long)label, (long long)r, (long long)w->classes);
            *total += (double)weight_of(w, i) * (index ? (double)class_weight(w, label) : 1);
        }
    return MAAS_OK;
}

/* Fills q for a row: what the logarithms of the probabilities are multiplied with.  Returns its sum. */
static float target_row(const Work *w, int64_t row, float *q)
{
    bool index = is_index(w->target->type);
    int64_t n = w->classes, label = index ? label_at(w, row) : -1;
    float even = w->smoothing / (float)n, total = 0;

    if (index && !w->class_weight && w->smoothing == 0) {
        memset(q, 0, (size_t)n * sizeof *q);
        q[label] = 1;
        return 1;
    }
    for (int64_t k = 0; k < n; k++) {
        float t = index ? (float)(k == label) : MAAS_F32(w->target)[row * n + k];

        q[k] = class_weight(w, k) * ((1 - w->smoothing) * t + even);
        total += q[k];
    }
    return total;
}

static MaasStatus cross_entropy(MaasCtx *c, const Work *w, double total, double *sum)
{
    float *q = maas_scratch(c, (size_t)w->classes, 2 * sizeof *q), *e = q + w->classes;

    if (!q)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < w->samples; i++) {
        float weight = weight_of(w, i), scale = (float)((double)weight / total);

        for (int64_t r = i * w->rows; r < (i + 1) * w->rows; r++) {
            int64_t at = r * w->classes;

            if ((r & 63) == 0 && maas_stop(c))
                return maas_stopped(c);
            if (is_index(w->target->type) && label_at(w, r) == IGNORED) {
                memset(w->dx + at, 0, (size_t)w->classes * sizeof *w->dx);
                continue;
            }
            float all = target_row(w, r, q);

            *sum +=
                (double)weight * maas_kernel->cross_entropy(w->x + at, q, all, w->classes, scale, e, w->dx + at);
        }
    }
    return MAAS_OK;
}

/* The margin between the right class and each other one, as torch.nn.MultiMarginLoss. */
static MaasStatus margin(MaasCtx *c, const Work *w, double total, double *sum)
{
    for (int64_t i = 0; i < w->samples; i++)
        for (int64_t r = i * w->rows; r < (i + 1) * w->rows; r++) {
            const float *x = w->x + r * w->classes;
            float *dx = w->dx + r * w->classes, right;
            int64_t label = label_at(w, r);

            if ((r & 63) == 0 && maas_stop(c))
                return maas_stopped(c);
            if (label == IGNORED) {
                memset(dx, 0, (size_t)w->classes * sizeof *dx);
                continue;
            }
            float weight = weight_of(w, i) * class_weight(w, label),
                  step = (float)((double)weight / total) / (float)w->classes;
            double loss = 0, slope = 0;

            right = x[label];
            for (int64_t k = 0; k < w->classes; k++) {
                float gap = 1 - right + x[k];
                bool counts = k != label && gap > 0;

                loss += counts ? (double)gap : 0;
                dx[k] = counts ? step : 0;
                slope += counts;
            }
            dx[label] = (float)(-slope * (double)step);
            *sum += (double)weight * loss / (double)w->classes;
        }
    return MAAS_OK;
}

/* The target as floats; NULL after a failure. */
static const float *float_target(MaasCtx *c, const Work *w)
{
    const MaasTensor *t = w->target;

    if (t->type == MAAS_FLOAT)
        return MAAS_F32(t);
    float *values = maas_scratch(c, (size_t)t->count, sizeof *values);

    for (int64_t i = 0; values && i < t->count; i++)
        values[i] = (float)label_at(w, i);
    return values;
}

static MaasStatus elementwise(MaasCtx *c, const Work *w, int kind, double *total, double *sum)
{
    const float *t = float_target(c, w);
    MaasObjectiveFn fn = maas_kernel->objective((MaasObjective)kind);
    float w0 = class_weight(w, 0), w1 = class_weight(w, 1);

    if (!t)
        return maas_scratch_failed(c);
    *total = 0;
    for (int64_t i = 0; i < w->samples; i++) {
        double share = 0;

        for (int64_t k = i * w->each; w->class_weight && k < (i + 1) * w->each; k++)
            share += (double)(w0 * (1 - t[k]) + w1 * t[k]);
        *total += (double)weight_of(w, i) * (w->class_weight ? share : (double)w->each);
    }
    bool even = !w->sample_weight;
    int64_t n = even ? 1 : w->samples, each = even ? w->samples * w->each : w->each;

    for (int64_t i = 0; i < n && *total > 0; i++) {
        float weight = weight_of(w, i);
        int64_t at = i * each;

        if ((i & 63) == 0 && maas_stop(c))
            return maas_stopped(c);
        *sum += (double)weight *
                fn(w->x + at, t + at, each, w->parameter, w0, w1, (float)((double)weight / *total), w->dx + at);
    }
    return MAAS_OK;
}

static MaasStatus compute_objective(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, OBJ_X), *sample = maas_in(c, OBJ_SAMPLE_WEIGHT);
    const MaasTensor *class = maas_in(c, OBJ_CLASS_WEIGHT);
    MaasTensor *gradient = maas_out(c, OBJ_GRADIENT), *weight = maas_out(c, OBJ_WEIGHT);
    int kind = kind_of(c->attr);
    int64_t samples = x->dims[0], each = samples ? x->count / samples : 0;
    Work w = {.x = MAAS_F32(x),
              .dx = gradient ? MAAS_F32(gradient) : maas_scratch(c, (size_t)x->count, sizeof(float)),
              .target = maas_in(c, OBJ_TARGET),
              .sample_weight = sample ? MAAS_F32(sample) : NULL,
              .class_weight = class ? MAAS_F32(class) : NULL,
              .samples = samples,
              .each = each,
              .classes = kind >= KIND_CROSS_ENTROPY ? x->dims[x->rank - 1] : 1,
              .parameter = c->attr[OBJ_PARAMETER].f,
              .smoothing = c->attr[OBJ_SMOOTHING].f};
    double total = 0, sum = 0;

    if (!w.dx && x->count > 0)
        return maas_scratch_failed(c);
    w.rows = w.classes ? each / w.classes : 0;
    if (kind < KIND_CROSS_ENTROPY) {
        MAAS_TRY(elementwise(c, &w, kind, &total, &sum));
    } else {
        MAAS_TRY(class_weights(c, &w, &total));
        if (total > 0)
            MAAS_TRY(kind == KIND_MARGIN ? margin(c, &w, total, &sum) : cross_entropy(c, &w, total, &sum));
    }
    if (!(total > 0)) {
        sum = 0;
        if (x->count > 0)
            memset(w.dx, 0, (size_t)x->count * sizeof *w.dx);
    }
    MAAS_F32(maas_out(c, OBJ_LOSS))[0] = (float)(total > 0 ? sum / total : 0);
    if (weight)
        MAAS_F32(weight)[0] = (float)total;
    return MAAS_OK;
}

static void grad_objective(MaasGrad *g)
{
    maas_grad_give(g, OBJ_X, maas_grad_mul(g, maas_grad_out(g, OBJ_GRADIENT), maas_grad_dy(g, OBJ_LOSS)));
}

static double cost_objective(const MaasInferCtx *c)
{
    double n = 1;

    for (int d = 0; d < c->in[OBJ_X]->rank; d++)
        n *= maas_dim_cost(c->in[OBJ_X]->dims[d]);
    return 20 * n;
}

const MaasOp maas_op_objective = {
    .domain = "maas",
    .name = "Objective",
    .first = 1,
    .since = 1,
    .in = {{"prediction", MAAS_T_FLOAT, 'T', 0},
           {"target", MAAS_T_FLOAT | MAAS_T_INDEX, 0, MAAS_NO_GRAD},
           {"sample_weight", MAAS_T_FLOAT, 0, MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"class_weight", MAAS_T_FLOAT, 0, MAAS_OPTIONAL | MAAS_NO_GRAD}},
    .out = {{"loss", MAAS_T_FLOAT, 'T', 0},
            {"gradient", MAAS_T_FLOAT, 'T', MAAS_OPTIONAL},
            {"weight", MAAS_T_FLOAT, 'T', MAAS_OPTIONAL}},
    .attrs = {{"kind", MAAS_ATTR_STRING, .required = true},
              {"parameter", MAAS_ATTR_FLOAT, .f = 1},
              {"smoothing", MAAS_ATTR_FLOAT}},
    .infer = infer_objective,
    .compute = compute_objective,
    .cost = cost_objective,
    .grad = grad_objective,
};
