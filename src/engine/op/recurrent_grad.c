/*
 * recurrent_grad.c - the way back through time of RNN, LSTM and GRU: the internal operator RecurrentGrad.
 *
 * The forward pass keeps gates and states of all steps (recurrent.h).  Steps are gone through from the last to the
 * first in tiles of some megabytes; within a tile only the gradient of the state goes from step to step, on each
 * thread for its part of the examples, and the gradients of X, W, R and B are products and sums over all steps of
 * the tile at once.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "expect.h"
#include "product.h"
#include "recurrent.h"
#include "recurrent_grad.h"

enum { TILE = 1 << 20 }; /* elements of the tile of the gates' gradients */

typedef enum Cell { CELL_RNN, CELL_LSTM, CELL_GRU } Cell;

enum { IN_DY, IN_DH, IN_DC, IN_X, IN_W, IN_R, IN_LENGTHS, IN_P, IN_GATES, IN_HIDDEN, IN_CELL };
enum { OUT_X, OUT_W, OUT_R, OUT_B, OUT_H, OUT_C, OUT_P, N_OUT };
enum { AT_CELL, AT_RELU, AT_DIRECTION, AT_LAYOUT, AT_BEFORE_RESET };

/* One direction on the way back.  Memory: scratch of the node. */
typedef struct Back {
    MaasRecurrent rec; /* sizes, weights, direction */
    Cell cell;
    bool relu, before_reset, batch_first;
    int64_t rows;            /* gates * hidden */
    const void *gates;       /* (steps, batch, rows) */
    const void *hidden;      /* (steps + 1, batch, hidden) */
    const void *cells;       /* the same, or NULL */
    void *dh, *dc, *product; /* (batch, hidden) */
    void *dgate;             /* (tile, batch, rows) */
    void *dq;                /* (tile, batch, hidden): GRU, of R's product with the state (linear_before_reset) */
    void *x, *dx;            /* (tile, batch, inputs) */
    void *sum;               /* (rows) */
} Back;

static void *at(const Back *b, const void *buffer, int64_t index)
{
    return maas_rec_at(&b->rec, buffer, index);
}

static size_t bytes_of(const Back *b, int64_t n)
{
    return (size_t)n * maas_type_size(b->rec.type);
}

/* y += x */
static void add(const Back *b, const void *x, void *y, int64_t n)
{
    static const int64_t step[4] = {0, 1, 0, 1};

    maas_kernel->binary(MAAS_BIN_ADD, b->rec.type)(y, x, y, 1, n, step);
}

static MaasStatus product(const Back *b, bool ta, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda,
                          const void *other, int64_t ldb, double beta, void *y, int64_t ldc)
{
    return maas_product(b->rec.c, b->rec.type, ta, false, m, n, k, 1, a, lda, other, ldb, beta, y, ldc);
}

/* ---- one step ---- */

/* y (batch, hidden) = or += a (batch, rows of lda elements) times k rows of R; on this thread when that is small.
 */
static MaasStatus product_r(const Back *b, int64_t k, const void *a, int64_t lda, const void *r, bool adds, void *y)
{
    int64_t m = b->rec.batch, n = b->rec.hidden;

    if (b->rec.small) {
        MaasLinear l = maas_linear_of(m, n, k, a, r, y);

        l.lda = lda;
        l.ldb = n;
        l.add = adds;
        maas_kernel->linear_f32(&l, 0, m, 0, n);
        return MAAS_OK;
    }
    return product(b, false, m, n, k, a, lda, r, n, adds ? 1 : 0, y, n);
}

/* The gradients before the activations, of one example; dh and dc become those of the states before, but for what
 * comes through R. */
static void step_example(const Back *b, const void *gate, const void *before, const void *after,
                         const void *cell_before, const void *cell_after, void *dh, void *dc, void *dgate)
{
    static const float p[2] = {0, 0};
    int64_t n = b->rec.hidden;
    bool wide = b->rec.type == MAAS_DOUBLE;

    if (b->cell == CELL_RNN)
        maas_kernel->unary_grad(b->relu ? MAAS_UN_RELU : MAAS_UN_TANH, b->rec.type)(after, dh, dgate, n, p);
    else if (b->cell == CELL_GRU && wide)
        maas_kernel->gru_grad_f64(gate, before, dh, dgate, n);
    else if (b->cell == CELL_GRU)
        maas_kernel->gru_grad_f32(gate, before, dh, dgate, n);
    else if (wide)
        maas_kernel->lstm_grad_f64(gate, cell_after, cell_before, b->rec.peephole, dh, dc, dgate, n);
    else
        maas_kernel->lstm_grad_f32(gate, cell_after, cell_before, b->rec.peephole, dh, dc, dgate, n);
}

