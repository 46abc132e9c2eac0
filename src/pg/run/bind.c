/*
 * bind.c - tensors, arrays, text and jsonb become the inputs of a model.  Rows: row.c.
 *
 * The rank rule: a tensor of the input's rank is taken as it is, a batch; one of a rank less, where the leading
 * dimension is free or 1, is one example and gets that dimension.  Anything else is an error.
 *
 * Bound tensors point into the caller's arguments, which outlive the call, or lie in the call's context.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "bind.h"
#include "scalar.h"
#include "type/tensor.h"

/* ---- messages ---- */

const char *BindPlace(const Call *call, int i)
{
    const char *name = call->info->inputs[i].name;

    return psprintf("input \"%s\" of model \"%s\"", BorderTextForMessage(name, strlen(name)), call->ref->name);
}

void BindShapeMismatch(const Call *call, int i, const char *got)
{
    const MaasPort *port = &call->info->inputs[i];

    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("model \"%s\" expects input \"%s\" of shape %s, got %s", call->ref->name,
                           BorderTextForMessage(port->name, strlen(port->name)), CallShape(port), got)));
}

static const char *GotShape(const MaasTensor *given)
{
    char *text = palloc(1024);

    return maas_dims_text(given->rank, given->dims, NULL, text, 1024);
}

/* ---- element types ---- */

typedef enum TypeClass { CLASS_NUMBER, CLASS_BOOL, CLASS_STRING, CLASS_COMPLEX } TypeClass;

static TypeClass ClassOf(MaasType type)
{
    switch (type) {
    case MAAS_BOOL:
        return CLASS_BOOL;
    case MAAS_STRING:
        return CLASS_STRING;
    case MAAS_COMPLEX64:
    case MAAS_COMPLEX128:
        return CLASS_COMPLEX;
    default:
        return CLASS_NUMBER;
    }
}

void BindConvert(Call *call, const MaasTensor *given, MaasType type, const char *place, MaasTensor *view)
{
    MaasError err;
    MaasValue *value;

    *view = *given;
    if (given->type == type)
        return;
    if (ClassOf(given->type) != ClassOf(type))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("%s takes elements of type %s, got %s", place, maas_type_name(type),
                               maas_type_name(given->type)),
                        errhint("Booleans, numbers and strings are not converted into each other; use a cast.")));
    if (maas_tensor_cast(given, type, true, &call->mem, &value, &err) != MAAS_OK) {
        maas_error_prefix(&err, "%s", place);
        BorderThrow(&err);
    }
    *view = value->tensor;
}

/* ---- the rank rule ---- */

int BindOnlyInput(const Call *call)
{
    const MaasModelInfo *info = call->info;
    int found = -1;

    for (int i = 0; i < info->n_inputs; i++) {
        StringInfoData names;

        if (info->inputs[i].optional)
            continue;
        if (found < 0) {
            found = i;
            continue;
        }
        initStringInfo(&names);
        for (int k = 0; k < info->n_inputs; k++)
            if (!info->inputs[k].optional)
                appendStringInfo(&names, "%s\"%s\"", k ? ", " : "",
                                 BorderTextForMessage(info->inputs[k].name, strlen(info->inputs[k].name)));
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("model \"%s\" has more than one input: %s", call->ref->name, names.data),
                        errhint("Pass a row whose columns bear these names, or a jsonb object, or use maas_run.")));
    }
    if (found < 0) {
        if (info->n_inputs == 1)
            return 0; /* the only input has a default */
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("model \"%s\" has no input that must be given", call->ref->name),
                        errhint("Use maas_predict(model, jsonb) or maas_run and name the inputs.")));
    }
    return found;
}

/* Whether every dimension of given is one that the port takes; offset: dimensions of the port that given lacks. */
static bool FixedDimsFit(const MaasPort *port, const MaasTensor *given, int offset)
{
    for (int d = 0; d < given->rank; d++) {
        int64_t expected = port->dims[d + offset];

        if (expected >= 0 && expected != given->dims[d])
            return false;
    }
    return true;
}

