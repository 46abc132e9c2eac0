/*
 * unshare.c - initialisers that an exporter joined because they were equal.
 *
 * In a network that was never trained the weights of all norms are ones, biases and running means zeros.  PyTorch's
 * exporter keeps one of those that are equal and has an Identity give its values the other's name.  They are taken
 * apart again, or a scale would be trained as a running variance, and all norms as one.  What was tied on purpose
 * is told by its values: it is neither all zeros nor all ones.
 */
#include <string.h>

#include "trainer.h"

/* All zeros or all ones. */
static bool is_fresh(const MaasEdge *edge)
{
    const MaasTensor *t = edge->constant ? &edge->constant->tensor : NULL;

    if (edge->role != MAAS_ROLE_CONSTANT || !t || edge->constant->kind != MAAS_KIND_TENSOR ||
        t->type != MAAS_FLOAT || t->count < 1 || (MAAS_F32(t)[0] != 0 && MAAS_F32(t)[0] != 1))
        return false;
    for (int64_t i = 1; i < t->count; i++)
        if (MAAS_F32(t)[i] != MAAS_F32(t)[0])
            return false;
    return true;
}

static bool is_output(const MaasGraph *graph, int edge)
{
    for (int i = 0; i < graph->n_outputs; i++)
        if (graph->outputs[i] == edge)
            return true;
    return false;
}

static bool is_alias(const MaasGraph *graph, const MaasNode *node)
{
    return *node->domain == '\0' && strcmp(node->op_type, "Identity") == 0 && node->n_in == 1 && node->n_out == 1 &&
           node->in[0] != MAAS_NO_VALUE && node->out[0] != MAAS_NO_VALUE && is_fresh(&graph->edges[node->in[0]]) &&
           !is_output(graph, node->out[0]);
}

MaasStatus maas_unshare_initializers(MaasGraph *graph, MaasMem *mem, MaasArena *arena, MaasEdgeList *apart,
                                     MaasError *err)
{
    int kept = 0;

    apart->n = 0;
    apart->edges = maas_arena_array(arena, (size_t)graph->n_nodes + 1, sizeof *apart->edges, err);
    if (!apart->edges)
        return err->status;
    for (int k = 0; k < graph->n_nodes; k++) {
        MaasNode *node = &graph->nodes[k];

        if (is_alias(graph, node)) {
            MaasEdge *from = &graph->edges[node->in[0]], *to = &graph->edges[node->out[0]];
            MaasValue *copy;

            MAAS_TRY(maas_value_copy(mem, from->constant, &copy, err));
            to->constant = copy;
            to->role = MAAS_ROLE_CONSTANT;
            to->producer = -1;
            to->info = from->info;
            to->info.value = &copy->tensor;
            apart->edges[apart->n++] = node->out[0];
            continue;
        }
        graph->nodes[kept] = *node;
        for (int i = 0; i < node->n_out; i++)
            if (node->out[i] != MAAS_NO_VALUE)
                graph->edges[node->out[i]].producer = kept;
        kept++;
    }
    graph->n_nodes = kept;
    return MAAS_OK;
}
