/*
 * convert.c - conversions between float32 and the 16-bit floating types, round to nearest even.
 */
#include <string.h>

#include "kernel.h"

static inline uint32_t bits_of(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float float_of(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

/* Branch-free so that it vectorises: scale the exponent by a product, which also makes subnormals right. */
void K(f16_to_f32)(const uint16_t *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t sign = (uint32_t)(x[i] & 0x8000) << 16;
        uint32_t em = (uint32_t)(x[i] & 0x7fff) << 13;
        float magnitude = float_of(em) * float_of(0x77800000); /* 2^112 */
        uint32_t u = bits_of(magnitude);

        u = em >= 0x0f800000 ? em | 0x7f800000 : u; /* infinity and NaN */
        y[i] = float_of(u | sign);
    }
}

void K(f32_to_f16)(const float *x, uint16_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
        uint32_t normal = (a + 0xc8000fff + (a >> 13 & 1)) >> 13; /* rebias by -112, round to even */
        /* adding 0.5 puts the subnormal's ulp at the float's ulp: the FPU rounds */
        uint32_t small = bits_of(float_of(a) + 0.5f) - 0x3f000000;
        uint32_t h = a < 0x38800000 ? small : normal;

        h = a >= 0x477ff000 ? 0x7c00 : h;
        h = a > 0x7f800000 ? 0x7e00 | (a >> 13 & 0x3ff) : h;
        y[i] = (uint16_t)(h | sign);
    }
}

void K(bf16_to_f32)(const uint16_t *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = float_of((uint32_t)x[i] << 16);
}

void K(f32_to_bf16)(const float *x, uint16_t *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]);
        uint32_t r = (u + 0x7fff + (u >> 16 & 1)) >> 16;

        y[i] = (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : r);
    }
}
