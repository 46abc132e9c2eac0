/*
 * value_json.c - values as JSON and back, as a model's inputs and outputs declare them.
 *
 * A tensor is nested lists (nested.c), a sequence a list, a map an object, an optional null or what it holds.  The
 * text is read once, token by token, without a tree; recursion goes as deep as the declared type is nested.
 */
#include <string.h>

#include "../base/convert.h"
#include "../base/json.h"
#include "../base/number.h"
#include "../base/text.h"
#include "../maas.h"
#include "nested.h"

#define MAX_NESTING 32         /* of sequences, maps and optionals */
#define MAX_EMPTY_LISTS 100000 /* that a tensor without elements may be written as */

/* ---- reading ---- */

static MaasStatus read_value(MaasLexer *lexer, const MaasPort *port, int depth, MaasMem *mem, MaasValue **out,
                             MaasError *err);

/* References to values that a list or an object has so far. */
typedef struct Gathered {
    MaasMem *mem;
    MaasValue **items;
    size_t n, capacity;
} Gathered;

static MaasStatus gather(Gathered *g, MaasValue *value, MaasError *err)
{
    if (g->n == g->capacity) {
        size_t capacity = g->capacity + g->capacity / 2 + 8;
        MaasValue **items = capacity < SIZE_MAX / sizeof *items
                                ? maas_realloc(g->mem, g->items, capacity * sizeof *items, err)
                                : NULL;

        if (!items) {
            maas_value_unref(value);
            return err->status;
        }
        g->items = items;
        g->capacity = capacity;
    }
    g->items[g->n++] = value;
    return MAAS_OK;
}

static void release(Gathered *g)
{
    for (size_t i = 0; i < g->n; i++)
        maas_value_unref(g->items[i]);
    maas_free(g->mem, g->items);
}

static MaasStatus fail_kind(const MaasLexer *lexer, const char *expected, MaasError *err)
{
    maas_lexer_fail(lexer, lexer->token.at, err, "expected %s, got %s", expected,
                    maas_token_text(lexer->token.kind));
    return err->status = MAAS_ERR_TYPE;
}

/* Behind an element: a comma, or `close`.  Moves to the next element or behind the end. */
static MaasStatus next_element(MaasLexer *lexer, MaasTokenKind close, bool *more, MaasError *err)
{
    if (lexer->token.kind != MAAS_TOKEN_COMMA && lexer->token.kind != close)
        return maas_lexer_fail(lexer, lexer->token.at, err, "expected a comma or %s, got %s",
                               maas_token_text(close), maas_token_text(lexer->token.kind));
    *more = lexer->token.kind == MAAS_TOKEN_COMMA;
    return maas_lexer_next(lexer, err);
}

static MaasStatus read_sequence_items(MaasLexer *lexer, const MaasPort *port, int depth, Gathered *g,
                                      MaasError *err)
{
    bool more = true;

    MAAS_TRY(maas_lexer_next(lexer, err));
    if (lexer->token.kind == MAAS_TOKEN_CLOSE_LIST)
        return maas_lexer_next(lexer, err);
    while (more) {
        MaasValue *item = NULL;

        if (read_value(lexer, port->elem, depth + 1, g->mem, &item, err) != MAAS_OK) {
            maas_error_prefix(err, "value [%zu] of the sequence", g->n);
            return err->status;
        }
        MAAS_TRY(gather(g, item, err));
        MAAS_TRY(next_element(lexer, MAAS_TOKEN_CLOSE_LIST, &more, err));
    }
    return MAAS_OK;
}

static MaasStatus read_sequence(MaasLexer *lexer, const MaasPort *port, int depth, MaasMem *mem, MaasValue **out,
                                MaasError *err)
{
    Gathered g = {.mem = mem};
    MaasStatus status;

    if (lexer->token.kind != MAAS_TOKEN_OPEN_LIST)
        return fail_kind(lexer, "a list of the sequence's values", err);
    status = read_sequence_items(lexer, port, depth, &g, err);
    if (status == MAAS_OK)
        status = maas_value_new_sequence(mem, (int64_t)g.n, out, err);
    if (status == MAAS_OK && g.n > 0) {
        memcpy((*out)->seq.items, g.items, g.n * sizeof *g.items);
        g.n = 0; /* the references have moved */
    }
    release(&g);
    return status;
}

