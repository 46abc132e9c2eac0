/*
 * test_base.c - errors, memory, element types, tensors and values.
 */
#include <stdio.h>

#include "test.h"

/* ---- status ---- */

TEST(error_texts)
{
    MaasError err = {0};
    char long_name[2000];

    CHECK_INT(maas_fail(&err, MAAS_ERR_SHAPE, "input \"%s\" has %d", "x", 3), MAAS_ERR_SHAPE);
    CHECK_STR(err.message, "input \"x\" has 3");
    maas_error_detail(&err, "one");
    maas_error_detail(&err, ", two");
    maas_error_hint(&err, "try %d", 4);
    CHECK_STR(err.detail, "one, two");
    CHECK_STR(err.hint, "try 4");
    maas_error_prefix(&err, "node %d", 7);
    CHECK_STR(err.message, "node 7: input \"x\" has 3");
    maas_fail(&err, MAAS_ERR_NAME, "%s, again", err.message); /* arguments that lie in err itself */
    CHECK_STR(err.message, "node 7: input \"x\" has 3, again");
    CHECK_STR(err.detail, "");
    CHECK_STR(err.hint, "");

    /* cut off between characters: 2 bytes each, after one byte */
    for (int i = 0; i < (int)sizeof long_name - 1; i++)
        long_name[i] = i % 2 ? '\xa4' : '\xc3';
    long_name[sizeof long_name - 1] = '\0';
    maas_fail(&err, MAAS_ERR_NAME, "%s", long_name);
    CHECK_INT(strlen(err.message) % 2, 0);
    maas_fail(&err, MAAS_ERR_NAME, "a%s", long_name);
    CHECK_INT(strlen(err.message) % 2, 1);
    maas_error_prefix(&err, "p");
    CHECK_INT(strlen(err.message) % 2, 0); /* "p: a" and pairs */
    CHECK(strlen(err.message) > 1000);
    for (int i = 0; i < 300; i++) {
        maas_error_detail(&err, "%s", "a long list of names, ");
        maas_error_hint(&err, "%s", "\xe2\x82\xac");
    }
    CHECK_INT(strlen(err.hint) % 3, 0);
    CHECK(strlen(err.detail) < sizeof err.detail);
    maas_fail(&err, MAAS_ERR_NAME, "\"%.4s\", \"%s\"", "ab\xc3\xa4\xc3\xa4", "\xff\xed\xa0\x80");
    CHECK_STR(err.message, "\"ab\xc3\xa4\", \"????\"");
    maas_fail(&err, MAAS_ERR_NAME, "\"%.3s\"", "ab\xc3\xa4");
    CHECK_STR(err.message, "\"ab?\"");
}

/* ---- memory ---- */

TEST(memory_blocks)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    char *a, *b;
    size_t used;

    test_host_init(&host, &mem);
    for (size_t bytes = 0; bytes < 300; bytes += 7) {
        a = maas_alloc(&mem, bytes, &err);
        NEED(a);
        CHECK_INT((uintptr_t)a % 64, 0);
        CHECK_INT(maas_block_size(a), bytes);
        memset(a, 1, bytes);
        maas_free(&mem, a);
    }
    CHECK_NO_LEAK(&host, &mem);
    a = maas_zalloc(&mem, 1000, &err);
    NEED(a);
    for (int i = 0; i < 1000; i++)
        CHECK_INT(a[i], 0);
    memset(a, 7, 1000);
    for (size_t bytes = 990; bytes < 100000; bytes = bytes * 3 / 2) {
        a = maas_realloc(&mem, a, bytes, &err);
        NEED(a);
        CHECK_INT(a[989], 7);
        CHECK_INT(maas_block_size(a), bytes);
        a[bytes - 1] = 7;
    }
    a = maas_realloc(&mem, a, 10, &err);
    CHECK_INT(a[9], 7);
    CHECK(mem.used < 1000);
    CHECK(mem.peak > 90000);
    used = mem.used;
    host.fail_at = host.calls + 1;
    CHECK(!maas_realloc(&mem, a, 5000, &err) && err.status == MAAS_ERR_MEMORY);
    CHECK_INT(a[9], 7);
    CHECK_INT(mem.used, used);
    maas_free(&mem, a);
    maas_free(&mem, NULL);

    CHECK(!maas_alloc(&mem, SIZE_MAX, &err) && err.status == MAAS_ERR_LIMIT);
    CHECK(!maas_alloc(&mem, PTRDIFF_MAX, &err) && err.status == MAAS_ERR_LIMIT);
    CHECK(!maas_alloc_array(&mem, SIZE_MAX / 2, 3, &err) && err.status == MAAS_ERR_LIMIT);
    mem.limit = 10000;
    a = maas_alloc(&mem, 5000, &err);
    b = maas_alloc(&mem, 5000, &err);
    CHECK(a && !b && err.status == MAAS_ERR_LIMIT);
    maas_free(&mem, a);
    CHECK_NO_LEAK(&host, &mem);
}

