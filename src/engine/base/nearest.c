/*
 * nearest.c - the name that somebody may have meant, by edit distance.
 *
 * Insertions, deletions and substitutions count 1, and so does a swap of neighbours (the restricted distance of
 * Damerau).  Names longer than NAME_MAX_LENGTH are cut.
 */
#include <string.h>

#include "nearest.h"

#define NAME_MAX_LENGTH 64

static int lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int min3(int a, int b, int c)
{
    int m = a < b ? a : b;

    return m < c ? m : c;
}

static int edit_distance(const char *a, const char *b)
{
    int rows[3][NAME_MAX_LENGTH + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    int n = (int)strnlen(a, NAME_MAX_LENGTH), m = (int)strnlen(b, NAME_MAX_LENGTH);

    for (int j = 0; j <= m; j++)
        last[j] = before[j] = j;
    for (int i = 1; i <= n; i++) {
        int *spare = before;

        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int differ = lower(a[i - 1]) != lower(b[j - 1]);

            row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + differ);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]) &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[m];
}

const char *maas_nearest_name(const char *name, const void *names, size_t n, size_t stride)
{
    const char *best = NULL;
    size_t length = strlen(name);
    int bound = length <= 3 ? 1 : length <= 6 ? 2 : (int)(length / 3);

    for (size_t i = 0; i < n; i++) {
        const char *candidate = *(const char *const *)((const char *)names + i * stride);
        int distance;

        if (!candidate)
            continue;
        distance = edit_distance(name, candidate);
        if (distance <= bound && (!best || distance < bound)) {
            best = candidate;
            bound = distance;
        }
    }
    return best;
}
