/*
 * test_forms.c - tensors as text, bytes and JSON, and casts between element types.
 */
#include <math.h>
#include <stdio.h>

#include "test.h"

/* ---- text ---- */

/* Parses text from a block of exactly its length; prints it again. */
static MaasStatus reprint(const char *text, char *printed, size_t size, MaasError *err)
{
    TestHost host;
    MaasMem mem;
    MaasValue *value = NULL;
    size_t n = strlen(text), length;
    char *copy = malloc(n ? n : 1), *out;
    MaasStatus status;

    memcpy(copy, text, n);
    test_host_init(&host, &mem);
    status = maas_tensor_parse(copy, n, &mem, &value, err);
    free(copy);
    if (status == MAAS_OK)
        status = maas_tensor_print(&value->tensor, &mem, &out, &length, err);
    if (status == MAAS_OK) {
        CHECK_INT(strlen(out), length);
        snprintf(printed, size, "%s", out);
        maas_free(&mem, out);
    }
    maas_value_unref(value);
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

TEST(text_round_trip)
{
    static const char *const same[] = {
        "1",
        "[]",
        "[1]",
        "[[1,2],[3,4]]",
        "int64:[1,2]",
        "float(0,3):[]",
        "float(2,0):[]",
        "3.5",
        "-0",
        "[0.1,1e-07,1e+20,16777216]",
        "[NaN,Infinity,-Infinity]",
        "double:[0.1,NaN,-Infinity,5e-324]",
        "bool:[true,false]",
        "bool:true",
        "string:[\"a\",\"\",\"\\\"\\n\\u0001\xc3\xa4\"]",
        "string:\"x\"",
        "string:[]",
        "int8:[-128,127]",
        "uint8:[0,255]",
        "int16:-32768",
        "uint16:65535",
        "int32:[-2147483648,2147483647]",
        "uint32:4294967295",
        "int64:[-9223372036854775808,9223372036854775807]",
        "uint64:18446744073709551615",
        "float16:[65504,6e-08,NaN]",
        "bfloat16:[1.01,3.39e+38]",
        "float8e4m3fn:[448,NaN]",
        "float8e5m2:[57344,Infinity]",
        "float8e4m3fnuz:240",
        "float8e5m2fnuz:57344",
        "float8e8m0:[1,2]",
        "float4e2m1:[-6,0.5]",
        "int4:[-8,7]",
        "uint4:15",
        "int2:[-2,1]",
        "uint2:3",
        "complex64:[1,-2.5]",
        "complex128:[[1,2],[NaN,Infinity]]",
        "complex64:[]",
        "complex64(0,2):[]",
        "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]",
        "int64(0,0,5):[]",
        "string(0,2):[]",
        "float(1000000000000,0):[]",
    };
    static const char *const other[][2] = {
        {" [ 1 , 2 ] ", "[1,2]"},
        {"float:[1]", "[1]"},
        {"FLOAT : [1]", "[1]"},
        {"double precision:[1]", "double:[1]"},
        {"real:1", "1"},
        {"bigint:[1]", "int64:[1]"},
        {"[1.,.5,+2]", "[1,0.5,2]"},
        {"[nan,inf,-INF,+infinity]", "[NaN,Infinity,-Infinity,Infinity]"},
        {"[[],[]]", "float(2,0):[]"},
        {"float(2,2):[[1,2],[3,4]]", "[[1,2],[3,4]]"},
        {"float():5", "5"},
        {"float( 0 , 3 ) : [ ]", "float(0,3):[]"},
        {"int64:[1e3,2.0]", "int64:[1000,2]"},
        {"[0.1234567891]", "[0.12345679]"},
        {"float16:0.1", "float16:0.1"},
        {"[1e-50]", "[0]"},
        {"int64:-0", "int64:0"},
        {"bool:[ true ]", "bool:[true]"},
        {"text:[\"\\u00e4\"]", "string:[\"\xc3\xa4\"]"},
        {"float(0):[]", "[]"},
        {"float(0,2):[[],[]]", "float(0,2):[]"},
        {"float8e8m0:1.5", "float8e8m0:2"},
    };
    char printed[4096];
    MaasError err = {0};

    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        CHECK_OK(reprint(same[i], printed, sizeof printed, &err));
        CHECK_STR(printed, same[i]);
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        CHECK_OK(reprint(other[i][0], printed, sizeof printed, &err));
        CHECK_STR(printed, other[i][1]);
    }
}

