/*
 * resize.h - what Resize and its gradient share: for each axis, which input elements make an output element.
 */
#ifndef MAAS_OP_RESIZE_H
#define MAAS_OP_RESIZE_H

#include "op.h"

enum { RESIZE_X, RESIZE_ROI, RESIZE_SCALES, RESIZE_SIZES };
enum { ANTIALIAS, AXES, COORDINATES, CUBIC_A, EXCLUDE_OUTSIDE, EXTRAPOLATION, ASPECT, MODE, NEAREST, RESIZE_ATTRS };

#define MAAS_RESIZE_ATTRS                                                                                          \
    [ANTIALIAS] = {"antialias", MAAS_ATTR_INT, .i = 0}, [AXES] = {"axes", MAAS_ATTR_INTS, .required = false},      \
    [COORDINATES] = {"coordinate_transformation_mode", MAAS_ATTR_STRING, .s = "half_pixel"},                       \
    [CUBIC_A] = {"cubic_coeff_a", MAAS_ATTR_FLOAT, .f = -0.75f},                                                   \
    [EXCLUDE_OUTSIDE] = {"exclude_outside", MAAS_ATTR_INT, .i = 0},                                                \
    [EXTRAPOLATION] = {"extrapolation_value", MAAS_ATTR_FLOAT, .f = 0},                                            \
    [ASPECT] = {"keep_aspect_ratio_policy", MAAS_ATTR_STRING, .s = "stretch"},                                     \
    [MODE] = {"mode", MAAS_ATTR_STRING, .s = "nearest"},                                                           \
    [NEAREST] = {"nearest_mode", MAAS_ATTR_STRING, .s = "round_prefer_floor"}

typedef struct MaasResizeAxis {
    bool changes;
    int64_t in, out;
    double scale, start, end; /* start and end: the region of interest */
    int64_t taps;
    int64_t *index;   /* (out, taps) */
    double *weight;   /* (out, taps); NULL for nearest: 1 */
    uint8_t *outside; /* (out): gets the extrapolation value; NULL when none does */
} MaasResizeAxis;

/* The axes of a resampling from shape `in` to shape `out`; region, scales and sizes are read from the inputs. */
MaasStatus maas_resize_axes(MaasCtx *c, int rank, const int64_t *in, const int64_t *out, MaasResizeAxis *axes);

#endif
