/*
 * graph.c - building a graph: edges, nodes and symbols.
 *
 * Graphs, edges and nodes live in the model's arena; arrays grow by doubling
 * and leave their old blocks in it.  An edge holds one reference on its constant,
 * which whoever owns the model gives up.  A graph is built by one thread.
 */
#include <limits.h>
#include <string.h>

#include "../op/infer.h"
#include "graph.h"

/* Makes room for one more element in an array of the arena. */
static MaasStatus grow(MaasArena *arena, void **array, int n, int *cap, size_t size, MaasError *err)
{
    int larger = *cap < 8 ? 8 : *cap * 2;
    void *moved;

    if (n < *cap)
        return MAAS_OK;
    if (*cap > INT_MAX / 4)
        return maas_fail(err, MAAS_ERR_LIMIT, "a graph has more than %d values or nodes", INT_MAX / 4);
    moved = maas_arena_array(arena, (size_t)larger, size, err);
    if (moved == NULL)
        return err->status;
    if (n > 0)
        memcpy(moved, *array, (size_t)n * size);
    *array = moved;
    *cap = larger;
    return MAAS_OK;
}

static const char *copy_name(MaasArena *arena, const char *name, MaasError *err)
{
    return *name ? maas_arena_strndup(arena, name, strlen(name), err) : "";
}

MaasStatus maas_graph_new(MaasArena *arena, MaasGraph *parent, const char *name, MaasGraph **out, MaasError *err)
{
    int depth = parent != NULL ? parent->depth + 1 : 0;
    MaasGraph *graph;

    if (depth >= MAAS_MAX_GRAPH_DEPTH)
        return maas_fail(err, MAAS_ERR_LIMIT, "subgraphs are nested more than %d deep", MAAS_MAX_GRAPH_DEPTH);
    graph = maas_arena_alloc(arena, sizeof *graph, err);
    if (graph == NULL || (graph->name = copy_name(arena, name, err)) == NULL)
        return err->status;
    graph->parent = parent;
    graph->arena = arena;
    graph->depth = depth;
    *out = graph;
    return MAAS_OK;
}

int maas_graph_n_inputs(const MaasGraph *graph)
{
    return graph->n_inputs;
}

int maas_graph_n_outputs(const MaasGraph *graph)
{
    return graph->n_outputs;
}

int maas_graph_find_edge(const MaasGraph *graph, const char *name)
{
    for (int i = 0; i < graph->n_edges; i++)
        if (strcmp(graph->edges[i].name, name) == 0)
            return i;
    return MAAS_NO_VALUE;
}

MaasStatus maas_graph_add_edge(MaasGraph *graph, const char *name, MaasValueRole role, int *out, MaasError *err)
{
    const char *copy;
    MaasEdge *edge;

    MAAS_TRY(
        grow(graph->arena, (void **)&graph->edges, graph->n_edges, &graph->cap_edges, sizeof *graph->edges, err));
    copy = copy_name(graph->arena, name, err);
    if (copy == NULL)
        return err->status;
    edge = &graph->edges[graph->n_edges];
    *edge = (MaasEdge){.name = copy, .role = role, .outer = MAAS_NO_VALUE, .producer = -1};
    edge->info.rank = -1;
    *out = graph->n_edges++;
    return MAAS_OK;
}

MaasStatus maas_graph_add_node(MaasGraph *graph, const char *domain, const char *op_type, const char *name,
                               int n_in, int n_out, MaasNode **out, MaasError *err)
{
    MaasNode *node;
    MaasNode made = {.n_in = n_in, .n_out = n_out};

    MAAS_TRY(
        grow(graph->arena, (void **)&graph->nodes, graph->n_nodes, &graph->cap_nodes, sizeof *graph->nodes, err));
    made.domain = copy_name(graph->arena, domain, err);
    made.op_type = copy_name(graph->arena, op_type, err);
    made.name = copy_name(graph->arena, name, err);
    made.in = maas_arena_array(graph->arena, (size_t)n_in, sizeof *made.in, err);
    made.out = maas_arena_array(graph->arena, (size_t)n_out, sizeof *made.out, err);
    if (made.domain == NULL || made.op_type == NULL || made.name == NULL || made.in == NULL || made.out == NULL)
        return err->status;
    for (int i = 0; i < n_in; i++)
        made.in[i] = MAAS_NO_VALUE;
    for (int i = 0; i < n_out; i++)
        made.out[i] = MAAS_NO_VALUE;
    node = &graph->nodes[graph->n_nodes++];
    *node = made;
    *out = node;
    return MAAS_OK;
}

MaasStatus maas_graph_add_constant(MaasGraph *graph, const char *name, MaasValue *value, int *out, MaasError *err)
{
    MaasStatus status = maas_graph_add_edge(graph, name, MAAS_ROLE_CONSTANT, out, err);
    MaasEdge *edge;

    if (status != MAAS_OK) {
        maas_value_unref(value);
        return status;
    }
    edge = &graph->edges[*out];
    edge->constant = value;
    edge->info.kind = value->kind;
    if (value->kind == MAAS_KIND_TENSOR) {
        edge->info.type = value->tensor.type;
        edge->info.rank = value->tensor.rank;
        memcpy(edge->info.dims, value->tensor.dims, sizeof edge->info.dims);
        edge->info.value = &value->tensor;
    }
    return MAAS_OK;
}

MaasStatus maas_graph_set_parameter(MaasGraph *graph, int e, MaasError *err)
{
    MaasEdge *edge = &graph->edges[e];

    if (edge->role == MAAS_ROLE_PARAMETER)
        return MAAS_OK;
    if (edge->role != MAAS_ROLE_CONSTANT || !edge->constant || edge->constant->kind != MAAS_KIND_TENSOR)
        return maas_fail(err, MAAS_ERR_VALUE, "\"%.200s\" is not an initialiser that can be trained", edge->name);
    edge->role = MAAS_ROLE_PARAMETER;
    edge->declared = true;
    edge->info.value = NULL;
    return MAAS_OK;
}

/* ---- symbols ---- */

MaasStatus maas_symbol_add(MaasSymbols *symbols, MaasArena *arena, const char *name, int64_t *dim, MaasError *err)
{
    const char *copy = NULL;

    if (name != NULL && (copy = copy_name(arena, name, err)) == NULL)
        return err->status;
    MAAS_TRY(grow(arena, (void **)&symbols->names, symbols->n, &symbols->cap, sizeof *symbols->names, err));
    symbols->names[symbols->n] = copy;
    *dim = -2 - (int64_t)symbols->n++;
    return MAAS_OK;
}

MaasStatus maas_symbol(MaasSymbols *symbols, MaasArena *arena, const char *name, int64_t *dim, MaasError *err)
{
    for (int i = 0; name != NULL && i < symbols->n; i++)
        if (symbols->names[i] != NULL && strcmp(symbols->names[i], name) == 0) {
            *dim = -2 - (int64_t)i;
            return MAAS_OK;
        }
    return maas_symbol_add(symbols, arena, name, dim, err);
}

MaasNodeName maas_node_name(const MaasNode *node)
{
    return (MaasNodeName){.op = node->op_type, .node = node->name ? node->name : ""};
}
