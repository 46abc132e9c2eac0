/*
 * recurrent.c - the way through time of RNN, LSTM and GRU.
 *
 * The input's share of all gates comes from one product for as many steps as fit a tile that stays in the cache;
 * then each step adds the share of the previous state and lets the cell (rnn.c) do the rest.  Where that is little,
 * each thread takes its part of the examples through the steps of a tile.
 */
#include <string.h>

#include "../base/utf8.h"
#include "../kernel/kernel.h"
#include "adapt.h"
#include "expect.h"
#include "product.h"
#include "recurrent.h"

enum {
    TILE = 1 << 16, /* elements of the gates' tile */
    SHARE = 1 << 20 /* multiplications of a tile's steps: with fewer, other threads do not pay */
};

/* ---- activations ---- */

enum { ACT_AFFINE = MAAS_N_UNARY, ACT_SCALED_TANH };

static const struct {
    const char *name;
    int kind, n_alpha, n_beta;
    float alpha, beta;
} activations[] = {
    {"Relu", MAAS_UN_RELU, 0, 0, 0, 0},
    {"Tanh", MAAS_UN_TANH, 0, 0, 0, 0},
    {"Sigmoid", MAAS_UN_SIGMOID, 0, 0, 0, 0},
    {"Affine", ACT_AFFINE, 1, 1, 1, 0},
    {"LeakyRelu", MAAS_UN_LEAKY_RELU, 1, 0, 0.01f, 0},
    {"ThresholdedRelu", MAAS_UN_THRESHOLDED_RELU, 1, 0, 1, 0},
    {"ScaledTanh", ACT_SCALED_TANH, 1, 1, 1, 1},
    {"HardSigmoid", MAAS_UN_HARD_SIGMOID, 1, 1, 0.2f, 0.5f},
    {"Elu", MAAS_UN_ELU, 1, 0, 1, 0},
    {"Softsign", MAAS_UN_SOFTSIGN, 0, 0, 0, 0},
    {"Softplus", MAAS_UN_SOFTPLUS, 0, 0, 0, 0},
};

/*
 * The activations of one direction: n from position first.  Alphas and betas are taken in the order of the
 * activations that use them.  Returns the position of a name that is unknown, or -1.
 */
static int64_t read_activations(const MaasAttr *attr, int64_t first, int n, const char *const *defaults,
                                MaasActivation *to)
{
    int64_t alpha = 0, beta = 0;

    for (int64_t i = 0; i < first + n; i++) {
        const char *name = defaults[i % n];
        size_t length = strlen(name), k = 0;

        if (attr[REC_ACTIVATIONS].n > 0) {
            name = attr[REC_ACTIVATIONS].strings[i].data;
            length = attr[REC_ACTIVATIONS].strings[i].length;
        }
        while (k < sizeof activations / sizeof *activations && !maas_same_word(activations[k].name, name, length))
            k++;
        if (k == sizeof activations / sizeof *activations)
            return i;
        MaasActivation a = {activations[k].kind, activations[k].alpha, activations[k].beta};

        if (activations[k].n_alpha && alpha < attr[REC_ALPHA].n)
            a.alpha = attr[REC_ALPHA].floats[alpha++];
        if (activations[k].n_beta && beta < attr[REC_BETA].n)
            a.beta = attr[REC_BETA].floats[beta++];
        if (i >= first)
            to[i - first] = a;
    }
    return -1;
}

void maas_activate(const MaasRecurrent *rec, int which, void *x, int64_t n)
{
    const MaasActivation *a = &rec->act[which];
    const float scale_in[2] = {a->beta, 0}, scale_out[2] = {a->alpha, 0}, p[2] = {a->alpha, a->beta};

    if (rec->clip > 0 && which < 2) {
        double low = -rec->clip, high = rec->clip;
        float low_f = (float)low, high_f = (float)high;

        if (rec->type == MAAS_DOUBLE)
            maas_kernel->clip(rec->type)(x, x, n, &low, &high);
        else
            maas_kernel->clip(rec->type)(x, x, n, &low_f, &high_f);
    }
    if (a->kind == ACT_SCALED_TANH) {
        maas_kernel->unary(MAAS_UN_SCALE, rec->type)(x, x, n, scale_in);
        maas_kernel->unary(MAAS_UN_TANH, rec->type)(x, x, n, scale_in);
        maas_kernel->unary(MAAS_UN_SCALE, rec->type)(x, x, n, scale_out);
    } else if (a->kind == ACT_AFFINE) {
        if (rec->type == MAAS_DOUBLE)
            maas_kernel->scale_shift_f64(x, (double)a->alpha, (double)a->beta, x, n);
        else
            maas_kernel->scale_shift_f32(x, a->alpha, a->beta, x, n);
    } else {
        maas_kernel->unary((MaasUnary)a->kind, rec->type)(x, x, n, p);
    }
}

