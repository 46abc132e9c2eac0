/*
 * test_train.c - the trainer: five steps equal PyTorch's, what goes wrong leaves everything as it was, a resumed
 * run equals an uninterrupted one.
 *
 * The fixtures are in src/test/train/, written by src/test/gen/train_fixtures.py.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/format/onnx_import.h"
#include "onnx_build.h"
#include "test.h"

#define STEPS 5

static MaasStatus read_options(const char *json, size_t length, MaasTrainOptions *options, MaasArena *arena,
                               MaasError *err)
{
    MaasOptionTable table = {.target = options};

    memset(options, 0, sizeof *options);
    table.options = maas_train_options(&table.n);
    return maas_options_read(json, length, &table, 1, arena, err);
}

static char *read_fixture(const char *model, const char *file, size_t *size)
{
    char path[256];

    snprintf(path, sizeof path, "src/test/train/%s/%s", model, file);
    return read_source(path, size);
}

static MaasStatus read_value(MaasMem *mem, const char *model, const char *file, MaasValue **out, MaasError *err)
{
    size_t size;
    char *bytes = read_fixture(model, file, &size);

    if (!bytes)
        return maas_fail(err, MAAS_ERR_NAME, "no %s", file);
    MaasStatus status = maas_value_from_onnx(MAAS_KIND_TENSOR, bytes, size, mem, out, err);

    free(bytes);
    return status;
}

/* ---- five steps ---- */

typedef struct Fixture {
    const char *model, *optimizer;
} Fixture;

static MaasStatus read_batch(MaasMem *mem, const char *model, int step, MaasValue **x, MaasValue **y,
                             MaasError *err)
{
    char file[16];

    snprintf(file, sizeof file, "x%d.pb", step);
    MAAS_TRY(read_value(mem, model, file, x, err));
    snprintf(file, sizeof file, "y%d.pb", step);
    MaasStatus status = read_value(mem, model, file, y, err);

    if (status != MAAS_OK)
        maas_value_unref(*x);
    return status;
}

static MaasStatus whole_training(MaasMem *mem, void *arg, MaasError *err);

static MaasStatus step_on(MaasTrainer *trainer, const MaasRunOptions *run, const char *model, int step,
                          MaasStepResult *result, MaasError *err)
{
    MaasValue *x, *y;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MAAS_TRY(read_batch(&mem, model, step, &x, &y, err));
    const MaasValue *inputs[] = {x};
    MaasStatus status = maas_trainer_step(trainer, run, inputs, y, NULL, result, err);

    maas_value_unref(x);
    maas_value_unref(y);
    return status;
}

static MaasStatus new_trainer(MaasMem *mem, const char *model, const char *json, MaasTrainer **out, MaasError *err)
{
    MaasRunOptions run = {.mem = mem, .threads = 1};
    MaasTrainOptions options;
    MaasArena arena;
    MaasMem other;
    size_t size;
    char *bytes = read_fixture(model, "model.onnx", &size);

    if (!bytes)
        return maas_fail(err, MAAS_ERR_NAME, "no model %s", model);
    maas_mem_init(&other, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &other);
    MaasStatus status = read_options(json, strlen(json), &options, &arena, err);

    if (status == MAAS_OK)
        status = maas_trainer_new(bytes, size, &options, STEPS, &run, out, err);
    maas_arena_free(&arena); /* the trainer has copied what it needs */
    free(bytes);
    return status;
}

