/*
 * test_image.c - images of prepared models: what is opened is what was loaded, and anything else is refused.
 *
 * That every operator computes the same from an image is shown by the conformance tool, which opens each case's
 * model from one.
 */
#include <stdio.h>

#include "../../engine/format/image.h"
#include "../../engine/kernel/kernel.h"
#include "onnx_build.h"

#define HEADER_BYTES 112

typedef struct Image {
    char *bytes; /* 64-byte aligned */
    size_t n, room;
    size_t fail_at; /* of the sink; 0: never */
    volatile int stop;
    bool stop_soon;
} Image;

static MaasStatus put(void *ctx, const void *bytes, size_t n, MaasError *err)
{
    Image *image = ctx;

    if (image->fail_at && image->n + n >= image->fail_at)
        return maas_fail(err, MAAS_ERR_VALUE, "the sink is full");
    if (image->stop_soon)
        image->stop = 1;
    if (image->n + n > image->room) {
        size_t room = (image->n + n + 4095) / 4096 * 4096 * 2;
        char *grown = aligned_alloc(64, room);
        if (image->n)
            memcpy(grown, image->bytes, image->n);
        free(image->bytes);
        image->bytes = grown;
        image->room = room;
    }
    memcpy(image->bytes + image->n, bytes, n);
    image->n += n;
    return MAAS_OK;
}

static MaasModel *load(const char *path, MaasMem *mem, MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasModel *model = NULL;
    size_t n;
    char *onnx = read_source(path, &n);

    if (onnx && maas_model_load(onnx, n, &options, &model, err) != MAAS_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", path, err->message);
    free(onnx);
    return model;
}

static MaasStatus write_image(const MaasModel *model, MaasMem *mem, Image *image, MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = 1, .stop = &image->stop};
    MaasSink sink = {put, image};

    return maas_model_write_image(model, &options, &sink, err);
}

static MaasStatus open_image(const void *bytes, size_t n, MaasMem *mem, MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasModel *model;

    MAAS_TRY(maas_model_open_image(bytes, n, &options, &model, err));
    maas_model_free(model);
    return MAAS_OK;
}

