/*
 * attend.c - attention, a block of queries and a block of keys at a time: scores are never in memory as a whole.
 *
 * Blocks of queries are dealt out to the threads; each keeps its scores on its stack.
 */
#include <math.h>
#include <string.h>

#include "../kernel/blas.h"
#include "../kernel/kernel.h"
#include "attend.h"

#define TILE 16384 /* scores of a block, keys that are packed: each 64 KiB of the thread's stack */
#define KEYS 256
#define ROWS 128
#define MOST ((int64_t)1 << 26) /* multiplications of a block between two looks at the stop flag */

typedef struct Job {
    MaasCtx *c;
    MaasAttend a;
    int64_t rows, blocks; /* queries of a block, blocks of a head */
} Job;

/* The block that is computed: example b, head h, queries from `first` on. */
typedef struct Block {
    int64_t b, h, first, rows;
} Block;

static float *at(const MaasHeadsF32 *h, int64_t batch, int64_t head, int64_t row)
{
    return h->data + batch * h->batch + head * h->head + row * (h->turned ? 1 : h->row);
}

static const void *mask_at(const void *mask, const int64_t *step, size_t size, const Block *block, int64_t key)
{
    return (const char *)mask +
           (size_t)(block->b * step[0] + block->h * step[1] + block->first * step[2] + key * step[3]) * size;
}

/* The keys [*from, *to) that a query sees. */
static void visible(const MaasAttend *a, int64_t b, int64_t query, int64_t *from, int64_t *to)
{
    int64_t place = (a->in_step ? 0 : query) + (a->lengths ? a->lengths[b] - a->queries : a->past);
    int64_t end = a->keys < a->seen ? a->keys : a->seen;

    if (a->lengths && end > a->lengths[b])
        end = a->lengths[b];
    if (place < end && a->right < end - place)
        end = place + a->right + 1;
    *from = a->left < INT64_MAX && place > a->left ? place - a->left : 0;
    *to = end < 0 ? 0 : end;
    if (*from > *to)
        *from = *to;
}

/* The product l; tb: B is stored as (n, k).  OpenBLAS is only asked where it is faster: opening it takes a process
 * two milliseconds. */
static void product(MaasLinear *l, bool tb, float *room)
{
    const float *b = l->b;
    const int64_t n = l->n, ldb = l->ldb;
    int64_t wide;

    if (!maas_kernel->linear_leads(false, l->m, n, l->k) || l->k > TILE / MAAS_PANEL) {
        maas_gemm_f32(false, tb, l->m, n, l->k, l->alpha, l->a, l->lda, b, ldb, l->add, l->c, l->ldc);
        return;
    }
    if (!tb) {
        maas_kernel->linear_f32(l, 0, l->m, 0, n);
        return;
    }
    wide = TILE / l->k / MAAS_PANEL * MAAS_PANEL;
    l->b = room;
    l->ldb = 0;
    for (int64_t j = 0; j < n; j += wide, l->c += wide) {
        l->n = n - j < wide ? n - j : wide;
        maas_kernel->linear_pack_f32(true, l->k, l->n, b + j * ldb, ldb, room, 0, l->n);
        maas_kernel->linear_f32(l, 0, l->m, 0, l->n);
    }
}

/* Scores (rows, n) of keys from `key` on. */
static void score(const Job *job, const Block *block, int64_t key, int64_t n, float *tile, float *room)
{
    const MaasAttend *a = &job->a;
    int64_t m = a->one_query ? 1 : block->rows, columns = a->one_key ? 1 : n;
    const float *q = at(&a->q, block->b, block->h, a->one_query ? 0 : block->first),
                *k = at(&a->k, block->b, block->h / a->group, a->one_key ? 0 : key);

    MaasLinear l = maas_linear_of(m, columns, a->size, q, k, tile);

    l.alpha = a->scale;
    l.lda = a->q.row;
    l.ldb = a->k.row;
    l.ldc = n;
    product(&l, !a->k.turned, room);
    for (int64_t r = 0; r < m && columns < n; r++)
        for (int64_t i = 1; i < n; i++)
            tile[r * n + i] = tile[r * n];
    for (int64_t r = m; r < block->rows; r++)
        memcpy(tile + r * n, tile, (size_t)n * sizeof *tile);
    if (a->softcap > 0)
        maas_kernel->attention_cap(block->rows * n, tile, a->softcap);
    if (a->hide)
        maas_kernel->attention_hide(block->rows, n, tile, mask_at(a->hide, a->hide_step, 1, block, key),
                                    a->hide_step[2], a->hide_step[3], a->hide_when, a->hidden);
}

/* What lies outside of each query's keys gets no weight. */
static void cut(const MaasAttend *a, const Block *block, int64_t key, int64_t n, float *tile)
{
    for (int64_t r = 0; r < block->rows; r++) {
        int64_t from, to;

        visible(a, block->b, block->first + r, &from, &to);
        for (int64_t i = 0; i < n && key + i < from; i++)
            tile[r * n + i] = -INFINITY;
        for (int64_t i = to > key ? to - key : 0; i < n; i++)
            tile[r * n + i] = -INFINITY;
    }
}

