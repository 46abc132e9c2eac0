/*
 * pool.c - MaxPool, AveragePool, LpPool, their global forms, and MaxUnpool.
 *
 * Pooling of regions of interest is in roi.c.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "elementwise_grad.h"
#include "expect.h"
#include "window.h"

#define MAX_TYPES (MAAS_T_FLOATS | MAAS_T(MAAS_INT8) | MAAS_T(MAAS_UINT8))

/* Attributes after those of the window; MaxPool and AveragePool have a second one. */
enum { POOL_CEIL = MAAS_WINDOW_N_SPECS, POOL_OWN };

static MaasWindowAttrs pool_attrs(const MaasAttr *attr)
{
    MaasWindowAttrs a = maas_window_attrs(attr);

    a.ceil_mode = attr[POOL_CEIL].i != 0;
    return a;
}

static MaasStatus infer_pool(MaasInferCtx *c)
{
    MaasWindowAttrs attrs = pool_attrs(c->attr);
    int64_t dims[MAAS_MAX_RANK], taps = 1;
    const MaasInfo *x = c->in[0];
    MaasWindow w;

    MAAS_TRY(maas_expect_rank_in(c, 0, 3, MAAS_MAX_RANK));
    if (x->rank < 0) {
        MAAS_TRY(maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL));
        return maas_infer_out(c, 1, MAAS_INT64, -1, NULL);
    }
    MAAS_TRY(maas_window_infer(c, &attrs, x->rank - 2, x->dims + 2, NULL, &w));
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int i = 0; i < w.n; i++) {
        dims[2 + i] = w.out[i];
        if (w.kernel[i] < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "kernel_shape is missing");
        if (!maas_mul64(taps, w.kernel[i], &taps) || taps > 1 << 26)
            return maas_infer_fail(c, MAAS_ERR_LIMIT, "a window of more than 2^26 elements is not possible");
    }
    MAAS_TRY(maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims));
    return maas_infer_out(c, 1, MAAS_INT64, x->rank, dims);
}

static double cost_pool(const MaasInferCtx *c)
{
    double cost = maas_cost_out(c);

    for (int i = 0; i < c->attr[1].n; i++)
        cost *= (double)c->attr[1].ints[i];
    return cost;
}

/* One plane of a pool. */
typedef struct Plane {
    MaasType type;
    const void *x;
    void *y;
    int64_t *place; /* MaxPool: of the maxima, or NULL */
    bool column_major, include_pad;
    int64_t power;
} Plane;

static void max_part(void *arg, const MaasWindow *part, int64_t at)
{
    const Plane *p = arg;
    int64_t *place = p->place ? p->place + at : NULL;

    switch (p->type) {
    case MAAS_FLOAT:
        if (place)
            maas_kernel->max_pool_at_f32(part, p->x, -INFINITY, (float *)p->y + at, place, p->column_major);
        else
            maas_kernel->max_pool_f32(part, p->x, -INFINITY, (float *)p->y + at);
        break;
    case MAAS_DOUBLE:
        if (place)
            maas_kernel->max_pool_at_f64(part, p->x, -(double)INFINITY, (double *)p->y + at, place,
                                         p->column_major);
        else
            maas_kernel->max_pool_f64(part, p->x, -(double)INFINITY, (double *)p->y + at);
        break;
    case MAAS_INT8:
        if (place)
            maas_kernel->max_pool_at_i8(part, p->x, INT8_MIN, (int8_t *)p->y + at, place, p->column_major);
        else
            maas_kernel->max_pool_i8(part, p->x, INT8_MIN, (int8_t *)p->y + at);
        break;
    default:
        if (place)
            maas_kernel->max_pool_at_u8(part, p->x, 0, (uint8_t *)p->y + at, place, p->column_major);
        else
            maas_kernel->max_pool_u8(part, p->x, 0, (uint8_t *)p->y + at);
        break;
    }
}