void BindInput(Call *call, int i, const MaasTensor *given, const char *place)
{
    const MaasPort *port = &call->info->inputs[i];
    MaasTensor view;
    MaasError err;
    bool single = false;

    if (port->kind != MAAS_KIND_TENSOR)
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("%s is not a tensor", BindPlace(call, i)),
                        errhint("maas_predict(model, jsonb) takes inputs of every kind.")));
    if (port->rank >= 0 && given->rank != port->rank) {
        single = given->rank == port->rank - 1 && (port->dims[0] < 0 || port->dims[0] == 1);
        if (!single)
            BindShapeMismatch(call, i, GotShape(given));
    }
    if (port->rank >= 0 && !FixedDimsFit(port, given, single ? 1 : 0))
        BindShapeMismatch(call, i, GotShape(given));
    BindConvert(call, given, port->type, place, &view);
    if (single) {
        memmove(view.dims + 1, view.dims, sizeof(view.dims[0]) * view.rank);
        view.dims[0] = 1;
        view.rank++;
        call->single = true;
    }
    CALL_CHECK(call,
               maas_value_wrap(&call->mem, view.type, view.rank, view.dims, view.data, &call->inputs[i], &err),
               &err);
}

void BindTensor(Call *call, const MaasTensor *given)
{
    int i = BindOnlyInput(call);

    BindInput(call, i, given, BindPlace(call, i));
}

/* ---- arrays ---- */

/* "[2][1]" of the item at this place, as SQL counts. */
static const char *Subscripts(ArrayType *array, int item)
{
    const char *text = "";

    for (int d = ARR_NDIM(array) - 1; d >= 0; d--) {
        int size = ARR_DIMS(array)[d];

        text = psprintf("[%d]%s", ARR_LBOUND(array)[d] + item % size, text);
        item /= size;
    }
    return text;
}

bool BindNumericToInt64(Datum numeric, int64 *number)
{
    Datum rounded = DirectFunctionCall2(numeric_round, numeric, Int32GetDatum(0));

    if (numeric_is_nan(DatumGetNumeric(numeric)) || numeric_is_inf(DatumGetNumeric(numeric)) ||
        !DatumGetBool(DirectFunctionCall2(numeric_eq, numeric, rounded)))
        return false;
    if (DatumGetBool(DirectFunctionCall2(numeric_gt, rounded, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))) ||
        DatumGetBool(DirectFunctionCall2(numeric_lt, rounded, NumericGetDatum(int64_to_numeric(PG_INT64_MIN)))))
        return false;
    *number = DatumGetInt64(DirectFunctionCall1(numeric_int8, rounded));
    return true;
}

/* Elements one by one: for numeric, and for arrays with nulls. */
static void ArrayByElement(Call *call, int i, ArrayType *array, const char *place, MaasTensor *view)
{
    Oid element = ARR_ELEMTYPE(array);
    MaasType wanted = call->info->inputs[i].type;
    bool to_int = element == NUMERICOID && maas_type_is_int(wanted);
    bool number = element == INT2OID || element == INT4OID || element == INT8OID || element == FLOAT4OID ||
                  element == FLOAT8OID || element == NUMERICOID;
    bool nan = call->ref->null_as_nan && number && maas_type_is_float(wanted);
    int n;
    int16 length;
    bool by_value, *nulls;
    char align;
    Datum *items;
    void *data;

    get_typlenbyvalalign(element, &length, &by_value, &align);
    deconstruct_array(array, element, length, by_value, align, &items, &nulls, &n);
    data = palloc((Size)Max(n, 1) * sizeof(double));
    for (int k = 0; k < n; k++) {
        if (nulls[k] && !nan)
            ereport(ERROR,
                    (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                     errmsg("element %s of the array for %s is NULL", Subscripts(array, k), place),
                     maas_type_is_float(wanted)
                         ? errhint("Load the model with null_as_nan => true if it takes NaN for a missing value.")
                         : errhint("Replace it with a value, for example with coalesce.")));
        if (!to_int)
            ((double *)data)[k] = nulls[k] ? NAN : ScalarNumber(element, items[k]);
        else if (!BindNumericToInt64(items[k], &((int64 *)data)[k]))
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("element %s of the array for %s is %s, not an integer of its type %s",
                            Subscripts(array, k), place,
                            DatumGetCString(DirectFunctionCall1(numeric_out, items[k])), maas_type_name(wanted))));
    }
    memset(view, 0, sizeof(*view));
    view->type = to_int ? MAAS_INT64 : MAAS_DOUBLE;
    view->rank = ARR_NDIM(array);
    for (int d = 0; d < view->rank; d++)
        view->dims[d] = ARR_DIMS(array)[d];
    view->count = n;
    view->data = data;
}

