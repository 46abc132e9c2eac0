/*
 * matmul_grad.c - the gradients of MatMul: dA = dY B', dB = A' dY, summed where an operand was broadcast.
 *
 * Where one matrix B serves a whole stack, its gradient is one product over all rows of the stack.
 */
#include <string.h>

#include "expect.h"
#include "product.h"

enum { SIDE }; /* of the operand whose gradient it is: 0 left, 1 right */

static MaasStatus infer_matmul_grad(MaasInferCtx *c)
{
    return maas_infer_shaped(c, 2);
}

static double cost_matmul_grad(const MaasInferCtx *c)
{
    const MaasInfo *dy = c->in[0];
    double cost = 2;

    for (int d = 0; d < dy->rank; d++)
        cost *= maas_dim_cost(dy->dims[d]);
    if (c->in[1]->rank > 0) /* columns of the left operand or of the right one, transposed */
        cost *= maas_dim_cost(
            c->in[1]->dims[c->attr[SIDE].i || c->in[1]->rank < 2 ? c->in[1]->rank - 1 : c->in[1]->rank - 2]);
    return cost;
}

static MaasStatus compute_matmul_grad(MaasCtx *c)
{
    bool right = c->attr[SIDE].i != 0;
    const MaasTensor *dy = maas_in(c, 0), *other = maas_in(c, 1);
    MaasTensor *dx = maas_out(c, 0);
    const MaasTensor *a = right ? other : dx, *b = right ? dx : other;
    size_t size = maas_type_size(dy->type);
    MaasStack s;

    if (dx->count == 0)
        return MAAS_OK;
    maas_stack_plan(a, b, true, &s);
    if (dy->count == 0 || other->count == 0 || s.count == 0) {
        memset(dx->data, 0, maas_tensor_bytes(dx));
        return MAAS_OK;
    }
    /* a broadcast operand gathers several products */
    bool repeats = s.count * (right ? s.k * s.n : s.m * s.k) != dx->count;

    if (repeats)
        memset(dx->data, 0, maas_tensor_bytes(dx));
    for (int64_t i = 0; i < s.count; i++) {
        int64_t ai, bi;
        double beta = repeats ? 1 : 0;
        const char *g = (const char *)dy->data + (size_t)(i * s.m * s.n) * size;

        maas_stack_at(&s, i, &ai, &bi);
        char *ap = (char *)a->data + (size_t)(ai * s.m * s.k) * size;
        char *bp = (char *)b->data + (size_t)(bi * s.k * s.n) * size;

        if (right)
            MAAS_TRY(maas_product(c, dy->type, true, false, s.k, s.n, s.m, 1, ap, s.k, g, s.n, beta, bp, s.n));
        else
            MAAS_TRY(maas_product(c, dy->type, false, true, s.m, s.k, s.n, 1, g, s.n, bp, s.n, beta, ap, s.k));
    }
    return MAAS_OK;
}

const MaasOp maas_op_matmul_grad = {
    .domain = "maas",
    .name = "MatMulGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", MAAS_T_FLOATS, 'T', 0}, {"other", MAAS_T_FLOATS, 'T', 0}, {"shape", MAAS_T_I64, 0, 0}},
    .out = {{"dX", MAAS_T_FLOATS, 'T', 0}},
    .attrs = {[SIDE] = {"side", MAAS_ATTR_INT}},
    .infer = infer_matmul_grad,
    .compute = compute_matmul_grad,
    .cost = cost_matmul_grad,
};
