/*
 * whitelist.c - which calls may be computed before their row is due, and which plans may be read ahead.
 *
 * Everything here says no to what it does not know.  A call that is refused is evaluated row by row as ever.
 */
#include "postgres.h"
#include "compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "exec.h"

/* ---- functions ---- */

#define PREDICTING(name, ...)                                                                                      \
    {                                                                                                              \
        name,                                                                                                      \
        {                                                                                                          \
            __VA_ARGS__                                                                                            \
        }                                                                                                          \
    }

extern Datum maas_predict(PG_FUNCTION_ARGS), maas_predict_array(PG_FUNCTION_ARGS),
    maas_predict_text(PG_FUNCTION_ARGS), maas_predict_row(PG_FUNCTION_ARGS), maas_predict_json(PG_FUNCTION_ARGS),
    maas_predict_at(PG_FUNCTION_ARGS), maas_classify(PG_FUNCTION_ARGS), maas_classify_array(PG_FUNCTION_ARGS),
    maas_classify_text(PG_FUNCTION_ARGS), maas_classify_row(PG_FUNCTION_ARGS), maas_classify_json(PG_FUNCTION_ARGS),
    maas_score(PG_FUNCTION_ARGS), maas_score_array(PG_FUNCTION_ARGS), maas_score_text(PG_FUNCTION_ARGS),
    maas_score_row(PG_FUNCTION_ARGS), maas_score_json(PG_FUNCTION_ARGS);

static const struct {
    PGFunction function;
    CallKind kind;
} predicting[] = {
    PREDICTING(maas_predict, BATCH_TENSOR, BATCH_TO_TENSOR, false),
    PREDICTING(maas_predict_array, BATCH_ARRAY, BATCH_TO_TENSOR, false),
    PREDICTING(maas_predict_text, BATCH_TEXT, BATCH_TO_TENSOR, false),
    PREDICTING(maas_predict_row, BATCH_ROW, BATCH_TO_TENSOR, false),
    PREDICTING(maas_predict_json, BATCH_JSON, BATCH_TO_JSON, false),
    PREDICTING(maas_predict_at, BATCH_TENSOR, BATCH_TO_TENSOR, true),
    PREDICTING(maas_classify, BATCH_TENSOR, BATCH_TO_LABEL, false),
    PREDICTING(maas_classify_array, BATCH_ARRAY, BATCH_TO_LABEL, false),
    PREDICTING(maas_classify_text, BATCH_TEXT, BATCH_TO_LABEL, false),
    PREDICTING(maas_classify_row, BATCH_ROW, BATCH_TO_LABEL, false),
    PREDICTING(maas_classify_json, BATCH_JSON, BATCH_TO_LABEL, false),
    PREDICTING(maas_score, BATCH_TENSOR, BATCH_TO_SCORE, false),
    PREDICTING(maas_score_array, BATCH_ARRAY, BATCH_TO_SCORE, false),
    PREDICTING(maas_score_text, BATCH_TEXT, BATCH_TO_SCORE, false),
    PREDICTING(maas_score_row, BATCH_ROW, BATCH_TO_SCORE, false),
    PREDICTING(maas_score_json, BATCH_JSON, BATCH_TO_SCORE, false),
};

/* What is known of functions, by their OID; emptied when any function changes. */
typedef struct KnownFunction {
    Oid function; /* the key */
    const CallKind *kind;
} KnownFunction;

static HTAB *known_functions;

static void FunctionChanged(Datum arg, int cache, uint32 hash)
{
    if (known_functions) {
        hash_destroy(known_functions);
        known_functions = NULL;
    }
}