/* Divides by the sums; sees to rows that have none, or that hold NaN. */
static void finish(const Job *job, const Block *block, float *sum, float *y)
{
    const MaasAttend *a = &job->a;

    for (int64_t r = 0; r < block->rows; r++) {
        float *row = y + r * a->y.row;

        if (a->zero_nan && !(sum[r] > 0)) { /* sums of zeros times the values: NaN where those are not finite */
            memset(row, 0, (size_t)a->width * sizeof *row);
            for (int64_t k = 0; k < a->keys && !maas_stop(job->c); k++) {
                const float *v = at(&a->v, block->b, block->h / a->group, k);

                for (int64_t j = 0; j < a->width; j++)
                    row[j] += 0 * v[j];
            }
            sum[r] = 1;
        } else if (a->zero_unseen && sum[r] == 0) {
            memset(row, 0, (size_t)a->width * sizeof *row);
            sum[r] = 1;
        }
    }
    maas_kernel->attention_scale(block->rows, a->width, y, a->y.row, sum, true);
}

static void attend_block(const Job *job, const Block *block)
{
    const MaasAttend *a = &job->a;
    _Alignas(64) float tile[TILE], room[TILE];
    float top[ROWS], sum[ROWS], shrink[ROWS], *y = at(&a->y, block->b, block->h, block->first);
    int64_t low, high, from, end;
    bool begun = false;

    visible(a, block->b, block->first, &low, &end);
    visible(a, block->b, block->first + block->rows - 1, &from, &high);
    for (int64_t key = low / KEYS * KEYS; key < high && !maas_stop(job->c); key += KEYS, begun = true) {
        int64_t n = high - key < KEYS ? high - key : KEYS;
        const float *mask = a->mask ? mask_at(a->mask, a->mask_step, sizeof *mask, block, key) : NULL;

        score(job, block, key, n, tile, room);
        if (from > key || end < key + n)
            cut(a, block, key, n, tile);
        maas_kernel->attention_block(block->rows, n, tile, mask, a->mask_step[2], a->mask_step[3], top, sum, shrink,
                                     !begun);
        if (begun)
            maas_kernel->attention_scale(block->rows, a->width, y, a->y.row, shrink, false);
        MaasLinear l =
            maas_linear_of(block->rows, a->width, n, tile, at(&a->v, block->b, block->h / a->group, key), y);

        l.ldb = a->v.row;
        l.ldc = a->y.row;
        l.add = begun;
        product(&l, false, room);
    }
    if (begun)
        finish(job, block, sum, y);
    else
        for (int64_t r = 0; r < block->rows; r++)
            memset(y + r * a->y.row, 0, (size_t)a->width * sizeof *y);
}

static void attend_blocks(void *arg, int64_t from, int64_t to)
{
    const Job *job = arg;

    for (int64_t i = from; i < to; i++) {
        Block block = {.b = i / job->blocks / job->a.heads,
                       .h = i / job->blocks % job->a.heads,
                       .first = i % job->blocks * job->rows};

        block.rows = job->a.queries - block.first < job->rows ? job->a.queries - block.first : job->rows;
        attend_block(job, &block);
    }
}

/* A single query: the heads that share one of K and V become its rows. */
static void gather_group(MaasAttend *a)
{
    if (a->queries != 1 || a->group == 1 || a->lengths || a->mask_step[1] || a->hide_step[1])
        return;
    a->q.row = a->q.head;
    a->y.row = a->y.head;
    a->q.head *= a->group;
    a->y.head *= a->group;
    a->queries = a->group;
    a->heads /= a->group;
    a->group = 1;
    a->in_step = true;
}

MaasStatus maas_attend(MaasCtx *c, const MaasAttend *a)
{
    Job job = {.c = c, .a = *a};
    int64_t n = a->keys < KEYS ? a->keys : KEYS, rows = ROWS, columns = a->size > a->width ? a->size : a->width;

    gather_group(&job.a);
    if (n > 0 && TILE / n < rows)
        rows = TILE / n;
    if (n > 0 && columns > 0 && MOST / n / columns < rows)
        rows = MOST / n / columns + 1;
    job.rows = rows;
    job.blocks = (job.a.queries + rows - 1) / rows;
    return maas_parallel(c, job.a.batch * job.a.heads * job.blocks, 1, attend_blocks, &job);
}

void maas_attend_steps(int rank, const int64_t *dims, int64_t *step)
{
    int64_t n = 1;

    for (int i = 0; i < 4; i++) {
        int at_dim = rank - 1 - i;

        step[3 - i] = at_dim < 0 || dims[at_dim] == 1 ? 0 : n;
        n *= at_dim < 0 ? 1 : dims[at_dim];
    }
}
