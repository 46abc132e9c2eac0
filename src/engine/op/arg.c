/*
 * arg.c - operators along one axis that look for or gather elements: ArgMax, ArgMin, TopK, CumSum.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "expect.h"
#include "grad.h"

/* A tensor as (outer, axis, inner). */
typedef struct Layout {
    int64_t outer, axis, inner;
} Layout;

static Layout layout(const MaasTensor *x, int axis)
{
    Layout l = {1, x->dims[axis], 1};

    for (int d = 0; d < axis; d++)
        l.outer *= x->dims[d];
    for (int d = axis + 1; d < x->rank; d++)
        l.inner *= x->dims[d];
    return l;
}

/* Pieces of about so many elements. */
static int64_t grain(const Layout *l)
{
    int64_t each = l->axis * l->inner;

    return each > 65536 || each < 1 ? 1 : 65536 / each;
}

/* ---- ArgMax, ArgMin ---- */

static MaasStatus infer_arg(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const bool keep = c->attr[1].i != 0;
    int64_t dims[MAAS_MAX_RANK];
    int axis, rank = 0;

    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_INT64, -1, NULL);
    MAAS_TRY(maas_infer_axis(c, c->attr[0].i, x->rank, &axis));
    for (int d = 0; d < x->rank; d++) {
        if (d != axis)
            dims[rank++] = x->dims[d];
        else if (keep)
            dims[rank++] = 1;
    }
    return maas_infer_out(c, 0, MAAS_INT64, rank, dims);
}

typedef struct Arg {
    MaasArgFn fn;
    const char *x;
    int64_t *y;
    size_t size;
    Layout l;
    bool last;
} Arg;

static void arg_piece(void *arg, int64_t from, int64_t to)
{
    const Arg *job = arg;

    job->fn(job->x + (size_t)(from * job->l.axis * job->l.inner) * job->size, job->y + from * job->l.inner,
            to - from, job->l.axis, job->l.inner, job->last);
}

static MaasStatus compute_arg(MaasCtx *c, bool largest)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    Arg job = {.fn = maas_kernel->arg_extreme(largest, x->type),
               .x = x->data,
               .y = MAAS_I64(y),
               .size = maas_type_size(x->type),
               .last = c->attr[2].i != 0};

    if (y->count == 0)
        return MAAS_OK;
    job.l = layout(x, maas_axis(c->attr[0].i, x->rank));
    if (job.l.axis == 0)
        return maas_node_fail(c, MAAS_ERR_SHAPE, "axis %lld is empty: there is no extreme element",
                              (long long)c->attr[0].i);
    return maas_parallel(c, job.l.outer, grain(&job.l), arg_piece, &job);
}

static MaasStatus compute_arg_max(MaasCtx *c)
{
    return compute_arg(c, true);
}

static MaasStatus compute_arg_min(MaasCtx *c)
{
    return compute_arg(c, false);
}

static double cost_line(const MaasInferCtx *c)
{
    double cost = 1;

    for (int d = 0; d < c->in[0]->rank; d++)
        cost *= maas_dim_cost(c->in[0]->dims[d]);
    return cost;
}

#define ARG(id, NAME)                                                                                              \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = 1,                                                                                                \
        .flags = MAAS_OP_HALF_VIA_F32,                                                                             \
        .in = {{"data", MAAS_T_NUMERIC, 'T', 0}},                                                                  \
        .out = {{"reduced", MAAS_T_I64, 0, 0}},                                                                    \
        .attrs = {{"axis", MAAS_ATTR_INT, .i = 0},                                                                 \
                  {"keepdims", MAAS_ATTR_INT, .i = 1},                                                             \
                  {"select_last_index", MAAS_ATTR_INT, .i = 0}},                                                   \
        .infer = infer_arg,                                                                                        \
        .compute = compute_##id,                                                                                   \
        .batch = maas_batch_arg,                                                                                   \
        .cost = cost_line,                                                                                         \
    };
ARG(arg_max, "ArgMax")
ARG(arg_min, "ArgMin")

/* ---- TopK ---- */

/* Before opset 10 k is an attribute. */
static MaasStatus adapt_top_k(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    const MaasAttr *k = maas_adapt_attr(node, "k");
    int64_t value;

    if (version >= 10)
        return MAAS_OK;
    if (!k || k->kind != MAAS_ATTR_INT)
        return maas_adapt_fail(node, err, MAAS_ERR_NAME, "attribute k is missing");
    value = k->i;
    maas_adapt_drop_attr(node, "k");
    return maas_adapt_input_ints(graph, node, 1, MAAS_INT64, 1, 1, &value, err);
}

static MaasStatus infer_top_k(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const MaasTensor *k = maas_known(c, 1);
    int64_t dims[MAAS_MAX_RANK];
    int axis;

    MAAS_TRY(maas_infer_scalar(c, 1));
    if (k && maas_known_int(k, 0) < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "K must not be negative, got %lld",
                               (long long)maas_known_int(k, 0));
    if (x->rank < 0) {
        MAAS_TRY(maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL));
        return maas_infer_out(c, 1, MAAS_INT64, -1, NULL);
    }
    MAAS_TRY(maas_infer_axis(c, c->attr[0].i, x->rank, &axis));
    memcpy(dims, x->dims, sizeof dims[0] * (size_t)x->rank);
    if (k && dims[axis] >= 0 && maas_known_int(k, 0) > dims[axis])
        return maas_infer_fail(c, MAAS_ERR_VALUE, "K is %lld, but axis %d has only %lld elements",
                               (long long)maas_known_int(k, 0), axis, (long long)dims[axis]);
    dims[axis] = k ? maas_known_int(k, 0) : MAAS_DIM_ANY;
    MAAS_TRY(maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims));
    return maas_infer_out(c, 1, MAAS_INT64, x->rank, dims);
}

