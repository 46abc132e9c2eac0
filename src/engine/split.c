/*
 * split.c - running a batch in pieces: on several threads, and so small that what a piece computes stays in the
 * cache.
 *
 * Only where the rows are proven independent (graph/batch_axis.h) and the plan of a piece knows all of its shapes.
 * Each thread has a plan of its own and a slab of memory that is taken before it starts: a thread never asks the
 * host for memory.  How much a piece takes is seen when one is run for the first time, alone; a piece that takes
 * more than its slab has is run again at the end by the caller's thread.  Results go straight into their rows of
 * the outputs.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/slab.h"
#include "base/threads.h"
#include "model.h"

#define MAX_SPLIT_THREADS 8
#define PIECE_BYTES ((size_t)4 << 20) /* of inputs, outputs and workspace */
#define THREAD_FLOPS 2e6              /* less is not worth waking a thread for */

/* What runs one piece at a time. */
typedef struct Slot {
    MaasPlan *plan;
    MaasMem mem; /* over the slab */
    MaasSlab slab;
    MaasRun run;
    MaasValue *in, *out; /* the rows of a piece, seen as values */
    MaasValue **in_ptr, **out_ptr;
    MaasError err;
    int64_t failed; /* the piece that err is about; -1: none */
    atomic_flag busy;
} Slot;

typedef struct Split {
    MaasModel *model;
    MaasMem *mem;
    MaasStop stop;
    int n_in, n_wanted;
    MaasValue *const *inputs;
    MaasValue **outputs;
    int64_t n, rows, n_pieces; /* rows in all, of a piece; the last one may be smaller */
    int64_t first;             /* piece that is not done yet */
    MaasPlan *rest;            /* of the last piece when it is smaller */
    int n_slots;
    Slot slots[MAX_SPLIT_THREADS];
    uint8_t *again;   /* per piece: its slab was too small */
    atomic_int error; /* a piece has failed: the others are left out */
} Split;

/* Rows [from, to) of a value as a value that shares the memory. */
static void rows_of(const MaasValue *value, int64_t from, int64_t to, MaasValue *piece)
{
    const MaasTensor *t = &value->tensor;
    int64_t row = t->dims[0] ? t->count / t->dims[0] : 0;

    *piece = (MaasValue){.kind = MAAS_KIND_TENSOR, .refs = 2, .tensor = *t}; /* 2: nobody takes its memory */
    piece->tensor.buffer = NULL;
    piece->tensor.dims[0] = to - from;
    piece->tensor.count = (to - from) * row;
    piece->tensor.data = (char *)t->data + (size_t)(from * row) * maas_type_size(t->type);
}

static MaasStatus run_piece(const Split *s, Slot *slot, MaasRun *run, int64_t piece, MaasError *err)
{
    int64_t from = piece * s->rows, to = s->n - from < s->rows ? s->n : from + s->rows;

    for (int i = 0; i < s->n_in; i++)
        rows_of(s->inputs[i], from, to, &slot->in[i]);
    for (int i = 0; i < s->n_wanted; i++)
        rows_of(s->outputs[i], from, to, &slot->out[i]);
    return maas_plan_run_into(to - from < s->rows ? s->rest : slot->plan, run, slot->in_ptr, slot->out_ptr, err);
}

static Slot *claim(Split *s)
{
    for (int i = 0;; i = (i + 1) % s->n_slots) /* as many slots as threads: one is free */
        if (!atomic_flag_test_and_set_explicit(&s->slots[i].busy, memory_order_acquire))
            return &s->slots[i];
}

/* Pieces [from, to) of those that are left. */
static void run_pieces(void *arg, int64_t from, int64_t to)
{
    Split *s = arg;
    Slot *slot = claim(s);

    for (int64_t i = s->first + from; i < s->first + to && slot->failed < 0; i++) {
        if (atomic_load_explicit(&s->error, memory_order_relaxed))
            break;
        MaasStatus status = run_piece(s, slot, &slot->run, i, &slot->err);

        if (status == MAAS_ERR_MEMORY)
            s->again[i] = 1;
        else if (status != MAAS_OK) {
            slot->failed = i;
            atomic_store_explicit(&s->error, 1, memory_order_relaxed);
        }
    }
    atomic_flag_clear_explicit(&slot->busy, memory_order_release);
}

