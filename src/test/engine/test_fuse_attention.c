/*
 * test_fuse_attention.c - attention and LayerNormalization as exporters write them out, fused and not.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/kernel/kernel.h"
#include "fusing.h"

COMPARES(FusedAttention)

/* Hugging Face and the benchmark: heads by Reshape and Transpose, Div, and back. */
TEST(fuse_attention_heads)
{
    check_fusing("FusedAttention", 1,
                 "in x N,L,12\n"
                 "const wq 12,12\n"
                 "const wk 12,12\n"
                 "const wv 12,12\n"
                 "value heads int64:[0,0,3,4]\n"
                 "value whole int64:[0,0,12]\n"
                 "value root 1.7\n"
                 "MatMul x wq > q\n"
                 "MatMul x wk > k\n"
                 "MatMul x wv > v\n"
                 "Reshape q heads > q4\n"
                 "Reshape k heads > k4\n"
                 "Reshape v heads > v4\n"
                 "Transpose q4 > qt perm=[0,2,1,3]\n"
                 "Transpose k4 > kt perm=[0,2,3,1]\n"
                 "Transpose v4 > vt perm=[0,2,1,3]\n"
                 "MatMul qt kt > s\n"
                 "Div s root > d\n"
                 "Softmax d > p\n"
                 "MatMul p vt > y4\n"
                 "Transpose y4 > yt perm=[0,2,1,3]\n"
                 "Reshape yt whole > y\n"
                 "out y\n");
}

/* PyTorch: Q and K scaled beforehand, a mask for each example, K transposed twice. */
TEST(fuse_attention_scaled_before)
{
    check_fusing("FusedAttention", 1,
                 "in q N,L,3,8\n"
                 "in k N,S,3,8\n"
                 "in v N,S,3,5\n"
                 "in mask N,1,1,S\n"
                 "value root 0.59\n"
                 "Transpose q > qt perm=[0,2,1,3]\n"
                 "Transpose k > kh perm=[0,2,1,3]\n"
                 "Transpose v > vt perm=[0,2,1,3]\n"
                 "Transpose kh > kt perm=[0,1,3,2]\n"
                 "Mul qt root > qs\n"
                 "Mul root kt > ks\n"
                 "MatMul qs ks > s\n"
                 "Add s mask > m\n"
                 "Softmax m > p axis=-1\n"
                 "MatMul p vt > y\n"
                 "out y\n");
}

/* Heads that stay where they are; masks of fewer axes, of one number, before the scores. */
TEST(fuse_attention_masks)
{
    check_fusing("FusedAttention", 1,
                 "in q N,2,L,4\n"
                 "in k N,2,4,S\n"
                 "in v N,2,S,4\n"
                 "in mask L,S\n"
                 "value half 0.5\n"
                 "MatMul q k > s\n"
                 "Mul half s > h\n"
                 "Add mask h > m\n"
                 "Softmax m > p axis=3\n"
                 "MatMul p v > y4\n"
                 "Transpose y4 > y perm=[0,2,1,3]\n"
                 "out y\n");
    check_fusing("FusedAttention", 1,
                 "in q N,L,4\n"
                 "in k N,S,4\n"
                 "in v N,S,6\n"
                 "in mask N,L,1\n"
                 "Transpose k > kt perm=[0,2,1]\n"
                 "MatMul q kt > s\n"
                 "Add s mask > m\n"
                 "Softmax m > p\n"
                 "MatMul p v > y\n"
                 "out y\n");
    check_fusing("FusedAttention", 1, /* one K and V for all examples and heads; a mask for one head only */
                 "in q N,3,L,4\n"
                 "in k 1,1,4,S\n"
                 "in v 1,3,S,4\n"
                 "in mask 3,1,S\n"
                 "MatMul q k > s\n"
                 "Add s mask > m\n"
                 "Softmax m > p\n"
                 "MatMul p v > y\n"
                 "out y\n");
}

