/*
 * block.h - float32 planes whose channels are blocked by 16: what the kernels of convolutions share.
 *
 * A blocked tensor is (N, ceil(C / 16), H, W, 16): the 16 channels of one position are one 64-byte vector, so that
 * windows, pools and transforms work on whole vectors at every CPU level.  Lanes beyond C hold anything; nothing
 * that counts is computed from them.
 */
#ifndef MAAS_KERNEL_BLOCK_H
#define MAAS_KERNEL_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "window.h"

#define MAAS_BLOCK 16

/* Winograd's tiles: of the input, and of the output for windows of 3 or 5. */
#define MAAS_WINOGRAD_IN 6
#define MAAS_WINOGRAD_OUT(kernel) (MAAS_WINOGRAD_IN + 1 - (kernel))
/* Its points of interpolation: 0, p, -p, q, -q, infinity. */
#define MAAS_WINOGRAD_P 0.625f
#define MAAS_WINOGRAD_Q 1.5f

/* What a convolution does with its sums before it stores them. */
typedef enum MaasBlockAct {
    MAAS_BLOCK_IDENTITY,
    MAAS_BLOCK_CLIP,  /* to [p0, p1]; Relu: [0, infinity]; NaN stays */
    MAAS_BLOCK_LEAKY, /* x < 0 ? p0 * x : x */
    MAAS_BLOCK_SIGMOID,
    MAAS_BLOCK_SILU,
    MAAS_BLOCK_HARD_SIGMOID, /* clip(p0 * x + p1, 0, 1) */
    MAAS_BLOCK_HARD_SWISH    /* x * clip(x / 6 + 1/2, 0, 1) */
} MaasBlockAct;

typedef struct MaasBlockEnd {
    const float *bias;     /* per channel, padded to whole blocks; NULL: none */
    const float *residual; /* added before the activation, laid out as y; NULL: none */
    MaasBlockAct act;
    float p0, p1;
} MaasBlockEnd;

/*
 * y[b][p] (blocks, pixels, 16) = sum over k of x[k] of pixel p times w[b][k] (blocks, depth, 16).
 * x holds sections of pixels: section s at x + s * section; within it, pixel p's value of step k is at p * 16 + k
 * (a blocked tensor or a panel of one), or, when rows is set, at k * 16 + p (at most 16 pixels).
 */
typedef struct MaasBlockProduct {
    const float *x, *w;
    float *y;
    int64_t sections, section; /* how many; elements from one to the next */
    int64_t depth; /* steps altogether: sections of 16, the last one of what remains; rows: one section */
    int64_t w_block, y_block; /* elements from one block of channels to the next; bias: 16 */
    bool rows;
    bool first, last; /* first: starts from 0, else from y; last: end is applied */
    MaasBlockEnd end;
} MaasBlockProduct;

/*
 * dw (blocks, depth, 16) += for each output position the input at offset[d] from x times dy (blocks, positions,
 * 16). Input d of the next position in a row stands x_step further on, that of the next row x_row; none is outside.
 */
typedef struct MaasBlockGradient {
    const float *x, *dy;
    const int64_t *offset; /* (depth) */
    float *dw;
    int64_t dy_block, dw_block; /* floats from one block of filters to the next */
    int64_t rows, width;        /* of the positions */
    int64_t x_row, x_step;
} MaasBlockGradient;

#endif
