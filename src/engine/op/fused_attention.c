/*
 * fused_attention.c - FusedAttention (internal): softmax(scale * Q K + mask) V in float32, in place of MatMul, Div
 * or Mul, Add, Softmax, MatMul and the transposes around them.
 *
 * Scores are computed for a block of queries and a block of keys at a time and are never in memory as a whole.  Q,
 * K, V and the result are read and written where they lie, with strides, whichever way their heads are laid out.
 */
#include <string.h>

#include "../kernel/blas.h"
#include "../kernel/kernel.h"
#include "broadcast.h"
#include "dims.h"
#include "fused_attention.h"

enum { FA_SCALE, FA_Q, FA_K, FA_V, FA_Y };
enum { IN_Q, IN_K, IN_V, IN_MASK };

/* Which axes of a tensor of rank 4 hold batch, heads, rows and columns.  Of rank 3: batch, rows, columns. */
static const int places[][4] = {
    [MAAS_HEADS_FIRST] = {0, 1, 2, 3},
    [MAAS_ROWS_FIRST] = {0, 2, 1, 3},
    [MAAS_HEADS_FIRST_TURNED] = {0, 1, 3, 2},
};

/* The sizes of batch, heads, rows and columns of a tensor of rank 3 or 4. */
static void sizes_of(int rank, const int64_t *dims, int64_t layout, int64_t *sizes)
{
    const int *place = places[layout];

    for (int i = 0; i < 4; i++) {
        int at = rank == 4 ? place[i] : place[i] - (place[i] > 1);

        sizes[i] = rank == 3 && i == 1 ? 1 : dims[at];
    }
}

static MaasStatus infer_fused_attention(MaasInferCtx *c)
{
    int64_t q[4], k[4], v[4], full[4], dims[4];
    int rank = c->in[IN_Q]->rank, full_rank = 4;

    for (int i = IN_Q; i <= IN_V; i++)
        if (c->in[i]->rank != rank || (rank != 3 && rank != 4))
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "attention of ranks %d, %d and %d", c->in[IN_Q]->rank,
                                   c->in[IN_K]->rank, c->in[IN_V]->rank);
    sizes_of(rank, c->in[IN_Q]->dims, c->attr[FA_Q].i, q);
    sizes_of(rank, c->in[IN_K]->dims, c->attr[FA_K].i, k);
    sizes_of(rank, c->in[IN_V]->dims, c->attr[FA_V].i, v);
    MAAS_TRY(maas_infer_equal(c, "the sizes that are multiplied", q[3], k[3]));
    memcpy(full, (int64_t[]){q[0], q[1], q[2], k[2]}, sizeof full);
    MAAS_TRY(maas_infer_broadcast_dims(c, &full_rank, full, 4, (int64_t[]){k[0], k[1], 1, 1}));
    if (maas_present(c, IN_MASK)) {
        const MaasInfo *mask = c->in[IN_MASK];
        int64_t spread[4] = {1, 1, 1, 1};

        if (mask->rank < 0 || mask->rank > rank)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "a mask of rank %d for scores of rank %d", mask->rank, rank);
        for (int i = 0; i < mask->rank; i++) {
            int at = i + 4 - mask->rank;

            spread[rank == 3 && mask->rank == 3 && i == 0 ? 0 : at] = mask->dims[i];
        }
        MAAS_TRY(maas_infer_broadcast_dims(c, &full_rank, full, 4, spread));
    }
    MAAS_TRY(maas_infer_equal(c, "the sizes that are multiplied", full[3], v[2]));
    MAAS_TRY(maas_infer_broadcast_dims(c, &full_rank, full, 4, (int64_t[]){v[0], v[1], 1, 1}));
    const int *place = places[c->attr[FA_Y].i];

    if (rank == 3)
        return maas_infer_out(c, 0, MAAS_FLOAT, 3, (int64_t[]){full[0], full[2], v[3]});
    dims[place[0]] = full[0];
    dims[place[1]] = full[1];
    dims[place[2]] = full[2];
    dims[place[3]] = v[3];
    return maas_infer_out(c, 0, MAAS_FLOAT, 4, dims);
}

