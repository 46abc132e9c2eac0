/*
 * deform_conv.c - DeformConv: a convolution whose taps are moved by offsets and weighted by a mask.
 *
 * The matrix of windows holds multilinear interpolations; taps outside the image read 0.  Any number of spatial
 * axes.  The rest is a product with the filters, as in conv.c.
 */
#include <math.h>

#include "batch.h"
#include "conv.h"
#include "expect.h"
#include "product.h"

enum { DC_X, DC_W, DC_OFFSET, DC_BIAS, DC_MASK };
/* The window's attributes without auto_pad stand at 0 to 3. */
enum { DC_KERNEL, DC_STRIDES, DC_PADS, DC_DILATIONS, DC_GROUP, DC_OFFSET_GROUP };

static MaasWindowAttrs deform_attrs(const MaasAttr *attr)
{
    return (MaasWindowAttrs){NULL, &attr[DC_KERNEL], &attr[DC_STRIDES], &attr[DC_PADS], &attr[DC_DILATIONS], false};
}

static MaasStatus infer_deform_conv(MaasInferCtx *c)
{
    MaasWindowAttrs attrs = deform_attrs(c->attr);
    int64_t group = c->attr[DC_GROUP].i, offsets = c->attr[DC_OFFSET_GROUP].i, taps = offsets;
    int64_t channels = maas_dim(c, DC_X, 1), filters = maas_dim(c, DC_W, 0), dims[MAAS_MAX_RANK];
    const MaasInfo *x = c->in[DC_X], *w = c->in[DC_W];
    MaasWindow window;

    MAAS_TRY(maas_expect_rank_in(c, DC_X, 3, MAAS_MAX_RANK));
    MAAS_TRY(maas_expect_rank_in(c, DC_W, 3, MAAS_MAX_RANK));
    if (x->rank >= 0)
        MAAS_TRY(maas_infer_want_rank(c, DC_W, x->rank));
    if (group < 1 || offsets < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "group and offset_group must be positive, got %lld and %lld",
                               (long long)group, (long long)offsets);
    if ((filters >= 0 && filters % group != 0) ||
        (channels >= 0 && (channels % group != 0 || channels % offsets != 0)))
        return maas_infer_fail(
            c, MAAS_ERR_SHAPE,
            "%lld filters and %lld channels cannot be divided into %lld groups (offset_group %lld)",
            (long long)filters, (long long)channels, (long long)group, (long long)offsets);
    MAAS_TRY(maas_expect_dim(c, DC_W, 1, channels < 0 ? MAAS_DIM_ANY : channels / group));
    MAAS_TRY(maas_expect_vector(c, DC_BIAS, filters));
    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_window_infer(c, &attrs, x->rank - 2, x->dims + 2, w->rank >= 0 ? w->dims + 2 : NULL, &window));
    dims[0] = x->dims[0];
    for (int i = 0; i < window.n; i++) {
        dims[2 + i] = window.out[i];
        if (taps >= 0 && (window.kernel[i] < 0 || !maas_mul64(taps, window.kernel[i], &taps)))
            taps = MAAS_DIM_ANY;
    }
    dims[1] = taps < 0 || !maas_mul64(taps, window.n, &dims[1]) ? MAAS_DIM_ANY : dims[1];
    MAAS_TRY(maas_expect_shape(c, DC_OFFSET, x->rank, dims));
    dims[1] = taps;
    MAAS_TRY(maas_expect_shape(c, DC_MASK, x->rank, dims));
    dims[1] = filters;
    return maas_infer_out(c, 0, MAAS_UNDEFINED, x->rank, dims);
}

static double cost_deform_conv(const MaasInferCtx *c)
{
    return maas_conv_cost(c, DC_W);
}

static double number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

/* The value of a plane at a place between its elements. */
static double sample(const MaasTensor *x, int64_t plane, const MaasWindow *w, const double *place)
{
    int64_t low[MAAS_MAX_SPATIAL];
    double high[MAAS_MAX_SPATIAL], total = 0;

    for (int i = 0; i < w->n; i++) {
        if (!(place[i] > -1 && place[i] < (double)w->in[i]))
            return 0;
        low[i] = (int64_t)floor(place[i]);
        high[i] = place[i] - floor(place[i]);
    }
    for (unsigned corner = 0; corner < 1u << w->n; corner++) {
        double weight = 1;
        int64_t at = 0;

        for (int i = 0; i < w->n && weight != 0; i++) {
            int64_t q = low[i] + (corner >> i & 1);

            weight *= corner >> i & 1 ? high[i] : 1 - high[i];
            if (q < 0 || q >= w->in[i])
                weight = 0;
            at = at * w->in[i] + q;
        }
        if (weight != 0)
            total += weight * number(x, plane + at);
    }
    return total;
}

typedef struct Deform {
    MaasConv v;
    const MaasTensor *x, *offset, *mask;
    int64_t offset_groups;
} Deform;

