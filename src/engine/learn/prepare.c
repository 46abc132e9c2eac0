/*
 * prepare.c - columns as they are become what a network reads; a network's output becomes a label or a number.
 *
 * Arithmetic on numbers and times is in double: a timestamp as a float would be off by a minute.  All strings lie
 * in an arena of the call.
 */
#include <math.h>
#include <string.h>

#include "../format/onnx_write.h"
#include "../maas.h"

typedef struct Prepare {
    const MaasPreparation *p;
    MaasOnnxWriter w;
    MaasArena arena;
    MaasError *err;
    MaasStatus status;
    int n_edges;
    int64_t width;      /* of the features */
    int n_parts;        /* of the features, each (N, something) */
    const char **parts; /* room for MAX_PARTS of each column */
} Prepare;

#define MAX_PARTS 8

/* A word: letters, digits and marks, with what joins them. */
#define WORD "[\\pL\\pN\\pM]+([\\pP\\pS]+[\\pL\\pN\\pM]+)*"

/* ---- small pieces of a graph ---- */

static bool is_column(const Prepare *s, const char *name)
{
    for (int i = 0; s->p && i < s->p->n_columns; i++)
        if (strcmp(s->p->columns[i].name, name) == 0)
            return true;
    return false;
}

/* A name that no column has. */
static const char *edge(Prepare *s, const char *what)
{
    const char *name;

    do {
        name = maas_arena_printf(&s->arena, s->err, "prepare/%s_%d", what, s->n_edges++);
        if (!name && s->status == MAAS_OK)
            s->status = s->err->status;
    } while (name && is_column(s, name));
    return name ? name : "";
}

static const char *begin(Prepare *s, const char *domain, const char *op, int n_in, const char *const *in)
{
    const char *out = edge(s, op);

    maas_onnx_begin_node(&s->w, domain, op, out, n_in, in, 1, &out);
    return out;
}

static const char *node(Prepare *s, const char *op, const char *x, const char *y)
{
    const char *out = begin(s, "", op, y ? 2 : 1, (const char *[]){x, y});

    maas_onnx_end_node(&s->w);
    return out;
}

static const char *node_int(Prepare *s, const char *op, const char *x, const char *attr, int64_t value)
{
    const char *out = begin(s, "", op, 1, &x);

    maas_onnx_attr_int(&s->w, attr, value);
    maas_onnx_end_node(&s->w);
    return out;
}

static const char *constant(Prepare *s, MaasType type, int rank, const int64_t *dims, const void *data)
{
    const char *name = edge(s, "constant");

    maas_onnx_write_initializer(&s->w, name, type, rank, dims, data);
    return name;
}

static const char *number(Prepare *s, double value)
{
    return constant(s, MAAS_DOUBLE, 0, NULL, &value);
}

static const char *as_float(Prepare *s, const char *x)
{
    return node_int(s, "Cast", x, "to", MAAS_FLOAT);
}

static void rename_to(Prepare *s, const char *x, const char *name)
{
    maas_onnx_begin_node(&s->w, "", "Identity", name, 1, &x, 1, &name);
    maas_onnx_end_node(&s->w);
}

static void add_part(Prepare *s, const char *x, int64_t width)
{
    s->parts[s->n_parts++] = x;
    s->width += width;
}

/* ---- columns ---- */

/* Texts and arrays are inputs of their own. */
static bool is_port(const MaasColumn *c)
{
    return c->kind == MAAS_COLUMN_TENSOR || c->kind == MAAS_COLUMN_TEXT;
}

static MaasType port_type(const MaasColumn *c)
{
    switch (c->kind) {
    case MAAS_COLUMN_BOOL:
        return c->missing ? MAAS_DOUBLE : MAAS_BOOL;
    case MAAS_COLUMN_CATEGORY:
    case MAAS_COLUMN_TEXT:
        return MAAS_STRING;
    case MAAS_COLUMN_TENSOR:
        return c->type;
    default:
        return MAAS_DOUBLE;
    }
}