static void average_part(void *arg, const MaasWindow *part, int64_t at)
{
    const Plane *p = arg;

    if (p->type == MAAS_DOUBLE)
        maas_kernel->average_pool_f64(part, p->x, p->include_pad, (double *)p->y + at);
    else
        maas_kernel->average_pool_f32(part, p->x, p->include_pad, (float *)p->y + at);
}

static void lp_part(void *arg, const MaasWindow *part, int64_t at)
{
    const Plane *p = arg;

    if (p->type == MAAS_DOUBLE)
        maas_kernel->lp_pool_f64(part, p->x, p->power, (double *)p->y + at);
    else
        maas_kernel->lp_pool_f32(part, p->x, p->power, (float *)p->y + at);
}

/* Calls part for every plane. */
static MaasStatus each_plane(MaasCtx *c, Plane *p, void (*part)(void *arg, const MaasWindow *part, int64_t at))
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0), *place = maas_out(c, 1);
    MaasWindowAttrs attrs = pool_attrs(c->attr);
    size_t size = maas_type_size(x->type);
    int64_t inputs, outputs;
    MaasWindow w;

    if (y->count == 0)
        return MAAS_OK;
    maas_window_plan(&attrs, x->rank - 2, x->dims + 2, NULL, &w);
    inputs = maas_window_inputs(&w);
    outputs = maas_window_outputs(&w);
    p->type = x->type;
    for (int64_t i = 0; i < x->dims[0] * x->dims[1]; i++) {
        p->x = (const char *)x->data + (size_t)(i * inputs) * size;
        p->y = (char *)y->data + (size_t)(i * outputs) * size;
        p->place = place ? MAAS_I64(place) + i * outputs : NULL;
        MAAS_TRY(maas_window_parts(c, &w, part, p));
        for (int64_t j = 0; place && j < outputs; j++)
            p->place[j] += p->place[j] >= 0 ? i * inputs : 0;
    }
    return MAAS_OK;
}

static MaasStatus compute_max_pool(MaasCtx *c)
{
    Plane p = {.column_major = c->attr[POOL_OWN].i != 0};

    return each_plane(c, &p, max_part);
}

static void grad_max_pool(MaasGrad *g)
{
    int dx = MAAS_GRAD(g, "MaxPoolGrad", maas_grad_dy(g, 0), maas_grad_in(g, 0), maas_grad_out(g, 0));

    maas_grad_copy_attrs(g, 0, POOL_CEIL + 1);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_max_pool = {
    .domain = "",
    .name = "MaxPool",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAX_TYPES, 'T', 0}},
    .out = {{"Y", MAX_TYPES, 'T', 0}, {"Indices", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .attrs = {MAAS_WINDOW_SPECS, {"ceil_mode", MAAS_ATTR_INT}, {"storage_order", MAAS_ATTR_INT}},
    .infer = infer_pool,
    .compute = compute_max_pool,
    .batch = maas_batch_max_pool,
    .cost = cost_pool,
    .grad = grad_max_pool,
};

static MaasStatus compute_average_pool(MaasCtx *c)
{
    Plane p = {.include_pad = c->attr[POOL_OWN].i != 0};

    return each_plane(c, &p, average_part);
}

static void grad_average_pool(MaasGrad *g)
{
    int dx = MAAS_GRAD(g, "AveragePoolGrad", maas_grad_dy(g, 0), maas_grad_shape(g, maas_grad_in(g, 0)));

    maas_grad_copy_attrs(g, 0, POOL_OWN + 1);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_average_pool = {
    .domain = "",
    .name = "AveragePool",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"ceil_mode", MAAS_ATTR_INT}, {"count_include_pad", MAAS_ATTR_INT}},
    .infer = infer_pool,
    .compute = compute_average_pool,
    .batch = maas_batch_first,
    .cost = cost_pool,
    .grad = grad_average_pool,
};