/* Every initialiser of two models of the same names within the tolerance of the expected one. */
static void compare_models(const char *what, const void *got, size_t got_size, const void *want, size_t want_size,
                           double tolerance)
{
    MaasOnnxModel a, b;
    MaasArena arena;
    MaasError err;
    MaasMem mem;
    int compared = 0;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &mem);
    NEED_OK(maas_onnx_import(got, got_size, &arena, &mem, &a, &err));
    NEED_OK(maas_onnx_import(want, want_size, &arena, &mem, &b, &err));
    for (int e = 0; e < b.graph->n_edges; e++) {
        const MaasEdge *edge = &b.graph->edges[e];
        int other = edge->role == MAAS_ROLE_CONSTANT ? maas_graph_find_edge(a.graph, edge->name) : MAAS_NO_VALUE;

        if (edge->role != MAAS_ROLE_CONSTANT || edge->constant->tensor.type != MAAS_FLOAT)
            continue;
        const MaasTensor *w = &edge->constant->tensor;
        const MaasValue *value = other == MAAS_NO_VALUE ? NULL : a.graph->edges[other].constant;

        if (!value || value->tensor.count != w->count) {
            test_fail(__FILE__, __LINE__, "%s: no such %s", what, edge->name);
            continue;
        }
        compared++;
        for (int64_t i = 0; i < w->count; i++) {
            double g = (double)MAAS_F32(&value->tensor)[i], t = (double)MAAS_F32(w)[i];

            if (!(fabs(g - t) <= tolerance * (1 + fabs(t)))) {
                test_fail(__FILE__, __LINE__, "%s: element %d of %s is %.9g, expected %.9g", what, (int)i,
                          edge->name, g, t);
                break;
            }
        }
    }
    CHECK(compared >= 2);
    maas_onnx_release(&a);
    maas_onnx_release(&b);
    maas_arena_free(&arena);
    CHECK_INT(mem.used, 0);
}

static void five_steps(const char *model, const char *optimizer)
{
    char file[64], what[128];
    size_t json_size, want_size, got_size;
    MaasTrainer *trainer;
    MaasValue *losses;
    MaasError err;
    MaasMem mem;
    void *got;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    snprintf(what, sizeof what, "%s, %s", model, optimizer);
    snprintf(file, sizeof file, "%s.json", optimizer);
    char *json = read_fixture(model, file, &json_size), *text = calloc(json_size + 1, 1);

    NEED(json && text);
    memcpy(text, json, json_size);
    free(json);
    NEED_OK(new_trainer(&mem, model, text, &trainer, &err));
    free(text);
    CHECK_INT(maas_trainer_info(trainer)->loss,
              strcmp(model, "binary") == 0 ? MAAS_LOSS_BINARY_CROSS_ENTROPY : MAAS_LOSS_CROSS_ENTROPY);
    CHECK_INT(maas_trainer_info(trainer)->n_frozen, 0);
    snprintf(file, sizeof file, "%s.pb", optimizer);
    NEED_OK(read_value(&mem, model, file, &losses, &err));
    for (int step = 0; step < STEPS; step++) {
        MaasStepResult result;
        double want = (double)MAAS_F32(&losses->tensor)[step];

        NEED_OK(step_on(trainer, &run, model, step, &result, &err));
        if (!(fabs(result.loss - want) <= 1e-4 * (1 + want)))
            test_fail(__FILE__, __LINE__, "%s: the loss of step %d is %.9g, expected %.9g", what, step, result.loss,
                      want);
        CHECK_INT(result.step, step + 1);
    }
    maas_value_unref(losses);
    snprintf(file, sizeof file, "%s.onnx", optimizer);
    char *want = read_fixture(model, file, &want_size);

    NEED(want);
    NEED_OK(maas_trainer_export(trainer, &mem, &got, &got_size, &err));
    maas_trainer_free(trainer);
    compare_models(what, got, got_size, want, want_size, 1e-4);
    free(want);
    maas_free(&mem, got);
    CHECK_INT(mem.used, 0);
}

TEST(train_mlp)
{
    five_steps("mlp", "sgd");
    five_steps("mlp", "adam");
    five_steps("mlp", "adamw");
}

TEST(train_lbfgs)
{
    five_steps("linear", "lbfgs_plain");
    five_steps("linear", "lbfgs");
}

TEST(train_transformer)
{
    five_steps("transformer", "sgd");
    five_steps("transformer", "adam");
    five_steps("transformer", "adamw");
}

