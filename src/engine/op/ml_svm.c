/*
 * ml_svm.c - SVMClassifier and SVMRegressor: kernels of support vectors (libsvm), or one row of coefficients a
 * class (liblinear).
 *
 * Probabilities of more than two classes are coupled from the pairs' as in Wu, Lin, Weng: "Probability Estimates
 * for Multi-class Classification by Pairwise Coupling" (2004), second approach, with libsvm's stopping rule.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "batch.h"
#include "ml.h"

#define MAX_CLASSES 4096

enum { LINEAR, POLY, RBF, SIGMOID };
static const char *const kernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID", NULL};

typedef struct Kernel {
    int kind;
    float gamma, coef0, degree;
} Kernel;

static Kernel kernel_of(const MaasAttr *type, const MaasAttr *params, bool vectors)
{
    const float *p = params->floats;

    /* without support vectors the coefficients are those of a linear model whatever kernel_type says */
    return (Kernel){.kind = vectors ? maas_ml_choice(type, kernels) : LINEAR,
                    .gamma = params->n > 0 ? p[0] : 0,
                    .coef0 = params->n > 1 ? p[1] : 0,
                    .degree = params->n > 2 ? p[2] : 0};
}

static MaasStatus infer_kernel(const MaasInferCtx *c, const MaasAttr *type, const MaasAttr *params)
{
    if (maas_ml_choice(type, kernels) < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "kernel_type is unknown, expected LINEAR, POLY, RBF or SIGMOID");
    if (params->n != 0 && params->n != 3)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "kernel_params has %lld values, expected gamma, coef0 and degree",
                               (long long)params->n);
    return MAAS_OK;
}

/* k (N, V): the kernel of the rows of x (N, F) and v (V, F); base is added for LINEAR. */
static void kernel_rows(const Kernel *kernel, const float *x, const float *v, int64_t n, int64_t m, int64_t f,
                        float base, float *k)
{
    if (kernel->kind == RBF) {
        maas_kernel->rows_dist2_f32(x, v, n, m, f, k);
        for (int64_t i = 0; i < n * m; i++)
            k[i] = expf(-kernel->gamma * k[i]);
        return;
    }
    maas_kernel->rows_dot_f32(x, v, n, m, f, k);
    for (int64_t i = 0; i < n * m; i++) {
        float dot = kernel->kind == LINEAR ? k[i] + base : kernel->gamma * k[i] + kernel->coef0;

        if (kernel->kind == SIGMOID)
            dot = tanhf(dot);
        else if (kernel->kind == POLY)
            dot = kernel->degree == 2   ? dot * dot
                  : kernel->degree == 3 ? dot * dot * dot
                                        : powf(dot, kernel->degree);
        k[i] = dot;
    }
}

/* ---- SVMClassifier ---- */

enum {
    C_LABEL_INTS,
    C_LABEL_STRINGS,
    C_COEFFICIENTS,
    C_KERNEL_PARAMS,
    C_KERNEL_TYPE,
    C_POST,
    C_PROB_A,
    C_PROB_B,
    C_RHO,
    C_VECTORS,
    C_PER_CLASS
};

/* What the attributes describe. */
typedef struct Machine {
    MaasMlLabels labels;
    int64_t classes, pairs;
    int64_t vectors; /* 0: a linear model */
    int64_t width;   /* features */
    int64_t scores;  /* columns of Z */
    bool proba;
} Machine;

static Machine machine_of(const MaasAttr *attr)
{
    Machine s = {.labels = maas_ml_labels(&attr[C_LABEL_STRINGS], &attr[C_LABEL_INTS])};

    s.classes = s.labels.n;
    s.pairs = s.classes * (s.classes - 1) / 2;
    for (int64_t i = 0; i < attr[C_PER_CLASS].n; i++)
        s.vectors += attr[C_PER_CLASS].ints[i];
    s.width = s.vectors > 0 ? attr[C_VECTORS].n / s.vectors : s.classes ? attr[C_COEFFICIENTS].n / s.classes : 0;
    s.proba = attr[C_PROB_A].n > 0;
    s.scores = s.vectors == 0 || s.proba ? s.classes : s.classes > 2 ? s.pairs : 2;
    return s;
}

