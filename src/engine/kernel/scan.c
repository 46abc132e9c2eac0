/*
 * scan.c - positions of the extremes and running sums along one axis.
 */
#include <math.h>

#include "kernel.h"

#define COLS 256
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))

/* ---- positions ---- */

/* The first or last index of value (NaN: of a NaN) among n; it is there. */
static int64_t find_f32(const float *x, int64_t n, float value, bool last)
{
    if (value != value) {
        for (int64_t i = 0; i < n; i++)
            if (x[last ? n - 1 - i : i] != x[last ? n - 1 - i : i])
                return last ? n - 1 - i : i;
        return 0;
    }
    for (int64_t at = 0; at < n; at += 64) { /* block by block, so that the test vectorises */
        int64_t m = MIN_OF(n - at, 64), from = last ? n - at - m : at;
        int hit = 0;

#pragma omp simd reduction(| : hit)
        for (int64_t i = 0; i < m; i++)
            hit |= x[from + i] == value;
        for (int64_t i = 0; hit && i < m; i++) {
            int64_t k = last ? from + m - 1 - i : from + i;

            if (x[k] == value)
                return k;
        }
    }
    return 0;
}

#define ARG(name, T, above)                                                                                        \
    static void name(const void *xv, int64_t *y, int64_t outer, int64_t axis, int64_t inner, bool last)            \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
                                                                                                                   \
        for (int64_t o = 0; o < outer; o++, x += axis * inner, y += inner) {                                       \
            if (inner == 1) {                                                                                      \
                T b = x[0];                                                                                        \
                int64_t found = 0;                                                                                 \
                                                                                                                   \
                for (int64_t k = 1; k < axis; k++) {                                                               \
                    const T v = x[k];                                                                              \
                    const bool better = (v above b) | (last & (v == b)) | ((v != v) & (last | (b == b)));          \
                                                                                                                   \
                    b = better ? v : b;                                                                            \
                    found = better ? k : found;                                                                    \
                }                                                                                                  \
                y[0] = found;                                                                                      \
                continue;                                                                                          \
            }                                                                                                      \
            for (int64_t at = 0; at < inner; at += COLS) {                                                         \
                int64_t m = MIN_OF(inner - at, COLS);                                                              \
                T best[COLS];                                                                                      \
                                                                                                                   \
                for (int64_t j = 0; j < m; j++) {                                                                  \
                    best[j] = x[at + j];                                                                           \
                    y[at + j] = 0;                                                                                 \
                }                                                                                                  \
                for (int64_t k = 1; k < axis; k++) {                                                               \
                    for (int64_t j = 0; j < m; j++) {                                                              \
                        const T v = x[k * inner + at + j], b = best[j];                                            \
                                                                                                                   \
                        if (v above b || (last && v == b) || (v != v && (last || b == b))) {                       \
                            best[j] = v;                                                                           \
                            y[at + j] = k;                                                                         \
                        }                                                                                          \
                    }                                                                                              \
                }                                                                                                  \
            }                                                                                                      \
        }                                                                                                          \
    }

