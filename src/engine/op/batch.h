/*
 * batch.h - following the batch axis: the rules that tell where an operator leaves the rows of a batch.
 *
 * The analysis (graph/batch_axis.h) gives every input of the model N rows along axis 0 and asks each operator's
 * rule what its outputs hold then.  A value is one of these:
 *
 *   FREE      the same whatever the batch is: weights, and what is computed of them and of sizes other than N
 *   SIZE      follows from N alone, not from what the rows hold: shapes, and arithmetic on them
 *   ROWS      one axis holds (outer, N, inner) places, row-major, and what stands at n depends on row n of the
 * inputs alone: neither on n nor on N nor on other rows NUMBERED  as ROWS, but what stands at n may depend on n,
 * too MIXED     anything else
 *
 * A rule returns NULL when it has set all results, or a text that tells how the operator mixes the rows.  What a
 * rule does not know it must call mixed: rows that a model mixes must never be computed in one batch.  When a
 * result is ROWS, the rule promises that no size but that of the batch axis depends on N or on the data.
 *
 * Sizes are numbers, or symbols: N, the other free dimensions, and products of those.  `value` and `sizes` of
 * inputs hold what is known of the content of small integer tensors, in the same terms.
 */
#ifndef MAAS_OP_BATCH_H
#define MAAS_OP_BATCH_H

#include "dims.h"

/* ---- sizes ---- */

/* Symbols are far below every number that a model could compute with, negative ones included. */
#define MAAS_SIZE_BATCH INT64_MIN                          /* N */
#define MAAS_SIZE_UNKNOWN (INT64_MIN + ((int64_t)1 << 30)) /* may depend on N, nobody knows how */
#define MAAS_SIZE_OPAQUE (MAAS_SIZE_UNKNOWN + 1)           /* does not depend on N; any number, perhaps negative */
#define MAAS_MAX_SIZES 32                                  /* elements of a tensor whose content is followed */

typedef struct MaasSizes MaasSizes;

static inline bool maas_size_is_number(int64_t size)
{
    return size > MAAS_SIZE_OPAQUE;
}

/* A symbol, or a number that is no less than least. */
static inline bool maas_size_at_least(int64_t size, int64_t least)
{
    return size < MAAS_SIZE_UNKNOWN || (maas_size_is_number(size) && size >= least);
}

/* ---- what is known of a value ---- */

typedef enum MaasBatchKind {
    MAAS_BATCH_FREE,
    MAAS_BATCH_SIZE,
    MAAS_BATCH_ROWS,
    MAAS_BATCH_NUMBERED,
    MAAS_BATCH_ONE, /* in the body of a Scan over the rows: what stands for one of them */
    MAAS_BATCH_MIXED
} MaasBatchKind;

/* The last axis is as long as the longest row needs, the others are filled with this. */
typedef struct MaasPad {
    MaasStr text;   /* of strings */
    int64_t number; /* of int64 */
    int64_t room;   /* at least so much of it stands behind every row */
} MaasPad;

/* Where the numbers of the rows themselves stand. */
typedef enum MaasBatchNumber {
    MAAS_NUMBER_NONE = 0,
    MAAS_NUMBER_ALL,  /* every element that belongs to row n is n */
    MAAS_NUMBER_FIRST /* the first along the last axis is, the rest depends on row n alone: tuples of indices */
} MaasBatchNumber;

typedef struct MaasBatch {
    MaasBatchKind kind;
    int axis;               /* ROWS, NUMBERED */
    int64_t outer, inner;   /* ROWS, NUMBERED: the axis holds (outer, N, inner) places */
    MaasBatchNumber number; /* NUMBERED */
    const MaasPad *pad;     /* ROWS: padded to the longest row; NULL: not so */
    int n_sizes;            /* FREE and SIZE: elements whose content is known as sizes; 0: not known */
    const int64_t *sizes;
    const char *reason; /* MIXED: why, if the rule says so for this output alone */
    bool told;          /* MIXED: the reason names the node */
} MaasBatch;

struct MaasBatchCtx {
    const MaasOp *op;
    const MaasAttr *attr; /* in the order of the record */
    int n_in, n_out;
    const MaasInfo *const *in; /* n_in; NULL for an absent one; dims are sizes of the analysis */
    MaasInfo *const *out;      /* n_out; NULL for one that nobody asks for; what infer found, to be made better */
    const MaasBatch *const *batch; /* of the inputs */
    MaasBatch *const *result;      /* of the outputs; MIXED until the rule sets them */
    MaasSizes *sizes;
    MaasArena *arena;
    void *analysis;    /* for maas_batch_graph */
    MaasStatus status; /* a failure for want of memory */
    MaasError *err;
};

