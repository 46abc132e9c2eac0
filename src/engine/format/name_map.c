/*
 * name_map.c - from names to numbers: linear probing over SipHash-1-3.
 *
 * Old tables stay in the arena when the map grows.  No locks.
 */
#include <limits.h>
#include <string.h>
#include <time.h>

#include "name_map.h"

#define ROTL(x, b) ((x) << (b) | (x) >> (64 - (b)))

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = ROTL(v[1], 13) ^ v[0], v[0] = ROTL(v[0], 32);
    v[2] += v[3], v[3] = ROTL(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = ROTL(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = ROTL(v[1], 17) ^ v[2], v[2] = ROTL(v[2], 32);
}

static uint64_t hash(const uint64_t seed[2], MaasSlice key)
{
    uint64_t v[4] = {seed[0] ^ 0x736f6d6570736575u, seed[1] ^ 0x646f72616e646f6du, seed[0] ^ 0x6c7967656e657261u,
                     seed[1] ^ 0x7465646279746573u};
    const char *p = key.data;
    size_t left = key.size;
    uint64_t word;

    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)key.size << 56;
    for (size_t i = 0; i < left; i++)
        word |= (uint64_t)(uint8_t)p[i] << 8 * i;
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void maas_names_init(MaasNameMap *map, MaasArena *arena)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    *map = (MaasNameMap){.arena = arena};
    map->seed[0] = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)now.tv_sec;
    map->seed[1] = (uint64_t)(uintptr_t)map * 0xbf58476d1ce4e5b9u;
}

/* The place of key in a table that has a free one. */
static MaasNameEntry *probe(const MaasNameMap *map, MaasNameEntry *entries, size_t cap, MaasSlice key)
{
    size_t i = (size_t)hash(map->seed, key) & (cap - 1);
    while (entries[i].key.data != NULL &&
           (entries[i].key.size != key.size || memcmp(entries[i].key.data, key.data, key.size) != 0))
        i = (i + 1) & (cap - 1);
    return &entries[i];
}

int *maas_names_find(const MaasNameMap *map, MaasSlice key)
{
    MaasNameEntry *entry;
    if (map->n == 0)
        return NULL;
    entry = probe(map, map->entries, map->cap, key);
    return entry->key.data != NULL ? &entry->value : NULL;
}

MaasStatus maas_names_put(MaasNameMap *map, MaasSlice key, int value, MaasError *err)
{
    if (map->n >= INT_MAX / 4)
        return maas_fail(err, MAAS_ERR_LIMIT, "too many names");
    if ((size_t)map->n * 4 >= map->cap * 3) {
        size_t cap = map->cap == 0 ? 16 : map->cap * 2;
        MaasNameEntry *entries = maas_arena_array(map->arena, cap, sizeof *entries, err);
        if (entries == NULL)
            return err->status;
        for (size_t i = 0; i < map->cap; i++)
            if (map->entries[i].key.data != NULL)
                *probe(map, entries, cap, map->entries[i].key) = map->entries[i];
        map->entries = entries;
        map->cap = cap;
    }
    *probe(map, map->entries, map->cap, key) = (MaasNameEntry){key, value};
    map->n++;
    return MAAS_OK;
}
