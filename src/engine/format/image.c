/*
 * image.c - a prepared model as one block of bytes: header, sum, and the coder of the skeleton.
 *
 * Layout: the header, the skeleton, and from the next multiple of 64 on the data.  Numbers are in the machine's own
 * form: an image never leaves it.  The writer owns the skeleton it makes; the reader's pieces lie in the arena.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "image_code.h"

#define MAGIC "MaasImg"
#define VERSION 1
#define PUT_BYTES ((size_t)1 << 20) /* given to the sink at once: it may be slow */

extern const char maas_engine_id[]; /* the hash of the engine's sources, see mk/engine.mk */

typedef struct ImageHeader {
    char magic[8];
    uint32_t version, header_bytes;
    char key[64];
    uint64_t total_bytes, skeleton_bytes;
    uint64_t skeleton_sum;
    uint64_t header_sum; /* of all that stands before it */
} ImageHeader;

_Static_assert(offsetof(ImageHeader, header_sum) + sizeof(uint64_t) == sizeof(ImageHeader),
               "the sum covers the header");

/* Each step is a bijection of the sum and of the word, so that a change within one word always shows. */
static uint64_t sum_of(const void *bytes, size_t n)
{
    const char *at = bytes;
    uint64_t sum = 0x9e3779b97f4a7c15u ^ n;

    while (n > 0) {
        uint64_t word = 0;
        size_t step = n < sizeof word ? n : sizeof word;

        memcpy(&word, at, step);
        sum = (sum ^ word) * 0xbf58476d1ce4e5b9u;
        sum ^= sum >> 31;
        at += step;
        n -= step;
    }
    return sum;
}

static size_t align(size_t n)
{
    return (n + MAAS_IMAGE_ALIGN - 1) & ~(size_t)(MAAS_IMAGE_ALIGN - 1);
}

/* ---- coding ---- */

void maas_code_fail(ImageCoder *c, MaasStatus status, const char *what)
{
    if (!code_ok(c))
        return;
    c->status = c->writing ? maas_fail(c->err, status, "the model cannot be written as an image: %s", what)
                           : maas_fail(c->err, status, "the image is damaged: %s", what);
}

/* Makes room for more bytes or segments. */
static bool grow(ImageCoder *c, void *array, size_t n, size_t *cap, size_t size)
{
    size_t larger = *cap ? *cap : 1024, bytes;
    void *grown;

    if (n <= *cap)
        return true;
    while (larger < n)
        larger *= 2;
    grown = maas_mul(larger, size, &bytes) ? maas_realloc(c->mem, *(void **)array, bytes, c->err) : NULL;
    if (!grown) {
        c->status = bytes ? c->err->status : MAAS_ERR_LIMIT;
        return false;
    }
    *(void **)array = grown;
    *cap = larger;
    return true;
}

void maas_code_bytes(ImageCoder *c, void *value, size_t n)
{
    if (!code_ok(c) || n == 0)
        return;
    if (c->writing) {
        if (grow(c, &c->skeleton, c->n_skeleton + n, &c->cap_skeleton, 1)) {
            memcpy(c->skeleton + c->n_skeleton, value, n);
            c->n_skeleton += n;
        }
    } else if ((size_t)(c->end - c->at) < n)
        maas_code_fail(c, MAAS_ERR_FORMAT, "it is cut off");
    else {
        memcpy(value, c->at, n);
        c->at += n;
    }
}

void maas_code_bool(ImageCoder *c, bool *value)
{
    int number = *value;

    maas_code_int(c, &number, 0, 1);
    *value = number == 1;
}

void maas_code_int(ImageCoder *c, int *value, int low, int high)
{
    CODE(c, *value);
    if (code_ok(c) && (*value < low || *value > high))
        maas_code_fail(c, MAAS_ERR_FORMAT, "a number is out of range");
    if (!code_ok(c))
        *value = low;
}

void maas_code_count64(ImageCoder *c, int64_t *n)
{
    CODE(c, *n);
    if (code_ok(c) && (*n < 0 || (!c->writing && *n > c->end - c->at)))
        maas_code_fail(c, MAAS_ERR_FORMAT, "a list is longer than it can be");
    if (!code_ok(c))
        *n = 0;
}

