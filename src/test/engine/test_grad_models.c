/*
 * test_grad_models.c - gradients of whole networks against central differences: the weights, and what comes in.
 */
#include "net.h"

#define DIMS(...)                                                                                                  \
    (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[])                             \
    {                                                                                                              \
        __VA_ARGS__                                                                                                \
    }

/* Weights in [-1, 1). */
static int weights(Net *net, int rank, const int64_t *dims)
{
    return net_input(net, rank, dims, -1, 1);
}

static int dense(Net *net, int x, int64_t inputs, int64_t outputs)
{
    return NET(net, "Gemm", x, weights(net, DIMS(inputs, outputs)), weights(net, DIMS(outputs)));
}

static int cross_entropy(Net *net, int scores, int64_t n)
{
    static const int64_t labels[] = {1, 0, 2, 1};

    return NET(net, "SoftmaxCrossEntropyLoss", scores, net_ints(net, MAAS_INT64, 1, &n, labels));
}

static void check_model(const char *name, int (*build)(Net *net))
{
    for (int free_dims = 0; free_dims < 2; free_dims++) {
        TestHost host;
        MaasMem mem;
        MaasError err = {0};
        Net net;

        test_host_init(&host, &mem);
        net_init(&net, &mem, MAAS_DOUBLE, free_dims, &err);
        int loss = build(&net);

        net_infer(&net);
        net_check(&net, name, loss, 1e-6);
        net_free(&net);
        CHECK_NO_LEAK(&host, &mem);
    }
}

static int build_mlp(Net *net)
{
    int x = net_input(net, DIMS(4, 5), -1, 1), h = NET(net, "Relu", dense(net, x, 5, 6));

    h = NET(net, "Tanh", dense(net, h, 6, 4));
    return cross_entropy(net, dense(net, h, 4, 3), 4);
}

TEST(gradient_of_mlp)
{
    check_model("MLP", build_mlp);
}

/* A statistic that the batch does not use. */
static int statistic(Net *net, int64_t n)
{
    int edge = net_input(net, DIMS(n), 0.5, 1);

    if (net->n > 0)
        net->checked[net->n - 1] = false;
    return edge;
}

static int build_cnn(Net *net)
{
    int x = net_input(net, DIMS(3, 2, 6, 6), -1, 1);
    int y = NET(net, "Conv", x, weights(net, DIMS(4, 2, 3, 3)), weights(net, DIMS(4)));

    net_attr(net, "pads=[1;1;1;1]");
    y = NET(net, "BatchNormalization", y, weights(net, DIMS(4)), weights(net, DIMS(4)), statistic(net, 4),
            statistic(net, 4));
    net_attr(net, "training_mode=1");
    y = NET(net, "MaxPool", NET(net, "Relu", y));
    net_attr(net, "kernel_shape=[2;2]");
    net_attr(net, "strides=[2;2]");
    y = NET(net, "Conv", y, weights(net, DIMS(3, 4, 2, 2)), MAAS_NO_VALUE);
    y = NET(net, "AveragePool", NET(net, "Sigmoid", y));
    net_attr(net, "kernel_shape=[2;2]");
    y = NET(net, "Flatten", y);
    return cross_entropy(net, dense(net, y, 3, 3), 3);
}

TEST(gradient_of_cnn)
{
    check_model("CNN", build_cnn);
}

/* Tokens (4, 2) looked up in a table of 6. */
static int embedded(Net *net)
{
    static const int64_t tokens[] = {0, 5, 3, 3, 1, 0, 3, 2};

    return NET(net, "Gather", weights(net, DIMS(6, 3)), net_ints(net, MAAS_INT64, DIMS(4, 2), tokens));
}

static int build_lstm(Net *net)
{
    const int in[] = {embedded(net), weights(net, DIMS(1, 16, 3)), weights(net, DIMS(1, 16, 4)),
                      weights(net, DIMS(1, 32))};
    int out[2];

    net_nodes(net, "LSTM", 4, in, 2, out);
    int last = NET(net, "Squeeze", out[1], net_ints(net, MAAS_INT64, DIMS(1), (const int64_t[]){0}));

    return cross_entropy(net, dense(net, last, 4, 3), 2);
}

TEST(gradient_of_lstm)
{
    check_model("LSTM", build_lstm);
}

/* Two layers, the first in both directions; the mean over time is classified. */
static int build_gru(Net *net)
{
    int y = NET(net, "GRU", embedded(net), weights(net, DIMS(2, 6, 3)), weights(net, DIMS(2, 6, 2)),
                weights(net, DIMS(2, 12)));

    net_attr(net, "direction=bidirectional");
    net_attr(net, "linear_before_reset=1");
    y = NET(net, "Transpose", y); /* (4, 2, 2, 2) -> (4, 2, 4) */
    net_attr(net, "perm=[0;2;1;3]");
    y = NET(net, "Reshape", y, net_ints(net, MAAS_INT64, DIMS(3), (const int64_t[]){0, 0, -1}));
    y = NET(net, "GRU", y, weights(net, DIMS(1, 9, 4)), weights(net, DIMS(1, 9, 3)));
    y = NET(net, "ReduceMean", y, net_ints(net, MAAS_INT64, DIMS(2), (const int64_t[]){0, 1}));
    net_attr(net, "keepdims=0");
    return cross_entropy(net, dense(net, y, 3, 3), 2);
}

TEST(gradient_of_gru)
{
    check_model("GRU", build_gru);
}

/* (2, 3, 4) -> (2, heads, 3, 2) */
static int heads(Net *net, int x, const char *perm)
{
    int y = NET(net, "MatMul", x, weights(net, DIMS(4, 4)));

    y = NET(net, "Reshape", y, net_ints(net, MAAS_INT64, DIMS(4), (const int64_t[]){0, 0, 2, 2}));
    y = NET(net, "Transpose", y);
    net_attr(net, perm);
    return y;
}

static int layer_norm(Net *net, int x)
{
    return NET(net, "LayerNormalization", x, weights(net, DIMS(4)), weights(net, DIMS(4)));
}

static int build_transformer(Net *net)
{
    int x = net_input(net, DIMS(2, 3, 4), -1, 1), z = layer_norm(net, x);
    int scores = NET(net, "MatMul", heads(net, z, "perm=[0;2;1;3]"), heads(net, z, "perm=[0;2;3;1]"));

    scores = NET(net, "Softmax", NET(net, "Mul", scores, net_input(net, 0, NULL, 0.5, 1)));
    int y = NET(net, "Transpose", NET(net, "MatMul", scores, heads(net, z, "perm=[0;2;1;3]")));

    net_attr(net, "perm=[0;2;1;3]");
    y = NET(net, "Reshape", y, net_ints(net, MAAS_INT64, DIMS(3), (const int64_t[]){0, 0, 4}));
    x = NET(net, "Add", x, NET(net, "MatMul", y, weights(net, DIMS(4, 4))));
    z = NET(net, "Add", NET(net, "MatMul", layer_norm(net, x), weights(net, DIMS(4, 6))), weights(net, DIMS(6)));
    x = NET(net, "Add", x, NET(net, "MatMul", NET(net, "Gelu", z), weights(net, DIMS(6, 4))));
    x = NET(net, "ReduceMean", x, net_ints(net, MAAS_INT64, DIMS(1), (const int64_t[]){1}));
    net_attr(net, "keepdims=0");
    return cross_entropy(net, dense(net, x, 4, 3), 2);
}

TEST(gradient_of_transformer_block)
{
    check_model("transformer", build_transformer);
}
