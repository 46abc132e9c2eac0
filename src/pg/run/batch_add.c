/*
 * batch_add.c - examples go into the groups of a batch.
 *
 * Arrays and tensors of the element types that need no care, and rows of plain columns, are copied straight into
 * the buffers of a group.  Everything else is bound as a single call binds it, under a net: what throws is left to
 * a call of its own, which throws the same when its row is due.  The code under the net holds nothing but memory.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/memutils.h"

#include "batch.h"
#include "bind.h"
#include "type/tensor.h"

/* ---- groups ---- */

void BatchClearGroup(Batch *batch, BatchGroup *group)
{
    for (int i = 0; i < batch->n_inputs; i++)
        if (group->parts[i].data)
            pfree(group->parts[i].data);
    if (group->room > 0) {
        pfree(group->answers);
        pfree(group->answered);
    }
    pfree(group->parts);
    batch->last = NULL;
    batch->held -= group->held;
    memset(group, 0, sizeof(*group));
}

static bool SameShape(const BatchPart *part, int rank, const int64_t *dims)
{
    if (!part->bound || part->rank != rank)
        return false;
    for (int d = 1; d < rank; d++)
        if (part->dims[d] != dims[d])
            return false;
    return true;
}

/* A group without a shape: a new one, or one that is empty; NULL when all are in use. */
static BatchGroup *FreeGroup(Batch *batch)
{
    BatchGroup *group = NULL;

    if (batch->n_groups < BATCH_GROUPS)
        group = &batch->groups[batch->n_groups++];
    else
        for (int g = 0; g < BATCH_GROUPS && !group; g++) {
            if (batch->groups[g].n == 0) {
                group = &batch->groups[g];
                BatchClearGroup(batch, group);
            }
        }
    if (group) {
        memset(group, 0, sizeof(*group));
        group->parts = MemoryContextAllocZero(batch->context, sizeof(BatchPart) * batch->n_inputs);
    }
    return group;
}

/* Gives a part the shape of an example; dims[0] is 1. */
static void ShapePart(BatchPart *part, MaasType type, int rank, const int64_t *dims)
{
    part->bound = true;
    part->type = type;
    part->rank = rank;
    part->count = 1;
    for (int d = 0; d < rank; d++) {
        part->dims[d] = dims[d];
        part->count *= dims[d];
    }
    part->bytes = part->count * maas_type_size(type);
}

/* Doubles the room for examples. */
static pg_noinline void Grow(Batch *batch, BatchGroup *group)
{
    int room = Max(group->room * 2, 1);
    MemoryContext old = MemoryContextSwitchTo(batch->context);

    for (int i = 0; i < batch->n_inputs; i++) {
        BatchPart *part = &group->parts[i];
        char *data;

        if (!part->bound)
            continue;
        /* Aligned as the engine likes it: the block is moved by hand. */
        data = MemoryContextAllocHuge(batch->context, Max(part->bytes * room, 1));
        if (part->data) {
            memcpy(data, part->data, part->bytes * group->n);
            pfree(part->data);
        }
        part->data = data;
        group->held += part->bytes * (room - group->room);
        batch->held += part->bytes * (room - group->room);
    }
    /* Nothing is answered yet. */
    if (group->room > 0) {
        pfree(group->answers);
        pfree(group->answered);
    }
    group->answers = palloc(sizeof(Datum) * room * batch->n_readers);
    group->answered = palloc(sizeof(bool) * room * batch->n_readers);
    group->room = room;
    MemoryContextSwitchTo(old);
}

/* Makes room for one more example. */
static inline void Reserve(Batch *batch, BatchGroup *group)
{
    if (group->n == group->room)
        Grow(batch, group);
}

static void PlaceOf(const Batch *batch, const BatchGroup *group, BatchPlace *place)
{
    place->group = group - batch->groups;
    place->index = group->n;
}

/* ---- arrays and tensors of numbers ---- */

