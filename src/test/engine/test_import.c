/*
 * test_import.c - models that are wrong, hostile or out of memory: each is a clean failure that names the trouble.
 */
#include <stdio.h>

#include "onnx_build.h"

#define GRAPH 7
#define NODE 1
#define INITIALIZER 5
#define INPUT 11
#define OUTPUT 12
#define FUNCTION 25

/* A model with input x and output y, its graph open for nodes. */
static void start(Build *b)
{
    build_start(b, 8, 18);
    build_open(b, GRAPH);
    build_text(b, 2, "main");
    build_value(b, INPUT, "x");
    build_value(b, OUTPUT, "y");
}

/* The model must be refused with this status and a message that contains this text. */
static void expect(Build *b, MaasStatus status, const char *text, int line)
{
    MaasError err = {0};
    MaasStatus got = build_load(b, &err);

    if (got != status || strstr(err.message, text) == NULL)
        test_fail(__FILE__, line, "status %d, message \"%s\"; expected status %d and \"%s\"", (int)got, err.message,
                  (int)status, text);
    build_free(b);
}
#define EXPECT(b, status, text) expect(&(b), status, text, __LINE__)

TEST(import_not_a_model)
{
    MaasError err;
    Build b;

    CHECK_FAILS(load_bytes(NULL, 0, &err), MAAS_ERR_FORMAT, "not an ONNX model");
    CHECK_FAILS(load_bytes("[[1,2],[3,4]]", 13, &err), MAAS_ERR_FORMAT, "not an ONNX model");
    CHECK_FAILS(load_bytes("\x80", 1, &err), MAAS_ERR_FORMAT, "cut off");
    CHECK_FAILS(load_bytes("\x0b\x0c", 2, &err), MAAS_ERR_FORMAT, "wire type");
    CHECK_FAILS(load_bytes("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, &err), MAAS_ERR_FORMAT,
                "longer than");
    build_start(&b, 8, 18);
    EXPECT(b, MAAS_ERR_FORMAT, "no graph");
    build_start(&b, 99, 18);
    build_open(&b, GRAPH);
    EXPECT(b, MAAS_ERR_UNSUPPORTED, "IR version 99");
    build_start(&b, 8, 0);
    build_open(&b, GRAPH);
    EXPECT(b, MAAS_ERR_FORMAT, "which opsets");
    build_start(&b, 8, 18);
    build_open(&b, GRAPH);
    EXPECT(b, MAAS_ERR_FORMAT, "no outputs");
}

TEST(import_names)
{
    Build b;

    start(&b);
    build_node(&b, NODE, "Identity", "", "x", "z", false);
    EXPECT(b, MAAS_ERR_NAME, "nothing computes the output \"y\"");
    start(&b);
    build_node(&b, NODE, "Identity", "", "nobody", "y", false);
    EXPECT(b, MAAS_ERR_NAME, "\"nobody\" is not defined");
    start(&b);
    build_node(&b, NODE, "Identity", "", "x", "y", false);
    build_node(&b, NODE, "Identity", "", "x", "y", false);
    EXPECT(b, MAAS_ERR_NAME, "\"y\" is defined twice");
    start(&b);
    build_node(&b, NODE, "Identity", "", "x", "x", false);
    EXPECT(b, MAAS_ERR_FORMAT, "circle");
    start(&b);
    build_value(&b, INPUT, "x");
    EXPECT(b, MAAS_ERR_NAME, "\"x\" is defined twice");
    start(&b);
    build_node(&b, NODE, "Identity", "", "x", "y", false);
    build_value(&b, OUTPUT, "y");
    EXPECT(b, MAAS_ERR_NAME, "output \"y\" twice");
    start(&b);
    build_text(&b, 2, "\xc3\x28");
    EXPECT(b, MAAS_ERR_FORMAT, "not text in UTF-8");
}

TEST(import_cycle)
{
    MaasError err;
    Build b;

    start(&b);
    build_node(&b, NODE, "Add", "", "x c", "a", false);
    build_node(&b, NODE, "Neg", "", "a", "b", false);
    build_node(&b, NODE, "Abs", "", "b", "c", false);
    build_node(&b, NODE, "Exp", "", "c", "y", false);
    CHECK_FAILS(build_load(&b, &err), MAAS_ERR_FORMAT, "circle");
    CHECK(strstr(err.detail, "Add") && strstr(err.detail, "Neg") && strstr(err.detail, "Abs"));
    CHECK(!strstr(err.detail, "Exp"));
    build_free(&b);
}

TEST(import_unsupported_all_named)
{
    MaasError err;
    Build b;

    start(&b);
    build_node(&b, NODE, "Frobnicate", "", "x", "a", false);
    build_node(&b, NODE, "FusedMatMul", "com.example", "a a", "b", false);
    build_node(&b, NODE, "Frobnicate", "", "b", "c", false);
    for (int i = 0; i < 20; i++) {
        char op[16], out[16];
        snprintf(op, sizeof op, "Odd%d", i);
        snprintf(out, sizeof out, "o%d", i);
        build_node(&b, NODE, op, "odd", "c", out, false);
    }
    build_node(&b, NODE, "Identity", "", "c", "y", false);
    CHECK_FAILS(build_load(&b, &err), MAAS_ERR_UNSUPPORTED, "22 operators");
    CHECK(strstr(err.message, "ai.onnx.Frobnicate") && strstr(err.message, "com.example.FusedMatMul"));
    CHECK(strstr(err.detail, "ai.onnx.Frobnicate (unknown, opset 18): 2 nodes"));
    CHECK(strstr(err.detail, "odd.Odd19"));
    build_free(&b);

    build_start(&b, 8, 99);
    build_open(&b, GRAPH);
    build_value(&b, INPUT, "x");
    build_value(&b, OUTPUT, "y");
    build_node(&b, NODE, "Identity", "", "x", "y", false);
    EXPECT(b, MAAS_ERR_UNSUPPORTED, "ai.onnx.Identity (opset out of range, opset 99)");
    start(&b);
    build_node(&b, NODE, "Scaler", "ai.onnx.ml", "x", "y", false);
    EXPECT(b, MAAS_ERR_FORMAT, "imports no opset of it");
}

/* ---- tensors ---- */

static void start_tensor(Build *b, int type, int rank, const int64_t *dims, const void *raw, size_t size)
{
    start(b);
    build_tensor(b, INITIALIZER, "w", type, rank, dims, raw, size);
    build_node(b, NODE, "Identity", "", "x", "y", false);
}

TEST(import_tensors)
{
    static const char raw[64];
    const int64_t too_many[17] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    Build b;

    start_tensor(&b, MAAS_FLOAT, 1, (int64_t[]){(int64_t)1 << 40}, raw, 4);
    EXPECT(b, MAAS_ERR_FORMAT, "needs 4398046511104 bytes, raw_data has 4");
    start_tensor(&b, MAAS_FLOAT, 2, (int64_t[]){(int64_t)1 << 32, (int64_t)1 << 32}, raw, 4);
    EXPECT(b, MAAS_ERR_SHAPE, "too large");
    start_tensor(&b, MAAS_FLOAT, 1, (int64_t[]){(int64_t)1 << 61}, raw, 0);
    EXPECT(b, MAAS_ERR_FORMAT, "raw_data has 0");
    start_tensor(&b, MAAS_FLOAT, 1, (int64_t[]){-1}, raw, 4);
    EXPECT(b, MAAS_ERR_SHAPE, "negative");
    start_tensor(&b, MAAS_FLOAT, 17, too_many, raw, 4);
    EXPECT(b, MAAS_ERR_LIMIT, "rank is above 16");
    start_tensor(&b, MAAS_FLOAT, 1, (int64_t[]){3}, raw, 13);
    EXPECT(b, MAAS_ERR_FORMAT, "initializer \"w\": float [3] needs 12 bytes, raw_data has 13");
    start_tensor(&b, MAAS_INT4, 1, (int64_t[]){3}, raw, 3);
    EXPECT(b, MAAS_ERR_FORMAT, "needs 2 bytes");
    start_tensor(&b, MAAS_FLOAT, 1, (int64_t[]){3}, NULL, 0);
    EXPECT(b, MAAS_ERR_FORMAT, "needs 3 entries, the data field has 0");
    start_tensor(&b, MAAS_STRING, 1, (int64_t[]){3}, raw, 3);
    EXPECT(b, MAAS_ERR_FORMAT, "strings are given as raw_data");
    start_tensor(&b, 77, 1, (int64_t[]){3}, raw, 3);
    EXPECT(b, MAAS_ERR_UNSUPPORTED, "element type 77");

    start(&b);
    build_open(&b, INITIALIZER);
    maas_pb_put_int(&b.out, 1, 1);
    maas_pb_put_int(&b.out, 2, MAAS_INT8);
    maas_pb_put_int(&b.out, 5, 300);
    EXPECT(b, MAAS_ERR_VALUE, "element 0 is 300, which int8 cannot hold");
    start(&b);
    build_open(&b, INITIALIZER); /* both kinds of content: neither may be taken for the length of the other */
    maas_pb_put_int(&b.out, 1, 1);
    maas_pb_put_int(&b.out, 2, MAAS_INT8);
    maas_pb_put_bytes(&b.out, 9, raw, 1);
    maas_pb_put_bytes(&b.out, 5, raw, 64);
    EXPECT(b, MAAS_ERR_FORMAT, "given twice");
    start(&b);
    build_open(&b, INITIALIZER);
    maas_pb_put_int(&b.out, 2, MAAS_FLOAT);
    maas_pb_put_int(&b.out, 14, 1);
    EXPECT(b, MAAS_ERR_UNSUPPORTED, "external data");
}

TEST(import_sparse)
{
    static const float value[1] = {1};
    Build b;

    for (int k = 0; k < 3; k++) {
        const int64_t dims[2] = {2, 3}, index[1] = {k == 0 ? 6 : k == 1 ? -1 : 0};
        start(&b);
        build_open(&b, 15);
        build_tensor(&b, 1, "w", MAAS_FLOAT, 1, (int64_t[]){1}, value, sizeof value);
        build_tensor(&b, 2, "", MAAS_INT64, 1, (int64_t[]){k == 2 ? 0 : 1}, index, k == 2 ? 0 : sizeof index);
        maas_pb_put_int(&b.out, 3, dims[0]);
        maas_pb_put_int(&b.out, 3, dims[1]);
        EXPECT(b, k == 2 ? MAAS_ERR_SHAPE : MAAS_ERR_VALUE, k == 2 ? "indices" : "is not in [0,6)");
    }
}

/* ---- nesting, recursion, expansion ---- */

TEST(import_deep_subgraphs)
{
    Build b;

    start(&b);
    for (int depth = 0; depth < 40 && b.n_marks < 60; depth++) { /* graphs in attributes of nodes */
        build_node(&b, NODE, "If", "", "x", "", true);
        build_open(&b, 5);
        build_text(&b, 1, "then_branch");
        maas_pb_put_int(&b.out, 20, 5);
        build_open(&b, 6);
        if (b.n_marks > 55)
            break;
    }
    MaasError err;
    CHECK(build_load(&b, &err) != MAAS_OK);
    build_free(&b);
}

/* Nests `depth` messages: content is wrapped by wrap() again and again. */
static void nest(Build *b, uint32_t graph_field, int depth)
{
    MaasError err;
    uint8_t *inner = NULL;
    size_t size = 0;
    Build level;

    for (int i = 0; i < depth; i++) {
        build_start(&level, 0, 0);
        level.out.size = 0;
        build_node(&level, NODE, "If", "", "x", "y", true);
        build_open(&level, 5);
        build_text(&level, 1, "then_branch");
        maas_pb_put_int(&level.out, 20, 5);
        maas_pb_put_bytes(&level.out, 6, inner, size);
        build_close(&level);
        build_close(&level);
        maas_free(&b->mem, inner);
        inner = maas_alloc(&b->mem, level.out.size, &err);
        size = level.out.size;
        memcpy(inner, level.out.data, size);
        build_free(&level);
    }
    maas_pb_put_bytes(&b->out, graph_field, inner, size);
    maas_free(&b->mem, inner);
}

TEST(import_nesting_is_bounded)
{
    Build b;

    build_start(&b, 8, 18);
    nest(&b, GRAPH, 500);
    EXPECT(b, MAAS_ERR_LIMIT, "nested more than");
}

TEST(import_type_nesting_is_bounded)
{
    Build b;

    build_start(&b, 8, 18);
    build_open(&b, GRAPH);
    build_open(&b, INPUT);
    build_text(&b, 1, "s");
    build_open(&b, 2);
    while (b.n_marks + 2 < 64) {
        build_open(&b, 4); /* sequence_type */
        build_open(&b, 1); /* elem_type */
    }
    MaasError err;
    CHECK(build_load(&b, &err) != MAAS_OK);
    build_free(&b);
}

/* FunctionProto `name` with input a and output b, open for nodes. */
static void open_function(Build *b, const char *name)
{
    build_open(b, FUNCTION);
    build_text(b, 1, name);
    build_text(b, 10, "local");
    build_text(b, 4, "a");
    build_text(b, 5, "b");
}

TEST(import_recursive_functions)
{
    Build b;

    start(&b);
    build_node(&b, NODE, "Self", "local", "x", "y", false);
    build_close(&b);
    open_function(&b, "Self");
    build_node(&b, 7, "Self", "local", "a", "b", false);
    EXPECT(b, MAAS_ERR_FORMAT, "function \"Self\" calls itself");

    start(&b);
    build_node(&b, NODE, "Ping", "local", "x", "y", false);
    build_close(&b);
    open_function(&b, "Ping");
    build_node(&b, 7, "Pong", "local", "a", "b", false);
    build_close(&b);
    open_function(&b, "Pong");
    build_node(&b, 7, "Ping", "local", "a", "b", false);
    EXPECT(b, MAAS_ERR_FORMAT, "calls itself");

    start(&b);
    build_node(&b, NODE, "F", "local", "x", "y", false);
    build_close(&b);
    open_function(&b, "F");
    EXPECT(b, MAAS_ERR_NAME, "nothing computes the output \"b\" of function \"F\"");
    start(&b);
    build_node(&b, NODE, "F", "local", "x x", "y", false);
    build_close(&b);
    open_function(&b, "F");
    EXPECT(b, MAAS_ERR_FORMAT, "has 1 inputs and 1 outputs, got 2 and 1");
}

/* Each function calls the one before twice: a small file, 2^29 nodes. */
TEST(import_expansion_is_bounded)
{
    char name[8] = "F0", before[8] = "";
    Build b;

    start(&b);
    build_node(&b, NODE, "F28", "local", "x", "y", false);
    build_close(&b);
    for (int i = 0; i <= 28; i++) {
        snprintf(name, sizeof name, "F%d", i);
        open_function(&b, name);
        build_node(&b, 7, i == 0 ? "Identity" : before, i == 0 ? "" : "local", "a", "c", false);
        build_node(&b, 7, i == 0 ? "Identity" : before, i == 0 ? "" : "local", "c", "b", false);
        build_close(&b);
        snprintf(before, sizeof before, "%s", name);
    }
    MaasError err;
    CHECK(build_load(&b, &err) == MAAS_ERR_LIMIT);
    build_free(&b);
}

/* A long chain, given backwards, takes no time to speak of. */
TEST(import_many_names)
{
    enum { N = 20000 };
    MaasError err;
    Build b;

    start(&b);
    for (int i = N; i >= 0; i--) {
        char in[16] = "x", out[16] = "y";
        if (i > 0)
            snprintf(in, sizeof in, "v%d", i - 1);
        if (i < N)
            snprintf(out, sizeof out, "v%d", i);
        build_node(&b, NODE, "Identity", "", in, out, false);
    }
    CHECK_OK(build_load(&b, &err));
    build_free(&b);
}

/* ---- attributes and signatures ---- */

TEST(import_attributes)
{
    static const struct {
        const char *name;
        int type;
        const char *text;
        MaasStatus status;
    } wrong[] = {
        {"axes", 2, "has no attribute \"axes\"", MAAS_ERR_NAME},
        {"perm", 1, "is of type float, expected ints", MAAS_ERR_TYPE},
        {"perm", 33, "is of type 33", MAAS_ERR_UNSUPPORTED},
        {"", 7, "has no name", MAAS_ERR_FORMAT},
    };
    Build b;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        start(&b);
        build_node(&b, NODE, "Transpose", "", "x", "y", true);
        build_open(&b, 5);
        build_text(&b, 1, wrong[i].name);
        maas_pb_put_int(&b.out, 20, wrong[i].type);
        EXPECT(b, wrong[i].status, wrong[i].text);
    }
    start(&b);
    build_node(&b, NODE, "Transpose", "", "x", "y", true);
    for (int i = 0; i < 2; i++) {
        build_open(&b, 5);
        build_text(&b, 1, "perm");
        maas_pb_put_int(&b.out, 20, 7);
        build_close(&b);
    }
    EXPECT(b, MAAS_ERR_NAME, "\"perm\" is given twice");
    start(&b);
    build_node(&b, NODE, "Transpose", "", "x x", "y", false);
    EXPECT(b, MAAS_ERR_FORMAT, "takes 1 inputs, got 2");
    start(&b);
    build_node(&b, NODE, "Reshape", "", "x", "y", false);
    EXPECT(b, MAAS_ERR_FORMAT, "input 1 (shape) is missing");
    start(&b);
    build_node(&b, NODE, "Transpose", "", "x", "y z", false);
    EXPECT(b, MAAS_ERR_FORMAT, "has 1 outputs, the node names 2");
}

