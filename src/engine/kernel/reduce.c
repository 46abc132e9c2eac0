/*
 * reduce.c - sums, products, extremes and log-sum-exp along one axis.
 *
 * float32 sums run in float32 over at most SUM_BLOCK elements and are gathered
 * in double: fast, and the error does not grow with the length.  With inner > 1
 * the work goes row by row over blocks of COLS columns.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

#define SUM_BLOCK 1024
#define SUM_ROWS 64
#define COLS 256

#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))

/* ---- float32 sums of map(v) ---- */

#define SUM_F32(name, map)                                                                                         \
    static float name##_line(const float *x, int64_t n)                                                            \
    {                                                                                                              \
        double total = 0;                                                                                          \
                                                                                                                   \
        for (int64_t at = 0; at < n; at += SUM_BLOCK) {                                                            \
            int64_t m = MIN_OF(n - at, SUM_BLOCK);                                                                 \
            float s0 = 0, s1 = 0;                                                                                  \
            int64_t half = m / 2;                                                                                  \
                                                                                                                   \
            _Pragma("omp simd reduction(+ : s0, s1)") for (int64_t i = 0; i < half; i++)                           \
            {                                                                                                      \
                float v = x[at + i], w = x[at + half + i];                                                         \
                                                                                                                   \
                s0 += map(v);                                                                                      \
                s1 += map(w);                                                                                      \
            }                                                                                                      \
            if (m & 1)                                                                                             \
                s0 += map(x[at + m - 1]);                                                                          \
            total += (double)s0 + s1;                                                                              \
        }                                                                                                          \
        return (float)total;                                                                                       \
    }                                                                                                              \
                                                                                                                   \
    static void name(const void *xv, void *yv, int64_t outer, int64_t axis, int64_t inner)                         \
    {                                                                                                              \
        const float *x = xv;                                                                                       \
        float *y = yv;                                                                                             \
                                                                                                                   \
        for (int64_t o = 0; o < outer; o++, x += axis * inner, y += inner) {                                       \
            if (inner == 1) {                                                                                      \
                y[0] = name##_line(x, axis);                                                                       \
                continue;                                                                                          \
            }                                                                                                      \
            for (int64_t at = 0; at < inner; at += COLS) {                                                         \
                int64_t m = MIN_OF(inner - at, COLS);                                                              \
                double total[COLS];                                                                                \
                float acc[COLS];                                                                                   \
                                                                                                                   \
                for (int64_t j = 0; j < m; j++)                                                                    \
                    total[j] = 0;                                                                                  \
                for (int64_t a = 0; a < axis; a += SUM_ROWS) {                                                     \
                    int64_t end = MIN_OF(axis, a + SUM_ROWS);                                                      \
                                                                                                                   \
                    for (int64_t j = 0; j < m; j++)                                                                \
                        acc[j] = 0;                                                                                \
                    for (int64_t k = a; k < end; k++) {                                                            \
                        const float *row = x + k * inner + at;                                                     \
                                                                                                                   \
                        _Pragma("omp simd") for (int64_t j = 0; j < m; j++) acc[j] += map(row[j]);                 \
                    }                                                                                              \
                    for (int64_t j = 0; j < m; j++)                                                                \
                        total[j] += acc[j];                                                                        \
                }                                                                                                  \
                for (int64_t j = 0; j < m; j++)                                                                    \
                    y[at + j] = (float)total[j];                                                                   \
            }                                                                                                      \
        }                                                                                                          \
    }

#define SAME(v) (v)
#define SQUARE(v) ((v) * (v))
SUM_F32(sum_f32, SAME)
SUM_F32(abs_sum_f32, maas_absf)
SUM_F32(square_sum_f32, SQUARE)

/* ---- other types: acc = step, of type A, starting with init; v is the element ---- */

#define REDUCE(name, T, A, init, step)                                                                             \
    static void name(const void *xv, void *yv, int64_t outer, int64_t axis, int64_t inner)                         \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
        T *y = yv;                                                                                                 \
                                                                                                                   \
        for (int64_t o = 0; o < outer; o++, x += axis * inner, y += inner) {                                       \
            for (int64_t at = 0; at < inner; at += COLS) {                                                         \
                int64_t m = MIN_OF(inner - at, COLS);                                                              \
                A accs[COLS];                                                                                      \
                                                                                                                   \
                for (int64_t j = 0; j < m; j++)                                                                    \
                    accs[j] = (init);                                                                              \
                for (int64_t k = 0; k < axis; k++) {                                                               \
                    const T *row = x + k * inner + at;                                                             \
                                                                                                                   \
                    _Pragma("omp simd") for (int64_t j = 0; j < m; j++)                                            \
                    {                                                                                              \
                        const A v = row[j], acc = accs[j];                                                         \
                                                                                                                   \
                        accs[j] = (step);                                                                          \
                    }                                                                                              \
                }                                                                                                  \
                for (int64_t j = 0; j < m; j++)                                                                    \
                    y[at + j] = (T)accs[j];                                                                        \
            }                                                                                                      \
        }                                                                                                          \
    }

