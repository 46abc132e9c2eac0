/*
 * unicode.c - simple case mapping and general categories.
 *
 * Tables are made by scripts in src/test/gen from the Unicode character database.  Nothing here depends on the
 * locale.
 */
#include <string.h>

#include "../base/utf8.h"
#include "unicode.h"

typedef struct CaseRun {
    int32_t first, last, step, delta;
} CaseRun;

#include "case_table.inc"
#include "category_table.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))

int32_t maas_rune_next(const char *text, size_t n, size_t *at)
{
    uint32_t code;
    size_t bytes = maas_utf8_read(text + *at, n - *at, &code);

    *at += bytes > 0 ? bytes : 1;
    return bytes > 0 ? (int32_t)code : MAAS_RUNE_BAD;
}

static int32_t map_case(const CaseRun *runs, size_t n, int32_t rune)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (runs[mid].last < rune)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == n || rune < runs[low].first || (rune - runs[low].first) % runs[low].step != 0)
        return rune;
    return rune + runs[low].delta;
}

int32_t maas_rune_lower(int32_t rune)
{
    if (rune < 0x80)
        return rune >= 'A' && rune <= 'Z' ? rune + 32 : rune;
    return map_case(to_lower, COUNT(to_lower), rune);
}

int32_t maas_rune_upper(int32_t rune)
{
    if (rune < 0x80)
        return rune >= 'a' && rune <= 'z' ? rune - 32 : rune;
    return map_case(to_upper, COUNT(to_upper), rune);
}

uint32_t maas_rune_category(int32_t rune)
{
    size_t low = 0, high = COUNT(category_runs);

    if (rune >= 0 && rune < 128)
        return (uint32_t)1 << ascii_categories[rune];

    while (high - low > 1) {
        size_t mid = (low + high) / 2;

        if ((int32_t)(category_runs[mid] >> 5) <= rune)
            low = mid;
        else
            high = mid;
    }
    return (uint32_t)1 << (category_runs[low] & 31);
}

uint32_t maas_category_mask(const char *name, size_t length)
{
    uint32_t mask = 0;

    if (length < 1 || length > 2)
        return 0;
    for (size_t i = 0; i < COUNT(category_names); i++)
        if (memcmp(category_names[i], name, length) == 0)
            mask |= (uint32_t)1 << i;
    return mask;
}
