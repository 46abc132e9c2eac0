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
