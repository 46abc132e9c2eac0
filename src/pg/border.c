/*
 * border.c - memory, failures, interrupts and text between the server and the engine.
 *
 * Memory: engine blocks are chunks of a memory context and die with it, so a thrown error leaks nothing.  Failures:
 * BorderThrow is the only ereport for an engine status.  Interrupts: the engine polls flags that the server's
 * signal handlers set and unwinds normally; only then is the interrupt handled.  No locks are taken here.
 */
#include "postgres.h"
#include "compat.h"

#include "access/parallel.h"
#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "border.h"

StaticAssertDecl(sizeof(sig_atomic_t) == sizeof(int), "the engine polls the server's flags as int");

/* An allocation that returns NULL where palloc would throw. */
static void *BorderAlloc(void *ctx, size_t bytes)
{
    if (!AllocHugeSizeIsValid(bytes))
        return NULL;
    return MemoryContextAllocExtended((MemoryContext)ctx, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
}

static void BorderFree(void *ctx, void *block)
{
    pfree(block);
}

void BorderMem(MaasMem *mem, MemoryContext context)
{
    memset(mem, 0, sizeof(*mem));
    mem->host.alloc = BorderAlloc;
    mem->host.free = BorderFree;
    mem->host.ctx = context;
    mem->limit = (size_t)SettingMemoryLimit * 1024 * 1024;
}

static int BorderSqlState(MaasStatus status)
{
    switch (status) {
    case MAAS_ERR_MEMORY:
        return ERRCODE_OUT_OF_MEMORY;
    case MAAS_ERR_LIMIT:
        return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
    case MAAS_ERR_CANCEL:
        return ERRCODE_QUERY_CANCELED;
    case MAAS_ERR_FORMAT:
        return ERRCODE_INVALID_TEXT_REPRESENTATION;
    case MAAS_ERR_UNSUPPORTED:
        return ERRCODE_FEATURE_NOT_SUPPORTED;
    case MAAS_ERR_TYPE:
        return ERRCODE_DATATYPE_MISMATCH;
    case MAAS_ERR_SHAPE:
        return ERRCODE_ARRAY_SUBSCRIPT_ERROR;
    case MAAS_ERR_VALUE:
        return ERRCODE_INVALID_PARAMETER_VALUE;
    case MAAS_ERR_NAME:
        return ERRCODE_UNDEFINED_PARAMETER;
    default:
        return ERRCODE_INTERNAL_ERROR;
    }
}

void BorderSave(const MaasError *err, fmNodePtr context)
{
    const char *message = BorderTextForMessage(err->message, strnlen(err->message, sizeof(err->message)));
    const char *detail = BorderTextForMessage(err->detail, strnlen(err->detail, sizeof(err->detail)));
    const char *hint = BorderTextForMessage(err->hint, strnlen(err->hint, sizeof(err->hint)));

    errsave(context, (errcode(BorderSqlState(err->status)), errmsg_internal("%s", message),
                      detail[0] ? errdetail_internal("%s", detail) : 0, hint[0] ? errhint("%s", hint) : 0));
}

void BorderThrow(const MaasError *err)
{
    BorderSave(err, NULL);
    pg_unreachable();
}

/*
 * The engine watches the two flags that mean "end this query".  InterruptPending would be too coarse: barriers,
 * messages of parallel workers and connection checks raise it too, and every one of them would cost a run.  Only on
 * a standby of version 17 or later it is needed, since a conflict with recovery raises nothing else; then the first
 * attempt watches it, and a false alarm costs at most that one attempt.
 *
 * While interrupts are held off nothing can be thrown, so nothing is watched.
 */
void BorderRunOptions(BorderRun *run, MaasRunOptions *options, MaasMem *mem)
{
    CHECK_FOR_INTERRUPTS();
    memset(options, 0, sizeof(*options));
    options->mem = mem;
    options->threads = IsParallelWorker() ? 1 : SettingThreads;
    if (INTERRUPTS_CAN_BE_PROCESSED()) {
        options->stop = (const volatile int *)&QueryCancelPending;
        options->stop_too = (const volatile int *)&ProcDiePending;
        if (COMPAT_RECOVERY_CONFLICT_IS_INTERRUPT && run->attempts == 0 && RecoveryInProgress())
            options->stop = (const volatile int *)&InterruptPending;
    }
    run->attempts++;
}

bool BorderAgain(BorderRun *run, MaasStatus status)
{
    if (status != MAAS_ERR_CANCEL)
        return false;
    CHECK_FOR_INTERRUPTS();
    return true;
}

char *BorderTextForMessage(const char *text, size_t length)
{
    char *clean = pnstrdup(text, length);
    int server = GetDatabaseEncoding();
    size_t at = 0;

    /* Names in a model are a stranger's bytes, and a message may be cut in the middle of a character. */
    length = strlen(clean);
    while (at < length) {
        at += pg_encoding_verifymbstr(PG_UTF8, clean + at, (int)(length - at));
        if (at < length)
            clean[at++] = '?';
    }
    if (server == PG_UTF8 || server == PG_SQL_ASCII)
        return clean;
    for (const char *c = clean; *c; c++) {
        if (IS_HIGHBIT_SET(*c)) {
            /* A message must not fail because its encoding lacks a character: only ASCII is surely there. */
            char *to = clean;
            for (const char *from = clean; *from;) {
                int step = pg_utf_mblen((const unsigned char *)from);
                *to++ = step == 1 ? *from : '?';
                from += step;
            }
            *to = '\0';
            break;
        }
    }
    return clean;
}

char *BorderText(const char *text, size_t length)
{
    char *copy;

    if (memchr(text, '\0', length))
        ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
                        errmsg("a string of a tensor contains a zero byte, which text cannot hold"),
                        errhint("Read it with maas_tensor_to_onnx or maas_tensor_data.")));
    if (length > MaxAllocSize - 1)
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("a text of %zu bytes is too long", length)));
    copy = pnstrdup(text, length);
    return pg_any_to_server(copy, (int)length, PG_UTF8);
}

const char *BorderUtf8(const char *text, size_t length, size_t *out_length)
{
    const char *utf8 = pg_server_to_any(text, (int)length, PG_UTF8);

    *out_length = utf8 == text ? length : strlen(utf8);
    return utf8;
}