/* Converts to the input's type; a value that does not fit is named by its subscripts. */
static void ConvertArray(Call *call, int i, ArrayType *array, const char *place, MaasTensor *view)
{
    MaasType wanted = call->info->inputs[i].type;
    MaasError err;
    MaasValue *value;

    if (view->type == wanted || ClassOf(view->type) != CLASS_NUMBER || ClassOf(wanted) != CLASS_NUMBER)
        return; /* BindConvert takes or refuses it */
    if (maas_tensor_cast(view, wanted, true, &call->mem, &value, &err) == MAAS_OK) {
        *view = value->tensor;
        return;
    }
    for (int k = 0; err.status == MAAS_ERR_VALUE && k < view->count; k++) {
        MaasTensor one = {.type = view->type, .count = 1};

        one.data = (char *)view->data + k * maas_type_size(view->type);
        BindConvert(call, &one, wanted, psprintf("element %s of the array for %s", Subscripts(array, k), place),
                    &one);
    }
    CallThrow(call, &err);
}

void BindArrayView(Call *call, int i, ArrayType *array, const char *place, MaasTensor *view)
{
    if (ARR_NDIM(array) == 0)
        ereport(ERROR,
                (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("the array for %s is empty", place),
                 errhint("A batch of no examples can be written as a tensor, for example 'float(0,3):[]'.")));
    if (ARR_ELEMTYPE(array) == VARCHAROID) {
        /* The same bytes under another name. */
        array = (ArrayType *)memcpy(palloc(VARSIZE(array)), array, VARSIZE(array));
        ARR_ELEMTYPE(array) = TEXTOID;
    }
    if (array_contains_nulls(array) || ARR_ELEMTYPE(array) == NUMERICOID)
        ArrayByElement(call, i, array, place, view);
    else
        TensorView(DatumGetTensor(DirectFunctionCall1(maas_tensor_from_array, PointerGetDatum(array))), view);
    ConvertArray(call, i, array, place, view);
}

void BindArray(Call *call, ArrayType *given)
{
    int i = BindOnlyInput(call);
    const char *place = BindPlace(call, i);
    MaasTensor view;

    BindArrayView(call, i, given, place, &view);
    BindInput(call, i, &view, place);
}

/* ---- text and jsonb ---- */

void BindText(Call *call, const text *given)
{
    int i = BindOnlyInput(call);
    const MaasPort *port = &call->info->inputs[i];
    size_t length;
    const char *utf8 = BorderUtf8(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), &length);
    MaasError err;

    if (port->kind == MAAS_KIND_TENSOR && port->type == MAAS_STRING) {
        MaasStr string = {utf8, length};
        int64_t dims[MAAS_MAX_RANK];
        int rank = Max(port->rank - 1, 0); /* of one example */
        MaasValue *value;

        for (int d = 0; d < rank; d++)
            dims[d] = 1;
        CALL_CHECK(call, maas_value_new_strings(&call->mem, rank, dims, &string, &value, &err), &err);
        BindInput(call, i, &value->tensor, BindPlace(call, i));
    } else {
        MaasValue *value;

        BORDER_CHECK(maas_tensor_parse(utf8, length, &call->mem, &value, &err), &err);
        BindInput(call, i, &value->tensor, BindPlace(call, i));
    }
}

void BindJson(Call *call, Datum jsonb)
{
    Jsonb *object = DatumGetJsonbP(jsonb);
    const char *json = JsonbToCString(NULL, &object->root, VARSIZE(object));
    size_t length;
    const char *utf8 = BorderUtf8(json, strlen(json), &length);
    MaasError err;

    CALL_CHECK(call, maas_inputs_from_json(utf8, length, call->info, &call->mem, call->inputs, &err), &err);
}
