/*
 * expect.c - checks that many infer functions share.
 */
#include "expect.h"

double maas_cost_out(const MaasInferCtx *c)
{
    double product = 1;

    if (c->n_out < 1 || !c->out[0])
        return 0;
    for (int i = 0; i < c->out[0]->rank; i++)
        product *= maas_dim_cost(c->out[0]->dims[i]);
    return product;
}

MaasStatus maas_expect_rank_in(const MaasInferCtx *c, int i, int least, int most)
{
    if (maas_ranked(c, i) && (c->in[i]->rank < least || c->in[i]->rank > most))
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d must have a rank between %d and %d, got rank %d", i,
                               least, most, c->in[i]->rank);
    return MAAS_OK;
}

MaasStatus maas_expect_dim(const MaasInferCtx *c, int i, int axis, int64_t size)
{
    int64_t got = maas_dim(c, i, axis);

    if (size >= 0 && got >= 0 && got != size)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d must have size %lld on axis %d, got %lld", i,
                               (long long)size, axis, (long long)got);
    return MAAS_OK;
}

MaasStatus maas_expect_vector(const MaasInferCtx *c, int i, int64_t size)
{
    MAAS_TRY(maas_infer_want_rank(c, i, 1));
    return maas_expect_dim(c, i, 0, size);
}

MaasStatus maas_expect_shape(const MaasInferCtx *c, int i, int rank, const int64_t *dims)
{
    MAAS_TRY(maas_infer_want_rank(c, i, rank));
    for (int axis = 0; axis < rank; axis++)
        MAAS_TRY(maas_expect_dim(c, i, axis, dims[axis]));
    return MAAS_OK;
}
