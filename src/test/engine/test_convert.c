/*
 * test_convert.c - element type conversions against numpy, ml_dtypes and the compiler's _Float16.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/base/convert.h"
#include "../../engine/base/half.h"
#include "../../engine/kernel/kernel.h"
#include "test.h"

typedef struct SmallDecode {
    MaasType type;
    uint8_t code;
    uint32_t value; /* bits of a float */
} SmallDecode;

typedef struct SmallEncode {
    MaasType type;
    uint32_t value;
    uint8_t saturated, plain;
} SmallEncode;

#include "convert_table.inc"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static bool same_float(float a, float b)
{
    return (isnan(a) && isnan(b)) || maas_float_bits(a) == maas_float_bits(b);
}

TEST(small_floats_decode)
{
    for (int i = 0; i < COUNT(small_decode); i++) {
        const SmallDecode *d = &small_decode[i];
        float got = maas_small_to_f32(d->type, d->code), expected = maas_float_of(d->value);

        if (!same_float(got, expected))
            test_fail(__FILE__, __LINE__, "%s 0x%02x is %g, expected %g", maas_type_name(d->type), d->code, got,
                      expected);
    }
}

TEST(small_floats_encode)
{
    for (int i = 0; i < COUNT(small_encode); i++) {
        const SmallEncode *e = &small_encode[i];
        float x = maas_float_of(e->value);

        for (int saturate = 0; saturate < 2; saturate++) {
            uint8_t got = maas_f32_to_small(e->type, x, saturate);
            uint8_t expected = saturate ? e->saturated : e->plain;

            if (!same_float(maas_small_to_f32(e->type, got), maas_small_to_f32(e->type, expected)) &&
                !(isnan(x) && e->type == MAAS_FLOAT4E2M1 && (got & 7) == 0))
                test_fail(__FILE__, __LINE__, "%s of %.9g (saturate %d) is 0x%02x, expected 0x%02x",
                          maas_type_name(e->type), x, saturate, got, expected);
        }
    }
}

/* Each code's value converts back to the code. */
TEST(small_floats_round_trip)
{
    static const MaasType types[] = {MAAS_FLOAT8E4M3FN,   MAAS_FLOAT8E4M3FNUZ, MAAS_FLOAT8E5M2,
                                     MAAS_FLOAT8E5M2FNUZ, MAAS_FLOAT8E8M0,     MAAS_FLOAT4E2M1};

    for (int t = 0; t < COUNT(types); t++)
        for (int code = 0; code < 1 << maas_type_bits(types[t]); code++) {
            float x = maas_small_to_f32(types[t], (uint8_t)code);

            if (!isnan(x) && !isinf(x)) {
                CHECK_INT(maas_f32_to_small(types[t], x, true), code);
                CHECK_INT(maas_f32_to_small(types[t], x, false), code);
            } else if (isnan(x)) {
                CHECK(isnan(maas_small_to_f32(types[t], maas_f32_to_small(types[t], x, true))));
            }
        }
}

/* The tables of ONNX Cast for float8e8m0. */
TEST(e8m0_rounding)
{
    CHECK_INT(maas_f32_to_e8m0(0.0f, MAAS_ROUND_UP, true), 0);
    CHECK_INT(maas_f32_to_e8m0(0.0f, MAAS_ROUND_NEAREST, false), 0xff);
    CHECK_INT(maas_f32_to_e8m0(INFINITY, MAAS_ROUND_UP, true), 0xfe);
    CHECK_INT(maas_f32_to_e8m0(INFINITY, MAAS_ROUND_NEAREST, false), 0xff);
    CHECK_INT(maas_f32_to_e8m0(NAN, MAAS_ROUND_UP, true), 0xff);
    CHECK_INT(maas_f32_to_e8m0(0x1.8p127f, MAAS_ROUND_UP, true), 0xfe);
    CHECK_INT(maas_f32_to_e8m0(0x1.8p127f, MAAS_ROUND_UP, false), 0xff);
    CHECK_INT(maas_f32_to_e8m0(0x1p-127f, MAAS_ROUND_UP, true), 0);
    CHECK_INT(maas_f32_to_e8m0(0x1.8p-127f, MAAS_ROUND_UP, true), 1);
    CHECK_INT(maas_f32_to_e8m0(0x1.8p-127f, MAAS_ROUND_DOWN, true), 0);
    CHECK_INT(maas_f32_to_e8m0(1.1f, MAAS_ROUND_UP, true), 128);
    CHECK_INT(maas_f32_to_e8m0(1.1f, MAAS_ROUND_DOWN, true), 127);
    CHECK_INT(maas_f32_to_e8m0(1.1f, MAAS_ROUND_NEAREST, true), 127);
    CHECK_INT(maas_f32_to_e8m0(1.5f, MAAS_ROUND_NEAREST, true), 128);
    CHECK_INT(maas_f32_to_e8m0(3.0f, MAAS_ROUND_NEAREST, true), 129);
    CHECK_INT(maas_f32_to_e8m0(1.0f, MAAS_ROUND_UP, true), 127);
}

