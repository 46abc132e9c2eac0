/*
 * model.c - loading and running a model: import, inference, folding, preparation; inputs and results.
 *
 * A model owns everything in its arena and its MaasMem; it is read-only after
 * loading.  Results own their values and the run that made them.
 */
#include <string.h>

#include "format/onnx_import.h"
#include "graph/fold.h"
#include "model.h"

/* ---- loading ---- */

static void free_states(MaasModel *model)
{
    for (int g = 0; g < model->onnx.n_graphs; g++) {
        MaasGraph *graph = model->onnx.graphs[g];

        for (int k = 0; k < graph->n_nodes; k++)
            maas_free(model->mem, graph->nodes[k].state);
    }
}

void maas_model_free(MaasModel *model)
{
    if (!model)
        return;
    free_states(model);
    maas_onnx_release(&model->onnx);
    maas_arena_free(&model->arena);
    maas_free(model->mem, model);
}

static MaasStatus prepare_all(MaasModel *model, const MaasRunOptions *options, MaasError *err)
{
    MaasRun run;
    MaasStatus status = MAAS_OK;

    maas_run_init(&run, model->mem, options->stop, options->threads);
    for (int g = 0; g < model->onnx.n_graphs && status == MAAS_OK; g++)
        status = maas_graph_prepare(model->onnx.graphs[g], &run, err);
    maas_run_end(&run);
    return status;
}

static MaasStatus infer_and_fold(MaasModel *model, const MaasRunOptions *options, MaasError *err)
{
    MaasArena results;
    MaasRun run;

    maas_arena_init(&results, model->mem);
    maas_run_init(&run, model->mem, options->stop, options->threads);
    MaasInferScope scope = {.arena = &results, .stop = options->stop};
    MaasStatus status = maas_graph_infer_and_fold(model->onnx.graph, &scope, &run, err);

    maas_run_end(&run);
    if (status == MAAS_OK)
        status = maas_model_describe(model, err);
    maas_arena_free(&results);
    return status;
}

static MaasStatus load(MaasModel *model, const void *bytes, size_t n_bytes, const MaasRunOptions *options,
                       MaasError *err)
{
    MAAS_TRY(maas_onnx_import(bytes, n_bytes, &model->arena, model->mem, &model->onnx, err));
    MAAS_TRY(infer_and_fold(model, options, err));
    MAAS_TRY(maas_graph_set_last_use(model->onnx.graph, err));
    for (int i = 0; i < model->n_ports_out; i++)
        model->onnx.graph->last_use[model->out_edges[i]] = model->onnx.graph->n_nodes;
    return prepare_all(model, options, err);
}

MaasStatus maas_model_load(const void *bytes, size_t n_bytes, const MaasRunOptions *options, MaasModel **out,
                           MaasError *err)
{
    MaasModel *model = maas_zalloc(options->mem, sizeof *model, err);

    if (!model)
        return err->status;
    model->mem = options->mem;
    maas_arena_init(&model->arena, model->mem);
    MaasStatus status = load(model, bytes, n_bytes, options, err);

    if (status != MAAS_OK) {
        maas_model_free(model);
        return status;
    }
    *out = model;
    return MAAS_OK;
}

const MaasModelInfo *maas_model_info(const MaasModel *model)
{
    return &model->info;
}

/* ---- running ---- */

struct MaasResults {
    MaasMem *mem;
    MaasRun run; /* keeps the strings */
    int n;
    MaasValue **values;
};

static MaasStatus shape_fail(const MaasPort *port, const MaasTensor *t, MaasError *err)
{
    char want[512], got[512];

    return maas_fail(err, MAAS_ERR_SHAPE, "expects input \"%.200s\" of shape %s, got %s", port->name,
                     maas_dims_text(port->rank, port->dims, port->symbols, want, sizeof want),
                     maas_dims_text(t->rank, t->dims, NULL, got, sizeof got));
}

