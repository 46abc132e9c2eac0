/*
 * tensor.h - tensors and the other values that flow along a graph's edges.
 *
 * A MaasTensor describes elements that lie densely in row-major order.  Its
 * memory belongs to its buffer (reference-counted) or, when buffer is NULL, to
 * somebody who outlives the tensor.  String elements are MaasStr; their bytes
 * live in an arena of the model or of the run, or behind the array in the same
 * buffer.  A MaasValue is a reference-counted tensor, sequence, map or optional
 * and is immutable once the operator that makes it has returned.
 */
#ifndef MAAS_BASE_TENSOR_H
#define MAAS_BASE_TENSOR_H

#include "dtype.h"
#include "mem.h"

#define MAAS_MAX_RANK 16

typedef struct MaasBuffer {
    MaasMem *mem;
    size_t bytes;
    int32_t refs;
    void *data; /* 64-byte aligned */
} MaasBuffer;

typedef struct MaasTensor {
    MaasType type;
    int rank;
    int64_t dims[MAAS_MAX_RANK];
    int64_t count; /* product of dims; 1 for rank 0 */
    void *data;    /* count * maas_type_size(type) bytes; may be NULL when count is 0 */
    MaasBuffer *buffer;
} MaasTensor;

typedef enum MaasKind {
    MAAS_KIND_UNKNOWN = 0,
    MAAS_KIND_TENSOR,
    MAAS_KIND_SEQUENCE,
    MAAS_KIND_MAP,
    MAAS_KIND_OPTIONAL
} MaasKind;

typedef struct MaasValue MaasValue;

struct MaasValue {
    MaasKind kind;
    int32_t refs;
    MaasMem *mem; /* where this struct and its arrays live */
    union {
        MaasTensor tensor;
        struct {
            int64_t n;
            MaasValue **items; /* n, each holds a reference */
        } seq;
        struct {
            MaasValue *keys;   /* tensor of rank 1: int64 or string ... */
            MaasValue *values; /* tensor of rank 1, as long as keys */
        } map;
        MaasValue *some; /* optional: NULL when empty */
    };
};

/* product of dims; false when a dimension is negative or the product overflows. */
bool maas_count_dims(int rank, const int64_t *dims, int64_t *count);

/* Makes a tensor with memory of its own (uninitialised; strings are empty); one reference. */
MaasStatus maas_value_new_tensor(MaasMem *mem, MaasType type, int rank, const int64_t *dims, MaasValue **out,
                                 MaasError *err);
/* Makes a tensor value over foreign memory that outlives it. */
MaasStatus maas_value_wrap(MaasMem *mem, MaasType type, int rank, const int64_t *dims, void *data, MaasValue **out,
                           MaasError *err);
/* Makes a string tensor with the bytes behind the array, in one buffer. */
MaasStatus maas_value_new_strings(MaasMem *mem, int rank, const int64_t *dims, const MaasStr *strings,
                                  MaasValue **out, MaasError *err);
/* Makes a tensor value that shares the buffer (or the foreign memory) of another under a new shape of equal count.
 */
MaasStatus maas_value_view(MaasMem *mem, const MaasTensor *tensor, int rank, const int64_t *dims, MaasValue **out,
                           MaasError *err);
/* Makes a sequence of n empty places; the caller fills items and gives a reference for each. */
MaasStatus maas_value_new_sequence(MaasMem *mem, int64_t n, MaasValue **out, MaasError *err);
/* Takes over the references keys and values, on failure too. */
MaasStatus maas_value_new_map(MaasMem *mem, MaasValue *keys, MaasValue *values, MaasValue **out, MaasError *err);
/* Takes over the reference some (NULL: empty), on failure too. */
MaasStatus maas_value_new_optional(MaasMem *mem, MaasValue *some, MaasValue **out, MaasError *err);
/* Deep copy into mem: the result shares nothing with the source, strings included. */
MaasStatus maas_value_copy(MaasMem *mem, const MaasValue *value, MaasValue **out, MaasError *err);

static inline MaasValue *maas_value_ref(MaasValue *value)
{
    value->refs++;
    return value;
}

void maas_value_unref(MaasValue *value); /* NULL is allowed */
/* Gives up the elements of a tensor; type and shape stay. */
void maas_value_drop_content(MaasValue *value);

static inline size_t maas_tensor_bytes(const MaasTensor *t)
{
    return (size_t)t->count * maas_type_size(t->type);
}

#define MAAS_F32(t) ((float *)(t)->data)
#define MAAS_F64(t) ((double *)(t)->data)
#define MAAS_I64(t) ((int64_t *)(t)->data)
#define MAAS_I32(t) ((int32_t *)(t)->data)
#define MAAS_U8(t) ((uint8_t *)(t)->data)
#define MAAS_I8(t) ((int8_t *)(t)->data)
#define MAAS_STRS(t) ((MaasStr *)(t)->data)

/* Writes "[2,3]" (or "[N,3]" with names of free dimensions, which may be NULL) into text; returns text. */
char *maas_dims_text(int rank, const int64_t *dims, const char *const *names, char *text, size_t size);

#endif
