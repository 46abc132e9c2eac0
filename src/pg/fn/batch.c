/*
 * batch.c - maas_predict(model, tensor[]) and maas_predict_query: many examples, one run of the model.
 *
 * Examples are bound one by one, as maas_predict binds one, and set aside.  Those that follow each other and differ
 * in the leading dimension's content only are joined along it, when every input that is given has a free leading
 * dimension; the output is cut along its own.  Where it cannot be cut so, each example is run by itself: the answer
 * is that of maas_predict on each.
 *
 * Memory: a batch's inputs lie in a context of their own, because fetching rows runs SQL, between which no Call may
 * be open.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "run/bind.h"
#include "type/tensor.h"

PG_FUNCTION_INFO_V1(maas_predict_many);
PG_FUNCTION_INFO_V1(maas_predict_query);

#define BATCH_EXAMPLES 256

/* Examples that wait to be run together.  All lie in context. */
typedef struct Batch {
    MemoryContext context;
    MaasMem mem;
    int n_inputs;
    int n;                              /* examples */
    bool alone;                         /* the example cannot be joined with others */
    bool single[BATCH_EXAMPLES];        /* see Call */
    MaasValue **inputs[BATCH_EXAMPLES]; /* n_inputs each */
    Datum answers[BATCH_EXAMPLES];      /* tensors, in the context of BatchRun's caller */
} Batch;

static void BatchInit(Batch *batch)
{
    memset(batch, 0, sizeof(*batch));
    batch->context = AllocSetContextCreate(CurrentMemoryContext, "maas batch", ALLOCSET_DEFAULT_SIZES);
    BorderMem(&batch->mem, batch->context);
}

static void BatchClear(Batch *batch)
{
    MemoryContextReset(batch->context);
    BorderMem(&batch->mem, batch->context);
    batch->n = 0;
    batch->alone = false;
}

/* Whether all that is bound has a leading dimension of 1 that the model leaves free. */
static bool CanJoin(const Call *call)
{
    bool any = false;

    for (int i = 0; i < call->info->n_inputs; i++) {
        const MaasPort *port = &call->info->inputs[i];
        const MaasValue *value = call->inputs[i];

        if (!value)
            continue;
        if (value->kind != MAAS_KIND_TENSOR || port->rank < 1 || port->dims[0] >= 0 || value->tensor.dims[0] != 1)
            return false;
        any = true;
    }
    return any && call->single;
}

static bool SameTail(const MaasValue *a, const MaasValue *b)
{
    if (!a || !b)
        return a == b;
    return a->tensor.type == b->tensor.type && a->tensor.rank == b->tensor.rank &&
           memcmp(a->tensor.dims, b->tensor.dims, sizeof(a->tensor.dims[0]) * a->tensor.rank) == 0;
}

/* Whether the example that is bound can join those that wait. */
static bool Joins(const Batch *batch, const Call *call)
{
    if (batch->n == 0)
        return true;
    if (batch->alone || batch->n == BATCH_EXAMPLES || !CanJoin(call))
        return false;
    for (int i = 0; i < batch->n_inputs; i++)
        if (!SameTail(batch->inputs[0][i], call->inputs[i]))
            return false;
    return true;
}

static void BatchAdd(Batch *batch, const Call *call)
{
    MaasError err;
    MaasValue **inputs;

    batch->n_inputs = call->info->n_inputs;
    inputs = MemoryContextAllocZero(batch->context, sizeof(*inputs) * Max(batch->n_inputs, 1));
    for (int i = 0; i < batch->n_inputs; i++)
        if (call->inputs[i])
            CALL_CHECK(call, maas_value_copy(&batch->mem, call->inputs[i], &inputs[i], &err), &err);
    batch->alone = !CanJoin(call);
    batch->single[batch->n] = call->single;
    batch->inputs[batch->n++] = inputs;
}

/* All examples' parts of input i, one below the other. */
static MaasValue *JoinInput(Call *call, const Batch *batch, int i)
{
    const MaasTensor *first = &batch->inputs[0][i]->tensor;
    int64_t dims[MAAS_MAX_RANK];
    size_t bytes = maas_tensor_bytes(first);
    MaasValue *joined;
    MaasError err;

    memcpy(dims, first->dims, sizeof(dims));
    dims[0] = batch->n;
    CALL_CHECK(call, maas_value_new_tensor(&call->mem, first->type, first->rank, dims, &joined, &err), &err);
    for (int k = 0; k < batch->n && bytes; k++)
        memcpy((char *)joined->tensor.data + k * bytes, batch->inputs[k][i]->tensor.data, bytes);
    return joined;
}

