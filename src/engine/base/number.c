/*
 * number.c - reads and writes numbers without regard to the locale.
 *
 * Reading: up to 15 digits and a power of ten up to 22 are exact in float64, so that one multiplication or division
 * rounds correctly (Clinger 1990).  The rest goes to strtod, rewritten as an integer and an exponent: no radix
 * character, so that LC_NUMERIC has no say.
 *
 * Writing: the fewest digits d such that the nearest d-digit decimal reads back.  6 digits survive float32 and 15
 * survive float64 (but for subnormals), so the search starts there and trailing zeros are dropped.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "number.h"

#define EXACT_POWER 22
#define MAX_DIGITS 800 /* more never decide the rounding of a float64, but for "not zero" */
#define MAX_EXPONENT 100000

static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- reading ---- */

size_t maas_number_length(const char *text, size_t length)
{
    size_t i = 0, digits = 0, mark;

    if (i < length && (text[i] == '-' || text[i] == '+'))
        i++;
    for (; i < length && is_digit(text[i]); i++)
        digits++;
    if (i < length && text[i] == '.')
        for (i++; i < length && is_digit(text[i]); i++)
            digits++;
    if (digits == 0)
        return 0;
    mark = i;
    if (i < length && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        if (i < length && (text[i] == '-' || text[i] == '+'))
            i++;
        if (i == length || !is_digit(text[i]))
            return mark;
        while (i < length && is_digit(text[i]))
            i++;
    }
    return i;
}

/* A number taken apart: 0.d1d2...dn * 10^point. */
typedef struct Decimal {
    bool negative;
    int n; /* significant digits, without leading and trailing zeros */
    int point;
    char digits[MAX_DIGITS];
} Decimal;

static void take_apart(const char *text, size_t length, Decimal *d)
{
    int64_t exponent = 0, point = 0;
    size_t i = 0;
    bool fraction = false, rest = false;

    d->negative = length > 0 && text[0] == '-';
    d->n = 0;
    if (length > 0 && (text[0] == '-' || text[0] == '+'))
        i++;
    for (; i < length && (is_digit(text[i]) || text[i] == '.'); i++) {
        if (text[i] == '.') {
            fraction = true;
            continue;
        }
        if (d->n == 0 && text[i] == '0') {
            point -= fraction;
            continue;
        }
        if (d->n < MAX_DIGITS)
            d->digits[d->n++] = text[i];
        else
            rest |= text[i] != '0';
        point += !fraction;
    }
    if (i < length) { /* the exponent */
        bool minus = text[++i] == '-';

        if (text[i] == '-' || text[i] == '+')
            i++;
        for (; i < length; i++)
            if (exponent < INT64_MAX / 16)
                exponent = exponent * 10 + (text[i] - '0');
        if (minus)
            exponent = -exponent;
    }
    if (rest)
        d->digits[MAX_DIGITS - 1] = '1'; /* what was cut off only matters as "a little more" */
    while (d->n > 0 && d->digits[d->n - 1] == '0')
        d->n--;
    point += exponent;
    d->point = point > MAX_EXPONENT ? MAX_EXPONENT : point < -MAX_EXPONENT ? -MAX_EXPONENT : (int)point;
}

/* Whether a few digits and a small power of ten give the nearest float64 with one rounding. */
static bool read_fast(const Decimal *d, double *value)
{
    int power = d->point - d->n;
    uint64_t m = 0;

    if (d->n > 15 || power > EXACT_POWER || power < -EXACT_POWER)
        return false;
    for (int i = 0; i < d->n; i++)
        m = m * 10 + (uint64_t)(d->digits[i] - '0');
    *value = power < 0 ? (double)m / powers[-power] : (double)m * powers[power];
    return true;
}

/* Writes the digits and the exponent for strtod and strtof. */
static void write_plain(const Decimal *d, char text[MAX_DIGITS + 16])
{
    memcpy(text, d->digits, (size_t)d->n);
    snprintf(text + d->n, 16, "e%d", d->point - d->n);
}

double maas_number_double(const char *text, size_t length)
{
    char plain[MAX_DIGITS + 16];
    double value;
    Decimal d;

    take_apart(text, length, &d);
    if (d.n == 0)
        value = 0;
    else if (!read_fast(&d, &value)) {
        write_plain(&d, plain);
        value = strtod(plain, NULL);
    }
    return d.negative ? -value : value;
}

