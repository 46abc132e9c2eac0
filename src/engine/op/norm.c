/*
 * norm.c - normalisation over trailing axes, groups of channels or chosen axes: LayerNormalization,
 * RMSNormalization, InstanceNormalization, GroupNormalization, MeanVarianceNormalization, LpNormalization, LRN.
 *
 * BatchNormalization and Dropout are in batch_norm.c and dropout.c.  Means and variances are taken in two passes.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "expect.h"
#include "grad.h"

static void moments(const MaasTensor *x, int64_t from, int64_t n, const double *shift, double *mean,
                    double *variance)
{
    if (x->type == MAAS_DOUBLE)
        maas_kernel->moments_f64(MAAS_F64(x) + from, n, shift, mean, variance);
    else
        maas_kernel->moments_f32(MAAS_F32(x) + from, n, shift, mean, variance);
}

static double number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

/* y[from ...] = x[from ...] * scale + shift */
static void scale_shift(const MaasTensor *x, MaasTensor *y, int64_t from, int64_t n, double scale, double shift)
{
    if (x->type == MAAS_DOUBLE)
        maas_kernel->scale_shift_f64(MAAS_F64(x) + from, scale, shift, MAAS_F64(y) + from, n);
    else
        maas_kernel->scale_shift_f32(MAAS_F32(x) + from, (float)scale, (float)shift, MAAS_F32(y) + from, n);
}

/* ---- over the trailing axes: LayerNormalization and RMSNormalization ---- */

enum { LAYER_AXIS, LAYER_EPSILON, LAYER_STASH };

/* The type of the statistics: what stash_type says. */
static MaasStatus stash_type(const MaasInferCtx *c, MaasType *type)
{
    int64_t stash = c->attr[LAYER_STASH].i;

    if (stash < 0 || stash >= MAAS_NTYPES || !maas_type_in((MaasType)stash, MAAS_T_FLOATS))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "stash_type must be a floating type, got %lld", (long long)stash);
    *type = (MaasType)stash;
    return MAAS_OK;
}

static MaasStatus infer_trailing(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    int64_t dims[MAAS_MAX_RANK];
    MaasType type = MAAS_FLOAT;
    int axis;

    MAAS_TRY(stash_type(c, &type));
    if (x->rank < 0) {
        MAAS_TRY(maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL));
        MAAS_TRY(maas_infer_out(c, 1, type, -1, NULL));
        return maas_infer_out(c, 2, type, -1, NULL);
    }
    MAAS_TRY(maas_infer_axis(c, c->attr[LAYER_AXIS].i, x->rank, &axis));
    for (int i = 1; i <= 2; i++) {
        MAAS_TRY(maas_expect_rank_in(c, i, 0, x->rank));
        for (int d = 0; maas_ranked(c, i) && d < c->in[i]->rank; d++)
            if (c->in[i]->dims[d] != 1)
                MAAS_TRY(maas_expect_dim(c, i, d, x->dims[x->rank - c->in[i]->rank + d]));
    }
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : 1;
    MAAS_TRY(maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, x->dims));
    MAAS_TRY(maas_infer_out(c, 1, type, x->rank, dims));
    return maas_infer_out(c, 2, type, x->rank, dims);
}

/* Whether t broadcasts over the outer axes only, so that one row serves all. */
static bool one_row(const MaasTensor *t, const MaasTensor *x, int axis, int64_t n)
{
    int lead = x->rank - t->rank;

    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] != (lead + i < axis ? 1 : x->dims[lead + i]))
            return false;
    return t->count == n;
}

/* row (n elements of x's shape from `axis` on) = the part of t that meets row number `index` of x. */
static void broadcast_row(const MaasTensor *t, const MaasTensor *x, int axis, int64_t index, int64_t n, void *row)
{
    size_t size = maas_type_size(t->type);

    for (int64_t i = 0; i < n; i++) {
        int64_t inner = i, outer = index, at = 0, step = 1;

        for (int d = x->rank - 1; d >= 0; d--) {
            int64_t *rest = d >= axis ? &inner : &outer;
            int64_t coordinate = *rest % x->dims[d];
            int own = d - (x->rank - t->rank);

            *rest /= x->dims[d];
            if (own >= 0) {
                at += t->dims[own] == 1 ? 0 : coordinate * step;
                step *= t->dims[own];
            }
        }
        memcpy((char *)row + (size_t)i * size, (const char *)t->data + (size_t)at * size, size);
    }
}

