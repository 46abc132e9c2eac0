/*
 * gemm.c - matrix products of float32, float64 and integers in plain registers and caches.
 *
 * Used for small products, where the call into OpenBLAS costs more than the product, and for all of them when
 * OpenBLAS cannot be opened (blas.h decides).
 */
#include <string.h>

#include "kernel.h"
#include "vec.h"

#define NAME(x) x##_f32
#define REAL float
#define VEC VecF32
#define LANES (VEC_BYTES / 4)
#define FMA FMA_F32
#include "gemm.inc"

#define NAME(x) x##_f64
#define REAL double
#define VEC VecF64
#define LANES (VEC_BYTES / 8)
#define FMA FMA_F64
#include "gemm.inc"

/* C (m, n) = op(A) op(B) modulo 2^32; rs and cs are the strides of op(A), ldb and bs those of op(B). */
void K(gemm_u32)(int64_t m, int64_t n, int64_t k, const uint32_t *a, int64_t rs, int64_t cs, const uint32_t *b,
                 int64_t ldb, int64_t bs, uint32_t *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++) {
        uint32_t *row = c + i * ldc;

        for (int64_t j = 0; j < n; j++)
            row[j] = 0;
        for (int64_t p = 0; p < k; p++) {
            uint32_t x = a[i * rs + p * cs];
            const uint32_t *from = b + p * ldb;

            if (bs == 1)
                for (int64_t j = 0; j < n; j++)
                    row[j] += x * from[j];
            else
                for (int64_t j = 0; j < n; j++)
                    row[j] += x * from[j * bs];
        }
    }
}

/* The same modulo 2^64. */
void K(gemm_u64)(int64_t m, int64_t n, int64_t k, const uint64_t *a, int64_t rs, int64_t cs, const uint64_t *b,
                 int64_t ldb, int64_t bs, uint64_t *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++) {
        uint64_t *row = c + i * ldc;

        for (int64_t j = 0; j < n; j++)
            row[j] = 0;
        for (int64_t p = 0; p < k; p++) {
            uint64_t x = a[i * rs + p * cs];
            const uint64_t *from = b + p * ldb;

            for (int64_t j = 0; j < n; j++)
                row[j] += x * from[j * bs];
        }
    }
}

/* Sum of products modulo 2^32. */
static inline int32_t dot_i16(const int16_t *restrict a, const int16_t *restrict b, int64_t k)
{
    uint32_t sum = 0;
    int64_t p = 0;

#if defined(__AVX2__)
    __m256i acc = _mm256_setzero_si256();
    __m128i half;

    for (; p + 16 <= k; p += 16)
        acc = _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_loadu_si256((const __m256i *)(a + p)),
                                                      _mm256_loadu_si256((const __m256i *)(b + p))));
    half = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    sum = (uint32_t)_mm_cvtsi128_si32(half);
#endif
    for (; p < k; p++)
        sum += (uint32_t)((int32_t)a[p] * b[p]);
    return (int32_t)sum;
}

/* C (m, n) = A (m, k) B (n, k) transposed, modulo 2^32; elements of A and B lie in [-255, 255]. */
void K(gemm_i16)(int64_t m, int64_t n, int64_t k, const int16_t *a, int64_t lda, const int16_t *b, int64_t ldb,
                 int32_t *c, int64_t ldc)
{
    enum { BLOCK = 16 }; /* rows of B that stay in the first cache while A passes */

    for (int64_t j = 0; j < n; j += BLOCK) {
        int64_t end = n - j < BLOCK ? n : j + BLOCK;

        for (int64_t i = 0; i < m; i++)
            for (int64_t q = j; q < end; q++)
                c[i * ldc + q] = dot_i16(a + i * lda, b + q * ldb, k);
    }
}

/* y = x - zero, of n unsigned bytes. */
void K(u8_to_i16)(const uint8_t *x, int32_t zero, int16_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (int16_t)(x[i] - zero);
}

void K(i8_to_i16)(const int8_t *x, int32_t zero, int16_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (int16_t)(x[i] - zero);
}
