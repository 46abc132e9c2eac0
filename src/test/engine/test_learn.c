/*
 * test_learn.c - optimisers and schedules against PyTorch, metrics against scikit-learn, the table of options.
 *
 * The expected numbers are in learn_*.inc, written by src/test/gen/learn_table.py.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/kernel/kernel.h"
#include "../../engine/learn/optimizer.h"
#include "../../engine/learn/schedule.h"
#include "test.h"

#include "learn_metrics.inc"
#include "learn_optimizers.inc"
#include "learn_rates.inc"

/* Options from JSON; the arena holds what they point to. */
static MaasStatus read_options(const char *json, MaasTrainOptions *options, MaasArena *arena, MaasError *err)
{
    MaasOptionTable table = {.target = options};

    memset(options, 0, sizeof *options);
    table.options = maas_train_options(&table.n);
    return maas_options_read(json, strlen(json), &table, 1, arena, err);
}

/* ---- options ---- */

typedef struct BadOptions {
    const char *json;
    MaasStatus status;
    const char *message, *hint;
} BadOptions;

static const BadOptions bad_options[] = {
    {"{\"lerning_rate\":1}", MAAS_ERR_NAME, "there is no option \"lerning_rate\"", "\"learning_rate\""},
    {"{\"optimiser\":\"adam\"}", MAAS_ERR_NAME, "there is no option \"optimiser\"", "\"optimizer\""},
    {"{\"something_else_entirely\":1}", MAAS_ERR_NAME, "there is no option", ""},
    {"{\"optimizer\":\"adma\"}", MAAS_ERR_VALUE, "\"optimizer\" is \"adma\", it must be one of sgd|", "\"adam\""},
    {"{\"optimizer\":3}", MAAS_ERR_TYPE, "\"optimizer\" must be a string", ""},
    {"{\"epochs\":1.5}", MAAS_ERR_TYPE, "\"epochs\" must be a whole number", ""},
    {"{\"epochs\":0}", MAAS_ERR_VALUE, "\"epochs\" is 0, it must lie between 1 and", ""},
    {"{\"beta1\":1}", MAAS_ERR_VALUE, "\"beta1\" is 1, it must lie between 0 and 0.9999999", ""},
    {"{\"beta1\":\"x\"}", MAAS_ERR_TYPE, "\"beta1\" must be a number", ""},
    {"{\"nesterov\":1}", MAAS_ERR_TYPE, "\"nesterov\" must be true or false", ""},
    {"{\"freeze\":[1]}", MAAS_ERR_TYPE, "\"freeze\" must be a string or a list of strings", ""},
    {"{\"output\":null}", MAAS_ERR_TYPE, "\"output\" must be a string", ""},
    {"[]", MAAS_ERR_TYPE, "options must be a JSON object", ""},
    {"{", MAAS_ERR_FORMAT, "", ""},
};

TEST(options_that_are_wrong)
{
    MaasTrainOptions options;
    MaasArena arena;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &mem);
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++) {
        const BadOptions *bad = &bad_options[i];

        CHECK_FAILS(read_options(bad->json, &options, &arena, &err), bad->status, bad->message);
        CHECK(*bad->hint ? strstr(err.hint, bad->hint) != NULL : err.hint[0] == '\0');
    }
    maas_arena_free(&arena);
}

TEST(options_given_and_not)
{
    MaasTrainOptions o;
    MaasArena arena;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &mem);
    NEED_OK(read_options("{\"optimizer\":\"lion\",\"freeze\":\"all but last\",\"train\":[\"a*\",\"b\"],\"l1\":0.5,"
                         "\"amsgrad\":true,\"seed\":77,\"output\":\"y\"}",
                         &o, &arena, &err));
    CHECK_INT(o.optimizer, MAAS_OPTIMIZER_LION);
    CHECK_INT(o.freeze.n, 1);
    CHECK_STR(o.freeze.items[0], "all but last");
    CHECK_INT(o.train.n, 2);
    CHECK_STR(o.train.items[1], "b");
    CHECK_STR(o.output, "y");
    CHECK(o.amsgrad && !o.nesterov && o.l1 == 0.5 && o.l2 == 0 && o.seed == 77 && o.epochs == 10);
    CHECK(isnan(o.learning_rate));
    maas_optimizer_defaults(&o);
    CHECK(o.learning_rate == 1e-4 && o.beta2 == 0.99 && o.weight_decay == 0);
    NEED_OK(read_options("", &o, &arena, &err));
    CHECK_INT(o.optimizer, MAAS_OPTIMIZER_ADAM);
    maas_arena_free(&arena);
}

