/*
 * conv_transpose.c - ConvTranspose and Col2Im: windows added back into the planes that they cover.
 *
 * A transposed convolution is described by the window of the convolution that it reverses: w.in is the output's
 * size, w.out the input's.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "batch.h"
#include "conv.h"
#include "conv_grad.h"
#include "expect.h"
#include "product.h"

/* ---- ConvTranspose ---- */

enum { TRANSPOSE_OUTPUT_PADDING = MAAS_CONV_GROUP + 1, TRANSPOSE_OUTPUT_SHAPE };
enum { MOST_ROWS = 8192 }; /* of the matrix of windows at a time */

/* The output's size on one axis, and the padding where the attributes leave it open. */
static MaasStatus transposed_axis(const MaasInferCtx *c, const MaasAttr *attr, const MaasWindowAttrs *a,
                                  MaasWindow *w, int i)
{
    const MaasAttr *extra = &attr[TRANSPOSE_OUTPUT_PADDING], *shape = &attr[TRANSPOSE_OUTPUT_SHAPE];
    int64_t natural, size = MAAS_DIM_ANY, room;
    bool lower = false, same = maas_window_same(a, &lower);

    w->in[i] = MAAS_DIM_ANY;
    if (shape->n > 0)
        size = shape->ints[shape->n - w->n + i];
    if (w->out[i] < 0 || w->kernel[i] < 0) {
        w->in[i] = size >= 0 ? size : same && w->stride[i] == 1 ? w->out[i] : MAAS_DIM_ANY;
        return MAAS_OK;
    }
    /* the extent that the windows cover together */
    if (!maas_mul64(w->out[i] - (w->out[i] > 0), w->stride[i], &natural) ||
        __builtin_add_overflow(natural, maas_window_extent(w, i) + (extra->n ? extra->ints[i] : 0), &natural) ||
        (same && !maas_mul64(w->out[i], w->stride[i], &room)))
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "the output's size on spatial axis %d overflows", i);
    if (size < 0 && same)
        size = w->out[i] * w->stride[i];
    if (size < 0) {
        size = natural - w->before[i] - w->after[i];
        if (w->out[i] == 0)
            size = 0;
    } else {
        room = natural > size ? natural - size : 0;
        w->before[i] = same && !lower ? room / 2 : room - room / 2; /* NOTSET counts as SAME_LOWER here */
        w->after[i] = room - w->before[i];
    }
    if (size < (w->out[i] == 0 ? 0 : 1))
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "pads leave %lld elements of the output on spatial axis %d",
                               (long long)size, i);
    w->in[i] = size;
    return MAAS_OK;
}

/* c may be NULL for shapes that infer accepted: nothing fails then. */
static MaasStatus transposed_window(const MaasInferCtx *c, const MaasAttr *attr, int n, const int64_t *in,
                                    const int64_t *kernel, MaasWindow *w)
{
    MaasWindowAttrs a = maas_window_attrs(attr);

    MAAS_TRY(maas_window_sizes(c, &a, n, kernel, w));
    for (int i = 0; i < n; i++) {
        w->out[i] = in[i];
        MAAS_TRY(transposed_axis(c, attr, &a, w, i));
    }
    return MAAS_OK;
}