static MaasStatus infer_vectors(const MaasInferCtx *c)
{
    const MaasAttr *per_class = &c->attr[C_PER_CLASS];
    int64_t total = 0;

    for (int64_t i = 0; i < per_class->n; i++)
        if (per_class->ints[i] < 0 || __builtin_add_overflow(total, per_class->ints[i], &total) ||
            total > INT32_MAX)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "vectors_per_class has %lld at place %lld",
                                   (long long)per_class->ints[i], (long long)i);
    return MAAS_OK;
}

static MaasStatus infer_svm_classifier(MaasInferCtx *c)
{
    const MaasAttr *a = c->attr;
    Machine s;
    MaasMlRows rows;

    MAAS_TRY(maas_ml_infer_post(c, &a[C_POST]));
    MAAS_TRY(infer_kernel(c, &a[C_KERNEL_TYPE], &a[C_KERNEL_PARAMS]));
    MAAS_TRY(infer_vectors(c));
    if (a[C_LABEL_STRINGS].n > MAX_CLASSES || a[C_LABEL_INTS].n > MAX_CLASSES)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "has more than %d classes", MAX_CLASSES);
    s = machine_of(a);
    MAAS_TRY(maas_ml_infer_labels(c, &s.labels));
    if (a[C_PROB_A].n != a[C_PROB_B].n)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "prob_a and prob_b differ in length");
    if (s.vectors > 0) {
        if (a[C_PER_CLASS].n != s.classes)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "vectors_per_class has %lld values for %lld classes",
                                   (long long)a[C_PER_CLASS].n, (long long)s.classes);
        if (s.width == 0 || a[C_VECTORS].n != s.width * s.vectors)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "support_vectors has %lld values for %lld vectors",
                                   (long long)a[C_VECTORS].n, (long long)s.vectors);
        if (a[C_COEFFICIENTS].n < (s.classes - 1) * s.vectors || a[C_RHO].n < s.pairs ||
            (s.proba && a[C_PROB_A].n < s.pairs))
            return maas_infer_fail(
                c, MAAS_ERR_VALUE,
                "%lld classes need %lld coefficients, %lld rho and as many prob_a, got %lld, %lld "
                "and %lld",
                (long long)s.classes, (long long)((s.classes - 1) * s.vectors), (long long)s.pairs,
                (long long)a[C_COEFFICIENTS].n, (long long)a[C_RHO].n, (long long)a[C_PROB_A].n);
    } else if (s.width == 0 || a[C_COEFFICIENTS].n != s.width * s.classes || a[C_RHO].n < 1) {
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has %lld coefficients and %lld rho for %lld classes",
                               (long long)a[C_COEFFICIENTS].n, (long long)a[C_RHO].n, (long long)s.classes);
    }
    MAAS_TRY(maas_ml_infer_rows(c, &rows));
    if (rows.f >= 0 && rows.f != s.width)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "X has %lld features, the model %lld", (long long)rows.f,
                               (long long)s.width);
    MAAS_TRY(maas_infer_out(c, 0, s.labels.text ? MAAS_STRING : MAAS_INT64, 1, &rows.n));
    return maas_ml_infer_matrix(c, 1, MAAS_FLOAT, rows.n, s.scores);
}

