/*
 * name_map.h - from names to numbers, for models with a great many names.
 *
 * Open addressing with a keyed hash: whoever writes a model cannot choose names
 * that collide.  The map lives in an arena; keys are borrowed.
 */
#ifndef MAAS_FORMAT_NAME_MAP_H
#define MAAS_FORMAT_NAME_MAP_H

#include "protobuf.h"

typedef struct MaasNameEntry {
    MaasSlice key; /* data NULL: a free place */
    int value;
} MaasNameEntry;

typedef struct MaasNameMap {
    MaasArena *arena;
    uint64_t seed[2];
    int n;
    size_t cap; /* a power of two, or 0 */
    MaasNameEntry *entries;
} MaasNameMap;

void maas_names_init(MaasNameMap *map, MaasArena *arena);
/* The place of the number, or NULL; valid until the next maas_names_put. */
int *maas_names_find(const MaasNameMap *map, MaasSlice key);
/* Adds a key that is not there yet; its bytes must outlive the map. */
MaasStatus maas_names_put(MaasNameMap *map, MaasSlice key, int value, MaasError *err);

static inline MaasSlice maas_slice(const char *text)
{
    return (MaasSlice){text, __builtin_strlen(text)};
}

#endif
