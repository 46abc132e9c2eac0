/*
 * pad.c - Pad and CenterCropPad.
 *
 * An axis is first cropped by its negative pads, then extended.  For the modes that repeat elements, a table an
 * axis says which input index each output index shows.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"
#include "move.h"

enum { PAD_DATA, PAD_PADS, PAD_VALUE, PAD_AXES };

typedef enum PadMode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP, PAD_UNKNOWN } PadMode;

static PadMode mode_of(const MaasAttr *attr)
{
    static const char *const names[] = {"constant", "reflect", "edge", "wrap"};

    for (int i = 0; i < 4; i++)
        if (attr->s.length == strlen(names[i]) && memcmp(attr->s.data, names[i], attr->s.length) == 0)
            return (PadMode)i;
    return PAD_UNKNOWN;
}

static MaasStatus adapt_pad(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version < 2)
        maas_adapt_rename_attr(node, "paddings", "pads");
    if (version >= 11)
        return MAAS_OK;
    MAAS_TRY(maas_adapt_attr_to_input(graph, node, "pads", PAD_PADS, err));
    return maas_adapt_attr_to_input(graph, node, "value", PAD_VALUE, err);
}

/* Size of an axis of n elements with these pads; false when it overflows or too much is cropped. */
static bool padded_size(int64_t n, int64_t before, int64_t after, int64_t *size)
{
    return !__builtin_add_overflow(n, before, size) && !__builtin_add_overflow(*size, after, size) && *size >= 0 &&
           (before >= 0 || -(uint64_t)before <= (uint64_t)n) && (after >= 0 || -(uint64_t)after <= (uint64_t)n);
}

static MaasStatus pad_axis(const MaasInferCtx *c, PadMode mode, int axis, int64_t before, int64_t after,
                           int64_t *dim)
{
    int64_t n = *dim, kept;

    if (before == 0 && after == 0)
        return MAAS_OK;
    *dim = MAAS_DIM_ANY;
    if (n < 0)
        return MAAS_OK;
    if (!padded_size(n, before, after, dim))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "pads %lld and %lld do not fit axis %d of size %lld",
                               (long long)before, (long long)after, axis, (long long)n);
    kept = n + (before < 0 ? before : 0) + (after < 0 ? after : 0);
    if (mode != PAD_CONSTANT && kept == 0 && *dim > 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "axis %d is empty: there is nothing to repeat", axis);
    return MAAS_OK;
}

static MaasStatus infer_pad(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[PAD_DATA];
    const MaasTensor *pads = maas_known(c, PAD_PADS), *list = maas_known(c, PAD_AXES);
    PadMode mode = mode_of(&c->attr[0]);
    int64_t dims[MAAS_MAX_RANK], length, n_axes;
    int axes[MAAS_MAX_RANK], n;

    if (mode == PAD_UNKNOWN)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mode must be constant, reflect, edge or wrap, got \"%.*s\"",
                               (int)c->attr[0].s.length, c->attr[0].s.data);
    MAAS_TRY(maas_infer_scalar(c, PAD_VALUE));
    if (maas_present(c, PAD_VALUE) && c->in[PAD_VALUE]->type != in->type &&
        !(c->in[PAD_VALUE]->type == MAAS_FLOAT && maas_type_in(in->type, MAAS_T_FLOATS)))
        return maas_infer_fail(c, MAAS_ERR_TYPE, "constant_value is %s, data is %s",
                               maas_type_name(c->in[PAD_VALUE]->type), maas_type_name(in->type));
    MAAS_TRY(maas_infer_vector(c, PAD_PADS, &length));
    MAAS_TRY(maas_infer_vector(c, PAD_AXES, &n_axes));
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    n = in->rank;
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n; i++)
        axes[i] = i;
    if (list)
        MAAS_TRY(maas_infer_axes_of(c, list, in->rank, axes, &n));
    if (!maas_present(c, PAD_AXES) || list)
        MAAS_TRY(maas_infer_equal(c, "the number of pads (two for each axis)", 2 * n, length));
    if (!pads || (maas_present(c, PAD_AXES) && !list)) {
        for (int i = 0; i < in->rank; i++)
            dims[i] = MAAS_DIM_ANY;
        for (int i = 0; i < in->rank && !pads && list; i++)
            dims[i] = in->dims[i];
        for (int i = 0; i < n && !pads && list; i++)
            dims[axes[i]] = MAAS_DIM_ANY;
        return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
    }
    for (int i = 0; i < n; i++)
        MAAS_TRY(pad_axis(c, mode, axes[i], maas_known_int(pads, i), maas_known_int(pads, i + n), &dims[axes[i]]));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
}

