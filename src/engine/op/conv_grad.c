/*
 * conv_grad.c - gradients of Conv and ConvTranspose: the internal operators ConvGradInput and ConvGradFilter.
 *
 * The forward pass multiplies the filters with the matrix of windows (conv.c); so the input's gradient is the
 * filters, transposed, times dy, added back into the planes that the windows cover, and the filters' is dy times
 * the matrix of windows, transposed.  Most of float32 goes by the kernels on blocks of channels instead, which make
 * no such matrix (conv_block.h).
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "conv.h"
#include "conv_block.h"
#include "conv_grad.h"
#include "expect.h"
#include "product.h"

enum { MOST_ROWS = 8192 }; /* of the matrix of windows at a time */

static void *at(const MaasTensor *t, int64_t index)
{
    return (char *)t->data + (size_t)index * maas_type_size(t->type);
}

static bool is_pointwise(const MaasWindow *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->before[i] != 0 || w->after[i] != 0)
            return false;
    return true;
}

/* Rows of the matrix of windows at a time, and columns. */
static int64_t tile_rows(const MaasConv *v)
{
    return v->depth < MOST_ROWS ? v->depth : MOST_ROWS;
}

static void *new_tile(MaasCtx *c, const MaasConv *v, MaasType type)
{
    return maas_scratch(c, (size_t)(tile_rows(v) * maas_conv_tile(tile_rows(v), v->outputs)), maas_type_size(type));
}

static MaasStatus infer_conv_grad(MaasInferCtx *c)
{
    return maas_infer_shaped(c, 2);
}

/* As the forward pass: 2 for each element of dy and each tap of a filter (M, C / group, kernel...). */
static double cost_with(const MaasInferCtx *c, const MaasInfo *filters)
{
    const MaasInfo *dy = c->in[0];
    double cost = 2;

    for (int i = 0; i < dy->rank; i++)
        cost *= maas_dim_cost(dy->dims[i]);
    for (int i = 1; i < filters->rank; i++)
        cost *= maas_dim_cost(filters->dims[i]);
    return cost;
}

static double cost_input(const MaasInferCtx *c)
{
    return cost_with(c, c->in[1]);
}

static double cost_filter(const MaasInferCtx *c)
{
    return cost_with(c, c->out[0]);
}

/* ---- dX (N, C, in...) from dY (N, M, out...) and W (M, C / group, kernel...) ---- */

static MaasStatus input_group(MaasCtx *c, const MaasConv *v, const MaasTensor *dy, int64_t from,
                              const MaasTensor *w, int64_t filter, MaasTensor *dx, int64_t to, void *tile)
{
    int64_t size = maas_conv_tile(tile_rows(v), v->outputs);

    if (!tile)
        return maas_product(c, dx->type, true, false, v->depth, v->outputs, v->filters, 1, at(w, filter), v->depth,
                            at(dy, from), v->outputs, 0, at(dx, to), v->outputs);
    memset(at(dx, to), 0, (size_t)(v->channels * v->inputs) * maas_type_size(dx->type));
    for (int64_t p = 0; p < v->outputs; p += size) {
        int64_t n = v->outputs - p < size ? v->outputs - p : size;

        for (int64_t r = 0; r < v->depth; r += MOST_ROWS) {
            int64_t rows = v->depth - r < MOST_ROWS ? v->depth - r : MOST_ROWS;

            MAAS_TRY(maas_product(c, dx->type, true, false, rows, n, v->filters, 1, at(w, filter + r), v->depth,
                                  at(dy, from + p), v->outputs, 0, tile, n));
            if (dx->type == MAAS_DOUBLE)
                maas_kernel->col2im_f64(&v->w, at(dx, to), v->inputs, r, r + rows, p, p + n, tile, n);
            else
                maas_kernel->col2im_f32(&v->w, at(dx, to), v->inputs, r, r + rows, p, p + n, tile, n);
        }
    }
    return MAAS_OK;
}

/* Without strides it is itself a convolution, of dY with each filter turned round, in blocks of channels; false:
 * not worth it. */
