/* Columns as they are become what a network reads, and its output a label: each value against what it must be. */
#include <math.h>

#include "test.h"

#define DAY 86400.0

static const MaasStr colours[] = {{"blue", 4}, {"red", 3}};
static const MaasStr classes[] = {{"no", 2}, {"yes", 3}, {"perhaps", 7}};
static const int64_t image_dims[] = {2, 2};

static const MaasColumn columns[] = {
    {.name = "age", .kind = MAAS_COLUMN_NUMBER, .mean = 40, .deviation = 10, .missing = true, .fill = 45},
    {.name = "member", .kind = MAAS_COLUMN_BOOL, .mean = 0.5, .deviation = 0.5},
    {.name = "since",
     .kind = MAAS_COLUMN_TIME,
     .mean = 1700000000,
     .deviation = 1000000,
     .n_periods = 1,
     .periods = {DAY}},
    {.name = "colour", .kind = MAAS_COLUMN_CATEGORY, .n_categories = 2, .categories = colours},
    {.name = "image",
     .kind = MAAS_COLUMN_TENSOR,
     .mean = 100,
     .deviation = 50,
     .type = MAAS_FLOAT,
     .rank = 2,
     .dims = image_dims},
    {.name = "words", .kind = MAAS_COLUMN_TENSOR, .type = MAAS_INT64, .rank = 1, .dims = image_dims, .whole = true},
};
static const MaasPreparation preparation = {6, columns, 2.5};

enum { ROWS = 3 };
static double age[ROWS] = {50, NAN, 100};
static uint8_t member[ROWS] = {1, 0, 1};
static double since[ROWS] = {1700000000, 1701000000, 1700000000 - 1700000000 % 86400 + 86400 / 4};
static MaasStr colour[ROWS] = {{"red", 3}, {"green", 5}, {"blue", 4}};
static float image[ROWS * 4] = {0, 50, 100, 150, 100, 100, 100, 100, 200, 200, 200, 200};
static int64_t words[ROWS * 2] = {1, 2, 3, 4, 5, 6};

static void wrap(MaasMem *mem, MaasValue *inputs[6])
{
    MaasError err;
    const int64_t one[] = {ROWS, 1}, picture[] = {ROWS, 2, 2}, pair[] = {ROWS, 2};

    NEED_OK(maas_value_wrap(mem, MAAS_DOUBLE, 2, one, age, &inputs[0], &err));
    NEED_OK(maas_value_wrap(mem, MAAS_BOOL, 2, one, member, &inputs[1], &err));
    NEED_OK(maas_value_wrap(mem, MAAS_DOUBLE, 2, one, since, &inputs[2], &err));
    NEED_OK(maas_value_wrap(mem, MAAS_STRING, 2, one, colour, &inputs[3], &err));
    NEED_OK(maas_value_wrap(mem, MAAS_FLOAT, 3, picture, image, &inputs[4], &err));
    NEED_OK(maas_value_wrap(mem, MAAS_INT64, 2, pair, words, &inputs[5], &err));
}

