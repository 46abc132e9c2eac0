/*
 * record.h - trainings as rows of maas.training_run.
 */
#ifndef MAAS_PG_LEARN_RECORD_H
#define MAAS_PG_LEARN_RECORD_H

#include "training.h"

/* Writes the row of a training that is done, or completes the one that is there; its number. */
int64 RecordRun(const Training *training, int32 version);

/* The row of a training that begins in this process, in a transaction of its own. */
int64 RecordBegin(const char *model, const char *query, const char *target, const char *options);
/* ... and that failed. */
void RecordFailed(int64 run, const char *error);

#endif
