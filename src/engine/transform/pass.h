/*
 * pass.h - rewriting a loaded graph into a faster one, and what passes do that with.
 *
 * Passes run once at load, after inference, folding and description, so that
 * what a model says of itself is what was stored.  README.md tells how to add
 * one.  A pass works on one graph at a time; node and edge numbers stay valid
 * until it returns, since nodes that are removed stand there as dead ones.
 */
#ifndef MAAS_TRANSFORM_PASS_H
#define MAAS_TRANSFORM_PASS_H

#include "../format/onnx_import.h"

typedef struct MaasReaders {
    int nodes;   /* how often nodes of the graph read the edge */
    int held;    /* how often it is an output of the graph or captured by a subgraph */
    int64_t sum; /* of the numbers of the reading nodes: that of the only one */
} MaasReaders;

typedef struct MaasPass {
    MaasGraph *graph;
    MaasMem *mem; /* of the model: constants come from it */
    MaasStop stop;
    MaasError *err;
    int n_readers;
    MaasReaders *readers; /* per edge */
    uint8_t *dead;        /* per node */
} MaasPass;

/* Runs all passes over every graph of a model.  kept: further edges of the main graph that callers may ask for.
 * The arena of the graphs and mem outlive the model. */
MaasStatus maas_transform(MaasOnnxModel *model, int n_kept, const int *kept, MaasMem *mem, MaasStop stop,
                          MaasError *err);

/* ---- looking ---- */

/* Whether node k is there and of this operator of ai.onnx. */
bool maas_pass_is(const MaasPass *p, int k, const char *op);
/* The node that makes an edge, or -1 (inputs, constants, captured ones, absent ones). */
int maas_pass_producer(const MaasPass *p, int edge);
/* The node that reads an edge where nothing else does and the edge does not leave the graph; else -1. */
int maas_pass_only_reader(const MaasPass *p, int edge);
/* Whether an edge leaves the graph: as its output or into a subgraph. */
bool maas_pass_is_held(const MaasPass *p, int edge);
/* What an edge holds whatever the input is, also when an enclosing graph holds it; NULL when it is not known. */
const MaasTensor *maas_pass_constant(const MaasPass *p, int edge);
/* A constant of one element of a floating type. */
bool maas_pass_scalar(const MaasPass *p, int edge, double *value);
/* What inference found: type and shape, as far as known; symbols are equal where sizes are sure to be equal. */
const MaasInfo *maas_pass_info(const MaasPass *p, int edge);
/* Whether both are known to have the same type and shape. */
bool maas_pass_same_shape(const MaasPass *p, int a, int b);
/* The attribute of a node by its name. */
MaasAttr *maas_pass_attr(const MaasNode *node, const char *name);
/* The activation (a MaasUnary) that node k is, and its parameters; not Relu and Clip, which are bounds. */
bool maas_pass_activation(const MaasPass *p, int k, int *act, float *params);
/* Whether the caller wants to stop: long passes return MAAS_ERR_CANCEL then. */
MaasStatus maas_pass_check_stop(MaasPass *p);

/* ---- changing ---- */

/* Takes node k out of the graph.  What it made must be read by nobody or be made by another node from now on. */
void maas_pass_kill(MaasPass *p, int k);
/*
 * Puts an operator of domain "maas", else of ai.onnx, into the place of node k, with defaults for its attributes.
 * k must come after everything that makes the inputs and before everything that reads the outputs.  Outputs are
 * edges that are there already; whatever else made them must be killed.  The new node bears the name of node `of`,
 * for messages: it can be k or one that was killed.
 */
MaasStatus maas_pass_replace(MaasPass *p, int k, const char *op, int of, int n_in, const int *in, int n_out,
                             const int *out, MaasNode **made);
/* Adds a constant; takes over the reference. */
MaasStatus maas_pass_add_constant(MaasPass *p, MaasValue *value, int *edge);
/* Adds an edge for what a node will make. */
MaasStatus maas_pass_add_edge(MaasPass *p, const MaasInfo *info, int *edge);

/* ---- the passes; each in a file of its own ---- */

typedef MaasStatus MaasPassFn(MaasPass *p);

MaasPassFn maas_fuse_activation; /* arithmetic -> Gelu, Swish, HardSwish, Mish */
MaasPassFn maas_fuse_layer_norm; /* arithmetic -> LayerNormalization */
MaasPassFn maas_fuse_attention;  /* two products with a softmax between them -> FusedAttention */
MaasPassFn maas_fuse_linear;     /* MatMul, Gemm, additions, activations -> Linear */
MaasPassFn maas_fuse_conv;       /* Conv, BatchNormalization -> BlockConv */
MaasPassFn maas_block_layout;    /* which edges between them hold blocks of channels */
MaasPassFn maas_fuse_conv_end;   /* what follows a BlockConv: residual sum, activation */

/* Whether node k is there and a BlockConv. */
bool maas_pass_is_block_conv(const MaasPass *p, int k);

#endif
