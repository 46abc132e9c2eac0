/*
 * dims.c - helpers of inference: axes, known vectors, products of sizes, infos of sequences and of loops.
 */
#include <string.h>

#include "dims.h"

bool maas_text_is(MaasStr string, const char *text)
{
    return string.length == strlen(text) && memcmp(string.data, text, string.length) == 0;
}

bool maas_dims_known(int rank, const int64_t *dims)
{
    for (int i = 0; i < rank; i++)
        if (dims[i] < 0)
            return false;
    return rank >= 0;
}

MaasStatus maas_infer_mul(const MaasInferCtx *c, int64_t a, int64_t b, int64_t *product)
{
    if (a == 1 || b == 1)
        *product = a == 1 ? b : a;
    else if (a < 0 || b < 0)
        *product = MAAS_DIM_ANY;
    else if (!maas_mul64(a, b, product))
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "a size of %lld x %lld overflows", (long long)a, (long long)b);
    return MAAS_OK;
}

MaasStatus maas_infer_equal(const MaasInferCtx *c, const char *what, int64_t expected, int64_t got)
{
    if (expected >= 0 && got >= 0 && expected != got)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "%s: expected %lld, got %lld", what, (long long)expected,
                               (long long)got);
    return MAAS_OK;
}

MaasStatus maas_infer_rank(const MaasInferCtx *c, int64_t rank)
{
    if (rank < 0 || rank > MAAS_MAX_RANK)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "an output of rank %lld: at most %d are possible",
                               (long long)rank, MAAS_MAX_RANK);
    return MAAS_OK;
}

MaasStatus maas_infer_want_rank(const MaasInferCtx *c, int i, int rank)
{
    if (maas_present(c, i) && c->in[i]->rank >= 0 && c->in[i]->rank != rank)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d must have rank %d, got rank %d", i, rank,
                               c->in[i]->rank);
    return MAAS_OK;
}

MaasStatus maas_infer_vector(const MaasInferCtx *c, int i, int64_t *length)
{
    *length = MAAS_DIM_ANY;
    if (!maas_present(c, i) || c->in[i]->rank < 0)
        return MAAS_OK;
    MAAS_TRY(maas_infer_want_rank(c, i, 1));
    *length = c->in[i]->dims[0];
    return MAAS_OK;
}

MaasStatus maas_infer_scalar(const MaasInferCtx *c, int i)
{
    if (!maas_present(c, i))
        return MAAS_OK;
    for (int d = 0; d < c->in[i]->rank; d++)
        if (c->in[i]->dims[d] >= 0 && c->in[i]->dims[d] != 1)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "input %d must hold one element, got a size of %lld", i,
                                   (long long)c->in[i]->dims[d]);
    return MAAS_OK;
}

MaasStatus maas_infer_axes(const MaasInferCtx *c, int64_t n, const int64_t *list, int rank, int *axes)
{
    uint32_t seen = 0;

    if (n > rank)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%lld axes for a rank of %d", (long long)n, rank);
    for (int64_t i = 0; i < n; i++) {
        MAAS_TRY(maas_infer_axis(c, list[i], rank, &axes[i]));
        if (seen >> axes[i] & 1)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "axis %d is given twice", axes[i]);
        seen |= (uint32_t)1 << axes[i];
    }
    return MAAS_OK;
}

MaasStatus maas_infer_axes_of(const MaasInferCtx *c, const MaasTensor *t, int rank, int *axes, int *n)
{
    int64_t list[MAAS_MAX_RANK];

    if (t->count > rank)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%lld axes for a rank of %d", (long long)t->count, rank);
    for (int64_t i = 0; i < t->count; i++)
        list[i] = maas_known_int(t, i);
    *n = (int)t->count;
    return maas_infer_axes(c, t->count, list, rank, axes);
}

