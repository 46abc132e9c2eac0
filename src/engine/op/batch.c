/*
 * batch.c - what the rules of batch.h have in common: the algebra of sizes, and the rules that many operators
 * share.
 *
 * A size is a number times a product of symbols.  Terms are kept in one table of the analysis, so that equal sizes
 * have equal numbers.  Everything lives in the arena of the analysis.
 */
#include <string.h>

#include "batch.h"
#include "infer.h"

/* ---- sizes ---- */

#define MAX_FACTORS 8
#define MAX_TERMS 65536 /* more are UNKNOWN */

typedef struct Term {
    int64_t number;
    int n;
    int factors[MAX_FACTORS]; /* symbols, ascending; symbol 0 is N */
} Term;

struct MaasSizes {
    MaasArena *arena;
    int n, cap, n_symbols;
    Term *terms;
};

MaasSizes *maas_sizes_new(MaasArena *arena, MaasError *err)
{
    MaasSizes *sizes = maas_arena_alloc(arena, sizeof *sizes, err);

    if (!sizes)
        return NULL;
    sizes->cap = 64;
    sizes->arena = arena;
    sizes->terms = maas_arena_array(arena, (size_t)sizes->cap, sizeof *sizes->terms, err);
    if (!sizes->terms)
        return NULL;
    sizes->terms[0] = (Term){.number = 1, .n = 1}; /* N: MAAS_SIZE_BATCH is symbol 0 */
    sizes->n = sizes->n_symbols = 1;
    return sizes;
}

static bool term_of(const MaasSizes *sizes, int64_t size, Term *term)
{
    if (size < MAAS_SIZE_UNKNOWN) {
        *term = sizes->terms[size - INT64_MIN];
        return true;
    }
    *term = (Term){.number = size};
    return size >= 0;
}

static int64_t append(MaasBatchCtx *c, const Term *term)
{
    MaasSizes *s = c->sizes;

    if (s->n == MAX_TERMS)
        return MAAS_SIZE_UNKNOWN;
    if (s->n == s->cap) {
        Term *grown = maas_arena_array(s->arena, 2 * (size_t)s->cap, sizeof *grown, c->err);

        if (!grown) {
            c->status = c->err->status;
            return MAAS_SIZE_UNKNOWN;
        }
        memcpy(grown, s->terms, sizeof *grown * (size_t)s->n);
        s->terms = grown;
        s->cap *= 2;
    }
    s->terms[s->n] = *term;
    return INT64_MIN + s->n++;
}

static int64_t intern(MaasBatchCtx *c, const Term *term)
{
    MaasSizes *s = c->sizes;

    if (term->n == 0)
        return term->number;
    for (int i = 0; i < s->n; i++)
        if (s->terms[i].number == term->number && s->terms[i].n == term->n &&
            memcmp(s->terms[i].factors, term->factors, sizeof *term->factors * (size_t)term->n) == 0)
            return INT64_MIN + i;
    return append(c, term);
}
int64_t maas_size_new(MaasBatchCtx *c)
{
    Term term = {.number = 1, .n = 1, .factors = {c->sizes->n_symbols}};

    c->sizes->n_symbols++;
    return append(c, &term);
}

int64_t maas_size_times(MaasBatchCtx *c, int64_t a, int64_t b)
{
    Term x, y, z = {.number = 0};
    int i = 0, j = 0;

    if (a == 1 || b == 1)
        return a == 1 ? b : a;
    if (!term_of(c->sizes, a, &x) || !term_of(c->sizes, b, &y))
        return MAAS_SIZE_UNKNOWN;
    if (x.number == 0 || y.number == 0)
        return 0;
    if (!maas_mul64(x.number, y.number, &z.number) || x.n + y.n > MAX_FACTORS)
        return MAAS_SIZE_UNKNOWN;
    while (i < x.n || j < y.n)
        z.factors[z.n++] = j == y.n || (i < x.n && x.factors[i] <= y.factors[j]) ? x.factors[i++] : y.factors[j++];
    return intern(c, &z);
}

int64_t maas_size_over(MaasBatchCtx *c, int64_t a, int64_t b)
{
    Term x, y, z = {.number = 0};
    int j = 0;

    if (!term_of(c->sizes, a, &x) || !term_of(c->sizes, b, &y) || y.number == 0 || x.number % y.number != 0)
        return MAAS_SIZE_UNKNOWN;
    z.number = x.number / y.number;
    for (int i = 0; i < x.n; i++)
        if (j < y.n && x.factors[i] == y.factors[j])
            j++;
        else
            z.factors[z.n++] = x.factors[i];
    return j < y.n ? MAAS_SIZE_UNKNOWN : intern(c, &z);
}

int64_t maas_sizes_product(MaasBatchCtx *c, int n, const int64_t *sizes)
{
    int64_t product = 1;

    for (int i = 0; i < n; i++)
        product = maas_size_times(c, product, sizes[i]);
    return product;
}

