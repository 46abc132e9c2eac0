/*
 * matmul.c - MatMul and Gemm: matrix products of floating point numbers and of 32- and 64-bit integers.
 *
 * Quantised products are in quant_matmul.c.
 */
#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "expect.h"
#include "grad.h"
#include "product.h"

#define TYPES (MAAS_T_FLOATS | MAAS_T(MAAS_INT32) | MAAS_T(MAAS_INT64) | MAAS_T(MAAS_UINT32) | MAAS_T(MAAS_UINT64))

/* Out (m, n) = op(A) (m, k) op(B) (k, n) for integers of 4 or 8 bytes, modulo their range. */
static MaasStatus product_int(MaasCtx *c, size_t size, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                              const void *a, const void *b, void *out)
{
    int64_t rs = ta ? 1 : k, cs = ta ? m : 1, ldb = tb ? 1 : n, bs = tb ? k : 1;
    int64_t rows = k > 0 && n > 0 ? (1 << 25) / k / n + 1 : m; /* between two looks at the stop flag */

    for (int64_t i = 0; i < m; i += rows) {
        int64_t mi = m - i < rows ? m - i : rows;

        if (maas_stop(c))
            return maas_stopped(c);
        if (size == 4)
            maas_kernel->gemm_u32(mi, n, k, (const uint32_t *)a + i * rs, rs, cs, b, ldb, bs,
                                  (uint32_t *)out + i * n, n);
        else
            maas_kernel->gemm_u64(mi, n, k, (const uint64_t *)a + i * rs, rs, cs, b, ldb, bs,
                                  (uint64_t *)out + i * n, n);
    }
    return MAAS_OK;
}

static bool is_real(MaasType type)
{
    return type == MAAS_FLOAT || type == MAAS_DOUBLE;
}

/* ---- MatMul ---- */

static MaasStatus infer_matmul(MaasInferCtx *c)
{
    return maas_stack_infer(c, 0, 1, MAAS_UNDEFINED);
}

static double cost_matmul(const MaasInferCtx *c)
{
    return maas_stack_cost(c, 0, 1);
}

static MaasStatus compute_matmul(MaasCtx *c)
{
    const MaasTensor *a = maas_in(c, 0), *b = maas_in(c, 1);
    MaasTensor *y = maas_out(c, 0);
    size_t size = maas_type_size(a->type);
    MaasStack s;

    if (y->count == 0)
        return MAAS_OK;
    maas_stack_plan(a, b, true, &s);
    for (int64_t i = 0; i < s.count; i++) {
        int64_t ai, bi;
        const char *ap, *bp;
        char *yp = (char *)y->data + (size_t)(i * s.m * s.n) * size;

        maas_stack_at(&s, i, &ai, &bi);
        ap = (const char *)a->data + (size_t)(ai * s.m * s.k) * size;
        bp = (const char *)b->data + (size_t)(bi * s.k * s.n) * size;
        if (is_real(a->type))
            MAAS_TRY(maas_product(c, a->type, false, false, s.m, s.n, s.k, 1, ap, s.k, bp, s.n, 0, yp, s.n));
        else
            MAAS_TRY(product_int(c, size, false, false, s.m, s.n, s.k, ap, bp, yp));
    }
    return MAAS_OK;
}

static void grad_matmul(MaasGrad *g)
{
    int dy = maas_grad_dy(g, 0);

    for (int side = 0; side < 2; side++)
        if (maas_grad_wants(g, side)) {
            int dx =
                MAAS_GRAD(g, "MatMulGrad", dy, maas_grad_in(g, !side), maas_grad_shape(g, maas_grad_in(g, side)));

            maas_grad_set_int(g, "side", side);
            maas_grad_give(g, side, dx);
        }
}

const MaasOp maas_op_matmul = {
    .domain = "",
    .name = "MatMul",
    .first = 1,
    .since = 13,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"A", TYPES, 'T', 0}, {"B", TYPES, 'T', 0}},
    .out = {{"Y", TYPES, 'T', 0}},
    .infer = infer_matmul,
    .compute = compute_matmul,
    .batch = maas_batch_matmul,
    .cost = cost_matmul,
    .grad = grad_matmul,
};

