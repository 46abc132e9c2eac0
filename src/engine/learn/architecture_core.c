/*
 * architecture_core.c - layers of every network: dense, embedding, activations, norms, dropout, shapes, joins.
 */
#include <math.h>
#include <string.h>

#include "../base/nearest.h"
#include "architecture_build.h"

/* ---- activations ---- */

typedef struct Activation {
    const char *name;
    const char *op; /* an operator of one input; NULL: made by hand below */
    const char *attr;
    float value; /* of attr, when the caller gives none */
} Activation;

static const Activation activations[] = {
    {"linear", NULL, NULL, 0},
    {"relu", "Relu", NULL, 0},
    {"relu6", NULL, NULL, 0},
    {"leaky_relu", "LeakyRelu", "alpha", 0.2f},
    {"elu", "Elu", "alpha", 1},
    {"selu", "Selu", NULL, 0},
    {"gelu", "Gelu", NULL, 0},
    {"silu", NULL, NULL, 0},
    {"swish", NULL, NULL, 0},
    {"mish", "Mish", NULL, 0},
    {"sigmoid", "Sigmoid", NULL, 0},
    {"hard_sigmoid", "HardSigmoid", NULL, 0},
    {"hard_swish", "HardSwish", NULL, 0},
    {"tanh", "Tanh", NULL, 0},
    {"softplus", "Softplus", NULL, 0},
    {"softsign", "Softsign", NULL, 0},
    {"exponential", "Exp", NULL, 0},
    {"softmax", "Softmax", NULL, 0},
};
#define N_ACTIVATIONS (sizeof activations / sizeof *activations)

static const Activation *find_activation(MaasArchBuild *b, const char *name)
{
    const char *nearest;

    for (size_t i = 0; i < N_ACTIVATIONS; i++)
        if (strcmp(activations[i].name, name) == 0)
            return &activations[i];
    if (b->status != MAAS_OK)
        return NULL;
    maas_arch_fail(b, MAAS_ERR_NAME, "there is no activation \"%.100s\"", name);
    nearest = maas_nearest_name(name, &activations[0].name, N_ACTIVATIONS, sizeof *activations);
    if (nearest)
        maas_error_hint(b->err, "Did you mean \"%s\"?", nearest);
    return NULL;
}

void maas_arch_activate(MaasArchBuild *b, const char *name, double slope, MaasArchValue *v)
{
    const Activation *activation = name ? find_activation(b, name) : NULL;
    bool softmax = activation && strcmp(activation->name, "softmax") == 0;

    if (!activation || strcmp(activation->name, "linear") == 0)
        return;
    *v = softmax ? maas_arch_rows(b, v) : maas_arch_float(b, v);
    v->activation = activation->name;
    if (strcmp(activation->name, "relu6") == 0) {
        v->edge = maas_arch_begin(
            b, "Clip", 3,
            (const char *[]){v->edge, maas_arch_constant_float(b, 0), maas_arch_constant_float(b, 6)});
        maas_onnx_end_node(&b->writer);
    } else if (!activation->op)
        v->edge = maas_arch_node(b, "Mul", v->edge, maas_arch_node(b, "Sigmoid", v->edge, NULL));
    else if (activation->attr) {
        v->edge = maas_arch_begin(b, activation->op, 1, &v->edge);
        maas_onnx_attr_float(&b->writer, activation->attr, slope < 0 ? activation->value : (float)slope);
        maas_onnx_end_node(&b->writer);
    } else if (softmax)
        v->edge = maas_arch_node_int(b, "Softmax", v->edge, "axis", -1);
    else
        v->edge = maas_arch_node(b, activation->op, v->edge, NULL);
}

static void make_activation(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    *out = *in;
    maas_arch_activate(b, maas_arch_text(b, "activation", "linear"), -1, out);
}

/* A layer that is called like its activation. */
static void make_named_activation(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    *out = *in;
    maas_arch_activate(b, b->kind->name, -1, out);
}

static void make_leaky_relu(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    *out = *in;
    maas_arch_activate(b, "leaky_relu", maas_arch_number(b, "negative_slope", 0.3, 0, 100), out);
}

