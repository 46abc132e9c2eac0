/*
 * plan.c - running a graph for input shapes that were seen before.
 *
 * A plan belongs to one model and is used by one thread at a time.  Its edges
 * are of four sorts: constants and folded values (the plan or the graph holds
 * them), planned tensors (structs in the plan, memory in the workspace), the
 * caller's inputs, and pooled values (made in each run and reference-counted:
 * outputs, whatever a dynamic node makes or reads, strings).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../op/infer.h"
#include "fold.h"
#include "plan.h"

#define MAAS_KEEP_WORKSPACE ((size_t)1 << 20) /* larger ones are given back after each run */
#define MAAS_ALIGN 64

typedef enum Sort { SORT_POOLED, SORT_FIXED, SORT_PLANNED } Sort;

typedef struct Edge {
    Sort sort;
    int alias;       /* the edge whose memory this one shares; itself otherwise */
    int first, last; /* steps between which an alias root is alive */
    size_t bytes;
    size_t offset;
    MaasValue *value; /* FIXED: held by the plan or the graph; PLANNED: the struct */
} Edge;

typedef struct Step {
    int node;
    bool fixed;    /* all shapes known: compute is called directly */
    int n_release; /* pooled edges that nobody reads after this step */
    int *release;
    MaasCtx ctx;     /* in and out point to arrays of the plan */
    MaasInfo *infos; /* of the outputs that are pooled; n_out of the node; fixed steps only */
} Step;

struct MaasPlan {
    MaasGraph *graph;
    MaasMem *mem;
    MaasArena arena;
    /* the key */
    MaasInfo *inputs; /* kind UNKNOWN: absent */
    int n_wanted;
    int *wanted;
    /* the result */
    Edge *edges;
    int n_steps;
    Step *steps;
    double *node_flops; /* negative: does not run; infinite: the shapes show in the run only */
    int n_folded, cap_folded;
    MaasValue **folded; /* two references each */
    size_t workspace_bytes;
    void *workspace;     /* kept between runs when small */
    MaasWorkspace *kept; /* or NULL: the caller's, and wanted values lie in it */
    void *placed;        /* where the planned values point to */
    MaasFrame frame;     /* values preset with the fixed and planned ones */
    MaasValue **preset;
    const MaasInfo **outputs; /* of the wanted edges; NULL when a step is not fixed */
    bool *direct;             /* of the wanted edges: a node can write it where the caller wants it */
    double flops;             /* of all steps, with these shapes */
    size_t run_bytes;         /* what a run took at most, see maas_plan_run_bytes */
};

/* ---- the key ---- */

static bool same_input(const MaasInfo *info, const MaasValue *value)
{
    if (!value)
        return info->kind == MAAS_KIND_UNKNOWN;
    if (info->kind != value->kind)
        return false;
    if (value->kind != MAAS_KIND_TENSOR)
        return true;
    const MaasTensor *t = &value->tensor;

    return info->type == t->type && info->rank == t->rank &&
           memcmp(info->dims, t->dims, sizeof *t->dims * (size_t)t->rank) == 0;
}

bool maas_plan_matches(const MaasPlan *plan, MaasValue *const *inputs, int n_wanted, const int *wanted)
{
    if (n_wanted != plan->n_wanted || memcmp(wanted, plan->wanted, sizeof *wanted * (size_t)n_wanted) != 0)
        return false;
    for (int i = 0; i < plan->graph->n_inputs; i++)
        if (!same_input(&plan->inputs[i], inputs[i]))
            return false;
    return true;
}

static MaasStatus make_key(MaasPlan *plan, MaasValue *const *inputs, int n_wanted, const int *wanted,
                           MaasError *err)
{
    int n = plan->graph->n_inputs;

    plan->inputs = maas_arena_array(&plan->arena, (size_t)n + 1, sizeof *plan->inputs, err);
    plan->wanted = maas_arena_array(&plan->arena, (size_t)n_wanted + 1, sizeof *plan->wanted, err);
    if (!plan->inputs || !plan->wanted)
        return err->status;
    plan->n_wanted = n_wanted;
    memcpy(plan->wanted, wanted, sizeof *wanted * (size_t)n_wanted);
    for (int i = 0; i < n; i++)
        if (inputs[i]) {
            maas_info_of_value(inputs[i], &plan->inputs[i]);
            plan->inputs[i].value = NULL; /* the content differs from call to call */
        }
    return MAAS_OK;
}

/* ---- which nodes are needed ---- */

static void need_captured(const MaasNode *node, uint8_t *needed)
{
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++) {
        const MaasGraph *sub = node->attrs[a].graph;

        for (int e = 0; sub && e < sub->n_edges; e++)
            if (sub->edges[e].role == MAAS_ROLE_CAPTURED)
                needed[sub->edges[e].outer] = 1;
    }
}