static double scale_of(const MaasColumn *c)
{
    return c->deviation > 0 && isfinite(1 / c->deviation) ? 1 / c->deviation : 1;
}

/* (x - mean) / deviation as float, or x; kept in bounds. */
static const char *standardise(Prepare *s, const MaasColumn *c, const char *x)
{
    double reach = s->p->clip / scale_of(c);

    if (s->p->clip > 0) {
        x = begin(s, "", "Clip", 3, (const char *[]){x, number(s, c->mean - reach), number(s, c->mean + reach)});
        maas_onnx_end_node(&s->w);
    }
    if (!c->raw)
        x = node(s, "Mul", node(s, "Sub", x, number(s, c->mean)), number(s, scale_of(c)));
    return as_float(s, x);
}

/* Sine and cosine of where x stands in its period. */
static void add_period(Prepare *s, const char *x, double period)
{
    double turn = 2 * 3.14159265358979323846;

    x = node(s, "Div", x, number(s, period));
    x = node(s, "Sub", x, node(s, "Floor", x, NULL));
    x = as_float(s, node(s, "Mul", x, number(s, turn)));
    add_part(s, node(s, "Sin", x, NULL), 1);
    add_part(s, node(s, "Cos", x, NULL), 1);
}

static void prepare_number(Prepare *s, const MaasColumn *c)
{
    const char *x = c->name, *missing = NULL;

    if (port_type(c) == MAAS_BOOL)
        x = node_int(s, "Cast", x, "to", MAAS_DOUBLE);
    if (c->missing) {
        missing = node(s, "IsNaN", x, NULL);
        x = begin(s, "", "Where", 3, (const char *[]){missing, number(s, c->fill), x});
        maas_onnx_end_node(&s->w);
    }
    add_part(s, standardise(s, c, x), 1);
    if (missing)
        add_part(s, as_float(s, missing), 1);
    for (int i = 0; i < c->n_periods; i++)
        add_period(s, x, c->periods[i]);
}

/* Strings as numbers: that of the first of n keys is `first`, and so on; `other` for what is none of them. */
static const char *encode(Prepare *s, const char *x, int64_t n, const MaasStr *keys, int64_t first, int64_t other)
{
    int64_t *values = maas_arena_array(&s->arena, (size_t)n + 1, sizeof *values, s->err);

    if (!values) {
        s->status = s->err->status;
        return "";
    }
    for (int64_t i = 0; i < n; i++)
        values[i] = first + i;
    x = begin(s, "ai.onnx.ml", "LabelEncoder", 1, &x);
    maas_onnx_attr_strings(&s->w, "keys_strings", (size_t)n, keys);
    maas_onnx_attr_ints(&s->w, "values_int64s", (size_t)n, values);
    maas_onnx_attr_int(&s->w, "default_int64", other);
    maas_onnx_end_node(&s->w);
    return x;
}

/* The number of the category, or n for what is none; one feature for each. */
static void prepare_category(Prepare *s, const MaasColumn *c)
{
    int64_t n = c->n_categories, depth = n + 1;
    const float off_on[2] = {0, 1};
    const char *x = encode(s, c->name, n, c->categories, 0, n);

    x = begin(s, "", "OneHot", 3,
              (const char *[]){x, constant(s, MAAS_INT64, 0, NULL, &depth),
                               constant(s, MAAS_FLOAT, 1, (int64_t[]){2}, off_on)});
    maas_onnx_end_node(&s->w);
    add_part(s, node_int(s, "Flatten", x, "axis", 1), depth);
}

static const char *prepared_name(Prepare *s, const char *name)
{
    const char *full = maas_arena_printf(&s->arena, s->err, MAAS_PREPARED "%s", name);

    if (!full && s->status == MAAS_OK)
        s->status = s->err->status;
    return full ? full : "";
}

