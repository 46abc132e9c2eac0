/*
 * row.c - a row becomes the inputs of a model.
 *
 * A model with several inputs, as scikit-learn pipelines export them, takes each from the column of its name: the
 * same name, or failing that the only one that differs in the case of letters.  A model with one input takes it
 * from the column of its name; else from the row's only column when that is an array or a tensor; else the numeric
 * columns (for an input of strings: the text columns) in order, and passes over the others.
 *
 * Which column goes where is worked out once for a model and a row type, and kept for the next rows.  A plan holds
 * no right and no value: its keys are the content hash and the server's identifier of the row type.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "bind.h"
#include "scalar.h"
#include "type/tensor.h"

typedef enum ColumnKind {
    COLUMN_NUMBER,
    COLUMN_BOOL,
    COLUMN_TEXT,
    COLUMN_ARRAY,
    COLUMN_TENSOR,
    COLUMN_TIME,
    COLUMN_OTHER
} ColumnKind;

typedef struct RowPlan {
    MemoryContext context; /* NULL: no plan */
    uint8 sha256[MODEL_SHA256_BYTES];
    uint64 row_type;
    TupleDesc desc;
    const char *model; /* its name, for messages */
    bool packed;       /* several columns make up the only input */
    int input;         /* packed: that input */
    int n_columns;     /* packed: the columns in order; else one for each input */
    int *columns;      /* numbers of attributes from 0; -1: the input's default */
    ColumnKind *kinds;
    Oid *types;          /* of each: the type below domains */
    const char **places; /* of each, for messages */
    bool scalar;         /* every column that is used is a plain scalar, see IsPlainScalar */
    Datum *values;       /* room for a row */
    bool *nulls;
} RowPlan;

/* The last ones: a query may ask several models about its rows. */
#define ROW_PLANS 8
static RowPlan plans[ROW_PLANS];
static int next_plan;

/* ---- columns ---- */

bool BindIsTensor(Oid type)
{
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    Oid input;
    FmgrInfo info;

    if (!HeapTupleIsValid(tuple))
        return false;
    input = ((Form_pg_type)GETSTRUCT(tuple))->typinput;
    ReleaseSysCache(tuple);
    fmgr_info(input, &info);
    return info.fn_addr == tensor_in;
}

static ColumnKind KindOf(Oid type)
{
    switch (type) {
    case INT2OID:
    case INT4OID:
    case INT8OID:
    case FLOAT4OID:
    case FLOAT8OID:
    case NUMERICOID:
        return COLUMN_NUMBER;
    case BOOLOID:
        return COLUMN_BOOL;
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID:
    case NAMEOID:
        return COLUMN_TEXT;
    default:
        break;
    }
    if (type_is_enum(type))
        return COLUMN_TEXT;
    if (OidIsValid(get_element_type(type)))
        return COLUMN_ARRAY;
    if (ScalarIsTime(type))
        return COLUMN_TIME;
    return BindIsTensor(type) ? COLUMN_TENSOR : COLUMN_OTHER;
}

static const char *ColumnName(TupleDesc desc, int column)
{
    return NameStr(TupleDescAttr(desc, column)->attname);
}

/* The column of this name, which is the engine's UTF-8: exactly, or the only one but for the case of letters. */
static int FindColumn(TupleDesc desc, const char *utf8)
{
    int found = -1, n_found = 0;

    for (int c = 0; c < desc->natts; c++) {
        size_t length;
        const char *name = BorderUtf8(ColumnName(desc, c), strlen(ColumnName(desc, c)), &length);

        if (TupleDescAttr(desc, c)->attisdropped)
            continue;
        if (strcmp(name, utf8) == 0)
            return c;
        if (pg_strcasecmp(name, utf8) == 0) {
            found = c;
            n_found++;
        }
    }
    return n_found == 1 ? found : -1;
}

/* ---- planning ---- */