/* ---- Gemm ---- */

enum { GEMM_ALPHA, GEMM_BETA, GEMM_TRANS_A, GEMM_TRANS_B };

static MaasStatus adapt_gemm(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    maas_adapt_drop_attr(node, "broadcast"); /* of opsets below 7; C is broadcast wherever it can be */
    return MAAS_OK;
}

static MaasStatus infer_gemm(MaasInferCtx *c)
{
    bool ta = c->attr[GEMM_TRANS_A].i != 0, tb = c->attr[GEMM_TRANS_B].i != 0;
    int64_t dims[2], k;

    MAAS_TRY(maas_infer_want_rank(c, 0, 2));
    MAAS_TRY(maas_infer_want_rank(c, 1, 2));
    k = maas_dim(c, 0, !ta);
    dims[0] = maas_dim(c, 0, ta);
    dims[1] = maas_dim(c, 1, !tb);
    if (k >= 0 && maas_dim(c, 1, tb) >= 0 && k != maas_dim(c, 1, tb))
        return maas_infer_fail(
            c, MAAS_ERR_SHAPE,
            "the inner dimensions must be equal: the left matrix has %lld columns, the right %lld rows",
            (long long)k, (long long)maas_dim(c, 1, tb));
    MAAS_TRY(maas_expect_rank_in(c, 2, 0, 2));
    if (maas_ranked(c, 2))
        for (int i = 0; i < c->in[2]->rank; i++)
            if (c->in[2]->dims[i] != 1)
                MAAS_TRY(maas_expect_dim(c, 2, i, dims[2 - c->in[2]->rank + i]));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, 2, dims);
}

static double cost_gemm(const MaasInferCtx *c)
{
    return 2 * maas_cost_out(c) * maas_dim_cost(maas_dim(c, 0, c->attr[GEMM_TRANS_A].i == 0));
}

/* Strides of a matrix C of rank at most 2 that is broadcast to (m, n). */
static void bias_strides(const MaasTensor *bias, int64_t *row, int64_t *column)
{
    int64_t rows = bias->rank == 2 ? bias->dims[0] : 1, columns = bias->rank >= 1 ? bias->dims[bias->rank - 1] : 1;

    *row = rows == 1 ? 0 : columns;
    *column = columns == 1 ? 0 : 1;
}

#define FILL(T)                                                                                                    \
    for (int64_t i = 0; i < m; i++)                                                                                \
        for (int64_t j = 0; j < n; j++)                                                                            \
    ((T *)y->data)[i * n + j] = ((const T *)bias->data)[i * rs + j * cs]

/* y = alpha * y + beta * bias for integers: exact where alpha and beta are 1, else through double. */
#define ADD_INT(T, U)                                                                                              \
    for (int64_t i = 0; i < m; i++)                                                                                \
        for (int64_t j = 0; j < n; j++) {                                                                          \
            T *at = (T *)y->data + i * n + j;                                                                      \
            T add = bias ? ((const T *)bias->data)[i * rs + j * cs] : 0;                                           \
            if (alpha == 1 && beta == 1)                                                                           \
                *at = (T)((U) * at + (U)add);                                                                      \
            else                                                                                                   \
                *at = to_##T(alpha * (double)*at + beta * (double)add);                                            \
        }

/* Truncation that saturates: out of range is undefined in C. */
static int32_t to_int32_t(double x)
{
    return x >= 2147483647.0 ? INT32_MAX : x <= -2147483648.0 ? INT32_MIN : x != x ? 0 : (int32_t)x;
}

static uint32_t to_uint32_t(double x)
{
    return x >= 4294967295.0 ? UINT32_MAX : x > 0 ? (uint32_t)x : 0;
}

static int64_t to_int64_t(double x)
{
    return x >= 0x1p63 ? INT64_MAX : x <= -0x1p63 ? INT64_MIN : x != x ? 0 : (int64_t)x;
}

static uint64_t to_uint64_t(double x)
{
    return x >= 0x1p64 ? UINT64_MAX : x > 0 ? (uint64_t)x : 0;
}

