/*
 * statement.c - how long a decision about rights may be kept.
 *
 * Who may use which version of a model is decided by a query that runs as the caller.  Asking again for every row
 * would cost more than many models; keeping an answer too long would let a role go on after a REVOKE.  So an answer
 * is kept for one pass of the executor and no longer.  How that is known:
 *
 * - A hook numbers each ExecutorRun and ExecutorFinish.  Every EXECUTE of a prepared statement, every FETCH from a
 *   cursor and every query inside of a function is a pass of its own, in a parallel worker as well.
 * - The call must belong to the plan that is running: its FmgrInfo lies in that plan's memory context for a query.
 *   What lives longer (the simple expressions of PL/pgSQL, casts, index expressions, COPY) lies elsewhere; for it
 *   the pass is unknown and nothing is kept.
 * - Within a pass an answer is dropped when the role or its security context is another, when a savepoint or a
 *   transaction ended, and when an invalidation arrived for a relation or a role: policies, grants of roles, DDL.
 *
 * A pass sees one snapshot, so the rows that the decision was made from cannot change under it, but for what the
 * pass itself changes, which its own snapshot does not show either.
 *
 * A snapshot may be older than the user's statement: under REPEATABLE READ and in a cursor.  `stale` tells so, and
 * the caller asks again with the latest snapshot before it believes a yes.
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "executor/executor.h"
#include "tcop/pquery.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/portal.h"
#include "utils/rls.h"
#include "utils/syscache.h"

#include "folding.h"
#include "statement.h"

/* The pass of the executor that is running now, innermost first. */
typedef struct Pass {
    struct Pass *outer;
    QueryDesc *query;
    uint64 number;
    bool again; /* the query ran before: a further FETCH */
} Pass;

static Pass *current_pass;
static uint64 passes;
static uint64 changes = 1;
static uint64 catalog_changes = 1;

static ExecutorRun_hook_type next_run;
static ExecutorFinish_hook_type next_finish;

static void PassBegin(Pass *pass, QueryDesc *query)
{
    FoldingQueryBegins();
    pass->outer = current_pass;
    pass->query = query;
    pass->number = ++passes;
    pass->again = query->already_executed;
    current_pass = pass;
}

static void StatementRun(QueryDesc *query, ScanDirection direction, uint64 count COMPAT_EXECUTE_ONCE_PARAMETER)
{
    Pass pass;

    PassBegin(&pass, query);
    PG_TRY();
    {
        if (next_run)
            next_run(query, direction, count COMPAT_EXECUTE_ONCE_ARGUMENT);
        else
            standard_ExecutorRun(query, direction, count COMPAT_EXECUTE_ONCE_ARGUMENT);
    }
    PG_FINALLY();
    {
        current_pass = pass.outer;
    }
    PG_END_TRY();
}

static void StatementFinish(QueryDesc *query)
{
    Pass pass;

    PassBegin(&pass, query);
    PG_TRY();
    {
        if (next_finish)
            next_finish(query);
        else
            standard_ExecutorFinish(query);
    }
    PG_FINALLY();
    {
        current_pass = pass.outer;
    }
    PG_END_TRY();
}

static void RelationChanged(Datum arg, Oid relation)
{
    changes++;
    catalog_changes++;
}

static void RoleChanged(Datum arg, int cache, uint32 hash)
{
    changes++;
    catalog_changes++;
}

static void TransactionEnded(XactEvent event, void *arg)
{
    changes++;
}

static void SavepointEnded(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
    if (event == SUBXACT_EVENT_ABORT_SUB)
        changes++;
}

void StatementInit(void)
{
    next_run = ExecutorRun_hook;
    ExecutorRun_hook = StatementRun;
    next_finish = ExecutorFinish_hook;
    ExecutorFinish_hook = StatementFinish;
    CacheRegisterRelcacheCallback(RelationChanged, (Datum)0);
    CacheRegisterSyscacheCallback(AUTHOID, RoleChanged, (Datum)0);
    CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, RoleChanged, (Datum)0);
    CacheRegisterSyscacheCallback(PROCOID, RoleChanged, (Datum)0);
    RegisterXactCallback(TransactionEnded, NULL);
    RegisterSubXactCallback(SavepointEnded, NULL);
}

void StatementNow(const FmgrInfo *flinfo, Statement *now)
{
    const Pass *pass = current_pass;

    GetUserIdAndSecContext(&now->user, &now->security);
    now->row_security = row_security;
    now->changes = changes;
    now->run = 0;
    if (pass && flinfo && pass->query->estate && flinfo->fn_mcxt == pass->query->estate->es_query_cxt)
        now->run = pass->number;
    now->stale = IsolationUsesXactSnapshot() || (pass && pass->again) ||
                 (ActivePortal && ActivePortal->name && ActivePortal->name[0] != '\0');
}

bool StatementSame(const Statement *then, const Statement *now)
{
    return now->run != 0 && then->run == now->run && then->changes == now->changes && then->user == now->user &&
           then->security == now->security && then->row_security == now->row_security;
}

bool StatementStill(const Statement *then)
{
    Oid user;
    int security;

    if (then->run == 0 || !current_pass || then->run != current_pass->number || then->changes != changes ||
        then->row_security != row_security)
        return false;
    GetUserIdAndSecContext(&user, &security);
    return user == then->user && security == then->security;
}

uint64 StatementChanges(void)
{
    return changes;
}

uint64 StatementCatalogChanges(void)
{
    return catalog_changes;
}
