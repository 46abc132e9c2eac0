/*
 * op.h - what an operator is.
 *
 * One MaasOp record describes one operator in its newest form (opset 25 of
 * ai.onnx, 5 of ai.onnx.ml): signature, attributes, type and shape inference,
 * computation and cost.  Older forms are lifted to it by the record's adapt
 * function when a model is imported.  README.md in this folder tells how to
 * write one.
 */
#ifndef MAAS_OP_OP_H
#define MAAS_OP_OP_H

#include "../base/tensor.h"

typedef struct MaasOp MaasOp;
typedef struct MaasNode MaasNode;
typedef struct MaasGraph MaasGraph;
typedef struct MaasRun MaasRun;
typedef struct MaasInferScope MaasInferScope;
typedef struct MaasBatchCtx MaasBatchCtx;
typedef struct MaasGrad MaasGrad;

#define MAAS_NO_VALUE (-1) /* in place of an edge's number: none */

#define MAAS_MAX_IN_SPECS 14
#define MAAS_MAX_OUT_SPECS 8
#define MAAS_MAX_ATTR_SPECS 26

/* ---- attributes ---- */

/* The numbers of ONNX AttributeProto.AttributeType. */
typedef enum MaasAttrKind {
    MAAS_ATTR_NONE = 0,
    MAAS_ATTR_FLOAT = 1,
    MAAS_ATTR_INT = 2,
    MAAS_ATTR_STRING = 3,
    MAAS_ATTR_TENSOR = 4,
    MAAS_ATTR_GRAPH = 5,
    MAAS_ATTR_FLOATS = 6,
    MAAS_ATTR_INTS = 7,
    MAAS_ATTR_STRINGS = 8,
    MAAS_ATTR_TENSORS = 9,
    MAAS_ATTR_GRAPHS = 10,
    MAAS_ATTR_SPARSE_TENSOR = 11, /* made dense on import: never seen by an operator */
    MAAS_ATTR_TYPE_PROTO = 13
} MaasAttrKind;

typedef struct MaasInfo MaasInfo;

/* An attribute of a node.  An operator sees them in the order of its record's attrs, defaults filled in. */
typedef struct MaasAttr {
    const char *name;
    MaasAttrKind kind;
    bool set; /* given by the model; otherwise the default of the record */
    int64_t i;
    float f;
    MaasStr s;
    int64_t n; /* of ints, floats, strings or tensors */
    const int64_t *ints;
    const float *floats;
    const MaasStr *strings;
    MaasTensor *const *tensors; /* TENSOR: tensors[0] */
    MaasGraph *graph;
    const MaasInfo *info; /* TYPE_PROTO */
} MaasAttr;

typedef struct MaasAttrSpec {
    const char *name;
    MaasAttrKind kind;
    bool required;
    int64_t i; /* defaults; a list's default is empty */
    float f;
    const char *s;
} MaasAttrSpec;

/* ---- signature ---- */

#define MAAS_OPTIONAL 1  /* may be absent ("" or beyond the end) */
#define MAAS_VARIADIC 2  /* last in the table: any further arguments, each of these types */
#define MAAS_MIXED 4     /* a variadic whose arguments may differ in type */
#define MAAS_INTERNAL 16 /* an output for the backward pass, which no model may name */
#define MAAS_NO_GRAD                                                                                               \
    8 /* the operator's gradient leaves this input out: a parameter before it cannot be trained                    \
       */

typedef struct MaasArgSpec {
    const char *name;
    MaasTypeSet types; /* those that this engine computes */
    char var;          /* arguments of the same letter have the same element type; 0: free.  An output with a
                          letter that an input binds gets its type before infer is called; an output whose set
                          has exactly one tensor type gets that. */
    int flags;
} MaasArgSpec;

/* ---- inference ---- */

#define MAAS_DIM_ANY (-1) /* an unknown dimension; -2 and below name a symbol: equal numbers, equal sizes */

/* What is known of a value before it is computed. */
struct MaasInfo {
    MaasKind kind;
    MaasType type; /* tensor: element type */
    int rank;      /* tensor: -1 when unknown */
    int64_t dims[MAAS_MAX_RANK];
    const MaasTensor *value; /* the content, when it is known already (constants, folded shapes); else NULL */
    MaasInfo *elem;          /* sequence, optional: of the elements; map: of the values.  NULL when unknown */
    MaasType key;            /* map */
};

typedef struct MaasInferCtx {
    const MaasNode *node;
    const MaasAttr *attr; /* in the order of the record */
    int n_in, n_out;
    const MaasInfo *const *in; /* n_in; NULL for an absent optional input */
    MaasInfo *const *out;      /* n_out; NULL for an output that the model does not name */
    const int64_t *const
        *in_sizes;             /* n_in, at load: the elements of an input that is a shape, as dims; else NULL */
    const int64_t **out_sizes; /* n_out, at load: where to put those of an output; else NULL */
    MaasInferScope *scope;     /* memory, symbols, subgraphs */
    MaasError *err;
} MaasInferCtx;

