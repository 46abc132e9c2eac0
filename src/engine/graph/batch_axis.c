/*
 * batch_axis.c - follows the batch axis through a graph.
 *
 * Inference runs once more, with N as the first size of every input and a symbol for every other free size; after
 * each node its operator's rule says what the outputs hold.  All memory is in one arena that lives as long as the
 * analysis.
 */
#include <string.h>

#include "../op/batch.h"
#include "../op/infer.h"
#include "batch_axis.h"
#include "exec.h"

typedef struct Analysis Analysis;
struct Analysis {
    Analysis *parent; /* of graph->parent */
    const MaasGraph *graph;
    MaasInferScope *scope;
    MaasInferFrame *frame;
    MaasBatch *batch; /* of the edges of graph */
    MaasSizes *sizes;
    MaasArena *arena;
};

static const char *reason_text(MaasBatchCtx *c, const MaasNode *node, const char *why)
{
    MaasNodeName name = maas_node_name(node);
    const char *text =
        *name.node ? maas_arena_printf(c->arena, c->err, "%s (node \"%.100s\"): %s", name.op, name.node, why)
                   : maas_arena_printf(c->arena, c->err, "%s: %s", name.op, why);

    if (!text)
        c->status = c->err->status;
    return text;
}

/* Whether a subgraph reads something that is not free, however deep. */
static const MaasBatch *captured(const Analysis *a, const MaasGraph *graph, const MaasBatch *worst)
{
    for (int e = 0; e < graph->n_edges; e++) {
        if (graph->edges[e].role != MAAS_ROLE_CAPTURED)
            continue;
        const MaasBatch *b = &a->batch[graph->edges[e].outer];

        if (b->kind != MAAS_BATCH_FREE && (!worst || b->kind > worst->kind))
            worst = b;
    }
    return worst;
}

/* The input, captured ones included, that depends on the batch most; NULL when all are free. */
static const MaasBatch *worst_input(const Analysis *a, const MaasNode *node)
{
    const MaasBatch *worst = NULL;

    for (int i = 0; i < node->n_in; i++) {
        const MaasBatch *b = node->in[i] == MAAS_NO_VALUE ? NULL : &a->batch[node->in[i]];

        if (b && b->kind != MAAS_BATCH_FREE && (!worst || b->kind > worst->kind))
            worst = b;
    }
    for (int i = 0; i < MAAS_MAX_ATTR_SPECS && node->op->attrs[i].name; i++)
        if (node->attrs[i].graph)
            worst = captured(a, node->attrs[i].graph, worst);
    return worst;
}

/* Whether every input that is not free stands for one row. */
static bool all_one(const Analysis *a, const MaasNode *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] != MAAS_NO_VALUE && a->batch[node->in[i]].kind != MAAS_BATCH_FREE &&
            a->batch[node->in[i]].kind != MAAS_BATCH_ONE)
            return false;
    return !maas_node_has_graph(node);
}

/* A small integer vector whose content is all numbers is known to inference, too. */
static void know_value(MaasBatchCtx *c, int o)
{
    const MaasBatch *r = c->result[o];
    MaasInfo *info = c->out[o];
    bool numbers = r->kind == MAAS_BATCH_FREE && r->n_sizes > 0 && !info->value && info->rank >= 0 &&
                   info->rank <= 1 && maas_type_in(info->type, MAAS_T_INDEX);

    for (int i = 0; numbers && i < r->n_sizes; i++)
        numbers = maas_size_is_number(r->sizes[i]);
    if (!numbers || (info->rank == 0 && r->n_sizes != 1))
        return;
    MaasTensor *t = maas_arena_alloc(c->arena, sizeof *t, c->err);
    void *data = maas_arena_array(c->arena, (size_t)r->n_sizes, sizeof(int64_t), c->err);

    if (!t || !data) {
        c->status = c->err->status;
        return;
    }
    t->type = info->type;
    t->rank = info->rank;
    t->dims[0] = info->rank == 1 ? r->n_sizes : 0;
    t->count = r->n_sizes;
    t->data = data;
    for (int i = 0; i < r->n_sizes; i++)
        if (t->type == MAAS_INT64)
            ((int64_t *)data)[i] = r->sizes[i];
        else
            ((int32_t *)data)[i] = (int32_t)r->sizes[i];
    if (info->rank == 1)
        info->dims[0] = r->n_sizes;
    info->value = t;
}

/* Sizes that inference left open do not depend on the batch, as rules promise: symbols of their own.  A size that
 * does, elsewhere than on the batch axis, makes the value mixed. */
