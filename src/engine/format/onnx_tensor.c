/*
 * onnx_tensor.c - TensorProto and SparseTensorProto, read and written.
 *
 * Reading goes over the message twice: the first round finds shape, type and
 * the number of elements that are really there, so that nothing is allocated
 * for a shape that the bytes do not fill; the second copies.  The 4-bit and
 * 2-bit types are packed in the message and one to a byte in memory.  Multi-byte
 * numbers are little-endian in the message, as they are in memory.
 */
#include <string.h>

#include "../base/utf8.h"
#include "onnx_tensor.h"

/* The numbers of TensorProto's fields. */
enum {
    T_DIMS = 1,
    T_TYPE = 2,
    T_SEGMENT = 3,
    T_FLOAT = 4,
    T_INT32 = 5,
    T_STRING = 6,
    T_INT64 = 7,
    T_NAME = 8,
    T_RAW = 9,
    T_DOUBLE = 10,
    T_UINT64 = 11,
    T_LOCATION = 14
};

typedef struct TensorHead {
    MaasType type;
    int rank;
    int64_t dims[MAAS_MAX_RANK];
    int64_t count;
    MaasSlice name, raw;
    bool has_raw, use_raw;
    size_t n[T_UINT64 + 1]; /* entries of each typed field */
} TensorHead;

/* The typed field in which elements of a type are kept. */
static int field_of(MaasType type)
{
    switch (type) {
    case MAAS_FLOAT:
    case MAAS_COMPLEX64:
        return T_FLOAT;
    case MAAS_DOUBLE:
    case MAAS_COMPLEX128:
        return T_DOUBLE;
    case MAAS_INT64:
        return T_INT64;
    case MAAS_UINT32:
    case MAAS_UINT64:
        return T_UINT64;
    case MAAS_STRING:
        return T_STRING;
    default:
        return T_INT32;
    }
}

static MaasStatus read_dims(const MaasPbField *f, int *rank, int64_t *dims, MaasError *err)
{
    size_t more = 0, n = (size_t)*rank;
    MAAS_TRY(maas_pb_count(f, MAAS_PB_VARINT, "dims", &more, err));
    if (more > (size_t)(MAAS_MAX_RANK - *rank))
        return maas_fail(err, MAAS_ERR_LIMIT, "rank is above %d", MAAS_MAX_RANK);
    maas_pb_read_ints(f, dims, &n);
    *rank = (int)n;
    return MAAS_OK;
}

static MaasStatus check_dims(int rank, const int64_t *dims, int64_t *count, MaasError *err)
{
    char text[256];
    if (!maas_count_dims(rank, dims, count))
        return maas_fail(err, MAAS_ERR_SHAPE, "shape %s is negative or too large",
                         maas_dims_text(rank, dims, NULL, text, sizeof text));
    return MAAS_OK;
}

static MaasStatus read_head(MaasPb pb, TensorHead *head, MaasError *err)
{
    MaasPbField f;
    int64_t number;

    memset(head, 0, sizeof *head);
    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, err));
        switch (f.number) {
        case T_DIMS:
            MAAS_TRY(read_dims(&f, &head->rank, head->dims, err));
            break;
        case T_TYPE:
            MAAS_TRY(maas_pb_int(&f, "data_type", &number, err));
            if (number <= MAAS_UNDEFINED || number >= MAAS_NTYPES)
                return maas_fail(err, MAAS_ERR_UNSUPPORTED, "element type %lld is not known", (long long)number);
            head->type = (MaasType)number;
            break;
        case T_SEGMENT:
            return maas_fail(err, MAAS_ERR_UNSUPPORTED, "the tensor is stored in segments");
        case T_FLOAT:
            MAAS_TRY(maas_pb_count(&f, MAAS_PB_FIXED32, "float_data", &head->n[T_FLOAT], err));
            break;
        case T_INT32:
        case T_INT64:
        case T_UINT64:
            MAAS_TRY(maas_pb_count(&f, MAAS_PB_VARINT, "integer data", &head->n[f.number], err));
            break;
        case T_DOUBLE:
            MAAS_TRY(maas_pb_count(&f, MAAS_PB_FIXED64, "double_data", &head->n[T_DOUBLE], err));
            break;
        case T_STRING:
            head->n[T_STRING]++;
            break;
        case T_NAME:
            MAAS_TRY(maas_pb_text(&f, "the name of a tensor", &head->name, err));
            break;
        case T_RAW:
            MAAS_TRY(maas_pb_bytes(&f, "raw_data", &head->raw, err));
            head->has_raw = true;
            break;
        case T_LOCATION:
            MAAS_TRY(maas_pb_int(&f, "data_location", &number, err));
            if (number != 0) {
                maas_fail(err, MAAS_ERR_UNSUPPORTED, "the content is in another file (external data)");
                maas_error_hint(err, "Save the model as one file: "
                                     "onnx.save(onnx.load(path), path2, save_as_external_data=False).");
                return err->status;
            }
            break;
        default:
            break;
        }
    }
    if (head->type == MAAS_UNDEFINED)
        return maas_fail(err, MAAS_ERR_FORMAT, "the tensor has no element type");
    return check_dims(head->rank, head->dims, &head->count, err);
}

