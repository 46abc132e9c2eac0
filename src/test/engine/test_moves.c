/*
 * test_moves.c - operators that move data, given what they must refuse: indices out of range, sizes beyond any
 * memory, steps that lead nowhere, loops without end.
 *
 * Each input is written as text; "const " in front makes it a constant of the model, which is then refused at load.
 */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "../../engine/maas.h"
#include "onnx_build.h"

#define MAX_IN 5

typedef struct OpCall {
    const char *op, *attrs; /* attrs: "axis=1 mode=wrap" */
    const char *in[MAX_IN];
} OpCall;

static void put_attrs(Build *b, const char *attrs)
{
    while (attrs && *attrs) {
        size_t n = strcspn(attrs, "="), m = strcspn(attrs + n + 1, " ");
        const char *value = attrs + n + 1;
        bool number = *value == '-' || (*value >= '0' && *value <= '9');

        build_open(b, 5);
        maas_pb_put_bytes(&b->out, 1, attrs, n);
        if (number)
            maas_pb_put_int(&b->out, 3, strtoll(value, NULL, 10));
        else
            maas_pb_put_bytes(&b->out, 4, value, m);
        maas_pb_put_int(&b->out, 20, number ? 2 : 3);
        build_close(b);
        attrs = value + m + (value[m] == ' ');
    }
}

/* ValueInfoProto of a tensor of any shape; type 0: nothing but the name. */
static void put_info(Build *b, uint32_t field, const char *name, int type)
{
    build_open(b, field);
    build_text(b, 1, name);
    if (type) {
        build_open(b, 2);
        build_open(b, 1);
        maas_pb_put_int(&b->out, 1, type);
        build_close(b);
        build_close(b);
    }
    build_close(b);
}

/* Loads and runs the built model; *text gets output 0 (from malloc).  limit: bytes for loading and for running. */
static MaasStatus run_model(Build *b, MaasMem *mem, MaasValue **inputs, const volatile int *stop, char **text,
                            MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = 1, .stop = stop};
    MaasModel *model = NULL;
    MaasResults *results = NULL;
    int wanted = 0;
    size_t length;
    char *printed;
    MaasStatus status;

    while (b->n_marks > 0)
        build_close(b);
    status = maas_model_load(b->out.data, b->out.size, &options, &model, err);
    if (status == MAAS_OK)
        status = maas_model_run(model, &options, (const MaasValue *const *)inputs, 1, &wanted, &results, err);
    if (status == MAAS_OK && text) {
        status = maas_tensor_print(&maas_results_get(results, 0)->tensor, mem, &printed, &length, err);
        if (status == MAAS_OK) {
            *text = strdup(printed);
            maas_free(mem, printed);
        }
    }
    maas_results_free(results);
    maas_model_free(model);
    return status;
}

