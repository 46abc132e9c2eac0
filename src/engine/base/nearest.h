/*
 * nearest.h - the name that somebody may have meant.
 */
#ifndef MAAS_BASE_NEAREST_H
#define MAAS_BASE_NEAREST_H

#include "dtype.h"

/* Of n names the one that the fewest typing errors turn into `name`, or NULL when all are too far away.  Case is
 * passed over; stride: bytes from one pointer to a name to the next one. */
const char *maas_nearest_name(const char *name, const void *names, size_t n, size_t stride);

/* The same for names that come one by one: begin, consider each, then found tells (length 0: none is near). */
typedef struct MaasNearest {
    MaasStr name, found;
    int bound;
} MaasNearest;

MaasNearest maas_nearest_begin(MaasStr name);
void maas_nearest_consider(MaasNearest *nearest, MaasStr candidate);

#endif
