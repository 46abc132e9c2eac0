/*
 * roi.c - RoiAlign and MaxRoiPool: pooling of regions of interest of images.
 */
#include <math.h>
#include <string.h>

#include "adapt.h"
#include "expect.h"

static double number(const MaasTensor *t, int64_t i)
{
    return t->type == MAAS_DOUBLE ? MAAS_F64(t)[i] : (double)MAAS_F32(t)[i];
}

static void put(MaasTensor *t, int64_t i, double value)
{
    if (t->type == MAAS_DOUBLE)
        MAAS_F64(t)[i] = value;
    else
        MAAS_F32(t)[i] = (float)value;
}

/* Output (rois, channels, height, width) for input 0 (N, channels, H, W) and input 1 (rois, columns). */
static MaasStatus infer_roi(MaasInferCtx *c, int columns, int64_t height, int64_t width)
{
    int64_t dims[4] = {maas_dim(c, 1, 0), maas_dim(c, 0, 1), height, width};

    MAAS_TRY(maas_infer_want_rank(c, 0, 4));
    MAAS_TRY(maas_infer_want_rank(c, 1, 2));
    MAAS_TRY(maas_expect_dim(c, 1, 1, columns));
    if (height < 1 || width < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "the pooled size must be positive, got %lld x %lld",
                               (long long)height, (long long)width);
    return maas_infer_out(c, 0, MAAS_UNDEFINED, 4, dims);
}

/* ---- RoiAlign ---- */

enum { RA_TRANSFORM, RA_MODE, RA_HEIGHT, RA_WIDTH, RA_SAMPLING, RA_SCALE };

static bool is(const MaasAttr *attr, const char *text)
{
    return attr->s.length == strlen(text) && memcmp(attr->s.data, text, attr->s.length) == 0;
}

static MaasStatus adapt_roi_align(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version >= 16)
        return MAAS_OK;
    return maas_adapt_set_string(graph, node, "coordinate_transformation_mode", "output_half_pixel", err);
}

static MaasStatus infer_roi_align(MaasInferCtx *c)
{
    if (!is(&c->attr[RA_TRANSFORM], "half_pixel") && !is(&c->attr[RA_TRANSFORM], "output_half_pixel"))
        return maas_infer_fail(c, MAAS_ERR_VALUE,
                               "coordinate_transformation_mode must be half_pixel or output_half_pixel");
    if (!is(&c->attr[RA_MODE], "avg") && !is(&c->attr[RA_MODE], "max"))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mode must be avg or max");
    if (c->attr[RA_SAMPLING].i < 0 || c->attr[RA_SAMPLING].i > 1 << 20)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "sampling_ratio must lie between 0 and 2^20, got %lld",
                               (long long)c->attr[RA_SAMPLING].i);
    MAAS_TRY(maas_expect_vector(c, 2, maas_dim(c, 1, 0)));
    return infer_roi(c, 4, c->attr[RA_HEIGHT].i, c->attr[RA_WIDTH].i);
}

/* Neighbours of a sampling place on one axis and the weight of the second; false outside the image. */
static bool neighbours(double at, int64_t size, int64_t *low, int64_t *high, double *weight)
{
    if (!(at >= -1 && at <= (double)size))
        return false;
    if (at < 0)
        at = 0;
    *low = (int64_t)at;
    if (*low >= size - 1) {
        *low = *high = size - 1;
        *weight = 0;
    } else {
        *high = *low + 1;
        *weight = at - (double)*low;
    }
    return true;
}

/* One region in the coordinates of the image. */
typedef struct Region {
    double y, x, bin_height, bin_width;
    int64_t rows, columns; /* samples of a bin */
} Region;