TEST(train_attention)
{
    five_steps("attention", "sgd");
    five_steps("attention", "adam");
    five_steps("attention", "adamw");
}

TEST(train_upsample)
{
    five_steps("upsample", "sgd");
    five_steps("upsample", "adam");
    five_steps("upsample", "adamw");
}

TEST(train_lstm)
{
    five_steps("lstm", "sgd");
    five_steps("lstm", "adam");
    five_steps("lstm", "adamw");
}

TEST(train_gru)
{
    five_steps("gru", "sgd");
    five_steps("gru", "adam");
    five_steps("gru", "adamw");
}

TEST(train_cnn)
{
    five_steps("cnn", "sgd");
    five_steps("cnn", "adam");
    five_steps("cnn", "adamw");
}

TEST(train_positions)
{
    five_steps("positions", "sgd");
    five_steps("positions", "adam");
    five_steps("positions", "adamw");
}

/* Norms that were never trained, in a model that holds equal initialisers once. */
TEST(train_fresh)
{
    five_steps("fresh", "sgd");
    five_steps("fresh", "adam");
    five_steps("fresh", "adamw");
    CHECK_EACH_FAILURE(whole_training, "fresh");
}

/* What ends in a Sigmoid or Softmax whose result is only moved. */
TEST(train_ends)
{
    five_steps("binary", "sgd");
    five_steps("binary", "adam");
    five_steps("binary", "adamw");
    five_steps("pairs", "sgd");
    five_steps("pairs", "adam");
    five_steps("pairs", "adamw");
}

/* ---- what must not happen ---- */

#define ADAM "{\"optimizer\":\"adam\",\"learning_rate\":0.01"

/* Two steps, saved; the third in the same trainer and in one that was restored. */
static void resume(const char *model, const char *json)
{
    MaasTrainer *one, *two;
    MaasStepResult a, b;
    size_t size, one_size, two_size;
    void *bytes, *one_bytes, *two_bytes;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    NEED_OK(new_trainer(&mem, model, json, &one, &err));
    NEED_OK(new_trainer(&mem, model, json, &two, &err));
    for (int step = 0; step < 2; step++)
        NEED_OK(step_on(one, &run, model, step, &a, &err));
    NEED_OK(maas_trainer_save(one, &mem, &bytes, &size, &err));
    NEED_OK(maas_trainer_restore(two, bytes, size, &err));
    for (int step = 2; step < STEPS; step++) {
        NEED_OK(step_on(one, &run, model, step, &a, &err));
        NEED_OK(step_on(two, &run, model, step, &b, &err));
        CHECK(a.loss == b.loss && a.step == b.step && a.learning_rate == b.learning_rate);
    }
    NEED_OK(maas_trainer_export(one, &mem, &one_bytes, &one_size, &err));
    NEED_OK(maas_trainer_export(two, &mem, &two_bytes, &two_size, &err));
    CHECK(one_size == two_size && memcmp(one_bytes, two_bytes, one_size) == 0);
    /* what cannot be taken back changes nothing */
    ((char *)bytes)[0] ^= 1;
    CHECK_FAILS(maas_trainer_restore(two, bytes, size, &err), MAAS_ERR_FORMAT, "no checkpoint");
    ((char *)bytes)[0] ^= 1;
    CHECK_FAILS(maas_trainer_restore(two, bytes, size - 1, &err), MAAS_ERR_FORMAT, "cut off");
    CHECK_FAILS(maas_trainer_restore(two, bytes, 7, &err), MAAS_ERR_FORMAT, "cut off");
    maas_free(&mem, bytes);
    maas_free(&mem, one_bytes);
    maas_free(&mem, two_bytes);
    maas_trainer_free(one);
    maas_trainer_free(two);
    CHECK_INT(mem.used, 0);
}

