/*
 * architecture_sequence.c - recurrent layers, attention and transformer blocks, over sequences (steps, features).
 */
#include <math.h>
#include <string.h>

#include "architecture_build.h"

/* ---- recurrent ---- */

/* Copies made one below the other for each direction. */
static const char *stacked(MaasArchBuild *b, const char *suffix, int directions, int64_t rows, int64_t columns,
                           MaasInitialiser init, int64_t fan_in, int64_t fan_out)
{
    int64_t dims[3] = {directions, rows, columns}, count, one = rows * columns;
    float *data = maas_arch_buffer(b, 3, dims, &count); /* (directions, rows, columns) */
    const char *name = "";

    if (!data)
        return "";
    for (int d = 0; d < directions && b->status == MAAS_OK; d++)
        b->status = maas_initialise(init, &b->rng, data + d * one, rows, columns, fan_in, fan_out, &b->stop, b->mem,
                                    b->err);
    name = maas_arch_parameter_of(b, suffix, 3, dims, data);
    maas_free(b->mem, data);
    return name;
}

/* How the biases of gates begin.  chrono: units keep their state for 1 to steps steps, all lengths alike, Tallec
 * and Ollivier 2018.  unit_forget: the forget gate at 1, as Jozefowicz et al. 2015 advise and Keras does. */
typedef enum BiasInitialiser { BIAS_UNIT_FORGET = 0, BIAS_ZEROS, BIAS_CHRONO, BIAS_KINDS } BiasInitialiser;

static const char *const bias_names[BIAS_KINDS] = {"unit_forget", "zeros", "chrono"};

/* For sequences (steps, features); only a LSTM has a forget gate. */
static BiasInitialiser bias_initialiser(MaasArchBuild *b, const MaasArchValue *in, bool lstm)
{
    int first = lstm ? BIAS_UNIT_FORGET : BIAS_ZEROS;
    int kind = first + maas_arch_choice(b, "bias_initializer", bias_names + first, BIAS_KINDS - first, 0);

    if (kind == BIAS_CHRONO && maas_arch_need_known(b, in, 0, "how many steps \"chrono\" is to span") &&
        in->dims[0] < 3)
        maas_arch_fail(b, MAAS_ERR_SHAPE, "needs at least 3 steps for \"chrono\", got %s from \"%s\"",
                       maas_arch_shape(b, in), in->name);
    return (BiasInitialiser)kind;
}

/* (directions, 2 * gates * units): of the input, of the state.  The gates lie as in ONNX: a LSTM's are input,
 * output, forget, cell; a GRU's first is update, which keeps the state as a forget gate does. */
static const char *biases(MaasArchBuild *b, int directions, int64_t gates, int64_t units, BiasInitialiser init,
                          int64_t steps)
{
    int64_t dims[2] = {directions, 2 * gates * units}, count;
    float *data = maas_arch_buffer(b, 2, dims, &count);
    bool lstm = gates == 4;
    const char *name;

    if (!data)
        return "";
    for (int d = 0; d < directions; d++) {
        float *input = data + d * dims[1], *keep = input + (lstm ? 2 * units : 0); /* (units) */

        if (init == BIAS_CHRONO)
            maas_rng_uniform_floats(&b->rng, keep, units, 1, (float)(steps - 1));
        for (int64_t u = 0; u < units && init == BIAS_CHRONO; u++) {
            keep[u] = (float)log((double)keep[u]);
            if (lstm)
                input[u] = -keep[u];
        }
        for (int64_t u = 0; u < units && init == BIAS_UNIT_FORGET; u++)
            keep[u] = 1;
    }
    name = maas_arch_parameter_of(b, "bias", 2, dims, data);
    maas_free(b->mem, data);
    return name;
}

