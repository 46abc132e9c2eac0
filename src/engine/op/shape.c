/*
 * shape.c - Shape and Size, and the makers of tensors of a given shape: ConstantOfShape, EyeLike, Range, OneHot.
 */
#include <math.h>
#include <string.h>

#include "batch.h"
#include "dims.h"
#include "move.h"

/* ---- Shape, Size ---- */

enum { SHAPE_START, SHAPE_END };

void maas_shape_range(const MaasAttr *attr, int rank, int *from, int *to)
{
    int64_t start = attr[SHAPE_START].i, end = attr[SHAPE_END].set ? attr[SHAPE_END].i : rank;

    start = start < -rank ? 0 : start < 0 ? start + rank : start > rank ? rank : start;
    end = end < -rank ? 0 : end < 0 ? end + rank : end > rank ? rank : end;
    *from = (int)start;
    *to = (int)(end < start ? start : end);
}

static MaasStatus infer_shape(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t n = MAAS_DIM_ANY;
    int from, to;

    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_INT64, 1, &n);
    maas_shape_range(c->attr, in->rank, &from, &to);
    n = to - from;
    if (!maas_dims_known(to - from, in->dims + from))
        return maas_infer_out(c, 0, MAAS_INT64, 1, &n);
    return maas_infer_ints(c, 0, 1, n, in->dims + from);
}

static MaasStatus compute_shape(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    int from, to;

    maas_shape_range(c->attr, in->rank, &from, &to);
    if (to > from)
        memcpy(maas_out(c, 0)->data, in->dims + from, (size_t)(to - from) * sizeof *in->dims);
    return MAAS_OK;
}

const MaasOp maas_op_shape = {
    .name = "Shape",
    .first = 1,
    .since = 15,
    .in = {{"data", MAAS_T_ANY, 'T', 0}},
    .out = {{"shape", MAAS_T_I64, 0, 0}},
    .attrs = {[SHAPE_START] = {"start", MAAS_ATTR_INT, .i = 0}, [SHAPE_END] = {"end", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_shape,
    .sizes = maas_sizes_shape,
    .compute = compute_shape,
    .batch = maas_batch_shape,
};

static MaasStatus infer_size(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t count;

    if (!maas_dims_known(in->rank, in->dims))
        return maas_infer_out(c, 0, MAAS_INT64, 0, NULL);
    if (!maas_count_dims(in->rank, in->dims, &count))
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "the number of elements overflows");
    return maas_infer_ints(c, 0, 0, 1, &count);
}

static MaasStatus compute_size(MaasCtx *c)
{
    MAAS_I64(maas_out(c, 0))[0] = maas_in(c, 0)->count;
    return MAAS_OK;
}

const MaasOp maas_op_size = {
    .name = "Size",
    .first = 1,
    .since = 1,
    .in = {{"data", MAAS_T_ANY, 'T', 0}},
    .out = {{"size", MAAS_T_I64, 0, 0}},
    .infer = infer_size,
    .compute = compute_size,
    .batch = maas_batch_size,
};

/* ---- ConstantOfShape ---- */

static MaasStatus infer_constant_of_shape(MaasInferCtx *c)
{
    const MaasTensor *shape = maas_known(c, 0), *value = c->attr[0].set ? c->attr[0].tensors[0] : NULL;
    MaasType type = value ? value->type : MAAS_FLOAT;
    int64_t dims[MAAS_MAX_RANK], length;

    if (value && value->count != 1)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "attribute value must hold one element, got %lld",
                               (long long)value->count);
    MAAS_TRY(maas_infer_vector(c, 0, &length));
    if (length >= 0)
        MAAS_TRY(maas_infer_rank(c, length));
    for (int i = 0; i < length; i++) {
        dims[i] = MAAS_DIM_ANY;
        if (shape)
            dims[i] = maas_known_int(shape, i);
        else
            maas_known_size(c, 0, i, &dims[i]);
        if (shape && dims[i] < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "size %d of the shape is %lld", i, (long long)dims[i]);
    }
    return maas_infer_out(c, 0, type, length < 0 ? -1 : (int)length, dims);
}

static MaasStatus compute_constant_of_shape(MaasCtx *c)
{
    static const float zero = 0;
    MaasTensor *out = maas_out(c, 0);

    maas_fill(out->data, c->attr[0].set ? c->attr[0].tensors[0]->data : &zero, maas_type_size(out->type),
              out->count);
    return MAAS_OK;
}