/* pairs: sum of coefficient times kernel and rho for classes i < j; votes: pairs that each class wins. */
static void decide_pairs(const Machine *s, const MaasAttr *attr, const float *k, double *pairs, int64_t *votes)
{
    const float *coefficients = attr[C_COEFFICIENTS].floats;
    const int64_t *per_class = attr[C_PER_CLASS].ints;
    int64_t pair = 0, first_i = 0;

    memset(votes, 0, (size_t)s->classes * sizeof *votes);
    for (int64_t i = 0; i < s->classes; first_i += per_class[i++]) {
        int64_t first_j = first_i + per_class[i];

        for (int64_t j = i + 1; j < s->classes; first_j += per_class[j++]) {
            /* row j - 1 has i's coefficients against j, row i has j's against i */
            const float *of_i = coefficients + (j - 1) * s->vectors, *of_j = coefficients + i * s->vectors;
            double sum = 0;

            for (int64_t v = first_i; v < first_i + per_class[i]; v++)
                sum += of_i[v] * k[v];
            for (int64_t v = first_j; v < first_j + per_class[j]; v++)
                sum += of_j[v] * k[v];
            sum += attr[C_RHO].floats[pair];
            pairs[pair++] = sum;
            votes[sum > 0 ? i : j]++;
        }
    }
}

/* p (C): the coupled probabilities; r, q (C, C) and qp (C) are working memory. */
static void couple(int64_t n, const MaasAttr *attr, const double *pairs, double *r, double *q, double *qp,
                   double *p)
{
    const double eps = 0.005 / (double)n;
    int64_t pair = 0;

    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++, pair++) {
            double val =
                1 - maas_ml_logistic(pairs[pair] * attr[C_PROB_A].floats[pair] + attr[C_PROB_B].floats[pair]);

            val = fmin(fmax(val, 1e-7), 1 - 1e-7);
            r[i * n + j] = val;
            r[j * n + i] = 1 - val;
        }
    for (int64_t i = 0; i < n; i++) {
        p[i] = 1 / (double)n;
        q[i * n + i] = 0;
        for (int64_t j = 0; j < n; j++)
            if (j != i) {
                q[i * n + i] += r[j * n + i] * r[j * n + i];
                q[i * n + j] = -r[j * n + i] * r[i * n + j];
            }
    }
    for (int round = 0; round < 100; round++) {
        double pqp = 0, worst = 0;

        for (int64_t i = 0; i < n; i++) {
            qp[i] = 0;
            for (int64_t j = 0; j < n; j++)
                qp[i] += q[i * n + j] * p[j];
            pqp += p[i] * qp[i];
        }
        for (int64_t i = 0; i < n; i++)
            worst = fmax(worst, fabs(qp[i] - pqp));
        if (worst < eps)
            break;
        for (int64_t i = 0; i < n; i++) {
            double diff = (-qp[i] + pqp) / q[i * n + i];

            p[i] += diff;
            pqp = (pqp + diff * (diff * q[i * n + i] + 2 * qp[i])) / (1 + diff) / (1 + diff);
            for (int64_t j = 0; j < n; j++) {
                qp[j] = (qp[j] + diff * q[i * n + j]) / (1 + diff);
                p[j] /= 1 + diff;
            }
        }
    }
}

/* The label of two linear scores: the second as soon as the larger one is positive (or 0.5 when no coefficient
 * is negative). */
static int64_t linear_label(const Machine *s, const double *scores, bool all_positive)
{
    int64_t best = maas_ml_argmax(scores, s->classes);

    if (s->classes == 2 && !s->proba && (all_positive ? scores[best] >= 0.5 : scores[best] > 0))
        return 1;
    return best;
}

