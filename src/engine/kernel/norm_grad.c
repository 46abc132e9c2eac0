/*
 * norm_grad.c - gradients of normalised rows.
 */
#include "kernel.h"

#define T float
#define NAME(x) x##_f32
#include "norm_grad.inc"

#define T double
#define NAME(x) x##_f64
#include "norm_grad.inc"
