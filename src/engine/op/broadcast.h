/*
 * broadcast.h - running an elementwise kernel over whole tensors: flat, or with arguments that repeat along axes.
 *
 * Work is cut into pieces, which go to the threads of the run and between which the stop flag is seen.
 */
#ifndef MAAS_OP_BROADCAST_H
#define MAAS_OP_BROADCAST_H

#include "../kernel/kernel.h"
#include "op.h"

#define MAAS_BROADCAST_MAX 3

/*
 * Up to three inputs against a dense output.  Axes of size 1 are left out and neighbours merged where every input
 * allows it, so that equal shapes become one long row.  The last two axes are the kernel's rows and columns.
 */
typedef struct MaasBroadcast {
    int n;    /* inputs */
    int rank; /* at least 2 */
    int64_t dims[MAAS_MAX_RANK + 2];
    int64_t steps[MAAS_BROADCAST_MAX][MAAS_MAX_RANK + 2]; /* in elements; 0 where the input repeats */
} MaasBroadcast;

/* in[i] broadcasts to the output's shape, as infer has checked. */
void maas_broadcast_plan(MaasBroadcast *b, int rank, const int64_t *dims, int n, const MaasTensor *const *in);

/* Computes one block: at[i] is the offset in elements of input i, out that of the output, steps: row and column
 * step of each input. */
typedef void (*MaasBlockFn)(void *arg, const int64_t *at, int64_t out, int64_t rows, int64_t cols,
                            const int64_t *steps);

MaasStatus maas_broadcast_run(MaasCtx *c, const MaasBroadcast *b, MaasBlockFn fn, void *arg);

/* out = a op b; a, b of one type. */
MaasStatus maas_binary(MaasCtx *c, MaasBinary op, const MaasTensor *a, const MaasTensor *b, const MaasTensor *out);
/* out = op(x) with parameters p0, p1; equal counts. */
MaasStatus maas_unary(MaasCtx *c, MaasUnary op, const MaasTensor *x, const MaasTensor *out, float p0, float p1);
/* Input 0 -> output 0. */
MaasStatus maas_unary_node(MaasCtx *c, MaasUnary op, float p0, float p1);

/*
 * Operators before opset 7: attribute `broadcast` allowed input 1 to repeat, `axis` told where its first axis
 * falls.  adapt keeps the latter as the internal attribute MAAS_OLD_AXIS, which must be the record's first.
 */
#define MAAS_OLD_AXIS {"maas_axis", MAAS_ATTR_INT, .required = false}

MaasStatus maas_adapt_old_broadcast(MaasGraph *graph, MaasNode *node, int version, MaasError *err);
/* Drops `consumed_inputs`, a hint of opset 1. */
MaasStatus maas_adapt_consumed(MaasGraph *graph, MaasNode *node, int version, MaasError *err);
/* Like maas_infer_broadcast for two inputs, with MAAS_OLD_AXIS in mind. */
MaasStatus maas_infer_binary(MaasInferCtx *c);
/* Input 1, with axes of size 1 added behind as MAAS_OLD_AXIS asks. */
MaasTensor maas_second_operand(const MaasCtx *c);

#endif
