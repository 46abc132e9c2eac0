/*
 * ml_array.c - ArrayFeatureExtractor, Binarizer, FeatureVectorizer, Imputer, Normalizer and Scaler: operators on
 * rows of features that need no prepared form.
 */
#include <math.h>
#include <string.h>

#include "batch.h"
#include "ml.h"

static int64_t last_dim(const MaasTensor *x)
{
    return x->rank > 0 ? x->dims[x->rank - 1] : 1;
}

/* A list attribute has one value, or one a feature (the last dimension of in[0]); empty is allowed if so said. */
static MaasStatus infer_per_feature(const MaasInferCtx *c, const char *name, int64_t n, bool may_be_empty)
{
    const MaasInfo *x = c->in[0];
    int64_t f = x->rank > 0 ? x->dims[x->rank - 1] : x->rank == 0 ? 1 : MAAS_DIM_ANY;

    if (n == 1 || (n == 0 && may_be_empty) || (n > 0 && f < 0) || (n > 0 && n == f))
        return MAAS_OK;
    if (f < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%s is empty", name);
    return maas_infer_fail(c, MAAS_ERR_SHAPE, "%s has %lld values, expected 1 or one for each of %lld features",
                           name, (long long)n, (long long)f);
}

/* ---- ArrayFeatureExtractor ---- */

static MaasStatus infer_extract(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0], *y = c->in[1];
    int64_t dims[MAAS_MAX_RANK], n = MAAS_DIM_ANY;
    int rank = x->rank;

    if (x->rank == 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "X is a scalar, expected at least one dimension");
    if (y->rank >= 0) {
        bool known = true;

        for (int i = 0; i < y->rank; i++)
            known &= y->dims[i] >= 0;
        if (known && !maas_count_dims(y->rank, y->dims, &n))
            return maas_infer_fail(c, MAAS_ERR_LIMIT, "the number of indices overflows");
    }
    if (rank < 0)
        return maas_infer_out(c, 0, x->type, -1, NULL);
    memcpy(dims, x->dims, sizeof dims);
    if (rank == 1) { /* (F) gives (1, n) */
        rank = 2;
        dims[0] = 1;
    }
    dims[rank - 1] = n;
    return maas_infer_out(c, 0, x->type, rank, dims);
}

static MaasStatus compute_extract(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *index = maas_in(c, 1);
    MaasTensor *y = maas_out(c, 0);
    const int64_t f = last_dim(x), n = index->count, rows = f ? x->count / f : 0;
    const size_t size = maas_type_size(x->type);

    for (int64_t j = 0; j < n; j++)
        if (MAAS_I64(index)[j] < 0 || MAAS_I64(index)[j] >= f)
            return maas_node_fail(c, MAAS_ERR_VALUE, "index %lld at place %lld is outside of the %lld features",
                                  (long long)MAAS_I64(index)[j], (long long)j, (long long)f);
    if (y->count == 0)
        return MAAS_OK;
    for (int64_t i = 0; i < rows; i++) {
        const char *from = (const char *)x->data + (size_t)(i * f) * size;
        char *to = (char *)y->data + (size_t)(i * n) * size;

        for (int64_t j = 0; j < n; j++)
            memcpy(to + (size_t)j * size, from + (size_t)MAAS_I64(index)[j] * size, size);
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_array_feature_extractor = {
    .domain = MAAS_ML,
    .name = "ArrayFeatureExtractor",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS | MAAS_T_STRING, 'T', 0}, {"Y", MAAS_T_I64, 0, 0}},
    .out = {{"Z", MAAS_T_ML_NUMBERS | MAAS_T_STRING, 'T', 0}},
    .infer = infer_extract,
    .compute = compute_extract,
    .batch = maas_batch_extract,
};

/* ---- Binarizer ---- */

#define BINARIZE(type)                                                                                             \
    for (int64_t i = 0; i < x->count; i++)                                                                         \
    ((type *)y->data)[i] = ((const type *)x->data)[i] > threshold

static MaasStatus compute_binarizer(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    const float threshold = c->attr[0].f;

    if (x->type == MAAS_FLOAT)
        BINARIZE(float);
    else if (x->type == MAAS_DOUBLE)
        BINARIZE(double);
    else if (x->type == MAAS_INT64)
        BINARIZE(int64_t);
    else
        BINARIZE(int32_t);
    return MAAS_OK;
}

const MaasOp maas_op_binarizer = {
    .domain = MAAS_ML,
    .name = "Binarizer",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_INPLACE,
    .in = {{"X", MAAS_T_ML_NUMBERS, 'T', 0}},
    .out = {{"Y", MAAS_T_ML_NUMBERS, 'T', 0}},
    .attrs = {{"threshold", MAAS_ATTR_FLOAT}},
    .infer = maas_infer_same,
    .compute = compute_binarizer,
    .batch = maas_batch_elementwise,
};

