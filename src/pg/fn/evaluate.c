/*
 * evaluate.c - maas_evaluate: how well a model does on the rows of a query, whoever made the model.
 *
 * Each row without its target is given to the model as maas_predict gives it, in batches.  With classes the scores
 * are taken for probabilities; where they are none (they do not add up to 1), softmax or, for a single score, the
 * logistic function makes them so, and the result says it.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "learn/rows.h"
#include "run/answer.h"
#include "run/batch.h"
#include "run/bind.h"
#include "run/scalar.h"
#include "type/tensor.h"

PG_FUNCTION_INFO_V1(maas_evaluate);

#define CHUNK 256

typedef struct EvaluateOptions {
    int64_t top_k, bins;
    double quantile;
    const char *weight_column;
} EvaluateOptions;

#define FIELD(name) offsetof(EvaluateOptions, name)
static const MaasOption evaluate_options[] = {
    {"top_k", MAAS_OPTION_INT, FIELD(top_k), 5, 1, 1000000, NULL, "A prediction counts among the first so many"},
    {"bins", MAAS_OPTION_INT, FIELD(bins), 15, 1, 10000, NULL, "Of the calibration error"},
    {"quantile", MAAS_OPTION_NUMBER, FIELD(quantile), 0.5, 0.0001, 0.9999, NULL, "Of the pinball loss"},
    {"weight_column", MAAS_OPTION_TEXT, FIELD(weight_column), 0, 0, 0, NULL,
     "A column with the weight of each row"},
};

typedef struct Evaluation {
    EvaluateOptions options;
    Rows rows;
    TupleDesc features;
    int target, weight; /* attributes, or -1 */
    Oid target_type, weight_type;
    Batch *batch;
    MemoryContext chunk; /* emptied after each */
    MaasMem mem;
    MaasMetrics *metrics; /* NULL until the first chunk */
    bool classify, made;  /* made: scores had to be made probabilities */
    int64 width;
    int n_labels;
    char **labels; /* UTF-8 */
} Evaluation;

/* ---- columns ---- */

static int FindColumn(const Evaluation *e, const char *name)
{
    TupleDesc desc = e->rows.desc;
    const char **names = palloc(sizeof(*names) * Max(desc->natts, 1)), *nearest;

    for (int c = 0; c < desc->natts; c++) {
        names[c] = NameStr(TupleDescAttr(desc, c)->attname);
        if (strcmp(names[c], name) == 0)
            return c;
    }
    nearest = maas_nearest_name(name, names, desc->natts, sizeof(*names));
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the query has no column \"%s\"", name),
                    nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
}

/* The type of the rows that the model gets. */
static void PlanColumns(Evaluation *e, const char *target)
{
    TupleDesc desc = e->rows.desc;
    int next = 0;

    e->target = FindColumn(e, target);
    e->target_type = getBaseType(TupleDescAttr(desc, e->target)->atttypid);
    e->weight = e->options.weight_column ? FindColumn(e, e->options.weight_column) : -1;
    if (e->weight >= 0) {
        e->weight_type = getBaseType(TupleDescAttr(desc, e->weight)->atttypid);
        if (!ScalarIsNumber(e->weight_type))
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("column \"%s\" of weights is of type %s, not a number", e->options.weight_column,
                                   format_type_be(e->weight_type))));
    }
    e->features = CreateTemplateTupleDesc(desc->natts - (e->weight >= 0 ? 2 : 1));
    for (int c = 0; c < desc->natts; c++)
        if (c != e->target && c != e->weight)
            TupleDescCopyEntry(e->features, ++next, desc, c + 1);
    if (next == 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("the query has no column beside the target \"%s\"", target)));
    e->features = BlessTupleDesc(e->features);
}

/* ---- the model ---- */

static void CopyLabels(Evaluation *e, const FmgrInfo *flinfo, const text *name)
{
    const char *const *labels;
    bool engine;
    Call call;

    CallBegin(&call, flinfo, name);
    e->n_labels = AnswerLabels(&call, &labels, &engine);
    e->labels = palloc(sizeof(char *) * Max(e->n_labels, 1));
    for (int i = 0; i < e->n_labels; i++) {
        size_t length;

        e->labels[i] = pstrdup(engine ? labels[i] : BorderUtf8(labels[i], strlen(labels[i]), &length));
    }
    CallEnd(&call);
}

/* Whether a target of this type can be compared with numbers that a model gives. */
static bool IsNumbers(Oid type)
{
    return ScalarIsNumber(type) || ScalarIsTime(type) || BindIsTensor(type) || OidIsValid(get_element_type(type));
}

