/*
 * differentiate.c - reverse-mode differentiation, graph to graph.
 *
 * Nodes are visited from last to first; each whose outputs have gradients lets its operator's grad function append
 * the nodes for its inputs.  An edge that several nodes read gets the sum of what they give.  Working memory is an
 * arena of this call; the nodes live in the graph's.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../graph/build.h"
#include "../graph/exec.h"
#include "../op/infer.h"
#include "../op/grad.h"
#include "differentiate.h"

#define MAX_NAMES 800 /* bytes of operators' names in a failure */

struct MaasGrad {
    MaasGraph *graph;
    int k;                 /* the node whose grad function runs */
    MaasNode node;         /* a copy: appending moves the nodes */
    int n_edges;           /* of the forward pass */
    bool *on_path;         /* per edge: lies between a wanted edge and the loss */
    int *gradient;         /* per edge */
    char names[MAX_NAMES]; /* of operators without a gradient */
    MaasStatus status;
    MaasError *err;
};

/* ---- what grad functions call: the node ---- */

const MaasAttr *maas_grad_attrs(const MaasGrad *g)
{
    return g->node.attrs;
}

int maas_grad_n_in(const MaasGrad *g)
{
    return g->node.n_in;
}

int maas_grad_n_out(const MaasGrad *g)
{
    return g->node.n_out;
}

int maas_grad_in(const MaasGrad *g, int i)
{
    return i < g->node.n_in ? g->node.in[i] : MAAS_NO_VALUE;
}

int maas_grad_out(MaasGrad *g, int i)
{
    int edge = MAAS_NO_VALUE;

    if (g->status == MAAS_OK)
        g->status = maas_build_output(g->graph, g->k, i, &edge, g->err);
    return edge;
}

int maas_grad_dy(const MaasGrad *g, int i)
{
    return i < g->node.n_out && g->node.out[i] != MAAS_NO_VALUE ? g->gradient[g->node.out[i]] : MAAS_NO_VALUE;
}

bool maas_grad_wants(const MaasGrad *g, int i)
{
    int edge = maas_grad_in(g, i);

    return edge != MAAS_NO_VALUE && g->on_path[edge];
}

void maas_grad_give(MaasGrad *g, int i, int edge)
{
    int *sum = maas_grad_wants(g, i) ? &g->gradient[g->node.in[i]] : NULL;

    if (!sum || edge == MAAS_NO_VALUE)
        return;
    *sum = *sum == MAAS_NO_VALUE ? edge : MAAS_GRAD(g, "Add", *sum, edge);
}

const MaasInfo *maas_grad_info(const MaasGrad *g, int edge)
{
    static const MaasInfo unknown = {.rank = -1};

    return edge == MAAS_NO_VALUE ? &unknown : &g->graph->edges[edge].info; /* none: after a failure */
}

/* Notes what stands in the way, each text once. */
static void note(MaasGrad *g, const char *text)
{
    size_t used = strlen(g->names), length = strlen(text);
    const char *at = g->names;

    while ((at = strstr(at, text)) != NULL) {
        bool begins = at == g->names || at[-1] == ' ', ends = at[length] == ',' || at[length] == '\0';

        if (begins && ends)
            return;
        at++;
    }
    if (used + length + 8 < sizeof g->names)
        snprintf(g->names + used, sizeof g->names - used, "%s%s", used ? ", " : "", text);
    else if (used < 4 || strcmp(g->names + used - 3, "...") != 0)
        snprintf(g->names + used, sizeof g->names - used, ", ...");
}

void maas_grad_refuse(MaasGrad *g, const char *format, ...)
{
    char what[100], text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(text, sizeof text, "%.90s (%s)", g->node.op_type, what);
    note(g, text);
}

/* ---- what grad functions call: building ---- */

