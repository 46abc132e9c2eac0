/*
 * kernel.h - the table of kernels and the CPU level in use.
 *
 * A kernel takes pointers and sizes, trusts them, allocates nothing and cannot
 * fail.  Every .c of this folder (but dispatch.c and blas.c) is compiled once
 * per CPU level; K(name) is the name of a kernel at the level being compiled.
 * list.def names them all; maas_kernel holds those of the level in use.
 */
#ifndef MAAS_KERNEL_KERNEL_H
#define MAAS_KERNEL_KERNEL_H

#include "../base/dtype.h"
#include "../base/rng.h"
#include "axis.h"
#include "block.h"
#include "elementwise.h"
#include "linear.h"
#include "objective.h"
#include "optimize.h"
#include "window.h"
#include "tree.h"

typedef struct MaasKernels {
    const char *level; /* "plain", "avx2", "avx512" */
#define KERNEL(result, name, params) result(*name) params;
#include "list.def"
#undef KERNEL
} MaasKernels;

/* The kernels of the best level that this CPU has; set when the library is loaded, before any use. */
extern const MaasKernels *maas_kernel;

/* Uses another level (tests, MAAS_CPU=plain in the environment); false when this CPU has it not. */
bool maas_kernel_use(const char *level);

#ifdef MAAS_LEVEL
#define MAAS_PASTE3_(a, b, c) a##b##_##c
#define MAAS_PASTE3(a, b, c) MAAS_PASTE3_(a, b, c)
#define K(name) MAAS_PASTE3(maas_k_, name, MAAS_LEVEL)
#define KERNEL(result, name, params) result K(name) params;
#include "list.def"
#undef KERNEL
#endif

#endif
