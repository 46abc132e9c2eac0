/*
 * control.c - If and Loop.
 *
 * The subgraphs are run by the executor, which also gives them the values they capture.  A loop holds references
 * to its state and to every scan output until it ends; all of it counts against the run's memory limit, and each
 * iteration polls the stop flag.
 */
#include <string.h>

#include "batch.h"
#include "dims.h"
#include "loop.h"
#include "stack.h"

/* ---- If ---- */

enum { IF_ELSE, IF_THEN };

static MaasStatus infer_if(MaasInferCtx *c)
{
    int n = c->n_out;
    const MaasInfo **outs[2];
    const MaasTensor *cond = maas_known(c, 0);

    MAAS_TRY(maas_infer_scalar(c, 0));
    for (int b = 0; b < 2; b++) {
        const MaasGraph *graph = c->attr[b].graph;

        if (maas_graph_n_outputs(graph) != n)
            return maas_infer_fail(c, MAAS_ERR_FORMAT, "%s gives %d outputs, the node has %d", c->attr[b].name,
                                   maas_graph_n_outputs(graph), n);
        outs[b] = maas_infer_alloc(c, (size_t)n * sizeof *outs[b]);
        if (!outs[b])
            return c->err->status;
        MAAS_TRY(maas_infer_graph(c, graph, 0, NULL, outs[b]));
    }
    for (int i = 0; i < n; i++) {
        bool changed;
        MaasInfo info = *outs[IF_THEN][i];

        MAAS_TRY(maas_infer_merge(c, "the branches", &info, outs[IF_ELSE][i], &changed));
        if (cond)
            info = *outs[MAAS_U8(cond)[0] ? IF_THEN : IF_ELSE][i];
        info.value = NULL;
        if (c->out[i])
            *c->out[i] = info;
    }
    return MAAS_OK;
}

static MaasStatus compute_if(MaasCtx *c)
{
    const MaasTensor *cond = maas_in(c, 0);
    MaasValue **out = maas_scratch(c, (size_t)c->n_out, sizeof *out);

    if (!out)
        return c->err->status;
    if (cond->count != 1)
        return maas_node_fail(c, MAAS_ERR_SHAPE, "the condition must hold one element, got %lld",
                              (long long)cond->count);
    MAAS_TRY(maas_call_graph(c, c->attr[MAAS_U8(cond)[0] ? IF_THEN : IF_ELSE].graph, 0, NULL, out));
    for (int i = 0; i < c->n_out; i++)
        maas_out_take(c, i, out[i]);
    return MAAS_OK;
}

const MaasOp maas_op_if = {
    .name = "If",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"cond", MAAS_T_BOOL, 0, 0}},
    .out = {{"outputs", MAAS_T_VALUE, 0, MAAS_VARIADIC | MAAS_MIXED}},
    .attrs = {[IF_ELSE] = {"else_branch", MAAS_ATTR_GRAPH, .required = true},
              [IF_THEN] = {"then_branch", MAAS_ATTR_GRAPH, .required = true}},
    .infer = infer_if,
    .compute = compute_if,
    .batch = maas_batch_if,
};

/* ---- Loop ---- */

enum { LOOP_TRIPS, LOOP_COND, LOOP_STATE };

MaasStatus maas_infer_states(MaasInferCtx *c, const MaasGraph *body, int n_body_in, MaasInfo *in, int first_in,
                             int n_state, int first_out, const MaasInfo **outs)
{
    const MaasInfo **args = maas_infer_alloc(c, (size_t)(n_body_in + 1) * sizeof *args);
    bool changed = true;

    if (!args)
        return c->err->status;
    for (int i = 0; i < n_body_in; i++)
        args[i] = &in[i];
    for (int round = 0; changed; round++) {
        MAAS_TRY(maas_infer_graph(c, body, n_body_in, args, outs));
        changed = false;
        for (int i = 0; i < n_state; i++) {
            bool grown = false;

            MAAS_TRY(maas_infer_merge(c, "a loop's state before and after an iteration", &in[first_in + i],
                                      outs[first_out + i], &grown));
            if (grown && round >= 3 && in[first_in + i].kind == MAAS_KIND_TENSOR)
                in[first_in + i].rank = -1;
            changed = changed || grown;
        }
        changed = changed && round < 6;
    }
    return MAAS_OK;
}

