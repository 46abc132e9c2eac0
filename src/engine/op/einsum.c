/*
 * einsum.c - Einsum: any equation, as a chain of matrix products.
 *
 * Operands are taken from the left: what nobody needs any more is summed up, the labels of a pair are sorted into
 * shared ones that stay (batch), shared ones that go (k) and the rest (m, n), and the pair becomes a stack of
 * products.  Integers are computed modulo 2^64, which is right for narrower types, too.
 */
#include <stdio.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "batch.h"
#include "expect.h"
#include "grad.h"
#include "product.h"

enum {
    LETTERS = 52, /* labels A-Z, a-z; then the axes of the ellipsis, the last one last */
    LABELS = LETTERS + MAAS_MAX_RANK,
    MOST_TERMS = 64
};

typedef struct Term {
    int n;
    uint8_t label[MAAS_MAX_RANK];
    int ellipsis; /* position among the labels where the ellipsis begins; -1: none */
    int n_ellipsis;
} Term;

typedef struct Equation {
    int n_terms;
    Term term[MOST_TERMS], out;
    int64_t dim[LABELS]; /* negative: unknown */
} Equation;

/* ---- the equation ---- */

static int label_of(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? letter - 'A' : letter >= 'a' && letter <= 'z' ? letter - 'a' + 26 : -1;
}

/* Reads one term from text up to a comma or the end; NULL, or what is wrong. */
static const char *read_term(const char **at, const char *end, Term *term)
{
    const char *p = *at;

    term->n = 0;
    term->ellipsis = -1;
    term->n_ellipsis = 0;
    for (; p < end && *p != ',' && *p != '-'; p++) {
        if (*p == ' ')
            continue;
        if (*p == '.') {
            if (end - p < 3 || p[1] != '.' || p[2] != '.' || term->ellipsis >= 0)
                return "a term may hold one ellipsis of three dots";
            term->ellipsis = term->n;
            p += 2;
            continue;
        }
        if (label_of(*p) < 0)
            return "labels must be letters";
        if (term->n == MAAS_MAX_RANK)
            return "a term has too many labels";
        term->label[term->n++] = (uint8_t)label_of(*p);
    }
    *at = p;
    return NULL;
}

/* Puts the labels of an ellipsis of n axes where it stands. */
static const char *open_ellipsis(Term *term, int n)
{
    if (term->ellipsis < 0)
        return NULL;
    if (n < 0 || term->n + n > MAAS_MAX_RANK)
        return "a term has too many axes";
    memmove(term->label + term->ellipsis + n, term->label + term->ellipsis, (size_t)(term->n - term->ellipsis));
    for (int i = 0; i < n; i++)
        term->label[term->ellipsis + i] = (uint8_t)(LABELS - n + i);
    term->n += n;
    term->n_ellipsis = n;
    return NULL;
}

/* Labels that occur once, in ASCII order, behind the ellipsis. */
static const char *implicit_output(Equation *e, int n_ellipsis)
{
    int seen[LABELS] = {0};

    for (int t = 0; t < e->n_terms; t++)
        for (int i = 0; i < e->term[t].n; i++)
            seen[e->term[t].label[i]]++;
    e->out.n = 0;
    for (int i = 0; i < n_ellipsis; i++)
        e->out.label[e->out.n++] = (uint8_t)(LABELS - n_ellipsis + i);
    for (int i = 0; i < LETTERS; i++) {
        if (seen[i] != 1)
            continue;
        if (e->out.n == MAAS_MAX_RANK)
            return "the output has too many axes";
        e->out.label[e->out.n++] = (uint8_t)i;
    }
    return NULL;
}

static const char *read_output(const char *p, const char *end, Equation *e, int n_ellipsis)
{
    bool used[LABELS] = {false}, known[LABELS] = {false};
    const char *bad;

    if (p == end)
        return implicit_output(e, n_ellipsis);
    if (end - p < 2 || p[0] != '-' || p[1] != '>')
        return "expected -> before the output";
    p += 2;
    bad = read_term(&p, end, &e->out);
    if (bad)
        return bad;
    if (p != end)
        return "the output must be one term";
    bad = open_ellipsis(&e->out, n_ellipsis);
    if (bad)
        return bad;
    for (int t = 0; t < e->n_terms; t++)
        for (int i = 0; i < e->term[t].n; i++)
            known[e->term[t].label[i]] = true;
    for (int i = 0; i < e->out.n; i++) {
        if (used[e->out.label[i]])
            return "a label stands twice in the output";
        if (!known[e->out.label[i]])
            return "a label of the output stands in no input";
        used[e->out.label[i]] = true;
    }
    return NULL;
}

