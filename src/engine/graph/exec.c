/*
 * exec.c - running a graph node by node.
 *
 * Memory: values and scratch come from run->mem; a value is freed after its
 * last reader, a frame's rest when the frame is closed, on failure too.
 * Scratch blocks are kept for the run, because most nodes ask for much the same.
 */
#include <string.h>
#include <time.h>

#include "../base/threads.h"
#include "../kernel/kernel.h"
#include "../op/infer.h"
#include "exec.h"

/* ---- the run ---- */

struct MaasScratch {
    MaasScratch *next;
    size_t bytes;
    void *data;
};

void maas_run_init(MaasRun *run, MaasMem *mem, MaasStop stop, int threads)
{
    struct timespec now;

    memset(run, 0, sizeof *run);
    run->mem = mem;
    run->stop = stop;
    run->threads = threads;
    clock_gettime(CLOCK_MONOTONIC, &now);
    run->seed = (uint64_t)now.tv_sec * 1000000007u ^ (uint64_t)now.tv_nsec << 20 ^ (uint64_t)(uintptr_t)run;
    maas_arena_init(&run->strings, mem);
    maas_arena_init(&run->infer, mem);
}

static void free_scratch(MaasRun *run, MaasScratch *list)
{
    while (list) {
        MaasScratch *next = list->next;

        maas_free(run->mem, list->data);
        maas_free(run->mem, list);
        list = next;
    }
}

void maas_run_end(MaasRun *run)
{
    free_scratch(run, run->busy);
    free_scratch(run, run->idle);
    run->busy = run->idle = NULL;
    maas_arena_free(&run->strings);
    maas_arena_free(&run->infer);
}

void *maas_scratch(MaasCtx *c, size_t count, size_t size)
{
    MaasRun *run = c->run;
    size_t bytes;

    if (!maas_mul(count, size, &bytes)) {
        maas_node_fail(c, MAAS_ERR_LIMIT, "working memory for %zu elements of %zu bytes overflows", count, size);
        return NULL;
    }
    for (MaasScratch **p = &run->idle; *p; p = &(*p)->next) {
        MaasScratch *s = *p;

        if (s->bytes >= bytes && s->bytes / 4 <= bytes) {
            *p = s->next;
            s->next = run->busy;
            run->busy = s;
            return s->data;
        }
    }
    /* blocks that did not fit are given back, so that a run never holds more than a few sizes */
    if (bytes > 1 << 20) {
        free_scratch(run, run->idle);
        run->idle = NULL;
    }
    MaasScratch *s = maas_alloc(run->mem, sizeof *s, c->err);

    if (!s)
        return NULL;
    s->bytes = bytes;
    s->data = maas_alloc(run->mem, bytes, c->err);
    if (!s->data) {
        maas_free(run->mem, s);
        return NULL;
    }
    s->next = run->busy;
    run->busy = s;
    return s->data;
}

void maas_scratch_back(MaasCtx *c, void *data)
{
    MaasRun *run = c->run;

    for (MaasScratch **p = &run->busy; *p; p = &(*p)->next) {
        MaasScratch *s = *p;

        if (s->data != data)
            continue;
        *p = s->next;
        s->next = run->idle;
        run->idle = s;
        return;
    }
}

static void put_scratch_back(MaasRun *run)
{
    while (run->busy) {
        MaasScratch *s = run->busy;

        run->busy = s->next;
        s->next = run->idle;
        run->idle = s;
    }
}

/* ---- what compute functions call ---- */

MaasStatus maas_node_fail(MaasCtx *c, MaasStatus status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    maas_node_vfail(c->node, c->err, status, format, args);
    va_end(args);
    return status;
}

bool maas_has_out(const MaasCtx *c, int i)
{
    return i < c->n_out && c->node->out[i] != MAAS_NO_VALUE;
}

MaasMem *maas_run_mem(MaasCtx *c)
{
    return c->run->mem;
}

