/*
 * ml_linear.c - LinearClassifier and LinearRegressor.
 */
#include "../kernel/kernel.h"
#include "batch.h"
#include "ml.h"

/* scores (N, M) = x (N, F) . coefficients (M, F)^T + intercepts (M), or 0 */
static MaasStatus linear(MaasCtx *c, const float *x, int64_t n, int64_t f, int64_t m, const float *coefficients,
                         const MaasAttr *intercepts, float *scores)
{
    const int64_t block = 256;

    for (int64_t i = 0; i < n; i += block) {
        int64_t rows = n - i < block ? n - i : block;

        maas_kernel->rows_dot_f32(x + i * f, coefficients, rows, m, f, scores + i * m);
        if (maas_stop(c))
            return maas_stopped(c);
    }
    if (intercepts->n > 0)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < m; j++)
                scores[i * m + j] += intercepts->floats[j];
    return MAAS_OK;
}

static MaasStatus infer_coefficients(const MaasInferCtx *c, int64_t given, int64_t m, int64_t f)
{
    int64_t expected;

    if (f < 0 ? given % m != 0 : !maas_mul64(m, f, &expected) || given != expected)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "coefficients has %lld values for %lld rows of %lld features",
                               (long long)given, (long long)m, (long long)f);
    return MAAS_OK;
}

/* ---- LinearClassifier ---- */

enum { C_LABEL_INTS, C_LABEL_STRINGS, C_COEFFICIENTS, C_INTERCEPTS, C_MULTI_CLASS, C_POST };

/* Rows of coefficients: as many as intercepts, else as classes, or one for two classes; f < 0: unknown width. */
static int64_t classifier_rows(const MaasAttr *attr, int64_t n_labels, int64_t f)
{
    if (attr[C_INTERCEPTS].n > 0)
        return attr[C_INTERCEPTS].n;
    return n_labels == 2 && attr[C_COEFFICIENTS].n == f ? 1 : n_labels;
}

static MaasStatus infer_classifier(MaasInferCtx *c)
{
    MaasMlLabels labels = maas_ml_labels(&c->attr[C_LABEL_STRINGS], &c->attr[C_LABEL_INTS]);
    MaasMlRows rows;
    int64_t m;

    MAAS_TRY(maas_ml_infer_labels(c, &labels));
    MAAS_TRY(maas_ml_infer_post(c, &c->attr[C_POST]));
    MAAS_TRY(maas_ml_infer_rows(c, &rows));
    m = classifier_rows(c->attr, labels.n, rows.f);
    if (m != labels.n && m != 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has %lld intercepts for %lld classes", (long long)m,
                               (long long)labels.n);
    MAAS_TRY(infer_coefficients(c, c->attr[C_COEFFICIENTS].n, m, rows.f));
    MAAS_TRY(maas_infer_out(c, 0, labels.text ? MAAS_STRING : MAAS_INT64, 1, &rows.n));
    return maas_ml_infer_matrix(c, 1, MAAS_FLOAT, rows.n, labels.n == 2 ? 2 : m);
}

static MaasStatus compute_classifier(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const MaasMlLabels labels = maas_ml_labels(&c->attr[C_LABEL_STRINGS], &c->attr[C_LABEL_INTS]);
    const MaasMlPost post = maas_ml_post(&c->attr[C_POST]);
    const MaasMlRows rows = maas_ml_rows(x);
    const int64_t m = classifier_rows(c->attr, labels.n, rows.f), width = labels.n == 2 ? 2 : m;
    MaasTensor *y = maas_out(c, 0), *z = maas_out(c, 1);
    float *scores = maas_scratch(c, (size_t)(rows.n * m), sizeof *scores);
    double *row = maas_scratch(c, (size_t)m + 1, sizeof *row);
    MaasStatus status;
    const float *data = maas_ml_floats(c, x, &status);

    MAAS_TRY(status);
    if (!scores || !row)
        return c->err->status;
    MAAS_TRY(linear(c, data, rows.n, rows.f, m, c->attr[C_COEFFICIENTS].floats, &c->attr[C_INTERCEPTS], scores));
    for (int64_t i = 0; i < rows.n; i++) {
        const float *s = scores + i * m;

        for (int64_t j = 0; j < m; j++)
            row[j] = s[j];
        if (y)
            maas_ml_put_label(&labels, y, i, m > 1 ? maas_ml_argmax(row, m) : labels.n == 2 && s[0] > 0);
        if (!z)
            continue;
        if (m == 1 && labels.n == 2)
            maas_ml_binary(post, s[0], true, row);
        else if (m > 1 || post == MAAS_ML_LOGISTIC || post == MAAS_ML_PROBIT)
            maas_ml_transform(post, row, m);
        for (int64_t j = 0; j < width; j++)
            MAAS_F32(z)[i * width + j] = (float)row[j];
    }
    return MAAS_OK;
}