/* Checks that the content is there, whole and in one place, and finds out in which. */
static MaasStatus check_length(TensorHead *head, MaasError *err)
{
    char text[256];
    int field = field_of(head->type), bits = maas_type_bits(head->type);
    bool complex = head->type == MAAS_COMPLEX64 || head->type == MAAS_COMPLEX128;
    uint64_t count = (uint64_t)head->count, got, expected;

    if (head->has_raw && head->type == MAAS_STRING)
        return maas_fail(err, MAAS_ERR_FORMAT, "strings are given as raw_data");
    /* some exporters leave an empty raw_data next to typed fields */
    head->use_raw = head->has_raw && (head->raw.size > 0 || head->n[field] == 0);
    if (head->use_raw && head->n[field] > 0)
        return maas_fail(err, MAAS_ERR_FORMAT, "the content is given twice, as raw_data and as numbers");
    if (head->use_raw) {
        uint64_t per_byte = bits < 8 ? 8 / (uint64_t)bits : 1;
        got = head->raw.size;
        if (bits < 8)
            expected = count / per_byte + (count % per_byte != 0);
        else if (__builtin_mul_overflow(count, (uint64_t)bits / 8, &expected))
            expected = UINT64_MAX;
        if (got != expected)
            return maas_fail(err, MAAS_ERR_FORMAT, "%s %s needs %llu bytes, raw_data has %llu",
                             maas_type_name(head->type),
                             maas_dims_text(head->rank, head->dims, NULL, text, sizeof text),
                             (unsigned long long)expected, (unsigned long long)got);
        return MAAS_OK;
    }
    got = head->n[field];
    if (bits > 0 && bits < 8)
        expected = count / (8 / (uint64_t)bits) + (count % (8 / (uint64_t)bits) != 0);
    else if (__builtin_mul_overflow(count, (uint64_t)(complex ? 2 : 1), &expected))
        expected = UINT64_MAX;
    if (got != expected)
        return maas_fail(err, MAAS_ERR_FORMAT, "%s %s needs %llu entries, the data field has %llu",
                         maas_type_name(head->type),
                         maas_dims_text(head->rank, head->dims, NULL, text, sizeof text),
                         (unsigned long long)expected, (unsigned long long)got);
    return MAAS_OK;
}

/* ---- filling ---- */

/* Element i of a packed 4-bit or 2-bit type: low bits first, signed ones extended. */
static uint8_t unpack(MaasType type, int bits, uint8_t byte, int64_t i)
{
    int per_byte = 8 / bits;
    uint8_t v = (uint8_t)(byte >> (i % per_byte) * bits & ((1 << bits) - 1));
    if ((type == MAAS_INT4 || type == MAAS_INT2) && v >> (bits - 1))
        v |= (uint8_t)(0xff << bits);
    return v;
}

static void fill_raw(const TensorHead *head, MaasTensor *t)
{
    int bits = maas_type_bits(head->type);
    uint8_t *to = t->data;

    if (head->count == 0)
        return;
    if (bits < 8) {
        for (int64_t i = 0; i < head->count; i++)
            to[i] = unpack(head->type, bits, (uint8_t)head->raw.data[i / (8 / bits)], i);
    } else {
        memcpy(to, head->raw.data, head->raw.size);
        if (head->type == MAAS_BOOL)
            for (int64_t i = 0; i < head->count; i++)
                to[i] = to[i] != 0;
    }
}

/* Stores entries [at, at + n) of an integer field; the values of one byte hold several 4-bit or 2-bit elements. */
static MaasStatus store_ints(const MaasTensor *t, const int64_t *from, int64_t at, int64_t n, MaasError *err)
{
    int bits = maas_type_bits(t->type);
    if (bits < 8) {
        for (int64_t i = at * (8 / bits); i < t->count && i < (at + n) * (8 / bits); i++)
            MAAS_U8(t)[i] = unpack(t->type, bits, (uint8_t)from[i / (8 / bits) - at], i);
        return MAAS_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t v = from[i];
        if (bits < 64 && (v < -((int64_t)1 << (bits - 1)) || v >= (int64_t)1 << bits))
            return maas_fail(err, MAAS_ERR_VALUE, "element %lld is %lld, which %s cannot hold", (long long)(at + i),
                             (long long)v, maas_type_name(t->type));
        if (t->type == MAAS_BOOL)
            MAAS_U8(t)[at + i] = v != 0;
        else if (bits == 8)
            MAAS_U8(t)[at + i] = (uint8_t)v;
        else if (bits == 16)
            ((uint16_t *)t->data)[at + i] = (uint16_t)v;
        else if (bits == 32)
            ((uint32_t *)t->data)[at + i] = (uint32_t)v;
        else
            ((uint64_t *)t->data)[at + i] = (uint64_t)v;
    }
    return MAAS_OK;
}

