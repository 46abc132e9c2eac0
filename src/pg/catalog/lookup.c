/*
 * lookup.c - from a model's name to one version, as the caller is allowed to see it.
 *
 * The queries run with the caller's rights, so that every policy on the catalog's tables applies, those that a user
 * adds too.  All names and operators in them are qualified; names of models are parameters only.
 *
 * Decisions are kept in a small table of this backend for as long as statement.c allows.  Each one owns a memory
 * context.  No locks: the tables of the catalog are read as any query reads them.
 *
 * Contents are read in store.c, which trusts what was decided here.
 */
#include "postgres.h"
#include "compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "border.h"
#include "folding.h"
#include "lookup.h"
#include "query.h"

#define MODEL_COLUMNS                                                                                              \
    "SELECT m.id, m.name, v.number, v.sha256, v.null_as_nan, v.labels, v.size,"                                    \
    " (v.signature OPERATOR(pg_catalog.->>) 'flops'::pg_catalog.text)::pg_catalog.float8"                          \
    " FROM maas.model m "

static CatalogQuery by_name = {
    MODEL_COLUMNS "LEFT JOIN maas.model_version v ON v.model OPERATOR(pg_catalog.=) m.id"
                  " AND v.number OPERATOR(pg_catalog.=) m.deployed WHERE m.name OPERATOR(pg_catalog.=) $1",
    1,
    {TEXTOID}};

static CatalogQuery by_number = {MODEL_COLUMNS
                                 "LEFT JOIN maas.model_version v ON v.model OPERATOR(pg_catalog.=) m.id"
                                 " AND v.number OPERATOR(pg_catalog.=) $2 WHERE m.name OPERATOR(pg_catalog.=) $1",
                                 2,
                                 {TEXTOID, INT4OID}};

static CatalogQuery by_alias = {
    MODEL_COLUMNS
    "LEFT JOIN (maas.model_alias a JOIN maas.model_version v ON v.model OPERATOR(pg_catalog.=) a.model"
    " AND v.number OPERATOR(pg_catalog.=) a.number)"
    " ON a.model OPERATOR(pg_catalog.=) m.id AND a.alias OPERATOR(pg_catalog.=) $2"
    " WHERE m.name OPERATOR(pg_catalog.=) $1",
    2,
    {TEXTOID, TEXTOID}};

static CatalogQuery by_content = {MODEL_COLUMNS
                                  "JOIN maas.model_version v ON v.model OPERATOR(pg_catalog.=) m.id"
                                  " WHERE v.sha256 OPERATOR(pg_catalog.=) $1 ORDER BY m.id, v.number LIMIT 1",
                                  1,
                                  {BYTEAOID}};

static CatalogQuery still_visible = {
    "SELECT 1 FROM maas.model m JOIN maas.model_version v ON v.model OPERATOR(pg_catalog.=) m.id"
    " WHERE m.id OPERATOR(pg_catalog.=) $1 AND v.number OPERATOR(pg_catalog.=) $2",
    2,
    {INT8OID, INT4OID}};

static CatalogQuery id_by_name = {
    "SELECT m.id FROM maas.model m WHERE m.name OPERATOR(pg_catalog.=) $1", 1, {TEXTOID}};

static CatalogQuery may = {"SELECT maas.may($1, $2)", 2, {INT8OID, TEXTOID}};

static CatalogQuery owned = {"SELECT pg_catalog.pg_has_role(m.owner, 'USAGE'::pg_catalog.text) FROM maas.model m"
                             " WHERE m.id OPERATOR(pg_catalog.=) $1",
                             1,
                             {INT8OID}};

/* ---- decisions ---- */

#define DECISIONS 16

typedef struct Decision {
    MemoryContext context; /* NULL: the place is free */
    Statement at;
    bool content; /* asked is a hash */
    size_t length;
    const char *asked;
    ModelRef ref;
} Decision;

static Decision decisions[DECISIONS];
static int next_decision;

static const Decision *FindDecision(const Statement *now, bool content, const char *asked, size_t length)
{
    for (int i = 0; i < DECISIONS; i++) {
        const Decision *d = &decisions[i];

        if (d->context && StatementSame(&d->at, now) && d->content == content && d->length == length &&
            memcmp(d->asked, asked, length) == 0)
            return d;
    }
    return NULL;
}

/* Takes the oldest place.  The caller fills it and sets context at last, so that an error leaves it free. */
static Decision *NewDecision(void)
{
    Decision *d = &decisions[next_decision];

    next_decision = (next_decision + 1) % DECISIONS;
    if (d->context)
        MemoryContextDelete(d->context);
    memset(d, 0, sizeof(*d));
    return d;
}

void ModelMissing(const char *name)
{
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("model \"%s\" does not exist, or you have no right to use it", name),
                    errhint("The view maas.models lists the models that you may use; their owners grant the right "
                            "with maas_grant(model, role).")));
}

/* ---- reading a row of MODEL_COLUMNS ---- */

static bool ReadBool(HeapTuple row, TupleDesc desc, int column)
{
    bool isnull;

    return DatumGetBool(SPI_getbinval(row, desc, column, &isnull));
}

