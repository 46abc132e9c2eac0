/*
 * pass.c - the list of passes and the editing of graphs.
 *
 * Numbers of readers are counted once for a graph and kept right by every
 * change.  Working memory comes from the model's MaasMem and is given back
 * before maas_transform returns; nodes and edges lie in the model's arena.
 */
#include <stdlib.h>
#include <string.h>

#include "pass.h"

/* In the order in which they run; each sees what those before it have left. */
static MaasPassFn *const passes[] = {
    maas_fuse_activation, maas_fuse_layer_norm, maas_fuse_attention, maas_fuse_linear,
    maas_fuse_conv,       maas_block_layout,    maas_fuse_conv_end,  NULL,
};

/* ---- readers ---- */

static void count_reader(MaasPass *p, int edge, int k, int by)
{
    if (edge == MAAS_NO_VALUE)
        return;
    p->readers[edge].nodes += by;
    p->readers[edge].sum += (int64_t)by * k;
}

static void count_inputs(MaasPass *p, int k, int by)
{
    const MaasNode *node = &p->graph->nodes[k];

    for (int i = 0; i < node->n_in; i++)
        count_reader(p, node->in[i], k, by);
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++) {
        const MaasGraph *sub = node->attrs[a].graph;

        for (int e = 0; sub && e < sub->n_edges; e++)
            if (sub->edges[e].role == MAAS_ROLE_CAPTURED)
                p->readers[sub->edges[e].outer].held += by;
    }
}

/* Room for the readers of all edges. */
static MaasStatus grow_readers(MaasPass *p)
{
    int n = p->graph->n_edges;

    if (n < p->n_readers)
        return MAAS_OK;
    int larger = n + n / 2 + 16;
    MaasReaders *readers = maas_realloc(p->mem, p->readers, sizeof *readers * (size_t)larger, p->err);

    if (!readers)
        return p->err->status;
    memset(readers + p->n_readers, 0, sizeof *readers * (size_t)(larger - p->n_readers));
    p->readers = readers;
    p->n_readers = larger;
    return MAAS_OK;
}

static MaasStatus open_graph(MaasPass *p, MaasGraph *graph, int n_kept, const int *kept)
{
    p->graph = graph;
    p->n_readers = 0;
    p->readers = NULL;
    p->dead = maas_zalloc(p->mem, (size_t)graph->n_nodes + 1, p->err);
    if (!p->dead)
        return p->err->status;
    MAAS_TRY(grow_readers(p));
    for (int k = 0; k < graph->n_nodes; k++)
        count_inputs(p, k, 1);
    for (int i = 0; i < graph->n_outputs; i++)
        p->readers[graph->outputs[i]].held++;
    for (int i = 0; i < n_kept; i++)
        p->readers[kept[i]].held++;
    return MAAS_OK;
}

/* Takes dead nodes out and frees constants that nobody reads any more. */
static void sweep(MaasPass *p)
{
    MaasGraph *graph = p->graph;
    int kept = 0;

    for (int k = 0; k < graph->n_nodes; k++) {
        if (p->dead[k])
            continue;
        graph->nodes[kept] = graph->nodes[k];
        for (int i = 0; i < graph->nodes[kept].n_out; i++)
            if (graph->nodes[kept].out[i] != MAAS_NO_VALUE)
                graph->edges[graph->nodes[kept].out[i]].producer = kept;
        kept++;
    }
    graph->n_nodes = kept;
    for (int e = 0; e < graph->n_edges; e++) {
        MaasEdge *edge = &graph->edges[e];

        if (p->readers[e].nodes || p->readers[e].held)
            continue;
        if (edge->role == MAAS_ROLE_CAPTURED) /* so that the enclosing graph may free it, too */
            edge->role = MAAS_ROLE_CONSTANT;
        if (edge->role == MAAS_ROLE_CONSTANT) {
            maas_value_unref(edge->constant);
            edge->constant = NULL;
            edge->info.value = NULL;
        }
    }
}

static void close_graph(MaasPass *p)
{
    maas_free(p->mem, p->readers);
    maas_free(p->mem, p->dead);
    p->readers = NULL;
    p->dead = NULL;
}

static MaasStatus run_pass(MaasPass *p, MaasPassFn *pass, MaasGraph *graph, int n_kept, const int *kept)
{
    MaasStatus status = open_graph(p, graph, n_kept, kept);

    if (status == MAAS_OK)
        status = pass(p);
    if (status == MAAS_OK)
        sweep(p);
    close_graph(p);
    return status;
}

MaasStatus maas_transform(MaasOnnxModel *model, int n_kept, const int *kept, MaasMem *mem, MaasStop stop,
                          MaasError *err)
{
    MaasPass p = {.mem = mem, .stop = stop, .err = err};

    /* inner graphs first: what they no longer capture may go from the outer ones */
    for (int g = model->n_graphs - 1; g >= 0; g--)
        for (int i = 0; passes[i]; i++) {
            MAAS_TRY(maas_pass_check_stop(&p));
            MAAS_TRY(run_pass(&p, passes[i], model->graphs[g], g ? 0 : n_kept, kept));
        }
    return MAAS_OK;
}

/* ---- looking ---- */

bool maas_pass_is(const MaasPass *p, int k, const char *op)
{
    if (k < 0 || p->dead[k])
        return false;
    const MaasOp *record = p->graph->nodes[k].op;

    return strcmp(record->name, op) == 0 && (!record->domain || !*record->domain);
}

int maas_pass_producer(const MaasPass *p, int edge)
{
    return edge != MAAS_NO_VALUE && p->graph->edges[edge].role == MAAS_ROLE_NODE ? p->graph->edges[edge].producer
                                                                                 : -1;
}

