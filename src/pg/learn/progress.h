/*
 * progress.h - how far trainings are, as other sessions see it while they run.
 */
#ifndef MAAS_PG_LEARN_PROGRESS_H
#define MAAS_PG_LEARN_PROGRESS_H

#include "fmgr.h"
#include "utils/timestamp.h"

#define PROGRESS_NAME 801 /* 200 characters and a zero byte */

/* What a session tells. */
typedef struct Progress {
    uint32 magic;
    int32 pid;
    Oid database, owner;
    char model[PROGRESS_NAME];
    TimestampTz begun, told;
    int64 epoch, epochs;    /* epoch: from 1 */
    int64 step, steps;      /* of all epochs */
    int64 rows;             /* learned from so far */
    double loss;            /* of this epoch so far */
    double validation_loss; /* of the last one; NaN: none */
    double speed, left;     /* rows a second, seconds */
} Progress;

/* Begins to tell; it ends when the memory context is deleted or reset, by an error too. */
void ProgressBegin(Progress *progress, const char *model, MemoryContext context);
/* Tells, if the last time is long enough ago. */
void ProgressTell(Progress *progress);

#endif
