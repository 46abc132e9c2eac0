/*
 * unique.c - NonZero and Unique: results whose size the data decide.
 */
#include <string.h>

#include "dims.h"
#include "move.h"

/* ---- NonZero ---- */

static MaasStatus infer_non_zero(MaasInferCtx *c)
{
    int64_t dims[2] = {c->in[0]->rank < 0 ? MAAS_DIM_ANY : c->in[0]->rank, MAAS_DIM_ANY};

    return maas_infer_out(c, 0, MAAS_INT64, 2, dims);
}

/* Whether element i differs from zero: -0.0 does not, NaN does. */
static bool is_set(const MaasTensor *t, int64_t i)
{
    switch (t->type) {
    case MAAS_FLOAT:
        return MAAS_F32(t)[i] != 0;
    case MAAS_DOUBLE:
        return MAAS_F64(t)[i] != 0;
    case MAAS_FLOAT16:
    case MAAS_BFLOAT16:
        return (((const uint16_t *)t->data)[i] & 0x7fff) != 0;
    case MAAS_COMPLEX64:
        return MAAS_F32(t)[2 * i] != 0 || MAAS_F32(t)[2 * i + 1] != 0;
    case MAAS_COMPLEX128:
        return MAAS_F64(t)[2 * i] != 0 || MAAS_F64(t)[2 * i + 1] != 0;
    case MAAS_STRING:
        return MAAS_STRS(t)[i].length > 0;
    default:
        return maas_int_at(t, i) != 0;
    }
}

static MaasStatus compute_non_zero(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasTensor *out;
    int64_t dims[2] = {in->rank, 0}, at[MAAS_MAX_RANK] = {0}, k = 0;

    for (int64_t i = 0; i < in->count; i++)
        dims[1] += is_set(in, i);
    MAAS_TRY(maas_out_new(c, 0, MAAS_INT64, 2, dims, &out));
    for (int64_t i = 0; i < in->count; i++) {
        if (is_set(in, i)) {
            for (int d = 0; d < in->rank; d++)
                MAAS_I64(out)[d * dims[1] + k] = at[d];
            k++;
        }
        for (int d = in->rank - 1; d >= 0; d--) {
            if (++at[d] < in->dims[d])
                break;
            at[d] = 0;
        }
        if ((i & 0xfffff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

#define NON_ZERO_TYPES (MAAS_T_NUMERIC | MAAS_T_BOOL | MAAS_T_STRING | MAAS_T_COMPLEX)

const MaasOp maas_op_non_zero = {
    .name = "NonZero",
    .first = 9,
    .since = 9,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"X", NON_ZERO_TYPES, 0, 0}},
    .out = {{"Y", MAAS_T_I64, 0, 0}},
    .infer = infer_non_zero,
    .compute = compute_non_zero,
};

/* ---- Unique ---- */

enum { UNIQUE_AXIS, UNIQUE_SORTED };

static MaasStatus infer_unique(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    int64_t dims[MAAS_MAX_RANK] = {MAAS_DIM_ANY}, any = MAAS_DIM_ANY, places = MAAS_DIM_ANY;
    int axis = 0, rank = 1;

    if (c->attr[UNIQUE_AXIS].set) {
        rank = in->rank;
        if (rank >= 0) {
            MAAS_TRY(maas_infer_axis(c, c->attr[UNIQUE_AXIS].i, rank, &axis));
            memcpy(dims, in->dims, sizeof dims);
            places = dims[axis];
            dims[axis] = MAAS_DIM_ANY;
        }
    } else if (maas_dims_known(in->rank, in->dims) && !maas_count_dims(in->rank, in->dims, &places)) {
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "the number of elements overflows");
    }
    MAAS_TRY(maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims));
    MAAS_TRY(maas_infer_out(c, 1, MAAS_INT64, 1, &any));
    MAAS_TRY(maas_infer_out(c, 2, MAAS_INT64, 1, &places));
    return maas_infer_out(c, 3, MAAS_INT64, 1, &any);
}

