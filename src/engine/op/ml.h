/*
 * ml.h - what the operators of ai.onnx.ml share: rows of features, class labels, transforms of scores, and
 * tables that find a label's place.
 *
 * Where the specification leaves a result open (scores of a binary model with one weight, transforms of a
 * single score), the operators give what onnxruntime gives, since exporters check their models against it.
 */
#ifndef MAAS_OP_ML_H
#define MAAS_OP_ML_H

#include "op.h"

#define MAAS_ML "ai.onnx.ml"
#define MAAS_T_ML_NUMBERS (MAAS_T_FLOAT | MAAS_T_DOUBLE | MAAS_T_I64 | MAAS_T(MAAS_INT32))

/* ---- rows ---- */

/* A tensor (N, F), or (F) for one row; F is the last dimension.  MAAS_DIM_ANY where unknown. */
typedef struct MaasMlRows {
    int64_t n, f;
} MaasMlRows;

/* infer: fails unless in[0] has one or two dimensions. */
MaasStatus maas_ml_infer_rows(const MaasInferCtx *c, MaasMlRows *rows);
MaasMlRows maas_ml_rows(const MaasTensor *x);
/* infer: out[i] = type (n, m); m < 0 - that is MAAS_DIM_ANY - is unknown. */
MaasStatus maas_ml_infer_matrix(MaasInferCtx *c, int i, MaasType type, int64_t n, int64_t m);
/* The elements as float or double, converted into scratch memory where they are not; NULL with *status set. */
const float *maas_ml_floats(MaasCtx *c, const MaasTensor *x, MaasStatus *status);
const double *maas_ml_doubles(MaasCtx *c, const MaasTensor *x, MaasStatus *status);

/* ---- scores ---- */

/* The numbers of TreeEnsemble's post_transform. */
typedef enum MaasMlPost {
    MAAS_ML_NONE,
    MAAS_ML_SOFTMAX,
    MAAS_ML_LOGISTIC,
    MAAS_ML_SOFTMAX_ZERO,
    MAAS_ML_PROBIT,
    MAAS_ML_POSTS
} MaasMlPost;

/* infer: reads the attribute post_transform; fails when its value is unknown. */
MaasStatus maas_ml_infer_post(const MaasInferCtx *c, const MaasAttr *attr);
MaasMlPost maas_ml_post(const MaasAttr *attr); /* of an attribute that infer has passed */
void maas_ml_transform(MaasMlPost post, double *scores, int64_t n);
double maas_ml_logistic(double x);
/* The scores of two classes from that of the second: LOGISTIC of -score and score, else (1 - score or -score) and
 * score, which only PROBIT transforms. */
void maas_ml_binary(MaasMlPost post, double score, bool complement, double *both);

static inline bool maas_str_is(MaasStr s, const char *text)
{
    return s.length == __builtin_strlen(text) && __builtin_memcmp(s.data, text, s.length) == 0;
}

/* The place of the attribute's value in names (ended by NULL), or -1. */
int maas_ml_choice(const MaasAttr *attr, const char *const *names);

/* ---- class labels ---- */

typedef struct MaasMlLabels {
    bool text;
    int64_t n;
    const MaasStr *strings;
    const int64_t *ints;
} MaasMlLabels;

/* From the attributes classlabels_strings and classlabels_int(64)s: the one that is not empty. */
MaasMlLabels maas_ml_labels(const MaasAttr *strings, const MaasAttr *ints);
MaasStatus maas_ml_infer_labels(const MaasInferCtx *c, const MaasMlLabels *labels);
/* y[row] = label i; i < n is the caller's business. */
void maas_ml_put_label(const MaasMlLabels *labels, MaasTensor *y, int64_t row, int64_t i);
/* The first place of the largest. */
int64_t maas_ml_argmax(const double *scores, int64_t n);

/* ---- tables that find a key's place ---- */

/* A hash table from keys (all strings, or all integers and bit patterns of floats) to their places in a list:
 * one block without pointers.  A key that stands in the list twice has its last place. */
typedef struct MaasLookup MaasLookup;

/* prepare: the size of a table (a multiple of 64), and the table in zeroed memory of that size.  Either strings
 * or keys is given, n of them. */
MaasStatus maas_lookup_bytes(MaasCtx *c, int64_t n, const MaasStr *strings, size_t *bytes);
MaasStatus maas_lookup_fill(MaasCtx *c, MaasLookup *t, int64_t n, const MaasStr *strings, const uint64_t *keys);
/* prepare: makes the node's state of one table. */
MaasStatus maas_lookup_state(MaasCtx *c, int64_t n, const MaasStr *strings, const uint64_t *keys);
/* -1 when the key is not in the table. */
int64_t maas_lookup_string(const MaasLookup *t, MaasStr key);
int64_t maas_lookup_int(const MaasLookup *t, uint64_t key);

/* A float's key: all NaN are one key, and both zeros. */
static inline uint64_t maas_float_key(double x)
{
    union {
        double d;
        uint64_t u;
    } bits = {.d = x};

    if (x != x)
        return 0x7ff8000000000000u;
    return x == 0 ? 0 : bits.u;
}

#endif
