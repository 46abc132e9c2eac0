/*
 * test_axis.c - the kernels along one axis (reductions, softmax, positions, running sums, top k, quantisation)
 * against plain loops in double precision, at every CPU level.
 */
#include <math.h>

#include "../../engine/kernel/kernel.h"
#include "test.h"

static const char *const levels[] = {"plain", "avx2", "avx512"};
#define N_LEVELS (sizeof levels / sizeof *levels)
#define N 40000

/* outer, axis, inner: short and long, beyond the blocks of the kernels, empty */
static const int64_t shapes[][3] = {{1, 1, 1},   {1, 5000, 1}, {70, 10, 1}, {3, 33, 1},   {1, 0, 4}, {2, 3, 300},
                                    {1, 200, 7}, {4, 65, 64},  {1, 130, 1}, {1, 2049, 1}, {5, 1, 3}};
#define N_SHAPES (sizeof shapes / sizeof *shapes)

static float x[N], y[N];
static double dx[N], dy[N];

static void fill(uint64_t seed)
{
    for (int64_t i = 0; i < N; i++) {
        dx[i] = ((double)(test_random(&seed) >> 11) / (1ull << 53) - 0.4) * 4;
        x[i] = (float)dx[i];
        dx[i] = x[i];
    }
}

static double reduce_line(MaasReduce op, const double *v, int64_t n, int64_t stride)
{
    double acc = op == MAAS_RED_PROD                                ? 1
                 : op == MAAS_RED_MAX || op == MAAS_RED_LOG_SUM_EXP ? -INFINITY
                 : op == MAAS_RED_MIN                               ? INFINITY
                                                                    : 0;

    for (int64_t i = 0; i < n; i++) {
        double e = v[i * stride];

        switch (op) {
        case MAAS_RED_SUM:
            acc += e;
            break;
        case MAAS_RED_ABS_SUM:
            acc += fabs(e);
            break;
        case MAAS_RED_SQUARE_SUM:
            acc += e * e;
            break;
        case MAAS_RED_PROD:
            acc *= e;
            break;
        case MAAS_RED_MAX:
            acc = fmax(acc, e);
            break;
        case MAAS_RED_MIN:
            acc = fmin(acc, e);
            break;
        default: {
            double top = fmax(acc, e);

            acc = top + log(exp(acc - top) + exp(e - top));
        }
        }
    }
    return acc;
}

static void check_reduce(MaasReduce op, const int64_t *s, const char *level)
{
    maas_kernel->reduce(op, MAAS_FLOAT)(x, y, s[0], s[1], s[2]);
    maas_kernel->reduce(op, MAAS_DOUBLE)(dx, dy, s[0], s[1], s[2]);
    for (int64_t o = 0; o < s[0]; o++) {
        for (int64_t i = 0; i < s[2]; i++) {
            double want = reduce_line(op, dx + o * s[1] * s[2] + i, s[1], s[2]);
            double size = reduce_line(MAAS_RED_ABS_SUM, dx + o * s[1] * s[2] + i, s[1], s[2]);
            double tolerance = op == MAAS_RED_SUM           ? 3e-7 * size
                               : op == MAAS_RED_LOG_SUM_EXP ? 1e-6 * (fabs(want) + 1) /* a sum that may cancel */
                                                            : 3e-6 * fabs(want);
            double got = y[o * s[2] + i], exact = dy[o * s[2] + i];

            if (op == MAAS_RED_PROD && fabs(want) > 3e38)
                continue;
            if (!(got == want || fabs(got - want) <= tolerance + 1e-37) ||
                !(exact == want || fabs(exact - want) <= 1e-13 * (fabs(want) + size)))
                test_fail(__FILE__, __LINE__,
                          "reduction %d at level %s of (%d, %d, %d): %.9g and %.17g, expected %.17g", (int)op,
                          level, (int)s[0], (int)s[1], (int)s[2], got, exact, want);
        }
    }
}

static void check_softmax(const int64_t *s, const char *level)
{
    for (int logarithm = 0; logarithm < 2; logarithm++) {
        maas_kernel->softmax((MaasSoftmax)logarithm, MAAS_FLOAT)(x, y, s[0], s[1], s[2]);
        maas_kernel->softmax((MaasSoftmax)logarithm, MAAS_DOUBLE)(dx, dy, s[0], s[1], s[2]);
        for (int64_t o = 0; o < s[0]; o++) {
            for (int64_t i = 0; i < s[2]; i++) {
                const int64_t first = o * s[1] * s[2] + i;
                double total = reduce_line(MAAS_RED_LOG_SUM_EXP, dx + first, s[1], s[2]);

                for (int64_t k = 0; k < s[1]; k++) {
                    double want = dx[first + k * s[2]] - total;
                    double got = y[first + k * s[2]], exact = dy[first + k * s[2]];

                    want = logarithm ? want : exp(want);
                    if (!(fabs(got - want) <= 2e-6 * fabs(want)) || !(fabs(exact - want) <= 1e-13 * fabs(want)))
                        test_fail(__FILE__, __LINE__,
                                  "softmax %d at level %s of (%d, %d, %d): %.9g and %.17g, expected %.17g",
                                  logarithm, level, (int)s[0], (int)s[1], (int)s[2], got, exact, want);
                }
            }
        }
    }
}

TEST(axis_reductions_and_softmax)
{
    const char *before = maas_kernel->level;

    fill(3);
    for (size_t l = 0; l < N_LEVELS; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (size_t s = 0; s < N_SHAPES; s++) {
            for (int op = 0; op < MAAS_N_REDUCE; op++)
                check_reduce((MaasReduce)op, shapes[s], levels[l]);
            check_softmax(shapes[s], levels[l]);
        }
    }
    CHECK(maas_kernel_use(before));
}