/* Checks a value against what the model declares; sizes[s] remembers what symbol s is bound to. */
static MaasStatus check_input(const MaasPort *port, const MaasInfo *info, const MaasValue *value, int64_t *sizes,
                              int n_symbols, MaasError *err)
{
    static const char *const kinds[] = {"unknown", "a tensor", "a sequence", "a map", "an optional"};

    if (port->kind != MAAS_KIND_UNKNOWN && value->kind != port->kind)
        return maas_fail(err, MAAS_ERR_TYPE, "expects input \"%.200s\" to be %s, got %s", port->name,
                         kinds[port->kind], kinds[value->kind]);
    if (value->kind != MAAS_KIND_TENSOR)
        return MAAS_OK;
    const MaasTensor *t = &value->tensor;

    if (port->type != MAAS_UNDEFINED && t->type != port->type)
        return maas_fail(err, MAAS_ERR_TYPE, "expects input \"%.200s\" of type %s, got %s", port->name,
                         maas_type_name(port->type), maas_type_name(t->type));
    if (port->rank < 0)
        return MAAS_OK;
    if (t->rank != port->rank)
        return shape_fail(port, t, err);
    for (int d = 0; d < t->rank; d++) {
        int64_t want = info->dims[d];

        if (want >= 0 && want != t->dims[d])
            return shape_fail(port, t, err);
        int s = want <= -2 ? (int)(-2 - want) : -1;

        if (s < 0 || s >= n_symbols)
            continue;
        if (sizes[s] >= 0 && sizes[s] != t->dims[d])
            return maas_fail(err, MAAS_ERR_SHAPE,
                             "expects dimension %d of input \"%.200s\" to be %lld as elsewhere (%s), got %lld", d,
                             port->name, (long long)sizes[s], port->symbols[d] ? port->symbols[d] : "unnamed",
                             (long long)t->dims[d]);
        sizes[s] = t->dims[d];
    }
    return MAAS_OK;
}

static MaasStatus check_inputs(const MaasModel *model, const MaasValue *const *inputs, MaasMem *mem, MaasError *err)
{
    const MaasGraph *graph = model->onnx.graph;
    int n_symbols = model->onnx.symbols.n;
    int64_t *sizes = maas_alloc_array(mem, (size_t)n_symbols + 1, sizeof *sizes, err);
    MaasStatus status = MAAS_OK;

    if (!sizes)
        return err->status;
    for (int s = 0; s < n_symbols; s++)
        sizes[s] = -1;
    for (int i = 0; i < graph->n_inputs && status == MAAS_OK; i++) {
        const MaasPort *port = &model->info.inputs[i];

        if (inputs[i])
            status = check_input(port, &graph->edges[graph->inputs[i]].info, inputs[i], sizes, n_symbols, err);
        else if (!port->optional)
            status = maas_fail(err, MAAS_ERR_NAME, "expects input \"%.200s\", which is missing", port->name);
    }
    maas_free(mem, sizes);
    return status;
}

/* Marks the nodes that the wanted edges depend on. */
static void mark_needed(const MaasGraph *graph, const int *wanted, int n_wanted, uint8_t *edge_needed,
                        uint8_t *node_needed)
{
    for (int i = 0; i < n_wanted; i++)
        edge_needed[wanted[i]] = 1;
    for (int k = graph->n_nodes - 1; k >= 0; k--) {
        const MaasNode *node = &graph->nodes[k];

        for (int i = 0; i < node->n_out; i++)
            if (node->out[i] != MAAS_NO_VALUE && edge_needed[node->out[i]])
                node_needed[k] = 1;
        if (!node_needed[k])
            continue;
        for (int i = 0; i < node->n_in; i++)
            if (node->in[i] != MAAS_NO_VALUE)
                edge_needed[node->in[i]] = 1;
        for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++) {
            const MaasGraph *sub = node->attrs[a].graph;

            for (int e = 0; sub && e < sub->n_edges; e++)
                if (sub->edges[e].role == MAAS_ROLE_CAPTURED)
                    edge_needed[sub->edges[e].outer] = 1;
        }
    }
}

