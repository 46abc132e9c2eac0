/*
 * border.h - the border between the server and the engine: memory, failures, interrupts, text.
 *
 * The engine returns a status and never longjmps; the server throws and expects memory in contexts.  This is the
 * only place that turns one into the other.  A typical caller:
 *
 *     MaasMem mem;
 *     MaasError err;
 *     BorderMem(&mem, CurrentMemoryContext);
 *     BORDER_CHECK(maas_tensor_parse(text, length, &mem, &value, &err), &err);
 *
 * and for the calls that may take long:
 *
 *     MaasRunOptions options;
 *     BorderRun run = BORDER_RUN_INIT;
 *     do {
 *         BorderRunOptions(&run, &options, &mem);
 *         status = maas_model_run(model, &options, ...);
 *     } while (BorderAgain(&run, status));
 *     BORDER_CHECK(status, &err);
 */
#ifndef MAAS_PG_BORDER_H
#define MAAS_PG_BORDER_H

#include "maas.h"
#include "fmgr.h"
#include "utils/palloc.h"

/* Makes the engine's memory come from context, up to maas.memory_limit.  What the engine leaves behind when an
 * error is thrown goes with the context. */
void BorderMem(MaasMem *mem, MemoryContext context);

/* Throws the failure that err records. */
pg_noreturn void BorderThrow(const MaasError *err);

/* The same for a type's input function: where context asks for it, the failure is only saved there. */
void BorderSave(const MaasError *err, fmNodePtr context);

#define BORDER_CHECK(call, err)                                                                                    \
    do {                                                                                                           \
        if ((call) != MAAS_OK)                                                                                     \
            BorderThrow(err);                                                                                      \
    } while (0)

/* How often the call was begun; see BorderRunOptions. */
typedef struct BorderRun {
    int attempts;
} BorderRun;
#define BORDER_RUN_INIT {0}

/* Fills the options of a load or a run: memory, threads and the flags that stop it. */
void BorderRunOptions(BorderRun *run, MaasRunOptions *options, MaasMem *mem);

/* After the call: handles the interrupt that stopped it.  Throws when it was meant for this query; true when it
 * was not, and the call is to be made again. */
bool BorderAgain(BorderRun *run, MaasStatus status);

/* UTF-8 of the engine as a NUL-terminated palloc'd string in the server's encoding.  ForMessage never fails: what
 * cannot be shown becomes '?'.  The other throws on invalid bytes, on NUL and on characters that the server's
 * encoding lacks. */
char *BorderTextForMessage(const char *text, size_t length);
char *BorderText(const char *text, size_t length);
/* The server's text as UTF-8, palloc'd or text itself; *out_length gets its length. */
const char *BorderUtf8(const char *text, size_t length, size_t *out_length);

/* Settings, see module.c. */
extern int SettingMemoryLimit; /* MB; 0: none */
extern int SettingThreads;

#endif