/* The node itself: Y of all steps or Y_h of the last one. */
static const char *recur(MaasArchBuild *b, const char *op, const char *const in[5], bool sequences,
                         bool bidirectional, bool backwards, int64_t units, const char *function)
{
    const char *edges[2] = {NULL, NULL}, *edge;
    const char *functions[2] = {function, function};
    MaasStr strings[2];
    int n_in = in[4] ? 5 : in[3] ? 4 : 3; /* lengths, bias */

    edge = maas_arch_printf(b, "%s/%s", b->name, sequences ? "Y" : "Y_h");
    edges[sequences ? 0 : 1] = edge;
    maas_onnx_begin_node(&b->writer, "", op, b->name, n_in, in, sequences ? 1 : 2, edges);
    maas_onnx_attr_int(&b->writer, "hidden_size", units);
    if (bidirectional || backwards)
        maas_onnx_attr_string(&b->writer, "direction", bidirectional ? "bidirectional" : "reverse");
    if (strcmp(op, "GRU") == 0)
        maas_onnx_attr_int(&b->writer, "linear_before_reset", 1);
    if (function) {
        for (int i = 0; i < 2; i++)
            strings[i] = (MaasStr){functions[i], strlen(functions[i])};
        maas_onnx_attr_strings(&b->writer, "activations", bidirectional ? 2 : 1, strings);
    }
    maas_onnx_end_node(&b->writer);
    return edge;
}

static void make_recurrent(MaasArchBuild *b, const MaasArchValue *in, MaasArchValue *out, const char *op,
                           int64_t gates, const char *function)
{
    int64_t units = maas_arch_int(b, "units", -1, 1), width, all;
    bool sequences = maas_arch_bool(b, "return_sequences", false);
    bool bidirectional = maas_arch_bool(b, "bidirectional", false);
    bool backwards = maas_arch_bool(b, "go_backwards", false), bias = maas_arch_bool(b, "use_bias", true);
    MaasInitialiser init = maas_arch_initialiser(b, "kernel_initializer", MAAS_INIT_GLOROT_UNIFORM);
    MaasInitialiser recurrent = maas_arch_initialiser(b, "recurrent_initializer", MAAS_INIT_ORTHOGONAL);
    BiasInitialiser bias_init;
    int directions = bidirectional ? 2 : 1;
    const char *edges[5];

    *out = maas_arch_rows(b, in);
    if (bidirectional && backwards)
        maas_arch_fail(b, MAAS_ERR_VALUE, "is \"bidirectional\" or goes backwards, not both");
    if (!maas_arch_need_rank(b, in, 2, "a sequence (steps, features)") ||
        !maas_arch_need_known(b, in, 1, "how many features there are"))
        return;
    bias_init = gates > 1 ? bias_initialiser(b, in, gates == 4) : BIAS_ZEROS;
    width = in->dims[1];
    if (!maas_mul64(units, 2 * gates * directions, &all)) {
        maas_arch_fail(b, MAAS_ERR_LIMIT, "it would have too many parameters");
        return;
    }
    edges[0] = maas_arch_node_ints(b, "Transpose", out->edge, "perm", 3, (int64_t[]){1, 0, 2});
    edges[1] = stacked(b, "weight", directions, gates * units, width, init, width, gates * units);
    edges[2] = stacked(b, "recurrent_weight", directions, gates * units, units, recurrent, units, gates * units);
    edges[3] = bias ? biases(b, directions, gates, units, bias_init, in->dims[0]) : NULL;
    edges[4] = in->mask ? maas_arch_mask_lengths(b, in->mask) : NULL;
    out->edge = recur(b, op, edges, sequences, bidirectional, backwards, units, function);
    if (sequences) { /* (steps, directions, N, units) -> (N, steps, directions * units) */
        out->edge = maas_arch_node_ints(b, "Transpose", out->edge, "perm", 4, (int64_t[]){2, 0, 1, 3});
        out->edge = maas_arch_reshape(b, out->edge, 3, (int64_t[]){0, 0, directions * units});
        out->dims[1] = directions * units;
    } else { /* (directions, N, units) -> (N, directions * units) */
        out->edge = maas_arch_node_ints(b, "Transpose", out->edge, "perm", 3, (int64_t[]){1, 0, 2});
        out->edge = maas_arch_reshape(b, out->edge, 2, (int64_t[]){0, directions * units});
        out->dims[0] = directions * units;
        out->rank = 1;
    }
    out->activation = NULL;
}

