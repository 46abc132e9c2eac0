/*
 * optimizer.c - Adam, Adagrad and Momentum of ai.onnx.preview.training: one step of many tensors.
 *
 * Inputs are a rate, a count of updates and then as many tensors again and again: values, gradients, and one or two
 * running averages.  Outputs are the new values and averages.  Element by element, computed in double.
 */
#include <math.h>
#include <string.h>

#include "expect.h"

enum { OPT_RATE, OPT_COUNT, OPT_FIRST };

#define REALS (MAAS_T_FLOAT | MAAS_T(MAAS_DOUBLE))

/* lists: of tensors among the inputs. */
static MaasStatus infer_optimizer(MaasInferCtx *c, int lists)
{
    int n = (c->n_in - OPT_FIRST) / lists;

    MAAS_TRY(maas_infer_scalar(c, OPT_RATE));
    MAAS_TRY(maas_infer_scalar(c, OPT_COUNT));
    if (n < 1 || c->n_in != OPT_FIRST + n * lists || c->n_out > n * (lists - 1))
        return maas_infer_fail(c, MAAS_ERR_VALUE,
                               "%d lists of equally many tensors are needed, got %d tensors and %d outputs", lists,
                               c->n_in - OPT_FIRST, c->n_out);
    for (int i = OPT_FIRST; i < c->n_in; i++) {
        const MaasInfo *value = c->in[OPT_FIRST + (i - OPT_FIRST) % n];

        if (!c->in[i])
            return maas_infer_fail(c, MAAS_ERR_VALUE, "input %d is missing", i);
        if (c->in[i]->type != value->type)
            return maas_infer_fail(c, MAAS_ERR_TYPE, "input %d must be of type %s as its value, got %s", i,
                                   maas_type_name(value->type), maas_type_name(c->in[i]->type));
        if (value->rank >= 0)
            MAAS_TRY(maas_expect_shape(c, i, value->rank, value->dims));
    }
    for (int i = 0; i < c->n_out; i++) {
        const MaasInfo *value = c->in[OPT_FIRST + i % n];

        MAAS_TRY(maas_infer_out(c, i, value->type, value->rank, value->dims));
    }
    return MAAS_OK;
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

/* What an update makes of one element: value, gradient and averages become the new value and averages. */
typedef struct Element {
    double x, g, v, h;
} Element;

typedef void UpdateFn(const MaasCtx *c, double rate, double count, Element *e);

static MaasStatus update_all(MaasCtx *c, int lists, UpdateFn *update)
{
    double rate = number(maas_in(c, OPT_RATE), 0), count = (double)MAAS_I64(maas_in(c, OPT_COUNT))[0];
    int n = (c->n_in - OPT_FIRST) / lists;

    for (int k = 0; k < n; k++) {
        const MaasTensor *x = maas_in(c, OPT_FIRST + k), *g = maas_in(c, OPT_FIRST + n + k);
        const MaasTensor *v = maas_in(c, OPT_FIRST + 2 * n + k);
        const MaasTensor *h = lists > 3 ? maas_in(c, OPT_FIRST + 3 * n + k) : NULL;

        for (int64_t i = 0; i < x->count; i++) {
            Element e = {number(x, i), number(g, i), number(v, i), h ? number(h, i) : 0};

            if ((i & 0xffff) == 0 && maas_stop(c))
                return maas_stopped(c);
            update(c, rate, count, &e);
            put(maas_out(c, k), i, e.x);
            put(maas_out(c, n + k), i, e.v);
            if (h)
                put(maas_out(c, 2 * n + k), i, e.h);
        }
    }
    return MAAS_OK;
}

#define SIGNATURE                                                                                                  \
    .in = {{"R", REALS, 0, 0}, {"T", MAAS_T_I64, 0, 0}, {"inputs", REALS, 0, MAAS_VARIADIC | MAAS_MIXED}},         \
    .out = {{"outputs", REALS, 0, MAAS_VARIADIC | MAAS_MIXED}}

/* ---- Adam ---- */

enum { ADAM_ALPHA, ADAM_BETA, ADAM_EPSILON, ADAM_NORM, ADAM_NORM_POST };

static void update_adam(const MaasCtx *c, double rate, double count, Element *e)
{
    double alpha = (double)c->attr[ADAM_ALPHA].f, beta = (double)c->attr[ADAM_BETA].f;
    double g = (double)c->attr[ADAM_NORM].f * e->x + e->g;

    if (count > 0)
        rate = rate * sqrt(1 - pow(beta, count)) / (1 - pow(alpha, count));
    e->v = alpha * e->v + (1 - alpha) * g;
    e->h = beta * e->h + (1 - beta) * g * g;
    e->x -= rate * e->v / (sqrt(e->h) + (double)c->attr[ADAM_EPSILON].f);
    e->x *= 1 - (double)c->attr[ADAM_NORM_POST].f;
}

static MaasStatus infer_adam(MaasInferCtx *c)
{
    return infer_optimizer(c, 4);
}

static MaasStatus compute_adam(MaasCtx *c)
{
    return update_all(c, 4, update_adam);
}

const MaasOp maas_op_adam = {
    .domain = "ai.onnx.preview.training",
    .name = "Adam",
    .first = 1,
    .since = 1,
    SIGNATURE,
    .attrs = {{"alpha", MAAS_ATTR_FLOAT, .f = 0.9f},
              {"beta", MAAS_ATTR_FLOAT, .f = 0.999f},
              {"epsilon", MAAS_ATTR_FLOAT, .f = 1e-6f},
              {"norm_coefficient", MAAS_ATTR_FLOAT},
              {"norm_coefficient_post", MAAS_ATTR_FLOAT}},
    .infer = infer_adam,
    .compute = compute_adam,
};

/* ---- Adagrad ---- */

enum { ADAGRAD_DECAY, ADAGRAD_EPSILON, ADAGRAD_NORM };

static void update_adagrad(const MaasCtx *c, double rate, double count, Element *e)
{
    double g = (double)c->attr[ADAGRAD_NORM].f * e->x + e->g;

    e->v += g * g;
    e->x -= rate / (1 + count * (double)c->attr[ADAGRAD_DECAY].f) * g /
            (sqrt(e->v) + (double)c->attr[ADAGRAD_EPSILON].f);
}

static MaasStatus infer_adagrad(MaasInferCtx *c)
{
    return infer_optimizer(c, 3);
}

static MaasStatus compute_adagrad(MaasCtx *c)
{
    return update_all(c, 3, update_adagrad);
}

const MaasOp maas_op_adagrad = {
    .domain = "ai.onnx.preview.training",
    .name = "Adagrad",
    .first = 1,
    .since = 1,
    SIGNATURE,
    .attrs = {{"decay_factor", MAAS_ATTR_FLOAT},
              {"epsilon", MAAS_ATTR_FLOAT, .f = 1e-6f},
              {"norm_coefficient", MAAS_ATTR_FLOAT}},
    .infer = infer_adagrad,
    .compute = compute_adagrad,
};

/* ---- Momentum ---- */

enum { MOMENTUM_ALPHA, MOMENTUM_BETA, MOMENTUM_MODE, MOMENTUM_NORM };

static bool is_nesterov(const MaasAttr *attr)
{
    return attr[MOMENTUM_MODE].s.length == 8 && memcmp(attr[MOMENTUM_MODE].s.data, "nesterov", 8) == 0;
}

static void update_momentum(const MaasCtx *c, double rate, double count, Element *e)
{
    double alpha = (double)c->attr[MOMENTUM_ALPHA].f, beta = count > 0 ? (double)c->attr[MOMENTUM_BETA].f : 1;
    double g = (double)c->attr[MOMENTUM_NORM].f * e->x + e->g;

    e->v = alpha * e->v + beta * g;
    e->x -= rate * (is_nesterov(c->attr) ? g + alpha * e->v : e->v);
}

static MaasStatus infer_momentum(MaasInferCtx *c)
{
    const MaasStr *mode = &c->attr[MOMENTUM_MODE].s;

    if (!is_nesterov(c->attr) && !(mode->length == 8 && memcmp(mode->data, "standard", 8) == 0))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mode must be standard or nesterov");
    return infer_optimizer(c, 3);
}

static MaasStatus compute_momentum(MaasCtx *c)
{
    return update_all(c, 3, update_momentum);
}

const MaasOp maas_op_momentum = {
    .domain = "ai.onnx.preview.training",
    .name = "Momentum",
    .first = 1,
    .since = 1,
    SIGNATURE,
    .attrs = {{"alpha", MAAS_ATTR_FLOAT, .required = true},
              {"beta", MAAS_ATTR_FLOAT, .required = true},
              {"mode", MAAS_ATTR_STRING, .required = true},
              {"norm_coefficient", MAAS_ATTR_FLOAT, .required = true}},
    .infer = infer_momentum,
    .compute = compute_momentum,
};
