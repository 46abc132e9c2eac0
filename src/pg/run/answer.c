/*
 * answer.c - what a model's outputs are to SQL: a tensor, a label, a number.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"

#include "answer.h"
#include "type/tensor.h"

static const char *Shape(const MaasTensor *view)
{
    char *text = palloc(1024);

    return maas_dims_text(view->rank, view->dims, NULL, text, 1024);
}

Datum AnswerTensor(Call *call, const text *output)
{
    MaasTensor view = CallRunOne(call, CallOutput(call, output));

    return TensorMake(&view);
}

/* Throws unless the answer can be that of one example. */
static void RequireOneExample(const Call *call, const char *function)
{
    for (int i = 0; i < call->info->n_inputs; i++) {
        const MaasPort *port = &call->info->inputs[i];
        const MaasValue *value = call->inputs[i];

        if (value && value->kind == MAAS_KIND_TENSOR && port->rank > 0 && port->dims[0] < 0 &&
            value->tensor.rank > 0 && value->tensor.dims[0] != 1)
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("%s answers for one example, got input \"%s\" of shape %s", function,
                                   BorderTextForMessage(port->name, strlen(port->name)), Shape(&value->tensor)),
                            errhint("maas_predict(model, tensor) returns the scores of a batch.")));
    }
}

double AnswerNumber(Call *call, const MaasTensor *view, int64_t k)
{
    MaasTensor one = {.type = view->type, .count = 1};
    MaasError err;
    MaasValue *value;

    one.data = (char *)view->data + k * maas_type_size(view->type);
    if (view->type == MAAS_FLOAT)
        return *(const float *)one.data;
    if (view->type == MAAS_STRING || view->type == MAAS_COMPLEX64 || view->type == MAAS_COMPLEX128)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("the output of model \"%s\" is of type %s, not a number", call->ref->name,
                               maas_type_name(view->type)),
                        errhint("Choose another output with maas_predict(model, input, output => name).")));
    CALL_CHECK(call, maas_tensor_cast(&one, MAAS_DOUBLE, false, &call->mem, &value, &err), &err);
    return MAAS_F64(&value->tensor)[0];
}

/* The element of a label output. */
static Datum LabelText(Call *call, const MaasTensor *view)
{
    MaasError err;
    char *printed;
    size_t length;
    MaasTensor one = *view;

    if (view->count != 1)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("the label output of model \"%s\" has shape %s, not one element", call->ref->name,
                               Shape(view))));
    if (view->type == MAAS_STRING)
        return CStringGetTextDatum(BorderText(MAAS_STRS(view)[0].data, MAAS_STRS(view)[0].length));
    if (maas_type_is_int(view->type)) {
        MaasValue *value;

        CALL_CHECK(call, maas_tensor_cast(view, MAAS_INT64, true, &call->mem, &value, &err), &err);
        return CStringGetTextDatum(psprintf(INT64_FORMAT, (int64)MAAS_I64(&value->tensor)[0]));
    }
    one.rank = 0;
    CALL_CHECK(call, maas_tensor_print(&one, &call->mem, &printed, &length, &err), &err);
    return CStringGetTextDatum(pnstrdup(printed, length));
}

int AnswerLabels(const Call *call, const char *const **labels, bool *engine)
{
    *engine = call->ref->n_labels == 0;
    *labels = *engine ? call->info->classes : (const char *const *)call->ref->labels;
    return *engine ? call->info->n_classes : call->ref->n_labels;
}

bool AnswerHasLabel(const Call *call)
{
    return call->info->label >= 0 && call->ref->n_labels == 0;
}

bool AnswerSecond(const Call *call, int64_t count)
{
    return count == 2 && (call->info->n_classes == 2 || call->ref->n_labels == 2 || call->info->label >= 0);
}

/* The label of the largest score; the first of equals, and a NaN counts as the largest, as numpy has it. */
static Datum LargestLabel(Call *call)
{
    const MaasModelInfo *info = call->info;
    const char *const *labels;
    bool engine;
    int n = AnswerLabels(call, &labels, &engine);
    MaasTensor view;
    int64_t best = 0;
    double most = 0;

    if (n == 0)
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("model \"%s\" has no labels", call->ref->name),
                        errhint("Load it with labels => ARRAY['no', 'yes', ...], in the order of its scores.")));
    view = CallRunOne(call, info->scores);
    if (view.count != n)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("model \"%s\" has %d labels, but its output \"%s\" gives shape %s for an example",
                               call->ref->name, n,
                               BorderTextForMessage(info->outputs[info->scores].name,
                                                    strlen(info->outputs[info->scores].name)),
                               Shape(&view)),
                        errhint("Load it with a label for each score.")));
    for (int64_t k = 0; k < view.count; k++) {
        double number = AnswerNumber(call, &view, k);

        if (k == 0 || number > most || (isnan(number) && !isnan(most))) {
            best = k;
            most = number;
        }
    }
    if (!engine)
        return CStringGetTextDatum(labels[best]);
    return CStringGetTextDatum(BorderText(labels[best], strlen(labels[best])));
}

Datum AnswerLabel(Call *call)
{
    MaasTensor view;

    RequireOneExample(call, "maas_classify");
    if (!AnswerHasLabel(call))
        return LargestLabel(call);
    view = CallRunOne(call, call->info->label);
    return LabelText(call, &view);
}

Datum AnswerScore(Call *call)
{
    const MaasModelInfo *info = call->info;
    MaasTensor view;

    RequireOneExample(call, "maas_score");
    view = CallRunOne(call, info->scores);
    if (view.count == 1)
        return Float8GetDatum(AnswerNumber(call, &view, 0));
    if (AnswerSecond(call, view.count))
        return Float8GetDatum(AnswerNumber(call, &view, 1));
    ereport(
        ERROR,
        (errcode(ERRCODE_DATATYPE_MISMATCH),
         errmsg("output \"%s\" of model \"%s\" has shape %s for an example, not one number",
                BorderTextForMessage(info->outputs[info->scores].name, strlen(info->outputs[info->scores].name)),
                call->ref->name, Shape(&view)),
         errhint("Use maas_predict(model, input) for all its numbers, or maas_classify for the label.")));
}

/* Appends "name": value. */
static void AppendMember(Call *call, StringInfo out, const char *name, const MaasValue *value)
{
    MaasError err;
    char *json;
    size_t length;

    escape_json(out, BorderText(name, strlen(name)));
    appendStringInfoString(out, ": ");
    CALL_CHECK(call, maas_value_to_json(value, &call->mem, &json, &length, &err), &err);
    appendStringInfoString(out, BorderText(json, length));
}

Datum AnswerJsonOf(Call *call, const MaasValue *const *values)
{
    const MaasModelInfo *info = call->info;
    StringInfoData out;

    initStringInfo(&out);
    appendStringInfoChar(&out, '{');
    for (int i = 0; i < info->n_outputs; i++) {
        if (i > 0)
            appendStringInfoString(&out, ", ");
        AppendMember(call, &out, info->outputs[i].name, values[i]);
    }
    appendStringInfoChar(&out, '}');
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data));
}

Datum AnswerJson(Call *call)
{
    int n = call->info->n_outputs;
    int *wanted = palloc(sizeof(int) * Max(n, 1));
    const MaasValue **values = palloc(sizeof(MaasValue *) * Max(n, 1));

    for (int i = 0; i < n; i++)
        wanted[i] = i;
    CallRun(call, n, wanted);
    for (int i = 0; i < n; i++)
        values[i] = maas_results_get(call->results, i);
    return AnswerJsonOf(call, values);
}
