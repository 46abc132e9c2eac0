/*
 * test_grad.c - every operator's gradient against central differences in double precision.
 *
 * The list of operators drives the test: one with a gradient is tried with the cases that grad_cases.h names, or
 * with plain inputs; where that does not make a node that runs, the test fails.  Each case runs with sizes that the
 * graph knows and with free ones.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/kernel/kernel.h"
#include "fusing.h"
#include "net.h"

/* Internal operators that backward passes are made of; that each is met is checked, too. */
static const char *const backward[] = {"UnaryGrad",        "ClipGrad",       "SumTo",           "TileGrad",
                                       "MatMulGrad",       "SoftmaxGrad",    "LogSoftmaxGrad",  "SliceGrad",
                                       "CrossEntropyGrad", "LikelihoodGrad", "GatherGrad",      "ConvGradInput",
                                       "ConvGradFilter",   "MaxPoolGrad",    "AveragePoolGrad", "LayerNormGrad",
                                       "GroupNormGrad",    "BatchNormGrad",  "DropoutGrad",     "RecurrentGrad",
                                       "AttentionGrad",    "ResizeGrad",     "LRNGrad"};
enum { N_BACKWARD = sizeof backward / sizeof *backward };
static bool met[N_BACKWARD];

__attribute__((constructor)) static void compares_backward(void)
{
    for (int i = 0; i < N_BACKWARD; i++)
        fusing_compares(backward[i]);
}

static void note_met(const MaasGraph *graph)
{
    for (int k = 0; k < graph->n_nodes; k++)
        for (int i = 0; i < N_BACKWARD; i++)
            met[i] |= strcmp(graph->nodes[k].op_type, backward[i]) == 0;
}

typedef struct GradCase {
    const char *op, *inputs, *attrs;
    int n_out;
} GradCase;

static const GradCase cases[] = {
#define CASE(op, inputs, attrs, outputs) {op, inputs, attrs, outputs},
#include "grad_cases.h"
#undef CASE
};

/* ---- one case as a net ---- */

/* "3,4" -> dims; moves *at behind it. */
static int read_dims(const char **at, int64_t *dims)
{
    int rank = 0;
    char *end;

    if (**at == '.') {
        (*at)++;
        return 0;
    }
    while (**at >= '0' && **at <= '9') {
        dims[rank++] = strtoll(*at, &end, 10);
        *at = end + (*end == ',');
    }
    return rank;
}

static int add_ints(Net *net, const char *at)
{
    MaasType type = *at == 'i' ? MAAS_INT64 : *at == 'j' ? MAAS_INT32 : MAAS_BOOL;
    int64_t dims[MAAS_MAX_RANK], values[64], n = 0;
    bool vector = at[1] == '[';

    at++;
    int rank = read_dims(&at, dims);
    char *end;

    for (at++; *at != ']' && *at; at = end + (*end == ';'))
        values[n++] = strtoll(at, &end, 10);
    if (vector) {
        rank = 1;
        dims[0] = n;
    }
    return net_ints(net, type, rank, dims, values);
}

static int add_input(Net *net, const char *at)
{
    static const struct {
        char sign;
        double low, high;
    } ranges[] = {{'+', 0.3, 2}, {'~', -0.9, 0.9}, {'>', 1.2, 3}, {'/', 0.1, 0.4}};
    int64_t dims[MAAS_MAX_RANK];
    double low = -2, high = 2;
    bool checked = *at != 'c';

    if (*at == '-')
        return MAAS_NO_VALUE;
    if (*at == 'i' || *at == 'j' || *at == 'b')
        return add_ints(net, at);
    at += !checked;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (*at == ranges[i].sign) {
            low = ranges[i].low;
            high = ranges[i].high;
            at++;
            break;
        }
    int rank = read_dims(&at, dims);
    int edge = net_input(net, rank, dims, low, high);

    if (edge != MAAS_NO_VALUE)
        net->checked[net->n - 1] = checked;
    return edge;
}

/* Adds inputs and node; gives the outputs. */
static void add_case(Net *net, const GradCase *c, int *out)
{
    char text[200], *save = NULL;
    int in[NET_INPUTS], n = 0;

    snprintf(text, sizeof text, "%s", c->inputs);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        in[n++] = add_input(net, word);
    net_nodes(net, c->op, n, in, c->n_out, out);
    snprintf(text, sizeof text, "%s", c->attrs);
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
        net_attr(net, word);
}

