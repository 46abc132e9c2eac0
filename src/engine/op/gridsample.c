/*
 * gridsample.c - GridSample and AffineGrid: sampling at places that a grid names (spatial transformers).
 *
 * A grid point becomes, for each spatial axis, a few indices with weights; their cartesian product is summed for
 * all channels.  Any number of spatial axes up to 6.
 */
#include <math.h>
#include <string.h>

#include "adapt.h"
#include "batch.h"
#include "dims.h"

enum { GRID_ALIGN, GRID_MODE, GRID_PADDING };

typedef enum GridMode { GRID_NEAREST, GRID_LINEAR, GRID_CUBIC } GridMode;
typedef enum GridPadding { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION } GridPadding;

#define GRID_MAX_AXES 6
#define GRID_CHANNELS 16 /* that share one walk over the taps */

static bool is_text(const MaasAttr *attr, const char *text)
{
    return attr->s.length == strlen(text) && memcmp(attr->s.data, text, attr->s.length) == 0;
}

static bool grid_mode(const MaasAttr *attr, GridMode *mode)
{
    if (is_text(attr, "linear") || is_text(attr, "bilinear"))
        *mode = GRID_LINEAR;
    else if (is_text(attr, "cubic") || is_text(attr, "bicubic"))
        *mode = GRID_CUBIC;
    else if (is_text(attr, "nearest"))
        *mode = GRID_NEAREST;
    else
        return false;
    return true;
}

static bool grid_padding(const MaasAttr *attr, GridPadding *padding)
{
    if (is_text(attr, "zeros"))
        *padding = GRID_ZEROS;
    else if (is_text(attr, "border"))
        *padding = GRID_BORDER;
    else if (is_text(attr, "reflection"))
        *padding = GRID_REFLECTION;
    else
        return false;
    return true;
}

