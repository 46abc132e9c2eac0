/*
 * conv_block_gradient.c - the gradient of a convolution's filters by the kernel on blocks of filters.
 *
 * Some images at a time: the gradients of their outputs are blocked, and the inputs are copied into frames that
 * hold the padding as zeros, where there is any; then the threads share the filters' gradients among them, so that
 * nobody adds to what another adds to.  The frames, blocks and sums lie in the run's scratch memory.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "conv_block.h"
#include "expect.h"

enum {
    POSITIONS = 512,        /* whose sum a kernel makes at a time: what is summed so far stays short */
    MOST_DEPTH = 1024,      /* inputs of an item */
    LEAST_DEPTH = 16,       /* and when threads wait for work */
    LEAST_OUTPUTS = 64,     /* fewer are not worth it */
    CHUNK_FLOATS = 1 << 18, /* of the images at a time */
    PAIR = 2                /* blocks of filters of an item */
};

typedef struct Gradient {
    MaasCtx *c;
    const MaasBlockFilterCall *call;
    int64_t inputs, outputs, taps, depth;
    int64_t blocks;          /* of a group */
    bool framed;             /* else the inputs are read where they are */
    int64_t height, width;   /* of a frame, or of the input */
    int64_t *offset;         /* (depth) */
    float *frames, *dy, *dw; /* (images, groups * channels, height, width), (images, groups, blocks, outputs, 16),
                                (groups, blocks, depth, 16) */
    int64_t first, images;   /* of the chunk */
    int64_t cuts_b, cuts_d;  /* items of a group: blocks, depth */
} Gradient;

bool maas_block_gradient_pays(const MaasBlockFilterCall *call)
{
    const MaasWindow *w = &call->window;
    const int64_t outputs = maas_window_outputs(w);

    return call->filters >= MAAS_BLOCK / 2 && outputs > 0 && maas_window_inputs(w) > 0 && call->channels > 0 &&
           call->batch >= 1 + (LEAST_OUTPUTS - 1) / outputs && w->kernel[0] * w->kernel[1] > 1;
}

/* ---- frames ---- */

/* How far the windows reach along an axis, from the first tap of the first output on. */
static int64_t span(const MaasWindow *w, int axis)
{
    return (w->out[axis] - 1) * w->stride[axis] + maas_window_extent(w, axis);
}

static void fill_frames(void *arg, int64_t from, int64_t to)
{
    const Gradient *g = arg;
    const MaasWindow *w = &g->call->window;
    const int64_t left = w->before[1], right = maas_least(w->in[1], g->width - left);

    for (int64_t i = from; i < to && !maas_stop(g->c); i++) {
        const float *x = g->call->x + (g->first * g->call->groups * g->call->channels + i) * g->inputs;
        float *frame = g->frames + i * g->height * g->width;

        memset(frame, 0, (size_t)(g->height * g->width) * sizeof *frame);
        for (int64_t y = 0; y < w->in[0] && y + w->before[0] < g->height && right > 0; y++)
            memcpy(frame + (y + w->before[0]) * g->width + left, x + y * w->in[1], (size_t)right * sizeof *frame);
    }
}

/* ---- sums ---- */

/* Adds what one image gives to some blocks of filters and inputs. */
static void add_image(const Gradient *g, MaasBlockGradient k, int64_t b0, int64_t b1, int64_t d0, int64_t d1)
{
    const MaasWindow *w = &g->call->window;
    const int64_t cols = maas_least(w->out[1], POSITIONS), rows = POSITIONS / cols;
    const float *x = k.x, *dy = k.dy;

    for (int64_t r = 0; r < w->out[0]; r += rows)
        for (int64_t p = 0; p < w->out[1] && !maas_stop(g->c); p += cols) {
            k.rows = maas_least(rows, w->out[0] - r);
            k.width = maas_least(cols, w->out[1] - p);
            k.x = x + r * k.x_row + p * k.x_step;
            k.dy = dy + (r * w->out[1] + p) * MAAS_BLOCK;
            maas_kernel->block_gradient_f32(&k, b0, b1, d0, d1);
        }
}

