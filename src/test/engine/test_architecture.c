/* Architectures as JSON: the models they make, against PyTorch's modules with the same weights, and what is
 * refused. */
#include <math.h>
#include <stdio.h>

#include "../../engine/base/json.h"
#include "../../engine/base/nearest.h"
#include "../../engine/format/onnx_import.h"
#include "../../engine/learn/initialise.h"
#include "onnx_build.h"

typedef struct Request {
    const char *json;
    uint64_t seed;
    MaasTask task;
    int64_t n_outputs;
} Request;

static MaasStatus make(const Request *request, MaasMem *mem, void **bytes, size_t *n, MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasArchitecture a = {.json = request->json,
                          .length = strlen(request->json),
                          .seed = request->seed,
                          .task = request->task,
                          .n_outputs = request->n_outputs};

    return maas_architecture_to_onnx(&a, &options, bytes, n, err);
}

/* Flattens nested lists of numbers. */
static int64_t flatten(const MaasJson *json, double *out, int64_t n, int64_t max)
{
    if (json->kind == MAAS_JSON_LIST)
        for (const MaasJson *item = json->first; item; item = item->next)
            n = flatten(item, out, n, max);
    else if (n < max)
        out[n++] = json->number;
    return n;
}

static void check_answer(const char *name, MaasModel *model, const MaasRunOptions *options, const MaasJson *inputs,
                         const char *text, const MaasJson *expected)
{
    const MaasModelInfo *info = maas_model_info(model);
    MaasValue *values[4] = {NULL};
    MaasResults *results;
    MaasError err;
    const char *begin = text + inputs->at, *end = begin;
    double want[4096];
    int64_t n = flatten(expected, want, 0, 4096);

    for (int depth = 0; depth > 0 || end == begin; end++)
        depth += *end == '{' ? 1 : *end == '}' ? -1 : 0;
    NEED_OK(maas_inputs_from_json(begin, (size_t)(end - begin), info, options->mem, values, &err));
    NEED_OK(maas_model_run(model, options, (const MaasValue *const *)values, 1, (int[]){0}, &results, &err));
    const MaasTensor *got = &maas_results_get(results, 0)->tensor;

    CHECK_INT(got->count, n);
    for (int64_t i = 0; i < n && i < got->count; i++)
        if (!(fabs(MAAS_F32(got)[i] - want[i]) <= 2e-6 + 2e-5 * fabs(want[i])))
            test_fail(__FILE__, __LINE__, "%s: element %lld is %.9g, PyTorch says %.9g", name, (long long)i,
                      (double)MAAS_F32(got)[i], want[i]);
    maas_results_free(results);
    for (int i = 0; i < 4; i++)
        maas_value_unref(values[i]);
}

TEST(architecture_answers_like_pytorch)
{
    size_t size;
    char *text = read_source("src/test/fixtures/architectures.json", &size);
    MaasMem mem;
    MaasArena arena;
    MaasError err;
    MaasJson *root;

    NEED(text);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &mem);
    NEED_OK(maas_json_parse(text, size, &arena, &root, &err));
    CHECK(root->n >= 5);
    for (const MaasJson *c = root->first; c; c = c->next) {
        Request request = {.json = maas_json_member(c, "architecture")->string.data,
                           .seed = (uint64_t)maas_json_member(c, "seed")->number};
        MaasRunOptions options = {.mem = &mem, .threads = 1};
        MaasModel *model;
        void *bytes;
        size_t n;

        NEED_OK(make(&request, &mem, &bytes, &n, &err));
        NEED_OK(maas_model_load(bytes, n, &options, &model, &err));
        maas_free(&mem, bytes);
        check_answer(maas_json_member(c, "name")->string.data, model, &options, maas_json_member(c, "inputs"), text,
                     maas_json_member(c, "output"));
        maas_model_free(model);
    }
    maas_arena_free(&arena);
    CHECK_INT(mem.used, 0);
    free(text);
}

