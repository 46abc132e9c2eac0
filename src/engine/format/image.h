/*
 * image.h - a prepared model as one position-independent block of bytes.
 *
 * An image holds what a model is after import, inference, passes and preparation, so that opening one needs none
 * of these.  A header names the build and the CPU level that wrote it; the skeleton (graphs, edges, nodes, names)
 * is checked by a sum; behind it lie, aligned to 64 bytes, the elements of tensors, the lists of attributes and
 * the states of nodes, which are used where they lie and neither summed nor read on opening.
 *
 * Whoever opens an image trusts the bytes behind the skeleton: they are this engine's own, written by the same
 * server.  Everything in the skeleton is checked all the same.
 */
#ifndef MAAS_FORMAT_IMAGE_H
#define MAAS_FORMAT_IMAGE_H

#include "../maas.h"
#include "onnx_import.h"

#define MAAS_IMAGE_ALIGN 64
#define MAAS_IMAGE_MAX_DEPTH 64 /* nesting of values and types */

/* What of a model is in its image. */
typedef struct MaasImageParts {
    MaasOnnxModel onnx;
    MaasModelInfo info;
    int n_ports_out;
    int *out_edges;
} MaasImageParts;

/* Gives the bytes to sink in order.  mem: for the skeleton, during the call.  parts is only read. */
MaasStatus maas_image_write(MaasImageParts *parts, MaasMem *mem, const MaasStop *stop, const MaasSink *sink,
                            MaasError *err);

/* Everything of *parts lies in the arena or in the bytes, which must stay as long and are 64-byte aligned; nothing
 * of it holds a reference, and nothing may be released. */
MaasStatus maas_image_open(const void *bytes, size_t n_bytes, MaasArena *arena, MaasImageParts *parts,
                           MaasError *err);

/* For tests, which damage an image and see what is behind the sums: makes the sums of a whole image right.  Returns
 * the bytes of header and skeleton. */
size_t maas_image_seal(void *bytes);

#endif
