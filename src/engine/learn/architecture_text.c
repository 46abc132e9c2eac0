/*
 * architecture_text.c - texts as the beginning of a network, and the padding that they bring with them.
 *
 * How a text becomes numbers of words is a matter of the preparation (prepare.h), which learns the words; here is
 * what the architecture says of it, and what later layers do about padding.  A mask, floats (N, steps), goes with a
 * value from layer to layer as long as its steps are those of the text.
 */
#include <string.h>

#include "architecture_build.h"

/* ---- text_vectorization ---- */

#define MAX_TOKENS 1000000
#define MAX_LENGTH 100000

static const char *const standardizations[] = {"lower_and_strip_punctuation", "lower", "strip_punctuation", "none"};

static void read_options(MaasArchBuild *b, MaasArchText *text)
{
    int choice = maas_arch_choice(b, "standardize", standardizations, 4, 0);

    text->max_tokens = maas_arch_int(b, "max_tokens", 0, MAAS_TEXT_SPECIAL + 1);
    text->length = maas_arch_int(b, "output_sequence_length", 0, 1);
    text->rule = (MaasTextRule){.lower = choice < 2, .strip_punctuation = choice % 2 == 0};
    if (text->max_tokens > MAX_TOKENS || text->length > MAX_LENGTH)
        maas_arch_fail(b, MAAS_ERR_LIMIT, "takes at most %d words, %d of one text", MAX_TOKENS, MAX_LENGTH);
}

/* The words are numbers already when they come here: the preparation makes them. */
static void make_text_vectorization(MaasArchBuild *b, const MaasArchValue *in, int n_in, MaasArchValue *out)
{
    MaasArchText text;

    *out = *in;
    read_options(b, &text);
    if (in->n_words > 0)
        return;
    maas_arch_fail(b, MAAS_ERR_TYPE, "reads a column of text and learns its words, \"%s\" is none", in->name);
    maas_error_hint(b->err, "Train with maas_train from a query with such a column.");
}

const MaasArchKind maas_arch_texts[] = {
    {"text_vectorization",
     make_text_vectorization,
     2,
     1,
     1,
     {"max_tokens", "output_sequence_length", "standardize"}},
    {0},
};

/* ---- which columns are texts ---- */

static bool is_layer(const MaasJson *layer, const char *kind)
{
    return layer->kind == MAAS_JSON_STRING ? strcmp(layer->string.data, kind) == 0
                                           : maas_json_member(layer, kind) != NULL;
}

/* The numbers that the embedding behind a text takes; MAX_TOKENS when there is none. */
static int64_t tokens_of_embedding(MaasArchBuild *b, const MaasJson *layer)
{
    int64_t tokens;

    while (layer && !is_layer(layer, "embedding"))
        layer = layer->next;
    if (!layer)
        return MAX_TOKENS;
    maas_arch_begin_layer(b, layer);
    tokens = b->status == MAAS_OK ? maas_arch_int(b, "input_dim", -1, 1) : 0;
    return tokens > MAAS_TEXT_SPECIAL ? tokens
                                      : MAAS_TEXT_SPECIAL + 1; /* too few are told when the network is made */
}

/* The length that the architecture's own words about inputs give: "input": [128]; 0 when there are none. */
static int64_t length_of_input(const MaasJson *root, const char *input)
{
    const MaasJson *all = maas_json_member(root, "inputs");
    const MaasJson *json = !all    ? maas_json_member(root, "input")
                           : input ? maas_json_member(all, input)
                                   : all->first;
    const MaasJson *shape = json && json->kind == MAAS_JSON_OBJECT ? maas_json_member(json, "shape") : json;
    double size = shape && shape->kind == MAAS_JSON_LIST && shape->n == 1 && shape->first->kind == MAAS_JSON_NUMBER
                      ? shape->first->number
                      : 0;

    return size >= 1 && size <= MAX_LENGTH ? (int64_t)size : 0;
}

/* The one input that the layer names; false when it names more, or something that is no name. */
static bool named_input(MaasArchBuild *b, const char **name)
{
    const MaasJson *json = maas_arch_option(b, "inputs");

    if (!json)
        json = maas_arch_option(b, "input");
    if (json && json->kind == MAAS_JSON_LIST && json->n == 1)
        json = json->first;
    *name = json && json->kind == MAAS_JSON_STRING ? json->string.data : NULL;
    return !json || *name;
}

