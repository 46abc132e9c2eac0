/*
 * rows.h - the rows of a query, as often as they are wanted.
 */
#ifndef MAAS_PG_LEARN_ROWS_H
#define MAAS_PG_LEARN_ROWS_H

#include "executor/spi.h"

typedef struct Rows {
    SPIPlanPtr plan;
    Portal portal; /* NULL: not begun */
    SPITupleTable *table;
    uint64 n, at; /* of the table */
    uint64 fetch; /* rows of the next one; 0: not known yet */
    TupleDesc desc;
} Rows;

/* Prepares the query as the caller; function: for messages; context:
 * for what Rows keeps.  Throws when it does not return rows, or writes.  SPI is
 * connected until RowsClose. */
void RowsOpen(Rows *rows, const char *query, const char *function, MemoryContext context);
/* The next row, valid until the next call; NULL at the end. */
HeapTuple RowsNext(Rows *rows);
/* Begins anew: every round sees what the calling statement sees. */
void RowsRewind(Rows *rows);
void RowsClose(Rows *rows);

#endif
