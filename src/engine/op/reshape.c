/*
 * reshape.c - Reshape, Flatten, Squeeze, Unsqueeze: the same elements under another shape.
 *
 * All are views: nothing is computed, inference gives the shape.
 */
#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"

#define VIEW_IN {"data", MAAS_T_ANY, 'T', 0}
#define VIEW_OUT {{"output", MAAS_T_ANY, 'T', 0}}

/* Of them all: dy under the shape of the input. */
static void grad_view(MaasGrad *g)
{
    maas_grad_give(g, 0, maas_grad_reshape(g, maas_grad_dy(g, 0), maas_grad_in(g, 0)));
}

/* ---- Reshape ---- */

static MaasStatus adapt_reshape(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version >= 5)
        return MAAS_OK;
    maas_adapt_drop_attr(node, "consumed_inputs");
    return maas_adapt_attr_to_input(graph, node, "shape", 1, err);
}

/*
 * The size of the -1 in dims[minus]: what is left of the input when the sizes that dims names are divided out.
 * Sizes that a 0 copied cancel first, so that an empty batch keeps its other sizes; a symbol that is left alone
 * with a factor of 1 is the answer.
 */
static MaasStatus solve_minus(MaasInferCtx *c, const MaasInfo *in, int rank, int64_t *dims, const bool *copied,
                              int minus)
{
    int64_t given = 1, have = 1, symbol = 0;
    bool used[MAAS_MAX_RANK] = {false}, unknown = in->rank < 0;

    dims[minus] = MAAS_DIM_ANY;
    for (int i = 0; i < rank; i++) {
        if (i == minus)
            continue;
        if (copied[i] && i < in->rank) {
            used[i] = true;
            continue;
        }
        if (dims[i] < 0)
            unknown = true;
        else
            MAAS_TRY(maas_infer_mul(c, given, dims[i], &given));
    }
    if (unknown)
        return MAAS_OK;
    for (int i = 0; i < in->rank; i++) {
        if (used[i])
            continue;
        if (in->dims[i] >= 0) {
            MAAS_TRY(maas_infer_mul(c, have, in->dims[i], &have));
        } else if (symbol == 0) {
            symbol = in->dims[i];
        } else {
            symbol = MAAS_DIM_ANY;
        }
    }
    if (given == 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "a shape with both 0 and -1 leaves the -1 undetermined");
    if (symbol == 0) {
        if (have % given != 0)
            return maas_infer_fail(c, MAAS_ERR_SHAPE,
                                   "%lld elements do not fit a shape with -1 whose other sizes make %lld",
                                   (long long)have, (long long)given);
        dims[minus] = have / given;
    } else if (have == 0) {
        dims[minus] = 0;
    } else if (have == given) {
        dims[minus] = symbol;
    }
    return MAAS_OK;
}

/* Where all is known: the numbers of elements must agree. */
static MaasStatus check_count(const MaasInferCtx *c, const MaasInfo *in, int rank, const int64_t *dims)
{
    int64_t from, to;

    if (!maas_dims_known(in->rank, in->dims) || !maas_dims_known(rank, dims))
        return MAAS_OK;
    if (!maas_count_dims(in->rank, in->dims, &from) || !maas_count_dims(rank, dims, &to))
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "the number of elements overflows");
    if (from != to) {
        char a[128], b[128];

        return maas_infer_fail(c, MAAS_ERR_SHAPE, "shape %s has %lld elements, shape %s needs %lld",
                               maas_dims_text(in->rank, in->dims, NULL, a, sizeof a), (long long)from,
                               maas_dims_text(rank, dims, NULL, b, sizeof b), (long long)to);
    }
    return MAAS_OK;
}

/* Size i of a new shape of which not all is known; a symbol could be 0, which copies the input's size. */
static int64_t known_size(const MaasInferCtx *c, int i, bool allow_zero)
{
    const MaasInfo *in = c->in[0];
    int64_t size, copied = i < in->rank ? in->dims[i] : MAAS_DIM_ANY;

    if (!maas_known_size(c, 1, i, &size))
        return MAAS_DIM_ANY;
    return allow_zero || size > 0 || size == copied ? size : size == 0 ? copied : MAAS_DIM_ANY;
}

static MaasStatus infer_reshape(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *shape = maas_known(c, 1);
    bool allow_zero = c->attr[0].i != 0, copied[MAAS_MAX_RANK] = {false}, zero = false;
    int64_t dims[MAAS_MAX_RANK], length;
    int minus = -1;

    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (!shape) {
        if (length >= 0)
            MAAS_TRY(maas_infer_rank(c, length));
        for (int i = 0; i < length; i++)
            dims[i] = known_size(c, i, allow_zero);
        return maas_infer_out(c, 0, MAAS_UNDEFINED, length < 0 ? -1 : (int)length, dims);
    }
    MAAS_TRY(maas_infer_rank(c, shape->count));
    for (int i = 0; i < shape->count; i++) {
        int64_t d = maas_known_int(shape, i);

        if (d < -1)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "size %d of the new shape is %lld", i, (long long)d);
        if (d == -1 && minus >= 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "the new shape has more than one -1");
        if (d == -1) {
            minus = i;
        } else if (d == 0 && !allow_zero) {
            if (in->rank >= 0 && i >= in->rank)
                return maas_infer_fail(c, MAAS_ERR_SHAPE,
                                       "size %d of the new shape is 0, but the input has rank %d", i, in->rank);
            copied[i] = true;
            d = in->rank < 0 ? MAAS_DIM_ANY : in->dims[i];
        }
        zero = zero || d == 0;
        dims[i] = d;
    }
    if (minus >= 0 && zero && allow_zero)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "allowzero admits no shape with both 0 and -1");
    if (minus >= 0)
        MAAS_TRY(solve_minus(c, in, (int)shape->count, dims, copied, minus));
    MAAS_TRY(check_count(c, in, (int)shape->count, dims));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, (int)shape->count, dims);
}

