/*
 * onnx_read.h - what the files of ONNX import share; not for others.
 *
 * onnx_import.c  the model: versions, functions, what cannot be run
 * onnx_scope.c   names and what they stand for
 * onnx_graph.c   graphs: inputs, initialisers, outputs, and messages taken apart
 * onnx_order.c   nodes in an order in which each can run
 * onnx_node.c    nodes: operators, constants
 * onnx_call.c    calls of model-local functions
 * onnx_attr.c    attributes
 * onnx_type.c    declared types
 */
#ifndef MAAS_FORMAT_ONNX_READ_H
#define MAAS_FORMAT_ONNX_READ_H

#include "name_map.h"
#include "onnx_import.h"
#include "onnx_tensor.h"

/* ---- messages taken apart ---- */

typedef struct SliceList {
    int n, cap;
    MaasSlice *items;
} SliceList;

typedef struct NodeMsg {
    MaasSlice name, op_type, domain, overload;
    SliceList in, out;
    SliceList attrs; /* AttributeProto messages */
    size_t bytes;    /* of the message */
} NodeMsg;

typedef struct NodeList {
    int n, cap;
    NodeMsg *items;
    int *order; /* set by maas_onnx_order */
} NodeList;

typedef struct GraphMsg {
    MaasSlice name;
    NodeList nodes;
    SliceList inputs, outputs, values; /* ValueInfoProto messages */
    SliceList initializers, sparse;
} GraphMsg;

/* Opset imports of the model or of a function; what a function does not import is looked up in the model's. */
typedef struct Opsets {
    int n;
    const MaasOnnxOpset *list;
    const struct Opsets *outer;
} Opsets;

typedef struct Function {
    MaasSlice name, domain, overload;
    MaasSlice bytes;
    bool parsed; /* what follows is set */
    SliceList in, out;
    SliceList defaults; /* AttributeProto messages */
    NodeList nodes;
    Opsets opsets;
} Function;

/* ---- names ---- */

typedef struct Scope Scope;

/* A call of a model-local function while its body is imported. */
typedef struct Call {
    const Function *function;
    const NodeMsg *node; /* the calling node */
    Scope *caller;
} Call;

/* The names of one graph, or of one function body, which has names of its own but adds to its caller's graph. */
struct Scope {
    MaasGraph *graph;
    Scope *outer;     /* the enclosing scope whose names are seen; NULL for the main graph and function bodies */
    const Call *call; /* the function call that this is in, or NULL */
    const Opsets *opsets;
    MaasNameMap names;
    MaasNameMap declared; /* names -> graph->values of the message */
    const GraphMsg *message;
};

/* ---- the import ---- */

/* An operator of the model: resolved once however many nodes use it. */
typedef struct OpUse {
    const char *domain, *name;
    int64_t version;
    const MaasOp *op;    /* NULL: cannot be run */
    const char *trouble; /* then: why */
    int64_t count;
} OpUse;

typedef struct Import {
    MaasArena *arena; /* of the model */
    MaasArena *temp;  /* freed when import ends */
    MaasMem *mem;
    MaasOnnxModel *model;
    MaasError *err;
    Opsets opsets;
    MaasNameMap symbols;
    MaasNameMap function_names;
    int n_functions;
    Function *functions;
    MaasNameMap use_names;
    int n_uses, cap_uses;
    OpUse *uses;
    int n_bad_types;
    char bad_types[512]; /* types that cannot be run, listed */
    int depth;           /* graphs and calls that are being imported, one inside the other */
    uint64_t expanded;   /* bytes of the messages that calls have copied into their callers */
} Import;

