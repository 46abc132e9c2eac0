/*
 * conformance.c - runs folders of ONNX backend cases through the engine.
 *
 * A case is a folder with model.onnx and test_data_set_N/{input,output}_K.pb, as
 * ONNX's backend tests and Debian's libonnx-testdata have them; folders are
 * searched downwards; the light models of newer releases run, too, on the data
 * that ONNX's runner makes for them.  Judged like ONNX's own runner: element types and shapes
 * must be equal, numbers within rtol 1e-3 and atol 1e-7 (data.json of the case
 * may say otherwise, bfloat16 has two units in the last place), strings equal.
 * Where an operator of the model is random, shapes and types count.
 *
 *   conformance [options] folder...
 *     --filter TEXT      only cases whose path holds TEXT
 *     --op NAME          only cases with a node of this operator
 *     --exceptions FILE  lines "name<tab>reason": cases that may fail; one that passes is a failure, unless
 *                        its name ends in "?" (newer releases of the cases have mended it)
 *     --coverage         an exception that is not found is a failure, and every operator of the engine must
 *                        occur in a case that passes
 *     --sample           lists one passing case for each operator, for tests by other means: folder, rtol, atol,
 *                        names of inputs, names of outputs, tab-separated; tensors only, nothing random
 *     --by-op            at the end, failures counted by operator
 *     --verbose          each case's name before it runs
 *
 * Also checked for each case: all memory is given back.
 */
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/format/onnx_import.h"
#include "../../engine/format/protobuf.h"
#include "../../engine/maas.h"

#define MAX_EXCEPTIONS 10
#define MAX_OPS 1024
#define SECONDS_PER_CASE 60

typedef struct Exception {
    char name[128];
    bool may_pass, seen;
} Exception;

static struct {
    const char *filter, *op;
    bool verbose, coverage, by_op, sample;
    int n_passed, n_failed, n_skipped;
    int n_exceptions;
    Exception exceptions[MAX_EXCEPTIONS];
    bool covered[MAX_OPS];
    int n_failing;
    struct {
        char name[64];
        int n;
    } failing[MAX_OPS];
} g;

static volatile int stop;
static char current[1024]; /* the case that runs, for a crash */

typedef struct Bytes {
    char *data;
    size_t size;
} Bytes;

static bool read_file(const char *path, Bytes *out)
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

/* ---- comparison ---- */

typedef struct Judge {
    double rtol, atol;
    char *why; /* what differs */
    size_t size;
} Judge;

