/*
 * status.c - formats failures into the caller's MaasError; allocates nothing.
 *
 * Every text is valid UTF-8 whatever went into it: names and strings of a model may hold any bytes, and what does
 * not fit is cut off.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "status.h"
#include "utf8.h"

/* Replaces bytes that are no UTF-8 by question marks; cut: a character that the end cuts off is left out. */
static void make_utf8(char *text, bool cut)
{
    size_t length = strlen(text), at = 0;

    while ((at += maas_utf8_valid(text + at, length - at)) < length) {
        if (cut && length - at < 4 && ((unsigned char)text[at] & 0xc0) == 0xc0) {
            text[at] = '\0';
            return;
        }
        text[at++] = '?';
    }
}

static void format_text(char *text, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(text, size, format, args);

    if (n < 0)
        text[0] = '\0';
    else
        make_utf8(text, (size_t)n >= size);
}

MaasStatus maas_fail(MaasError *err, MaasStatus status, const char *format, ...)
{
    char message[sizeof err->message]; /* the arguments may lie in err */
    va_list args;

    va_start(args, format);
    format_text(message, sizeof message, format, args);
    va_end(args);
    memcpy(err->message, message, strlen(message) + 1);
    err->status = status;
    err->detail[0] = err->hint[0] = '\0';
    return status;
}

void maas_error_detail(MaasError *err, const char *format, ...)
{
    size_t length = strlen(err->detail);
    va_list args;

    va_start(args, format);
    format_text(err->detail + length, sizeof err->detail - length, format, args);
    va_end(args);
}

void maas_error_hint(MaasError *err, const char *format, ...)
{
    size_t length = strlen(err->hint);
    va_list args;

    va_start(args, format);
    format_text(err->hint + length, sizeof err->hint - length, format, args);
    va_end(args);
}

void maas_error_prefix(MaasError *err, const char *format, ...)
{
    char message[sizeof err->message];
    size_t length;
    va_list args;

    va_start(args, format);
    format_text(message, sizeof message, format, args);
    va_end(args);
    length = strlen(message);
    make_utf8(message, snprintf(message + length, sizeof message - length, ": %s", err->message) >=
                           (int)(sizeof message - length));
    memcpy(err->message, message, strlen(message) + 1);
}
