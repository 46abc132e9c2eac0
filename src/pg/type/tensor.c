/*
 * tensor.c - the SQL type tensor: stored form, text and binary input and output, construction, description.
 *
 * The stored form is the engine's packed form (format/pack.c) behind a varlena header.  Everything that enters
 * comes through the engine's checks: text through its parser, bytes through its validator.  Strings of a tensor are
 * UTF-8 whatever the server's encoding is; text output escapes what another encoding may lack.
 *
 * Arrays stand in array.c, JSON in json.c, comparison in compare.c, arithmetic in math.c, aggregates in
 * aggregate.c.
 */
#include "postgres.h"
#include "compat.h"

#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "tensor.h"

PG_FUNCTION_INFO_V1(tensor_in);
PG_FUNCTION_INFO_V1(tensor_out);
PG_FUNCTION_INFO_V1(tensor_recv);
PG_FUNCTION_INFO_V1(tensor_send);
PG_FUNCTION_INFO_V1(maas_tensor);
PG_FUNCTION_INFO_V1(maas_tensor_data);
PG_FUNCTION_INFO_V1(maas_dtype);
PG_FUNCTION_INFO_V1(maas_shape);
PG_FUNCTION_INFO_V1(maas_cast);
PG_FUNCTION_INFO_V1(maas_reshape);
PG_FUNCTION_INFO_V1(maas_tensor_from_onnx);
PG_FUNCTION_INFO_V1(maas_tensor_to_onnx);

/* ---- between the stored form and the engine ---- */

bool TensorPeek(const Tensor *tensor, MaasTensor *view)
{
    MaasError err;

    if (VARSIZE(tensor) < TENSOR_HEADER)
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a stored tensor is cut off")));
    if (maas_tensor_peek(tensor->packed, TENSOR_PACKED_BYTES(tensor), view, &err) == MAAS_OK)
        return true;
    if (err.status != MAAS_ERR_TYPE)
        BorderThrow(&err);
    return false;
}

void TensorView(const Tensor *tensor, MaasTensor *view)
{
    MaasError err;
    MaasMem mem;
    MaasValue *value;

    if (TensorPeek(tensor, view))
        return;
    /* Strings: their array of pointers cannot be stored. */
    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(maas_tensor_unpack(tensor->packed, TENSOR_PACKED_BYTES(tensor), &mem, &value, &err), &err);
    *view = value->tensor;
    view->buffer = NULL;
}

MaasValue *TensorValue(const Tensor *tensor, MaasMem *mem)
{
    MaasError err;
    MaasTensor view;
    MaasValue *value;

    TensorView(tensor, &view);
    BORDER_CHECK(maas_value_wrap(mem, view.type, view.rank, view.dims, view.data, &value, &err), &err);
    return value;
}

/* The stored form's memory for a tensor of this packed size. */
static Tensor *TensorAlloc(const MaasTensor *view, size_t packed)
{
    Tensor *tensor;
    char shape[256];

    if (packed > MaxAllocSize - TENSOR_HEADER)
        ereport(
            ERROR,
            (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
             errmsg("a tensor of type %s and shape %s does not fit into one SQL value", maas_type_name(view->type),
                    maas_dims_text(view->rank, view->dims, NULL, shape, sizeof(shape))),
             errdetail("A value of PostgreSQL is at most 1 GB."), errhint("Split it along its first dimension.")));
    tensor = palloc(TENSOR_HEADER + packed);
    SET_VARSIZE(tensor, TENSOR_HEADER + packed);
    tensor->zero = 0;
    return tensor;
}

/* Text of SQL is all that a string of a stored tensor may hold, so that printing it cannot fail. */
static void CheckStrings(const MaasTensor *view)
{
    for (int64_t i = 0; i < view->count; i++) {
        const MaasStr *s = &MAAS_STRS(view)[i];

        if (s->length > MaxAllocSize || pg_encoding_verifymbstr(PG_UTF8, s->data, (int)s->length) != (int)s->length)
            ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
                            errmsg("element " INT64_FORMAT " of a string tensor is not valid UTF-8", i)));
    }
}