/* Opset 1 has the power as a float. */
static MaasStatus adapt_power(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    MaasAttr *p = maas_adapt_attr(node, "p");

    if (version >= 2 || !p || p->kind != MAAS_ATTR_FLOAT)
        return MAAS_OK;
    if (!(p->f >= 1 && p->f <= 1000000 && p->f == floorf(p->f)))
        return maas_adapt_fail(node, err, MAAS_ERR_UNSUPPORTED, "p must be a whole number of at least 1, got %g",
                               (double)p->f);
    return maas_adapt_set_int(graph, node, "p", (int64_t)p->f, err);
}

static MaasStatus check_power(MaasInferCtx *c, const MaasAttr *p)
{
    return p->i >= 1 ? MAAS_OK
                     : maas_infer_fail(c, MAAS_ERR_VALUE, "p must be at least 1, got %lld", (long long)p->i);
}

static MaasStatus infer_lp_pool(MaasInferCtx *c)
{
    MAAS_TRY(check_power(c, &c->attr[POOL_OWN]));
    return infer_pool(c);
}

static MaasStatus compute_lp_pool(MaasCtx *c)
{
    Plane p = {.power = c->attr[POOL_OWN].i};

    return each_plane(c, &p, lp_part);
}

const MaasOp maas_op_lp_pool = {
    .domain = "",
    .name = "LpPool",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {MAAS_WINDOW_SPECS, {"ceil_mode", MAAS_ATTR_INT}, {"p", MAAS_ATTR_INT, .i = 2}},
    .adapt = adapt_power,
    .infer = infer_lp_pool,
    .compute = compute_lp_pool,
    .batch = maas_batch_first,
    .cost = cost_pool,
};

/* ---- global pools: one number a plane ---- */

static MaasStatus infer_global(MaasInferCtx *c)
{
    int64_t dims[MAAS_MAX_RANK];
    const MaasInfo *x = c->in[0];

    MAAS_TRY(maas_expect_rank_in(c, 0, 2, MAAS_MAX_RANK));
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int i = 2; i < x->rank; i++) {
        if (x->dims[i] == 0)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "spatial axis %d is empty", i - 2);
        dims[i] = 1;
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims);
}

/* y = the reduction of each plane, in y's place among the planes. */
static MaasStatus reduce_planes(MaasCtx *c, MaasReduce reduction)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    MaasReduceFn reduce = maas_kernel->reduce(reduction, x->type);
    size_t size = maas_type_size(x->type);
    int64_t plane = y->count ? x->count / y->count : 0;

    for (int64_t i = 0; i < y->count; i++) {
        if (maas_stop(c))
            return maas_stopped(c);
        reduce((const char *)x->data + (size_t)(i * plane) * size, (char *)y->data + (size_t)i * size, 1, plane, 1);
    }
    return MAAS_OK;
}

static MaasStatus compute_global_average(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    int64_t plane = y->count ? x->count / y->count : 1;

    MAAS_TRY(reduce_planes(c, MAAS_RED_SUM));
    for (int64_t i = 0; i < y->count; i++)
        if (y->type == MAAS_DOUBLE)
            MAAS_F64(y)[i] /= (double)plane;
        else
            MAAS_F32(y)[i] /= (float)plane;
    return MAAS_OK;
}

static MaasStatus compute_global_max(MaasCtx *c)
{
    return reduce_planes(c, MAAS_RED_MAX);
}

