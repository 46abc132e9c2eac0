/*
 * scatter.c - ScatterElements, ScatterND and the old Scatter: a copy of data with elements written at indices.
 *
 * reduction combines what is written with what stands there: add, mul, min, max.  Duplicate indices are taken in
 * the order of the updates.
 */
#include <string.h>

#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"
#include "move.h"

typedef enum Reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MIN, REDUCE_MAX, REDUCE_UNKNOWN } Reduction;

static Reduction reduction_of(const MaasAttr *attr)
{
    static const char *const names[] = {"none", "add", "mul", "min", "max"};

    for (int i = 0; i < 5; i++)
        if (attr->s.length == strlen(names[i]) && memcmp(attr->s.data, names[i], attr->s.length) == 0)
            return (Reduction)i;
    return REDUCE_UNKNOWN;
}

static MaasStatus check_reduction(MaasInferCtx *c, const MaasAttr *attr, MaasType type)
{
    Reduction r = reduction_of(attr);

    if (r == REDUCE_UNKNOWN)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "reduction must be none, add, mul, min or max, got \"%.*s\"",
                               (int)attr->s.length, attr->s.data);
    if (r != REDUCE_NONE && !maas_type_in(type, MAAS_T_NUMERIC | MAAS_T_BOOL))
        return maas_infer_fail(c, MAAS_ERR_UNSUPPORTED, "reduction %.*s is not defined for %s", (int)attr->s.length,
                               attr->s.data, maas_type_name(type));
    return MAAS_OK;
}

/* Integers wrap: computed in W, an unsigned type that is not promoted to a signed one. */
#define COMBINE(T, W)                                                                                              \
    {                                                                                                              \
        T *a = dst;                                                                                                \
        const T *b = src;                                                                                          \
                                                                                                                   \
        for (int64_t i = 0; i < n; i++)                                                                            \
            a[i] = r == REDUCE_ADD   ? (T)((W)a[i] + (W)b[i])                                                      \
                   : r == REDUCE_MUL ? (T)((W)a[i] * (W)b[i])                                                      \
                   : r == REDUCE_MIN ? (b[i] < a[i] || b[i] != b[i] ? b[i] : a[i])                                 \
                                     : (b[i] > a[i] || b[i] != b[i] ? b[i] : a[i]);                                \
        break;                                                                                                     \
    }

/* dst[i] = reduction(dst[i], src[i]); float16 and bfloat16 come as float */
static void combine(MaasType type, Reduction r, int64_t n, void *dst, const void *src)
{
    switch (type) {
    case MAAS_FLOAT:
        COMBINE(float, float)
    case MAAS_DOUBLE:
        COMBINE(double, double)
    case MAAS_INT8:
        COMBINE(int8_t, uint32_t)
    case MAAS_UINT8:
        COMBINE(uint8_t, uint32_t)
    case MAAS_INT16:
        COMBINE(int16_t, uint32_t)
    case MAAS_UINT16:
        COMBINE(uint16_t, uint32_t)
    case MAAS_INT32:
        COMBINE(int32_t, uint32_t)
    case MAAS_UINT32:
        COMBINE(uint32_t, uint32_t)
    case MAAS_INT64:
        COMBINE(int64_t, uint64_t)
    case MAAS_UINT64:
        COMBINE(uint64_t, uint64_t)
    default:
        for (int64_t i = 0; i < n; i++) {
            uint8_t *a = (uint8_t *)dst + i;
            uint8_t b = ((const uint8_t *)src)[i];

            *a = r == REDUCE_ADD || r == REDUCE_MAX ? *a | b : *a & b;
        }
        break;
    }
}

/* Writes n elements of src at dst. */
static void put(const MaasTensor *out, Reduction r, int64_t n, int64_t dst, const MaasTensor *updates, int64_t src)
{
    size_t size = maas_type_size(out->type);
    char *to = (char *)out->data + (size_t)dst * size;
    const char *from = (const char *)updates->data + (size_t)src * size;

    if (r != REDUCE_NONE)
        combine(out->type, r, n, to, from);
    else if (size == 4 && n == 1)
        memcpy(to, from, 4);
    else
        memcpy(to, from, (size_t)n * size);
}

static MaasStatus bad_index(MaasCtx *c, int64_t value, int64_t place, int64_t size)
{
    return maas_node_fail(c, MAAS_ERR_VALUE, "index %lld at place %lld is out of range [-%lld, %lld]",
                          (long long)value, (long long)place, (long long)size, (long long)size - 1);
}

