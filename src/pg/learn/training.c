/*
 * training.c - one training: survey, network, epochs, the model.
 *
 * Rows that fit into maintenance_work_mem are read once and stay; others stream through a window, read anew in each
 * epoch and shuffled within the window.  Rows take at most three quarters of that memory, those kept apart for
 * validation a quarter of this share; steps take what the rows leave, computing parts of the network twice if need
 * be. The engine's steps are the caller's own: a cancel or a timeout is seen within a step.
 */
#include "postgres.h"
#include "compat.h"

#include <math.h>

#include "portability/instr_time.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog/store.h"
#include "checkpoint.h"
#include "choose.h"
#include "run/answer.h"
#include "training.h"

#define FEW_STEPS 2000 /* steps that are wanted at least where the epochs are not given */
#define MOST_EPOCHS 200
#define TELL_SECONDS 2.0
#define EVALUATE_ROWS 1024
#define AUGMENT_STREAM (UINT64CONST(1) << 62) /* random numbers apart from those that shuffle */

/* ---- the network ---- */

/* Whether the architecture's first layers want arrays as they are: entries of an embedding, or rescaled; and which
 * columns they read as texts. */
static void LookAtArchitecture(Training *t, bool *classes, bool *whole, bool *raw)
{
    const Jsonb *architecture = t->architecture;
    char *text =
        architecture ? JsonbToCString(NULL, (JsonbContainer *)&architecture->root, VARSIZE(architecture)) : NULL;
    MaasError err = {0};
    size_t length;

    if (text) {
        const char *json = BorderUtf8(text, strlen(text), &length);

        BORDER_CHECK(maas_architecture_texts(json, length, &t->arena, &t->n_texts, &t->texts, &err), &err);
    }
    *whole = text && strstr(text, "\"embedding\"") != NULL;
    *raw = text && strstr(text, "\"rescaling\"") != NULL;
    *classes = text && strstr(text, "\"softmax\"") != NULL;
}

/* For each port, the numbers that words of it are below; 0 for those that are no texts. */
static int64_t *WordsOfPorts(const Training *t)
{
    const Loader *loader = t->loader;
    int64_t *words = palloc0(sizeof(*words) * Max(loader->n_ports, 1));

    for (int p = 0; p < loader->n_ports; p++)
        for (int i = 0; i < t->table->n_sources; i++) {
            const MaasColumn *column = &t->table->sources[i].column;

            if (column->kind == MAAS_COLUMN_TEXT && strcmp(column->name, loader->ports[p].name) == 0)
                words[p] = column->n_categories + MAAS_TEXT_SPECIAL;
        }
    return words;
}

/* For each port of whole numbers, which ones occur. */
static MaasRange *RangesOfPorts(const Training *t)
{
    const Loader *loader = t->loader;
    MaasRange *ranges = palloc0(sizeof(*ranges) * Max(loader->n_ports, 1));

    for (int p = 0; p < loader->n_ports; p++)
        for (int i = 0; i < t->table->n_sources; i++) {
            const Source *source = &t->table->sources[i];

            if (source->column.kind == MAAS_COLUMN_TENSOR &&
                strcmp(source->column.name, loader->ports[p].name) == 0)
                ranges[p] = (MaasRange){true, source->lowest, source->highest};
        }
    return ranges;
}

/* What a network of numbers must end in for its output to be what the loss compares; NULL: nothing. */
static const char *EndOf(int loss)
{
    switch (loss) {
    case MAAS_LOSS_POISSON:
        return "exponential";
    case MAAS_LOSS_BINARY_CROSS_ENTROPY:
        return "sigmoid";
    case MAAS_LOSS_CROSS_ENTROPY:
        return "softmax";
    default:
        return NULL;
    }
}

