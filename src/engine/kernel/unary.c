/*
 * unary.c - computations of one argument: arithmetic, elementary functions, activations.
 *
 * float32 takes the vectorisable functions of vmath.h where they exist; double
 * and the rarer functions call libm element by element.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

#define UNARY(name, T, Y, expression)                                                                              \
    static void name(const void *xv, void *yv, int64_t n, const float *p)                                          \
    {                                                                                                              \
        const T *xs = xv;                                                                                          \
        Y *ys = yv;                                                                                                \
        const T p0 = (T)p[0], p1 = (T)p[1];                                                                        \
                                                                                                                   \
        (void)p0, (void)p1;                                                                                        \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            T x = xs[i];                                                                                           \
                                                                                                                   \
            ys[i] = (Y)(expression);                                                                               \
        }                                                                                                          \
    }

/* ---- formulas that float and double share ---- */

static inline double sigmoid_f64(double x)
{
    double e = exp(-fabs(x));

    return (x >= 0 ? 1.0 : e) / (1.0 + e);
}

static inline double softplus_f64(double x)
{
    return (x < 0 ? 0.0 : x) + log1p(exp(-fabs(x)));
}

#define SIGN_OF(x) ((x) > 0 ? 1 : (x) < 0 ? -1 : (x)) /* NaN stays */
#define CLAMP01(x) ((x) < 0 ? 0 : (x) > 1 ? 1 : (x))

/* name, float32 expression, double expression */
#define FLOAT_UNARY(X)                                                                                             \
    X(ABS, abs, maas_absf(x), fabs(x))                                                                             \
    X(NEG, neg, -x, -x)                                                                                            \
    X(SIGN, sign, SIGN_OF(x), SIGN_OF(x))                                                                          \
    X(CEIL, ceil, ceilf(x), ceil(x))                                                                               \
    X(FLOOR, floor, floorf(x), floor(x))                                                                           \
    X(ROUND, round, rintf(x), rint(x))                                                                             \
    X(SQRT, sqrt, sqrtf(x), sqrt(x))                                                                               \
    X(RECIPROCAL, reciprocal, 1.0f / x, 1.0 / x)                                                                   \
    X(LOG, log, maas_logf(x), log(x))                                                                              \
    X(TAN, tan, tanf(x), tan(x))                                                                                   \
    X(ASIN, asin, asinf(x), asin(x))                                                                               \
    X(ACOS, acos, acosf(x), acos(x))                                                                               \
    X(ATAN, atan, atanf(x), atan(x))                                                                               \
    X(SINH, sinh, sinhf(x), sinh(x))                                                                               \
    X(COSH, cosh, coshf(x), cosh(x))                                                                               \
    X(TANH, tanh, maas_tanhf(x), tanh(x))                                                                          \
    X(ASINH, asinh, asinhf(x), asinh(x))                                                                           \
    X(ACOSH, acosh, acoshf(x), acosh(x))                                                                           \
    X(ATANH, atanh, atanhf(x), atanh(x))                                                                           \
    X(ERF, erf, maas_erff(x), erf(x))                                                                              \
    X(SIGMOID, sigmoid, maas_sigmoidf(x), sigmoid_f64(x))                                                          \
    X(RELU, relu, x < 0 ? 0 : x, x < 0 ? 0 : x)                                                                    \
    X(LEAKY_RELU, leaky_relu, x < 0 ? p0 * x : x, x < 0 ? p0 * x : x)                                              \
    X(THRESHOLDED_RELU, thresholded_relu, x > p0 ? x : 0, x > p0 ? x : 0)                                          \
    X(ELU, elu, x < 0 ? p0 * maas_expm1f(x) : x, x < 0 ? p0 * expm1(x) : x)                                        \
    X(SELU, selu, p1 *(x < 0 ? p0 * maas_expm1f(x) : x), p1 *(x < 0 ? p0 * expm1(x) : x))                          \
    X(CELU, celu, x < 0 ? p0 * maas_expm1f(x / p0) : x, x < 0 ? p0 * expm1(x / p0) : x)                            \
    X(GELU, gelu, maas_geluf(x), 0.5 * x * (1.0 + erf(x * 0.70710678118654752440)))                                \
    X(GELU_TANH, gelu_tanh, maas_gelu_tanhf(x),                                                                    \
      x *sigmoid_f64(1.5957691216057307117 * (x + 0.044715 * x * x * x)))                                          \
    X(HARD_SIGMOID, hard_sigmoid, CLAMP01(p0 *x + p1), CLAMP01(p0 *x + p1))                                        \
    X(HARD_SWISH, hard_swish, x *CLAMP01(x * (1.0f / 6) + 0.5f), x *CLAMP01(x * (1.0 / 6) + 0.5))                  \
    X(MISH, mish, maas_mishf(x), x *tanh(softplus_f64(x)))                                                         \
    X(SWISH, swish, x *maas_sigmoidf(p0 *x), x *sigmoid_f64(p0 *x))                                                \
    X(SOFTPLUS, softplus, maas_softplusf(x), softplus_f64(x))                                                      \
    X(SOFTSIGN, softsign, x / (1.0f + maas_absf(x)), x / (1.0 + fabs(x)))                                          \
    X(SHRINK, shrink, x<-p0 ? x + p1 : x> p0 ? x - p1 : 0, x<-p0 ? x + p1 : x> p0 ? x - p1 : 0)                    \
    X(SCALE, scale, p0 *x, p0 *x)

