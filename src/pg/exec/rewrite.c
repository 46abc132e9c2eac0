/*
 * rewrite.c - puts nodes that compute calls ahead into a finished plan.
 *
 * Lifting.  A node that projects evaluates its conditions, one after the other, and then its target list.  When
 * there is a call among them, the node keeps the conditions before the call and returns what the rest is made of:
 * its columns, aggregates and window functions.  The rest goes into a node of ours above it:
 *
 *     Seq Scan on t                            Maas Batch
 *       Output: id, maas_score('m', x)    =>     Output: id, (maas_score('m', x))
 *       Filter: a > 1 and                        Filter: (maas_score('m', x)) > 0.5
 *         maas_score('m', x) > 0.5               ->  Seq Scan on t
 *                                                      Output: id, x
 *                                                      Filter: a > 1
 *
 * Calls that are only evaluated for rows that an earlier condition passes, or that take the answer of another call,
 * go into a further node above that one.  Arguments of aggregates are computed by a node below the aggregation,
 * which adds columns to what it reads.
 *
 * Rows come out in the same order and columns in the same places, so no other node of the plan need be changed. The
 * expressions here are past set_plan_references: OUTER_VAR is a column of the child, INDEX_VAR one of a node's own
 * scan tuple, which custom_scan_tlist describes.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"

#include "exec.h"

typedef struct Rewrite {
    PlannedStmt *statement;
    int next_node_id;
    Cost calls; /* what those that nodes of ours compute add to the cost of the plan that is visited, see jit.c */
} Rewrite;

/* ---- expressions ---- */

/* What a lifted expression is made of: parts that only the node itself can compute. */
static bool IsBase(Node *node)
{
    return IsA(node, Var) || IsA(node, Aggref) || IsA(node, GroupingFunc) || IsA(node, WindowFunc);
}

static bool CollectBaseWalker(Node *node, List **bases)
{
    if (!node)
        return false;
    if (IsBase(node)) {
        *bases = list_append_unique(*bases, node);
        return false;
    }
    return expression_tree_walker(node, CollectBaseWalker, (void *)bases);
}

/* Replaces each expression that is equal to one of a list by a column of this varno: the first by column first, and
 * so on. */
typedef struct Replace {
    List *wanted;
    int varno;
    int first;
} Replace;

static Var *ColumnVar(int varno, int column, Node *expression)
{
    return makeVar(varno, column, exprType(expression), exprTypmod(expression), exprCollation(expression), 0);
}

static Node *ReplaceMutator(Node *node, Replace *replace)
{
    ListCell *cell;
    int column = replace->first;

    if (!node)
        return NULL;
    foreach (cell, replace->wanted) {
        if (equal(node, lfirst(cell)))
            return (Node *)ColumnVar(replace->varno, column, node);
        column++;
    }
    if (IsBase(node) && !IsA(node, Var))
        return (Node *)copyObjectImpl(node);
    return expression_tree_mutator(node, ReplaceMutator, (void *)replace);
}

static List *ReplaceIn(List *expressions, List *wanted, int varno, int first)
{
    Replace replace = {wanted, varno, first};

    return (List *)ReplaceMutator((Node *)expressions, &replace);
}

/* The same for calls: by the number of their column, inside of aggregates' arguments as well. */
static Node *ReplaceCallsMutator(Node *node, Replace *replace)
{
    ListCell *cell;
    int column = replace->first;

    if (!node)
        return NULL;
    if (IsA(node, FuncExpr))
        foreach (cell, replace->wanted) {
            if (equal(node, lfirst(cell)))
                return (Node *)ColumnVar(replace->varno, column, node);
            column++;
        }
    return expression_tree_mutator(node, ReplaceCallsMutator, (void *)replace);
}

static List *ReplaceCalls(List *expressions, List *calls, int varno, int first)
{
    Replace replace = {calls, varno, first};

    return (List *)ReplaceCallsMutator((Node *)expressions, &replace);
}

/* A target list of plain expressions. */
static List *PlainTargets(List *expressions)
{
    List *targets = NIL;
    ListCell *cell;

    foreach (cell, expressions)
        targets = lappend(
            targets, makeTargetEntry((Expr *)copyObjectImpl(lfirst(cell)), list_length(targets) + 1, NULL, false));
    return targets;
}