/* Reads the equation for inputs of these ranks and sizes; NULL, or what is wrong. */
static const char *read_equation(const MaasAttr *equation, int n, const int *ranks, const int64_t *const *dims,
                                 Equation *e)
{
    const char *p = equation->s.data, *end = p + equation->s.length, *bad = NULL;
    int n_ellipsis = 0;

    for (int i = 0; i < LABELS; i++)
        e->dim[i] = MAAS_DIM_ANY;
    e->n_terms = 0;
    while (!bad) {
        if (e->n_terms == n || n > MOST_TERMS)
            return n > MOST_TERMS ? "there are too many inputs" : "there are more terms than inputs";
        Term *term = &e->term[e->n_terms];
        int rank = ranks[e->n_terms++];

        bad = read_term(&p, end, term);
        if (bad)
            return bad;
        if (term->ellipsis >= 0 && rank - term->n > n_ellipsis)
            n_ellipsis = rank - term->n;
        bad = term->ellipsis >= 0 ? open_ellipsis(term, rank - term->n) : NULL;
        if (!bad && term->n != rank)
            bad = "a term has not as many labels as its input has axes";
        if (bad || p == end || *p != ',')
            break;
        p++;
    }
    if (bad)
        return bad;
    if (e->n_terms < n)
        return "there are fewer terms than inputs";
    for (int t = 0; t < n; t++)
        for (int i = 0; i < e->term[t].n; i++) {
            int64_t *dim = &e->dim[e->term[t].label[i]], size = dims[t][i];

            if (*dim == MAAS_DIM_ANY || *dim == 1)
                *dim = size == MAAS_DIM_ANY ? *dim : size;
            else if (size >= 0 && size != 1 && *dim >= 0 && size != *dim)
                return "a label stands for different sizes";
            else if (size > 1 && *dim < 0)
                *dim = size;
        }
    return read_output(p, end, e, n_ellipsis);
}

static MaasStatus infer_einsum(MaasInferCtx *c)
{
    const int64_t *dims[MOST_TERMS];
    int ranks[MOST_TERMS];
    int64_t out[MAAS_MAX_RANK];
    const char *bad;
    Equation e;

    if (c->n_in > MOST_TERMS)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "at most %d inputs are possible, got %d", MOST_TERMS, c->n_in);
    for (int i = 0; i < c->n_in; i++) {
        if (c->in[i]->rank < 0)
            return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
        ranks[i] = c->in[i]->rank;
        dims[i] = c->in[i]->dims;
    }
    bad = read_equation(&c->attr[0], c->n_in, ranks, dims, &e);
    if (bad)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "equation \"%.*s\": %s",
                               c->attr[0].s.length < 200 ? (int)c->attr[0].s.length : 200, c->attr[0].s.data, bad);
    for (int i = 0; i < e.out.n; i++)
        out[i] = e.dim[e.out.label[i]];
    return maas_infer_out(c, 0, MAAS_UNDEFINED, e.out.n, out);
}

static double cost_einsum(const MaasInferCtx *c)
{
    const int64_t *dims[MOST_TERMS];
    int ranks[MOST_TERMS];
    double cost = 2;
    Equation e;

    for (int i = 0; i < c->n_in; i++) {
        if (c->in[i]->rank < 0 || i == MOST_TERMS)
            return 1;
        ranks[i] = c->in[i]->rank;
        dims[i] = c->in[i]->dims;
    }
    if (read_equation(&c->attr[0], c->n_in, ranks, dims, &e))
        return 1;
    for (int i = 0; i < LABELS; i++)
        cost *= maas_dim_cost(e.dim[i]);
    return cost;
}

/* ---- computation ---- */

/* A dense tensor in the working type, an axis a label. */
typedef struct Work {
    int n;
    uint8_t label[LABELS];
    void *data; /* the sizes are those of the equation */
} Work;

