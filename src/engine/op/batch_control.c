/*
 * batch_control.c - the batch axis of If, Loop and Scan: their bodies are followed like the graph around them.
 */
#include <string.h>

#include "batch.h"

/* Places for what is known of a body's outputs; false when there is no memory. */
static bool make_places(MaasBatchCtx *c, int n, const MaasInfo ***infos, const MaasBatch ***batches)
{
    *infos = maas_arena_array(c->arena, (size_t)n + 1, sizeof **infos, c->err);
    *batches = maas_arena_array(c->arena, (size_t)n + 1, sizeof **batches, c->err);
    if (*infos && *batches)
        return true;
    c->status = c->err->status;
    return false;
}

static void set_like(MaasBatchCtx *c, int o, const MaasInfo *info, const MaasBatch *batch)
{
    if (o >= c->n_out || !c->result[o])
        return;
    *c->result[o] = (MaasBatch){
        .kind = batch->kind, .axis = batch->axis, .outer = batch->outer, .inner = batch->inner, .pad = batch->pad};
    *c->out[o] = *info;
    c->out[o]->value = NULL;
}

const char *maas_batch_if(MaasBatchCtx *c)
{
    const MaasAttr *branches[2] = {maas_batch_attr(c, "else_branch"), maas_batch_attr(c, "then_branch")};
    const MaasInfo **infos[2];
    const MaasBatch **batches[2];

    if (!maas_batch_free(c, 0))
        return "its condition depends on the batch";
    for (int k = 0; k < 2; k++) {
        const char *mixed;

        if (!make_places(c, c->n_out, &infos[k], &batches[k]))
            return "";
        mixed = maas_batch_graph(c, branches[k]->graph, 0, NULL, NULL, infos[k], batches[k]);
        if (mixed)
            return mixed;
    }
    for (int o = 0; o < c->n_out; o++) {
        const MaasBatch *a = batches[0][o], *b = batches[1][o];

        if (!c->result[o])
            continue;
        if (a->kind == MAAS_BATCH_MIXED || b->kind == MAAS_BATCH_MIXED)
            *c->result[o] = a->kind == MAAS_BATCH_MIXED ? *a : *b;
        else if (a->kind == b->kind && infos[0][o]->rank == infos[1][o]->rank &&
                 (a->kind == MAAS_BATCH_FREE ||
                  (a->kind == MAAS_BATCH_ROWS && maas_batch_same(a, b) && !a->pad && !b->pad))) {
            *c->result[o] = (MaasBatch){.kind = a->kind, .axis = a->axis, .outer = a->outer, .inner = a->inner};
            if (a->kind == MAAS_BATCH_ROWS)
                maas_batch_set_rows(c, o, a->axis, a);
        } else
            c->result[o]->reason = "its branches do not have the rows on the same axis";
    }
    return NULL;
}

static bool same_shape(const MaasInfo *a, const MaasInfo *b)
{
    if (a->kind != MAAS_KIND_TENSOR || b->kind != MAAS_KIND_TENSOR || a->rank < 0 || a->rank != b->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->dims[d] != b->dims[d] || a->dims[d] == MAAS_DIM_ANY)
            return false;
    return true;
}

/*
 * Follows a body from the state's first values.  It is enough to do so once when every state comes out as it went
 * in: with the same shape, and the rows on the same axis.  A state without rows may change its shape.
 */