/* ---- whether and how ---- */

/* The number of rows; 0 when the batch cannot be split. */
static int64_t rows_in(const MaasModel *model, MaasValue *const *inputs, int n_wanted, const int *ports)
{
    const MaasModelInfo *info = &model->info;
    int64_t n = -1;

    for (int i = 0; i < n_wanted; i++) /* strings would live in the memory of the piece */
        if (info->outputs[ports[i]].mixed || info->outputs[ports[i]].type == MAAS_STRING)
            return 0;
    for (int i = 0; i < info->n_inputs; i++) {
        const MaasValue *v = inputs[i];

        /* the proof is for inputs that are left at their defaults */
        if (!v || info->inputs[i].optional || v->kind != MAAS_KIND_TENSOR || v->tensor.rank < 1 ||
            (n >= 0 && v->tensor.dims[0] != n))
            return 0;
        n = v->tensor.dims[0];
    }
    return n_wanted > 0 && n >= 2 ? n : 0;
}

/* Bytes that one row takes, of inputs, outputs and what lies between; no more than those of a piece. */
static size_t bytes_of_row(const Split *s, const MaasPlan *whole)
{
    double bytes = (double)maas_plan_workspace(whole);

    for (int i = 0; i < s->n_in; i++)
        bytes += (double)maas_tensor_bytes(&s->inputs[i]->tensor);
    for (int i = 0; i < s->n_wanted; i++) {
        double size = (double)maas_type_size(maas_plan_output(whole, i)->type);

        for (int d = 0; d < maas_plan_output(whole, i)->rank; d++)
            size *= (double)maas_plan_output(whole, i)->dims[d];
        bytes += size;
    }
    bytes /= (double)s->n;
    return bytes < PIECE_BYTES ? (size_t)bytes + 1 : PIECE_BYTES;
}

/* Rows of a piece: they fit the cache, and all threads get as many.  given: what the caller wants, or 0. */
static void choose_pieces(Split *s, size_t row, int threads, int64_t given)
{
    int64_t most = given > 0 ? given : (int64_t)(PIECE_BYTES / row), pieces;

    if (most < 1)
        most = 1;
    pieces = s->n / most + (s->n % most != 0);
    if (pieces % threads)
        pieces += threads - pieces % threads;
    if (pieces > s->n)
        pieces = s->n;
    s->rows = s->n / pieces + (s->n % pieces != 0);
    s->n_pieces = s->n / s->rows + (s->n % s->rows != 0);
    s->n_slots = threads < s->n_pieces ? threads : (int)s->n_pieces;
}

/* ---- making ready ---- */

static MaasStatus make_outputs(Split *s, const MaasPlan *whole, MaasError *err)
{
    for (int i = 0; i < s->n_wanted; i++) {
        const MaasInfo *info = maas_plan_output(whole, i);

        MAAS_TRY(maas_value_new_tensor(s->mem, info->type, info->rank, info->dims, &s->outputs[i], err));
    }
    return MAAS_OK;
}

/* Room for the views of each slot, in one block that the caller frees. */
static MaasStatus make_views(Split *s, void **block, MaasError *err)
{
    size_t n = (size_t)(s->n_in + s->n_wanted), each = n * (sizeof(MaasValue) + sizeof(MaasValue *));
    char *at = maas_zalloc_array(s->mem, (size_t)s->n_slots, each, err);

    *block = at;
    if (!at)
        return err->status;
    for (int k = 0; k < s->n_slots; k++, at += each) {
        Slot *slot = &s->slots[k];

        slot->in = (MaasValue *)(void *)at;
        slot->out = slot->in + s->n_in;
        slot->in_ptr = (MaasValue **)(void *)(slot->out + s->n_wanted);
        slot->out_ptr = slot->in_ptr + s->n_in;
        for (int i = 0; i < s->n_in; i++)
            slot->in_ptr[i] = &slot->in[i];
        for (int i = 0; i < s->n_wanted; i++)
            slot->out_ptr[i] = &slot->out[i];
        slot->failed = -1;
        atomic_flag_clear(&slot->busy);
    }
    return MAAS_OK;
}