static void settle(MaasBatchCtx *c, int o)
{
    MaasBatch *r = c->result[o];
    MaasInfo *info = c->out[o];

    if (r->kind == MAAS_BATCH_MIXED || r->kind == MAAS_BATCH_ONE || info->kind != MAAS_KIND_TENSOR)
        return;
    const bool rows = r->kind == MAAS_BATCH_ROWS || r->kind == MAAS_BATCH_NUMBERED;

    if (rows && info->rank <= r->axis) {
        *r = (MaasBatch){.kind = MAAS_BATCH_MIXED, .reason = "the rank of its result is not known"};
        return;
    }
    for (int d = 0; d < info->rank; d++) {
        if (info->dims[d] == MAAS_DIM_ANY)
            info->dims[d] = maas_size_new(c);
        else if (info->dims[d] < 0 && maas_size_of_batch(c, info->dims[d]) && !(rows && d == r->axis)) {
            *r = (MaasBatch){.kind = MAAS_BATCH_MIXED,
                             .reason = "the number of rows becomes the size of another axis"};
            return;
        }
    }
    know_value(c, o);
}

static void set_all(MaasBatchCtx *c, MaasBatchKind kind, const char *reason)
{
    for (int o = 0; o < c->n_out; o++)
        if (c->result[o])
            *c->result[o] = (MaasBatch){.kind = kind, .reason = reason, .told = reason != NULL};
}

/* Asks the rule what the outputs hold; everything that it leaves alone stays mixed. */
static void apply(const Analysis *a, const MaasNode *node, MaasBatchCtx *c)
{
    const MaasBatch *worst = worst_input(a, node);
    const char *why = NULL;

    if (worst && worst->kind == MAAS_BATCH_MIXED) {
        set_all(c, MAAS_BATCH_MIXED, worst->reason);
        return;
    }
    set_all(c, MAAS_BATCH_MIXED, NULL);
    if (node->op->flags & MAAS_OP_RANDOM && !node->op->batch)
        why = "its results are random";
    else if (worst && worst->kind == MAAS_BATCH_ONE) {
        if (all_one(a, node)) {
            set_all(c, MAAS_BATCH_ONE, NULL);
            return;
        }
        why = "inside of a Scan over the rows it computes with more than one of them";
    } else if (worst && worst->kind == MAAS_BATCH_NUMBERED)
        why = maas_node_has_graph(node) ? "a subgraph reads the numbers of the rows" : maas_batch_numbered(c);
    else if (node->op->batch) {
        why = node->op->batch(c);
        if (why && !worst && !(node->op->flags & MAAS_OP_RANDOM)) { /* nothing here depends on the batch */
            set_all(c, MAAS_BATCH_FREE, NULL);
            why = NULL;
        }
    } else if (!worst)
        set_all(c, MAAS_BATCH_FREE, NULL);
    else
        why = "nothing is known of what it does to the rows of a batch";
    if (c->status != MAAS_OK)
        return;
    if (why)
        set_all(c, MAAS_BATCH_MIXED, NULL);
    for (int o = 0; o < c->n_out && c->status == MAAS_OK; o++) {
        MaasBatch *r = c->result[o];

        if (!r)
            continue;
        if (!why)
            settle(c, o);
        if (r->kind == MAAS_BATCH_MIXED && !r->told) {
            r->reason = reason_text(c, node, why ? why : r->reason ? r->reason : "its result holds no rows");
            r->told = true;
        }
    }
}

/* Called by inference after each node of this graph and of those below; the rules look into the latter themselves.
 */
static MaasStatus after_node(void *ctx, const MaasNode *node, MaasInferFrame *frame, MaasError *err)
{
    Analysis *a = ctx;
    size_t n_in = (size_t)node->n_in + 1, n_out = (size_t)node->n_out + 1;
    MaasBatchCtx c = {.op = node->op,
                      .attr = node->attrs,
                      .n_in = node->n_in,
                      .n_out = node->n_out,
                      .sizes = a->sizes,
                      .arena = a->arena,
                      .analysis = a,
                      .err = err};

    if (frame != a->frame)
        return MAAS_OK;
    const MaasInfo **in = maas_arena_array(a->arena, n_in, sizeof *in, err);
    MaasInfo **out = maas_arena_array(a->arena, n_out, sizeof *out, err);
    const MaasBatch **batch = maas_arena_array(a->arena, n_in, sizeof *batch, err);
    MaasBatch **result = maas_arena_array(a->arena, n_out, sizeof *result, err);

    if (!in || !out || !batch || !result)
        return err->status;
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] != MAAS_NO_VALUE) {
            in[i] = &frame->infos[node->in[i]];
            batch[i] = &a->batch[node->in[i]];
        }
    for (int o = 0; o < node->n_out; o++)
        if (node->out[o] != MAAS_NO_VALUE) {
            out[o] = &frame->infos[node->out[o]];
            result[o] = &a->batch[node->out[o]];
        }
    c.in = in;
    c.out = out;
    c.batch = batch;
    c.result = result;
    apply(a, node, &c);
    return c.status;
}

