/*
 * tensor.c - makes, shares, copies and releases values.
 *
 * A tensor's own memory is one block: a MaasBuffer and, 64 bytes behind its start, the elements.  References are
 * counted without atomics: a value belongs to one thread at a time.  Nesting of values is bounded by whoever builds
 * them (the readers of format/ and the operators), which bounds the recursion here.
 */
#include <stdio.h>
#include <string.h>

#include "tensor.h"

#define BUFFER_HEADER 64

_Static_assert(sizeof(MaasBuffer) <= BUFFER_HEADER, "a buffer's header fits before its aligned data");

bool maas_count_dims(int rank, const int64_t *dims, int64_t *count)
{
    int64_t product = 1;
    bool empty = false;

    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        if (dims[i] == 0)
            empty = true; /* the other dimensions must fit all the same: strides are products of them */
        else if (!maas_mul64(product, dims[i], &product))
            return false;
    }
    *count = empty ? 0 : product;
    return true;
}

char *maas_dims_text(int rank, const int64_t *dims, const char *const *names, char *text, size_t size)
{
    size_t length = 0;

    if (size == 0)
        return text;
    text[0] = '\0';
    for (int i = 0; i <= rank && length < size; i++) {
        const char *mark = i == 0 ? "[" : i < rank ? "," : "";
        int n;

        if (i == rank)
            n = snprintf(text + length, size - length, "%s]", mark);
        else if (names && names[i])
            n = snprintf(text + length, size - length, "%s%s", mark, names[i]);
        else if (dims[i] < 0)
            n = snprintf(text + length, size - length, "%s?", mark);
        else
            n = snprintf(text + length, size - length, "%s%lld", mark, (long long)dims[i]);
        if (n < 0)
            break;
        length += (size_t)n;
    }
    return text;
}

static void buffer_unref(MaasBuffer *buffer)
{
    if (buffer && --buffer->refs == 0)
        maas_free(buffer->mem, buffer);
}

void maas_value_drop_content(MaasValue *value)
{
    buffer_unref(value->tensor.buffer);
    value->tensor.buffer = NULL;
    value->tensor.data = NULL;
}

/* Fills in type, rank, dims and count after checking them; data and buffer stay NULL. */
static MaasStatus describe(MaasTensor *tensor, MaasType type, int rank, const int64_t *dims, MaasError *err)
{
    char text[256];

    *tensor = (MaasTensor){.type = type, .rank = rank};
    if (maas_type_size(type) == 0)
        return maas_fail(err, MAAS_ERR_TYPE, "a tensor of unknown element type %d", (int)type);
    if (rank < 0 || rank > MAAS_MAX_RANK)
        return maas_fail(err, MAAS_ERR_LIMIT, "a tensor of %d dimensions; at most %d are supported", rank,
                         MAAS_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        tensor->dims[i] = dims[i];
        if (dims[i] < 0)
            return maas_fail(err, MAAS_ERR_SHAPE, "a tensor cannot have the shape %s: dimension %d is negative",
                             maas_dims_text(rank, dims, NULL, text, sizeof text), i);
    }
    if (!maas_count_dims(rank, dims, &tensor->count) ||
        tensor->count > (int64_t)(PTRDIFF_MAX / 2 / maas_type_size(type)))
        return maas_fail(err, MAAS_ERR_LIMIT, "a tensor of type %s and shape %s is more than memory can hold",
                         maas_type_name(type), maas_dims_text(rank, dims, NULL, text, sizeof text));
    return MAAS_OK;
}

/* Returns a value of this kind and nothing else set, with one reference; NULL on failure. */
static MaasValue *new_value(MaasMem *mem, MaasKind kind, MaasError *err)
{
    MaasValue *value = maas_zalloc(mem, sizeof *value, err);

    if (!value)
        return NULL;
    value->kind = kind;
    value->refs = 1;
    value->mem = mem;
    return value;
}

