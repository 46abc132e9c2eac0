/*
 * reduce.c - ReduceSum, ReduceMean, ReduceMax ...: axes that are left out or kept with size 1.
 *
 * Neighbouring axes that are all reduced or all kept count as one; the kernel takes one reduced group at a time,
 * the innermost first, and gathers in scratch memory what further groups need.
 */
#include <string.h>

#include "../base/convert.h"
#include "broadcast.h"
#include "adapt.h"
#include "batch.h"
#include "elementwise_grad.h"
#include "expect.h"

#define KEEPDIMS 0
#define NOOP_WITH_EMPTY_AXES 1

/* ---- older opsets, shapes ---- */

/* Before opset 18 (ReduceSum: 13) axes are an attribute. */
static MaasStatus adapt_reduce(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    (void)version;
    return maas_adapt_attr_to_input(graph, node, "axes", 1, err);
}

/* Which axes go: a bit each.  axes NULL or empty: none or all, as the attribute says. */
static MaasStatus reduced_axes(const MaasInferCtx *c, const MaasTensor *axes, int rank, uint32_t *mask)
{
    int list[MAAS_MAX_RANK], n = 0;

    *mask = 0;
    if (axes && axes->count > 0)
        MAAS_TRY(maas_infer_axes_of(c, axes, rank, list, &n));
    else if (!c->attr[NOOP_WITH_EMPTY_AXES].i)
        *mask = ((uint32_t)1 << rank) - 1;
    for (int i = 0; i < n; i++)
        *mask |= (uint32_t)1 << list[i];
    return MAAS_OK;
}

