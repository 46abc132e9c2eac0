/*
 * shape_value.c - what is known at load of the elements of a shape that a model computes with: a size that the
 * model fixes is a number even where others are free.
 *
 * Exporters write Shape, Gather, arithmetic, Concat, Reshape, also for what is the same in every run.  Each rule
 * here follows one operator's elements; where all are numbers the output is known and folded like a constant.
 */
#include <string.h>

#include "dims.h"

#define MAX_ELEMENTS 16

/* The elements of input i, as sizes; false when it is no vector or number whose length is known and small. */
static bool elements(const MaasInferCtx *c, int i, int *n, int64_t *to)
{
    const MaasInfo *in = i < c->n_in ? c->in[i] : NULL;
    const int64_t *sizes = in && c->in_sizes ? c->in_sizes[i] : NULL;
    int64_t count;

    if (!in || in->kind != MAAS_KIND_TENSOR || in->rank < 0 || in->rank > 1 ||
        !maas_type_in(in->type, MAAS_T_INDEX))
        return false;
    count = in->rank == 0 ? 1 : in->dims[0];
    if (count < 0 || count > MAX_ELEMENTS || (!in->value && !sizes))
        return false;
    for (int k = 0; k < count; k++) {
        to[k] = in->value ? maas_known_int(in->value, k) : sizes[k];
        if (in->value && to[k] < 0) /* negative sizes are symbols */
            to[k] = MAAS_DIM_ANY;
    }
    *n = (int)count;
    return true;
}

/* Output 0 has these elements. */
static MaasStatus set_elements(MaasInferCtx *c, int n, const int64_t *sizes)
{
    const MaasInfo *out = c->out[0];
    int64_t *copy;

    if (!out || out->value || out->type != MAAS_INT64 || out->rank < 0 || out->rank > 1 || n > MAX_ELEMENTS ||
        (out->rank == 0 ? n != 1 : out->dims[0] != n))
        return MAAS_OK;
    if (maas_dims_known(n, sizes))
        return maas_infer_ints(c, 0, out->rank, n, sizes);
    copy = maas_infer_alloc(c, (size_t)(n + 1) * sizeof *copy);
    if (!copy)
        return c->err->status;
    memcpy(copy, sizes, (size_t)n * sizeof *copy);
    *c->out_sizes = copy;
    return MAAS_OK;
}

bool maas_known_size(const MaasInferCtx *c, int i, int64_t k, int64_t *size)
{
    int64_t all[MAX_ELEMENTS];
    int n;

    if (!elements(c, i, &n, all) || k >= n)
        return false;
    *size = all[k];
    return *size != MAAS_DIM_ANY;
}

MaasStatus maas_sizes_shape(MaasInferCtx *c)
{
    int64_t sizes[MAAS_MAX_RANK];
    int from, to;

    if (c->in[0]->rank < 0 || c->in[0]->rank > MAX_ELEMENTS)
        return MAAS_OK;
    maas_shape_range(c->attr, c->in[0]->rank, &from, &to);
    for (int i = from; i < to; i++)
        sizes[i - from] = c->in[0]->dims[i];
    return set_elements(c, to - from, sizes);
}

/* Cast, Squeeze, Unsqueeze, Reshape: the same elements. */
MaasStatus maas_sizes_same(MaasInferCtx *c)
{
    int64_t sizes[MAX_ELEMENTS];
    int n;

    return elements(c, 0, &n, sizes) ? set_elements(c, n, sizes) : MAAS_OK;
}

MaasStatus maas_sizes_gather(MaasInferCtx *c)
{
    const MaasTensor *index = maas_known(c, 1);
    int64_t sizes[MAX_ELEMENTS], picked[MAX_ELEMENTS];
    int n;

    if (!index || index->rank > 1 || index->count > MAX_ELEMENTS || c->in[0]->rank != 1 ||
        !elements(c, 0, &n, sizes))
        return MAAS_OK;
    for (int64_t i = 0; i < index->count; i++) {
        int64_t at = maas_known_int(index, i);

        if (at < -n || at >= n)
            return MAAS_OK;
        picked[i] = sizes[at < 0 ? at + n : at];
    }
    return set_elements(c, (int)index->count, picked);
}

