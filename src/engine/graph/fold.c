/*
 * fold.c - computing at load what does not depend on the caller.
 *
 * Folded values are deep copies in the model's memory, so that they outlive the
 * run that computes them.
 */
#include <string.h>

#include "fold.h"

#define MAAS_FOLD_BYTES ((size_t)1 << 20) /* results above this are folded only when their inputs are as large */
#define MAAS_FOLD_FLOPS 1e9

static size_t info_bytes(const MaasInfo *info)
{
    size_t bytes = maas_type_size(info->type);

    if (!maas_info_shape_known(info))
        return 0;
    for (int d = 0; d < info->rank; d++)
        if (!maas_mul(bytes, (size_t)info->dims[d], &bytes))
            return SIZE_MAX;
    return bytes;
}

bool maas_node_foldable(const MaasNode *node, const MaasInferFrame *frame)
{
    size_t in_bytes = 0, out_bytes = 0;

    if (node->op->flags & MAAS_OP_RANDOM || maas_node_has_graph(node))
        return false;
    for (int i = 0; i < node->n_in; i++) {
        if (node->in[i] == MAAS_NO_VALUE)
            continue;
        if (!frame->infos[node->in[i]].value)
            return false;
        in_bytes += info_bytes(&frame->infos[node->in[i]]);
    }
    for (int i = 0; i < node->n_out; i++) {
        if (node->out[i] == MAAS_NO_VALUE)
            continue;
        const MaasInfo *out = &frame->infos[node->out[i]];

        if (out->kind != MAAS_KIND_TENSOR)
            return false;
        size_t bytes = info_bytes(out);
        if (__builtin_add_overflow(out_bytes, bytes, &out_bytes))
            return false;
    }
    return out_bytes <= MAAS_FOLD_BYTES || out_bytes <= in_bytes;
}

MaasStatus maas_fold_compute(MaasRun *run, const MaasNode *node, const MaasInferFrame *frame, MaasValue **out,
                             MaasError *err)
{
    size_t n = (size_t)node->n_in;
    MaasValue *values = maas_zalloc_array(run->mem, n + 1, sizeof *values, err);
    MaasValue **in = values ? maas_zalloc_array(run->mem, n + 1, sizeof *in, err) : NULL;
    MaasStatus status = in ? MAAS_OK : err->status;

    for (int i = 0; in && i < node->n_in; i++) {
        if (node->in[i] == MAAS_NO_VALUE)
            continue;
        values[i].kind = MAAS_KIND_TENSOR;
        values[i].refs = 1;
        values[i].mem = run->mem;
        values[i].tensor = *frame->infos[node->in[i]].value;
        in[i] = &values[i];
    }
    if (status == MAAS_OK)
        status = maas_exec_values(run, node, in, out, err);
    /* results may share the inputs' memory (views) or point into the run's strings: copy */
    for (int i = 0; i < node->n_out && status == MAAS_OK; i++) {
        MaasValue *copy;

        if (!out[i])
            continue;
        status = maas_value_copy(run->mem, out[i], &copy, err);
        if (status == MAAS_OK) {
            maas_value_unref(out[i]);
            out[i] = copy;
        }
    }
    if (status != MAAS_OK && in)
        for (int i = 0; i < node->n_out; i++) {
            maas_value_unref(out[i]);
            out[i] = NULL;
        }
    maas_free(run->mem, in);
    maas_free(run->mem, values);
    return status;
}

/* ---- at load ---- */

typedef struct LoadFold {
    MaasRun *run;
    MaasGraph *graph;
} LoadFold;

static void become_constant(MaasGraph *graph, int edge, MaasValue *value, MaasInferFrame *frame)
{
    graph->edges[edge].role = MAAS_ROLE_CONSTANT;
    graph->edges[edge].constant = value;
    graph->edges[edge].producer = -1;
    maas_info_of_value(value, &frame->infos[edge]);
}

/* Infer itself knows the content of Shape, Size and the like when the dimensions are known. */
static bool all_inferred(const MaasNode *node, const MaasInferFrame *frame)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && !frame->infos[node->out[i]].value)
            return false;
    return true;
}

