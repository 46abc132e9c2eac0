/*
 * binary.c - arithmetic of two arguments and of any number, with broadcasting.  Comparisons stand in compare.c.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/convert.h"
#include "adapt.h"
#include "batch.h"
#include "broadcast.h"
#include "elementwise_grad.h"
#include "expect.h"

#define BINARY(id, NAME, since_opset, types, compute_fn)                                                           \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = since_opset,                                                                                      \
        .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,                                                           \
        .in = {{"A", types, 'T', 0}, {"B", types, 'T', 0}},                                                        \
        .out = {{"C", types, 'T', 0}},                                                                             \
        .attrs = {MAAS_OLD_AXIS},                                                                                  \
        .adapt = maas_adapt_old_broadcast,                                                                         \
        .infer = maas_infer_binary,                                                                                \
        .sizes = maas_sizes_##id,                                                                                  \
        .compute = compute_fn,                                                                                     \
        .batch = maas_batch_##id,                                                                                  \
        .grad = grad_##id,                                                                                         \
    };

static MaasStatus compute_binary(MaasCtx *c, MaasBinary op)
{
    const MaasTensor b = maas_second_operand(c);

    return maas_binary(c, op, maas_in(c, 0), &b, maas_out(c, 0));
}

static MaasStatus compute_add(MaasCtx *c)
{
    return compute_binary(c, MAAS_BIN_ADD);
}

static MaasStatus compute_sub(MaasCtx *c)
{
    return compute_binary(c, MAAS_BIN_SUB);
}

static MaasStatus compute_mul(MaasCtx *c)
{
    return compute_binary(c, MAAS_BIN_MUL);
}

/* ---- division: an integer divisor of 0 is an error ---- */

static int64_t find_zero(const MaasTensor *t)
{
    static const char zeros[8];
    const size_t size = maas_type_size(t->type);
    const char *data = t->data;

    for (int64_t i = 0; i < t->count; i++)
        if (memcmp(data + (size_t)i * size, zeros, size) == 0)
            return i;
    return -1;
}

static MaasStatus check_divisor(MaasCtx *c)
{
    const MaasTensor *b = maas_in(c, 1);
    int64_t at;

    if (!maas_type_is_int(b->type) || maas_out(c, 0)->count == 0 || (at = find_zero(b)) < 0)
        return MAAS_OK;
    return maas_node_fail(c, MAAS_ERR_VALUE, "division by zero: element %lld of input B is 0", (long long)at);
}

static MaasStatus compute_div(MaasCtx *c)
{
    MAAS_TRY(check_divisor(c));
    return compute_binary(c, MAAS_BIN_DIV);
}

static void grad_add(MaasGrad *g)
{
    int b = maas_grad_second(g), dy = maas_grad_dy(g, 0);

    maas_grad_give_summed(g, 0, dy);
    maas_grad_give_second(g, b, dy);
}

static void grad_sub(MaasGrad *g)
{
    int b = maas_grad_second(g), dy = maas_grad_dy(g, 0);

    maas_grad_give_summed(g, 0, dy);
    if (maas_grad_wants(g, 1))
        maas_grad_give_second(g, b, maas_grad_neg(g, dy));
}

static void grad_mul(MaasGrad *g)
{
    int b = maas_grad_second(g), dy = maas_grad_dy(g, 0);

    if (maas_grad_wants(g, 0))
        maas_grad_give_summed(g, 0, maas_grad_mul(g, dy, b));
    if (maas_grad_wants(g, 1))
        maas_grad_give_second(g, b, maas_grad_mul(g, dy, maas_grad_in(g, 0)));
}

/* da = dy / b, db = -da y */
static void grad_div(MaasGrad *g)
{
    int b = maas_grad_second(g), da = maas_grad_div(g, maas_grad_dy(g, 0), b);

    maas_grad_give_summed(g, 0, da);
    if (maas_grad_wants(g, 1))
        maas_grad_give_second(g, b, maas_grad_neg(g, maas_grad_mul(g, da, maas_grad_out(g, 0))));
}

