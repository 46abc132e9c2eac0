/*
 * learn.h - training a model: the public face of this floor, part of maas.h.
 *
 * A trainer is made from the ONNX bytes of a model, whoever made them.  It appends the loss, differentiates, and
 * takes steps on batches that the caller gives; reading data, epochs and checkpoints on disk are the caller's.
 * Semantics and defaults are PyTorch's where PyTorch has the thing; options.c says where not.
 */
#ifndef MAAS_LEARN_LEARN_H
#define MAAS_LEARN_LEARN_H

#include "../maas.h"

/* ---- options: tables that say what there is, JSON that sets it ---- */

typedef enum MaasOptionKind {
    MAAS_OPTION_BOOL,   /* bool */
    MAAS_OPTION_INT,    /* int64_t */
    MAAS_OPTION_NUMBER, /* double */
    MAAS_OPTION_CHOICE, /* int: which of the choices */
    MAAS_OPTION_TEXT,   /* const char *, NULL when not given */
    MAAS_OPTION_TEXTS   /* MaasTexts: a list of strings, or one string */
} MaasOptionKind;

typedef struct MaasTexts {
    int64_t n;
    const char *const *items;
} MaasTexts;

/* One option: where its value goes, what it may be, what it is without being given. */
typedef struct MaasOption {
    const char *name;
    MaasOptionKind kind;
    size_t offset;       /* of the field in the target */
    double preset;       /* BOOL, INT, NUMBER, CHOICE; NaN: not given, another option decides */
    double low, high;    /* INT, NUMBER: the range, ends included */
    const char *choices; /* CHOICE: "sgd|adam|..." */
    const char *help;    /* one line */
} MaasOption;

/* A table and the struct that its options are written to. */
typedef struct MaasOptionTable {
    int n;
    const MaasOption *options;
    void *target;
} MaasOptionTable;

/* Sets everything to its default and then what the JSON object gives (length 0: nothing).  Every table is looked
 * into; a name that none has is MAAS_ERR_NAME and names the nearest one.  Texts and lists lie in the arena. */
MaasStatus maas_options_read(const char *json, size_t length, const MaasOptionTable *tables, int n_tables,
                             MaasArena *arena, MaasError *err);
/* The name of a choice; "" when value is out of range. */
MaasStr maas_option_choice(const MaasOption *option, int value);

typedef enum MaasLoss {
    MAAS_LOSS_AUTO, /* by the model's end: cross entropy after Softmax, binary after Sigmoid, else mse */
    MAAS_LOSS_MSE,
    MAAS_LOSS_MAE,
    MAAS_LOSS_HUBER,
    MAAS_LOSS_BINARY_CROSS_ENTROPY,
    MAAS_LOSS_CROSS_ENTROPY,
    MAAS_LOSS_POISSON,
    MAAS_LOSS_HINGE,
    MAAS_LOSS_QUANTILE
} MaasLoss;

typedef enum MaasOptimizer {
    MAAS_OPTIMIZER_SGD,
    MAAS_OPTIMIZER_ADAGRAD,
    MAAS_OPTIMIZER_RMSPROP,
    MAAS_OPTIMIZER_ADAM,
    MAAS_OPTIMIZER_ADAMW,
    MAAS_OPTIMIZER_LION,
    MAAS_OPTIMIZER_LBFGS
} MaasOptimizer;

typedef enum MaasSchedule {
    MAAS_SCHEDULE_CONSTANT,
    MAAS_SCHEDULE_STEP,
    MAAS_SCHEDULE_COSINE,
    MAAS_SCHEDULE_ON_PLATEAU,
    MAAS_SCHEDULE_ONE_CYCLE
} MaasSchedule;

