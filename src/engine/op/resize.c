/*
 * resize.c - Resize, and Upsample as its old form.
 *
 * Interpolation is separable: each axis that changes is resampled by itself with a table of input indices and
 * weights (taps) an output index.  Nearest picks one index an axis and moves elements of any type; linear and
 * cubic compute in float, or in double for types that float does not hold, and round integers to nearest even.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "adapt.h"
#include "batch.h"
#include "dims.h"
#include "grad.h"
#include "move.h"
#include "resize.h"

typedef enum Coordinates {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_CROP,
    TF_HALF_PIXEL /* up to opset 12 */
} Coordinates;
typedef enum Mode { NEAREST_MODE, LINEAR, CUBIC } Mode;
/* SIMPLE is what opset 10 left open: ceil when the axis shrinks, else floor */
typedef enum Rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, SIMPLE } Rounding;
typedef enum Aspect { STRETCH, NOT_LARGER, NOT_SMALLER } Aspect;

static const char *const coordinate_names[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",   "align_corners",
    "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn", NULL};
static const char *const mode_names[] = {"nearest", "linear", "cubic", NULL};
static const char *const rounding_names[] = {
    "round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple", NULL};
static const char *const aspect_names[] = {"stretch", "not_larger", "not_smaller", NULL};

/* The place of an attribute's text in a list of names, or -1. */
static int choice(const MaasAttr *attr, const char *const *names)
{
    for (int i = 0; names[i]; i++)
        if (attr->s.length == strlen(names[i]) && memcmp(attr->s.data, names[i], attr->s.length) == 0)
            return i;
    return -1;
}

/* ---- older forms ---- */

static MaasStatus old_rules(MaasGraph *graph, MaasNode *node, MaasError *err)
{
    MAAS_TRY(maas_adapt_set_string(graph, node, "coordinate_transformation_mode", "asymmetric", err));
    return maas_adapt_set_string(graph, node, "nearest_mode", "simple", err);
}

static MaasStatus adapt_resize(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    if (version > 10)
        return MAAS_OK;
    MAAS_TRY(maas_adapt_insert_input(graph, node, RESIZE_ROI, err));
    return old_rules(graph, node, err);
}

static MaasStatus adapt_upsample(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    const MaasAttr *mode = maas_adapt_attr(node, "mode");

    if (mode && mode->s.length == 8 && memcmp(mode->s.data, "bilinear", 8) == 0)
        MAAS_TRY(maas_adapt_set_string(graph, node, "mode", "linear", err));
    if (version < 7) {
        const MaasAttr *h = maas_adapt_attr(node, "height_scale"), *w = maas_adapt_attr(node, "width_scale");
        const float scales[] = {1, 1, h ? h->f : 1, w ? w->f : 1};

        MAAS_TRY(maas_adapt_input_floats(graph, node, RESIZE_SCALES, MAAS_FLOAT, 1, 4, scales, err));
        maas_adapt_drop_attr(node, "height_scale");
        maas_adapt_drop_attr(node, "width_scale");
    } else if (version < 9) {
        MAAS_TRY(maas_adapt_attr_to_input(graph, node, "scales", RESIZE_SCALES, err));
    } else {
        MAAS_TRY(maas_adapt_insert_input(graph, node, RESIZE_ROI, err));
    }
    MAAS_TRY(old_rules(graph, node, err));
    return maas_adapt_become(graph, node, "Resize", err);
}

/* ---- shapes ---- */

/* A vector that is absent may also come as an empty one. */
static bool given(const MaasInferCtx *c, int i)
{
    return maas_present(c, i) && !(c->in[i]->rank == 1 && c->in[i]->dims[0] == 0);
}

