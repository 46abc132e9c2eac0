/*
 * test_random.c - the generator of random numbers, its distributions, and dropout's choice at every CPU level.
 */
#include <math.h>

#include "../../engine/base/rng.h"
#include "../../engine/kernel/kernel.h"
#include "test.h"

/* The known answers of the authors' library, Random123. */
TEST(philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } cases[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t out[4];

    for (int i = 0; i < 3; i++) {
        maas_philox(cases[i].counter, cases[i].key, out);
        CHECK(memcmp(out, cases[i].out, sizeof out) == 0);
    }
}

TEST(random_distributions)
{
    enum { M = 200000 };
    float *x = malloc(M * sizeof *x);
    double sum = 0, squares = 0;
    int counts[10] = {0};
    MaasRng rng, same, other;

    maas_rng_init(&rng, 42, 1);
    maas_rng_init(&same, 42, 1);
    maas_rng_init(&other, 42, 2);
    CHECK(maas_rng_u64(&rng) == maas_rng_u64(&same));
    CHECK(maas_rng_u64(&rng) != maas_rng_u64(&other));

    maas_rng_uniform_floats(&rng, x, M, -1, 3);
    for (int i = 0; i < M; i++) {
        CHECK(x[i] >= -1 && x[i] < 3);
        sum += x[i];
        squares += (double)x[i] * x[i];
    }
    CHECK_NEAR(sum / M, 1, 0.015);
    CHECK_NEAR(squares / M - 1, 16.0 / 12, 0.02);

    sum = squares = 0;
    maas_rng_normal_floats(&rng, x, M, 2, 0.5f);
    for (int i = 0; i < M; i++) {
        CHECK(isfinite(x[i]));
        sum += x[i];
        squares += (x[i] - 2.0) * (x[i] - 2.0);
    }
    CHECK_NEAR(sum / M, 2, 0.01);
    CHECK_NEAR(squares / M, 0.25, 0.005);

    for (int i = 0; i < M; i++)
        counts[maas_rng_below(&rng, 10)]++;
    for (int i = 0; i < 10; i++)
        CHECK_NEAR(counts[i], M / 10, 600);
    CHECK_INT(maas_rng_below(&rng, 1), 0);
    maas_rng_uniform_floats(&rng, x, 1000, 16777216,
                            16777218); /* two values fit: the upper one may not be reached */
    for (int i = 0; i < 1000; i++)
        CHECK(x[i] == 16777216);
    free(x);
}

/* The kernels choose as numbers taken one by one do, wherever a piece ends and a counter overflows its half. */
TEST(random_keep)
{
    enum { M = 333 };
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    static const uint64_t counters[] = {0, 5, 0xfffffff0, UINT64_MAX - 20};
    static const uint32_t least[] = {0, 1, 0x40000000, 0x80000001, UINT32_MAX};
    const char *before = maas_kernel->level;

    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (size_t c = 0; c < sizeof counters / sizeof *counters; c++)
            for (size_t t = 0; t < sizeof least / sizeof *least; t++) {
                MaasRng one, many;
                uint8_t kept[M + 1];

                maas_rng_init(&one, 0x123456789abcdef, 0xfedcba9876543210);
                one.counter = counters[c];
                many = one;
                kept[M] = 7;
                maas_kernel->random_keep(&many, least[t], kept, 4 * 40);
                maas_kernel->random_keep(&many, least[t], kept + 4 * 40, M - 4 * 40);
                for (int i = 0; i < M; i++)
                    if (kept[i] != (maas_rng_u32(&one) >= least[t])) {
                        test_fail(__FILE__, __LINE__, "%s: number %d against %#x", levels[l], i,
                                  (unsigned)least[t]);
                        break;
                    }
                CHECK_INT(kept[M], 7);
                CHECK(maas_rng_u32(&one) == maas_rng_u32(&many));
            }
    }
    CHECK(maas_kernel_use(before));
}
