/*
 * quant_matmul.c - MatMulInteger and QLinearMatMul: products of 8-bit integers, accumulated modulo 2^32.
 *
 * Both sides become 16-bit differences from their zero points, the right one transposed, a tile at a time.
 */
#include "../kernel/kernel.h"
#include "batch.h"
#include "expect.h"
#include "product.h"
#include "quant.h"

enum { TILE = 1 << 19 }; /* elements of a converted tile */

/* ---- shared with quantised convolutions ---- */

void maas_quant_widen(const MaasTensor *x, int64_t from, int32_t zero, int16_t *to, int64_t n)
{
    if (x->type == MAAS_INT8)
        maas_kernel->i8_to_i16(MAAS_I8(x) + from, zero, to, n);
    else
        maas_kernel->u8_to_i16(MAAS_U8(x) + from, zero, to, n);
}

int32_t maas_quant_zero(const MaasTensor *zero, int64_t i)
{
    if (!zero)
        return 0;
    if (zero->count == 1)
        i = 0;
    return zero->type == MAAS_INT8 ? MAAS_I8(zero)[i] : MAAS_U8(zero)[i];
}

float maas_quant_scale(const MaasTensor *scale, int64_t i)
{
    return MAAS_F32(scale)[scale->count == 1 ? 0 : i];
}

void maas_quant_store(const int32_t *from, float scale, int32_t zero, MaasTensor *y, int64_t at, int64_t n,
                      int64_t stride)
{
    int32_t low = y->type == MAAS_INT8 ? -128 : 0, high = y->type == MAAS_INT8 ? 127 : 255;

    for (int64_t i = 0; i < n; i++) {
        float v = (float)from[i] * scale;
        /* adding 1.5 * 2^23 rounds half to even; beyond 2^22 the result is cut off below anyway */
        float bounded = v > 1e6f ? 1e6f : v < -1e6f ? -1e6f : v != v ? 0 : v;
        int32_t q = (int32_t)((bounded + 12582912.0f) - 12582912.0f) + zero;

        MAAS_U8(y)[at + i * stride] = (uint8_t)(q < low ? low : q > high ? high : q);
    }
}

/* ---- products ---- */

/* Which inputs are what. */
typedef struct Roles {
    int a, b, a_zero, b_zero, a_scale, b_scale;
} Roles;

static const Roles integer_roles = {0, 1, 2, 3, -1, -1}, linear_roles = {0, 3, 2, 5, 1, 4};

/* A zero point or scale: one for all, one a row (rank 1, or (..., m, 1)) or one a column (..., 1, n). */
static MaasStatus check_parameter(const MaasInferCtx *c, int i, int matrix, bool column)
{
    int64_t size, count = 1, most;
    int rank;

    if (i < 0 || !maas_ranked(c, i) || !maas_ranked(c, matrix))
        return MAAS_OK;
    rank = c->in[matrix]->rank;
    size = rank < 2 ? 1 : c->in[matrix]->dims[column ? rank - 1 : rank - 2];
    for (int d = 0; d < c->in[i]->rank; d++) {
        if (c->in[i]->dims[d] < 0)
            return MAAS_OK;
        if (!maas_mul64(count, c->in[i]->dims[d], &count))
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d is too large", i);
    }
    if (count == 1 || size < 0)
        return MAAS_OK;
    most = size;
    for (int d = 0; d < rank - 2; d++)
        if (c->in[matrix]->dims[d] < 0 || !maas_mul64(most, c->in[matrix]->dims[d], &most))
            return MAAS_OK;
    if (count != size && count != most)
        return maas_infer_fail(c, MAAS_ERR_SHAPE,
                               "input %d must hold one element or one for each of the %lld %s, got %lld", i,
                               (long long)size, column ? "columns" : "rows", (long long)count);
    return MAAS_OK;
}

static MaasStatus check_parameters(const MaasInferCtx *c, const Roles *r)
{
    MAAS_TRY(check_parameter(c, r->a_zero, r->a, false));
    MAAS_TRY(check_parameter(c, r->a_scale, r->a, false));
    MAAS_TRY(check_parameter(c, r->b_zero, r->b, true));
    return check_parameter(c, r->b_scale, r->b, true);
}

