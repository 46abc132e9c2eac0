/*
 * target.c - the column that is learned: classes or numbers, and whether the loss can be learned by.
 *
 * Numbers are learned by their distance from the mean in deviations, each of an array's by its own; not so for
 * losses to which the unit matters.  Arithmetic is in double until then: a float would not tell timestamps apart.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "source.h"
#include "target.h"

#define AUTO_CLASSES 20 /* different whole numbers up to which a target is taken for classes */
#define MAX_CLASSES 10000

/* ---- the row ---- */

MaasStr TargetText(const Table *table)
{
    if (table->target.kind == SOURCE_BOOL) {
        bool yes = DatumGetBool(table->values[table->target.attribute]);

        return yes ? (MaasStr){"true", 4} : (MaasStr){"false", 5};
    }
    return SourceText(table, &table->target);
}

const DictionaryEntry *TargetClass(const Table *table)
{
    MaasStr text = TargetText(table);
    const DictionaryEntry *entry = DictionaryFind(&table->target.dictionary, text);

    if (!entry || entry->code < 0)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                        errmsg("row " INT64_FORMAT " has the class \"%s\", which the query did not return before",
                               table->number, BorderTextForMessage(text.data, text.length)),
                        errhint("The query must return the same rows each time it is run.")));
    return entry;
}

int64 TableClass(const Table *table)
{
    return TargetClass(table)->code;
}

void TableNumbers(const Table *table, float *out)
{
    const MaasTarget *info = &table->target_info;
    double *numbers = palloc(sizeof(double) * info->n);

    if (table->target.column.kind == MAAS_COLUMN_TENSOR)
        SourceDoubles(table, &table->target, numbers);
    else
        numbers[0] = SourceNumber(table, &table->target);
    for (int64 i = 0; i < info->n; i++)
        out[i] = (float)((numbers[i] - info->mean[i]) / info->deviation[i]);
}

/* ---- counting ---- */

static bool IsWholeNumber(Oid type)
{
    return type == INT2OID || type == INT4OID || type == INT8OID;
}

/* Sums for the mean and the deviation of each number of an array. */
static void CountOutputs(Table *table)
{
    const Source *target = &table->target;
    bool first = table->outputs == NULL;
    int64 n = 1;
    double *numbers, *from, *sum, *squares;

    for (int d = 0; d < target->column.rank; d++)
        n *= target->dims[d];
    if (first) {
        table->n_outputs = n;
        table->outputs =
            MemoryContextAllocExtended(table->context, sizeof(double) * 3 * n, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
    }
    numbers = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * n);
    SourceDoubles(table, target, numbers);
    from = table->outputs;
    sum = from + n;
    squares = sum + n;
    if (first)
        memcpy(from, numbers, sizeof(double) * n);
    for (int64 i = 0; i < n; i++) {
        double distance = numbers[i] - from[i];

        sum[i] += distance;
        squares[i] += distance * distance;
    }
}

void TargetCount(Table *table)
{
    Source *target = &table->target;
    int choice = table->settings->task;

    if (target->kind == SOURCE_NUMBER || target->kind == SOURCE_TIME) {
        double x = SourceNumber(table, target);

        if (isnan(x))
            ereport(ERROR,
                    (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                     errmsg("the target \"%s\" is no number in row " INT64_FORMAT, target->name, table->number)));
    }
    SourceCount(table, target);
    if (target->column.kind == MAAS_COLUMN_TENSOR)
        CountOutputs(table);
    if (target->kind == SOURCE_BOOL ||
        (IsWholeNumber(target->type) && choice != TASK_REGRESS && target->dictionary.n <= MAX_CLASSES))
        DictionaryCount(table, target, TargetText(table));
}

/* ---- the task ---- */

static void DecideTask(Table *table, bool classes)
{
    Source *target = &table->target;
    int choice = table->settings->task;
    bool can_classify = target->kind == SOURCE_TEXT || target->kind == SOURCE_BOOL || IsWholeNumber(target->type);
    bool can_regress = target->kind != SOURCE_TEXT;
    int64 limit = classes ? MAX_CLASSES : AUTO_CLASSES;

    if (choice == TASK_CLASSIFY && !can_classify)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("the target \"%s\" is of type %s, which cannot be classes", target->name,
                               format_type_be(target->type)),
                        errhint("Cast it to text or to an integer.")));
    if (choice == TASK_REGRESS && !can_regress)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("the target \"%s\" is of type %s, but numbers are to be learned", target->name,
                               format_type_be(target->type)),
                        errhint("Cast it to a number, or leave out the option \"task\".")));
    if (choice == TASK_AUTO)
        choice = can_classify && (!IsWholeNumber(target->type) || target->dictionary.n <= limit) ? TASK_CLASSIFY
                                                                                                 : TASK_REGRESS;
    if (choice == TASK_CLASSIFY && target->dictionary.n > MAX_CLASSES)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("the target \"%s\" has more than %d classes", target->name, MAX_CLASSES)));
    table->task = choice == TASK_CLASSIFY ? MAAS_TASK_CLASSIFY : MAAS_TASK_REGRESS;
    if (table->task == MAAS_TASK_REGRESS && table->settings->split == SPLIT_STRATIFIED)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the rows can be stratified by classes only, the target \"%s\" is a number",
                               target->name)));
}