TEST(prepare_columns)
{
    /* age, age missing, member, since, its sine and cosine, blue, red, none of them */
    static const double expected[ROWS][9] = {
        {1, 0, 1, 0, NAN, NAN, 0, 1, 0},
        {0.5, 1, -1, 1, NAN, NAN, 0, 0, 1},
        {2.5, 0, 1, -0.0584, 1, 0, 1, 0, 0},
    };
    MaasMem mem;
    MaasError err;
    MaasModel *model;
    MaasResults *results;
    MaasValue *inputs[6];
    void *bytes;
    size_t n;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    NEED_OK(maas_prepare_to_onnx(&preparation, &mem, &bytes, &n, &err));
    NEED_OK(maas_model_load(bytes, n, &options, &model, &err));
    maas_free(&mem, bytes);
    CHECK_INT(maas_model_info(model)->n_outputs, 3);
    CHECK_STR(maas_model_info(model)->outputs[0].name, "prepared/features");
    CHECK_STR(maas_model_info(model)->outputs[1].name, "prepared/image");
    CHECK_STR(maas_model_info(model)->outputs[2].name, "prepared/words");
    wrap(&mem, inputs);
    NEED_OK(maas_model_run(model, &options, (const MaasValue *const *)inputs, 3, (int[]){0, 1, 2}, &results, &err));
    const MaasTensor *features = &maas_results_get(results, 0)->tensor;
    const MaasTensor *picture = &maas_results_get(results, 1)->tensor;
    const MaasTensor *numbers = &maas_results_get(results, 2)->tensor;

    CHECK_INT(features->rank, 2);
    CHECK_INT(features->dims[1], 9);
    for (int r = 0; r < ROWS; r++)
        for (int f = 0; f < 9; f++) {
            double turn = 2 * 3.14159265358979323846 * fmod(since[r], DAY) / DAY;
            double want = r < 2 && f == 4 ? sin(turn) : r < 2 && f == 5 ? cos(turn) : expected[r][f];

            CHECK_NEAR(MAAS_F32(features)[r * 9 + f], want, 1e-6);
        }
    for (int i = 0; i < ROWS * 4; i++)
        CHECK_NEAR(MAAS_F32(picture)[i], (image[i] - 100) / 50, 1e-6);
    for (int i = 0; i < ROWS * 2; i++)
        CHECK_INT(MAAS_I64(numbers)[i], words[i]);
    maas_results_free(results);
    for (int i = 0; i < 6; i++)
        maas_value_unref(inputs[i]);
    maas_model_free(model);
    CHECK_INT(mem.used, 0);
}

/* Texts as numbers of words: 0 pads, 1 is unknown, the vocabulary counts from 2. */
TEST(prepare_text)
{
    static const MaasStr vocabulary[] = {{"corn", 4},
                                         {"the", 3},
                                         {"don't", 5},
                                         {"\xc3\xbc"
                                          "ber",
                                          5},
                                         {"u.s", 3}};
    enum { TEXTS = 6, LENGTH = 4 };
    static MaasStr texts[TEXTS] = {{"The CORN, (don't)!", 18},
                                   {"U.S. -- \xc3\x9c"
                                    "ber \"alles\" corn the corn",
                                    33},
                                   {"", 0},
                                   {" ... \t-", 7},
                                   {"the", 3},
                                   {"co-rn corn/the corn.", 20}};
    static const int64_t expected[3][TEXTS][LENGTH] = {
        {{3, 2, 4, 0}, {6, 5, 1, 2}, {0}, {0}, {3, 0, 0, 0}, {1, 1, 2, 0}},
        {{3, 1, 1, 0}, {1, 1, 5, 1}, {0}, {1, 1, 0, 0}, {3, 0, 0, 0}, {1, 1, 1, 0}},
        {{1, 1, 4, 0}, {1, 1, 1, 2}, {0}, {0}, {3, 0, 0, 0}, {1, 1, 2, 0}},
    };
    static const MaasTextRule rules[3] = {{true, true}, {true, false}, {false, true}};
    MaasMem mem;
    MaasError err;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    for (int rule = 0; rule < 3; rule++) {
        const MaasColumn column = {.name = "body",
                                   .kind = MAAS_COLUMN_TEXT,
                                   .n_categories = 5,
                                   .categories = vocabulary,
                                   .text = rules[rule],
                                   .length = LENGTH};
        const MaasPreparation p = {1, &column, 0};
        MaasModel *model;
        void *bytes;
        size_t n;

        NEED_OK(maas_prepare_to_onnx(&p, &mem, &bytes, &n, &err));
        NEED_OK(maas_model_load(bytes, n, &options, &model, &err));
        maas_free(&mem, bytes);
        CHECK(maas_model_info(model)->rows_independent);
        CHECK_INT(maas_model_info(model)->outputs[0].dims[1], LENGTH);
        for (int64_t first = 0; first < TEXTS; first++)
            for (int64_t rows = 1; first + rows <= TEXTS; rows++) {
                MaasValue *input;
                MaasResults *results;

                NEED_OK(maas_value_wrap(&mem, MAAS_STRING, 2, (int64_t[]){rows, 1}, texts + first, &input, &err));
                NEED_OK(maas_model_run(model, &options, (const MaasValue *const[]){input}, 1, (int[]){0}, &results,
                                       &err));
                const MaasTensor *y = &maas_results_get(results, 0)->tensor;

                NEED(y->count == rows * LENGTH);
                for (int64_t i = 0; i < y->count; i++)
                    CHECK_INT(MAAS_I64(y)[i], expected[rule][first + i / LENGTH][i % LENGTH]);
                maas_results_free(results);
                maas_value_unref(input);
            }
        maas_model_free(model);
    }
    CHECK_INT(mem.used, 0);
}

