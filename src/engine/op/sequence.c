/*
 * sequence.c - sequences of tensors: making, reading, changing, splitting and joining them, SequenceMap.
 *
 * Values are immutable: a changed sequence is a new array of references to the same elements.
 */
#include <string.h>

#include "dims.h"
#include "loop.h"
#include "move.h"
#include "stack.h"

#define SEQUENCE_IN {"input_sequence", MAAS_T_SEQUENCE, 0, 0}

/* Output 0 is a sequence of elements of this info (NULL: unknown). */
static void out_sequence(MaasInferCtx *c, int i, MaasInfo *elem)
{
    if (i < c->n_out && c->out[i])
        *c->out[i] = (MaasInfo){.kind = MAAS_KIND_SEQUENCE, .rank = -1, .elem = elem};
}

/* An info of tensors of this type and unknown shape. */
static MaasInfo *elem_of_type(MaasInferCtx *c, MaasType type)
{
    MaasInfo *elem = maas_infer_alloc(c, sizeof *elem);

    if (elem)
        *elem = (MaasInfo){.kind = MAAS_KIND_TENSOR, .type = type, .rank = -1};
    return elem;
}

/* position in [-n, n) -> [0, n); with `end`, n itself is allowed too. */
static MaasStatus position_in(MaasCtx *c, int i, int64_t n, bool end, int64_t *at)
{
    const MaasTensor *t = maas_in(c, i);
    int64_t given;

    if (!t) {
        *at = end ? n : n - 1;
        given = -1;
    } else {
        if (t->count != 1)
            return maas_node_fail(c, MAAS_ERR_SHAPE, "the position must be one number, got %lld",
                                  (long long)t->count);
        given = maas_known_int(t, 0);
        *at = given < 0 ? given + n : given;
    }
    if (*at < 0 || *at >= n + end)
        return maas_node_fail(c, MAAS_ERR_VALUE, "position %lld is out of range for a sequence of %lld",
                              (long long)given, (long long)n);
    return MAAS_OK;
}

/* ---- SequenceConstruct, SequenceEmpty ---- */

static MaasStatus infer_sequence_construct(MaasInferCtx *c)
{
    MaasInfo *elem;

    if (c->n_in < 1)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "at least one input is expected");
    for (int i = 0; i < c->n_in; i++)
        if (!c->in[i])
            return maas_infer_fail(c, MAAS_ERR_FORMAT, "input %d is missing", i);
    elem = maas_infer_copy(c, c->in[0]);
    if (!elem)
        return c->err->status;
    for (int i = 1; i < c->n_in; i++) {
        bool changed;

        MAAS_TRY(maas_infer_merge(c, "the elements", elem, c->in[i], &changed));
    }
    out_sequence(c, 0, elem);
    return MAAS_OK;
}

static MaasStatus compute_sequence_construct(MaasCtx *c)
{
    MaasValue *seq;

    MAAS_TRY(maas_value_new_sequence(maas_run_mem(c), c->n_in, &seq, c->err));
    for (int i = 0; i < c->n_in; i++)
        seq->seq.items[i] = maas_value_ref(c->in[i]);
    maas_out_take(c, 0, seq);
    return MAAS_OK;
}

const MaasOp maas_op_sequence_construct = {
    .name = "SequenceConstruct",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"inputs", MAAS_T_ANY, 'T', MAAS_VARIADIC}},
    .out = {{"output_sequence", MAAS_T_SEQUENCE, 0, 0}},
    .infer = infer_sequence_construct,
    .compute = compute_sequence_construct,
};

static MaasStatus infer_sequence_empty(MaasInferCtx *c)
{
    MaasType type = MAAS_FLOAT;
    MaasInfo *elem;

    if (c->attr[0].set)
        MAAS_TRY(maas_infer_dtype(c, c->attr[0].i, MAAS_T_ANY, &type));
    elem = elem_of_type(c, type);
    out_sequence(c, 0, elem);
    return elem ? MAAS_OK : c->err->status;
}

static MaasStatus compute_sequence_empty(MaasCtx *c)
{
    MaasValue *seq;

    MAAS_TRY(maas_value_new_sequence(maas_run_mem(c), 0, &seq, c->err));
    maas_out_take(c, 0, seq);
    return MAAS_OK;
}

