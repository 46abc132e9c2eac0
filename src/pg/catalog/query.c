/*
 * query.c - the prepared queries by which the catalog is read and written.
 *
 * Plans are kept for the session; the server makes them anew when the role, a policy or a table changes.
 */
#include "postgres.h"
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "nodes/parsenodes.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "query.h"

void CatalogConnect(void)
{
    int rc = SPI_connect();

    if (rc != SPI_OK_CONNECT)
        elog(ERROR, "SPI_connect failed: %s", SPI_result_code_string(rc));
}

static uint64 Execute(CatalogQuery *query, Datum *values, const char *nulls, bool read_only)
{
    int rc;

    if (!query->plan) {
        SPIPlanPtr plan = SPI_prepare_cursor(query->sql, query->n_args, query->types, CURSOR_OPT_GENERIC_PLAN);

        if (!plan || SPI_keepplan(plan) != 0)
            elog(ERROR, "cannot prepare \"%s\": %s", query->sql, SPI_result_code_string(SPI_result));
        query->plan = plan;
    }
    rc = SPI_execute_plan(query->plan, values, nulls, read_only, 0);
    if (rc < 0)
        elog(ERROR, "cannot run \"%s\": %s", query->sql, SPI_result_code_string(rc));
    return SPI_processed;
}

uint64 CatalogRead(CatalogQuery *query, Datum *values)
{
    bool pushed = !ActiveSnapshotSet();
    uint64 rows;

    if (pushed)
        PushActiveSnapshot(GetTransactionSnapshot());
    rows = Execute(query, values, NULL, true);
    if (pushed)
        PopActiveSnapshot();
    return rows;
}

uint64 CatalogWrite(CatalogQuery *query, Datum *values, const char *nulls)
{
    return Execute(query, values, nulls, false);
}

Oid CatalogRelation(const char *name)
{
    Oid schema = get_namespace_oid("maas", false);
    Oid relation = get_relname_relid(name, schema);

    if (!OidIsValid(relation))
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation \"maas.%s\" does not exist", name),
                        errhint("CREATE EXTENSION maas makes it.")));
    return relation;
}

void CatalogBecomeOwner(CatalogOwner *saved)
{
    Relation table = table_open(CatalogRelation("model_chunk"), AccessShareLock);
    Oid owner = table->rd_rel->relowner;

    table_close(table, AccessShareLock);
    GetUserIdAndSecContext(&saved->user, &saved->security);
    SetUserIdAndSecContext(owner, saved->security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS);
}

void CatalogBecomeCaller(const CatalogOwner *saved)
{
    SetUserIdAndSecContext(saved->user, saved->security);
}
