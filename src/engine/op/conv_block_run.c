/*
 * conv_block_run.c - computing maas.BlockConv from its state.
 *
 * Work is cut into items (image, group, filters, positions) that the threads of the run share; an item is small
 * enough that the stop flag, polled between items, is seen in time.  Panels lie in the run's scratch memory, one
 * for each thread that may be at work.
 */
#include <stdatomic.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "conv_block.h"
#include "expect.h"

enum {
    TILE = 14,                 /* positions that a kernel handles best at a time */
    POINTS = 8 * TILE,         /* of an item */
    PANEL_FLOATS = 96 * 1024,  /* of a panel: it stays in the second cache */
    PANEL_SECTIONS = 96,       /* of the depth at a time */
    ITEM_STEPS = 1 << 26,      /* products of an item */
    WINOGRAD_FLOATS = 3 << 17, /* of the transformed tiles at a time, for each thread */
    PLACES = MAAS_WINOGRAD_IN * MAAS_WINOGRAD_IN
};

/* ---- plain and blocked ---- */

typedef struct Move {
    MaasCtx *c;
    const float *x;
    float *y;
    int64_t channels, plane, pieces; /* pieces of a plane, or blocks */
} Move;

enum { MOVE = 256 }; /* positions */

static void from_plain(void *arg, int64_t from, int64_t to)
{
    const Move *m = arg;

    for (int64_t i = from; i < to && !maas_stop(m->c); i++) {
        const int64_t image = i / m->pieces, p = i % m->pieces * MOVE;

        maas_kernel->block_from_plain_f32(m->x + image * m->channels * m->plane, m->channels, m->plane, p,
                                          maas_least(p + MOVE, m->plane),
                                          m->y + image * maas_blocks(m->channels) * m->plane * MAAS_BLOCK);
    }
}

static void to_plain(void *arg, int64_t from, int64_t to)
{
    const Move *m = arg;

    for (int64_t i = from; i < to && !maas_stop(m->c); i++) {
        const int64_t image = i / m->pieces, b = i % m->pieces;

        maas_kernel->block_to_plain_f32(m->x + image * m->pieces * m->plane * MAAS_BLOCK, m->channels, m->plane, b,
                                        b + 1, m->y + image * m->channels * m->plane);
    }
}

MaasStatus maas_block_from_plain(MaasCtx *c, const float *x, int64_t batch, int64_t channels, int64_t plane,
                                 float *y)
{
    Move m = {c, x, y, channels, plane, maas_ceil_div(plane, MOVE)};

    return maas_parallel(c, batch * m.pieces, 1, from_plain, &m);
}

MaasStatus maas_block_to_plain(MaasCtx *c, const float *x, int64_t batch, int64_t channels, int64_t plane, float *y)
{
    Move m = {c, x, y, channels, plane, maas_blocks(channels)};

    return maas_parallel(c, batch * m.pieces, 1, to_plain, &m);
}

/* ---- one convolution ---- */

typedef struct Conv {
    MaasCtx *c;
    const MaasBlockFilters *f;
    MaasWindow w;
    const float *x, *weights;
    float *y;
    MaasBlockEnd end;
    int64_t batch, inputs, outputs; /* positions of a plane */
    int64_t x_image, y_image;       /* floats */
    int64_t blocks_in, blocks_out;  /* of a group */
    int64_t sections;               /* of a panel at a time */
    int64_t cuts_p, cuts_m;         /* items of an image and group: positions, filters */
    float *panels;                  /* one for each slot; kept from one piece of the batch to the next */
    int64_t panel;                  /* floats */
    MaasBlockFilters wild;          /* Winograd's filters as those of panels, once they were needed */
    int n_slots;
    atomic_int taken[MAAS_BLOCK_MOST_THREADS];
} Conv;

/* A panel that no other thread uses. */
static int take_slot(Conv *v)
{
    for (int i = 0;; i = (i + 1) % v->n_slots) {
        int zero = 0;

        if (atomic_compare_exchange_strong(&v->taken[i], &zero, 1))
            return i;
    }
}

