/*
 * loss.c - NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "expect.h"
#include "grad.h"

enum { LOSS_IGNORE, LOSS_REDUCTION };

static bool is_reduction(const MaasAttr *attr, const char *name)
{
    return attr[LOSS_REDUCTION].s.length == strlen(name) &&
           memcmp(attr[LOSS_REDUCTION].s.data, name, strlen(name)) == 0;
}

/* input (N, C, d...), target (N, d...), weight (C) -> loss (N, d...) or a scalar. */
static MaasStatus infer_loss(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    int64_t dims[MAAS_MAX_RANK];
    bool each = is_reduction(c->attr, "none");

    if (!each && !is_reduction(c->attr, "mean") && !is_reduction(c->attr, "sum"))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "reduction must be none, mean or sum");
    MAAS_TRY(maas_expect_rank_in(c, 0, 2, MAAS_MAX_RANK));
    MAAS_TRY(maas_expect_vector(c, 2, maas_dim(c, 0, 1)));
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, each ? -1 : 0, NULL);
    dims[0] = x->dims[0];
    memcpy(dims + 1, x->dims + 2, (size_t)(x->rank - 2) * sizeof *dims);
    MAAS_TRY(maas_expect_shape(c, 1, x->rank - 1, dims));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, each ? x->rank - 1 : 0, dims);
}

static double number(const MaasTensor *t, const void *data, int64_t i)
{
    return t->type == MAAS_DOUBLE ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void put(MaasTensor *t, int64_t i, double value)
{
    if (t->type == MAAS_DOUBLE)
        MAAS_F64(t)[i] = value;
    else
        MAAS_F32(t)[i] = (float)value;
}

/* The loss of log-probabilities that lie in `data` with the shape and type of input 0. */
static MaasStatus likelihood(MaasCtx *c, const void *data)
{
    const MaasTensor *x = maas_in(c, 0), *target = maas_in(c, 1), *weight = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    int64_t classes = x->dims[1], inner = 1;
    bool each = is_reduction(c->attr, "none");
    double sum = 0, weights = 0;

    for (int i = 2; i < x->rank; i++)
        inner *= x->dims[i];
    for (int64_t i = 0; i < target->count; i++) {
        int64_t class = target->type == MAAS_INT32 ? MAAS_I32(target)[i] : MAAS_I64(target)[i];
        double w, loss;

        if ((i & 0xfff) == 0 && maas_stop(c))
            return maas_stopped(c);
        if (c->attr[LOSS_IGNORE].set && class == c->attr[LOSS_IGNORE].i) {
            if (each)
                put(y, i, 0);
            continue;
        }
        if (class < 0 || class >= classes)
            return maas_node_fail(c, MAAS_ERR_VALUE, "label %lld of element %lld lies outside the %lld classes",
                                  (long long)class, (long long)i, (long long)classes);
        w = weight ? number(weight, weight->data, class) : 1;
        loss = -number(x, data, (i / inner * classes + class) * inner + i % inner) * w;
        sum += loss;
        weights += w;
        if (each)
            put(y, i, loss);
    }
    if (!each)
        put(y, 0, is_reduction(c->attr, "sum") ? sum : sum / weights);
    return MAAS_OK;
}

static MaasStatus compute_nll(MaasCtx *c)
{
    return likelihood(c, maas_in(c, 0)->data);
}

/* dx = -weight dy at the label's place, see loss_grad.c. */
static void grad_nll(MaasGrad *g)
{
    int dx = MAAS_GRAD(g, "LikelihoodGrad", maas_grad_dy(g, 0), maas_grad_in(g, 1),
                       maas_grad_shape(g, maas_grad_in(g, 0)), maas_grad_in(g, 2));

    maas_grad_copy_attrs(g, 0, 2);
    maas_grad_give(g, 0, dx);
}

const MaasOp maas_op_negative_log_likelihood_loss = {
    .domain = "",
    .name = "NegativeLogLikelihoodLoss",
    .first = 12,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"input", MAAS_T_FLOATS, 'T', 0},
           {"target", MAAS_T_INDEX, 0, 0},
           {"weight", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL | MAAS_NO_GRAD}},
    .out = {{"loss", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"ignore_index", MAAS_ATTR_INT}, {"reduction", MAAS_ATTR_STRING, .s = "mean"}},
    .infer = infer_loss,
    .compute = compute_nll,
    .grad = grad_nll,
};

static MaasStatus infer_cross_entropy(MaasInferCtx *c)
{
    MAAS_TRY(infer_loss(c));
    return maas_infer_out(c, 1, MAAS_UNDEFINED, c->in[0]->rank, c->in[0]->dims);
}

static MaasStatus compute_cross_entropy(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *shown = maas_out(c, 1);
    void *log_prob = shown ? shown->data : maas_scratch(c, (size_t)x->count, maas_type_size(x->type));
    int64_t inner = 1;

    if (!log_prob && x->count > 0)
        return maas_scratch_failed(c);
    for (int i = 2; i < x->rank; i++)
        inner *= x->dims[i];
    if (x->count > 0)
        maas_kernel->softmax(MAAS_LOG_SOFTMAX, x->type)(x->data, log_prob, x->dims[0], x->dims[1], inner);
    return likelihood(c, log_prob);
}

static void grad_cross_entropy(MaasGrad *g)
{
    int log_prob = maas_grad_out(g, 1), dx;

    if (maas_grad_dy(g, 0) != MAAS_NO_VALUE) {
        dx = MAAS_GRAD(g, "CrossEntropyGrad", maas_grad_dy(g, 0), maas_grad_in(g, 1), log_prob, maas_grad_in(g, 2));
        maas_grad_copy_attrs(g, 0, 2);
        maas_grad_give(g, 0, dx);
    }
    if (maas_grad_dy(g, 1) != MAAS_NO_VALUE) {
        dx = MAAS_GRAD(g, "LogSoftmaxGrad", log_prob, maas_grad_dy(g, 1));
        maas_grad_set_int(g, "axis", 1);
        maas_grad_give(g, 0, dx);
    }
}

const MaasOp maas_op_softmax_cross_entropy_loss = {
    .domain = "",
    .name = "SoftmaxCrossEntropyLoss",
    .first = 12,
    .since = 13,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"scores", MAAS_T_FLOATS, 'T', 0},
           {"labels", MAAS_T_INDEX, 0, 0},
           {"weights", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL | MAAS_NO_GRAD}},
    .out = {{"output", MAAS_T_FLOATS, 'T', 0}, {"log_prob", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},
    .attrs = {{"ignore_index", MAAS_ATTR_INT}, {"reduction", MAAS_ATTR_STRING, .s = "mean"}},
    .infer = infer_cross_entropy,
    .compute = compute_cross_entropy,
    .grad = grad_cross_entropy,
};
