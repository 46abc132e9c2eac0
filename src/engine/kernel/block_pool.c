/*
 * block_pool.c - windows over planes whose channels are blocked by 16: depthwise convolution and pools.
 *
 * One row of outputs at a time, all 16 channels of a position together; windows have two spatial axes.
 */
#include <math.h>

#include "block_vec.h"
#include "kernel.h"

enum { RUN = 4 }; /* positions whose sums stay in registers */

/* Taps [*from, *to) of the window at output o that lie inside the input on an axis. */
INLINE void taps_inside(const MaasWindow *w, int axis, int64_t o, int64_t *from, int64_t *to)
{
    const int64_t begin = o * w->stride[axis] - w->before[axis], d = w->dilation[axis];
    const int64_t room = w->in[axis] - 1 - begin;

    *from = begin >= 0 ? 0 : (-begin + d - 1) / d;
    *to = room < 0 ? 0 : room / d + 1;
    if (*to > w->kernel[axis])
        *to = w->kernel[axis];
    if (*from > *to)
        *from = *to;
}

/* Outputs [*from, *to) of the row's axis whose whole window lies inside the input. */
static void whole_windows(const MaasWindow *w, int64_t *from, int64_t *to)
{
    const int64_t stride = w->stride[1], reach = (w->kernel[1] - 1) * w->dilation[1];
    const int64_t room = w->in[1] - 1 - reach + w->before[1];

    *from = (w->before[1] + stride - 1) / stride;
    *to = room < 0 ? 0 : room / stride + 1;
    if (*to > w->out[1])
        *to = w->out[1];
    if (*from > *to)
        *from = *to;
}

typedef struct Row {
    const MaasWindow *w;
    const float *x;       /* of the block */
    const float *weights; /* depthwise */
    int64_t i0, i1;       /* taps inside on the first axis */
    int64_t top;          /* where the first of all taps stands there */
} Row;

typedef enum Kind { SUM, PRODUCT, LARGEST } Kind;

/* acc (n) = what the windows of n neighbouring outputs give together with acc, taps [j0, j1) of each row. */
INLINE void gather(const Row *r, Kind kind, const int n, int64_t o, int64_t j0, int64_t j1, int part, Vec *acc)
{
    const MaasWindow *w = r->w;
    const int64_t apart = w->stride[1] * MAAS_BLOCK, left = o * w->stride[1] - w->before[1];

    for (int64_t i = r->i0; i < r->i1; i++) {
        const float *line = r->x + ((r->top + i * w->dilation[0]) * w->in[1] + left) * MAAS_BLOCK + part * LANES;

        for (int64_t j = j0; j < j1; j++) {
            const float *at = line + j * w->dilation[1] * MAAS_BLOCK;
            const Vec zero = {0};
            const Vec f =
                kind == PRODUCT ? load(r->weights + (i * w->kernel[1] + j) * MAAS_BLOCK + part * LANES) : zero;

#pragma GCC unroll 4
            for (int q = 0; q < n; q++) {
                const Vec v = load(at + q * apart);

                if (kind == PRODUCT)
                    acc[q] = FMA(v, f, acc[q]);
                else if (kind == SUM)
                    acc[q] += v;
                else
                    acc[q] = maas_vec_select(acc[q] != acc[q], acc[q], MAX(acc[q], v)); /* NaN wins */
            }
        }
    }
}

/* Runs fn-like loops over a row: whole windows RUN at a time, the others one by one. */
#define EACH_RUN(o, n, j0, j1, body)                                                                               \
    do {                                                                                                           \
        int64_t lo_, hi_;                                                                                          \
        whole_windows(w, &lo_, &hi_);                                                                              \
        for (int64_t o = 0; o < w->out[1];) {                                                                      \
            int64_t j0 = 0, j1 = w->kernel[1];                                                                     \
            if (o >= lo_ && o + RUN <= hi_) {                                                                      \
                enum { n = RUN };                                                                                  \
                body;                                                                                              \
                o += RUN;                                                                                          \
            } else {                                                                                               \
                enum { n = 1 };                                                                                    \
                taps_inside(w, 1, o, &j0, &j1);                                                                    \
                body;                                                                                              \
                o++;                                                                                               \
            }                                                                                                      \
        }                                                                                                          \
    } while (0)