/* What the scores of an example are, seen at the first ones. */
static void Begin(Evaluation *e, const MaasTensor *first)
{
    MaasMetricOptions options = {.top_k = e->options.top_k,
                                 .bins = e->options.bins,
                                 .quantile = e->options.quantile,
                                 .stop = (const volatile int *)&QueryCancelPending,
                                 .stop_too = (const volatile int *)&ProcDiePending};
    bool numbers = IsNumbers(e->target_type);
    MaasError err = {0};

    e->width = first->count;
    e->classify = e->n_labels > 1 || !numbers || (e->width > 1 && ScalarIsNumber(e->target_type));
    options.task = e->classify ? MAAS_METRIC_CLASSES : MAAS_METRIC_VALUES;
    options.width = e->classify ? Max(e->width, 2) : e->width;
    if (e->classify && e->n_labels == options.width)
        options.classes = (const char *const *)e->labels;
    else if (e->classify && !numbers && !(e->target_type == BOOLOID && options.width == 2))
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("the model does not know the names of its %d classes, and the target is of type %s",
                        (int)options.width, format_type_be(e->target_type)),
                 errhint("Give the number of the class, from 0, or load the model with labels => ARRAY[...].")));
    BORDER_CHECK(maas_metrics_new(&options, &e->mem, &e->metrics, &err), &err);
}

/* ---- rows ---- */

static const char *TargetText(const Evaluation *e, Datum value)
{
    Oid output;
    bool varlena;
    const char *text;
    size_t length;

    if (e->target_type == BOOLOID)
        return DatumGetBool(value) ? "true" : "false";
    getTypeOutputInfo(e->target_type, &output, &varlena);
    text = OidOutputFunctionCall(output, value);
    length = strlen(text);
    while (e->target_type == BPCHAROID && length > 0 && text[length - 1] == ' ')
        length--;
    text = BorderUtf8(text, length, &length);
    return pnstrdup(text, length);
}

static int64 TargetClass(const Evaluation *e, Datum value)
{
    bool named = e->n_labels == Max(e->width, 2);
    const char *text = TargetText(e, value);

    for (int i = 0; named && i < e->n_labels; i++)
        if (strcmp(e->labels[i], text) == 0)
            return i;
    if (!named && e->target_type == BOOLOID)
        return DatumGetBool(value);
    if (!named && ScalarIsNumber(e->target_type)) {
        double number = ScalarNumber(e->target_type, value);

        if (number >= 0 && number < Max(e->width, 2) && number == floor(number))
            return (int64)number;
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                        errmsg("%s is no class of the model: it has classes from 0 to " INT64_FORMAT, text,
                               (int64)Max(e->width, 2) - 1)));
    }
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                    errmsg("\"%s\" is no class of the model", BorderTextForMessage(text, strlen(text)))));
}

static void TargetNumbers(const Evaluation *e, Datum value, double *out)
{
    MaasTensor view;
    MaasValue *numbers;
    MaasMem mem;
    MaasError err = {0};

    if (ScalarIsNumber(e->target_type) || ScalarIsTime(e->target_type)) {
        view = (MaasTensor){.type = MAAS_DOUBLE, .count = 1, .data = out};
        out[0] =
            ScalarIsTime(e->target_type) ? ScalarTime(e->target_type, value) : ScalarNumber(e->target_type, value);
    } else {
        if (OidIsValid(get_element_type(e->target_type)))
            value = DirectFunctionCall1(maas_tensor_from_array, value);
        TensorView(DatumGetTensor(value), &view);
    }
    if (view.count != e->width)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("the model gives " INT64_FORMAT " numbers, the target has " INT64_FORMAT,
                               (int64)e->width, (int64)view.count)));
    if (view.data == out)
        return;
    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(maas_tensor_cast(&view, MAAS_DOUBLE, false, &mem, &numbers, &err), &err);
    memcpy(out, numbers->tensor.data, sizeof(double) * view.count);
    maas_value_unref(numbers);
}

/* Makes probabilities of scores that are none. */
static void MakeProbabilities(Evaluation *e, float *scores, int n)
{
    int64 width = e->width;

    for (int i = 0; i < n && !e->made; i++) {
        double sum = 0;

        for (int64 k = 0; k < width; k++) {
            e->made |= scores[i * width + k] < 0 || scores[i * width + k] > 1 + 1e-5;
            sum += scores[i * width + k];
        }
        e->made |= width > 1 && fabs(sum - 1) > 1e-3;
    }
    for (int i = 0; i < n && e->made; i++) {
        float *s = scores + i * width, highest = s[0];
        double sum = 0;

        if (width == 1) {
            s[0] = (float)(1 / (1 + exp(-s[0])));
            continue;
        }
        for (int64 k = 1; k < width; k++)
            highest = Max(highest, s[k]);
        for (int64 k = 0; k < width; k++)
            sum += s[k] = expf(s[k] - highest);
        for (int64 k = 0; k < width; k++)
            s[k] = (float)(s[k] / sum);
    }
}