TEST(text_refuses)
{
    static const struct {
        const char *text;
        MaasStatus status;
        const char *message;
    } cases[] = {
        {"", MAAS_ERR_FORMAT, "expected a number or a list, got the end at character 1"},
        {"int64:", MAAS_ERR_FORMAT, "got the end at character 7"},
        {"[", MAAS_ERR_FORMAT, "at character 2"},
        {"[1", MAAS_ERR_FORMAT, "expected a comma or a closing bracket, got the end at character 3"},
        {"[1,", MAAS_ERR_FORMAT, "element [1]: expected a value, got the end at character 4"},
        {"[1,]", MAAS_ERR_FORMAT, "element [1]: expected a value, got a closing bracket at character 4"},
        {"[1 2]", MAAS_ERR_FORMAT, "at character 4"},
        {"[1]]", MAAS_ERR_FORMAT, "expected the end, got a closing bracket at character 4"},
        {"[1] 2", MAAS_ERR_FORMAT, "expected the end, got a number"},
        {"[[1,2],[3,4,5]]", MAAS_ERR_FORMAT,
         "ragged lists: row [1] has 3 elements, row [0] has 2; the bracket at character 14"},
        {"[[1,2],[3]]", MAAS_ERR_FORMAT, "ragged lists: row [1] has 1 element, row [0] has 2"},
        {"[[[1],[2]],[[1],[]]]", MAAS_ERR_FORMAT, "ragged lists: row [1,1] has 0 elements, row [0,0] has 1"},
        {"[[],[1]]", MAAS_ERR_FORMAT, "ragged lists: row [1] has 1 element, row [0] has 0"},
        {"[1,[2]]", MAAS_ERR_FORMAT, "element [1]: ragged lists: expected a number as before, got a list"},
        {"[[1],2]", MAAS_ERR_FORMAT, "element [1]: ragged lists: expected a list as before, got a number"},
        {"[[],2]", MAAS_ERR_FORMAT, "element [1]: ragged lists: expected a list as before, got a number"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", MAAS_ERR_FORMAT, "deeper than 16"},
        {"complex64:[[[[[[[[[[[[[[[[[[1,2]]]]]]]]]]]]]]]]]]", MAAS_ERR_FORMAT, "deeper than 16"},
        {"complex64:5", MAAS_ERR_FORMAT, "lists of two"},
        {"complex64:[1,2,3]", MAAS_ERR_FORMAT, "lists of two"},
        {"[x]", MAAS_ERR_FORMAT, "\"x\" is neither a number nor a known word at character 2"},
        {"[0x10]", MAAS_ERR_FORMAT, "at character 2"},
        {"[1e]", MAAS_ERR_FORMAT, "at character 2"},
        {"flot:[1]", MAAS_ERR_FORMAT, "\"flot\" is not an element type at character 1"},
        {":[1]", MAAS_ERR_FORMAT, "at character 1"},
        {"float(2:[1]", MAAS_ERR_FORMAT, "malformed at character 8"},
        {"float(,2):[1]", MAAS_ERR_FORMAT, "malformed at character 7"},
        {"float(-1):[1]", MAAS_ERR_FORMAT, "malformed at character 7"},
        {"float(99999999999999999999):[]", MAAS_ERR_FORMAT, "out of range at character 7"},
        {"float(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1):[]", MAAS_ERR_FORMAT, "more than 16 dimensions"},
        {"float(4000000000,4000000000,0):[]", MAAS_ERR_FORMAT, "more than memory can hold"},
        {"float(2)[1,2]", MAAS_ERR_FORMAT, "expected a colon behind the type and shape at character 9"},
        {"float(2,2):[1,2,3,4]", MAAS_ERR_FORMAT, "the shape [2,2] is given, but the elements have the shape [4]"},
        {"float(2,2):[]", MAAS_ERR_FORMAT, "the shape [2,2] is given, but the elements have the shape [0]"},
        {"float(0,3):[1]", MAAS_ERR_FORMAT, "the shape [0,3] is given, but the elements have the shape [1]"},
        {"int8:[1,[300]]", MAAS_ERR_FORMAT, "ragged"},
        {"int8:[[1,2],[3,300]]", MAAS_ERR_VALUE, "element [1,1]: 300 is out of range of int8 at character 16"},
        {"int64:[1.9]", MAAS_ERR_VALUE, "element [0]: 1.9 is no int64"},
        {"int64:[NaN]", MAAS_ERR_VALUE, "element [0]: NaN is no int64"},
        {"int64:[1e30]", MAAS_ERR_VALUE, "element [0]: 1e30 is out of range of int64"},
        {"uint8:-1", MAAS_ERR_VALUE, "-1 is out of range of uint8 at character 7"},
        {"[1e39]", MAAS_ERR_VALUE, "element [0]: 1e39 is out of range of float"},
        {"float16:[65520]", MAAS_ERR_VALUE, "65520 is out of range of float16"},
        {"double:[1e400]", MAAS_ERR_VALUE, "1e400 is out of range of double"},
        {"float8e4m3fn:Infinity", MAAS_ERR_VALUE, "Infinity is out of range of float8e4m3fn"},
        {"float8e8m0:0", MAAS_ERR_VALUE, "0 is out of range of float8e8m0"},
        {"float4e2m1:NaN", MAAS_ERR_VALUE, "NaN is out of range of float4e2m1"},
        {"[true]", MAAS_ERR_TYPE, "element [0]: expected a number of type float, got true"},
        {"[\"a\"]", MAAS_ERR_TYPE, "element [0]: expected a number of type float, got a string"},
        {"[\"NaN\"]", MAAS_ERR_TYPE, "got a string"},
        {"[null]", MAAS_ERR_TYPE, "got null"},
        {"bool:[1]", MAAS_ERR_TYPE, "element [0]: expected true or false, got a number"},
        {"string:[a]", MAAS_ERR_FORMAT, "\"a\" is neither a number nor a known word"},
        {"string:[1]", MAAS_ERR_TYPE, "element [0]: expected a string in double quotes, got a number"},
        {"string:[\"\xff\"]", MAAS_ERR_FORMAT, "not valid UTF-8"},
        {"string:[\"a]", MAAS_ERR_FORMAT, "a string that does not end begins at character 9"},
        {"{\"a\":1}", MAAS_ERR_TYPE, "expected a number of type float, got an opening brace at character 1"},
        {"\xff", MAAS_ERR_FORMAT, "at character 1"},
    };
    char printed[1000];
    MaasError err = {0};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(reprint(cases[i].text, printed, sizeof printed, &err), cases[i].status, cases[i].message);
    CHECK_FAILS(reprint("[\"a\"]", printed, sizeof printed, &err), MAAS_ERR_TYPE, "");
    CHECK(strstr(err.hint, "string:["));
    CHECK_FAILS(reprint("flot:[1]", printed, sizeof printed, &err), MAAS_ERR_FORMAT, "");
    CHECK(strstr(err.hint, "float16"));
}

/* A NUL is no end of text. */
TEST(text_nul)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *value;

    test_host_init(&host, &mem);
    CHECK_FAILS(maas_tensor_parse("[1\0]", 4, &mem, &value, &err), MAAS_ERR_FORMAT, "at character 3");
    CHECK_NO_LEAK(&host, &mem);
}