static MaasStatus compute_gemm(MaasCtx *c)
{
    const MaasTensor *a = maas_in(c, 0), *b = maas_in(c, 1), *bias = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    bool ta = c->attr[GEMM_TRANS_A].i != 0, tb = c->attr[GEMM_TRANS_B].i != 0;
    double alpha = (double)c->attr[GEMM_ALPHA].f, beta = (double)c->attr[GEMM_BETA].f;
    int64_t m = y->dims[0], n = y->dims[1], k = a->dims[!ta], rs = 0, cs = 0;

    if (y->count == 0)
        return MAAS_OK;
    if (bias)
        bias_strides(bias, &rs, &cs);
    if (is_real(y->type)) {
        if (bias && beta != 0) {
            if (y->type == MAAS_FLOAT)
                FILL(float);
            else
                FILL(double);
        }
        return maas_product(c, y->type, ta, tb, m, n, k, alpha, a->data, a->dims[1], b->data, b->dims[1],
                            bias ? beta : 0, y->data, n);
    }
    MAAS_TRY(product_int(c, maas_type_size(y->type), ta, tb, m, n, k, a->data, b->data, y->data));
    switch (y->type) {
    case MAAS_INT32:
        ADD_INT(int32_t, uint32_t);
        break;
    case MAAS_UINT32:
        ADD_INT(uint32_t, uint32_t);
        break;
    case MAAS_INT64:
        ADD_INT(int64_t, uint64_t);
        break;
    default:
        ADD_INT(uint64_t, uint64_t);
        break;
    }
    return MAAS_OK;
}

/* Appends alpha op(A) op(B). */
static int scaled_product(MaasGrad *g, int a, bool ta, int b, bool tb)
{
    int y = MAAS_GRAD(g, "Gemm", a, b);

    maas_grad_set_int(g, "transA", ta);
    maas_grad_set_int(g, "transB", tb);
    maas_grad_set_float(g, "alpha", maas_grad_attrs(g)[GEMM_ALPHA].f);
    return y;
}

static void grad_gemm(MaasGrad *g)
{
    const MaasAttr *attr = maas_grad_attrs(g);
    bool ta = attr[GEMM_TRANS_A].i != 0, tb = attr[GEMM_TRANS_B].i != 0;
    int a = maas_grad_in(g, 0), b = maas_grad_in(g, 1), dy = maas_grad_dy(g, 0);

    if (maas_grad_wants(g, 0)) /* dA = alpha dY op(B)', or its transpose */
        maas_grad_give(g, 0, ta ? scaled_product(g, b, tb, dy, true) : scaled_product(g, dy, false, b, !tb));
    if (maas_grad_wants(g, 1)) /* dB = alpha op(A)' dY, or its transpose */
        maas_grad_give(g, 1, tb ? scaled_product(g, dy, true, a, ta) : scaled_product(g, a, !ta, dy, false));
    if (maas_grad_wants(g, 2)) {
        int sum = maas_grad_sum_to(g, dy, maas_grad_out(g, 0), maas_grad_in(g, 2));
        float beta = attr[GEMM_BETA].f;

        maas_grad_give(g, 2, beta == 1 ? sum : maas_grad_mul(g, sum, maas_grad_number(g, a, (double)beta)));
    }
}

const MaasOp maas_op_gemm = {
    .domain = "",
    .name = "Gemm",
    .first = 1,
    .since = 13,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"A", TYPES, 'T', 0}, {"B", TYPES, 'T', 0}, {"C", TYPES, 'T', MAAS_OPTIONAL}},
    .out = {{"Y", TYPES, 'T', 0}},
    .attrs = {{"alpha", MAAS_ATTR_FLOAT, .f = 1},
              {"beta", MAAS_ATTR_FLOAT, .f = 1},
              {"transA", MAAS_ATTR_INT},
              {"transB", MAAS_ATTR_INT}},
    .adapt = adapt_gemm,
    .infer = infer_gemm,
    .compute = compute_gemm,
    .batch = maas_batch_gemm,
    .cost = cost_gemm,
    .grad = grad_gemm,
};
