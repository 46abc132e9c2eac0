/*
 * augment.c - images changed at random.
 *
 * Shift, mirror, turn and crop are one affine map from the pixels of the result to places in the image, read there
 * by bilinear interpolation; noise and erasing follow.
 */
#include <math.h>

#include "augment.h"

bool maas_augments(const MaasAugment *a)
{
    return a->shift > 0 || a->flip || a->rotate > 0 || a->crop > 0 || a->noise > 0 || a->erase > 0;
}

/* From (row, column) around the centre of the result to the place in the image. */
typedef struct Map {
    double rows[2], columns[2]; /* factors of row and column */
    double row, column;         /* where the centre comes from */
} Map;

/* Uniform in [-most, most). */
static double spread(MaasRng *rng, double most)
{
    return most > 0 ? (2 * maas_rng_double(rng) - 1) * most : 0;
}

static Map draw_map(const MaasAugment *a, MaasRng *rng, int64_t height, int64_t width)
{
    double angle = spread(rng, a->rotate) * 3.14159265358979323846 / 180;
    double zoom = a->crop > 0 ? 1 - a->crop * maas_rng_double(rng) : 1;
    double mirror = a->flip && (maas_rng_u32(rng) & 1) ? -1 : 1;
    double down = a->shift > 0 ? rint(spread(rng, a->shift)) : 0,
           right = a->shift > 0 ? rint(spread(rng, a->shift)) : 0;
    /* what is cut off is cut off anywhere */
    double row = spread(rng, a->crop > 0 ? (1 - zoom) * (double)height / 2 : 0);
    double column = spread(rng, a->crop > 0 ? (1 - zoom) * (double)width / 2 : 0);

    return (Map){.rows = {zoom * cos(angle), zoom * sin(angle) * mirror},
                 .columns = {-zoom * sin(angle), zoom * cos(angle) * mirror},
                 .row = (double)(height - 1) / 2 + row - down,
                 .column = (double)(width - 1) / 2 + column - right};
}

static int64_t clamp(int64_t i, int64_t n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* The four pixels around a place, and their shares. */
typedef struct Corner {
    int64_t at[4];
    float share[4];
} Corner;

static Corner corner_of(double row, double column, int64_t height, int64_t width)
{
    double i = floor(row), j = floor(column);
    float below = (float)(row - i), right = (float)(column - j);
    int64_t top = clamp((int64_t)i, height) * width, bottom = clamp((int64_t)i + 1, height) * width;
    int64_t left = clamp((int64_t)j, width), next = clamp((int64_t)j + 1, width);

    return (Corner){{top + left, top + next, bottom + left, bottom + next},
                    {(1 - below) * (1 - right), (1 - below) * right, below * (1 - right), below * right}};
}

static void erase(MaasRng *rng, int64_t side, int64_t channels, int64_t height, int64_t width, int64_t channel_step,
                  int64_t pixel_step, float *y)
{
    int64_t rows = side < height ? side : height, columns = side < width ? side : width;
    int64_t top = (int64_t)maas_rng_below(rng, (uint64_t)(height - rows) + 1);
    int64_t left = (int64_t)maas_rng_below(rng, (uint64_t)(width - columns) + 1);

    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = top; i < top + rows; i++)
            for (int64_t j = left; j < left + columns; j++)
                y[c * channel_step + (i * width + j) * pixel_step] = 0;
}

void maas_augment_image(const MaasAugment *a, MaasRng *rng, int64_t channels, int64_t height, int64_t width,
                        int64_t channel_step, int64_t pixel_step, const float *x, float *y)
{
    Map map = draw_map(a, rng, height, width);

    for (int64_t i = 0; i < height; i++)
        for (int64_t j = 0; j < width; j++) {
            double row = (double)i - (double)(height - 1) / 2, column = (double)j - (double)(width - 1) / 2;
            Corner from = corner_of(map.row + map.rows[0] * row + map.rows[1] * column,
                                    map.column + map.columns[0] * row + map.columns[1] * column, height, width);

            for (int64_t c = 0; c < channels; c++) {
                const float *image = x + c * channel_step;
                float sum = 0;

                for (int k = 0; k < 4; k++)
                    sum += from.share[k] * image[from.at[k] * pixel_step];
                y[c * channel_step + (i * width + j) * pixel_step] = sum;
            }
        }
    if (a->noise > 0)
        for (int64_t k = 0; k < channels * height * width; k++)
            y[k] += (float)(a->noise * maas_rng_normal(rng));
    if (a->erase > 0)
        erase(rng, a->erase, channels, height, width, channel_step, pixel_step, y);
}