/* dr and what the reset gate hands on, of one example. */
static void reset_example(const Back *b, const void *r, const void *q, const void *d, void *dr, void *dq,
                          bool gather)
{
    if (b->rec.type == MAAS_DOUBLE)
        maas_kernel->gru_reset_grad_f64(r, q, d, dr, dq, gather, b->rec.hidden);
    else
        maas_kernel->gru_reset_grad_f32(r, q, d, dr, dq, gather, b->rec.hidden);
}

/* GRU: through the reset gate and R. */
static MaasStatus step_gru(const Back *b, int64_t step, void *dgate, void *dq)
{
    int64_t n = b->rec.hidden, rows = b->rows, row = step * b->rec.all + b->rec.first;
    const void *gate = at(b, b->gates, row * rows), *before = at(b, b->hidden, row * n);
    const void *q = at(b, b->cells, row * n), *r_h = at(b, b->rec.r, 2 * n * n);

    if (!b->before_reset) /* the fresh state's gradient through R, at the product of reset gate and state */
        MAAS_TRY(product_r(b, n, at(b, dgate, 2 * n), rows, r_h, false, b->product));
    for (int64_t e = 0; e < b->rec.batch; e++) {
        const void *r = at(b, gate, e * rows + n);
        void *dr = at(b, dgate, e * rows + n), *fresh = at(b, dgate, e * rows + 2 * n);

        if (!maas_recurrent_active(&b->rec, e, step))
            continue;
        if (b->before_reset)
            reset_example(b, r, at(b, q, e * n), fresh, dr, at(b, dq, e * n), false);
        else
            reset_example(b, r, at(b, before, e * n), at(b, b->product, e * n), dr, at(b, b->dh, e * n), true);
    }
    if (b->before_reset)
        MAAS_TRY(product_r(b, n, dq, n, r_h, true, b->dh));
    return product_r(b, 2 * n, dgate, rows, b->rec.r, true, b->dh);
}

/* RNN and LSTM: dh = dgate R; examples that have ended keep theirs. */
static MaasStatus step_through_r(const Back *b, int64_t step, const void *dgate)
{
    int64_t n = b->rec.hidden;
    void *to = b->rec.lengths ? b->product : b->dh;

    MAAS_TRY(product_r(b, b->rows, dgate, b->rows, b->rec.r, false, to));
    for (int64_t e = 0; b->rec.lengths && e < b->rec.batch; e++)
        if (maas_recurrent_active(&b->rec, e, step))
            memcpy(at(b, b->dh, e * n), at(b, to, e * n), bytes_of(b, n));
    return MAAS_OK;
}

static MaasStatus step_back(const Back *b, int64_t step, void *dgate, void *dq)
{
    const MaasTensor *dy = maas_in(b->rec.c, IN_DY);
    int64_t n = b->rec.hidden, rows = b->rows;

    for (int64_t e = 0; e < b->rec.batch; e++) {
        int64_t row = step * b->rec.all + b->rec.first + e, next = row + b->rec.all;

        if (!maas_recurrent_active(&b->rec, e, step)) {
            memset(at(b, dgate, e * rows), 0, bytes_of(b, rows));
            if (dq)
                memset(at(b, dq, e * n), 0, bytes_of(b, n));
            continue;
        }
        if (dy)
            add(b, at(b, dy->data, maas_recurrent_y_row(&b->rec, e, step, b->batch_first) * n), at(b, b->dh, e * n),
                n);
        step_example(b, at(b, b->gates, row * rows), at(b, b->hidden, row * n), at(b, b->hidden, next * n),
                     at(b, b->cells, row * n), at(b, b->cells, next * n), at(b, b->dh, e * n), at(b, b->dc, e * n),
                     at(b, dgate, e * rows));
    }
    return b->cell == CELL_GRU ? step_gru(b, step, dgate, dq) : step_through_r(b, step, dgate);
}

