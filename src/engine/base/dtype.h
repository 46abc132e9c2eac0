/*
 * dtype.h - element types.
 *
 * The numbers are those of ONNX TensorProto.DataType (IR version 13, opset 25).
 * In memory every element takes a whole number of bytes: the 4-bit and 2-bit
 * types are held one to a byte (sign-extended for INT4 and INT2), so that code
 * which only moves elements need not know them.  They are packed in files.
 */
#ifndef MAAS_BASE_DTYPE_H
#define MAAS_BASE_DTYPE_H

#include "status.h"

typedef enum MaasType {
    MAAS_UNDEFINED = 0,
    MAAS_FLOAT = 1,
    MAAS_UINT8 = 2,
    MAAS_INT8 = 3,
    MAAS_UINT16 = 4,
    MAAS_INT16 = 5,
    MAAS_INT32 = 6,
    MAAS_INT64 = 7,
    MAAS_STRING = 8, /* MaasStr */
    MAAS_BOOL = 9,   /* uint8_t 0 or 1 */
    MAAS_FLOAT16 = 10,
    MAAS_DOUBLE = 11,
    MAAS_UINT32 = 12,
    MAAS_UINT64 = 13,
    MAAS_COMPLEX64 = 14,
    MAAS_COMPLEX128 = 15,
    MAAS_BFLOAT16 = 16,
    MAAS_FLOAT8E4M3FN = 17,
    MAAS_FLOAT8E4M3FNUZ = 18,
    MAAS_FLOAT8E5M2 = 19,
    MAAS_FLOAT8E5M2FNUZ = 20,
    MAAS_UINT4 = 21,
    MAAS_INT4 = 22,
    MAAS_FLOAT4E2M1 = 23,
    MAAS_FLOAT8E8M0 = 24,
    MAAS_UINT2 = 25,
    MAAS_INT2 = 26,
    MAAS_NTYPES
} MaasType;

/* A string element: length bytes of UTF-8, not NUL-terminated; the bytes are owned elsewhere. */
typedef struct MaasStr {
    const char *data;
    size_t length;
} MaasStr;

/* Sets of types, for operator signatures. */
typedef uint64_t MaasTypeSet;
#define MAAS_T(type) ((MaasTypeSet)1 << (type))
#define MAAS_T_FLOAT MAAS_T(MAAS_FLOAT)
#define MAAS_T_DOUBLE MAAS_T(MAAS_DOUBLE)
#define MAAS_T_HALF (MAAS_T(MAAS_FLOAT16) | MAAS_T(MAAS_BFLOAT16))
#define MAAS_T_FLOATS (MAAS_T_FLOAT | MAAS_T_DOUBLE | MAAS_T_HALF)
#define MAAS_T_SIGNED (MAAS_T(MAAS_INT8) | MAAS_T(MAAS_INT16) | MAAS_T(MAAS_INT32) | MAAS_T(MAAS_INT64))
#define MAAS_T_UNSIGNED (MAAS_T(MAAS_UINT8) | MAAS_T(MAAS_UINT16) | MAAS_T(MAAS_UINT32) | MAAS_T(MAAS_UINT64))
#define MAAS_T_INTS (MAAS_T_SIGNED | MAAS_T_UNSIGNED)
#define MAAS_T_NUMERIC (MAAS_T_FLOATS | MAAS_T_INTS)
#define MAAS_T_I64 MAAS_T(MAAS_INT64)
#define MAAS_T_INDEX (MAAS_T(MAAS_INT32) | MAAS_T(MAAS_INT64))
#define MAAS_T_BOOL MAAS_T(MAAS_BOOL)
#define MAAS_T_STRING MAAS_T(MAAS_STRING)
#define MAAS_T_COMPLEX (MAAS_T(MAAS_COMPLEX64) | MAAS_T(MAAS_COMPLEX128))
#define MAAS_T_FLOAT8                                                                                              \
    (MAAS_T(MAAS_FLOAT8E4M3FN) | MAAS_T(MAAS_FLOAT8E4M3FNUZ) | MAAS_T(MAAS_FLOAT8E5M2) |                           \
     MAAS_T(MAAS_FLOAT8E5M2FNUZ) | MAAS_T(MAAS_FLOAT8E8M0))
#define MAAS_T_SMALL                                                                                               \
    (MAAS_T(MAAS_UINT4) | MAAS_T(MAAS_INT4) | MAAS_T(MAAS_FLOAT4E2M1) | MAAS_T(MAAS_UINT2) | MAAS_T(MAAS_INT2))
/* Every tensor element type. */
#define MAAS_T_ANY (((MaasTypeSet)1 << MAAS_NTYPES) - 2)
/* Kinds other than tensors; a set that has none of these bits admits tensors only. */
#define MAAS_T_SEQUENCE ((MaasTypeSet)1 << 40)
#define MAAS_T_OPTIONAL ((MaasTypeSet)1 << 41)
#define MAAS_T_MAP ((MaasTypeSet)1 << 42)

/* Bytes of one element in memory; 0 for MAAS_UNDEFINED and unknown numbers. */
size_t maas_type_size(MaasType type);
/* Bits of one element in a file: 4 and 2 for the small types; 0 for strings. */
int maas_type_bits(MaasType type);
/* "float", "int64", "float8e4m3fn" ...: the lower-case names of ONNX; "undefined" for unknown numbers. */
const char *maas_type_name(MaasType type);
/* The inverse; also real, float4, float8, double precision, smallint, integer, bigint, boolean, text.
 * MAAS_UNDEFINED when unknown. */
MaasType maas_type_from_name(const char *name, size_t length);

static inline bool maas_type_in(MaasType type, MaasTypeSet set)
{
    return type > 0 && type < MAAS_NTYPES && (set >> type & 1);
}

bool maas_type_is_float(MaasType type); /* any floating type, the 8- and 4-bit ones too */
bool maas_type_is_int(MaasType type);   /* any integer type, not bool */

/* Single conversions, round to nearest even; out of range becomes infinity. */
uint16_t maas_f32_to_f16(float value);
float maas_f16_to_f32(uint16_t bits);
uint16_t maas_f32_to_bf16(float value);
float maas_bf16_to_f32(uint16_t bits);

/* Any 8-bit or 4-bit floating type; saturate: out of range becomes the largest value (ONNX Cast saturate=1). */
uint8_t maas_f32_to_small(MaasType type, float value, bool saturate);
float maas_small_to_f32(MaasType type, uint8_t bits);

/* ONNX Cast's round_mode, which is for float8e8m0 alone; maas_f32_to_small rounds up, Cast's default. */
typedef enum MaasRound { MAAS_ROUND_UP = 0, MAAS_ROUND_DOWN, MAAS_ROUND_NEAREST } MaasRound;

/* 2^(code - 127), code 255 is NaN; the sign is passed over. */
uint8_t maas_f32_to_e8m0(float value, MaasRound round, bool saturate);

#endif
