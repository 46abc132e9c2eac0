/*
 * table.c - the columns of a query as something to learn from, and its rows one by one.
 *
 * A survey reads all rows once; later rounds read them again, with the same rows left out and kept apart: both are
 * decided by the rows' content and order and by the seed, and every round sees what the calling statement sees.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "run/bind.h"
#include "run/scalar.h"
#include "source.h"
#include "target.h"
#include "words.h"

#define MOST_WEIGHT 1e30 /* a batch of them has a sum */

/* ---- columns ---- */

static const char *NameOf(const Table *table, int attribute)
{
    return NameStr(TupleDescAttr(table->rows.desc, attribute)->attname);
}

static bool ElementsAreNumbers(Oid type)
{
    return ScalarIsNumber(type) || type == BOOLOID;
}

static SourceKind KindOf(const Table *table, int attribute, Oid type)
{
    Oid element = get_element_type(type);

    if (ScalarIsNumber(type))
        return SOURCE_NUMBER;
    if (type == BOOLOID)
        return SOURCE_BOOL;
    if (ScalarIsTime(type))
        return SOURCE_TIME;
    if (type == TEXTOID || type == VARCHAROID || type == BPCHAROID || type == NAMEOID || type_is_enum(type))
        return SOURCE_TEXT;
    if (OidIsValid(element) && ElementsAreNumbers(element))
        return SOURCE_ARRAY;
    if (BindIsTensor(type))
        return SOURCE_TENSOR;
    ereport(ERROR,
            (errcode(ERRCODE_DATATYPE_MISMATCH),
             errmsg("column \"%s\" is of type %s, which cannot be learned from", NameOf(table, attribute),
                    format_type_be(type)),
             errhint("Cast it to a number, a boolean, text, a date, a timestamp, an array of numbers or a tensor, "
                     "or leave it out of the query.")));
}

static void SourceInit(const Table *table, Source *source, int attribute)
{
    static const MaasColumnKind kinds[] = {
        [SOURCE_NUMBER] = MAAS_COLUMN_NUMBER, [SOURCE_BOOL] = MAAS_COLUMN_BOOL,
        [SOURCE_TIME] = MAAS_COLUMN_TIME,     [SOURCE_TEXT] = MAAS_COLUMN_CATEGORY,
        [SOURCE_ARRAY] = MAAS_COLUMN_TENSOR,  [SOURCE_TENSOR] = MAAS_COLUMN_TENSOR};
    size_t length;

    source->attribute = attribute;
    source->name = pstrdup(NameOf(table, attribute));
    source->type = getBaseType(TupleDescAttr(table->rows.desc, attribute)->atttypid);
    source->kind = KindOf(table, attribute, source->type);
    source->column.name = pstrdup(BorderUtf8(source->name, strlen(source->name), &length));
    source->column.kind = kinds[source->kind];
    source->column.deviation = 1;
}

/* The column of this name; throws with the nearest one. */
static int FindColumn(const Table *table, const char *name, const char *what)
{
    const char **names = palloc(sizeof(*names) * Max(table->rows.desc->natts, 1));
    const char *nearest;

    for (int c = 0; c < table->rows.desc->natts; c++) {
        names[c] = NameOf(table, c);
        if (strcmp(names[c], name) == 0)
            return c;
    }
    nearest = maas_nearest_name(name, names, table->rows.desc->natts, sizeof(*names));
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the query has no column \"%s\" %s", name, what),
                    nearest ? errhint("Did you mean \"%s\"?", nearest) : 0));
}

static void CheckNames(const Table *table)
{
    for (int c = 0; c < table->rows.desc->natts; c++)
        for (int d = 0; d < c; d++)
            if (strcmp(NameOf(table, c), NameOf(table, d)) == 0)
                ereport(ERROR, (errcode(ERRCODE_DUPLICATE_COLUMN),
                                errmsg("the query has two columns \"%s\"", NameOf(table, c)),
                                errhint("Columns are inputs by their names: give one of them another, with AS.")));
}

