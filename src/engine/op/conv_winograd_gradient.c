/*
 * conv_winograd_gradient.c - the gradient of 3x3 and 5x5 filters by Winograd's transforms (kernel/winograd.c): some
 * tiles of all images at a time are transformed, inputs and gradients of the outputs, and their products added up
 * for each of the 36 places; at the end the sums are transformed back.
 *
 * The threads share the tiles of a transform and the places of the sums, so that nobody adds to what another adds
 * to. Everything lies in the run's scratch memory.
 */
#include <stdatomic.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "conv_block.h"
#include "expect.h"

enum {
    PLACES = MAAS_WINOGRAD_IN * MAAS_WINOGRAD_IN,
    TILE_FLOATS = 3 << 16,    /* of the transformed tiles at a time, for each thread */
    IMAGE_FLOATS = 1 << 18,   /* of the images that are blocked at a time */
    MOST_DEPTH = 512,         /* channels between two looks at the stop flag */
    PAIR = 2,                 /* blocks of filters that the kernel takes at a time */
    LEAST_TILES = 64,         /* at a time: what is summed is read and written as often */
    LEAST_POSITIONS = 1 << 11 /* fewer outputs are not worth the sums of 36 places */
};

typedef struct Winograd {
    MaasCtx *c;
    const MaasBlockFilterCall *call;
    int64_t inputs, outputs; /* positions of a plane */
    int64_t across, tiles;   /* tiles of an image */
    int64_t blocks_in, blocks_out;
    int64_t first, n;      /* tiles at a time, counted through all images */
    int64_t image, images; /* that are blocked: the first, and how many */
    const int64_t *offset; /* (channels) */
    float *x, *dy;         /* (images, blocks, positions, 16) */
    float *in, *out;       /* (36, blocks, n, 16) */
    int64_t in_place, out_place;
    float *sums; /* (36, blocks_out, channels, 16) */
    int64_t sums_place;
    atomic_int wild; /* a number that the transforms would spread */
} Winograd;

bool maas_winograd_gradient_pays(const MaasBlockFilterCall *call)
{
    const MaasWindow *w = &call->window;

    return w->kernel[0] == w->kernel[1] && (w->kernel[0] == 3 || w->kernel[0] == 5) && w->stride[0] == 1 &&
           w->stride[1] == 1 && w->dilation[0] == 1 && w->dilation[1] == 1 && call->groups == 1 &&
           call->channels >= MAAS_BLOCK && call->filters >= MAAS_BLOCK &&
           call->channels <= MAAS_WINOGRAD_MOST_FLOATS / PLACES / call->filters &&
           call->batch >= LEAST_POSITIONS / maas_window_outputs(w);
}

/* ---- transforms ---- */

static void transform(void *arg, int64_t from, int64_t to)
{
    Winograd *g = arg;
    const MaasWindow *w = &g->call->window;

    for (int64_t t = from, n; t < to && !maas_stop(g->c); t += n) {
        const int64_t image = (g->first + t) / g->tiles - g->image, at = (g->first + t) % g->tiles;
        const float *x = g->x + image * g->blocks_in * g->inputs * MAAS_BLOCK;
        const float *dy = g->dy + image * g->blocks_out * g->outputs * MAAS_BLOCK;
        bool tame = true;

        n = maas_least(to - t, g->tiles - at);
        for (int64_t b = 0; b < g->blocks_in; b++)
            tame &= maas_kernel->winograd_input_f32(w, x + b * g->inputs * MAAS_BLOCK, g->across, at, n,
                                                    g->in + (b * g->n + t) * MAAS_BLOCK, g->in_place);
        for (int64_t b = 0; b < g->blocks_out; b++)
            tame &= maas_kernel->winograd_filters_f32(w, dy + b * g->outputs * MAAS_BLOCK, g->across, at, n,
                                                      g->out + (b * g->n + t) * MAAS_BLOCK, g->out_place);
        if (!tame)
            atomic_store(&g->wild, 1);
    }
}

static void add_places(void *arg, int64_t from, int64_t to)
{
    const Winograd *g = arg;

    for (int64_t i = from; i < to; i++) {
        const int64_t pairs = maas_ceil_div(g->blocks_out, PAIR), place = i / pairs, b = i % pairs * PAIR;
        const MaasBlockGradient k = {.x = g->in + place * g->in_place,
                                     .dy = g->out + place * g->out_place,
                                     .offset = g->offset,
                                     .dw = g->sums + place * g->sums_place,
                                     .dy_block = g->n * MAAS_BLOCK,
                                     .dw_block = g->call->channels * MAAS_BLOCK,
                                     .rows = 1,
                                     .width = g->n,
                                     .x_step = MAAS_BLOCK};

        for (int64_t d = 0; d < g->call->channels && !maas_stop(g->c); d += MOST_DEPTH)
            maas_kernel->block_gradient_f32(&k, b, maas_least(b + PAIR, g->blocks_out), d,
                                            maas_least(d + MOST_DEPTH, g->call->channels));
    }
}

/* ---- the whole ---- */

