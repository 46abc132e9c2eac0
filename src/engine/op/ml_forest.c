/*
 * ml_forest.c - prepares ensembles of trees for the kernels, and runs them.
 *
 * The prepared form is one block with offsets; kernel/tree.h describes the nodes.  A tree may share subtrees with
 * itself or with others (exporters write "is one of these categories" so), but must not have a cycle.  A node's
 * two children are neighbours, so that a node that has several parents stands in the array several times, while
 * its own children stand there once.
 */
#include <math.h>
#include <string.h>

#include "ml_tree.h"

/* ---- building ---- */

typedef struct Place {
    uint32_t at, raw;
} Place;

/* Working memory of one build. */
typedef struct Build {
    const MaasRawForest *raw;
    uint32_t *height; /* steps to the deepest leaf below */
    uint32_t *pair;   /* where the children stand; 0: nowhere yet */
    uint32_t n_inner; /* nodes with children that a root reaches */
} Build;

enum { WHITE, GREY, BLACK }; /* not seen, on the path, done */

/* Finds the heights of all nodes below root; fails on a cycle. */
static MaasStatus measure(MaasCtx *c, Build *b, uint32_t root, uint8_t *colour, uint32_t *stack)
{
    size_t n = 0;

    stack[n++] = root;
    while (n > 0) {
        uint32_t at = stack[n - 1];
        const MaasRawNode *node = &b->raw->nodes[at];

        if (colour[at] == WHITE && node->mode != MAAS_RAW_LEAF) {
            const uint32_t children[2] = {node->no, node->yes};

            colour[at] = GREY;
            for (int i = 0; i < 2; i++) {
                if (colour[children[i]] == GREY)
                    return maas_node_fail(c, MAAS_ERR_VALUE, "a tree has a cycle: node %u is below itself",
                                          children[i]);
                if (colour[children[i]] == WHITE)
                    stack[n++] = children[i];
            }
            continue;
        }
        if (colour[at] == GREY) {
            uint32_t yes = b->height[node->yes], no = b->height[node->no];

            b->height[at] = 1 + (yes > no ? yes : no);
            b->n_inner++;
        }
        colour[at] = BLACK;
        n--;
    }
    return MAAS_OK;
}

/* A comparison as x <= split, perhaps with the children swapped. */
typedef struct Split {
    double split;
    uint8_t flags;
    bool swap;
} Split;

static Split normalise(const MaasRawNode *node, bool wide)
{
    Split s = {.split = node->split, .flags = node->nan_yes ? MAAS_TREE_NAN_YES : 0};
    bool never = node->mode != MAAS_RAW_MEMBER && node->split != node->split;

    if (node->mode == MAAS_RAW_GTE || node->mode == MAAS_RAW_GT || node->mode == MAAS_RAW_NEQ) {
        /* the opposite comparison with the children swapped; NaN differs from everything */
        s.swap = true;
        s.flags = node->mode == MAAS_RAW_NEQ || node->nan_yes ? 0 : MAAS_TREE_NAN_YES;
        if (never && node->mode != MAAS_RAW_NEQ) {
            s.swap = false;
            s.flags ^= MAAS_TREE_NAN_YES;
        }
    }
    if (node->mode == MAAS_RAW_LT || node->mode == MAAS_RAW_GTE) {
        /* x < split is x <= the number before split; before -infinity is none, and nothing is <= NaN */
        if (s.split == -INFINITY)
            s.split = NAN;
        else
            s.split = wide ? nextafter(s.split, -INFINITY) : nextafterf((float)s.split, -INFINITY);
    } else if (node->mode == MAAS_RAW_EQ || node->mode == MAAS_RAW_NEQ) {
        if (!never)
            s.flags |= MAAS_TREE_EQ;
    } else if (node->mode == MAAS_RAW_MEMBER) {
        s.flags |= MAAS_TREE_MEMBER;
        s.split = node->set;
    }
    return s;
}

static double leaf_value(const MaasRawForest *raw, uint32_t leaf)
{
    double wide = 0;
    float narrow = 0;

    for (uint32_t i = raw->first[leaf]; i < raw->first[leaf + 1]; i++) {
        wide += raw->weights[i];
        narrow += (float)raw->weights[i];
    }
    return raw->wide ? wide : narrow;
}

