/*
 * store.c - the contents of models: written when a version is loaded, read for who was allowed to use it.
 *
 * The row in maas.model is inserted, locked and updated as the caller, so that policies decide who may load.  The
 * version and its pieces are then written with the rights of the tables' owner: no role can insert them by SQL, and
 * what stands there went through the engine.  The lock on the model's row serialises loads under one name.
 *
 * Pieces are read by an index scan without any check of rights: the one who calls has made the decision.  What is
 * read is compared with the version's hash.
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "query.h"
#include "store.h"

#define PIECE_BYTES ((size_t)2 * 1024 * 1024)

static CatalogQuery insert_model = {
    "INSERT INTO maas.model (name) VALUES ($1) ON CONFLICT (name) DO NOTHING", 1, {TEXTOID}};

static CatalogQuery lock_model = {
    "SELECT m.id FROM maas.model m WHERE m.name OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE", 1, {TEXTOID}};

static CatalogQuery see_model = {"SELECT 1 FROM maas.model m WHERE m.name OPERATOR(pg_catalog.=) $1", 1, {TEXTOID}};

static CatalogQuery deploy_version = {
    "UPDATE maas.model m SET deployed = $2, previous = CASE WHEN m.deployed IS NULL THEN m.previous"
    " ELSE (pg_catalog.array_prepend(m.deployed, m.previous))[1:100] END"
    " WHERE m.id OPERATOR(pg_catalog.=) $1 AND m.deployed OPERATOR(pg_catalog.<>) $2 IS NOT FALSE",
    2,
    {INT8OID, INT4OID}};

static CatalogQuery next_number = {
    "SELECT (COALESCE(pg_catalog.max(v.number), 0) OPERATOR(pg_catalog.+) 1)::pg_catalog.int4"
    " FROM maas.model_version v WHERE v.model OPERATOR(pg_catalog.=) $1",
    1,
    {INT8OID}};

static CatalogQuery insert_version = {
    "INSERT INTO maas.model_version (model, number, sha256, size, signature, labels, null_as_nan, origin, "
    "created_by, metrics)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    10,
    {INT8OID, INT4OID, BYTEAOID, INT8OID, JSONBOID, TEXTARRAYOID, BOOLOID, TEXTOID, REGROLEOID, JSONBOID}};

static CatalogQuery insert_piece = {
    "INSERT INTO maas.model_chunk (model, number, piece, data) VALUES ($1, $2, $3, $4)",
    4,
    {INT8OID, INT4OID, INT4OID, BYTEAOID}};

/* ---- hashing ---- */

void Sha256(const void *bytes, size_t n_bytes, uint8 *sha256)
{
    pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);
    const uint8 *next = bytes;
    int rc;

    if (!ctx)
        ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    rc = pg_cryptohash_init(ctx);
    for (size_t left = n_bytes; rc >= 0 && left > 0;) {
        size_t n = Min(left, PIECE_BYTES * 8);

        rc = pg_cryptohash_update(ctx, next, n);
        next += n;
        left -= n;
        CHECK_FOR_INTERRUPTS(); /* the context belongs to the resource owner or to our memory context */
    }
    if (rc >= 0)
        rc = pg_cryptohash_final(ctx, sha256, MODEL_SHA256_BYTES);
    pg_cryptohash_free(ctx);
    if (rc < 0)
        elog(ERROR, "could not compute a SHA-256 hash");
}

/* ---- writing ---- */

/* A bytea of the bytes, palloc'd. */
static Datum MakeBytea(const void *bytes, size_t n_bytes)
{
    bytea *value = palloc(VARHDRSZ + n_bytes);

    SET_VARSIZE(value, VARHDRSZ + n_bytes);
    memcpy(VARDATA(value), bytes, n_bytes);
    return PointerGetDatum(value);
}

static bool HasControl(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    return false;
}

int64 StoreLockModel(const char *name)
{
    Datum values[1] = {CStringGetTextDatum(name)};
    bool isnull, seen = true;
    int64 id = 0;

    if (name[0] == '\0' || strchr(name, '@') || HasControl(name) || pg_mbstrlen(name) > 200)
        ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("\"%s\" is not a name for a model", name),
                        errdetail("A name has 1 to 200 characters, no control characters, and no @, which stands "
                                  "before a version.")));
    CatalogConnect();
    while (id == 0) {
        /* First look, then insert: adding a version needs no right to create models. */
        seen = CatalogWrite(&see_model, values, NULL) > 0;
        if (!seen && CatalogWrite(&insert_model, values, NULL) == 0 && CatalogWrite(&see_model, values, NULL) == 0)
            break; /* there is one that the caller does not see, and none that was made meanwhile */
        if (CatalogWrite(&lock_model, values, NULL) > 0)
            id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
        else if (CatalogWrite(&see_model, values, NULL) > 0)
            break; /* seen, but not to be changed */
        /* Otherwise it was dropped while we waited for it: begin again. */
        CHECK_FOR_INTERRUPTS();
    }
    SPI_finish();
    if (id == 0 && seen)
        ereport(
            ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to change model \"%s\"", name),
             errhint("Its owner can grant this with maas_grant(%s, role, 'manage').", quote_literal_cstr(name))));
    if (id == 0)
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("the name \"%s\" is taken by a model of another role", name),
                        errhint("Choose another name.")));
    return id;
}

