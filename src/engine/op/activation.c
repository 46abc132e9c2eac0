/*
 * activation.c - activation functions, most with parameters; Clip, Shrink and PRelu among them.
 */
#include <math.h>
#include <string.h>

#include "../base/convert.h"
#include "adapt.h"
#include "batch.h"
#include "broadcast.h"
#include "dims.h"
#include "elementwise_grad.h"

/* p0, p1: C expressions of the attributes at = c->attr. */
#define ACTIVATION(id, NAME, kernel, first_opset, since_opset, types, adapt_fn, p0, p1, ...)                       \
    static MaasStatus compute_##id(MaasCtx *c)                                                                     \
    {                                                                                                              \
        const MaasAttr *at = c->attr;                                                                              \
                                                                                                                   \
        (void)at;                                                                                                  \
        return maas_unary_node(c, kernel, p0, p1);                                                                 \
    }                                                                                                              \
                                                                                                                   \
    static void grad_##id(MaasGrad *g)                                                                             \
    {                                                                                                              \
        const MaasAttr *at = maas_grad_attrs(g);                                                                   \
                                                                                                                   \
        (void)at;                                                                                                  \
        maas_grad_unary(g, kernel, p0, p1);                                                                        \
    }                                                                                                              \
                                                                                                                   \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = first_opset,                                                                                      \
        .since = since_opset,                                                                                      \
        .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,                                                           \
        .in = {{"X", types, 'T', 0}},                                                                              \
        .out = {{"Y", types, 'T', 0}},                                                                             \
        .attrs = {__VA_ARGS__},                                                                                    \
        .adapt = adapt_fn,                                                                                         \
        .infer = maas_infer_same,                                                                                  \
        .compute = compute_##id,                                                                                   \
        .batch = maas_batch_elementwise,                                                                           \
        .grad = grad_##id,                                                                                         \
    };

#define FLOAT_ATTR(NAME, value) {NAME, MAAS_ATTR_FLOAT, .f = value}

/* Opset 1 gave alpha and gamma with five digits. */
static MaasStatus adapt_selu(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version >= 6)
        return MAAS_OK;
    if (!maas_adapt_attr(node, "alpha"))
        MAAS_TRY(maas_adapt_set_float(graph, node, "alpha", 1.6732f, err));
    if (!maas_adapt_attr(node, "gamma"))
        MAAS_TRY(maas_adapt_set_float(graph, node, "gamma", 1.0507f, err));
    return maas_adapt_consumed(graph, node, version, err);
}

ACTIVATION(sigmoid, "Sigmoid", MAAS_UN_SIGMOID, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed, 0, 0, {NULL})
ACTIVATION(relu, "Relu", MAAS_UN_RELU, 1, 6, MAAS_T_FLOATS | MAAS_T_SIGNED, maas_adapt_consumed, 0, 0, {NULL})
ACTIVATION(leaky_relu, "LeakyRelu", MAAS_UN_LEAKY_RELU, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed, at[0].f, 0,
           FLOAT_ATTR("alpha", 0.01f))
ACTIVATION(thresholded_relu, "ThresholdedRelu", MAAS_UN_THRESHOLDED_RELU, 10, 10, MAAS_T_FLOATS, NULL, at[0].f, 0,
           FLOAT_ATTR("alpha", 1.0f))
ACTIVATION(elu, "Elu", MAAS_UN_ELU, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed, at[0].f, 0, FLOAT_ATTR("alpha", 1.0f))
ACTIVATION(selu, "Selu", MAAS_UN_SELU, 1, 6, MAAS_T_FLOATS, adapt_selu, at[0].f, at[1].f,
           FLOAT_ATTR("alpha", 1.67326319217681884765625f), FLOAT_ATTR("gamma", 1.05070102214813232421875f))
ACTIVATION(celu, "Celu", MAAS_UN_CELU, 12, 12, MAAS_T_FLOATS, NULL, at[0].f, 0, FLOAT_ATTR("alpha", 1.0f))
ACTIVATION(hard_sigmoid, "HardSigmoid", MAAS_UN_HARD_SIGMOID, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed, at[0].f,
           at[1].f, FLOAT_ATTR("alpha", 0.2f), FLOAT_ATTR("beta", 0.5f))
ACTIVATION(hard_swish, "HardSwish", MAAS_UN_HARD_SWISH, 14, 14, MAAS_T_FLOATS, NULL, 0, 0, {NULL})
ACTIVATION(mish, "Mish", MAAS_UN_MISH, 18, 18, MAAS_T_FLOATS, NULL, 0, 0, {NULL})
ACTIVATION(swish, "Swish", MAAS_UN_SWISH, 24, 24, MAAS_T_FLOATS, NULL, at[0].f, 0, FLOAT_ATTR("alpha", 1.0f))
ACTIVATION(softplus, "Softplus", MAAS_UN_SOFTPLUS, 1, 1, MAAS_T_FLOATS, NULL, 0, 0, {NULL})
ACTIVATION(softsign, "Softsign", MAAS_UN_SOFTSIGN, 1, 1, MAAS_T_FLOATS, NULL, 0, 0, {NULL})
ACTIVATION(shrink, "Shrink", MAAS_UN_SHRINK, 9, 9, MAAS_T_NUMERIC, NULL, at[0].f, at[1].f,
           FLOAT_ATTR("lambd", 0.5f), FLOAT_ATTR("bias", 0.0f))

