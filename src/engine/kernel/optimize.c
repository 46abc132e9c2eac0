/*
 * optimize.c - steps of optimisers: one pass over a parameter, its gradient and its state.
 */
#include <math.h>

#include "kernel.h"

#define INLINE static inline __attribute__((always_inline))

/* The gradient with penalties, clipping and decay. */
INLINE float whole(const MaasUpdate *u, float w, float g)
{
    float sign = (float)(w > 0) - (float)(w < 0);

    g = u->scale * (g + u->l1 * sign + u->l2 * w);
    g = g > u->limit ? u->limit : g;
    g = g < -u->limit ? -u->limit : g;
    return g + u->decay * w;
}

INLINE void sgd(const MaasUpdate *u, float *w, const float *g, float *s0, int64_t n, bool momentum, bool nesterov)
{
    float kept = u->first ? 0 : u->momentum, fresh = u->first ? 1 : u->fresh;

#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = whole(u, w[i], g[i]);

        if (momentum) {
            float v = kept * s0[i] + fresh * d;

            s0[i] = v;
            d = nesterov ? d + u->momentum * v : v;
        }
        w[i] = w[i] * u->shrink - u->rate * d;
    }
}

static void update_sgd(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2, int64_t n)
{
    if (u->momentum == 0)
        sgd(u, w, g, s0, n, false, false);
    else if (u->nesterov)
        sgd(u, w, g, s0, n, true, true);
    else
        sgd(u, w, g, s0, n, true, false);
}

static void update_adagrad(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2,
                           int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = whole(u, w[i], g[i]), sum = s0[i] + d * d;

        s0[i] = sum;
        w[i] = w[i] * u->shrink - u->rate * (d / (sqrtf(sum) + u->epsilon));
    }
}

INLINE void rmsprop(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2, int64_t n,
                    bool momentum, bool centered)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = whole(u, w[i], g[i]), square = u->beta2 * s0[i] + u->fresh2 * (d * d), spread = square;

        s0[i] = square;
        if (centered) {
            float mean = s2[i] + (d - s2[i]) * u->fresh2;

            s2[i] = mean;
            spread = square - mean * mean;
        }
        float step = d / (sqrtf(spread) + u->epsilon);

        if (momentum) {
            step = u->momentum * s1[i] + step;
            s1[i] = step;
        }
        w[i] = w[i] * u->shrink - u->rate * step;
    }
}

static void update_rmsprop(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2,
                           int64_t n)
{
    if (u->momentum > 0 && u->centered)
        rmsprop(u, w, g, s0, s1, s2, n, true, true);
    else if (u->momentum > 0)
        rmsprop(u, w, g, s0, s1, s2, n, true, false);
    else if (u->centered)
        rmsprop(u, w, g, s0, s1, s2, n, false, true);
    else
        rmsprop(u, w, g, s0, s1, s2, n, false, false);
}

INLINE void adam(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2, int64_t n,
                 bool amsgrad)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = whole(u, w[i], g[i]), mean = s0[i] + (d - s0[i]) * u->fresh1;
        float square = u->beta2 * s1[i] + u->fresh2 * (d * d), largest = square;

        s0[i] = mean;
        s1[i] = square;
        if (amsgrad) {
            largest = s2[i] > square ? s2[i] : square;
            s2[i] = largest;
        }
        w[i] = w[i] * u->shrink - u->rate * (mean / (sqrtf(largest) * u->root + u->epsilon));
    }
}

static void update_adam(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2, int64_t n)
{
    if (u->amsgrad)
        adam(u, w, g, s0, s1, s2, n, true);
    else
        adam(u, w, g, s0, s1, s2, n, false);
}

static void update_lion(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        float d = whole(u, w[i], g[i]), mixed = u->beta1 * s0[i] + u->fresh1 * d;
        float sign = (float)(mixed > 0) - (float)(mixed < 0);

        s0[i] = u->beta2 * s0[i] + u->fresh2 * d;
        w[i] = w[i] * u->shrink - u->rate * sign;
    }
}

MaasUpdateFn K(update)(MaasUpdateRule rule)
{
    static const MaasUpdateFn rules[MAAS_N_UPDATES] = {update_sgd, update_adagrad, update_rmsprop, update_adam,
                                                       update_lion};

    return rules[rule];
}

/* Sum of squares of the gradient with its penalties; no finite number when an element is none. */
double K(gradient_norm2)(const float *w, const float *g, float l1, float l2, int64_t n)
{
    double total = 0;

    for (int64_t from = 0; from < n; from += 4096) {
        int64_t to = n - from < 4096 ? n : from + 4096;
        float part = 0;

        if (l1 == 0 && l2 == 0) {
#pragma omp simd reduction(+ : part)
            for (int64_t i = from; i < to; i++)
                part += g[i] * g[i];
        } else {
#pragma omp simd reduction(+ : part)
            for (int64_t i = from; i < to; i++) {
                float d = g[i] + l1 * ((float)(w[i] > 0) - (float)(w[i] < 0)) + l2 * w[i];

                part += d * d;
            }
        }
        if (!isfinite(part)) { /* perhaps only too large for float */
            double wide = 0;

            for (int64_t i = from; i < to; i++) {
                double d = (double)g[i] + (double)l1 * ((w[i] > 0) - (w[i] < 0)) + (double)l2 * (double)w[i];

                wide += d * d;
            }
            total += wide;
        } else
            total += (double)part;
    }
    return total;
}
