/*
 * onnx_node.c - NodeProto: constants, operators, signatures and attributes.
 *
 * A node whose operator cannot be run is noted and kept without one, so that
 * import can name all of them; such a model is refused at the end.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../op/adapt.h"
#include "onnx_read.h"

#define MAX_ATTRS 64 /* more than any operator has */

MaasStatus maas_onnx_blame(Import *im, const NodeMsg *node, MaasStatus status)
{
    MaasSlice name = node->name;

    if (name.size == 0 && node->out.n > 0)
        name = node->out.items[0];
    if (status != MAAS_OK && name.size > 0)
        maas_error_prefix(im->err, "%.*s (node \"%.*s\")", SHOW(node->op_type), SHOW(name));
    else if (status != MAAS_OK)
        maas_error_prefix(im->err, "%.*s", SHOW(node->op_type));
    return status;
}

/* ---- constants ---- */

/* The value of a Constant node's attribute, in any of its forms. */
static MaasStatus constant_value(Import *im, const MaasAttr *attr, MaasValue **out)
{
    MaasTensor *tensor;
    MaasStr *strings;
    int rank = attr->kind >= MAAS_ATTR_FLOATS ? 1 : 0;

    *out = NULL;
    if (attr->kind == MAAS_ATTR_TENSOR) {
        tensor = attr->tensors[0];
        return maas_value_view(im->mem, tensor, tensor->rank, tensor->dims, out, im->err);
    }
    if (attr->kind == MAAS_ATTR_STRING)
        return maas_value_new_strings(im->mem, 0, NULL, &attr->s, out, im->err);
    if (attr->kind == MAAS_ATTR_STRINGS) {
        strings = (MaasStr *)attr->strings;
        return maas_value_new_strings(im->mem, 1, &attr->n, strings, out, im->err);
    }
    if (attr->kind == MAAS_ATTR_INT || attr->kind == MAAS_ATTR_INTS) {
        MAAS_TRY(maas_value_new_tensor(im->mem, MAAS_INT64, rank, &attr->n, out, im->err));
        if (rank == 0)
            MAAS_I64(&(*out)->tensor)[0] = attr->i;
        else if (attr->n > 0)
            memcpy((*out)->tensor.data, attr->ints, maas_tensor_bytes(&(*out)->tensor));
        return MAAS_OK;
    }
    if (attr->kind == MAAS_ATTR_FLOAT || attr->kind == MAAS_ATTR_FLOATS) {
        MAAS_TRY(maas_value_new_tensor(im->mem, MAAS_FLOAT, rank, &attr->n, out, im->err));
        if (rank == 0)
            MAAS_F32(&(*out)->tensor)[0] = attr->f;
        else if (attr->n > 0)
            memcpy((*out)->tensor.data, attr->floats, maas_tensor_bytes(&(*out)->tensor));
        return MAAS_OK;
    }
    return maas_fail(im->err, MAAS_ERR_TYPE, "attribute \"%s\" holds no value", attr->name);
}

/* A Constant node becomes a constant edge. */
static MaasStatus add_constant(Import *im, Scope *scope, const NodeMsg *node)
{
    static const char *const forms[] = {"value",     "sparse_value", "value_float",  "value_floats",
                                        "value_int", "value_ints",   "value_string", "value_strings"};
    MaasAttr attr = {0};
    MaasValue *value = NULL;
    const char *name;
    int edge, n_values = 0;

    if (node->in.n != 0 || node->out.n != 1)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "expected no inputs and 1 output, got %d and %d", node->in.n,
                         node->out.n);
    if (node->out.items[0].size == 0)
        return MAAS_OK;
    for (int i = 0; i < node->attrs.n; i++) {
        bool present, known = false;
        MAAS_TRY(maas_onnx_attr(im, scope, node->attrs.items[i], &attr, &present));
        for (size_t k = 0; present && k < sizeof forms / sizeof *forms; k++)
            known |= strcmp(attr.name, forms[k]) == 0;
        if (present && (!known || ++n_values > 1))
            return maas_fail(im->err, MAAS_ERR_FORMAT,
                             "expected one attribute that holds the value, got \"%s\" too", attr.name);
    }
    if (n_values == 0)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "no attribute holds the value");
    name = maas_onnx_text(im, node->out.items[0]);
    if (name == NULL)
        return im->err->status;
    MAAS_TRY(constant_value(im, &attr, &value));
    MAAS_TRY(maas_graph_add_constant(scope->graph, name, value, &edge, im->err));
    return maas_onnx_define(im, scope, node->out.items[0], edge);
}

/* ---- operators ---- */

