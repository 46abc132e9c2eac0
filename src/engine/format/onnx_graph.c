/*
 * onnx_graph.c - GraphProto: taken apart, then built.
 *
 * A message's fields come in any order, so a graph is first taken apart into
 * lists of slices (import-time memory) and then built: inputs, initialisers,
 * nodes in running order, outputs.
 */
#include <limits.h>
#include <string.h>

#include "onnx_read.h"

/* ---- messages ---- */

static MaasStatus grow(Import *im, void **items, int n, int *cap, size_t size)
{
    int larger = *cap < 4 ? 4 : *cap * 2;
    void *moved;

    if (n < *cap)
        return MAAS_OK;
    if (*cap > INT_MAX / 4)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "a message has too many parts");
    moved = maas_arena_array(im->temp, (size_t)larger, size, im->err);
    if (moved == NULL)
        return im->err->status;
    if (n > 0)
        memcpy(moved, *items, (size_t)n * size);
    *items = moved;
    *cap = larger;
    return MAAS_OK;
}

MaasStatus maas_onnx_push(Import *im, SliceList *list, MaasSlice item)
{
    MAAS_TRY(grow(im, (void **)&list->items, list->n, &list->cap, sizeof *list->items));
    list->items[list->n++] = item;
    return MAAS_OK;
}

MaasStatus maas_onnx_node_message(Import *im, MaasPb pb, NodeList *nodes)
{
    NodeMsg node = {.bytes = (size_t)(pb.end - pb.at)};
    MaasPbField f;
    MaasSlice slice;

    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        switch (f.number) {
        case 1:
            MAAS_TRY(maas_pb_text(&f, "the input of a node", &slice, im->err));
            MAAS_TRY(maas_onnx_push(im, &node.in, slice));
            break;
        case 2:
            MAAS_TRY(maas_pb_text(&f, "the output of a node", &slice, im->err));
            MAAS_TRY(maas_onnx_push(im, &node.out, slice));
            break;
        case 3:
            MAAS_TRY(maas_pb_text(&f, "the name of a node", &node.name, im->err));
            break;
        case 4:
            MAAS_TRY(maas_pb_text(&f, "the operator of a node", &node.op_type, im->err));
            break;
        case 5:
            MAAS_TRY(maas_pb_bytes(&f, "the attribute of a node", &slice, im->err));
            MAAS_TRY(maas_onnx_push(im, &node.attrs, slice));
            break;
        case 7:
            MAAS_TRY(maas_pb_text(&f, "the domain of a node", &node.domain, im->err));
            break;
        case 8:
            MAAS_TRY(maas_pb_text(&f, "the overload of a node", &node.overload, im->err));
            break;
        default:
            break;
        }
    }
    if (maas_slice_is(node.domain, "ai.onnx"))
        node.domain.size = 0;
    if (node.op_type.size == 0)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "node \"%.*s\" names no operator", SHOW(node.name));
    MAAS_TRY(grow(im, (void **)&nodes->items, nodes->n, &nodes->cap, sizeof *nodes->items));
    nodes->items[nodes->n++] = node;
    return MAAS_OK;
}

MaasStatus maas_onnx_graph_message(Import *im, MaasPb pb, GraphMsg *graph)
{
    MaasPb inside = pb;
    MaasPbField f;
    MaasSlice slice;

    memset(graph, 0, sizeof *graph);
    while (maas_pb_more(&pb)) {
        SliceList *list = NULL;
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        switch (f.number) {
        case 1:
            MAAS_TRY(maas_pb_bytes(&f, "a node", &slice, im->err));
            MAAS_TRY(maas_onnx_node_message(im, maas_pb_inner(&inside, slice), &graph->nodes));
            break;
        case 2:
            MAAS_TRY(maas_pb_text(&f, "the name of a graph", &graph->name, im->err));
            break;
        case 5:
            list = &graph->initializers;
            break;
        case 11:
            list = &graph->inputs;
            break;
        case 12:
            list = &graph->outputs;
            break;
        case 13:
            list = &graph->values;
            break;
        case 15:
            list = &graph->sparse;
            break;
        default:
            break;
        }
        if (list != NULL) {
            MAAS_TRY(maas_pb_bytes(&f, "a part of a graph", &slice, im->err));
            MAAS_TRY(maas_onnx_push(im, list, slice));
        }
    }
    return MAAS_OK;
}

