/*
 * fourier.h - discrete Fourier transforms of any length.
 */
#ifndef MAAS_OP_FOURIER_H
#define MAAS_OP_FOURIER_H

#include "op.h"

#define MAAS_FOURIER_MOST ((int64_t)1 << 28) /* points */

/* Tables for one length; scratch of the node. */
typedef struct MaasFourier {
    int64_t n;      /* points */
    int64_t size;   /* the power of 2 that is computed with: n, or at least 2 n - 1 */
    double *roots;  /* (size / 2, 2) */
    double *chirp;  /* (n, 2): exp(-pi i k^2 / n), when size != n */
    double *filter; /* (size, 2): the transform of the chirp's inverse, when size != n */
    double *work;   /* (size, 2), when size != n */
} MaasFourier;

/* n in [1, MAAS_FOURIER_MOST]. */
MaasStatus maas_fourier_plan(MaasCtx *c, int64_t n, MaasFourier *f);
/* x (n, 2) = its transform, or its inverse transform, which is divided by n. */
MaasStatus maas_fourier(MaasCtx *c, const MaasFourier *f, bool inverse, double *x);

#endif