/* Multiplies a panel that holds sections [s0, s1) of the depth. */
static void panel_item(const Conv *v, MaasBlockProduct g, const float *x, int64_t p0, int64_t n, int64_t b0,
                       int64_t b1, float *panel)
{
    const int64_t all = v->blocks_in * v->f->taps;
    const float *w = g.w;

    for (int64_t s = 0; s < all && !maas_stop(v->c); s += v->sections) {
        const int64_t end = maas_least(s + v->sections, all);

        maas_kernel->block_panel_f32(&v->w, x, v->f->channels, s, end, p0, p0 + n, panel);
        g.x = panel;
        g.section = n * MAAS_BLOCK;
        g.depth = (end - s) * MAAS_BLOCK;
        g.w = w + s * MAAS_BLOCK * MAAS_BLOCK;
        g.first = s == 0;
        g.last = end == all;
        maas_kernel->block_product_f32(&g, b0, b1, n);
    }
}

static void rows_item(const Conv *v, MaasBlockProduct g, const float *x, int64_t p0, int64_t n, int64_t b0,
                      int64_t b1, float *panel)
{
    const int64_t width = v->w.out[1];
    const float *residual = g.end.residual;
    float *y = g.y;

    g.x = panel;
    g.rows = true;
    for (int64_t p = 0, run; p < n; p += run) {
        /* what is left of the row, in pieces of nearly equal size */
        const int64_t left = maas_least(width - (p0 + p) % width, n - p);

        run = maas_ceil_div(left, maas_ceil_div(left, TILE));
        maas_kernel->block_panel_plain_f32(&v->w, x, v->f->channels, p0 + p, run, panel);
        g.y = y + p * MAAS_BLOCK;
        g.end.residual = residual ? residual + p * MAAS_BLOCK : NULL;
        maas_kernel->block_product_f32(&g, b0, b1, run);
    }
}

static void product_item(const Conv *v, int64_t item, float *panel)
{
    const MaasBlockFilters *f = v->f;
    const int64_t p = item % v->cuts_p, m = item / v->cuts_p % v->cuts_m;
    const int64_t group = item / v->cuts_p / v->cuts_m % f->groups,
                  image = item / v->cuts_p / v->cuts_m / f->groups;
    const int64_t p0 = p * v->outputs / v->cuts_p, n = (p + 1) * v->outputs / v->cuts_p - p0;
    const int64_t b0 = m * v->blocks_out / v->cuts_m, b1 = (m + 1) * v->blocks_out / v->cuts_m;
    const int64_t first = group * v->blocks_out;
    const int64_t to = image * v->y_image + (first * v->outputs + p0) * MAAS_BLOCK;
    const float *x = v->x + image * v->x_image + group * v->blocks_in * v->inputs * MAAS_BLOCK;
    MaasBlockProduct g = {.w = v->weights + first * f->w_block,
                          .y = v->y + to,
                          .depth = f->depth,
                          .w_block = f->w_block,
                          .y_block = v->outputs * MAAS_BLOCK,
                          .first = true,
                          .last = true,
                          .end = v->end};

    g.end.bias = v->end.bias ? v->end.bias + first * MAAS_BLOCK : NULL;
    g.end.residual = v->end.residual ? v->end.residual + to : NULL;
    if (f->method == MAAS_BLOCK_PANEL) {
        panel_item(v, g, x, p0, n, b0, b1, panel);
    } else if (f->method == MAAS_BLOCK_ROWS) {
        rows_item(v, g, x, p0, n, b0, b1, panel);
    } else {
        g.x = x + p0 * MAAS_BLOCK;
        g.section = v->inputs * MAAS_BLOCK;
        maas_kernel->block_product_f32(&g, b0, b1, n);
    }
}

static void product_items(void *arg, int64_t from, int64_t to)
{
    Conv *v = arg;
    const int slot = v->panels ? take_slot(v) : 0;

    for (int64_t i = from; i < to && !maas_stop(v->c); i++)
        product_item(v, i, v->panels ? v->panels + slot * v->panel : NULL);
    if (v->panels)
        atomic_store(&v->taken[slot], 0);
}

