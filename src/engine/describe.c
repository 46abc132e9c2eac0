/*
 * describe.c - what a model says of itself: ports, metadata, and which output is the scores and which the label.
 *
 * Everything lives in the model's arena.
 */
#include <stdio.h>
#include <string.h>

#include "graph/batch_axis.h"
#include "graph/infer.h"
#include "model.h"

/* ---- ports ---- */

static MaasStatus fill_port(MaasModel *model, const char *name, const MaasInfo *info, MaasPort *port, int depth,
                            MaasError *err)
{
    const MaasSymbols *symbols = &model->onnx.symbols;

    port->name = name;
    port->kind = info->kind;
    port->type = info->type;
    port->key = info->key;
    port->rank = info->kind == MAAS_KIND_TENSOR ? info->rank : -1;
    if (port->rank >= 0) {
        int64_t *dims = maas_arena_array(&model->arena, (size_t)port->rank + 1, sizeof *dims, err);
        const char **names = maas_arena_array(&model->arena, (size_t)port->rank + 1, sizeof *names, err);

        if (!dims || !names)
            return err->status;
        for (int d = 0; d < port->rank; d++) {
            int64_t s = -2 - info->dims[d];

            dims[d] = info->dims[d];
            names[d] = s >= 0 && s < symbols->n ? symbols->names[s] : NULL;
        }
        port->dims = dims;
        port->symbols = names;
    }
    if (info->elem && info->kind != MAAS_KIND_TENSOR && depth < 8) {
        MaasPort *elem = maas_arena_alloc(&model->arena, sizeof *elem, err);

        if (!elem)
            return err->status;
        MAAS_TRY(fill_port(model, "", info->elem, elem, depth + 1, err));
        port->elem = elem;
    }
    return MAAS_OK;
}

static MaasInfo edge_info(const MaasEdge *edge)
{
    MaasInfo info = edge->info;

    if (edge->constant && !edge->declared)
        maas_info_of_value(edge->constant, &info);
    return info;
}

static MaasStatus fill_ports(MaasModel *model, int n, const int *edges, bool inputs, MaasPort *ports,
                             MaasError *err)
{
    const MaasGraph *graph = model->onnx.graph;

    for (int i = 0; i < n; i++) {
        const MaasEdge *edge = &graph->edges[edges[i]];
        MaasInfo info = edge_info(edge);

        MAAS_TRY(fill_port(model, edge->name, &info, &ports[i], 0, err));
        ports[i].optional = inputs && edge->constant;
    }
    return MAAS_OK;
}

/* ---- classifiers ---- */

static const MaasNode *producer_of(const MaasGraph *graph, int edge)
{
    return graph->edges[edge].role == MAAS_ROLE_NODE ? &graph->nodes[graph->edges[edge].producer] : NULL;
}

static const MaasAttr *attr_of(const MaasNode *node, const char *name)
{
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++)
        if (strcmp(node->op->attrs[a].name, name) == 0)
            return &node->attrs[a];
    return NULL;
}

static MaasStatus set_int_classes(MaasModel *model, int64_t n, const int64_t *labels, MaasError *err)
{
    const char **classes = maas_arena_array(&model->arena, (size_t)n, sizeof *classes, err);

    for (int64_t i = 0; classes && i < n; i++) {
        classes[i] = maas_arena_printf(&model->arena, err, "%lld", (long long)labels[i]);
        if (!classes[i])
            return err->status;
    }
    if (!classes)
        return err->status;
    model->info.n_classes = (int)n;
    model->info.classes = classes;
    return MAAS_OK;
}

static MaasStatus set_string_classes(MaasModel *model, int64_t n, const MaasStr *labels, MaasError *err)
{
    const char **classes = maas_arena_array(&model->arena, (size_t)n, sizeof *classes, err);

    for (int64_t i = 0; classes && i < n; i++) {
        classes[i] = maas_arena_strndup(&model->arena, labels[i].data, labels[i].length, err);
        if (!classes[i])
            return err->status;
    }
    if (!classes)
        return err->status;
    model->info.n_classes = (int)n;
    model->info.classes = classes;
    return MAAS_OK;
}

/* Takes the labels from a node that carries them; leaves n_classes 0 when it has none. */
static MaasStatus take_classes(MaasModel *model, const MaasNode *node, MaasError *err)
{
    static const char *const names[] = {"classlabels_int64s", "classlabels_ints", "classlabels_strings"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const MaasAttr *attr = attr_of(node, names[i]);

        if (!attr || attr->n < 1 || attr->n > INT32_MAX)
            continue;
        return attr->kind == MAAS_ATTR_INTS ? set_int_classes(model, attr->n, attr->ints, err)
                                            : set_string_classes(model, attr->n, attr->strings, err);
    }
    return MAAS_OK;
}

