/*
 * quant_conv.c - ConvInteger and QLinearConv: convolutions of 8-bit integers, accumulated modulo 2^32.
 *
 * A tile of the matrix of windows is made in bytes, padded with the zero point, and transposed into 16-bit
 * differences from it.
 */
#include "../kernel/kernel.h"
#include "batch.h"
#include "conv.h"
#include "expect.h"
#include "quant.h"

typedef struct Roles {
    int x, w, x_zero, w_zero, bias;
} Roles;

static const Roles integer_roles = {0, 1, 2, 3, -1}, linear_roles = {0, 3, 2, 5, 8};

/* One for all, or one a filter. */
static MaasStatus check_per_filter(const MaasInferCtx *c, int i, int w)
{
    if (!maas_ranked(c, i))
        return MAAS_OK;
    MAAS_TRY(maas_expect_rank_in(c, i, 0, 1));
    if (c->in[i]->rank == 1 && c->in[i]->dims[0] != 1)
        MAAS_TRY(maas_expect_dim(c, i, 0, maas_dim(c, w, 0)));
    return MAAS_OK;
}

/* Sums of one group of one image: sums (filters, n) for the positions [from, from + n). */
typedef void StoreFn(MaasCtx *c, const MaasConv *v, int64_t image, int64_t group, int64_t from, int64_t n,
                     int32_t *sums);

/* to (n, depth) = from (depth, n) - zero */
static void transpose(const uint8_t *from, bool is_signed, int32_t zero, int64_t depth, int64_t n, int16_t *to)
{
    enum { BLOCK = 64 };

    for (int64_t p = 0; p < depth; p += BLOCK)
        for (int64_t j = 0; j < n; j++) {
            int64_t end = depth - p < BLOCK ? depth : p + BLOCK;

            if (is_signed)
                for (int64_t q = p; q < end; q++)
                    to[j * depth + q] = (int16_t)((int8_t)from[q * n + j] - zero);
            else
                for (int64_t q = p; q < end; q++)
                    to[j * depth + q] = (int16_t)(from[q * n + j] - zero);
        }
}

static MaasStatus convolve(MaasCtx *c, const Roles *r, StoreFn *store)
{
    const MaasTensor *x = maas_in(c, r->x), *w = maas_in(c, r->w), *w_zero = maas_in(c, r->w_zero);
    int32_t zero = maas_quant_zero(maas_in(c, r->x_zero), 0);
    int64_t step, depth;
    int16_t *filters, *windows;
    uint8_t *tile;
    int32_t *sums;
    MaasConv v;

    if (maas_out(c, 0)->count == 0)
        return MAAS_OK;
    maas_conv_plan(c->attr, x, w, &v);
    depth = x->count == 0 ? 0 : v.depth;
    step = maas_conv_tile(depth + v.filters, v.outputs);
    filters = maas_scratch(c, (size_t)v.filters, (size_t)depth * sizeof *filters);
    windows = maas_scratch(c, (size_t)step, (size_t)depth * sizeof *windows);
    tile = maas_scratch(c, (size_t)step, (size_t)depth);
    sums = maas_scratch(c, (size_t)step, (size_t)v.filters * sizeof *sums);
    if (!filters || !windows || !tile || !sums)
        return maas_scratch_failed(c);
    for (int64_t g = 0; g < v.groups; g++) {
        for (int64_t f = 0; f < v.filters && depth > 0; f++)
            maas_quant_widen(w, (g * v.filters + f) * depth, maas_quant_zero(w_zero, g * v.filters + f),
                             filters + f * depth, depth);
        for (int64_t i = 0; i < v.batch; i++) {
            const uint8_t *from = depth ? MAAS_U8(x) + (i * v.groups + g) * v.channels * v.inputs : NULL;

            for (int64_t p = 0; p < v.outputs; p += step) {
                int64_t n = v.outputs - p < step ? v.outputs - p : step;
                int64_t rows = ((int64_t)1 << 26) / (n * (depth + 1)) + 1; /* filters between two polls */

                if (depth > 0) {
                    maas_kernel->im2col_u8(&v.w, from, (uint8_t)zero, v.inputs, 0, depth, p, p + n, tile, n);
                    transpose(tile, x->type == MAAS_INT8, zero, depth, n, windows);
                }
                for (int64_t f = 0; f < v.filters; f += rows) {
                    if (maas_stop(c))
                        return maas_stopped(c);
                    maas_kernel->gemm_i16(v.filters - f < rows ? v.filters - f : rows, n, depth,
                                          filters + f * depth, depth, windows, depth, sums + f * n, n);
                }
                store(c, &v, i, g, p, n, sums);
            }
        }
    }
    return MAAS_OK;
}

