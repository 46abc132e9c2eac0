/*
 * batch_math.c - where operators that compute over axes leave the batch axis.
 */
#include "batch.h"

/* ---- products ---- */

/* A (.., M, K) times B (.., K, N): rows may be rows or batches of A, columns or batches of B. */
static const char *product(MaasBatchCtx *c, int a, int b)
{
    int rank_a = c->in[a]->rank, rank_b = c->in[b]->rank, rank = c->out[0] ? c->out[0]->rank : -1, at = -1;
    const MaasBatch *found = NULL;

    if (rank_a < 1 || rank_b < 1 || rank < 0)
        return "the rank of an input is not known";
    for (int i = 0; i < 2; i++) {
        int k = i == 0 ? a : b, rank_k = c->in[k]->rank, other = c->in[i == 0 ? b : a]->rank, here;
        const MaasBatch *x = c->batch[k];

        if (x->kind == MAAS_BATCH_FREE)
            continue;
        if (x->kind != MAAS_BATCH_ROWS || x->pad)
            return "it computes with the number of rows";
        if (x->axis == (i == 0 || rank_k == 1 ? rank_k - 1 : rank_k - 2))
            return "it sums over the batch axis";
        if (rank_k >= 2 && x->axis < rank_k - 2) /* a batch of matrices: batches are aligned on the right */
            here = (rank_a > rank_b ? rank_a : rank_b) - rank_k + x->axis;
        else if (i == 0) /* a row of A */
            here = rank - 1 - (other >= 2);
        else /* a column of B */
            here = rank - 1;
        if (found && (here != at || x->outer != found->outer || x->inner != found->inner))
            return "its operands have the rows on different axes";
        found = x;
        at = here;
    }
    /* an operand without the rows stands beside a batch of matrices with size 1 or not at all */
    for (int i = 0; i < 2; i++) {
        int k = i == 0 ? a : b, rank_k = c->in[k]->rank, here = at - ((rank_a > rank_b ? rank_a : rank_b) - rank_k);

        if (c->batch[k]->kind == MAAS_BATCH_FREE && at < (rank_a > rank_b ? rank_a : rank_b) - 2 && here >= 0 &&
            c->in[k]->dims[here] != 1)
            return "one operand has something else in the place of the batch axis";
    }
    maas_batch_set_rows(c, 0, at, found);
    return NULL;
}

/* Whether a scale or zero point is one number for all. */
static bool one_number(const MaasBatchCtx *c, int i)
{
    if (!maas_batch_has(c, i))
        return true;
    if (!maas_batch_free(c, i) || c->in[i]->rank < 0)
        return false;
    for (int d = 0; d < c->in[i]->rank; d++)
        if (c->in[i]->dims[d] != 1)
            return false;
    return true;
}

const char *maas_batch_matmul(MaasBatchCtx *c)
{
    return maas_batch_any_rows(c) ? product(c, 0, 1) : maas_batch_no_rows(c);
}

const char *maas_batch_matmul_integer(MaasBatchCtx *c)
{
    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (!maas_batch_rows(c, 0) || !maas_batch_free(c, 1) || !one_number(c, 2) || !maas_batch_free(c, 3))
        return "its zero points or its second operand depend on the batch";
    return product(c, 0, 1);
}

const char *maas_batch_qlinear_matmul(MaasBatchCtx *c)
{
    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (!maas_batch_rows(c, 0) || !one_number(c, 1) || !one_number(c, 2) || !maas_batch_free(c, 3) ||
        !maas_batch_free(c, 4) || !maas_batch_free(c, 5) || !one_number(c, 6) || !one_number(c, 7))
        return "its scales or its second operand depend on the batch";
    return product(c, 0, 3);
}

const char *maas_batch_gemm(MaasBatchCtx *c)
{
    int row_a = maas_batch_attr(c, "transA")->i != 0, column_b = maas_batch_attr(c, "transB")->i == 0;
    const MaasBatch *found;
    int at, rank_c = maas_batch_has(c, 2) ? c->in[2]->rank : 0;

    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    for (int i = 0; i < c->n_in; i++)
        if (maas_batch_has(c, i) && (c->batch[i]->kind == MAAS_BATCH_SIZE || c->batch[i]->pad))
            return "it computes with the number of rows";
    if (maas_batch_rows(c, 0) && maas_batch_rows(c, 1))
        return "both of its operands hold rows";
    if (rank_c < 0)
        return "the rank of an input is not known";
    if (maas_batch_rows(c, 0) || maas_batch_rows(c, 1)) {
        at = maas_batch_rows(c, 0) ? 0 : 1;
        found = c->batch[at];
        if (found->axis != (at == 0 ? row_a : column_b))
            return "it sums over the batch axis";
    } else {
        return "only what it adds depends on the rows";
    }
    int in_c = at - (2 - rank_c);

    if (maas_batch_rows(c, 2)) {
        if (c->batch[2]->axis != in_c || c->batch[2]->outer != found->outer || c->batch[2]->inner != found->inner)
            return "its inputs have the rows on different axes";
    } else if (in_c >= 0 && rank_c > 0 && c->in[2]->dims[in_c] != 1)
        return "it joins the rows with something that stands in the place of the batch axis";
    maas_batch_set_rows(c, 0, at, found);
    return NULL;
}

