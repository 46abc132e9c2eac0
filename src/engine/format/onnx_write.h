/*
 * onnx_write.h - makes the bytes of an ONNX model piece by piece.
 *
 * The pieces may come in any order but nodes, which are kept in the order in which they are written.  The first
 * failure is kept: later calls do nothing, and maas_onnx_writer_finish reports it.  Names are copied.
 */
#ifndef MAAS_FORMAT_ONNX_WRITE_H
#define MAAS_FORMAT_ONNX_WRITE_H

#include "../base/dtype.h"
#include "protobuf.h"

/* What the models that we make are written in. */
#define MAAS_ONNX_WRITE_IR 9
#define MAAS_ONNX_WRITE_OPSET 20
#define MAAS_ONNX_WRITE_ML_OPSET 3
#define MAAS_ONNX_WRITE_MICROSOFT_OPSET 1

typedef struct MaasOnnxWriter {
    MaasMem *mem;
    MaasError *err;
    MaasPbOut nodes, tensors, inputs, outputs, metadata; /* fields of GraphProto; metadata: of ModelProto */
    size_t node;                                         /* mark of the node that is being written */
    bool ml, microsoft;                                  /* a node is of ai.onnx.ml, of com.microsoft */
} MaasOnnxWriter;

void maas_onnx_writer_init(MaasOnnxWriter *w, MaasMem *mem, MaasError *err);
/* Frees what is not finished; after maas_onnx_writer_finish there is nothing left to free. */
void maas_onnx_writer_free(MaasOnnxWriter *w);
/* The first failure so far. */
MaasStatus maas_onnx_writer_status(const MaasOnnxWriter *w);

/* A tensor that goes in or out.  dims[i] < 0 is free; symbols (or its entries) may be NULL. */
void maas_onnx_write_input(MaasOnnxWriter *w, const char *name, MaasType type, int rank, const int64_t *dims,
                           const char *const *symbols);
void maas_onnx_write_output(MaasOnnxWriter *w, const char *name, MaasType type, int rank, const int64_t *dims,
                            const char *const *symbols);

/* An initialiser; strings: data is MaasStr. */
void maas_onnx_write_initializer(MaasOnnxWriter *w, const char *name, MaasType type, int rank, const int64_t *dims,
                                 const void *data);

/* domain "" is ai.onnx; a NULL among the inputs is an absent one. */
void maas_onnx_begin_node(MaasOnnxWriter *w, const char *domain, const char *op, const char *name, int n_in,
                          const char *const *in, int n_out, const char *const *out);
void maas_onnx_attr_int(MaasOnnxWriter *w, const char *name, int64_t value);
void maas_onnx_attr_float(MaasOnnxWriter *w, const char *name, float value);
void maas_onnx_attr_string(MaasOnnxWriter *w, const char *name, const char *value);
void maas_onnx_attr_ints(MaasOnnxWriter *w, const char *name, size_t n, const int64_t *values);
void maas_onnx_attr_floats(MaasOnnxWriter *w, const char *name, size_t n, const float *values);
void maas_onnx_attr_strings(MaasOnnxWriter *w, const char *name, size_t n, const MaasStr *values);
void maas_onnx_end_node(MaasOnnxWriter *w);

/* What maas_onnx_write_nodes_of found: the model's first output, a slice of its bytes. */
typedef struct MaasOnnxPart {
    MaasSlice output;
    int64_t last_dim; /* of its declared shape; -1: free or unknown */
} MaasOnnxPart;

/* Appends the nodes and initialisers of a model that was written in the same opsets, as they are: the caller sees
 * to it that no name is there twice. */
MaasStatus maas_onnx_write_nodes_of(MaasOnnxWriter *w, const void *bytes, size_t n_bytes, MaasOnnxPart *part);

void maas_onnx_write_metadata(MaasOnnxWriter *w, const char *key, const char *value);

/* The whole model in *bytes, from mem, which the caller frees; the writer is emptied, on failure too. */
MaasStatus maas_onnx_writer_finish(MaasOnnxWriter *w, const char *graph_name, void **bytes, size_t *n_bytes);

#endif
