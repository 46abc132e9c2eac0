/*
 * folder.h - the folder of images: prepared models as files that all backends map.
 */
#ifndef MAAS_PG_CACHE_FOLDER_H
#define MAAS_PG_CACHE_FOLDER_H

#include <sys/stat.h>

#include "border.h"
#include "catalog/lookup.h"

/* An image that is mapped. */
typedef struct ImageMap {
    void *bytes; /* NULL: none */
    size_t n_bytes;
    dev_t device; /* the file */
    ino_t inode;
} ImageMap;

/* Maps the image of this content, read-only, and marks it as used now; false when there is none. */
bool FolderMap(const uint8 *sha256, ImageMap *map);
void FolderUnmap(ImageMap *map);
/* Whether the file is still what others find: not evicted, nor replaced. */
bool FolderHolds(const uint8 *sha256, const ImageMap *map);
/* Marks the image as used now. */
void FolderTouch(const uint8 *sha256);
/* The size of an image and when it was used last; false when there is none. */
bool FolderStat(const uint8 *sha256, int64 *size, time_t *used);

typedef enum FolderResult { FOLDER_WRITTEN, FOLDER_FAILED, FOLDER_STOPPED } FolderResult;

/* Writes the image of a model and shows it to all, whole or not at all.  FAILED: text says why, STOPPED: the stop
 * flag of options was raised.  Never throws. */
FolderResult FolderWrite(const uint8 *sha256, const MaasModel *model, const MaasRunOptions *options, char *text,
                         size_t size);

/* A claim to write images that only one process at a time can hold, of those that the same process leads; -1 when
 * another holds it, or it cannot be had (errno is not EWOULDBLOCK then).  It goes with the transaction at the
 * latest. */
int FolderClaim(int leader);
void FolderUnclaim(int leader, int claim);

/* Takes the image away; who has mapped it keeps it. */
void FolderRemove(const uint8 *sha256);
/* Takes images away that were not used since this time, of contents that `wanted` does not want. */
void FolderSweep(time_t since, bool (*wanted)(const uint8 *sha256));
/* Takes images away, those used longest ago first, until they have no more than `limit` bytes together, but for
 * `keep`. */
void FolderTrim(uint64 limit, const uint8 *keep);

#endif
