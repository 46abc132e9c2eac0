/*
 * compare.h - whether a value is what a case expects, as ONNX's own runner judges it.
 */
#ifndef MAAS_TOOL_COMPARE_H
#define MAAS_TOOL_COMPARE_H

#include "../../../engine/maas.h"

typedef struct Judge {
    double rtol, atol;
    char *why; /* what differs */
    size_t size;
} Judge;

/* Records what differs; always false. */
bool differs(Judge *judge, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* exact: elements count, too, not only types and shapes. */
bool same_value(Judge *judge, const MaasValue *got, const MaasValue *want, bool exact);

#endif
