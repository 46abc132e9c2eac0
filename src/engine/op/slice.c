/*
 * slice.c - Slice, ReverseSequence, Expand, Tile, Trilu: regular selections and repetitions of elements.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"
#include "move.h"

/* ---- Slice ---- */

enum { SLICE_DATA, SLICE_STARTS, SLICE_ENDS, SLICE_AXES, SLICE_STEPS };

static MaasStatus adapt_slice(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version >= 10)
        return MAAS_OK;
    MAAS_TRY(maas_adapt_attr_to_input(graph, node, "starts", SLICE_STARTS, err));
    MAAS_TRY(maas_adapt_attr_to_input(graph, node, "ends", SLICE_ENDS, err));
    return maas_adapt_attr_to_input(graph, node, "axes", SLICE_AXES, err);
}

/* Clamps a slice of an axis of `size` by the rules of the specification; *n gets the number of elements. */
static void slice_axis(int64_t size, int64_t *start, int64_t end, int64_t step, int64_t *n)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1, s = *start;
    uint64_t span, stride;

    s = s < 0 ? s + size : s;
    s = s < 0 ? 0 : s > high ? high : s;
    end = end < 0 ? end + size : end;
    end = end < low ? low : end > high ? high : end;
    *start = s;
    *n = 0;
    if (size == 0 || (step > 0 ? end <= s : end >= s))
        return;
    span = step > 0 ? (uint64_t)end - (uint64_t)s : (uint64_t)s - (uint64_t)end;
    stride = step > 0 ? (uint64_t)step : -(uint64_t)step;
    *n = (int64_t)((span - 1) / stride + 1);
}

static MaasStatus infer_slice(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[SLICE_DATA];
    const MaasTensor *starts = maas_known(c, SLICE_STARTS), *ends = maas_known(c, SLICE_ENDS),
                     *steps = maas_known(c, SLICE_STEPS), *list = maas_known(c, SLICE_AXES);
    int64_t dims[MAAS_MAX_RANK], length = MAAS_DIM_ANY;
    int axes[MAAS_MAX_RANK], n;

    for (int i = SLICE_STARTS; i <= SLICE_STEPS; i++) {
        int64_t l;

        MAAS_TRY(maas_infer_vector(c, i, &l));
        MAAS_TRY(maas_infer_equal(c, "the lengths of starts, ends, axes and steps", length, l));
        if (l >= 0)
            length = l;
    }
    if (steps)
        for (int64_t i = 0; i < steps->count; i++)
            if (maas_known_int(steps, i) == 0)
                return maas_infer_fail(c, MAAS_ERR_VALUE, "step %lld is 0", (long long)i);
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    if (length > in->rank)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "%lld starts for a rank of %d", (long long)length, in->rank);
    if (length < 0 || (maas_present(c, SLICE_AXES) && !list)) {
        for (int i = 0; i < in->rank; i++)
            dims[i] = length == 0 ? dims[i] : MAAS_DIM_ANY;
        return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
    }
    if (list)
        MAAS_TRY(maas_infer_axes_of(c, list, in->rank, axes, &n));
    for (int i = 0; i < length; i++) {
        int axis = list ? axes[i] : i;
        int64_t start, end, step = steps ? maas_known_int(steps, i) : 1;

        if (!starts || !ends || (maas_present(c, SLICE_STEPS) && !steps)) {
            dims[axis] = MAAS_DIM_ANY;
            continue;
        }
        start = maas_known_int(starts, i);
        end = maas_known_int(ends, i);
        if (dims[axis] >= 0)
            slice_axis(dims[axis], &start, end, step, &dims[axis]);
        else if (start >= 0 && end >= 0 && end <= start && step > 0)
            dims[axis] = 0;
        else if (!(start == 0 && end >= INT32_MAX && step == 1) && !(start == -1 && end <= INT32_MIN && step == -1))
            dims[axis] = MAAS_DIM_ANY;
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
}