static bool differs(Judge *judge, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool differs(Judge *judge, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(judge->why, judge->size, format, args);
    va_end(args);
    return false;
}

/* Number k of an element: complex ones have two. */
static long double number(const MaasTensor *t, int64_t i)
{
    switch (t->type) {
    case MAAS_FLOAT:
    case MAAS_COMPLEX64:
        return MAAS_F32(t)[i];
    case MAAS_DOUBLE:
    case MAAS_COMPLEX128:
        return MAAS_F64(t)[i];
    case MAAS_INT64:
        return MAAS_I64(t)[i];
    case MAAS_UINT64:
        return ((const uint64_t *)t->data)[i];
    case MAAS_INT32:
        return MAAS_I32(t)[i];
    case MAAS_UINT32:
        return ((const uint32_t *)t->data)[i];
    case MAAS_INT16:
        return ((const int16_t *)t->data)[i];
    case MAAS_UINT16:
        return ((const uint16_t *)t->data)[i];
    case MAAS_INT8:
    case MAAS_INT4:
    case MAAS_INT2:
        return MAAS_I8(t)[i];
    case MAAS_FLOAT16:
        return maas_f16_to_f32(((const uint16_t *)t->data)[i]);
    case MAAS_BFLOAT16:
        return maas_bf16_to_f32(((const uint16_t *)t->data)[i]);
    case MAAS_UINT8:
    case MAAS_BOOL:
    case MAAS_UINT4:
    case MAAS_UINT2:
        return MAAS_U8(t)[i];
    default:
        return maas_small_to_f32(t->type, MAAS_U8(t)[i]);
    }
}

static bool same_elements(Judge *judge, const MaasTensor *got, const MaasTensor *want)
{
    bool complex = want->type == MAAS_COMPLEX64 || want->type == MAAS_COMPLEX128;
    double rtol = want->type == MAAS_BFLOAT16 && judge->rtol < 0x1p-6 ? 0x1p-6 : judge->rtol;
    int64_t n = want->count * (complex ? 2 : 1), n_bad = 0, first = 0;

    for (int64_t i = 0; i < n; i++) {
        bool same;
        if (want->type == MAAS_STRING) {
            const MaasStr *a = &MAAS_STRS(got)[i], *b = &MAAS_STRS(want)[i];
            same = a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
        } else {
            long double a = number(got, i), b = number(want, i);
            if (isnan(a) || isnan(b) || isinf(a) || isinf(b))
                same = (isnan(a) && isnan(b)) || a == b;
            else
                same = fabsl(a - b) <= (long double)judge->atol + (long double)rtol * fabsl(b);
        }
        if (!same && n_bad++ == 0)
            first = i;
    }
    if (n_bad == 0)
        return true;
    if (want->type == MAAS_STRING)
        return differs(judge, "%lld of %lld strings differ: [%lld] is \"%.*s\", expected \"%.*s\"",
                       (long long)n_bad, (long long)n, (long long)first, (int)MAAS_STRS(got)[first].length,
                       MAAS_STRS(got)[first].data, (int)MAAS_STRS(want)[first].length, MAAS_STRS(want)[first].data);
    return differs(judge, "%lld of %lld elements differ: [%lld] is %.9Lg, expected %.9Lg", (long long)n_bad,
                   (long long)n, (long long)first, number(got, first), number(want, first));
}

/* exact: elements count, too. */
static bool same_tensor(Judge *judge, const MaasTensor *got, const MaasTensor *want, bool exact)
{
    char a[256], b[256];

    if (got->type != want->type)
        return differs(judge, "type %s, expected %s", maas_type_name(got->type), maas_type_name(want->type));
    if (got->rank != want->rank || memcmp(got->dims, want->dims, (size_t)want->rank * sizeof *want->dims) != 0)
        return differs(judge, "shape %s, expected %s", maas_dims_text(got->rank, got->dims, NULL, a, sizeof a),
                       maas_dims_text(want->rank, want->dims, NULL, b, sizeof b));
    return !exact || same_elements(judge, got, want);
}

static bool same_value(Judge *judge, const MaasValue *got, const MaasValue *want, bool exact)
{
    if (got->kind != want->kind)
        return differs(judge, "a value of kind %d, expected %d", got->kind, want->kind);
    switch (want->kind) {
    case MAAS_KIND_TENSOR:
        return same_tensor(judge, &got->tensor, &want->tensor, exact);
    case MAAS_KIND_SEQUENCE:
        if (got->seq.n != want->seq.n)
            return differs(judge, "a sequence of %lld, expected %lld", (long long)got->seq.n,
                           (long long)want->seq.n);
        for (int64_t i = 0; i < want->seq.n; i++)
            if (!same_value(judge, got->seq.items[i], want->seq.items[i], exact))
                return false;
        return true;
    case MAAS_KIND_OPTIONAL:
        if (got->some == NULL || want->some == NULL)
            return got->some == want->some || differs(judge, "an optional is empty or is not");
        return same_value(judge, got->some, want->some, exact);
    default:
        return same_value(judge, got->map.keys, want->map.keys, exact) &&
               same_value(judge, got->map.values, want->map.values, exact);
    }
}

/* ---- operators of a model ---- */

/* Marks the operators of all nodes; true when one of them is random. */
static bool scan_operators(const Bytes *model, MaasMem *mem, bool *used)
{
    MaasArena arena;
    MaasOnnxModel onnx;
    MaasError err;
    bool random = false;

    maas_arena_init(&arena, mem);
    if (maas_onnx_import(model->data, model->size, &arena, mem, &onnx, &err) == MAAS_OK) {
        for (int k = 0; k < onnx.n_graphs; k++)
            for (int n = 0; n < onnx.graphs[k]->n_nodes; n++) {
                const MaasOp *op = onnx.graphs[k]->nodes[n].op;
                random |= (op->flags & MAAS_OP_RANDOM) != 0;
                for (int i = 0; maas_ops[i] != NULL && i < MAX_OPS; i++)
                    used[i] |= maas_ops[i] == op;
            }
        maas_onnx_release(&onnx);
    }
    maas_arena_free(&arena);
    return random;
}

/* Calls visit with the operator of each node of the main graph, whether the engine knows it or not. */
static void each_op_type(const Bytes *model, void (*visit)(MaasSlice op, void *arg), void *arg)
{
    MaasPb pb = maas_pb_open(model->data, model->size);
    MaasPbField f, n, o;
    MaasError err;

    while (maas_pb_more(&pb) && maas_pb_next(&pb, &f, &err) == MAAS_OK) {
        MaasPb graph = maas_pb_open(f.bytes.data, f.bytes.size);
        while (f.number == 7 && maas_pb_more(&graph) && maas_pb_next(&graph, &n, &err) == MAAS_OK) {
            MaasPb node = maas_pb_open(n.bytes.data, n.bytes.size);
            while (n.number == 1 && maas_pb_more(&node) && maas_pb_next(&node, &o, &err) == MAAS_OK)
                if (o.number == 4 && o.wire == MAAS_PB_BYTES)
                    visit(o.bytes, arg);
        }
    }
}

static void match_op(MaasSlice op, void *arg)
{
    if (op.size == strlen(g.op) && memcmp(op.data, g.op, op.size) == 0)
        *(bool *)arg = true;
}

/* Constants are gone after import, and older operators run as newer ones. */
static void mark_used(MaasSlice op, void *used)
{
    for (int i = 0; maas_ops[i] != NULL && i < MAX_OPS; i++)
        if (op.size == strlen(maas_ops[i]->name) && memcmp(op.data, maas_ops[i]->name, op.size) == 0)
            ((bool *)used)[i] = true;
}

static void count_failing(MaasSlice op, void *arg)
{
    int i = 0;
    (void)arg;
    while (i < g.n_failing && (strlen(g.failing[i].name) != op.size || memcmp(g.failing[i].name, op.data, op.size)))
        i++;
    if (i == g.n_failing) {
        if (i == MAX_OPS || op.size >= sizeof g.failing[i].name)
            return;
        memcpy(g.failing[i].name, op.data, op.size);
        g.n_failing++;
    }
    g.failing[i].n++;
}

/* ---- one case ---- */

typedef struct Case {
    const char *folder;
    const char *light; /* path of a model without data sets, less its ".onnx"; else NULL */
    Judge judge;
    bool random;
    MaasMem *mem;
    MaasModel *model;
    const MaasModelInfo *info;
} Case;

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
        MaasStatus status = maas_value_from_onnx(ports[k].kind, file.data, file.size, c->mem, &values[k], &err);
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
            maas_value_new_tensor(c->mem, MAAS_FLOAT, ports[k].rank, dims, &values[k], &err) != MAAS_OK)
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
    MaasRunOptions options = {.mem = c->mem, .stop = &stop, .threads = 1};
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