/* The ready ones load, with as many values in their parameters and running statistics as there should be. */
TEST(architecture_ready_ones)
{
    static const struct {
        const char *name;
        int64_t n_parameters;
    } ready[] = {{"linear", 31},
                 {"logistic", 62},
                 {"mlp", 535818},
                 {"cnn", 468010 + 2 * 192},
                 {"resnet_cifar", 272474 + 2 * 784},
                 {"lstm", 1330314},
                 {"transformer", 2841602},
                 {"resnet18", 11689512 + 2 * 4800}};
    MaasMem mem;
    MaasError err;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t i = 0; i < sizeof ready / sizeof *ready; i++) {
        MaasRunOptions options = {.mem = &mem, .threads = 1};
        Request request = {.seed = 1};
        MaasModel *model;
        char path[100], *json;
        void *bytes;
        size_t n;

        snprintf(path, sizeof path, "models/architectures/%s.json", ready[i].name);
        json = read_source(path, &n);
        NEED(json);
        json[n] = '\0';
        request.json = json;
        NEED_OK(make(&request, &mem, &bytes, &n, &err));
        NEED_OK(maas_model_load(bytes, n, &options, &model, &err));
        CHECK_INT(maas_model_info(model)->n_parameters, ready[i].n_parameters);
        maas_model_free(model);
        maas_free(&mem, bytes);
        free(json);
    }
}

static MaasStatus make_and_free(MaasMem *mem, void *arg, MaasError *err)
{
    void *bytes;
    size_t n;

    MAAS_TRY(make(arg, mem, &bytes, &n, err));
    maas_free(mem, bytes);
    return MAAS_OK;
}

TEST(architecture_each_allocation_failing)
{
    Request request = {
        "{\"input\":{\"shape\":[6],\"type\":\"int64\"},\"layers\":[{\"embedding\":[9,4],\"mask_zero\":true},"
        "\"positional_embedding\",{\"transformer_encoder\":[8,2],\"dropout\":0.1},"
        "{\"conv1d\":[4,3]},{\"residual\":[{\"dense\":4}]},\"batch_norm\",{\"lstm\":3},"
        "{\"dense\":\"output\",\"name\":\"last\"}]}",
        1, MAAS_TASK_CLASSIFY, 3};

    CHECK_EACH_FAILURE(make_and_free, &request);
}

