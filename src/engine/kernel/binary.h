/*
 * binary.h - the loops of the kernels with two arguments; binary.c and compare.c fill in the expression.
 */
#ifndef MAAS_KERNEL_BINARY_H
#define MAAS_KERNEL_BINARY_H

#include "kernel.h"

#define MAAS_TILE 256 /* elements of a short row that is repeated, so that the inner loop is long */

/*
 * Defines a MaasBinaryFn.  expression: of x (an element of a) and z (of b).  The column steps are constants in
 * each copy of the inner loop, so that a repeated argument stays in a register.
 */
#define BINARY(name, T, Y, expression)                                                                             \
    static inline __attribute__((always_inline)) void name##_row(const T *a, const T *b, Y *y, int64_t n,          \
                                                                 const int sa, const int sb)                       \
    {                                                                                                              \
        const T x0 = *a, z0 = *b;                                                                                  \
                                                                                                                   \
        _Pragma("omp simd") for (int64_t i = 0; i < n; i++)                                                        \
        {                                                                                                          \
            const T x = sa ? a[i] : x0, z = sb ? b[i] : z0;                                                        \
                                                                                                                   \
            y[i] = (Y)(expression);                                                                                \
        }                                                                                                          \
    }                                                                                                              \
                                                                                                                   \
    static void name(const void *av, const void *bv, void *yv, int64_t rows, int64_t cols, const int64_t step[4])  \
    {                                                                                                              \
        const T *a = av, *b = bv;                                                                                  \
        Y *y = yv;                                                                                                 \
                                                                                                                   \
        if (rows >= 8 && cols <= MAAS_TILE / 8 && step[1] && step[3] && step[0] == cols && step[2] == 0) {         \
            const int64_t group = MAAS_TILE / cols;                                                                \
            T tile[MAAS_TILE];                                                                                     \
                                                                                                                   \
            for (int64_t i = 0; i < group * cols; i++)                                                             \
                tile[i] = i < cols ? b[i] : tile[i - cols];                                                        \
            for (int64_t r = 0; r < rows; r += group)                                                              \
                name##_row(a + r * cols, tile, y + r * cols, (rows - r < group ? rows - r : group) * cols, 1, 1);  \
            return;                                                                                                \
        }                                                                                                          \
        for (int64_t r = 0; r < rows; r++, a += step[0], b += step[2], y += cols) {                                \
            if (step[1] && step[3])                                                                                \
                name##_row(a, b, y, cols, 1, 1);                                                                   \
            else if (step[1])                                                                                      \
                name##_row(a, b, y, cols, 1, 0);                                                                   \
            else                                                                                                   \
                name##_row(a, b, y, cols, 0, (int)step[3]);                                                        \
        }                                                                                                          \
    }

/* The same for expressions that do not vectorise. */
#define BINARY_PLAIN(name, T, Y, expression)                                                                       \
    static void name(const void *av, const void *bv, void *yv, int64_t rows, int64_t cols, const int64_t step[4])  \
    {                                                                                                              \
        for (int64_t r = 0; r < rows; r++) {                                                                       \
            const T *a = (const T *)av + r * step[0], *b = (const T *)bv + r * step[2];                            \
            Y *y = (Y *)yv + r * cols;                                                                             \
                                                                                                                   \
            for (int64_t i = 0; i < cols; i++) {                                                                   \
                const T x = a[i * step[1]], z = b[i * step[3]];                                                    \
                                                                                                                   \
                (void)z;                                                                                           \
                y[i] = (Y)(expression);                                                                            \
            }                                                                                                      \
        }                                                                                                          \
    }

#endif
