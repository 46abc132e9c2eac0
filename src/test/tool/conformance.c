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
 *                        its line begins with "?" (other releases of the cases have it right or have it not); "*"
 * in a name stands for anything
 *     --coverage         an exception that is not found is a failure, and every operator of the engine must
 *                        occur in a case that passes
 *     --sample           lists one passing case for each operator, for tests by other means: folder, rtol, atol,
 *                        names of inputs, names of outputs, tab-separated; tensors only, nothing random
 *     --memory           each case again with every single allocation failing, which must be reported and leak
 *                        nothing
 *     --rows             each case also row by row and in pieces, where the engine calls its rows independent
 *     --by-op            at the end, failures counted by operator
 *     --verbose          each case's name before it runs
 *
 * Also checked for each case: it passes again when the model is opened from its image (format/image.h), and all
 * memory is given back.
 */
#include <dirent.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../engine/format/onnx_import.h"
#include "../../engine/format/protobuf.h"
#include "conformance/case.h"

#define MAX_EXCEPTIONS 10
#define MAX_OPS 1024
#define SECONDS_PER_CASE 60

typedef struct Exception {
    char name[128];
    bool may_pass, seen;
} Exception;

static struct {
    const char *filter, *op;
    bool verbose, memory, coverage, by_op, sample, rows;
    int n_passed, n_failed, n_skipped;
    int64_t n_allocations; /* that failed in turn */
    int n_rows;            /* cases with independent rows */
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
    ok = case_run(c);
    if (ok && g.sample)
        print_sample(c, used);
    ok = ok && case_image(c);
    maas_model_free(c->model);
    if (ok && c->mem->used != 0)
        return differs(&c->judge, "%zu bytes are not given back", c->mem->used);
    return ok;
}

static Exception *find_exception(const char *name)
{
    for (int i = 0; i < g.n_exceptions; i++)
        if (fnmatch(g.exceptions[i].name, name, 0) == 0)
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
    MaasMem mem, data;

    if (g.op != NULL)
        each_op_type(model, match_op, &matches);
    if (!matches)
        return;
    if (g.verbose)
        printf("%s\n", folder), fflush(stdout);
    snprintf(current, sizeof current, "%s", folder);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_mem_init(&data, &maas_malloc_allocator, 0);
    c.mem = &mem;
    c.data = &data;
    c.stop = &stop;
    case_tolerance(&c);
    stop = 0;
    alarm(SECONDS_PER_CASE);
    ok = run_case(&c, model, used);
    if (ok && g.memory && light == NULL)
        ok = case_memory(&c, model);
    if (ok && g.rows && light == NULL) {
        bool counted = false;
        ok = case_rows(&c, model, &counted);
        g.n_rows += counted;
        if (g.verbose && counted)
            printf("    has independent rows\n");
    }
    alarm(0);
    g.n_allocations += c.n_allocations;
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
        *tab = '\0';
        g.exceptions[g.n_exceptions].may_pass = line[0] == '?';
        name = g.exceptions[g.n_exceptions++].name;
        snprintf(name, sizeof g.exceptions[0].name, "%.*s", (int)sizeof g.exceptions[0].name - 1,
                 line + (line[0] == '?'));
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
        if (!g.exceptions[i].seen && !g.exceptions[i].may_pass) {
            printf("FAIL %s: an exception without a case\n", g.exceptions[i].name);
            g.n_failed++;
        }
    if (g.memory)
        printf("%lld allocations failed in turn\n", (long long)g.n_allocations);
    if (g.rows)
        printf("%d cases with independent rows\n", g.n_rows);
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
        } else if (strcmp(argv[i], "--memory") == 0)
            g.memory = true;
        else if (strcmp(argv[i], "--rows") == 0)
            g.rows = true;
        else if (strcmp(argv[i], "--verbose") == 0)
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