/* The group of the only input for examples of this shape; NULL: the example has to be a call of its own.  dims are
 * those that were given. */
static pg_noinline BatchGroup *FindGroup(Batch *batch, int rank, const int64_t *dims)
{
    bool single = rank == batch->rank - 1;
    int64_t full[MAAS_MAX_RANK];
    BatchGroup *group;

    if (!single && (rank != batch->rank || dims[0] != 1))
        return NULL;
    full[0] = 1;
    for (int d = 1; d < batch->rank; d++) {
        full[d] = dims[single ? d - 1 : d];
        if (batch->dims[d] >= 0 && batch->dims[d] != full[d])
            return NULL;
    }
    for (int g = 0; g < batch->n_groups; g++) {
        group = &batch->groups[g];
        if (group->single == single && SameShape(&group->parts[batch->only], batch->rank, full))
            return group;
    }
    group = FreeGroup(batch);
    if (group) {
        group->single = single;
        ShapePart(&group->parts[batch->only], batch->type, batch->rank, full);
    }
    return group;
}

/* The same, quickly for the shape that was given last. */
static inline BatchGroup *GroupFor(Batch *batch, int rank, const int64_t *dims)
{
    int d = 0;

    while (batch->last && batch->last_rank == rank && d < rank && batch->last_dims[d] == dims[d])
        d++;
    if (!batch->last || batch->last_rank != rank || d < rank) {
        batch->last = FindGroup(batch, rank, dims);
        batch->last_rank = rank;
        memcpy(batch->last_dims, dims, sizeof(dims[0]) * rank);
    }
    return batch->last;
}

/* Copies elements of another type where every value keeps what it is; false for other pairs of types and for a
 * double that is too large for a float. */
static pg_noinline bool ConvertNumbers(MaasType to, void *out, MaasType from, const void *in, size_t n)
{
    if (to == MAAS_FLOAT && from == MAAS_DOUBLE) {
        for (size_t k = 0; k < n; k++) {
            float number = (float)((const double *)in)[k];

            if (isinf(number) && !isinf(((const double *)in)[k]))
                return false;
            ((float *)out)[k] = number;
        }
        return true;
    }
    if (to == MAAS_FLOAT && from == MAAS_INT32) {
        for (size_t k = 0; k < n; k++)
            ((float *)out)[k] = (float)((const int32 *)in)[k];
        return true;
    }
    if (to == MAAS_DOUBLE && from == MAAS_FLOAT) {
        for (size_t k = 0; k < n; k++)
            ((double *)out)[k] = ((const float *)in)[k];
        return true;
    }
    if (to == MAAS_INT64 && from == MAAS_INT32) {
        for (size_t k = 0; k < n; k++)
            ((int64 *)out)[k] = ((const int32 *)in)[k];
        return true;
    }
    return false;
}

static bool AddNumbers(Batch *batch, MaasType type, int rank, const int64_t *dims, const void *data,
                       BatchPlace *place)
{
    BatchGroup *group = GroupFor(batch, rank, dims);
    BatchPart *part;

    if (!group)
        return false;
    Reserve(batch, group);
    part = &group->parts[batch->only];
    if (part->type == type && type != MAAS_STRING)
        memcpy(part->data + part->bytes * group->n, data, part->bytes);
    else if (!ConvertNumbers(part->type, part->data + part->bytes * group->n, type, data, part->count))
        return false;
    PlaceOf(batch, group, place);
    group->n++;
    batch->bytes += part->bytes;
    return true;
}

/* The engine's type of an array's elements where both lie alike in memory; 0 for others. */
static MaasType ElementType(Oid element)
{
    switch (element) {
    case FLOAT4OID:
        return MAAS_FLOAT;
    case FLOAT8OID:
        return MAAS_DOUBLE;
    case INT4OID:
        return MAAS_INT32;
    case INT8OID:
        return MAAS_INT64;
    default:
        return (MaasType)0;
    }
}