/* Each default must be one that may be given, each option must say what it is for. */
TEST(options_defaults_are_in_range)
{
    int n;
    const MaasOption *options = maas_train_options(&n);

    for (int i = 0; i < n; i++) {
        const MaasOption *o = &options[i];

        CHECK(o->help && strlen(o->help) > 10);
        if (o->kind == MAAS_OPTION_INT || o->kind == MAAS_OPTION_NUMBER)
            CHECK(isnan(o->preset) || (o->preset >= o->low && o->preset <= o->high));
        if (o->kind == MAAS_OPTION_CHOICE)
            CHECK(maas_option_choice(o, (int)o->preset).length > 0);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(o->name, options[j].name) != 0 && o->offset != options[j].offset);
    }
}

/* ---- optimisers ---- */

static MaasStatus six_steps(MaasMem *mem, const char *json, float *w, MaasError *err)
{
    MaasTrainOptions options;
    MaasArena arena;
    MaasSlot slot = {.w = w, .count = OPTIMIZER_N, .penalized = true, .outer = 1, .units = 1, .inner = OPTIMIZER_N};

    maas_arena_init(&arena, mem);
    memcpy(w, optimizer_start, sizeof optimizer_start);
    MaasStatus status = read_options(json, &options, &arena, err);

    if (status == MAAS_OK) {
        maas_optimizer_defaults(&options);
        status = maas_optimizer_start(&options, mem, &slot, 1, err);
    }
    for (int step = 1; step <= OPTIMIZER_STEPS && status == MAAS_OK; step++) {
        double norm;

        slot.g = optimizer_gradients + (step - 1) * OPTIMIZER_N;
        status = maas_optimizer_norm(&options, &slot, 1, &(MaasStop){{NULL, NULL}}, &norm, err);
        if (status == MAAS_OK)
            maas_optimizer_step(&options, &slot, 1, step, options.learning_rate, NAN, norm, 1);
    }
    for (int k = 0; k < MAAS_OPTIMIZER_SLOTS; k++)
        maas_free(mem, slot.state[k]);
    maas_arena_free(&arena);
    return status;
}

TEST(optimizers_equal_pytorch)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    const char *level = maas_kernel->level;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (size_t i = 0; i < sizeof optimizer_options / sizeof *optimizer_options; i++) {
            float w[OPTIMIZER_N];

            NEED_OK(six_steps(&mem, optimizer_options[i], w, &err));
            for (int k = 0; k < OPTIMIZER_N; k++) {
                double want = (double)optimizer_end[i * OPTIMIZER_N + (size_t)k];

                if (!(fabs((double)w[k] - want) <= 2e-6 * (1 + fabs(want))))
                    test_fail(__FILE__, __LINE__, "%s, %s: element %d is %.9g, expected %.9g", levels[l],
                              optimizer_options[i], k, (double)w[k], want);
            }
        }
    }
    maas_kernel_use(level);
    CHECK_INT(mem.used, 0);
}

static MaasStatus some_steps(MaasMem *mem, void *arg, MaasError *err)
{
    float w[OPTIMIZER_N];

    return six_steps(mem, arg, w, err);
}

TEST(optimizer_memory)
{
    CHECK_EACH_FAILURE(some_steps, "{\"optimizer\":\"adam\",\"amsgrad\":true}");
}

static double norm_of(const MaasSlot *slot)
{
    MaasTrainOptions options = {.l1 = 0};
    MaasError err;
    double norm = -1;

    CHECK_OK(maas_optimizer_norm(&options, slot, 1, &(MaasStop){{NULL, NULL}}, &norm, &err));
    return norm;
}

TEST(gradient_norm)
{
    float w[5000], g[5000];
    MaasSlot slot = {.w = w, .g = g, .count = 5000};

    for (int i = 0; i < 5000; i++) {
        w[i] = 1;
        g[i] = 3;
    }
    CHECK_NEAR(norm_of(&slot), 3 * sqrt(5000), 1e-3);
    g[4999] = 1e30f; /* its square is no float */
    CHECK_NEAR(norm_of(&slot) / 1e30, 1, 1e-6);
    g[4999] = NAN;
    CHECK(isnan(norm_of(&slot)));
    g[4999] = INFINITY;
    CHECK(isinf(norm_of(&slot)));
}

/* ---- schedules ---- */

