/*
 * protobuf.c - the protobuf wire format.
 *
 * The reader keeps pointers into bytes that the caller owns; the writer owns
 * its buffer until the caller takes `data` or calls maas_pb_out_free.  No locks.
 * What the fields mean is not known here.
 */
#include <string.h>

#include "../base/utf8.h"
#include "protobuf.h"

/* ---- reader ---- */

MaasPb maas_pb_open(const void *bytes, size_t n)
{
    static const uint8_t none[1];
    const uint8_t *at = n > 0 ? bytes : none;
    return (MaasPb){.at = at, .end = at + n, .start = at};
}

MaasPb maas_pb_inner(const MaasPb *outer, MaasSlice bytes)
{
    MaasPb pb = maas_pb_open(bytes.data, bytes.size);
    if (bytes.size > 0)
        pb.start = outer->start;
    return pb;
}

/* Reads a varint of at most 10 bytes; false when it is cut off or longer. */
static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *value)
{
    uint64_t v = 0;
    const uint8_t *p = *at;
    for (int shift = 0; shift < 64 && p < end; shift += 7) {
        uint8_t byte = *p++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *at = p;
            *value = v;
            return true;
        }
    }
    return false;
}

static uint64_t read_fixed(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)p[i] << 8 * i;
    return v;
}

static MaasStatus fail_at(const MaasPb *pb, MaasError *err, const char *what)
{
    return maas_fail(err, MAAS_ERR_FORMAT, "malformed protobuf at byte %zu: %s", (size_t)(pb->at - pb->start),
                     what);
}

MaasStatus maas_pb_next(MaasPb *pb, MaasPbField *field, MaasError *err)
{
    const uint8_t *p = pb->at;
    uint64_t tag, length;

    if (!read_varint(&p, pb->end, &tag))
        return fail_at(pb, err, "the tag of a field is cut off");
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return fail_at(pb, err, "the number of a field is out of range");
    field->number = (uint32_t)(tag >> 3);
    field->wire = (MaasPbWire)(tag & 7);
    field->value = 0;
    field->bytes = (MaasSlice){NULL, 0};
    field->start = pb->start;
    switch (field->wire) {
    case MAAS_PB_VARINT:
        if (!read_varint(&p, pb->end, &field->value))
            return fail_at(pb, err, "a number is cut off or too long");
        break;
    case MAAS_PB_FIXED64:
    case MAAS_PB_FIXED32: {
        int width = field->wire == MAAS_PB_FIXED64 ? 8 : 4;
        if (pb->end - p < width)
            return fail_at(pb, err, "a number of fixed width is cut off");
        field->value = read_fixed(p, width);
        p += width;
        break;
    }
    case MAAS_PB_BYTES:
        if (!read_varint(&p, pb->end, &length))
            return fail_at(pb, err, "a length is cut off");
        if (length > (uint64_t)(pb->end - p))
            return fail_at(pb, err, "a field is longer than what is left of its message");
        field->bytes = (MaasSlice){(const char *)p, (size_t)length};
        p += length;
        break;
    default:
        return fail_at(pb, err, "a field has a wire type that ONNX does not use");
    }
    pb->at = p;
    return MAAS_OK;
}

static MaasStatus fail_wire(const MaasPbField *field, const char *what, MaasError *err)
{
    return maas_fail(err, MAAS_ERR_FORMAT, "malformed protobuf: %s (field %u) has wire type %d", what,
                     (unsigned)field->number, (int)field->wire);
}

MaasStatus maas_pb_int(const MaasPbField *field, const char *what, int64_t *out, MaasError *err)
{
    if (field->wire != MAAS_PB_VARINT)
        return fail_wire(field, what, err);
    *out = (int64_t)field->value;
    return MAAS_OK;
}

MaasStatus maas_pb_float(const MaasPbField *field, const char *what, float *out, MaasError *err)
{
    uint32_t bits = (uint32_t)field->value;
    if (field->wire != MAAS_PB_FIXED32)
        return fail_wire(field, what, err);
    memcpy(out, &bits, sizeof *out);
    return MAAS_OK;
}

MaasStatus maas_pb_bytes(const MaasPbField *field, const char *what, MaasSlice *out, MaasError *err)
{
    if (field->wire != MAAS_PB_BYTES)
        return fail_wire(field, what, err);
    *out = field->bytes;
    return MAAS_OK;
}

MaasStatus maas_pb_text(const MaasPbField *field, const char *what, MaasSlice *out, MaasError *err)
{
    MAAS_TRY(maas_pb_bytes(field, what, out, err));
    if (maas_utf8_valid(out->data, out->size) != out->size || memchr(out->data, 0, out->size) != NULL)
        return maas_fail(err, MAAS_ERR_FORMAT, "malformed protobuf at byte %zu: %s is not text in UTF-8",
                         (size_t)((const uint8_t *)out->data - field->start), what);
    return MAAS_OK;
}

/* ---- repeated scalars ---- */

MaasStatus maas_pb_count(const MaasPbField *field, MaasPbWire element, const char *what, size_t *n, MaasError *err)
{
    if (field->wire == element) {
        ++*n;
        return MAAS_OK;
    }
    if (field->wire != MAAS_PB_BYTES)
        return fail_wire(field, what, err);
    if (element == MAAS_PB_VARINT) {
        const uint8_t *p = (const uint8_t *)field->bytes.data, *end = p + field->bytes.size;
        uint64_t value;
        while (p < end) {
            if (!read_varint(&p, end, &value))
                return maas_fail(err, MAAS_ERR_FORMAT, "malformed protobuf: %s ends within a number", what);
            ++*n;
        }
    } else {
        size_t width = element == MAAS_PB_FIXED64 ? 8 : 4;
        if (field->bytes.size % width != 0)
            return maas_fail(err, MAAS_ERR_FORMAT, "malformed protobuf: %s ends within a number", what);
        *n += field->bytes.size / width;
    }
    return MAAS_OK;
}