static MaasStatus fold_at_load(void *ctx, const MaasNode *node, MaasInferFrame *frame, MaasError *err)
{
    LoadFold *load = ctx;
    MaasValue *small[16] = {NULL}, **out = small;

    /* a subgraph is inferred several times with different inputs: only what every time is the same may be kept,
     * and its nodes may never run at all */
    if (frame->parent || node->n_out > 16)
        return MAAS_OK;
    if (all_inferred(node, frame)) {
        for (int i = 0; i < node->n_out; i++) {
            MaasValue view = {.kind = MAAS_KIND_TENSOR, .refs = 1, .mem = load->run->mem}, *copy;

            if (node->out[i] == MAAS_NO_VALUE)
                continue;
            view.tensor = *frame->infos[node->out[i]].value;
            MAAS_TRY(maas_value_copy(load->run->mem, &view, &copy, err));
            become_constant(load->graph, node->out[i], copy, frame);
        }
        return MAAS_OK;
    }
    if (!maas_node_foldable(node, frame))
        return MAAS_OK;
    MAAS_TRY(maas_fold_compute(load->run, node, frame, out, err));
    for (int i = 0; i < node->n_out; i++)
        if (out[i])
            become_constant(load->graph, node->out[i], out[i], frame);
    return MAAS_OK;
}

static bool is_folded(const MaasGraph *graph, const MaasNode *node)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && graph->edges[node->out[i]].role != MAAS_ROLE_CONSTANT)
            return false;
    return node->n_out > 0;
}

static void remove_folded(MaasGraph *graph)
{
    int kept = 0;

    for (int k = 0; k < graph->n_nodes; k++) {
        if (is_folded(graph, &graph->nodes[k]))
            continue;
        if (kept != k)
            graph->nodes[kept] = graph->nodes[k];
        for (int i = 0; i < graph->nodes[kept].n_out; i++)
            if (graph->nodes[kept].out[i] != MAAS_NO_VALUE)
                graph->edges[graph->nodes[kept].out[i]].producer = kept;
        kept++;
    }
    graph->n_nodes = kept;
}

static void mark_captured(const MaasNode *node, uint8_t *used)
{
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++) {
        const MaasGraph *sub = node->attrs[a].graph;

        for (int e = 0; sub && e < sub->n_edges; e++)
            if (sub->edges[e].role == MAAS_ROLE_CAPTURED)
                used[sub->edges[e].outer] = 1;
    }
}

/* Weights that only folded nodes read (a transposed or cast matrix, say) would stand in memory twice. */
static MaasStatus drop_unused_constants(MaasGraph *graph, MaasMem *mem, MaasError *err)
{
    uint8_t *used = maas_zalloc(mem, (size_t)graph->n_edges + 1, err);

    if (!used)
        return err->status;
    for (int k = 0; k < graph->n_nodes; k++) {
        const MaasNode *node = &graph->nodes[k];

        for (int i = 0; i < node->n_in; i++)
            if (node->in[i] != MAAS_NO_VALUE)
                used[node->in[i]] = 1;
        mark_captured(node, used);
    }
    for (int i = 0; i < graph->n_outputs; i++)
        used[graph->outputs[i]] = 1;
    for (int e = 0; e < graph->n_edges; e++)
        if (graph->edges[e].role == MAAS_ROLE_CONSTANT && !used[e]) {
            maas_value_unref(graph->edges[e].constant);
            graph->edges[e].constant = NULL;
        }
    maas_free(mem, used);
    return MAAS_OK;
}

MaasStatus maas_graph_infer_and_fold(MaasGraph *graph, MaasInferScope *scope, MaasRun *run, MaasError *err)
{
    LoadFold load = {.run = run, .graph = graph};
    MaasInferFrame *frame;

    scope->fold = fold_at_load;
    scope->fold_ctx = &load;
    scope->keep = true;
    MAAS_TRY(maas_infer_frame(scope, graph, NULL, NULL, &frame, err));
    frame->sizes = maas_arena_array(scope->arena, (size_t)graph->n_edges + 1, sizeof *frame->sizes, err);
    if (!frame->sizes)
        return err->status;
    MAAS_TRY(maas_infer_frame_nodes(scope, frame, err));
    remove_folded(graph);
    return drop_unused_constants(graph, run->mem, err);
}
