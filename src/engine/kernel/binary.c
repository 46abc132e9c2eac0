/*
 * binary.c - arithmetic of two arguments that broadcast over rows and columns.
 *
 * binary.h holds the loops; comparisons and bit operations stand in compare.c.
 */
#include <math.h>

#include "binary.h"

/* ---- floating types ---- */

/* The product for the exponents that models use, powf for the others. */
static void pow_f32_scalar(const float *x, float e, float *y, int64_t n)
{
    if (e == 2.0f) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * x[i];
    } else if (e == 3.0f) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * x[i] * x[i];
    } else if (e == 1.0f) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i];
    } else if (e == -1.0f) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = 1.0f / x[i];
    } else if (e == 0.5f) { /* pow: -0 gives 0 and -infinity gives infinity */
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] == -INFINITY ? INFINITY : sqrtf(x[i] + 0.0f);
    } else {
        for (int64_t i = 0; i < n; i++)
            y[i] = powf(x[i], e);
    }
}

static void pow_f32(const void *av, const void *bv, void *yv, int64_t rows, int64_t cols, const int64_t step[4])
{
    for (int64_t r = 0; r < rows; r++) {
        const float *a = (const float *)av + r * step[0], *b = (const float *)bv + r * step[2];
        float *y = (float *)yv + r * cols;

        if (step[1] && !step[3])
            pow_f32_scalar(a, *b, y, cols);
        else
            for (int64_t i = 0; i < cols; i++)
                y[i] = powf(a[i * step[1]], b[i * step[3]]);
    }
}

/* A remainder with the dividend's sign -> with the divisor's, as numpy's mod has it. */
static inline double mod_sign(double remainder, double divisor)
{
    if (remainder == 0)
        return copysign(0, divisor);
    return (remainder < 0) != (divisor < 0) ? remainder + divisor : remainder;
}

BINARY(add_f32, float, float, x + z)
BINARY(sub_f32, float, float, x - z)
BINARY(mul_f32, float, float, x *z)
BINARY(div_f32, float, float, x / z)
BINARY(min_f32, float, float, x < z || x != x ? x : z)
BINARY(max_f32, float, float, x > z || x != x ? x : z)
BINARY(prelu_f32, float, float, x < 0 ? x * z : x)
BINARY(add_double, double, double, x + z)
BINARY(sub_double, double, double, x - z)
BINARY(mul_double, double, double, x *z)
BINARY(div_double, double, double, x / z)
BINARY(min_double, double, double, x < z || x != x ? x : z)
BINARY(max_double, double, double, x > z || x != x ? x : z)
BINARY(prelu_double, double, double, x < 0 ? x * z : x)
BINARY_PLAIN(fmod_f32, float, float, fmodf(x, z))
BINARY_PLAIN(fmod_double, double, double, fmod(x, z))
BINARY_PLAIN(mod_f32, float, float, mod_sign(fmodf(x, z), z))
BINARY_PLAIN(mod_double, double, double, mod_sign(fmod(x, z), z))
BINARY_PLAIN(pow_double, double, double, pow(x, z))

/* ---- integers: sums and products wrap; MIN / -1 wraps, MIN % -1 is 0 ---- */

/* Wrapping power; a negative exponent comes only with base 1 or -1 (0 otherwise). */
static inline int64_t int_pow(int64_t base, int64_t exponent)
{
    uint64_t product = 1, factor = (uint64_t)base;

    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    for (uint64_t e = (uint64_t)exponent; e; e >>= 1) {
        if (e & 1)
            product *= factor;
        factor *= factor;
    }
    return (int64_t)product;
}

