/*
 * broadcast.c - elementwise kernels over whole tensors, and the broadcasting of old opsets.
 */
#include <string.h>

#include "adapt.h"
#include "broadcast.h"
#include "dims.h"

#define PIECE 65536 /* elements between two looks at the stop flag */

/* ---- plan ---- */

void maas_broadcast_plan(MaasBroadcast *b, int rank, const int64_t *dims, int n, const MaasTensor *const *in)
{
    int64_t steps[MAAS_BROADCAST_MAX][MAAS_MAX_RANK];
    int used = 0;

    for (int i = 0; i < n; i++) {
        int64_t step = 1;

        for (int d = rank - 1; d >= 0; d--) {
            int own = d - (rank - in[i]->rank);

            steps[i][d] = own < 0 || in[i]->dims[own] == 1 ? 0 : step;
            if (own >= 0)
                step *= in[i]->dims[own];
        }
    }
    b->n = n;
    for (int d = 0; d < rank; d++) {
        bool merge = used > 0;

        if (dims[d] == 1)
            continue;
        for (int i = 0; i < n && merge; i++)
            merge = b->steps[i][used - 1] == steps[i][d] * dims[d];
        if (!merge)
            used++;
        b->dims[used - 1] = merge ? b->dims[used - 1] * dims[d] : dims[d];
        for (int i = 0; i < n; i++)
            b->steps[i][used - 1] = steps[i][d];
    }
    for (; used < 2; used++) { /* ones in front */
        memmove(b->dims + 1, b->dims, sizeof b->dims[0] * (size_t)used);
        b->dims[0] = 1;
        for (int i = 0; i < n; i++) {
            memmove(b->steps[i] + 1, b->steps[i], sizeof b->steps[i][0] * (size_t)used);
            b->steps[i][0] = 0;
        }
    }
    b->rank = used;
}

/* ---- run ---- */

typedef struct Job {
    const MaasBroadcast *b;
    MaasBlockFn fn;
    void *arg;
    int64_t row_piece, col_piece;   /* rows and columns of a block */
    int64_t row_pieces, col_pieces; /* blocks of one (rows, cols) */
} Job;

static void run_blocks(void *arg, int64_t from, int64_t to)
{
    const Job *job = arg;
    const MaasBroadcast *b = job->b;
    const int64_t rows = b->dims[b->rank - 2], cols = b->dims[b->rank - 1];
    int64_t steps[2 * MAAS_BROADCAST_MAX];

    for (int i = 0; i < b->n; i++) {
        steps[2 * i] = b->steps[i][b->rank - 2];
        steps[2 * i + 1] = b->steps[i][b->rank - 1];
    }
    for (int64_t block = from; block < to; block++) {
        int64_t col = block % job->col_pieces * job->col_piece;
        int64_t row = block / job->col_pieces % job->row_pieces * job->row_piece;
        int64_t rest = block / (job->col_pieces * job->row_pieces);
        int64_t at[MAAS_BROADCAST_MAX], out = (rest * rows + row) * cols + col;

        for (int i = 0; i < b->n; i++)
            at[i] = row * steps[2 * i] + col * steps[2 * i + 1];
        for (int d = b->rank - 3; d >= 0; d--) {
            int64_t k = rest % b->dims[d];

            rest /= b->dims[d];
            for (int i = 0; i < b->n; i++)
                at[i] += k * b->steps[i][d];
        }
        job->fn(job->arg, at, out, rows - row < job->row_piece ? rows - row : job->row_piece,
                cols - col < job->col_piece ? cols - col : job->col_piece, steps);
    }
}

MaasStatus maas_broadcast_run(MaasCtx *c, const MaasBroadcast *b, MaasBlockFn fn, void *arg)
{
    const int64_t rows = b->dims[b->rank - 2], cols = b->dims[b->rank - 1];
    Job job = {.b = b, .fn = fn, .arg = arg};
    int64_t blocks = 1, grain;

    for (int d = 0; d < b->rank; d++)
        if (b->dims[d] == 0)
            return MAAS_OK;
    for (int d = 0; d < b->rank - 2; d++)
        blocks *= b->dims[d];
    if (cols >= PIECE) {
        job.row_piece = 1;
        job.col_piece = PIECE;
    } else {
        job.row_piece = rows < PIECE / cols ? rows : PIECE / cols;
        job.col_piece = cols;
    }
    job.row_pieces = (rows + job.row_piece - 1) / job.row_piece;
    job.col_pieces = (cols + job.col_piece - 1) / job.col_piece;
    blocks *= job.row_pieces * job.col_pieces;
    grain = PIECE / (job.row_piece * job.col_piece);
    if (blocks == 1) {
        run_blocks(&job, 0, 1);
        return MAAS_OK;
    }
    return maas_parallel(c, blocks, grain < 1 ? 1 : grain, run_blocks, &job);
}

/* ---- one and two arguments ---- */

typedef struct Binary {
    MaasBinaryFn fn;
    const char *a, *b;
    char *out;
    size_t size, out_size;
} Binary;