static const char *iterate(MaasBatchCtx *c, const MaasGraph *body, int n_in, MaasInfo *in, const MaasBatch *batch,
                           int first_in, int n_state, int first_out, const MaasInfo **out, const MaasBatch **result)
{
    const char *mixed;

    for (int i = 0; i < n_state; i++)
        if (batch[first_in + i].kind == MAAS_BATCH_FREE) /* of any size after some iterations */
            for (int d = 0; d < in[first_in + i].rank; d++)
                in[first_in + i].dims[d] = maas_size_new(c);
    mixed = maas_batch_graph(c, body, n_in, in, batch, out, result);
    if (mixed)
        return mixed;
    for (int i = 0; i < n_state; i++) {
        const MaasBatch *before = &batch[first_in + i], *after = result[first_out + i];

        if (after->kind == MAAS_BATCH_MIXED)
            return after->reason;
        if (before->kind != after->kind)
            return "what it carries from one iteration to the next comes to depend on the rows";
        if (before->kind == MAAS_BATCH_FREE && in[first_in + i].rank == out[first_out + i]->rank)
            continue;
        if (before->kind != MAAS_BATCH_ROWS || !maas_batch_same(before, after) || after->pad ||
            !same_shape(&in[first_in + i], out[first_out + i]))
            return "what it carries from one iteration to the next changes its shape";
    }
    return NULL;
}

/* A body's output collected along a new axis over iterations that have nothing to do with the rows. */
static void stack(MaasBatchCtx *c, int o, int64_t axis, const MaasBatch *batch)
{
    MaasBatch *r = o < c->n_out ? c->result[o] : NULL;

    if (!r)
        return;
    if (batch->kind == MAAS_BATCH_FREE)
        *r = (MaasBatch){.kind = MAAS_BATCH_FREE};
    else if (batch->kind == MAAS_BATCH_ROWS && !batch->pad && c->out[o]->rank > 0) {
        int at = maas_axis(axis, c->out[o]->rank);

        maas_batch_set_rows(c, o, batch->axis + (at <= batch->axis), batch);
    } else if (batch->kind == MAAS_BATCH_MIXED)
        *r = *batch;
    else
        r->reason = "it collects what depends on the batch";
}

const char *maas_batch_loop(MaasBatchCtx *c)
{
    const MaasGraph *body = maas_batch_attr(c, "body")->graph;
    int n_state = c->n_in > 2 ? c->n_in - 2 : 0, n_in = 2 + n_state, n_out = maas_graph_n_outputs(body);
    MaasInfo *in = maas_arena_array(c->arena, (size_t)n_in, sizeof *in, c->err);
    MaasBatch *batch = maas_arena_array(c->arena, (size_t)n_in, sizeof *batch, c->err);
    const MaasInfo **infos;
    const MaasBatch **batches;
    const char *mixed;

    if (!in || !batch || !make_places(c, n_out, &infos, &batches)) {
        c->status = c->err->status;
        return "";
    }
    if (!maas_batch_free(c, 0) || !maas_batch_free(c, 1))
        return "how often it runs depends on the batch";
    in[0] = (MaasInfo){.kind = MAAS_KIND_TENSOR, .type = MAAS_INT64};
    in[1] = (MaasInfo){.kind = MAAS_KIND_TENSOR, .type = MAAS_BOOL};
    for (int i = 0; i < n_state; i++) {
        in[2 + i] = *c->in[2 + i];
        in[2 + i].value = NULL;
        batch[2 + i] = *c->batch[2 + i];
        batch[2 + i].n_sizes = 0;
        if (batch[2 + i].kind != MAAS_BATCH_FREE && (batch[2 + i].kind != MAAS_BATCH_ROWS || batch[2 + i].pad))
            return "it computes with the number of rows";
    }
    mixed = iterate(c, body, n_in, in, batch, 2, n_state, 1, infos, batches);
    if (mixed)
        return mixed;
    if (batches[0]->kind != MAAS_BATCH_FREE)
        return "when it ends depends on the batch";
    for (int o = 0; o < c->n_out; o++)
        if (o < n_state && batch[2 + o].kind == MAAS_BATCH_FREE) {
            if (c->result[o])
                *c->result[o] = (MaasBatch){.kind = MAAS_BATCH_FREE};
        } else if (o < n_state)
            set_like(c, o, &in[2 + o], &batch[2 + o]);
        else
            stack(c, o, 0, batches[1 + o]);
    return NULL;
}