static MaasStatus infer_loop(MaasInferCtx *c)
{
    const MaasGraph *body = c->attr[0].graph;
    int n_state = c->n_in > LOOP_STATE ? c->n_in - LOOP_STATE : 0, n_in = 2 + n_state,
        n_out = maas_graph_n_outputs(body);
    const MaasInfo **outs = maas_infer_alloc(c, (size_t)(n_out + 1) * sizeof *outs);
    MaasInfo *in = maas_infer_alloc(c, (size_t)n_in * sizeof *in);

    if (!outs || !in)
        return c->err->status;
    MAAS_TRY(maas_infer_scalar(c, LOOP_TRIPS));
    MAAS_TRY(maas_infer_scalar(c, LOOP_COND));
    if (n_out < 1 + n_state)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "the body gives %d outputs, at least %d are expected", n_out,
                               1 + n_state);
    if (c->n_out > n_out - 1)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "the node has %d outputs, the body provides %d", c->n_out,
                               n_out - 1);
    in[0] = (MaasInfo){.kind = MAAS_KIND_TENSOR, .type = MAAS_INT64};
    in[1] =
        maas_present(c, LOOP_COND) ? *c->in[LOOP_COND] : (MaasInfo){.kind = MAAS_KIND_TENSOR, .type = MAAS_BOOL};
    in[1].value = NULL;
    for (int i = 0; i < n_state; i++) {
        if (!maas_present(c, LOOP_STATE + i))
            return maas_infer_fail(c, MAAS_ERR_FORMAT, "state %d has no initial value", i);
        in[2 + i] = *c->in[LOOP_STATE + i];
        in[2 + i].value = NULL;
    }
    MAAS_TRY(maas_infer_states(c, body, n_in, in, 1, 1 + n_state, 0, outs));
    if (outs[0]->kind == MAAS_KIND_TENSOR && outs[0]->type != MAAS_UNDEFINED && outs[0]->type != MAAS_BOOL)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "the body's condition is %s, expected bool",
                               maas_type_name(outs[0]->type));
    for (int i = 0; i < n_state && i < c->n_out; i++)
        if (c->out[i]) /* an optional state may be replaced by what it can hold */
            *c->out[i] = outs[1 + i]->kind == in[2 + i].kind ? in[2 + i] : *outs[1 + i];
    for (int i = n_state; i < c->n_out; i++)
        MAAS_TRY(maas_infer_stacked(c, i, outs[1 + i], 0, MAAS_DIM_ANY));
    return MAAS_OK;
}

MaasStatus maas_infer_stacked(MaasInferCtx *c, int i, const MaasInfo *elem, int64_t axis, int64_t n)
{
    int64_t dims[MAAS_MAX_RANK];
    int at, rank = elem->rank + 1;

    if (elem->kind != MAAS_KIND_TENSOR && elem->kind != MAAS_KIND_UNKNOWN)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "scan output %d of the body is not a tensor", i);
    if (elem->kind == MAAS_KIND_UNKNOWN || elem->rank < 0)
        return maas_infer_out(c, i, elem->type, -1, NULL);
    MAAS_TRY(maas_infer_rank(c, rank));
    MAAS_TRY(maas_infer_axis(c, axis, rank, &at));
    for (int d = 0; d < rank; d++)
        dims[d] = d < at ? elem->dims[d] : d == at ? n : elem->dims[d - 1];
    return maas_infer_out(c, i, elem->type, rank, dims);
}

typedef struct LoopRun {
    const MaasGraph *body;
    int n_state, n_scan;
    MaasValue **args;    /* iteration, condition, state; references */
    MaasValue **results; /* of one iteration */
    MaasList *scans;
} LoopRun;

static MaasStatus new_scalar(MaasCtx *c, MaasType type, int64_t number, MaasValue **out)
{
    MAAS_TRY(maas_value_new_tensor(maas_run_mem(c), type, 0, NULL, out, c->err));
    if (type == MAAS_INT64)
        MAAS_I64(&(*out)->tensor)[0] = number;
    else
        MAAS_U8(&(*out)->tensor)[0] = (uint8_t)number;
    return MAAS_OK;
}