/* A mask that repeats the scores of one query, of one key, or of both. */
TEST(fuse_attention_mask_repeats)
{
    static const char *const models[] = {
        "in q N,3,1,4\nin k N,3,4,S\nin v N,3,S,5\nin mask N,1,T,S\n",
        "in q N,3,1,4\nin k N,3,4,300\nin v N,3,300,5\nin mask 200,300\n",
        "in q N,3,T,4\nin k N,3,4,1\nin v N,3,S,5\nin mask S\n",
        "in q N,3,200,4\nin k N,3,4,1\nin v N,3,300,5\nin mask N,1,200,300\n",
        "in q N,1,4\nin k N,4,1\nin v N,S,5\nin mask T,S\n",
    };
    char text[500];

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        snprintf(text, sizeof text, "%sMatMul q k > s\nAdd s mask > m\nSoftmax m > p\nMatMul p v > y\nout y\n",
                 models[i]);
        check_fusing("FusedAttention", 1, text);
    }
}

/* More keys and queries than a block holds; -Infinity in the mask. */
TEST(fuse_attention_blocks)
{
    check_fusing("FusedAttention", 1,
                 "in q N,2,300,4\n"
                 "in k N,2,4,700\n"
                 "in v N,2,700,3\n"
                 "const big 1,1,1,700 80\n"
                 "value low -40\n"
                 "value gone -inf\n"
                 "Less big low > hide\n"
                 "value zero 0\n"
                 "Where hide gone zero > mask\n"
                 "MatMul q k > s\n"
                 "Add s mask > m\n"
                 "Softmax m > p\n"
                 "MatMul p v > y\n"
                 "out y\n");
}

/* Heads so wide that keys are packed in two parts. */
TEST(fuse_attention_wide)
{
    check_fusing("FusedAttention", 1,
                 "in q N,130,2,80\n"
                 "in k N,270,2,80\n"
                 "in v N,270,2,70\n"
                 "value scale 0.11\n"
                 "Transpose q > qt perm=[0,2,1,3]\n"
                 "Transpose k > kt perm=[0,2,3,1]\n"
                 "Transpose v > vt perm=[0,2,1,3]\n"
                 "MatMul qt kt > s\n"
                 "Mul s scale > m\n"
                 "Softmax m > p\n"
                 "MatMul p vt > yt\n"
                 "Transpose yt > y perm=[0,2,1,3]\n"
                 "out y\n");
}

/* scaled_dot_product_attention with a mask: NaN among the probabilities becomes 0.  Of some rows nothing is left.
 */
TEST(fuse_attention_zero_nan)
{
    static const char *const guard = "value zero 0\nvalue gone -inf\nMatMul q k > s\nWhere see zero gone > mask\n"
                                     "Add s mask > m\nSoftmax m > p\nIsNaN p > n\nWhere n zero p > c\n"
                                     "MatMul c v > y\nout y\n";
    static const char *const heads[] = {
        "in q N,3,L,4\nin k N,3,4,S\nin v N,3,S,5\nin w N,1,L,1\nvalue none 0\nGreater w none > see\n",
        "in q N,3,200,4\nin k N,3,4,300\nin v N,3,300,5\nin w N,1,200,300\nin u 200,1\nvalue none 0\n"
        "Greater w none > ws\nGreater u none > us\nAnd ws us > see\n",
        "in q N,L,4\nin k N,4,S\nin v N,S,5\nin w N,L,S\nvalue none 0.9\nGreater w none > see\n",
    };
    char text[800];

    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        snprintf(text, sizeof text, "%s%s", heads[i], guard);
        check_fusing("FusedAttention", 1, text);
    }
    /* 0 times a value that is not finite is NaN */
    check_fusing("FusedAttention", 1,
                 "in q N,1,3,4\nin k N,1,4,2\nvalue v [[[[1,inf],[2,3]]]]\nvalue zero 0\nvalue mask -inf\n"
                 "MatMul q k > s\nAdd s mask > m\nSoftmax m > p\nIsNaN p > n\nWhere n zero p > c\n"
                 "MatMul c v > y\nout y\n");
}

