/*
 * test_block_conv.c - convolutions on planes whose channels are blocked by 16, against the plain ones: every method
 * over odd sizes, channels that fill no block, strides, dilations, groups; what is drawn in; which edges are
 * blocked.
 */
#include <math.h>
#include <stdio.h>

#include "fusing.h"

COMPARES(BlockConv)
COMPARES(BlockMaxPool)
COMPARES(BlockAveragePool)
COMPARES(BlockGlobalAveragePool)

/* x (N, channels, height, width) through one convolution, with bias where there is an even number of filters. */
static void check_conv(int channels, int filters, int kh, int kw, int height, int width, const char *attrs,
                       int groups)
{
    char model[512];
    bool bias = filters % 2 == 0;

    snprintf(model, sizeof model,
             "in x N,%d,%d,%d\nconst w %d,%d,%d,%d 0.3\nconst b %d\nConv x w %s > y group=%d %s\nout y", channels,
             height, width, filters, channels / groups, kh, kw, filters, bias ? "b" : "-", groups, attrs);
    check_fusing("BlockConv", 1, model);
}

TEST(block_conv_point)
{
    check_conv(16, 16, 1, 1, 3, 5, "", 1);
    check_conv(17, 31, 1, 1, 7, 7, "", 1);
    check_conv(40, 64, 1, 1, 1, 1, "", 1);
    check_conv(33, 49, 1, 1, 13, 11, "strides=[2,3]", 1);
    check_conv(20, 18, 1, 1, 4, 4, "pads=[1,0,2,1]", 1);
    check_conv(130, 8, 1, 1, 15, 15, "", 1);
}

TEST(block_conv_few_channels)
{
    check_conv(1, 8, 3, 3, 9, 9, "pads=[1,1,1,1]", 1);
    check_conv(3, 33, 7, 7, 20, 23, "strides=[2,2] pads=[3,3,3,3]", 1);
    check_conv(5, 16, 1, 1, 6, 5, "", 1);
    check_conv(2, 20, 5, 2, 8, 31, "strides=[1,3] pads=[2,1,0,4] dilations=[1,2]", 1);
    check_conv(15, 17, 3, 3, 4, 4, "auto_pad=SAME_UPPER strides=[2,2]", 1);
}

TEST(block_conv_windows)
{
    check_conv(16, 16, 3, 3, 8, 9, "strides=[2,2] pads=[1,1,1,1]", 1);
    check_conv(19, 35, 3, 3, 7, 7, "strides=[2,1] pads=[0,1,2,0]", 1);
    check_conv(32, 24, 5, 5, 6, 6, "pads=[2,2,2,2]", 1);
    check_conv(18, 16, 3, 3, 9, 9, "dilations=[2,3] pads=[2,3,2,3]", 1);
    check_conv(24, 16, 2, 3, 5, 5, "auto_pad=SAME_LOWER", 1);
    check_conv(400, 16, 3, 3, 5, 5, "strides=[2,2] pads=[1,1,1,1]", 1); /* a depth in several pieces */
    check_conv(16, 16, 3, 3, 1, 1, "strides=[2,2] pads=[4,4,4,4]", 1);
}

TEST(block_conv_winograd)
{
    check_conv(16, 16, 3, 3, 8, 8, "pads=[1,1,1,1]", 1);
    check_conv(17, 33, 3, 3, 7, 13, "pads=[1,1,1,1]", 1);
    check_conv(32, 20, 3, 3, 5, 6, "", 1);
    check_conv(16, 16, 3, 3, 1, 1, "pads=[1,1,1,1]", 1);
    check_conv(19, 64, 3, 3, 9, 3, "pads=[0,2,3,1]", 1);
    check_conv(64, 48, 3, 3, 14, 14, "auto_pad=SAME_UPPER", 1);
    check_conv(16, 16, 3, 3, 2, 40, "pads=[2,0,2,0]", 1);
    check_conv(16, 16, 5, 5, 8, 8, "pads=[2,2,2,2]", 1);
    check_conv(17, 33, 5, 5, 7, 13, "pads=[2,2,2,2]", 1);
    check_conv(32, 20, 5, 5, 5, 6, "", 1);
    check_conv(19, 40, 5, 5, 9, 3, "pads=[0,2,3,1]", 1);
}

