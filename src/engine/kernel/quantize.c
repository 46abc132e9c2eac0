/*
 * quantize.c - float32 to small integers and back, with a scale and a zero point.
 */
#include "kernel.h"
#include "vmath.h"

/* The quotient is cut to +-2^20 before it is rounded, which no clamp below can notice. */
#define QUANTIZE(name, T)                                                                                          \
    static inline __attribute__((always_inline)) void name##_step(const float *x, T *y, int64_t n,                 \
                                                                  const float *scale, const int32_t *zero,         \
                                                                  const int step, int32_t low, int32_t high)       \
    {                                                                                                              \
        const float s0 = *scale;                                                                                   \
        const int32_t z0 = *zero;                                                                                  \
                                                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            float v = x[i] / (step ? scale[i] : s0);                                                               \
            int32_t q;                                                                                             \
                                                                                                                   \
            v = v > -1048576.0f ? v : -1048576.0f;                                                                 \
            v = v < 1048576.0f ? v : 1048576.0f;                                                                   \
            q = (int32_t)(maas_bits_of(v + MAAS_ROUND_F) - maas_bits_of(MAAS_ROUND_F)) + (step ? zero[i] : z0);    \
            q = q < low ? low : q;                                                                                 \
            y[i] = (T)(q > high ? high : q);                                                                       \
        }                                                                                                          \
    }                                                                                                              \
                                                                                                                   \
    static void name(const float *x, void *y, int64_t n, const float *scale, const int32_t *zero, int64_t step,    \
                     int32_t low, int32_t high)                                                                    \
    {                                                                                                              \
        if (step)                                                                                                  \
            name##_step(x, y, n, scale, zero, 1, low, high);                                                       \
        else                                                                                                       \
            name##_step(x, y, n, scale, zero, 0, low, high);                                                       \
    }

QUANTIZE(quantize_i8, int8_t)
QUANTIZE(quantize_u8, uint8_t)
QUANTIZE(quantize_i16, int16_t)
QUANTIZE(quantize_u16, uint16_t)

MaasQuantizeFn K(quantize)(MaasType type)
{
    switch (type) {
    case MAAS_INT8:
    case MAAS_INT4:
    case MAAS_INT2:
        return quantize_i8;
    case MAAS_UINT8:
    case MAAS_UINT4:
    case MAAS_UINT2:
        return quantize_u8;
    case MAAS_INT16:
        return quantize_i16;
    case MAAS_UINT16:
        return quantize_u16;
    default:
        return NULL;
    }
}

#define DEQUANTIZE(name, T)                                                                                        \
    static void name(const void *xv, float *y, int64_t n, const float *scale, const int32_t *zero, int64_t step)   \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
                                                                                                                   \
        if (step) {                                                                                                \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = ((float)x[i] - (float)zero[i]) * scale[i];  \
        } else {                                                                                                   \
            const float s = *scale, z = (float)*zero;                                                              \
                                                                                                                   \
            _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = ((float)x[i] - z) * s;                      \
        }                                                                                                          \
    }

DEQUANTIZE(dequantize_i8, int8_t)
DEQUANTIZE(dequantize_u8, uint8_t)
DEQUANTIZE(dequantize_i16, int16_t)
DEQUANTIZE(dequantize_u16, uint16_t)
DEQUANTIZE(dequantize_i32, int32_t)
DEQUANTIZE(dequantize_f32, float)

MaasDequantizeFn K(dequantize)(MaasType type)
{
    switch (type) {
    case MAAS_INT8:
    case MAAS_INT4:
    case MAAS_INT2:
        return dequantize_i8;
    case MAAS_UINT8:
    case MAAS_UINT4:
    case MAAS_UINT2:
        return dequantize_u8;
    case MAAS_INT16:
        return dequantize_i16;
    case MAAS_UINT16:
        return dequantize_u16;
    case MAAS_INT32:
        return dequantize_i32;
    case MAAS_FLOAT:
        return dequantize_f32;
    default:
        return NULL;
    }
}
