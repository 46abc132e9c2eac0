/*
 * winograd.c - the transforms of Winograd's convolutions F(4x4, 3x3) and F(2x2, 5x5): 16 or 4 outputs from 36
 * products instead of 144 or 100; and of their filters' gradients, F(3x3, 4x4) and F(5x5, 2x2).
 *
 * Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015; interpolation at 0, 5/8, -5/8,
 * 3/2, -3/2 and infinity, whose errors are a quarter of those of the paper's points.  Y = A' [(G g G') * (B' d B)]
 * A: input tiles d (6, 6) overlap, each of the 36 places is a matrix product over the channels (block_product.c),
 * outputs come in tiles.  B follows from the points alone, and so it is the same for all sizes of windows and
 * outputs that add up to 7.  Constant filters are transformed when they are packed (op/conv_block_pack.c), in
 * float64.  A filter's gradient is the convolution of an input tile with a tile of the outputs' gradients, summed
 * over the tiles (block_gradient.c) before it is transformed back.
 */
#include <float.h>

#include "block_vec.h"
#include "kernel.h"

enum { IN = MAAS_WINOGRAD_IN };

/* The points of interpolation besides 0 and infinity, and their powers; exact in float32. */
#define P MAAS_WINOGRAD_P
#define Q MAAS_WINOGRAD_Q
#define P2 (P * P)
#define Q2 (Q * Q)

/* to = B' from, for one row or column of a tile; elements stand step apart. */
INLINE void input_1d(const Vec *from, int step, Vec *to, int to_step)
{
    const Vec d0 = from[0], d1 = from[step], d2 = from[2 * step], d3 = from[3 * step], d4 = from[4 * step],
              d5 = from[5 * step];
    const Vec p2 = BROADCAST(-P2), q2 = BROADCAST(-Q2), product = BROADCAST(P2 * Q2), sum = BROADCAST(-(P2 + Q2));
    const Vec a = FMA(q2, d2, d4), b = BROADCAST(P) * FMA(q2, d1, d3);
    const Vec c = FMA(p2, d2, d4), e = BROADCAST(Q) * FMA(p2, d1, d3);

    to[0] = FMA(sum, d2, FMA(product, d0, d4));
    to[to_step] = a + b;
    to[2 * to_step] = a - b;
    to[3 * to_step] = c + e;
    to[4 * to_step] = c - e;
    to[5 * to_step] = FMA(sum, d3, FMA(product, d1, d5));
}

/* to (out) = A' from: the polynomial's values at the points, back to coefficients of its powers. */
INLINE void output_1d(const int out, const Vec *from, int step, Vec *to, int to_step)
{
    const Vec m0 = from[0], m1 = from[step], m2 = from[2 * step], m3 = from[3 * step], m4 = from[4 * step],
              m5 = from[5 * step];
    const Vec a = m1 + m2, b = m1 - m2, c = m3 + m4, e = m3 - m4;

    to[0] = m0 + a + c;
    to[to_step] = FMA(BROADCAST(Q), e, BROADCAST(P) * b);
    if (out > 2)
        to[2 * to_step] = FMA(BROADCAST(Q2), c, BROADCAST(P2) * a);
    if (out > 3)
        to[3 * to_step] = FMA(BROADCAST(Q2 * Q), e, BROADCAST(P2 * P) * b);
    if (out > 4)
        to[4 * to_step] = FMA(BROADCAST(Q2 * Q2), c, BROADCAST(P2 * P2) * a);
    to[(out - 1) * to_step] += m5;
}

/* to (6) = G from (n): values of the polynomial with these coefficients at the points, each divided by the product
 * of its distances from the others. */
