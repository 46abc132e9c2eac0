/*
 * cast.c - Cast and CastLike: every element type to every other but complex.
 *
 * base/convert.h has the rules.  float32 to and from the 16-bit floats goes through the vectorised kernels.
 */
#include <string.h>

#include "../base/convert.h"
#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"

#define MAAS_T_CAST (MAAS_T_ANY & ~MAAS_T_COMPLEX)

/* ---- older opsets, types ---- */

/* In opset 1 the type is a name. */
static MaasStatus adapt_cast(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    const MaasAttr *to = maas_adapt_attr(node, "to");
    char name[32];
    MaasType type;

    if (version >= 6 || !to || to->kind != MAAS_ATTR_STRING)
        return MAAS_OK;
    type = MAAS_UNDEFINED;
    if (to->s.length < sizeof name) {
        for (size_t i = 0; i < to->s.length; i++)
            name[i] = (char)(to->s.data[i] >= 'A' && to->s.data[i] <= 'Z' ? to->s.data[i] + 32 : to->s.data[i]);
        type = maas_type_from_name(name, to->s.length);
    }
    if (type == MAAS_UNDEFINED)
        return maas_adapt_fail(node, err, MAAS_ERR_VALUE, "attribute to names no element type: \"%.*s\"",
                               (int)(to->s.length < 100 ? to->s.length : 100), to->s.data);
    return maas_adapt_set_int(graph, node, "to", type, err);
}

#define ROUND_MODE 0
#define SATURATE 1
#define TO 2

static MaasStatus check_round_mode(const MaasInferCtx *c)
{
    const MaasStr mode = c->attr[ROUND_MODE].s;

    if (maas_text_is(mode, "up") || maas_text_is(mode, "down") || maas_text_is(mode, "nearest"))
        return MAAS_OK;
    return maas_infer_fail(c, MAAS_ERR_VALUE, "round_mode must be up, down or nearest, got \"%.*s\"",
                           (int)(mode.length < 100 ? mode.length : 100), mode.data);
}

static MaasStatus infer_cast(MaasInferCtx *c)
{
    const int64_t to = c->attr[TO].i;

    MAAS_TRY(check_round_mode(c));
    if (to <= 0 || to >= MAAS_NTYPES || !maas_type_in((MaasType)to, MAAS_T_CAST))
        return maas_infer_fail(c, MAAS_ERR_TYPE,
                               "attribute to names element type %lld (%s), which Cast cannot make", (long long)to,
                               to > 0 && to < MAAS_NTYPES ? maas_type_name((MaasType)to) : "unknown");
    return maas_infer_out(c, 0, (MaasType)to, c->in[0]->rank, c->in[0]->dims);
}

static MaasStatus infer_cast_like(MaasInferCtx *c)
{
    MAAS_TRY(check_round_mode(c));
    return maas_infer_same(c);
}

/* ---- computing ---- */

typedef struct Job {
    MaasType from, to;
    const char *x;
    char *y;
    MaasCastRules rules;
} Job;

static void cast_piece(void *arg, int64_t from, int64_t to)
{
    const Job *job = arg;
    const void *x = job->x + (size_t)from * maas_type_size(job->from);
    void *y = job->y + (size_t)from * maas_type_size(job->to);
    const int64_t n = to - from;

    if (job->from == MAAS_FLOAT && job->to == MAAS_FLOAT16)
        maas_kernel->f32_to_f16(x, y, n);
    else if (job->from == MAAS_FLOAT && job->to == MAAS_BFLOAT16)
        maas_kernel->f32_to_bf16(x, y, n);
    else if (job->from == MAAS_FLOAT16 && job->to == MAAS_FLOAT)
        maas_kernel->f16_to_f32(x, y, n);
    else if (job->from == MAAS_BFLOAT16 && job->to == MAAS_FLOAT)
        maas_kernel->bf16_to_f32(x, y, n);
    else
        maas_convert(job->from, x, job->to, y, n, &job->rules);
}

static MaasStatus to_strings(MaasCtx *c, const MaasTensor *x, MaasTensor *y)
{
    const size_t size = maas_type_size(x->type);
    char text[MAAS_NUMBER_TEXT];

    for (int64_t i = 0; i < x->count; i++) {
        size_t length = maas_number_to_string(x->type, (const char *)x->data + (size_t)i * size, text);
        char *copy = maas_run_string(c, length);

        if (!copy)
            return c->err->status != MAAS_OK ? c->err->status : MAAS_ERR_MEMORY;
        memcpy(copy, text, length);
        MAAS_STRS(y)[i] = (MaasStr){copy, length};
        if (i % 4096 == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

static MaasStatus from_strings(MaasCtx *c, const MaasTensor *x, MaasTensor *y, const MaasCastRules *rules)
{
    const size_t size = maas_type_size(y->type);
    MaasError why;

    for (int64_t i = 0; i < x->count; i++) {
        if (maas_string_to_number(MAAS_STRS(x)[i], y->type, (char *)y->data + (size_t)i * size, rules, false,
                                  &why) != MAAS_OK)
            return maas_node_fail(c, why.status, "element %lld: %s", (long long)i, why.message);
        if (i % 4096 == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

static MaasStatus compute_cast(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    const MaasStr mode = c->attr[ROUND_MODE].s;
    Job job = {.from = x->type, .to = y->type, .x = x->data, .y = y->data};

    job.rules.wrap_float8 = c->attr[SATURATE].i == 0;
    job.rules.round = maas_text_is(mode, "up")     ? MAAS_ROUND_UP
                      : maas_text_is(mode, "down") ? MAAS_ROUND_DOWN
                                                   : MAAS_ROUND_NEAREST;
    if (x->count == 0)
        return MAAS_OK;
    if (x->type == y->type) {
        memcpy(y->data, x->data, maas_tensor_bytes(x));
        return MAAS_OK;
    }
    if (y->type == MAAS_STRING)
        return to_strings(c, x, y);
    if (x->type == MAAS_STRING)
        return from_strings(c, x, y, &job.rules);
    return maas_parallel(c, x->count, 65536, cast_piece, &job);
}

#define CAST_ATTRS {"round_mode", MAAS_ATTR_STRING, .s = "up"}, {"saturate", MAAS_ATTR_INT, .i = 1}

/* Between floating types; other outputs have no gradient anyway. */
static void grad_cast(MaasGrad *g)
{
    int dx = MAAS_GRAD(g, "Cast", maas_grad_dy(g, 0));

    maas_grad_set_int(g, "to", maas_grad_info(g, maas_grad_in(g, 0))->type);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_cast = {
    .name = "Cast",
    .first = 1,
    .since = 6,
    .in = {{"input", MAAS_T_CAST, 0, 0}},
    .out = {{"output", MAAS_T_CAST, 0, 0}},
    .attrs = {CAST_ATTRS, {"to", MAAS_ATTR_INT, .required = true}},
    .adapt = adapt_cast,
    .infer = infer_cast,
    .sizes = maas_sizes_same,
    .compute = compute_cast,
    .batch = maas_batch_cast,
    .grad = grad_cast,
};

const MaasOp maas_op_cast_like = {
    .name = "CastLike",
    .first = 15,
    .since = 15,
    .in = {{"input", MAAS_T_CAST, 0, 0}, {"target_type", MAAS_T_CAST, 'T', 0}},
    .out = {{"output", MAAS_T_CAST, 'T', 0}},
    .attrs = {CAST_ATTRS},
    .infer = infer_cast_like,
    .compute = compute_cast,
    .batch = maas_batch_cast,
    .grad = grad_cast,
};
