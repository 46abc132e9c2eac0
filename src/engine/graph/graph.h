/*
 * graph.h - the ONNX graph in memory.
 *
 * Values are numbered within their graph.  A value is given by the caller (a
 * graph input), constant (an initialiser or a folded node), made by a node, or
 * captured from the enclosing graph (subgraphs of If, Loop, Scan).  Everything
 * lives in the arena of the model and is read-only once the model is loaded,
 * so that any number of runs may share it.
 */
#ifndef MAAS_GRAPH_GRAPH_H
#define MAAS_GRAPH_GRAPH_H

#include "../op/op.h"

#define MAAS_MAX_GRAPH_DEPTH 32 /* nesting of subgraphs and of function calls */

typedef enum MaasValueRole {
    MAAS_ROLE_INPUT, /* bound by the caller; constant, too, when it has a default */
    MAAS_ROLE_CONSTANT,
    MAAS_ROLE_NODE,
    MAAS_ROLE_CAPTURED,
    MAAS_ROLE_PARAMETER /* held by the model like a constant, but changed between runs: what training writes.  Its
                           shape counts, its content is never folded or prepared */
} MaasValueRole;

typedef struct MaasEdge {
    const char *name;
    MaasValueRole role;
    MaasInfo info;       /* what the model declares, merged with what inference finds */
    bool declared;       /* the model states info */
    MaasValue *constant; /* CONSTANT (NULL when nobody reads it), PARAMETER, default of an INPUT; else NULL */
    int outer;           /* CAPTURED: the value's number in graph->parent */
    int producer;        /* NODE: index of the node; else -1 */
    int uses;            /* CONSTANT: reads of its content while running, counted by prepare.h */
} MaasEdge;

struct MaasNode {
    const MaasOp *op;   /* NULL until resolved */
    const char *domain; /* "" for ai.onnx */
    const char *op_type;
    const char *name; /* may be "" */
    int n_in, n_out;
    int *in; /* edge numbers; MAAS_NO_VALUE for an absent optional one */
    int *out;
    int n_raw;
    MaasAttr *raw;   /* as the model gave them */
    MaasAttr *attrs; /* in the order of op->attrs, as many as the record has */
    void *state;     /* made by op->prepare */
    size_t state_bytes;
    uint32_t forgets; /* bit i: compute does not read the content of input i, see maas_forget */
};

struct MaasGraph {
    const char *name;
    MaasGraph *parent; /* NULL for the main graph */
    MaasArena *arena;  /* of the model */
    int depth;
    int n_edges, cap_edges;
    MaasEdge *edges;
    int n_nodes, cap_nodes;
    MaasNode *nodes; /* in topological order once loaded */
    int n_inputs, n_outputs;
    int *inputs; /* edges; for the main graph: those without an initialiser first in the model's order */
    int *outputs;
    int *last_use; /* per edge: index of the last node that reads it, n_nodes for outputs; set by finish */
};

/* Whether the graph itself holds the edge's value. */
static inline bool maas_edge_held(const MaasEdge *edge)
{
    return edge->role == MAAS_ROLE_CONSTANT || edge->role == MAAS_ROLE_PARAMETER;
}

/* Names of symbolic dimensions, shared by all graphs of a model: dims value -2 - i is names[i]. */
typedef struct MaasSymbols {
    int n, cap;
    const char **names; /* NULL for one that inference made up */
} MaasSymbols;

/* An empty graph; parent NULL for the main graph.  Fails where subgraphs are nested too deep. */
MaasStatus maas_graph_new(MaasArena *arena, MaasGraph *parent, const char *name, MaasGraph **out, MaasError *err);
/* The number of the edge of this name, or MAAS_NO_VALUE; a linear search. */
int maas_graph_find_edge(const MaasGraph *graph, const char *name);
/* Adds an edge; *out gets its number. */
MaasStatus maas_graph_add_edge(MaasGraph *graph, const char *name, MaasValueRole role, int *out, MaasError *err);
/* Adds a node with room for n_in inputs and n_out outputs, all absent. */
MaasStatus maas_graph_add_node(MaasGraph *graph, const char *domain, const char *op_type, const char *name,
                               int n_in, int n_out, MaasNode **out, MaasError *err);
/* Adds a constant edge; takes over the reference. */
MaasStatus maas_graph_add_constant(MaasGraph *graph, const char *name, MaasValue *value, int *out, MaasError *err);
/* A constant tensor becomes a parameter, before anything is folded. */
MaasStatus maas_graph_set_parameter(MaasGraph *graph, int edge, MaasError *err);
/* The number of a symbol, adding it when it is new; a NULL name always makes a new one. */
MaasStatus maas_symbol(MaasSymbols *symbols, MaasArena *arena, const char *name, int64_t *dim, MaasError *err);
/* A symbol that is known to be new. */
MaasStatus maas_symbol_add(MaasSymbols *symbols, MaasArena *arena, const char *name, int64_t *dim, MaasError *err);

#endif