static void *MakeNetwork(Training *t, size_t *n_bytes)
{
    MaasArchitecture architecture = {.n_inputs = t->loader->n_ports,
                                     .inputs = t->loader->ports,
                                     .words = WordsOfPorts(t),
                                     .ranges = RangesOfPorts(t),
                                     .input_prefix = MAAS_PREPARED,
                                     .task = t->table->task,
                                     .end = EndOf(t->settings.train.loss),
                                     .n_outputs = t->table->target_info.n,
                                     .seed = (uint64)t->settings.train.seed};
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasStatus status;
    MaasError err = {0};
    void *bytes = NULL;

    if (t->architecture) {
        char *text = JsonbToCString(NULL, (JsonbContainer *)&t->architecture->root, VARSIZE(t->architecture));
        size_t length;

        t->architecture_json = (char *)BorderUtf8(text, strlen(text), &length);
    } else
        t->architecture_json =
            ChooseArchitecture(t->table, t->loader->n_ports, t->loader->ports, architecture.words);
    architecture.json = t->architecture_json;
    architecture.length = strlen(t->architecture_json);
    do {
        BorderRunOptions(&run, &options, &t->mem);
        status = maas_architecture_to_onnx(&architecture, &options, &bytes, n_bytes, &err);
    } while (BorderAgain(&run, status));
    BORDER_CHECK(status, &err);
    return bytes;
}

/* bytes: a model, no longer needed afterwards. */
static void MakeTrainer(Training *t, const void *bytes, size_t n_bytes)
{
    MaasTrainOptions *train = &t->settings.train;
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasStatus status;
    MaasError err = {0};

    t->steps_per_epoch = (t->table->n_train + train->batch_size - 1) / train->batch_size;
    if (!t->settings.has_epochs && !t->tune)
        train->epochs = Min(Max(train->epochs, FEW_STEPS / Max(t->steps_per_epoch, 1)), MOST_EPOCHS);
    if (t->table->class_weights) {
        train->class_weights = t->table->class_weights;
        train->n_class_weights = t->table->target_info.n;
    }
    do {
        BorderRunOptions(&run, &options, &t->mem);
        status = maas_trainer_new(bytes, n_bytes, train, t->steps_per_epoch, &options, &t->trainer, &err);
    } while (BorderAgain(&run, status));
    BORDER_CHECK(status, &err);
}

/* Columns and network as one model, the network as it is. */
static void JoinColumns(Training *t, const void *network, size_t n_network)
{
    MaasError err = {0};

    BORDER_CHECK(maas_prepare_join(&t->table->learned, &t->table->target_info, network, n_network, &t->mem,
                                   &t->bytes, &t->n_bytes, &err),
                 &err);
}

/* Says before the training that the whole would be no model: a column may bear the name of something in the
 * network. */
static void CheckJoined(Training *t, const void *network, size_t n_network)
{
    BorderRun run = BORDER_RUN_INIT;
    MaasRunOptions options;
    MaasModel *model;
    MaasStatus status;
    MaasError err = {0};

    JoinColumns(t, network, n_network);
    do {
        BorderRunOptions(&run, &options, &t->mem);
        status = maas_model_load(t->bytes, t->n_bytes, &options, &model, &err);
    } while (BorderAgain(&run, status));
    if (status != MAAS_OK)
        maas_error_hint(&err, "Where it names a column: give that another name in the query, with AS.");
    BORDER_CHECK(status, &err);
    maas_model_free(model);
    maas_free(&t->mem, t->bytes);
    t->bytes = NULL;
}

/* Finds the checkpoint to go on from, before anything depends on the seed. */
static bool FindCheckpoint(Training *t, Checkpoint *checkpoint)
{
    const char *network = "";

    if (t->architecture)
        network = JsonbToCString(NULL, (JsonbContainer *)&t->architecture->root, VARSIZE(t->architecture));
    else if (t->tune)
        network = psprintf("tune %s", text_to_cstring(t->tune));
    t->checkpoint_path = CheckpointPath(t->name, t->query, t->target, network);
    if (t->settings.checkpoint > 0)
        CheckpointSweep(t->checkpoint_path);
    if (!t->settings.resume)
        return false;
    if (!CheckpointLoad(t->checkpoint_path, checkpoint)) {
        ereport(NOTICE, (errmsg("there is no checkpoint of this training: it begins anew")));
        return false;
    }
    t->settings.train.seed = checkpoint->seed;
    return true;
}