static bool domain_known(const char *domain)
{
    return *domain == '\0' || strcmp(domain, "ai.onnx.ml") == 0 ||
           strcmp(domain, "ai.onnx.preview.training") == 0 ||
           strcmp(domain, "com.microsoft") == 0; /* for skl2onnx's Tokenizer */
}

static int64_t newest_opset(const char *domain)
{
    return *domain == '\0' ? MAAS_ONNX_MAX_OPSET : strcmp(domain, "ai.onnx.ml") == 0 ? MAAS_ONNX_MAX_ML_OPSET : 1;
}

/* What operator `name` of this opset is, and if it cannot be run, why. */
static void judge(OpUse *use)
{
    const MaasOp *op = domain_known(use->domain) ? maas_op_find(use->domain, use->name) : NULL;

    if (domain_known(use->domain) && (use->version < 1 || use->version > newest_opset(use->domain)))
        use->trouble = "opset out of range";
    else if (op == NULL)
        use->trouble = "unknown";
    else if (use->version < op->first)
        use->trouble = "not in this opset";
    else
        use->op = op;
}

/* The opset of a domain; 0 when nothing imports it. */
static int64_t opset_of(const Opsets *opsets, const char *domain)
{
    for (; opsets != NULL; opsets = opsets->outer)
        for (int i = 0; i < opsets->n; i++)
            if (strcmp(opsets->list[i].domain, domain) == 0)
                return opsets->list[i].version;
    return 0;
}

/* Finds or adds the use of an operator; valid until the next call. */
static MaasStatus find_use(Import *im, const char *domain, const char *name, int64_t version, OpUse **out)
{
    char text[128];
    const char *key = text;
    const int *known;

    if (snprintf(text, sizeof text, "%lld %s %s", (long long)version, name, domain) >= (int)sizeof text)
        key = maas_arena_printf(im->temp, im->err, "%lld %s %s", (long long)version, name, domain);
    if (key == NULL)
        return im->err->status;
    known = maas_names_find(&im->use_names, maas_slice(key));
    if (known != NULL) {
        *out = &im->uses[*known];
        return MAAS_OK;
    }
    if (im->n_uses == im->cap_uses) {
        int cap = im->cap_uses < 16 ? 16 : im->cap_uses * 2;
        OpUse *uses;
        if (cap > INT_MAX / 4)
            return maas_fail(im->err, MAAS_ERR_LIMIT, "the model uses too many operators");
        uses = maas_arena_array(im->temp, (size_t)cap, sizeof *uses, im->err);
        if (uses == NULL)
            return im->err->status;
        if (im->n_uses > 0)
            memcpy(uses, im->uses, (size_t)im->n_uses * sizeof *uses);
        im->uses = uses;
        im->cap_uses = cap;
    }
    *out = &im->uses[im->n_uses];
    **out = (OpUse){.domain = domain, .name = name, .version = version};
    judge(*out);
    if (key == text && (key = maas_arena_strndup(im->temp, text, strlen(text), im->err)) == NULL)
        return im->err->status;
    return maas_names_put(&im->use_names, maas_slice(key), im->n_uses++, im->err);
}

/* ---- attributes ---- */

static const char *kind_name(MaasAttrKind kind)
{
    static const char *const names[] = {"none", "float",   "int",     "string", "tensor",        "graph", "floats",
                                        "ints", "strings", "tensors", "graphs", "sparse tensor", "",      "type"};
    return (size_t)kind < sizeof names / sizeof *names ? names[kind] : "unknown";
}

/* Fills node->attrs in the order of the record. */
static MaasStatus fill_attrs(Import *im, MaasNode *node)
{
    const MaasAttrSpec *specs = node->op->attrs;
    int n = 0;

    while (n < MAAS_MAX_ATTR_SPECS && specs[n].name != NULL)
        n++;
    node->attrs = maas_arena_array(im->arena, (size_t)n, sizeof *node->attrs, im->err);
    if (node->attrs == NULL)
        return im->err->status;
    for (int i = 0; i < n; i++) {
        const char *s = specs[i].s != NULL ? specs[i].s : "";
        node->attrs[i] = (MaasAttr){
            .name = specs[i].name, .kind = specs[i].kind, .i = specs[i].i, .f = specs[i].f, .s = {s, strlen(s)}};
    }
    for (int r = 0; r < node->n_raw; r++) {
        const MaasAttr *raw = &node->raw[r];
        int i = 0;
        while (i < n && strcmp(specs[i].name, raw->name) != 0)
            i++;
        if (i == n)
            return maas_fail(im->err, MAAS_ERR_NAME, "%s has no attribute \"%s\"", node->op->name, raw->name);
        if (node->attrs[i].set)
            return maas_fail(im->err, MAAS_ERR_NAME, "attribute \"%s\" is given twice", raw->name);
        /* an empty list may come without its type */
        if (raw->kind == MAAS_ATTR_NONE && specs[i].kind >= MAAS_ATTR_FLOATS && specs[i].kind <= MAAS_ATTR_GRAPHS) {
            node->attrs[i].set = true;
            continue;
        }
        if (raw->kind != specs[i].kind)
            return maas_fail(im->err, MAAS_ERR_TYPE, "attribute \"%s\" is of type %s, expected %s", raw->name,
                             kind_name(raw->kind), kind_name(specs[i].kind));
        node->attrs[i] = *raw;
    }
    for (int i = 0; i < n; i++)
        if (specs[i].required && !node->attrs[i].set)
            return maas_fail(im->err, MAAS_ERR_NAME, "%s needs the attribute \"%s\"", node->op->name,
                             specs[i].name);
    return MAAS_OK;
}