TEST(schedules_equal_pytorch)
{
    MaasArena arena;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &mem);
    for (size_t i = 0; i < sizeof rate_options / sizeof *rate_options; i++) {
        MaasTrainOptions options;
        MaasScheduleState state;
        bool improved, stop;

        NEED_OK(read_options(rate_options[i], &options, &arena, &err));
        maas_schedule_start(&state, &options);
        for (int step = 0; step < RATE_EPOCHS * RATE_STEPS; step++) {
            size_t at = i * RATE_EPOCHS * RATE_STEPS + (size_t)step;
            double momentum = NAN, rate = maas_schedule_rate(&state, &options, RATE_STEPS, step, &momentum);

            if (!(fabs(rate - rate_expected[at]) <= 1e-9 * rate_expected[at] + 1e-15))
                test_fail(__FILE__, __LINE__, "%s: the rate of step %d is %.17g, expected %.17g", rate_options[i],
                          step, rate, rate_expected[at]);
            CHECK(isnan(rate_momentum[at]) ? isnan(momentum) : fabs(momentum - rate_momentum[at]) < 1e-9);
            if (step % RATE_STEPS == RATE_STEPS - 1)
                maas_schedule_epoch(&state, &options, rate_plateau_values[step / RATE_STEPS], &improved, &stop);
        }
    }
    maas_arena_free(&arena);
}

TEST(early_stopping)
{
    MaasTrainOptions options = {.early_stopping = 2, .minimum_delta = 0.1};
    static const double values[] = {5, 4, 3.95, 3.8, 3.75, 3.75};
    static const bool better[] = {true, true, false, true, false, false};
    MaasScheduleState state;
    bool improved, stop;

    maas_schedule_start(&state, &options);
    for (int i = 0; i < 6; i++) {
        maas_schedule_epoch(&state, &options, values[i], &improved, &stop);
        CHECK(improved == better[i] && stop == (i == 5));
    }
    maas_schedule_start(&state, &options);
    for (int i = 0; i < 3; i++) /* a value that is no number never improves */
        maas_schedule_epoch(&state, &options, NAN, &improved, &stop);
    CHECK(!improved && stop);
}

/* ---- metrics ---- */

static void check_expected(MaasMetrics *m, const Expected *expected, size_t n)
{
    MaasError err;

    for (size_t i = 0; i < n; i++) {
        double value;

        NEED_OK(maas_metrics_get(m, expected[i].name, &value, &err));
        if (!(fabs(value - expected[i].value) <= 1e-6 * (1 + fabs(expected[i].value))))
            test_fail(__FILE__, __LINE__, "%s is %.17g, expected %.17g", expected[i].name, value,
                      expected[i].value);
    }
}

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* In pieces, as batches come. */
static MaasStatus add_many(MaasMetrics *m, MaasError *err)
{
    for (int at = 0; at < many_n; at += 16)
        MAAS_TRY(maas_metrics_add_classes(m, 16, many_width, many_scores + at * many_width, many_labels + at, NULL,
                                          err));
    return MAAS_OK;
}

static void check_confusion(const char *json, const double *confusion, int width)
{
    const char *at = strstr(json, "\"confusion_matrix\":[[");

    NEED(at);
    at = strchr(at, '[');
    for (int i = 0; i < width * width; i++) {
        char *end;

        at += strspn(at, "[],");
        CHECK_NEAR(strtod(at, &end), confusion[i], 1e-6);
        NEED(end > at);
        at = end;
    }
    CHECK(strncmp(at, "]]", 2) == 0);
}

TEST(metrics_of_two_classes_equal_sklearn)
{
    static const char *const names[] = {"no", "ye\"s"};
    MaasMetricOptions options = {.task = MAAS_METRIC_CLASSES, .width = 2, .classes = names};
    float column[binary_n];
    MaasMetrics *m;
    MaasError err;
    MaasMem mem;
    size_t length;
    char *json;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    NEED_OK(maas_metrics_add_classes(m, binary_n, 2, binary_scores, binary_labels, binary_weights, &err));
    check_expected(m, binary_expected, LENGTH(binary_expected));
    NEED_OK(maas_metrics_json(m, &mem, &json, &length, &err));
    CHECK(strstr(json, "\"class\":\"ye\\\"s\"") != NULL);
    check_confusion(json, binary_confusion, 2);
    maas_free(&mem, json);
    CHECK_FAILS(maas_metrics_get(m, "rmse", &(double){0}, &err), MAAS_ERR_NAME, "no metric \"rmse\"");
    CHECK_FAILS(maas_metrics_add_classes(m, 1, 3, binary_scores, binary_labels, NULL, &err), MAAS_ERR_SHAPE,
                "expects scores of 2 classes, got 3");
    CHECK_FAILS(maas_metrics_add_classes(m, 1, 2, binary_scores, (int64_t[]){2}, NULL, &err), MAAS_ERR_VALUE,
                "class 2 is none of the 2");
    CHECK_FAILS(maas_metrics_add_classes(m, 1, 2, binary_scores, (int64_t[]){-1}, NULL, &err), MAAS_ERR_VALUE,
                "class -1");
    maas_metrics_free(m);
    /* one column is the same */
    for (int i = 0; i < binary_n; i++)
        column[i] = binary_scores[2 * i + 1];
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    NEED_OK(maas_metrics_add_classes(m, binary_n, 1, column, binary_labels, binary_weights, &err));
    check_expected(m, binary_expected, LENGTH(binary_expected));
    maas_metrics_free(m);
    CHECK_INT(mem.used, 0);
}