/* Writes node raw at place at; its children at child. */
static void put_node(MaasForest *f, const MaasRawForest *raw, Place p, uint32_t child, const Split *s)
{
    char *base = (char *)f;
    const bool leaf = child == p.at;
    const double split = leaf ? INFINITY : s->split;
    const uint32_t feature = leaf ? 0 : raw->nodes[p.raw].feature;

    ((uint8_t *)(base + f->flags))[p.at] = leaf ? MAAS_TREE_NAN_YES : s->flags;
    if (f->wide) {
        MaasTreeNodeF64 *node = (MaasTreeNodeF64 *)(base + f->nodes) + p.at;

        *node = (MaasTreeNodeF64){.split = split, .feature = feature, .child = child};
        if (leaf && f->single)
            node->value = leaf_value(raw, p.raw);
        else if (leaf)
            node->votes = p.raw;
    } else {
        MaasTreeNodeF32 *node = (MaasTreeNodeF32 *)(base + f->nodes) + p.at;

        *node = (MaasTreeNodeF32){.split = (float)split, .feature = feature, .child = child};
        if (leaf && f->single)
            node->value = (float)leaf_value(raw, p.raw);
        else if (leaf)
            node->votes = p.raw;
    }
}

/* Lays out the trees one behind the other, each level by level. */
static void lay_out(Build *b, MaasForest *f, Place *queue)
{
    const MaasRawForest *raw = b->raw;
    char *base = (char *)f;
    uint32_t next = 0;

    for (int64_t t = 0; t < raw->n_roots; t++) {
        size_t head = 0, tail = 0;

        ((uint32_t *)(base + f->roots))[t] = next;
        ((uint32_t *)(base + f->depths))[t] = b->height[raw->roots[t]];
        queue[tail++] = (Place){next++, raw->roots[t]};
        while (head < tail) {
            Place p = queue[head++];
            const MaasRawNode *node = &raw->nodes[p.raw];
            Split s;

            if (node->mode == MAAS_RAW_LEAF) {
                put_node(f, raw, p, p.at, NULL);
                continue;
            }
            s = normalise(node, f->wide);
            if (b->pair[p.raw] == 0) {
                b->pair[p.raw] = next;
                queue[tail++] = (Place){next++, s.swap ? node->no : node->yes};
                queue[tail++] = (Place){next++, s.swap ? node->yes : node->no};
            }
            if (s.flags & MAAS_TREE_MODE)
                f->general = 1;
            put_node(f, raw, p, b->pair[p.raw], &s);
        }
    }
}

static void put_reals(MaasForest *f, uint64_t at, const double *values, int64_t n)
{
    char *to = (char *)f + at;

    for (int64_t i = 0; i < n; i++) {
        if (f->wide)
            ((double *)to)[i] = values[i];
        else
            ((float *)to)[i] = (float)values[i];
    }
}

/* Reserves n elements at a multiple of 64 bytes.  All counts are below 2^32: nothing overflows. */
static uint64_t reserve(uint64_t *total, uint64_t n, size_t size)
{
    uint64_t at = *total;

    *total = (at + n * size + 63) & ~(uint64_t)63;
    return at;
}