static MaasStatus compute_slice(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, SLICE_DATA), *starts = maas_in(c, SLICE_STARTS),
                     *ends = maas_in(c, SLICE_ENDS), *list = maas_in(c, SLICE_AXES),
                     *steps = maas_in(c, SLICE_STEPS);
    MaasTensor *out = maas_out(c, 0);
    MaasMove m = {.size = maas_type_size(in->type), .rank = in->rank, .dst = out->data};
    int64_t at = 0, in_steps[MAAS_MAX_RANK];

    if (out->count == 0)
        return MAAS_OK;
    maas_row_major(in->rank, in->dims, in_steps);
    maas_row_major(in->rank, out->dims, m.dst_step);
    memcpy(m.dims, out->dims, sizeof out->dims);
    memcpy(m.src_step, in_steps, sizeof in_steps);
    for (int64_t i = 0; i < starts->count; i++) {
        int axis = maas_axis(list ? maas_known_int(list, i) : i, in->rank);
        int64_t start = maas_known_int(starts, i), step = steps ? maas_known_int(steps, i) : 1, n;

        slice_axis(in->dims[axis], &start, maas_known_int(ends, i), step, &n);
        at += start * in_steps[axis];
        /* a step that leads out of the axis is never taken; it must not overflow either */
        m.src_step[axis] = n > 1 ? step * in_steps[axis] : 0;
    }
    m.src = (const char *)in->data + (size_t)at * m.size;
    return maas_move(c, &m);
}

static void grad_slice(MaasGrad *g)
{
    int shape = maas_grad_shape(g, maas_grad_in(g, SLICE_DATA));

    maas_grad_give(g, SLICE_DATA,
                   MAAS_GRAD(g, "SliceGrad", maas_grad_dy(g, 0), maas_grad_in(g, SLICE_STARTS),
                             maas_grad_in(g, SLICE_ENDS), maas_grad_in(g, SLICE_AXES), maas_grad_in(g, SLICE_STEPS),
                             shape));
}