static int FindSpecial(const Table *table, const char *name, const char *what, bool boolean)
{
    int c = name ? FindColumn(table, name, what) : -1;

    if (c >= 0 && c == table->target.attribute)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("column \"%s\" %s is the target", name, what),
                 errhint("Give the query a further column for it.")));
    if (c >= 0) {
        Oid type = getBaseType(TupleDescAttr(table->rows.desc, c)->atttypid);

        if (boolean ? type != BOOLOID : !ScalarIsNumber(type))
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("column \"%s\" %s is of type %s, not %s", name, what, format_type_be(type),
                                   boolean ? "boolean" : "a number")));
    }
    return c;
}

/* The columns that are bound to the inputs of a model. */
static void PlanFeatures(Table *table)
{
    TupleDesc desc = table->rows.desc;
    int next = 0;

    table->features = CreateTemplateTupleDesc(desc->natts - 1 - (table->weight >= 0) - (table->validation >= 0));
    for (int c = 0; c < desc->natts; c++)
        if (c != table->target.attribute && c != table->weight && c != table->validation)
            TupleDescCopyEntry(table->features, ++next, desc, c + 1);
    table->features = BlessTupleDesc(table->features);
}

Datum TableFeatures(const Table *table)
{
    int natts = table->rows.desc->natts, next = 0;
    Datum *values = palloc(sizeof(Datum) * natts);
    bool *nulls = palloc(sizeof(bool) * natts);

    for (int c = 0; c < natts; c++) {
        if (c == table->target.attribute || c == table->weight || c == table->validation)
            continue;
        values[next] = table->values[c];
        nulls[next++] = table->nulls[c];
    }
    return HeapTupleGetDatum(heap_form_tuple(table->features, values, nulls));
}

Table *TableOpen(const char *query, const char *target, const Settings *settings, const char *function, bool bind)
{
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "maas table", ALLOCSET_DEFAULT_SIZES), old;
    Table *table = MemoryContextAllocZero(context, sizeof(*table));
    int natts, n_features = 0;

    table->context = context;
    table->row = AllocSetContextCreate(context, "maas row", ALLOCSET_DEFAULT_SIZES);
    table->settings = settings;
    old = CurrentMemoryContext;
    RowsOpen(&table->rows, query, function, context);
    MemoryContextSwitchTo(context);
    natts = table->rows.desc->natts;
    CheckNames(table);
    table->target.attribute = FindColumn(table, target, "to be the target");
    table->weight = FindSpecial(table, settings->weight_column, "of weights", false);
    table->validation = FindSpecial(table, settings->validation_column, "of rows to keep apart", true);
    table->sources = palloc0(sizeof(Source) * Max(natts, 1));
    for (int c = 0; c < natts; c++, n_features++)
        if (c == table->target.attribute || c == table->weight || c == table->validation)
            n_features--;
        else if (!bind)
            SourceInit(table, &table->sources[table->n_sources++], c);
    SourceInit(table, &table->target, table->target.attribute);
    if (bind)
        PlanFeatures(table);
    if (n_features == 0)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("the query has no column to learn from"),
                        errhint("It needs columns beside the target.")));
    table->values = palloc0(sizeof(Datum) * natts);
    table->nulls = palloc0(sizeof(bool) * natts);
    MemoryContextSwitchTo(old);
    return table;
}

/* ---- rows ---- */

void TableRewind(Table *table)
{
    RowsRewind(&table->rows);
    table->number = 0;
    table->kept = -1;
    if (table->strata)
        memset(table->strata, 0, sizeof(int64) * table->target_info.n);
    if (table->seen)
        hash_destroy(table->seen);
    table->seen = NULL;
}

/* Whether the value is missing: NULL, or what is taken for it, NaN and an infinite time. */
static bool IsMissing(const Table *table, const Source *source)
{
    if (table->nulls[source->attribute])
        return true;
    return (source->kind == SOURCE_NUMBER || source->kind == SOURCE_TIME) && isnan(SourceNumber(table, source));
}

