/*
 * model.c - loading and running a model: import, inference, folding, passes, preparation; inputs and results.
 *
 * A model owns everything in its arena and its MaasMem; it is read-only after
 * loading.  Results own their values and the run that made them.
 */
#include <string.h>

#include "format/onnx_import.h"
#include "graph/fold.h"
#include "graph/prepare.h"
#include "model.h"
#include "transform/pass.h"

/* ---- loading ---- */

static MaasStop stop_of(const MaasRunOptions *options)
{
    return (MaasStop){{options->stop, options->stop_too}};
}

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
    for (int i = 0; i < model->n_plans; i++)
        maas_plan_free(model->plans[i]);
    if (!model->image) {
        free_states(model);
        maas_onnx_release(&model->onnx);
    }
    maas_arena_free(&model->arena);
    maas_free(model->mem, model);
}

static MaasStatus prepare_all(MaasModel *model, const MaasRunOptions *options, MaasError *err)
{
    MaasRun run;

    maas_run_init(&run, model->mem, stop_of(options), options->threads);
    MaasStatus status = maas_graphs_prepare(model->onnx.n_graphs, model->onnx.graphs, model->n_ports_out,
                                            model->out_edges, &run, err);
    maas_run_end(&run);
    return status;
}

static MaasStatus infer_and_fold(MaasModel *model, const MaasRunOptions *options, MaasError *err)
{
    MaasArena results;
    MaasRun run;

    maas_arena_init(&results, model->mem);
    maas_run_init(&run, model->mem, stop_of(options), options->threads);
    MaasInferScope scope = {.arena = &results, .stop = stop_of(options)};
    MaasStatus status = maas_graph_infer_and_fold(model->onnx.graph, &scope, &run, err);

    maas_run_end(&run);
    if (status == MAAS_OK)
        status = maas_model_describe(model, stop_of(options), err);
    maas_arena_free(&results);
    return status;
}

static MaasStatus load(MaasModel *model, const void *bytes, size_t n_bytes, const MaasRunOptions *options,
                       MaasError *err)
{
    MAAS_TRY(maas_onnx_import(bytes, n_bytes, &model->arena, model->mem, &model->onnx, err));
    MAAS_TRY(infer_and_fold(model, options, err));
    if (!options->unfused)
        MAAS_TRY(
            maas_transform(&model->onnx, model->n_ports_out, model->out_edges, model->mem, stop_of(options), err));
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

/* Moves plan i to the front: the plans used last are kept. */
static void move_to_front(MaasModel *model, int i)
{
    MaasPlan *plan = model->plans[i];

    memmove(model->plans + 1, model->plans, sizeof *model->plans * (size_t)i);
    model->plans[0] = plan;
}

MaasStatus maas_model_plans(MaasModel *model, MaasStop stop, MaasValue *const *inputs, int n_wanted,
                            const int *edges, int n, MaasPlan **out, MaasError *err)
{
    int found = 0;

    for (int i = 0; i < model->n_plans && found < n; i++)
        if (maas_plan_matches(model->plans[i], inputs, n_wanted, edges)) {
            out[found++] = model->plans[i];
            move_to_front(model, i);
        }
    for (; found < n; found++) {
        MAAS_TRY(maas_plan_new(model->onnx.graph, model->mem, inputs, n_wanted, edges, stop, &out[found], err));
        if (model->n_plans == MAAS_MAX_PLANS)
            maas_plan_free(model->plans[--model->n_plans]);
        model->plans[model->n_plans] = out[found];
        move_to_front(model, model->n_plans++);
    }
    return MAAS_OK;
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
    maas_run_init(&r->run, mem, stop_of(options), options->threads);
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
    MaasPlan *plan;
    bool done = false;

    if (status == MAAS_OK)
        status = maas_split_run(model, options, (MaasValue *const *)inputs, n_wanted, wanted, edges, r->values,
                                &done, err);
    if (status == MAAS_OK && !done)
        status =
            maas_model_plans(model, stop_of(options), (MaasValue *const *)inputs, n_wanted, edges, 1, &plan, err);
    if (status == MAAS_OK && !done)
        status = maas_plan_run(plan, &r->run, (MaasValue *const *)inputs, r->values, err);
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
