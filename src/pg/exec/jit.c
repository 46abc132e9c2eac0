/*
 * jit.c - whether a rewritten plan is still worth compiling.
 *
 * The planner has the expressions of a plan compiled when it costs more than jit_above_cost.  The cost of a call is
 * that of its model, but a node of ours computes it: there is next to nothing to compile, and compiling takes each
 * process of a plan a tenth of a second.  So what the calls that were taken over had added to the cost of the plan
 * is reckoned while it is rewritten, and what is left is compared with the planner's settings again.
 *
 * A finished plan does not tell how its costs came about, so this is an estimate: calls take their share of the
 * cost of the node that evaluated them, and a node takes its children's share along.  Expressions' subplans count
 * once, however often they run.  The costs that EXPLAIN shows stay what the planner made of them.
 */
#include "postgres.h"
#include "compat.h"

#include "jit/jit.h"
#include "optimizer/optimizer.h"
#include "optimizer/plancat.h"

#include "exec.h"

List *ChildrenOf(const Plan *plan)
{
    List *children = NIL;

    switch (nodeTag(plan)) {
    case T_Append:
        children = list_copy(((const Append *)plan)->appendplans);
        break;
    case T_MergeAppend:
        children = list_copy(((const MergeAppend *)plan)->mergeplans);
        break;
    case T_BitmapAnd:
        children = list_copy(((const BitmapAnd *)plan)->bitmapplans);
        break;
    case T_BitmapOr:
        children = list_copy(((const BitmapOr *)plan)->bitmapplans);
        break;
    case T_CustomScan:
        children = list_copy(((const CustomScan *)plan)->custom_plans);
        break;
    case T_SubqueryScan:
        children = list_make1(((const SubqueryScan *)plan)->subplan);
        break;
    default:
        break;
    }
    if (plan->lefttree)
        children = lappend(children, plan->lefttree);
    if (plan->righttree)
        children = lappend(children, plan->righttree);
    return children;
}

static Cost CostOfChildren(const Plan *plan)
{
    Cost total = 0;
    ListCell *cell;

    foreach (cell, ChildrenOf(plan))
        total += ((Plan *)lfirst(cell))->total_cost;
    return total;
}

Cost CostOfCalls(const Plan *plan, List *calls, bool filtered, double rows)
{
    Cost own = Max(plan->total_cost - CostOfChildren(plan), 0);
    QualCost cost = {0, 0};
    ListCell *cell;

    foreach (cell, calls)
        add_function_cost(NULL, lfirst_node(FuncExpr, cell)->funcid, lfirst(cell), &cost);
    /* How many rows conditions are evaluated for is not known any more: as many as the node's cost is enough for.
     */
    if (filtered)
        rows = own / (cpu_tuple_cost + cost.per_tuple);
    return Min(rows * cost.per_tuple, own);
}

Cost CostAbove(const Plan *plan, Cost calls)
{
    Cost children = CostOfChildren(plan);

    if (IsA(plan, Limit)) {
        const Plan *child = plan->lefttree;
        Cost run = child->total_cost - child->startup_cost;
        double part = run > 0 ? (plan->total_cost - child->startup_cost) / run : 1;

        /* What is more than the child takes to return its rows was done before the first one. */
        return Min(calls, run) * Max(Min(part, 1), 0) + Max(calls - run, 0);
    }
    /* Who costs less than the children does not read them to their end, or shares them with other processes. */
    return children > plan->total_cost ? calls * plan->total_cost / children : calls;
}

void DecideJit(PlannedStmt *statement, Cost calls)
{
    Cost left = statement->planTree->total_cost - calls;

    /* The conditions of standard_planner; what it has not chosen is not chosen here. */
    if (calls <= 0)
        return;
    if (left <= jit_above_cost)
        statement->jitFlags = PGJIT_NONE;
    if (left <= jit_optimize_above_cost)
        statement->jitFlags &= ~PGJIT_OPT3;
    if (left <= jit_inline_above_cost)
        statement->jitFlags &= ~PGJIT_INLINE;
}