/* ---- a tile of steps ---- */

/* The rows of X or dX that steps [from, from + n) read: copied to the tile, or from it (added from the second
 * direction on). */
static void gather_x(const Back *b, int64_t from, int64_t n)
{
    const MaasTensor *x = maas_in(b->rec.c, IN_X);
    int64_t batch = b->rec.batch, inputs = b->rec.inputs;

    for (int64_t s = 0; s < n; s++)
        for (int64_t e = 0; e < batch; e++) {
            int64_t t = maas_recurrent_time(&b->rec, e, from + s);

            memcpy(at(b, b->x, (s * batch + e) * inputs),
                   at(b, x->data, (b->batch_first ? e * b->rec.steps + t : t * batch + e) * inputs),
                   bytes_of(b, inputs));
        }
}

static void scatter_dx(const Back *b, int64_t from, int64_t n)
{
    const MaasTensor *dx = maas_out(b->rec.c, OUT_X);
    int64_t batch = b->rec.batch, inputs = b->rec.inputs;

    for (int64_t s = 0; s < n; s++)
        for (int64_t e = 0; e < batch; e++) {
            int64_t t = maas_recurrent_time(&b->rec, e, from + s);
            const void *row = at(b, b->dx, (s * batch + e) * inputs);
            void *to = at(b, dx->data, (b->batch_first ? e * b->rec.steps + t : t * batch + e) * inputs);

            if (b->rec.direction > 0)
                add(b, row, to, inputs);
            else
                memcpy(to, row, bytes_of(b, inputs));
        }
}

static MaasStatus tile_weights(const Back *b, int64_t from, int64_t n)
{
    const MaasCtx *c = b->rec.c;
    MaasTensor *dw = maas_out(c, OUT_W), *dr = maas_out(c, OUT_R);
    int64_t h = b->rec.hidden, inputs = b->rec.inputs, rows = b->rows, k = n * b->rec.batch, d = b->rec.direction;
    const void *before = at(b, b->hidden, from * b->rec.batch * h);
    bool gru = b->cell == CELL_GRU;

    if (dw)
        MAAS_TRY(product(b, true, rows, inputs, k, b->dgate, rows, b->x, inputs, 1,
                         at(b, dw->data, d * rows * inputs), inputs));
    if (!dr)
        return MAAS_OK;
    void *to = at(b, dr->data, d * rows * h);

    MAAS_TRY(product(b, true, gru ? 2 * h : rows, h, k, b->dgate, rows, before, h, 1, to, h));
    if (!gru)
        return MAAS_OK;
    if (b->before_reset)
        return product(b, true, h, h, k, b->dq, h, before, h, 1, at(b, to, 2 * h * h), h);
    return product(b, true, h, h, k, at(b, b->dgate, 2 * h), rows, at(b, b->cells, from * b->rec.batch * h), h, 1,
                   at(b, to, 2 * h * h), h);
}

static void tile_bias(const Back *b, int64_t n)
{
    MaasTensor *db = maas_out(b->rec.c, OUT_B);
    MaasReduceFn sum = maas_kernel->reduce(MAAS_RED_SUM, b->rec.type);
    int64_t h = b->rec.hidden, rows = b->rows, k = n * b->rec.batch;

    if (!db)
        return;
    void *w = at(b, db->data, b->rec.direction * 2 * rows), *r = at(b, w, rows);

    sum(b->dgate, b->sum, 1, k, rows);
    add(b, b->sum, w, rows);
    add(b, b->sum, r, b->dq ? 2 * h : rows);
    if (b->dq) {
        sum(b->dq, b->sum, 1, k, h);
        add(b, b->sum, at(b, r, 2 * h), h);
    }
}

