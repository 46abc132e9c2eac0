/*
 * session.c - models that are ready to run in this session.
 *
 * The key is the hash of the content: a version never changes, so nothing here needs invalidation, and no right is
 * decided here.  A model is an image that all backends map (folder.c); what this session adds to it, its structure
 * and its plans, lives in a memory context of its own.
 *
 * Building.  Who finds no image takes a lock on the content, looks again, prepares the model in private memory,
 * writes the image and opens that.  The lock is one of the server's own (an advisory lock of a class that SQL
 * cannot name): waiting for it can be cancelled, takes part in the search for deadlocks, and it goes with its
 * holder.  The processes of one parallel query hold it together, so among them a locked file decides, which is
 * looked at again and again.  Where no image can be written (a full disk, a read-only one), the session keeps
 * its private model, and says so once; with maas.cache_size = 0 no image is made at all.
 *
 * Letting go.  When a transaction ends, mappings of images that were evicted or dropped are undone, and after
 * IDLE_MS without a transaction all of them, from a timer: until then a session that only waits for its client
 * keeps the memory of a dropped model.  Within a transaction nothing is taken away.  `in_use` keeps the timer's
 * hands off the list.  The heap that a large run leaves behind goes back to the system when the transaction ends:
 * else every session would keep it.
 *
 * A load that is rolled back leaves its image, which holds no right and is evicted like any other.  So does a drop
 * that a standby replays, until PreparedSweep.
 */
#include "postgres.h"
#include "compat.h"

#include <time.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "catalog/store.h"
#include "session.h"

#define IDLE_MS 10000
#define TOUCH_MS 60000                     /* an image is marked as used no more often than this by one session */
#define UNUSED_S 3600                      /* on a standby an image of no known version stays for so long */
#define STRUCTURE_BYTES ((size_t)32 << 20) /* what a session may add to the models that it maps */
#define CLAIM_MS 5                         /* between two looks at whether a claim is free */
#define TRIM_BYTES ((size_t)1 << 20)
#define LOCK_CLASS 0x6d61 /* SQL's own advisory locks have 1 and 2 */

int SettingCacheSize = 1024;

static Prepared *cached; /* in no order: there are few */
static uint64 uses;
static volatile sig_atomic_t in_use; /* this transaction uses the list */
static TimeoutId idle_timer = MAX_TIMEOUTS;
static bool trim_heap; /* this transaction took much memory */
static List *removed;  /* contents to remove at commit; in TopTransactionContext */

/* ---- the list ---- */

/* Keeps the timer's hands off the list until the transaction ends. */
static void UseList(void)
{
    in_use = 1;
    pg_compiler_barrier();
}

static void Release(Prepared *victim)
{
    for (Prepared **p = &cached; *p; p = &(*p)->next) {
        if (*p == victim) {
            *p = victim->next;
            break;
        }
    }
    maas_model_free(victim->model);
    FolderUnmap(&victim->map);
    MemoryContextDelete(victim->context);
}

const Prepared *PreparedPeek(const uint8 *sha256)
{
    UseList();
    for (const Prepared *p = cached; p; p = p->next)
        if (memcmp(p->sha256, sha256, MODEL_SHA256_BYTES) == 0 && !p->gone)
            return p;
    return NULL;
}

static Prepared *Find(const uint8 *sha256)
{
    Prepared *p = cached;

    while (p && memcmp(p->sha256, sha256, MODEL_SHA256_BYTES) != 0)
        p = p->next;
    if (!p)
        return NULL;
    if (p->gone) {
        Release(p);
        return NULL;
    }
    p->used_at = ++uses;
    if (p->map.bytes && TimestampDifferenceExceeds(p->touched, GetCurrentStatementStartTimestamp(), TOUCH_MS)) {
        p->touched = GetCurrentStatementStartTimestamp();
        FolderTouch(sha256);
    }
    return p;
}

/* A new entry, not yet in the list: below the caller's context until all went well, so that an error takes it
 * along. */
static Prepared *Begin(const uint8 *sha256)
{
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "maas model", ALLOCSET_DEFAULT_SIZES);
    Prepared *p = MemoryContextAllocZero(context, sizeof(*p));

    p->context = context;
    memcpy(p->sha256, sha256, MODEL_SHA256_BYTES);
    BorderMem(&p->mem, context);
    return p;
}

/* Makes room for `keep`: releases private models, or what this session adds to mapped ones, until the others of its
 * kind take no more than they may. */
