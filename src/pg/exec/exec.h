/*
 * exec.h - plain calls of maas_predict, maas_score and maas_classify in a query, computed in batches.
 *
 * hook.c sees each finished plan; rewrite.c puts nodes into it that compute calls ahead; whitelist.c decides which
 * calls may be, and jit.c whether the rest is worth compiling; scan.c and fill.c are the node and explain.c what
 * EXPLAIN shows of it.
 */
#ifndef MAAS_PG_EXEC_EXEC_H
#define MAAS_PG_EXEC_EXEC_H

#include "nodes/extensible.h"
#include "nodes/plannodes.h"

#include "run/batch.h"

/* Settings, see hook.c. */
extern bool SettingBatching;
extern int SettingBatchSize;

/* Called once by _PG_init. */
void ExecInit(void);

/* ---- whitelist.c ---- */

/* What a call is. */
typedef struct CallKind {
    BatchInput input;
    BatchAnswerKind answer;
    bool content;
} CallKind;

/* The kind of a function that predicts; NULL for all others. */
const CallKind *CallKindOf(Oid function);

/* Whether such a call occurs anywhere in an expression or a list of them. */
bool HasCall(Node *expression);

/* The calls in an expression that are computed for every row that the expression is evaluated for, that may be
 * computed ahead, and whose arguments hold no other such call.  No two are equal.  Added to calls. */
List *ReadyCalls(Node *expression, List *calls);

/* Whether evaluating the call's arguments may throw. */
bool CallMayThrow(const FuncExpr *call);

/* How conditions may fail: not at all; by throwing while they hold nothing; in any way. */
typedef enum FilterKind { FILTER_NEVER_THROWS, FILTER_THROWS_SAFELY, FILTER_MAY_THROW } FilterKind;
FilterKind KindOfFilter(List *conditions);

/* Whether rows of a plan may be read before they are due: nothing in it locks, writes or is volatile. */
bool ReadAheadIsSafe(const PlannedStmt *statement, Plan *plan);

/* ---- rewrite.c ---- */

/* Puts nodes into a finished plan; the statement is changed in place. */
void RewritePlan(PlannedStmt *statement);

/* ---- jit.c ---- */

/* The plans below a node. */
List *ChildrenOf(const Plan *plan);

/* What evaluating calls adds to the cost of a node that has not yet been changed: for this many rows, or in
 * conditions, for more than come out. */
Cost CostOfCalls(const Plan *plan, List *calls, bool filtered, double rows);

/* What of the calls' cost below a node the cost of the node holds. */
Cost CostAbove(const Plan *plan, Cost calls);

/* Leaves a statement to be compiled only where it costs enough without the calls that were taken over. */
void DecideJit(PlannedStmt *statement, Cost calls);

/* ---- scan.c ---- */

/* The node's custom_private is a list of these. */
typedef enum NodePrivate {
    NODE_COLUMNS, /* list of int: for each column of the scan tuple that comes from the child, its number there; 0
                     when nobody reads it */
    NODE_LIMIT    /* list of one int: 1 when custom_exprs ends with a LIMIT's offset and count */
} NodePrivate;

extern const CustomScanMethods batch_scan_methods;

/* How many runs a batch of rows takes: calls of one model about the same input share theirs. */
int BatchScanRuns(const CustomScanState *node);

/* ---- explain.c ---- */

struct ExplainState;

/* What a node has done, runs of a model and the time they took, as Instrumentation carries it from parallel
 * workers: no other use is made of these fields for this kind of node. */
#define NODE_BATCHES(instrument) ((instrument)->ntuples2)
#define NODE_MODEL_TIME(instrument) ((instrument)->nfiltered2)

void ExplainBatchScan(CustomScanState *node, List *ancestors, struct ExplainState *es);

#endif