static MaasStatus run_graph(MaasModel *model, MaasResults *r, const MaasValue *const *inputs, const int *wanted,
                            MaasError *err)
{
    const MaasGraph *graph = model->onnx.graph;
    MaasFrame frame = {0};
    uint8_t *needed = maas_zalloc(r->mem, (size_t)graph->n_edges + (size_t)graph->n_nodes + 1, err);
    MaasStatus status = needed ? MAAS_OK : err->status;

    if (status == MAAS_OK) {
        mark_needed(graph, wanted, r->n, needed, needed + graph->n_edges);
        status = maas_frame_open(&r->run, graph, NULL, (MaasValue *const *)inputs, &frame, err);
    }
    for (int k = 0; k < graph->n_nodes && status == MAAS_OK; k++) {
        if (!needed[graph->n_edges + k])
            continue;
        if (r->run.stop && *r->run.stop)
            status = maas_fail(err, MAAS_ERR_CANCEL, "stopped");
        else
            status = maas_exec_node(&r->run, &frame, k, err);
    }
    for (int i = 0; i < r->n && status == MAAS_OK; i++) {
        const MaasEdge *edge = &graph->edges[wanted[i]];
        MaasValue *value = frame.values[wanted[i]];

        /* what a node made is handed on; the caller's input or the model's constant is copied */
        if (edge->role == MAAS_ROLE_NODE && !(value->kind == MAAS_KIND_TENSOR && !value->tensor.buffer))
            r->values[i] = maas_value_ref(value);
        else
            status = maas_value_copy(r->mem, value, &r->values[i], err);
    }
    maas_frame_close(&r->run, &frame);
    maas_free(r->mem, needed);
    return status;
}

MaasStatus maas_model_run(MaasModel *model, const MaasRunOptions *options, const MaasValue *const *inputs,
                          int n_wanted, const int *wanted, MaasResults **results, MaasError *err)
{
    MaasMem *mem = options->mem;
    MaasResults *r = maas_zalloc(mem, sizeof *r, err);

    if (!r)
        return err->status;
    r->mem = mem;
    r->n = n_wanted;
    maas_run_init(&r->run, mem, options->stop, options->threads);
    r->values = maas_zalloc_array(mem, (size_t)n_wanted + 1, sizeof *r->values, err);
    int *edges = maas_zalloc_array(mem, (size_t)n_wanted + 1, sizeof *edges, err);
    MaasStatus status = r->values && edges ? MAAS_OK : err->status;

    for (int i = 0; i < n_wanted && status == MAAS_OK; i++) {
        if (wanted[i] < 0 || wanted[i] >= model->n_ports_out)
            status = maas_fail(err, MAAS_ERR_NAME, "output %d is wanted, the model has %d", wanted[i],
                               model->n_ports_out);
        else
            edges[i] = model->out_edges[wanted[i]];
    }
    if (status == MAAS_OK)
        status = check_inputs(model, inputs, mem, err);
    if (status == MAAS_OK)
        status = run_graph(model, r, inputs, edges, err);
    maas_free(mem, edges);
    if (status != MAAS_OK) {
        maas_results_free(r);
        return status;
    }
    *results = r;
    return MAAS_OK;
}

int maas_results_n(const MaasResults *results)
{
    return results->n;
}

const MaasValue *maas_results_get(const MaasResults *results, int i)
{
    return results->values[i];
}

void maas_results_free(MaasResults *results)
{
    if (!results)
        return;
    for (int i = 0; results->values && i < results->n; i++)
        maas_value_unref(results->values[i]);
    maas_free(results->mem, results->values);
    maas_run_end(&results->run);
    maas_free(results->mem, results);
}
