/*
 * source.c - the values of one column, and what they are like.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "run/scalar.h"
#include "source.h"
#include "type/tensor.h"

#define MAX_DISTINCT 1000000

/* ---- dictionaries ---- */

static uint32 HashEntry(const void *key, Size size)
{
    const DictionaryEntry *entry = key;

    return hash_bytes((const unsigned char *)entry->key.text, (int)entry->key.length);
}

static int CompareEntry(const void *a, const void *b, Size size)
{
    const DictionaryEntry *x = a, *y = b;

    return x->key.length == y->key.length ? memcmp(x->key.text, y->key.text, x->key.length) : 1;
}

static void DictionaryInit(Dictionary *dictionary, MemoryContext context)
{
    HASHCTL control = {.keysize = sizeof(((DictionaryEntry *)0)->key),
                       .entrysize = sizeof(DictionaryEntry),
                       .hash = HashEntry,
                       .match = CompareEntry,
                       .hcxt = context};

    dictionary->hash =
        hash_create("maas dictionary", 256, &control, HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

DictionaryEntry *DictionaryFind(const Dictionary *dictionary, MaasStr text)
{
    DictionaryEntry probe = {.key = {text.data, text.length}};

    return hash_search(dictionary->hash, &probe.key, HASH_FIND, NULL);
}

void DictionaryCount(const Table *table, Source *source, MaasStr text)
{
    DictionaryEntry probe = {.key = {text.data, text.length}}, *entry;
    bool found;

    if (!source->dictionary.hash)
        DictionaryInit(&source->dictionary, table->context);
    if (source->column.kind == MAAS_COLUMN_TEXT && source->dictionary.n >= MAX_DISTINCT &&
        !DictionaryFind(&source->dictionary, text))
        return; /* so late a word would not be among the most frequent ones */
    entry = hash_search(source->dictionary.hash, &probe.key, HASH_ENTER, &found);
    if (!found) {
        char *copy = MemoryContextAlloc(table->context, text.length + 1);

        memcpy(copy, text.data, text.length);
        copy[text.length] = '\0'; /* those of whole numbers are read as such */
        entry->key.text = copy;
        entry->count = 0;
        entry->code = -1;
        if (++source->dictionary.n > MAX_DISTINCT)
            ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                            errmsg("column \"%s\" has more than %d different values", source->name, MAX_DISTINCT),
                            errhint("Leave it out of the query, or group its values.")));
    }
    entry->count++;
}

static int ByCount(const void *a, const void *b)
{
    const DictionaryEntry *x = *(DictionaryEntry *const *)a, *y = *(DictionaryEntry *const *)b;
    int order = memcmp(x->key.text, y->key.text, Min(x->key.length, y->key.length));

    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return order ? order : x->key.length < y->key.length ? -1 : 1;
}

static int ByText(const void *a, const void *b)
{
    const DictionaryEntry *x = *(DictionaryEntry *const *)a, *y = *(DictionaryEntry *const *)b;
    int order = memcmp(x->key.text, y->key.text, Min(x->key.length, y->key.length));

    return order ? order : x->key.length < y->key.length ? -1 : 1;
}

/* Numbers before others, by size. */
static int ByNumber(const void *a, const void *b)
{
    const DictionaryEntry *x = *(DictionaryEntry *const *)a, *y = *(DictionaryEntry *const *)b;
    int64 i = strtoll(x->key.text, NULL, 10), j = strtoll(y->key.text, NULL, 10);

    return i < j ? -1 : i > j;
}

MaasStr *DictionaryKeep(Dictionary *dictionary, int64 limit, KeepOrder order, int64 *n)
{
    HASH_SEQ_STATUS scan;
    DictionaryEntry *entry,
        **all = MemoryContextAllocHuge(CurrentMemoryContext, sizeof(*all) * Max(dictionary->n, 1));
    MaasStr *kept;
    int64 i = 0;

    hash_seq_init(&scan, dictionary->hash);
    while ((entry = hash_seq_search(&scan)) != NULL)
        all[i++] = entry;
    qsort(all, i, sizeof(*all), ByCount);
    *n = Min(i, limit);
    if (order != KEEP_BY_COUNT)
        qsort(all, *n, sizeof(*all), order == KEEP_BY_NUMBER ? ByNumber : ByText);
    kept = palloc(sizeof(*kept) * Max(*n, 1));
    for (int64 k = 0; k < *n; k++) {
        all[k]->code = k;
        kept[k] = (MaasStr){all[k]->key.text, all[k]->key.length};
    }
    pfree(all);
    return kept;
}

/* ---- values ---- */

static bool IsNull(const Table *table, const Source *source)
{
    return table->nulls[source->attribute];
}