static void put_stat(MaasTensor *t, int64_t i, double value)
{
    if (!t)
        return;
    if (t->type == MAAS_DOUBLE)
        MAAS_F64(t)[i] = value;
    else
        MAAS_F32(t)[i] = (float)value;
}

typedef struct Trailing {
    const MaasTensor *x, *affine[2]; /* scale and bias, or NULL */
    MaasTensor *y, *mean, *factor;   /* the last two may be NULL */
    const void *row[2];              /* (n): what of scale and bias meets a row */
    void *own[2]; /* (n): where that is put together for each row; NULL: it is the same for all */
    int axis;
    int64_t n; /* elements of a row */
    double epsilon;
    bool centred;
} Trailing;

/* Rows [from, to). */
static void normalise_rows(void *arg, int64_t from, int64_t to)
{
    const Trailing *t = arg;
    const MaasTensor *x = t->x, *y = t->y;
    const double zero = 0;
    const int64_t n = t->n;

    for (int64_t r = from; r < to; r++) {
        double mean, variance, factor;

        for (int k = 0; k < 2; k++)
            if (t->own[k])
                broadcast_row(t->affine[k], x, t->axis, r, n, t->own[k]);
        moments(x, r * n, n, t->centred ? NULL : &zero, &mean, &variance);
        factor = 1 / sqrt(variance + t->epsilon);
        if (t->centred) {
            put_stat(t->mean, r, mean);
            put_stat(t->factor, r, factor);
        } else {
            mean = 0;
        }
        if (x->type == MAAS_DOUBLE)
            maas_kernel->norm_row_f64(MAAS_F64(x) + r * n, mean, factor, t->row[0], t->row[1], MAAS_F64(y) + r * n,
                                      n);
        else
            maas_kernel->norm_row_f32(MAAS_F32(x) + r * n, (float)mean, (float)factor, t->row[0], t->row[1],
                                      MAAS_F32(y) + r * n, n);
    }
}

/* y = (x - mean) / sqrt(variance + epsilon) * scale + bias for every row; centred: by the mean, else around 0. */
static MaasStatus normalise_trailing(MaasCtx *c, bool centred)
{
    const MaasTensor *x = maas_in(c, 0);
    Trailing t = {.x = x,
                  .affine = {maas_in(c, 1), centred ? maas_in(c, 2) : NULL},
                  .y = maas_out(c, 0),
                  .mean = maas_out(c, 1),
                  .factor = maas_out(c, 2),
                  .axis =
                      (int)(c->attr[LAYER_AXIS].i < 0 ? c->attr[LAYER_AXIS].i + x->rank : c->attr[LAYER_AXIS].i),
                  .n = 1,
                  .epsilon = (double)c->attr[LAYER_EPSILON].f,
                  .centred = centred};
    bool alone = false;

    if (x->count == 0)
        return MAAS_OK;
    for (int i = t.axis; i < x->rank; i++)
        t.n *= x->dims[i];
    for (int k = 0; k < 2; k++) {
        if (!t.affine[k])
            continue;
        if (one_row(t.affine[k], x, t.axis, t.n)) {
            t.row[k] = t.affine[k]->data;
        } else {
            t.own[k] = maas_scratch(c, (size_t)t.n, maas_type_size(x->type));
            if (!t.own[k])
                return maas_scratch_failed(c);
            t.row[k] = t.own[k];
            alone = true;
        }
    }
    const int64_t rows = x->count / t.n, grain = 1 + 16384 / t.n;

    if (!alone)
        return maas_parallel(c, rows, grain, normalise_rows, &t);
    for (int64_t r = 0; r < rows; r += grain) {
        if (maas_stop(c))
            return maas_stopped(c);
        normalise_rows(&t, r, rows - r < grain ? rows : r + grain);
    }
    return MAAS_OK;
}