/* Labels as scikit-learn's own classifiers are exported: picked from a constant list by ArrayFeatureExtractor. */
static MaasStatus take_extracted_classes(MaasModel *model, const MaasNode *node, MaasError *err)
{
    const MaasEdge *edge = &model->onnx.graph->edges[node->in[0]];

    if (edge->role != MAAS_ROLE_CONSTANT || edge->constant->kind != MAAS_KIND_TENSOR)
        return MAAS_OK;
    const MaasTensor *t = &edge->constant->tensor;

    if (t->count < 1 || t->count > INT32_MAX)
        return MAAS_OK;
    if (t->type == MAAS_STRING)
        return set_string_classes(model, t->count, MAAS_STRS(t), err);
    if (t->type == MAAS_INT64)
        return set_int_classes(model, t->count, MAAS_I64(t), err);
    return MAAS_OK;
}

/* Follows the label output back to the node that knows the classes. */
static MaasStatus classes_from_label(MaasModel *model, int edge, MaasError *err)
{
    for (int steps = 0; steps < 64 && model->info.n_classes == 0; steps++) {
        const MaasNode *node = producer_of(model->onnx.graph, edge);

        if (!node || node->n_in < 1 || node->in[0] == MAAS_NO_VALUE)
            return MAAS_OK;
        if (strcmp(node->op->name, "ArrayFeatureExtractor") == 0)
            return take_extracted_classes(model, node, err);
        MAAS_TRY(take_classes(model, node, err));
        edge = node->in[0];
    }
    return MAAS_OK;
}

static bool uses_ml(const MaasModel *model)
{
    for (int i = 0; i < model->onnx.n_opsets; i++)
        if (strcmp(model->onnx.opsets[i].domain, "ai.onnx.ml") == 0)
            return true;
    return false;
}

static bool is_label(const MaasPort *port)
{
    return port->kind == MAAS_KIND_TENSOR && (port->type == MAAS_INT64 || port->type == MAAS_STRING) &&
           port->rank <= 2;
}

/* Sets scores, label and classes; the edge of scores that are a map in the model goes to *hidden, else -1. */
static MaasStatus find_scores(MaasModel *model, int *hidden, MaasError *err)
{
    const MaasGraph *graph = model->onnx.graph;
    MaasModelInfo *info = &model->info;

    *hidden = -1;
    info->scores = 0;
    info->label = -1;
    for (int i = 0; i < info->n_outputs && *hidden < 0; i++) {
        const MaasNode *node = producer_of(graph, graph->outputs[i]);

        if (node && strcmp(node->op->name, "ZipMap") == 0) {
            *hidden = node->in[0];
            info->scores = info->n_outputs;
            MAAS_TRY(take_classes(model, node, err));
        }
    }
    if (*hidden < 0 && !(uses_ml(model) && info->n_outputs >= 2 && is_label(&info->outputs[0])))
        return MAAS_OK;
    for (int i = 0; i < info->n_outputs && info->label < 0; i++)
        if (is_label(&info->outputs[i]))
            info->label = i;
    for (int i = 0; i < info->n_outputs && *hidden < 0 && info->scores == 0; i++)
        if (info->outputs[i].kind == MAAS_KIND_TENSOR &&
            (info->outputs[i].type == MAAS_FLOAT || info->outputs[i].type == MAAS_DOUBLE))
            info->scores = i;
    if (info->n_classes == 0 && info->label >= 0)
        MAAS_TRY(classes_from_label(model, graph->outputs[info->label], err));
    return MAAS_OK;
}

/* ---- rows ---- */

/* Tells of each output whether the rows of a batch are independent in it. */
static MaasStatus find_mixed(MaasModel *model, MaasPort *outputs, MaasStop stop, MaasError *err)
{
    MaasModelInfo *info = &model->info;
    const char **mixed = maas_arena_array(&model->arena, (size_t)model->n_ports_out + 1, sizeof *mixed, err);

    if (!mixed)
        return err->status;
    MAAS_TRY(
        maas_batch_axis(model->onnx.graph, stop, &model->arena, model->n_ports_out, model->out_edges, mixed, err));
    for (int i = 0; i < model->n_ports_out; i++)
        outputs[i].mixed = mixed[i];
    info->rows_independent =
        info->n_outputs > 0 && !mixed[info->scores] && (info->label < 0 || !mixed[info->label]);
    return MAAS_OK;
}

/* ---- the whole ---- */