/* Copies the part of `in` from `from` on, of shape dims, to `to` in out. */
static MaasStatus copy_box(MaasCtx *c, const MaasTensor *in, const int64_t *from, const int64_t *dims,
                           MaasTensor *out, const int64_t *to)
{
    MaasMove m = {.size = maas_type_size(in->type), .rank = in->rank};
    int64_t src = 0, dst = 0;

    for (int i = 0; i < in->rank; i++)
        if (dims[i] <= 0)
            return MAAS_OK;
    maas_row_major(in->rank, in->dims, m.src_step);
    maas_row_major(out->rank, out->dims, m.dst_step);
    for (int i = 0; i < in->rank; i++) {
        m.dims[i] = dims[i];
        src += from[i] * m.src_step[i];
        dst += to[i] * m.dst_step[i];
    }
    m.src = (const char *)in->data + (size_t)src * m.size;
    m.dst = (char *)out->data + (size_t)dst * m.size;
    return maas_move(c, &m);
}

/* The input index that output index o of an axis shows; n elements are kept, the first at `before`. */
static int64_t shown(PadMode mode, int64_t o, int64_t before, int64_t n)
{
    int64_t i = o - before, period;

    switch (mode) {
    case PAD_REFLECT:
        if (n == 1)
            return 0;
        period = 2 * (n - 1);
        i = (i % period + period) % period;
        return i < n ? i : period - i;
    case PAD_EDGE:
        return i < 0 ? 0 : i >= n ? n - 1 : i;
    default:
        return (i % n + n) % n;
    }
}

