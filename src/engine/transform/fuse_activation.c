/*
 * fuse_activation.c - activations that a model writes out as arithmetic become the operators that they are: Gelu in
 * both forms, Swish, HardSwish, Mish.
 *
 * PyTorch writes Gelu so below opset 20, Swish (SiLU) always.  Constants must be the exact ones up to rounding.
 */
#include <math.h>
#include <string.h>

#include "pass.h"

/* Whether edge e is a constant of one element that leaves the shape of `other` as it is. */
static bool is_scalar(const MaasPass *p, int e, int other, double *value)
{
    return maas_pass_scalar(p, e, value) &&
           maas_pass_constant(p, e)->rank <= (maas_pass_info(p, other)->rank > 0 ? 1 : 0);
}

/* Whether node k multiplies or adds (op) `other` and a constant near value, in either order; or divides by it. */
static bool with_constant(const MaasPass *p, int k, const char *op, double value, int *other)
{
    double found;

    if (!maas_pass_is(p, k, op))
        return false;
    const MaasNode *node = &p->graph->nodes[k];
    bool ordered = strcmp(op, "Div") == 0 || strcmp(op, "Pow") == 0;
    const MaasAttr *axis = maas_pass_attr(node, "maas_axis");

    if (axis && axis->set)
        return false;
    for (int i = ordered; i < 2; i++)
        if (is_scalar(p, node->in[i], node->in[1 - i], &found) && fabs(found - value) <= 1e-6 * fabs(value)) {
            *other = node->in[1 - i];
            return true;
        }
    return false;
}

/* Whether node k is `value` times another edge, written as a product or a quotient. */
static bool times(const MaasPass *p, int k, double value, int *other)
{
    return with_constant(p, k, "Mul", value, other) || with_constant(p, k, "Div", 1 / value, other);
}

/* The product of x and edge e, whose only reader it is: its node, or -1; *other gets x. */
static int product_with(const MaasPass *p, int e, int *other)
{
    int k = maas_pass_only_reader(p, e);

    if (!maas_pass_is(p, k, "Mul"))
        return -1;
    const MaasNode *node = &p->graph->nodes[k];

    *other = node->in[node->in[0] == e];
    return maas_pass_attr(node, "maas_axis")->set ? -1 : k;
}

/* A chain of nodes that goes; the last one is replaced. */
typedef struct Found {
    int nodes[12];
    int n;
} Found;

static void note(Found *f, int k)
{
    if (f->n < 12)
        f->nodes[f->n++] = k;
}

/* e = 1 + f(x) has one reader: whether 0.5 x e is computed from there on, in any order. */
static bool half_product(const MaasPass *p, int e, int x, Found *f)
{
    int other, factor, k = product_with(p, e, &other);
    double half;

    if (k < 0)
        return false;
    note(f, k);
    if (other == x) { /* (x e) 0.5 */
        int next = maas_pass_only_reader(p, p->graph->nodes[k].out[0]);

        if (!times(p, next, 0.5, &factor))
            return false;
        note(f, next);
        return true;
    }
    if (is_scalar(p, other, x, &half) && half == 0.5) { /* (0.5 e) x */
        int next = product_with(p, p->graph->nodes[k].out[0], &factor);

        if (next < 0 || factor != x)
            return false;
        note(f, next);
        return true;
    }
    int first = maas_pass_producer(p, other); /* (0.5 x) e */

    if (!times(p, first, 0.5, &factor) || factor != x || maas_pass_only_reader(p, other) != k)
        return false;
    f->nodes[f->n - 1] = first;
    note(f, k);
    return true;
}

/* From Erf: 0.5 x (1 + erf(x / sqrt(2))). */
static bool find_gelu(const MaasPass *p, int k, int *x, Found *f)
{
    const MaasNode *node = &p->graph->nodes[k];
    int scaled = maas_pass_producer(p, node->in[0]), erf, plus = maas_pass_only_reader(p, node->out[0]);

    if (!times(p, scaled, M_SQRT1_2, x) || maas_pass_only_reader(p, node->in[0]) != k ||
        !with_constant(p, plus, "Add", 1, &erf))
        return false;
    note(f, scaled);
    note(f, k);
    note(f, plus);
    return half_product(p, p->graph->nodes[plus].out[0], *x, f);
}

/* Whether edge e is x cubed, as a power or as products. */
static bool is_cube(const MaasPass *p, int e, int reader, int x, Found *f)
{
    int k = maas_pass_producer(p, e), other;

    if (maas_pass_only_reader(p, e) != reader)
        return false;
    note(f, k);
    if (with_constant(p, k, "Pow", 3, &other))
        return other == x;
    if (!maas_pass_is(p, k, "Mul"))
        return false;
    const MaasNode *node = &p->graph->nodes[k];
    int square = maas_pass_producer(p, node->in[node->in[0] == x]);

    if ((node->in[0] != x && node->in[1] != x) || !maas_pass_is(p, square, "Mul"))
        return false;
    node = &p->graph->nodes[square];
    note(f, square);
    return node->in[0] == x && node->in[1] == x && maas_pass_only_reader(p, node->out[0]) == k;
}

