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
    CHECK_INT(maas_trainer_info(trainer)->loss, MAAS_LOSS_CROSS_ENTROPY);
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