static MaasStatus use_arena(MaasMem *mem, void *arg, MaasError *err)
{
    MaasArena arena;
    MaasStatus status = MAAS_ERR_INTERNAL;
    uint64_t seed = 3;
    char *text;

    maas_arena_init(&arena, mem);
    for (int i = 0; i < 2000; i++) {
        size_t bytes = test_random(&seed) % (i % 50 ? 100 : 9000);
        char *piece = maas_arena_alloc(&arena, bytes, err);

        if (!piece)
            goto done;
        for (size_t j = 0; j < bytes; j++)
            if (piece[j] != 0)
                goto done;
        if ((uintptr_t)piece % 16)
            goto done;
        memset(piece, 0x5a, bytes);
    }
    text = maas_arena_printf(&arena, err, "%s %d", "abc", 5);
    if (text && strcmp(text, "abc 5") == 0)
        text = maas_arena_strndup(&arena, "hello", 3, err);
    if (text && strcmp(text, "hel") == 0)
        status = MAAS_OK;
done:
    maas_arena_free(&arena);
    return status == MAAS_OK ? MAAS_OK : err->status;
}

TEST(memory_arena)
{
    MaasMem mem;
    TestHost host;
    MaasArena arena;
    MaasError err = {0};

    CHECK_EACH_FAILURE(use_arena, NULL);
    test_host_init(&host, &mem);
    maas_arena_init(&arena, &mem);
    CHECK(!maas_arena_alloc(&arena, SIZE_MAX, &err) && err.status == MAAS_ERR_LIMIT);
    CHECK(!maas_arena_array(&arena, SIZE_MAX / 2, 8, &err) && err.status == MAAS_ERR_LIMIT);
    CHECK(!maas_arena_strndup(&arena, "", SIZE_MAX, &err) && err.status == MAAS_ERR_LIMIT);
    maas_arena_free(&arena);
    CHECK_NO_LEAK(&host, &mem);
}

/* ---- types ---- */