BINARY(add, "Add", 7, MAAS_T_NUMERIC, compute_add)
BINARY(sub, "Sub", 7, MAAS_T_NUMERIC, compute_sub)
BINARY(mul, "Mul", 7, MAAS_T_NUMERIC, compute_mul)
BINARY(div, "Div", 7, MAAS_T_NUMERIC, compute_div)

/* ---- Mod; fmod = 0 for floating types, too, as opset 28 has it ---- */

static MaasStatus infer_mod(MaasInferCtx *c)
{
    const int64_t fmod = c->attr[0].i;

    if (fmod != 0 && fmod != 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "fmod must be 0 or 1, got %lld", (long long)fmod);
    return maas_infer_broadcast(c);
}

static MaasStatus compute_mod(MaasCtx *c)
{
    MAAS_TRY(check_divisor(c));
    return maas_binary(c, c->attr[0].i ? MAAS_BIN_FMOD : MAAS_BIN_MOD, maas_in(c, 0), maas_in(c, 1),
                       maas_out(c, 0));
}

/* y = a - q b with a whole q: da = dy, db = -q dy */
static void grad_mod(MaasGrad *g)
{
    int a = maas_grad_in(g, 0), b = maas_grad_in(g, 1), y = maas_grad_out(g, 0), dy = maas_grad_dy(g, 0);

    maas_grad_give_summed(g, 0, dy);
    if (maas_grad_wants(g, 1)) {
        int q = MAAS_GRAD(g, "Round", maas_grad_div(g, MAAS_GRAD(g, "Sub", a, y), b));

        maas_grad_give_summed(g, 1, maas_grad_neg(g, maas_grad_mul(g, dy, q)));
    }
}

const MaasOp maas_op_mod = {
    .name = "Mod",
    .first = 10,
    .since = 10,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,
    .in = {{"A", MAAS_T_NUMERIC, 'T', 0}, {"B", MAAS_T_NUMERIC, 'T', 0}},
    .out = {{"C", MAAS_T_NUMERIC, 'T', 0}},
    .attrs = {{"fmod", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_mod,
    .compute = compute_mod,
    .batch = maas_batch_elementwise,
    .grad = grad_mod,
};

/* ---- Pow: base and exponent may differ in type; the result has the base's ---- */

/* t itself or, converted to type, a copy in scratch memory; data NULL when there is none. */
static MaasTensor converted(MaasCtx *c, const MaasTensor *t, MaasType type)
{
    MaasTensor copy = *t;

    if (t->type == type)
        return copy;
    copy.type = type;
    copy.data = maas_scratch(c, (size_t)t->count, maas_type_size(type));
    if (copy.data)
        maas_convert(t->type, t->data, type, copy.data, t->count, NULL);
    return copy;
}

typedef struct PowCheck {
    const MaasTensor *base, *exponent;
    int64_t bad; /* the exponent's index, -1 when all is well */
} PowCheck;

/* A negative integer power of 0 divides by zero. */
static void check_pow_block(void *arg, const int64_t *at, int64_t out, int64_t rows, int64_t cols,
                            const int64_t *steps)
{
    PowCheck *check = arg;

    (void)out;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < cols; i++) {
            int64_t a = at[0] + r * steps[0] + i * steps[1], b = at[1] + r * steps[2] + i * steps[3];

            if (maas_int_at(check->exponent, b) < 0 && maas_int_at(check->base, a) == 0)
                check->bad = b;
        }
    }
}

static MaasStatus compute_pow_ints(MaasCtx *c, const MaasTensor *x, const MaasTensor *e)
{
    const MaasTensor *const in[] = {x, e}, *z = maas_out(c, 0);
    PowCheck check = {x, e, -1};
    MaasTensor base, exponent, wide = *z;
    MaasBroadcast plan;

    maas_broadcast_plan(&plan, z->rank, z->dims, 2, in);
    if (maas_type_in(e->type, MAAS_T_SIGNED)) {
        MAAS_TRY(maas_broadcast_run(c, &plan, check_pow_block, &check));
        if (check.bad >= 0)
            return maas_node_fail(c, MAAS_ERR_VALUE,
                                  "division by zero: 0 to the power of element %lld of input Y, %lld",
                                  (long long)check.bad, (long long)maas_int_at(e, check.bad));
    }
    base = converted(c, x, MAAS_INT64);
    exponent = converted(c, e, MAAS_INT64);
    if ((!base.data && x->count > 0) || (!exponent.data && e->count > 0))
        return maas_scratch_failed(c);
    if (z->type == MAAS_INT64)
        return maas_binary(c, MAAS_BIN_POW, &base, &exponent, z);
    wide.type = MAAS_INT64;
    wide.data = maas_scratch(c, (size_t)z->count, sizeof(int64_t));
    if (!wide.data && z->count > 0)
        return maas_scratch_failed(c);
    MAAS_TRY(maas_binary(c, MAAS_BIN_POW, &base, &exponent, &wide));
    maas_convert(MAAS_INT64, wide.data, z->type, z->data, z->count, NULL);
    return MAAS_OK;
}

