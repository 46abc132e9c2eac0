/*
 * block_move.c - tensors into blocks of 16 channels and out of them, and the panels that convolutions with windows
 * multiply: for each output position the inputs under its window, zero where they lie in the padding.
 */
#include "block_vec.h"
#include "kernel.h"

/* Positions [p0, p1) of x (channels, plane) as y (ceil(channels / 16), plane, 16); lanes beyond the channels: 0. */
void K(block_from_plain_f32)(const float *x, int64_t channels, int64_t plane, int64_t p0, int64_t p1, float *y)
{
    for (int64_t c = 0; c < channels; c += MAAS_BLOCK, y += plane * MAAS_BLOCK) {
        const float *from = x + c * plane;
        const int64_t n = channels - c < MAAS_BLOCK ? channels - c : MAAS_BLOCK;

        for (int64_t p = p0; p < p1; p++) {
            float *to = y + p * MAAS_BLOCK;

            if (n == MAAS_BLOCK) {
#pragma GCC unroll 16
                for (int i = 0; i < MAAS_BLOCK; i++)
                    to[i] = from[i * plane + p];
            } else {
                for (int64_t i = 0; i < MAAS_BLOCK; i++)
                    to[i] = i < n ? from[i * plane + p] : 0;
            }
        }
    }
}

/* The way back: blocks [b0, b1) of x (blocks, plane, 16) into y (channels, plane). */
void K(block_to_plain_f32)(const float *x, int64_t channels, int64_t plane, int64_t b0, int64_t b1, float *y)
{
    enum { RUN = 16 }; /* positions at a time: their lines stay in the first cache */

    for (int64_t b = b0; b < b1; b++) {
        const float *from = x + b * plane * MAAS_BLOCK;
        const int64_t left = channels - b * MAAS_BLOCK, n = left < MAAS_BLOCK ? left : MAAS_BLOCK;

        for (int64_t p = 0; p < plane; p += RUN) {
            const int64_t run = plane - p < RUN ? plane - p : RUN;

            for (int64_t i = 0; i < n; i++) {
                float *to = y + (b * MAAS_BLOCK + i) * plane + p;

                if (run == RUN)
                    for (int64_t q = 0; q < RUN; q++)
                        to[q] = from[(p + q) * MAAS_BLOCK + i];
                else
                    for (int64_t q = 0; q < run; q++)
                        to[q] = from[(p + q) * MAAS_BLOCK + i];
            }
        }
    }
}

