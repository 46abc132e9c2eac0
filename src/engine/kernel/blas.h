/*
 * blas.h - matrix products, by OpenBLAS when it is there.
 *
 * Row-major: C (M, N) = alpha * op(A) (M, K) * op(B) (K, N) + beta * C; op() transposes when the flag says so,
 * and ld counts the elements between rows as stored.  beta == 0 never reads C.  Any size; one thread.
 */
#ifndef MAAS_KERNEL_BLAS_H
#define MAAS_KERNEL_BLAS_H

#include <stdbool.h>
#include <stdint.h>

void maas_gemm_f32(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
                   const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
void maas_gemm_f64(bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a, int64_t lda,
                   const double *b, int64_t ldb, double beta, double *c, int64_t ldc);

/* One line: OpenBLAS's version and core, or why it could not be opened.  Opens it. */
const char *maas_blas_describe(void);
/* false: products never use OpenBLAS from now on (tests). */
void maas_blas_allow(bool allowed);

#endif
