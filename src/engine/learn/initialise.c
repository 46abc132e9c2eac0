/*
 * initialise.c - the first values of weights, as Keras and PyTorch choose them.
 *
 * Glorot: Glorot and Bengio 2010, variance 2 / (fan_in + fan_out).  He: He et al. 2015, variance 2 / fan_in. LeCun:
 * variance 1 / fan_in.  Normal ones are cut at two deviations, as Keras does; random_uniform is [-0.05, 0.05),
 * random_normal has a deviation of 0.05.  Orthogonal: Saxe et al. 2014, from a random normal matrix by Gram and
 * Schmidt.  The only memory taken is a copy for the orthogonal one, freed before it returns.
 */
#include <math.h>
#include <string.h>

#include "initialise.h"

const char *const maas_initialiser_names[MAAS_INIT_KINDS] = {
    "zeros",         "ones",         "glorot_uniform", "glorot_normal", "he_uniform", "he_normal",
    "lecun_uniform", "lecun_normal", "random_uniform", "random_normal", "orthogonal",
};

#define PIECE (1 << 18) /* weights between two looks at the stop flag */

/* Deviation of a standard normal variable cut at two deviations. */
#define CUT_NORMAL_DEVIATION 0.87962566103423978

static void fill_cut_normal(MaasRng *rng, float *x, int64_t n, double variance)
{
    double scale = sqrt(variance) / CUT_NORMAL_DEVIATION;

    for (int64_t i = 0; i < n; i++) {
        double z;

        do
            z = maas_rng_normal(rng);
        while (fabs(z) > 2);
        x[i] = (float)(z * scale);
    }
}

static void fill_uniform(MaasRng *rng, float *x, int64_t n, double variance)
{
    float limit = (float)sqrt(3 * variance);

    maas_rng_uniform_floats(rng, x, n, -limit, limit);
}

/* Makes vector k of length n orthogonal to those before it, and of length 1; vectors lie one behind the other. */
static double orthogonalise(double *vectors, int64_t k, int64_t n, const MaasStop *stop)
{
    double *v = vectors + k * n, length = 0;

    for (int round = 0; round < 2; round++) { /* twice is enough (Kahan and Parlett) */
        for (int64_t j = 0; j < k && !maas_stop_raised(stop); j++) {
            const double *u = vectors + j * n;
            double dot = 0;

            for (int64_t i = 0; i < n; i++)
                dot += u[i] * v[i];
            for (int64_t i = 0; i < n; i++)
                v[i] -= dot * u[i];
        }
    }
    for (int64_t i = 0; i < n; i++)
        length += v[i] * v[i];
    length = sqrt(length);
    for (int64_t i = 0; i < n; i++)
        v[i] /= length;
    return length;
}

/* The shorter side's vectors become orthonormal. */
static MaasStatus fill_orthogonal(MaasRng *rng, float *x, int64_t rows, int64_t columns, const MaasStop *stop,
                                  MaasMem *mem, MaasError *err)
{
    bool tall = rows >= columns;
    int64_t n = tall ? rows : columns, m = tall ? columns : rows;
    double *vectors = maas_alloc_array(mem, (size_t)(n * m), sizeof *vectors, err); /* (m, n) */

    if (!vectors)
        return err->status;
    for (int64_t k = 0; k < m; k++) {
        do
            for (int64_t i = 0; i < n; i++)
                vectors[k * n + i] = maas_rng_normal(rng);
        while (orthogonalise(vectors, k, n, stop) < 1e-6 && !maas_stop_raised(stop));
        if (maas_stop_raised(stop)) {
            maas_free(mem, vectors);
            return maas_fail(err, MAAS_ERR_CANCEL, "stopped while weights were made");
        }
    }
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++)
            x[r * columns + c] = (float)(tall ? vectors[c * n + r] : vectors[r * n + c]);
    maas_free(mem, vectors);
    return MAAS_OK;
}

/* n weights of a kind that draws each by itself. */
static void fill(MaasInitialiser kind, MaasRng *rng, float *x, int64_t n, double in, double both)
{
    switch (kind) {
    case MAAS_INIT_ONES:
        for (int64_t i = 0; i < n; i++)
            x[i] = 1;
        break;
    case MAAS_INIT_GLOROT_UNIFORM:
        fill_uniform(rng, x, n, 2 / both);
        break;
    case MAAS_INIT_GLOROT_NORMAL:
        fill_cut_normal(rng, x, n, 2 / both);
        break;
    case MAAS_INIT_HE_UNIFORM:
        fill_uniform(rng, x, n, 2 / in);
        break;
    case MAAS_INIT_HE_NORMAL:
        fill_cut_normal(rng, x, n, 2 / in);
        break;
    case MAAS_INIT_LECUN_UNIFORM:
        fill_uniform(rng, x, n, 1 / in);
        break;
    case MAAS_INIT_LECUN_NORMAL:
        fill_cut_normal(rng, x, n, 1 / in);
        break;
    case MAAS_INIT_RANDOM_UNIFORM:
        maas_rng_uniform_floats(rng, x, n, -0.05f, 0.05f);
        break;
    case MAAS_INIT_RANDOM_NORMAL:
        maas_rng_normal_floats(rng, x, n, 0, 0.05f);
        break;
    default:
        memset(x, 0, sizeof *x * (size_t)n);
        break;
    }
}

MaasStatus maas_initialise(MaasInitialiser kind, MaasRng *rng, float *x, int64_t rows, int64_t columns,
                           int64_t fan_in, int64_t fan_out, const MaasStop *stop, MaasMem *mem, MaasError *err)
{
    int64_t n = rows * columns;
    double in = fan_in > 0 ? (double)fan_in : 1, both = fan_in + fan_out > 0 ? (double)(fan_in + fan_out) : 1;

    if (kind == MAAS_INIT_ORTHOGONAL)
        return fill_orthogonal(rng, x, rows, columns, stop, mem, err);
    for (int64_t at = 0; at < n; at += PIECE) {
        fill(kind, rng, x + at, n - at < PIECE ? n - at : PIECE, in, both);
        if (maas_stop_raised(stop))
            return maas_fail(err, MAAS_ERR_CANCEL, "stopped while weights were made");
    }
    return MAAS_OK;
}