bool maas_size_of_batch(const MaasBatchCtx *c, int64_t size)
{
    if (maas_size_is_number(size))
        return size == MAAS_DIM_ANY;
    return size == MAAS_SIZE_UNKNOWN ||
           (size < MAAS_SIZE_UNKNOWN && c->sizes->terms[size - INT64_MIN].factors[0] == 0);
}

/* ---- access ---- */

const MaasAttr *maas_batch_attr(const MaasBatchCtx *c, const char *name)
{
    int a = 0;

    while (strcmp(c->op->attrs[a].name, name) != 0)
        a++;
    return &c->attr[a];
}

int maas_batch_axis_attr(const MaasBatchCtx *c, const char *name, int rank)
{
    return rank > 0 ? maas_axis(maas_batch_attr(c, name)->i, rank) : 0;
}

bool maas_batch_content(const MaasBatchCtx *c, int i, int *n, int64_t *sizes)
{
    if (!maas_batch_has(c, i))
        return false;
    const MaasBatch *b = c->batch[i];
    const MaasTensor *t = c->in[i]->value;

    if (b->n_sizes > 0) {
        *n = b->n_sizes;
        memcpy(sizes, b->sizes, sizeof *sizes * (size_t)*n);
        return true;
    }
    const MaasInfo *in = c->in[i];

    if (b->kind != MAAS_BATCH_FREE || in->rank < 0 || in->rank > 1 ||
        !maas_type_in(in->type, MAAS_T_INDEX | MAAS_T_BOOL))
        return false;
    int64_t count = in->rank == 0 ? 1 : in->dims[0];

    if (count < 0 || count > MAAS_MAX_SIZES)
        return false;
    *n = (int)count;
    for (int k = 0; k < *n; k++) {
        sizes[k] = t ? maas_int_at(t, k) : MAAS_SIZE_OPAQUE;
        if (!maas_size_is_number(sizes[k])) /* a constant that looks like a symbol */
            sizes[k] = MAAS_SIZE_OPAQUE;
    }
    return true;
}

void maas_batch_set_content(MaasBatchCtx *c, int o, int n, const int64_t *sizes)
{
    MaasBatch *r = c->result[o];
    int64_t *copy;

    if (!r)
        return;
    *r = (MaasBatch){.kind = MAAS_BATCH_FREE, .n_sizes = n};
    copy = maas_arena_array(c->arena, (size_t)n + 1, sizeof *copy, c->err);
    if (!copy) {
        c->status = c->err->status;
        return;
    }
    r->sizes = copy;
    for (int i = 0; i < n; i++) {
        copy[i] = sizes[i];
        if (!maas_size_is_number(sizes[i]) &&
            maas_size_of_batch(c, sizes[i])) /* the number -1 is no unknown size */
            r->kind = MAAS_BATCH_SIZE;
    }
}

void maas_batch_set_rows(MaasBatchCtx *c, int o, int axis, const MaasBatch *like)
{
    if (o >= c->n_out || !c->result[o])
        return;
    int64_t size = maas_size_times(c, maas_size_times(c, MAAS_SIZE_BATCH, like->outer), like->inner);

    *c->result[o] = (MaasBatch){.kind = MAAS_BATCH_ROWS, .axis = axis, .outer = like->outer, .inner = like->inner};
    if (c->out[o]->rank > axis)
        c->out[o]->dims[axis] = size;
}

void maas_batch_set_free(MaasBatchCtx *c)
{
    for (int o = 0; o < c->n_out; o++)
        if (c->result[o])
            *c->result[o] = (MaasBatch){.kind = MAAS_BATCH_FREE};
}

bool maas_batch_any_rows(const MaasBatchCtx *c)
{
    for (int i = 0; i < c->n_in; i++)
        if (maas_batch_rows(c, i))
            return true;
    return false;
}

const char *maas_batch_no_rows(MaasBatchCtx *c)
{
    for (int i = 0; i < c->n_in; i++)
        if (!maas_batch_free(c, i))
            return "it computes with the number of rows";
    maas_batch_set_free(c);
    return NULL;
}

bool maas_batch_same(const MaasBatch *a, const MaasBatch *b)
{
    return a->axis == b->axis && a->outer == b->outer && a->inner == b->inner;
}

/* ---- rules ---- */

static int out_rank(const MaasBatchCtx *c)
{
    for (int o = 0; o < c->n_out; o++)
        if (c->out[o])
            return c->out[o]->rank;
    return -1;
}

/* Old forms lay their second operand on axes that they name: maas_axis (broadcast.h), maas_channels (PRelu).  Those
 * axes as a bit mask, 0 when operands are laid out as usual. */