static MaasStatus run_product(Conv *v)
{
    const MaasBlockFilters *f = v->f;
    const int64_t all = v->blocks_in * f->taps;
    int64_t n = POINTS, items;

    if (f->method == MAAS_BLOCK_PANEL) {
        v->sections = maas_ceil_div(all, maas_ceil_div(all, PANEL_SECTIONS));
        n = PANEL_FLOATS / (v->sections * MAAS_BLOCK);
    }
    v->cuts_p = maas_ceil_div(v->outputs, n);
    n = maas_ceil_div(v->outputs, v->cuts_p);
    v->cuts_m = maas_ceil_div(n * v->blocks_out * MAAS_BLOCK, maas_ceil_div(ITEM_STEPS, f->depth));
    items = v->batch * f->groups * v->cuts_p;
    if (v->n_slots > 1 && items * v->cuts_m < 4 * v->n_slots)
        v->cuts_m = maas_ceil_div(4 * v->n_slots, items);
    v->cuts_m = maas_least(v->cuts_m, maas_ceil_div(v->blocks_out, 2));
    if (f->method != MAAS_BLOCK_POINT && !v->panels) {
        v->panel = f->method == MAAS_BLOCK_ROWS ? f->depth * MAAS_BLOCK : v->sections * n * MAAS_BLOCK;
        v->panels = maas_scratch(v->c, (size_t)v->panel * (size_t)v->n_slots, sizeof *v->panels);
        if (!v->panels)
            return maas_scratch_failed(v->c);
    }
    return maas_parallel(v->c, items * v->cuts_m, 1, product_items, v);
}

/* ---- Winograd ---- */

/* Some tiles of all images: counted through, `tiles` of them an image. */
typedef struct Winograd {
    const Conv *v;
    atomic_int wild; /* an input that the transforms would spread */
    int64_t across, tiles;
    int64_t first, n;
    int64_t blocks_in, blocks_out;
    float *in, *out; /* (36, blocks, n, 16) */
    int64_t in_place, out_place;
} Winograd;

/* Calls of a transform: pairs (block, tile), cut where the block or the image ends. */
typedef struct Stretch {
    int64_t block, tile, n, image, at; /* at: the first tile's number within the image */
} Stretch;

static Stretch stretch_at(const Winograd *g, int64_t i, int64_t end)
{
    Stretch s = {.block = i / g->n, .tile = i % g->n};

    s.image = (g->first + s.tile) / g->tiles;
    s.at = (g->first + s.tile) % g->tiles;
    s.n = maas_least(maas_least(g->n - s.tile, end - i), g->tiles - s.at);
    return s;
}

static void winograd_in(void *arg, int64_t from, int64_t to)
{
    Winograd *g = arg;
    const Conv *v = g->v;

    for (int64_t i = from; i < to && !maas_stop(v->c);) {
        const Stretch s = stretch_at(g, i, to);

        if (!maas_kernel->winograd_input_f32(&v->w, v->x + s.image * v->x_image + s.block * v->inputs * MAAS_BLOCK,
                                             g->across, s.at, s.n, g->in + i * MAAS_BLOCK, g->in_place))
            atomic_store(&g->wild, 1);
        i += s.n;
    }
}

static void winograd_product(void *arg, int64_t from, int64_t to)
{
    const Winograd *g = arg;
    const Conv *v = g->v;
    const int64_t cuts = v->cuts_m;

    for (int64_t i = from; i < to && !maas_stop(v->c); i++) {
        const int64_t place = i / cuts, m = i % cuts;
        const MaasBlockProduct p = {.x = g->in + place * g->in_place,
                                    .w = v->weights + place * v->f->w_place,
                                    .y = g->out + place * g->out_place,
                                    .section = g->n * MAAS_BLOCK,
                                    .depth = v->f->depth,
                                    .w_block = v->f->w_block,
                                    .y_block = g->n * MAAS_BLOCK,
                                    .first = true};

        maas_kernel->block_product_f32(&p, m * g->blocks_out / cuts, (m + 1) * g->blocks_out / cuts, g->n);
    }
}

