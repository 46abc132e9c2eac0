/*
 * initialise.h - the first values of weights.
 */
#ifndef MAAS_LEARN_INITIALISE_H
#define MAAS_LEARN_INITIALISE_H

#include "../base/mem.h"
#include "../base/rng.h"

/* The names that an architecture may give, in this order, stand in maas_initialiser_names. */
typedef enum MaasInitialiser {
    MAAS_INIT_ZEROS = 0,
    MAAS_INIT_ONES,
    MAAS_INIT_GLOROT_UNIFORM,
    MAAS_INIT_GLOROT_NORMAL,
    MAAS_INIT_HE_UNIFORM,
    MAAS_INIT_HE_NORMAL,
    MAAS_INIT_LECUN_UNIFORM,
    MAAS_INIT_LECUN_NORMAL,
    MAAS_INIT_RANDOM_UNIFORM,
    MAAS_INIT_RANDOM_NORMAL,
    MAAS_INIT_ORTHOGONAL,
    MAAS_INIT_KINDS
} MaasInitialiser;

extern const char *const maas_initialiser_names[MAAS_INIT_KINDS];

/* Fills rows x columns weights.  fan_in, fan_out: how many values a unit reads, and how many units read one. */
MaasStatus maas_initialise(MaasInitialiser kind, MaasRng *rng, float *x, int64_t rows, int64_t columns,
                           int64_t fan_in, int64_t fan_out, const MaasStop *stop, MaasMem *mem, MaasError *err);

#endif