/* Looks at the function's catalog row.  One that switches role or settings is no plain call. */
static const CallKind *LookAtFunction(Oid function)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    Form_pg_proc form;
    FmgrInfo info;
    bool plain;

    if (!HeapTupleIsValid(tuple))
        return NULL;
    form = (Form_pg_proc)GETSTRUCT(tuple);
    plain = form->prolang == ClanguageId && form->proisstrict && !form->proretset && !form->prosecdef &&
            form->provolatile != PROVOLATILE_VOLATILE && heap_attisnull(tuple, Anum_pg_proc_proconfig, NULL);
    ReleaseSysCache(tuple);
    if (!plain)
        return NULL;
    fmgr_info(function, &info);
    for (int i = 0; i < lengthof(predicting); i++)
        if (info.fn_addr == predicting[i].function)
            return &predicting[i].kind;
    return NULL;
}

const CallKind *CallKindOf(Oid function)
{
    static bool registered;
    KnownFunction *known;
    const CallKind *kind;
    bool found;

    if (function < FirstNormalObjectId)
        return NULL;
    if (!registered) {
        CacheRegisterSyscacheCallback(PROCOID, FunctionChanged, (Datum)0);
        registered = true;
    }
    if (known_functions) {
        known = hash_search(known_functions, &function, HASH_FIND, NULL);
        if (known)
            return known->kind;
    }
    kind = LookAtFunction(function);
    if (!known_functions) {
        HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(KnownFunction), .hcxt = TopMemoryContext};

        known_functions = hash_create("maas functions", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
    }
    known = hash_search(known_functions, &function, HASH_ENTER, &found);
    known->kind = kind;
    return kind;
}

static bool HasCallWalker(Node *node, void *context)
{
    if (!node)
        return false;
    if (IsA(node, FuncExpr) && CallKindOf(((FuncExpr *)node)->funcid))
        return true;
    return expression_tree_walker(node, HasCallWalker, context);
}

bool HasCall(Node *expression)
{
    return HasCallWalker(expression, NULL);
}

/* ---- arguments ---- */

static bool ContainsVarWalker(Node *node, void *context)
{
    if (!node)
        return false;
    if (IsA(node, Var))
        return true;
    return expression_tree_walker(node, ContainsVarWalker, context);
}

/* The file that a function of a module comes from; NULL for others. */
static char *ModuleOf(Oid function)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    char *module = NULL;
    bool isnull = true;
    Datum value = (Datum)0;

    if (!HeapTupleIsValid(tuple))
        return NULL;
    if (((Form_pg_proc)GETSTRUCT(tuple))->prolang == ClanguageId)
        value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &isnull);
    if (!isnull)
        module = TextDatumGetCString(value);
    ReleaseSysCache(tuple);
    return module;
}

/* False for a function that can throw but holds nothing when it does: one of the server's or of our own that only
 * computes. */
static bool HoldsWhenItThrows(Oid function, void *our_module)
{
    char *module;

    switch (function) {
    case F_ARRAY_IN:
    case F_JSONB_BUILD_OBJECT_ANY:
    case F_JSONB_BUILD_ARRAY_ANY:
    case F_TO_JSONB:
        return false; /* stable, but no more than that */
    default:
        break;
    }
    if (func_volatile(function) != PROVOLATILE_IMMUTABLE)
        return true;
    if (function < FirstNormalObjectId)
        return false;
    module = ModuleOf(function);
    return !our_module || !module || strcmp(module, our_module) != 0;
}

/* True for what may not be evaluated ahead under a net. */
static bool ArgumentRefusedWalker(Node *node, void *context)
{
    if (!node)
        return false;
    switch (nodeTag(node)) {
    case T_Var:
    case T_Const:
    case T_List:
    case T_FuncExpr:
    case T_OpExpr:
    case T_DistinctExpr:
    case T_NullIfExpr:
    case T_ScalarArrayOpExpr:
    case T_BoolExpr:
    case T_RelabelType:
    case T_CoerceViaIO:
    case T_ArrayCoerceExpr:
    case T_ConvertRowtypeExpr:
    case T_CollateExpr:
    case T_CaseExpr:
    case T_CaseWhen:
    case T_CaseTestExpr:
    case T_ArrayExpr:
    case T_RowExpr:
    case T_CoalesceExpr:
    case T_MinMaxExpr:
    case T_NullTest:
    case T_BooleanTest:
    case T_FieldSelect:
    case T_SubscriptingRef:
        break;
    case T_Param:
        /* One that is set by an InitPlan is computed once; the first row is never read ahead. */
        break;
    default:
        return true;
    }
    if (check_functions_in_node(node, HoldsWhenItThrows, context))
        return true;
    return expression_tree_walker(node, ArgumentRefusedWalker, context);
}

