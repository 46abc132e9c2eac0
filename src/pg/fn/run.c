/*
 * run.c - maas_run: every input by name, every output as a row.
 *
 * Outputs that are no tensors are spread: elements of a sequence are named scores[0], scores[1] ..., the keys and
 * values of a map scores.keys and scores.values; an empty optional is a row with NULL.  Inputs that are sequences
 * or optionals of tensors are given in the same way.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "run/bind.h"
#include "type/tensor.h"

PG_FUNCTION_INFO_V1(maas_run);

/* ---- inputs ---- */

typedef struct Named {
    int n;
    const char **names; /* UTF-8, NUL-terminated */
    const char **shown; /* for messages */
    Datum *values;
    bool *nulls;
    bool *used;
} Named;

static void ReadNamed(ArrayType *names, ArrayType *values, Oid tensor, Named *named)
{
    Datum *items;
    bool *nulls;
    int n;

    deconstruct_array(names, TEXTOID, -1, false, TYPALIGN_INT, &items, &nulls, &named->n);
    deconstruct_array(values, tensor, -1, false, TYPALIGN_DOUBLE, &named->values, &named->nulls, &n);
    if (n != named->n)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("the arrays differ in length: names has %d, inputs %d", named->n, n)));
    named->names = palloc(sizeof(char *) * Max(n, 1));
    named->shown = palloc(sizeof(char *) * Max(n, 1));
    named->used = palloc0(sizeof(bool) * Max(n, 1));
    for (int i = 0; i < n; i++) {
        size_t length;
        const char *utf8;

        if (nulls[i])
            ereport(ERROR,
                    (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the name of input %d is NULL", i + 1)));
        named->shown[i] = TextDatumGetCString(items[i]);
        utf8 = BorderUtf8(named->shown[i], strlen(named->shown[i]), &length);
        named->names[i] = pnstrdup(utf8, length);
    }
}

/* The place of this name, or -1; throws when it is there twice. */
static int FindNamed(Named *named, const char *name)
{
    int found = -1;

    for (int i = 0; i < named->n; i++) {
        if (strcmp(named->names[i], name) != 0)
            continue;
        if (found >= 0)
            ereport(ERROR,
                    (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("input \"%s\" is given twice", named->shown[i])));
        found = i;
        named->used[i] = true;
    }
    return found;
}

/* The tensor at a place as the elements of a port's type. */
static void NamedTensor(Call *call, const Named *named, int k, MaasType type, MaasTensor *view)
{
    MaasTensor given;

    if (named->nulls[k])
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("input \"%s\" is NULL", named->shown[k])));
    TensorView(DatumGetTensor(named->values[k]), &given);
    BindConvert(call, &given, type, psprintf("input \"%s\" of model \"%s\"", named->shown[k], call->ref->name),
                view);
}

static MaasValue *WrapTensor(Call *call, const MaasTensor *view)
{
    MaasValue *value;
    MaasError err;

    CALL_CHECK(call, maas_value_wrap(&call->mem, view->type, view->rank, view->dims, view->data, &value, &err),
               &err);
    return value;
}

/* A sequence from x[0], x[1] ...; NULL when there is no x[0]. */
static MaasValue *NamedSequence(Call *call, Named *named, const MaasPort *port)
{
    int n = 0, *places = palloc(sizeof(int) * Max(named->n, 1));
    MaasValue *sequence;
    MaasError err;

    for (int k; n < named->n && (k = FindNamed(named, psprintf("%s[%d]", port->name, n))) >= 0;)
        places[n++] = k;
    if (n == 0)
        return NULL;
    CALL_CHECK(call, maas_value_new_sequence(&call->mem, n, &sequence, &err), &err);
    for (int i = 0; i < n; i++) {
        MaasTensor view;

        NamedTensor(call, named, places[i], port->elem->type, &view);
        sequence->seq.items[i] = WrapTensor(call, &view);
    }
    return sequence;
}

/* The value of one input; NULL when it is not given. */
static MaasValue *NamedInput(Call *call, Named *named, const MaasPort *port)
{
    int k = FindNamed(named, port->name);
    MaasTensor view;
    MaasError err;

    if (port->kind == MAAS_KIND_SEQUENCE && port->elem && port->elem->kind == MAAS_KIND_TENSOR && k < 0)
        return NamedSequence(call, named, port);
    if (port->kind == MAAS_KIND_OPTIONAL && port->elem && port->elem->kind == MAAS_KIND_TENSOR) {
        MaasValue *some = NULL, *optional;

        if (k < 0)
            return NULL;
        if (!named->nulls[k]) {
            NamedTensor(call, named, k, port->elem->type, &view);
            some = WrapTensor(call, &view);
        }
        CALL_CHECK(call, maas_value_new_optional(&call->mem, some, &optional, &err), &err);
        return optional;
    }
    if (k < 0)
        return NULL;
    if (port->kind != MAAS_KIND_TENSOR)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("input \"%s\" of model \"%s\" is not a tensor", named->shown[k], call->ref->name),
                 errhint("maas_predict(model, jsonb) takes inputs of every kind; elements of a sequence of tensors "
                         "are named \"%s[0]\", \"%s[1]\" and so on.",
                         named->shown[k], named->shown[k])));
    NamedTensor(call, named, k, port->type, &view);
    return WrapTensor(call, &view);
}

