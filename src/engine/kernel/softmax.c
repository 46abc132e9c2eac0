/*
 * softmax.c - softmax and its logarithm along one axis: the largest value is taken off first.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

#define COLS 128
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))

/* ---- rows (inner == 1) ---- */

static float row_max(const float *x, int64_t n)
{
    float m = -INFINITY;

#pragma omp simd reduction(max : m)
    for (int64_t i = 0; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

static void softmax_row_f32(const float *x, float *y, int64_t n)
{
    float m = row_max(x, n), sum = 0, scale;

#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        float e = maas_expf(x[i] - m);

        y[i] = e;
        sum += e;
    }
    scale = 1.0f / sum;
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] *= scale;
}

static void log_softmax_row_f32(const float *x, float *y, int64_t n)
{
    float m = row_max(x, n), sum = 0, log_sum;

#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++)
        sum += maas_expf(x[i] - m);
    log_sum = maas_logf(sum);
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - m) - log_sum;
}

static void softmax_row_double(const double *x, double *y, int64_t n)
{
    double m = -INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++)
        m = x[i] > m ? x[i] : m;
    for (int64_t i = 0; i < n; i++)
        sum += y[i] = exp(x[i] - m);
    for (int64_t i = 0; i < n; i++)
        y[i] /= sum;
}

static void log_softmax_row_double(const double *x, double *y, int64_t n)
{
    double m = -INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++)
        m = x[i] > m ? x[i] : m;
    for (int64_t i = 0; i < n; i++)
        sum += exp(x[i] - m);
    sum = log(sum);
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - m) - sum;
}

/* ---- columns (inner > 1): m of them side by side, x and y at the first ---- */

#define SOFTMAX_COLS(name, T, exp_of, log_of)                                                                      \
    static void name(const T *x, T *y, int64_t axis, int64_t inner, int64_t m, const bool logarithm)               \
    {                                                                                                              \
        T top[COLS], sum[COLS];                                                                                    \
                                                                                                                   \
        for (int64_t j = 0; j < m; j++) {                                                                          \
            top[j] = -INFINITY;                                                                                    \
            sum[j] = 0;                                                                                            \
        }                                                                                                          \
        for (int64_t k = 0; k < axis; k++)                                                                         \
            _Pragma("omp simd") for (int64_t j = 0; j < m; j++) top[j] =                                           \
                x[k * inner + j] > top[j] ? x[k * inner + j] : top[j];                                             \
        for (int64_t k = 0; k < axis; k++) {                                                                       \
            _Pragma("omp simd") for (int64_t j = 0; j < m; j++)                                                    \
            {                                                                                                      \
                T d = x[k * inner + j] - top[j], e = exp_of(d);                                                    \
                                                                                                                   \
                sum[j] += e;                                                                                       \
                y[k * inner + j] = logarithm ? d : e;                                                              \
            }                                                                                                      \
        }                                                                                                          \
        for (int64_t j = 0; j < m; j++)                                                                            \
            sum[j] = logarithm ? log_of(sum[j]) : 1 / sum[j];                                                      \
        for (int64_t k = 0; k < axis; k++)                                                                         \
            _Pragma("omp simd") for (int64_t j = 0; j < m; j++) y[k * inner + j] =                                 \
                logarithm ? y[k * inner + j] - sum[j] : y[k * inner + j] * sum[j];                                 \
    }

SOFTMAX_COLS(cols_f32, float, maas_expf, maas_logf)
SOFTMAX_COLS(cols_double, double, exp, log)

#define SOFTMAX(name, T, row, cols, logarithm)                                                                     \
    static void name(const void *xv, void *yv, int64_t outer, int64_t axis, int64_t inner)                         \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
        T *y = yv;                                                                                                 \
                                                                                                                   \
        for (int64_t o = 0; o < outer; o++, x += axis * inner, y += axis * inner) {                                \
            if (inner == 1) {                                                                                      \
                row(x, y, axis);                                                                                   \
                continue;                                                                                          \
            }                                                                                                      \
            for (int64_t at = 0; at < inner; at += COLS)                                                           \
                cols(x + at, y + at, axis, inner, MIN_OF(inner - at, COLS), logarithm);                            \
        }                                                                                                          \
    }

SOFTMAX(softmax_f32, float, softmax_row_f32, cols_f32, false)
SOFTMAX(log_softmax_f32, float, log_softmax_row_f32, cols_f32, true)
SOFTMAX(softmax_double, double, softmax_row_double, cols_double, false)
SOFTMAX(log_softmax_double, double, log_softmax_row_double, cols_double, true)

MaasSoftmaxFn K(softmax)(MaasSoftmax op, MaasType type)
{
    if (type == MAAS_FLOAT)
        return op == MAAS_SOFTMAX ? softmax_f32 : log_softmax_f32;
    return op == MAAS_SOFTMAX ? softmax_double : log_softmax_double;
}