/* The numbers of the child's columns that expressions read. */
static bool OuterColumnsWalker(Node *node, Bitmapset **columns)
{
    if (!node)
        return false;
    if (IsA(node, Var)) {
        if (((Var *)node)->varno == OUTER_VAR)
            *columns = bms_add_member(*columns, ((Var *)node)->varattno);
        return false;
    }
    return expression_tree_walker(node, OuterColumnsWalker, (void *)columns);
}

/* ---- nodes ---- */

/* A node of ours over child.  columns: numbers of the child's columns that its scan tuple begins with (0 for one
 * that nobody reads, which then is column k); calls stand behind them. */
static CustomScan *NewNode(Rewrite *rewrite, Plan *child, List *columns, List *calls)
{
    CustomScan *node = makeNode(CustomScan);
    Plan *plan = &node->scan.plan;
    List *scan = NIL;
    ListCell *cell;

    plan->startup_cost = child->startup_cost;
    plan->total_cost = child->total_cost;
    plan->plan_rows = child->plan_rows;
    plan->plan_width = child->plan_width;
    plan->parallel_safe = child->parallel_safe;
    plan->plan_node_id = rewrite->next_node_id++;
    plan->lefttree = child;
    plan->extParam = bms_copy(child->extParam);
    plan->allParam = bms_copy(child->allParam);
    foreach (cell, columns) {
        int number = lfirst_int(cell) ? lfirst_int(cell) : list_length(scan) + 1;
        TargetEntry *target = list_nth(child->targetlist, number - 1);

        scan = lappend(scan, makeTargetEntry((Expr *)ColumnVar(OUTER_VAR, number, (Node *)target->expr),
                                             list_length(scan) + 1, target->resname, false));
    }
    foreach (cell, calls)
        scan = lappend(scan, makeTargetEntry(copyObjectImpl(lfirst(cell)), list_length(scan) + 1, NULL, false));
    node->custom_scan_tlist = scan;
    node->custom_exprs = (List *)copyObjectImpl(calls);
    node->custom_private = list_make2(columns, list_make1_int(0));
    /* The same rows come out in the same order: a cursor can go back where it could without the node. */
    node->flags = ExecSupportsBackwardScan(child) ? CUSTOMPATH_SUPPORT_BACKWARD_SCAN : 0;
    node->methods = &batch_scan_methods;
    return node;
}

/* Takes conditions from the front of *conditions for as long as no call in them is ready. */
static List *WithoutCalls(List **conditions)
{
    List *taken = NIL;

    while (*conditions && ReadyCalls((Node *)linitial(*conditions), NIL) == NIL) {
        taken = lappend(taken, linitial(*conditions));
        *conditions = list_delete_first(*conditions);
    }
    return taken;
}

/* Puts nodes over child that evaluate the conditions and then the targets, which are in terms of child's columns.
 * There is a ready call in the first condition or, when there is none, in the targets. */
static Plan *Stack(Rewrite *rewrite, Plan *child, List *targets, List *conditions)
{
    List *calls = ReadyCalls(conditions ? (Node *)linitial(conditions) : (Node *)targets, NIL);
    List *columns = NIL, *outer = NIL, *bases = NIL;
    Bitmapset *used = NULL;
    CustomScan *node;
    int column = -1, n = 0;

    Assert(calls != NIL);
    /* What is read of the child, once the calls are columns. */
    OuterColumnsWalker((Node *)ReplaceCalls(targets, calls, INDEX_VAR, 1), &used);
    OuterColumnsWalker((Node *)ReplaceCalls(conditions, calls, INDEX_VAR, 1), &used);
    while ((column = bms_next_member(used, column)) >= 0) {
        TargetEntry *target = list_nth(child->targetlist, column - 1);

        columns = lappend_int(columns, column);
        outer = lappend(outer, ColumnVar(OUTER_VAR, column, (Node *)target->expr));
        n++;
    }
    node = NewNode(rewrite, child, columns, calls);
    targets = ReplaceIn(ReplaceCalls(targets, calls, INDEX_VAR, n + 1), outer, INDEX_VAR, 1);
    conditions = ReplaceIn(ReplaceCalls(conditions, calls, INDEX_VAR, n + 1), outer, INDEX_VAR, 1);
    node->scan.plan.qual = WithoutCalls(&conditions);
    if (conditions == NIL && ReadyCalls((Node *)targets, NIL) == NIL) {
        node->scan.plan.targetlist = targets;
        return &node->scan.plan;
    }
    CollectBaseWalker((Node *)targets, &bases);
    CollectBaseWalker((Node *)conditions, &bases);
    node->scan.plan.targetlist = PlainTargets(bases);
    return Stack(rewrite, &node->scan.plan, ReplaceIn(targets, bases, OUTER_VAR, 1),
                 ReplaceIn(conditions, bases, OUTER_VAR, 1));
}