/* An image of the model in path; without bytes when that failed. */
static Image image_of(const char *path)
{
    MaasMem mem;
    MaasError err;
    Image image = {0};

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasModel *model = load(path, &mem, &err);

    if (model && write_image(model, &mem, &image, &err) != MAAS_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", path, err.message);
    maas_model_free(model);
    CHECK_INT(mem.used, 0);
    return image;
}

#define TREE "src/test/fixtures/decision_tree/model.onnx"
#define STRINGS "src/test/fixtures/count_bigrams_bayes/model.onnx"
#define SUBGRAPHS "src/test/cases/shape/test_if_shapes_differ/model.onnx"
#define DEFAULTS "src/test/cases/import/test_inputs_with_default_last/model.onnx"

static void check_ports(int n, const MaasPort *a, const MaasPort *b)
{
    for (int i = 0; i < n; i++) {
        CHECK_STR(b[i].name, a[i].name);
        CHECK_INT(b[i].kind, a[i].kind);
        CHECK_INT(b[i].type, a[i].type);
        CHECK_INT(b[i].rank, a[i].rank);
        CHECK_INT(b[i].optional, a[i].optional);
        CHECK_INT(b[i].key, a[i].key);
        CHECK(!a[i].elem == !b[i].elem);
        CHECK(!a[i].mixed == !b[i].mixed);
        CHECK(!a[i].mixed || strcmp(a[i].mixed, b[i].mixed) == 0);
        for (int d = 0; d < a[i].rank; d++) {
            CHECK_INT(b[i].dims[d], a[i].dims[d]);
            CHECK(!a[i].symbols[d] == !b[i].symbols[d]);
            CHECK(!a[i].symbols[d] || strcmp(a[i].symbols[d], b[i].symbols[d]) == 0);
        }
    }
}

static void check_info(const char *path)
{
    MaasMem mem;
    MaasError err;
    Image image = {0};
    MaasModel *model, *opened;
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED((model = load(path, &mem, &err)) != NULL);
    NEED_OK(write_image(model, &mem, &image, &err));
    NEED_OK(maas_model_open_image(image.bytes, image.n, &options, &opened, &err));
    const MaasModelInfo *a = maas_model_info(model), *b = maas_model_info(opened);

    CHECK_INT(b->n_inputs, a->n_inputs);
    CHECK_INT(b->n_outputs, a->n_outputs);
    CHECK_INT(b->scores, a->scores);
    CHECK_INT(b->label, a->label);
    CHECK_INT(b->n_classes, a->n_classes);
    CHECK_INT(b->n_metadata, a->n_metadata);
    CHECK_INT(b->n_opsets, a->n_opsets);
    CHECK_INT(b->n_nodes, a->n_nodes);
    CHECK_INT(b->n_parameters, a->n_parameters);
    CHECK_INT(b->ir_version, a->ir_version);
    CHECK(b->flops == a->flops);
    CHECK_INT(b->rows_independent, a->rows_independent);
    CHECK_STR(b->producer, a->producer);
    CHECK_STR(b->graph_name, a->graph_name);
    CHECK_STR(b->doc, a->doc);
    check_ports(a->n_inputs, a->inputs, b->inputs);
    check_ports(a->n_outputs + (a->scores == a->n_outputs), a->outputs, b->outputs);
    for (int i = 0; i < a->n_classes; i++)
        CHECK_STR(b->classes[i], a->classes[i]);
    for (int i = 0; i < a->n_metadata * 2; i++)
        CHECK_STR(b->metadata[i], a->metadata[i]);
    for (int i = 0; i < a->n_opsets; i++) {
        CHECK_STR(b->opsets[i].domain, a->opsets[i].domain);
        CHECK_INT(b->opsets[i].version, a->opsets[i].version);
    }
    /* what was opened can be written again, and is the same */
    Image again = {0};

    CHECK_OK(write_image(opened, &mem, &again, &err));
    CHECK(again.n == image.n && memcmp(again.bytes, image.bytes, image.n) == 0);
    maas_model_free(opened);
    maas_model_free(model);
    CHECK_INT(mem.used, 0);
    free(image.bytes);
    free(again.bytes);
}

TEST(image_round_trip)
{
    check_info(TREE);
    check_info(STRINGS);
    check_info(SUBGRAPHS);
    check_info(DEFAULTS);
}

/* What an opened model holds of its own must not grow with the weights. */
TEST(image_shares_weights)
{
    MaasMem mem;
    MaasError err;
    Image image = {0};
    Build b;
    int64_t dims[2] = {512, 512};
    float *weights = calloc(512 * 512, sizeof *weights);
    MaasModel *model;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    build_start(&b, 8, 18);
    build_open(&b, 7);
    build_text(&b, 2, "main");
    build_value(&b, 11, "x");
    build_value(&b, 12, "y");
    build_tensor(&b, 5, "w", MAAS_FLOAT, 2, dims, weights, 512 * 512 * sizeof *weights);
    build_node(&b, 1, "Mul", "", "x w", "y", false);
    while (b.n_marks > 0)
        build_close(&b);
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    CHECK_OK(maas_model_load(b.out.data, b.out.size, &options, &model, &err));
    CHECK_OK(write_image(model, &mem, &image, &err));
    maas_model_free(model);
    CHECK(image.n > sizeof *weights * 512 * 512);
    CHECK_OK(maas_model_open_image(image.bytes, image.n, &options, &model, &err));
    CHECK(mem.used < 64 * 1024);
    maas_model_free(model);
    free(image.bytes);
    free(weights);
    build_free(&b);
}

TEST(image_damaged)
{
    MaasMem mem;
    MaasError err;
    Image image = image_of(SUBGRAPHS);

    NEED(image.bytes);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    size_t front = maas_image_seal(image.bytes);

    NEED_OK(open_image(image.bytes, image.n, &mem, &err));
    for (size_t i = 0; i < front; i++)
        for (int bit = 0; bit < 8; bit++) {
            image.bytes[i] ^= (char)(1 << bit);
            CHECK_FAILS(open_image(image.bytes, image.n, &mem, &err), MAAS_ERR_FORMAT, "");
            image.bytes[i] ^= (char)(1 << bit);
        }
    for (size_t n = 0; n < image.n; n++) {
        char *cut = aligned_alloc(64, (n + 64) / 64 * 64);
        memcpy(cut, image.bytes, n);
        CHECK_FAILS(open_image(cut, n, &mem, &err), MAAS_ERR_FORMAT, "not an image");
        free(cut);
    }
    CHECK_FAILS(open_image(image.bytes + 8, image.n - 8, &mem, &err), MAAS_ERR_FORMAT, "not aligned");
    CHECK_INT(mem.used, 0);
    free(image.bytes);
}

/* Behind right sums every number of the skeleton may be anything: no fault, and what is refused leaves nothing. */
TEST(image_hostile)
{
    static const char *const paths[] = {TREE, STRINGS, SUBGRAPHS, DEFAULTS};
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    MaasMem mem;
    MaasError err;

    maas_mem_init(&mem, &maas_malloc_allocator, (size_t)64 << 20);
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        Image image = image_of(paths[p]);
        NEED(image.bytes);
        size_t front = maas_image_seal(image.bytes), n_refused = 0, step = front > 20000 ? 7 : 1;
        for (size_t i = HEADER_BYTES; i < front; i += step)
            for (size_t v = 0; v < sizeof values; v++) {
                char kept = image.bytes[i];
                image.bytes[i] = (char)values[v];
                maas_image_seal(image.bytes);
                MaasStatus status = open_image(image.bytes, image.n, &mem, &err);
                if (status != MAAS_OK) {
                    n_refused++;
                    CHECK(status == MAAS_ERR_FORMAT || status == MAAS_ERR_LIMIT);
                }
                image.bytes[i] = kept;
            }
        CHECK(n_refused > 0);
        CHECK_INT(mem.used, 0);
        free(image.bytes);
    }
}