/* onnx_import.c */
MaasStatus maas_onnx_opsets(Import *im, MaasPb pb, uint32_t field, Opsets *out);
/* *out is NULL for a node that calls no function. */
MaasStatus maas_onnx_find_function(Import *im, const NodeMsg *node, Function **out);
void maas_onnx_bad_type(Import *im, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/* Remembers a value that an attribute points to; takes over the reference. */
MaasStatus maas_onnx_keep(Import *im, MaasValue *value);

/* onnx_scope.c */
void maas_onnx_scope(Import *im, Scope *scope, MaasArena *names, MaasGraph *graph, Scope *outer, const Call *call,
                     const Opsets *opsets);
/* The edge of scope->graph that a name stands for, captured from outside if need be.  *edge is MAAS_NO_VALUE for
 * "" and for an input that a function's caller left out; *found is false for a name that nothing defines. */
MaasStatus maas_onnx_resolve(Import *im, Scope *scope, MaasSlice name, int *edge, bool *found);
MaasStatus maas_onnx_define(Import *im, Scope *scope, MaasSlice name, int edge);
/* Gives an edge the type that the model declares under this name, if it does. */
MaasStatus maas_onnx_declare(Import *im, Scope *scope, MaasSlice name, int edge);

/* onnx_graph.c */
MaasStatus maas_onnx_push(Import *im, SliceList *list, MaasSlice item);
MaasStatus maas_onnx_node_message(Import *im, MaasPb pb, NodeList *nodes);
MaasStatus maas_onnx_graph_message(Import *im, MaasPb pb, GraphMsg *graph);
/* Takes a ValueInfoProto apart; *type is empty when it has none. */
MaasStatus maas_onnx_value_message(Import *im, MaasSlice bytes, MaasSlice *name, MaasSlice *type);
/* outer NULL: the main graph. */
MaasStatus maas_onnx_graph(Import *im, MaasSlice bytes, Scope *outer, MaasGraph **out);

/* onnx_order.c: sets nodes->order; `where` names the graph or function. */
MaasStatus maas_onnx_order(Import *im, NodeList *nodes, MaasSlice where);

/* onnx_node.c */
MaasStatus maas_onnx_node(Import *im, Scope *scope, const NodeMsg *node);
MaasStatus maas_onnx_new_node(Import *im, Scope *scope, const NodeMsg *message, MaasSlice op_type, int n_in,
                              int n_out, MaasNode **out);
/* Finds the node's operator, lifts the node to its newest form, checks it and fills in its attributes. */
MaasStatus maas_onnx_finish_node(Import *im, Scope *scope, MaasNode *node);
/* Puts `Conv (node "x")` before a failure's message. */
MaasStatus maas_onnx_blame(Import *im, const NodeMsg *node, MaasStatus status);

/* onnx_call.c */
MaasStatus maas_onnx_call(Import *im, Scope *scope, const NodeMsg *node, Function *function);

/* onnx_attr.c: *present is false for a reference to an attribute that the caller does not give. */
MaasStatus maas_onnx_attr(Import *im, Scope *scope, MaasSlice bytes, MaasAttr *out, bool *present);
/* The name of an AttributeProto, and the graphs that it holds. */
MaasStatus maas_onnx_attr_peek(Import *im, MaasSlice bytes, MaasSlice *name, SliceList *graphs);
/* A NUL-terminated copy in the model's arena. */
const char *maas_onnx_text(Import *im, MaasSlice text);

/* onnx_type.c */
MaasStatus maas_onnx_type(Import *im, MaasSlice bytes, MaasInfo *info);

/* For "%.*s": at most 120 bytes of a name, cut between characters. */
static inline int maas_onnx_show(MaasSlice s)
{
    size_t n = s.size < 120 ? s.size : 120;
    while (n < s.size && n > 0 && ((unsigned char)s.data[n] & 0xc0) == 0x80)
        n--;
    return (int)n;
}
#define SHOW(slice) maas_onnx_show(slice), (slice).size > 0 ? (slice).data : ""

static inline bool maas_slice_is(MaasSlice s, const char *text)
{
    size_t n = __builtin_strlen(text);
    return s.size == n && (n == 0 || __builtin_memcmp(s.data, text, n) == 0);
}

#endif
