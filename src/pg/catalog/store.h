/*
 * store.h - the contents of models: written when a version is loaded, read for who was allowed to use it.
 */
#ifndef MAAS_PG_CATALOG_STORE_H
#define MAAS_PG_CATALOG_STORE_H

#include "lookup.h"

/* What is known of a version when it is stored. */
typedef struct NewVersion {
    const char *name; /* of the model */
    int64 model;
    const void *bytes;
    size_t n_bytes;
    const uint8 *sha256;
    Datum signature; /* jsonb */
    Datum labels;    /* text[] */
    bool has_labels;
    bool null_as_nan;
    Datum metrics; /* jsonb */
    bool has_metrics;
    const char *origin;
} NewVersion;

/* Finds the model of this name, or makes it with the caller as its owner, and locks it against other loads until
 * the transaction ends.  Throws when the caller may not load into it. */
int64 StoreLockModel(const char *name);

/* Adds a version to a model that StoreLockModel returned; its number. */
int32 StoreVersion(const NewVersion *version);

/* Makes the version the one that the bare name means. */
void StoreDeploy(int64 model, int32 number);

/* The bytes of a version in context.  The caller has looked ref up, which decided that they may be read. */
void *StoreRead(const ModelRef *ref, MemoryContext context);

/* Whether any version of this database has this content, whoever may see it, as the transaction itself sees it. */
bool StoreHolds(const uint8 *sha256);

/* SHA-256 of the bytes; interruptible. */
void Sha256(const void *bytes, size_t n_bytes, uint8 *sha256);

#endif