/* ---- inference ---- */

MaasStatus maas_recurrent_adapt(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    const MaasAttr *direction = maas_adapt_attr(node, "direction");

    maas_adapt_drop_attr(node, "output_sequence");
    if (version < 3 && direction && direction->s.length == 6 && memcmp(direction->s.data, "foward", 6) == 0)
        return maas_adapt_set_string(graph, node, "direction", "forward", err); /* as GRU-1 spells its default */
    return MAAS_OK;
}

bool maas_recurrent_is_direction(const MaasAttr *attr, const char *name)
{
    return attr[REC_DIRECTION].s.length == strlen(name) &&
           memcmp(attr[REC_DIRECTION].s.data, name, strlen(name)) == 0;
}

MaasStatus maas_recurrent_infer(MaasInferCtx *c, int gates, int n_activations, const char *const *defaults)
{
    int directions = maas_recurrent_is_direction(c->attr, "bidirectional") ? 2 : 1,
        given = (int)c->attr[REC_HIDDEN].i;
    bool batch_first = c->attr[REC_LAYOUT].i != 0;
    int64_t steps = maas_dim(c, REC_X, batch_first), batch = maas_dim(c, REC_X, !batch_first);
    int64_t hidden = maas_dim(c, REC_R, 2), rows, unknown;
    MaasActivation act[3];

    if (directions == 1 && !maas_recurrent_is_direction(c->attr, "forward") &&
        !maas_recurrent_is_direction(c->attr, "reverse"))
        return maas_infer_fail(c, MAAS_ERR_VALUE,
                               "direction must be forward, reverse or bidirectional, got \"%.*s\"",
                               c->attr[REC_DIRECTION].s.length < 40 ? (int)c->attr[REC_DIRECTION].s.length : 40,
                               c->attr[REC_DIRECTION].s.data);
    if (c->attr[REC_LAYOUT].i != 0 && c->attr[REC_LAYOUT].i != 1)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "layout must be 0 or 1, got %lld",
                               (long long)c->attr[REC_LAYOUT].i);
    if (c->attr[REC_ACTIVATIONS].n != 0 && c->attr[REC_ACTIVATIONS].n != directions * n_activations)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%d activations are needed, got %lld", directions * n_activations,
                               (long long)c->attr[REC_ACTIVATIONS].n);
    unknown = read_activations(c->attr, (directions - 1) * n_activations, n_activations, defaults, act);
    if (unknown >= 0)
        return maas_infer_fail(c, MAAS_ERR_UNSUPPORTED, "activation \"%.*s\" is unknown",
                               c->attr[REC_ACTIVATIONS].strings[unknown].length < 40
                                   ? (int)c->attr[REC_ACTIVATIONS].strings[unknown].length
                                   : 40,
                               c->attr[REC_ACTIVATIONS].strings[unknown].data);
    MAAS_TRY(maas_infer_want_rank(c, REC_X, 3));
    MAAS_TRY(maas_infer_want_rank(c, REC_W, 3));
    MAAS_TRY(maas_infer_want_rank(c, REC_R, 3));
    if (hidden < 0 && c->attr[REC_HIDDEN].set)
        hidden = c->attr[REC_HIDDEN].i;
    if (hidden == 0 || (c->attr[REC_HIDDEN].set && given != hidden) || hidden > INT32_MAX)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "hidden_size is %lld, but R has %lld columns",
                               (long long)c->attr[REC_HIDDEN].i, (long long)hidden);
    rows = hidden < 0 ? MAAS_DIM_ANY : hidden * gates;
    const int64_t w[] = {directions, rows, maas_dim(c, REC_X, 2)}, r[] = {directions, rows, hidden};
    const int64_t b[] = {directions, rows < 0 ? rows : 2 * rows};
    const int64_t p[] = {directions, hidden < 0 ? hidden : 3 * hidden};
    const int64_t h_time[] = {directions, batch, hidden}, h_batch[] = {batch, directions, hidden};
    const int64_t y_time[] = {steps, directions, batch, hidden}, y_batch[] = {batch, steps, directions, hidden};
    const int64_t *h = batch_first ? h_batch : h_time;

    MAAS_TRY(maas_expect_shape(c, REC_W, 3, w));
    MAAS_TRY(maas_expect_shape(c, REC_R, 3, r));
    MAAS_TRY(maas_expect_shape(c, REC_B, 2, b));
    MAAS_TRY(maas_expect_vector(c, REC_LENGTHS, batch));
    MAAS_TRY(maas_expect_shape(c, REC_H, 3, h));
    MAAS_TRY(maas_expect_shape(c, REC_C, 3, h));
    MAAS_TRY(maas_expect_shape(c, REC_P, 2, p));
    MAAS_TRY(maas_infer_out(c, 0, c->in[REC_X]->type, 4, batch_first ? y_batch : y_time));
    MAAS_TRY(maas_infer_out(c, 1, c->in[REC_X]->type, 3, h));
    int own = 2;

    if (gates == 4)
        MAAS_TRY(maas_infer_out(c, own++, c->in[REC_X]->type, 3, h));
    const int64_t saved[] = {directions, steps, batch, rows};
    const int64_t states[] = {directions, steps < 0 ? MAAS_DIM_ANY : steps + 1, batch, hidden};

    MAAS_TRY(maas_infer_out(c, own + REC_SAVED_GATES, c->in[REC_X]->type, 4, saved));
    MAAS_TRY(maas_infer_out(c, own + REC_SAVED_HIDDEN, c->in[REC_X]->type, 4, states));
    return maas_infer_out(c, own + REC_SAVED_CELL, c->in[REC_X]->type, 4, states);
}

