/*
 * conv_block_pack.c - the filters of a convolution in blocks, in the order in which its kernels read them.
 *
 * The method follows from the filters and attributes alone, so that one state serves every size of the input and
 * every CPU level.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "conv_block.h"

enum {
    FEW_CHANNELS = 16,    /* a plain input of fewer is not blocked first */
    MOST_ROWS = 4096,     /* steps of such a product */
    MOST_WINDOW = 1 << 10 /* taps of a depthwise convolution: a row of outputs is computed without a pause */
};

static bool all_are(const MaasAttr *list, int64_t value)
{
    for (int64_t i = 0; i < list->n; i++)
        if (list->ints[i] != value)
            return false;
    return true;
}

bool maas_block_conv_fits(const MaasTensor *w, int64_t groups)
{
    int64_t filters, channels;

    if (w->type != MAAS_FLOAT || w->rank != 4 || w->count == 0 || groups < 1 || w->dims[0] % groups != 0)
        return false;
    filters = w->dims[0] / groups;
    channels = w->dims[1];
    if (filters == 1 && channels == 1 && groups > 1)
        return groups >= MAAS_BLOCK / 2 && w->count / groups <= MOST_WINDOW;
    if (groups > 1)
        return filters % MAAS_BLOCK == 0 && channels % MAAS_BLOCK == 0;
    return filters >= MAAS_BLOCK / 2;
}

static MaasBlockMethod choose(const MaasBlockShape *s)
{
    if (s->groups > 1 && s->filters == 1 && s->channels == 1)
        return MAAS_BLOCK_DEPTHWISE;
    if (s->x_plain && s->groups == 1 && s->channels < FEW_CHANNELS &&
        s->channels * s->kernel[0] * s->kernel[1] <= MOST_ROWS)
        return MAAS_BLOCK_ROWS;
    if (s->kernel[0] == 1 && s->kernel[1] == 1 && s->steps_one && s->no_pads)
        return MAAS_BLOCK_POINT;
    if (s->kernel[0] == s->kernel[1] && (s->kernel[0] == 3 || s->kernel[0] == 5) && s->steps_one && s->dense &&
        s->groups == 1 && s->filters >= MAAS_BLOCK && !s->no_winograd)
        return MAAS_BLOCK_WINOGRAD;
    return MAAS_BLOCK_PANEL;
}

#define P ((double)MAAS_WINOGRAD_P)
#define Q ((double)MAAS_WINOGRAD_Q)
#define FACTOR_P (1 / (2 * P * P * (P * P - Q * Q)))
#define FACTOR_Q (1 / (2 * Q * Q * (Q * Q - P * P)))

enum { PLACES = MAAS_WINOGRAD_IN, MOST_TAPS = 5 }; /* of one axis */

/* Rows of G: the polynomial of the filter at the six points of interpolation; a filter of n taps takes the first n
 * columns, and its last tap alone is the value at infinity. */
static const double winograd_g[PLACES - 1][MOST_TAPS] = {
    {1 / (P * P * Q * Q), 0, 0, 0, 0},
    {FACTOR_P, FACTOR_P *P, FACTOR_P *P *P, FACTOR_P *P *P *P, FACTOR_P *P *P *P *P},
    {FACTOR_P, -FACTOR_P *P, FACTOR_P *P *P, -FACTOR_P *P *P *P, FACTOR_P *P *P *P *P},
    {FACTOR_Q, FACTOR_Q *Q, FACTOR_Q *Q *Q, FACTOR_Q *Q *Q *Q, FACTOR_Q *Q *Q *Q *Q},
    {FACTOR_Q, -FACTOR_Q *Q, FACTOR_Q *Q *Q, -FACTOR_Q *Q *Q *Q, FACTOR_Q *Q *Q *Q *Q}};

/* to (6, place apart) = G from (n, step apart) */
static void winograd_1d(int n, const double *from, int64_t step, double *to, int64_t place)
{
    for (int i = 0; i < PLACES - 1; i++) {
        double sum = 0;

        for (int j = 0; j < n; j++)
            sum += winograd_g[i][j] * from[j * step];
        to[i * place] = sum;
    }
    to[(PLACES - 1) * place] = from[(n - 1) * step];
}

/* u (36, place apart) = G g G' for one filter g (n, n) of one channel. */
static void winograd_filter(int n, const float *g, float *u, int64_t place)
{
    double wide[MOST_TAPS * MOST_TAPS], half[PLACES * MOST_TAPS], row[PLACES];

    for (int i = 0; i < n * n; i++)
        wide[i] = (double)g[i];
    for (int j = 0; j < n; j++)
        winograd_1d(n, wide + j, n, half + j, n);
    for (int i = 0; i < PLACES; i++) {
        winograd_1d(n, half + i * n, 1, row, 1);
        for (int j = 0; j < PLACES; j++)
            u[(i * PLACES + j) * place] = (float)row[j];
    }
}

