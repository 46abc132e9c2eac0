/*
 * attend.h - softmax(scale * Q K + mask) V in float32, for Attention and FusedAttention.
 *
 * Q, K, V and the result are read and written where they lie, whichever way their heads are laid out.
 */
#ifndef MAAS_OP_ATTEND_H
#define MAAS_OP_ATTEND_H

#include "op.h"

/* Steps in elements between examples, heads and rows; between columns 1, unless it is turned. */
typedef struct MaasHeadsF32 {
    float *data;
    int64_t batch, head, row;
    bool turned; /* columns are `row` apart, rows are not */
} MaasHeadsF32;

typedef struct MaasAttend {
    MaasHeadsF32 q, k, v, y;
    int64_t batch, heads, group; /* `group` heads of the result share one of K and V */
    int64_t queries, keys;       /* of the result */
    int64_t size, width;         /* columns of Q and K, of V and the result */
    bool one_query, one_key;     /* the scores of a single one are repeated for all */
    float scale, softcap;        /* 0: no cap */

    /* Added to the scores: NULL, or (batch, heads, queries, keys) with these steps, the last 0 or 1. */
    const float *mask;
    int64_t mask_step[4];

    /* Scores where this is `hide_when` become `hidden`, before the mask is added: NULL, or as mask. */
    const uint8_t *hide;
    int64_t hide_step[4];
    bool hide_when;
    float hidden;

    /* Query i of example b sees keys [at - left, at + right] below `seen`, at = i + past, or, with lengths, below
     * lengths[b], at = i + lengths[b] - queries.  INT64_MAX: no limit. */
    int64_t left, right, seen, past;
    const int64_t *lengths;
    bool in_step; /* all queries stand at the place of the first */

    bool zero_unseen; /* the result for a query that sees no key is 0, not NaN */
    bool zero_nan;    /* NaN among the probabilities counts as 0 */
} MaasAttend;

/* Reads q, k, v and the masks, writes y. */
MaasStatus maas_attend(MaasCtx *c, const MaasAttend *a);

/* The steps of a mask of this shape that is broadcast to four axes, aligned at the right. */
void maas_attend_steps(int rank, const int64_t *dims, int64_t *step);

#endif
