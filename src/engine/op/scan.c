/*
 * scan.c - Scan: a body run over slices of its inputs.
 *
 * The form of opset 8 has a batch axis in front of everything and an optional vector of sequence lengths; adapt
 * marks it with the attribute `batched`: 1 without, 2 with lengths (then they are input 0).  It runs one batch
 * element after the other; steps beyond a length leave zeros.
 */
#include <string.h>

#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "loop.h"
#include "stack.h"

enum { SCAN_BODY, SCAN_INPUTS, SCAN_IN_AXES, SCAN_IN_DIRS, SCAN_OUT_AXES, SCAN_OUT_DIRS, SCAN_BATCHED };

static MaasStatus adapt_scan(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    bool lengths = maas_adapt_has_input(node, 0);

    if (version > 8)
        return MAAS_OK;
    if (!lengths)
        maas_adapt_drop_input(node, 0);
    maas_adapt_rename_attr(node, "directions", "scan_input_directions");
    return maas_adapt_set_int(graph, node, "batched", lengths ? 2 : 1, err);
}

/* How the node's inputs and outputs divide. */
typedef struct ScanForm {
    const MaasGraph *body;
    bool batched;
    int first; /* 1 when input 0 holds lengths */
    int n_state, n_scan_in, n_scan_out;
} ScanForm;

static ScanForm form_of(const MaasAttr *attr, int n_in)
{
    ScanForm f = {.body = attr[SCAN_BODY].graph, .batched = attr[SCAN_BATCHED].i != 0};

    f.first = attr[SCAN_BATCHED].i == 2;
    f.n_scan_in = (int)attr[SCAN_INPUTS].i;
    f.n_state = n_in - f.first - f.n_scan_in;
    f.n_scan_out = maas_graph_n_outputs(f.body) - f.n_state;
    return f;
}

static int64_t listed(const MaasAttr *list, int k)
{
    return k < list->n ? list->ints[k] : 0;
}

/* Checks the lists of axes and directions. */
static MaasStatus check_lists(const MaasInferCtx *c, const ScanForm *f)
{
    static const int lists[] = {SCAN_IN_AXES, SCAN_IN_DIRS, SCAN_OUT_AXES, SCAN_OUT_DIRS};

    for (int k = 0; k < 4; k++) {
        const MaasAttr *list = &c->attr[lists[k]];
        int want = k < 2 ? f->n_scan_in : f->n_scan_out;

        if (list->n > 0 && list->n != want)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "attribute %s has %lld entries, expected %d", list->name,
                                   (long long)list->n, want);
        for (int64_t i = 0; k % 2 == 1 && i < list->n; i++)
            if (list->ints[i] != 0 && list->ints[i] != 1)
                return maas_infer_fail(c, MAAS_ERR_VALUE, "attribute %s holds %lld, expected 0 or 1", list->name,
                                       (long long)list->ints[i]);
    }
    return MAAS_OK;
}

/* Drops an axis of a tensor's info; *size gets its size. */
static MaasStatus drop_axis(const MaasInferCtx *c, MaasInfo *info, int64_t axis, int64_t *size)
{
    int at;

    *size = MAAS_DIM_ANY;
    if (info->kind == MAAS_KIND_UNKNOWN || info->rank < 0)
        return MAAS_OK;
    MAAS_TRY(maas_infer_axis(c, axis, info->rank, &at));
    *size = info->dims[at];
    info->rank--;
    for (int i = at; i < info->rank; i++)
        info->dims[i] = info->dims[i + 1];
    return MAAS_OK;
}

/* Fills in[] with what the body gets; *length and *batch get the sizes of the scanned and the batch axis. */
static MaasStatus body_inputs(MaasInferCtx *c, const ScanForm *f, MaasInfo *in, int64_t *length, int64_t *batch)
{
    *length = *batch = MAAS_DIM_ANY;
    for (int i = 0; i < f->n_state + f->n_scan_in; i++) {
        bool state = i < f->n_state;
        int64_t size;

        if (!maas_present(c, f->first + i))
            return maas_infer_fail(c, MAAS_ERR_FORMAT, "input %d is missing", f->first + i);
        in[i] = *c->in[f->first + i];
        in[i].value = NULL;
        if (in[i].kind != MAAS_KIND_TENSOR && in[i].kind != MAAS_KIND_UNKNOWN && (!state || f->batched))
            return maas_infer_fail(c, MAAS_ERR_TYPE, "input %d must be a tensor", f->first + i);
        if (f->batched) {
            MAAS_TRY(drop_axis(c, &in[i], 0, &size));
            MAAS_TRY(maas_infer_equal(c, "the batch size", *batch, size));
            *batch = *batch < 0 ? size : *batch;
        }
        if (state)
            continue;
        MAAS_TRY(drop_axis(c, &in[i], f->batched ? 0 : listed(&c->attr[SCAN_IN_AXES], i - f->n_state), &size));
        MAAS_TRY(maas_infer_equal(c, "the length of the scanned inputs", *length, size));
        *length = *length < 0 ? size : *length;
    }
    return MAAS_OK;
}