const MaasOp maas_op_slice = {
    .name = "Slice",
    .first = 1,
    .since = 10,
    .in = {{"data", MAAS_T_ANY, 'T', 0},
           {"starts", MAAS_T_INDEX, 'I', 0},
           {"ends", MAAS_T_INDEX, 'I', 0},
           {"axes", MAAS_T_INDEX, 'I', MAAS_OPTIONAL},
           {"steps", MAAS_T_INDEX, 'I', MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .adapt = adapt_slice,
    .infer = infer_slice,
    .sizes = maas_sizes_slice,
    .compute = compute_slice,
    .batch = maas_batch_slice,
    .grad = grad_slice,
};

/* ---- SliceGrad: dy at its place among zeros ---- */

enum { SLICE_SHAPE = SLICE_STEPS + 1 };

static MaasStatus infer_slice_grad(MaasInferCtx *c)
{
    return maas_infer_shaped(c, SLICE_SHAPE);
}

static MaasStatus compute_slice_grad(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, SLICE_DATA), *starts = maas_in(c, SLICE_STARTS),
                     *ends = maas_in(c, SLICE_ENDS), *list = maas_in(c, SLICE_AXES),
                     *steps = maas_in(c, SLICE_STEPS);
    MaasTensor *dx = maas_out(c, 0);
    MaasMove m = {.size = maas_type_size(dy->type), .rank = dy->rank};
    int64_t from = 0, to = 0, dx_steps[MAAS_MAX_RANK];

    if (dx->count == 0)
        return MAAS_OK;
    memset(dx->data, 0, maas_tensor_bytes(dx));
    if (dy->count == 0)
        return MAAS_OK;
    maas_row_major(dx->rank, dx->dims, dx_steps);
    maas_row_major(dy->rank, dy->dims, m.src_step);
    memcpy(m.dims, dy->dims, sizeof dy->dims);
    memcpy(m.dst_step, dx_steps, sizeof dx_steps);
    for (int64_t i = 0; i < starts->count; i++) {
        int axis = maas_axis(list ? maas_known_int(list, i) : i, dx->rank);
        int64_t start = maas_known_int(starts, i), step = steps ? maas_known_int(steps, i) : 1, n;

        slice_axis(dx->dims[axis], &start, maas_known_int(ends, i), step, &n);
        to += start * dx_steps[axis];
        m.dst_step[axis] = n > 1 ? step * dx_steps[axis] : 0;
        if (m.dst_step[axis] < 0) { /* from the end: a move writes forwards */
            from += (n - 1) * m.src_step[axis];
            to += (n - 1) * m.dst_step[axis];
            m.src_step[axis] = -m.src_step[axis];
            m.dst_step[axis] = -m.dst_step[axis];
        }
    }
    m.src = (const char *)dy->data + (size_t)from * m.size;
    m.dst = (char *)dx->data + (size_t)to * m.size;
    return maas_move(c, &m);
}

const MaasOp maas_op_slice_grad = {
    .domain = "maas",
    .name = "SliceGrad",
    .first = 1,
    .since = 1,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0},
           {"starts", MAAS_T_INDEX, 'I', 0},
           {"ends", MAAS_T_INDEX, 'I', 0},
           {"axes", MAAS_T_INDEX, 'I', MAAS_OPTIONAL},
           {"steps", MAAS_T_INDEX, 'I', MAAS_OPTIONAL},
           {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .infer = infer_slice_grad,
    .compute = compute_slice_grad,
};

/* ---- ReverseSequence ---- */

enum { REVERSE_BATCH, REVERSE_TIME };

static MaasStatus infer_reverse_sequence(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t batch = c->attr[REVERSE_BATCH].i, time = c->attr[REVERSE_TIME].i, length;

    if (batch < 0 || batch > 1 || time < 0 || time > 1 || batch == time)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "batch_axis and time_axis must be 0 and 1, got %lld and %lld",
                               (long long)batch, (long long)time);
    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (in->rank >= 0 && in->rank < 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the input must have rank 2 at least, got %d", in->rank);
    if (in->rank >= 0)
        MAAS_TRY(maas_infer_equal(c, "the number of sequence lengths", in->dims[batch], length));
    return maas_infer_same(c);
}

static MaasStatus compute_reverse_sequence(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0), *lens = maas_in(c, 1);
    MaasTensor *out = maas_out(c, 0);
    bool batch_first = c->attr[REVERSE_BATCH].i == 0;
    int64_t batches, times, inner = 1, batch_step, time_step;
    size_t bytes;

    if (in->count == 0)
        return MAAS_OK;
    batches = in->dims[batch_first ? 0 : 1];
    times = in->dims[batch_first ? 1 : 0];
    for (int i = 2; i < in->rank; i++)
        inner *= in->dims[i];
    batch_step = batch_first ? times : 1;
    time_step = batch_first ? 1 : batches;
    bytes = (size_t)inner * maas_type_size(in->type);
    for (int64_t b = 0; b < batches; b++) {
        int64_t len = MAAS_I64(lens)[b];

        if (len < 0 || len > times)
            return maas_node_fail(c, MAAS_ERR_VALUE, "sequence length %lld at place %lld is out of range [0, %lld]",
                                  (long long)len, (long long)b, (long long)times);
        if (maas_stop(c))
            return maas_stopped(c);
        for (int64_t t = 0; t < times; t++) {
            int64_t from = t < len ? len - 1 - t : t;

            memcpy((char *)out->data + (size_t)(b * batch_step + t * time_step) * bytes,
                   (const char *)in->data + (size_t)(b * batch_step + from * time_step) * bytes, bytes);
        }
    }
    return MAAS_OK;
}

/* Of an operator that is its own gradient: dy goes through it, too. */
static void grad_same(MaasGrad *g, const char *op, int n_attrs)
{
    int dx = MAAS_GRAD(g, op, maas_grad_dy(g, 0), maas_grad_in(g, 1));

    maas_grad_copy_attrs(g, 0, n_attrs);
    maas_grad_give(g, 0, dx);
}

static void grad_reverse_sequence(MaasGrad *g)
{
    grad_same(g, "ReverseSequence", 2);
}

