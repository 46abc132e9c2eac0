/*
 * optimizer.h - one step of an optimiser over all parameters, and its state.
 */
#ifndef MAAS_LEARN_OPTIMIZER_H
#define MAAS_LEARN_OPTIMIZER_H

#include "../kernel/optimize.h"
#include "learn.h"

#define MAAS_OPTIMIZER_SLOTS 3

/* A parameter as the optimiser sees it. */
typedef struct MaasSlot {
    float *w;
    const float *g;
    int64_t count;
    bool penalized; /* l1, l2 and max_norm are for weights, not for biases */
    /* max_norm: element (i, j, k) of (outer, units, inner) belongs to unit j; units 0: none */
    int64_t outer, units, inner;
    float *state[MAAS_OPTIMIZER_SLOTS]; /* count each; NULL where the optimiser has no use for it */
} MaasSlot;

/* Fills in what was left to the optimiser's own default. */
void maas_optimizer_defaults(MaasTrainOptions *options);
/* Makes the states, zeroed; they come from mem and belong to the slots.  On failure those made so far stay. */
MaasStatus maas_optimizer_start(const MaasTrainOptions *options, MaasMem *mem, MaasSlot *slots, int n,
                                MaasError *err);
/* Norm of the whole gradient, penalties included; no finite number when an element is none.  Fails only by stop. */
MaasStatus maas_optimizer_norm(const MaasTrainOptions *options, const MaasSlot *slots, int n, const MaasStop *stop,
                               double *norm, MaasError *err);
/* Moves the parameters: step counts from 1; rate and momentum as the schedule says (momentum NaN: the options').
 * norm: of maas_optimizer_norm.  Not for L-BFGS. */
void maas_optimizer_step(const MaasTrainOptions *options, MaasSlot *slots, int n, int64_t step, double rate,
                         double momentum, double norm, int threads);
/* Shrinks units whose incoming weights are longer than options->max_norm. */
void maas_optimizer_max_norm(const MaasTrainOptions *options, MaasSlot *slots, int n, int threads);

/* ---- L-BFGS (lbfgs.c) ---- */

typedef struct MaasLbfgs MaasLbfgs;

/* Loss at the parameters as they stand; the slots' g point to the gradients when it returns. */
typedef MaasStatus (*MaasLossFn)(void *ctx, double *loss, MaasError *err);

MaasStatus maas_lbfgs_new(const MaasTrainOptions *options, MaasMem *mem, const MaasSlot *slots, int n,
                          MaasLbfgs **out, MaasError *err);
void maas_lbfgs_free(MaasLbfgs *lbfgs); /* NULL is allowed */
/* One step: up to max_iterations iterations on the same batch.  *loss: of the first evaluation, penalties not
 * included.  On failure parameters and state are as they were.  fn may give a loss or gradients that are no finite
 * numbers: a search along a line steps back from there. */
MaasStatus maas_lbfgs_step(MaasLbfgs *lbfgs, const MaasTrainOptions *options, MaasSlot *slots, int n, double rate,
                           MaasLossFn fn, void *ctx, const MaasStop *stop, double *loss, MaasError *err);
/* The state for a checkpoint, as so many doubles; restore returns false for numbers that no state has. */
size_t maas_lbfgs_state_size(const MaasLbfgs *lbfgs);
void maas_lbfgs_save(const MaasLbfgs *lbfgs, double *state);
bool maas_lbfgs_restore(MaasLbfgs *lbfgs, const double *state);

#endif
