/*
 * objective.c - losses of training with their gradients, in one pass.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

#define LOSS(name, value, slope)                                                                                   \
    static double name(const float *x, const float *t, int64_t n, float p, float w0, float w1, float scale,        \
                       float *dx)                                                                                  \
    {                                                                                                              \
        double total = 0;                                                                                          \
                                                                                                                   \
        for (int64_t from = 0; from < n; from += 1024) {                                                           \
            int64_t to = n - from < 1024 ? n : from + 1024;                                                        \
            float part = 0;                                                                                        \
                                                                                                                   \
            _Pragma("omp simd reduction(+ : part)") for (int64_t i = from; i < to; i++)                            \
            {                                                                                                      \
                float a = x[i], b = t[i], e = a - b;                                                               \
                                                                                                                   \
                (void)e;                                                                                           \
                part += (value);                                                                                   \
                dx[i] = scale * (slope);                                                                           \
            }                                                                                                      \
            total += (double)part;                                                                                 \
        }                                                                                                          \
        return total;                                                                                              \
    }

static inline float sign_of(float e)
{
    return (float)(e > 0) - (float)(e < 0);
}

static inline float at_least(float a, float least)
{
    return a > least ? a : least;
}

LOSS(mse, e *e, 2 * e)
LOSS(mae, maas_absf(e), sign_of(e))
LOSS(huber, maas_absf(e) <= p ? 0.5f * e * e : p * (maas_absf(e) - 0.5f * p),
     maas_absf(e) <= p ? e : p * sign_of(e))
LOSS(binary, (w0 * (1 - b) + w1 * b) * (at_least(a, 0) - a * b + maas_softplusf(-maas_absf(a))),
     (w0 * (1 - b) + w1 * b) * (maas_sigmoidf(a) - b))
LOSS(poisson, maas_expf(a) - b * a, maas_expf(a) - b)
LOSS(poisson_rate, a - b * maas_logf(a + 1e-8f), 1 - b / (a + 1e-8f))
LOSS(hinge, at_least(1 - (b == 0 ? -1 : b) * a, 0), 1 - (b == 0 ? -1 : b) * a > 0 ? -(b == 0 ? -1 : b) : 0)
LOSS(quantile, e > 0 ? (1 - p) * e : -p * e, e > 0 ? 1 - p : e < 0 ? -p : 0)

MaasObjectiveFn K(objective)(MaasObjective kind)
{
    static const MaasObjectiveFn kinds[MAAS_N_OBJECTIVES] = {mse,     mae,          huber, binary,
                                                             poisson, poisson_rate, hinge, quantile};

    return kinds[kind];
}

/*
 * Softmax cross entropy of one row of n logits against q, which sums up to total (a one-hot row, a smoothed one, a
 * distribution; weights of classes multiplied in).  q may be dx.  dx = scale * (total * softmax(x) - q).
 */
double K(cross_entropy)(const float *x, const float *q, float total, int64_t n, float scale, float *e, float *dx)
{
    float most = x[0], sum = 0, dot = 0;

#pragma omp simd reduction(max : most)
    for (int64_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) {
        e[i] = maas_expf(x[i] - most);
        sum += e[i];
    }
#pragma omp simd reduction(+ : dot)
    for (int64_t i = 0; i < n; i++) /* a class that is ruled out (minus infinity) is not asked for, either */
        dot += q[i] != 0 ? q[i] * (x[i] - most) : 0;
    float factor = total / sum;

#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        dx[i] = scale * (factor * e[i] - q[i]);
    return (double)total * log((double)sum) - (double)dot;
}
