/*
 * fuse_linear.c - MatMul and Gemm with a constant matrix become Linear, together with what follows them: the
 * addition of a bias, the normalisation of columns, the addition of another tensor, and an activation.
 *
 * PyTorch writes MatMul + Add or Gemm, Keras and scikit-learn MatMul + Add; each is one Linear afterwards.
 */
#include <math.h>
#include <string.h>

#include "../kernel/elementwise.h"
#include "pass.h"

#define MAX_CHAIN 8

/* A chain as far as it is known: nodes [0, n_nodes), the last of which makes `out`. */
typedef struct Chain {
    int nodes[MAX_CHAIN];
    int n_nodes;
    int out;
    int x, w, bias, added; /* edges */
    int64_t width;         /* columns of the product */
    bool trans_b, rank_2;
    float alpha, low, high, p[2];
    int act; /* a MaasUnary, or -1 */
} Chain;

static bool is_float(const MaasPass *p, int edge)
{
    const MaasInfo *info = maas_pass_info(p, edge);

    return info->kind == MAAS_KIND_TENSOR && info->type == MAAS_FLOAT;
}

/* A constant float32 matrix. */
static bool is_matrix(const MaasPass *p, int edge)
{
    const MaasTensor *t = maas_pass_constant(p, edge);

    return t && t->type == MAAS_FLOAT && t->rank == 2;
}

/* Whether a constant of float32 adds the same vector (or number) to every row of a product of this width, whose
 * rank is `rank` (-1: not known) and stays. */
static bool is_row(const MaasTensor *t, int64_t width, int rank)
{
    if (!t || t->type != MAAS_FLOAT || (t->rank > 1 && t->rank > rank))
        return false;
    return t->count == 1 || (t->count == width && t->rank > 0 && t->dims[t->rank - 1] == width);
}

/* `width` times beta * t as a new constant, unless t will do itself. */
static MaasStatus make_bias(MaasPass *p, int edge, int64_t width, float beta, int *bias)
{
    const MaasTensor *t = maas_pass_constant(p, edge);
    MaasValue *value;

    *bias = edge;
    if (t->count == width && beta == 1)
        return MAAS_OK;
    MAAS_TRY(maas_value_new_tensor(p->mem, MAAS_FLOAT, 1, &width, &value, p->err));
    for (int64_t i = 0; i < width; i++)
        MAAS_F32(&value->tensor)[i] = beta * MAAS_F32(t)[t->count == 1 ? 0 : i];
    return maas_pass_add_constant(p, value, bias);
}

static MaasStatus start_matmul(MaasPass *p, const MaasNode *node, Chain *c, bool *found)
{
    *found = is_float(p, node->in[0]) && is_matrix(p, node->in[1]);
    if (!*found)
        return MAAS_OK;
    c->width = maas_pass_constant(p, node->in[1])->dims[1];
    return MAAS_OK;
}

static MaasStatus start_gemm(MaasPass *p, const MaasNode *node, Chain *c, bool *found)
{
    float beta = maas_pass_attr(node, "beta")->f;
    int bias = node->n_in > 2 && beta != 0 ? node->in[2] : MAAS_NO_VALUE;

    c->trans_b = maas_pass_attr(node, "transB")->i != 0;
    c->alpha = maas_pass_attr(node, "alpha")->f;
    c->rank_2 = true;
    *found = is_float(p, node->in[0]) && is_matrix(p, node->in[1]) && maas_pass_attr(node, "transA")->i == 0;
    if (!*found)
        return MAAS_OK;
    c->width = maas_pass_constant(p, node->in[1])->dims[!c->trans_b];
    if (bias == MAAS_NO_VALUE)
        return MAAS_OK;
    *found = is_row(maas_pass_constant(p, bias), c->width, 2);
    return *found ? make_bias(p, bias, c->width, beta, &c->bias) : MAAS_OK;
}

/* The product at node k. */
static MaasStatus start_chain(MaasPass *p, int k, Chain *c, bool *found)
{
    const MaasNode *node = &p->graph->nodes[k];

    *c = (Chain){.nodes = {k},
                 .n_nodes = 1,
                 .bias = MAAS_NO_VALUE,
                 .added = MAAS_NO_VALUE,
                 .alpha = 1,
                 .low = -INFINITY,
                 .high = INFINITY,
                 .act = -1};
    *found = false;
    if (maas_pass_is(p, k, "MatMul"))
        MAAS_TRY(start_matmul(p, node, c, found));
    else if (maas_pass_is(p, k, "Gemm"))
        MAAS_TRY(start_gemm(p, node, c, found));
    if (!*found)
        return MAAS_OK;
    node = &p->graph->nodes[k];
    c->x = node->in[0];
    c->w = node->in[1];
    c->out = node->out[0];
    return MAAS_OK;
}

static void extend(Chain *c, const MaasPass *p, int k)
{
    c->nodes[c->n_nodes++] = k;
    c->out = p->graph->nodes[k].out[0];
}

