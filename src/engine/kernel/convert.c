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
    for (int64_t i = 0; i < n; i++)
        y[i] = maas_half_f16_to_f32(x[i]);
}

void K(f32_to_f16)(const float *x, uint16_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
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
