/*
 * status.c - formats failures into the caller's MaasError; allocates nothing.
 *
 * Texts that do not fit are cut between characters, so that a message built from UTF-8 names stays valid UTF-8.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "status.h"

/* Ends text before a UTF-8 sequence that its end cuts off. */
static void trim_utf8(char *text)
{
    size_t length = strlen(text), start = length, need;
    unsigned char lead;

    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    lead = (unsigned char)text[start - 1];
    need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (length - (start - 1) < need)
        text[start - 1] = '\0';
}

/* vsnprintf that cuts between characters and never leaves text unset. */
static void format_cut(char *text, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(text, size, format, args);

    if (n < 0)
        text[0] = '\0';
    else if ((size_t)n >= size)
        trim_utf8(text);
}

MaasStatus maas_fail(MaasError *err, MaasStatus status, const char *format, ...)
{
    char message[sizeof err->message]; /* the arguments may lie in err */
    va_list args;

    va_start(args, format);
    format_cut(message, sizeof message, format, args);
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
    format_cut(err->detail + length, sizeof err->detail - length, format, args);
    va_end(args);
}

void maas_error_hint(MaasError *err, const char *format, ...)
{
    size_t length = strlen(err->hint);
    va_list args;

    va_start(args, format);
    format_cut(err->hint + length, sizeof err->hint - length, format, args);
    va_end(args);
}

void maas_error_prefix(MaasError *err, const char *format, ...)
{
    char message[sizeof err->message];
    size_t length;
    va_list args;

    va_start(args, format);
    format_cut(message, sizeof message, format, args);
    va_end(args);
    length = strlen(message);
    if (snprintf(message + length, sizeof message - length, ": %s", err->message) >= (int)(sizeof message - length))
        trim_utf8(message);
    memcpy(err->message, message, strlen(message) + 1);
}