#ifdef __FLT16_MAX__
static uint16_t compiler_f16(float x)
{
    _Float16 h = (_Float16)x;
    uint16_t bits;

    memcpy(&bits, &h, sizeof bits);
    return bits;
}

/* Every float16 up, and down: every float16, the points between two and their neighbours, and a walk over all
 * floats. */
TEST(float16_all)
{
    for (uint32_t code = 0; code < 0x10000; code++) {
        uint16_t bits = (uint16_t)code;
        _Float16 h;
        float x;

        memcpy(&h, &bits, sizeof h);
        x = maas_f16_to_f32(bits);
        if (!same_float(x, (float)h))
            test_fail(__FILE__, __LINE__, "float16 0x%04x is %g, expected %g", bits, x, (double)(float)h);
        if (!isnan(x)) {
            CHECK_INT(maas_f32_to_f16(x), bits);
            for (uint32_t near = 0; near < 3; near++) {
                float between = maas_float_of(maas_float_bits(x) + 0x1000 - 1 + near);

                if (!isnan(between))
                    CHECK_INT(maas_f32_to_f16(between), compiler_f16(between));
            }
        } else {
            CHECK(isnan(maas_f16_to_f32(maas_f32_to_f16(x))));
        }
    }
    for (uint64_t u = 0; u < UINT64_C(1) << 32; u += 4093) {
        float x = maas_float_of((uint32_t)u);

        if (!isnan(x) && maas_f32_to_f16(x) != compiler_f16(x))
            test_fail(__FILE__, __LINE__, "float16 of %.9g is 0x%04x, expected 0x%04x", x, maas_f32_to_f16(x),
                      compiler_f16(x));
    }
}
#endif

/* The kernels give what base/half.h gives, at every CPU level and for lengths that are no multiple of a vector. */
TEST(convert_kernels)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    enum { N = 70003 };
    float *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    uint16_t *h = malloc(N * sizeof *h), *k = malloc(N * sizeof *k);
    const char *before = maas_kernel->level;
    uint64_t seed = 1;

    for (int l = 0; l < COUNT(levels); l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (int i = 0; i < N; i++) {
            h[i] = (uint16_t)i;
            x[i] =
                i < 0x10000 ? maas_f16_to_f32((uint16_t)i) * 1.0007f : maas_float_of((uint32_t)test_random(&seed));
        }
        maas_kernel->f16_to_f32(h, y, N);
        for (int i = 0; i < N; i++)
            CHECK(maas_float_bits(y[i]) == maas_float_bits(maas_f16_to_f32(h[i])));
        maas_kernel->bf16_to_f32(h, y, N);
        for (int i = 0; i < N; i++)
            CHECK(maas_float_bits(y[i]) == maas_float_bits(maas_bf16_to_f32(h[i])));
        maas_kernel->f32_to_f16(x, k, N);
        for (int i = 0; i < N; i++)
            CHECK(k[i] == maas_f32_to_f16(x[i]));
        maas_kernel->f32_to_bf16(x, k, N);
        for (int i = 0; i < N; i++)
            CHECK(k[i] == maas_f32_to_bf16(x[i]));
    }
    maas_kernel_use(before);
    free(x);
    free(y);
    free(h);
    free(k);
}