double maas_recurrent_cost(const MaasInferCtx *c, int gates)
{
    double hidden = maas_dim_cost(maas_dim(c, REC_R, 2));

    return 2 * gates * hidden * (hidden + maas_dim_cost(maas_dim(c, REC_X, 2))) *
           maas_dim_cost(maas_dim(c, REC_X, 0)) * maas_dim_cost(maas_dim(c, REC_X, 1)) *
           (maas_recurrent_is_direction(c->attr, "bidirectional") ? 2 : 1);
}

/* ---- running ---- */

static void load_state(const MaasRecurrent *rec, const MaasTensor *from, void *to, bool batch_first)
{
    size_t row = (size_t)rec->hidden * maas_type_size(rec->type);

    for (int64_t e = 0; e < rec->batch; e++)
        if (from)
            memcpy((char *)to + (size_t)e * row,
                   (const char *)from->data + (size_t)maas_recurrent_state_row(rec, e, batch_first) * row, row);
        else
            memset((char *)to + (size_t)e * row, 0, row);
}

static void save_state(const MaasRecurrent *rec, const void *from, MaasTensor *to, bool batch_first)
{
    size_t row = (size_t)rec->hidden * maas_type_size(rec->type);

    for (int64_t e = 0; to && e < rec->batch; e++)
        memcpy((char *)to->data + (size_t)maas_recurrent_state_row(rec, e, batch_first) * row,
               (const char *)from + (size_t)e * row, row);
}

/* The hidden state of a step into Y. */
static void save_step(const MaasRecurrent *rec, MaasTensor *y, int64_t step, bool batch_first)
{
    size_t row = (size_t)rec->hidden * maas_type_size(rec->type);

    for (int64_t e = 0; e < rec->batch; e++) {
        char *to = (char *)y->data + (size_t)maas_recurrent_y_row(rec, e, step, batch_first) * row;

        if (maas_recurrent_active(rec, e, step))
            memcpy(to, (const char *)rec->h + (size_t)e * row, row);
        else
            memset(to, 0, row);
    }
}

/* Bias of each row of the gates' product, input and recurrent side added where the cell allows it. */
static void sum_biases(const MaasRecurrent *rec, void *sum)
{
    int64_t rows = rec->gates * rec->hidden;

    for (int64_t i = 0; i < rows; i++) {
        bool both = rec->recurrent_bias_first(rec, (int)(i / rec->hidden));

        if (rec->type == MAAS_DOUBLE)
            ((double *)sum)[i] = ((const double *)rec->b)[i] + (both ? ((const double *)rec->b)[rows + i] : 0);
        else
            ((float *)sum)[i] = ((const float *)rec->b)[i] + (both ? ((const float *)rec->b)[rows + i] : 0);
    }
}

