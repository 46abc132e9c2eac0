/*
 * transpose.c - Transpose, DepthToSpace, SpaceToDepth: the same elements in another order of axes.
 */
#include <string.h>

#include "batch.h"
#include "dims.h"
#include "grad.h"
#include "move.h"

/* Copies src, seen under `dims`, with its axes in the order perm. */
static MaasStatus permute(MaasCtx *c, const MaasTensor *in, int rank, const int64_t *dims, const int *perm,
                          MaasTensor *out)
{
    MaasMove m = {.size = maas_type_size(in->type), .rank = rank, .src = in->data, .dst = out->data};
    int64_t steps[MAAS_MAX_RANK];

    if (out->count == 0)
        return MAAS_OK;
    maas_row_major(rank, dims, steps);
    for (int i = 0; i < rank; i++) {
        m.dims[i] = dims[perm[i]];
        m.src_step[i] = steps[perm[i]];
    }
    maas_row_major(rank, m.dims, m.dst_step);
    return maas_move(c, &m);
}

/* ---- Transpose ---- */

static MaasStatus infer_transpose(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasAttr *perm = &c->attr[0];
    int64_t dims[MAAS_MAX_RANK];
    int axes[MAAS_MAX_RANK];

    if (in->rank < 0 && perm->n > 0)
        MAAS_TRY(maas_infer_rank(c, perm->n));
    if (in->rank < 0) {
        for (int i = 0; i < perm->n; i++)
            dims[i] = MAAS_DIM_ANY;
        return maas_infer_out(c, 0, MAAS_UNDEFINED, perm->n > 0 ? (int)perm->n : -1, dims);
    }
    if (perm->set && perm->n != in->rank)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "perm has %lld axes, the input has rank %d", (long long)perm->n,
                               in->rank);
    if (perm->set)
        MAAS_TRY(maas_infer_axes(c, perm->n, perm->ints, in->rank, axes));
    for (int i = 0; i < in->rank; i++)
        dims[i] = in->dims[perm->set ? axes[i] : in->rank - 1 - i];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
}

static MaasStatus compute_transpose(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    const MaasAttr *perm = &c->attr[0];
    int axes[MAAS_MAX_RANK];

    for (int i = 0; i < in->rank; i++)
        axes[i] = perm->set ? maas_axis(perm->ints[i], in->rank) : in->rank - 1 - i;
    return permute(c, in, in->rank, in->dims, axes, maas_out(c, 0));
}

static void grad_transpose(MaasGrad *g)
{
    const MaasAttr *perm = &maas_grad_attrs(g)[0];
    int64_t inverse[MAAS_MAX_RANK];
    int dx = MAAS_GRAD(g, "Transpose", maas_grad_dy(g, 0));

    if (perm->set) {
        for (int i = 0; i < perm->n; i++)
            inverse[maas_axis(perm->ints[i], (int)perm->n)] = i;
        maas_grad_set_ints(g, "perm", perm->n, inverse);
    }
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_transpose = {
    .name = "Transpose",
    .first = 1,
    .since = 1,
    .in = {{"data", MAAS_T_ANY, 'T', 0}},
    .out = {{"transposed", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"perm", MAAS_ATTR_INTS, .required = false}},
    .infer = infer_transpose,
    .compute = compute_transpose,
    .batch = maas_batch_transpose,
    .grad = grad_transpose,
};

/* ---- DepthToSpace, SpaceToDepth ---- */

static bool is_mode(const MaasAttr *attr, const char *text)
{
    return attr->s.length == strlen(text) && memcmp(attr->s.data, text, attr->s.length) == 0;
}

static MaasStatus check_block(MaasInferCtx *c, int64_t block)
{
    if (block < 1 || block > 65536)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "blocksize must be from 1 to 65536, got %lld", (long long)block);
    return maas_infer_want_rank(c, 0, 4);
}

