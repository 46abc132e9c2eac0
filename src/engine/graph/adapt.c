/*
 * adapt.c - what an operator's adapt function may do to a node of an older opset.
 *
 * The node's lists are copied when they grow; old copies stay in the graph's
 * arena.  New constants are edges of the node's graph and hold their own memory.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../op/adapt.h"
#include "graph.h"

/* ---- attributes ---- */

MaasAttr *maas_adapt_attr(MaasNode *node, const char *name)
{
    for (int i = 0; i < node->n_raw; i++)
        if (strcmp(node->raw[i].name, name) == 0)
            return &node->raw[i];
    return NULL;
}

void maas_adapt_drop_attr(MaasNode *node, const char *name)
{
    MaasAttr *attr = maas_adapt_attr(node, name);
    if (attr == NULL)
        return;
    node->n_raw--;
    memmove(attr, attr + 1, (size_t)(node->raw + node->n_raw - attr) * sizeof *attr);
}

void maas_adapt_rename_attr(MaasNode *node, const char *from, const char *to)
{
    MaasAttr *attr = maas_adapt_attr(node, from);
    if (attr != NULL)
        attr->name = to;
}

/* The attribute of this name, added when there is none. */
static MaasAttr *set_attr(MaasGraph *graph, MaasNode *node, const char *name, MaasAttrKind kind, MaasError *err)
{
    MaasAttr *attr = maas_adapt_attr(node, name);

    if (attr == NULL) {
        MaasAttr *raw = maas_arena_array(graph->arena, (size_t)node->n_raw + 1, sizeof *raw, err);
        if (raw == NULL)
            return NULL;
        if (node->n_raw > 0)
            memcpy(raw, node->raw, (size_t)node->n_raw * sizeof *raw);
        node->raw = raw;
        attr = &raw[node->n_raw++];
    }
    *attr = (MaasAttr){.name = name, .kind = kind, .set = true};
    return attr;
}

MaasStatus maas_adapt_set_int(MaasGraph *graph, MaasNode *node, const char *name, int64_t value, MaasError *err)
{
    MaasAttr *attr = set_attr(graph, node, name, MAAS_ATTR_INT, err);
    if (attr == NULL)
        return err->status;
    attr->i = value;
    return MAAS_OK;
}

MaasStatus maas_adapt_set_float(MaasGraph *graph, MaasNode *node, const char *name, float value, MaasError *err)
{
    MaasAttr *attr = set_attr(graph, node, name, MAAS_ATTR_FLOAT, err);
    if (attr == NULL)
        return err->status;
    attr->f = value;
    return MAAS_OK;
}

MaasStatus maas_adapt_set_string(MaasGraph *graph, MaasNode *node, const char *name, const char *value,
                                 MaasError *err)
{
    MaasAttr *attr = set_attr(graph, node, name, MAAS_ATTR_STRING, err);
    if (attr == NULL)
        return err->status;
    attr->s = (MaasStr){value, strlen(value)};
    return MAAS_OK;
}

/* ---- inputs ---- */

int maas_adapt_n_inputs(const MaasNode *node)
{
    return node->n_in;
}

bool maas_adapt_has_input(const MaasNode *node, int i)
{
    return i >= 0 && i < node->n_in && node->in[i] != MAAS_NO_VALUE;
}

bool maas_adapt_has_output(const MaasNode *node, int i)
{
    return i < node->n_out && node->out[i] != MAAS_NO_VALUE;
}

/* Makes the list of inputs n long, new ones absent. */
static MaasStatus resize_inputs(MaasGraph *graph, MaasNode *node, int n, MaasError *err)
{
    int *in;

    if (n <= node->n_in)
        return MAAS_OK;
    in = maas_arena_array(graph->arena, (size_t)n, sizeof *in, err);
    if (in == NULL)
        return err->status;
    for (int i = 0; i < n; i++)
        in[i] = i < node->n_in ? node->in[i] : MAAS_NO_VALUE;
    node->in = in;
    node->n_in = n;
    return MAAS_OK;
}

MaasStatus maas_adapt_insert_input(MaasGraph *graph, MaasNode *node, int i, MaasError *err)
{
    int n = node->n_in;

    if (i >= n)
        return resize_inputs(graph, node, i + 1, err);
    MAAS_TRY(resize_inputs(graph, node, n + 1, err));
    memmove(node->in + i + 1, node->in + i, (size_t)(n - i) * sizeof *node->in);
    node->in[i] = MAAS_NO_VALUE;
    return MAAS_OK;
}

void maas_adapt_drop_input(MaasNode *node, int i)
{
    if (i >= node->n_in)
        return;
    node->n_in--;
    memmove(node->in + i, node->in + i + 1, (size_t)(node->n_in - i) * sizeof *node->in);
}

