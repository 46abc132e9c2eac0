/*
 * image_graph.c - graphs, edges, nodes and attributes in an image.
 *
 * Operators are named once and numbered; attributes are those that an operator sees, in the order of its record,
 * and whatever prepare made is one block without pointers.  So a new operator needs nothing here.  Not in an image:
 * the attributes as the model gave them, and the opsets of import.
 */
#include <limits.h>
#include <string.h>

#include "image_code.h"

#define MAX_OPS 2048 /* more than there are */

typedef struct GraphCoder {
    ImageCoder *c;
    MaasOnnxModel *onnx;
    int n_ops;
    const MaasOp **ops;
} GraphCoder;

/* ---- operators ---- */

static int op_number(const GraphCoder *g, const MaasOp *op)
{
    for (int i = 0; i < g->n_ops; i++)
        if (g->ops[i] == op)
            return i;
    return g->n_ops;
}

static void find_ops(GraphCoder *g)
{
    for (int k = 0; k < g->onnx->n_graphs; k++)
        for (int n = 0; n < g->onnx->graphs[k]->n_nodes; n++) {
            const MaasOp *op = g->onnx->graphs[k]->nodes[n].op;
            int i = op_number(g, op);

            if (i == g->n_ops && i < MAX_OPS)
                g->ops[g->n_ops++] = op;
        }
}

static void code_ops(GraphCoder *g)
{
    ImageCoder *c = g->c;

    maas_code_count(c, &g->n_ops, INT_MAX / 4);
    if (!c->writing)
        g->ops = maas_code_array(c, NULL, g->n_ops, sizeof *g->ops);
    for (int i = 0; i < g->n_ops && code_ok(c); i++) {
        const char *domain = c->writing ? g->ops[i]->domain : NULL, *name = c->writing ? g->ops[i]->name : NULL;

        maas_code_text(c, &domain);
        maas_code_text(c, &name);
        if (!code_ok(c) || c->writing)
            continue;
        g->ops[i] = name ? maas_op_find(domain ? domain : "", name) : NULL;
        if (!g->ops[i])
            maas_code_fail(c, MAAS_ERR_FORMAT, "an operator is unknown");
    }
}

/* ---- attributes ---- */

/* A number of elements that lie behind the skeleton. */
static void code_list(ImageCoder *c, int64_t *n, const void **list, size_t size)
{
    size_t bytes = 0;

    CODE(c, *n);
    if (code_ok(c) && (*n < 0 || !maas_mul((size_t)*n, size, &bytes)))
        maas_code_fail(c, MAAS_ERR_FORMAT, "a list is longer than it can be");
    if (code_ok(c) && *n > 0)
        maas_code_data(c, list, bytes);
}

static void code_strings(ImageCoder *c, MaasAttr *attr)
{
    maas_code_count64(c, &attr->n);
    MaasStr *strings = maas_code_array(c, (void *)(uintptr_t)attr->strings, attr->n, sizeof *strings);

    for (int64_t i = 0; i < attr->n && code_ok(c); i++)
        maas_code_str(c, &strings[i]);
    attr->strings = strings;
}

static void code_tensors(ImageCoder *c, MaasAttr *attr)
{
    maas_code_count64(c, &attr->n);
    MaasTensor **tensors = maas_code_array(c, (void *)(uintptr_t)attr->tensors, attr->n, sizeof *tensors);

    for (int64_t i = 0; i < attr->n && code_ok(c); i++) {
        tensors[i] = maas_code_array(c, tensors[i], 1, sizeof **tensors);
        if (code_ok(c))
            maas_code_tensor(c, tensors[i]);
    }
    attr->tensors = tensors;
}

/* A graph by its number; on reading it must be one inside of this graph. */
static void code_subgraph(GraphCoder *g, const MaasGraph *inside, MaasGraph **sub)
{
    ImageCoder *c = g->c;
    int number = -1;

    for (int i = 0; c->writing && *sub && i < g->onnx->n_graphs; i++)
        if (g->onnx->graphs[i] == *sub)
            number = i;
    if (c->writing && *sub && number < 0)
        maas_code_fail(c, MAAS_ERR_INTERNAL, "a subgraph is not among its graphs");
    maas_code_int(c, &number, -1, g->onnx->n_graphs - 1);
    if (!code_ok(c) || c->writing)
        return;
    *sub = number < 0 ? NULL : g->onnx->graphs[number];
    if (*sub && (*sub)->parent != inside)
        maas_code_fail(c, MAAS_ERR_FORMAT, "a subgraph belongs elsewhere");
}