static void binary_block(void *arg, const int64_t *at, int64_t out, int64_t rows, int64_t cols,
                         const int64_t *steps)
{
    const Binary *job = arg;

    job->fn(job->a + (size_t)at[0] * job->size, job->b + (size_t)at[1] * job->size,
            job->out + (size_t)out * job->out_size, rows, cols, steps);
}

MaasStatus maas_binary(MaasCtx *c, MaasBinary op, const MaasTensor *a, const MaasTensor *b, const MaasTensor *out)
{
    const MaasTensor *const in[] = {a, b};
    Binary job = {maas_kernel->binary(op, a->type), a->data, b->data, out->data, maas_type_size(a->type),
                  maas_type_size(out->type)};
    MaasBroadcast plan;

    if (!job.fn || a->type != b->type)
        return maas_node_fail(c, MAAS_ERR_INTERNAL, "no kernel for %s and %s", maas_type_name(a->type),
                              maas_type_name(b->type));
    maas_broadcast_plan(&plan, out->rank, out->dims, 2, in);
    return maas_broadcast_run(c, &plan, binary_block, &job);
}

typedef struct Unary {
    MaasUnaryFn fn;
    const char *x;
    char *y;
    size_t size, out_size;
    float p[2];
} Unary;

static void unary_piece(void *arg, int64_t from, int64_t to)
{
    const Unary *job = arg;

    job->fn(job->x + (size_t)from * job->size, job->y + (size_t)from * job->out_size, to - from, job->p);
}

MaasStatus maas_unary(MaasCtx *c, MaasUnary op, const MaasTensor *x, const MaasTensor *out, float p0, float p1)
{
    Unary job = {maas_kernel->unary(op, x->type), x->data, out->data, maas_type_size(x->type),
                 maas_type_size(out->type),       {p0, p1}};

    if (!job.fn)
        return maas_node_fail(c, MAAS_ERR_INTERNAL, "no kernel for %s", maas_type_name(x->type));
    return maas_parallel(c, x->count, PIECE, unary_piece, &job);
}

MaasStatus maas_unary_node(MaasCtx *c, MaasUnary op, float p0, float p1)
{
    return maas_unary(c, op, maas_in(c, 0), maas_out(c, 0), p0, p1);
}

/* ---- opsets before 7 ---- */

MaasStatus maas_adapt_consumed(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    (void)graph, (void)err;
    if (version < 6)
        maas_adapt_drop_attr(node, "consumed_inputs");
    return MAAS_OK;
}

MaasStatus maas_adapt_old_broadcast(MaasGraph *graph, MaasNode *node, int version, MaasError *err)
{
    const MaasAttr *broadcast = maas_adapt_attr(node, "broadcast");

    if (version >= 7)
        return MAAS_OK;
    if (broadcast && broadcast->kind == MAAS_ATTR_INT && broadcast->i != 0)
        maas_adapt_rename_attr(node, "axis", "maas_axis");
    else
        maas_adapt_drop_attr(node, "axis");
    maas_adapt_drop_attr(node, "broadcast");
    return maas_adapt_consumed(graph, node, version, err);
}

/* Axes of size 1 to add behind the shape of input 1; negative when the axis does not fit. */
static int64_t trailing_ones(const MaasAttr *old_axis, int a_rank, int b_rank)
{
    if (!old_axis->set)
        return 0;
    if (old_axis->i < -(int64_t)a_rank || old_axis->i > a_rank)
        return -1;
    return a_rank - b_rank - (old_axis->i < 0 ? old_axis->i + a_rank : old_axis->i);
}

MaasStatus maas_infer_binary(MaasInferCtx *c)
{
    const MaasInfo *a = c->in[0], *b = c->in[1];
    int64_t dims[MAAS_MAX_RANK], b_dims[MAAS_MAX_RANK], more = 0;
    int rank = a->rank, b_rank = b->rank;

    if (rank < 0 || b_rank < 0)
        return maas_infer_out(c, 0, MAAS_UNDEFINED, -1, NULL);
    more = trailing_ones(&c->attr[0], rank, b_rank);
    if (more < 0)
        return maas_infer_fail(c, MAAS_ERR_SHAPE, "input B of rank %d does not fit at axis %lld of rank %d", b_rank,
                               (long long)c->attr[0].i, rank);
    memcpy(dims, a->dims, sizeof dims[0] * (size_t)rank);
    memcpy(b_dims, b->dims, sizeof dims[0] * (size_t)b_rank);
    for (; more > 0; more--)
        b_dims[b_rank++] = 1;
    MAAS_TRY(maas_infer_broadcast_dims(c, &rank, dims, b_rank, b_dims));
    return maas_infer_out(c, 0, MAAS_UNDEFINED, rank, dims);
}

MaasTensor maas_second_operand(const MaasCtx *c)
{
    MaasTensor b = *maas_in(c, 1);

    for (int64_t more = trailing_ones(&c->attr[0], maas_in(c, 0)->rank, b.rank); more > 0; more--)
        b.dims[b.rank++] = 1;
    return b;
}
