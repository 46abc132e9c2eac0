/*
 * architecture_build.h - what the files that make layers share.
 *
 * The first failure is kept in build->status; later calls change nothing and give values that are safe to go on
 * with, so that a layer is written as it reads and its maker asks once.
 */
#ifndef MAAS_LEARN_ARCHITECTURE_BUILD_H
#define MAAS_LEARN_ARCHITECTURE_BUILD_H

#include "../base/json.h"
#include "../format/onnx_write.h"
#include "../maas.h"
#include "initialise.h"

#define MAAS_ARCH_MAX_RANK 6
#define MAAS_ARCH_MAX_INPUTS 64
#define MAAS_ARCH_MAX_LAYERS 4096
#define MAAS_ARCH_MAX_DEPTH 8
#define MAAS_ARCH_MAX_OPTIONS 16

/* What a layer or an input gives. */
typedef struct MaasArchValue {
    const char *name; /* by which a layer may ask for it */
    const char *edge;
    MaasType type;
    int rank;                         /* of one example */
    int64_t dims[MAAS_ARCH_MAX_RANK]; /* negative: free */
    bool first;                       /* rank 2: (steps, features) that lies as (N, features, steps) */
    const char *activation;           /* that it ends in; NULL: none */
    const char *mask;                 /* (N, steps): 1, and 0 where a step is padding; NULL: all count */
    int64_t n_words;                  /* a text: numbers of its words are below; 0: no text */
    MaasRange range;                  /* of the input's values, as long as they are int64 */
} MaasArchValue;

typedef struct MaasArchBuild MaasArchBuild;

/* One kind of layer.  options: NULL-terminated; the first ones may be given without a name, in a list. */
typedef struct MaasArchKind {
    const char *name;
    void (*make)(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out);
    int n_positional, min_in, max_in;
    const char *options[MAAS_ARCH_MAX_OPTIONS];
} MaasArchKind;

struct MaasArchBuild {
    MaasMem *mem;
    MaasArena *arena;
    MaasError *err;
    MaasStatus status;
    MaasOnnxWriter writer;
    MaasRng rng;
    MaasStop stop;
    int64_t n_outputs;
    const char *input_prefix;
    bool channels_last; /* the inputs that are images */
    int n_values, cap_values;
    MaasArchValue *values; /* inputs, then layers */
    int n_layers, n_edges, depth;
    /* The layer that is being made: */
    const MaasArchKind *kind;
    const MaasJson *json;  /* the object or string that describes it */
    const MaasJson *given; /* the member of the kind's name, or NULL */
    const char *place;     /* for messages: layer 3 "dense" */
    const char *name;      /* of the layer; its parameters are called name.weight */
};

/* Ended by a NULL name. */
extern const MaasArchKind maas_arch_core[], maas_arch_image[], maas_arch_sequence[], maas_arch_texts[];

/* ---- failures ---- */

