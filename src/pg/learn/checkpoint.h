/*
 * checkpoint.h - the state of a training in a file of the server, from which it goes on after a cancel or a crash.
 */
#ifndef MAAS_PG_LEARN_CHECKPOINT_H
#define MAAS_PG_LEARN_CHECKPOINT_H

#include "lib/stringinfo.h"

#include "border.h"

/* Where a training stands. */
typedef struct Checkpoint {
    int64 seed;
    int64 epoch; /* that is under way, from 0 */
    int64 step;  /* steps of this epoch that are done */
    int64 seen, steps_done;
    uint64 meaning;      /* of the table: TableMeaning */
    double loss, weight; /* sums of this epoch */
    const char *epochs;  /* JSON of the epochs that are done, without the last bracket */
    void *state;         /* of the trainer */
    Size n_state;
} Checkpoint;

/* What makes two trainings the same: who trains what on what. */
char *CheckpointPath(const char *model, const char *query, const char *target, const char *architecture);
/* Replaces the checkpoint; the old one stays until the new one is whole. */
void CheckpointSave(const char *path, const Checkpoint *checkpoint);
/* False when there is none.  Memory comes from the current memory context. */
bool CheckpointLoad(const char *path, Checkpoint *checkpoint);
/* Removes what killed processes left half written. */
void CheckpointSweep(const char *path);
void CheckpointRemove(const char *path);

#endif