/* One field of integers, packed or not; *at counts its entries. */
static MaasStatus fill_ints(const MaasPbField *f, const MaasTensor *t, int64_t *at, MaasError *err)
{
    int64_t piece[256];
    MaasPbField part = *f;

    /* a varint ends with a byte below 0x80: cut the packed bytes into pieces of whole numbers */
    while (f->wire == MAAS_PB_BYTES && part.bytes.size > 0) {
        size_t n = 0, size = 0, ends = 0;
        while (size < part.bytes.size && ends < 256)
            ends += (uint8_t)part.bytes.data[size++] < 0x80;
        MaasPbField cut = part;
        cut.bytes.size = size;
        maas_pb_read_ints(&cut, piece, &n);
        MAAS_TRY(store_ints(t, piece, *at, (int64_t)n, err));
        *at += (int64_t)n;
        part.bytes.data += size;
        part.bytes.size -= size;
    }
    if (f->wire == MAAS_PB_VARINT) {
        piece[0] = (int64_t)f->value;
        MAAS_TRY(store_ints(t, piece, *at, 1, err));
        ++*at;
    }
    return MAAS_OK;
}

static MaasStatus fill_typed(MaasPb pb, MaasTensor *t, MaasError *err)
{
    uint32_t field = (uint32_t)field_of(t->type);
    MaasPbField f;
    int64_t at = 0;
    size_t n = 0;

    while (maas_pb_more(&pb)) {
        MAAS_TRY(maas_pb_next(&pb, &f, err));
        if (f.number != field)
            continue;
        if (field == T_FLOAT)
            maas_pb_read_floats(&f, t->data, &n);
        else if (field == T_DOUBLE)
            maas_pb_read_doubles(&f, t->data, &n);
        else
            MAAS_TRY(fill_ints(&f, t, &at, err));
    }
    return MAAS_OK;
}

static MaasStatus read_strings(MaasPb pb, const TensorHead *head, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasStr *strings = maas_alloc_array(mem, (size_t)head->count, sizeof *strings, err);
    MaasStatus status = MAAS_OK;
    MaasPbField f;
    size_t n = 0;

    if (strings == NULL)
        return err->status;
    while (status == MAAS_OK && maas_pb_more(&pb)) {
        MaasSlice text;
        status = maas_pb_next(&pb, &f, err);
        if (status != MAAS_OK || f.number != T_STRING)
            continue;
        status = maas_pb_bytes(&f, "string_data", &text, err);
        if (status == MAAS_OK && maas_utf8_valid(text.data, text.size) != text.size)
            status = maas_fail(err, MAAS_ERR_FORMAT, "string %zu is not valid UTF-8", n);
        if (status == MAAS_OK)
            strings[n++] = (MaasStr){text.data, text.size};
    }
    if (status == MAAS_OK)
        status = maas_value_new_strings(mem, head->rank, head->dims, strings, out, err);
    maas_free(mem, strings);
    return status;
}

MaasStatus maas_onnx_read_tensor(MaasPb pb, MaasMem *mem, MaasSlice *name, MaasValue **out, MaasError *err)
{
    TensorHead head;
    MaasValue *value;
    MaasStatus status = read_head(pb, &head, err);

    if (name != NULL)
        *name = head.name;
    MAAS_TRY(status);
    MAAS_TRY(check_length(&head, err));
    if (head.type == MAAS_STRING)
        return read_strings(pb, &head, mem, out, err);
    MAAS_TRY(maas_value_new_tensor(mem, head.type, head.rank, head.dims, &value, err));
    if (head.use_raw)
        fill_raw(&head, &value->tensor);
    else
        status = fill_typed(pb, &value->tensor, err);
    if (status != MAAS_OK) {
        maas_value_unref(value);
        return status;
    }
    *out = value;
    return MAAS_OK;
}

/* ---- sparse ---- */

