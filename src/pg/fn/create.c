/*
 * create.c - maas_create: a model from the JSON of an architecture, which has learned nothing yet.
 */
#include "postgres.h"
#include "compat.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "border.h"
#include "models.h"

PG_FUNCTION_INFO_V1(maas_create);

/* The bytes of the model, in the current memory context. */
static void *MakeModel(Jsonb *json, uint64 seed, size_t *n_bytes)
{
    char *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
    MaasArchitecture architecture = {.seed = seed};
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasStatus status;
    MaasError err = {0};
    MaasMem *mem = palloc(sizeof(*mem));
    void *bytes = NULL;

    architecture.json = BorderUtf8(text, strlen(text), &architecture.length);
    do {
        BorderMem(mem, CurrentMemoryContext);
        BorderRunOptions(&run, &options, mem);
        status = maas_architecture_to_onnx(&architecture, &options, &bytes, n_bytes, &err);
    } while (BorderAgain(&run, status));
    BORDER_CHECK(status, &err);
    return bytes;
}

Datum maas_create(PG_FUNCTION_ARGS)
{
    NewVersion version = {.origin = "architecture"};
    uint64 seed;

    if (PG_ARGISNULL(0))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the name of a model must not be NULL")));
    if (PG_ARGISNULL(1))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the architecture must not be NULL")));
    if (!PG_ARGISNULL(2))
        seed = (uint64)PG_GETARG_INT64(2);
    else if (!pg_strong_random(&seed, sizeof(seed)))
        ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random seed")));
    version.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
    version.model = StoreLockModel(version.name);
    version.bytes = MakeModel(PG_GETARG_JSONB_P(1), seed, &version.n_bytes);
    PG_RETURN_INT32(ModelAdd(&version, PG_ARGISNULL(3) || PG_GETARG_BOOL(3)));
}