/* The same words come from the graph that a vocabulary is learned with. */
TEST(prepare_words)
{
    static MaasStr texts[2] = {{"Corn, corn -- \"CORN\"", 20}, {"u.s. farmers", 12}};
    static const char *const expected[] = {"corn", "corn", "corn", "u.s", "farmers", ""};
    MaasMem mem;
    MaasError err;
    MaasModel *model;
    MaasResults *results;
    MaasValue *input;
    void *bytes;
    size_t n;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    NEED_OK(maas_prepare_words_to_onnx((MaasTextRule){true, true}, &mem, &bytes, &n, &err));
    NEED_OK(maas_model_load(bytes, n, &options, &model, &err));
    maas_free(&mem, bytes);
    NEED_OK(maas_value_wrap(&mem, MAAS_STRING, 2, (int64_t[]){2, 1}, texts, &input, &err));
    NEED_OK(maas_model_run(model, &options, (const MaasValue *const[]){input}, 1, (int[]){0}, &results, &err));
    const MaasTensor *words_found = &maas_results_get(results, 0)->tensor;

    NEED(words_found->count == 6);
    for (int i = 0; i < 6; i++) {
        MaasStr s = MAAS_STRS(words_found)[i];

        CHECK(s.length == strlen(expected[i]) && (s.length == 0 || memcmp(s.data, expected[i], s.length) == 0));
    }
    maas_results_free(results);
    maas_value_unref(input);
    maas_model_free(model);
    CHECK_INT(mem.used, 0);
}

/* A network for the preparation above. */
static MaasStatus network(MaasMem *mem, MaasTask task, int64_t n_outputs, void **bytes, size_t *n, MaasError *err)
{
    static const char json[] =
        "{\"layers\":[{\"flatten\":{},\"input\":\"image\",\"name\":\"i\"},"
        "{\"embedding\":[10,2],\"input\":\"words\"},{\"flatten\":{},\"name\":\"w\"},"
        "{\"concat\":[\"features\",\"i\",\"w\"]},{\"dense\":8,\"activation\":\"tanh\"},{\"dense\":\"output\"}]}";
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasArena arena;
    MaasPort *ports;
    int n_ports;
    MaasStatus status;

    maas_arena_init(&arena, mem);
    status = maas_prepare_ports(&preparation, &arena, &n_ports, &ports, err);
    if (status == MAAS_OK) {
        MaasArchitecture a = {.json = json,
                              .length = strlen(json),
                              .n_inputs = n_ports,
                              .inputs = ports,
                              .input_prefix = MAAS_PREPARED,
                              .task = task,
                              .n_outputs = n_outputs,
                              .seed = 5};

        status = maas_architecture_to_onnx(&a, &options, bytes, n, err);
    }
    maas_arena_free(&arena);
    return status;
}

static MaasStatus whole(MaasMem *mem, const MaasTarget *target, void **bytes, size_t *n, MaasError *err)
{
    void *net;
    size_t n_net;
    MaasStatus status;

    MAAS_TRY(network(mem, target->task, target->n, &net, &n_net, err));
    status = maas_prepare_join(&preparation, target, net, n_net, mem, bytes, n, err);
    maas_free(mem, net);
    return status;
}

