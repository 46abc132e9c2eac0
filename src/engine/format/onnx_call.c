/*
 * onnx_call.c - model-local functions, inlined at each call.
 *
 * The nodes of the body are added to the caller's graph under names that only
 * the body sees.  A function may call others but not itself, and how much the
 * calls of a model may expand is bounded.
 */
#include <string.h>

#include "onnx_read.h"

#define MAX_ATTRS 256                    /* of a call or a function: they are searched one by one */
#define MAX_EXPANDED ((uint64_t)1 << 30) /* bytes of node messages that calls may copy */

/* Takes the body apart, at the first call. */
static MaasStatus parse(Import *im, Function *fn)
{
    MaasPb pb = maas_pb_open(fn->bytes.data, fn->bytes.size), inside = pb;
    MaasPbField f;
    MaasSlice slice;

    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, im->err));
        switch (f.number) {
        case 4:
            MAAS_TRY(maas_pb_text(&f, "the input of a function", &slice, im->err));
            MAAS_TRY(maas_onnx_push(im, &fn->in, slice));
            break;
        case 5:
            MAAS_TRY(maas_pb_text(&f, "the output of a function", &slice, im->err));
            MAAS_TRY(maas_onnx_push(im, &fn->out, slice));
            break;
        case 7:
            MAAS_TRY(maas_pb_bytes(&f, "the node of a function", &slice, im->err));
            MAAS_TRY(maas_onnx_node_message(im, maas_pb_inner(&inside, slice), &fn->nodes));
            break;
        case 11:
            MAAS_TRY(maas_pb_bytes(&f, "the attribute of a function", &slice, im->err));
            MAAS_TRY(maas_onnx_push(im, &fn->defaults, slice));
            break;
        default:
            break;
        }
    }
    MAAS_TRY(maas_onnx_opsets(im, inside, 9, &fn->opsets));
    fn->opsets.outer = &im->opsets;
    MAAS_TRY(maas_onnx_order(im, &fn->nodes, fn->name));
    fn->parsed = true;
    return MAAS_OK;
}

/* Refuses a call from within the function's own body, and too much of everything. */
static MaasStatus check_call(Import *im, const Scope *scope, const NodeMsg *node, const Function *fn)
{
    for (const Call *call = scope->call; call != NULL; call = call->caller->call)
        if (call->function == fn)
            return maas_fail(im->err, MAAS_ERR_FORMAT, "function \"%.*s\" calls itself", SHOW(fn->name));
    if (im->depth >= MAAS_MAX_GRAPH_DEPTH)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "functions and subgraphs are nested more than %d deep",
                         MAAS_MAX_GRAPH_DEPTH);
    im->expanded += 64 + fn->bytes.size;
    if (im->expanded > MAX_EXPANDED)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "the calls of functions expand to more than %llu bytes",
                         (unsigned long long)MAX_EXPANDED);
    if (node->attrs.n > MAX_ATTRS || fn->defaults.n > MAX_ATTRS)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "function \"%.*s\" has more than %d attributes", SHOW(fn->name),
                         MAX_ATTRS);
    if (node->in.n > fn->in.n || node->out.n > fn->out.n)
        return maas_fail(im->err, MAAS_ERR_FORMAT, "function \"%.*s\" has %d inputs and %d outputs, got %d and %d",
                         SHOW(fn->name), fn->in.n, fn->out.n, node->in.n, node->out.n);
    return MAAS_OK;
}

static MaasStatus bind_inputs(Import *im, Scope *caller, Scope *body, const NodeMsg *node, const Function *fn)
{
    for (int i = 0; i < fn->in.n; i++) {
        int edge = MAAS_NO_VALUE;
        bool found = true;
        if (i < node->in.n)
            MAAS_TRY(maas_onnx_resolve(im, caller, node->in.items[i], &edge, &found));
        if (!found)
            return maas_fail(im->err, MAAS_ERR_NAME, "input \"%.*s\" is not defined anywhere",
                             SHOW(node->in.items[i]));
        MAAS_TRY(maas_onnx_define(im, body, fn->in.items[i], edge));
    }
    return MAAS_OK;
}