const MaasOp maas_op_sequence_empty = {
    .name = "SequenceEmpty",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .out = {{"output", MAAS_T_SEQUENCE, 0, 0}},
    .attrs = {{"dtype", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_sequence_empty,
    .compute = compute_sequence_empty,
};

/* ---- SequenceAt, SequenceLength ---- */

static MaasStatus infer_sequence_at(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_scalar(c, 1));
    if (c->n_out > 0 && c->out[0] && c->in[0]->elem) {
        *c->out[0] = *c->in[0]->elem;
        c->out[0]->value = NULL;
    }
    return MAAS_OK;
}

static MaasStatus compute_sequence_at(MaasCtx *c)
{
    const MaasValue *seq = c->in[0];
    int64_t at = 0;

    MAAS_TRY(position_in(c, 1, seq->seq.n, false, &at));
    maas_out_take(c, 0, maas_value_ref(seq->seq.items[at]));
    return MAAS_OK;
}

const MaasOp maas_op_sequence_at = {
    .name = "SequenceAt",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .in = {SEQUENCE_IN, {"position", MAAS_T_INDEX, 0, 0}},
    .out = {{"tensor", MAAS_T_ANY, 0, 0}},
    .infer = infer_sequence_at,
    .compute = compute_sequence_at,
};

static MaasStatus infer_sequence_length(MaasInferCtx *c)
{
    return maas_infer_out(c, 0, MAAS_INT64, 0, NULL);
}

static MaasStatus compute_sequence_length(MaasCtx *c)
{
    MAAS_I64(maas_out(c, 0))[0] = c->in[0]->seq.n;
    return MAAS_OK;
}

const MaasOp maas_op_sequence_length = {
    .name = "SequenceLength",
    .first = 11,
    .since = 11,
    .in = {SEQUENCE_IN},
    .out = {{"length", MAAS_T_I64, 0, 0}},
    .infer = infer_sequence_length,
    .compute = compute_sequence_length,
};

/* ---- SequenceInsert, SequenceErase ---- */

static MaasStatus infer_sequence_insert(MaasInferCtx *c)
{
    const MaasInfo *seq = c->in[0];
    MaasInfo *elem = maas_infer_copy(c, seq->elem ? seq->elem : c->in[1]);
    bool changed;

    if (!elem)
        return c->err->status;
    if (!seq->elem)
        elem->rank = -1;
    MAAS_TRY(maas_infer_scalar(c, 2));
    MAAS_TRY(maas_infer_merge(c, "the sequence and the tensor", elem, c->in[1], &changed));
    out_sequence(c, 0, elem);
    return MAAS_OK;
}

static MaasStatus compute_sequence_insert(MaasCtx *c)
{
    const MaasValue *from = c->in[0];
    int64_t n = from->seq.n, at;
    MaasValue *seq;

    MAAS_TRY(position_in(c, 2, n, true, &at));
    MAAS_TRY(maas_value_new_sequence(maas_run_mem(c), n + 1, &seq, c->err));
    for (int64_t i = 0; i <= n; i++)
        seq->seq.items[i] = maas_value_ref(i == at ? c->in[1] : from->seq.items[i < at ? i : i - 1]);
    maas_out_take(c, 0, seq);
    return MAAS_OK;
}

const MaasOp maas_op_sequence_insert = {
    .name = "SequenceInsert",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .in = {SEQUENCE_IN, {"tensor", MAAS_T_ANY, 0, 0}, {"position", MAAS_T_INDEX, 0, MAAS_OPTIONAL}},
    .out = {{"output_sequence", MAAS_T_SEQUENCE, 0, 0}},
    .infer = infer_sequence_insert,
    .compute = compute_sequence_insert,
};

static MaasStatus infer_sequence_erase(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_scalar(c, 1));
    out_sequence(c, 0, c->in[0]->elem);
    return MAAS_OK;
}

static MaasStatus compute_sequence_erase(MaasCtx *c)
{
    const MaasValue *from = c->in[0];
    int64_t n = from->seq.n, at;
    MaasValue *seq;

    MAAS_TRY(position_in(c, 1, n, false, &at));
    MAAS_TRY(maas_value_new_sequence(maas_run_mem(c), n - 1, &seq, c->err));
    for (int64_t i = 0; i < n - 1; i++)
        seq->seq.items[i] = maas_value_ref(from->seq.items[i < at ? i : i + 1]);
    maas_out_take(c, 0, seq);
    return MAAS_OK;
}

const MaasOp maas_op_sequence_erase = {
    .name = "SequenceErase",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .in = {SEQUENCE_IN, {"position", MAAS_T_INDEX, 0, MAAS_OPTIONAL}},
    .out = {{"output_sequence", MAAS_T_SEQUENCE, 0, 0}},
    .infer = infer_sequence_erase,
    .compute = compute_sequence_erase,
};

