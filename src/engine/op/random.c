/*
 * random.c - RandomNormal, RandomUniform and their Like forms, Bernoulli, Multinomial.
 *
 * With attribute seed the numbers are the same in every run; without it they differ from call to call.
 */
#include <math.h>
#include <string.h>

#include "../base/rng.h"
#include "dims.h"

static void start(MaasCtx *c, const MaasAttr *seed, MaasRng *rng)
{
    uint32_t bits;

    memcpy(&bits, &seed->f, sizeof bits);
    maas_rng_init(rng, seed->set ? bits : maas_run_seed(c), 0);
}

/* ---- RandomNormal, RandomUniform ---- */

enum { RANDOM_DTYPE, RANDOM_SEED, RANDOM_A, RANDOM_B, RANDOM_SHAPE };

static MaasStatus infer_random(MaasInferCtx *c)
{
    const MaasAttr *shape = &c->attr[RANDOM_SHAPE];
    MaasType type;

    MAAS_TRY(maas_infer_dtype(c, c->attr[RANDOM_DTYPE].i, MAAS_T_FLOATS, &type));
    MAAS_TRY(maas_infer_rank(c, shape->n));
    for (int64_t i = 0; i < shape->n; i++)
        if (shape->ints[i] < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "size %lld of the shape is %lld", (long long)i,
                                   (long long)shape->ints[i]);
    return maas_infer_out(c, 0, type, (int)shape->n, shape->ints);
}

/* The type of the output: attribute dtype, or the input's. */
static MaasStatus infer_random_like(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    MaasType type;

    MAAS_TRY(
        maas_infer_dtype(c, c->attr[RANDOM_DTYPE].set ? c->attr[RANDOM_DTYPE].i : in->type, MAAS_T_FLOATS, &type));
    return maas_infer_out(c, 0, type, in->rank, in->dims);
}

