/*
 * element.h - one element of a tensor as a C number, whatever its type.
 */
#ifndef MAAS_PG_TYPE_ELEMENT_H
#define MAAS_PG_TYPE_ELEMENT_H

#include "maas.h"

/* How elements of a type are compared and computed with. */
typedef enum ElementKind {
    ELEMENT_REAL, /* any floating type: as double */
    ELEMENT_INT,  /* as int64_t */
    ELEMENT_UINT, /* as uint64_t */
    ELEMENT_BOOL, /* as int64_t, 0 or 1 */
    ELEMENT_STRING,
    ELEMENT_COMPLEX
} ElementKind;

ElementKind ElementKindOf(MaasType type);

/* Element i of a tensor of a type of that kind. */
double ElementReal(const MaasTensor *tensor, int64_t i);
int64_t ElementInt(const MaasTensor *tensor, int64_t i);
uint64_t ElementUint(const MaasTensor *tensor, int64_t i);

/* Sets element i; rounds to the type. */
void ElementSetReal(const MaasTensor *tensor, int64_t i, double number);
/* Sets element i; false when the type cannot hold the number. */
bool ElementSetInt(const MaasTensor *tensor, int64_t i, int64_t number);
bool ElementSetUint(const MaasTensor *tensor, int64_t i, uint64_t number);

#endif