/* Every operand with rows names their axis by one letter, which the result has, too, and no other operand. */
const char *maas_batch_einsum(MaasBatchCtx *c)
{
    MaasStr equation = maas_batch_attr(c, "equation")->s;
    char letter = 0, terms[MAAS_MAX_RANK + 1][MAAS_MAX_RANK + 1];
    int n = 0, at = 0;
    bool explicit_result = false;
    const MaasBatch *found = NULL;

    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    for (size_t i = 0; i < equation.length; i++) {
        char x = equation.data[i];

        if (x == '.')
            return "its equation has an ellipsis";
        if (x == ',' || x == '>') {
            explicit_result = explicit_result || x == '>';
            terms[n][at] = 0;
            at = 0;
            if (++n > MAAS_MAX_RANK)
                return "it has too many operands";
        } else if (x != ' ' && x != '-') {
            if (at == MAAS_MAX_RANK)
                return "it has too many axes";
            terms[n][at++] = x;
        }
    }
    terms[n][at] = 0;
    if (!explicit_result || n != c->n_in)
        return "its equation does not name the result";
    for (int i = 0; i < n; i++) {
        const MaasBatch *b = c->batch[i];

        if (b->kind == MAAS_BATCH_FREE)
            continue;
        if (b->kind != MAAS_BATCH_ROWS || b->pad)
            return "it computes with the number of rows";
        if (found && (terms[i][b->axis] != letter || b->outer != found->outer || b->inner != found->inner))
            return "its operands have the rows on different axes";
        found = b;
        letter = terms[i][b->axis];
    }
    for (int i = 0; i < n; i++)
        for (int k = 0; terms[i][k]; k++)
            if (terms[i][k] == letter && !(c->batch[i]->kind == MAAS_BATCH_ROWS && k == c->batch[i]->axis))
                return "one operand has something else in the place of the batch axis";
    for (int k = 0; terms[n][k]; k++)
        if (terms[n][k] == letter) {
            maas_batch_set_rows(c, 0, k, found);
            return NULL;
        }
    return "it sums over the batch axis";
}

/* ---- over axes ---- */

const char *maas_batch_reduce(MaasBatchCtx *c)
{
    const MaasBatch *b = c->batch[0];
    int64_t axes[MAAS_MAX_SIZES];
    int n = 0, rank = c->in[0]->rank, below = 0;
    bool keep = maas_batch_attr(c, "keepdims")->i != 0;

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (b->pad)
        return "its input is padded to the longest row of the batch";
    if (maas_batch_has(c, 1) && !maas_batch_content(c, 1, &n, axes))
        return "the axes that it works along are not known";
    if (n == 0) {
        if (maas_batch_attr(c, "noop_with_empty_axes")->i == 0)
            return "it works along all axes";
        maas_batch_set_rows(c, 0, b->axis, b);
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        if (!maas_size_is_number(axes[i]))
            return "the axes that it works along are not known";
        int axis = maas_axis(axes[i], rank);

        if (axis == b->axis)
            return "it works along the batch axis";
        below += axis < b->axis;
    }
    maas_batch_set_rows(c, 0, keep ? b->axis : b->axis - below, b);
    return NULL;
}

const char *maas_batch_arg(MaasBatchCtx *c)
{
    const MaasBatch *b = c->batch[0];
    int axis = maas_batch_axis_attr(c, "axis", c->in[0]->rank);
    const char *mixed = maas_batch_outside(c, (uint32_t)1 << axis);

    if (!mixed && maas_batch_rows(c, 0) && maas_batch_attr(c, "keepdims")->i == 0)
        maas_batch_set_rows(c, 0, b->axis - (axis < b->axis), b);
    return mixed;
}

const char *maas_batch_max_pool(MaasBatchCtx *c)
{
    const char *mixed = maas_batch_first(c);

    if (!mixed && maas_batch_rows(c, 0) && c->n_out > 1 && c->result[1]) /* places count through the whole batch */
        *c->result[1] = (MaasBatch){.kind = MAAS_BATCH_MIXED, .reason = "the places of its maxima count all rows"};
    return mixed;
}

const char *maas_batch_norm(MaasBatchCtx *c)
{
    if (maas_batch_attr(c, "training_mode")->i != 0)
        return "it is in training mode: means and variances are those of the batch";
    return maas_batch_first(c);
}

/* maas_matrix: the form of old opsets, along all axes from `axis` on. */
const char *maas_batch_softmax(MaasBatchCtx *c)
{
    return maas_batch_attr(c, "maas_matrix")->i != 0 ? maas_batch_from_axis(c) : maas_batch_along_axis(c);
}

