/*
 * fuzz.h - what the fuzz targets share.
 *
 * Every target runs its function twice: once with all the memory it asks for, up to a limit, and once with an
 * allocation failing that the input itself picks.  Both must give everything back, and a failure must carry a
 * status and a message.
 */
#ifndef MAAS_FUZZ_H
#define MAAS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/maas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stops the fuzzer, which keeps the input. */
#define FUZZ_CHECK(condition)                                                                                      \
    do {                                                                                                           \
        if (!(condition)) {                                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                        \
            abort();                                                                                               \
        }                                                                                                          \
    } while (0)

#define FUZZ_MEMORY ((size_t)256 << 20)

typedef struct FuzzHost {
    int64_t calls, fail_at, live;
} FuzzHost;

static void *fuzz_alloc(void *ctx, size_t bytes)
{
    FuzzHost *host = ctx;
    void *block;

    if (++host->calls == host->fail_at)
        return NULL;
    block = malloc(bytes);
    host->live += block != NULL;
    return block;
}

static void fuzz_free(void *ctx, void *block)
{
    FuzzHost *host = ctx;

    host->live--;
    free(block);
}

static inline void fuzz_once(FuzzHost *host, int64_t fail_at,
                             MaasStatus (*fn)(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err),
                             const uint8_t *data, size_t size)
{
    MaasAllocator allocator = {fuzz_alloc, fuzz_free, host};
    MaasError err = {0};
    MaasMem mem;
    MaasStatus status;

    *host = (FuzzHost){.fail_at = fail_at};
    maas_mem_init(&mem, &allocator, FUZZ_MEMORY);
    status = fn(data, size, &mem, &err);
    FUZZ_CHECK(host->live == 0 && mem.used == 0);
    FUZZ_CHECK(status == MAAS_OK || (err.status == status && err.message[0]));
    FUZZ_CHECK(status != MAAS_ERR_INTERNAL);
}

static inline int fuzz_run(MaasStatus (*fn)(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err),
                           const uint8_t *data, size_t size)
{
    FuzzHost host;
    uint32_t hash = 2166136261u;

    fuzz_once(&host, 0, fn, data, size);
    if (host.calls == 0)
        return 0;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ data[i]) * 16777619u;
    fuzz_once(&host, 1 + hash % (uint32_t)host.calls, fn, data, size);
    return 0;
}

#endif