static Row row_of(const MaasWindow *w, const float *x, const float *weights, int64_t row)
{
    Row r = {.w = w, .x = x, .weights = weights, .top = row * w->stride[0] - w->before[0]};

    taps_inside(w, 0, row, &r.i0, &r.i1);
    return r;
}

/* Row `row` of the output of one block: y (out_w, 16); weights (taps, 16). */
void K(block_depthwise_f32)(const MaasWindow *w, const float *x, const float *weights, int64_t row,
                            const MaasBlockEnd *end, float *y)
{
    const Row r = row_of(w, x, weights, row);

    for (int part = 0; part < PARTS; part++) {
        const Vec zero = {0}, low = BROADCAST(end->p0), high = BROADCAST(end->p1);
        const Vec bias = end->bias ? load(end->bias + part * LANES) : zero;

        EACH_RUN(o, n, j0, j1, {
            Vec acc[n];

            for (int q = 0; q < n; q++)
                acc[q] = bias;
            gather(&r, PRODUCT, n, o, j0, j1, part, acc);
            for (int q = 0; q < n; q++) {
                const int64_t at = (o + q) * MAAS_BLOCK + part * LANES;

                if (end->residual)
                    acc[q] += load(end->residual + at);
                if (end->act == MAAS_BLOCK_CLIP)
                    acc[q] = MIN(high, MAX(low, acc[q]));
                store(y + at, acc[q]);
            }
        });
    }
    if (end->act > MAAS_BLOCK_CLIP)
        K(block_activate_f32)(end, y, w->out[1] * MAAS_BLOCK);
}

/* The largest of each window; NaN when it holds one. */
void K(block_max_pool_f32)(const MaasWindow *w, const float *x, int64_t row, float *y)
{
    const Row r = row_of(w, x, NULL, row);

    for (int part = 0; part < PARTS; part++)
        EACH_RUN(o, n, j0, j1, {
            Vec acc[n];

            for (int q = 0; q < n; q++)
                acc[q] = BROADCAST(-INFINITY);
            gather(&r, LARGEST, n, o, j0, j1, part, acc);
            for (int q = 0; q < n; q++)
                store(y + (o + q) * MAAS_BLOCK + part * LANES, acc[q]);
        });
}

/* The mean of what each window holds; 0 when it holds nothing. */
void K(block_average_pool_f32)(const MaasWindow *w, const float *x, int64_t row, float *y)
{
    const Row r = row_of(w, x, NULL, row);

    for (int part = 0; part < PARTS; part++)
        EACH_RUN(o, n, j0, j1, {
            const int64_t taps = (r.i1 - r.i0) * (j1 - j0);
            const Vec count = BROADCAST((float)(taps ? taps : 1));
            Vec acc[n];

            for (int q = 0; q < n; q++)
                acc[q] = BROADCAST(0.0f);
            gather(&r, SUM, n, o, j0, j1, part, acc);
            for (int q = 0; q < n; q++)
                store(y + (o + q) * MAAS_BLOCK + part * LANES, acc[q] / count);
        });
}

/* The mean of one plane of a block: y (16).  Sums of 64 positions first, so that large planes keep their digits. */
void K(block_mean_f32)(const float *x, int64_t plane, float *y)
{
    enum { TOGETHER = 64 };

    for (int part = 0; part < PARTS; part++) {
        const Vec n = BROADCAST((float)plane);
        Vec sum = {0};

        for (int64_t p = 0; p < plane; p += TOGETHER) {
            const int64_t end = plane - p < TOGETHER ? plane : p + TOGETHER;
            Vec a = {0};

            for (int64_t q = p; q < end; q++)
                a += load(x + q * MAAS_BLOCK + part * LANES);
            sum += a;
        }
        store(y + part * LANES, sum / n);
    }
}