static void make_lstm(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    make_recurrent(b, in, out, "LSTM", 4, NULL);
}

static void make_gru(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    make_recurrent(b, in, out, "GRU", 3, NULL);
}

static void make_rnn(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    static const char *const names[] = {"tanh", "relu"};
    static const char *const functions[] = {"Tanh", "Relu"};

    make_recurrent(b, in, out, "RNN", 1, functions[maas_arch_choice(b, "activation", names, 2, 0)]);
}

/* ---- attention ---- */

/* (N, steps, heads * width) -> the heads apart: (N, heads, steps, width), or (N, heads, width, steps). */
static const char *split_heads(MaasArchBuild *b, const char *x, int64_t heads, int64_t width, bool transposed)
{
    static const int64_t perms[2][4] = {{0, 2, 1, 3}, {0, 2, 3, 1}};

    x = maas_arch_reshape(b, x, 4, (int64_t[]){0, 0, heads, width});
    return maas_arch_node_ints(b, "Transpose", x, "perm", 4, perms[transposed]);
}

/* What is added to the scores so that no step looks ahead: 0, and a large negative number above the diagonal. */
static const char *causal_mask(MaasArchBuild *b, const char *x)
{
    const char *steps = maas_arch_begin(b, "Shape", 1, &x), *shape, *mask;

    maas_onnx_attr_int(&b->writer, "start", 1);
    maas_onnx_attr_int(&b->writer, "end", 2);
    maas_onnx_end_node(&b->writer);
    shape = maas_arch_begin(b, "Concat", 2, (const char *[]){steps, steps});
    maas_onnx_attr_int(&b->writer, "axis", 0);
    maas_onnx_end_node(&b->writer);
    mask = maas_arch_node(b, "Expand", maas_arch_constant_float(b, -1e9f), shape);
    mask = maas_arch_begin(b, "Trilu", 2, (const char *[]){mask, maas_arch_constant_ints(b, 1, (int64_t[]){1})});
    maas_onnx_attr_int(&b->writer, "upper", 1);
    maas_onnx_end_node(&b->writer);
    return mask;
}

/* Vaswani et al. 2017, section 3.2.2; query, key and value are (N, steps, dims); mask: of key and value, or NULL.
 */
static const char *attend(MaasArchBuild *b, const char *const x[3], const char *mask, const int64_t width[3],
                          int64_t heads, int64_t key_width, double dropout, bool bias, bool causal,
                          const char *prefix)
{
    static const char *const names[4] = {"query.", "key.", "value.", "out."};
    const char *head[3], *scores, *y;
    int64_t all;

    if (!maas_mul64(heads, key_width, &all)) {
        maas_arch_fail(b, MAAS_ERR_LIMIT, "it would have too many parameters");
        return x[0];
    }
    for (int i = 0; i < 3; i++) {
        const char *suffix = maas_arch_printf(b, "%s%s", prefix, names[i]);

        y = maas_arch_linear(b, x[i], false, suffix, width[i], all, bias, MAAS_INIT_GLOROT_UNIFORM,
                             MAAS_INIT_ZEROS);
        if (i == 0)
            y = maas_arch_node(b, "Mul", y, maas_arch_constant_float(b, (float)(1 / sqrt((double)key_width))));
        head[i] = split_heads(b, y, heads, key_width, i == 1);
    }
    scores = maas_arch_node(b, "MatMul", head[0], head[1]);
    if (causal)
        scores = maas_arch_node(b, "Add", scores, causal_mask(b, x[0]));
    if (mask)
        scores = maas_arch_node(b, "Add", scores, maas_arch_mask_scores(b, mask));
    scores = maas_arch_node_int(b, "Softmax", scores, "axis", -1);
    scores = maas_arch_dropout(b, scores, dropout);
    y = maas_arch_node(b, "MatMul", scores, head[2]);
    y = maas_arch_node_ints(b, "Transpose", y, "perm", 4, (int64_t[]){0, 2, 1, 3});
    y = maas_arch_reshape(b, y, 3, (int64_t[]){0, 0, all});
    {
        const char *suffix = maas_arch_printf(b, "%s%s", prefix, names[3]);

        return maas_arch_linear(b, y, false, suffix, all, width[0], bias, MAAS_INIT_GLOROT_UNIFORM,
                                MAAS_INIT_ZEROS);
    }
}