/* Marks the edges that the wanted ones depend on; an edge that is known already depends on nothing. */
static void mark_needed(const MaasPlan *plan, uint8_t *needed)
{
    const MaasGraph *graph = plan->graph;

    for (int i = 0; i < plan->n_wanted; i++)
        needed[plan->wanted[i]] = 1;
    for (int k = graph->n_nodes - 1; k >= 0; k--) {
        const MaasNode *node = &graph->nodes[k];
        bool any = false;

        for (int i = 0; i < node->n_out; i++)
            any |= node->out[i] != MAAS_NO_VALUE && needed[node->out[i]] &&
                   plan->edges[node->out[i]].sort != SORT_FIXED;
        if (!any)
            continue;
        for (int i = 0; i < node->n_in; i++)
            if (node->in[i] != MAAS_NO_VALUE)
                needed[node->in[i]] = 1;
        need_captured(node, needed);
    }
}

static bool node_needed(const MaasPlan *plan, const MaasNode *node, const uint8_t *needed)
{
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && needed[node->out[i]] && plan->edges[node->out[i]].sort != SORT_FIXED)
            return true;
    return false;
}

/* ---- binding: inference with the caller's shapes, folding as it goes ---- */

typedef struct BindFold {
    MaasPlan *plan;
    MaasRun *run;
    const MaasInferScope *scope;
    double flops; /* of the scope after the node before */
} BindFold;

static MaasStatus hold(MaasPlan *plan, MaasValue *value, MaasError *err)
{
    if (plan->n_folded == plan->cap_folded) {
        int cap = plan->cap_folded ? 2 * plan->cap_folded : 16;
        MaasValue **grown = maas_realloc(plan->mem, plan->folded, sizeof *grown * (size_t)cap, err);

        if (!grown) {
            maas_value_unref(value);
            return err->status;
        }
        plan->folded = grown;
        plan->cap_folded = cap;
    }
    plan->folded[plan->n_folded++] = value;
    return MAAS_OK;
}

static MaasStatus fix_edge(MaasPlan *plan, MaasInferFrame *frame, int e, MaasValue *value, MaasError *err)
{
    MAAS_TRY(hold(plan, value, err));
    maas_value_ref(value); /* so that no operator takes its memory for an output */
    plan->edges[e].sort = SORT_FIXED;
    plan->edges[e].value = value;
    frame->infos[e].value = &value->tensor;
    return MAAS_OK;
}

static MaasStatus fold_at_bind(void *ctx, const MaasNode *node, MaasInferFrame *frame, MaasError *err)
{
    BindFold *bind = ctx;
    MaasValue *out[16] = {NULL};
    bool inferred = true;

    if (frame->parent)
        return MAAS_OK;
    bind->plan->node_flops[node - frame->graph->nodes] = bind->scope->flops - bind->flops;
    bind->flops = bind->scope->flops;
    if (node->n_out > 16)
        return MAAS_OK;
    for (int i = 0; i < node->n_out; i++)
        inferred &= node->out[i] == MAAS_NO_VALUE || frame->infos[node->out[i]].value != NULL;
    if (inferred) { /* Shape and Size */
        for (int i = 0; i < node->n_out; i++) {
            MaasValue view = {.kind = MAAS_KIND_TENSOR, .refs = 1, .mem = bind->plan->mem}, *copy;

            if (node->out[i] == MAAS_NO_VALUE)
                continue;
            view.tensor = *frame->infos[node->out[i]].value;
            MAAS_TRY(maas_value_copy(bind->plan->mem, &view, &copy, err));
            MAAS_TRY(fix_edge(bind->plan, frame, node->out[i], copy, err));
        }
        return MAAS_OK;
    }
    if (!maas_node_foldable(node, frame))
        return MAAS_OK;
    MAAS_TRY(maas_fold_compute(bind->run, node, frame, out, err));
    MaasStatus status = MAAS_OK;

    for (int i = 0; i < node->n_out; i++) {
        if (!out[i])
            continue;
        if (status == MAAS_OK)
            status = fix_edge(bind->plan, frame, node->out[i], out[i], err);
        else
            maas_value_unref(out[i]);
    }
    return status;
}

static MaasStatus bind_shapes(MaasPlan *plan, MaasInferScope *scope, MaasRun *run, MaasInferFrame **frame,
                              MaasError *err)
{
    MaasGraph *graph = plan->graph;
    BindFold bind = {plan, run, scope, 0};
    const MaasInfo **inputs = maas_arena_array(scope->arena, (size_t)graph->n_inputs + 1, sizeof *inputs, err);

    plan->node_flops = maas_arena_array(&plan->arena, (size_t)graph->n_nodes + 1, sizeof *plan->node_flops, err);
    if (!inputs || !plan->node_flops)
        return err->status;
    for (int i = 0; i < graph->n_inputs; i++) {
        MaasEdge *edge = &graph->edges[graph->inputs[i]];

        inputs[i] = &plan->inputs[i];
        if (plan->inputs[i].kind != MAAS_KIND_UNKNOWN || !edge->constant)
            continue;
        MaasInfo *info = maas_arena_alloc(scope->arena, sizeof *info, err); /* left at its default: known */

        if (!info)
            return err->status;
        maas_info_of_value(edge->constant, info);
        inputs[i] = info;
    }
    scope->fold = fold_at_bind;
    scope->fold_ctx = &bind;
    MAAS_TRY(maas_infer_frame(scope, graph, NULL, inputs, frame, err));
    return maas_infer_frame_nodes(scope, *frame, err);
}

