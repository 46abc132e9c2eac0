/*
 * schedule.c - learning rates over time, and early stopping.
 *
 * PyTorch's StepLR, CosineAnnealingLR, ReduceLROnPlateau and OneCycleLR (with its cycled momentum); cosine and one
 * cycle change with every batch, step and plateau with epochs.  Warm-up comes first, and the schedule then begins
 * as if training did.  Early stopping is Keras's.
 */
#include <math.h>

#include "schedule.h"

#define PI 3.14159265358979323846
#define LEAST_CHANGE 1e-8 /* on-plateau: smaller steps down are not taken */
/* one_cycle: the momentum (beta1 of Adam) falls while the rate rises */
#define CYCLE_LOW_MOMENTUM 0.85
#define CYCLE_HIGH_MOMENTUM 0.95

void maas_schedule_start(MaasScheduleState *state, const MaasTrainOptions *options)
{
    *state = (MaasScheduleState){.rate = options->learning_rate, .plateau_best = INFINITY, .best = INFINITY};
}

static double cosine_between(double from, double to, double share)
{
    return to + (from - to) / 2 * (cos(PI * share) + 1);
}

static double one_cycle(const MaasTrainOptions *o, double steps, double step, double *momentum)
{
    double first = o->learning_rate / o->cycle_divisor, last = first / o->cycle_final_divisor;
    double top = o->cycle_start * steps - 1, end = steps - 1;

    if (step > end)
        step = end;
    if (step <= top) {
        double share = top > 0 ? step / top : 1;

        *momentum = cosine_between(CYCLE_HIGH_MOMENTUM, CYCLE_LOW_MOMENTUM, share);
        return cosine_between(first, o->learning_rate, share);
    }
    double share = end > top ? (step - top) / (end - top) : 1;

    *momentum = cosine_between(CYCLE_LOW_MOMENTUM, CYCLE_HIGH_MOMENTUM, share);
    return cosine_between(o->learning_rate, last, share);
}

double maas_schedule_rate(const MaasScheduleState *state, const MaasTrainOptions *options, int64_t steps_per_epoch,
                          int64_t step, double *momentum)
{
    double per_epoch = steps_per_epoch > 0 ? (double)steps_per_epoch : 1;
    double total = per_epoch * (double)options->epochs, warm = round(options->warmup * per_epoch);
    double t = (double)step - warm;

    if (t < 0)
        return options->learning_rate * ((double)step + 1) / warm;
    total -= warm;
    switch (options->schedule) {
    case MAAS_SCHEDULE_STEP:
        return options->learning_rate *
               pow(options->gamma, floor(floor(t / per_epoch) / (double)options->step_epochs));
    case MAAS_SCHEDULE_COSINE:
        return cosine_between(options->learning_rate, options->minimum_rate, t < total ? t / total : 1);
    case MAAS_SCHEDULE_ON_PLATEAU:
        return state->rate;
    case MAAS_SCHEDULE_ONE_CYCLE:
        return one_cycle(options, total, t, momentum);
    default:
        return options->learning_rate;
    }
}

static void plateau(MaasScheduleState *state, const MaasTrainOptions *options, double value)
{
    if (value < state->plateau_best * (1 - options->threshold)) {
        state->plateau_best = value;
        state->bad_epochs = 0;
    } else
        state->bad_epochs++;
    if (state->cooldown_left > 0) {
        state->cooldown_left--;
        state->bad_epochs = 0;
    }
    if (state->bad_epochs <= options->plateau_patience)
        return;
    double rate = fmax(state->rate * options->factor, options->minimum_rate);

    if (state->rate - rate > LEAST_CHANGE)
        state->rate = rate;
    state->cooldown_left = options->cooldown;
    state->bad_epochs = 0;
}

void maas_schedule_epoch(MaasScheduleState *state, const MaasTrainOptions *options, double value, bool *improved,
                         bool *stop)
{
    state->epochs++;
    plateau(state, options, value);
    *improved = value < state->best - options->minimum_delta;
    if (*improved) {
        state->best = value;
        state->waited = 0;
    } else
        state->waited++;
    *stop = options->early_stopping > 0 && state->waited >= options->early_stopping;
}