TEST(architecture_refuses)
{
    static const struct {
        const char *json;
        MaasTask task;
        int64_t n_outputs;
        MaasStatus status;
        const char *message;
    } cases[] = {
        {"{", 0, 0, MAAS_ERR_FORMAT, "architecture: "},
        {"[1]", 0, 0, MAAS_ERR_VALUE, "an architecture is an object"},
        {"{\"layers\":[]}", 0, 0, MAAS_ERR_NAME, "does not say what goes in"},
        {"{\"input\":[2],\"layers\":[]}", 0, 0, MAAS_ERR_VALUE, "at least one layer"},
        {"{\"input\":[2],\"layers\":[{}]}", 0, 0, MAAS_ERR_VALUE, "layer 1: a layer is"},
        {"{\"input\":[2],\"layers\":[{\"dense\":2,\"lstm\":3}]}", 0, 0, MAAS_ERR_NAME, "more than one kind"},
        {"{\"input\":[2],\"layers\":[{\"dense\":2,\"name\":\"input\"}]}", 0, 0, MAAS_ERR_NAME, "must be new"},
        {"{\"input\":[2],\"layers\":[{\"dense\":2,\"input\":\"inpt\"}]}", 0, 0, MAAS_ERR_NAME, "no layer or input"},
        {"{\"input\":[2],\"layers\":[{\"dense\":2}],\"outputs\":0}", 0, 0, MAAS_ERR_VALUE, "outputs"},
        {"{\"input\":[2],\"layers\":[{\"dense\":2}]}", MAAS_TASK_CLASSIFY, 3, MAAS_ERR_SHAPE,
         "there are 3 classes"},
        {"{\"input\":[2],\"layers\":[{\"dense\":2}]}", MAAS_TASK_REGRESS, 1, MAAS_ERR_SHAPE,
         "the target has 1 values"},
        {"{\"input\":[2,0],\"layers\":[{\"dense\":2}]}", 0, 0, MAAS_ERR_VALUE, "at least 1, or null"},
        {"{\"input\":{\"shape\":[2],\"type\":\"string\"},\"layers\":[{\"dense\":2}]}", 0, 0, MAAS_ERR_TYPE,
         "float or int64"},
        {"{\"input\":[2],\"layers\":[{\"dropout\":1}]}", 0, 0, MAAS_ERR_VALUE, "\"rate\" must be a number from 0"},
        {"{\"input\":[2],\"layers\":[{\"residual\":{}}]}", 0, 0, MAAS_ERR_VALUE,
         "layer 1 \"residual\": \"layers\" must"},
        {"{\"input\":[4,3],\"layers\":[{\"lstm\":2,\"bidirectional\":true,\"go_backwards\":true}]}", 0, 0,
         MAAS_ERR_VALUE, "not both"},
        {"{\"input\":[4,3],\"layers\":[{\"lstm\":2,\"bias_initializer\":\"kronos\"}]}", 0, 0, MAAS_ERR_NAME,
         "no bias_initializer \"kronos\""},
        {"{\"input\":[4,3],\"layers\":[{\"gru\":2,\"bias_initializer\":\"unit_forget\"}]}", 0, 0, MAAS_ERR_NAME,
         "no bias_initializer \"unit_forget\""},
        {"{\"input\":[null,3],\"layers\":[{\"gru\":2,\"bias_initializer\":\"chrono\"}]}", 0, 0, MAAS_ERR_SHAPE,
         "how many steps \"chrono\" is to span"},
        {"{\"input\":[2,3],\"layers\":[{\"lstm\":2,\"bias_initializer\":\"chrono\"}]}", 0, 0, MAAS_ERR_SHAPE,
         "at least 3 steps"},
        {"{\"input\":[null,3],\"layers\":[\"positional_embedding\"]}", 0, 0, MAAS_ERR_NAME,
         "\"sequence_length\" is missing"},
        {"{\"input\":[null,3],\"layers\":[{\"reshape\":[3]}]}", 0, 0, MAAS_ERR_SHAPE, "the whole shape"},
        {"{\"input\":[2,3,3],\"layers\":[{\"conv2d\":[4,1],\"groups\":3}]}", 0, 0, MAAS_ERR_SHAPE, "3 groups"},
        {"{\"input\":[2,3,3],\"layers\":[{\"conv2d\":[4,[1,2,3]]}]}", 0, 0, MAAS_ERR_VALUE, "a list of 2"},
        {"{\"input\":[2],\"layers\":[{\"dense\":2,\"kernel_initializer\":\"he_norml\"}]}", 0, 0, MAAS_ERR_NAME,
         "no kernel_initializer"},
    };
    MaasMem mem;
    MaasError err;
    void *bytes;
    size_t n;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Request request = {cases[i].json, 1, cases[i].task, cases[i].n_outputs};

        CHECK_FAILS(make(&request, &mem, &bytes, &n, &err), cases[i].status, cases[i].message);
        CHECK_INT(mem.used, 0);
    }
}

