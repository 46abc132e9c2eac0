/*
 * half.h - the 16-bit floating types, one element at a time and free of branches, for loops that vectorise.
 *
 * dtype.c, convert.c and kernel/convert.c are made of these.
 */
#ifndef MAAS_BASE_HALF_H
#define MAAS_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t maas_float_bits(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float maas_float_of(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

/* Scales the exponent by a product, which also makes subnormals right. */
static inline float maas_half_f16_to_f32(uint16_t x)
{
    uint32_t sign = (uint32_t)(x & 0x8000) << 16;
    uint32_t em = (uint32_t)(x & 0x7fff) << 13;
    uint32_t u = maas_float_bits(maas_float_of(em) * 0x1p112f);

    u = em >= 0x0f800000 ? em | 0x7f800000 : u;
    u = em > 0x0f800000 ? u | 0x00400000 : u; /* a quiet NaN, as the hardware gives */
    return maas_float_of(u | sign);
}

static inline uint16_t maas_half_f32_to_f16(float x)
{
    uint32_t u = maas_float_bits(x), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;
    uint32_t normal = (a + 0xc8000fff + (a >> 13 & 1)) >> 13; /* rebias by -112, round to even */
    /* adding 0.5 puts the subnormal's ulp at the float's ulp: the FPU rounds */
    uint32_t small = maas_float_bits(maas_float_of(a) + 0.5f) - 0x3f000000;
    uint32_t h = a < 0x38800000 ? small : normal;

    h = a >= 0x477ff000 ? 0x7c00 : h;
    h = a > 0x7f800000 ? 0x7e00 | (a >> 13 & 0x3ff) : h;
    return (uint16_t)(h | sign);
}

static inline float maas_half_bf16_to_f32(uint16_t x)
{
    return maas_float_of((uint32_t)x << 16);
}

static inline uint16_t maas_half_f32_to_bf16(float x)
{
    uint32_t u = maas_float_bits(x);
    uint32_t r = (u + 0x7fff + (u >> 16 & 1)) >> 16;

    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? u >> 16 | 0x40 : r);
}

#endif
