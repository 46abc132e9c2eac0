/*
 * plan.h - running a graph for input shapes that were seen before.
 *
 * For one class of calls (input shapes, wanted outputs) everything that
 * follows from the shapes is decided once: nodes that compute shapes are
 * folded, nodes that nobody needs are left out, and the intermediate tensors
 * get offsets in one workspace by their lifetimes, in place where an operator
 * allows it.  What depends on data runs node by node in between (exec.h).
 */
#ifndef MAAS_GRAPH_PLAN_H
#define MAAS_GRAPH_PLAN_H

#include "exec.h"

typedef struct MaasPlan MaasPlan;

/* Makes a plan.  inputs: graph->n_inputs values, of which only types and shapes count; NULL for one left at its
 * default.  wanted: edges of the main graph.  The plan's memory comes from mem, which outlives it. */
MaasStatus maas_plan_new(MaasGraph *graph, MaasMem *mem, MaasValue *const *inputs, int n_wanted, const int *wanted,
                         MaasStop stop, MaasPlan **out, MaasError *err);
void maas_plan_free(MaasPlan *plan); /* NULL is allowed */

/* Memory that the plans of one caller, who runs one at a time, have in common.  Zeroed but for mem at first. */
typedef struct MaasWorkspace {
    MaasMem *mem;
    size_t bytes;
    void *data;
} MaasWorkspace;

void maas_workspace_free(MaasWorkspace *workspace);

/* A plan for a caller that runs it again and again: what it computes lies in the workspace, which is kept between
 * runs, and the values that maas_plan_run hands out lie there, too, until the next run of a plan that uses it. */
MaasStatus maas_plan_new_kept(MaasGraph *graph, MaasMem *mem, MaasValue *const *inputs, int n_wanted,
                              const int *wanted, MaasWorkspace *workspace, MaasStop stop, MaasPlan **out,
                              MaasError *err);

/* Whether the plan is one for such a call. */
bool maas_plan_matches(const MaasPlan *plan, MaasValue *const *inputs, int n_wanted, const int *wanted);

/* Runs it; out: n_wanted places, filled with references to values in run->mem (or in the workspace that is kept).
 */
MaasStatus maas_plan_run(MaasPlan *plan, MaasRun *run, MaasValue *const *inputs, MaasValue **out, MaasError *err);

/* What is known of wanted output i before a run; NULL unless every node's shapes are, and nothing in a run touches
 * what other runs share, so that several plans of one model may run at once. */
const MaasInfo *maas_plan_output(const MaasPlan *plan, int i);

/* Runs such a plan; out: n_wanted tensors of those shapes, whose memory gets the results. */
MaasStatus maas_plan_run_into(MaasPlan *plan, MaasRun *run, MaasValue *const *inputs, MaasValue *const *out,
                              MaasError *err);

/* What the caller found that a run takes of run->mem; 0: not yet. */
size_t maas_plan_run_bytes(const MaasPlan *plan);
void maas_plan_set_run_bytes(MaasPlan *plan, size_t bytes);

/* Bytes of the workspace; for tests and EXPLAIN. */
size_t maas_plan_workspace(const MaasPlan *plan);

/* Operations of a run, with the plan's shapes; what only data shows is left out. */
double maas_plan_flops(const MaasPlan *plan);

/* Bytes of an edge of the main graph in the workspace, 0 when it does not lie there; floating-point operations of a
 * node, negative when it does not run, infinite when its shapes are known in the run only. */
size_t maas_plan_edge_bytes(const MaasPlan *plan, int edge);
double maas_plan_node_flops(const MaasPlan *plan, int node);

#endif