/* Adds what the tiles of the blocked images give. */
static MaasStatus add_images(Winograd *g, int64_t step, int64_t *offset)
{
    const int64_t end = (g->image + g->images) * g->tiles;

    for (g->first = g->image * g->tiles; g->first < end; g->first += g->n) {
        g->n = maas_least(step, end - g->first);
        for (int64_t d = 0; d < g->call->channels; d++)
            offset[d] = d / MAAS_BLOCK * g->n * MAAS_BLOCK + d % MAAS_BLOCK;
        MAAS_TRY(maas_parallel(g->c, g->n, 4, transform, g));
        if (atomic_load(&g->wild))
            return MAAS_OK;
        MAAS_TRY(maas_parallel(g->c, PLACES * maas_ceil_div(g->blocks_out, PAIR), 1, add_places, g));
    }
    return MAAS_OK;
}

/* Sizes of the pieces: tiles and images at a time. */
static void cut(Winograd *g, int threads, int64_t *step, int64_t *images)
{
    const int64_t tile = (int64_t)PLACES * MAAS_BLOCK * (g->blocks_in + g->blocks_out), batch = g->call->batch;
    const int64_t image = (g->blocks_in * g->inputs + g->blocks_out * g->outputs) * MAAS_BLOCK;
    int64_t most = (int64_t)TILE_FLOATS * threads / tile;

    if (most < (int64_t)LEAST_TILES * threads)
        most = (int64_t)LEAST_TILES * threads;
    *images = IMAGE_FLOATS / image;
    if (*images < maas_ceil_div(most, g->tiles))
        *images = maas_ceil_div(most, g->tiles);
    *images = maas_ceil_div(batch, maas_ceil_div(batch, maas_least(*images, batch)));
    *step = maas_ceil_div(*images * g->tiles, maas_ceil_div(*images * g->tiles, most));
}

/* The sums, back from the 36 places: dw (blocks, channels, taps, 16). */
static void transform_back(const Winograd *g, float *dw)
{
    const int64_t channels = g->call->channels, taps = g->call->window.kernel[0];
    /* a column of tiles, one for each channel, whose outputs are the taps */
    const MaasWindow w = {
        .n = 2, .out = {channels * taps, taps}, .kernel = {MAAS_WINOGRAD_OUT(taps), MAAS_WINOGRAD_OUT(taps)}};
    const MaasBlockEnd end = {.act = MAAS_BLOCK_IDENTITY};

    for (int64_t b = 0; b < g->blocks_out; b++)
        maas_kernel->winograd_output_f32(&w, g->sums + b * channels * MAAS_BLOCK, g->sums_place, 1, 0, channels,
                                         &end, dw + b * channels * taps * taps * MAAS_BLOCK);
}

MaasStatus maas_winograd_gradient_run(MaasCtx *c, const MaasBlockFilterCall *call, bool *done)
{
    const MaasWindow *w = &call->window;
    const int64_t out = MAAS_WINOGRAD_OUT(w->kernel[0]), down = maas_ceil_div(w->out[0], out);
    const int threads = maas_block_slots(c);
    Winograd g = {.c = c,
                  .call = call,
                  .inputs = maas_window_inputs(w),
                  .outputs = maas_window_outputs(w),
                  .across = maas_ceil_div(w->out[1], out),
                  .blocks_in = maas_blocks(call->channels),
                  .blocks_out = maas_blocks(call->filters)};
    const int64_t taps = w->kernel[0] * w->kernel[1];
    int64_t step, images, *offset;
    float *dw;

    g.tiles = down * g.across;
    cut(&g, threads, &step, &images);
    /* a place more than needed, so that the places of one tile do not fall on the same lines of the cache */
    g.in_place = (step * g.blocks_in + 1) * MAAS_BLOCK;
    g.out_place = (step * g.blocks_out + 1) * MAAS_BLOCK;
    g.sums_place = (g.blocks_out * call->channels + 1) * MAAS_BLOCK;
    if (!(offset = maas_scratch(c, (size_t)call->channels, sizeof *offset)) ||
        !(g.x = maas_scratch(c, (size_t)(images * g.blocks_in * g.inputs), MAAS_BLOCK * sizeof *g.x)) ||
        !(g.dy = maas_scratch(c, (size_t)(images * g.blocks_out * g.outputs), MAAS_BLOCK * sizeof *g.dy)) ||
        !(g.in = maas_scratch(c, (size_t)g.in_place, PLACES * sizeof *g.in)) ||
        !(g.out = maas_scratch(c, (size_t)g.out_place, PLACES * sizeof *g.out)) ||
        !(g.sums = maas_scratch(c, (size_t)g.sums_place, PLACES * sizeof *g.sums)) ||
        !(dw = maas_scratch(c, (size_t)(g.blocks_out * call->channels * taps), MAAS_BLOCK * sizeof *dw)))
        return maas_scratch_failed(c);
    g.offset = offset;
    memset(g.sums, 0, (size_t)g.sums_place * PLACES * sizeof *g.sums);
    for (g.image = 0; g.image < call->batch && !atomic_load(&g.wild); g.image += g.images) {
        g.images = maas_least(images, call->batch - g.image);
        MAAS_TRY(maas_block_from_plain(c, call->x + g.image * call->channels * g.inputs, g.images, call->channels,
                                       g.inputs, g.x));
        MAAS_TRY(maas_block_from_plain(c, call->dy + g.image * call->filters * g.outputs, g.images, call->filters,
                                       g.outputs, g.dy));
        MAAS_TRY(add_images(&g, step, offset));
    }
    *done = !atomic_load(&g.wild);
    if (!*done)
        return MAAS_OK;
    transform_back(&g, dw);
    return maas_block_to_plain(c, dw, 1, call->filters, call->channels * taps, call->dw);
}