/* (N,1) texts -> (N,W) words, "" behind the last of a row.  Punctuation at the ends of words is left out by a
 * regular expression: ONNX has none that finds, onnxruntime's Tokenizer does.  The locale is the one that all
 * systems with glibc or musl have. */
static const char *cut_words(Prepare *s, const char *x, MaasTextRule rule)
{
    x = node(s, "Reshape", x, constant(s, MAAS_INT64, 1, (int64_t[]){1}, (int64_t[]){-1}));
    if (rule.lower) {
        x = begin(s, "", "StringNormalizer", 1, &x);
        maas_onnx_attr_string(&s->w, "case_change_action", "LOWER");
        maas_onnx_attr_string(&s->w, "locale", "C.UTF-8");
        maas_onnx_end_node(&s->w);
    }
    if (!rule.strip_punctuation) {
        x = begin(s, "", "StringSplit", 1, &x);
        maas_onnx_end_node(&s->w);
        return x;
    }
    x = begin(s, "com.microsoft", "Tokenizer", 1, &x);
    maas_onnx_attr_int(&s->w, "mark", 0);
    maas_onnx_attr_int(&s->w, "mincharnum", 1);
    maas_onnx_attr_string(&s->w, "pad_value", "");
    maas_onnx_attr_string(&s->w, "tokenexp", WORD);
    maas_onnx_end_node(&s->w);
    return x;
}

/* Words as numbers, (N,length): the first ones of the text, padded with 0. */
static void prepare_text(Prepare *s, const MaasColumn *c)
{
    const int64_t pads[4] = {0, 0, 0, c->length}, zero = 0, one = 1, two = 2, four = 4;
    int64_t n = c->n_categories + MAAS_TEXT_SPECIAL;
    MaasStr *keys = maas_arena_array(&s->arena, (size_t)n, sizeof *keys, s->err);
    const char *x;

    if (!keys) {
        s->status = s->err->status;
        return;
    }
    keys[0] = (MaasStr){"", 0};
    keys[1] = (MaasStr){"[UNK]", 5}; /* Keras's name for it */
    if (c->n_categories > 0)
        memcpy(keys + MAAS_TEXT_SPECIAL, c->categories, sizeof *keys * (size_t)c->n_categories);
    x = encode(s, cut_words(s, c->name, c->text), n, keys, 0, 1);
    x = node(s, "Pad", x, constant(s, MAAS_INT64, 1, &four, pads));
    x = begin(s, "", "Slice", 4,
              (const char *[]){x, constant(s, MAAS_INT64, 1, &one, &zero),
                               constant(s, MAAS_INT64, 1, &one, &c->length),
                               constant(s, MAAS_INT64, 1, &one, &one)});
    maas_onnx_end_node(&s->w);
    x = node(s, "Reshape", x, constant(s, MAAS_INT64, 1, &two, (int64_t[]){0, c->length})); /* tells the size */
    rename_to(s, x, prepared_name(s, c->name));
}

static void prepare_tensor(Prepare *s, const MaasColumn *c)
{
    float mean = (float)c->mean, scale = (float)scale_of(c);
    const char *x = c->name;

    if (c->whole) {
        if (c->type != MAAS_INT64)
            x = node_int(s, "Cast", x, "to", MAAS_INT64);
    } else {
        if (c->type != MAAS_FLOAT)
            x = as_float(s, x);
        if (mean != 0)
            x = node(s, "Sub", x, constant(s, MAAS_FLOAT, 0, NULL, &mean));
        if (scale != 1)
            x = node(s, "Mul", x, constant(s, MAAS_FLOAT, 0, NULL, &scale));
    }
    rename_to(s, x, prepared_name(s, c->name));
}