/* What maas_train_options describes, field by field. */
typedef struct MaasTrainOptions {
    /* the loss */
    int loss;
    double huber_delta, quantile, label_smoothing;
    int64_t n_class_weights;     /* 0: all equal; not in the table: */
    const double *class_weights; /* the caller knows the classes and sets them */
    /* the optimiser; NaN: its own default */
    int optimizer;
    double learning_rate, momentum, dampening;
    bool nesterov;
    double beta1, beta2, alpha, epsilon;
    bool amsgrad, centered;
    double learning_rate_decay;
    int64_t max_iterations, history;
    bool line_search;
    /* regularisation */
    double weight_decay, l1, l2, clip_norm, clip_value, max_norm;
    /* the schedule */
    int schedule;
    double warmup;
    int64_t step_epochs;
    double gamma, minimum_rate;
    int64_t plateau_patience, cooldown;
    double factor, threshold;
    double cycle_start, cycle_divisor, cycle_final_divisor;
    /* the run */
    int64_t epochs, batch_size, seed;
    int64_t early_stopping;
    double minimum_delta;
    bool restore_best;
    MaasTexts freeze, train;
    const char *output;
} MaasTrainOptions;

/* The table of the trainer's options. */
const MaasOption *maas_train_options(int *n);

/* ---- training ---- */

typedef struct MaasTrainer MaasTrainer;

/* A parameter: a float initialiser that training changes, or would if it were not frozen. */
typedef struct MaasParameter {
    const char *name;
    int rank;
    const int64_t *dims;
    int64_t count;
    bool frozen;
    float *data; /* the trainer's: valid until it is freed */
} MaasParameter;

typedef struct MaasTrainerInfo {
    MaasLoss loss;
    const char *output; /* that is trained */
    int n_inputs;
    int64_t n_classes; /* cross entropy: of the last axis; else 0 */
    int n_parameters;
    const MaasParameter *parameters;
    int64_t n_trained, n_frozen; /* elements */
} MaasTrainerInfo;

/*
 * bytes: an ONNX model, read during the call and copied.  options: copied.  steps_per_epoch: batches, for
 * schedules; options->epochs tells how many epochs are planned.  All memory comes from run->mem, which the trainer
 * keeps.  Operators without a gradient are all named in the failure.
 */
MaasStatus maas_trainer_new(const void *bytes, size_t n_bytes, const MaasTrainOptions *options,
                            int64_t steps_per_epoch, const MaasRunOptions *run, MaasTrainer **out, MaasError *err);
void maas_trainer_free(MaasTrainer *trainer); /* NULL is allowed */
const MaasTrainerInfo *maas_trainer_info(const MaasTrainer *trainer);

typedef struct MaasStepResult {
    double loss;   /* weighted mean over the batch, before the update; penalties (l1, l2) not included */
    double weight; /* sum of the weights that the mean was taken over */
    double learning_rate;
    double gradient_norm; /* before clipping; NaN for lbfgs */
    int64_t step;         /* counted from 1 */
} MaasStepResult;

/*
 * One step: forward, backward, clipping, update.  inputs: as for maas_model_run.  target: class numbers (int64) or
 * as many floats as the output has; for cross entropy either.  weights: NULL or a float for each sample.  A step
 * happens as a whole or not at all: whatever fails (a cancel, memory, a loss or gradient that is no finite number:
 * MAAS_ERR_VALUE), the trainer is as it was before and can go on.
 */
MaasStatus maas_trainer_step(MaasTrainer *trainer, const MaasRunOptions *run, const MaasValue *const *inputs,
                             const MaasValue *target, const MaasValue *weights, MaasStepResult *result,
                             MaasError *err);

/*
 * Asks that what a step computes on its way to the loss and back takes no more than so many bytes, beside
 * parameters, their gradients and the optimiser's state; 0: any.  What does not fit is computed a second time in
 * the backward pass, with the same results bit for bit.  Where even that takes more, a step takes the least that
 * was found.
 */
void maas_trainer_set_memory(MaasTrainer *trainer, size_t bytes);

/* What the last step took of that, and what it would take if nothing were computed twice; 0 before the first one.
 */
typedef struct MaasStepMemory {
    size_t taken, whole;
} MaasStepMemory;

MaasStepMemory maas_trainer_memory(const MaasTrainer *trainer);

/* Loss without an update, with dropout off and batch normalisation by its running statistics.  output: NULL, or
 * gets the model's output with a reference. */
