/*
 * rotary.c - RotaryEmbedding, and TensorScatter, which writes rows into a cache of keys or values.
 */
#include <string.h>

#include "batch.h"
#include "expect.h"
#include "grad.h"

/* ---- RotaryEmbedding ---- */

enum { RO_X, RO_COS, RO_SIN, RO_POSITIONS };
enum { RO_INTERLEAVED, RO_HEADS, RO_DIM };

#define ROTARY_TYPES (MAAS_T_FLOAT | MAAS_T_HALF)

static MaasStatus infer_rotary(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[RO_X];
    int64_t heads = c->attr[RO_HEADS].i, turned = c->attr[RO_DIM].i, batch, steps, size;

    MAAS_TRY(maas_expect_rank_in(c, RO_X, 3, 4));
    if (x->rank < 0)
        return maas_infer_same(c);
    batch = x->dims[0];
    steps = x->dims[x->rank == 4 ? 2 : 1];
    size = x->dims[x->rank - 1];
    if (x->rank == 3) {
        if (heads < 1 || (size >= 0 && size % heads != 0))
            return maas_infer_fail(c, MAAS_ERR_VALUE,
                                   "the last axis, %lld, cannot be divided into %lld heads (num_heads)",
                                   (long long)size, (long long)heads);
        size = size < 0 ? MAAS_DIM_ANY : size / heads;
    }
    if (turned == 0)
        turned = size;
    if ((size >= 0 && turned > size) || (c->attr[RO_DIM].i != 0 && turned < 0))
        return maas_infer_fail(c, MAAS_ERR_VALUE,
                               "rotary_embedding_dim must lie between 0 and the head size %lld, got %lld",
                               (long long)size, (long long)c->attr[RO_DIM].i);
    if (turned >= 0 && turned % 2 != 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "the part of a head that is turned must be even, got %lld",
                               (long long)turned);
    for (int i = RO_COS; i <= RO_SIN; i++) {
        int64_t cached[] = {batch, steps, turned < 0 ? MAAS_DIM_ANY : turned / 2};

        if (maas_present(c, RO_POSITIONS)) {
            MAAS_TRY(maas_infer_want_rank(c, i, 2));
            MAAS_TRY(maas_expect_dim(c, i, 0, maas_dim(c, RO_COS, 0)));
            MAAS_TRY(maas_expect_dim(c, i, 1, cached[2]));
        } else {
            MAAS_TRY(maas_expect_shape(c, i, 3, cached));
        }
    }
    MAAS_TRY(maas_expect_shape(c, RO_POSITIONS, 2, (const int64_t[]){batch, steps}));
    return maas_infer_same(c);
}

static MaasStatus compute_rotary(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, RO_X), *cosines = maas_in(c, RO_COS), *sines = maas_in(c, RO_SIN);
    const MaasTensor *positions = maas_in(c, RO_POSITIONS);
    MaasTensor *y = maas_out(c, 0);
    bool interleaved = c->attr[RO_INTERLEAVED].i != 0, flat = x->rank == 3;
    int64_t heads = flat ? c->attr[RO_HEADS].i : x->dims[1], steps = x->dims[flat ? 1 : 2];
    int64_t size = flat ? x->dims[2] / heads : x->dims[3], turned = c->attr[RO_DIM].i ? c->attr[RO_DIM].i : size;
    int64_t half = turned / 2;

    if (x->count == 0)
        return MAAS_OK;
    for (int64_t row = 0; row < x->count / size; row++) { /* (batch, steps, heads) or (batch, heads, steps) */
        int64_t step = flat ? row / heads % steps : row % steps, batch = row / heads / steps;
        int64_t at = batch * steps + step;
        const float *from = MAAS_F32(x) + row * size, *cosine, *sine;
        float *to = MAAS_F32(y) + row * size;

        if ((row & 1023) == 0 && maas_stop(c))
            return maas_stopped(c);
        if (positions) {
            at = MAAS_I64(positions)[at];
            if (at < 0 || at >= cosines->dims[0])
                return maas_node_fail(c, MAAS_ERR_VALUE,
                                      "position %lld lies outside the %lld positions of cos_cache", (long long)at,
                                      (long long)cosines->dims[0]);
        }
        cosine = MAAS_F32(cosines) + at * half;
        sine = MAAS_F32(sines) + at * half;
        for (int64_t i = 0; i < half; i++) {
            int64_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + half;
            float real = from[a], imaginary = from[b];

            to[a] = cosine[i] * real - sine[i] * imaginary;
            to[b] = sine[i] * real + cosine[i] * imaginary;
        }
        memcpy(to + turned, from + turned, (size_t)(size - turned) * sizeof *to);
    }
    return MAAS_OK;
}

