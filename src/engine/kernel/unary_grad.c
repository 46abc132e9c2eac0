/*
 * unary_grad.c - dx = dy * f'(x) for the elementwise functions of unary.c, from x or, where that is less work, from
 * y = f(x).  At a kink the slope is that of the left side, as in PyTorch.
 */
#include <math.h>

#include "kernel.h"
#include "vmath.h"

/* Defines a MaasUnaryGradFn; expression: of v (x or y) and g (dy). */
#define UNARY_GRAD(name, T, expression)                                                                            \
    static void name(const void *vs, const void *gs, void *ds, int64_t n, const float *p)                          \
    {                                                                                                              \
        const T p0 = (T)p[0], p1 = (T)p[1];                                                                        \
                                                                                                                   \
        (void)p0, (void)p1;                                                                                        \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            const T v = ((const T *)vs)[i], g = ((const T *)gs)[i];                                                \
                                                                                                                   \
            (void)v;                                                                                               \
            ((T *)ds)[i] = (T)(expression);                                                                        \
        }                                                                                                          \
    }

static inline double sigmoid(double x)
{
    double e = exp(-fabs(x));

    return (x >= 0 ? 1.0 : e) / (1.0 + e);
}

static inline double gelu_slope(double x)
{
    return 0.5 * (1 + erf(x * 0.70710678118654752440)) + x * exp(-0.5 * x * x) * 0.39894228040143267794;
}

static inline float gelu_slope_f32(float x)
{
    return 0.5f * (1 + maas_erff(x * 0.70710678f)) + x * maas_expf(-0.5f * x * x) * 0.39894228f;
}

/* x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
static inline double gelu_tanh_slope(double x)
{
    double s = sigmoid(1.5957691216057307117 * (x + 0.044715 * x * x * x));

    return s + x * s * (1 - s) * 1.5957691216057307117 * (1 + 3 * 0.044715 * x * x);
}

static inline float gelu_tanh_slope_f32(float x)
{
    float s = maas_sigmoidf(1.59576912f * (x + 0.044715f * x * x * x));

    return s + x * s * (1 - s) * 1.59576912f * (1 + 3 * 0.044715f * x * x);
}

/* x tanh(softplus(x)) */
static inline double mish_slope(double x)
{
    double t = tanh((x < 0 ? 0 : x) + log1p(exp(-fabs(x))));

    return t + x * sigmoid(x) * (1 - t * t);
}

static inline float mish_slope_f32(float x)
{
    float t = maas_tanhf(maas_softplusf(x));

    return t + x * maas_sigmoidf(x) * (1 - t * t);
}

static inline double swish_slope(double x, double a)
{
    double s = sigmoid(a * x);

    return s + a * x * s * (1 - s);
}

static inline float swish_slope_f32(float x, float a)
{
    float s = maas_sigmoidf(a * x);

    return s + a * x * s * (1 - s);
}