/* The input seen as (outer, n, inner): subtensor k is all elements (., k, .). */
typedef struct UniqueView {
    const MaasTensor *in;
    int64_t outer, n, inner;
} UniqueView;

/* NaN sorts last and equals NaN, as in numpy. */
#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b) ? 1 : (a) == (b) ? 0 : ((a) != (a)) - ((b) != (b)))

static int compare_at(const MaasTensor *t, int64_t i, int64_t j)
{
    switch (t->type) {
    case MAAS_FLOAT:
        return COMPARE(MAAS_F32(t)[i], MAAS_F32(t)[j]);
    case MAAS_DOUBLE:
    case MAAS_FLOAT16:
    case MAAS_BFLOAT16: {
        double a = maas_number_at(t, i), b = maas_number_at(t, j);

        return COMPARE(a, b);
    }
    case MAAS_UINT64: {
        const uint64_t *u = t->data;

        return (u[i] > u[j]) - (u[i] < u[j]);
    }
    case MAAS_STRING: {
        const MaasStr *a = &MAAS_STRS(t)[i], *b = &MAAS_STRS(t)[j];
        size_t n = a->length < b->length ? a->length : b->length;
        int order = n > 0 ? memcmp(a->data, b->data, n) : 0;

        return order ? order : (a->length > b->length) - (a->length < b->length);
    }
    case MAAS_COMPLEX64: {
        int order = COMPARE(MAAS_F32(t)[2 * i], MAAS_F32(t)[2 * j]);

        return order ? order : COMPARE(MAAS_F32(t)[2 * i + 1], MAAS_F32(t)[2 * j + 1]);
    }
    case MAAS_COMPLEX128: {
        int order = COMPARE(MAAS_F64(t)[2 * i], MAAS_F64(t)[2 * j]);

        return order ? order : COMPARE(MAAS_F64(t)[2 * i + 1], MAAS_F64(t)[2 * j + 1]);
    }
    default: {
        int64_t a = maas_int_at(t, i), b = maas_int_at(t, j);

        return (a > b) - (a < b);
    }
    }
}

static int compare_sub(const UniqueView *v, int64_t a, int64_t b)
{
    for (int64_t o = 0; o < v->outer; o++)
        for (int64_t i = 0; i < v->inner; i++) {
            int order = compare_at(v->in, (o * v->n + a) * v->inner + i, (o * v->n + b) * v->inner + i);

            if (order)
                return order;
        }
    return 0;
}

/* Stable merge sort of places by the order of their subtensors (or, when first is given, of the numbers
 * first[place]). */
static MaasStatus sort_places(MaasCtx *c, const UniqueView *v, const int64_t *first, int64_t *places, int64_t n)
{
    int64_t *from = places, *to = maas_scratch(c, (size_t)n, sizeof *to);

    if (!to)
        return c->err->status;
    for (int64_t width = 1; width < n; width *= 2) {
        int64_t *swap;

        for (int64_t lo = 0; lo < n; lo += 2 * width) {
            int64_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            int64_t i = lo, j = mid;

            if (maas_stop(c))
                return maas_stopped(c);
            for (int64_t k = lo; k < hi; k++) {
                bool right =
                    i == mid ||
                    (j < hi && (first ? first[from[j]] < first[from[i]] : compare_sub(v, from[j], from[i]) < 0));

                to[k] = right ? from[j++] : from[i++];
            }
        }
        swap = from;
        from = to;
        to = swap;
    }
    if (from != places)
        memcpy(places, from, (size_t)n * sizeof *places);
    return MAAS_OK;
}

