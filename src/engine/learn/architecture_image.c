/*
 * architecture_image.c - convolution and pooling, over images (channels, height, width) and sequences (steps,
 * features).
 *
 * A sequence lies as (N, features, steps) here, and stays so until a layer wants its rows.
 */
#include <string.h>

#include "architecture_build.h"

/* A window that slides over one or two dimensions of a value. */
typedef struct Window {
    int n; /* dimensions: 1 or 2 */
    int64_t size[2], step[2], dilation[2];
    int64_t pads[4]; /* begin of each, end of each */
    int64_t out[2];
} Window;

/* Where the dimensions stand among those of an example: an image's behind the channels, a sequence's steps first.
 */
static int at(const Window *w, int d)
{
    return w->n == 2 ? d + 1 : 0;
}

static int channel_of(const Window *w)
{
    return w->n == 2 ? 0 : 1;
}

static bool need_form(MaasArchBuild *b, const MaasArchValue *v, int n)
{
    if (n == 2 && v->rank == 2)
        maas_arch_fail(
            b, MAAS_ERR_SHAPE,
            "expects an image (channels, height, width), got %s from \"%s\": put a {\"reshape\": [1,%lld,%lld]} "
            "before it",
            maas_arch_shape(b, v), v->name, (long long)v->dims[0], (long long)v->dims[1]);
    return maas_arch_need_rank(b, v, n + 1,
                               n == 2 ? "an image (channels, height, width)" : "a sequence (steps, features)");
}

/* "padding": "valid", "same", or so many on both sides of each dimension. */
static void read_padding(MaasArchBuild *b, const MaasArchValue *v, Window *w)
{
    const MaasJson *json = maas_arch_option(b, "padding");
    const char *text = json && json->kind == MAAS_JSON_STRING ? json->string.data : NULL;

    if (json && !text) {
        maas_arch_ints(b, "padding", w->n, 0, 0, w->pads);
        memcpy(w->pads + w->n, w->pads, sizeof *w->pads * (size_t)w->n);
    } else if (text && strcmp(text, "same") == 0) {
        for (int d = 0; d < w->n; d++) {
            int64_t reach = (w->size[d] - 1) * w->dilation[d] + 1, in = v->dims[at(w, d)];
            /* As many steps as fit at the beginnings; a free dimension is known where the step is 1. */
            int64_t all = in < 0 ? reach - 1 : ((in + w->step[d] - 1) / w->step[d] - 1) * w->step[d] + reach - in;

            if (in < 0 && w->step[d] != 1)
                maas_arch_need_known(b, v, at(w, d), "the size, for \"same\" with strides");
            w->pads[d] = all > 0 ? all / 2 : 0;
            w->pads[w->n + d] = all > 0 ? all - all / 2 : 0;
        }
    } else if (text && strcmp(text, "valid") != 0)
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"padding\" must be \"valid\", \"same\" or a number, got \"%.60s\"",
                       text);
}

/* Reads what all windows have and finds the sizes that come out. */
static void read_window(MaasArchBuild *b, const MaasArchValue *v, int n, bool pool, Window *w)
{
    *w = (Window){.n = n, .dilation = {1, 1}};
    maas_arch_ints(b, pool ? "pool_size" : "kernel_size", n, pool ? 2 : -1, 1, w->size);
    if (pool && !maas_arch_option(b, "strides"))
        memcpy(w->step, w->size, sizeof w->step);
    else
        maas_arch_ints(b, "strides", n, 1, 1, w->step);
    if (!pool)
        maas_arch_ints(b, "dilation_rate", n, 1, 1, w->dilation);
    for (int d = 0; d < n; d++)
        if (w->size[d] > 100000 || w->dilation[d] > 100000 || w->step[d] > 100000) {
            maas_arch_fail(b, MAAS_ERR_VALUE, "its window is larger than 100000");
            return;
        }
    read_padding(b, v, w);
    for (int d = 0; d < n; d++) {
        int64_t in = v->dims[at(w, d)], reach = (w->size[d] - 1) * w->dilation[d] + 1;

        w->out[d] = in < 0 ? -1 : (in + w->pads[d] + w->pads[n + d] - reach) / w->step[d] + 1;
        if (in >= 0 && in + w->pads[d] + w->pads[n + d] < reach)
            maas_arch_fail(b, MAAS_ERR_SHAPE, "its window of %lld does not fit into %s from \"%s\"",
                           (long long)reach, maas_arch_shape(b, v), v->name);
    }
}

