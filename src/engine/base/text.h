/*
 * text.h - a text that grows as it is written.
 *
 * The first failure is kept in the MaasError given at the start; what is added later is passed over, so that a
 * writer asks once, at maas_text_take.
 */
#ifndef MAAS_BASE_TEXT_H
#define MAAS_BASE_TEXT_H

#include "dtype.h"
#include "mem.h"

typedef struct MaasText {
    MaasMem *mem;
    MaasError *err;
    MaasStatus status;
    char *data;
    size_t length, capacity;
} MaasText;

void maas_text_init(MaasText *text, MaasMem *mem, MaasError *err);
void maas_text_add(MaasText *text, const char *bytes, size_t n);
void maas_text_adds(MaasText *text, const char *string);

static inline void maas_text_char(MaasText *text, char c)
{
    if (text->length < text->capacity)
        text->data[text->length++] = c;
    else
        maas_text_add(text, &c, 1);
}

/* Adds a string in double quotes with JSON's escapes; bytes that are no UTF-8 are a failure, MAAS_ERR_VALUE. */
void maas_text_json_string(MaasText *text, MaasStr string);
/* Adds a value of any numeric type as JSON has it: true and false for bool, and NaN, Infinity and -Infinity, in
 * double quotes when `quoted`.  Complex: [re,im]. */
void maas_text_number(MaasText *text, MaasType type, const void *x, bool quoted);

/* Hands over the text, NUL-terminated and allocated from mem; on failure all is freed. */
MaasStatus maas_text_take(MaasText *text, char **data, size_t *length);

#endif