/* ---- signature ---- */

static int count_specs(const MaasArgSpec *specs, int max)
{
    int n = 0;
    while (n < max && specs[n].name != NULL)
        n++;
    return n;
}

/* The spec of argument i, or NULL beyond the end. */
static const MaasArgSpec *spec_of(const MaasArgSpec *specs, int n, int i)
{
    if (i < n)
        return &specs[i];
    return n > 0 && (specs[n - 1].flags & MAAS_VARIADIC) ? &specs[n - 1] : NULL;
}

static MaasStatus check_inputs(Import *im, MaasNode *node)
{
    int n = count_specs(node->op->in, MAAS_MAX_IN_SPECS);

    while (node->n_in > 0 && node->in[node->n_in - 1] == MAAS_NO_VALUE)
        node->n_in--;
    if (node->n_in > 0 && spec_of(node->op->in, n, node->n_in - 1) == NULL)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "%s takes %d inputs, got %d", node->op->name, n, node->n_in);
    for (int i = 0; i < node->n_in || i < n; i++) {
        const MaasArgSpec *spec = spec_of(node->op->in, n, i);
        if ((i >= node->n_in || node->in[i] == MAAS_NO_VALUE) && !(spec->flags & MAAS_OPTIONAL))
            return maas_fail(im->err, MAAS_ERR_FORMAT, "input %d (%s) is missing", i, spec->name);
    }
    return MAAS_OK;
}

/* Outputs that the operator must have and the model does not name get edges without a name, so that computing
 * need not ask. */
static MaasStatus check_outputs(Import *im, Scope *scope, MaasNode *node)
{
    int n = count_specs(node->op->out, MAAS_MAX_OUT_SPECS), n_out, required = 0;

    while (n > 0 && node->op->out[n - 1].flags & MAAS_INTERNAL)
        n--;
    while (node->n_out > 0 && node->out[node->n_out - 1] == MAAS_NO_VALUE)
        node->n_out--;
    if (node->n_out > 0 && spec_of(node->op->out, n, node->n_out - 1) == NULL)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "%s has %d outputs, the node names %d", node->op->name, n,
                         node->n_out);
    while (required < n && !(node->op->out[required].flags & (MAAS_OPTIONAL | MAAS_VARIADIC)))
        required++;
    n_out = node->n_out > required ? node->n_out : required;
    if (n_out > node->n_out) {
        int *out = maas_arena_array(im->arena, (size_t)n_out, sizeof *out, im->err);
        if (out == NULL)
            return im->err->status;
        for (int i = 0; i < n_out; i++)
            out[i] = i < node->n_out ? node->out[i] : MAAS_NO_VALUE;
        node->out = out;
        node->n_out = n_out;
    }
    for (int i = 0; i < n_out; i++) {
        if (node->out[i] != MAAS_NO_VALUE || (spec_of(node->op->out, n, i)->flags & MAAS_OPTIONAL))
            continue;
        MAAS_TRY(maas_graph_add_edge(scope->graph, "", MAAS_ROLE_NODE, &node->out[i], im->err));
        scope->graph->edges[node->out[i]].producer = (int)(node - scope->graph->nodes);
    }
    return MAAS_OK;
}

/* ---- nodes ---- */

/* Attributes of ONNX's first opsets that never meant anything. */
static void drop_legacy(MaasNode *node)
{
    maas_adapt_drop_attr(node, "consumed_inputs");
}

