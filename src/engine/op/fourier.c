/*
 * fourier.c - discrete Fourier transforms of any length, in double precision.
 *
 * A length of 2^k is transformed in place (Cooley and Tukey).  Any other becomes a convolution with a chirp, done
 * at a length of 2^k (Bluestein): k j = (k^2 + j^2 - (k - j)^2) / 2.
 */
#include <math.h>
#include <string.h>

#include "../kernel/kernel.h"
#include "expect.h"
#include "fourier.h"

static MaasStatus transform(MaasCtx *c, const MaasFourier *f, double *x)
{
    maas_kernel->fft_reverse(x, f->size);
    for (int64_t half = 1; half < f->size; half *= 2) {
        if (maas_stop(c))
            return maas_stopped(c);
        maas_kernel->fft_stage(x, f->size, half, f->roots);
    }
    return MAAS_OK;
}

static void conjugate(double *x, int64_t n, double scale)
{
    for (int64_t i = 0; i < n; i++) {
        x[2 * i] *= scale;
        x[2 * i + 1] *= -scale;
    }
}

MaasStatus maas_fourier_plan(MaasCtx *c, int64_t n, MaasFourier *f)
{
    const double pi = 3.14159265358979323846;
    bool power = (n & (n - 1)) == 0;
    size_t size = 1;

    while (size < (size_t)(power ? n : 2 * n - 1))
        size *= 2;
    *f = (MaasFourier){.n = n, .size = (int64_t)size};
    f->roots = maas_scratch(c, size, sizeof *f->roots);
    if (!f->roots)
        return maas_scratch_failed(c);
    for (int64_t k = 0; k < f->size / 2; k++) {
        double angle = -2 * pi * (double)k / (double)f->size;

        f->roots[2 * k] = cos(angle);
        f->roots[2 * k + 1] = sin(angle);
    }
    if (power)
        return MAAS_OK;
    f->chirp = maas_scratch(c, (size_t)n, 2 * sizeof *f->chirp);
    f->filter = maas_scratch(c, size, 2 * sizeof *f->filter);
    f->work = maas_scratch(c, size, 2 * sizeof *f->work);
    if (!f->chirp || !f->filter || !f->work)
        return maas_scratch_failed(c);
    memset(f->filter, 0, size * 2 * sizeof *f->filter);
    for (int64_t k = 0; k < n; k++) {
        double angle = -pi * (double)(k * k % (2 * n)) / (double)n;

        f->chirp[2 * k] = cos(angle);
        f->chirp[2 * k + 1] = sin(angle);
        f->filter[2 * k] = cos(angle);
        f->filter[2 * k + 1] = -sin(angle);
        if (k > 0)
            memcpy(f->filter + 2 * (f->size - k), f->filter + 2 * k, 2 * sizeof *f->filter);
    }
    return transform(c, f, f->filter);
}

MaasStatus maas_fourier(MaasCtx *c, const MaasFourier *f, bool inverse, double *x)
{
    if (inverse) /* by the conjugate of the transform of the conjugate */
        conjugate(x, f->n, 1);
    if (f->size == f->n) {
        MAAS_TRY(transform(c, f, x));
    } else {
        memcpy(f->work, x, (size_t)f->n * 2 * sizeof *x);
        maas_kernel->complex_mul(f->work, f->chirp, f->n);
        memset(f->work + 2 * f->n, 0, (size_t)(f->size - f->n) * 2 * sizeof *x);
        MAAS_TRY(transform(c, f, f->work));
        maas_kernel->complex_mul(f->work, f->filter, f->size);
        conjugate(f->work, f->size, 1);
        MAAS_TRY(transform(c, f, f->work));
        conjugate(f->work, f->n, 1 / (double)f->size);
        maas_kernel->complex_mul(f->work, f->chirp, f->n);
        memcpy(x, f->work, (size_t)f->n * 2 * sizeof *x);
    }
    if (inverse)
        conjugate(x, f->n, 1 / (double)f->n);
    return MAAS_OK;
}