static double cost_linear(const MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    double n = x->rank == 2 && x->dims[0] > 0 ? (double)x->dims[0] : 1;

    return 2 * n * (double)c->attr[C_COEFFICIENTS].n;
}

const MaasOp maas_op_linear_classifier = {
    .domain = MAAS_ML,
    .name = "LinearClassifier",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_STRING | MAAS_T_I64, 0, 0}, {"Z", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[C_LABEL_INTS] = {"classlabels_ints", MAAS_ATTR_INTS},
              [C_LABEL_STRINGS] = {"classlabels_strings", MAAS_ATTR_STRINGS},
              [C_COEFFICIENTS] = {"coefficients", MAAS_ATTR_FLOATS, .required = true},
              [C_INTERCEPTS] = {"intercepts", MAAS_ATTR_FLOATS},
              [C_MULTI_CLASS] = {"multi_class", MAAS_ATTR_INT},
              [C_POST] = {"post_transform", MAAS_ATTR_STRING, .s = "NONE"}},
    .infer = infer_classifier,
    .compute = compute_classifier,
    .batch = maas_batch_table,
    .cost = cost_linear,
};

/* ---- LinearRegressor ---- */

enum { R_TARGETS, R_POST, R_COEFFICIENTS, R_INTERCEPTS };

static MaasStatus infer_regressor(MaasInferCtx *c)
{
    const int64_t targets = c->attr[R_TARGETS].i, n = c->attr[R_INTERCEPTS].n;
    MaasMlRows rows;

    MAAS_TRY(maas_ml_infer_post(c, &c->attr[R_POST]));
    MAAS_TRY(maas_ml_infer_rows(c, &rows));
    if (targets < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "targets is %lld, expected 1 or more", (long long)targets);
    if (n != 0 && n != targets)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has %lld intercepts for %lld targets", (long long)n,
                               (long long)targets);
    MAAS_TRY(infer_coefficients(c, c->attr[R_COEFFICIENTS].n, targets, rows.f));
    return maas_ml_infer_matrix(c, 0, MAAS_FLOAT, rows.n, targets);
}

static MaasStatus compute_regressor(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const MaasMlPost post = maas_ml_post(&c->attr[R_POST]);
    const MaasMlRows rows = maas_ml_rows(x);
    const int64_t m = c->attr[R_TARGETS].i;
    float *y = maas_out(c, 0)->data;
    double *row = maas_scratch(c, (size_t)m, sizeof *row);
    MaasStatus status;
    const float *data = maas_ml_floats(c, x, &status);

    MAAS_TRY(status);
    if (!row)
        return c->err->status;
    MAAS_TRY(linear(c, data, rows.n, rows.f, m, c->attr[R_COEFFICIENTS].floats, &c->attr[R_INTERCEPTS], y));
    /* of a single target only PROBIT is taken */
    if (post == MAAS_ML_NONE || (m == 1 && post != MAAS_ML_PROBIT))
        return MAAS_OK;
    for (int64_t i = 0; i < rows.n; i++, y += m) {
        for (int64_t j = 0; j < m; j++)
            row[j] = y[j];
        maas_ml_transform(post, row, m);
        for (int64_t j = 0; j < m; j++)
            y[j] = (float)row[j];
    }
    return MAAS_OK;
}

const MaasOp maas_op_linear_regressor = {
    .domain = MAAS_ML,
    .name = "LinearRegressor",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[R_TARGETS] = {"targets", MAAS_ATTR_INT, .i = 1},
              [R_POST] = {"post_transform", MAAS_ATTR_STRING, .s = "NONE"},
              [R_COEFFICIENTS] = {"coefficients", MAAS_ATTR_FLOATS},
              [R_INTERCEPTS] = {"intercepts", MAAS_ATTR_FLOATS}},
    .infer = infer_regressor,
    .compute = compute_regressor,
    .batch = maas_batch_table,
    .cost = cost_linear,
};
