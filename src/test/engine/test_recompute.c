/*
 * test_recompute.c - a training step that may take little memory gives the same numbers as one that keeps
 * everything.
 *
 * Networks of each kind are trained for five steps, once as they are and then with less and less memory: losses,
 * gradient norms and the model that comes out must be the same bit for bit.
 */
#include <stdio.h>

#include "test.h"

enum { STEPS = 5, CLASSES = 3, MOST = 4096 };

typedef struct Net {
    const char *begin, *block, *end; /* the architecture: blocks are repeated */
    int blocks;
    int rank;
    int64_t dims[4]; /* of a batch of inputs */
    double least;    /* the share of the memory that a step gets by with */
} Net;

typedef struct Trained {
    MaasStepResult results[STEPS];
    MaasStepMemory memory;
    void *bytes;
    size_t n_bytes;
} Trained;

static const Net nets[] = {
    {"{\"input\": [48], \"layers\": [",
     "{\"dense\": 64, \"activation\": \"gelu\"}, \"layer_norm\", {\"dropout\": 0.2}, ",
     "{\"dense\": 3, \"activation\": \"softmax\"}]}",
     16,
     2,
     {64, 48},
     0.15},
    {"{\"input\": [16, 32], \"layers\": [\"positional_embedding\", ",
     "{\"transformer_encoder\": [64, 4], \"dropout\": 0.1}, ",
     "\"global_average_pooling1d\", {\"dense\": 3, \"activation\": \"softmax\"}]}",
     6,
     3,
     {8, 16, 32},
     0.25},
    {"{\"input\": [2, 12, 12], \"layers\": [",
     "{\"residual\": [{\"conv2d\": [8, 3], \"padding\": \"same\"}, \"batch_norm\", \"relu\"]}, ",
     "\"flatten\", {\"dense\": 3, \"activation\": \"softmax\"}]}",
     5,
     4,
     {8, 2, 12, 12},
     0.5},
    {"{\"input\": [10, 6], \"layers\": [",
     "{\"lstm\": 8, \"return_sequences\": true}, {\"gru\": 8, \"return_sequences\": true}, ",
     "\"flatten\", {\"dense\": 3, \"activation\": \"softmax\"}]}",
     3,
     3,
     {8, 10, 6},
     0.3},
};

static MaasStatus make_network(const Net *net, MaasMem *mem, void **bytes, size_t *n, MaasError *err)
{
    char json[MOST] = "";
    MaasRunOptions run = {.mem = mem, .threads = 1};
    MaasArchitecture a = {.json = json, .seed = 3, .task = MAAS_TASK_NONE};
    size_t length = (size_t)snprintf(json, sizeof json, "%s", net->begin);

    for (int i = 0; i < net->blocks; i++)
        length += (size_t)snprintf(json + length, sizeof json - length, "%s", net->block);
    a.length = length + (size_t)snprintf(json + length, sizeof json - length, "%s", net->end);
    return maas_architecture_to_onnx(&a, &run, bytes, n, err);
}

static MaasStatus make_batch(const Net *net, uint64_t seed, MaasMem *mem, MaasValue **x, MaasValue **y,
                             MaasError *err)
{
    MAAS_TRY(maas_value_new_tensor(mem, MAAS_FLOAT, net->rank, net->dims, x, err));
    MaasStatus status = maas_value_new_tensor(mem, MAAS_INT64, 1, net->dims, y, err);

    if (status != MAAS_OK) {
        maas_value_unref(*x);
        return status;
    }
    for (int64_t i = 0; i < (*x)->tensor.count; i++)
        MAAS_F32(&(*x)->tensor)[i] = (float)(test_random(&seed) >> 40) / (1 << 23) - 1;
    for (int64_t i = 0; i < net->dims[0]; i++)
        MAAS_I64(&(*y)->tensor)[i] = (int64_t)(test_random(&seed) % CLASSES);
    return MAAS_OK;
}

