/*
 * test_math_errors.c - what the elementwise, reduction, cast and quantisation operators refuse, and how they say
 * it.
 *
 * Each row is a model of one node.  It is run twice: once without shapes in the model, so that the failure comes
 * when the data are there, and once with the shapes declared, when most of it must be found at load.
 */
#include <stdio.h>

#include "onnx_build.h"

typedef struct Refusal {
    const char *op;
    const char *attrs;     /* "name=3 other=text", values that begin with a letter are strings */
    const char *inputs[3]; /* tensors as text */
    const char *message;   /* part of it */
    bool at_load;          /* when shapes are declared */
    int opset;             /* 0: 25 */
} Refusal;

static const Refusal refusals[] = {
    {"Div", "", {"int32:[6,7]", "int32:[3,0]"}, "division by zero: element 1 of input B is 0", false, 0},
    {"Div", "", {"uint64:[6,7]", "uint64:[0]"}, "division by zero: element 0 of input B is 0", false, 0},
    {"Mod", "", {"int8:[6,7]", "int8:[2,0]"}, "division by zero: element 1 of input B is 0", false, 0},
    {"Mod", "fmod=1", {"int64:[6]", "int64:[0]"}, "division by zero", false, 0},
    {"Mod", "fmod=2", {"int64:[6]", "int64:[1]"}, "fmod must be 0 or 1, got 2", true, 0},
    {"Pow", "", {"int64:[2,0]", "int64:[1,-1]"}, "0 to the power of element 1", false, 0},
    {"Add", "", {"[1,2,3]", "[1,2]"}, "shapes [3] and [2] do not broadcast", true, 0},
    {"Add", "broadcast=1 axis=1", {"[[1,2,3]]", "[[1],[2]]"}, "does not fit at axis 1", true, 6},
    {"Where", "", {"bool:[true,false]", "[1,2,3]", "[1]"}, "do not broadcast", true, 0},
    {"PRelu", "", {"[1,2]", "[[1],[2]]"}, "slope", true, 0},
    {"Gelu", "approximate=fast", {"[1]"}, "approximate must be none or tanh, got \"fast\"", true, 0},
    {"BitShift", "direction=UP", {"uint8:[1]", "uint8:[1]"}, "direction must be LEFT or RIGHT", true, 0},
    {"Clip", "", {"[1,2]", "[0,1]"}, "input 1 must hold one element", true, 0},
    {"Softmax", "axis=2", {"[[1,2]]"}, "axis 2 is outside [-2, 1]", true, 0},
    {"ReduceSum", "", {"[[1,2]]", "int64:[0,0]"}, "axis", false, 0},
    {"ReduceMax", "", {"[[1,2]]", "int64:[5]"}, "axis 5 is outside", false, 0},
    {"ReduceMean", "", {"int32(0):[]"}, "the mean of no integers", false, 0},
    {"ArgMax", "axis=-3", {"[[1,2]]"}, "axis -3 is outside [-2, 1]", true, 0},
    {"ArgMin", "axis=1", {"float(2,0):[]"}, "is empty", false, 0},
    {"TopK", "", {"[1,2,3]", "int64:[4]"}, "K is 4, but axis 0 has only 3 elements", false, 0},
    {"TopK", "", {"[1,2,3]", "int64:[-1]"}, "K must not be negative", false, 0},
    {"CumSum", "", {"[1,2]", "int32:1"}, "axis 1 is outside", false, 0},
    {"Cast", "to=99", {"[1]"}, "element type 99", true, 0},
    {"Cast", "to=14", {"[1]"}, "which Cast cannot make", true, 0},
    {"Cast", "to=1 round_mode=odd", {"[1]"}, "round_mode must be up, down or nearest", true, 0},
    {"Cast", "to=1", {"string:[\"1\",\"one\"]"}, "element 1", false, 0},
    {"QuantizeLinear", "axis=1", {"[[1,2,3]]", "[1,2]"}, "length of the scale", true, 0},
    {"QuantizeLinear", "axis=3", {"[[1,2,3]]", "[1,2]"}, "axis 3 is outside", true, 0},
    {"QuantizeLinear", "axis=1 block_size=2", {"[[1,2,3]]", "[[1]]"}, "size of the scale", true, 0},
    {"QuantizeLinear", "block_size=-1", {"[[1,2,3]]", "1"}, "block_size must not be negative", true, 0},
    {"QuantizeLinear",
     "output_dtype=3",
     {"[1]", "1", "uint8:1"},
     "output_dtype is int8, the zero point's type uint8",
     true,
     0},
    {"DequantizeLinear", "output_dtype=3", {"int8:[1]", "1"}, "int8", true, 0},
    {"DequantizeLinear", "", {"int8:[1]", "[1,2]", "int8:[1]"}, "input 2", true, 0},
};