static void code_attr(GraphCoder *g, const MaasGraph *graph, const MaasAttrSpec *spec, MaasAttr *attr)
{
    ImageCoder *c = g->c;
    bool there = attr->info != NULL;

    if (!c->writing) {
        attr->name = spec->name;
        attr->kind = spec->kind;
    }
    maas_code_bool(c, &attr->set);
    switch (attr->kind) {
    case MAAS_ATTR_FLOAT:
        CODE(c, attr->f);
        break;
    case MAAS_ATTR_INT:
        CODE(c, attr->i);
        break;
    case MAAS_ATTR_STRING:
        maas_code_str(c, &attr->s);
        break;
    case MAAS_ATTR_FLOATS:
        code_list(c, &attr->n, (const void **)&attr->floats, sizeof *attr->floats);
        break;
    case MAAS_ATTR_INTS:
        code_list(c, &attr->n, (const void **)&attr->ints, sizeof *attr->ints);
        break;
    case MAAS_ATTR_STRINGS:
        code_strings(c, attr);
        break;
    case MAAS_ATTR_TENSOR:
    case MAAS_ATTR_TENSORS:
        code_tensors(c, attr);
        break;
    case MAAS_ATTR_GRAPH:
        code_subgraph(g, graph, &attr->graph);
        break;
    case MAAS_ATTR_TYPE_PROTO:
        maas_code_bool(c, &there);
        if (there && code_ok(c)) {
            MaasInfo *info = maas_code_array(c, (void *)(uintptr_t)attr->info, 1, sizeof *info);

            if (code_ok(c))
                maas_code_info(c, info, 0);
            attr->info = info;
        }
        break;
    default:
        maas_code_fail(c, MAAS_ERR_UNSUPPORTED, "an attribute of unknown kind");
    }
}

/* ---- nodes and edges ---- */

static void code_numbers(ImageCoder *c, int **list, int n, int low, int high)
{
    *list = maas_code_array(c, *list, n, sizeof **list);
    for (int i = 0; i < n && code_ok(c); i++)
        maas_code_int(c, &(*list)[i], low, high);
}

static void code_node(GraphCoder *g, MaasGraph *graph, MaasNode *node)
{
    ImageCoder *c = g->c;
    int op = c->writing ? op_number(g, node->op) : 0, n = 0;
    uint64_t state_bytes = node->state ? node->state_bytes : 0;

    maas_code_int(c, &op, 0, g->n_ops - 1);
    maas_code_text(c, &node->domain);
    maas_code_text(c, &node->op_type);
    maas_code_text(c, &node->name);
    maas_code_count(c, &node->n_in, INT_MAX / 4);
    code_numbers(c, &node->in, node->n_in, MAAS_NO_VALUE, graph->n_edges - 1);
    maas_code_count(c, &node->n_out, INT_MAX / 4);
    code_numbers(c, &node->out, node->n_out, MAAS_NO_VALUE, graph->n_edges - 1);
    if (code_ok(c) && (!node->domain || !node->op_type || !node->name))
        maas_code_fail(c, MAAS_ERR_FORMAT, "a node has no name");
    if (!code_ok(c))
        return;
    node->op = g->ops[op];
    while (n < MAAS_MAX_ATTR_SPECS && node->op->attrs[n].name)
        n++;
    node->attrs = maas_code_array(c, node->attrs, n, sizeof *node->attrs);
    for (int a = 0; a < n && code_ok(c); a++)
        code_attr(g, graph, &node->op->attrs[a], &node->attrs[a]);
    CODE(c, state_bytes);
    if (code_ok(c) && state_bytes > 0) {
        const void *state = node->state;

        maas_code_data(c, &state, state_bytes);
        node->state = (void *)(uintptr_t)state;
        node->state_bytes = state_bytes;
    }
}

static void code_edge(ImageCoder *c, const MaasGraph *graph, MaasEdge *edge)
{
    int role = (int)edge->role;
    /* a value that inference knows is the constant of the edge, or was for the time of loading only */
    bool known = edge->constant && edge->info.value == &edge->constant->tensor;

    maas_code_text(c, &edge->name);
    maas_code_int(c, &role, MAAS_ROLE_INPUT, MAAS_ROLE_CAPTURED);
    edge->role = (MaasValueRole)role;
    maas_code_info(c, &edge->info, 0);
    maas_code_bool(c, &edge->declared);
    maas_code_value(c, &edge->constant, 0);
    maas_code_bool(c, &known);
    CODE(c, edge->outer);
    maas_code_int(c, &edge->producer, -1, INT_MAX);
    if (!code_ok(c) || c->writing)
        return;
    if (known && edge->constant && edge->constant->kind == MAAS_KIND_TENSOR)
        edge->info.value = &edge->constant->tensor;
    if (edge->producer >= graph->n_nodes)
        edge->producer = -1;
    if (!edge->name || (edge->role == MAAS_ROLE_NODE && edge->constant) ||
        (edge->role == MAAS_ROLE_CAPTURED &&
         (!graph->parent || edge->outer < 0 || edge->outer >= graph->parent->n_edges)))
        maas_code_fail(c, MAAS_ERR_FORMAT, "a value is not as values are");
}