/* ---- Gelu ---- */

static MaasStatus infer_gelu(MaasInferCtx *c)
{
    const MaasStr how = c->attr[0].s;

    if (!maas_text_is(how, "none") && !maas_text_is(how, "tanh"))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "approximate must be none or tanh, got \"%.*s\"",
                               (int)(how.length < 100 ? how.length : 100), how.data);
    return maas_infer_same(c);
}

static MaasStatus compute_gelu(MaasCtx *c)
{
    return maas_unary_node(c, maas_text_is(c->attr[0].s, "tanh") ? MAAS_UN_GELU_TANH : MAAS_UN_GELU, 0, 0);
}

static void grad_gelu(MaasGrad *g)
{
    maas_grad_unary(g, maas_text_is(maas_grad_attrs(g)[0].s, "tanh") ? MAAS_UN_GELU_TANH : MAAS_UN_GELU, 0, 0);
}

const MaasOp maas_op_gelu = {
    .name = "Gelu",
    .first = 20,
    .since = 20,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"approximate", MAAS_ATTR_STRING, .s = "none"}},
    .infer = infer_gelu,
    .compute = compute_gelu,
    .batch = maas_batch_elementwise,
    .grad = grad_gelu,
};

/* ---- PRelu: the slope broadcasts to the input ---- */

/* Before opset 7 a vector of slopes belongs to the channels, axis 1. */
static MaasStatus adapt_prelu(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version < 7)
        MAAS_TRY(maas_adapt_set_int(graph, node, "maas_channels", 1, err));
    return maas_adapt_consumed(graph, node, version, err);
}

/* Axes of size 1 to add behind the slope's shape. */
static int slope_ones(const MaasAttr *channels, int rank, int slope_rank)
{
    return channels->set && slope_rank == 1 && rank > 2 ? rank - 2 : 0;
}

static MaasStatus infer_prelu(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0], *slope = c->in[1];
    int64_t dims[MAAS_MAX_RANK], slope_dims[MAAS_MAX_RANK];
    int rank = x->rank, slope_rank = slope->rank;

    if (rank >= 0 && slope_rank >= 0) {
        memcpy(dims, x->dims, sizeof dims[0] * (size_t)rank);
        memcpy(slope_dims, slope->dims, sizeof dims[0] * (size_t)slope_rank);
        for (int more = slope_ones(&c->attr[0], rank, slope_rank); more > 0; more--)
            slope_dims[slope_rank++] = 1;
        MAAS_TRY(maas_infer_broadcast_dims(c, &rank, dims, slope_rank, slope_dims));
        for (int d = 0; d < rank; d++)
            if (rank != x->rank || (dims[d] >= 0 && x->dims[d] >= 0 && dims[d] != x->dims[d]))
                return maas_infer_fail(c, MAAS_ERR_SHAPE, "the slope's shape does not broadcast to the input's");
    }
    return maas_infer_same(c);
}

static MaasStatus compute_prelu(MaasCtx *c)
{
    MaasTensor slope = *maas_in(c, 1);

    for (int more = slope_ones(&c->attr[0], maas_in(c, 0)->rank, slope.rank); more > 0; more--)
        slope.dims[slope.rank++] = 1;
    return maas_binary(c, MAAS_BIN_PRELU, maas_in(c, 0), &slope, maas_out(c, 0));
}

/* dx = x > 0 ? dy : slope dy; dslope = x > 0 ? 0 : x dy, summed */
static void grad_prelu(MaasGrad *g)
{
    int x = maas_grad_in(g, 0), slope = maas_grad_in(g, 1), dy = maas_grad_dy(g, 0),
        zero = maas_grad_number(g, x, 0);
    int positive = MAAS_GRAD(g, "Greater", x, zero);
    const MaasInfo *info = maas_grad_info(g, slope);
    int64_t axes[MAAS_MAX_RANK];
    int ones;

    if (maas_grad_attrs(g)[0].set && (maas_grad_info(g, x)->rank < 0 || info->rank < 0)) {
        maas_grad_refuse(g, "a slope of unknown rank");
        return;
    }
    ones = slope_ones(&maas_grad_attrs(g)[0], maas_grad_info(g, x)->rank, info->rank);
    for (int i = 0; i < ones; i++)
        axes[i] = info->rank + i;
    if (ones > 0)
        slope = MAAS_GRAD(g, "Unsqueeze", slope, maas_grad_ints(g, ones, axes));
    if (maas_grad_wants(g, 0))
        maas_grad_give(g, 0, MAAS_GRAD(g, "Where", positive, dy, maas_grad_mul(g, dy, slope)));
    if (maas_grad_wants(g, 1))
        maas_grad_give_second(g, slope, MAAS_GRAD(g, "Where", positive, zero, maas_grad_mul(g, dy, x)));
}

