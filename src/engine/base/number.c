/*
 * number.c - reads and writes numbers without regard to the locale.
 *
 * Reading: up to 19 digits fit 64 bits, and powers of ten up to 27 are exact in an 80-bit long double, so that one
 * multiplication or division gives the value but for its last bit; unless that bit could decide the rounding, it is
 * the answer (Clinger 1990).  The rest goes to strtod, rewritten as an integer and an exponent: no radix character,
 * so that LC_NUMERIC has no say.
 *
 * Writing: the fewest digits d such that the nearest d-digit decimal reads back.  6 digits survive float32 and 15
 * survive float64 (but for subnormals), so the search starts there and trailing zeros are dropped.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "utf8.h"

#define EXACT_POWER 22 /* of ten, in a double */
#define MAX_DIGITS 800 /* more never decide the rounding of a float64, but for "not zero" */
#define MAX_EXPONENT 100000

static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                               1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                               1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define LONG_POWER 27 /* in a long double of 64 bits or more */

static const long double long_powers[LONG_POWER + 1] = {
    1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
    1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

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

/* A number of up to 19 digits: magnitude * 10^power. */
typedef struct Short {
    bool negative;
    uint64_t magnitude;
    int power;
} Short;

/* Reads a number that has no more digits and no long exponent; false otherwise. */
static bool read_short(const char *text, size_t length, Short *s)
{
    size_t i = 0;
    int digits = 0, exponent = 0;
    bool fraction = false, minus;

    *s = (Short){.negative = length > 0 && text[0] == '-'};
    if (length > 0 && (text[0] == '-' || text[0] == '+'))
        i++;
    for (; i < length && (is_digit(text[i]) || text[i] == '.'); i++) {
        if (text[i] == '.') {
            fraction = true;
            continue;
        }
        digits += digits > 0 || text[i] != '0';
        s->power -= fraction;
        if (digits > 19 || s->power < -MAX_EXPONENT)
            return false;
        s->magnitude = s->magnitude * 10 + (uint64_t)(text[i] - '0');
    }
    if (i == length)
        return true;
    minus = text[++i] == '-';
    if (text[i] == '-' || text[i] == '+')
        i++;
    for (; i < length; i++) {
        exponent = exponent * 10 + (text[i] - '0');
        if (exponent > MAX_EXPONENT)
            return false;
    }
    s->power += minus ? -exponent : exponent;
    return true;
}

/* magnitude * 10^power, off by less than 2^-62 of itself; false when the power is too large. */
static bool scale(uint64_t magnitude, int power, long double *value)
{
    if (power > LONG_POWER || power < -LONG_POWER || LDBL_MANT_DIG < 64)
        return false;
    *value = power < 0 ? (long double)magnitude / long_powers[-power] : (long double)magnitude * long_powers[power];
    return true;
}

/* Rounds a value that may be off by its last bits; false when those could decide. */
static bool round_double(long double value, double *out)
{
    *out = (double)(value * (1 - 0x1p-61L));
    return *out == (double)(value * (1 + 0x1p-61L));
}

static bool round_float(long double value, float *out)
{
    *out = (float)(value * (1 - 0x1p-61L));
    return *out == (float)(value * (1 + 0x1p-61L));
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
    long double wide;
    double value;
    Decimal d;
    Short s;

    if (read_short(text, length, &s)) {
        if (s.magnitude == 0)
            return s.negative ? -0.0 : 0.0;
        if (s.magnitude < (uint64_t)1 << 53 && s.power <= EXACT_POWER && s.power >= -EXACT_POWER) {
            value = s.power < 0 ? (double)s.magnitude / powers[-s.power] : (double)s.magnitude * powers[s.power];
            return s.negative ? -value : value;
        }
        if (scale(s.magnitude, s.power, &wide) && round_double(wide, &value))
            return s.negative ? -value : value;
    }
    take_apart(text, length, &d);
    if (d.n == 0)
        return d.negative ? -0.0 : 0.0;
    write_plain(&d, plain);
    value = strtod(plain, NULL);
    return d.negative ? -value : value;
}

float maas_number_float(const char *text, size_t length)
{
    char plain[MAX_DIGITS + 16];
    long double wide;
    float value;
    Decimal d;
    Short s;

    if (read_short(text, length, &s)) {
        if (s.magnitude == 0)
            return s.negative ? -0.0f : 0.0f;
        if (s.magnitude < 1 << 24 && s.power <= 0 && s.power >= -10) { /* both exact in float32 */
            value = (float)s.magnitude / (float)powers[-s.power];
            return s.negative ? -value : value;
        }
        if (scale(s.magnitude, s.power, &wide) && round_float(wide, &value))
            return s.negative ? -value : value;
    }
    take_apart(text, length, &d);
    if (d.n == 0)
        return d.negative ? -0.0f : 0.0f;
    write_plain(&d, plain);
    value = strtof(plain, NULL);
    return d.negative ? -value : value;
}

bool maas_number_int(const char *text, size_t length, bool *negative, uint64_t *magnitude)
{
    Decimal d;
    uint64_t m = 0;
    Short s;

    if (read_short(text, length, &s) && s.power == 0 && s.magnitude <= INT64_MAX) {
        *negative = s.negative && s.magnitude > 0;
        *magnitude = s.magnitude;
        return true;
    }
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
    if (maas_same_word("nan", text, length))
        *value = NAN; /* the sign of a NaN means nothing, and is not printed */
    else if (maas_same_word("inf", text, length) || maas_same_word("infinity", text, length))
        *value = negative ? -INFINITY : INFINITY;
    else
        return false;
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

/*
 * The n nearest digits of a positive value as an integer, the exponent of the first, and what was rounded away,
 * from -0.5 to 0.5; false when only exact arithmetic can tell.  guess: the exponent or one less.
 */
static bool nearest_digits(double value, int n, int guess, uint64_t *m, int *exponent, double *rest)
{
    for (*exponent = guess; *exponent <= guess + 1; ++*exponent) {
        int power = n - 1 - *exponent;
        long double scaled;

        if (power > LONG_POWER || power < -LONG_POWER || LDBL_MANT_DIG < 64)
            return false;
        scaled = power < 0 ? (long double)value / long_powers[-power] : (long double)value * long_powers[power];
        if (scaled >= (long double)powers[n])
            continue;
        *m = (uint64_t)(int64_t)scaled;
        *rest = (double)(scaled - (long double)(int64_t)*m);
        if (fabs(*rest - 0.5) < (n > 9 ? 0.01 : 1e-6)) /* 17 digits leave 7 bits of a long double's 64 */
            return false;
        if (*rest > 0.5) {
            ++*m;
            *rest -= 1;
        }
        return (double)*m >= powers[n - 1] && (double)*m < powers[n];
    }
    return false;
}

/* Whether digits * 10^power reads as value: 1 or 0, and -1 when only exact arithmetic can tell. */
static int reads_back(uint64_t digits, int power, double value, bool single)
{
    double low, high, back;
    long double wide;

    if (!single)
        return scale(digits, power, &wide) && round_double(wide, &back) ? back == value : -1;
    if (power > EXACT_POWER || power < -EXACT_POWER)
        return -1;
    back = power < 0 ? (double)digits / powers[-power] : (double)digits * powers[power];
    low = back * (1 - 0x1p-51);
    high = back * (1 + 0x1p-51);
    return (float)low == (float)high ? (float)low == (float)value : -1;
}

/* The fewest digits, from `from` to `to` of them, that read back to value, which `single` says is a float32.
 * Returns how many, 0 when only exact arithmetic can tell. */
static int shortest(double value, bool single, int from, int to, char *digits, int *exponent)
{
    uint64_t all, unit = 1;
    double beyond;
    int first;

    if (!nearest_digits(value, to, decimal_exponent(value), &all, &first, &beyond))
        return 0;
    for (int n = from; n < to; n++)
        unit *= 10;
    for (int n = from; n <= to; n++, unit /= 10) {
        uint64_t m = all / unit, rest = all % unit;
        int good;

        if (2 * rest == unit) { /* a tie but for what was rounded away before */
            if (fabs(beyond) < 0.01)
                return 0;
            m += beyond > 0;
        } else {
            m += 2 * rest > unit;
        }
        good = reads_back(m, first - (n - 1), value, single);
        if (good < 0)
            return 0;
        if (good == 0)
            continue;
        *exponent = first;
        if (m >= (uint64_t)powers[n]) { /* 9.99 has become 10.0 */
            m /= 10;
            ++*exponent;
        }
        for (int i = n - 1; i >= 0; i--, m /= 10)
            digits[i] = (char)('0' + m % 10);
        return n;
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
    n = shortest(magnitude, false, 15, 17, digits, &exponent);
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

size_t maas_print_float(float value, char *text)
{
    char printed[64], digits[24];
    float magnitude = fabsf(value);
    int n, exponent;

    if (magnitude < LARGE_INT && magnitude == floorf(magnitude))
        return print_whole(value, text);
    n = shortest((double)magnitude, true, 6, 9, digits, &exponent);
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