/* An array that lies in memory as arrays do. */
static bool AddPlainArray(Batch *batch, const ArrayType *array, BatchPlace *place)
{
    int64_t dims[MAAS_MAX_RANK];
    MaasType type = ElementType(ARR_ELEMTYPE(array));

    if (!type || ARR_HASNULL(array) || ARR_NDIM(array) == 0 || ARR_NDIM(array) > batch->rank)
        return false;
    for (int d = 0; d < ARR_NDIM(array); d++)
        dims[d] = ARR_DIMS(array)[d];
    return AddNumbers(batch, type, ARR_NDIM(array), dims, ARR_DATA_PTR(array), place);
}

/* A short one, whose header is one byte: a copy is aligned. */
static pg_noinline bool AddShortArray(Batch *batch, const struct varlena *given, BatchPlace *place)
{
    union {
        char bytes[VARHDRSZ + VARATT_SHORT_MAX];
        int32 aligned;
    } room;
    Size length = VARSIZE_SHORT(given) - VARHDRSZ_SHORT;

    memcpy(room.bytes + VARHDRSZ, VARDATA_SHORT(given), length);
    SET_VARSIZE(room.bytes, length + VARHDRSZ);
    return AddPlainArray(batch, (const ArrayType *)room.bytes, place);
}

static bool AddArray(Batch *batch, Datum value, BatchPlace *place)
{
    const struct varlena *given = (const struct varlena *)DatumGetPointer(value);

    if (VARATT_IS_4B_U(given))
        return AddPlainArray(batch, (const ArrayType *)given, place);
    if (VARATT_IS_SHORT(given) && !VARATT_IS_EXTERNAL(given))
        return AddShortArray(batch, given, place);
    return AddPlainArray(batch, (const ArrayType *)PG_DETOAST_DATUM(value), place);
}

static bool AddTensor(Batch *batch, Datum value, BatchPlace *place)
{
    MaasTensor view;

    if (!TensorPeek(DatumGetTensor(value), &view))
        return false;
    return AddNumbers(batch, view.type, view.rank, view.dims, view.data, place);
}

/* ---- everything else, bound as a call binds it ---- */

/* Whether all that is bound is one example. */
static bool OneExample(const Call *call)
{
    for (int i = 0; i < call->info->n_inputs; i++) {
        const MaasValue *value = call->inputs[i];

        if (value &&
            (call->info->inputs[i].optional || !BatchTakes(&call->info->inputs[i]) || value->tensor.dims[0] != 1))
            return false;
    }
    return true;
}

static bool SameBound(const Batch *batch, const BatchGroup *group, const Call *call)
{
    if (group->single != call->single)
        return false;
    for (int i = 0; i < batch->n_inputs; i++) {
        const BatchPart *part = &group->parts[i];
        const MaasValue *value = call->inputs[i];

        if (part->bound != (value != NULL))
            return false;
        if (value && (part->type != value->tensor.type || !SameShape(part, value->tensor.rank, value->tensor.dims)))
            return false;
    }
    return true;
}

/* Copies strings with their bytes. */
static void CopyStrings(Batch *batch, MaasStr *out, const MaasStr *in, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        out[k].length = in[k].length;
        out[k].data = memcpy(MemoryContextAlloc(batch->values, in[k].length + 1), in[k].data, in[k].length);
        batch->bytes += in[k].length;
    }
}