int maas_pass_only_reader(const MaasPass *p, int edge)
{
    const MaasReaders *r = &p->readers[edge];

    return r->nodes == 1 && !r->held ? (int)r->sum : -1;
}

bool maas_pass_is_held(const MaasPass *p, int edge)
{
    return p->readers[edge].held > 0;
}

/* The edge itself, or the one of an enclosing graph that it stands for. */
static const MaasEdge *home_of(const MaasPass *p, int edge)
{
    const MaasGraph *graph = p->graph;

    while (graph->edges[edge].role == MAAS_ROLE_CAPTURED && graph->parent) {
        edge = graph->edges[edge].outer;
        graph = graph->parent;
    }
    return &graph->edges[edge];
}

const MaasTensor *maas_pass_constant(const MaasPass *p, int edge)
{
    if (edge == MAAS_NO_VALUE)
        return NULL;
    const MaasEdge *home = home_of(p, edge);
    const MaasValue *value = home->role == MAAS_ROLE_CONSTANT ? home->constant : NULL;

    return value && value->kind == MAAS_KIND_TENSOR ? &value->tensor : NULL;
}

bool maas_pass_scalar(const MaasPass *p, int edge, double *value)
{
    const MaasTensor *t = maas_pass_constant(p, edge);

    if (!t || t->count != 1 || (t->type != MAAS_FLOAT && t->type != MAAS_DOUBLE))
        return false;
    *value = t->type == MAAS_FLOAT ? (double)MAAS_F32(t)[0] : MAAS_F64(t)[0];
    return true;
}

const MaasInfo *maas_pass_info(const MaasPass *p, int edge)
{
    return &home_of(p, edge)->info;
}

bool maas_pass_same_shape(const MaasPass *p, int a, int b)
{
    const MaasInfo *x = maas_pass_info(p, a), *y = maas_pass_info(p, b);

    if (x->kind != MAAS_KIND_TENSOR || y->kind != MAAS_KIND_TENSOR || x->type != y->type || x->rank < 0 ||
        x->rank != y->rank)
        return false;
    for (int d = 0; d < x->rank; d++)
        if (x->dims[d] == MAAS_DIM_ANY || x->dims[d] != y->dims[d])
            return false;
    return true;
}

MaasAttr *maas_pass_attr(const MaasNode *node, const char *name)
{
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++)
        if (strcmp(node->op->attrs[a].name, name) == 0)
            return &node->attrs[a];
    return NULL;
}

MaasStatus maas_pass_check_stop(MaasPass *p)
{
    return maas_stop_raised(&p->stop) ? maas_fail(p->err, MAAS_ERR_CANCEL, "stopped") : MAAS_OK;
}

/* ---- changing ---- */

void maas_pass_kill(MaasPass *p, int k)
{
    if (p->dead[k])
        return;
    count_inputs(p, k, -1);
    p->dead[k] = 1;
}

/* The attributes of a record at their defaults. */
static MaasAttr *default_attrs(MaasArena *arena, const MaasOp *op, MaasError *err)
{
    MaasAttr *attrs = maas_arena_array(arena, MAAS_MAX_ATTR_SPECS, sizeof *attrs, err);

    for (int a = 0; attrs && a < MAAS_MAX_ATTR_SPECS && op->attrs[a].name; a++) {
        const MaasAttrSpec *spec = &op->attrs[a];
        const char *s = spec->s ? spec->s : "";

        attrs[a] =
            (MaasAttr){.name = spec->name, .kind = spec->kind, .i = spec->i, .f = spec->f, .s = {s, strlen(s)}};
    }
    return attrs;
}

MaasStatus maas_pass_replace(MaasPass *p, int k, const char *op, int of, int n_in, const int *in, int n_out,
                             const int *out, MaasNode **made)
{
    MaasGraph *graph = p->graph;
    const MaasNode *named = &graph->nodes[of];
    MaasNode node = {.domain = named->domain,
                     .op_type = named->op_type,
                     .name = named->name,
                     .op = maas_op_find("maas", op),
                     .n_in = n_in,
                     .n_out = n_out};

    if (!node.op)
        node.op = maas_op_find("", op);
    if (!node.op)
        return maas_fail(p->err, MAAS_ERR_INTERNAL, "there is no operator %s", op);
    node.in = maas_arena_array(graph->arena, (size_t)n_in + 1, sizeof *node.in, p->err);
    node.out = maas_arena_array(graph->arena, (size_t)n_out + 1, sizeof *node.out, p->err);
    node.attrs = default_attrs(graph->arena, node.op, p->err);
    if (!node.in || !node.out || !node.attrs)
        return p->err->status;
    memcpy(node.in, in, sizeof *in * (size_t)n_in);
    memcpy(node.out, out, sizeof *out * (size_t)n_out);
    maas_pass_kill(p, k);
    graph->nodes[k] = node;
    p->dead[k] = 0;
    count_inputs(p, k, 1);
    for (int i = 0; i < n_out; i++)
        if (out[i] != MAAS_NO_VALUE)
            graph->edges[out[i]].producer = k;
    *made = &graph->nodes[k];
    return MAAS_OK;
}

MaasStatus maas_pass_add_constant(MaasPass *p, MaasValue *value, int *edge)
{
    MAAS_TRY(maas_graph_add_constant(p->graph, "", value, edge, p->err));
    return grow_readers(p);
}

MaasStatus maas_pass_add_edge(MaasPass *p, const MaasInfo *info, int *edge)
{
    MAAS_TRY(maas_graph_add_edge(p->graph, "", MAAS_ROLE_NODE, edge, p->err));
    p->graph->edges[*edge].info = *info;
    p->graph->edges[*edge].info.value = NULL;
    return grow_readers(p);
}
