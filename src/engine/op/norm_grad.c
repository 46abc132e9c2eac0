/*
 * norm_grad.c - the gradients of LayerNormalization, RMSNormalization, InstanceNormalization, GroupNormalization,
 * BatchNormalization and LRN, as internal operators.
 *
 * Means and variances of single rows are computed again: the row is read anyway, and those that the forward pass
 * can give are rounded to float32.  A batch's statistics come from the forward pass.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "expect.h"

/* Inputs and outputs of them all. */
enum { NORM_DY, NORM_X, NORM_SCALE, NORM_MEAN, NORM_VAR };
enum { NORM_DX, NORM_DSCALE, NORM_DBIAS };

static double number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

static void add(MaasTensor *t, int64_t i, double value)
{
    if (!t)
        return;
    if (t->type == MAAS_DOUBLE)
        MAAS_F64(t)[i] += value;
    else
        MAAS_F32(t)[i] += (float)value;
}

static void zero(MaasTensor *t)
{
    if (t && t->count > 0)
        memset(t->data, 0, maas_tensor_bytes(t));
}

static void moments(const MaasTensor *x, int64_t from, int64_t n, bool centred, double *mean, double *variance)
{
    const double origin = 0;

    if (x->type == MAAS_DOUBLE)
        maas_kernel->moments_f64(MAAS_F64(x) + from, n, centred ? NULL : &origin, mean, variance);
    else
        maas_kernel->moments_f32(MAAS_F32(x) + from, n, centred ? NULL : &origin, mean, variance);
    if (!centred)
        *mean = 0;
}

/* One row of n elements from element `from` on. */
typedef struct Row {
    int64_t from, n;
    double mean, factor;
    const void *scale; /* (n), or NULL */
} Row;

static void row_sums(const MaasCtx *c, const Row *row, double *sum, double *sum_x)
{
    const MaasTensor *x = maas_in(c, NORM_X), *dy = maas_in(c, NORM_DY);

    if (x->type == MAAS_DOUBLE)
        maas_kernel->norm_grad_sums_f64(MAAS_F64(x) + row->from, MAAS_F64(dy) + row->from, row->scale, row->mean,
                                        row->factor, row->n, sum, sum_x);
    else
        maas_kernel->norm_grad_sums_f32(MAAS_F32(x) + row->from, MAAS_F32(dy) + row->from, row->scale,
                                        (float)row->mean, (float)row->factor, row->n, sum, sum_x);
}

static void row_gradient(const MaasCtx *c, const Row *row, double gain, double shift, double slope)
{
    const MaasTensor *x = maas_in(c, NORM_X), *dy = maas_in(c, NORM_DY);
    MaasTensor *dx = maas_out(c, NORM_DX);

    if (!dx)
        return;
    if (x->type == MAAS_DOUBLE)
        maas_kernel->norm_grad_row_f64(MAAS_F64(x) + row->from, MAAS_F64(dy) + row->from, row->scale, gain,
                                       row->mean, row->factor, shift, slope, MAAS_F64(dx) + row->from, row->n);
    else
        maas_kernel->norm_grad_row_f32(MAAS_F32(x) + row->from, MAAS_F32(dy) + row->from, row->scale, (float)gain,
                                       (float)row->mean, (float)row->factor, (float)shift, (float)slope,
                                       MAAS_F32(dx) + row->from, row->n);
}

/* dX of x's shape, dScale and dBias of the scale's. */
static MaasStatus infer_norm_grad(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[NORM_X], *scale = c->in[NORM_SCALE];

    MAAS_TRY(maas_infer_out(c, NORM_DX, x->type, x->rank, x->dims));
    MAAS_TRY(maas_infer_out(c, NORM_DSCALE, scale->type, scale->rank, scale->dims));
    return maas_infer_out(c, NORM_DBIAS, scale->type, scale->rank, scale->dims);
}

#define NORM_IN {"dY", MAAS_T_FLOATS, 'T', 0}, {"X", MAAS_T_FLOATS, 'T', 0}, {"scale", MAAS_T_FLOATS, 'T', 0}
#define NORM_OUT                                                                                                   \
    {                                                                                                              \
        {"dX", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}, {"dScale", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},                  \
        {                                                                                                          \
            "dBias", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL                                                             \
        }                                                                                                          \
    }

