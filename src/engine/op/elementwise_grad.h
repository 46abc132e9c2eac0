/*
 * elementwise_grad.h - gradients that many elementwise operators share.
 */
#ifndef MAAS_OP_ELEMENTWISE_GRAD_H
#define MAAS_OP_ELEMENTWISE_GRAD_H

#include "../kernel/elementwise.h"
#include "grad.h"

/* For a node that computes y = op(x) with parameters p0 and p1. */
void maas_grad_unary(MaasGrad *g, MaasUnary op, float p0, float p1);
/* dx of input i, which has the shape of output 0 and broadcasts from the input's. */
void maas_grad_give_summed(MaasGrad *g, int i, int edge);
/* Input 1 of an operator with MAAS_OLD_AXIS under the shape that it broadcasts with, and the way back. */
int maas_grad_second(MaasGrad *g);
void maas_grad_give_second(MaasGrad *g, int second, int edge);

/* For an extreme y of parts of input 0, y and dy broadcasting to it: dy goes in equal parts to the elements that
 * equal y. */
void maas_grad_give_extreme(MaasGrad *g, int y, int dy);

/* One element: the bound that an input or else an old attribute gives, or the end of the type's range. */
void maas_clip_bound(const MaasTensor *bound, const MaasAttr *old, bool low, MaasType type, uint64_t *element);

#endif
