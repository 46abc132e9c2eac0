/*
 * fusing.c - small models as text, run with the passes of transform/ and without.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/base/threads.h"
#include "../../engine/kernel/kernel.h"
#include "../../engine/model.h"
#include "fusing.h"

#define MAX_COMPARED 64
#define MAX_PORTS 8
#define TOLERANCE 3e-5 /* of sums of some hundred products in another order, relative to the largest element */

static const char *compared[MAX_COMPARED];
static int n_compared;

void fusing_compares(const char *op)
{
    compared[n_compared++] = op;
}

TEST(internal_operators_are_compared)
{
    for (int i = 0; maas_ops[i]; i++) {
        bool found = !maas_ops[i]->domain || strcmp(maas_ops[i]->domain, "maas") != 0;

        for (int k = 0; k < n_compared && !found; k++)
            found = strcmp(compared[k], maas_ops[i]->name) == 0;
        if (!found)
            test_fail(__FILE__, __LINE__, "no test COMPARES the internal operator %s", maas_ops[i]->name);
    }
}

/* ---- writing ---- */

static float draw(uint64_t *state)
{
    return (float)((double)(test_random(state) >> 40) / (1 << 23) - 1);
}

static int read_dims(const char *text, int64_t *dims)
{
    int rank = 0;

    for (; *text; text += *text == ',') {
        dims[rank++] = strtoll(text, NULL, 10);
        text += strcspn(text, ",");
    }
    return rank;
}

static void put_input(Build *b, uint32_t field, const char *name, const char *dims, int type)
{
    build_open(b, field);
    build_text(b, 1, name);
    if (dims) {
        build_open(b, 2); /* type */
        build_open(b, 1); /* tensor_type */
        maas_pb_put_int(&b->out, 1, type);
        build_open(b, 2); /* shape */
        for (; *dims; dims += *dims == ',') {
            size_t n = strcspn(dims, ",");

            build_open(b, 1); /* dim */
            if (*dims >= '0' && *dims <= '9')
                maas_pb_put_int(&b->out, 1, strtoll(dims, NULL, 10));
            else
                maas_pb_put_bytes(&b->out, 2, dims, n);
            build_close(b);
            dims += n;
        }
        for (int i = 0; i < 3; i++)
            build_close(b);
    }
    build_close(b);
}

static void put_const(Build *b, const char *name, const char *dims, const char *scale, uint64_t *state)
{
    int64_t shape[8], count;
    int rank = read_dims(strcmp(dims, "-") == 0 ? "" : dims, shape);
    float *data;

    if (!maas_count_dims(rank, shape, &count))
        return;
    data = malloc(sizeof *data * (size_t)count + 1);
    for (int64_t i = 0; i < count; i++)
        data[i] = draw(state) * (scale ? strtof(scale, NULL) : 1);
    build_tensor(b, 5, name, MAAS_FLOAT, rank, shape, data, sizeof *data * (size_t)count);
    free(data);
}

static void put_value(Build *b, const char *name, const char *text)
{
    MaasValue *value = NULL;
    MaasError err;

    NEED_OK(maas_tensor_parse(text, strlen(text), &b->mem, &value, &err));
    const MaasTensor *t = &value->tensor;

    build_tensor(b, 5, name, t->type, t->rank, t->dims, t->data, maas_tensor_bytes(t));
    maas_value_unref(value);
}

/* An attribute that is a graph of one node: name{Op,in,in>out}. */
static void put_branch(Build *b, char *word)
{
    char *body = strchr(word, '{'), *out = strchr(word, '>'), *save;

    *body++ = *out++ = '\0';
    out[strcspn(out, "}")] = '\0';
    build_open(b, 5);
    build_text(b, 1, word);
    build_open(b, 6);
    build_open(b, 1);
    build_text(b, 4, strtok_r(body, ",", &save));
    for (char *in = strtok_r(NULL, ",", &save); in; in = strtok_r(NULL, ",", &save))
        build_text(b, 1, in);
    build_text(b, 2, out);
    build_close(b);
    build_text(b, 2, word);
    put_input(b, 12, out, NULL, 0);
    build_close(b);
    maas_pb_put_int(&b->out, 20, 5);
    build_close(b);
}

/* words: the operator, its inputs, ">", its outputs, its attributes. */
static void put_node(Build *b, char **words, int n)
{
    bool out = false;

    build_open(b, 1);
    build_text(b, 4, words[0]);
    for (int i = 1; i < n; i++) {
        if (strcmp(words[i], ">") == 0)
            out = true;
        else if (strchr(words[i], '{'))
            put_branch(b, words[i]);
        else if (strchr(words[i], '='))
            build_attrs(b, words[i]);
        else
            build_text(b, out ? 2 : 1, strcmp(words[i], "-") == 0 ? "" : words[i]);
    }
    build_close(b);
}