/* ---- steps ---- */

static bool has_half(const MaasPlan *plan, const MaasNode *node, const MaasInferFrame *frame)
{
    for (int i = 0; i < node->n_in + node->n_out; i++) {
        int e = i < node->n_in ? node->in[i] : node->out[i - node->n_in];

        if (e != MAAS_NO_VALUE && frame->infos[e].kind == MAAS_KIND_TENSOR &&
            maas_type_in(frame->infos[e].type, MAAS_T_HALF))
            return true;
    }
    return false;
}

/* Whether all of a node's outputs have shapes that are known before the run. */
static bool is_fixed(const MaasPlan *plan, const MaasNode *node, const MaasInferFrame *frame)
{
    if (node->op->flags & MAAS_OP_DYNAMIC || maas_node_has_graph(node))
        return false;
    if (node->op->flags & MAAS_OP_HALF_VIA_F32 && has_half(plan, node, frame))
        return false;
    for (int i = 0; i < node->n_in; i++) /* a shape that only data shows is checked by infer in the run */
        if (node->in[i] != MAAS_NO_VALUE && !maas_info_shape_known(&frame->infos[node->in[i]]))
            return false;
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && !maas_info_shape_known(&frame->infos[node->out[i]]))
            return false;
    return true;
}

static MaasStatus make_steps(MaasPlan *plan, const MaasInferFrame *frame, const uint8_t *needed, MaasError *err)
{
    const MaasGraph *graph = plan->graph;

    plan->steps = maas_arena_array(&plan->arena, (size_t)graph->n_nodes + 1, sizeof *plan->steps, err);
    if (!plan->steps)
        return err->status;
    for (int k = 0; k < graph->n_nodes; k++) {
        const MaasNode *node = &graph->nodes[k];

        if (!node_needed(plan, node, needed)) {
            plan->node_flops[k] = -1;
            continue;
        }
        Step *step = &plan->steps[plan->n_steps++];

        step->node = k;
        step->fixed = is_fixed(plan, node, frame);
        if (!step->fixed) {
            plan->node_flops[k] = INFINITY;
            continue;
        }
        MaasValue **in = maas_arena_array(&plan->arena, (size_t)node->n_in + 1, sizeof *in, err);
        MaasValue **out = maas_arena_array(&plan->arena, (size_t)node->n_out + 1, sizeof *out, err);

        step->infos = maas_arena_array(&plan->arena, (size_t)node->n_out + 1, sizeof *step->infos, err);
        if (!in || !out || !step->infos)
            return err->status;
        for (int i = 0; i < node->n_out; i++)
            if (node->out[i] != MAAS_NO_VALUE)
                step->infos[i] = frame->infos[node->out[i]];
        step->ctx = (MaasCtx){.node = node,
                              .attr = node->attrs,
                              .n_in = node->n_in,
                              .n_out = node->n_out,
                              .in = in,
                              .out = out,
                              .state = node->state,
                              .state_bytes = node->state_bytes};
    }
    return MAAS_OK;
}

/* ---- memory ---- */

static int root_of(const MaasPlan *plan, int e)
{
    while (plan->edges[e].alias != e)
        e = plan->edges[e].alias;
    return e;
}

