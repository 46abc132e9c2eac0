/*
 * slab.h - an allocator inside of one block.
 *
 * For threads that may not ask the host for memory: the block is taken before they start.  What does not fit is
 * refused.  One thread at a time; nothing is locked.
 */
#ifndef MAAS_BASE_SLAB_H
#define MAAS_BASE_SLAB_H

#include "mem.h"

typedef struct MaasSlab {
    char *block;
    size_t bytes;
} MaasSlab;

/* block: 64-byte aligned, bytes long, as long as anything in it is in use. */
void maas_slab_init(MaasSlab *slab, void *block, size_t bytes);
/* An allocator for maas_mem_init whose ctx is the slab. */
MaasAllocator maas_slab_allocator(MaasSlab *slab);

#endif
