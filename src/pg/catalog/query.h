/*
 * query.h - the prepared queries by which the catalog is read and written.
 */
#ifndef MAAS_PG_CATALOG_QUERY_H
#define MAAS_PG_CATALOG_QUERY_H

#include "executor/spi.h"

/* A query that is planned once per session. */
typedef struct CatalogQuery {
    const char *sql; /* every name and operator in it is qualified */
    int n_args;
    Oid types[10];
    SPIPlanPtr plan;
} CatalogQuery;

/* SPI_connect with its failure thrown; ended by SPI_finish. */
void CatalogConnect(void);

/* Runs a SELECT under the active snapshot; the number of rows, which stand in SPI_tuptable. */
uint64 CatalogRead(CatalogQuery *query, Datum *values);

/* Runs a statement that writes or locks, under a new snapshot; nulls as for SPI_execute_plan, or NULL. */
uint64 CatalogWrite(CatalogQuery *query, Datum *values, const char *nulls);

/* Between these two the catalog's tables are used with the rights of their owner. */
typedef struct CatalogOwner {
    Oid user;
    int security;
} CatalogOwner;

void CatalogBecomeOwner(CatalogOwner *saved);
void CatalogBecomeCaller(const CatalogOwner *saved);

/* The OID of a table or index in the schema maas; throws when it is missing. */
Oid CatalogRelation(const char *name);

#endif
