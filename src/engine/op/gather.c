/*
 * gather.c - Gather, GatherElements, GatherND, Compress: elements picked by index or by condition.
 *
 * Indices are checked and made non-negative in scratch memory before anything is moved.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"
#include "move.h"

/* Index i of a tensor of int32 or int64, in [0, size); fails naming the place. */
static MaasStatus index_at(MaasCtx *c, const MaasTensor *t, int64_t i, int64_t size, int64_t *out)
{
    int64_t value = maas_known_int(t, i);

    *out = value < 0 ? value + size : value;
    if (*out < 0 || *out >= size)
        return maas_node_fail(c, MAAS_ERR_VALUE, "index %lld at place %lld is out of range [-%lld, %lld]",
                              (long long)value, (long long)i, (long long)size, (long long)size - 1);
    return MAAS_OK;
}

/* ---- Gather ---- */

static MaasStatus infer_gather(MaasInferCtx *c)
{
    const MaasInfo *data = c->in[0], *indices = c->in[1];
    int64_t dims[MAAS_MAX_RANK];
    int axis, rank = 0;

    if (data->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_infer_axis(c, c->attr[0].i, data->rank, &axis));
    if (indices->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_infer_indices(c, 1, data, 1, &data->dims[axis]));
    MAAS_TRY(maas_infer_rank(c, data->rank - 1 + indices->rank));
    for (int i = 0; i < axis; i++)
        dims[rank++] = data->dims[i];
    for (int i = 0; i < indices->rank; i++)
        dims[rank++] = indices->dims[i];
    for (int i = axis + 1; i < data->rank; i++)
        dims[rank++] = data->dims[i];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

typedef struct GatherJob {
    const char *src;
    char *dst;
    const int64_t *index; /* (n) */
    int64_t n, axis_size;
    size_t bytes; /* of what one index picks */
} GatherJob;

/* Rows [from, to) of the output, seen as (outer * n, bytes). */
static void gather_rows(void *arg, int64_t from, int64_t to)
{
    const GatherJob *job = arg;

    for (int64_t row = from; row < to; row++) {
        int64_t outer = row / job->n;

        memcpy(job->dst + (size_t)row * job->bytes,
               job->src + (size_t)(outer * job->axis_size + job->index[row % job->n]) * job->bytes, job->bytes);
    }
}

static MaasStatus compute_gather(MaasCtx *c)
{
    const MaasTensor *data = maas_in(c, 0), *indices = maas_in(c, 1);
    MaasTensor *out = maas_out(c, 0);
    int axis = maas_axis(c->attr[0].i, data->rank);
    int64_t n = indices->count, outer = 1, inner = 1, *index;
    size_t size = maas_type_size(data->type);
    GatherJob job = {.src = data->data, .dst = out->data, .n = n, .axis_size = data->dims[axis]};

    index = maas_scratch(c, (size_t)n, sizeof *index);
    if (!index)
        return c->err->status;
    for (int64_t i = 0; i < n; i++)
        MAAS_TRY(index_at(c, indices, i, data->dims[axis], &index[i]));
    if (out->count == 0)
        return MAAS_OK;
    for (int i = 0; i < axis; i++)
        outer *= data->dims[i];
    for (int i = axis + 1; i < data->rank; i++)
        inner *= data->dims[i];
    if (inner == 1) {
        for (int64_t o = 0; o < outer; o++)
            maas_kernel->gather(size, n, job.src + (size_t)(o * job.axis_size) * size, index,
                                job.dst + (size_t)(o * n) * size);
        return MAAS_OK;
    }
    job.index = index;
    job.bytes = (size_t)inner * size;
    return maas_parallel(c, outer * n, 1 + (int64_t)(262144 / job.bytes), gather_rows, &job);
}

static void grad_gather(MaasGrad *g)
{
    int shape = maas_grad_shape(g, maas_grad_in(g, 0));
    int dx = MAAS_GRAD(g, "GatherGrad", maas_grad_dy(g, 0), maas_grad_in(g, 1), shape);

    maas_grad_copy_attrs(g, 0, 1);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_gather = {
    .name = "Gather",
    .first = 1,
    .since = 1,
    .in = {{"data", MAAS_T_ANY, 'T', 0}, {"indices", MAAS_T_INDEX, 0, 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_gather,
    .sizes = maas_sizes_gather,
    .compute = compute_gather,
    .batch = maas_batch_gather,
    .grad = grad_gather,
};

/* ---- GatherGrad: what Gather picked from a place is added up there ---- */

static MaasStatus infer_gather_grad(MaasInferCtx *c)
{
    return maas_infer_shaped(c, 2);
}

static MaasStatus compute_gather_grad(MaasCtx *c)
{
    static const int64_t step[4] = {0, 1, 0, 1};
    const MaasTensor *dy = maas_in(c, 0), *indices = maas_in(c, 1);
    MaasTensor *dx = maas_out(c, 0);
    const MaasBinaryFn add = maas_kernel->binary(MAAS_BIN_ADD, dx->type);
    int axis = maas_axis(c->attr[0].i, dx->rank);
    int64_t n = indices->count, outer = 1, inner = 1;
    size_t row;

    if (dx->count > 0)
        memset(dx->data, 0, maas_tensor_bytes(dx));
    if (dy->count == 0)
        return MAAS_OK;
    for (int i = 0; i < axis; i++)
        outer *= dx->dims[i];
    for (int i = axis + 1; i < dx->rank; i++)
        inner *= dx->dims[i];
    row = (size_t)inner * maas_type_size(dx->type);
    int64_t often = 1 + (1 << 19) / (1 + inner), left = 0; /* rows between two looks at the stop flag */

    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < n; i++) {
            const char *from = (const char *)dy->data + (size_t)(o * n + i) * row;
            int64_t at;

            if (left-- == 0) {
                if (maas_stop(c))
                    return maas_stopped(c);
                left = often;
            }
            MAAS_TRY(index_at(c, indices, i, dx->dims[axis], &at));
            char *to = (char *)dx->data + (size_t)(o * dx->dims[axis] + at) * row;

            add(to, from, to, 1, inner, step);
        }
    }
    return MAAS_OK;
}

const MaasOp maas_op_gather_grad = {
    .domain = "maas",
    .name = "GatherGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"indices", MAAS_T_INDEX, 0, 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_gather_grad,
    .compute = compute_gather_grad,
};

/* ---- GatherElements ---- */

static MaasStatus infer_gather_elements(MaasInferCtx *c)
{
    const MaasInfo *data = c->in[0], *indices = c->in[1];
    int axis;

    if (data->rank >= 0) {
        MAAS_TRY(maas_infer_axis(c, c->attr[0].i, data->rank, &axis));
        MAAS_TRY(maas_infer_want_rank(c, 1, data->rank));
        MAAS_TRY(maas_infer_indices(c, 1, data, 1, &data->dims[axis]));
        for (int i = 0; i < data->rank && indices->rank >= 0; i++)
            if (i != axis && data->dims[i] >= 0 && indices->dims[i] > data->dims[i])
                return maas_infer_fail(c, MAAS_ERR_SHAPE, "indices have size %lld on axis %d, data has %lld",
                                       (long long)indices->dims[i], i, (long long)data->dims[i]);
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, indices->rank, indices->dims);
}

/* Steps an index of `rank` places; *offset follows with the given steps. */
static void advance(int rank, const int64_t *dims, const int64_t *steps, int64_t *at, int64_t *offset)
{
    for (int i = rank - 1; i >= 0; i--) {
        *offset += steps[i];
        if (++at[i] < dims[i])
            return;
        *offset -= steps[i] * dims[i];
        at[i] = 0;
    }
}

static MaasStatus compute_gather_elements(MaasCtx *c)
{
    const MaasTensor *data = maas_in(c, 0), *indices = maas_in(c, 1);
    MaasTensor *out = maas_out(c, 0);
    int axis = maas_axis(c->attr[0].i, data->rank);
    int64_t at[MAAS_MAX_RANK] = {0}, steps[MAAS_MAX_RANK], offset = 0, axis_step, *index;

    if (out->count == 0)
        return MAAS_OK;
    index = maas_scratch(c, (size_t)indices->count, sizeof *index);
    if (!index)
        return c->err->status;
    maas_row_major(data->rank, data->dims, steps);
    axis_step = steps[axis];
    steps[axis] = 0;
    for (int64_t i = 0; i < indices->count; i++) {
        MAAS_TRY(index_at(c, indices, i, data->dims[axis], &index[i]));
        index[i] = offset + index[i] * axis_step;
        advance(data->rank, indices->dims, steps, at, &offset);
    }
    maas_kernel->gather(maas_type_size(data->type), out->count, data->data, index, out->data);
    return MAAS_OK;
}

static void grad_gather_elements(MaasGrad *g)
{
    int zeros = maas_grad_zeros(g, maas_grad_in(g, 0));
    int dx = MAAS_GRAD(g, "ScatterElements", zeros, maas_grad_in(g, 1), maas_grad_dy(g, 0));

    maas_grad_copy_attrs(g, 0, 1);
    maas_grad_set_text(g, "reduction", "add");
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_gather_elements = {
    .name = "GatherElements",
    .first = 11,
    .since = 11,
    .in = {{"data", MAAS_T_ANY, 'T', 0}, {"indices", MAAS_T_INDEX, 0, 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_gather_elements,
    .compute = compute_gather_elements,
    .batch = maas_batch_gather_elements,
    .grad = grad_gather_elements,
};

/* ---- GatherND ---- */

static MaasStatus infer_gather_nd(MaasInferCtx *c)
{
    const MaasInfo *data = c->in[0], *indices = c->in[1];
    int64_t dims[MAAS_MAX_RANK], batch = c->attr[0].i, depth;
    int rank = 0;

    if (data->rank == 0 || indices->rank == 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "data and indices must have rank 1 at least");
    if (batch < 0 || (data->rank > 0 && batch >= data->rank) || (indices->rank > 0 && batch >= indices->rank))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "batch_dims %lld must be less than both ranks, %d and %d",
                               (long long)batch, data->rank, indices->rank);
    if (data->rank < 0 || indices->rank < 0 || indices->dims[indices->rank - 1] < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    depth = indices->dims[indices->rank - 1];
    if (depth < 1 || depth > data->rank - batch)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "an index has %lld numbers; expected 1 to %lld", (long long)depth,
                               (long long)(data->rank - batch));
    for (int i = 0; i < batch; i++)
        MAAS_TRY(maas_infer_equal(c, "the batch sizes of data and indices", data->dims[i], indices->dims[i]));
    MAAS_TRY(maas_infer_indices(c, 1, data, depth, &data->dims[batch]));
    MAAS_TRY(maas_infer_rank(c, indices->rank - 1 + data->rank - batch - depth));
    for (int i = 0; i < indices->rank - 1; i++)
        dims[rank++] = indices->dims[i];
    for (int i = (int)(batch + depth); i < data->rank; i++)
        dims[rank++] = data->dims[i];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

static MaasStatus compute_gather_nd(MaasCtx *c)
{
    const MaasTensor *data = maas_in(c, 0), *indices = maas_in(c, 1);
    MaasTensor *out = maas_out(c, 0);
    int64_t depth = indices->dims[indices->rank - 1], n = indices->count / depth, steps[MAAS_MAX_RANK], batches = 1,
            inner, *offset;
    int batch = (int)c->attr[0].i;
    size_t bytes;

    if (n == 0)
        return MAAS_OK;
    offset = maas_scratch(c, (size_t)n, sizeof *offset);
    if (!offset)
        return c->err->status;
    for (int i = 0; i < batch; i++)
        batches *= indices->dims[i];
    for (int64_t r = 0; r < n; r++) {
        offset[r] = 0;
        for (int k = 0; k < depth; k++) {
            int64_t at;

            MAAS_TRY(index_at(c, indices, r * depth + k, data->dims[batch + k], &at));
            offset[r] = offset[r] * data->dims[batch + k] + at;
        }
    }
    if (out->count == 0)
        return MAAS_OK;
    maas_row_major(data->rank, data->dims, steps);
    inner = steps[batch + depth - 1];
    for (int64_t r = 0; r < n; r++)
        offset[r] += r / (n / batches) * (data->count / batches / inner);
    bytes = (size_t)inner * maas_type_size(data->type);
    if (inner == 1) {
        maas_kernel->gather(bytes, n, data->data, offset, out->data);
        return MAAS_OK;
    }
    for (int64_t r = 0; r < n; r++)
        memcpy((char *)out->data + (size_t)r * bytes, (const char *)data->data + (size_t)offset[r] * bytes, bytes);
    return MAAS_OK;
}

static void grad_gather_nd(MaasGrad *g)
{
    int dx =
        MAAS_GRAD(g, "ScatterND", maas_grad_zeros(g, maas_grad_in(g, 0)), maas_grad_in(g, 1), maas_grad_dy(g, 0));

    if (maas_grad_attrs(g)[0].i != 0)
        maas_grad_refuse(g, "batch_dims above 0");
    maas_grad_set_text(g, "reduction", "add");
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_gather_nd = {
    .name = "GatherND",
    .first = 11,
    .since = 12,
    .in = {{"data", MAAS_T_ANY, 'T', 0}, {"indices", MAAS_T_I64, 0, 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"batch_dims", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_gather_nd,
    .compute = compute_gather_nd,
    .batch = maas_batch_gather_nd,
    .grad = grad_gather_nd,
};

/* ---- Compress ---- */

static MaasStatus infer_compress(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t dims[MAAS_MAX_RANK] = {MAAS_DIM_ANY}, length;
    int axis;

    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (!c->attr[0].set)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, 1, dims);
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_infer_axis(c, c->attr[0].i, in->rank, &axis));
    memcpy(dims, in->dims, sizeof dims);
    dims[axis] = MAAS_DIM_ANY;
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
}

static MaasStatus compute_compress(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0), *condition = maas_in(c, 1);
    MaasTensor *out;
    int axis = c->attr[0].set ? maas_axis(c->attr[0].i, in->rank) : -1;
    int64_t dims[MAAS_MAX_RANK], size = axis < 0 ? in->count : in->dims[axis], n = 0, outer = 1, inner = 1, to = 0;
    size_t bytes;

    for (int64_t i = 0; i < condition->count; i++) {
        if (!MAAS_U8(condition)[i])
            continue;
        if (i >= size)
            return maas_node_fail(c, MAAS_ERR_VALUE, "the condition picks place %lld of %lld", (long long)i,
                                  (long long)size);
        n++;
    }
    memcpy(dims, in->dims, sizeof dims);
    dims[axis < 0 ? 0 : axis] = n;
    MAAS_TRY(maas_out_new(c, 0, in->type, axis < 0 ? 1 : in->rank, dims, &out));
    if (out->count == 0)
        return MAAS_OK;
    for (int i = 0; i < axis; i++)
        outer *= in->dims[i];
    for (int i = axis + 1; axis >= 0 && i < in->rank; i++)
        inner *= in->dims[i];
    bytes = (size_t)inner * maas_type_size(in->type);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < condition->count; i++)
            if (MAAS_U8(condition)[i])
                memcpy((char *)out->data + (size_t)to++ * bytes,
                       (const char *)in->data + (size_t)(o * size + i) * bytes, bytes);
    return MAAS_OK;
}

const MaasOp maas_op_compress = {
    .name = "Compress",
    .first = 9,
    .since = 9,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"input", MAAS_T_ANY, 'T', 0}, {"condition", MAAS_T_BOOL, 0, 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_compress,
    .compute = compute_compress,
};
