/*
 * net.h - graphs built node by node, and a check of their gradients by central differences.
 *
 * A Net holds a graph and the values of its inputs.  Building goes on after a failure without doing anything; the
 * first one stands in err.
 */
#ifndef MAAS_TEST_NET_H
#define MAAS_TEST_NET_H

#include "../../engine/graph/build.h"
#include "../../engine/graph/exec.h"
#include "test.h"

#define NET_INPUTS 40

typedef struct Net {
    MaasMem *mem;
    MaasArena arena;
    MaasGraph *graph;
    MaasType type;  /* of the floating numbers */
    bool free_dims; /* the graph does not know the inputs' sizes */
    int n;
    int inputs[NET_INPUTS]; /* edges */
    MaasValue *values[NET_INPUTS];
    bool checked[NET_INPUTS]; /* the gradient of this input is looked at */
    uint64_t random;
    int threads; /* that net_run may use: 1 */
    MaasStatus status;
    MaasError *err;
} Net;

void net_init(Net *net, MaasMem *mem, MaasType type, bool free_dims, MaasError *err);
void net_free(Net *net);

/* An input with this value, taking over the reference. */
int net_value(Net *net, MaasValue *value, bool checked);
/* An input of random numbers in [low, high), whose gradient is checked. */
int net_input(Net *net, int rank, const int64_t *dims, double low, double high);
/* Integers or booleans as a constant. */
int net_ints(Net *net, MaasType type, int rank, const int64_t *dims, const int64_t *values);
/* A node; gives output 0, and the others behind it. */
int net_nodes(Net *net, const char *op, int n_in, const int *in, int n_out, int *out);
#define NET(net, op, ...)                                                                                          \
    net_nodes(net, op, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__}, 1,     \
              &(int){0})
/* An attribute of the last node, as text: "axis=1", "perm=[0;2;1]", "mode=constant". */
void net_attr(Net *net, const char *text);

/* Sum of random weights times the edges' elements, which makes a loss of outputs of any shape. */
int net_weighted_sum(Net *net, int n, const int *edges, MaasValue *const *examples);
/* Infers and folds; runs for the wanted edges; out: n places, filled with references. */
void net_infer(Net *net);
void net_run(Net *net, int n, const int *wanted, MaasValue **out);
/* Differentiates with respect to the checked inputs (gradients: net->n places, MAAS_NO_VALUE for others). */
void net_differentiate(Net *net, int loss, int *gradients);
/* Compares the gradients of the loss with central differences.  Reports as `name`. */
void net_check(Net *net, const char *name, int loss, double tolerance);

#endif
