/*
 * test_train_dropout.c - training a model of an older opset drops out with the ratio that its attribute says.
 *
 * y = w * Dropout(x): one step of gradient descent leaves exactly those weights as they were whose input was
 * dropped.
 */
#include <stdio.h>

#include "onnx_build.h"

#define N 1000

enum { GRAPH = 7, NODE = 1, ATTRIBUTE = 5, INITIALIZER = 5, INPUT = 11, OUTPUT = 12, FLOAT_ATTRIBUTE = 1 };

static void build_model(Build *b, int opset, const char *mask, float ratio)
{
    static const int64_t dims[] = {N};
    float ones[N];
    char out[16];

    for (int i = 0; i < N; i++)
        ones[i] = 1;
    build_start(b, 8, opset);
    build_open(b, GRAPH);
    build_text(b, 2, "main");
    build_value(b, INPUT, "x");
    build_value(b, OUTPUT, "y");
    build_tensor(b, INITIALIZER, "w", MAAS_FLOAT, 1, dims, ones, sizeof ones);
    if (opset >= 12)
        build_tensor(b, INITIALIZER, "ratio", MAAS_FLOAT, 0, NULL, &ratio, sizeof ratio);
    snprintf(out, sizeof out, "d %s", mask);
    build_node(b, NODE, "Dropout", "", opset >= 12 ? "x ratio" : "x", out, true);
    if (opset < 12) {
        build_open(b, ATTRIBUTE);
        build_text(b, 1, "ratio");
        maas_pb_put_float(&b->out, 2, ratio);
        maas_pb_put_int(&b->out, 20, FLOAT_ATTRIBUTE);
        build_close(b);
    }
    build_close(b);
    build_node(b, NODE, "Mul", "", "d w", "y", false);
    build_close(b);
}

/* The weights after one step on inputs of 1 and targets of 0. */
static MaasStatus one_step(int opset, const char *mask, float ratio, float *weights, MaasError *err)
{
    static const char json[] = "{\"optimizer\": \"sgd\", \"learning_rate\": 1, \"train\": \"w\", \"seed\": 5}";
    static const int64_t n = N;
    MaasTrainOptions options = {0};
    MaasOptionTable table = {.target = &options};
    MaasTrainer *trainer = NULL;
    MaasStepResult result;
    MaasValue *x, *target;
    MaasArena arena;
    MaasMem mem;
    Build b;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &mem);
    MaasRunOptions run = {.mem = &mem, .threads = 1};

    build_model(&b, opset, mask, ratio);
    MAAS_TRY(maas_value_new_tensor(&mem, MAAS_FLOAT, 1, &n, &x, err));
    MAAS_TRY(maas_value_new_tensor(&mem, MAAS_FLOAT, 1, &n, &target, err));
    for (int i = 0; i < N; i++) {
        MAAS_F32(&x->tensor)[i] = 1;
        MAAS_F32(&target->tensor)[i] = 0;
    }
    const MaasValue *inputs[] = {x};

    table.options = maas_train_options(&table.n);
    MaasStatus status = maas_options_read(json, sizeof json - 1, &table, 1, &arena, err);

    if (status == MAAS_OK)
        status = maas_trainer_new(b.out.data, b.out.size, &options, 1, &run, &trainer, err);
    if (status == MAAS_OK)
        status = maas_trainer_step(trainer, &run, inputs, target, NULL, &result, err);
    if (status == MAAS_OK)
        memcpy(weights, maas_trainer_info(trainer)->parameters[0].data, N * sizeof *weights);
    maas_trainer_free(trainer);
    maas_value_unref(x);
    maas_value_unref(target);
    maas_arena_free(&arena);
    build_free(&b);
    CHECK_INT(mem.used, 0);
    return status;
}

TEST(train_dropout_of_old_opsets)
{
    static const struct {
        int opset;
        const char *mask; /* its name; below opset 10 it has the type of the data */
    } forms[] = {{6, "m"}, {7, ""}, {9, "m"}, {11, "m"}, {13, ""}};
    float want[N], got[N];
    MaasError err;

    NEED_OK(one_step(22, "", 0.875f, want, &err));
    int stay = 0;

    for (int i = 0; i < N; i++)
        stay += want[i] == 1;
    CHECK(stay > 825 && stay < 925);
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        NEED_OK(one_step(forms[f].opset, forms[f].mask, 0.875f, got, &err));
        CHECK(memcmp(got, want, sizeof want) == 0);
    }
}
