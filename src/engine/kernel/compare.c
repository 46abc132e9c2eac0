/*
 * compare.c - comparisons, operations on bits, selection and clipping.
 */
#include "binary.h"

#define DEFINE_BITS(bits)                                                                                          \
    typedef int##bits##_t i##bits;                                                                                 \
    typedef uint##bits##_t u##bits;                                                                                \
    BINARY(and_##bits, u##bits, u##bits, x &z)                                                                     \
    BINARY(or_##bits, u##bits, u##bits, x | z)                                                                     \
    BINARY(xor_##bits, u##bits, u##bits, x ^ z)                                                                    \
    BINARY(equal_##bits, u##bits, uint8_t, x == z)                                                                 \
    BINARY(less_i##bits, i##bits, uint8_t, x < z)                                                                  \
    BINARY(less_equal_i##bits, i##bits, uint8_t, x <= z)                                                           \
    BINARY(less_u##bits, u##bits, uint8_t, x < z)                                                                  \
    BINARY(less_equal_u##bits, u##bits, uint8_t, x <= z)                                                           \
    BINARY_PLAIN(shift_left_##bits, u##bits, u##bits, z >= bits ? 0 : (uint64_t)x << z)                            \
    BINARY_PLAIN(shift_right_##bits, u##bits, u##bits, z >= bits ? 0 : x >> z)

DEFINE_BITS(8)
DEFINE_BITS(16)
DEFINE_BITS(32)
DEFINE_BITS(64)
BINARY(equal_f32, float, uint8_t, x == z)
BINARY(less_f32, float, uint8_t, x < z)
BINARY(less_equal_f32, float, uint8_t, x <= z)
BINARY(equal_double, double, uint8_t, x == z)
BINARY(less_double, double, uint8_t, x < z)
BINARY(less_equal_double, double, uint8_t, x <= z)

#define BITS_LOOKUP(bits)                                                                                          \
    (op == MAAS_BIN_AND     ? and_##bits                                                                           \
     : op == MAAS_BIN_OR    ? or_##bits                                                                            \
     : op == MAAS_BIN_XOR   ? xor_##bits                                                                           \
     : op == MAAS_BIN_EQUAL ? equal_##bits                                                                         \
                            : NULL)
#define ORDER_LOOKUP(suffix)                                                                                       \
    (op == MAAS_BIN_LESS ? less_##suffix : op == MAAS_BIN_LESS_EQUAL ? less_equal_##suffix : NULL)
#define FLOAT_LOOKUP(suffix) (op == MAAS_BIN_EQUAL ? equal_##suffix : ORDER_LOOKUP(suffix))
#define SIGNED_LOOKUP(bits)                                                                                        \
    (op >= MAAS_BIN_LESS          ? ORDER_LOOKUP(i##bits)                                                          \
     : op == MAAS_BIN_SHIFT_LEFT  ? NULL                                                                           \
     : op == MAAS_BIN_SHIFT_RIGHT ? NULL                                                                           \
                                  : BITS_LOOKUP(bits))
#define UNSIGNED_LOOKUP(bits)                                                                                      \
    (op >= MAAS_BIN_LESS          ? ORDER_LOOKUP(u##bits)                                                          \
     : op == MAAS_BIN_SHIFT_LEFT  ? shift_left_##bits                                                              \
     : op == MAAS_BIN_SHIFT_RIGHT ? shift_right_##bits                                                             \
                                  : BITS_LOOKUP(bits))

MaasBinaryFn K(compare)(MaasBinary op, MaasType type)
{
    switch (type) {
    case MAAS_FLOAT:
        return FLOAT_LOOKUP(f32);
    case MAAS_DOUBLE:
        return FLOAT_LOOKUP(double);
    case MAAS_INT8:
        return SIGNED_LOOKUP(8);
    case MAAS_INT16:
        return SIGNED_LOOKUP(16);
    case MAAS_INT32:
        return SIGNED_LOOKUP(32);
    case MAAS_INT64:
        return SIGNED_LOOKUP(64);
    case MAAS_UINT8:
        return UNSIGNED_LOOKUP(8);
    case MAAS_UINT16:
        return UNSIGNED_LOOKUP(16);
    case MAAS_UINT32:
        return UNSIGNED_LOOKUP(32);
    case MAAS_UINT64:
        return UNSIGNED_LOOKUP(64);
    case MAAS_BOOL:
        return BITS_LOOKUP(8);
    default:
        return NULL;
    }
}

/* ---- clip ---- */

#define CLIP(name, T)                                                                                              \
    static void name(const void *xv, void *yv, int64_t n, const void *low_v, const void *high_v)                   \
    {                                                                                                              \
        const T *x = xv, low = *(const T *)low_v, high = *(const T *)high_v;                                       \
        T *y = yv;                                                                                                 \
                                                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            T v = x[i];                                                                                            \
                                                                                                                   \
            v = v < low ? low : v;                                                                                 \
            y[i] = v > high ? high : v;                                                                            \
        }                                                                                                          \
    }

CLIP(clip_f32, float)
CLIP(clip_double, double)
CLIP(clip_i8, int8_t)
CLIP(clip_i16, int16_t)
CLIP(clip_i32, int32_t)
CLIP(clip_i64, int64_t)
CLIP(clip_u8, uint8_t)
CLIP(clip_u16, uint16_t)
CLIP(clip_u32, uint32_t)
CLIP(clip_u64, uint64_t)

MaasClipFn K(clip)(MaasType type)
{
    static const MaasClipFn table[MAAS_NTYPES] = {
        [MAAS_FLOAT] = clip_f32,  [MAAS_DOUBLE] = clip_double, [MAAS_INT8] = clip_i8,  [MAAS_INT16] = clip_i16,
        [MAAS_INT32] = clip_i32,  [MAAS_INT64] = clip_i64,     [MAAS_UINT8] = clip_u8, [MAAS_UINT16] = clip_u16,
        [MAAS_UINT32] = clip_u32, [MAAS_UINT64] = clip_u64};

    return table[type];
}

/* ---- selection, by element size ---- */

typedef struct Wide {
    uint64_t part[2];
} Wide;

#define SELECT(name, T)                                                                                            \
    static inline __attribute__((always_inline)) void name##_row(                                                  \
        const uint8_t *c, const T *a, const T *b, T *y, int64_t n, const int sc, const int sa, const int sb)       \
    {                                                                                                              \
        const uint8_t c0 = *c;                                                                                     \
        const T x0 = *a, z0 = *b;                                                                                  \
                                                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            const T x = sa ? a[i] : x0, z = sb ? b[i] : z0;                                                        \
                                                                                                                   \
            y[i] = (sc ? c[i] : c0) ? x : z;                                                                       \
        }                                                                                                          \
    }                                                                                                              \
                                                                                                                   \
    static void name(const uint8_t *c, const void *av, const void *bv, void *yv, int64_t rows, int64_t cols,       \
                     const int64_t step[6])                                                                        \
    {                                                                                                              \
        const T *a = av, *b = bv;                                                                                  \
        T *y = yv;                                                                                                 \
                                                                                                                   \
        for (int64_t r = 0; r < rows; r++, c += step[0], a += step[2], b += step[4], y += cols) {                  \
            if (!step[1])                                                                                          \
                name##_row(c, a, b, y, cols, 0, (int)step[3], (int)step[5]);                                       \
            else if (step[3] && step[5])                                                                           \
                name##_row(c, a, b, y, cols, 1, 1, 1);                                                             \
            else if (step[3])                                                                                      \
                name##_row(c, a, b, y, cols, 1, 1, 0);                                                             \
            else if (step[5])                                                                                      \
                name##_row(c, a, b, y, cols, 1, 0, 1);                                                             \
            else                                                                                                   \
                name##_row(c, a, b, y, cols, 1, 0, 0);                                                             \
        }                                                                                                          \
    }

SELECT(select_1, uint8_t)
SELECT(select_2, uint16_t)
SELECT(select_4, uint32_t)
SELECT(select_8, uint64_t)
SELECT(select_16, Wide)

MaasSelectFn K(select)(size_t element_size)
{
    switch (element_size) {
    case 1:
        return select_1;
    case 2:
        return select_2;
    case 4:
        return select_4;
    case 8:
        return select_8;
    case 16:
        return select_16;
    default:
        return NULL;
    }
}
