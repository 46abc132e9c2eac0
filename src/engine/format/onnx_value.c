/*
 * onnx_value.c - values as ONNX messages: TensorProto, SequenceProto, OptionalProto, MapProto.
 *
 * Reading checks everything, bounds the nesting and makes values of their own
 * memory; writing goes through a buffer of the caller's MaasMem.
 */
#include <string.h>

#include "../base/utf8.h"
#include "../maas.h"
#include "onnx_tensor.h"

#define MAX_DEPTH 16

/* The fields of SequenceProto; its elem_type uses the same numbers less two. */
enum { S_ELEM_TYPE = 2, S_TENSOR = 3, S_SPARSE = 4, S_SEQUENCE = 5, S_MAP = 6, S_OPTIONAL = 7 };
enum { M_KEYS = 3, M_STRING_KEYS = 4, M_VALUES = 5 };

static MaasStatus read_value(MaasKind kind, MaasPb pb, int depth, MaasMem *mem, MaasValue **out, MaasError *err);

/* What a field of SequenceProto holds; those of OptionalProto have the same numbers. */
static MaasKind kind_of_field(uint32_t field)
{
    switch (field) {
    case S_TENSOR:
        return MAAS_KIND_TENSOR;
    case S_SEQUENCE:
        return MAAS_KIND_SEQUENCE;
    case S_MAP:
        return MAAS_KIND_MAP;
    case S_OPTIONAL:
        return MAAS_KIND_OPTIONAL;
    default:
        return MAAS_KIND_UNKNOWN;
    }
}

static uint32_t field_of_kind(MaasKind kind)
{
    switch (kind) {
    case MAAS_KIND_SEQUENCE:
        return S_SEQUENCE;
    case MAAS_KIND_MAP:
        return S_MAP;
    case MAAS_KIND_OPTIONAL:
        return S_OPTIONAL;
    default:
        return S_TENSOR;
    }
}

/* Reads element field f, one of S_TENSOR ... S_OPTIONAL. */
static MaasStatus read_element(const MaasPb *pb, const MaasPbField *f, int depth, MaasMem *mem, MaasValue **out,
                               MaasError *err)
{
    MaasSlice bytes;
    MAAS_TRY(maas_pb_bytes(f, "an element", &bytes, err));
    if (f->number == S_SPARSE)
        return maas_onnx_read_sparse(maas_pb_inner(pb, bytes), mem, NULL, out, err);
    return read_value(kind_of_field(f->number), maas_pb_inner(pb, bytes), depth + 1, mem, out, err);
}

static MaasStatus read_sequence(MaasPb pb, int depth, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasPb count = pb;
    MaasPbField f;
    MaasValue *seq;
    uint32_t kind = 0;
    int64_t n = 0;

    while (maas_pb_more(&count)) {
        MAAS_TRY(maas_pb_next(&count, &f, err));
        if (f.number < S_TENSOR || f.number > S_OPTIONAL)
            continue;
        if (kind != 0 && f.number != kind)
            return maas_fail(err, MAAS_ERR_FORMAT, "a sequence mixes elements of several kinds");
        kind = f.number;
        n++;
    }
    MAAS_TRY(maas_value_new_sequence(mem, n, &seq, err));
    for (int64_t i = 0; maas_pb_more(&pb);) {
        MaasStatus status = maas_pb_next(&pb, &f, err);
        if (status == MAAS_OK && f.number == kind)
            status = read_element(&pb, &f, depth, mem, &seq->seq.items[i++], err);
        if (status != MAAS_OK) {
            maas_value_unref(seq);
            return status;
        }
    }
    *out = seq;
    return MAAS_OK;
}

static MaasStatus read_optional(MaasPb pb, int depth, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasValue *some = NULL;
    MaasPbField f;

    while (maas_pb_more(&pb)) {
        MaasStatus status = maas_pb_next(&pb, &f, err);
        if (status == MAAS_OK && (f.number < S_TENSOR || f.number > S_OPTIONAL))
            continue;
        if (status == MAAS_OK && some != NULL)
            status = maas_fail(err, MAAS_ERR_FORMAT, "an optional holds more than one value");
        if (status == MAAS_OK)
            status = read_element(&pb, &f, depth, mem, &some, err);
        if (status != MAAS_OK) {
            maas_value_unref(some);
            return status;
        }
    }
    return maas_value_new_optional(mem, some, out, err);
}

/* ---- maps ---- */