MaasStatus maas_out_new(MaasCtx *c, int i, MaasType type, int rank, const int64_t *dims, MaasTensor **out)
{
    maas_value_unref(c->out[i]);
    c->out[i] = NULL;
    MAAS_TRY(maas_value_new_tensor(c->run->mem, type, rank, dims, &c->out[i], c->err));
    *out = &c->out[i]->tensor;
    return MAAS_OK;
}

void maas_out_take(MaasCtx *c, int i, MaasValue *value)
{
    if (!maas_has_out(c, i)) {
        maas_value_unref(value);
        return;
    }
    maas_value_unref(c->out[i]);
    c->out[i] = value;
}

char *maas_run_string(MaasCtx *c, size_t length)
{
    return maas_arena_alloc(&c->run->strings, length, c->err);
}

bool maas_stop(MaasCtx *c)
{
    return maas_stop_raised(&c->run->stop);
}

MaasStatus maas_stopped(MaasCtx *c)
{
    return maas_fail(c->err, MAAS_ERR_CANCEL, "stopped");
}

uint64_t maas_run_seed(MaasCtx *c)
{
    uint64_t x = c->run->seed + ++c->run->seeds * 0x9e3779b97f4a7c15u; /* splitmix64 */

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void *maas_state(MaasCtx *c, size_t bytes)
{
    c->state = maas_zalloc(c->run->mem, bytes, c->err);
    c->state_bytes = bytes;
    return c->state;
}

void maas_forget(MaasCtx *c, int i)
{
    c->forgets |= 1u << i;
}

MaasStatus maas_parallel(MaasCtx *c, int64_t n, int64_t grain, void (*fn)(void *arg, int64_t from, int64_t to),
                         void *arg)
{
    return maas_threads_run(c->run->threads, n, grain, fn, arg, &c->run->stop) ? MAAS_OK : maas_stopped(c);
}

int maas_run_threads(const MaasCtx *c)
{
    return c->run->threads;
}

/* ---- frames ---- */

bool maas_node_has_graph(const MaasNode *node)
{
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++)
        if (node->attrs[a].graph)
            return true;
    return false;
}

static bool holds_reference(const MaasEdge *edge)
{
    return edge->role == MAAS_ROLE_NODE || edge->role == MAAS_ROLE_INPUT;
}

MaasStatus maas_frame_open(MaasRun *run, const MaasGraph *graph, MaasFrame *parent, MaasValue *const *inputs,
                           MaasFrame *frame, MaasError *err)
{
    frame->graph = graph;
    frame->parent = parent;
    frame->values = maas_zalloc_array(run->mem, (size_t)graph->n_edges, sizeof *frame->values, err);
    if (!frame->values)
        return err->status;
    for (int e = 0; e < graph->n_edges; e++) {
        const MaasEdge *edge = &graph->edges[e];

        if (maas_edge_held(edge))
            frame->values[e] = edge->constant;
        else if (edge->role == MAAS_ROLE_CAPTURED && parent)
            frame->values[e] = parent->values[edge->outer];
    }
    for (int i = 0; i < graph->n_inputs; i++) {
        int e = graph->inputs[i];
        MaasValue *value = inputs[i] ? inputs[i] : graph->edges[e].constant;

        frame->values[e] = value ? maas_value_ref(value) : NULL;
    }
    return MAAS_OK;
}

void maas_frame_close(MaasRun *run, MaasFrame *frame)
{
    if (!frame->values)
        return;
    for (int e = 0; e < frame->graph->n_edges; e++)
        if (holds_reference(&frame->graph->edges[e]))
            maas_value_unref(frame->values[e]);
    maas_free(run->mem, frame->values);
    frame->values = NULL;
}

static void use_edge(MaasGraph *graph, int edge, int node)
{
    if (edge != MAAS_NO_VALUE && graph->last_use[edge] < node)
        graph->last_use[edge] = node;
}

/* A subgraph of node k of its parent reads what it captures when that node runs. */
static void use_captured(const MaasGraph *graph, int k)
{
    for (int e = 0; e < graph->n_edges; e++)
        if (graph->edges[e].role == MAAS_ROLE_CAPTURED)
            use_edge(graph->parent, graph->edges[e].outer, k);
}