static void winograd_out(void *arg, int64_t from, int64_t to)
{
    const Winograd *g = arg;
    const Conv *v = g->v;

    for (int64_t i = from; i < to && !maas_stop(v->c);) {
        const Stretch s = stretch_at(g, i, to);
        const int64_t at = s.image * v->y_image + s.block * v->outputs * MAAS_BLOCK;
        MaasBlockEnd end = v->end;

        end.bias = end.bias ? end.bias + s.block * MAAS_BLOCK : NULL;
        end.residual = end.residual ? end.residual + at : NULL;
        maas_kernel->winograd_output_f32(&v->w, g->out + i * MAAS_BLOCK, g->out_place, g->across, s.at, s.n, &end,
                                         v->y + at);
        i += s.n;
    }
}

/* The same convolution by panels. */
static MaasStatus run_wild(Conv *v)
{
    float *weights;

    maas_block_conv_unpack(v->f, v->weights, &v->wild, NULL);
    weights = maas_scratch(v->c, (size_t)v->wild.w_place, sizeof *weights);
    if (!weights)
        return maas_scratch_failed(v->c);
    maas_block_conv_unpack(v->f, v->weights, &v->wild, weights);
    v->f = &v->wild;
    v->weights = weights;
    return run_product(v);
}

static MaasStatus run_winograd(Conv *v)
{
    const int64_t out = MAAS_WINOGRAD_OUT(v->w.kernel[0]), down = maas_ceil_div(v->w.out[0], out);
    Winograd g = {
        .v = v, .across = maas_ceil_div(v->w.out[1], out), .blocks_in = v->blocks_in, .blocks_out = v->blocks_out};
    int64_t all, most, step;

    g.tiles = down * g.across;
    all = g.tiles * v->batch;
    most = (int64_t)WINOGRAD_FLOATS * v->n_slots / (PLACES * MAAS_BLOCK * (g.blocks_in + g.blocks_out));
    if (most < 2 * TILE)
        most = 2 * TILE;
    step = maas_ceil_div(all, maas_ceil_div(all, most));
    v->cuts_m = maas_ceil_div(step * g.blocks_out * MAAS_BLOCK, maas_ceil_div(ITEM_STEPS, v->f->depth));
    v->cuts_m = maas_least(v->cuts_m, maas_ceil_div(g.blocks_out, 2));
    /* a place more than needed, so that the places of one tile do not fall on the same lines of the cache */
    g.in_place = (step * g.blocks_in + 1) * MAAS_BLOCK;
    g.out_place = (step * g.blocks_out + 1) * MAAS_BLOCK;
    g.in = maas_scratch(v->c, (size_t)(PLACES * g.in_place), sizeof *g.in);
    if (!g.in)
        return maas_scratch_failed(v->c);
    g.out = maas_scratch(v->c, (size_t)(PLACES * g.out_place), sizeof *g.out);
    if (!g.out)
        return maas_scratch_failed(v->c);
    for (g.first = 0; g.first < all; g.first += g.n) {
        g.n = maas_least(step, all - g.first);
        MAAS_TRY(maas_parallel(v->c, g.n * g.blocks_in, 1, winograd_in, &g));
        if (atomic_load(&g.wild))
            return run_wild(v);
        MAAS_TRY(maas_parallel(v->c, PLACES * v->cuts_m, 1, winograd_product, &g));
        MAAS_TRY(maas_parallel(v->c, g.n * g.blocks_out, 1, winograd_out, &g));
    }
    maas_scratch_back(v->c, g.in);
    maas_scratch_back(v->c, g.out);
    return MAAS_OK;
}

/* ---- depthwise ---- */

static void depthwise_rows(void *arg, int64_t from, int64_t to)
{
    const Conv *v = arg;
    const int64_t blocks = maas_blocks(v->f->groups);

    for (int64_t i = from; i < to && !maas_stop(v->c); i++) {
        const int64_t row = i % v->w.out[0], block = i / v->w.out[0] % blocks, image = i / v->w.out[0] / blocks;
        const int64_t at = image * v->y_image + (block * v->outputs + row * v->w.out[1]) * MAAS_BLOCK;
        MaasBlockEnd end = v->end;

        end.bias = end.bias ? end.bias + block * MAAS_BLOCK : NULL;
        end.residual = end.residual ? end.residual + at : NULL;
        maas_kernel->block_depthwise_f32(&v->w, v->x + image * v->x_image + block * v->inputs * MAAS_BLOCK,
                                         v->weights + block * v->f->w_block, row, &end, v->y + at);
    }
}

