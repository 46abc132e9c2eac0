/*
 * block_layout.c - decides which edges between convolutions hold their channels in blocks of 16 (kernel/block.h).
 *
 * An edge is blocked when what makes it and all that read it can do with blocks: maas.BlockConv, which copies where
 * only one side is blocked; pools, which are replaced by theirs; element-wise operators and Concat, which compute
 * the same on blocks as long as all their edges are blocked.  Marks start at "blocked" wherever that is possible
 * and are taken back until nothing changes.
 */
#include <string.h>

#include "../op/conv_block.h"
#include "pass.h"

enum { MOST_POOL = 32 }; /* a window's size along an axis: a row of outputs is computed without a pause */

typedef enum Kind {
    KIND_OTHER,      /* reads and writes plain edges */
    KIND_CONV,       /* any combination */
    KIND_LINKED,     /* all edges blocked, or none */
    KIND_POOL,       /* the same, replaced by a pool of blocks */
    KIND_GLOBAL_POOL /* reads either, writes a plain edge */
} Kind;

bool maas_pass_is_block_conv(const MaasPass *p, int k)
{
    const MaasOp *op = p->graph->nodes[k].op;

    return !p->dead[k] && op->domain && strcmp(op->domain, "maas") == 0 && strcmp(op->name, "BlockConv") == 0;
}

static bool may_block(const MaasPass *p, int edge)
{
    const MaasInfo *info = maas_pass_info(p, edge);

    return p->graph->edges[edge].role == MAAS_ROLE_NODE && !maas_pass_is_held(p, edge) &&
           info->kind == MAAS_KIND_TENSOR && info->type == MAAS_FLOAT && info->rank == 4 && info->dims[1] > 0;
}

static bool is_one_of(const MaasPass *p, int k, const char *const *names)
{
    for (; *names; names++)
        if (maas_pass_is(p, k, *names))
            return true;
    return false;
}

static bool no_pads(const MaasNode *node)
{
    const MaasAttr *pads = maas_pass_attr(node, "pads"), *mode = maas_pass_attr(node, "auto_pad");

    for (int64_t i = 0; i < pads->n; i++)
        if (pads->ints[i] != 0)
            return false;
    return mode->s.length == 6 && memcmp(mode->s.data, "NOTSET", 6) == 0;
}

static bool is_pool(const MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];
    const MaasAttr *shape;
    const bool average = maas_pass_is(p, k, "AveragePool");

    if (!average && !maas_pass_is(p, k, "MaxPool"))
        return false;
    shape = maas_pass_attr(node, "kernel_shape");
    if (maas_pass_attr(node, "ceil_mode")->i || (node->n_out > 1 && node->out[1] != MAAS_NO_VALUE))
        return false;
    for (int64_t i = 0; i < shape->n; i++)
        if (shape->ints[i] > MOST_POOL)
            return false;
    return !average || !maas_pass_attr(node, "count_include_pad")->i || no_pads(node);
}

/* A Concat of channels that fill whole blocks. */
static bool is_channel_concat(const MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];
    int64_t axis;

    if (!maas_pass_is(p, k, "Concat"))
        return false;
    axis = maas_pass_attr(node, "axis")->i;
    if (axis != 1 && axis != -3)
        return false;
    for (int i = 0; i < node->n_in; i++)
        if (maas_pass_info(p, node->in[i])->rank != 4 || maas_pass_info(p, node->in[i])->dims[1] % MAAS_BLOCK != 0)
            return false;
    return true;
}

/* Whether the operands of node k have the same channels.  Sizes may still broadcast along the other axes, which
 * blocks keep as they are. */
static bool same_channels(const MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];
    const MaasInfo *x = maas_pass_info(p, node->in[0]), *y = maas_pass_info(p, node->in[1]);
    const MaasAttr *axis = maas_pass_attr(node, "maas_axis"); /* of old opsets: another way to broadcast */

    return x->rank == 4 && y->rank == 4 && x->dims[1] == y->dims[1] && !(axis && axis->set);
}

static Kind kind_of(const MaasPass *p, int k)
{
    static const char *const unary[] = {"Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Swish",
                                        "Tanh", "Elu",  "Softplus",  "Mish",    "Identity",    "Gelu",      NULL};
    static const char *const binary[] = {"Add", "Sub", "Mul", NULL};

    if (maas_pass_is_block_conv(p, k))
        return KIND_CONV;
    if (maas_pass_is(p, k, "GlobalAveragePool"))
        return KIND_GLOBAL_POOL;
    if (is_pool(p, k))
        return KIND_POOL;
    if (is_one_of(p, k, unary) || is_channel_concat(p, k))
        return KIND_LINKED;
    if (is_one_of(p, k, binary) && same_channels(p, k))
        return KIND_LINKED;
    return KIND_OTHER;
}