MaasStatus maas_infer_ints(MaasInferCtx *c, int i, int rank, int64_t n, const int64_t *values)
{
    MaasTensor *t;

    MAAS_TRY(maas_infer_out(c, i, MAAS_INT64, rank, &n));
    if (i >= c->n_out || !c->out[i])
        return MAAS_OK;
    t = maas_infer_alloc(c, sizeof *t + (size_t)n * sizeof *values);
    if (!t)
        return c->err->status;
    memset(t, 0, sizeof *t);
    t->type = MAAS_INT64;
    t->rank = rank;
    t->dims[0] = n;
    t->count = n;
    t->data = t + 1;
    if (n > 0)
        memcpy(t->data, values, (size_t)n * sizeof *values);
    c->out[i]->value = t;
    return MAAS_OK;
}

MaasStatus maas_infer_dtype(const MaasInferCtx *c, int64_t dtype, MaasTypeSet allowed, MaasType *type)
{
    if (dtype <= 0 || dtype >= MAAS_NTYPES || !maas_type_in((MaasType)dtype, allowed))
        return maas_infer_fail(
            c, MAAS_ERR_TYPE, "attribute dtype names element type %lld (%s), which this operator cannot make",
            (long long)dtype, dtype > 0 && dtype < MAAS_NTYPES ? maas_type_name((MaasType)dtype) : "unknown");
    *type = (MaasType)dtype;
    return MAAS_OK;
}

MaasStatus maas_infer_indices(const MaasInferCtx *c, int i, const MaasInfo *data, int64_t depth,
                              const int64_t *sizes)
{
    const MaasTensor *t = maas_known(c, i);

    for (int64_t k = 0; t && !data->value && k < t->count; k++) {
        int64_t index = maas_known_int(t, k), size = sizes[k % depth];

        if (size >= 0 && (index >= size || index < -size))
            return maas_infer_fail(c, MAAS_ERR_VALUE, "index %lld at place %lld is out of range [-%lld, %lld]",
                                   (long long)index, (long long)k, (long long)size, (long long)size - 1);
    }
    return MAAS_OK;
}

MaasInfo *maas_infer_copy(MaasInferCtx *c, const MaasInfo *info)
{
    MaasInfo *copy = maas_infer_alloc(c, sizeof *copy);

    if (!copy)
        return NULL;
    *copy = *info;
    copy->value = NULL;
    return copy;
}

static const char *kind_name(MaasKind kind)
{
    static const char *const names[] = {"an unknown value", "a tensor", "a sequence", "a map", "an optional"};

    return (unsigned)kind < 5 ? names[kind] : names[0];
}

static MaasStatus merge_tensor(MaasInferCtx *c, const char *what, MaasInfo *dst, const MaasInfo *src, bool *changed)
{
    if (dst->type != src->type && dst->type != MAAS_UNDEFINED && src->type != MAAS_UNDEFINED)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "%s: element types differ: %s and %s", what,
                               maas_type_name(dst->type), maas_type_name(src->type));
    if (dst->type == MAAS_UNDEFINED && src->type != MAAS_UNDEFINED) {
        dst->type = src->type;
        *changed = true;
    }
    if (dst->rank < 0)
        return MAAS_OK;
    if (src->rank != dst->rank) {
        dst->rank = -1;
        *changed = true;
        return MAAS_OK;
    }
    for (int i = 0; i < dst->rank; i++)
        if (dst->dims[i] != src->dims[i] && dst->dims[i] != MAAS_DIM_ANY) {
            dst->dims[i] = MAAS_DIM_ANY;
            *changed = true;
        }
    return MAAS_OK;
}

MaasStatus maas_infer_merge(MaasInferCtx *c, const char *what, MaasInfo *dst, const MaasInfo *src, bool *changed)
{
    MaasInfo *elem;

    dst->value = NULL;
    if (src->kind == MAAS_KIND_UNKNOWN)
        return MAAS_OK;
    if (dst->kind == MAAS_KIND_UNKNOWN) {
        *dst = *src;
        dst->value = NULL;
        *changed = true;
        return MAAS_OK;
    }
    if (dst->kind == MAAS_KIND_OPTIONAL && (!dst->elem || dst->elem->kind == src->kind))
        return MAAS_OK;
    if (dst->kind != src->kind)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "%s: %s and %s do not go together", what, kind_name(dst->kind),
                               kind_name(src->kind));
    if (dst->kind == MAAS_KIND_TENSOR)
        return merge_tensor(c, what, dst, src, changed);
    if (!dst->elem || !src->elem) {
        if (!dst->elem && src->elem) {
            dst->elem = src->elem;
            *changed = true;
        }
        return MAAS_OK;
    }
    elem = maas_infer_copy(c, dst->elem);
    if (!elem)
        return c->err->status;
    dst->elem = elem;
    return maas_infer_merge(c, what, elem, src->elem, changed);
}