/* NaN wins, infinities stay. */
TEST(axis_special_values)
{
    const char *before = maas_kernel->level;

    for (size_t l = 0; l < N_LEVELS; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        fill(4);
        x[77] = NAN;
        maas_kernel->reduce(MAAS_RED_MAX, MAAS_FLOAT)(x, y, 1, 100, 1);
        CHECK(isnan(y[0]));
        maas_kernel->reduce(MAAS_RED_MIN, MAAS_FLOAT)(x, y, 1, 10, 10);
        CHECK(isnan(y[7]) && !isnan(y[6]));
        x[77] = INFINITY;
        maas_kernel->reduce(MAAS_RED_LOG_SUM_EXP, MAAS_FLOAT)(x, y, 1, 100, 1);
        CHECK(y[0] == INFINITY);
        x[77] = -INFINITY;
        maas_kernel->softmax(MAAS_SOFTMAX, MAAS_FLOAT)(x, y, 1, 100, 1);
        CHECK(y[77] == 0 && y[76] > 0);
        for (int i = 0; i < 100; i++)
            x[i] = -INFINITY;
        maas_kernel->reduce(MAAS_RED_LOG_SUM_EXP, MAAS_FLOAT)(x, y, 1, 100, 1);
        CHECK(y[0] == -INFINITY);
    }
    CHECK(maas_kernel_use(before));
}

static void check_arg(const int64_t *s, bool largest, bool last)
{
    static int64_t at[N];

    maas_kernel->arg_extreme(largest, MAAS_FLOAT)(x, at, s[0], s[1], s[2], last);
    for (int64_t o = 0; o < s[0]; o++) {
        for (int64_t i = 0; i < s[2]; i++) {
            const float *v = x + o * s[1] * s[2] + i;
            int64_t want = 0;

            for (int64_t k = 1; k < s[1]; k++) {
                float a = v[k * s[2]], b = v[want * s[2]];

                if (isnan(b) ? isnan(a) && last : isnan(a) || (largest ? a > b : a < b) || (a == b && last))
                    want = k;
            }
            CHECK_INT(at[o * s[2] + i], want);
        }
    }
}

TEST(axis_positions)
{
    const char *before = maas_kernel->level;

    fill(9);
    for (int i = 0; i < N; i++)
        x[i] = i % 1987 == 5 ? NAN : floorf(x[i] * 3); /* many equal ones */
    for (size_t l = 0; l < N_LEVELS; l++)
        if (maas_kernel_use(levels[l]))
            for (size_t s = 0; s < N_SHAPES; s++)
                for (int how = 0; how < 4 && shapes[s][1] > 0; how++)
                    check_arg(shapes[s], how & 1, how & 2);
    CHECK(maas_kernel_use(before));
}

TEST(axis_top_k)
{
    float values[300];
    int64_t index[300];

    fill(11);
    for (int i = 0; i < 300; i++)
        x[2 * i] = i % 97 == 50 ? NAN : floorf(x[2 * i] * 3);
    for (int k = 1; k <= 300; k += k < 5 ? 1 : 59) {
        for (int largest = 0; largest < 2; largest++) {
            maas_kernel->top_k(largest, MAAS_FLOAT)(x, 2, 300, k, values, index);
            for (int i = 0; i < k; i++) {
                int better = 0; /* elements that must stand before this one: i of them */

                CHECK(memcmp(&x[2 * index[i]], &values[i], sizeof values[i]) == 0);
                for (int j = 0; j < 300; j++) {
                    float a = x[2 * j], b = values[i];
                    bool equal = a == b || (isnan(a) && isnan(b));
                    bool above = largest ? a > b || (isnan(a) && !isnan(b)) : a < b || (isnan(b) && !isnan(a));

                    better += above || (equal && j < index[i]);
                }
                CHECK_INT(better, i);
            }
        }
    }
}

TEST(axis_running_sums)
{
    static const int64_t v[] = {1, 2, 3, 4, 5, 6};
    int64_t out[6];

    maas_kernel->cum_sum(MAAS_INT64)(v, out, 1, 3, 2, false, false);
    CHECK(out[0] == 1 && out[1] == 2 && out[2] == 4 && out[3] == 6 && out[4] == 9 && out[5] == 12);
    maas_kernel->cum_sum(MAAS_INT64)(v, out, 2, 3, 1, true, true);
    CHECK(out[0] == 5 && out[1] == 3 && out[2] == 0 && out[3] == 11 && out[4] == 6 && out[5] == 0);
}

TEST(axis_quantisation)
{
    static const float v[] = {-1e30f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 300, 1e30f, INFINITY, NAN, 0.25f};
    static const int32_t want[] = {-128, -1, 1, 1, 3, 3, 127, 127, 127, -128, 1}; /* ties to even, then + 1 */
    const char *before = maas_kernel->level;
    const float scale = 1;
    const int32_t zero = 1;

    for (size_t l = 0; l < N_LEVELS; l++) {
        int8_t q[11];
        float back[11];

        if (!maas_kernel_use(levels[l]))
            continue;
        maas_kernel->quantize(MAAS_INT8)(v, q, 11, &scale, &zero, 0, -128, 127);
        for (int i = 0; i < 11; i++)
            CHECK_INT(q[i], want[i]);
        maas_kernel->dequantize(MAAS_INT8)(q, back, 11, &scale, &zero, 0);
        CHECK(back[0] == -129 && back[4] == 2);
    }
    CHECK(maas_kernel_use(before));
}
