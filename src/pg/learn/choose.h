/*
 * choose.h - an architecture for who gives none.
 */
#ifndef MAAS_PG_LEARN_CHOOSE_H
#define MAAS_PG_LEARN_CHOOSE_H

#include "table.h"

/* JSON of a network for what the preparation gives. */
char *ChooseArchitecture(const Table *table, int n_ports, const MaasPort *ports);

#endif