double maas_number_at(const MaasTensor *t, int64_t i)
{
    switch (t->type) {
    case MAAS_FLOAT:
        return MAAS_F32(t)[i];
    case MAAS_DOUBLE:
        return MAAS_F64(t)[i];
    case MAAS_FLOAT16:
        return maas_f16_to_f32(((const uint16_t *)t->data)[i]);
    case MAAS_BFLOAT16:
        return maas_bf16_to_f32(((const uint16_t *)t->data)[i]);
    case MAAS_UINT64:
        return (double)((const uint64_t *)t->data)[i];
    default:
        return (double)maas_int_at(t, i);
    }
}

int64_t maas_int_at(const MaasTensor *t, int64_t i)
{
    double x;

    switch (t->type) {
    case MAAS_INT8:
    case MAAS_INT4:
    case MAAS_INT2:
        return MAAS_I8(t)[i];
    case MAAS_UINT8:
    case MAAS_UINT4:
    case MAAS_UINT2:
    case MAAS_BOOL:
        return MAAS_U8(t)[i];
    case MAAS_INT16:
        return ((const int16_t *)t->data)[i];
    case MAAS_UINT16:
        return ((const uint16_t *)t->data)[i];
    case MAAS_INT32:
        return MAAS_I32(t)[i];
    case MAAS_UINT32:
        return ((const uint32_t *)t->data)[i];
    case MAAS_INT64:
        return MAAS_I64(t)[i];
    case MAAS_UINT64: {
        uint64_t u = ((const uint64_t *)t->data)[i];

        return u > INT64_MAX ? INT64_MAX : (int64_t)u;
    }
    case MAAS_FLOAT:
    case MAAS_DOUBLE:
    case MAAS_FLOAT16:
    case MAAS_BFLOAT16:
        x = maas_number_at(t, i);
        if (x != x)
            return 0;
        if (x >= 0x1p63)
            return INT64_MAX;
        return x <= -0x1p63 ? INT64_MIN : (int64_t)x;
    default:
        return 0;
    }
}

void maas_one(MaasType type, void *element)
{
    switch (type) {
    case MAAS_FLOAT:
        *(float *)element = 1;
        break;
    case MAAS_DOUBLE:
        *(double *)element = 1;
        break;
    case MAAS_FLOAT16:
        *(uint16_t *)element = maas_f32_to_f16(1);
        break;
    case MAAS_BFLOAT16:
        *(uint16_t *)element = maas_f32_to_bf16(1);
        break;
    case MAAS_INT64:
    case MAAS_UINT64:
        *(uint64_t *)element = 1;
        break;
    case MAAS_INT32:
    case MAAS_UINT32:
        *(uint32_t *)element = 1;
        break;
    case MAAS_INT16:
    case MAAS_UINT16:
        *(uint16_t *)element = 1;
        break;
    default:
        *(uint8_t *)element = 1;
        break;
    }
}

MaasStatus maas_infer_shaped(MaasInferCtx *c, int i)
{
    const MaasTensor *shape = maas_known(c, i);
    int64_t dims[MAAS_MAX_RANK], length;

    MAAS_TRY(maas_infer_vector(c, i, &length));
    if (length >= 0)
        MAAS_TRY(maas_infer_rank(c, length));
    for (int d = 0; d < length; d++)
        dims[d] = shape ? maas_known_int(shape, d) : MAAS_DIM_ANY;
    return maas_infer_out(c, 0, MAAS_UNDEFINED, length < 0 ? -1 : (int)length, dims);
}