/* ---- for rules ---- */

MaasSizes *maas_sizes_new(MaasArena *arena, MaasError *err);
/* a * b; UNKNOWN when it is too involved. */
int64_t maas_size_times(MaasBatchCtx *c, int64_t a, int64_t b);
/* a / b when b divides a whatever the symbols stand for; else UNKNOWN. */
int64_t maas_size_over(MaasBatchCtx *c, int64_t a, int64_t b);
/* A symbol of its own: a size that nobody knows but that does not depend on the batch. */
int64_t maas_size_new(MaasBatchCtx *c);
/* Whether a size depends on N; UNKNOWN does. */
bool maas_size_of_batch(const MaasBatchCtx *c, int64_t size);
/* The product of n sizes. */
int64_t maas_sizes_product(MaasBatchCtx *c, int n, const int64_t *sizes);

/* The attribute of this name. */
const MaasAttr *maas_batch_attr(const MaasBatchCtx *c, const char *name);
/* An integer attribute that is an axis, in [0, rank). */
int maas_batch_axis_attr(const MaasBatchCtx *c, const char *name, int rank);

static inline bool maas_batch_has(const MaasBatchCtx *c, int i)
{
    return i < c->n_in && c->batch[i] != NULL;
}

static inline bool maas_batch_rows(const MaasBatchCtx *c, int i)
{
    return maas_batch_has(c, i) && c->batch[i]->kind == MAAS_BATCH_ROWS;
}

/* Absent or free. */
static inline bool maas_batch_free(const MaasBatchCtx *c, int i)
{
    return !maas_batch_has(c, i) || c->batch[i]->kind == MAAS_BATCH_FREE;
}

/* The content of input i as sizes; false when it is not known.  *n gets the number of elements. */
bool maas_batch_content(const MaasBatchCtx *c, int i, int *n, int64_t *sizes);
/* Output o (rank 0 or 1, integers) has this content. */
void maas_batch_set_content(MaasBatchCtx *c, int o, int n, const int64_t *sizes);
/* Output o holds the rows on this axis, divided as in `like`; fills in its size. */
void maas_batch_set_rows(MaasBatchCtx *c, int o, int axis, const MaasBatch *like);
/* All outputs are free. */
void maas_batch_set_free(MaasBatchCtx *c);
/* No input holds rows: results are free, or mixed when N is an input. */
const char *maas_batch_no_rows(MaasBatchCtx *c);
bool maas_batch_any_rows(const MaasBatchCtx *c);
/* Whether two values divide their batch axis alike. */
bool maas_batch_same(const MaasBatch *a, const MaasBatch *b);
/* Input 0 holds the rows, on an axis that is not in the bit mask `axes`; all others are free; outputs as input 0.
 */
const char *maas_batch_outside(MaasBatchCtx *c, uint32_t axes);

/* Follows the batch through a subgraph whose n inputs are as told; out and result: one for each of its outputs.
 * NULL, or why that cannot be done. */
const char *maas_batch_graph(MaasBatchCtx *c, const MaasGraph *graph, int n, const MaasInfo *in,
                             const MaasBatch *batch, const MaasInfo **out, const MaasBatch **result);

/* ---- rules ---- */

/* Any number of inputs, broadcast to the outputs' shape. */
const char *maas_batch_elementwise(MaasBatchCtx *c);
/* Works on the axes behind the first: convolutions, pools.  Other inputs are weights. */
const char *maas_batch_first(MaasBatchCtx *c);
/* Only input 0 counts, and all outputs have its batch axis, element by element in the rest. */
const char *maas_batch_table(MaasBatchCtx *c);       /* ai.onnx.ml on rows of features [N,F] */
const char *maas_batch_each(MaasBatchCtx *c);        /* any axis */
const char *maas_batch_along_axis(MaasBatchCtx *c);  /* works along attribute `axis` */
const char *maas_batch_from_axis(MaasBatchCtx *c);   /* works along the axes from attribute `axis` on */
const char *maas_batch_along_axes(MaasBatchCtx *c);  /* works along attribute `axes` */
const char *maas_batch_along_input(MaasBatchCtx *c); /* works along the axis that input 1 gives */
const char *maas_batch_last_two(MaasBatchCtx *c);    /* works along the last two axes */

