/*
 * parameters.c - which initialisers are parameters.
 *
 * ONNX does not say it: means and factors of a preparation are initialisers, too.  So a float initialiser counts
 * when it stands where operators have their weights (weight_places), itself or transposed, reshaped, joined; in Add
 * and Mul only behind such an operator, where it is a bias, a scale or a position's embedding.  The option "train"
 * adds others by name.
 */
#include <stdlib.h>
#include <string.h>

#include "parameters.h"

#define MASK_BELOW (-1e4f) /* an addend below this is a mask, not a bias */

enum {
    AFTER_WEIGHTS = 1, /* only behind an operator with weights */
    PRODUCT = 2,       /* penalised, begins a layer */
    LOOKUP = 4,        /* begins a layer */
    STATISTIC = 8,
    STACKED = 16 /* a weight for each direction */
};

typedef struct WeightPlace {
    const char *op;
    int input;
    unsigned flags;
    int unit_axis; /* of the weight; -1 the last one, UNITS_BY_ATTR: Gemm */
} WeightPlace;

#define NO_UNITS (-100)
#define UNITS_BY_ATTR (-101)

static const WeightPlace weight_places[] = {
    {"Gemm", 0, PRODUCT, NO_UNITS},
    {"Gemm", 1, PRODUCT, UNITS_BY_ATTR},
    {"Gemm", 2, 0, NO_UNITS},
    {"MatMul", 0, PRODUCT, NO_UNITS},
    {"MatMul", 1, PRODUCT, -1},
    {"Einsum", 0, PRODUCT, NO_UNITS},
    {"Einsum", 1, PRODUCT, NO_UNITS},
    {"Conv", 1, PRODUCT, 0},
    {"Conv", 2, 0, NO_UNITS},
    {"ConvTranspose", 1, PRODUCT, 1},
    {"ConvTranspose", 2, 0, NO_UNITS},
    {"LSTM", 1, PRODUCT | STACKED, 1},
    {"LSTM", 2, PRODUCT | STACKED, 1},
    {"LSTM", 3, 0, NO_UNITS},
    {"LSTM", 7, 0, NO_UNITS},
    {"GRU", 1, PRODUCT | STACKED, 1},
    {"GRU", 2, PRODUCT | STACKED, 1},
    {"GRU", 3, 0, NO_UNITS},
    {"RNN", 1, PRODUCT | STACKED, 1},
    {"RNN", 2, PRODUCT | STACKED, 1},
    {"RNN", 3, 0, NO_UNITS},
    {"Gather", 0, LOOKUP, NO_UNITS},
    {"BatchNormalization", 1, 0, NO_UNITS},
    {"BatchNormalization", 2, 0, NO_UNITS},
    {"BatchNormalization", 3, STATISTIC, NO_UNITS},
    {"BatchNormalization", 4, STATISTIC, NO_UNITS},
    {"InstanceNormalization", 1, 0, NO_UNITS},
    {"InstanceNormalization", 2, 0, NO_UNITS},
    {"GroupNormalization", 1, 0, NO_UNITS},
    {"GroupNormalization", 2, 0, NO_UNITS},
    {"LayerNormalization", 1, 0, NO_UNITS},
    {"LayerNormalization", 2, 0, NO_UNITS},
    {"RMSNormalization", 1, 0, NO_UNITS},
    {"PRelu", 1, 0, NO_UNITS},
    {"Add", 0, AFTER_WEIGHTS, NO_UNITS},
    {"Add", 1, AFTER_WEIGHTS, NO_UNITS},
    {"Mul", 0, AFTER_WEIGHTS, NO_UNITS},
    {"Mul", 1, AFTER_WEIGHTS, NO_UNITS},
};

/* Operators that only move elements. */
static const char *const movers[] = {"Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze",
                                     "Concat",    "Slice",   "Split",    "Flatten", "Expand"};

static bool moves(const MaasNode *node)
{
    for (size_t i = 0; i < sizeof movers / sizeof *movers; i++)
        if (*node->domain == '\0' && strcmp(node->op_type, movers[i]) == 0)
            return true;
    return false;
}

/* How many inputs hold what is moved; those behind them say where to, and may depend on the data: as many positions
 * as there are steps. */
static int n_moved(const MaasNode *node)
{
    return strcmp(node->op_type, "Concat") == 0 || node->n_in < 1 ? node->n_in : 1;
}

bool maas_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *again = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            again = text;
        } else if (*pattern == *text || *pattern == '?') {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++again;
        } else
            return false;
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

