/*
 * api.c - the engine as a small shared library for the benchmark, so that Python can time it beside others in the
 * same process.  Not part of the extension.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/maas.h"

#define EXPORT __attribute__((visibility("default")))

typedef struct Bench {
    MaasMem load, run;
    MaasModel *model;
    MaasError err;
} Bench;

EXPORT Bench *bench_load(const char *path)
{
    Bench *b = calloc(1, sizeof *b);
    FILE *file = fopen(path, "rb");

    if (!b || !file) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    size_t n = (size_t)ftell(file);
    char *bytes = malloc(n);

    rewind(file);
    if (!bytes || fread(bytes, 1, n, file) != n)
        exit(1);
    fclose(file);
    maas_mem_init(&b->load, &maas_malloc_allocator, 0);
    maas_mem_init(&b->run, &maas_malloc_allocator, 0);
    MaasRunOptions options = {.mem = &b->load, .threads = 1};

    if (maas_model_load(bytes, n, &options, &b->model, &b->err) != MAAS_OK) {
        fprintf(stderr, "%s: %s\n%s\n", path, b->err.message, b->err.detail);
        exit(1);
    }
    free(bytes);
    return b;
}

EXPORT void bench_free(Bench *b)
{
    maas_model_free(b->model);
    free(b);
}

/* Runs the model on one input tensor and copies output 0 (float) into y when y is not NULL.  Returns its count, or
 * -1 with the message on standard error. */
EXPORT int64_t bench_run(Bench *b, int type, int rank, const int64_t *dims, void *data, int threads, float *y)
{
    MaasRunOptions options = {.mem = &b->run, .threads = threads};
    MaasResults *results;
    MaasValue *x;
    int wanted = 0;

    if (maas_value_wrap(&b->run, (MaasType)type, rank, dims, data, &x, &b->err) != MAAS_OK)
        return -1;
    const MaasValue *inputs[] = {x};
    MaasStatus status = maas_model_run(b->model, &options, inputs, 1, &wanted, &results, &b->err);

    maas_value_unref(x);
    if (status != MAAS_OK) {
        fprintf(stderr, "%s\n", b->err.message);
        return -1;
    }
    const MaasTensor *t = &maas_results_get(results, 0)->tensor;
    int64_t count = t->count;

    if (y)
        memcpy(y, t->data, (size_t)count * sizeof *y);
    maas_results_free(results);
    return count;
}

EXPORT size_t bench_memory(const Bench *b)
{
    return b->load.used;
}

EXPORT double bench_flops(const Bench *b)
{
    return maas_model_info(b->model)->flops;
}

EXPORT const char *bench_version(void)
{
    return maas_engine_version();
}
