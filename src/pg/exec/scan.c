/*
 * scan.c - the node that reads rows ahead and computes calls for all of them at once.
 *
 * A filling reads up to so many rows of the child: 1, then 2, 4 and so on up to maas.batch_size, so that a LIMIT
 * above never has more rows computed than about twice those it takes.  A filling of one row is evaluated where it
 * stands, by the SQL function itself.  Of more rows the columns that are needed above are copied, each call's
 * argument goes into its batch (run/batch.h), the batches run, and the rows come out one by one.
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

#include "access/relscan.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "exec.h"

#define MOST_ARGUMENTS 3

/* One call. */
typedef struct Site {
    const FuncExpr *call;
    const CallKind *kind;
    FmgrInfo function;
    FunctionCallInfo info;
    int n_fixed;
    ExprState *fixed[MOST_ARGUMENTS]; /* model and output; NULL for the input */
    bool fixed_null;
    ExprState *input;
    AttrNumber column; /* of the child, when the input is no more than that; else 0 */
    bool may_throw;
    int16 length; /* of the input's type */
    bool by_value;
    int leader;   /* the first site with the same model and input, itself as a rule */
    Batch *batch; /* the leader's */
    int reader;
    bool asked; /* in this filling: the model was found */
    bool alone; /* and its rows are calls of their own */
} Site;

typedef enum CellState { CELL_NULL, CELL_BATCH, CELL_ALONE, CELL_ERROR } CellState;

/* A call for a row of the filling. */
typedef struct Cell {
    CellState state;
    BatchPlace place; /* CELL_BATCH */
    Datum argument;   /* CELL_ALONE */
    ErrorData *error; /* CELL_ERROR: from evaluating the argument */
} Cell;

typedef struct Column {
    AttrNumber from; /* of the child; 0: nobody reads it */
    int16 length;
    bool by_value;
} Column;