static void put_window(MaasArchBuild *b, const Window *w, bool pool)
{
    size_t n = (size_t)w->n;

    maas_onnx_attr_ints(&b->writer, "kernel_shape", n, w->size);
    maas_onnx_attr_ints(&b->writer, "strides", n, w->step);
    maas_onnx_attr_ints(&b->writer, "pads", 2 * n, w->pads);
    if (!pool)
        maas_onnx_attr_ints(&b->writer, "dilations", n, w->dilation);
}

static void set_sizes(const Window *w, MaasArchValue *v)
{
    v->mask = NULL; /* windows reach into the padding */
    for (int d = 0; d < w->n; d++)
        v->dims[at(w, d)] = w->out[d];
}

/* ---- convolution ---- */

/* filters 0: as many as channels times multiplier, each of its own channel. */
static void convolve(MaasArchBuild *b, const MaasArchValue *in, int n, int64_t filters, int64_t multiplier,
                     MaasArchValue *out)
{
    int64_t groups = filters ? maas_arch_int(b, "groups", 1, 1) : 1, dims[4], channels, area = 1;
    bool bias = maas_arch_bool(b, "use_bias", true);
    MaasInitialiser init = maas_arch_initialiser(b, filters ? "kernel_initializer" : "depthwise_initializer",
                                                 MAAS_INIT_GLOROT_UNIFORM);
    const char *edges[3];
    Window w;

    *out = maas_arch_first(b, in);
    if (!need_form(b, in, n))
        return;
    read_window(b, in, n, false, &w);
    if (!maas_arch_need_known(b, in, channel_of(&w), "how many channels there are") || b->status != MAAS_OK)
        return;
    channels = in->dims[channel_of(&w)];
    if (!filters) {
        groups = channels;
        if (!maas_mul64(channels, multiplier, &filters))
            filters = INT64_MAX;
    }
    if (channels % groups != 0 || filters % groups != 0) {
        maas_arch_fail(b, MAAS_ERR_SHAPE, "%lld channels and %lld filters cannot be cut into %lld groups",
                       (long long)channels, (long long)filters, (long long)groups);
        return;
    }
    dims[0] = filters;
    dims[1] = channels / groups;
    for (int d = 0; d < n; d++) {
        dims[d + 2] = w.size[d];
        area *= w.size[d];
    }
    edges[0] = out->edge;
    edges[1] = maas_arch_parameter(b, "weight", n + 2, dims, init, dims[1] * area, filters / groups * area);
    edges[2] = bias ? maas_arch_parameter(b, "bias", 1, &filters, MAAS_INIT_ZEROS, 1, 1) : NULL;
    out->edge = maas_arch_begin(b, "Conv", bias ? 3 : 2, edges);
    put_window(b, &w, false);
    maas_onnx_attr_int(&b->writer, "group", groups);
    maas_onnx_end_node(&b->writer);
    set_sizes(&w, out);
    out->dims[channel_of(&w)] = filters;
    out->activation = NULL;
    maas_arch_activate(b, maas_arch_text(b, "activation", NULL), -1, out);
}

static void make_conv1d(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    convolve(b, in, 1, maas_arch_int(b, "filters", -1, 1), 1, out);
}

static void make_conv2d(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    convolve(b, in, 2, maas_arch_int(b, "filters", -1, 1), 1, out);
}

static void make_depthwise_conv1d(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    convolve(b, in, 1, 0, maas_arch_int(b, "depth_multiplier", 1, 1), out);
}

static void make_depthwise_conv2d(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    convolve(b, in, 2, 0, maas_arch_int(b, "depth_multiplier", 1, 1), out);
}

/* ---- pooling ---- */