static void Resume(Training *t, const Checkpoint *checkpoint)
{
    MaasError err = {0};

    if (checkpoint->meaning != TableMeaning(t->table))
        ereport(ERROR,
                (errcode(ERRCODE_DATA_EXCEPTION),
                 errmsg("the checkpoint is of other classes or categories than those that the query returns now"),
                 errhint("Train without \"resume\".")));
    if (maas_trainer_restore(t->trainer, checkpoint->state, checkpoint->n_state, &err) != MAAS_OK) {
        maas_error_prefix(&err, "the checkpoint does not fit");
        BorderThrow(&err);
    }
    t->first_epoch = t->epochs_done = checkpoint->epoch;
    t->skip = checkpoint->step;
    t->seen = checkpoint->seen;
    t->steps_done = checkpoint->steps_done;
    t->epoch_loss = checkpoint->loss;
    t->epoch_weight = checkpoint->weight;
    resetStringInfo(&t->epochs);
    appendStringInfoString(&t->epochs, checkpoint->epochs);
}

static void SaveCheckpoint(Training *t, int64 epoch)
{
    MaasError err = {0};
    size_t n_state;
    Checkpoint checkpoint = {.seed = t->settings.train.seed,
                             .epoch = epoch,
                             .step = t->epoch_steps,
                             .seen = t->seen,
                             .steps_done = t->steps_done,
                             .meaning = TableMeaning(t->table),
                             .loss = t->epoch_loss,
                             .weight = t->epoch_weight,
                             .epochs = t->epochs.data};

    BORDER_CHECK(maas_trainer_save(t->trainer, &t->mem, &checkpoint.state, &n_state, &err), &err);
    checkpoint.n_state = n_state;
    CheckpointSave(t->checkpoint_path, &checkpoint);
    maas_free(&t->mem, checkpoint.state);
}

static void MakeWindows(Training *t)
{
    Size all = (Size)maintenance_work_mem * 1024, most = all - all / 4, row = WindowRowBytes(t->loader), held;
    Size apart = Min(row * (Size)t->table->n_validation, most / 4);

    t->window = WindowNew(t->loader, t->table->n_train, t->settings.train.batch_size, most - apart);
    held = row * (Size)t->window->capacity;
    if (t->table->n_validation > 0) {
        t->apart = WindowNew(t->loader, t->table->n_validation, 1, apart);
        held += row * (Size)t->apart->capacity;
    }
    t->step_limit = all - Min(held, most); /* a window holds one batch however large it is */
    maas_trainer_set_memory(t->trainer, t->step_limit);
    if (t->window->capacity < t->table->n_train)
        ereport(NOTICE,
                (errmsg("the rows take %zu MB, more than maintenance_work_mem: they are read again in each epoch",
                        (size_t)(row * (Size)t->table->n_rows >> 20))));
}

/* ---- telling ---- */

static double Seconds(instr_time since)
{
    instr_time now;

    INSTR_TIME_SET_CURRENT(now);
    INSTR_TIME_SUBTRACT(now, since);
    return INSTR_TIME_GET_DOUBLE(now);
}