/* Any float survives printing and reading. */
TEST(text_exact)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *value, *back;
    uint64_t seed = 23;
    char *text;
    size_t length;
    MaasType types[] = {MAAS_FLOAT, MAAS_DOUBLE, MAAS_FLOAT16, MAAS_BFLOAT16, MAAS_FLOAT8E5M2, MAAS_UINT64};

    test_host_init(&host, &mem);
    for (int t = 0; t < 6; t++) {
        NEED_OK(maas_value_new_tensor(&mem, types[t], 3, (int64_t[]){20, 5, 7}, &value, &err));
        for (size_t i = 0; i < maas_tensor_bytes(&value->tensor); i++)
            MAAS_U8(&value->tensor)[i] = (uint8_t)test_random(&seed);
        NEED_OK(maas_tensor_print(&value->tensor, &mem, &text, &length, &err));
        NEED_OK(maas_tensor_parse(text, length, &mem, &back, &err));
        CHECK(back->tensor.rank == 3 && back->tensor.dims[2] == 7 && back->tensor.type == types[t]);
        for (int64_t i = 0; i < 700; i++) {
            size_t size = maas_type_size(types[t]);
            const char *a = (const char *)value->tensor.data + (size_t)i * size;
            const char *b = (const char *)back->tensor.data + (size_t)i * size;
            double x, y;

            if (memcmp(a, b, size) == 0)
                continue;
            x = types[t] == MAAS_DOUBLE     ? *(const double *)a
                : types[t] == MAAS_FLOAT    ? *(const float *)a
                : types[t] == MAAS_FLOAT16  ? maas_f16_to_f32(*(const uint16_t *)a)
                : types[t] == MAAS_BFLOAT16 ? maas_bf16_to_f32(*(const uint16_t *)a)
                                            : maas_small_to_f32(types[t], *(const uint8_t *)a);
            y = types[t] == MAAS_DOUBLE     ? *(const double *)b
                : types[t] == MAAS_FLOAT    ? *(const float *)b
                : types[t] == MAAS_FLOAT16  ? maas_f16_to_f32(*(const uint16_t *)b)
                : types[t] == MAAS_BFLOAT16 ? maas_bf16_to_f32(*(const uint16_t *)b)
                                            : maas_small_to_f32(types[t], *(const uint8_t *)b);
            CHECK(isnan(x) && isnan(y));
        }
        maas_value_unref(value);
        maas_value_unref(back);
        maas_free(&mem, text);
    }
    CHECK_NO_LEAK(&host, &mem);
}

static MaasStatus parse_and_print(MaasMem *mem, void *arg, MaasError *err)
{
    MaasValue *value = NULL, *copy = NULL;
    char *text = NULL;
    size_t length;
    void *packed = NULL;
    MaasStatus status = maas_tensor_parse(arg, strlen(arg), mem, &value, err);

    if (status == MAAS_OK)
        status = maas_tensor_print(&value->tensor, mem, &text, &length, err);
    if (status == MAAS_OK && !(packed = maas_alloc(mem, maas_tensor_packed_size(&value->tensor), err)))
        status = err->status;
    if (status == MAAS_OK) {
        maas_tensor_pack(&value->tensor, packed);
        status = maas_tensor_unpack(packed, maas_block_size(packed), mem, &copy, err);
    }
    maas_value_unref(value);
    maas_value_unref(copy);
    maas_free(mem, text);
    maas_free(mem, packed);
    return status;
}