/* Copies element i of values to the place in dense that indices say: (NNZ) linear or (NNZ, rank). */
static MaasStatus scatter(const MaasTensor *values, const MaasTensor *indices, MaasTensor *dense, MaasError *err)
{
    size_t size = maas_type_size(values->type);
    for (int64_t i = 0; i < values->count; i++) {
        int64_t at = 0;
        if (indices->rank == 1) {
            at = MAAS_I64(indices)[i];
            if (at < 0 || at >= dense->count)
                return maas_fail(err, MAAS_ERR_VALUE, "index %lld of a sparse tensor is not in [0,%lld)",
                                 (long long)at, (long long)dense->count);
        } else {
            for (int d = 0; d < dense->rank; d++) {
                int64_t index = MAAS_I64(indices)[i * dense->rank + d];
                if (index < 0 || index >= dense->dims[d])
                    return maas_fail(err, MAAS_ERR_VALUE, "index %lld of a sparse tensor is not in [0,%lld)",
                                     (long long)index, (long long)dense->dims[d]);
                at = at * dense->dims[d] + index;
            }
        }
        memcpy((char *)dense->data + (size_t)at * size, (const char *)values->data + (size_t)i * size, size);
    }
    return MAAS_OK;
}

static MaasStatus make_dense(const MaasTensor *values, const MaasTensor *indices, int rank, const int64_t *dims,
                             MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasStatus status;
    MaasValue *dense;
    int64_t count;

    MAAS_TRY(check_dims(rank, dims, &count, err));
    if (values->rank != 1 || values->type == MAAS_STRING)
        return maas_fail(err, MAAS_ERR_SHAPE, "the values of a sparse tensor are not a list of numbers");
    if (indices->type != MAAS_INT64 || indices->rank < 1 || indices->rank > 2 ||
        indices->dims[0] != values->count || (indices->rank == 2 && indices->dims[1] != rank))
        return maas_fail(err, MAAS_ERR_SHAPE,
                         "the indices of a sparse tensor are not int64 [%lld] or [%lld,%d], as its values and "
                         "shape ask for",
                         (long long)values->count, (long long)values->count, rank);
    MAAS_TRY(maas_value_new_tensor(mem, values->type, rank, dims, &dense, err));
    if (dense->tensor.count > 0)
        memset(dense->tensor.data, 0, maas_tensor_bytes(&dense->tensor));
    status = scatter(values, indices, &dense->tensor, err);
    if (status != MAAS_OK)
        maas_value_unref(dense);
    else
        *out = dense;
    return status;
}

MaasStatus maas_onnx_read_sparse(MaasPb pb, MaasMem *mem, MaasSlice *name, MaasValue **out, MaasError *err)
{
    MaasValue *values = NULL, *indices = NULL;
    int64_t dims[MAAS_MAX_RANK];
    MaasStatus status = MAAS_OK;
    MaasPb inside = pb;
    MaasPbField f;
    int rank = 0;

    while (status == MAAS_OK && maas_pb_more(&pb)) {
        MaasSlice bytes;
        status = maas_pb_next(&pb, &f, err);
        if (status != MAAS_OK)
            break;
        if (f.number == 3) {
            status = read_dims(&f, &rank, dims, err);
        } else if (f.number == 1 || f.number == 2) {
            MaasValue **to = f.number == 1 ? &values : &indices;
            status = maas_pb_bytes(&f, "a sparse tensor", &bytes, err);
            if (status == MAAS_OK && *to != NULL)
                status = maas_fail(err, MAAS_ERR_FORMAT, "a sparse tensor has its values or indices twice");
            if (status == MAAS_OK)
                status =
                    maas_onnx_read_tensor(maas_pb_inner(&inside, bytes), mem, f.number == 1 ? name : NULL, to, err);
        }
    }
    if (status == MAAS_OK && (values == NULL || indices == NULL))
        status = maas_fail(err, MAAS_ERR_FORMAT, "a sparse tensor lacks its values or indices");
    if (status == MAAS_OK)
        status = make_dense(&values->tensor, &indices->tensor, rank, dims, mem, out, err);
    maas_value_unref(values);
    maas_value_unref(indices);
    return status;
}

/* ---- writing ---- */

void maas_onnx_write_tensor(MaasPbOut *out, const MaasTensor *t)
{
    int bits = maas_type_bits(t->type);

    for (int d = 0; d < t->rank; d++)
        maas_pb_put_int(out, T_DIMS, t->dims[d]);
    maas_pb_put_int(out, T_TYPE, t->type);
    if (t->type == MAAS_STRING) {
        for (int64_t i = 0; i < t->count; i++)
            maas_pb_put_bytes(out, T_STRING, MAAS_STRS(t)[i].data, MAAS_STRS(t)[i].length);
    } else if (bits < 8) {
        int per_byte = 8 / bits;
        uint8_t *to = maas_pb_put_space(out, T_RAW, (size_t)(t->count / per_byte + (t->count % per_byte != 0)));
        for (int64_t i = 0; to != NULL && i < t->count; i++) {
            uint8_t v = (uint8_t)((MAAS_U8(t)[i] & ((1 << bits) - 1)) << (i % per_byte) * bits);
            to[i / per_byte] = i % per_byte == 0 ? v : (uint8_t)(to[i / per_byte] | v);
        }
    } else {
        maas_pb_put_bytes(out, T_RAW, t->data, maas_tensor_bytes(t));
    }
}