/* The outputs' values of the case alone, which tell their shapes. */
static MaasStatus run_forward(const GradCase *c, MaasMem *mem, MaasType type, MaasValue **values, MaasError *err)
{
    Net net;
    int out[8] = {0};

    net_init(&net, mem, type, false, err);
    add_case(&net, c, out);
    net_infer(&net);
    net_run(&net, c->n_out, out, values);
    net_free(&net);
    return net.status;
}

static void add_loss(Net *net, const GradCase *c, MaasValue *const *examples, int *loss)
{
    int out[8] = {0};

    add_case(net, c, out);
    *loss = net_weighted_sum(net, c->n_out, out, examples);
    net_infer(net);
}

/* Double precision, where the operator computes in it. */
static MaasType type_of(const GradCase *c)
{
    const MaasOp *op = maas_op_find("", c->op);

    return op && !maas_type_in(MAAS_DOUBLE, op->in[0].types) ? MAAS_FLOAT : MAAS_DOUBLE;
}

static void check_case(const GradCase *c, bool free_dims)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *examples[8] = {NULL};
    char name[300];
    Net net;
    int loss;

    snprintf(name, sizeof name, "%s %s %s%s", c->op, c->inputs, c->attrs, free_dims ? " (free sizes)" : "");
    test_host_init(&host, &mem);
    if (run_forward(c, &mem, type_of(c), examples, &err) != MAAS_OK)
        test_fail(__FILE__, __LINE__, "%s: %s", name, err.message);
    else {
        net_init(&net, &mem, type_of(c), free_dims, &err);
        add_loss(&net, c, examples, &loss);
        net_check(&net, name, loss, net.type == MAAS_DOUBLE ? 1e-7 : 1e-3);
        note_met(net.graph);
        net_free(&net);
    }
    for (int i = 0; i < 8; i++)
        maas_value_unref(examples[i]);
    CHECK_NO_LEAK(&host, &mem);
}

/* Operators whose gradient is checked here; an internal one has a test of its own (test_objective.c). */
static bool is_checked(const MaasOp *op)
{
    return op->grad && !(op->domain && strcmp(op->domain, "maas") == 0);
}

/* ---- in single precision, at every CPU level ---- */

/* The gradients of a case; values: NET_INPUTS places. */
static MaasStatus run_case(const GradCase *c, MaasType type, MaasMem *mem, MaasValue **values, MaasError *err)
{
    MaasValue *examples[8] = {NULL};
    int gradients[NET_INPUTS], wanted[NET_INPUTS], n = 0, loss;
    MaasStatus status = run_forward(c, mem, type, examples, err);
    Net net;

    if (status == MAAS_OK) {
        net_init(&net, mem, type, false, err);
        add_loss(&net, c, examples, &loss);
        net_differentiate(&net, loss, gradients);
        for (int i = 0; i < net.n; i++)
            if (gradients[i] != MAAS_NO_VALUE)
                wanted[n++] = gradients[i];
        net_run(&net, n, wanted, values);
        net_free(&net);
        status = net.status;
    }
    for (int i = 0; i < 8; i++)
        maas_value_unref(examples[i]);
    return status;
}

static void compare_single(const GradCase *c, const char *level, const MaasTensor *single, const MaasTensor *exact)
{
    for (int64_t k = 0; k < exact->count; k++) {
        double want = MAAS_F64(exact)[k], got = (double)MAAS_F32(single)[k];

        if (!(fabs(got - want) <= 1e-4 * (1 + fabs(want)))) {
            test_fail(__FILE__, __LINE__, "%s %s %s at level %s: element %d is %.9g in float, %.9g in double",
                      c->op, c->inputs, c->attrs, level, (int)k, got, want);
            return;
        }
    }
}

static void check_single(const GradCase *c, const char *level)
{
    if (type_of(c) == MAAS_FLOAT)
        return;

    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *exact[NET_INPUTS] = {NULL}, *single[NET_INPUTS] = {NULL};

    test_host_init(&host, &mem);
    CHECK_OK(run_case(c, MAAS_DOUBLE, &mem, exact, &err));
    CHECK_OK(run_case(c, MAAS_FLOAT, &mem, single, &err));
    for (int i = 0; i < NET_INPUTS; i++) {
        if (exact[i] && single[i])
            compare_single(c, level, &single[i]->tensor, &exact[i]->tensor);
        maas_value_unref(exact[i]);
        maas_value_unref(single[i]);
    }
    CHECK_NO_LEAK(&host, &mem);
}

