/*
 * conv.h - what the convolutions of floating point numbers and of quantised ones have in common.
 */
#ifndef MAAS_OP_CONV_H
#define MAAS_OP_CONV_H

#include "window.h"

enum { MAAS_CONV_GROUP = MAAS_WINDOW_N_SPECS }; /* the attribute after those of the window */

/* Checks x (N, C, in...), w (M, C / group, kernel...) and a bias (M); output 0 gets its shape. */
MaasStatus maas_conv_infer(MaasInferCtx *c, int ix, int iw, int ib, MaasType type);
double maas_conv_cost(const MaasInferCtx *c, int iw);

/* The sizes of a convolution that infer accepted. */
typedef struct MaasConv {
    MaasWindow w;
    int64_t batch, groups;
    int64_t channels, filters;     /* of one group */
    int64_t taps, inputs, outputs; /* elements of the window, of an input plane, of an output plane */
    int64_t depth;                 /* channels * taps */
} MaasConv;

void maas_conv_sizes(const MaasWindowAttrs *attrs, int64_t groups, const MaasTensor *x, const MaasTensor *w,
                     MaasConv *conv);
/* The same from a record's attributes, group after those of the window. */
void maas_conv_plan(const MaasAttr *attr, const MaasTensor *x, const MaasTensor *w, MaasConv *conv);
/* Positions of the matrix of windows to make at a time, so that it stays within a few megabytes. */
int64_t maas_conv_tile(int64_t depth, int64_t outputs);

#endif