#define DEFINE_INT(bits)                                                                                           \
    typedef int##bits##_t i##bits;                                                                                 \
    typedef uint##bits##_t u##bits;                                                                                \
    BINARY(add_u##bits, u##bits, u##bits, x + z)                                                                   \
    BINARY(sub_u##bits, u##bits, u##bits, x - z)                                                                   \
    BINARY(mul_u##bits, u##bits, u##bits, (uint64_t)x *z)                                                          \
    BINARY(min_i##bits, i##bits, i##bits, x < z ? x : z)                                                           \
    BINARY(max_i##bits, i##bits, i##bits, x > z ? x : z)                                                           \
    BINARY(min_u##bits, u##bits, u##bits, x < z ? x : z)                                                           \
    BINARY(max_u##bits, u##bits, u##bits, x > z ? x : z)                                                           \
    BINARY_PLAIN(div_i##bits, i##bits, i##bits, z == -1 ? (i##bits)(0u - (u##bits)x) : x / z)                      \
    BINARY_PLAIN(div_u##bits, u##bits, u##bits, x / z)                                                             \
    BINARY_PLAIN(mod_i##bits, i##bits, i##bits,                                                                    \
                 z == -1                                  ? 0                                                      \
                 : (x % z != 0 && (x % z < 0) != (z < 0)) ? x % z + z                                              \
                                                          : x % z)                                                 \
    BINARY_PLAIN(fmod_i##bits, i##bits, i##bits, z == -1 ? 0 : x % z)                                              \
    BINARY_PLAIN(mod_u##bits, u##bits, u##bits, x % z)

DEFINE_INT(8)
DEFINE_INT(16)
DEFINE_INT(32)
DEFINE_INT(64)
BINARY_PLAIN(prelu_i32, i32, i32, x < 0 ? (i32)((u32)x * (u32)z) : x)
BINARY_PLAIN(prelu_i64, i64, i64, x < 0 ? (i64)((u64)x * (u64)z) : x)
BINARY_PLAIN(prelu_u32, u32, u32, x)
BINARY_PLAIN(prelu_u64, u64, u64, x)
BINARY_PLAIN(pow_i32, i32, i32, (i32)int_pow(x, z))
BINARY_PLAIN(pow_i64, i64, i64, int_pow(x, z))

/* ---- lookup ---- */

#define FLOAT_LOOKUP(suffix)                                                                                       \
    (op == MAAS_BIN_ADD     ? add_##suffix                                                                         \
     : op == MAAS_BIN_SUB   ? sub_##suffix                                                                         \
     : op == MAAS_BIN_MUL   ? mul_##suffix                                                                         \
     : op == MAAS_BIN_DIV   ? div_##suffix                                                                         \
     : op == MAAS_BIN_MOD   ? mod_##suffix                                                                         \
     : op == MAAS_BIN_FMOD  ? fmod_##suffix                                                                        \
     : op == MAAS_BIN_POW   ? pow_##suffix                                                                         \
     : op == MAAS_BIN_MIN   ? min_##suffix                                                                         \
     : op == MAAS_BIN_MAX   ? max_##suffix                                                                         \
     : op == MAAS_BIN_PRELU ? prelu_##suffix                                                                       \
                            : NULL)
#define SIGNED_LOOKUP(bits)                                                                                        \
    (op == MAAS_BIN_ADD    ? add_u##bits                                                                           \
     : op == MAAS_BIN_SUB  ? sub_u##bits                                                                           \
     : op == MAAS_BIN_MUL  ? mul_u##bits                                                                           \
     : op == MAAS_BIN_DIV  ? div_i##bits                                                                           \
     : op == MAAS_BIN_MOD  ? mod_i##bits                                                                           \
     : op == MAAS_BIN_FMOD ? fmod_i##bits                                                                          \
     : op == MAAS_BIN_MIN  ? min_i##bits                                                                           \
     : op == MAAS_BIN_MAX  ? max_i##bits                                                                           \
                           : NULL)
#define UNSIGNED_LOOKUP(bits)                                                                                      \
    (op == MAAS_BIN_ADD                          ? add_u##bits                                                     \
     : op == MAAS_BIN_SUB                        ? sub_u##bits                                                     \
     : op == MAAS_BIN_MUL                        ? mul_u##bits                                                     \
     : op == MAAS_BIN_DIV                        ? div_u##bits                                                     \
     : op == MAAS_BIN_MOD || op == MAAS_BIN_FMOD ? mod_u##bits                                                     \
     : op == MAAS_BIN_MIN                        ? min_u##bits                                                     \
     : op == MAAS_BIN_MAX                        ? max_u##bits                                                     \
                                                 : NULL)

static MaasBinaryFn arithmetic(MaasBinary op, MaasType type)
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
        return op == MAAS_BIN_POW ? pow_i32 : op == MAAS_BIN_PRELU ? prelu_i32 : SIGNED_LOOKUP(32);
    case MAAS_INT64:
        return op == MAAS_BIN_POW ? pow_i64 : op == MAAS_BIN_PRELU ? prelu_i64 : SIGNED_LOOKUP(64);
    case MAAS_UINT8:
        return UNSIGNED_LOOKUP(8);
    case MAAS_UINT16:
        return UNSIGNED_LOOKUP(16);
    case MAAS_UINT32:
        return op == MAAS_BIN_PRELU ? prelu_u32 : UNSIGNED_LOOKUP(32);
    case MAAS_UINT64:
        return op == MAAS_BIN_PRELU ? prelu_u64 : UNSIGNED_LOOKUP(64);
    default:
        return NULL;
    }
}

MaasBinaryFn K(binary)(MaasBinary op, MaasType type)
{
    return op >= MAAS_BIN_AND ? K(compare)(op, type) : arithmetic(op, type);
}
