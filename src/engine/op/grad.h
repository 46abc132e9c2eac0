/*
 * grad.h - what an operator's grad function may do: read its node's edges and append nodes that compute gradients.
 *
 * A grad function is called once for a node whose outputs have gradients.  It reads like the formula: every helper
 * gives the number of an edge, and after a failure they all do nothing, so nothing need be checked in between:
 *
 *     static void grad_tan(MaasGrad *g)       dx = dy * (1 + y^2)
 *     {
 *         int y = maas_grad_out(g, 0);
 *         maas_grad_give(g, 0, maas_grad_mul(g, maas_grad_dy(g, 0), ...));
 *     }
 *
 * Sizes are mostly unknown here: batch and sequence are free.  So a gradient is brought to a shape with the shape
 * as an operand (maas_grad_shape), which the plan folds.  transform/differentiate.c implements this.
 */
#ifndef MAAS_OP_GRAD_H
#define MAAS_OP_GRAD_H

#include "op.h"

/* ---- the node ---- */

const MaasAttr *maas_grad_attrs(const MaasGrad *g); /* in the order of the record */
int maas_grad_n_in(const MaasGrad *g);
int maas_grad_n_out(const MaasGrad *g);
/* Input i, or MAAS_NO_VALUE. */
int maas_grad_in(const MaasGrad *g, int i);
/* Output i; where the model does not name it, the node computes it from now on (masks, statistics, states). */
int maas_grad_out(MaasGrad *g, int i);
/* The gradient of output i, or MAAS_NO_VALUE when the loss does not depend on it. */
int maas_grad_dy(const MaasGrad *g, int i);
/* Whether the gradient of input i is wanted. */
bool maas_grad_wants(const MaasGrad *g, int i);
/* Adds to the gradient of input i, whose shape the edge must have.  Passed over where it is not wanted. */
void maas_grad_give(MaasGrad *g, int i, int edge);
/* What is known of an edge of the forward pass. */
const MaasInfo *maas_grad_info(const MaasGrad *g, int edge);
/* Records that this form of the operator has no gradient ("mode reflect"). */
void maas_grad_refuse(MaasGrad *g, const char *format, ...) __attribute__((format(printf, 2, 3), cold));

/* ---- building ---- */

/* Appends a node and gives its output 0. */
int maas_grad_node(MaasGrad *g, const char *op, int n_in, const int *in);
#define MAAS_GRAD(g, op, ...)                                                                                      \
    maas_grad_node(g, op, (int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__})
/* The same for a node of n_out outputs; those whose place in out is MAAS_NO_VALUE in advance are left out. */
void maas_grad_nodes(MaasGrad *g, const char *op, int n_in, const int *in, int n_out, int *out);
/* Prepares such a list: output i is made when the gradient of input inputs[i] is wanted. */
void maas_grad_ask(const MaasGrad *g, int n, const int *inputs, int *out);
/* Set an attribute of the node that was appended last. */
void maas_grad_set_int(MaasGrad *g, const char *name, int64_t value);
void maas_grad_set_float(MaasGrad *g, const char *name, float value);
void maas_grad_set_text(MaasGrad *g, const char *name, const char *value);
void maas_grad_set_ints(MaasGrad *g, const char *name, int64_t n, const int64_t *values);
/* It takes over attributes [from, to) of the forward node: those have the same names. */
void maas_grad_copy_attrs(MaasGrad *g, int from, int to);

/* ---- operands ---- */

/* A scalar of the type of an edge. */
int maas_grad_number(MaasGrad *g, int like, double value);
/* A constant vector of int64. */
int maas_grad_ints(MaasGrad *g, int64_t n, const int64_t *values);
/* The shape of an edge as a vector of int64. */
int maas_grad_shape(MaasGrad *g, int edge);
/* Elements of the edge `of`, as a scalar of the type of `like`. */
int maas_grad_count(MaasGrad *g, int of, int like);
/* Zeros with the shape and type of an edge. */
int maas_grad_zeros(MaasGrad *g, int like);

/* ---- formulas ---- */

int maas_grad_mul(MaasGrad *g, int a, int b);
int maas_grad_div(MaasGrad *g, int a, int b);
int maas_grad_neg(MaasGrad *g, int a);
/* x, which has the shape of edge `from`, summed to the shape of `to`, which broadcasts to it. */
int maas_grad_sum_to(MaasGrad *g, int x, int from, int to);
/* x under the shape of `to`, which has as many elements. */
int maas_grad_reshape(MaasGrad *g, int x, int to);
/* x broadcast to the shape of `to`. */
int maas_grad_expand(MaasGrad *g, int x, int to);
/* Whether two edges have the same shape whatever the free sizes are. */
bool maas_grad_same_shape(const MaasGrad *g, int a, int b);

#endif