/* An Add that reads the chain's end: of a bias, or of anything else. */
static MaasStatus take_add(MaasPass *p, Chain *c, int k, bool *taken)
{
    const MaasNode *node = &p->graph->nodes[k];
    int other = node->in[node->in[0] == c->out];
    const MaasInfo *info = maas_pass_info(p, c->out);

    *taken = false;
    if (maas_pass_attr(node, "maas_axis")->set || node->in[0] == node->in[1] || !is_float(p, other))
        return MAAS_OK;
    if (c->bias == MAAS_NO_VALUE && c->added == MAAS_NO_VALUE &&
        is_row(maas_pass_constant(p, other), c->width, info->rank)) {
        MAAS_TRY(make_bias(p, other, c->width, 1, &c->bias));
        *taken = true;
    } else if (c->added == MAAS_NO_VALUE && !maas_pass_constant(p, other)) {
        c->added = other;
        *taken = true;
    }
    if (*taken)
        extend(c, p, k);
    return MAAS_OK;
}

/* A constant of `width` numbers of float32, or NULL. */
static const float *row_of(const MaasPass *p, int edge, int64_t width)
{
    const MaasTensor *t = maas_pass_constant(p, edge);

    return t && t->type == MAAS_FLOAT && t->count == width ? MAAS_F32(t) : NULL;
}

/* The matrix with its columns scaled, and the bias that belongs to it, as new constants. */
static MaasStatus scale_columns(MaasPass *p, Chain *c, const double *factor, const double *shift)
{
    const MaasTensor *w = maas_pass_constant(p, c->w);
    const float *old = c->bias == MAAS_NO_VALUE ? NULL : MAAS_F32(maas_pass_constant(p, c->bias));
    MaasValue *matrix, *bias;

    MAAS_TRY(maas_value_new_tensor(p->mem, MAAS_FLOAT, 1, &c->width, &bias, p->err));
    for (int64_t j = 0; j < c->width; j++)
        MAAS_F32(&bias->tensor)[j] = (float)((old ? (double)old[j] : 0) * factor[j] + shift[j]);
    if (maas_value_new_tensor(p->mem, MAAS_FLOAT, 2, w->dims, &matrix, p->err) != MAAS_OK) {
        maas_value_unref(bias);
        return p->err->status;
    }
    for (int64_t i = 0; i < w->count; i++)
        MAAS_F32(&matrix->tensor)
    [i] = (float)((double)MAAS_F32(w)[i] * factor[c->trans_b ? i / w->dims[1] : i % c->width]);
    MaasStatus status = maas_pass_add_constant(p, bias, &c->bias);

    if (status != MAAS_OK) {
        maas_value_unref(matrix);
        return status;
    }
    return maas_pass_add_constant(p, matrix, &c->w);
}

/* A BatchNormalization of columns, which scales and shifts them by constants. */
static MaasStatus take_norm(MaasPass *p, Chain *c, int k, bool *taken)
{
    const MaasNode *node = &p->graph->nodes[k];
    const float *in[4];

    *taken = false;
    if (maas_pass_info(p, c->out)->rank != 2 || c->added != MAAS_NO_VALUE || node->in[0] != c->out ||
        maas_pass_attr(node, "training_mode")->i != 0 || node->n_out != 1)
        return MAAS_OK;
    for (int i = 0; i < 4; i++)
        if (!(in[i] = row_of(p, node->in[1 + i], c->width)))
            return MAAS_OK;
    double *factor = maas_alloc_array(p->mem, (size_t)c->width, 2 * sizeof *factor, p->err);

    if (!factor)
        return p->err->status;
    double *shift = factor + c->width, epsilon = (double)maas_pass_attr(node, "epsilon")->f;

    for (int64_t j = 0; j < c->width; j++) {
        factor[j] = (double)in[0][j] / sqrt((double)in[3][j] + epsilon);
        shift[j] = (double)in[1][j] - (double)in[2][j] * factor[j];
    }
    MaasStatus status = scale_columns(p, c, factor, shift);

    maas_free(p->mem, factor);
    *taken = status == MAAS_OK;
    if (*taken)
        extend(c, p, k);
    return status;
}

typedef struct Activation {
    const char *op;
    MaasUnary act;
    const char *p0, *p1; /* attributes, or NULL */
} Activation;