/* Rounds a float64 that may be off by its last bit; false when that bit could decide. */
static bool narrow(double value, float *out)
{
    float low = (float)(value * (1 - 0x1p-51)), high = (float)(value * (1 + 0x1p-51));

    *out = low;
    return low == high;
}

float maas_number_float(const char *text, size_t length)
{
    char plain[MAX_DIGITS + 16];
    float value;
    double wide;
    Decimal d;

    take_apart(text, length, &d);
    if (d.n == 0)
        value = 0;
    else if (!read_fast(&d, &wide) || !narrow(wide, &value)) {
        write_plain(&d, plain);
        value = strtof(plain, NULL);
    }
    return d.negative ? -value : value;
}

bool maas_number_int(const char *text, size_t length, bool *negative, uint64_t *magnitude)
{
    Decimal d;
    uint64_t m = 0;

    take_apart(text, length, &d);
    *negative = d.negative && d.n > 0;
    *magnitude = 0;
    if (d.n == 0)
        return true;
    if (d.point < d.n || d.point > 20)
        return false;
    for (int i = 0; i < d.point; i++)
        if (__builtin_mul_overflow(m, (uint64_t)10, &m) ||
            __builtin_add_overflow(m, (uint64_t)(i < d.n ? d.digits[i] - '0' : 0), &m))
            return false;
    if (d.negative && m > (uint64_t)1 << 63)
        return false;
    *magnitude = m;
    return true;
}

bool maas_number_special(const char *text, size_t length, double *value)
{
    bool negative = length > 0 && text[0] == '-';

    if (length > 0 && (text[0] == '-' || text[0] == '+')) {
        text++;
        length--;
    }
    if (length == 3 && strncasecmp(text, "nan", 3) == 0)
        *value = NAN;
    else if ((length == 3 && strncasecmp(text, "inf", 3) == 0) ||
             (length == 8 && strncasecmp(text, "infinity", 8) == 0))
        *value = INFINITY;
    else
        return false;
    if (negative)
        *value = -*value;
    return true;
}

/* ---- writing ---- */

/* Writes the n digits and the power of the first one as %g does: plain for 1e-4 up to 1e16. */
static size_t lay_out(bool negative, const char *digits, int n, int exponent, char *text)
{
    char *p = text;

    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (negative)
        *p++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *p++ = digits[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, (size_t)n - 1);
            p += n - 1;
        }
        p += snprintf(p, 8, "e%c%02d", exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
        return (size_t)(p - text);
    }
    if (exponent < 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = -1; i > exponent; i--)
            *p++ = '0';
        memcpy(p, digits, (size_t)n);
        p += n;
    } else {
        for (int i = 0; i < n || i <= exponent; i++) {
            if (i == exponent + 1)
                *p++ = '.';
            *p++ = i < n ? digits[i] : '0';
        }
    }
    *p = '\0';
    return (size_t)(p - text);
}

/* Takes the digits and the exponent out of what %.*e has written, passing over the radix character. */
static int split_e(const char *text, char *digits, int *exponent)
{
    const char *e = strchr(text, 'e');
    int n = 0;

    for (const char *p = text; p < e; p++)
        if (is_digit(*p))
            digits[n++] = *p;
    *exponent = atoi(e + 1);
    return n;
}

/* The decimal exponent of the first digit of a positive value, possibly one too small or too large. */
static int decimal_exponent(double value)
{
    int binary;

    frexp(value, &binary);
    return (int)floor((binary - 1) * 0.30102999566398120);
}

/* value as n digits by one exact power of ten; the caller checks that they read back. */
static bool few_digits(double value, int n, int exponent, uint64_t *m)
{
    int power = n - 1 - exponent;

    if (power > EXACT_POWER || power < -EXACT_POWER)
        return false;
    value = power < 0 ? value / powers[-power] : value * powers[power];
    *m = (uint64_t)(value + 0.5);
    return true;
}

static double many_digits(uint64_t m, int power)
{
    return power < 0 ? (double)m / powers[-power] : (double)m * powers[power];
}

size_t maas_print_uint(uint64_t value, char *text)
{
    char reversed[24];
    size_t n = 0;

    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (size_t i = 0; i < n; i++)
        text[i] = reversed[n - 1 - i];
    text[n] = '\0';
    return n;
}