static void put_attrs(Build *b, const char *attrs)
{
    while (*attrs) {
        const char *equals = strchr(attrs, '='), *value = equals + 1;
        size_t n = strcspn(value, " ");
        bool number = *value == '-' || (*value >= '0' && *value <= '9');

        build_open(b, 5);
        maas_pb_put_bytes(&b->out, 1, attrs, (size_t)(equals - attrs));
        if (number)
            maas_pb_put_int(&b->out, 3, strtoll(value, NULL, 10));
        else
            maas_pb_put_bytes(&b->out, 4, value, n);
        maas_pb_put_int(&b->out, 20, number ? 2 : 3);
        build_close(b);
        attrs = value + n + (value[n] == ' ');
    }
}

static void put_value(Build *b, uint32_t field, const char *name, const MaasTensor *t, bool shapes)
{
    build_open(b, field);
    build_text(b, 1, name);
    if (t) {
        build_open(b, 2); /* type */
        build_open(b, 1); /* tensor_type */
        maas_pb_put_int(&b->out, 1, t->type);
        if (shapes) {
            build_open(b, 2);
            for (int d = 0; d < t->rank; d++) {
                build_open(b, 1);
                maas_pb_put_int(&b->out, 1, t->dims[d]);
                build_close(b);
            }
            build_close(b);
        }
        build_close(b);
        build_close(b);
    }
    build_close(b);
}

/* Loads and runs; where says which of the two failed. */
static MaasStatus load_and_run(Build *b, MaasMem *mem, const MaasValue *const *inputs, const char **where,
                               MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = 1};
    const int wanted = 0;
    MaasModel *model = NULL;
    MaasResults *results = NULL;
    MaasStatus status;

    *where = "load";
    status = maas_model_load(b->out.data, b->out.size, &options, &model, err);
    if (status != MAAS_OK)
        return status;
    *where = "run";
    status = maas_model_run(model, &options, inputs, 1, &wanted, &results, err);
    maas_results_free(results);
    maas_model_free(model);
    return status;
}

static void check_refusal(const Refusal *r, bool shapes)
{
    static const char *const names[] = {"a", "b", "c"};
    TestHost host;
    MaasMem mem;
    MaasError err;
    MaasValue *inputs[3] = {NULL};
    char in[16] = "";
    const char *where;
    MaasStatus status;
    Build b;
    int n = 0;

    test_host_init(&host, &mem);
    for (; n < 3 && r->inputs[n]; n++) {
        NEED_OK(maas_tensor_parse(r->inputs[n], strlen(r->inputs[n]), &mem, &inputs[n], &err));
        snprintf(in + strlen(in), sizeof in - strlen(in), "%s%s", n ? " " : "", names[n]);
    }
    build_start(&b, 8, r->opset ? r->opset : 25);
    build_open(&b, 7);
    build_node(&b, 1, r->op, "", in, "y", true);
    put_attrs(&b, r->attrs);
    build_close(&b);
    for (int i = 0; i < n; i++)
        put_value(&b, 11, names[i], &inputs[i]->tensor, shapes);
    put_value(&b, 12, "y", NULL, false);
    build_close(&b);
    memset(&err, 0, sizeof err);
    status = load_and_run(&b, &mem, (const MaasValue *const *)inputs, &where, &err);
    if (status == MAAS_OK || err.status != status ||
        (!strstr(err.message, r->message) && !strstr(err.detail, r->message)) || !strstr(err.message, r->op))
        test_fail(__FILE__, __LINE__, "%s %s of %s: status %d, message \"%s\", expected \"%s\"", r->op, r->attrs,
                  r->inputs[0], (int)status, err.message, r->message);
    else if (shapes && r->at_load && strcmp(where, "load") != 0)
        test_fail(__FILE__, __LINE__, "%s %s: \"%s\" is found only at %s", r->op, r->attrs, r->message, where);
    build_free(&b);
    for (int i = 0; i < n; i++)
        maas_value_unref(inputs[i]);
    CHECK_NO_LEAK(&host, &mem);
}

TEST(math_refusals)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        check_refusal(&refusals[i], false);
        check_refusal(&refusals[i], true);
    }
}
