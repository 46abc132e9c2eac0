/*
 * scan.c - the node that reads rows ahead and computes calls for all of them at once.
 *
 * Rows come in fillings (fill.c) of 1, then 2, 4 and so on up to maas.batch_size, so that a LIMIT above never has
 * more rows computed than about twice those it takes.
 *
 * What fails, fails when its row comes out.  What needs a decision about rights is asked first for a row that is
 * due, and again when a row comes out in another pass of the executor.
 *
 * Backwards, as a cursor may go, every row is a filling of its own; where the child cannot go back, rewrite.c does
 * not say that the node can.
 *
 * Memory: a filling lies in `store` and in the batches; it ends early when that is more than work_mem.  The node
 * never runs below row locks (rewrite.c), but its state may be built for a recheck of rows as that of any subplan.
 */
#include "postgres.h"
#include "compat.h"

#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "scan.h"

/* ---- begin and end ---- */

static Node *CreateBatchScan(CustomScan *plan);

static const CustomExecMethods batch_exec_methods;

const CustomScanMethods batch_scan_methods = {"Maas Batch", CreateBatchScan};

/* The scan of a table that an UPDATE ... WHERE CURRENT OF would find in the plan without our node. */
static ScanState *SourceOf(PlanState *child)
{
    while (child) {
        switch (nodeTag(child)) {
        case T_SeqScanState:
        case T_SampleScanState:
        case T_IndexScanState:
        case T_IndexOnlyScanState:
        case T_BitmapHeapScanState:
        case T_TidScanState:
        case T_TidRangeScanState:
            return (ScanState *)child;
        case T_CustomScanState:
            return ((CustomScanState *)child)->methods == &batch_exec_methods ? ((BatchScan *)child)->source : NULL;
        case T_ResultState:
        case T_LimitState:
            child = outerPlanState(child);
            break;
        case T_SubqueryScanState:
            child = ((SubqueryScanState *)child)->subplan;
            break;
        default:
            return NULL;
        }
    }
    return NULL;
}

/* Whether two calls are for the same model and input, and no further argument can make one of them NULL. */
static bool SameRun(const Site *a, const Site *b)
{
    const FuncExpr *calls[2] = {a->call, b->call};

    for (int i = 0; i < 2; i++)
        if (list_length(calls[i]->args) > 2 &&
            (!IsA(lthird(calls[i]->args), Const) || ((Const *)lthird(calls[i]->args))->constisnull))
            return false;
    return a->kind->input == b->kind->input && a->kind->content == b->kind->content &&
           equal(linitial(a->call->args), linitial(b->call->args)) &&
           equal(lsecond(a->call->args), lsecond(b->call->args));
}

/* Lets a call read from the runs of an earlier one, or gives it a batch of its own. */
static void ChooseLeader(BatchScan *scan, Site *site)
{
    int number = site - scan->sites;

    for (int i = 0; i < number && !site->batch; i++) {
        const Site *other = &scan->sites[i];

        if (other->leader == i && other->batch->n_readers < BATCH_READERS && SameRun(other, site)) {
            site->leader = i;
            site->batch = other->batch;
        }
    }
    if (!site->batch) {
        site->leader = number;
        site->batch =
            BatchNew(scan->css.ss.ps.state->es_query_cxt, site->kind->input, site->kind->content, &site->function);
    }
    site->reader = BatchAddReader(site->batch, site->kind->answer);
}

static void BeginSite(BatchScan *scan, Site *site, FuncExpr *call)
{
    PlanState *state = &scan->css.ss.ps;
    Expr *input = (Expr *)lsecond(call->args);
    ListCell *cell;
    int i = 0;

    /* Only to have the right to execute the function checked as for any call of it. */
    ExecInitExpr((Expr *)call, state);
    site->call = call;
    site->kind = CallKindOf(call->funcid);
    if (!site->kind)
        elog(ERROR, "function %u does not predict", call->funcid);
    fmgr_info(call->funcid, &site->function);
    fmgr_info_set_expr((Node *)call, &site->function);
    site->info = palloc0(SizeForFunctionCallInfo(MOST_ARGUMENTS));
    InitFunctionCallInfoData(*site->info, &site->function, list_length(call->args), call->inputcollid, NULL, NULL);
    foreach (cell, call->args) {
        if (i != 1)
            site->fixed[i] = ExecInitExpr((Expr *)lfirst(cell), state);
        i++;
    }
    site->n_fixed = i;
    if (IsA(input, Var) && ((Var *)input)->varno == OUTER_VAR && ((Var *)input)->varattno > 0)
        site->column = ((Var *)input)->varattno;
    site->input = ExecInitExpr(input, state);
    site->may_throw = CallMayThrow(call);
    get_typlenbyval(exprType((Node *)input), &site->length, &site->by_value);
    scan->most_column = Max(scan->most_column, site->column);
    ChooseLeader(scan, site);
}