/* One iteration: args become the next ones. */
static MaasStatus iterate(MaasCtx *c, LoopRun *l, int64_t trip)
{
    MAAS_TRY(new_scalar(c, MAAS_INT64, trip, &l->args[0]));
    MaasStatus status = maas_call_graph(c, l->body, 2 + l->n_state, l->args, l->results);

    maas_value_unref(l->args[0]);
    l->args[0] = NULL;
    if (status != MAAS_OK)
        return status;
    for (int i = 0; i < 1 + l->n_state; i++) {
        maas_value_unref(l->args[1 + i]);
        l->args[1 + i] = l->results[i];
    }
    for (int i = 0; i < l->n_scan; i++) {
        MaasValue *value = l->results[1 + l->n_state + i];

        if (status == MAAS_OK && maas_has_out(c, l->n_state + i))
            status = maas_list_push(&l->scans[i], value, c->err);
        else
            maas_value_unref(value);
    }
    if (status == MAAS_OK && (l->args[1]->kind != MAAS_KIND_TENSOR || l->args[1]->tensor.type != MAAS_BOOL ||
                              l->args[1]->tensor.count != 1))
        return maas_node_fail(c, MAAS_ERR_SHAPE, "the body's condition is not one bool");
    return status;
}

static MaasStatus run_loop(MaasCtx *c, LoopRun *l, int64_t trips)
{
    for (int64_t trip = 0; trip < trips && MAAS_U8(&l->args[1]->tensor)[0]; trip++) {
        if (maas_stop(c))
            return maas_stopped(c);
        MAAS_TRY(iterate(c, l, trip));
    }
    for (int i = 0; i < l->n_state; i++)
        if (maas_has_out(c, i))
            maas_out_take(c, i, maas_value_ref(l->args[2 + i]));
    for (int i = 0; i < l->n_scan; i++)
        MAAS_TRY(maas_stack_out(c, l->n_state + i, &l->scans[i], 0, false,
                                maas_graph_output_info(l->body, 1 + l->n_state + i)));
    return MAAS_OK;
}

static MaasStatus compute_loop(MaasCtx *c)
{
    const MaasTensor *trips = maas_in(c, LOOP_TRIPS);
    LoopRun l = {.body = c->attr[0].graph, .n_state = c->n_in > LOOP_STATE ? c->n_in - LOOP_STATE : 0};
    size_t n_results;
    MaasStatus status = MAAS_OK;

    n_results = (size_t)maas_graph_n_outputs(l.body);
    l.n_scan = (int)n_results - 1 - l.n_state;
    l.args = maas_scratch(c, (size_t)(2 + l.n_state), sizeof *l.args);
    l.results = maas_scratch(c, n_results, sizeof *l.results);
    l.scans = maas_scratch(c, (size_t)l.n_scan, sizeof *l.scans);
    if (!l.args || !l.results || !l.scans)
        return c->err->status;
    for (int i = 0; i < l.n_scan; i++)
        l.scans[i] = (MaasList){.mem = maas_run_mem(c)};
    l.args[0] = NULL;
    l.args[1] = NULL;
    for (int i = 0; i < l.n_state; i++)
        l.args[2 + i] = maas_value_ref(c->in[LOOP_STATE + i]);
    if ((trips && trips->count != 1) || (maas_in(c, LOOP_COND) && maas_in(c, LOOP_COND)->count != 1))
        status = maas_node_fail(c, MAAS_ERR_SHAPE, "trip count and condition must hold one element each");
    else if (maas_in(c, LOOP_COND))
        l.args[1] = maas_value_ref(c->in[LOOP_COND]);
    else
        status = new_scalar(c, MAAS_BOOL, 1, &l.args[1]);
    if (status == MAAS_OK)
        status = run_loop(c, &l, trips ? MAAS_I64(trips)[0] : INT64_MAX);
    for (int i = 0; i < 2 + l.n_state; i++)
        maas_value_unref(l.args[i]);
    for (int i = 0; i < l.n_scan; i++)
        maas_list_free(&l.scans[i]);
    return status;
}

const MaasOp maas_op_loop = {
    .name = "Loop",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"M", MAAS_T_I64, 0, MAAS_OPTIONAL},
           {"cond", MAAS_T_BOOL, 0, MAAS_OPTIONAL},
           {"v_initial", MAAS_T_VALUE, 0, MAAS_OPTIONAL | MAAS_VARIADIC | MAAS_MIXED}},
    .out = {{"v_final_and_scan_outputs", MAAS_T_VALUE, 0, MAAS_VARIADIC | MAAS_MIXED}},
    .attrs = {{"body", MAAS_ATTR_GRAPH, .required = true}},
    .infer = infer_loop,
    .compute = compute_loop,
    .batch = maas_batch_loop,
};