const MaasOp maas_op_reshape = {
    .name = "Reshape",
    .first = 1,
    .since = 14,
    .flags = MAAS_OP_VIEW,
    .in = {VIEW_IN, {"shape", MAAS_T_I64, 0, 0}},
    .out = VIEW_OUT,
    .attrs = {{"allowzero", MAAS_ATTR_INT, .i = 0}},
    .adapt = adapt_reshape,
    .infer = infer_reshape,
    .sizes = maas_sizes_same,
    .batch = maas_batch_reshape,
    .grad = grad_view,
};

/* ---- Flatten ---- */

static MaasStatus infer_flatten(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t axis = c->attr[0].i, dims[2] = {1, 1};

    if (in->rank < 0) {
        dims[0] = dims[1] = MAAS_DIM_ANY;
        return maas_infer_out(c, 0, MAAS_UNDEFINED, 2, dims);
    }
    if (axis < -in->rank || axis > in->rank)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "axis %lld is out of range [-%d, %d]", (long long)axis, in->rank,
                               in->rank);
    if (axis < 0)
        axis += in->rank;
    for (int i = 0; i < in->rank; i++)
        MAAS_TRY(maas_infer_mul(c, dims[i >= axis], in->dims[i], &dims[i >= axis]));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, 2, dims);
}

const MaasOp maas_op_flatten = {
    .name = "Flatten",
    .first = 1,
    .since = 11,
    .flags = MAAS_OP_VIEW,
    .in = {VIEW_IN},
    .out = VIEW_OUT,
    .attrs = {{"axis", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_flatten,
    .batch = maas_batch_flatten,
    .grad = grad_view,
};

/* ---- Squeeze, Unsqueeze ---- */

static MaasStatus adapt_axes(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    return version < 13 ? maas_adapt_attr_to_input(graph, node, "axes", 1, err) : MAAS_OK;
}

static MaasStatus infer_squeeze(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *list = maas_known(c, 1);
    bool drop[MAAS_MAX_RANK] = {false};
    int64_t dims[MAAS_MAX_RANK], length;
    int axes[MAAS_MAX_RANK], n = 0, rank = 0;

    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (maas_present(c, 1) && !list) {
        if (length > in->rank)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "%lld axes for a rank of %d", (long long)length, in->rank);
        for (int i = 0; i < in->rank; i++) {
            if (length == in->rank)
                MAAS_TRY(maas_infer_equal(c, "a size that is dropped", 1, in->dims[i]));
            dims[i] = MAAS_DIM_ANY;
        }
        return maas_infer_out(c, 0, MAAS_UNDEFINED, length < 0 ? -1 : in->rank - (int)length, dims);
    }
    if (!list && !maas_dims_known(in->rank, in->dims))
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (list)
        MAAS_TRY(maas_infer_axes_of(c, list, in->rank, axes, &n));
    for (int i = 0; i < n; i++) {
        if (in->dims[axes[i]] >= 0 && in->dims[axes[i]] != 1)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "axis %d has size %lld, only a size of 1 can be dropped",
                                   axes[i], (long long)in->dims[axes[i]]);
        drop[axes[i]] = true;
    }
    for (int i = 0; i < in->rank; i++)
        if (list ? !drop[i] : in->dims[i] != 1)
            dims[rank++] = in->dims[i];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

const MaasOp maas_op_squeeze = {
    .name = "Squeeze",
    .first = 1,
    .since = 13,
    .flags = MAAS_OP_VIEW,
    .in = {VIEW_IN, {"axes", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = VIEW_OUT,
    .adapt = adapt_axes,
    .infer = infer_squeeze,
    .sizes = maas_sizes_same,
    .batch = maas_batch_squeeze,
    .grad = grad_view,
};

static MaasStatus infer_unsqueeze(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *list = maas_known(c, 1);
    bool added[MAAS_MAX_RANK] = {false};
    int64_t dims[MAAS_MAX_RANK], length = MAAS_DIM_ANY;
    int axes[MAAS_MAX_RANK], n = 0, rank, from = 0;

    if (c->in[1]->rank > 1)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "axes must be a vector, got rank %d", c->in[1]->rank);
    if (c->in[1]->rank >= 0)
        length = c->in[1]->rank == 0 ? 1 : c->in[1]->dims[0];
    if (in->rank < 0 || length < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (length > MAAS_MAX_RANK)
        return maas_infer_rank(c, length);
    rank = in->rank + (int)length;
    MAAS_TRY(maas_infer_rank(c, rank));
    if (list)
        MAAS_TRY(maas_infer_axes_of(c, list, rank, axes, &n));
    for (int i = 0; i < n; i++)
        added[axes[i]] = true;
    for (int i = 0; i < rank; i++)
        dims[i] = !list ? MAAS_DIM_ANY : added[i] ? 1 : in->dims[from++];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

const MaasOp maas_op_unsqueeze = {
    .name = "Unsqueeze",
    .first = 1,
    .since = 13,
    .flags = MAAS_OP_VIEW,
    .in = {VIEW_IN, {"axes", MAAS_T_I64, 0, 0}},
    .out = VIEW_OUT,
    .adapt = adapt_axes,
    .infer = infer_unsqueeze,
    .sizes = maas_sizes_same,
    .batch = maas_batch_unsqueeze,
    .grad = grad_view,
};
