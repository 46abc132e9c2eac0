/*
 * recompute.h - a training step in less memory: what the backward pass reads is computed again instead of being
 * kept (Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016).
 */
#ifndef MAAS_TRANSFORM_RECOMPUTE_H
#define MAAS_TRANSFORM_RECOMPUTE_H

#include "../graph/plan.h"

/* A plan whose workspace has a limit.  Zeroed at first. */
typedef struct MaasStepPlan {
    MaasPlan *plan;
    MaasArena arena; /* of the rewritten graph that the plan runs; empty when it runs the graph as it is */
    size_t taken;    /* bytes of the workspace beside the wanted values (gradients) */
    size_t whole;    /* the same with everything kept */
} MaasStepPlan;

/*
 * Makes a plan for a graph that maas_differentiate has been through, as maas_plan_new_kept does; wanted[0] is the
 * loss.  Where the workspace would take more than `limit` bytes (0: any) beside the wanted values, nodes of the
 * forward pass run a second time just before the backward nodes that read them: as few and as cheap ones as the
 * limit allows, and if nothing meets it, those that give the smallest workspace found.  Results are the same bit
 * for bit: random choices are not made again.  The graph outlives the plan and is not changed.
 */
MaasStatus maas_step_plan_new(MaasGraph *graph, MaasMem *mem, MaasValue *const *inputs, int n_wanted,
                              const int *wanted, size_t limit, MaasWorkspace *workspace, MaasStop stop,
                              MaasStepPlan *out, MaasError *err);
void maas_step_plan_free(MaasStepPlan *plan);

#endif
