/*
 * utf8.h - UTF-8: checking, reading and writing one character.
 */
#ifndef MAAS_BASE_UTF8_H
#define MAAS_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the character at the start of length > 0 bytes into *code; returns its bytes, or 0 where they are no UTF-8
 * (overlong forms, surrogates and what is beyond U+10FFFF included). */
size_t maas_utf8_read(const char *text, size_t length, uint32_t *code);

/* Bytes of the longest start of text that is valid: length when all is. */
size_t maas_utf8_valid(const char *text, size_t length);

/* Writes one character, at most 4 bytes; returns how many. */
size_t maas_utf8_write(uint32_t code, char *text);

/* Characters in length bytes, which need not be valid. */
size_t maas_utf8_count(const char *text, size_t length);

/* Whether text is this word in ASCII letters of any case; unlike strncasecmp the same in every locale. */
static inline bool maas_same_word(const char *word, const char *text, size_t length)
{
    for (; length > 0; word++, text++, length--) {
        unsigned char a = (unsigned char)*word, b = (unsigned char)*text;

        if (a >= 'A' && a <= 'Z')
            a |= 0x20;
        if (b >= 'A' && b <= 'Z')
            b |= 0x20;
        if (a != b || a == '\0')
            return false;
    }
    return *word == '\0';
}

#endif