TEST(train_resume)
{
    resume("cnn", ADAM ",\"amsgrad\":true,\"schedule\":\"cosine\",\"restore_best\":true}");
    resume("mlp", "{\"optimizer\":\"sgd\",\"schedule\":\"one_cycle\",\"l1\":0.001,\"max_norm\":0.5}");
    resume("linear", "{\"optimizer\":\"lbfgs\",\"max_iterations\":3,\"history\":2}");
}

/* Parameters, states and statistics as a checkpoint has them. */
static bool unchanged(MaasTrainer *trainer, MaasMem *mem, const void *before, size_t size)
{
    MaasError err;
    size_t now_size;
    void *now;

    if (maas_trainer_save(trainer, mem, &now, &now_size, &err) != MAAS_OK)
        return false;
    bool same = now_size == size && memcmp(now, before, size) == 0;

    maas_free(mem, now);
    return same;
}

/* An allocator that raises a stop flag at a call, so that a run is stopped at every point where it takes memory. */
typedef struct Stopper {
    int64_t calls, raise_at;
    volatile int stop;
} Stopper;

static void *stopper_alloc(void *ctx, size_t bytes)
{
    Stopper *s = ctx;

    if (++s->calls == s->raise_at)
        s->stop = 1;
    return malloc(bytes);
}

static void stopper_free(void *ctx, void *block)
{
    free(block);
}

TEST(train_stopped_anywhere_changes_nothing)
{
    Stopper stopper = {0, 0, 0};
    MaasAllocator allocator = {stopper_alloc, stopper_free, &stopper};
    MaasTrainer *trainer;
    MaasStepResult result;
    MaasError err;
    MaasMem mem;
    size_t size;
    void *before;
    int stopped = 0;

    maas_mem_init(&mem, &allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1, .stop = &stopper.stop};

    NEED_OK(new_trainer(&mem, "cnn", ADAM "}", &trainer, &err));
    NEED_OK(step_on(trainer, &run, "cnn", 0, &result, &err));
    NEED_OK(maas_trainer_save(trainer, &mem, &before, &size, &err));
    for (int at = 1;; at++) {
        stopper.calls = 0;
        stopper.raise_at = at;
        MaasStatus status = step_on(trainer, &run, "cnn", STEPS - 1, &result, &err);
        bool raised = stopper.stop;

        stopper.stop = 0;
        stopper.raise_at = 0;
        if (!raised) {
            CHECK_INT(status, MAAS_OK);
            break;
        }
        if (status == MAAS_OK) { /* the last look was before */
            NEED_OK(maas_trainer_restore(trainer, before, size, &err));
            continue;
        }
        stopped++;
        CHECK_INT(status, MAAS_ERR_CANCEL);
        CHECK(unchanged(trainer, &mem, before, size));
    }
    CHECK(stopped > 20);
    maas_free(&mem, before);
    maas_trainer_free(trainer);
    CHECK_INT(mem.used, 0);
}

/* A run is stopped before it begins, and by memory that ends at every point of the step. */
static void stopped_step(const char *model, const char *json)
{
    volatile int stop = 1;
    MaasTrainer *trainer;
    MaasStepResult result;
    MaasError err;
    TestHost host;
    MaasMem mem;
    size_t size;
    void *before;
    int failed = 0;

    test_host_init(&host, &mem);
    MaasRunOptions run = {.mem = &mem, .threads = 1}, stopping = {.mem = &mem, .threads = 1, .stop = &stop};

    NEED_OK(new_trainer(&mem, model, json, &trainer, &err));
    NEED_OK(step_on(trainer, &run, model, 0, &result, &err));
    NEED_OK(maas_trainer_save(trainer, &mem, &before, &size, &err));
    CHECK_FAILS(step_on(trainer, &stopping, model, 1, &result, &err), MAAS_ERR_CANCEL, "stopped");
    CHECK(unchanged(trainer, &mem, before, size));
    for (int at = 1;; at++) { /* the last batch has another size: a plan is made, too */
        host.calls = 0;
        host.fail_at = at;
        MaasStatus status = step_on(trainer, &run, model, STEPS - 1, &result, &err);

        host.fail_at = 0;
        if (status == MAAS_OK)
            break;
        failed++;
        CHECK_INT(status, MAAS_ERR_MEMORY);
        CHECK(unchanged(trainer, &mem, before, size));
    }
    CHECK(failed > 0);
    maas_free(&mem, before);
    maas_trainer_free(trainer);
    CHECK_NO_LEAK(&host, &mem);
}