static bool run_sets(Case *c)
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

static bool print_names(int n, const MaasPort *ports, char *text, size_t size)
{
    size_t used = 0;

    *text = '\0';
    for (int i = 0; i < n; i++) {
        if (ports[i].kind != MAAS_KIND_TENSOR || strpbrk(ports[i].name, ",\t\"{}\\") != NULL)
            return false;
        used += (size_t)snprintf(text + used, size - used, "%s%s", i > 0 ? "," : "", ports[i].name);
        if (used >= size)
            return false;
    }
    return n > 0;
}

/* Prints the case if it is the first to cover some operator. */
static void print_sample(const Case *c, const bool *used)
{
    char inputs[1024], outputs[1024];
    bool fresh = false;

    for (int i = 0; i < MAX_OPS; i++)
        fresh |= used[i] && !g.covered[i];
    if (!fresh || c->random || !print_names(c->info->n_inputs, c->info->inputs, inputs, sizeof inputs) ||
        !print_names(c->info->n_outputs, c->info->outputs, outputs, sizeof outputs))
        return;
    for (int i = 0; i < MAX_OPS; i++)
        g.covered[i] |= used[i];
    printf("%s\t%g\t%g\t%s\t%s\n", c->folder, c->judge.rtol, c->judge.atol, inputs, outputs);
}

