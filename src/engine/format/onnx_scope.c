/*
 * onnx_scope.c - names and the edges they stand for.
 *
 * A scope lives as long as its graph or function body is imported; its names
 * are slices of the message.  A name from an enclosing graph becomes an edge of
 * each graph on the way to where it is used, so that a subgraph only ever refers
 * to its parent.
 */
#include "onnx_read.h"

void maas_onnx_scope(Import *im, Scope *scope, MaasArena *names, MaasGraph *graph, Scope *outer, const Call *call,
                     const Opsets *opsets)
{
    *scope = (Scope){.graph = graph, .outer = outer, .call = call, .opsets = opsets};
    maas_names_init(&scope->names, names);
    maas_names_init(&scope->declared, names);
}

MaasStatus maas_onnx_define(Import *im, Scope *scope, MaasSlice name, int edge)
{
    if (name.size == 0)
        return maas_fail(im->err, MAAS_ERR_NAME, "graph \"%s\" has a value without a name", scope->graph->name);
    if (maas_names_find(&scope->names, name) != NULL)
        return maas_fail(im->err, MAAS_ERR_NAME, "the name \"%.*s\" is defined twice", SHOW(name));
    return maas_names_put(&scope->names, name, edge, im->err);
}

/* Adds to `graph` what stands for edge `outer` of its parent: the constant itself, or a captured edge. */
static MaasStatus capture(Import *im, MaasGraph *graph, int outer, int *edge)
{
    const MaasEdge *from = &graph->parent->edges[outer];
    const MaasInfo info = from->info;
    bool declared = from->declared;

    if (from->role == MAAS_ROLE_CONSTANT)
        return maas_graph_add_constant(graph, from->name, maas_value_ref(from->constant), edge, im->err);
    MAAS_TRY(maas_graph_add_edge(graph, from->name, MAAS_ROLE_CAPTURED, edge, im->err));
    graph->edges[*edge].outer = outer;
    graph->edges[*edge].info = info;
    graph->edges[*edge].declared = declared;
    return MAAS_OK;
}

MaasStatus maas_onnx_resolve(Import *im, Scope *scope, MaasSlice name, int *edge, bool *found)
{
    Scope *chain[MAAS_MAX_GRAPH_DEPTH + 1];
    int n = 0;
    const int *known = NULL;

    *edge = MAAS_NO_VALUE;
    *found = true;
    if (name.size == 0)
        return MAAS_OK;
    for (Scope *s = scope; s != NULL && n <= MAAS_MAX_GRAPH_DEPTH; s = s->outer) {
        chain[n++] = s;
        known = maas_names_find(&s->names, name);
        if (known != NULL)
            break;
    }
    if (known == NULL) {
        *found = false;
        return MAAS_OK;
    }
    *edge = *known;
    for (int i = n - 2; i >= 0; i--) {
        if (*edge != MAAS_NO_VALUE && chain[i]->graph != chain[i + 1]->graph)
            MAAS_TRY(capture(im, chain[i]->graph, *edge, edge));
        MAAS_TRY(maas_names_put(&chain[i]->names, name, *edge, im->err));
    }
    return MAAS_OK;
}

MaasStatus maas_onnx_declare(Import *im, Scope *scope, MaasSlice name, int edge)
{
    const int *place = scope->message != NULL ? maas_names_find(&scope->declared, name) : NULL;
    MaasSlice ignored, type;
    MaasInfo info = {.rank = -1};

    if (place == NULL || scope->graph->edges[edge].declared || scope->graph->edges[edge].role == MAAS_ROLE_CONSTANT)
        return MAAS_OK;
    MAAS_TRY(maas_onnx_value_message(im, scope->message->values.items[*place], &ignored, &type));
    MAAS_TRY(maas_onnx_type(im, type, &info));
    scope->graph->edges[edge].info = info;
    scope->graph->edges[edge].declared = info.kind != MAAS_KIND_UNKNOWN;
    return MAAS_OK;
}