MaasStatus maas_graph_set_last_use(MaasGraph *graph, MaasError *err)
{
    graph->last_use = maas_arena_array(graph->arena, (size_t)graph->n_edges, sizeof *graph->last_use, err);
    if (!graph->last_use)
        return err->status;
    for (int e = 0; e < graph->n_edges; e++)
        graph->last_use[e] = -1;
    for (int k = 0; k < graph->n_nodes; k++) {
        const MaasNode *node = &graph->nodes[k];

        for (int i = 0; i < node->n_in; i++)
            use_edge(graph, node->in[i], k);
        for (int a = 0; a < MAAS_MAX_ATTR_SPECS && node->op->attrs[a].name; a++)
            if (node->attrs[a].graph) {
                MAAS_TRY(maas_graph_set_last_use(node->attrs[a].graph, err));
                use_captured(node->attrs[a].graph, k);
            }
    }
    for (int i = 0; i < graph->n_outputs; i++)
        use_edge(graph, graph->outputs[i], graph->n_nodes);
    return MAAS_OK;
}

/* ---- one node ---- */

MaasStatus maas_exec_compute(MaasRun *run, MaasCtx *c)
{
    MaasStatus status = c->node->op->compute(c);

    if (run->busy)
        put_scratch_back(run);
    return status;
}

static bool is_half(MaasType type)
{
    return type == MAAS_FLOAT16 || type == MAAS_BFLOAT16;
}

static MaasStatus widen(MaasRun *run, const MaasTensor *from, MaasValue **out, MaasError *err)
{
    MAAS_TRY(maas_value_new_tensor(run->mem, MAAS_FLOAT, from->rank, from->dims, out, err));
    if (from->type == MAAS_FLOAT16)
        maas_kernel->f16_to_f32(from->data, MAAS_F32(&(*out)->tensor), from->count);
    else
        maas_kernel->bf16_to_f32(from->data, MAAS_F32(&(*out)->tensor), from->count);
    return MAAS_OK;
}

static MaasStatus narrow(MaasRun *run, const MaasTensor *from, MaasType type, MaasValue **out, MaasError *err)
{
    MAAS_TRY(maas_value_new_tensor(run->mem, type, from->rank, from->dims, out, err));
    if (type == MAAS_FLOAT16)
        maas_kernel->f32_to_f16(MAAS_F32(from), (*out)->tensor.data, from->count);
    else
        maas_kernel->f32_to_bf16(MAAS_F32(from), (*out)->tensor.data, from->count);
    return MAAS_OK;
}

/* Calls fn (compute or prepare) with float16 and bfloat16 inputs widened. */
static MaasStatus with_wide_inputs(MaasRun *run, MaasCtx *c, MaasStatus (*fn)(MaasCtx *c))
{
    MaasValue **in = maas_zalloc_array(run->mem, (size_t)c->n_in + 1, sizeof *in, c->err);
    MaasValue *const *given = c->in;
    MaasStatus status = MAAS_OK;

    if (!in)
        return c->err->status;
    for (int i = 0; i < c->n_in && status == MAAS_OK; i++) {
        if (!given[i])
            continue;
        if (given[i]->kind == MAAS_KIND_TENSOR && is_half(given[i]->tensor.type))
            status = widen(run, &given[i]->tensor, &in[i], c->err);
        else
            in[i] = maas_value_ref(given[i]);
    }
    c->in = in;
    if (status == MAAS_OK)
        status = fn(c);
    c->in = given;
    for (int i = 0; i < c->n_in; i++)
        maas_value_unref(in[i]);
    maas_free(run->mem, in);
    return status;
}

/* compute in float32 with inputs widened and outputs narrowed.  infos: what infer says of the outputs. */
static MaasStatus compute_half(MaasRun *run, MaasCtx *c, MaasInfo *const *infos)
{
    MaasStatus status = with_wide_inputs(run, c, c->node->op->compute);

    if (run->busy)
        put_scratch_back(run);
    for (int i = 0; i < c->n_out && status == MAAS_OK; i++) {
        MaasValue *wide = c->out[i], *half;

        if (!wide || wide->kind != MAAS_KIND_TENSOR || !infos[i] || !is_half(infos[i]->type) ||
            wide->tensor.type != MAAS_FLOAT)
            continue;
        status = narrow(run, &wide->tensor, infos[i]->type, &half, c->err);
        if (status == MAAS_OK) {
            c->out[i] = half;
            maas_value_unref(wide);
        }
    }
    return status;
}