/* ---- computation ---- */

typedef struct MaasCtx {
    const MaasNode *node;
    const MaasAttr *attr;
    int n_in, n_out;
    MaasValue *const *in; /* n_in; NULL for an absent input (in prepare: also for one that is not constant) */
    MaasValue **out;      /* n_out; see maas_has_out */
    void *state;          /* what prepare made, or NULL; read-only while running */
    size_t state_bytes;
    const MaasType *in_types; /* prepare: element types of the inputs, constant or not */
    uint32_t forgets;         /* prepare: see maas_forget */
    MaasRun *run;
    MaasError *err;
} MaasCtx;

enum {
    /* The output shapes depend on the data, or an output is not a tensor: compute makes its outputs itself
     * with maas_out_new / maas_out_share; infer gives what can be known. */
    MAAS_OP_DYNAMIC = 1,
    /* float16 and bfloat16 arguments are computed in float32: compute sees MAAS_FLOAT where the model says
     * float16 or bfloat16 (inputs are widened before, outputs narrowed after; infer sees the true types). */
    MAAS_OP_HALF_VIA_F32 = 2,
    /* Output 0 is input 0 under another shape: nothing is computed, compute is NULL (Reshape, Squeeze ...). */
    MAAS_OP_VIEW = 4,
    /* Results differ from call to call, never folded (RandomNormal ...). */
    MAAS_OP_RANDOM = 8,
    /* Element i of output 0 depends only on the elements i of those inputs that have the shape and the element
     * size of output 0: the executor may hand out such an input's memory for output 0 when nobody reads it
     * later.  compute then reads element i of all inputs before it writes element i. */
    MAAS_OP_INPLACE = 16,
    /* compute cannot do without the state: where a node runs before it was prepared (folding), prepare makes one
     * for this call.  The state follows from the attributes and the inputs' types alone. */
    MAAS_OP_STATE = 32,
    /* Outputs of a floating type do not change with small changes of the inputs (Sign, Round, Hardmax ...): the
     * gradient is zero.  Outputs of other types never have one. */
    MAAS_OP_NO_SLOPE = 64
};

struct MaasOp {
    const char *domain; /* "" or NULL for ai.onnx, "ai.onnx.ml", "ai.onnx.preview.training", "maas" (internal) */
    const char *name;
    int first; /* the opset in which the operator first appears */
    int since; /* the opset in which the form described here appears */
    unsigned flags;
    MaasArgSpec in[MAAS_MAX_IN_SPECS];
    MaasArgSpec out[MAAS_MAX_OUT_SPECS];
    MaasAttrSpec attrs[MAAS_MAX_ATTR_SPECS];

    /* Rewrites a node of opset `version` < since into the newest form (see adapt.h), before attributes are
     * resolved.  NULL: the older forms are the same but for types. */
    MaasStatus (*adapt)(MaasGraph *graph, MaasNode *node, int version, MaasError *err);

    /* Checks the node and sets out[i]: kind, type, and as much of the shape as follows from what is known.
     * Types are always known and already checked against the signature.  Called at load with what the model
     * declares, again when input shapes are bound; whenever all inputs' shapes (and the values of inputs that
     * carry shapes or axes) are known, every output's shape must come out, unless MAAS_OP_DYNAMIC.  All that
     * can be wrong with shapes and constant inputs is reported here and nowhere else. */
    MaasStatus (*infer)(MaasInferCtx *c);

    /* Optional, after infer at load: what is known of the elements of output 0 when it is a shape
     * (shape_value.c). */
    MaasStatus (*sizes)(MaasInferCtx *c);

    /* Optional, once per node after load: c->in[i] is given for constants only.  May make a state with
     * maas_state: one block without pointers (offsets only), since it is stored in a mapped file. */
    MaasStatus (*prepare)(MaasCtx *c);

    /* Computes the outputs.  Every out[i] that the model names holds a tensor with the inferred shape and
     * uninitialised memory (not for MAAS_OP_DYNAMIC). */
    MaasStatus (*compute)(MaasCtx *c);

    /* Where the rows of a batch go (batch.h): NULL, or why they are mixed.  Without a rule they are taken for
     * mixed. */
    const char *(*batch)(MaasBatchCtx *c);

    /* Floating-point operations for these shapes; NULL: one per output element. */
    double (*cost)(const MaasInferCtx *c);

    /* Appends the nodes that compute the gradients of the inputs from those of the outputs; see grad.h.  NULL:
     * there is no gradient, or it is zero (MAAS_OP_NO_SLOPE). */
    void (*grad)(MaasGrad *g);
};

/* ---- for infer functions ---- */