static void declare(Prepare *s, const MaasColumn *c)
{
    static const char *const symbols[MAAS_MAX_RANK] = {"N"};
    int64_t dims[MAAS_MAX_RANK] = {-1, 1};
    int rank = 2;

    if (c->kind == MAAS_COLUMN_TENSOR) {
        rank = c->rank + 1;
        if (rank > MAAS_MAX_RANK) {
            s->status = maas_fail(s->err, MAAS_ERR_SHAPE, "column \"%.200s\" has too many dimensions", c->name);
            return;
        }
        memcpy(dims + 1, c->dims, sizeof *dims * (size_t)c->rank);
    }
    maas_onnx_write_input(&s->w, c->name, port_type(c), rank, dims, symbols);
}

/* A column that would be taken for what the network reads. */
static void check_name(Prepare *s, const MaasColumn *c)
{
    size_t prefix = sizeof MAAS_PREPARED - 1;
    bool features = is_port(c) && strcmp(c->name, MAAS_PREPARED_FEATURES) == 0, others = false;

    for (int i = 0; i < s->p->n_columns; i++)
        others |= !is_port(&s->p->columns[i]);
    if (!(features && others) && strncmp(c->name, MAAS_PREPARED, prefix) != 0)
        return;
    s->status = maas_fail(s->err, MAAS_ERR_NAME, "column \"%.200s\" has the name of %s", c->name,
                          features ? "what the other columns become" : "an inner edge of the model");
    maas_error_hint(s->err, "Give it another one in the query, with AS.");
}

/* The graph from the columns to what the network reads. */
static void put_columns(Prepare *s)
{
    const char *x;

    for (int i = 0; i < s->p->n_columns && s->status == MAAS_OK; i++)
        check_name(s, &s->p->columns[i]);
    for (int i = 0; i < s->p->n_columns && s->status == MAAS_OK; i++) {
        const MaasColumn *c = &s->p->columns[i];

        declare(s, c);
        if (c->kind == MAAS_COLUMN_TENSOR)
            prepare_tensor(s, c);
        else if (c->kind == MAAS_COLUMN_TEXT)
            prepare_text(s, c);
        else if (c->kind == MAAS_COLUMN_CATEGORY)
            prepare_category(s, c);
        else
            prepare_number(s, c);
    }
    if (s->n_parts == 0 || s->status != MAAS_OK)
        return;
    x = s->parts[0];
    if (s->n_parts > 1) {
        x = begin(s, "", "Concat", s->n_parts, s->parts);
        maas_onnx_attr_int(&s->w, "axis", 1);
        maas_onnx_end_node(&s->w);
    }
    rename_to(s, x, prepared_name(s, MAAS_PREPARED_FEATURES));
}

/* ---- what the network reads ---- */

/* Features that the column becomes. */
static int64_t column_width(const MaasColumn *c)
{
    if (is_port(c))
        return 0;
    return c->kind == MAAS_COLUMN_CATEGORY ? c->n_categories + 1 : 1 + (c->missing ? 1 : 0) + 2 * c->n_periods;
}

MaasStatus maas_prepare_ports(const MaasPreparation *p, MaasArena *arena, int *n_ports, MaasPort **ports,
                              MaasError *err)
{
    int64_t width = 0;
    int n = 0;
    MaasPort *out = maas_arena_array(arena, (size_t)p->n_columns + 1, sizeof *out, err);

    if (!out)
        return err->status;
    for (int i = 0; i < p->n_columns; i++)
        width += column_width(&p->columns[i]);
    if (width > 0) {
        int64_t *dims = maas_arena_array(arena, 2, sizeof *dims, err);

        if (!dims)
            return err->status;
        dims[0] = -1;
        dims[1] = width;
        out[n++] = (MaasPort){
            .name = MAAS_PREPARED_FEATURES, .kind = MAAS_KIND_TENSOR, .type = MAAS_FLOAT, .rank = 2, .dims = dims};
    }
    for (int i = 0; i < p->n_columns; i++) {
        const MaasColumn *c = &p->columns[i];
        bool text = c->kind == MAAS_COLUMN_TEXT;
        int rank = text ? 1 : c->rank;
        int64_t *dims;

        if (!is_port(c))
            continue;
        dims = maas_arena_array(arena, (size_t)rank + 1, sizeof *dims, err);
        if (!dims)
            return err->status;
        dims[0] = -1;
        if (rank > 0)
            memcpy(dims + 1, text ? &c->length : c->dims, sizeof *dims * (size_t)rank);
        out[n++] = (MaasPort){.name = c->name,
                              .kind = MAAS_KIND_TENSOR,
                              .type = text || c->whole ? MAAS_INT64 : MAAS_FLOAT,
                              .rank = rank + 1,
                              .dims = dims};
    }
    *n_ports = n;
    *ports = out;
    return MAAS_OK;
}

