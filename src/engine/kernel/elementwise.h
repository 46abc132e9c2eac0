/*
 * elementwise.h - names of the elementwise computations and the shape of their kernels.
 *
 * A level's table has one lookup function a family (unary, binary, ...) instead
 * of a field for every pair of computation and type; the lookup gives NULL for
 * a pair that does not exist.  Input and output may be the same memory where
 * their element sizes are equal: element i is read before element i is written.
 */
#ifndef MAAS_KERNEL_ELEMENTWISE_H
#define MAAS_KERNEL_ELEMENTWISE_H

#include "../base/dtype.h"

typedef enum MaasUnary {
    MAAS_UN_ABS,
    MAAS_UN_NEG,
    MAAS_UN_SIGN,
    MAAS_UN_CEIL,
    MAAS_UN_FLOOR,
    MAAS_UN_ROUND,
    MAAS_UN_SQRT,
    MAAS_UN_RECIPROCAL,
    MAAS_UN_EXP,
    MAAS_UN_LOG,
    MAAS_UN_SIN,
    MAAS_UN_COS,
    MAAS_UN_TAN,
    MAAS_UN_ASIN,
    MAAS_UN_ACOS,
    MAAS_UN_ATAN,
    MAAS_UN_SINH,
    MAAS_UN_COSH,
    MAAS_UN_TANH,
    MAAS_UN_ASINH,
    MAAS_UN_ACOSH,
    MAAS_UN_ATANH,
    MAAS_UN_ERF,
    MAAS_UN_SIGMOID,
    MAAS_UN_RELU,
    MAAS_UN_LEAKY_RELU,       /* p0: alpha */
    MAAS_UN_THRESHOLDED_RELU, /* p0: alpha */
    MAAS_UN_ELU,              /* p0: alpha */
    MAAS_UN_SELU,             /* p0: alpha, p1: gamma */
    MAAS_UN_CELU,             /* p0: alpha */
    MAAS_UN_GELU,
    MAAS_UN_GELU_TANH,
    MAAS_UN_HARD_SIGMOID, /* p0: alpha, p1: beta */
    MAAS_UN_HARD_SWISH,
    MAAS_UN_MISH,
    MAAS_UN_SWISH, /* p0: alpha */
    MAAS_UN_SOFTPLUS,
    MAAS_UN_SOFTSIGN,
    MAAS_UN_SHRINK,  /* p0: lambd, p1: bias */
    MAAS_UN_SCALE,   /* p0 * x */
    MAAS_UN_NOT,     /* bool */
    MAAS_UN_BIT_NOT, /* integers */
    MAAS_UN_IS_NAN,  /* -> bool */
    MAAS_UN_IS_INF,  /* -> bool; p0: negative counts, p1: positive counts */
    MAAS_N_UNARY
} MaasUnary;

/* x (n) -> y (n); p: 2 parameters. */
typedef void (*MaasUnaryFn)(const void *x, void *y, int64_t n, const float *p);

/* dx = dy f'(x); v: x, or y where maas_unary_grad_of_output says so.  dx may be v or dy. */
typedef void (*MaasUnaryGradFn)(const void *v, const void *dy, void *dx, int64_t n, const float *p);

/* Whether the slope of a function is computed from its result. */
static inline bool maas_unary_grad_of_output(MaasUnary op)
{
    return op == MAAS_UN_SQRT || op == MAAS_UN_RECIPROCAL || op == MAAS_UN_EXP || op == MAAS_UN_TAN ||
           op == MAAS_UN_TANH || op == MAAS_UN_SIGMOID || op == MAAS_UN_RELU;
}

typedef enum MaasBinary {
    MAAS_BIN_ADD,
    MAAS_BIN_SUB,
    MAAS_BIN_MUL,
    MAAS_BIN_DIV,  /* integers truncate; no element of b is 0 */
    MAAS_BIN_MOD,  /* sign of the divisor; integers: no element of b is 0 */
    MAAS_BIN_FMOD, /* sign of the dividend; integers: no element of b is 0 */
    MAAS_BIN_POW,  /* int32, int64: a negative exponent only with base 1 or -1 */
    MAAS_BIN_MIN,  /* NaN wins */
    MAAS_BIN_MAX,
    MAAS_BIN_PRELU, /* a < 0 ? a * b : a */
    MAAS_BIN_AND,   /* bits; bool, too */
    MAAS_BIN_OR,
    MAAS_BIN_XOR,
    MAAS_BIN_SHIFT_LEFT, /* unsigned; by the width or more: 0 */
    MAAS_BIN_SHIFT_RIGHT,
    MAAS_BIN_EQUAL, /* -> bool */
    MAAS_BIN_LESS,
    MAAS_BIN_LESS_EQUAL,
    MAAS_N_BINARY
} MaasBinary;

/*
 * a op b -> y (rows, cols), dense.  step: elements from row to row and from column to column of a, then of b;
 * a column step is 0 or 1, a row step anything.
 */
typedef void (*MaasBinaryFn)(const void *a, const void *b, void *y, int64_t rows, int64_t cols,
                             const int64_t step[4]);

/* low <= x <= high, one value each; NaN stays, high wins over low. */
typedef void (*MaasClipFn)(const void *x, void *y, int64_t n, const void *low, const void *high);

/* dx = dy where low <= x <= high, else 0; dx may be x or dy. */
typedef void (*MaasClipGradFn)(const void *x, const void *dy, void *dx, int64_t n, const void *low,
                               const void *high);

/* cond ? a : b -> y (rows, cols), dense.  step: as above of cond, a and b. */
typedef void (*MaasSelectFn)(const uint8_t *cond, const void *a, const void *b, void *y, int64_t rows, int64_t cols,
                             const int64_t step[6]);

#endif