TEST(train_stopped_step_changes_nothing)
{
    stopped_step("cnn", ADAM "}");
    stopped_step("linear", "{\"optimizer\":\"lbfgs\"}");
}

static MaasStatus whole_training(MaasMem *mem, void *arg, MaasError *err)
{
    MaasRunOptions run = {.mem = mem, .threads = 1};
    MaasTrainer *trainer;
    MaasStepResult result;
    size_t size;
    void *bytes;

    MAAS_TRY(new_trainer(mem, arg, ADAM ",\"freeze\":\"all but last\",\"restore_best\":true}", &trainer, err));
    MaasStatus status = step_on(trainer, &run, arg, 0, &result, err);

    if (status == MAAS_OK)
        status = maas_trainer_export(trainer, mem, &bytes, &size, err);
    if (status == MAAS_OK)
        maas_free(mem, bytes);
    maas_trainer_free(trainer);
    return status;
}

TEST(train_memory)
{
    CHECK_EACH_FAILURE(whole_training, "cnn");
}

TEST(train_nan_is_reported)
{
    MaasTrainer *trainer;
    MaasStepResult result;
    MaasValue *x, *y;
    MaasError err;
    MaasMem mem;
    size_t size;
    void *before;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    NEED_OK(new_trainer(&mem, "mlp", ADAM "}", &trainer, &err));
    NEED_OK(read_batch(&mem, "mlp", 0, &x, &y, &err));
    const MaasValue *inputs[] = {x};

    NEED_OK(maas_trainer_save(trainer, &mem, &before, &size, &err));
    MAAS_F32(&x->tensor)[3] = NAN;
    CHECK_FAILS(maas_trainer_step(trainer, &run, inputs, y, NULL, &result, &err), MAAS_ERR_VALUE,
                "the loss is NaN in step 1");
    CHECK(unchanged(trainer, &mem, before, size));
    MAAS_F32(&x->tensor)[3] = 0;
    CHECK_OK(maas_trainer_step(trainer, &run, inputs, y, NULL, &result, &err));
    CHECK(!unchanged(trainer, &mem, before, size));
    maas_free(&mem, before);
    maas_value_unref(x);
    maas_value_unref(y);
    maas_trainer_free(trainer);
    CHECK_INT(mem.used, 0);
}

/* ---- freezing, evaluating, early stopping ---- */

