/*
 * target.h - the column that is learned: classes or numbers.  What the survey makes of it stands in the table.
 */
#ifndef MAAS_PG_LEARN_TARGET_H
#define MAAS_PG_LEARN_TARGET_H

#include "table.h"

/* Adds the target of the row to what is known of it. */
void TargetCount(Table *table);

/* Decides on the task and learns the classes, or the numbers' means and deviations.  Throws what cannot be learned.
 * classes: whole numbers are classes, however many there are. */
void TargetLearn(Table *table, bool classes);
/* The same for rows that are bound to a model, as TableSurveyTarget. */
void TargetOfModel(Table *table, int64 n_outputs, bool numbers, int n_labels, const char *const *labels);

/* The class of the row, and its entry; that throws when the survey did not see it. */
MaasStr TargetText(const Table *table);
const DictionaryEntry *TargetClass(const Table *table);

#endif
