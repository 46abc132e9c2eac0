/*
 * statement.h - how long a decision about rights may be kept.
 */
#ifndef MAAS_PG_CATALOG_STATEMENT_H
#define MAAS_PG_CATALOG_STATEMENT_H

#include "fmgr.h"

/* What a decision holds for: compare two of them with StatementSame. */
typedef struct Statement {
    uint64 run;     /* this pass of the executor; 0: unknown, keep nothing */
    uint64 changes; /* counts what may change a decision within the pass */
    Oid user;
    int security; /* restrictions of the security context */
    bool row_security;
    bool stale; /* the active snapshot may be older than the statement of the user */
} Statement;

/* Describes the statement that calls a function through flinfo. */
void StatementNow(const FmgrInfo *flinfo, Statement *now);

/* True when a decision of `then` still holds. */
bool StatementSame(const Statement *then, const Statement *now);

/* The same for now, at once: cheap enough to be asked for each row. */
bool StatementStill(const Statement *then);

/* Counts changes of the catalogs, of roles, and ends of transactions and savepoints. */
uint64 StatementChanges(void);

/* The same without the ends of transactions: for what need not follow the data at once. */
uint64 StatementCatalogChanges(void);

/* Called once by _PG_init. */
void StatementInit(void);

#endif