void maas_grad_nodes(MaasGrad *g, const char *op, int n_in, const int *in, int n_out, int *out)
{
    int k = g->graph->n_nodes;

    if (g->status == MAAS_OK)
        g->status = maas_build_op(g->graph, op, n_in, in, 0, NULL, g->err);
    for (int i = 0; i < n_out; i++) {
        if (out[i] != MAAS_NO_VALUE && g->status == MAAS_OK)
            g->status = maas_build_output(g->graph, k, i, &out[i], g->err);
        if (g->status != MAAS_OK)
            out[i] = MAAS_NO_VALUE;
    }
}

void maas_grad_ask(const MaasGrad *g, int n, const int *inputs, int *out)
{
    for (int i = 0; i < n; i++)
        out[i] = maas_grad_wants(g, inputs[i]) ? 0 : MAAS_NO_VALUE;
}

int maas_grad_node(MaasGrad *g, const char *op, int n_in, const int *in)
{
    int out = 0;

    maas_grad_nodes(g, op, n_in, in, 1, &out);
    return out;
}

void maas_grad_set_int(MaasGrad *g, const char *name, int64_t value)
{
    if (g->status == MAAS_OK)
        g->status = maas_build_int(g->graph, g->graph->n_nodes - 1, name, value, g->err);
}

void maas_grad_set_float(MaasGrad *g, const char *name, float value)
{
    if (g->status == MAAS_OK)
        g->status = maas_build_float(g->graph, g->graph->n_nodes - 1, name, value, g->err);
}

void maas_grad_set_text(MaasGrad *g, const char *name, const char *value)
{
    if (g->status == MAAS_OK)
        g->status = maas_build_text(g->graph, g->graph->n_nodes - 1, name, (MaasStr){value, strlen(value)}, g->err);
}

void maas_grad_set_ints(MaasGrad *g, const char *name, int64_t n, const int64_t *values)
{
    if (g->status == MAAS_OK)
        g->status = maas_build_ints(g->graph, g->graph->n_nodes - 1, name, n, values, g->err);
}

void maas_grad_copy_attrs(MaasGrad *g, int from, int to)
{
    for (int i = from; i < to && g->status == MAAS_OK; i++)
        if (g->node.attrs[i].set)
            g->status = maas_build_attr(g->graph, g->graph->n_nodes - 1, &g->node.attrs[i], g->err);
}

/* ---- operands ---- */

int maas_grad_number(MaasGrad *g, int like, double value)
{
    int edge = MAAS_NO_VALUE;

    if (g->status == MAAS_OK)
        g->status = maas_build_number(g->graph, maas_grad_info(g, like)->type, value, &edge, g->err);
    return edge;
}

int maas_grad_ints(MaasGrad *g, int64_t n, const int64_t *values)
{
    int edge = MAAS_NO_VALUE;

    if (g->status == MAAS_OK)
        g->status = maas_build_shape(g->graph, n, values, &edge, g->err);
    return edge;
}

int maas_grad_shape(MaasGrad *g, int edge)
{
    const MaasInfo *info = maas_grad_info(g, edge);

    if (maas_info_shape_known(info))
        return maas_grad_ints(g, info->rank, info->dims);
    return MAAS_GRAD(g, "Shape", edge);
}

int maas_grad_count(MaasGrad *g, int of, int like)
{
    int count = MAAS_GRAD(g, "Size", of), edge = MAAS_GRAD(g, "Cast", count);

    maas_grad_set_int(g, "to", maas_grad_info(g, like)->type);
    return edge;
}

int maas_grad_zeros(MaasGrad *g, int like)
{
    return MAAS_GRAD(g, "Expand", maas_grad_number(g, like, 0), maas_grad_shape(g, like));
}

/* ---- formulas ---- */

int maas_grad_mul(MaasGrad *g, int a, int b)
{
    return MAAS_GRAD(g, "Mul", a, b);
}

int maas_grad_div(MaasGrad *g, int a, int b)
{
    return MAAS_GRAD(g, "Div", a, b);
}

int maas_grad_neg(MaasGrad *g, int a)
{
    return MAAS_GRAD(g, "Neg", a);
}

