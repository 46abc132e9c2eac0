/*
 * ml_lookup.c - hash tables that find the place of a label or a word.
 *
 * A table is (part of) the state of a node: one block without pointers, made once.
 * Open addressing, at most half full.  A walk is bounded: when a list of keys
 * makes a longer one, which chance does not, another seed is tried, and after
 * a few the model is refused, so that nobody can make the building quadratic.
 */
#include <string.h>

#include "ml.h"

#define MAX_PROBES 256
#define MAX_SEEDS 8

struct MaasLookup {
    uint64_t seed;
    uint64_t mask; /* slots - 1 */
    uint64_t n;
    uint64_t keys;    /* offsets from the start of the block: uint64_t[n], or the ends of strings */
    uint64_t strings; /* bytes of all strings */
    uint64_t text;    /* bool */
    uint32_t slots[]; /* place + 1, or 0 */
};

static const uint64_t *lookup_keys(const MaasLookup *t)
{
    return (const uint64_t *)((const char *)t + t->keys);
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

static uint64_t hash_string(uint64_t seed, MaasStr s)
{
    uint64_t h = seed ^ s.length * 0x9e3779b97f4a7c15u, word;
    size_t i = 0;

    for (; i + 8 <= s.length; i += 8) {
        memcpy(&word, s.data + i, 8);
        h = mix(h ^ word);
    }
    if (i < s.length) {
        word = 0;
        memcpy(&word, s.data + i, s.length - i);
        h = mix(h ^ word);
    }
    return h;
}

static MaasStr stored(const MaasLookup *t, uint64_t place)
{
    const uint64_t *ends = lookup_keys(t);
    uint64_t from = place ? ends[place - 1] : 0;

    return (MaasStr){.data = (const char *)t + t->strings + from, .length = ends[place] - from};
}

/* The slot of the key, or the free one where it belongs; -1 when the walk is too long. */
static int64_t find_string(const MaasLookup *t, MaasStr key)
{
    uint64_t slot = hash_string(t->seed, key);

    for (int probe = 0; probe < MAX_PROBES; probe++, slot++) {
        uint32_t place = t->slots[slot & t->mask];
        MaasStr s;

        if (place == 0)
            return (int64_t)(slot & t->mask);
        s = stored(t, place - 1);
        if (s.length == key.length && (s.length == 0 || memcmp(s.data, key.data, s.length) == 0))
            return (int64_t)(slot & t->mask);
    }
    return -1;
}

static int64_t find_int(const MaasLookup *t, uint64_t key)
{
    const uint64_t *keys = lookup_keys(t);
    uint64_t slot = mix(t->seed ^ key);

    for (int probe = 0; probe < MAX_PROBES; probe++, slot++) {
        uint32_t place = t->slots[slot & t->mask];

        if (place == 0 || keys[place - 1] == key)
            return (int64_t)(slot & t->mask);
    }
    return -1;
}

int64_t maas_lookup_string(const MaasLookup *t, MaasStr key)
{
    int64_t slot = t->text ? find_string(t, key) : -1;

    return slot < 0 ? -1 : (int64_t)t->slots[slot] - 1;
}

int64_t maas_lookup_int(const MaasLookup *t, uint64_t key)
{
    int64_t slot = t->text ? -1 : find_int(t, key);

    return slot < 0 ? -1 : (int64_t)t->slots[slot] - 1;
}

/* Fills the slots; false when a walk gets too long. */
static bool fill(MaasLookup *t)
{
    memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
    for (uint64_t i = 0; i < t->n; i++) {
        int64_t slot = t->text ? find_string(t, stored(t, i)) : find_int(t, lookup_keys(t)[i]);

        if (slot < 0)
            return false;
        t->slots[slot] = (uint32_t)(i + 1);
    }
    return true;
}

MaasStatus maas_lookup_bytes(MaasCtx *c, int64_t n, const MaasStr *strings, size_t *bytes)
{
    uint64_t slots = 8, total = 0;

    if (n > INT32_MAX / 4)
        return maas_node_fail(c, MAAS_ERR_LIMIT, "has %lld keys, at most %d are allowed", (long long)n,
                              INT32_MAX / 4);
    while (slots < (uint64_t)n * 2)
        slots *= 2;
    for (int64_t i = 0; strings && i < n; i++)
        if (__builtin_add_overflow(total, strings[i].length, &total))
            return maas_node_fail(c, MAAS_ERR_LIMIT, "the size of its strings overflows");
    if (__builtin_add_overflow(total, sizeof(MaasLookup) + slots * sizeof(uint32_t) + (uint64_t)n * 8 + 63, &total))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the size of its strings overflows");
    *bytes = total & ~(size_t)63;
    return MAAS_OK;
}

MaasStatus maas_lookup_fill(MaasCtx *c, MaasLookup *t, int64_t n, const MaasStr *strings, const uint64_t *keys)
{
    uint64_t slots = 8;

    while (slots < (uint64_t)n * 2)
        slots *= 2;
    t->mask = slots - 1;
    t->n = (uint64_t)n;
    t->keys = sizeof *t + slots * sizeof(uint32_t);
    t->strings = t->keys + (uint64_t)n * sizeof(uint64_t);
    t->text = strings != NULL;
    if (strings) {
        uint64_t *ends = (uint64_t *)((char *)t + t->keys), end = 0;

        for (int64_t i = 0; i < n; i++) {
            if (strings[i].length)
                memcpy((char *)t + t->strings + end, strings[i].data, strings[i].length);
            end += strings[i].length;
            ends[i] = end;
        }
    } else if (n > 0) {
        memcpy((char *)t + t->keys, keys, (size_t)n * sizeof *keys);
    }
    for (t->seed = 0; t->seed < MAX_SEEDS; t->seed++)
        if (fill(t))
            return MAAS_OK;
    return maas_node_fail(c, MAAS_ERR_LIMIT, "its %lld keys collide too often to be looked up", (long long)n);
}

MaasStatus maas_lookup_state(MaasCtx *c, int64_t n, const MaasStr *strings, const uint64_t *keys)
{
    MaasLookup *t;
    size_t bytes;

    MAAS_TRY(maas_lookup_bytes(c, n, strings, &bytes));
    t = maas_state(c, bytes);
    return t ? maas_lookup_fill(c, t, n, strings, keys) : c->err->status;
}
