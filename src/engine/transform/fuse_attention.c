/*
 * fuse_attention.c - MatMul, Softmax, MatMul becomes FusedAttention, together with the scale and the masks between
 * them and the transposes that put the heads in front and back.
 *
 *   Transpose(MatMul(Softmax(Where(hide, hidden, MatMul(Q, K) / scale) + mask), V))
 *
 * Q, K and V may be scaled by numbers and transposed before, and NaN among the probabilities be replaced by 0, as
 * PyTorch writes it.  Either product may be an Einsum.
 */
#include <string.h>

#include "../op/fused_attention.h"
#include "pass.h"

#define MAX_NODES 32

typedef struct Match {
    int q, k, v, mask, hide, out, end, softmax;
    int layout[4]; /* of Q, K, V and the result, as the products see them; then as they lie */
    double scale, hidden;
    bool hide_when, zero_nan;
    int nodes[MAX_NODES], n; /* that go */
} Match;

/* Notes a node that goes; false when there are too many. */
static bool take(Match *m, int k)
{
    if (m->n == MAX_NODES)
        return false;
    m->nodes[m->n++] = k;
    return true;
}

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
    if (k < 0 || !is_scaled(p, k, &what, &factor) || !take(m, k))
        return false;
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

    if (k < 0 || !maas_pass_is(p, k, "Transpose"))
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
    if (maas_pass_only_reader(p, *edge) >= 0 && !take(m, k))
        return false;
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

/* From an edge that nobody else reads back over casts that change nothing. */
static bool pass_casts(const MaasPass *p, int *edge, Match *m)
{
    for (int k; (k = maker(p, *edge, "Cast")) >= 0; *edge = p->graph->nodes[k].in[0])
        if (maas_pass_info(p, p->graph->nodes[k].in[0])->type != maas_pass_info(p, *edge)->type || !take(m, k))
            return false;
    return true;
}

/* A mask of this type over scores of this rank. */
static bool is_mask(const MaasPass *p, int edge, MaasType type, int rank)
{
    const MaasInfo *mask = maas_pass_info(p, edge);

    return mask->type == type && mask->rank >= 0 && mask->rank <= rank;
}

/* ---- Einsum as one of the products: batch, heads and two more axes each, named by letters ---- */

/* The letters of the two inputs and of the output: "bihd,bjhd->bhij" without spaces. */
static bool read_equation(const MaasNode *node, char terms[3][4])
{
    const MaasStr equation = maas_pass_attr(node, "equation")->s;
    char text[16];
    size_t n = 0;

    for (size_t i = 0; i < equation.length; i++)
        if (equation.data[i] != ' ') {
            if (n == sizeof text)
                return false;
            text[n++] = equation.data[i];
        }
    if (node->n_in != 2 || n != 15 || text[4] != ',' || memcmp(text + 9, "->", 2) != 0)
        return false;
    memcpy(terms[0], text, 4);
    memcpy(terms[1], text + 5, 4);
    memcpy(terms[2], text + 11, 4);
    return true;
}

/* How a term lays out batch, heads, rows and columns, whose letters are given; -1: in none of our ways. */
static int layout_of(const char *term, char batch, char head, char row, char column)
{
    const char first[] = {batch, head, row, column}, rows[] = {batch, row, head, column},
               turned[] = {batch, head, column, row};

    return memcmp(term, first, 4) == 0    ? MAAS_HEADS_FIRST
           : memcmp(term, rows, 4) == 0   ? MAAS_ROWS_FIRST
           : memcmp(term, turned, 4) == 0 ? MAAS_HEADS_FIRST_TURNED
                                          : -1;
}

/* Whether five letters differ from each other. */
static bool all_differ(const char *letters)
{
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            if (letters[i] == letters[k])
                return false;
    return true;
}

/* Whether the axes of this letter, over which an Einsum sums, have one size: it would repeat a size of 1. */
static bool same_size(const MaasPass *p, const MaasNode *node, char t[3][4], char letter)
{
    const MaasInfo *a = maas_pass_info(p, node->in[0]), *b = maas_pass_info(p, node->in[1]);
    const char *x = memchr(t[0], letter, 4), *y = memchr(t[1], letter, 4);

    return x && y && a->rank == 4 && b->rank == 4 && a->dims[x - t[0]] != MAAS_DIM_ANY &&
           a->dims[x - t[0]] == b->dims[y - t[1]];
}