typedef struct BatchScan {
    CustomScanState css;
    int n_columns, n_sites;
    Column *columns;
    AttrNumber most_column; /* of the child that is read */
    Site *sites;
    ExprState *offset, *limit; /* of a LIMIT above, or NULL */
    MemoryContext arguments;   /* the fixed ones of the sites */

    bool begun, fixed; /* the limit is known; the fixed arguments are */
    int64 bound;       /* rows that will be taken; -1: unknown */
    int64 delivered;
    int ramp;              /* rows of the next filling */
    bool done, ended;      /* the child is at its end; and so is this node */
    bool backward;         /* the last row was fetched backwards */
    TupleTableSlot *ahead; /* a row of the child that the next filling begins with */
    bool hopeless;         /* no call here can be batched */

    /* The filling. */
    int n, next, room;
    Datum *values; /* (room, n_columns) */
    bool *nulls;
    Cell *cells; /* (room, n_sites) */
    ItemPointerData *tids;
    Oid *tables;
    MemoryContext store; /* what is copied */
    char *block;         /* the most of it, kept between fillings */
    Size block_size, block_used, bytes;

    /* Between this node and one below it that feeds it, see NextIsSafe. */
    struct BatchScan *below;
    bool early;   /* asked for a row that is not due */
    bool stopped; /* which it does not give yet */
    FilterKind filter;

    ScanState *source; /* the scan of a table whose rows these are, for WHERE CURRENT OF */
} BatchScan;

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
    scan->n_columns = list_length(columns);
    scan->columns = palloc0(sizeof(Column) * Max(scan->n_columns, 1));
    foreach (cell, columns) {
        Column *column = &scan->columns[i];
        TargetEntry *target = list_nth_node(TargetEntry, plan->custom_scan_tlist, i);

        column->from = lfirst_int(cell);
        get_typlenbyval(exprType((Node *)target->expr), &column->length, &column->by_value);
        scan->most_column = Max(scan->most_column, column->from);
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

/* Called for the first row: what is evaluated for no row must not be evaluated when there is none. */
static void Learn(BatchScan *scan)
{
    Instrumentation *instrument = scan->css.ss.ps.instrument; /* set after BeginBatchScan */

    MemoryContextReset(scan->arguments);
    for (int i = 0; i < scan->n_sites; i++) {
        scan->sites[i].batch->timing = instrument && instrument->need_timer;
        LearnArguments(scan, &scan->sites[i]);
    }
    scan->fixed = true;
}

/* ---- copies ---- */

/* Room in the store, aligned. */
static char *StoreRoom(BatchScan *scan, Size bytes)
{
    char *room;

    scan->bytes += bytes;
    if (MAXALIGN(bytes) > scan->block_size - scan->block_used)
        return MemoryContextAllocHuge(scan->store, bytes);
    room = scan->block + scan->block_used;
    scan->block_used += MAXALIGN(bytes);
    return room;
}

/* Empties the store; its block grows to what the last filling took. */
static void StoreReset(BatchScan *scan)
{
    Size most = (Size)work_mem * 1024;

    MemoryContextReset(scan->store);
    if (scan->bytes > scan->block_size && scan->block_size < most) {
        if (scan->block)
            pfree(scan->block);
        scan->block_size = Min(scan->bytes * 2, most);
        scan->block = MemoryContextAllocHuge(scan->css.ss.ps.state->es_query_cxt, scan->block_size);
    }
    scan->block_used = 0;
    scan->bytes = 0;
}

static Datum StoreDatum(BatchScan *scan, Datum value, int16 length, bool by_value)
{
    struct varlena *given = (struct varlena *)DatumGetPointer(value);
    Size bytes;
    char *copy;

    if (by_value)
        return value;
    if (length == -1 && VARATT_IS_EXTERNAL_EXPANDED(given)) {
        ExpandedObjectHeader *object = DatumGetEOHP(value);

        bytes = EOH_get_flat_size(object);
        copy = StoreRoom(scan, bytes);
        EOH_flatten_into(object, copy, bytes);
        return PointerGetDatum(copy);
    }
    bytes = datumGetSize(value, false, length);
    copy = StoreRoom(scan, bytes);
    memcpy(copy, given, bytes);
    return PointerGetDatum(copy);
}

/* Makes room for so many rows. */
static void RowRoom(BatchScan *scan, int rows)
{
    MemoryContext context = scan->css.ss.ps.state->es_query_cxt;

    if (rows <= scan->room)
        return;
    rows = Max(rows, scan->room * 2);
    if (scan->room > 0) {
        pfree(scan->values);
        pfree(scan->nulls);
        pfree(scan->cells);
        pfree(scan->tids);
        pfree(scan->tables);
    }
    scan->room = 0;
    scan->values = MemoryContextAllocHuge(context, sizeof(Datum) * Max((Size)rows * scan->n_columns, 1));
    scan->nulls = MemoryContextAllocHuge(context, sizeof(bool) * Max((Size)rows * scan->n_columns, 1));
    scan->cells = MemoryContextAllocHuge(context, sizeof(Cell) * (Size)rows * scan->n_sites);
    scan->tids = MemoryContextAllocHuge(context, sizeof(ItemPointerData) * (Size)rows);
    scan->tables = MemoryContextAllocHuge(context, sizeof(Oid) * (Size)rows);
    scan->room = rows;
}

/* ---- one row ---- */

static void SourceRow(const BatchScan *scan, ItemPointerData *tid, Oid *table)
{
    TupleTableSlot *slot = scan->source->ss_ScanTupleSlot;

    if (IsA(scan->source, IndexOnlyScanState)) {
        IndexOnlyScanState *index = (IndexOnlyScanState *)scan->source;

        *tid = index->ioss_ScanDesc->xs_heaptid;
        *table = RelationGetRelid(index->ss.ss_currentRelation);
        return;
    }
    *tid = slot->tts_tid;
    *table = slot->tts_tableOid;
}

/* The child's next row; NULL at the end or, when the row is not due, when it may not come yet. */
static TupleTableSlot *NextOfChild(BatchScan *scan, bool due)
{
    TupleTableSlot *slot = scan->ahead;
    bool stopped = false;

    if (slot) {
        scan->ahead = NULL;
        return slot;
    }
    if (scan->done)
        return NULL;
    if (scan->below)
        scan->below->early = !due;
    slot = ExecProcNode(outerPlanState(scan));
    if (scan->below) {
        stopped = scan->below->stopped;
        scan->below->early = scan->below->stopped = false;
    }
    if (TupIsNull(slot)) {
        scan->done = !stopped;
        return NULL;
    }
    if (!scan->fixed)
        Learn(scan);
    return slot;
}

/* The input of a call for the child's row. */
static Datum Input(BatchScan *scan, Site *site, TupleTableSlot *slot, bool *isnull)
{
    if (site->column) {
        *isnull = slot->tts_isnull[site->column - 1];
        return slot->tts_values[site->column - 1];
    }
    return ExecEvalExpr(site->input, scan->css.ss.ps.ps_ExprContext, isnull);
}

/* The call itself, as without this node. */
static Datum CallAlone(BatchScan *scan, Site *site, Datum argument, bool *isnull)
{
    instr_time start, end;
    Datum result;

    if (site->batch->timing)
        INSTR_TIME_SET_CURRENT(start);
    site->info->args[1].value = argument;
    site->info->args[1].isnull = false;
    site->info->isnull = false;
    result = FunctionCallInvoke(site->info);
    *isnull = site->info->isnull;
    if (scan->css.ss.ps.instrument)
        NODE_BATCHES(scan->css.ss.ps.instrument) += 1;
    if (site->batch->timing) {
        INSTR_TIME_SET_CURRENT(end);
        INSTR_TIME_SUBTRACT(end, start);
        NODE_MODEL_TIME(scan->css.ss.ps.instrument) += INSTR_TIME_GET_DOUBLE(end);
    }
    return result;
}

/* A filling of one row: evaluated where it stands.  False at the end. */
static bool FillOne(BatchScan *scan, TupleTableSlot *out)
{
    ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;
    TupleTableSlot *slot = NextOfChild(scan, true);
    MemoryContext old;

    if (!slot)
        return false;
    econtext->ecxt_outertuple = slot;
    if (scan->most_column > 0)
        slot_getsomeattrs(slot, scan->most_column);
    for (int c = 0; c < scan->n_columns; c++) {
        AttrNumber from = scan->columns[c].from;

        out->tts_isnull[c] = from == 0 || slot->tts_isnull[from - 1];
        out->tts_values[c] = from == 0 ? (Datum)0 : slot->tts_values[from - 1];
    }
    old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
    for (int i = 0; i < scan->n_sites; i++) {
        Site *site = &scan->sites[i];
        bool isnull;
        Datum argument = Input(scan, site, slot, &isnull), value = (Datum)0;

        if (!isnull && !site->fixed_null)
            value = CallAlone(scan, site, argument, &isnull);
        else
            isnull = true;
        out->tts_values[scan->n_columns + i] = value;
        out->tts_isnull[scan->n_columns + i] = isnull;
    }
    MemoryContextSwitchTo(old);
    ExecStoreVirtualTuple(out);
    if (scan->source)
        SourceRow(scan, &out->tts_tid, &out->tts_tableOid);
    return true;
}

/* ---- a filling ---- */

/* The input of a call under the net; false when the cell holds the error instead. */
static bool InputSafely(BatchScan *scan, Site *site, TupleTableSlot *slot, Cell *cell, Datum *argument,
                        bool *isnull)
{
    MemoryContext old = CurrentMemoryContext;
    volatile bool done = false;

    PG_TRY();
    {
        *argument = Input(scan, site, slot, isnull);
        done = true;
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(scan->store);
        if (!BatchMayWait())
            PG_RE_THROW();
        cell->state = CELL_ERROR;
        cell->error = CopyErrorData();
        FlushErrorState();
        MemoryContextSwitchTo(old);
    }
    PG_END_TRY();
    return done;
}

/* Whether the model may be asked for on account of the row in place k: the first row is due, others are not, so for
 * them nothing may be asked that could fail. */
static bool MayAsk(const Site *site, int k)
{
    return k == 0 || (site->batch->known && StatementStill(&site->batch->at));
}

/* Puts the call for the child's row into a cell; false when the row has to begin a filling. */
static bool TakeCell(BatchScan *scan, Site *site, TupleTableSlot *slot, int k, Cell *cell)
{
    Datum argument;
    bool isnull;

    if (site->may_throw) {
        if (!InputSafely(scan, site, slot, cell, &argument, &isnull))
            return true;
    } else
        argument = Input(scan, site, slot, &isnull);
    if (isnull || site->fixed_null) {
        cell->state = CELL_NULL;
        return true;
    }
    if (!site->asked) {
        if (!MayAsk(site, k))
            return false;
        site->alone = !BatchReady(site->batch);
        site->asked = true;
    }
    if (!site->alone && BatchAdd(site->batch, argument, &cell->place)) {
        cell->state = CELL_BATCH;
        return true;
    }
    cell->state = CELL_ALONE;
    cell->argument = StoreDatum(scan, argument, site->length, site->by_value);
    return true;
}

static void TakeColumns(BatchScan *scan, TupleTableSlot *slot, int k)
{
    Datum *values = scan->values + (Size)k * scan->n_columns;
    bool *nulls = scan->nulls + (Size)k * scan->n_columns;

    for (int c = 0; c < scan->n_columns; c++) {
        const Column *column = &scan->columns[c];

        nulls[c] = column->from == 0 || slot->tts_isnull[column->from - 1];
        values[c] = nulls[c]
                        ? (Datum)0
                        : StoreDatum(scan, slot->tts_values[column->from - 1], column->length, column->by_value);
    }
    scan->bytes += sizeof(Cell) * scan->n_sites + (sizeof(Datum) + 1) * scan->n_columns;
}

/* Bytes of the filling so far. */
static Size Bytes(const BatchScan *scan)
{
    Size bytes = scan->bytes;

    for (int i = 0; i < scan->n_sites; i++)
        if (scan->sites[i].leader == i)
            bytes += scan->sites[i].batch->bytes;
    return bytes;
}

/* Reads up to `wanted` rows, of which the first is due or not, and runs the batches; false when there is none. */
static bool Fill(BatchScan *scan, int wanted, bool due)
{
    ExprContext *econtext = scan->css.ss.ps.ps_ExprContext;
    Size most = (Size)work_mem * 1024;
    bool all_alone = false;

    scan->n = scan->next = 0;
    StoreReset(scan);
    RowRoom(scan, wanted);
    for (int i = 0; i < scan->n_sites; i++) {
        if (scan->sites[i].leader != i)
            continue;
        BatchBegin(scan->sites[i].batch);
        scan->sites[i].batch->budget = most;
        scan->sites[i].asked = scan->sites[i].alone = false;
    }
    while (scan->n < wanted && Bytes(scan) < most && !all_alone) {
        TupleTableSlot *slot = NextOfChild(scan, due && scan->n == 0);
        MemoryContext old;
        Cell *cells;
        bool taken = true;

        if (!slot)
            break;
        ResetExprContext(econtext);
        econtext->ecxt_outertuple = slot;
        if (scan->most_column > 0)
            slot_getsomeattrs(slot, scan->most_column);
        old = MemoryContextSwitchTo(econtext->ecxt_per_tuple_memory);
        all_alone = true;
        cells = &scan->cells[(Size)scan->n * scan->n_sites];
        for (int i = 0; i < scan->n_sites && taken; i++) {
            Site *site = &scan->sites[i];

            if (site->leader != i) {
                cells[i] = cells[site->leader];
                continue;
            }
            taken = TakeCell(scan, site, slot, scan->n, &cells[i]);
            all_alone = all_alone && site->asked && site->alone;
        }
        MemoryContextSwitchTo(old);
        if (!taken) {
            scan->ahead = slot;
            break;
        }
        TakeColumns(scan, slot, scan->n);
        if (scan->source)
            SourceRow(scan, &scan->tids[scan->n], &scan->tables[scan->n]);
        scan->n++;
    }
    /* What no batch can do is not worth reading ahead for. */
    scan->hopeless = all_alone;
    for (int i = 0; i < scan->n_sites; i++) {
        Batch *batch = scan->sites[i].batch;

        if (scan->sites[i].leader != i)
            continue;
        batch->time = 0;
        batch->runs = 0;
        BatchRun(batch);
        if (scan->css.ss.ps.instrument) {
            NODE_BATCHES(scan->css.ss.ps.instrument) += batch->runs;
            NODE_MODEL_TIME(scan->css.ss.ps.instrument) += batch->time;
        }
    }
    return scan->n > 0;
}

/* The next row of the filling. */
static void Emit(BatchScan *scan, TupleTableSlot *out)
{
    int k = scan->next++;
    MemoryContext old;

    memcpy(out->tts_values, scan->values + (Size)k * scan->n_columns, sizeof(Datum) * scan->n_columns);
    memcpy(out->tts_isnull, scan->nulls + (Size)k * scan->n_columns, sizeof(bool) * scan->n_columns);
    old = MemoryContextSwitchTo(scan->css.ss.ps.ps_ExprContext->ecxt_per_tuple_memory);
    for (int i = 0; i < scan->n_sites; i++) {
        Cell *cell = &scan->cells[(Size)k * scan->n_sites + i];
        Datum value = (Datum)0;
        bool isnull = false;

        switch (cell->state) {
        case CELL_NULL:
            isnull = true;
            break;
        case CELL_BATCH:
            value = BatchAnswer(scan->sites[i].batch, scan->sites[i].reader, cell->place);
            break;
        case CELL_ALONE:
            value = CallAlone(scan, &scan->sites[i], cell->argument, &isnull);
            break;
        case CELL_ERROR:
            ReThrowError(cell->error);
            break;
        }
        out->tts_values[scan->n_columns + i] = value;
        out->tts_isnull[scan->n_columns + i] = isnull;
    }
    MemoryContextSwitchTo(old);
    ExecStoreVirtualTuple(out);
    if (scan->source) {
        out->tts_tid = scan->tids[k];
        out->tts_tableOid = scan->tables[k];
    }
}

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

        if (cells[i].state == CELL_BATCH ? !BatchHasAnswer(site->batch, site->reader, cells[i].place)
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
        ResetExprContext(econtext);
        if (scan->early && !NextIsSafe(scan))
            scan->stopped = true;
        if (scan->stopped || !Next(scan)) /* this or the last time round */
            return projection ? ExecClearTuple(projection->pi_state.resultslot) : NULL;
        econtext->ecxt_scantuple = node->ss.ss_ScanTupleSlot;
        if (Passes(scan)) {
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
