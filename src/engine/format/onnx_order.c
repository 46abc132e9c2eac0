/*
 * onnx_order.c - puts nodes into an order in which each can run.
 *
 * Files should be sorted already; some are not.  A node depends on the nodes
 * that make its inputs and on those that make what its subgraphs capture.  The
 * search is depth-first without recursion and keeps the file's order where it
 * can.  What makes a name at all is checked later, when it is resolved.
 */
#include "onnx_read.h"

/* ---- names that subgraphs take from outside ---- */

/* Adds to names what the graph, given by its bytes, reads and does not define. */
static MaasStatus free_names(Import *im, MaasSlice bytes, int depth, SliceList *names)
{
    SliceList used = {0};
    MaasNameMap defined;
    MaasSlice name, type;
    GraphMsg msg;

    if (depth > MAAS_MAX_GRAPH_DEPTH)
        return maas_fail(im->err, MAAS_ERR_LIMIT, "subgraphs are nested more than %d deep", MAAS_MAX_GRAPH_DEPTH);
    maas_names_init(&defined, im->temp);
    MAAS_TRY(maas_onnx_graph_message(im, maas_pb_open(bytes.data, bytes.size), &msg));
    for (int i = 0; i < msg.inputs.n; i++) {
        MAAS_TRY(maas_onnx_value_message(im, msg.inputs.items[i], &name, &type));
        if (maas_names_find(&defined, name) == NULL)
            MAAS_TRY(maas_names_put(&defined, name, 0, im->err));
    }
    for (int n = 0; n < msg.nodes.n; n++) {
        const NodeMsg *node = &msg.nodes.items[n];
        for (int i = 0; i < node->out.n; i++)
            if (maas_names_find(&defined, node->out.items[i]) == NULL)
                MAAS_TRY(maas_names_put(&defined, node->out.items[i], 0, im->err));
        for (int i = 0; i < node->in.n; i++)
            MAAS_TRY(maas_onnx_push(im, &used, node->in.items[i]));
        for (int i = 0; i < node->attrs.n; i++) {
            SliceList graphs = {0};
            MAAS_TRY(maas_onnx_attr_peek(im, node->attrs.items[i], &name, &graphs));
            for (int g = 0; g < graphs.n; g++)
                MAAS_TRY(free_names(im, graphs.items[g], depth + 1, &used));
        }
    }
    for (int i = 0; i < msg.outputs.n; i++) {
        MAAS_TRY(maas_onnx_value_message(im, msg.outputs.items[i], &name, &type));
        MAAS_TRY(maas_onnx_push(im, &used, name));
    }
    /* an initialiser that has the name of an outer value hides it; one dependency too many can only matter in
     * a graph that is cyclic without it, which is not worth reading the tensors for */
    for (int i = 0; i < used.n; i++)
        if (used.items[i].size > 0 && maas_names_find(&defined, used.items[i]) == NULL)
            MAAS_TRY(maas_onnx_push(im, names, used.items[i]));
    return MAAS_OK;
}

/* Adds the free names of the node's subgraphs to names; what they are taken apart into goes to im->temp. */
static MaasStatus subgraph_reads(Import *im, const NodeMsg *node, SliceList *names)
{
    MaasSlice name;

    for (int i = 0; i < node->attrs.n; i++) {
        SliceList graphs = {0};
        MAAS_TRY(maas_onnx_attr_peek(im, node->attrs.items[i], &name, &graphs));
        for (int g = 0; g < graphs.n; g++)
            MAAS_TRY(free_names(im, graphs.items[g], im->depth, names));
    }
    return MAAS_OK;
}

