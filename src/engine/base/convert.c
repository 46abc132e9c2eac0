/*
 * convert.c - converts elements between types.
 *
 * The types that C has are converted pair by pair in loops that vectorise; the 16-, 8- and 4-bit floating types go
 * through float32 in pieces that stay in the L1 cache.  A float64 or a wide integer on its way to one of those is
 * first rounded to odd: rounding to nearest twice could miss the nearest value by one place.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "convert.h"
#include "half.h"
#include "number.h"
#include "utf8.h"

#define PIECE 512

/* ---- the types that C has ---- */

static inline int32_t f32_to_i32(float x)
{
    return x >= -0x1p31f && x < 0x1p31f ? (int32_t)x : INT32_MIN;
}

static inline int64_t f32_to_i64(float x)
{
    return x >= -0x1p63f && x < 0x1p63f ? (int64_t)x : INT64_MIN;
}

static inline int32_t f64_to_i32(double x)
{
    return x > -0x1p31 - 1 && x < 0x1p31 ? (int32_t)x : INT32_MIN;
}

static inline int64_t f64_to_i64(double x)
{
    return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
}

static inline uint64_t f64_to_u64(double x)
{
    return x >= 0x1p63 && x < 0x1p64 ? (uint64_t)x : (uint64_t)f64_to_i64(x);
}

typedef float f32;
typedef double f64;
typedef uint8_t u8;
typedef int8_t i8;
typedef uint16_t u16;
typedef int16_t i16;
typedef uint32_t u32;
typedef int32_t i32;
typedef uint64_t u64;
typedef int64_t i64;

#define LOOP(from, to, value)                                                                                      \
    static void from##_to_##to##_n(const void *x_, void *y_, int64_t n)                                            \
    {                                                                                                              \
        const from *restrict x = x_;                                                                               \
        to *restrict y = y_;                                                                                       \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = (to)(value);                                    \
    }
#define LOOP_BOOL(from)                                                                                            \
    static void from##_to_bool_n(const void *x_, void *y_, int64_t n)                                              \
    {                                                                                                              \
        const from *restrict x = x_;                                                                               \
        u8 *restrict y = y_;                                                                                       \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++) y[i] = x[i] != 0;                                      \
    }

#define FROM_INT(from)                                                                                             \
    LOOP(from, u8, x[i])                                                                                           \
    LOOP(from, i8, x[i])                                                                                           \
    LOOP(from, u16, x[i])                                                                                          \
    LOOP(from, i16, x[i])                                                                                          \
    LOOP(from, u32, x[i])                                                                                          \
    LOOP(from, i32, x[i])                                                                                          \
    LOOP(from, u64, x[i])                                                                                          \
    LOOP(from, i64, x[i])                                                                                          \
    LOOP(from, f32, x[i])                                                                                          \
    LOOP(from, f64, x[i])                                                                                          \
    LOOP_BOOL(from)

