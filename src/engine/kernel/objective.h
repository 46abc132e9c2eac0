/*
 * objective.h - names of the losses that training makes small, and the shape of their kernels.
 *
 * Each computes the loss of a row and, in the same pass, its gradient.
 */
#ifndef MAAS_KERNEL_OBJECTIVE_H
#define MAAS_KERNEL_OBJECTIVE_H

#include <stdint.h>

/* Element by element; x is what the model gives, t the target. */
typedef enum MaasObjective {
    MAAS_OBJECTIVE_MSE,          /* (x - t)^2 */
    MAAS_OBJECTIVE_MAE,          /* |x - t| */
    MAAS_OBJECTIVE_HUBER,        /* p: delta */
    MAAS_OBJECTIVE_BINARY,       /* x: logits; t in [0, 1] */
    MAAS_OBJECTIVE_POISSON,      /* exp(x) - t x: x is the logarithm of the rate */
    MAAS_OBJECTIVE_POISSON_RATE, /* x - t log(x + 1e-8) */
    MAAS_OBJECTIVE_HINGE,        /* max(0, 1 - t x); t of 0 is taken as -1 */
    MAAS_OBJECTIVE_QUANTILE,     /* p: the quantile */
    MAAS_N_OBJECTIVES
} MaasObjective;

/* n elements of equal weight: dx = scale * d loss / dx; the result is the sum of the losses, not scaled.  binary:
 * w0 and w1 weigh the targets 0 and 1 in loss and dx.  dx may be x. */
typedef double (*MaasObjectiveFn)(const float *x, const float *t, int64_t n, float p, float w0, float w1,
                                  float scale, float *dx);

#endif