static MaasStatus infer_grid_sample(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0], *grid = c->in[1];
    int64_t dims[MAAS_MAX_RANK];
    GridMode mode;
    GridPadding padding;
    int rank = x->rank >= 0 ? x->rank : grid->rank;

    if (!grid_mode(&c->attr[GRID_MODE], &mode))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mode must be linear, nearest or cubic, got \"%.*s\"",
                               (int)c->attr[GRID_MODE].s.length, c->attr[GRID_MODE].s.data);
    if (!grid_padding(&c->attr[GRID_PADDING], &padding))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "padding_mode must be zeros, border or reflection, got \"%.*s\"",
                               (int)c->attr[GRID_PADDING].s.length, c->attr[GRID_PADDING].s.data);
    if (rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (rank < 3 || rank > GRID_MAX_AXES + 2)
        return maas_infer_fail(c, MAAS_ERR_UNSUPPORTED, "the input must have rank 3 to %d, got %d",
                               GRID_MAX_AXES + 2, rank);
    MAAS_TRY(maas_infer_want_rank(c, 1, rank));
    for (int i = 0; i < rank; i++)
        dims[i] = MAAS_DIM_ANY;
    if (grid->rank >= 0) {
        MAAS_TRY(maas_infer_equal(c, "the last size of grid (one coordinate a spatial axis)", rank - 2,
                                  grid->dims[rank - 1]));
        memcpy(dims + 2, grid->dims + 1, (size_t)(rank - 2) * sizeof *dims);
        dims[0] = grid->dims[0];
    }
    if (x->rank >= 0) {
        if (grid->rank >= 0)
            MAAS_TRY(maas_infer_equal(c, "the batch size of grid", x->dims[0], grid->dims[0]));
        dims[0] = dims[0] < 0 ? x->dims[0] : dims[0];
        dims[1] = x->dims[1];
        for (int i = 2; i < rank; i++)
            if (x->dims[i] == 0)
                return maas_infer_fail(c, MAAS_ERR_SHAPE, "axis %d is empty: there is nothing to sample", i);
    }
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

/* Indices (-1: outside, counts as zero) and weights along one axis. */
typedef struct Taps {
    int n;
    int64_t index[4];
    double weight[4];
} Taps;

typedef struct GridJob {
    const MaasTensor *x, *grid;
    MaasTensor *y;
    GridMode mode;
    GridPadding padding;
    bool align;
    int axes;
    int64_t points, channels, pixels; /* of one image */
} GridJob;

/* Reflects at low and high until it is within. */
static double reflect(double x, double low, double high)
{
    double range = high - low, distance, n, rest;

    if (range <= 0)
        return low;
    distance = x < low ? low - x : x > high ? x - high : 0;
    if (distance == 0)
        return x;
    n = floor(distance / range);
    rest = distance - n * range;
    return (fmod(n, 2) == 0) == (x < low) ? low + rest : high - rest;
}

/* The index that a tap shows under the padding, or -1. */
static int64_t pixel(const GridJob *job, int64_t i, int64_t size)
{
    if (i >= 0 && i < size)
        return i;
    switch (job->padding) {
    case GRID_BORDER:
        return i < 0 ? 0 : size - 1;
    case GRID_REFLECTION:
        i = (int64_t)reflect((double)i, job->align ? 0 : -0.5, (double)size - (job->align ? 1 : 0.5));
        return i < 0 ? 0 : i >= size ? size - 1 : i;
    default:
        return -1;
    }
}

static void cubic_weights(double t, double *w)
{
    const double a = -0.75;

    w[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
    w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
    w[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
    w[3] = ((a * (2 - t) - 5 * a) * (2 - t) + 8 * a) * (2 - t) - 4 * a;
}

/* Taps of one axis for a normalised coordinate; single: coordinates are float and rounded as such. */
static void make_taps(const GridJob *job, double normal, int64_t size, Taps *taps)
{
    bool single = job->grid->type == MAAS_FLOAT;
    double n = (double)size, x, low = job->align ? 0 : -0.5, high = job->align ? n - 1 : n - 0.5;
    int64_t first;

    if (single)
        x = job->align ? ((float)normal + 1) / 2 * (float)(size - 1) : (((float)normal + 1) * (float)size - 1) / 2;
    else
        x = job->align ? (normal + 1) / 2 * (n - 1) : ((normal + 1) * n - 1) / 2;
    if (job->mode == GRID_NEAREST)
        x = rint(x);
    /* cubic: each tap is clamped, not the place, as in PyTorch and onnxruntime */
    if (job->padding == GRID_BORDER && job->mode != GRID_CUBIC && !(x >= low && x <= high))
        x = x > high ? n - 1 : 0;
    else if (job->padding == GRID_REFLECTION && (x < low || x > high))
        x = reflect(x, low, high);
    /* beyond any tap's reach all the same; also NaN */
    if (!(x > -8))
        x = -8;
    if (x > n + 8)
        x = n + 8;
    first = (int64_t)floor(x);
    switch (job->mode) {
    case GRID_NEAREST:
        taps->n = 1;
        taps->index[0] = (int64_t)x;
        taps->weight[0] = 1;
        break;
    case GRID_LINEAR:
        taps->n = 2;
        taps->weight[1] = x - (double)first;
        taps->weight[0] = 1 - taps->weight[1];
        taps->index[0] = first;
        taps->index[1] = first + 1;
        break;
    default:
        taps->n = 4;
        cubic_weights(x - (double)first, taps->weight);
        for (int i = 0; i < 4; i++)
            taps->index[i] = first - 1 + i;
        break;
    }
    for (int i = 0; i < taps->n; i++)
        taps->index[i] = pixel(job, taps->index[i], size);
}

static void store(MaasTensor *y, int64_t i, double value)
{
    switch (y->type) {
    case MAAS_FLOAT:
        MAAS_F32(y)[i] = (float)value;
        return;
    case MAAS_DOUBLE:
        MAAS_F64(y)[i] = value;
        return;
    default:
        break;
    }
    /* integers: cut towards zero, saturated */
    int64_t whole = value >= 0x1p63    ? INT64_MAX
                    : value <= -0x1p63 ? INT64_MIN
                    : value == value   ? (int64_t)value
                                       : 0;

    switch (y->type) {
    case MAAS_INT8:
        MAAS_I8(y)[i] = (int8_t)(whole < INT8_MIN ? INT8_MIN : whole > INT8_MAX ? INT8_MAX : whole);
        break;
    case MAAS_UINT8:
        MAAS_U8(y)[i] = (uint8_t)(whole < 0 ? 0 : whole > UINT8_MAX ? UINT8_MAX : whole);
        break;
    case MAAS_BOOL:
        MAAS_U8(y)[i] = whole != 0;
        break;
    case MAAS_INT16:
        ((int16_t *)y->data)[i] = (int16_t)(whole < INT16_MIN ? INT16_MIN : whole > INT16_MAX ? INT16_MAX : whole);
        break;
    case MAAS_UINT16:
        ((uint16_t *)y->data)[i] = (uint16_t)(whole < 0 ? 0 : whole > UINT16_MAX ? UINT16_MAX : whole);
        break;
    case MAAS_INT32:
        MAAS_I32(y)[i] = (int32_t)(whole < INT32_MIN ? INT32_MIN : whole > INT32_MAX ? INT32_MAX : whole);
        break;
    case MAAS_UINT32:
        ((uint32_t *)y->data)[i] = (uint32_t)(whole < 0 ? 0 : whole > UINT32_MAX ? UINT32_MAX : whole);
        break;
    case MAAS_UINT64:
        ((uint64_t *)y->data)[i] = (uint64_t)(whole < 0 ? 0 : whole);
        break;
    default:
        MAAS_I64(y)[i] = whole;
        break;
    }
}

/* Sums the taps' product for `n` channels that lie `pixels` apart. */
static void sum_taps(const GridJob *job, const Taps *taps, const int64_t *steps, int64_t base, int64_t n,
                     double *sum)
{
    int at[GRID_MAX_AXES] = {0}, d;

    memset(sum, 0, (size_t)n * sizeof *sum);
    do {
        double weight = 1;
        int64_t place = base;
        bool outside = false;

        for (d = 0; d < job->axes; d++) {
            weight *= taps[d].weight[at[d]];
            outside = outside || taps[d].index[at[d]] < 0;
            place += taps[d].index[at[d]] * steps[d];
        }
        if (!outside && job->x->type == MAAS_FLOAT)
            for (int64_t k = 0; k < n; k++)
                sum[k] += weight * (double)MAAS_F32(job->x)[place + k * job->pixels];
        else if (!outside)
            for (int64_t k = 0; k < n; k++)
                sum[k] += weight * maas_number_at(job->x, place + k * job->pixels);
        for (d = job->axes - 1; d >= 0; d--) {
            if (++at[d] < taps[d].n)
                break;
            at[d] = 0;
        }
    } while (d >= 0);
}

/* Nearest moves elements of any type. */
static void move_nearest(const GridJob *job, const Taps *taps, const int64_t *steps, int64_t base, int64_t to)
{
    size_t size = maas_type_size(job->x->type);
    bool outside = false;

    for (int d = 0; d < job->axes; d++) {
        outside = outside || taps[d].index[0] < 0;
        base += taps[d].index[0] * steps[d];
    }
    for (int64_t ch = 0; ch < job->channels; ch++) {
        char *y = (char *)job->y->data + (size_t)(to + ch * job->points) * size;

        if (outside)
            memset(y, 0, size);
        else
            memcpy(y, (const char *)job->x->data + (size_t)(base + ch * job->pixels) * size, size);
    }
}

/* Points [from, to) of all images: one point is a place of the output for all channels. */
static void sample_points(void *arg, int64_t from, int64_t to)
{
    const GridJob *job = arg;
    int64_t steps[GRID_MAX_AXES], step = 1;
    double sum[GRID_CHANNELS];
    Taps taps[GRID_MAX_AXES];

    for (int d = job->axes - 1; d >= 0; d--) {
        steps[d] = step;
        step *= job->x->dims[2 + d];
    }
    for (int64_t p = from; p < to; p++) {
        int64_t image = p / job->points * job->channels, out = image * job->points + p % job->points;

        /* coordinates are listed from the innermost axis to the outermost */
        for (int d = 0; d < job->axes; d++)
            make_taps(job, maas_number_at(job->grid, p * job->axes + job->axes - 1 - d), job->x->dims[2 + d],
                      &taps[d]);
        if (job->mode == GRID_NEAREST) {
            move_nearest(job, taps, steps, image * job->pixels, out);
            continue;
        }
        for (int64_t ch = 0; ch < job->channels; ch += GRID_CHANNELS) {
            int64_t n = job->channels - ch < GRID_CHANNELS ? job->channels - ch : GRID_CHANNELS;

            sum_taps(job, taps, steps, (image + ch) * job->pixels, n, sum);
            for (int64_t k = 0; k < n; k++)
                store(job->y, out + (ch + k) * job->points, sum[k]);
        }
    }
}

static MaasStatus compute_grid_sample(MaasCtx *c)
{
    GridJob job = {.x = maas_in(c, 0), .grid = maas_in(c, 1), .y = maas_out(c, 0), .points = 1, .pixels = 1};

    if (job.y->count == 0)
        return MAAS_OK;
    job.align = c->attr[GRID_ALIGN].i != 0;
    grid_mode(&c->attr[GRID_MODE], &job.mode);
    grid_padding(&c->attr[GRID_PADDING], &job.padding);
    job.axes = job.x->rank - 2;
    job.channels = job.x->dims[1];
    for (int i = 2; i < job.x->rank; i++) {
        job.points *= job.y->dims[i];
        job.pixels *= job.x->dims[i];
    }
    return maas_parallel(c, job.y->dims[0] * job.points, 256, sample_points, &job);
}

#define GRID_TYPES (MAAS_T_NUMERIC | MAAS_T_BOOL)

const MaasOp maas_op_grid_sample = {
    .name = "GridSample",
    .first = 16,
    .since = 16,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", GRID_TYPES, 'T', 0}, {"grid", MAAS_T_FLOATS, 0, 0}},
    .out = {{"Y", GRID_TYPES, 'T', 0}},
    .attrs = {[GRID_ALIGN] = {"align_corners", MAAS_ATTR_INT, .i = 0},
              [GRID_MODE] = {"mode", MAAS_ATTR_STRING, .s = "linear"},
              [GRID_PADDING] = {"padding_mode", MAAS_ATTR_STRING, .s = "zeros"}},
    .infer = infer_grid_sample,
    .compute = compute_grid_sample,
    .batch = maas_batch_pairs,
};

/* ---- AffineGrid ---- */

static MaasStatus infer_affine_grid(MaasInferCtx *c)
{
    const MaasInfo *theta = c->in[0];
    const MaasTensor *size = maas_known(c, 1);
    int64_t dims[5] = {MAAS_DIM_ANY, MAAS_DIM_ANY, MAAS_DIM_ANY, MAAS_DIM_ANY, MAAS_DIM_ANY}, length;
    int axes;

    MAAS_TRY(maas_infer_want_rank(c, 0, 3));
    MAAS_TRY(maas_infer_vector(c, 1, &length));
    if (length < 0 && theta->rank == 3 && theta->dims[1] > 0)
        length = theta->dims[1] + 2;
    if (length < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    if (length != 4 && length != 5)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "size must have 4 or 5 numbers, got %lld", (long long)length);
    axes = (int)length - 2;
    if (theta->rank == 3) {
        MAAS_TRY(maas_infer_equal(c, "the rows of theta", axes, theta->dims[1]));
        MAAS_TRY(maas_infer_equal(c, "the columns of theta", axes + 1, theta->dims[2]));
        dims[0] = theta->dims[0];
    }
    if (size) {
        MAAS_TRY(maas_infer_equal(c, "the batch size", maas_known_int(size, 0), dims[0]));
        dims[0] = maas_known_int(size, 0);
        for (int i = 0; i < axes; i++)
            dims[1 + i] = maas_known_int(size, 2 + i);
        for (int i = 0; i <= axes; i++)
            if (dims[i] < 0)
                return maas_infer_fail(c, MAAS_ERR_VALUE, "size holds the negative number %lld",
                                       (long long)dims[i]);
    }
    dims[axes + 1] = axes;
    return maas_infer_out(c, 0, MAAS_UNDEFINED, axes + 2, dims);
}

/* Place i of n evenly spaced ones over [-1, 1]. */
static double spaced(int64_t i, int64_t n, bool align)
{
    if (align)
        return n > 1 ? -1 + 2 * (double)i / (double)(n - 1) : -1;
    return (2 * (double)i + 1) / (double)n - 1;
}

static MaasStatus compute_affine_grid(MaasCtx *c)
{
    const MaasTensor *theta = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    int axes = out->rank - 2;
    bool align = c->attr[0].i != 0;
    int64_t at[3] = {0}, points = 1;

    if (out->count == 0)
        return MAAS_OK;
    for (int d = 0; d < axes; d++)
        points *= out->dims[1 + d];
    for (int64_t p = 0; p < out->dims[0] * points; p++) {
        double place[4];

        for (int d = 0; d < axes; d++) /* x, y, z: from the innermost axis */
            place[axes - 1 - d] = spaced(at[d], out->dims[1 + d], align);
        place[axes] = 1;
        for (int row = 0; row < axes; row++) {
            int64_t base = (p / points * axes + row) * (axes + 1);
            double sum = 0;

            for (int k = 0; k <= axes; k++)
                sum += maas_number_at(theta, base + k) * place[k];
            if (out->type == MAAS_FLOAT)
                MAAS_F32(out)[p * axes + row] = (float)sum;
            else
                MAAS_F64(out)[p * axes + row] = sum;
        }
        for (int d = axes - 1; d >= 0; d--) {
            if (++at[d] < out->dims[1 + d])
                break;
            at[d] = 0;
        }
        if ((p & 0xffff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

const MaasOp maas_op_affine_grid = {
    .name = "AffineGrid",
    .first = 20,
    .since = 20,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"theta", MAAS_T_FLOATS, 'T', 0}, {"size", MAAS_T_I64, 0, 0}},
    .out = {{"grid", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {{"align_corners", MAAS_ATTR_INT, .i = 0}},
    .infer = infer_affine_grid,
    .compute = compute_affine_grid,
};