/* Which columns are read as texts, and how. */
TEST(architecture_texts)
{
    static const struct {
        const char *json, *input;
        int n;
        MaasArchText first;
    } cases[] = {
        {"{\"layers\":[{\"embedding\":[50,4]}]}", NULL, 1, {.max_tokens = 50, .rule = {true, true}}},
        {"{\"input\":{\"shape\":[12],\"type\":\"int64\"},\"layers\":[{\"embedding\":[50,4]}]}",
         NULL,
         1,
         {.max_tokens = 50, .length = 12, .rule = {true, true}}},
        {"{\"inputs\":{\"a\":[3],\"b\":[7]},\"layers\":[{\"dense\":1,\"input\":\"a\"},{\"embedding\":[50,4],"
         "\"input\":\"b\"}]}",
         "b",
         1,
         {.max_tokens = 50, .length = 7, .rule = {true, true}}},
        {"{\"layers\":[{\"dense\":4},{\"embedding\":[50,4]}]}", NULL, 0, {0}},
        {"{\"layers\":[\"text_vectorization\",\"flatten\",{\"embedding\":[60,4]},{\"embedding\":[50,4]}]}",
         NULL,
         1,
         {.max_tokens = 60, .rule = {true, true}}},
        {"{\"layers\":[{\"text_vectorization\":[99,5],\"standardize\":\"lower\",\"input\":\"t\"},{\"embedding\":["
         "50,4],\"input\":\"u\"}]}",
         "t",
         1,
         {.max_tokens = 99, .length = 5, .rule = {true, false}}},
        {"{\"layers\":[{\"text_vectorization\":99,\"standardize\":\"none\",\"input\":\"t\"},{\"text_"
         "vectorization\":9,\"input\":\"u\"}]}",
         "t",
         2,
         {.max_tokens = 99}},
        {"{\"layers\":7}", NULL, 0, {0}},
        {"{\"layers\":[{\"embedding\":[50,4],\"inputs\":[\"t\"]}]}",
         "t",
         1,
         {.max_tokens = 50, .rule = {true, true}}},
        {"{\"layers\":[{\"embedding\":[50,4],\"input\":[\"t\",\"u\"]}]}", NULL, 0, {0}},
        {"{\"layers\":[{\"embedding\":[2,4]},3]}", NULL, 1, {.max_tokens = 3, .rule = {true, true}}},
        {"[]", NULL, 0, {0}},
    };
    static const char *const refused[] = {"{", "{\"layers\":[{\"embedding\":[]}]}",
                                          "{\"layers\":[{\"text_vectorization\":[1000001]}]}",
                                          "{\"layers\":[{\"text_vectorization\":[9,0]}]}"};
    MaasMem mem;
    MaasError err;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MaasArena arena;
        MaasArchText *texts;
        int n;

        maas_arena_init(&arena, &mem);
        NEED_OK(maas_architecture_texts(cases[i].json, strlen(cases[i].json), &arena, &n, &texts, &err));
        CHECK_INT(n, cases[i].n);
        if (n > 0) {
            CHECK_STR(texts[0].input ? texts[0].input : "", cases[i].input ? cases[i].input : "");
            CHECK_INT(texts[0].max_tokens, cases[i].first.max_tokens);
            CHECK_INT(texts[0].length, cases[i].first.length);
            CHECK(texts[0].rule.lower == cases[i].first.rule.lower);
            CHECK(texts[0].rule.strip_punctuation == cases[i].first.rule.strip_punctuation);
        }
        maas_arena_free(&arena);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        MaasArena arena;
        MaasArchText *texts;
        int n;

        maas_arena_init(&arena, &mem);
        CHECK(maas_architecture_texts(refused[i], strlen(refused[i]), &arena, &n, &texts, &err) != MAAS_OK);
        maas_arena_free(&arena);
    }
    CHECK_INT(mem.used, 0);
}

/* The biases of a made layer's gates: what keeps the state begins with time constants 1 + e^bias spread over the
 * steps as Tallec and Ollivier 2018 have it, the LSTM's input gate with the opposite, and all others at 0. */
TEST(architecture_chrono)
{
    enum { UNITS = 4000, STEPS = 101 };
    static const struct {
        const char *layer;
        int gates, keep, opposite; /* which gate; -1: none */
        float constant;            /* where it is not spread; 0: it is */
    } cases[] = {{"lstm", 4, 2, -1, 1}, {"lstm", 4, 2, 0, 0}, {"gru", 3, 0, -1, 0}};

    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char json[200];
        Request request = {json, 7, 0, 0};
        MaasOnnxModel model;
        MaasArena arena;
        MaasError err;
        MaasMem mem;
        void *bytes;
        size_t n;
        double sum = 0, squares = 0;

        snprintf(json, sizeof json,
                 "{\"input\":[%d,1],\"layers\":[{\"%s\":%d,\"recurrent_initializer\":\"zeros\"%s}]}", STEPS,
                 cases[c].layer, UNITS, cases[c].constant ? "" : ",\"bias_initializer\":\"chrono\"");
        maas_mem_init(&mem, &maas_malloc_allocator, 0);
        maas_arena_init(&arena, &mem);
        NEED_OK(make(&request, &mem, &bytes, &n, &err));
        NEED_OK(maas_onnx_import(bytes, n, &arena, &mem, &model, &err));
        char name[32];

        snprintf(name, sizeof name, "%s_1.bias", cases[c].layer);
        int edge = maas_graph_find_edge(model.graph, name);

        NEED(edge != MAAS_NO_VALUE);
        const MaasTensor *bias = &model.graph->edges[edge].constant->tensor;
        const float *b = MAAS_F32(bias), *keep = b + cases[c].keep * UNITS;

        CHECK_INT(bias->count, 2 * cases[c].gates * UNITS);
        for (int64_t i = 0; i < bias->count; i++) {
            int64_t gate = i / UNITS, u = i % UNITS;

            if (gate == cases[c].keep)
                CHECK(cases[c].constant ? b[i] == cases[c].constant : b[i] >= 0 && b[i] <= logf(STEPS - 1));
            else
                CHECK(b[i] == (gate == cases[c].opposite ? -keep[u] : 0));
        }
        for (int u = 0; u < UNITS; u++) {
            sum += exp((double)keep[u]);
            squares += exp(2 * (double)keep[u]);
        }
        if (!cases[c].constant) { /* uniform over [1, STEPS - 1): mean and variance */
            CHECK_NEAR(sum / UNITS, STEPS / 2.0, 4 * (STEPS - 2) / sqrt(12.0 * UNITS));
            CHECK_NEAR((squares - sum * sum / UNITS) / UNITS, (STEPS - 2) * (STEPS - 2) / 12.0, 50);
        }
        maas_onnx_release(&model);
        maas_arena_free(&arena);
        maas_free(&mem, bytes);
        CHECK_INT(mem.used, 0);
    }
}

