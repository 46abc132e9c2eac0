/*
 * test_batch_axis.c - which models keep the rows of a batch apart: one small model for each way to mix them, and
 * for those that look dangerous and are not.  That what is called independent is so on all cases, the conformance
 * tool tests (--rows).
 */
#include <stdio.h>

#include "../../engine/op/op.h"
#include "onnx_build.h"

#define GRAPH 7
#define NODE 1
#define INITIALIZER 5
#define INPUT 11
#define OUTPUT 12
#define ATTRIBUTE 5

/* ---- writing a model ---- */

/* A port: sizes with commas between them; what is no number is the name of a free dimension. */
static void port(Build *b, uint32_t field, const char *name, MaasType type, const char *dims)
{
    build_open(b, field);
    build_text(b, 1, name);
    build_open(b, 2);
    build_open(b, 1);
    maas_pb_put_int(&b->out, 1, type);
    build_open(b, 2);
    while (*dims) {
        char text[32];
        size_t n = strcspn(dims, ",");

        snprintf(text, sizeof text, "%.*s", (int)n, dims);
        build_open(b, 1);
        if (text[0] >= '0' && text[0] <= '9')
            maas_pb_put_int(&b->out, 1, atoi(text));
        else
            build_text(b, 2, text);
        build_close(b);
        dims += n + (dims[n] == ',');
    }
    for (int i = 0; i < 4; i++)
        build_close(b);
}

static void start(Build *b, const char *dims)
{
    build_start(b, 8, 18);
    build_open(b, GRAPH);
    build_text(b, 2, "main");
    port(b, INPUT, "x", MAAS_FLOAT, dims);
}

static void ints(Build *b, const char *name, int n, const int64_t *values)
{
    build_tensor(b, INITIALIZER, name, MAAS_INT64, 1, (int64_t[]){n}, values, (size_t)n * sizeof *values);
}

static void floats(Build *b, const char *name, int rank, const int64_t *dims)
{
    static const float values[64] = {0.5f, -1, 2, 0.25f};
    int64_t n = 1;

    for (int d = 0; d < rank; d++)
        n *= dims[d];
    build_tensor(b, INITIALIZER, name, MAAS_FLOAT, rank, dims, values, (size_t)n * sizeof *values);
}

static void node(Build *b, const char *op, const char *in, const char *out)
{
    build_node(b, NODE, op, "", in, out, false);
}

/* A node with one integer attribute. */
static void node_int(Build *b, const char *op, const char *in, const char *out, const char *attr, int64_t value)
{
    build_node(b, NODE, op, "", in, out, true);
    build_open(b, ATTRIBUTE);
    build_text(b, 1, attr);
    maas_pb_put_int(&b->out, 3, value);
    maas_pb_put_int(&b->out, 20, MAAS_ATTR_INT);
    build_close(b);
    build_close(b);
}

static void node_ints(Build *b, const char *op, const char *in, const char *out, const char *attr, int n,
                      const int64_t *values)
{
    build_node(b, NODE, op, "", in, out, true);
    build_open(b, ATTRIBUTE);
    build_text(b, 1, attr);
    for (int i = 0; i < n; i++)
        maas_pb_put_int(&b->out, 8, values[i]);
    maas_pb_put_int(&b->out, 20, MAAS_ATTR_INTS);
    build_close(b);
    build_close(b);
}

/* Loads the model with the output y; why it mixes the rows, "" when it does not. */
static const char *why_mixed(Build *b)
{
    static char why[1100];
    TestHost host;
    MaasMem mem;
    MaasRunOptions options = {.mem = &mem, .threads = 1};
    MaasError err = {0};
    MaasModel *model = NULL;

    build_open(b, OUTPUT);
    build_text(b, 1, "y");
    while (b->n_marks > 0)
        build_close(b);
    test_host_init(&host, &mem);
    if (maas_model_load(b->out.data, b->out.size, &options, &model, &err) != MAAS_OK)
        snprintf(why, sizeof why, "not loaded: %s", err.message);
    else {
        const MaasModelInfo *info = maas_model_info(model);

        snprintf(why, sizeof why, "%s", info->outputs[0].mixed ? info->outputs[0].mixed : "");
        CHECK(info->rows_independent == (why[0] == '\0'));
        maas_model_free(model);
    }
    CHECK_NO_LEAK(&host, &mem);
    build_free(b);
    return why;
}