static MaasStatus compute_pow(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *z = maas_out(c, 0), e = maas_second_operand(c);
    MaasTensor base, exponent, wide = *z;

    if (x->type == e.type && maas_type_is_float(x->type))
        return maas_binary(c, MAAS_BIN_POW, x, &e, z);
    if (maas_type_is_int(x->type) && maas_type_is_int(e.type))
        return compute_pow_ints(c, x, &e);
    if (x->type == MAAS_FLOAT && e.count == 1) { /* the usual x^2 with an integer 2 */
        exponent = converted(c, &e, MAAS_FLOAT);
        if (!exponent.data)
            return maas_scratch_failed(c);
        return maas_binary(c, MAAS_BIN_POW, x, &exponent, z);
    }
    base = converted(c, x, MAAS_DOUBLE);
    exponent = converted(c, &e, MAAS_DOUBLE);
    wide.type = MAAS_DOUBLE;
    wide.data = maas_scratch(c, (size_t)z->count, sizeof(double));
    if ((!base.data && x->count > 0) || (!exponent.data && e.count > 0) || (!wide.data && z->count > 0))
        return maas_scratch_failed(c);
    MAAS_TRY(maas_binary(c, MAAS_BIN_POW, &base, &exponent, &wide));
    maas_convert(MAAS_DOUBLE, wide.data, z->type, z->data, z->count, NULL);
    return MAAS_OK;
}

/* da = dy b a^(b - 1); db = dy y log(a), zero where a is 0 or less */
static void grad_pow(MaasGrad *g)
{
    int a = maas_grad_in(g, 0), b = maas_grad_second(g), dy = maas_grad_dy(g, 0);

    if (maas_grad_wants(g, 0)) {
        int e = b;

        if (maas_grad_info(g, maas_grad_in(g, 1))->type != maas_grad_info(g, a)->type) {
            e = MAAS_GRAD(g, "Cast", b);
            maas_grad_set_int(g, "to", maas_grad_info(g, a)->type);
        }
        int power = MAAS_GRAD(g, "Pow", a, MAAS_GRAD(g, "Sub", e, maas_grad_number(g, a, 1)));

        maas_grad_give_summed(g, 0, maas_grad_mul(g, dy, maas_grad_mul(g, e, power)));
    }
    if (maas_grad_wants(g, 1)) {
        int zero = maas_grad_number(g, a, 0), positive = MAAS_GRAD(g, "Greater", a, zero);
        int slope = maas_grad_mul(g, maas_grad_out(g, 0), MAAS_GRAD(g, "Log", a));

        if (maas_grad_info(g, maas_grad_in(g, 1))->type != maas_grad_info(g, a)->type)
            maas_grad_refuse(g, "base and exponent of different types");
        maas_grad_give_second(g, b, maas_grad_mul(g, dy, MAAS_GRAD(g, "Where", positive, slope, zero)));
    }
}

#define MAAS_T_POW (MAAS_T_FLOATS | MAAS_T_INDEX)

const MaasOp maas_op_pow = {
    .name = "Pow",
    .first = 1,
    .since = 7,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_POW, 'T', 0}, {"Y", MAAS_T_NUMERIC, 0, 0}},
    .out = {{"Z", MAAS_T_POW, 'T', 0}},
    .attrs = {MAAS_OLD_AXIS},
    .adapt = maas_adapt_old_broadcast,
    .infer = maas_infer_binary,
    .compute = compute_pow,
    .batch = maas_batch_elementwise,
    .grad = grad_pow,
};

