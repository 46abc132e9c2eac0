/*
 * array.c - casts between tensors and SQL arrays, and from a tensor of one element to a number.
 *
 * Nothing is guessed: a null element, a boolean for a number, 1.9 for an integer and an array for a scalar are
 * errors that name the place.  Arrays without nulls whose elements look like the tensor's are copied as they lie.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "tensor.h"

PG_FUNCTION_INFO_V1(maas_tensor_from_array);
PG_FUNCTION_INFO_V1(maas_real_array);
PG_FUNCTION_INFO_V1(maas_double_array);
PG_FUNCTION_INFO_V1(maas_smallint_array);
PG_FUNCTION_INFO_V1(maas_integer_array);
PG_FUNCTION_INFO_V1(maas_bigint_array);
PG_FUNCTION_INFO_V1(maas_boolean_array);
PG_FUNCTION_INFO_V1(maas_text_array);
PG_FUNCTION_INFO_V1(maas_real);
PG_FUNCTION_INFO_V1(maas_double);
PG_FUNCTION_INFO_V1(maas_integer);
PG_FUNCTION_INFO_V1(maas_bigint);
PG_FUNCTION_INFO_V1(maas_boolean);

/* ---- arrays to tensors ---- */

/* Writes the subscripts "[2][1]" of the item at this place, as SQL counts them. */
static char *Subscripts(ArrayType *array, int64 item)
{
    char *text = pstrdup("");

    for (int d = ARR_NDIM(array) - 1; d >= 0; d--) {
        int size = ARR_DIMS(array)[d];

        text = psprintf("[%d]%s", ARR_LBOUND(array)[d] + (int)(item % size), text);
        item /= size;
    }
    return text;
}

static void RefuseNulls(ArrayType *array)
{
    const bits8 *bitmap = ARR_NULLBITMAP(array);
    int n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));

    if (!bitmap)
        return;
    for (int i = 0; i < n; i++)
        if (!(bitmap[i / 8] & (1 << (i % 8))))
            ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                            errmsg("element %s of the array is null; a tensor has no nulls", Subscripts(array, i)),
                            errhint("Replace it, for example with 'NaN' in an array of floating-point numbers.")));
}

static Datum TensorFromNumeric(ArrayType *array, int rank, const int64_t *dims)
{
    MaasTensor view;
    Datum result = TensorNew(MAAS_FLOAT, rank, dims, &view), *items;
    int n;

    deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &items, NULL, &n);
    for (int i = 0; i < n; i++)
        MAAS_F32(&view)[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4, items[i]));
    pfree(items);
    return result;
}

static Datum TensorFromText(ArrayType *array, int rank, const int64_t *dims)
{
    MaasTensor view = {.type = MAAS_STRING, .rank = rank};
    Datum *items;
    MaasStr *strings;
    int n;

    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &items, NULL, &n);
    strings = palloc(sizeof(MaasStr) * Max(n, 1));
    for (int i = 0; i < n; i++) {
        text *item = DatumGetTextPP(items[i]);

        strings[i].data = BorderUtf8(VARDATA_ANY(item), VARSIZE_ANY_EXHDR(item), &strings[i].length);
    }
    memcpy(view.dims, dims, sizeof(*dims) * rank);
    view.count = n;
    view.data = strings;
    return TensorMake(&view);
}