static void Tell(Training *t, int64 epoch, double loss)
{
    double seconds = Seconds(t->begun), speed = (double)t->seen / Max(seconds, 1e-9);
    double left = Max((double)(t->settings.train.epochs * t->table->n_train - t->seen) / Max(speed, 1e-9), 0);

    t->progress.epoch = epoch + 1;
    t->progress.epochs = t->settings.train.epochs;
    t->progress.step = t->steps_done;
    t->progress.steps = t->settings.train.epochs * t->steps_per_epoch;
    t->progress.rows = t->seen;
    t->progress.loss = loss;
    t->progress.speed = speed;
    t->progress.left = left;
    ProgressTell(&t->progress);
    if (Seconds(t->told) < TELL_SECONDS)
        return;
    INSTR_TIME_SET_CURRENT(t->told);
    ereport(NOTICE, (errmsg("epoch " INT64_FORMAT " of " INT64_FORMAT ": loss %.4g, %.0f rows/s, %.0f s left",
                            epoch + 1, (int64)t->settings.train.epochs, loss, speed, left)));
}

/* ---- epochs ---- */

static pg_noreturn void StepFailed(const Training *t, MaasError *err, int64 epoch)
{
    if (t->settings.checkpoint > 0 && t->steps_done >= t->settings.checkpoint)
        maas_error_hint(err, " The last checkpoint stays: \"resume\": true goes on from there.");
    maas_error_prefix(err, "epoch " INT64_FORMAT, epoch + 1);
    BorderThrow(err);
}

/* After the first step: what steps take is known.  Rows are evaluated in batches that take no more. */
static void LookAtMemory(Training *t, int64 n)
{
    MaasStepMemory memory = maas_trainer_memory(t->trainer);
    Size row = memory.whole / (Size)n;

    t->evaluate_rows = Min(EVALUATE_ROWS, Max(n, (int64)(t->step_limit / Max(row, 1))));
    if (memory.taken < memory.whole)
        ereport(NOTICE,
                (errmsg("parts of the network are computed twice, as maintenance_work_mem asks"),
                 errdetail("A step takes %.1f MB beside the rows, and would take %.1f MB.",
                           (double)memory.taken / (1 << 20), (double)memory.whole / (1 << 20)),
                 errhint("Training is faster with %zu MB more.", ((memory.whole - memory.taken) >> 20) + 1)));
    else if (memory.taken > t->step_limit)
        ereport(NOTICE, (errmsg("a step takes more than the rows leave of maintenance_work_mem"),
                         errdetail("It takes %.1f MB beside the rows, %.1f MB are left.",
                                   (double)memory.taken / (1 << 20), (double)t->step_limit / (1 << 20)),
                         errhint("A smaller batch_size takes less.")));
}

/* Takes a step on each batch of the window. */
static void LearnWindow(Training *t, int64 epoch)
{
    int64 batch_size = t->settings.train.batch_size;

    for (int64 at = 0; at < t->window->n; at += batch_size) {
        int64 n = Min(batch_size, t->window->n - at);
        BorderRun run = BORDER_RUN_INIT;
        MaasRunOptions options;
        MaasStepResult result;
        MaasStatus status;
        MaasError err = {0};
        instr_time begun;
        Batch batch;

        t->epoch_steps++;
        if (t->skip > 0) { /* done before the checkpoint */
            t->skip--;
            continue;
        }
        INSTR_TIME_SET_CURRENT(begun);
        BatchMake(t->window, at, n, &t->mem, &batch);
        if (maas_augments(&t->settings.augment))
            BatchAugment(&batch, &t->settings.augment, (uint64)t->settings.train.seed,
                         AUGMENT_STREAM + (uint64)t->steps_done, &t->mem);
        t->reading += Seconds(begun);
        INSTR_TIME_SET_CURRENT(begun);
        do {
            BorderRunOptions(&run, &options, &t->mem);
            status = maas_trainer_step(t->trainer, &options, (const MaasValue *const *)batch.inputs, batch.target,
                                       batch.weights, &result, &err);
        } while (BorderAgain(&run, status));
        BatchFree(&batch);
        t->learning += Seconds(begun);
        if (status != MAAS_OK)
            StepFailed(t, &err, epoch);
        if (t->evaluate_rows == 0)
            LookAtMemory(t, n);
        t->epoch_loss += result.loss * result.weight;
        t->epoch_weight += result.weight;
        t->seen += n;
        t->steps_done++;
        if (t->settings.checkpoint > 0 && t->steps_done % t->settings.checkpoint == 0)
            SaveCheckpoint(t, epoch);
        Tell(t, epoch, t->epoch_loss / Max(t->epoch_weight, 1e-300));
    }
}