/* The peepholes see the cell before the step (i, f) and after it (o). */
static void tile_peepholes(const Back *b, int64_t from, int64_t n)
{
    MaasTensor *dp = maas_out(b->rec.c, OUT_P);
    int64_t h = b->rec.hidden, batch = b->rec.batch;

    if (!dp)
        return;
    void *p = at(b, dp->data, b->rec.direction * 3 * h);

    for (int64_t i = 0; i < n * batch; i++) {
        const void *g = at(b, b->dgate, i * 4 * h), *before = at(b, b->cells, (from * batch + i) * h);
        const void *after = at(b, b->cells, ((from + 1) * batch + i) * h);

        if (b->rec.type == MAAS_DOUBLE) {
            maas_kernel->madd_f64(g, before, p, h);
            maas_kernel->madd_f64(at(b, g, h), after, at(b, p, h), h);
            maas_kernel->madd_f64(at(b, g, 2 * h), before, at(b, p, 2 * h), h);
        } else {
            maas_kernel->madd_f32(g, before, p, h);
            maas_kernel->madd_f32(at(b, g, h), after, at(b, p, h), h);
            maas_kernel->madd_f32(at(b, g, 2 * h), before, at(b, p, 2 * h), h);
        }
    }
}

/* The steps of a tile, backwards. */
typedef struct Walk {
    const Back *b;
    int64_t from, n;
} Walk;

static MaasStatus walk(const Back *b, const Walk *w)
{
    for (int64_t s = w->n - 1; s >= 0 && !(b->rec.small && maas_stop(b->rec.c)); s--) {
        int64_t row = s * b->rec.all + b->rec.first;

        MAAS_TRY(step_back(b, w->from + s, at(b, b->dgate, row * b->rows),
                           b->dq ? at(b, b->dq, row * b->rec.hidden) : NULL));
    }
    return MAAS_OK;
}

/* Small steps do not fail. */
static void walk_part(void *arg, int64_t first, int64_t end)
{
    const Walk *w = arg;
    Back part = *w->b;

    part.rec = maas_recurrent_part(&part.rec, first, end - first);
    part.dh = at(&part, part.dh, first * part.rec.hidden);
    part.dc = at(&part, part.dc, first * part.rec.hidden);
    part.product = at(&part, part.product, first * part.rec.hidden);
    walk(&part, w);
}

static MaasStatus tile_back(Back *b, int64_t from, int64_t n)
{
    const MaasTensor *x = maas_in(b->rec.c, IN_X), *dx = maas_out(b->rec.c, OUT_X);
    int64_t batch = b->rec.batch, inputs = b->rec.inputs;
    bool gather = b->batch_first || b->rec.reverse;
    void *tile_x = b->x;
    Walk w = {b, from, n};

    if (b->rec.small)
        MAAS_TRY(maas_parallel(b->rec.c, batch, maas_recurrent_grain(&b->rec, n), walk_part, &w));
    else
        MAAS_TRY(walk(b, &w));
    if (gather)
        gather_x(b, from, n);
    else
        b->x = at(b, x->data, from * batch * inputs);
    MaasStatus status = tile_weights(b, from, n);

    b->x = tile_x;
    MAAS_TRY(status);
    tile_bias(b, n);
    tile_peepholes(b, from, n);
    if (!dx)
        return MAAS_OK;
    void *to = gather ? b->dx : at(b, dx->data, from * batch * inputs);

    MAAS_TRY(product(b, false, n * batch, inputs, b->rows, b->dgate, b->rows, b->rec.w, inputs,
                     !gather && b->rec.direction > 0 ? 1 : 0, to, inputs));
    if (gather)
        scatter_dx(b, from, n);
    return MAAS_OK;
}

/* ---- a direction ---- */

/* Copies the state's gradient of all examples from, or to, a tensor in the layout of Y_h. */
static void move_state(const Back *b, const MaasTensor *from, MaasTensor *to, void *state)
{
    int64_t n = b->rec.hidden;

    for (int64_t e = 0; e < b->rec.batch; e++) {
        int64_t row = maas_recurrent_state_row(&b->rec, e, b->batch_first) * n;
        void *own = at(b, state, e * n);

        if (to)
            memcpy(at(b, to->data, row), own, bytes_of(b, n));
        else if (from)
            memcpy(own, at(b, from->data, row), bytes_of(b, n));
        else
            memset(own, 0, bytes_of(b, n));
    }
}

static MaasStatus direction_back(Back *b, int64_t tile)
{
    MaasCtx *c = b->rec.c;
    int64_t to = b->rec.steps;

    move_state(b, maas_in(c, IN_DH), NULL, b->dh);
    move_state(b, maas_in(c, IN_DC), NULL, b->dc);
    while (to > 0) {
        int64_t from = to > tile ? to - tile : 0;

        MAAS_TRY(tile_back(b, from, to - from));
        to = from;
    }
    if (maas_out(c, OUT_H))
        move_state(b, NULL, maas_out(c, OUT_H), b->dh);
    if (maas_out(c, OUT_C))
        move_state(b, NULL, maas_out(c, OUT_C), b->dc);
    return MAAS_OK;
}

