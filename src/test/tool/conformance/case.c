/*
 * case.c - reads a case's data sets, runs its model on them, from an image too, and again while memory runs out.
 *
 * Values of the data sets live in c->data, everything of the engine in c->mem.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "case.h"

bool read_file(const char *path, Bytes *out)
{
    FILE *file = fopen(path, "rb");
    long size;

    out->data = NULL;
    if (file == NULL)
        return false;
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    out->data = malloc(size > 0 ? (size_t)size : 1);
    out->size = size > 0 ? fread(out->data, 1, (size_t)size, file) : 0;
    fclose(file);
    return true;
}

void case_tolerance(Case *c)
{
    char path[1200], *at;
    Bytes file;

    snprintf(path, sizeof path, "%s/data.json", c->folder);
    if (!read_file(path, &file))
        return;
    file.data = realloc(file.data, file.size + 1);
    file.data[file.size] = '\0';
    if ((at = strstr(file.data, "\"rtol\":")) != NULL)
        c->judge.rtol = strtod(at + 7, NULL);
    if ((at = strstr(file.data, "\"atol\":")) != NULL)
        c->judge.atol = strtod(at + 7, NULL);
    free(file.data);
}

/* Reads one value for each port from files that format makes of a number; values[k] stays NULL where there is none.
 */
static bool read_values(Case *c, const char *folder, const char *what, int n, const MaasPort *ports,
                        MaasValue **values)
{
    MaasError err;

    for (int k = 0; k < n; k++) {
        char path[1200];
        Bytes file;
        snprintf(path, sizeof path, "%s%s_%d.pb", folder, what, k);
        if (!read_file(path, &file))
            continue;
        MaasStatus status = maas_value_from_onnx(ports[k].kind, file.data, file.size, c->data, &values[k], &err);
        free(file.data);
        if (status != MAAS_OK)
            return differs(&c->judge, "%s_%d.pb: %s", what, k, err.message);
        /* older cases hold bfloat16 as numpy had it: as its bits */
        if (ports[k].kind == MAAS_KIND_TENSOR && ports[k].type == MAAS_BFLOAT16 &&
            values[k]->tensor.type == MAAS_UINT16)
            values[k]->tensor.type = MAAS_BFLOAT16;
    }
    return true;
}

/* What ONNX's runner feeds a light model: element i of n is i / n, free dimensions are 1. */
static bool make_values(Case *c, int n, const MaasPort *ports, MaasValue **values)
{
    MaasError err;

    for (int k = 0; k < n; k++) {
        int64_t dims[MAAS_MAX_RANK];
        if (ports[k].optional)
            continue;
        for (int d = 0; d < ports[k].rank; d++)
            dims[d] = ports[k].dims[d] < 0 ? 1 : ports[k].dims[d];
        if (ports[k].kind != MAAS_KIND_TENSOR || ports[k].type != MAAS_FLOAT || ports[k].rank < 0 ||
            maas_value_new_tensor(c->data, MAAS_FLOAT, ports[k].rank, dims, &values[k], &err) != MAAS_OK)
            return differs(&c->judge, "no data can be made for input %s", ports[k].name);
        for (int64_t i = 0; i < values[k]->tensor.count; i++)
            MAAS_F32(&values[k]->tensor)[i] = (float)((double)i / (double)values[k]->tensor.count);
    }
    return true;
}

static bool compare_results(Case *c, const MaasResults *results, MaasValue **expected)
{
    char why[sizeof((MaasError *)0)->message];
    Judge judge = c->judge;

    judge.why = why;
    judge.size = sizeof why;
    for (int k = 0; k < c->info->n_outputs; k++) {
        const MaasValue *got = maas_results_get(results, k);
        if (expected[k] == NULL)
            return differs(&c->judge, "output_%d.pb is not there", k);
        if (!same_value(&judge, got, expected[k], true) &&
            !(c->random && same_value(&judge, got, expected[k], false)))
            return differs(&c->judge, "output %d (%s): %s", k, c->info->outputs[k].name, why);
    }
    return true;
}

static bool run_set(Case *c, int set)
{
    int n_in = c->info->n_inputs, n_out = c->info->n_outputs;
    MaasValue **inputs = calloc((size_t)n_in + 1, sizeof *inputs);
    MaasValue **expected = calloc((size_t)n_out + 1, sizeof *expected);
    MaasRunOptions options = {.mem = c->mem, .stop = c->stop, .threads = 1};
    MaasResults *results = NULL;
    char prefix[1200];
    int *wanted = calloc((size_t)n_out + 1, sizeof *wanted);
    MaasError err;
    bool ok;

    if (c->light != NULL) {
        snprintf(prefix, sizeof prefix, "%s_", c->light);
        ok = make_values(c, n_in, c->info->inputs, inputs);
    } else {
        snprintf(prefix, sizeof prefix, "%s/test_data_set_%d/", c->folder, set);
        ok = read_values(c, prefix, "input", n_in, c->info->inputs, inputs);
    }
    ok = ok && read_values(c, prefix, "output", n_out, c->info->outputs, expected);
    for (int k = 0; k < n_out; k++)
        wanted[k] = k;
    /* twice: the second time with the plan and the workspace of the first */
    for (int turn = 0; ok && turn < 2; turn++) {
        if (maas_model_run(c->model, &options, (const MaasValue *const *)inputs, n_out, wanted, &results, &err) !=
            MAAS_OK)
            ok = differs(&c->judge, "run: %s", err.message);
        if (ok)
            ok = compare_results(c, results, expected);
        maas_results_free(results);
        results = NULL;
    }
    for (int k = 0; k < n_in; k++)
        maas_value_unref(inputs[k]);
    for (int k = 0; k < n_out; k++)
        maas_value_unref(expected[k]);
    free(inputs);
    free(expected);
    free(wanted);
    return ok;
}