/* Fixed steps' tensors are planned, unless a dynamic node reads them or they leave the run. */
static void choose_sorts(MaasPlan *plan)
{
    const MaasGraph *graph = plan->graph;

    for (int s = 0; s < plan->n_steps; s++) {
        const Step *step = &plan->steps[s];
        const MaasNode *node = &graph->nodes[step->node];

        for (int i = 0; step->fixed && i < node->n_out; i++)
            if (node->out[i] != MAAS_NO_VALUE && plan->edges[node->out[i]].sort == SORT_POOLED &&
                step->infos[i].type != MAAS_STRING)
                plan->edges[node->out[i]].sort = SORT_PLANNED;
    }
    for (int i = 0; i < plan->n_wanted && !plan->kept; i++)
        if (plan->edges[plan->wanted[i]].sort == SORT_PLANNED)
            plan->edges[plan->wanted[i]].sort = SORT_POOLED;
    /* backwards, so that the source of a pooled view becomes pooled too */
    for (int s = plan->n_steps - 1; s >= 0; s--) {
        const Step *step = &plan->steps[s];
        const MaasNode *node = &graph->nodes[step->node];
        bool view = node->op->flags & MAAS_OP_VIEW && node->out[0] != MAAS_NO_VALUE;
        bool pooled = !step->fixed || (view && plan->edges[node->out[0]].sort == SORT_POOLED);

        for (int i = 0; pooled && i < (step->fixed ? 1 : node->n_in); i++)
            if (node->in[i] != MAAS_NO_VALUE && plan->edges[node->in[i]].sort == SORT_PLANNED)
                plan->edges[node->in[i]].sort = SORT_POOLED;
        for (int a = 0; !step->fixed && a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++) {
            const MaasGraph *sub = node->attrs[a].graph;

            for (int e = 0; sub && e < sub->n_edges; e++)
                if (sub->edges[e].role == MAAS_ROLE_CAPTURED &&
                    plan->edges[sub->edges[e].outer].sort == SORT_PLANNED)
                    plan->edges[sub->edges[e].outer].sort = SORT_POOLED;
        }
    }
    /* forwards, so that a view of a pooled value is pooled */
    for (int s = 0; s < plan->n_steps; s++) {
        const MaasNode *node = &graph->nodes[plan->steps[s].node];

        if (plan->steps[s].fixed && node->op->flags & MAAS_OP_VIEW &&
            plan->edges[node->out[0]].sort == SORT_PLANNED && plan->edges[node->in[0]].sort == SORT_POOLED)
            plan->edges[node->out[0]].sort = SORT_POOLED;
    }
}

static bool same_storage(const MaasInfo *a, const MaasInfo *b)
{
    return a->rank == b->rank && maas_type_size(a->type) == maas_type_size(b->type) &&
           memcmp(a->dims, b->dims, sizeof *a->dims * (size_t)a->rank) == 0;
}

/* Whether step s may write its output over source: nobody reads it later, and no other input of the node is the
 * same memory under another shape. */
static bool may_take(const MaasPlan *plan, const MaasInferFrame *frame, const MaasNode *node, int source, int s,
                     const MaasInfo *out)
{
    if (source == MAAS_NO_VALUE || plan->edges[source].sort != SORT_PLANNED)
        return false;
    int root = root_of(plan, source);

    if (plan->edges[root].last != s || !same_storage(&frame->infos[source], out))
        return false;
    for (int i = 0; i < node->n_in; i++) {
        int e = node->in[i];

        if (e != MAAS_NO_VALUE && plan->edges[e].sort == SORT_PLANNED && root_of(plan, e) == root &&
            !same_storage(&frame->infos[e], out))
            return false;
    }
    return true;
}

/* Lifetimes in steps; views and in-place outputs join the group of their source. */
static MaasStatus find_lifetimes(MaasPlan *plan, const MaasInferFrame *frame, MaasError *err)
{
    const MaasGraph *graph = plan->graph;
    int *last = maas_arena_array(&plan->arena, (size_t)graph->n_edges + 1, sizeof *last, err);

    if (!last)
        return err->status;
    for (int s = 0; s < plan->n_steps; s++) {
        const MaasNode *node = &graph->nodes[plan->steps[s].node];

        for (int i = 0; i < node->n_in; i++)
            if (node->in[i] != MAAS_NO_VALUE)
                last[node->in[i]] = s;
    }
    for (int i = 0; i < plan->n_wanted; i++)
        last[plan->wanted[i]] = plan->n_steps;
    for (int s = 0; s < plan->n_steps; s++) {
        const Step *step = &plan->steps[s];
        const MaasNode *node = &graph->nodes[step->node];

        for (int i = 0; step->fixed && i < node->n_out; i++) {
            int e = node->out[i];

            if (e == MAAS_NO_VALUE || plan->edges[e].sort != SORT_PLANNED)
                continue;
            Edge *edge = &plan->edges[e];
            int end = last[e] > s ? last[e] : s;

            edge->alias = e;
            if (i == 0 && node->op->flags & MAAS_OP_VIEW) {
                if (plan->edges[node->in[0]].sort == SORT_PLANNED)
                    edge->alias = root_of(plan, node->in[0]);
            } else if (i == 0 && node->op->flags & MAAS_OP_INPLACE) {
                for (int j = 0; j < node->n_in && edge->alias == e; j++)
                    if (may_take(plan, frame, node, node->in[j], s, &step->infos[0]))
                        edge->alias = root_of(plan, node->in[j]);
            }
            if (edge->alias == e) {
                edge->first = s;
                edge->last = end;
                edge->bytes = maas_type_size(step->infos[i].type);
                for (int d = 0; d < step->infos[i].rank; d++)
                    if (!maas_mul(edge->bytes, (size_t)step->infos[i].dims[d], &edge->bytes))
                        return maas_fail(err, MAAS_ERR_LIMIT, "an intermediate tensor is too large");
            } else if (plan->edges[edge->alias].last < end)
                plan->edges[edge->alias].last = end;
        }
    }
    return MAAS_OK;
}

