/*
 * test_train_steps.c - what single steps of small networks must do: norms of units are bounded one by one, a batch
 * of one row has no variance, a search along a line comes back from where the loss is infinite, nothing is kept of
 * parameters that are no numbers.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/learn/optimizer.h"
#include "test.h"

#define ROWS 40

/* A network on rows of `width` floats, trained on a target of `units` floats or, units 0, class numbers. */
typedef struct Network {
    MaasMem mem;
    MaasTrainer *trainer;
    MaasValue *x, *y;
    MaasStepResult result;
} Network;

static MaasError err; /* of the last failure */

static MaasStatus read_options(const char *json, MaasArena *arena, MaasTrainOptions *options)
{
    MaasOptionTable table = {.target = options};

    memset(options, 0, sizeof *options);
    table.options = maas_train_options(&table.n);
    return maas_options_read(json, strlen(json), &table, 1, arena, &err);
}

static MaasStatus make_trainer(Network *n, const char *layers, int rank, const int64_t *dims, const char *json)
{
    MaasRunOptions run = {.mem = &n->mem, .threads = 1};
    MaasPort input = {.name = "x", .kind = MAAS_KIND_TENSOR, .type = MAAS_FLOAT, .rank = rank, .dims = dims};
    MaasArchitecture a = {.json = layers, .length = strlen(layers), .n_inputs = 1, .inputs = &input, .seed = 5};
    MaasTrainOptions options;
    MaasArena arena;
    void *bytes;
    size_t size;

    MAAS_TRY(maas_architecture_to_onnx(&a, &run, &bytes, &size, &err));
    maas_arena_init(&arena, &n->mem);
    MaasStatus status = read_options(json, &arena, &options);

    if (status == MAAS_OK)
        status = maas_trainer_new(bytes, size, &options, 10, &run, &n->trainer, &err);
    maas_arena_free(&arena);
    maas_free(&n->mem, bytes);
    return status;
}

/* rows of random numbers times scale; targets of 0 to 3. */
static MaasStatus make_batch(Network *n, int rank, const int64_t *dims, int64_t rows, float scale, bool classes)
{
    int64_t full[4];
    uint64_t random = 7;

    memcpy(full, dims, sizeof *dims * (size_t)rank);
    full[0] = rows;
    MAAS_TRY(maas_value_new_tensor(&n->mem, MAAS_FLOAT, rank, full, &n->x, &err));
    MAAS_TRY(maas_value_new_tensor(&n->mem, classes ? MAAS_INT64 : MAAS_FLOAT, 1, &rows, &n->y, &err));
    for (int64_t i = 0; i < n->x->tensor.count; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        MAAS_F32(&n->x->tensor)[i] = scale * ((float)(random >> 40) / (1 << 23) - 1);
    }
    for (int64_t i = 0; i < rows; i++)
        if (classes)
            MAAS_I64(&n->y->tensor)[i] = i % 2;
        else
            MAAS_F32(&n->y->tensor)[i] = (float)(i % 4);
    return MAAS_OK;
}

static MaasStatus start(Network *n, const char *layers, int rank, const int64_t *dims, const char *json,
                        int64_t rows, float scale, bool classes)
{
    memset(n, 0, sizeof *n);
    maas_mem_init(&n->mem, &maas_malloc_allocator, 0);
    MAAS_TRY(make_trainer(n, layers, rank, dims, json));
    return make_batch(n, rank, dims, rows, scale, classes);
}

static MaasStatus step(Network *n)
{
    MaasRunOptions run = {.mem = &n->mem, .threads = 1};
    const MaasValue *inputs[] = {n->x};

    return maas_trainer_step(n->trainer, &run, inputs, n->y, NULL, &n->result, &err);
}

static void end(Network *n)
{
    maas_value_unref(n->x);
    maas_value_unref(n->y);
    maas_trainer_free(n->trainer);
    CHECK_INT(n->mem.used, 0);
}

static const MaasParameter *parameter(const Network *n, const char *name)
{
    const MaasTrainerInfo *info = maas_trainer_info(n->trainer);

    for (int i = 0; i < info->n_parameters; i++)
        if (strcmp(info->parameters[i].name, name) == 0)
            return &info->parameters[i];
    return NULL;
}

/* ---- max_norm ---- */

