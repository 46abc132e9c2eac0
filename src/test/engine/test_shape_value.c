/*
 * test_shape_value.c - sizes that a model fixes are known at load though it computes them from shapes whose other
 * sizes are free.
 */
#include <stdio.h>

#include "../../engine/base/tensor.h"
#include "../../engine/model.h"
#include "fusing.h"

/* The shape that a loaded model tells of its output, whose name is y. */
static void check_shape(const char *model, const char *want)
{
    MaasMem mem;
    MaasError err;
    MaasRunOptions options = {.mem = &mem, .threads = 1};
    MaasModel *loaded;
    Build b;
    char got[256];

    build_lines(&b, model);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    NEED_OK(maas_model_load(b.out.data, b.out.size, &options, &loaded, &err));
    const MaasPort *y = &maas_model_info(loaded)->outputs[0];

    maas_dims_text(y->rank, y->dims, y->symbols, got, sizeof got);
    if (strcmp(got, want) != 0)
        test_fail(__FILE__, __LINE__, "shape %s, expected %s\n%s", got, want, model);
    maas_model_free(loaded);
    build_free(&b);
}

/* Every rule; the shape that comes out becomes the output's. */
TEST(shape_value_rules)
{
    static const struct {
        const char *lines, *want;
    } cases[] = {
        {"Shape x > s\n", "[N,4,T]"},
        {"Shape x > s start=1\n", "[4,T]"},
        {"Shape x > s start=-2 end=-1\n", "[4]"},
        {"Shape x > a\nvalue i int64:[1,0]\nGather a i > s\n", "[4,N]"},
        {"Shape x > a\nvalue i int64:[-1]\nGather a i > s\n", "[T]"},
        {"Shape x > a\nvalue f int64:[-2]\nvalue t int64:[9223372036854775807]\nSlice a f t > s\n", "[4,T]"},
        {"Shape x > a\nvalue f int64:[1]\nvalue t int64:[-1]\nSlice a f t > s\n", "[4]"},
        {"Shape x > a\nvalue i int64:[1]\nGather a i > b\nConcat b a > s axis=0\n", "[4,N,4,T]"},
        {"Shape x > a\nvalue i int64:1\nGather a i > b\nvalue z int64:[0]\nUnsqueeze b z > s\n", "[4]"},
        {"Shape x > a start=1 end=2\nvalue z int64:[0]\nSqueeze a z > b\nvalue m int64:[-1]\nReshape b m > s\n",
         "[4]"},
        {"Shape x > a start=1 end=2\nCast a > b to=6\nCast b > s to=7\n", "[4]"},
        {"Shape x > a start=1 end=2\nvalue k int64:[3]\nAdd a k > s\n", "[7]"},
        {"Shape x > a start=1 end=2\nvalue k int64:[3]\nSub a k > s\n", "[1]"},
        {"Shape x > a start=1 end=2\nvalue k int64:3\nMul a k > s\n", "[12]"},
        {"Shape x > a start=1 end=2\nvalue k int64:[3]\nDiv a k > s\n", "[1]"},
        {"Shape x > a start=0 end=2\nvalue k int64:[1]\nMul a k > b\nDiv b k > s\n", "[N,4]"},
        {"Shape x > a start=0 end=1\nvalue k int64:[0]\nAdd a k > b\nSub b k > s\n", "[N]"},
    };
    char text[500];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "in x N,4,T\n%sConstantOfShape s > y\nout y\n", cases[i].lines);
        check_shape(text, cases[i].want);
    }
}

/* What is free stays free: no size is made up. */
TEST(shape_value_free)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div"};
    char text[500];

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        snprintf(
            text, sizeof text,
            "in x N,T\nShape x > a start=0 end=1\nvalue k int64:[2]\n%s a k > s\nConstantOfShape s > y\nout y\n",
            ops[i]);
        check_shape(text, "[?]");
        snprintf(text, sizeof text,
                 "in x N,N\nShape x > a start=0 end=1\nShape x > b start=1 end=2\n%s a b > s\n"
                 "ConstantOfShape s > y\nout y\n",
                 ops[i]);
        check_shape(text, "[?]");
    }
}

/* Where shapes are used: new shapes, where a 0 would copy, and broadcasting. */
TEST(shape_value_uses)
{
    check_shape("in x N,T,12\nvalue h int64:[3,4]\nShape x > a start=0 end=2\nConcat a h > s axis=0\n"
                "Reshape x s > y\nout y\n",
                "[N,T,3,4]");
    check_shape("in x N,T,12\nShape x > a start=1 end=2\nShape x > b start=0 end=1\nvalue r int64:[12]\n"
                "Concat a b r > s axis=0\nReshape x s > y\nout y\n",
                "[?,?,12]"); /* a free size may be 0, which copies another */
    check_shape("in x N,T,12\nShape x > a start=1 end=2\nShape x > b start=0 end=1\nvalue r int64:[12]\n"
                "Concat a b r > s axis=0\nReshape x s > y allowzero=1\nout y\n",
                "[T,N,12]");
    check_shape("in x N,12\nin z 1,12\nShape x > s\nExpand z s > y\nout y\n", "[N,12]");
}