/* ---- over the trailing axes ---- */

enum { LAYER_AXIS, LAYER_EPSILON, LAYER_RMS };

/* The scale must be one row, not broadcast within it. */
static MaasStatus infer_layer_norm_grad(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[NORM_X], *scale = c->in[NORM_SCALE];

    for (int i = 1; x->rank >= 0 && i <= scale->rank; i++)
        if (scale->dims[scale->rank - i] >= 0 && x->dims[x->rank - i] >= 0 &&
            scale->dims[scale->rank - i] != x->dims[x->rank - i])
            return maas_infer_fail(c, MAAS_ERR_UNSUPPORTED, "there is no gradient where the scale is broadcast");
    return infer_norm_grad(c);
}

static MaasStatus compute_layer_norm_grad(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, NORM_X), *dy = maas_in(c, NORM_DY), *scale = maas_in(c, NORM_SCALE);
    MaasTensor *dscale = maas_out(c, NORM_DSCALE), *dbias = maas_out(c, NORM_DBIAS);
    bool centred = c->attr[LAYER_RMS].i == 0;
    int64_t n = scale->count;

    zero(dscale);
    zero(dbias);
    if (x->count == 0)
        return MAAS_OK;
    for (int64_t r = 0; r < x->count / n; r++) {
        Row row = {.from = r * n, .n = n, .scale = scale->data};
        double variance, sum, sum_x;

        if ((r & 63) == 0 && maas_stop(c))
            return maas_stopped(c);
        moments(x, row.from, n, centred, &row.mean, &variance);
        row.factor = 1 / sqrt(variance + (double)c->attr[LAYER_EPSILON].f);
        row_sums(c, &row, &sum, &sum_x);
        row_gradient(c, &row, 1, centred ? sum / (double)n : 0, sum_x / (double)n);
        if (!dscale && !dbias)
            continue;
        if (x->type == MAAS_DOUBLE)
            maas_kernel->norm_grad_affine_f64(MAAS_F64(x) + row.from, MAAS_F64(dy) + row.from, row.mean, row.factor,
                                              dscale ? MAAS_F64(dscale) : NULL, dbias ? MAAS_F64(dbias) : NULL, n);
        else
            maas_kernel->norm_grad_affine_f32(MAAS_F32(x) + row.from, MAAS_F32(dy) + row.from, (float)row.mean,
                                              (float)row.factor, dscale ? MAAS_F32(dscale) : NULL,
                                              dbias ? MAAS_F32(dbias) : NULL, n);
    }
    return MAAS_OK;
}