/* ---- the whole ---- */

static void start_empty(Prepare *s, MaasMem *mem, MaasError *err)
{
    *s = (Prepare){.err = err};
    maas_arena_init(&s->arena, mem);
    maas_onnx_writer_init(&s->w, mem, err);
}

static void start(Prepare *s, const MaasPreparation *p, MaasMem *mem, MaasError *err)
{
    start_empty(s, mem, err);
    s->p = p;
    s->parts = maas_arena_array(&s->arena, (size_t)p->n_columns * MAX_PARTS + 1, sizeof *s->parts, err);
    if (!s->parts)
        s->status = err->status;
    else
        put_columns(s);
}

static MaasStatus finish(Prepare *s, const char *name, void **bytes, size_t *n_bytes)
{
    if (s->status == MAAS_OK)
        s->status = maas_onnx_writer_finish(&s->w, name, bytes, n_bytes);
    else
        maas_onnx_writer_free(&s->w);
    maas_arena_free(&s->arena);
    return s->status;
}

MaasStatus maas_prepare_to_onnx(const MaasPreparation *p, MaasMem *mem, void **bytes, size_t *n_bytes,
                                MaasError *err)
{
    static const char *const symbols[MAAS_MAX_RANK] = {"N"};
    MaasPort *ports = NULL;
    int n_ports = 0;
    Prepare s;

    start(&s, p, mem, err);
    if (s.status == MAAS_OK)
        s.status = maas_prepare_ports(p, &s.arena, &n_ports, &ports, err);
    for (int i = 0; i < n_ports && s.status == MAAS_OK; i++)
        maas_onnx_write_output(&s.w, prepared_name(&s, ports[i].name), ports[i].type, ports[i].rank, ports[i].dims,
                               symbols);
    return finish(&s, "preparation", bytes, n_bytes);
}

MaasStatus maas_prepare_words_to_onnx(MaasTextRule rule, MaasMem *mem, void **bytes, size_t *n_bytes,
                                      MaasError *err)
{
    static const char *const symbols[] = {"N", "W"};
    Prepare s;

    start_empty(&s, mem, err);
    maas_onnx_write_input(&s.w, "text", MAAS_STRING, 2, (int64_t[]){-1, 1}, symbols);
    rename_to(&s, cut_words(&s, "text", rule), "words");
    maas_onnx_write_output(&s.w, "words", MAAS_STRING, 2, (int64_t[]){-1, -1}, symbols);
    return finish(&s, "words", bytes, n_bytes);
}

/* A name for an output that no column has. */
static const char *output_name(Prepare *s, const char *wanted)
{
    const char *name = wanted;

    for (int tries = 1; is_column(s, name); tries++) {
        name = maas_arena_printf(&s->arena, s->err, "%s_%d", wanted, tries);
        if (!name) {
            s->status = s->err->status;
            return wanted;
        }
    }
    return name;
}

