/*
 * fuse_conv.c - Conv with what follows it in one node: BatchNormalization goes into the filters, bias, residual sum
 * and activation into maas.BlockConv.
 *
 * Two passes with block_layout.c between them: the first turns convolutions with constant filters into
 * maas.BlockConv on plain planes, the second, once it is known which edges are blocked, draws in what follows.
 */
#include <math.h>
#include <string.h>

#include "../op/conv_block.h"
#include "pass.h"

/* ---- Conv, and the normalisation of its output ---- */

typedef struct Folded {
    const MaasTensor *w, *bias; /* bias: NULL for none */
    const MaasTensor *scale, *shift, *mean, *variance;
    double epsilon;
} Folded;

static bool is_vector(const MaasTensor *t, int64_t n)
{
    return t && t->type == MAAS_FLOAT && t->rank == 1 && t->count == n;
}

/* The normalisation alone reads the convolution, with constants: how each filter is scaled and shifted. */
static bool read_normalisation(const MaasPass *p, int k, Folded *f)
{
    const MaasNode *node = &p->graph->nodes[k];
    const int64_t n = f->w->dims[0];

    if (!maas_pass_is(p, k, "BatchNormalization") || maas_pass_attr(node, "training_mode")->i ||
        !maas_pass_attr(node, "spatial")->i)
        return false;
    for (int i = 1; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE)
            return false;
    f->scale = maas_pass_constant(p, node->in[1]);
    f->shift = maas_pass_constant(p, node->in[2]);
    f->mean = maas_pass_constant(p, node->in[3]);
    f->variance = maas_pass_constant(p, node->in[4]);
    f->epsilon = (double)maas_pass_attr(node, "epsilon")->f;
    if (!is_vector(f->scale, n) || !is_vector(f->shift, n) || !is_vector(f->mean, n) || !is_vector(f->variance, n))
        return false;
    for (int64_t m = 0; m < n; m++) {
        const double factor = (double)MAAS_F32(f->scale)[m] / sqrt((double)MAAS_F32(f->variance)[m] + f->epsilon);
        const double bias = f->bias ? (double)MAAS_F32(f->bias)[m] : 0;
        const double shift = (bias - (double)MAAS_F32(f->mean)[m]) * factor + (double)MAAS_F32(f->shift)[m];

        if (!isfinite((float)factor) || !isfinite((float)shift))
            return false; /* what is computed then depends on the order */
    }
    return true;
}

/* New filters and bias: those of the convolution and its normalisation in one. */
static MaasStatus fold(MaasPass *p, const Folded *f, int *w_edge, int *bias_edge)
{
    const int64_t n = f->w->dims[0], each = f->w->count / n;
    MaasValue *w, *bias;

    MAAS_TRY(maas_value_new_tensor(p->mem, MAAS_FLOAT, 4, f->w->dims, &w, p->err));
    MaasStatus status = maas_value_new_tensor(p->mem, MAAS_FLOAT, 1, &n, &bias, p->err);

    if (status != MAAS_OK) {
        maas_value_unref(w);
        return status;
    }
    for (int64_t m = 0; m < n; m++) {
        const double factor = (double)MAAS_F32(f->scale)[m] / sqrt((double)MAAS_F32(f->variance)[m] + f->epsilon);
        const double given = f->bias ? (double)MAAS_F32(f->bias)[m] : 0;

        MAAS_F32(&bias->tensor)
        [m] = (float)((given - (double)MAAS_F32(f->mean)[m]) * factor + (double)MAAS_F32(f->shift)[m]);
        for (int64_t i = m * each; i < (m + 1) * each; i++)
            MAAS_F32(&w->tensor)[i] = (float)((double)MAAS_F32(f->w)[i] * factor);
    }
    status = maas_pass_add_constant(p, w, w_edge);
    if (status != MAAS_OK) {
        maas_value_unref(bias);
        return status;
    }
    return maas_pass_add_constant(p, bias, bias_edge);
}

static MaasStatus fuse_one(MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];
    const int64_t groups = maas_pass_attr(node, "group")->i;
    Folded f = {.w = maas_pass_constant(p, node->in[1])};
    int in[3] = {node->in[0], node->in[1], node->n_in > 2 ? node->in[2] : MAAS_NO_VALUE}, out = node->out[0];
    int at = k, next = maas_pass_only_reader(p, out);
    const MaasAttr *attrs = node->attrs;
    MaasNode *made;

    if (!f.w || !maas_block_conv_fits(f.w, groups))
        return MAAS_OK;
    if (in[2] != MAAS_NO_VALUE) {
        f.bias = maas_pass_constant(p, in[2]);
        if (!is_vector(f.bias, f.w->dims[0]))
            return MAAS_OK;
    }
    if (next >= 0 && p->graph->nodes[next].in[0] == out && read_normalisation(p, next, &f)) {
        MAAS_TRY(fold(p, &f, &in[1], &in[2]));
        at = next;
        out = p->graph->nodes[next].out[0];
    }
    MAAS_TRY(maas_pass_replace(p, at, "BlockConv", k, in[2] == MAAS_NO_VALUE ? 2 : 3, in, 1, &out, &made));
    if (at != k)
        maas_pass_kill(p, k);
    memcpy(made->attrs, attrs, sizeof *attrs * (MAAS_BLOCK_CONV_GROUP + 1));
    made->attrs[MAAS_BLOCK_CONV_X_PLAIN].i = made->attrs[MAAS_BLOCK_CONV_Y_PLAIN].i = 1;
    return MAAS_OK;
}