MaasStatus maas_onnx_value_message(Import *im, MaasSlice bytes, MaasSlice *name, MaasSlice *type)
{
    MaasPb pb = maas_pb_open(bytes.data, bytes.size);
    MaasPbField f;

    *name = *type = (MaasSlice){"", 0};
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        if (f.number == 1)
            MAAS_TRY(maas_pb_text(&f, "the name of a value", name, im->err));
        else if (f.number == 2)
            MAAS_TRY(maas_pb_bytes(&f, "the type of a value", type, im->err));
    }
    return MAAS_OK;
}

/* ---- building ---- */

/* Checks that a default is what its input declares. */
static MaasStatus check_default(Import *im, const char *name, const MaasInfo *info, const MaasTensor *value)
{
    char declared[256], given[256];
    bool fits = info->rank < 0 || info->rank == value->rank;

    if (info->kind == MAAS_KIND_UNKNOWN)
        return MAAS_OK;
    if (info->kind != MAAS_KIND_TENSOR || info->type != value->type)
        return maas_fail(im->err, MAAS_ERR_TYPE, "input \"%s\" is declared as %s and has a default of type %s",
                         name, maas_type_name(info->type), maas_type_name(value->type));
    for (int i = 0; fits && i < info->rank; i++)
        fits = info->dims[i] < 0 || info->dims[i] == value->dims[i];
    if (!fits)
        return maas_fail(im->err, MAAS_ERR_SHAPE, "input \"%s\" is declared as %s and has a default of shape %s",
                         name, maas_dims_text(info->rank, info->dims, NULL, declared, sizeof declared),
                         maas_dims_text(value->rank, value->dims, NULL, given, sizeof given));
    return MAAS_OK;
}

/* Before IR version 4 a model had to list its initialisers as inputs, too: there they are constants. */
static bool is_plain_constant(const Import *im, const Scope *scope, MaasSlice name)
{
    const int *edge = maas_names_find(&scope->names, name);
    return im->model->ir_version < 4 && edge != NULL && scope->graph->edges[*edge].role == MAAS_ROLE_CONSTANT;
}

static MaasStatus add_inputs(Import *im, Scope *scope, const GraphMsg *msg)
{
    MaasGraph *graph = scope->graph;
    MaasSlice name, type;
    const char *text;
    int edge;

    graph->inputs = maas_arena_array(im->arena, (size_t)msg->inputs.n, sizeof *graph->inputs, im->err);
    if (graph->inputs == NULL)
        return im->err->status;
    for (int i = 0; i < msg->inputs.n; i++) {
        MaasInfo info = {.rank = -1};
        MAAS_TRY(maas_onnx_value_message(im, msg->inputs.items[i], &name, &type));
        MAAS_TRY(maas_onnx_type(im, type, &info));
        if (is_plain_constant(im, scope, name)) {
            const MaasEdge *constant = &graph->edges[*maas_names_find(&scope->names, name)];
            MAAS_TRY(check_default(im, constant->name, &info, &constant->constant->tensor));
            continue;
        }
        if (graph->parent == NULL && im->n_bad_types == 0 &&
            (info.kind == MAAS_KIND_UNKNOWN || (info.kind == MAAS_KIND_TENSOR && info.type == MAAS_UNDEFINED)))
            return maas_fail(im->err, MAAS_ERR_FORMAT, "the model declares no type for its input \"%.*s\"",
                             SHOW(name));
        text = maas_onnx_text(im, name);
        if (text == NULL)
            return im->err->status;
        MAAS_TRY(maas_graph_add_edge(graph, text, MAAS_ROLE_INPUT, &edge, im->err));
        graph->edges[edge].info = info;
        graph->edges[edge].declared = info.kind != MAAS_KIND_UNKNOWN;
        MAAS_TRY(maas_onnx_define(im, scope, name, edge));
        graph->inputs[graph->n_inputs++] = edge;
    }
    return MAAS_OK;
}