TEST(prepare_join_classes)
{
    static const MaasTarget target = {.name = "answer", .task = MAAS_TASK_CLASSIFY, .n = 3, .strings = classes};
    MaasMem mem;
    MaasError err;
    MaasModel *model;
    MaasResults *results;
    MaasValue *inputs[6];
    void *bytes;
    size_t n;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    NEED_OK(whole(&mem, &target, &bytes, &n, &err));
    NEED_OK(maas_model_load(bytes, n, &options, &model, &err));
    maas_free(&mem, bytes);
    const MaasModelInfo *info = maas_model_info(model);

    CHECK_INT(info->n_inputs, 6);
    CHECK_STR(info->inputs[3].name, "colour");
    CHECK_INT(info->label, 0);
    CHECK_INT(info->scores, 1);
    CHECK_INT(info->n_classes, 3);
    CHECK_STR(info->classes[2], "perhaps");
    wrap(&mem, inputs);
    NEED_OK(maas_model_run(model, &options, (const MaasValue *const *)inputs, 2, (int[]){0, 1}, &results, &err));
    const MaasTensor *label = &maas_results_get(results, 0)->tensor,
                     *scores = &maas_results_get(results, 1)->tensor;

    CHECK_INT(label->count, ROWS);
    for (int r = 0; r < ROWS; r++) {
        const float *p = MAAS_F32(scores) + r * 3;
        int best = p[1] > p[0] ? 1 : 0;

        best = p[2] > p[best] ? 2 : best;
        CHECK_NEAR(p[0] + p[1] + p[2], 1, 1e-6);
        CHECK_INT(MAAS_STRS(label)[r].length, classes[best].length);
        CHECK(memcmp(MAAS_STRS(label)[r].data, classes[best].data, classes[best].length) == 0);
    }
    maas_results_free(results);
    for (int i = 0; i < 6; i++)
        maas_value_unref(inputs[i]);
    maas_model_free(model);
    CHECK_INT(mem.used, 0);
}

static MaasStatus join_and_free(MaasMem *mem, void *arg, MaasError *err)
{
    void *bytes;
    size_t n;

    MAAS_TRY(whole(mem, arg, &bytes, &n, err));
    maas_free(mem, bytes);
    return MAAS_OK;
}

static MaasStatus words_and_free(MaasMem *mem, void *arg, MaasError *err)
{
    void *bytes;
    size_t n;

    MAAS_TRY(maas_prepare_words_to_onnx((MaasTextRule){true, true}, mem, &bytes, &n, err));
    maas_free(mem, bytes);
    return MAAS_OK;
}

static MaasStatus text_and_free(MaasMem *mem, void *arg, MaasError *err)
{
    static const MaasColumn column = {.name = "body",
                                      .kind = MAAS_COLUMN_TEXT,
                                      .n_categories = 2,
                                      .categories = colours,
                                      .text = {true, true},
                                      .length = 3};
    static const MaasPreparation p = {1, &column, 0};
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasModel *model;
    MaasStatus status;
    void *bytes;
    size_t n;

    MAAS_TRY(maas_prepare_to_onnx(&p, mem, &bytes, &n, err));
    status = maas_model_load(bytes, n, &options, &model, err);
    maas_free(mem, bytes);
    if (status == MAAS_OK)
        maas_model_free(model);
    return status;
}

TEST(prepare_each_allocation_failing)
{
    static const double mean[] = {1, 2}, deviation[] = {3, 4};
    MaasTarget classify = {.name = "answer", .task = MAAS_TASK_CLASSIFY, .n = 3, .strings = classes};
    MaasTarget regress = {
        .name = "answer", .task = MAAS_TASK_REGRESS, .n = 2, .mean = mean, .deviation = deviation};

    CHECK_EACH_FAILURE(words_and_free, NULL);
    CHECK_EACH_FAILURE(text_and_free, NULL);
    CHECK_EACH_FAILURE(join_and_free, &classify);
    CHECK_EACH_FAILURE(join_and_free, &regress);
}