static void expect_mixed(Build *b, const char *text, int line)
{
    const char *why = why_mixed(b);

    if (!strstr(why, text))
        test_fail(__FILE__, line, "mixed because \"%s\"; expected \"%s\"", why, text);
}

static void expect_apart(Build *b, int line)
{
    const char *why = why_mixed(b);

    if (*why)
        test_fail(__FILE__, line, "mixed because \"%s\"; expected independent rows", why);
}
#define MIXED(text) expect_mixed(&b, text, __LINE__)
#define APART() expect_apart(&b, __LINE__)

/* ---- what mixes rows ---- */

TEST(batch_axis_works_along_it)
{
    Build b;

    start(&b, "N,4");
    node_int(&b, "Softmax", "x", "y", "axis", 0);
    MIXED("Softmax: it works along the batch axis");
    start(&b, "N,4");
    node_int(&b, "Softmax", "x", "y", "axis", 1);
    APART();
    start(&b, "N,4");
    ints(&b, "axes", 1, (int64_t[]){0});
    node(&b, "ReduceMean", "x axes", "y");
    MIXED("ReduceMean: it works along the batch axis");
    start(&b, "N,4");
    node(&b, "ReduceMean", "x", "y");
    MIXED("it works along all axes");
    start(&b, "N,4");
    ints(&b, "axes", 1, (int64_t[]){-1});
    node_int(&b, "ReduceMean", "x axes", "y", "keepdims", 0);
    APART();
    start(&b, "N,4");
    ints(&b, "axis", 1, (int64_t[]){0});
    node(&b, "CumSum", "x axis", "y");
    MIXED("CumSum: it works along the batch axis");
    start(&b, "N,4");
    ints(&b, "k", 1, (int64_t[]){1});
    node_int(&b, "TopK", "x k", "y i", "axis", 0);
    MIXED("TopK: it works along the batch axis");
    start(&b, "N,4");
    ints(&b, "k", 1, (int64_t[]){2});
    node_int(&b, "TopK", "x k", "y i", "axis", 1);
    APART();
    start(&b, "N,4");
    node_int(&b, "ArgMax", "x", "y", "axis", 0);
    MIXED("it works along the batch axis");
    start(&b, "N,4,3");
    floats(&b, "s", 3, (int64_t[]){1, 4, 3});
    node_int(&b, "LayerNormalization", "x s", "y", "axis", 0);
    MIXED("it works along the batch axis");
    start(&b, "N,4");
    node_int(&b, "Concat", "x x", "y", "axis", 0);
    MIXED("it joins along the batch axis");
    start(&b, "N,4");
    node_int(&b, "Split", "x", "y z", "axis", 0);
    MIXED("it works along the batch axis");
}

TEST(batch_axis_training)
{
    Build b;

    start(&b, "N,4,5");
    floats(&b, "c", 1, (int64_t[]){4});
    node_int(&b, "BatchNormalization", "x c c c c", "y", "training_mode", 0);
    APART();
    start(&b, "N,4,5");
    floats(&b, "c", 1, (int64_t[]){4});
    node_int(&b, "BatchNormalization", "x c c c c", "y m v", "training_mode", 1);
    MIXED("BatchNormalization: it is in training mode");
    start(&b, "N,4");
    node(&b, "RandomNormalLike", "x", "r");
    node(&b, "Add", "x r", "y");
    MIXED("RandomNormalLike: its results are random");
}