bool CallMayThrow(const FuncExpr *call)
{
    return !IsA(lsecond(call->args), Var);
}

FilterKind KindOfFilter(List *conditions)
{
    char *module = NULL;

    if (!contain_leaked_vars((Node *)conditions))
        return FILTER_NEVER_THROWS;
    return ArgumentRefusedWalker((Node *)conditions, module) ? FILTER_MAY_THROW : FILTER_THROWS_SAFELY;
}

/* The same for all rows of a scan: a node is told to scan anew when a parameter changes. */
static bool IsFixed(Node *node)
{
    return IsA(node, Const) || (IsA(node, Param) && (((Param *)node)->paramkind == PARAM_EXTERN ||
                                                     ((Param *)node)->paramkind == PARAM_EXEC));
}

/* Whether the call may be computed before its row is due. */
static bool MayBeAhead(FuncExpr *call)
{
    ListCell *cell;
    int i = 0;

    if (list_length(call->args) < 2 || list_length(call->args) > 3)
        return false;
    foreach (cell, call->args) {
        Node *argument = (Node *)lfirst(cell);

        if (i++ != 1 ? !IsFixed(argument) : !ContainsVarWalker(argument, NULL))
            return false;
    }
    if (contain_volatile_functions((Node *)lsecond(call->args)))
        return false;
    return !CallMayThrow(call) || !ArgumentRefusedWalker((Node *)lsecond(call->args), ModuleOf(call->funcid));
}

/* ---- places in an expression ---- */

static List *ReadyCallsOf(List *expressions, List *calls)
{
    ListCell *cell;

    foreach (cell, expressions)
        calls = ReadyCalls((Node *)lfirst(cell), calls);
    return calls;
}

/* Goes down only where a part is evaluated whenever the whole is. */
List *ReadyCalls(Node *node, List *calls)
{
    if (!node)
        return calls;
    check_stack_depth();
    switch (nodeTag(node)) {
    case T_List:
        return ReadyCallsOf((List *)node, calls);
    case T_TargetEntry:
        return ReadyCalls((Node *)((TargetEntry *)node)->expr, calls);
    case T_FuncExpr: {
        FuncExpr *call = (FuncExpr *)node;

        if (!CallKindOf(call->funcid) || HasCall((Node *)call->args))
            return ReadyCallsOf(call->args, calls);
        return MayBeAhead(call) ? list_append_unique(calls, call) : calls;
    }
    case T_OpExpr:
    case T_DistinctExpr:
    case T_NullIfExpr:
        return ReadyCallsOf(((OpExpr *)node)->args, calls);
    case T_ScalarArrayOpExpr:
        return ReadyCallsOf(((ScalarArrayOpExpr *)node)->args, calls);
    case T_BoolExpr:
        /* AND and OR stop early. */
        return ReadyCalls((Node *)linitial(((BoolExpr *)node)->args), calls);
    case T_RelabelType:
        return ReadyCalls((Node *)((RelabelType *)node)->arg, calls);
    case T_CoerceViaIO:
        return ReadyCalls((Node *)((CoerceViaIO *)node)->arg, calls);
    case T_ArrayCoerceExpr:
        return ReadyCalls((Node *)((ArrayCoerceExpr *)node)->arg, calls);
    case T_CollateExpr:
        return ReadyCalls((Node *)((CollateExpr *)node)->arg, calls);
    case T_FieldSelect:
        return ReadyCalls((Node *)((FieldSelect *)node)->arg, calls);
    case T_NullTest:
        return ReadyCalls((Node *)((NullTest *)node)->arg, calls);
    case T_BooleanTest:
        return ReadyCalls((Node *)((BooleanTest *)node)->arg, calls);
    case T_ArrayExpr:
        return ReadyCallsOf(((ArrayExpr *)node)->elements, calls);
    case T_RowExpr:
        return ReadyCallsOf(((RowExpr *)node)->args, calls);
    case T_MinMaxExpr:
        return ReadyCallsOf(((MinMaxExpr *)node)->args, calls);
    case T_CoalesceExpr:
        return ReadyCalls((Node *)linitial(((CoalesceExpr *)node)->args), calls);
    case T_CaseExpr: {
        CaseExpr *expr = (CaseExpr *)node;

        if (expr->arg)
            return ReadyCalls((Node *)expr->arg, calls);
        return ReadyCalls((Node *)((CaseWhen *)linitial(expr->args))->expr, calls);
    }
    default:
        return calls;
    }
}

