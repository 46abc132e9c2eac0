/*
 * models.c - maas_load, maas_load_file, maas_export and what the SQL functions of 30_models.sql build on.
 *
 * A load locks the model's row as the caller, lets the engine check the bytes as a whole, and stores them.  It is
 * part of the caller's transaction: an abort leaves nothing.
 */
#include "postgres.h"
#include "compat.h"

#include <sys/stat.h>

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "libpq/be-fsstubs.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "cache/session.h"
#include "catalog/lookup.h"
#include "catalog/signature.h"
#include "catalog/store.h"
#include "models.h"

PG_FUNCTION_INFO_V1(maas_load);
PG_FUNCTION_INFO_V1(maas_load_text);
PG_FUNCTION_INFO_V1(maas_load_object);
PG_FUNCTION_INFO_V1(maas_load_file);
PG_FUNCTION_INFO_V1(maas_export);
PG_FUNCTION_INFO_V1(maas_export_object);
PG_FUNCTION_INFO_V1(maas_resolve);
PG_FUNCTION_INFO_V1(maas_require);

#define READ_BYTES (4 * 1024 * 1024)

/* Bytes that grow while they are read; beyond the gigabyte of a StringInfo. */
typedef struct Gathered {
    char *bytes;
    size_t n, room;
} Gathered;

static void GatherRoom(Gathered *g, size_t more)
{
    if (g->room - g->n >= more)
        return;
    g->room = Max(g->room * 2, g->n + more);
    g->bytes = g->bytes ? repalloc_huge(g->bytes, g->room) : MemoryContextAllocHuge(CurrentMemoryContext, g->room);
}

/* ---- loading ---- */

/* The arguments that all forms share: name, (source), deploy, labels, null_as_nan. */
typedef struct LoadArgs {
    char *name;
    bool deploy;
    bool null_as_nan;
    bool has_labels;
    Datum labels;
    int64 model;
} LoadArgs;

static void CheckLabels(Datum labels)
{
    ArrayType *array = DatumGetArrayTypeP(labels);

    if (ARR_NDIM(array) != 1)
        ereport(ERROR,
                (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("labels must be an array of one dimension")));
    if (array_contains_nulls(array))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("labels must not contain NULL")));
}

static void ReadLoadArgs(FunctionCallInfo fcinfo, const char *source, LoadArgs *args)
{
    if (PG_ARGISNULL(0))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the name of a model must not be NULL")));
    if (PG_ARGISNULL(1))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the %s must not be NULL", source)));
    args->name = text_to_cstring(PG_GETARG_TEXT_PP(0));
    args->deploy = PG_ARGISNULL(2) || PG_GETARG_BOOL(2);
    args->has_labels = !PG_ARGISNULL(3);
    args->labels = args->has_labels ? PG_GETARG_DATUM(3) : (Datum)0;
    args->null_as_nan = !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
    if (args->has_labels)
        CheckLabels(args->labels);
    args->model = StoreLockModel(args->name);
}

int32 ModelAdd(NewVersion *version, bool deploy)
{
    uint8 sha256[MODEL_SHA256_BYTES];
    const Prepared *prepared;
    int32 number;

    Sha256(version->bytes, version->n_bytes, sha256);
    version->sha256 = sha256;
    prepared = PreparedLoad(version->name, version->bytes, version->n_bytes, sha256);
    version->signature = SignatureMake(prepared->info);
    number = StoreVersion(version);
    if (deploy)
        StoreDeploy(version->model, number);
    return number;
}

static Datum Load(const LoadArgs *args, const void *bytes, size_t n_bytes, const char *origin)
{
    NewVersion version = {.name = args->name,
                          .model = args->model,
                          .bytes = bytes,
                          .n_bytes = n_bytes,
                          .labels = args->labels,
                          .has_labels = args->has_labels,
                          .null_as_nan = args->null_as_nan,
                          .origin = origin};

    PG_RETURN_INT32(ModelAdd(&version, args->deploy));
}

Datum maas_load(PG_FUNCTION_ARGS)
{
    LoadArgs args;
    bytea *model;

    ReadLoadArgs(fcinfo, "bytes of a model", &args);
    model = PG_GETARG_BYTEA_PP(1);
    return Load(&args, VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model), "bytea");
}

/* Takes a literal or a parameter that has no type: bytes as text, \x08... */
Datum maas_load_text(PG_FUNCTION_ARGS)
{
    LoadArgs args;
    char *hex;
    bytea *model;

    ReadLoadArgs(fcinfo, "bytes of a model", &args);
    hex = text_to_cstring(PG_GETARG_TEXT_PP(1));
    if (strncmp(hex, "\\x", 2) != 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
                        errmsg("the bytes of a model as text must begin with \\x"),
                        errhint("To load a file of the server, use maas_load_file(name, path); a large object, "
                                "maas_load(name, number::oid).")));
    model = DatumGetByteaPP(DirectFunctionCall1(byteain, CStringGetDatum(hex)));
    pfree(hex);
    return Load(&args, VARDATA_ANY(model), VARSIZE_ANY_EXHDR(model), "bytea");
}