static void SetColumn(RowPlan *plan, TupleDesc desc, int slot, int column)
{
    plan->columns[slot] = column;
    if (column < 0)
        return;
    plan->types[slot] = getBaseType(TupleDescAttr(desc, column)->atttypid);
    plan->kinds[slot] = KindOf(plan->types[slot]);
    plan->places[slot] = psprintf("column \"%s\" for model \"%s\"", ColumnName(desc, column), plan->model);
}

/* Adds "name" to a list; *n counts them. */
static void AddName(StringInfo list, int *n, const char *name)
{
    appendStringInfo(list, "%s\"%s\"", (*n)++ ? ", " : "", name);
}

/* Each input from the column of its name; every column must be one. */
static void PlanByName(const Call *call, TupleDesc desc, RowPlan *plan)
{
    const MaasModelInfo *info = call->info;
    StringInfoData missing, extra;
    int n_missing = 0, n_extra = 0;
    bool *used = palloc0(sizeof(bool) * Max(desc->natts, 1));

    initStringInfo(&missing);
    initStringInfo(&extra);
    for (int i = 0; i < info->n_inputs; i++) {
        const char *name = info->inputs[i].name;
        int column = FindColumn(desc, name);

        SetColumn(plan, desc, i, column);
        if (column >= 0)
            used[column] = true;
        else if (!info->inputs[i].optional)
            AddName(&missing, &n_missing, BorderTextForMessage(name, strlen(name)));
    }
    for (int c = 0; c < desc->natts; c++)
        if (!used[c] && !TupleDescAttr(desc, c)->attisdropped)
            AddName(&extra, &n_extra, ColumnName(desc, c));
    if (n_missing)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("the row lacks %s %s, which model \"%s\" expects",
                               n_missing == 1 ? "column" : "columns", missing.data, call->ref->name),
                        n_extra ? errdetail("The row has columns that are no inputs: %s.", extra.data) : 0,
                        errhint("Name the columns like the model's inputs; maas_describe shows them.")));
    if (n_extra)
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                        errmsg("the row has %s %s, which model \"%s\" does not expect",
                               n_extra == 1 ? "column" : "columns", extra.data, call->ref->name),
                        errhint("Pass a row of the model's inputs only, for example from a subquery.")));
}

/* The numeric (or text) columns in order to the only input. */
static void PlanPacked(const Call *call, TupleDesc desc, RowPlan *plan)
{
    const MaasPort *port = &call->info->inputs[plan->input];
    ColumnKind wanted = port->type == MAAS_STRING ? COLUMN_TEXT
                        : port->type == MAAS_BOOL ? COLUMN_BOOL
                                                  : COLUMN_NUMBER;
    int64_t width = port->rank >= 1 ? port->dims[port->rank - 1] : -1;
    bool shape_fits =
        port->rank < 0 || port->rank == 1 || (port->rank == 2 && (port->dims[0] < 0 || port->dims[0] == 1));

    plan->packed = true;
    for (int c = 0; c < desc->natts; c++) {
        if (TupleDescAttr(desc, c)->attisdropped)
            continue;
        SetColumn(plan, desc, plan->n_columns, c);
        if (plan->kinds[plan->n_columns] == wanted)
            plan->n_columns++;
    }
    if (port->rank == 1 && width < 0)
        width = 1; /* the dimension is the batch: an example is one number */
    if (!shape_fits || plan->n_columns == 0 || (width >= 0 && width != plan->n_columns)) {
        static const char *const words[] = {
            [COLUMN_NUMBER] = "numeric", [COLUMN_BOOL] = "boolean", [COLUMN_TEXT] = "text"};
        StringInfoData names;
        int n = 0;

        initStringInfo(&names);
        for (int k = 0; k < plan->n_columns; k++)
            AddName(&names, &n, ColumnName(desc, plan->columns[k]));
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("model \"%s\" expects input \"%s\" of shape %s, got a row with %d %s %s", call->ref->name,
                        BorderTextForMessage(port->name, strlen(port->name)), CallShape(port), n, words[wanted],
                        n == 1 ? "column" : "columns"),
                 n ? errdetail("They are %s.", names.data) : 0,
                 errhint("Pass a row of the model's features only, or an array or a tensor of that shape.")));
    }
}

