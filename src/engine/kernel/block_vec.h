/*
 * block_vec.h - vectors of the CPU level being compiled, for the kernels on blocks of 16 channels.
 */
#ifndef MAAS_KERNEL_BLOCK_VEC_H
#define MAAS_KERNEL_BLOCK_VEC_H

#include <stdint.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#include "block.h"

/* MIN and MAX give b where either is NaN. */
#if defined(__AVX512F__)
#define VEC_BYTES 64
#define FMA(a, b, c) ((Vec)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define MIN(a, b) ((Vec)_mm512_min_ps((__m512)(a), (__m512)(b)))
#define MAX(a, b) ((Vec)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define BROADCAST(x) ((Vec)_mm512_set1_ps(x))
#elif defined(__AVX2__)
#define VEC_BYTES 32
#define FMA(a, b, c) ((Vec)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define MIN(a, b) ((Vec)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define MAX(a, b) ((Vec)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define BROADCAST(x) ((Vec)_mm256_set1_ps(x))
#else
#define VEC_BYTES 16
#define FMA(a, b, c) ((a) * (b) + (c))
#define MIN(a, b) maas_vec_select((a) < (b), a, b)
#define MAX(a, b) maas_vec_select((a) > (b), a, b)
#define BROADCAST(x) ((Vec){x, x, x, x})
#endif

typedef float Vec __attribute__((vector_size(VEC_BYTES)));
typedef int32_t VecMask __attribute__((vector_size(VEC_BYTES)));

#define LANES (VEC_BYTES / 4)
#define PARTS (MAAS_BLOCK / LANES) /* vectors of a block */
#define INLINE static inline __attribute__((always_inline))

INLINE Vec load(const float *p)
{
    Vec v;

    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, Vec v)
{
    memcpy(p, &v, sizeof v);
}

/* a where the mask is set, else b */
INLINE Vec maas_vec_select(VecMask mask, Vec a, Vec b)
{
    return (Vec)((mask & (VecMask)a) | (~mask & (VecMask)b));
}

#endif