/* The model's answer to an example. */
static void TakeScores(Evaluation *e, Datum answer, double *out)
{
    MaasTensor view;
    MaasValue *numbers;
    MaasMem mem;
    MaasError err = {0};

    TensorView(DatumGetTensor(answer), &view);
    if (!e->metrics)
        Begin(e, &view);
    if (view.count != e->width)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("the model gives " INT64_FORMAT " numbers for a row, " INT64_FORMAT " for those before it",
                        (int64)view.count, (int64)e->width)));
    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(maas_tensor_cast(&view, MAAS_DOUBLE, false, &mem, &numbers, &err), &err);
    memcpy(out, numbers->tensor.data, sizeof(double) * view.count);
    maas_value_unref(numbers);
}

/* As scikit-learn: what is no number cannot be compared.  Scores of classes may be minus infinity. */
static void CheckScores(const Evaluation *e, const double *scores, int64 row)
{
    for (int64 k = 0; k < e->width; k++)
        if (e->classify ? isnan(scores[k]) : !isfinite(scores[k]))
            ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                            errmsg("the model gives %s for row " INT64_FORMAT,
                                   isnan(scores[k]) ? "NaN" : "an infinite number", row)));
}

/* before: rows before these. */
static void AddChunk(Evaluation *e, int n, const Datum *answers, const Datum *targets, const double *weights,
                     int64 before)
{
    MaasError err = {0};
    double *scores = NULL;

    for (int i = 0; i < n; i++) {
        if (!scores) {
            MaasTensor view;

            TensorView(DatumGetTensor(answers[0]), &view);
            scores = palloc(sizeof(double) * Max(view.count, e->width) * n);
        }
        TakeScores(e, answers[i], scores + i * (i ? e->width : 0));
        CheckScores(e, scores + i * e->width, before + i + 1);
    }
    if (e->classify) {
        int64 *labels = palloc(sizeof(int64) * n);
        float *shares = palloc(sizeof(float) * n * e->width);

        for (int i = 0; i < n; i++)
            labels[i] = TargetClass(e, targets[i]);
        for (int64 i = 0; i < n * e->width; i++)
            shares[i] = (float)scores[i];
        MakeProbabilities(e, shares, n);
        BORDER_CHECK(maas_metrics_add_classes(e->metrics, n, e->width, shares, labels, weights, &err), &err);
    } else {
        double *actual = palloc(sizeof(double) * n * e->width);

        for (int i = 0; i < n; i++)
            TargetNumbers(e, targets[i], actual + i * e->width);
        BORDER_CHECK(maas_metrics_add_values(e->metrics, n, scores, actual, weights, &err), &err);
    }
}

/* Reads up to n rows; how many there were. */
static int ReadRows(Evaluation *e, int n, Datum *examples, Datum *targets, double *weights, int64 *number)
{
    TupleDesc desc = e->rows.desc;
    Datum *values = palloc(sizeof(Datum) * desc->natts), *kept = palloc(sizeof(Datum) * desc->natts);
    bool *nulls = palloc(sizeof(bool) * desc->natts), *kept_nulls = palloc(sizeof(bool) * desc->natts);
    HeapTuple row;
    int i = 0;

    while (i < n && (row = RowsNext(&e->rows)) != NULL) {
        int next = 0;

        ++*number;
        heap_deform_tuple(row, desc, values, nulls);
        if (nulls[e->target])
            ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                            errmsg("the target \"%s\" is NULL in row " INT64_FORMAT,
                                   NameStr(TupleDescAttr(desc, e->target)->attname), *number)));
        weights[i] = 1;
        if (e->weight >= 0)
            weights[i] = nulls[e->weight] ? NAN : ScalarNumber(e->weight_type, values[e->weight]);
        if (!(weights[i] >= 0) || isinf(weights[i]))
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("the weight in column \"%s\" of row " INT64_FORMAT " must be a number of at least 0",
                            e->options.weight_column, *number)));
        for (int c = 0; c < desc->natts; c++) {
            if (c == e->target || c == e->weight)
                continue;
            kept[next] = values[c];
            kept_nulls[next++] = nulls[c];
        }
        examples[i] = HeapTupleGetDatum(heap_form_tuple(e->features, kept, kept_nulls));
        targets[i++] = datumCopy(values[e->target], TupleDescAttr(desc, e->target)->attbyval,
                                 TupleDescAttr(desc, e->target)->attlen);
    }
    return i;
}