/* Runs the analysis of one graph whose frame is made and whose inputs' kinds are set. */
static MaasStatus follow(Analysis *a, MaasError *err)
{
    MaasInferScope *scope = a->scope;
    MaasFoldFn fold = scope->fold;
    void *fold_ctx = scope->fold_ctx;
    MaasInferFrame *frame = scope->frame;

    scope->fold = after_node;
    scope->fold_ctx = a;
    MaasStatus status = maas_infer_frame_nodes(scope, a->frame, err);

    scope->fold = fold;
    scope->fold_ctx = fold_ctx;
    scope->frame = frame;
    return status;
}

static MaasStatus analysis_new(Analysis *parent, const MaasGraph *graph, const MaasInfo *const *inputs, Analysis *a,
                               MaasError *err)
{
    *a = *parent;
    a->parent = parent;
    a->graph = graph;
    MAAS_TRY(maas_infer_frame(a->scope, graph, parent->frame, inputs, &a->frame, err));
    a->batch = maas_arena_array(a->arena, (size_t)graph->n_edges + 1, sizeof *a->batch, err);
    if (!a->batch)
        return err->status;
    for (int e = 0; e < graph->n_edges && parent->graph; e++)
        if (graph->edges[e].role == MAAS_ROLE_CAPTURED)
            a->batch[e] = parent->batch[graph->edges[e].outer];
    return MAAS_OK;
}

const char *maas_batch_graph(MaasBatchCtx *c, const MaasGraph *graph, int n, const MaasInfo *in,
                             const MaasBatch *batch, const MaasInfo **out, const MaasBatch **result)
{
    Analysis *a = maas_arena_alloc(c->arena, sizeof *a, c->err), *parent = c->analysis;
    const MaasInfo **inputs = maas_arena_array(c->arena, (size_t)n + 1, sizeof *inputs, c->err);

    c->status = MAAS_OK;
    if (!a || !inputs)
        c->status = c->err->status;
    for (int i = 0; inputs && i < n; i++)
        inputs[i] = &in[i];
    if (c->status == MAAS_OK && n != graph->n_inputs)
        return "its subgraph has another number of inputs";
    if (c->status == MAAS_OK)
        c->status = analysis_new(parent, graph, inputs, a, c->err);
    if (c->status != MAAS_OK)
        return "";
    for (int i = 0; i < n; i++)
        a->batch[graph->inputs[i]] = batch[i];
    c->status = follow(a, c->err);
    for (int i = 0; i < graph->n_outputs; i++) {
        out[i] = &a->frame->infos[graph->outputs[i]];
        result[i] = &a->batch[graph->outputs[i]];
    }
    return c->status == MAAS_OK ? NULL : "";
}

/* ---- the main graph ---- */

/* What the analysis takes input i to be: N rows, or its default. */
static MaasStatus take_input(Analysis *a, MaasBatchCtx *c, int i, MaasInfo *info, MaasBatch *batch)
{
    const MaasEdge *edge = &a->graph->edges[a->graph->inputs[i]];
    const char *why = NULL;

    if (edge->constant) {
        maas_info_of_value(edge->constant, info);
        *batch = (MaasBatch){.kind = MAAS_BATCH_FREE};
        return MAAS_OK;
    }
    *info = edge->info;
    info->value = NULL;
    if (info->kind != MAAS_KIND_TENSOR)
        why = "is no tensor";
    else if (info->rank < 0)
        why = "may have any number of axes";
    else if (info->rank == 0)
        why = "has no axis for the rows";
    else if (info->dims[0] >= 0)
        why = "has a fixed number of rows";
    if (why) {
        *batch =
            (MaasBatch){.kind = MAAS_BATCH_MIXED,
                        .told = true,
                        .reason = maas_arena_printf(a->arena, c->err, "input \"%.100s\": it %s", edge->name, why)};
        return batch->reason ? MAAS_OK : c->err->status;
    }
    *batch = (MaasBatch){.kind = MAAS_BATCH_ROWS, .outer = 1, .inner = 1};
    return MAAS_OK;
}

