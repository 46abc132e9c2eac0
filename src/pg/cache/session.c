/*
 * session.c - models that are ready to run in this session.
 *
 * The key is the hash of the content: a version never changes, so nothing here needs invalidation, and no right is
 * decided here.  Each model lives in a memory context of its own.  When they take more than maas.cache_size
 * together, those that were used least recently go; the newest one always stays.
 */
#include "postgres.h"
#include "compat.h"

#include "utils/memutils.h"

#include "catalog/store.h"
#include "session.h"

int SettingCacheSize = 1024;

static Prepared *cached; /* in no order: there are few */
static uint64 uses;

static Prepared *Find(const uint8 *sha256)
{
    for (Prepared *p = cached; p; p = p->next) {
        if (memcmp(p->sha256, sha256, MODEL_SHA256_BYTES) == 0) {
            p->used_at = ++uses;
            return p;
        }
    }
    return NULL;
}

static void Evict(Prepared *victim)
{
    for (Prepared **p = &cached; *p; p = &(*p)->next) {
        if (*p == victim) {
            *p = victim->next;
            break;
        }
    }
    maas_model_free(victim->model);
    MemoryContextDelete(victim->context);
}

/* Makes room: evicts until the models take no more than the setting, but for `keep`. */
static void Trim(const Prepared *keep)
{
    size_t limit = (size_t)SettingCacheSize * 1024 * 1024;

    for (;;) {
        Prepared *oldest = NULL;
        size_t total = 0;

        for (Prepared *p = cached; p; p = p->next) {
            total += p->mem.used;
            if (p != keep && (!oldest || p->used_at < oldest->used_at))
                oldest = p;
        }
        if (total <= limit || !oldest)
            return;
        Evict(oldest);
    }
}

Prepared *PreparedLoad(const char *name, const void *bytes, size_t n_bytes, const uint8 *sha256)
{
    MemoryContext context;
    MaasRunOptions options;
    BorderRun run = BORDER_RUN_INIT;
    MaasError err;
    MaasStatus status;
    Prepared *p = Find(sha256);

    if (p)
        return p;
    /* Below the caller's context until all went well, so that an error takes it along. */
    context = AllocSetContextCreate(CurrentMemoryContext, "maas model", ALLOCSET_DEFAULT_SIZES);
    p = MemoryContextAllocZero(context, sizeof(*p));
    p->context = context;
    memcpy(p->sha256, sha256, MODEL_SHA256_BYTES);
    BorderMem(&p->mem, context);
    do {
        BorderRunOptions(&run, &options, &p->mem);
        status = maas_model_load(bytes, n_bytes, &options, &p->model, &err);
    } while (BorderAgain(&run, status));
    if (status != MAAS_OK) {
        maas_error_prefix(&err, "model \"%s\"", name);
        BorderThrow(&err);
    }
    p->info = maas_model_info(p->model);
    p->used_at = ++uses;
    MemoryContextSetParent(context, TopMemoryContext);
    p->next = cached;
    cached = p;
    Trim(p);
    return p;
}

Prepared *PreparedGet(const ModelRef *ref)
{
    Prepared *p = Find(ref->sha256);
    MemoryContext context;
    void *bytes;

    if (p)
        return p;
    context = AllocSetContextCreate(CurrentMemoryContext, "maas model bytes", ALLOCSET_SMALL_SIZES);
    bytes = StoreRead(ref, context);
    p = PreparedLoad(ref->name, bytes, (size_t)ref->size, ref->sha256);
    MemoryContextDelete(context);
    return p;
}
