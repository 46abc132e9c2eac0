/*
 * cell_grad.c - the way back through the recurrent cells.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

#define T float
#define NAME(x) x##_f32
#define TANH maas_tanhf
#include "cell_grad.inc"

#define T double
#define NAME(x) x##_f64
#define TANH tanh
#include "cell_grad.inc"
