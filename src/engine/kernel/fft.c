/*
 * fft.c - the steps of a fast Fourier transform of 2^k complex numbers (re, im), in double precision.
 *
 * op/signal.c puts them together, so that it can look at the stop flag between two steps.
 */
#include "kernel.h"

/* Exchanges the elements of x (n) whose indices are each other's bits reversed; n is a power of 2. */
void K(fft_reverse)(double *x, int64_t n)
{
    for (int64_t i = 1, j = 0; i < n; i++) {
        int64_t bit = n >> 1;

        for (; j & bit; bit >>= 1)
            j ^= bit;
        j ^= bit;
        if (i < j)
            for (int k = 0; k < 2; k++) {
                double t = x[2 * i + k];

                x[2 * i + k] = x[2 * j + k];
                x[2 * j + k] = t;
            }
    }
}

/* One stage: blocks of 2 * half elements are combined.  roots: exp(-2 pi i k / n) for k < n / 2. */
void K(fft_stage)(double *x, int64_t n, int64_t half, const double *roots)
{
    int64_t step = n / (2 * half);

    for (int64_t block = 0; block < n; block += 2 * half) {
        double *a = x + 2 * block, *b = a + 2 * half;

        for (int64_t k = 0; k < half; k++) {
            double re = roots[2 * k * step], im = roots[2 * k * step + 1];
            double br = b[2 * k] * re - b[2 * k + 1] * im, bi = b[2 * k] * im + b[2 * k + 1] * re;

            b[2 * k] = a[2 * k] - br;
            b[2 * k + 1] = a[2 * k + 1] - bi;
            a[2 * k] += br;
            a[2 * k + 1] += bi;
        }
    }
}

/* x = x * y, of n complex numbers. */
void K(complex_mul)(double *x, const double *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double re = x[2 * i] * y[2 * i] - x[2 * i + 1] * y[2 * i + 1];

        x[2 * i + 1] = x[2 * i] * y[2 * i + 1] + x[2 * i + 1] * y[2 * i];
        x[2 * i] = re;
    }
}