/* Reads one layer; false when it reads no text. */
static bool read_text(MaasArchBuild *b, const MaasJson *root, const MaasJson *layer, bool first, bool explicit,
                      MaasArchText *text)
{
    if (!is_layer(layer, explicit ? "text_vectorization" : "embedding"))
        return false;
    maas_arch_begin_layer(b, layer);
    if (b->status != MAAS_OK)
        return false;
    *text = (MaasArchText){.rule = {true, true}};
    if (!named_input(b, &text->input) || (!text->input && !first))
        return false;
    if (explicit)
        read_options(b, text);
    if (text->length == 0)
        text->length = length_of_input(root, text->input);
    if (text->max_tokens == 0)
        text->max_tokens = tokens_of_embedding(b, layer);
    return b->status == MAAS_OK;
}

MaasStatus maas_architecture_texts(const char *json, size_t length, MaasArena *arena, int *n, MaasArchText **texts,
                                   MaasError *err)
{
    MaasArchBuild b = {.mem = arena->mem, .arena = arena, .err = err};
    const MaasJson *layers;
    MaasJson *root;
    bool explicit = false;

    *n = 0;
    b.status = maas_json_parse(json, length, arena, &root, err);
    layers = b.status == MAAS_OK ? maas_json_member(root, "layers") : NULL;
    if (!layers || layers->kind != MAAS_JSON_LIST)
        return b.status;
    *texts = maas_arena_array(arena, (size_t)layers->n, sizeof **texts, err);
    if (!*texts)
        return err->status;
    for (const MaasJson *layer = layers->first; layer; layer = layer->next)
        explicit |= is_layer(layer, "text_vectorization");
    for (const MaasJson *layer = layers->first; layer && b.status == MAAS_OK; layer = layer->next)
        if (read_text(&b, root, layer, layer == layers->first, explicit, &(*texts)[*n]))
            ++*n;
    return b.status;
}

/* ---- padding ---- */

/* A node of two inputs with an integer attribute. */
static const char *node_two(MaasArchBuild *b, const char *op, const char *x, const char *y, const char *attr,
                            int64_t value)
{
    const char *out = maas_arch_begin(b, op, 2, (const char *[]){x, y});

    maas_onnx_attr_int(&b->writer, attr, value);
    maas_onnx_end_node(&b->writer);
    return out;
}

const char *maas_arch_mask_zero(MaasArchBuild *b, const char *ids)
{
    const char *padding = maas_arch_node(b, "Equal", ids, maas_arch_constant_ints(b, 1, (int64_t[]){0}));

    return maas_arch_node_int(b, "Cast", maas_arch_node(b, "Not", padding, NULL), "to", MAAS_FLOAT);
}

/* 0 where the mask is 1, -1e9 where it is 0: far below every score, and no infinity that would make NaN of itself.
 */
static const char *below_all(MaasArchBuild *b, const char *mask)
{
    mask = maas_arch_node(b, "Sub", mask, maas_arch_constant_float(b, 1));
    return maas_arch_node(b, "Mul", mask, maas_arch_constant_float(b, 1e9f));
}

const char *maas_arch_mask_scores(MaasArchBuild *b, const char *mask)
{
    return maas_arch_reshape(b, below_all(b, mask), 4, (int64_t[]){0, 1, 1, -1});
}

/* (N, 1) or (N): how many steps count. */
static const char *count_steps(MaasArchBuild *b, const char *mask, bool keep)
{
    return node_two(b, "ReduceSum", mask, maas_arch_constant_ints(b, 1, (int64_t[]){1}), "keepdims", keep);
}

const char *maas_arch_mask_lengths(MaasArchBuild *b, const char *mask)
{
    const char *count = maas_arch_node(b, "Max", count_steps(b, mask, false), maas_arch_constant_float(b, 1));

    return maas_arch_node_int(b, "Cast", count, "to", MAAS_INT32);
}

const char *maas_arch_mask_mean(MaasArchBuild *b, const char *x, const char *mask)
{
    const char *count = maas_arch_node(b, "Max", count_steps(b, mask, true), maas_arch_constant_float(b, 1));
    const char *sum = maas_arch_node(b, "MatMul", maas_arch_reshape(b, mask, 3, (int64_t[]){0, 1, -1}), x);

    sum = maas_arch_node(b, "Squeeze", sum, maas_arch_constant_ints(b, 1, (int64_t[]){1}));
    return maas_arch_node(b, "Div", sum, count);
}

const char *maas_arch_mask_max(MaasArchBuild *b, const char *x, const char *mask)
{
    const char *any = maas_arch_node(b, "Min", count_steps(b, mask, true), maas_arch_constant_float(b, 1));

    x = maas_arch_node(b, "Add", x, maas_arch_reshape(b, below_all(b, mask), 3, (int64_t[]){0, -1, 1}));
    x = node_two(b, "ReduceMax", x, maas_arch_constant_ints(b, 1, (int64_t[]){1}), "keepdims", 0);
    return maas_arch_node(b, "Mul", x, any);
}
