/*
 * dtype.c - names and sizes of element types, and single conversions of the small floating types.
 *
 * Conversions of many elements are in convert.c (base/) and kernel/convert.c.
 */
#include <string.h>

#include "dtype.h"
#include "half.h"
#include "utf8.h"

typedef struct TypeRow {
    const char *name;
    uint8_t size, bits;
} TypeRow;

static const TypeRow rows[MAAS_NTYPES] = {
    [MAAS_UNDEFINED] = {"undefined", 0, 0},
    [MAAS_FLOAT] = {"float", 4, 32},
    [MAAS_UINT8] = {"uint8", 1, 8},
    [MAAS_INT8] = {"int8", 1, 8},
    [MAAS_UINT16] = {"uint16", 2, 16},
    [MAAS_INT16] = {"int16", 2, 16},
    [MAAS_INT32] = {"int32", 4, 32},
    [MAAS_INT64] = {"int64", 8, 64},
    [MAAS_STRING] = {"string", sizeof(MaasStr), 0},
    [MAAS_BOOL] = {"bool", 1, 8},
    [MAAS_FLOAT16] = {"float16", 2, 16},
    [MAAS_DOUBLE] = {"double", 8, 64},
    [MAAS_UINT32] = {"uint32", 4, 32},
    [MAAS_UINT64] = {"uint64", 8, 64},
    [MAAS_COMPLEX64] = {"complex64", 8, 64},
    [MAAS_COMPLEX128] = {"complex128", 16, 128},
    [MAAS_BFLOAT16] = {"bfloat16", 2, 16},
    [MAAS_FLOAT8E4M3FN] = {"float8e4m3fn", 1, 8},
    [MAAS_FLOAT8E4M3FNUZ] = {"float8e4m3fnuz", 1, 8},
    [MAAS_FLOAT8E5M2] = {"float8e5m2", 1, 8},
    [MAAS_FLOAT8E5M2FNUZ] = {"float8e5m2fnuz", 1, 8},
    [MAAS_UINT4] = {"uint4", 1, 4},
    [MAAS_INT4] = {"int4", 1, 4},
    [MAAS_FLOAT4E2M1] = {"float4e2m1", 1, 4},
    [MAAS_FLOAT8E8M0] = {"float8e8m0", 1, 8},
    [MAAS_UINT2] = {"uint2", 1, 2},
    [MAAS_INT2] = {"int2", 1, 2},
};

/* SQL's and numpy's names.  int2, int4, int8 and float8e... keep ONNX's meaning: bits, not bytes. */
static const struct {
    const char *name;
    MaasType type;
} aliases[] = {
    {"real", MAAS_FLOAT},    {"float4", MAAS_FLOAT},   {"float32", MAAS_FLOAT}, {"double precision", MAAS_DOUBLE},
    {"float8", MAAS_DOUBLE}, {"float64", MAAS_DOUBLE}, {"half", MAAS_FLOAT16},  {"smallint", MAAS_INT16},
    {"integer", MAAS_INT32}, {"int", MAAS_INT32},      {"bigint", MAAS_INT64},  {"boolean", MAAS_BOOL},
    {"text", MAAS_STRING},
};

static inline bool is_known(MaasType type)
{
    return (unsigned)type < MAAS_NTYPES;
}

size_t maas_type_size(MaasType type)
{
    return is_known(type) ? rows[type].size : 0;
}

int maas_type_bits(MaasType type)
{
    return is_known(type) ? rows[type].bits : 0;
}

const char *maas_type_name(MaasType type)
{
    return is_known(type) ? rows[type].name : rows[MAAS_UNDEFINED].name;
}

MaasType maas_type_from_name(const char *name, size_t length)
{
    for (int type = 1; type < MAAS_NTYPES; type++)
        if (maas_same_word(rows[type].name, name, length))
            return (MaasType)type;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (maas_same_word(aliases[i].name, name, length))
            return aliases[i].type;
    return MAAS_UNDEFINED;
}

bool maas_type_is_float(MaasType type)
{
    return maas_type_in(type, MAAS_T_FLOATS | MAAS_T_FLOAT8 | MAAS_T(MAAS_FLOAT4E2M1));
}

bool maas_type_is_int(MaasType type)
{
    return maas_type_in(type, MAAS_T_INTS | MAAS_T(MAAS_UINT4) | MAAS_T(MAAS_INT4) | MAAS_T(MAAS_UINT2) |
                                  MAAS_T(MAAS_INT2));
}

/* ---- single conversions ---- */

/* value >> shift, rounded to nearest even; shift in [1, 31] */
static inline uint32_t shift_round(uint32_t value, int shift)
{
    uint32_t half = (uint32_t)1 << (shift - 1);

    return (value + half - 1 + (value >> shift & 1)) >> shift;
}

/*
 * Rounds |x|, given as float bits below infinity, to a type of `mantissa` stored bits and this exponent bias, as if
 * the exponent had no upper end: the code may exceed the type's largest, and carries from mantissa to exponent by
 * itself.
 */
static uint32_t encode(uint32_t magnitude, int mantissa, int bias)
{
    int exponent = (int)(magnitude >> 23) - 127, lowest = 1 - bias, shift = 23 - mantissa;

    if (exponent >= lowest)
        return shift_round(magnitude, shift) - ((uint32_t)(127 - bias) << mantissa);
    if (magnitude < 0x00800000) /* a subnormal float is far below half of the smallest value */
        return 0;
    shift += lowest - exponent;
    return shift > 25 ? 0 : shift_round((magnitude & 0x007fffff) | 0x00800000, shift);
}

