/*
 * batch_size.c - shapes as values: how exporters carry the batch size from Shape through arithmetic to Reshape and
 * Expand.  Where the content is not that of a shape, the operators here work element by element.
 */
#include <string.h>

#include "batch.h"

/* ---- arithmetic ---- */

static int64_t add(MaasBatchCtx *c, int64_t a, int64_t b)
{
    int64_t sum;

    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    if (maas_size_is_number(a) && maas_size_is_number(b))
        return __builtin_add_overflow(a, b, &sum) || !maas_size_is_number(sum) ? MAAS_SIZE_UNKNOWN : sum;
    if (maas_size_of_batch(c, a) || maas_size_of_batch(c, b))
        return MAAS_SIZE_UNKNOWN;
    return maas_size_at_least(a, 0) && maas_size_at_least(b, 0) ? maas_size_new(c) : MAAS_SIZE_OPAQUE;
}

static int64_t sub(MaasBatchCtx *c, int64_t a, int64_t b)
{
    int64_t difference;

    if (b == 0)
        return a;
    if (maas_size_is_number(a) && maas_size_is_number(b))
        return __builtin_sub_overflow(a, b, &difference) || !maas_size_is_number(difference) ? MAAS_SIZE_UNKNOWN
                                                                                             : difference;
    return MAAS_SIZE_UNKNOWN; /* may be negative, where a symbol stands for a size */
}

static int64_t mul(MaasBatchCtx *c, int64_t a, int64_t b)
{
    int64_t product;

    if (maas_size_is_number(a) && maas_size_is_number(b))
        return maas_mul64(a, b, &product) && maas_size_is_number(product) ? product : MAAS_SIZE_UNKNOWN;
    return maas_size_times(c, a, b);
}

static int64_t div_sizes(MaasBatchCtx *c, int64_t a, int64_t b)
{
    if (maas_size_is_number(a) && maas_size_is_number(b))
        return b != 0 ? a / b : MAAS_SIZE_UNKNOWN;
    return maas_size_over(c, a, b);
}

static int64_t equal(MaasBatchCtx *c, int64_t a, int64_t b)
{
    if ((!maas_size_is_number(a) && !maas_size_at_least(a, 0)) ||
        (!maas_size_is_number(b) && !maas_size_at_least(b, 0)))
        return MAAS_SIZE_UNKNOWN;
    if (a == b)
        return 1;
    if (maas_size_is_number(a) && maas_size_is_number(b))
        return 0;
    /* a symbol is a size: never negative */
    return (maas_size_is_number(a) && a < 0) || (maas_size_is_number(b) && b < 0) ? 0 : MAAS_SIZE_UNKNOWN;
}

/* Whether an element of a content depends on N; a number does not, not even -1. */
static bool content_of_batch(const MaasBatchCtx *c, int64_t size)
{
    return !maas_size_is_number(size) && maas_size_of_batch(c, size);
}

/* Element by element of two contents, one of which may be a single element; false when they are not known. */
static bool both(MaasBatchCtx *c, int64_t (*fn)(MaasBatchCtx *c, int64_t a, int64_t b))
{
    int64_t a[MAAS_MAX_SIZES], b[MAAS_MAX_SIZES];
    int n_a, n_b;

    if (!maas_batch_content(c, 0, &n_a, a) || !maas_batch_content(c, 1, &n_b, b) || n_a == 0 || n_b == 0 ||
        (n_a != n_b && n_a != 1 && n_b != 1))
        return false;
    int n = n_a > n_b ? n_a : n_b;
    int64_t result[MAAS_MAX_SIZES];

    for (int i = 0; i < n; i++) {
        int64_t x = a[n_a == 1 ? 0 : i], y = b[n_b == 1 ? 0 : i];
        bool free = !content_of_batch(c, x) && !content_of_batch(c, y);

        result[i] = fn(c, x, y);
        if (result[i] == MAAS_SIZE_UNKNOWN && free)
            result[i] = MAAS_SIZE_OPAQUE;
    }
    maas_batch_set_content(c, 0, n, result);
    return true;
}

const char *maas_batch_add(MaasBatchCtx *c)
{
    return both(c, add) ? NULL : maas_batch_elementwise(c);
}

const char *maas_batch_sub(MaasBatchCtx *c)
{
    return both(c, sub) ? NULL : maas_batch_elementwise(c);
}

const char *maas_batch_mul(MaasBatchCtx *c)
{
    return both(c, mul) ? NULL : maas_batch_elementwise(c);
}

const char *maas_batch_div(MaasBatchCtx *c)
{
    return both(c, div_sizes) ? NULL : maas_batch_elementwise(c);
}

const char *maas_batch_equal(MaasBatchCtx *c)
{
    return both(c, equal) ? NULL : maas_batch_elementwise(c);
}