static double cost_fused_attention(const MaasInferCtx *c)
{
    int64_t q[4], k[4], v[4];

    if (!maas_dims_known(c->in[IN_Q]->rank, c->in[IN_Q]->dims) ||
        !maas_dims_known(c->in[IN_K]->rank, c->in[IN_K]->dims) ||
        !maas_dims_known(c->in[IN_V]->rank, c->in[IN_V]->dims))
        return 0;
    sizes_of(c->in[IN_Q]->rank, c->in[IN_Q]->dims, c->attr[FA_Q].i, q);
    sizes_of(c->in[IN_K]->rank, c->in[IN_K]->dims, c->attr[FA_K].i, k);
    sizes_of(c->in[IN_V]->rank, c->in[IN_V]->dims, c->attr[FA_V].i, v);
    return (double)q[0] * (double)q[1] * (double)q[2] * (double)k[2] * (2.0 * (double)(q[3] + v[3]) + 10);
}

/* ---- computation ---- */

#define TILE 16384 /* scores of a block, keys that are packed: each 64 KiB of the thread's stack */
#define KEYS 256
#define ROWS 128

/* One of Q, K, V and the result: elements between examples, heads and rows; between columns 1, unless it is turned.
 */
typedef struct Heads {
    float *data;
    int64_t size[4], batch, head, row;
    bool turned; /* columns are `row` apart, rows are not */
} Heads;

typedef struct Job {
    Heads q, k, v, y;
    const float *mask;
    int64_t mask_step[4];
    int64_t heads, queries, keys; /* of the result: a mask repeats the scores of one query or of one key */
    int64_t block, blocks;        /* queries of a block, blocks of a head */
    float scale;
} Job;

static Heads heads_of(const MaasTensor *t, int64_t layout)
{
    Heads h = {.data = t->data, .turned = layout == MAAS_HEADS_FIRST_TURNED};
    int64_t *s = h.size;

    sizes_of(t->rank, t->dims, layout, s);
    h.head = layout == MAAS_ROWS_FIRST ? s[3] : s[2] * s[3];
    h.row = layout == MAAS_ROWS_FIRST ? s[1] * s[3] : h.turned ? s[2] : s[3];
    h.batch = s[0] == 1 ? 0 : s[1] * s[2] * s[3];
    if (s[1] == 1)
        h.head = 0;
    return h;
}

