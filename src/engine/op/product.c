/*
 * product.c - matrix products inside operators.
 */
#include <math.h>
#include <string.h>

#include "../kernel/blas.h"
#include "../kernel/kernel.h"
#include "expect.h"
#include "product.h"

/* Multiplications between two looks at the stop flag: milliseconds with OpenBLAS, below 0.1 s without. */
#define PIECE ((int64_t)1 << 27)

static MaasStatus general_product(MaasCtx *c, MaasType type, bool ta, bool tb, int64_t m, int64_t n, int64_t k,
                                  double alpha, const void *a, int64_t lda, const void *b, int64_t ldb, double beta,
                                  void *out, int64_t ldc)
{
    int64_t size = (int64_t)maas_type_size(type);
    int64_t kp = k < 1024 ? k : 1024;                    /* depth of a piece: deeper ones would have few rows */
    int64_t np = n < 16384 ? n : 16384;                  /* columns of a piece */
    int64_t mp = kp > 0 && np > 0 ? PIECE / kp / np : m; /* rows of a piece */

    if (k <= 0)
        kp = 1;
    if (mp < 1)
        mp = 1;
    for (int64_t i = 0; i < m; i += mp) {
        int64_t mi = m - i < mp ? m - i : mp;

        for (int64_t j = 0; j < n; j += np) {
            int64_t nj = n - j < np ? n - j : np;

            for (int64_t p = 0; p == 0 || p < k; p += kp) {
                int64_t kpp = k - p < kp ? k - p : kp;
                const char *ap = (const char *)a + (ta ? p * lda + i : i * lda + p) * size;
                const char *bp = (const char *)b + (tb ? j * ldb + p : p * ldb + j) * size;
                char *cp = (char *)out + (i * ldc + j) * size;

                if (maas_stop(c))
                    return maas_stopped(c);
                if (type == MAAS_DOUBLE)
                    maas_gemm_f64(ta, tb, mi, nj, kpp, alpha, (const double *)(const void *)ap, lda,
                                  (const double *)(const void *)bp, ldb, p ? 1 : beta, (double *)(void *)cp, ldc);
                else
                    maas_gemm_f32(ta, tb, mi, nj, kpp, (float)alpha, (const float *)(const void *)ap, lda,
                                  (const float *)(const void *)bp, ldb, p ? 1 : (float)beta, (float *)(void *)cp,
                                  ldc);
            }
        }
    }
    return MAAS_OK;
}

/* ---- products by the kernels of linear.h ---- */

#define MOST ((double)(1 << 25))  /* multiplications of a piece: some hundredths of a second in plain C */
#define SLICE 512                 /* of the depth of one with A transposed */
#define LEAST ((double)(1 << 18)) /* below, a piece is not worth giving to another thread */

typedef struct Pieces {
    MaasCtx *c;
    const MaasLinear *l;
    int64_t rows, columns; /* numbers of pieces */
    int64_t group;         /* rows of pieces in a thread's share; divides rows */
} Pieces;

/* A thread's share is rows of C, which it reads again in what follows.  In it, pieces of the same columns of B come
 * one after the other. */
static void run_pieces(void *arg, int64_t from, int64_t to)
{
    const Pieces *p = arg;
    const MaasLinear *l = p->l;
    const int64_t panels = maas_ceil_div(l->n, MAAS_PANEL);

    for (int64_t i = from; i < to && !maas_stop(p->c); i++) {
        const int64_t share = p->group * p->columns, column = i % share / p->group;
        const int64_t row = i / share * p->group + i % p->group;
        const int64_t end = panels * (column + 1) / p->columns * MAAS_PANEL;

        maas_kernel->linear_f32(l, l->m * row / p->rows, l->m * (row + 1) / p->rows,
                                panels * column / p->columns * MAAS_PANEL, end < l->n ? end : l->n);
    }
}

/* The rows are cut for all threads where that leaves each some tiles; else for as many as divide them evenly. */
static int64_t cut_rows(const MaasLinear *l, int64_t n, int threads)
{
    int64_t rows = l->m / 96 < n ? l->m / 96 : n;

    if (rows >= threads)
        return rows - rows % threads;
    for (rows = threads; rows > 1 && (threads % rows || l->m / rows < 48); rows--)
        continue;
    return rows;
}

