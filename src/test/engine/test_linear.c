/*
 * test_linear.c - the kernels of linear.h against sums in double, at every CPU level, packed and in place.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/kernel/kernel.h"
#include "test.h"

static uint64_t state = 5;

static float *draw(int64_t n)
{
    float *x = malloc(sizeof *x * (size_t)(n + 1));

    for (int64_t i = 0; i < n; i++)
        x[i] = (float)((double)(test_random(&state) >> 40) / (1 << 23) - 1);
    return x;
}

typedef struct Shape {
    int64_t m, n, k;
    bool ta, tb, packed, add, bias, residual, act;
    float alpha;
} Shape;

static double reference(const Shape *s, const float *a, const float *b, const float *bias, const float *r,
                        const float *before, int64_t i, int64_t j, double *size)
{
    double sum = 0;

    *size = 1;
    for (int64_t p = 0; p < s->k; p++) {
        double x = s->alpha * (double)(s->ta ? a[p * s->m + i] : a[i * s->k + p]);
        double y = (double)(s->tb ? b[j * s->k + p] : b[p * s->n + j]);

        sum += x * y;
        *size += fabs(x * y);
    }
    sum += s->add ? (double)before[i * s->n + j] : 0;
    sum += s->bias ? (double)bias[j] : 0;
    sum += s->residual ? (double)r[i * s->n + j] : 0;
    sum = sum < -0.75 ? -0.75 : sum > 3 ? 3 : sum;
    return s->act ? tanh(sum) : sum;
}

/* C stands in rows of n + 3 elements: nothing but its own may be written. */
static void check_shape(const Shape *s)
{
    int64_t ldc = s->n + 3, count;
    float *a = draw(s->m * s->k), *b = draw(s->k * s->n), *bias = draw(s->n), *r = draw(s->m * s->n);
    float *before = draw(s->m * s->n), *c = malloc(sizeof *c * (size_t)(s->m * ldc + 1)), *packed;
    int64_t cut = s->n > 64 ? 64 : s->n, half = s->m / 2;

    CHECK(maas_packed_count(s->k, s->n, &count));
    packed = malloc(sizeof *packed * (size_t)count + 1);
    maas_kernel->linear_pack_f32(s->tb, s->k, s->n, b, s->tb ? s->k : s->n, packed, 0, s->n);
    MaasLinear l = maas_linear_of(s->m, s->n, s->k, a, s->packed ? packed : b, c);

    l.alpha = s->alpha;
    l.ta = s->ta;
    l.lda = s->ta ? s->m : s->k;
    l.ldb = s->packed ? 0 : s->n;
    l.ldc = ldc;
    l.add = s->add;
    l.bias = s->bias ? bias : NULL;
    l.residual = s->residual ? r : NULL;
    l.ldr = s->n;
    l.low = -0.75f;
    l.high = 3;
    l.act = s->act ? maas_kernel->unary(MAAS_UN_TANH, MAAS_FLOAT) : NULL;
    for (int64_t i = 0; i < s->m * ldc; i++)
        c[i] = i % ldc < s->n ? before[i / ldc * s->n + i % ldc] : 77;
    /* in four parts, as threads take them */
    maas_kernel->linear_f32(&l, 0, half, 0, cut);
    maas_kernel->linear_f32(&l, half, s->m, 0, cut);
    if (cut < s->n) {
        maas_kernel->linear_f32(&l, 0, half, cut, s->n);
        maas_kernel->linear_f32(&l, half, s->m, cut, s->n);
    }
    for (int64_t i = 0; i < s->m * ldc; i++) {
        double size = 1, want = 77;

        if (i % ldc < s->n)
            want = reference(s, a, b, bias, r, before, i / ldc, i % ldc, &size);
        if (!(fabs((double)c[i] - want) <= 1e-6 * size)) {
            test_fail(__FILE__, __LINE__,
                      "level %s, (%lld, %lld, %lld) %d%d%d%d%d%d%d: element %lld of row %lld is %g, expected %g",
                      maas_kernel->level, (long long)s->m, (long long)s->n, (long long)s->k, s->ta, s->tb,
                      s->packed, s->add, s->bias, s->residual, s->act, (long long)(i % ldc), (long long)(i / ldc),
                      (double)c[i], want);
            break;
        }
    }
    free(a), free(b), free(bias), free(r), free(before), free(c), free(packed);
}

TEST(linear_kernels)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    static const int64_t ms[] = {1, 2, 3, 4, 5, 11, 12, 13, 29},
                         ns[] = {1, 15, 16, 17, 31, 32, 33, 48, 97, 200, 530},
                         ks[] = {0, 1, 7, 64, 399, 401, 805, 1024}; /* the last: rows meet in the cache */
    const char *before = maas_kernel->level;

    for (int v = 0; v < 3; v++) {
        if (!maas_kernel_use(levels[v]))
            continue;
        for (size_t m = 0; m < sizeof ms / sizeof *ms; m++)
            for (size_t n = 0; n < sizeof ns / sizeof *ns; n++)
                for (size_t k = 0; k < sizeof ks / sizeof *ks; k++) {
                    uint64_t bits = test_random(&state);
                    Shape s = {ms[m], ns[n], ks[k], .alpha = bits & 1 ? 1 : -0.6f};

                    if (s.m * s.n * s.k > 1 << 20)
                        continue;
                    s.ta = bits >> 1 & 1;
                    s.packed = bits >> 2 & 1;
                    s.tb = s.packed && (bits >> 3 & 1);
                    s.add = bits >> 4 & 1;
                    s.bias = bits >> 5 & 1;
                    s.residual = bits >> 6 & 1;
                    s.act = bits >> 7 & 1;
                    check_shape(&s);
                }
    }
    maas_kernel_use(before);
}

/* A row's result is the same to the last bit whatever stands in the rows beside it, and packed or not. */
static void check_rows_alone(int64_t k)
{
    enum { M = 25, N = 150 };
    float *a = draw(M * k), *b = draw(k * N), *c = malloc(sizeof *c * M * N), *one = malloc(sizeof *one * N);
    float *packed = malloc(sizeof *packed * (size_t)k * (N + 32));

    maas_kernel->linear_pack_f32(false, k, N, b, N, packed, 0, N);
    MaasLinear l = maas_linear_of(M, N, k, a, packed, c);

    maas_kernel->linear_f32(&l, 0, M, 0, N);
    for (int i = 0; i < M; i++) {
        MaasLinear row = maas_linear_of(1, N, k, a + i * k, i % 2 ? packed : b, one);

        row.ldb = i % 2 ? 0 : N;
        maas_kernel->linear_f32(&row, 0, 1, 0, N);
        CHECK(memcmp(one, c + i * N, sizeof *one * N) == 0);
    }
    free(a), free(b), free(c), free(one), free(packed);
}

TEST(linear_rows_alone)
{
    check_rows_alone(530);
    check_rows_alone(1024);
}

TEST(linear_not_a_number_stays)
{
    float a[2] = {NAN, 1}, b[2] = {1, INFINITY}, c[4];
    MaasLinear l = maas_linear_of(2, 2, 1, a, b, c);

    l.ldb = 2;
    l.low = 0;
    maas_kernel->linear_f32(&l, 0, 2, 0, 2);
    CHECK(isnan(c[0]) && isnan(c[1]));
    CHECK(c[2] == 1 && c[3] == INFINITY);
}
