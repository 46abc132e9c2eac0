/*
 * concat.c - Concat and Split: joining and cutting along one axis.
 */
#include <string.h>

#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"
#include "move.h"

/* Product of the sizes before and from an axis on. */
static void around_axis(const MaasTensor *t, int axis, int64_t *before, int64_t *from)
{
    *before = *from = 1;
    for (int i = 0; i < axis; i++)
        *before *= t->dims[i];
    for (int i = axis; i < t->rank; i++)
        *from *= t->dims[i];
}

/* ---- Concat ---- */

static MaasStatus adapt_concat(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version < 4 && !maas_adapt_attr(node, "axis"))
        return maas_adapt_set_int(graph, node, "axis", 1, err);
    return MAAS_OK;
}

static MaasStatus infer_concat(MaasInferCtx *c)
{
    int64_t dims[MAAS_MAX_RANK];
    int rank = -1, axis;

    if (c->n_in < 1)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "at least one input is expected");
    for (int k = 0; k < c->n_in; k++) {
        if (!c->in[k])
            return maas_infer_fail(c, MAAS_ERR_FORMAT, "input %d is missing", k);
        if (c->in[k]->rank < 0)
            continue;
        if (rank < 0) {
            rank = c->in[k]->rank;
            memcpy(dims, c->in[k]->dims, (size_t)rank * sizeof *dims);
        }
        MAAS_TRY(maas_infer_want_rank(c, k, rank));
    }
    if (rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_infer_axis(c, c->attr[0].i, rank, &axis));
    dims[axis] = 0;
    for (int k = 0; k < c->n_in; k++) {
        const MaasInfo *in = c->in[k];

        if (in->rank < 0) {
            dims[axis] = MAAS_DIM_ANY;
            continue;
        }
        for (int i = 0; i < rank; i++) {
            if (i == axis)
                continue;
            if (in->dims[i] >= 0 && dims[i] >= 0 && in->dims[i] != dims[i])
                return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d has size %lld on axis %d, others have %lld", k,
                                       (long long)in->dims[i], i, (long long)dims[i]);
            if (dims[i] == MAAS_DIM_ANY || in->dims[i] >= 0)
                dims[i] = in->dims[i];
        }
        if (c->n_in == 1 || dims[axis] == 0)
            dims[axis] = in->dims[axis];
        else if (dims[axis] < 0 || in->dims[axis] < 0)
            dims[axis] = in->dims[axis] == 0 ? dims[axis] : MAAS_DIM_ANY;
        else if (__builtin_add_overflow(dims[axis], in->dims[axis], &dims[axis]))
            return maas_infer_fail(c, MAAS_ERR_LIMIT, "the size of axis %d overflows", axis);
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

