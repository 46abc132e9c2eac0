/*
 * random.c - many numbers of the generator of rng.h at once, one block (4 numbers) for each lane of 64 bits, and
 * what dropout makes of them.
 */
#include <string.h>

#include "kernel.h"
#include "vec.h"

enum { LANES = VEC_BYTES / 8 };

/* The lower halves of a lane are used, whatever the upper ones hold. */
typedef uint64_t Lanes __attribute__((vector_size(VEC_BYTES)));
typedef uint32_t Halves __attribute__((vector_size(VEC_BYTES / 2)));

#if defined(__AVX512F__)
#define MUL(a, b) ((Lanes)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#elif defined(__AVX2__)
#define MUL(a, b) ((Lanes)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
#else
#define MUL(a, b) (((a) & 0xffffffff) * ((b) & 0xffffffff))
#endif

/* maas_philox in each lane: counters -> numbers. */
static inline void philox(const uint32_t key[2], Lanes x[4])
{
    const Lanes m0 = (Lanes){0} + 0xd2511f53, m1 = (Lanes){0} + 0xcd9e8d57;
    uint32_t k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        Lanes p = MUL(x[0], m0), q = MUL(x[2], m1);

        x[0] = q >> 32 ^ x[1] ^ k0;
        x[1] = q;
        x[2] = p >> 32 ^ x[3] ^ k1;
        x[3] = p;
        k0 += 0x9e3779b9;
        k1 += 0xbb67ae85;
    }
}

/* 1 where the lower half is at least least, else 0: a difference below 0 sets the highest bit. */
static inline Lanes at_least(Lanes x, uint32_t least)
{
    return ((x & 0xffffffff) - least) >> 63 ^ 1;
}

void K(random_keep)(MaasRng *rng, uint32_t least, uint8_t *kept, int64_t n)
{
    Lanes lane;
    int64_t i = 0;

    for (int l = 0; l < LANES; l++)
        lane[l] = (uint64_t)l;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        Lanes counter = lane + rng->counter;
        Lanes x[4] = {counter, counter >> 32, (Lanes){0} + rng->stream, (Lanes){0} + (rng->stream >> 32)};

        philox(rng->key, x);

        Lanes bytes = at_least(x[0], least) | at_least(x[1], least) << 8 | at_least(x[2], least) << 16 |
                      at_least(x[3], least) << 24;
        Halves halves = __builtin_convertvector(bytes, Halves);

        memcpy(kept + i, &halves, sizeof halves);
        rng->counter += LANES;
    }
    for (; i < n; i++)
        kept[i] = maas_rng_u32(rng) >= least;
}

void K(keep_f32)(const uint8_t *kept, float scale, const float *x, float *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = kept[i] ? x[i] * scale : 0;
}

void K(keep_f64)(const uint8_t *kept, double scale, const double *x, double *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++)
        y[i] = kept[i] ? x[i] * scale : 0;
}