Datum TensorMake(const MaasTensor *view)
{
    Tensor *tensor;

    if (view->type == MAAS_STRING)
        CheckStrings(view);
    tensor = TensorAlloc(view, maas_tensor_packed_size(view));
    maas_tensor_pack(view, tensor->packed);
    return PointerGetDatum(tensor);
}

Datum TensorFromValue(const MaasValue *value)
{
    static const char *const kinds[] = {"unknown value", "tensor", "sequence", "map", "optional"};

    if (value->kind != MAAS_KIND_TENSOR)
        ereport(ERROR,
                (errcode(ERRCODE_DATATYPE_MISMATCH), errmsg("expected a tensor, got a %s", kinds[value->kind]),
                 errhint("Values other than tensors are given and returned as jsonb.")));
    return TensorMake(&value->tensor);
}

Datum TensorNew(MaasType type, int rank, const int64_t *dims, MaasTensor *view)
{
    MaasError err;
    Tensor *tensor;
    size_t size = maas_type_size(type), bytes;

    memset(view, 0, sizeof(*view));
    if (rank > MAAS_MAX_RANK)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("a tensor of %d dimensions; at most %d are supported", rank, MAAS_MAX_RANK)));
    view->type = type;
    view->rank = rank;
    for (int i = 0; i < rank; i++)
        view->dims[i] = dims[i];
    if (!maas_count_dims(rank, dims, &view->count) || !maas_mul((size_t)view->count, size, &bytes))
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("a tensor of more elements than can be counted")));
    tensor = TensorAlloc(view, maas_tensor_packed_size(view));
    memset(tensor->packed, 0, TENSOR_PACKED_BYTES(tensor));
    maas_tensor_pack(view, tensor->packed);
    BORDER_CHECK(maas_tensor_peek(tensor->packed, TENSOR_PACKED_BYTES(tensor), view, &err), &err);
    return PointerGetDatum(tensor);
}

MaasType TensorTypeFromName(const char *name, size_t length)
{
    MaasType type = maas_type_from_name(name, length);

    if (type == MAAS_UNDEFINED)
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT),
                 errmsg("there is no element type \"%s\"", pnstrdup(name, length)),
                 errhint("Element types are float, double, float16, bfloat16, int8, int16, int32, int64, uint8, "
                         "uint16, uint32, uint64, bool, string, complex64, complex128 and the smaller types of "
                         "ONNX.")));
    return type;
}

/* ---- text ---- */

Datum tensor_in(PG_FUNCTION_ARGS)
{
    const char *text = PG_GETARG_CSTRING(0);
    MaasError err;
    MaasMem mem;
    MaasValue *value;
    size_t length;
    Datum result;

    text = BorderUtf8(text, strlen(text), &length);
    BorderMem(&mem, CurrentMemoryContext);
    if (maas_tensor_parse(text, length, &mem, &value, &err) != MAAS_OK) {
        BorderSave(&err, fcinfo->context);
        PG_RETURN_NULL();
    }
    result = TensorFromValue(value);
    maas_value_unref(value);
    return result;
}

/* UTF-8 as text of a server with another encoding: \uXXXX for all that is not ASCII. */
static char *EscapeNonAscii(const char *text, size_t length)
{
    StringInfoData out;

    initStringInfo(&out);
    for (size_t i = 0; i < length;) {
        unsigned char c = text[i];
        pg_wchar code;

        if (c < 0x80) {
            appendStringInfoChar(&out, (char)c);
            i++;
            continue;
        }
        code = utf8_to_unicode((const unsigned char *)text + i);
        i += pg_utf_mblen((const unsigned char *)text + i);
        if (code < 0x10000)
            appendStringInfo(&out, "\\u%04x", code);
        else
            appendStringInfo(&out, "\\u%04x\\u%04x", 0xD800 + ((code - 0x10000) >> 10),
                             0xDC00 + ((code - 0x10000) & 0x3FF));
    }
    return out.data;
}

Datum tensor_out(PG_FUNCTION_ARGS)
{
    MaasError err;
    MaasMem mem;
    MaasTensor view;
    char *text, *result;
    size_t length;

    TensorView(PG_GETARG_TENSOR(0), &view);
    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(maas_tensor_print(&view, &mem, &text, &length, &err), &err);
    if (length >= MaxAllocSize)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("the text of a tensor of %zu bytes is too long", length),
                        errhint("Read it in binary, or with maas_tensor_data.")));
    if (view.type == MAAS_STRING && GetDatabaseEncoding() != PG_UTF8)
        result = EscapeNonAscii(text, length);
    else
        result = pnstrdup(text, length);
    maas_free(&mem, text);
    PG_RETURN_CSTRING(result);
}

