/*
 * ml.c - distances and dot products of rows, for linear models and support vectors.
 */
#include "kernel.h"

/* y (N, M) = x (N, F) . w (M, F)^T */
void K(rows_dot_f32)(const float *x, const float *w, int64_t n, int64_t m, int64_t f, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < m; j++) {
            const float *a = x + i * f, *b = w + j * f;
            float sum = 0;

#pragma omp simd reduction(+ : sum)
            for (int64_t k = 0; k < f; k++)
                sum += a[k] * b[k];
            y[i * m + j] = sum;
        }
    }
}

/* y (N, M): squared distances between the rows of x (N, F) and w (M, F) */
void K(rows_dist2_f32)(const float *x, const float *w, int64_t n, int64_t m, int64_t f, float *y)
{
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < m; j++) {
            const float *a = x + i * f, *b = w + j * f;
            float sum = 0;

#pragma omp simd reduction(+ : sum)
            for (int64_t k = 0; k < f; k++)
                sum += (a[k] - b[k]) * (a[k] - b[k]);
            y[i * m + j] = sum;
        }
    }
}
