/*
 * product.c - matrix products inside operators.
 */
#include <string.h>

#include "../kernel/blas.h"
#include "expect.h"
#include "product.h"

/* Multiplications between two looks at the stop flag: milliseconds with OpenBLAS, below 0.1 s without. */
#define PIECE ((int64_t)1 << 27)

MaasStatus maas_product(MaasCtx *c, MaasType type, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                        const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *out, int64_t ldc)
{
    int64_t size = (int64_t)maas_type_size(type);
    int64_t kp = k < 8192 ? k : 8192;                    /* depth of a piece */
    int64_t np = n < 16384 ? n : 16384;                  /* columns of a piece */
    int64_t mp = kp > 0 && np > 0 ? PIECE / kp / np : m; /* rows of a piece */

    if (k <= 0)
        kp = 1;
    if (mp < 1)
        mp = 1;
    for (int64_t i = 0; i < m; i += mp) {
        int64_t mi = m - i < mp ? m - i : mp;

        for (int64_t j = 0; j < n; j += np) {
            int64_t nj = n - j < np ? n - j : np;

            for (int64_t p = 0; p == 0 || p < k; p += kp) {
                int64_t kpp = k - p < kp ? k - p : kp;
                const char *ap = (const char *)a + (ta ? p * lda + i : i * lda + p) * size;
                const char *bp = (const char *)b + (tb ? j * ldb + p : p * ldb + j) * size;
                char *cp = (char *)out + (i * ldc + j) * size;

                if (maas_stop(c))
                    return maas_stopped(c);
                if (type == MAAS_DOUBLE)
                    maas_gemm_f64(ta, tb, mi, nj, kpp, alpha, (const double *)(const void *)ap, lda,
                                  (const double *)(const void *)bp, ldb, p ? 1 : beta, (double *)(void *)cp, ldc);
                else
                    maas_gemm_f32(ta, tb, mi, nj, kpp, (float)alpha, (const float *)(const void *)ap, lda,
                                  (const float *)(const void *)bp, ldb, p ? 1 : (float)beta, (float *)(void *)cp,
                                  ldc);
            }
        }
    }
    return MAAS_OK;
}

/* The dimensions that matmul sees: a vector on the left is (1, k), on the right (k, 1). */
static int matrix_dims(int rank, const int64_t *dims, bool right, int64_t *to)
{
    if (rank != 1) {
        memcpy(to, dims, (size_t)rank * sizeof *dims);
        return rank;
    }
    to[0] = right ? dims[0] : 1;
    to[1] = right ? 1 : dims[0];
    return 2;
}

MaasStatus maas_stack_infer(MaasInferCtx *c, int ia, int ib, MaasType type)
{
    const MaasInfo *a = c->in[ia], *b = c->in[ib];
    int64_t ad[MAAS_MAX_RANK + 1], bd[MAAS_MAX_RANK + 1], dims[MAAS_MAX_RANK + 2];
    int an, bn, rank;

    MAAS_TRY(maas_expect_rank_in(c, ia, 1, MAAS_MAX_RANK));
    MAAS_TRY(maas_expect_rank_in(c, ib, 1, MAAS_MAX_RANK));
    if (a->rank < 0 || b->rank < 0)
        return maas_infer_out(c, 0, type, -1, NULL);
    an = matrix_dims(a->rank, a->dims, false, ad);
    bn = matrix_dims(b->rank, b->dims, true, bd);
    if (ad[an - 1] >= 0 && bd[bn - 2] >= 0 && ad[an - 1] != bd[bn - 2])
        return maas_infer_fail(
            c, MAAS_ERR_SHAPE,
            "the inner dimensions must be equal: the left matrix has %lld columns, the right %lld rows",
            (long long)ad[an - 1], (long long)bd[bn - 2]);
    rank = an - 2;
    memcpy(dims, ad, (size_t)rank * sizeof *dims);
    MAAS_TRY(maas_infer_broadcast_dims(c, &rank, dims, bn - 2, bd));
    if (a->rank > 1)
        dims[rank++] = ad[an - 2];
    if (b->rank > 1)
        dims[rank++] = bd[bn - 1];
    return maas_infer_out(c, 0, type, rank, dims);
}

void maas_stack_plan(const MaasTensor *a, const MaasTensor *b, bool fold, MaasStack *stack)
{
    int64_t ad[MAAS_MAX_RANK + 1], bd[MAAS_MAX_RANK + 1], a_run = 1, b_run = 1;
    int an = matrix_dims(a->rank, a->dims, false, ad), bn = matrix_dims(b->rank, b->dims, true, bd);

    stack->m = ad[an - 2];
    stack->k = ad[an - 1];
    stack->n = bd[bn - 1];
    stack->rank = (an > bn ? an : bn) - 2;
    stack->count = 1;
    for (int i = stack->rank - 1; i >= 0; i--) {
        int ai = i - (stack->rank - (an - 2)), bi = i - (stack->rank - (bn - 2));
        int64_t da = ai >= 0 ? ad[ai] : 1, db = bi >= 0 ? bd[bi] : 1;

        stack->dims[i] = da == 1 ? db : da;
        stack->a_step[i] = da == 1 ? 0 : a_run;
        stack->b_step[i] = db == 1 ? 0 : b_run;
        a_run *= da;
        b_run *= db;
        stack->count *= stack->dims[i];
    }
    if (fold && b_run == 1 && stack->count > 0) {
        stack->m *= stack->count;
        stack->rank = 0;
        stack->count = 1;
    }
}

void maas_stack_at(const MaasStack *stack, int64_t i, int64_t *a, int64_t *b)
{
    *a = *b = 0;
    for (int axis = stack->rank - 1; axis >= 0; axis--) {
        int64_t at = i % stack->dims[axis];

        i /= stack->dims[axis];
        *a += at * stack->a_step[axis];
        *b += at * stack->b_step[axis];
    }
}

double maas_stack_cost(const MaasInferCtx *c, int ia, int ib)
{
    const MaasInfo *a = c->in[ia];

    return 2 * maas_cost_out(c) * (a->rank > 0 ? maas_dim_cost(a->dims[a->rank - 1]) : 1);
}
