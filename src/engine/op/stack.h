/*
 * stack.h - parts of tensors at fixed places of some axes: how loops take their input apart and put their output
 * together.
 */
#ifndef MAAS_OP_STACK_H
#define MAAS_OP_STACK_H

#include "op.h"

/* *out: a copy of what t holds where axes[k] stands at at[k], for k < n; those axes are gone from it. */
MaasStatus maas_take(MaasCtx *c, const MaasTensor *t, int n, const int *axes, const int64_t *at, MaasValue **out);
/* The inverse: copies item to where axes[k] of t stands at at[k]. */
MaasStatus maas_place(MaasCtx *c, MaasTensor *t, int n, const int *axes, const int64_t *at, const MaasTensor *item);

/* A growing list of values; holds a reference to each. */
typedef struct MaasList {
    MaasMem *mem;
    int64_t n, cap;
    MaasValue **items;
} MaasList;

/* Takes over the reference, on failure too. */
MaasStatus maas_list_push(MaasList *list, MaasValue *value, MaasError *err);
void maas_list_free(MaasList *list);

/* Output i (if asked for) = the tensors of the list, which must agree in type and shape, joined along a new axis,
 * the first one first, or last when reverse.  elem says type and shape when the list is empty. */
MaasStatus maas_stack_out(MaasCtx *c, int i, const MaasList *list, int64_t axis, bool reverse,
                          const MaasInfo *elem);

#endif