/* One bin of one channel; plane: where the channel begins. */
static MaasStatus pool_bin(MaasCtx *c, const MaasTensor *x, int64_t plane, const Region *r, int64_t row,
                           int64_t column, double *result)
{
    int64_t height = x->dims[2], width = x->dims[3], count = r->rows * r->columns;
    bool largest = is(&c->attr[RA_MODE], "max"), any = false;
    double total = 0;

    for (int64_t i = 0; i < r->rows; i++) {
        double at_y = r->y + (double)row * r->bin_height + ((double)i + 0.5) * r->bin_height / (double)r->rows,
               fy = 0;
        int64_t y0 = 0, y1 = 0, x0, x1;
        bool inside = neighbours(at_y, height, &y0, &y1, &fy);

        if ((i & 63) == 0 && maas_stop(c))
            return maas_stopped(c);
        for (int64_t k = 0; k < r->columns; k++) {
            double at_x =
                r->x + (double)column * r->bin_width + ((double)k + 0.5) * r->bin_width / (double)r->columns;
            double fx, part[4] = {0, 0, 0, 0}, most;

            if (inside && neighbours(at_x, width, &x0, &x1, &fx)) {
                part[0] = (1 - fy) * (1 - fx) * number(x, plane + y0 * width + x0);
                part[1] = (1 - fy) * fx * number(x, plane + y0 * width + x1);
                part[2] = fy * (1 - fx) * number(x, plane + y1 * width + x0);
                part[3] = fy * fx * number(x, plane + y1 * width + x1);
            }
            if (!largest) {
                total += part[0] + part[1] + part[2] + part[3];
                continue;
            }
            /* the operator takes the largest weighted neighbour, not the largest interpolated value */
            most = fmax(fmax(part[0], part[1]), fmax(part[2], part[3]));
            total = any && total > most ? total : most;
            any = true;
        }
    }
    *result = largest || count < 1 ? total : total / (double)count;
    return MAAS_OK;
}

/* Samples along a bin when the attribute leaves them open; false when a region is too large to be one. */
static bool samples(int64_t given, double size, int64_t bins, int64_t *n)
{
    double open = ceil(size / (double)bins);

    if (!(open <= 1 << 20))
        return false;
    *n = given > 0 ? given : open > 0 ? (int64_t)open : 0;
    return true;
}

static MaasStatus compute_roi_align(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *rois = maas_in(c, 1), *images = maas_in(c, 2);
    MaasTensor *y = maas_out(c, 0);
    bool half = is(&c->attr[RA_TRANSFORM], "half_pixel");
    double scale = (double)c->attr[RA_SCALE].f, offset = half ? 0.5 : 0;
    int64_t height = y->dims[2], width = y->dims[3], at = 0;

    for (int64_t r = 0; r < y->dims[0]; r++) {
        int64_t image = MAAS_I64(images)[r];
        Region region = {.x = number(rois, 4 * r) * scale - offset, .y = number(rois, 4 * r + 1) * scale - offset};
        double w = number(rois, 4 * r + 2) * scale - offset - region.x;
        double h = number(rois, 4 * r + 3) * scale - offset - region.y;

        if (image < 0 || image >= x->dims[0])
            return maas_node_fail(c, MAAS_ERR_VALUE, "batch_indices[%lld] is %lld, there are %lld images",
                                  (long long)r, (long long)image, (long long)x->dims[0]);
        if (!half) {
            w = w > 1 ? w : 1;
            h = h > 1 ? h : 1;
        }
        if (!samples(c->attr[RA_SAMPLING].i, h, height, &region.rows) ||
            !samples(c->attr[RA_SAMPLING].i, w, width, &region.columns))
            return maas_node_fail(c, MAAS_ERR_VALUE, "region %lld of size %g x %g cannot be pooled", (long long)r,
                                  h, w);
        region.bin_height = h / (double)height;
        region.bin_width = w / (double)width;
        for (int64_t k = 0; k < x->dims[1]; k++)
            for (int64_t i = 0; i < height; i++)
                for (int64_t j = 0; j < width; j++) {
                    double value = 0;

                    if (x->count > 0)
                        MAAS_TRY(pool_bin(c, x, (image * x->dims[1] + k) * x->dims[2] * x->dims[3], &region, i, j,
                                          &value));
                    put(y, at++, value);
                }
    }
    return MAAS_OK;
}