void maas_arch_fail(MaasArchBuild *b, MaasStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* A text in the arena; "" on failure.  Cut off beyond 1000 bytes. */
const char *maas_arch_printf(MaasArchBuild *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "[28,28]" of a value, in the arena. */
const char *maas_arch_shape(MaasArchBuild *b, const MaasArchValue *v);

/* ---- options of the layer ---- */

const MaasJson *maas_arch_option(MaasArchBuild *b, const char *name);
/* An integer of at least min; fallback < 0: it must be given. */
int64_t maas_arch_int(MaasArchBuild *b, const char *name, int64_t fallback, int64_t min);
/* The same, and "output" stands for the number of outputs that the task needs. */
int64_t maas_arch_units(MaasArchBuild *b, const char *name);
/* n integers, or one that stands for all. */
void maas_arch_ints(MaasArchBuild *b, const char *name, int n, int64_t fallback, int64_t min, int64_t *out);
double maas_arch_number(MaasArchBuild *b, const char *name, double fallback, double low, double high);
bool maas_arch_bool(MaasArchBuild *b, const char *name, bool fallback);
const char *maas_arch_text(MaasArchBuild *b, const char *name, const char *fallback);
/* Which of n names it is; fails with the nearest one. */
int maas_arch_choice(MaasArchBuild *b, const char *name, const char *const *names, int n, int fallback);
MaasInitialiser maas_arch_initialiser(MaasArchBuild *b, const char *name, MaasInitialiser fallback);

/* ---- nodes ---- */

/* Begins a node of one output, whose edge it returns; attributes and maas_onnx_end_node follow. */
const char *maas_arch_begin(MaasArchBuild *b, const char *op, int n_in, const char *const *in);
/* A node without attributes. */
const char *maas_arch_node(MaasArchBuild *b, const char *op, const char *x, const char *y);
/* One with an integer attribute, a list of them. */
const char *maas_arch_node_int(MaasArchBuild *b, const char *op, const char *x, const char *attr, int64_t value);
const char *maas_arch_node_ints(MaasArchBuild *b, const char *op, const char *x, const char *attr, size_t n,
                                const int64_t *values);
const char *maas_arch_constant_ints(MaasArchBuild *b, size_t n, const int64_t *values);
const char *maas_arch_constant_float(MaasArchBuild *b, float value);
/* x in another shape; 0 keeps a dimension, -1 takes what is left; N is the first. */
const char *maas_arch_reshape(MaasArchBuild *b, const char *x, size_t n, const int64_t *shape);
/* An initialiser name.suffix. */
const char *maas_arch_parameter(MaasArchBuild *b, const char *suffix, int rank, const int64_t *dims,
                                MaasInitialiser init, int64_t fan_in, int64_t fan_out);
/* The same with values that are given. */
const char *maas_arch_parameter_of(MaasArchBuild *b, const char *suffix, int rank, const int64_t *dims,
                                   const float *data);
/* A buffer for maas_arch_parameter_of, from the heap; NULL on failure.  Free it with maas_free. */
float *maas_arch_buffer(MaasArchBuild *b, int rank, const int64_t *dims, int64_t *count);

/* ---- values ---- */

/* The value as floats, as (N, steps, features), as (N, features, steps). */
MaasArchValue maas_arch_float(MaasArchBuild *b, const MaasArchValue *v);
MaasArchValue maas_arch_rows(MaasArchBuild *b, const MaasArchValue *v);
MaasArchValue maas_arch_first(MaasArchBuild *b, const MaasArchValue *v);
/* Fails unless the value has this rank; what: "a sequence (steps, features)". */
bool maas_arch_need_rank(MaasArchBuild *b, const MaasArchValue *v, int rank, const char *what);
/* Fails when a dimension is free. */
bool maas_arch_need_known(MaasArchBuild *b, const MaasArchValue *v, int dim, const char *what);

/* ---- pieces that several layers have ---- */

/* By its name; NULL or "linear" changes nothing.  slope < 0: the function's own default. */
void maas_arch_activate(MaasArchBuild *b, const char *activation, double slope, MaasArchValue *v);
/* x of width in through weights; suffix begins the parameters' names ("" or "query."). */
const char *maas_arch_linear(MaasArchBuild *b, const char *x, bool matrix, const char *suffix, int64_t in,
                             int64_t out, bool bias, MaasInitialiser init, MaasInitialiser bias_init);
const char *maas_arch_dropout(MaasArchBuild *b, const char *x, double rate);
const char *maas_arch_layer_norm(MaasArchBuild *b, const char *x, const char *suffix, int64_t width,
                                 double epsilon);
void maas_arch_batch_norm(MaasArchBuild *b, MaasArchValue *v, const char *suffix, double momentum, double epsilon);
/* ---- padding (architecture_text.c) ---- */

/* A mask of numbers (N, steps) that are 0 where a step is padding. */
const char *maas_arch_mask_zero(MaasArchBuild *b, const char *ids);
/* What is added to the scores of attention (N, heads, steps, steps): a large negative number for padding. */
const char *maas_arch_mask_scores(MaasArchBuild *b, const char *mask);
/* (N) int32: steps up to the padding, at least 1. */
const char *maas_arch_mask_lengths(MaasArchBuild *b, const char *mask);
/* Mean and largest value over the steps of x (N, steps, features) that count; 0 where none does. */
const char *maas_arch_mask_mean(MaasArchBuild *b, const char *x, const char *mask);
const char *maas_arch_mask_max(MaasArchBuild *b, const char *x, const char *mask);

/* Finds the kind of a layer and checks the names of its options: b->kind, json, given, place. */
void maas_arch_begin_layer(MaasArchBuild *b, const MaasJson *layer);
/* Makes the layers of a list, the first from *v, one from the other; *v becomes the last one's value. */
void maas_arch_layers(MaasArchBuild *b, const MaasJson *layers, MaasArchValue *v, bool has_value);

#endif