TEST(batch_axis_reshape)
{
    Build b;

    start(&b, "N,2");
    ints(&b, "to", 2, (int64_t[]){-1, 4});
    node(&b, "Reshape", "x to", "y");
    MIXED("Reshape: its new shape does not keep the rows apart");
    start(&b, "N,4");
    ints(&b, "to", 2, (int64_t[]){2, -1});
    node(&b, "Reshape", "x to", "y");
    MIXED("Reshape: its new shape does not keep the rows apart");
    start(&b, "N,6");
    ints(&b, "to", 3, (int64_t[]){0, 2, -1});
    node(&b, "Reshape", "x to", "y");
    APART();
    start(&b, "N,2,3");
    ints(&b, "to", 2, (int64_t[]){-1, 6});
    node(&b, "Reshape", "x to", "y");
    APART();
    /* (N * 2, 3) and back */
    start(&b, "N,2,3");
    ints(&b, "to", 2, (int64_t[]){-1, 3});
    ints(&b, "back", 3, (int64_t[]){-1, 2, 3});
    node(&b, "Reshape", "x to", "flat");
    node(&b, "Relu", "flat", "f");
    node(&b, "Reshape", "f back", "y");
    APART();
    start(&b, "N,2,3");
    ints(&b, "to", 2, (int64_t[]){-1, 3});
    node(&b, "Reshape", "x to", "y"); /* two places for each row */
    MIXED("its rows are not on the first axis alone");
    start(&b, "N,2,3");
    ints(&b, "to", 2, (int64_t[]){-1, 3});
    node(&b, "Reshape", "x to", "flat");
    node_int(&b, "Softmax", "flat", "y", "axis", 0);
    MIXED("it works along the batch axis");
    start(&b, "N,4");
    node_int(&b, "Flatten", "x", "y", "axis", 0);
    MIXED("not on the first axis alone");
    start(&b, "N,1");
    node(&b, "Squeeze", "x", "y"); /* a batch of one row would lose its axis */
    MIXED("Squeeze: the axes that it drops are not known");
}

TEST(batch_axis_size_as_shape)
{
    Build b;

    /* the exporters' idiom: x.view(x.shape[0], -1, 2) */
    start(&b, "N,L,4");
    ints(&b, "first", 1, (int64_t[]){0});
    ints(&b, "rest", 2, (int64_t[]){-1, 2});
    node(&b, "Shape", "x", "shape");
    node(&b, "Gather", "shape first", "n");
    node_int(&b, "Concat", "n rest", "to", "axis", 0);
    node(&b, "Reshape", "x to", "y");
    APART();
    /* heads: (N, L, 4) -> (N * 2, L, 2) -> (N, L, 4) by arithmetic on sizes */
    start(&b, "N,L,4");
    ints(&b, "first", 1, (int64_t[]){0});
    ints(&b, "second", 1, (int64_t[]){1});
    ints(&b, "two", 1, (int64_t[]){2});
    ints(&b, "four", 1, (int64_t[]){4});
    node(&b, "Shape", "x", "shape");
    node(&b, "Gather", "shape first", "n");
    node(&b, "Gather", "shape second", "l");
    node(&b, "Mul", "n two", "n2");
    node_int(&b, "Concat", "n l two two", "split", "axis", 0);
    node_int(&b, "Concat", "n2 l two", "heads", "axis", 0);
    node_int(&b, "Concat", "n two l two", "apart", "axis", 0);
    node_int(&b, "Concat", "n l four", "whole", "axis", 0);
    node(&b, "Reshape", "x split", "a");
    node_ints(&b, "Transpose", "a", "t", "perm", 4, (int64_t[]){0, 2, 1, 3});
    node(&b, "Reshape", "t heads", "h");
    node_int(&b, "Softmax", "h", "s", "axis", 1);
    node(&b, "Reshape", "s apart", "p");
    node_ints(&b, "Transpose", "p", "q", "perm", 4, (int64_t[]){0, 2, 1, 3});
    node(&b, "Reshape", "q whole", "y");
    APART();
    /* the size used as a number */
    start(&b, "N,4");
    node_int(&b, "Shape", "x", "shape", "end", 1);
    node_int(&b, "Cast", "shape", "n", "to", MAAS_FLOAT);
    node(&b, "Div", "x n", "y");
    MIXED("the number of rows");
    start(&b, "N,4");
    node(&b, "Size", "x", "size");
    node_int(&b, "Cast", "size", "n", "to", MAAS_FLOAT);
    node(&b, "Mul", "x n", "y");
    MIXED("the number of rows");
    /* zeros for each row: the first state of a recurrent layer */
    start(&b, "N,4");
    ints(&b, "first", 1, (int64_t[]){0});
    ints(&b, "four", 1, (int64_t[]){4});
    node(&b, "Shape", "x", "shape");
    node(&b, "Gather", "shape first", "n");
    node_int(&b, "Concat", "n four", "to", "axis", 0);
    node(&b, "ConstantOfShape", "to", "zeros");
    node_int(&b, "Concat", "x zeros", "y", "axis", 1);
    APART();
    /* as many columns as rows */
    start(&b, "N,4");
    ints(&b, "first", 1, (int64_t[]){0});
    ints(&b, "one", 1, (int64_t[]){1});
    node(&b, "Shape", "x", "shape");
    node(&b, "Gather", "shape first", "n");
    node_int(&b, "Concat", "n n", "to", "axis", 0);
    floats(&b, "v", 2, (int64_t[]){1, 1});
    node(&b, "Expand", "v to", "y");
    MIXED("for each row");
}