INLINE void filter_1d(const int n, const Vec *from, int step, Vec *to, int to_step)
{
    const float p = 1 / (2 * P2 * (P2 - Q2)), q = 1 / (2 * Q2 * (Q2 - P2));
    const Vec last = from[(n - 1) * step];
    Vec a = BROADCAST(p) * from[0], b = BROADCAST(p * P) * from[step];
    Vec c = BROADCAST(q) * from[0], e = BROADCAST(q * Q) * from[step];

    if (n > 2) {
        a = FMA(BROADCAST(p * P2), from[2 * step], a);
        c = FMA(BROADCAST(q * Q2), from[2 * step], c);
    }
    if (n > 3) {
        b = FMA(BROADCAST(p * P2 * P), from[3 * step], b);
        e = FMA(BROADCAST(q * Q2 * Q), from[3 * step], e);
    }
    if (n > 4) {
        a = FMA(BROADCAST(p * P2 * P2), from[4 * step], a);
        c = FMA(BROADCAST(q * Q2 * Q2), from[4 * step], c);
    }
    to[0] = BROADCAST(1 / (P2 * Q2)) * from[0];
    to[to_step] = a + b;
    to[2 * to_step] = a - b;
    to[3 * to_step] = c + e;
    to[4 * to_step] = c - e;
    to[5 * to_step] = last;
}

/* Whether the sums of squares show numbers that the transforms leave where they are: finite, none above 10^18. */
INLINE bool tame(Vec squares)
{
    for (int i = 0; i < LANES; i++)
        if (!(squares[i] <= FLT_MAX))
            return false;
    return true;
}

/*
 * Tiles [t0, t0 + n) of one block of x (in_h, in_w, 16): to (n, 16), and so again for each of the 36 places of a
 * tile, `place` elements apart.  Tiles are numbered along rows of `across`.  False: an input is not finite, or so
 * large (above 10^18) that it might overflow; the products would then spread it over outputs that do not see it.
 */
bool K(winograd_input_f32)(const MaasWindow *w, const float *x, int64_t across, int64_t t0, int64_t n, float *to,
                           int64_t place)
{
    const int64_t height = w->in[0], width = w->in[1], line = width * MAAS_BLOCK;
    const int64_t out_down = MAAS_WINOGRAD_OUT(w->kernel[0]), out_right = MAAS_WINOGRAD_OUT(w->kernel[1]);
    Vec squares = {0};

    for (int64_t t = 0; t < n; t++) {
        const int64_t top = (t0 + t) / across * out_down - w->before[0];
        const int64_t left = (t0 + t) % across * out_right - w->before[1];
        const bool whole = top >= 0 && left >= 0 && top + IN <= height && left + IN <= width;
        const float *tile = x + top * line + left * MAAS_BLOCK;
        float *out = to + t * MAAS_BLOCK;

        for (int part = 0; part < PARTS; part++) {
            Vec d[IN * IN], v[IN * IN];

            for (int i = 0; i < IN; i++)
                for (int j = 0; j < IN; j++) {
                    const Vec zero = {0};
                    const bool in =
                        whole || (top + i >= 0 && top + i < height && left + j >= 0 && left + j < width);

                    d[i * IN + j] = in ? load(tile + i * line + j * MAAS_BLOCK + part * LANES) : zero;
                    squares = FMA(d[i * IN + j], d[i * IN + j], squares);
                }
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++)
                input_1d(d + j, IN, v + j, IN);
#pragma GCC unroll 6
            for (int i = 0; i < IN; i++)
                input_1d(v + i * IN, 1, d + i * IN, 1);
            for (int i = 0; i < IN * IN; i++)
                store(out + i * place + part * LANES, d[i]);
        }
    }
    return tame(squares);
}

/*
 * The same of tiles of the outputs' gradients, as filters of the inputs, or of filters: x (out_h, out_w, 16), tiles
 * of OUT (n, n).
 */