const MaasOp maas_op_reverse_sequence = {
    .name = "ReverseSequence",
    .first = 10,
    .since = 10,
    .in = {{"input", MAAS_T_ANY, 'T', 0}, {"sequence_lens", MAAS_T_I64, 0, 0}},
    .out = {{"Y", MAAS_T_ANY, 'T', 0}},
    .attrs = {[REVERSE_BATCH] = {"batch_axis", MAAS_ATTR_INT, .i = 1},
              [REVERSE_TIME] = {"time_axis", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_reverse_sequence,
    .compute = compute_reverse_sequence,
    .batch = maas_batch_reverse_sequence,
    .grad = grad_reverse_sequence,
};

/* ---- Expand ---- */

static MaasStatus infer_expand(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *shape = maas_known(c, 1);
    int64_t dims[MAAS_MAX_RANK], want[MAAS_MAX_RANK], length;
    int rank = in->rank;

    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (length >= 0)
        MAAS_TRY(maas_infer_rank(c, length));
    if (rank < 0 || length < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    for (int i = 0; i < length; i++) {
        want[i] = MAAS_DIM_ANY;
        if (shape)
            want[i] = maas_known_int(shape, i);
        else
            maas_known_size(c, 1, i, &want[i]);
        if (shape && want[i] < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "size %d of the shape is %lld", i, (long long)want[i]);
    }
    memcpy(dims, in->dims, (size_t)rank * sizeof *dims);
    MAAS_TRY(maas_infer_broadcast_dims(c, &rank, dims, (int)length, want));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

static MaasStatus compute_expand(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    MaasMove m = {.size = maas_type_size(in->type), .rank = out->rank, .src = in->data, .dst = out->data};
    int64_t steps[MAAS_MAX_RANK];
    int lead = out->rank - in->rank;

    if (out->count == 0)
        return MAAS_OK;
    maas_row_major(in->rank, in->dims, steps);
    maas_row_major(out->rank, out->dims, m.dst_step);
    memcpy(m.dims, out->dims, sizeof out->dims);
    for (int i = lead; i < out->rank; i++)
        m.src_step[i] = in->dims[i - lead] == 1 ? 0 : steps[i - lead];
    return maas_move(c, &m);
}

static void grad_expand(MaasGrad *g)
{
    maas_grad_give(g, 0, maas_grad_sum_to(g, maas_grad_dy(g, 0), maas_grad_out(g, 0), maas_grad_in(g, 0)));
}

const MaasOp maas_op_expand = {
    .name = "Expand",
    .first = 8,
    .since = 8,
    .in = {{"input", MAAS_T_ANY, 'T', 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .infer = infer_expand,
    .compute = compute_expand,
    .batch = maas_batch_expand,
    .grad = grad_expand,
};

/* ---- Tile ---- */

/* The form of opset 1 to 5: one axis, repeated `tiles` times, both as inputs of the data's type. */
static MaasStatus infer_tile_axis(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *tiles = maas_known(c, 1), *axis = maas_known(c, 2);
    int64_t dims[MAAS_MAX_RANK], n;
    int at;

    MAAS_TRY(maas_infer_scalar(c, 1));
    MAAS_TRY(maas_infer_scalar(c, 2));
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < in->rank && !(tiles && axis); i++)
        dims[i] = MAAS_DIM_ANY;
    if (tiles && axis) {
        n = maas_int_at(tiles, 0);
        MAAS_TRY(maas_infer_axis(c, maas_int_at(axis, 0), in->rank, &at));
        if (n < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "tiles is %lld", (long long)n);
        MAAS_TRY(maas_infer_mul(c, dims[at], n, &dims[at]));
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
}

static MaasStatus infer_tile(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *repeats = maas_known(c, 1);
    int64_t dims[MAAS_MAX_RANK], length;
    int rank;

    if (maas_present(c, 2))
        return infer_tile_axis(c);
    if (c->in[1]->type != MAAS_INT64)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "repeats is %s, expected int64", maas_type_name(c->in[1]->type));
    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (in->rank >= 0)
        MAAS_TRY(maas_infer_equal(c, "the number of repeats", in->rank, length));
    rank = in->rank >= 0 ? in->rank : length < 0 ? -1 : (int)length;
    if (rank >= 0)
        MAAS_TRY(maas_infer_rank(c, length < 0 ? rank : length));
    for (int i = 0; i < rank; i++) {
        int64_t r = repeats ? maas_known_int(repeats, i) : MAAS_DIM_ANY;

        if (repeats && r < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "repeat %d is %lld", i, (long long)r);
        dims[i] = MAAS_DIM_ANY;
        if (in->rank >= 0 && repeats)
            MAAS_TRY(maas_infer_mul(c, in->dims[i], r, &dims[i]));
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

static MaasStatus compute_tile(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    int64_t steps[MAAS_MAX_RANK], out_steps[MAAS_MAX_RANK], done[MAAS_MAX_RANK];
    MaasMove m = {.size = maas_type_size(in->type), .rank = in->rank, .src = in->data, .dst = out->data};

    if (out->count == 0)
        return MAAS_OK;
    maas_row_major(in->rank, in->dims, steps);
    maas_row_major(in->rank, out->dims, out_steps);
    memcpy(m.dims, in->dims, sizeof in->dims);
    memcpy(m.src_step, steps, sizeof steps);
    memcpy(m.dst_step, out_steps, sizeof out_steps);
    MAAS_TRY(maas_move(c, &m));
    memcpy(done, in->dims, sizeof done);
    /* the filled corner is copied along one axis after the other, the last one first */
    for (int axis = in->rank - 1; axis >= 0; axis--) {
        int64_t repeats = out->dims[axis] / in->dims[axis];

        if (repeats == 1)
            continue;
        m = (MaasMove){.size = maas_type_size(in->type), .rank = in->rank + 1, .src = out->data};
        m.dst = (char *)out->data + (size_t)(in->dims[axis] * out_steps[axis]) * m.size;
        for (int i = 0, k = 0; i <= in->rank; i++) {
            if (i == axis) { /* the repetitions, as an axis of their own */
                m.dims[i] = repeats - 1;
                m.src_step[i] = 0;
                m.dst_step[i] = in->dims[axis] * out_steps[axis];
                continue;
            }
            m.dims[i] = done[k];
            m.src_step[i] = m.dst_step[i] = out_steps[k];
            k++;
        }
        MAAS_TRY(maas_move(c, &m));
        done[axis] = out->dims[axis];
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

static void grad_tile(MaasGrad *g)
{
    int shape = maas_grad_shape(g, maas_grad_in(g, 0));

    maas_grad_give(g, 0, MAAS_GRAD(g, "TileGrad", maas_grad_dy(g, 0), shape)); /* in reduce.c */
}

const MaasOp maas_op_tile = {
    .name = "Tile",
    .first = 1,
    .since = 6,
    .in = {{"input", MAAS_T_ANY, 'T', 0},
           {"repeats", MAAS_T_I64 | MAAS_T_FLOATS, 0, MAAS_NO_GRAD},
           {"axis", MAAS_T_I64 | MAAS_T_FLOATS, 0, MAAS_OPTIONAL | MAAS_NO_GRAD}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .infer = infer_tile,
    .compute = compute_tile,
    .batch = maas_batch_tile,
    .grad = grad_tile,
};

/* ---- Trilu ---- */

static MaasStatus infer_trilu(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_scalar(c, 1));
    if (c->in[0]->rank >= 0 && c->in[0]->rank < 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the input must have rank 2 at least, got %d", c->in[0]->rank);
    return maas_infer_same(c);
}

static MaasStatus compute_trilu(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0), *diagonal = maas_in(c, 1);
    MaasTensor *out = maas_out(c, 0);
    size_t size = maas_type_size(in->type);
    int64_t rows, cols, k = diagonal ? MAAS_I64(diagonal)[0] : 0;

    if (in->count == 0)
        return MAAS_OK;
    rows = in->dims[in->rank - 2];
    cols = in->dims[in->rank - 1];
    k = k > cols ? cols : k < -rows ? -rows : k;
    for (int64_t r = 0; r < in->count / cols; r++) {
        const char *from = (const char *)in->data + (size_t)(r * cols) * size;
        char *to = (char *)out->data + (size_t)(r * cols) * size;
        int64_t edge = r % rows + k + (c->attr[0].i ? 0 : 1), keep_from, keep_to;

        edge = edge < 0 ? 0 : edge > cols ? cols : edge;
        keep_from = c->attr[0].i ? edge : 0;
        keep_to = c->attr[0].i ? cols : edge;
        memset(to, 0, (size_t)keep_from * size);
        memcpy(to + (size_t)keep_from * size, from + (size_t)keep_from * size,
               (size_t)(keep_to - keep_from) * size);
        memset(to + (size_t)keep_to * size, 0, (size_t)(cols - keep_to) * size);
    }
    return MAAS_OK;
}

static void grad_trilu(MaasGrad *g)
{
    grad_same(g, "Trilu", 1);
}

const MaasOp maas_op_trilu = {
    .name = "Trilu",
    .first = 14,
    .since = 14,
    .in = {{"input", MAAS_T_ANY, 'T', 0}, {"k", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"upper", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_trilu,
    .compute = compute_trilu,
    .batch = maas_batch_last_two,
    .grad = grad_trilu,
};