/* The plans of the slots, and one for what is left. */
static MaasStatus make_plans(Split *s, const int *edges, MaasError *err)
{
    MaasPlan *plans[MAX_SPLIT_THREADS];
    Slot *slot = &s->slots[0];
    int64_t left = s->n % s->rows;

    for (int i = 0; i < s->n_in; i++)
        rows_of(s->inputs[i], 0, left, &slot->in[i]);
    if (left)
        MAAS_TRY(maas_model_plans(s->model, s->stop, slot->in_ptr, s->n_wanted, edges, 1, &s->rest, err));
    for (int i = 0; i < s->n_in; i++)
        rows_of(s->inputs[i], 0, s->rows, &slot->in[i]);
    MAAS_TRY(maas_model_plans(s->model, s->stop, slot->in_ptr, s->n_wanted, edges, s->n_slots, plans, err));
    for (int k = 0; k < s->n_slots; k++)
        s->slots[k].plan = plans[k];
    return MAAS_OK;
}

/* Whether the plans do what the proof says: a piece's output has its rows. */
static bool plans_fit(const Split *s)
{
    for (int i = 0; i < s->n_wanted; i++) {
        const MaasInfo *info = maas_plan_output(s->slots[0].plan, i);
        const MaasTensor *whole = &s->outputs[i]->tensor;

        if (!info || info->rank != whole->rank || info->rank < 1 || info->dims[0] != s->rows ||
            whole->dims[0] != s->n || (s->rest && !maas_plan_output(s->rest, i)))
            return false;
        for (int d = 1; d < info->rank; d++)
            if (info->dims[d] != whole->dims[d])
                return false;
    }
    return true;
}

/* ---- running ---- */

/* Runs a piece on the caller's thread and memory, and notes how much it took. */
static MaasStatus run_measured(Split *s, int64_t piece, MaasError *err)
{
    Slot *slot = &s->slots[0];
    size_t used = s->mem->used, peak = s->mem->peak, took;
    MaasRun run;

    s->mem->peak = used;
    maas_run_init(&run, s->mem, s->stop, 1);
    MaasStatus status = run_piece(s, slot, &run, piece, err);

    maas_run_end(&run);
    took = s->mem->peak - used + maas_plan_workspace(slot->plan) + 1; /* this plan may have kept its workspace */
    if (peak > s->mem->peak)
        s->mem->peak = peak;
    for (int k = 0; k < s->n_slots; k++)
        if (maas_plan_run_bytes(s->slots[k].plan) < took)
            maas_plan_set_run_bytes(s->slots[k].plan, took);
    return status;
}