static MaasStatus read_keys(MaasPb pb, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasPb count = pb;
    size_t n_ints = 0, n_strings = 0, n = 0;
    MaasStr *strings;
    MaasStatus status = MAAS_OK;
    MaasPbField f;

    while (maas_pb_more(&count)) {
        MAAS_TRY(maas_pb_next(&count, &f, err));
        if (f.number == M_KEYS)
            MAAS_TRY(maas_pb_count(&f, MAAS_PB_VARINT, "keys", &n_ints, err));
        n_strings += f.number == M_STRING_KEYS;
    }
    if (n_ints > 0 && n_strings > 0)
        return maas_fail(err, MAAS_ERR_FORMAT, "a map has keys of two kinds");
    if (n_strings == 0) {
        int64_t dims[1] = {(int64_t)n_ints};
        MAAS_TRY(maas_value_new_tensor(mem, MAAS_INT64, 1, dims, out, err));
        while (maas_pb_more(&pb)) {
            status = maas_pb_next(&pb, &f, err);
            if (status == MAAS_OK && f.number == M_KEYS)
                maas_pb_read_ints(&f, MAAS_I64(&(*out)->tensor), &n);
        }
        return status;
    }
    int64_t dims[1] = {(int64_t)n_strings};
    strings = maas_alloc_array(mem, n_strings, sizeof *strings, err);
    if (strings == NULL)
        return err->status;
    while (status == MAAS_OK && maas_pb_more(&pb)) {
        MaasSlice text;
        status = maas_pb_next(&pb, &f, err);
        if (status != MAAS_OK || f.number != M_STRING_KEYS)
            continue;
        status = maas_pb_bytes(&f, "a key", &text, err);
        if (status == MAAS_OK && maas_utf8_valid(text.data, text.size) != text.size)
            status = maas_fail(err, MAAS_ERR_FORMAT, "a key of a map is not valid UTF-8");
        if (status == MAAS_OK)
            strings[n++] = (MaasStr){text.data, text.size};
    }
    if (status == MAAS_OK)
        status = maas_value_new_strings(mem, 1, dims, strings, out, err);
    maas_free(mem, strings);
    return status;
}

/* A sequence of one-element tensors of one type -> a tensor of rank 1. */
static MaasStatus join(const MaasValue *seq, MaasMem *mem, MaasValue **out, MaasError *err)
{
    int64_t n = seq->seq.n, dims[1] = {n};
    MaasType type = n > 0 ? seq->seq.items[0]->tensor.type : MAAS_FLOAT;
    size_t size = maas_type_size(type);
    MaasStatus status;
    char *joined;

    for (int64_t i = 0; i < n; i++) {
        const MaasValue *item = seq->seq.items[i];
        if (item->kind != MAAS_KIND_TENSOR || item->tensor.count != 1 || item->tensor.type != type)
            return maas_fail(err, MAAS_ERR_UNSUPPORTED, "a map's values are not numbers or strings of one type");
    }
    joined = maas_alloc_array(mem, (size_t)n, size, err);
    if (joined == NULL)
        return err->status;
    for (int64_t i = 0; i < n; i++)
        memcpy(joined + (size_t)i * size, seq->seq.items[i]->tensor.data, size);
    if (type == MAAS_STRING) {
        status = maas_value_new_strings(mem, 1, dims, (const MaasStr *)joined, out, err);
    } else {
        status = maas_value_new_tensor(mem, type, 1, dims, out, err);
        if (status == MAAS_OK && n > 0)
            memcpy((*out)->tensor.data, joined, (size_t)n * size);
    }
    maas_free(mem, joined);
    return status;
}

static MaasStatus read_map(MaasPb pb, int depth, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasValue *keys = NULL, *seq = NULL, *values = NULL;
    MaasStatus status = read_keys(pb, mem, &keys, err);
    MaasPbField f;

    while (status == MAAS_OK && maas_pb_more(&pb)) {
        MaasSlice bytes;
        status = maas_pb_next(&pb, &f, err);
        if (status != MAAS_OK || f.number != M_VALUES)
            continue;
        status = maas_pb_bytes(&f, "a map's values", &bytes, err);
        if (status == MAAS_OK && seq != NULL)
            status = maas_fail(err, MAAS_ERR_FORMAT, "a map has its values twice");
        if (status == MAAS_OK)
            status = read_sequence(maas_pb_inner(&pb, bytes), depth + 1, mem, &seq, err);
    }
    if (status == MAAS_OK && seq == NULL)
        status = maas_value_new_sequence(mem, 0, &seq, err);
    if (status == MAAS_OK && seq->seq.n != keys->tensor.count)
        status = maas_fail(err, MAAS_ERR_FORMAT, "a map has %lld keys and %lld values",
                           (long long)keys->tensor.count, (long long)seq->seq.n);
    if (status == MAAS_OK)
        status = join(seq, mem, &values, err);
    maas_value_unref(seq);
    if (status != MAAS_OK) {
        maas_value_unref(keys);
        maas_value_unref(values);
        return status;
    }
    return maas_value_new_map(mem, keys, values, out, err);
}

