/*
 * image_open.c - fuzzing: images with bytes changed are opened as models.
 *
 * The first byte of an input picks a model; then each three bytes are a place in the skeleton, and what
 * stands there.  The sums are made right again, since a changed image would never get past them.
 */
#include "../../engine/format/image.h"
#include "fuzz.h"

#define N_MODELS 6
#define HEADER_BYTES 112

static const char *const models[N_MODELS] = {
    "src/test/fixtures/decision_tree/model.onnx",
    "src/test/cases/shape/test_if_shapes_differ/model.onnx",
    "src/test/cases/shape/test_scan_opset8/model.onnx",
    "src/test/cases/import/test_input_overrides_default/model.onnx",
    "src/test/fixtures/count_bigrams_bayes/model.onnx",
    "src/test/fixtures/table_logistic/model.onnx",
};

typedef struct Image {
    char *bytes;
    size_t n;
} Image;

static MaasStatus put(void *ctx, const void *bytes, size_t n, MaasError *err)
{
    Image *image = ctx;

    if (image->bytes)
        memcpy(image->bytes + image->n, bytes, n);
    image->n += n;
    return MAAS_OK;
}

static Image make(const char *path)
{
    static char onnx[1 << 20];
    FILE *file = fopen(path, "rb");
    Image image = {0};
    MaasSink sink = {put, &image};
    MaasModel *model;
    MaasError err;
    MaasMem mem;

    FUZZ_CHECK(file);
    size_t n = fread(onnx, 1, sizeof onnx, file);

    fclose(file);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    FUZZ_CHECK(maas_model_load(onnx, n, &options, &model, &err) == MAAS_OK);
    FUZZ_CHECK(maas_model_write_image(model, &options, &sink, &err) == MAAS_OK);
    image.bytes = aligned_alloc(64, (image.n + 63) / 64 * 64);
    image.n = 0;
    FUZZ_CHECK(maas_model_write_image(model, &options, &sink, &err) == MAAS_OK);
    maas_model_free(model);
    return image;
}

static MaasStatus open_changed(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    static Image images[N_MODELS];
    MaasRunOptions options = {.mem = mem, .threads = 1};
    const Image *from = &images[size > 0 ? data[0] % N_MODELS : 0];
    MaasModel *model;

    for (int i = 0; !images[N_MODELS - 1].bytes && i < N_MODELS; i++)
        images[i] = make(models[i]);
    char *bytes = aligned_alloc(64, (from->n + 63) / 64 * 64);

    FUZZ_CHECK(bytes);
    memcpy(bytes, from->bytes, from->n);
    size_t front = maas_image_seal(bytes);

    for (size_t i = 1; i + 3 <= size; i += 3)
        bytes[HEADER_BYTES + (data[i] | data[i + 1] << 8) % (front - HEADER_BYTES)] = (char)data[i + 2];
    maas_image_seal(bytes);
    MaasStatus status = maas_model_open_image(bytes, from->n, &options, &model, err);

    if (status == MAAS_OK) {
        const MaasModelInfo *info = maas_model_info(model);

        for (int i = 0; i < info->n_inputs; i++)
            FUZZ_CHECK(strlen(info->inputs[i].name) < from->n);
        for (int i = 0; i < info->n_classes; i++)
            FUZZ_CHECK(strlen(info->classes[i]) < from->n);
        maas_model_free(model);
    }
    free(bytes);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_run(open_changed, data, size);
}
