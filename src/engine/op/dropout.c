/*
 * dropout.c - Dropout: the identity, or in training mode a random choice of elements.
 *
 * With a seed the choice follows numpy: a Mersenne Twister seeded with the attribute, so that a seed gives what the
 * operator's reference implementation gives.  Without one, as in training, it comes from the run's own numbers.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "expect.h"
#include "grad.h"

enum { DROPOUT_SEED, DROPOUT_MASK_AS_DATA };
enum { PIECE = 4096 }; /* elements between two looks at the stop flag: whole blocks of the generator */

/* Below opset 12 the ratio is an attribute and nothing is dropped, unless training turns it on; below 10 the mask
 * has the type of the data. */
static MaasStatus adapt_dropout(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version >= 12)
        return MAAS_OK;
    MAAS_TRY(maas_adapt_attr_to_input(graph, node, "ratio", 1, err));
    maas_adapt_drop_attr(node, "is_test");
    maas_adapt_drop_attr(node, "consumed_inputs");
    if (version < 10 && maas_adapt_has_output(node, 1))
        return maas_adapt_set_int(graph, node, "mask_as_data", 1, err);
    return MAAS_OK;
}

static double number(const MaasTensor *t)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[0] : (double)MAAS_F32(t)[0];
}

static MaasStatus infer_dropout(MaasInferCtx *c)
{
    MAAS_TRY(maas_infer_scalar(c, 1));
    MAAS_TRY(maas_infer_scalar(c, 2));
    MAAS_TRY(maas_infer_out(c, 1, c->attr[DROPOUT_MASK_AS_DATA].i ? c->in[0]->type : MAAS_BOOL, c->in[0]->rank,
                            c->in[0]->dims));
    return maas_infer_same(c);
}

/* ---- MT19937, as numpy.random.seed and numpy.random.uniform use it ---- */

enum { WORDS = 624, MIDDLE = 397 };

typedef struct Twister {
    uint32_t word[WORDS];
    int next;
} Twister;

static void twister_seed(Twister *t, uint32_t seed)
{
    for (uint32_t i = 0; i < WORDS; i++) {
        t->word[i] = seed;
        seed = 1812433253u * (seed ^ seed >> 30) + i + 1;
    }
    t->next = WORDS;
}