/* ---- SplitToSequence ---- */

enum { SPLIT_AXIS, SPLIT_KEEP };

static MaasStatus infer_split_to_sequence(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    MaasInfo *elem = maas_infer_copy(c, in);
    int axis;

    if (!elem)
        return c->err->status;
    if (maas_present(c, 1) && c->in[1]->rank > 1)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "split must be a scalar or a vector, got rank %d",
                               c->in[1]->rank);
    if (in->rank >= 0) {
        MAAS_TRY(maas_infer_axis(c, c->attr[SPLIT_AXIS].i, in->rank, &axis));
        elem->dims[axis] = maas_present(c, 1) ? MAAS_DIM_ANY : 1;
        if (!maas_present(c, 1) && !c->attr[SPLIT_KEEP].i) {
            elem->rank--;
            memmove(elem->dims + axis, elem->dims + axis + 1, (size_t)(elem->rank - axis) * sizeof *elem->dims);
        }
    }
    out_sequence(c, 0, elem);
    return MAAS_OK;
}

/* Length of part k: given one by one, or all the same but for the last. */
static int64_t part_length(const MaasTensor *split, int64_t k, int64_t left)
{
    int64_t part = !split ? 1 : maas_known_int(split, split->rank == 0 ? 0 : k);

    return split && split->rank == 1 ? part : part < left ? part : left;
}

/* The elements [from, from + n) of an axis as a tensor of their own. */
static MaasStatus cut(MaasCtx *c, const MaasTensor *in, int axis, int64_t from, int64_t n, MaasValue **out)
{
    MaasMove m = {.size = maas_type_size(in->type), .rank = in->rank};
    int64_t dims[MAAS_MAX_RANK];

    memcpy(dims, in->dims, sizeof dims);
    dims[axis] = n;
    MAAS_TRY(maas_value_new_tensor(maas_run_mem(c), in->type, in->rank, dims, out, c->err));
    if ((*out)->tensor.count == 0)
        return MAAS_OK;
    memcpy(m.dims, dims, sizeof dims);
    maas_row_major(in->rank, in->dims, m.src_step);
    maas_row_major(in->rank, dims, m.dst_step);
    m.src = (const char *)in->data + (size_t)(from * m.src_step[axis]) * m.size;
    m.dst = (*out)->tensor.data;
    return maas_move(c, &m);
}

static MaasStatus split_parts(MaasCtx *c, const MaasTensor *in, const MaasTensor *split, int axis, MaasList *list)
{
    bool drop = !split && !c->attr[SPLIT_KEEP].i;
    int64_t at = 0, size = in->dims[axis], parts = split && split->rank == 1 ? split->count : INT64_MAX;

    if (split && split->rank == 0 && maas_known_int(split, 0) <= 0)
        return maas_node_fail(c, MAAS_ERR_VALUE, "split must be positive, got %lld",
                              (long long)maas_known_int(split, 0));
    for (int64_t k = 0; k < parts && (at < size || parts != INT64_MAX); k++) {
        int64_t n = part_length(split, k, size - at);
        MaasValue *part = NULL;
        MaasStatus status;

        if (n < 0 || n > size - at)
            return maas_node_fail(c, MAAS_ERR_VALUE, "part %lld of %lld does not fit the axis of size %lld",
                                  (long long)k, (long long)n, (long long)size);
        if (maas_stop(c))
            return maas_stopped(c);
        status = drop ? maas_take(c, in, 1, &axis, &at, &part) : cut(c, in, axis, at, n, &part);
        if (status != MAAS_OK) {
            maas_value_unref(part);
            return status;
        }
        MAAS_TRY(maas_list_push(list, part, c->err));
        at += n;
    }
    if (at != size)
        return maas_node_fail(c, MAAS_ERR_VALUE, "the parts make %lld, the axis has size %lld", (long long)at,
                              (long long)size);
    return MAAS_OK;
}

static MaasStatus compute_split_to_sequence(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0), *split = maas_in(c, 1);
    MaasList list = {.mem = maas_run_mem(c)};
    MaasValue *seq;
    MaasStatus status = split_parts(c, in, split, maas_axis(c->attr[SPLIT_AXIS].i, in->rank), &list);

    if (status == MAAS_OK)
        status = maas_value_new_sequence(list.mem, list.n, &seq, c->err);
    if (status == MAAS_OK) {
        for (int64_t i = 0; i < list.n; i++)
            seq->seq.items[i] = maas_value_ref(list.items[i]);
        maas_out_take(c, 0, seq);
    }
    maas_list_free(&list);
    return status;
}