/* ---- dense ---- */

const char *maas_arch_linear(MaasArchBuild *b, const char *x, bool matrix, const char *suffix, int64_t in,
                             int64_t out, bool bias, MaasInitialiser init, MaasInitialiser bias_init)
{
    const char *weight_name = maas_arch_printf(b, "%sweight", suffix);
    const char *bias_name = maas_arch_printf(b, "%sbias", suffix);
    const char *weight, *offset = NULL, *y;

    weight = maas_arch_parameter(b, weight_name, 2, (int64_t[]){in, out}, init, in, out);
    if (bias)
        offset = maas_arch_parameter(b, bias_name, 1, &out, bias_init, in, out);
    if (matrix && bias) {
        y = maas_arch_begin(b, "Gemm", 3, (const char *[]){x, weight, offset});
        maas_onnx_end_node(&b->writer);
        return y;
    }
    y = maas_arch_node(b, "MatMul", x, weight);
    return bias ? maas_arch_node(b, "Add", y, offset) : y;
}

static void make_dense(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    int64_t units = maas_arch_units(b, "units");
    bool bias = maas_arch_bool(b, "use_bias", true);
    MaasInitialiser init = maas_arch_initialiser(b, "kernel_initializer", MAAS_INIT_GLOROT_UNIFORM);
    MaasInitialiser bias_init = maas_arch_initialiser(b, "bias_initializer", MAAS_INIT_ZEROS);

    *out = maas_arch_rows(b, in);
    if (in->rank < 1)
        maas_arch_fail(b, MAAS_ERR_SHAPE, "expects at least one dimension, got %s from \"%s\"",
                       maas_arch_shape(b, in), in->name);
    else if (maas_arch_need_known(b, in, in->rank - 1, "how many features there are")) {
        out->edge =
            maas_arch_linear(b, out->edge, in->rank == 1, "", in->dims[in->rank - 1], units, bias, init, bias_init);
        out->dims[in->rank - 1] = units;
    }
    out->activation = NULL;
    maas_arch_activate(b, maas_arch_text(b, "activation", NULL), -1, out);
}

static void make_embedding(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    int64_t dims[] = {maas_arch_int(b, "input_dim", -1, 1), maas_arch_int(b, "output_dim", -1, 1)};
    MaasInitialiser init = maas_arch_initialiser(b, "embeddings_initializer", MAAS_INIT_RANDOM_UNIFORM);
    const char *table = maas_arch_parameter(b, "weight", 2, dims, init, dims[0], dims[1]);
    const char *index = in->edge;
    bool mask = maas_arch_bool(b, "mask_zero", in->n_words > 0);

    *out = *in;
    if (in->rank >= MAAS_ARCH_MAX_RANK || in->first) {
        maas_arch_fail(b, MAAS_ERR_SHAPE, "expects numbers of entries, got %s from \"%s\"", maas_arch_shape(b, in),
                       in->name);
        return;
    }
    if (in->n_words > dims[0]) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "has %lld entries, but the words of \"%s\" have numbers up to %lld",
                       (long long)dims[0], in->name, (long long)in->n_words - 1);
        maas_error_hint(b->err, "Let \"input_dim\" be as large as \"max_tokens\" of the text.");
        return;
    }
    if (in->type == MAAS_INT64 && in->range.known && (in->range.low < 0 || in->range.high >= (double)dims[0])) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "has entries from 0 to %lld, but \"%s\" has numbers from %g to %g",
                       (long long)dims[0] - 1, in->name, in->range.low, in->range.high);
        return;
    }
    if (in->type != MAAS_INT64)
        index = maas_arch_node_int(b, "Cast", index, "to", MAAS_INT64);
    if (mask && maas_arch_need_rank(b, in, 1, "a sequence of numbers where 0 is padding"))
        out->mask = maas_arch_mask_zero(b, index);
    out->edge = maas_arch_node(b, "Gather", table, index);
    out->n_words = 0;
    out->type = MAAS_FLOAT;
    out->dims[out->rank++] = dims[1];
    out->activation = NULL;
}

/* ---- norms and dropout ---- */

