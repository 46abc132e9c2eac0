/*
 * test_json.c - the JSON reader and the growing text.
 */
#include <stdio.h>

#include "../../engine/base/json.h"
#include "../../engine/base/text.h"
#include "../../engine/base/utf8.h"
#include "test.h"

static MaasStatus parse(const char *text, MaasError *err)
{
    TestHost host;
    MaasMem mem;
    MaasArena arena;
    MaasJson *json;
    MaasStatus status;
    char *copy = malloc(strlen(text) + 1); /* so that a byte too far is seen */

    memcpy(copy, text, strlen(text));
    test_host_init(&host, &mem);
    maas_arena_init(&arena, &mem);
    status = maas_json_parse(copy, strlen(text), &arena, &json, err);
    maas_arena_free(&arena);
    free(copy);
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

TEST(json_tree)
{
    static const char text[] =
        " {\"a\" : [1, -2.5e3, true, false, null], \"b\\n\\u00e4\\ud83d\\ude00\":\"x\\\"\\\\\\/\\t\","
        "\"c\":{}, \"d\":[], \"\": [[[]]] } ";
    TestHost host;
    MaasMem mem;
    MaasArena arena;
    MaasError err = {0};
    MaasJson *json;
    const MaasJson *a, *b;

    test_host_init(&host, &mem);
    maas_arena_init(&arena, &mem);
    NEED_OK(maas_json_parse(text, strlen(text), &arena, &json, &err));
    CHECK_INT(json->kind, MAAS_JSON_OBJECT);
    CHECK_INT(json->n, 5);
    a = maas_json_member(json, "a");
    NEED(a && a->kind == MAAS_JSON_LIST && a->n == 5);
    CHECK(a->first->kind == MAAS_JSON_NUMBER && a->first->number == 1);
    CHECK(a->first->next->number == -2500);
    CHECK_STR(a->first->next->string.data, "-2.5e3");
    CHECK(a->first->next->next->kind == MAAS_JSON_BOOL && a->first->next->next->boolean);
    CHECK(a->first->next->next->next->next->kind == MAAS_JSON_NULL);
    CHECK(!a->first->next->next->next->next->next);
    b = maas_json_member(json, "b\n\xc3\xa4\xf0\x9f\x98\x80");
    NEED(b && b->kind == MAAS_JSON_STRING);
    CHECK_STR(b->string.data, "x\"\\/\t");
    CHECK(maas_json_member(json, "c")->kind == MAAS_JSON_OBJECT && maas_json_member(json, "c")->n == 0);
    CHECK(maas_json_member(json, "")->first->first->n == 0);
    CHECK(!maas_json_member(json, "e"));
    CHECK(!maas_json_member(a, "e"));
    CHECK(!maas_json_member(NULL, "e"));
    maas_arena_free(&arena);
    CHECK_NO_LEAK(&host, &mem);
}

TEST(json_refuses)
{
    static const char *const bad[] = {
        "",
        " ",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "[1}",
        "{\"a\":1]",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "-01",
        "0x1",
        "1a",
        "1.5.2",
        "NaN",
        "Infinity",
        "-Infinity",
        "nul",
        "nulll",
        "True",
        "tru",
        "'a'",
        "\"",
        "\"a",
        "\"\\",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\t\"",
        "\"\x01\"",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf5\x80\x80\x80\"",
        "1 2",
        "[] []",
        "{} x",
        "[1]]",
        "\xef\xbb\xbf[]",
        "[1] // c",
        "{\"a\":1,\"b\":2,\"a\":3}",
        "{\"x\":{\"\\u0061\":1,\"a\":2}}",
        ":",
        ",",
        "[\"a\":1]",
        "{\"a\":}",
        "{\"a\",1}",
        "{,}",
        "[[]",
        "\x01",
    };
    MaasError err = {0};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(parse(bad[i], &err), MAAS_ERR_FORMAT, "at character ");
    CHECK_FAILS(parse("[1, \"\xc3\xa4\", x]", &err), MAAS_ERR_FORMAT,
                "\"x\" is neither a number nor a known word at character 10");
    CHECK_FAILS(parse("{\"a\":1,\"b\":2,\"a\":3}", &err), MAAS_ERR_FORMAT,
                "the name \"a\" stands twice in the object at character 1");
    CHECK_FAILS(parse("[1 2]", &err), MAAS_ERR_FORMAT,
                "expected a comma or a closing bracket, got a number at character 4");
    CHECK_FAILS(parse("{\"a\" 1}", &err), MAAS_ERR_FORMAT, "expected a colon, got a number at character 6");
}

TEST(json_accepts)
{
    static const char *const good[] = {"0",
                                       "-0",
                                       "-0.0e-0",
                                       "1E5",
                                       "null",
                                       "\"\"",
                                       "[]",
                                       "{}",
                                       "[[],{}]",
                                       "\"\x7f\"",
                                       "{\"a\":1,\"A\":2,\"\":3}",
                                       "\t\r\n [ ] \n",
                                       "1e999",
                                       "\"\\u0000\""};
    MaasError err = {0};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK_OK(parse(good[i], &err));
}

TEST(json_depth)
{
    MaasError err = {0};
    char *text = malloc(200001);

    for (int open = 0; open < 2; open++) {
        memset(text, '[', 200000);
        if (open)
            for (int i = 0; i < 40000; i++)
                memcpy(text + 5 * i, "{\"a\":", 5);
        text[200000] = '\0';
        CHECK_FAILS(parse(text, &err), MAAS_ERR_FORMAT, "nested deeper than 512");
    }
    memset(text, '[', 512);
    memset(text + 512, ']', 512);
    text[1024] = '\0';
    CHECK_OK(parse(text, &err));
    free(text);
}

/* Many names that differ only at the end: order matters, time must not explode. */
TEST(json_duplicates)
{
    size_t n = 0, size = 3000000;
    char *text = malloc(size);
    MaasError err = {0};

    text[n++] = '{';
    for (int i = 0; i < 100000; i++)
        n += (size_t)snprintf(text + n, size - n, "\"name%d\":1,", i * 7919 % 100003);
    memcpy(text + n, "\"name7\":2}", 11);
    CHECK_FAILS(parse(text, &err), MAAS_ERR_FORMAT, "the name \"name7\" stands twice");
    memcpy(text + n, "\"other\":2}", 11);
    CHECK_OK(parse(text, &err));
    free(text);
}

static MaasStatus parse_all(MaasMem *mem, void *arg, MaasError *err)
{
    static const char text[] = "{\"a\":[1,2,{\"b\":\"text\",\"c\":null}],\"d\":\"\\u0041\"}";
    MaasArena arena;
    MaasJson *json;
    MaasStatus status;

    maas_arena_init(&arena, mem);
    status = maas_json_parse(text, strlen(text), &arena, &json, err);
    maas_arena_free(&arena);
    return status;
}

static MaasStatus write_all(MaasMem *mem, void *arg, MaasError *err)
{
    MaasText text;
    char *data;
    size_t length;
    float x = 0.5f;

    maas_text_init(&text, mem, err);
    for (int i = 0; i < 200; i++) {
        maas_text_number(&text, MAAS_FLOAT, &x, true);
        maas_text_json_string(&text, (MaasStr){"abc\ndef", 7});
        maas_text_char(&text, ',');
    }
    MAAS_TRY(maas_text_take(&text, &data, &length));
    maas_free(mem, data);
    return MAAS_OK;
}

TEST(json_failing_memory)
{
    CHECK_EACH_FAILURE(parse_all, NULL);
    CHECK_EACH_FAILURE(write_all, NULL);
}

TEST(json_writes_strings)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasText text;
    char *data, raw[] = "a\"b\\c\b\f\n\r\t\x01\x1f/\x7f\xc3\xa4";
    size_t length;

    test_host_init(&host, &mem);
    maas_text_init(&text, &mem, &err);
    maas_text_json_string(&text, (MaasStr){raw, sizeof raw}); /* with its NUL */
    NEED_OK(maas_text_take(&text, &data, &length));
    CHECK_STR(data, "\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f/\x7f\xc3\xa4\\u0000\"");
    CHECK_INT(length, strlen(data));
    maas_free(&mem, data);
    maas_text_init(&text, &mem, &err);
    NEED_OK(maas_text_take(&text, &data, &length));
    CHECK_STR(data, "");
    maas_free(&mem, data);
    maas_text_init(&text, &mem, &err);
    maas_text_json_string(&text, (MaasStr){"ab\xff", 3});
    CHECK_INT(maas_text_take(&text, &data, &length), MAAS_ERR_VALUE);
    CHECK_STR(err.message, "a string is not valid UTF-8: byte 0xff at 2");
    CHECK_NO_LEAK(&host, &mem);
}