/* Makes a tensor whose buffer has extra bytes behind the elements. */
static MaasStatus new_tensor(MaasMem *mem, MaasType type, int rank, const int64_t *dims, size_t extra,
                             MaasValue **out, MaasError *err)
{
    MaasTensor tensor;
    MaasBuffer *buffer;
    MaasValue *value;
    size_t bytes;

    MAAS_TRY(describe(&tensor, type, rank, dims, err));
    if (__builtin_add_overflow(maas_tensor_bytes(&tensor), extra, &bytes) || bytes > PTRDIFF_MAX - BUFFER_HEADER)
        return maas_fail(err, MAAS_ERR_LIMIT, "a tensor with %zu bytes of strings is more than memory can hold",
                         extra);
    value = new_value(mem, MAAS_KIND_TENSOR, err);
    if (!value)
        return err->status;
    buffer = maas_alloc(mem, BUFFER_HEADER + bytes, err);
    if (!buffer) {
        maas_free(mem, value);
        return err->status;
    }
    *buffer = (MaasBuffer){.mem = mem, .bytes = bytes, .refs = 1, .data = (char *)buffer + BUFFER_HEADER};
    tensor.data = buffer->data;
    tensor.buffer = buffer;
    for (int64_t i = 0; type == MAAS_STRING && i < tensor.count; i++)
        ((MaasStr *)tensor.data)[i] = (MaasStr){"", 0};
    value->tensor = tensor;
    *out = value;
    return MAAS_OK;
}

MaasStatus maas_value_new_tensor(MaasMem *mem, MaasType type, int rank, const int64_t *dims, MaasValue **out,
                                 MaasError *err)
{
    return new_tensor(mem, type, rank, dims, 0, out, err);
}

MaasStatus maas_value_wrap(MaasMem *mem, MaasType type, int rank, const int64_t *dims, void *data, MaasValue **out,
                           MaasError *err)
{
    MaasTensor tensor;

    MAAS_TRY(describe(&tensor, type, rank, dims, err));
    *out = new_value(mem, MAAS_KIND_TENSOR, err);
    if (!*out)
        return err->status;
    tensor.data = data;
    (*out)->tensor = tensor;
    return MAAS_OK;
}

MaasStatus maas_value_new_strings(MaasMem *mem, int rank, const int64_t *dims, const MaasStr *strings,
                                  MaasValue **out, MaasError *err)
{
    MaasTensor tensor;
    MaasStr *copies;
    size_t extra = 0;
    char *bytes;

    MAAS_TRY(describe(&tensor, MAAS_STRING, rank, dims, err));
    for (int64_t i = 0; i < tensor.count; i++)
        if (__builtin_add_overflow(extra, strings[i].length, &extra))
            return maas_fail(err, MAAS_ERR_LIMIT, "the strings of a tensor are more than memory can hold");
    MAAS_TRY(new_tensor(mem, MAAS_STRING, rank, dims, extra, out, err));
    copies = MAAS_STRS(&(*out)->tensor);
    bytes = (char *)(copies + tensor.count);
    for (int64_t i = 0; i < tensor.count; i++) {
        copies[i] = (MaasStr){bytes, strings[i].length};
        if (strings[i].length)
            memcpy(bytes, strings[i].data, strings[i].length);
        bytes += strings[i].length;
    }
    return MAAS_OK;
}

MaasStatus maas_value_view(MaasMem *mem, const MaasTensor *tensor, int rank, const int64_t *dims, MaasValue **out,
                           MaasError *err)
{
    MaasTensor view;
    char from[256], to[256];

    MAAS_TRY(describe(&view, tensor->type, rank, dims, err));
    if (view.count != tensor->count)
        return maas_fail(err, MAAS_ERR_SHAPE, "a tensor of shape %s cannot be seen as %s: %lld and %lld elements",
                         maas_dims_text(tensor->rank, tensor->dims, NULL, from, sizeof from),
                         maas_dims_text(rank, dims, NULL, to, sizeof to), (long long)tensor->count,
                         (long long)view.count);
    *out = new_value(mem, MAAS_KIND_TENSOR, err);
    if (!*out)
        return err->status;
    view.data = tensor->data;
    view.buffer = tensor->buffer;
    if (view.buffer)
        view.buffer->refs++;
    (*out)->tensor = view;
    return MAAS_OK;
}

MaasStatus maas_value_new_sequence(MaasMem *mem, int64_t n, MaasValue **out, MaasError *err)
{
    MaasValue *value;

    if (n < 0)
        return maas_fail(err, MAAS_ERR_VALUE, "a sequence of %lld values", (long long)n);
    value = new_value(mem, MAAS_KIND_SEQUENCE, err);
    if (!value)
        return err->status;
    value->seq.items = maas_zalloc_array(mem, (size_t)n, sizeof *value->seq.items, err);
    if (!value->seq.items) {
        maas_free(mem, value);
        return err->status;
    }
    value->seq.n = n;
    *out = value;
    return MAAS_OK;
}

