/*
 * trainer.c - making a trainer: import, parameters, the loss, differentiation.
 *
 * The model's bytes are imported twice: one graph is trained (dropout on, batch normalisation by the batch, the
 * loss and its gradients appended), one is evaluated.  Edges have the same numbers in both, and both hold the same
 * values of what is trained.  Everything lies in the trainer's arena and its MaasMem.
 */
#include <math.h>
#include <string.h>

#include "../base/nearest.h"
#include "../graph/build.h"
#include "../graph/fold.h"
#include "../graph/prepare.h"
#include "../transform/differentiate.h"
#include "model_end.h"
#include "trainer.h"

static MaasStop stop_of(const MaasRunOptions *run)
{
    return (MaasStop){{run->stop, run->stop_too}};
}

/* ---- freeing ---- */

static void free_graph(MaasTrainer *t, MaasTrainGraph *g)
{
    for (int i = 0; i < g->n_plans; i++)
        maas_step_plan_free(&g->plans[i]);
    for (int k = 0; k < g->onnx.n_graphs; k++)
        for (int n = 0; n < g->onnx.graphs[k]->n_nodes; n++)
            maas_free(t->mem, g->onnx.graphs[k]->nodes[n].state);
    maas_onnx_release(&g->onnx);
}

void maas_trainer_free(MaasTrainer *trainer)
{
    MaasTrainer *t = trainer;

    if (!t)
        return;
    MaasMem *mem = t->mem;

    free_graph(t, &t->train);
    free_graph(t, &t->eval);
    for (int i = 0; t->variables && i < t->n_variables; i++)
        maas_value_unref(t->variables[i].value);
    for (int i = 0; t->slots && i < t->n_slots; i++)
        for (int k = 0; k < MAAS_OPTIMIZER_SLOTS; k++)
            maas_free(mem, t->slots[i].state[k]);
    for (int i = 0; t->best && i < t->n_variables; i++)
        maas_free(mem, t->best[i]);
    maas_lbfgs_free(t->lbfgs);
    maas_value_unref(t->ones);
    maas_workspace_free(&t->workspace);
    maas_free(mem, t->bytes);
    maas_arena_free(&t->arena);
    maas_free(mem, t);
}

const MaasTrainerInfo *maas_trainer_info(const MaasTrainer *trainer)
{
    return &trainer->info;
}

/* ---- options and texts of the caller ---- */

static const char *copy_text(MaasTrainer *t, const char *text, MaasError *err)
{
    return maas_arena_strndup(&t->arena, text, strlen(text), err);
}

static MaasStatus copy_texts(MaasTrainer *t, MaasTexts *texts, MaasError *err)
{
    const char **items = maas_arena_array(&t->arena, (size_t)texts->n + 1, sizeof *items, err);

    if (!items)
        return err->status;
    for (int64_t i = 0; i < texts->n; i++)
        if (!(items[i] = copy_text(t, texts->items[i], err)))
            return err->status;
    texts->items = items;
    return MAAS_OK;
}

static MaasStatus copy_options(MaasTrainer *t, const MaasTrainOptions *options, MaasError *err)
{
    MaasTrainOptions *o = &t->options;

    *o = *options;
    maas_optimizer_defaults(o);
    MAAS_TRY(copy_texts(t, &o->freeze, err));
    MAAS_TRY(copy_texts(t, &o->train, err));
    if (o->output && !(o->output = copy_text(t, o->output, err)))
        return err->status;
    if (o->n_class_weights > 0) {
        double *weights = maas_arena_array(&t->arena, (size_t)o->n_class_weights, sizeof *weights, err);

        if (!weights)
            return err->status;
        memcpy(weights, o->class_weights, (size_t)o->n_class_weights * sizeof *weights);
        o->class_weights = weights;
    }
    if (o->optimizer == MAAS_OPTIMIZER_LBFGS && (o->clip_norm > 0 || o->clip_value > 0))
        return maas_fail(err, MAAS_ERR_VALUE, "lbfgs takes neither clip_norm nor clip_value");
    if (o->nesterov && (!(o->momentum > 0) || o->dampening != 0))
        return maas_fail(err, MAAS_ERR_VALUE, "nesterov needs a momentum and no dampening");
    return MAAS_OK;
}

