/*
 * fused_attention.c - FusedAttention (internal): softmax(scale * Q K + mask) V in float32, in place of MatMul, Div
 * or Mul, Where, Add, Softmax, MatMul and the transposes around them.  attend.c computes it.
 */
#include <string.h>

#include "attend.h"
#include "broadcast.h"
#include "dims.h"
#include "fused_attention.h"

enum { FA_SCALE, FA_Q, FA_K, FA_V, FA_Y, FA_ZERO_NAN, FA_HIDE_WHEN, FA_HIDDEN };
enum { IN_Q, IN_K, IN_V, IN_MASK, IN_HIDE };

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

/* The scores' sizes, which a mask may enlarge. */
static MaasStatus spread_mask(MaasInferCtx *c, int i, int rank, int64_t *full)
{
    const MaasInfo *mask = maas_present(c, i) ? c->in[i] : NULL;
    int64_t spread[4] = {1, 1, 1, 1};
    int full_rank = 4;

    if (!mask)
        return MAAS_OK;
    if (mask->rank < 0 || mask->rank > rank)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "a mask of rank %d for scores of rank %d", mask->rank, rank);
    for (int d = 0; d < mask->rank; d++)
        spread[rank == 3 && mask->rank == 3 && d == 0 ? 0 : d + 4 - mask->rank] = mask->dims[d];
    return maas_infer_broadcast_dims(c, &full_rank, full, 4, spread);
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
    MAAS_TRY(spread_mask(c, IN_HIDE, rank, full));
    MAAS_TRY(spread_mask(c, IN_MASK, rank, full));
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

/* Where the heads lie; what there is one of is repeated. */
static MaasHeadsF32 heads_of(const MaasTensor *t, int64_t layout, int64_t *s)
{
    MaasHeadsF32 h = {.data = t->data, .turned = layout == MAAS_HEADS_FIRST_TURNED};

    sizes_of(t->rank, t->dims, layout, s);
    h.head = s[1] == 1 ? 0 : layout == MAAS_ROWS_FIRST ? s[3] : s[2] * s[3];
    h.row = layout == MAAS_ROWS_FIRST ? s[1] * s[3] : h.turned ? s[2] : s[3];
    h.batch = s[0] == 1 ? 0 : s[1] * s[2] * s[3];
    return h;
}

/* The steps of a mask over the scores; of rank 3, these have no heads. */
static void steps_of(const MaasTensor *mask, int rank, int64_t *step)
{
    maas_attend_steps(mask->rank, mask->dims, step);
    if (rank == 3) {
        step[0] = step[1];
        step[1] = 0;
    }
}

static MaasStatus compute_fused_attention(MaasCtx *c)
{
    const MaasTensor *mask = maas_in(c, IN_MASK), *hide = maas_in(c, IN_HIDE);
    MaasTensor *y = maas_out(c, 0);
    int64_t q[4], k[4], v[4], out[4];
    MaasAttend a = {.q = heads_of(maas_in(c, IN_Q), c->attr[FA_Q].i, q),
                    .k = heads_of(maas_in(c, IN_K), c->attr[FA_K].i, k),
                    .v = heads_of(maas_in(c, IN_V), c->attr[FA_V].i, v),
                    .y = heads_of(y, c->attr[FA_Y].i, out),
                    .group = 1,
                    .scale = c->attr[FA_SCALE].f,
                    .left = INT64_MAX,
                    .right = INT64_MAX,
                    .seen = INT64_MAX,
                    .zero_nan = c->attr[FA_ZERO_NAN].i != 0};

    if (y->count == 0)
        return MAAS_OK;
    a.batch = out[0];
    a.heads = out[1];
    a.queries = out[2];
    a.keys = v[2];
    a.size = q[3];
    a.width = out[3];
    a.one_query = q[2] == 1;
    a.one_key = k[2] == 1;
    if (mask) {
        a.mask = mask->data;
        steps_of(mask, y->rank, a.mask_step);
    }
    if (hide) {
        a.hide = hide->data;
        a.hide_when = c->attr[FA_HIDE_WHEN].i != 0;
        a.hidden = c->attr[FA_HIDDEN].f;
        steps_of(hide, y->rank, a.hide_step);
    }
    return maas_attend(c, &a);
}

const MaasOp maas_op_fused_attention = {
    .domain = "maas",
    .name = "FusedAttention",
    .first = 1,
    .since = 1,
    .in = {{"Q", MAAS_T_FLOAT, 0, 0},
           {"K", MAAS_T_FLOAT, 0, 0},
           {"V", MAAS_T_FLOAT, 0, 0},
           {"mask", MAAS_T_FLOAT, 0, MAAS_OPTIONAL},
           {"hide", MAAS_T(MAAS_BOOL), 0, MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {[FA_SCALE] = {"scale", MAAS_ATTR_FLOAT, .f = 1},
              [FA_Q] = {"q_layout", MAAS_ATTR_INT},
              [FA_K] = {"k_layout", MAAS_ATTR_INT},
              [FA_V] = {"v_layout", MAAS_ATTR_INT},
              [FA_Y] = {"y_layout", MAAS_ATTR_INT},
              [FA_ZERO_NAN] = {"zero_nan", MAAS_ATTR_INT}, /* NaN among the probabilities counts as 0 */
              [FA_HIDE_WHEN] = {"hide_when", MAAS_ATTR_INT},
              [FA_HIDDEN] = {"hidden", MAAS_ATTR_FLOAT}}, /* the score where `hide` is `hide_when` */
    .infer = infer_fused_attention,
    .compute = compute_fused_attention,
    .cost = cost_fused_attention,
};
