/*
 * batch_norm.c - BatchNormalization, for inference and training, with the forms that older opsets give it.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "expect.h"
#include "grad.h"

enum { BN_EPSILON, BN_MOMENTUM, BN_TRAINING, BN_SPATIAL };
enum { BN_X, BN_SCALE, BN_BIAS, BN_MEAN, BN_VAR };
enum { BN_Y, BN_RUNNING_MEAN, BN_RUNNING_VAR, BN_SAVED_MEAN, BN_SAVED_VAR };

/*
 * Below opset 14 a node trains when it has more than one output; below opset 7 when is_test is 0.  spatial, of
 * opsets below 9, stays: the record of the newest form knows it.
 */
static MaasStatus adapt_batch_norm(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    bool training = false;

    if (version >= 14)
        return MAAS_OK;
    if (version < 7) {
        const MaasAttr *test = maas_adapt_attr(node, "is_test");

        training = !test || test->i == 0;
        maas_adapt_drop_attr(node, "is_test");
        maas_adapt_drop_attr(node, "consumed_inputs");
    } else {
        for (int i = 1; i < 5; i++)
            training |= maas_adapt_has_output(node, i);
    }
    return maas_adapt_set_int(graph, node, "training_mode", training, err);
}

static MaasStatus infer_batch_norm(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[BN_X];
    bool spatial = c->attr[BN_SPATIAL].i != 0;
    int rank = 1;
    int64_t dims[MAAS_MAX_RANK] = {MAAS_DIM_ANY};

    MAAS_TRY(maas_expect_rank_in(c, BN_X, 1, MAAS_MAX_RANK));
    if (x->rank == 1) {
        dims[0] = 1;
    } else if (x->rank > 1) {
        rank = spatial ? 1 : x->rank - 1;
        memcpy(dims, x->dims + 1, (size_t)rank * sizeof *dims);
    }
    for (int i = BN_SCALE; i <= BN_VAR; i++) {
        if (x->rank >= 0)
            MAAS_TRY(maas_expect_shape(c, i, rank, dims));
        if (maas_ranked(c, i) && (x->rank >= 0 || spatial))
            dims[0] = maas_dim_either(dims[0], c->in[i]->dims[0]);
    }
    if (!c->attr[BN_TRAINING].i)
        for (int i = BN_RUNNING_MEAN; i <= BN_SAVED_VAR; i++)
            if (i < c->n_out && c->out[i])
                return maas_infer_fail(c, MAAS_ERR_VALUE, "output %d exists in training mode only", i);
    for (int i = BN_RUNNING_MEAN; i <= BN_SAVED_VAR; i++)
        MAAS_TRY(maas_infer_out(c, i, c->in[BN_MEAN]->type, x->rank < 0 && !spatial ? -1 : rank, dims));
    return maas_infer_same(c);
}

static double number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

static void put(MaasTensor *t, int64_t i, double value)
{
    if (!t)
        return;
    if (t->type == MAAS_DOUBLE)
        MAAS_F64(t)[i] = value;
    else
        MAAS_F32(t)[i] = (float)value;
}

/* Mean and variance of a channel over the batch; x is (batch, channels, plane). */
static void channel_moments(const MaasTensor *x, int64_t batch, int64_t channels, int64_t plane, int64_t channel,
                            double *mean, double *variance)
{
    double m, v;

    *mean = *variance = 0;
    for (int64_t i = 0; i < batch; i++) {
        int64_t from = (i * channels + channel) * plane;

        if (x->type == MAAS_DOUBLE)
            maas_kernel->moments_f64(MAAS_F64(x) + from, plane, NULL, &m, &v);
        else
            maas_kernel->moments_f32(MAAS_F32(x) + from, plane, NULL, &m, &v);
        *mean += m / (double)batch;
    }
    for (int64_t i = 0; i < batch; i++) {
        int64_t from = (i * channels + channel) * plane;

        if (x->type == MAAS_DOUBLE)
            maas_kernel->moments_f64(MAAS_F64(x) + from, plane, mean, &m, &v);
        else
            maas_kernel->moments_f32(MAAS_F32(x) + from, plane, mean, &m, &v);
        *variance += v / (double)batch;
    }
}

