/*
 * attention_grad.c - the gradient of Attention.
 *
 * Probabilities are computed again for a tile of queries at a time, so that no matrix of scores lives from the
 * forward pass to the backward one.  With P the probabilities of a tile, dP = dY V' and dS = P (dP - sum(P dP)): dV
 * = P' dY    dmask = dS    dQ = scale dS K    dK = scale dS' Q
 */
#include <math.h>
#include <string.h>

#include "attention.h"
#include "expect.h"

enum { GRAD_DY = AT_LENGTHS + 1 };
enum { GRAD_DQ, GRAD_DK, GRAD_DV, GRAD_DMASK };

static MaasStatus infer_attention_grad(MaasInferCtx *c)
{
    for (int i = GRAD_DQ; i <= GRAD_DMASK; i++)
        if (i < c->n_in && c->in[i])
            MAAS_TRY(maas_infer_out(c, i, c->in[i]->type, c->in[i]->rank, c->in[i]->dims));
    return MAAS_OK;
}

static double cost_attention_grad(const MaasInferCtx *c)
{
    const MaasInfo *dy = c->in[GRAD_DY];
    double cost = 10 * maas_dim_cost(maas_dim(c, AT_K, maas_ranked(c, AT_K) && c->in[AT_K]->rank == 3 ? 1 : 2));

    for (int d = 0; d < dy->rank; d++)
        cost *= maas_dim_cost(dy->dims[d]);
    return cost;
}

typedef struct Backward {
    MaasAttention a;
    MaasHeads dq, dk, dv;  /* data NULL: not wanted */
    MaasTensor *dmask;     /* or NULL */
    int64_t most;          /* rows of a tile */
    char *p, *dp, *capped; /* (most, keys); capped: the scores behind the soft cap, or NULL */
} Backward;

/* P, dP -> dS in place of P for one row, its part of the mask's gradient added. */
#define DEFINE_ROW(T, NAME)                                                                                        \
    static void row_##NAME(const Backward *b, T *p, const T *dp, const T *capped, int64_t from, int64_t to,        \
                           int64_t mask_at)                                                                        \
    {                                                                                                              \
        T dot = 0, cap = (T)b->a.softcap;                                                                          \
                                                                                                                   \
        for (int64_t i = from; i < to; i++)                                                                        \
            dot += p[i] * dp[i];                                                                                   \
        for (int64_t i = from; i < to; i++)                                                                        \
            p[i] *= dp[i] - dot;                                                                                   \
        for (int64_t i = from; b->dmask && i < to; i++)                                                            \
            ((T *)b->dmask->data)[mask_at + i] += p[i];                                                            \
        for (int64_t i = from; capped && i < to; i++)                                                              \
            p[i] *= 1 - capped[i] / cap * (capped[i] / cap);                                                       \
    }

DEFINE_ROW(float, f32)
DEFINE_ROW(double, f64)

/* The tile's probabilities; [*least, *end): keys that any of its queries sees. */
static MaasStatus probabilities(MaasCtx *c, Backward *b, int64_t batch, int64_t head, int64_t first, int64_t n,
                                int64_t *least, int64_t *end)
{
    const MaasAttention *a = &b->a;
    int64_t kv = head / (a->q_heads / a->kv_heads);

    MAAS_TRY(maas_product(c, a->type, false, true, n, a->keys, a->head_size, a->scale,
                          maas_attention_at(a, &a->q, batch, head, first), a->q.row,
                          maas_attention_at(a, &a->k, batch, kv, 0), a->k.row, 0, b->p, a->keys));
    *least = a->keys;
    *end = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t from, to, at = i * a->keys * a->size;

        maas_attention_visible(a, batch, first + i, &from, &to);
        maas_attention_row(a, b->p + at, from, to, maas_attention_mask_at(a, batch, head, first + i),
                           b->capped ? b->capped + at : NULL);
        *least = from < *least ? from : *least;
        *end = to > *end ? to : *end;
    }
    *least = *least > *end ? *end : *least;
    return MAAS_OK;
}

static void score_gradients(const Backward *b, int64_t batch, int64_t head, int64_t first, int64_t n)
{
    const MaasAttention *a = &b->a;

    for (int64_t i = 0; i < n; i++) {
        int64_t from, to, at = i * a->keys * a->size, mask_at = maas_attention_mask_at(a, batch, head, first + i);
        void *p = b->p + at, *dp = b->dp + at, *capped = b->capped ? b->capped + at : NULL;

        maas_attention_visible(a, batch, first + i, &from, &to);
        if (a->type == MAAS_DOUBLE)
            row_f64(b, p, dp, capped, from, to, mask_at);
        else
            row_f32(b, p, dp, capped, from, to, mask_at);
    }
}

