/*
 * tensor_text.c - tensors as text: [[1,2],[3,4]], int64:[1,2], float(0,3):[], 3.5.
 *
 * A type stands in front when it is not float; a shape when there are no elements and more than one dimension.  The
 * nested lists themselves are read and written in nested.c.
 */
#include <string.h>

#include "../base/number.h"
#include "../maas.h"
#include "nested.h"

static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ' ';
}

/* What stands before the colon. */
typedef struct Head {
    MaasType type;
    int rank; /* -1: no shape is given */
    int64_t dims[MAAS_MAX_RANK];
    size_t end; /* where the elements begin */
} Head;

/* "(0,3)" from `at`, the opening parenthesis, to behind the closing one. */
static MaasStatus parse_shape(const MaasLexer *lexer, size_t *at, Head *head, MaasError *err)
{
    const char *text = lexer->text;
    size_t i = *at + 1;

    head->rank = 0;
    for (;;) {
        size_t from, to;
        bool negative;
        uint64_t dim;

        while (i < lexer->length && is_space(text[i]))
            i++;
        if (head->rank == 0 && i < lexer->length && text[i] == ')')
            break;
        for (from = i; i < lexer->length && text[i] >= '0' && text[i] <= '9'; i++)
            ;
        to = i;
        while (i < lexer->length && is_space(text[i]))
            i++;
        if (from == to || i == lexer->length || (text[i] != ',' && text[i] != ')'))
            return maas_lexer_fail(lexer, i, err, "a shape is a list of dimensions like (2,3); it is malformed");
        if (head->rank == MAAS_MAX_RANK)
            return maas_lexer_fail(lexer, from, err, "more than %d dimensions", MAAS_MAX_RANK);
        if (!maas_number_int(text + from, to - from, &negative, &dim) || dim > INT64_MAX)
            return maas_lexer_fail(lexer, from, err, "a dimension is out of range");
        head->dims[head->rank++] = (int64_t)dim;
        if (text[i] == ')')
            break;
        i++;
    }
    *at = i + 1;
    return MAAS_OK;
}

static MaasStatus fail_name(const MaasLexer *lexer, size_t from, size_t to, MaasError *err)
{
    maas_lexer_fail(lexer, from, err, "\"%.*s\"%s is not an element type", (int)(to - from > 40 ? 40 : to - from),
                    lexer->text + from, to - from > 40 ? "..." : "");
    maas_error_hint(err, "The types are");
    for (int type = 1; type < MAAS_NTYPES; type++)
        maas_error_hint(err, "%s %s", type > 1 ? "," : "", maas_type_name((MaasType)type));
    maas_error_hint(err, ".");
    return err->status;
}

/* Reads "type:", "type(shape):" or nothing. */
static MaasStatus parse_head(const MaasLexer *lexer, Head *head, MaasError *err)
{
    const char *text = lexer->text;
    size_t from = 0, to, at;

    *head = (Head){.type = MAAS_FLOAT, .rank = -1};
    while (from < lexer->length && is_space(text[from]))
        from++;
    for (at = from; at < lexer->length && is_name(text[at]); at++)
        ;
    for (to = at; to > from && is_space(text[to - 1]); to--)
        ;
    if (to == from || at == lexer->length || (text[at] != ':' && text[at] != '('))
        return MAAS_OK; /* no head: the elements begin here */
    head->type = maas_type_from_name(text + from, to - from);
    if (head->type == MAAS_UNDEFINED)
        return fail_name(lexer, from, to, err);
    if (text[at] == '(')
        MAAS_TRY(parse_shape(lexer, &at, head, err));
    while (at < lexer->length && is_space(text[at]))
        at++;
    if (at == lexer->length || text[at] != ':')
        return maas_lexer_fail(lexer, at, err, "expected a colon behind the type and shape");
    head->end = at + 1;
    return MAAS_OK;
}

/* The lists must show the shape that stands before them, but that "[]" shows any shape without elements. */
static MaasStatus apply_shape(const Head *head, MaasMem *mem, MaasValue **value, MaasError *err)
{
    const MaasTensor *t = &(*value)->tensor;
    char given[256], shown[256];
    int64_t count;
    MaasValue *shaped;

    if (t->rank == head->rank && memcmp(t->dims, head->dims, (size_t)t->rank * sizeof *t->dims) == 0)
        return MAAS_OK;
    if (!maas_count_dims(head->rank, head->dims, &count))
        return maas_fail(err, MAAS_ERR_FORMAT, "a tensor of shape %s is more than memory can hold",
                         maas_dims_text(head->rank, head->dims, NULL, given, sizeof given));
    if (count != 0 || t->count != 0)
        return maas_fail(err, MAAS_ERR_FORMAT, "the shape %s is given, but the elements have the shape %s",
                         maas_dims_text(head->rank, head->dims, NULL, given, sizeof given),
                         maas_dims_text(t->rank, t->dims, NULL, shown, sizeof shown));
    MAAS_TRY(maas_value_view(mem, t, head->rank, head->dims, &shaped, err));
    maas_value_unref(*value);
    *value = shaped;
    return MAAS_OK;
}

MaasStatus maas_tensor_parse(const char *text, size_t length, MaasMem *mem, MaasValue **out, MaasError *err)
{
    MaasLexer lexer;
    MaasValue *value = NULL;
    MaasStatus status;
    Head head;

    maas_lexer_init(&lexer, text, length, true);
    MAAS_TRY(parse_head(&lexer, &head, err));
    lexer.at = head.end;
    MAAS_TRY(maas_lexer_next(&lexer, err));
    if (lexer.token.kind == MAAS_TOKEN_END)
        return maas_lexer_fail(&lexer, lexer.at, err, "expected a number or a list, got the end");
    status = maas_nested_read(&lexer, head.type, mem, &value, err);
    if (status != MAAS_OK) {
        if (status == MAAS_ERR_TYPE && head.end == 0)
            maas_error_hint(err, "Without a type in front the elements are floats; others are written like "
                                 "string:[\"a\",\"b\"] or bool:[true,false].");
        return status;
    }
    if (lexer.token.kind != MAAS_TOKEN_END)
        status = maas_lexer_fail(&lexer, lexer.token.at, err, "expected the end, got %s",
                                 maas_token_text(lexer.token.kind));
    if (status == MAAS_OK && head.rank >= 0)
        status = apply_shape(&head, mem, &value, err);
    if (status == MAAS_OK)
        *out = value;
    else
        maas_value_unref(value);
    return status;
}

MaasStatus maas_tensor_print(const MaasTensor *tensor, MaasMem *mem, char **text, size_t *length, MaasError *err)
{
    char digits[MAAS_DOUBLE_TEXT];
    bool shape = tensor->count == 0 && tensor->rank > 1;
    MaasText out;

    maas_text_init(&out, mem, err);
    if (tensor->type != MAAS_FLOAT || shape)
        maas_text_adds(&out, maas_type_name(tensor->type));
    for (int i = 0; shape && i < tensor->rank; i++) {
        maas_text_char(&out, i ? ',' : '(');
        maas_text_add(&out, digits, maas_print_int(tensor->dims[i], digits));
    }
    if (shape)
        maas_text_adds(&out, "):[]");
    else {
        if (tensor->type != MAAS_FLOAT)
            maas_text_char(&out, ':');
        maas_nested_write(&out, tensor, false);
    }
    return maas_text_take(&out, text, length);
}