Datum maas_tensor_from_array(PG_FUNCTION_ARGS)
{
    ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
    Oid element = ARR_ELEMTYPE(array);
    int64_t dims[MAXDIM] = {0};
    int rank = ARR_NDIM(array);
    MaasType type;
    MaasTensor view;
    Datum result;
    const char *data;
    size_t bytes;

    RefuseNulls(array);
    for (int d = 0; d < rank; d++)
        dims[d] = ARR_DIMS(array)[d];
    if (rank == 0)
        rank = 1; /* '{}' has no dimensions: a list of nothing */
    switch (element) {
    case FLOAT4OID:
        type = MAAS_FLOAT;
        break;
    case FLOAT8OID:
        type = MAAS_DOUBLE;
        break;
    case INT2OID:
        type = MAAS_INT16;
        break;
    case INT4OID:
        type = MAAS_INT32;
        break;
    case INT8OID:
        type = MAAS_INT64;
        break;
    case BOOLOID:
        type = MAAS_BOOL;
        break;
    case NUMERICOID:
        return TensorFromNumeric(array, rank, dims);
    case TEXTOID:
        return TensorFromText(array, rank, dims);
    default:
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("a tensor cannot be made from an array of %s", format_type_be(element))));
    }
    /* Elements of these types lie in an array as they do in a tensor; a large offset is skipped, not copied. */
    result = TensorNew(type, rank, dims, &view);
    data = ARR_DATA_PTR(array);
    bytes = maas_tensor_bytes(&view);
    if (bytes)
        memcpy(view.data, data, bytes);
    return result;
}

/* ---- tensors to arrays ---- */

/* Makes view describe its elements as this type, converted exactly; the types must be of one kind. */
static void Convert(MaasTensor *view, MaasType type, const char *sql_type, MaasMem *mem)
{
    MaasTypeSet numbers = MAAS_T_ANY & ~(MAAS_T_BOOL | MAAS_T_STRING | MAAS_T_COMPLEX);
    MaasError err;
    MaasValue *value;

    if (view->type == type)
        return;
    if (!maas_type_in(view->type, numbers) || !maas_type_in(type, numbers))
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("a tensor of type %s cannot become %s", maas_type_name(view->type), sql_type),
                        errhint("Convert it with maas_cast(tensor, '%s') first.", maas_type_name(type))));
    BORDER_CHECK(maas_tensor_cast(view, type, true, mem, &value, &err), &err);
    *view = value->tensor;
}

/* The rank and the dimensions of view as those of an array. */
static int ArrayDims(const MaasTensor *view, int *dims, int *lower)
{
    if (view->rank == 0)
        ereport(ERROR,
                (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                 errmsg("a tensor of rank 0 is a single element, not an array"),
                 errhint("Cast it to double precision, or give it the shape [1]: maas_reshape(tensor, '{1}').")));
    if (view->rank > MAXDIM)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("a tensor of rank %d does not fit an array, which has at most %d dimensions",
                               view->rank, MAXDIM),
                        errhint("Use maas_reshape or maas_slice first.")));
    for (int d = 0; d < view->rank; d++) {
        if (view->dims[d] > PG_INT32_MAX)
            ereport(ERROR,
                    (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                     errmsg("dimension %d, " INT64_FORMAT ", is too large for an array", d + 1, view->dims[d])));
        dims[d] = (int)view->dims[d];
        lower[d] = 1;
    }
    (void)ArrayGetNItems(view->rank, dims);
    return view->rank;
}

/* The cast to an array of fixed-size elements that look like the engine's. */
static Datum ToArray(FunctionCallInfo fcinfo, Oid element, MaasType type)
{
    MaasMem mem;
    MaasTensor view;
    ArrayType *array;
    int dims[MAXDIM], lower[MAXDIM], ndim;
    size_t bytes, header;
    char *sql_type;

    TensorView(PG_GETARG_TENSOR(0), &view);
    BorderMem(&mem, CurrentMemoryContext);
    ndim = ArrayDims(&view, dims, lower);
    sql_type = psprintf("%s[]", format_type_be(element));
    Convert(&view, type, sql_type, &mem);
    if (view.count == 0)
        PG_RETURN_ARRAYTYPE_P(construct_empty_array(element));
    bytes = maas_tensor_bytes(&view);
    header = ARR_OVERHEAD_NONULLS(ndim);
    if (bytes > MaxAllocSize - header)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("an array of " INT64_FORMAT " elements exceeds 1 GB", view.count)));
    array = palloc0(header + bytes);
    SET_VARSIZE(array, header + bytes);
    array->ndim = ndim;
    array->dataoffset = 0;
    array->elemtype = element;
    memcpy(ARR_DIMS(array), dims, sizeof(int) * ndim);
    memcpy(ARR_LBOUND(array), lower, sizeof(int) * ndim);
    memcpy(ARR_DATA_PTR(array), view.data, bytes);
    PG_RETURN_ARRAYTYPE_P(array);
}