/* The edges of a node whose layout is one: data in, data out.  Bounds of Clip are no data. */
static int linked_inputs(const MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];

    return maas_pass_is(p, k, "Clip") ? 1 : node->n_in;
}

/* Takes the mark off where node k cannot have it; whether anything changed. */
static bool restrict_node(const MaasPass *p, int k, Kind kind, uint8_t *blocked)
{
    const MaasNode *node = &p->graph->nodes[k];
    bool all = true, changed = false;
    int n = linked_inputs(p, k);

    if (kind == KIND_CONV)
        return false;
    if (kind == KIND_LINKED || kind == KIND_POOL) {
        for (int i = 0; i < n; i++)
            all &= blocked[node->in[i]];
        all &= blocked[node->out[0]];
        if (all)
            return false;
    }
    for (int i = 0; i < node->n_in; i++)
        if (node->in[i] != MAAS_NO_VALUE && kind != KIND_GLOBAL_POOL && blocked[node->in[i]]) {
            blocked[node->in[i]] = 0;
            changed = true;
        }
    for (int i = 0; i < node->n_out; i++)
        if (node->out[i] != MAAS_NO_VALUE && blocked[node->out[i]]) {
            blocked[node->out[i]] = 0;
            changed = true;
        }
    return changed;
}

static MaasStatus choose(MaasPass *p, uint8_t *blocked)
{
    const MaasGraph *graph = p->graph;
    bool changed = true;

    for (int e = 0; e < graph->n_edges; e++)
        blocked[e] = may_block(p, e);
    while (changed) {
        changed = false;
        MAAS_TRY(maas_pass_check_stop(p));
        for (int k = 0; k < graph->n_nodes; k++)
            if (!p->dead[k])
                changed |= restrict_node(p, k, kind_of(p, k), blocked);
        for (int k = graph->n_nodes - 1; k >= 0; k--)
            if (!p->dead[k])
                changed |= restrict_node(p, k, kind_of(p, k), blocked);
    }
    return MAAS_OK;
}

static MaasStatus use_block_pool(MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];
    const MaasAttr *attrs = node->attrs;
    int in = node->in[0], out = node->out[0];
    MaasNode *made;

    MAAS_TRY(maas_pass_replace(p, k, maas_pass_is(p, k, "MaxPool") ? "BlockMaxPool" : "BlockAveragePool", k, 1, &in,
                               1, &out, &made));
    memcpy(made->attrs, attrs, sizeof *attrs * MAAS_WINDOW_N_SPECS);
    return MAAS_OK;
}

static MaasStatus use_block_global_pool(MaasPass *p, int k)
{
    const MaasNode *node = &p->graph->nodes[k];
    int in = node->in[0], out = node->out[0];
    MaasNode *made;

    MAAS_TRY(maas_pass_replace(p, k, "BlockGlobalAveragePool", k, 1, &in, 1, &out, &made));
    made->attrs[0].i = maas_pass_info(p, in)->dims[1];
    return MAAS_OK;
}

static MaasStatus apply_to(MaasPass *p, int k, const uint8_t *blocked)
{
    MaasNode *node = &p->graph->nodes[k];

    switch (kind_of(p, k)) {
    case KIND_CONV:
        node->attrs[MAAS_BLOCK_CONV_X_PLAIN].i = !blocked[node->in[0]];
        node->attrs[MAAS_BLOCK_CONV_Y_PLAIN].i = !blocked[node->out[0]];
        return MAAS_OK;
    case KIND_POOL:
        return blocked[node->in[0]] ? use_block_pool(p, k) : MAAS_OK;
    case KIND_GLOBAL_POOL:
        return blocked[node->in[0]] ? use_block_global_pool(p, k) : MAAS_OK;
    case KIND_LINKED:
        if (blocked[node->in[0]] && maas_pass_is(p, k, "Concat"))
            maas_pass_attr(node, "axis")->i = 1;
        return MAAS_OK;
    default:
        return MAAS_OK;
    }
}

static MaasStatus apply(MaasPass *p, const uint8_t *blocked)
{
    for (int k = 0; k < p->graph->n_nodes; k++)
        if (!p->dead[k])
            MAAS_TRY(apply_to(p, k, blocked));
    for (int e = 0; e < p->graph->n_edges; e++) {
        MaasInfo *info = &p->graph->edges[e].info;

        if (!blocked[e])
            continue;
        info->rank = 5;
        info->dims[1] = maas_blocks(info->dims[1]);
        info->dims[4] = MAAS_BLOCK;
    }
    return MAAS_OK;
}

MaasStatus maas_block_layout(MaasPass *p)
{
    uint8_t *blocked = maas_zalloc(p->mem, (size_t)p->graph->n_edges + 1, p->err);
    MaasStatus status;

    if (!blocked)
        return p->err->status;
    status = choose(p, blocked);
    if (status == MAAS_OK)
        status = apply(p, blocked);
    maas_free(p->mem, blocked);
    return status;
}
