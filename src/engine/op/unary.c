/*
 * unary.c - operators of one argument without parameters: arithmetic, elementary functions, tests for NaN and
 * infinity.  Activations stand in activation.c.
 */
#include <string.h>

#include "adapt.h"
#include "batch.h"
#include "broadcast.h"
#include "elementwise_grad.h"

#define COMPUTE(id, kernel)                                                                                        \
    static MaasStatus compute_##id(MaasCtx *c)                                                                     \
    {                                                                                                              \
        return maas_unary_node(c, kernel, 0, 0);                                                                   \
    }

#define RECORD(id, NAME, first_opset, since_opset, types, adapt_fn, more, grad_fn)                                 \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = first_opset,                                                                                      \
        .since = since_opset,                                                                                      \
        .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE | (more),                                                  \
        .in = {{"X", types, 'T', 0}},                                                                              \
        .out = {{"Y", types, 'T', 0}},                                                                             \
        .adapt = adapt_fn,                                                                                         \
        .infer = maas_infer_same,                                                                                  \
        .compute = compute_##id,                                                                                   \
        .batch = maas_batch_elementwise,                                                                           \
        .grad = grad_fn,                                                                                           \
    };

#define UNARY(id, NAME, kernel, first_opset, since_opset, types, adapt_fn)                                         \
    static void grad_##id(MaasGrad *g)                                                                             \
    {                                                                                                              \
        maas_grad_unary(g, kernel, 0, 0);                                                                          \
    }                                                                                                              \
    COMPUTE(id, kernel)                                                                                            \
    RECORD(id, NAME, first_opset, since_opset, types, adapt_fn, 0, grad_##id)

/* Functions that are constant between their jumps. */
#define STEPS(id, NAME, kernel, first_opset, since_opset, types, adapt_fn)                                         \
    COMPUTE(id, kernel)                                                                                            \
    RECORD(id, NAME, first_opset, since_opset, types, adapt_fn, MAAS_OP_NO_SLOPE, NULL)

UNARY(abs, "Abs", MAAS_UN_ABS, 1, 6, MAAS_T_NUMERIC, maas_adapt_consumed)

static void grad_neg(MaasGrad *g)
{
    maas_grad_give(g, 0, maas_grad_neg(g, maas_grad_dy(g, 0)));
}

COMPUTE(neg, MAAS_UN_NEG)
RECORD(neg, "Neg", 1, 6, MAAS_T_FLOATS | MAAS_T_SIGNED, maas_adapt_consumed, 0, grad_neg)

STEPS(sign, "Sign", MAAS_UN_SIGN, 9, 9, MAAS_T_NUMERIC, NULL)
STEPS(ceil, "Ceil", MAAS_UN_CEIL, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed)
STEPS(floor, "Floor", MAAS_UN_FLOOR, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed)
STEPS(round, "Round", MAAS_UN_ROUND, 11, 11, MAAS_T_FLOATS, NULL)
UNARY(sqrt, "Sqrt", MAAS_UN_SQRT, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed)
UNARY(reciprocal, "Reciprocal", MAAS_UN_RECIPROCAL, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed)
UNARY(exp, "Exp", MAAS_UN_EXP, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed)
UNARY(log, "Log", MAAS_UN_LOG, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed)
UNARY(sin, "Sin", MAAS_UN_SIN, 7, 7, MAAS_T_FLOATS, NULL)
UNARY(cos, "Cos", MAAS_UN_COS, 7, 7, MAAS_T_FLOATS, NULL)
UNARY(tan, "Tan", MAAS_UN_TAN, 7, 7, MAAS_T_FLOATS, NULL)
UNARY(asin, "Asin", MAAS_UN_ASIN, 7, 7, MAAS_T_FLOATS, NULL)
UNARY(acos, "Acos", MAAS_UN_ACOS, 7, 7, MAAS_T_FLOATS, NULL)
UNARY(atan, "Atan", MAAS_UN_ATAN, 7, 7, MAAS_T_FLOATS, NULL)
UNARY(sinh, "Sinh", MAAS_UN_SINH, 9, 9, MAAS_T_FLOATS, NULL)
UNARY(cosh, "Cosh", MAAS_UN_COSH, 9, 9, MAAS_T_FLOATS, NULL)
UNARY(tanh, "Tanh", MAAS_UN_TANH, 1, 6, MAAS_T_FLOATS, maas_adapt_consumed)
UNARY(asinh, "Asinh", MAAS_UN_ASINH, 9, 9, MAAS_T_FLOATS, NULL)
UNARY(acosh, "Acosh", MAAS_UN_ACOSH, 9, 9, MAAS_T_FLOATS, NULL)
UNARY(atanh, "Atanh", MAAS_UN_ATANH, 9, 9, MAAS_T_FLOATS, NULL)
UNARY(erf, "Erf", MAAS_UN_ERF, 9, 9, MAAS_T_FLOATS, NULL)
STEPS(not, "Not", MAAS_UN_NOT, 1, 1, MAAS_T_BOOL, NULL)
STEPS(bitwise_not, "BitwiseNot", MAAS_UN_BIT_NOT, 18, 18, MAAS_T_INTS, NULL)

/* ---- IsNaN, IsInf: 8-bit floats by a table of their 256 values ---- */

#define MAAS_T_TESTED                                                                                              \
    (MAAS_T_FLOATS | MAAS_T(MAAS_FLOAT8E4M3FN) | MAAS_T(MAAS_FLOAT8E4M3FNUZ) | MAAS_T(MAAS_FLOAT8E5M2) |           \
     MAAS_T(MAAS_FLOAT8E5M2FNUZ))

static MaasStatus test_float(MaasCtx *c, MaasUnary op, float p0, float p1)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    const float p[2] = {p0, p1};
    uint8_t table[256];

    if (x->type == MAAS_FLOAT || x->type == MAAS_DOUBLE)
        return maas_unary(c, op, x, y, p0, p1);
    for (int bits = 0; bits < 256; bits++) {
        const float value = maas_small_to_f32(x->type, (uint8_t)bits);

        maas_kernel->unary(op, MAAS_FLOAT)(&value, &table[bits], 1, p);
    }
    for (int64_t i = 0; i < x->count; i++)
        MAAS_U8(y)[i] = table[MAAS_U8(x)[i]];
    return MAAS_OK;
}