static void AddOutput(Training *t, const Batch *batch, const MaasValue *output, MaasMetrics *metrics)
{
    const Table *table = t->table;
    bool classify = table->task == MAAS_TASK_CLASSIFY;
    int64 width = table->target_info.n;
    double *weights = NULL;
    MaasError err = {0};
    MaasValue *scores;
    const MaasTensor *y;

    BORDER_CHECK(
        maas_tensor_cast(&output->tensor, classify ? MAAS_FLOAT : MAAS_DOUBLE, false, &t->mem, &scores, &err),
        &err);
    y = &scores->tensor;
    if (batch->weights) {
        weights = palloc(sizeof(double) * batch->n);
        for (int64 i = 0; i < batch->n; i++)
            weights[i] = MAAS_F32(&batch->weights->tensor)[i];
    }
    if (classify)
        BORDER_CHECK(maas_metrics_add_classes(metrics, batch->n, y->count / batch->n, MAAS_F32(y),
                                              MAAS_I64(&batch->target->tensor), weights, &err),
                     &err);
    else {
        double *predicted = palloc(sizeof(double) * batch->n * width);
        double *actual = palloc(sizeof(double) * batch->n * width);
        const double *mean = table->target_info.mean, *deviation = table->target_info.deviation;

        for (int64 i = 0; i < batch->n * width; i++) {
            predicted[i] = MAAS_F64(y)[i] * deviation[i % width] + mean[i % width];
            actual[i] = MAAS_F32(&batch->target->tensor)[i] * deviation[i % width] + mean[i % width];
        }
        BORDER_CHECK(maas_metrics_add_values(metrics, batch->n, predicted, actual, weights, &err), &err);
        pfree(predicted);
        pfree(actual);
    }
    maas_value_unref(scores);
    if (weights)
        pfree(weights);
}

/* The loss on the rows kept apart; their metrics are added. */
static double Validate(Training *t, MaasMetrics *metrics)
{
    double loss = 0, weight = 0;
    int64 rows = t->evaluate_rows > 0 ? t->evaluate_rows : EVALUATE_ROWS;

    for (int64 at = 0; at < t->apart->n; at += rows) {
        int64 n = Min(rows, t->apart->n - at);
        BorderRun run = BORDER_RUN_INIT;
        MaasRunOptions options;
        MaasStepResult result;
        MaasStatus status;
        MaasError err = {0};
        MaasValue *output = NULL;
        Batch batch;

        BatchMake(t->apart, at, n, &t->mem, &batch);
        do {
            BorderRunOptions(&run, &options, &t->mem);
            status = maas_trainer_evaluate(t->trainer, &options, (const MaasValue *const *)batch.inputs,
                                           batch.target, batch.weights, &result, &output, &err);
        } while (BorderAgain(&run, status));
        BORDER_CHECK(status, &err);
        AddOutput(t, &batch, output, metrics);
        maas_value_unref(output);
        BatchFree(&batch);
        loss += result.loss * result.weight;
        weight += result.weight;
    }
    return weight > 0 ? loss / weight : NAN;
}

/* Names of the classes, for the report; NULL for numbers. */
static const char *const *ClassNames(const Training *t)
{
    const MaasTarget *info = &t->table->target_info;
    const char **names;

    if (t->table->task != MAAS_TASK_CLASSIFY)
        return NULL;
    names = palloc(sizeof(*names) * info->n);
    for (int64 i = 0; i < info->n; i++)
        names[i] = info->strings ? pnstrdup(info->strings[i].data, info->strings[i].length)
                                 : psprintf(INT64_FORMAT, (int64)info->numbers[i]);
    return names;
}