typedef enum Kind { KIND_F32, KIND_F64, KIND_U64 } Kind;

static size_t kind_size(Kind kind)
{
    return kind == KIND_F32 ? 4 : 8;
}

static MaasStatus count_of(MaasCtx *c, const Equation *e, int n, const uint8_t *label, int64_t *count)
{
    *count = 1;
    for (int i = 0; i < n; i++)
        if (!maas_mul64(*count, e->dim[label[i]], count))
            return maas_node_fail(c, MAAS_ERR_LIMIT, "an intermediate result is too large");
    return MAAS_OK;
}

static uint64_t load_int(MaasType type, const void *data, int64_t i)
{
    switch (type) {
    case MAAS_INT8:
        return (uint64_t)(int64_t)((const int8_t *)data)[i];
    case MAAS_UINT8:
        return ((const uint8_t *)data)[i];
    case MAAS_INT16:
        return (uint64_t)(int64_t)((const int16_t *)data)[i];
    case MAAS_UINT16:
        return ((const uint16_t *)data)[i];
    case MAAS_INT32:
        return (uint64_t)(int64_t)((const int32_t *)data)[i];
    case MAAS_UINT32:
        return ((const uint32_t *)data)[i];
    default:
        return ((const uint64_t *)data)[i];
    }
}

static void store_int(size_t size, void *data, int64_t i, uint64_t value)
{
    switch (size) {
    case 1:
        ((uint8_t *)data)[i] = (uint8_t)value;
        break;
    case 2:
        ((uint16_t *)data)[i] = (uint16_t)value;
        break;
    case 4:
        ((uint32_t *)data)[i] = (uint32_t)value;
        break;
    default:
        ((uint64_t *)data)[i] = value;
        break;
    }
}

/* to (dense, n axes of these sizes) = from, by its strides; type: what from holds. */
static MaasStatus gather(MaasCtx *c, Kind kind, MaasType type, const void *from, int n, const int64_t *dims,
                         const int64_t *strides, int64_t count, void *to)
{
    int64_t at[LABELS] = {0}, offset = 0, width = n > 0 ? dims[n - 1] : 1, step = n > 0 ? strides[n - 1] : 0;

    for (int64_t i = 0; i < count; i += width) {
        if ((i & 0xfff) == 0 && maas_stop(c))
            return maas_stopped(c);
        for (int64_t k = 0; k < width; k++)
            if (kind == KIND_F32)
                ((float *)to)[i + k] = ((const float *)from)[offset + k * step];
            else if (kind == KIND_F64)
                ((double *)to)[i + k] = ((const double *)from)[offset + k * step];
            else
                ((uint64_t *)to)[i + k] = load_int(type, from, offset + k * step);
        for (int d = n - 2; d >= 0; d--) {
            offset += strides[d];
            if (++at[d] < dims[d])
                break;
            offset -= strides[d] * dims[d];
            at[d] = 0;
        }
    }
    return MAAS_OK;
}

static int find_label(const Work *w, int label)
{
    for (int i = 0; i < w->n; i++)
        if (w->label[i] == label)
            return i;
    return -1;
}

/* w with its axes in this order; copies only where the order changes. */
static MaasStatus reorder(MaasCtx *c, const Equation *e, Kind kind, Work *w, const uint8_t *order)
{
    int64_t dims[LABELS], strides[LABELS], own[LABELS], count, step = 1;
    void *to;

    if (memcmp(order, w->label, (size_t)w->n) == 0)
        return MAAS_OK;
    MAAS_TRY(count_of(c, e, w->n, w->label, &count));
    for (int i = w->n - 1; i >= 0; i--) {
        own[i] = step;
        step *= e->dim[w->label[i]];
    }
    for (int i = 0; i < w->n; i++) {
        dims[i] = e->dim[order[i]];
        strides[i] = own[find_label(w, order[i])];
    }
    to = maas_scratch(c, (size_t)count, kind_size(kind));
    if (!to)
        return maas_scratch_failed(c);
    MAAS_TRY(gather(c, kind, MAAS_UINT64, w->data, w->n, dims, strides, count, to));
    memcpy(w->label, order, (size_t)w->n);
    w->data = to;
    return MAAS_OK;
}