/* The output that is trained: loading the model checks it as a whole and tells which one holds the scores. */
static MaasStatus find_output(MaasTrainer *t, const void *bytes, size_t n_bytes, const MaasRunOptions *run,
                              MaasError *err)
{
    MaasModel *model;

    MAAS_TRY(maas_model_load(bytes, n_bytes, run, &model, err));
    const MaasModelInfo *info = maas_model_info(model);
    const char *name = info->scores < info->n_outputs ? info->outputs[info->scores].name : NULL;
    MaasStatus status = MAAS_OK;

    if (t->options.output) {
        name = NULL;
        for (int i = 0; i < info->n_outputs; i++)
            if (strcmp(info->outputs[i].name, t->options.output) == 0)
                name = info->outputs[i].name;
        if (!name)
            status = maas_fail(err, MAAS_ERR_NAME, "the model has no output \"%.200s\"", t->options.output);
    } else if (!name) {
        status =
            maas_fail(err, MAAS_ERR_UNSUPPORTED, "the model gives its scores as a map, which cannot be trained");
        maas_error_hint(err, "Export it without ZipMap, or name another output with the option \"output\".");
    }
    if (status == MAAS_OK && !(t->info.output = copy_text(t, name, err)))
        status = err->status;
    maas_model_free(model);
    return status;
}

/* ---- import ---- */

/* Inputs that have a default are initialisers like any other here. */
static void defaults_become_constants(MaasGraph *graph)
{
    int kept = 0;

    for (int i = 0; i < graph->n_inputs; i++) {
        MaasEdge *edge = &graph->edges[graph->inputs[i]];

        if (edge->constant)
            edge->role = MAAS_ROLE_CONSTANT;
        else
            graph->inputs[kept++] = graph->inputs[i];
    }
    graph->n_inputs = kept;
}

static MaasStatus import(MaasTrainer *t, MaasTrainGraph *g, MaasError *err)
{
    MAAS_TRY(maas_onnx_import(t->bytes, t->n_bytes, &t->arena, t->mem, &g->onnx, err));
    defaults_become_constants(g->onnx.graph);
    return maas_unshare_initializers(g->onnx.graph, t->mem, &t->arena, &t->apart, err);
}

/* ---- parameters ---- */

static MaasStatus add_variables(MaasTrainer *t, const MaasParameterMark *marks, int n_layers, MaasError *err)
{
    MaasGraph *graph = t->train.onnx.graph;
    size_t n = 1;

    for (int e = 0; e < graph->n_edges; e++)
        n += marks[e].parameter || marks[e].statistic;
    t->variables = maas_arena_array(&t->arena, n, sizeof *t->variables, err);
    if (!t->variables)
        return err->status;
    for (int e = 0; e < graph->n_edges; e++) {
        MaasVariable *v = &t->variables[t->n_variables];

        if (!marks[e].parameter && !marks[e].statistic)
            continue;
        v->name = graph->edges[e].name;
        v->edge = e;
        v->mark = marks[e];
        if (marks[e].parameter)
            MAAS_TRY(maas_is_frozen(&t->options, v->name, &marks[e], n_layers, &v->frozen, err));
        v->value = maas_value_ref(graph->edges[e].constant);
        t->n_variables++;
    }
    return MAAS_OK;
}