/* Where the parameters of matrix number `index` begin: they are per matrix or shared by all of them. */
static int64_t parameter_at(const MaasTensor *t, int64_t index, int64_t size)
{
    return t && t->count > size ? index * size : 0;
}

/* to (n, k) = the columns [from, from + n) of B (k, columns), less their zero points. */
static void pack_columns(const MaasTensor *b, int64_t base, int64_t columns, int64_t k, int64_t from, int64_t n,
                         const MaasTensor *zero, int64_t zero_at, int16_t *to)
{
    for (int64_t j = 0; j < n; j++) {
        int32_t z = maas_quant_zero(zero, zero_at + from + j);
        const uint8_t *source = MAAS_U8(b) + base + from + j;

        if (b->type == MAAS_INT8)
            for (int64_t p = 0; p < k; p++)
                to[j * k + p] = (int16_t)((int8_t)source[p * columns] - z);
        else
            for (int64_t p = 0; p < k; p++)
                to[j * k + p] = (int16_t)(source[p * columns] - z);
    }
}

/* Calls for each tile of the result: sums (rows, ld) begin at row i and column j of matrix a, b. */
typedef MaasStatus StoreFn(MaasCtx *c, const MaasStack *s, int64_t product, int64_t a, int64_t b, int64_t i,
                           int64_t j, int64_t rows, int64_t columns, const int32_t *sums);

static MaasStatus multiply(MaasCtx *c, const Roles *r, StoreFn *store)
{
    const MaasTensor *a = maas_in(c, r->a), *b = maas_in(c, r->b);
    const MaasTensor *a_zero = maas_in(c, r->a_zero), *b_zero = maas_in(c, r->b_zero);
    int64_t columns, rows;
    int16_t *left, *right;
    int32_t *sums;
    MaasStack s;

    if (maas_out(c, 0)->count == 0)
        return MAAS_OK;
    maas_stack_plan(a, b, false, &s);
    columns = TILE / (s.k + 1) + 1 < s.n ? TILE / (s.k + 1) + 1 : s.n;
    rows = TILE / (s.k + columns) + 1 < s.m ? TILE / (s.k + columns) + 1 : s.m;
    left = maas_scratch(c, (size_t)rows, (size_t)s.k * sizeof *left);
    right = maas_scratch(c, (size_t)columns, (size_t)s.k * sizeof *right);
    sums = maas_scratch(c, (size_t)rows, (size_t)columns * sizeof *sums);
    if (!left || !right || !sums)
        return maas_scratch_failed(c);
    for (int64_t product = 0; product < s.count; product++) {
        int64_t ai, bi;

        maas_stack_at(&s, product, &ai, &bi);
        for (int64_t j = 0; j < s.n; j += columns) {
            int64_t n = s.n - j < columns ? s.n - j : columns;

            pack_columns(b, bi * s.k * s.n, s.n, s.k, j, n, b_zero, parameter_at(b_zero, bi, s.n), right);
            for (int64_t i = 0; i < s.m; i += rows) {
                int64_t m = s.m - i < rows ? s.m - i : rows;

                if (maas_stop(c))
                    return maas_stopped(c);
                for (int64_t q = 0; q < m; q++)
                    maas_quant_widen(a, (ai * s.m + i + q) * s.k,
                                     maas_quant_zero(a_zero, parameter_at(a_zero, ai, s.m) + i + q), left + q * s.k,
                                     s.k);
                maas_kernel->gemm_i16(m, n, s.k, left, s.k, right, s.k, sums, n);
                MAAS_TRY(store(c, &s, product, ai, bi, i, j, m, n, sums));
            }
        }
    }
    return MAAS_OK;
}

static MaasStatus store_sums(MaasCtx *c, const MaasStack *s, int64_t product, int64_t a, int64_t b, int64_t i,
                             int64_t j, int64_t rows, int64_t columns, const int32_t *sums)
{
    for (int64_t q = 0; q < rows; q++)
        __builtin_memcpy(MAAS_I32(maas_out(c, 0)) + (product * s->m + i + q) * s->n + j, sums + q * columns,
                         (size_t)columns * sizeof *sums);
    return MAAS_OK;
}