/* Sums up the labels that keep does not name. */
static MaasStatus sum_up(MaasCtx *c, const Equation *e, Kind kind, Work *w, const bool *keep)
{
    int64_t kept = 1, gone = 1;
    uint8_t order[LABELS];
    int n = 0, rest;
    void *to;

    for (int i = 0; i < w->n; i++)
        if (keep[w->label[i]])
            order[n++] = w->label[i];
    rest = n;
    for (int i = 0; i < w->n; i++)
        if (!keep[w->label[i]])
            order[rest++] = w->label[i];
    if (n == w->n)
        return MAAS_OK;
    MAAS_TRY(reorder(c, e, kind, w, order));
    MAAS_TRY(count_of(c, e, n, order, &kept));
    MAAS_TRY(count_of(c, e, w->n - n, order + n, &gone));
    to = maas_scratch(c, (size_t)kept, kind_size(kind));
    if (!to)
        return maas_scratch_failed(c);
    if (kind == KIND_U64)
        for (int64_t i = 0; i < kept; i++) {
            uint64_t sum = 0;

            for (int64_t k = 0; k < gone; k++)
                sum += ((const uint64_t *)w->data)[i * gone + k];
            ((uint64_t *)to)[i] = sum;
        }
    else
        maas_kernel->reduce(MAAS_RED_SUM, kind == KIND_F32 ? MAAS_FLOAT : MAAS_DOUBLE)(w->data, to, kept, gone, 1);
    w->n = n;
    w->data = to;
    return MAAS_OK;
}

/* Input t with each label once: diagonals taken, axes that are broadcast left out. */
static MaasStatus load(MaasCtx *c, const Equation *e, Kind kind, int t, Work *w)
{
    const MaasTensor *x = maas_in(c, t);
    int64_t dims[LABELS], strides[LABELS] = {0}, count, step = 1;
    bool plain = kind != KIND_U64 || maas_type_size(x->type) == 8;

    w->n = 0;
    for (int i = 0; i < x->rank; i++)
        if (e->dim[e->term[t].label[i]] == x->dims[i] && find_label(w, e->term[t].label[i]) < 0)
            w->label[w->n++] = e->term[t].label[i];
    plain = plain && w->n == x->rank;
    w->data = x->data;
    if (plain)
        return MAAS_OK;
    for (int i = x->rank - 1; i >= 0; i--) {
        int at = find_label(w, e->term[t].label[i]);

        if (at >= 0 && x->dims[i] != 1)
            strides[at] += step;
        step *= x->dims[i];
    }
    for (int i = 0; i < w->n; i++)
        dims[i] = e->dim[w->label[i]];
    MAAS_TRY(count_of(c, e, w->n, w->label, &count));
    w->data = maas_scratch(c, (size_t)count, kind_size(kind));
    if (!w->data)
        return maas_scratch_failed(c);
    return gather(c, kind, x->type, x->data, w->n, dims, strides, count, w->data);
}