static bool any_half(const MaasCtx *c, MaasInfo *const *out)
{
    for (int i = 0; i < c->n_in; i++)
        if (c->in[i] && c->in[i]->kind == MAAS_KIND_TENSOR && is_half(c->in[i]->tensor.type))
            return true;
    for (int i = 0; out && i < c->n_out; i++)
        if (out[i] && out[i]->kind == MAAS_KIND_TENSOR && is_half(out[i]->type))
            return true;
    return false;
}

/* An input whose memory output 0 may take: nobody else holds it and nobody reads it later. */
static MaasValue *reusable_input(const MaasFrame *frame, const MaasNode *node, int k, const MaasInfo *out)
{
    for (int i = 0; i < node->n_in; i++) {
        int e = node->in[i];

        if (e == MAAS_NO_VALUE || frame->graph->last_use[e] != k || frame->graph->edges[e].role != MAAS_ROLE_NODE)
            continue;
        MaasValue *v = frame->values[e];

        if (!v || v->refs != 1 || v->kind != MAAS_KIND_TENSOR || !v->tensor.buffer || v->tensor.buffer->refs != 1 ||
            v->tensor.rank != out->rank || maas_type_size(v->tensor.type) != maas_type_size(out->type) ||
            memcmp(v->tensor.dims, out->dims, sizeof *out->dims * (size_t)out->rank) != 0)
            continue;
        return v;
    }
    return NULL;
}

/* Makes the outputs that infer describes. */
static MaasStatus make_outputs(MaasRun *run, const MaasFrame *frame, const MaasNode *node, int k, bool half,
                               MaasInfo *const *infos, MaasValue **out, MaasError *err)
{
    for (int i = 0; i < node->n_out; i++) {
        if (!infos[i])
            continue;
        if (!maas_info_shape_known(infos[i])) {
            MaasNodeName name = maas_node_name(node);

            return maas_fail(err, MAAS_ERR_INTERNAL,
                             "%s (node \"%.200s\"): the shape of output %d is not known before computing", name.op,
                             name.node, i);
        }
        MaasType type = half && is_half(infos[i]->type) ? MAAS_FLOAT : infos[i]->type;

        if (frame && i == 0 && node->op->flags & MAAS_OP_INPLACE && !half) {
            MaasValue *v = reusable_input(frame, node, k, infos[i]);

            if (v) {
                MAAS_TRY(maas_value_view(run->mem, &v->tensor, v->tensor.rank, v->tensor.dims, &out[i], err));
                out[i]->tensor.type = type;
                continue;
            }
        }
        MAAS_TRY(maas_value_new_tensor(run->mem, type, infos[i]->rank, infos[i]->dims, &out[i], err));
    }
    return MAAS_OK;
}

typedef struct NodeWork {
    MaasValue **in, **out;
    MaasInfo *in_info, *out_info;
    const MaasInfo **in_ptr;
    MaasInfo **out_ptr;
} NodeWork;

/* Infers with what is at hand: all shapes, all contents. */
static MaasStatus infer_now(MaasRun *run, const MaasNode *node, NodeWork *w, MaasError *err)
{
    MaasInferScope scope = {.arena = &run->infer, .stop = run->stop};

    for (int i = 0; i < node->n_in; i++)
        if (w->in[i]) {
            maas_info_of_value(w->in[i], &w->in_info[i]);
            w->in_ptr[i] = &w->in_info[i];
        }
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE)
            w->out_ptr[i] = &w->out_info[i];
    return maas_infer_node(&scope, node, w->in_ptr, w->out_ptr, err);
}