/* to (m, rows of ld elements) = or += a (m, k) times a packed matrix (k, n), and a bias. */
static MaasLinear packed_product(int64_t m, int64_t n, int64_t k, const void *a, const float *packed, bool add,
                                 const void *bias, void *to, int64_t ld)
{
    MaasLinear l = maas_linear_of(m, n, k, a, packed, to);

    l.add = add;
    l.bias = bias;
    l.ldc = ld;
    return l;
}

/* The same with b (n, k), packed if it is worth it. */
static MaasStatus product(const MaasRecurrent *rec, int64_t m, int64_t n, int64_t k, const void *a, const void *b,
                          const float *packed, bool add, const void *bias, void *to, int64_t ld)
{
    size_t bytes = (size_t)n * maas_type_size(rec->type);

    if (packed) {
        MaasLinear l = packed_product(m, n, k, a, packed, add, bias, to, ld);

        return maas_stop(rec->c) ? maas_stopped(rec->c) : maas_linear(rec->c, &l);
    }
    for (int64_t i = 0; bias && i < m; i++)
        memcpy(maas_rec_at(rec, to, i * ld), bias, bytes);
    return maas_product(rec->c, rec->type, false, true, m, n, k, 1, a, k, b, k, add || bias ? 1 : 0, to, ld);
}

MaasStatus maas_recurrent_product(const MaasRecurrent *rec, int part, const void *h, bool add, const void *bias,
                                  void *to, int64_t ld)
{
    int64_t first = part ? rec->first_gates * rec->hidden : 0;
    int64_t n = (part ? rec->gates : rec->first_gates) * rec->hidden - first;

    if (rec->small) {
        MaasLinear l = packed_product(rec->batch, n, rec->hidden, h, rec->packed_r[part], add, bias, to, ld);

        maas_kernel->linear_f32(&l, 0, rec->batch, 0, n);
        return MAAS_OK;
    }
    return product(rec, rec->batch, n, rec->hidden, h, maas_rec_at(rec, rec->r, first * rec->hidden),
                   rec->packed_r[part], add, bias, to, ld);
}

/* Memory for W' and R' in packed form; left out where packing costs more than it gives. */
static MaasStatus reserve_packed(MaasRecurrent *rec)
{
    const int64_t n[] = {rec->gates, rec->first_gates, rec->gates - rec->first_gates};
    float **packed[] = {&rec->packed_w, &rec->packed_r[0], &rec->packed_r[1]};

    for (int i = 0; i < 3 && rec->type == MAAS_FLOAT && rec->batch * rec->steps >= 16; i++) {
        int64_t count, k = i ? rec->hidden : rec->inputs;

        if (n[i] == 0 || !maas_packed_count(k, n[i] * rec->hidden, &count))
            continue;
        *packed[i] = maas_scratch(rec->c, (size_t)count, sizeof(float));
        if (!*packed[i])
            return maas_scratch_failed(rec->c);
    }
    return MAAS_OK;
}

/* W' and R' of the direction that begins. */
static void pack(MaasRecurrent *rec)
{
    int64_t k = rec->hidden, first = rec->first_gates * k, rows = rec->gates * k;

    if (rec->packed_w)
        maas_kernel->linear_pack_f32(true, rec->inputs, rows, rec->w, rec->inputs, rec->packed_w, 0, rows);
    if (rec->packed_r[0])
        maas_kernel->linear_pack_f32(true, k, first, rec->r, k, rec->packed_r[0], 0, first);
    if (rec->packed_r[1])
        maas_kernel->linear_pack_f32(true, k, rows - first, maas_rec_at(rec, rec->r, first * k), k,
                                     rec->packed_r[1], 0, rows - first);
}

/* gate (n * batch, rows) = X W' + bias for the steps [from, from + n). */
static MaasStatus input_gates(MaasRecurrent *rec, const MaasTensor *x, bool batch_first, int64_t from, int64_t n,
                              const void *bias, void *gathered, void *gate)
{
    int64_t rows = rec->gates * rec->hidden, steps = rec->steps;
    size_t row = (size_t)rec->inputs * maas_type_size(rec->type);
    const char *source = (const char *)x->data + (size_t)(from * rec->batch) * row;

    if (gathered) {
        for (int64_t s = 0; s < n; s++)
            for (int64_t e = 0; e < rec->batch; e++) {
                int64_t t = maas_recurrent_time(rec, e, from + s),
                        at = batch_first ? e * steps + t : t * rec->batch + e;

                memcpy((char *)gathered + (size_t)(s * rec->batch + e) * row,
                       (const char *)x->data + (size_t)at * row, row);
            }
        source = gathered;
    }
    return product(rec, n * rec->batch, rows, rec->inputs, source, rec->w, rec->packed_w, false, bias, gate, rows);
}

