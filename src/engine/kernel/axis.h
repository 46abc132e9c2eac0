/*
 * axis.h - names of the computations along one axis and the shape of their kernels.
 *
 * A tensor is seen as (outer, axis, inner); the work goes along the middle.
 */
#ifndef MAAS_KERNEL_AXIS_H
#define MAAS_KERNEL_AXIS_H

#include "../base/dtype.h"

typedef enum MaasReduce {
    MAAS_RED_SUM, /* integers wrap */
    MAAS_RED_ABS_SUM,
    MAAS_RED_SQUARE_SUM,
    MAAS_RED_PROD,
    MAAS_RED_MAX, /* NaN wins */
    MAAS_RED_MIN,
    MAAS_RED_LOG_SUM_EXP, /* float and double */
    MAAS_N_REDUCE
} MaasReduce;

/* x (outer, axis, inner) -> y (outer, inner); an empty axis gives the identity of the operation. */
typedef void (*MaasReduceFn)(const void *x, void *y, int64_t outer, int64_t axis, int64_t inner);

typedef enum MaasSoftmax { MAAS_SOFTMAX, MAAS_LOG_SOFTMAX } MaasSoftmax;

/* x -> y, both (outer, axis, inner); they may be the same memory. */
typedef void (*MaasSoftmaxFn)(const void *x, void *y, int64_t outer, int64_t axis, int64_t inner);

/* y, dy -> dx of the same layout; dx may be either. */
typedef void (*MaasSoftmaxGradFn)(const void *y, const void *dy, void *dx, int64_t outer, int64_t axis,
                                  int64_t inner);

/* x (outer, axis, inner) -> index of the largest or smallest (outer, inner); the first or the last of equal
 * ones; NaN wins.  axis > 0. */
typedef void (*MaasArgFn)(const void *x, int64_t *y, int64_t outer, int64_t axis, int64_t inner, bool last);

/* The k best of a line of n elements, stride apart, in order, best first; 0 < k <= n. */
typedef void (*MaasTopKFn)(const void *x, int64_t stride, int64_t n, int64_t k, void *values, int64_t *index);

/* Running sums, y (outer, axis, inner). */
typedef void (*MaasCumSumFn)(const void *x, void *y, int64_t outer, int64_t axis, int64_t inner, bool exclusive,
                             bool reverse);

/*
 * y = clamp(round(x / scale) + zero).  step 0: one scale and zero for all n; 1: one for each element.
 * low and high bound the type of y; NaN gives low.
 */
typedef void (*MaasQuantizeFn)(const float *x, void *y, int64_t n, const float *scale, const int32_t *zero,
                               int64_t step, int32_t low, int32_t high);

/* y = (x - zero) * scale, steps as above; zero counts in float32. */
typedef void (*MaasDequantizeFn)(const void *x, float *y, int64_t n, const float *scale, const int32_t *zero,
                                 int64_t step);

#endif