static MaasStatus allocate(Back *b, int64_t tile)
{
    MaasCtx *c = b->rec.c;
    size_t size = maas_type_size(b->rec.type);
    int64_t cells = b->rec.batch * b->rec.hidden, wide = tile * b->rec.batch;

    b->dh = maas_scratch(c, (size_t)cells, 3 * size);
    b->dgate = maas_scratch(c, (size_t)wide, (size_t)b->rows * size);
    b->x = maas_scratch(c, (size_t)wide, 2 * (size_t)b->rec.inputs * size);
    b->sum = maas_scratch(c, (size_t)b->rows, size);
    if (b->before_reset)
        b->dq = maas_scratch(c, (size_t)wide, (size_t)b->rec.hidden * size);
    if (!b->dh || !b->dgate || !b->x || !b->sum || (b->before_reset && !b->dq))
        return maas_scratch_failed(c);
    b->dc = at(b, b->dh, cells);
    b->product = at(b, b->dh, 2 * cells);
    b->dx = at(b, b->x, wide * b->rec.inputs);
    return MAAS_OK;
}

static MaasStatus compute_recurrent_grad(MaasCtx *c)
{
    static const int gates[] = {[CELL_RNN] = 1, [CELL_LSTM] = 4, [CELL_GRU] = 3};
    const MaasTensor *x = maas_in(c, IN_X), *w = maas_in(c, IN_W), *r = maas_in(c, IN_R), *p = maas_in(c, IN_P);
    const MaasTensor *lengths = maas_in(c, IN_LENGTHS), *cells = maas_in(c, IN_CELL);
    Back b = {.cell = (Cell)c->attr[AT_CELL].i,
              .relu = c->attr[AT_RELU].i != 0,
              .before_reset = c->attr[AT_BEFORE_RESET].i != 0,
              .batch_first = c->attr[AT_LAYOUT].i != 0};
    MaasRecurrent *rec = &b.rec;
    int64_t tile;

    rec->c = c;
    rec->type = x->type;
    rec->gates = gates[b.cell];
    rec->n_directions = (int)w->dims[0];
    rec->steps = x->dims[b.batch_first];
    rec->batch = rec->all = x->dims[!b.batch_first];
    rec->inputs = x->dims[2];
    rec->hidden = r->dims[2];
    rec->lengths = lengths ? MAAS_I32(lengths) : NULL;
    b.rows = rec->gates * rec->hidden;
    for (int i = OUT_X; i < N_OUT; i++)
        if (maas_out(c, i) && maas_out(c, i)->count > 0)
            memset(maas_out(c, i)->data, 0, maas_tensor_bytes(maas_out(c, i)));
    if (rec->batch == 0)
        return MAAS_OK;
    rec->small =
        rec->type == MAAS_FLOAT && maas_product_is_piece(rec->batch, b.rows, rec->hidden) &&
        (maas_run_threads(c) > 1 || /* slower kernels on several threads beat OpenBLAS on one */
         maas_kernel->linear_leads(false, rec->batch, rec->hidden, b.cell == CELL_GRU ? rec->hidden : b.rows));
    tile = TILE / rec->batch / (b.rows > rec->inputs ? b.rows : rec->inputs) + 1;
    if (tile > rec->steps)
        tile = rec->steps;
    MAAS_TRY(allocate(&b, tile));
    for (rec->direction = 0; rec->direction < rec->n_directions; rec->direction++) {
        int64_t d = rec->direction, states = (rec->steps + 1) * rec->batch * rec->hidden;

        rec->reverse = d == 1 || maas_text_is(c->attr[AT_DIRECTION].s, "reverse");
        rec->w = at(&b, w->data, d * b.rows * rec->inputs);
        rec->r = at(&b, r->data, d * b.rows * rec->hidden);
        rec->peephole = p ? at(&b, p->data, d * 3 * rec->hidden) : NULL;
        b.gates = at(&b, maas_in(c, IN_GATES)->data, d * rec->steps * rec->batch * b.rows);
        b.hidden = at(&b, maas_in(c, IN_HIDDEN)->data, d * states);
        b.cells = cells ? at(&b, cells->data, d * states) : b.hidden; /* RNN reads it nowhere */
        MAAS_TRY(direction_back(&b, tile));
    }
    return MAAS_OK;
}