static MaasStatus infer_matmul_integer(MaasInferCtx *c)
{
    MAAS_TRY(check_parameters(c, &integer_roles));
    return maas_stack_infer(c, 0, 1, MAAS_INT32);
}

static double cost_matmul_integer(const MaasInferCtx *c)
{
    return maas_stack_cost(c, 0, 1);
}

static MaasStatus compute_matmul_integer(MaasCtx *c)
{
    return multiply(c, &integer_roles, store_sums);
}

const MaasOp maas_op_matmul_integer = {
    .domain = "",
    .name = "MatMulInteger",
    .first = 10,
    .since = 10,
    .in = {{"A", MAAS_T_BYTES, 'A', 0},
           {"B", MAAS_T_BYTES, 'B', 0},
           {"a_zero_point", MAAS_T_BYTES, 'A', MAAS_OPTIONAL},
           {"b_zero_point", MAAS_T_BYTES, 'B', MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T(MAAS_INT32), 0, 0}},
    .infer = infer_matmul_integer,
    .compute = compute_matmul_integer,
    .batch = maas_batch_matmul_integer,
    .cost = cost_matmul_integer,
};

/* ---- QLinearMatMul ---- */

enum { Y_SCALE = 6, Y_ZERO = 7 };

static MaasStatus infer_qlinear_matmul(MaasInferCtx *c)
{
    MAAS_TRY(check_parameters(c, &linear_roles));
    MAAS_TRY(maas_infer_scalar(c, Y_SCALE));
    MAAS_TRY(maas_infer_scalar(c, Y_ZERO));
    return maas_stack_infer(c, 0, 3, MAAS_UNDEFINED);
}

static double cost_qlinear_matmul(const MaasInferCtx *c)
{
    return maas_stack_cost(c, 0, 3);
}

static MaasStatus store_scaled(MaasCtx *c, const MaasStack *s, int64_t product, int64_t a, int64_t b, int64_t i,
                               int64_t j, int64_t rows, int64_t columns, const int32_t *sums)
{
    const MaasTensor *a_scale = maas_in(c, linear_roles.a_scale), *b_scale = maas_in(c, linear_roles.b_scale);
    float y_scale = maas_quant_scale(maas_in(c, Y_SCALE), 0);
    int32_t zero = maas_quant_zero(maas_in(c, Y_ZERO), 0);
    int64_t a_at = parameter_at(a_scale, a, s->m), b_at = parameter_at(b_scale, b, s->n);

    for (int64_t q = 0; q < rows; q++) {
        int64_t at = (product * s->m + i + q) * s->n + j;
        float row = maas_quant_scale(a_scale, a_at + i + q);

        if (b_scale->count == 1)
            maas_quant_store(sums + q * columns, row * MAAS_F32(b_scale)[0] / y_scale, zero, maas_out(c, 0), at,
                             columns, 1);
        else
            for (int64_t k = 0; k < columns; k++)
                maas_quant_store(sums + q * columns + k, row * maas_quant_scale(b_scale, b_at + j + k) / y_scale,
                                 zero, maas_out(c, 0), at + k, 1, 1);
    }
    return MAAS_OK;
}

static MaasStatus compute_qlinear_matmul(MaasCtx *c)
{
    return multiply(c, &linear_roles, store_scaled);
}

#define SCALES (MAAS_T_FLOAT | MAAS_T_HALF)

const MaasOp maas_op_qlinear_matmul = {
    .domain = "",
    .name = "QLinearMatMul",
    .first = 10,
    .since = 21,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"a", MAAS_T_BYTES, 'A', 0},
           {"a_scale", SCALES, 'S', 0},
           {"a_zero_point", MAAS_T_BYTES, 'A', 0},
           {"b", MAAS_T_BYTES, 'B', 0},
           {"b_scale", SCALES, 'S', 0},
           {"b_zero_point", MAAS_T_BYTES, 'B', 0},
           {"y_scale", SCALES, 'S', 0},
           {"y_zero_point", MAAS_T_BYTES, 'Y', 0}},
    .out = {{"y", MAAS_T_BYTES, 'Y', 0}},
    .infer = infer_qlinear_matmul,
    .compute = compute_qlinear_matmul,
    .batch = maas_batch_qlinear_matmul,
    .cost = cost_qlinear_matmul,
};