static MaasStatus compute_svm_classifier(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const MaasAttr *a = c->attr;
    const Machine s = machine_of(a);
    const MaasMlPost post = maas_ml_post(&a[C_POST]);
    const MaasMlRows rows = maas_ml_rows(x);
    const Kernel kernel = kernel_of(&a[C_KERNEL_TYPE], &a[C_KERNEL_PARAMS], s.vectors > 0);
    const int64_t n = s.classes, n_kernel = s.vectors > 0 ? s.vectors : n, square = s.proba ? n * n : 1;
    MaasTensor *y = maas_out(c, 0), *z = maas_out(c, 1);
    float *k = maas_scratch(c, (size_t)n_kernel, sizeof *k);
    double *pairs = maas_scratch(c, (size_t)(s.pairs + n + 2), sizeof *pairs);
    double *p = maas_scratch(c, (size_t)(s.pairs + n + 2), sizeof *p), *qp = maas_scratch(c, (size_t)n, sizeof *qp);
    double *r = maas_scratch(c, (size_t)square, sizeof *r), *q = maas_scratch(c, (size_t)square, sizeof *q);
    int64_t *votes = maas_scratch(c, (size_t)n, sizeof *votes);
    bool all_positive = true;
    MaasStatus status;
    const float *data = maas_ml_floats(c, x, &status);

    MAAS_TRY(status);
    if (!k || !pairs || !p || !qp || !r || !q || !votes)
        return c->err->status;
    for (int64_t i = 0; i < a[C_COEFFICIENTS].n; i++)
        all_positive &= a[C_COEFFICIENTS].floats[i] >= 0;
    for (int64_t i = 0; i < rows.n; i++) {
        const float *row = data + i * rows.f;
        int64_t label, m = s.scores;

        if (s.vectors == 0) {
            kernel_rows(&kernel, row, a[C_COEFFICIENTS].floats, 1, n, s.width, a[C_RHO].floats[0], k);
            for (int64_t j = 0; j < n; j++)
                p[j] = k[j];
            label = linear_label(&s, p, all_positive);
        } else {
            kernel_rows(&kernel, row, a[C_VECTORS].floats, 1, s.vectors, s.width, 0, k);
            decide_pairs(&s, a, k, pairs, votes);
            label = 0;
            for (int64_t j = 1; j < n; j++)
                if (votes[j] > votes[label])
                    label = j;
            if (s.proba)
                couple(n, a, pairs, r, q, qp, p);
            else
                memcpy(p, pairs, (size_t)s.pairs * sizeof *p);
        }
        if (y)
            maas_ml_put_label(&s.labels, y, i, label);
        if (z) {
            if (s.vectors > 0 && !s.proba && n <= 2) {
                /* one pair: its score stands for the second class, as onnxruntime has it */
                maas_ml_binary(post, n == 2 ? p[0] : 0, post != MAAS_ML_NONE, p);
            } else {
                maas_ml_transform(post, p, m);
            }
            for (int64_t j = 0; j < m; j++)
                MAAS_F32(z)[i * m + j] = (float)p[j];
        }
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

static double cost_svm(const MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    double n = x->rank == 2 && x->dims[0] > 0 ? (double)x->dims[0] : 1;

    return n * 3 * (double)(c->attr[C_VECTORS].n + c->attr[C_COEFFICIENTS].n);
}

const MaasOp maas_op_svm_classifier = {
    .domain = MAAS_ML,
    .name = "SVMClassifier",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_STRING | MAAS_T_I64, 0, 0}, {"Z", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[C_LABEL_INTS] = {"classlabels_ints", MAAS_ATTR_INTS},
              [C_LABEL_STRINGS] = {"classlabels_strings", MAAS_ATTR_STRINGS},
              [C_COEFFICIENTS] = {"coefficients", MAAS_ATTR_FLOATS},
              [C_KERNEL_PARAMS] = {"kernel_params", MAAS_ATTR_FLOATS},
              [C_KERNEL_TYPE] = {"kernel_type", MAAS_ATTR_STRING, .s = "LINEAR"},
              [C_POST] = {"post_transform", MAAS_ATTR_STRING, .s = "NONE"},
              [C_PROB_A] = {"prob_a", MAAS_ATTR_FLOATS},
              [C_PROB_B] = {"prob_b", MAAS_ATTR_FLOATS},
              [C_RHO] = {"rho", MAAS_ATTR_FLOATS},
              [C_VECTORS] = {"support_vectors", MAAS_ATTR_FLOATS},
              [C_PER_CLASS] = {"vectors_per_class", MAAS_ATTR_INTS}},
    .infer = infer_svm_classifier,
    .compute = compute_svm_classifier,
    .batch = maas_batch_table,
    .cost = cost_svm,
};

/* ---- SVMRegressor ---- */

/* The places of the lists that cost_svm reads are those of the classifier. */
enum {
    R_N_SUPPORTS,
    R_ONE_CLASS,
    R_COEFFICIENTS = C_COEFFICIENTS,
    R_KERNEL_PARAMS = C_KERNEL_PARAMS,
    R_KERNEL_TYPE = C_KERNEL_TYPE,
    R_POST = C_POST,
    R_RHO = 6,
    R_VECTORS = 7
};

static MaasStatus infer_svm_regressor(MaasInferCtx *c)
{
    const MaasAttr *a = c->attr;
    const int64_t n = a[R_N_SUPPORTS].i, width = n > 0 ? a[R_VECTORS].n / n : a[R_COEFFICIENTS].n;
    MaasMlRows rows;

    MAAS_TRY(maas_ml_infer_post(c, &a[R_POST]));
    MAAS_TRY(infer_kernel(c, &a[R_KERNEL_TYPE], &a[R_KERNEL_PARAMS]));
    if (n < 0 || width == 0 || a[R_RHO].n < 1 || (n > 0 && (a[R_COEFFICIENTS].n != n || a[R_VECTORS].n % n != 0)))
        return maas_infer_fail(
            c, MAAS_ERR_VALUE, "has %lld supports, %lld coefficients, %lld rho and %lld values of support vectors",
            (long long)n, (long long)a[R_COEFFICIENTS].n, (long long)a[R_RHO].n, (long long)a[R_VECTORS].n);
    MAAS_TRY(maas_ml_infer_rows(c, &rows));
    if (rows.f >= 0 && rows.f != width)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "X has %lld features, the model %lld", (long long)rows.f,
                               (long long)width);
    return maas_ml_infer_matrix(c, 0, MAAS_FLOAT, rows.n, 1);
}

