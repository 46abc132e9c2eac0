/*
 * test_elementwise.c - the elementwise kernels: every CPU level against the plain one, every broadcasting step
 * against single elements, and integers at the ends of their range.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/kernel/kernel.h"
#include "test.h"

#define N 1500

static const MaasType types[] = {MAAS_FLOAT, MAAS_DOUBLE, MAAS_INT8,   MAAS_INT16,  MAAS_INT32, MAAS_INT64,
                                 MAAS_UINT8, MAAS_UINT16, MAAS_UINT32, MAAS_UINT64, MAAS_BOOL};
#define N_TYPES (sizeof types / sizeof *types)

/* Fills with values of all sizes; special: also infinities, NaN and the ends of the range. */
static void fill(MaasType type, void *data, int64_t n, uint64_t *seed, bool special)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t r = test_random(seed);
        double d = ((double)(r >> 11) / (1ull << 53) - 0.5) * (r % 3 ? 6 : 200);

        if (special && r % 17 == 0)
            d = r % 2 ? NAN : r % 4 ? INFINITY : -INFINITY;
        if (type == MAAS_FLOAT)
            ((float *)data)[i] = (float)d;
        else if (type == MAAS_DOUBLE)
            ((double *)data)[i] = d;
        else if (type == MAAS_BOOL)
            ((uint8_t *)data)[i] = r & 1;
        else {
            if (!special && (r = r >> 8 & 0x7f) == 0)
                r = 1;
            if (special && r % 5 == 0)
                r = r % 2 ? (uint64_t)INT64_MIN : UINT64_MAX;
            memcpy((char *)data + (size_t)i * maas_type_size(type), &r, maas_type_size(type));
        }
    }
}

/* Equal bits; floats: both NaN, or within a relative or an absolute tolerance. */
static bool near(MaasType type, const void *a, const void *b, int64_t i, double relative, double absolute)
{
    const size_t size = maas_type_size(type);
    double x, y;

    if (type != MAAS_FLOAT && type != MAAS_DOUBLE)
        return memcmp((const char *)a + (size_t)i * size, (const char *)b + (size_t)i * size, size) == 0;
    x = type == MAAS_FLOAT ? (double)((const float *)a)[i] : ((const double *)a)[i];
    y = type == MAAS_FLOAT ? (double)((const float *)b)[i] : ((const double *)b)[i];
    if (isnan(x) || isnan(y))
        return isnan(x) && isnan(y);
    return x == y || fabs(x - y) <= relative * fabs(y) + absolute;
}

static const char *const levels[] = {"plain", "avx2", "avx512"};
#define N_LEVELS (sizeof levels / sizeof *levels)

static void unary_agrees(MaasUnary op, MaasType type)
{
    static const float parameters[2] = {0.5f, 0.25f};
    const bool boolean = op == MAAS_UN_IS_NAN || op == MAAS_UN_IS_INF;
    /* far left, 1 + erf(x) and its like lose all digits */
    const double absolute = op == MAAS_UN_GELU || op == MAAS_UN_GELU_TANH ? 1e-6 : 0;
    static char x[N * 8], want[N * 8], got[N * 8];
    const int64_t lengths[] = {0, 1, 3, 7, 8, 31, 64, 513, N};
    uint64_t seed = (uint64_t)op * 100 + type;

    if (!maas_kernel->unary(op, type))
        return;
    fill(type, x, N, &seed, true);
    CHECK(maas_kernel_use("plain"));
    maas_kernel->unary(op, type)(x, want, N, parameters);
    for (size_t l = 0; l < N_LEVELS; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
            memcpy(got, x, sizeof got);
            maas_kernel->unary(op, type)(boolean ? x : got, got, lengths[k], parameters); /* in place */
            for (int64_t i = 0; i < lengths[k]; i++) {
                if (near(boolean ? MAAS_BOOL : type, got, want, i, 2e-6, absolute))
                    continue;
                test_fail(__FILE__, __LINE__, "unary %d of %s at level %s differs from plain at %d of %d", (int)op,
                          maas_type_name(type), levels[l], (int)i, (int)lengths[k]);
                break;
            }
        }
    }
}