static void MakePlan(const Call *call, TupleDesc desc, RowPlan *plan)
{
    const MaasModelInfo *info = call->info;
    int required = 0, only = 0, live = 0, first = -1;
    int slots = Max(desc->natts, info->n_inputs) + 1;

    plan->columns = palloc0(sizeof(int) * slots);
    plan->kinds = palloc0(sizeof(ColumnKind) * slots);
    plan->types = palloc0(sizeof(Oid) * slots);
    plan->places = palloc0(sizeof(char *) * slots);
    plan->model = pstrdup(call->ref->name);
    for (int i = 0; i < info->n_inputs; i++) {
        if (!info->inputs[i].optional) {
            required++;
            only = i;
        }
    }
    if (required != 1 || FindColumn(desc, info->inputs[only].name) >= 0) {
        plan->n_columns = info->n_inputs;
        PlanByName(call, desc, plan);
        return;
    }
    for (int c = 0; c < desc->natts; c++) {
        if (!TupleDescAttr(desc, c)->attisdropped) {
            live++;
            first = c;
        }
    }
    for (int i = 0; i < info->n_inputs; i++)
        plan->columns[i] = -1;
    if (live == 1) {
        SetColumn(plan, desc, only, first);
        if (plan->kinds[only] == COLUMN_ARRAY || plan->kinds[only] == COLUMN_TENSOR) {
            plan->n_columns = info->n_inputs;
            return;
        }
    }
    plan->input = only;
    PlanPacked(call, desc, plan);
}

/* A number of the machine, a boolean, or a text that is the engine's as it stands: reading one never throws. */
static bool IsPlainScalar(ColumnKind kind, Oid type)
{
    if (kind == COLUMN_TEXT)
        return GetDatabaseEncoding() == PG_UTF8 && (type == TEXTOID || type == VARCHAROID || type == BPCHAROID);
    return kind == COLUMN_BOOL || (kind == COLUMN_NUMBER && type != NUMERICOID);
}

/* The plan of a model for rows of a type, or NULL. */
static const RowPlan *FindPlan(const uint8 *sha256, const char *model, uint64 row_type)
{
    for (int i = 0; i < ROW_PLANS; i++) {
        const RowPlan *plan = &plans[i];

        if (plan->context && plan->row_type == row_type && memcmp(plan->sha256, sha256, MODEL_SHA256_BYTES) == 0 &&
            (!model || strcmp(plan->model, model) == 0))
            return plan;
    }
    return NULL;
}

static const RowPlan *GetPlan(const Call *call, Oid type, int32 typmod)
{
    uint64 row_type = assign_record_type_identifier(type, typmod);
    const RowPlan *known = FindPlan(call->ref->sha256, call->ref->name, row_type);
    RowPlan plan = {0};
    RowPlan *place;
    MemoryContext old;

    if (known)
        return known;
    plan.row_type = row_type;
    memcpy(plan.sha256, call->ref->sha256, MODEL_SHA256_BYTES);
    plan.context = AllocSetContextCreate(CurrentMemoryContext, "maas row plan", ALLOCSET_SMALL_SIZES);
    old = MemoryContextSwitchTo(plan.context);
    plan.desc = lookup_rowtype_tupdesc_copy(type, typmod);
    plan.values = palloc(sizeof(Datum) * Max(plan.desc->natts, 1));
    plan.nulls = palloc(sizeof(bool) * Max(plan.desc->natts, 1));
    MakePlan(call, plan.desc, &plan);
    plan.scalar = true;
    for (int k = 0; k < plan.n_columns; k++)
        if (plan.columns[k] >= 0 && !IsPlainScalar(plan.kinds[k], plan.types[k]))
            plan.scalar = false;
    MemoryContextSwitchTo(old);
    place = &plans[next_plan];
    next_plan = (next_plan + 1) % ROW_PLANS;
    if (place->context)
        MemoryContextDelete(place->context);
    MemoryContextSetParent(plan.context, TopMemoryContext);
    *place = plan;
    return place;
}

