/*
 * training.h - one training, from a query to the bytes of a model.
 */
#ifndef MAAS_PG_LEARN_TRAINING_H
#define MAAS_PG_LEARN_TRAINING_H

#include "lib/stringinfo.h"
#include "portability/instr_time.h"

#include "progress.h"
#include "window.h"

typedef struct Training {
    /* the caller's */
    const char *function; /* for messages */
    const char *name;     /* of the model */
    const char *query, *target;
    const Jsonb *architecture, *options; /* NULL: none */
    int64 run;                           /* its row in maas.training_run, when that is there already; else 0 */
    const text *tune;                    /* the version to begin with; NULL: a new network */
    /* what comes of it */
    Settings settings;
    Table *table;
    char *architecture_json; /* UTF-8; NULL: tuned */
    int64 epochs_done, steps_done, n_dropped, n_duplicates;
    double seconds;               /* in all */
    double reading, learning;     /* of them: rows until they are batches, with the survey; steps */
    double loss, validation_loss; /* of the last epoch; validation NaN: none */
    StringInfoData epochs;        /* a JSON list of the epochs */
    char *metrics;                /* JSON of the validation's, or NULL */
    void *bytes;                  /* of the model */
    size_t n_bytes;
    bool null_as_nan;
    Datum labels; /* text[], of the version to begin with */
    bool has_labels;
    /* at work */
    MemoryContext context;
    MaasArena arena;
    MaasMem mem;
    Loader *loader;
    Window *window, *apart; /* apart NULL: nothing is kept apart */
    Size step_limit;        /* bytes that the rows leave for a step */
    int64 evaluate_rows;    /* in a batch; 0 before the first step */
    MaasTrainer *trainer;
    int n_texts; /* columns that the architecture reads as texts */
    MaasArchText *texts;
    int64 steps_per_epoch;
    char *checkpoint_path;
    int64 first_epoch, skip; /* resumed: epochs, and steps of the next one, that are done */
    int64 epoch_steps;       /* of this epoch so far, and the sums of */
    double epoch_loss, epoch_weight;
    int64 seen; /* rows in this run */
    instr_time begun, told;
    Progress progress;
} Training;

/* Everything but storing the model; all of it lives in the current memory context.  Throws what is wrong before any
 * step is taken. */
void TrainingRun(Training *training);

#endif