TEST(train_frozen_layers_stay)
{
    size_t size, model_size;
    MaasTrainer *trainer;
    MaasStepResult result;
    MaasError err;
    MaasMem mem;
    void *bytes;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    NEED_OK(new_trainer(&mem, "mlp", ADAM ",\"freeze\":[\"all but last 2\",\"*4.bias\"]}", &trainer, &err));
    const MaasTrainerInfo *info = maas_trainer_info(trainer);

    CHECK_INT(info->n_parameters, 6);
    CHECK_INT(info->n_trained, 16 * 12 + 12 + 12 * 4);
    CHECK_INT(info->n_classes, 4);
    float before[6];

    for (int i = 0; i < 6; i++) {
        before[i] = info->parameters[i].data[0];
        CHECK(info->parameters[i].frozen == (strstr(info->parameters[i].name, "body.0.") != NULL ||
                                             strstr(info->parameters[i].name, "4.bias") != NULL));
    }
    NEED_OK(step_on(trainer, &run, "mlp", 0, &result, &err));
    for (int i = 0; i < 6; i++)
        CHECK(info->parameters[i].frozen == (info->parameters[i].data[0] == before[i]));
    maas_trainer_free(trainer);
    CHECK_FAILS(new_trainer(&mem, "mlp", "{\"freeze\":\"*\"}", &trainer, &err), MAAS_ERR_VALUE,
                "all parameters are frozen");
    CHECK_FAILS(new_trainer(&mem, "mlp", "{\"freeze\":\"all but last x\"}", &trainer, &err), MAAS_ERR_VALUE,
                "\"all but last\" may be followed by a number");
    CHECK_FAILS(new_trainer(&mem, "mlp", "{\"output\":\"z\"}", &trainer, &err), MAAS_ERR_NAME, "no output \"z\"");
    CHECK_FAILS(new_trainer(&mem, "mlp", "{\"loss\":\"binary_cross_entropy\"}", &trainer, &err), MAAS_ERR_VALUE,
                "it ends in Softmax");
    /* without a step the bytes come back as they were, but for how numbers are stored */
    char *model = read_fixture("mlp", "model.onnx", &model_size);

    NEED_OK(new_trainer(&mem, "mlp", ADAM "}", &trainer, &err));
    NEED_OK(maas_trainer_export(trainer, &mem, &bytes, &size, &err));
    compare_models("export", bytes, size, model, model_size, 0);
    free(model);
    maas_free(&mem, bytes);
    maas_trainer_free(trainer);
    CHECK_INT(mem.used, 0);
}

TEST(train_evaluate)
{
    MaasTrainer *trainer;
    MaasStepResult before, result, after;
    MaasValue *x, *y, *output, *again;
    MaasError err;
    MaasMem mem;
    size_t size;
    void *bytes;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    NEED_OK(new_trainer(&mem, "cnn", ADAM "}", &trainer, &err));
    NEED_OK(read_batch(&mem, "cnn", 0, &x, &y, &err));
    const MaasValue *inputs[] = {x};

    NEED_OK(maas_trainer_evaluate(trainer, &run, inputs, y, NULL, &before, NULL, &err));
    for (int i = 0; i < 60; i++)
        NEED_OK(maas_trainer_step(trainer, &run, inputs, y, NULL, &result, &err));
    NEED_OK(maas_trainer_evaluate(trainer, &run, inputs, y, NULL, &after, &output, &err));
    CHECK(after.loss < before.loss / 4 && after.weight == 8);
    /* the exported model gives the same */
    MaasModel *model;
    MaasResults *results;

    NEED_OK(maas_trainer_export(trainer, &mem, &bytes, &size, &err));
    NEED_OK(maas_model_load(bytes, size, &run, &model, &err));
    NEED_OK(maas_model_run(model, &run, inputs, 1, &(int){0}, &results, &err));
    again = (MaasValue *)maas_results_get(results, 0);
    double loss = 0;

    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 5; k++) {
            double p = (double)MAAS_F32(&again->tensor)[i * 5 + k];

            CHECK_NEAR((double)MAAS_F32(&output->tensor)[i * 5 + k], p, 1e-6);
            loss -= k == MAAS_I64(&y->tensor)[i] ? log(p) / 8 : 0;
        }
    CHECK_NEAR(after.loss, loss, 1e-5);
    maas_results_free(results);
    maas_model_free(model);
    maas_value_unref(output);
    maas_free(&mem, bytes);
    /* wrong batches */
    const MaasValue *wrong[] = {y}, *none[] = {NULL};

    CHECK_FAILS(maas_trainer_step(trainer, &run, wrong, y, NULL, &result, &err), MAAS_ERR_TYPE,
                "expects input \"x\" of type float, got int64");
    CHECK_FAILS(maas_trainer_step(trainer, &run, none, y, NULL, &result, &err), MAAS_ERR_NAME, "missing");
    CHECK_FAILS(maas_trainer_step(trainer, &run, inputs, y, x, &result, &err), MAAS_ERR_SHAPE,
                "the weights must be 8 floats");
    MAAS_I64(&y->tensor)[2] = 5;
    CHECK_FAILS(maas_trainer_step(trainer, &run, inputs, y, NULL, &result, &err), MAAS_ERR_VALUE,
                "class 5 of row 2 is none of the 5");
    maas_value_unref(x);
    maas_value_unref(y);
    maas_trainer_free(trainer);
    CHECK_INT(mem.used, 0);
}

