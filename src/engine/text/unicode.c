/*
 * unicode.c - UTF-8, simple case mapping and general categories.
 *
 * Tables are made by scripts in src/test/gen from the Unicode character database.  Nothing here depends on the
 * locale.
 */
#include <string.h>

#include "unicode.h"

typedef struct CaseRun {
    int32_t first, last, step, delta;
} CaseRun;

#include "case_table.inc"
#include "category_table.inc"

#define COUNT(array) (sizeof(array) / sizeof *(array))

int32_t maas_utf8_next(const char *text, size_t n, size_t *at)
{
    const unsigned char *s = (const unsigned char *)text + *at;
    size_t left = n - *at, more;
    int32_t rune, least;

    ++*at;
    if (s[0] < 0x80)
        return s[0];
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return MAAS_RUNE_BAD;
    more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : 1;
    least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    rune = s[0] & (0x3f >> more);
    if (left <= more)
        return MAAS_RUNE_BAD;
    for (size_t i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return MAAS_RUNE_BAD;
        rune = rune << 6 | (s[i] & 0x3f);
    }
    if (rune < least || rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        return MAAS_RUNE_BAD;
    *at += more;
    return rune;
}

size_t maas_utf8_put(int32_t rune, char *out)
{
    if (rune < 0x80) {
        out[0] = (char)rune;
        return 1;
    }
    if (rune < 0x800) {
        out[0] = (char)(0xc0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3f));
        return 2;
    }
    if (rune < 0x10000) {
        out[0] = (char)(0xe0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[2] = (char)(0x80 | (rune & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | rune >> 18);
    out[1] = (char)(0x80 | (rune >> 12 & 0x3f));
    out[2] = (char)(0x80 | (rune >> 6 & 0x3f));
    out[3] = (char)(0x80 | (rune & 0x3f));
    return 4;
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