/* The shape idiom: Where(shape == -1, ones or sizes, shape). */
const char *maas_batch_where(MaasBatchCtx *c)
{
    int64_t in[3][MAAS_MAX_SIZES], result[MAAS_MAX_SIZES];
    int n[3], most = 1;

    for (int i = 0; i < 3; i++) {
        if (!maas_batch_content(c, i, &n[i], in[i]) || n[i] == 0)
            return maas_batch_elementwise(c);
        most = n[i] > most ? n[i] : most;
    }
    for (int i = 0; i < 3; i++)
        if (n[i] != most && n[i] != 1)
            return maas_batch_elementwise(c);
    for (int k = 0; k < most; k++) {
        int64_t cond = in[0][n[0] == 1 ? 0 : k], x = in[1][n[1] == 1 ? 0 : k], y = in[2][n[2] == 1 ? 0 : k];

        if (maas_size_is_number(cond))
            result[k] = cond ? x : y;
        else
            result[k] = cond == MAAS_SIZE_OPAQUE && !content_of_batch(c, x) && !content_of_batch(c, y)
                            ? MAAS_SIZE_OPAQUE
                            : MAAS_SIZE_UNKNOWN;
    }
    maas_batch_set_content(c, 0, most, result);
    return NULL;
}

const char *maas_batch_cast(MaasBatchCtx *c)
{
    int64_t sizes[MAAS_MAX_SIZES];
    int n;

    if (maas_batch_content(c, 0, &n, sizes) && c->out[0] && maas_type_in(c->out[0]->type, MAAS_T_INDEX)) {
        maas_batch_set_content(c, 0, n, sizes);
        return NULL;
    }
    if (maas_batch_rows(c, 0) && c->result[0]) { /* CastLike: of input 1 only the type counts */
        *c->result[0] = *c->batch[0];
        return NULL;
    }
    if (!maas_batch_free(c, 0))
        return "it computes with the number of rows";
    maas_batch_set_free(c);
    return NULL;
}

/* ---- shapes ---- */

const char *maas_batch_shape(MaasBatchCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasAttr *start_attr = maas_batch_attr(c, "start"), *end_attr = maas_batch_attr(c, "end");
    int64_t start = start_attr->i, end = end_attr->set ? end_attr->i : in->rank, sizes[MAAS_MAX_RANK];

    if (in->rank < 0)
        return "the rank of its input is not known";
    if (c->batch[0]->pad)
        return "it counts how long the longest row of the batch is";
    start = start < -in->rank ? 0 : start < 0 ? start + in->rank : start > in->rank ? in->rank : start;
    end = end < -in->rank ? 0 : end < 0 ? end + in->rank : end > in->rank ? in->rank : end;
    for (int64_t i = start; i < end; i++)
        sizes[i - start] = in->dims[i] == MAAS_DIM_ANY ? MAAS_SIZE_UNKNOWN : in->dims[i];
    maas_batch_set_content(c, 0, end > start ? (int)(end - start) : 0, sizes);
    return NULL;
}

const char *maas_batch_size(MaasBatchCtx *c)
{
    int64_t size;

    if (c->in[0]->rank < 0)
        return "the rank of its input is not known";
    if (c->batch[0]->pad)
        return "it counts how long the longest row of the batch is";
    size = maas_sizes_product(c, c->in[0]->rank, c->in[0]->dims);
    maas_batch_set_content(c, 0, 1, &size);
    return NULL;
}

const char *maas_batch_constant_of_shape(MaasBatchCtx *c)
{
    int64_t sizes[MAAS_MAX_SIZES];
    int n, at = -1;

    if (!c->out[0])
        return NULL;
    if (!maas_batch_content(c, 0, &n, sizes)) {
        if (!maas_batch_free(c, 0))
            return "the shape that it makes is not known";
        maas_batch_set_free(c);
        return NULL;
    }
    if (n > MAAS_MAX_RANK)
        return "the shape that it makes is not known";
    for (int i = 0; i < n; i++) {
        if (sizes[i] == MAAS_SIZE_UNKNOWN || (content_of_batch(c, sizes[i]) && at >= 0))
            return "the shape that it makes depends on the number of rows in more than one way";
        if (content_of_batch(c, sizes[i]))
            at = i;
        c->out[0]->dims[i] = sizes[i] == MAAS_SIZE_OPAQUE ? MAAS_DIM_ANY : sizes[i];
    }
    c->out[0]->rank = n;
    maas_batch_set_free(c);
    if (at >= 0) /* equal everywhere, so that any division of the axis is right */
        maas_batch_set_rows(c, 0, at,
                            &(MaasBatch){.outer = 1, .inner = maas_size_over(c, sizes[at], MAAS_SIZE_BATCH)});
    return NULL;
}