/* Orthogonal weights are: the shorter side's vectors have length 1 and are at right angles. */
TEST(architecture_orthogonal)
{
    enum { ROWS = 24, COLUMNS = 7 };
    float x[ROWS * COLUMNS];
    MaasMem mem;
    MaasError err;
    MaasRng rng;
    MaasStop stop = {{NULL, NULL}};

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_rng_init(&rng, 3, 0);
    NEED_OK(maas_initialise(MAAS_INIT_ORTHOGONAL, &rng, x, ROWS, COLUMNS, ROWS, COLUMNS, &stop, &mem, &err));
    for (int i = 0; i < COLUMNS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            double dot = 0;

            for (int r = 0; r < ROWS; r++)
                dot += (double)x[r * COLUMNS + i] * x[r * COLUMNS + j];
            CHECK_NEAR(dot, i == j ? 1 : 0, 1e-6);
        }
}

TEST(architecture_spread_of_weights)
{
    enum { N = 40000 };
    static float x[N];
    static const struct {
        MaasInitialiser kind;
        double variance;
    } cases[] = {{MAAS_INIT_GLOROT_UNIFORM, 2.0 / 300}, {MAAS_INIT_GLOROT_NORMAL, 2.0 / 300},
                 {MAAS_INIT_HE_UNIFORM, 2.0 / 100},     {MAAS_INIT_HE_NORMAL, 2.0 / 100},
                 {MAAS_INIT_LECUN_UNIFORM, 1.0 / 100},  {MAAS_INIT_LECUN_NORMAL, 1.0 / 100},
                 {MAAS_INIT_RANDOM_UNIFORM, 0.01 / 12}, {MAAS_INIT_RANDOM_NORMAL, 0.0025}};
    MaasMem mem;
    MaasError err;
    MaasStop stop = {{NULL, NULL}};

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        MaasRng rng;
        double sum = 0, squares = 0;

        maas_rng_init(&rng, c, 0);
        NEED_OK(maas_initialise(cases[c].kind, &rng, x, 200, 200, 100, 200, &stop, &mem, &err));
        for (int i = 0; i < N; i++) {
            sum += x[i];
            squares += (double)x[i] * x[i];
        }
        CHECK_NEAR(sum / N, 0, 4 * sqrt(cases[c].variance / N));
        CHECK_NEAR(squares / N / cases[c].variance, 1, 0.04);
    }
}

TEST(nearest_name)
{
    static const char *const names[] = {"dense", "dropout", "embedding", "lstm", "gru"};

    CHECK_STR(maas_nearest_name("dnese", names, 5, sizeof *names), "dense");
    CHECK_STR(maas_nearest_name("LSTM", names, 5, sizeof *names), "lstm");
    CHECK_STR(maas_nearest_name("embeding", names, 5, sizeof *names), "embedding");
    CHECK(!maas_nearest_name("attention", names, 5, sizeof *names));
    CHECK(!maas_nearest_name("", names, 5, sizeof *names));
}
