/*
 * image_code.h - coding the skeleton of an image; for the files of the image alone.
 *
 * One function describes a thing for both directions: it writes what it finds, or fills it in from the bytes.  So
 * the writer and the reader cannot differ.  A failure is kept in the coder, and what follows it does nothing; loops
 * over what was read end at code_ok.
 */
#ifndef MAAS_FORMAT_IMAGE_CODE_H
#define MAAS_FORMAT_IMAGE_CODE_H

#include "image.h"

/* Bytes behind the skeleton. */
typedef struct ImageSegment {
    const void *data;
    size_t bytes;
} ImageSegment;

typedef struct ImageCoder {
    bool writing;
    MaasStatus status;
    MaasError *err;
    size_t data_bytes; /* behind the skeleton: written so far, or all there is */
    /* writing */
    MaasMem *mem;
    char *skeleton;
    size_t n_skeleton, cap_skeleton;
    ImageSegment *segments;
    size_t n_segments, cap_segments;
    /* reading */
    MaasArena *arena;
    const char *at, *end; /* of the skeleton */
    const char *data;
} ImageCoder;

static inline bool code_ok(const ImageCoder *c)
{
    return c->status == MAAS_OK;
}

/* Records that the bytes are damaged, or that something cannot be written. */
void maas_code_fail(ImageCoder *c, MaasStatus status, const char *what);

void maas_code_bytes(ImageCoder *c, void *value, size_t n);
#define CODE(c, field) maas_code_bytes(c, &(field), sizeof(field))
void maas_code_bool(ImageCoder *c, bool *value);
/* A number of things of which each takes at least one byte; at most max. */
void maas_code_count(ImageCoder *c, int *n, int max);
void maas_code_count64(ImageCoder *c, int64_t *n);
/* An enumeration, or another number in [low, high]. */
void maas_code_int(ImageCoder *c, int *value, int low, int high);
/* Reading: n zeroed things in the arena.  Writing: leaves *array. */
void *maas_code_array(ImageCoder *c, void *array, int64_t n, size_t size);
/* Text, used where it lies; a NUL follows it. */
void maas_code_str(ImageCoder *c, MaasStr *str);
void maas_code_text(ImageCoder *c, const char **text); /* NULL is allowed, and what reading must find */
/* Bytes behind the skeleton. */
void maas_code_data(ImageCoder *c, const void **data, size_t bytes);

/* image_value.c */
void maas_code_tensor(ImageCoder *c, MaasTensor *tensor);
void maas_code_value(ImageCoder *c, MaasValue **value, int depth); /* NULL is allowed */
void maas_code_info(ImageCoder *c, MaasInfo *info, int depth);
void maas_code_model_info(ImageCoder *c, MaasModelInfo *info, int n_ports_out);

/* image_graph.c */
void maas_code_onnx(ImageCoder *c, MaasOnnxModel *onnx);

#endif
