/*
 * stack.c - parts of tensors at fixed places of some axes, lists of values.
 *
 * Lists own their arrays and references; everything else belongs to the caller.
 */
#include <string.h>

#include "move.h"
#include "stack.h"

/* The axes of t that are not fixed, as a copy between t's memory and a dense one; *offset: of the fixed places. */
static MaasMove part_of(const MaasTensor *t, int n, const int *axes, const int64_t *at, int64_t *offset)
{
    MaasMove m = {.size = maas_type_size(t->type)};
    int64_t steps[MAAS_MAX_RANK];

    *offset = 0;
    maas_row_major(t->rank, t->dims, steps);
    for (int i = 0; i < t->rank; i++) {
        bool fixed = false;

        for (int k = 0; k < n; k++) {
            if (axes[k] != i)
                continue;
            fixed = true;
            *offset += at[k] * steps[i];
        }
        if (fixed)
            continue;
        m.dims[m.rank] = t->dims[i];
        m.src_step[m.rank++] = steps[i];
    }
    maas_row_major(m.rank, m.dims, m.dst_step);
    return m;
}

MaasStatus maas_take(MaasCtx *c, const MaasTensor *t, int n, const int *axes, const int64_t *at, MaasValue **out)
{
    int64_t offset;
    MaasMove m = part_of(t, n, axes, at, &offset);

    MAAS_TRY(maas_value_new_tensor(maas_run_mem(c), t->type, m.rank, m.dims, out, c->err));
    if ((*out)->tensor.count == 0)
        return MAAS_OK;
    m.src = (const char *)t->data + (size_t)offset * m.size;
    m.dst = (*out)->tensor.data;
    MaasStatus status = maas_move(c, &m);

    if (status != MAAS_OK) {
        maas_value_unref(*out);
        *out = NULL;
    }
    return status;
}

MaasStatus maas_place(MaasCtx *c, MaasTensor *t, int n, const int *axes, const int64_t *at, const MaasTensor *item)
{
    int64_t offset;
    MaasMove m = part_of(t, n, axes, at, &offset);

    if (item->count == 0)
        return MAAS_OK;
    for (int i = 0; i < m.rank; i++) {
        int64_t step = m.src_step[i];

        m.src_step[i] = m.dst_step[i];
        m.dst_step[i] = step;
    }
    m.src = item->data;
    m.dst = (char *)t->data + (size_t)offset * m.size;
    return maas_move(c, &m);
}

MaasStatus maas_list_push(MaasList *list, MaasValue *value, MaasError *err)
{
    if (list->n == list->cap) {
        int64_t cap = list->cap ? 2 * list->cap : 16;
        MaasValue **items = maas_realloc(list->mem, list->items, (size_t)cap * sizeof *items, err);

        if (!items) {
            maas_value_unref(value);
            return err->status;
        }
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = value;
    return MAAS_OK;
}

void maas_list_free(MaasList *list)
{
    for (int64_t i = 0; i < list->n; i++)
        maas_value_unref(list->items[i]);
    maas_free(list->mem, list->items);
    *list = (MaasList){.mem = list->mem};
}

/* Type and shape that all tensors of the list have. */
static MaasStatus common_shape(MaasCtx *c, int i, const MaasList *list, MaasType *type, int *rank, int64_t *dims)
{
    const MaasTensor *first = &list->items[0]->tensor;

    for (int64_t k = 0; k < list->n; k++) {
        const MaasTensor *t = &list->items[k]->tensor;

        if (list->items[k]->kind != MAAS_KIND_TENSOR)
            return maas_node_fail(c, MAAS_ERR_TYPE, "output %d gathers values that are not tensors", i);
        if (t->type != first->type || t->rank != first->rank ||
            memcmp(t->dims, first->dims, (size_t)t->rank * sizeof *t->dims) != 0) {
            char a[128], b[128];

            return maas_node_fail(c, MAAS_ERR_SHAPE,
                                  "output %d gathers tensors of different shapes: %s first, %s in iteration %lld",
                                  i, maas_dims_text(first->rank, first->dims, NULL, a, sizeof a),
                                  maas_dims_text(t->rank, t->dims, NULL, b, sizeof b), (long long)k);
        }
    }
    *type = first->type;
    *rank = first->rank;
    memcpy(dims, first->dims, (size_t)first->rank * sizeof *dims);
    return MAAS_OK;
}

MaasStatus maas_stack_out(MaasCtx *c, int i, const MaasList *list, int64_t axis, bool reverse, const MaasInfo *elem)
{
    int64_t dims[MAAS_MAX_RANK + 1];
    MaasTensor *out;
    MaasType type = MAAS_UNDEFINED;
    int rank = 0, at_axis;

    if (!maas_has_out(c, i))
        return MAAS_OK;
    if (list->n > 0) {
        MAAS_TRY(common_shape(c, i, list, &type, &rank, dims));
    } else {
        type = elem->type;
        rank = elem->rank < 0 ? 0 : elem->rank;
        for (int d = 0; d < rank; d++)
            dims[d] = elem->dims[d] < 0 ? 0 : elem->dims[d];
    }
    if (rank + 1 > MAAS_MAX_RANK)
        return maas_node_fail(c, MAAS_ERR_LIMIT, "output %d would have rank %d", i, rank + 1);
    at_axis = (int)(axis < 0 ? axis + rank + 1 : axis);
    if (at_axis < 0 || at_axis > rank)
        return maas_node_fail(c, MAAS_ERR_VALUE, "axis %lld is out of range for output %d of rank %d",
                              (long long)axis, i, rank + 1);
    memmove(dims + at_axis + 1, dims + at_axis, (size_t)(rank - at_axis) * sizeof *dims);
    dims[at_axis] = list->n;
    MAAS_TRY(maas_out_new(c, i, type, rank + 1, dims, &out));
    for (int64_t k = 0; k < list->n; k++) {
        int64_t at = reverse ? list->n - 1 - k : k;

        MAAS_TRY(maas_place(c, out, 1, &at_axis, &at, &list->items[k]->tensor));
    }
    return MAAS_OK;
}