/* A node of ours that gives the child its rows, one for one and without looking ahead. */
static BatchScan *Below(PlanState *child)
{
    while (child) {
        switch (nodeTag(child)) {
        case T_CustomScanState:
            return ((CustomScanState *)child)->methods == &batch_exec_methods ? (BatchScan *)child : NULL;
        case T_ResultState:
            child = outerPlanState(child);
            break;
        case T_SubqueryScanState:
            child = ((SubqueryScanState *)child)->subplan;
            break;
        default:
            return NULL;
        }
    }
    return NULL;
}

static void BeginBatchScan(CustomScanState *node, EState *estate, int eflags)
{
    BatchScan *scan = (BatchScan *)node;
    CustomScan *plan = (CustomScan *)node->ss.ps.plan;
    List *columns = (List *)list_nth(plan->custom_private, NODE_COLUMNS);
    bool limited = linitial_int((List *)list_nth(plan->custom_private, NODE_LIMIT)) != 0;
    ListCell *cell;
    int i = 0;

    outerPlanState(node) = ExecInitNode(outerPlan(plan), estate, eflags & ~EXEC_FLAG_MARK);
    scan->n_child = list_length(columns);
    scan->columns = palloc0(sizeof(Column) * Max(scan->n_child, 1));
    memset(node->ss.ss_ScanTupleSlot->tts_isnull, true, scan->n_child);
    foreach (cell, columns) {
        Column *column = &scan->columns[scan->n_columns];
        TargetEntry *target = list_nth_node(TargetEntry, plan->custom_scan_tlist, i);

        if (lfirst_int(cell) > 0) {
            column->from = lfirst_int(cell);
            column->to = i + 1;
            get_typlenbyval(exprType((Node *)target->expr), &column->length, &column->by_value);
            scan->most_column = Max(scan->most_column, column->from);
            scan->n_columns++;
        }
        i++;
    }
    scan->n_sites = list_length(plan->custom_exprs) - (limited ? 2 : 0);
    scan->sites = palloc0(sizeof(Site) * scan->n_sites);
    i = 0;
    foreach (cell, plan->custom_exprs) {
        if (i < scan->n_sites)
            BeginSite(scan, &scan->sites[i], lfirst_node(FuncExpr, cell));
        else if (i == scan->n_sites)
            scan->offset = ExecInitExpr((Expr *)lfirst(cell), &node->ss.ps);
        else
            scan->limit = ExecInitExpr((Expr *)lfirst(cell), &node->ss.ps);
        i++;
    }
    scan->arguments = AllocSetContextCreate(estate->es_query_cxt, "maas arguments", ALLOCSET_SMALL_SIZES);
    scan->store = AllocSetContextCreate(estate->es_query_cxt, "maas rows", ALLOCSET_DEFAULT_SIZES);
    scan->filter = KindOfFilter(plan->scan.plan.qual);
    scan->below = Below(outerPlanState(node));
    scan->source = SourceOf(outerPlanState(node));
    if (scan->source)
        node->ss.ss_currentRelation = scan->source->ss_currentRelation;
    scan->ramp = 1;
    scan->bound = -1;
}

static void EndBatchScan(CustomScanState *node)
{
    ExecEndNode(outerPlanState(node));
}

static void ReScanBatchScan(CustomScanState *node)
{
    BatchScan *scan = (BatchScan *)node;

    scan->begun = scan->fixed = false;
    scan->done = scan->ended = scan->backward = false;
    scan->ahead = NULL;
    scan->hopeless = false;
    scan->ramp = 1;
    scan->n = scan->next = 0;
    scan->delivered = 0;
    if (outerPlanState(node)->chgParam == NULL)
        ExecReScan(outerPlanState(node));
}

