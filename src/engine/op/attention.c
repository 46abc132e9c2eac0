/*
 * attention.c - Attention: scaled dot products of queries and keys, softmax, weighted sums of values.
 *
 * Heads are read where they lie, in (batch, heads, sequence, size) or (batch, sequence, heads * size), by the row
 * strides of the matrix products.  float32 without qk_matmul_output is computed by attend.c; otherwise scores exist
 * for a tile of queries at a time.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "attend.h"
#include "attention.h"
#include "batch.h"
#include "expect.h"
#include "grad.h"

/* The sizes of one of Q, K, V. */
typedef struct Side {
    int64_t batch, heads, rows, size;
} Side;

static int64_t divide(int64_t a, int64_t b)
{
    return a < 0 ? MAAS_DIM_ANY : a / b;
}

static MaasStatus read_side(const MaasInferCtx *c, int i, int64_t heads, Side *side)
{
    bool flat = maas_ranked(c, i) && c->in[i]->rank == 3;
    int64_t width = maas_dim(c, i, 2);

    if (!flat) {
        *side = (Side){maas_dim(c, i, 0), maas_dim(c, i, 1), maas_dim(c, i, 2), maas_dim(c, i, 3)};
        return MAAS_OK;
    }
    if (heads < 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "inputs of rank 3 need q_num_heads and kv_num_heads, got %lld",
                               (long long)heads);
    if (width >= 0 && width % heads != 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE,
                               "the last axis of input %d, %lld, cannot be divided into %lld heads", i,
                               (long long)width, (long long)heads);
    *side = (Side){maas_dim(c, i, 0), heads, maas_dim(c, i, 1), divide(width, heads)};
    return MAAS_OK;
}

/* Both sizes, when known, are equal. */
static MaasStatus equal(const MaasInferCtx *c, const char *what, int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b ? maas_infer_equal(c, what, a, b) : MAAS_OK;
}

static MaasStatus check_attention_attrs(const MaasInferCtx *c)
{
    int64_t precision = c->attr[A_PRECISION].i;

    if (c->attr[A_MODE].i < MODE_RAW || c->attr[A_MODE].i > MODE_SOFTMAX)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "qk_matmul_output_mode must lie between 0 and 3, got %lld",
                               (long long)c->attr[A_MODE].i);
    if (c->attr[A_PRECISION].set && precision != MAAS_FLOAT && precision != MAAS_DOUBLE &&
        precision != MAAS_FLOAT16 && precision != MAAS_BFLOAT16)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "softmax_precision must be 1, 10, 11 or 16, got %lld",
                               (long long)precision);
    if (c->attr[A_LEFT].i < -1 || c->attr[A_RIGHT].i < -1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "a window size must be -1 or more, got %lld and %lld",
                               (long long)c->attr[A_LEFT].i, (long long)c->attr[A_RIGHT].i);
    if (maas_present(c, AT_PAST_KEY) != maas_present(c, AT_PAST_VALUE))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "past_key and past_value must be given together");
    if (maas_present(c, AT_PAST_KEY) && maas_present(c, AT_LENGTHS))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "nonpad_kv_seqlen cannot be used with past_key and past_value");
    if ((c->in[AT_Q]->type == MAAS_DOUBLE) != (c->in[AT_V]->type == MAAS_DOUBLE))
        return maas_infer_fail(c, MAAS_ERR_UNSUPPORTED, "Q and V must both be double or neither");
    return MAAS_OK;
}

