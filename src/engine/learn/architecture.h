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

typedef struct MaasArchitecture {
    const char *json; /* UTF-8 */
    size_t length;
    int n_inputs;                  /* 0: as the JSON says */
    const struct MaasPort *inputs; /* with the free dimension of the examples in front */
    const char *input_prefix;      /* stands before the inputs' names in the model; NULL: nothing */
    MaasTask task;
    int64_t n_outputs; /* what a layer's "units": "output" means; 0: unknown */
    uint64_t seed;
} MaasArchitecture;

/* *bytes, from options->mem, is the caller's to free.  An error names the layer. */
MaasStatus maas_architecture_to_onnx(const MaasArchitecture *architecture, const struct MaasRunOptions *options,
                                     void **bytes, size_t *n_bytes, MaasError *err);

#endif
