/*
 * test.c - runs the registered tests.
 */
#include <stdarg.h>
#include <stdio.h>

#include "test.h"

static Test *tests;
static const Test *running;
static int failed_checks;

void test_register(Test *test)
{
    Test **place = &tests;

    while (*place && (strcmp((*place)->file, test->file) < 0 ||
                      (strcmp((*place)->file, test->file) == 0 && strcmp((*place)->name, test->name) < 0)))
        place = &(*place)->next;
    test->next = *place;
    *place = test;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    if (++failed_checks > 20) /* one cause, many checks */
        return;
    printf("%s:%d: %s: ", file, line, running->name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

static bool is_wanted(const Test *test, int n, char **texts)
{
    bool any = false;

    for (int i = 0; i < n; i++) {
        if (texts[i][0] == '-')
            continue;
        if (strstr(test->file, texts[i]) || strstr(test->name, texts[i]))
            return true;
        any = true;
    }
    return !any;
}

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    int passed = 0, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (const Test *test = tests; test; test = test->next) {
        if (!is_wanted(test, argc - 1, argv + 1))
            continue;
        if (verbose)
            printf("%s: %s\n", test->file, test->name);
        running = test;
        failed_checks = 0;
        test->run();
        if (failed_checks)
            printf("%s: %s: FAILED (%d checks)\n", test->file, test->name, failed_checks);
        failed_checks ? failed++ : passed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

/* ---- memory ---- */

static void *counting_alloc(void *ctx, size_t bytes)
{
    TestHost *host = ctx;
    void *block;

    host->calls++;
    if (host->fail_at && (host->calls == host->fail_at || (host->for_good && host->calls > host->fail_at)))
        return NULL;
    block = malloc(bytes);
    if (block)
        memset(block, 0xa5, bytes);
    host->live += block != NULL;
    return block;
}

static void counting_free(void *ctx, void *block)
{
    TestHost *host = ctx;

    host->live--;
    free(block);
}

void test_host_init(TestHost *host, MaasMem *mem)
{
    *host = (TestHost){.allocator = {counting_alloc, counting_free, host}};
    maas_mem_init(mem, &host->allocator, 0);
}

void test_host_check(const TestHost *host, const MaasMem *mem, const char *file, int line)
{
    if (host->live != 0 || mem->used != 0)
        test_fail(file, line, "%lld blocks leaked, %zu bytes in use", (long long)host->live, mem->used);
}

void test_each_failure(MaasStatus (*fn)(MaasMem *mem, void *arg, MaasError *err), void *arg, const char *file,
                       int line)
{
    TestHost host;
    MaasMem mem;
    MaasError err = {0};
    int64_t calls, step;

    test_host_init(&host, &mem);
    if (fn(&mem, arg, &err) != MAAS_OK)
        test_fail(file, line, "fails without any failing allocation: %s", err.message);
    test_host_check(&host, &mem, file, line);
    calls = host.calls;
    step = calls / 500 + 1;
    for (int64_t i = 1; i <= calls; i += step)
        for (int for_good = 0; for_good < 2; for_good++) {
            MaasStatus status;

            test_host_init(&host, &mem);
            host.fail_at = i;
            host.for_good = for_good;
            memset(&err, 0, sizeof err);
            status = fn(&mem, arg, &err);
            if (status != MAAS_ERR_MEMORY || err.status != status || !err.message[0])
                test_fail(file, line, "status %d, message \"%s\" when allocation %lld of %lld fails", (int)status,
                          err.message, (long long)i, (long long)calls);
            test_host_check(&host, &mem, file, line);
        }
}

uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