static MaasStatus infer_scan(MaasInferCtx *c)
{
    ScanForm f;
    const MaasInfo **outs;
    MaasInfo *in;
    int64_t length, batch, n = c->attr[SCAN_INPUTS].i;

    if (n < 1 || n > c->n_in)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "num_scan_inputs is %lld, the node has %d inputs", (long long)n,
                               c->n_in);
    f = form_of(c->attr, c->n_in);
    if (f.n_state < 0 || f.n_scan_out < 0)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "the body gives %d outputs, the node has %d inputs",
                               maas_graph_n_outputs(f.body), c->n_in);
    if (c->n_out > f.n_state + f.n_scan_out)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "the node has %d outputs, the body %d", c->n_out,
                               f.n_state + f.n_scan_out);
    MAAS_TRY(check_lists(c, &f));
    outs = maas_infer_alloc(c, (size_t)(f.n_state + f.n_scan_out + 1) * sizeof *outs);
    in = maas_infer_alloc(c, (size_t)(f.n_state + f.n_scan_in) * sizeof *in);
    if (!outs || !in)
        return c->err->status;
    MAAS_TRY(body_inputs(c, &f, in, &length, &batch));
    MAAS_TRY(maas_infer_states(c, f.body, f.n_state + f.n_scan_in, in, 0, f.n_state, 0, outs));
    for (int i = 0; i < f.n_state && i < c->n_out; i++) {
        if (f.batched)
            MAAS_TRY(maas_infer_stacked(c, i, &in[i], 0, batch));
        else if (c->out[i])
            *c->out[i] = in[i];
    }
    for (int i = f.n_state; i < c->n_out; i++) {
        MaasInfo elem = *outs[i];

        if (!f.batched) {
            MAAS_TRY(maas_infer_stacked(c, i, &elem, listed(&c->attr[SCAN_OUT_AXES], i - f.n_state), length));
            continue;
        }
        if (elem.rank >= 0) {
            MAAS_TRY(maas_infer_rank(c, elem.rank + 2));
            memmove(elem.dims + 1, elem.dims, (size_t)elem.rank * sizeof *elem.dims);
            elem.dims[0] = length;
            elem.rank++;
        }
        MAAS_TRY(maas_infer_stacked(c, i, &elem, 0, batch));
    }
    return MAAS_OK;
}

typedef struct ScanRun {
    ScanForm form;
    MaasValue **args;    /* state, slices of scan inputs; references */
    MaasValue **results; /* of one iteration */
    MaasList *scans;     /* n_scan_out */
} ScanRun;

/* Runs the body for steps [0, length); batch: the place on the batch axis, or -1. */
static MaasStatus scan_steps(MaasCtx *c, ScanRun *s, int64_t length, int64_t batch)
{
    const ScanForm *f = &s->form;

    for (int64_t step = 0; step < length; step++) {
        MaasStatus status = MAAS_OK;

        if (maas_stop(c))
            return maas_stopped(c);
        for (int i = 0; i < f->n_scan_in && status == MAAS_OK; i++) {
            const MaasTensor *x = maas_in(c, f->first + f->n_state + i);
            int axes[2] = {0, 1};
            int64_t at[2] = {batch, listed(&c->attr[SCAN_IN_DIRS], i) ? length - 1 - step : step};

            if (batch < 0) {
                axes[0] = maas_axis(listed(&c->attr[SCAN_IN_AXES], i), x->rank);
                at[0] = at[1];
            }
            status = maas_take(c, x, batch < 0 ? 1 : 2, axes, at, &s->args[f->n_state + i]);
        }
        if (status == MAAS_OK)
            status = maas_call_graph(c, f->body, f->n_state + f->n_scan_in, s->args, s->results);
        for (int i = 0; i < f->n_scan_in; i++) {
            maas_value_unref(s->args[f->n_state + i]);
            s->args[f->n_state + i] = NULL;
        }
        if (status != MAAS_OK)
            return status;
        for (int i = 0; i < f->n_state; i++) {
            maas_value_unref(s->args[i]);
            s->args[i] = s->results[i];
        }
        for (int i = 0; i < f->n_scan_out; i++) {
            MaasValue *value = s->results[f->n_state + i];

            if (status == MAAS_OK)
                status = maas_list_push(&s->scans[i], value, c->err);
            else
                maas_value_unref(value);
        }
        MAAS_TRY(status);
    }
    return MAAS_OK;
}

