/*
 * cell.c - combining the gates of recurrent cells.
 */
#include "kernel.h"
#include "vmath.h"

#define T float
#define NAME(x) x##_f32
#include "cell.inc"

#define T double
#define NAME(x) x##_f64
#include "cell.inc"

/* A step of an LSTM: gates i, o, f, c (batch, 4, n) get their activations; cell and h (batch, n). */
void K(lstm_cell_f32)(float *gate, float *cell, float *h, int64_t batch, int64_t n)
{
    for (int64_t e = 0; e < batch; e++, gate += 4 * n, cell += n, h += n) {
        float *restrict i = gate, *restrict o = gate + n, *restrict f = gate + 2 * n, *restrict g = gate + 3 * n;
        float *restrict c = cell, *restrict y = h;

#pragma omp simd
        for (int64_t j = 0; j < n; j++) {
            float in = maas_sigmoidf(i[j]), out = maas_sigmoidf(o[j]), keep = maas_sigmoidf(f[j]);
            float fresh = maas_tanhf(g[j]), s = keep * c[j] + in * fresh;

            i[j] = in;
            o[j] = out;
            f[j] = keep;
            g[j] = fresh;
            c[j] = s;
            y[j] = out * maas_tanhf(s);
        }
    }
}