static const Activation activations[] = {
    {"Sigmoid", MAAS_UN_SIGMOID, NULL, NULL},
    {"Tanh", MAAS_UN_TANH, NULL, NULL},
    {"LeakyRelu", MAAS_UN_LEAKY_RELU, "alpha", NULL},
    {"ThresholdedRelu", MAAS_UN_THRESHOLDED_RELU, "alpha", NULL},
    {"Elu", MAAS_UN_ELU, "alpha", NULL},
    {"Selu", MAAS_UN_SELU, "alpha", "gamma"},
    {"Celu", MAAS_UN_CELU, "alpha", NULL},
    {"HardSigmoid", MAAS_UN_HARD_SIGMOID, "alpha", "beta"},
    {"HardSwish", MAAS_UN_HARD_SWISH, NULL, NULL},
    {"Mish", MAAS_UN_MISH, NULL, NULL},
    {"Swish", MAAS_UN_SWISH, "alpha", NULL},
    {"Softplus", MAAS_UN_SOFTPLUS, NULL, NULL},
    {"Softsign", MAAS_UN_SOFTSIGN, NULL, NULL},
    {"Erf", MAAS_UN_ERF, NULL, NULL},
    {"Exp", MAAS_UN_EXP, NULL, NULL},
};

/* Clip with constant bounds. */
static bool take_clip(const MaasPass *p, Chain *c, const MaasNode *node)
{
    double low = -INFINITY, high = INFINITY;

    if (node->n_in > 1 && node->in[1] != MAAS_NO_VALUE && !maas_pass_scalar(p, node->in[1], &low))
        return false;
    if (node->n_in > 2 && node->in[2] != MAAS_NO_VALUE && !maas_pass_scalar(p, node->in[2], &high))
        return false;
    c->low = (float)low;
    c->high = (float)high;
    return low == low && high == high;
}

bool maas_pass_activation(const MaasPass *p, int k, int *act, float *params)
{
    if (k < 0)
        return false;
    const MaasNode *node = &p->graph->nodes[k];

    if (maas_pass_is(p, k, "Gelu")) {
        const MaasStr how = maas_pass_attr(node, "approximate")->s;

        *act = how.length == 4 && memcmp(how.data, "tanh", 4) == 0 ? MAAS_UN_GELU_TANH : MAAS_UN_GELU;
        return true;
    }
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        const Activation *a = &activations[i];

        if (!maas_pass_is(p, k, a->op))
            continue;
        *act = (int)a->act;
        params[0] = a->p0 ? maas_pass_attr(node, a->p0)->f : 0;
        params[1] = a->p1 ? maas_pass_attr(node, a->p1)->f : 0;
        return true;
    }
    return false;
}

static bool take_activation(const MaasPass *p, Chain *c, int k)
{
    const MaasNode *node = &p->graph->nodes[k];

    if (maas_pass_is(p, k, "Relu"))
        c->low = 0;
    else if (maas_pass_is(p, k, "Clip") ? !take_clip(p, c, node) : !maas_pass_activation(p, k, &c->act, c->p))
        return false;
    extend(c, p, k);
    return true;
}

static MaasStatus follow(MaasPass *p, Chain *c)
{
    bool taken = true;

    while (taken) {
        int k = maas_pass_only_reader(p, c->out);

        taken = false;
        if (k >= 0 && c->n_nodes < MAX_CHAIN - 1 && maas_pass_is(p, k, "Add"))
            MAAS_TRY(take_add(p, c, k, &taken));
        else if (k >= 0 && c->n_nodes < MAX_CHAIN - 1 && maas_pass_is(p, k, "BatchNormalization"))
            MAAS_TRY(take_norm(p, c, k, &taken));
        else if (k >= 0 && take_activation(p, c, k))
            return MAAS_OK;
    }
    return MAAS_OK;
}

/* The Linear stands where the last node of the chain stood: all that it reads is there by then. */
static MaasStatus replace(MaasPass *p, const Chain *c)
{
    const int in[] = {c->x, c->w, c->bias, c->added};
    int n_in = c->added != MAAS_NO_VALUE ? 4 : c->bias != MAAS_NO_VALUE ? 3 : 2;
    MaasNode *made;

    MAAS_TRY(maas_pass_replace(p, c->nodes[c->n_nodes - 1], "Linear", c->nodes[0], n_in, in, 1, &c->out, &made));
    maas_pass_attr(made, "transB")->i = c->trans_b;
    maas_pass_attr(made, "rank_2")->i = c->rank_2;
    maas_pass_attr(made, "alpha")->f = c->alpha;
    maas_pass_attr(made, "low")->f = c->low;
    maas_pass_attr(made, "high")->f = c->high;
    maas_pass_attr(made, "act")->i = c->act;
    maas_pass_attr(made, "p0")->f = c->p[0];
    maas_pass_attr(made, "p1")->f = c->p[1];
    for (int i = 0; i < c->n_nodes - 1; i++)
        maas_pass_kill(p, c->nodes[i]);
    return MAAS_OK;
}

MaasStatus maas_fuse_linear(MaasPass *p)
{
    for (int k = 0; k < p->graph->n_nodes; k++) {
        Chain c;
        bool found;

        MAAS_TRY(start_chain(p, k, &c, &found));
        if (!found)
            continue;
        MAAS_TRY(follow(p, &c));
        MAAS_TRY(replace(p, &c));
    }
    return MAAS_OK;
}