/* Runs all examples at once; false when the output does not have one part for each. */
static bool RunJoined(Call *call, Batch *batch, int wanted)
{
    MaasTensor view;

    for (int i = 0; i < batch->n_inputs; i++)
        call->inputs[i] = batch->inputs[0][i] ? JoinInput(call, batch, i) : NULL;
    call->single = false;
    view = CallRunOne(call, wanted);
    if (view.rank < 1 || view.dims[0] != batch->n)
        return false;
    view.rank--;
    memmove(view.dims, view.dims + 1, sizeof(view.dims[0]) * view.rank);
    view.count /= batch->n;
    for (int k = 0; k < batch->n; k++) {
        batch->answers[k] = TensorMake(&view);
        view.data = (char *)view.data + maas_tensor_bytes(&view);
    }
    return true;
}

/* Runs what waits; the answers are allocated in the current memory context. */
static void BatchRun(Batch *batch, const FmgrInfo *flinfo, const text *name, const text *output)
{
    Call call;

    if (batch->n == 0)
        return;
    if (batch->n > 1) {
        bool done;

        CallBegin(&call, flinfo, name);
        done = RunJoined(&call, batch, CallOutput(&call, output));
        CallEnd(&call);
        if (done)
            return;
    }
    for (int k = 0; k < batch->n; k++) {
        MaasTensor view;

        CallBegin(&call, flinfo, name);
        memcpy(call.inputs, batch->inputs[k], sizeof(*call.inputs) * batch->n_inputs);
        call.single = batch->single[k];
        view = CallRunOne(&call, CallOutput(&call, output));
        batch->answers[k] = TensorMake(&view);
        CallEnd(&call);
    }
}

/* ---- maas_predict(model, tensor[]) ---- */

Datum maas_predict_many(PG_FUNCTION_ARGS)
{
    const text *name = PG_GETARG_TEXT_PP(0);
    ArrayType *array = PG_GETARG_ARRAYTYPE_P(1);
    Oid type = ARR_ELEMTYPE(array);
    Datum *items;
    bool *nulls;
    int n, done = 0;
    int *places = palloc(sizeof(int) * BATCH_EXAMPLES);
    Batch *batch = palloc(sizeof(Batch));

    deconstruct_array(array, type, -1, false, TYPALIGN_DOUBLE, &items, &nulls, &n);
    BatchInit(batch);
    while (done < n || batch->n > 0) {
        bool full = done == n;

        while (done < n && nulls[done])
            done++;
        if (done < n) {
            MaasTensor view;
            Call call;

            TensorView(DatumGetTensor(items[done]), &view);
            CallBegin(&call, fcinfo->flinfo, name);
            BindTensor(&call, &view);
            full = !Joins(batch, &call);
            if (!full) {
                BatchAdd(batch, &call);
                places[batch->n - 1] = done++;
            }
            CallEnd(&call);
        }
        if (full) {
            BatchRun(batch, fcinfo->flinfo, name, NULL);
            for (int k = 0; k < batch->n; k++)
                items[places[k]] = batch->answers[k];
            BatchClear(batch);
        }
    }
    PG_RETURN_ARRAYTYPE_P(construct_md_array(items, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
                                             type, -1, false, TYPALIGN_DOUBLE));
}

/* ---- maas_predict_query ---- */

typedef struct QueryRun {
    const FmgrInfo *flinfo;
    const text *name, *output;
    Batch *batch;
    char *keys[BATCH_EXAMPLES]; /* in the batch's context */
    Tuplestorestate *store;
    TupleDesc desc;
    MemoryContext answers; /* emptied after each batch */
    int key;               /* the key's column from 1; 0: none */
    TupleDesc features;    /* of the rows without the key; the query's own when there is none */
    int64 row;
} QueryRun;

static void Flush(QueryRun *run)
{
    MemoryContext old = MemoryContextSwitchTo(run->answers);

    BatchRun(run->batch, run->flinfo, run->name, run->output);
    for (int k = 0; k < run->batch->n; k++) {
        Datum values[2] = {(Datum)0, run->batch->answers[k]};
        bool nulls[2] = {run->keys[k] == NULL, false};

        if (run->keys[k])
            values[0] = CStringGetTextDatum(run->keys[k]);
        tuplestore_putvalues(run->store, run->desc, values, nulls);
    }
    MemoryContextSwitchTo(old);
    MemoryContextReset(run->answers);
    BatchClear(run->batch);
}

/* Copies all columns but the key's into a row of the features' type. */
static HeapTupleHeader Features(const QueryRun *run, HeapTuple row, TupleDesc desc)
{
    Datum *values = palloc(sizeof(Datum) * Max(desc->natts, 1));
    bool *nulls = palloc(sizeof(bool) * Max(desc->natts, 1));

    heap_deform_tuple(row, desc, values, nulls);
    if (run->key) {
        int after = desc->natts - run->key;

        memmove(values + run->key - 1, values + run->key, sizeof(Datum) * after);
        memmove(nulls + run->key - 1, nulls + run->key, sizeof(bool) * after);
    }
    return DatumGetHeapTupleHeader(HeapTupleGetDatum(heap_form_tuple(run->features, values, nulls)));
}