/* Copies the row into ref, strings into context; false when the row names no version. */
static bool ReadRef(HeapTuple row, TupleDesc desc, MemoryContext context, ModelRef *ref)
{
    MemoryContext old = MemoryContextSwitchTo(context);
    bool isnull;
    Datum value;

    ref->model = DatumGetInt64(SPI_getbinval(row, desc, 1, &isnull));
    ref->name = TextDatumGetCString(SPI_getbinval(row, desc, 2, &isnull));
    value = SPI_getbinval(row, desc, 3, &isnull);
    if (isnull) {
        MemoryContextSwitchTo(old);
        return false;
    }
    ref->number = DatumGetInt32(value);
    value = SPI_getbinval(row, desc, 4, &isnull);
    memcpy(ref->sha256, VARDATA_ANY(DatumGetByteaPP(value)), MODEL_SHA256_BYTES);
    ref->null_as_nan = ReadBool(row, desc, 5);
    value = SPI_getbinval(row, desc, 6, &isnull);
    if (!isnull) {
        Datum *items;
        bool *nulls;

        deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls,
                          &ref->n_labels);
        ref->labels = palloc(Max(ref->n_labels, 1) * sizeof(char *));
        for (int i = 0; i < ref->n_labels; i++)
            ref->labels[i] = nulls[i] ? "" : TextDatumGetCString(items[i]);
    }
    ref->size = DatumGetInt64(SPI_getbinval(row, desc, 7, &isnull));
    value = SPI_getbinval(row, desc, 8, &isnull);
    ref->flops = isnull ? 0 : DatumGetFloat8(value);
    MemoryContextSwitchTo(old);
    return true;
}

/* ---- names ---- */

typedef struct AskedName {
    char *base;
    bool has_number;
    int32 number;
    char *alias; /* NULL: none */
} AskedName;

static void SplitName(const char *name, size_t length, AskedName *asked)
{
    const char *at = memchr(name, '@', length);
    size_t base = at ? at - name : length;

    memset(asked, 0, sizeof(*asked));
    asked->base = pnstrdup(name, base);
    if (!at)
        return;
    asked->alias = pnstrdup(at + 1, length - base - 1);
    if (asked->alias[0] != '\0' && strspn(asked->alias, "0123456789") == strlen(asked->alias)) {
        long number = strlen(asked->alias) > 9 ? 0 : strtol(asked->alias, NULL, 10);

        asked->has_number = true;
        asked->number = (int32)number; /* too long: 0, which no version has */
    }
}

static void VersionMissing(const AskedName *asked)
{
    if (asked->has_number)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("model \"%s\" has no version %s", asked->base, asked->alias),
                        errhint("The view maas.versions lists them.")));
    if (asked->alias)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT),
                 errmsg("model \"%s\" has no alias \"%s\"", asked->base, asked->alias),
                 errhint("maas_alias(model, alias, version) makes one; the view maas.versions lists them.")));
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("model \"%s\" has no deployed version", asked->base),
                    errhint("Deploy one with maas_deploy(model, version), or ask for it as 'name@version'.")));
}

/* Runs the query for the name.  0: no such model, 1: no such version, 2: found. */
static int QueryName(const AskedName *asked, MemoryContext context, ModelRef *ref)
{
    Datum values[2];
    CatalogQuery *query = &by_name;
    int found = 0;

    values[0] = CStringGetTextDatum(asked->base);
    if (asked->has_number) {
        query = &by_number;
        values[1] = Int32GetDatum(asked->number);
    } else if (asked->alias) {
        query = &by_alias;
        values[1] = CStringGetTextDatum(asked->alias);
    }
    CatalogConnect();
    if (CatalogRead(query, values) > 0)
        found = ReadRef(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, context, ref) ? 2 : 1;
    SPI_finish();
    return found;
}

/* Asks again with the latest snapshot.  A parallel query may not take one; that of the system catalogs will do. */
static bool StillVisible(const ModelRef *ref)
{
    Datum values[2] = {Int64GetDatum(ref->model), Int32GetDatum(ref->number)};
    bool visible;

    if (IsInParallelMode()) {
        InvalidateCatalogSnapshot();
        PushActiveSnapshot(GetCatalogSnapshot(RelationRelationId));
    } else
        PushActiveSnapshot(GetLatestSnapshot());
    CatalogConnect();
    visible = CatalogRead(&still_visible, values) > 0;
    SPI_finish();
    PopActiveSnapshot();
    return visible;
}

static const ModelRef *KeepDecision(const Statement *now, bool content, const char *asked, size_t length,
                                    MemoryContext context, const ModelRef *ref)
{
    Decision *d = NewDecision();

    d->at = *now;
    d->content = content;
    d->length = length;
    d->asked = memcpy(MemoryContextAlloc(context, length + 1), asked, length);
    d->ref = *ref;
    MemoryContextSetParent(context, TopMemoryContext);
    d->context = context;
    return &d->ref;
}