bool maas_grad_same_shape(const MaasGrad *g, int a, int b)
{
    const MaasInfo *x = maas_grad_info(g, a), *y = maas_grad_info(g, b);

    if (x->rank < 0 || x->rank != y->rank)
        return false;
    for (int d = 0; d < x->rank; d++)
        if (x->dims[d] != y->dims[d] || x->dims[d] == MAAS_DIM_ANY)
            return false;
    return true;
}

int maas_grad_sum_to(MaasGrad *g, int x, int from, int to)
{
    return maas_grad_same_shape(g, from, to) ? x : MAAS_GRAD(g, "SumTo", x, maas_grad_shape(g, to));
}

int maas_grad_reshape(MaasGrad *g, int x, int to)
{
    int edge = MAAS_GRAD(g, "Reshape", x, maas_grad_shape(g, to));

    maas_grad_set_int(g, "allowzero", 1);
    return edge;
}

int maas_grad_expand(MaasGrad *g, int x, int to)
{
    return MAAS_GRAD(g, "Expand", x, maas_grad_shape(g, to));
}

/* ---- which edges lie on the way ---- */

static bool may_have_gradient(const MaasEdge *edge)
{
    return edge->info.type == MAAS_UNDEFINED || maas_type_in(edge->info.type, MAAS_T_FLOATS);
}

static bool reads_any(const MaasNode *node, const bool *marked)
{
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] != MAAS_NO_VALUE && marked[node->in[i]])
            return true;
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++) {
        const MaasGraph *sub = node->attrs[a].graph;

        for (int e = 0; sub && e < sub->n_edges; e++)
            if (sub->edges[e].role == MAAS_ROLE_CAPTURED && marked[sub->edges[e].outer])
                return true;
    }
    return false;
}

static bool makes_any(const MaasNode *node, const bool *marked)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && marked[node->out[i]])
            return true;
    return false;
}

static const MaasArgSpec *input_spec(const MaasOp *op, int i)
{
    int n = 0;

    while (n < MAAS_MAX_IN_SPECS && op->in[n].name)
        n++;
    return i < n ? &op->in[i] : n > 0 ? &op->in[n - 1] : NULL;
}

/* Notes what the node lacks; marks the inputs that lead to a wanted edge. */
static void trace_node(MaasGrad *g, const MaasNode *node, const bool *leads)
{
    char text[200];

    if (!node->op->grad)
        note(g, maas_node_name(node).op);
    for (int i = 0; i < node->n_in; i++) {
        if (node->in[i] == MAAS_NO_VALUE || !leads[node->in[i]])
            continue;
        const MaasArgSpec *spec = input_spec(node->op, i);

        g->on_path[node->in[i]] = true;
        if (node->op->grad && spec && spec->flags & MAAS_NO_GRAD) {
            snprintf(text, sizeof text, "%.90s (input %.90s)", node->op_type, spec->name);
            note(g, text);
        }
    }
}

static MaasStatus trace(MaasGrad *g, MaasArena *arena, int loss, int n, const int *wanted)
{
    const MaasGraph *graph = g->graph;
    bool *leads = maas_arena_array(arena, (size_t)g->n_edges + 1, sizeof *leads, g->err);

    if (!leads)
        return g->err->status;
    for (int i = 0; i < n; i++)
        leads[wanted[i]] = true;
    for (int k = 0; k < graph->n_nodes; k++) {
        const MaasNode *node = &graph->nodes[k];

        if (node->op->flags & MAAS_OP_NO_SLOPE || !reads_any(node, leads))
            continue;
        for (int i = 0; i < node->n_out; i++)
            if (node->out[i] != MAAS_NO_VALUE && may_have_gradient(&graph->edges[node->out[i]]))
                leads[node->out[i]] = true;
    }
    g->on_path[loss] = leads[loss];
    for (int k = graph->n_nodes - 1; k >= 0; k--) {
        const MaasNode *node = &graph->nodes[k];

        if (!(node->op->flags & MAAS_OP_NO_SLOPE) && makes_any(node, g->on_path) && reads_any(node, leads))
            trace_node(g, node, leads);
    }
    return MAAS_OK;
}

/* ---- walking back ---- */

