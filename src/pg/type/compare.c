/*
 * compare.c - equality, order and hash of tensors.
 *
 * Tensors are equal when type, shape and all elements are.  As with PostgreSQL's own floating-point numbers, NaN
 * equals NaN and is greater than every other number, and -0 equals 0.  The order is by type, then by elements from
 * the first on, then by shape; it serves DISTINCT, ORDER BY and indexes, and says nothing about size.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "element.h"
#include "tensor.h"

PG_FUNCTION_INFO_V1(tensor_eq);
PG_FUNCTION_INFO_V1(tensor_ne);
PG_FUNCTION_INFO_V1(tensor_lt);
PG_FUNCTION_INFO_V1(tensor_le);
PG_FUNCTION_INFO_V1(tensor_gt);
PG_FUNCTION_INFO_V1(tensor_ge);
PG_FUNCTION_INFO_V1(tensor_cmp);
PG_FUNCTION_INFO_V1(tensor_hash);
PG_FUNCTION_INFO_V1(tensor_hash_extended);

#define CMP(a, b) ((a) < (b) ? -1 : (a) > (b))

static int CompareReal(double a, double b)
{
    if (isnan(a) || isnan(b))
        return (isnan(a) ? 1 : 0) - (isnan(b) ? 1 : 0);
    return CMP(a, b);
}

/* The parts of a complex element are two reals of half its size. */
static MaasTensor ComplexParts(const MaasTensor *tensor)
{
    MaasTensor parts = *tensor;

    parts.type = tensor->type == MAAS_COMPLEX64 ? MAAS_FLOAT : MAAS_DOUBLE;
    parts.count *= 2;
    return parts;
}

static int CompareElements(const MaasTensor *a, const MaasTensor *b, int64_t n)
{
    ElementKind kind = ElementKindOf(a->type);
    int cmp = 0;

    if (kind == ELEMENT_COMPLEX) {
        MaasTensor x = ComplexParts(a), y = ComplexParts(b);

        return CompareElements(&x, &y, n * 2);
    }
    for (int64_t i = 0; i < n && cmp == 0; i++) {
        switch (kind) {
        case ELEMENT_REAL:
            cmp = CompareReal(ElementReal(a, i), ElementReal(b, i));
            break;
        case ELEMENT_UINT:
            cmp = CMP(ElementUint(a, i), ElementUint(b, i));
            break;
        case ELEMENT_STRING: {
            const MaasStr *x = &MAAS_STRS(a)[i], *y = &MAAS_STRS(b)[i];

            cmp = x->length && y->length ? memcmp(x->data, y->data, Min(x->length, y->length)) : 0;
            if (cmp == 0)
                cmp = CMP(x->length, y->length);
            break;
        }
        default:
            cmp = CMP(ElementInt(a, i), ElementInt(b, i));
            break;
        }
    }
    return cmp;
}

static int CompareViews(const MaasTensor *a, const MaasTensor *b)
{
    int cmp;

    if (a->type != b->type)
        return CMP(a->type, b->type);
    cmp = CompareElements(a, b, Min(a->count, b->count));
    if (cmp == 0)
        cmp = CMP(a->count, b->count);
    if (cmp == 0)
        cmp = CMP(a->rank, b->rank);
    for (int d = 0; d < a->rank && cmp == 0; d++)
        cmp = CMP(a->dims[d], b->dims[d]);
    return cmp;
}

static int Compare(const Tensor *left, const Tensor *right)
{
    MaasTensor a, b;
    MemoryContext strings, old;
    int cmp;

    if (VARSIZE(left) == VARSIZE(right) && memcmp(left->packed, right->packed, TENSOR_PACKED_BYTES(left)) == 0)
        return 0;
    if (TensorPeek(left, &a) && TensorPeek(right, &b))
        return CompareViews(&a, &b);
    /* A sort compares often, in a context that lives as long as the sort. */
    strings = AllocSetContextCreate(CurrentMemoryContext, "maas compare", ALLOCSET_SMALL_SIZES);
    old = MemoryContextSwitchTo(strings);
    TensorView(left, &a);
    TensorView(right, &b);
    cmp = CompareViews(&a, &b);
    MemoryContextSwitchTo(old);
    MemoryContextDelete(strings);
    return cmp;
}

/* Compares the arguments, and frees what detoasting them took: an index keeps its context for long. */
static int CompareArgs(FunctionCallInfo fcinfo)
{
    Tensor *left = (Tensor *)PG_DETOAST_DATUM(PG_GETARG_DATUM(0));
    Tensor *right = (Tensor *)PG_DETOAST_DATUM(PG_GETARG_DATUM(1));
    int cmp = Compare(left, right);

    PG_FREE_IF_COPY(left, 0);
    PG_FREE_IF_COPY(right, 1);
    return cmp;
}

Datum tensor_eq(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(CompareArgs(fcinfo) == 0);
}

Datum tensor_ne(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(CompareArgs(fcinfo) != 0);
}

Datum tensor_lt(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(CompareArgs(fcinfo) < 0);
}

Datum tensor_le(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(CompareArgs(fcinfo) <= 0);
}

Datum tensor_gt(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(CompareArgs(fcinfo) > 0);
}

Datum tensor_ge(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(CompareArgs(fcinfo) >= 0);
}

Datum tensor_cmp(PG_FUNCTION_ARGS)
{
    PG_RETURN_INT32(CompareArgs(fcinfo));
}

/* Hashes what Compare looks at: equal tensors hash alike. */
static uint64 Hash(const MaasTensor *tensor, uint64 seed)
{
    ElementKind kind = ElementKindOf(tensor->type);
    uint64 hash;

    hash = hash_bytes_extended((const unsigned char *)tensor->dims, tensor->rank * sizeof(int64_t), seed);
    hash = hash_combine64(hash, tensor->type);
    if (kind == ELEMENT_STRING) {
        for (int64_t i = 0; i < tensor->count; i++) {
            const MaasStr *s = &MAAS_STRS(tensor)[i];

            hash = hash_bytes_extended((const unsigned char *)(s->data ? s->data : ""), (int)s->length, hash);
        }
    } else if (kind == ELEMENT_REAL || kind == ELEMENT_COMPLEX) {
        MaasTensor reals = kind == ELEMENT_COMPLEX ? ComplexParts(tensor) : *tensor;

        for (int64_t at = 0; at < reals.count;) {
            double part[128];
            int n = 0;

            for (; n < (int)lengthof(part) && at < reals.count; n++, at++) {
                double number = ElementReal(&reals, at);

                part[n] = isnan(number) ? (double)NAN : number == 0 ? 0.0 : number;
            }
            hash = hash_bytes_extended((const unsigned char *)part, n * (int)sizeof(double), hash);
        }
    } else if (tensor->count > 0) {
        hash = hash_bytes_extended(tensor->data, (int)maas_tensor_bytes(tensor), hash);
    }
    return hash;
}

Datum tensor_hash(PG_FUNCTION_ARGS)
{
    MaasTensor view;

    TensorView(PG_GETARG_TENSOR(0), &view);
    PG_RETURN_UINT32((uint32)Hash(&view, 0));
}

Datum tensor_hash_extended(PG_FUNCTION_ARGS)
{
    MaasTensor view;

    TensorView(PG_GETARG_TENSOR(0), &view);
    PG_RETURN_UINT64(Hash(&view, (uint64)PG_GETARG_INT64(1)));
}
