/*
 * words.h - texts cut into words by the very graph that cuts them in the model, to learn a vocabulary from.
 */
#ifndef MAAS_PG_LEARN_WORDS_H
#define MAAS_PG_LEARN_WORDS_H

#include "table.h"

/* Counts the words of the row's text. */
void WordsCount(const Table *table, Source *source);
/* Makes the most frequent ones the column's vocabulary. */
void WordsLearn(Source *source);

#endif