/* How many pieces, by their work and the threads, all of which get as many: eight, or four where they would be
 * narrow, as each piece reads its rows of A anew. */
static void cut(Pieces *p, int threads)
{
    const MaasLinear *l = p->l;
    const double work = (double)l->m * (double)l->n * (double)l->k;
    const int64_t panels = maas_ceil_div(l->n, MAAS_PANEL);
    double most = MOST;

    if (work <= 2 * LEAST)
        threads = 1;
    if (threads > 1) {
        most = work / threads / (panels < 8 * 6 ? 4 : 8);
        most = most < LEAST ? LEAST : most > MOST ? MOST : most;
    }
    int64_t n = work <= most ? 1 : work / most < 1e9 ? (int64_t)ceil(work / most) : (int64_t)1e9;

    n = maas_ceil_div(n, threads) * threads;
    p->rows = cut_rows(l, n, threads);
    p->columns = maas_ceil_div(n, p->rows);
    if (p->columns > maas_ceil_div(panels, 2)) {
        p->columns = maas_ceil_div(panels, 2);
        p->rows = maas_ceil_div(n, p->columns);
        p->rows = p->rows < maas_ceil_div(l->m, 12) ? p->rows : maas_ceil_div(l->m, 12);
    }
    p->group = p->rows % threads ? 1 : p->rows / threads;
}

bool maas_product_is_piece(int64_t m, int64_t n, int64_t k)
{
    return (double)m * (double)n * (double)k <= MOST;
}

MaasStatus maas_linear(MaasCtx *c, const MaasLinear *l)
{
    Pieces p = {.c = c, .l = l};

    if (l->m <= 0 || l->n <= 0)
        return MAAS_OK;
    cut(&p, maas_run_threads(c));
    if (p.rows * p.columns > 1)
        return maas_parallel(c, p.rows * p.columns, 1, run_pieces, &p);
    run_pieces(&p, 0, 1);
    return maas_stop(c) ? maas_stopped(c) : MAAS_OK;
}

typedef struct Packing {
    bool tb;
    int64_t k, n, ldb;
    const float *b;
    float *packed;
} Packing;

static void pack_panels(void *arg, int64_t from, int64_t to)
{
    const Packing *p = arg;
    const int64_t end = to * MAAS_PANEL;

    maas_kernel->linear_pack_f32(p->tb, p->k, p->n, p->b, p->ldb, p->packed, from * MAAS_PANEL,
                                 end < p->n ? end : p->n);
}

/* The product l, but B is stored as (n, k) and packed first. */
static MaasStatus pack_and_multiply(MaasCtx *c, MaasLinear *l, const float *b, int64_t ldb)
{
    Packing p = {true, l->k, l->n, ldb, b, NULL};
    int64_t count, grain = 1 + (1 << 18) / MAAS_PANEL / (l->k + 1);

    if (!maas_packed_count(l->k, l->n, &count))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the matrices are too large");
    p.packed = maas_scratch(c, (size_t)count, sizeof *p.packed);
    if (!p.packed)
        return maas_scratch_failed(c);
    l->b = p.packed;
    l->ldb = 0;
    MaasStatus status = maas_parallel(c, maas_ceil_div(l->n, MAAS_PANEL), grain, pack_panels, &p);

    if (status == MAAS_OK)
        status = maas_linear(c, l);
    maas_scratch_back(c, p.packed);
    return status;
}

/* The product l with A transposed, in slices of its depth: a piece of a slice then has columns enough to pay for
 * the copy of its rows, which lie across A's lines. */
static MaasStatus multiply_across(MaasCtx *c, MaasLinear l)
{
    const int64_t depth = l.k;

    for (int64_t p = 0; p < depth; p += SLICE) {
        l.k = depth - p < SLICE ? depth - p : SLICE;
        MAAS_TRY(maas_linear(c, &l));
        l.a += l.k * l.lda;
        l.b += l.k * l.ldb;
        l.add = true;
    }
    return MAAS_OK;
}

MaasStatus maas_product(MaasCtx *c, MaasType type, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                        const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *out, int64_t ldc)
{
    if (type == MAAS_FLOAT && (beta == 0 || beta == 1) && maas_kernel->linear_leads(tb, m, n, k)) {
        MaasLinear l = maas_linear_of(m, n, k, a, b, out);

        l.alpha = (float)alpha;
        l.ta = ta;
        l.lda = lda;
        l.ldb = ldb;
        l.ldc = ldc;
        l.add = beta != 0;
        return tb ? pack_and_multiply(c, &l, b, ldb) : ta ? multiply_across(c, l) : maas_linear(c, &l);
    }
    return general_product(c, type, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, out, ldc);
}