/* One tile of queries of one head. */
static MaasStatus attend_back(MaasCtx *c, Backward *b, int64_t batch, int64_t head, int64_t first, int64_t n)
{
    const MaasAttention *a = &b->a;
    int64_t kv = head / (a->q_heads / a->kv_heads), least, end;

    MAAS_TRY(probabilities(c, b, batch, head, first, n, &least, &end));
    int64_t keys = end - least;
    const void *dy = maas_attention_at(a, &a->y, batch, head, first);
    char *p = b->p + least * a->size;

    if (b->dv.data)
        MAAS_TRY(maas_product(c, a->type, true, false, keys, a->value_size, n, 1, p, a->keys, dy, a->y.row, 1,
                              maas_attention_at(a, &b->dv, batch, kv, least), b->dv.row));
    if (!b->dq.data && !b->dk.data && !b->dmask)
        return MAAS_OK;
    MAAS_TRY(maas_product(c, a->type, false, true, n, keys, a->value_size, 1, dy, a->y.row,
                          maas_attention_at(a, &a->v, batch, kv, least), a->v.row, 0, b->dp + least * a->size,
                          a->keys));
    score_gradients(b, batch, head, first, n);
    if (b->dq.data)
        MAAS_TRY(maas_product(c, a->type, false, false, n, a->head_size, keys, a->scale, p, a->keys,
                              maas_attention_at(a, &a->k, batch, kv, least), a->k.row, 0,
                              maas_attention_at(a, &b->dq, batch, head, first), b->dq.row));
    if (b->dk.data)
        MAAS_TRY(maas_product(c, a->type, true, false, keys, a->head_size, n, a->scale, p, a->keys,
                              maas_attention_at(a, &a->q, batch, head, first), a->q.row, 1,
                              maas_attention_at(a, &b->dk, batch, kv, least), b->dk.row));
    return MAAS_OK;
}

/* An output of zeros, to which tiles add. */
static MaasHeads start_output(MaasTensor *t, int64_t heads, int64_t rows, int64_t size)
{
    if (!t)
        return (MaasHeads){0};
    if (t->count > 0)
        memset(t->data, 0, maas_tensor_bytes(t));
    return maas_attention_heads(t, heads, rows, size);
}

static MaasStatus start_tiles(MaasCtx *c, Backward *b)
{
    size_t row = (size_t)(b->a.keys * b->a.size);

    b->most = (1 << 18) / (b->a.keys > 0 ? b->a.keys : 1) + 1;
    if (b->most > b->a.queries)
        b->most = b->a.queries;
    b->p = maas_scratch(c, (size_t)b->most, row);
    b->dp = maas_scratch(c, (size_t)b->most, row);
    if (b->a.softcap > 0)
        b->capped = maas_scratch(c, (size_t)b->most, row);
    return b->p && b->dp && (b->capped || !(b->a.softcap > 0)) ? MAAS_OK : maas_scratch_failed(c);
}

static MaasStatus compute_attention_grad(MaasCtx *c)
{
    const MaasTensor *dy = maas_in(c, GRAD_DY);
    Backward b = {.dmask = maas_out(c, GRAD_DMASK)};
    MaasAttention *a = &b.a;

    MAAS_TRY(maas_attention_read(c, dy, a));
    a->mode = MODE_CAPPED; /* what maas_attention_row shows */
    b.dq = start_output(maas_out(c, GRAD_DQ), a->q_heads, a->queries, a->head_size);
    b.dk = start_output(maas_out(c, GRAD_DK), a->kv_heads, a->keys, a->head_size);
    b.dv = start_output(maas_out(c, GRAD_DV), a->kv_heads, a->keys, a->value_size);
    if (b.dmask && b.dmask->count > 0)
        memset(b.dmask->data, 0, maas_tensor_bytes(b.dmask));
    if (dy->count == 0 || a->keys == 0)
        return MAAS_OK;
    MAAS_TRY(start_tiles(c, &b));
    for (int64_t batch = 0; batch < a->batch; batch++)
        for (int64_t head = 0; head < a->q_heads; head++)
            for (int64_t first = 0; first < a->queries; first += b.most) {
                int64_t left = a->queries - first;

                MAAS_TRY(attend_back(c, &b, batch, head, first, left < b.most ? left : b.most));
            }
    return MAAS_OK;
}

const MaasOp maas_op_attention_grad = {
    .domain = "maas",
    .name = "AttentionGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"Q", MAAS_T_FLOATS, 'T', 0},
           {"K", MAAS_T_FLOATS, 'T', 0},
           {"V", MAAS_T_FLOATS, 'V', 0},
           {"attn_mask", MAAS_T_NUMERIC | MAAS_T_BOOL, 0, MAAS_OPTIONAL},
           {"past_key", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
           {"past_value", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL},
           {"nonpad_kv_seqlen", MAAS_T_I64, 0, MAAS_OPTIONAL},
           {"dY", MAAS_T_FLOATS, 'T', 0}},
    .out = {{"dQ", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
            {"dK", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
            {"dV", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL},
            {"dMask", MAAS_T_FLOATS, 0, MAAS_OPTIONAL}},
    .attrs = {MAAS_ATTENTION_ATTRS},
    .infer = infer_attention_grad,
    .compute = compute_attention_grad,
    .cost = cost_attention_grad,
};