static MaasStatus infer_reduce(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const MaasTensor *axes = maas_known(c, 1);
    const bool keep = c->attr[KEEPDIMS].i != 0;
    int64_t dims[MAAS_MAX_RANK];
    uint32_t mask;
    int rank = 0;

    if (maas_present(c, 1) && c->in[1]->rank > 1)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "axes must be a vector, got rank %d", c->in[1]->rank);
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (maas_present(c, 1) && !axes) {
        for (int d = 0; d < x->rank; d++)
            dims[d] = MAAS_DIM_ANY;
        return maas_infer_out(c, 0, MAAS_UNDEFINED, keep ? x->rank : -1, dims);
    }
    MAAS_TRY(reduced_axes(c, axes, x->rank, &mask));
    for (int d = 0; d < x->rank; d++) {
        if (!(mask >> d & 1))
            dims[rank++] = x->dims[d];
        else if (keep)
            dims[rank++] = 1;
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

/* ---- computing ---- */

typedef enum Finish { PLAIN, MEAN, ROOT, LOGARITHM } Finish;

/* Sizes of neighbouring axes, alternately kept and reduced, the first and the last kept. */
typedef struct Groups {
    int n; /* odd */
    int64_t sizes[2 * MAAS_MAX_RANK + 2];
    int64_t reduced; /* elements that make one of the output */
} Groups;

static Groups find_groups(const MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *axes = maas_in(c, 1);
    uint32_t mask = 0;
    Groups g = {.n = 1, .sizes = {1}, .reduced = 1};

    if (x->count == 0) /* the sizes' products may overflow; the result is the identity */
        return (Groups){.n = 3, .sizes = {1, 0, maas_out(c, 0)->count}, .reduced = 0};
    if (axes && axes->count > 0)
        for (int64_t i = 0; i < axes->count; i++)
            mask |= (uint32_t)1 << maas_axis(maas_known_int(axes, i), x->rank);
    else if (!c->attr[NOOP_WITH_EMPTY_AXES].i)
        mask = ((uint32_t)1 << x->rank) - 1;
    for (int d = 0; d < x->rank; d++) {
        int reduce = mask >> d & 1;

        if (x->dims[d] == 1)
            continue;
        if ((g.n - 1) % 2 != reduce)
            g.sizes[g.n++] = 1;
        g.sizes[g.n - 1] *= x->dims[d];
        if (reduce)
            g.reduced *= x->dims[d];
    }
    if (g.n % 2 == 0)
        g.sizes[g.n++] = 1;
    if (g.n == 1) { /* nothing goes, but roots, squares and the like are still taken */
        g.sizes[1] = g.sizes[2] = 1;
        g.n = 3;
    }
    return g;
}

typedef struct Job {
    MaasReduceFn fn;
    const char *x;
    char *y;
    int64_t axis, inner;
    size_t size;
} Job;

static void reduce_piece(void *arg, int64_t from, int64_t to)
{
    const Job *job = arg;

    job->fn(job->x + (size_t)(from * job->axis * job->inner) * job->size,
            job->y + (size_t)(from * job->inner) * job->size, to - from, job->axis, job->inner);
}

/* Reduces x of this type to y, group by group. */
static MaasStatus run_groups(MaasCtx *c, MaasReduce op, MaasType type, const void *x, void *y, Groups g)
{
    const size_t size = maas_type_size(type);

    while (g.n > 1) {
        Job job = {.fn = maas_kernel->reduce(op, type), .x = x, .size = size};
        int64_t outer = 1, each;

        if (!job.fn)
            return maas_node_fail(c, MAAS_ERR_INTERNAL, "no kernel for %s", maas_type_name(type));
        for (int i = 0; i < g.n - 2; i++)
            outer *= g.sizes[i];
        job.axis = g.sizes[g.n - 2];
        job.inner = g.sizes[g.n - 1];
        if (g.n == 3)
            job.y = y;
        else if (!(job.y = maas_scratch(c, (size_t)(outer * job.inner), size)))
            return maas_scratch_failed(c);
        each = job.axis * job.inner < 1 ? 1 : job.axis * job.inner;
        MAAS_TRY(maas_parallel(c, outer, each > 65536 ? 1 : 65536 / each, reduce_piece, &job));
        x = job.y;
        g.sizes[g.n - 3] *= g.sizes[g.n - 1];
        g.n -= 2;
        if (op == MAAS_RED_ABS_SUM || op == MAAS_RED_SQUARE_SUM)
            op = MAAS_RED_SUM;
    }
    return MAAS_OK;
}

/* The root, logarithm or mean of the n results in y. */
static MaasStatus finish(MaasCtx *c, Finish how, MaasType type, void *y, int64_t n, int64_t reduced)
{
    const MaasTensor t = {.type = type, .rank = 1, .dims = {n}, .count = n, .data = y};
    const float f = (float)reduced;
    const double d = (double)reduced;

    switch (how) {
    case MEAN:
        if (type == MAAS_FLOAT || type == MAAS_DOUBLE) {
            const MaasTensor divisor = {
                .type = type, .count = 1, .data = type == MAAS_FLOAT ? (void *)&f : (void *)&d};

            return maas_binary(c, MAAS_BIN_DIV, &t, &divisor, &t);
        }
        if (reduced == 0)
            return n == 0 ? MAAS_OK : maas_node_fail(c, MAAS_ERR_VALUE, "the mean of no integers has no value");
        for (int64_t i = 0; i < n; i++) {
            if (type == MAAS_UINT64)
                ((uint64_t *)y)[i] /= (uint64_t)reduced;
            else
                ((int64_t *)y)[i] /= reduced;
        }
        return MAAS_OK;
    case ROOT:
        return maas_unary(c, MAAS_UN_SQRT, &t, &t, 0, 0);
    case LOGARITHM:
        return maas_unary(c, MAAS_UN_LOG, &t, &t, 0, 0);
    default:
        return MAAS_OK;
    }
}

/* The type to compute in: int64 for means of 32-bit integers, double for roots and logarithms of integers. */
static MaasType working_type(MaasType type, MaasReduce op, Finish how)
{
    if (!maas_type_is_int(type))
        return type;
    if (how == ROOT || how == LOGARITHM || op == MAAS_RED_LOG_SUM_EXP)
        return MAAS_DOUBLE;
    if (how == MEAN && type != MAAS_UINT64)
        return MAAS_INT64;
    return type;
}

static MaasStatus compute_reduce(MaasCtx *c, MaasReduce op, Finish how)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    const MaasType type = working_type(x->type, op, how);
    Groups g;
    void *in = x->data, *out = y->data;

    if (y->count == 0)
        return MAAS_OK;
    g = find_groups(c);
    if (type == x->type) {
        MAAS_TRY(run_groups(c, op, type, in, out, g));
        return finish(c, how, type, out, y->count, g.reduced);
    }
    in = maas_scratch(c, (size_t)x->count, maas_type_size(type));
    out = maas_scratch(c, (size_t)y->count, maas_type_size(type));
    if ((!in && x->count > 0) || !out)
        return maas_scratch_failed(c);
    maas_convert(x->type, x->data, type, in, x->count, NULL);
    MAAS_TRY(run_groups(c, op, type, in, out, g));
    MAAS_TRY(finish(c, how, type, out, y->count, g.reduced));
    maas_convert(type, out, y->type, y->data, y->count, NULL);
    return MAAS_OK;
}

static double cost_reduce(const MaasInferCtx *c)
{
    double cost = 1;

    for (int d = 0; d < c->in[0]->rank; d++)
        cost *= maas_dim_cost(c->in[0]->dims[d]);
    return cost;
}

