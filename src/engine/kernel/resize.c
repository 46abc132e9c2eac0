/*
 * resize.c - weighted sums along one axis, for resampling.
 */
#include "kernel.h"

/* y (outer, out, inner) = sum over t of weight[j, t] * x[., index[j, t], .], x (outer, in, inner) */
#define RESIZE(T, NAME)                                                                                            \
    void K(NAME)(int64_t outer, int64_t in, int64_t out, int64_t inner, int64_t taps, const int64_t *index,        \
                 const T *weight, const T *x, T *y)                                                                \
    {                                                                                                              \
        for (int64_t o = 0; o < outer; o++)                                                                        \
            for (int64_t j = 0; j < out; j++) {                                                                    \
                const T *from = x + o * in * inner;                                                                \
                T *restrict to = y + (o * out + j) * inner;                                                        \
                const int64_t *at = index + j * taps;                                                              \
                const T *w = weight + j * taps;                                                                    \
                                                                                                                   \
                if (inner == 1) {                                                                                  \
                    T sum = 0;                                                                                     \
                                                                                                                   \
                    for (int64_t t = 0; t < taps; t++)                                                             \
                        sum += w[t] * from[at[t]];                                                                 \
                    *to = sum;                                                                                     \
                    continue;                                                                                      \
                }                                                                                                  \
                for (int64_t t = 0; t < taps; t++) {                                                               \
                    const T *restrict row = from + at[t] * inner;                                                  \
                    T f = w[t];                                                                                    \
                                                                                                                   \
                    if (t == 0)                                                                                    \
                        for (int64_t i = 0; i < inner; i++)                                                        \
                            to[i] = f * row[i];                                                                    \
                    else                                                                                           \
                        for (int64_t i = 0; i < inner; i++)                                                        \
                            to[i] += f * row[i];                                                                   \
                }                                                                                                  \
            }                                                                                                      \
    }

RESIZE(float, resize_f32)
RESIZE(double, resize_f64)