/* Runs the pieces from s->first on, each slot in a slab of its own. */
static MaasStatus run_slots(Split *s, MaasError *err)
{
    size_t bytes = maas_plan_run_bytes(s->slots[0].plan), total;
    char *slabs;
    MaasStatus status = MAAS_OK;

    bytes = (bytes + bytes / 8 + (64 << 10)) & ~(size_t)63; /* for the slab's own headers */
    if (!maas_mul(bytes, (size_t)s->n_slots, &total))
        return maas_fail(err, MAAS_ERR_LIMIT, "the pieces of a batch are too large");
    slabs = maas_alloc(s->mem, total, err);
    if (!slabs)
        return err->status;
    for (int k = 0; k < s->n_slots; k++) {
        Slot *slot = &s->slots[k];
        MaasAllocator host;

        maas_slab_init(&slot->slab, slabs + (size_t)k * bytes, bytes);
        host = maas_slab_allocator(&slot->slab);
        maas_mem_init(&slot->mem, &host, 0);
        maas_run_init(&slot->run, &slot->mem, s->stop, 1);
    }
    bool whole = maas_threads_run(s->n_slots, s->n_pieces - s->first, 1, run_pieces, s, &s->stop);
    int64_t failed = INT64_MAX;

    for (int k = 0; k < s->n_slots; k++) {
        Slot *slot = &s->slots[k];

        maas_run_end(&slot->run);
        if (slot->failed >= 0 && slot->failed < failed) {
            failed = slot->failed;
            *err = slot->err;
            status = err->status;
        }
    }
    maas_free(s->mem, slabs);
    return status == MAAS_OK && !whole ? maas_fail(err, MAAS_ERR_CANCEL, "stopped") : status;
}

static MaasStatus run_all(Split *s, MaasError *err)
{
    /* a piece that runs alone tells how much memory one takes */
    if (maas_plan_run_bytes(s->slots[0].plan) == 0) {
        MAAS_TRY(run_measured(s, 0, err));
        s->first = 1;
    }
    MAAS_TRY(run_slots(s, err));
    for (int64_t i = s->first; i < s->n_pieces; i++)
        if (s->again[i])
            MAAS_TRY(run_measured(s, i, err));
    return MAAS_OK;
}

/* Everything once the pieces are chosen; false in *fits when the plans are not what was expected. */
static MaasStatus run_split(Split *s, const MaasPlan *whole, const int *edges, bool *fits, MaasError *err)
{
    void *views = NULL;
    MaasStatus status = make_outputs(s, whole, err);

    if (status == MAAS_OK)
        status = make_views(s, &views, err);
    s->again = status == MAAS_OK ? maas_zalloc(s->mem, (size_t)s->n_pieces, err) : NULL;
    if (status == MAAS_OK && !s->again)
        status = err->status;
    if (status == MAAS_OK)
        status = make_plans(s, edges, err);
    *fits = status == MAAS_OK && plans_fit(s);
    if (*fits)
        status = run_all(s, err);
    maas_free(s->mem, s->again);
    maas_free(s->mem, views);
    for (int i = 0; i < s->n_wanted && (status != MAAS_OK || !*fits); i++) {
        maas_value_unref(s->outputs[i]);
        s->outputs[i] = NULL;
    }
    return status;
}

MaasStatus maas_split_run(MaasModel *model, const MaasRunOptions *options, MaasValue *const *inputs, int n_wanted,
                          const int *ports, const int *edges, MaasValue **values, bool *done, MaasError *err)
{
    int64_t n = rows_in(model, inputs, n_wanted, ports);
    int threads = options->threads < MAX_SPLIT_THREADS ? options->threads : MAX_SPLIT_THREADS;
    MaasPlan *whole;
    Split *s;
    MaasStatus status;

    if (n == 0)
        return MAAS_OK;
    s = maas_zalloc(options->mem, sizeof *s, err);
    if (!s)
        return err->status;
    s->model = model;
    s->mem = options->mem;
    s->stop = (MaasStop){{options->stop, options->stop_too}};
    s->n_in = model->info.n_inputs;
    s->n_wanted = n_wanted;
    s->inputs = inputs;
    s->outputs = values;
    s->n = n;
    status = maas_model_plans(model, s->stop, inputs, n_wanted, edges, 1, &whole, err);
    if (status == MAAS_OK && maas_plan_output(whole, 0)) {
        if (threads < 1 || n < threads ||
            (options->piece_rows == 0 && maas_plan_flops(whole) < THREAD_FLOPS * threads))
            threads = 1;
        choose_pieces(s, bytes_of_row(s, whole), threads, options->piece_rows);
        if (s->n_pieces > 1)
            status = run_split(s, whole, edges, done, err);
    }
    maas_free(options->mem, s);
    return status;
}