/* masked_fill: a number in the place of some scores, which may be NaN; before a mask, too. */
TEST(fuse_attention_hidden)
{
    static const char *const start = "in q N,3,L,4\nin k N,3,4,L\nin v N,3,L,5\nin w L,L\nvalue zero 0\n"
                                     "value gone -inf\nvalue low -10000\nvalue half 0.5\nLess w zero > hide\n"
                                     "MatMul q k > s\nMul s half > h\n";
    static const char *const models[] = {
        "Where hide low h > m\nSoftmax m > p\nMatMul p v > y\nout y\n",
        "Where hide h gone > m\nSoftmax m > p\nMatMul p v > y\nout y\n", /* a row may be empty: NaN */
        "Where hide low h > m\nAdd m w > n\nSoftmax n > p\nMatMul p v > y\nout y\n",
        "Where hide low h > m\nCast m > d to=1\nSoftmax d > p\nCast p > e to=1\nMatMul e v > y\nout y\n",
    };
    char text[800];

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        snprintf(text, sizeof text, "%s%s", start, models[i]);
        check_fusing("FusedAttention", 1, text);
    }
    check_fusing("FusedAttention", 1, /* for each query, for each head and blocks of keys, for all */
                 "in q N,3,200,4\nin k N,3,4,300\nin v N,3,300,5\nin w N,3,200,1\nvalue z 0\nvalue low -3\n"
                 "Less w z > hide\nMatMul q k > s\nWhere hide low s > m\nSoftmax m > p\nMatMul p v > y\nout y\n");
    check_fusing("FusedAttention", 1,
                 "in q N,L,4\nin k N,4,S\nin v N,S,5\nin w N,1,S\nvalue z 0\nvalue low -3\nLess w z > hide\n"
                 "MatMul q k > s\nWhere hide low s > m\nSoftmax m > p\nMatMul p v > y\nout y\n");
    check_fusing("FusedAttention", 1,
                 "in q N,2,1,4\nin k N,2,4,S\nin v N,2,S,5\nin w T,S\nvalue z 0\nvalue low -3\nLess w z > hide\n"
                 "MatMul q k > s\nWhere hide low s > m\nSoftmax m > p\nMatMul p v > y\nout y\n");
    check_fusing("FusedAttention", 1, /* a NaN under the mask does not show */
                 "in q N,2,3,4\nvalue k [[[[nan,1],[1,2],[3,1],[1,1]]]]\nin v N,2,2,5\nvalue w [-1,1]\nvalue z 0\n"
                 "value low -3\nLess w z > hide\nMatMul q k > s\nWhere hide low s > m\nSoftmax m > p\n"
                 "MatMul p v > y\nout y\n");
}

/* Either product as an Einsum, with the heads wherever. */
TEST(fuse_attention_einsum)
{
    static const struct {
        const char *heads, *scores, *result;
    } models[] = {
        {"in q N,L,3,4\nin k N,S,3,4\nin v N,S,3,5\n", "Einsum q k > s equation=bqhd,bkhd->bhqk\n",
         "Einsum p v > y equation=bhqk,bkhd->bqhd\n"},
        {"in q N,3,L,4\nin k N,3,S,4\nin v N,3,S,5\n", "Einsum q k > s equation=bhid,bhjd->bhij\n",
         "Einsum p v > y equation=bhij,bhjd->bhid\n"},
        {"in q N,L,3,4\nin k N,3,4,S\nin v N,3,S,5\n", "Einsum k q > s equation=abdc,aebd->abec\n",
         "MatMul p v > t\nTranspose t > y perm=[0,2,1,3]\n"},
        {"in q N,3,L,4\nin k N,3,4,S\nin v N,S,3,5\n", "MatMul q k > s\n",
         "Einsum p v > y equation=bhij,bjhd->bhid\n"},
    };
    char text[600];

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        snprintf(text, sizeof text, "%svalue two 2\n%sDiv s two > d\nSoftmax d > p\n%sout y\n", models[i].heads,
                 models[i].scores, models[i].result);
        check_fusing("FusedAttention", 1, text);
    }
    check_fusing("FusedAttention", 0, /* sums over the keys in one product, over the heads in the other */
                 "in q N,4,3,4\nin k N,4,3,4\nin v N,4,3,5\nEinsum q k > s equation=bqhd,bkhd->bhqk\n"
                 "Softmax s > p\nEinsum p v > y equation=bhqk,bkhd->bkqd\nout y\n");
    check_fusing("FusedAttention", 0, /* an Einsum repeats a size of 1, also one that it sums over */
                 "in q N,4,3,1\nin k N,4,3,4\nin v N,4,3,5\nEinsum q k > s equation=bqhd,bkhd->bhqk\n"
                 "Softmax s > p\nEinsum p v > y equation=bhqk,bkhd->bqhd\nout y\n");
    check_fusing("FusedAttention", 0,
                 "in q N,4,3,4\nin k N,4,3,4\nin v N,1,3,5\nEinsum q k > s equation=bqhd,bkhd->bhqk\n"
                 "Softmax s > p\nEinsum p v > y equation=bhqk,bkhd->bqhd\nout y\n");
    check_fusing("FusedAttention", 0, /* the columns of the scores are the queries */
                 "in q N,4,3,4\nin k N,4,3,4\nin v N,4,3,5\nEinsum q k > s equation=bqhd,bkhd->bhqk\n"
                 "Softmax s > p\nEinsum p v > y equation=bhqk,bqhd->bkhd\nout y\n");
}