TEST(type_names)
{
    static const struct {
        const char *name;
        MaasType type;
    } names[] = {
        {"real", MAAS_FLOAT},     {"float4", MAAS_FLOAT},     {"double precision", MAAS_DOUBLE},
        {"float8", MAAS_DOUBLE},  {"INTEGER", MAAS_INT32},    {"bigint", MAAS_INT64},
        {"smallint", MAAS_INT16}, {"boolean", MAAS_BOOL},     {"text", MAAS_STRING},
        {"Int8", MAAS_INT8},      {"int4", MAAS_INT4},        {"", MAAS_UNDEFINED},
        {"floa", MAAS_UNDEFINED}, {"floats", MAAS_UNDEFINED}, {"undefined", MAAS_UNDEFINED},
    };

    for (int type = 1; type < MAAS_NTYPES; type++) {
        const char *name = maas_type_name((MaasType)type);

        CHECK_INT(maas_type_from_name(name, strlen(name)), type);
        CHECK(maas_type_size((MaasType)type) > 0);
        CHECK(type == MAAS_STRING || maas_type_bits((MaasType)type) > 0);
        CHECK_INT(maas_type_is_float((MaasType)type) + maas_type_is_int((MaasType)type),
                  type != MAAS_STRING && type != MAAS_BOOL && !maas_type_in((MaasType)type, MAAS_T_COMPLEX));
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        CHECK_INT(maas_type_from_name(names[i].name, strlen(names[i].name)), names[i].type);
    CHECK_STR(maas_type_name((MaasType)-1), "undefined");
    CHECK_STR(maas_type_name((MaasType)1000), "undefined");
    CHECK_INT(maas_type_size((MaasType)1000), 0);
}

/* ---- values ---- */

TEST(tensor_sizes)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *v = NULL;
    int64_t count, many[MAAS_MAX_RANK + 1] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    char text[64];

    test_host_init(&host, &mem);
    CHECK(maas_count_dims(0, NULL, &count) && count == 1);
    CHECK(maas_count_dims(2, (int64_t[]){0, 5}, &count) && count == 0);
    CHECK(!maas_count_dims(2, (int64_t[]){2, -5}, &count));
    CHECK(!maas_count_dims(2, (int64_t[]){INT64_MAX, 2}, &count));
    CHECK(!maas_count_dims(3, (int64_t[]){0, INT64_MAX, 2}, &count));
    CHECK_FAILS(maas_value_new_tensor(&mem, MAAS_FLOAT, 1, (int64_t[]){-1}, &v, &err), MAAS_ERR_SHAPE,
                "shape [?]: dimension 0 is negative");
    CHECK_FAILS(maas_value_new_tensor(&mem, MAAS_FLOAT, 2, (int64_t[]){INT64_MAX, 3}, &v, &err), MAAS_ERR_LIMIT,
                "more than memory");
    CHECK_FAILS(maas_value_new_tensor(&mem, MAAS_DOUBLE, 1, (int64_t[]){INT64_MAX / 8}, &v, &err), MAAS_ERR_LIMIT,
                "more than memory");
    CHECK_FAILS(maas_value_new_tensor(&mem, MAAS_FLOAT, MAAS_MAX_RANK + 1, many, &v, &err), MAAS_ERR_LIMIT,
                "17 dimensions");
    CHECK_FAILS(maas_value_new_tensor(&mem, (MaasType)99, 0, NULL, &v, &err), MAAS_ERR_TYPE, "99");
    NEED_OK(maas_value_new_tensor(&mem, MAAS_FLOAT, MAAS_MAX_RANK, many, &v, &err));
    maas_value_unref(v);
    CHECK_NO_LEAK(&host, &mem);

    CHECK_STR(maas_dims_text(0, NULL, NULL, text, sizeof text), "[]");
    CHECK_STR(maas_dims_text(2, (int64_t[]){2, 3}, NULL, text, sizeof text), "[2,3]");
    CHECK_STR(maas_dims_text(2, (int64_t[]){-1, 3}, (const char *[]){"N", NULL}, text, sizeof text), "[N,3]");
    CHECK_STR(maas_dims_text(2, (int64_t[]){100, 300}, NULL, text, 5), "[100");
    CHECK_STR(maas_dims_text(2, (int64_t[]){100, 300}, NULL, text, 1), "");
}