static MaasStatus compute_concat(MaasCtx *c)
{
    MaasTensor *out = maas_out(c, 0);
    int axis = maas_axis(c->attr[0].i, out->rank);
    size_t size = maas_type_size(out->type);
    int64_t before, width, at = 0;

    if (out->count == 0)
        return MAAS_OK;
    around_axis(out, axis, &before, &width);
    for (int k = 0; k < c->n_in; k++) {
        const MaasTensor *in = maas_in(c, k);
        MaasMove m = {.size = size, .rank = 2, .src = in->data};
        int64_t rows, cols;

        if (in->count == 0)
            continue;
        around_axis(in, axis, &rows, &cols);
        m.dst = (char *)out->data + (size_t)at * size;
        m.dims[0] = before;
        m.dims[1] = cols;
        m.src_step[0] = cols;
        m.dst_step[0] = width;
        m.src_step[1] = m.dst_step[1] = 1;
        MAAS_TRY(maas_move(c, &m));
        at += cols;
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

/* dy cut apart: one Slice for each input that wants its part, from where the inputs before it end. */
static void grad_concat(MaasGrad *g)
{
    int64_t axis = maas_grad_attrs(g)[0].i;
    int from = maas_grad_ints(g, 1, (const int64_t[]){0}), axes = maas_grad_ints(g, 1, &axis);

    for (int i = 0; i < maas_grad_n_in(g); i++) {
        int size = MAAS_GRAD(g, "Shape", maas_grad_in(g, i));

        maas_grad_set_int(g, "start", axis);
        if (axis != -1)
            maas_grad_set_int(g, "end", axis + 1);
        int to = MAAS_GRAD(g, "Add", from, size);

        if (maas_grad_wants(g, i))
            maas_grad_give(g, i, MAAS_GRAD(g, "Slice", maas_grad_dy(g, 0), from, to, axes));
        from = to;
    }
}

const MaasOp maas_op_concat = {
    .name = "Concat",
    .first = 1,
    .since = 4,
    .in = {{"inputs", MAAS_T_ANY, 'T', MAAS_VARIADIC}},
    .out = {{"concat_result", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .required = true}},
    .adapt = adapt_concat,
    .infer = infer_concat,
    .sizes = maas_sizes_concat,
    .compute = compute_concat,
    .batch = maas_batch_concat,
    .grad = grad_concat,
};

/* ---- Split ---- */

enum { SPLIT_AXIS, SPLIT_NUM };

static MaasStatus adapt_split(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    return version < 13 ? maas_adapt_attr_to_input(graph, node, "split", 1, err) : MAAS_OK;
}

/* Sets the shapes of all outputs but for the axis, whose size is unknown. */
static MaasStatus infer_split_unknown(MaasInferCtx *c, int axis)
{
    int64_t dims[MAAS_MAX_RANK];

    if (c->in[0]->rank >= 0) {
        memcpy(dims, c->in[0]->dims, (size_t)c->in[0]->rank * sizeof *dims);
        dims[axis] = MAAS_DIM_ANY;
    }
    for (int k = 0; k < c->n_out; k++)
        MAAS_TRY(maas_infer_out(c, k, MAAS_UNDEFINED, c->in[0]->rank, dims));
    return MAAS_OK;
}

static MaasStatus infer_split(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *split = maas_known(c, 1);
    int64_t dims[MAAS_MAX_RANK], length, size, chunk, sum = 0;
    int axis = 0;

    if (c->n_out < 1)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "at least one output is expected");
    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (maas_present(c, 1) && c->attr[SPLIT_NUM].set)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "both input split and attribute num_outputs are given");
    if (length >= 0 && length != c->n_out)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "split has %lld sizes for %d outputs", (long long)length,
                               c->n_out);
    if (c->attr[SPLIT_NUM].set && c->attr[SPLIT_NUM].i != c->n_out)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "num_outputs is %lld, the node has %d outputs",
                               (long long)c->attr[SPLIT_NUM].i, c->n_out);
    if (in->rank >= 0)
        MAAS_TRY(maas_infer_axis(c, c->attr[SPLIT_AXIS].i, in->rank, &axis));
    if (in->rank < 0 || (maas_present(c, 1) ? !split : in->dims[axis] < 0))
        return infer_split_unknown(c, axis);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    size = in->dims[axis];
    chunk = size / c->n_out + (size % c->n_out != 0);
    for (int k = 0; k < c->n_out; k++) {
        int64_t left = size < 0 ? INT64_MAX - sum : size - sum;

        dims[axis] = split ? maas_known_int(split, k) : chunk < left ? chunk : left;
        if (dims[axis] < 0 || dims[axis] > left)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "part %d of %lld does not fit axis %d of size %lld", k,
                                   (long long)dims[axis], axis, (long long)size);
        sum += dims[axis];
        MAAS_TRY(maas_infer_out(c, k, MAAS_UNDEFINED, in->rank, dims));
    }
    return maas_infer_equal(c, "the sum of the parts", size, sum);
}

static MaasStatus compute_split(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0), *split = maas_in(c, 1);
    int axis = maas_axis(c->attr[SPLIT_AXIS].i, in->rank);
    size_t size = maas_type_size(in->type);
    int64_t before, width, inner, n, chunk, at = 0;

    if (in->count == 0)
        return MAAS_OK;
    around_axis(in, axis, &before, &width);
    n = in->dims[axis];
    inner = width / n;
    chunk = n / c->n_out + (n % c->n_out != 0);
    for (int k = 0; k < c->n_out; k++) {
        int64_t part = split ? maas_known_int(split, k) : chunk < n - at ? chunk : n - at;

        if (maas_has_out(c, k) && part > 0) {
            MaasMove m = {.size = size, .rank = 2, .dst = maas_out(c, k)->data};

            m.src = (const char *)in->data + (size_t)(at * inner) * size;
            m.dims[0] = before;
            m.dims[1] = part * inner;
            m.src_step[0] = width;
            m.dst_step[0] = part * inner;
            m.src_step[1] = m.dst_step[1] = 1;
            MAAS_TRY(maas_move(c, &m));
        }
        at += part;
    }
    return MAAS_OK;
}

static void grad_split(MaasGrad *g)
{
    int small[16], n = maas_grad_n_out(g);

    if (n > 16) {
        maas_grad_refuse(g, "more than 16 parts");
        return;
    }
    for (int i = 0; i < n; i++)
        small[i] =
            maas_grad_dy(g, i) != MAAS_NO_VALUE ? maas_grad_dy(g, i) : maas_grad_zeros(g, maas_grad_out(g, i));
    int dx = maas_grad_node(g, "Concat", n, small);

    maas_grad_set_int(g, "axis", maas_grad_attrs(g)[SPLIT_AXIS].i);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_split = {
    .name = "Split",
    .first = 1,
    .since = 18,
    .in = {{"input", MAAS_T_ANY, 'T', 0}, {"split", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = {{"outputs", MAAS_T_ANY, 'T', MAAS_VARIADIC}},
    .attrs = {[SPLIT_AXIS] = {"axis", MAAS_ATTR_INT, .i = 0}, [SPLIT_NUM] = {"num_outputs", MAAS_ATTR_INT}},
    .adapt = adapt_split,
    .infer = infer_split,
    .compute = compute_split,
    .batch = maas_batch_split,
    .grad = grad_split,
};
