/*
 * tfidf.c - TfIdfVectorizer: counts of n-grams that a pool names.
 *
 * prepare makes a hash table of the pool's n-grams (open addressing, half full at most); compute looks up every
 * n-gram of a row, with up to max_skip_count items left out between its parts.
 */
#include <string.h>

#include "batch.h"
#include "dims.h"

enum { TF_MAX_GRAM, TF_SKIP, TF_MIN_GRAM, TF_MODE, TF_COUNTS, TF_INDEXES, TF_INT64S, TF_STRINGS, TF_WEIGHTS };

typedef enum TfMode { MODE_TF, MODE_IDF, MODE_TFIDF, MODE_UNKNOWN } TfMode;

static TfMode mode_of(const MaasAttr *attr)
{
    static const char *const names[] = {"TF", "IDF", "TFIDF"};

    for (int i = 0; i < 3; i++)
        if (attr->s.length == strlen(names[i]) && memcmp(attr->s.data, names[i], attr->s.length) == 0)
            return (TfMode)i;
    return MODE_UNKNOWN;
}

static int64_t pool_size(const MaasAttr *attr)
{
    return attr[TF_INT64S].n > 0 ? attr[TF_INT64S].n : attr[TF_STRINGS].n;
}

/* The part of the pool that holds the n-grams of n items. */
static void pool_range(const MaasAttr *attr, int64_t n, int64_t *from, int64_t *to)
{
    const MaasAttr *counts = &attr[TF_COUNTS];

    *from = counts->ints[n - 1];
    *to = n < counts->n ? counts->ints[n] : pool_size(attr);
}

static MaasStatus check_pool(const MaasInferCtx *c)
{
    const MaasAttr *a = c->attr, *counts = &a[TF_COUNTS];
    int64_t grams = 0;

    if ((a[TF_INT64S].n > 0) == (a[TF_STRINGS].n > 0))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "one of pool_int64s and pool_strings must be given, not both");
    if ((a[TF_STRINGS].n > 0) != (c->in[0]->type == MAAS_STRING))
        return maas_infer_fail(c, MAAS_ERR_TYPE, "the input is %s, the pool holds %s",
                               maas_type_name(c->in[0]->type), a[TF_STRINGS].n > 0 ? "strings" : "integers");
    for (int64_t n = 1; n <= counts->n; n++) {
        int64_t from, to;

        pool_range(a, n, &from, &to);
        if (from < 0 || to < from || to > pool_size(a) || (to - from) % n != 0)
            return maas_infer_fail(c, MAAS_ERR_VALUE,
                                   "ngram_counts: [%lld, %lld) of a pool of %lld holds no %lld-grams",
                                   (long long)from, (long long)to, (long long)pool_size(a), (long long)n);
        grams += (to - from) / n;
    }
    if (a[TF_INDEXES].n != grams)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "ngram_indexes has %lld entries for %lld n-grams",
                               (long long)a[TF_INDEXES].n, (long long)grams);
    return MAAS_OK;
}

static MaasStatus infer_tfidf(MaasInferCtx *c)
{
    const MaasAttr *a = c->attr, *indexes = &a[TF_INDEXES];
    const MaasInfo *in = c->in[0];
    int64_t dims[2] = {MAAS_DIM_ANY, 0}, last = -1;

    if (mode_of(&a[TF_MODE]) == MODE_UNKNOWN)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "mode must be TF, IDF or TFIDF, got \"%.*s\"",
                               (int)a[TF_MODE].s.length, a[TF_MODE].s.data);
    if (a[TF_MIN_GRAM].i < 1 || a[TF_MAX_GRAM].i < a[TF_MIN_GRAM].i || a[TF_MAX_GRAM].i > a[TF_COUNTS].n ||
        a[TF_SKIP].i < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE,
                               "n-grams of %lld to %lld items with %lld skipped, but ngram_counts has %lld entries",
                               (long long)a[TF_MIN_GRAM].i, (long long)a[TF_MAX_GRAM].i, (long long)a[TF_SKIP].i,
                               (long long)a[TF_COUNTS].n);
    MAAS_TRY(check_pool(c));
    for (int64_t i = 0; i < indexes->n; i++) {
        if (indexes->ints[i] < 0 || indexes->ints[i] >= INT64_MAX / 8)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "ngram_indexes holds %lld", (long long)indexes->ints[i]);
        last = indexes->ints[i] > last ? indexes->ints[i] : last;
    }
    if (a[TF_WEIGHTS].n > 0 && a[TF_WEIGHTS].n != indexes->n)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%lld weights for %lld n-grams", (long long)a[TF_WEIGHTS].n,
                               (long long)indexes->n);
    dims[1] = last + 1;
    if (in->rank < 0)
        return maas_infer_out(c, 0, MAAS_FLOAT, -1, NULL);
    if (in->rank != 1 && in->rank != 2)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "the input must have rank 1 or 2, got %d", in->rank);
    dims[0] = in->dims[0];
    return maas_infer_out(c, 0, MAAS_FLOAT, in->rank, in->rank == 1 ? dims + 1 : dims);
}

