/*
 * slab.c - first fit in a list of spans that fill the block; a span that is freed joins its neighbours.
 *
 * A run holds few pieces of memory at a time, so that the list is short.
 */
#include "slab.h"

#define ALIGN 64

/* Stands before each span's memory; the spans follow one another without gaps. */
typedef struct Span {
    size_t bytes; /* of the span, this header included */
    bool used;
} Span;

static Span *span_at(const MaasSlab *slab, size_t at)
{
    return (Span *)(void *)(slab->block + at);
}

void maas_slab_init(MaasSlab *slab, void *block, size_t bytes)
{
    slab->block = block;
    slab->bytes = bytes & ~(size_t)(ALIGN - 1);
    if (slab->bytes)
        *span_at(slab, 0) = (Span){.bytes = slab->bytes};
}

static void *slab_alloc(void *ctx, size_t bytes)
{
    MaasSlab *slab = ctx;
    size_t need;

    if (__builtin_add_overflow(bytes, 2 * ALIGN - 1, &need))
        return NULL;
    need &= ~(size_t)(ALIGN - 1);
    for (size_t at = 0; at < slab->bytes;) {
        Span *span = span_at(slab, at);
        size_t next = at + span->bytes;

        while (!span->used && next < slab->bytes && !span_at(slab, next)->used) { /* joined late, when looked at */
            span->bytes += span_at(slab, next)->bytes;
            next = at + span->bytes;
        }
        if (!span->used && span->bytes >= need) {
            if (span->bytes > need)
                *span_at(slab, at + need) = (Span){.bytes = span->bytes - need};
            *span = (Span){.bytes = need, .used = true};
            return slab->block + at + ALIGN;
        }
        at = next;
    }
    return NULL;
}

static void slab_free(void *ctx, void *block)
{
    Span *span = (Span *)(void *)((char *)block - ALIGN);

    span->used = false;
}

MaasAllocator maas_slab_allocator(MaasSlab *slab)
{
    return (MaasAllocator){slab_alloc, slab_free, slab};
}
