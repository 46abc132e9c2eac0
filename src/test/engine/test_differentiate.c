/*
 * test_differentiate.c - what differentiating does with a graph as a whole: sums over several readers, what leads
 * nowhere, parameters, operators without a gradient.
 */
#include "../../engine/transform/differentiate.h"
#include "net.h"

static const int64_t square[] = {3, 3};

#define BEGIN                                                                                                      \
    TestHost host;                                                                                                 \
    MaasMem mem;                                                                                                   \
    MaasError err = {0};                                                                                           \
    Net net;                                                                                                       \
    test_host_init(&host, &mem);                                                                                   \
    net_init(&net, &mem, MAAS_DOUBLE, false, &err)
#define END                                                                                                        \
    net_free(&net);                                                                                                \
    CHECK_NO_LEAK(&host, &mem)

static int sum_of(Net *net, int edge)
{
    int loss = NET(net, "ReduceSum", edge);

    net_attr(net, "keepdims=0");
    return loss;
}

TEST(gradients_of_several_readers)
{
    BEGIN;
    int x = net_input(&net, 2, square, -2, 2), y = NET(&net, "Mul", x, x);

    y = NET(&net, "Add", NET(&net, "MatMul", y, x), NET(&net, "Tanh", x));
    int loss = sum_of(&net, NET(&net, "Mul", y, NET(&net, "Add", x, y)));

    net_infer(&net);
    net_check(&net, "several readers", loss, 1e-6);
    END;
}

TEST(gradient_of_the_loss_itself)
{
    BEGIN;
    int x = net_input(&net, 2, (const int64_t[]){1, 1}, -2, 2), gradient = MAAS_NO_VALUE;
    MaasValue *out = NULL;

    net_infer(&net);
    NEED_OK(maas_differentiate(net.graph, x, 1, &x, &gradient, &err));
    net_run(&net, 1, &gradient, &out);
    NEED(out != NULL && out->tensor.rank == 2);
    CHECK(MAAS_F64(&out->tensor)[0] == 1);
    maas_value_unref(out);
    END;
}

/* Only the second layer's weights are wanted: the first layer is not gone through backwards. */
TEST(frozen_layers_cost_nothing)
{
    BEGIN;
    int x = net_input(&net, 2, square, -2, 2), w1 = net_input(&net, 2, square, -2, 2);
    int w2 = net_input(&net, 2, square, -2, 2), gradient;
    int h = NET(&net, "Tanh", NET(&net, "MatMul", x, w1)), loss = sum_of(&net, NET(&net, "MatMul", h, w2));

    net_infer(&net);
    int before = net.graph->n_nodes;

    NEED_OK(maas_differentiate(net.graph, loss, 1, &w2, &gradient, &err));
    CHECK(gradient != MAAS_NO_VALUE);
    CHECK_INT(net.graph->n_nodes - before, 2); /* Expand of the loss's gradient, and one product */
    END;
}

TEST(gradients_that_are_none)
{
    BEGIN;
    int x = net_input(&net, 2, square, -2, 2), unused = net_input(&net, 2, square, -2, 2);
    int steps = net_input(&net, 2, square, -2, 2), wanted[] = {x, unused, steps}, gradients[3];
    int loss = sum_of(&net, NET(&net, "Mul", x, NET(&net, "Round", steps)));

    net_infer(&net);
    NEED_OK(maas_differentiate(net.graph, loss, 3, wanted, gradients, &err));
    CHECK(gradients[0] != MAAS_NO_VALUE);
    CHECK_INT(gradients[1], MAAS_NO_VALUE);
    CHECK_INT(gradients[2], MAAS_NO_VALUE);
    END;
}

TEST(operators_without_gradient_are_named)
{
    BEGIN;
    int x = net_input(&net, 2, square, -2, 2), low = net_input(&net, 0, NULL, -2, -1), gradients[2];
    int y = NET(&net, "Det", NET(&net, "Clip", x, low, MAAS_NO_VALUE)), wanted[] = {x, low};

    y = NET(&net, "Mul", y, NET(&net, "Det", x));
    int loss = sum_of(&net, NET(&net, "ReduceProd", y));

    net_infer(&net);
    CHECK_FAILS(maas_differentiate(net.graph, loss, 2, wanted, gradients, &err), MAAS_ERR_UNSUPPORTED,
                "these operators have no gradient: ReduceProd, Det, Clip (input min)");
    END;
}

TEST(operators_off_the_way_need_no_gradient)
{
    BEGIN;
    int x = net_input(&net, 2, square, -2, 2), w = net_input(&net, 2, square, -2, 2), gradient;
    int loss = sum_of(&net, NET(&net, "Mul", NET(&net, "Det", x), w));

    net_infer(&net);
    CHECK_OK(maas_differentiate(net.graph, loss, 1, &w, &gradient, &err));
    END;
}

TEST(loss_must_be_one_number)
{
    BEGIN;
    int x = net_input(&net, 2, square, -2, 2), y = NET(&net, "Tanh", x), gradient;

    net_infer(&net);
    CHECK_FAILS(maas_differentiate(net.graph, y, 1, &x, &gradient, &err), MAAS_ERR_SHAPE,
                "the loss must be one number");
    END;
}

/* A parameter is not folded, and what is written into it counts in the next run. */
TEST(parameters_change_between_runs)
{
    BEGIN;
    int x = net_input(&net, 2, square, -2, 2), w = MAAS_NO_VALUE, wanted[2];
    MaasValue *weights = NULL, *out[2] = {NULL, NULL};

    NEED_OK(maas_value_new_tensor(&mem, MAAS_DOUBLE, 2, square, &weights, &err));
    for (int i = 0; i < 9; i++)
        MAAS_F64(&weights->tensor)[i] = i;
    NEED_OK(maas_graph_add_constant(net.graph, "w", weights, &w, &err));
    NEED_OK(maas_graph_set_parameter(net.graph, w, &err));
    CHECK_OK(maas_graph_set_parameter(net.graph, w, &err));
    CHECK_FAILS(maas_graph_set_parameter(net.graph, x, &err), MAAS_ERR_VALUE, "not an initialiser");
    int doubled = NET(&net, "Mul", w, NET(&net, "Exp", w));

    wanted[0] = sum_of(&net, NET(&net, "Mul", NET(&net, "MatMul", x, w), doubled));
    net_infer(&net);
    CHECK_INT(net.graph->edges[doubled].role, MAAS_ROLE_NODE);
    NEED_OK(maas_differentiate(net.graph, wanted[0], 1, &w, &wanted[1], &err));
    for (int step = 0; step < 2; step++) {
        double h = 1e-5, up, down, got;

        net_run(&net, 2, wanted, out);
        NEED(net.status == MAAS_OK);
        got = MAAS_F64(&out[1]->tensor)[4];
        maas_value_unref(out[0]);
        maas_value_unref(out[1]);
        MAAS_F64(&weights->tensor)[4] += h;
        net_run(&net, 1, wanted, out);
        up = MAAS_F64(&out[0]->tensor)[0];
        maas_value_unref(out[0]);
        MAAS_F64(&weights->tensor)[4] -= 2 * h;
        net_run(&net, 1, wanted, out);
        down = MAAS_F64(&out[0]->tensor)[0];
        maas_value_unref(out[0]);
        CHECK_NEAR(got, (up - down) / (2 * h), 1e-4);
        MAAS_F64(&weights->tensor)[4] = 0.5;
    }
    END;
}
