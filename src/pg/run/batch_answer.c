/*
 * batch_answer.c - the results of a batch, cut into the answers of its examples.
 *
 * Whatever is unusual makes the cut fail; each example is then a run of its own, whose answer or error is that of
 * answer.c.  All memory comes from the current context but for the engine's, which is the call's.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "utils/builtins.h"

#include "answer.h"
#include "batch.h"
#include "type/tensor.h"

/* One number an example: the only one or the second of two. */
static bool TakeScores(Call *call, const MaasTensor *view, int n, Datum *answers)
{
    int64_t count = view->count / n;
    int64_t at = 0;

    if (count != 1) {
        if (!AnswerSecond(call, count))
            return false;
        at = 1;
    }
    if (view->type == MAAS_FLOAT)
        for (int k = 0; k < n; k++)
            answers[k] = Float8GetDatum(MAAS_F32(view)[k * count + at]);
    else
        for (int k = 0; k < n; k++)
            answers[k] = Float8GetDatum(AnswerNumber(call, view, k * count + at));
    return true;
}

/* The label of the largest score; the first of equals, and a NaN counts as the largest. */
static bool TakeLargest(Call *call, const MaasTensor *view, int n, Datum *answers)
{
    const char *const *labels;
    bool engine;
    int n_labels = AnswerLabels(call, &labels, &engine);
    Datum *texts;

    if (n_labels == 0 || view->count != (int64_t)n * n_labels)
        return false;
    texts = palloc0(sizeof(Datum) * n_labels);
    for (int k = 0; k < n; k++) {
        int best = 0;
        double most = 0;

        for (int c = 0; c < n_labels; c++) {
            double number = AnswerNumber(call, view, (int64_t)k * n_labels + c);

            if (c == 0 || number > most || (isnan(number) && !isnan(most))) {
                best = c;
                most = number;
            }
        }
        if (!texts[best])
            texts[best] =
                CStringGetTextDatum(engine ? BorderText(labels[best], strlen(labels[best])) : labels[best]);
        answers[k] = texts[best];
    }
    return true;
}

/* The labels that the model gives itself; neighbours that are equal share one text. */
static bool TakeLabels(Call *call, const MaasTensor *view, int n, Datum *answers)
{
    if (view->count != n)
        return false;
    if (view->type == MAAS_STRING) {
        const MaasStr *labels = MAAS_STRS(view);

        for (int k = 0; k < n; k++) {
            if (k > 0 && labels[k].length == labels[k - 1].length &&
                memcmp(labels[k].data, labels[k - 1].data, labels[k].length) == 0)
                answers[k] = answers[k - 1];
            else
                answers[k] = CStringGetTextDatum(BorderText(labels[k].data, labels[k].length));
        }
        return true;
    }
    if (view->type != MAAS_INT64)
        return false;
    for (int k = 0; k < n; k++) {
        if (k > 0 && MAAS_I64(view)[k] == MAAS_I64(view)[k - 1])
            answers[k] = answers[k - 1];
        else
            answers[k] = CStringGetTextDatum(psprintf(INT64_FORMAT, (int64)MAAS_I64(view)[k]));
    }
    return true;
}

/* Example k of n of a tensor, with a leading dimension of 1. */
static MaasTensor Example(const MaasTensor *view, int k, int n)
{
    MaasTensor part = *view;

    part.dims[0] = 1;
    part.count = view->count / n;
    part.data = (char *)view->data + k * maas_tensor_bytes(&part);
    part.buffer = NULL;
    return part;
}

static void TakeTensors(const MaasTensor *view, bool single, int n, Datum *answers)
{
    for (int k = 0; k < n; k++) {
        MaasTensor part = Example(view, k, n);

        if (single) {
            part.rank--;
            memmove(part.dims, part.dims + 1, sizeof(part.dims[0]) * part.rank);
        }
        answers[k] = TensorMake(&part);
    }
}

static void TakeJson(const BatchReader *reader, Call *call, int n, Datum *answers)
{
    int n_outputs = call->info->n_outputs;
    const MaasValue **values = palloc(sizeof(MaasValue *) * Max(n_outputs, 1));
    MaasError err;

    for (int k = 0; k < n; k++) {
        for (int i = 0; i < n_outputs; i++) {
            MaasTensor part = Example(&maas_results_get(call->results, reader->at[i])->tensor, k, n);
            MaasValue *value;

            CALL_CHECK(call, maas_value_wrap(&call->mem, part.type, part.rank, part.dims, part.data, &value, &err),
                       &err);
            values[i] = value;
        }
        answers[k] = AnswerJsonOf(call, values);
    }
}

bool BatchTake(const BatchReader *reader, bool single, Call *call, int n, Datum *answers)
{
    const MaasTensor *view = NULL;

    for (int i = reader->n_wanted - 1; i >= 0; i--) {
        const MaasValue *value = maas_results_get(call->results, reader->at[i]);

        if (value->kind != MAAS_KIND_TENSOR || value->tensor.rank < 1 || value->tensor.dims[0] != n)
            return false;
        view = &value->tensor;
    }
    switch (reader->answer) {
    case BATCH_TO_TENSOR:
        TakeTensors(view, single, n, answers);
        return true;
    case BATCH_TO_LABEL:
        return AnswerHasLabel(call) ? TakeLabels(call, view, n, answers) : TakeLargest(call, view, n, answers);
    case BATCH_TO_SCORE:
        return TakeScores(call, view, n, answers);
    case BATCH_TO_JSON:
        TakeJson(reader, call, n, answers);
        return true;
    }
    return false;
}