/* Moves the calls among a node's conditions and targets into nodes above it; returns the top one. */
static Plan *Lift(Rewrite *rewrite, Plan *plan)
{
    List *targets = plan->targetlist, *conditions = plan->qual;
    List *rest = list_copy(plan->qual), *bases = NIL, *kept = NIL;
    List *calls = NIL;
    Plan *top;

    if (!HasCall((Node *)targets) && !HasCall((Node *)conditions))
        return plan;
    /* Which calls are ready is asked in terms of the new child's columns, so all of the conditions are mapped. */
    CollectBaseWalker((Node *)targets, &bases);
    CollectBaseWalker((Node *)conditions, &bases);
    while (rest && ReadyCalls((Node *)ReplaceIn(list_make1(linitial(rest)), bases, OUTER_VAR, 1), NIL) == NIL) {
        kept = lappend(kept, linitial(rest));
        rest = list_delete_first(rest);
    }
    if (rest == NIL && ReadyCalls((Node *)ReplaceIn(targets, bases, OUTER_VAR, 1), NIL) == NIL)
        return plan;
    bases = NIL;
    CollectBaseWalker((Node *)targets, &bases);
    CollectBaseWalker((Node *)rest, &bases);
    plan->targetlist = PlainTargets(bases);
    plan->qual = kept;
    if (!ReadAheadIsSafe(rewrite->statement, plan)) {
        plan->targetlist = targets;
        plan->qual = conditions;
        return plan;
    }
    top = Stack(rewrite, plan, ReplaceIn(targets, bases, OUTER_VAR, 1), ReplaceIn(rest, bases, OUTER_VAR, 1));
    for (Plan *node = top; node != plan; node = node->lefttree)
        calls = list_concat(calls, ((CustomScan *)node)->custom_exprs);
    rewrite->calls += CostOfCalls(plan, calls, rest != NIL, plan->plan_rows);
    /* Their values are read in the nodes above as well. */
    top->initPlan = plan->initPlan;
    plan->initPlan = NIL;
    return top;
}

/* ---- below aggregates ---- */

/* The arguments of aggregates that are evaluated for every row. */
static bool ArgumentCallsWalker(Node *node, List **calls)
{
    if (!node)
        return false;
    if (IsA(node, Aggref)) {
        Aggref *aggregate = (Aggref *)node;

        if (aggregate->aggfilter)
            *calls = ReadyCalls((Node *)aggregate->aggfilter, *calls);
        else if (!DO_AGGSPLIT_COMBINE(aggregate->aggsplit))
            *calls = ReadyCalls((Node *)aggregate->args, *calls);
        return false;
    }
    return expression_tree_walker(node, ArgumentCallsWalker, (void *)calls);
}

/* The columns that an aggregation reads of its child. */
static Bitmapset *AggregateColumns(Agg *agg)
{
    Bitmapset *columns = NULL;
    ListCell *cell;

    OuterColumnsWalker((Node *)agg->plan.targetlist, &columns);
    OuterColumnsWalker((Node *)agg->plan.qual, &columns);
    for (int i = 0; i < agg->numCols; i++)
        columns = bms_add_member(columns, agg->grpColIdx[i]);
    foreach (cell, agg->chain) {
        Plan *link = (Plan *)lfirst(cell);

        for (int i = 0; i < ((Agg *)link)->numCols; i++)
            columns = bms_add_member(columns, ((Agg *)link)->grpColIdx[i]);
        if (link->lefttree && IsA(link->lefttree, Sort))
            for (int i = 0; i < ((Sort *)link->lefttree)->numCols; i++)
                columns = bms_add_member(columns, ((Sort *)link->lefttree)->sortColIdx[i]);
    }
    return columns;
}

