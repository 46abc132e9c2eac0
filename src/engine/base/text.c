/*
 * text.c - a growing text, and how strings and numbers stand in it.
 */
#include <math.h>
#include <string.h>

#include "convert.h"
#include "number.h"
#include "text.h"
#include "utf8.h"

void maas_text_init(MaasText *text, MaasMem *mem, MaasError *err)
{
    *text = (MaasText){.mem = mem, .err = err};
}

/* Makes room for n more bytes and a NUL. */
static bool grow(MaasText *text, size_t n)
{
    size_t wanted, capacity = text->capacity + text->capacity / 2;
    char *data;

    if (text->status != MAAS_OK)
        return false;
    if (__builtin_add_overflow(text->length, n, &wanted) || wanted == SIZE_MAX) {
        text->status = maas_fail(text->err, MAAS_ERR_LIMIT, "a text of more than %zu bytes", SIZE_MAX);
        return false;
    }
    if (wanted <= text->capacity)
        return true;
    if (capacity < wanted)
        capacity = wanted < 240 ? 240 : wanted;
    data = maas_realloc(text->mem, text->data, capacity + 1, text->err);
    if (!data) {
        text->status = text->err->status;
        text->capacity = text->length; /* so that maas_text_char comes here, too */
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void maas_text_add(MaasText *text, const char *bytes, size_t n)
{
    if (!grow(text, n) || n == 0)
        return;
    memcpy(text->data + text->length, bytes, n);
    text->length += n;
}

void maas_text_adds(MaasText *text, const char *string)
{
    maas_text_add(text, string, strlen(string));
}

void maas_text_json_string(MaasText *text, MaasStr string)
{
    static const char hex[] = "0123456789abcdef";
    size_t valid = maas_utf8_valid(string.data, string.length), from = 0;

    if (valid < string.length && text->status == MAAS_OK)
        text->status = maas_fail(text->err, MAAS_ERR_VALUE, "a string is not valid UTF-8: byte 0x%02x at %zu",
                                 (unsigned char)string.data[valid], valid);
    maas_text_char(text, '"');
    for (size_t i = 0; i < string.length; i++) {
        unsigned char c = (unsigned char)string.data[i];
        const char *at;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        maas_text_add(text, string.data + from, i - from);
        from = i + 1;
        at = c ? strchr("\"\"\\\\\bb\ff\nn\rr\tt", c) : NULL; /* pairs: the character, its letter */
        if (at) {
            maas_text_char(text, '\\');
            maas_text_char(text, at[1]);
        } else {
            maas_text_add(text, escape, sizeof escape);
        }
    }
    if (from < string.length)
        maas_text_add(text, string.data + from, string.length - from);
    maas_text_char(text, '"');
}

static void add_real(MaasText *text, MaasType type, double value, bool quoted)
{
    char digits[MAAS_DOUBLE_TEXT];

    if (isfinite(value)) {
        maas_text_add(text, digits, maas_print_real(type, value, digits));
        return;
    }
    if (quoted)
        maas_text_char(text, '"');
    maas_text_adds(text, isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
    if (quoted)
        maas_text_char(text, '"');
}

void maas_text_number(MaasText *text, MaasType type, const void *x, bool quoted)
{
    char digits[MAAS_NUMBER_TEXT];
    double parts[2];

    if (type == MAAS_FLOAT) {
        add_real(text, type, *(const float *)x, quoted);
    } else if (maas_type_is_float(type)) {
        maas_convert(type, x, MAAS_DOUBLE, parts, 1, NULL);
        add_real(text, type, parts[0], quoted);
    } else if (maas_type_in(type, MAAS_T_COMPLEX)) {
        MaasType part = type == MAAS_COMPLEX64 ? MAAS_FLOAT : MAAS_DOUBLE;

        maas_convert(type, x, MAAS_COMPLEX128, parts, 1, NULL);
        maas_text_char(text, '[');
        add_real(text, part, parts[0], quoted);
        maas_text_char(text, ',');
        add_real(text, part, parts[1], quoted);
        maas_text_char(text, ']');
    } else if (type == MAAS_BOOL) {
        maas_text_adds(text, *(const uint8_t *)x ? "true" : "false");
    } else {
        maas_text_add(text, digits, maas_number_to_string(type, x, digits));
    }
}

MaasStatus maas_text_take(MaasText *text, char **data, size_t *length)
{
    if (text->status == MAAS_OK && !text->data)
        grow(text, 1);
    if (text->status != MAAS_OK) {
        maas_free(text->mem, text->data);
        return text->status;
    }
    text->data[text->length] = '\0';
    *data = text->data;
    *length = text->length;
    return MAAS_OK;
}