static MaasStatus compute_layer_norm(MaasCtx *c)
{
    return normalise_trailing(c, true);
}

/* The gradients of x, scale and bias, by one node of norm_grad.c; the caller sets its attributes. */
static void grad_affine(MaasGrad *g, const char *op, int *out)
{
    const int in[] = {maas_grad_dy(g, 0), maas_grad_in(g, 0), maas_grad_in(g, 1)};

    maas_grad_ask(g, 3, (const int[]){0, 1, 2}, out);
    maas_grad_nodes(g, op, 3, in, 3, out);
}

static void give_affine(MaasGrad *g, const int *out)
{
    for (int i = 0; i < 3; i++)
        maas_grad_give(g, i, out[i]);
}

static void grad_trailing(MaasGrad *g, bool rms)
{
    const MaasAttr *axis = &maas_grad_attrs(g)[LAYER_AXIS];
    const MaasInfo *x = maas_grad_info(g, maas_grad_in(g, 0)), *scale = maas_grad_info(g, maas_grad_in(g, 1));
    int out[3];

    if (maas_grad_dy(g, 1) != MAAS_NO_VALUE || maas_grad_dy(g, 2) != MAAS_NO_VALUE)
        maas_grad_refuse(g, "mean or deviation as an output");
    else if (x->rank < 0 || scale->rank != (axis->i < 0 ? -axis->i : x->rank - axis->i))
        maas_grad_refuse(g, "a scale that is broadcast");
    else if (x->type != scale->type)
        maas_grad_refuse(g, "a scale of another type");
    grad_affine(g, "LayerNormGrad", out);
    maas_grad_copy_attrs(g, LAYER_AXIS, LAYER_EPSILON + 1);
    maas_grad_set_int(g, "rms", rms);
    give_affine(g, out);
}

static void grad_layer_norm(MaasGrad *g)
{
    grad_trailing(g, false);
}

static void grad_rms_norm(MaasGrad *g)
{
    grad_trailing(g, true);
}

const MaasOp maas_op_layer_normalization = {
    .domain = "",
    .name = "LayerNormalization",
    .first = 17,
    .since = 17,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0},
           {"Scale", MAAS_T_FLOATS, 'T', 0},
           {"B", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0},
            {"Mean", MAAS_T_FLOATS, 0, MAAS_OPTIONAL},
            {"InvStdDev", MAAS_T_FLOATS, 0, MAAS_OPTIONAL}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = -1},
              {"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f},
              {"stash_type", MAAS_ATTR_INT, .i = MAAS_FLOAT}},
    .infer = infer_trailing,
    .compute = compute_layer_norm,
    .batch = maas_batch_layer_norm,
    .grad = grad_layer_norm,
};

static MaasStatus infer_rms_norm(MaasInferCtx *c)
{
    MAAS_TRY(infer_trailing(c));
    c->out[0]->type = c->in[1]->type;
    return MAAS_OK;
}

/* The scale may be of another type than x and gives the output's: it is converted first, and y last. */
static MaasStatus compute_rms_norm(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *scale = maas_in(c, 1);
    MaasTensor *y = maas_out(c, 0), wide = *y, converted = *scale;
    MaasValue in[2] = {{.kind = MAAS_KIND_TENSOR, .tensor = *x}, {.kind = MAAS_KIND_TENSOR}};
    MaasValue out = {.kind = MAAS_KIND_TENSOR}, *outs[1] = {&out}, *ins[2] = {&in[0], &in[1]};
    MaasCtx sub = *c;

    if (x->type == y->type)
        return normalise_trailing(c, false);
    wide.type = converted.type = x->type;
    wide.data = maas_scratch(c, (size_t)y->count, maas_type_size(x->type));
    converted.data = maas_scratch(c, (size_t)scale->count, maas_type_size(x->type));
    if (!wide.data || !converted.data)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < scale->count; i++)
        put_stat(&converted, i, number(scale, i));
    in[1].tensor = converted;
    out.tensor = wide;
    sub.in = ins;
    sub.n_in = 2;
    sub.out = outs;
    sub.n_out = 1;
    MAAS_TRY(normalise_trailing(&sub, false));
    for (int64_t i = 0; i < y->count; i++)
        put_stat(y, i, number(&wide, i));
    return MAAS_OK;
}

