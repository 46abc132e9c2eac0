/*
 * rng.c - the generator of rng.h and the distributions made of it.
 */
#include <math.h>

#include "rng.h"

void maas_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t a = counter[0], b = counter[1], c = counter[2], d = counter[3], k0 = key[0], k1 = key[1];

    for (int round = 0; round < 10; round++) {
        uint64_t p = (uint64_t)0xd2511f53 * a, q = (uint64_t)0xcd9e8d57 * c;
        uint32_t next_a = (uint32_t)(q >> 32) ^ b ^ k0, next_c = (uint32_t)(p >> 32) ^ d ^ k1;

        b = (uint32_t)q;
        d = (uint32_t)p;
        a = next_a;
        c = next_c;
        k0 += 0x9e3779b9;
        k1 += 0xbb67ae85;
    }
    out[0] = a;
    out[1] = b;
    out[2] = c;
    out[3] = d;
}

void maas_rng_init(MaasRng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (MaasRng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}, .stream = stream};
}

uint32_t maas_rng_u32(MaasRng *rng)
{
    if (rng->left == 0) {
        uint32_t counter[4] = {(uint32_t)rng->counter, (uint32_t)(rng->counter >> 32), (uint32_t)rng->stream,
                               (uint32_t)(rng->stream >> 32)};

        maas_philox(counter, rng->key, rng->block);
        rng->counter++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

uint64_t maas_rng_u64(MaasRng *rng)
{
    uint64_t low = maas_rng_u32(rng);

    return low | (uint64_t)maas_rng_u32(rng) << 32;
}

uint64_t maas_rng_below(MaasRng *rng, uint64_t n)
{
    uint64_t unfair = -n % n, x; /* 2^64 modulo n */

    do
        x = maas_rng_u64(rng);
    while (x < unfair);
    return x % n;
}

float maas_rng_float(MaasRng *rng)
{
    return (float)(maas_rng_u32(rng) >> 8) * 0x1p-24f;
}

double maas_rng_double(MaasRng *rng)
{
    return (double)(maas_rng_u64(rng) >> 11) * 0x1p-53;
}

/* Box and Muller's transform; 1 - u keeps the logarithm away from 0. */
double maas_rng_normal(MaasRng *rng)
{
    double radius = sqrt(-2 * log(1 - maas_rng_double(rng)));

    return radius * cos(2 * 3.14159265358979323846 * maas_rng_double(rng));
}

void maas_rng_uniform_floats(MaasRng *rng, float *x, int64_t n, float low, float high)
{
    for (int64_t i = 0; i < n; i++) {
        float value = low + maas_rng_float(rng) * (high - low);

        x[i] = value < high || low >= high ? value : nextafterf(high, low); /* rounding may reach high */
    }
}

void maas_rng_normal_floats(MaasRng *rng, float *x, int64_t n, float mean, float deviation)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = mean + deviation * (float)maas_rng_normal(rng);
}
