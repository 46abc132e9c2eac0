/*
 * mem.h - memory that is counted, bounded and may fail.
 *
 * A MaasMem wraps the allocator of the host (malloc in tests, a memory context
 * in PostgreSQL).  Blocks are 64-byte aligned.  A MaasMem is used by one thread
 * at a time: worker threads never allocate.
 */
#ifndef MAAS_BASE_MEM_H
#define MAAS_BASE_MEM_H

#include "status.h"

typedef struct MaasAllocator {
    void *(*alloc)(void *ctx, size_t bytes); /* NULL when there is none; never longjmps */
    void (*free)(void *ctx, void *block);
    void *ctx;
} MaasAllocator;

extern const MaasAllocator maas_malloc_allocator;

typedef struct MaasMem {
    MaasAllocator host;
    size_t used;  /* bytes now held, headers included */
    size_t peak;  /* largest value of used so far */
    size_t limit; /* 0: none */
} MaasMem;

void maas_mem_init(MaasMem *mem, const MaasAllocator *host, size_t limit);

/* Returns 64-byte aligned memory, or NULL with MAAS_ERR_MEMORY or MAAS_ERR_LIMIT in err.  bytes may be 0. */
void *maas_alloc(MaasMem *mem, size_t bytes, MaasError *err);
void *maas_zalloc(MaasMem *mem, size_t bytes, MaasError *err);
/* The same for count elements of size bytes; an overflowing product fails with MAAS_ERR_LIMIT. */
void *maas_alloc_array(MaasMem *mem, size_t count, size_t size, MaasError *err);
void *maas_zalloc_array(MaasMem *mem, size_t count, size_t size, MaasError *err);
/* Grows or shrinks; on failure the old block stays valid.  block may be NULL. */
void *maas_realloc(MaasMem *mem, void *block, size_t bytes, MaasError *err);
void maas_free(MaasMem *mem, void *block); /* block may be NULL */
/* The size that was asked for when block was allocated. */
size_t maas_block_size(const void *block);

/* product = a * b; false on overflow. */
static inline bool maas_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

static inline bool maas_mul64(int64_t a, int64_t b, int64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* a / b rounded up; a >= 0, b > 0. */
static inline int64_t maas_ceil_div(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

static inline int64_t maas_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/*
 * An arena hands out small pieces that are all freed at once.
 */
typedef struct MaasArenaChunk MaasArenaChunk;

typedef struct MaasArena {
    MaasMem *mem;
    MaasArenaChunk *chunks; /* newest first */
} MaasArena;

void maas_arena_init(MaasArena *arena, MaasMem *mem);
void maas_arena_free(MaasArena *arena); /* frees all; the arena can be used again */
/* 16-byte aligned and zeroed; NULL with err set on failure. */
void *maas_arena_alloc(MaasArena *arena, size_t bytes, MaasError *err);
void *maas_arena_array(MaasArena *arena, size_t count, size_t size, MaasError *err);
/* A NUL-terminated copy of length bytes. */
char *maas_arena_strndup(MaasArena *arena, const char *text, size_t length, MaasError *err);
/* printf into the arena. */
char *maas_arena_printf(MaasArena *arena, MaasError *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
