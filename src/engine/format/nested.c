/*
 * nested.c - reads and writes tensors as nested lists.
 *
 * The reader goes through the tokens once, without recursion: for every open list it counts elements; the first
 * list of each depth to be closed sets the dimension that all others of that depth must have.  Elements are
 * gathered in a block that grows, strings with their bytes in an arena, and copied into the tensor in the end.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/convert.h"
#include "../base/number.h"
#include "nested.h"

#define MAX_DEPTH (MAAS_MAX_RANK + 1) /* complex numbers are lists, too */

typedef struct Reader {
    MaasLexer *lexer;
    MaasMem *mem;
    MaasError *err;
    MaasType type, part; /* part: of a list of two for complex types, else type */
    size_t size;         /* of a part */
    int depth;           /* of open lists */
    int deepest;
    int leaf;                 /* the depth at which elements stand; -1: none seen */
    int64_t dims[MAX_DEPTH];  /* -1: not known yet */
    int64_t index[MAX_DEPTH]; /* elements so far of the open list at each depth */
    char *data;               /* parts so far */
    size_t n, capacity;
    MaasArena strings;
} Reader;

/* "[3,1]": where the reader is, as far as `depth`; "" for a single number. */
static const char *index_text(const Reader *r, int depth, char *text, size_t size)
{
    if (depth == 0)
        return "";
    return maas_dims_text(depth, r->index, NULL, text, size);
}

/* A failure at the element that is being read. */
static MaasStatus fail_element(const Reader *r, MaasStatus status, const char *format, ...)
{
    const MaasLexer *lexer = r->lexer;
    char what[400], index[256];
    va_list args;

    va_start(args, format);
    if (vsnprintf(what, sizeof what, format, args) < 0)
        what[0] = '\0';
    va_end(args);
    index_text(r, r->depth, index, sizeof index);
    maas_lexer_fail(lexer, lexer->token.at, r->err, "%s%s%s%s", r->depth ? "element " : "", r->depth ? index : "",
                    r->depth ? ": " : "", what);
    return r->err->status = status;
}

static MaasStatus reserve(Reader *r)
{
    size_t capacity = r->capacity + r->capacity / 2 + 16, bytes;
    char *data;

    if (r->n < r->capacity)
        return MAAS_OK;
    if (!maas_mul(capacity, r->size, &bytes))
        return maas_fail(r->err, MAAS_ERR_LIMIT, "more elements than memory can hold");
    data = maas_realloc(r->mem, r->data, bytes, r->err);
    if (!data)
        return r->err->status;
    r->data = data;
    r->capacity = capacity;
    return MAAS_OK;
}

/* The current token's text, for a message: cut off where it is long. */
#define TOKEN_TEXT(token) (int)((token)->bytes.length > 40 ? 40 : (token)->bytes.length), (token)->bytes.data

/* A NaN or an infinity in double quotes. */
static bool quoted_special(const MaasToken *token, double *value)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};

    for (int i = 0; i < 3; i++)
        if (token->bytes.length == strlen(words[i]) && memcmp(token->bytes.data, words[i], strlen(words[i])) == 0)
            return maas_number_special(words[i], strlen(words[i]), value);
    return false;
}

static MaasStatus read_string(Reader *r, MaasStr *out)
{
    const MaasToken *token = &r->lexer->token;
    char *bytes;

    bytes = maas_arena_alloc(&r->strings, token->bytes.length, r->err);
    if (!bytes)
        return r->err->status;
    *out = (MaasStr){bytes, maas_token_string(token, bytes)};
    return MAAS_OK;
}

