/*
 * softmax.c - Softmax, LogSoftmax, Hardmax.
 *
 * Before opset 13 they see the input as a matrix: the axes before `axis` are its rows, all others its columns.
 * adapt keeps that as the internal attribute maas_matrix.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "op.h"
#include "grad.h"

static MaasStatus adapt_softmax(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version >= 13)
        return MAAS_OK;
    if (!maas_adapt_attr(node, "axis"))
        MAAS_TRY(maas_adapt_set_int(graph, node, "axis", 1, err));
    return maas_adapt_set_int(graph, node, "maas_matrix", 1, err);
}

static MaasStatus infer_softmax(MaasInferCtx *c)
{
    int axis;

    /* the matrix form of a vector with axis 1 has one column each */
    if (c->in[0]->rank >= 0 && !(c->attr[1].set && c->attr[0].i == c->in[0]->rank))
        MAAS_TRY(maas_infer_axis(c, c->attr[0].i, c->in[0]->rank, &axis));
    return maas_infer_same(c);
}

typedef struct Layout {
    int64_t outer, axis, inner;
} Layout;

static Layout layout(const MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const bool matrix = c->attr[1].set;
    const int axis = (int)(c->attr[0].i < 0 ? c->attr[0].i + x->rank : c->attr[0].i);
    Layout l = {1, 1, 1};

    for (int d = 0; d < x->rank; d++) {
        if (d < axis)
            l.outer *= x->dims[d];
        else if (d == axis || matrix)
            l.axis *= x->dims[d];
        else
            l.inner *= x->dims[d];
    }
    return l;
}

typedef struct Job {
    MaasSoftmaxFn fn;
    const char *x;
    char *y;
    size_t stride; /* bytes of one (axis, inner) */
    Layout l;
} Job;

static void softmax_piece(void *arg, int64_t from, int64_t to)
{
    const Job *job = arg;

    job->fn(job->x + (size_t)from * job->stride, job->y + (size_t)from * job->stride, to - from, job->l.axis,
            job->l.inner);
}

static MaasStatus compute_with(MaasCtx *c, MaasSoftmax op)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    Job job = {.fn = maas_kernel->softmax(op, x->type), .x = x->data, .y = y->data};
    int64_t each;

    if (x->count == 0)
        return MAAS_OK;
    job.l = layout(c);
    each = job.l.axis * job.l.inner;
    job.stride = (size_t)each * maas_type_size(x->type);
    return maas_parallel(c, job.l.outer, each > 16384 ? 1 : 16384 / each, softmax_piece, &job);
}

static MaasStatus compute_softmax(MaasCtx *c)
{
    return compute_with(c, MAAS_SOFTMAX);
}

static MaasStatus compute_log_softmax(MaasCtx *c)
{
    return compute_with(c, MAAS_LOG_SOFTMAX);
}

/* ---- gradients: the internal operators SoftmaxGrad and LogSoftmaxGrad ---- */

static void grad_with(MaasGrad *g, const char *op)
{
    int dx = MAAS_GRAD(g, op, maas_grad_out(g, 0), maas_grad_dy(g, 0));

    maas_grad_copy_attrs(g, 0, 2);
    maas_grad_give(g, 0, dx);
}

static void grad_softmax(MaasGrad *g)
{
    grad_with(g, "SoftmaxGrad");
}

static void grad_log_softmax(MaasGrad *g)
{
    grad_with(g, "LogSoftmaxGrad");
}

typedef struct GradJob {
    MaasSoftmaxGradFn fn;
    const char *y, *dy;
    char *dx;
    size_t stride; /* bytes of one (axis, inner) */
    Layout l;
} GradJob;

static void grad_piece(void *arg, int64_t from, int64_t to)
{
    const GradJob *job = arg;
    size_t at = (size_t)from * job->stride;

    job->fn(job->y + at, job->dy + at, job->dx + at, to - from, job->l.axis, job->l.inner);
}