#define FROM_FLOAT(from)                                                                                           \
    LOOP(from, u8, from##_to_i32(x[i]))                                                                            \
    LOOP(from, i8, from##_to_i32(x[i]))                                                                            \
    LOOP(from, u16, from##_to_i32(x[i]))                                                                           \
    LOOP(from, i16, from##_to_i32(x[i]))                                                                           \
    LOOP(from, u32, from##_to_i64(x[i]))                                                                           \
    LOOP(from, i32, from##_to_i32(x[i]))                                                                           \
    LOOP(from, u64, f64_to_u64((double)x[i]))                                                                      \
    LOOP(from, i64, from##_to_i64(x[i]))                                                                           \
    LOOP(from, f32, x[i])                                                                                          \
    LOOP(from, f64, x[i])                                                                                          \
    LOOP_BOOL(from)

FROM_INT(u8)
FROM_INT(i8)
FROM_INT(u16)
FROM_INT(i16)
FROM_INT(u32)
FROM_INT(i32)
FROM_INT(u64)
FROM_INT(i64)
FROM_FLOAT(f32)
FROM_FLOAT(f64)

/* Rows and columns of the table below; 0: not a type that C has. */
enum { U8 = 1, I8, U16, I16, U32, I32, U64, I64, F32, F64, BOOL, N_NATIVE };

#define ROW(from)                                                                                                  \
    {NULL,                                                                                                         \
     from##_to_u8_n,                                                                                               \
     from##_to_i8_n,                                                                                               \
     from##_to_u16_n,                                                                                              \
     from##_to_i16_n,                                                                                              \
     from##_to_u32_n,                                                                                              \
     from##_to_i32_n,                                                                                              \
     from##_to_u64_n,                                                                                              \
     from##_to_i64_n,                                                                                              \
     from##_to_f32_n,                                                                                              \
     from##_to_f64_n,                                                                                              \
     from##_to_bool_n}

typedef void (*Loop)(const void *x, void *y, int64_t n);

static const Loop loops[N_NATIVE][N_NATIVE] = {
    [U8] = ROW(u8),   [I8] = ROW(i8),   [U16] = ROW(u16), [I16] = ROW(i16), [U32] = ROW(u32), [I32] = ROW(i32),
    [U64] = ROW(u64), [I64] = ROW(i64), [F32] = ROW(f32), [F64] = ROW(f64), [BOOL] = ROW(u8),
};

/* The C type whose arithmetic an element has: its own, or the byte that holds a 2- or 4-bit integer. */
static const uint8_t native[MAAS_NTYPES] = {
    [MAAS_FLOAT] = F32,  [MAAS_UINT8] = U8,  [MAAS_INT8] = I8,   [MAAS_UINT16] = U16, [MAAS_INT16] = I16,
    [MAAS_INT32] = I32,  [MAAS_INT64] = I64, [MAAS_BOOL] = BOOL, [MAAS_DOUBLE] = F64, [MAAS_UINT32] = U32,
    [MAAS_UINT64] = U64, [MAAS_UINT4] = U8,  [MAAS_INT4] = I8,   [MAAS_UINT2] = U8,   [MAAS_INT2] = I8,
};

/* Keeps the low bits that a 2- or 4-bit integer has. */
static void truncate_small(MaasType type, void *data, int64_t n)
{
    uint8_t *u = data, mask = (uint8_t)((1 << maas_type_bits(type)) - 1);
    uint8_t sign = type == MAAS_INT4 || type == MAAS_INT2 ? (uint8_t)((mask + 1) / 2) : 0;

    for (int64_t i = 0; i < n; i++)
        u[i] = (uint8_t)(((u[i] & mask) ^ sign) - sign);
}

/* ---- the small floating types ---- */

static void widen(MaasType type, const void *x, float *y, int64_t n)
{
    const uint16_t *h = x;
    const uint8_t *b = x;

    switch ((int)type) {
    case MAAS_FLOAT16:
        for (int64_t i = 0; i < n; i++)
            y[i] = maas_half_f16_to_f32(h[i]);
        break;
    case MAAS_BFLOAT16:
        for (int64_t i = 0; i < n; i++)
            y[i] = maas_half_bf16_to_f32(h[i]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            y[i] = maas_small_to_f32(type, b[i]);
    }
}

static void narrow(MaasType type, const float *x, void *y, int64_t n, const MaasCastRules *rules)
{
    uint16_t *h = y;
    uint8_t *b = y;

    switch ((int)type) {
    case MAAS_FLOAT16:
        for (int64_t i = 0; i < n; i++)
            h[i] = maas_half_f32_to_f16(x[i]);
        break;
    case MAAS_BFLOAT16:
        for (int64_t i = 0; i < n; i++)
            h[i] = maas_half_f32_to_bf16(x[i]);
        break;
    case MAAS_FLOAT8E8M0:
        for (int64_t i = 0; i < n; i++)
            b[i] = maas_f32_to_e8m0(x[i], rules->round, !rules->wrap_float8);
        break;
    case MAAS_FLOAT4E2M1: /* saturate is not for this type */
        for (int64_t i = 0; i < n; i++)
            b[i] = maas_f32_to_small(type, x[i], true);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            b[i] = maas_f32_to_small(type, x[i], !rules->wrap_float8);
    }
}

/* Rounds to the neighbour whose last bit is set when x is not a float32, so that a second rounding, to a shorter
 * type, still sees on which side of a tie x lies. */
static float f64_to_odd(double x)
{
    float y = (float)x;
    uint32_t u = maas_float_bits(y);

    if (isnan(x) || (double)y == x)
        return y;
    if (fabs((double)y) > fabs(x)) /* towards zero; below infinity lies FLT_MAX */
        u--;
    return maas_float_of(u | 1);
}

static float u64_to_odd(uint64_t x)
{
    int shift = x >> 24 ? 40 - __builtin_clzll(x) : 0;
    uint64_t m = x >> shift;

    m |= (m << shift) != x;
    return (float)m * maas_float_of((uint32_t)(127 + shift) << 23);
}

static float i64_to_odd(int64_t x)
{
    return x < 0 ? -u64_to_odd(-(uint64_t)x) : u64_to_odd((uint64_t)x);
}

/* To float32 for narrow: exact where the type fits, rounded to odd where it does not. */
static void to_odd(MaasType from, const void *x, float *y, int64_t n)
{
    switch ((int)from) {
    case MAAS_DOUBLE:
        for (int64_t i = 0; i < n; i++)
            y[i] = f64_to_odd(((const double *)x)[i]);
        break;
    case MAAS_INT32:
        for (int64_t i = 0; i < n; i++)
            y[i] = i64_to_odd(((const int32_t *)x)[i]);
        break;
    case MAAS_INT64:
        for (int64_t i = 0; i < n; i++)
            y[i] = i64_to_odd(((const int64_t *)x)[i]);
        break;
    case MAAS_UINT32:
        for (int64_t i = 0; i < n; i++)
            y[i] = u64_to_odd(((const uint32_t *)x)[i]);
        break;
    case MAAS_UINT64:
        for (int64_t i = 0; i < n; i++)
            y[i] = u64_to_odd(((const uint64_t *)x)[i]);
        break;
    default:
        loops[native[from]][F32](x, y, n);
    }
}

/* ---- complex ---- */

/* The type of the two parts of a complex type; other types are their own. */
static MaasType part_of(MaasType type)
{
    return type == MAAS_COMPLEX64 ? MAAS_FLOAT : type == MAAS_COMPLEX128 ? MAAS_DOUBLE : type;
}

static void convert_complex(MaasType from, const void *x, MaasType to, void *y, int64_t n)
{
    MaasType part = part_of(from), to_part = part_of(to);

    if (maas_type_in(from, MAAS_T_COMPLEX)) {
        loops[native[part]][native[to_part]](x, y, 2 * n);
        return;
    }
    for (int64_t i = 0; i < n; i++) { /* a real part and no imaginary one */
        char *element = (char *)y + (size_t)i * maas_type_size(to);

        memset(element, 0, maas_type_size(to));
        maas_convert(from, (const char *)x + (size_t)i * maas_type_size(from), to_part, element, 1, NULL);
    }
}

/* ---- all ---- */

bool maas_can_convert(MaasType from, MaasType to)
{
    if (maas_type_size(from) == 0 || maas_type_size(to) == 0 || from == MAAS_STRING || to == MAAS_STRING)
        return false;
    return !maas_type_in(from, MAAS_T_COMPLEX) || maas_type_in(to, MAAS_T_COMPLEX);
}

void maas_convert(MaasType from, const void *x, MaasType to, void *y, int64_t n, const MaasCastRules *rules)
{
    static const MaasCastRules defaults = {false, MAAS_ROUND_UP};
    size_t from_size = maas_type_size(from), to_size = maas_type_size(to);
    float wide[PIECE];

    if (n <= 0)
        return;
    if (from == to) {
        memcpy(y, x, (size_t)n * to_size);
        return;
    }
    if (maas_type_in(to, MAAS_T_COMPLEX)) {
        convert_complex(from, x, to, y, n);
        return;
    }
    if (native[from] && native[to]) {
        loops[native[from]][native[to]](x, y, n);
        if (maas_type_bits(to) < 8)
            truncate_small(to, y, n);
        return;
    }
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t piece = n - i < PIECE ? n - i : PIECE;
        const void *xi = (const char *)x + (size_t)i * from_size;
        void *yi = (char *)y + (size_t)i * to_size;

        if (native[from])
            to_odd(from, xi, wide, piece);
        else
            widen(from, xi, wide, piece);
        if (native[to])
            maas_convert(MAAS_FLOAT, wide, to, yi, piece, rules);
        else
            narrow(to, wide, yi, piece, rules ? rules : &defaults);
    }
}

/* ---- exact ---- */

typedef struct IntRange {
    int64_t low;
    uint64_t high;
} IntRange;

static IntRange int_range(MaasType type)
{
    int bits = type == MAAS_BOOL ? 1 : maas_type_bits(type);
    bool is_signed = maas_type_in(type, MAAS_T_SIGNED | MAAS_T(MAAS_INT4) | MAAS_T(MAAS_INT2));
    uint64_t all = UINT64_MAX >> (64 - bits);

    return is_signed ? (IntRange){-(int64_t)(all / 2) - 1, all / 2} : (IntRange){0, all};
}

static bool fits_int(MaasType from, const void *x, IntRange range)
{
    double value;
    uint64_t u;
    int64_t i;

    if (from == MAAS_UINT64) {
        memcpy(&u, x, sizeof u);
        return u <= range.high;
    }
    if (!maas_type_is_float(from)) {
        maas_convert(from, x, MAAS_INT64, &i, 1, NULL);
        return i >= range.low && (i < 0 || (uint64_t)i <= range.high);
    }
    maas_convert(from, x, MAAS_DOUBLE, &value, 1, NULL);
    /* high + 1 is a power of two: as a double it is exact where high is not */
    return value == trunc(value) && value >= (double)range.low && value < (double)(range.high / 2 + 1) * 2;
}

/* Whether y, which x has been converted to without saturation, is x up to rounding. */
static bool fits_float(MaasType from, const void *x, MaasType to, const void *y)
{
    double before, after;

    maas_convert(from, x, MAAS_DOUBLE, &before, 1, NULL);
    maas_convert(to, y, MAAS_DOUBLE, &after, 1, NULL);
    if (to == MAAS_FLOAT4E2M1)
        return fabs(before) < 7; /* which would round to 8 */
    if (to == MAAS_FLOAT8E8M0 && before < 0)
        return false;
    return isnan(before) ? isnan(after) : isinf(before) ? isinf(after) : isfinite(after);
}

/* Whether no infinity has come about; false also when that is not known. */
static bool stays_finite(const double *x, const float *y, int64_t n)
{
    int bad = 0;

    _Pragma("omp simd reduction(| : bad)") for (int64_t i = 0; i < n; i++) bad |=
        (fabsf(y[i]) == INFINITY) & (fabs(x[i]) != INFINITY);
    return !bad;
}

static bool is_signed_int(MaasType type)
{
    return maas_type_in(type, MAAS_T_SIGNED | MAAS_T(MAAS_INT4) | MAAS_T(MAAS_INT2));
}

/* A quick look at a piece: true when every element surely fits.  An integer that converts back to the same bytes is
 * right, unless its sign has changed its meaning. */
static bool all_fit(MaasType from, const void *x, MaasType to, const void *y, int64_t n)
{
    _Alignas(16) char back[PIECE * sizeof(double)];

    if (from == MAAS_DOUBLE && to == MAAS_FLOAT)
        return stays_finite(x, y, n);
    if (!native[from] || !native[to] || maas_type_is_float(to) ||
        (!maas_type_is_float(from) && is_signed_int(from) != is_signed_int(to)))
        return false;
    maas_convert(to, y, from, back, n, NULL);
    return memcmp(x, back, (size_t)n * maas_type_size(from)) == 0;
}

int64_t maas_convert_exact(MaasType from, const void *x, MaasType to, void *y, int64_t n)
{
    static const MaasCastRules no_saturation = {true, MAAS_ROUND_UP};
    size_t from_size = maas_type_size(from), to_size = maas_type_size(to);
    bool to_int = maas_type_is_int(to) || to == MAAS_BOOL;
    IntRange range = {0, 0};

    if (maas_type_in(from, MAAS_T_COMPLEX)) {
        int64_t parts = maas_convert_exact(part_of(from), x, part_of(to), y, 2 * n);

        return parts / 2;
    }
    if (to_int)
        range = int_range(to);
    maas_convert(from, x, to, y, n, &no_saturation);
    to = part_of(to);
    if (from == to || from == MAAS_BOOL || to == MAAS_DOUBLE || (to == MAAS_FLOAT && !maas_type_is_float(from)))
        return n;
    for (int64_t i = 0; i < n; i += PIECE) {
        int64_t end = n - i < PIECE ? n : i + PIECE;
        const char *xi = (const char *)x + (size_t)i * from_size;
        const char *yi = (const char *)y + (size_t)i * to_size;

        if (maas_type_size(to) == to_size && all_fit(from, xi, to, yi, end - i))
            continue;
        for (int64_t j = i; j < end; j++, xi += from_size, yi += to_size)
            if (to_int ? !fits_int(from, xi, range) : !fits_float(from, xi, to, yi))
                return j;
    }
    return n;
}

/* ---- strings ---- */

static MaasStatus fail_string(MaasStr string, MaasType to, const char *why, MaasError *err)
{
    return maas_fail(err, MAAS_ERR_VALUE, "the string \"%.*s\"%s %s %s",
                     string.length > 60 ? 60 : (int)string.length, string.length ? string.data : "",
                     string.length > 60 ? "..." : "", why, maas_type_name(to));
}

static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

MaasStatus maas_string_to_number(MaasStr string, MaasType to, void *y, const MaasCastRules *rules, bool exact,
                                 MaasError *err)
{
    MaasType via = MAAS_DOUBLE;
    MaasStr all = string;
    bool negative;
    union {
        float f;
        double d;
        uint64_t u;
        int64_t i;
        uint8_t b;
    } x;

    while (string.length && is_space(string.data[string.length - 1]))
        string.length--;
    while (string.length && is_space(string.data[0])) {
        string.data++;
        string.length--;
    }
    if (!maas_can_convert(MAAS_DOUBLE, to))
        return fail_string(all, to, "cannot be converted to", err);
    if (string.length == 0 || maas_number_length(string.data, string.length) != string.length) {
        if (string.length && maas_number_special(string.data, string.length, &x.d)) {
            via = MAAS_DOUBLE;
        } else if (maas_same_word("true", string.data, string.length) ||
                   maas_same_word("false", string.data, string.length)) {
            x.b = string.length == 4;
            via = MAAS_BOOL;
        } else {
            return fail_string(all, to, "is not a number and cannot become", err);
        }
    } else if (!maas_type_is_float(to) && maas_number_int(string.data, string.length, &negative, &x.u)) {
        via = negative ? MAAS_INT64 : MAAS_UINT64;
        x.u = negative ? -x.u : x.u;
    } else if (to == MAAS_FLOAT) {
        x.f = maas_number_float(string.data, string.length); /* not by way of double: one rounding */
        via = MAAS_FLOAT;
        if (exact && isinf(x.f))
            return fail_string(all, to, "is out of range of", err);
    } else {
        x.d = maas_number_double(string.data, string.length);
        if (exact && isinf(x.d))
            return fail_string(all, to, "is out of range of", err);
    }
    if (!exact)
        maas_convert(via, &x, to, y, 1, rules);
    else if (maas_convert_exact(via, &x, to, y, 1) != 1)
        return fail_string(all, to, "is no value of", err);
    return MAAS_OK;
}

size_t maas_print_real(MaasType type, double value, char *text)
{
    uint16_t bits = 0, back = 0;
    size_t n;

    if (type == MAAS_FLOAT)
        return maas_print_float((float)value, text);
    if (type == MAAS_DOUBLE)
        return maas_print_double(value, text);
    maas_convert(MAAS_DOUBLE, &value, type, &bits, 1, NULL);
    for (int digits = 1;; digits++) {
        double read;

        n = maas_print_digits(value, digits, text);
        read = maas_number_double(text, n);
        maas_convert(MAAS_DOUBLE, &read, type, &back, 1, NULL);
        if (back == bits || digits == 9)
            return n;
    }
}

static size_t print_part(MaasType type, double value, char *text)
{
    const char *word = isnan(value) ? "NaN" : isinf(value) ? (value < 0 ? "-INF" : "INF") : NULL;

    return word ? (size_t)snprintf(text, 8, "%s", word) : maas_print_real(type, value, text);
}

size_t maas_number_to_string(MaasType from, const void *x, char text[MAAS_NUMBER_TEXT])
{
    double parts[2];
    int64_t i;
    size_t n;

    if (maas_type_in(from, MAAS_T_COMPLEX)) {
        maas_convert(from, x, MAAS_COMPLEX128, parts, 1, NULL);
        n = 0;
        text[n++] = '(';
        n += print_part(part_of(from), parts[0], text + n);
        text[n++] = ',';
        n += print_part(part_of(from), parts[1], text + n);
        text[n++] = ')';
        text[n] = '\0';
        return n;
    }
    if (maas_type_is_float(from)) {
        maas_convert(from, x, MAAS_DOUBLE, parts, 1, NULL);
        return print_part(from, parts[0], text);
    }
    if (from == MAAS_BOOL)
        return (size_t)snprintf(text, 8, "%s", *(const uint8_t *)x ? "True" : "False");
    maas_convert(from, x, MAAS_INT64, &i, 1, NULL);
    return from == MAAS_UINT64 ? maas_print_uint((uint64_t)i, text) : maas_print_int(i, text);
}
