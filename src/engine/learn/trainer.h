/*
 * trainer.h - what a trainer is made of; shared by the files of this folder that implement learn.h's trainer.
 *
 * trainer.c      making one: import, parameters, loss, differentiation
 * step.c         steps and evaluation
 * unshare.c      initialisers that an exporter joined
 * model_bytes.c  initialisers in the bytes of a model: listing and replacing them
 * checkpoint.c   saving and restoring
 */
#ifndef MAAS_LEARN_TRAINER_H
#define MAAS_LEARN_TRAINER_H

#include "../format/onnx_import.h"
#include "../transform/recompute.h"
#include "optimizer.h"
#include "parameters.h"
#include "schedule.h"

#define MAAS_TRAIN_PLANS 8 /* batch shapes that are remembered */

/* An initialiser that training changes: a parameter or a running statistic.  Both graphs hold the same value. */
typedef struct MaasVariable {
    const char *name;
    int edge; /* in both graphs */
    MaasValue *value;
    MaasParameterMark mark;
    bool frozen;
} MaasVariable;

/* A batch normalisation whose running statistics follow the batches. */
typedef struct MaasRunning {
    int mean, variance;             /* variables */
    int batch_mean, batch_variance; /* edges of the training graph */
    int size;                       /* edge: elements of its input */
    double momentum;                /* share of the old value */
} MaasRunning;

/* One of the two graphs with its plans. */
typedef struct MaasTrainGraph {
    MaasOnnxModel onnx;
    int n_wanted;
    int *wanted;
    int n_plans;
    MaasStepPlan plans[MAAS_TRAIN_PLANS]; /* used last first */
    size_t limit;                         /* see maas_trainer_set_memory */
} MaasTrainGraph;

typedef struct MaasEdgeList {
    int n, *edges;
} MaasEdgeList;

struct MaasTrainer {
    MaasMem *mem;
    MaasArena arena;
    MaasTrainOptions options;
    int64_t steps_per_epoch;
    void *bytes; /* of the model as it came */
    size_t n_bytes;
    MaasTrainerInfo info;

    MaasTrainGraph train; /* wanted: loss, weight, gradients of the slots, batch statistics */
    MaasTrainGraph eval;  /* wanted: loss, weight, output */
    int n_inputs;         /* of the model; target and weights follow in the graphs */
    MaasWorkspace workspace;
    MaasEdgeList apart; /* initialisers that have a value of their own again, in both graphs */
    int n_variables;
    MaasVariable *variables;
    int n_slots;
    MaasSlot *slots;
    int *slot_variables;
    int n_running;
    MaasRunning *running;
    MaasLbfgs *lbfgs;

    int64_t step;
    MaasScheduleState schedule;
    bool has_best;
    float **best;    /* per variable, with restore_best; else NULL */
    MaasValue *ones; /* weights when the caller gives none; grows */
};

/* ---- unshare.c ---- */

/* Takes joined initialisers of a graph that was just imported apart.  apart: their edges, in the arena. */
MaasStatus maas_unshare_initializers(MaasGraph *graph, MaasMem *mem, MaasArena *arena, MaasEdgeList *apart,
                                     MaasError *err);

/* ---- model_bytes.c ---- */

/* The names of the main graph's initialisers, in the arena. */
MaasStatus maas_model_initializers(const void *bytes, size_t n_bytes, MaasArena *arena, int *n, MaasStr **names,
                                   MaasError *err);
/* The bytes with the content of some initialisers replaced; one that was taken apart replaces its Identity. */
MaasStatus maas_model_replace(const void *bytes, size_t n_bytes, int n, const MaasVariable *variables, MaasMem *mem,
                              void **out, size_t *n_out, MaasError *err);

/* ---- step.c ---- */

/* Makes the working memory that does not depend on the batch. */
MaasStatus maas_trainer_prepare(MaasTrainer *t, MaasError *err);
/* MAAS_ERR_VALUE when training has driven a parameter to something that is no finite number, which the next loss
 * would tell: nothing is to be kept of that. */
MaasStatus maas_trainer_check_finite(const MaasTrainer *t, MaasError *err);

#endif