/* ---- FeatureVectorizer ---- */

/* Width that input i takes in the output; MAAS_DIM_ANY when unknown. */
static int64_t vectorizer_width(const MaasAttr *dims, const MaasInfo *x, int i)
{
    if (dims->n > 0)
        return dims->ints[i];
    return x->rank > 0 ? x->dims[x->rank - 1] : MAAS_DIM_ANY;
}

static MaasStatus infer_vectorizer(MaasInferCtx *c)
{
    const MaasAttr *dims = &c->attr[0];
    int64_t n = MAAS_DIM_ANY, width = 0;

    if (dims->n > 0 && dims->n != c->n_in)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "inputdimensions has %lld values for %d inputs",
                               (long long)dims->n, c->n_in);
    for (int i = 0; i < c->n_in; i++) {
        const MaasInfo *x = c->in[i];
        int64_t rows, w = vectorizer_width(dims, x, i);

        if (dims->n > 0 && w < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "inputdimensions has a negative value");
        if (width >= 0 && (w < 0 || __builtin_add_overflow(width, w, &width)))
            width = MAAS_DIM_ANY;
        if (x->rank < 0)
            continue;
        if (x->rank != 1 && x->rank != 2)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d has %d dimensions, expected 1 or 2", i, x->rank);
        rows = x->rank == 2 ? x->dims[0] : 1;
        if (n >= 0 && rows >= 0 && n != rows)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d has %lld rows, those before it %lld", i,
                                   (long long)rows, (long long)n);
        if (n < 0)
            n = rows;
    }
    return maas_ml_infer_matrix(c, 0, MAAS_FLOAT, n, width);
}

static MaasStatus compute_vectorizer(MaasCtx *c)
{
    MaasTensor *y = maas_out(c, 0);
    const int64_t rows = y->dims[0], width = y->dims[1];
    int64_t at = 0;

    if (y->count == 0)
        return MAAS_OK;
    memset(y->data, 0, maas_tensor_bytes(y));
    for (int i = 0; i < c->n_in; i++) {
        const MaasTensor *x = maas_in(c, i);
        const int64_t f = last_dim(x), w = c->attr[0].n > 0 ? c->attr[0].ints[i] : f, n = f < w ? f : w;
        MaasStatus status;
        const float *data = maas_ml_floats(c, x, &status);

        MAAS_TRY(status);
        for (int64_t r = 0; n > 0 && r < rows; r++)
            memcpy(MAAS_F32(y) + r * width + at, data + r * f, (size_t)n * sizeof(float));
        at += w;
    }
    return MAAS_OK;
}

const MaasOp maas_op_feature_vectorizer = {
    .domain = MAAS_ML,
    .name = "FeatureVectorizer",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS, 'T', MAAS_VARIADIC}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {{"inputdimensions", MAAS_ATTR_INTS}},
    .infer = infer_vectorizer,
    .compute = compute_vectorizer,
    .batch = maas_batch_feature_vectorizer,
};

/* ---- Imputer ---- */

enum { IMPUTED_FLOATS, IMPUTED_INTS, REPLACED_FLOAT, REPLACED_INT };

static MaasStatus infer_imputer(MaasInferCtx *c)
{
    bool real = c->in[0]->type == MAAS_FLOAT || c->in[0]->type == MAAS_DOUBLE;
    const MaasAttr *imputed = &c->attr[real ? IMPUTED_FLOATS : IMPUTED_INTS];

    MAAS_TRY(infer_per_feature(c, imputed->name, imputed->n, false));
    if (c->in[0]->type == MAAS_INT32)
        for (int64_t i = 0; i < imputed->n; i++)
            if (imputed->ints[i] < INT32_MIN || imputed->ints[i] > INT32_MAX)
                return maas_infer_fail(c, MAAS_ERR_VALUE, "%s has %lld, which int32 cannot hold", imputed->name,
                                       (long long)imputed->ints[i]);
    return maas_infer_same(c);
}

#define IMPUTE(type, list, replaced)                                                                               \
    for (int64_t i = 0, j = 0; i < x->count; i++) {                                                                \
        const type v = ((const type *)x->data)[i];                                                                 \
        ((type *)y->data)[i] = v == replaced || (nan && v != v) ? (type)c->attr[list].values[each ? j : 0] : v;    \
        if (++j == f)                                                                                              \
            j = 0;                                                                                                 \
    }