/* Runs one operator; text may be NULL. */
static MaasStatus run_op(const OpCall *call, char **text, MaasError *err)
{
    static const char *const names[MAX_IN] = {"a", "b", "c", "d", "e"};
    MaasValue *values[MAX_IN] = {NULL}, *inputs[MAX_IN];
    char list[32] = "";
    int n = 0, n_inputs = 0;
    TestHost host;
    MaasMem mem;
    MaasStatus status = MAAS_OK;
    Build b;

    test_host_init(&host, &mem);
    mem.limit = (size_t)256 << 20;
    build_start(&b, 10, 25);
    build_open(&b, 7);
    build_text(&b, 2, "g");
    for (; n < MAX_IN && call->in[n] && status == MAAS_OK; n++) {
        const char *in = call->in[n];
        bool constant = strncmp(in, "const ", 6) == 0;

        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", n ? " " : "", names[n]);
        in += constant ? 6 : 0;
        status = maas_tensor_parse(in, strlen(in), &mem, &values[n], err);
        if (status != MAAS_OK)
            break;
        if (constant) {
            MaasTensor *t = &values[n]->tensor;

            build_tensor(&b, 5, names[n], t->type, t->rank, t->dims, t->data, maas_tensor_bytes(t));
        } else {
            put_info(&b, 11, names[n], values[n]->tensor.type);
            inputs[n_inputs++] = values[n];
        }
    }
    put_info(&b, 12, "y", 0);
    build_node(&b, 1, call->op, "", list, "y", true);
    put_attrs(&b, call->attrs);
    if (status == MAAS_OK)
        status = run_model(&b, &mem, inputs, NULL, text, err);
    for (int i = 0; i < n; i++)
        maas_value_unref(values[i]);
    build_free(&b);
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

#define REFUSES(status, message, ...)                                                                              \
    do {                                                                                                           \
        const OpCall call = {__VA_ARGS__};                                                                         \
        CHECK_FAILS(run_op(&call, NULL, &err), status, message);                                                   \
    } while (0)

#define GIVES(expected, ...)                                                                                       \
    do {                                                                                                           \
        const OpCall call = {__VA_ARGS__};                                                                         \
        char *text = NULL;                                                                                         \
        CHECK_OK(run_op(&call, &text, &err));                                                                      \
        if (text)                                                                                                  \
            CHECK_STR(text, expected);                                                                             \
        free(text);                                                                                                \
    } while (0)

TEST(move_indices_out_of_range)
{
    MaasError err;

    GIVES("[3,1]", "Gather", "", {"[1,2,3]", "int64:[-1,0]"});
    REFUSES(MAAS_ERR_VALUE, "index 3 at place 1 is out of range [-3, 2]", "Gather", "", {"[1,2,3]", "int64:[0,3]"});
    REFUSES(MAAS_ERR_VALUE, "index -4 at place 0", "Gather", "", {"[1,2,3]", "int32:[-4]"});
    REFUSES(MAAS_ERR_VALUE, "index 3 at place 0", "Gather", "", {"const [1,2,3]", "const int64:[3]"});
    REFUSES(MAAS_ERR_VALUE, "index 3 at place 0", "Gather", "", {"const [1,2,3]", "int64:[3]"});
    REFUSES(MAAS_ERR_VALUE, "index -9223372036854775808", "Gather", "",
            {"[1,2,3]", "int64:[-9223372036854775808]"});
    REFUSES(MAAS_ERR_VALUE, "out of range [-0, -1]", "Gather", "", {"float(0):[]", "int64:[0]"});
    REFUSES(MAAS_ERR_VALUE, "index 2 at place 1", "GatherElements", "axis=1", {"[[1,2],[3,4]]", "int64:[[0,2]]"});
    REFUSES(MAAS_ERR_SHAPE, "indices have size 3 on axis 0", "GatherElements", "axis=1",
            {"[[1,2],[3,4]]", "int64:[[0],[0],[0]]"});
    REFUSES(MAAS_ERR_VALUE, "index 2 at place 1", "GatherND", "", {"[[1,2],[3,4]]", "int64:[[0,2]]"});
    REFUSES(MAAS_ERR_SHAPE, "an index has 3 numbers", "GatherND", "", {"[[1,2],[3,4]]", "int64:[[0,0,0]]"});
    REFUSES(MAAS_ERR_VALUE, "index 5 at place 0", "ScatterElements", "", {"[1,2]", "int64:[5]", "[9]"});
    REFUSES(MAAS_ERR_VALUE, "index 0 at place 0", "ScatterElements", "", {"float(0):[]", "int64:[0]", "[9]"});
    REFUSES(MAAS_ERR_SHAPE, "indices and updates", "ScatterElements", "", {"[1,2]", "int64:[0]", "[9,8]"});
    REFUSES(MAAS_ERR_UNSUPPORTED, "not defined for string", "ScatterElements", "reduction=add",
            {"string:[\"a\"]", "int64:[0]", "string:[\"b\"]"});
    REFUSES(MAAS_ERR_VALUE, "index 2 at place 0", "ScatterND", "", {"[1,2]", "int64:[[2]]", "[9]"});
    REFUSES(MAAS_ERR_VALUE, "index -3", "ScatterND", "reduction=max", {"[1,2]", "int64:[[-3]]", "[9]"});
    REFUSES(MAAS_ERR_SHAPE, "updates", "ScatterND", "", {"[1,2]", "int64:[[1]]", "[9,8]"});
    REFUSES(MAAS_ERR_VALUE, "picks place 2 of 2", "Compress", "axis=0", {"[1,2]", "bool:[false,true,true]"});
    REFUSES(MAAS_ERR_VALUE, "sequence length 3", "ReverseSequence", "", {"[[1,2],[3,4]]", "int64:[3,1]"});
    GIVES("[[0,0,0]]", "OneHot", "", {"int64:[7]", "int64:3", "[0,1]"});
}

TEST(move_sizes_beyond_memory)
{
    MaasError err;

    REFUSES(MAAS_ERR_LIMIT, "", "Expand", "", {"[1]", "int64:[1152921504606846976]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Expand", "", {"[1]", "int64:[4294967296,4294967296,4294967296]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Expand", "", {"[1]", "const int64:[1152921504606846976]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Tile", "", {"[1,2,3]", "int64:[4611686018427387904]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Tile", "", {"[1,2,3]", "int64:[1000000000000]"});
    REFUSES(MAAS_ERR_VALUE, "repeat 0 is -1", "Tile", "", {"[1,2,3]", "int64:[-1]"});
    REFUSES(MAAS_ERR_LIMIT, "", "ConstantOfShape", "", {"int64:[1099511627776,1099511627776]"});
    REFUSES(MAAS_ERR_LIMIT, "", "ConstantOfShape", "", {"int64:[1099511627776]"});
    REFUSES(MAAS_ERR_VALUE, "is -1", "ConstantOfShape", "", {"int64:[-1]"});
    REFUSES(MAAS_ERR_LIMIT, "rank 17", "ConstantOfShape", "", {"int64:[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]"});
    REFUSES(MAAS_ERR_LIMIT, "", "OneHot", "", {"int64:[0]", "int64:1152921504606846976", "[0,1]"});
    REFUSES(MAAS_ERR_VALUE, "depth must be positive", "OneHot", "", {"int64:[0]", "int64:0", "[0,1]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Pad", "", {"[1]", "int64:[0,1152921504606846976]"});
    REFUSES(MAAS_ERR_VALUE, "do not fit", "Pad", "", {"[1]", "int64:[9223372036854775807,1]"});
    REFUSES(MAAS_ERR_VALUE, "do not fit", "Pad", "", {"[1]", "int64:[-9223372036854775808,0]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Pad", "mode=wrap", {"[1]", "int64:[0,1152921504606846976]"});
    REFUSES(MAAS_ERR_SHAPE, "nothing to repeat", "Pad", "mode=edge", {"float(0):[]", "int64:[0,1]"});
    REFUSES(MAAS_ERR_LIMIT, "", "CenterCropPad", "", {"[1]", "int64:[1152921504606846976]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Resize", "", {"[1]", "float(0):[]", "float(0):[]", "int64:[1152921504606846976]"});
    REFUSES(MAAS_ERR_LIMIT, "", "Resize", "mode=linear", {"[1]", "float(0):[]", "[1e30]"});
    REFUSES(MAAS_ERR_VALUE, "must be positive", "Resize", "", {"[1]", "float(0):[]", "[NaN]"});
    REFUSES(MAAS_ERR_VALUE, "must be positive", "Resize", "", {"[1]", "float(0):[]", "[-1]"});
    REFUSES(MAAS_ERR_SHAPE, "is empty", "Resize", "", {"float(0):[]", "float(0):[]", "float(0):[]", "int64:[2]"});
    REFUSES(MAAS_ERR_LIMIT, "", "AffineGrid", "",
            {"float(1,2,3):[[[1,2,3],[4,5,6]]]", "int64:[1,1,2147483648,2147483648]"});
}

TEST(move_ranges)
{
    MaasError err;

    REFUSES(MAAS_ERR_VALUE, "delta is 0", "Range", "", {"int64:0", "int64:5", "int64:0"});
    REFUSES(MAAS_ERR_VALUE, "does not lead", "Range", "", {"0", "5", "0"});
    REFUSES(MAAS_ERR_VALUE, "does not lead", "Range", "", {"0", "NaN", "1"});
    REFUSES(MAAS_ERR_LIMIT, "", "Range", "", {"0", "Infinity", "1"});
    REFUSES(MAAS_ERR_LIMIT, "", "Range", "",
            {"int64:-9223372036854775808", "int64:9223372036854775807", "int64:1"});
    REFUSES(MAAS_ERR_LIMIT, "", "Range", "", {"double:0", "double:1e300", "double:1e-300"});
    REFUSES(MAAS_ERR_SHAPE, "one element", "Range", "", {"[0,1]", "5", "1"});
    GIVES("[]", "Range", "", {"0", "5", "-1"});
    REFUSES(MAAS_ERR_VALUE, "step 0 is 0", "Slice", "",
            {"[1,2]", "int64:[0]", "int64:[1]", "int64:[0]", "int64:[0]"});
    REFUSES(MAAS_ERR_VALUE, "given twice", "Slice", "", {"[[1]]", "int64:[0,0]", "int64:[1,1]", "int64:[0,-2]"});
    REFUSES(MAAS_ERR_VALUE, "axis", "Slice", "", {"[1]", "int64:[0]", "int64:[1]", "int64:[1]"});
    GIVES("[3,1]", "Slice", "",
          {"[1,2,3]", "int64:[9223372036854775807]", "int64:[-9223372036854775808]", "int64:[0]", "int64:[-2]"});
    GIVES("[3]", "Slice", "",
          {"[1,2,3]", "int64:[-1]", "int64:[-9223372036854775808]", "int64:[0]", "int64:[-9223372036854775808]"});
    REFUSES(MAAS_ERR_SHAPE, "6 elements, shape [4] needs 4", "Reshape", "", {"[1,2,3,4,5,6]", "int64:[4]"});
    REFUSES(MAAS_ERR_SHAPE, "do not fit", "Reshape", "", {"[1,2,3,4,5,6]", "int64:[4,-1]"});
    REFUSES(MAAS_ERR_VALUE, "more than one -1", "Reshape", "", {"[1]", "int64:[-1,-1]"});
    REFUSES(MAAS_ERR_LIMIT, "overflows", "Reshape", "", {"[1]", "int64:[-1,4294967296,4294967296]"});
    REFUSES(MAAS_ERR_SHAPE, "dropped", "Squeeze", "", {"[1,2]", "int64:[0]"});
    REFUSES(MAAS_ERR_SHAPE, "only a size of 1", "Squeeze", "", {"[[1,2]]", "int64:[1]"});
    REFUSES(MAAS_ERR_LIMIT, "rank 17", "Unsqueeze", "", {"[1]", "int64:[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]"});
    REFUSES(MAAS_ERR_VALUE, "blocksize", "DepthToSpace", "blocksize=0",
            {"float(1,4,1,1):[[[[1]],[[2]],[[3]],[[4]]]]"});
    REFUSES(MAAS_ERR_VALUE, "no class a probability", "Multinomial", "", {"[[-Infinity,NaN]]"});
    REFUSES(MAAS_ERR_SHAPE, "batch size of scores", "NonMaxSuppression", "", {"[[[0,0,1,1]]]", "[[[1]],[[1]]]"});
}

/* A Loop whose body never says stop; with `keep`, it also stacks a scan output. */
static void build_endless(Build *b, bool keep)
{
    static const int64_t eight[] = {4096};
    static const char content[4 * 4096] = {0};

    build_start(b, 10, 25);
    build_open(b, 7);
    build_text(b, 2, "g");
    put_info(b, 11, "x", MAAS_FLOAT);
    put_info(b, 12, "y", 0);
    build_node(b, 1, "Loop", "", "  x", keep ? "s y" : "y", true);
    build_open(b, 5);
    build_text(b, 1, "body");
    maas_pb_put_int(&b->out, 20, 5);
    build_open(b, 6);
    build_text(b, 2, "body");
    put_info(b, 11, "i", MAAS_INT64);
    put_info(b, 11, "c", MAAS_BOOL);
    put_info(b, 11, "v", MAAS_FLOAT);
    put_info(b, 12, "c2", MAAS_BOOL);
    put_info(b, 12, "v2", MAAS_FLOAT);
    build_tensor(b, 5, "k", MAAS_FLOAT, 1, eight, content, sizeof content);
    build_node(b, 1, "Identity", "", "c", "c2", false);
    build_node(b, 1, "Add", "", "v v", "v2", false);
    if (keep) {
        put_info(b, 12, "o", MAAS_FLOAT);
        build_node(b, 1, "Add", "", "v k", "o", false);
    }
}

TEST(move_loop_is_bounded)
{
    TestHost host;
    MaasMem mem;
    MaasValue *x;
    MaasError err;
    int stop = 0;
    Build b;

    test_host_init(&host, &mem);
    NEED_OK(maas_tensor_parse("1", 1, &mem, &x, &err));
    mem.limit = (size_t)8 << 20;
    build_endless(&b, true);
    CHECK_FAILS(run_model(&b, &mem, &x, &stop, NULL, &err), MAAS_ERR_LIMIT, "");
    build_free(&b);
    mem.limit = 0;
    maas_value_unref(x);
    CHECK_NO_LEAK(&host, &mem);
}

static void *set_soon(void *arg)
{
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    *(volatile int *)arg = 1;
    return NULL;
}

TEST(move_loop_can_be_stopped)
{
    TestHost host;
    MaasMem mem;
    MaasValue *x;
    MaasError err;
    volatile int stop = 0;
    struct timespec start, end;
    pthread_t thread;
    Build b;

    test_host_init(&host, &mem);
    NEED_OK(maas_tensor_parse("1", 1, &mem, &x, &err));
    build_endless(&b, false);
    clock_gettime(CLOCK_MONOTONIC, &start);
    NEED(pthread_create(&thread, NULL, set_soon, (void *)&stop) == 0);
    CHECK_FAILS(run_model(&b, &mem, &x, &stop, NULL, &err), MAAS_ERR_CANCEL, "");
    clock_gettime(CLOCK_MONOTONIC, &end);
    pthread_join(thread, NULL);
    CHECK((double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec) < 1);
    build_free(&b);
    maas_value_unref(x);
    CHECK_NO_LEAK(&host, &mem);
}