/* to (n, place apart) from its values (6, step apart): what G has made of it. */
static void winograd_back_1d(int n, const double *from, int64_t step, double *to, int64_t place)
{
    const double zero = P * P * Q * Q * from[0], last = from[5 * step];
    const double odd_p = (from[step] - from[2 * step]) / (2 * FACTOR_P * P); /* g1 + g3 p^2 */
    const double odd_q = (from[3 * step] - from[4 * step]) / (2 * FACTOR_Q * Q);

    to[0] = zero;
    to[(n - 1) * place] = last;
    if (n == 3) {
        to[place] = odd_p;
        return;
    }
    to[place] = (Q * Q * odd_p - P * P * odd_q) / (Q * Q - P * P);
    to[2 * place] = (from[step] + from[2 * step]) / (2 * FACTOR_P * P * P) - zero / (P * P) - last * P * P;
    to[3 * place] = (odd_q - odd_p) / (Q * Q - P * P);
}

/* g (n, n) from u. */
static void winograd_filter_back(int n, const float *u, int64_t place, float *g)
{
    double wide[PLACES * PLACES], half[MOST_TAPS * PLACES], row[MOST_TAPS];

    for (int i = 0; i < PLACES * PLACES; i++)
        wide[i] = (double)u[i * place];
    for (int j = 0; j < PLACES; j++)
        winograd_back_1d(n, wide + j, PLACES, half + j, PLACES);
    for (int i = 0; i < n; i++) {
        winograd_back_1d(n, half + i * PLACES, 1, row, 1);
        for (int j = 0; j < n; j++)
            g[i * n + j] = (float)row[j];
    }
}

/* Taps of one axis of a filter that Winograd's method takes. */
static int winograd_taps(const MaasBlockFilters *f)
{
    return f->taps == 9 ? 3 : 5;
}

/* Where the state keeps tap t of channel k of a filter, within the block of 16 filters. */
static int64_t step_of(const MaasBlockFilters *f, int64_t channel, int64_t tap)
{
    switch ((MaasBlockMethod)f->method) {
    case MAAS_BLOCK_ROWS:
        return channel * f->taps + tap;
    case MAAS_BLOCK_PANEL:
        return (channel / MAAS_BLOCK * f->taps + tap) * MAAS_BLOCK + channel % MAAS_BLOCK;
    default:
        return channel + tap; /* one of them is 0 */
    }
}

static void pack_filter(const MaasBlockFilters *f, const MaasBlockSource *w, int64_t m, float *weights)
{
    const int64_t group = m / f->filters, in_group = m % f->filters;
    const float *from = w->data + group * w->group + in_group * w->filter;
    /* blocks never span groups, but where each group is one filter */
    const int64_t at = f->method == MAAS_BLOCK_DEPTHWISE ? m : group * f->filters + in_group;
    float *to = weights + at / MAAS_BLOCK * f->w_block + at % MAAS_BLOCK;

    for (int64_t k = 0; k < f->channels; k++, from += w->channel) {
        const int64_t last = w->turned ? f->taps - 1 : 0;

        if (f->method == MAAS_BLOCK_WINOGRAD) {
            float g[MOST_TAPS * MOST_TAPS];

            for (int64_t t = 0; t < f->taps; t++)
                g[t] = from[w->turned ? last - t : t];
            winograd_filter(winograd_taps(f), g, to + k * MAAS_BLOCK, f->w_place);
            continue;
        }
        for (int64_t t = 0; t < f->taps; t++)
            to[step_of(f, k, t) * MAAS_BLOCK] = from[w->turned ? last - t : t];
    }
}

bool maas_block_conv_layout(const MaasBlockShape *s, bool has_bias, MaasBlockFilters *f, int64_t *floats)
{
    const int64_t blocks = maas_blocks(s->groups * s->filters);

    *f = (MaasBlockFilters){.groups = s->groups, .has_bias = has_bias};
    f->method = (int32_t)choose(s);
    f->channels = s->channels;
    f->filters = s->filters;
    f->taps = s->kernel[0] * s->kernel[1];
    f->depth = f->method == MAAS_BLOCK_PANEL      ? maas_blocks(f->channels) * f->taps * MAAS_BLOCK
               : f->method == MAAS_BLOCK_WINOGRAD ? f->channels
                                                  : f->channels * f->taps;
    f->w_block = f->depth * MAAS_BLOCK;
    f->w_place = f->w_block * blocks;
    f->weights = (int64_t)(sizeof *f + 63) / 64 * 16;
    if (!maas_mul64(f->w_place, f->method == MAAS_BLOCK_WINOGRAD ? 36 : 1, floats) ||
        !maas_mul64(blocks, MAAS_BLOCK, &f->bias) ||
        __builtin_add_overflow(*floats, f->bias + f->weights, floats) || *floats > INT64_MAX / 4)
        return false;
    f->bias = *floats - blocks * MAAS_BLOCK;
    return true;
}

