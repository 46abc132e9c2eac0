/*
 * linear.h - float32 products C = A B with what is done to an element before it is stored: a bias, a further
 * matrix, an activation.
 *
 * B may be packed: panels of 32 columns, each with its rows one after the other, so that a kernel reads memory in
 * order; the last panel is 16 wide where 16 columns are enough.  Columns that are not there are zero.  The form is
 * the same at every CPU level and holds no pointer.
 */
#ifndef MAAS_KERNEL_LINEAR_H
#define MAAS_KERNEL_LINEAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "elementwise.h"

#define MAAS_PANEL 32

typedef struct MaasLinear {
    int64_t m, n, k;
    float alpha;    /* A is multiplied by it */
    const float *a; /* (m, k), or (k, m) when ta; lda elements from row to row as stored */
    int64_t lda;
    bool ta;
    const float *b; /* packed, ldb 0; or (k, n) */
    int64_t ldb;
    float *c; /* (m, n) */
    int64_t ldc;
    bool add;              /* C is added to instead of set */
    const float *bias;     /* (n) or NULL */
    const float *residual; /* (m, n) or NULL; never C: for that there is add */
    int64_t ldr;
    float low, high; /* the sum is kept between them; NaN stays */
    MaasUnaryFn act; /* or NULL: applied last */
    float p[2];      /* its parameters */
} MaasLinear;

/* A product with nothing added and nothing applied; rows of A and C one after the other, B packed. */
static inline MaasLinear maas_linear_of(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c)
{
    return (MaasLinear){.m = m,
                        .n = n,
                        .k = k,
                        .alpha = 1,
                        .a = a,
                        .lda = k,
                        .b = b,
                        .c = c,
                        .ldc = n,
                        .low = -INFINITY,
                        .high = INFINITY};
}

/* Elements of the packed form of B (k, n); false when there are too many. */
static inline bool maas_packed_count(int64_t k, int64_t n, int64_t *count)
{
    int64_t wide = n / MAAS_PANEL * MAAS_PANEL, rest = n - wide;

    wide += rest == 0 ? 0 : rest <= MAAS_PANEL / 2 ? MAAS_PANEL / 2 : MAAS_PANEL;
    return !__builtin_mul_overflow(wide, k, count) && *count <= INT64_MAX / 8;
}

#endif