/* to (n, 16) = n positions of a row, stride apart; lanes beyond `lanes` become 0. */
INLINE void copy_run(const float *from, int64_t stride, int64_t n, int64_t lanes, float *to)
{
    if (lanes >= MAAS_BLOCK) {
        for (int64_t i = 0; i < n; i++, from += stride * MAAS_BLOCK, to += MAAS_BLOCK)
            memcpy(to, from, MAAS_BLOCK * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < n; i++, from += stride * MAAS_BLOCK, to += MAAS_BLOCK) {
        memcpy(to, from, (size_t)lanes * sizeof *to);
        memset(to + lanes, 0, (size_t)(MAAS_BLOCK - lanes) * sizeof *to);
    }
}

/* Outputs [*from, *to) of an axis whose tap at this shift lies inside the input. */
static void inside(const MaasWindow *w, int axis, int64_t shift, int64_t *from, int64_t *to)
{
    int64_t stride = w->stride[axis], room = w->in[axis] - 1 - shift;

    *from = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    *to = room < 0 ? 0 : room / stride + 1;
    if (*to > w->out[axis])
        *to = w->out[axis];
    if (*from > *to)
        *from = *to;
}

/*
 * Sections [s0, s1) of the panel of output positions [p0, p1): to (sections, p1 - p0, 16), section block * taps +
 * tap.  x (blocks, plane, 16) with `channels` channels; two spatial axes.
 */
void K(block_panel_f32)(const MaasWindow *w, const float *x, int64_t channels, int64_t s0, int64_t s1, int64_t p0,
                        int64_t p1, float *to)
{
    const int64_t taps = w->kernel[0] * w->kernel[1], width = w->out[1], plane = w->in[0] * w->in[1];

    for (int64_t s = s0; s < s1; s++) {
        const int64_t tap = s % taps, block = s / taps, lanes = channels - block * MAAS_BLOCK;
        const int64_t down = tap / w->kernel[1] * w->dilation[0] - w->before[0];
        const int64_t right = tap % w->kernel[1] * w->dilation[1] - w->before[1];
        const float *from = x + block * plane * MAAS_BLOCK;
        int64_t lo, hi;

        inside(w, 1, right, &lo, &hi);
        for (int64_t p = p0; p < p1;) {
            const int64_t row = p / width, begin = p - row * width;
            const int64_t end = begin + (p1 - p) < width ? begin + (p1 - p) : width;
            const int64_t y = row * w->stride[0] + down;
            int64_t a = lo < begin ? begin : lo < end ? lo : end, b = hi > end ? end : hi;

            if (y < 0 || y >= w->in[0] || b < a)
                a = b = end;
            memset(to, 0, (size_t)(a - begin) * MAAS_BLOCK * sizeof *to);
            copy_run(from + (y * w->in[1] + a * w->stride[1] + right) * MAAS_BLOCK, w->stride[1], b - a, lanes,
                     to + (a - begin) * MAAS_BLOCK);
            memset(to + (b - begin) * MAAS_BLOCK, 0, (size_t)(end - b) * MAAS_BLOCK * sizeof *to);
            to += (end - begin) * MAAS_BLOCK;
            p += end - begin;
        }
    }
}

/* Lanes of a block of positions: those from first on, stride (1 or 2) apart. */
INLINE Vec strided(const float *first, int64_t stride)
{
    if (stride == 1)
        return load(first);
#if LANES == 16
    return __builtin_shufflevector(load(first), load(first + LANES), 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
                                   26, 28, 30);
#elif LANES == 8
    return __builtin_shufflevector(load(first), load(first + LANES), 0, 2, 4, 6, 8, 10, 12, 14);
#else
    return __builtin_shufflevector(load(first), load(first + LANES), 0, 2, 4, 6);
#endif
}

/* to (16) = line[first + stride * q] for q in [lo, hi), 0 for the others.  whole: nothing else need be 0. */
INLINE void gather_line(const float *line, int64_t first, int64_t stride, int64_t lo, int64_t hi, bool whole,
                        float *to)
{
    for (int part = 0; part < PARTS; part++) {
        Vec v = strided(line + first + part * LANES * stride, stride);

        if (!whole) {
            VecMask lane;

            for (int i = 0; i < LANES; i++)
                lane[i] = part * LANES + i;
            v = (Vec)((VecMask)v & (lane >= (int32_t)lo) & (lane < (int32_t)hi));
        }
        store(to + part * LANES, v);
    }
}

/*
 * The panel of n <= 16 output positions from p on, all in one row, from x (channels, plane) as it stands: to
 * (channels * taps, 16), the taps in the order of the filters.  Two spatial axes.
 */
void K(block_panel_plain_f32)(const MaasWindow *w, const float *x, int64_t channels, int64_t p, int64_t n,
                              float *to)
{
    const int64_t row = p / w->out[1], begin = p % w->out[1], stride = w->stride[1], width = w->in[1];
    const int64_t plane = w->in[0] * width, all = channels * plane, read = MAAS_BLOCK * stride;

    for (int64_t j = 0; j < w->kernel[1]; j++) {
        const int64_t first = begin * stride + j * w->dilation[1] - w->before[1];
        const int64_t lo = first >= 0 ? 0 : (-first + stride - 1) / stride;
        const int64_t reach = first >= width ? 0 : (width - 1 - first) / stride + 1, hi = reach < n ? reach : n;

        for (int64_t c = 0; c < channels; c++)
            for (int64_t i = 0; i < w->kernel[0]; i++) {
                const int64_t y = row * w->stride[0] + i * w->dilation[0] - w->before[0];
                const int64_t line = c * plane + y * width;
                const bool inside_y = y >= 0 && y < w->in[0] && lo < hi;
                float *at = to + ((c * w->kernel[0] + i) * w->kernel[1] + j) * MAAS_BLOCK;

                if (inside_y && stride <= 2 && line + first >= 0 && line + first + read <= all)
                    gather_line(x + line, first, stride, lo, hi, lo == 0 && hi == n, at);
                else
                    for (int64_t q = 0; q < MAAS_BLOCK; q++)
                        at[q] = inside_y && q >= lo && q < hi ? x[line + first + stride * q] : 0;
            }
    }
}
