/*
 * aggregate.c - tensors from rows and rows from tensors: maas_stack, sum, avg, maas_rows, maas_slice, maas_element.
 *
 * The states of aggregates live in the aggregate's memory context.  A sum is kept in double for floating types and
 * in int64 for integers, whatever the tensors' own type.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "element.h"
#include "tensor.h"

PG_FUNCTION_INFO_V1(maas_stack_step);
PG_FUNCTION_INFO_V1(maas_stack_final);
PG_FUNCTION_INFO_V1(maas_sum_step);
PG_FUNCTION_INFO_V1(maas_sum_combine);
PG_FUNCTION_INFO_V1(maas_sum_serialize);
PG_FUNCTION_INFO_V1(maas_sum_deserialize);
PG_FUNCTION_INFO_V1(maas_sum_final);
PG_FUNCTION_INFO_V1(maas_avg_final);
PG_FUNCTION_INFO_V1(maas_rows);
PG_FUNCTION_INFO_V1(maas_slice);
PG_FUNCTION_INFO_V1(maas_element);

static MemoryContext AggregateContext(FunctionCallInfo fcinfo, const char *name)
{
    MemoryContext context;

    if (!AggCheckCallContext(fcinfo, &context))
        elog(ERROR, "%s called in non-aggregate context", name);
    return context;
}

/* Throws when a row's tensor is not of the first one's type and shape. */
static void SameForm(const char *aggregate, int64 row, const MaasTensor *first, const MaasTensor *view)
{
    char expected[256], got[256];

    if (view->type == first->type && view->rank == first->rank &&
        memcmp(view->dims, first->dims, sizeof(*view->dims) * view->rank) == 0)
        return;
    ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                    errmsg("%s expects tensors of one type and shape, %s %s, got %s %s in row " INT64_FORMAT,
                           aggregate, maas_type_name(first->type),
                           maas_dims_text(first->rank, first->dims, NULL, expected, sizeof(expected)),
                           maas_type_name(view->type),
                           maas_dims_text(view->rank, view->dims, NULL, got, sizeof(got)), row)));
}

/* ---- maas_stack: rows become a batch ---- */

typedef struct StackState {
    MaasTensor form; /* of every row; data unused */
    int64 rows;
    size_t used, size; /* bytes of elements */
    char *elements;
} StackState;

/* The bytes of strings are copied where they stay. */
static void KeepStrings(MaasTensor *view, MemoryContext context)
{
    MaasStr *strings = view->data;

    for (int64_t i = 0; i < view->count; i++) {
        char *copy = MemoryContextAlloc(context, strings[i].length + 1);

        if (strings[i].length)
            memcpy(copy, strings[i].data, strings[i].length);
        strings[i].data = copy;
    }
}

Datum maas_stack_step(PG_FUNCTION_ARGS)
{
    MemoryContext context = AggregateContext(fcinfo, "maas_stack");
    StackState *state = PG_ARGISNULL(0) ? NULL : (StackState *)PG_GETARG_POINTER(0);
    MaasTensor view;
    size_t bytes;

    if (!state)
        state = MemoryContextAllocZero(context, sizeof(StackState));
    if (PG_ARGISNULL(1))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("row " INT64_FORMAT " of maas_stack is null", state->rows + 1),
                        errhint("Leave such rows out: maas_stack(x) FILTER (WHERE x IS NOT NULL).")));
    TensorView(PG_GETARG_TENSOR(1), &view);
    if (state->rows == 0) {
        if (view.rank >= MAAS_MAX_RANK)
            ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                            errmsg("tensors of rank %d cannot be stacked; at most %d dimensions are supported",
                                   view.rank, MAAS_MAX_RANK)));
        state->form = view;
        state->form.data = NULL;
    }
    state->rows++;
    SameForm("maas_stack", state->rows, &state->form, &view);
    bytes = maas_tensor_bytes(&view);
    if (bytes > MaxAllocHugeSize - state->used)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("maas_stack has too many elements")));
    if (state->used + bytes > state->size) {
        state->size = Max(Max(state->used + bytes, 1024), state->size < MaxAllocSize ? state->size * 2 : 0);
        state->elements = state->elements ? repalloc_huge(state->elements, state->size)
                                          : MemoryContextAllocHuge(context, state->size);
    }
    if (view.type == MAAS_STRING)
        KeepStrings(&view, context);
    if (bytes)
        memcpy(state->elements + state->used, view.data, bytes);
    state->used += bytes;
    PG_RETURN_POINTER(state);
}

