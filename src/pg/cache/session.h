/*
 * session.h - models that are ready to run in this session.
 */
#ifndef MAAS_PG_CACHE_SESSION_H
#define MAAS_PG_CACHE_SESSION_H

#include "border.h"
#include "catalog/lookup.h"

typedef struct Prepared {
    uint8 sha256[MODEL_SHA256_BYTES]; /* the key */
    MaasModel *model;
    const MaasModelInfo *info;
    MaasMem mem;           /* where model lives: all of context */
    MemoryContext context; /* this struct lives here too */
    uint64 used_at;
    struct Prepared *next;
} Prepared;

/* The model of ref, read and prepared when it is not here.  Valid until SQL runs or another model is asked for. */
Prepared *PreparedGet(const ModelRef *ref);

/* The same from bytes with this hash.  `name` is for messages. */
Prepared *PreparedLoad(const char *name, const void *bytes, size_t n_bytes, const uint8 *sha256);

extern int SettingCacheSize; /* MB */

#endif