/* 0, 1, ... N - 1, of type int64. */
static void row_numbers(Build *b)
{
    static const int64_t zero = 0, one = 1, axis = -1;

    build_tensor(b, INITIALIZER, "zero", MAAS_INT64, 0, NULL, &zero, sizeof zero);
    build_tensor(b, INITIALIZER, "one", MAAS_INT64, 0, NULL, &one, sizeof one);
    build_tensor(b, INITIALIZER, "end", MAAS_INT64, 1, (int64_t[]){1}, &axis, sizeof axis);
    node_int(b, "Shape", "x", "shape", "end", 1);
    node(b, "Squeeze", "shape", "n");
    node(b, "Range", "zero n one", "numbers");
}

TEST(batch_axis_numbers_of_rows)
{
    Build b;

    /* x[arange(N)], and entries of each row: x[arange(N), argmax(x)] */
    start(&b, "N,4");
    row_numbers(&b);
    node_int(&b, "Gather", "x numbers", "y", "axis", 0);
    APART();
    start(&b, "N,4");
    row_numbers(&b);
    node_int(&b, "ArgMax", "x", "best", "axis", 1);
    node(&b, "Unsqueeze", "numbers end", "own");
    node_int(&b, "Concat", "own best", "tuples", "axis", -1);
    node(&b, "GatherND", "x tuples", "y");
    APART();
    /* a mask on axes that broadcast, as exporters write it: x[arange(N)[:, None, None], [0, 2]] */
    start(&b, "N,4");
    row_numbers(&b);
    ints(&b, "columns", 2, (int64_t[]){0, 2});
    ints(&b, "axes", 2, (int64_t[]){1, 2});
    node(&b, "Unsqueeze", "numbers axes", "down");
    node(&b, "Max", "down columns", "both");
    node(&b, "Shape", "both", "size");
    node(&b, "Expand", "down size", "downs");
    node(&b, "Expand", "columns size", "across");
    node(&b, "Unsqueeze", "downs end", "own");
    node(&b, "Unsqueeze", "across end", "other");
    node_int(&b, "Concat", "own other", "tuples", "axis", -1);
    node(&b, "GatherND", "x tuples", "y");
    APART();
    /* the numbers as such, and what is computed of them */
    start(&b, "N,4");
    row_numbers(&b);
    node(&b, "Identity", "numbers", "y");
    MIXED("it depends on the place of a row in the batch");
    start(&b, "N");
    row_numbers(&b);
    node_int(&b, "Cast", "numbers", "f", "to", MAAS_FLOAT);
    node(&b, "Add", "x f", "y");
    MIXED("it depends on the place of a row in the batch");
    /* other rows: x[arange(N) + 1 - 1], x[-arange(N)], x[[n, n]] where the second is a number of a row, too */
    start(&b, "N,4");
    row_numbers(&b);
    node(&b, "Add", "numbers one", "next");
    node_int(&b, "Gather", "x next", "y", "axis", 0);
    MIXED("Gather: its indices pick among the rows");
    start(&b, "N,4");
    row_numbers(&b);
    node(&b, "Neg", "numbers", "back");
    node_int(&b, "Gather", "x back", "y", "axis", 0);
    MIXED("Gather: its indices pick among the rows");
    start(&b, "N,4");
    row_numbers(&b);
    node(&b, "Unsqueeze", "numbers end", "own");
    node_int(&b, "Concat", "own own", "tuples", "axis", -1);
    node(&b, "GatherND", "x tuples", "y");
    MIXED("GatherND: its indices pick among the rows");
    start(&b, "N,4");
    row_numbers(&b);
    node_int(&b, "ArgMax", "x", "best", "axis", 1);
    node(&b, "Unsqueeze", "numbers end", "own");
    node_int(&b, "Concat", "best own", "tuples", "axis", -1);
    node(&b, "GatherND", "x tuples", "y");
    MIXED("GatherND: its indices pick among the rows");
    /* counting otherwise */
    start(&b, "N,4");
    row_numbers(&b);
    node(&b, "Range", "one n one", "others");
    node_int(&b, "Gather", "x others", "y", "axis", 0);
    MIXED("Range: it computes with the number of rows");
    start(&b, "N,4");
    row_numbers(&b);
    node(&b, "Add", "n n", "twice");
    node(&b, "Range", "zero twice one", "others");
    node_int(&b, "Gather", "x others", "y", "axis", 0);
    MIXED("Range: ");
    /* along another axis, the numbers are of nothing */
    start(&b, "N,4");
    row_numbers(&b);
    node_int(&b, "Gather", "x numbers", "y", "axis", 1);
    MIXED("Gather: ");
    /* sums over them, sorting them */
    start(&b, "N,4");
    row_numbers(&b);
    node(&b, "ReduceMax", "numbers", "last");
    node_int(&b, "Cast", "last", "f", "to", MAAS_FLOAT);
    node(&b, "Add", "x f", "y");
    MIXED("ReduceMax: it works along all axes");
    /* sizes of other axes count as before */
    start(&b, "N,L,4");
    row_numbers(&b);
    node_int(&b, "Shape", "x", "all", "start", 1);
    ints(&b, "first", 1, (int64_t[]){0});
    node(&b, "Gather", "all first", "l1");
    node(&b, "Squeeze", "l1", "l");
    node(&b, "Range", "zero l one", "places");
    node_int(&b, "Gather", "x places", "y", "axis", 1);
    APART();
}

