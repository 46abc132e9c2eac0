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
        float e = maas_exp_negative(x[i] - m);

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
        sum += maas_exp_negative(x[i] - m);
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
    static inline __attribute__((always_inline)) void name(const T *x, T *y, int64_t axis, int64_t inner,          \
                                                           int64_t m, const bool logarithm)                        \
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
        _Pragma("omp simd") for (int64_t j = 0; j < m; j++) sum[j] = logarithm ? log_of(sum[j]) : 1 / sum[j];      \
        for (int64_t k = 0; k < axis; k++)                                                                         \
            _Pragma("omp simd") for (int64_t j = 0; j < m; j++) y[k * inner + j] =                                 \
                logarithm ? y[k * inner + j] - sum[j] : y[k * inner + j] * sum[j];                                 \
    }

SOFTMAX_COLS(cols_f32, float, maas_exp_negative, maas_logf)
SOFTMAX_COLS(cols_double, double, exp, log)

/* Short rows (inner == 1): SHORT_ROWS of them are turned into columns, so that the vectoriser has long lines. */
#define SHORT_ROW 32
#define SHORT_ROWS 64

static inline __attribute__((always_inline)) void short_rows_f32(const float *x, float *y, int64_t rows,
                                                                 int64_t axis, const bool logarithm)
{
    float block[SHORT_ROW * SHORT_ROWS]; /* (axis, SHORT_ROWS) */

    for (int64_t at = 0; at < rows; at += SHORT_ROWS, x += SHORT_ROWS * axis, y += SHORT_ROWS * axis) {
        const int64_t m = MIN_OF(rows - at, SHORT_ROWS);

        for (int64_t r = 0; r < m; r++)
            for (int64_t k = 0; k < axis; k++)
                block[k * SHORT_ROWS + r] = x[r * axis + k];
        cols_f32(block, block, axis, SHORT_ROWS, m, logarithm);
        for (int64_t r = 0; r < m; r++)
            for (int64_t k = 0; k < axis; k++)
                y[r * axis + k] = block[k * SHORT_ROWS + r];
    }
}

static void softmax_rows_f32(const float *x, float *y, int64_t rows, int64_t axis)
{
    if (axis < SHORT_ROW && rows >= 8)
        short_rows_f32(x, y, rows, axis, false);
    else
        for (int64_t r = 0; r < rows; r++)
            softmax_row_f32(x + r * axis, y + r * axis, axis);
}

static void log_softmax_rows_f32(const float *x, float *y, int64_t rows, int64_t axis)
{
    if (axis < SHORT_ROW && rows >= 8)
        short_rows_f32(x, y, rows, axis, true);
    else
        for (int64_t r = 0; r < rows; r++)
            log_softmax_row_f32(x + r * axis, y + r * axis, axis);
}

static void softmax_rows_double(const double *x, double *y, int64_t rows, int64_t axis)
{
    for (int64_t r = 0; r < rows; r++)
        softmax_row_double(x + r * axis, y + r * axis, axis);
}

static void log_softmax_rows_double(const double *x, double *y, int64_t rows, int64_t axis)
{
    for (int64_t r = 0; r < rows; r++)
        log_softmax_row_double(x + r * axis, y + r * axis, axis);
}

#define SOFTMAX(name, T, rows, cols, logarithm)                                                                    \
    static void name(const void *xv, void *yv, int64_t outer, int64_t axis, int64_t inner)                         \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
        T *y = yv;                                                                                                 \
                                                                                                                   \
        if (inner == 1) {                                                                                          \
            rows(x, y, outer, axis);                                                                               \
            return;                                                                                                \
        }                                                                                                          \
        for (int64_t o = 0; o < outer; o++, x += axis * inner, y += axis * inner)                                  \
            for (int64_t at = 0; at < inner; at += COLS)                                                           \
                cols(x + at, y + at, axis, inner, MIN_OF(inner - at, COLS), logarithm);                            \
    }

SOFTMAX(softmax_f32, float, softmax_rows_f32, cols_f32, false)
SOFTMAX(log_softmax_f32, float, log_softmax_rows_f32, cols_f32, true)
SOFTMAX(softmax_double, double, softmax_rows_double, cols_double, false)
SOFTMAX(log_softmax_double, double, log_softmax_rows_double, cols_double, true)

MaasSoftmaxFn K(softmax)(MaasSoftmax op, MaasType type)
{
    if (type == MAAS_FLOAT)
        return op == MAAS_SOFTMAX ? softmax_f32 : log_softmax_f32;
    return op == MAAS_SOFTMAX ? softmax_double : log_softmax_double;
}
