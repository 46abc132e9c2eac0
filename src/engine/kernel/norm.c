/*
 * norm.c - normalisation of rows: moments, scaling, local response.
 */
#include <math.h>

#include "kernel.h"

#define T float
#define NAME(x) x##_f32
#define SQRT sqrtf
#define POW powf
#include "norm.inc"

#define T double
#define NAME(x) x##_f64
#define SQRT sqrt
#define POW pow
#include "norm.inc"