static int by_size(const void *a, const void *b)
{
    const Edge *x = *(Edge *const *)a, *y = *(Edge *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first - y->first;
}

/* Largest first, each at the lowest offset that is free during its life (greedy by size, as in Pisarchyk and Lee,
 * "Efficient Memory Management for Deep Neural Net Inference", 2020). */
static MaasStatus assign_offsets(MaasPlan *plan, MaasError *err)
{
    int n_edges = plan->graph->n_edges, n = 0;
    Edge **placed = maas_arena_array(&plan->arena, (size_t)n_edges + 1, sizeof *placed, err);
    Edge **order = maas_arena_array(&plan->arena, (size_t)n_edges + 1, sizeof *order, err);

    if (!placed || !order)
        return err->status;
    for (int e = 0; e < n_edges; e++)
        if (plan->edges[e].sort == SORT_PLANNED && plan->edges[e].alias == e && plan->edges[e].bytes)
            order[n++] = &plan->edges[e];
    qsort(order, (size_t)n, sizeof *order, by_size);
    for (int i = 0; i < n; i++) {
        Edge *edge = order[i];
        size_t at = 0, bytes, end;
        int slot = 0;

        if (__builtin_add_overflow(edge->bytes, MAAS_ALIGN - 1, &bytes))
            return maas_fail(err, MAAS_ERR_LIMIT, "an intermediate tensor is too large");
        bytes &= ~(size_t)(MAAS_ALIGN - 1);
        /* placed is sorted by offset */
        for (int j = 0; j < i; j++) {
            if (placed[j]->last < edge->first || placed[j]->first > edge->last)
                continue;
            if (placed[j]->offset >= at && placed[j]->offset - at >= bytes)
                break;
            size_t after = placed[j]->offset + ((placed[j]->bytes + MAAS_ALIGN - 1) & ~(size_t)(MAAS_ALIGN - 1));

            if (after > at)
                at = after;
        }
        edge->offset = at;
        if (__builtin_add_overflow(at, bytes, &end))
            return maas_fail(err, MAAS_ERR_LIMIT, "the intermediate tensors are too large");
        if (end > plan->workspace_bytes)
            plan->workspace_bytes = end;
        while (slot < i && placed[slot]->offset <= at)
            slot++;
        memmove(placed + slot + 1, placed + slot, sizeof *placed * (size_t)(i - slot));
        placed[slot] = edge;
    }
    return MAAS_OK;
}

static MaasStatus make_values(MaasPlan *plan, MaasError *err)
{
    const MaasGraph *graph = plan->graph;

    plan->preset = maas_arena_array(&plan->arena, (size_t)graph->n_edges + 1, sizeof *plan->preset, err);
    plan->frame.graph = graph;
    plan->frame.values =
        maas_arena_array(&plan->arena, (size_t)graph->n_edges + 1, sizeof *plan->frame.values, err);
    if (!plan->preset || !plan->frame.values)
        return err->status;
    for (int e = 0; e < graph->n_edges; e++)
        if (plan->edges[e].sort == SORT_FIXED)
            plan->preset[e] = plan->edges[e].value;
    for (int s = 0; s < plan->n_steps; s++) {
        const Step *step = &plan->steps[s];
        const MaasNode *node = &graph->nodes[step->node];

        for (int i = 0; step->fixed && i < node->n_out; i++) {
            if (node->out[i] == MAAS_NO_VALUE || plan->edges[node->out[i]].sort != SORT_PLANNED)
                continue;
            MaasValue *value = maas_arena_alloc(&plan->arena, sizeof *value, err);

            if (!value)
                return err->status;
            value->kind = MAAS_KIND_TENSOR;
            value->refs = 1;
            value->mem = plan->mem;
            value->tensor.type = step->infos[i].type;
            value->tensor.rank = step->infos[i].rank;
            memcpy(value->tensor.dims, step->infos[i].dims, sizeof value->tensor.dims);
            if (!maas_count_dims(value->tensor.rank, value->tensor.dims, &value->tensor.count))
                return maas_fail(err, MAAS_ERR_LIMIT, "an intermediate tensor is too large");
            plan->edges[node->out[i]].value = value;
            plan->preset[node->out[i]] = value;
        }
    }
    return MAAS_OK;
}

/* A pooled edge is released after the last step that reads or makes it. */
static MaasStatus find_releases(MaasPlan *plan, MaasError *err)
{
    const MaasGraph *graph = plan->graph;
    uint8_t *later = maas_arena_alloc(&plan->arena, (size_t)graph->n_edges + 1, err);

    if (!later)
        return err->status;
    for (int i = 0; i < plan->n_wanted; i++)
        later[plan->wanted[i]] = 1;
    for (int s = plan->n_steps - 1; s >= 0; s--) {
        Step *step = &plan->steps[s];
        const MaasNode *node = &graph->nodes[step->node];

        if (maas_node_has_graph(node)) /* what its subgraphs capture is freed with the frame */
            need_captured(node, later);
        step->release = maas_arena_array(&plan->arena, (size_t)node->n_in + (size_t)node->n_out + 1,
                                         sizeof *step->release, err);
        if (!step->release)
            return err->status;
        for (int i = 0; i < node->n_in + node->n_out; i++) {
            int e = i < node->n_in ? node->in[i] : node->out[i - node->n_in];

            if (e == MAAS_NO_VALUE || later[e])
                continue;
            later[e] = 1;
            if (plan->edges[e].sort == SORT_POOLED)
                step->release[step->n_release++] = e;
        }
    }
    return MAAS_OK;
}

/* ---- what may run beside others ---- */

/* Fills plan->outputs when all steps are fixed, each output is made by one, and no input is left at its default
 * (the default's references are counted in every run). */
static MaasStatus find_outputs(MaasPlan *plan, MaasError *err)
{
    const MaasGraph *graph = plan->graph;
    const MaasInfo **outputs = maas_arena_array(&plan->arena, (size_t)plan->n_wanted + 1, sizeof *outputs, err);

    plan->direct = maas_arena_array(&plan->arena, (size_t)plan->n_wanted + 1, sizeof *plan->direct, err);
    if (!outputs || !plan->direct)
        return err->status;
    for (int i = 0; i < graph->n_inputs; i++)
        if (plan->inputs[i].kind != MAAS_KIND_TENSOR)
            return MAAS_OK;
    for (int s = 0; s < plan->n_steps; s++) {
        const MaasNode *node = &graph->nodes[plan->steps[s].node];

        if (!plan->steps[s].fixed)
            return MAAS_OK;
        for (int o = 0; o < node->n_out; o++)
            for (int i = 0; node->out[o] != MAAS_NO_VALUE && i < plan->n_wanted; i++)
                if (plan->wanted[i] == node->out[o]) {
                    outputs[i] = &plan->steps[s].infos[o];
                    plan->direct[i] = !(node->op->flags & MAAS_OP_VIEW);
                }
    }
    for (int i = 0; i < plan->n_wanted; i++)
        if (!outputs[i] || outputs[i]->kind != MAAS_KIND_TENSOR || plan->edges[plan->wanted[i]].sort == SORT_FIXED)
            return MAAS_OK;
    plan->outputs = outputs;
    return MAAS_OK;
}

const MaasInfo *maas_plan_output(const MaasPlan *plan, int i)
{
    return plan->outputs ? plan->outputs[i] : NULL;
}

/* ---- making a plan ---- */

static MaasStatus build(MaasPlan *plan, MaasInferScope *scope, MaasRun *run, MaasError *err)
{
    const MaasGraph *graph = plan->graph;
    MaasInferFrame *frame;

    plan->edges = maas_arena_array(&plan->arena, (size_t)graph->n_edges + 1, sizeof *plan->edges, err);
    if (!plan->edges)
        return err->status;
    for (int e = 0; e < graph->n_edges; e++) {
        plan->edges[e].alias = e;
        if (maas_edge_held(&graph->edges[e])) {
            plan->edges[e].sort = SORT_FIXED;
            plan->edges[e].value = graph->edges[e].constant;
        }
    }
    /* what the wanted outputs do not depend on may not even fit these shapes */
    uint8_t *needed = maas_arena_alloc(scope->arena, (size_t)graph->n_edges + 1, err);
    uint8_t *nodes = maas_arena_alloc(scope->arena, (size_t)graph->n_nodes + 1, err);

    if (!needed || !nodes)
        return err->status;
    mark_needed(plan, needed);
    for (int k = 0; k < graph->n_nodes; k++)
        nodes[k] = node_needed(plan, &graph->nodes[k], needed);
    scope->nodes = nodes;
    MAAS_TRY(bind_shapes(plan, scope, run, &frame, err));
    plan->flops = scope->flops;
    memset(needed, 0, (size_t)graph->n_edges);
    mark_needed(plan, needed);
    MAAS_TRY(make_steps(plan, frame, needed, err));
    choose_sorts(plan);
    MAAS_TRY(find_lifetimes(plan, frame, err));
    MAAS_TRY(assign_offsets(plan, err));
    MAAS_TRY(make_values(plan, err));
    MAAS_TRY(find_releases(plan, err));
    for (int s = 0; s < plan->n_steps; s++)
        for (int i = 0; plan->steps[s].infos && i < graph->nodes[plan->steps[s].node].n_out; i++)
            plan->steps[s].infos[i].value = NULL;
    return find_outputs(plan, err);
}

MaasStatus maas_plan_new(MaasGraph *graph, MaasMem *mem, MaasValue *const *inputs, int n_wanted, const int *wanted,
                         MaasStop stop, MaasPlan **out, MaasError *err)
{
    return maas_plan_new_kept(graph, mem, inputs, n_wanted, wanted, NULL, stop, out, err);
}

MaasStatus maas_plan_new_kept(MaasGraph *graph, MaasMem *mem, MaasValue *const *inputs, int n_wanted,
                              const int *wanted, MaasWorkspace *workspace, MaasStop stop, MaasPlan **out,
                              MaasError *err)
{
    MaasPlan *plan = maas_zalloc(mem, sizeof *plan, err);
    MaasArena results;
    MaasRun run;

    if (!plan)
        return err->status;
    plan->graph = graph;
    plan->mem = mem;
    plan->kept = workspace;
    maas_arena_init(&plan->arena, mem);
    maas_arena_init(&results, mem);
    maas_run_init(&run, mem, stop, 1);
    MaasInferScope scope = {.arena = &results, .stop = stop};
    MaasStatus status = make_key(plan, inputs, n_wanted, wanted, err);

    if (status == MAAS_OK)
        status = build(plan, &scope, &run, err);
    maas_run_end(&run);
    maas_arena_free(&results);
    if (status != MAAS_OK) {
        maas_plan_free(plan);
        return status;
    }
    *out = plan;
    return MAAS_OK;
}

void maas_plan_free(MaasPlan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_folded; i++) {
        maas_value_unref(plan->folded[i]); /* twice: see fix_edge */
        maas_value_unref(plan->folded[i]);
    }
    maas_free(plan->mem, plan->folded);
    maas_free(plan->mem, plan->workspace);
    maas_arena_free(&plan->arena);
    maas_free(plan->mem, plan);
}

