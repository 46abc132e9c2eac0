/*
 * block_gradient.c - the gradient of a convolution's filters: for each input under a tap and each block of 16
 * filters, the sum over the outputs of that input times what the outputs' gradients are.
 *
 * It is a product of matrices whose long side, the positions of the outputs, is the one that is summed over.  So
 * the sums of a few inputs by one or two blocks of filters stay in registers over all positions, and no matrix of
 * windows is made: an input under another tap is the same plane, read from another place on.
 */
#include "block_vec.h"
#include "kernel.h"

#if defined(__AVX512F__)
#define ROWS 8 /* inputs of a tile */
#define BLOCKS 2
#elif defined(__AVX2__)
#define ROWS 6
#define BLOCKS 1
#else
#define ROWS 3
#define BLOCKS 1
#endif

/* dw += a tile of R inputs, which begin at d, by B blocks of filters. */
INLINE void tile(const int R, const int B, const MaasBlockGradient *g, int64_t b, int64_t d)
{
    const float *dy = g->dy + b * g->dy_block;
    float *dw = g->dw + b * g->dw_block + d * MAAS_BLOCK;
    Vec acc[ROWS][BLOCKS * PARTS];
    int64_t offset[ROWS];

#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
        offset[r] = g->offset[d + r];
#pragma GCC unroll 4
        for (int i = 0; i < B * PARTS; i++)
            acc[r][i] = load(dw + i / PARTS * g->dw_block + r * MAAS_BLOCK + i % PARTS * LANES);
    }
    for (int64_t row = 0; row < g->rows; row++) {
        const float *x = g->x + row * g->x_row;

        for (int64_t p = 0; p < g->width; p++, x += g->x_step, dy += MAAS_BLOCK) {
            Vec f[BLOCKS * PARTS];

#pragma GCC unroll 4
            for (int i = 0; i < B * PARTS; i++)
                f[i] = load(dy + i / PARTS * g->dy_block + i % PARTS * LANES);
#pragma GCC unroll 8
            for (int r = 0; r < R; r++) {
                const Vec v = BROADCAST(x[offset[r]]);

#pragma GCC unroll 4
                for (int i = 0; i < B * PARTS; i++)
                    acc[r][i] = FMA(v, f[i], acc[r][i]);
            }
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
        for (int i = 0; i < B * PARTS; i++)
            store(dw + i / PARTS * g->dw_block + r * MAAS_BLOCK + i % PARTS * LANES, acc[r][i]);
}

#define CASE(R)                                                                                                    \
    case R:                                                                                                        \
        if (blocks == BLOCKS)                                                                                      \
            tile(R, BLOCKS, g, b, d);                                                                              \
        else                                                                                                       \
            tile(R, 1, g, b, d);                                                                                   \
        break

/* Blocks [b0, b1) of filters and inputs [d0, d1). */
void K(block_gradient_f32)(const MaasBlockGradient *g, int64_t b0, int64_t b1, int64_t d0, int64_t d1)
{
    for (int64_t b = b0; b < b1; b += BLOCKS) {
        const int blocks = b1 - b < BLOCKS ? (int)(b1 - b) : BLOCKS;

        for (int64_t d = d0; d < d1; d += ROWS)
            switch (d1 - d < ROWS ? d1 - d : ROWS) {
                CASE(1);
                CASE(2);
                CASE(3);
#if ROWS > 3
                CASE(4);
                CASE(5);
                CASE(6);
#endif
#if ROWS > 6
                CASE(7);
                CASE(8);
#endif
            default:
                break;
            }
    }
}
