/*
 * onnx_build.h - writes small ONNX models for tests, wrong ones above all.
 *
 * Build b;  build_start(&b, 8, 18);  build_graph(&b);  build_node(...) ...;  build_end(&b);
 */
#ifndef MAAS_TEST_ONNX_BUILD_H
#define MAAS_TEST_ONNX_BUILD_H

#include "../../engine/format/protobuf.h"
#include "test.h"

typedef struct Build {
    MaasMem mem;
    MaasError err;
    MaasPbOut out;
    size_t marks[64]; /* of the messages that are open */
    int n_marks;
} Build;

/* ModelProto with an IR version and an opset of ai.onnx (0: none). */
void build_start(Build *b, int ir, int opset);
void build_open(Build *b, uint32_t field);
void build_close(Build *b);
void build_text(Build *b, uint32_t field, const char *text);
/* in, out: names with blanks between them; the node stays open for attributes if asked for. */
void build_node(Build *b, uint32_t field, const char *op, const char *domain, const char *in, const char *out,
                bool stay_open);
/* ValueInfoProto of a float tensor with one free dimension. */
void build_value(Build *b, uint32_t field, const char *name);
/* TensorProto with raw_data. */
void build_tensor(Build *b, uint32_t field, const char *name, int type, int rank, const int64_t *dims,
                  const void *raw, size_t size);
/* Loads the model as far as it is written, gives it back, and checks that nothing is left. */
MaasStatus build_load(Build *b, MaasError *err);
void build_free(Build *b);

MaasStatus load_bytes(const void *bytes, size_t n, MaasError *err);
/* Reads a file below the folder of the sources; NULL with a failed check if it is not there. */
char *read_source(const char *path, size_t *size);

#endif
