/*
 * batch_number.c - numbers of rows: arange(N), and picking with them.
 *
 * Exporters write x[arange(N), i] for "entry i of each row", and a mask of attention as mask[arange(N), arange(S)]
 * on axes that broadcast.  What arange(N) holds at n is n, so it is NUMBERED, as is all that is computed of it;
 * when its content picks on the batch axis, place n gets what belongs to row n, and the result holds ROWS again.
 */
#include <string.h>

#include "batch.h"

/* Whether the rows of input i are those of axis 0, as they came. */
static bool holds_rows_first(const MaasBatchCtx *c, int i)
{
    const MaasBatch *b = c->batch[i];

    return maas_batch_rows(c, i) && b->axis == 0 && b->outer == 1 && b->inner == 1 && !b->pad;
}

static bool is_operator(const MaasBatchCtx *c, const char *name)
{
    return strcmp(c->op->name, name) == 0 && (!c->op->domain || !*c->op->domain);
}

/* The content of input i where it is one size; else UNKNOWN. */
static int64_t one_size(const MaasBatchCtx *c, int i)
{
    int64_t sizes[MAAS_MAX_SIZES];
    int n;

    return maas_batch_content(c, i, &n, sizes) && n == 1 ? sizes[0] : MAAS_SIZE_UNKNOWN;
}

/* Range: 0, 1, ... up to a size; the rows' numbers when the size is N. */
const char *maas_batch_range(MaasBatchCtx *c)
{
    int64_t limit = one_size(c, 1);

    if (one_size(c, 0) != 0 || one_size(c, 2) != 1 || !maas_size_at_least(limit, 0))
        return maas_batch_no_rows(c);
    if (!c->out[0])
        return NULL;
    c->out[0]->dims[0] = limit;
    if (!maas_size_of_batch(c, limit)) {
        maas_batch_set_free(c);
        return NULL;
    }
    if (limit != MAAS_SIZE_BATCH)
        return "it counts something else than the rows";
    maas_batch_set_rows(c, 0, 0, &(MaasBatch){.outer = 1, .inner = 1});
    c->result[0]->kind = MAAS_BATCH_NUMBERED;
    c->result[0]->number = MAAS_NUMBER_ALL;
    return NULL;
}

/* Gather on the batch axis with indices of which each is the number of its row. */
static bool gather_own(MaasBatchCtx *c)
{
    if (!holds_rows_first(c, 0) || c->batch[1]->number != MAAS_NUMBER_ALL || c->in[0]->rank < 0 ||
        maas_batch_axis_attr(c, "axis", c->in[0]->rank) != 0)
        return false;
    maas_batch_set_rows(c, 0, c->batch[1]->axis, c->batch[1]);
    return true;
}

/* GatherND with tuples that begin with the number of their row: the rest of each depends on that row at most. */
static bool gather_nd_own(MaasBatchCtx *c)
{
    const MaasBatch *b = c->batch[1];

    if (!holds_rows_first(c, 0) || c->in[1]->rank < 0 || b->axis == c->in[1]->rank - 1 ||
        maas_batch_attr(c, "batch_dims")->i != 0)
        return false;
    if (b->number != MAAS_NUMBER_FIRST && (b->number != MAAS_NUMBER_ALL || c->in[1]->dims[c->in[1]->rank - 1] != 1))
        return false;
    maas_batch_set_rows(c, 0, b->axis, b);
    return true;
}

/* What output 0 still holds of the rows' numbers. */
static MaasBatchNumber number_left(const MaasBatchCtx *c, const MaasBatch *const *batch)
{
    static const char *const movers[] = {"Unsqueeze", "Squeeze", "Expand", "Reshape", "Flatten", "Transpose"};

    if (!batch[0])
        return MAAS_NUMBER_NONE;
    if (is_operator(c, "Identity") || (is_operator(c, "Cast") && maas_type_in(c->out[0]->type, MAAS_T_INDEX)))
        return batch[0]->number;
    if (batch[0]->number != MAAS_NUMBER_ALL)
        return MAAS_NUMBER_NONE;
    for (size_t i = 0; i < sizeof movers / sizeof *movers; i++)
        if (is_operator(c, movers[i]))
            return MAAS_NUMBER_ALL;
    if (is_operator(c, "Concat") && maas_batch_axis_attr(c, "axis", c->in[0]->rank) == c->in[0]->rank - 1 &&
        c->in[0]->dims[c->in[0]->rank - 1] == 1) {
        for (int i = 1; i < c->n_in; i++)
            if (batch[i]->kind == MAAS_BATCH_NUMBERED)
                return MAAS_NUMBER_NONE;
        return MAAS_NUMBER_FIRST;
    }
    return MAAS_NUMBER_NONE;
}

const char *maas_batch_numbered(MaasBatchCtx *c)
{
    const MaasBatch *const *batch = c->batch;
    size_t n = (size_t)c->n_in;

    if (!c->op->batch)
        return "nothing is known of what it does to the numbers of the rows";
    if ((is_operator(c, "Gather") && gather_own(c)) || (is_operator(c, "GatherND") && gather_nd_own(c)))
        return NULL;
    MaasBatch *as_rows = maas_arena_array(c->arena, n, sizeof *as_rows, c->err);
    const MaasBatch **seen = maas_arena_array(c->arena, n, sizeof *seen, c->err);

    if (!as_rows || !seen) {
        c->status = c->err->status;
        return "";
    }
    for (size_t i = 0; i < n; i++) {
        seen[i] = batch[i];
        if (!batch[i] || batch[i]->kind != MAAS_BATCH_NUMBERED)
            continue;
        as_rows[i] = *batch[i];
        as_rows[i].kind = MAAS_BATCH_ROWS;
        as_rows[i].number = MAAS_NUMBER_NONE;
        seen[i] = &as_rows[i];
    }
    c->batch = seen;
    const char *why = c->op->batch(c);

    c->batch = batch;
    for (int o = 0; o < c->n_out && !why; o++)
        if (c->result[o] && c->result[o]->kind == MAAS_BATCH_ROWS) {
            c->result[o]->kind = MAAS_BATCH_NUMBERED;
            c->result[o]->number = o == 0 && c->out[0] ? number_left(c, batch) : MAAS_NUMBER_NONE;
        }
    return why;
}