static MaasStatus compute_top_k(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *values = maas_out(c, 0), *indices = maas_out(c, 1);
    const int64_t k = maas_known_int(maas_in(c, 1), 0);
    const size_t size = maas_type_size(x->type);
    const MaasTopKFn fn = maas_kernel->top_k(c->attr[1].i != 0, x->type);
    char *value;
    int64_t *index;
    Layout l;

    if (k == 0 || x->count == 0)
        return MAAS_OK;
    l = layout(x, maas_axis(c->attr[0].i, x->rank));
    value = maas_scratch(c, (size_t)k, size);
    index = maas_scratch(c, (size_t)k, sizeof *index);
    if (!value || !index)
        return maas_scratch_failed(c);
    for (int64_t o = 0; o < l.outer; o++) {
        for (int64_t i = 0; i < l.inner; i++) {
            if (maas_stop(c))
                return maas_stopped(c);
            fn((const char *)x->data + (size_t)(o * l.axis * l.inner + i) * size, l.inner, l.axis, k, value, index);
            for (int64_t j = 0; j < k; j++) {
                int64_t at = (o * k + j) * l.inner + i;

                if (values)
                    memcpy((char *)values->data + (size_t)at * size, value + (size_t)j * size, size);
                if (indices)
                    MAAS_I64(indices)[at] = index[j];
            }
        }
    }
    return MAAS_OK;
}

/* One comparison an element, and the k in order. */
static double cost_top_k(const MaasInferCtx *c)
{
    return 2 * cost_line(c);
}

static void grad_top_k(MaasGrad *g)
{
    int zeros = maas_grad_zeros(g, maas_grad_in(g, 0));
    int dx = MAAS_GRAD(g, "ScatterElements", zeros, maas_grad_out(g, 1), maas_grad_dy(g, 0));

    maas_grad_set_int(g, "axis", maas_grad_attrs(g)[0].i);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_top_k = {
    .name = "TopK",
    .first = 1,
    .since = 10,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_NUMERIC, 'T', 0}, {"K", MAAS_T_I64, 0, 0}},
    .out = {{"Values", MAAS_T_NUMERIC, 'T', 0}, {"Indices", MAAS_T_I64, 0, 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = -1},
              {"largest", MAAS_ATTR_INT, .i = 1},
              {"sorted", MAAS_ATTR_INT, .i = 1}},
    .adapt = adapt_top_k,
    .infer = infer_top_k,
    .compute = compute_top_k,
    .batch = maas_batch_along_axis,
    .grad = grad_top_k,
    .cost = cost_top_k,
};

/* ---- CumSum ---- */

static MaasStatus infer_cum_sum(MaasInferCtx *c)
{
    const MaasTensor *axis = maas_known(c, 1);
    int ignored;

    MAAS_TRY(maas_infer_scalar(c, 1));
    if (axis && c->in[0]->rank >= 0)
        MAAS_TRY(maas_infer_axis(c, maas_known_int(axis, 0), c->in[0]->rank, &ignored));
    return maas_infer_same(c);
}

static MaasStatus compute_cum_sum(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    const int64_t axis = maas_known_int(maas_in(c, 1), 0);
    const MaasCumSumFn fn = maas_kernel->cum_sum(x->type);
    Layout l;

    if (axis < -(int64_t)x->rank || axis >= x->rank)
        return maas_node_fail(c, MAAS_ERR_VALUE, "axis %lld is outside [%d, %d]", (long long)axis, -x->rank,
                              x->rank - 1);
    if (x->count == 0)
        return MAAS_OK;
    l = layout(x, maas_axis(axis, x->rank));
    for (int64_t o = 0; o < l.outer; o++) {
        const size_t at = (size_t)(o * l.axis * l.inner) * maas_type_size(x->type);

        if (maas_stop(c))
            return maas_stopped(c);
        fn((const char *)x->data + at, (char *)y->data + at, 1, l.axis, l.inner, c->attr[0].i != 0,
           c->attr[1].i != 0);
    }
    return MAAS_OK;
}

#define MAAS_T_CUM_SUM (MAAS_T_FLOATS | MAAS_T_INDEX | MAAS_T(MAAS_UINT32) | MAAS_T(MAAS_UINT64))

/* The sums run the other way. */
static void grad_cum_sum(MaasGrad *g)
{
    int dx = MAAS_GRAD(g, "CumSum", maas_grad_dy(g, 0), maas_grad_in(g, 1));

    maas_grad_copy_attrs(g, 0, 1);
    maas_grad_set_int(g, "reverse", maas_grad_attrs(g)[1].i == 0);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_cum_sum = {
    .name = "CumSum",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"x", MAAS_T_CUM_SUM, 'T', 0}, {"axis", MAAS_T_INDEX, 0, 0}},
    .out = {{"y", MAAS_T_CUM_SUM, 'T', 0}},
    .attrs = {{"exclusive", MAAS_ATTR_INT, .i = 0}, {"reverse", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_cum_sum,
    .compute = compute_cum_sum,
    .batch = maas_batch_along_input,
    .grad = grad_cum_sum,
};
