/*
 * onnx_build.c - writes small ONNX models for tests.
 */
#include <stdio.h>

#include "onnx_build.h"

void build_start(Build *b, int ir, int opset)
{
    memset(b, 0, sizeof *b);
    maas_mem_init(&b->mem, &maas_malloc_allocator, 0);
    maas_pb_out_init(&b->out, &b->mem, &b->err);
    maas_pb_put_int(&b->out, 1, ir);
    if (opset > 0) {
        build_open(b, 8);
        maas_pb_put_int(&b->out, 2, opset);
        build_close(b);
    }
}

void build_open(Build *b, uint32_t field)
{
    b->marks[b->n_marks++] = maas_pb_begin(&b->out, field);
}

void build_close(Build *b)
{
    maas_pb_end(&b->out, b->marks[--b->n_marks]);
}

void build_text(Build *b, uint32_t field, const char *text)
{
    maas_pb_put_bytes(&b->out, field, text, strlen(text));
}

static void put_names(Build *b, uint32_t field, const char *names)
{
    while (*names) {
        size_t n = strcspn(names, " ");
        maas_pb_put_bytes(&b->out, field, names, n);
        names += n + (names[n] == ' ');
    }
}

void build_node(Build *b, uint32_t field, const char *op, const char *domain, const char *in, const char *out,
                bool stay_open)
{
    build_open(b, field);
    put_names(b, 1, in);
    put_names(b, 2, out);
    build_text(b, 4, op);
    build_text(b, 7, domain);
    if (!stay_open)
        build_close(b);
}

void build_value(Build *b, uint32_t field, const char *name)
{
    build_open(b, field);
    build_text(b, 1, name);
    build_open(b, 2); /* type */
    build_open(b, 1); /* tensor_type */
    maas_pb_put_int(&b->out, 1, MAAS_FLOAT);
    build_open(b, 2); /* shape */
    build_open(b, 1); /* dim */
    build_text(b, 2, "N");
    for (int i = 0; i < 5; i++)
        build_close(b);
}

void build_tensor(Build *b, uint32_t field, const char *name, int type, int rank, const int64_t *dims,
                  const void *raw, size_t size)
{
    build_open(b, field);
    for (int d = 0; d < rank; d++)
        maas_pb_put_int(&b->out, 1, dims[d]);
    maas_pb_put_int(&b->out, 2, type);
    build_text(b, 8, name);
    if (raw != NULL)
        maas_pb_put_bytes(&b->out, 9, raw, size);
    build_close(b);
}

MaasStatus load_bytes(const void *bytes, size_t n, MaasError *err)
{
    TestHost host;
    MaasMem mem;
    MaasRunOptions options = {.mem = &mem, .threads = 1};
    MaasModel *model = NULL;
    MaasStatus status;

    test_host_init(&host, &mem);
    mem.limit = (size_t)256 << 20;
    status = maas_model_load(bytes, n, &options, &model, err);
    if (status == MAAS_OK)
        maas_model_free(model);
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

MaasStatus build_load(Build *b, MaasError *err)
{
    while (b->n_marks > 0)
        build_close(b);
    return load_bytes(b->out.data, b->out.size, err);
}

void build_free(Build *b)
{
    maas_pb_out_free(&b->out);
}

char *read_source(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        *size = (size_t)ftell(file);
        rewind(file);
        bytes = malloc(*size + 1);
        *size = fread(bytes, 1, *size, file);
    }
    if (file != NULL)
        fclose(file);
    if (bytes == NULL)
        test_fail(__FILE__, __LINE__, "cannot read %s", path);
    return bytes;
}
