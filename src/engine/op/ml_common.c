/*
 * ml_common.c - rows, scores and labels for the operators of ai.onnx.ml; see ml.h.
 */
#include <math.h>
#include <string.h>

#include "ml.h"

MaasStatus maas_ml_infer_rows(const MaasInferCtx *c, MaasMlRows *rows)
{
    const MaasInfo *x = c->in[0];

    rows->n = rows->f = MAAS_DIM_ANY;
    if (x->rank < 0)
        return MAAS_OK;
    if (x->rank != 1 && x->rank != 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE,
                               "expects rows of features [N,F] or one row [F], got %d dimensions", x->rank);
    rows->n = x->rank == 2 ? x->dims[0] : 1;
    rows->f = x->dims[x->rank - 1];
    return MAAS_OK;
}

MaasMlRows maas_ml_rows(const MaasTensor *x)
{
    return (MaasMlRows){.n = x->rank == 2 ? x->dims[0] : 1, .f = x->dims[x->rank - 1]};
}

MaasStatus maas_ml_infer_matrix(MaasInferCtx *c, int i, MaasType type, int64_t n, int64_t m)
{
    return maas_infer_out(c, i, type, 2, (int64_t[]){n, m});
}

const float *maas_ml_floats(MaasCtx *c, const MaasTensor *x, MaasStatus *status)
{
    float *y;

    *status = MAAS_OK;
    if (x->type == MAAS_FLOAT)
        return x->data;
    y = maas_scratch(c, (size_t)x->count, sizeof *y);
    if (!y) {
        *status = c->err->status;
        return NULL;
    }
    if (x->type == MAAS_DOUBLE)
        for (int64_t i = 0; i < x->count; i++)
            y[i] = (float)MAAS_F64(x)[i];
    else if (x->type == MAAS_INT64)
        for (int64_t i = 0; i < x->count; i++)
            y[i] = (float)MAAS_I64(x)[i];
    else
        for (int64_t i = 0; i < x->count; i++)
            y[i] = (float)MAAS_I32(x)[i];
    return y;
}

const double *maas_ml_doubles(MaasCtx *c, const MaasTensor *x, MaasStatus *status)
{
    double *y;

    *status = MAAS_OK;
    if (x->type == MAAS_DOUBLE)
        return x->data;
    y = maas_scratch(c, (size_t)x->count, sizeof *y);
    if (!y) {
        *status = c->err->status;
        return NULL;
    }
    if (x->type == MAAS_FLOAT)
        for (int64_t i = 0; i < x->count; i++)
            y[i] = MAAS_F32(x)[i];
    else if (x->type == MAAS_INT64)
        for (int64_t i = 0; i < x->count; i++)
            y[i] = (double)MAAS_I64(x)[i];
    else
        for (int64_t i = 0; i < x->count; i++)
            y[i] = MAAS_I32(x)[i];
    return y;
}

/* ---- scores ---- */

static const char *const posts[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", NULL};

int maas_ml_choice(const MaasAttr *attr, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (maas_str_is(attr->s, names[i]))
            return i;
    return -1;
}

MaasStatus maas_ml_infer_post(const MaasInferCtx *c, const MaasAttr *attr)
{
    if (maas_ml_choice(attr, posts) < 0)
        return maas_infer_fail(
            c, MAAS_ERR_VALUE,
            "post_transform is \"%.*s\", expected NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT",
            (int)(attr->s.length < 40 ? attr->s.length : 40), attr->s.data);
    return MAAS_OK;
}

MaasMlPost maas_ml_post(const MaasAttr *attr)
{
    return (MaasMlPost)maas_ml_choice(attr, posts);
}

double maas_ml_logistic(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* Winitzki's approximation of the inverse error function, which the operators are defined with. */
static double probit(double x)
{
    double y = 2 * x - 1, l = log((1 - y) * (1 + y)), v = 2 / (3.14159 * 0.147) + 0.5 * l;

    return 1.41421356 * (y < 0 ? -1 : 1) * sqrt(-v + sqrt(v * v - l / 0.147));
}

static void softmax(double *scores, int64_t n, bool skip_zeros)
{
    double most = -INFINITY, sum = 0, scale;

    for (int64_t i = 0; i < n; i++)
        most = scores[i] > most ? scores[i] : most;
    scale = exp(-most);
    for (int64_t i = 0; i < n; i++) {
        if (skip_zeros && fabs(scores[i]) <= 1e-7) {
            scores[i] *= scale;
            continue;
        }
        scores[i] = exp(scores[i] - most);
        sum += scores[i];
    }
    for (int64_t i = 0; i < n; i++)
        scores[i] /= sum;
}

void maas_ml_transform(MaasMlPost post, double *scores, int64_t n)
{
    if (post == MAAS_ML_SOFTMAX || post == MAAS_ML_SOFTMAX_ZERO)
        softmax(scores, n, post == MAAS_ML_SOFTMAX_ZERO);
    else if (post == MAAS_ML_LOGISTIC)
        for (int64_t i = 0; i < n; i++)
            scores[i] = maas_ml_logistic(scores[i]);
    else if (post == MAAS_ML_PROBIT)
        for (int64_t i = 0; i < n; i++)
            scores[i] = probit(scores[i]);
}

void maas_ml_binary(MaasMlPost post, double score, bool complement, double *both)
{
    if (post == MAAS_ML_LOGISTIC) {
        both[0] = maas_ml_logistic(-score);
        both[1] = maas_ml_logistic(score);
        return;
    }
    both[0] = complement ? 1 - score : -score;
    both[1] = score;
    if (post == MAAS_ML_PROBIT)
        maas_ml_transform(post, both, 2);
}

/* ---- class labels ---- */

MaasMlLabels maas_ml_labels(const MaasAttr *strings, const MaasAttr *ints)
{
    MaasMlLabels labels = {.text = strings->n > 0};

    labels.n = labels.text ? strings->n : ints->n;
    labels.strings = strings->strings;
    labels.ints = ints->ints;
    return labels;
}

MaasStatus maas_ml_infer_labels(const MaasInferCtx *c, const MaasMlLabels *labels)
{
    if (labels->n == 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "needs class labels: strings or integers");
    return MAAS_OK;
}

void maas_ml_put_label(const MaasMlLabels *labels, MaasTensor *y, int64_t row, int64_t i)
{
    if (labels->text)
        MAAS_STRS(y)[row] = labels->strings[i];
    else
        MAAS_I64(y)[row] = labels->ints[i];
}

int64_t maas_ml_argmax(const double *scores, int64_t n)
{
    int64_t best = 0;

    for (int64_t i = 1; i < n; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}