static MaasStatus compute_imputer(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    const int64_t f = last_dim(x);
    const float replaced = c->attr[REPLACED_FLOAT].f;
    const int64_t replaced_int = c->attr[REPLACED_INT].i;
    const bool real = x->type == MAAS_FLOAT || x->type == MAAS_DOUBLE, nan = real && replaced != replaced;
    const bool each = c->attr[real ? IMPUTED_FLOATS : IMPUTED_INTS].n > 1;

#define values floats
    if (x->type == MAAS_FLOAT)
        IMPUTE(float, IMPUTED_FLOATS, replaced)
    else if (x->type == MAAS_DOUBLE)
        IMPUTE(double, IMPUTED_FLOATS, replaced)
#undef values
#define values ints
    else if (x->type == MAAS_INT64)
        IMPUTE(int64_t, IMPUTED_INTS, replaced_int)
    else
        IMPUTE(int32_t, IMPUTED_INTS, replaced_int)
#undef values
    return MAAS_OK;
}

const MaasOp maas_op_imputer = {
    .domain = MAAS_ML,
    .name = "Imputer",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_INPLACE,
    .in = {{"X", MAAS_T_ML_NUMBERS, 'T', 0}},
    .out = {{"Y", MAAS_T_ML_NUMBERS, 'T', 0}},
    .attrs = {{"imputed_value_floats", MAAS_ATTR_FLOATS},
              {"imputed_value_int64s", MAAS_ATTR_INTS},
              {"replaced_value_float", MAAS_ATTR_FLOAT},
              {"replaced_value_int64", MAAS_ATTR_INT}},
    .infer = infer_imputer,
    .compute = compute_imputer,
    .batch = maas_batch_table,
};

/* ---- Normalizer ---- */

static const char *const norms[] = {"MAX", "L1", "L2", NULL};
enum { NORM_MAX, NORM_L1, NORM_L2 };

static MaasStatus infer_normalizer(MaasInferCtx *c)
{
    if (maas_ml_choice(&c->attr[0], norms) < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "norm is unknown, expected MAX, L1 or L2");
    if (c->in[0]->rank == 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "X is a scalar, expected [N,C] or [C]");
    return maas_infer_same(c);
}

/* Each row of C, divided by its norm; a row whose norm is 0 stays. */
static MaasStatus compute_normalizer(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const int64_t f = last_dim(x), rows = f ? x->count / f : 0;
    const int norm = maas_ml_choice(&c->attr[0], norms);
    float *y = maas_out(c, 0)->data;
    MaasStatus status;
    const float *data = maas_ml_floats(c, x, &status);

    MAAS_TRY(status);
    for (int64_t r = 0; r < rows; r++, data += f, y += f) {
        float by = norm == NORM_MAX ? -INFINITY : 0;

        if (norm == NORM_MAX)
            for (int64_t i = 0; i < f; i++)
                by = data[i] > by ? data[i] : by;
        else if (norm == NORM_L1)
            for (int64_t i = 0; i < f; i++)
                by += fabsf(data[i]);
        else
            for (int64_t i = 0; i < f; i++)
                by += data[i] * data[i];
        if (norm == NORM_L2)
            by = sqrtf(by);
        if (by == 0)
            by = 1;
        for (int64_t i = 0; i < f; i++)
            y[i] = data[i] / by;
        if (maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_normalizer = {
    .domain = MAAS_ML,
    .name = "Normalizer",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {{"norm", MAAS_ATTR_STRING, .s = "MAX"}},
    .infer = infer_normalizer,
    .compute = compute_normalizer,
    .batch = maas_batch_table,
};

/* ---- Scaler ---- */

enum { OFFSET, SCALE };

static MaasStatus infer_scaler(MaasInferCtx *c)
{
    MAAS_TRY(infer_per_feature(c, "offset", c->attr[OFFSET].n, true));
    MAAS_TRY(infer_per_feature(c, "scale", c->attr[SCALE].n, true));
    return maas_infer_same(c);
}

/* (x - offset) * scale, in double for double; absent: 0 and 1 */
static MaasStatus compute_scaler(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const int64_t f = last_dim(x);
    const MaasAttr *offset = &c->attr[OFFSET], *scale = &c->attr[SCALE];
    float *y = maas_out(c, 0)->data;
    MaasStatus status = MAAS_OK;
    const float *data = x->type == MAAS_DOUBLE ? NULL : maas_ml_floats(c, x, &status);

    MAAS_TRY(status);
    for (int64_t i = 0, j = 0; i < x->count; i++) {
        float o = offset->n > 1 ? offset->floats[j] : offset->n ? offset->floats[0] : 0;
        float s = scale->n > 1 ? scale->floats[j] : scale->n ? scale->floats[0] : 1;

        y[i] = data ? (data[i] - o) * s : (float)((MAAS_F64(x)[i] - o) * s);
        if (++j == f)
            j = 0;
    }
    return MAAS_OK;
}

const MaasOp maas_op_scaler = {
    .domain = MAAS_ML,
    .name = "Scaler",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {{"offset", MAAS_ATTR_FLOATS}, {"scale", MAAS_ATTR_FLOATS}},
    .infer = infer_scaler,
    .compute = compute_scaler,
    .batch = maas_batch_table,
};
