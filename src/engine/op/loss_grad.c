/*
 * loss_grad.c - the gradients of the losses of loss.c: the internal operators LikelihoodGrad and CrossEntropyGrad.
 *
 * Each target has a weight: dy times that of its class, over the sum of all for a mean.  Then dx is minus the
 * weight at the label's place, and for the cross entropy the weighted probabilities everywhere.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "expect.h"

enum { LOSS_IGNORE, LOSS_REDUCTION };
enum { GRAD_DY, GRAD_LABELS, GRAD_INPUT, GRAD_WEIGHT }; /* GRAD_INPUT: log-probabilities, or the input's shape */

static bool is_reduction(const MaasAttr *attr, const char *name)
{
    return maas_text_is(attr[LOSS_REDUCTION].s, name);
}

static double number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

static int64_t label_at(const MaasTensor *labels, int64_t i)
{
    return labels->type == MAAS_INT32 ? MAAS_I32(labels)[i] : MAAS_I64(labels)[i];
}

/* Checks the labels; weights (N, d...) of the type of dx. */
static MaasStatus target_weights(MaasCtx *c, void *weights)
{
    const MaasTensor *dy = maas_in(c, GRAD_DY), *labels = maas_in(c, GRAD_LABELS),
                     *weight = maas_in(c, GRAD_WEIGHT);
    const MaasTensor *dx = maas_out(c, 0);
    bool mean = is_reduction(c->attr, "mean"), each = is_reduction(c->attr, "none");
    double total = 0, factor;

    for (int64_t i = 0; i < labels->count; i++) {
        int64_t class = label_at(labels, i);
        double w = 0;

        if ((i & 0xfff) == 0 && maas_stop(c))
            return maas_stopped(c);
        if (!c->attr[LOSS_IGNORE].set || class != c->attr[LOSS_IGNORE].i) {
            if (class < 0 || class >= dx->dims[1])
                return maas_node_fail(c, MAAS_ERR_VALUE, "label %lld of element %lld lies outside the %lld classes",
                                      (long long)class, (long long)i, (long long)dx->dims[1]);
            w = weight ? number(weight, class) : 1;
        }
        total += w;
        if (each)
            w *= number(dy, i);
        if (dx->type == MAAS_DOUBLE)
            ((double *)weights)[i] = w;
        else
            ((float *)weights)[i] = (float)w;
    }
    factor = each ? 1 : mean ? number(dy, 0) / total : number(dy, 0);
    for (int64_t i = 0; i < labels->count && factor != 1; i++)
        if (dx->type == MAAS_DOUBLE)
            ((double *)weights)[i] *= factor;
        else
            ((float *)weights)[i] *= (float)factor;
    return MAAS_OK;
}

static MaasStatus compute_loss_grad(MaasCtx *c, const MaasTensor *log_prob)
{
    const MaasTensor *labels = maas_in(c, GRAD_LABELS), *dx = maas_out(c, 0);
    int64_t classes = dx->dims[1], inner = 1;
    void *weights;

    if (dx->count == 0)
        return MAAS_OK;
    weights = maas_scratch(c, (size_t)labels->count, maas_type_size(dx->type));
    if (!weights)
        return maas_scratch_failed(c);
    MAAS_TRY(target_weights(c, weights));
    for (int d = 2; d < dx->rank; d++)
        inner *= dx->dims[d];
    if (!log_prob)
        memset(dx->data, 0, maas_tensor_bytes(dx));
    else if (dx->type == MAAS_DOUBLE)
        maas_kernel->weighted_exp_f64(log_prob->data, weights, dx->data, dx->dims[0], classes, inner);
    else
        maas_kernel->weighted_exp_f32(log_prob->data, weights, dx->data, dx->dims[0], classes, inner);
    for (int64_t i = 0; i < labels->count; i++) {
        int64_t class = label_at(labels, i), at = (i / inner * classes + class) * inner + i % inner;

        if (c->attr[LOSS_IGNORE].set && class == c->attr[LOSS_IGNORE].i)
            continue;
        if (dx->type == MAAS_DOUBLE)
            MAAS_F64(dx)[at] -= ((const double *)weights)[i];
        else
            MAAS_F32(dx)[at] -= ((const float *)weights)[i];
    }
    return MAAS_OK;
}

static MaasStatus infer_likelihood_grad(MaasInferCtx *c)
{
    return maas_infer_shaped(c, GRAD_INPUT);
}

static MaasStatus compute_likelihood_grad(MaasCtx *c)
{
    return compute_loss_grad(c, NULL);
}

static MaasStatus infer_cross_entropy_grad(MaasInferCtx *c)
{
    return maas_infer_out(c, 0, MAAS_UNDEFINED, c->in[GRAD_INPUT]->rank, c->in[GRAD_INPUT]->dims);
}

static MaasStatus compute_cross_entropy_grad(MaasCtx *c)
{
    return compute_loss_grad(c, maas_in(c, GRAD_INPUT));
}

#define LOSS_GRAD(id, NAME, input, types, var)                                                                     \
    const MaasOp maas_op_##id = {                                                                                  \
        .domain = "maas",                                                                                          \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = 1,                                                                                                \
        .flags = MAAS_OP_HALF_VIA_F32,                                                                             \
        .in = {{"dY", MAAS_T_FLOATS, 'T', 0},                                                                      \
               {"labels", MAAS_T_INDEX, 0, 0},                                                                     \
               {input, types, var, 0},                                                                             \
               {"weight", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},                                                     \
        .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},                                                                    \
        .attrs = {{"ignore_index", MAAS_ATTR_INT}, {"reduction", MAAS_ATTR_STRING, .s = "mean"}},                  \
        .infer = infer_##id,                                                                                       \
        .compute = compute_##id,                                                                                   \
    };
LOSS_GRAD(likelihood_grad, "LikelihoodGrad", "shape", MAAS_T_I64, 0)
LOSS_GRAD(cross_entropy_grad, "CrossEntropyGrad", "log_prob", MAAS_T_FLOATS, 'T')