const MaasOp maas_op_layer_norm_grad = {
    .domain = "maas",
    .name = "LayerNormGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {NORM_IN},
    .out = NORM_OUT,
    .attrs = {{"axis", MAAS_ATTR_INT, .i = -1}, {"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f}, {"rms", MAAS_ATTR_INT}},
    .infer = infer_layer_norm_grad,
    .compute = compute_layer_norm_grad,
};

/* ---- over groups of channels ---- */

enum { GROUP_NUMBER, GROUP_EPSILON, GROUP_PER_GROUP };

/* The channels of one group, whose rows follow each other; scale and bias for every `shared` channels. */
static void group_gradient(MaasCtx *c, int64_t from, int64_t channels, int64_t plane, int64_t first, int64_t shared)
{
    const MaasTensor *scale = maas_in(c, NORM_SCALE);
    int64_t n = channels * plane;
    double mean, variance, total = 0, total_x = 0;

    moments(maas_in(c, NORM_X), from, n, true, &mean, &variance);
    Row row = {.n = plane, .mean = mean, .factor = 1 / sqrt(variance + (double)c->attr[GROUP_EPSILON].f)};

    for (int64_t k = 0; k < channels; k++) {
        int64_t channel = (first + k) / shared;
        double sum, sum_x;

        row.from = from + k * plane;
        row_sums(c, &row, &sum, &sum_x);
        add(maas_out(c, NORM_DSCALE), channel, sum_x);
        add(maas_out(c, NORM_DBIAS), channel, sum);
        total += sum * number(scale, channel);
        total_x += sum_x * number(scale, channel);
    }
    for (int64_t k = 0; k < channels; k++) {
        row.from = from + k * plane;
        row_gradient(c, &row, number(scale, (first + k) / shared), total / (double)n, total_x / (double)n);
    }
}

static MaasStatus compute_group_norm_grad(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, NORM_X);
    int64_t groups = c->attr[GROUP_NUMBER].i ? c->attr[GROUP_NUMBER].i : x->dims[1], channels, plane = 1;

    zero(maas_out(c, NORM_DSCALE));
    zero(maas_out(c, NORM_DBIAS));
    if (x->count == 0)
        return MAAS_OK;
    channels = x->dims[1] / groups;
    for (int i = 2; i < x->rank; i++)
        plane *= x->dims[i];
    for (int64_t i = 0; i < x->dims[0] * groups; i++) {
        if (maas_stop(c))
            return maas_stopped(c);
        group_gradient(c, i * channels * plane, channels, plane, i % groups * channels,
                       c->attr[GROUP_PER_GROUP].i ? channels : 1);
    }
    return MAAS_OK;
}

const MaasOp maas_op_group_norm_grad = {
    .domain = "maas",
    .name = "GroupNormGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {NORM_IN},
    .out = NORM_OUT,
    .attrs = {{"num_groups", MAAS_ATTR_INT}, /* 0: a group for each channel */
              {"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f},
              {"per_group", MAAS_ATTR_INT}},
    .infer = infer_norm_grad,
    .compute = compute_group_norm_grad,
};

/* ---- over the batch ---- */

enum { BATCH_EPSILON, BATCH_TRAINING };

static MaasStatus compute_batch_norm_grad(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, NORM_X), *scale = maas_in(c, NORM_SCALE);
    bool training = c->attr[BATCH_TRAINING].i != 0;
    int64_t channels = scale->count, batch = x->rank ? x->dims[0] : 1, plane;

    zero(maas_out(c, NORM_DSCALE));
    zero(maas_out(c, NORM_DBIAS));
    if (x->count == 0)
        return MAAS_OK;
    plane = x->count / batch / channels;
    for (int64_t k = 0; k < channels; k++) {
        double n = (double)(batch * plane), total = 0, total_x = 0, gain = number(scale, k);
        Row row = {.n = plane,
                   .mean = number(maas_in(c, NORM_MEAN), k),
                   .factor = 1 / sqrt(number(maas_in(c, NORM_VAR), k) + (double)c->attr[BATCH_EPSILON].f)};

        if ((k & 15) == 0 && maas_stop(c))
            return maas_stopped(c);
        for (int64_t i = 0; i < batch; i++) {
            double sum, sum_x;

            row.from = (i * channels + k) * plane;
            row_sums(c, &row, &sum, &sum_x);
            total += sum;
            total_x += sum_x;
        }
        add(maas_out(c, NORM_DSCALE), k, total_x);
        add(maas_out(c, NORM_DBIAS), k, total);
        for (int64_t i = 0; i < batch; i++) {
            row.from = (i * channels + k) * plane;
            row_gradient(c, &row, gain, training ? gain * total / n : 0, training ? gain * total_x / n : 0);
        }
    }
    return MAAS_OK;
}

const MaasOp maas_op_batch_norm_grad = {
    .domain = "maas",
    .name = "BatchNormGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0},
           {"X", MAAS_T_FLOATS, 'T', 0},
           {"scale", MAAS_T_FLOATS, 'U', 0},
           {"mean", MAAS_T_FLOATS, 'V', 0},
           {"variance", MAAS_T_FLOATS, 'V', 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
            {"dScale", MAAS_T_FLOATS, 'U', MAAS_OPTIONAL},
            {"dBias", MAAS_T_FLOATS, 'U', MAAS_OPTIONAL}},
    .attrs = {{"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f}, {"training_mode", MAAS_ATTR_INT}},
    .infer = infer_norm_grad,
    .compute = compute_batch_norm_grad,
};

/* ---- LRN ---- */

enum { LRN_ALPHA, LRN_BETA, LRN_BIAS, LRN_SIZE };

/* With s_k = bias + alpha / size * (sum of x^2 over the channels around k) and y = x s^-beta:
 *     dx_k = dy_k s_k^-beta - 2 alpha beta / size * x_k * (sum of dy x s^(-beta - 1) over those whose s has x_k in
 * it) of one example; s and r: (channels, plane). */
#define DEFINE_LRN(T, NAME, POW)                                                                                   \
    static void lrn_##NAME(const MaasCtx *c, const T *x, const T *dy, int64_t channels, int64_t plane, T *s, T *r, \
                           T *dx)                                                                                  \
    {                                                                                                              \
        int64_t size = c->attr[LRN_SIZE].i, before = (size - 1) / 2, after = size - 1 - before;                    \
        T share = (T)c->attr[LRN_ALPHA].f / (T)size, beta = (T)c->attr[LRN_BETA].f, bias = (T)c->attr[LRN_BIAS].f; \
                                                                                                                   \
        for (int64_t k = 0; k < channels; k++) {                                                                   \
            int64_t from = k < before ? 0 : k - before, to = after < channels - k ? k + after : channels - 1;      \
                                                                                                                   \
            for (int64_t i = 0; i < plane; i++)                                                                    \
                s[k * plane + i] = 0;                                                                              \
            for (int64_t j = from; j <= to; j++)                                                                   \
                for (int64_t i = 0; i < plane; i++)                                                                \
                    s[k * plane + i] += x[j * plane + i] * x[j * plane + i];                                       \
            for (int64_t i = k * plane; i < (k + 1) * plane; i++) {                                                \
                T sum = bias + share * s[i];                                                                       \
                                                                                                                   \
                s[i] = POW(sum, -beta);                                                                            \
                r[i] = dy[i] * x[i] * s[i] / sum;                                                                  \
            }                                                                                                      \
        }                                                                                                          \
        for (int64_t k = 0; k < channels; k++) {                                                                   \
            int64_t from = k < after ? 0 : k - after, to = before < channels - k ? k + before : channels - 1;      \
                                                                                                                   \
            for (int64_t i = k * plane; i < (k + 1) * plane; i++)                                                  \
                dx[i] = dy[i] * s[i];                                                                              \
            for (int64_t j = from; j <= to; j++)                                                                   \
                for (int64_t i = 0; i < plane; i++)                                                                \
                    dx[k * plane + i] -= 2 * share * beta * x[k * plane + i] * r[j * plane + i];                   \
        }                                                                                                          \
    }

DEFINE_LRN(float, f32, powf)
DEFINE_LRN(double, f64, pow)

static MaasStatus compute_lrn_grad(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, NORM_X), *dy = maas_in(c, NORM_DY);
    MaasTensor *dx = maas_out(c, NORM_DX);
    int64_t channels = x->dims[1], count;
    void *work;

    if (x->count == 0)
        return MAAS_OK;
    count = x->count / x->dims[0];
    work = maas_scratch(c, 2 * (size_t)count, maas_type_size(x->type));
    if (!work)
        return maas_scratch_failed(c);
    for (int64_t at = 0; at < x->count; at += count) {
        if (maas_stop(c))
            return maas_stopped(c);
        if (x->type == MAAS_DOUBLE)
            lrn_f64(c, MAAS_F64(x) + at, MAAS_F64(dy) + at, channels, count / channels, work,
                    (double *)work + count, MAAS_F64(dx) + at);
        else
            lrn_f32(c, MAAS_F32(x) + at, MAAS_F32(dy) + at, channels, count / channels, work, (float *)work + count,
                    MAAS_F32(dx) + at);
    }
    return MAAS_OK;
}

const MaasOp maas_op_lrn_grad = {
    .domain = "maas",
    .name = "LRNGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"alpha", MAAS_ATTR_FLOAT, .f = 1e-4f},
              {"beta", MAAS_ATTR_FLOAT, .f = 0.75f},
              {"bias", MAAS_ATTR_FLOAT, .f = 1},
              {"size", MAAS_ATTR_INT, .required = true}},
    .infer = maas_infer_same,
    .compute = compute_lrn_grad,
};
