/*
 * test_conv_grad.c - convolutions whose filters are variables, and their gradients: in float32, where most are
 * computed in blocks of channels, against the same in float64, which goes by the matrix of windows; at every CPU
 * level, on one thread and on three, with every allocation failing.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/base/threads.h"
#include "../../engine/kernel/kernel.h"
#include "net.h"

typedef struct ConvCase {
    int64_t x[4], w[4]; /* (N, C, H, W), (M, C / group, kH, kW); H 0: one axis */
    const char *attrs;
} ConvCase;

enum { OUTPUT, N_VALUES = 4 }; /* output; gradients of input, filters, bias */

static const char *const levels[] = {"plain", "avx2", "avx512"};

/* ---- running ---- */

static int add_operand(Net *net, const int64_t *dims, double size)
{
    const int64_t flat[] = {dims[0], dims[1], dims[3]};

    return net_input(net, dims[2] ? 4 : 3, dims[2] ? dims : flat, -size, size);
}

static void add_attrs(Net *net, const char *attrs)
{
    char text[200], *save = NULL;

    snprintf(text, sizeof text, "%s", attrs);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        net_attr(net, word);
}

static int add_conv(Net *net, const ConvCase *c)
{
    const int x = add_operand(net, c->x, 1), w = add_operand(net, c->w, 0.5);
    const int y = NET(net, "Conv", x, w, net_input(net, 1, c->w, -1, 1));

    add_attrs(net, c->attrs);
    return y;
}

static MaasStatus run_output(const ConvCase *c, MaasMem *mem, MaasType type, int threads, MaasValue **y,
                             MaasError *err)
{
    Net net;

    net_init(&net, mem, type, false, err);
    net.threads = threads;
    int out = add_conv(&net, c);

    net_infer(&net);
    net_run(&net, 1, &out, y);
    net_free(&net);
    return net.status;
}

/* values: N_VALUES places. */
static MaasStatus run_all(const ConvCase *c, MaasMem *mem, MaasType type, int threads, MaasValue **values,
                          MaasError *err)
{
    int gradients[NET_INPUTS], loss;
    Net net;

    MAAS_TRY(run_output(c, mem, type, threads, &values[OUTPUT], err));
    net_init(&net, mem, type, false, err);
    net.threads = threads;
    int y = add_conv(&net, c);

    loss = net_weighted_sum(&net, 1, &y, values);
    net_infer(&net);
    net_differentiate(&net, loss, gradients);
    net_run(&net, N_VALUES - 1, gradients, values + 1);
    net_free(&net);
    return net.status;
}

static void free_values(MaasValue **values)
{
    for (int i = 0; i < N_VALUES; i++) {
        maas_value_unref(values[i]);
        values[i] = NULL;
    }
}

/* ---- comparing ---- */

static void compare(const ConvCase *c, int i, const char *level, int threads, const MaasTensor *got,
                    const MaasTensor *want)
{
    static const char *const names[] = {"output", "input", "filters", "bias"};
    double largest = 0, worst = 0;

    NEED(got->count == want->count);
    for (int64_t k = 0; k < want->count; k++) {
        double gap = fabs((double)MAAS_F32(got)[k] - MAAS_F64(want)[k]);

        largest = fmax(largest, fabs(MAAS_F64(want)[k]));
        worst = gap <= worst ? worst : gap; /* NaN stays */
    }
    if (!(worst <= 1e-5 * largest))
        test_fail(__FILE__, __LINE__,
                  "x (%d,%d,%d,%d) w (%d,%d,%d,%d) %s at level %s, threads %d: %s differs by %g, up to %g",
                  (int)c->x[0], (int)c->x[1], (int)c->x[2], (int)c->x[3], (int)c->w[0], (int)c->w[1], (int)c->w[2],
                  (int)c->w[3], c->attrs, level, threads, names[i], worst, largest);
}

static MaasStatus run_single(MaasMem *mem, void *arg, MaasError *err)
{
    MaasValue *values[N_VALUES] = {NULL};
    MaasStatus status = run_all(arg, mem, MAAS_FLOAT, 1, values, err);

    free_values(values);
    return status;
}

static void check_conv(ConvCase c)
{
    const char *before = maas_kernel->level;
    MaasValue *exact[N_VALUES] = {NULL}, *single[N_VALUES] = {NULL};
    MaasError err = {0};
    TestHost host;
    MaasMem mem;

    test_host_init(&host, &mem);
    NEED_OK(run_all(&c, &mem, MAAS_DOUBLE, 1, exact, &err));
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (int threads = 1; threads <= 3; threads += 2) {
            CHECK_OK(run_all(&c, &mem, MAAS_FLOAT, threads, single, &err));
            for (int i = 0; i < N_VALUES && single[i]; i++)
                compare(&c, i, levels[l], threads, &single[i]->tensor, &exact[i]->tensor);
            free_values(single);
        }
    }
    maas_kernel_use(before);
    free_values(exact);
    CHECK_NO_LEAK(&host, &mem);
    CHECK_EACH_FAILURE(run_single, &c);
}

#define CONV(...) check_conv((ConvCase){__VA_ARGS__})

/* ---- the cases ---- */

TEST(conv_grad_windows)
{
    CONV({3, 18, 7, 6}, {20, 18, 5, 5}, "pads=[2;2;2;2]");
    CONV({2, 16, 9, 8}, {33, 16, 3, 2}, "pads=[1;0;1;1]");
    CONV({2, 17, 9, 12}, {16, 17, 3, 3}, "strides=[2;3] pads=[1;1;1;1]");
    CONV({1, 16, 11, 10}, {24, 16, 3, 3}, "dilations=[2;3] pads=[2;3;2;3]");
    CONV({4, 16, 9, 9}, {8, 16, 3, 3}, "strides=[3;3]"); /* rows of the input that no window reaches */
    CONV({65, 16, 2, 2}, {16, 16, 2, 2}, "");
}

