/*
 * module.c - what happens when the server loads maas.so, and the settings.
 *
 * Nothing here needs shared_preload_libraries: the module is loaded when a function of it is first called.
 */
#include "postgres.h"
#include "compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "border.h"
#include "cache/session.h"
#include "catalog/folding.h"
#include "catalog/statement.h"
#include "exec/exec.h"

PG_MODULE_MAGIC;

int SettingMemoryLimit = 4096;
int SettingThreads = 1;

void _PG_init(void);

void _PG_init(void)
{
    DefineCustomIntVariable("maas.memory_limit", "Sets the most memory that one model or one run may use.",
                            "A run that needs more ends with an error. 0 means no limit.", &SettingMemoryLimit,
                            4096, 0, PG_INT32_MAX / 2, PGC_SUSET, GUC_UNIT_MB, NULL, NULL, NULL);
    DefineCustomIntVariable("maas.threads", "Sets the number of threads that one prediction or training uses.",
                            NULL, &SettingThreads, 1, 1, 256, PGC_USERSET, 0, NULL, NULL, NULL);
    DefineCustomIntVariable("maas.cache_size", "Sets the size of the prepared models that all sessions share.",
                            "Those that were used least recently are removed first; the newest one stays. 0: each "
                            "session prepares its own.",
                            &SettingCacheSize, 1024, 0, PG_INT32_MAX / 2, PGC_SUSET, GUC_UNIT_MB, NULL, NULL, NULL);
    ExecInit();
    MarkGUCPrefixReserved("maas");
    StatementInit();
    FoldingInit();
    SessionInit();
}