/* ---- bytes ---- */

/* A tensor from packed bytes that a client sent; everything about them is checked. */
Datum tensor_recv(PG_FUNCTION_ARGS)
{
    StringInfo buf = (StringInfo)PG_GETARG_POINTER(0);
    int n_bytes = buf->len - buf->cursor;
    const char *bytes = pq_getmsgbytes(buf, n_bytes);
    MaasError err;
    MaasMem mem;
    MaasValue *value;
    Datum result;

    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(maas_tensor_unpack(bytes, (size_t)n_bytes, &mem, &value, &err), &err);
    result = TensorFromValue(value);
    maas_value_unref(value);
    return result;
}

Datum tensor_send(PG_FUNCTION_ARGS)
{
    const Tensor *tensor = PG_GETARG_TENSOR(0);
    StringInfoData buf;

    pq_begintypsend(&buf);
    pq_sendbytes(&buf, tensor->packed, (int)TENSOR_PACKED_BYTES(tensor));
    PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* Reads a shape from an array of integers; throws on nulls and on negative dimensions. */
static int ShapeFromArray(ArrayType *array, int64_t *dims)
{
    int n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    const int32 *items = (const int32 *)ARR_DATA_PTR(array);

    if (ARR_NDIM(array) > 1 || array_contains_nulls(array))
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("a shape is a one-dimensional array of integers without nulls")));
    if (n > MAAS_MAX_RANK)
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("a shape of %d dimensions; at most %d are supported", n, MAAS_MAX_RANK)));
    for (int i = 0; i < n; i++) {
        if (items[i] < 0)
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("dimension %d of the shape is %d; it must not be negative", i + 1, items[i])));
        dims[i] = items[i];
    }
    return n;
}

/* maas_tensor(data bytea, dtype text, shape integer[]): the elements' bytes, little-endian, row by row. */
Datum maas_tensor(PG_FUNCTION_ARGS)
{
    bytea *data = PG_GETARG_BYTEA_PP(0);
    text *name = PG_GETARG_TEXT_PP(1);
    MaasTensor view = {0};
    MaasError err;
    Tensor *tensor;
    size_t size, bytes;
    char shape[256];

    view.type = TensorTypeFromName(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
    view.rank = ShapeFromArray(PG_GETARG_ARRAYTYPE_P(2), view.dims);
    if (view.type == MAAS_STRING)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("a string tensor cannot be made from bytes"),
                        errhint("Cast from text[].")));
    size = maas_type_size(view.type);
    if (!maas_count_dims(view.rank, view.dims, &view.count) || !maas_mul((size_t)view.count, size, &bytes))
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("the shape has more elements than can be counted")));
    if (bytes != VARSIZE_ANY_EXHDR(data))
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("a tensor of type %s and shape %s takes %zu bytes, got %zu", maas_type_name(view.type),
                        maas_dims_text(view.rank, view.dims, NULL, shape, sizeof(shape)), bytes,
                        (size_t)VARSIZE_ANY_EXHDR(data))));
    view.data = VARDATA_ANY(data);
    tensor = (Tensor *)DatumGetPointer(TensorMake(&view));
    /* Not every byte is a boolean or a small integer. */
    BORDER_CHECK(maas_tensor_peek(tensor->packed, TENSOR_PACKED_BYTES(tensor), &view, &err), &err);
    PG_RETURN_POINTER(tensor);
}

Datum maas_tensor_data(PG_FUNCTION_ARGS)
{
    MaasTensor view;
    bytea *result;
    size_t bytes;

    TensorView(PG_GETARG_TENSOR(0), &view);
    if (view.type == MAAS_STRING)
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("a string tensor has no fixed-size elements"), errhint("Cast it to text[].")));
    bytes = maas_tensor_bytes(&view);
    result = palloc(VARHDRSZ + bytes);
    SET_VARSIZE(result, VARHDRSZ + bytes);
    if (bytes)
        memcpy(VARDATA(result), view.data, bytes);
    PG_RETURN_BYTEA_P(result);
}