/* ---- before the first row ---- */

/* How many rows a LIMIT above takes; the child is told, as it would be without this node. */
static void LearnBound(BatchScan *scan)
{
    ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;
    int64 offset = 0, count;
    bool isnull = true;

    scan->begun = true;
    scan->bound = -1;
    if (!scan->limit)
        return;
    count = DatumGetInt64(ExecEvalExprSwitchContext(scan->limit, econtext, &isnull));
    if (isnull || count < 0)
        return;
    if (scan->offset) {
        offset = DatumGetInt64(ExecEvalExprSwitchContext(scan->offset, econtext, &isnull));
        if (isnull)
            offset = 0;
    }
    if (offset < 0 || count > PG_INT64_MAX - offset)
        return;
    scan->bound = count + offset;
    ExecSetTupleBound(scan->bound, outerPlanState(scan));
}

/* The arguments that are the same for all rows until the next scan. */
static void LearnArguments(BatchScan *scan, Site *site)
{
    ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;

    site->fixed_null = false;
    for (int i = 0; i < site->n_fixed; i++) {
        NullableDatum *argument = &site->info->args[i];
        MemoryContext old;
        Datum value;

        if (!site->fixed[i])
            continue;
        value = ExecEvalExprSwitchContext(site->fixed[i], econtext, &argument->isnull);
        if (argument->isnull) {
            site->fixed_null = true;
            continue;
        }
        old = MemoryContextSwitchTo(scan->arguments);
        argument->value = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
        MemoryContextSwitchTo(old);
    }
    site->batch->model = site->info->args[0].value;
    if (site->n_fixed > 2)
        site->batch->readers[site->reader].output = (const text *)DatumGetPointer(site->info->args[2].value);
    site->batch->known = false; /* it may be another model, another output */
}

void LearnFixed(BatchScan *scan)
{
    Instrumentation *instrument = scan->css.ss.ps.instrument; /* set after BeginBatchScan */

    MemoryContextReset(scan->arguments);
    for (int i = 0; i < scan->n_sites; i++) {
        scan->sites[i].batch->timing = instrument && instrument->need_timer;
        LearnArguments(scan, &scan->sites[i]);
    }
    scan->fixed = true;
}

/* ---- rows ---- */

/* Rows that the next filling should read. */
static int Wanted(const BatchScan *scan)
{
    int64 wanted = Min(scan->ramp, SettingBatchSize);

    if (!SettingBatching || scan->hopeless || scan->backward)
        return 1;
    if (scan->bound >= 0)
        wanted = Min(wanted, Max(scan->bound - scan->delivered, 1));
    /* Answers wait for their rows: no more of them than one run may give. */
    for (int i = 0; i < scan->n_sites; i++)
        wanted = Min(wanted, scan->sites[i].batch->most);
    return (int)wanted;
}

/* Fillings become larger as rows are asked for. */
static void Grow(BatchScan *scan)
{
    if (scan->ramp < SettingBatchSize)
        scan->ramp *= 2;
}

/*
 * Whether the next row can come out before it is due.  A node that reads ahead of this one must not make a row fail
 * here that nobody may ever ask for, so it is given only rows whose answers are there.  A filling is read for it
 * when nothing about that can fail: the right to use the models was asked for in this pass.
 */
static bool NextIsSafe(BatchScan *scan)
{
    const Cell *cells;

    if (scan->filter == FILTER_MAY_THROW)
        return false;
    if (scan->next == scan->n) {
        int wanted = Wanted(scan);

        if (scan->done && !scan->ahead)
            return true;
        if (!scan->begun || wanted == 1)
            return false;
        for (int i = 0; i < scan->n_sites; i++)
            if (!MayAsk(&scan->sites[i], 1))
                return false;
        Grow(scan);
        if (!Fill(scan, wanted, false))
            return scan->done;
    }
    cells = &scan->cells[(Size)scan->next * scan->n_sites];
    for (int i = 0; i < scan->n_sites; i++) {
        const Site *site = &scan->sites[i];

        if (cells[i].state == CELL_BATCH ? !BatchHasAnswer(site->batch, site->reader, cells[i].u.place)
                                         : cells[i].state != CELL_NULL)
            return false;
    }
    return true;
}