static bool run_case(Case *c, const Bytes *model, bool *used)
{
    MaasRunOptions options = {.mem = c->mem, .stop = &stop, .threads = 1};
    MaasError err;
    bool ok;

    c->random = scan_operators(model, c->mem, used);
    each_op_type(model, mark_used, used);
    if (maas_model_load(model->data, model->size, &options, &c->model, &err) != MAAS_OK)
        return differs(&c->judge, "load: %s", err.message);
    ok = run_sets(c);
    if (ok && g.sample)
        print_sample(c, used);
    maas_model_free(c->model);
    if (ok && c->mem->used != 0)
        return differs(&c->judge, "%zu bytes are not given back", c->mem->used);
    return ok;
}

/* rtol and atol of data.json, if there is one. */
static void read_tolerance(Case *c)
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

static Exception *find_exception(const char *name)
{
    for (int i = 0; i < g.n_exceptions; i++)
        if (strcmp(g.exceptions[i].name, name) == 0)
            return &g.exceptions[i];
    return NULL;
}

/* light: see Case. */
static void on_case(const char *folder, const Bytes *model, const char *light)
{
    char why[sizeof((MaasError *)0)->message + 128] = "";
    const char *name = strrchr(folder, '/') != NULL ? strrchr(folder, '/') + 1 : folder;
    bool used[MAX_OPS] = {false}, matches = g.op == NULL, ok;
    Exception *exception = find_exception(name);
    Case c = {
        .folder = folder, .light = light, .judge = {.rtol = 1e-3, .atol = 1e-7, .why = why, .size = sizeof why}};
    MaasMem mem;

    if (g.op != NULL)
        each_op_type(model, match_op, &matches);
    if (!matches)
        return;
    if (g.verbose)
        printf("%s\n", folder), fflush(stdout);
    snprintf(current, sizeof current, "%s", folder);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    c.mem = &mem;
    read_tolerance(&c);
    stop = 0;
    alarm(SECONDS_PER_CASE);
    ok = run_case(&c, model, used);
    alarm(0);
    if (exception != NULL) {
        exception->seen = true;
        if (!ok) {
            g.n_skipped++;
            return;
        }
        ok = exception->may_pass || differs(&c.judge, "passes, but is listed as an exception");
    }
    if (ok) {
        g.n_passed++;
        for (int i = 0; i < MAX_OPS && !g.sample; i++)
            g.covered[i] |= used[i];
        return;
    }
    g.n_failed++;
    if (g.sample)
        return;
    printf("FAIL %s: %s\n", folder, why);
    each_op_type(model, count_failing, NULL);
}

/* ---- folders ---- */

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strncmp(entry->d_name, "test_data_set", 13) != 0;
}

/* real/test_NAME has no model but may say that it is ../../light/light_NAME.onnx. */
static bool find_light(const char *folder, char *path, size_t size, Bytes *model)
{
    char json[1200], *name, *end;
    Bytes file;
    bool found = false;

    snprintf(json, sizeof json, "%s/data.json", folder);
    if (!read_file(json, &file))
        return false;
    file.data = realloc(file.data, file.size + 1);
    file.data[file.size] = '\0';
    name = strstr(file.data, "/light/light_");
    end = name != NULL ? strstr(name, ".onnx") : NULL;
    if (end != NULL) {
        snprintf(path, size, "%s/../..%.*s.onnx", folder, (int)(end - name), name);
        found = read_file(path, model);
        path[strlen(path) - strlen(".onnx")] = '\0';
    }
    free(file.data);
    return found;
}