const MaasOp maas_op_constant_of_shape = {
    .name = "ConstantOfShape",
    .first = 9,
    .since = 9,
    .in = {{"input", MAAS_T_I64, 0, 0}},
    .out = {{"output", MAAS_T_ANY, 0, 0}},
    .attrs = {{"value", MAAS_ATTR_TENSOR, .required = false}},
    .infer = infer_constant_of_shape,
    .compute = compute_constant_of_shape,
    .batch = maas_batch_constant_of_shape,
};

/* ---- EyeLike ---- */

enum { EYE_DTYPE, EYE_K };

#define EYE_TYPES (MAAS_T_NUMERIC | MAAS_T_BOOL)

static MaasStatus infer_eye_like(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t dims[2] = {MAAS_DIM_ANY, MAAS_DIM_ANY};
    MaasType type = in->type;

    MAAS_TRY(maas_infer_want_rank(c, 0, 2));
    if (c->attr[EYE_DTYPE].set)
        MAAS_TRY(maas_infer_dtype(c, c->attr[EYE_DTYPE].i, EYE_TYPES, &type));
    return maas_infer_out(c, 0, type, 2, in->rank == 2 ? in->dims : dims);
}

static MaasStatus compute_eye_like(MaasCtx *c)
{
    MaasTensor *out = maas_out(c, 0);
    size_t size = maas_type_size(out->type);
    int64_t k = c->attr[EYE_K].i, rows = out->dims[0], cols = out->dims[1];
    uint64_t one = 0;

    if (out->count == 0)
        return MAAS_OK;
    maas_one(out->type, &one);
    memset(out->data, 0, maas_tensor_bytes(out));
    if (k >= cols || k <= -rows)
        return MAAS_OK;
    for (int64_t r = k < 0 ? -k : 0; r < rows && r + k < cols; r++)
        memcpy((char *)out->data + (size_t)(r * cols + r + k) * size, &one, size);
    return MAAS_OK;
}

const MaasOp maas_op_eye_like = {
    .name = "EyeLike",
    .first = 9,
    .since = 9,
    .flags = MAAS_OP_NO_SLOPE,
    .in = {{"input", EYE_TYPES, 0, 0}},
    .out = {{"output", EYE_TYPES, 0, 0}},
    .attrs = {[EYE_DTYPE] = {"dtype", MAAS_ATTR_INT, .i = 0}, [EYE_K] = {"k", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_eye_like,
    .compute = compute_eye_like,
};

/* ---- Range ---- */

/* max(ceil((limit - start) / delta), 0) */
static MaasStatus range_length(const MaasInferCtx *c, const MaasTensor *start, const MaasTensor *limit,
                               const MaasTensor *delta, int64_t *n)
{
    if (maas_type_is_float(start->type)) {
        double d = maas_number_at(delta, 0), x = ceil((maas_number_at(limit, 0) - maas_number_at(start, 0)) / d);

        if (d == 0 || isnan(x))
            return maas_infer_fail(c, MAAS_ERR_VALUE, "delta %g does not lead from start %g to limit %g", d,
                                   maas_number_at(start, 0), maas_number_at(limit, 0));
        if (x >= 0x1p62)
            return maas_infer_fail(c, MAAS_ERR_LIMIT, "the range has %g elements", x);
        *n = x > 0 ? (int64_t)x : 0;
        return MAAS_OK;
    }
    __int128 span = (__int128)maas_int_at(limit, 0) - maas_int_at(start, 0), d = maas_int_at(delta, 0), count;

    if (d == 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "delta is 0");
    if (d < 0) {
        d = -d;
        span = -span;
    }
    count = span <= 0 ? 0 : (span + d - 1) / d;
    if (count > INT64_MAX / 8)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "the range has more elements than any memory");
    *n = (int64_t)count;
    return MAAS_OK;
}

static MaasStatus infer_range(MaasInferCtx *c)
{
    const MaasTensor *start = maas_known(c, 0), *limit = maas_known(c, 1), *delta = maas_known(c, 2);
    int64_t n = MAAS_DIM_ANY;

    for (int i = 0; i < 3; i++)
        MAAS_TRY(maas_infer_scalar(c, i));
    if (start && limit && delta)
        MAAS_TRY(range_length(c, start, limit, delta, &n));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, 1, &n);
}