bool case_run(Case *c)
{
    int set = 0;

    c->info = maas_model_info(c->model);
    if (c->light != NULL)
        return run_set(c, 0);
    for (;; set++) {
        char path[1200];
        struct stat st;
        snprintf(path, sizeof path, "%s/test_data_set_%d", c->folder, set);
        if (stat(path, &st) != 0)
            break;
        if (!run_set(c, set))
            return false;
    }
    return set > 0 || differs(&c->judge, "there is no data set");
}

/* ---- from an image ---- */

static MaasStatus put_bytes(void *ctx, const void *bytes, size_t n, MaasError *err)
{
    Bytes *all = ctx;

    (void)err;
    if (all->data != NULL)
        memcpy(all->data + all->size, bytes, n);
    all->size += n;
    return MAAS_OK;
}

bool case_image(Case *c)
{
    MaasRunOptions options = {.mem = c->mem, .stop = c->stop, .threads = 1};
    Bytes image = {0};
    MaasSink sink = {put_bytes, &image};
    MaasModel *loaded = c->model;
    MaasError err;
    bool ok;

    if (maas_model_write_image(loaded, &options, &sink, &err) != MAAS_OK)
        return differs(&c->judge, "image: %s", err.message);
    size_t size = image.size;
    image.data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    image.size = 0;
    if (image.data == MAP_FAILED || maas_model_write_image(loaded, &options, &sink, &err) != MAAS_OK ||
        image.size != size || mprotect(image.data, size, PROT_READ) != 0)
        return differs(&c->judge, "image: it cannot be written twice");
    if (maas_model_open_image(image.data, size, &options, &c->model, &err) != MAAS_OK)
        ok = differs(&c->judge, "image: %s", err.message);
    else {
        ok = case_run(c);
        maas_model_free(c->model);
    }
    c->model = loaded;
    munmap(image.data, size);
    return ok;
}

/* ---- memory that runs out ---- */

typedef struct Host {
    MaasAllocator allocator;
    int64_t calls, fail_at;
} Host;

static void *host_alloc(void *ctx, size_t bytes)
{
    Host *host = ctx;
    return ++host->calls == host->fail_at ? NULL : malloc(bytes);
}

static void host_free(void *ctx, void *block)
{
    (void)ctx;
    free(block);
}

/* Loads the model and runs it on the inputs of its first data set. */
static MaasStatus load_and_run(Case *c, const Bytes *model, MaasValue **inputs, const int *wanted, MaasError *err)
{
    MaasRunOptions options = {.mem = c->mem, .stop = c->stop, .threads = 1};
    MaasResults *results = NULL;
    MaasStatus status;

    MAAS_TRY(maas_model_load(model->data, model->size, &options, &c->model, err));
    status = maas_model_run(c->model, &options, (const MaasValue *const *)inputs,
                            maas_model_info(c->model)->n_outputs, wanted, &results, err);
    maas_results_free(results);
    maas_model_free(c->model);
    return status;
}

/* Runs the case with allocation 1, 2, 3 ... failing, until it asks for fewer. */
static bool fail_each(Case *c, const Bytes *model, MaasValue **inputs, const int *wanted)
{
    Host host = {.allocator = {host_alloc, host_free, &host}};
    MaasMem mem, *kept = c->mem;
    bool ok = true;

    c->mem = &mem;
    for (int64_t n = 1; ok && n - 1 <= host.calls; n++) {
        MaasError err = {0};
        maas_mem_init(&mem, &host.allocator, 0);
        host.calls = 0;
        host.fail_at = n;
        c->n_allocations++;
        MaasStatus status = load_and_run(c, model, inputs, wanted, &err);
        if (host.calls >= n && (status != MAAS_ERR_MEMORY || err.message[0] == '\0'))
            ok = differs(&c->judge, "allocation %lld fails: status %d \"%s\"", (long long)n, (int)status,
                         status == MAAS_OK ? "" : err.message);
        if (mem.used != 0)
            ok = differs(&c->judge, "allocation %lld fails: %zu bytes are not given back", (long long)n, mem.used);
    }
    c->mem = kept;
    return ok;
}

bool case_memory(Case *c, const Bytes *model)
{
    MaasRunOptions options = {.mem = c->mem, .stop = c->stop, .threads = 1};
    MaasError err;
    bool ok;

    if (maas_model_load(model->data, model->size, &options, &c->model, &err) != MAAS_OK)
        return differs(&c->judge, "load: %s", err.message);
    c->info = maas_model_info(c->model);
    int n_in = c->info->n_inputs, n_out = c->info->n_outputs;
    MaasValue **inputs = calloc((size_t)n_in + 1, sizeof *inputs);
    int *wanted = calloc((size_t)n_out + 1, sizeof *wanted);
    char prefix[1200];
    snprintf(prefix, sizeof prefix, "%s/test_data_set_0/", c->folder);
    ok = read_values(c, prefix, "input", n_in, c->info->inputs, inputs);
    for (int k = 0; k < n_out; k++)
        wanted[k] = k;
    maas_model_free(c->model);
    ok = ok && fail_each(c, model, inputs, wanted);
    for (int k = 0; k < n_in; k++)
        maas_value_unref(inputs[k]);
    free(inputs);
    free(wanted);
    return ok;
}
