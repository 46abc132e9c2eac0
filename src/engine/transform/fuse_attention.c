/*
 * fuse_attention.c - MatMul, Softmax, MatMul becomes FusedAttention, together with the scale and the mask between
 * them and the transposes that put the heads in front and back.
 *
 *   Transpose(MatMul(Softmax(MatMul(Q, K) / scale + mask), V))
 *
 * Q, K and V may be scaled by numbers and transposed before, as PyTorch writes it.
 */
#include <string.h>

#include "../op/fused_attention.h"
#include "pass.h"

typedef struct Match {
    int q, k, v, mask, out, end;
    int layout[4]; /* of Q, K, V and the result */
    double scale;
    int nodes[16], n; /* that go */
} Match;

/* The node of this operator that makes an edge which nobody else reads; else -1. */
static int maker(const MaasPass *p, int edge, const char *op)
{
    int k = maas_pass_producer(p, edge);

    return k >= 0 && maas_pass_is(p, k, op) && maas_pass_only_reader(p, edge) >= 0 ? k : -1;
}

static int rank_of(const MaasPass *p, int edge)
{
    return maas_pass_info(p, edge)->rank;
}

/* Whether node k multiplies or divides something by a number; which, and by what it is multiplied. */
static bool is_scaled(const MaasPass *p, int k, int *what, double *factor)
{
    const MaasNode *node = &p->graph->nodes[k];
    bool div = maas_pass_is(p, k, "Div");

    for (int i = div ? 1 : 0; i < 2; i++)
        if (maas_pass_scalar(p, node->in[i], factor) &&
            maas_pass_constant(p, node->in[i])->rank <= rank_of(p, node->in[1 - i])) {
            *what = node->in[1 - i];
            if (div)
                *factor = 1 / *factor;
            return *factor != 0 && *factor == *factor && *factor - *factor == 0;
        }
    return false;
}

/* From an edge that nobody else reads back over a scale, which m takes. */
static bool pass_scale(const MaasPass *p, int *edge, Match *m)
{
    int k = maker(p, *edge, "Mul"), what;
    double factor;

    if (k < 0)
        k = maker(p, *edge, "Div");
    if (k < 0 || m->n == (int)(sizeof m->nodes / sizeof *m->nodes) || !is_scaled(p, k, &what, &factor))
        return false;
    m->nodes[m->n++] = k;
    m->scale *= factor;
    *edge = what;
    return true;
}