static MaasStatus infer_attention(MaasInferCtx *c)
{
    int64_t q_heads = c->attr[A_Q_HEADS].i, kv_heads = c->attr[A_KV_HEADS].i, past = 0, total, batch, heads;
    MaasType key = c->in[AT_K]->type, value = c->in[AT_V]->type;
    const MaasInfo *mask = maas_present(c, AT_MASK) ? c->in[AT_MASK] : NULL;
    Side q, k, v;

    MAAS_TRY(check_attention_attrs(c));
    for (int i = AT_Q; i <= AT_V; i++)
        MAAS_TRY(maas_expect_rank_in(c, i, 3, 4));
    if (!maas_ranked(c, AT_Q))
        return maas_infer_out(c, AT_Y, MAAS_UNDEFINED, -1, NULL);
    MAAS_TRY(maas_infer_want_rank(c, AT_K, c->in[AT_Q]->rank));
    MAAS_TRY(maas_infer_want_rank(c, AT_V, c->in[AT_Q]->rank));
    MAAS_TRY(read_side(c, AT_Q, q_heads, &q));
    MAAS_TRY(read_side(c, AT_K, kv_heads, &k));
    MAAS_TRY(read_side(c, AT_V, kv_heads, &v));
    MAAS_TRY(equal(c, "the batch of K", q.batch, k.batch));
    MAAS_TRY(equal(c, "the batch of V", q.batch, v.batch));
    MAAS_TRY(equal(c, "the head size of K", q.size, k.size));
    MAAS_TRY(equal(c, "the sequence length of V", k.rows, v.rows));
    MAAS_TRY(equal(c, "the number of heads of V", k.heads, v.heads));
    if (q.heads >= 0 && k.heads >= 0 && (k.heads == 0 ? q.heads != 0 : q.heads % k.heads != 0))
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "%lld heads of queries cannot share %lld heads of keys",
                               (long long)q.heads, (long long)k.heads);
    batch = maas_dim_either(q.batch, k.batch);
    heads = q.heads;
    const int64_t past_key[] = {batch, k.heads, MAAS_DIM_ANY, q.size},
                  past_value[] = {batch, k.heads, MAAS_DIM_ANY, v.size};

    MAAS_TRY(maas_expect_shape(c, AT_PAST_KEY, 4, past_key));
    MAAS_TRY(maas_expect_shape(c, AT_PAST_VALUE, 4, past_value));
    if (maas_present(c, AT_PAST_KEY)) {
        past = maas_dim_either(maas_dim(c, AT_PAST_KEY, 2), maas_dim(c, AT_PAST_VALUE, 2));
        MAAS_TRY(maas_expect_dim(c, AT_PAST_VALUE, 2, past));
    }
    total = past == 0 ? k.rows : past < 0 || k.rows < 0 ? MAAS_DIM_ANY : past + k.rows;
    MAAS_TRY(maas_expect_vector(c, AT_LENGTHS, batch));
    if (mask && mask->rank >= 0) {
        const int64_t full[] = {batch, heads, q.rows};

        MAAS_TRY(maas_expect_rank_in(c, AT_MASK, 1, 4));
        for (int d = 0; d < mask->rank - 1; d++)
            if (mask->dims[d] != 1)
                MAAS_TRY(maas_expect_dim(c, AT_MASK, d, full[3 - (mask->rank - 1) + d]));
        if (total >= 0 && mask->dims[mask->rank - 1] > total)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "the mask covers %lld keys, there are %lld",
                                   (long long)mask->dims[mask->rank - 1], (long long)total);
    }
    const int64_t y4[] = {batch, heads, q.rows, v.size};
    const int64_t y3[] = {batch, q.rows, v.size < 0 || heads < 0 ? MAAS_DIM_ANY : heads * v.size};
    const int64_t present_key[] = {batch, k.heads, total, q.size},
                  present_value[] = {batch, k.heads, total, v.size};
    const int64_t scores[] = {batch, heads, q.rows, total};

    MAAS_TRY(maas_infer_out(c, AT_Y, MAAS_UNDEFINED, c->in[AT_Q]->rank, c->in[AT_Q]->rank == 3 ? y3 : y4));
    MAAS_TRY(maas_infer_out(c, AT_PRESENT_KEY, key, 4, present_key));
    MAAS_TRY(maas_infer_out(c, AT_PRESENT_VALUE, value, 4, present_value));
    return maas_infer_out(c, AT_SCORES, c->in[AT_Q]->type, 4, scores);
}

static double cost_attention(const MaasInferCtx *c)
{
    double keys = maas_dim_cost(maas_dim(c, AT_K, maas_ranked(c, AT_K) && c->in[AT_K]->rank == 3 ? 1 : 2));

    return 4 * maas_cost_out(c) * keys;
}

/* ---- computation ---- */

