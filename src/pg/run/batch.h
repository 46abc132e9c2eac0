/*
 * batch.h - examples that are gathered and run together, each to get the answer that a call of its own would give.
 *
 *     BatchBegin(batch);
 *     if (BatchReady(batch))                         looks up as the caller; false: the model's rows depend on each
 * other for each row: BatchAdd(batch, value, &place);           false: it has to be a call of its own
 *     BatchRun(batch);
 *     for each row that was added: BatchAnswer(batch, reader, place)
 *
 * Several calls of one model about the same input read their answers from one run: each is a reader.
 *
 * An example that fails does so in BatchAnswer: when the run of all failed, the rows run one by one there.
 */
#ifndef MAAS_PG_RUN_BATCH_H
#define MAAS_PG_RUN_BATCH_H

#include "portability/instr_time.h"

#include "call.h"

/* What the SQL function takes and returns. */
typedef enum BatchInput { BATCH_TENSOR, BATCH_ARRAY, BATCH_TEXT, BATCH_ROW, BATCH_JSON } BatchInput;
typedef enum BatchAnswerKind { BATCH_TO_TENSOR, BATCH_TO_LABEL, BATCH_TO_SCORE, BATCH_TO_JSON } BatchAnswerKind;

/* One input of all examples of a group, one below the other. */
typedef struct BatchPart {
    bool bound;
    MaasType type;
    int rank;
    int64_t dims[MAAS_MAX_RANK]; /* of one example: dims[0] is 1 */
    size_t count, bytes;         /* elements and bytes of one example */
    char *data;                  /* (examples, ...) */
} BatchPart;

/* Examples of the same shapes. */
typedef struct BatchGroup {
    bool single; /* see Call */
    int n, room;
    size_t held;      /* bytes of the parts' buffers */
    BatchPart *parts; /* one for each input of the model */
    Datum *answers;   /* (readers, room) */
    bool *answered;   /* (readers, room) */
} BatchGroup;

/* A call that reads answers. */
typedef struct BatchReader {
    BatchAnswerKind answer;
    const text *output; /* of BATCH_TO_TENSOR; NULL: the scores */
    bool together;      /* what it reads does not depend on other examples; else each answer has a run of its own */
    int n_wanted, *wanted; /* outputs of the model */
    int *at;               /* of each, its place among the results */
} BatchReader;

#define BATCH_READERS 8

#define BATCH_GROUPS 64

/* Where an example stands. */
typedef struct BatchPlace {
    int16 group;
    int32 index;
} BatchPlace;

typedef struct Batch {
    BatchInput input;
    bool content; /* the model is named by its hash */
    const FmgrInfo *flinfo;
    Datum model; /* the name or the hash */
    int n_readers;
    BatchReader readers[BATCH_READERS];
    MemoryContext context; /* for as long as the batch: groups and their buffers */
    MemoryContext values;  /* of one filling: strings, answers */

    /* What was learnt from the model, good while its version stays the same. */
    bool known, joinable;
    ModelRef ref;       /* the numbers only */
    int n_inputs, only; /* only: the one input that a tensor or an array goes to, or -1 */
    MaasType type;      /* of that input, and its shape */
    int rank;
    int64_t dims[MAAS_MAX_RANK];
    int n_wanted, *wanted; /* by all readers */

    Statement at; /* when the right was last asked for */
    int n_groups;
    BatchGroup *last; /* where numbers of the shape that was given last go, or NULL; the shape */
    int last_rank;
    int64_t last_dims[MAAS_MAX_RANK];
    int row_group; /* of rows like the last one that was bound, or -1 */
    Oid row_type;
    int32 row_typmod;
    MaasType *row_types; /* of all inputs */
    void **row_places;
    BatchGroup groups[BATCH_GROUPS];
    size_t bytes;  /* that the examples take */
    size_t held;   /* and the buffers of all groups */
    int most;      /* examples that may run at once */
    size_t budget; /* bytes that a run should not exceed */

    bool timing;
    double time; /* seconds in the engine */
    int64 runs;
} Batch;

Batch *BatchNew(MemoryContext context, BatchInput input, bool content, const FmgrInfo *flinfo);

/* Adds a reader; its number.  The caller may set its output at any time before BatchReady. */
int BatchAddReader(Batch *batch, BatchAnswerKind answer);

/* Forgets all examples. */
void BatchBegin(Batch *batch);

/* Finds the model as the caller; throws what a single call would.  False: each example has to be a call of its own.
 */
bool BatchReady(Batch *batch);

/* Takes an example, which is copied; false when it has to be a call of its own.  Never throws on account of the
 * value.  Works in the current memory context, which the caller empties. */
bool BatchAdd(Batch *batch, Datum value, BatchPlace *place);

/* Runs all examples. */
void BatchRun(Batch *batch);

/* The answer to an example; throws what a single call would.  Valid until BatchBegin. */
Datum BatchAnswer(Batch *batch, int reader, BatchPlace place);

/* Whether the answer is there, so that it can be had without a run and without asking for a right. */
bool BatchHasAnswer(const Batch *batch, int reader, BatchPlace place);

/* Replaces examples (tensors or rows, for BATCH_TO_TENSOR) by their answers, which are good until the next call;
 * NULLs stay.  Of those that fail the first one throws. */
void BatchAnswerAll(Batch *batch, int n, Datum *examples, const bool *nulls);

/* ---- between the files of the batch ---- */

/* The version that the caller may use now; throws when there is none. */
const ModelRef *BatchFind(const Batch *batch);
bool BatchSameVersion(const ModelRef *a, const ModelRef *b);

/* Whether an input has a free leading dimension for the examples. */
bool BatchTakes(const MaasPort *port);

/* Gives back a group's buffers. */
void BatchClearGroup(Batch *batch, BatchGroup *group);

/* Cuts the results of n examples into a reader's answers; false when the results do not come apart. */
bool BatchTake(const BatchReader *reader, bool single, Call *call, int n, Datum *answers);

/* An error that was caught may be put aside: it does not end the query. */
bool BatchMayWait(void);

#endif
