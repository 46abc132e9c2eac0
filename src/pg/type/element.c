/*
 * element.c - reads and writes one element of a tensor as a C number.
 *
 * The slow, general way, for comparison, arithmetic and element access of every type.  Loops over float and double
 * have paths of their own where they matter.
 */
#include "postgres.h"
#include "compat.h"

#include "element.h"

ElementKind ElementKindOf(MaasType type)
{
    switch (type) {
    case MAAS_STRING:
        return ELEMENT_STRING;
    case MAAS_BOOL:
        return ELEMENT_BOOL;
    case MAAS_COMPLEX64:
    case MAAS_COMPLEX128:
        return ELEMENT_COMPLEX;
    case MAAS_UINT8:
    case MAAS_UINT16:
    case MAAS_UINT32:
    case MAAS_UINT64:
    case MAAS_UINT4:
    case MAAS_UINT2:
        return ELEMENT_UINT;
    case MAAS_INT8:
    case MAAS_INT16:
    case MAAS_INT32:
    case MAAS_INT64:
    case MAAS_INT4:
    case MAAS_INT2:
        return ELEMENT_INT;
    default:
        return ELEMENT_REAL;
    }
}

double ElementReal(const MaasTensor *tensor, int64_t i)
{
    switch (tensor->type) {
    case MAAS_FLOAT:
        return MAAS_F32(tensor)[i];
    case MAAS_DOUBLE:
        return MAAS_F64(tensor)[i];
    case MAAS_FLOAT16:
        return maas_f16_to_f32(((const uint16_t *)tensor->data)[i]);
    case MAAS_BFLOAT16:
        return maas_bf16_to_f32(((const uint16_t *)tensor->data)[i]);
    default:
        return maas_small_to_f32(tensor->type, MAAS_U8(tensor)[i]);
    }
}

int64_t ElementInt(const MaasTensor *tensor, int64_t i)
{
    switch (tensor->type) {
    case MAAS_INT64:
        return MAAS_I64(tensor)[i];
    case MAAS_INT32:
        return MAAS_I32(tensor)[i];
    case MAAS_INT16:
        return ((const int16_t *)tensor->data)[i];
    case MAAS_BOOL:
        return MAAS_U8(tensor)[i];
    default:
        return MAAS_I8(tensor)[i];
    }
}

uint64_t ElementUint(const MaasTensor *tensor, int64_t i)
{
    switch (tensor->type) {
    case MAAS_UINT64:
        return ((const uint64_t *)tensor->data)[i];
    case MAAS_UINT32:
        return ((const uint32_t *)tensor->data)[i];
    case MAAS_UINT16:
        return ((const uint16_t *)tensor->data)[i];
    default:
        return MAAS_U8(tensor)[i];
    }
}

void ElementSetReal(const MaasTensor *tensor, int64_t i, double number)
{
    switch (tensor->type) {
    case MAAS_FLOAT:
        MAAS_F32(tensor)[i] = (float)number;
        break;
    case MAAS_DOUBLE:
        MAAS_F64(tensor)[i] = number;
        break;
    case MAAS_FLOAT16:
        ((uint16_t *)tensor->data)[i] = maas_f32_to_f16((float)number);
        break;
    case MAAS_BFLOAT16:
        ((uint16_t *)tensor->data)[i] = maas_f32_to_bf16((float)number);
        break;
    default:
        MAAS_U8(tensor)[i] = maas_f32_to_small(tensor->type, (float)number, false);
        break;
    }
}

bool ElementSetInt(const MaasTensor *tensor, int64_t i, int64_t number)
{
    int64_t low, high;

    switch (tensor->type) {
    case MAAS_INT64:
        MAAS_I64(tensor)[i] = number;
        return true;
    case MAAS_INT32:
        if (number < INT32_MIN || number > INT32_MAX)
            return false;
        MAAS_I32(tensor)[i] = (int32_t)number;
        return true;
    case MAAS_INT16:
        if (number < INT16_MIN || number > INT16_MAX)
            return false;
        ((int16_t *)tensor->data)[i] = (int16_t)number;
        return true;
    default:
        high = tensor->type == MAAS_INT8 ? INT8_MAX : tensor->type == MAAS_INT4 ? 7 : 1;
        low = -high - 1;
        if (number < low || number > high)
            return false;
        MAAS_I8(tensor)[i] = (int8_t)number;
        return true;
    }
}

bool ElementSetUint(const MaasTensor *tensor, int64_t i, uint64_t number)
{
    switch (tensor->type) {
    case MAAS_UINT64:
        ((uint64_t *)tensor->data)[i] = number;
        return true;
    case MAAS_UINT32:
        if (number > UINT32_MAX)
            return false;
        ((uint32_t *)tensor->data)[i] = (uint32_t)number;
        return true;
    case MAAS_UINT16:
        if (number > UINT16_MAX)
            return false;
        ((uint16_t *)tensor->data)[i] = (uint16_t)number;
        return true;
    default:
        if (number > (tensor->type == MAAS_UINT8 ? UINT8_MAX : tensor->type == MAAS_UINT4 ? 15u : 3u))
            return false;
        MAAS_U8(tensor)[i] = (uint8_t)number;
        return true;
    }
}