/* Output 1 is the error of output 0 against the same computed in float64: 1e-5 of the largest output at most. */
static void check_error(const char *lines)
{
    MaasMem mem;
    MaasError err;
    MaasRunOptions options = {.mem = &mem, .threads = 1};
    MaasModel *model = NULL;
    MaasResults *results = NULL;
    MaasValue *x = NULL;
    const int wanted[] = {0, 1};
    uint64_t state = 5;
    Build b;

    build_lines(&b, lines);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    CHECK_OK(maas_model_load(b.out.data, b.out.size, &options, &model, &err));
    NEED(model);
    const MaasPort *port = maas_model_info(model)->inputs;

    NEED_OK(maas_value_new_tensor(&mem, MAAS_FLOAT, port->rank, port->dims, &x, &err));
    for (int64_t i = 0; i < x->tensor.count; i++)
        MAAS_F32(&x->tensor)[i] = (float)(test_random(&state) >> 40) / (1 << 24);
    const MaasValue *inputs[] = {x};

    CHECK_OK(maas_model_run(model, &options, inputs, 2, wanted, &results, &err));
    if (results) {
        const MaasTensor *y = &maas_results_get(results, 0)->tensor, *gap = &maas_results_get(results, 1)->tensor;
        double largest = 0, worst = 0;

        for (int64_t i = 0; i < y->count; i++) {
            largest = fmax(largest, fabs((double)MAAS_F32(y)[i]));
            worst = fmax(worst, fabs((double)MAAS_F32(gap)[i]));
        }
        CHECK(largest > 0);
        if (!(worst <= 1e-5 * largest))
            test_fail(__FILE__, __LINE__, "error %g of outputs up to %g\n%s", worst, largest, lines);
    }
    maas_results_free(results);
    maas_value_unref(x);
    maas_model_free(model);
    build_free(&b);
}

TEST(block_conv_winograd_error)
{
    static const int channels[] = {64, 512, 1024};

    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        for (int k = 3; k <= 5; k += 2) {
            const int pad = k / 2;
            char lines[512];

            snprintf(lines, sizeof lines,
                     "in x 1,%d,7,7\nconst w 32,%d,%d,%d\nConv x w > y pads=[%d,%d,%d,%d]\nCast x > xd to=11\n"
                     "Cast w > wd to=11\nConv xd wd > yd pads=[%d,%d,%d,%d]\nCast y > z to=11\nSub z yd > dd\n"
                     "Cast dd > d to=1\nout y d",
                     channels[i], channels[i], k, k, pad, pad, pad, pad, pad, pad, pad, pad);
            check_error(lines);
        }
}

/* What is not finite, or huge, reaches those outputs whose window holds it and no others. */
TEST(block_conv_winograd_wild)
{
    static const char *const wild[] = {"nan", "inf", "-inf", "1e37"};

    for (size_t i = 0; i < 2 * (sizeof wild / sizeof *wild); i++) {
        const int k = i % 2 ? 5 : 3, pad = k / 2;
        char model[512];

        snprintf(model, sizeof model,
                 "in x N,18,6,7\nvalue t [[[[0,0,0,0,0,0,0],[0,0,%s,0,0,0,0],[0,0,0,0,0,0,0],[0,0,0,0,0,0,0],"
                 "[0,0,0,0,0,0,0],[0,0,0,0,0,0,0]]]]\nAdd x t > a\nconst w 20,18,%d,%d 0.1\nconst b 20\n"
                 "Conv a w b > y pads=[%d,%d,%d,%d]\nClip y low high > z\nvalue low -10.0\nvalue high 10.0\nout %s",
                 wild[i / 2], k, k, pad, pad, pad, pad, i / 2 < 3 ? "y z" : "z");
        check_fusing("BlockConv", 1, model);
    }
}

TEST(block_conv_groups)
{
    check_conv(32, 32, 3, 3, 6, 6, "pads=[1,1,1,1]", 2);
    check_conv(48, 96, 1, 1, 5, 5, "", 3);
    check_conv(32, 64, 3, 3, 9, 9, "strides=[2,2] pads=[1,1,1,1]", 2);
}

TEST(block_conv_depthwise)
{
    check_conv(16, 16, 3, 3, 8, 8, "pads=[1,1,1,1]", 16);
    check_conv(19, 19, 3, 3, 9, 14, "strides=[2,2] pads=[1,1,1,1]", 19);
    check_conv(33, 33, 5, 5, 6, 7, "pads=[2,2,2,2]", 33);
    check_conv(8, 8, 3, 3, 9, 9, "dilations=[2,2] pads=[2,2,2,2]", 8);
    check_conv(12, 12, 3, 1, 3, 1, "pads=[1,3,1,3]", 12);
}