static bool input_in_blocks(const MaasConv *v, const MaasTensor *dy, const MaasTensor *w, const MaasTensor *dx,
                            MaasBlockCall *call)
{
    MaasWindow forward, *back = &call->window;

    *call = (MaasBlockCall){.x = MAAS_F32(dy),
                            .y = MAAS_F32(dx),
                            .w = {MAAS_F32(w), v->filters * v->depth, v->taps, v->depth, true},
                            .batch = v->batch,
                            .groups = v->groups,
                            .channels = v->filters,
                            .filters = v->channels};
    if (!maas_window_of_plane(&v->w, &forward))
        return false;
    *back = forward;
    for (int i = 0; i < 2; i++) {
        back->in[i] = forward.out[i];
        back->out[i] = forward.in[i];
        back->before[i] = maas_window_extent(&forward, i) - 1 - forward.before[i];
        back->after[i] = maas_window_extent(&forward, i) - 1 - forward.after[i];
        if (forward.stride[i] != 1 || back->before[i] < 0 || back->after[i] < 0)
            return false;
    }
    return maas_block_call_pays(call);
}

static MaasStatus compute_input(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, 0), *w = maas_in(c, 1);
    MaasTensor *dx = maas_out(c, 0);
    MaasBlockCall call;
    void *tile = NULL;
    MaasConv v;

    if (dx->count == 0)
        return MAAS_OK;
    if (dy->count == 0 || w->count == 0) {
        memset(dx->data, 0, maas_tensor_bytes(dx));
        return MAAS_OK;
    }
    maas_conv_plan(c->attr, dx, w, &v);
    if (dx->type == MAAS_FLOAT && input_in_blocks(&v, dy, w, dx, &call))
        return maas_block_call_run(c, &call);
    if (!is_pointwise(&v.w) && !(tile = new_tile(c, &v, dx->type)))
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < v.batch * v.groups; i++)
        MAAS_TRY(input_group(c, &v, dy, i * v.filters * v.outputs, w, i % v.groups * v.filters * v.depth, dx,
                             i * v.channels * v.inputs, tile));
    return MAAS_OK;
}

const MaasOp maas_op_conv_grad_input = {
    .domain = "maas",
    .name = "ConvGradInput",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"W", MAAS_T_FLOATS, 'T', 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"group", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_conv_grad,
    .compute = compute_input,
    .cost = cost_input,
};

/* ---- dW (M, C / group, kernel...) from dY and X ---- */

static MaasStatus filter_group(MaasCtx *c, const MaasConv *v, const MaasTensor *dy, int64_t from,
                               const MaasTensor *x, int64_t image, MaasTensor *dw, int64_t to, bool first,
                               void *tile)
{
    int64_t size = maas_conv_tile(tile_rows(v), v->outputs);

    if (!tile)
        return maas_product(c, dw->type, false, true, v->filters, v->depth, v->outputs, 1, at(dy, from), v->outputs,
                            at(x, image), v->outputs, first ? 0 : 1, at(dw, to), v->depth);
    for (int64_t p = 0; p < v->outputs; p += size) {
        int64_t n = v->outputs - p < size ? v->outputs - p : size;

        for (int64_t r = 0; r < v->depth; r += MOST_ROWS) {
            int64_t rows = v->depth - r < MOST_ROWS ? v->depth - r : MOST_ROWS;

            if (dw->type == MAAS_DOUBLE)
                maas_kernel->im2col_f64(&v->w, at(x, image), 0, v->inputs, r, r + rows, p, p + n, tile, n);
            else
                maas_kernel->im2col_f32(&v->w, at(x, image), 0, v->inputs, r, r + rows, p, p + n, tile, n);
            MAAS_TRY(maas_product(c, dw->type, false, true, v->filters, rows, n, 1, at(dy, from + p), v->outputs,
                                  tile, n, first && p == 0 ? 0 : 1, at(dw, to + r), v->depth));
        }
    }
    return MAAS_OK;
}

/* The same by the kernel on blocks of filters; false: not worth it. */
static bool filter_in_blocks(const MaasConv *v, const MaasTensor *dy, const MaasTensor *x, const MaasTensor *dw,
                             MaasBlockFilterCall *call)
{
    *call = (MaasBlockFilterCall){.x = MAAS_F32(x),
                                  .dy = MAAS_F32(dy),
                                  .dw = MAAS_F32(dw),
                                  .batch = v->batch,
                                  .groups = v->groups,
                                  .channels = v->channels,
                                  .filters = v->filters};
    return maas_window_of_plane(&v->w, &call->window) && maas_block_gradient_pays(call);
}