TEST(batch_axis_moved)
{
    Build b;

    start(&b, "N,4,3");
    node_ints(&b, "Transpose", "x", "t", "perm", 3, (int64_t[]){1, 0, 2});
    node_int(&b, "Softmax", "t", "s", "axis", 0);
    node_ints(&b, "Transpose", "s", "y", "perm", 3, (int64_t[]){1, 0, 2});
    APART();
    start(&b, "N,4,3");
    node_ints(&b, "Transpose", "x", "t", "perm", 3, (int64_t[]){1, 0, 2});
    node_int(&b, "Softmax", "t", "s", "axis", 1);
    node_ints(&b, "Transpose", "s", "y", "perm", 3, (int64_t[]){1, 0, 2});
    MIXED("it works along the batch axis");
    start(&b, "N,4,3");
    node_ints(&b, "Transpose", "x", "y", "perm", 3, (int64_t[]){1, 0, 2});
    MIXED("its rows are not on the first axis alone");
}

TEST(batch_axis_sequence_in_front)
{
    Build b;

    for (int batch_first = 0; batch_first < 2; batch_first++) {
        start(&b, "N,S,2");
        floats(&b, "w", 3, (int64_t[]){1, 12, 2});
        floats(&b, "r", 3, (int64_t[]){1, 12, 3});
        if (batch_first)
            node_ints(&b, "Transpose", "x", "t", "perm", 3, (int64_t[]){1, 0, 2});
        node_int(&b, "LSTM", batch_first ? "t w r" : "x w r", "all last", "hidden_size", 3);
        ints(&b, "zero", 1, (int64_t[]){0});
        node(&b, "Squeeze", "last zero", "y");
        if (batch_first)
            APART();
        else
            MIXED("LSTM: the rows are not its batch");
    }
}