TEST(block_conv_free_sizes)
{
    check_fusing("BlockConv", 1, "in x 2,16,H,W\nconst w 16,16,3,3 0.3\nConv x w > y pads=[1,1,1,1]\nout y");
    check_fusing("BlockConv", 1,
                 "in x N,3,H,W\nconst w 16,3,3,3 0.3\nConv x w > y pads=[1,1,1,1] strides=[2,2]\nout y");
    check_fusing("BlockConv", 1, "in x 1,16,H,W\nconst w 17,16,1,1 0.3\nConv x w > y\nRelu y > z\nout z");
}

/* What stays as it is: few filters, groups that fill no block, filters that are computed, other ranks. */
TEST(block_conv_leaves_alone)
{
    check_fusing("BlockConv", 0, "in x N,8,5,5\nconst w 3,8,3,3\nConv x w > y\nout y");
    check_fusing("BlockConv", 0, "in x N,8,5,5\nconst w 16,4,3,3\nConv x w > y group=2\nout y");
    check_fusing("BlockConv", 0, "in x N,8,5,5\nin w 16,8,3,3\nConv x w > y\nout y");
    check_fusing("BlockConv", 0, "in x N,8,9\nconst w 16,8,3\nConv x w > y\nout y");
    check_fusing("BlockConv", 0, "in x N,8,4,4,4\nconst w 16,8,3,3,3\nConv x w > y\nout y");
}

TEST(block_conv_normalisation)
{
    check_fusing("BlockConv", 1,
                 "in x N,16,6,6\nconst w 24,16,3,3 0.3\nconst s 24\nconst b 24\nconst m 24\nconst v0 24\n"
                 "Mul v0 v0 > v\nConv x w > c pads=[1,1,1,1]\nBatchNormalization c s b m v > n\nRelu n > y\nout y");
    /* somebody else reads the convolution */
    check_fusing(
        "BlockConv", 1,
        "in x N,16,6,6\nconst w 24,16,3,3 0.3\nconst s 24\nconst b 24\nconst m 24\nconst v0 24\n"
        "Mul v0 v0 > v\nConv x w > c pads=[1,1,1,1]\nBatchNormalization c s b m v > n\nRelu n > y\nout y c");
    /* a variance that gives infinity, or that is negative */
    check_fusing("BlockConv", 1,
                 "in x N,16,4,4\nconst w 16,16,1,1 0.3\nconst s 16\nconst b 16\nconst m 16\nconst v 16\n"
                 "Conv x w > c\nBatchNormalization c s b m v > y epsilon=0.0\nout y");
}

TEST(block_conv_activations)
{
    static const char *const acts[] = {"Relu c > y",
                                       "LeakyRelu c > y alpha=0.2",
                                       "Sigmoid c > y",
                                       "HardSigmoid c > y alpha=0.3 beta=0.4",
                                       "HardSwish c > y",
                                       "Clip c low high > y",
                                       "Clip c - high > y",
                                       "Clip c high low > y",
                                       "Sigmoid c > g\nMul c g > y",
                                       "Sigmoid c > g\nMul g c > y"};

    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        for (int k = 1; k <= 3; k += 2) {
            char model[512];

            snprintf(model, sizeof model,
                     "in x N,18,6,5\nconst w 20,18,%d,%d 0.3\nconst b 20\nvalue low -0.5\nvalue high 0.75\n"
                     "Conv x w b > c\n%s\nout y",
                     k, k, acts[i]);
            check_fusing("BlockConv", 1, model);
            snprintf(model, sizeof model,
                     "in x N,20,6,5\nconst w 20,1,3,3\nvalue low -0.5\nvalue high 0.75\nConv x w > c "
                     "group=20\n%s\nout y",
                     acts[i]);
            check_fusing("BlockConv", 1, model);
        }
}

