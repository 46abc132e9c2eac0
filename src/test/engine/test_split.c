/*
 * test_split.c - a batch in pieces: the slab, failures in a piece, memory that runs out, a stop.  That pieces give
 * the same results, the conformance tool tests on every case.
 */
#include <stdio.h>

#include "../../engine/base/slab.h"
#include "../../engine/model.h"
#include "onnx_build.h"

#define GRAPH 7
#define NODE 1
#define INITIALIZER 5
#define INPUT 11
#define OUTPUT 12

TEST(slab_blocks)
{
    enum { N = 40, BYTES = 64 << 10 };
    static _Alignas(64) char block[BYTES];
    MaasSlab slab;
    char *held[N] = {NULL};
    size_t sizes[N];
    unsigned seed = 1;

    maas_slab_init(&slab, block, BYTES);
    MaasAllocator host = maas_slab_allocator(&slab);

    for (int turn = 0; turn < 20000; turn++) {
        int i = (int)((seed = seed * 1103515245 + 12345) >> 16) % N;

        if (held[i]) {
            for (size_t k = 0; k < sizes[i]; k++)
                if (held[i][k] != (char)i) {
                    test_fail(__FILE__, __LINE__, "a block was written over");
                    return;
                }
            host.free(host.ctx, held[i]);
            held[i] = NULL;
            continue;
        }
        sizes[i] = ((seed = seed * 1103515245 + 12345) >> 16) % 5000;
        held[i] = host.alloc(host.ctx, sizes[i]);
        if (!held[i])
            continue;
        CHECK(((uintptr_t)held[i] & 63) == 0);
        CHECK(held[i] >= block && held[i] + sizes[i] <= block + BYTES);
        memset(held[i], i, sizes[i]);
    }
    for (int i = 0; i < N; i++)
        if (held[i])
            host.free(host.ctx, held[i]);
    CHECK(host.alloc(host.ctx, BYTES) == NULL);
    CHECK(host.alloc(host.ctx, SIZE_MAX - 10) == NULL);
    CHECK(host.alloc(host.ctx, BYTES - 128) != NULL); /* all spans have joined */
}

/* The input x of that type, of n free dimensions. */
static void build_input(Build *b, MaasType type, int n)
{
    static const char *const names[] = {"N", "S", "T"};

    build_open(b, INPUT);
    build_text(b, 1, "x");
    build_open(b, 2);
    build_open(b, 1);
    maas_pb_put_int(&b->out, 1, type);
    build_open(b, 2);
    for (int i = 0; i < n; i++) {
        build_open(b, 1);
        build_text(b, 2, names[i]);
        build_close(b);
    }
    for (int i = 0; i < 4; i++)
        build_close(b);
}

/* y = table[x], ReLU: an index out of range fails in its row. */
static void build_lookup(Build *b)
{
    static const float table[8] = {-1, 2, -3, 4, 5, -6, 7, 8};

    build_start(b, 8, 18);
    build_open(b, GRAPH);
    build_text(b, 2, "lookup");
    build_input(b, MAAS_INT64, 1);
    build_tensor(b, INITIALIZER, "table", MAAS_FLOAT, 2, (int64_t[]){4, 2}, table, sizeof table);
    build_node(b, NODE, "Gather", "", "table x", "picked", false);
    build_node(b, NODE, "Relu", "", "picked", "y", false);
    build_open(b, OUTPUT);
    build_text(b, 1, "y");
    while (b->n_marks > 0)
        build_close(b);
}

typedef struct Call {
    Build b;
    int64_t rows, piece_rows;
    int threads, bad; /* the row with an index out of range; -1: none */
    const volatile int *stop;
    bool forget; /* what was learnt of a piece's memory: each piece finds its slab too small */
} Call;

static MaasStatus run_twice(MaasModel *model, MaasMem *mem, const Call *call, MaasError *err)
{
    MaasRunOptions options = {
        .mem = mem, .threads = call->threads, .piece_rows = call->piece_rows, .stop = call->stop};
    MaasStatus status = MAAS_OK;
    MaasValue *x;

    MAAS_TRY(maas_value_new_tensor(mem, MAAS_INT64, 1, &call->rows, &x, err));
    for (int64_t i = 0; i < call->rows; i++)
        MAAS_I64(&x->tensor)[i] = i == call->bad ? 4 : i % 4;
    for (int turn = 0; turn < 2 && status == MAAS_OK; turn++) {
        static const float want[8] = {0, 2, 0, 4, 5, 0, 7, 8};
        MaasResults *results = NULL;

        status = maas_model_run(model, &options, (const MaasValue *const[]){x}, 1, (int[]){0}, &results, err);
        for (int64_t i = 0; status == MAAS_OK && i < call->rows * 2; i++)
            CHECK(MAAS_F32(&maas_results_get(results, 0)->tensor)[i] == want[i % 8]);
        maas_results_free(results);
        for (int i = 0; call->forget && i < model->n_plans; i++)
            maas_plan_set_run_bytes(model->plans[i], 1);
    }
    maas_value_unref(x);
    return status;
}

