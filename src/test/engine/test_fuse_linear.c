/*
 * test_fuse_linear.c - Linear against MatMul, Gemm and what follows them.
 */
#include <stdio.h>

#include "fusing.h"

COMPARES(Linear)

#define PRODUCT "in x N,20\nconst w 20,37\nconst b 37\n"

TEST(fuse_linear_shapes)
{
    static const char *const shapes[] = {"1,1",  "20,16",  "20,17",  "20,32",  "20,33",  "20,97",
                                         "1,50", "401,40", "801,96", "20,520", "20,160", "3,545"};
    char model[256];

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int k = atoi(shapes[i]), n = atoi(strchr(shapes[i], ',') + 1);

        snprintf(model, sizeof model, "in x N,%d\nconst w %d,%d\nconst b %d\nMatMul x w > m\nAdd m b > y\nout y", k,
                 k, n, n);
        check_fusing("Linear", 1, model);
        snprintf(model, sizeof model, "in x N,%d\nconst w %d,%d\nGemm x w > m transB=1\nTanh m > y\nout y", k, n,
                 k);
        check_fusing("Linear", 1, model);
    }
    check_fusing("Linear", 1, "in x N,0\nconst w 0,5\nconst b 5\nMatMul x w > m\nAdd b m > y\nout y");
    check_fusing("Linear", 1, "in x N,4\nconst w 4,0\nMatMul x w > y\nout y");
    check_fusing("Linear", 1, "in x 20\nconst w 20,5\nMatMul x w > m\nSigmoid m > y\nout y");
    check_fusing("Linear", 1, "in x N,M,20\nconst w 20,5\nconst b 1,1,5\nMatMul x w > m\nAdd m b > y\nout y");
}

TEST(fuse_linear_activations)
{
    static const char *const acts[] = {"Relu m > y",
                                       "Sigmoid m > y",
                                       "Tanh m > y",
                                       "LeakyRelu m > y alpha=0.2",
                                       "Elu m > y alpha=0.7",
                                       "Selu m > y",
                                       "HardSigmoid m > y",
                                       "HardSwish m > y",
                                       "Gelu m > y",
                                       "Mish m > y",
                                       "Softplus m > y",
                                       "Gelu m > y approximate=tanh",
                                       "ThresholdedRelu m > y alpha=0.3",
                                       "Softsign m > y",
                                       "Celu m > y alpha=0.5",
                                       "Erf m > y",
                                       "Exp m > y",
                                       "Clip m lo hi > y",
                                       "Clip m lo > y",
                                       "Clip m - hi > y",
                                       "Clip m > y"};
    char model[256];

    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        snprintf(model, sizeof model, PRODUCT "value lo -0.5\nvalue hi 0.75\nGemm x w b > m\n%s\nout y", acts[i]);
        check_fusing("Linear", 1, model);
    }
}

TEST(fuse_linear_gemm)
{
    check_fusing("Linear", 1, PRODUCT "Gemm x w b > y alpha=0.3 beta=0.7\nout y");
    check_fusing("Linear", 1, PRODUCT "Gemm x w b > y beta=0.0\nout y");
    check_fusing("Linear", 1, PRODUCT "value s 2.5\nGemm x w s > y beta=2.0\nout y");
    check_fusing("Linear", 1, PRODUCT "const r 1,37\nGemm x w r > y\nout y");
    check_fusing("Linear", 0, PRODUCT "in c N,37\nGemm x w c > y\nout y");
    check_fusing("Linear", 0, "in x 20,N\nconst w 20,37\nGemm x w > y transA=1\nout y");
}

#define NORM "const g 37\nconst o 37\nconst mean 37\nvalue var [%s]\n"

TEST(fuse_linear_norm)
{
    char var[512] = "0.5", model[1024];

    for (int i = 1; i < 37; i++)
        snprintf(var + strlen(var), sizeof var - strlen(var), ",%d.25", i % 3);
#define CHECK_NORM(count, nodes)                                                                                   \
    snprintf(model, sizeof model, PRODUCT NORM nodes "\nout y", var);                                              \
    check_fusing("BatchNormalization", 1 - count, model)
    CHECK_NORM(1, "Gemm x w b > m\nBatchNormalization m g o mean var > n\nRelu n > y");
    CHECK_NORM(1,
               "const v 37,20\nGemm x v > m transB=1 alpha=0.5\nBatchNormalization m g o mean var > y epsilon=0.1");
    CHECK_NORM(1, "MatMul x w > m\nBatchNormalization m g o mean var > n\nAdd n b > y");
    CHECK_NORM(0, "Gemm x w b > m\nTanh m > t\nBatchNormalization t g o mean var > y");
    CHECK_NORM(0, "in z N,37,37\nconst v 37,37\nMatMul z v > m\nBatchNormalization m g o mean var > y");
}