static MaasMetrics *NewMetrics(Training *t)
{
    MaasMetricOptions options = {.task = t->table->task == MAAS_TASK_CLASSIFY ? MAAS_METRIC_CLASSES
                                                                              : MAAS_METRIC_VALUES,
                                 .width = t->table->target_info.n,
                                 .classes = ClassNames(t),
                                 .stop = (const volatile int *)&QueryCancelPending,
                                 .stop_too = (const volatile int *)&ProcDiePending};
    MaasMetrics *metrics;
    MaasError err = {0};

    BORDER_CHECK(maas_metrics_new(&options, &t->mem, &metrics, &err), &err);
    return metrics;
}

static void AddNumber(StringInfo json, const char *name, double value)
{
    if (isfinite(value))
        appendStringInfo(json, ",\"%s\":%.6g", name, value);
}

/* Ends an epoch; whether training is to end. */
static bool EndEpoch(Training *t, int64 epoch, double seconds)
{
    bool stop = false;
    MaasError err = {0};
    double accuracy = NAN;

    t->validation_loss = NAN;
    if (t->apart && t->apart->n > 0) {
        MaasMetrics *metrics = NewMetrics(t);

        t->validation_loss = t->progress.validation_loss = Validate(t, metrics);
        if (t->table->task == MAAS_TASK_CLASSIFY)
            BORDER_CHECK(maas_metrics_get(metrics, "accuracy", &accuracy, &err), &err);
        maas_metrics_free(metrics);
    }
    BORDER_CHECK(
        maas_trainer_epoch(t->trainer, isnan(t->validation_loss) ? t->loss : t->validation_loss, &stop, &err),
        &err);
    t->epochs_done = epoch + 1;
    appendStringInfo(&t->epochs, "%s{\"epoch\":" INT64_FORMAT, t->epochs.len > 1 ? "," : "", epoch + 1);
    AddNumber(&t->epochs, "loss", t->loss);
    AddNumber(&t->epochs, "validation_loss", t->validation_loss);
    AddNumber(&t->epochs, "accuracy", accuracy);
    AddNumber(&t->epochs, "seconds", seconds);
    appendStringInfoChar(&t->epochs, '}');
    return stop;
}

/* Fills the window and puts its rows into a new order; fill: it does not hold all of them already. */
static void ReadWindow(Training *t, int64 epoch, int64 part, bool fill, bool resident)
{
    instr_time begun;

    INSTR_TIME_SET_CURRENT(begun);
    if (fill)
        LoaderFill(t->loader, t->window, epoch == t->first_epoch ? t->apart : NULL, resident);
    if (fill && t->loader->ended)
        TableCheckSame(t->table);
    if (t->settings.shuffle)
        WindowShuffle(t->window, (uint64)t->settings.train.seed, (uint64)(epoch << 20 | part) + 1);
    t->reading += Seconds(begun);
}

/* The checkpoint was behind the last epoch already: only the rows kept apart are read. */
static void ReadApart(Training *t, bool resident)
{
    for (int64 part = 0; part == 0 || (!resident && !t->loader->ended); part++)
        ReadWindow(t, t->first_epoch, part, true, resident);
}

static void RunEpochs(Training *t)
{
    bool resident = t->window->capacity >= t->table->n_train, stop = false;

    INSTR_TIME_SET_CURRENT(t->begun);
    t->told = t->begun;
    if (t->first_epoch >= t->settings.train.epochs && t->apart)
        ReadApart(t, resident);
    for (int64 epoch = t->first_epoch; epoch < t->settings.train.epochs && !stop; epoch++) {
        bool first = epoch == t->first_epoch;
        instr_time begun;

        INSTR_TIME_SET_CURRENT(begun);
        t->epoch_steps = 0;
        if (!first || t->skip == 0)
            t->epoch_loss = t->epoch_weight = 0;
        if (!first && !resident)
            LoaderRewind(t->loader);
        for (int64 part = 0; part == 0 || (!resident && !t->loader->ended); part++) {
            ReadWindow(t, epoch, part, first || !resident, resident);
            LearnWindow(t, epoch);
        }
        t->loss = t->epoch_weight > 0 ? t->epoch_loss / t->epoch_weight : NAN;
        stop = EndEpoch(t, epoch, Seconds(begun));
    }
    appendStringInfoChar(&t->epochs, ']');
    maas_trainer_finish(t->trainer);
}