/* ---- ScatterElements ---- */

enum { SCATTER_AXIS, SCATTER_REDUCTION };

static MaasStatus infer_scatter_elements(MaasInferCtx *c)
{
    const MaasInfo *data = c->in[0], *indices = c->in[1], *updates = c->in[2];
    int axis = 0;

    MAAS_TRY(check_reduction(c, &c->attr[SCATTER_REDUCTION], data->type));
    if (indices->rank >= 0)
        MAAS_TRY(maas_infer_want_rank(c, 2, indices->rank));
    for (int i = 0; i < indices->rank && updates->rank >= 0; i++)
        MAAS_TRY(maas_infer_equal(c, "the sizes of indices and updates", indices->dims[i], updates->dims[i]));
    if (data->rank >= 0) {
        MAAS_TRY(maas_infer_axis(c, c->attr[SCATTER_AXIS].i, data->rank, &axis));
        MAAS_TRY(maas_infer_want_rank(c, 1, data->rank));
        MAAS_TRY(maas_infer_indices(c, 1, data, 1, &data->dims[axis]));
        for (int i = 0; i < data->rank && indices->rank >= 0; i++)
            if (i != axis && data->dims[i] >= 0 && indices->dims[i] > data->dims[i])
                return maas_infer_fail(c, MAAS_ERR_SHAPE, "indices have size %lld on axis %d, data has %lld",
                                       (long long)indices->dims[i], i, (long long)data->dims[i]);
    }
    return maas_infer_same(c);
}