/* A name in double quotes, a colon, and the first token of the value.  The name lies in the arena. */
static MaasStatus read_name(MaasLexer *lexer, MaasArena *arena, MaasStr *name, MaasError *err)
{
    char *bytes;

    if (lexer->token.kind != MAAS_TOKEN_STRING)
        return maas_lexer_fail(lexer, lexer->token.at, err, "expected a name in double quotes, got %s",
                               maas_token_text(lexer->token.kind));
    bytes = maas_arena_alloc(arena, lexer->token.bytes.length + 1, err);
    if (!bytes)
        return err->status;
    *name = (MaasStr){bytes, maas_token_string(&lexer->token, bytes)};
    MAAS_TRY(maas_lexer_expect(lexer, MAAS_TOKEN_COLON, "a colon", err));
    return maas_lexer_next(lexer, err);
}

/* A member of a map that is being read; in the arena. */
typedef struct Member {
    MaasStr key;
    MaasValue *value; /* a tensor with one element */
    struct Member *next;
} Member;

typedef struct MapReader {
    MaasArena arena;
    Member *first, **end;
    size_t n;
    MaasType key, type; /* of keys and values */
} MapReader;

static MaasStatus read_members(MaasLexer *lexer, const MaasPort *elem, MapReader *r, MaasMem *mem, MaasError *err)
{
    bool more = true;

    MAAS_TRY(maas_lexer_next(lexer, err));
    if (lexer->token.kind == MAAS_TOKEN_CLOSE_OBJECT)
        return maas_lexer_next(lexer, err);
    while (more) {
        Member *member = maas_arena_alloc(&r->arena, sizeof *member, err);

        if (!member)
            return err->status;
        MAAS_TRY(read_name(lexer, &r->arena, &member->key, err));
        if (maas_nested_read(lexer, elem->type, mem, &member->value, err) != MAAS_OK) {
            maas_error_prefix(err, "member \"%.60s\"", member->key.data);
            return err->status;
        }
        *r->end = member;
        r->end = &member->next;
        r->n++;
        if (member->value->tensor.rank != 0 || member->value->tensor.count != 1)
            return maas_fail(err, MAAS_ERR_SHAPE, "member \"%.60s\": expected a single value, got a list",
                             member->key.data);
        MAAS_TRY(next_element(lexer, MAAS_TOKEN_CLOSE_OBJECT, &more, err));
    }
    return MAAS_OK;
}

/* The tensor of the keys; numbers are read from their names. */
static MaasStatus make_keys(MapReader *r, MaasMem *mem, MaasValue **out, MaasError *err)
{
    int64_t n = (int64_t)r->n, i = 0;
    MaasStr *keys = maas_arena_array(&r->arena, r->n, sizeof *keys, err);
    const MaasStr **names = maas_arena_array(&r->arena, r->n, sizeof *names, err), *twice;
    size_t size = maas_type_size(r->key);
    char *numbers = maas_arena_array(&r->arena, r->n, size, err);

    if (!keys || !names || !numbers)
        return err->status;
    for (Member *member = r->first; member; member = member->next, i++) {
        char text[MAAS_NUMBER_TEXT];

        keys[i] = member->key;
        names[i] = &keys[i];
        if (r->key == MAAS_STRING)
            continue;
        MAAS_TRY(maas_string_to_number(member->key, r->key, numbers + (size_t)i * size, NULL, true, err));
        keys[i].length = maas_number_to_string(r->key, numbers + (size_t)i * size, text); /* 1 and 01 are one key */
        keys[i].data = maas_arena_strndup(&r->arena, text, keys[i].length, err);
        if (!keys[i].data)
            return err->status;
    }
    twice = maas_find_duplicate(names, r->n);
    if (twice)
        return maas_fail(err, MAAS_ERR_NAME, "the key \"%.*s\" stands twice in a map",
                         (int)(twice->length > 60 ? 60 : twice->length), twice->data);
    if (r->key == MAAS_STRING)
        return maas_value_new_strings(mem, 1, &n, keys, out, err);
    MAAS_TRY(maas_value_new_tensor(mem, r->key, 1, &n, out, err));
    memcpy((*out)->tensor.data, numbers, r->n * size);
    return MAAS_OK;
}

