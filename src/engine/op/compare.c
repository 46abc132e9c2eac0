/*
 * compare.c - comparisons, logic, operations on bits and Where.
 */
#include <string.h>

#include "adapt.h"
#include "batch.h"
#include "broadcast.h"
#include "dims.h"
#include "elementwise_grad.h"

/* ---- comparisons; a > b is b < a ---- */

static MaasStatus compare(MaasCtx *c, MaasBinary op, bool swapped)
{
    const MaasTensor *a = maas_in(c, 0), b = maas_second_operand(c);

    return swapped ? maas_binary(c, op, &b, a, maas_out(c, 0)) : maas_binary(c, op, a, &b, maas_out(c, 0));
}

static MaasStatus compute_less(MaasCtx *c)
{
    return compare(c, MAAS_BIN_LESS, false);
}

static MaasStatus compute_less_or_equal(MaasCtx *c)
{
    return compare(c, MAAS_BIN_LESS_EQUAL, false);
}

static MaasStatus compute_greater(MaasCtx *c)
{
    return compare(c, MAAS_BIN_LESS, true);
}

static MaasStatus compute_greater_or_equal(MaasCtx *c)
{
    return compare(c, MAAS_BIN_LESS_EQUAL, true);
}

typedef struct Strings {
    const MaasStr *a, *b;
    uint8_t *y;
} Strings;

static void equal_strings(void *arg, const int64_t *at, int64_t out, int64_t rows, int64_t cols,
                          const int64_t *steps)
{
    const Strings *s = arg;

    for (int64_t r = 0; r < rows; r++) {
        for (int64_t i = 0; i < cols; i++) {
            const MaasStr *a = &s->a[at[0] + r * steps[0] + i * steps[1]];
            const MaasStr *b = &s->b[at[1] + r * steps[2] + i * steps[3]];

            s->y[out + r * cols + i] =
                a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
        }
    }
}

static MaasStatus compute_equal(MaasCtx *c)
{
    const MaasTensor *a = maas_in(c, 0), b = maas_second_operand(c), *y = maas_out(c, 0);

    if (a->type == MAAS_STRING) {
        const MaasTensor *const in[] = {a, &b};
        Strings job = {MAAS_STRS(a), MAAS_STRS(&b), MAAS_U8(y)};
        MaasBroadcast plan;

        maas_broadcast_plan(&plan, y->rank, y->dims, 2, in);
        return maas_broadcast_run(c, &plan, equal_strings, &job);
    }
    return maas_binary(c, MAAS_BIN_EQUAL, a, &b, y);
}

#define COMPARE(id, NAME, first_opset, since_opset, types, adapt_fn, rows)                                         \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = first_opset,                                                                                      \
        .since = since_opset,                                                                                      \
        .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,                                                           \
        .in = {{"A", types, 'T', 0}, {"B", types, 'T', 0}},                                                        \
        .out = {{"C", MAAS_T_BOOL, 0, 0}},                                                                         \
        .attrs = {MAAS_OLD_AXIS},                                                                                  \
        .adapt = adapt_fn,                                                                                         \
        .infer = maas_infer_binary,                                                                                \
        .compute = compute_##id,                                                                                   \
        .batch = rows,                                                                                             \
    };

COMPARE(equal, "Equal", 1, 7, MAAS_T_NUMERIC | MAAS_T_BOOL | MAAS_T_STRING, maas_adapt_old_broadcast,
        maas_batch_equal)
COMPARE(less, "Less", 1, 7, MAAS_T_NUMERIC, maas_adapt_old_broadcast, maas_batch_elementwise)
COMPARE(greater, "Greater", 1, 7, MAAS_T_NUMERIC, maas_adapt_old_broadcast, maas_batch_elementwise)
COMPARE(less_or_equal, "LessOrEqual", 12, 12, MAAS_T_NUMERIC, NULL, maas_batch_elementwise)
COMPARE(greater_or_equal, "GreaterOrEqual", 12, 12, MAAS_T_NUMERIC, NULL, maas_batch_elementwise)

/* ---- logic and bits: the same kernels, since a bool is 0 or 1 ---- */

static MaasStatus compute_and(MaasCtx *c)
{
    return compare(c, MAAS_BIN_AND, false);
}

static MaasStatus compute_or(MaasCtx *c)
{
    return compare(c, MAAS_BIN_OR, false);
}

static MaasStatus compute_xor(MaasCtx *c)
{
    return compare(c, MAAS_BIN_XOR, false);
}

