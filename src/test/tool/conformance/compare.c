/*
 * compare.c - compares values: types and shapes equal, numbers within tolerances, NaN equal to NaN.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compare.h"

bool differs(Judge *judge, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(judge->why, judge->size, format, args);
    va_end(args);
    return false;
}

/* Number k of an element: complex ones have two. */
static long double number(const MaasTensor *t, int64_t i)
{
    switch (t->type) {
    case MAAS_FLOAT:
    case MAAS_COMPLEX64:
        return MAAS_F32(t)[i];
    case MAAS_DOUBLE:
    case MAAS_COMPLEX128:
        return MAAS_F64(t)[i];
    case MAAS_INT64:
        return MAAS_I64(t)[i];
    case MAAS_UINT64:
        return ((const uint64_t *)t->data)[i];
    case MAAS_INT32:
        return MAAS_I32(t)[i];
    case MAAS_UINT32:
        return ((const uint32_t *)t->data)[i];
    case MAAS_INT16:
        return ((const int16_t *)t->data)[i];
    case MAAS_UINT16:
        return ((const uint16_t *)t->data)[i];
    case MAAS_INT8:
    case MAAS_INT4:
    case MAAS_INT2:
        return MAAS_I8(t)[i];
    case MAAS_FLOAT16:
        return maas_f16_to_f32(((const uint16_t *)t->data)[i]);
    case MAAS_BFLOAT16:
        return maas_bf16_to_f32(((const uint16_t *)t->data)[i]);
    case MAAS_UINT8:
    case MAAS_BOOL:
    case MAAS_UINT4:
    case MAAS_UINT2:
        return MAAS_U8(t)[i];
    default:
        return maas_small_to_f32(t->type, MAAS_U8(t)[i]);
    }
}

static bool same_elements(Judge *judge, const MaasTensor *got, const MaasTensor *want)
{
    bool complex = want->type == MAAS_COMPLEX64 || want->type == MAAS_COMPLEX128;
    double rtol = want->type == MAAS_BFLOAT16 && judge->rtol < 0x1p-6 ? 0x1p-6 : judge->rtol;
    int64_t n = want->count * (complex ? 2 : 1), n_bad = 0, first = 0;

    for (int64_t i = 0; i < n; i++) {
        bool same;
        if (want->type == MAAS_STRING) {
            const MaasStr *a = &MAAS_STRS(got)[i], *b = &MAAS_STRS(want)[i];
            same = a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
        } else {
            long double a = number(got, i), b = number(want, i);
            if (isnan(a) || isnan(b) || isinf(a) || isinf(b))
                same = (isnan(a) && isnan(b)) || a == b;
            else
                same = fabsl(a - b) <= (long double)judge->atol + (long double)rtol * fabsl(b);
        }
        if (!same && n_bad++ == 0)
            first = i;
    }
    if (n_bad == 0)
        return true;
    if (want->type == MAAS_STRING)
        return differs(judge, "%lld of %lld strings differ: [%lld] is \"%.*s\", expected \"%.*s\"",
                       (long long)n_bad, (long long)n, (long long)first, (int)MAAS_STRS(got)[first].length,
                       MAAS_STRS(got)[first].data, (int)MAAS_STRS(want)[first].length, MAAS_STRS(want)[first].data);
    return differs(judge, "%lld of %lld elements differ: [%lld] is %.9Lg, expected %.9Lg", (long long)n_bad,
                   (long long)n, (long long)first, number(got, first), number(want, first));
}

/* exact: elements count, too. */
static bool same_tensor(Judge *judge, const MaasTensor *got, const MaasTensor *want, bool exact)
{
    char a[256], b[256];

    if (got->type != want->type)
        return differs(judge, "type %s, expected %s", maas_type_name(got->type), maas_type_name(want->type));
    if (got->rank != want->rank || memcmp(got->dims, want->dims, (size_t)want->rank * sizeof *want->dims) != 0)
        return differs(judge, "shape %s, expected %s", maas_dims_text(got->rank, got->dims, NULL, a, sizeof a),
                       maas_dims_text(want->rank, want->dims, NULL, b, sizeof b));
    return !exact || same_elements(judge, got, want);
}

bool same_value(Judge *judge, const MaasValue *got, const MaasValue *want, bool exact)
{
    if (got->kind != want->kind)
        return differs(judge, "a value of kind %d, expected %d", got->kind, want->kind);
    switch (want->kind) {
    case MAAS_KIND_TENSOR:
        return same_tensor(judge, &got->tensor, &want->tensor, exact);
    case MAAS_KIND_SEQUENCE:
        if (got->seq.n != want->seq.n)
            return differs(judge, "a sequence of %lld, expected %lld", (long long)got->seq.n,
                           (long long)want->seq.n);
        for (int64_t i = 0; i < want->seq.n; i++)
            if (!same_value(judge, got->seq.items[i], want->seq.items[i], exact))
                return false;
        return true;
    case MAAS_KIND_OPTIONAL:
        if (got->some == NULL || want->some == NULL)
            return got->some == want->some || differs(judge, "an optional is empty or is not");
        return same_value(judge, got->some, want->some, exact);
    default:
        return same_value(judge, got->map.keys, want->map.keys, exact) &&
               same_value(judge, got->map.values, want->map.values, exact);
    }
}