TEST(text_failing_memory)
{
    static char *const texts[] = {
        "[[1,2],[3,4]]", "float(0,3):[]", "string:[\"a\",\"bc\"]",
        "int8:[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29]"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK_EACH_FAILURE(parse_and_print, texts[i]);
}

/* ---- packed ---- */

static MaasStatus unpack(const void *bytes, size_t n, MaasError *err)
{
    TestHost host;
    MaasMem mem;
    MaasValue *value = NULL;
    MaasTensor peeked;
    MaasStatus status, peek_status;
    MaasError peek_err = {0};
    char *copy = malloc(n ? n : 1);

    if (n)
        memcpy(copy, bytes, n);
    test_host_init(&host, &mem);
    status = maas_tensor_unpack(copy, n, &mem, &value, err);
    peek_status = maas_tensor_peek(copy, n, &peeked, &peek_err);
    CHECK(peek_status == status || (peek_status == MAAS_ERR_TYPE && n > 1 && copy[1] == MAAS_STRING));
    if (status == MAAS_OK) {
        size_t size = maas_tensor_packed_size(&value->tensor);
        char *again = malloc(size);

        maas_tensor_pack(&value->tensor, again);
        CHECK(size == n && memcmp(again, copy, n) == 0);
        if (peek_status == MAAS_OK)
            CHECK(peeked.count == value->tensor.count &&
                  (peeked.count == 0 || memcmp(peeked.data, value->tensor.data, maas_tensor_bytes(&peeked)) == 0));
        free(again);
    }
    maas_value_unref(value);
    free(copy);
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

TEST(pack_round_trip)
{
    static const char *const texts[] = {"1",
                                        "[]",
                                        "[[1,2],[3,4]]",
                                        "float(0,3):[]",
                                        "bool:[true,false]",
                                        "int4:[-8,7]",
                                        "uint2:3",
                                        "complex64:[[1,2]]",
                                        "string:[\"a\",\"\",\"\xc3\xa4\"]",
                                        "string:[]",
                                        "string:\"\"",
                                        "int2:[-2,1]",
                                        "float4e2m1:-6"};
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *value;

    test_host_init(&host, &mem);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size;
        char *bytes;

        NEED_OK(maas_tensor_parse(texts[i], strlen(texts[i]), &mem, &value, &err));
        size = maas_tensor_packed_size(&value->tensor);
        bytes = malloc(size + 1);
        maas_tensor_pack(&value->tensor, bytes);
        bytes[size] = 0;
        CHECK_OK(unpack(bytes, size, &err));
        for (size_t n = 0; n < size; n++) /* every truncation */
            CHECK_FAILS(unpack(bytes, n, &err), MAAS_ERR_FORMAT, "packed tensor: ");
        CHECK_FAILS(unpack(bytes, size + 1, &err), MAAS_ERR_FORMAT, "packed tensor: ");
        for (size_t n = 0; n < size; n++) /* damage: an error or another tensor */
            for (int bit = 0; bit < 8; bit++) {
                bytes[n] = (char)(bytes[n] ^ 1 << bit);
                (void)unpack(bytes, size, &err);
                bytes[n] = (char)(bytes[n] ^ 1 << bit);
            }
        free(bytes);
        maas_value_unref(value);
    }
    CHECK_NO_LEAK(&host, &mem);
}

TEST(pack_refuses)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *message;
    } cases[] = {
        {"", 0, "0 bytes, but its head alone takes 8"},
        {"\2\1\0\0\0\0\0\0\0\0\0\0", 12, "not version 1"},
        {"\1\1\0\0\1\0\0\0\0\0\0\0", 12, "not version 1"},
        {"\1\0\0\0\0\0\0\0", 8, "unknown element type 0"},
        {"\1\xff\0\0\0\0\0\0", 8, "unknown element type 255"},
        {"\1\1\x11\0\0\0\0\0", 8, "17 dimensions; at most 16"},
        {"\1\1\2\0\0\0\0\0\1\0\0\0\0\0\0\0", 16, "ends within its 2 dimensions"},
        {"\1\1\1\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 16, "the shape [?] is impossible"},
        {"\1\1\2\0\0\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x40", 24, "is impossible"},
        {"\1\1\1\0\0\0\0\0\0\0\0\0\0\0\0\x40", 16,
         "0 bytes of elements do not make a tensor of type float and shape [4611686018427387904]"},
        {"\1\x09\1\0\0\0\0\0\2\0\0\0\0\0\0\0\1\2", 18, "element 1 is the byte 0x02, which is no bool"},
        {"\1\x16\1\0\0\0\0\0\2\0\0\0\0\0\0\0\x07\x08", 18, "element 1 is the byte 0x08, which is no int4"},
        {"\1\x08\1\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0a", 25, "string 0 has 2 bytes, but 1 are left"},
        {"\1\x08\1\0\0\0\0\0\1\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", 24, "string 0 has -1 bytes"},
        {"\1\x08\1\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\xff", 25, "string 0 is not valid UTF-8"},
        {"\1\x08\1\0\0\0\0\0\0\0\0\0\0\0\0\x20", 16, "do not make a tensor of type string"},
    };
    MaasError err = {0};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(unpack(cases[i].bytes, cases[i].n, &err), MAAS_ERR_FORMAT, cases[i].message);
}