static void Trim(const Prepared *keep)
{
    size_t limit = keep->map.bytes ? STRUCTURE_BYTES : (size_t)SettingCacheSize * 1024 * 1024;

    for (;;) {
        Prepared *oldest = NULL;
        size_t total = 0;

        for (Prepared *p = cached; p; p = p->next) {
            if ((p->map.bytes || p->gone) != (keep->map.bytes != NULL))
                continue;
            total += p->mem.used;
            if (p != keep && (!oldest || p->used_at < oldest->used_at))
                oldest = p;
        }
        if (total <= limit || !oldest)
            return;
        Release(oldest);
    }
}

/* Undoes the mappings of a session that waits for its client.  Runs in a signal handler. */
static void SessionIdle(void)
{
    if (in_use)
        return;
    for (Prepared *p = cached; p; p = p->next)
        if (p->map.bytes) {
            FolderUnmap(&p->map);
            p->gone = true;
        }
}

static Prepared *Keep(Prepared *p)
{
    if (p->map.bytes && idle_timer == MAX_TIMEOUTS && !IsParallelWorker())
        idle_timer = RegisterTimeout(USER_TIMEOUT, SessionIdle);
    p->info = maas_model_info(p->model);
    p->used_at = ++uses;
    p->touched = GetCurrentStatementStartTimestamp();
    MemoryContextSetParent(p->context, TopMemoryContext);
    p->next = cached;
    cached = p;
    Trim(p);
    return p;
}

/* ---- opening and building ---- */

/* Opens the image of this content; NULL when there is none, or none that can be used. */
static Prepared *OpenImage(const uint8 *sha256)
{
    Prepared *p = Begin(sha256);
    MaasRunOptions options = {.mem = &p->mem, .threads = 1};
    MaasStatus status;
    MaasError err;

    if (!FolderMap(sha256, &p->map)) {
        MemoryContextDelete(p->context);
        return NULL;
    }
    status = maas_model_open_image(p->map.bytes, p->map.n_bytes, &options, &p->model, &err);
    if (status == MAAS_OK)
        return Keep(p);
    FolderUnmap(&p->map);
    if (status == MAAS_ERR_MEMORY || status == MAAS_ERR_LIMIT)
        BorderThrow(&err);
    ereport(LOG,
            (errmsg("a prepared model cannot be opened and is made again"), errdetail_internal("%s", err.message)));
    FolderRemove(sha256);
    MemoryContextDelete(p->context);
    return NULL;
}

/* Where a model comes from. */
typedef struct Source {
    const char *name; /* for messages */
    const uint8 *sha256;
    const ModelRef *ref; /* its bytes are in the catalog; NULL: here */
    const void *bytes;
    size_t n_bytes;
} Source;

/* Prepares the model in private memory. */
static Prepared *LoadPrivate(const Source *source)
{
    Prepared *p = Begin(source->sha256);
    TimestampTz start = GetCurrentTimestamp();
    MemoryContext stored = NULL;
    const void *bytes = source->bytes;
    MaasRunOptions options;
    BorderRun run = BORDER_RUN_INIT;
    MaasStatus status;
    MaasError err;

    if (source->ref) {
        stored = AllocSetContextCreate(CurrentMemoryContext, "maas model bytes", ALLOCSET_SMALL_SIZES);
        bytes = StoreRead(source->ref, stored);
    }
    do {
        BorderRunOptions(&run, &options, &p->mem);
        status = maas_model_load(bytes, source->n_bytes, &options, &p->model, &err);
    } while (BorderAgain(&run, status));
    if (status != MAAS_OK) {
        maas_error_prefix(&err, "model \"%s\"", source->name);
        BorderThrow(&err);
    }
    if (stored)
        MemoryContextDelete(stored);
    ereport(DEBUG1, (errmsg_internal("prepared model \"%s\" in %ld ms", source->name,
                                     TimestampDifferenceMilliseconds(start, GetCurrentTimestamp()))));
    return p;
}

/* Says once a session why models are not shared. */
static void NotShared(const char *why)
{
    static bool said;

    if (said || IsParallelWorker())
        return;
    said = true;
    ereport(NOTICE,
            (errmsg("the prepared model is kept in the memory of this session: its file could not be written"),
             errdetail_internal("%s", why)));
}

static bool WriteImage(const Prepared *p)
{
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "maas image", ALLOCSET_DEFAULT_SIZES);
    MaasMem mem;
    MaasRunOptions options;
    BorderRun run = BORDER_RUN_INIT;
    FolderResult result;
    char why[256];

    BorderMem(&mem, context);
    do {
        BorderRunOptions(&run, &options, &mem);
        result = FolderWrite(p->sha256, p->model, &options, why, sizeof(why));
    } while (BorderAgain(&run, result == FOLDER_STOPPED ? MAAS_ERR_CANCEL : MAAS_OK));
    MemoryContextDelete(context);
    if (result == FOLDER_FAILED)
        NotShared(why);
    return result == FOLDER_WRITTEN;
}