void maas_pb_read_ints(const MaasPbField *field, int64_t *out, size_t *n)
{
    if (field->wire == MAAS_PB_VARINT) {
        out[(*n)++] = (int64_t)field->value;
        return;
    }
    const uint8_t *p = (const uint8_t *)field->bytes.data, *end = p + field->bytes.size;
    uint64_t value;
    while (p < end && read_varint(&p, end, &value))
        out[(*n)++] = (int64_t)value;
}

void maas_pb_read_floats(const MaasPbField *field, float *out, size_t *n)
{
    if (field->wire == MAAS_PB_FIXED32) {
        uint32_t bits = (uint32_t)field->value;
        memcpy(&out[(*n)++], &bits, sizeof bits);
        return;
    }
    if (field->bytes.size > 0)
        memcpy(out + *n, field->bytes.data, field->bytes.size);
    *n += field->bytes.size / sizeof(float);
}

void maas_pb_read_doubles(const MaasPbField *field, double *out, size_t *n)
{
    if (field->wire == MAAS_PB_FIXED64) {
        memcpy(&out[(*n)++], &field->value, sizeof field->value);
        return;
    }
    if (field->bytes.size > 0)
        memcpy(out + *n, field->bytes.data, field->bytes.size);
    *n += field->bytes.size / sizeof(double);
}

/* ---- writer ---- */

void maas_pb_out_init(MaasPbOut *out, MaasMem *mem, MaasError *err)
{
    *out = (MaasPbOut){.mem = mem, .err = err};
}

void maas_pb_out_free(MaasPbOut *out)
{
    maas_free(out->mem, out->data);
    out->data = NULL;
    out->size = out->cap = 0;
}

/* Makes room for `more` bytes; false on failure, which is then recorded. */
static bool reserve(MaasPbOut *out, size_t more)
{
    size_t need, cap = out->cap < 256 ? 256 : out->cap;
    void *data;

    if (out->status != MAAS_OK)
        return false;
    if (__builtin_add_overflow(out->size, more, &need)) {
        out->status = maas_fail(out->err, MAAS_ERR_LIMIT, "the message to write is too large");
        return false;
    }
    if (need <= out->cap)
        return true;
    while (cap < need)
        if (__builtin_mul_overflow(cap, (size_t)2, &cap))
            cap = need;
    data = maas_realloc(out->mem, out->data, cap, out->err);
    if (data == NULL) {
        out->status = out->err->status;
        return false;
    }
    out->data = data;
    out->cap = cap;
    return true;
}

static int encode_varint(uint64_t value, uint8_t *p)
{
    int n = 0;
    for (; value >= 0x80; value >>= 7)
        p[n++] = (uint8_t)(value | 0x80);
    p[n++] = (uint8_t)value;
    return n;
}

static void append_varint(MaasPbOut *out, uint64_t value)
{
    if (reserve(out, 10))
        out->size += (size_t)encode_varint(value, out->data + out->size);
}

static void append_tag(MaasPbOut *out, uint32_t number, MaasPbWire wire)
{
    append_varint(out, (uint64_t)number << 3 | (uint64_t)wire);
}

void maas_pb_put_int(MaasPbOut *out, uint32_t number, int64_t value)
{
    append_tag(out, number, MAAS_PB_VARINT);
    append_varint(out, (uint64_t)value);
}

void maas_pb_put_float(MaasPbOut *out, uint32_t number, float value)
{
    append_tag(out, number, MAAS_PB_FIXED32);
    if (reserve(out, 4)) {
        memcpy(out->data + out->size, &value, 4);
        out->size += 4;
    }
}

void *maas_pb_put_space(MaasPbOut *out, uint32_t number, size_t size)
{
    void *at;
    append_tag(out, number, MAAS_PB_BYTES);
    append_varint(out, size);
    if (!reserve(out, size))
        return NULL;
    at = out->data + out->size;
    out->size += size;
    return at;
}

void maas_pb_put_bytes(MaasPbOut *out, uint32_t number, const void *data, size_t size)
{
    void *at = maas_pb_put_space(out, number, size);
    if (at != NULL && size > 0)
        memcpy(at, data, size);
}

void maas_pb_put_raw(MaasPbOut *out, const void *data, size_t size)
{
    if (size > 0 && reserve(out, size)) {
        memcpy(out->data + out->size, data, size);
        out->size += size;
    }
}

size_t maas_pb_begin(MaasPbOut *out, uint32_t number)
{
    append_tag(out, number, MAAS_PB_BYTES);
    return out->size;
}

void maas_pb_end(MaasPbOut *out, size_t mark)
{
    uint8_t length[10];
    size_t size;
    int n;

    if (out->status != MAAS_OK)
        return;
    size = out->size - mark;
    n = encode_varint(size, length);
    if (!reserve(out, (size_t)n))
        return;
    memmove(out->data + mark + n, out->data + mark, size);
    memcpy(out->data + mark, length, (size_t)n);
    out->size += (size_t)n;
}