const MaasOp maas_op_rms_normalization = {
    .domain = "",
    .name = "RMSNormalization",
    .first = 23,
    .since = 23,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 0, 0}, {"scale", MAAS_T_FLOATS, 'V', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'V', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = -1},
              {"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f},
              {"stash_type", MAAS_ATTR_INT, .i = MAAS_FLOAT}},
    .infer = infer_rms_norm,
    .compute = compute_rms_norm,
    .batch = maas_batch_layer_norm,
    .grad = grad_rms_norm,
};

/* ---- over channels of an image: InstanceNormalization and GroupNormalization ---- */

/* Groups of `channels` channels of `plane` elements each; scale and bias for every `shared` channels. */
static MaasStatus normalise_groups(MaasCtx *c, int64_t groups, int64_t channels, int64_t plane, int64_t shared,
                                   double epsilon)
{
    const MaasTensor *x = maas_in(c, 0), *scale = maas_in(c, 1), *bias = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    int64_t n = channels * plane;

    if (x->count == 0)
        return MAAS_OK;
    for (int64_t i = 0; i < x->count / n; i++) {
        double mean, variance, factor;

        if (maas_stop(c))
            return maas_stopped(c);
        moments(x, i * n, n, NULL, &mean, &variance);
        factor = 1 / sqrt(variance + epsilon);
        for (int64_t k = 0; k < channels; k++) {
            int64_t channel = (i % groups * channels + k) / shared;
            double s = factor * number(scale, channel);

            scale_shift(x, y, i * n + k * plane, plane, s, number(bias, channel) - mean * s);
        }
    }
    return MAAS_OK;
}

static MaasStatus infer_instance_norm(MaasInferCtx *c)
{
    MAAS_TRY(maas_expect_rank_in(c, 0, 2, MAAS_MAX_RANK));
    MAAS_TRY(maas_expect_vector(c, 1, maas_dim(c, 0, 1)));
    MAAS_TRY(maas_expect_vector(c, 2, maas_dim(c, 0, 1)));
    return maas_infer_same(c);
}

static int64_t plane_of(const MaasTensor *x)
{
    int64_t plane = 1;

    for (int i = 2; i < x->rank; i++)
        plane *= x->dims[i];
    return plane;
}

static MaasStatus compute_instance_norm(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);

    return normalise_groups(c, x->dims[1], 1, plane_of(x), 1, (double)c->attr[0].f);
}

static void grad_instance_norm(MaasGrad *g)
{
    int out[3];

    grad_affine(g, "GroupNormGrad", out);
    maas_grad_copy_attrs(g, 0, 1);
    give_affine(g, out);
}

const MaasOp maas_op_instance_normalization = {
    .domain = "",
    .name = "InstanceNormalization",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"input", MAAS_T_FLOATS, 'T', 0}, {"scale", MAAS_T_FLOATS, 'T', 0}, {"B", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"output", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f}},
    .infer = infer_instance_norm,
    .compute = compute_instance_norm,
    .batch = maas_batch_first,
    .grad = grad_instance_norm,
};

enum { GROUP_NUMBER, GROUP_EPSILON, GROUP_STASH, GROUP_PER_GROUP };

/* Opset 18 has one scale and bias a group. */
static MaasStatus adapt_group_norm(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    return maas_adapt_set_int(graph, node, "per_group", 1, err);
}

static MaasStatus infer_group_norm(MaasInferCtx *c)
{
    int64_t groups = c->attr[GROUP_NUMBER].i, channels = maas_dim(c, 0, 1);
    int64_t size = c->attr[GROUP_PER_GROUP].i ? groups : channels;

    MAAS_TRY(maas_expect_rank_in(c, 0, 2, MAAS_MAX_RANK));
    if (groups < 1 || (channels >= 0 && channels % groups != 0))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%lld channels cannot be divided into %lld groups",
                               (long long)channels, (long long)groups);
    MAAS_TRY(maas_expect_vector(c, 1, size));
    MAAS_TRY(maas_expect_vector(c, 2, size));
    return maas_infer_same(c);
}