static MaasStatus make_values(MapReader *r, MaasMem *mem, MaasValue **out, MaasError *err)
{
    int64_t n = (int64_t)r->n;
    size_t size = maas_type_size(r->type);
    char *elements = maas_arena_array(&r->arena, r->n, size, err), *p = elements;

    if (!elements)
        return err->status;
    for (Member *member = r->first; member; member = member->next, p += size)
        memcpy(p, member->value->tensor.data, size);
    if (r->type == MAAS_STRING)
        return maas_value_new_strings(mem, 1, &n, (const MaasStr *)(const void *)elements, out, err);
    MAAS_TRY(maas_value_new_tensor(mem, r->type, 1, &n, out, err));
    memcpy((*out)->tensor.data, elements, r->n * size);
    return MAAS_OK;
}

static MaasStatus read_map(MaasLexer *lexer, const MaasPort *port, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MapReader r = {.key = port->key};
    MaasValue *keys = NULL, *values = NULL;
    MaasStatus status;

    if (!port->elem || port->elem->kind != MAAS_KIND_TENSOR ||
        (port->key != MAAS_STRING && !maas_type_in(port->key, MAAS_T_INTS)))
        return maas_fail(err, MAAS_ERR_UNSUPPORTED, "maps other than from strings or integers to tensor elements");
    if (lexer->token.kind != MAAS_TOKEN_OPEN_OBJECT)
        return fail_kind(lexer, "an object for a map", err);
    r.type = port->elem->type;
    r.end = &r.first;
    maas_arena_init(&r.arena, mem);
    status = read_members(lexer, port->elem, &r, mem, err);
    if (status == MAAS_OK)
        status = make_keys(&r, mem, &keys, err);
    if (status == MAAS_OK)
        status = make_values(&r, mem, &values, err);
    if (status == MAAS_OK)
        status = maas_value_new_map(mem, keys, values, out, err);
    else
        maas_value_unref(keys);
    for (Member *member = r.first; member; member = member->next)
        maas_value_unref(member->value);
    maas_arena_free(&r.arena);
    return status;
}

/* One value, from the current token to the token behind it. */
static MaasStatus read_value(MaasLexer *lexer, const MaasPort *port, int depth, MaasMem *mem, MaasValue **out,
                             MaasError *err)
{
    MaasValue *some = NULL;

    if (depth > MAX_NESTING)
        return maas_fail(err, MAAS_ERR_LIMIT, "a type that is nested deeper than %d", MAX_NESTING);
    switch (port->kind) {
    case MAAS_KIND_TENSOR:
        return maas_nested_read(lexer, port->type, mem, out, err);
    case MAAS_KIND_SEQUENCE:
        if (!port->elem)
            break;
        return read_sequence(lexer, port, depth, mem, out, err);
    case MAAS_KIND_MAP:
        return read_map(lexer, port, mem, out, err);
    case MAAS_KIND_OPTIONAL:
        if (lexer->token.kind == MAAS_TOKEN_NULL) {
            MAAS_TRY(maas_lexer_next(lexer, err));
        } else {
            if (!port->elem)
                break;
            MAAS_TRY(read_value(lexer, port->elem, depth + 1, mem, &some, err));
        }
        return maas_value_new_optional(mem, some, out, err);
    default:
        break;
    }
    return maas_fail(err, MAAS_ERR_UNSUPPORTED, "a value whose type the model does not declare");
}