size_t maas_plan_workspace(const MaasPlan *plan)
{
    return plan->workspace_bytes;
}

double maas_plan_flops(const MaasPlan *plan)
{
    return plan->flops;
}

size_t maas_plan_edge_bytes(const MaasPlan *plan, int edge)
{
    return plan->edges[edge].sort == SORT_PLANNED ? maas_tensor_bytes(&plan->edges[edge].value->tensor) : 0;
}

double maas_plan_node_flops(const MaasPlan *plan, int node)
{
    return plan->node_flops[node];
}

/* ---- running ---- */

void maas_workspace_free(MaasWorkspace *workspace)
{
    maas_free(workspace->mem, workspace->data);
    workspace->data = NULL;
    workspace->bytes = 0;
}

static void place_values(MaasPlan *plan, char *workspace)
{
    for (int e = 0; e < plan->graph->n_edges; e++)
        if (plan->edges[e].sort == SORT_PLANNED)
            plan->edges[e].value->tensor.data = workspace + plan->edges[root_of(plan, e)].offset;
    plan->placed = workspace;
}

/* Makes the workspace that is kept large enough. */
static MaasStatus grow_kept(MaasPlan *plan, MaasError *err)
{
    MaasWorkspace *w = plan->kept;

    if (w->bytes >= plan->workspace_bytes)
        return MAAS_OK;
    maas_workspace_free(w);
    w->data = maas_alloc(w->mem, plan->workspace_bytes, err);
    if (!w->data)
        return err->status;
    w->bytes = plan->workspace_bytes;
    return MAAS_OK;
}