/* Numbers the free dimensions anew: the first of each input is N, equal symbols stay equal. */
static MaasStatus take_inputs(Analysis *a, MaasBatchCtx *c, MaasInfo *infos, MaasBatch *batches)
{
    const MaasGraph *graph = a->graph;

    for (int i = 0; i < graph->n_inputs; i++)
        MAAS_TRY(take_input(a, c, i, &infos[i], &batches[i]));
    for (int i = 0; i < graph->n_inputs; i++) {
        const MaasInfo *declared = &graph->edges[graph->inputs[i]].info;

        if (graph->edges[graph->inputs[i]].constant || infos[i].kind != MAAS_KIND_TENSOR)
            continue;
        for (int d = 0; d < infos[i].rank; d++) {
            if (declared->dims[d] >= 0)
                continue;
            infos[i].dims[d] = d == 0 && batches[i].kind == MAAS_BATCH_ROWS ? MAAS_SIZE_BATCH : maas_size_new(c);
            for (int j = 0; j <= i && declared->dims[d] != MAAS_DIM_ANY; j++) {
                const MaasInfo *other = &graph->edges[graph->inputs[j]].info;

                for (int k = 0; k < (j < i ? infos[j].rank : d); k++)
                    if (!graph->edges[graph->inputs[j]].constant && other->dims[k] == declared->dims[d])
                        infos[i].dims[d] = infos[j].dims[k];
            }
        }
    }
    for (int i = 0; i < graph->n_inputs; i++) /* one symbol for rows and for something else */
        for (int d = 1; d < infos[i].rank; d++)
            if (batches[i].kind == MAAS_BATCH_ROWS && infos[i].dims[d] < 0 &&
                maas_size_of_batch(c, infos[i].dims[d])) {
                batches[i] = (MaasBatch){.kind = MAAS_BATCH_MIXED, .told = true};
                batches[i].reason = maas_arena_printf(a->arena, c->err,
                                                      "input \"%.100s\": its axis %d is as long as there are rows",
                                                      graph->edges[graph->inputs[i]].name, d);
                if (!batches[i].reason)
                    return c->err->status;
            }
    return c->status;
}

static MaasStatus analyse(const MaasGraph *graph, Analysis *a, MaasError *err)
{
    MaasBatchCtx c = {.arena = a->arena, .err = err};
    Analysis none = *a;
    size_t n = (size_t)graph->n_inputs + 1;
    MaasInfo *infos = maas_arena_array(a->arena, n, sizeof *infos, err);
    const MaasInfo **inputs = maas_arena_array(a->arena, n, sizeof *inputs, err);
    MaasBatch *batches = maas_arena_array(a->arena, n, sizeof *batches, err);

    none.sizes = c.sizes = maas_sizes_new(a->arena, err);
    if (!infos || !inputs || !batches || !c.sizes)
        return err->status;
    a->graph = graph;
    MAAS_TRY(take_inputs(a, &c, infos, batches));
    for (int i = 0; i < graph->n_inputs; i++)
        inputs[i] = &infos[i];
    MAAS_TRY(analysis_new(&none, graph, inputs, a, err));
    a->parent = NULL;
    for (int i = 0; i < graph->n_inputs; i++)
        a->batch[graph->inputs[i]] = batches[i];
    return follow(a, err);
}

/* Why an edge does not hold the rows on axis 0; NULL when it does. */
static const char *why_not(const MaasBatch *b)
{
    switch (b->kind) {
    case MAAS_BATCH_MIXED:
        return b->reason ? b->reason : "it is not known";
    case MAAS_BATCH_ROWS:
        if (b->axis != 0 || b->outer != 1 || b->inner != 1)
            return "its rows are not on the first axis alone";
        return b->pad ? "it is padded to the longest row of the batch" : NULL;
    case MAAS_BATCH_NUMBERED:
        return "it depends on the place of a row in the batch";
    default:
        return "it does not depend on the rows";
    }
}

MaasStatus maas_batch_axis(const MaasGraph *graph, MaasStop stop, MaasArena *keep, int n, const int *edges,
                           const char **reasons, MaasError *err)
{
    MaasArena arena;
    MaasInferScope scope = {.arena = &arena, .stop = stop};
    Analysis a = {.scope = &scope, .arena = &arena};

    maas_arena_init(&arena, keep->mem);
    MaasStatus status = analyse(graph, &a, err);
    bool failed = status != MAAS_OK;

    /* what inference refuses with rows of any number may run with the sizes that the model means */
    if (failed && status != MAAS_ERR_MEMORY && status != MAAS_ERR_CANCEL)
        status = MAAS_OK;
    for (int i = 0; i < n && status == MAAS_OK; i++) {
        const char *why = failed ? err->message : why_not(&a.batch[edges[i]]);

        reasons[i] = why ? maas_arena_strndup(keep, why, strlen(why), err) : NULL;
        if (why && !reasons[i])
            status = err->status;
    }
    maas_arena_free(&arena);
    return status;
}