/* ---- the loss ---- */

/* What a loss can be learned by. */
typedef struct LossRule {
    bool classes, numbers;
    bool unit;        /* numbers stay in their own unit, within */
    double low, high; /* these bounds */
} LossRule;

static const LossRule loss_rules[] = {
    [MAAS_LOSS_AUTO] = {true, true},
    [MAAS_LOSS_MSE] = {false, true},
    [MAAS_LOSS_MAE] = {false, true},
    [MAAS_LOSS_HUBER] = {false, true},
    [MAAS_LOSS_BINARY_CROSS_ENTROPY] = {true, true, true, 0, 1},
    [MAAS_LOSS_CROSS_ENTROPY] = {true, true, true, 0, 1},
    [MAAS_LOSS_POISSON] = {false, true, true, 0, INFINITY},
    [MAAS_LOSS_HINGE] = {true, false},
    [MAAS_LOSS_QUANTILE] = {false, true},
};

static const char *LossName(int loss)
{
    int n;
    const MaasOption *options = maas_train_options(&n);

    for (int i = 0; i < n; i++)
        if (strcmp(options[i].name, "loss") == 0) {
            MaasStr name = maas_option_choice(&options[i], loss);

            return pnstrdup(name.data, name.length);
        }
    return "";
}

static void CheckLoss(const Table *table)
{
    int loss = table->settings->train.loss;
    const LossRule *rule = &loss_rules[loss];
    const Source *target = &table->target;

    if (table->task == MAAS_TASK_CLASSIFY) {
        if (!rule->classes)
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("the loss \"%s\" is for numbers, the target \"%s\" has classes", LossName(loss),
                            target->name),
                     errhint("Leave out the option \"loss\", or set \"task\": \"regress\" if they are numbers.")));
        return;
    }
    if (!rule->numbers)
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("the loss \"%s\" is for classes, the target \"%s\" is a number", LossName(loss), target->name),
             errhint("Leave out the option \"loss\", or set \"task\": \"classify\" if they are classes.")));
    if (loss == MAAS_LOSS_CROSS_ENTROPY && table->n_outputs < 2)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the loss \"cross_entropy\" needs classes or arrays of their shares, the target "
                               "\"%s\" is a number",
                               target->name)));
    if (rule->unit && (target->lowest < rule->low || target->highest > rule->high))
        ereport(ERROR,
                (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                 errmsg("the loss \"%s\" needs numbers from %g%s, the target \"%s\" has %g to %g", LossName(loss),
                        rule->low, isinf(rule->high) ? " up" : psprintf(" to %g", rule->high), target->name,
                        target->lowest, target->highest)));
}

/* ---- classes ---- */

static void LearnClasses(Table *table)
{
    Source *target = &table->target;
    MaasTarget *info = &table->target_info;
    MaasStr *classes = DictionaryKeep(&target->dictionary, MAX_CLASSES,
                                      IsWholeNumber(target->type) ? KEEP_BY_NUMBER : KEEP_BY_TEXT, &info->n);

    if (info->n < 2)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                        errmsg("the target \"%s\" has only one class, \"%s\"", target->name,
                               BorderTextForMessage(classes[0].data, classes[0].length)),
                        errhint("There must be rows of at least two classes.")));
    if (IsWholeNumber(target->type)) {
        int64_t *numbers = palloc(sizeof(*numbers) * info->n);

        for (int64 i = 0; i < info->n; i++)
            numbers[i] = strtoll(classes[i].data, NULL, 10);
        info->numbers = numbers;
    } else
        info->strings = classes;
    table->strata = palloc0(sizeof(int64) * info->n);
    if (table->settings->class_weights == WEIGHT_BALANCED) {
        table->class_weights = palloc(sizeof(double) * info->n);
        for (int64 i = 0; i < info->n; i++)
            table->class_weights[i] =
                (double)table->n_rows /
                ((double)info->n * (double)DictionaryFind(&target->dictionary, classes[i])->count);
    }
}