static MaasStatus infer_conv_transpose(MaasInferCtx *c)
{
    const MaasAttr *extra = &c->attr[TRANSPOSE_OUTPUT_PADDING], *shape = &c->attr[TRANSPOSE_OUTPUT_SHAPE];
    int64_t group = c->attr[MAAS_CONV_GROUP].i, channels = maas_dim(c, 0, 1), filters = maas_dim(c, 1, 1);
    int64_t dims[MAAS_MAX_RANK];
    const MaasInfo *x = c->in[0], *w = c->in[1];
    MaasWindow window;
    int n = x->rank - 2;

    MAAS_TRY(maas_expect_rank_in(c, 0, 3, MAAS_MAX_RANK));
    MAAS_TRY(maas_expect_rank_in(c, 1, 3, MAAS_MAX_RANK));
    if (x->rank >= 0)
        MAAS_TRY(maas_infer_want_rank(c, 1, x->rank));
    if (group < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "group must be positive, got %lld", (long long)group);
    MAAS_TRY(maas_expect_dim(c, 1, 0, channels));
    if (channels >= 0 && channels % group != 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "%lld channels cannot be divided into %lld groups",
                               (long long)channels, (long long)group);
    if (filters >= 0 && !maas_mul64(filters, group, &filters))
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "the number of output channels overflows");
    MAAS_TRY(maas_expect_vector(c, 2, filters));
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (extra->n > 0 && extra->n != n)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "output_padding needs %d entries, got %lld", n,
                               (long long)extra->n);
    for (int i = 0; i < extra->n; i++)
        if (extra->ints[i] < 0 || extra->ints[i] > 1 << 30)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "output_padding[%d] must lie between 0 and 2^30, got %lld", i,
                                   (long long)extra->ints[i]);
    if (shape->n > 0 && shape->n != n && shape->n != n + 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "output_shape needs %d entries, got %lld", n,
                               (long long)shape->n);
    for (int i = 0; i < shape->n; i++)
        if (shape->ints[i] < 1)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "output_shape[%d] must be positive, got %lld", i,
                                   (long long)shape->ints[i]);
    MAAS_TRY(transposed_window(c, c->attr, n, x->dims + 2, w->rank >= 0 ? w->dims + 2 : NULL, &window));
    dims[0] = x->dims[0];
    dims[1] = filters;
    for (int i = 0; i < n; i++)
        dims[2 + i] = window.in[i];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims);
}

static double cost_conv_transpose(const MaasInferCtx *c)
{
    double cost = 2;

    for (int i = 0; maas_ranked(c, 0) && i < c->in[0]->rank; i++)
        cost *= maas_dim_cost(c->in[0]->dims[i]);
    for (int i = 1; maas_ranked(c, 1) && i < c->in[1]->rank; i++)
        cost *= maas_dim_cost(c->in[1]->dims[i]);
    return cost;
}

static const void *element(const MaasTensor *t, int64_t index)
{
    return (const char *)t->data + (size_t)index * maas_type_size(t->type);
}

/* y (batch, filters, outputs) = the bias of each filter, or 0. */
static void start_output(MaasTensor *y, const MaasTensor *bias, int64_t filters, int64_t outputs)
{
    for (int64_t r = 0; r < y->count / outputs; r++)
        for (int64_t i = 0; i < outputs; i++)
            if (y->type == MAAS_DOUBLE)
                MAAS_F64(y)[r * outputs + i] = bias ? MAAS_F64(bias)[r % filters] : 0;
            else
                MAAS_F32(y)[r * outputs + i] = bias ? MAAS_F32(bias)[r % filters] : 0;
}