static MaasStatus compute_global_lp(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    int64_t power = c->attr[0].i, plane = y->count ? x->count / y->count : 1;

    if (power == 1)
        return reduce_planes(c, MAAS_RED_ABS_SUM);
    if (power == 2) {
        MAAS_TRY(reduce_planes(c, MAAS_RED_SQUARE_SUM));
        for (int64_t i = 0; i < y->count; i++)
            if (y->type == MAAS_DOUBLE)
                MAAS_F64(y)[i] = sqrt(MAAS_F64(y)[i]);
            else
                MAAS_F32(y)[i] = sqrtf(MAAS_F32(y)[i]);
        return MAAS_OK;
    }
    for (int64_t i = 0; i < y->count; i++) {
        double sum = 0;

        if (maas_stop(c))
            return maas_stopped(c);
        for (int64_t j = i * plane; j < (i + 1) * plane; j++)
            sum += pow(fabs(y->type == MAAS_DOUBLE ? MAAS_F64(x)[j] : (double)MAAS_F32(x)[j]), (double)power);
        sum = pow(sum, 1 / (double)power);
        if (y->type == MAAS_DOUBLE)
            MAAS_F64(y)[i] = sum;
        else
            MAAS_F32(y)[i] = (float)sum;
    }
    return MAAS_OK;
}

static MaasStatus infer_global_lp(MaasInferCtx *c)
{
    MAAS_TRY(check_power(c, &c->attr[0]));
    return infer_global(c);
}

static void grad_global_average(MaasGrad *g)
{
    int x = maas_grad_in(g, 0), y = maas_grad_out(g, 0);
    int share = maas_grad_div(g, maas_grad_count(g, y, y), maas_grad_count(g, x, y));

    maas_grad_give(g, 0, maas_grad_expand(g, maas_grad_mul(g, maas_grad_dy(g, 0), share), x));
}

static void grad_global_max(MaasGrad *g)
{
    maas_grad_give_extreme(g, maas_grad_out(g, 0), maas_grad_dy(g, 0));
}

/* y = (sum |x|^p)^(1/p): dx = dy sign(x) (|x| / y)^(p-1), 0 where y is. */
static void grad_global_lp(MaasGrad *g)
{
    int x = maas_grad_in(g, 0), y = maas_grad_out(g, 0), zero = maas_grad_number(g, x, 0);
    int share = maas_grad_div(g, MAAS_GRAD(g, "Abs", x), y);
    int power = MAAS_GRAD(g, "Pow", share, maas_grad_number(g, x, (double)maas_grad_attrs(g)[0].i - 1));
    int dx = maas_grad_mul(g, maas_grad_dy(g, 0), maas_grad_mul(g, MAAS_GRAD(g, "Sign", x), power));

    maas_grad_give(g, 0, MAAS_GRAD(g, "Where", MAAS_GRAD(g, "Equal", y, zero), zero, dx));
}

const MaasOp maas_op_global_average_pool = {
    .domain = "",
    .name = "GlobalAveragePool",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .infer = infer_global,
    .compute = compute_global_average,
    .batch = maas_batch_first,
    .grad = grad_global_average,
};

const MaasOp maas_op_global_max_pool = {
    .domain = "",
    .name = "GlobalMaxPool",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .infer = infer_global,
    .compute = compute_global_max,
    .batch = maas_batch_first,
    .grad = grad_global_max,
};

const MaasOp maas_op_global_lp_pool = {
    .domain = "",
    .name = "GlobalLpPool",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"p", MAAS_ATTR_INT, .i = 2}},
    .adapt = adapt_power,
    .infer = infer_global_lp,
    .compute = compute_global_lp,
    .batch = maas_batch_first,
    .grad = grad_global_lp,
};

/* ---- MaxUnpool ---- */

enum { UNPOOL_KERNEL, UNPOOL_STRIDES, UNPOOL_PADS };