static MaasStatus check_choices(const MaasInferCtx *c)
{
    static const struct {
        int attr;
        const char *const *names;
    } lists[] = {
        {COORDINATES, coordinate_names}, {MODE, mode_names}, {NEAREST, rounding_names}, {ASPECT, aspect_names}};

    for (int i = 0; i < 4; i++) {
        const MaasAttr *attr = &c->attr[lists[i].attr];

        if (choice(attr, lists[i].names) < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "attribute %s has the unknown value \"%.*s\"", attr->name,
                                   (int)attr->s.length, attr->s.data);
    }
    if (choice(&c->attr[MODE], mode_names) != NEAREST_MODE && !maas_type_in(c->in[0]->type, MAAS_T_NUMERIC))
        return maas_infer_fail(c, MAAS_ERR_UNSUPPORTED, "mode %.*s is not defined for %s",
                               (int)c->attr[MODE].s.length, c->attr[MODE].s.data, maas_type_name(c->in[0]->type));
    if (c->attr[ANTIALIAS].i && choice(&c->attr[MODE], mode_names) == NEAREST_MODE)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "antialias needs mode linear or cubic");
    if (choice(&c->attr[COORDINATES], coordinate_names) == TF_CROP && !given(c, RESIZE_ROI))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "tf_crop_and_resize needs the input roi");
    return MAAS_OK;
}

/* The one scale for all axes that a policy other than stretch asks for. */
static double common_scale(Aspect aspect, int n, const int *axes, const int64_t *dims, const MaasTensor *sizes)
{
    double scale = 0;

    for (int i = 0; i < n; i++) {
        double s = (double)maas_known_int(sizes, i) / (double)dims[axes[i]];

        if (i == 0 || (aspect == NOT_LARGER ? s < scale : s > scale))
            scale = s;
    }
    return scale;
}

static MaasStatus sizes_from_scales(const MaasInferCtx *c, int n, const int *axes, const MaasTensor *scales,
                                    int64_t *dims)
{
    for (int i = 0; i < n; i++) {
        float scale = (float)maas_number_at(scales, i), size;

        if (!(scale > 0) || isinf(scale))
            return maas_infer_fail(c, MAAS_ERR_VALUE, "scale %d must be positive, got %g", i, (double)scale);
        if (dims[axes[i]] < 0) {
            dims[axes[i]] = scale == 1 ? dims[axes[i]] : MAAS_DIM_ANY;
            continue;
        }
        size = floorf((float)dims[axes[i]] * scale);
        if (size >= 0x1p60f)
            return maas_infer_fail(c, MAAS_ERR_LIMIT, "axis %d would get %g elements", axes[i], (double)size);
        if (scale != 1)
            dims[axes[i]] = (int64_t)size;
    }
    return MAAS_OK;
}

static MaasStatus sizes_from_sizes(const MaasInferCtx *c, int n, const int *axes, const MaasTensor *sizes,
                                   int64_t *dims)
{
    Aspect aspect = (Aspect)choice(&c->attr[ASPECT], aspect_names);
    double scale;

    for (int i = 0; i < n; i++) {
        int64_t size = maas_known_int(sizes, i);

        if (size < 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "size %d is %lld", i, (long long)size);
        if (dims[axes[i]] == 0 && size > 0)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "axis %d is empty and cannot be resized to %lld", axes[i],
                                   (long long)size);
    }
    if (aspect == STRETCH) {
        for (int i = 0; i < n; i++)
            dims[axes[i]] = maas_known_int(sizes, i);
        return MAAS_OK;
    }
    for (int i = 0; i < n; i++)
        if (dims[axes[i]] <= 0) {
            for (int k = 0; k < n; k++)
                dims[axes[k]] = dims[axes[k]] == 0 ? 0 : MAAS_DIM_ANY;
            return MAAS_OK;
        }
    scale = common_scale(aspect, n, axes, dims, sizes);
    for (int i = 0; i < n; i++) {
        double size = floor(scale * (double)dims[axes[i]] + 0.5);

        if (size >= 0x1p60)
            return maas_infer_fail(c, MAAS_ERR_LIMIT, "axis %d would get %g elements", axes[i], size);
        dims[axes[i]] = (int64_t)size;
    }
    return MAAS_OK;
}