TEST(image_of_another_level)
{
    MaasMem mem;
    MaasError err;
    Image image = image_of(TREE);
    const char *level = maas_kernel->level;

    NEED(image.bytes);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    CHECK(strstr(maas_image_key(), level) != NULL);
    if (strcmp(level, "plain") != 0) {
        CHECK(maas_kernel_use("plain"));
        CHECK_FAILS(open_image(image.bytes, image.n, &mem, &err), MAAS_ERR_FORMAT, "another build or another CPU");
        CHECK(maas_kernel_use(level));
    }
    CHECK_OK(open_image(image.bytes, image.n, &mem, &err));
    free(image.bytes);
}

TEST(image_sink_fails)
{
    MaasMem mem;
    MaasError err;
    Image image = {0};
    MaasModel *model;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED((model = load(TREE, &mem, &err)) != NULL);
    for (size_t at = 1; at < 20000; at += 997) {
        image.n = 0;
        image.fail_at = at;
        if (write_image(model, &mem, &image, &err) == MAAS_OK)
            break;
        CHECK_STR(err.message, "the sink is full");
    }
    image.n = image.fail_at = 0;
    image.stop_soon = true;
    CHECK_FAILS(write_image(model, &mem, &image, &err), MAAS_ERR_CANCEL, "stopped");
    maas_model_free(model);
    CHECK_INT(mem.used, 0);
    free(image.bytes);
}

static MaasStatus open_again(MaasMem *mem, void *arg, MaasError *err)
{
    const Image *image = arg;

    return open_image(image->bytes, image->n, mem, err);
}

static MaasStatus write_again(MaasMem *mem, void *arg, MaasError *err)
{
    Image image = {0};
    MaasStatus status = write_image(arg, mem, &image, err);

    free(image.bytes);
    return status;
}

TEST(image_memory)
{
    MaasMem mem;
    MaasError err;
    Image image = image_of(STRINGS);
    MaasModel *model;

    NEED(image.bytes);
    CHECK_EACH_FAILURE(open_again, &image);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED((model = load(STRINGS, &mem, &err)) != NULL);
    CHECK_EACH_FAILURE(write_again, model);
    maas_model_free(model);
    free(image.bytes);
}