/* A sample of weight 2 counts like one that is there twice. */
TEST(train_sample_weights)
{
    static const int64_t nine = 9, eight = 8;
    const int64_t dims[] = {9, 8};
    MaasTrainer *trainer;
    MaasStepResult weighted, doubled;
    MaasValue *x, *y, *w, *xx, *yy;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    NEED_OK(new_trainer(&mem, "mlp", ADAM "}", &trainer, &err));
    NEED_OK(read_batch(&mem, "mlp", 0, &x, &y, &err));
    NEED_OK(maas_value_new_tensor(&mem, MAAS_FLOAT, 1, &eight, &w, &err));
    NEED_OK(maas_value_new_tensor(&mem, MAAS_FLOAT, 2, dims, &xx, &err));
    NEED_OK(maas_value_new_tensor(&mem, MAAS_INT64, 1, &nine, &yy, &err));
    for (int i = 0; i < 8; i++)
        MAAS_F32(&w->tensor)[i] = i == 3 ? 2 : 1;
    for (int i = 0; i < 9; i++) {
        int from = i == 8 ? 3 : i;

        memcpy(MAAS_F32(&xx->tensor) + i * 8, MAAS_F32(&x->tensor) + from * 8, 8 * sizeof(float));
        MAAS_I64(&yy->tensor)[i] = MAAS_I64(&y->tensor)[from];
    }
    const MaasValue *inputs[] = {x}, *more[] = {xx};

    NEED_OK(maas_trainer_evaluate(trainer, &run, inputs, y, w, &weighted, NULL, &err));
    NEED_OK(maas_trainer_evaluate(trainer, &run, more, yy, NULL, &doubled, NULL, &err));
    CHECK_NEAR(weighted.loss, doubled.loss, 1e-6);
    CHECK(weighted.weight == 9 && doubled.weight == 9);
    MAAS_F32(&w->tensor)[0] = -1;
    CHECK_FAILS(maas_trainer_evaluate(trainer, &run, inputs, y, w, &weighted, NULL, &err), MAAS_ERR_VALUE,
                "weight 0 is -1");
    MaasValue *values[] = {x, y, w, xx, yy};

    for (int i = 0; i < 5; i++)
        maas_value_unref(values[i]);
    maas_trainer_free(trainer);
    CHECK_INT(mem.used, 0);
}

TEST(train_best_epoch_comes_back)
{
    MaasTrainer *trainer;
    MaasStepResult result;
    MaasError err;
    MaasMem mem;
    bool stop;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    NEED_OK(new_trainer(&mem, "mlp", ADAM ",\"restore_best\":true,\"early_stopping\":2}", &trainer, &err));
    float *w = maas_trainer_info(trainer)->parameters[0].data;

    NEED_OK(step_on(trainer, &run, "mlp", 0, &result, &err));
    NEED_OK(maas_trainer_epoch(trainer, 1, &stop, &err));
    float best = w[0];

    for (int i = 0; i < 2; i++) {
        CHECK(!stop);
        NEED_OK(step_on(trainer, &run, "mlp", 1 + i, &result, &err));
        NEED_OK(maas_trainer_epoch(trainer, 2, &stop, &err));
    }
    CHECK(stop && w[0] != best);
    maas_trainer_finish(trainer);
    CHECK(w[0] == best);
    maas_trainer_free(trainer);
    CHECK_INT(mem.used, 0);
}