/* ---- Sum, Mean, Max, Min: any number of arguments, gathered in the output ---- */

static MaasStatus compute_variadic(MaasCtx *c, MaasBinary op)
{
    const MaasTensor *out = maas_out(c, 0);

    if (c->n_in == 1) {
        if (out->count > 0)
            memcpy(out->data, maas_in(c, 0)->data, maas_tensor_bytes(out));
        return MAAS_OK;
    }
    MAAS_TRY(maas_binary(c, op, maas_in(c, 0), maas_in(c, 1), out));
    for (int i = 2; i < c->n_in; i++)
        MAAS_TRY(maas_binary(c, op, out, maas_in(c, i), out));
    return MAAS_OK;
}

static MaasStatus compute_sum(MaasCtx *c)
{
    return compute_variadic(c, MAAS_BIN_ADD);
}

static MaasStatus compute_mean(MaasCtx *c)
{
    const MaasTensor *out = maas_out(c, 0);
    float n32 = (float)c->n_in;
    double n64 = c->n_in;
    MaasTensor n = {.type = out->type, .count = 1, .data = out->type == MAAS_FLOAT ? (void *)&n32 : (void *)&n64};

    MAAS_TRY(compute_variadic(c, MAAS_BIN_ADD));
    return maas_binary(c, MAAS_BIN_DIV, out, &n, out);
}

static MaasStatus compute_max(MaasCtx *c)
{
    return compute_variadic(c, MAAS_BIN_MAX);
}

static MaasStatus compute_min(MaasCtx *c)
{
    return compute_variadic(c, MAAS_BIN_MIN);
}

static void grad_sum(MaasGrad *g)
{
    for (int i = 0; i < maas_grad_n_in(g); i++)
        maas_grad_give_summed(g, i, maas_grad_dy(g, 0));
}

static void grad_mean(MaasGrad *g)
{
    int n = maas_grad_number(g, maas_grad_in(g, 0), maas_grad_n_in(g));
    int each = maas_grad_div(g, maas_grad_dy(g, 0), n);

    for (int i = 0; i < maas_grad_n_in(g); i++)
        maas_grad_give_summed(g, i, each);
}

/* dy goes to the arguments that equal the result, in equal parts. */
static void grad_extreme(MaasGrad *g)
{
    int y = maas_grad_out(g, 0), total = MAAS_NO_VALUE;

    for (int i = 0; i < maas_grad_n_in(g); i++) {
        int equal = MAAS_GRAD(g, "Cast", MAAS_GRAD(g, "Equal", maas_grad_in(g, i), y));

        maas_grad_set_int(g, "to", maas_grad_info(g, y)->type);
        total = i == 0 ? equal : MAAS_GRAD(g, "Add", total, equal);
    }
    int zero = maas_grad_number(g, y, 0), each = maas_grad_div(g, maas_grad_dy(g, 0), total);

    for (int i = 0; i < maas_grad_n_in(g); i++)
        if (maas_grad_wants(g, i)) {
            int equal = MAAS_GRAD(g, "Equal", maas_grad_in(g, i), y);

            maas_grad_give_summed(g, i, MAAS_GRAD(g, "Where", equal, each, zero));
        }
}

#define VARIADIC(id, NAME, types, grad_fn)                                                                         \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = 8,                                                                                                \
        .flags = MAAS_OP_HALF_VIA_F32,                                                                             \
        .in = {{"data_0", types, 'T', MAAS_VARIADIC}},                                                             \
        .out = {{#id, types, 'T', 0}},                                                                             \
        .adapt = maas_adapt_consumed,                                                                              \
        .infer = maas_infer_broadcast,                                                                             \
        .compute = compute_##id,                                                                                   \
        .batch = maas_batch_elementwise,                                                                           \
        .grad = grad_fn,                                                                                           \
    };
VARIADIC(sum, "Sum", MAAS_T_FLOATS, grad_sum)
VARIADIC(mean, "Mean", MAAS_T_FLOATS, grad_mean)
VARIADIC(max, "Max", MAAS_T_NUMERIC, grad_extreme)
VARIADIC(min, "Min", MAAS_T_NUMERIC, grad_extreme)
