/*
 * bind.h - SQL values become the inputs of a model.  Nothing is guessed: what does not fit is an error that says
 * what the model expects and what it got.
 */
#ifndef MAAS_PG_RUN_BIND_H
#define MAAS_PG_RUN_BIND_H

#include "utils/array.h"

#include "call.h"

/* To the only input that has no default: a tensor of its rank as it is; one of a rank less as one example. */
void BindTensor(Call *call, const MaasTensor *given);
/* The same for an array of numbers, booleans or strings. */
void BindArray(Call *call, ArrayType *given);
/* A model whose input is strings takes the text as one example; others read it as a tensor: [[1,2],[3,4]]. */
void BindText(Call *call, const text *given);
/* A row: columns to inputs by name, or the numeric columns in order to the only input. */
void BindRow(Call *call, HeapTupleHeader row);
/* The same for a further row of a type that was bound before, straight to where its inputs begin, without a call:
 * for numbers, booleans and texts.  False, with nothing of use written, for what BindRow has to look at.  Strings
 * are copied to a context. */
bool BindRowInto(const ModelRef *ref, HeapTupleHeader row, const MaasType *types, void *const *out,
                 MemoryContext strings);
/* An object with a member for each input. */
void BindJson(Call *call, Datum jsonb);

/* ---- what these share ---- */

/* The number of the only input without a default; throws when there is not exactly one. */
int BindOnlyInput(const Call *call);

/* Binds to input i; `place` says where the value comes from ("input \"x\"", "column \"age\""). */
void BindInput(Call *call, int i, const MaasTensor *given, const char *place);

/* Describes an array as a tensor; nulls become NaN where ref says so and the input takes it. */
void BindArrayView(Call *call, int i, ArrayType *array, const char *place, MaasTensor *view);

/* The tensor's elements as another type, exactly; the classes number, boolean and string do not mix. */
void BindConvert(Call *call, const MaasTensor *given, MaasType type, const char *place, MaasTensor *view);

/* A message's words for an input: input "x" of model "churn". */
const char *BindPlace(const Call *call, int i);

/* Throws that model expects input i of its shape, got this. */
pg_noreturn void BindShapeMismatch(const Call *call, int i, const char *got);

/* Whether this is the type tensor. */
bool BindIsTensor(Oid type);

/* numeric as an integer; false when it is none or too large. */
bool BindNumericToInt64(Datum numeric, int64 *number);

#endif