static MaasStatus compute_svm_regressor(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const MaasAttr *a = c->attr;
    const MaasMlRows rows = maas_ml_rows(x);
    const int64_t n = a[R_N_SUPPORTS].i;
    const Kernel kernel = kernel_of(&a[R_KERNEL_TYPE], &a[R_KERNEL_PARAMS], n > 0);
    float *y = maas_out(c, 0)->data, *k = maas_scratch(c, (size_t)(n > 0 ? n : 1), sizeof *k);
    MaasStatus status;
    const float *data = maas_ml_floats(c, x, &status);

    MAAS_TRY(status);
    if (!k)
        return c->err->status;
    for (int64_t i = 0; i < rows.n; i++) {
        const float *row = data + i * rows.f;

        if (n > 0) {
            kernel_rows(&kernel, row, a[R_VECTORS].floats, 1, n, rows.f, 0, k);
            maas_kernel->rows_dot_f32(k, a[R_COEFFICIENTS].floats, 1, 1, n, &y[i]);
            y[i] += a[R_RHO].floats[0];
        } else {
            kernel_rows(&kernel, row, a[R_COEFFICIENTS].floats, 1, 1, rows.f, a[R_RHO].floats[0], &y[i]);
        }
        if (a[R_ONE_CLASS].i)
            y[i] = y[i] > 0 ? 1 : -1;
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_svm_regressor = {
    .domain = MAAS_ML,
    .name = "SVMRegressor",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[R_N_SUPPORTS] = {"n_supports", MAAS_ATTR_INT},
              [R_ONE_CLASS] = {"one_class", MAAS_ATTR_INT},
              [R_COEFFICIENTS] = {"coefficients", MAAS_ATTR_FLOATS},
              [R_KERNEL_PARAMS] = {"kernel_params", MAAS_ATTR_FLOATS},
              [R_KERNEL_TYPE] = {"kernel_type", MAAS_ATTR_STRING, .s = "LINEAR"},
              [R_POST] = {"post_transform", MAAS_ATTR_STRING, .s = "NONE"},
              [R_RHO] = {"rho", MAAS_ATTR_FLOATS},
              [R_VECTORS] = {"support_vectors", MAAS_ATTR_FLOATS}},
    .infer = infer_svm_regressor,
    .compute = compute_svm_regressor,
    .batch = maas_batch_table,
};