/* ---- every byte, every allocation ---- */

static const char *const samples[] = {
    "src/test/cases/import/test_function_subgraphs/model.onnx",
    "src/test/cases/import/test_constant_forms/model.onnx",
    "src/test/cases/import/test_sparse_initializer_pairs/model.onnx",
    "src/test/cases/import/test_typed_fields/model.onnx",
};

TEST(import_truncated_at_every_byte)
{
    for (size_t s = 0; s < sizeof samples / sizeof *samples; s++) {
        size_t size;
        char *bytes = read_source(samples[s], &size);
        MaasError err;
        for (size_t n = 0; bytes != NULL && n < size; n++) {
            char *part = malloc(n > 0 ? n : 1); /* so that a sanitizer sees the end */
            memcpy(part, bytes, n);
            if (load_bytes(part, n, &err) != MAAS_OK)
                CHECK(err.message[0] != '\0');
            free(part);
        }
        free(bytes);
    }
}

TEST(import_every_byte_changed)
{
    uint64_t state = 1;

    for (size_t s = 0; s < sizeof samples / sizeof *samples; s++) {
        size_t size;
        char *bytes = read_source(samples[s], &size);
        MaasError err;
        for (size_t n = 0; bytes != NULL && n < size; n++) {
            char kept = bytes[n];
            const char changes[4] = {0, (char)0xff, (char)(kept ^ 1), (char)test_random(&state)};
            for (int k = 0; k < 4; k++) {
                bytes[n] = changes[k];
                load_bytes(bytes, size, &err);
            }
            bytes[n] = kept;
        }
        free(bytes);
    }
}

typedef struct Sample {
    char *bytes;
    size_t size;
} Sample;

static MaasStatus load_sample(MaasMem *mem, void *arg, MaasError *err)
{
    const Sample *sample = arg;
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasModel *model;

    MAAS_TRY(maas_model_load(sample->bytes, sample->size, &options, &model, err));
    maas_model_free(model);
    return MAAS_OK;
}

TEST(import_each_allocation_fails)
{
    for (size_t s = 0; s < sizeof samples / sizeof *samples; s++) {
        Sample sample = {NULL, 0};

        sample.bytes = read_source(samples[s], &sample.size);
        if (sample.bytes != NULL)
            CHECK_EACH_FAILURE(load_sample, &sample);
        free(sample.bytes);
    }
}