static void add_items(void *arg, int64_t from, int64_t to)
{
    const Gradient *g = arg;
    const MaasBlockFilterCall *call = g->call;
    const MaasWindow *w = &call->window;
    const float *x = g->framed ? g->frames : call->x + g->first * call->groups * call->channels * g->inputs;

    for (int64_t i = from; i < to && !maas_stop(g->c); i++) {
        const int64_t d = i % g->cuts_d, b = i / g->cuts_d % g->cuts_b, group = i / g->cuts_d / g->cuts_b;
        MaasBlockGradient k = {.offset = g->offset,
                               .dw = g->dw + group * g->blocks * g->depth * MAAS_BLOCK,
                               .dy_block = g->outputs * MAAS_BLOCK,
                               .dw_block = g->depth * MAAS_BLOCK,
                               .x_row = g->width * w->stride[0],
                               .x_step = w->stride[1]};

        for (int64_t image = 0; image < g->images; image++) {
            const int64_t at = image * call->groups + group;

            k.x = x + at * call->channels * g->height * g->width;
            k.dy = g->dy + at * g->blocks * g->outputs * MAAS_BLOCK;
            add_image(g, k, b * PAIR, maas_least((b + 1) * PAIR, g->blocks), d * g->depth / g->cuts_d,
                      (d + 1) * g->depth / g->cuts_d);
        }
    }
}

/* ---- the whole ---- */

static void find_offsets(const Gradient *g)
{
    const MaasWindow *w = &g->call->window;

    for (int64_t d = 0; d < g->depth; d++) {
        const int64_t tap = d % g->taps, line = tap / w->kernel[1] * w->dilation[0];

        g->offset[d] = (d / g->taps * g->height + line) * g->width + tap % w->kernel[1] * w->dilation[1];
    }
}

/* Cuts the work into items and the batch into chunks; *floats: of frames and blocks. */
static void cut(Gradient *g, int threads, int64_t *floats, int64_t *step)
{
    const MaasBlockFilterCall *call = g->call;
    int64_t items;

    g->cuts_b = maas_ceil_div(g->blocks, PAIR);
    g->cuts_d = maas_ceil_div(g->depth, MOST_DEPTH);
    items = call->groups * g->cuts_b * g->cuts_d;
    if (threads > 1 && items < 4 * threads)
        g->cuts_d = maas_least(g->cuts_d * maas_ceil_div(4 * threads, items), maas_ceil_div(g->depth, LEAST_DEPTH));
    *floats = call->groups * (call->channels * g->height * g->width + g->blocks * g->outputs * MAAS_BLOCK);
    *step = maas_least(call->batch, CHUNK_FLOATS / *floats + 1);
    *step = maas_ceil_div(call->batch, maas_ceil_div(call->batch, *step));
}

MaasStatus maas_block_gradient_run(MaasCtx *c, const MaasBlockFilterCall *call)
{
    const MaasWindow *w = &call->window;
    const int64_t frame_height = span(w, 0), frame_width = span(w, 1);
    Gradient g = {.c = c,
                  .call = call,
                  .inputs = maas_window_inputs(w),
                  .outputs = maas_window_outputs(w),
                  .taps = w->kernel[0] * w->kernel[1],
                  .blocks = maas_blocks(call->filters)};
    const int64_t planes = call->groups * call->channels;
    int64_t floats, step, sums;
    bool done = false;

    if (maas_winograd_gradient_pays(call))
        MAAS_TRY(maas_winograd_gradient_run(c, call, &done));
    if (done)
        return MAAS_OK;
    g.depth = call->channels * g.taps;
    g.framed = w->before[0] != 0 || w->before[1] != 0 || frame_height > w->in[0] || frame_width > w->in[1];
    g.height = g.framed ? frame_height : w->in[0];
    g.width = g.framed ? frame_width : w->in[1];
    cut(&g, maas_run_threads(c), &floats, &step);
    sums = call->groups * g.blocks * g.depth * MAAS_BLOCK;
    if (!(g.offset = maas_scratch(c, (size_t)g.depth, sizeof *g.offset)) ||
        !(g.dw = maas_scratch(c, (size_t)sums, sizeof *g.dw)) ||
        !(g.dy =
              maas_scratch(c, (size_t)(step * call->groups * g.blocks * g.outputs), MAAS_BLOCK * sizeof *g.dy)) ||
        (g.framed && !(g.frames = maas_scratch(c, (size_t)(step * planes * g.height * g.width), sizeof *g.frames))))
        return maas_scratch_failed(c);
    memset(g.dw, 0, (size_t)sums * sizeof *g.dw);
    find_offsets(&g);
    for (g.first = 0; g.first < call->batch; g.first += g.images) {
        g.images = maas_least(step, call->batch - g.first);
        if (g.framed)
            MAAS_TRY(maas_parallel(c, g.images * planes, 8, fill_frames, &g));
        MAAS_TRY(maas_block_from_plain(c, call->dy + g.first * call->groups * call->filters * g.outputs,
                                       g.images * call->groups, call->filters, g.outputs, g.dy));
        MAAS_TRY(maas_parallel(c, call->groups * g.cuts_b * g.cuts_d, 1, add_items, &g));
    }
    return maas_block_to_plain(c, g.dw, call->groups, call->filters, g.depth, call->dw);
}