/* batch_size.c: arithmetic on shapes, else element by element */
const char *maas_batch_add(MaasBatchCtx *c);
const char *maas_batch_sub(MaasBatchCtx *c);
const char *maas_batch_mul(MaasBatchCtx *c);
const char *maas_batch_div(MaasBatchCtx *c);
const char *maas_batch_equal(MaasBatchCtx *c);
const char *maas_batch_where(MaasBatchCtx *c);
const char *maas_batch_cast(MaasBatchCtx *c); /* Cast, Identity: the same content */
const char *maas_batch_shape(MaasBatchCtx *c);
const char *maas_batch_size(MaasBatchCtx *c);
const char *maas_batch_constant_of_shape(MaasBatchCtx *c);

/* batch_move.c: operators that move elements */
const char *maas_batch_reshape(MaasBatchCtx *c);
const char *maas_batch_flatten(MaasBatchCtx *c);
const char *maas_batch_squeeze(MaasBatchCtx *c);
const char *maas_batch_unsqueeze(MaasBatchCtx *c);
const char *maas_batch_transpose(MaasBatchCtx *c);
const char *maas_batch_concat(MaasBatchCtx *c);
const char *maas_batch_split(MaasBatchCtx *c);
const char *maas_batch_slice(MaasBatchCtx *c);
const char *maas_batch_expand(MaasBatchCtx *c);
const char *maas_batch_tile(MaasBatchCtx *c);
const char *maas_batch_pad(MaasBatchCtx *c);
const char *maas_batch_resize(MaasBatchCtx *c);
const char *maas_batch_gather(MaasBatchCtx *c);
const char *maas_batch_gather_elements(MaasBatchCtx *c); /* ScatterElements, too */
const char *maas_batch_gather_nd(MaasBatchCtx *c);
const char *maas_batch_extract(MaasBatchCtx *c); /* ArrayFeatureExtractor */
const char *maas_batch_one_hot(MaasBatchCtx *c);
const char *maas_batch_reverse_sequence(MaasBatchCtx *c);

/* batch_math.c: operators that compute over axes */
const char *maas_batch_matmul(MaasBatchCtx *c);
const char *maas_batch_matmul_integer(MaasBatchCtx *c);
const char *maas_batch_qlinear_matmul(MaasBatchCtx *c);
const char *maas_batch_gemm(MaasBatchCtx *c);
const char *maas_batch_einsum(MaasBatchCtx *c);
const char *maas_batch_reduce(MaasBatchCtx *c);
const char *maas_batch_arg(MaasBatchCtx *c);
const char *maas_batch_max_pool(MaasBatchCtx *c);
const char *maas_batch_norm(MaasBatchCtx *c); /* BatchNormalization */
const char *maas_batch_softmax(MaasBatchCtx *c);
const char *maas_batch_layer_norm(MaasBatchCtx *c); /* RMSNormalization, too */
const char *maas_batch_lrn(MaasBatchCtx *c);
const char *maas_batch_dropout(MaasBatchCtx *c);
const char *maas_batch_quantize(MaasBatchCtx *c);
const char *maas_batch_recurrent(MaasBatchCtx *c);
const char *maas_batch_attention(MaasBatchCtx *c);
const char *maas_batch_pairs(MaasBatchCtx *c); /* all inputs that are given hold rows on axis 0: GridSample */
const char *maas_batch_rotary(MaasBatchCtx *c);
const char *maas_batch_deform_conv(MaasBatchCtx *c);
const char *maas_batch_feature_vectorizer(MaasBatchCtx *c);

/* batch_control.c */
const char *maas_batch_if(MaasBatchCtx *c);
const char *maas_batch_loop(MaasBatchCtx *c);
const char *maas_batch_scan(MaasBatchCtx *c);

/* batch_number.c: numbers of rows.  For any node with a NUMBERED input and no subgraphs: its own rule, which sees
 * ROWS there; what it calls ROWS is NUMBERED, unless the numbers pick each row's own. */
const char *maas_batch_numbered(MaasBatchCtx *c);
const char *maas_batch_range(MaasBatchCtx *c);

/* batch_text.c: strings */
const char *maas_batch_string_normalizer(MaasBatchCtx *c);
const char *maas_batch_string_split(MaasBatchCtx *c);
const char *maas_batch_tokenizer(MaasBatchCtx *c);
const char *maas_batch_label_encoder(MaasBatchCtx *c);
const char *maas_batch_tfidf(MaasBatchCtx *c);

#endif
