/*
 * rnn.c - the cells of RNN, LSTM and GRU; recurrent.c leads through time.
 */
#include "../kernel/kernel.h"
#include "batch.h"
#include "expect.h"
#include "recurrent.h"
#include "recurrent_grad.h"

#define FLOATS MAAS_T_FLOATS
#define INPUTS                                                                                                     \
    {"X", FLOATS, 'T', 0}, {"W", FLOATS, 'T', 0}, {"R", FLOATS, 'T', 0}, {"B", FLOATS, 'T', MAAS_OPTIONAL},        \
        {"sequence_lens", MAAS_T(MAAS_INT32), 0, MAAS_OPTIONAL},                                                   \
    {                                                                                                              \
        "initial_h", FLOATS, 'T', MAAS_OPTIONAL                                                                    \
    }

/* y += a * b; y = a * b + c * d; y = a * b; y = (1 - z) * a + z * y: all of n elements. */
static void madd(const MaasRecurrent *rec, const void *a, const void *b, void *y, int64_t n)
{
    if (rec->type == MAAS_DOUBLE)
        maas_kernel->madd_f64(a, b, y, n);
    else
        maas_kernel->madd_f32(a, b, y, n);
}

static void mul_add_mul(const MaasRecurrent *rec, const void *a, const void *b, const void *c, const void *d,
                        void *y, int64_t n)
{
    if (rec->type == MAAS_DOUBLE)
        maas_kernel->mul_add_mul_f64(a, b, c, d, y, n);
    else
        maas_kernel->mul_add_mul_f32(a, b, c, d, y, n);
}

static void mul(const MaasRecurrent *rec, const void *a, const void *b, void *y, int64_t n)
{
    static const int64_t step[4] = {0, 1, 0, 1};

    maas_kernel->binary(MAAS_BIN_MUL, rec->type)(a, b, y, 1, n, step);
}

static void blend(const MaasRecurrent *rec, const void *z, const void *a, void *y, int64_t n)
{
    if (rec->type == MAAS_DOUBLE)
        maas_kernel->blend_f64(z, a, y, n);
    else
        maas_kernel->blend_f32(z, a, y, n);
}

static bool bias_first(const MaasRecurrent *rec, int gate)
{
    return true;
}

static void copy(const MaasRecurrent *rec, const void *from, void *to, int64_t n)
{
    __builtin_memcpy(to, from, (size_t)n * maas_type_size(rec->type));
}

/* ---- RNN: h = f(x W' + h R' + b) ---- */

static const char *const rnn_activations[] = {"Tanh"};

static MaasStatus step_rnn(MaasRecurrent *rec, void *gate, int64_t time)
{
    MAAS_TRY(maas_recurrent_product(rec, 0, rec->h, true, NULL, gate, rec->hidden));
    for (int64_t e = 0; e < rec->batch; e++) {
        void *row = maas_rec_at(rec, gate, e * rec->hidden);

        if (!maas_recurrent_active(rec, e, time))
            continue;
        maas_activate(rec, 0, row, rec->hidden);
        copy(rec, row, maas_rec_at(rec, rec->h, e * rec->hidden), rec->hidden);
    }
    return MAAS_OK;
}

static MaasStatus infer_rnn(MaasInferCtx *c)
{
    return maas_recurrent_infer(c, 1, 1, rnn_activations);
}

static double cost_rnn(const MaasInferCtx *c)
{
    return maas_recurrent_cost(c, 1);
}

static MaasStatus compute_rnn(MaasCtx *c)
{
    MaasRecurrent rec = {.gates = 1, .first_gates = 1, .step = step_rnn, .recurrent_bias_first = bias_first};

    return maas_recurrent_run(c, &rec, 1, rnn_activations);
}

const MaasOp maas_op_rnn = {
    .domain = "",
    .name = "RNN",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {INPUTS},
    .out = {{"Y", FLOATS, 'T', MAAS_OPTIONAL}, {"Y_h", FLOATS, 'T', MAAS_OPTIONAL}, MAAS_REC_SAVED},
    .attrs = {MAAS_REC_ATTRS},
    .adapt = maas_recurrent_adapt,
    .infer = infer_rnn,
    .compute = compute_rnn,
    .batch = maas_batch_recurrent,
    .cost = cost_rnn,
    .grad = maas_grad_rnn,
};

/* ---- LSTM: gates i, o, f, c ---- */

static const char *const lstm_activations[] = {"Sigmoid", "Tanh", "Tanh"};

static MaasStatus step_lstm(MaasRecurrent *rec, void *gate, int64_t time)
{
    int64_t n = rec->hidden;
    bool coupled = rec->c->attr[REC_OWN].i != 0;

    MAAS_TRY(maas_recurrent_product(rec, 0, rec->h, true, NULL, gate, 4 * n));
    if (rec->plain) {
        maas_kernel->lstm_cell_f32(gate, rec->state, rec->h, rec->batch, n);
        return MAAS_OK;
    }
    for (int64_t e = 0; e < rec->batch; e++) {
        void *i = maas_rec_at(rec, gate, e * 4 * n), *o = maas_rec_at(rec, i, n), *f = maas_rec_at(rec, i, 2 * n);
        void *g = maas_rec_at(rec, i, 3 * n), *cell = maas_rec_at(rec, rec->state, e * n);
        void *h = maas_rec_at(rec, rec->h, e * n);

        if (!maas_recurrent_active(rec, e, time))
            continue;
        if (rec->peephole) {
            madd(rec, rec->peephole, cell, i, n);
            madd(rec, maas_rec_at(rec, rec->peephole, 2 * n), cell, f, n);
        } else {
            maas_activate(rec, 0, o, n);
        }
        maas_activate(rec, 0, i, n);
        maas_activate(rec, 1, g, n);
        if (coupled) { /* the forget gate is what the input gate leaves: cell = (1 - i) cell + i g */
            blend(rec, i, cell, g, n);
            copy(rec, g, cell, n);
        } else {
            maas_activate(rec, 0, f, n);
            mul_add_mul(rec, f, cell, i, g, cell, n);
        }
        if (rec->peephole) {
            madd(rec, maas_rec_at(rec, rec->peephole, n), cell, o, n);
            maas_activate(rec, 0, o, n);
        }
        copy(rec, cell, h, n);
        maas_activate(rec, 2, h, n);
        mul(rec, o, h, h, n);
    }
    return MAAS_OK;
}