static bool matches_any(const MaasTexts *patterns, const char *name)
{
    for (int64_t i = 0; i < patterns->n; i++)
        if (maas_matches(patterns->items[i], name))
            return true;
    return false;
}

static int by_text(const void *a, const void *b)
{
    const MaasStr *x = a, *y = b;
    size_t n = x->length < y->length ? x->length : y->length;
    int order = n ? memcmp(x->data, y->data, n) : 0;

    return order ? order : (x->length > y->length) - (x->length < y->length);
}

static bool is_float_constant(const MaasEdge *edge)
{
    return edge->role == MAAS_ROLE_CONSTANT && edge->constant && edge->constant->kind == MAAS_KIND_TENSOR &&
           edge->constant->tensor.type == MAAS_FLOAT && edge->constant->tensor.count > 0;
}

/* A lone number, or a mask (values that no bias has; zeros and ones): not for training. */
static bool is_plain_operand(const MaasEdge *edge)
{
    const MaasTensor *t = edge->role == MAAS_ROLE_CONSTANT && edge->constant ? &edge->constant->tensor : NULL;
    int64_t zeros = 0, ones = 0;

    if (!t || t->type != MAAS_FLOAT)
        return false;
    if (t->count == 1 && t->rank == 0)
        return true;
    for (int64_t i = 0; i < t->count; i++) {
        float value = MAAS_F32(t)[i];

        if (value < MASK_BELOW)
            return true;
        zeros += value == 0;
        ones += value == 1;
    }
    return zeros > 0 && ones > 0 && zeros + ones == t->count;
}

/* What is found of the edges, in the nodes' order. */
typedef struct Search {
    const MaasGraph *graph;
    MaasParameterMark *marks;
    uint8_t *still;   /* constants and what is moved of them only */
    uint8_t *learned; /* depends on a weight */
    uint8_t *turned;  /* a matrix that is another one transposed */
    int layers;
} Search;

static int unit_axis(const MaasNode *node, const WeightPlace *place, int rank)
{
    if (place->unit_axis == NO_UNITS || rank < 2)
        return -1;
    if (place->unit_axis == UNITS_BY_ATTR) {
        for (int a = 0; node->op->attrs[a].name; a++)
            if (strcmp(node->op->attrs[a].name, "transB") == 0)
                return node->attrs[a].i ? 0 : 1;
        return -1;
    }
    return place->unit_axis < 0 ? rank - 1 : place->unit_axis;
}

static void mark_place(Search *s, const MaasNode *node, const WeightPlace *place)
{
    int e = node->in[place->input];
    MaasParameterMark *mark = &s->marks[e];
    const MaasInfo *info = &s->graph->edges[e].info;

    if (place->flags & STATISTIC) {
        mark->statistic = true;
        return;
    }
    if (!mark->parameter) {
        mark->parameter = true;
        mark->layer = s->layers;
        mark->weight = place->flags & PRODUCT;
        mark->stacked = place->flags & STACKED;
        mark->unit_axis = -1;
        int rank =
            s->graph->edges[e].role == MAAS_ROLE_CONSTANT ? s->graph->edges[e].constant->tensor.rank : info->rank;

        if (mark->weight)
            mark->unit_axis = unit_axis(node, place, rank > 0 ? rank : s->turned[e] ? 2 : 0);
    }
}

static bool has_place(Search *s, const MaasNode *node, const WeightPlace *place)
{
    if (place->input >= node->n_in || node->in[place->input] == MAAS_NO_VALUE || *node->domain != '\0' ||
        strcmp(place->op, node->op_type) != 0)
        return false;
    int e = node->in[place->input], other = node->n_in == 2 ? node->in[1 - place->input] : MAAS_NO_VALUE;

    if (!s->still[e])
        return false;
    if (place->flags & AFTER_WEIGHTS && (other == MAAS_NO_VALUE || !s->learned[other]))
        return false;
    return !(place->flags & AFTER_WEIGHTS && is_plain_operand(&s->graph->edges[e]));
}

static void visit(Search *s, const MaasNode *node)
{
    bool learned = false, still = moves(node), layer = false;

    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] != MAAS_NO_VALUE) {
            learned |= s->learned[node->in[i]];
            still &= i >= n_moved(node) || s->still[node->in[i]];
        }
    for (size_t p = 0; p < sizeof weight_places / sizeof *weight_places; p++) {
        const WeightPlace *place = &weight_places[p];

        if (!has_place(s, node, place))
            continue;
        if (place->flags & (PRODUCT | LOOKUP) && !layer) {
            layer = true;
            s->layers++;
        }
        mark_place(s, node, place);
        learned = true;
    }
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE) {
            s->learned[node->out[i]] = learned;
            s->still[node->out[i]] = still;
            s->turned[node->out[i]] = still && strcmp(node->op_type, "Transpose") == 0;
        }
}