#define MAAS_T_REDUCE (MAAS_T_FLOATS | MAAS_T_INDEX | MAAS_T(MAAS_UINT32) | MAAS_T(MAAS_UINT64))
#define MAAS_T_EXTREME (MAAS_T_NUMERIC | MAAS_T_BOOL)

/* ---- gradients ---- */

/* An edge of the shape of output 0 with the reduced axes back, as sizes of 1. */
static int with_axes(MaasGrad *g, int edge)
{
    bool keep = maas_grad_attrs(g)[KEEPDIMS].i != 0;

    if (keep || maas_grad_in(g, 1) == MAAS_NO_VALUE) /* of rank 0: broadcasts as it is */
        return edge;
    const MaasInfo *axes = maas_grad_info(g, maas_grad_in(g, 1));

    if (axes->value && axes->value->count == 0)
        return edge;
    if (!axes->value && (axes->rank != 1 || axes->dims[0] <= 0))
        maas_grad_refuse(g, "axes that may be empty");
    return MAAS_GRAD(g, "Unsqueeze", edge, maas_grad_in(g, 1));
}

static void grad_reduce_sum(MaasGrad *g)
{
    maas_grad_give(g, 0, maas_grad_expand(g, with_axes(g, maas_grad_dy(g, 0)), maas_grad_in(g, 0)));
}

static void grad_reduce_mean(MaasGrad *g)
{
    int x = maas_grad_in(g, 0), y = maas_grad_out(g, 0);
    int share = maas_grad_div(g, maas_grad_count(g, y, y), maas_grad_count(g, x, y));
    int each = maas_grad_mul(g, maas_grad_dy(g, 0), share);

    maas_grad_give(g, 0, maas_grad_expand(g, with_axes(g, each), x));
}

static void grad_reduce_extreme(MaasGrad *g)
{
    maas_grad_give_extreme(g, with_axes(g, maas_grad_out(g, 0)), with_axes(g, maas_grad_dy(g, 0)));
}

static void grad_reduce_l1(MaasGrad *g)
{
    int x = maas_grad_in(g, 0);

    maas_grad_give(g, 0, maas_grad_mul(g, MAAS_GRAD(g, "Sign", x), with_axes(g, maas_grad_dy(g, 0))));
}

/* dx = dy x / y, zero where y is */
static void grad_reduce_l2(MaasGrad *g)
{
    int x = maas_grad_in(g, 0), y = maas_grad_out(g, 0), zero = maas_grad_number(g, x, 0);
    int each = MAAS_GRAD(g, "Where", MAAS_GRAD(g, "Equal", y, zero), zero, maas_grad_div(g, maas_grad_dy(g, 0), y));

    maas_grad_give(g, 0, maas_grad_mul(g, x, with_axes(g, each)));
}

/* y = log(sum(x)): dx = dy / exp(y) */
static void grad_reduce_log_sum(MaasGrad *g)
{
    int each = maas_grad_div(g, maas_grad_dy(g, 0), MAAS_GRAD(g, "Exp", maas_grad_out(g, 0)));

    maas_grad_give(g, 0, maas_grad_expand(g, with_axes(g, each), maas_grad_in(g, 0)));
}

/* y = log(sum(exp(x))): dx = dy exp(x - y) */
static void grad_reduce_log_sum_exp(MaasGrad *g)
{
    int rest = MAAS_GRAD(g, "Sub", maas_grad_in(g, 0), with_axes(g, maas_grad_out(g, 0)));

    maas_grad_give(g, 0, maas_grad_mul(g, MAAS_GRAD(g, "Exp", rest), with_axes(g, maas_grad_dy(g, 0))));
}

static void grad_reduce_sum_square(MaasGrad *g)
{
    int x = maas_grad_in(g, 0), twice = maas_grad_mul(g, maas_grad_dy(g, 0), maas_grad_number(g, x, 2));

    maas_grad_give(g, 0, maas_grad_mul(g, x, with_axes(g, twice)));
}

/* ---- SumTo: data summed to a shape that broadcasts to its own; TileGrad: the sum over the copies of Tile ---- */

static MaasStatus infer_sum_to(MaasInferCtx *c)
{
    return maas_infer_shaped(c, 1);
}

static void add_group(Groups *g, bool reduce, int64_t size)
{
    if (size == 1)
        return;
    if ((g->n - 1) % 2 != reduce)
        g->sizes[g->n++] = 1;
    g->sizes[g->n - 1] *= size;
}