/* Products that are cut into pieces for several threads, with more than one block of depth and of columns. */
TEST(fuse_linear_pieces)
{
    check_fusing("Linear", 1, "in x N,3,450\nconst w 450,700\nconst b 700\nMatMul x w > m\nAdd m b > y\nout y");
    check_fusing("Linear", 0, "in x N,450\nin z 450,700\nMatMul x z > y\nout y");
    check_fusing("Linear", 0, "in x N,9,450\nin z 700,450\nTranspose z > t\nMatMul x t > y\nout y");
}

TEST(fuse_linear_added)
{
    check_fusing("Linear", 1, PRODUCT "in r N,37\nMatMul x w > m\nAdd m b > n\nAdd r n > s\nRelu s > y\nout y");
    check_fusing("Linear", 1, PRODUCT "in r N,37\nMatMul x w > m\nAdd m r > y\nout y");
    check_fusing("Linear", 1, PRODUCT "in r N,1\nMatMul x w > m\nAdd m r > s\nTanh s > y\nout y");
    check_fusing("Linear", 1, PRODUCT "in r 5,N,37\nMatMul x w > m\nAdd r m > s\nRelu s > y\nout y");
    check_fusing("Linear", 2, PRODUCT "const v 20,37\nMatMul x w > m\nMatMul x v > n\nAdd m n > y\nout y");
    /* a bias that makes the result larger, or one for rows, is no bias */
    check_fusing("Linear", 1, PRODUCT "const r 3,1,37\nMatMul x w > m\nAdd m r > y\nout y");
    check_fusing("Linear", 1, "in x 4,20\nconst w 20,37\nconst r 4,1\nMatMul x w > m\nAdd m r > y\nout y");
    check_fusing("Linear", 1, PRODUCT "MatMul x w > m\nAdd m m > y\nout y");
}

TEST(fuse_linear_intermediates)
{
    check_fusing("Linear", 1, PRODUCT "MatMul x w > m\nAdd m b > n\nRelu n > y\nout y n");
    check_fusing("Linear", 1, PRODUCT "MatMul x w > m\nAdd m b > n\nRelu n > a\nMul a n > y\nout y");
    check_fusing("Linear", 2, PRODUCT "const v 37,8\nGemm x w b > m\nRelu m > h\nMatMul h v > y\nout y");
    /* one matrix read by two products, and as such */
    check_fusing("Linear", 2, PRODUCT "MatMul x w > m\nGemm x w b > n\nout m n w");
    check_fusing("Linear", 1, PRODUCT "MatMul x w > m\nReduceSum w > s\nAdd m s > y\nout y");
    /* computed when shapes are bound: a product of what is known by then */
    check_fusing("Linear", 1, "in x N,3\nconst w 2,5\nShape x > s\nCast s > f to=1\nMatMul f w > y\nout y");
}

/* Subgraphs share the constants of the graph around them. */
TEST(fuse_linear_subgraphs)
{
    check_fusing("Linear", 2,
                 "in x N,20\nconst w 20,20\nvalue zero 0\nReduceSum x > r keepdims=0\nGreater r zero > c\n"
                 "If c > y then_branch{MatMul,x,w>t} else_branch{Gemm,x,w>e}\nout y");
    check_fusing("Linear", 3,
                 "in x N,20\nconst w 20,20\nvalue zero 0\nMatMul x w > m\nReduceSum x > r keepdims=0\n"
                 "Greater r zero > c\nIf c > y then_branch{MatMul,m,w>t} else_branch{Gemm,x,w>e}\nout y");
    check_fusing("Linear", 1,
                 "in x N,20\nconst w 20,20\nvalue zero 0\nReduceSum x > r keepdims=0\nGreater r zero > c\n"
                 "If c > y then_branch{MatMul,x,w>t} else_branch{Identity,w>e}\nout y");
}
