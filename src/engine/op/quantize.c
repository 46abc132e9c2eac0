/*
 * quantize.c - QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear.
 *
 * A scale and zero point hold for the whole tensor, for one index of an axis, or for a block of indices of an axis.
 * The tensor is seen as (outer, axis, inner); one scale covers a run of elements, or, when the axis is the last and
 * not blocked, the scales run along with the elements.  Arithmetic is in float32; a quotient that the model wants
 * in float16 or bfloat16 is rounded to it before it is rounded to an integer.
 */
#include <math.h>
#include <string.h>

#include "../base/convert.h"
#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "expect.h"

#define AXIS 0
#define BLOCK_SIZE 1
#define OUTPUT_DTYPE 2
#define SATURATE 3
#define PRECISION 4

#define MAAS_T_QUANTIZED_INTS                                                                                      \
    (MAAS_T(MAAS_INT8) | MAAS_T(MAAS_UINT8) | MAAS_T(MAAS_INT16) | MAAS_T(MAAS_UINT16) | MAAS_T(MAAS_INT4) |       \
     MAAS_T(MAAS_UINT4) | MAAS_T(MAAS_INT2) | MAAS_T(MAAS_UINT2))
#define MAAS_T_QUANTIZED_FLOATS                                                                                    \
    (MAAS_T(MAAS_FLOAT8E4M3FN) | MAAS_T(MAAS_FLOAT8E4M3FNUZ) | MAAS_T(MAAS_FLOAT8E5M2) |                           \
     MAAS_T(MAAS_FLOAT8E5M2FNUZ) | MAAS_T(MAAS_FLOAT4E2M1))
#define MAAS_T_QUANTIZED (MAAS_T_QUANTIZED_INTS | MAAS_T_QUANTIZED_FLOATS)
#define MAAS_T_REAL (MAAS_T_FLOAT | MAAS_T_HALF)

/* ---- shapes ---- */

/* Whether the tensor holds one element, as far as is known. */
static bool is_single(const MaasInfo *info)
{
    for (int d = 0; d < info->rank; d++)
        if (info->dims[d] >= 0 && info->dims[d] != 1)
            return false;
    return true;
}

/* Scale (input 1) and zero point (input 2) against the tensor's shape. */
static MaasStatus check_scale(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0], *scale = c->in[1];
    const int64_t block = c->attr[BLOCK_SIZE].i;
    int axis;

    if (block < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "block_size must not be negative, got %lld", (long long)block);
    if (maas_present(c, 2) && scale->rank >= 0 && !(is_single(scale) && is_single(c->in[2])))
        MAAS_TRY(maas_expect_shape(c, 2, scale->rank, scale->dims));
    if (x->rank < 0 || scale->rank < 0 || (block == 0 && scale->rank == 0))
        return MAAS_OK;
    if (block == 0 && scale->rank == 1 && scale->dims[0] == 1)
        return MAAS_OK;
    MAAS_TRY(maas_infer_axis(c, c->attr[AXIS].i, x->rank, &axis));
    if (block == 0) {
        if (scale->rank != 1)
            return maas_infer_fail(c, MAAS_ERR_SHAPE,
                                   "the scale must be a scalar or a vector without block_size, got rank %d",
                                   scale->rank);
        return maas_infer_equal(c, "length of the scale", x->dims[axis], scale->dims[0]);
    }
    if (scale->rank != x->rank)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "blocked scales must have the tensor's rank %d, got %d", x->rank,
                               scale->rank);
    for (int d = 0; d < x->rank; d++) {
        int64_t want = x->dims[d];

        if (d == axis && want > 0)
            want = (want - 1) / block + 1;
        MAAS_TRY(maas_infer_equal(c, "size of the scale", want, scale->dims[d]));
    }
    return MAAS_OK;
}

static MaasStatus infer_quantize(MaasInferCtx *c)
{
    const int64_t dtype = c->attr[OUTPUT_DTYPE].i, precision = c->attr[PRECISION].i;
    MaasType type = MAAS_UINT8;

    MAAS_TRY(check_scale(c));
    if (precision != 0 && precision != MAAS_FLOAT && precision != MAAS_FLOAT16 && precision != MAAS_BFLOAT16)
        return maas_infer_fail(c, MAAS_ERR_TYPE,
                               "precision names element type %lld, which is none of float, float16, "
                               "bfloat16",
                               (long long)precision);
    if (dtype != 0)
        MAAS_TRY(maas_infer_dtype(c, dtype, MAAS_T_QUANTIZED, &type));
    if (maas_present(c, 2)) {
        if (dtype != 0 && type != c->in[2]->type)
            return maas_infer_fail(c, MAAS_ERR_TYPE, "output_dtype is %s, the zero point's type %s",
                                   maas_type_name(type), maas_type_name(c->in[2]->type));
        type = c->in[2]->type;
    }
    return maas_infer_out(c, 0, type, c->in[0]->rank, c->in[0]->dims);
}

