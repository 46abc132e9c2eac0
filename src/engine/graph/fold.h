/*
 * fold.h - computing at load what does not depend on the caller.
 */
#ifndef MAAS_GRAPH_FOLD_H
#define MAAS_GRAPH_FOLD_H

#include "exec.h"

/* Infers the main graph with what it declares, turns the outputs of nodes that can be computed into constants and
 * removes those nodes.  run->mem owns the constants.  The scope's arena is only needed during the call. */
MaasStatus maas_graph_infer_and_fold(MaasGraph *graph, MaasInferScope *scope, MaasRun *run, MaasError *err);

/* Whether a node's outputs can be computed from what is known in frame: all contents known, tensors only, no
 * subgraph, not random, and not so large that it is better made anew in each run. */
bool maas_node_foldable(const MaasNode *node, const MaasInferFrame *frame);

/* Computes such a node; out: n_out places, filled with references. */
MaasStatus maas_fold_compute(MaasRun *run, const MaasNode *node, const MaasInferFrame *frame, MaasValue **out,
                             MaasError *err);

#endif