Datum maas_tensor_from_onnx(PG_FUNCTION_ARGS)
{
    bytea *data = PG_GETARG_BYTEA_PP(0);
    MaasError err;
    MaasMem mem;
    MaasValue *value;
    Datum result;

    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(
        maas_value_from_onnx(MAAS_KIND_TENSOR, VARDATA_ANY(data), VARSIZE_ANY_EXHDR(data), &mem, &value, &err),
        &err);
    result = TensorFromValue(value);
    maas_value_unref(value);
    return result;
}

Datum maas_tensor_to_onnx(PG_FUNCTION_ARGS)
{
    const Tensor *tensor = PG_GETARG_TENSOR(0);
    MaasError err;
    MaasMem mem;
    MaasValue *value;
    void *bytes;
    size_t n_bytes;
    bytea *result;

    BorderMem(&mem, CurrentMemoryContext);
    value = TensorValue(tensor, &mem);
    BORDER_CHECK(maas_value_to_onnx(value, &mem, &bytes, &n_bytes, &err), &err);
    maas_value_unref(value);
    if (n_bytes > MaxAllocSize - VARHDRSZ)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%zu bytes do not fit into one bytea", n_bytes)));
    result = palloc(VARHDRSZ + n_bytes);
    SET_VARSIZE(result, VARHDRSZ + n_bytes);
    memcpy(VARDATA(result), bytes, n_bytes);
    maas_free(&mem, bytes);
    PG_RETURN_BYTEA_P(result);
}

/* ---- description and change of form ---- */

Datum maas_dtype(PG_FUNCTION_ARGS)
{
    MaasTensor view;

    TensorView(PG_GETARG_TENSOR(0), &view);
    PG_RETURN_TEXT_P(cstring_to_text(maas_type_name(view.type)));
}

Datum maas_shape(PG_FUNCTION_ARGS)
{
    MaasTensor view;
    Datum dims[MAAS_MAX_RANK];

    TensorView(PG_GETARG_TENSOR(0), &view);
    for (int i = 0; i < view.rank; i++) {
        if (view.dims[i] > PG_INT32_MAX)
            ereport(ERROR,
                    (errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
                     errmsg("dimension %d, " INT64_FORMAT ", is out of range for integer", i + 1, view.dims[i])));
        dims[i] = Int32GetDatum((int32)view.dims[i]);
    }
    PG_RETURN_ARRAYTYPE_P(construct_array(dims, view.rank, INT4OID, sizeof(int32), true, TYPALIGN_INT));
}

/* maas_cast(tensor, dtype text, exact boolean) */
Datum maas_cast(PG_FUNCTION_ARGS)
{
    text *name = PG_GETARG_TEXT_PP(1);
    MaasError err;
    MaasMem mem;
    MaasTensor view;
    MaasValue *value;
    MaasType type = TensorTypeFromName(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
    Datum result;

    TensorView(PG_GETARG_TENSOR(0), &view);
    BorderMem(&mem, CurrentMemoryContext);
    BORDER_CHECK(maas_tensor_cast(&view, type, PG_GETARG_BOOL(2), &mem, &value, &err), &err);
    result = TensorFromValue(value);
    maas_value_unref(value);
    return result;
}

/* maas_reshape(tensor, shape integer[]): the same elements, row by row. */
Datum maas_reshape(PG_FUNCTION_ARGS)
{
    MaasTensor view;
    int64_t dims[MAAS_MAX_RANK], count;
    int rank;
    char from[256], to[256];

    TensorView(PG_GETARG_TENSOR(0), &view);
    rank = ShapeFromArray(PG_GETARG_ARRAYTYPE_P(1), dims);
    if (!maas_count_dims(rank, dims, &count) || count != view.count)
        ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                        errmsg("a tensor of shape %s cannot take the shape %s: their numbers of elements differ",
                               maas_dims_text(view.rank, view.dims, NULL, from, sizeof(from)),
                               maas_dims_text(rank, dims, NULL, to, sizeof(to)))));
    view.rank = rank;
    memcpy(view.dims, dims, sizeof(dims));
    return TensorMake(&view);
}