INLINE bool filters(const int n, const MaasWindow *w, const float *x, int64_t across, int64_t t0, int64_t tiles,
                    float *to, int64_t place)
{
    const int64_t height = w->out[0], width = w->out[1], line = width * MAAS_BLOCK;
    Vec squares = {0};

    for (int64_t t = 0; t < tiles; t++) {
        const int64_t top = (t0 + t) / across * n, left = (t0 + t) % across * n;
        const float *tile = x + top * line + left * MAAS_BLOCK;
        float *out = to + t * MAAS_BLOCK;

        for (int part = 0; part < PARTS; part++) {
            Vec d[5 * 5], v[IN * 5], u[IN * IN];

#pragma GCC unroll 5
            for (int i = 0; i < n; i++)
#pragma GCC unroll 5
                for (int j = 0; j < n; j++) {
                    const Vec zero = {0};
                    const bool in = top + i < height && left + j < width;

                    d[i * n + j] = in ? load(tile + i * line + j * MAAS_BLOCK + part * LANES) : zero;
                    squares = FMA(d[i * n + j], d[i * n + j], squares);
                }
#pragma GCC unroll 5
            for (int j = 0; j < n; j++)
                filter_1d(n, d + j, n, v + j, n);
#pragma GCC unroll 6
            for (int i = 0; i < IN; i++)
                filter_1d(n, v + i * n, 1, u + i * IN, 1);
            for (int i = 0; i < IN * IN; i++)
                store(out + i * place + part * LANES, u[i]);
        }
    }
    return tame(squares);
}

bool K(winograd_filters_f32)(const MaasWindow *w, const float *x, int64_t across, int64_t t0, int64_t n, float *to,
                             int64_t place)
{
    switch (MAAS_WINOGRAD_OUT(w->kernel[0])) {
    case 2:
        return filters(2, w, x, across, t0, n, to, place);
    case 3:
        return filters(3, w, x, across, t0, n, to, place);
    case 4:
        return filters(4, w, x, across, t0, n, to, place);
    default:
        return filters(5, w, x, across, t0, n, to, place);
    }
}

/* y (out_h, out_w, 16) of tiles of one block, OUT (out, out) each, from the products, laid out like the inputs; end
 * begins at the block's bias and residual. */
INLINE void output(const int out, const MaasWindow *w, const float *from, int64_t place, int64_t across, int64_t t0,
                   int64_t n, const MaasBlockEnd *end, float *y)
{
    const int64_t height = w->out[0], width = w->out[1], line = width * MAAS_BLOCK;

    for (int64_t t = 0; t < n; t++) {
        const int64_t top = (t0 + t) / across * out, left = (t0 + t) % across * out;
        const int64_t rows = height - top < out ? height - top : out;
        const int64_t cols = width - left < out ? width - left : out;
        const int64_t at = top * line + left * MAAS_BLOCK;
        const float *in = from + t * MAAS_BLOCK;

        for (int part = 0; part < PARTS; part++) {
            const Vec zero = {0}, low = BROADCAST(end->p0), high = BROADCAST(end->p1);
            const Vec bias = end->bias ? load(end->bias + part * LANES) : zero;
            Vec m[IN * IN], v[5 * IN], sums[5 * 5];

            for (int i = 0; i < IN * IN; i++)
                m[i] = load(in + i * place + part * LANES);
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++)
                output_1d(out, m + j, IN, v + j, IN);
#pragma GCC unroll 5
            for (int i = 0; i < out; i++)
                output_1d(out, v + i * IN, 1, sums + i * out, 1);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < cols; j++) {
                    const int64_t place_of = at + i * line + j * MAAS_BLOCK + part * LANES;
                    Vec s = sums[i * out + j] + bias;

                    if (end->residual)
                        s += load(end->residual + place_of);
                    if (end->act == MAAS_BLOCK_CLIP)
                        s = MIN(high, MAX(low, s));
                    store(y + place_of, s);
                }
        }
        if (end->act > MAAS_BLOCK_CLIP)
            for (int64_t i = 0; i < rows; i++)
                K(block_activate_f32)(end, y + at + i * line, cols * MAAS_BLOCK);
    }
}

void K(winograd_output_f32)(const MaasWindow *w, const float *from, int64_t place, int64_t across, int64_t t0,
                            int64_t n, const MaasBlockEnd *end, float *y)
{
    switch (MAAS_WINOGRAD_OUT(w->kernel[0])) {
    case 2:
        output(2, w, from, place, across, t0, n, end, y);
        break;
    case 3:
        output(3, w, from, place, across, t0, n, end, y);
        break;
    case 4:
        output(4, w, from, place, across, t0, n, end, y);
        break;
    default:
        output(5, w, from, place, across, t0, n, end, y);
    }
}