/* tile (depth, n) = what the taps of the positions [from, from + n) read in one group of one image. */
static MaasStatus read_tile(MaasCtx *c, const Deform *d, int64_t image, int64_t group, int64_t from, int64_t n,
                            void *tile)
{
    const MaasWindow *w = &d->v.w;
    int64_t channels = d->v.channels * d->v.groups;

    for (int64_t row = 0; row < d->v.depth; row++) {
        int64_t channel = group * d->v.channels + row / d->v.taps, tap = row % d->v.taps, rest = tap;
        int64_t set = channel / (channels / d->offset_groups); /* of offsets */
        int64_t at = ((image * d->offset_groups + set) * d->v.taps + tap) * d->v.outputs, t[MAAS_MAX_SPATIAL];

        if (maas_stop(c))
            return maas_stopped(c);
        for (int i = w->n - 1; i >= 0; i--) {
            t[i] = rest % w->kernel[i];
            rest /= w->kernel[i];
        }
        for (int64_t p = 0; p < n; p++) {
            double place[MAAS_MAX_SPATIAL], value;

            rest = from + p;
            for (int i = w->n - 1; i >= 0; i--) {
                place[i] = (double)(rest % w->out[i] * w->stride[i] + t[i] * w->dilation[i] - w->before[i]) +
                           number(d->offset, (at * w->n) + i * d->v.outputs + from + p);
                rest /= w->out[i];
            }
            value = sample(d->x, (image * channels + channel) * d->v.inputs, w, place);
            if (d->mask)
                value *= number(d->mask, at + from + p);
            if (d->x->type == MAAS_DOUBLE)
                ((double *)tile)[row * n + p] = value;
            else
                ((float *)tile)[row * n + p] = (float)value;
        }
    }
    return MAAS_OK;
}

static MaasStatus compute_deform_conv(MaasCtx *c)
{
    const MaasTensor *w = maas_in(c, DC_W), *bias = maas_in(c, DC_BIAS);
    MaasTensor *y = maas_out(c, 0);
    MaasWindowAttrs attrs = deform_attrs(c->attr);
    size_t size = maas_type_size(y->type);
    int64_t step;
    Deform d = {.x = maas_in(c, DC_X),
                .offset = maas_in(c, DC_OFFSET),
                .mask = maas_in(c, DC_MASK),
                .offset_groups = c->attr[DC_OFFSET_GROUP].i};
    void *tile;

    if (y->count == 0)
        return MAAS_OK;
    maas_conv_sizes(&attrs, c->attr[DC_GROUP].i, d.x, w, &d.v);
    if (d.x->count == 0)
        d.v.depth = 0;
    step = maas_conv_tile(d.v.depth, d.v.outputs);
    tile = maas_scratch(c, (size_t)step, (size_t)d.v.depth * size);
    if (!tile)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < d.v.batch; i++)
        for (int64_t g = 0; g < d.v.groups; g++) {
            int64_t at = (i * d.v.groups + g) * d.v.filters * d.v.outputs;

            for (int64_t k = 0; bias && k < d.v.filters * d.v.outputs; k++) {
                int64_t filter = g * d.v.filters + k / d.v.outputs;

                if (y->type == MAAS_DOUBLE)
                    MAAS_F64(y)[at + k] = MAAS_F64(bias)[filter];
                else
                    MAAS_F32(y)[at + k] = MAAS_F32(bias)[filter];
            }
            for (int64_t p = 0; p < d.v.outputs; p += step) {
                int64_t n = d.v.outputs - p < step ? d.v.outputs - p : step;

                MAAS_TRY(read_tile(c, &d, i, g, p, n, tile));
                MAAS_TRY(maas_product(c, y->type, false, false, d.v.filters, n, d.v.depth, 1,
                                      (const char *)w->data + (size_t)(g * d.v.filters * d.v.depth) * size,
                                      d.v.depth, tile, n, bias ? 1 : 0, (char *)y->data + (size_t)(at + p) * size,
                                      d.v.outputs));
            }
        }
    return MAAS_OK;
}

const MaasOp maas_op_deform_conv = {
    .domain = "",
    .name = "DeformConv",
    .first = 19,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0},
           {"W", MAAS_T_FLOATS, 'T', 0},
           {"offset", MAAS_T_FLOATS, 'T', 0},
           {"B", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
           {"mask", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"kernel_shape", MAAS_ATTR_INTS},
              {"strides", MAAS_ATTR_INTS},
              {"pads", MAAS_ATTR_INTS},
              {"dilations", MAAS_ATTR_INTS},
              {"group", MAAS_ATTR_INT, .i = 1},
              {"offset_group", MAAS_ATTR_INT, .i = 1}},
    .infer = infer_deform_conv,
    .compute = compute_deform_conv,
    .batch = maas_batch_deform_conv,
    .cost = cost_deform_conv,
};