static bool Lacks(const Table *table)
{
    for (int c = 0; c < table->rows.desc->natts; c++)
        if (table->nulls[c])
            return true;
    for (int i = 0; i < table->n_sources; i++)
        if (IsMissing(table, &table->sources[i]))
            return true;
    return false;
}

/* Whether an equal row has come before. */
static bool IsDuplicate(Table *table)
{
    HASHCTL control = {.keysize = sizeof(uint64), .entrysize = sizeof(uint64), .hcxt = table->context};
    uint64 hash = 0;
    bool found;

    if (!table->seen)
        table->seen = hash_create("maas rows", 1024, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    for (int c = 0; c < table->rows.desc->natts; c++) {
        Oid output;
        bool varlena;
        const char *text;

        getTypeOutputInfo(TupleDescAttr(table->rows.desc, c)->atttypid, &output, &varlena);
        text = table->nulls[c] ? "" : OidOutputFunctionCall(output, table->values[c]);
        hash = hash_combine64(
            hash, hash_bytes_extended((const unsigned char *)text, (int)strlen(text), table->nulls[c] ? 1 : 0));
    }
    hash_search(table->seen, &hash, HASH_ENTER, &found);
    return found;
}

void TableCheckSame(const Table *table)
{
    if (table->kept + 1 != table->n_rows)
        ereport(
            ERROR,
            (errcode(ERRCODE_DATA_EXCEPTION),
             errmsg("the query returned " INT64_FORMAT " rows to use, " INT64_FORMAT " when it was run before",
                    table->kept + 1, table->n_rows),
             errhint("The query must return the same rows each time it is run: random() and the like do not.")));
}

/* Reads rows up to one that counts. */
static bool NextThatCounts(Table *table)
{
    while ((table->tuple = RowsNext(&table->rows)) != NULL) {
        MemoryContext old;
        bool counts = true;

        MemoryContextReset(table->row);
        old = MemoryContextSwitchTo(table->row);
        table->number++;
        heap_deform_tuple(table->tuple, table->rows.desc, table->values, table->nulls);
        if (table->nulls[table->target.attribute])
            ereport(ERROR,
                    (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                     errmsg("the target \"%s\" is NULL in row " INT64_FORMAT, table->target.name, table->number),
                     errhint("Leave such rows out: WHERE %s IS NOT NULL.", quote_identifier(table->target.name))));
        if (table->settings->missing == MISSING_DROP && Lacks(table)) {
            table->n_dropped++;
            counts = false;
        } else if (table->settings->deduplicate && IsDuplicate(table)) {
            table->n_duplicates++;
            counts = false;
        }
        MemoryContextSwitchTo(old);
        if (counts) {
            table->kept++;
            return true;
        }
    }
    return false;
}

/* A number in [0, 1) that a hash stands for. */
static double Fraction(uint64 hash)
{
    return (double)(hash >> 11) / 9007199254740992.0;
}

/* Whether the row is kept apart; before: rows of its class that came before, of that text. */
static bool IsApart(const Table *table, MaasStr class, int64 before)
{
    double share = table->settings->validation;
    uint64 seed = (uint64)table->settings->train.seed;

    if (table->validation >= 0)
        return !table->nulls[table->validation] && DatumGetBool(table->values[table->validation]);
    if (table->settings->split == SPLIT_STRATIFIED && class.length > 0) {
        double offset = Fraction(hash_bytes_extended((const unsigned char *)class.data, (int)class.length, seed));

        return floor((double)(before + 1) * share + offset) > floor((double)before * share + offset);
    }
    return Fraction(hash_bytes_extended((const unsigned char *)&table->kept, sizeof(table->kept), seed)) < share;
}

double TableWeight(const Table *table)
{
    double weight;

    if (table->weight < 0)
        return 1;
    weight = table->nulls[table->weight]
                 ? NAN
                 : ScalarNumber(getBaseType(TupleDescAttr(table->rows.desc, table->weight)->atttypid),
                                table->values[table->weight]);
    if (!(weight >= 0 && weight <= MOST_WEIGHT))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the weight in column \"%s\" of row " INT64_FORMAT " must be a number from 0 to %g",
                               NameOf(table, table->weight), table->number, MOST_WEIGHT)));
    return weight;
}