TEST(unary_levels_agree)
{
    const char *before = maas_kernel->level;

    for (int op = 0; op < MAAS_N_UNARY; op++)
        for (size_t t = 0; t < N_TYPES; t++)
            unary_agrees((MaasUnary)op, types[t]);
    CHECK(maas_kernel_use(before));
}

static const int64_t shapes[][2] = {{1, 1}, {1, 700}, {40, 3}, {9, 16}, {2, 600}, {300, 5}, {7, 1}};

static void binary_agrees(MaasBinary op, MaasType type)
{
    /* both dense, second a row, a column, one element; first a row, a column, one element; both one */
    static const int steps[][4] = {{1, 1, 1, 1}, {1, 1, 0, 1}, {1, 1, 1, 0}, {1, 1, 0, 0},
                                   {0, 1, 1, 1}, {1, 0, 1, 1}, {0, 0, 1, 1}, {0, 0, 0, 0}};
    static char a[N * 8], b[N * 8], want[N * 8], got[N * 8];
    const size_t size = maas_type_size(type);
    const MaasType out = op >= MAAS_BIN_EQUAL ? MAAS_BOOL : type;
    const bool divides = op == MAAS_BIN_DIV || op == MAAS_BIN_MOD || op == MAAS_BIN_FMOD || op == MAAS_BIN_POW;
    uint64_t seed = (uint64_t)op * 100 + type;

    if (!maas_kernel->binary(op, type))
        return;
    fill(type, a, N, &seed, true);
    fill(type, b, N, &seed, !divides || type == MAAS_FLOAT || type == MAAS_DOUBLE);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const int64_t rows = shapes[s][0], cols = shapes[s][1];

        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++) {
            const int64_t step[4] = {steps[k][0] * (steps[k][1] ? cols : 1), steps[k][1],
                                     steps[k][2] * (steps[k][3] ? cols : 1), steps[k][3]};
            static const int64_t one[4];

            CHECK(maas_kernel_use("plain"));
            for (int64_t i = 0; i < rows * cols; i++)
                maas_kernel->binary(op, type)(a + (size_t)(i / cols * step[0] + i % cols * step[1]) * size,
                                              b + (size_t)(i / cols * step[2] + i % cols * step[3]) * size,
                                              want + (size_t)i * maas_type_size(out), 1, 1, one);
            for (size_t l = 0; l < N_LEVELS; l++) {
                if (!maas_kernel_use(levels[l]))
                    continue;
                maas_kernel->binary(op, type)(a, b, got, rows, cols, step);
                for (int64_t i = 0; i < rows * cols; i++) {
                    if (near(out, got, want, i, 1e-6, 0))
                        continue;
                    test_fail(__FILE__, __LINE__, "binary %d of %s at level %s, (%d, %d), steps %d: wrong at %d",
                              (int)op, maas_type_name(type), levels[l], (int)rows, (int)cols, (int)k, (int)i);
                    break;
                }
            }
        }
    }
}

TEST(binary_steps_and_levels_agree)
{
    const char *before = maas_kernel->level;

    for (int op = 0; op < MAAS_N_BINARY; op++)
        for (size_t t = 0; t < N_TYPES; t++)
            binary_agrees((MaasBinary)op, types[t]);
    CHECK(maas_kernel_use(before));
}

TEST(select_by_size)
{
    static const size_t sizes[] = {1, 2, 4, 8, 16};
    static uint8_t cond[N], a[N * 16], b[N * 16], got[N * 16];
    uint64_t seed = 5;

    for (int i = 0; i < N; i++)
        cond[i] = test_random(&seed) & 1;
    fill(MAAS_UINT8, a, sizeof a, &seed, true);
    fill(MAAS_UINT8, b, sizeof b, &seed, true);
    for (size_t k = 0; k < 5; k++) {
        for (int mask = 0; mask < 64; mask++) { /* which of the six steps are not 0 */
            const int64_t rows = 6, cols = 37;
            int64_t step[6];

            for (int j = 0; j < 3; j++) {
                step[2 * j + 1] = mask >> (2 * j + 1) & 1;
                step[2 * j] = mask >> (2 * j) & 1 ? cols : 0;
            }
            maas_kernel->select(sizes[k])(cond, a, b, got, rows, cols, step);
            for (int64_t i = 0; i < rows * cols; i++) {
                const int64_t r = i / cols, c = i % cols;
                const uint8_t *from = cond[r * step[0] + c * step[1]]
                                          ? a + (size_t)(r * step[2] + c * step[3]) * sizes[k]
                                          : b + (size_t)(r * step[4] + c * step[5]) * sizes[k];

                if (memcmp(from, got + (size_t)i * sizes[k], sizes[k]) != 0) {
                    test_fail(__FILE__, __LINE__, "select of %d bytes, steps %d: wrong at %d", (int)sizes[k], mask,
                              (int)i);
                    break;
                }
            }
        }
    }
}