/* ---- values ---- */

static void NullColumn(const char *place, MaasType type)
{
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s is NULL", place),
                    maas_type_is_float(type)
                        ? errhint("Load the model with null_as_nan => true if it takes NaN for a missing value.")
                        : errhint("Replace it with a value, for example with coalesce.")));
}

static MaasStr TextOf(Oid type, Datum value)
{
    MaasStr string;
    const char *text;

    if (type == TEXTOID || type == VARCHAROID || type == BPCHAROID) {
        const struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);

        size_t length = VARSIZE_ANY_EXHDR(packed);

        while (type == BPCHAROID && length > 0 && VARDATA_ANY(packed)[length - 1] == ' ')
            length--; /* what pads a char(n) is no part of it */
        string.data = BorderUtf8(VARDATA_ANY(packed), length, &string.length);
        return string;
    }
    if (type == NAMEOID)
        text = NameStr(*DatumGetName(value));
    else {
        Oid output;
        bool varlena;

        getTypeOutputInfo(type, &output, &varlena);
        text = OidOutputFunctionCall(output, value);
    }
    string.data = BorderUtf8(text, strlen(text), &string.length);
    return string;
}

/* A scalar as a tensor with one element, in `room`; the type is the nearest of the engine. */
typedef union Scalar {
    double real;
    int64_t integer;
    uint8_t boolean;
    MaasStr string;
} Scalar;

static MaasType ReadScalar(const RowPlan *plan, int slot, Datum value, MaasType wanted, Scalar *room)
{
    Oid type = plan->types[slot];

    switch (plan->kinds[slot]) {
    case COLUMN_BOOL:
        room->boolean = DatumGetBool(value);
        return MAAS_BOOL;
    case COLUMN_TEXT:
        room->string = TextOf(type, value);
        return MAAS_STRING;
    case COLUMN_TIME:
        room->real = ScalarTime(type, value);
        return MAAS_DOUBLE;
    default:
        break;
    }
    switch (type) {
    case INT2OID:
        room->integer = DatumGetInt16(value);
        return MAAS_INT64;
    case INT4OID:
        room->integer = DatumGetInt32(value);
        return MAAS_INT64;
    case INT8OID:
        room->integer = DatumGetInt64(value);
        return MAAS_INT64;
    case FLOAT4OID:
        room->real = DatumGetFloat4(value);
        return MAAS_DOUBLE;
    case FLOAT8OID:
        room->real = DatumGetFloat8(value);
        return MAAS_DOUBLE;
    case NUMERICOID:
        if (!maas_type_is_int(wanted)) {
            room->real = DatumGetFloat8(DirectFunctionCall1(numeric_float8, value));
            return MAAS_DOUBLE;
        }
        if (BindNumericToInt64(value, &room->integer))
            return MAAS_INT64;
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s is %s, not an integer of type %s", plan->places[slot],
                               DatumGetCString(DirectFunctionCall1(numeric_out, value)), maas_type_name(wanted))));
        break;
    default:
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH),
                 errmsg("%s is of type %s, which no input can take", plan->places[slot], format_type_be(type)),
                 errhint("Cast it to a number, a boolean, text, an array of these, or a tensor.")));
    }
}

/* Whether a model that takes NaN for NULL can take it here: as NaN, and as an empty string in a column of text. */
static bool TakesNull(ColumnKind kind, MaasType type)
{
    if (kind == COLUMN_TEXT)
        return type == MAAS_STRING;
    return (kind == COLUMN_NUMBER || kind == COLUMN_BOOL || kind == COLUMN_TIME) && maas_type_is_float(type);
}