#define MAAS_T_PRELU (MAAS_T_FLOATS | MAAS_T_INDEX | MAAS_T(MAAS_UINT32) | MAAS_T(MAAS_UINT64))

const MaasOp maas_op_prelu = {
    .name = "PRelu",
    .first = 1,
    .since = 7,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,
    .in = {{"X", MAAS_T_PRELU, 'T', 0}, {"slope", MAAS_T_PRELU, 'T', 0}},
    .out = {{"Y", MAAS_T_PRELU, 'T', 0}},
    .attrs = {{"maas_channels", MAAS_ATTR_INT, .required = false}},
    .adapt = adapt_prelu,
    .infer = infer_prelu,
    .compute = compute_prelu,
    .batch = maas_batch_elementwise,
    .grad = grad_prelu,
};

/* ---- Clip ---- */

/* Before opset 11 the bounds are float attributes, whatever the type of the input. */
static MaasStatus adapt_clip(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version < 11) {
        maas_adapt_rename_attr(node, "min", "maas_min");
        maas_adapt_rename_attr(node, "max", "maas_max");
    }
    return maas_adapt_consumed(graph, node, version, err);
}

static MaasStatus infer_clip(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_scalar(c, 1));
    MAAS_TRY(maas_infer_scalar(c, 2));
    return maas_infer_same(c);
}

typedef struct Clip {
    MaasClipFn fn;
    const char *x;
    char *y;
    size_t size;
    uint64_t low, high; /* room for one element of any type */
} Clip;

static void clip_piece(void *arg, int64_t from, int64_t to)
{
    const Clip *job = arg;

    job->fn(job->x + (size_t)from * job->size, job->y + (size_t)from * job->size, to - from, &job->low, &job->high);
}

void maas_clip_bound(const MaasTensor *bound, const MaasAttr *old, bool low, MaasType type, uint64_t *element)
{
    static const int64_t lowest[] = {[1] = INT8_MIN, [2] = INT16_MIN, [4] = INT32_MIN, [8] = INT64_MIN};
    static const int64_t highest[] = {[1] = INT8_MAX, [2] = INT16_MAX, [4] = INT32_MAX, [8] = INT64_MAX};
    const size_t size = maas_type_size(type);
    const bool is_signed = maas_type_in(type, MAAS_T_SIGNED);
    const float f = old->set ? old->f : low ? -INFINITY : INFINITY;
    const int64_t v = low ? (is_signed ? lowest[size] : 0) : (is_signed ? highest[size] : -1);

    if (bound)
        memcpy(element, bound->data, size);
    else if (type == MAAS_FLOAT || type == MAAS_DOUBLE)
        maas_convert(MAAS_FLOAT, &f, type, element, 1, NULL);
    else
        maas_convert(MAAS_INT64, &v, type, element, 1, NULL);
}

static MaasStatus compute_clip(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    Clip job = {.fn = maas_kernel->clip(x->type), .x = x->data, .y = y->data, .size = maas_type_size(x->type)};

    maas_clip_bound(maas_in(c, 1), &c->attr[0], true, x->type, &job.low);
    maas_clip_bound(maas_in(c, 2), &c->attr[1], false, x->type, &job.high);
    return maas_parallel(c, x->count, 65536, clip_piece, &job);
}

static void grad_clip(MaasGrad *g)
{
    int dx =
        MAAS_GRAD(g, "ClipGrad", maas_grad_dy(g, 0), maas_grad_in(g, 0), maas_grad_in(g, 1), maas_grad_in(g, 2));

    maas_grad_copy_attrs(g, 0, 2);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_clip = {
    .name = "Clip",
    .first = 1,
    .since = 11,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,
    .in = {{"input", MAAS_T_NUMERIC, 'T', 0},
           {"min", MAAS_T_NUMERIC, 'T', MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"max", MAAS_T_NUMERIC, 'T', MAAS_OPTIONAL | MAAS_NO_GRAD}},
    .out = {{"output", MAAS_T_NUMERIC, 'T', 0}},
    .attrs = {{"maas_min", MAAS_ATTR_FLOAT, .required = false}, {"maas_max", MAAS_ATTR_FLOAT, .required = false}},
    .adapt = adapt_clip,
    .infer = infer_clip,
    .compute = compute_clip,
    .batch = maas_batch_each,
    .grad = grad_clip,
};
