/*
 * architecture.c - a network described as JSON becomes an ONNX model: inputs, the list of layers, the output.
 *
 * What a layer is stands in architecture_core.c, _image.c, _sequence.c and _text.c.  Shapes are worked out here and
 * there as the network is written, so that whatever does not fit names its layer.  All memory but the result lies
 * in an arena of the call.
 */
#include <math.h>
#include <string.h>

#include "../base/nearest.h"
#include "architecture_build.h"

static const char *const common_options[] = {"name", "input", "inputs"};
#define N_COMMON (sizeof common_options / sizeof *common_options)

/* ---- kinds of layers ---- */

static const MaasArchKind *const tables[] = {maas_arch_core, maas_arch_image, maas_arch_sequence, maas_arch_texts};
#define N_TABLES (sizeof tables / sizeof *tables)

static const MaasArchKind *find_kind(const char *name)
{
    for (size_t t = 0; t < N_TABLES; t++)
        for (const MaasArchKind *kind = tables[t]; kind->name; kind++)
            if (strcmp(kind->name, name) == 0)
                return kind;
    return NULL;
}

static void hint_kind(MaasArchBuild *b, const char *name)
{
    const char *all[128];
    size_t n = 0;
    const char *nearest;

    for (size_t t = 0; t < N_TABLES; t++)
        for (const MaasArchKind *kind = tables[t]; kind->name && n < 128; kind++)
            all[n++] = kind->name;
    nearest = maas_nearest_name(name, all, n, sizeof *all);
    if (nearest)
        maas_error_hint(b->err, "Did you mean \"%s\"?", nearest);
    else
        maas_error_hint(b->err, "doc/training.md lists the layers.");
}

static bool has_option(const MaasArchKind *kind, const char *name)
{
    for (int i = 0; i < MAAS_ARCH_MAX_OPTIONS && kind->options[i]; i++)
        if (strcmp(kind->options[i], name) == 0)
            return true;
    for (size_t i = 0; i < N_COMMON; i++)
        if (strcmp(common_options[i], name) == 0)
            return true;
    return false;
}

/* The member that says what layer it is: the one that has all others as options. */
static const MaasJson *kind_member(const MaasJson *layer)
{
    const MaasJson *best = NULL;

    for (const MaasJson *m = layer->first; m; m = m->next) {
        const MaasArchKind *kind = find_kind(m->name.data);
        bool fits = kind != NULL;

        for (const MaasJson *other = layer->first; other && fits; other = other->next)
            fits = other == m || !find_kind(other->name.data) || has_option(kind, other->name.data);
        if (fits && (!best || !has_option(find_kind(best->name.data), m->name.data)))
            best = m;
    }
    return best;
}

static void check_options(MaasArchBuild *b, const MaasJson *object, const MaasJson *except)
{
    for (const MaasJson *m = object->first; m && b->status == MAAS_OK; m = m->next) {
        const char *all[MAAS_ARCH_MAX_OPTIONS + N_COMMON], *nearest;
        size_t n = 0;

        if (m == except || has_option(b->kind, m->name.data))
            continue;
        maas_arch_fail(b, MAAS_ERR_NAME, "there is no option \"%.100s\"", m->name.data);
        for (int i = 0; i < MAAS_ARCH_MAX_OPTIONS && b->kind->options[i]; i++)
            all[n++] = b->kind->options[i];
        for (size_t i = 0; i < N_COMMON; i++)
            all[n++] = common_options[i];
        nearest = maas_nearest_name(m->name.data, all, n, sizeof *all);
        if (nearest)
            maas_error_hint(b->err, "Did you mean \"%s\"?", nearest);
        else
            for (size_t i = 0; i < n; i++)
                maas_error_hint(b->err, "%s%s", i ? ", " : "It takes ", all[i]);
    }
}

