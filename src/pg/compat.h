/*
 * compat.h - the one place that asks which PostgreSQL this is.
 *
 * Include it right after postgres.h.  Supported: 14 to 18.
 */
#ifndef MAAS_PG_COMPAT_H
#define MAAS_PG_COMPAT_H

#if PG_VERSION_NUM < 140000
#error "maas needs PostgreSQL 14 or later"
#endif

#include "miscadmin.h"

/* From 16 on an input function can save its failure instead of throwing it. */
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#else
#define errsave(context, ...) ereport(ERROR, __VA_ARGS__)
#endif

/* From 16 on varatt.h is a header of its own. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* From 18 on this stands before a declaration; earlier there was another name for it behind. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

/* Reserves the prefix of our settings, so that a misspelt one is an error. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/*
 * Up to 16 every reason to stop a query raises QueryCancelPending or ProcDiePending.  From 17 on a conflict with
 * recovery raises InterruptPending only, and ProcessInterrupts decides.
 */
#if PG_VERSION_NUM >= 170000
#define COMPAT_RECOVERY_CONFLICT_IS_INTERRUPT true
#else
#define COMPAT_RECOVERY_CONFLICT_IS_INTERRUPT false
#endif

/* Up to 17 the executor is told whether it is called once. */
#if PG_VERSION_NUM < 180000
#define COMPAT_EXECUTE_ONCE_PARAMETER , bool execute_once
#define COMPAT_EXECUTE_ONCE_ARGUMENT , execute_once
#else
#define COMPAT_EXECUTE_ONCE_PARAMETER
#define COMPAT_EXECUTE_ONCE_ARGUMENT
#endif

/* From 18 on what prints a line of EXPLAIN has a header of its own. */
#if PG_VERSION_NUM >= 180000
#define COMPAT_EXPLAIN_HEADER "commands/explain_format.h"
#define COMPAT_EXPLAIN_STATE_HEADER "commands/explain_state.h"
#else
#define COMPAT_EXPLAIN_HEADER "commands/explain.h"
#define COMPAT_EXPLAIN_STATE_HEADER "commands/explain.h"
#endif

#endif