static MaasStatus compute_range(MaasCtx *c)
{
    const MaasTensor *start = maas_in(c, 0), *delta = maas_in(c, 2);
    MaasTensor *out = maas_out(c, 0);
    int64_t n = out->count;

    if (out->type == MAAS_FLOAT || out->type == MAAS_DOUBLE) {
        double s = maas_number_at(start, 0), d = maas_number_at(delta, 0);

        for (int64_t i = 0; i < n; i++) {
            if (out->type == MAAS_FLOAT)
                MAAS_F32(out)[i] = (float)(s + (double)i * d);
            else
                MAAS_F64(out)[i] = s + (double)i * d;
        }
        return MAAS_OK;
    }
    uint64_t value = (uint64_t)maas_int_at(start, 0), step = (uint64_t)maas_int_at(delta, 0);

    for (int64_t i = 0; i < n; i++, value += step) {
        if (out->type == MAAS_INT64)
            ((uint64_t *)out->data)[i] = value;
        else if (out->type == MAAS_INT32)
            ((uint32_t *)out->data)[i] = (uint32_t)value;
        else
            ((uint16_t *)out->data)[i] = (uint16_t)value;
    }
    return MAAS_OK;
}

#define RANGE_TYPES (MAAS_T_FLOATS | MAAS_T(MAAS_INT16) | MAAS_T_INDEX)

const MaasOp maas_op_range = {
    .name = "Range",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"start", RANGE_TYPES, 'T', 0}, {"limit", RANGE_TYPES, 'T', 0}, {"delta", RANGE_TYPES, 'T', 0}},
    .out = {{"output", RANGE_TYPES, 'T', 0}},
    .infer = infer_range,
    .compute = compute_range,
    .batch = maas_batch_range,
};

/* ---- OneHot ---- */

static MaasStatus infer_one_hot(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *known = maas_known(c, 1);
    int64_t dims[MAAS_MAX_RANK], depth = MAAS_DIM_ANY, length;
    int axis;

    MAAS_TRY(maas_infer_scalar(c, 1));
    MAAS_TRY(maas_infer_vector(c, 2, &length));
    MAAS_TRY(maas_infer_equal(c, "the number of values (off, on)", 2, length));
    if (known) {
        depth = maas_int_at(known, 0);
        if (depth < 1)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "depth must be positive, got %lld", (long long)depth);
    }
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_infer_rank(c, in->rank + 1));
    MAAS_TRY(maas_infer_axis(c, c->attr[0].i, in->rank + 1, &axis));
    for (int i = 0; i <= in->rank; i++)
        dims[i] = i < axis ? in->dims[i] : i == axis ? depth : in->dims[i - 1];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank + 1, dims);
}

static MaasStatus compute_one_hot(MaasCtx *c)
{
    const MaasTensor *indices = maas_in(c, 0), *values = maas_in(c, 2);
    MaasTensor *out = maas_out(c, 0);
    int axis = maas_axis(c->attr[0].i, out->rank);
    int64_t depth = out->dims[axis], inner = 1;
    size_t size = maas_type_size(out->type);
    const char *on = (const char *)values->data + size;

    if (out->count == 0)
        return MAAS_OK;
    maas_fill(out->data, values->data, size, out->count);
    for (int i = axis + 1; i < out->rank; i++)
        inner *= out->dims[i];
    for (int64_t i = 0; i < indices->count; i++) {
        int64_t at = maas_int_at(indices, i);

        if (at < 0)
            at += depth;
        if (at >= 0 && at < depth)
            memcpy((char *)out->data + (size_t)((i / inner * depth + at) * inner + i % inner) * size, on, size);
    }
    return MAAS_OK;
}

const MaasOp maas_op_one_hot = {
    .name = "OneHot",
    .first = 9,
    .since = 11,
    .in = {{"indices", MAAS_T_NUMERIC, 0, 0}, {"depth", MAAS_T_NUMERIC, 0, 0}, {"values", MAAS_T_ANY, 'T', 0}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = -1}},
    .infer = infer_one_hot,
    .compute = compute_one_hot,
    .batch = maas_batch_one_hot,
};

/* ---- Constant ---- */

static MaasStatus infer_constant(MaasInferCtx *c)
{
    return maas_infer_fail(c, MAAS_ERR_INTERNAL, "a Constant node was not made an edge by import");
}

const MaasOp maas_op_constant = {
    .name = "Constant",
    .first = 1,
    .since = 13,
    .out = {{"output", MAAS_T_ANY, 0, 0}},
    .attrs = {{"value", MAAS_ATTR_TENSOR, .required = false},
              {"sparse_value", MAAS_ATTR_SPARSE_TENSOR, .required = false},
              {"value_float", MAAS_ATTR_FLOAT, .f = 0},
              {"value_floats", MAAS_ATTR_FLOATS, .required = false},
              {"value_int", MAAS_ATTR_INT, .i = 0},
              {"value_ints", MAAS_ATTR_INTS, .required = false},
              {"value_string", MAAS_ATTR_STRING, .s = ""},
              {"value_strings", MAAS_ATTR_STRINGS, .required = false}},
    .infer = infer_constant,
};
