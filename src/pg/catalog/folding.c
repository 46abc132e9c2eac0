/*
 * folding.c - answers that the planner computes ahead and keeps in a plan.
 *
 * maas_predict_at is IMMUTABLE, so the planner computes a call with constant arguments and puts the answer into the
 * plan.  A prepared statement would then go on to return it to another role, or after the right was revoked.  So a
 * plan that holds such an answer is marked: it depends on the role, and on a relation that every change of rights
 * invalidates (the triggers of 20_catalog.sql call maas.rights_changed).  The server then plans again, which asks
 * again.  The relation is an index, so that no other plan is concerned.
 *
 * When the first thing that a session does with this module is such a call, the module is loaded in the middle of
 * planning and cannot mark that plan; it drops all plans of the session once instead.
 */
#include "postgres.h"
#include "compat.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/plannodes.h"
#include "optimizer/planner.h"
#include "utils/inval.h"
#include "utils/plancache.h"

#include "folding.h"
#include "query.h"

#define RIGHTS_INDEX "model_version_sha256"

PG_FUNCTION_INFO_V1(maas_rights_changed);

static planner_hook_type next_planner;
static bool seen;       /* a planning, since the module was loaded */
static int depth;       /* of plannings that are under way */
static bool folded;     /* the innermost planning used a right */
static bool drop_plans; /* when the next query begins */

static PlannedStmt *FoldingPlanner(Query *parse, const char *query, int options, ParamListInfo params)
{
    PlannedStmt *plan;
    bool outer = folded;

    seen = true;
    folded = false;
    depth++;
    PG_TRY();
    {
        plan = next_planner ? next_planner(parse, query, options, params)
                            : standard_planner(parse, query, options, params);
        if (folded) {
            plan->dependsOnRole = true;
            plan->relationOids = lappend_oid(plan->relationOids, CatalogRelation(RIGHTS_INDEX));
        }
    }
    PG_FINALLY();
    {
        depth--;
        folded = outer;
    }
    PG_END_TRY();
    return plan;
}

bool FoldingEarly(void)
{
    return !seen;
}

void FoldingUsed(bool early)
{
    if (depth > 0)
        folded = true;
    else if (early)
        drop_plans = true;
}

void FoldingQueryBegins(void)
{
    if (drop_plans) {
        drop_plans = false;
        ResetPlanCache();
    }
}

/* maas.rights_changed(), a trigger after each statement that changes models, versions or rights. */
Datum maas_rights_changed(PG_FUNCTION_ARGS)
{
    if (!CALLED_AS_TRIGGER(fcinfo))
        ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                        errmsg("maas.rights_changed can only be called as a trigger")));
    CacheInvalidateRelcacheByRelid(CatalogRelation(RIGHTS_INDEX));
    PG_RETURN_POINTER(NULL);
}

void FoldingInit(void)
{
    next_planner = planner_hook;
    planner_hook = FoldingPlanner;
}
