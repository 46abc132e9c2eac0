/*
 * onnx_load.c - fuzzing: bytes are loaded as a model and, where that works, run.
 *
 * Inputs are zeros of the declared shapes with free dimensions small; memory is
 * bounded, and the run is stopped after a while by the flag that it polls.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "fuzz.h"

#define STOP_AFTER 0.5 /* seconds */
#define FREE_DIM 2

static volatile int stop;
static volatile double started; /* 0: nothing runs */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *watch(void *arg)
{
    for (;;) {
        usleep(20000);
        double since = started;
        if (since > 0 && now() - since > STOP_AFTER)
            stop = 1;
    }
    return arg;
}

/* Zeros for a tensor, empty for any other kind. */
static MaasStatus make_input(const MaasPort *port, MaasMem *mem, MaasValue **out, MaasError *err)
{
    int64_t dims[MAAS_MAX_RANK];
    MaasStatus status;

    if (port->kind == MAAS_KIND_SEQUENCE)
        return maas_value_new_sequence(mem, 0, out, err);
    if (port->kind == MAAS_KIND_OPTIONAL)
        return maas_value_new_optional(mem, NULL, out, err);
    if (port->kind != MAAS_KIND_TENSOR)
        return maas_fail(err, MAAS_ERR_TYPE, "no input of this kind");
    for (int d = 0; d < port->rank; d++)
        dims[d] = port->dims[d] >= 0 ? port->dims[d] : FREE_DIM;
    status = maas_value_new_tensor(mem, port->type, port->rank < 0 ? 0 : port->rank, dims, out, err);
    if (status == MAAS_OK && (*out)->tensor.count > 0 && port->type != MAAS_STRING) /* strings are empty */
        memset((*out)->tensor.data, 0, maas_tensor_bytes(&(*out)->tensor));
    return status;
}

/* Runs the model on `inputs`, which has room for them, and writes what comes out. */
static MaasStatus run(MaasModel *model, const MaasRunOptions *options, MaasValue **inputs, const int *wanted,
                      MaasError *err)
{
    const MaasModelInfo *info = maas_model_info(model);
    MaasResults *results;
    MaasStatus status = MAAS_OK;

    for (int i = 0; i < info->n_inputs; i++)
        if (!info->inputs[i].optional)
            MAAS_TRY(make_input(&info->inputs[i], options->mem, &inputs[i], err));
    MAAS_TRY(
        maas_model_run(model, options, (const MaasValue *const *)inputs, info->n_outputs, wanted, &results, err));
    for (int i = 0; i < info->n_outputs && status == MAAS_OK; i++) {
        size_t n;
        void *bytes;
        status = maas_value_to_onnx(maas_results_get(results, i), options->mem, &bytes, &n, err);
        if (status == MAAS_OK)
            maas_free(options->mem, bytes);
    }
    maas_results_free(results);
    return status;
}

static MaasStatus load_and_run(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .stop = &stop, .threads = 1};
    MaasModel *model;
    MaasStatus status;

    stop = 0;
    started = now();
    status = maas_model_load(data, size, &options, &model, err);
    if (status == MAAS_OK) {
        const MaasModelInfo *info = maas_model_info(model);
        MaasValue **inputs = calloc((size_t)info->n_inputs + 1, sizeof *inputs);
        int *wanted = calloc((size_t)info->n_outputs + 1, sizeof *wanted);
        for (int i = 0; i < info->n_outputs; i++)
            wanted[i] = i;
        status = run(model, &options, inputs, wanted, err);
        for (int i = 0; i < info->n_inputs; i++)
            maas_value_unref(inputs[i]);
        maas_model_free(model);
        free(inputs);
        free(wanted);
    }
    started = 0;
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pthread_t watcher;

    if (watcher == 0)
        pthread_create(&watcher, NULL, watch, NULL);
    return fuzz_run(load_and_run, data, size);
}