static MaasStatus infer_resize(MaasInferCtx *c)
{
    const MaasInfo *in = c->in[RESIZE_X];
    const MaasAttr *list = &c->attr[AXES];
    bool by_scales = given(c, RESIZE_SCALES), by_sizes = given(c, RESIZE_SIZES);
    const MaasTensor *known = maas_known(c, by_scales ? RESIZE_SCALES : RESIZE_SIZES);
    int64_t dims[MAAS_MAX_RANK], length;
    int axes[MAAS_MAX_RANK], n = in->rank;

    MAAS_TRY(check_choices(c));
    /* a vector of unknown length may turn out to be empty: then the other one counts */
    if (!by_scales && !by_sizes)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "neither scales nor sizes are given");
    if (by_scales && by_sizes && c->in[RESIZE_SCALES]->rank == 1 && c->in[RESIZE_SIZES]->rank == 1 &&
        c->in[RESIZE_SCALES]->dims[0] > 0 && c->in[RESIZE_SIZES]->dims[0] > 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "both scales and sizes are given");
    MAAS_TRY(maas_infer_vector(c, by_scales ? RESIZE_SCALES : RESIZE_SIZES, &length));
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    memcpy(dims, in->dims, (size_t)in->rank * sizeof *dims);
    for (int i = 0; i < n; i++)
        axes[i] = i;
    if (list->set) {
        MAAS_TRY(maas_infer_axes(c, list->n, list->ints, in->rank, axes));
        n = (int)list->n;
    }
    MAAS_TRY(maas_infer_equal(c, "the number of scales or sizes", n, length));
    if (given(c, RESIZE_ROI) && choice(&c->attr[COORDINATES], coordinate_names) == TF_CROP) {
        MAAS_TRY(maas_infer_vector(c, RESIZE_ROI, &length));
        MAAS_TRY(maas_infer_equal(c, "the number of limits in roi (two for each axis)", 2 * n, length));
    }
    if (!known)
        for (int i = 0; i < n; i++)
            dims[axes[i]] = MAAS_DIM_ANY;
    else if (by_scales)
        MAAS_TRY(sizes_from_scales(c, n, axes, known, dims));
    else
        MAAS_TRY(sizes_from_sizes(c, n, axes, known, dims));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, in->rank, dims);
}

/* ---- coordinates and weights ---- */

static double source_of(Coordinates coordinates, const MaasResizeAxis *p, int64_t x)
{
    double width = p->scale * (double)p->in, at = (double)x, last = (double)(p->in - 1);

    switch (coordinates) {
    case HALF_PIXEL_SYMMETRIC:
        return (double)p->in / 2 * (1 - (double)p->out / width) + (at + 0.5) / p->scale - 0.5;
    case PYTORCH_HALF_PIXEL:
        return p->out > 1 ? (at + 0.5) / p->scale - 0.5 : 0;
    case ALIGN_CORNERS:
        return width == 1 ? 0 : at * last / (width - 1);
    case ASYMMETRIC:
        return at / p->scale;
    case TF_HALF_PIXEL:
        return (at + 0.5) / p->scale;
    case TF_CROP:
        return width == 1 ? (p->end - p->start) * last / 2 + p->start * last
                          : at * (p->end - p->start) * last / (width - 1) + p->start * last;
    default:
        return (at + 0.5) / p->scale - 0.5;
    }
}