void maas_arch_begin_layer(MaasArchBuild *b, const MaasJson *layer)
{
    const MaasJson *member = NULL;
    const char *kind_name = "";

    b->kind = NULL;
    b->json = layer;
    b->given = NULL;
    b->place = maas_arch_printf(b, "layer %d", ++b->n_layers);
    if (b->n_layers > MAAS_ARCH_MAX_LAYERS)
        maas_arch_fail(b, MAAS_ERR_LIMIT, "there are more than %d layers", MAAS_ARCH_MAX_LAYERS);
    if (layer->kind == MAAS_JSON_STRING)
        kind_name = layer->string.data;
    else if (layer->kind == MAAS_JSON_OBJECT && layer->n > 0) {
        member = kind_member(layer);
        for (const MaasJson *m = layer->first; m && !member; m = m->next)
            if (!m->next || !(strcmp(m->name.data, "name") == 0 || strncmp(m->name.data, "input", 5) == 0)) {
                kind_name = m->name.data;
                break;
            }
        if (member)
            kind_name = member->name.data;
    } else {
        maas_arch_fail(b, MAAS_ERR_VALUE, "a layer is an object like {\"dense\": 64} or a name like \"flatten\"");
        return;
    }
    b->kind = find_kind(kind_name);
    if (!b->kind || (layer->kind == MAAS_JSON_OBJECT && !member)) {
        if (b->status == MAAS_OK && b->kind)
            maas_arch_fail(b, MAAS_ERR_NAME, "names more than one kind of layer");
        else if (b->status == MAAS_OK) {
            maas_arch_fail(b, MAAS_ERR_NAME, "there is no layer \"%.100s\"", kind_name);
            hint_kind(b, kind_name);
        }
        return;
    }
    b->place = maas_arch_printf(b, "layer %d \"%s\"", b->n_layers, b->kind->name);
    b->given = member;
    if (member) {
        check_options(b, layer, member);
        if (member->kind == MAAS_JSON_OBJECT)
            check_options(b, member, NULL);
        else if (member->kind == MAAS_JSON_LIST && b->kind->n_positional > 0 && member->n > b->kind->n_positional)
            maas_arch_fail(b, MAAS_ERR_VALUE, "takes at most %d values in a list, got %lld", b->kind->n_positional,
                           (long long)member->n);
    }
}

/* ---- values by name ---- */

static const MaasArchValue *find_value(const MaasArchBuild *b, const char *name)
{
    for (int i = 0; i < b->n_values; i++)
        if (strcmp(b->values[i].name, name) == 0)
            return &b->values[i];
    return NULL;
}

static void add_value(MaasArchBuild *b, const MaasArchValue *v)
{
    if (b->n_values == b->cap_values) {
        int cap = b->cap_values ? 2 * b->cap_values : 32;
        MaasArchValue *values = maas_arena_array(b->arena, (size_t)cap, sizeof *values, b->err);

        if (!values) {
            if (b->status == MAAS_OK)
                b->status = b->err->status;
            return;
        }
        if (b->n_values)
            memcpy(values, b->values, sizeof *values * (size_t)b->n_values);
        b->values = values;
        b->cap_values = cap;
    }
    b->values[b->n_values++] = *v;
}

static void take_named(MaasArchBuild *b, const MaasJson *name, MaasArchValue *in, int *n)
{
    const MaasArchValue *v;

    if (name->kind != MAAS_JSON_STRING) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "its inputs must be names of layers or of inputs");
        return;
    }
    v = find_value(b, name->string.data);
    if (*n >= MAAS_ARCH_MAX_INPUTS)
        maas_arch_fail(b, MAAS_ERR_LIMIT, "has more than %d inputs", MAAS_ARCH_MAX_INPUTS);
    else if (v)
        in[(*n)++] = *v;
    else if (b->status == MAAS_OK) {
        const char *nearest =
            maas_nearest_name(name->string.data, &b->values[0].name, (size_t)b->n_values, sizeof *b->values);

        maas_arch_fail(b, MAAS_ERR_NAME, "there is no layer or input \"%.100s\" before it", name->string.data);
        if (nearest)
            maas_error_hint(b->err, "Did you mean \"%s\"?", nearest);
    }
}