static MaasStatus expect_end(const MaasLexer *lexer, MaasError *err)
{
    if (lexer->token.kind == MAAS_TOKEN_END)
        return MAAS_OK;
    return maas_lexer_fail(lexer, lexer->token.at, err, "expected the end, got %s",
                           maas_token_text(lexer->token.kind));
}

MaasStatus maas_value_from_json(const char *json, size_t length, const MaasPort *port, MaasMem *mem,
                                MaasValue **out, MaasError *err)
{
    MaasValue *value = NULL;
    MaasLexer lexer;
    MaasStatus status;

    maas_lexer_init(&lexer, json, length, false);
    MAAS_TRY(maas_lexer_next(&lexer, err));
    status = read_value(&lexer, port, 0, mem, &value, err);
    if (status == MAAS_OK)
        status = expect_end(&lexer, err);
    if (status == MAAS_OK)
        *out = value;
    else
        maas_value_unref(value);
    return status;
}

/* ---- inputs by name ---- */

/* Lists the inputs in the hint: what a caller may have meant. */
static void hint_inputs(const MaasModelInfo *info, MaasError *err)
{
    maas_error_hint(err, "The model's inputs are");
    for (int i = 0; i < info->n_inputs; i++)
        maas_error_hint(err, "%s \"%s\"", i ? "," : "", info->inputs[i].name);
    maas_error_hint(err, ".");
}

static MaasStatus read_input(MaasLexer *lexer, const MaasModelInfo *info, MaasArena *arena, MaasMem *mem,
                             MaasValue **inputs, MaasError *err)
{
    MaasStr name;
    int i;

    MAAS_TRY(read_name(lexer, arena, &name, err));
    for (i = 0; i < info->n_inputs; i++)
        if (strlen(info->inputs[i].name) == name.length &&
            memcmp(info->inputs[i].name, name.data, name.length) == 0)
            break;
    if (i == info->n_inputs) {
        maas_fail(err, MAAS_ERR_NAME, "the model has no input \"%.200s\"", name.data);
        hint_inputs(info, err);
        return err->status;
    }
    if (inputs[i])
        return maas_fail(err, MAAS_ERR_NAME, "input \"%s\" is given twice", info->inputs[i].name);
    if (read_value(lexer, &info->inputs[i], 0, mem, &inputs[i], err) != MAAS_OK) {
        inputs[i] = NULL;
        maas_error_prefix(err, "input \"%s\"", info->inputs[i].name);
    }
    return inputs[i] ? MAAS_OK : err->status;
}

static MaasStatus read_inputs(MaasLexer *lexer, const MaasModelInfo *info, MaasArena *arena, MaasMem *mem,
                              MaasValue **inputs, MaasError *err)
{
    bool more = true;

    MAAS_TRY(maas_lexer_next(lexer, err));
    if (lexer->token.kind != MAAS_TOKEN_OPEN_OBJECT)
        return fail_kind(lexer, "an object with a member for each input", err);
    MAAS_TRY(maas_lexer_next(lexer, err));
    if (lexer->token.kind == MAAS_TOKEN_CLOSE_OBJECT) {
        MAAS_TRY(maas_lexer_next(lexer, err));
        more = false;
    }
    while (more) {
        MAAS_TRY(read_input(lexer, info, arena, mem, inputs, err));
        MAAS_TRY(next_element(lexer, MAAS_TOKEN_CLOSE_OBJECT, &more, err));
        maas_arena_free(arena);
    }
    MAAS_TRY(expect_end(lexer, err));
    for (int i = 0; i < info->n_inputs; i++)
        if (!inputs[i] && !info->inputs[i].optional) {
            maas_fail(err, MAAS_ERR_NAME, "input \"%s\" is missing", info->inputs[i].name);
            hint_inputs(info, err);
            return err->status;
        }
    return MAAS_OK;
}