static void put_line(Build *b, char *line, uint64_t *state)
{
    char *words[40];
    int n = 0;

    for (char *word = strtok(line, " "); word && n < 40; word = strtok(NULL, " "))
        words[n++] = word;
    if (n == 0)
        return;
    if (strcmp(words[0], "in") == 0)
        put_input(b, 11, words[1], words[2], n > 3 ? MAAS_INT64 : MAAS_FLOAT);
    else if (strcmp(words[0], "const") == 0)
        put_const(b, words[1], words[2], n > 3 ? words[3] : NULL, state);
    else if (strcmp(words[0], "value") == 0)
        put_value(b, words[1], words[2]);
    else if (strcmp(words[0], "out") == 0)
        for (int i = 1; i < n; i++)
            put_input(b, 12, words[i], NULL, 0);
    else
        put_node(b, words, n);
}

void build_lines(Build *b, const char *model)
{
    uint64_t state = 1;
    int opset = 21;

    sscanf(model, "opset %d", &opset);
    build_start(b, 10, opset);
    build_open(b, 7);
    build_text(b, 2, "lines");
    if (strncmp(model, "opset ", 6) == 0)
        model += strcspn(model, "\n") + 1;
    while (*model) {
        size_t n = strcspn(model, "\n");
        char line[512];

        snprintf(line, sizeof line, "%.*s", (int)n, model);
        put_line(b, line, &state);
        model += n + (model[n] == '\n');
    }
    build_close(b);
}

/* ---- running ---- */

typedef struct Setting {
    const Build *b;
    bool unfused;
    int64_t size; /* of free dimensions */
    int threads;
} Setting;

static MaasStatus make_inputs(const MaasModelInfo *info, int64_t size, MaasMem *mem, MaasValue **values,
                              MaasError *err)
{
    uint64_t state = 7;

    for (int i = 0; i < info->n_inputs; i++) {
        const MaasPort *port = &info->inputs[i];
        int64_t dims[MAAS_MAX_RANK];

        for (int d = 0; d < port->rank; d++)
            dims[d] = port->dims[d] < 0 ? size : port->dims[d];
        MAAS_TRY(maas_value_new_tensor(mem, port->type, port->rank, dims, &values[i], err));
        for (int64_t k = 0; k < values[i]->tensor.count; k++)
            if (port->type == MAAS_INT64)
                MAAS_I64(&values[i]->tensor)[k] = (int64_t)(test_random(&state) % 8);
            else
                MAAS_F32(&values[i]->tensor)[k] = draw(&state);
    }
    return MAAS_OK;
}

/* All outputs of one run; the caller frees *model and *results, on failure too. */
static MaasStatus run_lines(const Setting *s, MaasMem *mem, MaasModel **model, MaasResults **results,
                            MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = s->threads, .unfused = s->unfused};
    MaasValue *inputs[MAX_PORTS] = {NULL};
    int wanted[MAX_PORTS] = {0, 1, 2, 3, 4, 5, 6, 7};
    MaasStatus status = maas_model_load(s->b->out.data, s->b->out.size, &options, model, err);

    if (status == MAAS_OK)
        status = make_inputs(maas_model_info(*model), s->size, mem, inputs, err);
    if (status == MAAS_OK)
        status = maas_model_run(*model, &options, (const MaasValue *const *)inputs,
                                maas_model_info(*model)->n_outputs, wanted, results, err);
    for (int i = 0; i < MAX_PORTS; i++)
        maas_value_unref(inputs[i]);
    return status;
}

static MaasStatus run_once(MaasMem *mem, void *arg, MaasError *err)
{
    MaasModel *model = NULL;
    MaasResults *results = NULL;
    MaasStatus status = run_lines(arg, mem, &model, &results, err);

    maas_results_free(results);
    maas_model_free(model);
    return status;
}

static void compare(const Setting *s, const MaasTensor *want, const MaasTensor *got, const char *text)
{
    char a[256], b[256];
    double largest = 1, gap = 0;

    if (want->type != got->type || want->rank != got->rank ||
        memcmp(want->dims, got->dims, sizeof *want->dims * (size_t)want->rank) != 0) {
        test_fail(__FILE__, __LINE__, "shape %s, unfused %s\n%s",
                  maas_dims_text(got->rank, got->dims, NULL, a, sizeof a),
                  maas_dims_text(want->rank, want->dims, NULL, b, sizeof b), text);
        return;
    }
    if (want->type != MAAS_FLOAT) {
        if (want->count && memcmp(want->data, got->data, maas_tensor_bytes(want)) != 0)
            test_fail(__FILE__, __LINE__, "elements differ\n%s", text);
        return;
    }
    for (int64_t i = 0; i < want->count; i++) {
        double x = (double)MAAS_F32(want)[i], y = (double)MAAS_F32(got)[i];

        if (isfinite(x))
            largest = fmax(largest, fabs(x));
        if (x != y && !(isnan(x) && isnan(y)))
            gap = fabs(x - y) <= gap ? gap : fabs(x - y);
    }
    if (!(gap <= TOLERANCE * largest))
        test_fail(__FILE__, __LINE__, "differs by %g at level %s, size %lld, %d threads\n%s", gap,
                  maas_kernel->level, (long long)s->size, s->threads, text);
}

