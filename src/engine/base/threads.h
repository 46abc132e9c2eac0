/*
 * threads.h - a pool of threads for loops.
 *
 * The pool is made at the first use that asks for more than one thread, grows to the largest number asked for, and
 * sleeps between calls.  Its threads have all signals blocked, touch nothing but what the loop's function touches
 * and never allocate.  A process that forks leaves them behind: the child makes its own.
 */
#ifndef MAAS_BASE_THREADS_H
#define MAAS_BASE_THREADS_H

#include "status.h"

#define MAAS_MAX_THREADS 256

/*
 * Calls fn(arg, from, to) for pieces of at least grain elements that make up [0, n), on the calling thread and up
 * to threads - 1 others, and returns when all are done.  stop (or NULL) is polled between pieces: when it is not
 * zero the rest is left out and false is returned.  A thread begins with the same part of [0, n) in every call: the
 * caller with the first.  Threads that cannot be had are done without.  A call from
 * inside fn, or while another thread uses the pool, runs on its own thread alone.
 */
bool maas_threads_run(int threads, int64_t n, int64_t grain, void (*fn)(void *arg, int64_t from, int64_t to),
                      void *arg, const MaasStop *stop);

/* Ends the pool's threads; the next call that needs some makes new ones. */
void maas_threads_end(void);

/* Threads in the pool, the caller not counted. */
int maas_threads_count(void);

#endif