static bool is_perm(const MaasNode *node, int rank, const int *want)
{
    const MaasAttr *perm = maas_pass_attr(node, "perm");

    if (perm->n != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (perm->ints[i] != want[i])
            return false;
    return true;
}

/* From an edge back over a transpose that only changes where heads, rows and columns lie. */
static bool pass_transpose(const MaasPass *p, int *edge, int *layout, Match *m)
{
    static const int swap_heads[] = {0, 2, 1, 3}, turn[] = {0, 1, 3, 2}, both[] = {0, 2, 3, 1},
                     turn_3[] = {0, 2, 1};
    int k = maas_pass_producer(p, *edge), rank = rank_of(p, *edge), next = -1;

    if (k < 0 || !maas_pass_is(p, k, "Transpose") || m->n == (int)(sizeof m->nodes / sizeof *m->nodes))
        return false;
    const MaasNode *node = &p->graph->nodes[k];

    if (*layout == MAAS_HEADS_FIRST && rank == 4 && is_perm(node, 4, swap_heads))
        next = MAAS_ROWS_FIRST;
    else if (*layout == MAAS_HEADS_FIRST_TURNED && rank == 4 && is_perm(node, 4, both))
        next = MAAS_ROWS_FIRST;
    else if (*layout == MAAS_HEADS_FIRST_TURNED &&
             (rank == 4 ? is_perm(node, 4, turn) : rank == 3 && is_perm(node, 3, turn_3)))
        next = MAAS_HEADS_FIRST;
    if (next < 0)
        return false;
    if (maas_pass_only_reader(p, *edge) >= 0)
        m->nodes[m->n++] = k;
    *layout = next;
    *edge = node->in[0];
    return true;
}

/* Whether an edge is a float32 tensor of this rank. */
static bool is_float(const MaasPass *p, int edge, int rank)
{
    const MaasInfo *info = maas_pass_info(p, edge);

    return info->kind == MAAS_KIND_TENSOR && info->type == MAAS_FLOAT && info->rank == rank;
}

/* From the softmax's input back to Q and K. */
static bool match_scores(const MaasPass *p, int edge, Match *m)
{
    int add = maker(p, edge, "Add"), product;

    m->mask = MAAS_NO_VALUE;
    if (add >= 0) {
        const MaasNode *node = &p->graph->nodes[add];

        for (int i = 0; i < 2 && m->mask == MAAS_NO_VALUE; i++) {
            int inner = node->in[i], n = m->n;
            double scale = m->scale;

            while (pass_scale(p, &inner, m))
                ;
            if (maker(p, inner, "MatMul") >= 0 && node->in[0] != node->in[1]) {
                m->mask = node->in[1 - i];
                edge = inner;
            } else {
                m->n = n;
                m->scale = scale;
            }
        }
        if (m->mask == MAAS_NO_VALUE)
            return false;
        m->nodes[m->n++] = add;
    } else
        while (pass_scale(p, &edge, m))
            ;
    product = maker(p, edge, "MatMul");
    if (product < 0)
        return false;
    m->nodes[m->n++] = product;
    m->q = p->graph->nodes[product].in[0];
    m->k = p->graph->nodes[product].in[1];
    return true;
}

static bool match(const MaasPass *p, int k, Match *m)
{
    *m = (Match){.scale = 1, .layout = {[1] = MAAS_HEADS_FIRST_TURNED}};
    if (!maas_pass_is(p, k, "Softmax"))
        return false;
    const MaasNode *softmax = &p->graph->nodes[k];
    int rank = rank_of(p, softmax->in[0]), last = maas_pass_only_reader(p, softmax->out[0]);
    int64_t axis = maas_pass_attr(softmax, "axis")->i;

    if (last < 0 || !maas_pass_is(p, last, "MatMul") || p->graph->nodes[last].in[0] != softmax->out[0] ||
        p->graph->nodes[last].in[1] == softmax->out[0] || (rank != 3 && rank != 4) ||
        (axis != -1 && axis != rank - 1) || maas_pass_attr(softmax, "maas_matrix")->i != 0 ||
        !match_scores(p, softmax->in[0], m))
        return false;
    m->v = p->graph->nodes[last].in[1];
    if (!is_float(p, m->q, rank) || !is_float(p, m->k, rank) || !is_float(p, m->v, rank) || m->q == m->k)
        return false;
    if (m->mask != MAAS_NO_VALUE) {
        const MaasInfo *mask = maas_pass_info(p, m->mask);

        if (mask->type != MAAS_FLOAT || mask->rank < 0 || mask->rank > rank)
            return false;
    }
    while (m->n < 12 && (pass_scale(p, &m->q, m) || pass_transpose(p, &m->q, &m->layout[0], m)))
        ;
    while (m->n < 12 && (pass_scale(p, &m->k, m) || pass_transpose(p, &m->k, &m->layout[1], m)))
        ;
    while (m->n < 12 && pass_transpose(p, &m->v, &m->layout[2], m))
        ;
    m->nodes[m->n++] = k;
    m->end = last;
    m->out = p->graph->nodes[last].out[0];
    int turn = maas_pass_only_reader(p, m->out);

    if (rank == 4 && turn >= 0 && maas_pass_is(p, turn, "Transpose") &&
        is_perm(&p->graph->nodes[turn], 4, (int[]){0, 2, 1, 3})) {
        m->nodes[m->n++] = last;
        m->end = turn;
        m->out = p->graph->nodes[turn].out[0];
        m->layout[3] = MAAS_ROWS_FIRST;
    }
    return true;
}

MaasStatus maas_fuse_attention(MaasPass *p)
{
    static const char *const layouts[] = {"q_layout", "k_layout", "v_layout", "y_layout"};

    for (int k = 0; k < p->graph->n_nodes; k++) {
        Match m;
        MaasNode *made;

        if (!match(p, k, &m))
            continue;
        int in[4] = {m.q, m.k, m.v, m.mask};

        for (int i = 0; i < m.n; i++)
            maas_pass_kill(p, m.nodes[i]);
        MAAS_TRY(maas_pass_replace(p, m.end, "FusedAttention", k, m.mask == MAAS_NO_VALUE ? 3 : 4, in, 1, &m.out,
                                   &made));
        maas_pass_attr(made, "scale")->f = (float)m.scale;
        for (int i = 0; i < 4; i++)
            maas_pass_attr(made, layouts[i])->i = m.layout[i];
    }
    return maas_pass_check_stop(p);
}
