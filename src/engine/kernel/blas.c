/*
 * blas.c - OpenBLAS, opened at run time.
 */
#include "kernel.h"