double SourceNumber(const Table *table, const Source *source)
{
    Datum value = table->values[source->attribute];

    if (IsNull(table, source))
        return NAN;
    switch (source->kind) {
    case SOURCE_BOOL:
        return DatumGetBool(value);
    case SOURCE_TIME:
        return ScalarTime(source->type, value);
    default: {
        double number = ScalarNumber(source->type, value);

        if (isinf(number))
            ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                            errmsg("column \"%s\" is infinite in row " INT64_FORMAT, source->name, table->number)));
        return number;
    }
    }
}

MaasStr SourceText(const Table *table, const Source *source)
{
    Datum value = table->values[source->attribute];
    MaasStr text = {"", 0};
    const char *bytes;
    Oid output;
    bool varlena;

    if (IsNull(table, source))
        return text;
    getTypeOutputInfo(source->type, &output, &varlena);
    bytes = OidOutputFunctionCall(output, value);
    text.length = strlen(bytes);
    while (source->type == BPCHAROID && text.length > 0 && bytes[text.length - 1] == ' ')
        text.length--; /* what pads a char(n) is no part of it */
    text.data = BorderUtf8(bytes, text.length, &text.length);
    return text;
}

/* ---- arrays and tensors ---- */

static MaasType ElementType(Oid type)
{
    switch (type) {
    case BOOLOID:
        return MAAS_BOOL;
    case INT2OID:
        return MAAS_INT16;
    case INT4OID:
        return MAAS_INT32;
    case INT8OID:
        return MAAS_INT64;
    case FLOAT4OID:
        return MAAS_FLOAT;
    case FLOAT8OID:
    case NUMERICOID:
        return MAAS_DOUBLE;
    default:
        return MAAS_UNDEFINED;
    }
}

static void ViewArray(const Table *table, const Source *source, MaasTensor *view)
{
    ArrayType *array = DatumGetArrayTypeP(table->values[source->attribute]);
    Oid element = ARR_ELEMTYPE(array);

    memset(view, 0, sizeof(*view));
    if (array_contains_nulls(array))
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                        errmsg("the array in column \"%s\" contains NULL in row " INT64_FORMAT, source->name,
                               table->number)));
    view->type = ElementType(element);
    view->rank = ARR_NDIM(array);
    view->count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    for (int d = 0; d < view->rank; d++)
        view->dims[d] = ARR_DIMS(array)[d];
    view->data = ARR_DATA_PTR(array);
    if (element == NUMERICOID) {
        double *numbers = palloc(sizeof(double) * Max(view->count, 1));
        Datum *items;
        int n;

        deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &items, NULL, &n);
        for (int i = 0; i < n; i++)
            numbers[i] = ScalarNumber(NUMERICOID, items[i]);
        view->data = numbers;
    }
}

static const char *ShapeText(int rank, const int64_t *dims)
{
    char *text = palloc(512);

    return maas_dims_text(rank, dims, NULL, text, 512);
}

/* The elements, in the current memory context where they cannot stay where they lie. */
static void ViewElements(const Table *table, const Source *source, MaasTensor *view)
{
    if (IsNull(table, source))
        ereport(
            ERROR,
            (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
             errmsg("column \"%s\" is NULL in row " INT64_FORMAT, source->name, table->number),
             errhint("Leave such rows out with the option \"missing\": \"drop\", or replace NULL in the query.")));
    if (source->kind == SOURCE_ARRAY)
        ViewArray(table, source, view);
    else
        TensorView(DatumGetTensor(table->values[source->attribute]), view);
    if (view->type == MAAS_STRING || view->type == MAAS_COMPLEX64 || view->type == MAAS_COMPLEX128)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("column \"%s\" has elements of type %s in row " INT64_FORMAT ", where numbers are expected",
                        source->name, maas_type_name(view->type), table->number)));
    if (source->has_shape && (view->rank != source->column.rank ||
                              memcmp(view->dims, source->dims, sizeof(view->dims[0]) * view->rank) != 0))
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("column \"%s\" has shape %s in row " INT64_FORMAT ", %s in the rows before it",
                               source->name, ShapeText(view->rank, view->dims), table->number,
                               ShapeText(source->column.rank, source->dims)),
                        errhint("Arrays and tensors of a column must all have the same shape.")));
}

/* Converts to float, double or, for whole ones, int64. */
static void ConvertElements(const Table *table, const Source *source, const MaasTensor *view, MaasType type,
                            void *out)
{
    MaasMem mem;
    MaasError err = {0};
    MaasValue *value;

    if (view->type == type) {
        memcpy(out, view->data, maas_tensor_bytes(view));
        return;
    }
    BorderMem(&mem, CurrentMemoryContext);
    if (maas_tensor_cast(view, type, type == MAAS_INT64, &mem, &value, &err) != MAAS_OK) {
        maas_error_prefix(&err, "column \"%s\", row " INT64_FORMAT, source->name, table->number);
        BorderThrow(&err);
    }
    memcpy(out, value->tensor.data, maas_tensor_bytes(&value->tensor));
    maas_value_unref(value);
}

