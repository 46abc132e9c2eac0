/*
 * test_threads.c - the thread pool.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../engine/base/threads.h"
#include "test.h"

enum { N = 100003 };
static atomic_int visits[N];
static atomic_int calls, smallest;

static void visit(void *arg, int64_t from, int64_t to)
{
    atomic_fetch_add(&calls, 1);
    if (to - from < *(int64_t *)arg && to != N)
        atomic_store(&smallest, 1);
    for (int64_t i = from; i < to; i++)
        atomic_fetch_add(&visits[i], 1);
}

static bool all_once(void)
{
    bool good = true;

    for (int i = 0; i < N; i++)
        good &= atomic_exchange(&visits[i], 0) == 1;
    return good;
}

TEST(threads_visit_all)
{
    static const int threads[] = {1, 2, 3, 8, 300, 0, -1};
    static const int64_t grains[] = {1, 100, 70000, N, INT64_MAX};

    for (int t = 0; t < 7; t++)
        for (int g = 0; g < 5; g++) {
            int64_t grain = grains[g];

            atomic_store(&smallest, 0);
            CHECK(maas_threads_run(threads[t], N, grain, visit, &grain, NULL));
            CHECK(all_once());
            CHECK(!smallest);
        }
    CHECK(maas_threads_count() <= MAAS_MAX_THREADS);
    maas_threads_end();
    CHECK_INT(maas_threads_count(), 0);
    CHECK(maas_threads_run(4, 0, 1, visit, NULL, NULL));
    for (int i = 0; i < 200; i++) {
        int64_t grain = 1;

        maas_threads_run(3, N, N / 7, visit, &grain, NULL);
        if (i % 50 == 0)
            maas_threads_end();
    }
    for (int i = 0; i < N; i++)
        if (atomic_exchange(&visits[i], 0) != 200) {
            test_fail(__FILE__, __LINE__, "element %d was not visited 200 times", i);
            break;
        }
}

static void nested(void *arg, int64_t from, int64_t to)
{
    int64_t grain = 1;

    for (int64_t i = from; i < to; i++)
        maas_threads_run(4, N / 100, 1, visit, &grain, NULL);
}

TEST(threads_nested)
{
    CHECK(maas_threads_run(4, 50, 1, nested, NULL, NULL));
    for (int i = 0; i < N / 100; i++)
        if (atomic_exchange(&visits[i], 0) != 50)
            test_fail(__FILE__, __LINE__, "element %d was not visited 50 times", i);
}

enum { CALLER, WORKER };
static pthread_t caller;
static atomic_int first_at[2]; /* where the caller's and the worker's first pieces begin; -1: not yet */

/* Both wait for each other in their first pieces. */
static void note_first(void *arg, int64_t from, int64_t to)
{
    const int who = pthread_equal(pthread_self(), caller) ? CALLER : WORKER;

    if (atomic_load(&first_at[who]) >= 0)
        return;
    atomic_store(&first_at[who], (int)from);
    for (int i = 0; i < 20000 && atomic_load(&first_at[1 - who]) < 0; i++)
        usleep(1000);
}

TEST(threads_shares)
{
    int64_t grain = 1;

    maas_threads_run(4, N, 1, visit, &grain, NULL); /* more workers than there will be shares */
    CHECK(all_once());
    caller = pthread_self();
    for (int n = 2; n <= 1000; n = n * 3 + 1) {
        atomic_store(&first_at[CALLER], -1);
        atomic_store(&first_at[WORKER], -1);
        CHECK(maas_threads_run(2, n, 1, note_first, NULL, NULL));
        CHECK_INT(first_at[CALLER], 0);
        CHECK_INT(first_at[WORKER], n / 2);
    }
}

static volatile int stop;

static void stop_soon(void *arg, int64_t from, int64_t to)
{
    if (atomic_fetch_add(&calls, 1) == 2)
        stop = 1;
}

TEST(threads_stop)
{
    for (int threads = 1; threads <= 4; threads += 3) {
        MaasStop flags = {{NULL, NULL}};

        flags.flags[threads == 1] = &stop; /* either flag will do */
        stop = 0;
        atomic_store(&calls, 0);
        CHECK(!maas_threads_run(threads, N, 1, stop_soon, NULL, &flags));
        CHECK(atomic_load(&calls) >= 3 && atomic_load(&calls) <= 3 + threads);
        atomic_store(&calls, 0);
        CHECK(!maas_threads_run(threads, N, 1, stop_soon, NULL, &flags));
        CHECK_INT(atomic_load(&calls), 0);
    }
}

static void *other_caller(void *arg)
{
    int64_t grain = 1;

    for (int i = 0; i < 50; i++)
        maas_threads_run(3, N, 1, visit, &grain, NULL);
    return NULL;
}

TEST(threads_two_callers)
{
    pthread_t other;

    NEED(pthread_create(&other, NULL, other_caller, NULL) == 0);
    other_caller(NULL);
    pthread_join(other, NULL);
    for (int i = 0; i < N; i++)
        if (atomic_exchange(&visits[i], 0) != 100) {
            test_fail(__FILE__, __LINE__, "element %d was not visited 100 times", i);
            break;
        }
}

static void check_mask(void *arg, int64_t from, int64_t to)
{
    sigset_t mask;

    usleep(1000);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    if (!pthread_equal(pthread_self(), *(pthread_t *)arg) &&
        (!sigismember(&mask, SIGINT) || !sigismember(&mask, SIGUSR1) || !sigismember(&mask, SIGALRM)))
        atomic_store(&smallest, 1);
}

TEST(threads_signals)
{
    pthread_t self = pthread_self();

    atomic_store(&smallest, 0);
    maas_threads_run(4, 40, 1, check_mask, &self, NULL);
    CHECK(!smallest);
}

/* A child of a process that has a pool makes one of its own. */
TEST(threads_fork)
{
    int64_t grain = 1;
    int status = 0;
    pid_t child;

    maas_threads_run(3, N, 1, visit, &grain, NULL);
    CHECK(all_once());
    child = fork();
    NEED(child >= 0);
    if (child == 0) {
        alarm(20);
        CHECK_INT(maas_threads_count(), 0);
        maas_threads_run(3, N, 1, visit, &grain, NULL);
        _exit(all_once() && maas_threads_count() == 2 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    maas_threads_end();
}