MaasStatus maas_onnx_finish_node(Import *im, Scope *scope, MaasNode *node)
{
    int64_t version = opset_of(scope->opsets, node->domain);
    OpUse *use = NULL;

    if (version == 0 && domain_known(node->domain))
        return maas_fail(im->err, MAAS_ERR_FORMAT, "the model uses domain \"%s\" but imports no opset of it",
                         *node->domain ? node->domain : "ai.onnx");
    MAAS_TRY(find_use(im, node->domain, node->op_type, version, &use));
    use->count++;
    node->op = use->op;
    if (node->op == NULL)
        return MAAS_OK;
    if (version < 6 && *node->domain == '\0')
        drop_legacy(node);
    if (version < node->op->since && node->op->adapt != NULL)
        MAAS_TRY(node->op->adapt(scope->graph, node, (int)version, im->err));
    MAAS_TRY(check_inputs(im, node));
    MAAS_TRY(check_outputs(im, scope, node));
    return fill_attrs(im, node);
}

MaasStatus maas_onnx_new_node(Import *im, Scope *scope, const NodeMsg *message, MaasSlice op_type, int n_in,
                              int n_out, MaasNode **out)
{
    const char *domain = maas_onnx_text(im, message->domain), *op = maas_onnx_text(im, op_type), *name;
    const Call *call = scope->call;

    if (call != NULL) /* in a function: the caller's name tells which call */
        name = maas_arena_printf(im->arena, im->err, "%.*s/%.*s",
                                 SHOW(call->node->name.size > 0 ? call->node->name : call->function->name),
                                 SHOW(message->name));
    else
        name = maas_onnx_text(im, message->name);
    if (domain == NULL || op == NULL || name == NULL)
        return im->err->status;
    if (++im->model->n_nodes > MAAS_ONNX_MAX_NODES)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "the model has more than %d nodes once its functions are inlined",
                         MAAS_ONNX_MAX_NODES);
    return maas_graph_add_node(scope->graph, domain, op, name, n_in, n_out, out, im->err);
}

/* Reads the attributes, subgraphs included, before the node's outputs are names that could be seen. */
static MaasStatus read_attrs(Import *im, Scope *scope, const NodeMsg *message, MaasAttr **raw, int *n_raw)
{
    int n = 0;

    if (message->attrs.n > MAX_ATTRS)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "%d attributes are more than any operator has", message->attrs.n);
    *raw = maas_arena_array(im->arena, (size_t)message->attrs.n, sizeof **raw, im->err);
    if (*raw == NULL)
        return im->err->status;
    for (int i = 0; i < message->attrs.n; i++) {
        bool present;
        MAAS_TRY(maas_onnx_attr(im, scope, message->attrs.items[i], &(*raw)[n], &present));
        n += present;
    }
    *n_raw = n;
    return MAAS_OK;
}

static MaasStatus connect(Import *im, Scope *scope, const NodeMsg *message, MaasNode *node)
{
    int index = (int)(node - scope->graph->nodes);

    for (int i = 0; i < message->in.n; i++) {
        bool found;
        MAAS_TRY(maas_onnx_resolve(im, scope, message->in.items[i], &node->in[i], &found));
        if (!found)
            return maas_fail(im->err, MAAS_ERR_NAME, "input \"%.*s\" is not defined anywhere",
                             SHOW(message->in.items[i]));
    }
    for (int i = 0; i < message->out.n; i++) {
        const char *name;
        if (message->out.items[i].size == 0)
            continue;
        name = maas_onnx_text(im, message->out.items[i]);
        if (name == NULL)
            return im->err->status;
        MAAS_TRY(maas_graph_add_edge(scope->graph, name, MAAS_ROLE_NODE, &node->out[i], im->err));
        scope->graph->edges[node->out[i]].producer = index;
        MAAS_TRY(maas_onnx_define(im, scope, message->out.items[i], node->out[i]));
        MAAS_TRY(maas_onnx_declare(im, scope, message->out.items[i], node->out[i]));
    }
    return MAAS_OK;
}

static MaasStatus add_node(Import *im, Scope *scope, const NodeMsg *message)
{
    MaasAttr *raw = NULL;
    MaasNode *node = NULL;
    int n_raw = 0;

    MAAS_TRY(read_attrs(im, scope, message, &raw, &n_raw));
    MAAS_TRY(maas_onnx_new_node(im, scope, message, message->op_type, message->in.n, message->out.n, &node));
    node->raw = raw;
    node->n_raw = n_raw;
    MAAS_TRY(connect(im, scope, message, node));
    return maas_onnx_finish_node(im, scope, node);
}

MaasStatus maas_onnx_node(Import *im, Scope *scope, const NodeMsg *node)
{
    Function *function;

    MAAS_TRY(maas_onnx_find_function(im, node, &function));
    if (function != NULL)
        return maas_onnx_call(im, scope, node, function);
    if (node->domain.size == 0 && maas_slice_is(node->op_type, "Constant"))
        return maas_onnx_blame(im, node, add_constant(im, scope, node));
    return maas_onnx_blame(im, node, add_node(im, scope, node));
}