static void EvaluateRows(Evaluation *e)
{
    Datum *examples = palloc(sizeof(Datum) * CHUNK), *targets = palloc(sizeof(Datum) * CHUNK);
    double *weights = palloc(sizeof(double) * CHUNK);
    bool *nulls = palloc0(sizeof(bool) * CHUNK);
    int64 number = 0;
    bool weighted = false;
    int n;

    do {
        MemoryContext old = MemoryContextSwitchTo(e->chunk);

        n = ReadRows(e, CHUNK, examples, targets, weights, &number);
        if (n > 0) {
            BatchAnswerAll(e->batch, n, examples, nulls);
            AddChunk(e, n, examples, targets, weights, number - n);
            for (int i = 0; i < n; i++)
                weighted |= weights[i] > 0;
        }
        MemoryContextSwitchTo(old);
        MemoryContextReset(e->chunk);
    } while (n == CHUNK);
    if (number == 0)
        ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND), errmsg("the query returns no rows")));
    if (!weighted)
        ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
                        errmsg("every row has the weight 0 in column \"%s\"", e->options.weight_column)));
}

/* ---- the function ---- */

static void ReadOptions(FunctionCallInfo fcinfo, MaasArena *arena, EvaluateOptions *options)
{
    MaasOptionTable table = {lengthof(evaluate_options), evaluate_options, options};
    MaasError err = {0};
    const char *text = "";
    size_t length = 0;

    if (!PG_ARGISNULL(3)) {
        Jsonb *json = PG_GETARG_JSONB_P(3);
        char *copy = JsonbToCString(NULL, &json->root, VARSIZE(json));

        text = BorderUtf8(copy, strlen(copy), &length);
    }
    BORDER_CHECK(maas_options_read(text, length, &table, 1, arena, &err), &err);
}

static Datum Report(Evaluation *e)
{
    StringInfoData json;
    MaasError err = {0};
    size_t length;
    double loss;
    char *all;

    BORDER_CHECK(maas_metrics_get(e->metrics, e->classify ? "log_loss" : "mse", &loss, &err), &err);
    BORDER_CHECK(maas_metrics_json(e->metrics, &e->mem, &all, &length, &err), &err);
    initStringInfo(&json);
    appendStringInfo(&json, "{\"task\":\"%s\"", e->classify ? "classify" : "regress");
    if (isfinite(loss))
        appendStringInfo(&json, ",\"loss\":%.17g", loss);
    if (e->made)
        appendStringInfo(&json, ",\"scores\":\"%s\"", e->width == 1 ? "sigmoid applied" : "softmax applied");
    appendStringInfo(&json, ",%s", BorderText(all + 1, length - 1));
    return DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data));
}

Datum maas_evaluate(PG_FUNCTION_ARGS)
{
    Evaluation *e = palloc0(sizeof(*e));
    MemoryContext context = CurrentMemoryContext;
    MaasArena arena;
    char *query, *target;
    Datum result;

    for (int i = 0; i < 3; i++)
        if (PG_ARGISNULL(i))
            ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                            errmsg("the %s must not be NULL", i == 0   ? "name of a model"
                                                              : i == 1 ? "query"
                                                                       : "target")));
    query = text_to_cstring(PG_GETARG_TEXT_PP(1));
    target = text_to_cstring(PG_GETARG_TEXT_PP(2));
    BorderMem(&e->mem, context);
    maas_arena_init(&arena, &e->mem);
    ReadOptions(fcinfo, &arena, &e->options);
    CopyLabels(e, fcinfo->flinfo, PG_GETARG_TEXT_PP(0));
    e->chunk = AllocSetContextCreate(context, "maas evaluation", ALLOCSET_DEFAULT_SIZES);
    e->batch = BatchNew(context, BATCH_ROW, false, fcinfo->flinfo);
    BatchAddReader(e->batch, BATCH_TO_TENSOR);
    e->batch->model = PointerGetDatum(PG_GETARG_TEXT_PP(0));
    RowsOpen(&e->rows, query, "maas_evaluate", context);
    MemoryContextSwitchTo(context);
    PlanColumns(e, target);
    EvaluateRows(e);
    RowsClose(&e->rows);
    MemoryContextSwitchTo(context);
    result = Report(e);
    maas_metrics_free(e->metrics);
    return result;
}
