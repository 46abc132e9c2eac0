/*
 * test_transform.c - what passes leave alone, and that the internal domain is closed to models.
 */
#include "fusing.h"

TEST(internal_domain_is_refused)
{
    MaasError err;
    Build b;

    build_start(&b, 8, 21);
    build_open(&b, 8);
    build_text(&b, 1, "maas");
    maas_pb_put_int(&b.out, 2, 1);
    build_close(&b);
    build_open(&b, 7);
    build_node(&b, 1, "Linear", "maas", "x x", "y", false);
    build_value(&b, 11, "x");
    build_value(&b, 12, "y");
    CHECK_FAILS(build_load(&b, &err), MAAS_ERR_UNSUPPORTED, "maas.Linear (unknown");
    build_free(&b);
}

TEST(transform_leaves_alone)
{
    check_fusing("Linear", 0, "in x N,4\nvalue t 2\nPow x t > y\nSin y > z\nout z y");
}

/* A packed matrix takes the place of its constant, unless something else reads that. */
static size_t bytes_of(const char *model)
{
    MaasMem mem;
    MaasError err;
    MaasRunOptions options = {.mem = &mem, .threads = 1};
    MaasModel *loaded = NULL;
    size_t used;
    Build b;

    build_lines(&b, model);
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    CHECK_OK(maas_model_load(b.out.data, b.out.size, &options, &loaded, &err));
    used = mem.used;
    maas_model_free(loaded);
    build_free(&b);
    return used;
}

TEST(packed_constants_are_given_up)
{
    const size_t matrix = 512 * 512 * 4;
    size_t once = bytes_of("in x N,512\nconst w 512,512\nMatMul x w > y\nout y");
    size_t shared = bytes_of("in x N,512\nconst w 512,512\nMatMul x w > m\nMatMul m w > y\nout y");
    size_t kept = bytes_of("in x N,512\nconst w 512,512\nMatMul x w > y\nout y w");

    CHECK(once > matrix && once < matrix + matrix / 4);
    CHECK(shared > 2 * matrix && shared < 2 * matrix + matrix / 4);
    CHECK(kept > 2 * matrix && kept < 2 * matrix + matrix / 4);
}