static MaasStatus run_fixed(MaasPlan *plan, MaasRun *run, Step *step, MaasError *err)
{
    const MaasNode *node = &plan->graph->nodes[step->node];
    MaasValue **values = plan->frame.values, **in = (MaasValue **)step->ctx.in;
    MaasStatus status;

    for (int i = 0; i < node->n_in; i++)
        in[i] = node->in[i] == MAAS_NO_VALUE ? NULL : values[node->in[i]];
    for (int i = 0; i < node->n_out; i++) {
        int e = node->out[i];

        if (e == MAAS_NO_VALUE)
            continue;
        if (!values[e]) {
            const MaasInfo *info = &step->infos[i];

            if (node->op->flags & MAAS_OP_VIEW)
                status = maas_value_view(run->mem, &in[0]->tensor, info->rank, info->dims, &values[e], err);
            else
                status = maas_value_new_tensor(run->mem, info->type, info->rank, info->dims, &values[e], err);
            if (status != MAAS_OK)
                return status;
        }
        step->ctx.out[i] = values[e];
    }
    if (node->op->flags & MAAS_OP_VIEW) {
        if (plan->edges[node->out[0]].sort == SORT_PLANNED)
            values[node->out[0]]->tensor.data = in[0]->tensor.data; /* also of a constant */
        return MAAS_OK;
    }
    step->ctx.run = run;
    step->ctx.err = err;
    run->frame = &plan->frame;
    return maas_exec_compute(run, &step->ctx);
}

static MaasStatus run_steps(MaasPlan *plan, MaasRun *run, MaasError *err)
{
    MaasValue **values = plan->frame.values;

    for (int s = 0; s < plan->n_steps; s++) {
        Step *step = &plan->steps[s];

        if (maas_stop_raised(&run->stop))
            return maas_fail(err, MAAS_ERR_CANCEL, "stopped");
        if (step->fixed)
            MAAS_TRY(run_fixed(plan, run, step, err));
        else
            MAAS_TRY(maas_exec_node(run, &plan->frame, step->node, err));
        for (int i = 0; i < step->n_release; i++) {
            maas_value_unref(values[step->release[i]]);
            values[step->release[i]] = NULL;
        }
    }
    return MAAS_OK;
}

