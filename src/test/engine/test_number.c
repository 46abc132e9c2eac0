/*
 * test_number.c - numbers as text, against strtod and printf.
 */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>

#include "../../engine/base/number.h"
#include "test.h"

static double double_of(uint64_t u)
{
    double x;

    memcpy(&x, &u, sizeof x);
    return x;
}

static float float_of(uint32_t u)
{
    float x;

    memcpy(&x, &u, sizeof x);
    return x;
}

static void check_double(double x)
{
    char text[MAAS_DOUBLE_TEXT], shortest[64];
    size_t n = maas_print_double(x, text), length = strlen(text);
    int digits = 0, expected = 0;
    double back = strtod(text, NULL);

    CHECK_INT(n, length);
    CHECK_INT(maas_number_length(text, length), length);
    if (memcmp(&back, &x, sizeof x) != 0)
        test_fail(__FILE__, __LINE__, "%.17g is written as %s, which reads %.17g", x, text, back);
    back = maas_number_double(text, length);
    if (memcmp(&back, &x, sizeof x) != 0)
        test_fail(__FILE__, __LINE__, "%s reads as %.17g", text, back);
    for (expected = 1; expected < 17; expected++) {
        snprintf(shortest, sizeof shortest, "%.*e", expected - 1, x);
        if (strtod(shortest, NULL) == x)
            break;
    }
    for (const char *p = text + strspn(text, "-0."); *p && *p != 'e'; p++)
        digits += *p != '.' && *p != '-';
    if (digits > expected && strpbrk(text, ".e"))
        test_fail(__FILE__, __LINE__, "%.17g is written as %s, %d digits are enough", x, text, expected);
}

static void check_float(float x)
{
    char text[MAAS_DOUBLE_TEXT];
    size_t n = maas_print_float(x, text);
    float back = strtof(text, NULL);
    int digits = 0, expected;

    if (memcmp(&back, &x, sizeof x) != 0)
        test_fail(__FILE__, __LINE__, "%.9g is written as %s, which reads %.9g", x, text, back);
    back = maas_number_float(text, n);
    if (memcmp(&back, &x, sizeof x) != 0)
        test_fail(__FILE__, __LINE__, "%s reads as %.9g", text, back);
    for (expected = 1; expected < 9; expected++) {
        char shortest[64];

        snprintf(shortest, sizeof shortest, "%.*e", expected - 1, x);
        if (strtof(shortest, NULL) == x)
            break;
    }
    for (const char *p = text + strspn(text, "-0."); *p && *p != 'e'; p++)
        digits += *p != '.' && *p != '-';
    if (digits > expected && strpbrk(text, ".e"))
        test_fail(__FILE__, __LINE__, "%.9g is written as %s, %d digits are enough", x, text, expected);
}

TEST(number_round_trip)
{
    static const double some[] = {0.0,
                                  -0.0,
                                  1,
                                  0.1,
                                  0.5,
                                  1.0 / 3,
                                  1e15,
                                  1e16,
                                  123456789012345678.0,
                                  1e-4,
                                  1e-5,
                                  1e22,
                                  1e23,
                                  5e-324,
                                  DBL_MIN,
                                  DBL_MAX,
                                  0x1p-44,
                                  9007199254740993.0,
                                  2.5e-310,
                                  1e100,
                                  -1e-100,
                                  4.35,
                                  0.3,
                                  2e-3,
                                  1e21,
                                  999999999999999.9};
    static const float floats[] = {0.0f,    -0.0f,  0.1f,     1e10f, 16777216.0f, FLT_MAX,
                                   FLT_MIN, 1e-45f, 3.4e-41f, 0.3f,  1e-4f,       9.999999e8f};
    uint64_t seed = 11;

    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check_double(some[i]);
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        check_float(floats[i]);
    for (int i = 0; i < 20000; i++) {
        double x = double_of(test_random(&seed));
        float f = float_of((uint32_t)test_random(&seed));

        if (isfinite(x))
            check_double(x);
        if (isfinite(f))
            check_float(f);
        check_double((double)(test_random(&seed) % 1000000) / 1000);
        check_double((double)test_random(&seed) / 0x1p64);
        check_float((float)(test_random(&seed) >> 40) / 0x1p24f);
        check_float((float)(test_random(&seed) % 1000000) / 100);
    }
}

static void check_reads(const char *text)
{
    double x = maas_number_double(text, strlen(text)), expected = strtod(text, NULL);
    float f = maas_number_float(text, strlen(text)), expected_f = strtof(text, NULL);

    if (maas_number_length(text, strlen(text)) != strlen(text))
        test_fail(__FILE__, __LINE__, "%s is no number", text);
    if (memcmp(&x, &expected, sizeof x) != 0)
        test_fail(__FILE__, __LINE__, "%.40s reads as %.17g, expected %.17g", text, x, expected);
    if (memcmp(&f, &expected_f, sizeof f) != 0)
        test_fail(__FILE__, __LINE__, "%.40s reads as float %.9g, expected %.9g", text, f, expected_f);
}