bool TableNext(Table *table, bool *apart)
{
    MemoryContext old;

    if (!NextThatCounts(table))
        return false;
    old = MemoryContextSwitchTo(table->row);
    if (table->settings->split == SPLIT_STRATIFIED && table->validation < 0) {
        const DictionaryEntry *entry = TargetClass(table);

        *apart = IsApart(table, (MaasStr){entry->key.text, entry->key.length}, table->strata[entry->code]++);
    } else
        *apart = IsApart(table, (MaasStr){"", 0}, 0);
    MemoryContextSwitchTo(old);
    return true;
}

/* ---- the survey ---- */

/* Refuses a column whose values are all the same: nothing can be learned from it. */
static void RefuseConstant(const Table *table, const Source *source)
{
    bool text = source->kind == SOURCE_TEXT, tensor = source->column.kind == MAAS_COLUMN_TENSOR;
    bool words = source->column.kind == MAAS_COLUMN_TEXT;
    bool varies = tensor || words ? source->varies
                  : text          ? source->dictionary.n > 1
                                  : source->lowest != source->highest || source->n_missing > 0;

    if (!tensor && source->n_missing == table->n_rows)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("column \"%s\" is NULL in every row", source->name),
                        errhint("Leave it out of the query.")));
    if (words && source->dictionary.n == 0)
        ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("column \"%s\" has no words", source->name)));
    if (varies)
        return;
    ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("column \"%s\" is constant", source->name),
                    errdetail("Nothing can be learned from a column whose values are all the same."),
                    errhint("Leave it out of the query.")));
}

#define DAY 86400.0
#define YEAR 31556952.0

static void LearnColumn(const Table *table, Source *source, bool whole, bool raw)
{
    MaasColumn *column = &source->column;
    bool standardize = table->settings->standardize;

    RefuseConstant(table, source);
    column->mean = source->mean;
    column->deviation = SourceDeviation(source);
    if (!isfinite(column->deviation))
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("the numbers of column \"%s\" are too large", source->name),
                        errhint("Divide them by a number in the query.")));
    column->raw = !standardize;
    column->fill = source->mean;
    column->missing = source->n_missing > 0;
    if (column->kind == MAAS_COLUMN_TEXT)
        WordsLearn(source);
    else if (source->kind == SOURCE_TEXT)
        column->categories = DictionaryKeep(&source->dictionary, table->settings->max_categories, KEEP_BY_TEXT,
                                            &column->n_categories);
    if (source->kind == SOURCE_TIME) {
        column->raw = false;
        if (table->settings->calendar) {
            if (source->type != DATEOID)
                column->periods[column->n_periods++] = DAY;
            if (source->highest - source->lowest > 2 * DAY)
                column->periods[column->n_periods++] = 7 * DAY;
            if (source->highest - source->lowest > 60 * DAY)
                column->periods[column->n_periods++] = YEAR;
        }
    }
    if (column->kind == MAAS_COLUMN_TENSOR) {
        column->missing = false;
        column->whole = whole && !source->fractions;
        column->type = column->whole ? MAAS_INT64 : MAAS_FLOAT;
        if (raw || column->whole || !standardize) {
            column->mean = 0;
            column->deviation = 1;
        }
    }
}

