/*
 * move.c - copies between two strided views: merges dimensions, picks the two inner ones, runs the kernel.
 *
 * Owns no memory.  The shapes and strides are trusted.
 */
#include <string.h>

#include "../kernel/kernel.h"
#include "move.h"

#define MOVE_GRAIN 65536 /* elements that are worth a piece of their own */

void maas_row_major(int rank, const int64_t *dims, int64_t *steps)
{
    int64_t step = 1;

    for (int i = rank - 1; i >= 0; i--) {
        steps[i] = step;
        step *= dims[i];
    }
}

void maas_fill(void *dst, const void *element, size_t size, int64_t n)
{
    if (n > 0)
        maas_kernel->move_2d(size, 1, n, element, 0, 0, dst, 0, 1);
}

/* Drops dimensions of one and joins those that are contiguous on both sides. */
static void merge(MaasMove *m)
{
    int rank = 0;

    for (int i = 0; i < m->rank; i++) {
        if (m->dims[i] == 1)
            continue;
        if (rank > 0 && m->src_step[rank - 1] == m->src_step[i] * m->dims[i] &&
            m->dst_step[rank - 1] == m->dst_step[i] * m->dims[i]) {
            m->dims[rank - 1] *= m->dims[i];
            m->src_step[rank - 1] = m->src_step[i];
            m->dst_step[rank - 1] = m->dst_step[i];
            continue;
        }
        m->dims[rank] = m->dims[i];
        m->src_step[rank] = m->src_step[i];
        m->dst_step[rank] = m->dst_step[i];
        rank++;
    }
    m->rank = rank;
}

/* Takes dimension i out of the description. */
static void take_dim(MaasMove *m, int i, int64_t *n, int64_t *src_step, int64_t *dst_step)
{
    *n = m->dims[i];
    *src_step = m->src_step[i];
    *dst_step = m->dst_step[i];
    for (m->rank--; i < m->rank; i++) {
        m->dims[i] = m->dims[i + 1];
        m->src_step[i] = m->src_step[i + 1];
        m->dst_step[i] = m->dst_step[i + 1];
    }
}

typedef struct MoveJob {
    MaasMove outer;
    int64_t rows, src_row, dst_row;
    int64_t cols, src_col, dst_col;
} MoveJob;

static void move_part(void *arg, int64_t from, int64_t to)
{
    const MoveJob *job = arg;
    const MaasMove *m = &job->outer;
    int64_t at[MAAS_MAX_RANK + 2], src = 0, dst = 0, rest = from;

    for (int i = m->rank - 1; i >= 0; i--) {
        at[i] = rest % m->dims[i];
        rest /= m->dims[i];
        src += at[i] * m->src_step[i];
        dst += at[i] * m->dst_step[i];
    }
    for (int64_t n = from; n < to; n++) {
        maas_kernel->move_2d(m->size, job->rows, job->cols, m->src + src * (int64_t)m->size, job->src_row,
                             job->src_col, m->dst + dst * (int64_t)m->size, job->dst_row, job->dst_col);
        for (int i = m->rank - 1; i >= 0; i--) {
            src += m->src_step[i];
            dst += m->dst_step[i];
            if (++at[i] < m->dims[i])
                break;
            src -= m->src_step[i] * m->dims[i];
            dst -= m->dst_step[i] * m->dims[i];
            at[i] = 0;
        }
    }
}

MaasStatus maas_move(MaasCtx *c, MaasMove *move)
{
    MoveJob job = {.rows = 1, .cols = 1};
    int64_t outer = 1, grain;
    int row;

    for (int i = 0; i < move->rank; i++)
        if (move->dims[i] == 0)
            return MAAS_OK;
    merge(move);
    if (move->rank > 0)
        take_dim(move, move->rank - 1, &job.cols, &job.src_col, &job.dst_col);
    if (move->rank > 0) {
        row = move->rank - 1;
        for (int i = 0; i < move->rank; i++)
            if (job.src_col != 1 && move->src_step[i] == 1)
                row = i;
        take_dim(move, row, &job.rows, &job.src_row, &job.dst_row);
    }
    job.outer = *move;
    for (int i = 0; i < move->rank; i++)
        outer *= move->dims[i];
    if (outer == 1) {
        move_part(&job, 0, 1);
        return MAAS_OK;
    }
    grain = MOVE_GRAIN / (job.rows * job.cols);
    return maas_parallel(c, outer, grain < 1 ? 1 : grain, move_part, &job);
}