static float *at(const Heads *h, int64_t batch, int64_t head, int64_t row)
{
    return h->data + batch * h->batch + head * h->head + row * (h->turned ? 1 : h->row);
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

/* The scores (rows, n) of queries from `first` on and keys from `key` on. */
static void score(const Job *job, int64_t b, int64_t h, int64_t first, int64_t key, int64_t rows, int64_t n,
                  float *tile, float *room)
{
    int64_t m = job->q.size[2] == 1 ? 1 : rows, columns = job->k.size[2] == 1 ? 1 : n;
    const float *q = at(&job->q, b, h, m < rows ? 0 : first), *k = at(&job->k, b, h, columns < n ? 0 : key);

    MaasLinear l = maas_linear_of(m, columns, job->q.size[3], q, k, tile);
    l.alpha = job->scale;
    l.lda = job->q.row;
    l.ldb = job->k.row;
    l.ldc = n;
    product(&l, !job->k.turned, room);
    for (int64_t r = 0; r < m && columns < n; r++)
        for (int64_t i = 1; i < n; i++)
            tile[r * n + i] = tile[r * n];
    for (int64_t r = m; r < rows; r++)
        memcpy(tile + r * n, tile, (size_t)n * sizeof *tile);
}

/* Blocks [from, to) of all examples and heads. */
static void attend(void *arg, int64_t from, int64_t to)
{
    const Job *job = arg;
    _Alignas(64) float tile[TILE], room[TILE];
    float top[ROWS], sum[ROWS], shrink[ROWS];

    for (int64_t i = from; i < to; i++) {
        int64_t b = i / job->blocks / job->heads, h = i / job->blocks % job->heads;
        int64_t first = i % job->blocks * job->block, keys = job->keys, width = job->v.size[3];
        int64_t rows = job->queries - first < job->block ? job->queries - first : job->block;
        float *y = at(&job->y, b, h, first);

        for (int64_t key = 0; key < keys; key += KEYS) {
            int64_t n = keys - key < KEYS ? keys - key : KEYS;
            const float *mask = job->mask ? job->mask + b * job->mask_step[0] + h * job->mask_step[1] +
                                                first * job->mask_step[2] + key * job->mask_step[3]
                                          : NULL;

            score(job, b, h, first, key, rows, n, tile, room);
            maas_kernel->attention_block(rows, n, tile, mask, job->mask_step[2], job->mask_step[3], top, sum,
                                         shrink, key == 0);
            if (key > 0)
                maas_kernel->attention_scale(rows, width, y, job->y.row, shrink, false);
            MaasLinear l = maas_linear_of(rows, width, n, tile, at(&job->v, b, h, key), y);
            l.ldb = job->v.row;
            l.ldc = job->y.row;
            l.add = key > 0;
            product(&l, false, room);
        }
        if (keys > 0)
            maas_kernel->attention_scale(rows, width, y, job->y.row, sum, true);
        else
            for (int64_t r = 0; r < rows; r++)
                memset(y + r * job->y.row, 0, (size_t)width * sizeof *y);
    }
}

static MaasStatus compute_fused_attention(MaasCtx *c)
{
    const MaasTensor *mask = maas_in(c, IN_MASK);
    MaasTensor *y = maas_out(c, 0);
    Job job = {.q = heads_of(maas_in(c, IN_Q), c->attr[FA_Q].i),
               .k = heads_of(maas_in(c, IN_K), c->attr[FA_K].i),
               .v = heads_of(maas_in(c, IN_V), c->attr[FA_V].i),
               .y = heads_of(y, c->attr[FA_Y].i),
               .scale = c->attr[FA_SCALE].f};
    int64_t n, step = 1;

    if (y->count == 0)
        return MAAS_OK;
    if (mask) {
        job.mask = mask->data;
        for (int i = mask->rank - 1; i >= 0; i--) {
            int place = i + 4 - mask->rank;

            if (y->rank == 3 && mask->rank == 3 && i == 0)
                place = 0;
            job.mask_step[place] = mask->dims[i] == 1 ? 0 : step;
            step *= mask->dims[i];
        }
    }
    job.heads = job.y.size[1];
    job.queries = job.y.size[2];
    job.keys = job.v.size[2];
    n = job.keys < KEYS ? job.keys : KEYS;
    job.block = n > 0 && TILE / n < ROWS ? TILE / n : ROWS;
    job.blocks = (job.queries + job.block - 1) / job.block;
    return maas_parallel(c, job.y.size[0] * job.heads * job.blocks, 1, attend, &job);
}

const MaasOp maas_op_fused_attention = {
    .domain = "maas",
    .name = "FusedAttention",
    .first = 1,
    .since = 1,
    .in = {{"Q", MAAS_T_FLOAT, 0, 0},
           {"K", MAAS_T_FLOAT, 0, 0},
           {"V", MAAS_T_FLOAT, 0, 0},
           {"mask", MAAS_T_FLOAT, 0, MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[FA_SCALE] = {"scale", MAAS_ATTR_FLOAT, .f = 1},
              [FA_Q] = {"q_layout", MAAS_ATTR_INT},
              [FA_K] = {"k_layout", MAAS_ATTR_INT},
              [FA_V] = {"v_layout", MAAS_ATTR_INT},
              [FA_Y] = {"y_layout", MAAS_ATTR_INT}},
    .infer = infer_fused_attention,
    .compute = compute_fused_attention,
    .cost = cost_fused_attention,
};