static MaasStatus infer_dequantize(MaasInferCtx *c)
{
    const int64_t dtype = c->attr[OUTPUT_DTYPE].i;
    MaasType type = c->in[1]->type;

    MAAS_TRY(check_scale(c));
    if (dtype != 0)
        MAAS_TRY(maas_infer_dtype(c, dtype, MAAS_T_REAL, &type));
    else if (type == MAAS_FLOAT8E8M0)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "output_dtype must be given when the scale is float8e8m0");
    return maas_infer_out(c, 0, type, c->in[0]->rank, c->in[0]->dims);
}

/* ---- pieces that share a scale ---- */

/* How the scale lies over the tensor; scales and zero points are unpacked to float32 and int32. */
typedef struct Layout {
    int64_t outer, axis, inner;
    int64_t block;  /* indices of the axis that share a scale */
    int64_t scales; /* along the axis */
    bool whole;     /* one scale for all */
    bool per_inner; /* blocked: scales differ along inner, too */
    bool per_outer; /* ... and along outer */
    const float *scale;
    const int32_t *zero;
} Layout;

/* x itself when it is float32, else a copy in scratch memory; NULL when there is none. */
static const float *as_float(MaasCtx *c, const MaasTensor *t)
{
    float *copy;

    if (t->type == MAAS_FLOAT)
        return t->data;
    copy = maas_scratch(c, (size_t)t->count, sizeof *copy);
    if (copy)
        maas_convert(t->type, t->data, MAAS_FLOAT, copy, t->count, NULL);
    return copy;
}

static MaasStatus find_layout(MaasCtx *c, Layout *l)
{
    const MaasTensor *x = maas_in(c, 0), *scale = maas_in(c, 1), *zero = maas_in(c, 2);
    const int axis = x->rank > 0 ? maas_axis(c->attr[AXIS].i, x->rank) : 0;
    const bool blocked = c->attr[BLOCK_SIZE].i > 0;
    int32_t *zeros;

    *l = (Layout){.outer = 1, .axis = 1, .inner = 1, .block = 1};
    l->whole = !blocked && scale->count == 1;
    l->per_inner = l->per_outer = blocked;
    if (l->whole) {
        l->axis = 1;
        l->inner = x->count;
    } else {
        for (int d = 0; d < x->rank; d++)
            *(d < axis ? &l->outer : d == axis ? &l->axis : &l->inner) *= x->dims[d];
        if (blocked)
            l->block = c->attr[BLOCK_SIZE].i;
    }
    l->scales = (l->axis - 1) / l->block + 1;
    l->scale = as_float(c, scale);
    zeros = maas_scratch(c, (size_t)scale->count, sizeof *zeros);
    if (!l->scale || !zeros)
        return maas_scratch_failed(c);
    if (zero && maas_type_in(zero->type, MAAS_T_QUANTIZED_INTS | MAAS_T(MAAS_INT32)))
        maas_convert(zero->type, zero->data, MAAS_INT32, zeros, zero->count, NULL);
    else
        memset(zeros, 0, (size_t)scale->count * sizeof *zeros);
    l->zero = zeros;
    return MAAS_OK;
}

/* Elements at .. at + n; scale and zero of the first, step 1: the following have the following ones. */
typedef void (*RunFn)(void *arg, int64_t at, int64_t n, const float *scale, const int32_t *zero, int64_t step);

/* Calls fn for every run of elements. */
static MaasStatus for_runs(MaasCtx *c, const Layout *l, RunFn fn, void *arg)
{
    const int64_t limit = 65536;

    for (int64_t o = 0; o < l->outer; o++) {
        const int64_t first = l->per_outer ? o * l->scales * l->inner : 0; /* scale */

        if (maas_stop(c))
            return maas_stopped(c);
        if (l->inner == 1 && l->block == 1 && !l->whole) { /* the scales run along with the elements */
            fn(arg, o * l->axis, l->axis, l->scale + first, l->zero + first, 1);
            continue;
        }
        for (int64_t a = 0; a < l->axis;) {
            const int64_t s = first + a / l->block * (l->per_inner ? l->inner : 1);

            if (l->per_inner && l->inner > 1) {
                fn(arg, (o * l->axis + a) * l->inner, l->inner, l->scale + s, l->zero + s, 1);
                a++;
            } else { /* one scale for a block, or for all */
                int64_t end = l->axis - a < l->block ? l->axis : a + l->block;
                int64_t at = (o * l->axis + a) * l->inner, n = (end - a) * l->inner;

                for (; n > 0; at += limit, n -= limit) {
                    if (maas_stop(c))
                        return maas_stopped(c);
                    fn(arg, at, n < limit ? n : limit, l->scale + s, l->zero + s, 0);
                }
                a = end;
            }
        }
    }
    return MAAS_OK;
}