/* From Tanh: 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
static bool find_gelu_tanh(const MaasPass *p, int k, int *x, Found *f)
{
    const MaasNode *node = &p->graph->nodes[k];
    int scaled = maas_pass_producer(p, node->in[0]), plus = maas_pass_only_reader(p, node->out[0]), sum, tanh;

    if (!times(p, scaled, 0.79788456080286535588, &sum) || maas_pass_only_reader(p, node->in[0]) != k ||
        !with_constant(p, plus, "Add", 1, &tanh))
        return false;
    int add = maas_pass_producer(p, sum);

    if (!maas_pass_is(p, add, "Add") || maas_pass_only_reader(p, sum) != scaled)
        return false;
    note(f, scaled);
    note(f, add);
    note(f, k);
    note(f, plus);
    node = &p->graph->nodes[add];
    for (int i = 0; i < 2; i++) {
        Found more = *f;
        int cube, term = maas_pass_producer(p, node->in[i]);

        *x = node->in[1 - i];
        if (!times(p, term, 0.044715, &cube) || maas_pass_only_reader(p, node->in[i]) != add ||
            !is_cube(p, cube, term, *x, &more))
            continue;
        note(&more, term);
        *f = more;
        return half_product(p, p->graph->nodes[plus].out[0], *x, f);
    }
    return false;
}

/* From f(x): x f(x). */
static bool find_gate(const MaasPass *p, int k, int x, Found *f)
{
    int other, product = product_with(p, p->graph->nodes[k].out[0], &other);

    if (product < 0 || other != x)
        return false;
    note(f, k);
    note(f, product);
    return true;
}

static MaasStatus put(MaasPass *p, const Found *f, const char *op, int x, MaasNode **made)
{
    int last = f->nodes[f->n - 1], out = p->graph->nodes[last].out[0];

    MAAS_TRY(maas_pass_replace(p, last, op, last, 1, &x, 1, &out, made));
    for (int i = 0; i < f->n - 1; i++)
        maas_pass_kill(p, f->nodes[i]);
    return MAAS_OK;
}

static bool is_computed(const MaasPass *p, int edge)
{
    const MaasInfo *info = maas_pass_info(p, edge);

    return info->kind == MAAS_KIND_TENSOR && (info->type == MAAS_FLOAT || info->type == MAAS_DOUBLE);
}

static MaasStatus try_node(MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];
    Found f = {.n = 0};
    MaasNode *made;
    int x;

    if (node->n_in < 1 || node->in[0] == MAAS_NO_VALUE || !is_computed(p, node->in[0]))
        return MAAS_OK;
    if (maas_pass_is(p, k, "Erf") && find_gelu(p, k, &x, &f))
        return put(p, &f, "Gelu", x, &made);
    f.n = 0;
    if (maas_pass_is(p, k, "Tanh") && find_gelu_tanh(p, k, &x, &f)) {
        MAAS_TRY(put(p, &f, "Gelu", x, &made));
        maas_pass_attr(made, "approximate")->s = (MaasStr){"tanh", 4};
        return MAAS_OK;
    }
    f.n = 0;
    x = node->in[0];
    if (maas_pass_is(p, k, "Sigmoid") && find_gate(p, k, x, &f))
        return put(p, &f, "Swish", x, &made);
    f.n = 0;
    if (maas_pass_is(p, k, "HardSigmoid") && fabsf(maas_pass_attr(node, "alpha")->f - 1.0f / 6) < 1e-7f &&
        maas_pass_attr(node, "beta")->f == 0.5f && find_gate(p, k, x, &f))
        return put(p, &f, "HardSwish", x, &made);
    f.n = 0;
    int softplus = maas_pass_is(p, k, "Tanh") ? maas_pass_producer(p, x) : -1;

    if (maas_pass_is(p, softplus, "Softplus") && maas_pass_only_reader(p, x) == k &&
        find_gate(p, k, p->graph->nodes[softplus].in[0], &f)) {
        int of = p->graph->nodes[softplus].in[0];

        MAAS_TRY(put(p, &f, "Mish", of, &made));
        maas_pass_kill(p, softplus);
    }
    return MAAS_OK;
}

MaasStatus maas_fuse_activation(MaasPass *p)
{
    for (int k = 0; k < p->graph->n_nodes; k++)
        if (!p->dead[k])
            MAAS_TRY(try_node(p, k));
    return MAAS_OK;
}