static MaasStatus compute_conv_transpose(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *w = maas_in(c, 1), *bias = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    int64_t groups = c->attr[MAAS_CONV_GROUP].i, channels, depth, inputs, outputs, step, tile_rows;
    MaasWindow win;
    void *tile;

    if (y->count == 0)
        return MAAS_OK;
    transposed_window(NULL, c->attr, x->rank - 2, x->dims + 2, w->dims + 2, &win);
    inputs = maas_window_outputs(&win);
    outputs = maas_window_inputs(&win);
    channels = x->dims[1] / groups;
    depth = w->dims[1] * maas_window_taps(&win); /* rows of the matrix of windows of a group */
    start_output(y, bias, y->dims[1], outputs);
    if (x->count == 0)
        return MAAS_OK;
    tile_rows = depth < MOST_ROWS ? depth : MOST_ROWS;
    step = maas_conv_tile(tile_rows, inputs);
    tile = maas_scratch(c, (size_t)(tile_rows * step), maas_type_size(y->type));
    if (!tile)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < x->dims[0] * groups; i++) {
        int64_t g = i % groups;
        void *to = (void *)(uintptr_t)element(y, i * w->dims[1] * outputs);

        for (int64_t p = 0; p < inputs; p += step) {
            int64_t n = inputs - p < step ? inputs - p : step;

            for (int64_t r = 0; r < depth; r += MOST_ROWS) {
                int64_t rows = depth - r < MOST_ROWS ? depth - r : MOST_ROWS;

                MAAS_TRY(maas_product(c, y->type, true, false, rows, n, channels, 1,
                                      element(w, g * channels * depth + r), depth,
                                      element(x, i * channels * inputs + p), inputs, 0, tile, n));
                if (y->type == MAAS_DOUBLE)
                    maas_kernel->col2im_f64(&win, to, outputs, r, r + rows, p, p + n, tile, n);
                else
                    maas_kernel->col2im_f32(&win, to, outputs, r, r + rows, p, p + n, tile, n);
            }
        }
    }
    return MAAS_OK;
}

const MaasOp maas_op_conv_transpose = {
    .domain = "",
    .name = "ConvTranspose",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}, {"W", MAAS_T_FLOATS, 'T', 0}, {"B", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS,
              {"group", MAAS_ATTR_INT, .i = 1},
              {"output_padding", MAAS_ATTR_INTS},
              {"output_shape", MAAS_ATTR_INTS}},
    .infer = infer_conv_transpose,
    .compute = compute_conv_transpose,
    .batch = maas_batch_first,
    .cost = cost_conv_transpose,
    .grad = maas_grad_conv_transpose,
};

/* ---- Col2Im ---- */

enum { COL2IM_STRIDES, COL2IM_PADS, COL2IM_DILATIONS };

#define COL2IM_TYPES (MAAS_T_NUMERIC)

static MaasWindowAttrs col2im_attrs(const MaasAttr *attr)
{
    return (MaasWindowAttrs){NULL, NULL, &attr[COL2IM_STRIDES], &attr[COL2IM_PADS], &attr[COL2IM_DILATIONS], false};
}

static MaasStatus infer_col2im(MaasInferCtx *c)
{
    const MaasTensor *image = maas_known(c, 1), *block = maas_known(c, 2);
    int64_t dims[MAAS_MAX_RANK], sizes[MAAS_MAX_SPATIAL], blocks[MAAS_MAX_SPATIAL], n, n_block, taps = 1;
    MaasWindowAttrs attrs = col2im_attrs(c->attr);
    MaasWindow w;

    MAAS_TRY(maas_infer_want_rank(c, 0, 3));
    MAAS_TRY(maas_infer_vector(c, 1, &n));
    MAAS_TRY(maas_infer_vector(c, 2, &n_block));
    if (n >= 0 && n_block >= 0)
        MAAS_TRY(maas_infer_equal(c, "the length of block_shape", n, n_block));
    if (n < 0)
        n = n_block;
    if (n < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (n < 1 || n > MAAS_MAX_SPATIAL)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "image_shape must have 1 to %d entries, got %lld",
                               MAAS_MAX_SPATIAL, (long long)n);
    for (int i = 0; i < n + 2; i++)
        dims[i] = MAAS_DIM_ANY;
    dims[0] = maas_dim(c, 0, 0);
    for (int i = 0; image && i < n; i++) {
        dims[2 + i] = sizes[i] = maas_known_int(image, i);
        if (sizes[i] < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "image_shape[%d] is %lld", i, (long long)sizes[i]);
    }
    for (int i = 0; block && i < n; i++) {
        blocks[i] = maas_known_int(block, i);
        if (blocks[i] < 1 || !maas_mul64(taps, blocks[i], &taps))
            return maas_infer_fail(c, MAAS_ERR_VALUE, "block_shape[%d] is %lld", i, (long long)blocks[i]);
    }
    if (block && maas_dim(c, 0, 1) >= 0) {
        if (maas_dim(c, 0, 1) % taps != 0)
            return maas_infer_fail(c, MAAS_ERR_SHAPE,
                                   "axis 1 of the input must be a multiple of the block's %lld elements, got %lld",
                                   (long long)taps, (long long)maas_dim(c, 0, 1));
        dims[1] = maas_dim(c, 0, 1) / taps;
    }
    if (image && block) {
        int64_t outputs = 1;

        MAAS_TRY(maas_window_infer(c, &attrs, (int)n, sizes, blocks, &w));
        for (int i = 0; i < n; i++)
            if (!maas_mul64(outputs, w.out[i], &outputs))
                return maas_infer_fail(c, MAAS_ERR_LIMIT, "the number of blocks overflows");
        MAAS_TRY(maas_expect_dim(c, 0, 2, outputs));
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, (int)n + 2, dims);
}