/* ---- ConvInteger ---- */

static MaasStatus infer_conv_integer(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_scalar(c, 2));
    MAAS_TRY(check_per_filter(c, 3, 1));
    return maas_conv_infer(c, 0, 1, -1, MAAS_INT32);
}

static double cost_conv_integer(const MaasInferCtx *c)
{
    return maas_conv_cost(c, 1);
}

static void store_sums(MaasCtx *c, const MaasConv *v, int64_t image, int64_t group, int64_t from, int64_t n,
                       int32_t *sums)
{
    for (int64_t f = 0; f < v->filters; f++)
        __builtin_memcpy(MAAS_I32(maas_out(c, 0)) + ((image * v->groups + group) * v->filters + f) * v->outputs +
                             from,
                         sums + f * n, (size_t)n * sizeof *sums);
}

static MaasStatus compute_conv_integer(MaasCtx *c)
{
    return convolve(c, &integer_roles, store_sums);
}

const MaasOp maas_op_conv_integer = {
    .domain = "",
    .name = "ConvInteger",
    .first = 10,
    .since = 10,
    .in = {{"x", MAAS_T_BYTES, 'X', 0},
           {"w", MAAS_T_BYTES, 'W', 0},
           {"x_zero_point", MAAS_T_BYTES, 'X', MAAS_OPTIONAL},
           {"w_zero_point", MAAS_T_BYTES, 'W', MAAS_OPTIONAL}},
    .out = {{"y", MAAS_T(MAAS_INT32), 0, 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"group", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_conv_integer,
    .compute = compute_conv_integer,
    .batch = maas_batch_first,
    .cost = cost_conv_integer,
};

/* ---- QLinearConv ---- */

enum { X_SCALE = 1, W_SCALE = 4, Y_SCALE = 6, Y_ZERO = 7 };

static MaasStatus infer_qlinear_conv(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_scalar(c, X_SCALE));
    MAAS_TRY(maas_infer_scalar(c, 2));
    MAAS_TRY(check_per_filter(c, W_SCALE, 3));
    MAAS_TRY(check_per_filter(c, 5, 3));
    MAAS_TRY(maas_infer_scalar(c, Y_SCALE));
    MAAS_TRY(maas_infer_scalar(c, Y_ZERO));
    return maas_conv_infer(c, 0, 3, 8, MAAS_UNDEFINED);
}

static double cost_qlinear_conv(const MaasInferCtx *c)
{
    return maas_conv_cost(c, 3);
}

static void store_scaled(MaasCtx *c, const MaasConv *v, int64_t image, int64_t group, int64_t from, int64_t n,
                         int32_t *sums)
{
    const MaasTensor *bias = maas_in(c, 8);
    float x_scale = maas_quant_scale(maas_in(c, X_SCALE), 0), y_scale = maas_quant_scale(maas_in(c, Y_SCALE), 0);
    int32_t zero = maas_quant_zero(maas_in(c, Y_ZERO), 0), *row = sums;

    for (int64_t f = 0; f < v->filters; f++, row += n) {
        int64_t filter = group * v->filters + f;
        float scale = x_scale * maas_quant_scale(maas_in(c, W_SCALE), filter) / y_scale;

        for (int64_t i = 0; bias && i < n; i++)
            row[i] = (int32_t)((uint32_t)row[i] + (uint32_t)MAAS_I32(bias)[filter]);
        maas_quant_store(row, scale, zero, maas_out(c, 0),
                         ((image * v->groups + group) * v->filters + f) * v->outputs + from, n, 1);
    }
}

static MaasStatus compute_qlinear_conv(MaasCtx *c)
{
    return convolve(c, &linear_roles, store_scaled);
}

const MaasOp maas_op_qlinear_conv = {
    .domain = "",
    .name = "QLinearConv",
    .first = 10,
    .since = 10,
    .in = {{"x", MAAS_T_BYTES, 'X', 0},
           {"x_scale", MAAS_T_FLOAT, 0, 0},
           {"x_zero_point", MAAS_T_BYTES, 'X', 0},
           {"w", MAAS_T_BYTES, 'W', 0},
           {"w_scale", MAAS_T_FLOAT, 0, 0},
           {"w_zero_point", MAAS_T_BYTES, 'W', 0},
           {"y_scale", MAAS_T_FLOAT, 0, 0},
           {"y_zero_point", MAAS_T_BYTES, 'Y', 0},
           {"B", MAAS_T(MAAS_INT32), 0, MAAS_OPTIONAL}},
    .out = {{"y", MAAS_T_BYTES, 'Y', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"group", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_qlinear_conv,
    .compute = compute_qlinear_conv,
    .batch = maas_batch_first,
    .cost = cost_qlinear_conv,
};
