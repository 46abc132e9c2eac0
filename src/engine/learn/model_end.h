/*
 * model_end.h - the operator that a model ends in, which tells the loss that it was made for.
 */
#ifndef MAAS_LEARN_MODEL_END_H
#define MAAS_LEARN_MODEL_END_H

#include "../graph/graph.h"

#define MAAS_END_MOVES 16 /* most nodes that only move what comes out of the end */

#define MAAS_END_PAIR "Sigmoid, 1 - p and p" /* of a unit, whose two probabilities are joined */

typedef struct MaasModelEnd {
    const char
        *last; /* "Softmax", "LogSoftmax", "Sigmoid", "Exp", "Softplus", "Relu", MAAS_END_PAIR; "" for all others */
    int node;  /* the node */
    int n_moves;               /* nodes between it and the output that only move elements */
    int moves[MAAS_END_MOVES]; /* last first */
} MaasModelEnd;

MaasModelEnd maas_model_end(const MaasGraph *graph, int output);
/* What the end was computed of, with the output's shape: raw scores.  Appends nodes where something has to be
 * moved; graph: the one that the end was found in, or another import of the same model. */
MaasStatus maas_before_end(MaasGraph *graph, const MaasModelEnd *end, int *edge, MaasError *err);

#endif