TEST(batch_axis_picking)
{
    Build b;

    start(&b, "N,4");
    ints(&b, "i", 2, (int64_t[]){0, 0});
    node_int(&b, "Gather", "x i", "y", "axis", 0);
    MIXED("Gather: it picks along the batch axis");
    start(&b, "N,4");
    ints(&b, "i", 2, (int64_t[]){3, 0});
    node_int(&b, "Gather", "x i", "y", "axis", 1);
    APART();
    start(&b, "N,4"); /* indices from the rows into the rows */
    node_int(&b, "Cast", "x", "i", "to", MAAS_INT64);
    node_int(&b, "Gather", "x i", "y", "axis", 0);
    MIXED("pick among the rows");
    start(&b, "N,4"); /* an embedding */
    floats(&b, "table", 2, (int64_t[]){8, 2});
    node_int(&b, "Cast", "x", "i", "to", MAAS_INT64);
    node_int(&b, "Gather", "table i", "y", "axis", 0);
    APART();
    start(&b, "N,4");
    ints(&b, "from", 1, (int64_t[]){0});
    ints(&b, "to", 1, (int64_t[]){2});
    ints(&b, "axis", 1, (int64_t[]){0});
    node(&b, "Slice", "x from to axis", "y");
    MIXED("it cuts the batch axis");
    start(&b, "N,4");
    node_int(&b, "Cast", "x", "t", "to", MAAS_BOOL);
    node(&b, "NonZero", "t", "y");
    MIXED("NonZero");
}

TEST(batch_axis_products)
{
    Build b;

    start(&b, "N,4");
    floats(&b, "w", 2, (int64_t[]){4, 3});
    node(&b, "MatMul", "x w", "y");
    APART();
    start(&b, "N,4");
    node(&b, "Transpose", "x", "t");
    node(&b, "MatMul", "x t", "y"); /* each row with each other */
    MIXED("different axes");
    start(&b, "N,4");
    node(&b, "Transpose", "x", "t");
    node(&b, "MatMul", "t x", "y");
    MIXED("it sums over the batch axis");
    start(&b, "N,4"); /* the rows as weights */
    floats(&b, "w", 2, (int64_t[]){3, 4});
    node(&b, "Transpose", "x", "t");
    node(&b, "MatMul", "w t", "y");
    MIXED("not on the first axis alone");
    start(&b, "N,4,3");
    node_ints(&b, "Transpose", "x", "t", "perm", 3, (int64_t[]){0, 2, 1});
    node(&b, "MatMul", "x t", "y");
    APART();
    start(&b, "N,4");
    floats(&b, "w", 2, (int64_t[]){3, 4});
    node_int(&b, "Gemm", "x w", "y", "transB", 1);
    APART();
    start(&b, "N,4");
    floats(&b, "w", 2, (int64_t[]){4, 4});
    node_int(&b, "Gemm", "x w", "y", "transA", 1);
    MIXED("it sums over the batch axis");
    start(&b, "N,4");
    floats(&b, "c", 2, (int64_t[]){2, 4}); /* fits a batch of two rows only */
    node(&b, "Add", "x c", "y");
    MIXED("in the place of the batch axis");
    start(&b, "N,4");
    floats(&b, "c", 1, (int64_t[]){4});
    node(&b, "Add", "x c", "y");
    APART();
    start(&b, "N,1");
    node(&b, "Transpose", "x", "t");
    node(&b, "Sub", "x t", "y"); /* each row with each other */
    MIXED("different axes");
}