const char *maas_arch_dropout(MaasArchBuild *b, const char *x, double rate)
{
    return rate > 0 ? maas_arch_node(b, "Dropout", x, maas_arch_constant_float(b, (float)rate)) : x;
}

static void make_dropout(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    double rate = maas_arch_number(b, "rate", 0.5, 0, 0.999);

    *out = maas_arch_float(b, in);
    out->edge = maas_arch_dropout(b, out->edge, rate);
    out->activation = NULL;
}

const char *maas_arch_layer_norm(MaasArchBuild *b, const char *x, const char *suffix, int64_t width, double epsilon)
{
    const char *names[] = {maas_arch_printf(b, "%sweight", suffix), maas_arch_printf(b, "%sbias", suffix)};
    const char *in[3] = {x}, *y;

    in[1] = maas_arch_parameter(b, names[0], 1, &width, MAAS_INIT_ONES, 1, 1);
    in[2] = maas_arch_parameter(b, names[1], 1, &width, MAAS_INIT_ZEROS, 1, 1);
    y = maas_arch_begin(b, "LayerNormalization", 3, in);
    maas_onnx_attr_int(&b->writer, "axis", -1);
    maas_onnx_attr_float(&b->writer, "epsilon", (float)epsilon);
    maas_onnx_end_node(&b->writer);
    return y;
}

static void make_layer_norm(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    double epsilon = maas_arch_number(b, "epsilon", 1e-5, 0, 1);

    *out = maas_arch_rows(b, in);
    if (in->rank < 1)
        maas_arch_need_rank(b, in, 1, "features");
    else if (maas_arch_need_known(b, in, in->rank - 1, "how many features there are"))
        out->edge = maas_arch_layer_norm(b, out->edge, "", in->dims[in->rank - 1], epsilon);
    out->activation = NULL;
}

/* Over the features of rows and sequences, over the channels of images. */
void maas_arch_batch_norm(MaasArchBuild *b, MaasArchValue *v, const char *suffix, double momentum, double epsilon)
{
    static const char *const names[] = {"weight", "bias", "running_mean", "running_var"};
    int channel = v->rank == 2 ? 1 : 0;
    const char *in[5];
    int64_t width;

    if (v->rank < 1 || v->rank > 4) {
        maas_arch_fail(b, MAAS_ERR_SHAPE, "expects features, a sequence or an image, got %s from \"%s\"",
                       maas_arch_shape(b, v), v->name);
        return;
    }
    *v = maas_arch_first(b, v);
    if (!maas_arch_need_known(b, v, channel, "how many features there are"))
        return;
    width = v->dims[channel];
    in[0] = v->edge;
    for (int i = 0; i < 4; i++) {
        const char *name = maas_arch_printf(b, "%s%s", suffix, names[i]);

        in[i + 1] = maas_arch_parameter(b, name, 1, &width, i % 3 == 0 ? MAAS_INIT_ONES : MAAS_INIT_ZEROS, 1, 1);
    }
    v->edge = maas_arch_begin(b, "BatchNormalization", 5, in);
    maas_onnx_attr_float(&b->writer, "epsilon", (float)epsilon);
    maas_onnx_attr_float(&b->writer, "momentum", (float)momentum);
    maas_onnx_end_node(&b->writer);
    v->activation = NULL;
}

static void make_batch_norm(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    *out = *in;
    maas_arch_batch_norm(b, out, "", maas_arch_number(b, "momentum", 0.9, 0, 1),
                         maas_arch_number(b, "epsilon", 1e-5, 0, 1));
    maas_arch_activate(b, maas_arch_text(b, "activation", NULL), -1, out);
}

static void make_rescaling(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    double scale = maas_arch_number(b, "scale", 1, -INFINITY, INFINITY);
    double offset = maas_arch_number(b, "offset", 0, -INFINITY, INFINITY);

    *out = maas_arch_float(b, in);
    out->edge = maas_arch_node(b, "Mul", out->edge, maas_arch_constant_float(b, (float)scale));
    if (offset != 0)
        out->edge = maas_arch_node(b, "Add", out->edge, maas_arch_constant_float(b, (float)offset));
    out->activation = NULL;
}

/* ---- shapes ---- */