static MaasStatus compute_col2im(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *block = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    MaasWindowAttrs attrs = col2im_attrs(c->attr);
    size_t size = maas_type_size(y->type);
    int64_t taps, plane;
    MaasWindow w;

    if (y->count == 0)
        return MAAS_OK;
    memset(y->data, 0, maas_tensor_bytes(y));
    if (x->count == 0)
        return MAAS_OK;
    maas_window_plan(&attrs, y->rank - 2, y->dims + 2, MAAS_I64(block), &w);
    taps = maas_window_taps(&w);
    plane = maas_window_inputs(&w);
    for (int64_t i = 0; i < x->dims[0] * y->dims[1]; i++) {
        const char *from = (const char *)x->data + (size_t)(i * taps * x->dims[2]) * size;
        char *to = (char *)y->data + (size_t)(i * plane) * size;

        if (maas_stop(c))
            return maas_stopped(c);
        if (y->type == MAAS_FLOAT)
            maas_kernel->col2im_f32(&w, (float *)(void *)to, plane, 0, taps, 0, x->dims[2],
                                    (const float *)(const void *)from, x->dims[2]);
        else if (y->type == MAAS_DOUBLE)
            maas_kernel->col2im_f64(&w, (double *)(void *)to, plane, 0, taps, 0, x->dims[2],
                                    (const double *)(const void *)from, x->dims[2]);
        else if (size == 1)
            maas_kernel->col2im_u8(&w, (uint8_t *)to, plane, 0, taps, 0, x->dims[2], (const uint8_t *)from,
                                   x->dims[2]);
        else if (size == 2)
            maas_kernel->col2im_u16(&w, (uint16_t *)(void *)to, plane, 0, taps, 0, x->dims[2],
                                    (const uint16_t *)(const void *)from, x->dims[2]);
        else if (size == 4)
            maas_kernel->col2im_u32(&w, (uint32_t *)(void *)to, plane, 0, taps, 0, x->dims[2],
                                    (const uint32_t *)(const void *)from, x->dims[2]);
        else
            maas_kernel->col2im_u64(&w, (uint64_t *)(void *)to, plane, 0, taps, 0, x->dims[2],
                                    (const uint64_t *)(const void *)from, x->dims[2]);
    }
    return MAAS_OK;
}

const MaasOp maas_op_col2im = {
    .domain = "",
    .name = "Col2Im",
    .first = 18,
    .since = 18,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"input", COL2IM_TYPES, 'T', 0}, {"image_shape", MAAS_T_I64, 0, 0}, {"block_shape", MAAS_T_I64, 0, 0}},
    .out = {{"output", COL2IM_TYPES, 'T', 0}},
    .attrs = {{"strides", MAAS_ATTR_INTS}, {"pads", MAAS_ATTR_INTS}, {"dilations", MAAS_ATTR_INTS}},
    .infer = infer_col2im,
    .compute = compute_col2im,
    .batch = maas_batch_first,
};
