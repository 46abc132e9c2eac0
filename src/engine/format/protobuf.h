/*
 * protobuf.h - reading and writing the protobuf wire format.
 *
 * The reader pulls one field after the other out of a range of bytes that it
 * does not own; a field of a nested message is a range again.  It checks every
 * length, allocates nothing and does not recurse: bounding the nesting is the
 * caller's business.  The writer appends to a buffer that grows in a MaasMem.
 */
#ifndef MAAS_FORMAT_PROTOBUF_H
#define MAAS_FORMAT_PROTOBUF_H

#include "../base/mem.h"
#include "../base/utf8.h"

/* Bytes inside the message that is read. */
typedef struct MaasSlice {
    const char *data;
    size_t size;
} MaasSlice;

/* ---- reader ---- */

typedef enum MaasPbWire {
    MAAS_PB_VARINT = 0,
    MAAS_PB_FIXED64 = 1,
    MAAS_PB_BYTES = 2,
    MAAS_PB_FIXED32 = 5
} MaasPbWire;

typedef struct MaasPb {
    const uint8_t *at, *end;
    const uint8_t *start; /* of the outermost message: failures name the offset from here */
} MaasPb;

typedef struct MaasPbField {
    uint32_t number;
    MaasPbWire wire;
    uint64_t value;  /* VARINT, FIXED64, FIXED32 */
    MaasSlice bytes; /* BYTES */
    const uint8_t *start;
} MaasPbField;

MaasPb maas_pb_open(const void *bytes, size_t n);
/* The message that a slice of `outer` holds. */
MaasPb maas_pb_inner(const MaasPb *outer, MaasSlice bytes);

static inline bool maas_pb_more(const MaasPb *pb)
{
    return pb->at < pb->end;
}

/* Reads the next field; to be called while maas_pb_more. */
MaasStatus maas_pb_next(MaasPb *pb, MaasPbField *field, MaasError *err);

/* The content of a field; `what` names it when the wire type is another one. */
MaasStatus maas_pb_int(const MaasPbField *field, const char *what, int64_t *out, MaasError *err);
MaasStatus maas_pb_float(const MaasPbField *field, const char *what, float *out, MaasError *err);
MaasStatus maas_pb_bytes(const MaasPbField *field, const char *what, MaasSlice *out, MaasError *err);
/* The same, refusing bytes that are not valid UTF-8 or hold a NUL. */
MaasStatus maas_pb_text(const MaasPbField *field, const char *what, MaasSlice *out, MaasError *err);

/* A repeated scalar field, packed or not, in two rounds over the message: count adds to *n; read appends at
 * out[*n], which has room for what was counted, and adds to *n. */
MaasStatus maas_pb_count(const MaasPbField *field, MaasPbWire element, const char *what, size_t *n, MaasError *err);
void maas_pb_read_ints(const MaasPbField *field, int64_t *out, size_t *n);
void maas_pb_read_floats(const MaasPbField *field, float *out, size_t *n);
void maas_pb_read_doubles(const MaasPbField *field, double *out, size_t *n);

/* ---- writer ---- */

typedef struct MaasPbOut {
    MaasMem *mem;
    uint8_t *data;
    size_t size, cap;
    MaasStatus status; /* the first failure; later calls do nothing */
    MaasError *err;
} MaasPbOut;

void maas_pb_out_init(MaasPbOut *out, MaasMem *mem, MaasError *err);
void maas_pb_out_free(MaasPbOut *out);
void maas_pb_put_int(MaasPbOut *out, uint32_t number, int64_t value);
void maas_pb_put_float(MaasPbOut *out, uint32_t number, float value);
void maas_pb_put_bytes(MaasPbOut *out, uint32_t number, const void *data, size_t size);
/* Appends a field of `size` bytes whose content the caller writes; NULL on failure. */
void *maas_pb_put_space(MaasPbOut *out, uint32_t number, size_t size);
/* Appends fields that are already encoded. */
void maas_pb_put_raw(MaasPbOut *out, const void *data, size_t size);
/* What is written between begin and end becomes one nested message. */
size_t maas_pb_begin(MaasPbOut *out, uint32_t number);
void maas_pb_end(MaasPbOut *out, size_t mark);

#endif