static void check_setting(Setting s, const char *text)
{
    TestHost host;
    MaasMem mem;
    MaasError err;
    MaasModel *models[2] = {NULL};
    MaasResults *results[2] = {NULL};

    test_host_init(&host, &mem);
    for (int i = 0; i < 2; i++) {
        s.unfused = i == 0;
        CHECK_OK(run_lines(&s, &mem, &models[i], &results[i], &err));
    }
    for (int i = 0; results[0] && results[1] && i < maas_results_n(results[0]); i++)
        compare(&s, &maas_results_get(results[0], i)->tensor, &maas_results_get(results[1], i)->tensor, text);
    for (int i = 0; i < 2; i++) {
        maas_results_free(results[i]);
        maas_model_free(models[i]);
    }
    CHECK_NO_LEAK(&host, &mem);
}

static void check_zero(Setting s, const char *text)
{
    TestHost host;
    MaasMem mem;
    MaasError err;
    MaasModel *model = NULL;
    MaasResults *results = NULL;

    test_host_init(&host, &mem);
    CHECK_OK(run_lines(&s, &mem, &model, &results, &err));
    for (int i = 0; results && i < maas_results_n(results); i++) {
        const MaasTensor *t = &maas_results_get(results, i)->tensor;
        double gap = 0;

        for (int64_t k = 0; k < t->count; k++)
            gap = fabs((double)MAAS_F32(t)[k]) <= gap ? gap : fabs((double)MAAS_F32(t)[k]);
        if (!(gap <= TOLERANCE))
            test_fail(__FILE__, __LINE__, "output %d is up to %g at level %s, size %lld, %d threads\n%s", i, gap,
                      maas_kernel->level, (long long)s.size, s.threads, text);
    }
    maas_results_free(results);
    maas_model_free(model);
    CHECK_NO_LEAK(&host, &mem);
}

static void count_nodes(const void *bytes, size_t size, const char *op, int count, const char *text)
{
    MaasMem mem;
    MaasError err;
    MaasRunOptions options = {.mem = &mem, .threads = 1};
    MaasModel *model;
    int n = 0;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(maas_model_load(bytes, size, &options, &model, &err));
    for (int g = 0; g < model->onnx.n_graphs; g++)
        for (int k = 0; k < model->onnx.graphs[g]->n_nodes; k++) {
            const MaasOp *record = model->onnx.graphs[g]->nodes[k].op;

            n += strcmp(record->name, op) == 0;
        }
    if (n != count)
        test_fail(__FILE__, __LINE__, "%d nodes of %s, expected %d\n%s", n, op, count, text);
    maas_model_free(model);
}

void check_fused_file(const char *op, int count, const char *path)
{
    size_t size;
    char *bytes = read_source(path, &size);

    if (bytes)
        count_nodes(bytes, size, op, count, path);
    free(bytes);
}

/* At every CPU level, for several sizes, on one thread and on three. */
static void check_each(const Build *b, const char *model, void (*check)(Setting s, const char *text))
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    static const int64_t sizes[] = {1, 2, 7, 33};
    const char *before = maas_kernel->level;

    for (int l = 0; l < 3; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (int threads = 1; threads <= 3; threads += 2)
                check((Setting){.b = b, .size = sizes[i], .threads = threads}, model);
    }
    maas_kernel_use(before);
}

void check_vanishing(const char *model)
{
    Build b;

    build_lines(&b, model);
    check_each(&b, model, check_zero);
    Setting s = {.b = &b, .size = 3, .threads = 1};

    CHECK_EACH_FAILURE(run_once, &s);
    build_free(&b);
    maas_threads_end();
}

void check_fusing(const char *op, int count, const char *model)
{
    Build b;

    build_lines(&b, model);
    count_nodes(b.out.data, b.out.size, op, count, model);
    check_each(&b, model, check_setting);
    Setting s = {.b = &b, .size = 3, .threads = 1};

    CHECK_EACH_FAILURE(run_once, &s);
    build_free(&b);
    maas_threads_end();
}
