/*
 * window.c - sliding windows over planes: the matrix of windows for convolutions, pools, depthwise convolution.
 *
 * Any number of spatial axes; work is done in runs along the last one.
 */
#include <math.h>
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "kernel.h"
#include "window.h"

static int64_t positions(const MaasWindow *w)
{
    int64_t n = 1;

    for (int i = 0; i < w->n; i++)
        n *= w->out[i];
    return n;
}

/* Steps an index over the first n axes, the last of them fastest. */
static inline void next_index(int n, const int64_t *dims, int64_t *index)
{
    for (int i = n - 1; i >= 0 && ++index[i] >= dims[i]; i--)
        index[i] = 0;
}

static void index_at(int n, const int64_t *dims, int64_t at, int64_t *index)
{
    for (int i = n - 1; i >= 0; i--) {
        index[i] = at % dims[i];
        at /= dims[i];
    }
}

/* Where the input row of window o and tap t begins; false when it lies in the padding (all axes but the last). */
static inline bool outer_offset(const MaasWindow *w, const int64_t *o, const int64_t *t, int64_t *offset)
{
    int64_t at = 0;

    for (int i = 0; i < w->n - 1; i++) {
        int64_t q = o[i] * w->stride[i] + t[i] * w->dilation[i] - w->before[i];

        if (q < 0 || q >= w->in[i])
            return false;
        at = (at + q) * w->in[i + 1];
    }
    *offset = at;
    return true;
}

/* Outputs [from, to) of an axis whose tap at this shift lies inside the input. */
static inline void reach(const MaasWindow *w, int axis, int64_t shift, int64_t *from, int64_t *to)
{
    int64_t stride = w->stride[axis], room = w->in[axis] - 1 - shift;

    *from = shift >= 0 ? 0 : stride == 1 ? -shift : (-shift + stride - 1) / stride;
    *to = room < 0 ? 0 : stride == 1 ? room + 1 : room / stride + 1;
    if (*to > w->out[axis])
        *to = w->out[axis];
}

/* Taps of window o that lie inside the input, or inside the padded input. */
static int64_t taps_inside(const MaasWindow *w, int axis, int64_t o, bool padded)
{
    int64_t begin = o * w->stride[axis] - w->before[axis], d = w->dilation[axis];
    int64_t least = padded ? -w->before[axis] - w->start[axis] * w->stride[axis] : 0;
    int64_t most = w->in[axis] - 1 + (padded ? w->after[axis] : 0);
    int64_t first = begin >= least ? 0 : (least - begin + d - 1) / d;
    int64_t end = begin > most ? 0 : (most - begin) / d + 1;

    if (end > w->kernel[axis])
        end = w->kernel[axis];
    return end > first ? end - first : 0;
}

/* Whether the windows are pairs of pairs that lie side by side, as in most networks. */
static inline bool are_pairs(const MaasWindow *w)
{
    bool pairs = w->n == 2;

    for (int i = 0; i < 2 && pairs; i++)
        pairs = w->kernel[i] == 2 && w->stride[i] == 2 && w->dilation[i] == 1 && w->before[i] == 0 &&
                w->out[i] <= w->in[i] / 2;
    return pairs;
}

#ifdef __FMA__
#define MADD_F32 __builtin_fmaf
#define MADD_F64 __builtin_fma
#else
#define MADD_F32(a, b, c) ((a) * (b) + (c))
#define MADD_F64(a, b, c) ((a) * (b) + (c))
#endif

#define T float
#define NAME(x) x##_f32
#define SINGLE
#define READ
#define WRITTEN
#define REAL
#define POOLED
#define IS_NAN(v) ((v) != (v))
#define MADD MADD_F32
#define ABS fabsf
#define POW powf
#define SQRT sqrtf
#include "window.inc"

#define T double
#define NAME(x) x##_f64
#define READ
#define WRITTEN
#define REAL
#define POOLED
#define IS_NAN(v) ((v) != (v))
#define MADD MADD_F64
#define ABS fabs
#define POW pow
#define SQRT sqrt
#include "window.inc"

#define T uint8_t
#define NAME(x) x##_u8
#define READ
#define WRITTEN
#define POOLED
#define IS_NAN(v) false
#include "window.inc"

#define T int8_t
#define NAME(x) x##_i8
#define POOLED
#define IS_NAN(v) false
#include "window.inc"

#define T uint16_t
#define NAME(x) x##_u16
#define WRITTEN
#include "window.inc"

#define T uint32_t
#define NAME(x) x##_u32
#define WRITTEN
#include "window.inc"

#define T uint64_t
#define NAME(x) x##_u64
#define WRITTEN
#include "window.inc"