static double cubic_weight(double x, double a)
{
    x = fabs(x);
    if (x <= 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static double linear_weight(double x)
{
    x = fabs(x);
    return x < 1 ? 1 - x : 0;
}

/* Between low and high; NaN becomes low. */
static double clamp(double x, double low, double high)
{
    return x > low ? (x < high ? x : high) : low;
}

static int64_t clamp_index(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static int64_t nearest_index(Rounding rounding, double x, const MaasResizeAxis *p)
{
    double low = floor(x);

    if (x == low)
        return (int64_t)low;
    switch (rounding) {
    case PREFER_FLOOR:
        return (int64_t)low + (x - low > 0.5);
    case PREFER_CEIL:
        return (int64_t)low + (x - low >= 0.5);
    case CEIL:
        return (int64_t)low + 1;
    case SIMPLE:
        return (int64_t)low + (p->scale < 1);
    default:
        return (int64_t)low;
    }
}

/* Fills the taps of one output index that shows x.  The first tap stands left of x unless x is one itself: then
 * x is the last of the left half (ratio 1). */
static void fill_taps(const MaasAttr *attr, Mode mode, const MaasResizeAxis *p, double x, int64_t *index,
                      double *weight)
{
    double low = floor(x), stretch = attr[ANTIALIAS].i && p->scale < 1 ? p->scale : 1, sum = 0, kept = 0;
    double ratio = x == low ? 1 : x - low;
    int64_t first = (int64_t)low - (x == low) - (p->taps / 2 - 1);

    for (int64_t t = 0; t < p->taps; t++) {
        double distance = ((double)(t - (p->taps / 2 - 1)) - ratio) * stretch;

        weight[t] = mode == CUBIC ? cubic_weight(distance, attr[CUBIC_A].f) : linear_weight(distance);
        sum += weight[t];
    }
    for (int64_t t = 0; t < p->taps; t++) {
        if (stretch < 1)
            weight[t] /= sum;
        if (attr[EXCLUDE_OUTSIDE].i && (first + t < 0 || first + t >= p->in))
            weight[t] = 0;
        kept += weight[t];
        index[t] = clamp_index(first + t, p->in);
    }
    for (int64_t t = 0; t < p->taps && attr[EXCLUDE_OUTSIDE].i && kept != 0; t++)
        weight[t] /= kept;
}

/* The number of taps: even, half of them at or left of the place that is shown. */
static int64_t count_taps(const MaasAttr *attr, Mode mode, double scale)
{
    double reach = mode == CUBIC ? 2 : 1;

    if (mode == NEAREST_MODE)
        return 1;
    if (!attr[ANTIALIAS].i || scale >= 1)
        return (int64_t)(2 * reach);
    return 2 - 2 * ((int64_t)floor(-reach / scale) + 1);
}

static MaasStatus plan_axis(MaasCtx *c, Coordinates coordinates, Mode mode, MaasResizeAxis *p)
{
    Rounding rounding = (Rounding)choice(&c->attr[NEAREST], rounding_names);
    size_t n;

    p->taps = count_taps(c->attr, mode, p->scale);
    if (!maas_mul((size_t)p->out, (size_t)p->taps, &n))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the table of weights is too large");
    p->index = maas_scratch(c, n, sizeof *p->index);
    p->weight = mode == NEAREST_MODE ? NULL : maas_scratch(c, n, sizeof *p->weight);
    p->outside = coordinates == TF_CROP ? maas_scratch(c, (size_t)p->out, 1) : NULL;
    if (!p->index || (mode != NEAREST_MODE && !p->weight) || (coordinates == TF_CROP && !p->outside))
        return c->err->status;
    for (int64_t j = 0; j < p->out; j++) {
        double x = source_of(coordinates, p, j);

        if (p->outside)
            p->outside[j] = !(x >= 0 && x <= (double)(p->in - 1));
        x = clamp(x, -(double)p->taps - 2, (double)(p->in + p->taps + 2));
        if (mode == NEAREST_MODE)
            p->index[j] = clamp_index(nearest_index(rounding, x, p), p->in);
        else
            fill_taps(c->attr, mode, p, x, p->index + j * p->taps, p->weight + j * p->taps);
    }
    return MAAS_OK;
}

MaasStatus maas_resize_axes(MaasCtx *c, int rank, const int64_t *in, const int64_t *out, MaasResizeAxis *plans)
{
    const MaasTensor *roi = maas_in(c, RESIZE_ROI), *scales = maas_in(c, RESIZE_SCALES),
                     *sizes = maas_in(c, RESIZE_SIZES);
    Coordinates coordinates = (Coordinates)choice(&c->attr[COORDINATES], coordinate_names);
    Mode mode = (Mode)choice(&c->attr[MODE], mode_names);
    Aspect aspect = (Aspect)choice(&c->attr[ASPECT], aspect_names);
    const MaasAttr *list = &c->attr[AXES];
    bool by_scales = scales && scales->count > 0;
    int axes[MAAS_MAX_RANK] = {0}, n = list->set ? (int)list->n : rank;
    double common = 1;

    for (int i = 0; i < rank; i++)
        plans[i] = (MaasResizeAxis){.in = in[i], .out = out[i], .scale = 1, .end = 1};
    for (int i = 0; i < n; i++)
        axes[i] = list->set ? maas_axis(list->ints[i], rank) : i;
    if (!by_scales && aspect != STRETCH)
        common = common_scale(aspect, n, axes, in, sizes);
    for (int i = 0; i < n; i++) {
        MaasResizeAxis *p = &plans[axes[i]];

        p->scale = by_scales           ? (double)(float)maas_number_at(scales, i)
                   : aspect == STRETCH ? (double)p->out / (double)p->in
                                       : common;
        if (coordinates == TF_CROP) {
            p->start = maas_number_at(roi, i);
            p->end = maas_number_at(roi, i + n);
        }
        p->changes = p->in != p->out || p->scale != 1 || p->start != 0 || p->end != 1;
        if (p->changes)
            MAAS_TRY(plan_axis(c, coordinates, mode, p));
    }
    return MAAS_OK;
}

/* ---- nearest ---- */

/* One element of value in any type that is a number. */
static void element_of(double value, MaasType type, void *element)
{
    memset(element, 0, 16);
    switch (type) {
    case MAAS_FLOAT:
    case MAAS_COMPLEX64:
        *(float *)element = (float)value;
        break;
    case MAAS_DOUBLE:
    case MAAS_COMPLEX128:
        *(double *)element = value;
        break;
    case MAAS_INT64:
    case MAAS_UINT64:
        *(int64_t *)element = (int64_t)clamp(value, -0x1p62, 0x1p62);
        break;
    case MAAS_INT32:
    case MAAS_UINT32:
        *(uint32_t *)element = (uint32_t)(int64_t)clamp(value, INT32_MIN, UINT32_MAX);
        break;
    case MAAS_INT16:
    case MAAS_UINT16:
        *(uint16_t *)element = (uint16_t)(int32_t)clamp(value, INT16_MIN, UINT16_MAX);
        break;
    default:
        *(uint8_t *)element = (uint8_t)(int32_t)clamp(value, INT8_MIN, UINT8_MAX);
        break;
    }
}

static MaasStatus resize_nearest(MaasCtx *c, MaasResizeAxis *plans)
{
    const MaasTensor *x = maas_in(c, RESIZE_X);
    MaasTensor *y = maas_out(c, 0);
    int64_t steps[MAAS_MAX_RANK], at[MAAS_MAX_RANK] = {0}, n_last = 1;
    int inner = x->rank - 1;
    size_t size = maas_type_size(x->type);
    double fill[2];

    if (x->rank == 0) {
        memcpy(y->data, x->data, size);
        return MAAS_OK;
    }
    element_of(c->attr[EXTRAPOLATION].f, x->type, fill);
    maas_row_major(x->rank, x->dims, steps);
    for (int d = 0; d < x->rank; d++) {
        MaasResizeAxis *p = &plans[d];

        if (!p->changes) {
            p->index = maas_scratch(c, (size_t)p->out, sizeof *p->index);
            if (!p->index)
                return c->err->status;
        }
        for (int64_t j = 0; j < p->out; j++)
            p->index[j] = (p->changes ? p->index[j] : j) * steps[d];
    }
    n_last = plans[inner].out;
    for (int64_t row = 0; row < y->count / n_last; row++) {
        char *to = (char *)y->data + (size_t)(row * n_last) * size;
        bool outside = false;
        int64_t base = 0;

        for (int d = 0; d < inner; d++) {
            base += plans[d].index[at[d]];
            outside = outside || (plans[d].outside && plans[d].outside[at[d]]);
        }
        if (outside)
            maas_fill(to, fill, size, n_last);
        else
            maas_kernel->gather(size, n_last, (const char *)x->data + (size_t)base * size, plans[inner].index, to);
        for (int64_t j = 0; plans[inner].outside && j < n_last; j++)
            if (plans[inner].outside[j])
                memcpy(to + (size_t)j * size, fill, size);
        for (int d = inner - 1; d >= 0; d--) {
            if (++at[d] < plans[d].out)
                break;
            at[d] = 0;
        }
        if ((row & 0xfff) == 0 && maas_stop(c))
            return maas_stopped(c);
    }
    return MAAS_OK;
}

/* ---- linear and cubic ---- */

static bool fits_float(MaasType type)
{
    return type == MAAS_FLOAT || type == MAAS_INT8 || type == MAAS_UINT8 || type == MAAS_INT16 ||
           type == MAAS_UINT16;
}

/* Rounds to the nearest integer of the type, ties to even, saturated. */
static void store_ints(const MaasTensor *y, const float *f, const double *d)
{
    for (int64_t i = 0; i < y->count; i++) {
        double v = rint(f ? (double)f[i] : d[i]);

        switch (y->type) {
        case MAAS_INT8:
            MAAS_I8(y)[i] = (int8_t)clamp(v, INT8_MIN, INT8_MAX);
            break;
        case MAAS_UINT8:
            MAAS_U8(y)[i] = (uint8_t)clamp(v, 0, UINT8_MAX);
            break;
        case MAAS_INT16:
            ((int16_t *)y->data)[i] = (int16_t)clamp(v, INT16_MIN, INT16_MAX);
            break;
        case MAAS_UINT16:
            ((uint16_t *)y->data)[i] = (uint16_t)clamp(v, 0, UINT16_MAX);
            break;
        case MAAS_INT32:
            MAAS_I32(y)[i] = (int32_t)clamp(v, INT32_MIN, INT32_MAX);
            break;
        case MAAS_UINT32:
            ((uint32_t *)y->data)[i] = (uint32_t)clamp(v, 0, UINT32_MAX);
            break;
        case MAAS_INT64:
            MAAS_I64(y)[i] = v >= 0x1p63 ? INT64_MAX : (int64_t)clamp(v, -0x1p63, 0x1p63);
            break;
        default:
            ((uint64_t *)y->data)[i] = v >= 0x1p64 ? UINT64_MAX : (uint64_t)clamp(v, 0, 0x1p64);
            break;
        }
    }
}

typedef struct ResizeJob {
    const MaasResizeAxis *plan;
    int64_t inner;
    const void *x;
    void *y;
    const float *weight; /* NULL: double */
    double fill;
} ResizeJob;

static void resize_part(void *arg, int64_t from, int64_t to)
{
    const ResizeJob *job = arg;
    const MaasResizeAxis *p = job->plan;
    int64_t in = from * p->in * job->inner, out = from * p->out * job->inner;

    if (job->weight)
        maas_kernel->resize_f32(to - from, p->in, p->out, job->inner, p->taps, p->index, job->weight,
                                (const float *)job->x + in, (float *)job->y + out);
    else
        maas_kernel->resize_f64(to - from, p->in, p->out, job->inner, p->taps, p->index, p->weight,
                                (const double *)job->x + in, (double *)job->y + out);
    for (int64_t r = from * p->out; p->outside && r < to * p->out; r++) {
        if (!p->outside[r % p->out])
            continue;
        for (int64_t i = r * job->inner; i < (r + 1) * job->inner; i++) {
            if (job->weight)
                ((float *)job->y)[i] = (float)job->fill;
            else
                ((double *)job->y)[i] = job->fill;
        }
    }
}

/* Resamples x (dims) along one axis into y. */
static MaasStatus resize_axis(MaasCtx *c, const MaasResizeAxis *p, int axis, int rank, const int64_t *dims,
                              bool single, const void *x, void *y)
{
    ResizeJob job = {.plan = p, .inner = 1, .x = x, .y = y, .fill = c->attr[EXTRAPOLATION].f};
    int64_t outer = 1, n = p->out * p->taps, work;

    for (int i = 0; i < axis; i++)
        outer *= dims[i];
    for (int i = axis + 1; i < rank; i++)
        job.inner *= dims[i];
    if (single) {
        float *weight = maas_scratch(c, (size_t)n, sizeof *weight);

        if (!weight)
            return c->err->status;
        for (int64_t i = 0; i < n; i++)
            weight[i] = (float)p->weight[i];
        job.weight = weight;
    }
    work = n * job.inner;
    return maas_parallel(c, outer, work >= 65536 ? 1 : 65536 / (work + 1) + 1, resize_part, &job);
}

static MaasStatus resize_linear(MaasCtx *c, const MaasResizeAxis *plans)
{
    const MaasTensor *x = maas_in(c, RESIZE_X);
    MaasTensor *y = maas_out(c, 0);
    bool single = fits_float(x->type), as_is = x->type == MAAS_FLOAT || x->type == MAAS_DOUBLE;
    size_t size = single ? sizeof(float) : sizeof(double);
    int64_t dims[MAAS_MAX_RANK];
    const void *from = x->data;
    int left = 0;

    for (int i = 0; i < x->rank; i++)
        left += plans[i].changes;
    if (left == 0) {
        memcpy(y->data, x->data, maas_tensor_bytes(x));
        return MAAS_OK;
    }
    if (!as_is) {
        void *wide = maas_scratch(c, (size_t)x->count, size);

        if (!wide)
            return c->err->status;
        for (int64_t i = 0; i < x->count; i++) {
            if (single)
                ((float *)wide)[i] = (float)maas_number_at(x, i);
            else
                ((double *)wide)[i] = maas_number_at(x, i);
        }
        from = wide;
    }
    memcpy(dims, x->dims, sizeof dims);
    for (int i = x->rank - 1; i >= 0; i--) {
        int64_t count = 1;
        void *to = y->data;

        if (!plans[i].changes)
            continue;
        left--;
        for (int d = 0; d < x->rank; d++)
            if (!maas_mul64(count, d == i ? plans[i].out : dims[d], &count))
                return maas_node_fail(c, MAAS_ERR_LIMIT, "the number of elements overflows");
        if (!as_is || left > 0)
            to = maas_scratch(c, (size_t)count, size);
        if (!to)
            return c->err->status;
        MAAS_TRY(resize_axis(c, &plans[i], i, x->rank, dims, single, from, to));
        dims[i] = plans[i].out;
        from = to;
    }
    if (!as_is)
        store_ints(y, single ? from : NULL, single ? NULL : from);
    return MAAS_OK;
}

static MaasStatus compute_resize(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, RESIZE_X), *y = maas_out(c, 0);
    MaasResizeAxis plans[MAAS_MAX_RANK];

    if (y->count == 0)
        return MAAS_OK;
    MAAS_TRY(maas_resize_axes(c, x->rank, x->dims, y->dims, plans));
    return choice(&c->attr[MODE], mode_names) == NEAREST_MODE ? resize_nearest(c, plans) : resize_linear(c, plans);
}

static void grad_resize(MaasGrad *g)
{
    int x = maas_grad_in(g, RESIZE_X);
    int dx = MAAS_GRAD(g, "ResizeGrad", maas_grad_dy(g, 0), maas_grad_in(g, RESIZE_ROI),
                       maas_grad_in(g, RESIZE_SCALES), maas_grad_in(g, RESIZE_SIZES), maas_grad_shape(g, x));

    maas_grad_copy_attrs(g, 0, RESIZE_ATTRS);
    maas_grad_give(g, RESIZE_X, dx);
}

const MaasOp maas_op_resize = {
    .name = "Resize",
    .first = 10,
    .since = 11,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"X", MAAS_T_ANY, 'T', 0},
           {"roi", MAAS_T_FLOATS, 0, MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"scales", MAAS_T_FLOAT, 0, MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"sizes", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_ANY, 'T', 0}},
    .attrs = {MAAS_RESIZE_ATTRS},
    .adapt = adapt_resize,
    .infer = infer_resize,
    .compute = compute_resize,
    .batch = maas_batch_resize,
    .grad = grad_resize,
};

static MaasStatus infer_upsample(MaasInferCtx *c)
{
    return maas_infer_fail(c, MAAS_ERR_INTERNAL, "an Upsample node was not made a Resize by import");
}

const MaasOp maas_op_upsample = {
    .name = "Upsample",
    .first = 1,
    .since = INT32_MAX,
    .in = {{"X", MAAS_T_ANY, 'T', 0}, {"scales", MAAS_T_FLOAT, 0, MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_ANY, 'T', 0}},
    .attrs = {{"mode", MAAS_ATTR_STRING, .s = "nearest"}},
    .adapt = adapt_upsample,
    .infer = infer_upsample,
};
