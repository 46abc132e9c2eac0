/*
 * choose.h - an architecture for who gives none.
 */
#ifndef MAAS_PG_LEARN_CHOOSE_H
#define MAAS_PG_LEARN_CHOOSE_H

#include "table.h"

/* Which columns are texts rather than categories, by the first rows: their values have several words and seldom
 * occur twice.  The table is to be rewound afterwards. */
void ChooseTexts(Table *table);

/* JSON of a network for what the preparation gives; words: of each port, numbers of words are below, 0: no text. */
char *ChooseArchitecture(const Table *table, int n_ports, const MaasPort *ports, const int64_t *words);

#endif