static MaasStatus compute_grad_with(MaasCtx *c, MaasSoftmax op)
{
    const MaasTensor *y = maas_in(c, 0), *dy = maas_in(c, 1), *dx = maas_out(c, 0);
    GradJob job = {.fn = maas_kernel->softmax_grad(op, y->type), .y = y->data, .dy = dy->data, .dx = dx->data};
    int64_t each;

    if (y->count == 0)
        return MAAS_OK;
    job.l = layout(c);
    each = job.l.axis * job.l.inner;
    job.stride = (size_t)each * maas_type_size(y->type);
    return maas_parallel(c, job.l.outer, each > 16384 ? 1 : 16384 / each, grad_piece, &job);
}

static MaasStatus compute_softmax_grad(MaasCtx *c)
{
    return compute_grad_with(c, MAAS_SOFTMAX);
}

static MaasStatus compute_log_softmax_grad(MaasCtx *c)
{
    return compute_grad_with(c, MAAS_LOG_SOFTMAX);
}

/* 1 at the first largest element, 0 elsewhere. */
static MaasStatus compute_hardmax(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    const size_t size = maas_type_size(x->type);
    int64_t *index;
    Layout l;

    if (x->count == 0)
        return MAAS_OK;
    l = layout(c);
    index = maas_scratch(c, (size_t)(l.outer * l.inner), sizeof *index);
    if (!index)
        return c->err->status;
    maas_kernel->arg_extreme(true, x->type)(x->data, index, l.outer, l.axis, l.inner, false);
    memset(y->data, 0, (size_t)y->count * size);
    for (int64_t o = 0; o < l.outer; o++) {
        for (int64_t i = 0; i < l.inner; i++) {
            int64_t at = (o * l.axis + index[o * l.inner + i]) * l.inner + i;

            if (x->type == MAAS_FLOAT)
                MAAS_F32(y)[at] = 1;
            else
                MAAS_F64(y)[at] = 1;
        }
    }
    return MAAS_OK;
}

/* Subtraction, exponential, sum, product: about 20 operations an element. */
static double cost_softmax(const MaasInferCtx *c)
{
    double cost = 20;

    for (int d = 0; d < c->in[0]->rank; d++)
        cost *= c->in[0]->dims[d] > 0 ? (double)c->in[0]->dims[d] : 1;
    return cost;
}

#define SOFTMAX(id, NAME, more, grad_fn)                                                                           \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = 13,                                                                                               \
        .flags = MAAS_OP_HALF_VIA_F32 | (more),                                                                    \
        .in = {{"input", MAAS_T_FLOATS, 'T', 0}},                                                                  \
        .out = {{"output", MAAS_T_FLOATS, 'T', 0}},                                                                \
        .attrs = {{"axis", MAAS_ATTR_INT, .i = -1}, {"maas_matrix", MAAS_ATTR_INT, .required = false}},            \
        .adapt = adapt_softmax,                                                                                    \
        .infer = infer_softmax,                                                                                    \
        .compute = compute_##id,                                                                                   \
        .batch = maas_batch_softmax,                                                                               \
        .cost = cost_softmax,                                                                                      \
        .grad = grad_fn,                                                                                           \
    };
/* In place although a whole line counts: the kernels read a line before they write it. */
SOFTMAX(softmax, "Softmax", MAAS_OP_INPLACE, grad_softmax)
SOFTMAX(log_softmax, "LogSoftmax", MAAS_OP_INPLACE, grad_log_softmax)
SOFTMAX(hardmax, "Hardmax", MAAS_OP_NO_SLOPE, NULL)

#define SOFTMAX_GRAD(id, NAME)                                                                                     \
    const MaasOp maas_op_##id = {                                                                                  \
        .domain = "maas",                                                                                          \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = 1,                                                                                                \
        .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,                                                           \
        .in = {{"Y", MAAS_T_FLOATS, 'T', 0}, {"dY", MAAS_T_FLOATS, 'T', 0}},                                       \
        .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},                                                                    \
        .attrs = {{"axis", MAAS_ATTR_INT, .i = -1}, {"maas_matrix", MAAS_ATTR_INT, .required = false}},            \
        .infer = infer_softmax,                                                                                    \
        .compute = compute_##id,                                                                                   \
    };
SOFTMAX_GRAD(softmax_grad, "SoftmaxGrad")
SOFTMAX_GRAD(log_softmax_grad, "LogSoftmaxGrad")