/* ---- QuantizeLinear ---- */

#define CHUNK 512

typedef struct Quantize {
    MaasQuantizeFn fn; /* integers; else NULL */
    MaasType from, to, precision;
    const char *x;
    char *y;
    int32_t low, high;
    MaasCastRules rules;
} Quantize;

/* Rounds to the 16-bit type in which the model wants the quotient. */
static void round_to(MaasType precision, float *v, int64_t n)
{
    uint16_t half[CHUNK];

    if (precision == MAAS_FLOAT)
        return;
    maas_convert(MAAS_FLOAT, v, precision, half, n, NULL);
    maas_convert(precision, half, MAAS_FLOAT, v, n, NULL);
}

static void quantize_run(void *arg, int64_t at, int64_t n, const float *scale, const int32_t *zero, int64_t step)
{
    static const float one = 1;
    const Quantize *job = arg;
    const size_t in_size = maas_type_size(job->from), out_size = maas_type_size(job->to);
    float v[CHUNK];

    if (job->fn && job->from == MAAS_FLOAT && job->precision == MAAS_FLOAT) {
        job->fn((const float *)job->x + at, job->y + (size_t)at * out_size, n, scale, zero, step, job->low,
                job->high);
        return;
    }
    for (int64_t from = 0; from < n; from += CHUNK) {
        const int64_t m = n - from < CHUNK ? n - from : CHUNK;
        char *y = job->y + (size_t)(at + from) * out_size;

        maas_convert(job->from, job->x + (size_t)(at + from) * in_size, MAAS_FLOAT, v, m, NULL);
        for (int64_t i = 0; i < m; i++)
            v[i] /= scale[step ? from + i : 0];
        round_to(job->precision, v, m);
        if (!job->fn) {
            maas_convert(MAAS_FLOAT, v, job->to, y, m, &job->rules);
            continue;
        }
        for (int64_t i = 0; step && i < m; i++)
            job->fn(v + i, y + (size_t)i * out_size, 1, &one, &zero[from + i], 0, job->low, job->high);
        if (!step)
            job->fn(v, y, m, &one, zero, 0, job->low, job->high);
    }
}

static void range_of(MaasType type, int32_t *low, int32_t *high)
{
    const int bits = maas_type_bits(type);
    const bool is_signed = type == MAAS_INT8 || type == MAAS_INT16 || type == MAAS_INT4 || type == MAAS_INT2;

    *low = is_signed ? -(1 << (bits - 1)) : 0;
    *high = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
}

static MaasStatus compute_quantize(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0), *scale = maas_in(c, 1);
    Quantize job = {
        .fn = maas_kernel->quantize(y->type), .from = x->type, .to = y->type, .x = x->data, .y = y->data};
    Layout l;

    if (x->count == 0)
        return MAAS_OK;
    job.precision = c->attr[PRECISION].i ? (MaasType)c->attr[PRECISION].i : scale->type;
    if (!maas_type_in(job.precision, MAAS_T_HALF))
        job.precision = MAAS_FLOAT;
    job.rules.wrap_float8 = c->attr[SATURATE].i == 0;
    range_of(y->type, &job.low, &job.high);
    MAAS_TRY(find_layout(c, &l));
    return for_runs(c, &l, quantize_run, &job);
}

