/*
 * schedule.h - the learning rate of a step.
 */
#ifndef MAAS_LEARN_SCHEDULE_H
#define MAAS_LEARN_SCHEDULE_H

#include "learn.h"

/* What schedules and early stopping remember of the epochs before; part of a checkpoint. */
typedef struct MaasScheduleState {
    double rate;         /* on-plateau: the learning rate that it has come down to */
    double plateau_best; /* smallest value so far */
    int64_t bad_epochs, cooldown_left;
    double best; /* early stopping */
    int64_t waited;
    int64_t epochs; /* seen so far */
} MaasScheduleState;

void maas_schedule_start(MaasScheduleState *state, const MaasTrainOptions *options);
/* Rate of step `step` (from 0).  *momentum is set where the schedule moves it (one_cycle), else left alone. */
double maas_schedule_rate(const MaasScheduleState *state, const MaasTrainOptions *options, int64_t steps_per_epoch,
                          int64_t step, double *momentum);
/* An epoch ended with this value.  *improved: it is the best so far; *stop: early stopping has waited enough. */
void maas_schedule_epoch(MaasScheduleState *state, const MaasTrainOptions *options, double value, bool *improved,
                         bool *stop);

#endif