/* A body with inputs and outputs of no type, nodes written by the caller. */
static void open_body(Build *b, const char *op, const char *in, const char *out, int64_t n_scan)
{
    build_node(b, NODE, op, "", in, out, true);
    if (n_scan > 0) {
        build_open(b, ATTRIBUTE);
        build_text(b, 1, "num_scan_inputs");
        maas_pb_put_int(&b->out, 3, n_scan);
        maas_pb_put_int(&b->out, 20, MAAS_ATTR_INT);
        build_close(b);
    }
    build_open(b, ATTRIBUTE);
    build_text(b, 1, "body");
    maas_pb_put_int(&b->out, 20, MAAS_ATTR_GRAPH);
    build_open(b, 6);
    build_text(b, 2, "body");
}

static void name(Build *b, uint32_t field, const char *text)
{
    build_open(b, field);
    build_text(b, 1, text);
    build_close(b);
}

static void close_body(Build *b)
{
    for (int i = 0; i < 3; i++)
        build_close(b);
}

/* The rows n times through Relu. */
static void relu_loop(Build *b)
{
    build_tensor(b, INITIALIZER, "true", MAAS_BOOL, 0, NULL, "\1", 1);
    open_body(b, "Loop", "n true x", "y", 0);
    name(b, INPUT, "i");
    name(b, INPUT, "go");
    name(b, INPUT, "before");
    node(b, "Identity", "go", "on");
    node(b, "Relu", "before", "after");
    name(b, OUTPUT, "on");
    name(b, OUTPUT, "after");
    close_body(b);
}

TEST(batch_axis_loops)
{
    Build b;

    /* over the rows, nothing carried on */
    start(&b, "N,4");
    floats(&b, "w", 1, (int64_t[]){4});
    open_body(&b, "Scan", "x", "y", 1);
    name(&b, INPUT, "row");
    node(&b, "Mul", "row w", "out");
    name(&b, OUTPUT, "out");
    close_body(&b);
    APART();
    /* over the rows with a running sum */
    start(&b, "N,4");
    floats(&b, "zero", 1, (int64_t[]){4});
    open_body(&b, "Scan", "zero x", "sum y", 1);
    name(&b, INPUT, "before");
    name(&b, INPUT, "row");
    node(&b, "Add", "before row", "after");
    node(&b, "Identity", "after", "out");
    name(&b, OUTPUT, "after");
    name(&b, OUTPUT, "out");
    close_body(&b);
    MIXED("carries from one iteration to the next");
    /* over columns of weights, the rows carried on */
    start(&b, "N,4");
    floats(&b, "w", 2, (int64_t[]){3, 4});
    open_body(&b, "Scan", "x w", "last all", 1);
    name(&b, INPUT, "rows");
    name(&b, INPUT, "column");
    node(&b, "Identity", "rows", "same");
    node(&b, "Sub", "rows column", "out");
    name(&b, OUTPUT, "same");
    name(&b, OUTPUT, "out");
    close_body(&b);
    node_ints(&b, "Transpose", "all", "y", "perm", 3, (int64_t[]){1, 0, 2});
    APART();
    /* as often as there are rows */
    start(&b, "N,4");
    node_int(&b, "Shape", "x", "n", "end", 1);
    relu_loop(&b);
    MIXED("Loop: how often it runs depends on the batch");
    /* three times */
    start(&b, "N,4");
    ints(&b, "n", 1, (int64_t[]){3});
    relu_loop(&b);
    APART();
}