/* ---- the model ---- */

/* Whether NULL may be predicted from: it was learned what to make of it, or there is nothing but texts, where it is
 * as good as an empty one. */
static bool TakesNull(const Table *table)
{
    bool texts = true;

    for (int i = 0; i < table->n_sources; i++) {
        const Source *source = &table->sources[i];

        if (source->n_missing > 0 && source->column.kind != MAAS_COLUMN_TENSOR)
            return true;
        texts &= source->column.kind == MAAS_COLUMN_TEXT;
    }
    return texts;
}

static void MakeModel(Training *t)
{
    MaasError err = {0};
    void *network;
    size_t n_network, length;

    if (t->apart && t->apart->n > 0) {
        MaasMetrics *metrics = NewMetrics(t);

        t->validation_loss = Validate(t, metrics);
        BORDER_CHECK(maas_metrics_json(metrics, &t->mem, &t->metrics, &length, &err), &err);
        t->metrics = BorderText(t->metrics, length);
        maas_metrics_free(metrics);
    }
    BORDER_CHECK(maas_trainer_export(t->trainer, &t->mem, &network, &n_network, &err), &err);
    maas_trainer_free(t->trainer);
    t->trainer = NULL;
    if (t->tune) {
        t->bytes = network;
        t->n_bytes = n_network;
        return;
    }
    JoinColumns(t, network, n_network);
    maas_free(&t->mem, network);
    t->null_as_nan = TakesNull(t->table);
}

/* ---- the beginnings ---- */

/* A new network on what is learned of the columns. */
static void BeginNew(Training *t)
{
    bool classes, whole, raw;
    size_t n_network;
    void *network;
    instr_time begun;

    LookAtArchitecture(t, &classes, &whole, &raw);
    t->table = TableOpen(t->query, t->target, &t->settings, t->function, false);
    MemoryContextSwitchTo(t->context);
    INSTR_TIME_SET_CURRENT(begun);
    if (t->architecture)
        TableTexts(t->table, t->n_texts, t->texts);
    else
        ChooseTexts(t->table);
    TableSurvey(t->table, classes, whole, raw);
    t->loader = LoaderNew(t->table);
    t->reading = Seconds(begun);
    network = MakeNetwork(t, &n_network);
    CheckJoined(t, network, n_network);
    MakeTrainer(t, network, n_network);
    maas_free(&t->mem, network);
}

/* What the version to begin with says of its output. */
typedef struct Tuned {
    ModelRef ref;
    int64 n_outputs;
    bool numbers; /* we made it, to give numbers */
    int n_labels;
    const char **labels;
} Tuned;