/* The variables are in the order of their edges. */
static int variable_of(const MaasTrainer *t, int edge)
{
    int low = 0, high = t->n_variables;

    while (low < high) {
        int middle = low + (high - low) / 2;

        if (t->variables[middle].edge < edge)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->n_variables && t->variables[low].edge == edge ? low : -1;
}

/* Both graphs hold the same values, which inference takes as unknown. */
static MaasStatus share_variables(MaasTrainer *t, MaasError *err)
{
    for (int i = 0; i < t->n_variables; i++) {
        const MaasVariable *v = &t->variables[i];
        MaasEdge *other = &t->eval.onnx.graph->edges[v->edge];

        maas_value_unref(other->constant);
        other->constant = maas_value_ref(v->value);
        MAAS_TRY(maas_graph_set_parameter(t->eval.onnx.graph, v->edge, err));
        MAAS_TRY(maas_graph_set_parameter(t->train.onnx.graph, v->edge, err));
    }
    return MAAS_OK;
}

static MaasStatus describe_parameters(MaasTrainer *t, MaasError *err)
{
    MaasParameter *list = maas_arena_array(&t->arena, (size_t)t->n_variables + 1, sizeof *list, err);
    MaasTrainerInfo *info = &t->info;

    if (!list)
        return err->status;
    info->parameters = list;
    for (int i = 0; i < t->n_variables; i++) {
        const MaasVariable *v = &t->variables[i];
        const MaasTensor *value = &v->value->tensor;

        if (!v->mark.parameter)
            continue;
        list[info->n_parameters++] =
            (MaasParameter){v->name, value->rank, value->dims, value->count, v->frozen, MAAS_F32(value)};
        *(v->frozen ? &info->n_frozen : &info->n_trained) += value->count;
    }
    if (info->n_trained == 0)
        return maas_fail(err, MAAS_ERR_VALUE,
                         info->n_frozen ? "all parameters are frozen"
                                        : "the model has no parameter that can be trained");
    return MAAS_OK;
}

/* A name that is given must be one of an initialiser, trained or not: else a slip would go unnoticed. */
static MaasStatus check_patterns(const MaasTexts *patterns, const char *option, int n_names, const MaasStr *names,
                                 const MaasTrainer *t, MaasArena *scratch, MaasError *err)
{
    for (int64_t i = 0; i < patterns->n; i++) {
        const char *pattern = patterns->items[i];
        MaasStr given = {pattern, strlen(pattern)};
        MaasNearest nearest = maas_nearest_begin(given);
        bool found = strncmp(pattern, "all but last", 12) == 0;

        for (int k = 0; k < n_names && !found; k++) {
            const char *name = maas_arena_strndup(scratch, names[k].data, names[k].length, err);

            if (!name)
                return err->status;
            found = maas_matches(pattern, name);
        }
        if (found)
            continue;
        for (int v = 0; v < t->n_variables; v++)
            if (t->variables[v].mark.parameter)
                maas_nearest_consider(&nearest, (MaasStr){t->variables[v].name, strlen(t->variables[v].name)});
        maas_fail(err, MAAS_ERR_NAME, "option \"%s\" is \"%.80s\", but the model has no parameter of this name",
                  option, pattern);
        if (nearest.found.length > 0)
            maas_error_hint(err, "Did you mean \"%.*s\"?", (int)nearest.found.length, nearest.found.data);
        else if (t->n_variables > 0)
            maas_error_hint(err, "Its first one is \"%.80s\".", t->variables[0].name);
        return err->status;
    }
    return MAAS_OK;
}

/* The names of what the bytes have as initialisers, and of what was taken apart. */
static MaasStatus initializers(MaasTrainer *t, MaasArena *scratch, int *n, MaasStr **names, MaasError *err)
{
    MaasStr *of_bytes;
    int n_bytes;

    MAAS_TRY(maas_model_initializers(t->bytes, t->n_bytes, scratch, &n_bytes, &of_bytes, err));
    *n = n_bytes + t->apart.n;
    *names = maas_arena_array(scratch, (size_t)*n + 1, sizeof **names, err);
    if (!*names)
        return err->status;
    if (n_bytes > 0)
        memcpy(*names, of_bytes, (size_t)n_bytes * sizeof **names);
    for (int i = 0; i < t->apart.n; i++) {
        const char *name = t->train.onnx.graph->edges[t->apart.edges[i]].name;

        (*names)[n_bytes + i] = (MaasStr){name, strlen(name)};
    }
    return MAAS_OK;
}

static MaasStatus find_variables(MaasTrainer *t, MaasError *err)
{
    MaasGraph *graph = t->train.onnx.graph;
    MaasArena scratch;
    MaasParameterMark *marks;
    MaasStr *names = NULL;
    int n_names = 0, n_layers;
    MaasStatus status;

    maas_arena_init(&scratch, t->mem);
    marks = maas_arena_array(&scratch, (size_t)graph->n_edges + 1, sizeof *marks, err);
    status = marks ? initializers(t, &scratch, &n_names, &names, err) : err->status;
    if (status == MAAS_OK)
        status = maas_find_parameters(graph, n_names, names, &t->options, &scratch, marks, &n_layers, err);
    if (status == MAAS_OK)
        status = add_variables(t, marks, n_layers, err);
    if (status == MAAS_OK)
        status = check_patterns(&t->options.freeze, "freeze", n_names, names, t, &scratch, err);
    if (status == MAAS_OK)
        status = check_patterns(&t->options.train, "train", n_names, names, t, &scratch, err);
    maas_arena_free(&scratch);
    MAAS_TRY(status);
    MAAS_TRY(share_variables(t, err));
    return describe_parameters(t, err);
}

/* ---- what is different in training ---- */

static bool is_op(const MaasNode *node, const char *name)
{
    return *node->domain == '\0' && strcmp(node->op_type, name) == 0;
}

static MaasAttr *attr_of(MaasNode *node, const char *name)
{
    for (int a = 0; node->op->attrs[a].name; a++)
        if (strcmp(node->op->attrs[a].name, name) == 0)
            return &node->attrs[a];
    return NULL;
}

/* Drops elements; a seed in the model would drop the same ones in each step. */
static MaasStatus dropout_on(MaasTrainer *t, int k, MaasError *err)
{
    MaasGraph *graph = t->train.onnx.graph;
    int *in = maas_arena_array(&t->arena, 3, sizeof *in, err), edge;
    MaasValue *yes;

    if (!in)
        return err->status;
    MAAS_TRY(maas_value_new_tensor(t->mem, MAAS_BOOL, 0, NULL, &yes, err));
    MAAS_U8(&yes->tensor)[0] = 1;
    MAAS_TRY(maas_graph_add_constant(graph, "", yes, &edge, err));
    MaasNode *node = &graph->nodes[k];

    in[0] = node->in[0];
    in[1] = node->n_in > 1 ? node->in[1] : MAAS_NO_VALUE;
    in[2] = edge;
    node->in = in;
    node->n_in = 3;
    attr_of(node, "seed")->set = false;
    return MAAS_OK;
}

/* A frozen normalisation stays as in inference. */
static MaasStatus batch_norm_on(MaasTrainer *t, int k, MaasError *err)
{
    MaasGraph *graph = t->train.onnx.graph;
    MaasNode *node = &graph->nodes[k];
    int scale = variable_of(t, node->in[1]), mean = variable_of(t, node->in[3]),
        variance = variable_of(t, node->in[4]);

    if (scale < 0 || t->variables[scale].frozen || mean < 0 || variance < 0)
        return MAAS_OK;
    MaasRunning *r = &t->running[t->n_running++];

    *r = (MaasRunning){.mean = mean, .variance = variance, .momentum = (double)attr_of(node, "momentum")->f};
    attr_of(node, "training_mode")->i = 1;
    attr_of(node, "training_mode")->set = true;
    int x = node->in[0];

    MAAS_TRY(maas_build_output(graph, k, 3, &r->batch_mean, err));
    MAAS_TRY(maas_build_output(graph, k, 4, &r->batch_variance, err));
    return maas_build_op(graph, "Size", 1, &x, 1, &r->size, err);
}

static MaasStatus training_mode(MaasTrainer *t, MaasError *err)
{
    MaasGraph *graph = t->train.onnx.graph;
    int n_norms = 0;

    for (int k = 0; k < graph->n_nodes; k++)
        n_norms += is_op(&graph->nodes[k], "BatchNormalization");
    t->running = maas_arena_array(&t->arena, (size_t)n_norms + 1, sizeof *t->running, err);
    if (!t->running)
        return err->status;
    for (int k = 0; k < graph->n_nodes; k++) {
        if (is_op(&graph->nodes[k], "Dropout"))
            MAAS_TRY(dropout_on(t, k, err));
        else if (is_op(&graph->nodes[k], "BatchNormalization"))
            MAAS_TRY(batch_norm_on(t, k, err));
    }
    return MAAS_OK;
}

/* ---- the loss ---- */

static int output_edge(const MaasTrainer *t, const MaasGraph *graph)
{
    for (int i = 0; i < graph->n_outputs; i++)
        if (strcmp(graph->edges[graph->outputs[i]].name, t->info.output) == 0)
            return graph->outputs[i];
    return MAAS_NO_VALUE;
}

static bool ends_in(const MaasModelEnd *end, const char *op)
{
    return strcmp(end->last, op) == 0;
}

/* The name that the operator Objective has for the loss, and whether it takes what stands before the model's end.
 */
static MaasStatus choose_loss(MaasTrainer *t, const MaasModelEnd *end, bool *before, const char **kind,
                              MaasError *err)
{
    int loss = t->options.loss;
    bool softmax = ends_in(end, "Softmax") || ends_in(end, "LogSoftmax"), sigmoid = ends_in(end, "Sigmoid");
    bool pair = ends_in(end, MAAS_END_PAIR) && (loss == MAAS_LOSS_AUTO || loss == MAAS_LOSS_CROSS_ENTROPY ||
                                                loss == MAAS_LOSS_BINARY_CROSS_ENTROPY);

    if (pair) /* of two logits, 0 and that of the unit, it is the binary one of the unit */
        loss = MAAS_LOSS_CROSS_ENTROPY;
    if (loss == MAAS_LOSS_AUTO)
        loss = softmax ? MAAS_LOSS_CROSS_ENTROPY : sigmoid ? MAAS_LOSS_BINARY_CROSS_ENTROPY : MAAS_LOSS_MSE;
    t->info.loss = (MaasLoss)loss;
    *before = false;
    switch (loss) {
    case MAAS_LOSS_CROSS_ENTROPY:
        if (sigmoid)
            return maas_fail(
                err, MAAS_ERR_VALUE,
                "cross_entropy needs a model that ends in Softmax or gives raw scores, it ends in Sigmoid");
        *kind = "cross_entropy";
        *before = softmax || pair;
        return MAAS_OK;
    case MAAS_LOSS_BINARY_CROSS_ENTROPY:
        if (softmax)
            return maas_fail(
                err, MAAS_ERR_VALUE,
                "binary_cross_entropy needs a model that ends in Sigmoid or gives raw scores, it ends in %s",
                end->last);
        *kind = "binary_cross_entropy";
        *before = sigmoid;
        return MAAS_OK;
    case MAAS_LOSS_POISSON:
        *before = ends_in(end, "Exp");
        *kind = ends_in(end, "Softplus") || ends_in(end, "Relu") || sigmoid ? "poisson_rate" : "poisson";
        return MAAS_OK;
    case MAAS_LOSS_HINGE:
        *kind = "hinge";
        return MAAS_OK;
    case MAAS_LOSS_MAE:
        *kind = "mae";
        return MAAS_OK;
    case MAAS_LOSS_HUBER:
        *kind = "huber";
        return MAAS_OK;
    case MAAS_LOSS_QUANTILE:
        *kind = "quantile";
        return MAAS_OK;
    default:
        *kind = "mse";
        return MAAS_OK;
    }
}

static bool takes_classes(const MaasTrainer *t, const MaasInfo *info)
{
    if (t->info.loss == MAAS_LOSS_HINGE)
        return info->rank >= 2 && info->dims[info->rank - 1] > 1;
    return t->info.loss == MAAS_LOSS_CROSS_ENTROPY;
}

/* Adds an input to the main graph behind those that it has. */
static MaasStatus add_input(MaasTrainer *t, MaasGraph *graph, const char *name, MaasType type, int rank, int *edge,
                            MaasError *err)
{
    int *inputs = maas_arena_array(&t->arena, (size_t)graph->n_inputs + 1, sizeof *inputs, err);

    if (!inputs)
        return err->status;
    MAAS_TRY(maas_graph_add_edge(graph, name, MAAS_ROLE_INPUT, edge, err));
    MaasEdge *e = &graph->edges[*edge];

    e->declared = true;
    e->info = (MaasInfo){.kind = MAAS_KIND_TENSOR, .type = type, .rank = rank, .dims = {MAAS_DIM_ANY}};
    memcpy(inputs, graph->inputs, (size_t)graph->n_inputs * sizeof *inputs);
    inputs[graph->n_inputs++] = *edge;
    graph->inputs = inputs;
    return MAAS_OK;
}

static MaasStatus class_weight_constant(MaasTrainer *t, MaasGraph *graph, int *edge, MaasError *err)
{
    int64_t n = t->options.n_class_weights;
    MaasValue *value;

    *edge = MAAS_NO_VALUE;
    if (n == 0)
        return MAAS_OK;
    MAAS_TRY(maas_value_new_tensor(t->mem, MAAS_FLOAT, 1, &n, &value, err));
    for (int64_t i = 0; i < n; i++)
        MAAS_F32(&value->tensor)[i] = (float)t->options.class_weights[i];
    return maas_graph_add_constant(graph, "", value, edge, err);
}

/* The loss is computed in float, whatever the model gives. */
static MaasStatus as_float(MaasGraph *graph, int *edge, MaasError *err)
{
    int x = *edge;

    if (graph->edges[x].info.type != MAAS_DOUBLE)
        return MAAS_OK;
    MAAS_TRY(maas_build_op(graph, "Cast", 1, &x, 1, edge, err));
    return maas_build_int(graph, graph->n_nodes - 1, "to", MAAS_FLOAT, err);
}

/* Appends the loss; out: loss, gradient of the prediction, sum of the weights. */
static MaasStatus add_loss(MaasTrainer *t, MaasGraph *graph, int edge, const char *kind, bool classes, int out[3],
                           MaasError *err)
{
    const MaasTrainOptions *o = &t->options;
    int in[4] = {edge};

    MAAS_TRY(as_float(graph, &in[0], err));
    MAAS_TRY(add_input(t, graph, "target", classes ? MAAS_INT64 : MAAS_FLOAT, -1, &in[1], err));
    MAAS_TRY(add_input(t, graph, "sample_weight", MAAS_FLOAT, 1, &in[2], err));
    MAAS_TRY(class_weight_constant(t, graph, &in[3], err));
    MAAS_TRY(maas_build_op(graph, "Objective", 4, in, 3, out, err));
    int node = graph->n_nodes - 1;

    MAAS_TRY(maas_build_text(graph, node, "kind", (MaasStr){kind, strlen(kind)}, err));
    if (t->info.loss == MAAS_LOSS_HUBER)
        MAAS_TRY(maas_build_float(graph, node, "parameter", (float)o->huber_delta, err));
    if (t->info.loss == MAAS_LOSS_QUANTILE)
        MAAS_TRY(maas_build_float(graph, node, "parameter", (float)o->quantile, err));
    if (t->info.loss == MAAS_LOSS_CROSS_ENTROPY)
        MAAS_TRY(maas_build_float(graph, node, "smoothing", (float)o->label_smoothing, err));
    return MAAS_OK;
}

/* ---- both graphs ---- */

static MaasStatus infer_and_fold(MaasTrainer *t, MaasGraph *graph, const MaasRunOptions *run, MaasError *err)
{
    MaasArena results;
    MaasRun r;

    maas_arena_init(&results, t->mem);
    maas_run_init(&r, t->mem, stop_of(run), run->threads);
    MaasInferScope scope = {.arena = &results, .stop = stop_of(run)};
    MaasStatus status = maas_graph_infer_and_fold(graph, &scope, &r, err);

    maas_run_end(&r);
    maas_arena_free(&results);
    return status;
}

static MaasStatus finish_graph(MaasTrainer *t, MaasTrainGraph *g, const MaasRunOptions *run, MaasError *err)
{
    MaasRun r;
    MaasStatus status = maas_graph_set_last_use(g->onnx.graph, err);

    MAAS_TRY(status);
    for (int i = 0; i < g->n_wanted; i++)
        g->onnx.graph->last_use[g->wanted[i]] = g->onnx.graph->n_nodes;
    maas_run_init(&r, t->mem, stop_of(run), run->threads);
    status = maas_graphs_prepare(g->onnx.n_graphs, g->onnx.graphs, g->n_wanted, g->wanted, &r, err);
    maas_run_end(&r);
    return status;
}

static MaasStatus make_eval(MaasTrainer *t, const MaasModelEnd *before, const char *kind, bool classes,
                            const MaasRunOptions *run, MaasError *err)
{
    MaasTrainGraph *g = &t->eval;
    int out[3], edge = output_edge(t, g->onnx.graph);

    if (before)
        MAAS_TRY(maas_before_end(g->onnx.graph, before, &edge, err));
    MAAS_TRY(add_loss(t, g->onnx.graph, edge, kind, classes, out, err));
    g->wanted = maas_arena_array(&t->arena, 3, sizeof *g->wanted, err);
    if (!g->wanted)
        return err->status;
    g->n_wanted = 3;
    g->wanted[0] = out[0];
    g->wanted[1] = out[2];
    g->wanted[2] = output_edge(t, g->onnx.graph);
    MAAS_TRY(infer_and_fold(t, g->onnx.graph, run, err));
    return finish_graph(t, g, run, err);
}

/* The units of a weight for max_norm. */
static void set_units(MaasSlot *slot, const MaasVariable *v)
{
    const MaasTensor *w = &v->value->tensor;
    int axis = v->mark.unit_axis;

    slot->penalized = v->mark.weight;
    if (axis < 0 || axis >= w->rank)
        return;
    slot->outer = slot->inner = 1;
    slot->units = w->dims[axis];
    for (int d = 0; d < w->rank; d++)
        if (d != axis)
            *(d > axis ? &slot->inner : v->mark.stacked ? &slot->units : &slot->outer) *= w->dims[d];
}

static MaasStatus differentiate(MaasTrainer *t, int loss, int *edges, int *gradients, MaasError *err)
{
    int n = 0;

    t->slots = maas_arena_array(&t->arena, (size_t)t->n_variables + 1, sizeof *t->slots, err);
    t->slot_variables = maas_arena_array(&t->arena, (size_t)t->n_variables + 1, sizeof *t->slot_variables, err);
    if (!t->slots || !t->slot_variables)
        return err->status;
    for (int i = 0; i < t->n_variables; i++)
        if (t->variables[i].mark.parameter && !t->variables[i].frozen) {
            t->slot_variables[n] = i;
            edges[n++] = t->variables[i].edge;
        }
    MAAS_TRY(maas_differentiate(t->train.onnx.graph, loss, n, edges, gradients, err));
    for (int i = 0; i < n; i++) {
        const MaasVariable *v = &t->variables[t->slot_variables[i]];

        if (gradients[i] == MAAS_NO_VALUE) /* the loss does not depend on it */
            continue;
        gradients[t->n_slots] = gradients[i];
        t->slot_variables[t->n_slots] = t->slot_variables[i];
        t->slots[t->n_slots] = (MaasSlot){.w = MAAS_F32(&v->value->tensor), .count = v->value->tensor.count};
        set_units(&t->slots[t->n_slots], v);
        t->n_slots++;
    }
    if (t->n_slots == 0)
        return maas_fail(err, MAAS_ERR_VALUE, "the loss does not depend on any parameter that may be trained");
    return MAAS_OK;
}

static MaasStatus make_train(MaasTrainer *t, const MaasModelEnd *before, const char *kind, bool classes,
                             const MaasRunOptions *run, MaasError *err)
{
    MaasTrainGraph *g = &t->train;
    size_t n = (size_t)t->n_variables + 1;
    int *edges = maas_arena_array(&t->arena, n, sizeof *edges, err);
    int *gradients = maas_arena_array(&t->arena, n, sizeof *gradients, err), out[3];
    int edge = output_edge(t, g->onnx.graph);

    if (!edges || !gradients)
        return err->status;
    if (before)
        MAAS_TRY(maas_before_end(g->onnx.graph, before, &edge, err));
    MAAS_TRY(training_mode(t, err));
    MAAS_TRY(add_loss(t, g->onnx.graph, edge, kind, classes, out, err));
    MAAS_TRY(infer_and_fold(t, g->onnx.graph, run, err));
    MAAS_TRY(differentiate(t, out[0], edges, gradients, err));
    g->wanted =
        maas_arena_array(&t->arena, 2 + (size_t)t->n_slots + 3 * (size_t)t->n_running, sizeof *g->wanted, err);
    if (!g->wanted)
        return err->status;
    g->wanted[g->n_wanted++] = out[0];
    g->wanted[g->n_wanted++] = out[2];
    for (int i = 0; i < t->n_slots; i++)
        g->wanted[g->n_wanted++] = gradients[i];
    for (int i = 0; i < t->n_running; i++) {
        g->wanted[g->n_wanted++] = t->running[i].batch_mean;
        g->wanted[g->n_wanted++] = t->running[i].batch_variance;
        g->wanted[g->n_wanted++] = t->running[i].size;
    }
    return finish_graph(t, g, run, err);
}

static MaasStatus build(MaasTrainer *t, const MaasTrainOptions *options, const MaasRunOptions *run, MaasError *err)
{
    const char *kind = NULL;
    bool before = false;

    MAAS_TRY(copy_options(t, options, err));
    MAAS_TRY(find_output(t, t->bytes, t->n_bytes, run, err));
    MAAS_TRY(import(t, &t->train, err));
    MAAS_TRY(import(t, &t->eval, err));
    MaasGraph *graph = t->train.onnx.graph;
    int output = output_edge(t, graph);

    if (output == MAAS_NO_VALUE)
        return maas_fail(err, MAAS_ERR_INTERNAL, "output \"%.200s\" is not in the graph", t->info.output);
    t->n_inputs = t->info.n_inputs = graph->n_inputs;
    MAAS_TRY(find_variables(t, err));
    MaasModelEnd end = maas_model_end(graph, output);

    MAAS_TRY(choose_loss(t, &end, &before, &kind, err));
    const MaasInfo *info = &graph->edges[output].info;
    bool classes = takes_classes(t, info);

    if (classes && t->info.loss == MAAS_LOSS_HINGE)
        kind = "margin";
    if (classes && info->rank > 0 && info->dims[info->rank - 1] > 0)
        t->info.n_classes = info->dims[info->rank - 1];
    MAAS_TRY(make_eval(t, before ? &end : NULL, kind, classes, run, err));
    MAAS_TRY(make_train(t, before ? &end : NULL, kind, classes, run, err));
    return maas_trainer_prepare(t, err);
}

MaasStatus maas_trainer_new(const void *bytes, size_t n_bytes, const MaasTrainOptions *options,
                            int64_t steps_per_epoch, const MaasRunOptions *run, MaasTrainer **out, MaasError *err)
{
    MaasTrainer *t = maas_zalloc(run->mem, sizeof *t, err);

    if (!t)
        return err->status;
    t->mem = t->workspace.mem = run->mem;
    t->steps_per_epoch = steps_per_epoch;
    maas_arena_init(&t->arena, t->mem);
    t->bytes = maas_alloc(t->mem, n_bytes, err);
    if (t->bytes) {
        memcpy(t->bytes, bytes, n_bytes);
        t->n_bytes = n_bytes;
    }
    MaasStatus status = t->bytes ? build(t, options, run, err) : err->status;

    if (status != MAAS_OK) {
        maas_trainer_free(t);
        return status;
    }
    *out = t;
    return MAAS_OK;
}