/* ---- the table ---- */

typedef struct Gram {
    int64_t start, length; /* in the pool */
} Gram;

/* Followed by n_grams Gram and n_slots int64 (a gram's number, or -1). */
typedef struct Table {
    int64_t n_grams, n_slots;
} Table;

static const Gram *table_grams(const Table *t)
{
    return (const Gram *)(t + 1);
}

static int64_t *table_slots(const Table *t)
{
    return (int64_t *)(table_grams(t) + t->n_grams);
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h ^= x;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t mix_string(uint64_t h, MaasStr s)
{
    for (size_t i = 0; i < s.length; i++)
        h = (h ^ (unsigned char)s.data[i]) * 0x100000001b3u;
    return mix(h, s.length);
}

/* Items that stand `step` apart: those of the pool (x NULL) or of the input. */
typedef struct Items {
    const MaasAttr *attr;
    const MaasTensor *x;
    int64_t start, step, n;
} Items;

static int64_t item_int(const Items *g, int64_t k)
{
    int64_t at = g->start + k * g->step;

    return g->x ? maas_known_int(g->x, at) : g->attr[TF_INT64S].ints[at];
}

static MaasStr item_str(const Items *g, int64_t k)
{
    int64_t at = g->start + k * g->step;

    return g->x ? MAAS_STRS(g->x)[at] : g->attr[TF_STRINGS].strings[at];
}

static uint64_t add_to_hash(uint64_t h, const Items *g, int64_t k)
{
    return g->attr[TF_STRINGS].n > 0 ? mix_string(h, item_str(g, k)) : mix(h, (uint64_t)item_int(g, k));
}

static bool equal_items(const Items *a, const Items *b)
{
    if (a->n != b->n)
        return false;
    for (int64_t k = 0; k < a->n; k++) {
        if (a->attr[TF_STRINGS].n == 0) {
            if (item_int(a, k) != item_int(b, k))
                return false;
            continue;
        }
        MaasStr s = item_str(a, k), t = item_str(b, k);

        if (s.length != t.length || (s.length > 0 && memcmp(s.data, t.data, s.length) != 0))
            return false;
    }
    return true;
}

/* The slot of these items, or the free one where they belong. */
static int64_t find_slot(const Table *t, const Items *g, uint64_t hash)
{
    const int64_t *slots = table_slots(t);
    int64_t slot = (int64_t)(hash & (uint64_t)(t->n_slots - 1));

    for (;; slot = (slot + 1) & (t->n_slots - 1)) {
        if (slots[slot] < 0)
            return slot;
        const Gram *gram = &table_grams(t)[slots[slot]];
        Items there = {.attr = g->attr, .start = gram->start, .step = 1, .n = gram->length};

        if (equal_items(&there, g))
            return slot;
    }
}

static MaasStatus prepare_tfidf(MaasCtx *c)
{
    const MaasAttr *a = c->attr;
    Table shape = {.n_grams = a[TF_INDEXES].n, .n_slots = 16}, *table;
    Gram *grams;
    int64_t *slots, id = 0;
    size_t bytes, slot_bytes;

    while (shape.n_slots < 2 * shape.n_grams)
        shape.n_slots *= 2;
    if (!maas_mul((size_t)shape.n_grams, sizeof *grams, &bytes) ||
        !maas_mul((size_t)shape.n_slots, sizeof *slots, &slot_bytes))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the pool is too large");
    table = maas_state(c, sizeof *table + bytes + slot_bytes);
    if (!table)
        return c->err->status;
    *table = shape;
    grams = (Gram *)(table + 1);
    slots = table_slots(table);
    for (int64_t i = 0; i < shape.n_slots; i++)
        slots[i] = -1;
    for (int64_t n = 1; n <= a[TF_COUNTS].n; n++) {
        int64_t from, to;

        pool_range(a, n, &from, &to);
        for (; from < to; from += n, id++) {
            Items g = {.attr = a, .start = from, .step = 1, .n = n};
            uint64_t hash = 0;
            int64_t slot;

            grams[id] = (Gram){from, n};
            if (n < a[TF_MIN_GRAM].i || n > a[TF_MAX_GRAM].i)
                continue;
            for (int64_t k = 0; k < n; k++)
                hash = add_to_hash(hash, &g, k);
            slot = find_slot(table, &g, hash);
            if (slots[slot] < 0)
                slots[slot] = id;
        }
    }
    return MAAS_OK;
}

/* Counts the n-grams of one row that start at `at` with parts `step` apart. */
static void count_from(const MaasCtx *c, const MaasTensor *x, int64_t at, int64_t end, int64_t step, int64_t least,
                       float *row)
{
    const MaasAttr *a = c->attr;
    const Table *table = c->state;
    TfMode mode = mode_of(&a[TF_MODE]);
    Items g = {.attr = a, .x = x, .start = at, .step = step};
    uint64_t hash = 0;

    for (int64_t n = 1; n <= a[TF_MAX_GRAM].i && (n - 1) < (end - at + step - 1) / step; n++) {
        int64_t gram;

        hash = add_to_hash(hash, &g, n - 1);
        if (n < least)
            continue;
        g.n = n;
        gram = table_slots(table)[find_slot(table, &g, hash)];
        if (gram < 0)
            continue;
        float weight = mode != MODE_TF && a[TF_WEIGHTS].n > 0 ? a[TF_WEIGHTS].floats[gram] : 1;
        float *count = &row[a[TF_INDEXES].ints[gram]];

        *count = mode == MODE_IDF ? weight : *count + weight;
    }
}

static MaasStatus compute_tfidf(MaasCtx *c)
{
    const MaasAttr *a = c->attr;
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *out = maas_out(c, 0);
    int64_t width = out->dims[out->rank - 1], cols = x->dims[x->rank - 1], rows = x->rank == 2 ? x->dims[0] : 1;

    if (out->count == 0)
        return MAAS_OK;
    memset(out->data, 0, maas_tensor_bytes(out));
    for (int64_t r = 0; r < rows; r++) {
        float *row = MAAS_F32(out) + r * width;
        int64_t least = a[TF_MIN_GRAM].i;

        for (int64_t step = 1; step <= cols && step - 1 <= a[TF_SKIP].i && least <= a[TF_MAX_GRAM].i; step++) {
            if (maas_stop(c))
                return maas_stopped(c);
            for (int64_t at = r * cols; at < (r + 1) * cols; at++)
                count_from(c, x, at, (r + 1) * cols, step, least, row);
            /* what is skipped makes no difference to single items */
            least = least == 1 ? 2 : least;
        }
    }
    return MAAS_OK;
}

const MaasOp maas_op_tfidf_vectorizer = {
    .name = "TfIdfVectorizer",
    .first = 9,
    .since = 9,
    .in = {{"X", MAAS_T_STRING | MAAS_T_INDEX, 0, 0}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[TF_MAX_GRAM] = {"max_gram_length", MAAS_ATTR_INT, .required = true},
              [TF_SKIP] = {"max_skip_count", MAAS_ATTR_INT, .required = true},
              [TF_MIN_GRAM] = {"min_gram_length", MAAS_ATTR_INT, .required = true},
              [TF_MODE] = {"mode", MAAS_ATTR_STRING, .required = true},
              [TF_COUNTS] = {"ngram_counts", MAAS_ATTR_INTS, .required = true},
              [TF_INDEXES] = {"ngram_indexes", MAAS_ATTR_INTS, .required = true},
              [TF_INT64S] = {"pool_int64s", MAAS_ATTR_INTS, .required = false},
              [TF_STRINGS] = {"pool_strings", MAAS_ATTR_STRINGS, .required = false},
              [TF_WEIGHTS] = {"weights", MAAS_ATTR_FLOATS, .required = false}},
    .infer = infer_tfidf,
    .prepare = prepare_tfidf,
    .compute = compute_tfidf,
    .batch = maas_batch_tfidf,
};