Datum maas_stack_final(PG_FUNCTION_ARGS)
{
    StackState *state = PG_ARGISNULL(0) ? NULL : (StackState *)PG_GETARG_POINTER(0);
    MaasTensor all = {0};

    if (!state)
        PG_RETURN_NULL();
    all.type = state->form.type;
    all.rank = state->form.rank + 1;
    all.dims[0] = state->rows;
    memcpy(all.dims + 1, state->form.dims, sizeof(*all.dims) * state->form.rank);
    all.data = state->elements;
    if (!maas_count_dims(all.rank, all.dims, &all.count))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("maas_stack has too many elements")));
    return TensorMake(&all);
}

/* ---- sum and avg ---- */

typedef struct SumState {
    MaasTensor form; /* of every row; data unused */
    bool integer;
    int64 rows;
    union {
        double *reals;
        int64_t *ints;
    } sums; /* form.count */
} SumState;

static SumState *NewSum(MemoryContext context, const MaasTensor *form)
{
    SumState *state = MemoryContextAllocZero(context, sizeof(SumState));

    if (!maas_type_in(form->type, MAAS_T_FLOATS | (MAAS_T_INTS & ~MAAS_T(MAAS_UINT64))))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("tensors of type %s cannot be summed up", maas_type_name(form->type)),
                        errhint("Convert them first: maas_cast(tensor, 'double').")));
    state->form = *form;
    state->form.data = NULL;
    state->integer = maas_type_in(form->type, MAAS_T_INTS);
    state->sums.reals = MemoryContextAllocExtended(context, Max(form->count, 1) * sizeof(double),
                                                   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    return state;
}

static void AddInt(int64_t *sum, int64_t number, int64_t i)
{
    if (__builtin_add_overflow(*sum, number, sum))
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the sum of element " INT64_FORMAT " is out of range for int64", i)));
}

Datum maas_sum_step(PG_FUNCTION_ARGS)
{
    MemoryContext context = AggregateContext(fcinfo, "sum");
    SumState *state = PG_ARGISNULL(0) ? NULL : (SumState *)PG_GETARG_POINTER(0);
    MaasTensor view;

    if (PG_ARGISNULL(1)) {
        if (!state)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(state);
    }
    TensorView(PG_GETARG_TENSOR(1), &view);
    if (!state)
        state = NewSum(context, &view);
    state->rows++;
    SameForm("sum", state->rows, &state->form, &view);
    if (view.type == MAAS_FLOAT) {
        for (int64_t i = 0; i < view.count; i++)
            state->sums.reals[i] += MAAS_F32(&view)[i];
    } else if (!state->integer) {
        for (int64_t i = 0; i < view.count; i++)
            state->sums.reals[i] += ElementReal(&view, i);
    } else if (ElementKindOf(view.type) == ELEMENT_UINT) {
        for (int64_t i = 0; i < view.count; i++)
            AddInt(&state->sums.ints[i], (int64_t)ElementUint(&view, i), i);
    } else {
        for (int64_t i = 0; i < view.count; i++)
            AddInt(&state->sums.ints[i], ElementInt(&view, i), i);
    }
    PG_RETURN_POINTER(state);
}

