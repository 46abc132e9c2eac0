/*
 * prepare.c - the states that nodes make once at load, and giving up constants that only states hold.
 *
 * A packed weight would otherwise stand in memory twice.  The content of a
 * constant goes as soon as its last reader has forgotten it, so that loading
 * never holds more than one such weight in both forms.
 */
#include "prepare.h"

/* The constant that an edge stands for, through enclosing graphs; NULL when it stands for none. */
static MaasEdge *home_of(MaasGraph *graph, int edge)
{
    if (edge == MAAS_NO_VALUE)
        return NULL;
    while (graph && graph->edges[edge].role == MAAS_ROLE_CAPTURED) {
        edge = graph->edges[edge].outer;
        graph = graph->parent;
    }
    return graph && graph->edges[edge].role == MAAS_ROLE_CONSTANT ? &graph->edges[edge] : NULL;
}

static void count_use(MaasGraph *graph, int edge)
{
    MaasEdge *home = home_of(graph, edge);

    if (home)
        home->uses++;
}

static void count_uses(MaasGraph *graph)
{
    for (int k = 0; k < graph->n_nodes; k++)
        for (int i = 0; i < graph->nodes[k].n_in; i++)
            count_use(graph, graph->nodes[k].in[i]);
    for (int i = 0; i < graph->n_outputs; i++)
        count_use(graph, graph->outputs[i]);
}

/* Gives up the content of an edge's constant.  A subgraph's edge may share the value of an outer one, which others
 * still read: it gets a value of its own then, without content. */
static MaasStatus drop_content(MaasEdge *home, MaasRun *run, MaasError *err)
{
    const MaasTensor *t = &home->constant->tensor;
    MaasValue *empty;

    home->info.value = NULL;
    if (home->constant->refs == 1) {
        maas_value_drop_content(home->constant);
        return MAAS_OK;
    }
    MAAS_TRY(maas_value_wrap(run->mem, t->type, t->rank, t->dims, NULL, &empty, err));
    maas_value_unref(home->constant);
    home->constant = empty;
    return MAAS_OK;
}

static MaasStatus forget(MaasGraph *graph, const MaasNode *node, MaasRun *run, MaasError *err)
{
    for (int i = 0; i < node->n_in && i < 32; i++) {
        MaasEdge *home = node->forgets >> i & 1 ? home_of(graph, node->in[i]) : NULL;

        if (home && --home->uses == 0 && home->constant && home->constant->kind == MAAS_KIND_TENSOR)
            MAAS_TRY(drop_content(home, run, err));
    }
    return MAAS_OK;
}

static MaasStatus prepare_node(MaasGraph *graph, MaasNode *node, MaasRun *run, MaasError *err)
{
    MaasValue *small[32], **constants = small;
    MaasType small_types[32], *types = small_types;

    if (node->n_in > 32) {
        constants = maas_arena_array(graph->arena, (size_t)node->n_in, sizeof *constants, err);
        types = maas_arena_array(graph->arena, (size_t)node->n_in, sizeof *types, err);
        if (!constants || !types)
            return err->status;
    }
    for (int i = 0; i < node->n_in; i++) {
        const MaasEdge *home = home_of(graph, node->in[i]);

        constants[i] = home ? home->constant : NULL;
        types[i] = node->in[i] == MAAS_NO_VALUE ? MAAS_UNDEFINED : graph->edges[node->in[i]].info.type;
    }
    MAAS_TRY(maas_exec_prepare(run, node, constants, types, err));
    return forget(graph, node, run, err);
}

MaasStatus maas_graphs_prepare(int n_graphs, MaasGraph *const *graphs, int n_kept, const int *kept, MaasRun *run,
                               MaasError *err)
{
    for (int g = 0; g < n_graphs; g++)
        count_uses(graphs[g]);
    for (int i = 0; i < n_kept; i++)
        count_use(graphs[0], kept[i]);
    for (int g = 0; g < n_graphs; g++)
        for (int k = 0; k < graphs[g]->n_nodes; k++) {
            if (maas_stop_raised(&run->stop))
                return maas_fail(err, MAAS_ERR_CANCEL, "stopped");
            if (graphs[g]->nodes[k].op->prepare)
                MAAS_TRY(prepare_node(graphs[g], &graphs[g]->nodes[k], run, err));
        }
    return MAAS_OK;
}
