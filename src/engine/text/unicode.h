/*
 * unicode.h - code points, their simple case mapping and general categories, the same on every machine and in every
 * locale.
 */
#ifndef MAAS_TEXT_UNICODE_H
#define MAAS_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAAS_RUNE_BAD (-1)

/* Reads one code point of text[*at ... n) and moves *at behind it; a byte that does not belong to well-formed
 * UTF-8 gives MAAS_RUNE_BAD and is passed over alone.  *at < n. */
int32_t maas_rune_next(const char *text, size_t n, size_t *at);
/* Simple (one to one) mappings; a code point that has none is itself. */
int32_t maas_rune_lower(int32_t rune);
int32_t maas_rune_upper(int32_t rune);

/* The bit of the general category of a code point. */
uint32_t maas_rune_category(int32_t rune);
/* The bits of "L", "Lu", "N" ...; 0 when there is no such category. */
uint32_t maas_category_mask(const char *name, size_t length);

#endif