/* Turns round: the child goes back to the row that came out last, and the filling is forgotten. */
static void TurnBack(BatchScan *scan)
{
    int unread = scan->n - scan->next + (scan->ahead ? 1 : 0) + (scan->done && !scan->ended ? 1 : 0);

    scan->n = scan->next = 0;
    scan->ahead = NULL;
    scan->bound = -1;
    for (int k = 0; k < unread; k++)
        ExecProcNode(outerPlanState(scan));
}

/* The next row before conditions and projection; false at the end. */
static bool Next(BatchScan *scan)
{
    TupleTableSlot *out = scan->css.ss.ss_ScanTupleSlot;
    bool backward = ScanDirectionIsBackward(scan->css.ss.ps.state->es_direction);
    int wanted;

    ExecClearTuple(out);
    if (backward != scan->backward) {
        if (backward)
            TurnBack(scan);
        scan->backward = backward;
        scan->done = scan->ended = false;
        scan->ramp = 1;
    }
    if (scan->next < scan->n) {
        Emit(scan, out);
        return true;
    }
    if (!scan->begun)
        LearnBound(scan);
    wanted = Wanted(scan);
    Grow(scan);
    if (wanted == 1 ? !FillOne(scan, out) : !Fill(scan, wanted, true)) {
        scan->ended = true;
        return false;
    }
    if (wanted > 1)
        Emit(scan, out);
    return true;
}

/* Whether the row passes the conditions.  When it is not due and they fail, it is put back. */
static bool Passes(BatchScan *scan)
{
    ExprState *conditions = scan->css.ss.ps.qual;
    ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;
    MemoryContext old = CurrentMemoryContext;
    volatile bool passes = false;

    if (!scan->early || scan->filter == FILTER_NEVER_THROWS)
        return ExecQual(conditions, econtext);
    PG_TRY();
    {
        passes = ExecQual(conditions, econtext);
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(old);
        if (!BatchMayWait())
            PG_RE_THROW();
        FlushErrorState();
        scan->next--;
        scan->stopped = true;
    }
    PG_END_TRY();
    return passes;
}

static TupleTableSlot *ExecBatchScan(CustomScanState *node)
{
    BatchScan *scan = (BatchScan *)node;
    ExprContext *econtext = node->ss.ps.ps_ExprContext;
    ProjectionInfo *projection = node->ss.ps.ps_ProjInfo;

    for (;;) {
        CHECK_FOR_INTERRUPTS();
        EmptyTupleMemory(econtext);
        if (scan->early && !NextIsSafe(scan))
            scan->stopped = true;
        if (scan->stopped || !Next(scan)) /* this or the last time round */
            return projection ? ExecClearTuple(projection->pi_state.resultslot) : NULL;
        econtext->ecxt_scantuple = node->ss.ss_ScanTupleSlot;
        if (!node->ss.ps.qual || Passes(scan)) {
            scan->delivered++;
            return projection ? ExecProject(projection) : node->ss.ss_ScanTupleSlot;
        }
        if (!scan->stopped)
            InstrCountFiltered1(node, 1);
    }
}

int BatchScanRuns(const CustomScanState *node)
{
    const BatchScan *scan = (const BatchScan *)node;
    int runs = 0;

    for (int i = 0; i < scan->n_sites; i++)
        runs += scan->sites[i].leader == i ? 1 : 0;
    return runs;
}

static const CustomExecMethods batch_exec_methods = {
    .CustomName = "Maas Batch",
    .BeginCustomScan = BeginBatchScan,
    .ExecCustomScan = ExecBatchScan,
    .EndCustomScan = EndBatchScan,
    .ReScanCustomScan = ReScanBatchScan,
    .ExplainCustomScan = ExplainBatchScan,
};

static Node *CreateBatchScan(CustomScan *plan)
{
    BatchScan *scan = palloc0(sizeof(*scan));

    NodeSetTag(scan, T_CustomScanState);
    scan->css.methods = &batch_exec_methods;
    return (Node *)scan;
}