static size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t n = strlen(hex) / 2;

    for (size_t i = 0; i < n; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

        bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

TEST(convert_like_numpy)
{
    _Alignas(16) uint8_t x[1024], expected[1024], y[1024];

    for (int p = 0; p < COUNT(convert_pairs); p++) {
        MaasType from = convert_pairs[p][0], to = convert_pairs[p][1];
        size_t from_size = maas_type_size(from), to_size = maas_type_size(to);
        size_t n = from_hex(convert_table[2 * p], x) / from_size;

        from_hex(convert_table[2 * p + 1], expected);
        if (maas_type_bits(from) < 8) /* ml_dtypes leaves the high bits as they come */
            for (size_t i = 0; i < n; i++)
                x[i] = (uint8_t)(from == MAAS_INT4   ? (int8_t)(x[i] << 4) >> 4
                                 : from == MAAS_INT2 ? (int8_t)(x[i] << 6) >> 6
                                                     : x[i]);
        maas_convert(from, x, to, y, (int64_t)n, NULL);
        for (size_t i = 0; i < n; i++) {
            uint8_t *e = expected + i * to_size;
            char before[MAAS_NUMBER_TEXT], got[MAAS_NUMBER_TEXT], wanted[MAAS_NUMBER_TEXT];

            if (to == MAAS_INT4)
                *e = (uint8_t)((int8_t)(*e << 4) >> 4);
            if (to == MAAS_INT2)
                *e = (uint8_t)((int8_t)(*e << 6) >> 6);
            if (memcmp(y + i * to_size, e, to_size) == 0)
                continue;
            maas_number_to_string(from, x + i * from_size, before);
            maas_number_to_string(to, y + i * to_size, got);
            maas_number_to_string(to, e, wanted);
            test_fail(__FILE__, __LINE__, "%s %s as %s is %s, expected %s", maas_type_name(from), before,
                      maas_type_name(to), got, wanted);
        }
    }
}

/* Long inputs take the vectorised loops and the pieces: each element as if it were alone. */
TEST(convert_long)
{
    enum { N = 1339 };
    _Alignas(16) static uint8_t x[N * 16], y[N * 16], one[16];
    uint64_t seed = 7;

    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (uint8_t)test_random(&seed);
    for (int from = 1; from < MAAS_NTYPES; from++)
        for (int to = 1; to < MAAS_NTYPES; to++) {
            size_t from_size = maas_type_size((MaasType)from), to_size = maas_type_size((MaasType)to);

            if (!maas_can_convert((MaasType)from, (MaasType)to) || from == to)
                continue;
            maas_convert((MaasType)from, x, (MaasType)to, y, N, NULL);
            for (int64_t i = 0; i < N; i++) {
                maas_convert((MaasType)from, x + (size_t)i * from_size, (MaasType)to, one, 1, NULL);
                if (memcmp(one, y + (size_t)i * to_size, to_size) != 0) {
                    test_fail(__FILE__, __LINE__, "%s to %s differs at %d", maas_type_name((MaasType)from),
                              maas_type_name((MaasType)to), (int)i);
                    break;
                }
            }
        }
}

/* Rounding twice would give 2048 and 1.0. */
TEST(convert_rounds_once)
{
    double tie = 2049 + 0x1p-30, one = 1 + 0x1p-8 + 0x1p-40;
    int64_t wide = (INT64_C(1) << 40) + (INT64_C(1) << 32) + 1;
    uint16_t h;

    maas_convert(MAAS_DOUBLE, &tie, MAAS_FLOAT16, &h, 1, NULL);
    CHECK(maas_f16_to_f32(h) == 2050);
    maas_convert(MAAS_DOUBLE, &one, MAAS_BFLOAT16, &h, 1, NULL);
    CHECK(maas_bf16_to_f32(h) == 1 + 0x1p-7f);
    maas_convert(MAAS_INT64, &wide, MAAS_BFLOAT16, &h, 1, NULL);
    CHECK(maas_bf16_to_f32(h) == 0x1p40f + 0x1p33f);
}

static bool fits(MaasType from, const void *x, MaasType to)
{
    uint8_t y[16];

    return maas_convert_exact(from, x, to, y, 1) == 1;
}

TEST(convert_exact)
{
    static const struct {
        double x;
        MaasType to;
        bool fits;
    } cases[] = {
        {1.0, MAAS_UINT8, true},
        {1.9, MAAS_UINT8, false},
        {300, MAAS_UINT8, false},
        {-1, MAAS_UINT8, false},
        {255, MAAS_UINT8, true},
        {-128, MAAS_INT8, true},
        {128, MAAS_INT8, false},
        {-0.0, MAAS_UINT8, true},
        {0x1p63, MAAS_INT64, false},
        {-0x1p63, MAAS_INT64, true},
        {0x1p63, MAAS_UINT64, true},
        {0x1p64, MAAS_UINT64, false},
        {NAN, MAAS_INT32, false},
        {INFINITY, MAAS_INT64, false},
        {1, MAAS_BOOL, true},
        {2, MAAS_BOOL, false},
        {0.5, MAAS_BOOL, false},
        {16777217, MAAS_FLOAT, true},
        {1e39, MAAS_FLOAT, false},
        {INFINITY, MAAS_FLOAT, true},
        {NAN, MAAS_FLOAT, true},
        {65504, MAAS_FLOAT16, true},
        {65520, MAAS_FLOAT16, false},
        {1e-30, MAAS_FLOAT16, true},
        {448, MAAS_FLOAT8E4M3FN, true},
        {480, MAAS_FLOAT8E4M3FN, false},
        {INFINITY, MAAS_FLOAT8E4M3FN, false},
        {NAN, MAAS_FLOAT8E4M3FN, true},
        {INFINITY, MAAS_FLOAT8E5M2, true},
        {6.5, MAAS_FLOAT4E2M1, true},
        {7, MAAS_FLOAT4E2M1, false},
        {NAN, MAAS_FLOAT4E2M1, false},
        {2, MAAS_FLOAT8E8M0, true},
        {-2, MAAS_FLOAT8E8M0, false},
        {0, MAAS_FLOAT8E8M0, false},
        {7, MAAS_INT4, true},
        {8, MAAS_INT4, false},
        {-8, MAAS_INT4, true},
        {15, MAAS_UINT4, true},
        {-3, MAAS_INT2, false},
        {3, MAAS_UINT2, true},
        {1e300, MAAS_DOUBLE, true},
        {1e300, MAAS_COMPLEX64, false},
    };
    int64_t big = INT64_MAX, negative = -5;
    uint64_t large = UINT64_MAX;
    double list[] = {1, 2, 3.5, 4, 5.5};
    int32_t y[5];

    for (int i = 0; i < COUNT(cases); i++)
        if (fits(MAAS_DOUBLE, &cases[i].x, cases[i].to) != cases[i].fits)
            test_fail(__FILE__, __LINE__, "%g %s %s", cases[i].x, cases[i].fits ? "fits" : "does not fit",
                      maas_type_name(cases[i].to));
    CHECK(fits(MAAS_INT64, &big, MAAS_FLOAT));
    CHECK(!fits(MAAS_INT64, &big, MAAS_FLOAT16));
    CHECK(fits(MAAS_INT64, &big, MAAS_UINT64));
    CHECK(!fits(MAAS_INT64, &negative, MAAS_UINT64));
    CHECK(fits(MAAS_INT64, &negative, MAAS_INT4));
    CHECK(!fits(MAAS_UINT64, &large, MAAS_INT64));
    CHECK(fits(MAAS_UINT64, &large, MAAS_DOUBLE));
    CHECK_INT(maas_convert_exact(MAAS_DOUBLE, list, MAAS_INT32, y, 5), 2);
    CHECK_INT(maas_convert_exact(MAAS_DOUBLE, list, MAAS_FLOAT, y, 5), 5);
}

/* The place of one bad element among many: the quick look at a piece must see it as the single element is seen. */
TEST(convert_exact_long)
{
    enum { N = 1500 };
    _Alignas(16) static uint8_t x[N * 8], y[N * 16], one[16];
    static const MaasType froms[] = {MAAS_DOUBLE, MAAS_FLOAT, MAAS_INT64,  MAAS_UINT64,
                                     MAAS_INT32,  MAAS_INT8,  MAAS_UINT16, MAAS_FLOAT16};
    static const double values[] = {-1, 0.5, 300, 70000, 5e9, 1e19, -1e19, 1e39, NAN, INFINITY, -0.0, 7, 200};
    uint64_t seed = 9;

    for (int f = 0; f < COUNT(froms); f++)
        for (int to = 1; to < MAAS_NTYPES; to++)
            for (int v = 0; v < COUNT(values); v++) {
                size_t size = maas_type_size(froms[f]);
                int64_t at = (int64_t)(test_random(&seed) % N), got;
                double ordinary = 1;
                bool alone;

                if (!maas_can_convert(froms[f], (MaasType)to) || (isnan(values[v]) && size == 1))
                    continue;
                for (int64_t i = 0; i < N; i++)
                    maas_convert(MAAS_DOUBLE, i == at ? &values[v] : &ordinary, froms[f], x + (size_t)i * size, 1,
                                 NULL);
                alone = maas_convert_exact(froms[f], x + (size_t)at * size, (MaasType)to, one, 1) == 1;
                got = maas_convert_exact(froms[f], x, (MaasType)to, y, N);
                if (got != (alone ? N : at))
                    test_fail(__FILE__, __LINE__, "%s %g to %s: the bad element is %d, expected %d",
                              maas_type_name(froms[f]), values[v], maas_type_name((MaasType)to), (int)got,
                              (int)(alone ? N : at));
            }
}

static bool reads(const char *text, MaasType to, double expected, bool exact)
{
    MaasError err;
    uint8_t y[16];
    double got;

    if (maas_string_to_number((MaasStr){text, strlen(text)}, to, y, NULL, exact, &err) != MAAS_OK)
        return false;
    maas_convert(to, y, MAAS_DOUBLE, &got, 1, NULL);
    return got == expected || (isnan(got) && isnan(expected));
}

TEST(convert_strings)
{
    float f = 314.15925f, tiny = 1e-7f;
    double d = 0.1;
    int8_t i = -5;
    uint64_t u = UINT64_MAX;
    uint8_t b = 1, x[16];
    float c[2] = {1, -2.5f};
    char text[MAAS_NUMBER_TEXT];
    MaasError err;

    CHECK(reads("3.14", MAAS_FLOAT, 3.14f, true));
    CHECK(reads("1e-5", MAAS_DOUBLE, 1e-5, true));
    CHECK(reads("1E8", MAAS_FLOAT, 1e8, true));
    CHECK(reads(" 1000\n", MAAS_INT16, 1000, true));
    CHECK(reads("100.5", MAAS_INT32, 100, false));
    CHECK(!reads("100.5", MAAS_INT32, 100, true));
    CHECK(!reads("300", MAAS_UINT8, 44, true));
    CHECK(reads("300", MAAS_UINT8, 44, false));
    CHECK(reads("+INF", MAAS_FLOAT, INFINITY, true));
    CHECK(reads("inf", MAAS_FLOAT16, INFINITY, true));
    CHECK(reads("-Inf", MAAS_DOUBLE, -INFINITY, true));
    CHECK(reads("nAn", MAAS_FLOAT, NAN, true));
    CHECK(reads("true", MAAS_BOOL, 1, true));
    CHECK(reads("False", MAAS_BOOL, 0, true));
    CHECK(reads("9223372036854775807", MAAS_INT64, 0x1p63, true));
    CHECK(reads("18446744073709551615", MAAS_UINT64, 0x1p64, true));
    CHECK(!reads("18446744073709551616", MAAS_UINT64, 0, true));
    CHECK(!reads("", MAAS_FLOAT, 0, false));
    CHECK(!reads("0x10", MAAS_FLOAT, 16, false));
    CHECK(!reads("1e", MAAS_FLOAT, 1, false));
    CHECK(!reads("1e400", MAAS_DOUBLE, INFINITY, true));
    CHECK(reads("1e400", MAAS_DOUBLE, INFINITY, false));
    CHECK_FAILS(maas_string_to_number((MaasStr){"Hello", 5}, MAAS_INT8, x, NULL, false, &err), MAAS_ERR_VALUE,
                "the string \"Hello\" is not a number and cannot become int8");

    maas_number_to_string(MAAS_FLOAT, &f, text);
    CHECK_STR(text, "314.15924");
    maas_number_to_string(MAAS_FLOAT, &tiny, text);
    CHECK_STR(text, "1e-07");
    maas_number_to_string(MAAS_DOUBLE, &d, text);
    CHECK_STR(text, "0.1");
    maas_number_to_string(MAAS_INT8, &i, text);
    CHECK_STR(text, "-5");
    maas_number_to_string(MAAS_UINT64, &u, text);
    CHECK_STR(text, "18446744073709551615");
    maas_number_to_string(MAAS_BOOL, &b, text);
    CHECK_STR(text, "True");
    maas_number_to_string(MAAS_COMPLEX64, c, text);
    CHECK_STR(text, "(1,-2.5)");
}
