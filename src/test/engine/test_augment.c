/* Images changed at random: each change by itself is what it says. */
#include <math.h>

#include "../../engine/learn/augment.h"
#include "test.h"

enum { H = 6, W = 5, C = 2, N = C * H * W };

static void fill(float *x)
{
    for (int i = 0; i < N; i++)
        x[i] = (float)(i * i % 31);
}

TEST(augment_nothing_is_the_image)
{
    MaasAugment none = {0};
    MaasRng rng;
    float x[N], y[N];

    fill(x);
    maas_rng_init(&rng, 1, 1);
    CHECK(!maas_augments(&none));
    maas_augment_image(&none, &rng, C, H, W, H * W, 1, x, y);
    for (int i = 0; i < N; i++)
        CHECK_NEAR(y[i], x[i], 0);
    maas_augment_image(&none, &rng, C, H, W, 1, C, x, y); /* channels last */
    for (int i = 0; i < N; i++)
        CHECK_NEAR(y[i], x[i], 0);
}

TEST(augment_flip)
{
    MaasAugment flip = {.flip = true};
    MaasRng rng;
    float x[N], y[N];
    int mirrored = 0;

    fill(x);
    maas_rng_init(&rng, 1, 1);
    for (int round = 0; round < 100; round++) {
        bool same = true, turned = true;

        maas_augment_image(&flip, &rng, C, H, W, H * W, 1, x, y);
        for (int c = 0; c < C; c++)
            for (int i = 0; i < H; i++)
                for (int j = 0; j < W; j++) {
                    same &= y[(c * H + i) * W + j] == x[(c * H + i) * W + j];
                    turned &= y[(c * H + i) * W + j] == x[(c * H + i) * W + W - 1 - j];
                }
        CHECK(same || turned);
        mirrored += turned;
    }
    CHECK(mirrored > 30 && mirrored < 70);
}

TEST(augment_shift)
{
    MaasAugment shift = {.shift = 2};
    MaasRng rng;
    float x[N], y[N];
    int seen = 0;

    fill(x);
    maas_rng_init(&rng, 1, 1);
    for (int round = 0; round < 100; round++) {
        int fits = -1;

        maas_augment_image(&shift, &rng, C, H, W, H * W, 1, x, y);
        for (int s = 0; s < 25; s++) { /* the same shift of every pixel, with the border repeated */
            bool all = true;

            for (int k = 0; k < N; k++) {
                int i = k / W % H - (s / 5 - 2), j = k % W - (s % 5 - 2);

                i = i < 0 ? 0 : i >= H ? H - 1 : i;
                j = j < 0 ? 0 : j >= W ? W - 1 : j;
                all &= y[k] == x[k / (H * W) * H * W + i * W + j];
            }
            if (all)
                fits = s;
        }
        CHECK(fits >= 0);
        seen |= fits >= 0 ? 1 << fits : 0;
    }
    CHECK(__builtin_popcount((unsigned)seen) > 15);
}

/* Turned and cropped, a plane stays a plane: bilinear interpolation keeps it but at the border. */
TEST(augment_rotate_and_crop)
{
    MaasAugment turn = {.rotate = 10, .crop = 0.3};
    MaasRng rng;
    enum { S = 32 };
    static float x[S * S], y[S * S];
    bool moved = false;

    for (int i = 0; i < S * S; i++)
        x[i] = (float)(3 * (i / S) + 5 * (i % S));
    maas_rng_init(&rng, 1, 1);
    for (int round = 0; round < 20; round++) {
        maas_augment_image(&turn, &rng, 1, S, S, S * S, 1, x, y);
        for (int i = 12; i < 20; i++)
            for (int j = 12; j < 20; j++) {
                double bend = y[(i + 1) * S + j] + y[(i - 1) * S + j] - 2 * y[i * S + j];

                CHECK_NEAR(bend, 0, 1e-3);
                moved |= fabs((double)(y[i * S + j + 1] - y[i * S + j]) - 5) > 0.1;
            }
    }
    CHECK(moved);
}

TEST(augment_noise_and_erase)
{
    MaasAugment noise = {.noise = 0.5}, erase = {.erase = 3};
    MaasRng rng;
    static float x[100 * 100], y[100 * 100];
    double squares = 0;
    int zeros = 0;

    for (int i = 0; i < 100 * 100; i++)
        x[i] = 7;
    maas_rng_init(&rng, 1, 1);
    maas_augment_image(&noise, &rng, 1, 100, 100, 100 * 100, 1, x, y);
    for (int i = 0; i < 100 * 100; i++)
        squares += (double)(y[i] - 7) * (y[i] - 7);
    CHECK_NEAR(sqrt(squares / (100 * 100)), 0.5, 0.02);
    maas_augment_image(&erase, &rng, 1, 100, 100, 100 * 100, 1, x, y);
    for (int i = 0; i < 100 * 100; i++) {
        CHECK(y[i] == 0 || y[i] == 7);
        zeros += y[i] == 0;
    }
    CHECK_INT(zeros, 9);
}