static Prepared *Build(const Source *source)
{
    Prepared *built = LoadPrivate(source), *opened = NULL;

    if (WriteImage(built)) {
        PreparedSweep();
        FolderTrim((uint64)SettingCacheSize * 1024 * 1024, source->sha256);
        opened = OpenImage(source->sha256);
    }
    if (!opened)
        return Keep(built);
    maas_model_free(built->model);
    MemoryContextDelete(built->context);
    trim_heap = true;
    return opened;
}

/* Waits until no other process of this parallel query writes an image; none will before FolderUnclaim. */
static int ClaimInGroup(int leader)
{
    for (;;) {
        int claim = FolderClaim(leader);

        if (claim >= 0 || errno != EWOULDBLOCK)
            return claim;
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, CLAIM_MS, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    }
}

static Prepared *Get(const Source *source)
{
    PGPROC *leader = MyProc->lockGroupLeader;
    Prepared *p;
    LOCKTAG tag;
    uint32 key[2];
    int claim = -1;

    UseList();
    p = Find(source->sha256);
    if (p)
        return p;
    if (SettingCacheSize == 0)
        return Keep(LoadPrivate(source));
    p = OpenImage(source->sha256);
    if (p)
        return p;
    memcpy(key, source->sha256, sizeof(key));
    SET_LOCKTAG_ADVISORY(tag, InvalidOid, key[0], key[1], LOCK_CLASS);
    (void)LockAcquire(&tag, ExclusiveLock, false, false); /* released by an error, too */
    if (leader)
        claim = ClaimInGroup(leader->pid);
    p = OpenImage(source->sha256);
    if (!p)
        p = Build(source);
    if (leader)
        FolderUnclaim(leader->pid, claim);
    LockRelease(&tag, ExclusiveLock, false);
    return p;
}

Prepared *PreparedLoad(const char *name, const void *bytes, size_t n_bytes, const uint8 *sha256)
{
    Source source = {.name = name, .sha256 = sha256, .bytes = bytes, .n_bytes = n_bytes};

    return Get(&source);
}

Prepared *PreparedGet(const ModelRef *ref)
{
    Source source = {.name = ref->name, .sha256 = ref->sha256, .ref = ref, .n_bytes = (size_t)ref->size};

    return Get(&source);
}

/* ---- letting go ---- */

void PreparedRemoveAtCommit(const uint8 *sha256)
{
    MemoryContext old = MemoryContextSwitchTo(TopTransactionContext);
    uint8 *copy = palloc(MODEL_SHA256_BYTES);

    memcpy(copy, sha256, MODEL_SHA256_BYTES);
    removed = lappend(removed, copy);
    MemoryContextSwitchTo(old);
    UseList();
}

/* Another database may have the content: it makes the image again if it has not used it for so long. */
void PreparedSweep(void)
{
    if (RecoveryInProgress())
        FolderSweep(time(NULL) - UNUSED_S, StoreHolds);
}

void PreparedRan(size_t bytes)
{
    trim_heap |= bytes >= TRIM_BYTES;
}

/* Gives free memory of the heap back to the system. */
static void TrimHeap(void)
{
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static void SessionTransactionEnds(XactEvent event, void *arg)
{
    bool used = in_use, mapped = false;
    ListCell *cell;

    if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PARALLEL_PRE_COMMIT ||
        event == XACT_EVENT_PRE_PREPARE || (!used && !cached))
        return;
    UseList();
    /* A transaction that is prepared may still be rolled back; then the image is made again. */
    if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
        foreach (cell, removed)
            FolderRemove(lfirst(cell));
    removed = NIL;
    for (Prepared *p = cached, *next; p; p = next) {
        next = p->next;
        if (p->gone || (p->map.bytes && !FolderHolds(p->sha256, &p->map)))
            Release(p);
        else
            mapped |= p->map.bytes != NULL;
    }
    if (trim_heap)
        TrimHeap();
    trim_heap = false;
    if (mapped && used && idle_timer != MAX_TIMEOUTS && !proc_exit_inprogress)
        enable_timeout_after(idle_timer, IDLE_MS);
    pg_compiler_barrier();
    in_use = 0;
}

void SessionInit(void)
{
    RegisterXactCallback(SessionTransactionEnds, NULL);
}