TEST(utf8)
{
    static const struct {
        const char *text;
        size_t valid;
    } cases[] = {{"", 0},
                 {"abcdefghijklmnop", 16},
                 {"abcdefgh\x80", 8},
                 {"\xc3\xa4", 2},
                 {"\xe2\x82\xac", 3},
                 {"\xf0\x9f\x98\x80", 4},
                 {"\xf4\x8f\xbf\xbf", 4},
                 {"\xf4\x90\x80\x80", 0},
                 {"\xe0\x9f\xbf", 0},
                 {"\xed\x9f\xbf", 3},
                 {"\xed\xa0\x80", 0},
                 {"\xf0\x8f\xbf\xbf", 0},
                 {"\xc1\xbf", 0},
                 {"\xc2", 0},
                 {"\xe2\x82", 0},
                 {"a\xf0\x9f\x98", 1}};
    char bytes[4];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_INT(maas_utf8_valid(cases[i].text, strlen(cases[i].text)), cases[i].valid);
    for (uint32_t code = 1; code < 0x110000; code++) {
        uint32_t back = 0;
        size_t n = maas_utf8_write(code, bytes);

        if (code >= 0xd800 && code < 0xe000)
            CHECK_INT(maas_utf8_read(bytes, n, &back), 0);
        else
            CHECK(maas_utf8_read(bytes, n, &back) == n && back == code);
    }
    CHECK_INT(maas_utf8_count("a\xc3\xa4\xe2\x82\xac", 6), 3);
}
