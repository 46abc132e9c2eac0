/*
 * fill.c - a filling: rows of the child that are read at once, and the calls for them.
 *
 * A filling of one row is evaluated where it stands, by the SQL function itself.  Of more rows the columns that are
 * needed above are copied, each call's argument goes into its batch (run/batch.h), the batches run, and the rows
 * come out one by one.  A call that its batch does not take is made when its row comes out; an argument that throws
 * is kept as the error that it is.
 *
 * Memory: copies lie in a block that is kept from one filling to the next, and in `store` when that is full.
 */
#include "postgres.h"
#include "compat.h"

#include "access/relscan.h"
#include "executor/executor.h"
#include "utils/datum.h"
#include "utils/expandeddatum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "scan.h"

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
        LearnFixed(scan);
    return slot;
}

/* The input of a call for the child's row. */
static inline Datum Input(BatchScan *scan, Site *site, TupleTableSlot *slot, bool *isnull)
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

bool FillOne(BatchScan *scan, TupleTableSlot *out)
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
        const Column *column = &scan->columns[c];

        out->tts_isnull[column->to - 1] = slot->tts_isnull[column->from - 1];
        out->tts_values[column->to - 1] = slot->tts_values[column->from - 1];
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
        out->tts_values[scan->n_child + i] = value;
        out->tts_isnull[scan->n_child + i] = isnull;
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
        cell->u.error = CopyErrorData();
        FlushErrorState();
        MemoryContextSwitchTo(old);
    }
    PG_END_TRY();
    return done;
}

bool MayAsk(const Site *site, int k)
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
    if (!site->alone && BatchAdd(site->batch, argument, &cell->u.place)) {
        cell->state = CELL_BATCH;
        return true;
    }
    cell->state = CELL_ALONE;
    cell->u.argument = StoreDatum(scan, argument, site->length, site->by_value);
    return true;
}

static void TakeColumns(BatchScan *scan, TupleTableSlot *slot, int k)
{
    Datum *values = scan->values + (Size)k * scan->n_columns;
    bool *nulls = scan->nulls + (Size)k * scan->n_columns;

    for (int c = 0; c < scan->n_columns; c++) {
        const Column *column = &scan->columns[c];

        nulls[c] = slot->tts_isnull[column->from - 1];
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

bool Fill(BatchScan *scan, int wanted, bool due)
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
        EmptyTupleMemory(econtext);
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

void Emit(BatchScan *scan, TupleTableSlot *out)
{
    int k = scan->next++;
    const Datum *values = scan->values + (Size)k * scan->n_columns;
    const bool *nulls = scan->nulls + (Size)k * scan->n_columns;
    MemoryContext old;

    for (int c = 0; c < scan->n_columns; c++) {
        out->tts_values[scan->columns[c].to - 1] = values[c];
        out->tts_isnull[scan->columns[c].to - 1] = nulls[c];
    }
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
            value = BatchAnswer(scan->sites[i].batch, scan->sites[i].reader, cell->u.place);
            break;
        case CELL_ALONE:
            value = CallAlone(scan, &scan->sites[i], cell->u.argument, &isnull);
            break;
        case CELL_ERROR:
            ReThrowError(cell->u.error);
            break;
        }
        out->tts_values[scan->n_child + i] = value;
        out->tts_isnull[scan->n_child + i] = isnull;
    }
    MemoryContextSwitchTo(old);
    ExecStoreVirtualTuple(out);
    if (scan->source) {
        out->tts_tid = scan->tids[k];
        out->tts_tableOid = scan->tables[k];
    }
}