/* ---- the whole ---- */

static MaasStatus run_blocked(Conv *v)
{
    switch ((MaasBlockMethod)v->f->method) {
    case MAAS_BLOCK_WINOGRAD:
        return run_winograd(v);
    case MAAS_BLOCK_DEPTHWISE:
        return maas_parallel(v->c, v->batch * maas_blocks(v->f->groups) * v->w.out[0], 1, depthwise_rows, v);
    default:
        return run_product(v);
    }
}

int maas_block_slots(const MaasCtx *c)
{
    const int threads = maas_run_threads(c);

    return threads < 1 ? 1 : threads > MAAS_BLOCK_MOST_THREADS ? MAAS_BLOCK_MOST_THREADS : threads;
}

/* A blocked copy of a plain input. */
static MaasStatus block_input(Conv *v, const MaasTensor *x)
{
    const int64_t channels = x->dims[1], blocks = maas_blocks(channels);
    float *copy = maas_scratch(v->c, (size_t)(v->batch * blocks * v->inputs), MAAS_BLOCK * sizeof *copy);

    if (!copy)
        return maas_scratch_failed(v->c);
    v->x = copy;
    v->x_image = blocks * v->inputs * MAAS_BLOCK;
    return maas_block_from_plain(v->c, MAAS_F32(x), v->batch, channels, v->inputs, copy);
}

MaasStatus maas_block_conv_run(MaasCtx *c)
{
    const MaasTensor *x = maas_in(c, 0), *w = maas_in(c, 1), *residual = maas_in(c, 3);
    const MaasBlockFilters *f = c->state;
    const MaasWindowAttrs attrs = maas_window_attrs(c->attr);
    MaasTensor *y = maas_out(c, 0);
    const int64_t blocks = maas_blocks(w->dims[0]);
    const float *state = c->state;
    Conv v = {.c = c,
              .f = f,
              .x = x->count ? MAAS_F32(x) : state, /* never read when it is empty */
              .weights = state + f->weights,
              .y = MAAS_F32(y),
              .end = {.bias = f->has_bias ? state + f->bias : NULL,
                      .residual = residual ? MAAS_F32(residual) : NULL,
                      .act = (MaasBlockAct)c->attr[MAAS_BLOCK_CONV_ACT].i,
                      .p0 = c->attr[MAAS_BLOCK_CONV_P0].f,
                      .p1 = c->attr[MAAS_BLOCK_CONV_P1].f},
              .batch = x->dims[0],
              .blocks_in = maas_blocks(f->channels),
              .blocks_out = maas_blocks(f->filters)};

    if (y->count == 0)
        return MAAS_OK;
    maas_window_plan(&attrs, 2, x->dims + 2, w->dims + 2, &v.w);
    v.inputs = maas_window_inputs(&v.w);
    v.outputs = maas_window_outputs(&v.w);
    v.x_image = x->count / v.batch;
    v.y_image = blocks * v.outputs * MAAS_BLOCK;
    v.n_slots = maas_block_slots(c);
    if (c->attr[MAAS_BLOCK_CONV_X_PLAIN].i && f->method != MAAS_BLOCK_ROWS && x->count > 0)
        MAAS_TRY(block_input(&v, x));
    if (!c->attr[MAAS_BLOCK_CONV_Y_PLAIN].i)
        return run_blocked(&v);
    v.y = maas_scratch(c, (size_t)(v.batch * blocks * v.outputs), MAAS_BLOCK * sizeof *v.y);
    if (!v.y)
        return maas_scratch_failed(c);
    MAAS_TRY(run_blocked(&v));
    return maas_block_to_plain(c, v.y, v.batch, w->dims[0], v.outputs, MAAS_F32(y));
}

/* ---- filters that are no constants ---- */

enum {
    CALL_POSITIONS = 64,  /* fewer outputs are not worth packing filters for, */
    CALL_WINOGRAD = 2048, /* or transforming them */
    CALL_FLOATS = 1 << 19 /* of the images that are blocked at a time, for each thread */
};

