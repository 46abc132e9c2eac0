/*
 * test_fuse_activation.c - activations written out as arithmetic.
 */
#include <stdio.h>

#include "fusing.h"

#define NUMBERS                                                                                                    \
    "in x N,19\nvalue half 0.5\nvalue two [2]\nvalue one 1\nvalue r2 1.4142135623730951\nvalue i2 0.70710678\n"    \
    "value three 3\nvalue cubic 0.044715\nvalue rp 0.7978845608\n"

/* Models that become one operator, and what is nearly so and stays. */
static void check(const char *op, int count, const char *nodes)
{
    char model[1024];

    snprintf(model, sizeof model, NUMBERS "%s\nout y", nodes);
    check_fusing(op, count, model);
}

TEST(fuse_gelu)
{
    check("Gelu", 1, "Div x r2 > a\nErf a > b\nAdd b one > c\nMul x c > d\nMul d half > y");
    check("Gelu", 1, "Mul i2 x > a\nErf a > b\nAdd one b > c\nMul c half > d\nMul d x > y");
    check("Gelu", 1, "Mul x half > h\nDiv x r2 > a\nErf a > b\nAdd b one > c\nMul h c > y");
    check("Gelu", 1, "Div x r2 > a\nErf a > b\nAdd b one > c\nMul x c > d\nDiv d two > y");
    check("Gelu", 0, "Div x two > a\nErf a > b\nAdd b one > c\nMul x c > d\nMul d half > y");
    check("Gelu", 0, "Div x r2 > a\nErf a > b\nAdd b two > c\nMul x c > d\nMul d half > y");
    check("Gelu", 0, "Div x r2 > a\nErf a > b\nAdd b one > c\nMul a c > d\nMul d half > y");
    check("Gelu", 0, "Div r2 x > a\nErf a > b\nAdd b one > c\nMul x c > d\nMul d half > y");
    check("Gelu", 0, "Div x r2 > a\nErf a > b\nAdd b one > c\nMul x c > d\nMul d half > e\nAdd e b > y");
}

TEST(fuse_gelu_tanh)
{
    check("Gelu", 1,
          "Pow x three > p\nMul p cubic > q\nAdd x q > r\nMul r rp > s\nTanh s > t\nAdd t one > u\nMul x half > h\n"
          "Mul h u > y");
    check("Gelu", 1,
          "Mul x x > w\nMul w x > p\nMul cubic p > q\nAdd q x > r\nMul rp r > s\nTanh s > t\nAdd one t > u\n"
          "Mul half u > v\nMul x v > y");
    check("Gelu", 0,
          "Pow x two > p\nMul p cubic > q\nAdd x q > r\nMul r rp > s\nTanh s > t\nAdd t one > u\nMul x half > h\n"
          "Mul h u > y");
}

TEST(fuse_gates)
{
    check("Swish", 1, "Sigmoid x > a\nMul x a > y");
    check("Swish", 0, "Sigmoid x > a\nMul x a > b\nAdd a b > y");
    check("Swish", 0, "Sigmoid x > a\nMul a a > y");
    check("HardSwish", 1, "HardSigmoid x > a alpha=0.1666667 beta=0.5\nMul a x > y");
    check("HardSwish", 0, "HardSigmoid x > a\nMul a x > y");
    check("Mish", 1, "Softplus x > a\nTanh a > b\nMul x b > y");
    check("Linear", 1, "const w 19,30\nconst b 30\nMatMul x w > m\nAdd m b > n\nSigmoid n > s\nMul n s > y");
}
