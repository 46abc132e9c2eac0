/*
 * models.h - how a model that is in memory becomes a version of a model.
 */
#ifndef MAAS_PG_FN_MODELS_H
#define MAAS_PG_FN_MODELS_H

#include "catalog/store.h"

/* Checks and prepares the bytes and adds them; the version's number.  The caller fills all but sha256 and
 * signature; version->model comes from StoreLockModel. */
int32 ModelAdd(NewVersion *version, bool deploy);

#endif