/* Features of each head where the architecture does not say. */
static int64_t head_width(MaasArchBuild *b, int64_t heads, int64_t width)
{
    if (width > 0 && width % heads != 0)
        maas_arch_fail(b, MAAS_ERR_SHAPE, "%lld features cannot be cut into %lld heads", (long long)width,
                       (long long)heads);
    return width > heads ? width / heads : 1;
}

/* One input attends to itself; two are query and value; three query, value and key, in Keras's order. */
static void make_attention(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    int64_t heads = maas_arch_int(b, "num_heads", -1, 1), key_width, width[3];
    const MaasArchValue *from[3] = {&in[0], &in[n_in - 1], &in[n_in > 1]}; /* query, key, value */
    const char *x[3];

    *out = maas_arch_rows(b, &in[0]);
    for (int i = 0; i < 3; i++) {
        if (!maas_arch_need_rank(b, from[i], 2, "a sequence (steps, features)") ||
            !maas_arch_need_known(b, from[i], 1, "how many features there are"))
            return;
        x[i] = i == 0 || from[i] == from[0] ? out->edge : maas_arch_rows(b, from[i]).edge;
        width[i] = from[i]->dims[1];
    }
    if (from[1]->dims[0] != from[2]->dims[0])
        maas_arch_fail(b, MAAS_ERR_SHAPE, "value has shape %s, key %s: their steps must be equal",
                       maas_arch_shape(b, from[2]), maas_arch_shape(b, from[1]));
    key_width =
        maas_arch_option(b, "key_dim") ? maas_arch_int(b, "key_dim", -1, 1) : head_width(b, heads, width[0]);
    out->edge = attend(b, x, from[1]->mask ? from[1]->mask : from[2]->mask, width, heads, key_width,
                       maas_arch_number(b, "dropout", 0, 0, 0.999), maas_arch_bool(b, "use_bias", true),
                       maas_arch_bool(b, "causal", false), "");
    out->activation = NULL;
}

