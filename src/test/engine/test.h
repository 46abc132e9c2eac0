/*
 * test.h - a small unit test frame.
 *
 * TEST(name) { ... } registers a test; there is no list to keep.  A CHECK that does not hold is reported with its
 * place and makes the test fail, and the test goes on; NEED ends it.  `engine_test [-v] [text ...]` runs the tests
 * whose file or name contains one of the texts.  The last line is "N passed, N failed".
 */
#ifndef MAAS_TEST_H
#define MAAS_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/maas.h"

typedef struct Test {
    const char *file, *name;
    void (*run)(void);
    struct Test *next;
} Test;

void test_register(Test *test);

/* Records a failed check of the running test. */
void test_fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define TEST(title)                                                                                                \
    static void test_##title(void);                                                                                \
    __attribute__((constructor)) static void register_##title(void)                                                \
    {                                                                                                              \
        static Test test = {__FILE__, #title, test_##title, NULL};                                                 \
        test_register(&test);                                                                                      \
    }                                                                                                              \
    static void test_##title(void)

#define CHECK(condition)                                                                                           \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            test_fail(__FILE__, __LINE__, "%s", #condition);                                                       \
    } while (0)

#define NEED(condition)                                                                                            \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            test_fail(__FILE__, __LINE__, "%s", #condition);                                                       \
            return;                                                                                                \
        }                                                                                                          \
    } while (0)

#define CHECK_INT(got, expected)                                                                                   \
    do {                                                                                                           \
        long long test_got = (long long)(got), test_expected = (long long)(expected);                              \
        if (test_got != test_expected)                                                                             \
            test_fail(__FILE__, __LINE__, "%s is %lld, expected %lld", #got, test_got, test_expected);             \
    } while (0)

#define CHECK_STR(got, expected)                                                                                   \
    do {                                                                                                           \
        const char *test_got = (got), *test_expected = (expected);                                                 \
        if (strcmp(test_got, test_expected) != 0)                                                                  \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #got, test_got, test_expected);         \
    } while (0)

#define CHECK_NEAR(got, expected, tolerance)                                                                       \
    do {                                                                                                           \
        double test_got = (got), test_expected = (expected), test_gap = test_got - test_expected;                  \
        if (!(test_gap <= (tolerance) && -test_gap <= (tolerance)))                                                \
            test_fail(__FILE__, __LINE__, "%s is %.17g, expected %.17g", #got, test_got, test_expected);           \
    } while (0)

/* A call that must succeed; its MaasError is named err. */
#define CHECK_OK(call)                                                                                             \
    do {                                                                                                           \
        if ((call) != MAAS_OK)                                                                                     \
            test_fail(__FILE__, __LINE__, "%s: %s", #call, err.message);                                           \
    } while (0)

#define NEED_OK(call)                                                                                              \
    do {                                                                                                           \
        if ((call) != MAAS_OK) {                                                                                   \
            test_fail(__FILE__, __LINE__, "%s: %s", #call, err.message);                                           \
            return;                                                                                                \
        }                                                                                                          \
    } while (0)

/* A call that must fail with this status and a message that contains this text. */
#define CHECK_FAILS(call, expected, text)                                                                          \
    do {                                                                                                           \
        MaasStatus test_status;                                                                                    \
        memset(&err, 0, sizeof err);                                                                               \
        test_status = (call);                                                                                      \
        if (test_status != (expected) || err.status != test_status || !strstr(err.message, text))                  \
            test_fail(__FILE__, __LINE__, "%s: status %d, message \"%s\"; expected status %d and \"%s\"", #call,   \
                      (int)test_status, err.message, (int)(expected), text);                                       \
    } while (0)

/* ---- memory ---- */

/* An allocator that counts and can be told to fail. */
typedef struct TestHost {
    MaasAllocator allocator;
    int64_t calls;   /* of alloc, so far */
    int64_t fail_at; /* the call that gets nothing; 0: none */
    bool for_good;   /* ... and all later ones */
    int64_t live;    /* blocks now held */
} TestHost;

/* Makes mem draw from host. */
void test_host_init(TestHost *host, MaasMem *mem);
/* Checks that everything that was taken has been given back. */
void test_host_check(const TestHost *host, const MaasMem *mem, const char *file, int line);
#define CHECK_NO_LEAK(host, mem) test_host_check(host, mem, __FILE__, __LINE__)

/*
 * Runs fn, which must succeed and give back all memory, and then again with each single allocation failing, once
 * alone and once with all that follow.  Each of those must return MAAS_ERR_MEMORY with a message, and leak nothing.
 */
void test_each_failure(MaasStatus (*fn)(MaasMem *mem, void *arg, MaasError *err), void *arg, const char *file,
                       int line);
#define CHECK_EACH_FAILURE(fn, arg) test_each_failure(fn, arg, __FILE__, __LINE__)

/* ---- pseudorandom numbers: the same ones in each run ---- */

uint64_t test_random(uint64_t *state);

#endif