size_t maas_print_int(int64_t value, char *text)
{
    if (value >= 0)
        return maas_print_uint((uint64_t)value, text);
    text[0] = '-';
    return 1 + maas_print_uint(-(uint64_t)value, text + 1);
}

/* Whole numbers keep all their digits below this: fewer, filled up with zeros, would be no shorter. */
#define LARGE_INT 1e15

static size_t print_whole(double value, char *text)
{
    if (signbit(value) && value == 0) {
        memcpy(text, "-0", 3);
        return 2;
    }
    return maas_print_int((int64_t)value, text);
}

/* Decimals of up to 15 digits, without a search.  Returns the number of digits, 0: none. */
static int fast_double(double value, char *digits, int *exponent)
{
    int guess = decimal_exponent(value);
    uint64_t m;

    for (int e = guess; e <= guess + 1; e++) {
        if (!few_digits(value, 15, e, &m) || m < UINT64_C(100000000000000) || m >= UINT64_C(1000000000000000))
            continue;
        if (many_digits(m, e - 14) != value)
            return 0;
        *exponent = e;
        for (int i = 14; i >= 0; i--, m /= 10)
            digits[i] = (char)('0' + m % 10);
        return 15;
    }
    return 0;
}

size_t maas_print_digits(double value, int digits, char *text)
{
    char printed[64], kept[24];
    int n, exponent;

    if (fabs(value) < LARGE_INT && value == floor(value))
        return print_whole(value, text);
    snprintf(printed, sizeof printed, "%.*e", digits - 1, fabs(value));
    n = split_e(printed, kept, &exponent);
    return lay_out(signbit(value), kept, n, exponent, text);
}

size_t maas_print_double(double value, char *text)
{
    char printed[64], digits[24];
    double magnitude = fabs(value);
    int n, exponent;

    if (magnitude < LARGE_INT && magnitude == floor(magnitude))
        return print_whole(value, text);
    n = fast_double(magnitude, digits, &exponent);
    for (int wanted = magnitude < DBL_MIN ? 1 : 15; n == 0; wanted++) {
        int got, first;

        snprintf(printed, sizeof printed, "%.*e", wanted - 1, magnitude);
        got = split_e(printed, digits, &first);
        snprintf(printed, sizeof printed, "%.*se%d", got, digits, first - (got - 1));
        if (wanted >= 17 || strtod(printed, NULL) == magnitude) {
            n = got;
            exponent = first;
        }
    }
    return lay_out(signbit(value), digits, n, exponent, text);
}

/* The same for a float32 whose digits a float64 computes: 6 to 9 of them. */
static int fast_float(float value, char *digits, int *exponent)
{
    static const uint32_t lowest[] = {100000, 1000000, 10000000, 100000000, 1000000000};
    int guess = decimal_exponent(value);

    if (guess + 1 - 5 > EXACT_POWER || 8 - guess > EXACT_POWER)
        return 0;
    for (int n = 6; n <= 9; n++)
        for (int e = guess; e <= guess + 1; e++) {
            uint64_t m;
            float back;

            if (!few_digits(value, n, e, &m) || m < lowest[n - 6] || m >= lowest[n - 5])
                continue;
            if (!narrow(many_digits(m, e - (n - 1)), &back))
                return 0; /* so close to a tie that only exact arithmetic can tell */
            if (back != value)
                continue;
            *exponent = e;
            for (int i = n - 1; i >= 0; i--, m /= 10)
                digits[i] = (char)('0' + m % 10);
            return n;
        }
    return 0;
}

size_t maas_print_float(float value, char *text)
{
    char printed[64], digits[24];
    float magnitude = fabsf(value);
    int n, exponent;

    if (magnitude < LARGE_INT && magnitude == floorf(magnitude))
        return print_whole(value, text);
    n = fast_float(magnitude, digits, &exponent);
    for (int wanted = magnitude < FLT_MIN ? 1 : 6; n == 0; wanted++) {
        int got, first;

        snprintf(printed, sizeof printed, "%.*e", wanted - 1, (double)magnitude);
        got = split_e(printed, digits, &first);
        snprintf(printed, sizeof printed, "%.*se%d", got, digits, first - (got - 1));
        if (wanted >= 9 || strtof(printed, NULL) == magnitude) {
            n = got;
            exponent = first;
        }
    }
    return lay_out(signbit(value), digits, n, exponent, text);
}