/* a = the contraction of a and b. */
static MaasStatus contract(MaasCtx *c, const Equation *e, Kind kind, Work *a, Work *b, const bool *keep)
{
    uint8_t batch[LABELS], m[LABELS], n[LABELS], k[LABELS], order[LABELS];
    int nb = 0, nm = 0, nn = 0, nk = 0;
    int64_t sb, sm, sn, sk, total;
    void *to;

    for (int i = 0; i < a->n; i++) {
        if (find_label(b, a->label[i]) < 0)
            m[nm++] = a->label[i];
        else if (keep[a->label[i]])
            batch[nb++] = a->label[i];
        else
            k[nk++] = a->label[i];
    }
    for (int i = 0; i < b->n; i++)
        if (find_label(a, b->label[i]) < 0)
            n[nn++] = b->label[i];
    memcpy(order, batch, (size_t)nb);
    memcpy(order + nb, m, (size_t)nm);
    memcpy(order + nb + nm, k, (size_t)nk);
    MAAS_TRY(reorder(c, e, kind, a, order));
    memcpy(order + nb, k, (size_t)nk);
    memcpy(order + nb + nk, n, (size_t)nn);
    MAAS_TRY(reorder(c, e, kind, b, order));
    MAAS_TRY(count_of(c, e, nb, batch, &sb));
    MAAS_TRY(count_of(c, e, nm, m, &sm));
    MAAS_TRY(count_of(c, e, nn, n, &sn));
    MAAS_TRY(count_of(c, e, nk, k, &sk));
    if (!maas_mul64(sb, sm, &total) || !maas_mul64(total, sn, &total))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "an intermediate result is too large");
    to = maas_scratch(c, (size_t)total, kind_size(kind));
    if (!to)
        return maas_scratch_failed(c);
    for (int64_t i = 0; i < sb && total > 0; i++) {
        const char *ap = (const char *)a->data + (size_t)(i * sm * sk) * kind_size(kind);
        const char *bp = (const char *)b->data + (size_t)(i * sk * sn) * kind_size(kind);
        char *cp = (char *)to + (size_t)(i * sm * sn) * kind_size(kind);

        if (kind != KIND_U64) {
            MAAS_TRY(maas_product(c, kind == KIND_F32 ? MAAS_FLOAT : MAAS_DOUBLE, false, false, sm, sn, sk, 1, ap,
                                  sk, bp, sn, 0, cp, sn));
            continue;
        }
        for (int64_t row = 0; row < sm; row++) {
            if (maas_stop(c))
                return maas_stopped(c);
            maas_kernel->gemm_u64(1, sn, sk, (const uint64_t *)(const void *)ap + row * sk, sk, 1,
                                  (const uint64_t *)(const void *)bp, sn, 1, (uint64_t *)(void *)cp + row * sn, sn);
        }
    }
    memcpy(a->label, batch, (size_t)nb);
    memcpy(a->label + nb, m, (size_t)nm);
    memcpy(a->label + nb + nm, n, (size_t)nn);
    a->n = nb + nm + nn;
    a->data = to;
    return MAAS_OK;
}

/* The labels that the output or a term from `first` on needs. */
static void needed(const Equation *e, int first, bool *keep)
{
    memset(keep, 0, LABELS * sizeof *keep);
    for (int i = 0; i < e->out.n; i++)
        keep[e->out.label[i]] = true;
    for (int t = first; t < e->n_terms; t++)
        for (int i = 0; i < e->term[t].n; i++)
            keep[e->term[t].label[i]] = true;
}

static MaasStatus compute_einsum(MaasCtx *c)
{
    MaasTensor *y = maas_out(c, 0);
    const int64_t *dims[MOST_TERMS];
    int ranks[MOST_TERMS];
    int64_t strides[MAAS_MAX_RANK], step = 1;
    Kind kind = y->type == MAAS_FLOAT ? KIND_F32 : y->type == MAAS_DOUBLE ? KIND_F64 : KIND_U64;
    bool keep[LABELS];
    Equation e;
    Work a, b;

    if (y->count == 0)
        return MAAS_OK;
    for (int i = 0; i < c->n_in; i++) {
        ranks[i] = maas_in(c, i)->rank;
        dims[i] = maas_in(c, i)->dims;
        if (maas_in(c, i)->count == 0) { /* a sum over nothing */
            memset(y->data, 0, maas_tensor_bytes(y));
            return MAAS_OK;
        }
    }
    if (read_equation(&c->attr[0], c->n_in, ranks, dims, &e))
        return maas_node_fail(c, MAAS_ERR_INTERNAL, "the equation does not fit the inputs");
    MAAS_TRY(load(c, &e, kind, 0, &a));
    needed(&e, 1, keep);
    MAAS_TRY(sum_up(c, &e, kind, &a, keep));
    for (int t = 1; t < e.n_terms; t++) {
        MAAS_TRY(load(c, &e, kind, t, &b));
        needed(&e, t + 1, keep);
        for (int i = 0; i < a.n; i++)
            keep[a.label[i]] = true; /* shared with a: contracted below */
        MAAS_TRY(sum_up(c, &e, kind, &b, keep));
        needed(&e, t + 1, keep);
        MAAS_TRY(contract(c, &e, kind, &a, &b, keep));
        MAAS_TRY(sum_up(c, &e, kind, &a, keep));
    }
    for (int i = 0; i < e.out.n; i++)
        strides[i] = 0;
    for (int i = a.n - 1; i >= 0; i--) {
        for (int k = 0; k < e.out.n; k++)
            if (e.out.label[k] == a.label[i])
                strides[k] = step;
        step *= e.dim[a.label[i]];
    }
    if (kind == KIND_U64) {
        uint64_t *all = maas_scratch(c, (size_t)y->count, sizeof *all);

        if (!all)
            return maas_scratch_failed(c);
        MAAS_TRY(gather(c, kind, MAAS_UINT64, a.data, y->rank, y->dims, strides, y->count, all));
        for (int64_t i = 0; i < y->count; i++)
            store_int(maas_type_size(y->type), y->data, i, all[i]);
        return MAAS_OK;
    }
    return gather(c, kind, y->type, a.data, y->rank, y->dims, strides, y->count, y->data);
}