/* The classes of a model; every class of the rows must be one. */
static void TakeClasses(Table *table, int64 n_outputs, int n_labels, const char *const *labels)
{
    Source *target = &table->target;
    MaasTarget *info = &table->target_info;
    MaasStr *classes;
    HASH_SEQ_STATUS scan;
    DictionaryEntry *entry;

    info->n = Max(n_outputs, 2);
    classes = palloc(sizeof(*classes) * info->n);
    for (int64 i = 0; i < info->n; i++) {
        const char *text = n_labels == info->n                           ? pstrdup(labels[i])
                           : target->kind == SOURCE_BOOL && info->n == 2 ? i ? "true" : "false"
                                                                         : psprintf(INT64_FORMAT, i);

        classes[i] = (MaasStr){text, strlen(text)};
        entry = DictionaryFind(&target->dictionary, classes[i]);
        if (entry)
            entry->code = i;
    }
    info->strings = classes;
    table->strata = palloc0(sizeof(int64) * info->n);
    hash_seq_init(&scan, target->dictionary.hash);
    while ((entry = hash_seq_search(&scan)) != NULL)
        if (entry->code < 0)
            ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                            errmsg("\"%s\" in column \"%s\" is no class of the model",
                                   BorderTextForMessage(entry->key.text, entry->key.length), target->name)));
}

/* ---- numbers ---- */

/* Numbers of an array of one dimension may each have a unit of their own; those of more are alike, like pixels. */
static void Standardise(const Table *table, double *mean, double *deviation)
{
    const Source *target = &table->target;
    const double *outputs = table->outputs;
    int64 n = table->target_info.n;

    for (int64 i = 0; i < n; i++) {
        mean[i] = target->mean;
        deviation[i] = SourceDeviation(target);
        if (outputs && target->column.rank == 1) {
            double distance = outputs[n + i] / (double)table->n_rows;

            mean[i] = outputs[i] + distance;
            deviation[i] = sqrt(Max(outputs[2 * n + i] / (double)table->n_rows - distance * distance, 0));
        }
        if (!isfinite(deviation[i]))
            ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                            errmsg("the numbers of the target \"%s\" are too large", target->name),
                            errhint("Divide them by a number in the query.")));
        if (deviation[i] <= 0)
            deviation[i] = 1;
    }
}

static void LearnNumbers(Table *table, bool standardise)
{
    Source *target = &table->target;
    MaasTarget *info = &table->target_info;
    double *mean, *deviation;

    if (target->lowest == target->highest)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                        errmsg("the target \"%s\" is constant: every row has %g", target->name, target->lowest)));
    if (target->column.kind == MAAS_COLUMN_TENSOR && !target->varies)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION),
                        errmsg("the target \"%s\" is constant: every row has the same numbers", target->name)));
    if (table->settings->class_weights == WEIGHT_BALANCED)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("class_weights are for classes, the target \"%s\" is a number", target->name)));
    info->n = table->outputs ? table->n_outputs : 1;
    mean = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * info->n);
    deviation = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(double) * info->n);
    info->mean = mean;
    info->deviation = deviation;
    if (standardise)
        Standardise(table, mean, deviation);
    else
        for (int64 i = 0; i < info->n; i++) {
            mean[i] = 0;
            deviation[i] = 1;
        }
}

void TargetLearn(Table *table, bool classes)
{
    DecideTask(table, classes);
    CheckLoss(table);
    table->target_info.name = table->target.column.name;
    table->target_info.task = table->task;
    if (table->task == MAAS_TASK_CLASSIFY)
        LearnClasses(table);
    else
        LearnNumbers(table, table->settings->standardize && !loss_rules[table->settings->train.loss].unit);
}

/* Whether there are whole numbers that a model of two classes does not have. */
static bool HasFurther(const Table *table)
{
    const Dictionary *dictionary = &table->target.dictionary;
    int64 known = 0;

    for (int i = 0; i < 2; i++)
        known += DictionaryFind(dictionary, (MaasStr){i ? "1" : "0", 1}) != NULL;
    return dictionary->n > known;
}

void TargetOfModel(Table *table, int64 n_outputs, bool numbers, int n_labels, const char *const *labels)
{
    DecideTask(table, n_outputs > 1);
    if (table->settings->task == TASK_AUTO && table->target.dictionary.hash && n_labels > 1)
        table->task = MAAS_TASK_CLASSIFY;
    else if (table->settings->task == TASK_AUTO && table->task == MAAS_TASK_CLASSIFY &&
             IsWholeNumber(table->target.type) && (numbers || (n_outputs == 1 && HasFurther(table))))
        table->task = MAAS_TASK_REGRESS;
    CheckLoss(table);
    table->target_info.name = table->target.column.name;
    table->target_info.task = table->task;
    if (table->task == MAAS_TASK_CLASSIFY)
        TakeClasses(table, n_outputs, n_labels, labels);
    else {
        LearnNumbers(table, false); /* the model gives numbers in their own unit */
        if (table->target_info.n != n_outputs)
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("the model gives " INT64_FORMAT " numbers, the target \"%s\" has " INT64_FORMAT,
                                   n_outputs, table->target.name, (int64)table->target_info.n)));
    }
}