/* ---- plans ---- */

typedef struct ReadAhead {
    const PlannedStmt *statement;
    Bitmapset *seen; /* subplans that were looked at */
} ReadAhead;

static bool PlanIsSafe(ReadAhead *ahead, Plan *plan);

static bool SubplanIsSafe(ReadAhead *ahead, int number)
{
    if (bms_is_member(number, ahead->seen))
        return true;
    ahead->seen = bms_add_member(ahead->seen, number);
    return PlanIsSafe(ahead, (Plan *)list_nth(ahead->statement->subplans, number - 1));
}

static bool SubplanUnsafeWalker(Node *node, void *context)
{
    if (!node)
        return false;
    if (IsA(node, SubPlan) && !SubplanIsSafe((ReadAhead *)context, ((SubPlan *)node)->plan_id))
        return true;
    return expression_tree_walker(node, SubplanUnsafeWalker, context);
}

static bool ExpressionsAreSafe(ReadAhead *ahead, void *expressions)
{
    return !contain_volatile_functions((Node *)expressions) &&
           !SubplanUnsafeWalker((Node *)expressions, (void *)ahead);
}

static bool PlansAreSafe(ReadAhead *ahead, List *plans)
{
    ListCell *cell;

    foreach (cell, plans)
        if (!PlanIsSafe(ahead, (Plan *)lfirst(cell)))
            return false;
    return true;
}

