/*
 * linear.c - the internal operator Linear: a product with a constant matrix and what follows it.
 *
 * transform/fuse_linear.c makes it of MatMul and Gemm.  The matrix is packed once; its constant is given up then.
 */
#include "../kernel/kernel.h"
#include "broadcast.h"
#include "expect.h"
#include "product.h"

enum { IN_X, IN_W, IN_BIAS, IN_ADDED };
enum { AT_TRANS_B, AT_RANK_2, AT_ALPHA, AT_LOW, AT_HIGH, AT_ACT, AT_P0, AT_P1 };

/* The state: this, and the packed matrix from the next multiple of 64 bytes on. */
typedef struct State {
    int64_t k, n;
    char pad[48];
} State;

_Static_assert(sizeof(State) == 64, "the packed matrix is aligned");

/* Output 0 without what is added: X's shape but for the last dimension. */
static MaasStatus infer_product(const MaasInferCtx *c, int *rank, int64_t *dims)
{
    const MaasInfo *x = c->in[IN_X], *w = c->in[IN_W];
    bool tb = c->attr[AT_TRANS_B].i != 0;
    int64_t k = w->dims[tb], n = w->dims[!tb];

    if (c->attr[AT_RANK_2].i)
        MAAS_TRY(maas_infer_want_rank(c, IN_X, 2));
    MAAS_TRY(maas_expect_rank_in(c, IN_X, 1, MAAS_MAX_RANK));
    *rank = x->rank;
    if (x->rank < 0)
        return MAAS_OK;
    if (x->dims[x->rank - 1] >= 0 && x->dims[x->rank - 1] != k)
        return maas_infer_fail(
            c, MAAS_ERR_SHAPE,
            "the inner dimensions must be equal: the left matrix has %lld columns, the right %lld rows",
            (long long)x->dims[x->rank - 1], (long long)k);
    for (int d = 0; d < x->rank - 1; d++)
        dims[d] = x->dims[d];
    dims[x->rank - 1] = n;
    return MAAS_OK;
}

static MaasStatus infer_linear(MaasInferCtx *c)
{
    int64_t dims[MAAS_MAX_RANK];
    int rank;

    MAAS_TRY(infer_product(c, &rank, dims));
    if (c->n_in > IN_ADDED && c->in[IN_ADDED]) {
        if (rank < 0 || c->in[IN_ADDED]->rank < 0)
            rank = -1;
        else
            MAAS_TRY(maas_infer_broadcast_dims(c, &rank, dims, c->in[IN_ADDED]->rank, c->in[IN_ADDED]->dims));
    }
    return maas_infer_out(c, 0, MAAS_FLOAT, rank, dims);
}

static double cost_linear(const MaasInferCtx *c)
{
    return 2 * maas_cost_out(c) * (double)c->in[IN_W]->dims[c->attr[AT_TRANS_B].i != 0];
}

static MaasStatus prepare_linear(MaasCtx *c)
{
    const MaasTensor *w = maas_in(c, IN_W);
    bool tb = c->attr[AT_TRANS_B].i != 0;
    int64_t k = w->dims[tb], n = w->dims[!tb], count;

    if (!maas_packed_count(k, n, &count))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the matrix is too large");
    State *state = maas_state(c, sizeof *state + (size_t)count * sizeof(float));

    if (!state)
        return c->err->status;
    state->k = k;
    state->n = n;
    int64_t columns = MAAS_PANEL * (1 + (1 << 22) / (k + 1) / MAAS_PANEL); /* between two looks at the stop flag */

    for (int64_t j = 0; j < n; j += columns) {
        if (maas_stop(c))
            return maas_stopped(c);
        maas_kernel->linear_pack_f32(tb, k, n, w->data, w->dims[1], (float *)(state + 1), j,
                                     n - j < columns ? n : j + columns);
    }
    maas_forget(c, IN_W);
    return MAAS_OK;
}