/* Where step `step` of these examples stands in an output for the backward pass; NULL when nobody asks for it. */
static void *saved_at(const MaasRecurrent *rec, int which, int64_t step)
{
    const MaasTensor *t = maas_out(rec->c, rec->n_outputs + which);

    return t ? maas_rec_at(rec, t->data,
                           ((rec->direction * t->dims[1] + step) * t->dims[2] + rec->first) * t->dims[3])
             : NULL;
}

/* The states before step `step`. */
static void save_states(const MaasRecurrent *rec, int64_t step)
{
    size_t bytes = (size_t)(rec->batch * rec->hidden) * maas_type_size(rec->type);
    void *hidden = saved_at(rec, REC_SAVED_HIDDEN, step), *cell = saved_at(rec, REC_SAVED_CELL, step);

    if (hidden)
        memcpy(hidden, rec->h, bytes);
    if (cell && rec->state)
        memcpy(cell, rec->state, bytes);
}

MaasRecurrent maas_recurrent_part(const MaasRecurrent *rec, int64_t first, int64_t n)
{
    MaasRecurrent part = *rec;
    void **states[] = {&part.h, &part.state, &part.extra};

    part.first = first;
    part.batch = n;
    for (int i = 0; i < 3; i++)
        if (*states[i])
            *states[i] = maas_rec_at(rec, *states[i], first * rec->hidden);
    if (rec->lengths)
        part.lengths += first;
    return part;
}

int64_t maas_recurrent_grain(const MaasRecurrent *rec, int64_t steps)
{
    double work = (double)steps * (double)rec->batch * (double)rec->hidden * (double)(rec->gates * rec->hidden);
    int threads = work < (double)SHARE ? 1 : maas_run_threads(rec->c);

    return (rec->batch + threads - 1) / threads;
}

/* Steps [from, from + n) of a tile whose gates (n, all, rows) hold the input's share. */
typedef struct Walk {
    const MaasRecurrent *rec;
    bool batch_first;
    int64_t from, n;
    void *gate;
} Walk;

static MaasStatus walk(MaasRecurrent *rec, const Walk *w)
{
    MaasTensor *y = maas_out(rec->c, 0);
    int64_t rows = rec->gates * rec->hidden;

    for (int64_t s = 0; s < w->n && !(rec->small && maas_stop(rec->c)); s++) {
        rec->saved = rec->state ? NULL : saved_at(rec, REC_SAVED_CELL, w->from + s);
        MAAS_TRY(rec->step(rec, maas_rec_at(rec, w->gate, (s * rec->all + rec->first) * rows), w->from + s));
        save_states(rec, w->from + s + 1);
        if (y)
            save_step(rec, y, w->from + s, w->batch_first);
    }
    return MAAS_OK;
}

/* Small steps do not fail. */
static void walk_part(void *arg, int64_t first, int64_t end)
{
    const Walk *w = arg;
    MaasRecurrent part = maas_recurrent_part(w->rec, first, end - first);

    walk(&part, w);
}

static MaasStatus run_direction(MaasRecurrent *rec, bool batch_first, int64_t tile, const void *bias,
                                void *gathered, void *gate)
{
    MaasCtx *c = rec->c;
    bool gather = batch_first || rec->reverse;
    int64_t step = rec->batch * rec->gates * rec->hidden;
    void *saved_gates = saved_at(rec, REC_SAVED_GATES, 0);

    load_state(rec, maas_in(c, REC_H), rec->h, batch_first);
    if (rec->state)
        load_state(rec, maas_in(c, REC_C), rec->state, batch_first);
    save_states(rec, 0);
    for (int64_t from = 0; from < rec->steps; from += tile) {
        Walk w = {rec, batch_first, from, rec->steps - from < tile ? rec->steps - from : tile, gate};

        if (saved_gates)
            w.gate = maas_rec_at(rec, saved_gates, from * step);
        MAAS_TRY(
            input_gates(rec, maas_in(c, REC_X), batch_first, from, w.n, bias, gather ? gathered : NULL, w.gate));
        if (rec->small)
            MAAS_TRY(maas_parallel(c, rec->batch, maas_recurrent_grain(rec, w.n), walk_part, &w));
        else
            MAAS_TRY(walk(rec, &w));
    }
    save_state(rec, rec->h, maas_out(c, 1), batch_first);
    if (rec->state)
        save_state(rec, rec->state, maas_out(c, 2), batch_first);
    return MAAS_OK;
}