MaasStatus maas_fuse_conv(MaasPass *p)
{
    for (int k = 0; k < p->graph->n_nodes; k++) {
        MAAS_TRY(maas_pass_check_stop(p));
        if (maas_pass_is(p, k, "Conv"))
            MAAS_TRY(fuse_one(p, k));
    }
    return MAAS_OK;
}

/* ---- what follows ---- */

static bool is_open(const MaasPass *p, int k)
{
    return k >= 0 && maas_pass_is_block_conv(p, k) && p->graph->nodes[k].attrs[MAAS_BLOCK_CONV_ACT].i == 0;
}

/* Puts the convolution k, with this residual or none, into the place of the node that made `out`. */
static MaasStatus move_to(MaasPass *p, int k, int at, int residual, int out, MaasNode **made)
{
    const MaasNode *node = &p->graph->nodes[k];
    int in[4] = {node->in[0], node->in[1], node->n_in > 2 ? node->in[2] : MAAS_NO_VALUE, residual};
    const MaasAttr *attrs = node->attrs;

    MAAS_TRY(maas_pass_replace(p, at, "BlockConv", k, residual == MAAS_NO_VALUE ? 3 : 4, in, 1, &out, made));
    maas_pass_kill(p, k);
    memcpy((*made)->attrs, attrs, sizeof *attrs * (MAAS_BLOCK_CONV_Y_PLAIN + 1));
    return MAAS_OK;
}

static int residual_of(const MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];

    return node->n_in > 3 ? node->in[3] : MAAS_NO_VALUE;
}

/* Whether node k adds an edge of the same shape to a blocked one. */
static bool is_sum(const MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];

    return maas_pass_is(p, k, "Add") && maas_pass_same_shape(p, node->in[0], node->in[1]);
}

/* conv + other */
static MaasStatus draw_in_sum(MaasPass *p, int k, int sum)
{
    const MaasNode *node = &p->graph->nodes[sum];
    int out = p->graph->nodes[k].out[0], other = node->in[0] == out ? node->in[1] : node->in[0];
    MaasNode *made;

    return move_to(p, k, sum, other, node->out[0], &made);
}

typedef struct Act {
    MaasBlockAct act;
    float p0, p1;
} Act;

static bool clip_bounds(const MaasPass *p, const MaasNode *node, Act *act)
{
    double low = -INFINITY, high = INFINITY;

    if (node->n_in > 1 && node->in[1] != MAAS_NO_VALUE && !maas_pass_scalar(p, node->in[1], &low))
        return false;
    if (node->n_in > 2 && node->in[2] != MAAS_NO_VALUE && !maas_pass_scalar(p, node->in[2], &high))
        return false;
    *act = (Act){MAAS_BLOCK_CLIP, (float)low, (float)high};
    return !isnan(low) && !isnan(high);
}

/* What activation node k is, if it is one that a convolution applies. */
static bool read_activation(const MaasPass *p, int k, Act *act)
{
    const MaasNode *node = &p->graph->nodes[k];

    if (maas_pass_is(p, k, "Relu"))
        *act = (Act){MAAS_BLOCK_CLIP, 0, INFINITY};
    else if (maas_pass_is(p, k, "Clip"))
        return clip_bounds(p, node, act);
    else if (maas_pass_is(p, k, "LeakyRelu"))
        *act = (Act){MAAS_BLOCK_LEAKY, maas_pass_attr(node, "alpha")->f, 0};
    else if (maas_pass_is(p, k, "Sigmoid"))
        *act = (Act){MAAS_BLOCK_SIGMOID, 0, 0};
    else if (maas_pass_is(p, k, "HardSigmoid"))
        *act = (Act){MAAS_BLOCK_HARD_SIGMOID, maas_pass_attr(node, "alpha")->f, maas_pass_attr(node, "beta")->f};
    else if (maas_pass_is(p, k, "HardSwish"))
        *act = (Act){MAAS_BLOCK_HARD_SWISH, 0, 0};
    else if (maas_pass_is(p, k, "Swish") && maas_pass_attr(node, "alpha")->f == 1.0f)
        *act = (Act){MAAS_BLOCK_SILU, 0, 0};
    else
        return false;
    return true;
}

static MaasStatus draw_in_activation(MaasPass *p, int k, int at, Act act)
{
    MaasNode *made;

    MAAS_TRY(move_to(p, k, at, residual_of(p, k), p->graph->nodes[at].out[0], &made));
    made->attrs[MAAS_BLOCK_CONV_ACT].i = act.act;
    made->attrs[MAAS_BLOCK_CONV_P0].f = act.p0;
    made->attrs[MAAS_BLOCK_CONV_P1].f = act.p1;
    return MAAS_OK;
}

MaasStatus maas_fuse_conv_end(MaasPass *p)
{
    /* a convolution that draws something in moves to that node's place and is seen there again */
    for (int k = 0; k < p->graph->n_nodes; k++) {
        Act act;

        MAAS_TRY(maas_pass_check_stop(p));
        if (!is_open(p, k))
            continue;
        int next = maas_pass_only_reader(p, p->graph->nodes[k].out[0]);

        if (next < 0)
            continue;
        if (is_sum(p, next) && residual_of(p, k) == MAAS_NO_VALUE &&
            !p->graph->nodes[k].attrs[MAAS_BLOCK_CONV_Y_PLAIN].i)
            MAAS_TRY(draw_in_sum(p, k, next));
        else if (read_activation(p, next, &act))
            MAAS_TRY(draw_in_activation(p, k, next, act));
    }
    return MAAS_OK;
}