ARG(arg_max_cols_f32, float, >)
ARG(arg_min_cols_f32, float, <)
ARG(arg_max_double, double, >)
ARG(arg_min_double, double, <)
#define ARG_INT(bits)                                                                                              \
    ARG(arg_max_i##bits, int##bits##_t, >)                                                                         \
    ARG(arg_min_i##bits, int##bits##_t, <)                                                                         \
    ARG(arg_max_u##bits, uint##bits##_t, >)                                                                        \
    ARG(arg_min_u##bits, uint##bits##_t, <)
ARG_INT(8)
ARG_INT(16)
ARG_INT(32)
ARG_INT(64)

#define ARG_F32(name, cols, op)                                                                                    \
    static void name(const void *xv, int64_t *y, int64_t outer, int64_t axis, int64_t inner, bool last)            \
    {                                                                                                              \
        const float *x = xv;                                                                                       \
                                                                                                                   \
        if (inner != 1 || axis < 32) {                                                                             \
            cols(xv, y, outer, axis, inner, last);                                                                 \
            return;                                                                                                \
        }                                                                                                          \
        for (int64_t o = 0; o < outer; o++, x += axis) {                                                           \
            float value;                                                                                           \
                                                                                                                   \
            K(reduce)(op, MAAS_FLOAT)(x, &value, 1, axis, 1);                                                      \
            y[o] = find_f32(x, axis, value, last);                                                                 \
        }                                                                                                          \
    }

ARG_F32(arg_max_f32, arg_max_cols_f32, MAAS_RED_MAX)
ARG_F32(arg_min_f32, arg_min_cols_f32, MAAS_RED_MIN)

MaasArgFn K(arg_extreme)(bool largest, MaasType type)
{
    static const MaasArgFn table[MAAS_NTYPES][2] = {
        [MAAS_FLOAT] = {arg_min_f32, arg_max_f32},  [MAAS_DOUBLE] = {arg_min_double, arg_max_double},
        [MAAS_INT8] = {arg_min_i8, arg_max_i8},     [MAAS_INT16] = {arg_min_i16, arg_max_i16},
        [MAAS_INT32] = {arg_min_i32, arg_max_i32},  [MAAS_INT64] = {arg_min_i64, arg_max_i64},
        [MAAS_UINT8] = {arg_min_u8, arg_max_u8},    [MAAS_UINT16] = {arg_min_u16, arg_max_u16},
        [MAAS_UINT32] = {arg_min_u32, arg_max_u32}, [MAAS_UINT64] = {arg_min_u64, arg_max_u64}};

    return table[type][largest];
}

/* ---- running sums: float32 gathers in double ---- */

#define CUM_SUM(name, T, A)                                                                                        \
    static void name(const void *xv, void *yv, int64_t outer, int64_t axis, int64_t inner, bool exclusive,         \
                     bool reverse)                                                                                 \
    {                                                                                                              \
        for (int64_t o = 0; o < outer; o++) {                                                                      \
            if (inner == 1) {                                                                                      \
                const T *x = (const T *)xv + o * axis;                                                             \
                T *y = (T *)yv + o * axis;                                                                         \
                A sum = 0;                                                                                         \
                                                                                                                   \
                for (int64_t i = 0; i < axis; i++) {                                                               \
                    const int64_t k = reverse ? axis - 1 - i : i;                                                  \
                    const A before = sum;                                                                          \
                                                                                                                   \
                    sum += x[k];                                                                                   \
                    y[k] = (T)(exclusive ? before : sum);                                                          \
                }                                                                                                  \
                continue;                                                                                          \
            }                                                                                                      \
            for (int64_t at = 0; at < inner; at += COLS) {                                                         \
                int64_t m = MIN_OF(inner - at, COLS);                                                              \
                A acc[COLS];                                                                                       \
                                                                                                                   \
                for (int64_t j = 0; j < m; j++)                                                                    \
                    acc[j] = 0;                                                                                    \
                for (int64_t k = 0; k < axis; k++) {                                                               \
                    int64_t row = (o * axis + (reverse ? axis - 1 - k : k)) * inner + at;                          \
                    const T *x = (const T *)xv + row;                                                              \
                    T *y = (T *)yv + row;                                                                          \
                                                                                                                   \
                    for (int64_t j = 0; j < m; j++) {                                                              \
                        A before = acc[j];                                                                         \
                                                                                                                   \
                        acc[j] += x[j];                                                                            \
                        y[j] = (T)(exclusive ? before : acc[j]);                                                   \
                    }                                                                                              \
                }                                                                                                  \
            }                                                                                                      \
        }                                                                                                          \
    }

CUM_SUM(cum_sum_f32, float, double)
CUM_SUM(cum_sum_double, double, double)
CUM_SUM(cum_sum_u32, uint32_t, uint32_t)
CUM_SUM(cum_sum_u64, uint64_t, uint64_t)

MaasCumSumFn K(cum_sum)(MaasType type)
{
    switch (type) {
    case MAAS_FLOAT:
        return cum_sum_f32;
    case MAAS_DOUBLE:
        return cum_sum_double;
    case MAAS_INT32:
    case MAAS_UINT32:
        return cum_sum_u32;
    case MAAS_INT64:
    case MAAS_UINT64:
        return cum_sum_u64;
    default:
        return NULL;
    }
}