/* ---- graphs ---- */

/* What must be known of all graphs before the content of any. */
static void code_graph_head(GraphCoder *g, int number)
{
    ImageCoder *c = g->c;
    MaasGraph *graph = maas_code_array(c, g->onnx->graphs[number], 1, sizeof *graph);
    int parent = -1;

    if (!code_ok(c))
        return;
    g->onnx->graphs[number] = graph;
    while (c->writing && graph->parent && ++parent < number && g->onnx->graphs[parent] != graph->parent)
        continue;
    maas_code_int(c, &parent, number == 0 ? -1 : 0, number - 1);
    maas_code_text(c, &graph->name);
    maas_code_count(c, &graph->n_edges, INT_MAX / 4);
    maas_code_count(c, &graph->n_nodes, INT_MAX / 4);
    if (code_ok(c) && !graph->name)
        maas_code_fail(c, MAAS_ERR_FORMAT, "a graph has no name");
    if (!code_ok(c) || c->writing)
        return;
    graph->arena = c->arena;
    graph->parent = parent < 0 ? NULL : g->onnx->graphs[parent];
    graph->depth = parent < 0 ? 0 : graph->parent->depth + 1;
    if (graph->depth >= MAAS_MAX_GRAPH_DEPTH)
        maas_code_fail(c, MAAS_ERR_LIMIT, "its graphs are nested too deep");
}

static void code_graph(GraphCoder *g, MaasGraph *graph)
{
    ImageCoder *c = g->c;
    bool run = graph->last_use != NULL; /* else no node is left that calls it */

    graph->edges = maas_code_array(c, graph->edges, graph->n_edges, sizeof *graph->edges);
    for (int e = 0; e < graph->n_edges && code_ok(c); e++)
        code_edge(c, graph, &graph->edges[e]);
    graph->nodes = maas_code_array(c, graph->nodes, graph->n_nodes, sizeof *graph->nodes);
    for (int k = 0; k < graph->n_nodes && code_ok(c); k++)
        code_node(g, graph, &graph->nodes[k]);
    maas_code_count(c, &graph->n_inputs, INT_MAX / 4);
    code_numbers(c, &graph->inputs, graph->n_inputs, 0, graph->n_edges - 1);
    maas_code_count(c, &graph->n_outputs, INT_MAX / 4);
    code_numbers(c, &graph->outputs, graph->n_outputs, 0, graph->n_edges - 1);
    maas_code_bool(c, &run);
    if (run)
        code_numbers(c, &graph->last_use, graph->n_edges, -1, graph->n_nodes);
    if (!c->writing) {
        graph->cap_edges = graph->n_edges;
        graph->cap_nodes = graph->n_nodes;
    }
}

void maas_code_onnx(ImageCoder *c, MaasOnnxModel *onnx)
{
    const MaasOp *ops[MAX_OPS];
    GraphCoder g = {.c = c, .onnx = onnx, .ops = ops};

    if (c->writing)
        find_ops(&g);
    code_ops(&g);
    maas_code_count(c, &onnx->symbols.n, INT_MAX / 4);
    onnx->symbols.names = maas_code_array(c, onnx->symbols.names, onnx->symbols.n, sizeof *onnx->symbols.names);
    for (int i = 0; i < onnx->symbols.n && code_ok(c); i++)
        maas_code_text(c, &onnx->symbols.names[i]);
    maas_code_count(c, &onnx->n_graphs, INT_MAX / 4);
    onnx->graphs = maas_code_array(c, onnx->graphs, onnx->n_graphs, sizeof *onnx->graphs);
    for (int i = 0; i < onnx->n_graphs && code_ok(c); i++)
        code_graph_head(&g, i);
    for (int i = 0; i < onnx->n_graphs && code_ok(c); i++)
        code_graph(&g, onnx->graphs[i]);
    if (code_ok(c) && onnx->n_graphs == 0)
        maas_code_fail(c, MAAS_ERR_FORMAT, "there is no graph");
    if (!code_ok(c) || c->writing)
        return;
    onnx->graph = onnx->graphs[0];
    onnx->symbols.cap = onnx->symbols.n;
    onnx->cap_graphs = onnx->n_graphs;
}