/* A number's token into one part of the type. */
static MaasStatus read_number(Reader *r, void *out)
{
    const MaasToken *token = &r->lexer->token;
    const char *text = token->bytes.data;
    size_t length = token->bytes.length;
    MaasType from = MAAS_DOUBLE;
    bool is_float = maas_type_is_float(r->part), negative;
    uint64_t magnitude;
    double value = 0;

    if (token->kind == MAAS_TOKEN_STRING) {
        quoted_special(token, &value);
    } else if (!is_float) {
        if (maas_number_length(text, length) != length || !maas_number_int(text, length, &negative, &magnitude)) {
            if (r->lexer->lenient && maas_number_special(text, length, &value))
                return fail_element(r, MAAS_ERR_VALUE, "%.*s is no %s", TOKEN_TEXT(token), maas_type_name(r->type));
            value = maas_number_double(text, length);
            return fail_element(r, MAAS_ERR_VALUE,
                                value == trunc(value) ? "%.*s is out of range of %s" : "%.*s is no %s",
                                TOKEN_TEXT(token), maas_type_name(r->type));
        }
        magnitude = negative ? -magnitude : magnitude;
        if (maas_convert_exact(negative ? MAAS_INT64 : MAAS_UINT64, &magnitude, r->part, out, 1) != 1)
            return fail_element(r, MAAS_ERR_VALUE, "%.*s is out of range of %s", TOKEN_TEXT(token),
                                maas_type_name(r->type));
        return MAAS_OK;
    } else if (maas_number_special(text, length, &value)) {
        from = MAAS_DOUBLE;
    } else if (r->part == MAAS_FLOAT) { /* one rounding, not two */
        float single = maas_number_float(text, length);

        memcpy(out, &single, sizeof single);
        if (isinf(single))
            return fail_element(r, MAAS_ERR_VALUE, "%.*s is out of range of %s", TOKEN_TEXT(token),
                                maas_type_name(r->type));
        return MAAS_OK;
    } else {
        value = maas_number_double(text, length);
        if (isinf(value))
            return fail_element(r, MAAS_ERR_VALUE, "%.*s is out of range of %s", TOKEN_TEXT(token),
                                maas_type_name(r->type));
    }
    if (maas_convert_exact(from, &value, r->part, out, 1) != 1)
        return fail_element(r, MAAS_ERR_VALUE, "%.*s is out of range of %s", TOKEN_TEXT(token),
                            maas_type_name(r->type));
    return MAAS_OK;
}

/* One element, or one part of a complex one. */
static MaasStatus read_part(Reader *r)
{
    const MaasToken *token = &r->lexer->token;
    MaasTokenKind kind = token->kind;
    void *out;
    double ignored;

    MAAS_TRY(reserve(r));
    out = r->data + r->n * r->size;
    r->n++;
    if (r->type == MAAS_STRING) {
        if (kind != MAAS_TOKEN_STRING)
            return fail_element(r, MAAS_ERR_TYPE, "expected a string in double quotes, got %s",
                                maas_token_text(kind));
        return read_string(r, out);
    }
    if (r->type == MAAS_BOOL) {
        if (kind != MAAS_TOKEN_TRUE && kind != MAAS_TOKEN_FALSE)
            return fail_element(r, MAAS_ERR_TYPE, "expected true or false, got %s", maas_token_text(kind));
        *(uint8_t *)out = kind == MAAS_TOKEN_TRUE;
        return MAAS_OK;
    }
    if (kind != MAAS_TOKEN_NUMBER && !(kind == MAAS_TOKEN_STRING && !r->lexer->lenient &&
                                       maas_type_is_float(r->part) && quoted_special(token, &ignored)))
        return fail_element(r, MAAS_ERR_TYPE, "expected a number of type %s, got %s", maas_type_name(r->type),
                            maas_token_text(kind));
    return read_number(r, out);
}

/* A value that is not a list: all of them must stand at the same depth. */
static MaasStatus read_leaf(Reader *r)
{
    MaasTokenKind kind = r->lexer->token.kind;

    if (kind < MAAS_TOKEN_STRING && kind != MAAS_TOKEN_OPEN_OBJECT)
        return fail_element(r, MAAS_ERR_FORMAT, "expected a value, got %s", maas_token_text(kind));
    if (r->leaf < 0 && r->depth < r->deepest) {
        r->leaf = -2; /* an empty list stood where this value does */
    } else if (r->leaf < 0) {
        r->leaf = r->depth;
    }
    if (r->leaf != r->depth)
        return fail_element(r, MAAS_ERR_FORMAT, "ragged lists: expected a list as before, got %s",
                            maas_token_text(r->lexer->token.kind));
    return read_part(r);
}

/* An opening bracket. */
static MaasStatus open_list(Reader *r)
{
    if (r->leaf >= 0 && r->depth >= r->leaf)
        return fail_element(r, MAAS_ERR_FORMAT, "ragged lists: expected %s as before, got a list",
                            r->type == MAAS_STRING ? "a string" : "a number");
    if (r->depth == MAX_DEPTH - !maas_type_in(r->type, MAAS_T_COMPLEX)) {
        fail_element(r, MAAS_ERR_FORMAT, "lists are nested deeper than %d, the largest number of dimensions",
                     MAAS_MAX_RANK);
        return MAAS_ERR_FORMAT;
    }
    r->index[r->depth++] = 0;
    if (r->depth > r->deepest)
        r->deepest = r->depth;
    return MAAS_OK;
}

/* A closing bracket: the list must have as many elements as the first of its depth. */
static MaasStatus close_list(Reader *r)
{
    int depth = r->depth - 1;
    int64_t n = r->index[depth], *dim = &r->dims[depth];
    char here[256], first[256];
    int64_t zeros[MAX_DEPTH] = {0};

    if (*dim < 0)
        *dim = n;
    if (*dim != n)
        return maas_lexer_fail(r->lexer, r->lexer->token.at, r->err,
                               "ragged lists: row %s has %lld element%s, row %s has %lld; the bracket",
                               maas_dims_text(depth, r->index, NULL, here, sizeof here), (long long)n,
                               n == 1 ? "" : "s", maas_dims_text(depth, zeros, NULL, first, sizeof first),
                               (long long)*dim);
    r->depth--;
    return MAAS_OK;
}

