/*
 * differentiate.h - gradients of a graph as further nodes of the same graph.
 *
 * The order of things when a model is trained:
 *
 *   maas_onnx_import                      or a graph that was built
 *   maas_graph_set_parameter              on each initialiser to train, before folding (graph/graph.h)
 *   maas_build_op ...                     the loss (graph/build.h)
 *   maas_graph_infer_and_fold
 *   maas_differentiate
 *   maas_graphs_prepare                   kept: the loss and the gradients (graph/prepare.h)
 *   maas_plan_new                         wanted: the loss, the gradients, metrics, running statistics
 *   maas_plan_run, and write the parameters' tensors (edge->constant->tensor.data) in place, again and again
 *
 * The backward pass reads what the forward pass computes, so the graph must not be fused for inference before.
 */
#ifndef MAAS_TRANSFORM_DIFFERENTIATE_H
#define MAAS_TRANSFORM_DIFFERENTIATE_H

#include "../graph/graph.h"

/*
 * Appends the nodes that compute d loss / d wanted[i] and sets gradients[i] to their edges, each with the shape and
 * type of wanted[i]; MAAS_NO_VALUE when the loss does not depend on it, or only through steps.  loss: an edge of a
 * floating type with one element.  wanted: parameters, inputs or any other edges.
 *
 * What does not lead from a wanted edge to the loss costs nothing.  All operators on the way that have no gradient
 * are named in one failure, MAAS_ERR_UNSUPPORTED; the graph must then be given up.  The new nodes are inferred, and
 * loss and gradients are kept to the end of a run like outputs.
 */
MaasStatus maas_differentiate(MaasGraph *graph, int loss, int n, const int *wanted, int *gradients, MaasError *err);

#endif