static bool TakeBound(Batch *batch, const Call *call, BatchPlace *place)
{
    BatchGroup *group = NULL;

    if (!OneExample(call))
        return false;
    for (int g = 0; g < batch->n_groups && !group; g++)
        if (SameBound(batch, &batch->groups[g], call))
            group = &batch->groups[g];
    if (!group) {
        group = FreeGroup(batch);
        if (!group)
            return false;
        group->single = call->single;
        for (int i = 0; i < batch->n_inputs; i++)
            if (call->inputs[i])
                ShapePart(&group->parts[i], call->inputs[i]->tensor.type, call->inputs[i]->tensor.rank,
                          call->inputs[i]->tensor.dims);
    }
    Reserve(batch, group);
    for (int i = 0; i < batch->n_inputs; i++) {
        BatchPart *part = &group->parts[i];
        char *out = part->data + part->bytes * group->n;

        if (!part->bound)
            continue;
        if (part->type == MAAS_STRING)
            CopyStrings(batch, (MaasStr *)out, MAAS_STRS(&call->inputs[i]->tensor), part->count);
        else if (part->bytes)
            memcpy(out, call->inputs[i]->tensor.data, part->bytes);
        batch->bytes += part->bytes;
    }
    PlaceOf(batch, group, place);
    group->n++;
    return true;
}

static void Bind(const Batch *batch, Call *call, Datum value)
{
    MaasTensor view;

    switch (batch->input) {
    case BATCH_TENSOR:
        TensorView(DatumGetTensor(value), &view);
        BindTensor(call, &view);
        break;
    case BATCH_ARRAY:
        BindArray(call, DatumGetArrayTypeP(value));
        break;
    case BATCH_TEXT:
        BindText(call, DatumGetTextPP(value));
        break;
    case BATCH_ROW:
        BindRow(call, DatumGetHeapTupleHeader(value));
        break;
    case BATCH_JSON:
        BindJson(call, value);
        break;
    }
}

static bool AddBound(Batch *batch, Datum value, BatchPlace *place)
{
    MemoryContext old = CurrentMemoryContext;
    volatile bool taken = false;

    PG_TRY();
    {
        Call call;

        CallBeginRef(&call, BatchFind(batch));
        if (BatchSameVersion(call.ref, &batch->ref)) {
            Bind(batch, &call, value);
            taken = TakeBound(batch, &call, place);
        }
        CallEnd(&call);
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(old);
        if (!BatchMayWait())
            PG_RE_THROW();
        FlushErrorState();
        taken = false;
    }
    PG_END_TRY();
    return taken;
}

/* A row of the type of the last one goes straight into the group of that one: columns are scalars, so the shapes
 * are the same. */
static bool AddRow(Batch *batch, HeapTupleHeader row, BatchPlace *place)
{
    BatchGroup *group;

    if (batch->row_group < 0 || HeapTupleHeaderGetTypeId(row) != batch->row_type ||
        HeapTupleHeaderGetTypMod(row) != batch->row_typmod)
        return false;
    group = &batch->groups[batch->row_group];
    Reserve(batch, group);
    for (int i = 0; i < batch->n_inputs; i++) {
        const BatchPart *part = &group->parts[i];

        batch->row_types[i] = part->type;
        batch->row_places[i] = part->bound ? part->data + part->bytes * group->n : NULL;
    }
    if (!BindRowInto(&batch->ref, row, batch->row_types, batch->row_places, batch->values))
        return false;
    PlaceOf(batch, group, place);
    group->n++;
    for (int i = 0; i < batch->n_inputs; i++)
        batch->bytes += group->parts[i].bytes;
    return true;
}

bool BatchAdd(Batch *batch, Datum value, BatchPlace *place)
{
    if (batch->input == BATCH_ROW) {
        HeapTupleHeader row = DatumGetHeapTupleHeader(value);

        if (AddRow(batch, row, place))
            return true;
        if (!AddBound(batch, PointerGetDatum(row), place))
            return false;
        batch->row_group = place->group;
        batch->row_type = HeapTupleHeaderGetTypeId(row);
        batch->row_typmod = HeapTupleHeaderGetTypMod(row);
        return true;
    }
    if (batch->only >= 0 && batch->input == BATCH_ARRAY && AddArray(batch, value, place))
        return true;
    if (batch->only >= 0 && batch->input == BATCH_TENSOR && AddTensor(batch, value, place))
        return true;
    return AddBound(batch, value, place);
}
