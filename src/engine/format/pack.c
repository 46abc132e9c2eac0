/*
 * pack.c - tensors as bytes: the form that is stored and sent.
 *
 *     0  uint8   version, 1
 *     1  uint8   element type, ONNX's number
 *     2  uint8   rank
 *     3  uint8   0, and so are 4 to 7
 *     8  int64   dims, one for each dimension
 *        elements, dense and row-major; 2- and 4-bit types one to a byte, as in memory.
 *        Strings: int64 length for each, then the bytes of all of them, UTF-8.
 *
 * Little-endian throughout.  Elements begin at a multiple of 8, so that they can be used where they lie.
 */
#include <string.h>

#include "../base/utf8.h"
#include "../maas.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the packed form is copied as it is: this needs a little-endian machine"
#endif

#define VERSION 1
#define HEAD 8

size_t maas_tensor_packed_size(const MaasTensor *tensor)
{
    size_t bytes = HEAD + (size_t)tensor->rank * sizeof(int64_t), elements;

    if (tensor->type != MAAS_STRING) {
        elements = maas_tensor_bytes(tensor);
    } else {
        if (!maas_mul((size_t)tensor->count, sizeof(int64_t), &elements))
            return SIZE_MAX;
        for (int64_t i = 0; i < tensor->count; i++)
            if (__builtin_add_overflow(elements, MAAS_STRS(tensor)[i].length, &elements))
                return SIZE_MAX;
    }
    return __builtin_add_overflow(bytes, elements, &bytes) ? SIZE_MAX : bytes;
}

void maas_tensor_pack(const MaasTensor *tensor, void *bytes)
{
    uint8_t head[HEAD] = {VERSION, (uint8_t)tensor->type, (uint8_t)tensor->rank};
    char *p = bytes;

    memcpy(p, head, HEAD);
    p += HEAD;
    memcpy(p, tensor->dims, (size_t)tensor->rank * sizeof(int64_t));
    p += (size_t)tensor->rank * sizeof(int64_t);
    if (tensor->count == 0 || !tensor->data)
        return;
    if (tensor->type != MAAS_STRING) {
        memcpy(p, tensor->data, maas_tensor_bytes(tensor));
        return;
    }
    for (int64_t i = 0; i < tensor->count; i++, p += sizeof(int64_t)) {
        int64_t length = (int64_t)MAAS_STRS(tensor)[i].length;

        memcpy(p, &length, sizeof length);
    }
    for (int64_t i = 0; i < tensor->count; i++) {
        MaasStr string = MAAS_STRS(tensor)[i];

        if (string.length)
            memcpy(p, string.data, string.length);
        p += string.length;
    }
}

/* What a byte of this type may be: bool 0 and 1, and what the bits of a small type allow. */
static MaasStatus check_bytes(const MaasTensor *tensor, MaasError *err)
{
    const uint8_t *data = tensor->data;
    uint8_t bias = tensor->type == MAAS_INT4 ? 8 : tensor->type == MAAS_INT2 ? 2 : 0;
    uint8_t high = tensor->type == MAAS_BOOL ? 1 : (uint8_t)((1 << maas_type_bits(tensor->type)) - 1);

    for (int64_t i = 0; i < tensor->count; i++)
        if ((uint8_t)(data[i] + bias) > high)
            return maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: element %lld is the byte 0x%02x, which is no %s",
                             (long long)i, data[i], maas_type_name(tensor->type));
    return MAAS_OK;
}