/* Both layers of PyTorch's transformers, from both of its exporters; what they answer is tested with the fixtures.
 */
TEST(fuse_attention_of_exporters)
{
    check_fused_file("FusedAttention", 2, "src/test/fixtures/torch_transformer/model.onnx");
    check_fused_file("FusedAttention", 2, "src/test/fixtures/torch_transformer_dynamo/model.onnx");
    check_fused_file("FusedAttention", 1, "src/test/fixtures/torch_attention/model.onnx");
    check_fused_file("FusedAttention", 1, "src/test/fixtures/torch_attention_dynamo/model.onnx");
}

/* TorchScript: the scale is computed from a shape whose other sizes are free. */
TEST(fuse_attention_scale_of_shape)
{
    check_fusing("FusedAttention", 1,
                 "in x N,L,36\n"
                 "value tail int64:[3,3,4]\n"
                 "value rank int64:[-1]\n"
                 "value all int64:[9223372036854775807]\n"
                 "value half 0.5\n"
                 "value split int64:[1,1,1]\n"
                 "value zero int64:[0]\n"
                 "Shape x > nl start=0 end=2\n"
                 "Concat nl tail > shape axis=0\n"
                 "Reshape x shape > x5\n"
                 "Transpose x5 > t5 perm=[2,0,3,1,4]\n"
                 "Split t5 split > q5 k5 v5 axis=0\n"
                 "Squeeze q5 zero > q\n"
                 "Squeeze k5 zero > k\n"
                 "Squeeze v5 zero > v\n"
                 "Shape q > qs\n"
                 "Slice qs rank all > size\n"
                 "Cast size > f to=1\n"
                 "Pow f half > root\n"
                 "Transpose k > kt perm=[0,1,3,2]\n"
                 "MatMul q kt > s\n"
                 "Div s root > d\n"
                 "Softmax d > p\n"
                 "MatMul p v > y\n"
                 "out y\n");
}

/* What is not attention, or is wanted in the middle, stays. */
TEST(fuse_attention_not)
{
    static const char *const models[] = {
        /* the probabilities are an output */
        "in q N,2,5,4\nin k N,2,4,5\nin v N,2,5,4\nMatMul q k > s\nSoftmax s > p\nMatMul p v > y\nout y p\n",
        /* softmax along another axis */
        "in q N,2,5,4\nin k N,2,4,5\nin v N,2,5,4\nMatMul q k > s\nSoftmax s > p axis=2\nMatMul p v > y\nout y\n",
        /* the probabilities on the right */
        "in q N,2,5,4\nin k N,2,4,5\nin v N,2,5,5\nMatMul q k > s\nSoftmax s > p\nMatMul v p > y\nout y\n",
        /* NaN becomes something else; the probabilities are read elsewhere, too */
        "in q N,2,5,4\nin k N,2,4,5\nin v N,2,5,4\nvalue one 1\nMatMul q k > s\nSoftmax s > p\nIsNaN p > n\n"
        "Where n one p > c\nMatMul c v > y\nout y\n",
        "in q N,2,5,4\nin k N,2,4,5\nin v N,2,5,4\nvalue zero 0\nMatMul q k > s\nSoftmax s > p\nIsNaN p > n\n"
        "Where n zero p > c\nMatMul c v > y\nMul p zero > z\nout y z\n",
        /* scores are hidden by other scores, or by what the model knows only at run time */
        "in q N,2,5,4\nin k N,2,4,5\nin v N,2,5,4\nin w N,2,5,5\nvalue zero 0\nLess w zero > hide\n"
        "MatMul q k > s\nWhere hide w s > m\nSoftmax m > p\nMatMul p v > y\nout y\n",
        /* matrices */
        "in q N,4\nin k 4,S\nin v S,4\nMatMul q k > s\nSoftmax s > p\nMatMul p v > y\nout y\n",
    };

    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        check_fusing("FusedAttention", 0, models[i]);
}