const MaasOp maas_op_roi_align = {
    .domain = "",
    .name = "RoiAlign",
    .first = 10,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}, {"rois", MAAS_T_FLOATS, 'T', 0}, {"batch_indices", MAAS_T_I64, 0, 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"coordinate_transformation_mode", MAAS_ATTR_STRING, .s = "half_pixel"},
              {"mode", MAAS_ATTR_STRING, .s = "avg"},
              {"output_height", MAAS_ATTR_INT, .i = 1},
              {"output_width", MAAS_ATTR_INT, .i = 1},
              {"sampling_ratio", MAAS_ATTR_INT},
              {"spatial_scale", MAAS_ATTR_FLOAT, .f = 1}},
    .adapt = adapt_roi_align,
    .infer = infer_roi_align,
    .compute = compute_roi_align,
};

/* ---- MaxRoiPool ---- */

enum { MR_SHAPE, MR_SCALE };

static MaasStatus infer_max_roi_pool(MaasInferCtx *c)
{
    if (c->attr[MR_SHAPE].n != 2)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "pooled_shape needs 2 entries, got %lld",
                               (long long)c->attr[MR_SHAPE].n);
    return infer_roi(c, 5, c->attr[MR_SHAPE].ints[0], c->attr[MR_SHAPE].ints[1]);
}

/* value, cut to [0, size]. */
static int64_t cut(double value, int64_t size)
{
    return !(value > 0) ? 0 : value >= (double)size ? size : (int64_t)value;
}

static MaasStatus compute_max_roi_pool(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *rois = maas_in(c, 1);
    MaasTensor *y = maas_out(c, 0);
    double scale = (double)c->attr[MR_SCALE].f;
    int64_t height = y->dims[2], width = y->dims[3], at = 0;

    for (int64_t r = 0; r < y->dims[0]; r++) {
        double image = number(rois, 5 * r), left = round(number(rois, 5 * r + 1) * scale);
        double top = round(number(rois, 5 * r + 2) * scale), w = round(number(rois, 5 * r + 3) * scale) - left + 1;
        double h = round(number(rois, 5 * r + 4) * scale) - top + 1;

        w = (w > 1 ? w : 1) / (double)width;
        h = (h > 1 ? h : 1) / (double)height;
        if (!(image >= 0 && image < (double)x->dims[0]))
            return maas_node_fail(c, MAAS_ERR_VALUE, "rois[%lld] names image %g, there are %lld", (long long)r,
                                  image, (long long)x->dims[0]);
        for (int64_t k = 0; k < x->dims[1]; k++) {
            int64_t plane = ((int64_t)image * x->dims[1] + k) * x->dims[2] * x->dims[3];

            if (maas_stop(c))
                return maas_stopped(c);
            for (int64_t i = 0; i < height; i++)
                for (int64_t j = 0; j < width; j++) {
                    int64_t y0 = cut(floor((double)i * h) + top, x->dims[2]);
                    int64_t y1 = cut(ceil((double)(i + 1) * h) + top, x->dims[2]);
                    int64_t x0 = cut(floor((double)j * w) + left, x->dims[3]);
                    int64_t x1 = cut(ceil((double)(j + 1) * w) + left, x->dims[3]);
                    double most = y0 < y1 && x0 < x1 ? -(double)INFINITY : 0;

                    for (int64_t p = y0; p < y1; p++)
                        for (int64_t q = x0; q < x1; q++)
                            most = fmax(most, number(x, plane + p * x->dims[3] + q));
                    put(y, at++, most);
                }
        }
    }
    return MAAS_OK;
}

const MaasOp maas_op_max_roi_pool = {
    .domain = "",
    .name = "MaxRoiPool",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_FLOATS, 'T', 0}, {"rois", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"pooled_shape", MAAS_ATTR_INTS, .required = true}, {"spatial_scale", MAAS_ATTR_FLOAT, .f = 1}},
    .infer = infer_max_roi_pool,
    .compute = compute_max_roi_pool,
};