/* Weights (outer, units, inner), bounded by one and by three threads, against the formula of torch.renorm. */
static void bound(int64_t outer, int64_t units, int64_t inner)
{
    MaasTrainOptions options = {.max_norm = 2};
    int64_t n = outer * units * inner;
    float *w = malloc(sizeof *w * (size_t)n), *want = malloc(sizeof *w * (size_t)n);
    MaasSlot slot = {.w = w, .count = n, .penalized = true, .outer = outer, .units = units, .inner = inner};

    NEED(w && want);
    for (int threads = 1; threads <= 3; threads += 2) {
        for (int64_t i = 0; i < n; i++)
            want[i] = w[i] = (float)(i * 37 % 101) / 50 - 1;
        for (int64_t u = 0; u < units; u++) {
            double sum = 0;

            for (int64_t i = 0; i < outer * inner; i++) {
                double x = (double)w[(i / inner * units + u) * inner + i % inner];

                sum += x * x;
            }
            for (int64_t i = 0; i < outer * inner && sqrt(sum) > 2; i++)
                want[(i / inner * units + u) * inner + i % inner] *= (float)(2 / (sqrt(sum) + 1e-7));
        }
        maas_optimizer_max_norm(&options, &slot, 1, threads);
        for (int64_t i = 0; i < n; i++)
            if (!(fabsf(w[i] - want[i]) <= 1e-6f)) {
                test_fail(__FILE__, __LINE__, "(%d, %d, %d): element %d is %.9g, expected %.9g", (int)outer,
                          (int)units, (int)inner, (int)i, (double)w[i], (double)want[i]);
                break;
            }
    }
    free(w);
    free(want);
}

TEST(max_norm_of_units)
{
    bound(30, 5000, 1); /* of a dense layer */
    bound(1, 70, 27);   /* of a convolution */
    bound(5, 7, 9);     /* of a transposed one */
    bound(1, 1, 40);
}

/* The units of the two directions are not the same ones. */
TEST(max_norm_of_directions)
{
    static const int64_t dims[] = {-1, 3, 4};
    Network n;

    NEED_OK(start(&n, "{\"layers\":[{\"lstm\":5,\"bidirectional\":true},{\"dense\":2,\"activation\":\"softmax\"}]}",
                  3, dims, "{\"optimizer\":\"sgd\",\"learning_rate\":1e-6,\"max_norm\":0.1}", 6, 1, true));
    NEED_OK(step(&n));
    const MaasParameter *w = parameter(&n, "lstm_1.weight");

    NEED(w && w->rank == 3 && w->dims[0] == 2 && w->dims[2] == 4);
    for (int64_t row = 0; row < 2 * w->dims[1]; row++) {
        double sum = 0;

        for (int k = 0; k < 4; k++)
            sum += (double)w->data[row * 4 + k] * (double)w->data[row * 4 + k];
        CHECK_NEAR(sqrt(sum), 0.1, 1e-4);
    }
    end(&n);
}

/* ---- batch normalisation ---- */

static MaasStatus statistics(Network *n, void **state, size_t *size)
{
    return maas_trainer_export(n->trainer, &n->mem, state, size, &err);
}

/* PyTorch refuses to learn from one value a channel; here such a last batch leaves the running statistics alone. */
TEST(batch_of_one_row_has_no_variance)
{
    static const int64_t dims[] = {-1, 3};
    void *before, *after;
    size_t size, after_size;
    Network n;

    NEED_OK(start(&n, "{\"layers\":[{\"batch_norm\":{}},{\"dense\":2,\"activation\":\"softmax\"}]}", 2, dims,
                  "{\"optimizer\":\"sgd\",\"learning_rate\":0}", 1, 1, true));
    NEED_OK(statistics(&n, &before, &size));
    NEED_OK(step(&n));
    NEED_OK(statistics(&n, &after, &after_size));
    CHECK(size == after_size && memcmp(before, after, size) == 0);
    maas_free(&n.mem, after);
    maas_value_unref(n.x);
    maas_value_unref(n.y);
    NEED_OK(make_batch(&n, 2, dims, 2, 1, true));
    NEED_OK(step(&n));
    NEED_OK(statistics(&n, &after, &after_size));
    CHECK(size == after_size && memcmp(before, after, size) != 0);
    maas_free(&n.mem, after);
    maas_free(&n.mem, before);
    end(&n);
}

/* ---- L-BFGS ---- */

/* The first step goes to where exp is infinite; PyTorch's search would go on with NaN. */
TEST(lbfgs_comes_back_from_infinity)
{
    static const int64_t dims[] = {-1, 3};
    double first = 0;
    Network n;

    NEED_OK(start(&n, "{\"layers\":[{\"dense\":1,\"activation\":\"exponential\"}]}", 2, dims,
                  "{\"optimizer\":\"lbfgs\",\"loss\":\"poisson\",\"learning_rate\":1000}", ROWS, 2, false));
    for (int i = 0; i < 5; i++) {
        NEED_OK(step(&n));
        first = i == 0 ? n.result.loss : first;
        CHECK(isfinite(n.result.loss));
    }
    CHECK(n.result.loss < first);
    end(&n);
    /* without a search there is no way back, and nowhere to begin where the loss is infinite already */
    NEED_OK(start(&n, "{\"layers\":[{\"dense\":1,\"activation\":\"exponential\"}]}", 2, dims,
                  "{\"optimizer\":\"lbfgs\",\"loss\":\"poisson\",\"learning_rate\":1000,\"line_search\":false}",
                  ROWS, 2, false));
    CHECK_FAILS(step(&n), MAAS_ERR_VALUE, "the loss is inf");
    end(&n);
    NEED_OK(start(&n, "{\"layers\":[{\"dense\":1,\"activation\":\"exponential\"}]}", 2, dims,
                  "{\"optimizer\":\"lbfgs\",\"loss\":\"poisson\"}", ROWS, 1e6f, false));
    CHECK_FAILS(step(&n), MAAS_ERR_VALUE, "the loss is inf");
    end(&n);
}