/* The elements of one example, or -1. */
static int64_t elements(MaasArchBuild *b, const MaasArchValue *v)
{
    int64_t n;

    for (int d = 0; d < v->rank; d++)
        if (v->dims[d] < 0)
            return -1;
    if (!maas_count_dims(v->rank, v->dims, &n)) {
        maas_arch_fail(b, MAAS_ERR_LIMIT, "%s is too large", maas_arch_shape(b, v));
        return 1;
    }
    return n;
}

static void make_flatten(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    *out = in->first ? maas_arch_rows(b, in) : *in;
    out->dims[0] = elements(b, in);
    out->rank = 1;
    out->edge = maas_arch_node_int(b, "Flatten", out->edge, "axis", 1);
}

static void make_reshape(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    const MaasJson *shape =
        b->given && b->given->kind == MAAS_JSON_LIST ? b->given : maas_arch_option(b, "target_shape");
    int64_t have = elements(b, in), known = 1, full[MAAS_ARCH_MAX_RANK + 1] = {0};
    int rest = -1, n = 0;

    *out = in->first ? maas_arch_rows(b, in) : *in;
    if (!shape || shape->kind != MAAS_JSON_LIST || shape->n > MAAS_ARCH_MAX_RANK) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"target_shape\" must be a list of at most %d whole numbers",
                       MAAS_ARCH_MAX_RANK);
        return;
    }
    for (const MaasJson *item = shape->first; item; item = item->next, n++) {
        double size = item->kind == MAAS_JSON_NUMBER ? item->number : 0;

        if (size != floor(size) || size < -1 || size == 0 || size > 1e12 || (size < 0 && rest >= 0)) {
            maas_arch_fail(b, MAAS_ERR_VALUE,
                           "\"target_shape\" must hold whole numbers of at least 1, and -1 at most once");
            return;
        }
        if (size < 0)
            rest = n;
        out->dims[n] = (int64_t)size;
        if (size > 0 && !maas_mul64(known, out->dims[n], &known))
            known = INT64_MAX;
    }
    out->rank = n;
    if (have >= 0 && (rest < 0 ? known != have : have % known != 0)) {
        maas_arch_fail(b, MAAS_ERR_SHAPE, "%s from \"%s\" has %lld elements, which do not make %s",
                       maas_arch_shape(b, in), in->name, (long long)have, maas_arch_shape(b, out));
        return;
    }
    if (have < 0 && rest < 0)
        maas_arch_need_known(b, in, 0, "the whole shape, or have a -1");
    memcpy(full + 1, out->dims, sizeof *full * (size_t)n);
    if (have >= 0 && rest >= 0)
        out->dims[rest] = full[rest + 1] = have / known;
    out->edge = maas_arch_reshape(b, out->edge, (size_t)n + 1, full);
    out->activation = NULL;
}

/* ---- joins ---- */