static MaasStatus read_tokens(Reader *r)
{
    MaasLexer *lexer = r->lexer;

    for (;;) {
        if (lexer->token.kind == MAAS_TOKEN_OPEN_LIST) {
            MAAS_TRY(open_list(r));
            MAAS_TRY(maas_lexer_next(lexer, r->err));
            if (lexer->token.kind != MAAS_TOKEN_CLOSE_LIST)
                continue;
        } else {
            MAAS_TRY(read_leaf(r));
            MAAS_TRY(maas_lexer_next(lexer, r->err));
            if (r->depth > 0)
                r->index[r->depth - 1]++;
        }
        /* behind an element or in an empty list */
        while (r->depth > 0 && lexer->token.kind == MAAS_TOKEN_CLOSE_LIST) {
            MAAS_TRY(close_list(r));
            MAAS_TRY(maas_lexer_next(lexer, r->err));
            if (r->depth > 0)
                r->index[r->depth - 1]++;
        }
        if (r->depth == 0)
            return MAAS_OK;
        if (lexer->token.kind != MAAS_TOKEN_COMMA)
            return maas_lexer_fail(lexer, lexer->token.at, r->err, "expected a comma or a closing bracket, got %s",
                                   maas_token_text(lexer->token.kind));
        MAAS_TRY(maas_lexer_next(lexer, r->err));
    }
}

/* Makes the tensor of the parts and the dimensions. */
static MaasStatus finish(Reader *r, MaasValue **out)
{
    int rank = r->deepest;
    MaasValue *value;

    if (maas_type_in(r->type, MAAS_T_COMPLEX)) {
        if (rank == 0 || (r->n > 0 && r->dims[rank - 1] != 2))
            return maas_lexer_fail(r->lexer, r->lexer->at, r->err,
                                   "complex numbers are lists of two, [re,im]; the text ends");
        if (r->n > 0)
            rank--;
    }
    if (r->type == MAAS_STRING)
        return maas_value_new_strings(r->mem, rank, r->dims, (const MaasStr *)r->data, out, r->err);
    MAAS_TRY(maas_value_new_tensor(r->mem, r->type, rank, r->dims, &value, r->err));
    if (r->n > 0)
        memcpy(value->tensor.data, r->data, maas_tensor_bytes(&value->tensor));
    *out = value;
    return MAAS_OK;
}

MaasStatus maas_nested_read(MaasLexer *lexer, MaasType type, MaasMem *mem, MaasValue **out, MaasError *err)
{
    Reader r = {.lexer = lexer, .mem = mem, .err = err, .type = type, .part = type, .leaf = -1};
    MaasStatus status;

    if (type == MAAS_COMPLEX64)
        r.part = MAAS_FLOAT;
    else if (type == MAAS_COMPLEX128)
        r.part = MAAS_DOUBLE;
    r.size = maas_type_size(r.part);
    if (r.size == 0)
        return maas_fail(err, MAAS_ERR_TYPE, "a tensor of unknown element type %d", (int)type);
    for (int i = 0; i < MAX_DEPTH; i++)
        r.dims[i] = -1;
    maas_arena_init(&r.strings, mem);
    status = read_tokens(&r);
    if (status == MAAS_OK)
        status = finish(&r, out);
    maas_arena_free(&r.strings);
    maas_free(mem, r.data);
    return status;
}

/* ---- writing ---- */

void maas_nested_write(MaasText *text, const MaasTensor *tensor, bool quoted)
{
    size_t size = maas_type_size(tensor->type);
    int64_t index[MAAS_MAX_RANK] = {0}, i = 0;
    int depth = 0, bottom = tensor->rank;

    if (tensor->count == 0) /* lists go down to the first dimension of 0 */
        for (bottom = 0; tensor->dims[bottom] != 0;)
            bottom++;
    for (;;) {
        for (; depth < bottom; depth++) {
            maas_text_char(text, '[');
            index[depth] = 0;
        }
        if (tensor->count == 0)
            maas_text_adds(text, "[]");
        else if (tensor->type == MAAS_STRING)
            maas_text_json_string(text, MAAS_STRS(tensor)[i]);
        else
            maas_text_number(text, tensor->type, (const char *)tensor->data + (size_t)i * size, quoted);
        i++;
        while (depth > 0 && ++index[depth - 1] == tensor->dims[depth - 1]) {
            maas_text_char(text, ']');
            depth--;
        }
        if (depth == 0 || text->status != MAAS_OK)
            return;
        maas_text_char(text, ',');
    }
}