static MaasStatus compute_group_norm(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    int64_t groups = c->attr[GROUP_NUMBER].i, channels = x->dims[1] / groups;

    return normalise_groups(c, groups, channels, plane_of(x), c->attr[GROUP_PER_GROUP].i ? channels : 1,
                            (double)c->attr[GROUP_EPSILON].f);
}

static void grad_group_norm(MaasGrad *g)
{
    int out[3];

    grad_affine(g, "GroupNormGrad", out);
    maas_grad_copy_attrs(g, GROUP_NUMBER, GROUP_EPSILON + 1);
    maas_grad_copy_attrs(g, GROUP_PER_GROUP, GROUP_PER_GROUP + 1);
    give_affine(g, out);
}

const MaasOp maas_op_group_normalization = {
    .domain = "",
    .name = "GroupNormalization",
    .first = 18,
    .since = 21,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}, {"scale", MAAS_T_FLOATS, 'T', 0}, {"bias", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"num_groups", MAAS_ATTR_INT, .required = true},
              {"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f},
              {"stash_type", MAAS_ATTR_INT, .i = MAAS_FLOAT},
              {"per_group", MAAS_ATTR_INT}},
    .adapt = adapt_group_norm,
    .infer = infer_group_norm,
    .compute = compute_group_norm,
    .batch = maas_batch_first,
    .grad = grad_group_norm,
};

/* ---- MeanVarianceNormalization: over any axes ---- */

static MaasStatus mvn_axes(const MaasInferCtx *c, const MaasAttr *axes, int rank, bool *reduced)
{
    static const int64_t otherwise[] = {0, 2, 3};
    const int64_t *list = axes->set ? axes->ints : otherwise;
    int64_t n = axes->set ? axes->n : 3;

    memset(reduced, 0, MAAS_MAX_RANK * sizeof *reduced);
    for (int64_t i = 0; i < n; i++) {
        int axis = (int)(list[i] < 0 ? list[i] + rank : list[i]);

        if (c)
            MAAS_TRY(maas_infer_axis(c, list[i], rank, &axis));
        reduced[axis] = true;
    }
    return MAAS_OK;
}

static MaasStatus infer_mvn(MaasInferCtx *c)
{
    bool reduced[MAAS_MAX_RANK];

    if (c->in[0]->rank >= 0)
        MAAS_TRY(mvn_axes(c, &c->attr[0], c->in[0]->rank, reduced));
    return maas_infer_same(c);
}

static MaasStatus compute_mvn(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    int64_t step[MAAS_MAX_RANK], groups = 1, width = x->rank ? x->dims[x->rank - 1] : 1;
    bool reduced[MAAS_MAX_RANK];
    double *mean, *square, share;

    if (x->count == 0)
        return MAAS_OK;
    mvn_axes(NULL, &c->attr[0], x->rank, reduced);
    for (int i = x->rank - 1; i >= 0; i--) {
        step[i] = reduced[i] ? 0 : groups;
        groups *= reduced[i] ? 1 : x->dims[i];
    }
    share = (double)groups / (double)x->count;
    mean = maas_scratch(c, (size_t)groups, 2 * sizeof *mean);
    if (!mean)
        return maas_scratch_failed(c);
    square = mean + groups;
    memset(mean, 0, 2 * (size_t)groups * sizeof *mean);
    for (int pass = 0; pass < 3; pass++) {
        int64_t at[MAAS_MAX_RANK] = {0};

        for (int64_t r = 0; r < x->count; r += width) {
            int64_t group = 0, stride = x->rank ? step[x->rank - 1] : 0;

            if ((r & 1023) == 0 && maas_stop(c))
                return maas_stopped(c);
            for (int i = 0; i < x->rank - 1; i++)
                group += at[i] * step[i];
            for (int64_t i = 0; i < width; i++, group += stride) {
                double v = number(x, r + i);

                if (pass == 0)
                    mean[group] += v * share;
                else if (pass == 1)
                    square[group] += (v - mean[group]) * (v - mean[group]) * share;
                else
                    put_stat(y, r + i, (v - mean[group]) / (sqrt(square[group]) + 1e-9));
            }
            for (int i = x->rank - 2; i >= 0 && ++at[i] == x->dims[i]; i--)
                at[i] = 0;
        }
    }
    return MAAS_OK;
}

