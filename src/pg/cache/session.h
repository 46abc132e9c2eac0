/*
 * session.h - models that are ready to run in this session.
 */
#ifndef MAAS_PG_CACHE_SESSION_H
#define MAAS_PG_CACHE_SESSION_H

#include "border.h"
#include "catalog/lookup.h"
#include "datatype/timestamp.h"
#include "folder.h"

typedef struct Prepared {
    uint8 sha256[MODEL_SHA256_BYTES]; /* the key */
    MaasModel *model;
    const MaasModelInfo *info;
    MaasMem mem;           /* where model lives: all of context */
    MemoryContext context; /* this struct lives here too */
    ImageMap map;          /* of the image; without bytes: the model is this session's alone */
    bool gone;             /* the mapping was undone while the session was idle */
    TimestampTz touched;   /* when the image was last marked as used by this session */
    uint64 used_at;
    struct Prepared *next;
} Prepared;

/* The model of ref, read and prepared when it is not here.  Valid until the transaction ends, SQL runs or another
 * model is asked for. */
Prepared *PreparedGet(const ModelRef *ref);

/* The same from bytes with this hash.  `name` is for messages. */
Prepared *PreparedLoad(const char *name, const void *bytes, size_t n_bytes, const uint8 *sha256);

/* What this session holds of this content; NULL: nothing.  Does not count as use. */
const Prepared *PreparedPeek(const uint8 *sha256);

/* Tells that a run has taken so much working memory. */
void PreparedRan(size_t bytes);

/* Takes the image of a content away when the transaction commits. */
void PreparedRemoveAtCommit(const uint8 *sha256);

/* On a standby, where no trigger tells of versions that were dropped: takes images away that no version of this
 * database has and nobody has used for some time. */
void PreparedSweep(void);

/* Called once by _PG_init. */
void SessionInit(void);

extern int SettingCacheSize; /* MB */

#endif