static MaasStatus infer_depth_to_space(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t block = c->attr[0].i, dims[4] = {MAAS_DIM_ANY, MAAS_DIM_ANY, MAAS_DIM_ANY, MAAS_DIM_ANY};

    MAAS_TRY(check_block(c, block));
    if (!is_mode(&c->attr[1], "DCR") && !is_mode(&c->attr[1], "CRD"))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mode must be DCR or CRD, got \"%.*s\"", (int)c->attr[1].s.length,
                               c->attr[1].s.data);
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, 4, dims);
    if (in->dims[1] >= 0 && in->dims[1] % (block * block) != 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "%lld channels cannot be spread over blocks of %lld x %lld",
                               (long long)in->dims[1], (long long)block, (long long)block);
    dims[0] = in->dims[0];
    dims[1] = in->dims[1] < 0 ? MAAS_DIM_ANY : in->dims[1] / (block * block);
    MAAS_TRY(maas_infer_mul(c, in->dims[2], block, &dims[2]));
    MAAS_TRY(maas_infer_mul(c, in->dims[3], block, &dims[3]));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, 4, dims);
}

static MaasStatus compute_depth_to_space(MaasCtx *c)
{
    static const int dcr[] = {0, 3, 4, 1, 5, 2}, crd[] = {0, 1, 4, 2, 5, 3};
    const MaasTensor *in = maas_in(c, 0);
    int64_t b = c->attr[0].i, n = in->dims[0], ch = in->dims[1] / (b * b), h = in->dims[2], w = in->dims[3];
    const int64_t dcr_dims[] = {n, b, b, ch, h, w}, crd_dims[] = {n, ch, b, b, h, w};
    bool depth_first = is_mode(&c->attr[1], "DCR");

    return permute(c, in, 6, depth_first ? dcr_dims : crd_dims, depth_first ? dcr : crd, maas_out(c, 0));
}

static void grad_depth_to_space(MaasGrad *g)
{
    int dx;

    if (!is_mode(&maas_grad_attrs(g)[1], "DCR"))
        maas_grad_refuse(g, "mode CRD");
    dx = MAAS_GRAD(g, "SpaceToDepth", maas_grad_dy(g, 0));
    maas_grad_copy_attrs(g, 0, 1);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_depth_to_space = {
    .name = "DepthToSpace",
    .first = 1,
    .since = 1,
    .in = {{"input", MAAS_T_ANY, 'T', 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"blocksize", MAAS_ATTR_INT, .required = true}, {"mode", MAAS_ATTR_STRING, .s = "DCR"}},
    .infer = infer_depth_to_space,
    .compute = compute_depth_to_space,
    .batch = maas_batch_first,
    .grad = grad_depth_to_space,
};

static MaasStatus infer_space_to_depth(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t block = c->attr[0].i, dims[4] = {MAAS_DIM_ANY, MAAS_DIM_ANY, MAAS_DIM_ANY, MAAS_DIM_ANY};

    MAAS_TRY(check_block(c, block));
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, 4, dims);
    dims[0] = in->dims[0];
    MAAS_TRY(maas_infer_mul(c, in->dims[1], block * block, &dims[1]));
    for (int i = 2; i < 4; i++) {
        if (in->dims[i] >= 0 && in->dims[i] % block != 0)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "axis %d of size %lld cannot be cut into blocks of %lld", i,
                                   (long long)in->dims[i], (long long)block);
        dims[i] = in->dims[i] < 0 ? MAAS_DIM_ANY : in->dims[i] / block;
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, 4, dims);
}

static MaasStatus compute_space_to_depth(MaasCtx *c)
{
    static const int perm[] = {0, 3, 5, 1, 2, 4};
    const MaasTensor *in = maas_in(c, 0);
    int64_t b = c->attr[0].i;
    const int64_t dims[] = {in->dims[0], in->dims[1], in->dims[2] / b, b, in->dims[3] / b, b};

    return permute(c, in, 6, dims, perm, maas_out(c, 0));
}

static void grad_space_to_depth(MaasGrad *g)
{
    int dx = MAAS_GRAD(g, "DepthToSpace", maas_grad_dy(g, 0));

    maas_grad_copy_attrs(g, 0, 1);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_space_to_depth = {
    .name = "SpaceToDepth",
    .first = 1,
    .since = 1,
    .in = {{"input", MAAS_T_ANY, 'T', 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"blocksize", MAAS_ATTR_INT, .required = true}},
    .infer = infer_space_to_depth,
    .compute = compute_space_to_depth,
    .batch = maas_batch_first,
    .grad = grad_space_to_depth,
};
