/*
 * json.c - the JSON tokens and trees of json.h.
 *
 * The tree is built without recursion: containers that are still open form a list through their parents.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "number.h"
#include "utf8.h"

/* ---- tokens ---- */

void maas_lexer_init(MaasLexer *lexer, const char *text, size_t length, bool lenient)
{
    *lexer = (MaasLexer){.text = text, .length = length, .lenient = lenient};
}

MaasStatus maas_lexer_fail(const MaasLexer *lexer, size_t at, MaasError *err, const char *format, ...)
{
    char what[512];
    va_list args;

    va_start(args, format);
    if (vsnprintf(what, sizeof what, format, args) < 0)
        what[0] = '\0';
    va_end(args);
    return maas_fail(err, MAAS_ERR_FORMAT, "%s at character %zu", what, maas_utf8_count(lexer->text, at) + 1);
}

const char *maas_token_text(MaasTokenKind kind)
{
    static const char *const texts[] = {"the end",
                                        "an opening bracket",
                                        "a closing bracket",
                                        "an opening brace",
                                        "a closing brace",
                                        "a comma",
                                        "a colon",
                                        "a string",
                                        "a number",
                                        "true",
                                        "false",
                                        "null"};

    return texts[kind];
}

/* Four hexadecimal digits; -1 when they are not. */
static int32_t read_hex(const char *text)
{
    int32_t value = 0;

    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The escape at text (which begins with a backslash) -> its character; returns its bytes, 0 when it is none. */
static size_t read_escape(const char *text, size_t length, uint32_t *code)
{
    static const char letters[] = "\"\"\\\\//b\bf\fn\nr\rt\t"; /* pairs: the letter, its character */
    int32_t high, low;

    if (length < 2)
        return 0;
    if (text[1] != 'u') {
        for (const char *p = letters; *p; p += 2)
            if (*p == text[1]) {
                *code = (unsigned char)p[1];
                return 2;
            }
        return 0;
    }
    if (length < 6 || (high = read_hex(text + 2)) < 0 || (high >= 0xdc00 && high <= 0xdfff))
        return 0;
    *code = (uint32_t)high;
    if (high < 0xd800 || high > 0xdbff)
        return 6;
    if (length < 12 || text[6] != '\\' || text[7] != 'u' || (low = read_hex(text + 8)) < 0xdc00 || low > 0xdfff)
        return 0;
    *code = 0x10000 + (((uint32_t)high & 0x3ff) << 10 | ((uint32_t)low & 0x3ff));
    return 12;
}

/* From behind the opening quote to behind the closing one. */
static MaasStatus lex_string(MaasLexer *lexer, MaasError *err)
{
    MaasToken *token = &lexer->token;
    size_t from = lexer->at, at = from;

    token->kind = MAAS_TOKEN_STRING;
    while (at < lexer->length && lexer->text[at] != '"') {
        unsigned char c = (unsigned char)lexer->text[at];
        uint32_t code;
        size_t n = 1;

        if (c < 0x20)
            return maas_lexer_fail(lexer, at, err, "a string contains the control character 0x%02x", c);
        if (c == '\\') {
            token->escaped = true;
            n = read_escape(lexer->text + at, lexer->length - at, &code);
            if (n == 0)
                return maas_lexer_fail(lexer, at, err, "a string contains an escape that JSON does not have");
        } else if (c >= 0x80) {
            n = maas_utf8_read(lexer->text + at, lexer->length - at, &code);
            if (n == 0)
                return maas_lexer_fail(lexer, at, err, "a string is not valid UTF-8: byte 0x%02x", c);
        }
        at += n;
    }
    if (at == lexer->length)
        return maas_lexer_fail(lexer, token->at, err, "a string that does not end begins");
    token->bytes = (MaasStr){lexer->text + from, at - from};
    lexer->at = at + 1;
    return MAAS_OK;
}

size_t maas_token_string(const MaasToken *token, char *bytes)
{
    size_t n = 0;

    if (!token->escaped) {
        if (token->bytes.length)
            memcpy(bytes, token->bytes.data, token->bytes.length);
        return token->bytes.length;
    }
    for (size_t at = 0; at < token->bytes.length;) {
        if (token->bytes.data[at] != '\\') {
            bytes[n++] = token->bytes.data[at++];
        } else {
            uint32_t code = 0;

            at += read_escape(token->bytes.data + at, token->bytes.length - at, &code);
            n += maas_utf8_write(code, bytes + n);
        }
    }
    return n;
}

static inline bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* JSON's numbers: no plus sign, no leading zeros, digits on both sides of the point. */
static bool is_strict(const char *number, size_t length)
{
    size_t i = number[0] == '-';

    if (i == length || number[i] < '0' || number[i] > '9')
        return false;
    if (number[i] == '0' && i + 1 < length && number[i + 1] >= '0' && number[i + 1] <= '9')
        return false;
    for (; i < length; i++)
        if (number[i] == '.')
            return i + 1 < length && number[i + 1] >= '0' && number[i + 1] <= '9';
    return true;
}

/* A number, or a word that stands for something. */
static MaasStatus lex_word(MaasLexer *lexer, MaasError *err)
{
    const char *text = lexer->text + lexer->at;
    size_t left = lexer->length - lexer->at, n = maas_number_length(text, left);
    MaasToken *token = &lexer->token;
    double value;

    if (n > 0 && (n == left || !(is_word(text[n]) || text[n] == '.')) && (lexer->lenient || is_strict(text, n))) {
        token->kind = MAAS_TOKEN_NUMBER;
    } else {
        for (n = text[0] == '-' || text[0] == '+'; n < left && is_word(text[n]); n++)
            ;
        if (n == 4 && memcmp(text, "true", 4) == 0)
            token->kind = MAAS_TOKEN_TRUE;
        else if (n == 5 && memcmp(text, "false", 5) == 0)
            token->kind = MAAS_TOKEN_FALSE;
        else if (n == 4 && memcmp(text, "null", 4) == 0)
            token->kind = MAAS_TOKEN_NULL;
        else if (lexer->lenient && maas_number_special(text, n, &value))
            token->kind = MAAS_TOKEN_NUMBER;
        else if (n > 0)
            return maas_lexer_fail(lexer, lexer->at, err, "\"%.*s\"%s is neither a number nor a known word",
                                   (int)(n > 40 ? 40 : n), text, n > 40 ? "..." : "");
        else {
            uint32_t code;
            int bytes = (int)maas_utf8_read(text, left, &code);

            return maas_lexer_fail(lexer, lexer->at, err, "unexpected \"%.*s\"", text[0] ? bytes : 0, text);
        }
    }
    token->bytes = (MaasStr){text, n};
    lexer->at += n;
    return MAAS_OK;
}

MaasStatus maas_lexer_next(MaasLexer *lexer, MaasError *err)
{
    static const char marks[] = "[]{},:"; /* in the order of the kinds */
    const char *mark;
    char c;

    while (lexer->at < lexer->length && (lexer->text[lexer->at] == ' ' || lexer->text[lexer->at] == '\n' ||
                                         lexer->text[lexer->at] == '\t' || lexer->text[lexer->at] == '\r'))
        lexer->at++;
    lexer->token = (MaasToken){.kind = MAAS_TOKEN_END, .at = lexer->at};
    if (lexer->at == lexer->length)
        return MAAS_OK;
    c = lexer->text[lexer->at];
    mark = c ? strchr(marks, c) : NULL;
    if (mark) {
        lexer->token.kind = (MaasTokenKind)(MAAS_TOKEN_OPEN_LIST + (mark - marks));
        lexer->at++;
        return MAAS_OK;
    }
    if (c != '"')
        return lex_word(lexer, err);
    lexer->at++;
    return lex_string(lexer, err);
}

MaasStatus maas_lexer_expect(MaasLexer *lexer, MaasTokenKind kind, const char *what, MaasError *err)
{
    MAAS_TRY(maas_lexer_next(lexer, err));
    if (lexer->token.kind != kind)
        return maas_lexer_fail(lexer, lexer->token.at, err, "expected %s, got %s", what,
                               maas_token_text(lexer->token.kind));
    return MAAS_OK;
}

/* ---- duplicate names ---- */

static int compare_names(const MaasStr *a, const MaasStr *b)
{
    size_t n = a->length < b->length ? a->length : b->length;
    int order = n ? memcmp(a->data, b->data, n) : 0;

    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static void sift_down(const MaasStr **names, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        const MaasStr *name = names[root];

        if (child + 1 < n && compare_names(names[child], names[child + 1]) < 0)
            child++;
        if (compare_names(name, names[child]) >= 0)
            return;
        names[root] = names[child];
        names[child] = name;
    }
}

/* Heapsort: n log n for any input and no memory, which qsort does not promise. */
const MaasStr *maas_find_duplicate(const MaasStr **names, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(names, i, n);
    for (size_t end = n; end-- > 1;) {
        const MaasStr *name = names[0];

        names[0] = names[end];
        names[end] = name;
        sift_down(names, 0, end);
    }
    for (size_t i = 1; i < n; i++)
        if (compare_names(names[i - 1], names[i]) == 0)
            return names[i];
    return NULL;
}

/* ---- trees ---- */

typedef struct Open {
    MaasJson *container;
    MaasJson *last; /* of its elements */
    struct Open *outer;
} Open;

static MaasStatus copy_string(const MaasToken *token, MaasArena *arena, MaasStr *out, MaasError *err)
{
    char *bytes = maas_arena_alloc(arena, token->bytes.length + 1, err);

    if (!bytes)
        return err->status;
    *out = (MaasStr){bytes, maas_token_string(token, bytes)};
    return MAAS_OK;
}

/* Makes a node of the current token, which begins a value; NULL on failure. */
static MaasJson *new_node(MaasLexer *lexer, MaasArena *arena, MaasError *err)
{
    const MaasToken *token = &lexer->token;
    MaasJson *node = maas_arena_alloc(arena, sizeof *node, err);

    if (!node)
        return NULL;
    node->at = token->at;
    switch (token->kind) {
    case MAAS_TOKEN_OPEN_LIST:
        node->kind = MAAS_JSON_LIST;
        break;
    case MAAS_TOKEN_OPEN_OBJECT:
        node->kind = MAAS_JSON_OBJECT;
        break;
    case MAAS_TOKEN_STRING:
        node->kind = MAAS_JSON_STRING;
        break;
    case MAAS_TOKEN_NUMBER:
        node->kind = MAAS_JSON_NUMBER;
        node->number = maas_number_double(token->bytes.data, token->bytes.length);
        break;
    case MAAS_TOKEN_TRUE:
    case MAAS_TOKEN_FALSE:
        node->kind = MAAS_JSON_BOOL;
        node->boolean = token->kind == MAAS_TOKEN_TRUE;
        break;
    case MAAS_TOKEN_NULL:
        break;
    default:
        maas_lexer_fail(lexer, token->at, err, "expected a value, got %s", maas_token_text(token->kind));
        return NULL;
    }
    if (token->bytes.data && copy_string(token, arena, &node->string, err) != MAAS_OK)
        return NULL;
    return node;
}

static MaasStatus check_names(const MaasLexer *lexer, MaasArena *arena, const MaasJson *object, MaasError *err)
{
    const MaasStr **names, *twice;
    size_t n = 0;

    if (object->n < 2)
        return MAAS_OK;
    names = maas_arena_array(arena, (size_t)object->n, sizeof *names, err);
    if (!names)
        return err->status;
    for (const MaasJson *member = object->first; member; member = member->next)
        names[n++] = &member->name;
    twice = maas_find_duplicate(names, n);
    if (!twice)
        return MAAS_OK;
    return maas_lexer_fail(lexer, object->at, err, "the name \"%.*s\" stands twice in the object",
                           (int)(twice->length > 60 ? 60 : twice->length), twice->data);
}

MaasStatus maas_json_parse(const char *text, size_t length, MaasArena *arena, MaasJson **out, MaasError *err)
{
    Open *open = NULL;
    MaasJson *root = NULL;
    MaasLexer lexer;
    int depth = 0;

    maas_lexer_init(&lexer, text, length, false);
    MAAS_TRY(maas_lexer_next(&lexer, err));
    for (;;) {
        MaasTokenKind close =
            open && open->container->kind == MAAS_JSON_LIST ? MAAS_TOKEN_CLOSE_LIST : MAAS_TOKEN_CLOSE_OBJECT;
        MaasStr name = {NULL, 0};
        MaasJson *node;
        bool opened = false;

        if (!(open && open->container->n == 0 && lexer.token.kind == close)) { /* a value */
            if (open && open->container->kind == MAAS_JSON_OBJECT) {
                if (lexer.token.kind != MAAS_TOKEN_STRING)
                    return maas_lexer_fail(&lexer, lexer.token.at, err, "expected a name in double quotes, got %s",
                                           maas_token_text(lexer.token.kind));
                MAAS_TRY(copy_string(&lexer.token, arena, &name, err));
                MAAS_TRY(maas_lexer_expect(&lexer, MAAS_TOKEN_COLON, "a colon", err));
                MAAS_TRY(maas_lexer_next(&lexer, err));
            }
            node = new_node(&lexer, arena, err);
            if (!node)
                return err->status;
            node->name = name;
            if (open) {
                if (open->last)
                    open->last->next = node;
                else
                    open->container->first = node;
                open->last = node;
                open->container->n++;
            } else {
                root = node;
            }
            opened = node->kind == MAAS_JSON_LIST || node->kind == MAAS_JSON_OBJECT;
            if (opened) {
                Open *inner = maas_arena_alloc(arena, sizeof *inner, err);

                if (!inner)
                    return err->status;
                if (++depth > MAAS_JSON_MAX_DEPTH)
                    return maas_lexer_fail(&lexer, node->at, err, "values are nested deeper than %d",
                                           MAAS_JSON_MAX_DEPTH);
                *inner = (Open){node, NULL, open};
                open = inner;
            }
            MAAS_TRY(maas_lexer_next(&lexer, err));
            if (opened)
                continue;
        }
        /* behind a value: close what ends here */
        while (open) {
            close = open->container->kind == MAAS_JSON_LIST ? MAAS_TOKEN_CLOSE_LIST : MAAS_TOKEN_CLOSE_OBJECT;
            if (lexer.token.kind != close)
                break;
            if (open->container->kind == MAAS_JSON_OBJECT)
                MAAS_TRY(check_names(&lexer, arena, open->container, err));
            open = open->outer;
            depth--;
            MAAS_TRY(maas_lexer_next(&lexer, err));
        }
        if (!open)
            break;
        if (lexer.token.kind != MAAS_TOKEN_COMMA)
            return maas_lexer_fail(&lexer, lexer.token.at, err, "expected a comma or %s, got %s",
                                   maas_token_text(close), maas_token_text(lexer.token.kind));
        MAAS_TRY(maas_lexer_next(&lexer, err));
    }
    if (lexer.token.kind != MAAS_TOKEN_END)
        return maas_lexer_fail(&lexer, lexer.token.at, err, "expected the end, got %s",
                               maas_token_text(lexer.token.kind));
    *out = root;
    return MAAS_OK;
}

const MaasJson *maas_json_member(const MaasJson *json, const char *name)
{
    size_t length = strlen(name);

    if (!json || json->kind != MAAS_JSON_OBJECT)
        return NULL;
    for (const MaasJson *member = json->first; member; member = member->next)
        if (member->name.length == length && memcmp(member->name.data, name, length) == 0)
            return member;
    return NULL;
}