static MaasStatus compute_scatter_elements(MaasCtx *c)
{
    const MaasTensor *data = maas_in(c, 0), *indices = maas_in(c, 1), *updates = maas_in(c, 2);
    MaasTensor *out = maas_out(c, 0);
    Reduction r = reduction_of(&c->attr[SCATTER_REDUCTION]);
    int axis = maas_axis(c->attr[SCATTER_AXIS].i, data->rank);
    int64_t at[MAAS_MAX_RANK] = {0}, steps[MAAS_MAX_RANK], offset = 0, axis_step;

    if (data->count > 0)
        memcpy(out->data, data->data, maas_tensor_bytes(data));
    if (indices->count == 0)
        return MAAS_OK;
    if (data->count == 0)
        return bad_index(c, maas_known_int(indices, 0), 0, data->dims[axis]);
    maas_row_major(data->rank, data->dims, steps);
    axis_step = steps[axis];
    steps[axis] = 0;
    for (int64_t i = 0; i < indices->count; i++) {
        int64_t value = maas_known_int(indices, i), k = value < 0 ? value + data->dims[axis] : value;

        if (k < 0 || k >= data->dims[axis])
            return bad_index(c, value, i, data->dims[axis]);
        put(out, r, 1, offset + k * axis_step, updates, i);
        for (int d = data->rank - 1; d >= 0; d--) {
            offset += steps[d];
            if (++at[d] < indices->dims[d])
                break;
            offset -= steps[d] * indices->dims[d];
            at[d] = 0;
        }
        if ((i & 0xfffff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

/* What was written over gets no gradient; what was written gets that of its place. */
static void grad_scatter(MaasGrad *g, const char *scatter, const char *gather, int n_attrs,
                         const MaasAttr *reduction)
{
    Reduction r = reduction_of(reduction);
    int indices = maas_grad_in(g, 1), dy = maas_grad_dy(g, 0), dx = dy;

    if (r != REDUCE_NONE && r != REDUCE_ADD) {
        maas_grad_refuse(g, "reduction %.*s", (int)reduction->s.length, reduction->s.data);
        return;
    }
    if (r == REDUCE_NONE && maas_grad_wants(g, 0)) {
        dx = MAAS_GRAD(g, scatter, dy, indices, maas_grad_zeros(g, maas_grad_in(g, 2)));
        maas_grad_copy_attrs(g, 0, n_attrs);
    }
    maas_grad_give(g, 0, dx);
    if (maas_grad_wants(g, 2)) {
        int update = MAAS_GRAD(g, gather, dy, indices);

        maas_grad_copy_attrs(g, 0, n_attrs);
        maas_grad_give(g, 2, update);
    }
}

static void grad_scatter_elements(MaasGrad *g)
{
    grad_scatter(g, "ScatterElements", "GatherElements", 1, &maas_grad_attrs(g)[SCATTER_REDUCTION]);
}

static void grad_scatter_nd(MaasGrad *g)
{
    grad_scatter(g, "ScatterND", "GatherND", 0, &maas_grad_attrs(g)[0]);
}

const MaasOp maas_op_scatter_elements = {
    .name = "ScatterElements",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"data", MAAS_T_ANY, 'T', 0}, {"indices", MAAS_T_INDEX, 0, 0}, {"updates", MAAS_T_ANY, 'T', 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {[SCATTER_AXIS] = {"axis", MAAS_ATTR_INT, .i = 0},
              [SCATTER_REDUCTION] = {"reduction", MAAS_ATTR_STRING, .s = "none"}},
    .infer = infer_scatter_elements,
    .compute = compute_scatter_elements,
    .batch = maas_batch_gather_elements,
    .grad = grad_scatter_elements,
};

/* ---- Scatter: ScatterElements of opset 9 and 10 under its old name ---- */

static MaasStatus adapt_scatter(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    return maas_adapt_become(graph, node, "ScatterElements", err);
}

const MaasOp maas_op_scatter = {
    .name = "Scatter",
    .first = 9,
    .since = INT32_MAX,
    .in = {{"data", MAAS_T_ANY, 'T', 0}, {"indices", MAAS_T_INDEX, 0, 0}, {"updates", MAAS_T_ANY, 'T', 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {[SCATTER_AXIS] = {"axis", MAAS_ATTR_INT, .i = 0},
              [SCATTER_REDUCTION] = {"reduction", MAAS_ATTR_STRING, .s = "none"}},
    .adapt = adapt_scatter,
    .infer = infer_scatter_elements,
    .compute = compute_scatter_elements,
};

/* ---- ScatterND ---- */

static MaasStatus infer_scatter_nd(MaasInferCtx *c)
{
    const MaasInfo *data = c->in[0], *indices = c->in[1], *updates = c->in[2];
    int64_t depth;
    int head = indices->rank - 1;

    MAAS_TRY(check_reduction(c, &c->attr[0], data->type));
    if (indices->rank == 0 || data->rank == 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "data and indices must have rank 1 at least");
    if (data->rank < 0 || indices->rank < 0 || indices->dims[head] < 0)
        return maas_infer_same(c);
    depth = indices->dims[head];
    if (depth > data->rank)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "an index has %lld numbers, data has rank %d", (long long)depth,
                               data->rank);
    MAAS_TRY(maas_infer_indices(c, 1, data, depth, data->dims));
    MAAS_TRY(maas_infer_want_rank(c, 2, head + data->rank - (int)depth));
    for (int i = 0; i < updates->rank; i++)
        MAAS_TRY(maas_infer_equal(c, "the size of updates",
                                  i < head ? indices->dims[i] : data->dims[i - head + depth], updates->dims[i]));
    return maas_infer_same(c);
}

static MaasStatus compute_scatter_nd(MaasCtx *c)
{
    const MaasTensor *data = maas_in(c, 0), *indices = maas_in(c, 1), *updates = maas_in(c, 2);
    MaasTensor *out = maas_out(c, 0);
    Reduction r = reduction_of(&c->attr[0]);
    int64_t depth = indices->dims[indices->rank - 1], n = 1, inner = 1;

    if (data->count > 0)
        memcpy(out->data, data->data, maas_tensor_bytes(data));
    if (updates->count == 0)
        return MAAS_OK;
    for (int i = 0; i < indices->rank - 1; i++)
        n *= indices->dims[i];
    for (int i = (int)depth; i < data->rank; i++)
        inner *= data->dims[i];
    for (int64_t i = 0; i < n; i++) {
        int64_t offset = 0;

        for (int64_t d = 0; d < depth; d++) {
            int64_t value = maas_known_int(indices, i * depth + d), k = value < 0 ? value + data->dims[d] : value;

            if (k < 0 || k >= data->dims[d])
                return bad_index(c, value, i * depth + d, data->dims[d]);
            offset = offset * data->dims[d] + k;
        }
        put(out, r, inner, offset * inner, updates, i * inner);
        if ((i & 0xffff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_scatter_nd = {
    .name = "ScatterND",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"data", MAAS_T_ANY, 'T', 0}, {"indices", MAAS_T_I64, 0, 0}, {"updates", MAAS_T_ANY, 'T', 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"reduction", MAAS_ATTR_STRING, .s = "none"}},
    .infer = infer_scatter_nd,
    .compute = compute_scatter_nd,
    .grad = grad_scatter_nd,
};