/* Reads the head and the dims; data points to what follows, *left bytes. */
static MaasStatus read_head(const void *bytes, size_t n_bytes, MaasTensor *out, size_t *left, MaasError *err)
{
    const uint8_t *head = bytes;
    MaasTensor t = {0};
    char text[256];
    size_t at = HEAD;

    if (n_bytes < HEAD)
        return maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: %zu bytes, but its head alone takes %d", n_bytes,
                         HEAD);
    if (head[0] != VERSION || head[3] || head[4] || head[5] || head[6] || head[7])
        return maas_fail(
            err, MAAS_ERR_FORMAT,
            "packed tensor: the head begins with %02x %02x %02x %02x, which is not version %d of this form",
            head[0], head[1], head[2], head[3], VERSION);
    t.type = (MaasType)head[1];
    t.rank = head[2];
    if (maas_type_size(t.type) == 0)
        return maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: unknown element type %d", (int)t.type);
    if (t.rank > MAAS_MAX_RANK)
        return maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: %d dimensions; at most %d are supported", t.rank,
                         MAAS_MAX_RANK);
    if ((n_bytes - at) / sizeof(int64_t) < (size_t)t.rank)
        return maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: it ends within its %d dimensions, after %zu bytes",
                         t.rank, n_bytes);
    memcpy(t.dims, head + at, (size_t)t.rank * sizeof(int64_t));
    at += (size_t)t.rank * sizeof(int64_t);
    if (!maas_count_dims(t.rank, t.dims, &t.count))
        return maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: the shape %s is impossible",
                         maas_dims_text(t.rank, t.dims, NULL, text, sizeof text));
    t.data = (void *)(uintptr_t)(head + at);
    *left = n_bytes - at;
    *out = t;
    return MAAS_OK;
}

static MaasStatus fail_size(const MaasTensor *t, size_t left, MaasError *err)
{
    char text[256];

    return maas_fail(err, MAAS_ERR_FORMAT,
                     "packed tensor: %zu bytes of elements do not make a tensor of type %s and shape %s", left,
                     maas_type_name(t->type), maas_dims_text(t->rank, t->dims, NULL, text, sizeof text));
}

MaasStatus maas_tensor_peek(const void *bytes, size_t n_bytes, MaasTensor *out, MaasError *err)
{
    size_t left, size;

    MAAS_TRY(read_head(bytes, n_bytes, out, &left, err));
    if (out->type == MAAS_STRING)
        return maas_fail(err, MAAS_ERR_TYPE, "packed tensor: strings cannot be used where they lie");
    size = maas_type_size(out->type);
    if (left % size != 0 || left / size != (uint64_t)out->count)
        return fail_size(out, left, err);
    return out->type == MAAS_BOOL || maas_type_bits(out->type) < 8 ? check_bytes(out, err) : MAAS_OK;
}

static MaasStatus unpack_strings(const MaasTensor *t, size_t left, MaasMem *mem, MaasValue **out, MaasError *err)
{
    const char *lengths = t->data, *bytes;
    MaasStr *strings;
    MaasStatus status;

    if (left / sizeof(int64_t) < (uint64_t)t->count)
        return fail_size(t, left, err);
    bytes = lengths + (size_t)t->count * sizeof(int64_t);
    left -= (size_t)t->count * sizeof(int64_t);
    strings = maas_alloc_array(mem, (size_t)t->count, sizeof *strings, err);
    if (!strings)
        return err->status;
    for (int64_t i = 0; i < t->count; i++) {
        int64_t length;

        memcpy(&length, lengths + (size_t)i * sizeof length, sizeof length);
        if (length < 0 || (uint64_t)length > left) {
            status = maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: string %lld has %lld bytes, but %zu are left",
                               (long long)i, (long long)length, left);
            goto done;
        }
        strings[i] = (MaasStr){bytes, (size_t)length};
        if (maas_utf8_valid(bytes, (size_t)length) != (size_t)length) {
            status = maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: string %lld is not valid UTF-8", (long long)i);
            goto done;
        }
        bytes += length;
        left -= (size_t)length;
    }
    if (left > 0)
        status = maas_fail(err, MAAS_ERR_FORMAT, "packed tensor: %zu bytes too many", left);
    else
        status = maas_value_new_strings(mem, t->rank, t->dims, strings, out, err);
done:
    maas_free(mem, strings);
    return status;
}

MaasStatus maas_tensor_unpack(const void *bytes, size_t n_bytes, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasTensor t;
    size_t left;

    MAAS_TRY(read_head(bytes, n_bytes, &t, &left, err));
    if (t.type == MAAS_STRING)
        return unpack_strings(&t, left, mem, out, err);
    MAAS_TRY(maas_tensor_peek(bytes, n_bytes, &t, err));
    MAAS_TRY(maas_value_new_tensor(mem, t.type, t.rank, t.dims, out, err));
    if (t.count > 0)
        memcpy((*out)->tensor.data, t.data, maas_tensor_bytes(&t));
    return MAAS_OK;
}