static MaasStatus seed(MaasGrad *g, int loss)
{
    const MaasInfo *info = &g->graph->edges[loss].info;
    bool one = info->kind == MAAS_KIND_TENSOR && info->rank >= 0 && maas_type_in(info->type, MAAS_T_FLOATS);
    int number, shape;

    for (int d = 0; one && d < info->rank; d++)
        one = info->dims[d] == 1;
    if (!one)
        return maas_fail(g->err, MAAS_ERR_SHAPE, "the loss must be one number of a floating type");
    number = maas_grad_number(g, loss, 1);
    g->gradient[loss] = number;
    if (info->rank > 0) {
        shape = maas_grad_shape(g, loss);
        g->gradient[loss] = MAAS_GRAD(g, "Expand", number, shape);
    }
    return g->status;
}

static MaasStatus walk(MaasGrad *g, int n_nodes)
{
    for (int k = n_nodes - 1; k >= 0; k--) {
        bool any = false;

        g->k = k;
        g->node = g->graph->nodes[k];
        for (int i = 0; i < g->node.n_out; i++)
            any |= maas_grad_dy(g, i) != MAAS_NO_VALUE;
        if (any && !(g->node.op->flags & MAAS_OP_NO_SLOPE) && reads_any(&g->node, g->on_path))
            g->node.op->grad(g);
        MAAS_TRY(g->status);
    }
    return MAAS_OK;
}

static MaasStatus missing(const MaasGrad *g)
{
    if (!*g->names)
        return MAAS_OK;
    return maas_fail(g->err, MAAS_ERR_UNSUPPORTED,
                     "the loss cannot be differentiated: these operators have no gradient: %s", g->names);
}

/* The new nodes' types and shapes, and how long values are kept. */
static MaasStatus finish(MaasGrad *g, MaasArena *arena, int loss, int n, const int *gradients)
{
    MaasInferScope scope = {.arena = arena, .keep = true};
    MaasInferFrame *frame;

    MAAS_TRY(maas_infer_frame(&scope, g->graph, NULL, NULL, &frame, g->err));
    MAAS_TRY(maas_infer_frame_nodes(&scope, frame, g->err));
    MAAS_TRY(maas_graph_set_last_use(g->graph, g->err));
    g->graph->last_use[loss] = g->graph->n_nodes;
    for (int i = 0; i < n; i++)
        if (gradients[i] != MAAS_NO_VALUE)
            g->graph->last_use[gradients[i]] = g->graph->n_nodes;
    return MAAS_OK;
}

static MaasStatus differentiate(MaasGrad *g, MaasArena *arena, int loss, int n, const int *wanted, int *gradients)
{
    int n_nodes = g->graph->n_nodes;

    g->n_edges = g->graph->n_edges;
    g->on_path = maas_arena_array(arena, (size_t)g->n_edges + 1, sizeof *g->on_path, g->err);
    g->gradient = maas_arena_array(arena, (size_t)g->n_edges + 1, sizeof *g->gradient, g->err);
    if (!g->on_path || !g->gradient)
        return g->err->status;
    for (int e = 0; e < g->n_edges; e++)
        g->gradient[e] = MAAS_NO_VALUE;
    MAAS_TRY(trace(g, arena, loss, n, wanted));
    MAAS_TRY(missing(g));
    if (g->on_path[loss]) {
        MAAS_TRY(seed(g, loss));
        MAAS_TRY(walk(g, n_nodes));
        MAAS_TRY(missing(g));
    }
    for (int i = 0; i < n; i++)
        gradients[i] = g->gradient[wanted[i]];
    return finish(g, arena, loss, n, gradients);
}

MaasStatus maas_differentiate(MaasGraph *graph, int loss, int n, const int *wanted, int *gradients, MaasError *err)
{
    MaasGrad g = {.graph = graph, .err = err};
    MaasArena arena;
    MaasStatus status;

    maas_arena_init(&arena, graph->arena->mem);
    status = differentiate(&g, &arena, loss, n, wanted, gradients);
    maas_arena_free(&arena);
    return status;
}