/* The values that the layer reads: those it names, else the one before it. */
static int layer_inputs(MaasArchBuild *b, const MaasArchValue *before, MaasArchValue *in)
{
    const MaasJson *names = maas_arch_option(b, "inputs");
    int n = 0;

    if (!names)
        names = maas_arch_option(b, "input");
    if (!names && b->kind->max_in > 1 && b->given && b->given->kind == MAAS_JSON_LIST && b->given->first &&
        b->given->first->kind == MAAS_JSON_STRING)
        names = b->given;
    if (names && names->kind == MAAS_JSON_LIST)
        for (const MaasJson *name = names->first; name; name = name->next)
            take_named(b, name, in, &n);
    else if (names)
        take_named(b, names, in, &n);
    else if (before)
        in[n++] = *before;
    else {
        maas_arch_fail(b, MAAS_ERR_NAME, "there are several inputs: which one does it read?");
        for (int i = 0; i < b->n_values && i < 8; i++)
            maas_error_hint(b->err, "%s\"%s\"", i ? ", " : "Add \"input\": one of ", b->values[i].name);
    }
    if (b->status == MAAS_OK && (n < b->kind->min_in || n > b->kind->max_in))
        maas_arch_fail(b, MAAS_ERR_VALUE, "takes %s%d inputs, got %d",
                       b->kind->min_in < b->kind->max_in ? "at least " : "", b->kind->min_in, n);
    return b->status == MAAS_OK ? n : 0;
}

/* A name that is given must be new; others are made of the kind and a number. */
static const char *layer_name(MaasArchBuild *b)
{
    const char *name = maas_arch_text(b, "name", NULL);

    if (name && b->status == MAAS_OK && (find_value(b, name) || !*name || strlen(name) > 100))
        maas_arch_fail(b, MAAS_ERR_NAME,
                       "\"%.100s\" is no name for it: it must be new and have 1 to 100 characters", name);
    if (!name)
        name = maas_arch_printf(b, "%s_%d", b->kind->name, b->n_layers);
    return name;
}

/* ---- the list ---- */

void maas_arch_layers(MaasArchBuild *b, const MaasJson *layers, MaasArchValue *v, bool has_value)
{
    MaasArchBuild outer = *b;

    if (!layers || layers->kind != MAAS_JSON_LIST || layers->n < 1) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "\"layers\" must be a list of at least one layer");
        return;
    }
    if (++b->depth > MAAS_ARCH_MAX_DEPTH)
        maas_arch_fail(b, MAAS_ERR_LIMIT, "layers are nested more than %d deep", MAAS_ARCH_MAX_DEPTH);
    for (const MaasJson *layer = layers->first; layer && b->status == MAAS_OK; layer = layer->next) {
        MaasArchValue *in;
        MaasArchValue out = {0};
        int n;

        maas_arch_begin_layer(b, layer);
        if (b->status != MAAS_OK)
            break;
        in = maas_arena_array(b->arena, b->kind->max_in, sizeof *in, b->err);
        if (!in) {
            b->status = b->err->status;
            break;
        }
        n = layer_inputs(b, has_value ? v : NULL, in);
        b->name = layer_name(b);
        if (b->status != MAAS_OK)
            break;
        b->kind->make(b, in, n, &out);
        if (out.rank != 2 || out.dims[0] != in[0].dims[0])
            out.mask = NULL; /* other steps */
        if (maas_stop_raised(&b->stop))
            maas_arch_fail(b, MAAS_ERR_CANCEL, "stopped");
        out.name = b->name;
        add_value(b, &out);
        *v = out;
        has_value = true;
    }
    b->depth--;
    b->kind = outer.kind;
    b->json = outer.json;
    b->given = outer.given;
    b->place = outer.place;
    b->name = outer.name;
}

/* ---- inputs ---- */

static void check_input(MaasArchBuild *b, const MaasArchValue *v)
{
    if (v->type != MAAS_FLOAT && v->type != MAAS_INT64)
        maas_arch_fail(b, MAAS_ERR_TYPE, "input \"%.100s\" must be of type float or int64, got %s", v->name,
                       maas_type_name(v->type));
    for (int d = 0; d < v->rank; d++)
        if (v->dims[d] == 0)
            maas_arch_fail(b, MAAS_ERR_SHAPE, "input \"%.100s\" is empty", v->name);
    if (find_value(b, v->name))
        maas_arch_fail(b, MAAS_ERR_NAME, "there are two inputs \"%.100s\"", v->name);
}