/* Loss and gradient of a parabola, cancelled at an evaluation: whatever was written over comes back. */
typedef struct Parabola {
    MaasSlot slot;
    float gradient[6];
    int left; /* evaluations until the stop flag is raised; below 0: never */
    volatile int stop;
} Parabola;

static MaasStatus parabola(void *ctx, double *loss, MaasError *error)
{
    Parabola *p = ctx;

    *loss = 0;
    for (int i = 0; i < 6; i++) {
        double w = (double)p->slot.w[i], curve = 1 + i * i;

        *loss += curve * (w - i) * (w - i) + 0.01 * pow(w - i, 4);
        p->gradient[i] = (float)(2 * curve * (w - i) + 0.04 * pow(w - i, 3));
    }
    p->stop = p->left-- == 0;
    return MAAS_OK;
}

TEST(lbfgs_undoes_a_step)
{
    float w[6] = {3, -2, 5, 1, 0, 9}, before_w[6];
    Parabola p = {.slot = {.w = w, .count = 6}, .left = -1};
    MaasStop stop = {{&p.stop, NULL}};
    double before[200], after[200], loss;
    MaasTrainOptions options;
    MaasLbfgs *lbfgs;
    MaasArena arena;
    MaasMem mem;
    int stopped = 0;

    p.slot.g = p.gradient;
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    maas_arena_init(&arena, &mem);
    NEED_OK(read_options("{\"optimizer\":\"lbfgs\",\"max_iterations\":4,\"history\":3}", &arena, &options));
    maas_optimizer_defaults(&options);
    NEED_OK(maas_lbfgs_new(&options, &mem, &p.slot, 1, &lbfgs, &err));
    NEED(maas_lbfgs_state_size(lbfgs) <= 200);
    size_t size = maas_lbfgs_state_size(lbfgs) * sizeof *before;

    for (int round = 0; round < 3; round++) { /* the ring empty, filling, going round */
        memcpy(before_w, w, sizeof w);
        maas_lbfgs_save(lbfgs, before);
        for (int at = 0;; at++) {
            p.left = at;
            p.stop = 0;
            MaasStatus status =
                maas_lbfgs_step(lbfgs, &options, &p.slot, 1, 0.02, parabola, &p, &stop, &loss, &err);

            if (status == MAAS_OK)
                break;
            stopped++;
            CHECK_INT(status, MAAS_ERR_CANCEL);
            maas_lbfgs_save(lbfgs, after);
            CHECK(memcmp(before, after, size) == 0 && memcmp(before_w, w, sizeof w) == 0);
        }
        CHECK(memcmp(before_w, w, sizeof w) != 0);
    }
    CHECK(stopped >= 6);
    maas_lbfgs_free(lbfgs);
    maas_arena_free(&arena);
    CHECK_INT(mem.used, 0);
}

/* ---- parameters that are no numbers ---- */

TEST(nothing_is_kept_of_infinite_parameters)
{
    static const int64_t dims[] = {-1, 3};
    size_t size;
    void *bytes;
    Network n;

    NEED_OK(start(&n, "{\"layers\":[{\"dense\":1}]}", 2, dims, "{\"optimizer\":\"sgd\",\"learning_rate\":1e6}",
                  ROWS, 1e17f, false));
    CHECK_OK(maas_trainer_save(n.trainer, &n.mem, &bytes, &size, &err));
    maas_free(&n.mem, bytes);
    NEED_OK(step(&n));
    CHECK_FAILS(maas_trainer_save(n.trainer, &n.mem, &bytes, &size, &err), MAAS_ERR_VALUE,
                "parameter \"dense_1.weight\" is no finite number after step");
    CHECK_FAILS(maas_trainer_export(n.trainer, &n.mem, &bytes, &size, &err), MAAS_ERR_VALUE,
                "parameter \"dense_1.weight\" is no finite number after step");
    end(&n);
}

/* A stop flag that is raised is seen while gradients are only looked at. */
TEST(gradient_norm_stops)
{
    volatile int raised = 1;
    MaasStop stop = {{&raised, NULL}};
    MaasTrainOptions options = {.l1 = 0};
    float w[2] = {0, 0}, g[2] = {1, 1};
    MaasSlot slot = {.w = w, .g = g, .count = 2};
    double norm;

    CHECK_FAILS(maas_optimizer_norm(&options, &slot, 1, &stop, &norm, &err), MAAS_ERR_CANCEL, "stopped");
}
