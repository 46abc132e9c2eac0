/*
 * prepare.h - the states that nodes make once at load, and giving up constants that only states hold.
 */
#ifndef MAAS_GRAPH_PREPARE_H
#define MAAS_GRAPH_PREPARE_H

#include "exec.h"

/* Calls prepare on all nodes of a model's graphs (the main one first), and frees the content of constants that no
 * node reads any more (maas_forget).  kept: edges of the main graph that callers may ask for.  run->mem owns the
 * states. */
MaasStatus maas_graphs_prepare(int n_graphs, MaasGraph *const *graphs, int n_kept, const int *kept, MaasRun *run,
                               MaasError *err);

#endif
