/*
 * block_product.c - the matrix product of convolutions: pixels by blocks of 16 output channels.
 *
 * Every kind of convolution ends here (block.h tells the layout): the sums of a tile of pixels by one or two blocks
 * of channels stay in registers over the whole depth, the filters are read as vectors, the pixels as scalars that
 * are broadcast.  It differs from the packed product of matrices in that a pixel's values lie in sections, one per
 * block of input channels and tap, and that the output is blocked.
 */
#include "block_vec.h"
#include "kernel.h"
#include "vmath.h"

#if defined(__AVX512F__)
#define PIXELS 14 /* of a tile */
#define BLOCKS 2
#elif defined(__AVX2__)
#define PIXELS 6
#define BLOCKS 1
#else
#define PIXELS 3
#define BLOCKS 1
#endif

/* The activations that need more than a comparison, over n floats. */
void K(block_activate_f32)(const MaasBlockEnd *e, float *y, int64_t n)
{
    switch (e->act) {
    case MAAS_BLOCK_LEAKY:
        for (int64_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? e->p0 * y[i] : y[i];
        break;
    case MAAS_BLOCK_SIGMOID:
        for (int64_t i = 0; i < n; i++)
            y[i] = maas_sigmoidf(y[i]);
        break;
    case MAAS_BLOCK_SILU:
        for (int64_t i = 0; i < n; i++)
            y[i] = y[i] * maas_sigmoidf(y[i]);
        break;
    case MAAS_BLOCK_HARD_SIGMOID:
        for (int64_t i = 0; i < n; i++) {
            float v = maas_madd(e->p0, y[i], e->p1);

            v = v < 0 ? 0 : v;
            y[i] = v > 1 ? 1 : v;
        }
        break;
    case MAAS_BLOCK_HARD_SWISH:
        for (int64_t i = 0; i < n; i++) {
            float v = maas_madd(y[i], 1.0f / 6, 0.5f);

            v = v < 0 ? 0 : v;
            y[i] = y[i] * (v > 1 ? 1 : v);
        }
        break;
    default:
        break;
    }
}

/* acc += n steps of a tile of P pixels by B blocks. */
INLINE void steps(const int P, const int B, const bool rows, int64_t n, const float *x, const float *w,
                  int64_t w_block, Vec acc[PIXELS][BLOCKS * PARTS])
{
    const int64_t pixel = rows ? 1 : MAAS_BLOCK, step = rows ? MAAS_BLOCK : 1;

    for (int64_t k = 0; k < n; k++, x += step, w += MAAS_BLOCK) {
        Vec f[BLOCKS * PARTS];

#pragma GCC unroll 4
        for (int i = 0; i < B * PARTS; i++)
            f[i] = load(w + i / PARTS * w_block + i % PARTS * LANES);
#pragma GCC unroll 14
        for (int p = 0; p < P; p++) {
            Vec v = BROADCAST(x[p * pixel]);

#pragma GCC unroll 4
            for (int i = 0; i < B * PARTS; i++)
                acc[p][i] = FMA(v, f[i], acc[p][i]);
        }
    }
}

/* A tile whose first pixel and block stand at x, w and y; at: elements from g->y to y, which the residual shares.
 */
INLINE void tile(const int P, const int B, const bool rows, const MaasBlockProduct *g, const float *x,
                 const float *w, float *y, int64_t at, const float *bias)
{
    const int64_t len = rows ? g->depth : MAAS_BLOCK;
    Vec acc[PIXELS][BLOCKS * PARTS];
    int64_t left = g->depth;

#pragma GCC unroll 4
    for (int i = 0; i < B * PARTS; i++) {
        Vec zero = {0};
        const Vec from = g->first && bias ? load(bias + i * LANES) : zero;
        const float *row = y + i / PARTS * g->y_block + i % PARTS * LANES;

#pragma GCC unroll 14
        for (int p = 0; p < P; p++)
            acc[p][i] = g->first ? from : load(row + p * MAAS_BLOCK);
    }
    for (; left >= len && left > 0; left -= len, x += g->section, w += len * MAAS_BLOCK)
        steps(P, B, rows, len, x, w, g->w_block, acc);
    if (left > 0)
        steps(P, B, rows, left, x, w, g->w_block, acc);
    if (g->last && g->end.residual) {
#pragma GCC unroll 4
        for (int i = 0; i < B * PARTS; i++) {
            const float *row = g->end.residual + at + i / PARTS * g->y_block + i % PARTS * LANES;

#pragma GCC unroll 14
            for (int p = 0; p < P; p++)
                acc[p][i] += load(row + p * MAAS_BLOCK);
        }
    }
    if (g->last && g->end.act == MAAS_BLOCK_CLIP) {
        const Vec low = BROADCAST(g->end.p0), high = BROADCAST(g->end.p1);

#pragma GCC unroll 4
        for (int i = 0; i < B * PARTS; i++)
#pragma GCC unroll 14
            for (int p = 0; p < P; p++)
                acc[p][i] = MIN(high, MAX(low, acc[p][i])); /* in this order a NaN stays */
    }
#pragma GCC unroll 4
    for (int i = 0; i < B * PARTS; i++)
#pragma GCC unroll 14
        for (int p = 0; p < P; p++)
            store(y + i / PARTS * g->y_block + i % PARTS * LANES + p * MAAS_BLOCK, acc[p][i]);
    if (g->last && g->end.act > MAAS_BLOCK_CLIP)
        for (int b = 0; b < B; b++)
            K(block_activate_f32)(&g->end, y + b * g->y_block, P * MAAS_BLOCK);
}

#define CASE(P)                                                                                                    \
    case P:                                                                                                        \
        if (blocks == BLOCKS)                                                                                      \
            tile(P, BLOCKS, rows, g, x, w, y, at, bias);                                                           \
        else                                                                                                       \
            tile(P, 1, rows, g, x, w, y, at, bias);                                                                \
        break

INLINE void any_tile(int64_t n, int blocks, const bool rows, const MaasBlockProduct *g, const float *x,
                     const float *w, float *y, int64_t at, const float *bias)
{
    switch (n) {
        CASE(1);
        CASE(2);
        CASE(3);
#if PIXELS > 3
        CASE(4);
        CASE(5);
        CASE(6);
#endif
#if PIXELS > 6
        CASE(7);
        CASE(8);
        CASE(9);
        CASE(10);
        CASE(11);
        CASE(12);
        CASE(13);
        CASE(14);
#endif
    default:
        break;
    }
}

/* Blocks [b0, b1) of n pixels; the pixels are cut into tiles of nearly equal size. */
void K(block_product_f32)(const MaasBlockProduct *g, int64_t b0, int64_t b1, int64_t n)
{
    const int64_t count = (n + PIXELS - 1) / PIXELS;

    for (int64_t b = b0; b < b1; b += BLOCKS) {
        const int blocks = b1 - b < BLOCKS ? (int)(b1 - b) : BLOCKS;
        const float *w = g->w + b * g->w_block, *bias = g->end.bias ? g->end.bias + b * MAAS_BLOCK : NULL;

        for (int64_t t = 0; t < count; t++) {
            int64_t p = t * n / count, size = (t + 1) * n / count - p, at = b * g->y_block + p * MAAS_BLOCK;

            if (g->rows)
                any_tile(size, blocks, true, g, g->x + p, w, g->y + at, at, bias);
            else
                any_tile(size, blocks, false, g, g->x + p * MAAS_BLOCK, w, g->y + at, at, bias);
        }
    }
}
