/*
 * source.h - the values of one column, and what they are like.
 */
#ifndef MAAS_PG_LEARN_SOURCE_H
#define MAAS_PG_LEARN_SOURCE_H

#include "table.h"

/* Adds the value of the row to the statistics. */
void SourceCount(const Table *table, Source *source);
double SourceDeviation(const Source *source);

/* Counts a value of the source; it is copied when it is new. */
void DictionaryCount(const Table *table, Source *source, MaasStr text);
DictionaryEntry *DictionaryFind(const Dictionary *dictionary, MaasStr text);
/* Gives codes to the most frequent entries, at most `limit`, in the order of their text or number; the entries are
 * returned in that order. */
MaasStr *DictionaryKeep(Dictionary *dictionary, int64 limit, bool numbers, int64 *n);

#endif