static MaasStatus compute_batch_norm(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, BN_X), *scale = maas_in(c, BN_SCALE), *bias = maas_in(c, BN_BIAS);
    MaasTensor *y = maas_out(c, BN_Y);
    bool training = c->attr[BN_TRAINING].i != 0;
    double momentum = (double)c->attr[BN_MOMENTUM].f, epsilon = (double)c->attr[BN_EPSILON].f;
    int64_t channels = scale->count, batch = x->rank ? x->dims[0] : 1;
    int64_t plane = batch && channels ? x->count / batch / channels : 0;
    double *factor;

    factor = maas_scratch(c, (size_t)channels, 2 * sizeof *factor); /* y = x * factor[2 k] + factor[2 k + 1] */
    if (!factor)
        return maas_scratch_failed(c);
    for (int64_t k = 0; k < channels; k++) {
        double mean = number(maas_in(c, BN_MEAN), k), variance = number(maas_in(c, BN_VAR), k);

        if (training) {
            double m = 0, v = 0;

            if ((k & 15) == 0 && maas_stop(c))
                return maas_stopped(c);
            if (x->count > 0)
                channel_moments(x, batch, channels, plane, k, &m, &v);
            put(maas_out(c, BN_RUNNING_MEAN), k, mean * momentum + m * (1 - momentum));
            put(maas_out(c, BN_RUNNING_VAR), k, variance * momentum + v * (1 - momentum));
            put(maas_out(c, BN_SAVED_MEAN), k, m);
            put(maas_out(c, BN_SAVED_VAR), k, v);
            mean = m;
            variance = v;
        }
        factor[2 * k] = number(scale, k) / sqrt(variance + epsilon);
        factor[2 * k + 1] = number(bias, k) - mean * factor[2 * k];
    }
    for (int64_t i = 0; i < batch * channels && x->count > 0; i++) {
        int64_t k = i % channels;

        if ((i & 255) == 0 && maas_stop(c))
            return maas_stopped(c);
        if (x->type == MAAS_DOUBLE)
            maas_kernel->scale_shift_f64(MAAS_F64(x) + i * plane, factor[2 * k], factor[2 * k + 1],
                                         MAAS_F64(y) + i * plane, plane);
        else
            maas_kernel->scale_shift_f32(MAAS_F32(x) + i * plane, (float)factor[2 * k], (float)factor[2 * k + 1],
                                         MAAS_F32(y) + i * plane, plane);
    }
    return MAAS_OK;
}

/* In training with the statistics of the batch, which the node gives; else with those it was given. */
static void grad_batch_norm(MaasGrad *g)
{
    bool training = maas_grad_attrs(g)[BN_TRAINING].i != 0;
    const int in[] = {maas_grad_dy(g, BN_Y), maas_grad_in(g, BN_X), maas_grad_in(g, BN_SCALE),
                      training ? maas_grad_out(g, BN_SAVED_MEAN) : maas_grad_in(g, BN_MEAN),
                      training ? maas_grad_out(g, BN_SAVED_VAR) : maas_grad_in(g, BN_VAR)};
    int out[3];

    for (int i = BN_RUNNING_MEAN; i <= BN_SAVED_VAR; i++)
        if (maas_grad_dy(g, i) != MAAS_NO_VALUE)
            maas_grad_refuse(g, "a loss of the statistics");
    if (maas_grad_attrs(g)[BN_SPATIAL].i == 0)
        maas_grad_refuse(g, "spatial 0");
    maas_grad_ask(g, 3, (const int[]){BN_X, BN_SCALE, BN_BIAS}, out);
    maas_grad_nodes(g, "BatchNormGrad", 5, in, 3, out);
    maas_grad_copy_attrs(g, BN_EPSILON, BN_EPSILON + 1);
    maas_grad_copy_attrs(g, BN_TRAINING, BN_TRAINING + 1);
    for (int i = 0; i < 3; i++)
        maas_grad_give(g, i, out[i]);
}

const MaasOp maas_op_batch_normalization = {
    .domain = "",
    .name = "BatchNormalization",
    .first = 1,
    .since = 15,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0},
           {"scale", MAAS_T_FLOATS, 'U', 0},
           {"B", MAAS_T_FLOATS, 'U', 0},
           {"input_mean", MAAS_T_FLOATS, 'V', MAAS_NO_GRAD},
           {"input_var", MAAS_T_FLOATS, 'V', MAAS_NO_GRAD}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0},
            {"running_mean", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL},
            {"running_var", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL},
            {"saved_mean", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL},
            {"saved_var", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL}},
    .attrs = {{"epsilon", MAAS_ATTR_FLOAT, .f = 1e-5f},
              {"momentum", MAAS_ATTR_FLOAT, .f = 0.9f},
              {"training_mode", MAAS_ATTR_INT},
              {"spatial", MAAS_ATTR_INT, .i = 1}},
    .adapt = adapt_batch_norm,
    .infer = infer_batch_norm,
    .compute = compute_batch_norm,
    .batch = maas_batch_norm,
    .grad = grad_batch_norm,
};
