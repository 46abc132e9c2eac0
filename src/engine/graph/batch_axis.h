/*
 * batch_axis.h - whether the rows of a model do not influence each other, so that they may be computed together, in
 * pieces or one by one with the same answers.
 *
 * Axis 0 of every input is followed through every operator by the rules of op/batch.h.
 */
#ifndef MAAS_GRAPH_BATCH_AXIS_H
#define MAAS_GRAPH_BATCH_AXIS_H

#include "infer.h"

/* For each of n edges of the main graph: reasons[i] becomes NULL when its value holds the rows on axis 0 and row n
 * follows from row n of the inputs alone, whatever their number; else why that is not so, in `keep`.  Inputs that
 * have a default are taken to be left at it.  Other memory comes from keep's MaasMem and is freed. */
MaasStatus maas_batch_axis(const MaasGraph *graph, MaasStop stop, MaasArena *keep, int n, const int *edges,
                           const char **reasons, MaasError *err);

#endif