/* Makes an uninitialised constant of n elements and puts it at input i. */
static MaasStatus new_input(MaasGraph *graph, MaasNode *node, int i, MaasType type, int rank, int64_t n,
                            MaasTensor **out, MaasError *err)
{
    MaasValue *value;

    MAAS_TRY(resize_inputs(graph, node, i + 1, err));
    MAAS_TRY(maas_value_new_tensor(graph->arena->mem, type, rank, &n, &value, err));
    *out = &value->tensor;
    return maas_graph_add_constant(graph, "", value, &node->in[i], err);
}

MaasStatus maas_adapt_input_ints(MaasGraph *graph, MaasNode *node, int i, MaasType type, int rank, int64_t n,
                                 const int64_t *values, MaasError *err)
{
    MaasTensor *t;

    MAAS_TRY(new_input(graph, node, i, type, rank, n, &t, err));
    for (int64_t k = 0; k < t->count; k++) {
        switch (type) {
        case MAAS_INT64:
            MAAS_I64(t)[k] = values[k];
            break;
        case MAAS_INT32:
            MAAS_I32(t)[k] = (int32_t)values[k];
            break;
        case MAAS_UINT8:
        case MAAS_INT8:
            MAAS_U8(t)[k] = (uint8_t)values[k];
            break;
        case MAAS_BOOL:
            MAAS_U8(t)[k] = values[k] != 0;
            break;
        default:
            return maas_adapt_fail(node, err, MAAS_ERR_INTERNAL, "a constant of type %s is made from integers",
                                   maas_type_name(type));
        }
    }
    return MAAS_OK;
}

MaasStatus maas_adapt_input_floats(MaasGraph *graph, MaasNode *node, int i, MaasType type, int rank, int64_t n,
                                   const float *values, MaasError *err)
{
    MaasTensor *t;

    MAAS_TRY(new_input(graph, node, i, type, rank, n, &t, err));
    for (int64_t k = 0; k < t->count; k++) {
        switch (type) {
        case MAAS_FLOAT:
            MAAS_F32(t)[k] = values[k];
            break;
        case MAAS_DOUBLE:
            MAAS_F64(t)[k] = values[k];
            break;
        case MAAS_FLOAT16:
            ((uint16_t *)t->data)[k] = maas_f32_to_f16(values[k]);
            break;
        case MAAS_BFLOAT16:
            ((uint16_t *)t->data)[k] = maas_f32_to_bf16(values[k]);
            break;
        default:
            return maas_adapt_fail(node, err, MAAS_ERR_INTERNAL, "a constant of type %s is made from floats",
                                   maas_type_name(type));
        }
    }
    return MAAS_OK;
}

MaasStatus maas_adapt_attr_to_input(MaasGraph *graph, MaasNode *node, const char *name, int i, MaasError *err)
{
    const MaasAttr *attr = maas_adapt_attr(node, name);

    if (attr == NULL)
        return MAAS_OK;
    switch (attr->kind) {
    case MAAS_ATTR_INT:
        MAAS_TRY(maas_adapt_input_ints(graph, node, i, MAAS_INT64, 0, 1, &attr->i, err));
        break;
    case MAAS_ATTR_NONE: /* an empty list without its type */
    case MAAS_ATTR_INTS:
        MAAS_TRY(maas_adapt_input_ints(graph, node, i, MAAS_INT64, 1, attr->n, attr->ints, err));
        break;
    case MAAS_ATTR_FLOAT:
        MAAS_TRY(maas_adapt_input_floats(graph, node, i, MAAS_FLOAT, 0, 1, &attr->f, err));
        break;
    case MAAS_ATTR_FLOATS:
        MAAS_TRY(maas_adapt_input_floats(graph, node, i, MAAS_FLOAT, 1, attr->n, attr->floats, err));
        break;
    default:
        return maas_adapt_fail(node, err, MAAS_ERR_TYPE,
                               "attribute \"%s\" is neither a number nor a list of numbers", name);
    }
    maas_adapt_drop_attr(node, name);
    return MAAS_OK;
}

const MaasTensor *maas_adapt_constant(const MaasGraph *graph, const MaasNode *node, int i)
{
    const MaasEdge *edge;

    if (!maas_adapt_has_input(node, i))
        return NULL;
    edge = &graph->edges[node->in[i]];
    if (edge->role != MAAS_ROLE_CONSTANT || edge->constant->kind != MAAS_KIND_TENSOR)
        return NULL;
    return &edge->constant->tensor;
}

/* ---- the node ---- */

MaasStatus maas_adapt_become(MaasGraph *graph, MaasNode *node, const char *name, MaasError *err)
{
    const MaasOp *op = maas_op_find(node->domain, name);

    if (op == NULL)
        return maas_adapt_fail(node, err, MAAS_ERR_UNSUPPORTED, "it is run as %s, which this engine does not have",
                               name);
    node->op = op;
    node->op_type = op->name;
    return MAAS_OK;
}

MaasStatus maas_adapt_fail(const MaasNode *node, MaasError *err, MaasStatus status, const char *format, ...)
{
    char message[512];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return maas_fail(err, status, "%s", message); /* import says of which node */
}