static MaasStatus compute_filter(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, 0), *x = maas_in(c, 1);
    MaasTensor *dw = maas_out(c, 0);
    MaasBlockFilterCall call;
    void *tile = NULL;
    MaasConv v;

    if (dw->count == 0)
        return MAAS_OK;
    if (dy->count == 0 || x->count == 0) {
        memset(dw->data, 0, maas_tensor_bytes(dw));
        return MAAS_OK;
    }
    maas_conv_plan(c->attr, x, dw, &v);
    if (dw->type == MAAS_FLOAT && filter_in_blocks(&v, dy, x, dw, &call))
        return maas_block_gradient_run(c, &call);
    if (!is_pointwise(&v.w) && !(tile = new_tile(c, &v, dw->type)))
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < v.batch * v.groups; i++)
        MAAS_TRY(filter_group(c, &v, dy, i * v.filters * v.outputs, x, i * v.channels * v.inputs, dw,
                              i % v.groups * v.filters * v.depth, i < v.groups, tile));
    return MAAS_OK;
}

const MaasOp maas_op_conv_grad_filter = {
    .domain = "maas",
    .name = "ConvGradFilter",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"X", MAAS_T_FLOATS, 'T', 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dW", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"group", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_conv_grad,
    .compute = compute_filter,
    .cost = cost_filter,
};

/* ---- the operators ---- */

/* The bias's gradient: dy summed over all axes but that of the channels. */
static void give_bias(MaasGrad *g)
{
    int64_t axes[MAAS_MAX_RANK];
    int rank = maas_grad_info(g, maas_grad_in(g, 1))->rank, n = 0;

    if (!maas_grad_wants(g, 2))
        return;
    if (rank < 0)
        rank = maas_grad_info(g, maas_grad_in(g, 0))->rank;
    if (rank < 0) {
        maas_grad_refuse(g, "an input of unknown rank");
        return;
    }
    for (int i = 0; i < rank; i++)
        if (i != 1)
            axes[n++] = i;
    int sum = MAAS_GRAD(g, "ReduceSum", maas_grad_dy(g, 0), maas_grad_ints(g, n, axes));

    maas_grad_set_int(g, "keepdims", 0);
    maas_grad_give(g, 2, sum);
}

void maas_grad_conv(MaasGrad *g)
{
    int x = maas_grad_in(g, 0), w = maas_grad_in(g, 1), dy = maas_grad_dy(g, 0);

    if (maas_grad_wants(g, 0)) {
        int dx = MAAS_GRAD(g, "ConvGradInput", dy, w, maas_grad_shape(g, x));

        maas_grad_copy_attrs(g, 0, MAAS_CONV_GROUP + 1);
        maas_grad_give(g, 0, dx);
    }
    if (maas_grad_wants(g, 1)) {
        int dw = MAAS_GRAD(g, "ConvGradFilter", dy, x, maas_grad_shape(g, w));

        maas_grad_copy_attrs(g, 0, MAAS_CONV_GROUP + 1);
        maas_grad_give(g, 1, dw);
    }
    give_bias(g);
}

/* y is what a convolution of these filters would have seen: dX = Conv(dY, W), and W's gradient is that of its
 * filters. */
void maas_grad_conv_transpose(MaasGrad *g)
{
    const MaasAttr *attr = maas_grad_attrs(g), *extra = &attr[MAAS_CONV_GROUP + 1], *strides = &attr[2];
    int x = maas_grad_in(g, 0), w = maas_grad_in(g, 1), dy = maas_grad_dy(g, 0);
    bool plain = attr[0].s.length == 0 || maas_text_is(attr[0].s, "NOTSET");

    for (int64_t i = 0; i < extra->n; i++)
        plain = plain && extra->ints[i] < (strides->n > i ? strides->ints[i] : 1);
    if (!plain || attr[MAAS_CONV_GROUP + 2].n > 0) {
        maas_grad_refuse(g, "automatic padding");
        return;
    }
    if (maas_grad_wants(g, 0)) {
        int dx = MAAS_GRAD(g, "Conv", dy, w);

        maas_grad_copy_attrs(g, 0, MAAS_CONV_GROUP + 1);
        maas_grad_give(g, 0, dx);
    }
    if (maas_grad_wants(g, 1)) {
        int dw = MAAS_GRAD(g, "ConvGradFilter", x, dy, maas_grad_shape(g, w));

        maas_grad_copy_attrs(g, 0, MAAS_CONV_GROUP + 1);
        maas_grad_give(g, 1, dw);
    }
    give_bias(g);
}
