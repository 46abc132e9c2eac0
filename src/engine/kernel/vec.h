/*
 * vec.h - the vectors of the CPU level being compiled: as many elements as a register holds.
 */
#ifndef MAAS_KERNEL_VEC_H
#define MAAS_KERNEL_VEC_H

#ifdef __x86_64__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VEC_BYTES 64
#define FMA_F32(a, b, c) ((VecF32)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define FMA_F64(a, b, c) ((VecF64)_mm512_fmadd_pd((__m512d)(a), (__m512d)(b), (__m512d)(c)))
#elif defined(__AVX2__)
#define VEC_BYTES 32
#define FMA_F32(a, b, c) ((VecF32)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define FMA_F64(a, b, c) ((VecF64)_mm256_fmadd_pd((__m256d)(a), (__m256d)(b), (__m256d)(c)))
#else
#define VEC_BYTES 16
#define FMA_F32(a, b, c) ((a) * (b) + (c))
#define FMA_F64(a, b, c) ((a) * (b) + (c))
#endif

typedef float VecF32 __attribute__((vector_size(VEC_BYTES)));
typedef double VecF64 __attribute__((vector_size(VEC_BYTES)));

#endif