#define DEFINE_FLOAT(NAME, name, f32, f64)                                                                         \
    UNARY(name##_f32, float, float, f32)                                                                           \
    UNARY(name##_double, double, double, f64)
FLOAT_UNARY(DEFINE_FLOAT)

UNARY(is_nan_f32, float, uint8_t, x != x)
UNARY(is_nan_double, double, uint8_t, x != x)
UNARY(is_inf_f32, float, uint8_t, (p0 != 0 && x == -INFINITY) || (p1 != 0 && x == INFINITY))
UNARY(is_inf_double, double, uint8_t, (p0 != 0 && x == -INFINITY) || (p1 != 0 && x == INFINITY))

/* ---- exponential, sine, cosine: blocks without large arguments take a shorter way ---- */

#define BLOCK 512

/* Whether every |x| is at most limit; false when there is a NaN. */
static bool all_within(const float *x, int64_t n, float limit)
{
    int outside = 0;

#pragma omp simd reduction(| : outside)
    for (int64_t i = 0; i < n; i++)
        outside |= !(maas_absf(x[i]) <= limit);
    return !outside;
}

#define BY_BLOCK(name, limit, inner, outer)                                                                        \
    static void name(const void *xv, void *yv, int64_t n, const float *p)                                          \
    {                                                                                                              \
        (void)p;                                                                                                   \
        for (int64_t at = 0; at < n; at += BLOCK) {                                                                \
            const float *x = (const float *)xv + at;                                                               \
            float *y = (float *)yv + at;                                                                           \
            int64_t m = n - at < BLOCK ? n - at : BLOCK;                                                           \
                                                                                                                   \
            if (all_within(x, m, limit)) {                                                                         \
                _Pragma("omp simd") for (int64_t i = 0; i < m; i++) y[i] = inner;                                  \
            } else {                                                                                               \
                _Pragma("omp simd") for (int64_t i = 0; i < m; i++) y[i] = outer;                                  \
            }                                                                                                      \
        }                                                                                                          \
    }
BY_BLOCK(exp_f32, 87.0f, maas_exp_small(x[i]), maas_expf(x[i]))
BY_BLOCK(sin_f32, MAAS_SIN_MAX, maas_sinf(x[i], 0), sinf(x[i]))
BY_BLOCK(cos_f32, MAAS_SIN_MAX, maas_sinf(x[i], 1), cosf(x[i]))
UNARY(exp_double, double, double, exp(x))
UNARY(sin_double, double, double, sin(x))
UNARY(cos_double, double, double, cos(x))

/* ---- integers; negation wraps ---- */

#define INT_UNARY(name, T, Y, expression)                                                                          \
    static void name(const void *xv, void *yv, int64_t n, const float *p)                                          \
    {                                                                                                              \
        const T *xs = xv;                                                                                          \
        Y *ys = yv;                                                                                                \
                                                                                                                   \
        (void)p;                                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            T x = xs[i];                                                                                           \
                                                                                                                   \
            ys[i] = (Y)(expression);                                                                               \
        }                                                                                                          \
    }

/* x +- bias in double, kept within the type. */
#define INT_SHRINK(name, T, low, high)                                                                             \
    static void name(const void *xv, void *yv, int64_t n, const float *p)                                          \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
        T *y = yv;                                                                                                 \
        const double lambd = p[0], bias = p[1];                                                                    \
                                                                                                                   \
        for (int64_t i = 0; i < n; i++) {                                                                          \
            double v = (double)x[i], w = v < -lambd ? v + bias : v > lambd ? v - bias : 0;                         \
                                                                                                                   \
            y[i] = w <= (double)(low) ? (low) : w >= (double)(high) ? (high) : w != w ? 0 : (T)w;                  \
        }                                                                                                          \
    }

