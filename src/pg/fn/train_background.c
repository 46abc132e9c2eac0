/*
 * train_background.c - a training in a background worker, as the caller.
 *
 * The request, the caller's settings and role go through a segment of shared memory, which the caller keeps until
 * the worker has written the run's row and copied what it needs.  The worker has three transactions: the row, the
 * training, and, when that fails, the row again.  It sees what is committed, not what its caller is about to
 * commit.
 */
#include "postgres.h"
#include "compat.h"

#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "libpq/pqsignal.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "learn/record.h"
#include "train.h"

typedef struct Shared {
    Oid database, session_user, user;
    int security;
    bool tune, deploy;
    volatile int64 run;               /* 0: not yet */
    Size settings;                    /* where they begin in data */
    char data[FLEXIBLE_ARRAY_MEMBER]; /* five texts, each with a byte before it: whether it is there */
} Shared;

PGDLLEXPORT void maas_training_worker(Datum handle);

/* ---- the request in shared memory ---- */

static Size TextSize(const char *text)
{
    return 2 + (text ? strlen(text) : 0);
}

static char *PutText(char *to, const char *text)
{
    *to++ = text != NULL;
    strcpy(to, text ? text : "");
    return to + strlen(to) + 1;
}

static char *TakeText(char **from)
{
    char *text = **from ? MemoryContextStrdup(TopMemoryContext, *from + 1) : NULL;

    *from += strlen(*from + 1) + 2;
    return text;
}

static dsm_segment *PutRequest(const TrainRequest *r)
{
    Size texts = TextSize(r->model) + TextSize(r->query) + TextSize(r->target) + TextSize(r->architecture) +
                 TextSize(r->options);
    Size settings = EstimateGUCStateSpace();
    dsm_segment *segment = dsm_create(offsetof(Shared, data) + texts + settings, 0);
    Shared *shared = dsm_segment_address(segment);
    char *next = shared->data;

    memset(shared, 0, offsetof(Shared, data));
    shared->database = MyDatabaseId;
    shared->session_user = GetSessionUserId();
    GetUserIdAndSecContext(&shared->user, &shared->security);
    shared->tune = r->tune;
    shared->deploy = r->deploy;
    next = PutText(next, r->model);
    next = PutText(next, r->query);
    next = PutText(next, r->target);
    next = PutText(next, r->architecture);
    next = PutText(next, r->options);
    shared->settings = next - shared->data;
    SerializeGUCState(settings, next);
    return segment;
}

/* ---- the caller's side ---- */

/* The file that the server loaded this function from. */
static void CopyLibrary(Oid function, char *library, Size size)
{
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    bool isnull = true;
    Datum file = (Datum)0;

    if (HeapTupleIsValid(tuple))
        file = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_probin, &isnull);
    if (isnull || strlcpy(library, TextDatumGetCString(file), size) >= size)
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_NAME), errmsg("the file name of the extension's library is too long")));
    ReleaseSysCache(tuple);
}

static BackgroundWorkerHandle *StartWorker(const TrainRequest *request, Oid function, dsm_segment *segment)
{
    BackgroundWorker worker = {.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
                               .bgw_start_time = BgWorkerStart_RecoveryFinished,
                               .bgw_restart_time = BGW_NEVER_RESTART,
                               .bgw_notify_pid = MyProcPid,
                               .bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment))};
    BackgroundWorkerHandle *handle;

    CopyLibrary(function, worker.bgw_library_name, sizeof(worker.bgw_library_name));
    strlcpy(worker.bgw_function_name, "maas_training_worker", sizeof(worker.bgw_function_name));
    snprintf(worker.bgw_name, BGW_MAXLEN, "maas training of \"%s\"", request->model);
    strlcpy(worker.bgw_type, "maas training", sizeof(worker.bgw_type));
    if (!RegisterDynamicBackgroundWorker(&worker, &handle))
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("there is no background worker left"),
                        errhint("Raise max_worker_processes, or train without background.")));
    return handle;
}

Datum TrainInBackground(const TrainRequest *request, Oid function)
{
    dsm_segment *segment = PutRequest(request);
    Shared *shared = dsm_segment_address(segment);
    BackgroundWorkerHandle *handle = StartWorker(request, function, segment);
    pid_t pid = 0;
    int64 run;

    while (shared->run == 0) {
        if (GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED && shared->run == 0)
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("the background worker ended before the training began"),
                            errhint("The server's log tells why.")));
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, 20, PG_WAIT_EXTENSION);
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
    }
    run = shared->run;
    (void)GetBackgroundWorkerPid(handle, &pid);
    dsm_detach(segment);
    return DirectFunctionCall1(
        jsonb_in,
        CStringGetDatum(psprintf("{\"run\":" INT64_FORMAT ",\"pid\":%d,\"background\":true}", run, (int)pid)));
}

/* ---- the worker's side ---- */

static void Begin(void)
{
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
}

static void Commit(void)
{
    PopActiveSnapshot();
    CommitTransactionCommand();
}

/* Takes on the caller's settings and role, writes the run's row and lets the caller go. */
static int64 TakeRequest(dsm_handle handle, TrainRequest *request)
{
    dsm_segment *segment;
    Shared *shared;
    char *next;
    int64 run;

    CurrentResourceOwner = ResourceOwnerCreate(NULL, "maas training");
    segment = dsm_attach(handle);
    if (!segment)
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the caller of the training is gone")));
    shared = dsm_segment_address(segment);
    dsm_pin_mapping(segment); /* until it is detached, whatever the transactions do */
    BackgroundWorkerInitializeConnectionByOid(shared->database, shared->session_user, 0);
    next = shared->data;
    request->model = TakeText(&next);
    request->query = TakeText(&next);
    request->target = TakeText(&next);
    request->architecture = TakeText(&next);
    request->options = TakeText(&next);
    request->tune = shared->tune;
    request->deploy = shared->deploy;
    StartTransactionCommand();
    RestoreGUCState(shared->data + shared->settings);
    CommitTransactionCommand();
    SetUserIdAndSecContext(shared->user, shared->security);
    Begin();
    run = RecordBegin(request->model, request->query, request->target, request->options);
    Commit();
    shared->run = run;
    dsm_detach(segment);
    return run;
}

/* The error as a client would see it. */
static char *TextOfError(const ErrorData *error)
{
    StringInfoData text;

    initStringInfo(&text);
    appendStringInfoString(&text, error->message ? error->message : "unknown error");
    if (error->detail)
        appendStringInfo(&text, "\nDETAIL:  %s", error->detail);
    if (error->hint)
        appendStringInfo(&text, "\nHINT:  %s", error->hint);
    return text.data;
}

void maas_training_worker(Datum handle)
{
    TrainRequest request = {0};
    Oid user;
    int security;
    int64 run;

    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    run = TakeRequest(DatumGetUInt32(handle), &request);
    GetUserIdAndSecContext(&user, &security);
    pgstat_report_activity(STATE_RUNNING, request.query);
    PG_TRY();
    {
        Begin();
        (void)TrainAndStore(&request, run);
        Commit();
    }
    PG_CATCH();
    {
        ErrorData *error;

        MemoryContextSwitchTo(TopMemoryContext);
        error = CopyErrorData();
        EmitErrorReport();
        FlushErrorState();
        AbortCurrentTransaction();
        SetUserIdAndSecContext(user, security);
        Begin();
        RecordFailed(run, TextOfError(error));
        Commit();
    }
    PG_END_TRY();
    pgstat_report_activity(STATE_IDLE, NULL);
}
