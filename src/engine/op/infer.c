/*
 * infer.c - what the operators' infer functions share: failures that name the node, broadcasting, axes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "infer.h"
#include "op.h"

MaasStatus maas_node_vfail(const MaasNode *node, MaasError *err, MaasStatus status, const char *format,
                           va_list args)
{
    char text[sizeof err->message];

    vsnprintf(text, sizeof text, format, args);
    const MaasNodeName name = maas_node_name(node);
    if (*name.node)
        return maas_fail(err, status, "%s (node \"%.200s\"): %s", name.op, name.node, text);
    return maas_fail(err, status, "%s: %s", name.op, text);
}

MaasStatus maas_infer_fail(const MaasInferCtx *c, MaasStatus status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    maas_node_vfail(c->node, c->err, status, format, args);
    va_end(args);
    return status;
}

const MaasTensor *maas_known(const MaasInferCtx *c, int i)
{
    return i < c->n_in && c->in[i] ? c->in[i]->value : NULL;
}

int64_t maas_known_int(const MaasTensor *t, int64_t index)
{
    return t->type == MAAS_INT32 ? MAAS_I32(t)[index] : MAAS_I64(t)[index];
}

MaasStatus maas_infer_out(MaasInferCtx *c, int i, MaasType type, int rank, const int64_t *dims)
{
    if (i >= c->n_out || !c->out[i])
        return MAAS_OK;
    MaasInfo *out = c->out[i];

    if (rank > MAAS_MAX_RANK)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "output %d has rank %d, at most %d is possible", i, rank,
                               MAAS_MAX_RANK);
    out->kind = MAAS_KIND_TENSOR;
    if (type != MAAS_UNDEFINED)
        out->type = type;
    out->rank = rank;
    for (int d = 0; d < rank; d++)
        out->dims[d] = dims[d];
    return MAAS_OK;
}

MaasStatus maas_infer_same(MaasInferCtx *c)
{
    return maas_infer_out(c, 0, MAAS_UNDEFINED, c->in[0]->rank, c->in[0]->dims);
}

MaasStatus maas_infer_broadcast_dims(MaasInferCtx *c, int *rank, int64_t *dims, int b_rank, const int64_t *b_dims)
{
    int64_t merged[MAAS_MAX_RANK];

    if (*rank < 0 || b_rank < 0) {
        *rank = -1;
        return MAAS_OK;
    }
    int n = *rank > b_rank ? *rank : b_rank;

    for (int d = 1; d <= n; d++) { /* from the right */
        int64_t x = d <= *rank ? dims[*rank - d] : 1, y = d <= b_rank ? b_dims[b_rank - d] : 1, z;

        if (x == y || y == 1)
            z = x;
        else if (x == 1)
            z = y;
        else if (x >= 0 && y >= 0) {
            char left[256], right[256];

            return maas_infer_fail(c, MAAS_ERR_SHAPE, "shapes %s and %s do not broadcast",
                                   maas_dims_text(*rank, dims, NULL, left, sizeof left),
                                   maas_dims_text(b_rank, b_dims, NULL, right, sizeof right));
        } else if (x >= 0) /* a size above 1 against a free one: the free one must be it, or 1 */
            z = x;
        else if (y >= 0)
            z = y;
        else
            z = MAAS_DIM_ANY;
        merged[n - d] = z;
    }
    memcpy(dims, merged, sizeof *dims * (size_t)n);
    *rank = n;
    return MAAS_OK;
}

MaasStatus maas_infer_broadcast(MaasInferCtx *c)
{
    int rank = 0;
    int64_t dims[MAAS_MAX_RANK];

    for (int i = 0; i < c->n_in; i++)
        if (c->in[i])
            MAAS_TRY(maas_infer_broadcast_dims(c, &rank, dims, c->in[i]->rank, c->in[i]->dims));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

MaasStatus maas_infer_axis(const MaasInferCtx *c, int64_t axis, int rank, int *out)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "axis %lld is outside [%d, %d]", (long long)axis, -rank,
                               rank - 1);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return MAAS_OK;
}
