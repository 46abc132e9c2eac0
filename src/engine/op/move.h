/*
 * move.h - copies between two strided views of elements, the work behind most operators that only move data.
 */
#ifndef MAAS_OP_MOVE_H
#define MAAS_OP_MOVE_H

#include "op.h"

/* dst[i0*dst0 + i1*dst1 + ...] = src[i0*src0 + i1*src1 + ...] over all indices; strides in elements, those of
 * src may be zero or negative. */
typedef struct MaasMove {
    size_t size; /* bytes of an element: 1, 2, 4, 8 or 16 */
    int rank;
    int64_t dims[MAAS_MAX_RANK + 2];
    int64_t src_step[MAAS_MAX_RANK + 2];
    int64_t dst_step[MAAS_MAX_RANK + 2];
    const char *src;
    char *dst;
} MaasMove;

/* Does the copy; changes the description. */
MaasStatus maas_move(MaasCtx *c, MaasMove *move);
/* steps[i] = product of dims[i+1 ...] */
void maas_row_major(int rank, const int64_t *dims, int64_t *steps);
/* Writes n copies of one element. */
void maas_fill(void *dst, const void *element, size_t size, int64_t n);

#endif