/* ---- stacks ---- */

/* The dimensions that matmul sees: a vector on the left is (1, k), on the right (k, 1). */
static int matrix_dims(int rank, const int64_t *dims, bool right, int64_t *to)
{
    if (rank != 1) {
        memcpy(to, dims, (size_t)rank * sizeof *dims);
        return rank;
    }
    to[0] = right ? dims[0] : 1;
    to[1] = right ? 1 : dims[0];
    return 2;
}

MaasStatus maas_stack_infer(MaasInferCtx *c, int ia, int ib, MaasType type)
{
    const MaasInfo *a = c->in[ia], *b = c->in[ib];
    int64_t ad[MAAS_MAX_RANK + 1], bd[MAAS_MAX_RANK + 1], dims[MAAS_MAX_RANK + 2];
    int an, bn, rank;

    MAAS_TRY(maas_expect_rank_in(c, ia, 1, MAAS_MAX_RANK));
    MAAS_TRY(maas_expect_rank_in(c, ib, 1, MAAS_MAX_RANK));
    if (a->rank < 0 || b->rank < 0)
        return maas_infer_out(c, 0, type, -1, NULL);
    an = matrix_dims(a->rank, a->dims, false, ad);
    bn = matrix_dims(b->rank, b->dims, true, bd);
    if (ad[an - 1] >= 0 && bd[bn - 2] >= 0 && ad[an - 1] != bd[bn - 2])
        return maas_infer_fail(
            c, MAAS_ERR_SHAPE,
            "the inner dimensions must be equal: the left matrix has %lld columns, the right %lld rows",
            (long long)ad[an - 1], (long long)bd[bn - 2]);
    rank = an - 2;
    memcpy(dims, ad, (size_t)rank * sizeof *dims);
    MAAS_TRY(maas_infer_broadcast_dims(c, &rank, dims, bn - 2, bd));
    if (a->rank > 1)
        dims[rank++] = ad[an - 2];
    if (b->rank > 1)
        dims[rank++] = bd[bn - 1];
    return maas_infer_out(c, 0, type, rank, dims);
}

void maas_stack_plan(const MaasTensor *a, const MaasTensor *b, bool fold, MaasStack *stack)
{
    int64_t ad[MAAS_MAX_RANK + 1], bd[MAAS_MAX_RANK + 1], a_run = 1, b_run = 1;
    int an = matrix_dims(a->rank, a->dims, false, ad), bn = matrix_dims(b->rank, b->dims, true, bd);

    stack->m = ad[an - 2];
    stack->k = ad[an - 1];
    stack->n = bd[bn - 1];
    stack->rank = (an > bn ? an : bn) - 2;
    stack->count = 1;
    for (int i = stack->rank - 1; i >= 0; i--) {
        int ai = i - (stack->rank - (an - 2)), bi = i - (stack->rank - (bn - 2));
        int64_t da = ai >= 0 ? ad[ai] : 1, db = bi >= 0 ? bd[bi] : 1;

        stack->dims[i] = da == 1 ? db : da;
        stack->a_step[i] = da == 1 ? 0 : a_run;
        stack->b_step[i] = db == 1 ? 0 : b_run;
        a_run *= da;
        b_run *= db;
        stack->count *= stack->dims[i];
    }
    if (fold && b_run == 1 && stack->count > 0) {
        stack->m *= stack->count;
        stack->rank = 0;
        stack->count = 1;
    }
}

void maas_stack_at(const MaasStack *stack, int64_t i, int64_t *a, int64_t *b)
{
    *a = *b = 0;
    for (int axis = stack->rank - 1; axis >= 0; axis--) {
        int64_t at = i % stack->dims[axis];

        i /= stack->dims[axis];
        *a += at * stack->a_step[axis];
        *b += at * stack->b_step[axis];
    }
}

double maas_stack_cost(const MaasInferCtx *c, int ia, int ib)
{
    const MaasInfo *a = c->in[ia];

    return 2 * maas_cost_out(c) * (a->rank > 0 ? maas_dim_cost(a->dims[a->rank - 1]) : 1);
}