/* Declares the input in the model; images that lie as (height, width, channels) are turned. */
static void add_input(MaasArchBuild *b, MaasArchValue *v)
{
    static const char *const names[] = {"N", "d1", "d2", "d3", "d4", "d5", "d6"};
    const char *symbols[MAAS_ARCH_MAX_RANK + 1];
    int64_t dims[MAAS_ARCH_MAX_RANK + 1] = {-1};

    check_input(b, v);
    if (b->status != MAAS_OK)
        return;
    symbols[0] = names[0];
    for (int d = 0; d < v->rank; d++) {
        dims[d + 1] = v->dims[d];
        symbols[d + 1] = maas_arch_printf(b, "%s_%s", v->name, names[d + 1]);
    }
    v->edge = maas_arch_printf(b, "%s%s", b->input_prefix, v->name);
    if (b->status != MAAS_OK)
        return;
    maas_onnx_write_input(&b->writer, v->edge, v->type, v->rank + 1, dims, symbols);
    if (b->channels_last && v->rank == 3) {
        int64_t channels = v->dims[2];

        v->edge = maas_arch_node_ints(b, "Transpose", v->edge, "perm", 4, (int64_t[]){0, 3, 1, 2});
        memmove(v->dims + 1, v->dims, sizeof *v->dims * 2);
        v->dims[0] = channels;
    }
    add_value(b, v);
}

static void inputs_of_ports(MaasArchBuild *b, const MaasArchitecture *a)
{
    if (a->n_inputs > MAAS_ARCH_MAX_INPUTS)
        maas_arch_fail(b, MAAS_ERR_LIMIT, "there are more than %d inputs", MAAS_ARCH_MAX_INPUTS);
    for (int i = 0; i < a->n_inputs && b->status == MAAS_OK; i++) {
        const MaasPort *port = &a->inputs[i];
        MaasArchValue v = {
            .name = port->name, .type = port->type, .rank = port->rank - 1, .n_words = a->words ? a->words[i] : 0};
        if (a->ranges)
            v.range = a->ranges[i];

        if (port->kind != MAAS_KIND_TENSOR || port->rank < 1 || v.rank > MAAS_ARCH_MAX_RANK) {
            maas_arch_fail(b, MAAS_ERR_SHAPE, "input \"%.100s\" must be a tensor with 0 to %d dimensions",
                           port->name, MAAS_ARCH_MAX_RANK);
            return;
        }
        memcpy(v.dims, port->dims + 1, sizeof *v.dims * (size_t)v.rank);
        add_input(b, &v);
    }
}

/* [28,28], or {"shape": [28,28], "type": "float"}; null stands for a free dimension. */
static void input_of_json(MaasArchBuild *b, const char *name, const MaasJson *json)
{
    const MaasJson *shape = json->kind == MAAS_JSON_OBJECT ? maas_json_member(json, "shape") : json;
    const MaasJson *type = maas_json_member(json, "type");
    MaasArchValue v = {.name = name, .type = MAAS_FLOAT};

    if (json->kind == MAAS_JSON_OBJECT)
        for (const MaasJson *m = json->first; m; m = m->next)
            if (m != shape && m != type)
                maas_arch_fail(b, MAAS_ERR_NAME,
                               "input \"%.100s\": there is no option \"%.100s\", only shape and type", name,
                               m->name.data);
    if (!shape || shape->kind != MAAS_JSON_LIST || shape->n > MAAS_ARCH_MAX_RANK) {
        maas_arch_fail(b, MAAS_ERR_VALUE,
                       "the shape of input \"%.100s\" must be a list of at most %d whole numbers", name,
                       MAAS_ARCH_MAX_RANK);
        return;
    }
    if (type) {
        v.type = type->kind == MAAS_JSON_STRING ? maas_type_from_name(type->string.data, type->string.length)
                                                : MAAS_UNDEFINED;
        if (v.type == MAAS_UNDEFINED)
            maas_arch_fail(b, MAAS_ERR_TYPE, "the type of input \"%.100s\" must be \"float\" or \"int64\"", name);
    }
    for (const MaasJson *item = shape->first; item; item = item->next) {
        double size = item->kind == MAAS_JSON_NUMBER ? item->number : item->kind == MAAS_JSON_NULL ? -1 : 0;

        if (size != floor(size) || size == 0 || size < -1 || size > 1e9)
            maas_arch_fail(
                b, MAAS_ERR_VALUE,
                "the shape of input \"%.100s\" must hold whole numbers of at least 1, or null where it is free",
                name);
        v.dims[v.rank++] = b->status == MAAS_OK ? (int64_t)size : 1;
    }
    add_input(b, &v);
}

