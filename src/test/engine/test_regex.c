/*
 * test_regex.c - regular expressions: what matches, what is refused, and that hostile patterns stay bounded.
 *
 * What is expected was checked with Python's re where both syntaxes agree, and follows RE2's documentation
 * elsewhere.
 */
#include <time.h>

#include "../../engine/text/regex.h"
#include "../../engine/text/unicode.h"
#include "test.h"

static MaasStatus match(const char *pattern, const char *text, size_t n, MaasMatch *out, MaasError *err)
{
    TestHost host;
    MaasMem mem;
    MaasRegex *re;
    size_t bytes;
    MaasStatus status;

    test_host_init(&host, &mem);
    status = maas_regex_compile(pattern, strlen(pattern), &mem, &re, &bytes, err);
    if (status == MAAS_OK) {
        void *work = malloc(maas_regex_work_size(re));

        *out = maas_regex_full_match(re, text, n, work, NULL, NULL);
        free(work);
        maas_free(&mem, re);
    }
    CHECK_NO_LEAK(&host, &mem);
    return status;
}

TEST(regex_matches)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"a|b|", "", true},
        {"(?:ab)+", "abab", true},
        {"(?:ab)+", "aba", false},
        {"a{,2}", "a{,2}", true}, /* no count: literal */
        {"a{2,}", "aaaa", true},
        {"a{2,3}?", "aaaa", false},
        {"x*", "", true},
        {"(a*)*", "aaaa", true},
        {"(|a)+", "aa", true},
        {"[]a]+", "]a", true},
        {"[^]a]", "b", true},
        {"[a-]", "-", true},
        {"[[:digit:][:^alnum:]]+", "1 2", true},
        {"[[:^digit:]]", "1", false},
        {"\\d\\D\\w\\W\\s\\S", "1a_- x", true},
        {"\\x41\\x{42}\\103", "ABC", true},
        {"\\Qa.b\\E+", "a.bb", true},
        {"\\Qa.b", "a.b", true},
        {"a.c", "a\nc", false},
        {"(?s)a.c", "a\nc", true},
        {"^a$", "a", true},
        {"a$", "a\n", false},
        {"(?m)a$\n^b", "a\nb", true},
        {"a$\nb", "a\nb", false},
        {"\\Aa\\z", "a", true},
        {"\\bfoo\\b", "foo", true},
        {"f\\Boo", "foo", true},
        {"f\\boo", "foo", false},
        {"(?i)ab(?-i)C", "aBC", true},
        {"(?i)ab(?-i)C", "aBc", false},
        {"(?i:a)b", "Ab", true},
        {"(?i:a)b", "AB", false},
        {"(?i)[k-m]+", "KLm", true},
        {"(?i)[^a]", "A", false},
        {"(?P<name>a)(?<other>b)", "ab", true},
        {"(?U)a*?", "aa", true},
        {"\\pL\\PL\\p{Lu}\\p{^Lu}", "a1Bb", true},
        {"[\\pN]+", "1\xd9\xa3", true},  /* U+0663, an Arabic digit */
        {".", "\xf0\x9f\x98\x80", true}, /* one rune of four bytes */
        {"..", "\xf0\x9f\x98\x80", false},
        {".", "\xff", false}, /* not UTF-8 */
        {"[^a]", "\xc3", false},
        {"a\\.b", "a.b", true},
        {"a\\.b", "axb", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MaasMatch got = MAAS_NO_MATCH;
        MaasError err;

        CHECK_OK(match(cases[i].pattern, cases[i].text, strlen(cases[i].text), &got, &err));
        if ((got == MAAS_MATCH) != cases[i].matches)
            test_fail(__FILE__, __LINE__, "\"%s\" and \"%s\": got %d", cases[i].pattern, cases[i].text, (int)got);
    }
}

TEST(regex_refuses)
{
    static const struct {
        const char *pattern, *text;
    } cases[] = {
        {"(", ") missing"},
        {")", "unexpected )"},
        {"[a", "] missing"},
        {"[b-a]", "range out of order"},
        {"[[:foo:]]", "unknown class"},
        {"*a", "nothing to repeat"},
        {"a|+", "nothing to repeat"},
        {"a**", "repetition of a repetition"},
        {"a{2}{3}", "repetition of a repetition"},
        {"a{3,2}", "counts out of order"},
        {"\\", "trailing backslash"},
        {"\\1", "back references"},
        {"(a)\\8", "invalid escape"},
        {"\\y", "invalid escape"},
        {"\\x{110000}", "beyond 10FFFF"},
        {"\\xg", "invalid \\x"},
        {"\\p{Greek}", "no general category"},
        {"\\p", "category missing"},
        {"\\p{L", "} missing"},
        {"(?=a)", "lookaround"},
        {"(?<=a)", "lookaround"},
        {"(?P<>a)", "group name"},
        {"(?P<a", "group name"},
        {"(?z)", "flags"},
        {"(?", "flags"},
        {"\xff", "invalid UTF-8"},
    };
    MaasError err;
    MaasMatch got;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(match(cases[i].pattern, "", 0, &got, &err), MAAS_ERR_FORMAT, cases[i].text);
}