/* Finds the version, and which of its outputs is learned; its preparation, if it has one, stays as it is. */
static void LookAtModel(Training *t, Tuned *tuned)
{
    const char *const *labels;
    const MaasPort *port;
    bool engine, prepared = false;
    MaasTrainOptions *train = &t->settings.train;
    Call call;

    CallBegin(&call, NULL, t->tune);
    tuned->ref = *call.ref;
    tuned->ref.name = pstrdup(call.ref->name);
    t->null_as_nan = call.ref->null_as_nan;
    tuned->n_labels = AnswerLabels(&call, &labels, &engine);
    tuned->labels = palloc(sizeof(char *) * Max(tuned->n_labels, 1));
    for (int i = 0; i < tuned->n_labels; i++) {
        size_t length;

        tuned->labels[i] = pstrdup(engine ? labels[i] : BorderUtf8(labels[i], strlen(labels[i]), &length));
    }
    if (tuned->ref.n_labels > 0) {
        Datum *texts = palloc(sizeof(Datum) * tuned->ref.n_labels);

        for (int i = 0; i < tuned->ref.n_labels; i++)
            texts[i] = CStringGetTextDatum(call.ref->labels[i]);
        t->labels = PointerGetDatum(construct_array(texts, tuned->ref.n_labels, TEXTOID, -1, false, TYPALIGN_INT));
        t->has_labels = true;
    }
    port = &call.info->outputs[CallOutput(&call, train->output ? cstring_to_text(train->output) : NULL)];
    if (!train->output)
        train->output = pstrdup(port->name);
    if (port->kind != MAAS_KIND_TENSOR || port->rank < 1 || (port->rank > 1 && port->dims[port->rank - 1] < 0))
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("output \"%s\" of model \"%s\" cannot be trained: its shape is %s", port->name,
                               call.ref->name, CallShape(port))));
    tuned->n_outputs = port->rank > 1 ? port->dims[port->rank - 1] : 1;
    for (int i = 0; i < call.info->n_metadata; i++)
        prepared |= strcmp(call.info->metadata[2 * i], "maas.target") == 0;
    tuned->numbers = prepared && tuned->n_labels <= 1;
    if (prepared) {
        const char **freeze = palloc(sizeof(char *) * (train->freeze.n + 1));

        for (int64 i = 0; i < train->freeze.n; i++)
            freeze[i] = train->freeze.items[i];
        freeze[train->freeze.n++] = "prepare/*";
        train->freeze.items = freeze;
    }
    CallEnd(&call);
}

/* A version that is there, whoever made it, on rows that are bound to its inputs. */
static void BeginTuned(Training *t)
{
    MemoryContext context = AllocSetContextCreate(t->context, "maas model bytes", ALLOCSET_DEFAULT_SIZES);
    Tuned tuned = {0};
    instr_time begun;
    void *bytes;

    LookAtModel(t, &tuned);
    t->table = TableOpen(t->query, t->target, &t->settings, t->function, true);
    MemoryContextSwitchTo(t->context);
    INSTR_TIME_SET_CURRENT(begun);
    TableSurveyTarget(t->table, tuned.n_outputs, tuned.numbers, tuned.n_labels, tuned.labels);
    t->loader = LoaderBind(t->table, t->tune);
    t->reading = Seconds(begun);
    bytes = StoreRead(&tuned.ref, context);
    MakeTrainer(t, bytes, (size_t)tuned.ref.size);
    MemoryContextDelete(context);
}

void TrainingRun(Training *t)
{
    Checkpoint checkpoint;
    instr_time begun;
    bool resumed;

    INSTR_TIME_SET_CURRENT(begun);
    t->context = CurrentMemoryContext;
    t->loss = t->validation_loss = NAN;
    BorderMem(&t->mem, t->context);
    maas_arena_init(&t->arena, &t->mem);
    SettingsRead(t->options, &t->arena, &t->settings);
    initStringInfo(&t->epochs);
    appendStringInfoChar(&t->epochs, '[');
    resumed = FindCheckpoint(t, &checkpoint);
    ProgressBegin(&t->progress, t->name, t->context);
    if (t->tune)
        BeginTuned(t);
    else
        BeginNew(t);
    t->n_dropped = t->table->n_dropped; /* later rounds count again */
    t->n_duplicates = t->table->n_duplicates;
    if (resumed)
        Resume(t, &checkpoint);
    MakeWindows(t);
    RunEpochs(t);
    MakeModel(t);
    RowsClose(&t->table->rows);
    MemoryContextSwitchTo(t->context);
    if (t->settings.checkpoint > 0 || resumed)
        CheckpointRemove(t->checkpoint_path);
    t->seconds = Seconds(begun);
}