Datum maas_sum_combine(PG_FUNCTION_ARGS)
{
    MemoryContext context = AggregateContext(fcinfo, "sum");
    SumState *state = PG_ARGISNULL(0) ? NULL : (SumState *)PG_GETARG_POINTER(0);
    SumState *other = PG_ARGISNULL(1) ? NULL : (SumState *)PG_GETARG_POINTER(1);

    if (!other) {
        if (!state)
            PG_RETURN_NULL();
        PG_RETURN_POINTER(state);
    }
    if (!state)
        state = NewSum(context, &other->form);
    SameForm("sum", state->rows + 1, &state->form, &other->form);
    state->rows += other->rows;
    for (int64_t i = 0; i < state->form.count; i++) {
        if (state->integer)
            AddInt(&state->sums.ints[i], other->sums.ints[i], i);
        else
            state->sums.reals[i] += other->sums.reals[i];
    }
    PG_RETURN_POINTER(state);
}

/* Between a worker and its leader, which run the same program: plain memory. */
Datum maas_sum_serialize(PG_FUNCTION_ARGS)
{
    SumState *state = (SumState *)PG_GETARG_POINTER(0);
    size_t bytes = state->form.count * sizeof(double);
    bytea *result;

    AggregateContext(fcinfo, "sum");
    if (bytes > MaxAllocSize - VARHDRSZ - sizeof(SumState))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("a sum of tensors exceeds 1 GB")));
    result = palloc(VARHDRSZ + sizeof(SumState) + bytes);
    SET_VARSIZE(result, VARHDRSZ + sizeof(SumState) + bytes);
    memcpy(VARDATA(result), state, sizeof(SumState));
    memcpy(VARDATA(result) + sizeof(SumState), state->sums.reals, bytes);
    PG_RETURN_BYTEA_P(result);
}

Datum maas_sum_deserialize(PG_FUNCTION_ARGS)
{
    bytea *bytes = PG_GETARG_BYTEA_PP(0);
    SumState header, *state;

    AggregateContext(fcinfo, "sum");
    memcpy(&header, VARDATA_ANY(bytes), sizeof(SumState));
    state = NewSum(CurrentMemoryContext, &header.form);
    state->rows = header.rows;
    memcpy(state->sums.reals, VARDATA_ANY(bytes) + sizeof(SumState), header.form.count * sizeof(double));
    PG_RETURN_POINTER(state);
}

/* Floating types keep their type; integers become int64, as sum(integer) becomes bigint. */
Datum maas_sum_final(PG_FUNCTION_ARGS)
{
    SumState *state = PG_ARGISNULL(0) ? NULL : (SumState *)PG_GETARG_POINTER(0);
    MaasTensor out;
    Datum result;

    if (!state)
        PG_RETURN_NULL();
    result = TensorNew(state->integer ? MAAS_INT64 : state->form.type, state->form.rank, state->form.dims, &out);
    for (int64_t i = 0; i < out.count; i++) {
        if (state->integer)
            (void)ElementSetInt(&out, i, state->sums.ints[i]);
        else
            ElementSetReal(&out, i, state->sums.reals[i]);
    }
    return result;
}

/* Floating types keep their type; integers become double. */
Datum maas_avg_final(PG_FUNCTION_ARGS)
{
    SumState *state = PG_ARGISNULL(0) ? NULL : (SumState *)PG_GETARG_POINTER(0);
    MaasTensor out;
    Datum result;

    if (!state)
        PG_RETURN_NULL();
    result = TensorNew(state->integer ? MAAS_DOUBLE : state->form.type, state->form.rank, state->form.dims, &out);
    for (int64_t i = 0; i < out.count; i++)
        ElementSetReal(&out, i,
                       (state->integer ? (double)state->sums.ints[i] : state->sums.reals[i]) / (double)state->rows);
    return result;
}

/* ---- parts of a tensor ---- */