bool maas_block_call_pays(const MaasBlockCall *call)
{
    const MaasWindow *w = &call->window;
    const int64_t positions = maas_window_outputs(w);

    if (call->filters < MAAS_BLOCK / 2 || positions == 0 || maas_window_inputs(w) == 0 || call->channels == 0 ||
        call->batch < 1 + (CALL_POSITIONS - 1) / positions)
        return false;
    if (w->kernel[0] * w->kernel[1] == 1 && w->stride[0] * w->stride[1] == 1)
        return false; /* a product of matrices as they stand */
    return call->groups == 1 || (call->filters % MAAS_BLOCK == 0 && call->channels % MAAS_BLOCK == 0);
}

MaasStatus maas_block_call_run(MaasCtx *c, const MaasBlockCall *call)
{
    const MaasWindow *w = &call->window;
    const MaasBlockShape shape = {.groups = call->groups,
                                  .channels = call->channels,
                                  .filters = call->filters,
                                  .kernel = {w->kernel[0], w->kernel[1]},
                                  .steps_one = w->stride[0] == 1 && w->stride[1] == 1,
                                  .no_pads = false,
                                  .dense = w->dilation[0] == 1 && w->dilation[1] == 1,
                                  .x_plain = true,
                                  .no_winograd =
                                      call->batch < CALL_WINOGRAD / maas_window_outputs(w) ||
                                      call->channels > MAAS_WINOGRAD_MOST_FLOATS / PLACES / call->filters};
    const int64_t blocks_in = maas_blocks(call->groups * call->channels), channels = call->groups * call->channels;
    const int64_t blocks_out = maas_blocks(call->groups * call->filters), filters = call->groups * call->filters;
    MaasBlockFilters f;
    int64_t floats, step;
    float *state, *work, *in = NULL, *out;

    if (!maas_block_conv_layout(&shape, call->bias != NULL, &f, &floats))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the size of the packed filters overflows");
    state = maas_scratch(c, (size_t)floats, sizeof *state);
    if (!state)
        return maas_scratch_failed(c);
    work = maas_scratch(c, (size_t)(call->channels * f.taps), MAAS_BLOCK * sizeof *work);
    if (!work)
        return maas_scratch_failed(c);
    memset(state, 0, (size_t)floats * sizeof *state);
    if (!maas_block_conv_fill_fast(c, &f, &call->w, call->bias, work, state))
        return maas_stopped(c);
    maas_scratch_back(c, work);
    Conv v = {.c = c,
              .f = &f,
              .w = *w,
              .weights = state + f.weights,
              .end = {.bias = call->bias ? state + f.bias : NULL},
              .inputs = maas_window_inputs(w),
              .outputs = maas_window_outputs(w),
              .blocks_in = maas_blocks(f.channels),
              .blocks_out = maas_blocks(f.filters),
              .n_slots = maas_block_slots(c)};
    const bool rows = f.method == MAAS_BLOCK_ROWS;

    v.x_image = (rows ? channels : blocks_in * MAAS_BLOCK) * v.inputs;
    v.y_image = blocks_out * v.outputs * MAAS_BLOCK;
    step = (int64_t)CALL_FLOATS * v.n_slots / (v.x_image + v.y_image);
    step = step < v.n_slots ? v.n_slots : step;
    step = maas_ceil_div(call->batch, maas_ceil_div(call->batch, step));
    if (!rows && !(in = maas_scratch(c, (size_t)(step * v.x_image), sizeof *in)))
        return maas_scratch_failed(c);
    out = maas_scratch(c, (size_t)(step * v.y_image), sizeof *out);
    if (!out)
        return maas_scratch_failed(c);
    v.y = out;
    for (int64_t i = 0; i < call->batch; i += step) {
        const float *x = call->x + i * channels * v.inputs;

        v.batch = maas_least(step, call->batch - i);
        v.x = rows ? x : in;
        if (!rows)
            MAAS_TRY(maas_block_from_plain(c, x, v.batch, channels, v.inputs, in));
        MAAS_TRY(run_blocked(&v));
        MAAS_TRY(maas_block_to_plain(c, out, v.batch, filters, v.outputs, call->y + i * filters * v.outputs));
    }
    return MAAS_OK;
}
