/*
 * vmath.h - elementary functions of float32 that the vectoriser can put into a loop.
 *
 * Every function is straight-line code: selects instead of branches, no tables,
 * no calls.  Infinities, NaN and, but where it says otherwise, subnormal
 * numbers come out as in libm; the
 * bounds in ulp hold at every CPU level and are checked by
 * src/test/engine/test_vmath.c against double precision libm.  The polynomials
 * are minimax fits made by src/test/gen/vmath_fit.py; how each argument is
 * reduced stands at the function.  Levels with FMA use it, so results may
 * differ between levels within those bounds.
 */
#ifndef MAAS_KERNEL_VMATH_H
#define MAAS_KERNEL_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t maas_bits_of(float x)
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

static inline float maas_madd(float a, float b, float c)
{
#ifdef __FMA__
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

static inline float maas_absf(float x)
{
    return maas_float_of(maas_bits_of(x) & 0x7fffffff);
}

/* |x| with the sign of s. */
static inline float maas_copysignf(float x, float s)
{
    return maas_float_of((maas_bits_of(x) & 0x7fffffff) | (maas_bits_of(s) & 0x80000000u));
}

/* 2^n for n in [-126, 127]; some float for others. */
static inline float maas_pow2i(int32_t n)
{
    return maas_float_of((uint32_t)(n + 127) << 23);
}

#define MAAS_LOG2E_F 1.44269504f
#define MAAS_LN2_HI_F 0.693359375f /* 9 bits: its product with an exponent is exact */
#define MAAS_LN2_LO_F -2.12194440e-4f
#define MAAS_ROUND_F 12582912.0f /* 1.5 * 2^23: adding it rounds to an integer, held in the low bits */

/* x = n ln 2 + r with |r| <= ln 2 / 2; returns exp(r) - 1 = r + r^2 p(r).  |x| < 2^21. */
static inline float maas_exp_reduced(float x, int32_t *n)
{
    float z = maas_madd(x, MAAS_LOG2E_F, MAAS_ROUND_F);
    float k = z - MAAS_ROUND_F;
    float r = maas_madd(k, -MAAS_LN2_LO_F, maas_madd(k, -MAAS_LN2_HI_F, x));
    float p = 0.00138695876f;

    *n = (int32_t)(maas_bits_of(z) - maas_bits_of(MAAS_ROUND_F));
    p = maas_madd(p, r, 0.00836625136f);
    p = maas_madd(p, r, 0.0416674465f);
    p = maas_madd(p, r, 0.166665465f);
    p = maas_madd(p, r, 0.49999997f);
    return maas_madd(p, r * r, r);
}

/* exp(x), 2 ulp.  The power of two is applied in two steps, which rounds subnormal results and overflows rightly.
 */
static inline float maas_expf(float x)
{
    float c = x < -104.0f ? -104.0f : x, y;
    int32_t n, half;

    c = c > 89.0f ? 89.0f : c;
    y = 1.0f + maas_exp_reduced(c, &n);
    half = n >> 1;
    return y * maas_pow2i(half) * maas_pow2i(n - half);
}

/* exp(x) for x in [-87, 87], 2 ulp; anything else gives some number or NaN. */
static inline float maas_exp_small(float x)
{
    int32_t n;
    float q = maas_exp_reduced(x, &n), t = maas_pow2i(n);

    return maas_madd(t, q, t);
}

/* exp(x) for x <= 0, 2 ulp; results below 2^-126 are given as 0. */
static inline float maas_exp_negative(float x)
{
    float y = maas_exp_small(x < -87.33f ? -87.33f : x);

    return x < -87.33f ? 0.0f : y;
}

/* exp(x) - 1 = 2 (2^(n-1) q + (2^(n-1) - 1/2)), 2 ulp, also near 0. */
static inline float maas_expm1f(float x)
{
    float c = x < -30.0f ? -30.0f : x, q, t;
    int32_t n;

    c = c > 89.0f ? 89.0f : c;
    q = maas_exp_reduced(c, &n);
    t = maas_pow2i(n - 1);
    return 2.0f * maas_madd(t, q, t - 0.5f);
}

/* log(1 + f) - f = -f^2/2 + f^3 p(f) for 1 + f in [sqrt(1/2), sqrt(2)) */
static inline float maas_log1p_poly(float f)
{
    float z = f * f, p = 0.0674918965f;

    p = maas_madd(p, f, -0.116700247f);
    p = maas_madd(p, f, 0.118835375f);
    p = maas_madd(p, f, -0.124062397f);
    p = maas_madd(p, f, 0.142203599f);
    p = maas_madd(p, f, -0.166679889f);
    p = maas_madd(p, f, 0.200020716f);
    p = maas_madd(p, f, -0.250000089f);
    p = maas_madd(p, f, 0.333333135f);
    return maas_madd(z, -0.5f, p * z * f);
}

/* log(x), 2 ulp: x = 2^e (1 + f). */
static inline float maas_logf(float x)
{
    int small = x < 1.17549435e-38f;
    uint32_t u = maas_bits_of(small ? x * 8388608.0f : x) + (0x3f800000 - 0x3f3504f3);
    float e = (float)((int32_t)(u >> 23) - (small ? 150 : 127));
    float f = maas_float_of((u & 0x7fffff) + 0x3f3504f3) - 1.0f;
    float y = maas_madd(e, MAAS_LN2_LO_F, maas_log1p_poly(f));

    y = maas_madd(e, MAAS_LN2_HI_F, f + y);
    y = x > 3.40282347e+38f ? x : y;
    y = x == 0.0f ? -INFINITY : y;
    return x >= 0.0f ? y : NAN;
}

/* log(1 + x) for x in [0, 1], 2 ulp: 1 + x = 2^e (1 + f) with f = x or (x - 1) / 2, both exact. */
static inline float maas_log1pf(float x)
{
    int large = x > 0.414213562f;
    float f = large ? 0.5f * x - 0.5f : x, e = large ? 1.0f : 0.0f;
    float y = maas_madd(e, MAAS_LN2_LO_F, maas_log1p_poly(f));

    return maas_madd(e, MAAS_LN2_HI_F, f + y);
}

/* tanh(x) = e / (e + 2) with e = exp(2|x|) - 1, 3 ulp. */
static inline float maas_tanhf(float x)
{
    float a = 2.0f * maas_absf(x), q, t, e;
    int32_t n;

    a = a > 20.0f ? 20.0f : a;
    q = maas_exp_reduced(a, &n);
    t = maas_pow2i(n);
    e = maas_madd(t, q, t - 1.0f);
    return maas_copysignf(e / (e + 2.0f), x);
}

/* 1 / (1 + exp(-x)), 3 ulp; written with exp(-|x|), so that small results keep their digits;
 * those below 2^-126 are given as 0. */
static inline float maas_sigmoidf(float x)
{
    float e = maas_exp_negative(-maas_absf(x));

    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

/* log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), 3 ulp; results below 2^-126 are given as 0. */
static inline float maas_softplusf(float x)
{
    return (x < 0.0f ? 0.0f : x) + maas_log1pf(maas_exp_negative(-maas_absf(x)));
}

/* erf(x), 3 ulp: x + x p(x^2) below 0.925, 1 - exp(-x - x p(x)) up to 3.93, 1 beyond. */
static inline float maas_erff(float x)
{
    float a = maas_absf(x), s = x * x, low = -0.00059595838f, high = -0.000213991167f, t;

    low = maas_madd(low, s, 0.00498735253f);
    low = maas_madd(low, s, -0.0267629661f);
    low = maas_madd(low, s, 0.11281731f);
    low = maas_madd(low, s, -0.376124889f);
    low = maas_madd(low, s, 0.128379151f);
    low = maas_madd(low, x, x);

    t = a > 3.95f ? 3.95f : a;
    high = maas_madd(high, t, 0.00321499095f);
    high = maas_madd(high, t, -0.0228900388f);
    high = maas_madd(high, t, 0.105261914f);
    high = maas_madd(high, t, 0.635718286f);
    high = maas_madd(high, t, 0.128514364f);
    high = maas_madd(high, t, t);
    high = maas_copysignf(1.0f - maas_exp_small(-high), x);
    return a < 0.925f ? low : high;
}

/* x (1 + erf(x / sqrt 2)) / 2 */
static inline float maas_geluf(float x)
{
    return 0.5f * x * (1.0f + maas_erff(x * 0.707106781f));
}

/* x (1 + tanh(u)) / 2 = x sigmoid(2u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
static inline float maas_gelu_tanhf(float x)
{
    return x * maas_sigmoidf(1.59576912f * maas_madd(0.044715f * x * x, x, x));
}

/* x tanh(softplus(x)) = x n / (n + 2), n = e (e + 2), e = exp(x) */
static inline float maas_mishf(float x)
{
    float e = maas_expf(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f);

    return x > 20.0f ? x : x * (n / (n + 2.0f));
}

/* r in [-pi/4, pi/4]: sin and cos to float32 precision, computed in double. */
static inline double maas_sin_poly(double r)
{
    double s = r * r;

    return r + r * s *
                   (-0.16666666640802447 +
                    s * (0.0083333293053368639 + s * (-0.00019839312401391659 + s * 2.7181227052787416e-06)));
}

static inline double maas_cos_poly(double r)
{
    double s = r * r;

    return 1.0 - 0.5 * s +
           s * s *
               (0.041666666619492428 +
                s * (-0.0013888883500167708 + s * (2.4799460178503746e-05 + s * -2.7205756161286562e-07)));
}

#define MAAS_SIN_MAX 1e5f /* beyond it the reduction below loses digits: use libm */

/* sin(x + quarter * pi / 2) for |x| <= MAAS_SIN_MAX, 1 ulp: x - n pi / 2 in double, pi / 2 in two parts. */
static inline float maas_sinf(float x, int32_t quarter)
{
    double z = (double)x * 0.63661977236758138 + 6755399441055744.0;
    double k = z - 6755399441055744.0; /* 1.5 * 2^52 */
    double r = ((double)x - k * 1.5707963109016418) - k * 1.5893254773528197e-08;
    int64_t bits;
    int32_t n;
    double y;

    memcpy(&bits, &z, sizeof bits);
    n = (int32_t)(uint32_t)bits + quarter;
    y = n & 1 ? maas_cos_poly(r) : maas_sin_poly(r);
    return (float)(n & 2 ? -y : y);
}

#endif