/* Records a failure that names the operator and the node. */
MaasStatus maas_infer_fail(const MaasInferCtx *c, MaasStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* Input i as int64 content when it is known (tensor of int64 or int32, read with maas_known_int); else NULL. */
const MaasTensor *maas_known(const MaasInferCtx *c, int i);
int64_t maas_known_int(const MaasTensor *t, int64_t index);
/* out[i] = tensor of this shape (rank -1: unknown); keeps out[i]->type when type is MAAS_UNDEFINED.  An output
 * that the model does not name is passed over. */
MaasStatus maas_infer_out(MaasInferCtx *c, int i, MaasType type, int rank, const int64_t *dims);
/* out 0 has the shape of in 0. */
MaasStatus maas_infer_same(MaasInferCtx *c);
/* out 0 has the broadcast shape of all inputs. */
MaasStatus maas_infer_broadcast(MaasInferCtx *c);
/* Merges b into a by numpy's rules, right-aligned; fails on sizes that do not fit.  A rank of -1 wins. */
MaasStatus maas_infer_broadcast_dims(MaasInferCtx *c, int *rank, int64_t *dims, int b_rank, const int64_t *b_dims);
/* axis in [-rank, rank) -> [0, rank); fails otherwise, naming the axis. */
MaasStatus maas_infer_axis(const MaasInferCtx *c, int64_t axis, int rank, int *out);
/* Memory for MaasInfo of elements and the like; lives as long as the inference results. */
void *maas_infer_alloc(MaasInferCtx *c, size_t bytes);
/* Infers a subgraph with n inputs of the given infos; outs has a place for each output of the graph, filled
 * with infos that live as long as the inference results. */
MaasStatus maas_infer_graph(MaasInferCtx *c, const MaasGraph *graph, int n, const MaasInfo *const *in,
                            const MaasInfo **outs);
int maas_graph_n_inputs(const MaasGraph *graph);
int maas_graph_n_outputs(const MaasGraph *graph);
/* What is known since load of output i of a subgraph (a loop that runs zero times must still know its types). */
const MaasInfo *maas_graph_output_info(const MaasGraph *graph, int i);

/* ---- for compute and prepare functions ---- */

static inline MaasTensor *maas_in(const MaasCtx *c, int i)
{
    return i < c->n_in && c->in[i] ? &c->in[i]->tensor : NULL;
}

/* Whether the model asks for output i. */
bool maas_has_out(const MaasCtx *c, int i);

/* Output i, or NULL when the model does not name it. */
static inline MaasTensor *maas_out(const MaasCtx *c, int i)
{
    return i < c->n_out && c->out[i] ? &c->out[i]->tensor : NULL;
}

/* MAAS_OP_DYNAMIC: makes output i (which must be asked for) a new tensor. */
MaasStatus maas_out_new(MaasCtx *c, int i, MaasType type, int rank, const int64_t *dims, MaasTensor **out);
/* MAAS_OP_DYNAMIC: output i becomes value; takes over the reference.  Unrefs it if nobody asked for it. */
void maas_out_take(MaasCtx *c, int i, MaasValue *value);
/* Where new values of this run are made (maas_value_new_...). */
MaasMem *maas_run_mem(MaasCtx *c);
/* Memory that is freed when compute returns; 64-byte aligned, uninitialised. */
void *maas_scratch(MaasCtx *c, size_t count, size_t size);
/* Gives such memory back before that, for what is called many times by one compute. */
void maas_scratch_back(MaasCtx *c, void *data);
/* Bytes of a string that an output refers to; live as long as the run's results. */
char *maas_run_string(MaasCtx *c, size_t length);
/* True when the caller wants to stop; then return maas_stopped(c).  Cheap; poll it in loops that may be long. */
bool maas_stop(MaasCtx *c);
MaasStatus maas_stopped(MaasCtx *c);
/* Records a failure that names the operator and the node. */
MaasStatus maas_node_fail(MaasCtx *c, MaasStatus status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
/* prepare: makes the node's state, zeroed, 64-byte aligned. */
void *maas_state(MaasCtx *c, size_t bytes);
/* prepare: the state holds all that compute needs of the constant input i < 32.  Its content is freed when every
 * node that reads it says so; compute then sees its type and shape, and data NULL. */
void maas_forget(MaasCtx *c, int i);
/* Runs fn(arg, from, to) over [0, n), in pieces of at least grain, on the threads of this run. */
MaasStatus maas_parallel(MaasCtx *c, int64_t n, int64_t grain, void (*fn)(void *arg, int64_t from, int64_t to),
                         void *arg);
/* How many threads this run may use. */
int maas_run_threads(const MaasCtx *c);
/* Runs a subgraph.  in: n borrowed values; out: a place for each output, filled with references. */
MaasStatus maas_call_graph(MaasCtx *c, const MaasGraph *graph, int n, MaasValue *const *in, MaasValue **out);
/* 64 random bits that differ from call to call within the run and between runs. */
uint64_t maas_run_seed(MaasCtx *c);

/* ---- the list of all operators ---- */

/* NULL when unknown.  domain "" and "ai.onnx" are the same. */
const MaasOp *maas_op_find(const char *domain, const char *name);
/* All records, ended by NULL. */
extern const MaasOp *const maas_ops[];

#endif