static uint32_t named_axes(const MaasBatchCtx *c)
{
    for (int a = 0; a < MAAS_MAX_ATTR_SPECS && c->op->attrs[a].name; a++) {
        bool axis = strcmp(c->op->attrs[a].name, "maas_axis") == 0,
             channels = strcmp(c->op->attrs[a].name, "maas_channels") == 0;

        if (!c->attr[a].set || (!axis && !channels))
            continue;
        if (c->in[1]->rank < 0 || c->in[0]->rank < 1)
            return ~(uint32_t)0;
        int first = channels ? 1 : maas_axis(c->attr[a].i, c->in[0]->rank);

        return (((uint32_t)1 << c->in[1]->rank) - 1) << first;
    }
    return 0;
}

const char *maas_batch_elementwise(MaasBatchCtx *c)
{
    int rank = out_rank(c), at = -1;
    const MaasBatch *found = NULL;

    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (named_axes(c))
        return maas_batch_outside(c, named_axes(c));
    if (rank < 0)
        return "the rank of its result is not known";
    for (int i = 0; i < c->n_in; i++) {
        const MaasBatch *b = c->batch[i];

        if (!b || b->kind == MAAS_BATCH_FREE)
            continue;
        if (b->kind == MAAS_BATCH_SIZE)
            return "it computes with the number of rows";
        if (b->pad)
            return "its input is padded to the longest row of the batch";
        int here = rank - c->in[i]->rank + b->axis;

        if (found && (here != at || b->outer != found->outer || b->inner != found->inner))
            return "its inputs have the rows on different axes";
        found = b;
        at = here;
    }
    for (int i = 0; i < c->n_in; i++) {
        if (!maas_batch_has(c, i) || c->batch[i]->kind != MAAS_BATCH_FREE)
            continue;
        if (c->in[i]->rank < 0)
            return "the rank of an input is not known";
        int here = at - (rank - c->in[i]->rank);

        if (here >= 0 && c->in[i]->dims[here] != 1)
            return "it joins the rows with something that stands in the place of the batch axis";
    }
    for (int o = 0; o < c->n_out; o++)
        maas_batch_set_rows(c, o, at, found);
    return NULL;
}

const char *maas_batch_outside(MaasBatchCtx *c, uint32_t axes)
{
    if (!maas_batch_any_rows(c))
        return maas_batch_no_rows(c);
    if (!maas_batch_rows(c, 0))
        return "the rows are not its first input";
    if (c->batch[0]->pad)
        return "its input is padded to the longest row of the batch";
    for (int i = 1; i < c->n_in; i++)
        if (!maas_batch_free(c, i))
            return "more than its first input depends on the batch";
    if (axes >> c->batch[0]->axis & 1)
        return "it works along the batch axis";
    for (int o = 0; o < c->n_out; o++)
        maas_batch_set_rows(c, o, c->batch[0]->axis, c->batch[0]);
    return NULL;
}

const char *maas_batch_each(MaasBatchCtx *c)
{
    return maas_batch_outside(c, 0);
}

const char *maas_batch_first(MaasBatchCtx *c)
{
    return maas_batch_outside(c, ~(uint32_t)1);
}

const char *maas_batch_table(MaasBatchCtx *c)
{
    if (maas_batch_rows(c, 0) && c->in[0]->rank != 2)
        return "it takes its input for one row of features";
    return maas_batch_first(c);
}

const char *maas_batch_along_axis(MaasBatchCtx *c)
{
    return maas_batch_outside(c, (uint32_t)1 << maas_batch_axis_attr(c, "axis", c->in[0]->rank));
}

const char *maas_batch_from_axis(MaasBatchCtx *c)
{
    return maas_batch_outside(c, ~(uint32_t)0 << maas_batch_axis_attr(c, "axis", c->in[0]->rank));
}

const char *maas_batch_along_axes(MaasBatchCtx *c)
{
    const MaasAttr *axes = maas_batch_attr(c, "axes");
    uint32_t mask = axes->n > 0 ? 0 : ~(uint32_t)0;

    for (int64_t i = 0; i < axes->n; i++)
        mask |= c->in[0]->rank > 0 ? (uint32_t)1 << maas_axis(axes->ints[i], c->in[0]->rank) : 0;
    return maas_batch_outside(c, mask);
}

const char *maas_batch_along_input(MaasBatchCtx *c)
{
    int64_t axis[MAAS_MAX_SIZES];
    int n;

    if (!maas_batch_content(c, 1, &n, axis) || n != 1 || !maas_size_is_number(axis[0]) || c->in[0]->rank < 1)
        return "the axis that it works along is not known";
    return maas_batch_outside(c, (uint32_t)1 << maas_axis(axis[0], c->in[0]->rank));
}

const char *maas_batch_last_two(MaasBatchCtx *c)
{
    int rank = c->in[0]->rank;

    return maas_batch_outside(c, rank < 2 ? ~(uint32_t)0 : (uint32_t)3 << (rank - 2));
}
