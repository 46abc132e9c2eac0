/*
 * checkpoint.c - the state of a training in a file of the server, from which it goes on after a cancel or a crash.
 *
 * The file lies in the directory of passing statistics: the server keeps it over a restart, backups skip it, and no
 * transaction takes it back.  Its name is a hash of the database, the role, the model's name, the query, the target
 * and the architecture, so that nobody else comes by it.  What the trainer wrote it checks itself when it is
 * restored.
 */
#include "postgres.h"
#include "compat.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/procarray.h"
#include "utils/memutils.h"

#include "catalog/store.h"
#include "checkpoint.h"

#define MAGIC UINT64CONST(0x6d616173636b7032)

typedef struct Header {
    uint64 magic;
    int64 seed, epoch, step, seen, steps_done;
    uint64 meaning;
    double loss, weight;
    uint64 n_epochs, n_state;
    uint64 hash; /* of what follows */
} Header;

char *CheckpointPath(const char *model, const char *query, const char *target, const char *architecture)
{
    StringInfoData text;
    uint8 sha256[MODEL_SHA256_BYTES];

    initStringInfo(&text);
    appendStringInfo(&text, "%u %u %zu %zu %zu ", MyDatabaseId, GetUserId(), strlen(model), strlen(query),
                     strlen(target));
    appendStringInfo(&text, "%s%s%s%s", model, query, target, architecture);
    Sha256(text.data, text.len, sha256);
    resetStringInfo(&text);
    appendStringInfo(&text, "%s/maas_checkpoint_", PG_STAT_TMP_DIR);
    for (int i = 0; i < 16; i++)
        appendStringInfo(&text, "%02x", sha256[i]);
    return text.data;
}

static uint64 Hash(const Checkpoint *c)
{
    uint64 hash = hash_bytes_extended((const unsigned char *)c->epochs, (int)strlen(c->epochs), 0);
    const unsigned char *next = c->state;

    for (Size left = c->n_state; left > 0;) {
        int n = (int)Min(left, (Size)1 << 26);

        hash = hash_bytes_extended(next, n, hash);
        next += n;
        left -= n;
        CHECK_FOR_INTERRUPTS();
    }
    return hash;
}

static void WriteAll(int file, const char *path, const void *data, Size n)
{
    const char *next = data;

    while (n > 0) {
        ssize_t done = write(file, next, Min(n, (Size)1 << 26));

        if (done <= 0)
            ereport(ERROR, (errcode_for_file_access(), errmsg("could not write the checkpoint \"%s\": %m", path)));
        next += done;
        n -= (Size)done;
        CHECK_FOR_INTERRUPTS();
    }
}

/* Writes into a file of its own: another session may train the same. */
static void WriteFile(const char *path, const Header *header, const Checkpoint *c)
{
    int file = OpenTransientFile(path, O_CREAT | O_TRUNC | O_WRONLY | PG_BINARY);

    if (file < 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not create the checkpoint \"%s\": %m", path)));
    WriteAll(file, path, header, sizeof(*header));
    WriteAll(file, path, c->epochs, strlen(c->epochs));
    WriteAll(file, path, c->state, c->n_state);
    if (pg_fsync(file) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not fsync the checkpoint \"%s\": %m", path)));
    if (CloseTransientFile(file) != 0)
        ereport(ERROR, (errcode_for_file_access(), errmsg("could not close the checkpoint \"%s\": %m", path)));
}

void CheckpointSave(const char *path, const Checkpoint *c)
{
    char *fresh = psprintf("%s.%d", path, MyProcPid);
    Header header = {.magic = MAGIC,
                     .seed = c->seed,
                     .epoch = c->epoch,
                     .step = c->step,
                     .seen = c->seen,
                     .steps_done = c->steps_done,
                     .meaning = c->meaning,
                     .loss = c->loss,
                     .weight = c->weight,
                     .n_epochs = strlen(c->epochs),
                     .n_state = c->n_state,
                     .hash = Hash(c)};

    PG_TRY();
    {
        WriteFile(fresh, &header, c);
        /* not durable_rename, which opens the file by its new name: the other session may have removed it since */
        if (rename(fresh, path) != 0)
            ereport(ERROR,
                    (errcode_for_file_access(), errmsg("could not rename the checkpoint \"%s\": %m", fresh)));
    }
    PG_CATCH();
    {
        (void)unlink(fresh);
        PG_RE_THROW();
    }
    PG_END_TRY();
    pfree(fresh);
}

static bool ReadAll(int file, void *data, Size n)
{
    char *next = data;

    while (n > 0) {
        ssize_t done = read(file, next, Min(n, (Size)1 << 26));

        if (done <= 0)
            return false;
        next += done;
        n -= (Size)done;
        CHECK_FOR_INTERRUPTS();
    }
    return true;
}

/* What follows the header, whose numbers agree with the file's size. */
static bool ReadBody(int file, const Header *header, Checkpoint *c)
{
    char *epochs = MemoryContextAllocHuge(CurrentMemoryContext, header->n_epochs + 1);

    c->n_state = header->n_state;
    c->state = MemoryContextAllocHuge(CurrentMemoryContext, Max(c->n_state, 1));
    if (!ReadAll(file, epochs, header->n_epochs) || !ReadAll(file, c->state, c->n_state))
        return false;
    epochs[header->n_epochs] = '\0';
    c->epochs = epochs;
    return Hash(c) == header->hash;
}

bool CheckpointLoad(const char *path, Checkpoint *c)
{
    int file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
    Header header;
    struct stat st;
    bool good;

    memset(c, 0, sizeof(*c));
    if (file < 0)
        return false;
    good = fstat(file, &st) == 0 && ReadAll(file, &header, sizeof(header)) && header.magic == MAGIC &&
           header.n_epochs <= (uint64)st.st_size && header.n_state <= (uint64)st.st_size &&
           sizeof(header) + header.n_epochs + header.n_state == (uint64)st.st_size && ReadBody(file, &header, c);
    CloseTransientFile(file);
    if (!good)
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the checkpoint \"%s\" is damaged", path),
                        errhint("Train without \"resume\".")));
    c->seed = header.seed;
    c->epoch = header.epoch;
    c->step = header.step;
    c->seen = header.seen;
    c->steps_done = header.steps_done;
    c->meaning = header.meaning;
    c->loss = header.loss;
    c->weight = header.weight;
    return true;
}

/* A server that was killed while it wrote leaves a file of its process. */
void CheckpointSweep(const char *path)
{
    const char *name = last_dir_separator(path) + 1;
    DIR *dir = AllocateDir(PG_STAT_TMP_DIR);
    struct dirent *entry;

    while ((entry = ReadDirExtended(dir, PG_STAT_TMP_DIR, LOG)) != NULL) {
        char left[MAXPGPATH];

        if (strncmp(entry->d_name, name, strlen(name)) != 0 || entry->d_name[strlen(name)] != '.' ||
            BackendPidGetProc(atoi(entry->d_name + strlen(name) + 1)) != NULL)
            continue;
        snprintf(left, sizeof(left), "%s/%s", PG_STAT_TMP_DIR, entry->d_name);
        (void)unlink(left);
    }
    FreeDir(dir);
}

void CheckpointRemove(const char *path)
{
    (void)unlink(path);
}