static MaasStatus compute_normal(MaasCtx *c)
{
    MaasTensor *out = maas_out(c, 0);
    double mean = c->attr[RANDOM_A].f, scale = c->attr[RANDOM_B].f;
    MaasRng rng;

    start(c, &c->attr[RANDOM_SEED], &rng);
    for (int64_t i = 0; i < out->count; i++) {
        double x = mean + scale * maas_rng_normal(&rng);

        if (out->type == MAAS_FLOAT)
            MAAS_F32(out)[i] = (float)x;
        else
            MAAS_F64(out)[i] = x;
        if ((i & 0xfffff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

static MaasStatus compute_uniform(MaasCtx *c)
{
    MaasTensor *out = maas_out(c, 0);
    double low = c->attr[RANDOM_A].f, high = c->attr[RANDOM_B].f;
    MaasRng rng;

    start(c, &c->attr[RANDOM_SEED], &rng);
    for (int64_t i = 0; i < out->count; i++) {
        if (out->type == MAAS_FLOAT)
            MAAS_F32(out)[i] = (float)low + (float)(high - low) * maas_rng_float(&rng);
        else
            MAAS_F64(out)[i] = low + (high - low) * maas_rng_double(&rng);
        if ((i & 0xfffff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

#define RANDOM_FLAGS (MAAS_OP_RANDOM | MAAS_OP_HALF_VIA_F32 | MAAS_OP_NO_SLOPE)
#define RANDOM_OUT {{"output", MAAS_T_FLOATS, 0, 0}}
#define NORMAL_ATTRS(dtype)                                                                                        \
    [RANDOM_DTYPE] = {"dtype", MAAS_ATTR_INT, .i = dtype}, [RANDOM_SEED] = {"seed", MAAS_ATTR_FLOAT, .f = 0},      \
    [RANDOM_A] = {"mean", MAAS_ATTR_FLOAT, .f = 0}, [RANDOM_B] = {"scale", MAAS_ATTR_FLOAT, .f = 1}
#define UNIFORM_ATTRS(dtype)                                                                                       \
    [RANDOM_DTYPE] = {"dtype", MAAS_ATTR_INT, .i = dtype}, [RANDOM_SEED] = {"seed", MAAS_ATTR_FLOAT, .f = 0},      \
    [RANDOM_A] = {"low", MAAS_ATTR_FLOAT, .f = 0}, [RANDOM_B] = {"high", MAAS_ATTR_FLOAT, .f = 1}

const MaasOp maas_op_random_normal = {
    .name = "RandomNormal",
    .first = 1,
    .since = 1,
    .flags = RANDOM_FLAGS,
    .out = RANDOM_OUT,
    .attrs = {NORMAL_ATTRS(1), [RANDOM_SHAPE] = {"shape", MAAS_ATTR_INTS, .required = true}},
    .infer = infer_random,
    .compute = compute_normal,
};

const MaasOp maas_op_random_uniform = {
    .name = "RandomUniform",
    .first = 1,
    .since = 1,
    .flags = RANDOM_FLAGS,
    .out = RANDOM_OUT,
    .attrs = {UNIFORM_ATTRS(1), [RANDOM_SHAPE] = {"shape", MAAS_ATTR_INTS, .required = true}},
    .infer = infer_random,
    .compute = compute_uniform,
};

const MaasOp maas_op_random_normal_like = {
    .name = "RandomNormalLike",
    .first = 1,
    .since = 1,
    .flags = RANDOM_FLAGS,
    .in = {{"input", MAAS_T_ANY, 0, 0}},
    .out = RANDOM_OUT,
    .attrs = {NORMAL_ATTRS(0)},
    .infer = infer_random_like,
    .compute = compute_normal,
};

const MaasOp maas_op_random_uniform_like = {
    .name = "RandomUniformLike",
    .first = 1,
    .since = 1,
    .flags = RANDOM_FLAGS,
    .in = {{"input", MAAS_T_ANY, 0, 0}},
    .out = RANDOM_OUT,
    .attrs = {UNIFORM_ATTRS(0)},
    .infer = infer_random_like,
    .compute = compute_uniform,
};

/* ---- Bernoulli ---- */

#define BERNOULLI_TYPES (MAAS_T_NUMERIC | MAAS_T_BOOL)

static MaasStatus infer_bernoulli(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    MaasType type = in->type;

    if (c->attr[RANDOM_DTYPE].set)
        MAAS_TRY(maas_infer_dtype(c, c->attr[RANDOM_DTYPE].i, BERNOULLI_TYPES, &type));
    return maas_infer_out(c, 0, type, in->rank, in->dims);
}

static MaasStatus compute_bernoulli(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    size_t size = maas_type_size(out->type);
    uint64_t one = 0;
    MaasRng rng;

    start(c, &c->attr[RANDOM_SEED], &rng);
    maas_one(out->type, &one);
    if (out->count > 0)
        memset(out->data, 0, maas_tensor_bytes(out));
    for (int64_t i = 0; i < in->count; i++) {
        if (maas_rng_double(&rng) < maas_number_at(in, i))
            memcpy((char *)out->data + (size_t)i * size, &one, size);
        if ((i & 0xfffff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_bernoulli = {
    .name = "Bernoulli",
    .first = 15,
    .since = 15,
    .flags = RANDOM_FLAGS,
    .in = {{"input", MAAS_T_FLOATS, 0, 0}},
    .out = {{"output", BERNOULLI_TYPES, 0, 0}},
    .attrs = {[RANDOM_DTYPE] = {"dtype", MAAS_ATTR_INT, .i = 0}, [RANDOM_SEED] = {"seed", MAAS_ATTR_FLOAT, .f = 0}},
    .infer = infer_bernoulli,
    .compute = compute_bernoulli,
};

/* ---- Multinomial ---- */

enum { MULTI_SAMPLES = 2 };

static MaasStatus infer_multinomial(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t dims[2] = {MAAS_DIM_ANY, c->attr[MULTI_SAMPLES].i};
    MaasType type;

    MAAS_TRY(maas_infer_dtype(c, c->attr[RANDOM_DTYPE].i, MAAS_T_INDEX, &type));
    MAAS_TRY(maas_infer_want_rank(c, 0, 2));
    if (dims[1] < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "sample_size must be positive, got %lld", (long long)dims[1]);
    if (in->rank == 2) {
        dims[0] = in->dims[0];
        if (in->dims[1] == 0)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "there is no class to draw");
    }
    return maas_infer_out(c, 0, type, 2, dims);
}

/* sums[k] = sum of exp(x[i] - max) for i <= k */
static double accumulate(const MaasTensor *x, int64_t from, int64_t n, double *sums)
{
    double max = -INFINITY, sum = 0;

    for (int64_t k = 0; k < n; k++)
        max = fmax(max, maas_number_at(x, from + k));
    for (int64_t k = 0; k < n; k++) {
        double d = maas_number_at(x, from + k) - max;

        sum += d <= 0 ? exp(d) : 0; /* NaN has no share */
        sums[k] = sum;
    }
    return sum;
}

static MaasStatus compute_multinomial(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    int64_t n = in->dims[1], samples = out->dims[1];
    double *sums = maas_scratch(c, (size_t)n, sizeof *sums);
    MaasRng rng;

    if (!sums)
        return c->err->status;
    start(c, &c->attr[RANDOM_SEED], &rng);
    for (int64_t r = 0; r < out->dims[0]; r++) {
        double total = accumulate(in, r * n, n, sums);

        if (!(total > 0))
            return maas_node_fail(c, MAAS_ERR_VALUE, "row %lld gives no class a probability", (long long)r);
        for (int64_t s = 0; s < samples; s++) {
            double x = maas_rng_double(&rng) * total;
            int64_t low = 0, high = n - 1;

            while (low < high) { /* the first class whose sum exceeds x */
                int64_t mid = (low + high) / 2;

                if (sums[mid] > x)
                    high = mid;
                else
                    low = mid + 1;
            }
            if (out->type == MAAS_INT32)
                MAAS_I32(out)[r * samples + s] = (int32_t)low;
            else
                MAAS_I64(out)[r * samples + s] = low;
        }
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_multinomial = {
    .name = "Multinomial",
    .first = 7,
    .since = 7,
    .flags = RANDOM_FLAGS,
    .in = {{"input", MAAS_T_FLOATS, 0, 0}},
    .out = {{"output", MAAS_T_INDEX, 0, 0}},
    .attrs = {[RANDOM_DTYPE] = {"dtype", MAAS_ATTR_INT, .i = 6},
              [RANDOM_SEED] = {"seed", MAAS_ATTR_FLOAT, .f = 0},
              [MULTI_SAMPLES] = {"sample_size", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_multinomial,
    .compute = compute_multinomial,
};
