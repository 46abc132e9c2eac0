/*
 * softmax_grad.c - gradients of softmax, its logarithm and the cross entropy.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

#define COLS 128
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))

#define T float
#define NAME(x) x##_f32
#define EXP maas_expf
#include "softmax_grad.inc"

#define T double
#define NAME(x) x##_f64
#define EXP exp
#include "softmax_grad.inc"

MaasSoftmaxGradFn K(softmax_grad)(MaasSoftmax op, MaasType type)
{
    if (type == MAAS_FLOAT)
        return op == MAAS_SOFTMAX ? softmax_f32 : log_softmax_f32;
    return op == MAAS_SOFTMAX ? softmax_f64 : log_softmax_f64;
}