#define MAX_STEP (v > acc || v != v ? v : acc)
#define MIN_STEP (v < acc || v != v ? v : acc)

REDUCE(prod_f32, float, double, 1, acc *v)
REDUCE(sum_double, double, double, 0, acc + v)
REDUCE(abs_sum_double, double, double, 0, acc + fabs(v))
REDUCE(square_sum_double, double, double, 0, acc + v * v)
REDUCE(prod_double, double, double, 1, acc *v)
REDUCE(max_cols_f32, float, float, -INFINITY, MAX_STEP)
REDUCE(min_cols_f32, float, float, INFINITY, MIN_STEP)
REDUCE(max_double, double, double, -INFINITY, MAX_STEP)
REDUCE(min_double, double, double, INFINITY, MIN_STEP)

#define REDUCE_EXTREMES(bits)                                                                                      \
    REDUCE(max_i##bits, int##bits##_t, int##bits##_t, INT##bits##_MIN, v > acc ? v : acc)                          \
    REDUCE(min_i##bits, int##bits##_t, int##bits##_t, INT##bits##_MAX, v < acc ? v : acc)                          \
    REDUCE(max_u##bits, uint##bits##_t, uint##bits##_t, 0, v > acc ? v : acc)                                      \
    REDUCE(min_u##bits, uint##bits##_t, uint##bits##_t, UINT##bits##_MAX, v < acc ? v : acc)
#define REDUCE_SUMS(bits)                                                                                          \
    REDUCE(sum_u##bits, uint##bits##_t, uint##bits##_t, 0, acc + v)                                                \
    REDUCE(abs_sum_i##bits, uint##bits##_t, uint##bits##_t, 0, (int##bits##_t)v < 0 ? acc - v : acc + v)           \
    REDUCE(square_sum_u##bits, uint##bits##_t, uint##bits##_t, 0, acc + v * v)                                     \
    REDUCE(prod_u##bits, uint##bits##_t, uint##bits##_t, 1, acc *v)
REDUCE_EXTREMES(8)
REDUCE_EXTREMES(16)
REDUCE_EXTREMES(32)
REDUCE_EXTREMES(64)
REDUCE_SUMS(32)
REDUCE_SUMS(64)
REDUCE(min_bool, uint8_t, uint8_t, 1, v < acc ? v : acc)

/* ---- float32 extremes along the last axis: NaN is looked for on the side ---- */

static float max_line(const float *x, int64_t n)
{
    float m = -INFINITY;
    int nan = 0;

#pragma omp simd reduction(max : m) reduction(| : nan)
    for (int64_t i = 0; i < n; i++) {
        m = x[i] > m ? x[i] : m;
        nan |= x[i] != x[i];
    }
    return nan ? NAN : m;
}

static float min_line(const float *x, int64_t n)
{
    float m = INFINITY;
    int nan = 0;

#pragma omp simd reduction(min : m) reduction(| : nan)
    for (int64_t i = 0; i < n; i++) {
        m = x[i] < m ? x[i] : m;
        nan |= x[i] != x[i];
    }
    return nan ? NAN : m;
}

static void max_f32(const void *x, void *y, int64_t outer, int64_t axis, int64_t inner)
{
    if (inner != 1) {
        max_cols_f32(x, y, outer, axis, inner);
        return;
    }
    for (int64_t o = 0; o < outer; o++)
        ((float *)y)[o] = max_line((const float *)x + o * axis, axis);
}

static void min_f32(const void *x, void *y, int64_t outer, int64_t axis, int64_t inner)
{
    if (inner != 1) {
        min_cols_f32(x, y, outer, axis, inner);
        return;
    }
    for (int64_t o = 0; o < outer; o++)
        ((float *)y)[o] = min_line((const float *)x + o * axis, axis);
}

/* ---- log(sum(exp(x))) = m + log(sum(exp(x - m))), m the largest; infinite m is itself the answer ---- */

#define LOG_SUM_EXP(name, T, max_of, exp_of, log_of)                                                               \
    static void name(const void *xv, void *yv, int64_t outer, int64_t axis, int64_t inner)                         \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
        T *y = yv;                                                                                                 \
                                                                                                                   \
        max_of(x, y, outer, axis, inner);                                                                          \
        for (int64_t o = 0; o < outer; o++, x += axis * inner, y += inner) {                                       \
            for (int64_t at = 0; at < inner; at += COLS) {                                                         \
                int64_t m = MIN_OF(inner - at, COLS);                                                              \
                double total[COLS];                                                                                \
                                                                                                                   \
                for (int64_t j = 0; j < m; j++)                                                                    \
                    total[j] = 0;                                                                                  \
                if (inner == 1) {                                                                                  \
                    const T top = y[0];                                                                            \
                    double sum = 0;                                                                                \
                                                                                                                   \
                    _Pragma("omp simd reduction(+ : sum)") for (int64_t k = 0; k < axis; k++) sum +=               \
                        exp_of(x[k] - top);                                                                        \
                    total[0] = sum;                                                                                \
                } else {                                                                                           \
                    for (int64_t k = 0; k < axis; k++) {                                                           \
                        const T *row = x + k * inner + at;                                                         \
                                                                                                                   \
                        _Pragma("omp simd") for (int64_t j = 0; j < m; j++) total[j] +=                            \
                            exp_of(row[j] - y[at + j]);                                                            \
                    }                                                                                              \
                }                                                                                                  \
                for (int64_t j = 0; j < m; j++)                                                                    \
                    if (y[at + j] - y[at + j] == 0)                                                                \
                        y[at + j] = (T)(y[at + j] + log_of((T)total[j]));                                          \
            }                                                                                                      \
        }                                                                                                          \
    }

LOG_SUM_EXP(log_sum_exp_f32, float, max_f32, maas_exp_negative, maas_logf)
LOG_SUM_EXP(log_sum_exp_double, double, max_double, exp, log)

/* ---- lookup ---- */

#define FLOAT_LOOKUP(suffix)                                                                                       \
    (op == MAAS_RED_SUM           ? sum_##suffix                                                                   \
     : op == MAAS_RED_ABS_SUM     ? abs_sum_##suffix                                                               \
     : op == MAAS_RED_SQUARE_SUM  ? square_sum_##suffix                                                            \
     : op == MAAS_RED_PROD        ? prod_##suffix                                                                  \
     : op == MAAS_RED_MAX         ? max_##suffix                                                                   \
     : op == MAAS_RED_MIN         ? min_##suffix                                                                   \
     : op == MAAS_RED_LOG_SUM_EXP ? log_sum_exp_##suffix                                                           \
                                  : NULL)
#define EXTREME_LOOKUP(suffix) (op == MAAS_RED_MAX ? max_##suffix : op == MAAS_RED_MIN ? min_##suffix : NULL)
#define INT_LOOKUP(suffix, bits, abs_name)                                                                         \
    (op == MAAS_RED_SUM          ? sum_u##bits                                                                     \
     : op == MAAS_RED_ABS_SUM    ? abs_name                                                                        \
     : op == MAAS_RED_SQUARE_SUM ? square_sum_u##bits                                                              \
     : op == MAAS_RED_PROD       ? prod_u##bits                                                                    \
                                 : EXTREME_LOOKUP(suffix))

MaasReduceFn K(reduce)(MaasReduce op, MaasType type)
{
    switch (type) {
    case MAAS_FLOAT:
        return FLOAT_LOOKUP(f32);
    case MAAS_DOUBLE:
        return FLOAT_LOOKUP(double);
    case MAAS_INT8:
        return EXTREME_LOOKUP(i8);
    case MAAS_INT16:
        return EXTREME_LOOKUP(i16);
    case MAAS_INT32:
        return INT_LOOKUP(i32, 32, abs_sum_i32);
    case MAAS_INT64:
        return INT_LOOKUP(i64, 64, abs_sum_i64);
    case MAAS_UINT8:
        return EXTREME_LOOKUP(u8);
    case MAAS_UINT16:
        return EXTREME_LOOKUP(u16);
    case MAAS_UINT32:
        return INT_LOOKUP(u32, 32, sum_u32);
    case MAAS_UINT64:
        return INT_LOOKUP(u64, 64, sum_u64);
    case MAAS_BOOL:
        return op == MAAS_RED_MAX ? max_u8 : op == MAAS_RED_MIN ? min_bool : NULL;
    default:
        return NULL;
    }
}