static GradCase plain_case(const MaasOp *op, char *inputs);

TEST(gradients_in_single_precision)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    const char *before = maas_kernel->level;

    for (int l = 0; l < 3; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (const MaasOp *const *op = maas_ops; *op; op++) {
            char inputs[100];
            GradCase plain = plain_case(*op, inputs);
            int n = 0;

            if (!is_checked(*op) || strcmp((*op)->name, "Cast") == 0) /* its case names double */
                continue;
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                if (strcmp(cases[i].op, (*op)->name) == 0) {
                    check_single(&cases[i], levels[l]);
                    n++;
                }
            if (n == 0)
                check_single(&plain, levels[l]);
        }
    }
    maas_kernel_use(before);
}

/* The case for an operator that none is written for. */
static GradCase plain_case(const MaasOp *op, char *inputs)
{
    *inputs = '\0';
    for (int i = 0; i < MAAS_MAX_IN_SPECS && op->in[i].name; i++)
        if (!(op->in[i].flags & (MAAS_OPTIONAL | MAAS_VARIADIC)))
            strcat(inputs, *inputs ? " 3,4" : "3,4");
    return (GradCase){op->name, inputs, "", 1};
}

TEST(gradients_by_differences)
{
    int n_ops = 0;

    for (const MaasOp *const *op = maas_ops; *op; op++) {
        char inputs[100];
        int n = 0;

        if (!is_checked(*op))
            continue;
        n_ops++;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            if (strcmp(cases[i].op, (*op)->name) == 0) {
                check_case(&cases[i], false);
                check_case(&cases[i], true);
                n++;
            }
        if (n == 0) {
            GradCase plain = plain_case(*op, inputs);

            check_case(&plain, false);
            check_case(&plain, true);
        }
    }
    CHECK(n_ops > 50);
    for (int i = 0; i < N_BACKWARD; i++)
        if (!met[i])
            test_fail(__FILE__, __LINE__, "no case's backward pass has %s", backward[i]);
}

/* ---- failing memory ---- */

typedef struct MemoryCase {
    const GradCase *c;
    MaasValue *const *examples;
} MemoryCase;

static MaasStatus run_gradients(MaasMem *mem, void *arg, MaasError *err)
{
    const MemoryCase *m = arg;
    int gradients[NET_INPUTS], wanted[NET_INPUTS], n = 0, loss;
    MaasValue *values[NET_INPUTS] = {NULL};
    Net net;

    net_init(&net, mem, type_of(m->c), false, err);
    add_loss(&net, m->c, m->examples, &loss);
    net_differentiate(&net, loss, gradients);
    for (int i = 0; i < net.n; i++)
        if (gradients[i] != MAAS_NO_VALUE)
            wanted[n++] = gradients[i];
    net_run(&net, n, wanted, values);
    for (int i = 0; i < n; i++)
        maas_value_unref(values[i]);
    net_free(&net);
    return net.status;
}

TEST(gradients_failing_memory)
{
    const char *last = "";

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        TestHost host;
        MaasMem mem;
        MaasError err = {0};
        MaasValue *examples[8] = {NULL};
        MemoryCase m = {&cases[i], examples};

        if (strcmp(cases[i].op, last) == 0) /* the first of each operator */
            continue;
        last = cases[i].op;
        test_host_init(&host, &mem);
        CHECK_OK(run_forward(&cases[i], &mem, type_of(&cases[i]), examples, &err));
        if (err.status == MAAS_OK)
            CHECK_EACH_FAILURE(run_gradients, &m);
        for (int k = 0; k < 8; k++)
            maas_value_unref(examples[k]);
    }
}

/* A case of an operator that has no gradient, or does not exist, would never run. */
TEST(gradient_cases_are_used)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const MaasOp *op = maas_op_find("", cases[i].op);

        if (!op || !op->grad)
            test_fail(__FILE__, __LINE__, "a case of %s, which has no gradient", cases[i].op);
    }
}