void maas_code_count(ImageCoder *c, int *n, int max)
{
    int64_t number = *n;

    maas_code_count64(c, &number);
    if (code_ok(c) && number > max)
        maas_code_fail(c, MAAS_ERR_FORMAT, "a list is longer than it can be");
    *n = code_ok(c) ? (int)number : 0;
}

void *maas_code_array(ImageCoder *c, void *array, int64_t n, size_t size)
{
    if (!code_ok(c) || c->writing)
        return array;
    array = maas_arena_array(c->arena, (size_t)n, size, c->err);
    if (!array)
        c->status = c->err->status;
    return array;
}

void maas_code_str(ImageCoder *c, MaasStr *str)
{
    int64_t n = (int64_t)str->length;
    char end = '\0';

    maas_code_count64(c, &n);
    if (c->writing)
        maas_code_bytes(c, (void *)(uintptr_t)str->data, (size_t)n);
    else { /* used where they lie; maas_code_count64 has seen that they are there */
        *str = (MaasStr){c->at, (size_t)n};
        c->at += n;
    }
    CODE(c, end);
    if (code_ok(c) && end != '\0')
        maas_code_fail(c, MAAS_ERR_FORMAT, "a text does not end");
}

void maas_code_text(ImageCoder *c, const char **text)
{
    bool there = *text != NULL;
    MaasStr str = {*text, c->writing && there ? strlen(*text) : 0};

    maas_code_bool(c, &there);
    if (!code_ok(c) || !there)
        return;
    maas_code_str(c, &str);
    *text = code_ok(c) ? str.data : NULL;
}

void maas_code_data(ImageCoder *c, const void **data, size_t bytes)
{
    uint64_t offset = c->data_bytes;

    CODE(c, offset);
    if (!code_ok(c))
        return;
    if (c->writing) {
        if (bytes > SIZE_MAX / 4 - c->data_bytes)
            maas_code_fail(c, MAAS_ERR_LIMIT, "it is too large");
        else if (grow(c, &c->segments, c->n_segments + 1, &c->cap_segments, sizeof *c->segments)) {
            c->segments[c->n_segments++] = (ImageSegment){*data, bytes};
            c->data_bytes += align(bytes);
        }
    } else if (offset > c->data_bytes || bytes > c->data_bytes - offset || offset % MAAS_IMAGE_ALIGN != 0)
        maas_code_fail(c, MAAS_ERR_FORMAT, "data lies outside of it");
    else
        *data = c->data + offset;
}

static void code_parts(ImageCoder *c, MaasImageParts *parts)
{
    maas_code_onnx(c, &parts->onnx);
    if (!code_ok(c))
        return;
    int n_edges = parts->onnx.graph->n_edges;

    maas_code_int(c, &parts->n_ports_out, 0, INT_MAX - 1);
    if (code_ok(c) && parts->n_ports_out - 1 > parts->onnx.graph->n_outputs)
        maas_code_fail(c, MAAS_ERR_FORMAT, "it has more outputs than its graph");
    maas_code_model_info(c, &parts->info, parts->n_ports_out);
    parts->out_edges = maas_code_array(c, parts->out_edges, (int64_t)parts->n_ports_out + 1, sizeof(int));
    for (int i = 0; i < parts->n_ports_out && code_ok(c); i++)
        maas_code_int(c, &parts->out_edges[i], 0, n_edges - 1);
    if (code_ok(c) && parts->info.n_inputs != parts->onnx.graph->n_inputs)
        maas_code_fail(c, MAAS_ERR_FORMAT, "it describes other inputs than its graph has");
}

/* ---- writing ---- */

const char *maas_image_key(void)
{
    static _Thread_local char key[sizeof((ImageHeader *)0)->key];

    snprintf(key, sizeof key, "%s-%s", maas_engine_id, maas_kernel->level);
    return key;
}

static MaasStatus put(const MaasSink *sink, const MaasStop *stop, const void *bytes, size_t n, MaasError *err)
{
    for (size_t at = 0; at < n; at += PUT_BYTES) {
        if (maas_stop_raised(stop))
            return maas_fail(err, MAAS_ERR_CANCEL, "stopped");
        MAAS_TRY(sink->put(sink->ctx, (const char *)bytes + at, n - at < PUT_BYTES ? n - at : PUT_BYTES, err));
    }
    return MAAS_OK;
}

static void seal(ImageHeader *header, const char *skeleton)
{
    header->skeleton_sum = sum_of(skeleton, header->skeleton_bytes);
    header->header_sum = sum_of(header, offsetof(ImageHeader, header_sum));
}