/* What is known of the inputs of one example: every free dimension taken as 1. */
static MaasStatus example_inputs(const MaasGraph *graph, MaasArena *arena, const MaasInfo ***out, MaasError *err)
{
    const MaasInfo **inputs = maas_arena_array(arena, (size_t)graph->n_inputs + 1, sizeof *inputs, err);

    if (!inputs)
        return err->status;
    for (int i = 0; i < graph->n_inputs; i++) {
        MaasInfo *info = maas_arena_alloc(arena, sizeof *info, err);

        if (!info)
            return err->status;
        *info = edge_info(&graph->edges[graph->inputs[i]]);
        info->value = NULL;
        for (int d = 0; d < info->rank; d++)
            if (info->dims[d] < 0)
                info->dims[d] = 1;
        inputs[i] = info;
    }
    *out = inputs;
    return MAAS_OK;
}

/* Operations of one example; 0 when such shapes are not possible. */
static MaasStatus flops_of_one(MaasModel *model, double *flops, MaasError *err)
{
    const MaasGraph *graph = model->onnx.graph;
    MaasArena arena;
    MaasInferScope scope = {.arena = &arena};
    MaasInferFrame *frame = NULL;
    const MaasInfo **inputs = NULL;

    maas_arena_init(&arena, model->mem);
    MaasStatus status = example_inputs(graph, &arena, &inputs, err);

    if (status == MAAS_OK)
        status = maas_infer_frame(&scope, graph, NULL, inputs, &frame, err);
    if (status == MAAS_OK)
        status = maas_infer_frame_nodes(&scope, frame, err);
    *flops = status == MAAS_OK ? scope.flops : 0;
    maas_arena_free(&arena);
    return status == MAAS_ERR_MEMORY || status == MAAS_ERR_LIMIT ? status : MAAS_OK;
}

static MaasStatus fill_opsets(MaasModel *model, MaasError *err)
{
    const MaasOnnxModel *onnx = &model->onnx;
    MaasOpset *opsets = maas_arena_array(&model->arena, (size_t)onnx->n_opsets + 1, sizeof *opsets, err);

    if (!opsets)
        return err->status;
    for (int i = 0; i < onnx->n_opsets; i++) {
        opsets[i].domain = *onnx->opsets[i].domain ? onnx->opsets[i].domain : "ai.onnx";
        opsets[i].version = onnx->opsets[i].version;
    }
    model->info.n_opsets = onnx->n_opsets;
    model->info.opsets = opsets;
    return MAAS_OK;
}

MaasStatus maas_model_describe(MaasModel *model, MaasStop stop, MaasError *err)
{
    const MaasOnnxModel *onnx = &model->onnx;
    const MaasGraph *graph = onnx->graph;
    MaasModelInfo *info = &model->info;
    MaasPort *inputs = maas_arena_array(&model->arena, (size_t)graph->n_inputs + 1, sizeof *inputs, err);
    MaasPort *outputs = maas_arena_array(&model->arena, (size_t)graph->n_outputs + 1, sizeof *outputs, err);
    int *edges = maas_arena_array(&model->arena, (size_t)graph->n_outputs + 1, sizeof *edges, err);
    int hidden;

    if (!inputs || !outputs || !edges)
        return err->status;
    info->n_inputs = graph->n_inputs;
    info->n_outputs = graph->n_outputs;
    info->inputs = inputs;
    info->outputs = outputs;
    model->out_edges = edges;
    MAAS_TRY(fill_ports(model, graph->n_inputs, graph->inputs, true, inputs, err));
    MAAS_TRY(fill_ports(model, graph->n_outputs, graph->outputs, false, outputs, err));
    MAAS_TRY(find_scores(model, &hidden, err));
    memcpy(edges, graph->outputs, sizeof *edges * (size_t)graph->n_outputs);
    model->n_ports_out = graph->n_outputs;
    if (hidden >= 0) {
        MAAS_TRY(fill_ports(model, 1, &hidden, false, &outputs[graph->n_outputs], err));
        edges[model->n_ports_out++] = hidden;
    }
    info->ir_version = onnx->ir_version;
    MAAS_TRY(fill_opsets(model, err));
    info->producer = onnx->producer;
    info->graph_name = graph->name;
    info->doc = onnx->doc;
    info->n_metadata = onnx->n_metadata;
    info->metadata = (const char *const *)onnx->metadata;
    info->n_parameters = onnx->n_parameters;
    info->n_nodes = (int)onnx->n_nodes;
    MAAS_TRY(find_mixed(model, outputs, stop, err));
    return flops_of_one(model, &info->flops, err);
}
