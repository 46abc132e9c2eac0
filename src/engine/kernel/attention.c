/*
 * attention.c - the softmax between the two products of attention, for a block of rows and a block of keys.
 *
 * Keys come block by block: each row keeps its largest score and its sum so far, and what was computed with an
 * earlier largest score shrinks when a larger one comes ("online softmax": Milakov and Gimelshein, 2018).  The
 * division by the sum is left to the end.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

/*
 * s (rows, n): scores in, exp(score + mask - top) out.  mask: NULL, or at the first score, with steps for rows and
 * keys (0 or 1).  top, sum (rows): kept from block to block, set anew when `first`.  shrink (rows): factor for what
 * was accumulated so far.  A row that is -Infinity all over has a sum of 0.
 */
void K(attention_block)(int64_t rows, int64_t n, float *s, const float *mask, int64_t mask_row, int64_t mask_key,
                        float *top, float *sum, float *shrink, bool first)
{
    for (int64_t r = 0; r < rows; r++, s += n) {
        float m = first ? -INFINITY : top[r], before = m, base, total = 0;

        if (mask) {
            const float *bias = mask + r * mask_row;

            if (mask_key)
#pragma omp simd
                for (int64_t i = 0; i < n; i++)
                    s[i] += bias[i];
            else
#pragma omp simd
                for (int64_t i = 0; i < n; i++)
                    s[i] += bias[0];
        }
#pragma omp simd reduction(max : m)
        for (int64_t i = 0; i < n; i++)
            m = s[i] > m ? s[i] : m;
        base = m == -INFINITY ? 0 : m;
#pragma omp simd reduction(+ : total)
        for (int64_t i = 0; i < n; i++) {
            float e = maas_exp_negative(s[i] - base);

            s[i] = e;
            total += e;
        }
        shrink[r] = first ? 0 : maas_exp_negative(before - base);
        sum[r] = first ? total : sum[r] * shrink[r] + total;
        top[r] = m;
    }
}

/* Scores kept between -cap and cap. */
void K(attention_cap)(int64_t n, float *s, float cap)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        s[i] = cap * maas_tanhf(s[i] / cap);
}

/* s (rows, n) becomes `hidden` where `hide`, with steps for rows and keys (0 or 1), is what `when` says. */
void K(attention_hide)(int64_t rows, int64_t n, float *s, const uint8_t *hide, int64_t hide_row, int64_t hide_key,
                       bool when, float hidden)
{
    for (int64_t r = 0; r < rows; r++, s += n) {
        const uint8_t *h = hide + r * hide_row;

        if (hide_key)
#pragma omp simd
            for (int64_t i = 0; i < n; i++)
                s[i] = (h[i] != 0) == when ? hidden : s[i];
        else if ((h[0] != 0) == when)
            for (int64_t i = 0; i < n; i++)
                s[i] = hidden;
    }
}

/* y (rows, n) times a factor for each row, or divided by it; ld: elements between rows. */
void K(attention_scale)(int64_t rows, int64_t n, float *y, int64_t ld, const float *factor, bool divide)
{
    for (int64_t r = 0; r < rows; r++, y += ld) {
        float f = divide ? 1.0f / factor[r] : factor[r];

#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] *= f;
    }
}