/* Without any word about inputs, a network that begins with an embedding reads a sequence of entries. */
static bool begins_with_embedding(const MaasJson *layers)
{
    return layers && layers->kind == MAAS_JSON_LIST && layers->first &&
           maas_json_member(layers->first, "embedding");
}

static void inputs_of_json(MaasArchBuild *b, const MaasJson *root)
{
    const MaasJson *inputs = maas_json_member(root, "inputs"), *input = maas_json_member(root, "input");

    if (inputs && input)
        maas_arch_fail(b, MAAS_ERR_NAME, "\"input\" and \"inputs\" are both given");
    else if (inputs && inputs->kind == MAAS_JSON_OBJECT && inputs->n > 0 && inputs->n <= MAAS_ARCH_MAX_INPUTS)
        for (const MaasJson *m = inputs->first; m && b->status == MAAS_OK; m = m->next)
            input_of_json(b, m->name.data, m);
    else if (inputs)
        maas_arch_fail(b, MAAS_ERR_VALUE,
                       "\"inputs\" must be an object with a shape for each input: {\"x\": [28,28]}");
    else if (input)
        input_of_json(b, "input", input);
    else if (begins_with_embedding(maas_json_member(root, "layers"))) {
        MaasArchValue v = {.name = "input", .type = MAAS_INT64, .rank = 1, .dims = {-1}};

        add_input(b, &v);
    } else {
        maas_arch_fail(b, MAAS_ERR_NAME, "the architecture does not say what goes in");
        maas_error_hint(
            b->err, "Add \"input\": [30] or \"inputs\": {\"image\": [1,28,28]}, without the number of examples.");
    }
}

/* ---- the output ---- */

static void end_classify(MaasArchBuild *b, MaasArchValue *v, int64_t n_classes)
{
    bool one = v->rank == 1 && v->dims[0] == 1 && n_classes == 2;

    if (v->rank != 1 || (v->dims[0] != n_classes && !one)) {
        maas_arch_fail(b, MAAS_ERR_SHAPE, "the last layer, \"%.100s\", gives %s, but there are %lld classes",
                       v->name, maas_arch_shape(b, v), (long long)n_classes);
        maas_error_hint(b->err, "Let it be {\"dense\": \"output\"}.");
        return;
    }
    if (!v->activation || strcmp(v->activation, one ? "sigmoid" : "softmax") != 0)
        maas_arch_activate(b, one ? "sigmoid" : "softmax", -1, v);
}

static void end_network(MaasArchBuild *b, const MaasArchitecture *a, MaasArchValue *v)
{
    static const char *const names[] = {"N", "d1", "d2", "d3", "d4", "d5", "d6"};
    int64_t dims[MAAS_ARCH_MAX_RANK + 1] = {-1};
    const char *name = find_value(b, "output") ? "output_1" : "output";
    const char *output =
        maas_arch_printf(b, "%s%s", b->input_prefix, name); /* within a whole, columns have names, too */

    b->name = name;
    *v = maas_arch_rows(b, v);
    if (a->task == MAAS_TASK_CLASSIFY)
        end_classify(b, v, a->n_outputs);
    else if (a->task == MAAS_TASK_REGRESS && (v->rank != 1 || v->dims[0] != a->n_outputs)) {
        maas_arch_fail(b, MAAS_ERR_SHAPE, "the last layer, \"%.100s\", gives %s, but the target has %lld values",
                       v->name, maas_arch_shape(b, v), (long long)a->n_outputs);
        maas_error_hint(b->err, "Let it be {\"dense\": \"output\"}.");
    } else if (a->task == MAAS_TASK_REGRESS && a->end && !v->activation)
        maas_arch_activate(b, a->end, -1, v);
    if (b->status != MAAS_OK)
        return;
    memcpy(dims + 1, v->dims, sizeof *dims * (size_t)v->rank);
    maas_onnx_begin_node(&b->writer, "", "Identity", output, 1, &v->edge, 1, &output);
    maas_onnx_end_node(&b->writer);
    maas_onnx_write_output(&b->writer, output, MAAS_FLOAT, v->rank + 1, dims, names);
}