/* Makes the output of subtensors first[order[0]], first[order[1]] ... */
static MaasStatus take_subtensors(MaasCtx *c, const UniqueView *v, int axis, int64_t n, const int64_t *order,
                                  const int64_t *first)
{
    const MaasTensor *in = v->in;
    MaasTensor *out;
    int64_t dims[MAAS_MAX_RANK];
    size_t bytes;

    if (!maas_has_out(c, 0))
        return MAAS_OK;
    memcpy(dims, in->dims, sizeof dims);
    dims[axis < 0 ? 0 : axis] = n;
    MAAS_TRY(maas_out_new(c, 0, in->type, axis < 0 ? 1 : in->rank, dims, &out));
    if (out->count == 0)
        return MAAS_OK;
    bytes = (size_t)v->inner * maas_type_size(in->type);
    for (int64_t o = 0; o < v->outer; o++)
        for (int64_t k = 0; k < n; k++)
            memcpy((char *)out->data + (size_t)(o * n + k) * bytes,
                   (const char *)in->data + (size_t)(o * v->n + first[order[k]]) * bytes, bytes);
    return MAAS_OK;
}

static MaasStatus put_ints(MaasCtx *c, int i, int64_t n, const int64_t *values)
{
    MaasTensor *out;

    if (!maas_has_out(c, i))
        return MAAS_OK;
    MAAS_TRY(maas_out_new(c, i, MAAS_INT64, 1, &n, &out));
    if (n > 0)
        memcpy(out->data, values, (size_t)n * sizeof *values);
    return MAAS_OK;
}

static MaasStatus compute_unique(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    int axis = c->attr[UNIQUE_AXIS].set ? maas_axis(c->attr[UNIQUE_AXIS].i, in->rank) : -1;
    UniqueView v = {.in = in, .outer = 1, .n = axis < 0 ? in->count : in->dims[axis], .inner = 1};
    int64_t *places, *group, *first, *counts, *order, *rank, *buffer, n = 0;

    for (int i = 0; i < axis; i++)
        v.outer *= in->dims[i];
    for (int i = axis + 1; axis >= 0 && i < in->rank; i++)
        v.inner *= in->dims[i];
    buffer = maas_scratch(c, (size_t)v.n, 6 * sizeof *buffer);
    if (!buffer)
        return c->err->status;
    places = buffer;
    group = places + v.n; /* of each place, in sorted order */
    first = group + v.n;  /* of each group: its first place */
    counts = first + v.n; /* of each group */
    order = counts + v.n; /* groups in the order of the output */
    rank = order + v.n;   /* of each group in the output */
    for (int64_t i = 0; i < v.n; i++)
        places[i] = i;
    MAAS_TRY(sort_places(c, &v, NULL, places, v.n));
    for (int64_t i = 0; i < v.n; i++) {
        if (i == 0 || compare_sub(&v, places[i - 1], places[i]) != 0) {
            first[n] = places[i];
            counts[n] = 0;
            order[n] = n;
            n++;
        }
        counts[n - 1]++;
        group[places[i]] = n - 1;
    }
    if (!c->attr[UNIQUE_SORTED].i)
        MAAS_TRY(sort_places(c, &v, first, order, n));
    for (int64_t k = 0; k < n; k++)
        rank[order[k]] = k;
    MAAS_TRY(take_subtensors(c, &v, axis, n, order, first));
    for (int64_t i = 0; i < v.n; i++)
        places[i] = rank[group[i]];
    MAAS_TRY(put_ints(c, 2, v.n, places));
    for (int64_t k = 0; k < n; k++)
        places[k] = first[order[k]];
    MAAS_TRY(put_ints(c, 1, n, places));
    for (int64_t k = 0; k < n; k++)
        places[k] = counts[order[k]];
    return put_ints(c, 3, n, places);
}

const MaasOp maas_op_unique = {
    .name = "Unique",
    .first = 11,
    .since = 11,
    .flags = MAAS_OP_DYNAMIC,
    .in = {{"X", NON_ZERO_TYPES, 'T', 0}},
    .out = {{"Y", NON_ZERO_TYPES, 'T', 0},
            {"indices", MAAS_T_I64, 0, MAAS_OPTIONAL},
            {"inverse_indices", MAAS_T_I64, 0, MAAS_OPTIONAL},
            {"counts", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .attrs = {[UNIQUE_AXIS] = {"axis", MAAS_ATTR_INT, .i = 0}, [UNIQUE_SORTED] = {"sorted", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_unique,
    .compute = compute_unique,
};
