/*
 * scan.h - the state of a node that reads rows ahead, for scan.c and fill.c.
 */
#ifndef MAAS_PG_EXEC_SCAN_H
#define MAAS_PG_EXEC_SCAN_H

#include "nodes/execnodes.h"

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
    union {
        BatchPlace place; /* CELL_BATCH */
        Datum argument;   /* CELL_ALONE */
        ErrorData *error; /* CELL_ERROR: from evaluating the argument */
    } u;
} Cell;

/* A column of the child that is read above. */
typedef struct Column {
    AttrNumber from, to; /* of the child, of the scan tuple */
    int16 length;
    bool by_value;
} Column;

typedef struct BatchScan {
    CustomScanState css;
    int n_columns, n_sites;
    int n_child; /* columns of the scan tuple before the calls; those that nobody reads are NULL */
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

/* ResetExprContext, without a call for rows that have taken nothing. */
static inline void EmptyTupleMemory(ExprContext *econtext)
{
    MemoryContext memory = econtext->ecxt_per_tuple_memory;

    if (!memory->isReset || memory->firstchild)
        MemoryContextReset(memory);
}

/* ---- fill.c ---- */

/* Whether the model of a call may be asked for on account of row k of a filling: the first row is due, others are
 * not, so for them nothing may be asked that could fail. */
bool MayAsk(const Site *site, int k);

/* A filling of one row: evaluated where it stands, into out.  False at the end. */
bool FillOne(BatchScan *scan, TupleTableSlot *out);

/* Reads up to `wanted` rows, of which the first is due or not, and runs the batches; false when there is none. */
bool Fill(BatchScan *scan, int wanted, bool due);

/* The next row of the filling. */
void Emit(BatchScan *scan, TupleTableSlot *out);

/* ---- scan.c ---- */

/* Evaluates the arguments that are the same for all rows.  Called for the first row: what is evaluated for no row
 * must not be evaluated when there is none. */
void LearnFixed(BatchScan *scan);

#endif