/* Modes that repeat elements: out (row-major) = in at the indices of one table an axis, as offsets. */
static MaasStatus pad_by_table(MaasCtx *c, PadMode mode, const MaasTensor *in, const int64_t *crop,
                               const int64_t *kept, const int64_t *before, MaasTensor *out)
{
    int64_t steps[MAAS_MAX_RANK], at[MAAS_MAX_RANK] = {0}, *table[MAAS_MAX_RANK], *last, n_last;
    int rank = in->rank, inner = rank - 1;
    size_t size = maas_type_size(in->type);
    const char *src = in->data;

    if (rank == 0) {
        memcpy(out->data, in->data, size);
        return MAAS_OK;
    }
    maas_row_major(rank, in->dims, steps);
    for (int d = 0; d < rank; d++) {
        table[d] = maas_scratch(c, (size_t)out->dims[d], sizeof *table[d]);
        if (!table[d])
            return c->err->status;
        for (int64_t o = 0; o < out->dims[d]; o++)
            table[d][o] = (crop[d] + shown(mode, o, before[d], kept[d])) * steps[d];
    }
    last = table[inner];
    n_last = out->dims[inner];
    for (int64_t row = 0; row < out->count / n_last; row++) {
        int64_t base = 0;

        for (int d = 0; d < inner; d++)
            base += table[d][at[d]];
        maas_kernel->gather(size, n_last, src + (size_t)base * size, last,
                            (char *)out->data + (size_t)(row * n_last) * size);
        for (int d = inner - 1; d >= 0; d--) {
            if (++at[d] < out->dims[d])
                break;
            at[d] = 0;
        }
        if ((row & 0xfff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

/* The element to pad with, in the type of the data. */
static void pad_element(const MaasTensor *value, MaasType type, void *element)
{
    memset(element, 0, 16);
    if (!value)
        return;
    if (value->type == type)
        memcpy(element, value->data, maas_type_size(type));
    else if (type == MAAS_DOUBLE)
        *(double *)element = MAAS_F32(value)[0];
    else
        *(uint16_t *)element =
            type == MAAS_FLOAT16 ? maas_f32_to_f16(MAAS_F32(value)[0]) : maas_f32_to_bf16(MAAS_F32(value)[0]);
}

static MaasStatus compute_pad(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, PAD_DATA), *pads = maas_in(c, PAD_PADS), *list = maas_in(c, PAD_AXES);
    MaasTensor *out = maas_out(c, 0);
    PadMode mode = mode_of(&c->attr[0]);
    int64_t crop[MAAS_MAX_RANK] = {0}, before[MAAS_MAX_RANK] = {0}, kept[MAAS_MAX_RANK];
    int n = list ? (int)list->count : in->rank;
    double element[2];

    if (out->count == 0)
        return MAAS_OK;
    memcpy(kept, in->dims, sizeof kept);
    for (int i = 0; i < n; i++) {
        int axis = list ? maas_axis(maas_known_int(list, i), in->rank) : i;
        int64_t b = maas_known_int(pads, i), a = maas_known_int(pads, i + n);

        crop[axis] = b < 0 ? -b : 0;
        before[axis] = b > 0 ? b : 0;
        kept[axis] += (b < 0 ? b : 0) + (a < 0 ? a : 0);
    }
    if (mode != PAD_CONSTANT)
        return pad_by_table(c, mode, in, crop, kept, before, out);
    if (out->count != in->count || memcmp(out->dims, in->dims, (size_t)in->rank * sizeof *in->dims) != 0) {
        pad_element(maas_in(c, PAD_VALUE), in->type, element);
        maas_fill(out->data, element, maas_type_size(in->type), out->count);
    }
    return copy_box(c, in, crop, kept, out, before);
}

/* Padding with zeros by the same numbers negated: it cuts off what was added, and puts back what was cut. */
static void grad_pad(MaasGrad *g)
{
    int pads = MAAS_GRAD(g, "Neg", maas_grad_in(g, PAD_PADS));

    if (mode_of(&maas_grad_attrs(g)[0]) != PAD_CONSTANT)
        maas_grad_refuse(g, "mode %.*s", (int)maas_grad_attrs(g)[0].s.length, maas_grad_attrs(g)[0].s.data);
    maas_grad_give(g, PAD_DATA,
                   MAAS_GRAD(g, "Pad", maas_grad_dy(g, 0), pads, MAAS_NO_VALUE, maas_grad_in(g, PAD_AXES)));
}

const MaasOp maas_op_pad = {
    .name = "Pad",
    .first = 1,
    .since = 11,
    .in = {{"data", MAAS_T_ANY, 'T', 0},
           {"pads", MAAS_T_I64, 0, 0},
           {"constant_value", MAAS_T_ANY, 0, MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"axes", MAAS_T_INDEX, 0, MAAS_OPTIONAL}},
    .out = {{"output", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"mode", MAAS_ATTR_STRING, .s = "constant"}},
    .adapt = adapt_pad,
    .infer = infer_pad,
    .compute = compute_pad,
    .batch = maas_batch_pad,
    .grad = grad_pad,
};

/* ---- CenterCropPad ---- */

static MaasStatus infer_center_crop_pad(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[0];
    const MaasTensor *shape = maas_known(c, 1);
    const MaasAttr *list = &c->attr[0];
    int64_t dims[MAAS_MAX_RANK], length;
    int axes[MAAS_MAX_RANK], n = in->rank;

    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n; i++)
        axes[i] = i;
    if (list->set) {
        MAAS_TRY(maas_infer_axes(c, list->n, list->ints, in->rank, axes));
        n = (int)list->n;
    }
    MAAS_TRY(maas_infer_equal(c, "the number of sizes in shape", n, length));
    for (int i = 0; i < n; i++) {
        dims[axes[i]] = shape ? maas_known_int(shape, i) : MAAS_DIM_ANY;
        if (shape && dims[axes[i]] < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "size %d of the shape is %lld", i, (long long)dims[axes[i]]);
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
}

static MaasStatus compute_center_crop_pad(MaasCtx *c)
{
    const MaasTensor *in = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    int64_t from[MAAS_MAX_RANK], to[MAAS_MAX_RANK], kept[MAAS_MAX_RANK];

    if (out->count == 0)
        return MAAS_OK;
    memset(out->data, 0, maas_tensor_bytes(out));
    for (int i = 0; i < in->rank; i++) {
        int64_t have = in->dims[i], want = out->dims[i];

        from[i] = have > want ? (have - want) / 2 : 0;
        to[i] = want > have ? (want - have) / 2 : 0;
        kept[i] = have < want ? have : want;
    }
    return copy_box(c, in, from, kept, out, to);
}

const MaasOp maas_op_center_crop_pad = {
    .name = "CenterCropPad",
    .first = 18,
    .since = 18,
    .in = {{"input_data", MAAS_T_ANY, 'T', 0}, {"shape", MAAS_T_INDEX, 0, 0}},
    .out = {{"output_data", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"axes", MAAS_ATTR_INTS, .required = false}},
    .infer = infer_center_crop_pad,
    .compute = compute_center_crop_pad,
};