static void AddRow(QueryRun *run, HeapTuple row, TupleDesc desc)
{
    MemoryContext old = MemoryContextSwitchTo(run->answers);
    HeapTupleHeader features = Features(run, row, desc);
    char *key;
    Call call;

    run->row++;
    key = run->key ? SPI_getvalue(row, desc, run->key) : psprintf(INT64_FORMAT, run->row);
    for (;;) {
        bool joins;

        CallBegin(&call, run->flinfo, run->name);
        BindRow(&call, features);
        joins = Joins(run->batch, &call);
        if (joins) {
            BatchAdd(run->batch, &call);
            run->keys[run->batch->n - 1] = key ? MemoryContextStrdup(run->batch->context, key) : NULL;
        }
        CallEnd(&call);
        if (joins)
            break;
        /* Flush empties the context in which the row lies. */
        MemoryContextSwitchTo(old);
        Flush(run);
        MemoryContextSwitchTo(run->answers);
        features = Features(run, row, desc);
        key = run->key ? SPI_getvalue(row, desc, run->key) : psprintf(INT64_FORMAT, run->row);
    }
    MemoryContextSwitchTo(old);
}

/* Finds the key's column and makes the type of the rows without it. */
static void PlanColumns(QueryRun *run, TupleDesc desc, const char *key)
{
    int next = 0;

    for (int c = 0; key && c < desc->natts; c++)
        if (strcmp(NameStr(TupleDescAttr(desc, c)->attname), key) == 0)
            run->key = c + 1;
    if (key && !run->key)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the query has no column \"%s\"", key),
                        errhint("key_column names the column that tells which row a prediction is for.")));
    run->features = CreateTemplateTupleDesc(desc->natts - (run->key ? 1 : 0));
    for (int c = 0; c < desc->natts; c++)
        if (c != run->key - 1)
            TupleDescCopyEntry(run->features, ++next, desc, c + 1);
    run->features = BlessTupleDesc(run->features);
}

/* A cursor on a query that reads, as the caller. */
static Portal OpenQuery(const char *query)
{
    SPIPlanPtr plan = SPI_prepare(query, 0, NULL);

    if (!plan)
        elog(ERROR, "cannot prepare the query: %s", SPI_result_code_string(SPI_result));
    if (!SPI_is_cursor_plan(plan))
        ereport(ERROR, (errcode(ERRCODE_INVALID_CURSOR_DEFINITION),
                        errmsg("maas_predict_query needs one query that returns rows"),
                        errhint("For example: SELECT * FROM customers.")));
    return SPI_cursor_open(NULL, plan, NULL, NULL, false);
}

Datum maas_predict_query(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *info = (ReturnSetInfo *)fcinfo->resultinfo;
    QueryRun *run;
    MemoryContext old;
    Portal portal;
    char *query, *key;

    if (!info || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("maas_predict_query cannot return its rows here")));
    run = palloc0(sizeof(*run));
    if (get_call_result_type(fcinfo, NULL, &run->desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "maas_predict_query must return rows");
    old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
    run->desc = CreateTupleDescCopy(run->desc);
    run->store = tuplestore_begin_heap(info->allowedModes & SFRM_Materialize_Random, false, work_mem);
    MemoryContextSwitchTo(old);
    info->returnMode = SFRM_Materialize;
    info->setResult = run->store;
    info->setDesc = run->desc;
    if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
        return (Datum)0;

    run->flinfo = fcinfo->flinfo;
    run->name = PG_GETARG_TEXT_PP(0);
    query = text_to_cstring(PG_GETARG_TEXT_PP(1));
    key = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
    run->output = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
    run->batch = palloc(sizeof(Batch));
    BatchInit(run->batch);
    run->answers = AllocSetContextCreate(CurrentMemoryContext, "maas answers", ALLOCSET_DEFAULT_SIZES);
    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
    portal = OpenQuery(query);
    for (;;) {
        SPI_cursor_fetch(portal, true, BATCH_EXAMPLES);
        if (SPI_processed == 0)
            break;
        if (!run->features)
            PlanColumns(run, SPI_tuptable->tupdesc, key);
        {
            SPITupleTable *rows = SPI_tuptable;
            uint64 n = SPI_processed;

            for (uint64 i = 0; i < n; i++)
                AddRow(run, rows->vals[i], rows->tupdesc);
            SPI_freetuptable(rows);
        }
        Flush(run);
    }
    SPI_cursor_close(portal);
    SPI_finish();
    return (Datum)0;
}
