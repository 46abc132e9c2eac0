/*
 * progress.c - how far trainings are, as other sessions see it while they run.
 *
 * Each session that trains has a small file of its own in the server's directory of passing statistics, which
 * backups skip, and writes it anew several times a second.  A reader passes over one whose session is gone, and
 * removes it. A file is written by one write, so that a reader sees a whole state but for a crash in the middle,
 * which its magic number and size tell.  No preloading, no locks.
 */
#include "postgres.h"
#include "compat.h"

#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/procarray.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "progress.h"

PG_FUNCTION_INFO_V1(maas_list_training_progress);

#define MAGIC 0x6d61706f
#define PREFIX "maas_training_"
#define TELL_MILLISECONDS 200

static void PathOf(char *path, int pid)
{
    snprintf(path, MAXPGPATH, "%s/" PREFIX "%d", PG_STAT_TMP_DIR, pid);
}

static void Remove(void *arg)
{
    char path[MAXPGPATH];

    PathOf(path, MyProcPid);
    (void)unlink(path);
}

/* Progress is no reason to fail: what cannot be written is not told. */
static void Write(const Progress *progress)
{
    char path[MAXPGPATH];
    int file;

    PathOf(path, MyProcPid);
    file = OpenTransientFile(path, O_CREAT | O_WRONLY | PG_BINARY);
    if (file < 0)
        return;
    if (pg_pwrite(file, progress, sizeof(*progress), 0) != sizeof(*progress))
        (void)unlink(path);
    CloseTransientFile(file);
}

void ProgressBegin(Progress *progress, const char *model, MemoryContext context)
{
    MemoryContextCallback *callback = MemoryContextAllocZero(context, sizeof(*callback));

    callback->func = Remove;
    MemoryContextRegisterResetCallback(context, callback);
    progress->magic = MAGIC;
    progress->pid = MyProcPid;
    progress->database = MyDatabaseId;
    progress->owner = GetUserId();
    strlcpy(progress->model, model, sizeof(progress->model));
    progress->begun = progress->told = GetCurrentTimestamp();
    progress->loss = progress->validation_loss = progress->speed = progress->left = NAN;
    Write(progress);
}

void ProgressTell(Progress *progress)
{
    TimestampTz now = GetCurrentTimestamp();

    if (!TimestampDifferenceExceeds(progress->told, now, TELL_MILLISECONDS))
        return;
    progress->told = now;
    Write(progress);
}

/* ---- reading ---- */

static bool Read(const char *name, Progress *progress)
{
    char path[MAXPGPATH];
    int file;
    bool whole;

    snprintf(path, sizeof(path), "%s/%s", PG_STAT_TMP_DIR, name);
    file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
    if (file < 0)
        return false; /* it has just ended */
    whole = read(file, progress, sizeof(*progress)) == sizeof(*progress) && progress->magic == MAGIC;
    CloseTransientFile(file);
    if (whole && BackendPidGetProc(progress->pid) == NULL) {
        (void)unlink(path);
        return false;
    }
    progress->model[PROGRESS_NAME - 1] = '\0';
    return whole;
}

static void SetNumber(Datum *values, bool *nulls, int i, double value)
{
    values[i] = Float8GetDatum(value);
    nulls[i] = isnan(value);
}

static void AddRow(Tuplestorestate *store, TupleDesc desc, const Progress *p)
{
    Datum values[14];
    bool nulls[14] = {false};

    values[0] = Int32GetDatum(p->pid);
    values[1] = CStringGetTextDatum(p->model);
    values[2] = ObjectIdGetDatum(p->owner);
    values[3] = Int64GetDatum(p->epoch);
    values[4] = Int64GetDatum(p->epochs);
    values[5] = Int64GetDatum(p->step);
    values[6] = Int64GetDatum(p->steps);
    values[7] = Int64GetDatum(p->rows);
    SetNumber(values, nulls, 8, p->loss);
    SetNumber(values, nulls, 9, p->validation_loss);
    SetNumber(values, nulls, 10, p->speed);
    SetNumber(values, nulls, 11, p->left);
    values[12] = TimestampTzGetDatum(p->begun);
    values[13] = TimestampTzGetDatum(p->told);
    tuplestore_putvalues(store, desc, values, nulls);
}

/* maas.list_training_progress(): the trainings that run in this database by roles whose rights the caller has. */
Datum maas_list_training_progress(PG_FUNCTION_ARGS)
{
    ReturnSetInfo *info = (ReturnSetInfo *)fcinfo->resultinfo;
    MemoryContext old;
    TupleDesc desc;
    Tuplestorestate *store;
    DIR *dir;
    struct dirent *entry;

    if (!info || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("maas.list_training_progress cannot return its rows here")));
    if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
        elog(ERROR, "maas.list_training_progress must return rows");
    old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
    desc = CreateTupleDescCopy(desc);
    store = tuplestore_begin_heap(info->allowedModes & SFRM_Materialize_Random, false, work_mem);
    MemoryContextSwitchTo(old);
    info->returnMode = SFRM_Materialize;
    info->setResult = store;
    info->setDesc = desc;
    dir = AllocateDir(PG_STAT_TMP_DIR);
    while ((entry = ReadDirExtended(dir, PG_STAT_TMP_DIR, LOG)) != NULL) {
        Progress progress;

        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 && Read(entry->d_name, &progress) &&
            progress.database == MyDatabaseId && has_privs_of_role(GetUserId(), progress.owner))
            AddRow(store, desc, &progress);
    }
    FreeDir(dir);
    return (Datum)0;
}