MaasHeads maas_attention_heads(const MaasTensor *t, int64_t heads, int64_t rows, int64_t size)
{
    MaasHeads h = {t->data, heads * rows * size, rows * size, size};

    if (t->rank == 3) {
        h.head = size;
        h.row = heads * size;
    }
    return h;
}

/* Past rows and new ones behind each other, (batch, heads, past + rows, size), into `to`. */
static MaasHeads join(const MaasAttention *a, const MaasTensor *past, const MaasHeads *fresh, int64_t size,
                      void *to)
{
    int64_t rows = a->keys - a->past;
    char *at = to;

    for (int64_t b = 0; b < a->batch; b++)
        for (int64_t h = 0; h < a->kv_heads; h++) {
            size_t bytes = (size_t)(a->past * size * a->size);

            if (bytes > 0)
                memcpy(at, (const char *)past->data + (size_t)(b * a->kv_heads + h) * bytes, bytes);
            at += bytes;
            for (int64_t r = 0; r < rows; r++, at += size * a->size)
                memcpy(at, maas_attention_at(a, fresh, b, h, r), (size_t)(size * a->size));
        }
    return (MaasHeads){to, a->kv_heads * a->keys * size, a->keys * size, size};
}

void maas_attention_visible(const MaasAttention *a, int64_t batch, int64_t query, int64_t *from, int64_t *to)
{
    int64_t offset = a->past, at, end = a->keys;

    *from = 0;
    if (a->lengths) {
        offset = a->lengths[batch] - a->queries;
        if (end > a->lengths[batch])
            end = a->lengths[batch];
    }
    at = query + offset;
    if (a->causal && end > at + 1)
        end = at + 1;
    if (a->right >= 0 && at + 1 < end && end - at - 1 > a->right)
        end = at + 1 + a->right;
    if (a->right >= 0 && at < 0 && end > 0 && a->right < -at) /* the window ends before the first key */
        end = 0;
    if (a->left >= 0 && at > a->left)
        *from = at - a->left;
    if (a->mask && end > a->mask_keys)
        end = a->mask_keys;
    if (end < 0)
        end = 0;
    if (*from > end)
        *from = end;
    *to = end;
}

#define DEFINE_ROW(T, NAME, TANH)                                                                                  \
    static void row_##NAME(const MaasAttention *a, T *row, int64_t from, int64_t to, int64_t mask_at, T *shown)    \
    {                                                                                                              \
        bool any = false;                                                                                          \
                                                                                                                   \
        if (shown && a->mode == MODE_RAW)                                                                          \
            memcpy(shown, row, (size_t)a->keys * sizeof *row);                                                     \
        if (a->softcap > 0) {                                                                                      \
            T cap = (T)a->softcap;                                                                                 \
                                                                                                                   \
            for (int64_t i = 0; i < a->keys; i++)                                                                  \
                row[i] = cap * TANH(row[i] / cap);                                                                 \
        }                                                                                                          \
        if (shown && a->mode == MODE_CAPPED)                                                                       \
            memcpy(shown, row, (size_t)a->keys * sizeof *row);                                                     \
        for (int64_t i = from; i < to; i++) {                                                                      \
            T bias = 0;                                                                                            \
                                                                                                                   \
            if (a->mask && a->mask->type == MAAS_BOOL)                                                             \
                bias = MAAS_U8(a->mask)[mask_at + i] ? 0 : -(T)INFINITY;                                           \
            else if (a->mask)                                                                                      \
                bias = a->mask->type == a->type ? ((const T *)a->mask->data)[mask_at + i]                          \
                                                : (T)maas_number_at(a->mask, mask_at + i);                         \
            any |= bias != -(T)INFINITY;                                                                           \
            row[i] += bias;                                                                                        \
        }                                                                                                          \
        for (int64_t i = 0; i < from; i++)                                                                         \
            row[i] = -(T)INFINITY;                                                                                 \
        for (int64_t i = to; i < a->keys; i++)                                                                     \
            row[i] = -(T)INFINITY;                                                                                 \
        if (shown && a->mode == MODE_BIASED)                                                                       \
            memcpy(shown, row, (size_t)a->keys * sizeof *row);                                                     \
        for (int64_t i = 0; i < a->keys; i++)                                                                      \
            if (i < from || i >= to || !any)                                                                       \
                row[i] = 0;                                                                                        \
        if (any)                                                                                                   \
            maas_kernel->softmax(MAAS_SOFTMAX, a->type)(row + from, row + from, 1, to - from, 1);                  \
        if (shown && a->mode == MODE_SOFTMAX)                                                                      \
            memcpy(shown, row, (size_t)a->keys * sizeof *row);                                                     \
    }

