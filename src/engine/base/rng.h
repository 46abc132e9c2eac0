/*
 * rng.h - random numbers from a counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2,
 * 3").
 *
 * Equal seeds and streams give equal numbers on every machine; different streams are independent, one for each
 * piece of work that runs in parallel.  Not for secrets.
 */
#ifndef MAAS_BASE_RNG_H
#define MAAS_BASE_RNG_H

#include <stdint.h>

typedef struct MaasRng {
    uint32_t key[2];
    uint64_t stream, counter;
    uint32_t block[4]; /* made of the counter before */
    int left;          /* of block */
} MaasRng;

/* One block of the generator: 128 bits of counter, 64 of key -> 128 random bits. */
void maas_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

void maas_rng_init(MaasRng *rng, uint64_t seed, uint64_t stream);
uint32_t maas_rng_u32(MaasRng *rng);
uint64_t maas_rng_u64(MaasRng *rng);
/* Uniform in [0, n), n > 0, without bias. */
uint64_t maas_rng_below(MaasRng *rng, uint64_t n);
/* Uniform in [0, 1): multiples of 2^-24 and of 2^-53. */
float maas_rng_float(MaasRng *rng);
double maas_rng_double(MaasRng *rng);
/* Mean 0, variance 1. */
double maas_rng_normal(MaasRng *rng);

/* n floats, uniform in [low, high), or normal. */
void maas_rng_uniform_floats(MaasRng *rng, float *x, int64_t n, float low, float high);
void maas_rng_normal_floats(MaasRng *rng, float *x, int64_t n, float mean, float deviation);

#endif