bool maas_block_conv_fill_fast(MaasCtx *c, const MaasBlockFilters *f, const MaasBlockSource *w, const float *bias,
                               float *work, float *state)
{
    const int64_t axis = winograd_taps(f);
    /* a column of tiles, one for each channel, that the taps fill */
    const MaasWindow column = {
        .n = 2, .out = {f->channels * axis, axis}, .kernel = {MAAS_WINOGRAD_OUT(axis), MAAS_WINOGRAD_OUT(axis)}};

    if (f->method != MAAS_BLOCK_WINOGRAD)
        return maas_block_conv_fill(c, f, w, bias, state);
    memcpy(state, f, sizeof *f);
    for (int64_t m = 0; bias && m < f->filters; m++)
        state[f->bias + m] = bias[m];
    for (int64_t m = 0; m < f->filters; m += MAAS_BLOCK) {
        const int64_t n = f->filters - m < MAAS_BLOCK ? f->filters - m : MAAS_BLOCK;

        if (maas_stop(c))
            return false;
        if (n < MAAS_BLOCK)
            memset(work, 0, (size_t)(f->channels * f->taps) * MAAS_BLOCK * sizeof *work);
        for (int64_t lane = 0; lane < n; lane++)
            for (int64_t k = 0; k < f->channels; k++) {
                const float *from = w->data + (m + lane) * w->filter + k * w->channel;
                float *to = work + k * f->taps * MAAS_BLOCK + lane;

                for (int64_t t = 0; t < f->taps; t++)
                    to[t * MAAS_BLOCK] = from[w->turned ? f->taps - 1 - t : t];
            }
        maas_kernel->winograd_filters_f32(&column, work, 1, 0, f->channels,
                                          state + f->weights + m / MAAS_BLOCK * f->w_block, f->w_place);
    }
    return true;
}

bool maas_block_conv_fill(MaasCtx *c, const MaasBlockFilters *f, const MaasBlockSource *w, const float *bias,
                          float *state)
{
    memcpy(state, f, sizeof *f);
    for (int64_t m = 0; m < f->groups * f->filters; m++) {
        if (maas_stop(c))
            return false;
        pack_filter(f, w, m, state + f->weights);
        if (bias)
            state[f->bias + m] = bias[m];
    }
    return true;
}

MaasStatus maas_block_conv_pack(MaasCtx *c)
{
    const MaasTensor *w = maas_in(c, 1), *bias = maas_in(c, 2);
    const MaasWindowAttrs a = maas_window_attrs(c->attr);
    const int64_t groups = c->attr[MAAS_BLOCK_CONV_GROUP].i;
    const MaasBlockShape shape = {.groups = groups,
                                  .channels = w->dims[1],
                                  .filters = w->dims[0] / groups,
                                  .kernel = {w->dims[2], w->dims[3]},
                                  .steps_one = all_are(a.strides, 1),
                                  .no_pads = all_are(a.pads, 0),
                                  .dense = all_are(a.dilations, 1),
                                  .x_plain = c->attr[MAAS_BLOCK_CONV_X_PLAIN].i};
    const MaasBlockSource source = {MAAS_F32(w), w->count / groups, w->count / w->dims[0], w->dims[2] * w->dims[3],
                                    false};
    MaasBlockFilters f;
    int64_t floats;
    float *state;

    if (!maas_block_conv_layout(&shape, bias != NULL, &f, &floats))
        return maas_node_fail(c, MAAS_ERR_LIMIT, "the size of the packed filters overflows");
    state = maas_state(c, (size_t)floats * sizeof *state);
    if (!state)
        return c->err->status;
    if (!maas_block_conv_fill(c, &f, &source, bias ? MAAS_F32(bias) : NULL, state))
        return maas_stopped(c);
    maas_forget(c, 1);
    maas_forget(c, 2);
    return MAAS_OK;
}

void maas_block_conv_unpack(const MaasBlockFilters *f, const float *weights, MaasBlockFilters *panel, float *to)
{
    const int64_t blocks = maas_blocks(f->filters);

    *panel = *f;
    panel->method = MAAS_BLOCK_PANEL;
    panel->depth = maas_blocks(f->channels) * f->taps * MAAS_BLOCK;
    panel->w_block = panel->depth * MAAS_BLOCK;
    panel->w_place = panel->w_block * blocks;
    if (!to)
        return;
    memset(to, 0, (size_t)panel->w_place * sizeof *to);
    for (int64_t m = 0; m < blocks * MAAS_BLOCK; m++)
        for (int64_t k = 0; k < f->channels; k++) {
            float g[MOST_TAPS * MOST_TAPS];

            winograd_filter_back(winograd_taps(f),
                                 weights + m / MAAS_BLOCK * f->w_block + k * MAAS_BLOCK + m % MAAS_BLOCK,
                                 f->w_place, g);
            for (int64_t t = 0; t < f->taps; t++)
                to[m / MAAS_BLOCK * panel->w_block + step_of(panel, k, t) * MAAS_BLOCK + m % MAAS_BLOCK] = g[t];
        }
}