static MaasStatus infer_max_unpool(MaasInferCtx *c)
{
    MaasWindowAttrs attrs = {NULL, &c->attr[UNPOOL_KERNEL], &c->attr[UNPOOL_STRIDES], &c->attr[UNPOOL_PADS], NULL,
                             false};
    const MaasTensor *shape = maas_known(c, 2);
    const MaasInfo *x = c->in[0];
    int64_t dims[MAAS_MAX_RANK];
    MaasWindow w;

    MAAS_TRY(maas_expect_rank_in(c, 0, 3, MAAS_MAX_RANK));
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_expect_shape(c, 1, x->rank, x->dims));
    MAAS_TRY(maas_expect_vector(c, 2, x->rank));
    MAAS_TRY(maas_window_sizes(c, &attrs, x->rank - 2, NULL, &w));
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int i = 0; i < w.n; i++) {
        int64_t size = MAAS_DIM_ANY;

        if (!maas_present(c, 2) && x->dims[2 + i] >= 0) {
            if (!maas_mul64(x->dims[2 + i] - 1, w.stride[i], &size) ||
                __builtin_add_overflow(size, w.kernel[i] - w.before[i] - w.after[i], &size))
                return maas_infer_fail(c, MAAS_ERR_LIMIT, "the output's size on spatial axis %d overflows", i);
            if (size < 0)
                return maas_infer_fail(c, MAAS_ERR_SHAPE, "the output's size on spatial axis %d would be %lld", i,
                                       (long long)size);
        }
        dims[2 + i] = size;
    }
    for (int i = 0; shape && i < x->rank; i++) {
        dims[i] = maas_known_int(shape, i);
        if (dims[i] < 0 || (i < 2 && x->dims[i] >= 0 && dims[i] != x->dims[i]))
            return maas_infer_fail(c, MAAS_ERR_VALUE, "output_shape[%d] is %lld", i, (long long)dims[i]);
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims);
}

static MaasStatus compute_max_unpool(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *index = maas_in(c, 1);
    MaasTensor *y = maas_out(c, 0);
    size_t size = maas_type_size(x->type);
    int64_t natural[MAAS_MAX_RANK], dims = x->rank;
    MaasWindowAttrs attrs = {NULL, &c->attr[UNPOOL_KERNEL], &c->attr[UNPOOL_STRIDES], &c->attr[UNPOOL_PADS], NULL,
                             false};
    int64_t count = 1;
    MaasWindow w;

    if (y->count > 0)
        memset(y->data, 0, maas_tensor_bytes(y));
    if (x->count == 0)
        return MAAS_OK;
    /* the indices count within the shape that the attributes give, which output_shape may enlarge */
    maas_window_sizes(NULL, &attrs, x->rank - 2, NULL, &w);
    for (int i = 0; i < dims; i++) {
        natural[i] = i < 2
                         ? x->dims[i]
                         : (x->dims[i] - 1) * w.stride[i - 2] + w.kernel[i - 2] - w.before[i - 2] - w.after[i - 2];
        if (natural[i] < 0 || !maas_mul64(count, natural[i], &count))
            return maas_node_fail(c, MAAS_ERR_LIMIT, "the size of the tensor that was pooled overflows");
    }
    for (int64_t k = 0; k < x->count; k++) {
        int64_t from = MAAS_I64(index)[k], rest = from, to = 0, step = 1;
        bool inside = from >= 0 && from < count;

        for (int i = (int)dims - 1; i >= 0 && inside; i--) {
            int64_t at = rest % natural[i];

            inside = at < y->dims[i];
            rest /= natural[i];
            to += at * step;
            step *= y->dims[i];
        }
        if (!inside)
            return maas_node_fail(c, MAAS_ERR_VALUE, "index %lld of element %lld lies outside the output",
                                  (long long)from, (long long)k);
        memcpy((char *)y->data + (size_t)to * size, (const char *)x->data + (size_t)k * size, size);
    }
    return MAAS_OK;
}

const MaasOp maas_op_max_unpool = {
    .domain = "",
    .name = "MaxUnpool",
    .first = 9,
    .since = 22,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}, {"I", MAAS_T_I64, 0, 0}, {"output_shape", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"kernel_shape", MAAS_ATTR_INTS, .required = true},
              {"strides", MAAS_ATTR_INTS},
              {"pads", MAAS_ATTR_INTS}},
    .infer = infer_max_unpool,
    .compute = compute_max_unpool,
};