/* From what was moved to what it was made of. */
static void pass_back(Search *s, const MaasNode *node)
{
    const MaasParameterMark *mark = NULL;

    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && s->still[node->out[i]] && s->marks[node->out[i]].parameter)
            mark = &s->marks[node->out[i]];
    for (int i = 0; mark && i < n_moved(node); i++) {
        int e = node->in[i];

        if (e == MAAS_NO_VALUE || s->marks[e].parameter || (!mark->weight && is_plain_operand(&s->graph->edges[e])))
            continue;
        bool matrix = is_float_constant(&s->graph->edges[e]) && s->graph->edges[e].constant->tensor.rank == 2;
        int axis = strcmp(node->op_type, "Identity") == 0 ? mark->unit_axis : -1;

        if (strcmp(node->op_type, "Transpose") == 0 && matrix && mark->unit_axis >= 0)
            axis = 1 - mark->unit_axis;
        s->marks[e] = *mark;
        s->marks[e].unit_axis = axis;
    }
}

MaasStatus maas_find_parameters(const MaasGraph *graph, int n_initializers, const MaasStr *initializers,
                                const MaasTrainOptions *options, MaasArena *scratch, MaasParameterMark *marks,
                                int *n_layers, MaasError *err)
{
    size_t n = (size_t)graph->n_edges + 1;
    Search s = {.graph = graph,
                .marks = marks,
                .still = maas_arena_alloc(scratch, n, err),
                .learned = maas_arena_alloc(scratch, n, err),
                .turned = maas_arena_alloc(scratch, n, err)};
    MaasStr *names = maas_arena_array(scratch, (size_t)n_initializers + 1, sizeof *names, err);

    if (!s.still || !s.learned || !s.turned || !names)
        return err->status;
    if (n_initializers > 0)
        memcpy(names, initializers, (size_t)n_initializers * sizeof *names);
    qsort(names, (size_t)n_initializers, sizeof *names, by_text);
    for (int e = 0; e < graph->n_edges; e++)
        s.still[e] = graph->edges[e].role == MAAS_ROLE_CONSTANT;
    for (int k = 0; k < graph->n_nodes; k++)
        visit(&s, &graph->nodes[k]);
    for (int k = graph->n_nodes - 1; k >= 0; k--)
        if (moves(&graph->nodes[k]))
            pass_back(&s, &graph->nodes[k]);
    for (int e = 0; e < graph->n_edges; e++) {
        const MaasEdge *edge = &graph->edges[e];
        MaasStr name = {edge->name, edge->name ? strlen(edge->name) : 0};
        bool initializer = is_float_constant(edge) &&
                           bsearch(&name, names, (size_t)n_initializers, sizeof *names, by_text) != NULL;

        if (initializer && !marks[e].parameter && matches_any(&options->train, edge->name))
            marks[e] = (MaasParameterMark){.parameter = true, .unit_axis = -1, .layer = s.layers};
        if (!initializer)
            marks[e].parameter = marks[e].statistic = false;
        if (marks[e].statistic)
            marks[e].parameter = false;
    }
    *n_layers = s.layers;
    return MAAS_OK;
}

/* "all but last", "all but last 3": how many layers stay free; 0 for other texts. */
static int64_t free_layers(const char *text)
{
    static const char all[] = "all but last";

    if (strncmp(text, all, sizeof all - 1) != 0)
        return 0;
    text += sizeof all - 1;
    if (*text == '\0')
        return 1;
    char *end;
    long long n = *text == ' ' ? strtoll(text, &end, 10) : 0;

    return n > 0 && *end == '\0' ? n : 0;
}

MaasStatus maas_is_frozen(const MaasTrainOptions *options, const char *name, const MaasParameterMark *mark,
                          int n_layers, bool *frozen, MaasError *err)
{
    *frozen = false;
    for (int64_t i = 0; i < options->freeze.n; i++) {
        const char *text = options->freeze.items[i];
        int64_t last = free_layers(text);

        if (last == 0 && strncmp(text, "all but last", 12) == 0)
            return maas_fail(
                err, MAAS_ERR_VALUE,
                "option \"freeze\" is \"%.80s\", \"all but last\" may be followed by a number of layers", text);
        if (last > 0 ? mark->layer <= n_layers - last : maas_matches(text, name))
            *frozen = true;
    }
    return MAAS_OK;
}
