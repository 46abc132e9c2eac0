/*
 * fuse_layer_norm.c - LayerNormalization over the last axis as exporters of old opsets write it out becomes the
 * operator: d = x - mean(x); d / sqrt(mean(d^2) + epsilon) * scale + bias.
 */
#include <string.h>

#include "pass.h"

typedef struct LayerNorm {
    int x, scale, bias, end;
    int nodes[9], n;
    double epsilon;
} LayerNorm;

/* Whether node k is a mean over the last axis that keeps the axis. */
static bool is_mean(const MaasPass *p, int k)
{
    if (!maas_pass_is(p, k, "ReduceMean"))
        return false;
    const MaasNode *node = &p->graph->nodes[k];
    const MaasTensor *axes = node->n_in > 1 ? maas_pass_constant(p, node->in[1]) : NULL;
    int rank = maas_pass_info(p, node->in[0])->rank;

    return axes && axes->count == 1 && rank > 0 && maas_pass_attr(node, "keepdims")->i != 0 &&
           (MAAS_I64(axes)[0] == -1 || MAAS_I64(axes)[0] == rank - 1);
}

/* The only reader of what node k makes, if it is of this operator; else -1. */
static int next(const MaasPass *p, int k, const char *op)
{
    int reader = maas_pass_only_reader(p, p->graph->nodes[k].out[0]);

    return reader >= 0 && maas_pass_is(p, reader, op) ? reader : -1;
}

static int maker(const MaasPass *p, int edge, const char *op)
{
    int k = maas_pass_producer(p, edge);

    return k >= 0 && maas_pass_is(p, k, op) ? k : -1;
}

/* A constant vector with an element for each place of the last axis of x. */
static bool is_vector(const MaasPass *p, int edge, int x)
{
    const MaasTensor *t = maas_pass_constant(p, edge);
    const MaasInfo *info = maas_pass_info(p, x);

    return t && t->type == MAAS_FLOAT && t->rank == 1 && t->count == info->dims[info->rank - 1];
}

/* node = other + constant vector, or times; the vector's edge, or MAAS_NO_VALUE. */
static int vector_of(const MaasPass *p, int k, int other, int x)
{
    const MaasNode *node = &p->graph->nodes[k];

    for (int i = 0; i < 2; i++)
        if (node->in[i] == other && node->in[1 - i] != other && is_vector(p, node->in[1 - i], x))
            return node->in[1 - i];
    return MAAS_NO_VALUE;
}

/* d^2, as Pow(d, 2) or d * d; which node and which d. */
static int square_of(const MaasPass *p, int edge, int *d)
{
    int k = maker(p, edge, "Pow");
    double two;

    if (k >= 0) {
        *d = p->graph->nodes[k].in[0];
        return maas_pass_scalar(p, p->graph->nodes[k].in[1], &two) && two == 2 &&
                       maas_pass_constant(p, p->graph->nodes[k].in[1])->rank <= 1
                   ? k
                   : -1;
    }
    k = maker(p, edge, "Mul");
    if (k < 0 || p->graph->nodes[k].in[0] != p->graph->nodes[k].in[1])
        return -1;
    *d = p->graph->nodes[k].in[0];
    return k;
}

/* Whether everything that reads an edge is among these nodes. */
static bool read_only_by(const MaasPass *p, int edge, int n, const int *nodes)
{
    int count = 0;

    if (maas_pass_is_held(p, edge))
        return false;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < p->graph->nodes[nodes[i]].n_in; k++)
            count += p->graph->nodes[nodes[i]].in[k] == edge;
    return count == p->readers[edge].nodes;
}

/* Whether node k is the Sqrt in the middle. */
static bool match(const MaasPass *p, int k, LayerNorm *l)
{
    const MaasGraph *graph = p->graph;
    int add, mean, square, d, sub, centre, div, mul;

    if (!maas_pass_is(p, k, "Sqrt") || (add = maker(p, graph->nodes[k].in[0], "Add")) < 0)
        return false;
    bool second = maas_pass_scalar(p, graph->nodes[add].in[1], &l->epsilon);

    if (!second && !maas_pass_scalar(p, graph->nodes[add].in[0], &l->epsilon))
        return false;
    if (maas_pass_constant(p, graph->nodes[add].in[second])->rank > 1 ||
        (mean = maker(p, graph->nodes[add].in[!second], "ReduceMean")) < 0 || !is_mean(p, mean) ||
        (square = square_of(p, graph->nodes[mean].in[0], &d)) < 0 || (sub = maker(p, d, "Sub")) < 0 ||
        (centre = maker(p, graph->nodes[sub].in[1], "ReduceMean")) < 0 || !is_mean(p, centre))
        return false;
    l->x = graph->nodes[sub].in[0];
    if (graph->nodes[centre].in[0] != l->x || maas_pass_info(p, l->x)->type != MAAS_FLOAT ||
        (div = next(p, k, "Div")) < 0 || graph->nodes[div].in[0] != d || (mul = next(p, div, "Mul")) < 0)
        return false;
    l->scale = vector_of(p, mul, graph->nodes[div].out[0], l->x);
    l->end = next(p, mul, "Add");
    l->bias = l->end < 0 ? MAAS_NO_VALUE : vector_of(p, l->end, graph->nodes[mul].out[0], l->x);
    if (l->bias == MAAS_NO_VALUE)
        l->end = mul;
    int nodes[] = {k, add, mean, square, sub, centre, div};

    l->n = sizeof nodes / sizeof *nodes;
    memcpy(l->nodes, nodes, sizeof nodes);
    if (l->end != mul)
        l->nodes[l->n++] = mul;
    if (l->scale == MAAS_NO_VALUE || !(l->epsilon > 0))
        return false;
    for (int i = 0; i < l->n; i++) { /* nothing in the middle is read from outside */
        int all[10];

        memcpy(all, l->nodes, sizeof *all * (size_t)l->n);
        all[l->n] = l->end;
        if (!read_only_by(p, graph->nodes[l->nodes[i]].out[0], l->n + 1, all))
            return false;
    }
    return true;
}

MaasStatus maas_fuse_layer_norm(MaasPass *p)
{
    for (int k = 0; k < p->graph->n_nodes; k++) {
        LayerNorm l;
        MaasNode *made;

        if (!match(p, k, &l))
            continue;
        int out = p->graph->nodes[l.end].out[0], in[3] = {l.x, l.scale, l.bias};

        for (int i = 0; i < l.n; i++)
            maas_pass_kill(p, l.nodes[i]);
        MAAS_TRY(maas_pass_replace(p, l.end, "LayerNormalization", l.end, l.bias == MAAS_NO_VALUE ? 2 : 3, in, 1,
                                   &out, &made));
        maas_pass_attr(made, "epsilon")->f = (float)l.epsilon;
    }
    return maas_pass_check_stop(p);
}