/* All names that a node reads: its inputs and the free names of its subgraphs. */
static MaasStatus node_reads(Import *im, const NodeMsg *node, SliceList *reads)
{
    MaasArena *temp = im->temp, scratch;
    SliceList names = {0};
    MaasStatus status;

    maas_arena_init(&scratch, im->mem); /* nested messages are taken apart at every level: give them back */
    im->temp = &scratch;
    status = subgraph_reads(im, node, &names);
    im->temp = temp;
    *reads = node->in;
    if (status == MAAS_OK && names.n > 0) {
        *reads = (SliceList){0}; /* the node's own list stays as it is */
        for (int i = 0; i < node->in.n && status == MAAS_OK; i++)
            status = maas_onnx_push(im, reads, node->in.items[i]);
        for (int i = 0; i < names.n && status == MAAS_OK; i++)
            status = maas_onnx_push(im, reads, names.items[i]);
    }
    maas_arena_free(&scratch);
    return status;
}

/* ---- sorting ---- */

enum { NEW = 0, OPEN, DONE };

typedef struct Visit {
    int node;
    int next; /* input to look at */
} Visit;

static MaasStatus fail_cycle(Import *im, const NodeList *nodes, const Visit *stack, int n, int again,
                             MaasSlice where)
{
    int first = 0;

    maas_fail(im->err, MAAS_ERR_FORMAT, "the nodes of graph \"%.*s\" depend on each other in a circle",
              SHOW(where));
    while (stack[first].node != again)
        first++;
    maas_error_detail(im->err, "Nodes of the circle:");
    for (int i = first; i < n; i++) {
        const NodeMsg *node = &nodes->items[stack[i].node];
        maas_error_detail(im->err, "%s %.*s \"%.*s\"", i > first ? "," : "", SHOW(node->op_type), SHOW(node->name));
    }
    return im->err->status;
}

static MaasStatus sort(Import *im, NodeList *nodes, const SliceList *reads, const MaasNameMap *makers,
                       MaasSlice where)
{
    char *state = maas_arena_array(im->temp, (size_t)nodes->n, 1, im->err);
    Visit *stack = maas_arena_array(im->temp, (size_t)nodes->n, sizeof *stack, im->err);
    int n_done = 0;

    if (state == NULL || stack == NULL)
        return im->err->status;
    for (int root = 0; root < nodes->n; root++) {
        int depth = 0;
        if (state[root] == NEW) {
            stack[depth++] = (Visit){root, 0};
            state[root] = OPEN;
        }
        while (depth > 0) {
            Visit *top = &stack[depth - 1];
            const int *maker;
            if (top->next == reads[top->node].n) {
                state[top->node] = DONE;
                nodes->order[n_done++] = top->node;
                depth--;
                continue;
            }
            maker = maas_names_find(makers, reads[top->node].items[top->next++]);
            if (maker == NULL || state[*maker] == DONE)
                continue;
            if (state[*maker] == OPEN)
                return fail_cycle(im, nodes, stack, depth, *maker, where);
            state[*maker] = OPEN;
            stack[depth++] = (Visit){*maker, 0};
        }
    }
    return MAAS_OK;
}

MaasStatus maas_onnx_order(Import *im, NodeList *nodes, MaasSlice where)
{
    SliceList *reads = maas_arena_array(im->temp, (size_t)nodes->n, sizeof *reads, im->err);
    MaasNameMap makers;

    nodes->order = maas_arena_array(im->temp, (size_t)nodes->n, sizeof *nodes->order, im->err);
    if (reads == NULL || nodes->order == NULL)
        return im->err->status;
    maas_names_init(&makers, im->temp);
    for (int n = 0; n < nodes->n; n++) {
        const SliceList *out = &nodes->items[n].out;
        for (int i = 0; i < out->n; i++) {
            if (out->items[i].size == 0)
                continue;
            if (maas_names_find(&makers, out->items[i]) != NULL)
                return maas_fail(im->err, MAAS_ERR_NAME, "the name \"%.*s\" is defined twice", SHOW(out->items[i]));
            MAAS_TRY(maas_names_put(&makers, out->items[i], n, im->err));
        }
        MAAS_TRY(node_reads(im, &nodes->items[n], &reads[n]));
    }
    return sort(im, nodes, reads, &makers, where);
}