/* Takes an axis out of what is known of a tensor. */
static void drop_axis(MaasInfo *info, MaasBatch *batch, int axis)
{
    info->rank--;
    memmove(info->dims + axis, info->dims + axis + 1, (size_t)(info->rank - axis) * sizeof *info->dims);
    if (batch->kind == MAAS_BATCH_ROWS && batch->axis > axis)
        batch->axis--;
}

static int64_t listed(const MaasAttr *list, int k)
{
    return k < list->n ? list->ints[k] : 0;
}

const char *maas_batch_scan(MaasBatchCtx *c)
{
    const MaasGraph *body = maas_batch_attr(c, "body")->graph;
    const MaasAttr *in_axes = maas_batch_attr(c, "scan_input_axes"),
                   *out_axes = maas_batch_attr(c, "scan_output_axes"),
                   *in_ways = maas_batch_attr(c, "scan_input_directions"),
                   *out_ways = maas_batch_attr(c, "scan_output_directions");
    int n_scan = (int)maas_batch_attr(c, "num_scan_inputs")->i, n_state = c->n_in - n_scan,
        n_out = maas_graph_n_outputs(body), over_rows = 0;
    MaasInfo *in = maas_arena_array(c->arena, (size_t)c->n_in + 1, sizeof *in, c->err);
    MaasBatch *batch = maas_arena_array(c->arena, (size_t)c->n_in + 1, sizeof *batch, c->err);
    const MaasInfo **infos;
    const MaasBatch **batches;
    const char *mixed;

    if (!in || !batch || !make_places(c, n_out, &infos, &batches)) {
        c->status = c->err->status;
        return "";
    }
    if (maas_batch_attr(c, "batched")->i != 0)
        return "it is of the old form with an axis of its own for batches";
    for (int i = 0; i < c->n_in; i++) {
        in[i] = *c->in[i];
        in[i].value = NULL;
        batch[i] = *c->batch[i];
        batch[i].n_sizes = 0;
        if (batch[i].kind != MAAS_BATCH_FREE && (batch[i].kind != MAAS_BATCH_ROWS || batch[i].pad))
            return "it computes with the number of rows";
        if (i < n_state)
            continue;
        if (in[i].rank < 1)
            return "the rank of an input is not known";
        int axis = maas_axis(listed(in_axes, i - n_state), in[i].rank);

        if (batch[i].kind == MAAS_BATCH_ROWS && batch[i].axis == axis) {
            if (batch[i].outer != 1 || batch[i].inner != 1 || listed(in_ways, i - n_state) != 0)
                return "it does not run over the rows one by one";
            over_rows++;
            batch[i] = (MaasBatch){.kind = MAAS_BATCH_ONE};
        }
        drop_axis(&in[i], &batch[i], axis);
    }
    if (over_rows > 0 && over_rows < n_scan)
        return "it runs over the rows and over something else";
    mixed = iterate(c, body, c->n_in, in, batch, 0, n_state, 0, infos, batches);
    if (mixed)
        return mixed;
    for (int o = 0; o < c->n_out; o++) {
        if (!c->result[o])
            continue;
        if (o < n_state) {
            if (batch[o].kind == MAAS_BATCH_FREE)
                *c->result[o] = (MaasBatch){.kind = MAAS_BATCH_FREE};
            else
                set_like(c, o, &in[o], &batch[o]);
            continue;
        }
        int64_t axis = listed(out_axes, o - n_state);
        const MaasBatch *b = batches[o];

        if (over_rows == 0) {
            stack(c, o, axis, b);
            continue;
        }
        if (b->kind == MAAS_BATCH_MIXED)
            *c->result[o] = *b;
        else if ((b->kind != MAAS_BATCH_ONE && b->kind != MAAS_BATCH_FREE) || listed(out_ways, o - n_state) != 0 ||
                 c->out[o]->rank < 1)
            c->result[o]->reason = "it does not collect row by row";
        else
            maas_batch_set_rows(c, o, maas_axis(axis, c->out[o]->rank), &(MaasBatch){.outer = 1, .inner = 1});
    }
    return NULL;
}