/* A block of a residual network, and sums that cannot be drawn in. */
TEST(block_conv_residual)
{
    const char *block = "in x N,3,12,12\nconst w0 16,3,3,3 0.3\nconst b0 16\nConv x w0 b0 > a0\nRelu a0 > a\n"
                        "const w1 24,16,1,1 0.3\nConv a w1 > c1\nRelu c1 > r1\n"
                        "const w2 24,24,3,3 0.2\nConv r1 w2 > c2 pads=[1,1,1,1]\nRelu c2 > r2\n"
                        "const w3 32,24,1,1 0.3\nConv r2 w3 > c3\nconst w4 32,16,1,1 0.3\nConv a w4 > c4\n"
                        "Add c3 c4 > s\nRelu s > y\nGlobalAveragePool y > z\n";
    char model[1024];

    snprintf(model, sizeof model, "%sout z", block);
    check_fusing("BlockConv", 5, model);
    check_fusing("BlockGlobalAveragePool", 1, model);
    snprintf(model, sizeof model, "%sout z y", block); /* the sum stays plain */
    check_fusing("BlockConv", 5, model);
    check_fusing("BlockGlobalAveragePool", 0, model);
    check_fusing("BlockConv", 2,
                 "in x N,16,5,5\nconst w 16,16,3,3 0.2\nConv x w > a pads=[1,1,1,1]\nAdd a a > b\nConv b w > c\n"
                 "GlobalAveragePool c > y\nout y");
    check_fusing(
        "BlockConv", 2,
        "in x N,16,5,5\nconst w 16,16,1,1 0.2\nConv x w > a\nConv a w > b\nAdd a x > s\nAdd s b > y\nout y");
    check_fusing("BlockConv", 3,
                 "in x N,16,5,5\nconst w 16,16,1,1 0.2\nConv x w > a\nConv a w > b\nAdd b a > s\nRelu s > r\n"
                 "Conv r w > y\nout y");
}

/* Gates of one number a channel, and sums of sizes that only the run shows. */
TEST(block_conv_broadcast)
{
    check_fusing("BlockConv", 4,
                 "in x N,16,6,7\nconst w 32,16,3,3 0.2\nConv x w > a\nGlobalAveragePool a > m\n"
                 "const v 16,32,1,1 0.3\nconst u 32,16,1,1 0.3\nConv m v > b\nRelu b > r\nConv r u > c\n"
                 "HardSigmoid c > g\nMul a g > s\nConv s v > y\nout y");
    check_fusing("BlockConv", 4,
                 "in x 1,3,H,W\nconst w 16,3,3,3 0.3\nConv x w > a strides=[2,2] pads=[1,1,1,1]\n"
                 "const v 16,3,1,1\nConv x v > b strides=[2,2]\nAdd a b > s\nRelu s > r\nconst u 20,16,3,3 0.2\n"
                 "Conv r u > c pads=[1,1,1,1]\nRelu c > d\nconst t 8,20,1,1 0.2\nConv d t > y\nout y");
}

TEST(block_pools)
{
    static const char *const pools[] = {"MaxPool a > p kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]",
                                        "MaxPool a > p kernel_shape=[2,5] pads=[0,2,1,2] dilations=[2,1]",
                                        "MaxPool a > p kernel_shape=[2,2] auto_pad=SAME_UPPER",
                                        "AveragePool a > p kernel_shape=[3,3] pads=[1,1,1,1]",
                                        "AveragePool a > p kernel_shape=[2,3] strides=[2,3] count_include_pad=1"};
    static const char *const plain[] = {
        "AveragePool a > p kernel_shape=[3,3] pads=[1,1,1,1] count_include_pad=1",
        "MaxPool a > p kernel_shape=[3,3] strides=[2,2] ceil_mode=1",
    };
    char model[512];

    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
        snprintf(model, sizeof model,
                 "in x N,3,13,22\nconst w 20,3,3,3\nConv x w > a\n%s\nconst v 16,20,1,1 0.3\nConv p v > y\nout y",
                 pools[i]);
        check_fusing(i < 3 ? "BlockMaxPool" : "BlockAveragePool", 1, model);
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        snprintf(model, sizeof model,
                 "in x N,3,13,22\nconst w 20,3,3,3\nConv x w > a\n%s\nconst v 16,20,1,1 0.3\nConv p v > y\nout y",
                 plain[i]);
        check_fusing(i ? "BlockMaxPool" : "BlockAveragePool", 0, model);
    }
}

/* Element-wise operators and Concat between convolutions compute on blocks. */
TEST(block_layout_chain)
{
    check_fusing(
        "BlockConv", 3,
        "in x N,4,6,6\nconst w 32,4,3,3 0.3\nConv x w > a\nTanh a > t\nconst v 16,32,1,1 0.3\nConv t v > b\n"
        "Sigmoid b > g\nConcat t b g > c axis=-3\nconst u 24,64,1,1 0.3\nConv c u > d\nElu d > y\nout y");
    check_fusing("BlockConv", 2,
                 "in x N,4,6,6\nconst w 24,4,3,3 0.3\nConv x w > a\nConcat a a > c axis=1\nconst v 16,48,1,1 0.3\n"
                 "Conv c v > y\nout y");
    check_fusing(
        "BlockConv", 2,
        "in x N,16,6,6\nconst w 16,16,3,3 0.3\nConv x w > a\nTranspose a > t perm=[0,1,3,2]\nConv t w > y\n"
        "ReduceMean a > m\nout y m");
}