static MaasStatus infer_lstm(MaasInferCtx *c)
{
    return maas_recurrent_infer(c, 4, 3, lstm_activations);
}

static double cost_lstm(const MaasInferCtx *c)
{
    return maas_recurrent_cost(c, 4);
}

static MaasStatus compute_lstm(MaasCtx *c)
{
    MaasRecurrent rec = {.gates = 4, .first_gates = 4, .step = step_lstm, .recurrent_bias_first = bias_first};

    return maas_recurrent_run(c, &rec, 3, lstm_activations);
}

const MaasOp maas_op_lstm = {
    .domain = "",
    .name = "LSTM",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {INPUTS, {"initial_c", FLOATS, 'T', MAAS_OPTIONAL}, {"P", FLOATS, 'T', MAAS_OPTIONAL}},
    .out = {{"Y", FLOATS, 'T', MAAS_OPTIONAL},
            {"Y_h", FLOATS, 'T', MAAS_OPTIONAL},
            {"Y_c", FLOATS, 'T', MAAS_OPTIONAL},
            MAAS_REC_SAVED},
    .attrs = {MAAS_REC_ATTRS, {"input_forget", MAAS_ATTR_INT}},
    .adapt = maas_recurrent_adapt,
    .infer = infer_lstm,
    .compute = compute_lstm,
    .batch = maas_batch_recurrent,
    .cost = cost_lstm,
    .grad = maas_grad_lstm,
};

/* ---- GRU: gates z, r, h ---- */

static const char *const gru_activations[] = {"Sigmoid", "Tanh"};

static bool linear_before_reset(const MaasRecurrent *rec)
{
    return rec->c->attr[REC_OWN].i != 0;
}

/* With linear_before_reset the reset gate applies to the recurrent bias of h, too. */
static bool gru_bias_first(const MaasRecurrent *rec, int gate)
{
    return gate < 2 || !linear_before_reset(rec);
}

static MaasStatus step_gru(MaasRecurrent *rec, void *gate, int64_t time)
{
    int64_t n = rec->hidden, width = 3 * n;
    void *product = rec->extra; /* (batch, hidden) */

    MAAS_TRY(maas_recurrent_product(rec, 0, rec->h, true, NULL, gate, width));
    if (linear_before_reset(rec))
        MAAS_TRY(maas_recurrent_product(rec, 1, rec->h, false, rec->b ? maas_rec_at(rec, rec->b, 5 * n) : NULL,
                                        product, n));
    for (int64_t e = 0; e < rec->batch; e++) {
        void *row = maas_rec_at(rec, gate, e * width), *reset = maas_rec_at(rec, row, n);

        maas_activate(rec, 0, row, 2 * n);
        if (linear_before_reset(rec))
            madd(rec, reset, maas_rec_at(rec, product, e * n), maas_rec_at(rec, row, 2 * n), n);
        else
            mul(rec, reset, maas_rec_at(rec, rec->h, e * n), maas_rec_at(rec, product, e * n), n);
    }
    if (!linear_before_reset(rec))
        MAAS_TRY(maas_recurrent_product(rec, 1, product, true, NULL, maas_rec_at(rec, gate, 2 * n), width));
    if (rec->saved)
        copy(rec, product, rec->saved, rec->batch * n);
    for (int64_t e = 0; e < rec->batch; e++) {
        void *row = maas_rec_at(rec, gate, e * width), *fresh = maas_rec_at(rec, row, 2 * n);

        if (!maas_recurrent_active(rec, e, time))
            continue;
        maas_activate(rec, 1, fresh, n);
        blend(rec, row, fresh, maas_rec_at(rec, rec->h, e * n), n);
    }
    return MAAS_OK;
}

static MaasStatus infer_gru(MaasInferCtx *c)
{
    return maas_recurrent_infer(c, 3, 2, gru_activations);
}

static double cost_gru(const MaasInferCtx *c)
{
    return maas_recurrent_cost(c, 3);
}

static MaasStatus compute_gru(MaasCtx *c)
{
    MaasRecurrent rec = {.gates = 3, .first_gates = 2, .step = step_gru, .recurrent_bias_first = gru_bias_first};

    return maas_recurrent_run(c, &rec, 2, gru_activations);
}

const MaasOp maas_op_gru = {
    .domain = "",
    .name = "GRU",
    .first = 1,
    .since = 22,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {INPUTS},
    .out = {{"Y", FLOATS, 'T', MAAS_OPTIONAL}, {"Y_h", FLOATS, 'T', MAAS_OPTIONAL}, MAAS_REC_SAVED},
    .attrs = {MAAS_REC_ATTRS, {"linear_before_reset", MAAS_ATTR_INT}},
    .adapt = maas_recurrent_adapt,
    .infer = infer_gru,
    .compute = compute_gru,
    .batch = maas_batch_recurrent,
    .cost = cost_gru,
    .grad = maas_grad_gru,
};
