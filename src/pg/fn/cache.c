/*
 * cache.c - what the view maas.cache shows, and the trigger by which a dropped version's image goes.
 */
#include "postgres.h"
#include "compat.h"

#include "commands/trigger.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "cache/session.h"
#include "catalog/query.h"
#include "catalog/store.h"

PG_FUNCTION_INFO_V1(maas_images);
PG_FUNCTION_INFO_V1(maas_version_removed);

/* ---- the view ---- */

/* The contents of the versions that the caller sees: the folder's list would tell of others, too. */
static CatalogQuery contents = {"SELECT DISTINCT v.sha256 FROM maas.model_version v", 0, {0}};

/* Fills the columns behind the hash; false when neither an image nor a private model is there. */
static bool Describe(const uint8 *sha256, Datum *values, bool *nulls)
{
    const Prepared *here = PreparedPeek(sha256);
    int64 size;
    time_t used;
    bool shared = FolderStat(sha256, &size, &used);

    if (!shared && !here)
        return false;
    if (!shared)
        size = here->map.bytes ? (int64)here->map.n_bytes : (int64)here->mem.used;
    values[1] = Int64GetDatum(size);
    values[2] = BoolGetDatum(shared);
    values[3] = BoolGetDatum(here != NULL);
    values[4] = TimestampTzGetDatum(shared ? time_t_to_timestamptz(used) : 0);
    nulls[4] = !shared;
    return true;
}

Datum maas_images(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *info = (ReturnSetInfo *)fcinfo->resultinfo;
    MemoryContext old;
    uint64 n;

    if (!info || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("maas.images cannot return its rows here")));
    old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
    if (get_call_result_type(fcinfo, NULL, &info->setDesc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "maas.images must return rows");
    info->setDesc = CreateTupleDescCopy(info->setDesc);
    info->setResult = tuplestore_begin_heap(info->allowedModes & SFRM_Materialize_Random, false, work_mem);
    info->returnMode = SFRM_Materialize;
    MemoryContextSwitchTo(old);
    PreparedSweep();
    CatalogConnect();
    n = CatalogRead(&contents, NULL);
    for (uint64 i = 0; i < n; i++) {
        Datum values[5];
        bool nulls[5] = {false};
        bytea *sha256;

        values[0] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &nulls[0]);
        sha256 = DatumGetByteaPP(values[0]);
        if (Describe((const uint8 *)VARDATA_ANY(sha256), values, nulls))
            tuplestore_putvalues(info->setResult, info->setDesc, values, nulls);
    }
    SPI_finish();
    return (Datum)0;
}

/* ---- the trigger ---- */

Datum maas_version_removed(PG_FUNCTION_ARGS)
{
    TriggerData *trigger = (TriggerData *)fcinfo->context;
    bytea *sha256;
    Datum value;
    bool isnull;
    int column;

    if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
        !TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("maas.version_removed must be called by a trigger after a row is deleted")));
    column = SPI_fnumber(RelationGetDescr(trigger->tg_relation), "sha256");
    if (column <= 0)
        elog(ERROR, "the table of the trigger has no column sha256");
    value = SPI_getbinval(trigger->tg_trigtuple, RelationGetDescr(trigger->tg_relation), column, &isnull);
    sha256 = isnull ? NULL : DatumGetByteaPP(value);
    if (sha256 && VARSIZE_ANY_EXHDR(sha256) == MODEL_SHA256_BYTES &&
        !StoreHolds((const uint8 *)VARDATA_ANY(sha256)))
        PreparedRemoveAtCommit((const uint8 *)VARDATA_ANY(sha256));
    return PointerGetDatum(NULL);
}