/* One column to one input. */
static void BindColumn(Call *call, int i, const RowPlan *plan, Datum value, bool isnull)
{
    const MaasPort *port = &call->info->inputs[i];
    ColumnKind kind = plan->kinds[i];
    const char *place = plan->places[i];
    MaasTensor view = {0};
    Scalar *room;

    if (isnull && !(call->ref->null_as_nan && TakesNull(kind, port->type)))
        NullColumn(place, port->type);
    if (kind == COLUMN_ARRAY) {
        BindArrayView(call, i, DatumGetArrayTypeP(value), place, &view);
        BindInput(call, i, &view, place);
        return;
    }
    if (kind == COLUMN_TENSOR) {
        TensorView(DatumGetTensor(value), &view);
        BindInput(call, i, &view, place);
        return;
    }
    room = MemoryContextAlloc(call->context, sizeof(*room));
    if (isnull && kind == COLUMN_TEXT) {
        room->string = (MaasStr){"", 0};
        view.type = MAAS_STRING;
    } else if (isnull) {
        room->real = NAN;
        view.type = MAAS_DOUBLE;
    } else
        view.type = ReadScalar(plan, i, value, port->type, room);
    if (view.type == MAAS_BOOL && call->ref->null_as_nan && maas_type_is_float(port->type)) {
        room->real = room->boolean; /* a truth value that may be missing comes in as a number */
        view.type = MAAS_DOUBLE;
    }
    view.count = 1;
    view.data = room;
    /* Converted as a scalar, so that a failure names no place within it. */
    BindConvert(call, &view, port->type, place, &view);
    /* One example: the leading dimension is added below, the others are 1. */
    view.rank = Max(port->rank - 1, 0);
    for (int d = 0; d < view.rank; d++)
        view.dims[d] = 1;
    BindInput(call, i, &view, place);
}

/* Several columns to the only input. */
static void BindPacked(Call *call, const RowPlan *plan, const Datum *values, const bool *nulls)
{
    const MaasPort *port = &call->info->inputs[plan->input];
    bool strings = port->type == MAAS_STRING, booleans = port->type == MAAS_BOOL;
    bool integers = maas_type_is_int(port->type);
    int n = plan->n_columns;
    MaasTensor view = {.rank = 1, .dims = {n}, .count = n};

    view.type = strings ? MAAS_STRING : booleans ? MAAS_BOOL : integers ? MAAS_INT64 : MAAS_DOUBLE;
    view.data = MemoryContextAlloc(call->context, maas_tensor_bytes(&view));
    for (int k = 0; k < n; k++) {
        int column = plan->columns[k];
        Scalar scalar;
        MaasType type;

        if (nulls[column]) {
            if (!call->ref->null_as_nan || view.type != MAAS_DOUBLE)
                NullColumn(plan->places[k], port->type);
            MAAS_F64(&view)[k] = NAN;
            continue;
        }
        type = ReadScalar(plan, k, values[column], port->type, &scalar);
        if (strings)
            MAAS_STRS(&view)[k] = scalar.string;
        else if (booleans)
            MAAS_U8(&view)[k] = scalar.boolean;
        else if (!integers)
            MAAS_F64(&view)[k] = type == MAAS_INT64 ? (double)scalar.integer : scalar.real;
        else if (type == MAAS_INT64)
            MAAS_I64(&view)[k] = scalar.integer;
        else {
            MaasTensor one = {.type = type, .count = 1, .data = &scalar};

            BindConvert(call, &one, MAAS_INT64, plan->places[k], &one);
            MAAS_I64(&view)[k] = MAAS_I64(&one)[0];
        }
    }
    if (port->rank == 1 && port->dims[0] < 0)
        view.rank = 0;
    BindInput(call, plan->input, &view, BindPlace(call, plan->input));
}