static MaasStatus load_and_run(MaasMem *mem, void *arg, MaasError *err)
{
    const Call *call = arg;
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasModel *model;

    MAAS_TRY(maas_model_load(call->b.out.data, call->b.out.size, &options, &model, err));
    MaasStatus status = run_twice(model, mem, call, err);

    maas_model_free(model);
    return status;
}

/* Loads and runs once, with the allocations as they come. */
static MaasStatus once(Call *call, MaasError *err)
{
    TestHost host;
    MaasMem mem;

    test_host_init(&host, &mem);
    MaasStatus status = load_and_run(&mem, call, err);

    CHECK_NO_LEAK(&host, &mem);
    return status;
}

TEST(split_pieces)
{
    Call call = {.bad = -1};
    MaasError err = {0};

    build_lookup(&call.b);
    for (call.rows = 1; call.rows <= 9; call.rows++)
        for (call.piece_rows = 0; call.piece_rows <= 4; call.piece_rows++)
            for (call.threads = 1; call.threads <= 4; call.threads++)
                for (int forget = 0; forget < 2; forget++) {
                    call.forget = forget;
                    CHECK(once(&call, &err) == MAAS_OK);
                }
    build_free(&call.b);
}

TEST(split_failures)
{
    Call call = {.rows = 9, .piece_rows = 2, .threads = 3};
    volatile int stop = 1;
    MaasError err = {0};

    build_lookup(&call.b);
    for (call.bad = 0; call.bad < 9; call.bad++)
        CHECK_FAILS(once(&call, &err), MAAS_ERR_VALUE, "index 4 at place");
    call.bad = -1;
    call.stop = &stop;
    CHECK_FAILS(once(&call, &err), MAAS_ERR_CANCEL, "stopped");
    build_free(&call.b);
}

TEST(split_memory)
{
    Call call = {.rows = 7, .piece_rows = 2, .bad = -1};

    build_lookup(&call.b);
    for (call.threads = 1; call.threads <= 2; call.threads++)
        CHECK_EACH_FAILURE(load_and_run, &call);
    build_free(&call.b);
}

#define WIDE 640

/* y = x W, with examples of any length; a row of y repeats that of x ten times. */
static void build_product(Build *b)
{
    static float w[64 * WIDE];

    for (int i = 0; i < WIDE; i++)
        w[i % 64 * WIDE + i] = 1;
    build_start(b, 8, 18);
    build_open(b, GRAPH);
    build_text(b, 2, "product");
    build_input(b, MAAS_FLOAT, 3);
    build_tensor(b, INITIALIZER, "w", MAAS_FLOAT, 2, (int64_t[]){64, WIDE}, w, sizeof w);
    build_node(b, NODE, "MatMul", "", "x w", "y", false);
    build_open(b, OUTPUT);
    build_text(b, 1, "y");
    while (b->n_marks > 0)
        build_close(b);
}

/* Runs n examples of that length.  Plans: how many that took. */
static MaasStatus run_length(MaasModel *model, MaasMem *mem, int64_t n, int64_t length, int threads, int *plans,
                             MaasError *err)
{
    MaasRunOptions options = {.mem = mem, .threads = threads};
    MaasResults *results = NULL;
    MaasValue *x;

    *plans = model->n_plans;
    MAAS_TRY(maas_value_new_tensor(mem, MAAS_FLOAT, 3, (int64_t[]){n, length, 64}, &x, err));
    for (int64_t i = 0; i < x->tensor.count; i++)
        MAAS_F32(&x->tensor)[i] = (float)(i % 1009);
    MaasStatus status =
        maas_model_run(model, &options, (const MaasValue *const[]){x}, 1, (int[]){0}, &results, err);
    int64_t wrong = 0;

    for (int64_t i = 0; status == MAAS_OK && i < n * length * WIDE; i++)
        wrong += MAAS_F32(&maas_results_get(results, 0)->tensor)[i] !=
                 MAAS_F32(&x->tensor)[i / WIDE * 64 + i % WIDE % 64];
    CHECK_INT(wrong, 0);
    maas_results_free(results);
    maas_value_unref(x);
    *plans = model->n_plans - *plans;
    return status;
}

/* What a row costs depends on the dimensions that are free besides: long rows are worth a thread each. */
TEST(split_by_cost)
{
    Build b;
    TestHost host;
    MaasMem mem;
    MaasModel *model;
    MaasError err = {0};
    int plans;

    build_product(&b);
    test_host_init(&host, &mem);
    MaasRunOptions options = {.mem = &mem, .threads = 1};

    NEED(maas_model_load(b.out.data, b.out.size, &options, &model, &err) == MAAS_OK);
    CHECK_OK(run_length(model, &mem, 2, 4, 2, &plans, &err));
    CHECK_INT(plans, 1); /* of the whole */
    CHECK_OK(run_length(model, &mem, 2, 32, 2, &plans, &err));
    CHECK_INT(plans, 3); /* and one for each thread */
    /* one example: its product is cut for the threads */
    for (int64_t length = 1; length < 1100; length += length < 100 ? 7 : 167)
        for (int threads = 1; threads <= 5; threads++)
            CHECK_OK(run_length(model, &mem, 1, length, threads, &plans, &err));
    maas_model_free(model);
    CHECK_NO_LEAK(&host, &mem);
    build_free(&b);
}
