/*
 * mem.c - counted, bounded, 64-byte aligned blocks over the host's allocator, and arenas of small pieces.
 *
 * Before each block stands a header that knows where the host's block begins and how large it is.  Under
 * AddressSanitizer the slack behind a block and the free part of an arena's chunk are poisoned, so that an overrun
 * shows at the byte and not at the next 64.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#ifdef MAAS_SANITIZE
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

#define ALIGN 64

typedef struct Header {
    void *raw;       /* the host's block */
    size_t total;    /* its size */
    size_t capacity; /* bytes that were asked for at first: slack is not used, since it depends on the address */
    size_t size;     /* bytes that were asked for last */
} Header;

_Static_assert(sizeof(Header) <= ALIGN, "a header fits before an aligned block");

static void *host_malloc(void *ctx, size_t bytes)
{
    return malloc(bytes);
}

static void host_free(void *ctx, void *block)
{
    free(block);
}

const MaasAllocator maas_malloc_allocator = {host_malloc, host_free, NULL};

static inline Header *header_of(const void *block)
{
    return (Header *)(void *)((char *)(uintptr_t)block - sizeof(Header));
}

void maas_mem_init(MaasMem *mem, const MaasAllocator *host, size_t limit)
{
    *mem = (MaasMem){.host = *host, .limit = limit};
}

static void *fail_limit(const MaasMem *mem, size_t bytes, MaasError *err)
{
    maas_fail(err, MAAS_ERR_LIMIT, "%zu bytes are asked for, %zu are in use and the limit is %zu", bytes, mem->used,
              mem->limit);
    maas_error_hint(err, "Raise maas.memory_limit, or give less at once.");
    return NULL;
}

void *maas_alloc(MaasMem *mem, size_t bytes, MaasError *err)
{
    size_t total;
    void *raw, *block;

    if (__builtin_add_overflow(bytes, sizeof(Header) + ALIGN - 1, &total) || total > PTRDIFF_MAX) {
        maas_fail(err, MAAS_ERR_LIMIT, "%zu bytes are more than memory can hold", bytes);
        return NULL;
    }
    if (mem->limit && (mem->used > mem->limit || total > mem->limit - mem->used))
        return fail_limit(mem, bytes, err);
    raw = mem->host.alloc(mem->host.ctx, total);
    if (!raw) {
        maas_fail(err, MAAS_ERR_MEMORY, "out of memory: %zu bytes are asked for, %zu are in use", bytes, mem->used);
        return NULL;
    }
    block = (void *)(((uintptr_t)raw + sizeof(Header) + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1));
    *header_of(block) = (Header){
        .raw = raw,
        .total = total,
        .capacity = bytes,
        .size = bytes,
    };
    mem->used += total;
    if (mem->used > mem->peak)
        mem->peak = mem->used;
    ASAN_POISON_MEMORY_REGION((char *)block + bytes, (size_t)((char *)raw + total - (char *)block) - bytes);
    return block;
}

void *maas_zalloc(MaasMem *mem, size_t bytes, MaasError *err)
{
    void *block = maas_alloc(mem, bytes, err);

    return block ? memset(block, 0, bytes) : NULL;
}

static bool array_bytes(size_t count, size_t size, size_t *bytes, MaasError *err)
{
    if (maas_mul(count, size, bytes))
        return true;
    maas_fail(err, MAAS_ERR_LIMIT, "%zu elements of %zu bytes are more than memory can hold", count, size);
    return false;
}

void *maas_alloc_array(MaasMem *mem, size_t count, size_t size, MaasError *err)
{
    size_t bytes;

    return array_bytes(count, size, &bytes, err) ? maas_alloc(mem, bytes, err) : NULL;
}

void *maas_zalloc_array(MaasMem *mem, size_t count, size_t size, MaasError *err)
{
    size_t bytes;

    return array_bytes(count, size, &bytes, err) ? maas_zalloc(mem, bytes, err) : NULL;
}