/* Takes over the reference to value. */
static MaasStatus add_initializer(Import *im, Scope *scope, MaasSlice name, MaasValue *value)
{
    MaasGraph *graph = scope->graph;
    const int *input = maas_names_find(&scope->names, name);
    const char *text;
    int edge;

    im->model->n_parameters += value->tensor.count;
    if (input != NULL && graph->edges[*input].role == MAAS_ROLE_INPUT && graph->edges[*input].constant == NULL) {
        graph->edges[*input].constant = value;
        return check_default(im, graph->edges[*input].name, &graph->edges[*input].info, &value->tensor);
    }
    text = maas_onnx_text(im, name);
    if (text == NULL) {
        maas_value_unref(value);
        return im->err->status;
    }
    MAAS_TRY(maas_graph_add_constant(graph, text, value, &edge, im->err));
    return maas_onnx_define(im, scope, name, edge);
}

static MaasStatus add_initializers(Import *im, Scope *scope, const GraphMsg *msg)
{
    for (int i = 0; i < msg->initializers.n + msg->sparse.n; i++) {
        bool sparse = i >= msg->initializers.n;
        MaasSlice bytes = sparse ? msg->sparse.items[i - msg->initializers.n] : msg->initializers.items[i];
        MaasPb pb = maas_pb_open(bytes.data, bytes.size);
        MaasSlice name = {"", 0};
        MaasValue *value;
        MaasStatus status = sparse ? maas_onnx_read_sparse(pb, im->mem, &name, &value, im->err)
                                   : maas_onnx_read_tensor(pb, im->mem, &name, &value, im->err);
        if (status != MAAS_OK) {
            maas_error_prefix(im->err, "initializer \"%.*s\"", SHOW(name));
            return status;
        }
        MAAS_TRY(add_initializer(im, scope, name, value));
    }
    return MAAS_OK;
}

/* Puts the main graph's inputs that have a default last. */
static MaasStatus sort_inputs(Import *im, MaasGraph *graph)
{
    int *sorted = maas_arena_array(im->arena, (size_t)graph->n_inputs, sizeof *sorted, im->err);
    int at = 0;

    if (sorted == NULL)
        return im->err->status;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < graph->n_inputs; i++)
            if ((graph->parent == NULL && graph->edges[graph->inputs[i]].constant != NULL) == (round == 1))
                sorted[at++] = graph->inputs[i];
    graph->inputs = sorted;
    return MAAS_OK;
}

static MaasStatus index_declared(Import *im, Scope *scope, const GraphMsg *msg)
{
    MaasSlice name, type;

    scope->message = msg;
    for (int i = 0; i < msg->values.n; i++) {
        MAAS_TRY(maas_onnx_value_message(im, msg->values.items[i], &name, &type));
        if (name.size > 0 && type.size > 0 && maas_names_find(&scope->declared, name) == NULL)
            MAAS_TRY(maas_names_put(&scope->declared, name, i, im->err));
    }
    return MAAS_OK;
}