/* Scores (b, h, i, j) = Einsum of Q and K, in either order. */
static bool einsum_scores(const MaasPass *p, const MaasNode *node, Match *m)
{
    char t[3][4];

    if (!read_equation(node, t))
        return false;
    const int q = memchr(t[0], t[2][2], 4) ? 0 : 1;

    for (int i = 0; i < 4; i++) { /* the axis that is summed over */
        const char d = t[q][i], letters[] = {t[2][0], t[2][1], t[2][2], t[2][3], d};

        m->layout[0] = layout_of(t[q], t[2][0], t[2][1], t[2][2], d);
        m->layout[1] = layout_of(t[1 - q], t[2][0], t[2][1], t[2][3], d);
        if (all_differ(letters) && (m->layout[0] == MAAS_HEADS_FIRST || m->layout[0] == MAAS_ROWS_FIRST) &&
            m->layout[1] >= 0 && same_size(p, node, t, d)) {
            m->q = node->in[q];
            m->k = node->in[1 - q];
            return true;
        }
    }
    return false;
}

/* The result = Einsum of the probabilities (b, h, i, j) and V. */
static bool einsum_result(const MaasPass *p, const MaasNode *node, Match *m)
{
    char t[3][4];

    if (!read_equation(node, t))
        return false;
    const char d = t[1][3], letters[] = {t[0][0], t[0][1], t[0][2], t[0][3], d};

    m->layout[2] = layout_of(t[1], t[0][0], t[0][1], t[0][3], d);
    m->layout[3] = layout_of(t[2], t[0][0], t[0][1], t[0][2], d);
    return all_differ(letters) && (m->layout[2] == MAAS_HEADS_FIRST || m->layout[2] == MAAS_ROWS_FIRST) &&
           (m->layout[3] == MAAS_HEADS_FIRST || m->layout[3] == MAAS_ROWS_FIRST) && same_size(p, node, t, t[0][3]);
}

/* ---- the whole of it ---- */

/* From an edge that holds scores back over scales to the product of Q and K. */
static bool match_product(const MaasPass *p, int edge, Match *m)
{
    int k;

    while (pass_scale(p, &edge, m))
        ;
    k = maker(p, edge, "Einsum");
    if (k >= 0)
        return take(m, k) && einsum_scores(p, &p->graph->nodes[k], m);
    k = maker(p, edge, "MatMul");
    if (k < 0 || !take(m, k))
        return false;
    m->q = p->graph->nodes[k].in[0];
    m->k = p->graph->nodes[k].in[1];
    m->layout[1] = MAAS_HEADS_FIRST_TURNED;
    return true;
}

/* The same, over a Where that puts a number into the place of some scores. */
static bool match_hidden(const MaasPass *p, int edge, int rank, Match *m)
{
    int k = maker(p, edge, "Where");

    if (k < 0)
        return match_product(p, edge, m);
    const int *in = p->graph->nodes[k].in;

    m->hide_when = maas_pass_scalar(p, in[1], &m->hidden);
    if ((!m->hide_when && !maas_pass_scalar(p, in[2], &m->hidden)) || m->hidden != m->hidden ||
        !is_mask(p, in[0], MAAS_BOOL, rank) || maas_pass_constant(p, in[m->hide_when ? 1 : 2])->rank > rank)
        return false;
    m->hide = in[0];
    return take(m, k) && match_product(p, in[m->hide_when ? 2 : 1], m);
}

/* From the softmax's input back to Q and K. */
static bool match_scores(const MaasPass *p, int edge, int rank, Match *m)
{
    int add = maker(p, edge, "Add");

    if (add < 0)
        return match_hidden(p, edge, rank, m);
    const int *in = p->graph->nodes[add].in;

    for (int i = 0; i < 2; i++) {
        Match tried = *m;

        if (is_mask(p, in[1 - i], MAAS_FLOAT, rank) && in[0] != in[1] && match_hidden(p, in[i], rank, &tried) &&
            take(&tried, add)) {
            *m = tried;
            m->mask = in[1 - i];
            return true;
        }
    }
    return false;
}

