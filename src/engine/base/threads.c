/*
 * threads.c - the pool of threads.h.
 *
 * One job at a time.  The job lies on the stack of the thread that runs it; workers may join it while `pool.job`
 * points to it, and the owner leaves when it has taken it down and every worker that joined is out.  Each thread
 * begins with a share of the pieces that is its own, the same one in every job: what it has written lies in its
 * core's cache when the next job reads it.  Who is through with that takes pieces of the others' shares, so that a
 * slow thread holds up nobody but its own piece.
 *
 * Between jobs that follow one another closely, threads spin for a tenth of a millisecond before they sleep: waking
 * a sleeping one takes longer than many a job.
 *
 * The stop flag is a plain volatile int, as signal handlers and the server set it: read late at worst.
 *
 * Locks: pool.lock guards everything in the pool; pool.owner is held by the thread that runs a job, and is only
 * ever tried, never waited for.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "threads.h"

#define STACK_BYTES (2 * 1024 * 1024)
#define SPIN 100e-6         /* seconds that a thread looks for news before it sleeps */
#define PIECES_PER_THREAD 8 /* so that threads of unequal speed end together */

/* A thread's share of the pieces; in a line of the cache of its own. */
typedef struct Share {
    _Alignas(64) atomic_int_fast64_t next; /* piece */
    int64_t end;
} Share;

typedef struct Job {
    void (*fn)(void *arg, int64_t from, int64_t to);
    void *arg;
    const MaasStop *stop;
    int64_t n, n_pieces;
    int threads;
    Share *shares;     /* (threads) */
    int places;        /* for workers that may still join */
    atomic_int active; /* workers that are inside; changed under the lock */
} Job;

static struct {
    _Atomic pid_t pid; /* whose threads these are */
    pthread_mutex_t lock, owner;
    pthread_cond_t work; /* for workers: a job, or the end */
    pthread_cond_t done; /* for the owner: a worker is out */
    Job *job;
    atomic_uint news; /* how often there was a new job or the end; changed under the lock */
    int sleeping;     /* workers that wait for news */
    bool end;
    int n;
    pthread_t threads[MAAS_MAX_THREADS];
} pool;

static pthread_mutex_t first_use = PTHREAD_MUTEX_INITIALIZER;
static __thread bool inside; /* this thread works on a job */

/* Where piece i begins, n * i / n_pieces: pieces differ by one element at most, and shares hardly more. */
static int64_t start_of(const Job *job, int64_t i)
{
    return job->n / job->n_pieces * i + job->n % job->n_pieces * i / job->n_pieces;
}

/* Works on the shares, beginning with number `own`. */
static void work_on(Job *job, int own)
{
    for (int k = 0; k < job->threads; k++) {
        Share *share = &job->shares[(own + k) % job->threads];
        int64_t i;

        while ((i = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed)) < share->end) {
            if (job->stop && maas_stop_raised(job->stop))
                return;
            job->fn(job->arg, start_of(job, i), start_of(job, i + 1));
        }
    }
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Whether another look is due, the `looks`-th; *until is set at the first. */
static bool spin(int looks, double *until)
{
    if (looks == 0)
        *until = now() + SPIN;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    return looks % 16 != 15 || now() < *until;
}

/* Waits for news, the lock held before and after; awake at first if they are likely to be for this thread. */
static void wait_for_news(bool likely)
{
    unsigned seen = atomic_load(&pool.news);
    double until;

    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; likely && atomic_load_explicit(&pool.news, memory_order_relaxed) == seen && spin(i, &until);
         i++)
        continue;
    pthread_mutex_lock(&pool.lock);
    pool.sleeping++;
    while (atomic_load(&pool.news) == seen)
        pthread_cond_wait(&pool.work, &pool.lock);
    pool.sleeping--;
}