static MaasStatus compute_isnan(MaasCtx *c)
{
    return test_float(c, MAAS_UN_IS_NAN, 0, 0);
}

static MaasStatus compute_isinf(MaasCtx *c)
{
    return test_float(c, MAAS_UN_IS_INF, c->attr[0].i != 0, c->attr[1].i != 0);
}

const MaasOp maas_op_isnan = {
    .name = "IsNaN",
    .first = 9,
    .since = 9,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_NO_SLOPE,
    .in = {{"X", MAAS_T_TESTED, 0, 0}},
    .out = {{"Y", MAAS_T_BOOL, 0, 0}},
    .infer = maas_infer_same,
    .compute = compute_isnan,
    .batch = maas_batch_elementwise,
};

const MaasOp maas_op_isinf = {
    .name = "IsInf",
    .first = 10,
    .since = 10,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_NO_SLOPE,
    .in = {{"X", MAAS_T_TESTED, 0, 0}},
    .out = {{"Y", MAAS_T_BOOL, 0, 0}},
    .attrs = {{"detect_negative", MAAS_ATTR_INT, .i = 1}, {"detect_positive", MAAS_ATTR_INT, .i = 1}},
    .infer = maas_infer_same,
    .compute = compute_isinf,
    .batch = maas_batch_elementwise,
};

/* ---- Identity ---- */

static MaasStatus infer_identity(MaasInferCtx *c)
{
    if (c->out[0])
        *c->out[0] = *c->in[0];
    return MAAS_OK;
}

/* Tensors are views; this is for sequences, maps and optionals. */
static MaasStatus compute_identity(MaasCtx *c)
{
    maas_out_take(c, 0, maas_value_ref(c->in[0]));
    return MAAS_OK;
}

static void grad_identity(MaasGrad *g)
{
    maas_grad_give(g, 0, maas_grad_dy(g, 0));
}

const MaasOp maas_op_identity = {
    .name = "Identity",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_VIEW,
    .in = {{"input", MAAS_T_ANY | MAAS_T_SEQUENCE | MAAS_T_OPTIONAL | MAAS_T_MAP, 'V', 0}},
    .out = {{"output", MAAS_T_ANY | MAAS_T_SEQUENCE | MAAS_T_OPTIONAL | MAAS_T_MAP, 'V', 0}},
    .infer = infer_identity,
    .compute = compute_identity,
    .batch = maas_batch_cast,
    .grad = grad_identity,
};
