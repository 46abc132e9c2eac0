/*
 * batch.c - maas_predict(model, tensor[]) and maas_predict_query: many examples, computed together.
 *
 * The examples go through run/batch.h as those of plain calls do; what cannot be joined is a call of its own, so
 * the answers are those of maas_predict on each.  Fetching rows runs SQL, between which no Call may be open.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "run/answer.h"
#include "run/batch.h"
#include "run/bind.h"
#include "type/tensor.h"

PG_FUNCTION_INFO_V1(maas_predict_many);
PG_FUNCTION_INFO_V1(maas_predict_query);

#define BATCH_EXAMPLES 256

/* ---- maas_predict(model, tensor[]) ---- */

Datum maas_predict_many(PG_FUNCTION_ARGS)
{
    ArrayType *array = PG_GETARG_ARRAYTYPE_P(1);
    Oid type = ARR_ELEMTYPE(array);
    Batch *batch = BatchNew(CurrentMemoryContext, BATCH_TENSOR, false, fcinfo->flinfo);
    Datum *items;
    bool *nulls;
    int n;

    batch->model = PG_GETARG_DATUM(0);
    BatchAddReader(batch, BATCH_TO_TENSOR);
    deconstruct_array(array, type, -1, false, TYPALIGN_DOUBLE, &items, &nulls, &n);
    for (int from = 0; from < n; from += BATCH_EXAMPLES) {
        int part = Min(n - from, BATCH_EXAMPLES);

        BatchAnswerAll(batch, part, items + from, nulls + from);
        for (int k = from; k < from + part; k++)
            if (!nulls[k])
                items[k] = datumCopy(items[k], false, -1);
    }
    PG_RETURN_ARRAYTYPE_P(construct_md_array(items, nulls, ARR_NDIM(array), ARR_DIMS(array), ARR_LBOUND(array),
                                             type, -1, false, TYPALIGN_DOUBLE));
}

/* ---- maas_predict_query ---- */

typedef struct QueryRun {
    Batch *batch;
    Tuplestorestate *store;
    TupleDesc desc;
    MemoryContext rows; /* what is made of the rows that were fetched; emptied after them */
    int key;            /* the key's column from 1; 0: none */
    TupleDesc features; /* of the rows without the key; the query's own when there is none */
    int64 row;
} QueryRun;

/* Copies all columns but the key's into a row of the features' type. */
static Datum Features(const QueryRun *run, HeapTuple row, TupleDesc desc)
{
    Datum *values = palloc(sizeof(Datum) * Max(desc->natts, 1));
    bool *nulls = palloc(sizeof(bool) * Max(desc->natts, 1));

    heap_deform_tuple(row, desc, values, nulls);
    if (run->key) {
        int after = desc->natts - run->key;

        memmove(values + run->key - 1, values + run->key, sizeof(Datum) * after);
        memmove(nulls + run->key - 1, nulls + run->key, sizeof(bool) * after);
    }
    return HeapTupleGetDatum(heap_form_tuple(run->features, values, nulls));
}

/* Answers the rows that were fetched. */
static void AnswerRows(QueryRun *run, SPITupleTable *rows, int n)
{
    MemoryContext old = MemoryContextSwitchTo(run->rows);
    Datum *examples = palloc(sizeof(Datum) * n);
    bool *nulls = palloc0(sizeof(bool) * n);

    for (int k = 0; k < n; k++)
        examples[k] = Features(run, rows->vals[k], rows->tupdesc);
    BatchAnswerAll(run->batch, n, examples, nulls);
    for (int k = 0; k < n; k++) {
        const char *key = psprintf(INT64_FORMAT, ++run->row);
        Datum values[2] = {(Datum)0, examples[k]};
        bool absent[2] = {false, false};

        if (run->key)
            key = SPI_getvalue(rows->vals[k], rows->tupdesc, run->key);
        if (key)
            values[0] = CStringGetTextDatum(key);
        else
            absent[0] = true;
        tuplestore_putvalues(run->store, run->desc, values, absent);
    }
    MemoryContextSwitchTo(old);
    MemoryContextReset(run->rows);
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

    run->batch = BatchNew(CurrentMemoryContext, BATCH_ROW, false, fcinfo->flinfo);
    BatchAddReader(run->batch, BATCH_TO_TENSOR);
    run->batch->model = PointerGetDatum(PG_GETARG_TEXT_PP(0));
    run->batch->readers[0].output = PG_ARGISNULL(3) ? NULL : PG_GETARG_TEXT_PP(3);
    query = text_to_cstring(PG_GETARG_TEXT_PP(1));
    key = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
    run->rows = AllocSetContextCreate(CurrentMemoryContext, "maas query rows", ALLOCSET_DEFAULT_SIZES);
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

            AnswerRows(run, rows, (int)SPI_processed);
            SPI_freetuptable(rows);
        }
    }
    SPI_cursor_close(portal);
    SPI_finish();
    return (Datum)0;
}