static void walk(const char *folder, int depth)
{
    struct dirent **entries;
    char path[1024];
    Bytes model;
    int n;

    snprintf(path, sizeof path, "%s/model.onnx", folder);
    bool whole = read_file(path, &model);
    if (whole || find_light(folder, path, sizeof path, &model)) {
        if (g.filter == NULL || strstr(folder, g.filter) != NULL)
            on_case(folder, &model, whole ? NULL : path);
        free(model.data);
        return;
    }
    n = depth < 8 ? scandir(folder, &entries, visible, alphasort) : -1;
    for (int i = 0; i < n; i++) {
        struct stat st;
        if (snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name) < (int)sizeof path &&
            stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            walk(path, depth + 1);
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

static bool read_exceptions(const char *path)
{
    char line[1024], *name;
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return fprintf(stderr, "conformance: cannot read %s\n", path), false;
    while (fgets(line, sizeof line, file) != NULL) {
        char *tab = strchr(line, '\t');
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (tab == NULL || g.n_exceptions == MAX_EXCEPTIONS) {
            fclose(file);
            return fprintf(stderr, "conformance: %s: at most %d lines \"name<tab>reason\"\n", path, MAX_EXCEPTIONS),
                   false;
        }
        g.exceptions[g.n_exceptions].may_pass = tab > line && tab[-1] == '?';
        tab[g.exceptions[g.n_exceptions].may_pass ? -1 : 0] = '\0';
        name = g.exceptions[g.n_exceptions++].name;
        snprintf(name, sizeof g.exceptions[0].name, "%.*s", (int)sizeof g.exceptions[0].name - 1, line);
    }
    fclose(file);
    return true;
}

static int report(void)
{
    int n_uncovered = 0;

    for (int i = 0; g.by_op && i < g.n_failing; i++)
        printf("%4d failing with %s\n", g.failing[i].n, g.failing[i].name);
    for (int i = 0; g.coverage && maas_ops[i] != NULL && i < MAX_OPS; i++) {
        const char *domain = maas_ops[i]->domain != NULL ? maas_ops[i]->domain : "";
        if (!g.covered[i] && strcmp(domain, "maas") != 0) {
            printf("NO CASE for operator %s%s%s\n", domain, *domain ? "." : "", maas_ops[i]->name);
            n_uncovered++;
        }
    }
    for (int i = 0; g.coverage && g.filter == NULL && g.op == NULL && i < g.n_exceptions; i++)
        if (!g.exceptions[i].seen) {
            printf("FAIL %s: an exception without a case\n", g.exceptions[i].name);
            g.n_failed++;
        }
    printf("%d passed, %d failed, %d skipped\n", g.n_passed, g.n_failed, g.n_skipped);
    if (g.n_passed + g.n_failed + g.n_skipped == 0)
        fprintf(stderr, "conformance: no case was found\n");
    return g.n_failed + n_uncovered > 0 || g.n_passed == 0;
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    stop = 1;
}

/* Says which case crashed; the crash is a bug all the same. */
static void on_crash(int signal_number)
{
    static const char text[] = "\nCRASH in ";
    ssize_t done = write(2, text, sizeof text - 1) + write(2, current, strlen(current)) + write(2, "\n", 1);
    (void)done;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

int main(int argc, char **argv)
{
    int first = argc;

    signal(SIGALRM, on_alarm);
    signal(SIGSEGV, on_crash);
    signal(SIGFPE, on_crash);
    signal(SIGABRT, on_crash);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            g.filter = argv[++i];
        else if (strcmp(argv[i], "--op") == 0 && i + 1 < argc)
            g.op = argv[++i];
        else if (strcmp(argv[i], "--exceptions") == 0 && i + 1 < argc) {
            if (!read_exceptions(argv[++i]))
                return 2;
        } else if (strcmp(argv[i], "--verbose") == 0)
            g.verbose = true;
        else if (strcmp(argv[i], "--coverage") == 0)
            g.coverage = true;
        else if (strcmp(argv[i], "--by-op") == 0)
            g.by_op = true;
        else if (strcmp(argv[i], "--sample") == 0)
            g.sample = true;
        else if (argv[i][0] == '-')
            return fprintf(stderr, "conformance: unknown option %s\n", argv[i]), 2;
        else {
            first = i;
            break;
        }
    }
    if (first == argc)
        return fprintf(stderr, "usage: conformance [options] folder...\n"), 2;
    for (int i = first; i < argc; i++) {
        int passed = g.n_passed, failed = g.n_failed, skipped = g.n_skipped;
        walk(argv[i], 0);
        if (argc - first > 1)
            printf("%s: %d passed, %d failed, %d skipped\n", argv[i], g.n_passed - passed, g.n_failed - failed,
                   g.n_skipped - skipped);
    }
    return report();
}