/* ---- JSON ---- */

static const int64_t any_dim[] = {-1};
static const MaasPort float_port = {.name = "x", .kind = MAAS_KIND_TENSOR, .type = MAAS_FLOAT, .rank = -1};
static const MaasPort int_port = {
    .name = "i", .kind = MAAS_KIND_TENSOR, .type = MAAS_INT64, .rank = 1, .dims = any_dim};
static const MaasPort bool_port = {.name = "b", .kind = MAAS_KIND_TENSOR, .type = MAAS_BOOL, .rank = -1};
static const MaasPort string_port = {.name = "s", .kind = MAAS_KIND_TENSOR, .type = MAAS_STRING, .rank = -1};
static const MaasPort complex_port = {.name = "c", .kind = MAAS_KIND_TENSOR, .type = MAAS_COMPLEX64, .rank = -1};
static const MaasPort map_port = {.name = "m", .kind = MAAS_KIND_MAP, .key = MAAS_INT64, .elem = &float_port};
static const MaasPort names_port = {.name = "n", .kind = MAAS_KIND_MAP, .key = MAAS_STRING, .elem = &string_port};
static const MaasPort maps_port = {.name = "q", .kind = MAAS_KIND_SEQUENCE, .elem = &map_port};
static const MaasPort floats_port = {.name = "f", .kind = MAAS_KIND_SEQUENCE, .elem = &float_port};
static const MaasPort optional_port = {
    .name = "o", .kind = MAAS_KIND_OPTIONAL, .elem = &floats_port, .optional = true};
static const MaasPort bad_map_port = {.name = "z", .kind = MAAS_KIND_MAP, .key = MAAS_FLOAT, .elem = &float_port};
static const MaasPort unknown_port = {.name = "u", .kind = MAAS_KIND_UNKNOWN};

static MaasStatus rewrite(const char *json, const MaasPort *port, char *written, size_t size, MaasError *err)
{
    TestHost host;
    MaasMem mem;
    MaasValue *value = NULL;
    MaasStatus status;
    size_t length, n = strlen(json);
    char *copy = malloc(n ? n : 1), *out;

    memcpy(copy, json, n);
    test_host_init(&host, &mem);
    status = maas_value_from_json(copy, n, port, &mem, &value, err);
    free(copy);
    if (status == MAAS_OK)
        status = maas_value_to_json(value, &mem, &out, &length, err);
    if (status == MAAS_OK) {
        CHECK_INT(strlen(out), length);
        snprintf(written, size, "%s", out);
        maas_free(&mem, out);
    }
    maas_value_unref(value);
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

TEST(json_values)
{
    static const struct {
        const MaasPort *port;
        const char *json, *written; /* NULL: the same */
    } cases[] = {
        {&float_port, "[[1,2.5],[-3,1e-07]]", NULL},
        {&float_port, "5", NULL},
        {&float_port, " [ 1.0 , \"NaN\", \"Infinity\", \"-Infinity\" ] ", "[1,\"NaN\",\"Infinity\",\"-Infinity\"]"},
        {&float_port, "[]", NULL},
        {&float_port, "[[],[]]", NULL},
        {&int_port, "[1,-2,9223372036854775807]", NULL},
        {&int_port, "[1.0,2e2]", "[1,200]"},
        {&bool_port, "[true,false]", NULL},
        {&string_port, "[\"a\",\"\\u00e4\\n\",\"NaN\"]", "[\"a\",\"\xc3\xa4\\n\",\"NaN\"]"},
        {&complex_port, "[[1,2],[\"NaN\",-1]]", NULL},
        {&map_port, "{\"1\":0.5,\"-7\":\"NaN\"}", NULL},
        {&map_port, "{}", NULL},
        {&names_port, "{\"a\\\"\":\"x\",\"\":\"y\"}", NULL},
        {&maps_port, "[{\"0\":1},{\"0\":2,\"1\":3}]", NULL},
        {&maps_port, "[]", NULL},
        {&floats_port, "[1,[2,3],[[4]]]", NULL},
        {&optional_port, "null", NULL},
        {&optional_port, "[1,[]]", NULL},
    };
    char written[1000];
    MaasError err = {0};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(rewrite(cases[i].json, cases[i].port, written, sizeof written, &err));
        CHECK_STR(written, cases[i].written ? cases[i].written : cases[i].json);
    }
}