MaasStatus maas_forest_build(MaasCtx *c, const MaasRawForest *raw)
{
    const size_t n = (size_t)raw->n_nodes;
    Build b = {
        .raw = raw, .height = maas_scratch(c, n, sizeof(uint32_t)), .pair = maas_scratch(c, n, sizeof(uint32_t))};
    uint8_t *colour = maas_scratch(c, n, 1);
    uint32_t *stack = maas_scratch(c, 2 * n + 1, sizeof *stack);
    const size_t real = raw->wide ? sizeof(double) : sizeof(float);
    MaasForest head = {.n_trees = (uint32_t)raw->n_roots,
                       .n_targets = (uint32_t)raw->n_targets,
                       .wide = raw->wide,
                       .single = raw->single,
                       .positive = 1,
                       .only = -1},
               *f;
    uint64_t total = 0, places;
    Place *queue;

    if (!b.height || !b.pair || !colour || !stack)
        return c->err->status;
    memset(b.height, 0, n * sizeof *b.height);
    memset(b.pair, 0, n * sizeof *b.pair);
    memset(colour, 0, n);
    for (int64_t t = 0; t < raw->n_roots; t++)
        MAAS_TRY(measure(c, &b, raw->roots[t], colour, stack));
    for (int64_t i = 0; i < raw->n_votes; i++) {
        head.positive &= !(raw->weights[i] < 0);
        head.only = i == 0 || head.only == (int32_t)raw->targets[i] ? (int32_t)raw->targets[i] : -2;
    }
    places = (uint64_t)raw->n_roots + 2 * (uint64_t)b.n_inner;
    if (places > INT32_MAX)
        return maas_node_fail(c, MAAS_ERR_LIMIT, "has %llu nodes", (unsigned long long)places);
    reserve(&total, 1, sizeof head);
    head.nodes = reserve(&total, places, raw->wide ? sizeof(MaasTreeNodeF64) : sizeof(MaasTreeNodeF32));
    head.flags = reserve(&total, places, 1);
    head.roots = reserve(&total, (uint64_t)raw->n_roots, sizeof(uint32_t));
    head.depths = reserve(&total, (uint64_t)raw->n_roots, sizeof(uint32_t));
    head.sets = reserve(&total, (uint64_t)raw->n_sets + 1, sizeof(uint32_t));
    head.members = reserve(&total, raw->n_sets ? raw->sets[raw->n_sets] : 0, real);
    if (!raw->single) {
        head.first = reserve(&total, n + 1, sizeof(uint32_t));
        head.targets = reserve(&total, (uint64_t)raw->n_votes, sizeof(uint32_t));
        head.weights = reserve(&total, (uint64_t)raw->n_votes, real);
    }
    queue = maas_scratch(c, places, sizeof *queue);
    f = queue ? maas_state(c, total) : NULL;
    if (!f)
        return c->err->status;
    *f = head;
    lay_out(&b, f, queue);
    if (raw->n_sets) {
        memcpy((char *)f + f->sets, raw->sets, ((size_t)raw->n_sets + 1) * sizeof *raw->sets);
        put_reals(f, f->members, raw->members, raw->sets[raw->n_sets]);
    }
    if (!raw->single) {
        memcpy((char *)f + f->first, raw->first, (n + 1) * sizeof *raw->first);
        if (raw->n_votes)
            memcpy((char *)f + f->targets, raw->targets, (size_t)raw->n_votes * sizeof *raw->targets);
        put_reals(f, f->weights, raw->weights, raw->n_votes);
    }
    return MAAS_OK;
}

/* ---- running ---- */

#define ROW_BLOCK 256                /* rows that pass a block of trees */
#define TREE_BLOCK_BYTES (12 * 1024) /* of nodes, so that they stay in the first-level cache */
#define LEAF_ROWS 32                 /* rows and trees whose leaves are kept before they vote */
#define LEAF_TREES 64

typedef struct Pass {
    MaasCtx *c;
    const MaasForest *f;
    const void *x; /* float or double (N, stride) */
    int64_t stride;
    MaasVoteJoin join;
    MaasForestScores out;
} Pass;

