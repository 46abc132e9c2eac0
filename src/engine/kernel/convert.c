/*
 * convert.c - conversions between float32 and the 16-bit floating types, round to nearest even.
 *
 * The arithmetic stands in base/half.h; here it is compiled for every CPU level.
 */
#include "../base/half.h"
#ifdef __F16C__
#include <immintrin.h>
#endif

#include "kernel.h"

void K(f16_to_f32)(const uint16_t *x, float *y, int64_t n)
{
    int64_t i = 0;

#ifdef __F16C__
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
#endif
    for (; i < n; i++)
        y[i] = maas_half_f16_to_f32(x[i]);
}

void K(f32_to_f16)(const float *x, uint16_t *y, int64_t n)
{
    int64_t i = 0;

#ifdef __F16C__
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++)
        y[i] = maas_half_f32_to_f16(x[i]);
}

void K(bf16_to_f32)(const uint16_t *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = maas_half_bf16_to_f32(x[i]);
}

void K(f32_to_bf16)(const float *x, uint16_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = maas_half_f32_to_bf16(x[i]);
}