/* The size of the scanned axis, the same for all inputs. */
static MaasStatus scan_length(MaasCtx *c, const ScanForm *f, int64_t *length)
{
    *length = -1;
    for (int i = 0; i < f->n_scan_in; i++) {
        const MaasTensor *x = maas_in(c, f->first + f->n_state + i);
        int64_t axis = f->batched ? 1 : listed(&c->attr[SCAN_IN_AXES], i);

        if (axis < -x->rank || axis >= x->rank)
            return maas_node_fail(c, MAAS_ERR_SHAPE, "scanned input %d has rank %d, its axis %lld is scanned", i,
                                  x->rank, (long long)axis);
        axis = maas_axis(axis, x->rank);
        if (*length >= 0 && x->dims[axis] != *length)
            return maas_node_fail(c, MAAS_ERR_SHAPE, "scanned input %d has length %lld, others have %lld", i,
                                  (long long)x->dims[axis], (long long)*length);
        *length = x->dims[axis];
    }
    return MAAS_OK;
}

static MaasStatus scan_plain(MaasCtx *c, ScanRun *s)
{
    const ScanForm *f = &s->form;
    int64_t length;

    MAAS_TRY(scan_length(c, f, &length));
    for (int i = 0; i < f->n_state; i++)
        s->args[i] = maas_value_ref(c->in[i]);
    MAAS_TRY(scan_steps(c, s, length, -1));
    for (int i = 0; i < f->n_state; i++)
        if (maas_has_out(c, i))
            maas_out_take(c, i, maas_value_ref(s->args[i]));
    for (int i = 0; i < f->n_scan_out; i++)
        MAAS_TRY(maas_stack_out(c, f->n_state + i, &s->scans[i], listed(&c->attr[SCAN_OUT_AXES], i),
                                listed(&c->attr[SCAN_OUT_DIRS], i) != 0,
                                maas_graph_output_info(f->body, f->n_state + i)));
    return MAAS_OK;
}

/* Puts the scan outputs of one batch element into the outputs; the first one makes them. */
static MaasStatus place_batch(MaasCtx *c, ScanRun *s, int64_t batch, int64_t batches, int64_t length)
{
    static const int axes[] = {0, 1};
    const ScanForm *f = &s->form;

    for (int i = 0; i < f->n_scan_out; i++) {
        MaasList *list = &s->scans[i];
        int o = f->n_state + i;

        for (int64_t step = 0; maas_has_out(c, o) && step < list->n; step++) {
            const MaasTensor *item = &list->items[step]->tensor;
            int64_t at[2] = {batch, step}, dims[MAAS_MAX_RANK + 2] = {batches, length};
            MaasTensor *out = maas_out(c, o);

            if (list->items[step]->kind != MAAS_KIND_TENSOR || item->rank + 2 > MAAS_MAX_RANK)
                return maas_node_fail(c, MAAS_ERR_TYPE, "scan output %d of the body cannot be joined", i);
            memcpy(dims + 2, item->dims, (size_t)item->rank * sizeof *dims);
            if (!out) {
                MAAS_TRY(maas_out_new(c, o, item->type, item->rank + 2, dims, &out));
                if (out->count > 0)
                    memset(out->data, 0, maas_tensor_bytes(out));
            }
            if (out->rank != item->rank + 2 || out->type != item->type ||
                memcmp(out->dims, dims, (size_t)out->rank * sizeof *dims) != 0)
                return maas_node_fail(c, MAAS_ERR_SHAPE, "scan output %d changes its shape between iterations", i);
            MAAS_TRY(maas_place(c, out, 2, axes, at, item));
        }
        maas_list_free(list);
    }
    return MAAS_OK;
}

/* A scan output of the batched form that no step made. */
static MaasStatus make_empty(MaasCtx *c, const ScanForm *f, int i, int64_t batches, int64_t length)
{
    const MaasInfo *elem = maas_graph_output_info(f->body, f->n_state + i);
    int64_t dims[MAAS_MAX_RANK] = {batches, length};
    int rank = elem->rank < 0 || elem->rank + 2 > MAAS_MAX_RANK ? 0 : elem->rank;
    MaasTensor *out;

    for (int d = 0; d < rank; d++)
        dims[2 + d] = elem->dims[d] < 0 ? 0 : elem->dims[d];
    MAAS_TRY(maas_out_new(c, f->n_state + i, elem->type, rank + 2, dims, &out));
    if (out->count > 0)
        memset(out->data, 0, maas_tensor_bytes(out));
    return MAAS_OK;
}