/* Narrows view to one index (from 1 on, as arrays count) of its first dimension. */
static void Narrow(MaasTensor *view, int64 index, int place)
{
    char shape[256];
    int64_t inner = 1;

    if (view->rank == 0)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("there are more indices than the tensor has dimensions, %d", place - 1)));
    if (view->dims[0] == 0)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("index " INT64_FORMAT " of dimension %d is out of range: that dimension is empty",
                               index, place)));
    if (index < 1 || index > view->dims[0])
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("index " INT64_FORMAT " of dimension %d is out of range: a part of shape %s has the "
                               "indices 1 to " INT64_FORMAT,
                               index, place, maas_dims_text(view->rank, view->dims, NULL, shape, sizeof(shape)),
                               view->dims[0])));
    (void)maas_count_dims(view->rank - 1, view->dims + 1, &inner);
    if (inner)
        view->data = (char *)view->data + (index - 1) * inner * maas_type_size(view->type);
    view->rank--;
    memmove(view->dims, view->dims + 1, sizeof(*view->dims) * view->rank);
    view->count = inner;
}

static void NarrowToArgs(FunctionCallInfo fcinfo, MaasTensor *view)
{
    ArrayType *indices = PG_GETARG_ARRAYTYPE_P(1);
    int n = ArrayGetNItems(ARR_NDIM(indices), ARR_DIMS(indices));

    if (ARR_NDIM(indices) > 1 || array_contains_nulls(indices))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("indices are integers that are not null")));
    TensorView(PG_GETARG_TENSOR(0), view);
    for (int i = 0; i < n; i++)
        Narrow(view, ((const int32 *)ARR_DATA_PTR(indices))[i], i + 1);
}

/* maas_slice(tensor, VARIADIC integer[]): the part at these leading indices. */
Datum maas_slice(PG_FUNCTION_ARGS)
{
    MaasTensor view;

    NarrowToArgs(fcinfo, &view);
    return TensorMake(&view);
}

/* maas_element(tensor, VARIADIC integer[]): one number. */
Datum maas_element(PG_FUNCTION_ARGS)
{
    MaasTensor view;
    char shape[256];

    NarrowToArgs(fcinfo, &view);
    if (view.rank > 0)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("the indices lead to a part of shape %s, not to one element",
                               maas_dims_text(view.rank, view.dims, NULL, shape, sizeof(shape))),
                        errhint("Give an index for every dimension, or use maas_slice.")));
    switch (ElementKindOf(view.type)) {
    case ELEMENT_REAL:
        PG_RETURN_FLOAT8(ElementReal(&view, 0));
    case ELEMENT_INT:
        PG_RETURN_FLOAT8((double)ElementInt(&view, 0));
    case ELEMENT_UINT:
        PG_RETURN_FLOAT8((double)ElementUint(&view, 0));
    default:
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("an element of a tensor of type %s is not a number", maas_type_name(view.type)),
                        errhint("Use maas_slice and a cast.")));
    }
}

/* maas_rows(tensor): the parts along the first dimension. */
Datum maas_rows(PG_FUNCTION_ARGS)
{
    FuncCallContext *call;
    MaasTensor *tensor, row;

    if (SRF_IS_FIRSTCALL()) {
        MemoryContext old;

        call = SRF_FIRSTCALL_INIT();
        old = MemoryContextSwitchTo(call->multi_call_memory_ctx);
        tensor = palloc(sizeof(MaasTensor));
        TensorView((const Tensor *)PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0)), tensor);
        if (tensor->rank == 0)
            ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("a tensor of rank 0 has no rows")));
        call->user_fctx = tensor;
        MemoryContextSwitchTo(old);
    }
    call = SRF_PERCALL_SETUP();
    tensor = call->user_fctx;
    if (call->call_cntr >= (uint64)tensor->dims[0])
        SRF_RETURN_DONE(call);
    row = *tensor;
    Narrow(&row, (int64)call->call_cntr + 1, 1);
    SRF_RETURN_NEXT(call, TensorMake(&row));
}
