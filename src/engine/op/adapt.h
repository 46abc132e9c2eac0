/*
 * adapt.h - what an operator's adapt function may do to a node of an older opset.
 *
 * The node still has its attributes as the model gave them.  Memory comes from
 * the graph's arena.
 */
#ifndef MAAS_OP_ADAPT_H
#define MAAS_OP_ADAPT_H

#include "op.h"

/* The attribute of this name as the model gave it, or NULL. */
MaasAttr *maas_adapt_attr(MaasNode *node, const char *name);
/* Removes the attribute if it is there. */
void maas_adapt_drop_attr(MaasNode *node, const char *name);
void maas_adapt_rename_attr(MaasNode *node, const char *from, const char *to);
MaasStatus maas_adapt_set_int(MaasGraph *graph, MaasNode *node, const char *name, int64_t value, MaasError *err);
MaasStatus maas_adapt_set_float(MaasGraph *graph, MaasNode *node, const char *name, float value, MaasError *err);
MaasStatus maas_adapt_set_string(MaasGraph *graph, MaasNode *node, const char *name, const char *value,
                                 MaasError *err);
/* Number of inputs that the model gives; whether input i is present. */
int maas_adapt_n_inputs(const MaasNode *node);
bool maas_adapt_has_input(const MaasNode *node, int i);
bool maas_adapt_has_output(const MaasNode *node, int i); /* whether the model names output i */
/* Input i becomes a new constant (the list of inputs grows with absent ones as needed). */
MaasStatus maas_adapt_input_ints(MaasGraph *graph, MaasNode *node, int i, MaasType type, int rank, int64_t n,
                                 const int64_t *values, MaasError *err);
MaasStatus maas_adapt_input_floats(MaasGraph *graph, MaasNode *node, int i, MaasType type, int rank, int64_t n,
                                   const float *values, MaasError *err);
/* Opens an absent place at input i: later inputs move up.  Takes input i out: later ones move down. */
MaasStatus maas_adapt_insert_input(MaasGraph *graph, MaasNode *node, int i, MaasError *err);
void maas_adapt_drop_input(MaasNode *node, int i);
/* Moves attribute `name` (ints, int, floats or float; if given) to input i as a constant int64 or float tensor
 * (rank 1 for lists, 0 otherwise) and drops the attribute. */
MaasStatus maas_adapt_attr_to_input(MaasGraph *graph, MaasNode *node, const char *name, int i, MaasError *err);
/* The content of input i when it is a constant of the graph; else NULL. */
const MaasTensor *maas_adapt_constant(const MaasGraph *graph, const MaasNode *node, int i);
/* The node becomes an operator of another name (same domain, newest form); its adapt is not called again. */
MaasStatus maas_adapt_become(MaasGraph *graph, MaasNode *node, const char *name, MaasError *err);
MaasStatus maas_adapt_fail(const MaasNode *node, MaasError *err, MaasStatus status, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

#endif