void SourceElements(const Table *table, const Source *source, void *out)
{
    MaasTensor view;

    ViewElements(table, source, &view);
    ConvertElements(table, source, &view, source->column.whole ? MAAS_INT64 : MAAS_FLOAT, out);
}

void SourceDoubles(const Table *table, const Source *source, double *out)
{
    MaasTensor view;

    ViewElements(table, source, &view);
    ConvertElements(table, source, &view, MAAS_DOUBLE, out);
}

/* ---- statistics ---- */

/* Welford's running mean and sum of squared distances. */
static void Count(Source *source, double x)
{
    double before = x - source->mean;

    source->n++;
    source->mean += before / (double)source->n;
    source->squares += before * (x - source->mean);
    if (source->n == 1 || x < source->lowest)
        source->lowest = x;
    if (source->n == 1 || x > source->highest)
        source->highest = x;
}

/* What the elements of one row are like. */
typedef struct Elements {
    double sum, squares; /* of their distances from `about` */
    double lowest, highest;
    bool fractions;
} Elements;

/* Floats of 2^23 and more are whole. */
static bool IsFraction(float x)
{
    return fabsf(x) < 8388608.0f && x != (float)(int32)x;
}

/* Four sums side by side: one would wait for itself at every element. */
static void SumElements(const float *x, int64 n, double about, bool whole, Elements *e)
{
    double sum[4] = {0}, squares[4] = {0};
    float lowest = x[0], highest = x[0];
    int64 i = 0;

    for (; i + 4 <= n; i += 4)
        for (int lane = 0; lane < 4; lane++) {
            float value = x[i + lane];
            double distance = value - about;

            sum[lane] += distance;
            squares[lane] += distance * distance;
            lowest = value < lowest ? value : lowest;
            highest = value > highest ? value : highest;
        }
    for (; i < n; i++) {
        sum[0] += x[i] - about;
        squares[0] += (x[i] - about) * (x[i] - about);
        lowest = Min(lowest, x[i]);
        highest = Max(highest, x[i]);
    }
    e->sum = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    e->squares = (squares[0] + squares[1]) + (squares[2] + squares[3]);
    e->lowest = lowest;
    e->highest = highest;
    e->fractions = false;
    for (i = 0; i < n && !whole && !e->fractions; i++)
        e->fractions = IsFraction(x[i]);
}

/* The same for many elements at once: their distances from the mean so far move it. */
static void CountElements(const Table *table, Source *source)
{
    MaasTensor view;
    float *x;
    Elements e;
    int64 n;

    ViewElements(table, source, &view);
    if (!source->has_shape) {
        source->has_shape = true;
        source->column.rank = view.rank;
        memcpy(source->dims, view.dims, sizeof(source->dims[0]) * view.rank);
        source->column.dims = source->dims;
        if (view.count == 0)
            ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                            errmsg("column \"%s\" is empty in row " INT64_FORMAT, source->name, table->number)));
    }
    n = view.count;
    x = palloc(sizeof(float) * n);
    ConvertElements(table, source, &view, MAAS_FLOAT, x);
    if (!source->varies) {
        uint64 hash = hash_bytes_extended((const unsigned char *)x, (int)Min(n * sizeof(float), PG_INT32_MAX), 0);

        if (source->n == 0)
            source->first_hash = hash;
        source->varies = hash != source->first_hash;
    }
    if (source->n == 0)
        source->mean = x[0];
    SumElements(x, n, source->mean, source->fractions || maas_type_is_int(view.type) || view.type == MAAS_BOOL, &e);
    if (!isfinite(e.sum))
        ereport(ERROR, (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                        errmsg("column \"%s\" holds an infinite number or NaN in row " INT64_FORMAT, source->name,
                               table->number)));
    source->fractions |= e.fractions;
    source->lowest = source->n ? Min(source->lowest, e.lowest) : e.lowest;
    source->highest = source->n ? Max(source->highest, e.highest) : e.highest;
    source->n += n;
    source->mean += e.sum / (double)source->n;
    source->squares += e.squares - e.sum * e.sum / (double)source->n;
    pfree(x);
}

void SourceCount(const Table *table, Source *source)
{
    switch (source->kind) {
    case SOURCE_TEXT:
        if (IsNull(table, source))
            source->n_missing++;
        if (source->column.kind ==
            MAAS_COLUMN_TEXT) /* its words are counted when it is known that the row is learned */
            break;
        DictionaryCount(table, source, SourceText(table, source));
        source->n++;
        break;
    case SOURCE_ARRAY:
    case SOURCE_TENSOR:
        CountElements(table, source);
        break;
    default: {
        double x = SourceNumber(table, source);

        if (isnan(x))
            source->n_missing++;
        else
            Count(source, x);
    }
    }
}

double SourceDeviation(const Source *source)
{
    return source->n > 1 ? sqrt(source->squares / (double)source->n) : 0;
}
