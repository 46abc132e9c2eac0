/*
 * hook.c - where plans are seen: the planner's hook, and the executor's for the plan that loaded this module.
 *
 * Nothing is preloaded: the first statement of a session that predicts loads this module while it is being planned,
 * when the hook cannot see it any more.  Such a plan is rewritten when the executor is about to start it, in a
 * copy; plans that other statements kept from before are dropped and planned again.
 */
#include "postgres.h"
#include "compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "optimizer/planner.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/plancache.h"

#include "exec.h"

bool SettingBatching = true;
int SettingBatchSize = 1024;

static planner_hook_type next_planner;
static ExecutorStart_hook_type next_start;
static TimestampTz loaded_by; /* the statement that loaded the module */

static PlannedStmt *BatchPlanner(Query *parse, const char *query, int options, ParamListInfo params)
{
    PlannedStmt *plan = next_planner ? next_planner(parse, query, options, params)
                                     : standard_planner(parse, query, options, params);

    if (SettingBatching)
        RewritePlan(plan);
    return plan;
}

static void BatchStart(QueryDesc *query, int flags)
{
    if (loaded_by && loaded_by == GetCurrentStatementStartTimestamp() && SettingBatching && !IsParallelWorker()) {
        MemoryContext old = MemoryContextSwitchTo(GetMemoryChunkContext(query));

        query->plannedstmt = copyObject(query->plannedstmt);
        RewritePlan(query->plannedstmt);
        MemoryContextSwitchTo(old);
    } else
        loaded_by = 0;
    if (next_start)
        next_start(query, flags);
    else
        standard_ExecutorStart(query, flags);
}

void ExecInit(void)
{
    DefineCustomBoolVariable("maas.batching", "Computes the predictions of a query in batches.",
                             "Off: each call runs the model for itself, with the same answers.", &SettingBatching,
                             true, PGC_USERSET, 0, NULL, NULL, NULL);
    DefineCustomIntVariable("maas.batch_size", "Sets the most rows that one batch may take.", NULL,
                            &SettingBatchSize, 1024, 1, 65536, PGC_USERSET, 0, NULL, NULL, NULL);
    RegisterCustomScanMethods(&batch_scan_methods);
    next_planner = planner_hook;
    planner_hook = BatchPlanner;
    next_start = ExecutorStart_hook;
    ExecutorStart_hook = BatchStart;
    if (IsTransactionState()) {
        loaded_by = GetCurrentStatementStartTimestamp();
        ResetPlanCache();
    }
}