Datum maas_real_array(PG_FUNCTION_ARGS)
{
    return ToArray(fcinfo, FLOAT4OID, MAAS_FLOAT);
}

Datum maas_double_array(PG_FUNCTION_ARGS)
{
    return ToArray(fcinfo, FLOAT8OID, MAAS_DOUBLE);
}

Datum maas_smallint_array(PG_FUNCTION_ARGS)
{
    return ToArray(fcinfo, INT2OID, MAAS_INT16);
}

Datum maas_integer_array(PG_FUNCTION_ARGS)
{
    return ToArray(fcinfo, INT4OID, MAAS_INT32);
}

Datum maas_bigint_array(PG_FUNCTION_ARGS)
{
    return ToArray(fcinfo, INT8OID, MAAS_INT64);
}

Datum maas_boolean_array(PG_FUNCTION_ARGS)
{
    return ToArray(fcinfo, BOOLOID, MAAS_BOOL);
}

Datum maas_text_array(PG_FUNCTION_ARGS)
{
    MaasMem mem;
    MaasTensor view;
    int dims[MAXDIM], lower[MAXDIM], ndim;
    Datum *items;

    TensorView(PG_GETARG_TENSOR(0), &view);
    BorderMem(&mem, CurrentMemoryContext);
    ndim = ArrayDims(&view, dims, lower);
    Convert(&view, MAAS_STRING, "text[]", &mem);
    if (view.count == 0)
        PG_RETURN_ARRAYTYPE_P(construct_empty_array(TEXTOID));
    items = palloc(sizeof(Datum) * view.count);
    for (int64 i = 0; i < view.count; i++) {
        const MaasStr *s = &MAAS_STRS(&view)[i];

        items[i] = CStringGetTextDatum(BorderText(s->data, s->length));
    }
    PG_RETURN_ARRAYTYPE_P(construct_md_array(items, NULL, ndim, dims, lower, TEXTOID, -1, false, TYPALIGN_INT));
}

/* ---- a tensor of one element to a number ---- */

static void *ToScalar(FunctionCallInfo fcinfo, const char *sql_type, MaasType type)
{
    MaasMem mem;
    MaasTensor view;
    char shape[256];

    TensorView(PG_GETARG_TENSOR(0), &view);
    BorderMem(&mem, CurrentMemoryContext);
    if (view.count != 1)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("only a tensor of one element can become %s, got one of shape %s", sql_type,
                               maas_dims_text(view.rank, view.dims, NULL, shape, sizeof(shape))),
                        errhint("Pick an element: maas_element(tensor, 1) or maas_slice(tensor, 1, 2).")));
    Convert(&view, type, sql_type, &mem);
    return view.data;
}

Datum maas_real(PG_FUNCTION_ARGS)
{
    PG_RETURN_FLOAT4(*(float *)ToScalar(fcinfo, "real", MAAS_FLOAT));
}

Datum maas_double(PG_FUNCTION_ARGS)
{
    PG_RETURN_FLOAT8(*(double *)ToScalar(fcinfo, "double precision", MAAS_DOUBLE));
}

Datum maas_integer(PG_FUNCTION_ARGS)
{
    PG_RETURN_INT32(*(int32_t *)ToScalar(fcinfo, "integer", MAAS_INT32));
}

Datum maas_bigint(PG_FUNCTION_ARGS)
{
    PG_RETURN_INT64(*(int64_t *)ToScalar(fcinfo, "bigint", MAAS_INT64));
}

Datum maas_boolean(PG_FUNCTION_ARGS)
{
    PG_RETURN_BOOL(*(uint8_t *)ToScalar(fcinfo, "boolean", MAAS_BOOL) != 0);
}
