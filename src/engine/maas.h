/*
 * maas.h - the engine's public face, and the only engine header that src/pg includes.
 *
 * A model is loaded from ONNX bytes, checked as a whole, and then run any
 * number of times.  All memory comes from a MaasMem that the caller provides;
 * nothing here touches PostgreSQL, prints, exits or longjmps.
 */
#ifndef MAAS_H
#define MAAS_H

#include "base/dtype.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/tensor.h"

/* ---- loading ---- */

typedef struct MaasModel MaasModel;

typedef struct MaasRunOptions {
    MaasMem *mem;                 /* load: for the model, which keeps it; run: for working memory and outputs.  Its
                                     limit bounds the load or the run */
    const volatile int *stop;     /* polled; non-zero: return MAAS_ERR_CANCEL.  May be NULL */
    const volatile int *stop_too; /* the same, for a host that has two reasons to stop */
    int threads;                  /* 1: the caller's only */
    int64_t piece_rows; /* run: where a batch may be run in pieces, rows of a piece; 0: as fits the cache */
    bool unfused;       /* load: leaves out the passes of transform/, for comparison */
} MaasRunOptions;

/* Reads, checks and prepares a model.  bytes are only read during the call.  On failure nothing is left
 * allocated, and err names every operator, type or opset that this engine cannot run. */
MaasStatus maas_model_load(const void *bytes, size_t n_bytes, const MaasRunOptions *options, MaasModel **out,
                           MaasError *err);
void maas_model_free(MaasModel *model); /* NULL is allowed */

/* One input or output of a model. */
typedef struct MaasPort {
    const char *name;
    MaasKind kind;              /* of the value; sequence and optional: see elem */
    MaasType type;              /* tensor: element type */
    int rank;                   /* tensor: -1 when the model does not say */
    const int64_t *dims;        /* rank entries; negative: free */
    const char *const *symbols; /* rank entries: the name of a free dimension, or NULL */
    bool optional;              /* an input that has a default */
    const char *mixed; /* an output: NULL when its axis 0 holds the rows of a batch and each follows from the same
                          row of the inputs alone, whatever the others and their number; else why not */
    const struct MaasPort *elem; /* sequence, optional: of its elements; map: of its values */
    MaasType key;                /* map */
} MaasPort;

typedef struct MaasOpset {
    const char *domain; /* "ai.onnx" for the default one */
    int64_t version;
} MaasOpset;

typedef struct MaasModelInfo {
    int n_inputs, n_outputs;
    const MaasPort *inputs;  /* the main graph's, those with a default last */
    const MaasPort *outputs; /* n_outputs, and one more when scores == n_outputs */
    int scores;    /* the output that maas_predict returns by default: a classifier's probabilities, else 0.
                      It is n_outputs, a further output that may be wanted like any other, when the model
                      itself gives them as a map only (ZipMap) */
    int label;     /* the output that holds a classifier's label, or -1 */
    int n_classes; /* of the classifier's labels below; 0 when the model carries none */
    const char *const *classes; /* as text, in the order of the scores */
    int64_t ir_version;
    int n_opsets;
    const MaasOpset *opsets;
    const char *producer; /* name and version, "" when not given */
    const char *graph_name;
    const char *doc;
    int n_metadata;
    const char *const *metadata; /* key, value, key, value ... */
    int64_t n_parameters;        /* elements of all initialisers */
    int n_nodes;
    double flops;          /* of one example (free dimensions taken as 1) */
    bool rows_independent; /* scores, and label if there is one, are not mixed: rows may be computed together when
                              every input holds one along axis 0 and the inputs with a default are left at it */
} MaasModelInfo;

const MaasModelInfo *maas_model_info(const MaasModel *model);

/* ---- images: a prepared model as one position-independent block of bytes, see format/image.h ---- */

/* Where the bytes of an image go, in order. */
typedef struct MaasSink {
    MaasStatus (*put)(void *ctx, const void *bytes, size_t n, MaasError *err);
    void *ctx;
} MaasSink;

/* What an image depends on besides its model, the build of the engine and the CPU level: letters, digits and "-".
 * Valid until the next call in this thread. */
const char *maas_image_key(void);

/* options->mem: for the time of the call. */
MaasStatus maas_model_write_image(const MaasModel *model, const MaasRunOptions *options, const MaasSink *sink,
                                  MaasError *err);

/* Makes a model from an image, which stays in use until the model is freed, and is only read: it may be a mapping
 * that many processes share.  bytes: 64-byte aligned.  An image of another build, or one that is cut off or damaged
 * in what stands before the weights, is refused with MAAS_ERR_FORMAT. */