/* ---- the operator ---- */

/* Each output has the shape of the input whose gradient it is. */
static MaasStatus infer_recurrent_grad(MaasInferCtx *c)
{
    const MaasInfo *x = c->in[IN_X], *w = c->in[IN_W], *r = c->in[IN_R], *hidden = c->in[IN_HIDDEN];
    bool batch_first = c->attr[AT_LAYOUT].i != 0;
    int64_t directions = maas_dim(c, IN_W, 0), rows = maas_dim(c, IN_W, 1), n = maas_dim(c, IN_R, 2);
    const int64_t batch = hidden->rank == 4 ? hidden->dims[2] : MAAS_DIM_ANY;
    const int64_t b[] = {directions, rows < 0 ? rows : 2 * rows}, p[] = {directions, n < 0 ? n : 3 * n};
    const int64_t h_time[] = {directions, batch, n}, h_batch[] = {batch, directions, n};
    const int64_t *h = batch_first ? h_batch : h_time;

    MAAS_TRY(maas_infer_out(c, OUT_X, MAAS_UNDEFINED, x->rank, x->dims));
    MAAS_TRY(maas_infer_out(c, OUT_W, MAAS_UNDEFINED, w->rank, w->dims));
    MAAS_TRY(maas_infer_out(c, OUT_R, MAAS_UNDEFINED, r->rank, r->dims));
    MAAS_TRY(maas_infer_out(c, OUT_B, MAAS_UNDEFINED, 2, b));
    MAAS_TRY(maas_infer_out(c, OUT_H, MAAS_UNDEFINED, 3, h));
    MAAS_TRY(maas_infer_out(c, OUT_C, MAAS_UNDEFINED, 3, h));
    return maas_infer_out(c, OUT_P, MAAS_UNDEFINED, 2, p);
}

/* Four products of the size of each of the forward pass's two. */
static double cost_recurrent_grad(const MaasInferCtx *c)
{
    return 4 * maas_dim_cost(maas_dim(c, IN_W, 0)) * maas_dim_cost(maas_dim(c, IN_W, 1)) *
           (maas_dim_cost(maas_dim(c, IN_W, 2)) + maas_dim_cost(maas_dim(c, IN_R, 2))) *
           maas_dim_cost(maas_dim(c, IN_X, 0)) * maas_dim_cost(maas_dim(c, IN_X, 1));
}

#define FLOATS MAAS_T_FLOATS
const MaasOp maas_op_recurrent_grad = {
    .domain = "maas",
    .name = "RecurrentGrad",
    .first = 1,
    .since = 1,
    .flags = MAAS_OP_HALF_VIA_F32,
    .in = {{"dY", FLOATS, 'T', MAAS_OPTIONAL},
           {"dY_h", FLOATS, 'T', MAAS_OPTIONAL},
           {"dY_c", FLOATS, 'T', MAAS_OPTIONAL},
           {"X", FLOATS, 'T', 0},
           {"W", FLOATS, 'T', 0},
           {"R", FLOATS, 'T', 0},
           {"sequence_lens", MAAS_T(MAAS_INT32), 0, MAAS_OPTIONAL},
           {"P", FLOATS, 'T', MAAS_OPTIONAL},
           {"gates", FLOATS, 'T', 0},
           {"hidden", FLOATS, 'T', 0},
           {"cell", FLOATS, 'T', MAAS_OPTIONAL}},
    .out = {{"dX", FLOATS, 'T', MAAS_OPTIONAL},
            {"dW", FLOATS, 'T', MAAS_OPTIONAL},
            {"dR", FLOATS, 'T', MAAS_OPTIONAL},
            {"dB", FLOATS, 'T', MAAS_OPTIONAL},
            {"dH", FLOATS, 'T', MAAS_OPTIONAL},
            {"dC", FLOATS, 'T', MAAS_OPTIONAL},
            {"dP", FLOATS, 'T', MAAS_OPTIONAL}},
    .attrs = {[AT_CELL] = {"cell", MAAS_ATTR_INT},
              [AT_RELU] = {"relu", MAAS_ATTR_INT},
              [AT_DIRECTION] = {"direction", MAAS_ATTR_STRING, .s = "forward"},
              [AT_LAYOUT] = {"layout", MAAS_ATTR_INT},
              [AT_BEFORE_RESET] = {"linear_before_reset", MAAS_ATTR_INT}},
    .infer = infer_recurrent_grad,
    .compute = compute_recurrent_grad,
    .cost = cost_recurrent_grad,
};