/* A node that passes `from` on under another name. */
static MaasStatus add_identity(Import *im, Scope *scope, const NodeMsg *call, int from, int *to)
{
    NodeMsg message = {.name = call->name, .domain = {"", 0}};
    MaasNode *node = NULL;

    MAAS_TRY(maas_onnx_new_node(im, scope, &message, maas_slice("Identity"), 1, 1, &node));
    node->in[0] = from;
    MAAS_TRY(maas_graph_add_edge(scope->graph, "", MAAS_ROLE_NODE, to, im->err));
    scope->graph->edges[*to].producer = (int)(node - scope->graph->nodes);
    node->out[0] = *to;
    return maas_onnx_finish_node(im, scope, node);
}

/* The caller's names for the results.  What a node of the body makes is renamed; what was there before the call
 * (edges below first), or has been renamed already, goes through an Identity node. */
static MaasStatus bind_outputs(Import *im, Scope *caller, Scope *body, const NodeMsg *node, const Function *fn,
                               int first)
{
    int n = caller->graph->n_edges - first;
    char *renamed = maas_arena_array(body->names.arena, (size_t)n, 1, im->err);

    if (renamed == NULL)
        return im->err->status;
    for (int i = 0; i < node->out.n; i++) {
        const int *known = maas_names_find(&body->names, fn->out.items[i]);
        const char *name = maas_onnx_text(im, node->out.items[i]);
        int edge;
        if (name == NULL)
            return im->err->status;
        if (*name == '\0')
            continue;
        if (known == NULL || *known == MAAS_NO_VALUE)
            return maas_fail(im->err, MAAS_ERR_NAME, "nothing computes the output \"%.*s\" of function \"%.*s\"",
                             SHOW(fn->out.items[i]), SHOW(fn->name));
        edge = *known;
        if (edge < first || renamed[edge - first] || caller->graph->edges[edge].role != MAAS_ROLE_NODE)
            MAAS_TRY(add_identity(im, caller, node, edge, &edge));
        else
            renamed[edge - first] = 1;
        caller->graph->edges[edge].name = name;
        MAAS_TRY(maas_onnx_define(im, caller, node->out.items[i], edge));
        MAAS_TRY(maas_onnx_declare(im, caller, node->out.items[i], edge));
    }
    return MAAS_OK;
}

static MaasStatus expand(Import *im, Scope *caller, Scope *body, const NodeMsg *node, Function *fn)
{
    int first = caller->graph->n_edges;

    if (!fn->parsed)
        MAAS_TRY(parse(im, fn));
    MAAS_TRY(maas_onnx_blame(im, node, check_call(im, caller, node, fn)));
    body->opsets = &fn->opsets;
    MAAS_TRY(maas_onnx_blame(im, node, bind_inputs(im, caller, body, node, fn)));
    first = caller->graph->n_edges;
    for (int i = 0; i < fn->nodes.n; i++)
        MAAS_TRY(maas_onnx_node(im, body, &fn->nodes.items[fn->nodes.order[i]]));
    return maas_onnx_blame(im, node, bind_outputs(im, caller, body, node, fn, first));
}

MaasStatus maas_onnx_call(Import *im, Scope *scope, const NodeMsg *node, Function *fn)
{
    Call call = {.function = fn, .node = node, .caller = scope};
    MaasArena names;
    MaasStatus status;
    Scope body;

    maas_arena_init(&names, im->mem);
    maas_onnx_scope(im, &body, &names, scope->graph, NULL, &call, &im->opsets);
    im->depth++;
    status = expand(im, scope, &body, node, fn);
    im->depth--;
    maas_arena_free(&names);
    return status;
}