const MaasOp maas_op_quantize_linear = {
    .name = "QuantizeLinear",
    .first = 10,
    .since = 10,
    .in = {{"x", MAAS_T_REAL | MAAS_T(MAAS_INT32), 0, 0},
           {"y_scale", MAAS_T_REAL | MAAS_T(MAAS_INT32) | MAAS_T(MAAS_FLOAT8E8M0), 0, 0},
           {"y_zero_point", MAAS_T_QUANTIZED, 0, MAAS_OPTIONAL}},
    .out = {{"y", MAAS_T_QUANTIZED, 0, 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = 1},
              {"block_size", MAAS_ATTR_INT, .i = 0},
              {"output_dtype", MAAS_ATTR_INT, .i = 0},
              {"saturate", MAAS_ATTR_INT, .i = 1},
              {"precision", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_quantize,
    .compute = compute_quantize,
    .batch = maas_batch_quantize,
};

/* ---- DequantizeLinear ---- */

typedef struct Dequantize {
    MaasDequantizeFn fn;
    MaasType from, to;
    const char *x;
    char *y;
} Dequantize;

static void dequantize_run(void *arg, int64_t at, int64_t n, const float *scale, const int32_t *zero, int64_t step)
{
    const Dequantize *job = arg;
    const size_t in_size = maas_type_size(job->from), out_size = maas_type_size(job->to);
    const bool small_float = maas_type_in(job->from, MAAS_T_QUANTIZED_FLOATS);
    float v[CHUNK], wide[CHUNK];

    for (int64_t from = 0; from < n; from += CHUNK) {
        const int64_t m = n - from < CHUNK ? n - from : CHUNK, s = step ? from : 0;
        const void *x = job->x + (size_t)(at + from) * in_size;
        char *y = job->y + (size_t)(at + from) * out_size;

        if (small_float) {
            maas_convert(job->from, x, MAAS_FLOAT, wide, m, NULL);
            x = wide;
        }
        job->fn(x, job->to == MAAS_FLOAT ? (float *)y : v, m, scale + s, zero + s, step);
        if (job->to != MAAS_FLOAT)
            maas_convert(MAAS_FLOAT, v, job->to, y, m, NULL);
    }
}

static MaasStatus compute_dequantize(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    const bool small_float = maas_type_in(x->type, MAAS_T_QUANTIZED_FLOATS);
    Dequantize job = {.fn = maas_kernel->dequantize(small_float ? MAAS_FLOAT : x->type),
                      .from = x->type,
                      .to = y->type,
                      .x = x->data,
                      .y = y->data};
    Layout l;

    if (x->count == 0)
        return MAAS_OK;
    MAAS_TRY(find_layout(c, &l));
    return for_runs(c, &l, dequantize_run, &job);
}

const MaasOp maas_op_dequantize_linear = {
    .name = "DequantizeLinear",
    .first = 10,
    .since = 10,
    .in = {{"x", MAAS_T_QUANTIZED | MAAS_T(MAAS_INT32), 'T', 0},
           {"x_scale", MAAS_T_REAL | MAAS_T(MAAS_FLOAT8E8M0), 0, 0},
           {"x_zero_point", MAAS_T_QUANTIZED | MAAS_T(MAAS_INT32), 'T', MAAS_OPTIONAL}},
    .out = {{"y", MAAS_T_REAL, 0, 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = 1},
              {"block_size", MAAS_ATTR_INT, .i = 0},
              {"output_dtype", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_dequantize,
    .compute = compute_dequantize,
    .batch = maas_batch_quantize,
};

/* ---- DynamicQuantizeLinear: scale and zero point from the range of the input, which is made to hold 0 ---- */

static MaasStatus infer_dynamic_quantize(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_out(c, 0, MAAS_UINT8, c->in[0]->rank, c->in[0]->dims));
    MAAS_TRY(maas_infer_out(c, 1, MAAS_FLOAT, 0, NULL));
    return maas_infer_out(c, 2, MAAS_UINT8, 0, NULL);
}

static MaasStatus compute_dynamic_quantize(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0), *out_scale = maas_out(c, 1),
                     *out_zero = maas_out(c, 2);
    float low = 0, high = 0, scale, zero;
    int32_t z;

    if (x->count > 0) {
        maas_kernel->reduce(MAAS_RED_MIN, MAAS_FLOAT)(x->data, &low, 1, x->count, 1);
        maas_kernel->reduce(MAAS_RED_MAX, MAAS_FLOAT)(x->data, &high, 1, x->count, 1);
    }
    low = low < 0 ? low : 0;
    high = high > 0 ? high : 0;
    scale = (high - low) / 255.0f;
    zero = scale > 0 ? 0.0f - low / scale : 0;
    zero = zero > 0 ? zero : 0;
    z = (int32_t)rintf(zero < 255 ? zero : 255);
    if (out_scale)
        *MAAS_F32(out_scale) = scale;
    if (out_zero)
        *MAAS_U8(out_zero) = (uint8_t)z;
    scale = scale > 0 ? scale : 1; /* all elements are 0 */
    if (y)
        for (int64_t at = 0; at < x->count; at += 65536) {
            if (maas_stop(c))
                return maas_stopped(c);
            maas_kernel->quantize(MAAS_UINT8)(MAAS_F32(x) + at, MAAS_U8(y) + at,
                                              x->count - at < 65536 ? x->count - at : 65536, &scale, &z, 0, 0, 255);
        }
    return MAAS_OK;
}

const MaasOp maas_op_dynamic_quantize_linear = {
    .name = "DynamicQuantizeLinear",
    .first = 11,
    .since = 11,
    .in = {{"x", MAAS_T_FLOAT, 0, 0}},
    .out = {{"y", MAAS_T(MAAS_UINT8), 0, 0},
            {"y_scale", MAAS_T_FLOAT, 0, 0},
            {"y_zero_point", MAAS_T(MAAS_UINT8), 0, 0}},
    .infer = infer_dynamic_quantize,
    .compute = compute_dynamic_quantize,
};