/* ---- the grad functions ---- */

/* Whether the activations are n names again and again. */
static bool has_activations(const MaasAttr *attr, int n, const char *const *names)
{
    const MaasAttr *given = &attr[REC_ACTIVATIONS];

    for (int64_t i = 0; i < given->n; i++)
        if (!maas_text_is(given->strings[i], names[i % n]))
            return false;
    return true;
}

static void grad_recurrent(MaasGrad *g, Cell cell, bool relu)
{
    static const int places[] = {REC_X, REC_W, REC_R, REC_B, REC_H, REC_C, REC_P};
    bool lstm = cell == CELL_LSTM;
    int saved = lstm ? 3 : 2, out[N_OUT];
    const int in[] = {maas_grad_dy(g, 0),
                      maas_grad_dy(g, 1),
                      lstm ? maas_grad_dy(g, 2) : MAAS_NO_VALUE,
                      maas_grad_in(g, REC_X),
                      maas_grad_in(g, REC_W),
                      maas_grad_in(g, REC_R),
                      maas_grad_in(g, REC_LENGTHS),
                      lstm ? maas_grad_in(g, REC_P) : MAAS_NO_VALUE,
                      maas_grad_out(g, saved + REC_SAVED_GATES),
                      maas_grad_out(g, saved + REC_SAVED_HIDDEN),
                      cell == CELL_RNN ? MAAS_NO_VALUE : maas_grad_out(g, saved + REC_SAVED_CELL)};

    if (maas_grad_attrs(g)[REC_CLIP].set)
        maas_grad_refuse(g, "clip");
    maas_grad_ask(g, N_OUT, places, out);
    maas_grad_nodes(g, "RecurrentGrad", (int)(sizeof in / sizeof *in), in, N_OUT, out);
    maas_grad_set_int(g, "cell", cell);
    maas_grad_set_int(g, "relu", relu);
    maas_grad_copy_attrs(g, REC_DIRECTION, REC_DIRECTION + 1);
    maas_grad_copy_attrs(g, REC_LAYOUT, REC_LAYOUT + 1);
    if (cell == CELL_GRU)
        maas_grad_copy_attrs(g, REC_OWN, REC_OWN + 1);
    for (int i = 0; i < N_OUT; i++)
        maas_grad_give(g, places[i], out[i]);
}

void maas_grad_rnn(MaasGrad *g)
{
    static const char *const tanh_name[] = {"Tanh"}, *const relu_name[] = {"Relu"};
    const MaasAttr *attr = maas_grad_attrs(g);
    bool relu = attr[REC_ACTIVATIONS].n > 0 && has_activations(attr, 1, relu_name);

    if (!relu && !has_activations(attr, 1, tanh_name))
        maas_grad_refuse(g, "activations other than Tanh and Relu");
    grad_recurrent(g, CELL_RNN, relu);
}

void maas_grad_lstm(MaasGrad *g)
{
    static const char *const names[] = {"Sigmoid", "Tanh", "Tanh"};

    if (!has_activations(maas_grad_attrs(g), 3, names))
        maas_grad_refuse(g, "activations other than Sigmoid, Tanh, Tanh");
    if (maas_grad_attrs(g)[REC_OWN].i)
        maas_grad_refuse(g, "input_forget");
    grad_recurrent(g, CELL_LSTM, false);
}

void maas_grad_gru(MaasGrad *g)
{
    static const char *const names[] = {"Sigmoid", "Tanh"};

    if (!has_activations(maas_grad_attrs(g), 2, names))
        maas_grad_refuse(g, "activations other than Sigmoid, Tanh");
    grad_recurrent(g, CELL_GRU, false);
}