static MaasStatus take_steps(const Net *net, MaasTrainer *trainer, const MaasRunOptions *run, Trained *out,
                             MaasError *err)
{
    for (int step = 0; step < STEPS; step++) {
        MaasValue *x, *y;

        MAAS_TRY(make_batch(net, (uint64_t)step + 1, run->mem, &x, &y, err));
        MaasStatus status =
            maas_trainer_step(trainer, run, (const MaasValue *const[]){x}, y, NULL, &out->results[step], err);

        maas_value_unref(x);
        maas_value_unref(y);
        MAAS_TRY(status);
    }
    out->memory = maas_trainer_memory(trainer);
    return maas_trainer_export(trainer, run->mem, &out->bytes, &out->n_bytes, err);
}

static MaasStatus train(const Net *net, size_t limit, MaasMem *mem, Trained *out, MaasError *err)
{
    static const char json[] = "{\"optimizer\": \"adam\", \"learning_rate\": 0.01, \"clip_norm\": 1, \"seed\": 9}";
    MaasRunOptions run = {.mem = mem, .threads = 1};
    MaasTrainOptions options = {0};
    MaasOptionTable table = {.target = &options};
    MaasTrainer *trainer = NULL;
    MaasArena arena;
    size_t n = 0;
    void *bytes = NULL;

    maas_arena_init(&arena, mem);
    table.options = maas_train_options(&table.n);
    MaasStatus status = maas_options_read(json, sizeof json - 1, &table, 1, &arena, err);

    if (status == MAAS_OK)
        status = make_network(net, mem, &bytes, &n, err);
    if (status == MAAS_OK)
        status = maas_trainer_new(bytes, n, &options, STEPS, &run, &trainer, err);
    if (status == MAAS_OK) {
        maas_trainer_set_memory(trainer, limit);
        status = take_steps(net, trainer, &run, out, err);
    }
    maas_trainer_free(trainer);
    maas_free(mem, bytes);
    maas_arena_free(&arena);
    return status;
}

static void compare(const char *what, const Trained *a, const Trained *b)
{
    for (int step = 0; step < STEPS; step++)
        if (a->results[step].loss != b->results[step].loss ||
            a->results[step].gradient_norm != b->results[step].gradient_norm)
            test_fail(__FILE__, __LINE__, "%s: step %d: loss %.9g and %.9g, gradient %.9g and %.9g", what, step,
                      a->results[step].loss, b->results[step].loss, a->results[step].gradient_norm,
                      b->results[step].gradient_norm);
    if (a->n_bytes != b->n_bytes || memcmp(a->bytes, b->bytes, a->n_bytes) != 0)
        test_fail(__FILE__, __LINE__, "%s: the models differ", what);
}

TEST(recompute_gives_the_same)
{
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        Trained whole, less;

        NEED_OK(train(&nets[i], 0, &mem, &whole, &err));
        CHECK(whole.memory.whole > 0 && whole.memory.taken == whole.memory.whole);
        for (int eighths = 8; eighths >= 0; eighths--) {
            size_t limit = eighths ? whole.memory.whole / 8 * (size_t)eighths : 1;
            size_t least = (size_t)(nets[i].least * (double)whole.memory.whole);
            char what[64];

            snprintf(what, sizeof what, "network %d, %d eighths", (int)i, eighths);
            NEED_OK(train(&nets[i], limit, &mem, &less, &err));
            compare(what, &whole, &less);
            if (less.memory.taken > (limit > least ? limit : least) || less.memory.whole != whole.memory.whole)
                test_fail(__FILE__, __LINE__, "%s: %zu bytes of %zu, the limit is %zu", what, less.memory.taken,
                          less.memory.whole, limit);
            maas_free(&mem, less.bytes);
        }
        maas_free(&mem, whole.bytes);
    }
    CHECK_INT(mem.used, 0);
}

static MaasStatus train_in_little(MaasMem *mem, void *arg, MaasError *err)
{
    Trained out;

    MAAS_TRY(train(arg, 1, mem, &out, err));
    maas_free(mem, out.bytes);
    return MAAS_OK;
}

TEST(recompute_each_allocation_failing)
{
    Net net = nets[0];

    net.blocks = 3;
    CHECK_EACH_FAILURE(train_in_little, &net);
}