/* number: of its share; the owner's is 0.  A job with fewer shares is not for this thread. */
static void *worker(void *number)
{
    const int own = (int)(intptr_t)number;

    inside = true;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        Job *job = pool.job;

        if (pool.end)
            break;
        if (!job || job->places == 0 || own >= job->threads) {
            wait_for_news(!job || own < job->threads);
            continue;
        }
        job->places--;
        job->active++;
        pthread_mutex_unlock(&pool.lock);
        work_on(job, own);
        pthread_mutex_lock(&pool.lock);
        job->places = 0; /* the pieces are used up: nobody else need come */
        if (atomic_fetch_sub(&job->active, 1) == 1)
            pthread_cond_signal(&pool.done);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Makes the pool this process's own: at first use, and in a child that has inherited its parent's. */
static void claim(void)
{
    pid_t pid = getpid();

    if (pool.pid == pid)
        return;
    pthread_mutex_lock(&first_use);
    if (pool.pid != pid) {
        pool.job = NULL;
        pool.sleeping = 0;
        pool.end = false;
        pool.n = 0;
        pthread_mutex_init(&pool.lock, NULL);
        pthread_mutex_init(&pool.owner, NULL);
        pthread_cond_init(&pool.work, NULL);
        pthread_cond_init(&pool.done, NULL);
        pool.pid = pid;
    }
    pthread_mutex_unlock(&first_use);
}

/* Grows the pool to n threads, or as many as the system grants. */
static void grow(int n)
{
    sigset_t all, before;
    pthread_attr_t attributes;

    if (pool.n >= n)
        return;
    sigfillset(&all);
    if (pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) == 0) {
        while (pool.n < n &&
               pthread_create(&pool.threads[pool.n], &attributes, worker, (void *)(intptr_t)(pool.n + 1)) == 0)
            pool.n++;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    pthread_attr_destroy(&attributes);
}

/* Offers the job to the workers, works on it, and waits for those who came. */
static void share_out(Job *job)
{
    const int workers = job->threads - 1;

    grow(workers);
    pthread_mutex_lock(&pool.lock);
    job->places = workers < pool.n ? workers : pool.n;
    pool.job = job;
    atomic_fetch_add(&pool.news, 1);
    if (pool.sleeping > 0)
        pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);

    inside = true;
    work_on(job, 0);
    inside = false;

    pthread_mutex_lock(&pool.lock);
    pool.job = NULL;
    if (job->active > 0) {
        double until;

        pthread_mutex_unlock(&pool.lock);
        for (int i = 0; atomic_load_explicit(&job->active, memory_order_relaxed) > 0 && spin(i, &until); i++)
            continue;
        pthread_mutex_lock(&pool.lock);
    }
    while (job->active > 0)
        pthread_cond_wait(&pool.done, &pool.lock);
    pthread_mutex_unlock(&pool.lock);
}

/* Deals the pieces out as shares and has them done. */
static void run(Job *job)
{
    Share shares[MAAS_MAX_THREADS];
    const int64_t each = job->n_pieces / job->threads;

    job->shares = shares;
    for (int t = 0; t < job->threads; t++) {
        atomic_init(&shares[t].next, each * t);
        shares[t].end = each * (t + 1);
    }
    if (job->threads > 1 && !inside) {
        claim();
        if (pthread_mutex_trylock(&pool.owner) == 0) {
            share_out(job);
            pthread_mutex_unlock(&pool.owner);
            return;
        }
    }
    work_on(job, 0);
}

bool maas_threads_run(int threads, int64_t n, int64_t grain, void (*fn)(void *arg, int64_t from, int64_t to),
                      void *arg, const MaasStop *stop)
{
    Job job = {.fn = fn, .arg = arg, .stop = stop, .n = n};

    if (n > 0) {
        threads = threads < 1 ? 1 : threads < MAAS_MAX_THREADS ? threads : MAAS_MAX_THREADS;
        job.n_pieces = (int64_t)threads * PIECES_PER_THREAD; /* also when alone: stop is polled between them */
        if (grain > 1 && job.n_pieces > n / grain)
            job.n_pieces = n / grain > 1 ? n / grain : 1;
        if (job.n_pieces > n)
            job.n_pieces = n;
        job.threads = job.n_pieces < threads ? (int)job.n_pieces : threads;
        job.n_pieces -= job.n_pieces % job.threads; /* all threads get as many */
        run(&job);
    }
    return !(stop && maas_stop_raised(stop));
}

void maas_threads_end(void)
{
    if (inside)
        return;
    claim();
    pthread_mutex_lock(&pool.owner);
    pthread_mutex_lock(&pool.lock);
    pool.end = true;
    atomic_fetch_add(&pool.news, 1);
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < pool.n; i++)
        pthread_join(pool.threads[i], NULL);
    pool.n = 0;
    pool.end = false;
    pthread_mutex_unlock(&pool.owner);
}

int maas_threads_count(void)
{
    return pool.pid == getpid() ? pool.n : 0;
}