MaasStatus maas_inputs_from_json(const char *json, size_t length, const MaasModelInfo *info, MaasMem *mem,
                                 MaasValue **inputs, MaasError *err)
{
    MaasStatus status;
    MaasArena arena;
    MaasLexer lexer;

    for (int i = 0; i < info->n_inputs; i++)
        inputs[i] = NULL;
    maas_lexer_init(&lexer, json, length, false);
    maas_arena_init(&arena, mem);
    status = read_inputs(&lexer, info, &arena, mem, inputs, err);
    maas_arena_free(&arena);
    if (status != MAAS_OK)
        for (int i = 0; i < info->n_inputs; i++) {
            maas_value_unref(inputs[i]);
            inputs[i] = NULL;
        }
    return status;
}

/* ---- writing ---- */

static void write_value(MaasText *text, const MaasValue *value, int depth);

/* A tensor without elements is as many empty lists as its dimensions before the first 0 make. */
static void write_tensor(MaasText *text, const MaasTensor *t)
{
    int64_t lists = 1;
    char dims[256];

    for (int i = 0; t->count == 0 && t->dims[i] != 0; i++)
        if (!maas_mul64(lists, t->dims[i], &lists) || lists > MAX_EMPTY_LISTS) {
            text->status =
                maas_fail(text->err, MAAS_ERR_LIMIT, "a tensor of shape %s would be too many empty lists",
                          maas_dims_text(t->rank, t->dims, NULL, dims, sizeof dims));
            return;
        }
    maas_nested_write(text, t, true);
}

/* Element i of a list of keys or values. */
static void write_element(MaasText *text, const MaasTensor *t, int64_t i, bool as_name)
{
    const char *x = (const char *)t->data + (size_t)i * maas_type_size(t->type);
    char number[MAAS_NUMBER_TEXT];

    if (t->type == MAAS_STRING)
        maas_text_json_string(text, MAAS_STRS(t)[i]);
    else if (!as_name)
        maas_text_number(text, t->type, x, true);
    else
        maas_text_json_string(text, (MaasStr){number, maas_number_to_string(t->type, x, number)});
}

static void write_map(MaasText *text, const MaasTensor *keys, const MaasTensor *values)
{
    maas_text_char(text, '{');
    for (int64_t i = 0; i < keys->count && text->status == MAAS_OK; i++) {
        if (i > 0)
            maas_text_char(text, ',');
        write_element(text, keys, i, true);
        maas_text_char(text, ':');
        write_element(text, values, i, false);
    }
    maas_text_char(text, '}');
}

static void write_value(MaasText *text, const MaasValue *value, int depth)
{
    if (depth > MAX_NESTING && text->status == MAAS_OK)
        text->status = maas_fail(text->err, MAAS_ERR_LIMIT, "a value that is nested deeper than %d", MAX_NESTING);
    if (text->status != MAAS_OK)
        return;
    switch (value->kind) {
    case MAAS_KIND_TENSOR:
        write_tensor(text, &value->tensor);
        break;
    case MAAS_KIND_SEQUENCE:
        maas_text_char(text, '[');
        for (int64_t i = 0; i < value->seq.n; i++) {
            if (i > 0)
                maas_text_char(text, ',');
            write_value(text, value->seq.items[i], depth + 1);
        }
        maas_text_char(text, ']');
        break;
    case MAAS_KIND_MAP:
        write_map(text, &value->map.keys->tensor, &value->map.values->tensor);
        break;
    case MAAS_KIND_OPTIONAL:
        if (value->some)
            write_value(text, value->some, depth + 1);
        else
            maas_text_adds(text, "null");
        break;
    default:
        text->status = maas_fail(text->err, MAAS_ERR_INTERNAL, "a value of unknown kind");
    }
}

MaasStatus maas_value_to_json(const MaasValue *value, MaasMem *mem, char **json, size_t *length, MaasError *err)
{
    MaasText text;

    maas_text_init(&text, mem, err);
    write_value(&text, value, 0);
    return maas_text_take(&text, json, length);
}