/* ---- the whole ---- */

static void read_root(MaasArchBuild *b, const MaasArchitecture *a, const MaasJson *root)
{
    static const char *const members[] = {"layers", "inputs", "input", "outputs", "data_format"};
    const MaasJson *outputs = maas_json_member(root, "outputs"), *format = maas_json_member(root, "data_format");

    for (const MaasJson *m = root->kind == MAAS_JSON_OBJECT ? root->first : NULL; m && b->status == MAAS_OK;
         m = m->next) {
        const char *nearest =
            maas_nearest_name(m->name.data, members, sizeof members / sizeof *members, sizeof *members);

        if (nearest && strcmp(nearest, m->name.data) == 0)
            continue;
        maas_arch_fail(b, MAAS_ERR_NAME, "an architecture has no member \"%.100s\"", m->name.data);
        if (nearest)
            maas_error_hint(b->err, "Did you mean \"%s\"?", nearest);
        else
            maas_error_hint(b->err, "It has layers, inputs or input, outputs and data_format.");
    }
    if (b->status == MAAS_OK && (root->kind != MAAS_JSON_OBJECT || !maas_json_member(root, "layers"))) {
        maas_arch_fail(b, MAAS_ERR_VALUE, "an architecture is an object like {\"layers\": [{\"dense\": 10}]}");
        return;
    }
    b->n_outputs = a->n_outputs;
    b->input_prefix = a->input_prefix ? a->input_prefix : "";
    if (outputs && b->n_outputs == 0) {
        if (outputs->kind == MAAS_JSON_NUMBER && outputs->number >= 1 &&
            outputs->number == floor(outputs->number) && outputs->number < 1e9)
            b->n_outputs = (int64_t)outputs->number;
        else
            maas_arch_fail(b, MAAS_ERR_VALUE, "\"outputs\" must be a whole number of at least 1");
    }
    if (format) {
        if (format->kind == MAAS_JSON_STRING && strcmp(format->string.data, "channels_last") == 0)
            b->channels_last = true;
        else if (format->kind != MAAS_JSON_STRING || strcmp(format->string.data, "channels_first") != 0)
            maas_arch_fail(b, MAAS_ERR_VALUE, "\"data_format\" must be \"channels_first\" or \"channels_last\"");
    }
}

static void build(MaasArchBuild *b, const MaasArchitecture *a)
{
    MaasArchValue value = {0};
    MaasJson *root;

    b->status = maas_json_parse(a->json, a->length, b->arena, &root, b->err);
    if (b->status != MAAS_OK) {
        maas_error_prefix(b->err, "architecture");
        return;
    }
    read_root(b, a, root);
    if (b->status != MAAS_OK)
        return;
    if (a->n_inputs > 0)
        inputs_of_ports(b, a);
    else
        inputs_of_json(b, root);
    if (b->status != MAAS_OK)
        return;
    value = b->values[0];
    maas_arch_layers(b, maas_json_member(root, "layers"), &value, b->n_values == 1);
    if (b->status == MAAS_OK)
        end_network(b, a, &value);
}

MaasStatus maas_architecture_to_onnx(const MaasArchitecture *architecture, const MaasRunOptions *options,
                                     void **bytes, size_t *n_bytes, MaasError *err)
{
    MaasArena arena;
    MaasArchBuild b = {
        .mem = options->mem, .arena = &arena, .err = err, .stop = {{options->stop, options->stop_too}}};

    maas_arena_init(&arena, options->mem);
    maas_onnx_writer_init(&b.writer, options->mem, err);
    maas_rng_init(&b.rng, architecture->seed, 0);
    build(&b, architecture);
    if (b.status == MAAS_OK)
        b.status = maas_onnx_writer_finish(&b.writer, "network", bytes, n_bytes);
    else
        maas_onnx_writer_free(&b.writer);
    maas_arena_free(&arena);
    return b.status;
}