/* With s the deviation that y was divided by: dx = (dy - mean(dy) - y mean(dy y)) / s. */
static void grad_mvn(MaasGrad *g)
{
    const MaasAttr *attr = &maas_grad_attrs(g)[0];
    static const int64_t usual[] = {0, 2, 3};
    int x = maas_grad_in(g, 0), y = maas_grad_out(g, 0), dy = maas_grad_dy(g, 0);
    int axes = attr->set ? maas_grad_ints(g, attr->n, attr->ints) : maas_grad_ints(g, 3, usual);
    int centred = MAAS_GRAD(g, "Sub", x, MAAS_GRAD(g, "ReduceMean", x, axes));
    int variance = MAAS_GRAD(g, "ReduceMean", maas_grad_mul(g, centred, centred), axes);
    int s = MAAS_GRAD(g, "Add", MAAS_GRAD(g, "Sqrt", variance), maas_grad_number(g, x, 1e-9));
    int along = maas_grad_mul(g, y, MAAS_GRAD(g, "ReduceMean", maas_grad_mul(g, dy, y), axes));
    int rest = MAAS_GRAD(g, "Sub", dy, MAAS_GRAD(g, "ReduceMean", dy, axes));

    maas_grad_give(g, 0, maas_grad_div(g, MAAS_GRAD(g, "Sub", rest, along), s));
}

const MaasOp maas_op_mean_variance_normalization = {
    .domain = "",
    .name = "MeanVarianceNormalization",
    .first = 9,
    .since = 13,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"axes", MAAS_ATTR_INTS}},
    .infer = infer_mvn,
    .compute = compute_mvn,
    .batch = maas_batch_along_axes,
    .grad = grad_mvn,
};

/* ---- LpNormalization: x / its norm along one axis ---- */

enum { LP_AXIS, LP_P };

static MaasStatus infer_lp_norm(MaasInferCtx *c)
{
    int axis;

    if (c->attr[LP_P].i != 1 && c->attr[LP_P].i != 2)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "p must be 1 or 2, got %lld", (long long)c->attr[LP_P].i);
    if (c->in[0]->rank >= 0)
        MAAS_TRY(maas_infer_axis(c, c->attr[LP_AXIS].i, c->in[0]->rank, &axis));
    return maas_infer_same(c);
}

static MaasStatus compute_lp_norm(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    bool squares = c->attr[LP_P].i == 2;
    int64_t inner = 1, n;
    int axis = (int)(c->attr[LP_AXIS].i < 0 ? c->attr[LP_AXIS].i + x->rank : c->attr[LP_AXIS].i);

    if (x->count == 0)
        return MAAS_OK;
    n = x->dims[axis];
    for (int i = axis + 1; i < x->rank; i++)
        inner *= x->dims[i];
    for (int64_t k = 0; k < x->count / n; k++) {
        int64_t from = k / inner * n * inner + k % inner;
        double norm = 0;

        if ((k & 255) == 0 && maas_stop(c))
            return maas_stopped(c);
        for (int64_t i = 0; i < n; i++) {
            double v = number(x, from + i * inner);

            norm += squares ? v * v : fabs(v);
        }
        norm = squares ? sqrt(norm) : norm;
        for (int64_t i = 0; i < n; i++) /* a row of zeros stays one */
            put_stat(y, from + i * inner, norm == 0 ? 0 : number(x, from + i * inner) / norm);
    }
    return MAAS_OK;
}

