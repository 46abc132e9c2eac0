/*
 * architecture.h - a network described as JSON becomes an ONNX model with weights that have learned nothing yet.
 *
 * {"inputs": {"image": [1,28,28]}, "layers": [{"conv2d": [32,3], "activation": "relu"}, "flatten", {"dense": 10}]}
 *
 * Names and defaults of layers are those of Keras; doc/training.md lists them.  Images lie as (channels, height,
 * width), sequences as (steps, features).  The model's parameters are its initialisers, and the only ones: what is
 * constant by construction comes from Constant nodes.
 */
#ifndef MAAS_LEARN_ARCHITECTURE_H
#define MAAS_LEARN_ARCHITECTURE_H

typedef enum MaasTask {
    MAAS_TASK_NONE = 0, /* the network ends as the JSON says */
    MAAS_TASK_CLASSIFY, /* n_outputs classes: it ends in Softmax, or in one unit and Sigmoid for two of them */
    MAAS_TASK_REGRESS   /* n_outputs numbers */
} MaasTask;

/* Values that occur; known: only then the others count. */
typedef struct MaasRange {
    bool known;
    double low, high;
} MaasRange;

typedef struct MaasArchitecture {
    const char *json; /* UTF-8 */
    size_t length;
    int n_inputs;                   /* 0: as the JSON says */
    const struct MaasPort *inputs;  /* with the free dimension of the examples in front */
    const int64_t *words;           /* of each input: numbers of words are below, 0: no text.  NULL: none is */
    const struct MaasRange *ranges; /* of each input's whole numbers; NULL: not known */
    const char *input_prefix;       /* stands before the inputs' names in the model; NULL: nothing */
    MaasTask task;
    const char *end;   /* REGRESS: the activation to end in, where the last layer has none; NULL: none */
    int64_t n_outputs; /* what a layer's "units": "output" means; 0: unknown */
    uint64_t seed;
} MaasArchitecture;

#define MAAS_TEXT_SPECIAL 2 /* numbers before those of the words: padding, unknown */

/* How a text is cut into words; Keras's names.  Without punctuation, words are what white space separates, less
 * what is neither letter nor digit at their ends. */
typedef struct MaasTextRule {
    bool lower, strip_punctuation;
} MaasTextRule;

/* A column that the architecture reads as a text: by a layer text_vectorization or, without one, an embedding. */
typedef struct MaasArchText {
    const char *input;  /* its name; NULL: the only one that there is */
    int64_t max_tokens; /* numbers of words are below */
    int64_t length;     /* words that are read; 0: not said */
    MaasTextRule rule;
} MaasArchText;

/* *texts in arena.  Fails when a layer of these kinds has a fault; all others are not looked at. */
MaasStatus maas_architecture_texts(const char *json, size_t length, MaasArena *arena, int *n, MaasArchText **texts,
                                   MaasError *err);

/* *bytes, from options->mem, is the caller's to free.  An error names the layer. */
MaasStatus maas_architecture_to_onnx(const MaasArchitecture *architecture, const struct MaasRunOptions *options,
                                     void **bytes, size_t *n_bytes, MaasError *err);

#endif
