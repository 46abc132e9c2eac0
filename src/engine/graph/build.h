/*
 * build.h - adding nodes to a graph that is loaded already: passes, losses and gradients use it.
 *
 * A node made here is complete: it has its operator and all attributes, those not set at their defaults.  Its
 * outputs are new, unnamed edges.  Nodes are appended, so the order stays topological.
 */
#ifndef MAAS_GRAPH_BUILD_H
#define MAAS_GRAPH_BUILD_H

#include "graph.h"

/* Adds a node of this operator that reads n_in edges (MAAS_NO_VALUE: absent); out gets n_out new edges. */
MaasStatus maas_build_node(MaasGraph *graph, const MaasOp *op, int n_in, const int *in, int n_out, int *out,
                           MaasError *err);
/* The same by name, "" and "maas" (internal) operators alike. */
MaasStatus maas_build_op(MaasGraph *graph, const char *name, int n_in, const int *in, int n_out, int *out,
                         MaasError *err);

/* Sets an attribute of a node; the name must be one of the operator's.  Text and lists are copied. */
MaasStatus maas_build_int(MaasGraph *graph, int node, const char *name, int64_t value, MaasError *err);
MaasStatus maas_build_float(MaasGraph *graph, int node, const char *name, float value, MaasError *err);
MaasStatus maas_build_text(MaasGraph *graph, int node, const char *name, MaasStr value, MaasError *err);
MaasStatus maas_build_ints(MaasGraph *graph, int node, const char *name, int64_t n, const int64_t *values,
                           MaasError *err);
/* Takes over an attribute of another node as it is. */
MaasStatus maas_build_attr(MaasGraph *graph, int node, const MaasAttr *attr, MaasError *err);

/* Output i of a node as an edge; where the node has none there, it gets a new one. */
MaasStatus maas_build_output(MaasGraph *graph, int node, int i, int *edge, MaasError *err);

/* A scalar of a floating type, and a vector of int64, as constants. */
MaasStatus maas_build_number(MaasGraph *graph, MaasType type, double value, int *edge, MaasError *err);
MaasStatus maas_build_shape(MaasGraph *graph, int64_t n, const int64_t *values, int *edge, MaasError *err);

#endif
