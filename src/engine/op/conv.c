/*
 * conv.c - Conv: the windows of the input as a matrix (in tiles), times the filters; pointwise convolutions without
 * that matrix, depthwise ones directly, those of many float32 filters in blocks of channels (conv_block.h).
 *
 * Transposed convolutions are in conv_transpose.c, deformable ones in deform_conv.c, quantised ones in
 * quant_conv.c.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "batch.h"
#include "conv.h"
#include "conv_block.h"
#include "conv_grad.h"
#include "expect.h"
#include "product.h"

/* ---- shared with quantised convolutions ---- */

MaasStatus maas_conv_infer(MaasInferCtx *c, int ix, int iw, int ib, MaasType type)
{
    MaasWindowAttrs attrs = maas_window_attrs(c->attr);
    int64_t group = c->attr[MAAS_CONV_GROUP].i, dims[MAAS_MAX_RANK], filters = maas_dim(c, iw, 0);
    const MaasInfo *x = c->in[ix], *w = c->in[iw];
    MaasWindow window;

    MAAS_TRY(maas_expect_rank_in(c, ix, 3, MAAS_MAX_RANK));
    MAAS_TRY(maas_expect_rank_in(c, iw, 3, MAAS_MAX_RANK));
    if (x->rank >= 0)
        MAAS_TRY(maas_infer_want_rank(c, iw, x->rank));
    if (group < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "group must be positive, got %lld", (long long)group);
    if (filters >= 0 && filters % group != 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "%lld filters cannot be divided into %lld groups",
                               (long long)filters, (long long)group);
    if (maas_dim(c, ix, 1) >= 0 && maas_dim(c, iw, 1) >= 0) {
        int64_t channels;

        if (!maas_mul64(maas_dim(c, iw, 1), group, &channels) || channels != maas_dim(c, ix, 1))
            return maas_infer_fail(c, MAAS_ERR_SHAPE,
                                   "the input has %lld channels, the filters expect %lld in each of %lld groups",
                                   (long long)maas_dim(c, ix, 1), (long long)maas_dim(c, iw, 1), (long long)group);
    }
    if (ib >= 0)
        MAAS_TRY(maas_expect_vector(c, ib, filters));
    if (x->rank < 0)
        return maas_infer_out(c, 0, type, -1, NULL);
    MAAS_TRY(maas_window_infer(c, &attrs, x->rank - 2, x->dims + 2, w->rank >= 0 ? w->dims + 2 : NULL, &window));
    dims[0] = x->dims[0];
    dims[1] = filters;
    for (int i = 0; i < window.n; i++)
        dims[2 + i] = window.out[i];
    return maas_infer_out(c, 0, type, x->rank, dims);
}

double maas_conv_cost(const MaasInferCtx *c, int iw)
{
    double cost = 2 * maas_cost_out(c);

    for (int i = 1; maas_ranked(c, iw) && i < c->in[iw]->rank; i++)
        cost *= maas_dim_cost(c->in[iw]->dims[i]);
    return cost;
}

void maas_conv_sizes(const MaasWindowAttrs *attrs, int64_t groups, const MaasTensor *x, const MaasTensor *w,
                     MaasConv *conv)
{
    maas_window_plan(attrs, x->rank - 2, x->dims + 2, w->dims + 2, &conv->w);
    conv->batch = x->dims[0];
    conv->groups = groups;
    conv->channels = w->dims[1];
    conv->filters = w->dims[0] / groups;
    conv->taps = maas_window_taps(&conv->w);
    conv->inputs = maas_window_inputs(&conv->w);
    conv->outputs = maas_window_outputs(&conv->w);
    conv->depth = conv->channels * conv->taps;
}

void maas_conv_plan(const MaasAttr *attr, const MaasTensor *x, const MaasTensor *w, MaasConv *conv)
{
    MaasWindowAttrs attrs = maas_window_attrs(attr);

    maas_conv_sizes(&attrs, attr[MAAS_CONV_GROUP].i, x, w, conv);
}

int64_t maas_conv_tile(int64_t depth, int64_t outputs)
{
    int64_t tile = ((int64_t)1 << 19) / (depth > 0 ? depth : 1) & ~(int64_t)31;

    if (tile < 64)
        tile = 64;
    return tile < outputs ? tile : outputs;
}

/* ---- Conv ---- */

enum { MOST_ROWS = 8192 }; /* of the matrix of windows at a time */

/* A pointwise convolution reads each input once, in order: the input is the matrix of windows. */
static bool is_pointwise(const MaasWindow *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->before[i] != 0 || w->after[i] != 0)
            return false;
    return true;
}

static void fill_bias(const MaasTensor *bias, int64_t first, int64_t rows, int64_t n, MaasTensor *y, int64_t at)
{
    for (int64_t r = 0; r < rows; r++) {
        int64_t from = at + r * n;

        if (y->type == MAAS_DOUBLE)
            for (int64_t i = 0; i < n; i++)
                MAAS_F64(y)[from + i] = MAAS_F64(bias)[first + r];
        else
            for (int64_t i = 0; i < n; i++)
                MAAS_F32(y)[from + i] = MAAS_F32(bias)[first + r];
    }
}

static void *at(const MaasTensor *t, int64_t index)
{
    return (char *)t->data + (size_t)index * maas_type_size(t->type);
}