static bool count_polls(void *arg)
{
    return ++*(int *)arg > 3;
}

/* Patterns that make others' programs grow or backtrack without end. */
TEST(regex_hostile)
{
    char *deep = malloc(20001), *text = malloc(100000), *many = malloc(200000);
    MaasMatch got = MAAS_NO_MATCH;
    clock_t start = clock();
    MaasError err;

    NEED(deep && text && many);
    memset(text, 'a', 100000);
    CHECK_OK(match("(a*)*(a*)*(a*)*b", text, 20000, &got, &err));
    CHECK_INT(got, MAAS_NO_MATCH);
    CHECK_OK(match("(?:a?){100}a{100}", text, 100, &got, &err));
    CHECK_INT(got, MAAS_MATCH);
    CHECK_FAILS(match("a{1001}", "", 0, &got, &err), MAAS_ERR_LIMIT, "repetitions");
    CHECK_FAILS(match("(?:a{100}){100}", "", 0, &got, &err), MAAS_ERR_LIMIT, "repetitions");
    CHECK_FAILS(match("(?:(?:(?:){1000}){1000}){1000}", "", 0, &got, &err), MAAS_ERR_LIMIT, "repetitions");
    CHECK_FAILS(match("(?:abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz){1000}", "", 0, &got, &err),
                MAAS_ERR_LIMIT, "instructions");
    memset(deep, '(', 20000);
    deep[20000] = 0;
    CHECK_FAILS(match(deep, "", 0, &got, &err), MAAS_ERR_LIMIT, "nested deeper");
    for (int i = 0; i < 50000; i++)
        memcpy(many + 4 * i, "\\pL|", 4);
    many[199999] = 0;
    CHECK_FAILS(match(many, "", 0, &got, &err), MAAS_ERR_LIMIT, "instructions");
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 20);

    /* a match that takes long asks whether to stop */
    TestHost host;
    MaasMem mem;
    MaasRegex *re;
    size_t bytes;
    int polls = 0;

    test_host_init(&host, &mem);
    NEED_OK(maas_regex_compile(".*.{0,900}b", 11, &mem, &re, &bytes, &err));
    void *work = malloc(maas_regex_work_size(re));

    CHECK_INT(maas_regex_full_match(re, text, 100000, work, count_polls, &polls), MAAS_MATCH_STOPPED);
    CHECK_INT(polls, 4);
    free(work);
    maas_free(&mem, re);
    CHECK_NO_LEAK(&host, &mem);
    free(deep);
    free(text);
    free(many);
}

/* Random bytes as patterns: an error or a program, never more. */
TEST(regex_random)
{
    static const char alphabet[] = "ab\\|()[]{}*+?^$.-:PpLQEdwsbxz0127,<>=!i \xc3\xa4\n";
    uint64_t state = 11;
    MaasError err;

    for (int i = 0; i < 20000; i++) {
        char pattern[24];
        size_t n = test_random(&state) % (sizeof pattern - 1);
        MaasMatch got;

        for (size_t k = 0; k < n; k++)
            pattern[k] = alphabet[test_random(&state) % (sizeof alphabet - 1)];
        pattern[n] = 0;
        match(pattern, "ab a{1}", 7, &got, &err);
    }
}

static MaasStatus compile_only(MaasMem *mem, void *arg, MaasError *err)
{
    MaasRegex *re;
    size_t bytes;
    MaasStatus status = maas_regex_compile(arg, strlen(arg), mem, &re, &bytes, err);

    if (status == MAAS_OK)
        maas_free(mem, re);
    return status;
}

TEST(regex_each_allocation_fails)
{
    CHECK_EACH_FAILURE(compile_only, "([a-z]+|\\d{1,40}|(?i)Straße)*\\pL[^x-z]");
}

TEST(unicode_case)
{
    CHECK_INT(maas_rune_lower('A'), 'a');
    CHECK_INT(maas_rune_lower(0x130), 0x130); /* no single lower-case letter */
    CHECK_INT(maas_rune_upper(0xdf), 0xdf);
    CHECK_INT(maas_rune_upper(0xff), 0x178);
    CHECK_INT(maas_rune_lower(0x10400), 0x10428);
    CHECK_INT(maas_rune_upper(0x101), 0x100);
    CHECK_INT(maas_rune_lower(0x101), 0x101);
    CHECK_INT(maas_rune_category('a'), maas_category_mask("Ll", 2));
    CHECK_INT(maas_rune_category(0x10ffff), maas_category_mask("Cn", 2));
    CHECK_INT(maas_category_mask("Xx", 2), 0);
}