static MaasStatus scan_batches(MaasCtx *c, ScanRun *s, MaasList *finals)
{
    static const int axis0[] = {0};
    const ScanForm *f = &s->form;
    const MaasTensor *lengths = f->first ? maas_in(c, 0) : NULL, *x = maas_in(c, f->first + f->n_state);
    int64_t length, batches = x->rank > 0 ? x->dims[0] : 0;

    MAAS_TRY(scan_length(c, f, &length));
    if (lengths && lengths->count != batches)
        return maas_node_fail(c, MAAS_ERR_SHAPE, "%lld sequence lengths for a batch of %lld",
                              (long long)lengths->count, (long long)batches);
    for (int i = 0; i < f->n_state + f->n_scan_in; i++)
        if (maas_in(c, f->first + i)->rank < 1 || maas_in(c, f->first + i)->dims[0] != batches)
            return maas_node_fail(c, MAAS_ERR_SHAPE, "input %d does not have the batch size %lld", f->first + i,
                                  (long long)batches);
    for (int64_t b = 0; b < batches; b++) {
        int64_t n = lengths ? maas_int_at(lengths, b) : length;

        if (n < 0 || n > length)
            return maas_node_fail(c, MAAS_ERR_VALUE, "sequence length %lld at place %lld is out of range [0, %lld]",
                                  (long long)n, (long long)b, (long long)length);
        for (int i = 0; i < f->n_state; i++)
            MAAS_TRY(maas_take(c, maas_in(c, f->first + i), 1, axis0, &b, &s->args[i]));
        MAAS_TRY(scan_steps(c, s, n, b));
        for (int i = 0; i < f->n_state; i++) {
            MaasValue *value = s->args[i];

            s->args[i] = NULL;
            MAAS_TRY(maas_list_push(&finals[i], value, c->err));
        }
        MAAS_TRY(place_batch(c, s, b, batches, length));
    }
    for (int i = 0; i < f->n_state; i++)
        MAAS_TRY(maas_stack_out(c, i, &finals[i], 0, false, maas_graph_output_info(f->body, i)));
    for (int i = 0; i < f->n_scan_out; i++)
        if (maas_has_out(c, f->n_state + i) && !maas_out(c, f->n_state + i))
            MAAS_TRY(make_empty(c, f, i, batches, length));
    return MAAS_OK;
}

static MaasStatus compute_scan(MaasCtx *c)
{
    ScanRun s = {.form = form_of(c->attr, c->n_in)};
    const ScanForm *f = &s.form;
    int n_args = f->n_state + f->n_scan_in;
    MaasList *finals;
    MaasStatus status;

    s.args = maas_scratch(c, (size_t)n_args, sizeof *s.args);
    s.results = maas_scratch(c, (size_t)(f->n_state + f->n_scan_out), sizeof *s.results);
    s.scans = maas_scratch(c, (size_t)f->n_scan_out, sizeof *s.scans);
    finals = maas_scratch(c, (size_t)f->n_state, sizeof *finals);
    if (!s.args || !s.results || !s.scans || !finals)
        return c->err->status;
    for (int i = 0; i < n_args; i++)
        s.args[i] = NULL;
    for (int i = 0; i < f->n_scan_out; i++)
        s.scans[i] = (MaasList){.mem = maas_run_mem(c)};
    for (int i = 0; i < f->n_state; i++)
        finals[i] = (MaasList){.mem = maas_run_mem(c)};
    status = f->batched ? scan_batches(c, &s, finals) : scan_plain(c, &s);
    for (int i = 0; i < n_args; i++)
        maas_value_unref(s.args[i]);
    for (int i = 0; i < f->n_scan_out; i++)
        maas_list_free(&s.scans[i]);
    for (int i = 0; i < f->n_state; i++)
        maas_list_free(&finals[i]);
    return status;
}

const MaasOp maas_op_scan = {
    .name = "Scan",
    .first = 8,
    .since = 9,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"initial_state_and_scan_inputs", MAAS_T_VALUE, 0, MAAS_VARIADIC | MAAS_MIXED}},
    .out = {{"final_state_and_scan_outputs", MAAS_T_VALUE, 0, MAAS_VARIADIC | MAAS_MIXED}},
    .attrs = {[SCAN_BODY] = {"body", MAAS_ATTR_GRAPH, .required = true},
              [SCAN_INPUTS] = {"num_scan_inputs", MAAS_ATTR_INT, .required = true},
              [SCAN_IN_AXES] = {"scan_input_axes", MAAS_ATTR_INTS, .required = false},
              [SCAN_IN_DIRS] = {"scan_input_directions", MAAS_ATTR_INTS, .required = false},
              [SCAN_OUT_AXES] = {"scan_output_axes", MAAS_ATTR_INTS, .required = false},
              [SCAN_OUT_DIRS] = {"scan_output_directions", MAAS_ATTR_INTS, .required = false},
              [SCAN_BATCHED] = {"batched", MAAS_ATTR_INT, .i = 0}},
    .adapt = adapt_scan,
    .infer = infer_scan,
    .compute = compute_scan,
    .batch = maas_batch_scan,
};