/* Attention and two dense layers, each with a shortcut and a layer norm, behind it or (normalize_first) before. */
static void make_transformer_encoder(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    int64_t inner = maas_arch_int(b, "intermediate_dim", -1, 1), heads = maas_arch_int(b, "num_heads", -1, 1),
            width;
    double dropout = maas_arch_number(b, "dropout", 0, 0, 0.999);
    double epsilon = maas_arch_number(b, "layer_norm_epsilon", 1e-5, 0, 1);
    bool first = maas_arch_bool(b, "normalize_first", false), causal = maas_arch_bool(b, "causal", false);
    const char *activation = maas_arch_text(b, "activation", "relu"), *x, *y;
    MaasArchValue hidden;

    *out = maas_arch_rows(b, in);
    if (!maas_arch_need_rank(b, in, 2, "a sequence (steps, features)") ||
        !maas_arch_need_known(b, in, 1, "how many features there are"))
        return;
    width = in->dims[1];
    x = out->edge;
    y = first ? maas_arch_layer_norm(b, x, "attention_norm.", width, epsilon) : x;
    y = attend(b, (const char *[]){y, y, y}, in->mask, (int64_t[]){width, width, width}, heads,
               head_width(b, heads, width), dropout, true, causal, "attention.");
    x = maas_arch_node(b, "Add", x, maas_arch_dropout(b, y, dropout));
    x = first ? x : maas_arch_layer_norm(b, x, "attention_norm.", width, epsilon);
    hidden = *out;
    hidden.edge = first ? maas_arch_layer_norm(b, x, "feed_forward_norm.", width, epsilon) : x;
    hidden.edge = maas_arch_linear(b, hidden.edge, false, "feed_forward_1.", width, inner, true,
                                   MAAS_INIT_GLOROT_UNIFORM, MAAS_INIT_ZEROS);
    maas_arch_activate(b, activation, -1, &hidden);
    y = maas_arch_linear(b, hidden.edge, false, "feed_forward_2.", inner, width, true, MAAS_INIT_GLOROT_UNIFORM,
                         MAAS_INIT_ZEROS);
    x = maas_arch_node(b, "Add", x, maas_arch_dropout(b, y, dropout));
    out->edge = first ? x : maas_arch_layer_norm(b, x, "feed_forward_norm.", width, epsilon);
    out->activation = NULL;
}

/* Adds a learned vector to each step. */
static void make_positional(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    int64_t dims[2] = {in->dims[0], in->dims[1]};
    const char *table;

    *out = maas_arch_rows(b, in);
    if (!maas_arch_need_rank(b, in, 2, "a sequence (steps, features)") ||
        !maas_arch_need_known(b, in, 1, "how many features there are"))
        return;
    if (dims[0] < 0 || maas_arch_option(b, "sequence_length")) {
        dims[0] = maas_arch_int(b, "sequence_length", -1, 1);
        if (in->dims[0] > dims[0])
            maas_arch_fail(b, MAAS_ERR_SHAPE, "has %lld positions, got %s from \"%s\"", (long long)dims[0],
                           maas_arch_shape(b, in), in->name);
    }
    table = maas_arch_parameter(b, "weight", 2, dims, MAAS_INIT_RANDOM_NORMAL, dims[0], dims[1]);
    if (in->dims[0] != dims[0]) { /* as many positions as there are steps */
        const char *steps = maas_arch_begin(b, "Shape", 1, &out->edge);
        const char *zero;

        maas_onnx_attr_int(&b->writer, "start", 1);
        maas_onnx_attr_int(&b->writer, "end", 2);
        maas_onnx_end_node(&b->writer);
        zero = maas_arch_constant_ints(b, 1, (int64_t[]){0});
        table = maas_arch_begin(b, "Slice", 4, (const char *[]){table, zero, steps, zero});
        maas_onnx_end_node(&b->writer);
    }
    out->edge = maas_arch_node(b, "Add", out->edge, table);
    out->activation = NULL;
}

#define RNN_OPTIONS                                                                                                \
    "return_sequences", "bidirectional", "go_backwards", "use_bias", "kernel_initializer", "recurrent_initializer"
const MaasArchKind maas_arch_sequence[] = {
    {"lstm", make_lstm, 1, 1, 1, {"units", RNN_OPTIONS, "bias_initializer"}},
    {"gru", make_gru, 1, 1, 1, {"units", RNN_OPTIONS, "bias_initializer"}},
    {"rnn", make_rnn, 1, 1, 1, {"units", RNN_OPTIONS, "activation"}},
    {"multi_head_attention", make_attention, 2, 1, 3, {"num_heads", "key_dim", "dropout", "use_bias", "causal"}},
    {"transformer_encoder",
     make_transformer_encoder,
     2,
     1,
     1,
     {"intermediate_dim", "num_heads", "dropout", "activation", "layer_norm_epsilon", "normalize_first", "causal"}},
    {"positional_embedding", make_positional, 1, 1, 1, {"sequence_length"}},
    {0},
};