#define BITS(id, NAME, first_opset, since_opset, types, adapt_fn, compute_fn)                                      \
    const MaasOp maas_op_##id = {                                                                                  \
        .name = NAME,                                                                                              \
        .first = first_opset,                                                                                      \
        .since = since_opset,                                                                                      \
        .flags = MAAS_OP_INPLACE,                                                                                  \
        .in = {{"A", types, 'T', 0}, {"B", types, 'T', 0}},                                                        \
        .out = {{"C", types, 'T', 0}},                                                                             \
        .attrs = {MAAS_OLD_AXIS},                                                                                  \
        .adapt = adapt_fn,                                                                                         \
        .infer = maas_infer_binary,                                                                                \
        .compute = compute_fn,                                                                                     \
        .batch = maas_batch_elementwise,                                                                           \
    };

BITS(and, "And", 1, 7, MAAS_T_BOOL, maas_adapt_old_broadcast, compute_and)
BITS(or, "Or", 1, 7, MAAS_T_BOOL, maas_adapt_old_broadcast, compute_or)
BITS(xor, "Xor", 1, 7, MAAS_T_BOOL, maas_adapt_old_broadcast, compute_xor)
BITS(bitwise_and, "BitwiseAnd", 18, 18, MAAS_T_INTS, NULL, compute_and)
BITS(bitwise_or, "BitwiseOr", 18, 18, MAAS_T_INTS, NULL, compute_or)
BITS(bitwise_xor, "BitwiseXor", 18, 18, MAAS_T_INTS, NULL, compute_xor)

/* ---- BitShift ---- */

static MaasStatus infer_bit_shift(MaasInferCtx *c)
{
    const MaasStr how = c->attr[0].s;

    if (!maas_text_is(how, "LEFT") && !maas_text_is(how, "RIGHT"))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "direction must be LEFT or RIGHT, got \"%.*s\"",
                               (int)(how.length < 100 ? how.length : 100), how.data);
    return maas_infer_broadcast(c);
}

static MaasStatus compute_bit_shift(MaasCtx *c)
{
    return maas_binary(c, maas_text_is(c->attr[0].s, "LEFT") ? MAAS_BIN_SHIFT_LEFT : MAAS_BIN_SHIFT_RIGHT,
                       maas_in(c, 0), maas_in(c, 1), maas_out(c, 0));
}

const MaasOp maas_op_bit_shift = {
    .name = "BitShift",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_INPLACE,
    .in = {{"X", MAAS_T_UNSIGNED, 'T', 0}, {"Y", MAAS_T_UNSIGNED, 'T', 0}},
    .out = {{"Z", MAAS_T_UNSIGNED, 'T', 0}},
    .attrs = {{"direction", MAAS_ATTR_STRING, .required = true}},
    .infer = infer_bit_shift,
    .compute = compute_bit_shift,
    .batch = maas_batch_elementwise,
};

/* ---- Where ---- */

typedef struct Select {
    MaasSelectFn fn;
    const uint8_t *cond;
    const char *a, *b;
    char *y;
    size_t size;
} Select;

static void select_block(void *arg, const int64_t *at, int64_t out, int64_t rows, int64_t cols,
                         const int64_t *steps)
{
    const Select *job = arg;

    job->fn(job->cond + at[0], job->a + (size_t)at[1] * job->size, job->b + (size_t)at[2] * job->size,
            job->y + (size_t)out * job->size, rows, cols, steps);
}

static MaasStatus compute_where(MaasCtx *c)
{
    const MaasTensor *const in[] = {maas_in(c, 0), maas_in(c, 1), maas_in(c, 2)}, *y = maas_out(c, 0);
    const size_t size = maas_type_size(y->type);
    Select job = {maas_kernel->select(size), MAAS_U8(in[0]), in[1]->data, in[2]->data, y->data, size};
    MaasBroadcast plan;

    maas_broadcast_plan(&plan, y->rank, y->dims, 3, in);
    return maas_broadcast_run(c, &plan, select_block, &job);
}

static void grad_where(MaasGrad *g)
{
    int cond = maas_grad_in(g, 0), dy = maas_grad_dy(g, 0), zero = maas_grad_number(g, maas_grad_out(g, 0), 0);

    if (maas_grad_wants(g, 1))
        maas_grad_give_summed(g, 1, MAAS_GRAD(g, "Where", cond, dy, zero));
    if (maas_grad_wants(g, 2))
        maas_grad_give_summed(g, 2, MAAS_GRAD(g, "Where", cond, zero, dy));
}

const MaasOp maas_op_where = {
    .name = "Where",
    .first = 9,
    .since = 9,
    .flags = MAAS_OP_INPLACE,
    .in = {{"condition", MAAS_T_BOOL, 0, 0}, {"X", MAAS_T_ANY, 'T', 0}, {"Y", MAAS_T_ANY, 'T', 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .infer = maas_infer_broadcast,
    .compute = compute_where,
    .batch = maas_batch_where,
    .grad = grad_where,
};