static MaasStatus sum_groups(MaasCtx *c, Groups *g)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);

    if (y->count == 0)
        return MAAS_OK;
    if (x->count == 0 || g->n == 1) {
        if (x->count == 0)
            memset(y->data, 0, maas_tensor_bytes(y));
        else if (x->data != y->data)
            memcpy(y->data, x->data, maas_tensor_bytes(y));
        return MAAS_OK;
    }
    if (g->n % 2 == 0)
        g->sizes[g->n++] = 1;
    return run_groups(c, MAAS_RED_SUM, x->type, x->data, y->data, *g);
}

static MaasStatus compute_sum_to(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    Groups g = {.n = 1, .sizes = {1}};

    for (int d = 0; d < x->rank; d++) {
        int own = d - (x->rank - y->rank);

        add_group(&g, own < 0 || y->dims[own] != x->dims[d], x->dims[d]);
    }
    return sum_groups(c, &g);
}

const MaasOp maas_op_sum_to = {
    .domain = "maas",
    .name = "SumTo",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"data", MAAS_T_FLOATS, 'T', 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"sum", MAAS_T_FLOATS, 'T', 0}},
    .infer = infer_sum_to,
    .compute = compute_sum_to,
    .cost = cost_reduce,
};

static MaasStatus compute_tile_grad(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, 0), *dx = maas_out(c, 0);
    Groups g = {.n = 1, .sizes = {1}};

    for (int d = 0; d < dy->rank && dx->count > 0; d++) {
        add_group(&g, true, dy->dims[d] / dx->dims[d]);
        add_group(&g, false, dx->dims[d]);
    }
    return sum_groups(c, &g);
}

const MaasOp maas_op_tile_grad = {
    .domain = "maas",
    .name = "TileGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .infer = infer_sum_to,
    .compute = compute_tile_grad,
    .cost = cost_reduce,
};

#define REDUCE(id, NAME, since_opset, types, op, how, grad_fn)                                                     \
    static MaasStatus compute_##id(MaasCtx *c)                                                                     \
    {                                                                                                              \
        return compute_reduce(c, op, how);                                                                         \
    }                                                                                                              \
                                                                                                                   \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = since_opset,                                                                                      \
        .flags = MAAS_OP_HALF_VIA_F32,                                                                             \
        .in = {{"data", types, 'T', 0}, {"axes", MAAS_T_I64, 0, MAAS_OPTIONAL}},                                   \
        .out = {{"reduced", types, 'T', 0}},                                                                       \
        .attrs = {{"keepdims", MAAS_ATTR_INT, .i = 1}, {"noop_with_empty_axes", MAAS_ATTR_INT, .i = 0}},           \
        .adapt = adapt_reduce,                                                                                     \
        .infer = infer_reduce,                                                                                     \
        .compute = compute_##id,                                                                                   \
        .batch = maas_batch_reduce,                                                                                \
        .cost = cost_reduce,                                                                                       \
        .grad = grad_fn,                                                                                           \
    };

REDUCE(reduce_sum, "ReduceSum", 13, MAAS_T_REDUCE, MAAS_RED_SUM, PLAIN, grad_reduce_sum)
REDUCE(reduce_mean, "ReduceMean", 18, MAAS_T_REDUCE, MAAS_RED_SUM, MEAN, grad_reduce_mean)
REDUCE(reduce_max, "ReduceMax", 18, MAAS_T_EXTREME, MAAS_RED_MAX, PLAIN, grad_reduce_extreme)
REDUCE(reduce_min, "ReduceMin", 18, MAAS_T_EXTREME, MAAS_RED_MIN, PLAIN, grad_reduce_extreme)
REDUCE(reduce_prod, "ReduceProd", 18, MAAS_T_REDUCE, MAAS_RED_PROD, PLAIN, NULL)
REDUCE(reduce_l1, "ReduceL1", 18, MAAS_T_REDUCE, MAAS_RED_ABS_SUM, PLAIN, grad_reduce_l1)
REDUCE(reduce_l2, "ReduceL2", 18, MAAS_T_REDUCE, MAAS_RED_SQUARE_SUM, ROOT, grad_reduce_l2)
REDUCE(reduce_log_sum, "ReduceLogSum", 18, MAAS_T_REDUCE, MAAS_RED_SUM, LOGARITHM, grad_reduce_log_sum)
REDUCE(reduce_log_sum_exp, "ReduceLogSumExp", 18, MAAS_T_REDUCE, MAAS_RED_LOG_SUM_EXP, PLAIN,
       grad_reduce_log_sum_exp)
REDUCE(reduce_sum_square, "ReduceSumSquare", 18, MAAS_T_REDUCE, MAAS_RED_SQUARE_SUM, PLAIN, grad_reduce_sum_square)
