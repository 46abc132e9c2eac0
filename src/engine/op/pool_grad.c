/*
 * pool_grad.c - the gradients of MaxPool and AveragePool, as internal operators.
 *
 * MaxPoolGrad finds the maximum of each window again: the first element that equals it gets the gradient.  That is
 * faster than to store where it was.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "expect.h"
#include "window.h"

/* Attributes after those of the window, as in pool.c. */
enum { POOL_CEIL = MAAS_WINDOW_N_SPECS, POOL_OWN };

/* One plane. */
typedef struct Plane {
    MaasType type;
    const void *x, *y;
    void *rest, *dx;
    bool include_pad;
} Plane;

static void max_part(void *arg, const MaasWindow *part, int64_t at)
{
    const Plane *p = arg;

    if (p->type == MAAS_DOUBLE)
        maas_kernel->max_pool_grad_f64(part, p->x, (const double *)p->y + at, (double *)p->rest + at, p->dx);
    else
        maas_kernel->max_pool_grad_f32(part, p->x, (const float *)p->y + at, (float *)p->rest + at, p->dx);
}

static void average_part(void *arg, const MaasWindow *part, int64_t at)
{
    const Plane *p = arg;

    if (p->type == MAAS_DOUBLE)
        maas_kernel->average_pool_grad_f64(part, p->include_pad, (double *)p->rest + at, p->dx);
    else
        maas_kernel->average_pool_grad_f32(part, p->include_pad, (float *)p->rest + at, p->dx);
}

/* Calls part for every plane of dx (N, C, in...). */
static MaasStatus each_plane(MaasCtx *c, const MaasTensor *x, const MaasTensor *y, Plane *p,
                             void (*part)(void *arg, const MaasWindow *part, int64_t at))
{
    const MaasTensor *dy = maas_in(c, 0);
    MaasTensor *dx = maas_out(c, 0);
    MaasWindowAttrs attrs = maas_window_attrs(c->attr);
    size_t size = maas_type_size(dx->type);
    int64_t inputs, outputs;
    MaasWindow w;

    if (dx->count == 0)
        return MAAS_OK;
    if (dy->count == 0) {
        memset(dx->data, 0, maas_tensor_bytes(dx));
        return MAAS_OK;
    }
    attrs.ceil_mode = c->attr[POOL_CEIL].i != 0;
    maas_window_plan(&attrs, dx->rank - 2, dx->dims + 2, NULL, &w);
    inputs = maas_window_inputs(&w);
    outputs = maas_window_outputs(&w);
    p->type = dx->type;
    p->rest = maas_scratch(c, (size_t)outputs, size);
    if (!p->rest)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < dx->dims[0] * dx->dims[1]; i++) {
        p->dx = (char *)dx->data + (size_t)(i * inputs) * size;
        p->x = x ? (const char *)x->data + (size_t)(i * inputs) * size : NULL;
        p->y = y ? (const char *)y->data + (size_t)(i * outputs) * size : NULL;
        memset(p->dx, 0, (size_t)inputs * size);
        memcpy(p->rest, (const char *)dy->data + (size_t)(i * outputs) * size, (size_t)outputs * size);
        MAAS_TRY(maas_window_parts(c, &w, part, p));
    }
    return MAAS_OK;
}

static MaasStatus infer_max_pool_grad(MaasInferCtx *c)
{
    return maas_infer_out(c, 0, MAAS_UNDEFINED, c->in[1]->rank, c->in[1]->dims);
}

static MaasStatus compute_max_pool_grad(MaasCtx *c)
{
    Plane p = {.include_pad = false};

    return each_plane(c, maas_in(c, 1), maas_in(c, 2), &p, max_part);
}

const MaasOp maas_op_max_pool_grad = {
    .domain = "maas",
    .name = "MaxPoolGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"X", MAAS_T_FLOATS, 'T', 0}, {"Y", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"ceil_mode", MAAS_ATTR_INT}},
    .infer = infer_max_pool_grad,
    .compute = compute_max_pool_grad,
};

static MaasStatus infer_average_pool_grad(MaasInferCtx *c)
{
    return maas_infer_shaped(c, 1);
}

static MaasStatus compute_average_pool_grad(MaasCtx *c)
{
    Plane p = {.include_pad = c->attr[POOL_OWN].i != 0};

    return each_plane(c, NULL, NULL, &p, average_part);
}

const MaasOp maas_op_average_pool_grad = {
    .domain = "maas",
    .name = "AveragePoolGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"ceil_mode", MAAS_ATTR_INT}, {"count_include_pad", MAAS_ATTR_INT}},
    .infer = infer_average_pool_grad,
    .compute = compute_average_pool_grad,
};