/* From an edge back over Where(IsNaN(p), 0, p); *edge becomes p. */
static bool pass_nan_guard(const MaasPass *p, int *edge, Match *m)
{
    int where = maker(p, *edge, "Where");
    double zero;

    if (where < 0)
        return true;
    const int *in = p->graph->nodes[where].in;
    int is_nan = maker(p, in[0], "IsNaN"), of = in[2];

    if (is_nan < 0 || p->graph->nodes[is_nan].in[0] != of || !maas_pass_scalar(p, in[1], &zero) || zero != 0 ||
        maas_pass_constant(p, in[1])->rank > rank_of(p, of) || p->readers[of].nodes != 2 ||
        maas_pass_is_held(p, of) || !take(m, where) || !take(m, is_nan))
        return false;
    m->zero_nan = true;
    *edge = of;
    return true;
}

/* From the product with V at node `last` back to the softmax, whose output nobody else reads. */
static bool match_softmax(const MaasPass *p, int last, Match *m)
{
    int edge = p->graph->nodes[last].in[0];

    if (edge == p->graph->nodes[last].in[1] || !pass_casts(p, &edge, m) || !pass_nan_guard(p, &edge, m) ||
        (!m->zero_nan && !pass_casts(p, &edge, m)))
        return false;
    m->softmax = m->zero_nan ? maas_pass_producer(p, edge) : maker(p, edge, "Softmax");
    if (m->softmax < 0 || !maas_pass_is(p, m->softmax, "Softmax"))
        return false;
    const MaasNode *softmax = &p->graph->nodes[m->softmax];
    int64_t axis = maas_pass_attr(softmax, "axis")->i;
    int rank = rank_of(p, softmax->in[0]);

    return (rank == 3 || rank == 4) && (axis == -1 || axis == rank - 1) &&
           maas_pass_attr(softmax, "maas_matrix")->i == 0 && take(m, m->softmax);
}

/* Whether node `last` is the product with V. */
static bool match(const MaasPass *p, int last, Match *m)
{
    *m = (Match){.scale = 1, .mask = MAAS_NO_VALUE, .hide = MAAS_NO_VALUE};
    if (maas_pass_is(p, last, "Einsum") ? !einsum_result(p, &p->graph->nodes[last], m)
                                        : !maas_pass_is(p, last, "MatMul"))
        return false;
    if (!match_softmax(p, last, m))
        return false;
    int edge = p->graph->nodes[m->softmax].in[0], rank = rank_of(p, edge);

    m->v = p->graph->nodes[last].in[1];
    if (!pass_casts(p, &edge, m) || !match_scores(p, edge, rank, m) || !is_float(p, m->q, rank) ||
        !is_float(p, m->k, rank) || !is_float(p, m->v, rank) || m->q == m->k)
        return false;
    while (pass_scale(p, &m->q, m) || pass_transpose(p, &m->q, &m->layout[0], m))
        ;
    while (pass_scale(p, &m->k, m) || pass_transpose(p, &m->k, &m->layout[1], m))
        ;
    while (pass_transpose(p, &m->v, &m->layout[2], m))
        ;
    m->end = last;
    m->out = p->graph->nodes[last].out[0];
    int turn = maas_pass_only_reader(p, m->out);

    if (rank == 4 && turn >= 0 && m->layout[3] == MAAS_HEADS_FIRST && maas_pass_is(p, turn, "Transpose") &&
        is_perm(&p->graph->nodes[turn], 4, (int[]){0, 2, 1, 3}) && take(m, last)) {
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
        int in[5] = {m.q, m.k, m.v, m.mask, m.hide};
        int n_in = m.hide != MAAS_NO_VALUE ? 5 : m.mask != MAAS_NO_VALUE ? 4 : 3;

        for (int i = 0; i < m.n; i++)
            maas_pass_kill(p, m.nodes[i]);
        MAAS_TRY(maas_pass_replace(p, m.end, "FusedAttention", m.softmax, n_in, in, 1, &m.out, &made));
        maas_pass_attr(made, "zero_nan")->i = m.zero_nan;
        maas_pass_attr(made, "hide_when")->i = m.hide_when;
        maas_pass_attr(made, "hidden")->f = (float)m.hidden;
        maas_pass_attr(made, "scale")->f = (float)m.scale;
        for (int i = 0; i < 4; i++)
            maas_pass_attr(made, layouts[i])->i = m.layout[i];
    }
    return maas_pass_check_stop(p);
}