TEST(json_values_refused)
{
    static const struct {
        const MaasPort *port;
        const char *json;
        MaasStatus status;
        const char *message;
    } cases[] = {
        {&float_port, "", MAAS_ERR_FORMAT, "got the end at character 1"},
        {&float_port, "[[1,2],[3]]", MAAS_ERR_FORMAT, "ragged lists: row [1] has 1 element, row [0] has 2"},
        {&float_port, "[1,true]", MAAS_ERR_TYPE,
         "element [1]: expected a number of type float, got true at character 4"},
        {&float_port, "[\"1\"]", MAAS_ERR_TYPE, "element [0]: expected a number of type float, got a string"},
        {&float_port, "[\"nan\"]", MAAS_ERR_TYPE, "got a string"},
        {&float_port, "[NaN]", MAAS_ERR_FORMAT, "\"NaN\" is neither a number nor a known word"},
        {&float_port, "[null]", MAAS_ERR_TYPE, "element [0]: expected a number of type float, got null"},
        {&float_port, "[1e39]", MAAS_ERR_VALUE, "element [0]: 1e39 is out of range of float"},
        {&float_port, "[+1]", MAAS_ERR_FORMAT, "at character 2"},
        {&float_port, "[1] 2", MAAS_ERR_FORMAT, "expected the end, got a number"},
        {&float_port, "{\"a\":1}", MAAS_ERR_TYPE, "got an opening brace"},
        {&int_port, "[1,2,1.9]", MAAS_ERR_VALUE, "element [2]: 1.9 is no int64"},
        {&int_port, "[\"NaN\"]", MAAS_ERR_TYPE, "got a string"},
        {&int_port, "[9223372036854775808]", MAAS_ERR_VALUE, "9223372036854775808 is out of range of int64"},
        {&bool_port, "[1]", MAAS_ERR_TYPE, "expected true or false, got a number"},
        {&string_port, "[1]", MAAS_ERR_TYPE, "expected a string in double quotes, got a number"},
        {&map_port, "[1]", MAAS_ERR_TYPE, "expected an object for a map, got an opening bracket"},
        {&map_port, "{\"a\":1}", MAAS_ERR_VALUE, "the string \"a\" is not a number"},
        {&map_port, "{\"1.5\":1}", MAAS_ERR_VALUE, "\"1.5\" is no value of int64"},
        {&map_port, "{\"1\":1,\"01\":2}", MAAS_ERR_NAME, "the key \"1\" stands twice"},
        {&map_port, "{\"1\":[1]}", MAAS_ERR_SHAPE, "member \"1\": expected a single value, got a list"},
        {&map_port, "{\"1\":true}", MAAS_ERR_TYPE, "member \"1\": expected a number of type float, got true"},
        {&map_port, "{\"1\"}", MAAS_ERR_FORMAT, "expected a colon, got a closing brace"},
        {&map_port, "{\"1\":1,}", MAAS_ERR_FORMAT, "expected a name in double quotes, got a closing brace"},
        {&names_port, "{\"a\":\"x\",\"a\":\"y\"}", MAAS_ERR_NAME, "the key \"a\" stands twice"},
        {&bad_map_port, "{}", MAAS_ERR_UNSUPPORTED, "maps other than"},
        {&maps_port, "{}", MAAS_ERR_TYPE, "expected a list of the sequence's values, got an opening brace"},
        {&maps_port, "[{\"0\":1},5]", MAAS_ERR_TYPE,
         "value [1] of the sequence: expected an object for a map, got a number"},
        {&floats_port, "[1,]", MAAS_ERR_FORMAT, "value [1] of the sequence: expected a value"},
        {&floats_port, "[1", MAAS_ERR_FORMAT, "expected a comma or a closing bracket, got the end"},
        {&optional_port, "5", MAAS_ERR_TYPE, "expected a list of the sequence's values, got a number"},
        {&unknown_port, "5", MAAS_ERR_UNSUPPORTED, "whose type the model does not declare"},
    };
    char written[1000];
    MaasError err = {0};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(rewrite(cases[i].json, cases[i].port, written, sizeof written, &err), cases[i].status,
                    cases[i].message);
}

static MaasStatus inputs(const char *json, MaasMem *mem, MaasValue **values, MaasError *err)
{
    const MaasPort ports[] = {float_port, int_port, optional_port};
    const MaasModelInfo info = {.n_inputs = 3, .inputs = ports};

    return maas_inputs_from_json(json, strlen(json), &info, mem, values, err);
}