/* Probabilities and the label of the largest one, as scikit-learn's classifiers are exported. */
static void end_classes(Prepare *s, const MaasTarget *t, const char *x, int64_t width)
{
    static const char *const symbols[] = {"N", NULL};
    const char *label = output_name(s, "label"), *scores = output_name(s, "probabilities"), *classes, *best;
    const float one = 1;

    if (width == 1 && t->n == 2) {
        x = begin(s, "", "Concat", 2,
                  (const char *[]){node(s, "Sub", constant(s, MAAS_FLOAT, 0, NULL, &one), x), x});
        maas_onnx_attr_int(&s->w, "axis", 1);
        maas_onnx_end_node(&s->w);
    }
    rename_to(s, x, scores);
    classes =
        t->strings ? constant(s, MAAS_STRING, 1, &t->n, t->strings) : constant(s, MAAS_INT64, 1, &t->n, t->numbers);
    best = begin(s, "", "ArgMax", 1, &scores);
    maas_onnx_attr_int(&s->w, "axis", 1);
    maas_onnx_attr_int(&s->w, "keepdims", 0);
    maas_onnx_end_node(&s->w);
    best = begin(s, "ai.onnx.ml", "ArrayFeatureExtractor", 2, (const char *[]){classes, best});
    maas_onnx_end_node(&s->w);
    best = node(s, "Reshape", best, constant(s, MAAS_INT64, 1, (int64_t[]){1}, (int64_t[]){-1}));
    rename_to(s, best, label);
    maas_onnx_write_output(&s->w, label, t->strings ? MAAS_STRING : MAAS_INT64, 1, (int64_t[]){-1}, symbols);
    maas_onnx_write_output(&s->w, scores, MAAS_FLOAT, 2, (int64_t[]){-1, t->n}, symbols);
}

/* Whether floats are too coarse for numbers of these means and deviations, as for times, or too small. */
static bool needs_double(const MaasTarget *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        double mean = fabs(t->mean[i]), deviation = t->deviation[i];

        if (mean > 4096 * deviation || mean + 100 * deviation > 1e37 || deviation < 1e-37)
            return true;
    }
    return false;
}

/* A constant of n numbers as float. */
static const char *floats(Prepare *s, int64_t n, const double *values)
{
    float *data = maas_arena_array(&s->arena, (size_t)n, sizeof *data, s->err);

    if (!data) {
        s->status = s->err->status;
        return "";
    }
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)values[i];
    return constant(s, MAAS_FLOAT, 1, &n, data);
}

static void end_numbers(Prepare *s, const MaasTarget *t, const char *x)
{
    static const char *const symbols[] = {"N", NULL};
    const char *name = output_name(s, "prediction");
    MaasType type = t->mean && needs_double(t) ? MAAS_DOUBLE : MAAS_FLOAT;

    if (type == MAAS_DOUBLE) {
        x = node(s, "Mul", node_int(s, "Cast", x, "to", MAAS_DOUBLE), constant(s, type, 1, &t->n, t->deviation));
        x = node(s, "Add", x, constant(s, type, 1, &t->n, t->mean));
    } else if (t->mean)
        x = node(s, "Add", node(s, "Mul", x, floats(s, t->n, t->deviation)), floats(s, t->n, t->mean));
    rename_to(s, x, name);
    maas_onnx_write_output(&s->w, name, type, 2, (int64_t[]){-1, t->n}, symbols);
}

MaasStatus maas_prepare_join(const MaasPreparation *p, const MaasTarget *t, const void *network, size_t n_network,
                             MaasMem *mem, void **bytes, size_t *n_bytes, MaasError *err)
{
    MaasOnnxPart part;
    Prepare s;

    start(&s, p, mem, err);
    if (s.status == MAAS_OK)
        s.status = maas_onnx_write_nodes_of(&s.w, network, n_network, &part);
    if (s.status == MAAS_OK) {
        const char *output = maas_arena_strndup(&s.arena, part.output.data, part.output.size, err);

        if (!output)
            s.status = err->status;
        else if (t->task == MAAS_TASK_CLASSIFY)
            end_classes(&s, t, output, part.last_dim);
        else
            end_numbers(&s, t, output);
        maas_onnx_write_metadata(&s.w, "maas.target", t->name);
    }
    return finish(&s, "model", bytes, n_bytes);
}
