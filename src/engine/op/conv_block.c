/*
 * conv_block.c - maas.BlockConv: a convolution with constant filters, bias, residual and activation in one, on
 * planes whose channels are blocked by 16.
 *
 * X (N, C, H, W) or blocked (N, C/16, H, W, 16), W (M, C / group, kH, kW), B (M), R like a blocked Y, which is
 * added before the activation.  transform/block.c makes these nodes and decides which edges are blocked.
 */
#include "conv_block.h"
#include "expect.h"

static MaasStatus infer_block_conv(MaasInferCtx *c)
{
    MaasWindowAttrs attrs = maas_window_attrs(c->attr);
    const MaasInfo *x = c->in[0], *w = c->in[1];
    bool x_plain = c->attr[MAAS_BLOCK_CONV_X_PLAIN].i, y_plain = c->attr[MAAS_BLOCK_CONV_Y_PLAIN].i;
    int64_t channels = w->dims[1] * c->attr[MAAS_BLOCK_CONV_GROUP].i, dims[5];
    MaasWindow window;

    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_FLOAT, -1, NULL);
    MAAS_TRY(maas_expect_rank_in(c, 0, x_plain ? 4 : 5, x_plain ? 4 : 5));
    if (x_plain && x->dims[1] >= 0 && x->dims[1] != channels)
        return maas_infer_fail(
            c, MAAS_ERR_SHAPE, "the input has %lld channels, the filters expect %lld in each of %lld groups",
            (long long)x->dims[1], (long long)w->dims[1], (long long)c->attr[MAAS_BLOCK_CONV_GROUP].i);
    MAAS_TRY(maas_window_infer(c, &attrs, 2, x->dims + 2, w->dims + 2, &window));
    dims[0] = x->dims[0];
    dims[1] = y_plain ? w->dims[0] : maas_blocks(w->dims[0]);
    dims[2] = window.out[0];
    dims[3] = window.out[1];
    dims[4] = MAAS_BLOCK;
    if (maas_present(c, 3))
        MAAS_TRY(maas_expect_shape(c, 3, 5, dims));
    return maas_infer_out(c, 0, MAAS_FLOAT, y_plain ? 4 : 5, dims);
}

static double cost_block_conv(const MaasInferCtx *c)
{
    double cost = 2 * maas_cost_out(c);

    for (int i = 1; i < 4; i++)
        cost *= maas_dim_cost(c->in[1]->dims[i]);
    return cost;
}

const MaasOp maas_op_block_conv = {
    .domain = "maas",
    .name = "BlockConv",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_STATE,
    .in = {{"X", MAAS_T(MAAS_FLOAT), 0, 0},
           {"W", MAAS_T(MAAS_FLOAT), 0, 0},
           {"B", MAAS_T(MAAS_FLOAT), 0, MAAS_OPTIONAL},
           {"R", MAAS_T(MAAS_FLOAT), 0, MAAS_OPTIONAL}},
    .out = {{"Y", MAAS_T(MAAS_FLOAT), 0, 0}},
    .attrs = {MAAS_WINDOW_SPECS,
              {"group", MAAS_ATTR_INT, .i = 1},
              {"activation", MAAS_ATTR_INT},
              {"p0", MAAS_ATTR_FLOAT},
              {"p1", MAAS_ATTR_FLOAT},
              {"x_plain", MAAS_ATTR_INT},
              {"y_plain", MAAS_ATTR_INT}},
    .infer = infer_block_conv,
    .prepare = maas_block_conv_pack,
    .compute = maas_block_conv_run,
    .cost = cost_block_conv,
};