uint16_t maas_f32_to_f16(float value)
{
    return maas_half_f32_to_f16(value);
}

float maas_f16_to_f32(uint16_t bits)
{
    return maas_half_f16_to_f32(bits);
}

uint16_t maas_f32_to_bf16(float value)
{
    return maas_half_f32_to_bf16(value);
}

float maas_bf16_to_f32(uint16_t bits)
{
    return maas_half_bf16_to_f32(bits);
}

/* The formats of https://onnx.ai/onnx/technical/float8.html and float4.html */
typedef struct Format {
    int mantissa, bias;
    uint8_t sign, largest; /* the bit of the sign; the code of the largest finite value */
    uint8_t infinity, nan; /* the codes without a sign; where there is no infinity, what overflow becomes */
    bool unsigned_zero;    /* FNUZ: the only NaN stands where -0 would */
} Format;

static const Format *format_of(MaasType type)
{
    static const Format e4m3fn = {3, 7, 0x80, 0x7e, 0x7f, 0x7f, false};
    static const Format e4m3fnuz = {3, 8, 0x80, 0x7f, 0x80, 0x80, true};
    static const Format e5m2 = {2, 15, 0x80, 0x7b, 0x7c, 0x7e, false};
    static const Format e5m2fnuz = {2, 16, 0x80, 0x7f, 0x80, 0x80, true};
    static const Format e2m1 = {1, 1, 0x08, 0x07, 0x07, 0x08, false}; /* no infinity; NaN becomes -0 */

    switch ((int)type) {
    case MAAS_FLOAT8E4M3FN:
        return &e4m3fn;
    case MAAS_FLOAT8E4M3FNUZ:
        return &e4m3fnuz;
    case MAAS_FLOAT8E5M2:
        return &e5m2;
    case MAAS_FLOAT8E5M2FNUZ:
        return &e5m2fnuz;
    case MAAS_FLOAT4E2M1:
        return &e2m1;
    default:
        return NULL;
    }
}

uint8_t maas_f32_to_e8m0(float value, MaasRound round, bool saturate)
{
    uint32_t magnitude = maas_float_bits(value) & 0x7fffffff, code, rest, half;

    if (magnitude > 0x7f800000)
        return 0xff;
    if (magnitude < 0x00400000) /* below 2^-127 */
        return saturate ? 0 : 0xff;
    if (magnitude < 0x00800000) { /* a subnormal float in [2^-127, 2^-126): code 0 and a rest */
        code = 0;
        rest = magnitude - 0x00400000;
        half = 0x00200000;
    } else {
        code = magnitude >> 23;
        rest = magnitude & 0x007fffff;
        half = 0x00400000;
    }
    if (round == MAAS_ROUND_UP ? rest > 0 : round == MAAS_ROUND_NEAREST && rest >= half)
        code++;
    return (uint8_t)(code >= 0xff ? (saturate ? 0xfe : 0xff) : code);
}

uint8_t maas_f32_to_small(MaasType type, float value, bool saturate)
{
    const Format *f = format_of(type);
    uint32_t u = maas_float_bits(value), magnitude = u & 0x7fffffff, code;
    uint8_t sign;

    if (type == MAAS_FLOAT8E8M0)
        return maas_f32_to_e8m0(value, MAAS_ROUND_UP, saturate);
    if (!f)
        return 0;
    sign = u >> 31 ? f->sign : 0;
    if (magnitude > 0x7f800000)
        code = f->nan;
    else {
        code = magnitude == 0x7f800000 ? 0xff : encode(magnitude, f->mantissa, f->bias);
        if (code > f->largest)
            code = saturate ? f->largest : f->infinity;
    }
    if (f->unsigned_zero && (code == 0 || code == f->nan))
        return (uint8_t)code;
    return (uint8_t)(code | sign);
}

float maas_small_to_f32(MaasType type, uint8_t bits)
{
    const Format *f = format_of(type);
    uint32_t sign, code, exponent, fraction;
    float value;

    if (type == MAAS_FLOAT8E8M0)
        return bits == 0xff ? maas_float_of(0x7fc00000)
               : bits == 0  ? 0x1p-127f
                            : maas_float_of((uint32_t)bits << 23);
    if (!f)
        return 0;
    sign = bits & f->sign ? 0x80000000 : 0;
    code = bits & (f->sign - 1u);
    if (f->unsigned_zero ? bits == f->nan : f->nan > f->largest && code > f->largest && code != f->infinity)
        return maas_float_of(sign | 0x7fc00000);
    if (code > f->largest)
        return maas_float_of(sign | (f->infinity == f->nan ? 0x7fc00000 : 0x7f800000));
    exponent = code >> f->mantissa;
    fraction = code & ((1u << f->mantissa) - 1);
    if (exponent == 0) /* subnormal: fraction * 2^(1 - bias - mantissa) */
        value = (float)fraction * maas_float_of((uint32_t)(128 - f->bias - f->mantissa) << 23);
    else
        value = maas_float_of((exponent + 127 - (uint32_t)f->bias) << 23 | fraction << (23 - f->mantissa));
    return maas_float_of(sign | maas_float_bits(value));
}