TEST(json_inputs)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *values[3];

    test_host_init(&host, &mem);
    NEED_OK(inputs("{\"i\":[1], \"x\":[2,3]}", &mem, values, &err));
    CHECK(values[0]->tensor.count == 2 && values[1]->tensor.count == 1 && !values[2]);
    maas_value_unref(values[0]);
    maas_value_unref(values[1]);
    NEED_OK(inputs("{\"i\":[1], \"\\u0078\":[2,3], \"o\":null}", &mem, values, &err));
    CHECK(values[2] && values[2]->kind == MAAS_KIND_OPTIONAL && !values[2]->some);
    for (int i = 0; i < 3; i++)
        maas_value_unref(values[i]);
    CHECK_FAILS(inputs("[1]", &mem, values, &err), MAAS_ERR_TYPE,
                "expected an object with a member for each input");
    CHECK_FAILS(inputs("{}", &mem, values, &err), MAAS_ERR_NAME, "input \"x\" is missing");
    CHECK_STR(err.hint, "The model's inputs are \"x\", \"i\", \"o\".");
    CHECK_FAILS(inputs("{\"x\":1}", &mem, values, &err), MAAS_ERR_NAME, "input \"i\" is missing");
    CHECK_FAILS(inputs("{\"y\":1}", &mem, values, &err), MAAS_ERR_NAME, "the model has no input \"y\"");
    CHECK_FAILS(inputs("{\"x\":1,\"i\":[1],\"x\":2}", &mem, values, &err), MAAS_ERR_NAME,
                "input \"x\" is given twice");
    CHECK_FAILS(inputs("{\"x\":1,\"i\":[1,[2]]}", &mem, values, &err), MAAS_ERR_FORMAT,
                "input \"i\": element [1]: ragged lists");
    CHECK_FAILS(inputs("{\"x\":1,\"i\":[1]} 5", &mem, values, &err), MAAS_ERR_FORMAT, "expected the end");
    CHECK_FAILS(inputs("{\"x\":1,\"i\":[1]", &mem, values, &err), MAAS_ERR_FORMAT,
                "expected a comma or a closing brace");
    CHECK_NO_LEAK(&host, &mem);
}

static MaasStatus read_and_write(MaasMem *mem, void *arg, MaasError *err)
{
    static const struct {
        const MaasPort *port;
        const char *json;
    } cases[] = {{&float_port, "[[1,2],[3,4]]"},
                 {&maps_port, "[{\"0\":1},{\"0\":2,\"1\":3}]"},
                 {&names_port, "{\"a\":\"x\"}"},
                 {&optional_port, "[1,2,3,4,5,6,7,8,9,10]"},
                 {&string_port, "[\"a\",\"b\"]"}};
    int i = *(int *)arg;
    MaasValue *value = NULL;
    char *json = NULL;
    size_t length;
    MaasStatus status = maas_value_from_json(cases[i].json, strlen(cases[i].json), cases[i].port, mem, &value, err);

    if (status == MAAS_OK)
        status = maas_value_to_json(value, mem, &json, &length, err);
    maas_value_unref(value);
    maas_free(mem, json);
    return status;
}

static MaasStatus read_inputs(MaasMem *mem, void *arg, MaasError *err)
{
    MaasValue *values[3] = {NULL, NULL, NULL};
    MaasStatus status = inputs("{\"i\":[1], \"x\":[2,3], \"o\":[1,2]}", mem, values, err);

    for (int i = 0; i < 3; i++)
        maas_value_unref(values[i]);
    return status;
}

TEST(json_values_failing_memory)
{
    for (int i = 0; i < 5; i++)
        CHECK_EACH_FAILURE(read_and_write, &i);
    CHECK_EACH_FAILURE(read_inputs, NULL);
}

TEST(json_empty_lists)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    MaasValue *value;
    char *json;
    size_t length;

    test_host_init(&host, &mem);
    NEED_OK(maas_value_new_tensor(&mem, MAAS_FLOAT, 3, (int64_t[]){1000, 1000, 0}, &value, &err));
    CHECK_FAILS(maas_value_to_json(value, &mem, &json, &length, &err), MAAS_ERR_LIMIT, "too many empty lists");
    maas_value_unref(value);
    NEED_OK(maas_value_new_tensor(&mem, MAAS_FLOAT, 2, (int64_t[]){INT64_C(1) << 50, 0}, &value, &err));
    CHECK_FAILS(maas_value_to_json(value, &mem, &json, &length, &err), MAAS_ERR_LIMIT, "too many empty lists");
    maas_value_unref(value);
    CHECK_NO_LEAK(&host, &mem);
}

/* ---- casts ---- */