/* Puts a node over a child that adds the answers of calls to its columns.  used: the columns that are read above.
 */
static Plan *AddColumns(Rewrite *rewrite, Plan *child, List *calls, Bitmapset *used)
{
    int n = list_length(child->targetlist);
    List *columns = NIL, *targets = NIL;
    CustomScan *node;
    ListCell *cell;

    for (int i = 1; i <= n; i++)
        columns = lappend_int(columns, bms_is_member(i, used) ? i : 0);
    node = NewNode(rewrite, child, columns, calls);
    foreach (cell, node->custom_scan_tlist) {
        TargetEntry *target = copyObject(lfirst_node(TargetEntry, cell));

        target->expr = (Expr *)ColumnVar(INDEX_VAR, target->resno, (Node *)target->expr);
        if (target->resno <= n) {
            TargetEntry *of = list_nth(child->targetlist, target->resno - 1);

            target->ressortgroupref = of->ressortgroupref;
            target->resjunk = of->resjunk;
        }
        targets = lappend(targets, target);
    }
    node->scan.plan.targetlist = targets;
    return &node->scan.plan;
}

/* Puts a node below an aggregation that computes the calls among its aggregates' arguments. */
static void PutBelowAggregates(Rewrite *rewrite, Agg *agg)
{
    for (;;) {
        Plan *child = agg->plan.lefttree;
        int n = list_length(child->targetlist);
        List *calls = NIL;

        ArgumentCallsWalker((Node *)agg->plan.targetlist, &calls);
        ArgumentCallsWalker((Node *)agg->plan.qual, &calls);
        if (calls == NIL || !ReadAheadIsSafe(rewrite->statement, child))
            return;
        rewrite->calls += CostOfCalls(&agg->plan, calls, false, child->plan_rows);
        agg->plan.targetlist = ReplaceCalls(agg->plan.targetlist, calls, OUTER_VAR, n + 1);
        agg->plan.qual = ReplaceCalls(agg->plan.qual, calls, OUTER_VAR, n + 1);
        agg->plan.lefttree = AddColumns(rewrite, child, calls, AggregateColumns(agg));
    }
}

/* ---- below hash joins ---- */

/* Replaces calls about one side of a join; behind the join only where that side is not filled up with NULLs for
 * rows of the other that have no partner. */
static void ReplaceInJoin(HashJoin *join, List *calls, int varno, int first)
{
    JoinType type = join->join.jointype;
    bool whole =
        type == JOIN_INNER || (varno == OUTER_VAR && (type == JOIN_LEFT || type == JOIN_SEMI || type == JOIN_ANTI));

    join->hashclauses = ReplaceCalls(join->hashclauses, calls, varno, first);
    join->join.joinqual = ReplaceCalls(join->join.joinqual, calls, varno, first);
    if (!whole)
        return;
    join->join.plan.qual = ReplaceCalls(join->join.plan.qual, calls, varno, first);
    join->join.plan.targetlist = ReplaceCalls(join->join.plan.targetlist, calls, varno, first);
}

/* The same expression about the inner side of a join. */
static Node *InnerMutator(Node *node, void *context)
{
    if (!node)
        return NULL;
    if (IsA(node, Var) && ((Var *)node)->varno == OUTER_VAR) {
        Var *column = (Var *)copyObjectImpl(node);

        column->varno = INNER_VAR;
        return (Node *)column;
    }
    return expression_tree_mutator(node, InnerMutator, context);
}

/* Puts nodes below a hash join that compute the calls among its keys: each row of either side that is read needs
 * them. */
