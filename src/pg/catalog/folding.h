/*
 * folding.h - answers that the planner computes ahead and keeps in a plan.
 */
#ifndef MAAS_PG_CATALOG_FOLDING_H
#define MAAS_PG_CATALOG_FOLDING_H

/* Tells that a right was used outside of a running query: if that is the planner's doing, its plan is bound to the
 * role and to the rights as they are.  `early`: what FoldingEarly said before the right was looked up. */
void FoldingUsed(bool early);

/* Whether no planning has been seen in this session yet. */
bool FoldingEarly(void);

/* Called when a query begins to run. */
void FoldingQueryBegins(void);

/* Called once by _PG_init. */
void FoldingInit(void);

#endif
