/*
 * optional.c - Optional, OptionalGetElement, OptionalHasElement.
 */
#include "dims.h"
#include "loop.h"

static MaasStatus infer_optional(MaasInferCtx *c)
{
    MaasInfo *elem;

    if (!maas_present(c, 0) && !c->attr[0].set)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "without an input, attribute type must say what is missing");
    elem = maas_infer_copy(c, maas_present(c, 0) ? c->in[0] : c->attr[0].info);
    if (!elem)
        return c->err->status;
    if (c->n_out > 0 && c->out[0])
        *c->out[0] = (MaasInfo){.kind = MAAS_KIND_OPTIONAL, .rank = -1, .elem = elem};
    return MAAS_OK;
}

static MaasStatus compute_optional(MaasCtx *c)
{
    MaasValue *some = c->n_in > 0 && c->in[0] ? maas_value_ref(c->in[0]) : NULL, *out;

    MAAS_TRY(maas_value_new_optional(maas_run_mem(c), some, &out, c->err));
    maas_out_take(c, 0, out);
    return MAAS_OK;
}

const MaasOp maas_op_optional = {
    .name = "Optional",
    .first = 15,
    .since = 15,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"input", MAAS_T_ANY | MAAS_T_SEQUENCE, 0, MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_OPTIONAL, 0, 0}},
    .attrs = {{"type", MAAS_ATTR_TYPE_PROTO, .required = false}},
    .infer = infer_optional,
    .compute = compute_optional,
};

/* Since opset 18 a tensor or a sequence passes through. */
static MaasStatus infer_optional_get(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0], *elem = in->kind == MAAS_KIND_OPTIONAL ? in->elem : in;

    if (c->n_out < 1 || !c->out[0])
        return MAAS_OK;
    *c->out[0] = elem ? *elem : (MaasInfo){.kind = MAAS_KIND_UNKNOWN, .rank = -1};
    c->out[0]->value = NULL;
    return MAAS_OK;
}

static MaasStatus compute_optional_get(MaasCtx *c)
{
    MaasValue *value = c->in[0]->kind == MAAS_KIND_OPTIONAL ? c->in[0]->some : c->in[0];

    if (!value)
        return maas_node_fail(c, MAAS_ERR_VALUE, "the optional is empty");
    maas_out_take(c, 0, maas_value_ref(value));
    return MAAS_OK;
}

const MaasOp maas_op_optional_get = {
    .name = "OptionalGetElement",
    .first = 15,
    .since = 18,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"input", MAAS_T_VALUE, 0, 0}},
    .out = {{"output", MAAS_T_VALUE, 0, 0}},
    .infer = infer_optional_get,
    .compute = compute_optional_get,
};

static MaasStatus infer_optional_has(MaasInferCtx *c)
{
    return maas_infer_out(c, 0, MAAS_BOOL, 0, NULL);
}

static MaasStatus compute_optional_has(MaasCtx *c)
{
    const MaasValue *in = c->n_in > 0 ? c->in[0] : NULL;

    MAAS_U8(maas_out(c, 0))[0] = in && (in->kind != MAAS_KIND_OPTIONAL || in->some);
    return MAAS_OK;
}

const MaasOp maas_op_optional_has = {
    .name = "OptionalHasElement",
    .first = 15,
    .since = 18,
    .in = {{"input", MAAS_T_VALUE, 0, MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_BOOL, 0, 0}},
    .infer = infer_optional_has,
    .compute = compute_optional_has,
};
