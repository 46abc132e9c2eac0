/*
 * call.c - one run of a model for a SQL function: from the name to the results.
 *
 * All memory of a call lies in one context that is emptied before and after it; an error on the way leaves it for
 * the next call to empty.  The engine's allocator draws on it up to maas.memory_limit.
 */
#include "postgres.h"
#include "compat.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "call.h"

static MemoryContext call_context;

void CallBeginRef(Call *call, const ModelRef *ref)
{
    memset(call, 0, sizeof(*call));
    call->ref = ref;
    call->prepared = PreparedGet(ref);
    call->info = call->prepared->info;
    if (!call_context)
        call_context = AllocSetContextCreate(TopMemoryContext, "maas call", 0, 64 * 1024, ALLOCSET_DEFAULT_MAXSIZE);
    MemoryContextReset(call_context);
    call->context = call_context;
    BorderMem(&call->mem, call_context);
    call->inputs = MemoryContextAllocZero(call_context, sizeof(MaasValue *) * Max(call->info->n_inputs, 1));
}

void CallBegin(Call *call, const FmgrInfo *flinfo, const text *name)
{
    CallBeginRef(call, LookupModel(flinfo, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)));
}

void CallEnd(Call *call)
{
    /* Strings of the results may lie outside of the context. */
    maas_results_free(call->results);
    PreparedRan(call->mem.peak);
    MemoryContextReset(call->context);
}

void CallThrow(const Call *call, MaasError *err)
{
    /* "expects input ..." goes on the sentence that "model ..." begins. */
    if (strncmp(err->message, "expects ", 8) == 0)
        strlcpy(err->message, psprintf("model \"%s\" %s", call->ref->name, err->message), sizeof(err->message));
    else if (err->status != MAAS_ERR_CANCEL)
        maas_error_prefix(err, "model \"%s\"", call->ref->name);
    BorderThrow(err);
}

const char *CallShape(const MaasPort *port)
{
    char *text = palloc(1024);

    if (port->rank < 0)
        return "of any rank";
    return maas_dims_text(port->rank, port->dims, port->symbols, text, 1024);
}

int CallOutput(const Call *call, const text *name)
{
    const MaasModelInfo *info = call->info;
    int n = Max(info->n_outputs, info->scores + 1);
    const char *wanted;
    size_t length;
    StringInfoData names;

    if (!name)
        return info->scores;
    wanted = BorderUtf8(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), &length);
    for (int i = 0; i < n; i++)
        if (strlen(info->outputs[i].name) == length && memcmp(info->outputs[i].name, wanted, length) == 0)
            return i;
    initStringInfo(&names);
    for (int i = 0; i < n; i++)
        appendStringInfo(&names, "%s\"%s\"", i ? ", " : "",
                         BorderTextForMessage(info->outputs[i].name, strlen(info->outputs[i].name)));
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("model \"%s\" has no output \"%s\"", call->ref->name, text_to_cstring(name)),
                    errhint("Its outputs are %s.", names.data)));
}

MaasStatus CallTry(Call *call, int n_wanted, const int *wanted, MaasError *err)
{
    MaasRunOptions options;
    BorderRun run = BORDER_RUN_INIT;
    MaasStatus status;

    do {
        BorderRunOptions(&run, &options, &call->mem);
        status = maas_model_run(call->prepared->model, &options, (const MaasValue *const *)call->inputs, n_wanted,
                                wanted, &call->results, err);
    } while (BorderAgain(&run, status));
    return status;
}

void CallRun(Call *call, int n_wanted, const int *wanted)
{
    MaasError err;

    CALL_CHECK(call, CallTry(call, n_wanted, wanted, &err), &err);
}

MaasTensor CallRunOne(Call *call, int wanted)
{
    const MaasValue *value;
    MaasTensor view;

    CallRun(call, 1, &wanted);
    value = maas_results_get(call->results, 0);
    if (value->kind != MAAS_KIND_TENSOR) {
        const char *name = call->info->outputs[wanted].name;

        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("output \"%s\" of model \"%s\" is not a tensor",
                               BorderTextForMessage(name, strlen(name)), call->ref->name),
                        errhint("maas_predict(model, jsonb) returns outputs of every kind.")));
    }
    view = value->tensor;
    if (call->single && view.rank > 0 && view.dims[0] == 1) {
        view.rank--;
        memmove(view.dims, view.dims + 1, sizeof(view.dims[0]) * view.rank);
    }
    return view;
}
