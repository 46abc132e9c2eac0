/*
 * explain.c - what EXPLAIN shows of a node that computes calls in batches.
 */
#include "postgres.h"
#include "compat.h"

#include COMPAT_EXPLAIN_HEADER
#include COMPAT_EXPLAIN_STATE_HEADER
#include "utils/builtins.h"
#include "utils/ruleutils.h"

#include "exec.h"

/* The calls, as they would stand in the query. */
static void ShowCalls(CustomScanState *node, List *ancestors, ExplainState *es)
{
    CustomScan *scan = (CustomScan *)node->ss.ps.plan;
    List *context = set_deparse_context_plan(es->deparse_cxt, node->ss.ps.plan, ancestors);
    List *calls = NIL;
    ListCell *cell;

    foreach (cell, scan->custom_scan_tlist) {
        TargetEntry *target = lfirst_node(TargetEntry, cell);

        if (!IsA(target->expr, Var))
            calls = lappend(calls, deparse_expression((Node *)target->expr, context,
                                                      list_length(es->rtable) > 1 || es->verbose, false));
    }
    ExplainPropertyList("Batched", calls, es);
}

void ExplainBatchScan(CustomScanState *node, List *ancestors, ExplainState *es)
{
    Instrumentation *instrument = node->ss.ps.instrument;
    double batches, rows, time;

    ShowCalls(node, ancestors, es);
    if (!es->analyze || !instrument)
        return;
    batches = NODE_BATCHES(instrument);
    rows = (instrument->ntuples + instrument->nfiltered1) * BatchScanRuns(node);
    time = NODE_MODEL_TIME(instrument) * 1000.0;
    if (es->format != EXPLAIN_FORMAT_TEXT) {
        ExplainPropertyFloat("Batches", NULL, batches, 0, es);
        ExplainPropertyFloat("Rows per Batch", NULL, batches > 0 ? rows / batches : 0, 1, es);
        if (es->timing)
            ExplainPropertyFloat("Model Time", "ms", time, 3, es);
        return;
    }
    appendStringInfoSpaces(es->str, es->indent * 2);
    appendStringInfo(es->str, "Batches: %.0f  Rows per Batch: %.1f", batches, batches > 0 ? rows / batches : 0);
    if (es->timing)
        appendStringInfo(es->str, "  Model Time: %.3f ms", time);
    appendStringInfoChar(es->str, '\n');
}