/* Works from `axis` on; scale and bias are broadcast to the input, and may reach over the axes before. */
const char *maas_batch_layer_norm(MaasBatchCtx *c)
{
    for (int i = 1; i < c->n_in && maas_batch_rows(c, 0); i++) {
        if (!maas_batch_has(c, i))
            continue;
        int here = c->batch[0]->axis - (c->in[0]->rank - c->in[i]->rank);

        if (c->in[i]->rank < 0 || (here >= 0 && c->in[i]->dims[here] != 1))
            return "its scale or bias has something else in the place of the batch axis";
    }
    return maas_batch_from_axis(c);
}

const char *maas_batch_lrn(MaasBatchCtx *c)
{
    return maas_batch_outside(c, 2);
}

const char *maas_batch_dropout(MaasBatchCtx *c)
{
    int64_t training[MAAS_MAX_SIZES];
    int n;

    if (maas_batch_has(c, 2) && (!maas_batch_content(c, 2, &n, training) || n != 1 || training[0] != 0))
        return "it may be in training mode";
    return maas_batch_outside(c, 0);
}

/* QuantizeLinear and DequantizeLinear: one scale, or one for each place of `axis`. */
const char *maas_batch_quantize(MaasBatchCtx *c)
{
    uint32_t axes = 0;

    if (!maas_batch_rows(c, 0))
        return maas_batch_no_rows(c);
    if (!one_number(c, 1))
        axes = maas_batch_attr(c, "block_size")->i != 0
                   ? ~(uint32_t)0
                   : (uint32_t)1 << maas_batch_axis_attr(c, "axis", c->in[0]->rank);
    return maas_batch_outside(c, axes);
}

/* ---- networks ---- */

const char *maas_batch_recurrent(MaasBatchCtx *c)
{
    int layout = maas_batch_attr(c, "layout")->i != 0;
    const MaasBatch *x = c->batch[0];

    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (!maas_batch_rows(c, 0) || x->axis != (layout ? 0 : 1) || x->pad)
        return "the rows are not its batch: their axis is another";
    for (int i = 1; i < c->n_in; i++) {
        bool lengths = i == 4, state = i == 5 || i == 6;

        if (!maas_batch_has(c, i))
            continue;
        if (!lengths && !state) {
            if (!maas_batch_free(c, i))
                return "its weights depend on the batch";
        } else if (!maas_batch_rows(c, i) || c->batch[i]->axis != (lengths || layout ? 0 : 1) ||
                   c->batch[i]->outer != x->outer || c->batch[i]->inner != x->inner || c->batch[i]->pad)
            return "its lengths or first states are not those of the rows";
    }
    maas_batch_set_rows(c, 0, layout ? 0 : 2, x);
    for (int o = 1; o < c->n_out; o++)
        maas_batch_set_rows(c, o, layout ? 0 : 1, x);
    return NULL;
}

/* Inputs of the bit mask `mask` hold the rows on axis 0, those that are given; all others are free. */
static const char *pairs(MaasBatchCtx *c, uint32_t mask)
{
    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    for (int i = 0; i < c->n_in; i++) {
        if (!maas_batch_has(c, i))
            continue;
        if (mask >> i & 1) {
            if (!maas_batch_rows(c, i) || c->batch[i]->axis != 0 || c->batch[i]->pad ||
                !maas_batch_same(c->batch[i], c->batch[0]))
                return "not all of its inputs hold the rows in front";
        } else if (!maas_batch_free(c, i))
            return "its weights depend on the batch";
    }
    for (int o = 0; o < c->n_out; o++)
        maas_batch_set_rows(c, o, 0, c->batch[0]);
    return NULL;
}

const char *maas_batch_pairs(MaasBatchCtx *c)
{
    return pairs(c, ~(uint32_t)0);
}

/* X, cosines, sines, positions: the first two tables are of all positions, or the rows' own when no positions come.
 */
const char *maas_batch_rotary(MaasBatchCtx *c)
{
    return pairs(c, maas_batch_has(c, 3) ? 1 << 0 | 1 << 3 : 1 << 0 | 1 << 1 | 1 << 2);
}

const char *maas_batch_deform_conv(MaasBatchCtx *c)
{
    return pairs(c, 1 << 0 | 1 << 2 | 1 << 4);
}

/* Q, K, V, mask, past K, past V, lengths; the mask is (N or 1, heads, L, S), or has no batch axis. */
const char *maas_batch_attention(MaasBatchCtx *c)
{
    uint32_t mask = ~(uint32_t)(1 << 3);

    if (maas_batch_rows(c, 3)) {
        if (c->in[3]->rank != 4)
            return "its mask has no batch axis";
        mask = ~(uint32_t)0;
    } else if (maas_batch_has(c, 3) && (c->in[3]->rank < 0 || (c->in[3]->rank == 4 && c->in[3]->dims[0] != 1)))
        return "its mask has something else in the place of the batch axis";
    return pairs(c, mask);
}

/* Vectors are single rows to it. */
const char *maas_batch_feature_vectorizer(MaasBatchCtx *c)
{
    for (int i = 0; i < c->n_in; i++)
        if (maas_batch_rows(c, i) && c->in[i]->rank != 2)
            return "it takes a vector for one row";
    return pairs(c, ~(uint32_t)0);
}
