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

static CatalogQuery insert_run = {
    "INSERT INTO maas.training_run (model, version, owner, query, target, architecture, options, seed, epochs, "
    "seconds)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    10,
    {TEXTOID, INT4OID, REGROLEOID, TEXTOID, TEXTOID, JSONBOID, JSONBOID, INT8OID, JSONBOID, FLOAT8OID}};

static Datum JsonbOf(const char *json)
{
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

int64 RecordRun(const Training *t, int64 model, int32 version)
{
    CatalogOwner caller;
    bool isnull;
    int64 id;
    char nulls[] = "          ";

    CatalogBecomeOwner(&caller);
    CatalogConnect();
    {
        Datum values[] = {
            CStringGetTextDatum(t->name),
            Int32GetDatum(version),
            ObjectIdGetDatum(caller.user),
            CStringGetTextDatum(t->query),
            CStringGetTextDatum(t->target),
            t->architecture_json ? JsonbOf(BorderText(t->architecture_json, strlen(t->architecture_json)))
                                 : (Datum)0,
            t->options ? JsonbPGetDatum(t->options) : JsonbOf("{}"),
            Int64GetDatum(t->settings.train.seed),
            JsonbOf(t->epochs.data),
            Float8GetDatum(t->seconds),
        };

        nulls[5] = t->architecture_json ? ' ' : 'n';
        CatalogWrite(&insert_run, values, nulls);
    }
    id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
    SPI_finish();
    CatalogBecomeCaller(&caller);
    return id;
}