static void pool(MaasArchBuild *b, const MaasArchValue *in, const char *op, MaasArchValue *out)
{
    int n = in->rank == 2 ? 1 : 2;
    Window w;

    *out = maas_arch_first(b, in);
    if (!need_form(b, in, n))
        return;
    read_window(b, in, n, true, &w);
    out->edge = maas_arch_begin(b, op, 1, &out->edge);
    put_window(b, &w, true);
    maas_onnx_end_node(&b->writer);
    set_sizes(&w, out);
    out->activation = NULL;
}

static void make_max_pooling(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    pool(b, in, "MaxPool", out);
}

static void make_average_pooling(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    pool(b, in, "AveragePool", out);
}

/* Everything but the features or channels becomes one number of each. */
static void pool_all(MaasArchBuild *b, const MaasArchValue *in, const char *op, const char *reduce,
                     MaasArchValue *out)
{
    *out = maas_arch_float(b, in);
    if (in->rank == 2 && in->mask) {
        *out = maas_arch_rows(b, in);
        out->edge = strcmp(reduce, "ReduceMax") == 0 ? maas_arch_mask_max(b, out->edge, in->mask)
                                                     : maas_arch_mask_mean(b, out->edge, in->mask);
    } else if (in->rank == 2 && !in->first) {
        out->edge = maas_arch_begin(b, reduce, 2,
                                    (const char *[]){out->edge, maas_arch_constant_ints(b, 1, (int64_t[]){1})});
        maas_onnx_attr_int(&b->writer, "keepdims", 0);
        maas_onnx_end_node(&b->writer);
    } else if (in->rank == 2 || need_form(b, in, 2))
        out->edge = maas_arch_node_int(b, "Flatten", maas_arch_node(b, op, out->edge, NULL), "axis", 1);
    if (in->rank == 2)
        out->dims[0] = in->dims[1];
    out->rank = 1;
    out->first = false;
    out->activation = NULL;
}

static void make_global_max(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    pool_all(b, in, "GlobalMaxPool", "ReduceMax", out);
}

static void make_global_average(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    pool_all(b, in, "GlobalAveragePool", "ReduceMean", out);
}

/* ---- residual blocks ---- */

/* What stands beside the block: nothing when the shapes agree; else a convolution of size 1 whose strides make the
 * image as small as the block makes it, with a batch norm; else a dense layer. */
static void project(MaasArchBuild *b, const MaasArchValue *in, const MaasArchValue *to, MaasArchValue *out)
{
    const char *edges[2];
    int64_t dims[4] = {to->dims[0], in->dims[0], 1, 1}, step[2];

    *out = maas_arch_rows(b, in);
    if (in->rank != to->rank || in->rank == 2 || in->rank > 3) {
        maas_arch_fail(b, MAAS_ERR_SHAPE, "its layers make %s of %s: give a \"shortcut\" that does so, too",
                       maas_arch_shape(b, to), maas_arch_shape(b, in));
        return;
    }
    if (in->rank == 1) {
        out->edge = maas_arch_linear(b, out->edge, true, "shortcut.", in->dims[0], to->dims[0], true,
                                     MAAS_INIT_GLOROT_UNIFORM, MAAS_INIT_ZEROS);
        out->dims[0] = to->dims[0];
        return;
    }
    for (int d = 0; d < 2; d++) {
        int64_t from = in->dims[d + 1], size = to->dims[d + 1];

        step[d] = size > 0 && from > 0 ? (from + size - 1) / size : 1;
        if ((from < 0) != (size < 0) || (from > 0 && (from + step[d] - 1) / step[d] != size)) {
            maas_arch_fail(b, MAAS_ERR_SHAPE, "its layers make %s of %s: give a \"shortcut\" that does so, too",
                           maas_arch_shape(b, to), maas_arch_shape(b, in));
            return;
        }
    }
    edges[0] = in->edge;
    edges[1] = maas_arch_parameter(b, "shortcut.weight", 4, dims, MAAS_INIT_HE_NORMAL, dims[1], dims[0]);
    out->edge = maas_arch_begin(b, "Conv", 2, edges);
    maas_onnx_attr_ints(&b->writer, "kernel_shape", 2, (int64_t[]){1, 1});
    maas_onnx_attr_ints(&b->writer, "strides", 2, step);
    maas_onnx_end_node(&b->writer);
    memcpy(out->dims, to->dims, sizeof out->dims);
    maas_arch_batch_norm(b, out, "shortcut.norm.", 0.9, 1e-5);
}