static void Deform(const RowPlan *plan, HeapTupleHeader row)
{
    HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(row), .t_data = row};

    ItemPointerSetInvalid(&tuple.t_self);
    heap_deform_tuple(&tuple, plan->desc, plan->values, plan->nulls);
}

void BindRow(Call *call, HeapTupleHeader row)
{
    const RowPlan *plan = GetPlan(call, HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row));

    Deform(plan, row);
    if (plan->packed)
        BindPacked(call, plan, plan->values, plan->nulls);
    else
        for (int i = 0; i < plan->n_columns; i++)
            if (plan->columns[i] >= 0)
                BindColumn(call, i, plan, plan->values[plan->columns[i]], plan->nulls[plan->columns[i]]);
}

/* ---- without a call ---- */

/* Writes a number; false when it is too large for a float. */
static inline bool WriteFloat(double number, float *out)
{
    *out = (float)number;
    return !isinf(*out) || isinf(number);
}

/* Writes a value as an element of the input's type; false unless that is plain. */
static bool WriteElement(const RowPlan *plan, int slot, Datum value, MaasType wanted, void *out,
                         MemoryContext strings)
{
    Scalar scalar;
    MaasType type = ReadScalar(plan, slot, value, wanted, &scalar);

    if (wanted == MAAS_STRING && type == MAAS_STRING) {
        char *copy = MemoryContextAlloc(strings, scalar.string.length + 1);

        memcpy(copy, scalar.string.data, scalar.string.length);
        ((MaasStr *)out)->data = copy;
        ((MaasStr *)out)->length = scalar.string.length;
        return true;
    }
    if (wanted == MAAS_BOOL && type == MAAS_BOOL) {
        *(uint8_t *)out = scalar.boolean;
        return true;
    }
    if (wanted == MAAS_INT64 && type == MAAS_INT64) {
        *(int64_t *)out = scalar.integer;
        return true;
    }
    if ((wanted == MAAS_FLOAT || wanted == MAAS_DOUBLE) && (type == MAAS_INT64 || type == MAAS_DOUBLE)) {
        double number = type == MAAS_INT64 ? (double)scalar.integer : scalar.real;

        if (wanted == MAAS_FLOAT)
            return WriteFloat(number, out);
        *(double *)out = number;
        return true;
    }
    return false;
}

bool BindRowInto(const ModelRef *ref, HeapTupleHeader row, const MaasType *types, void *const *out,
                 MemoryContext strings)
{
    const RowPlan *plan =
        FindPlan(ref->sha256, NULL,
                 assign_record_type_identifier(HeapTupleHeaderGetTypeId(row), HeapTupleHeaderGetTypMod(row)));
    Size step = 0; /* bytes from one column of the only input to the next */

    if (!plan || !plan->scalar)
        return false;
    Deform(plan, row);
    if (plan->packed)
        step = maas_type_size(types[plan->input]);
    for (int k = 0; k < plan->n_columns; k++) {
        int i = plan->packed ? plan->input : k;
        int column = plan->columns[k];
        char *place;

        if (column < 0)
            continue;
        place = (char *)out[i] + k * step;
        if (!plan->nulls[column]) {
            /* The usual pairs are written straight. */
            if (types[i] == MAAS_FLOAT && plan->types[k] == FLOAT4OID)
                *(float *)place = DatumGetFloat4(plan->values[column]);
            else if (types[i] == MAAS_FLOAT && plan->types[k] == FLOAT8OID) {
                if (!WriteFloat(DatumGetFloat8(plan->values[column]), (float *)place))
                    return false;
            } else if (!WriteElement(plan, k, plan->values[column], types[i], place, strings))
                return false;
        } else if (ref->null_as_nan && plan->kinds[k] == COLUMN_NUMBER && types[i] == MAAS_FLOAT)
            *(float *)place = NAN;
        else if (ref->null_as_nan && plan->kinds[k] == COLUMN_NUMBER && types[i] == MAAS_DOUBLE)
            *(double *)place = NAN;
        else
            return false;
    }
    return true;
}
