/*
 * cell.c - combining the gates of recurrent cells.
 */
#include "kernel.h"

#define T float
#define NAME(x) x##_f32
#include "cell.inc"

#define T double
#define NAME(x) x##_f64
#include "cell.inc"
