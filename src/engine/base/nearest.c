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

static int cut(MaasStr text)
{
    return text.length < NAME_MAX_LENGTH ? (int)text.length : NAME_MAX_LENGTH;
}

static int edit_distance(MaasStr x, MaasStr y)
{
    int rows[3][NAME_MAX_LENGTH + 1];
    int *before = rows[0], *last = rows[1], *row = rows[2];
    const char *a = x.data, *b = y.data;
    int n = cut(x), m = cut(y);

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

MaasNearest maas_nearest_begin(MaasStr name)
{
    size_t length = name.length;

    return (MaasNearest){.name = name, .bound = length <= 3 ? 1 : length <= 6 ? 2 : cut(name) / 3};
}

void maas_nearest_consider(MaasNearest *nearest, MaasStr candidate)
{
    int distance = edit_distance(nearest->name, candidate);

    if (distance <= nearest->bound && (nearest->found.length == 0 || distance < nearest->bound)) {
        nearest->found = candidate;
        nearest->bound = distance;
    }
}

const char *maas_nearest_name(const char *name, const void *names, size_t n, size_t stride)
{
    MaasNearest nearest = maas_nearest_begin((MaasStr){name, strlen(name)});

    for (size_t i = 0; i < n; i++) {
        const char *candidate = *(const char *const *)((const char *)names + i * stride);

        if (candidate)
            maas_nearest_consider(&nearest, (MaasStr){candidate, strlen(candidate)});
    }
    return nearest.found.data;
}