/* name, float32 expression, double expression; those that maas_unary_grad_of_output names read y */
#define FUNCTIONS(X)                                                                                               \
    X(ABS, abs, v > 0 ? g : v < 0 ? -g : 0, v > 0 ? g : v < 0 ? -g : 0)                                            \
    X(SQRT, sqrt, g * (0.5f / v), g * (0.5 / v))                                                                   \
    X(RECIPROCAL, reciprocal, -g *v *v, -g *v *v)                                                                  \
    X(EXP, exp, g *v, g *v)                                                                                        \
    X(LOG, log, g / v, g / v)                                                                                      \
    X(SIN, sin, g *cosf(v), g *cos(v))                                                                             \
    X(COS, cos, -g *sinf(v), -g *sin(v))                                                                           \
    X(TAN, tan, g * (1 + v * v), g * (1 + v * v))                                                                  \
    X(ASIN, asin, g / sqrtf(1 - v * v), g / sqrt(1 - v * v))                                                       \
    X(ACOS, acos, -g / sqrtf(1 - v * v), -g / sqrt(1 - v * v))                                                     \
    X(ATAN, atan, g / (1 + v * v), g / (1 + v * v))                                                                \
    X(SINH, sinh, g *coshf(v), g *cosh(v))                                                                         \
    X(COSH, cosh, g *sinhf(v), g *sinh(v))                                                                         \
    X(TANH, tanh, g * (1 - v * v), g * (1 - v * v))                                                                \
    X(ASINH, asinh, g / sqrtf(v * v + 1), g / sqrt(v * v + 1))                                                     \
    X(ACOSH, acosh, g / (sqrtf(v - 1) * sqrtf(v + 1)), g / (sqrt(v - 1) * sqrt(v + 1)))                            \
    X(ATANH, atanh, g / (1 - v * v), g / (1 - v * v))                                                              \
    X(ERF, erf, g * 1.12837917f * maas_expf(-v * v), g * 1.12837916709551257390 * exp(-v * v))                     \
    X(SIGMOID, sigmoid, g *v * (1 - v), g * v * (1 - v))                                                           \
    X(RELU, relu, v > 0 ? g : 0, v > 0 ? g : 0)                                                                    \
    X(LEAKY_RELU, leaky_relu, v > 0 ? g : g * p0, v > 0 ? g : g * p0)                                              \
    X(THRESHOLDED_RELU, thresholded_relu, v > p0 ? g : 0, v > p0 ? g : 0)                                          \
    X(ELU, elu, v > 0 ? g : g * p0 * maas_expf(v), v > 0 ? g : g * p0 * exp(v))                                    \
    X(SELU, selu, g *p1 *(v > 0 ? 1 : p0 * maas_expf(v)), g *p1 *(v > 0 ? 1 : p0 * exp(v)))                        \
    X(CELU, celu, v > 0 ? g : g * maas_expf(v / p0), v > 0 ? g : g * exp(v / p0))                                  \
    X(GELU, gelu, g *gelu_slope_f32(v), g *gelu_slope(v))                                                          \
    X(GELU_TANH, gelu_tanh, g *gelu_tanh_slope_f32(v), g *gelu_tanh_slope(v))                                      \
    X(HARD_SIGMOID, hard_sigmoid, p0 *v + p1 > 0 && p0 * v + p1 < 1 ? g * p0 : 0,                                  \
      p0 * v + p1 > 0 && p0 * v + p1 < 1 ? g * p0 : 0)                                                             \
    X(HARD_SWISH, hard_swish,                                                                                      \
      v <= -3  ? 0                                                                                                 \
      : v >= 3 ? g                                                                                                 \
               : g * (v * (1.0f / 3) + 0.5f),                                                                      \
      v <= -3  ? 0                                                                                                 \
      : v >= 3 ? g                                                                                                 \
               : g * (v * (1.0 / 3) + 0.5))                                                                        \
    X(MISH, mish, g *mish_slope_f32(v), g *mish_slope(v))                                                          \
    X(SWISH, swish, g *swish_slope_f32(v, p0), g *swish_slope(v, p0))                                              \
    X(SOFTPLUS, softplus, g *maas_sigmoidf(v), g *sigmoid(v))                                                      \
    X(SOFTSIGN, softsign, g / ((1 + maas_absf(v)) * (1 + maas_absf(v))), g / ((1 + fabs(v)) * (1 + fabs(v))))      \
    X(SHRINK, shrink, v<-p0 || v> p0 ? g : 0, v<-p0 || v> p0 ? g : 0)

#define DEFINE(NAME, name, f32, f64)                                                                               \
    UNARY_GRAD(name##_f32, float, f32)                                                                             \
    UNARY_GRAD(name##_double, double, f64)
FUNCTIONS(DEFINE)

MaasUnaryGradFn K(unary_grad)(MaasUnary op, MaasType type)
{
    if (type != MAAS_FLOAT && type != MAAS_DOUBLE)
        return NULL;
    switch (op) {
#define CASE(NAME, name, f32, f64)                                                                                 \
    case MAAS_UN_##NAME:                                                                                           \
        return type == MAAS_DOUBLE ? name##_double : name##_f32;
        FUNCTIONS(CASE)
    default:
        return NULL;
    }
}

/* ---- Clip ---- */

#define CLIP_GRAD(name, T)                                                                                         \
    static void name(const void *xs, const void *gs, void *ds, int64_t n, const void *lows, const void *highs)     \
    {                                                                                                              \
        const T low = *(const T *)lows, high = *(const T *)highs;                                                  \
                                                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            const T x = ((const T *)xs)[i], g = ((const T *)gs)[i];                                                \
                                                                                                                   \
            ((T *)ds)[i] = x < low || x > high ? 0 : g;                                                            \
        }                                                                                                          \
    }
CLIP_GRAD(clip_f32, float)
CLIP_GRAD(clip_double, double)

MaasClipGradFn K(clip_grad)(MaasType type)
{
    return type == MAAS_FLOAT ? clip_f32 : type == MAAS_DOUBLE ? clip_double : NULL;
}
