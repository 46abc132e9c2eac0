/*
 * train.h - a training as it is asked for, now or in a background worker.
 */
#ifndef MAAS_PG_FN_TRAIN_H
#define MAAS_PG_FN_TRAIN_H

#include "postgres.h"

typedef struct TrainRequest {
    const char *model, *query, *target;
    const char *architecture, *options; /* JSON, or NULL */
    bool tune, deploy;
} TrainRequest;

/* Trains, stores the model and the run; the result as jsonb.  run: the number of its row in maas.training_run,
 * which is there already; 0: it is not. */
Datum TrainAndStore(const TrainRequest *request, int64 run);

/* Starts a worker that does so as the caller; returns when the run has its row.  function: this one's OID. */
Datum TrainInBackground(const TrainRequest *request, Oid function);

#endif