/* Reads through the server's own function, which checks the caller's rights on the large object. */
Datum maas_load_object(PG_FUNCTION_ARGS)
{
    LoadArgs args;
    Gathered all = {0};

    ReadLoadArgs(fcinfo, "large object", &args);
    for (;;) {
        bytea *piece = DatumGetByteaPP(DirectFunctionCall3(be_lo_get_fragment, PG_GETARG_DATUM(1),
                                                           Int64GetDatum((int64)all.n), Int32GetDatum(READ_BYTES)));
        size_t n = VARSIZE_ANY_EXHDR(piece);

        GatherRoom(&all, Max(n, 1));
        memcpy(all.bytes + all.n, VARDATA_ANY(piece), n);
        all.n += n;
        pfree(piece);
        if (n < READ_BYTES)
            break;
        CHECK_FOR_INTERRUPTS();
    }
    return Load(&args, all.bytes, all.n, "large object");
}

static void ReadFile(const char *path, Gathered *all)
{
    FILE *file = AllocateFile(path, PG_BINARY_R);
    struct stat st;

    if (!file)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not open file \"%s\" for reading: %m", path)));
    if (fstat(fileno(file), &st) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not stat file \"%s\": %m", path)));
    if (!S_ISREG(st.st_mode))
        ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a regular file", path)));
    GatherRoom(all, (size_t)st.st_size + 1);
    for (;;) {
        size_t n;

        GatherRoom(all, READ_BYTES);
        n = fread(all->bytes + all->n, 1, READ_BYTES, file);
        if (ferror(file))
            ereport(ERROR, (errcode_for_file_access(), errmsg("could not read file \"%s\": %m", path)));
        all->n += n;
        if (n == 0)
            break;
        CHECK_FOR_INTERRUPTS();
    }
    FreeFile(file);
}

Datum maas_load_file(PG_FUNCTION_ARGS)
{
    LoadArgs args;
    Gathered all = {0};

    if (!has_privs_of_role(GetUserId(), ROLE_PG_READ_SERVER_FILES))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to read server files"),
                        errdetail("Only members of pg_read_server_files may use maas_load_file."),
                        errhint("Use maas_load(name, bytea) or maas_load(name, oid) to load from the client.")));
    ReadLoadArgs(fcinfo, "path of a model", &args);
    ReadFile(text_to_cstring(PG_GETARG_TEXT_PP(1)), &all);
    return Load(&args, all.bytes, all.n, "file");
}

/* ---- export ---- */

/* The version that the name asks for, when the caller may download it. */
static ModelRef LookupExport(const text *name)
{
    ModelRef ref = *LookupModel(NULL, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));

    ref.name = pstrdup(ref.name); /* RequireRight runs SQL */
    RequireRight(ref.model, ref.name, MODEL_DOWNLOAD);
    return ref;
}

Datum maas_export(PG_FUNCTION_ARGS)
{
    ModelRef ref = LookupExport(PG_GETARG_TEXT_PP(0));
    MemoryContext context;
    void *bytes;
    bytea *result;

    if (ref.size > (int64)(MaxAllocSize - VARHDRSZ))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("model \"%s\" version %d has " INT64_FORMAT " bytes, more than a bytea can hold",
                               ref.name, ref.number, ref.size),
                        errhint("maas_export_object(model) writes it into a large object.")));
    context = AllocSetContextCreate(CurrentMemoryContext, "maas model bytes", ALLOCSET_SMALL_SIZES);
    bytes = StoreRead(&ref, context);
    result = palloc(VARHDRSZ + ref.size);
    SET_VARSIZE(result, VARHDRSZ + ref.size);
    memcpy(VARDATA(result), bytes, ref.size);
    MemoryContextDelete(context);
    PG_RETURN_BYTEA_P(result);
}

/* Writes through the server's own functions, which make the caller its owner. */
Datum maas_export_object(PG_FUNCTION_ARGS)
{
    ModelRef ref = LookupExport(PG_GETARG_TEXT_PP(0));
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "maas model bytes", ALLOCSET_SMALL_SIZES);
    const char *bytes = StoreRead(&ref, context);
    Datum object = DirectFunctionCall1(be_lo_create, ObjectIdGetDatum(InvalidOid));
    bytea *piece = palloc(VARHDRSZ + READ_BYTES);

    for (int64 at = 0; at < ref.size; at += READ_BYTES) {
        size_t n = Min(ref.size - at, READ_BYTES);

        SET_VARSIZE(piece, VARHDRSZ + n);
        memcpy(VARDATA(piece), bytes + at, n);
        DirectFunctionCall3(be_lo_put, object, Int64GetDatum(at), PointerGetDatum(piece));
        CHECK_FOR_INTERRUPTS();
    }
    MemoryContextDelete(context);
    PG_RETURN_DATUM(object);
}

/* ---- for the SQL functions ---- */

/* maas.resolve(model): the numbers of the model and of the version that the name asks for. */
Datum maas_resolve(PG_FUNCTION_ARGS)
{
    text *name = PG_GETARG_TEXT_PP(0);
    const ModelRef *ref = LookupModel(NULL, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
    Datum values[2] = {Int64GetDatum(ref->model), Int32GetDatum(ref->number)};
    bool nulls[2] = {false, false};
    TupleDesc desc;

    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "maas.resolve must return a row");
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* maas.require(model, right): the number of the model, when the caller has the right (manage or own) on it. */
Datum maas_require(PG_FUNCTION_ARGS)
{
    char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
    char *right = text_to_cstring(PG_GETARG_TEXT_PP(1));
    char *at = strchr(name, '@');
    int64 id;

    if (at)
        ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("\"%s\" names a version", name),
                        errhint("Give the model's name alone: \"%s\".", pnstrdup(name, at - name))));
    id = LookupModelId(name);
    RequireRight(id, name, strcmp(right, "own") == 0 ? MODEL_OWN : MODEL_MANAGE);
    PG_RETURN_INT64(id);
}