MaasStatus maas_sizes_slice(MaasInferCtx *c)
{
    const MaasTensor *starts = maas_known(c, 1), *ends = maas_known(c, 2), *steps = maas_known(c, 4);
    int64_t sizes[MAX_ELEMENTS], from, to;
    int n;

    if (!starts || !ends || starts->count != 1 || ends->count != 1 || c->in[0]->rank != 1 ||
        (maas_present(c, 4) && (!steps || steps->count != 1 || maas_known_int(steps, 0) != 1)) ||
        !elements(c, 0, &n, sizes))
        return MAAS_OK;
    from = maas_known_int(starts, 0);
    to = maas_known_int(ends, 0);
    from = from < -n ? 0 : from < 0 ? from + n : from > n ? n : from;
    to = to < -n ? 0 : to < 0 ? to + n : to > n ? n : to;
    return set_elements(c, to > from ? (int)(to - from) : 0, sizes + from);
}

MaasStatus maas_sizes_concat(MaasInferCtx *c)
{
    int64_t all[MAX_ELEMENTS], part[MAX_ELEMENTS];
    int n, total = 0;

    for (int i = 0; i < c->n_in; i++) {
        const MaasInfo *in = c->in[i];

        if (!in || in->rank != 1 || in->dims[0] < 0 || in->dims[0] > MAX_ELEMENTS - total)
            return MAAS_OK;
        if (!elements(c, i, &n, part)) /* some of the others may be numbers */
            for (n = 0; n < in->dims[0]; n++)
                part[n] = MAAS_DIM_ANY;
        memcpy(all + total, part, (size_t)n * sizeof *part);
        total += n;
    }
    return set_elements(c, total, all);
}

/* Element by element; either may be a single one. */
static MaasStatus arithmetic(MaasInferCtx *c, int64_t (*fn)(int64_t a, int64_t b))
{
    int64_t a[MAX_ELEMENTS], b[MAX_ELEMENTS], result[MAX_ELEMENTS];
    int n_a, n_b, n;

    if (!elements(c, 0, &n_a, a) || !elements(c, 1, &n_b, b) || n_a == 0 || n_b == 0 ||
        (n_a != n_b && n_a != 1 && n_b != 1))
        return MAAS_OK;
    n = n_a > n_b ? n_a : n_b;
    for (int i = 0; i < n; i++)
        result[i] = fn(a[n_a == 1 ? 0 : i], b[n_b == 1 ? 0 : i]);
    return set_elements(c, n, result);
}

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;

    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, &sum) ? sum : MAAS_DIM_ANY;
}

static int64_t sub(int64_t a, int64_t b)
{
    return b == 0 ? a : a >= 0 && b >= 0 && a >= b ? a - b : MAAS_DIM_ANY;
}

static int64_t mul(int64_t a, int64_t b)
{
    int64_t product;

    if (a == 1 || b == 1)
        return a == 1 ? b : a;
    return a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, &product) ? product : MAAS_DIM_ANY;
}

static int64_t divide(int64_t a, int64_t b)
{
    return b == 1 ? a : a >= 0 && b > 0 ? a / b : MAAS_DIM_ANY;
}

MaasStatus maas_sizes_add(MaasInferCtx *c)
{
    return arithmetic(c, add);
}

MaasStatus maas_sizes_sub(MaasInferCtx *c)
{
    return arithmetic(c, sub);
}

MaasStatus maas_sizes_mul(MaasInferCtx *c)
{
    return arithmetic(c, mul);
}

MaasStatus maas_sizes_div(MaasInferCtx *c)
{
    return arithmetic(c, divide);
}
