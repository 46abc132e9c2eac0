/*
 * infer.h - type and shape inference over a whole graph, and folding of what is constant.
 *
 * A frame holds what is known of each edge of one graph.  Frames nest as the
 * graphs do.  At load the frames are filled with what the model declares
 * (symbols for free dimensions); when a plan is made, with the caller's shapes.
 */
#ifndef MAAS_GRAPH_INFER_H
#define MAAS_GRAPH_INFER_H

#include "graph.h"

typedef struct MaasInferFrame {
    const MaasGraph *graph;
    struct MaasInferFrame *parent; /* of graph->parent; NULL for the main graph */
    MaasInfo *infos;               /* graph->n_edges */
    const int64_t **sizes; /* of the main graph at load: the elements of shapes (op/shape_value.c); else NULL */
} MaasInferFrame;

/* Computes node when every content it needs is known.  Sets the values of those outputs that it could compute;
 * leaves the others alone.  Returns a failure only when computing fails. */
typedef MaasStatus (*MaasFoldFn)(void *ctx, const MaasNode *node, MaasInferFrame *frame, MaasError *err);

struct MaasInferScope {
    MaasArena *arena;      /* of all results */
    MaasInferFrame *frame; /* of the node being inferred */
    MaasFoldFn fold;       /* NULL: nothing is folded */
    void *fold_ctx;
    double flops;         /* sum of the nodes' costs */
    const uint8_t *nodes; /* of the main graph: those to infer; NULL: all */
    bool keep;            /* write what is found into the graph's edges (at load) */
    int depth;
    int64_t steps; /* nodes inferred so far: nested loops are inferred several times each, so it is bounded */
    MaasStop stop;
};

/* Makes a frame whose constants are known and whose inputs have the given infos (in the order of graph->inputs;
 * NULL: as declared). */
MaasStatus maas_infer_frame(MaasInferScope *scope, const MaasGraph *graph, MaasInferFrame *parent,
                            const MaasInfo *const *inputs, MaasInferFrame **out, MaasError *err);

/* Infers all nodes of the frame's graph in order.  Checks every node's arguments against its signature. */
MaasStatus maas_infer_frame_nodes(MaasInferScope *scope, MaasInferFrame *frame, MaasError *err);

/* Infers one node whose input infos are in the frame (execution uses it for shapes that depend on data). */
MaasStatus maas_infer_node(MaasInferScope *scope, const MaasNode *node, const MaasInfo *const *in,
                           MaasInfo *const *out, MaasError *err);

/* The info of a value that is at hand. */
void maas_info_of_value(const MaasValue *value, MaasInfo *info);
/* The kind and type of an info as text: "tensor(float)", "sequence(tensor(int64))". */
char *maas_info_type_text(const MaasInfo *info, char *text, size_t size);
bool maas_info_shape_known(const MaasInfo *info);

#endif
