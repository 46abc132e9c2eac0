/*
 * tensor.h - the SQL type tensor as other files of the extension see it.
 *
 * A tensor is stored as the engine's packed form behind a header of 8 bytes, so that in an aligned copy (and the
 * type's alignment is double) the elements can be used where they lie.  Stored and toasted without compression:
 * floating-point numbers hardly compress, and reading is what counts.
 */
#ifndef MAAS_PG_TYPE_TENSOR_H
#define MAAS_PG_TYPE_TENSOR_H

#include "fmgr.h"

#include "border.h"

typedef struct Tensor {
    int32 vl_len_; /* use SET_VARSIZE */
    uint32 zero;   /* aligns packed */
    char packed[FLEXIBLE_ARRAY_MEMBER];
} Tensor;

#define TENSOR_HEADER offsetof(Tensor, packed)
#define TENSOR_PACKED_BYTES(t) (VARSIZE(t) - TENSOR_HEADER)

/* Detoasts; the result lies in the tuple when it is aligned and plain there. */
#define DatumGetTensor(d) ((const Tensor *)PG_DETOAST_DATUM(d))
#define PG_GETARG_TENSOR(n) DatumGetTensor(PG_GETARG_DATUM(n))

/* Describes the tensor without allocating anything; false for strings, which need TensorView. */
bool TensorPeek(const Tensor *tensor, MaasTensor *view);

/* Describes the tensor; the elements stay where they are, but for strings, whose array of MaasStr is allocated in
 * the current memory context. */
void TensorView(const Tensor *tensor, MaasTensor *view);

/* The same as a value of the engine; tensor must outlive it. */
MaasValue *TensorValue(const Tensor *tensor, MaasMem *mem);

/* A new SQL tensor in the current memory context. */
Datum TensorMake(const MaasTensor *view);

/* The same from a value, which must be a tensor; the caller keeps its reference. */
Datum TensorFromValue(const MaasValue *value);

/* A new tensor of this type and shape in the current memory context, its elements zeroed, not for strings.  view
 * describes it and can be written through; the datum is the result itself. */
Datum TensorNew(MaasType type, int rank, const int64_t *dims, MaasTensor *view);

/* The element type of this SQL name; throws when there is none. */
MaasType TensorTypeFromName(const char *name, size_t length);

/* SQL functions that other files use: the type's input, and the cast from an array without nulls. */
extern Datum tensor_in(PG_FUNCTION_ARGS);
extern Datum maas_tensor_from_array(PG_FUNCTION_ARGS);

#endif