MaasStatus maas_trainer_evaluate(MaasTrainer *trainer, const MaasRunOptions *run, const MaasValue *const *inputs,
                                 const MaasValue *target, const MaasValue *weights, MaasStepResult *result,
                                 MaasValue **output, MaasError *err);

/* Tells the trainer the value that an epoch ended with (validation loss; smaller is better): on-plateau schedules
 * and early stopping go by it.  *stop: training should end.  With restore_best the best parameters so far are kept
 * and maas_trainer_export and maas_trainer_evaluate use them once *stop or maas_trainer_finish has been seen. */
MaasStatus maas_trainer_epoch(MaasTrainer *trainer, double value, bool *stop, MaasError *err);
/* Ends training: the best parameters come back if restore_best was asked for. */
void maas_trainer_finish(MaasTrainer *trainer);

/* The model with its parameters and running statistics replaced, everything else byte for byte as it came.  *bytes
 * comes from mem.  MAAS_ERR_VALUE when a trained parameter is no finite number, here as in maas_trainer_save. */
MaasStatus maas_trainer_export(const MaasTrainer *trainer, MaasMem *mem, void **bytes, size_t *n_bytes,
                               MaasError *err);

/* Parameters, optimiser state, schedule, step: a trainer of the same model and options that restores them goes on
 * as if it had never been interrupted.  restore checks everything and changes nothing when it fails. */
MaasStatus maas_trainer_save(const MaasTrainer *trainer, MaasMem *mem, void **bytes, size_t *n_bytes,
                             MaasError *err);
MaasStatus maas_trainer_restore(MaasTrainer *trainer, const void *bytes, size_t n_bytes, MaasError *err);

/* ---- metrics ---- */

typedef enum MaasMetricTask { MAAS_METRIC_VALUES, MAAS_METRIC_CLASSES } MaasMetricTask;

typedef struct MaasMetricOptions {
    MaasMetricTask task;
    int64_t width;                       /* CLASSES: how many, 2 and more; VALUES: numbers a sample */
    const char *const *classes;          /* their names for the report, copied; NULL: their numbers */
    int64_t top_k;                       /* 0: 5 */
    int64_t bins;                        /* of the calibration error; 0: 15 */
    double quantile;                     /* of the pinball loss; 0: 0.5 */
    size_t score_bytes;                  /* kept for the areas under curves; 0: 256 MB.  Beyond it they are null */
    const volatile int *stop, *stop_too; /* as in MaasRunOptions */
} MaasMetricOptions;

typedef struct MaasMetrics MaasMetrics;

MaasStatus maas_metrics_new(const MaasMetricOptions *options, MaasMem *mem, MaasMetrics **out, MaasError *err);
void maas_metrics_free(MaasMetrics *metrics); /* NULL is allowed */
/* scores (n, columns): probabilities; columns is the number of classes or, with two classes, 1: those of class 1.
 * labels (n): class numbers.  weights (n) or NULL.  MAAS_ERR_VALUE for a label out of range. */
MaasStatus maas_metrics_add_classes(MaasMetrics *metrics, int64_t n, int64_t columns, const float *scores,
                                    const int64_t *labels, const double *weights, MaasError *err);
/* predicted and actual (n, width); weights (n) or NULL. */
MaasStatus maas_metrics_add_values(MaasMetrics *metrics, int64_t n, const double *predicted, const double *actual,
                                   const double *weights, MaasError *err);
/* One number by name ("accuracy", "f1", "roc_auc", "rmse" ...; those of maas_metrics_json that are numbers).  NaN
 * when it cannot be computed (no sample, one class only); MAAS_ERR_NAME when there is none of this name. */
MaasStatus maas_metrics_get(MaasMetrics *metrics, const char *name, double *value, MaasError *err);
/* All of them as a JSON object: null for those that cannot be computed. */
MaasStatus maas_metrics_json(MaasMetrics *metrics, MaasMem *mem, char **json, size_t *length, MaasError *err);

#endif