/* Makes a state for one call; the caller frees c->state. */
static MaasStatus make_state(MaasRun *run, MaasCtx *c, const MaasInfo *infos)
{
    MaasType *types = maas_alloc_array(run->mem, (size_t)c->n_in, sizeof *types, c->err);
    MaasStatus status;

    if (!types)
        return c->err->status;
    for (int i = 0; i < c->n_in; i++)
        types[i] = infos[i].type;
    c->in_types = types;
    status = c->node->op->prepare(c);
    c->in_types = NULL;
    maas_free(run->mem, types);
    put_scratch_back(run);
    if (status != MAAS_OK) {
        maas_free(run->mem, c->state);
        c->state = NULL;
    }
    return status;
}

/* Computes w->out from w->in.  frame may be NULL (folding): then no memory is taken over. */
static MaasStatus exec_node(MaasRun *run, MaasFrame *frame, const MaasNode *node, int k, NodeWork *w,
                            MaasError *err)
{
    MaasCtx c = {.node = node,
                 .attr = node->attrs,
                 .n_in = node->n_in,
                 .n_out = node->n_out,
                 .in = w->in,
                 .out = w->out,
                 .state = node->state,
                 .state_bytes = node->state_bytes,
                 .run = run,
                 .err = err};

    if (!maas_node_has_graph(node))
        MAAS_TRY(infer_now(run, node, w, err));
    if (node->op->flags & MAAS_OP_VIEW && w->in[0]->kind == MAAS_KIND_TENSOR)
        return maas_value_view(run->mem, &w->in[0]->tensor, w->out_ptr[0]->rank, w->out_ptr[0]->dims, &w->out[0],
                               err);
    bool half = node->op->flags & MAAS_OP_HALF_VIA_F32 && any_half(&c, w->out_ptr);

    if (!(node->op->flags & (MAAS_OP_DYNAMIC | MAAS_OP_VIEW))) /* a view of what is no tensor: compute shares it */
        MAAS_TRY(make_outputs(run, frame, node, k, half, w->out_ptr, w->out, err));
    run->frame = frame;
    bool unprepared = node->op->flags & MAAS_OP_STATE && !node->state;

    if (unprepared)
        MAAS_TRY(make_state(run, &c, w->in_info));
    MaasStatus status = half ? compute_half(run, &c, w->out_ptr) : maas_exec_compute(run, &c);

    if (unprepared)
        maas_free(run->mem, c.state);
    MAAS_TRY(status);
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && !w->out[i])
            return maas_node_fail(&c, MAAS_ERR_INTERNAL, "output %d was not made", i);
    return MAAS_OK;
}

/* One zeroed block for all of w; NULL on failure. */
static void *make_work(MaasRun *run, const MaasNode *node, NodeWork *w, MaasError *err)
{
    size_t n_in = (size_t)node->n_in, n_out = (size_t)node->n_out;
    void *block = maas_zalloc(run->mem, (n_in + n_out) * (sizeof(MaasInfo) + 2 * sizeof(void *)), err);

    w->in_info = block;
    if (!block)
        return NULL;
    w->out_info = w->in_info + n_in;
    w->in = (MaasValue **)(w->out_info + n_out);
    w->out = w->in + n_in;
    w->in_ptr = (const MaasInfo **)(w->out + n_out);
    w->out_ptr = (MaasInfo **)(w->in_ptr + n_in);
    return block;
}

static void free_work(MaasRun *run, void *block)
{
    if (run->infer.chunks)
        maas_arena_free(&run->infer);
    maas_free(run->mem, block);
}

MaasStatus maas_exec_values(MaasRun *run, const MaasNode *node, MaasValue *const *in, MaasValue **out,
                            MaasError *err)
{
    NodeWork w;
    void *block = make_work(run, node, &w, err);

    if (!block)
        return err->status;
    for (int i = 0; i < node->n_in; i++)
        w.in[i] = in[i];
    MaasStatus status = exec_node(run, NULL, node, -1, &w, err);

    for (int i = 0; i < node->n_out; i++) {
        out[i] = w.out[i];
        if (status != MAAS_OK) {
            maas_value_unref(out[i]);
            out[i] = NULL;
        }
    }
    free_work(run, block);
    return status;
}