static MaasStatus read_value(MaasKind kind, MaasPb pb, int depth, MaasMem *mem, MaasValue **out, MaasError *err)
{
    if (depth > MAX_DEPTH)
        return maas_fail(err, MAAS_ERR_LIMIT, "values are nested more than %d deep", MAX_DEPTH);
    switch (kind) {
    case MAAS_KIND_TENSOR:
        return maas_onnx_read_tensor(pb, mem, NULL, out, err);
    case MAAS_KIND_SEQUENCE:
        return read_sequence(pb, depth, mem, out, err);
    case MAAS_KIND_OPTIONAL:
        return read_optional(pb, depth, mem, out, err);
    case MAAS_KIND_MAP:
        return read_map(pb, depth, mem, out, err);
    default:
        return maas_fail(err, MAAS_ERR_FORMAT, "an element is of a kind that is not known");
    }
}

MaasStatus maas_value_from_onnx(MaasKind kind, const void *bytes, size_t n_bytes, MaasMem *mem, MaasValue **out,
                                MaasError *err)
{
    *out = NULL;
    return read_value(kind, maas_pb_open(bytes, n_bytes), 0, mem, out, err);
}

/* ---- writing ---- */

static void write_value(MaasPbOut *out, const MaasValue *value);

static void write_field(MaasPbOut *out, uint32_t field, const MaasValue *value)
{
    size_t mark = maas_pb_begin(out, field);
    write_value(out, value);
    maas_pb_end(out, mark);
}

static void write_map(MaasPbOut *out, const MaasTensor *keys, const MaasTensor *values)
{
    size_t size = maas_type_size(values->type), all, one;

    if (keys->type != MAAS_STRING && keys->type != MAAS_INT64) {
        out->status = maas_fail(out->err, MAAS_ERR_UNSUPPORTED,
                                "a map has keys of type %s, expected int64 or string", maas_type_name(keys->type));
        return;
    }
    maas_pb_put_int(out, 2, keys->type);
    for (int64_t i = 0; i < keys->count; i++) {
        if (keys->type == MAAS_STRING)
            maas_pb_put_bytes(out, M_STRING_KEYS, MAAS_STRS(keys)[i].data, MAAS_STRS(keys)[i].length);
        else
            maas_pb_put_int(out, M_KEYS, MAAS_I64(keys)[i]);
    }
    all = maas_pb_begin(out, M_VALUES);
    maas_pb_put_int(out, S_ELEM_TYPE, S_TENSOR - 2);
    for (int64_t i = 0; i < values->count; i++) {
        MaasTensor scalar = {
            .type = values->type, .rank = 0, .count = 1, .data = (char *)values->data + (size_t)i * size};
        one = maas_pb_begin(out, S_TENSOR);
        maas_onnx_write_tensor(out, &scalar);
        maas_pb_end(out, one);
    }
    maas_pb_end(out, all);
}

/* The depth of a value is bounded by the types of the model that made it. */
static void write_value(MaasPbOut *out, const MaasValue *value)
{
    if (value->kind == MAAS_KIND_TENSOR) {
        maas_onnx_write_tensor(out, &value->tensor);
    } else if (value->kind == MAAS_KIND_SEQUENCE) {
        if (value->seq.n > 0)
            maas_pb_put_int(out, S_ELEM_TYPE, field_of_kind(value->seq.items[0]->kind) - 2);
        for (int64_t i = 0; i < value->seq.n; i++)
            write_field(out, field_of_kind(value->seq.items[i]->kind), value->seq.items[i]);
    } else if (value->kind == MAAS_KIND_OPTIONAL) {
        if (value->some != NULL) {
            maas_pb_put_int(out, S_ELEM_TYPE, field_of_kind(value->some->kind) - 2);
            write_field(out, field_of_kind(value->some->kind), value->some);
        }
    } else if (value->kind == MAAS_KIND_MAP) {
        write_map(out, &value->map.keys->tensor, &value->map.values->tensor);
    }
}

MaasStatus maas_value_to_onnx(const MaasValue *value, MaasMem *mem, void **bytes, size_t *n_bytes, MaasError *err)
{
    MaasPbOut out;

    maas_pb_out_init(&out, mem, err);
    write_value(&out, value);
    if (out.status == MAAS_OK && out.data == NULL) /* an empty message is not a missing one */
        out.data = maas_alloc(mem, 0, err);
    if (out.data == NULL || out.status != MAAS_OK) {
        maas_pb_out_free(&out);
        return err->status;
    }
    *bytes = out.data;
    *n_bytes = out.size;
    return MAAS_OK;
}