static bool same_dims(const MaasTensor *a, const MaasTensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->dims[d] != b->dims[d])
            return false;
    return true;
}

/* What is added repeats, or is larger than the product: one step after the other. */
static MaasStatus compute_broadcast(MaasCtx *c, MaasLinear *l, MaasUnary act)
{
    const MaasTensor *x = maas_in(c, IN_X), *added = maas_in(c, IN_ADDED);
    MaasTensor *y = maas_out(c, 0), product = *x;
    float low = l->low, high = l->high;

    product.dims[x->rank - 1] = l->n;
    product.count = l->m * l->n;
    product.data = maas_scratch(c, (size_t)product.count, sizeof(float));
    if (!product.data)
        return maas_scratch_failed(c);
    l->c = product.data;
    l->low = -INFINITY;
    l->high = INFINITY;
    l->act = NULL;
    MAAS_TRY(maas_linear(c, l));
    MAAS_TRY(maas_binary(c, MAAS_BIN_ADD, &product, added, y));
    maas_kernel->clip(MAAS_FLOAT)(y->data, y->data, y->count, &low, &high);
    return act < MAAS_N_UNARY ? maas_unary(c, act, y, y, l->p[0], l->p[1]) : MAAS_OK;
}

static MaasStatus compute_linear(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, IN_X), *bias = maas_in(c, IN_BIAS), *added = maas_in(c, IN_ADDED);
    const State *state = c->state;
    MaasTensor *y = maas_out(c, 0);
    int64_t m = 1;

    if (y->count == 0)
        return MAAS_OK;
    for (int d = 0; d < x->rank - 1; d++)
        m *= x->dims[d];
    MaasLinear l = maas_linear_of(m, state->n, state->k, x->data, (const float *)(state + 1), y->data);
    MaasUnary act = c->attr[AT_ACT].i < 0 ? MAAS_N_UNARY : (MaasUnary)c->attr[AT_ACT].i;

    l.alpha = c->attr[AT_ALPHA].f;
    l.bias = bias ? MAAS_F32(bias) : NULL;
    l.low = c->attr[AT_LOW].f;
    l.high = c->attr[AT_HIGH].f;
    l.p[0] = c->attr[AT_P0].f;
    l.p[1] = c->attr[AT_P1].f;
    l.act = act < MAAS_N_UNARY ? maas_kernel->unary(act, MAAS_FLOAT) : NULL;
    if (added) {
        if (!same_dims(added, y) || y->count != m * l.n)
            return compute_broadcast(c, &l, act);
        l.residual = MAAS_F32(added);
        l.ldr = l.n;
    }
    return maas_linear(c, &l);
}

const MaasOp maas_op_linear = {
    .domain = "maas",
    .name = "Linear",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_STATE,
    .in = {{"X", MAAS_T(MAAS_FLOAT), 0, 0},
           {"W", MAAS_T(MAAS_FLOAT), 0, 0},
           {"bias", MAAS_T(MAAS_FLOAT), 0, MAAS_OPTIONAL},
           {"added", MAAS_T(MAAS_FLOAT), 0, MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T(MAAS_FLOAT), 0, 0}},
    .attrs = {{"transB", MAAS_ATTR_INT},
              {"rank_2", MAAS_ATTR_INT}, /* X must be a matrix */
              {"alpha", MAAS_ATTR_FLOAT, .f = 1},
              {"low", MAAS_ATTR_FLOAT, .f = -INFINITY},
              {"high", MAAS_ATTR_FLOAT, .f = INFINITY},
              {"act", MAAS_ATTR_INT, .i = -1}, /* a MaasUnary */
              {"p0", MAAS_ATTR_FLOAT},
              {"p1", MAAS_ATTR_FLOAT}},
    .infer = infer_linear,
    .prepare = prepare_linear,
    .compute = compute_linear,
    .cost = cost_linear,
};