TEST(fuse_layer_norm)
{
    static const char *const start = "in x N,4,6\nconst g 6\nconst h 6\nvalue eps 0.00001\nvalue two 2\n"
                                     "value axes int64:[-1]\nReduceMean x axes > m keepdims=1\nSub x m > d\n";
    static const char *const models[] = {
        "Pow d two > p\nReduceMean p axes > v\nAdd v eps > e\nSqrt e > s\nDiv d s > n\nMul n g > o\nAdd o h > y\n"
        "out y\n",
        "Mul d d > p\nReduceMean p axes > v\nAdd eps v > e\nSqrt e > s\nDiv d s > n\nMul g n > y\nout y\n",
    };
    char text[1000];

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        snprintf(text, sizeof text, "%s%s", start, models[i]);
        check_fusing("LayerNormalization", 1, text);
    }
    snprintf(text, sizeof text, "%s%s d\n", start, /* the difference is wanted, too */
             "Pow d two > p\nReduceMean p axes > v\nAdd v eps > e\nSqrt e > s\nDiv d s > n\nMul n g > o\n"
             "Add o h > y\nout y");
    check_fusing("LayerNormalization", 0, text);
    check_fusing("LayerNormalization", 0, /* along another axis */
                 "in x N,6,6\nconst g 6\nconst h 6\nvalue eps 0.00001\nvalue two 2\nvalue axes int64:[1]\n"
                 "ReduceMean x axes > m\nSub x m > d\nPow d two > p\nReduceMean p axes > v\nAdd v eps > e\n"
                 "Sqrt e > s\nDiv d s > n\nMul n g > o\nAdd o h > y\nout y\n");
}

/* Against plain loops in double precision: the online softmax at every level. */
TEST(kernel_attention_block)
{
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    enum { ROWS = 3, N = 37 };
    const char *before = maas_kernel->level;

    for (int l = 0; l < 3; l++) {
        float s[2][ROWS * N], top[ROWS], sum[ROWS], shrink[ROWS], mask[N];
        double want[ROWS] = {0}, got[ROWS];
        uint64_t state = 5;

        if (!maas_kernel_use(levels[l]))
            continue;
        for (int i = 0; i < N; i++)
            mask[i] = i % 5 == 0 ? -INFINITY : (float)i / 10;
        for (int b = 0; b < 2; b++)
            for (int i = 0; i < ROWS * N; i++)
                s[b][i] = (float)(test_random(&state) % 2000) / 100 - 10;
        for (int i = 0; i < N; i++)
            s[0][2 * N + i] = -INFINITY; /* a row that begins with nothing */
        double most[ROWS];

        for (int r = 0; r < ROWS; r++) {
            most[r] = -INFINITY;
            for (int b = 0; b < 2; b++)
                for (int i = 0; i < N; i++)
                    most[r] = fmax(most[r], (double)s[b][r * N + i] + (double)mask[i]);
            for (int b = 0; b < 2; b++)
                for (int i = 0; i < N; i++)
                    want[r] += exp((double)s[b][r * N + i] + (double)mask[i] - most[r]);
        }
        maas_kernel->attention_block(ROWS, N, s[0], mask, 0, 1, top, sum, shrink, true);
        for (int r = 0; r < ROWS; r++) {
            got[r] = 0;
            for (int i = 0; i < N; i++)
                got[r] += (double)s[0][r * N + i];
        }
        maas_kernel->attention_block(ROWS, N, s[1], mask, 0, 1, top, sum, shrink, false);
        for (int r = 0; r < ROWS; r++) {
            got[r] *= (double)shrink[r];
            for (int i = 0; i < N; i++)
                got[r] += (double)s[1][r * N + i];
            CHECK(fabs((double)sum[r] - want[r]) <= 1e-5 * want[r]);
            CHECK(fabs(got[r] - want[r]) <= 1e-5 * want[r]);
            CHECK(fabs((double)top[r] - most[r]) <= 1e-5);
        }
    }
    maas_kernel_use(before);
}