DEFINE_ROW(float, f32, tanhf)
DEFINE_ROW(double, f64, tanh)

void maas_attention_row(const MaasAttention *a, void *row, int64_t from, int64_t to, int64_t mask_at, void *shown)
{
    if (a->type == MAAS_DOUBLE)
        row_f64(a, row, from, to, mask_at, shown);
    else
        row_f32(a, row, from, to, mask_at, shown);
}

/* One head of one example; tile: room for `most` rows of scores. */
static MaasStatus attend(MaasCtx *c, const MaasAttention *a, int64_t b, int64_t h, int64_t most, char *tile,
                         char *shown)
{
    int64_t kv = h / (a->q_heads / a->kv_heads);

    for (int64_t first = 0; first < a->queries; first += most) {
        int64_t n = a->queries - first < most ? a->queries - first : most, least = a->keys, end = 0;

        MAAS_TRY(maas_product(c, a->type, false, true, n, a->keys, a->head_size, a->scale,
                              maas_attention_at(a, &a->q, b, h, first), a->q.row,
                              maas_attention_at(a, &a->k, b, kv, 0), a->k.row, 0, tile, a->keys));
        for (int64_t i = 0; i < n; i++) {
            int64_t from, to, at = (i * a->keys) * a->size, query = first + i;
            char *out =
                shown ? shown + (size_t)(((b * a->q_heads + h) * a->queries + query) * a->keys * a->size) : NULL;

            maas_attention_visible(a, b, query, &from, &to);
            least = from < least ? from : least;
            end = to > end ? to : end;
            maas_attention_row(a, tile + at, from, to, maas_attention_mask_at(a, b, h, query), out);
        }
        if (least > end)
            least = end;
        MAAS_TRY(maas_product(c, a->type, false, false, n, a->value_size, end - least, 1, tile + least * a->size,
                              a->keys, maas_attention_at(a, &a->v, b, kv, least), a->v.row, 0,
                              maas_attention_at(a, &a->y, b, h, first), a->y.row));
    }
    return MAAS_OK;
}

static void plan_mask(MaasAttention *a)
{
    int64_t step = 1;

    if (!a->mask)
        return;
    a->mask_keys = a->mask->dims[a->mask->rank - 1];
    step = a->mask_keys;
    for (int i = a->mask->rank - 2; i >= 0; i--) {
        a->mask_step[3 - (a->mask->rank - 1) + i] = a->mask->dims[i] == 1 ? 0 : step;
        step *= a->mask->dims[i];
    }
}

/* Keys and values with the past before them, in the present outputs or in scratch. */
static MaasStatus join_past(MaasCtx *c, MaasAttention *a)
{
    const MaasTensor *past_key = maas_in(c, AT_PAST_KEY), *past_value = maas_in(c, AT_PAST_VALUE);
    MaasTensor *key = maas_out(c, AT_PRESENT_KEY), *value = maas_out(c, AT_PRESENT_VALUE);
    size_t rows = (size_t)(a->batch * a->kv_heads * a->keys);

    if (key || past_key) {
        void *to = key ? key->data : maas_scratch(c, rows, (size_t)(a->head_size * a->size));

        if (!to && rows > 0)
            return maas_scratch_failed(c);
        a->k = join(a, past_key, &a->k, a->head_size, to);
    }
    if (value || past_value) {
        void *to = value ? value->data : maas_scratch(c, rows, (size_t)(a->value_size * a->size));

        if (!to && rows > 0)
            return maas_scratch_failed(c);
        a->v = join(a, past_value, &a->v, a->value_size, to);
    }
    return MAAS_OK;
}

