/*
 * build.c - adding nodes to a graph that is loaded already.
 *
 * Everything lives in the graph's arena; constants hold their own memory and are released with the model's.
 */
#include <string.h>

#include "build.h"

/* ---- nodes ---- */

static int n_attrs(const MaasOp *op)
{
    int n = 0;

    while (n < MAAS_MAX_ATTR_SPECS && op->attrs[n].name)
        n++;
    return n;
}

static MaasStatus default_attrs(MaasGraph *graph, MaasNode *node, MaasError *err)
{
    int n = n_attrs(node->op);

    node->attrs = maas_arena_array(graph->arena, (size_t)n + 1, sizeof *node->attrs, err);
    if (!node->attrs)
        return err->status;
    for (int i = 0; i < n; i++) {
        const MaasAttrSpec *spec = &node->op->attrs[i];

        node->attrs[i] = (MaasAttr){.name = spec->name, .kind = spec->kind, .i = spec->i, .f = spec->f};
        node->attrs[i].s = (MaasStr){spec->s ? spec->s : "", spec->s ? strlen(spec->s) : 0};
    }
    return MAAS_OK;
}

static MaasStatus new_output(MaasGraph *graph, int k, int *edge, MaasError *err)
{
    MAAS_TRY(maas_graph_add_edge(graph, "", MAAS_ROLE_NODE, edge, err));
    graph->edges[*edge].producer = k;
    return MAAS_OK;
}

MaasStatus maas_build_node(MaasGraph *graph, const MaasOp *op, int n_in, const int *in, int n_out, int *out,
                           MaasError *err)
{
    int k = graph->n_nodes;
    MaasNode *node;

    MAAS_TRY(maas_graph_add_node(graph, op->domain ? op->domain : "", op->name, "", n_in, n_out, &node, err));
    node->op = op;
    if (n_in > 0)
        memcpy(node->in, in, sizeof *in * (size_t)n_in);
    MAAS_TRY(default_attrs(graph, node, err));
    for (int i = 0; i < n_out; i++) {
        MAAS_TRY(new_output(graph, k, &out[i], err));
        graph->nodes[k].out[i] = out[i];
    }
    return MAAS_OK;
}

MaasStatus maas_build_op(MaasGraph *graph, const char *name, int n_in, const int *in, int n_out, int *out,
                         MaasError *err)
{
    const MaasOp *op = maas_op_find("", name);

    if (!op)
        op = maas_op_find("maas", name);
    if (!op)
        return maas_fail(err, MAAS_ERR_INTERNAL, "there is no operator %s", name);
    return maas_build_node(graph, op, n_in, in, n_out, out, err);
}

MaasStatus maas_build_output(MaasGraph *graph, int k, int i, int *edge, MaasError *err)
{
    MaasNode *node = &graph->nodes[k];

    if (i >= node->n_out) {
        int *out = maas_arena_array(graph->arena, (size_t)i + 1, sizeof *out, err);

        if (!out)
            return err->status;
        for (int o = 0; o <= i; o++)
            out[o] = o < node->n_out ? node->out[o] : MAAS_NO_VALUE;
        node->out = out;
        node->n_out = i + 1;
    }
    if (node->out[i] == MAAS_NO_VALUE)
        MAAS_TRY(new_output(graph, k, &node->out[i], err));
    *edge = node->out[i];
    return MAAS_OK;
}

/* ---- attributes ---- */

static MaasStatus find_attr(MaasGraph *graph, int k, const char *name, MaasAttr **attr, MaasError *err)
{
    MaasNode *node = &graph->nodes[k];

    for (int i = 0; i < n_attrs(node->op); i++)
        if (strcmp(node->attrs[i].name, name) == 0) {
            *attr = &node->attrs[i];
            (*attr)->set = true;
            return MAAS_OK;
        }
    return maas_fail(err, MAAS_ERR_INTERNAL, "%s has no attribute \"%s\"", node->op_type, name);
}

MaasStatus maas_build_int(MaasGraph *graph, int k, const char *name, int64_t value, MaasError *err)
{
    MaasAttr *attr;

    MAAS_TRY(find_attr(graph, k, name, &attr, err));
    attr->i = value;
    return MAAS_OK;
}

MaasStatus maas_build_float(MaasGraph *graph, int k, const char *name, float value, MaasError *err)
{
    MaasAttr *attr;

    MAAS_TRY(find_attr(graph, k, name, &attr, err));
    attr->f = value;
    return MAAS_OK;
}

MaasStatus maas_build_text(MaasGraph *graph, int k, const char *name, MaasStr value, MaasError *err)
{
    MaasAttr *attr;

    MAAS_TRY(find_attr(graph, k, name, &attr, err));
    attr->s = (MaasStr){maas_arena_strndup(graph->arena, value.data, value.length, err), value.length};
    return attr->s.data ? MAAS_OK : err->status;
}

MaasStatus maas_build_ints(MaasGraph *graph, int k, const char *name, int64_t n, const int64_t *values,
                           MaasError *err)
{
    MaasAttr *attr;
    int64_t *copy = maas_arena_array(graph->arena, (size_t)n + 1, sizeof *copy, err);

    if (!copy)
        return err->status;
    if (n > 0)
        memcpy(copy, values, sizeof *copy * (size_t)n);
    MAAS_TRY(find_attr(graph, k, name, &attr, err));
    attr->ints = copy;
    attr->n = n;
    return MAAS_OK;
}

MaasStatus maas_build_attr(MaasGraph *graph, int k, const MaasAttr *from, MaasError *err)
{
    MaasAttr *attr;

    MAAS_TRY(find_attr(graph, k, from->name, &attr, err));
    *attr = *from;
    return MAAS_OK;
}

/* ---- constants ---- */

MaasStatus maas_build_number(MaasGraph *graph, MaasType type, double value, int *edge, MaasError *err)
{
    MaasValue *scalar;

    MAAS_TRY(maas_value_new_tensor(graph->arena->mem, type, 0, NULL, &scalar, err));
    switch (type) {
    case MAAS_FLOAT:
        MAAS_F32(&scalar->tensor)[0] = (float)value;
        break;
    case MAAS_DOUBLE:
        MAAS_F64(&scalar->tensor)[0] = value;
        break;
    case MAAS_FLOAT16:
        ((uint16_t *)scalar->tensor.data)[0] = maas_f32_to_f16((float)value);
        break;
    case MAAS_BFLOAT16:
        ((uint16_t *)scalar->tensor.data)[0] = maas_f32_to_bf16((float)value);
        break;
    default:
        maas_value_unref(scalar);
        return maas_fail(err, MAAS_ERR_INTERNAL, "a number of type %s is built", maas_type_name(type));
    }
    return maas_graph_add_constant(graph, "", scalar, edge, err);
}

MaasStatus maas_build_shape(MaasGraph *graph, int64_t n, const int64_t *values, int *edge, MaasError *err)
{
    MaasValue *vector;

    MAAS_TRY(maas_value_new_tensor(graph->arena->mem, MAAS_INT64, 1, &n, &vector, err));
    if (n > 0)
        memcpy(vector->tensor.data, values, sizeof *values * (size_t)n);
    return maas_graph_add_constant(graph, "", vector, edge, err);
}
