/*
 * recurrent.h - what RNN, LSTM and GRU have in common: shapes, activations and the way through time.
 */
#ifndef MAAS_OP_RECURRENT_H
#define MAAS_OP_RECURRENT_H

#include "op.h"

/* The inputs and attributes that all three have at the same place. */
enum { REC_X, REC_W, REC_R, REC_B, REC_LENGTHS, REC_H, REC_C, REC_P };
enum { REC_ACTIVATIONS, REC_ALPHA, REC_BETA, REC_CLIP, REC_DIRECTION, REC_HIDDEN, REC_LAYOUT, REC_OWN };

/*
 * Outputs behind Y, Y_h and Y_c that a backward pass asks for (recurrent_grad.c); no model can name them.  Steps
 * are in the order in which a direction takes them: gates after activation (directions, steps, batch, gates *
 * hidden); the hidden states with the initial ones first (directions, steps + 1, batch, hidden); of that shape,
 * too, the cell states of LSTM, or what the reset gate of GRU meets: its product with the state
 * (linear_before_reset 0) or the product of R with the state (1), from step 0 on.
 */
enum { REC_SAVED_GATES, REC_SAVED_HIDDEN, REC_SAVED_CELL };
#define MAAS_REC_SAVED                                                                                             \
    {"maas_gates", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL | MAAS_INTERNAL},                                             \
        {"maas_hidden", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL | MAAS_INTERNAL},                                        \
    {                                                                                                              \
        "maas_cell", MAAS_T_FLOATS, 'T', MAAS_OPTIONAL | MAAS_INTERNAL                                             \
    }

#define MAAS_REC_ATTRS                                                                                             \
    {"activations", MAAS_ATTR_STRINGS}, {"activation_alpha", MAAS_ATTR_FLOATS},                                    \
        {"activation_beta", MAAS_ATTR_FLOATS}, {"clip", MAAS_ATTR_FLOAT},                                          \
        {"direction", MAAS_ATTR_STRING, .s = "forward"}, {"hidden_size", MAAS_ATTR_INT},                           \
    {                                                                                                              \
        "layout", MAAS_ATTR_INT                                                                                    \
    }

typedef struct MaasActivation {
    int kind;
    float alpha, beta;
} MaasActivation;

/* Checks inputs and activations and gives the outputs their shapes.  gates: rows of W per hidden unit;
 * defaults: n_activations names. */
MaasStatus maas_recurrent_infer(MaasInferCtx *c, int gates, int n_activations, const char *const *defaults);
double maas_recurrent_cost(const MaasInferCtx *c, int gates);
/* Opset 1 knows output_sequence; it only said whether Y is wanted. */
MaasStatus maas_recurrent_adapt(MaasGraph *graph, MaasNode *node, int version, MaasError *err);

/*
 * One direction of one layer while it runs, or a part of its examples on one thread: then pointers to what has a
 * row for each example begin at the part's first.  Memory: scratch of the node.
 */
typedef struct MaasRecurrent MaasRecurrent;
struct MaasRecurrent {
    MaasCtx *c;
    MaasType type;
    int64_t steps, batch, inputs, hidden;
    int64_t first, all; /* of the layer's `all` examples the `batch` ones from the first on */
    bool small;         /* a step's products are: each thread takes its examples through several steps */
    int gates, direction, n_directions;
    int n_outputs;   /* those that a model can name */
    int first_gates; /* of R that a step multiplies at once; the others apart */
    bool reverse;
    double clip; /* 0: none */
    bool plain;  /* an LSTM of float32 with its own activations and nothing else: one kernel does a step */
    MaasActivation act[3];
    const void *w, *r, *b; /* (gates * hidden, inputs), (gates * hidden, hidden), (2 * gates * hidden) or NULL */
    const void *peephole;  /* (3 * hidden) or NULL */
    float *packed_w;       /* W' and R' for kernel/linear.h, R' in two parts as the cell asks; or NULL */
    float *packed_r[2];
    void *h, *state;        /* (batch, hidden): hidden state, LSTM: cell state */
    void *extra;            /* (batch, hidden), working memory of a step */
    const int32_t *lengths; /* (batch) or NULL */
    void *saved;            /* (batch, hidden) for what GRU's step saves; NULL: nothing is */
    /* One step: gate (batch, gates * hidden) holds X W' and the biases; updates h (and state) of the examples that
     * maas_recurrent_active says are still running. */
    MaasStatus (*step)(MaasRecurrent *rec, void *gate, int64_t time);
    /* Whether the biases of gate g of R belong to the input side. */
    bool (*recurrent_bias_first)(const MaasRecurrent *rec, int gate);
};

static inline bool maas_recurrent_active(const MaasRecurrent *rec, int64_t example, int64_t time)
{
    return !rec->lengths || time < rec->lengths[example];
}

/* Which time step of the input an example reads at a step; a reversed sequence begins at its own end. */
static inline int64_t maas_recurrent_time(const MaasRecurrent *rec, int64_t example, int64_t step)
{
    int64_t length = rec->lengths ? rec->lengths[example] : rec->steps;

    return rec->reverse && step < length ? length - 1 - step : step;
}

/* Where the state of an example stands in initial_h, Y_h and the like, in rows. */
static inline int64_t maas_recurrent_state_row(const MaasRecurrent *rec, int64_t example, bool batch_first)
{
    example += rec->first;
    return batch_first ? example * rec->n_directions + rec->direction : rec->direction * rec->all + example;
}

/* Where the hidden state of an example after a step stands in Y, in rows. */
static inline int64_t maas_recurrent_y_row(const MaasRecurrent *rec, int64_t example, int64_t step,
                                           bool batch_first)
{
    int64_t t = maas_recurrent_time(rec, example, step), d = rec->direction;

    example += rec->first;
    return batch_first ? (example * rec->steps + t) * rec->n_directions + d
                       : (t * rec->n_directions + d) * rec->all + example;
}

/* Whether the attribute `direction` has this value. */
bool maas_recurrent_is_direction(const MaasAttr *attr, const char *name);

/* x = activation number `which` of x; gates are clipped before, the cell state (LSTM: 2) never is. */
void maas_activate(const MaasRecurrent *rec, int which, void *x, int64_t n);
/* to (batch, rows of ld elements) = or += h (batch, hidden) R' for the gates of part 0 or 1 of R, and a bias. */
MaasStatus maas_recurrent_product(const MaasRecurrent *rec, int part, const void *h, bool add, const void *bias,
                                  void *to, int64_t ld);
/* The n examples from `first` on. */
MaasRecurrent maas_recurrent_part(const MaasRecurrent *rec, int64_t first, int64_t n);
/* How many examples a thread takes through that many steps: all where other threads do not pay. */
int64_t maas_recurrent_grain(const MaasRecurrent *rec, int64_t steps);
/* Runs all directions. */
MaasStatus maas_recurrent_run(MaasCtx *c, MaasRecurrent *rec, int n_activations, const char *const *defaults);
/* Element `index` of a buffer of the layer's type. */
static inline void *maas_rec_at(const MaasRecurrent *rec, const void *buffer, int64_t index)
{
    return (char *)(uintptr_t)buffer + (size_t)index * (rec->type == MAAS_DOUBLE ? 8 : 4);
}

#endif