#define ONE(op, type, T, x, z, expected)                                                                           \
    do {                                                                                                           \
        static const int64_t steps[4];                                                                             \
        T a = x, b = z, y;                                                                                         \
                                                                                                                   \
        maas_kernel->binary(op, type)(&a, &b, &y, 1, 1, steps);                                                    \
        CHECK_INT(y, expected);                                                                                    \
    } while (0)

TEST(integer_edges)
{
    ONE(MAAS_BIN_DIV, MAAS_INT8, int8_t, INT8_MIN, -1, INT8_MIN);
    ONE(MAAS_BIN_DIV, MAAS_INT16, int16_t, INT16_MIN, -1, INT16_MIN);
    ONE(MAAS_BIN_DIV, MAAS_INT32, int32_t, INT32_MIN, -1, INT32_MIN);
    ONE(MAAS_BIN_DIV, MAAS_INT64, int64_t, INT64_MIN, -1, INT64_MIN);
    ONE(MAAS_BIN_DIV, MAAS_INT32, int32_t, -7, 2, -3);
    ONE(MAAS_BIN_MOD, MAAS_INT32, int32_t, -7, 2, 1);
    ONE(MAAS_BIN_MOD, MAAS_INT32, int32_t, 7, -2, -1);
    ONE(MAAS_BIN_MOD, MAAS_INT64, int64_t, INT64_MIN, -1, 0);
    ONE(MAAS_BIN_FMOD, MAAS_INT32, int32_t, -7, 2, -1);
    ONE(MAAS_BIN_FMOD, MAAS_INT32, int32_t, INT32_MIN, -1, 0);
    ONE(MAAS_BIN_MUL, MAAS_INT32, int32_t, INT32_MAX, 2, -2);
    ONE(MAAS_BIN_ADD, MAAS_INT64, int64_t, INT64_MAX, 1, INT64_MIN);
    ONE(MAAS_BIN_SUB, MAAS_UINT8, uint8_t, 1, 2, 255);
    ONE(MAAS_BIN_POW, MAAS_INT64, int64_t, -3, 3, -27);
    ONE(MAAS_BIN_POW, MAAS_INT64, int64_t, -1, -3, -1);
    ONE(MAAS_BIN_POW, MAAS_INT64, int64_t, 5, -1, 0);
    ONE(MAAS_BIN_SHIFT_LEFT, MAAS_UINT8, uint8_t, 0xff, 4, 0xf0);
    ONE(MAAS_BIN_SHIFT_LEFT, MAAS_UINT64, uint64_t, 1, 64, 0);
    ONE(MAAS_BIN_SHIFT_RIGHT, MAAS_UINT32, uint32_t, 0x80000000u, 31, 1);
    ONE(MAAS_BIN_SHIFT_RIGHT, MAAS_UINT16, uint16_t, 0xffff, 16, 0);
}

TEST(clip_of_all_types)
{
    static const int8_t x[] = {-100, -3, 0, 5, 100};
    int8_t low = -3, high = 5, y[5];
    float fx[] = {-INFINITY, NAN, 0.5f, INFINITY}, flow = -1, fhigh = 1, fy[4];

    maas_kernel->clip(MAAS_INT8)(x, y, 5, &low, &high);
    CHECK_INT(y[0], -3);
    CHECK_INT(y[4], 5);
    CHECK_INT(y[2], 0);
    maas_kernel->clip(MAAS_FLOAT)(fx, fy, 4, &flow, &fhigh);
    CHECK(fy[0] == -1 && isnan(fy[1]) && fy[2] == 0.5f && fy[3] == 1);
    maas_kernel->clip(MAAS_FLOAT)(fx, fy, 4, &fhigh, &flow); /* empty range: the upper bound */
    CHECK(fy[0] == -1 && fy[2] == -1 && fy[3] == -1);
}