MaasStatus maas_recurrent_run(MaasCtx *c, MaasRecurrent *rec, int n_activations, const char *const *defaults)
{
    const MaasTensor *x = maas_in(c, REC_X), *w = maas_in(c, REC_W), *r = maas_in(c, REC_R), *b = maas_in(c, REC_B);
    const MaasTensor *lengths = maas_in(c, REC_LENGTHS), *p = maas_in(c, REC_P);
    bool batch_first = c->attr[REC_LAYOUT].i != 0, lstm = rec->gates == 4;
    int64_t rows, cells, tile;
    void *bias, *gathered, *gate;
    size_t size = maas_type_size(x->type);

    rec->c = c;
    rec->type = x->type;
    rec->n_outputs = lstm ? 3 : 2;
    rec->n_directions = (int)w->dims[0];
    rec->steps = x->dims[batch_first];
    rec->batch = rec->all = x->dims[!batch_first];
    rec->inputs = x->dims[2];
    rec->hidden = r->dims[2];
    rec->lengths = lengths ? MAAS_I32(lengths) : NULL;
    rec->clip = c->attr[REC_CLIP].set ? (double)c->attr[REC_CLIP].f : 0;
    for (int64_t e = 0; lengths && e < rec->batch; e++)
        if (rec->lengths[e] < 0 || rec->lengths[e] > rec->steps)
            return maas_node_fail(c, MAAS_ERR_VALUE, "sequence_lens[%lld] must lie between 0 and %lld, got %d",
                                  (long long)e, (long long)rec->steps, rec->lengths[e]);
    rows = rec->gates * rec->hidden;
    if (rec->batch == 0 || (rec->steps == 0 && !maas_out(c, 1) && !maas_out(c, 2)))
        return MAAS_OK;
    cells = rec->batch * rec->hidden;
    tile = TILE / rec->batch / (rows > rec->inputs ? rows : rec->inputs) + 1;
    if (tile > rec->steps)
        tile = rec->steps;
    bias = maas_scratch(c, (size_t)rows, size);
    gathered = maas_scratch(c, (size_t)(tile * rec->batch), (size_t)rec->inputs * size);
    gate = maas_scratch(c, (size_t)(tile * rec->batch), (size_t)rows * size);
    rec->h = maas_scratch(c, (size_t)cells, 3 * size);
    if (!bias || !gathered || !gate || !rec->h)
        return maas_scratch_failed(c);
    MAAS_TRY(reserve_packed(rec));
    rec->small = rec->packed_r[0] && (rec->first_gates == rec->gates || rec->packed_r[1]) &&
                 maas_product_is_piece(rec->batch, rows, rec->hidden);
    rec->extra = maas_rec_at(rec, rec->h, cells);
    rec->state = lstm ? maas_rec_at(rec, rec->h, 2 * cells) : NULL;
    for (rec->direction = 0; rec->direction < rec->n_directions; rec->direction++) {
        int64_t d = rec->direction;

        rec->reverse = d == 1 || maas_recurrent_is_direction(c->attr, "reverse");
        read_activations(c->attr, d * n_activations, n_activations, defaults, rec->act);
        rec->w = maas_rec_at(rec, w->data, d * rows * rec->inputs);
        rec->r = maas_rec_at(rec, r->data, d * rows * rec->hidden);
        rec->b = b ? maas_rec_at(rec, b->data, d * 2 * rows) : NULL;
        rec->peephole = lstm && p ? maas_rec_at(rec, p->data, d * 3 * rec->hidden) : NULL;
        rec->plain = lstm && rec->type == MAAS_FLOAT && !rec->peephole && !rec->lengths && rec->clip <= 0 &&
                     c->attr[REC_OWN].i == 0 && rec->act[0].kind == MAAS_UN_SIGMOID &&
                     rec->act[1].kind == MAAS_UN_TANH && rec->act[2].kind == MAAS_UN_TANH;
        if (b)
            sum_biases(rec, bias);
        pack(rec);
        MAAS_TRY(run_direction(rec, batch_first, tile, b ? bias : NULL, gathered, gate));
    }
    return MAAS_OK;
}