MaasStatus maas_attention_read(MaasCtx *c, const MaasTensor *y, MaasAttention *a)
{
    const MaasTensor *q = maas_in(c, AT_Q), *k = maas_in(c, AT_K), *v = maas_in(c, AT_V);
    const MaasTensor *past = maas_in(c, AT_PAST_KEY), *lengths = maas_in(c, AT_LENGTHS);
    bool flat = q->rank == 3;
    int64_t rows = k->dims[flat ? 1 : 2];

    *a = (MaasAttention){
        .type = q->type,
        .size = (int64_t)maas_type_size(q->type),
        .batch = q->dims[0],
        .q_heads = flat ? c->attr[A_Q_HEADS].i : q->dims[1],
        .kv_heads = flat ? c->attr[A_KV_HEADS].i : k->dims[1],
        .queries = q->dims[flat ? 1 : 2],
        .past = past ? past->dims[2] : 0,
        .mask = maas_in(c, AT_MASK),
        .lengths = lengths ? MAAS_I64(lengths) : NULL,
        .softcap = (double)c->attr[A_SOFTCAP].f,
        .left = c->attr[A_LEFT].i,
        .right = c->attr[A_RIGHT].i,
        .mode = c->attr[A_MODE].i,
        .causal = c->attr[A_CAUSAL].i != 0,
    };
    a->keys = a->past + rows;
    a->head_size = flat ? q->dims[2] / a->q_heads : q->dims[3];
    a->value_size = flat ? v->dims[2] / a->kv_heads : v->dims[3];
    a->scale = c->attr[A_SCALE].set ? (double)c->attr[A_SCALE].f : 1 / sqrt((double)a->head_size);
    a->q = maas_attention_heads(q, a->q_heads, a->queries, a->head_size);
    a->k = maas_attention_heads(k, a->kv_heads, rows, a->head_size);
    a->v = maas_attention_heads(v, a->kv_heads, rows, a->value_size);
    a->y = maas_attention_heads(y, a->q_heads, a->queries, a->value_size);
    for (int64_t b = 0; a->lengths && b < a->batch; b++)
        if (a->lengths[b] < 0 || a->lengths[b] > a->keys)
            return maas_node_fail(c, MAAS_ERR_VALUE, "nonpad_kv_seqlen[%lld] must lie between 0 and %lld, got %lld",
                                  (long long)b, (long long)a->keys, (long long)a->lengths[b]);
    plan_mask(a);
    return MAAS_OK;
}

static MaasHeadsF32 floats_of(const MaasHeads *h)
{
    return (MaasHeadsF32){.data = (float *)(uintptr_t)h->data, .batch = h->batch, .head = h->head, .row = h->row};
}

/* The whole of it in float32, block by block. */
static MaasStatus attend_in_blocks(MaasCtx *c, const MaasAttention *a)
{
    const MaasTensor *mask = a->mask;
    MaasAttend job = {.q = floats_of(&a->q),
                      .k = floats_of(&a->k),
                      .v = floats_of(&a->v),
                      .y = floats_of(&a->y),
                      .batch = a->batch,
                      .heads = a->q_heads,
                      .group = a->q_heads / a->kv_heads,
                      .queries = a->queries,
                      .keys = a->keys,
                      .size = a->head_size,
                      .width = a->value_size,
                      .scale = (float)a->scale,
                      .softcap = (float)a->softcap,
                      .left = a->left < 0 ? INT64_MAX : a->left,
                      .right = a->causal      ? 0
                               : a->right < 0 ? INT64_MAX
                                              : a->right,
                      .seen = mask ? a->mask_keys : INT64_MAX,
                      .past = a->past,
                      .lengths = a->lengths,
                      .zero_unseen = true};

    if (mask && mask->type == MAAS_BOOL) {
        job.hide = MAAS_U8(mask);
        job.hidden = -INFINITY;
        maas_attend_steps(mask->rank, mask->dims, job.hide_step);
    } else if (mask) {
        job.mask = mask->data;
        maas_attend_steps(mask->rank, mask->dims, job.mask_step);
        if (mask->type != MAAS_FLOAT) {
            float *bias = maas_scratch(c, (size_t)mask->count, sizeof *bias);

            if (!bias)
                return maas_scratch_failed(c);
            for (int64_t i = 0; i < mask->count; i++) {
                if (i % (1 << 20) == 0 && maas_stop(c))
                    return maas_stopped(c);
                bias[i] = (float)maas_number_at(mask, i);
            }
            job.mask = bias;
        }
    }
    return maas_attend(c, &job);
}