static void ReadRows(Table *table)
{
    TableRewind(table);
    while (NextThatCounts(table)) {
        MemoryContext old = MemoryContextSwitchTo(table->row);
        MaasStr class = {"", 0};
        int64 before = 0;
        double weight;

        if (table->settings->missing == MISSING_ERROR)
            for (int i = 0; i < table->n_sources; i++)
                if (IsMissing(table, &table->sources[i]))
                    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                                    errmsg("column \"%s\" is %s in row " INT64_FORMAT, table->sources[i].name,
                                           table->nulls[table->sources[i].attribute] ? "NULL" : "no number",
                                           table->number)));
        for (int i = 0; i < table->n_sources; i++)
            SourceCount(table, &table->sources[i]);
        TargetCount(table);
        if (table->settings->split == SPLIT_STRATIFIED && table->target.dictionary.hash) {
            class = TargetText(table);
            before = DictionaryFind(&table->target.dictionary, class)->count - 1;
        }
        weight = TableWeight(table);
        table->n_rows++;
        if (IsApart(table, class, before))
            table->n_validation++;
        else {
            table->n_train++;
            table->n_weighted += weight > 0;
            for (int i = 0; i < table->n_sources; i++)
                if (table->sources[i].column.kind == MAAS_COLUMN_TEXT)
                    WordsCount(table, &table->sources[i]);
        }
        MemoryContextSwitchTo(old);
    }
}

/* Reads all rows; throws when none is left to learn from. */
static void ReadAll(Table *table)
{
    ReadRows(table);
    if (table->n_rows == 0)
        ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
                        table->number ? errmsg("every row of the query lacks a value: none is left to learn from")
                                      : errmsg("the query returns no rows")));
    if (table->n_train == 0)
        ereport(ERROR, (errcode(ERRCODE_NO_DATA_FOUND),
                        errmsg("every row is kept apart for validation: none is left to learn from")));
    if (table->n_weighted == 0)
        ereport(ERROR,
                (errcode(ERRCODE_NO_DATA_FOUND), errmsg("every row to learn from has the weight 0 in column \"%s\"",
                                                        NameOf(table, table->weight))));
}

void TableSurveyTarget(Table *table, int64 n_outputs, bool numbers, int n_labels, const char *const *labels)
{
    MemoryContext old;

    ReadAll(table);
    old = MemoryContextSwitchTo(table->context);
    TargetOfModel(table, n_outputs, numbers, n_labels, labels);
    MemoryContextSwitchTo(old);
}

static uint64 HashTexts(uint64 hash, int64 n, const MaasStr *texts)
{
    for (int64 i = 0; texts && i < n; i++)
        hash = hash_combine64(
            hash, hash_bytes_extended((const unsigned char *)texts[i].data, (int)texts[i].length, (uint64)i));
    return hash;
}

uint64 TableMeaning(const Table *table)
{
    const MaasTarget *target = &table->target_info;
    uint64 hash = HashTexts((uint64)target->n, target->n, target->strings);

    for (int64 i = 0; target->numbers && i < target->n; i++)
        hash = hash_combine64(hash, (uint64)target->numbers[i]);
    for (int i = 0; i < table->learned.n_columns; i++) {
        const MaasColumn *column = &table->learned.columns[i];

        hash = hash_combine64(hash, (uint64)column->kind << 1 | column->missing);
        hash = HashTexts(hash, column->n_categories, column->categories);
    }
    return hash;
}

void TableTexts(Table *table, int n, const MaasArchText *texts)
{
    for (int i = 0; i < n; i++)
        for (int k = 0; k < table->n_sources; k++) {
            Source *source = &table->sources[k];

            if (source->column.kind != MAAS_COLUMN_CATEGORY ||
                (texts[i].input ? strcmp(texts[i].input, source->column.name) != 0 : table->n_sources > 1))
                continue;
            source->column.kind = MAAS_COLUMN_TEXT;
            source->column.text = texts[i].rule;
            source->column.length = texts[i].length;
            source->max_tokens = texts[i].max_tokens;
        }
}

void TableSurvey(Table *table, bool classes, bool whole, bool raw)
{
    MemoryContext old;
    MaasColumn *columns;

    ReadAll(table);
    old = MemoryContextSwitchTo(table->context);
    TargetLearn(table, classes);
    columns = palloc(sizeof(*columns) * table->n_sources);
    for (int i = 0; i < table->n_sources; i++) {
        LearnColumn(table, &table->sources[i], whole, raw);
        columns[i] = table->sources[i].column;
    }
    table->learned = (MaasPreparation){table->n_sources, columns, table->settings->clip_outliers};
    MemoryContextSwitchTo(old);
}