size_t maas_image_seal(void *bytes)
{
    ImageHeader *header = bytes;

    seal(header, (char *)bytes + sizeof *header);
    return sizeof *header + header->skeleton_bytes;
}

static MaasStatus put_all(const ImageCoder *c, const MaasSink *sink, const MaasStop *stop, MaasError *err)
{
    static const char zeros[MAAS_IMAGE_ALIGN];
    size_t front = align(sizeof(ImageHeader) + c->n_skeleton);
    ImageHeader header = {.magic = MAGIC,
                          .version = VERSION,
                          .header_bytes = sizeof header,
                          .total_bytes = front + c->data_bytes,
                          .skeleton_bytes = c->n_skeleton};

    snprintf(header.key, sizeof header.key, "%s", maas_image_key());
    seal(&header, c->skeleton);
    MAAS_TRY(put(sink, stop, &header, sizeof header, err));
    MAAS_TRY(put(sink, stop, c->skeleton, c->n_skeleton, err));
    MAAS_TRY(put(sink, stop, zeros, front - sizeof header - c->n_skeleton, err));
    for (size_t i = 0; i < c->n_segments; i++) {
        const ImageSegment *s = &c->segments[i];

        MAAS_TRY(put(sink, stop, s->data, s->bytes, err));
        MAAS_TRY(put(sink, stop, zeros, align(s->bytes) - s->bytes, err));
    }
    return MAAS_OK;
}

MaasStatus maas_image_write(MaasImageParts *parts, MaasMem *mem, const MaasStop *stop, const MaasSink *sink,
                            MaasError *err)
{
    ImageCoder c = {.writing = true, .err = err, .mem = mem};

    code_parts(&c, parts);
    if (code_ok(&c))
        c.status = put_all(&c, sink, stop, err);
    maas_free(mem, c.skeleton);
    maas_free(mem, c.segments);
    return c.status;
}

/* ---- opening ---- */

static MaasStatus refuse(MaasError *err, const char *why)
{
    return maas_fail(err, MAAS_ERR_FORMAT, "these bytes are not an image of this engine: %s", why);
}

static MaasStatus check_header(const ImageHeader *header, size_t n_bytes, MaasError *err)
{
    if (memcmp(header->magic, MAGIC, sizeof header->magic) != 0)
        return refuse(err, "they begin otherwise");
    if (header->version != VERSION || header->header_bytes != sizeof *header)
        return refuse(err, "it has another version");
    if (sum_of(header, offsetof(ImageHeader, header_sum)) != header->header_sum)
        return refuse(err, "the header is damaged");
    if (memchr(header->key, '\0', sizeof header->key) == NULL || strcmp(header->key, maas_image_key()) != 0)
        return refuse(err, "another build or another CPU wrote it");
    if (header->total_bytes != n_bytes || header->skeleton_bytes > n_bytes - sizeof *header ||
        align(sizeof *header + header->skeleton_bytes) > n_bytes)
        return refuse(err, "it has another size");
    return MAAS_OK;
}

MaasStatus maas_image_open(const void *bytes, size_t n_bytes, MaasArena *arena, MaasImageParts *parts,
                           MaasError *err)
{
    ImageHeader header;

    memset(parts, 0, sizeof *parts);
    if (n_bytes < sizeof header || (uintptr_t)bytes % MAAS_IMAGE_ALIGN != 0)
        return refuse(err, n_bytes < sizeof header ? "they are too few" : "they are not aligned");
    memcpy(&header, bytes, sizeof header);
    MAAS_TRY(check_header(&header, n_bytes, err));
    const char *skeleton = (const char *)bytes + sizeof header;
    size_t front = align(sizeof header + header.skeleton_bytes);
    ImageCoder c = {.err = err,
                    .arena = arena,
                    .at = skeleton,
                    .end = skeleton + header.skeleton_bytes,
                    .data = (const char *)bytes + front,
                    .data_bytes = n_bytes - front};

    if (sum_of(skeleton, header.skeleton_bytes) != header.skeleton_sum)
        return refuse(err, "the skeleton is damaged");
    code_parts(&c, parts);
    if (code_ok(&c) && c.at != c.end)
        maas_code_fail(&c, MAAS_ERR_FORMAT, "something follows the skeleton");
    return c.status;
}