TEST(metrics_of_many_classes_equal_sklearn)
{
    MaasMetricOptions options = {.task = MAAS_METRIC_CLASSES, .width = many_width, .top_k = many_k};
    MaasMetrics *m;
    MaasError err;
    MaasMem mem;
    size_t length;
    char *json;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    NEED_OK(add_many(m, &err));
    check_expected(m, many_expected, LENGTH(many_expected));
    NEED_OK(maas_metrics_json(m, &mem, &json, &length, &err));
    check_confusion(json, many_confusion, many_width);
    CHECK(strstr(json, "\"class\":6,\"support\":0,") != NULL && strstr(json, "\"roc_auc\":null") != NULL);
    maas_free(&mem, json);
    maas_metrics_free(m);
    /* when scores take too much memory only the areas are missing */
    double value;

    options.score_bytes = 1000;
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    NEED_OK(add_many(m, &err));
    CHECK_OK(maas_metrics_get(m, "roc_auc", &value, &err));
    CHECK(isnan(value));
    check_expected(m, many_expected, LENGTH(many_expected) - 2);
    maas_metrics_free(m);
    CHECK_INT(mem.used, 0);
}

/* What models predict are floats. */
static MaasStatus add_values(MaasMetrics *m, int64_t n, int64_t width, const float *predicted, const double *actual,
                             const double *weights, MaasError *err)
{
    double numbers[1024];

    for (int64_t i = 0; i < n * width && i < 1024; i++)
        numbers[i] = (double)predicted[i];
    return maas_metrics_add_values(m, n, numbers, actual, weights, err);
}

TEST(metrics_of_values_equal_sklearn)
{
    MaasMetricOptions options = {.task = MAAS_METRIC_VALUES, .width = 1, .quantile = 0.8};
    MaasMetrics *m;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    NEED_OK(add_values(m, 20, 1, single_predicted, single_actual, single_weights, &err));
    NEED_OK(add_values(m, single_n - 20, 1, single_predicted + 20, single_actual + 20, single_weights + 20, &err));
    check_expected(m, single_expected, LENGTH(single_expected));
    maas_metrics_free(m);
    options.width = triple_width;
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    NEED_OK(add_values(m, triple_n, triple_width, triple_predicted, triple_actual, triple_weights, &err));
    check_expected(m, triple_expected, LENGTH(triple_expected));
    maas_metrics_free(m);
    CHECK_INT(mem.used, 0);
}

TEST(metrics_of_nothing)
{
    MaasMetricOptions options = {.task = MAAS_METRIC_CLASSES, .width = 3};
    MaasMetrics *m;
    MaasError err;
    MaasMem mem;
    size_t length;
    double value;
    char *json;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    CHECK_OK(maas_metrics_get(m, "accuracy", &value, &err));
    CHECK(isnan(value));
    NEED_OK(maas_metrics_json(m, &mem, &json, &length, &err));
    CHECK(strncmp(json, "{\"samples\":0,\"accuracy\":null,", 28) == 0);
    maas_free(&mem, json);
    maas_metrics_free(m);
    options.width = 1;
    CHECK_FAILS(maas_metrics_new(&options, &mem, &m, &err), MAAS_ERR_VALUE, "at least 2 classes, got 1");
    CHECK_INT(mem.used, 0);
}

TEST(metrics_stop)
{
    volatile int stop = 1;
    MaasMetricOptions options = {.task = MAAS_METRIC_CLASSES, .width = many_width, .stop = &stop};
    MaasMetrics *m;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(maas_metrics_new(&options, &mem, &m, &err));
    NEED_OK(add_many(m, &err));
    CHECK_FAILS(maas_metrics_get(m, "roc_auc", &(double){0}, &err), MAAS_ERR_CANCEL, "stopped");
    maas_metrics_free(m);
    CHECK_INT(mem.used, 0);
}

static MaasStatus whole_report(MaasMem *mem, void *arg, MaasError *err)
{
    static const char *const names[many_width] = {"a", "b", "c", "d", "e", "f", "g"};
    MaasMetricOptions options = {.task = MAAS_METRIC_CLASSES, .width = many_width, .classes = names};
    MaasMetrics *m;
    size_t length;
    char *json;

    MAAS_TRY(maas_metrics_new(&options, mem, &m, err));
    MaasStatus status = add_many(m, err);

    if (status == MAAS_OK)
        status = maas_metrics_json(m, mem, &json, &length, err);
    if (status == MAAS_OK)
        maas_free(mem, json);
    maas_metrics_free(m);
    return status;
}

TEST(metrics_memory)
{
    CHECK_EACH_FAILURE(whole_report, NULL);
}