TEST(conv_grad_few_channels)
{
    CONV({3, 1, 12, 12}, {16, 1, 5, 5}, "pads=[2;2;2;2]");
    CONV({2, 3, 11, 17}, {33, 3, 3, 3}, "strides=[2;2] pads=[1;1;1;1]");
    CONV({3, 2, 8, 9}, {9, 2, 2, 5}, "dilations=[1;2]");
}

TEST(conv_grad_groups)
{
    CONV({3, 32, 6, 6}, {32, 16, 3, 3}, "group=2 pads=[1;1;1;1]");
    CONV({3, 6, 6, 6}, {24, 3, 3, 3}, "group=2 pads=[1;1;1;1]");
    CONV({2, 48, 7, 7}, {96, 16, 3, 3}, "group=3 strides=[2;2] pads=[1;1;1;1]");
}

TEST(conv_grad_one_axis)
{
    CONV({3, 16, 0, 40}, {24, 16, 0, 5}, "pads=[2;2]");
    CONV({2, 3, 0, 700}, {16, 3, 0, 3}, "strides=[1] pads=[1;1]"); /* more positions than are summed at a time */
    CONV({2, 16, 0, 70}, {16, 16, 0, 4}, "dilations=[3] strides=[2]");
}

/* What is not computed in blocks: few positions, few filters, pointwise windows. */
TEST(conv_grad_plain)
{
    CONV({1, 16, 4, 4}, {16, 16, 3, 3}, "");
    CONV({3, 16, 6, 6}, {4, 16, 3, 3}, "pads=[1;1;1;1]");
    CONV({3, 16, 6, 6}, {16, 16, 1, 1}, "");
    CONV({3, 16, 6, 6}, {16, 16, 1, 1}, "strides=[2;2]");
    CONV({3, 16, 6, 6}, {16, 1, 3, 3}, "group=16 pads=[1;1;1;1]");
}

/* Padding beyond the window: the way back has none to lay round dY. */
TEST(conv_grad_wide_padding)
{
    CONV({3, 16, 6, 6}, {16, 16, 3, 3}, "pads=[3;4;3;3]");
    CONV({5, 18, 5, 5}, {16, 18, 2, 3}, "pads=[0;3;4;0]");
}

/* Enough positions for Winograd's filters, and for the sums of its places. */
TEST(conv_grad_winograd)
{
    CONV({22, 17, 10, 10}, {20, 17, 3, 3}, "pads=[1;1;1;1]");
    CONV({60, 16, 9, 7}, {33, 16, 3, 3}, "");
    CONV({60, 32, 6, 6}, {16, 32, 3, 3}, "pads=[1;1;1;1]");
    CONV({50, 18, 7, 6}, {33, 18, 5, 5}, "pads=[2;2;2;2]");
    CONV({42, 16, 11, 11}, {16, 16, 5, 5}, "");
    CONV({3, 16, 30, 27}, {20, 16, 5, 5}, "pads=[4;1;3;2]");
}

/* The gradient of an input or of a filter that no other number may reach. */
static void check_wild(const ConvCase *c, int operand, float wild)
{
    MaasValue *tame[N_VALUES] = {NULL}, *values[N_VALUES] = {NULL};
    MaasError err = {0};
    MaasMem mem;
    Net net;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(run_all(c, &mem, MAAS_FLOAT, 1, tame, &err));
    net_init(&net, &mem, MAAS_FLOAT, false, &err);
    int y = add_conv(&net, c), gradients[NET_INPUTS];
    int loss = net_weighted_sum(&net, 1, &y, tame);

    NEED_OK(net.status);
    /* the weights of the loss are the last input: dy; the first is x */
    MaasTensor *t = &net.values[operand == 0 ? 0 : net.n - 1]->tensor;

    MAAS_F32(t)[t->count / 2] = wild;
    net_infer(&net);
    net_differentiate(&net, loss, gradients);
    net_run(&net, N_VALUES - 1, gradients, values + 1);
    NEED_OK(net.status);
    int64_t same = 0, spoilt = 0;

    for (int i = 1; i < 3; i++)
        for (int64_t k = 0; k < values[i]->tensor.count; k++) {
            const float got = MAAS_F32(&values[i]->tensor)[k], want = MAAS_F32(&tame[i]->tensor)[k];

            if (isfinite(got) && fabsf(got) < 1e20f) {
                CHECK(fabsf(got - want) <= 1e-3f * (1 + fabsf(want)));
                same++;
            } else
                spoilt++;
        }
    CHECK(same > 0 && spoilt > 0);
    free_values(tame);
    free_values(values);
    net_free(&net);
    CHECK_INT(mem.used, 0);
}

/* A number that is not finite, or huge, reaches the gradients that are made of it and no others. */
TEST(conv_grad_wild)
{
    static const ConvCase cases[] = {{{22, 16, 10, 10}, {16, 16, 3, 3}, "pads=[1;1;1;1]"},
                                     {{60, 18, 6, 6}, {33, 18, 5, 5}, "pads=[2;2;2;2]"}};
    static const float wild[] = {NAN, INFINITY, -1e37f};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < sizeof wild / sizeof *wild; k++) {
            check_wild(&cases[i], 0, wild[k]);
            check_wild(&cases[i], 1, wild[k]);
        }
}