/* The padding that words are filled up with, as a number, further padding, and the length they are cut to. */
static void words(Build *b, int64_t number, int64_t further, int64_t front, int64_t length)
{
    build_start(b, 8, 20);
    build_open(b, 8);
    build_text(b, 1, "ai.onnx.ml");
    maas_pb_put_int(&b->out, 2, 3);
    build_close(b);
    build_open(b, GRAPH);
    build_text(b, 2, "main");
    port(b, INPUT, "text", MAAS_STRING, "N");
    ints(b, "pads", 4, (int64_t[]){0, front, 0, 4});
    ints(b, "filler", 1, &further);
    ints(b, "from", 1, (int64_t[]){0});
    ints(b, "to", 1, &length);
    ints(b, "last", 1, (int64_t[]){1});
    node(b, "StringSplit", "text", "words");
    build_node(b, NODE, "LabelEncoder", "ai.onnx.ml", "words", "numbers", true);
    for (int i = 0; i < 3; i++) {
        build_open(b, ATTRIBUTE);
        build_text(b, 1, i == 0 ? "keys_strings" : i == 1 ? "values_int64s" : "default_int64");
        maas_pb_put_int(&b->out, 20, i == 0 ? MAAS_ATTR_STRINGS : i == 1 ? MAAS_ATTR_INTS : MAAS_ATTR_INT);
        if (i == 0) {
            build_text(b, 9, "a");
            build_text(b, 9, "");
        } else if (i == 1) {
            maas_pb_put_int(&b->out, 8, 3);
            maas_pb_put_int(&b->out, 8, number);
        } else
            maas_pb_put_int(&b->out, 3, 7);
        build_close(b);
    }
    build_close(b);
    build_node(b, NODE, "Pad", "", "numbers pads filler", "padded", false);
    node(b, "Slice", "padded from to last", "y");
}

TEST(batch_axis_words)
{
    Build b;

    words(&b, 0, 0, 0, 4);
    APART();
    words(&b, 9, 9, 0, 3);
    APART();
    words(&b, 9, 0, 0, 4); /* the longest row decides where one filler ends and the other begins */
    MIXED("it pads with something else");
    words(&b, 0, 0, 1, 4);
    MIXED("it pads in front");
    words(&b, 0, 0, 0, 5); /* as long as that only if the longest row has a word */
    MIXED("it cuts what is padded");
    words(&b, 0, 0, 0, -1);
    MIXED("it cuts what is padded");
    words(&b, 0, 0, 0, INT64_MAX);
    MIXED("it cuts what is padded");
}

TEST(batch_axis_inputs)
{
    Build b;

    start(&b, "3,4");
    node(&b, "Relu", "x", "y");
    MIXED("input \"x\": it has a fixed number of rows");
    start(&b, "N,N");
    node(&b, "Relu", "x", "y");
    MIXED("as long as there are rows");
    start(&b, "N,4");
    port(&b, INPUT, "z", MAAS_FLOAT, "M,4"); /* each free */
    node(&b, "Add", "x z", "y");
    APART();
    start(&b, "N,4");
    port(&b, INPUT, "z", MAAS_FLOAT, "4");
    node(&b, "Add", "x z", "y");
    MIXED("input \"z\": it has a fixed number of rows");
    start(&b, "N,4"); /* left at its default */
    port(&b, INPUT, "z", MAAS_FLOAT, "4");
    floats(&b, "z", 1, (int64_t[]){4});
    node(&b, "Add", "x z", "y");
    APART();
    start(&b, "N,4");
    floats(&b, "c", 1, (int64_t[]){4});
    node(&b, "Identity", "c", "y");
    MIXED("it does not depend on the rows");
}
