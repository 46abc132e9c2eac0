/*
 * augment.h - images that are shifted, mirrored, turned, cropped, blurred by noise or partly erased at random, so
 * that a network does not learn them by heart.
 */
#ifndef MAAS_LEARN_AUGMENT_H
#define MAAS_LEARN_AUGMENT_H

#include <stdbool.h>

#include "../base/rng.h"

/* How much at most; 0: not at all. */
typedef struct MaasAugment {
    double shift;  /* whole pixels, in each direction */
    bool flip;     /* mirrored from left to right, every second time */
    double rotate; /* degrees, in each direction */
    double crop;   /* share of height and width that is cut off; what is left is stretched */
    double noise;  /* deviation of normal noise on each element */
    int64_t erase; /* side of a square that becomes 0 */
} MaasAugment;

/* Whether it changes anything. */
bool maas_augments(const MaasAugment *augment);

/* x becomes y, which do not overlap.  Element (c, i, j) of both is at c * channel_step + (i * width + j) *
 * pixel_step. What comes from outside the image is its nearest pixel. */
void maas_augment_image(const MaasAugment *augment, MaasRng *rng, int64_t channels, int64_t height, int64_t width,
                        int64_t channel_step, int64_t pixel_step, const float *x, float *y);

#endif
