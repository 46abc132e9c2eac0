/*
 * rows.c - the rows of a query through a cursor, as the caller, under the snapshot of the calling statement.
 *
 * Nothing may be written while rows are read: statements that write are refused when the query is prepared, what
 * functions in it would write by the server, to which the transaction is read-only as long as rows are fetched.
 */
#include "postgres.h"
#include "compat.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

#include "rows.h"

#define FETCH_BYTES ((Size)96 * 1024) /* what is fetched at once stays in the processor's second cache */
#define FETCH_MOST 256
#define FETCH_FIRST 16 /* while nothing is known of the rows' size */

static void CheckReads(SPIPlanPtr plan, const char *function)
{
    ListCell *source, *cell;

    foreach (source, SPI_plan_get_plan_sources(plan)) {
        foreach (cell, ((CachedPlanSource *)lfirst(source))->query_list) {
            const Query *query = lfirst_node(Query, cell);

            if (query->commandType != CMD_SELECT || query->hasModifyingCTE || query->rowMarks)
                ereport(ERROR,
                        (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                         errmsg("%s needs a query that only reads, this one writes or locks rows", function)));
        }
    }
}

void RowsOpen(Rows *rows, const char *query, const char *function, MemoryContext context)
{
    MemoryContext caller = CurrentMemoryContext;

    memset(rows, 0, sizeof(*rows));
    if (SPI_connect() != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed");
    rows->plan = SPI_prepare(query, 0, NULL);
    if (!rows->plan)
        elog(ERROR, "cannot prepare the query: %s", SPI_result_code_string(SPI_result));
    CheckReads(rows->plan, function);
    if (!SPI_is_cursor_plan(rows->plan))
        ereport(ERROR, (errcode(ERRCODE_INVALID_CURSOR_DEFINITION),
                        errmsg("%s needs one query that returns rows", function),
                        errhint("For example: SELECT * FROM customers.")));
    RowsRewind(rows);
    MemoryContextSwitchTo(context);
    rows->desc = CreateTupleDescCopy(rows->portal->tupDesc); /* a portal's own goes with it */
    MemoryContextSwitchTo(caller);
}

/* How many rows like those of the table are fetched at once. */
static uint64 FetchOf(const Rows *rows)
{
    Size bytes = 1;

    for (uint64 i = 0; i < rows->n; i++)
        bytes += rows->table->vals[i]->t_len;
    return Min(Max(FETCH_BYTES * rows->n / bytes, 1), FETCH_MOST);
}

/* Runs the cursor while nothing can be written, and from a table's beginning: joining the scan of another session
 * would bring rows in another order each time. */
static void Fetch(Rows *rows)
{
    bool read_only = XactReadOnly, synchronize = synchronize_seqscans;

    XactReadOnly = true;
    synchronize_seqscans = false;
    PG_TRY();
    {
        SPI_cursor_fetch(rows->portal, true, rows->fetch ? (long)rows->fetch : FETCH_FIRST);
    }
    PG_FINALLY();
    {
        XactReadOnly = read_only;
        synchronize_seqscans = synchronize;
    }
    PG_END_TRY();
}

HeapTuple RowsNext(Rows *rows)
{
    MemoryContext context = CurrentMemoryContext;

    if (rows->table && rows->at < rows->n)
        return rows->table->vals[rows->at++];
    if (rows->table)
        SPI_freetuptable(rows->table);
    rows->table = NULL;
    CHECK_FOR_INTERRUPTS();
    Fetch(rows);
    MemoryContextSwitchTo(context); /* SPI leaves its own */
    rows->table = SPI_tuptable;
    rows->n = SPI_processed;
    rows->at = 0;
    if (rows->n > 0)
        rows->fetch = FetchOf(rows);
    return rows->n > 0 ? rows->table->vals[rows->at++] : NULL;
}

void RowsRewind(Rows *rows)
{
    MemoryContext context = CurrentMemoryContext;

    if (rows->table)
        SPI_freetuptable(rows->table);
    rows->table = NULL;
    if (rows->portal)
        SPI_cursor_close(rows->portal);
    rows->portal = SPI_cursor_open(NULL, rows->plan, NULL, NULL, true);
    MemoryContextSwitchTo(context);
}

void RowsClose(Rows *rows)
{
    if (rows->table)
        SPI_freetuptable(rows->table);
    SPI_cursor_close(rows->portal);
    SPI_finish();
}