static void WritePieces(const NewVersion *version, int32 number)
{
    const char *next = version->bytes;
    size_t left = version->n_bytes;

    for (int32 piece = 0; left > 0; piece++) {
        size_t n = Min(left, PIECE_BYTES);
        Datum data = MakeBytea(next, n);
        Datum values[] = {Int64GetDatum(version->model), Int32GetDatum(number), Int32GetDatum(piece), data};

        CatalogWrite(&insert_piece, values, NULL);
        pfree(DatumGetPointer(data));
        next += n;
        left -= n;
        CHECK_FOR_INTERRUPTS();
    }
}

int32 StoreVersion(const NewVersion *version)
{
    Datum model = Int64GetDatum(version->model);
    CatalogOwner caller;
    int32 number;
    bool isnull;
    char nulls[] = "          ";

    CatalogBecomeOwner(&caller);
    CatalogConnect();
    CatalogWrite(&next_number, &model, NULL);
    number = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
    {
        Datum values[] = {model,
                          Int32GetDatum(number),
                          MakeBytea(version->sha256, MODEL_SHA256_BYTES),
                          Int64GetDatum((int64)version->n_bytes),
                          version->signature,
                          version->labels,
                          BoolGetDatum(version->null_as_nan),
                          CStringGetTextDatum(version->origin),
                          ObjectIdGetDatum(caller.user),
                          version->metrics};

        nulls[9] = version->has_metrics ? ' ' : 'n';
        nulls[5] = version->has_labels ? ' ' : 'n';
        CatalogWrite(&insert_version, values, nulls);
    }
    WritePieces(version, number);
    SPI_finish();
    CatalogBecomeCaller(&caller);
    return number;
}

void StoreDeploy(int64 model, int32 number)
{
    Datum values[] = {Int64GetDatum(model), Int32GetDatum(number)};

    CatalogConnect();
    CatalogWrite(&deploy_version, values, NULL);
    SPI_finish();
}

/* ---- reading ---- */

static void Damaged(const ModelRef *ref)
{
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                    errmsg("the stored bytes of model \"%s\" version %d are damaged", ref->name, ref->number),
                    errdetail("They do not match the size and the SHA-256 of the version.")));
}

void *StoreRead(const ModelRef *ref, MemoryContext context)
{
    Relation table = table_open(CatalogRelation("model_chunk"), AccessShareLock);
    Relation index = index_open(CatalogRelation("model_chunk_pkey"), AccessShareLock);
    TupleDesc desc = RelationGetDescr(table);
    ScanKeyData keys[2];
    SysScanDesc scan;
    HeapTuple row;
    size_t have = 0, size = (size_t)ref->size;
    char *bytes = MemoryContextAllocHuge(context, Max(size, 1));
    uint8 sha256[MODEL_SHA256_BYTES];

    ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(ref->model));
    ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(ref->number));
    scan = systable_beginscan_ordered(table, index, GetActiveSnapshot(), 2, keys);
    while ((row = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL) {
        bool isnull;
        Datum value = heap_getattr(row, 4, desc, &isnull);
        bytea *piece = DatumGetByteaPP(value);
        size_t n = VARSIZE_ANY_EXHDR(piece);

        if (n > size - have)
            Damaged(ref);
        memcpy(bytes + have, VARDATA_ANY(piece), n);
        have += n;
        if ((Pointer)piece != DatumGetPointer(value))
            pfree(piece);
        CHECK_FOR_INTERRUPTS();
    }
    systable_endscan_ordered(scan);
    index_close(index, AccessShareLock);
    table_close(table, AccessShareLock);
    if (have != size)
        Damaged(ref);
    Sha256(bytes, size, sha256);
    if (memcmp(sha256, ref->sha256, MODEL_SHA256_BYTES) != 0)
        Damaged(ref);
    return bytes;
}

bool StoreHolds(const uint8 *sha256)
{
    Relation table = table_open(CatalogRelation("model_version"), AccessShareLock);
    Relation index = index_open(CatalogRelation("model_version_sha256"), AccessShareLock);
    bytea *content = palloc(VARHDRSZ + MODEL_SHA256_BYTES);
    ScanKeyData key;
    SysScanDesc scan;
    bool found;

    SET_VARSIZE(content, VARHDRSZ + MODEL_SHA256_BYTES);
    memcpy(VARDATA(content), sha256, MODEL_SHA256_BYTES);
    ScanKeyInit(&key, get_attnum(RelationGetRelid(table), "sha256"), BTEqualStrategyNumber, F_BYTEAEQ,
                PointerGetDatum(content));
    scan = systable_beginscan_ordered(table, index, SnapshotSelf, 1, &key);
    found = systable_getnext_ordered(scan, ForwardScanDirection) != NULL;
    systable_endscan_ordered(scan);
    index_close(index, AccessShareLock);
    table_close(table, AccessShareLock);
    pfree(content);
    return found;
}