static MaasStatus add_outputs(Import *im, Scope *scope, const GraphMsg *msg)
{
    MaasGraph *graph = scope->graph;
    MaasNameMap seen;
    MaasSlice name, type;

    maas_names_init(&seen, scope->names.arena);
    graph->outputs = maas_arena_array(im->arena, (size_t)msg->outputs.n, sizeof *graph->outputs, im->err);
    if (graph->outputs == NULL)
        return im->err->status;
    for (int i = 0; i < msg->outputs.n; i++) {
        MaasInfo info = {.rank = -1};
        bool found;
        int edge;
        MAAS_TRY(maas_onnx_value_message(im, msg->outputs.items[i], &name, &type));
        MAAS_TRY(maas_onnx_resolve(im, scope, name, &edge, &found));
        if (!found || edge == MAAS_NO_VALUE)
            return maas_fail(im->err, MAAS_ERR_NAME, "nothing computes the output \"%.*s\" of graph \"%s\"",
                             SHOW(name), graph->name);
        if (graph->parent == NULL) {
            if (maas_names_find(&seen, name) != NULL)
                return maas_fail(im->err, MAAS_ERR_NAME, "the model lists its output \"%.*s\" twice", SHOW(name));
            MAAS_TRY(maas_names_put(&seen, name, i, im->err));
        }
        MAAS_TRY(maas_onnx_type(im, type, &info));
        if (graph->edges[edge].role == MAAS_ROLE_NODE && info.kind != MAAS_KIND_UNKNOWN) {
            graph->edges[edge].info = info;
            graph->edges[edge].declared = true;
        }
        graph->outputs[i] = edge;
    }
    graph->n_outputs = msg->outputs.n;
    if (graph->parent == NULL && graph->n_outputs == 0)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "the model has no outputs");
    return MAAS_OK;
}

static MaasStatus build(Import *im, Scope *scope, GraphMsg *msg)
{
    if (im->model->ir_version < 4)
        MAAS_TRY(add_initializers(im, scope, msg));
    MAAS_TRY(add_inputs(im, scope, msg));
    if (im->model->ir_version >= 4)
        MAAS_TRY(add_initializers(im, scope, msg));
    MAAS_TRY(sort_inputs(im, scope->graph));
    MAAS_TRY(index_declared(im, scope, msg));
    MAAS_TRY(maas_onnx_order(im, &msg->nodes, msg->name));
    for (int i = 0; i < msg->nodes.n; i++)
        MAAS_TRY(maas_onnx_node(im, scope, &msg->nodes.items[msg->nodes.order[i]]));
    return add_outputs(im, scope, msg);
}

/* Adds a graph to the model's list. */
static MaasStatus list_graph(Import *im, MaasGraph *graph)
{
    MaasOnnxModel *model = im->model;

    if (model->n_graphs == model->cap_graphs) {
        int cap = model->cap_graphs < 4 ? 4 : model->cap_graphs * 2;
        MaasGraph **graphs;
        if (cap > INT_MAX / 4)
            return maas_fail(im->err, MAAS_ERR_LIMIT, "the model has too many subgraphs");
        graphs = maas_arena_array(im->arena, (size_t)cap, sizeof(MaasGraph *), im->err);
        if (graphs == NULL)
            return im->err->status;
        if (model->n_graphs > 0)
            memcpy(graphs, model->graphs, (size_t)model->n_graphs * sizeof(MaasGraph *));
        model->graphs = graphs;
        model->cap_graphs = cap;
    }
    model->graphs[model->n_graphs++] = graph;
    return MAAS_OK;
}

MaasStatus maas_onnx_graph(Import *im, MaasSlice bytes, Scope *outer, MaasGraph **out)
{
    MaasStatus status;
    MaasArena names;
    MaasGraph *graph;
    GraphMsg msg;
    Scope scope;
    const char *name;

    if (im->depth >= MAAS_MAX_GRAPH_DEPTH)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "subgraphs are nested more than %d deep", MAAS_MAX_GRAPH_DEPTH);
    MAAS_TRY(maas_onnx_graph_message(im, maas_pb_open(bytes.data, bytes.size), &msg));
    name = maas_onnx_text(im, msg.name);
    if (name == NULL)
        return im->err->status;
    MAAS_TRY(maas_graph_new(im->arena, outer != NULL ? outer->graph : NULL, name, &graph, im->err));
    MAAS_TRY(list_graph(im, graph));
    maas_arena_init(&names, im->mem);
    maas_onnx_scope(im, &scope, &names, graph, outer, outer != NULL ? outer->call : NULL,
                    outer != NULL ? outer->opsets : &im->opsets);
    im->depth++;
    status = build(im, &scope, &msg);
    im->depth--;
    maas_arena_free(&names);
    *out = graph;
    return status;
}