static MaasStatus cast(const char *text, MaasType type, bool exact, char *printed, size_t size, MaasError *err)
{
    TestHost host;
    MaasMem mem;
    MaasValue *value = NULL, *result = NULL;
    MaasStatus status;
    size_t length;
    char *out;

    test_host_init(&host, &mem);
    status = maas_tensor_parse(text, strlen(text), &mem, &value, err);
    if (status == MAAS_OK)
        status = maas_tensor_cast(&value->tensor, type, exact, &mem, &result, err);
    if (status == MAAS_OK)
        status = maas_tensor_print(&result->tensor, &mem, &out, &length, err);
    if (status == MAAS_OK) {
        snprintf(printed, size, "%s", out);
        maas_free(&mem, out);
    }
    maas_value_unref(value);
    maas_value_unref(result);
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

TEST(cast_tensors)
{
    static const struct {
        const char *from;
        MaasType type;
        const char *exact, *plain; /* exact NULL: refused */
    } cases[] = {
        {"[[1,2],[3,4]]", MAAS_INT8, "int8:[[1,2],[3,4]]", "int8:[[1,2],[3,4]]"},
        {"[1,1.9]", MAAS_INT32, NULL, "int32:[1,1]"},
        {"[1,300]", MAAS_UINT8, NULL, "uint8:[1,44]"},
        {"[1,NaN]", MAAS_BOOL, NULL, "bool:[true,true]"},
        {"[0,1]", MAAS_BOOL, "bool:[false,true]", "bool:[false,true]"},
        {"bool:[true]", MAAS_FLOAT, "[1]", "[1]"},
        {"int64:16777217", MAAS_FLOAT, "16777216", "16777216"},
        {"double:1e300", MAAS_FLOAT, NULL, "Infinity"},
        {"double:[1e6]", MAAS_FLOAT8E4M3FN, NULL, "float8e4m3fn:[448]"},
        {"[1e-05,0.5,NaN,-Infinity]", MAAS_STRING, "string:[\"1e-05\",\"0.5\",\"NaN\",\"-INF\"]",
         "string:[\"1e-05\",\"0.5\",\"NaN\",\"-INF\"]"},
        {"string:[\"1.5\",\"inf\",\" 2 \"]", MAAS_FLOAT, "[1.5,Infinity,2]", "[1.5,Infinity,2]"},
        {"string:[\"1.5\"]", MAAS_INT16, NULL, "int16:[1]"},
        {"string:[\"a\"]", MAAS_STRING, "string:[\"a\"]", "string:[\"a\"]"},
        {"float(0,3):[]", MAAS_INT8, "int8(0,3):[]", "int8(0,3):[]"},
        {"[1,2]", MAAS_COMPLEX64, "complex64:[[1,0],[2,0]]", "complex64:[[1,0],[2,0]]"},
        {"complex128:[[1,2]]", MAAS_COMPLEX64, "complex64:[[1,2]]", "complex64:[[1,2]]"},
        {"complex128:[[1,1e300]]", MAAS_COMPLEX64, NULL, "complex64:[[1,Infinity]]"},
        {"int8:[-1,8]", MAAS_INT4, NULL, "int4:[-1,-8]"},
    };
    char printed[1000];
    MaasError err = {0};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_OK(cast(cases[i].from, cases[i].type, false, printed, sizeof printed, &err));
        CHECK_STR(printed, cases[i].plain);
        if (cases[i].exact) {
            CHECK_OK(cast(cases[i].from, cases[i].type, true, printed, sizeof printed, &err));
            CHECK_STR(printed, cases[i].exact);
        } else {
            CHECK_FAILS(cast(cases[i].from, cases[i].type, true, printed, sizeof printed, &err), MAAS_ERR_VALUE,
                        "");
        }
    }
    CHECK_FAILS(cast("[[1,2],[3,4],[5,6],[7,1.9]]", MAAS_INT64, true, printed, sizeof printed, &err),
                MAAS_ERR_VALUE, "element [3,1]: 1.9 cannot be converted to int64");
    CHECK_FAILS(cast("300", MAAS_UINT8, true, printed, sizeof printed, &err), MAAS_ERR_VALUE,
                "300 cannot be converted to uint8");
    CHECK_FAILS(cast("string:[[\"1\",\"x\"]]", MAAS_UINT8, false, printed, sizeof printed, &err), MAAS_ERR_VALUE,
                "element [0,1]: the string \"x\" is not a number and cannot become uint8");
    CHECK_FAILS(cast("complex64:[1,2]", MAAS_FLOAT, false, printed, sizeof printed, &err), MAAS_ERR_TYPE,
                "a tensor of type complex64 cannot be converted to float");
    CHECK_FAILS(cast("1", (MaasType)77, false, printed, sizeof printed, &err), MAAS_ERR_TYPE, "undefined");
}

static MaasStatus cast_all(MaasMem *mem, void *arg, MaasError *err)
{
    MaasValue *value = NULL, *strings = NULL, *floats = NULL, *ints = NULL;
    MaasStatus status = maas_tensor_parse("[1,2,3]", 7, mem, &value, err);

    if (status == MAAS_OK)
        status = maas_tensor_cast(&value->tensor, MAAS_STRING, true, mem, &strings, err);
    if (status == MAAS_OK)
        status = maas_tensor_cast(&strings->tensor, MAAS_FLOAT16, true, mem, &floats, err);
    if (status == MAAS_OK)
        status = maas_tensor_cast(&floats->tensor, MAAS_INT4, true, mem, &ints, err);
    maas_value_unref(value);
    maas_value_unref(strings);
    maas_value_unref(floats);
    maas_value_unref(ints);
    return status;
}

TEST(cast_failing_memory)
{
    CHECK_EACH_FAILURE(cast_all, NULL);
}
