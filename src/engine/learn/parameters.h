/*
 * parameters.h - which initialisers of a graph are parameters, which of them are frozen, and what they are for.
 */
#ifndef MAAS_LEARN_PARAMETERS_H
#define MAAS_LEARN_PARAMETERS_H

#include "../graph/graph.h"
#include "learn.h"

/* What the optimiser must know of an initialiser, by edge of the main graph. */
typedef struct MaasParameterMark {
    bool parameter;
    bool statistic; /* running mean or variance of a batch normalisation: changes, but not by its gradient */
    bool weight;    /* of a product: penalised by l1 and l2 */
    int unit_axis;  /* weight: the axis of its units, or -1 */
    bool stacked;   /* the axes before it hold further units (directions), not more weights of the same */
    int layer;      /* the layers are counted by their products */
} MaasParameterMark;

/* Fills marks (graph->n_edges, zeroed).  initializers: names that the model's bytes hold as such.  The graph is one
 * that was just imported.  scratch: memory for the call. */
MaasStatus maas_find_parameters(const MaasGraph *graph, int n_initializers, const MaasStr *initializers,
                                const MaasTrainOptions *options, MaasArena *scratch, MaasParameterMark *marks,
                                int *n_layers, MaasError *err);

/* Whether the options freeze a parameter. */
MaasStatus maas_is_frozen(const MaasTrainOptions *options, const char *name, const MaasParameterMark *mark,
                          int n_layers, bool *frozen, MaasError *err);

/* Whether text matches a pattern of characters, * and ?. */
bool maas_matches(const char *pattern, const char *text);

#endif
