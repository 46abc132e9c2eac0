/*
 * window.h - the geometry of a window that slides over the spatial axes of one plane: convolutions and pools.
 *
 * Tap t of the window at output position o reads input position o * stride + t * dilation - before, on each axis.
 */
#ifndef MAAS_KERNEL_WINDOW_H
#define MAAS_KERNEL_WINDOW_H

#include <stdint.h>

#define MAAS_MAX_SPATIAL 14

typedef struct MaasWindow {
    int n; /* spatial axes, at least 1 */
    int64_t in[MAAS_MAX_SPATIAL], out[MAAS_MAX_SPATIAL];
    int64_t kernel[MAAS_MAX_SPATIAL], stride[MAAS_MAX_SPATIAL], dilation[MAAS_MAX_SPATIAL];
    int64_t before[MAAS_MAX_SPATIAL], after[MAAS_MAX_SPATIAL]; /* padding */
    int64_t start[MAAS_MAX_SPATIAL]; /* a part of the outputs: the first one's index (before is less by so many
                                        strides) */
} MaasWindow;

#endif
