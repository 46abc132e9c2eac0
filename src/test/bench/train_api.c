/*
 * train_api.c - the trainer as a small shared library for the benchmark, so that Python can time it beside PyTorch
 * in the same process.  Not part of the extension.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/maas.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct Bench {
    MaasMem mem;
    MaasTrainer *trainer;
    int threads;
    MaasError err;
} Bench;

EXPORT void *bench_train_new(const void *bytes, size_t n, const char *json, int threads)
{
    Bench *b = calloc(1, sizeof *b);
    MaasTrainOptions options;
    MaasOptionTable table = {.target = &options};
    MaasArena arena;
    MaasStatus status;

    maas_mem_init(&b->mem, &maas_malloc_allocator, 0);
    b->threads = threads;
    MaasRunOptions run = {.mem = &b->mem, .threads = b->threads};

    maas_arena_init(&arena, &b->mem);
    memset(&options, 0, sizeof options);
    table.options = maas_train_options(&table.n);
    status = maas_options_read(json, strlen(json), &table, 1, &arena, &b->err);
    if (status == MAAS_OK)
        status = maas_trainer_new(bytes, n, &options, 100, &run, &b->trainer, &b->err);
    maas_arena_free(&arena);
    if (status == MAAS_OK)
        return b;
    fprintf(stderr, "%s\n%s\n", b->err.message, b->err.detail);
    free(b);
    return NULL;
}

/* One step on one input and class numbers; the loss, or NaN with the message on standard error. */
EXPORT double bench_train_step(Bench *b, int type, int rank, const int64_t *dims, void *x, int64_t n, void *labels)
{
    MaasRunOptions run = {.mem = &b->mem, .threads = b->threads};
    MaasStepResult result;
    MaasValue *input, *target;

    if (maas_value_wrap(&b->mem, (MaasType)type, rank, dims, x, &input, &b->err) != MAAS_OK)
        return __builtin_nan("");
    if (maas_value_wrap(&b->mem, MAAS_INT64, 1, &n, labels, &target, &b->err) != MAAS_OK)
        return __builtin_nan("");
    const MaasValue *inputs[] = {input};
    MaasStatus status = maas_trainer_step(b->trainer, &run, inputs, target, NULL, &result, &b->err);

    maas_value_unref(input);
    maas_value_unref(target);
    if (status == MAAS_OK)
        return result.loss;
    fprintf(stderr, "%s\n", b->err.message);
    return __builtin_nan("");
}

/* Writes the trained model to a file and the output that it has for x, n floats, to y.  Returns how many there are,
 * or -1. */
EXPORT int64_t bench_train_export(Bench *b, const char *path, int type, int rank, const int64_t *dims, void *x,
                                  int64_t samples, void *labels, float *y, int64_t n)
{
    MaasRunOptions run = {.mem = &b->mem, .threads = b->threads};
    FILE *file = fopen(path, "wb");
    MaasValue *input, *target, *output;
    MaasStepResult result;
    size_t size;
    void *bytes;

    if (!file || maas_trainer_export(b->trainer, &b->mem, &bytes, &size, &b->err) != MAAS_OK)
        return -1;
    fwrite(bytes, 1, size, file);
    fclose(file);
    maas_free(&b->mem, bytes);
    if (maas_value_wrap(&b->mem, (MaasType)type, rank, dims, x, &input, &b->err) != MAAS_OK ||
        maas_value_wrap(&b->mem, MAAS_INT64, 1, &samples, labels, &target, &b->err) != MAAS_OK)
        return -1;
    const MaasValue *inputs[] = {input};

    if (maas_trainer_evaluate(b->trainer, &run, inputs, target, NULL, &result, &output, &b->err) != MAAS_OK)
        return -1;
    int64_t count = output->tensor.count;

    memcpy(y, output->tensor.data, (size_t)(count < n ? count : n) * sizeof *y);
    maas_value_unref(output);
    maas_value_unref(input);
    maas_value_unref(target);
    return count;
}

EXPORT size_t bench_train_memory(const Bench *b)
{
    return b->mem.peak;
}

EXPORT void bench_train_free(Bench *b)
{
    maas_trainer_free(b->trainer);
    free(b);
}
