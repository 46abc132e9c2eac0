/*
 * expect.h - checks that many infer functions share: ranks and single dimensions of the inputs.
 *
 * What is not known yet (rank -1, negative dimensions) passes; the same check runs again once it is known.
 */
#ifndef MAAS_OP_EXPECT_H
#define MAAS_OP_EXPECT_H

#include "dims.h"

/* Whether input i is there and its rank is known. */
static inline bool maas_ranked(const MaasInferCtx *c, int i)
{
    return i < c->n_in && c->in[i] && c->in[i]->rank >= 0;
}

/* Dimension `axis` of input i; MAAS_DIM_ANY when the input is absent or its rank unknown or too small. */
static inline int64_t maas_dim(const MaasInferCtx *c, int i, int axis)
{
    return maas_ranked(c, i) && axis < c->in[i]->rank ? c->in[i]->dims[axis] : MAAS_DIM_ANY;
}

/* The better known of two sizes that are meant to be equal. */
static inline int64_t maas_dim_either(int64_t a, int64_t b)
{
    return a >= 0 || b == MAAS_DIM_ANY ? a : b;
}

/* The size for a cost function: 1 for a free dimension. */
static inline double maas_dim_cost(int64_t dim)
{
    return dim < 0 ? 1 : (double)dim;
}

/* Product of the dimensions of output 0, for cost functions. */
double maas_cost_out(const MaasInferCtx *c);

/* Input i, if present, has a rank in [least, most]. */
MaasStatus maas_expect_rank_in(const MaasInferCtx *c, int i, int least, int most);
/* Input i, if present, has this size on this axis; a negative size passes. */
MaasStatus maas_expect_dim(const MaasInferCtx *c, int i, int axis, int64_t size);
/* Input i, if present, has rank 1 and this size. */
MaasStatus maas_expect_vector(const MaasInferCtx *c, int i, int64_t size);
/* Input i, if present, has this shape. */
MaasStatus maas_expect_shape(const MaasInferCtx *c, int i, int rank, const int64_t *dims);

/* Scratch memory came out NULL: what to return. */
static inline MaasStatus maas_scratch_failed(const MaasCtx *c)
{
    return c->err->status != MAAS_OK ? c->err->status : MAAS_ERR_MEMORY;
}

#endif