static void PutBelowHashJoin(Rewrite *rewrite, HashJoin *join)
{
    Hash *hash = (Hash *)join->join.plan.righttree;
    List *calls;

    while ((calls = ReadyCalls((Node *)join->hashkeys, NIL)) != NIL) {
        Plan *child = join->join.plan.lefttree;
        int n = list_length(child->targetlist);
        Bitmapset *used = NULL;

        if (!ReadAheadIsSafe(rewrite->statement, child))
            break;
        rewrite->calls += CostOfCalls(&join->join.plan, calls, false, child->plan_rows);
        join->hashkeys = ReplaceCalls(join->hashkeys, calls, OUTER_VAR, n + 1);
        ReplaceInJoin(join, calls, OUTER_VAR, n + 1);
        OuterColumnsWalker((Node *)join->hashkeys, &used);
        OuterColumnsWalker((Node *)join->hashclauses, &used);
        OuterColumnsWalker((Node *)join->join.joinqual, &used);
        OuterColumnsWalker((Node *)join->join.plan.qual, &used);
        OuterColumnsWalker((Node *)join->join.plan.targetlist, &used);
        join->join.plan.lefttree = AddColumns(rewrite, child, calls, used);
    }
    while ((calls = ReadyCalls((Node *)hash->hashkeys, NIL)) != NIL) {
        Plan *child = hash->plan.lefttree;
        int n = list_length(child->targetlist);
        ListCell *cell;

        if (!ReadAheadIsSafe(rewrite->statement, child))
            break;
        rewrite->calls += CostOfCalls(&join->join.plan, calls, false, child->plan_rows);
        hash->hashkeys = ReplaceCalls(hash->hashkeys, calls, OUTER_VAR, n + 1);
        ReplaceInJoin(join, (List *)InnerMutator((Node *)calls, NULL), INNER_VAR, n + 1);
        hash->plan.lefttree = AddColumns(rewrite, child, calls, bms_add_range(NULL, 1, n));
        foreach (cell, calls)
            hash->plan.targetlist = lappend(
                hash->plan.targetlist,
                makeTargetEntry((Expr *)ColumnVar(OUTER_VAR, list_length(hash->plan.targetlist) + 1, lfirst(cell)),
                                list_length(hash->plan.targetlist) + 1, NULL, false));
    }
}

/* ---- the walk over a plan ---- */

static Plan *Visit(Rewrite *rewrite, Plan *plan, bool marked);

static void VisitList(Rewrite *rewrite, List *plans, bool marked)
{
    ListCell *cell;

    foreach (cell, plans)
        lfirst(cell) = Visit(rewrite, (Plan *)lfirst(cell), marked);
}

/* A LIMIT tells its child how many rows it will take, which a node of ours has to pass on. */
static void TellLimit(Limit *limit)
{
    List *bounds = list_make2(limit->limitOffset, limit->limitCount);

    if (limit->limitOption != LIMIT_OPTION_COUNT || !limit->limitCount ||
        contain_volatile_functions((Node *)bounds) || contain_subplans((Node *)bounds))
        return;
    for (Plan *plan = limit->plan.lefttree;
         plan && IsA(plan, CustomScan) && ((CustomScan *)plan)->methods == &batch_scan_methods;
         plan = plan->lefttree) {
        CustomScan *node = (CustomScan *)plan;

        if (plan->qual || linitial_int((List *)list_nth(node->custom_private, NODE_LIMIT)))
            return;
        node->custom_exprs = list_concat(node->custom_exprs, (List *)copyObjectImpl(bounds));
        linitial_int((List *)list_nth(node->custom_private, NODE_LIMIT)) = 1;
    }
}

