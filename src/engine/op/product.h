/*
 * product.h - matrix products inside operators: any size, stoppable, in either floating type; and the broadcasting
 * of numpy's matmul.
 */
#ifndef MAAS_OP_PRODUCT_H
#define MAAS_OP_PRODUCT_H

#include "../kernel/linear.h"
#include "op.h"

/*
 * C (m, n) = alpha * op(A) (m, k) * op(B) (k, n) + beta * C of type MAAS_FLOAT or MAAS_DOUBLE, as in
 * kernel/blas.h, in pieces between which the stop flag is polled.  By the kernels of kernel/linear.h where they are
 * known to be faster, on the threads of this run then.
 */
MaasStatus maas_product(MaasCtx *c, MaasType type, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha,
                        const void *a, int64_t lda, const void *b, int64_t ldb, double beta, void *out,
                        int64_t ldc);

/* The product l, whole, on the threads of this run, in pieces between which the stop flag is polled. */
MaasStatus maas_linear(MaasCtx *c, const MaasLinear *l);

/* Whether a product of this size is one piece: over before anybody would wait for the stop flag. */
bool maas_product_is_piece(int64_t m, int64_t n, int64_t k);

/* A stack of products: A (..., m, k) times B (..., k, n), the leading dimensions broadcast. */
typedef struct MaasStack {
    int64_t m, n, k;
    int rank;                      /* of the leading dimensions */
    int64_t dims[MAAS_MAX_RANK];   /* theirs, broadcast */
    int64_t a_step[MAAS_MAX_RANK]; /* matrices to go in A for a step along a leading dimension; 0: broadcast */
    int64_t b_step[MAAS_MAX_RANK];
    int64_t count; /* of products */
} MaasStack;

/* Output 0 gets the shape of matmul(input ia, input ib). */
MaasStatus maas_stack_infer(MaasInferCtx *c, int ia, int ib, MaasType type);
/* The stack for shapes that infer accepted.  Folds the leading dimensions into m where B is one matrix. */
void maas_stack_plan(const MaasTensor *a, const MaasTensor *b, bool fold, MaasStack *stack);
/* Which matrices of A and B product i multiplies. */
void maas_stack_at(const MaasStack *stack, int64_t i, int64_t *a, int64_t *b);
/* 2 m n k over all products, for cost functions. */
double maas_stack_cost(const MaasInferCtx *c, int ia, int ib);

#endif