static void BindNamed(Call *call, Named *named)
{
    const MaasModelInfo *info = call->info;
    StringInfoData names;

    for (int i = 0; i < info->n_inputs; i++) {
        const MaasPort *port = &info->inputs[i];

        call->inputs[i] = NamedInput(call, named, port);
        if (!call->inputs[i] && !port->optional)
            ereport(ERROR, (errcode(ERRCODE_UNDEFINED_PARAMETER),
                            errmsg("input \"%s\" of model \"%s\" is not given",
                                   BorderTextForMessage(port->name, strlen(port->name)), call->ref->name)));
    }
    initStringInfo(&names);
    for (int i = 0; i < info->n_inputs; i++)
        appendStringInfo(&names, "%s\"%s\"", i ? ", " : "",
                         BorderTextForMessage(info->inputs[i].name, strlen(info->inputs[i].name)));
    for (int k = 0; k < named->n; k++)
        if (!named->used[k])
            ereport(ERROR, (errcode(ERRCODE_UNDEFINED_PARAMETER),
                            errmsg("model \"%s\" has no input \"%s\"", call->ref->name, named->shown[k]),
                            errhint("Its inputs are %s.", names.data)));
}

/* ---- outputs ---- */

typedef struct Rows {
    Tuplestorestate *store;
    TupleDesc desc;
} Rows;

static void PutRow(Rows *rows, const char *name, const MaasTensor *tensor)
{
    Datum values[2] = {CStringGetTextDatum(name), (Datum)0};
    bool nulls[2] = {false, tensor == NULL};

    if (tensor)
        values[1] = TensorMake(tensor);
    tuplestore_putvalues(rows->store, rows->desc, values, nulls);
}

static void PutValue(Rows *rows, const char *name, const MaasValue *value)
{
    check_stack_depth();
    CHECK_FOR_INTERRUPTS();
    switch (value->kind) {
    case MAAS_KIND_TENSOR:
        PutRow(rows, name, &value->tensor);
        break;
    case MAAS_KIND_SEQUENCE:
        for (int64_t i = 0; i < value->seq.n; i++)
            PutValue(rows, psprintf("%s[" INT64_FORMAT "]", name, (int64)i), value->seq.items[i]);
        break;
    case MAAS_KIND_MAP:
        PutValue(rows, psprintf("%s.keys", name), value->map.keys);
        PutValue(rows, psprintf("%s.values", name), value->map.values);
        break;
    case MAAS_KIND_OPTIONAL:
        if (value->some)
            PutValue(rows, name, value->some);
        else
            PutRow(rows, name, NULL);
        break;
    default:
        elog(ERROR, "output \"%s\" is of no known kind", name);
    }
}

Datum maas_run(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *info = (ReturnSetInfo *)fcinfo->resultinfo;
    ArrayType *inputs = PG_GETARG_ARRAYTYPE_P(2);
    MemoryContext old;
    Named named;
    Call call;
    Rows rows;
    int *wanted;

    if (!info || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("maas_run cannot return its rows here")));
    if (get_call_result_type(fcinfo, NULL, &rows.desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "maas_run must return rows");
    old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
    rows.desc = CreateTupleDescCopy(rows.desc);
    rows.store = tuplestore_begin_heap(info->allowedModes & SFRM_Materialize_Random, false, work_mem);
    MemoryContextSwitchTo(old);

    ReadNamed(PG_GETARG_ARRAYTYPE_P(1), inputs, ARR_ELEMTYPE(inputs), &named);
    CallBegin(&call, fcinfo->flinfo, PG_GETARG_TEXT_PP(0));
    BindNamed(&call, &named);
    wanted = palloc(sizeof(int) * Max(call.info->n_outputs, 1));
    for (int i = 0; i < call.info->n_outputs; i++)
        wanted[i] = i;
    CallRun(&call, call.info->n_outputs, wanted);
    for (int i = 0; i < call.info->n_outputs; i++) {
        const char *name = call.info->outputs[i].name;

        PutValue(&rows, BorderText(name, strlen(name)), maas_results_get(call.results, i));
    }
    CallEnd(&call);
    info->returnMode = SFRM_Materialize;
    info->setResult = rows.store;
    info->setDesc = rows.desc;
    return (Datum)0;
}