TEST(number_reads)
{
    static const char *const some[] = {
        "0",
        "-0",
        "+1",
        "00012",
        "1.",
        ".5",
        "-.5e1",
        "1e0",
        "1E+05",
        "1e-05",
        "123456789012345",
        "1234567890123456",
        "0.000000000000000000000000000001",
        "1e22",
        "1e23",
        "8.5e22",
        "1e308",
        "1e309",
        "-1e309",
        "1e-323",
        "1e-324",
        "4.9406564584124654e-324",
        "1e999999999999999999999999",
        "1e-999999999999999999999999",
        "0e999999999999999999999",
        "16777217",
        "16777217.0000000000000000000000001",
        "16777216.9999999999999999",
        "9007199254740993",
        "9007199254740992.99999999999999999999",
        "3.4028235677973366e38",
        "3.4028235677973365e38",
        "7.0064923216240854e-46",
        "7.0064923216240853e-46",
        "1.00000017881393432617187499",
        "1.00000017881393432617187500",
        "1.00000017881393432617187501",
        "100000000000000000000000000000000000000",
        "0.1",
        "0.2",
        "0.3",
        "2.2250738585072011e-308",
        "2.2250738585072012e-308",
    };
    uint64_t seed = 5;
    char text[3000];
    bool negative;
    uint64_t m;
    double x;

    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check_reads(some[i]);
    for (int i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)test_random(&seed) >> (i % 60),
                 (unsigned long long)test_random(&seed) >> (i % 64), (int)(test_random(&seed) % 90) - 60);
        check_reads(text);
        snprintf(text, sizeof text, "%d.%03d", (int)(test_random(&seed) % 100000),
                 (int)(test_random(&seed) % 1000));
        check_reads(text);
    }
    /* a tie that only the last of 1,500 digits breaks */
    memset(text, '0', sizeof text);
    memcpy(text, "9007199254740993.", 17);
    text[1500] = '1';
    text[1501] = '\0';
    check_reads(text);
    text[1500] = '0';
    check_reads(text);
    memset(text, '9', 2000);
    text[2000] = '\0';
    check_reads(text);

    CHECK_INT(maas_number_length("", 0), 0);
    CHECK_INT(maas_number_length("-", 1), 0);
    CHECK_INT(maas_number_length(".", 1), 0);
    CHECK_INT(maas_number_length("e5", 2), 0);
    CHECK_INT(maas_number_length("1e", 2), 1);
    CHECK_INT(maas_number_length("1e+", 3), 1);
    CHECK_INT(maas_number_length("12abc", 5), 2);
    CHECK_INT(maas_number_length("0x10", 4), 1);
    CHECK_INT(maas_number_length("1.5.2", 5), 3);
    CHECK_INT(maas_number_length("123", 2), 2);

    CHECK(maas_number_int("-0", 2, &negative, &m) && !negative && m == 0);
    CHECK(maas_number_int("12.0e1", 6, &negative, &m) && !negative && m == 120);
    CHECK(maas_number_int("-9223372036854775808", 20, &negative, &m) && negative && m == (uint64_t)1 << 63);
    CHECK(!maas_number_int("-9223372036854775809", 20, &negative, &m));
    CHECK(maas_number_int("18446744073709551615", 20, &negative, &m) && m == UINT64_MAX);
    CHECK(!maas_number_int("18446744073709551616", 20, &negative, &m));
    CHECK(maas_number_int("1e19", 4, &negative, &m) && m == UINT64_C(10000000000000000000));
    CHECK(!maas_number_int("1e20", 4, &negative, &m));
    CHECK(!maas_number_int("1e999999999999", 14, &negative, &m));
    CHECK(!maas_number_int("0.5", 3, &negative, &m));
    CHECK(!maas_number_int("1e-1", 4, &negative, &m));

    CHECK(maas_number_special("NaN", 3, &x) && isnan(x));
    CHECK(maas_number_special("-infinity", 9, &x) && x == -INFINITY);
    CHECK(maas_number_special("+Inf", 4, &x) && x == INFINITY);
    CHECK(!maas_number_special("info", 4, &x));
    CHECK(!maas_number_special("-", 1, &x));
    CHECK(!maas_number_special("nan\0", 4, &x));
    CHECK(!maas_number_special("", 0, &x));
}

TEST(number_print_ints)
{
    char text[MAAS_DOUBLE_TEXT];

    maas_print_int(INT64_MIN, text);
    CHECK_STR(text, "-9223372036854775808");
    maas_print_int(0, text);
    CHECK_STR(text, "0");
    maas_print_uint(UINT64_MAX, text);
    CHECK_STR(text, "18446744073709551615");
}

/* A locale with a decimal comma changes nothing.  Where the system has none, the C locale is compared with itself.
 */
TEST(number_locale)
{
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ru_RU.UTF-8", "C"};
    char text[MAAS_DOUBLE_TEXT];

    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++)
        if (setlocale(LC_NUMERIC, locales[i]))
            break;
    maas_print_double(1234.5678901234567, text);
    CHECK_STR(text, "1234.5678901234567");
    maas_print_double(1.2345e-200, text);
    CHECK_STR(text, "1.2345e-200");
    maas_print_float(1.5e-30f, text);
    CHECK_STR(text, "1.5e-30");
    CHECK(maas_number_double("1.2345678901234567890e-200", 26) == 1.2345678901234567890e-200);
    CHECK(maas_number_float("1.23456789012345e-30", 20) == 1.23456789012345e-30f);
    setlocale(LC_NUMERIC, "C");
}