const ModelRef *LookupModel(const FmgrInfo *flinfo, const char *name, size_t length)
{
    Statement now;
    const Decision *known;
    AskedName asked;
    ModelRef ref = {0};
    MemoryContext context;
    int found;

    StatementNow(flinfo, &now);
    known = FindDecision(&now, false, name, length);
    if (known)
        return &known->ref;
    SplitName(name, length, &asked);
    context = AllocSetContextCreate(CurrentMemoryContext, "maas decision", ALLOCSET_SMALL_SIZES);
    found = QueryName(&asked, context, &ref);
    if (found == 2 && now.stale && !StillVisible(&ref))
        found = 0;
    if (found == 0)
        ModelMissing(asked.base);
    if (found == 1)
        VersionMissing(&asked);
    /* Planning the query may have taken in invalidations: the answer is newer than they are. */
    now.changes = StatementChanges();
    return KeepDecision(&now, false, name, length, context, &ref);
}

/* Runs the query for the hash; false when there is no such model. */
static bool QueryContent(const uint8 *sha256, MemoryContext context, ModelRef *ref)
{
    bytea *hash = palloc(VARHDRSZ + MODEL_SHA256_BYTES);
    Datum values[1] = {PointerGetDatum(hash)};
    bool found = false;

    SET_VARSIZE(hash, VARHDRSZ + MODEL_SHA256_BYTES);
    memcpy(VARDATA(hash), sha256, MODEL_SHA256_BYTES);
    CatalogConnect();
    if (CatalogRead(&by_content, values) > 0)
        found = ReadRef(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, context, ref);
    SPI_finish();
    return found;
}

const ModelRef *LookupContent(const FmgrInfo *flinfo, const uint8 *sha256)
{
    Statement now;
    const Decision *known;
    ModelRef ref = {0};
    MemoryContext context;
    bool early = FoldingEarly();

    StatementNow(flinfo, &now);
    known = FindDecision(&now, true, (const char *)sha256, MODEL_SHA256_BYTES);
    if (known)
        return &known->ref;
    context = AllocSetContextCreate(CurrentMemoryContext, "maas decision", ALLOCSET_SMALL_SIZES);
    if (!QueryContent(sha256, context, &ref) || (now.stale && !StillVisible(&ref)))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                        errmsg("there is no model with this SHA-256, or you have no right to use it"),
                        errhint("The view maas.versions lists the versions that you may use.")));
    if (now.run == 0)
        FoldingUsed(early);
    now.changes = StatementChanges();
    return KeepDecision(&now, true, (const char *)sha256, MODEL_SHA256_BYTES, context, &ref);
}

double LookupFlops(bool content, const char *asked, size_t length)
{
    static struct {
        uint64 changes;
        Oid user;
        double flops;
        bool content;
        size_t length;
        char asked[256];
    } last;
    ModelRef ref = {0};
    MemoryContext context;
    bool found;

    if (length >= sizeof(last.asked) || (content && length != MODEL_SHA256_BYTES))
        return -1;
    if (last.changes == StatementCatalogChanges() && last.user == GetUserId() && last.content == content &&
        last.length == length && memcmp(last.asked, asked, length) == 0)
        return last.flops;
    last.changes = 0;
    context = AllocSetContextCreate(CurrentMemoryContext, "maas decision", ALLOCSET_SMALL_SIZES);
    if (content)
        found = QueryContent((const uint8 *)asked, context, &ref);
    else {
        AskedName name;

        SplitName(asked, length, &name);
        found = QueryName(&name, context, &ref) == 2;
    }
    MemoryContextDelete(context);
    last.flops = found ? ref.flops : -1;
    last.user = GetUserId();
    last.content = content;
    last.length = length;
    memcpy(last.asked, asked, length);
    last.changes = StatementCatalogChanges();
    return last.flops;
}

int64 LookupModelId(const char *name)
{
    Datum values[1] = {CStringGetTextDatum(name)};
    bool isnull;
    int64 id = 0;

    CatalogConnect();
    if (CatalogRead(&id_by_name, values) > 0)
        id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
    SPI_finish();
    if (id == 0)
        ModelMissing(name);
    return id;
}

void RequireRight(int64 model, const char *name, ModelRight right)
{
    static const struct {
        const char *privilege; /* NULL: the owner's alone */
        const char *what;
    } rights[] = {[MODEL_DOWNLOAD] = {"download", "download"},
                  [MODEL_MANAGE] = {"manage", "change"},
                  [MODEL_OWN] = {NULL, "do this to"}};
    const char *privilege = rights[right].privilege;
    Datum values[2] = {Int64GetDatum(model)};
    bool allowed = false;

    if (privilege)
        values[1] = CStringGetTextDatum(privilege);
    CatalogConnect();
    if (CatalogRead(privilege ? &may : &owned, values) > 0)
        allowed = ReadBool(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    SPI_finish();
    if (allowed)
        return;
    if (privilege)
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("permission denied to %s model \"%s\"", rights[right].what, name),
                        errhint("Its owner can grant this with maas_grant(%s, role, '%s').",
                                quote_literal_cstr(name), privilege)));
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("must be owner of model \"%s\"", name)));
}