static MaasStatus compute_attention(MaasCtx *c)
{
    MaasTensor *y = maas_out(c, AT_Y), *shown = maas_out(c, AT_SCORES);
    MaasAttention a;
    int64_t most;
    char *tile;

    MAAS_TRY(maas_attention_read(c, y, &a));
    MAAS_TRY(join_past(c, &a));
    if (y->count == 0 && (!shown || shown->count == 0))
        return MAAS_OK;
    if (a.type == MAAS_FLOAT && !shown)
        return attend_in_blocks(c, &a);
    most = (1 << 18) / (a.keys > 0 ? a.keys : 1) + 1;
    if (most > a.queries)
        most = a.queries;
    tile = maas_scratch(c, (size_t)most, (size_t)(a.keys * a.size));
    if (!tile)
        return maas_scratch_failed(c);
    for (int64_t b = 0; b < a.batch; b++)
        for (int64_t h = 0; h < a.q_heads; h++)
            MAAS_TRY(attend(c, &a, b, h, most, tile, shown ? shown->data : NULL));
    return MAAS_OK;
}

/* The past and what is shown of the scores are for inference. */
static void grad_attention(MaasGrad *g)
{
    static const int inputs[] = {AT_Q, AT_K, AT_V, AT_MASK};
    const int in[] = {maas_grad_in(g, AT_Q),       maas_grad_in(g, AT_K), maas_grad_in(g, AT_V),
                      maas_grad_in(g, AT_MASK),    MAAS_NO_VALUE,         MAAS_NO_VALUE,
                      maas_grad_in(g, AT_LENGTHS), maas_grad_dy(g, AT_Y)};
    int out[4];

    if (maas_grad_in(g, AT_PAST_KEY) != MAAS_NO_VALUE)
        maas_grad_refuse(g, "past_key");
    if (maas_grad_wants(g, AT_MASK) &&
        maas_grad_info(g, maas_grad_in(g, AT_MASK))->type != maas_grad_info(g, maas_grad_in(g, AT_Q))->type)
        maas_grad_refuse(g, "a mask of another type");
    for (int i = AT_PRESENT_KEY; i <= AT_SCORES; i++)
        if (maas_grad_dy(g, i) != MAAS_NO_VALUE)
            maas_grad_refuse(g, "output %d", i);
    if (maas_grad_dy(g, AT_Y) == MAAS_NO_VALUE)
        return;
    maas_grad_ask(g, 4, inputs, out);
    maas_grad_nodes(g, "AttentionGrad", 8, in, 4, out);
    maas_grad_copy_attrs(g, 0, A_COUNT);
    for (int i = 0; i < 4; i++)
        maas_grad_give(g, i, out[i]);
}

const MaasOp maas_op_attention = {
    .domain = "",
    .name = "Attention",
    .first = 23,
    .since = 25,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"Q", MAAS_T_FLOATS, 'T', 0},
           {"K", MAAS_T_FLOATS, 'T', 0},
           {"V", MAAS_T_FLOATS, 'V', 0},
           {"attn_mask", MAAS_T_NUMERIC | MAAS_T_BOOL, 0, MAAS_OPTIONAL},
           {"past_key", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"past_value", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL | MAAS_NO_GRAD},
           {"nonpad_kv_seqlen", MAAS_T_I64, 0, MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_FLOATS, 'T', 0},
            {"present_key", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL},
            {"present_value", MAAS_T_FLOATS, 'V', MAAS_OPTIONAL},
            {"qk_matmul_output", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL}},
    .attrs = {MAAS_ATTENTION_ATTRS},
    .infer = infer_attention,
    .compute = compute_attention,
    .batch = maas_batch_attention,
    .cost = cost_attention,
    .grad = grad_attention,
};
