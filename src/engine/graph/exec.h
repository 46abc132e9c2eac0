/*
 * exec.h - running a graph node by node.
 *
 * A frame holds the values of one graph's edges during one run.  A value is
 * freed after its last reader.  Frames nest as the subgraphs do.  plan.h runs
 * what it knows the shapes of without any of this; both compute a node through
 * the operator's compute function with a MaasCtx.
 */
#ifndef MAAS_GRAPH_EXEC_H
#define MAAS_GRAPH_EXEC_H

#include "infer.h"

typedef struct MaasFrame {
    const MaasGraph *graph;
    struct MaasFrame *parent; /* of graph->parent; NULL for the main graph */
    MaasValue **values;       /* graph->n_edges; those of inputs and nodes hold a reference, the others borrow */
} MaasFrame;

typedef struct MaasScratch MaasScratch;

struct MaasRun {
    MaasMem *mem;
    MaasArena strings; /* bytes of string elements made by this run */
    MaasArena infer;   /* of inference at run time; emptied after each node */
    MaasStop stop;
    int threads;
    uint64_t seed, seeds;     /* of this run; how many were handed out */
    MaasFrame *frame;         /* of the node being computed */
    int depth;                /* of subgraph calls */
    MaasScratch *busy, *idle; /* scratch blocks in use by the node being computed, and those to use again */
};

void maas_run_init(MaasRun *run, MaasMem *mem, MaasStop stop, int threads);
void maas_run_end(MaasRun *run); /* frees strings and scratch: string outputs are invalid from here on */

/* Opens a frame.  inputs: graph->n_inputs borrowed values; NULL for one that has a default. */
MaasStatus maas_frame_open(MaasRun *run, const MaasGraph *graph, MaasFrame *parent, MaasValue *const *inputs,
                           MaasFrame *frame, MaasError *err);
void maas_frame_close(MaasRun *run, MaasFrame *frame);

/* Computes node k of the frame's graph from the values in the frame and stores its outputs there.  The inputs stay:
 * the caller frees those that nobody reads later. */
MaasStatus maas_exec_node(MaasRun *run, MaasFrame *frame, int k, MaasError *err);

/* Computes a node from values outside any frame; out: n_out places, filled with references. */
MaasStatus maas_exec_values(MaasRun *run, const MaasNode *node, MaasValue *const *in, MaasValue **out,
                            MaasError *err);

/* Calls the operator's prepare; constants: n_in borrowed values, NULL where the input is not constant; types: of
 * all inputs.  The state is allocated from run->mem. */
MaasStatus maas_exec_prepare(MaasRun *run, MaasNode *node, MaasValue *const *constants, const MaasType *types,
                             MaasError *err);

/* Computes a node whose outputs are ready in c->out; puts back the scratch memory. */
MaasStatus maas_exec_compute(MaasRun *run, MaasCtx *c);

/* Fills graph->last_use, for this graph and those below it. */
MaasStatus maas_graph_set_last_use(MaasGraph *graph, MaasError *err);

/* Whether the node has subgraphs. */
bool maas_node_has_graph(const MaasNode *node);

#endif
