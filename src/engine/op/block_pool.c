/*
 * block_pool.c - the pools of planes whose channels are blocked by 16 (kernel/block.h): maas.BlockMaxPool,
 * maas.BlockAveragePool, and maas.BlockGlobalAveragePool, which gives a plain (N, C, 1, 1).
 *
 * transform/block.c puts them into the place of the plain ones.  Averages are over what lies inside the input.
 */
#include "../kernel/kernel.h"
#include "conv_block.h"
#include "expect.h"

static MaasStatus infer_block_pool(MaasInferCtx *c)
{
    MaasWindowAttrs attrs = maas_window_attrs(c->attr);
    const MaasInfo *x = c->in[0];
    int64_t dims[5];
    MaasWindow w;

    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_FLOAT, -1, NULL);
    MAAS_TRY(maas_expect_rank_in(c, 0, 5, 5));
    MAAS_TRY(maas_window_infer(c, &attrs, 2, x->dims + 2, NULL, &w));
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    dims[2] = w.out[0];
    dims[3] = w.out[1];
    dims[4] = MAAS_BLOCK;
    return maas_infer_out(c, 0, MAAS_FLOAT, 5, dims);
}

static double cost_block_pool(const MaasInferCtx *c)
{
    double cost = maas_cost_out(c);

    for (int i = 0; i < c->attr[1].n; i++)
        cost *= (double)c->attr[1].ints[i];
    return cost;
}

typedef struct Pool {
    MaasCtx *c;
    MaasWindow w;
    void (*row)(const MaasWindow *w, const float *x, int64_t row, float *y);
} Pool;

static void pool_rows(void *arg, int64_t from, int64_t to)
{
    const Pool *p = arg;
    const int64_t height = p->w.out[0], line = p->w.out[1] * MAAS_BLOCK,
                  plane = maas_window_inputs(&p->w) * MAAS_BLOCK;
    const float *x = MAAS_F32(maas_in(p->c, 0));
    float *y = MAAS_F32(maas_out(p->c, 0));

    for (int64_t i = from; i < to && !maas_stop(p->c); i++)
        p->row(&p->w, x + i / height * plane, i % height, y + i * line);
}

static MaasStatus compute_block_pool(MaasCtx *c,
                                     void (*row)(const MaasWindow *w, const float *x, int64_t row, float *y))
{
    const MaasTensor *x = maas_in(c, 0), *y = maas_out(c, 0);
    const MaasWindowAttrs attrs = maas_window_attrs(c->attr);
    Pool p = {.c = c, .row = row};

    if (y->count == 0)
        return MAAS_OK;
    maas_window_plan(&attrs, 2, x->dims + 2, NULL, &p.w);
    return maas_parallel(c, y->count / (p.w.out[1] * MAAS_BLOCK), 1, pool_rows, &p);
}

static MaasStatus compute_block_max_pool(MaasCtx *c)
{
    return compute_block_pool(c, maas_kernel->block_max_pool_f32);
}

static MaasStatus compute_block_average_pool(MaasCtx *c)
{
    return compute_block_pool(c, maas_kernel->block_average_pool_f32);
}

#define BLOCK_POOL(id, NAME)                                                                                       \
    const MaasOp maas_op_block_##id = {                                                                            \
        .domain = "maas",                                                                                          \
        .name = NAME,                                                                                              \
        .first = 1,                                                                                                \
        .since = 1,                                                                                                \
        .in = {{"X", MAAS_T(MAAS_FLOAT), 0, 0}},                                                                   \
        .out = {{"Y", MAAS_T(MAAS_FLOAT), 0, 0}},                                                                  \
        .attrs = {MAAS_WINDOW_SPECS},                                                                              \
        .infer = infer_block_pool,                                                                                 \
        .compute = compute_block_##id,                                                                             \
        .cost = cost_block_pool,                                                                                   \
    };

BLOCK_POOL(max_pool, "BlockMaxPool")
BLOCK_POOL(average_pool, "BlockAveragePool")

/* ---- global ---- */

static MaasStatus infer_block_global(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    int64_t dims[4] = {0, c->attr[0].i, 1, 1};

    if (x->rank < 0)
        return maas_infer_out(c, 0, MAAS_FLOAT, -1, NULL);
    MAAS_TRY(maas_expect_rank_in(c, 0, 5, 5));
    dims[0] = x->dims[0];
    for (int i = 2; i < 4; i++)
        if (x->dims[i] == 0)
            return maas_infer_fail(c, MAAS_ERR_SHAPE, "spatial axis %d is empty", i - 2);
    return maas_infer_out(c, 0, MAAS_FLOAT, 4, dims);
}

static MaasStatus compute_block_global(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0);
    const int64_t channels = c->attr[0].i, blocks = maas_blocks(channels), plane = x->dims[2] * x->dims[3];
    float *y = MAAS_F32(maas_out(c, 0)), mean[MAAS_BLOCK];

    for (int64_t i = 0; i < x->dims[0] * blocks; i++) {
        const int64_t first = i % blocks * MAAS_BLOCK;

        if (maas_stop(c))
            return maas_stopped(c);
        maas_kernel->block_mean_f32(MAAS_F32(x) + i * plane * MAAS_BLOCK, plane, mean);
        for (int64_t k = 0; k < MAAS_BLOCK && first + k < channels; k++)
            y[i / blocks * channels + first + k] = mean[k];
    }
    return MAAS_OK;
}

const MaasOp maas_op_block_global_average_pool = {
    .domain = "maas",
    .name = "BlockGlobalAveragePool",
    .first = 1,
    .since = 1,
    .in = {{"X", MAAS_T(MAAS_FLOAT), 0, 0}},
    .out = {{"Y", MAAS_T(MAAS_FLOAT), 0, 0}},
    .attrs = {{"channels", MAAS_ATTR_INT}},
    .infer = infer_block_global,
    .compute = compute_block_global,
};