static bool same_shape(const MaasArchValue *a, const MaasArchValue *b, int except)
{
    if (a->rank != b->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (d != except && a->dims[d] != b->dims[d])
            return false;
    return true;
}

static void make_add(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    bool multiply = strcmp(b->kind->name, "multiply") == 0;

    *out = maas_arch_rows(b, &in[0]);
    for (int i = 1; i < n_in; i++) {
        MaasArchValue next = maas_arch_rows(b, &in[i]);

        if (!same_shape(&in[0], &in[i], -1)) {
            maas_arch_fail(b, MAAS_ERR_SHAPE, "\"%s\" has shape %s, \"%s\" has %s", in[0].name,
                           maas_arch_shape(b, &in[0]), in[i].name, maas_arch_shape(b, &in[i]));
            return;
        }
        out->edge = maas_arch_node(b, multiply ? "Mul" : "Add", out->edge, next.edge);
    }
    out->activation = NULL;
    maas_arch_activate(b, maas_arch_text(b, "activation", NULL), -1, out);
}

/* axis counts the dimensions of one example from 1, as Keras does with the batch as 0; -1 is the last one.  Images
 * are joined along their channels. */
static void make_concat(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    const char *edges[MAAS_ARCH_MAX_INPUTS];
    const MaasJson *given = maas_arch_option(b, "axis");
    int64_t axis = given && given->kind == MAAS_JSON_NUMBER ? (int64_t)given->number : in[0].rank == 3 ? 1 : -1;

    *out = maas_arch_rows(b, &in[0]);
    if (axis < 0)
        axis += in[0].rank + 1;
    if (axis == 1)
        out->mask = NULL; /* there are more steps */
    if (axis < 1 || axis > in[0].rank || (given && given->kind != MAAS_JSON_NUMBER)) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"axis\" must be from 1 to %d, or count from the end with -1",
                       in[0].rank);
        return;
    }
    edges[0] = out->edge;
    for (int i = 1; i < n_in; i++) {
        edges[i] = maas_arch_rows(b, &in[i]).edge;
        if (!same_shape(&in[0], &in[i], (int)axis - 1)) {
            maas_arch_fail(b, MAAS_ERR_SHAPE,
                           "\"%s\" has shape %s, \"%s\" has %s, which differ beyond dimension %d", in[0].name,
                           maas_arch_shape(b, &in[0]), in[i].name, maas_arch_shape(b, &in[i]), (int)axis);
            return;
        }
        if (out->dims[axis - 1] >= 0)
            out->dims[axis - 1] = in[i].dims[axis - 1] < 0 ? -1 : out->dims[axis - 1] + in[i].dims[axis - 1];
    }
    out->edge = maas_arch_begin(b, "Concat", n_in, edges);
    maas_onnx_attr_int(&b->writer, "axis", axis);
    maas_onnx_end_node(&b->writer);
    out->activation = NULL;
    maas_arch_activate(b, maas_arch_text(b, "activation", NULL), -1, out);
}

#define JOIN 2, MAAS_ARCH_MAX_INPUTS
const MaasArchKind maas_arch_core[] = {
    {"dense", make_dense, 1, 1, 1, {"units", "activation", "use_bias", "kernel_initializer", "bias_initializer"}},
    {"embedding", make_embedding, 2, 1, 1, {"input_dim", "output_dim", "embeddings_initializer", "mask_zero"}},
    {"activation", make_activation, 1, 1, 1, {"activation"}},
    {"relu", make_named_activation, 0, 1, 1, {NULL}},
    {"relu6", make_named_activation, 0, 1, 1, {NULL}},
    {"leaky_relu", make_leaky_relu, 1, 1, 1, {"negative_slope"}},
    {"elu", make_named_activation, 0, 1, 1, {NULL}},
    {"selu", make_named_activation, 0, 1, 1, {NULL}},
    {"gelu", make_named_activation, 0, 1, 1, {NULL}},
    {"silu", make_named_activation, 0, 1, 1, {NULL}},
    {"swish", make_named_activation, 0, 1, 1, {NULL}},
    {"mish", make_named_activation, 0, 1, 1, {NULL}},
    {"sigmoid", make_named_activation, 0, 1, 1, {NULL}},
    {"hard_sigmoid", make_named_activation, 0, 1, 1, {NULL}},
    {"hard_swish", make_named_activation, 0, 1, 1, {NULL}},
    {"tanh", make_named_activation, 0, 1, 1, {NULL}},
    {"softplus", make_named_activation, 0, 1, 1, {NULL}},
    {"softsign", make_named_activation, 0, 1, 1, {NULL}},
    {"softmax", make_named_activation, 0, 1, 1, {NULL}},
    {"dropout", make_dropout, 1, 1, 1, {"rate"}},
    {"batch_norm", make_batch_norm, 0, 1, 1, {"momentum", "epsilon", "activation"}},
    {"layer_norm", make_layer_norm, 0, 1, 1, {"epsilon"}},
    {"rescaling", make_rescaling, 2, 1, 1, {"scale", "offset"}},
    {"flatten", make_flatten, 0, 1, 1, {NULL}},
    {"reshape", make_reshape, 0, 1, 1, {"target_shape"}},
    {"add", make_add, 0, JOIN, {"activation"}},
    {"multiply", make_add, 0, JOIN, {"activation"}},
    {"concat", make_concat, 0, JOIN, {"axis", "activation"}},
    {0},
};
