/*
 * det.c - Det: determinants of square matrices, by elimination with row exchange.
 */
#include <math.h>

#include "batch.h"
#include "expect.h"

static MaasStatus infer_det(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];

    MAAS_TRY(maas_expect_rank_in(c, 0, 2, MAAS_MAX_RANK));
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (x->dims[x->rank - 1] >= 0)
        MAAS_TRY(maas_expect_dim(c, 0, x->rank - 2, x->dims[x->rank - 1]));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank - 2, x->dims);
}

static double cost_det(const MaasInferCtx *c)
{
    double n = maas_ranked(c, 0) ? maas_dim_cost(c->in[0]->dims[c->in[0]->rank - 1]) : 1;

    return maas_cost_out(c) * n * n * n;
}

/* a (n, n) is destroyed. */
static MaasStatus determinant(MaasCtx *c, double *a, int64_t n, double *result)
{
    *result = 1;
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;

        if (maas_stop(c))
            return maas_stopped(c);
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k]))
                pivot = i;
        if (a[pivot * n + k] == 0) {
            *result = 0;
            return MAAS_OK;
        }
        if (pivot != k) {
            for (int64_t j = k; j < n; j++) {
                double t = a[k * n + j];

                a[k * n + j] = a[pivot * n + j];
                a[pivot * n + j] = t;
            }
            *result = -*result;
        }
        *result *= a[k * n + k];
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];

            for (int64_t j = k + 1; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return MAAS_OK;
}

static MaasStatus compute_det(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    int64_t n = x->dims[x->rank - 1];
    double *a, value;

    if (y->count == 0)
        return MAAS_OK;
    if (x->count == 0)
        n = 0;
    a = maas_scratch(c, (size_t)(n * n), sizeof *a);
    if (!a)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < y->count; i++) {
        for (int64_t k = 0; k < n * n; k++)
            a[k] = x->type == MAAS_DOUBLE ? MAAS_F64(x)[i * n * n + k] : (double)MAAS_F32(x)[i * n * n + k];
        MAAS_TRY(determinant(c, a, n, &value));
        if (y->type == MAAS_DOUBLE)
            MAAS_F64(y)[i] = value;
        else
            MAAS_F32(y)[i] = (float)value;
    }
    return MAAS_OK;
}

const MaasOp maas_op_det = {
    .domain = "",
    .name = "Det",
    .first = 11,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .infer = infer_det,
    .compute = compute_det,
    .batch = maas_batch_last_two,
    .cost = cost_det,
};
