/*
 * conv_block.h - the internal convolution over blocks of 16 channels (kernel/block.h) and what its parts share.
 *
 * conv_block.c is the operator; conv_block_pack.c makes its state, conv_block_run.c computes from it, also for
 * convolutions whose filters change from run to run.
 */
#ifndef MAAS_OP_CONV_BLOCK_H
#define MAAS_OP_CONV_BLOCK_H

#include "../kernel/block.h"
#include "window.h"

/* The attributes after those of the window. */
enum {
    MAAS_BLOCK_CONV_GROUP = MAAS_WINDOW_N_SPECS,
    MAAS_BLOCK_CONV_ACT, /* a MaasBlockAct and its parameters */
    MAAS_BLOCK_CONV_P0,
    MAAS_BLOCK_CONV_P1,
    MAAS_BLOCK_CONV_X_PLAIN, /* X is (N, C, H, W), else blocked */
    MAAS_BLOCK_CONV_Y_PLAIN
};

typedef enum MaasBlockMethod {
    MAAS_BLOCK_POINT,    /* 1x1: the input is multiplied as it stands */
    MAAS_BLOCK_PANEL,    /* windows are copied into panels first */
    MAAS_BLOCK_ROWS,     /* a plain input of a few channels: panels with all taps of all channels */
    MAAS_BLOCK_WINOGRAD, /* 3x3 and 5x5, stride 1 */
    MAAS_BLOCK_DEPTHWISE /* one input channel a filter */
} MaasBlockMethod;

/* The state: filters in the order in which the method reads them, then the bias, as offsets in floats from here. */
typedef struct MaasBlockFilters {
    int32_t method;
    int32_t has_bias;
    int64_t groups;
    int64_t channels, filters; /* of one group */
    int64_t taps;
    int64_t depth;   /* steps of the product */
    int64_t w_block; /* floats of 16 filters */
    int64_t w_place; /* Winograd: floats of one of the 36 matrices */
    int64_t weights, bias;
} MaasBlockFilters;

static inline int64_t maas_blocks(int64_t channels)
{
    return channels / MAAS_BLOCK + (channels % MAAS_BLOCK != 0);
}

/* Filters that a method of 36 places may take where they are no constants: more would take too much memory. */
#define MAAS_WINOGRAD_MOST_FLOATS ((int64_t)1 << 24)

#define MAAS_BLOCK_MOST_THREADS 64 /* more find no panel and wait */

/* Whether filters of this shape (M, C / group, kernel) can be computed in blocks, and pay. */
bool maas_block_conv_fits(const MaasTensor *w, int64_t groups);
/* prepare: makes the state from the constant filters and bias. */
MaasStatus maas_block_conv_pack(MaasCtx *c);

/* What the method follows from. */
typedef struct MaasBlockShape {
    int64_t groups, channels, filters; /* of one group */
    int64_t kernel[2];
    bool steps_one, no_pads, dense; /* no stride, no padding, no dilation */
    bool x_plain;
    bool no_winograd; /* the filters are not worth transforming */
} MaasBlockShape;

/* Where a filter's taps stand: floats from one group, filter of it and channel to the next; turned: the last tap
 * comes first. */
typedef struct MaasBlockSource {
    const float *data;
    int64_t group, filter, channel;
    bool turned;
} MaasBlockSource;

/* Fills f and the size of the state; false: it overflows. */
bool maas_block_conv_layout(const MaasBlockShape *s, bool has_bias, MaasBlockFilters *f, int64_t *floats);
/* Makes the state, which holds zeros, from filters and bias (NULL: none); false when the run is to stop. */
bool maas_block_conv_fill(MaasCtx *c, const MaasBlockFilters *f, const MaasBlockSource *w, const float *bias,
                          float *state);

/* The same by the kernels, for filters that serve one call; work: room for 16 filters (channels, taps, 16). */
bool maas_block_conv_fill_fast(MaasCtx *c, const MaasBlockFilters *f, const MaasBlockSource *w, const float *bias,
                               float *work, float *state);

/* A convolution on plain planes whose filters are no constants: they are packed for this one call. */
typedef struct MaasBlockCall {
    const float *x, *bias; /* (N, groups * channels, H, W); bias: NULL for none */
    float *y;
    MaasBlockSource w;
    MaasWindow window;                        /* two axes */
    int64_t batch, groups, channels, filters; /* of one group */
} MaasBlockCall;

/* Whether such a convolution can be computed in blocks, and pays. */
bool maas_block_call_pays(const MaasBlockCall *call);
MaasStatus maas_block_call_run(MaasCtx *c, const MaasBlockCall *call);

/* The gradient of a convolution's filters: conv_block_gradient.c. */
typedef struct MaasBlockFilterCall {
    const float *x, *dy;                      /* (N, groups * channels, H, W), (N, groups * filters, out...) */
    float *dw;                                /* (groups * filters, channels, kernel) */
    MaasWindow window;                        /* two axes */
    int64_t batch, groups, channels, filters; /* of one group */
} MaasBlockFilterCall;

bool maas_block_gradient_pays(const MaasBlockFilterCall *call);
MaasStatus maas_block_gradient_run(MaasCtx *c, const MaasBlockFilterCall *call);

/* The same by Winograd's method: conv_winograd_gradient.c.  *done is false when there are numbers in the way that
 * it cannot take. */
bool maas_winograd_gradient_pays(const MaasBlockFilterCall *call);
MaasStatus maas_winograd_gradient_run(MaasCtx *c, const MaasBlockFilterCall *call, bool *done);

/* Threads that may be at work, from 1 to MAAS_BLOCK_MOST_THREADS. */
int maas_block_slots(const MaasCtx *c);
/* Winograd's filters (in the state f, beginning at weights) as those of MAAS_BLOCK_PANEL, up to rounding: *panel
 * describes them; to NULL: only that.  to holds panel->w_place floats. */
void maas_block_conv_unpack(const MaasBlockFilters *f, const float *weights, MaasBlockFilters *panel, float *to);
/* compute */
MaasStatus maas_block_conv_run(MaasCtx *c);

/* Copies between (N, C, plane) and blocks of it, on the threads of the run. */
MaasStatus maas_block_from_plain(MaasCtx *c, const float *x, int64_t batch, int64_t channels, int64_t plane,
                                 float *y);
MaasStatus maas_block_to_plain(MaasCtx *c, const float *x, int64_t batch, int64_t channels, int64_t plane,
                               float *y);

#endif