static Plan *VisitNode(Rewrite *rewrite, Plan *plan, bool marked)
{
    switch (nodeTag(plan)) {
    case T_Append:
        VisitList(rewrite, ((Append *)plan)->appendplans, marked);
        return plan;
    case T_MergeAppend:
        VisitList(rewrite, ((MergeAppend *)plan)->mergeplans, marked);
        return plan;
    case T_ModifyTable:
        /* Rows that were changed meanwhile are read again one at a time, through the same plan. */
        if (((ModifyTable *)plan)->operation == CMD_INSERT)
            plan->lefttree = Visit(rewrite, plan->lefttree, false);
        return plan;
    case T_LockRows:
    case T_ForeignScan:
    case T_CustomScan:
    case T_BitmapAnd:
    case T_BitmapOr:
        return plan;
    case T_SubqueryScan:
        ((SubqueryScan *)plan)->subplan = Visit(rewrite, ((SubqueryScan *)plan)->subplan, marked);
        return marked ? plan : Lift(rewrite, plan);
    case T_MergeJoin:
        plan->lefttree = Visit(rewrite, plan->lefttree, false);
        plan->righttree = Visit(rewrite, plan->righttree, !((MergeJoin *)plan)->skip_mark_restore);
        return Lift(rewrite, plan);
    case T_Result:
        plan->lefttree = Visit(rewrite, plan->lefttree, marked);
        return marked || !plan->lefttree ? plan : Lift(rewrite, plan);
    case T_Agg:
        plan->lefttree = Visit(rewrite, plan->lefttree, false);
        PutBelowAggregates(rewrite, (Agg *)plan);
        return Lift(rewrite, plan);
    case T_Limit:
        plan->lefttree = Visit(rewrite, plan->lefttree, false);
        TellLimit((Limit *)plan);
        return plan;
    case T_SeqScan:
    case T_SampleScan:
    case T_IndexScan:
    case T_IndexOnlyScan:
    case T_BitmapHeapScan:
    case T_TidScan:
    case T_TidRangeScan:
    case T_FunctionScan:
    case T_ValuesScan:
    case T_CteScan:
    case T_WorkTableScan:
    case T_NamedTuplestoreScan:
        return marked ? plan : Lift(rewrite, plan);
    case T_HashJoin:
        plan->lefttree = Visit(rewrite, plan->lefttree, false);
        plan->righttree = Visit(rewrite, plan->righttree, false);
        PutBelowHashJoin(rewrite, (HashJoin *)plan);
        return Lift(rewrite, plan);
    case T_NestLoop:
    case T_WindowAgg:
    case T_Group:
    case T_Gather:
    case T_GatherMerge:
        plan->lefttree = Visit(rewrite, plan->lefttree, false);
        plan->righttree = Visit(rewrite, plan->righttree, false);
        return Lift(rewrite, plan);
    default:
        plan->lefttree = Visit(rewrite, plan->lefttree, false);
        plan->righttree = Visit(rewrite, plan->righttree, false);
        return plan;
    }
}

/* Rewrites a plan and what is below it.  marked: a merge join above returns to rows of it, which nodes of ours
 * cannot. */
static Plan *Visit(Rewrite *rewrite, Plan *plan, bool marked)
{
    Cost others = rewrite->calls;
    Plan *top;

    if (!plan)
        return NULL;
    check_stack_depth();
    rewrite->calls = 0;
    top = VisitNode(rewrite, plan, marked);
    rewrite->calls = others + CostAbove(plan, rewrite->calls);
    return top;
}

/* ---- a statement ---- */

/* The largest number of a node, so that ours can go on from there. */
static int LargestNodeId(const Plan *plan)
{
    int largest;
    ListCell *cell;

    if (!plan)
        return -1;
    check_stack_depth();
    largest = plan->plan_node_id;
    foreach (cell, ChildrenOf(plan))
        largest = Max(largest, LargestNodeId((Plan *)lfirst(cell)));
    return largest;
}

void RewritePlan(PlannedStmt *statement)
{
    Rewrite rewrite = {.statement = statement};
    Plan *top = statement->planTree;
    ListCell *cell;

    if (!top || statement->commandType == CMD_UTILITY)
        return;
    rewrite.next_node_id = LargestNodeId(top);
    foreach (cell, statement->subplans)
        rewrite.next_node_id = Max(rewrite.next_node_id, LargestNodeId((Plan *)lfirst(cell)));
    rewrite.next_node_id++;
    foreach (cell, statement->subplans)
        lfirst(cell) = Visit(&rewrite, (Plan *)lfirst(cell), false);
    statement->planTree = Visit(&rewrite, top, false);
    DecideJit(statement, rewrite.calls);
}