static bool same_dims(const MaasArchValue *a, const MaasArchValue *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, sizeof *a->dims * (size_t)a->rank) == 0;
}

static void make_residual(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    const MaasJson *layers =
        b->given && b->given->kind == MAAS_JSON_LIST ? b->given : maas_arch_option(b, "layers");
    const MaasJson *beside = maas_arch_option(b, "shortcut");
    const char *activation = maas_arch_text(b, "activation", NULL);
    MaasArchValue shortcut = *in;

    *out = *in;
    maas_arch_layers(b, layers, out, true);
    if (beside && beside->kind == MAAS_JSON_LIST)
        maas_arch_layers(b, beside, &shortcut, true);
    else if (beside && (beside->kind != MAAS_JSON_STRING || strcmp(beside->string.data, "auto") != 0))
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"shortcut\" must be a list of layers or \"auto\"");
    else if (b->status == MAAS_OK && !same_dims(in, out))
        project(b, in, out, &shortcut);
    if (b->status == MAAS_OK && !same_dims(&shortcut, out))
        maas_arch_fail(b, MAAS_ERR_SHAPE, "its layers give %s, its shortcut %s", maas_arch_shape(b, out),
                       maas_arch_shape(b, &shortcut));
    if (out->first && shortcut.first) {
        out->edge = maas_arch_node(b, "Add", out->edge, shortcut.edge);
    } else {
        *out = maas_arch_rows(b, out);
        shortcut = maas_arch_rows(b, &shortcut);
        out->edge = maas_arch_node(b, "Add", out->edge, shortcut.edge);
    }
    out->activation = NULL;
    maas_arch_activate(b, activation, -1, out);
}

#define CONV_OPTIONS "strides", "padding", "dilation_rate", "use_bias", "activation"
#define POOL_OPTIONS {"pool_size", "strides", "padding"}
const MaasArchKind maas_arch_image[] = {
    {"conv1d", make_conv1d, 2, 1, 1, {"filters", "kernel_size", CONV_OPTIONS, "groups", "kernel_initializer"}},
    {"conv2d", make_conv2d, 2, 1, 1, {"filters", "kernel_size", CONV_OPTIONS, "groups", "kernel_initializer"}},
    {"depthwise_conv1d",
     make_depthwise_conv1d,
     1,
     1,
     1,
     {"kernel_size", "depth_multiplier", CONV_OPTIONS, "depthwise_initializer"}},
    {"depthwise_conv2d",
     make_depthwise_conv2d,
     1,
     1,
     1,
     {"kernel_size", "depth_multiplier", CONV_OPTIONS, "depthwise_initializer"}},
    {"max_pooling", make_max_pooling, 2, 1, 1, POOL_OPTIONS},
    {"max_pooling1d", make_max_pooling, 2, 1, 1, POOL_OPTIONS},
    {"max_pooling2d", make_max_pooling, 2, 1, 1, POOL_OPTIONS},
    {"average_pooling", make_average_pooling, 2, 1, 1, POOL_OPTIONS},
    {"average_pooling1d", make_average_pooling, 2, 1, 1, POOL_OPTIONS},
    {"average_pooling2d", make_average_pooling, 2, 1, 1, POOL_OPTIONS},
    {"global_max_pooling", make_global_max, 0, 1, 1, {NULL}},
    {"global_max_pooling1d", make_global_max, 0, 1, 1, {NULL}},
    {"global_max_pooling2d", make_global_max, 0, 1, 1, {NULL}},
    {"global_average_pooling", make_global_average, 0, 1, 1, {NULL}},
    {"global_average_pooling1d", make_global_average, 0, 1, 1, {NULL}},
    {"global_average_pooling2d", make_global_average, 0, 1, 1, {NULL}},
    {"residual", make_residual, 0, 1, 1, {"layers", "shortcut", "activation"}},
    {0},
};