MaasStatus maas_value_new_map(MaasMem *mem, MaasValue *keys, MaasValue *values, MaasValue **out, MaasError *err)
{
    MaasValue *value = NULL;

    if (keys->kind != MAAS_KIND_TENSOR || values->kind != MAAS_KIND_TENSOR || keys->tensor.rank != 1 ||
        values->tensor.rank != 1 || keys->tensor.count != values->tensor.count)
        maas_fail(err, MAAS_ERR_SHAPE, "the keys and the values of a map are not two lists of equal length");
    else
        value = new_value(mem, MAAS_KIND_MAP, err);
    if (!value) {
        maas_value_unref(keys);
        maas_value_unref(values);
        return err->status;
    }
    value->map.keys = keys;
    value->map.values = values;
    *out = value;
    return MAAS_OK;
}

MaasStatus maas_value_new_optional(MaasMem *mem, MaasValue *some, MaasValue **out, MaasError *err)
{
    MaasValue *value = new_value(mem, MAAS_KIND_OPTIONAL, err);

    if (!value) {
        maas_value_unref(some);
        return err->status;
    }
    value->some = some;
    *out = value;
    return MAAS_OK;
}

static MaasStatus copy_tensor(MaasMem *mem, const MaasTensor *t, MaasValue **out, MaasError *err)
{
    if (t->type == MAAS_STRING)
        return maas_value_new_strings(mem, t->rank, t->dims, MAAS_STRS(t), out, err);
    MAAS_TRY(maas_value_new_tensor(mem, t->type, t->rank, t->dims, out, err));
    if (t->count)
        memcpy((*out)->tensor.data, t->data, maas_tensor_bytes(t));
    return MAAS_OK;
}

static MaasStatus copy_sequence(MaasMem *mem, const MaasValue *value, MaasValue **out, MaasError *err)
{
    MaasStatus status = MAAS_OK;
    MaasValue *copy;

    MAAS_TRY(maas_value_new_sequence(mem, value->seq.n, &copy, err));
    for (int64_t i = 0; i < value->seq.n && status == MAAS_OK; i++)
        status = maas_value_copy(mem, value->seq.items[i], &copy->seq.items[i], err);
    if (status != MAAS_OK)
        maas_value_unref(copy);
    else
        *out = copy;
    return status;
}

MaasStatus maas_value_copy(MaasMem *mem, const MaasValue *value, MaasValue **out, MaasError *err)
{
    MaasValue *a = NULL, *b = NULL;
    MaasStatus status;

    switch (value->kind) {
    case MAAS_KIND_TENSOR:
        return copy_tensor(mem, &value->tensor, out, err);
    case MAAS_KIND_SEQUENCE:
        return copy_sequence(mem, value, out, err);
    case MAAS_KIND_MAP:
        MAAS_TRY(maas_value_copy(mem, value->map.keys, &a, err));
        status = maas_value_copy(mem, value->map.values, &b, err);
        if (status != MAAS_OK) {
            maas_value_unref(a);
            return status;
        }
        return maas_value_new_map(mem, a, b, out, err);
    case MAAS_KIND_OPTIONAL:
        if (value->some)
            MAAS_TRY(maas_value_copy(mem, value->some, &a, err));
        return maas_value_new_optional(mem, a, out, err);
    default:
        return maas_fail(err, MAAS_ERR_INTERNAL, "a value of unknown kind %d cannot be copied", (int)value->kind);
    }
}

void maas_value_unref(MaasValue *value)
{
    if (!value || --value->refs > 0)
        return;
    switch (value->kind) {
    case MAAS_KIND_TENSOR:
        buffer_unref(value->tensor.buffer);
        break;
    case MAAS_KIND_SEQUENCE:
        for (int64_t i = 0; i < value->seq.n; i++)
            maas_value_unref(value->seq.items[i]);
        maas_free(value->mem, value->seq.items);
        break;
    case MAAS_KIND_MAP:
        maas_value_unref(value->map.keys);
        maas_value_unref(value->map.values);
        break;
    case MAAS_KIND_OPTIONAL:
        maas_value_unref(value->some);
        break;
    case MAAS_KIND_UNKNOWN:
        break;
    }
    maas_free(value->mem, value);
}