/* What a kind of node evaluates beside its target list and its conditions, and the plans it keeps elsewhere. */
static bool NodeIsSafe(ReadAhead *ahead, Plan *plan)
{
    switch (nodeTag(plan)) {
    case T_SeqScan:
    case T_CteScan:
    case T_WorkTableScan:
    case T_NamedTuplestoreScan:
    case T_Material:
    case T_Sort:
    case T_IncrementalSort:
    case T_Group:
    case T_Agg:
    case T_Unique:
    case T_SetOp:
    case T_RecursiveUnion:
    case T_Gather:
    case T_GatherMerge:
    case T_ProjectSet:
    case T_Hash:
    case T_BitmapIndexScan:
        if (IsA(plan, CteScan))
            return SubplanIsSafe(ahead, ((CteScan *)plan)->ctePlanId);
        if (IsA(plan, Hash))
            return ExpressionsAreSafe(ahead, ((Hash *)plan)->hashkeys);
        if (IsA(plan, BitmapIndexScan))
            return ExpressionsAreSafe(ahead, ((BitmapIndexScan *)plan)->indexqual);
        return true;
    case T_WindowAgg:
        return ExpressionsAreSafe(ahead, ((WindowAgg *)plan)->startOffset) &&
               ExpressionsAreSafe(ahead, ((WindowAgg *)plan)->endOffset);
    case T_IndexScan:
        return ExpressionsAreSafe(ahead, ((IndexScan *)plan)->indexqual) &&
               ExpressionsAreSafe(ahead, ((IndexScan *)plan)->indexorderby);
    case T_IndexOnlyScan:
        return ExpressionsAreSafe(ahead, ((IndexOnlyScan *)plan)->indexqual) &&
               ExpressionsAreSafe(ahead, ((IndexOnlyScan *)plan)->indexorderby);
    case T_BitmapHeapScan:
        return ExpressionsAreSafe(ahead, ((BitmapHeapScan *)plan)->bitmapqualorig);
    case T_BitmapAnd:
        return PlansAreSafe(ahead, ((BitmapAnd *)plan)->bitmapplans);
    case T_BitmapOr:
        return PlansAreSafe(ahead, ((BitmapOr *)plan)->bitmapplans);
    case T_TidScan:
        return ExpressionsAreSafe(ahead, ((TidScan *)plan)->tidquals);
    case T_TidRangeScan:
        return ExpressionsAreSafe(ahead, ((TidRangeScan *)plan)->tidrangequals);
    case T_SampleScan:
        return ExpressionsAreSafe(ahead, ((SampleScan *)plan)->tablesample->args) &&
               ExpressionsAreSafe(ahead, ((SampleScan *)plan)->tablesample->repeatable);
    case T_SubqueryScan:
        return PlanIsSafe(ahead, ((SubqueryScan *)plan)->subplan);
    case T_FunctionScan: {
        ListCell *cell;

        foreach (cell, ((FunctionScan *)plan)->functions)
            if (!ExpressionsAreSafe(ahead, ((RangeTblFunction *)lfirst(cell))->funcexpr))
                return false;
        return true;
    }
    case T_ValuesScan:
        return ExpressionsAreSafe(ahead, ((ValuesScan *)plan)->values_lists);
    case T_NestLoop:
        return ExpressionsAreSafe(ahead, ((Join *)plan)->joinqual);
    case T_MergeJoin:
        return ExpressionsAreSafe(ahead, ((Join *)plan)->joinqual) &&
               ExpressionsAreSafe(ahead, ((MergeJoin *)plan)->mergeclauses);
    case T_HashJoin:
        return ExpressionsAreSafe(ahead, ((Join *)plan)->joinqual) &&
               ExpressionsAreSafe(ahead, ((HashJoin *)plan)->hashclauses);
    case T_Memoize:
        return ExpressionsAreSafe(ahead, ((Memoize *)plan)->param_exprs);
    case T_Limit:
        return ExpressionsAreSafe(ahead, ((Limit *)plan)->limitOffset) &&
               ExpressionsAreSafe(ahead, ((Limit *)plan)->limitCount);
    case T_Append:
        return PlansAreSafe(ahead, ((Append *)plan)->appendplans);
    case T_MergeAppend:
        return PlansAreSafe(ahead, ((MergeAppend *)plan)->mergeplans);
    case T_Result:
        return ExpressionsAreSafe(ahead, ((Result *)plan)->resconstantqual);
    case T_CustomScan:
        return ((CustomScan *)plan)->methods == &batch_scan_methods &&
               ExpressionsAreSafe(ahead, ((CustomScan *)plan)->custom_exprs);
    default:
        return false; /* LockRows, ModifyTable, foreign tables and what is not known */
    }
}

static bool PlanIsSafe(ReadAhead *ahead, Plan *plan)
{
    ListCell *cell;

    if (!plan)
        return true;
    check_stack_depth();
    foreach (cell, plan->initPlan)
        if (!SubplanIsSafe(ahead, ((SubPlan *)lfirst(cell))->plan_id))
            return false;
    return ExpressionsAreSafe(ahead, plan->targetlist) && ExpressionsAreSafe(ahead, plan->qual) &&
           NodeIsSafe(ahead, plan) && PlanIsSafe(ahead, plan->lefttree) && PlanIsSafe(ahead, plan->righttree);
}

bool ReadAheadIsSafe(const PlannedStmt *statement, Plan *plan)
{
    ReadAhead ahead = {.statement = statement};
    bool safe = PlanIsSafe(&ahead, plan);

    bms_free(ahead.seen);
    return safe;
}