static uint32_t twister_next(Twister *t)
{
    uint32_t y;

    if (t->next == WORDS) {
        for (int i = 0; i < WORDS; i++) {
            y = (t->word[i] & 0x80000000u) | (t->word[(i + 1) % WORDS] & 0x7fffffffu);
            t->word[i] = t->word[(i + MIDDLE) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        t->next = 0;
    }
    y = t->word[t->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* In [0, 1), of 53 bits. */
static double twister_uniform(Twister *t)
{
    uint32_t high = twister_next(t) >> 5, low = twister_next(t) >> 6;

    return (high * 67108864.0 + low) / 9007199254740992.0;
}

/* Of a mask that is not of bytes. */
static bool get_mask(const MaasTensor *mask, int64_t i)
{
    return mask->type == MAAS_DOUBLE ? MAAS_F64(mask)[i] != 0 : MAAS_F32(mask)[i] != 0;
}

static void put_mask(MaasTensor *mask, int64_t i, bool kept)
{
    if (!mask)
        return;
    if (mask->type == MAAS_BOOL)
        MAAS_U8(mask)[i] = kept;
    else if (mask->type == MAAS_DOUBLE)
        MAAS_F64(mask)[i] = kept;
    else
        MAAS_F32(mask)[i] = kept;
}

/* y[i] = x[i] * scale where kept, else 0, for n elements from the given one on. */
static void keep(const uint8_t *kept, double scale, const MaasTensor *x, MaasTensor *y, int64_t from, int64_t n)
{
    if (x->type == MAAS_DOUBLE)
        maas_kernel->keep_f64(kept, scale, MAAS_F64(x) + from, MAAS_F64(y) + from, n);
    else
        maas_kernel->keep_f32(kept, (float)scale, MAAS_F32(x) + from, MAAS_F32(y) + from, n);
}

/* The choice of a run, and y. */
static MaasStatus drop(MaasCtx *c, double share)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0), *mask = maas_out(c, 1);
    const uint32_t least = (uint32_t)(share * 0x1p32);
    const bool bytes = mask && mask->type == MAAS_BOOL;
    uint8_t piece[PIECE];
    MaasRng rng;

    maas_rng_init(&rng, maas_run_seed(c), 0);
    for (int64_t i = 0; i < x->count; i += PIECE) {
        int64_t n = x->count - i < PIECE ? x->count - i : PIECE;
        uint8_t *kept = bytes ? MAAS_U8(mask) + i : piece;

        if (maas_stop(c))
            return maas_stopped(c);
        maas_kernel->random_keep(&rng, least, kept, n);
        for (int64_t k = 0; k < n && !bytes; k++)
            put_mask(mask, i + k, kept[k]);
        keep(kept, 1 / (1 - share), x, y, i, n);
    }
    return MAAS_OK;
}

static MaasStatus compute_dropout(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *ratio = maas_in(c, 1), *training = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0), *mask = maas_out(c, 1);
    double share = ratio ? number(ratio) : 0.5;
    Twister twister;

    if (!training || !MAAS_U8(training)[0] || share == 0) {
        if (y->data != x->data && x->count > 0)
            memcpy(y->data, x->data, maas_tensor_bytes(x));
        for (int64_t i = 0; mask && i < x->count; i++)
            put_mask(mask, i, true);
        return MAAS_OK;
    }
    if (!(share >= 0 && share < 1))
        return maas_node_fail(c, MAAS_ERR_VALUE, "the ratio must lie in [0, 1), got %g", share);
    if (!c->attr[DROPOUT_SEED].set)
        return drop(c, share);
    twister_seed(&twister, (uint32_t)(uint64_t)c->attr[DROPOUT_SEED].i);
    for (int64_t i = 0; i < x->count; i++) {
        bool kept = twister_uniform(&twister) >= share;

        if ((i & 0xffff) == 0 && maas_stop(c))
            return maas_stopped(c);
        put_mask(mask, i, kept);
        if (x->type == MAAS_DOUBLE)
            MAAS_F64(y)[i] = kept ? MAAS_F64(x)[i] / (1 - share) : 0;
        else
            MAAS_F32(y)[i] = kept ? (float)((double)MAAS_F32(x)[i] / (1 - share)) : 0;
    }
    return MAAS_OK;
}

/* dx = dy * mask / (1 - ratio) when training, else dy: DropoutGrad sees which. */
static void grad_dropout(MaasGrad *g)
{
    maas_grad_give(g, 0,
                   MAAS_GRAD(g, "DropoutGrad", maas_grad_dy(g, 0), maas_grad_out(g, 1), maas_grad_in(g, 1),
                             maas_grad_in(g, 2)));
}

static MaasStatus compute_dropout_grad(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, 0), *mask = maas_in(c, 1), *ratio = maas_in(c, 2), *training = maas_in(c, 3);
    MaasTensor *dx = maas_out(c, 0);
    double share = !training || !MAAS_U8(training)[0] ? 0 : ratio ? number(ratio) : 0.5, scale = 1 / (1 - share);
    const bool bytes = mask->type == MAAS_BOOL;
    uint8_t piece[PIECE];

    for (int64_t i = 0; i < dx->count; i += PIECE) {
        int64_t n = dx->count - i < PIECE ? dx->count - i : PIECE;

        if (maas_stop(c))
            return maas_stopped(c);
        for (int64_t k = 0; k < n && !bytes; k++)
            piece[k] = get_mask(mask, i + k);
        keep(bytes ? MAAS_U8(mask) + i : piece, scale, dy, dx, i, n);
    }
    return MAAS_OK;
}

const MaasOp maas_op_dropout_grad = {
    .domain = "maas",
    .name = "DropoutGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_INPLACE,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0},
           {"mask", MAAS_T_BOOL | MAAS_T_FLOATS, 0, 0},
           {"ratio", MAAS_T_FLOATS, 0, MAAS_OPTIONAL},
           {"training_mode", MAAS_T_BOOL, 0, MAAS_OPTIONAL}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .infer = maas_infer_same,
    .compute = compute_dropout_grad,
};

const MaasOp maas_op_dropout = {
    .domain = "",
    .name = "Dropout",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32 | MAAS_OP_RANDOM | MAAS_OP_INPLACE,
    .in = {{"data", MAAS_T_FLOATS, 'T', 0},
           {"ratio", MAAS_T_FLOATS, 0, MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"training_mode", MAAS_T_BOOL, 0, MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_FLOATS, 'T', 0}, {"mask", MAAS_T_BOOL | MAAS_T_FLOATS, 0, MAAS_OPTIONAL}},
    .attrs = {{"seed", MAAS_ATTR_INT}, {"mask_as_data", MAAS_ATTR_INT}},
    .adapt = adapt_dropout,
    .infer = infer_dropout,
    .compute = compute_dropout,
    .batch = maas_batch_dropout,
    .grad = grad_dropout,
};