/* Makes one of everything, shares it, copies it and compares the copies. */
static MaasStatus use_values(MaasMem *mem, void *arg, MaasError *err)
{
    static const MaasStr strings[] = {{"alpha", 5}, {"", 0}, {"be\0ta", 5}};
    MaasValue *floats = NULL, *view = NULL, *texts = NULL, *keys = NULL, *map = NULL, *seq = NULL, *some = NULL;
    MaasValue *copy = NULL;
    MaasStatus status;
    const MaasTensor *t;

    status = maas_value_new_tensor(mem, MAAS_FLOAT, 2, (int64_t[]){2, 3}, &floats, err);
    if (status != MAAS_OK)
        goto done;
    for (int i = 0; i < 6; i++)
        MAAS_F32(&floats->tensor)[i] = (float)i;
    status = maas_value_view(mem, &floats->tensor, 1, (int64_t[]){6}, &view, err);
    if (status == MAAS_OK)
        status = maas_value_new_strings(mem, 1, (int64_t[]){3}, strings, &texts, err);
    if (status == MAAS_OK)
        status = maas_value_copy(mem, texts, &keys, err);
    if (status == MAAS_OK)
        status = maas_value_new_map(mem, maas_value_ref(keys), maas_value_ref(texts), &map, err);
    if (status == MAAS_OK)
        status = maas_value_new_sequence(mem, 3, &seq, err);
    if (status != MAAS_OK)
        goto done;
    seq->seq.items[0] = maas_value_ref(map);
    seq->seq.items[1] = maas_value_ref(view);
    status = maas_value_new_optional(mem, NULL, &seq->seq.items[2], err);
    if (status == MAAS_OK)
        status = maas_value_new_optional(mem, maas_value_ref(seq), &some, err);
    if (status == MAAS_OK)
        status = maas_value_copy(mem, some, &copy, err);
    if (status != MAAS_OK)
        goto done;
    t = &copy->some->seq.items[0]->map.keys->tensor;
    if (t->type != MAAS_STRING || t->count != 3 || MAAS_STRS(t)[2].length != 5 ||
        memcmp(MAAS_STRS(t)[2].data, "be\0ta", 5) != 0 || MAAS_STRS(t)[2].data == MAAS_STRS(&keys->tensor)[2].data)
        status = maas_fail(err, MAAS_ERR_INTERNAL, "the copy of strings differs");
    t = &copy->some->seq.items[1]->tensor;
    if (t->rank != 1 || t->count != 6 || t->data == view->tensor.data || MAAS_F32(t)[5] != 5 ||
        (uintptr_t)t->data % 64)
        status = maas_fail(err, MAAS_ERR_INTERNAL, "the copy of numbers differs");
done:
    maas_value_unref(floats);
    maas_value_unref(view);
    maas_value_unref(texts);
    maas_value_unref(keys);
    maas_value_unref(map);
    maas_value_unref(seq);
    maas_value_unref(some);
    maas_value_unref(copy);
    return status;
}

TEST(values)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    float data[4] = {1, 2, 3, 4};
    MaasValue *v = NULL, *w = NULL;

    CHECK_EACH_FAILURE(use_values, NULL);
    test_host_init(&host, &mem);
    NEED_OK(maas_value_wrap(&mem, MAAS_FLOAT, 1, (int64_t[]){4}, data, &v, &err));
    CHECK(v->tensor.data == data && !v->tensor.buffer);
    CHECK_FAILS(maas_value_view(&mem, &v->tensor, 1, (int64_t[]){5}, &w, &err), MAAS_ERR_SHAPE,
                "shape [4] cannot be seen as [5]: 4 and 5 elements");
    NEED_OK(maas_value_view(&mem, &v->tensor, 2, (int64_t[]){2, 2}, &w, &err));
    CHECK_FAILS(maas_value_new_map(&mem, v, w, &w, &err), MAAS_ERR_SHAPE, "not two lists of equal length");
    CHECK_FAILS(maas_value_new_sequence(&mem, -1, &w, &err), MAAS_ERR_VALUE, "-1");
    NEED_OK(maas_value_new_tensor(&mem, MAAS_STRING, 1, (int64_t[]){9}, &v, &err));
    for (int i = 0; i < 9; i++)
        CHECK(MAAS_STRS(&v->tensor)[i].data && MAAS_STRS(&v->tensor)[i].length == 0);
    maas_value_unref(v);
    maas_value_unref(NULL);
    CHECK_NO_LEAK(&host, &mem);
}
