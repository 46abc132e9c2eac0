/*
 * test_objective.c - the losses of training and their gradients against PyTorch's, at every CPU level; what they
 * refuse.
 *
 * The expected numbers are in learn_objectives.inc, written by src/test/gen/learn_table.py.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/kernel/kernel.h"
#include "fusing.h"
#include "net.h"

#include "learn_objectives.inc"

COMPARES(Objective)

enum { N = OBJECTIVE_ROWS, WIDTH = OBJECTIVE_WIDTH, N_OBJECTIVES = sizeof objectives / sizeof *objectives };

static int add_floats(Net *net, const float *values, int rank, const int64_t *dims, bool checked)
{
    MaasValue *value = NULL;

    if (net->status == MAAS_OK)
        net->status = maas_value_new_tensor(net->mem, MAAS_FLOAT, rank, dims, &value, net->err);
    for (int64_t i = 0; value && i < value->tensor.count; i++)
        MAAS_F32(&value->tensor)[i] = values[i];
    return net_value(net, value, checked);
}

static void add_attrs(Net *net, const char *attrs)
{
    char text[100], *save = NULL;

    snprintf(text, sizeof text, "%s", attrs);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        net_attr(net, word);
}

typedef struct Run {
    int objective;
    double loss, gradient[N * WIDTH];
} Run;

/* Loss and gradient as differentiation gives it. */
static MaasStatus run_objective(MaasMem *mem, void *arg, MaasError *err)
{
    Run *run = arg;
    static const int64_t dims[] = {N, WIDTH}, classes[] = {WIDTH};
    bool labels = objectives[run->objective].labels, by_class = objectives[run->objective].class_weights;
    const void *target = objectives[run->objective].target;
    MaasValue *values[2] = {NULL, NULL};
    int in[4], wanted[2], gradients[NET_INPUTS], n_in = 2;
    Net net;

    net_init(&net, mem, MAAS_FLOAT, true, err);
    in[0] = add_floats(&net, objective_x, 2, dims, true);
    in[1] = labels ? net_ints(&net, MAAS_INT64, 1, dims, target) : add_floats(&net, target, 2, dims, false);
    in[2] = in[3] = MAAS_NO_VALUE;
    if (objectives[run->objective].weights)
        in[n_in++] = add_floats(&net, objective_weights, 1, dims, false);
    if (by_class) {
        in[3] = add_floats(&net, objective_class_weights, 1, classes, false);
        n_in = 4;
    }
    net_nodes(&net, "Objective", n_in, in, 1, wanted);
    add_attrs(&net, objectives[run->objective].attrs);
    net_infer(&net);
    net_differentiate(&net, wanted[0], gradients);
    wanted[1] = gradients[0];
    net_run(&net, 2, wanted, values);
    if (net.status == MAAS_OK) {
        run->loss = (double)MAAS_F32(&values[0]->tensor)[0];
        for (int i = 0; i < N * WIDTH; i++)
            run->gradient[i] = (double)MAAS_F32(&values[1]->tensor)[i];
    }
    maas_value_unref(values[0]);
    maas_value_unref(values[1]);
    net_free(&net);
    return net.status;
}

TEST(objectives_equal_pytorch)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    const char *level = maas_kernel->level;
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (int k = 0; k < N_OBJECTIVES; k++) {
            Run run = {.objective = k};
            double want = (double)objective_losses[k];

            NEED_OK(run_objective(&mem, &run, &err));
            if (!(fabs(run.loss - want) <= 2e-6 * (1 + want)))
                test_fail(__FILE__, __LINE__, "%s, %s (%d): the loss is %.9g, expected %.9g", levels[l],
                          objectives[k].attrs, k, run.loss, want);
            for (int i = 0; i < N * WIDTH; i++)
                if (!(fabs(run.gradient[i] - (double)objective_gradients[k * N * WIDTH + i]) <= 1e-6))
                    test_fail(__FILE__, __LINE__, "%s, %s (%d): gradient %d is %.9g, expected %.9g", levels[l],
                              objectives[k].attrs, k, i, run.gradient[i],
                              (double)objective_gradients[k * N * WIDTH + i]);
        }
    }
    maas_kernel_use(level);
    CHECK_INT(mem.used, 0);
}

/* A network may rule classes out with minus infinity: they have no probability, and no gradient. */
TEST(cross_entropy_of_classes_ruled_out)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    enum { CLASSES = 37, LABEL = 4 };
    const char *level = maas_kernel->level;
    float x[CLASSES], q[CLASSES] = {[LABEL] = 1}, e[CLASSES], dx[CLASSES];
    double sum = 0;

    for (int i = 0; i < CLASSES; i++) {
        x[i] = i % 3 ? (float)i / 20 : -INFINITY;
        sum += exp((double)x[i]);
    }
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        CHECK_NEAR(maas_kernel->cross_entropy(x, q, 1, CLASSES, 1, e, dx), log(sum) - (double)x[LABEL], 1e-5);
        for (int i = 0; i < CLASSES; i++)
            CHECK_NEAR((double)dx[i], exp((double)x[i]) / sum - (double)q[i], 1e-6);
    }
    maas_kernel_use(level);
}

TEST(objective_memory)
{
    Run run = {.objective = 9};

    CHECK_EACH_FAILURE(run_objective, &run);
}

/* ---- refusals ---- */

typedef struct Bad {
    const char *attrs;
    int64_t labels[3];
    int64_t target_dims[2];
    int target_rank;
    MaasStatus status;
    const char *message;
} Bad;

static const Bad bad_objectives[] = {
    {"kind=cross_entropy", {0, 2, 1}, {3}, 1, MAAS_ERR_VALUE, "class 2 of row 1 is none of the 2"},
    {"kind=cross_entropy", {0, -1, 1}, {3}, 1, MAAS_ERR_VALUE, "class -1"},
    {"kind=margin", {0, 1, 5}, {3}, 1, MAAS_ERR_VALUE, "class 5"},
    {"kind=cross_entropy", {0, 1, 1}, {2}, 1, MAAS_ERR_SHAPE, "the target must have the shape [3], got [2]"},
    {"kind=mse", {0, 1, 1}, {3}, 1, MAAS_ERR_SHAPE, "the target must have the shape [3,2], got [3]"},
    {"kind=nonsense", {0, 1, 1}, {3}, 1, MAAS_ERR_VALUE, "there is no loss \"nonsense\""},
};

TEST(objective_refusals)
{
    static const float x[] = {1, 2, 3, 4, 5, 6};
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t i = 0; i < sizeof bad_objectives / sizeof *bad_objectives; i++) {
        const Bad *bad = &bad_objectives[i];
        MaasValue *value = NULL;
        int in[2], out;
        Net net;

        memset(&err, 0, sizeof err);
        net_init(&net, &mem, MAAS_FLOAT, false, &err);
        in[0] = add_floats(&net, x, 2, (const int64_t[]){3, 2}, true);
        in[1] = net_ints(&net, MAAS_INT64, bad->target_rank, bad->target_dims, bad->labels);
        net_nodes(&net, "Objective", 2, in, 1, &out);
        add_attrs(&net, bad->attrs);
        net_infer(&net);
        net_run(&net, 1, &out, &value);
        if (net.status != bad->status || !strstr(err.message, bad->message))
            test_fail(__FILE__, __LINE__, "%s: status %d, message \"%s\"; expected status %d and \"%s\"",
                      bad->attrs, (int)net.status, err.message, (int)bad->status, bad->message);
        maas_value_unref(value);
        net_free(&net);
    }
    CHECK_INT(mem.used, 0);
}