MaasStatus maas_exec_prepare(MaasRun *run, MaasNode *node, MaasValue *const *constants, const MaasType *types,
                             MaasError *err)
{
    MaasCtx c = {.node = node,
                 .attr = node->attrs,
                 .n_in = node->n_in,
                 .in = constants,
                 .in_types = types,
                 .run = run,
                 .err = err};
    MaasStatus status = node->op->flags & MAAS_OP_HALF_VIA_F32 && any_half(&c, NULL)
                            ? with_wide_inputs(run, &c, node->op->prepare)
                            : node->op->prepare(&c);

    put_scratch_back(run);
    node->state = c.state;
    node->state_bytes = c.state_bytes;
    node->forgets = c.forgets;
    return status;
}

MaasStatus maas_exec_node(MaasRun *run, MaasFrame *frame, int k, MaasError *err)
{
    const MaasNode *node = &frame->graph->nodes[k];
    const int *last_use = frame->graph->last_use;
    NodeWork w;
    void *block = make_work(run, node, &w, err);

    if (!block)
        return err->status;
    for (int i = 0; i < node->n_in; i++)
        w.in[i] = node->in[i] == MAAS_NO_VALUE ? NULL : frame->values[node->in[i]];
    MaasStatus status = exec_node(run, frame, node, k, &w, err);

    for (int i = 0; i < node->n_out; i++) {
        if (status != MAAS_OK || node->out[i] == MAAS_NO_VALUE || last_use[node->out[i]] < k)
            maas_value_unref(w.out[i]);
        else
            frame->values[node->out[i]] = w.out[i];
    }
    free_work(run, block);
    return status;
}

/* Frees the inputs of node k that nobody reads later. */
static void release_inputs(MaasFrame *frame, int k)
{
    const MaasNode *node = &frame->graph->nodes[k];

    for (int i = 0; i < node->n_in; i++) {
        int e = node->in[i];

        if (e != MAAS_NO_VALUE && frame->graph->last_use[e] == k && holds_reference(&frame->graph->edges[e])) {
            maas_value_unref(frame->values[e]);
            frame->values[e] = NULL;
        }
    }
}

MaasStatus maas_call_graph(MaasCtx *c, const MaasGraph *graph, int n, MaasValue *const *in, MaasValue **out)
{
    MaasRun *run = c->run;
    MaasFrame *parent = run->frame, frame = {0};
    MaasScratch *busy = run->busy; /* the caller's: its compute is not over */
    MaasStatus status;

    for (int i = 0; i < graph->n_outputs; i++)
        out[i] = NULL;
    if (n != graph->n_inputs)
        return maas_node_fail(c, MAAS_ERR_INTERNAL, "subgraph called with %d inputs, it has %d", n,
                              graph->n_inputs);
    if (run->depth >= MAAS_MAX_GRAPH_DEPTH)
        return maas_node_fail(c, MAAS_ERR_LIMIT, "subgraphs are nested deeper than %d", MAAS_MAX_GRAPH_DEPTH);
    run->busy = NULL;
    run->depth++;
    status = maas_frame_open(run, graph, parent, in, &frame, c->err);
    for (int k = 0; k < graph->n_nodes && status == MAAS_OK; k++) {
        if (maas_stop(c))
            status = maas_stopped(c);
        else
            status = maas_exec_node(run, &frame, k, c->err);
        if (status == MAAS_OK)
            release_inputs(&frame, k);
    }
    for (int i = 0; i < graph->n_outputs && status == MAAS_OK; i++) {
        MaasValue *value = frame.values[graph->outputs[i]];

        if (!value)
            status = maas_node_fail(c, MAAS_ERR_INTERNAL, "output %d of subgraph \"%.100s\" has no value", i,
                                    graph->name);
        else
            out[i] = maas_value_ref(value);
    }
    if (status != MAAS_OK)
        for (int i = 0; i < graph->n_outputs; i++) {
            maas_value_unref(out[i]);
            out[i] = NULL;
        }
    maas_frame_close(run, &frame);
    run->depth--;
    run->frame = parent;
    run->busy = busy;
    return status;
}