void *maas_realloc(MaasMem *mem, void *block, size_t bytes, MaasError *err)
{
    Header *header;
    void *grown;

    if (!block)
        return maas_alloc(mem, bytes, err);
    header = header_of(block);
    if (bytes <= header->capacity && bytes >= header->capacity / 2) {
        header->size = bytes;
        ASAN_UNPOISON_MEMORY_REGION(block, bytes);
        ASAN_POISON_MEMORY_REGION((char *)block + bytes, header->capacity - bytes);
        return block;
    }
    grown = maas_alloc(mem, bytes, err);
    if (!grown)
        return NULL;
    memcpy(grown, block, header->size < bytes ? header->size : bytes);
    maas_free(mem, block);
    return grown;
}

void maas_free(MaasMem *mem, void *block)
{
    Header *header;

    if (!block)
        return;
    header = header_of(block);
    ASAN_UNPOISON_MEMORY_REGION(block, (size_t)((char *)header->raw + header->total - (char *)block));
    mem->used -= header->total;
    mem->host.free(mem->host.ctx, header->raw);
}

size_t maas_block_size(const void *block)
{
    return header_of(block)->size;
}

/* ---- arenas ---- */

#define PIECE_ALIGN 16
#define FIRST_CHUNK 2048
#define LAST_CHUNK (256 * 1024)

struct MaasArenaChunk {
    MaasArenaChunk *next;
    size_t used, size; /* bytes of data */
    _Alignas(PIECE_ALIGN) char data[];
};

void maas_arena_init(MaasArena *arena, MaasMem *mem)
{
    *arena = (MaasArena){.mem = mem};
}

void maas_arena_free(MaasArena *arena)
{
    while (arena->chunks) {
        MaasArenaChunk *chunk = arena->chunks;

        arena->chunks = chunk->next;
        maas_free(arena->mem, chunk);
    }
}

/* Adds a chunk with room for bytes.  One made for a single large piece goes behind the newest, which stays in use.
 */
static MaasArenaChunk *add_chunk(MaasArena *arena, size_t bytes, MaasError *err)
{
    MaasArenaChunk *newest = arena->chunks, *chunk;
    size_t size = newest ? newest->size * 2 : FIRST_CHUNK;
    bool large;

    if (size > LAST_CHUNK)
        size = LAST_CHUNK;
    large = bytes > size / 2;
    if (large)
        size = bytes;
    chunk = maas_alloc(arena->mem, sizeof *chunk + size, err);
    if (!chunk)
        return NULL;
    chunk->used = 0;
    chunk->size = size;
    ASAN_POISON_MEMORY_REGION(chunk->data, size);
    if (large && newest) {
        chunk->next = newest->next;
        newest->next = chunk;
    } else {
        chunk->next = newest;
        arena->chunks = chunk;
    }
    return chunk;
}

void *maas_arena_alloc(MaasArena *arena, size_t bytes, MaasError *err)
{
    MaasArenaChunk *chunk = arena->chunks;
    size_t rounded;
    char *piece;

    if (bytes > PTRDIFF_MAX / 2) {
        maas_fail(err, MAAS_ERR_LIMIT, "%zu bytes are more than memory can hold", bytes);
        return NULL;
    }
    rounded = (bytes + PIECE_ALIGN - 1) & ~(size_t)(PIECE_ALIGN - 1);
    if (rounded == 0)
        rounded = PIECE_ALIGN; /* pieces differ in address */
    if (!chunk || rounded > chunk->size - chunk->used) {
        chunk = add_chunk(arena, rounded, err);
        if (!chunk)
            return NULL;
    }
    piece = chunk->data + chunk->used;
    chunk->used += rounded;
    ASAN_UNPOISON_MEMORY_REGION(piece, bytes);
    return memset(piece, 0, bytes);
}

void *maas_arena_array(MaasArena *arena, size_t count, size_t size, MaasError *err)
{
    size_t bytes;

    return array_bytes(count, size, &bytes, err) ? maas_arena_alloc(arena, bytes, err) : NULL;
}

char *maas_arena_strndup(MaasArena *arena, const char *text, size_t length, MaasError *err)
{
    char *copy = length < SIZE_MAX ? maas_arena_alloc(arena, length + 1, err) : NULL;

    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

char *maas_arena_printf(MaasArena *arena, MaasError *err, const char *format, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) {
        maas_fail(err, MAAS_ERR_INTERNAL, "the format \"%s\" cannot be written", format);
        return NULL;
    }
    text = maas_arena_alloc(arena, (size_t)n + 1, err);
    if (!text)
        return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}
