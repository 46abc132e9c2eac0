/*
 * record.h - trainings as rows of maas.training_run.
 */
#ifndef MAAS_PG_LEARN_RECORD_H
#define MAAS_PG_LEARN_RECORD_H

#include "training.h"

/* Writes the row of a training that is done; its number. */
int64 RecordRun(const Training *training, int64 model, int32 version);

#endif