/* One group of one image.  x and filters begin at these elements; y (filters, outputs) at to, holding the bias. */
static MaasStatus conv_group(MaasCtx *c, const MaasConv *v, const MaasTensor *x, int64_t from, const MaasTensor *w,
                             int64_t filter, MaasTensor *y, int64_t to, double beta, void *tile)
{
    int64_t size = maas_conv_tile(v->depth < MOST_ROWS ? v->depth : MOST_ROWS, v->outputs);

    if (!tile)
        return maas_product(c, y->type, false, false, v->filters, v->outputs, v->depth, 1, at(w, filter), v->depth,
                            at(x, from), v->outputs, beta, at(y, to), v->outputs);
    for (int64_t p = 0; p < v->outputs; p += size) {
        int64_t n = v->outputs - p < size ? v->outputs - p : size;

        for (int64_t r = 0; r == 0 || r < v->depth; r += MOST_ROWS) {
            int64_t rows = v->depth - r < MOST_ROWS ? v->depth - r : MOST_ROWS;

            if (y->type == MAAS_DOUBLE)
                maas_kernel->im2col_f64(&v->w, at(x, from), 0, v->inputs, r, r + rows, p, p + n, tile, n);
            else
                maas_kernel->im2col_f32(&v->w, at(x, from), 0, v->inputs, r, r + rows, p, p + n, tile, n);
            MAAS_TRY(maas_product(c, y->type, false, false, v->filters, n, rows, 1, at(w, filter + r), v->depth,
                                  tile, n, r ? 1 : beta, at(y, to + p), v->outputs));
        }
    }
    return MAAS_OK;
}

typedef struct Depthwise {
    const MaasTensor *x;
    const void *plane, *filter;
    double bias;
    void *out;
} Depthwise;

static void depthwise_part(void *arg, const MaasWindow *part, int64_t first)
{
    const Depthwise *d = arg;

    if (d->x->type == MAAS_DOUBLE)
        maas_kernel->depthwise_f64(part, d->plane, d->filter, d->bias, (double *)d->out + first);
    else
        maas_kernel->depthwise_f32(part, d->plane, d->filter, (float)d->bias, (float *)d->out + first);
}

/* Every group has one input channel: each filter slides over one plane. */
static MaasStatus depthwise(MaasCtx *c, const MaasConv *v, const MaasTensor *x, const MaasTensor *w,
                            const MaasTensor *bias, MaasTensor *y)
{
    int64_t planes = v->groups * v->filters;

    for (int64_t i = 0; i < v->batch; i++)
        for (int64_t f = 0; f < planes; f++) {
            Depthwise d = {.x = x,
                           .plane = at(x, (i * v->groups + f / v->filters) * v->inputs),
                           .filter = at(w, f * v->taps),
                           .bias = !bias                    ? 0
                                   : y->type == MAAS_DOUBLE ? MAAS_F64(bias)[f]
                                                            : (double)MAAS_F32(bias)[f],
                           .out = at(y, (i * planes + f) * v->outputs)};

            MAAS_TRY(maas_window_parts(c, &v->w, depthwise_part, &d));
        }
    return MAAS_OK;
}

/* The same by the kernels on blocks of channels; false: not worth it. */
static bool in_blocks(const MaasConv *v, const MaasTensor *x, const MaasTensor *w, const MaasTensor *bias,
                      const MaasTensor *y, MaasBlockCall *call)
{
    *call = (MaasBlockCall){.x = MAAS_F32(x),
                            .bias = bias ? MAAS_F32(bias) : NULL,
                            .y = MAAS_F32(y),
                            .w = {MAAS_F32(w), v->filters * v->depth, v->depth, v->taps, false},
                            .batch = v->batch,
                            .groups = v->groups,
                            .channels = v->channels,
                            .filters = v->filters};
    return maas_window_of_plane(&v->w, &call->window) && maas_block_call_pays(call);
}

static MaasStatus infer_conv(MaasInferCtx *c)
{
    return maas_conv_infer(c, 0, 1, 2, MAAS_UNDEFINED);
}

static double cost_conv(const MaasInferCtx *c)
{
    return maas_conv_cost(c, 1);
}

static MaasStatus compute_conv(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *w = maas_in(c, 1), *bias = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    MaasBlockCall call;
    void *tile = NULL;
    MaasConv v;

    if (y->count == 0)
        return MAAS_OK;
    maas_conv_plan(c->attr, x, w, &v);
    if (x->count == 0) {
        for (int64_t i = 0; bias && i < v.batch; i++)
            fill_bias(bias, 0, bias->count, v.outputs, y, i * bias->count * v.outputs);
        if (!bias)
            memset(y->data, 0, maas_tensor_bytes(y));
        return MAAS_OK;
    }
    if (v.channels == 1 && v.filters <= 4 && !is_pointwise(&v.w))
        return depthwise(c, &v, x, w, bias, y);
    if (y->type == MAAS_FLOAT && in_blocks(&v, x, w, bias, y, &call))
        return maas_block_call_run(c, &call);
    if (!is_pointwise(&v.w)) {
        int64_t rows = v.depth < MOST_ROWS ? v.depth : MOST_ROWS;

        tile = maas_scratch(c, (size_t)(rows * maas_conv_tile(rows, v.outputs)), maas_type_size(y->type));
        if (!tile)
            return maas_scratch_failed(c);
    }
    for (int64_t i = 0; i < v.batch; i++)
        for (int64_t g = 0; g < v.groups; g++) {
            int64_t to = (i * v.groups + g) * v.filters * v.outputs;

            if (bias)
                fill_bias(bias, g * v.filters, v.filters, v.outputs, y, to);
            MAAS_TRY(conv_group(c, &v, x, (i * v.groups + g) * v.channels * v.inputs, w, g * v.filters * v.depth, y,
                                to, bias ? 1 : 0, tile));
        }
    return MAAS_OK;
}

const MaasOp maas_op_conv = {
    .domain = "",
    .name = "Conv",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}, {"W", MAAS_T_FLOATS, 'T', 0}, {"B", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"group", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_conv,
    .compute = compute_conv,
    .batch = maas_batch_first,
    .cost = cost_conv,
    .grad = maas_grad_conv,
};