#define DEFINE_SIGNED(bits)                                                                                        \
    INT_UNARY(abs_i##bits, int##bits##_t, int##bits##_t,                                                           \
              (uint##bits##_t)(x < 0 ? 0u - (uint##bits##_t)x : (uint##bits##_t)x))                                \
    INT_UNARY(neg_i##bits, uint##bits##_t, uint##bits##_t, 0u - x)                                                 \
    INT_UNARY(sign_i##bits, int##bits##_t, int##bits##_t, (x > 0) - (x < 0))                                       \
    INT_UNARY(relu_i##bits, int##bits##_t, int##bits##_t, x < 0 ? 0 : x)                                           \
    INT_SHRINK(shrink_i##bits, int##bits##_t, INT##bits##_MIN, INT##bits##_MAX)
#define DEFINE_UNSIGNED(bits)                                                                                      \
    INT_UNARY(same_u##bits, uint##bits##_t, uint##bits##_t, x)                                                     \
    INT_UNARY(sign_u##bits, uint##bits##_t, uint##bits##_t, x > 0)                                                 \
    INT_UNARY(not_u##bits, uint##bits##_t, uint##bits##_t, ~x)                                                     \
    INT_SHRINK(shrink_u##bits, uint##bits##_t, 0, UINT##bits##_MAX)
DEFINE_SIGNED(8)
DEFINE_SIGNED(16)
DEFINE_SIGNED(32)
DEFINE_SIGNED(64)
DEFINE_UNSIGNED(8)
DEFINE_UNSIGNED(16)
DEFINE_UNSIGNED(32)
DEFINE_UNSIGNED(64)
INT_UNARY(not_bool, uint8_t, uint8_t, !x)

/* ---- lookup ---- */

static MaasUnaryFn float_unary(MaasUnary op, bool is_double)
{
    switch (op) {
#define CASE(NAME, name, f32, f64)                                                                                 \
    case MAAS_UN_##NAME:                                                                                           \
        return is_double ? name##_double : name##_f32;
        FLOAT_UNARY(CASE)
    case MAAS_UN_EXP:
        return is_double ? exp_double : exp_f32;
    case MAAS_UN_SIN:
        return is_double ? sin_double : sin_f32;
    case MAAS_UN_COS:
        return is_double ? cos_double : cos_f32;
    case MAAS_UN_IS_NAN:
        return is_double ? is_nan_double : is_nan_f32;
    case MAAS_UN_IS_INF:
        return is_double ? is_inf_double : is_inf_f32;
    default:
        return NULL;
    }
}

#define SIGNED_LOOKUP(bits)                                                                                        \
    (op == MAAS_UN_ABS       ? abs_i##bits                                                                         \
     : op == MAAS_UN_NEG     ? neg_i##bits                                                                         \
     : op == MAAS_UN_SIGN    ? sign_i##bits                                                                        \
     : op == MAAS_UN_RELU    ? relu_i##bits                                                                        \
     : op == MAAS_UN_SHRINK  ? shrink_i##bits                                                                      \
     : op == MAAS_UN_BIT_NOT ? not_u##bits                                                                         \
                             : NULL)
#define UNSIGNED_LOOKUP(bits)                                                                                      \
    (op == MAAS_UN_ABS       ? same_u##bits                                                                        \
     : op == MAAS_UN_SIGN    ? sign_u##bits                                                                        \
     : op == MAAS_UN_SHRINK  ? shrink_u##bits                                                                      \
     : op == MAAS_UN_BIT_NOT ? not_u##bits                                                                         \
                             : NULL)

MaasUnaryFn K(unary)(MaasUnary op, MaasType type)
{
    switch (type) {
    case MAAS_FLOAT:
        return float_unary(op, false);
    case MAAS_DOUBLE:
        return float_unary(op, true);
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
        return op == MAAS_UN_NOT ? not_bool : NULL;
    default:
        return NULL;
    }
}