#define FOREST_RUN(name, T, TREES, VOTES, NODE, suffix)                                                            \
    static void name(const Pass *p, int64_t row, int64_t rows)                                                     \
    {                                                                                                              \
        const MaasForest *f = p->f;                                                                                \
        const char *base = (const char *)f;                                                                        \
        const TREES trees = {.nodes = (const NODE *)(base + f->nodes),                                             \
                             .flags = (const uint8_t *)(base + f->flags),                                          \
                             .roots = (const uint32_t *)(base + f->roots),                                         \
                             .depths = (const uint32_t *)(base + f->depths),                                       \
                             .sets = (const uint32_t *)(base + f->sets),                                           \
                             .members = (const T *)(base + f->members)};                                           \
        const VOTES votes = {.first = (const uint32_t *)(base + f->first),                                         \
                             .target = (const uint32_t *)(base + f->targets),                                      \
                             .weight = (const T *)(base + f->weights)};                                            \
        const T *x = (const T *)p->x + row * p->stride;                                                            \
        const MaasTreeWalk walk = f->general                                           ? MAAS_WALK_GENERAL         \
                                  : maas_kernel->any_nan_##suffix(x, rows * p->stride) ? MAAS_WALK_NAN             \
                                                                                       : MAAS_WALK_PLAIN;          \
        const uint32_t limit = rows > 8 ? TREE_BLOCK_BYTES / sizeof(NODE) : UINT32_MAX;                            \
        uint32_t leaf[LEAF_ROWS * LEAF_TREES];                                                                     \
                                                                                                                   \
        for (int64_t from = 0, to; from < f->n_trees && !maas_stop(p->c); from = to) {                             \
            to = from + 1;                                                                                         \
            while (to < f->n_trees && trees.roots[to] - trees.roots[from] < limit)                                 \
                to++;                                                                                              \
            if (f->single) {                                                                                       \
                maas_kernel->tree_sum_##suffix(&trees, walk, from, to, x, rows, p->stride,                         \
                                               (T *)p->out.score + row);                                           \
                continue;                                                                                          \
            }                                                                                                      \
            for (int64_t r = 0; r < rows; r += LEAF_ROWS) {                                                        \
                int64_t n = rows - r < LEAF_ROWS ? rows - r : LEAF_ROWS, at = (row + r) * f->n_targets;            \
                                                                                                                   \
                for (int64_t t = from; t < to; t += LEAF_TREES) {                                                  \
                    int64_t end = to - t < LEAF_TREES ? to : t + LEAF_TREES;                                       \
                                                                                                                   \
                    maas_kernel->tree_walk_##suffix(&trees, walk, t, end, x + r * p->stride, n, p->stride, leaf);  \
                    maas_kernel->tree_votes_##suffix(&trees, &votes, leaf, end - t, n, p->join, f->n_targets,      \
                                                     (T *)p->out.score + at, p->out.has + at);                     \
                }                                                                                                  \
            }                                                                                                      \
        }                                                                                                          \
    }

FOREST_RUN(run_f32, float, MaasTreesF32, MaasVotesF32, MaasTreeNodeF32, f32)
FOREST_RUN(run_f64, double, MaasTreesF64, MaasVotesF64, MaasTreeNodeF64, f64)

static void run_rows(void *arg, int64_t from, int64_t to)
{
    const Pass *p = arg;

    for (; from < to; from += ROW_BLOCK) {
        int64_t rows = to - from < ROW_BLOCK ? to - from : ROW_BLOCK;

        if (p->f->wide)
            run_f64(p, from, rows);
        else
            run_f32(p, from, rows);
    }
}

MaasStatus maas_forest_run(MaasCtx *c, const MaasTensor *x, MaasTreeAggregate how, MaasForestScores *out)
{
    const MaasForest *f = c->state;
    const MaasMlRows rows = maas_ml_rows(x);
    const size_t real = f->wide ? sizeof(double) : sizeof(float);
    const int64_t count = rows.n * f->n_targets; /* of an output, too: it does not overflow */
    MaasStatus status;
    Pass p = {.c = c,
              .f = f,
              .stride = rows.f,
              .join = how == MAAS_TREE_MIN   ? MAAS_VOTE_MIN
                      : how == MAAS_TREE_MAX ? MAAS_VOTE_MAX
                                             : MAAS_VOTE_ADD};

    p.x = f->wide ? (const void *)maas_ml_doubles(c, x, &status) : maas_ml_floats(c, x, &status);
    MAAS_TRY(status);
    p.out.score = maas_scratch(c, (size_t)count, real);
    p.out.has = f->single ? NULL : maas_scratch(c, (size_t)count, 1);
    if (!p.out.score || (!p.out.has && !f->single))
        return c->err->status;
    memset(p.out.score, 0, (size_t)count * real);
    if (p.out.has)
        memset(p.out.has, 0, (size_t)count);
    MAAS_TRY(maas_parallel(c, rows.n, 64, run_rows, &p));
    if (maas_stop(c))
        return maas_stopped(c);
    *out = p.out;
    return MAAS_OK;
}