MaasStatus maas_model_open_image(const void *bytes, size_t n_bytes, const MaasRunOptions *options, MaasModel **out,
                                 MaasError *err);

/* ---- running ---- */

/* Runs the model.  inputs: one for each input of the model, NULL for one that has a default; checked against
 * the declared types and shapes here.  wanted: n_wanted numbers of outputs.  outputs: gets n_wanted values,
 * each with a reference; all memory of a value stays valid until it is unreferenced and, for strings, until
 * maas_results_free. */
typedef struct MaasResults MaasResults;
MaasStatus maas_model_run(MaasModel *model, const MaasRunOptions *options, const MaasValue *const *inputs,
                          int n_wanted, const int *wanted, MaasResults **results, MaasError *err);
int maas_results_n(const MaasResults *results);
/* Value i; NULL is never returned for a wanted output. */
const MaasValue *maas_results_get(const MaasResults *results, int i);
void maas_results_free(MaasResults *results); /* NULL is allowed */

/* ---- tensors as text, bytes and JSON ---- */

/*
 * Text: [[1,2],[3,4]] with an optional type in front, int64:[1,2]; the default is float.  A bare number is a
 * tensor of rank 0.  An empty dimension that brackets cannot show is written as a shape: float(0,3):[].
 * NaN, Infinity and -Infinity are numbers; booleans are true and false; strings are in double quotes with
 * JSON's escapes; complex numbers are [re,im] pairs in a last, extra dimension of 2.
 */
MaasStatus maas_tensor_parse(const char *text, size_t length, MaasMem *mem, MaasValue **out, MaasError *err);
/* Shortest digits that read back to the same value.  *text is NUL-terminated and allocated from mem. */
MaasStatus maas_tensor_print(const MaasTensor *tensor, MaasMem *mem, char **text, size_t *length, MaasError *err);

/*
 * Packed bytes, the form that is stored and sent: see format/pack.c.  Little-endian; small types one to a byte.
 * unpack checks everything: the bytes may come from a hostile client.
 */
size_t maas_tensor_packed_size(const MaasTensor *tensor); /* SIZE_MAX on overflow */
/* data NULL although count is not 0: only what stands before the elements is written, see maas_tensor_peek. */
void maas_tensor_pack(const MaasTensor *tensor, void *bytes);
MaasStatus maas_tensor_unpack(const void *bytes, size_t n_bytes, MaasMem *mem, MaasValue **out, MaasError *err);
/* The same without a copy: out->data points into bytes (8-byte aligned by the caller); strings are refused. */
MaasStatus maas_tensor_peek(const void *bytes, size_t n_bytes, MaasTensor *out, MaasError *err);

/* ONNX TensorProto, SequenceProto, OptionalProto, MapProto bytes <-> values. */
MaasStatus maas_value_from_onnx(MaasKind kind, const void *bytes, size_t n_bytes, MaasMem *mem, MaasValue **out,
                                MaasError *err);
MaasStatus maas_value_to_onnx(const MaasValue *value, MaasMem *mem, void **bytes, size_t *n_bytes, MaasError *err);

/* Converts element types by ONNX Cast's rules; exact: a value that the new type cannot hold exactly (1.9 or 300
 * for uint8, 16777217 for float is allowed to round) is a failure that names its place. */
MaasStatus maas_tensor_cast(const MaasTensor *tensor, MaasType type, bool exact, MaasMem *mem, MaasValue **out,
                            MaasError *err);

/*
 * JSON <-> values.  A tensor is nested arrays (numbers, strings, booleans; "NaN", "Infinity", "-Infinity" for
 * those floats), a sequence an array, a map an object, an empty optional null.  `port` says what to read.
 */
MaasStatus maas_value_from_json(const char *json, size_t length, const MaasPort *port, MaasMem *mem,
                                MaasValue **out, MaasError *err);
MaasStatus maas_value_to_json(const MaasValue *value, MaasMem *mem, char **json, size_t *length, MaasError *err);
/* An object with a member for each input by name -> values in the order of the model's inputs (NULL for absent
 * ones that have a default).  Unknown and missing names are named. */
MaasStatus maas_inputs_from_json(const char *json, size_t length, const MaasModelInfo *info, MaasMem *mem,
                                 MaasValue **inputs, MaasError *err);

/* ---- learning ---- */

#include "learn/architecture.h"
#include "learn/augment.h"
#include "learn/prepare.h"

/* ---- the build ---- */

/* One line: version, CPU level in use, OpenBLAS's version and core or why it could not be opened. */
const char *maas_engine_version(void);

/* ---- training and metrics ---- */

#include "learn/learn.h" /* IWYU pragma: export */

#endif
