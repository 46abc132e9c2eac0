/*
 * train.c - maas_train: a query becomes a model; maas_fine_tune: a model learns from a query.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "learn/record.h"
#include "models.h"
#include "train.h"

PG_FUNCTION_INFO_V1(maas_train);
PG_FUNCTION_INFO_V1(maas_fine_tune);

/* Throws when the caller may not load a model of this name, and keeps no lock: a training may take hours. */
static void CheckName(const char *name)
{
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    ErrorData *error = NULL;

    BeginInternalSubTransaction(NULL);
    PG_TRY();
    {
        (void)StoreLockModel(name);
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
    }
    PG_END_TRY();
    RollbackAndReleaseCurrentSubTransaction();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    if (error)
        ReThrowError(error);
}

static char *TextArgument(FunctionCallInfo fcinfo, int i, const char *what)
{
    if (PG_ARGISNULL(i))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the %s must not be NULL", what)));
    return text_to_cstring(PG_GETARG_TEXT_PP(i));
}

static Datum JsonbOf(const char *json)
{
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

static void AddText(StringInfo json, const char *name, const char *value)
{
    appendStringInfo(json, "%s\"%s\":", json->len > 1 ? "," : "", name);
    escape_json(json, value);
}

static void AddNumber(StringInfo json, const char *name, double value)
{
    if (isfinite(value))
        appendStringInfo(json, ",\"%s\":%.6g", name, value);
}

/* What the caller is told. */
static char *ResultJson(const Training *t, int64 run, int32 version)
{
    StringInfoData json;

    initStringInfo(&json);
    appendStringInfoChar(&json, '{');
    AddText(&json, "model", t->name);
    appendStringInfo(&json, ",\"version\":%d,\"run\":" INT64_FORMAT, version, run);
    AddText(&json, "task", t->table->task == MAAS_TASK_CLASSIFY ? "classify" : "regress");
    if (t->table->task == MAAS_TASK_CLASSIFY)
        appendStringInfo(&json, ",\"classes\":" INT64_FORMAT, (int64)t->table->target_info.n);
    if (t->architecture_json)
        appendStringInfo(&json, ",\"architecture\":%s",
                         BorderText(t->architecture_json, strlen(t->architecture_json)));
    appendStringInfo(&json, ",\"rows\":" INT64_FORMAT ",\"validation_rows\":" INT64_FORMAT, t->table->n_train,
                     t->apart ? t->apart->n : 0);
    if (t->settings.missing == MISSING_DROP)
        appendStringInfo(&json, ",\"dropped_rows\":" INT64_FORMAT, t->n_dropped);
    if (t->settings.deduplicate)
        appendStringInfo(&json, ",\"duplicate_rows\":" INT64_FORMAT, t->n_duplicates);
    appendStringInfo(&json, ",\"seed\":" INT64_FORMAT ",\"epochs\":" INT64_FORMAT ",\"steps\":" INT64_FORMAT,
                     (int64)t->settings.train.seed, t->epochs_done, t->steps_done);
    AddNumber(&json, "loss", t->loss);
    AddNumber(&json, "validation_loss", t->validation_loss);
    AddNumber(&json, "seconds", t->seconds);
    AddNumber(&json, "seconds_reading", t->reading);
    AddNumber(&json, "seconds_learning", t->learning);
    if (t->metrics)
        appendStringInfo(&json, ",\"metrics\":%s", t->metrics);
    appendStringInfoChar(&json, '}');
    return json.data;
}

/* Stores the model and the run. */
static Datum Finish(Training *t, bool deploy)
{
    NewVersion version = {.name = t->name, .bytes = t->bytes, .n_bytes = t->n_bytes};
    int32 number;
    int64 run;

    version.origin = t->tune ? "fine-tuning" : "training";
    version.model = StoreLockModel(t->name);
    version.null_as_nan = t->null_as_nan;
    version.labels = t->labels;
    version.has_labels = t->has_labels;
    version.has_metrics = t->metrics != NULL;
    if (t->metrics)
        version.metrics = JsonbOf(t->metrics);
    number = ModelAdd(&version, deploy);
    run = RecordRun(t, number);
    return JsonbOf(ResultJson(t, run, number));
}

Datum TrainAndStore(const TrainRequest *request, int64 run)
{
    MemoryContext context, old = CurrentMemoryContext;
    Training *t;
    Datum result;

    context = AllocSetContextCreate(CurrentMemoryContext, "maas training", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(context);
    t = palloc0(sizeof(*t));
    t->function = request->tune ? "maas_fine_tune" : "maas_train";
    t->name = request->model;
    t->query = request->query;
    t->target = request->target;
    if (request->tune) {
        const char *at = strchr(t->name, '@');

        t->tune = cstring_to_text(t->name);
        if (at)
            t->name = pnstrdup(t->name, at - t->name);
        (void)LookupModelId(t->name); /* there must be one */
    } else if (request->architecture)
        t->architecture = DatumGetJsonbP(JsonbOf(request->architecture));
    if (request->options)
        t->options = DatumGetJsonbP(JsonbOf(request->options));
    t->run = run;
    CheckName(t->name);
    TrainingRun(t);
    result = Finish(t, request->deploy);
    MemoryContextSwitchTo(old);
    result = PointerGetDatum(DatumGetJsonbPCopy(result));
    MemoryContextDelete(context);
    return result;
}

static char *JsonbArgument(FunctionCallInfo fcinfo, int i)
{
    Jsonb *json;

    if (PG_ARGISNULL(i))
        return NULL;
    json = PG_GETARG_JSONB_P(i);
    return JsonbToCString(NULL, &json->root, VARSIZE(json));
}

static Datum Train(FunctionCallInfo fcinfo, bool tune)
{
    int options = tune ? 3 : 4;
    TrainRequest request = {.tune = tune};

    request.model = TextArgument(fcinfo, 0, "name of a model");
    request.query = TextArgument(fcinfo, 1, "query");
    request.target = TextArgument(fcinfo, 2, "target");
    request.architecture = tune ? NULL : JsonbArgument(fcinfo, 3);
    request.options = JsonbArgument(fcinfo, options);
    PreventCommandIfReadOnly(tune ? "maas_fine_tune" : "maas_train");
    request.deploy = PG_ARGISNULL(options + 1) || PG_GETARG_BOOL(options + 1);
    if (!PG_ARGISNULL(options + 2) && PG_GETARG_BOOL(options + 2))
        return TrainInBackground(&request, fcinfo->flinfo->fn_oid);
    return TrainAndStore(&request, 0);
}

Datum maas_train(PG_FUNCTION_ARGS)
{
    return Train(fcinfo, false);
}

Datum maas_fine_tune(PG_FUNCTION_ARGS)
{
    return Train(fcinfo, true);
}