/* The rotation back: by the opposite angles. */
static void grad_rotary(MaasGrad *g)
{
    int sine = maas_grad_neg(g, maas_grad_in(g, 2));
    int dx = MAAS_GRAD(g, "RotaryEmbedding", maas_grad_dy(g, 0), maas_grad_in(g, 1), sine, maas_grad_in(g, 3));

    maas_grad_copy_attrs(g, 0, 3);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_rotary_embedding = {
    .domain = "",
    .name = "RotaryEmbedding",
    .first = 23,
    .since = 23,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", ROTARY_TYPES, 'T', 0},
           {"cos_cache", ROTARY_TYPES, 'T', MAAS_NO_GRAD},
           {"sin_cache", ROTARY_TYPES, 'T', MAAS_NO_GRAD},
           {"position_ids", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = {{"Y", ROTARY_TYPES, 'T', 0}},
    .attrs = {{"interleaved", MAAS_ATTR_INT},
              {"num_heads", MAAS_ATTR_INT},
              {"rotary_embedding_dim", MAAS_ATTR_INT}},
    .infer = infer_rotary,
    .compute = compute_rotary,
    .grad = grad_rotary,
    .batch = maas_batch_rotary,
};

/* ---- TensorScatter ---- */

enum { TS_AXIS, TS_MODE };

static bool is_circular(const MaasAttr *mode)
{
    return mode->s.length == 8 && memcmp(mode->s.data, "circular", 8) == 0;
}

static MaasStatus infer_tensor_scatter(MaasInferCtx *c)
{
    const MaasInfo *cache = c->in[0], *update = c->in[1];
    int axis;

    if (!is_circular(&c->attr[TS_MODE]) &&
        !(c->attr[TS_MODE].s.length == 6 && memcmp(c->attr[TS_MODE].s.data, "linear", 6) == 0))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mode must be linear or circular");
    if (cache->rank < 0)
        return maas_infer_same(c);
    MAAS_TRY(maas_infer_axis(c, c->attr[TS_AXIS].i, cache->rank, &axis));
    if (axis == 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "the sequence axis cannot be that of the batch");
    MAAS_TRY(maas_infer_want_rank(c, 1, cache->rank));
    for (int i = 0; i < cache->rank; i++)
        if (i != axis)
            MAAS_TRY(maas_expect_dim(c, 1, i, cache->dims[i]));
    if (update->rank >= 0 && cache->dims[axis] >= 0 && update->dims[axis] > cache->dims[axis])
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the update has %lld rows, the cache room for %lld",
                               (long long)update->dims[axis], (long long)cache->dims[axis]);
    MAAS_TRY(maas_expect_vector(c, 2, cache->dims[0]));
    return maas_infer_same(c);
}

static MaasStatus compute_tensor_scatter(MaasCtx *c)
{
    const MaasTensor *cache = maas_in(c, 0), *update = maas_in(c, 1), *indices = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    int axis = (int)(c->attr[TS_AXIS].i < 0 ? c->attr[TS_AXIS].i + cache->rank : c->attr[TS_AXIS].i);
    int64_t rows, fresh, prefix = 1;
    size_t bytes = maas_type_size(cache->type);

    if (cache->count == 0)
        return MAAS_OK;
    memcpy(y->data, cache->data, maas_tensor_bytes(cache));
    rows = cache->dims[axis];
    fresh = update->dims[axis];
    for (int i = 1; i < axis; i++)
        prefix *= cache->dims[i];
    for (int i = axis + 1; i < cache->rank; i++)
        bytes *= (size_t)cache->dims[i];
    for (int64_t b = 0; b < cache->dims[0]; b++) {
        int64_t start = indices ? MAAS_I64(indices)[b] : 0;

        if (maas_stop(c))
            return maas_stopped(c);
        if (start < 0 || (!is_circular(&c->attr[TS_MODE]) && start > rows - fresh))
            return maas_node_fail(c, MAAS_ERR_VALUE,
                                  "write_indices[%lld] is %lld: %lld rows do not fit into %lld from there",
                                  (long long)b, (long long)start, (long long)fresh, (long long)rows);
        start %= rows;
        for (int64_t p = b * prefix; p < (b + 1) * prefix; p++)
            for (int64_t r = 0; r < fresh; r++)
                memcpy((char *)y->data + (size_t)(p * rows + (start + r) % rows) * bytes,
                       (const char *)update->data + (size_t)(p * fresh + r) * bytes, bytes);
    }
    return MAAS_OK;
}

const MaasOp maas_op_tensor_scatter = {
    .domain = "",
    .name = "TensorScatter",
    .first = 24,
    .since = 24,
    .in = {{"past_cache", MAAS_T_ANY, 'T', 0},
           {"update", MAAS_T_ANY, 'T', 0},
           {"write_indices", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = {{"present_cache", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"axis", MAAS_ATTR_INT, .i = -2}, {"mode", MAAS_ATTR_STRING, .s = "linear"}},
    .infer = infer_tensor_scatter,
    .compute = compute_tensor_scatter,
};
