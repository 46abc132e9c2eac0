/*
 * source.h - the values of one column, and what they are like.
 */
#ifndef MAAS_PG_LEARN_SOURCE_H
#define MAAS_PG_LEARN_SOURCE_H

#include "table.h"

/* Adds the value of the row to the statistics. */
void SourceCount(const Table *table, Source *source);
double SourceDeviation(const Source *source);

/* Counts a value of the source, or a word of it; it is copied when it is new. */
void DictionaryCount(const Table *table, Source *source, MaasStr text);
DictionaryEntry *DictionaryFind(const Dictionary *dictionary, MaasStr text);
typedef enum KeepOrder { KEEP_BY_TEXT, KEEP_BY_NUMBER, KEEP_BY_COUNT } KeepOrder;

/* Gives codes to the most frequent entries, at most `limit`, in this order; the entries are returned in it. */
MaasStr *DictionaryKeep(Dictionary *dictionary, int64 limit, KeepOrder order, int64 *n);

#endif