#define EINSUM_TYPES MAAS_T_NUMERIC

/* ---- the gradient: the same sum with dy in the place of an operand ---- */

#define MAX_GRAD_TERMS 8
#define MAX_GRAD_TEXT 200 /* letters of an equation */

/* Terms of an equation without blanks: the operands' and the output's last.  Returns how many; 0: not of the plain
 * form "ij,jk->ik". */
static int split_equation(MaasStr equation, char *text, const char **terms)
{
    size_t length = 0;
    int n = 1;

    if (equation.length >= MAX_GRAD_TEXT)
        return 0;
    for (size_t i = 0; i < equation.length; i++)
        if (equation.data[i] == '.')
            return 0;
        else if (equation.data[i] != ' ')
            text[length++] = equation.data[i];
    text[length] = '\0';
    char *arrow = strstr(text, "->");

    if (!arrow)
        return 0;
    *arrow = '\0';
    terms[0] = text;
    for (char *at = text; (at = strchr(at, ',')) != NULL; n++) {
        if (n == MAX_GRAD_TERMS - 1)
            return 0;
        *at++ = '\0';
        terms[n] = at;
    }
    terms[n] = arrow + 2;
    return n + 1;
}

/* Whether each letter of term i stands there once and in another term, too. */
static bool is_plain_term(int n, const char *const *terms, int i)
{
    for (const char *at = terms[i]; *at; at++) {
        bool elsewhere = false;

        for (int k = 0; k < n; k++)
            elsewhere |= k != i && strchr(terms[k], *at) != NULL;
        if (!elsewhere || strchr(at + 1, *at) != NULL)
            return false;
    }
    return true;
}

static void grad_einsum(MaasGrad *g)
{
    char text[MAX_GRAD_TEXT], equation[2 * MAX_GRAD_TEXT];
    const char *terms[MAX_GRAD_TERMS];
    int n = split_equation(maas_grad_attrs(g)[0].s, text, terms), in[MAX_GRAD_TERMS];

    for (int i = 0; i < maas_grad_n_in(g); i++) {
        if (!maas_grad_wants(g, i))
            continue;
        if (n != maas_grad_n_in(g) + 1 || !is_plain_term(n, terms, i)) {
            maas_grad_refuse(g, "an equation that is not plain");
            return;
        }
        size_t used = (size_t)snprintf(equation, sizeof equation, "%s", terms[n - 1]);
        int n_in = 0;

        in[n_in++] = maas_grad_dy(g, 0);
        for (int k = 0; k < n - 1; k++)
            if (k != i) {
                used += (size_t)snprintf(equation + used, sizeof equation - used, ",%s", terms[k]);
                in[n_in++] = maas_grad_in(g, k);
            }
        snprintf(equation + used, sizeof equation - used, "->%s", terms[i]);
        int dx = maas_grad_node(g, "Einsum", n_in, in);

        maas_grad_set_text(g, "equation", equation);
        /* an operand may have been broadcast */
        maas_grad_give(g, i, MAAS_GRAD(g, "SumTo", dx, maas_grad_shape(g, maas_grad_in(g, i))));
    }
}

const MaasOp maas_op_einsum = {
    .domain = "",
    .name = "Einsum",
    .first = 12,
    .since = 12,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"Inputs", EINSUM_TYPES, 'T', MAAS_VARIADIC}},
    .out = {{"Output", EINSUM_TYPES, 'T', 0}},
    .attrs = {{"equation", MAAS_ATTR_STRING, .required = true}},
    .infer = infer_einsum,
    .compute = compute_einsum,
    .batch = maas_batch_einsum,
    .cost = cost_einsum,
    .grad = grad_einsum,
};