/* y = x / n: dx = (dy - n' sum(dy y)) / n, where n' is y for p = 2 and the sign of x for p = 1; zero where n is. */
static void grad_lp_norm(MaasGrad *g)
{
    const MaasAttr *attr = maas_grad_attrs(g);
    int x = maas_grad_in(g, 0), y = maas_grad_out(g, 0), dy = maas_grad_dy(g, 0), zero = maas_grad_number(g, x, 0);
    int axes = maas_grad_ints(g, 1, &attr[0].i),
        n = MAAS_GRAD(g, attr[1].i == 1 ? "ReduceL1" : "ReduceL2", x, axes);
    int sum = MAAS_GRAD(g, "ReduceSum", maas_grad_mul(g, dy, y), axes);
    int slope = attr[1].i == 1 ? MAAS_GRAD(g, "Sign", x) : y;
    int dx = maas_grad_div(g, MAAS_GRAD(g, "Sub", dy, maas_grad_mul(g, slope, sum)), n);

    maas_grad_give(g, 0, MAAS_GRAD(g, "Where", MAAS_GRAD(g, "Equal", n, zero), zero, dx));
}

const MaasOp maas_op_lp_normalization = {
    .domain = "",
    .name = "LpNormalization",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"input", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"output", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = -1}, {"p", MAAS_ATTR_INT, .i = 2}},
    .infer = infer_lp_norm,
    .compute = compute_lp_norm,
    .grad = grad_lp_norm,
    .batch = maas_batch_along_axis,
};

/* ---- LRN: over neighbouring channels ---- */

enum { LRN_ALPHA, LRN_BETA, LRN_BIAS, LRN_SIZE };

static MaasStatus infer_lrn(MaasInferCtx *c)
{
    if (c->attr[LRN_SIZE].i < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "size must be positive, got %lld",
                               (long long)c->attr[LRN_SIZE].i);
    MAAS_TRY(maas_expect_rank_in(c, 0, 2, MAAS_MAX_RANK));
    return maas_infer_same(c);
}

static MaasStatus compute_lrn(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    int64_t size = c->attr[LRN_SIZE].i, before = (size - 1) / 2, after = size - 1 - before;
    int64_t channels = x->dims[1], plane = plane_of(x);
    float alpha = c->attr[LRN_ALPHA].f, beta = c->attr[LRN_BETA].f, bias = c->attr[LRN_BIAS].f;
    void *sums;

    if (x->count == 0)
        return MAAS_OK;
    sums = maas_scratch(c, (size_t)plane, maas_type_size(x->type));
    if (!sums)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < x->dims[0] * channels; i++) {
        int64_t channel = i % channels, from = channel < before ? 0 : channel - before;
        int64_t to = after < channels - channel ? channel + after : channels - 1;

        if (maas_stop(c))
            return maas_stopped(c);
        memset(sums, 0, (size_t)plane * maas_type_size(x->type));
        for (int64_t k = from; k <= to; k++)
            if (x->type == MAAS_DOUBLE)
                maas_kernel->add_squares_f64(MAAS_F64(x) + (i - channel + k) * plane, sums, plane);
            else
                maas_kernel->add_squares_f32(MAAS_F32(x) + (i - channel + k) * plane, sums, plane);
        if (x->type == MAAS_DOUBLE)
            maas_kernel->lrn_f64(MAAS_F64(x) + i * plane, sums, (double)bias, (double)alpha / (double)size,
                                 (double)beta, MAAS_F64(y) + i * plane, plane);
        else
            maas_kernel->lrn_f32(MAAS_F32(x) + i * plane, sums, bias, alpha / (float)size, beta,
                                 MAAS_F32(y) + i * plane, plane);
    }
    return MAAS_OK;
}

static void grad_lrn(MaasGrad *g)
{
    int dx = MAAS_GRAD(g, "LRNGrad", maas_grad_dy(g, 0), maas_grad_in(g, 0));

    maas_grad_copy_attrs(g, 0, LRN_SIZE + 1);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_lrn = {
    .domain = "",
    .name = "LRN",
    .first = 1,
    .since = 13,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"alpha", MAAS_ATTR_FLOAT, .f = 1e-4f},
              {"beta", MAAS_ATTR_FLOAT, .f = 0.75f},
              {"bias", MAAS_ATTR_FLOAT, .f = 1},
              {"size", MAAS_ATTR_INT, .required = true}},
    .infer = infer_lrn,
    .compute = compute_lrn,
    .batch = maas_batch_lrn,
    .grad = grad_lrn,
};
