/*
 * test_vmath.c - the vectorisable float32 functions against libm in double precision, at every CPU level.
 */
#include <math.h>

#include "../../engine/kernel/kernel.h"
#include "test.h"

#define BLOCK 1024
#define STRIDE 9973 /* every STRIDEth float of the range, negative ones and NaN included */

static float float_of(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

/* |got - want| in units of the last place of want as a float; 0 when both are the same infinity or NaN. */
static double ulps(float got, double want)
{
    float rounded = (float)want;

    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got) ? 0 : INFINITY;
    if (isinf(rounded) || isinf(got))
        return got == rounded ? 0 : INFINITY;
    return fabs((double)got - want) / (nextafterf(fabsf(rounded), INFINITY) - fabsf(rounded));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double gelu(double x)
{
    return 0.5 * x * erfc(-x * 0.70710678118654752440);
}

static double gelu_tanh(double x)
{
    return x * sigmoid(1.5957691216057307117 * (x + 0.044715 * x * x * x));
}

static double mish(double x)
{
    return x * tanh(softplus(x));
}

static double elu(double x)
{
    return x < 0 ? expm1(x) : x;
}

typedef struct Function {
    const char *name;
    MaasUnary op;
    double (*exact)(double x);
    float low, high;
    double ulps;  /* as kernel/vmath.h promises */
    bool flushes; /* results below 2^-126 may be 0 */
} Function;

/* Where a factor or a difference takes digits away (gelu, mish far left), the range ends. */
static const Function functions[] = {
    {"exp", MAAS_UN_EXP, exp, -INFINITY, INFINITY, 2, false},
    {"log", MAAS_UN_LOG, log, -INFINITY, INFINITY, 2, false},
    {"tanh", MAAS_UN_TANH, tanh, -INFINITY, INFINITY, 3, false},
    {"sigmoid", MAAS_UN_SIGMOID, sigmoid, -INFINITY, INFINITY, 3, true},
    {"softplus", MAAS_UN_SOFTPLUS, softplus, -INFINITY, INFINITY, 3, true},
    {"erf", MAAS_UN_ERF, erf, -INFINITY, INFINITY, 3, false},
    {"elu", MAAS_UN_ELU, elu, -INFINITY, INFINITY, 3, false},
    {"sin", MAAS_UN_SIN, sin, -INFINITY, INFINITY, 1, false},
    {"cos", MAAS_UN_COS, cos, -INFINITY, INFINITY, 1, false},
    {"gelu", MAAS_UN_GELU, gelu, -1, 1e30f, 4, false},
    {"gelu tanh", MAAS_UN_GELU_TANH, gelu_tanh, -1, 1e30f, 4, false},
    {"mish", MAAS_UN_MISH, mish, -80, 1e30f, 5, false},
};

static void sweep(const Function *f, const char *level)
{
    static const float parameters[2] = {1, 1};
    MaasUnaryFn fn = maas_kernel->unary(f->op, MAAS_FLOAT);
    double worst = 0;
    float at = 0;
    uint64_t bits = 0;

    while (bits <= UINT32_MAX) {
        float x[BLOCK], y[BLOCK];
        int n = 0;

        for (; n < BLOCK && bits <= UINT32_MAX; bits += STRIDE) {
            x[n] = float_of((uint32_t)bits);
            n += isnan(x[n]) || (x[n] >= f->low && x[n] <= f->high);
        }
        fn(x, y, n, parameters);
        for (int i = 0; i < n; i++) {
            double want = f->exact(x[i]), gap = ulps(y[i], want);

            if (f->flushes && y[i] == 0 && fabs(want) < 1.2e-38)
                continue;
            if (gap > worst) {
                worst = gap;
                at = x[i];
            }
        }
    }
    if (worst > f->ulps)
        test_fail(__FILE__, __LINE__, "%s at level %s is %.2f ulp off at %.9g, %.2f are allowed", f->name, level,
                  worst, (double)at, f->ulps);
}

TEST(vmath_sweep)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    const char *before = maas_kernel->level;

    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++)
        if (maas_kernel_use(levels[l]))
            for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
                sweep(&functions[i], levels[l]);
    CHECK(maas_kernel_use(before));
}

TEST(vmath_edges)
{
    static const float parameters[2] = {1, 1};
    static const struct {
        MaasUnary op;
        float x, y;
    } cases[] = {
        {MAAS_UN_EXP, 88.7228317f, 3.40279852e+38f},
        {MAAS_UN_EXP, 88.7228394f, INFINITY},
        {MAAS_UN_EXP, -103.972084f, 0},
        {MAAS_UN_EXP, -INFINITY, 0},
        {MAAS_UN_EXP, INFINITY, INFINITY},
        {MAAS_UN_EXP, 0, 1},
        {MAAS_UN_LOG, 0, -INFINITY},
        {MAAS_UN_LOG, -0.0f, -INFINITY},
        {MAAS_UN_LOG, -1, NAN},
        {MAAS_UN_LOG, 1, 0},
        {MAAS_UN_LOG, INFINITY, INFINITY},
        {MAAS_UN_TANH, INFINITY, 1},
        {MAAS_UN_TANH, -INFINITY, -1},
        {MAAS_UN_SIGMOID, -INFINITY, 0},
        {MAAS_UN_SIGMOID, INFINITY, 1},
        {MAAS_UN_SIGMOID, 0, 0.5f},
        {MAAS_UN_ERF, INFINITY, 1},
        {MAAS_UN_ERF, -INFINITY, -1},
        {MAAS_UN_SIN, INFINITY, NAN},
        {MAAS_UN_SOFTPLUS, INFINITY, INFINITY},
        {MAAS_UN_SOFTPLUS, -INFINITY, 0},
        {MAAS_UN_RELU, NAN, NAN},
        {MAAS_UN_ROUND, 2.5f, 2},
        {MAAS_UN_ROUND, -0.5f, 0},
        {MAAS_UN_SIGN, NAN, NAN},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float x[9], y[9]; /* in a vector and in the rest */

        for (int j = 0; j < 9; j++)
            x[j] = cases[i].x;
        maas_kernel->unary(cases[i].op, MAAS_FLOAT)(x, y, 9, parameters);
        for (int j = 0; j < 9; j++)
            if (!(ulps(y[j], cases[i].y) <= 1))
                test_fail(__FILE__, __LINE__, "case %d gives %.9g, expected %.9g", (int)i, (double)y[j],
                          (double)cases[i].y);
    }
}