/* What a node made is handed on; the caller's input, the model's constant and the plan's own are copied. */
static MaasStatus take_outputs(MaasPlan *plan, MaasRun *run, MaasValue **out, MaasError *err)
{
    for (int i = 0; i < plan->n_wanted; i++) {
        int e = plan->wanted[i];
        MaasValue *value = plan->frame.values[e];

        if (!value)
            return maas_fail(err, MAAS_ERR_INTERNAL, "output \"%.200s\" has no value", plan->graph->edges[e].name);
        bool made = plan->edges[e].sort == SORT_POOLED && plan->graph->edges[e].role == MAAS_ROLE_NODE &&
                    value->kind == MAAS_KIND_TENSOR && value->tensor.buffer &&
                    value->tensor.buffer->mem == run->mem;

        if (made || (plan->kept && plan->edges[e].sort == SORT_PLANNED))
            out[i] = maas_value_ref(value);
        else
            MAAS_TRY(maas_value_copy(run->mem, value, &out[i], err));
    }
    return MAAS_OK;
}

/* Copies what a node could not write where it is wanted: the output of a view, or one that is wanted twice. */
static void fill_outputs(const MaasPlan *plan, MaasValue *const *into)
{
    for (int i = 0; i < plan->n_wanted; i++) {
        const MaasValue *value = plan->frame.values[plan->wanted[i]];
        const MaasTensor *t = &into[i]->tensor;

        if (value != into[i] && t->count > 0)
            memcpy(t->data, value->tensor.data, maas_tensor_bytes(t));
    }
}

/* Runs the plan; the outputs become new values in `out`, or their content goes `into` tensors that are there. */
static MaasStatus run_plan(MaasPlan *plan, MaasRun *run, MaasValue *const *inputs, MaasValue **out,
                           MaasValue *const *into, MaasError *err)
{
    const MaasGraph *graph = plan->graph;
    MaasValue **values = plan->frame.values;
    bool keep =
        plan->kept || (plan->workspace_bytes <= MAAS_KEEP_WORKSPACE && !into); /* plan->mem is not for threads */
    void *workspace = plan->workspace;
    MaasStatus status = MAAS_OK;

    if (plan->kept) {
        MAAS_TRY(grow_kept(plan, err));
        workspace = plan->kept->data;
        if (plan->placed != workspace)
            place_values(plan, workspace);
    } else if (!workspace && plan->workspace_bytes) {
        workspace = maas_alloc(keep ? plan->mem : run->mem, plan->workspace_bytes, err);
        if (!workspace)
            return err->status;
        place_values(plan, workspace);
        if (keep)
            plan->workspace = workspace;
    }
    memcpy(values, plan->preset, sizeof *values * (size_t)graph->n_edges);
    for (int i = 0; into && i < plan->n_wanted; i++)
        if (!values[plan->wanted[i]] && plan->direct[i])
            values[plan->wanted[i]] = into[i];
    for (int i = 0; i < graph->n_inputs; i++) {
        MaasValue *value = inputs[i] ? inputs[i] : graph->edges[graph->inputs[i]].constant;

        values[graph->inputs[i]] = value ? maas_value_ref(value) : NULL;
    }
    status = run_steps(plan, run, err);
    for (int i = 0; out && i < plan->n_wanted; i++)
        out[i] = NULL;
    if (status == MAAS_OK && out)
        status = take_outputs(plan, run, out, err);
    if (status == MAAS_OK && into)
        fill_outputs(plan, into);
    for (int i = 0; into && i < plan->n_wanted; i++)
        for (int k = 0; k < plan->n_wanted; k++)
            if (values[plan->wanted[i]] == into[k])
                values[plan->wanted[i]] = NULL;
    for (int e = 0; e < graph->n_edges; e++)
        if (plan->edges[e].sort == SORT_POOLED)
            maas_value_unref(values[e]);
    if (!plan->kept && workspace != plan->workspace)
        maas_free(run->mem, workspace);
    for (int i = 0; status != MAAS_OK && out && i < plan->n_wanted; i++) {
        maas_value_unref(out[i]);
        out[i] = NULL;
    }
    return status;
}

MaasStatus maas_plan_run(MaasPlan *plan, MaasRun *run, MaasValue *const *inputs, MaasValue **out, MaasError *err)
{
    return run_plan(plan, run, inputs, out, NULL, err);
}

size_t maas_plan_run_bytes(const MaasPlan *plan)
{
    return plan->run_bytes;
}

void maas_plan_set_run_bytes(MaasPlan *plan, size_t bytes)
{
    plan->run_bytes = bytes;
}

MaasStatus maas_plan_run_into(MaasPlan *plan, MaasRun *run, MaasValue *const *inputs, MaasValue *const *out,
                              MaasError *err)
{
    return run_plan(plan, run, inputs, NULL, out, err);
}
