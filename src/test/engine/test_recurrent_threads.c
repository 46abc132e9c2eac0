/*
 * test_recurrent_threads.c - training recurrent layers: the examples of a batch are divided over the threads, and
 * the steps come out as on one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../engine/maas.h"
#include "test.h"

enum { BATCH = 50, STEPS = 23, INPUTS = 9, CLASSES = 3, TRAIN_STEPS = 3 };

typedef struct Trained {
    double loss[TRAIN_STEPS];
    int64_t n;
    float *weights; /* of all parameters, one after the other */
} Trained;

static void copy_weights(const MaasTrainerInfo *info, Trained *out)
{
    int64_t n = 0;

    for (int i = 0; i < info->n_parameters; i++)
        n += info->parameters[i].count;
    out->n = n;
    out->weights = malloc((size_t)n * sizeof *out->weights);
    n = 0;
    for (int i = 0; i < info->n_parameters; i++) {
        const MaasParameter *p = &info->parameters[i];

        memcpy(out->weights + n, p->data, (size_t)p->count * sizeof *out->weights);
        n += p->count;
    }
}

/* A few steps on made-up sequences that end in zeros, which masks leave out. */
static MaasStatus train(const char *json, int threads, MaasMem *mem, Trained *out, MaasError *err)
{
    static const char options_json[] = "{\"optimizer\": \"sgd\", \"learning_rate\": 0.5, \"seed\": 5}";
    static const int64_t dims[] = {BATCH, STEPS}, batch = BATCH;
    MaasRunOptions run = {.mem = mem, .threads = threads};
    MaasArchitecture architecture = {.json = json, .length = strlen(json), .seed = 7};
    MaasTrainOptions options = {0};
    MaasOptionTable table = {.target = &options};
    MaasTrainer *trainer = NULL;
    MaasStepResult result;
    MaasValue *x, *target;
    MaasArena arena;
    void *bytes;
    size_t size;

    maas_arena_init(&arena, mem);
    table.options = maas_train_options(&table.n);
    MAAS_TRY(maas_options_read(options_json, sizeof options_json - 1, &table, 1, &arena, err));
    MAAS_TRY(maas_architecture_to_onnx(&architecture, &run, &bytes, &size, err));
    MAAS_TRY(maas_trainer_new(bytes, size, &options, TRAIN_STEPS, &run, &trainer, err));
    maas_free(mem, bytes);
    maas_arena_free(&arena);
    MAAS_TRY(maas_value_new_tensor(mem, MAAS_INT64, 2, dims, &x, err));
    MAAS_TRY(maas_value_new_tensor(mem, MAAS_INT64, 1, &batch, &target, err));
    for (int e = 0; e < BATCH; e++) {
        MAAS_I64(&target->tensor)[e] = e % CLASSES;
        for (int s = 0; s < STEPS; s++)
            MAAS_I64(&x->tensor)[e * STEPS + s] = s < STEPS - e % 5 ? 1 + (e * 7 + s * s) % (INPUTS - 1) : 0;
    }
    const MaasValue *inputs[] = {x};

    for (int k = 0; k < TRAIN_STEPS; k++) {
        MAAS_TRY(maas_trainer_step(trainer, &run, inputs, target, NULL, &result, err));
        out->loss[k] = result.loss;
    }
    copy_weights(maas_trainer_info(trainer), out);
    maas_value_unref(x);
    maas_value_unref(target);
    maas_trainer_free(trainer);
    return MAAS_OK;
}

static void compare(const char *json, int threads, const Trained *got, const Trained *want)
{
    CHECK_INT(got->n, want->n);
    for (int k = 0; k < TRAIN_STEPS; k++)
        CHECK_NEAR(got->loss[k], want->loss[k], 1e-6);
    for (int64_t i = 0; i < want->n; i++)
        if (!(fabs((double)got->weights[i] - (double)want->weights[i]) <= 2e-6)) {
            test_fail(__FILE__, __LINE__, "%s on %d threads: weight %lld is %.9g, on one %.9g", json, threads,
                      (long long)i, (double)got->weights[i], (double)want->weights[i]);
            break;
        }
}

TEST(recurrent_training_on_threads)
{
    static const char *const layers[] = {
        "{\"lstm\": 40}",
        "{\"lstm\": 24, \"bidirectional\": true, \"return_sequences\": true}, {\"lstm\": 33, \"go_backwards\": "
        "true}",
        "{\"gru\": 40, \"bidirectional\": true}",
        "{\"rnn\": 40}",
    };

    for (size_t l = 0; l < 2 * (sizeof layers / sizeof *layers); l++) {
        char json[400];
        Trained one = {0};

        snprintf(json, sizeof json,
                 "{\"input\": {\"shape\": [%d], \"type\": \"int64\"}, \"layers\": [{\"embedding\": [%d, 16], "
                 "\"mask_zero\": %s}, %s, {\"dense\": %d, \"activation\": \"softmax\"}]}",
                 STEPS, INPUTS, l % 2 ? "true" : "false", layers[l / 2], CLASSES);
        for (int threads = 1; threads <= 4; threads++) {
            Trained many;
            MaasMem mem;
            MaasError err;

            maas_mem_init(&mem, &maas_malloc_allocator, 0);
            NEED_OK(train(json, threads, &mem, &many, &err));
            CHECK_INT(mem.used, 0);
            if (threads == 1) {
                one = many;
                continue;
            }
            compare(json, threads, &many, &one);
            free(many.weights);
        }
        CHECK(one.loss[1] != one.loss[0] && one.loss[2] != one.loss[1]);
        free(one.weights);
    }
}