const MaasOp maas_op_split_to_sequence = {
    .name = "SplitToSequence",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"input", MAAS_T_ANY, 0, 0}, {"split", MAAS_T_INDEX, 0, MAAS_OPTIONAL}},
    .out = {{"output_sequence", MAAS_T_SEQUENCE, 0, 0}},
    .attrs = {[SPLIT_AXIS] = {"axis", MAAS_ATTR_INT, .i = 0}, [SPLIT_KEEP] = {"keepdims", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_split_to_sequence,
    .compute = compute_split_to_sequence,
};

/* ---- ConcatFromSequence ---- */

enum { JOIN_AXIS, JOIN_NEW };

static MaasStatus infer_concat_from_sequence(MaasInferCtx *c)
{
    const MaasInfo *elem = c->in[0]->elem;
    int64_t dims[MAAS_MAX_RANK];
    int axis;

    if (!elem || elem->kind != MAAS_KIND_TENSOR)
        return maas_infer_out(c, 0, elem ? elem->type : MAAS_UNDEFINED, -1, NULL);
    if (c->attr[JOIN_NEW].i != 0)
        return maas_infer_stacked(c, 0, elem, c->attr[JOIN_AXIS].i, MAAS_DIM_ANY);
    if (elem->rank < 0)
        return maas_infer_out(c, 0, elem->type, -1, NULL);
    MAAS_TRY(maas_infer_axis(c, c->attr[JOIN_AXIS].i, elem->rank, &axis));
    memcpy(dims, elem->dims, sizeof dims);
    dims[axis] = MAAS_DIM_ANY;
    return maas_infer_out(c, 0, elem->type, elem->rank, dims);
}

/* Joins along an axis that the elements have. */
static MaasStatus join(MaasCtx *c, const MaasList *list)
{
    const MaasTensor *first = &list->items[0]->tensor;
    int64_t axis = c->attr[JOIN_AXIS].i, dims[MAAS_MAX_RANK], at = 0;
    int place;
    MaasTensor *out;

    if (axis < -first->rank || axis >= first->rank)
        return maas_node_fail(c, MAAS_ERR_VALUE, "axis %lld is out of range for elements of rank %d",
                              (long long)axis, first->rank);
    place = maas_axis(axis, first->rank);
    memcpy(dims, first->dims, sizeof dims);
    dims[place] = 0;
    for (int64_t k = 0; k < list->n; k++) {
        const MaasTensor *t = &list->items[k]->tensor;
        bool fits = t->type == first->type && t->rank == first->rank;

        for (int d = 0; fits && d < t->rank; d++)
            fits = d == place || t->dims[d] == first->dims[d];
        if (!fits || __builtin_add_overflow(dims[place], t->dims[place], &dims[place]))
            return maas_node_fail(c, MAAS_ERR_SHAPE, "element %lld of the sequence does not fit the first one",
                                  (long long)k);
    }
    MAAS_TRY(maas_out_new(c, 0, first->type, first->rank, dims, &out));
    for (int64_t k = 0; k < list->n; k++) {
        const MaasTensor *t = &list->items[k]->tensor;
        MaasMove m = {.size = maas_type_size(t->type), .rank = t->rank, .src = t->data};

        if (t->count == 0)
            continue;
        memcpy(m.dims, t->dims, sizeof t->dims);
        maas_row_major(t->rank, t->dims, m.src_step);
        maas_row_major(t->rank, dims, m.dst_step);
        m.dst = (char *)out->data + (size_t)(at * m.dst_step[place]) * m.size;
        MAAS_TRY(maas_move(c, &m));
        at += t->dims[place];
    }
    return MAAS_OK;
}

static MaasStatus compute_concat_from_sequence(MaasCtx *c)
{
    const MaasValue *seq = c->in[0];
    const MaasList list = {.n = seq->seq.n, .items = seq->seq.items}; /* borrowed */

    if (list.n == 0)
        return maas_node_fail(c, MAAS_ERR_SHAPE, "the sequence is empty");
    for (int64_t i = 0; i < list.n; i++)
        if (list.items[i]->kind != MAAS_KIND_TENSOR)
            return maas_node_fail(c, MAAS_ERR_TYPE, "element %lld of the sequence is not a tensor", (long long)i);
    return c->attr[JOIN_NEW].i ? maas_stack_out(c, 0, &list, c->attr[JOIN_AXIS].i, false, NULL) : join(c, &list);
}

const MaasOp maas_op_concat_from_sequence = {
    .name = "ConcatFromSequence",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .in = {SEQUENCE_IN},
    .out = {{"concat_result", MAAS_T_ANY, 0, 0}},
    .attrs =
        {[JOIN_AXIS] = {"axis", MAAS_ATTR_INT, .required = true}, [JOIN_NEW] = {"new_axis", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_concat_from_sequence,
    .compute = compute_concat_from_sequence,
};

/* ---- SequenceMap ---- */

static MaasStatus infer_sequence_map(MaasInferCtx *c)
{
    static const MaasInfo unknown = {.kind = MAAS_KIND_UNKNOWN, .rank = -1};
    const MaasGraph *body = c->attr[0].graph;
    int n_out = maas_graph_n_outputs(body);
    const MaasInfo **in = maas_infer_alloc(c, (size_t)c->n_in * sizeof *in),
                   **outs = maas_infer_alloc(c, (size_t)(n_out + 1) * sizeof *outs);

    if (!in || !outs)
        return c->err->status;
    if (c->n_out > n_out)
        return maas_infer_fail(c, MAAS_ERR_FORMAT, "the node has %d outputs, the body %d", c->n_out, n_out);
    for (int i = 0; i < c->n_in; i++) {
        if (!maas_present(c, i))
            return maas_infer_fail(c, MAAS_ERR_FORMAT, "input %d is missing", i);
        in[i] = maas_infer_copy(c, c->in[i]->kind != MAAS_KIND_SEQUENCE ? c->in[i]
                                   : c->in[i]->elem                     ? c->in[i]->elem
                                                                        : &unknown);
        if (!in[i])
            return c->err->status;
    }
    MAAS_TRY(maas_infer_graph(c, body, c->n_in, in, outs));
    for (int i = 0; i < c->n_out; i++) {
        MaasInfo *elem = maas_infer_copy(c, outs[i]);

        if (!elem)
            return c->err->status;
        out_sequence(c, i, elem);
    }
    return MAAS_OK;
}

/* Runs the body on the elements at place k; out gets n_out references. */
static MaasStatus map_one(MaasCtx *c, int64_t k, MaasValue **args, MaasValue **out)
{
    for (int i = 0; i < c->n_in; i++) {
        args[i] = c->in[i];
        if (c->in[i]->kind == MAAS_KIND_SEQUENCE)
            args[i] = c->in[i]->seq.items[k];
    }
    return maas_call_graph(c, c->attr[0].graph, c->n_in, args, out);
}

static MaasStatus compute_sequence_map(MaasCtx *c)
{
    int n_out = maas_graph_n_outputs(c->attr[0].graph);
    int64_t n = c->in[0]->seq.n;
    MaasValue **args = maas_scratch(c, (size_t)c->n_in, sizeof *args),
              **out = maas_scratch(c, (size_t)n_out, sizeof *out);

    if (!args || !out)
        return c->err->status;
    for (int i = 1; i < c->n_in; i++)
        if (c->in[i]->kind == MAAS_KIND_SEQUENCE && c->in[i]->seq.n != n)
            return maas_node_fail(c, MAAS_ERR_SHAPE, "input %d has %lld elements, input 0 has %lld", i,
                                  (long long)c->in[i]->seq.n, (long long)n);
    for (int i = 0; i < c->n_out; i++) {
        MaasValue *seq;

        if (!maas_has_out(c, i))
            continue;
        MAAS_TRY(maas_value_new_sequence(maas_run_mem(c), n, &seq, c->err));
        maas_out_take(c, i, seq);
    }
    for (int64_t k = 0; k < n; k++) {
        if (maas_stop(c))
            return maas_stopped(c);
        MAAS_TRY(map_one(c, k, args, out));
        for (int i = 0; i < n_out; i++) {
            if (maas_has_out(c, i))
                c->out[i]->seq.items[k] = out[i];
            else
                maas_value_unref(out[i]);
        }
    }
    return MAAS_OK;
}

const MaasOp maas_op_sequence_map = {
    .name = "SequenceMap",
    .first = 17,
    .since = 17,
    .flags = MAAS_OP_DYNAMIC,
    .in = {SEQUENCE_IN,
           {"additional_inputs", MAAS_T_ANY | MAAS_T_SEQUENCE, 0, MAAS_OPTIONAL | MAAS_VARIADIC | MAAS_MIXED}},
    .out = {{"out_sequence", MAAS_T_SEQUENCE, 0, MAAS_VARIADIC | MAAS_MIXED}},
    .attrs = {{"body", MAAS_ATTR_GRAPH, .required = true}},
    .infer = infer_sequence_map,
    .compute = compute_sequence_map,
};
