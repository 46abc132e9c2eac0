/*
 * elementwise_grad.c - gradients of elementwise functions: the internal operators UnaryGrad and ClipGrad, and the
 * way back from a broadcast shape.
 */
#include "broadcast.h"
#include "elementwise_grad.h"

#define PIECE 65536 /* elements between two looks at the stop flag */

#define GRAD_FLAGS (MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE)

/* ---- UnaryGrad: dx = dy f'(x) ---- */

enum { UNARY_FUNCTION, UNARY_P0, UNARY_P1 };

typedef struct Unary {
    MaasUnaryGradFn fn;
    const char *v, *dy;
    char *dx;
    size_t size;
    float p[2];
} Unary;

static void unary_piece(void *arg, int64_t from, int64_t to)
{
    const Unary *job = arg;
    size_t at = (size_t)from * job->size;

    job->fn(job->v + at, job->dy + at, job->dx + at, to - from, job->p);
}

static MaasStatus compute_unary_grad(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, 0), *v = maas_in(c, 1), *dx = maas_out(c, 0);
    Unary job = {maas_kernel->unary_grad((MaasUnary)c->attr[UNARY_FUNCTION].i, dy->type),
                 v->data,
                 dy->data,
                 dx->data,
                 maas_type_size(dy->type),
                 {c->attr[UNARY_P0].f, c->attr[UNARY_P1].f}};

    if (!job.fn)
        return maas_node_fail(c, MAAS_ERR_INTERNAL, "no kernel for function %d", (int)c->attr[UNARY_FUNCTION].i);
    return maas_parallel(c, dx->count, PIECE, unary_piece, &job);
}

const MaasOp maas_op_unary_grad = {
    .domain = "maas",
    .name = "UnaryGrad",
    .first = 1,
    .since = 1,
    .flags = GRAD_FLAGS,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"V", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"function", MAAS_ATTR_INT}, {"p0", MAAS_ATTR_FLOAT}, {"p1", MAAS_ATTR_FLOAT}},
    .infer = maas_infer_same,
    .compute = compute_unary_grad,
};

void maas_grad_unary(MaasGrad *g, MaasUnary op, float p0, float p1)
{
    int v = maas_unary_grad_of_output(op) ? maas_grad_out(g, 0) : maas_grad_in(g, 0);
    int dx = MAAS_GRAD(g, "UnaryGrad", maas_grad_dy(g, 0), v);

    maas_grad_set_int(g, "function", (int64_t)op);
    maas_grad_set_float(g, "p0", p0);
    maas_grad_set_float(g, "p1", p1);
    maas_grad_give(g, 0, dx);
}

/* ---- ClipGrad: dx = dy where x lies within the bounds ---- */

typedef struct Clip {
    MaasClipGradFn fn;
    const char *x, *dy;
    char *dx;
    size_t size;
    uint64_t low, high; /* room for one element */
} Clip;

static void clip_piece(void *arg, int64_t from, int64_t to)
{
    const Clip *job = arg;
    size_t at = (size_t)from * job->size;

    job->fn(job->x + at, job->dy + at, job->dx + at, to - from, &job->low, &job->high);
}

static MaasStatus compute_clip_grad(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, 0), *x = maas_in(c, 1), *dx = maas_out(c, 0);
    Clip job = {maas_kernel->clip_grad(dy->type), x->data, dy->data, dx->data, maas_type_size(dy->type), 0, 0};

    if (!job.fn)
        return maas_node_fail(c, MAAS_ERR_INTERNAL, "no kernel for %s", maas_type_name(dy->type));
    maas_clip_bound(maas_in(c, 2), &c->attr[0], true, x->type, &job.low);
    maas_clip_bound(maas_in(c, 3), &c->attr[1], false, x->type, &job.high);
    return maas_parallel(c, dx->count, PIECE, clip_piece, &job);
}

const MaasOp maas_op_clip_grad = {
    .domain = "maas",
    .name = "ClipGrad",
    .first = 1,
    .since = 1,
    .flags = GRAD_FLAGS,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0},
           {"X", MAAS_T_FLOATS, 'T', 0},
           {"min", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
           {"max", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"maas_min", MAAS_ATTR_FLOAT, .required = false}, {"maas_max", MAAS_ATTR_FLOAT, .required = false}},
    .infer = maas_infer_same,
    .compute = compute_clip_grad,
};

/* ---- two arguments ---- */

void maas_grad_give_summed(MaasGrad *g, int i, int edge)
{
    if (maas_grad_wants(g, i))
        maas_grad_give(g, i, maas_grad_sum_to(g, edge, maas_grad_out(g, 0), maas_grad_in(g, i)));
}

int maas_grad_second(MaasGrad *g)
{
    const MaasAttr *old_axis = &maas_grad_attrs(g)[0];
    int a_rank = maas_grad_info(g, maas_grad_in(g, 0))->rank, b = maas_grad_in(g, 1);
    int b_rank = maas_grad_info(g, b)->rank;
    int64_t axes[MAAS_MAX_RANK], more;

    if (!old_axis->set)
        return b;
    if (a_rank < 0 || b_rank < 0) {
        maas_grad_refuse(g, "an operand of unknown rank");
        return b;
    }
    more = a_rank - b_rank - (old_axis->i < 0 ? old_axis->i + a_rank : old_axis->i);
    for (int64_t i = 0; i < more; i++)
        axes[i] = b_rank + i;
    return more > 0 ? MAAS_GRAD(g, "Unsqueeze", b, maas_grad_ints(g, more, axes)) : b;
}

void maas_grad_give_second(MaasGrad *g, int second, int edge)
{
    if (second == maas_grad_in(g, 1)) {
        maas_grad_give_summed(g, 1, edge);
    } else if (maas_grad_wants(g, 1)) {
        edge = MAAS_GRAD(g, "SumTo", edge, MAAS_GRAD(g, "Shape", second));
        maas_grad_give(g, 1, maas_grad_reshape(g, edge, maas_grad_in(g, 1)));
    }
}

void maas_grad_give_extreme(MaasGrad *g, int y, int dy)
{
    int x = maas_grad_in(g, 0), equal = MAAS_GRAD(g, "Equal", x, y), ones = MAAS_GRAD(g, "Cast", equal);

    maas_grad_set_int(g, "to", maas_grad_info(g, x)->type);
    int each = maas_grad_div(g, dy, MAAS_GRAD(g, "SumTo", ones, MAAS_GRAD(g, "Shape", y)));

    maas_grad_give(g, 0, MAAS_GRAD(g, "Where", equal, each, maas_grad_number(g, x, 0)));
}
