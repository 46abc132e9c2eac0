/*
 * record.c - trainings as rows of maas.training_run.
 *
 * Written with the rights of the table's owner: no role can write there by SQL.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "catalog/query.h"
#include "record.h"

static CatalogQuery begin_run = {
    "INSERT INTO maas.training_run (model, owner, query, target, options, status, pid, ended_at)"
    " VALUES ($1, $2, $3, $4, $5, 'running', $6, NULL) RETURNING id",
    6,
    {TEXTOID, REGROLEOID, TEXTOID, TEXTOID, JSONBOID, INT4OID}};

static CatalogQuery end_run = {"UPDATE maas.training_run r SET version = $2, architecture = $3, seed = $4, epochs "
                               "= $5, seconds = $6, seconds_reading = $7, seconds_learning = $8, status = 'done',"
                               " ended_at = pg_catalog.clock_timestamp() WHERE r.id OPERATOR(pg_catalog.=) $1",
                               8,
                               {INT8OID, INT4OID, JSONBOID, INT8OID, JSONBOID, FLOAT8OID, FLOAT8OID, FLOAT8OID}};

static CatalogQuery fail_run = {
    "UPDATE maas.training_run r SET status = 'failed', error = $2, ended_at = pg_catalog.clock_timestamp()"
    " WHERE r.id OPERATOR(pg_catalog.=) $1",
    2,
    {INT8OID, TEXTOID}};

static Datum JsonbOf(const char *json)
{
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

int64 RecordBegin(const char *model, const char *query, const char *target, const char *options)
{
    CatalogOwner caller;
    bool isnull;
    int64 id;

    CatalogBecomeOwner(&caller);
    CatalogConnect();
    {
        Datum values[] = {CStringGetTextDatum(model),        ObjectIdGetDatum(caller.user),
                          CStringGetTextDatum(query),        CStringGetTextDatum(target),
                          JsonbOf(options ? options : "{}"), Int32GetDatum(MyProcPid)};

        CatalogWrite(&begin_run, values, NULL);
    }
    id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
    SPI_finish();
    CatalogBecomeCaller(&caller);
    return id;
}

static void RecordEnd(const Training *t, int64 run, int32 version)
{
    char nulls[] = "        ";
    Datum values[] = {Int64GetDatum(run),
                      Int32GetDatum(version),
                      (Datum)0,
                      Int64GetDatum(t->settings.train.seed),
                      JsonbOf(t->epochs.data),
                      Float8GetDatum(t->seconds),
                      Float8GetDatum(t->reading),
                      Float8GetDatum(t->learning)};

    nulls[2] = t->architecture_json ? ' ' : 'n';
    if (t->architecture_json)
        values[2] = JsonbOf(BorderText(t->architecture_json, strlen(t->architecture_json)));
    CatalogWrite(&end_run, values, nulls);
}

int64 RecordRun(const Training *t, int32 version)
{
    char *options =
        t->options ? JsonbToCString(NULL, (JsonbContainer *)&t->options->root, VARSIZE(t->options)) : NULL;
    int64 run = t->run ? t->run : RecordBegin(t->name, t->query, t->target, options);
    CatalogOwner caller;

    CatalogBecomeOwner(&caller);
    CatalogConnect();
    RecordEnd(t, run, version);
    SPI_finish();
    CatalogBecomeCaller(&caller);
    return run;
}

void RecordFailed(int64 run, const char *error)
{
    CatalogOwner caller;

    CatalogBecomeOwner(&caller);
    CatalogConnect();
    {
        Datum values[] = {Int64GetDatum(run), CStringGetTextDatum(error)};

        CatalogWrite(&fail_run, values, NULL);
    }
    SPI_finish();
    CatalogBecomeCaller(&caller);
}
