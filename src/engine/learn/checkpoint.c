/*
 * checkpoint.c - saving a trainer and restoring it.
 *
 * Little-endian: a header (magic, version, sizes), the schedule, then for each variable its elements, for each slot
 * its optimiser states, the best variables so far, the state of L-BFGS.  What is not in it follows from the model
 * and the options; a fingerprint of both is, so that a checkpoint is only taken back by a trainer of the same kind.
 */
#include <string.h>

#include "trainer.h"

#define MAGIC 0x314e52544d414153u /* "SAAMTRN1" */

typedef struct Header {
    uint64_t magic, fingerprint, bytes;
    int64_t step;
    MaasScheduleState schedule;
    int64_t has_best;
} Header;

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < n; i++) /* FNV-1a */
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* Of what must be equal: the variables' names and sizes, the slots and their states. */
static uint64_t fingerprint(const MaasTrainer *t)
{
    int64_t numbers[] = {t->n_variables,  t->n_slots,      t->options.optimizer,
                         t->best != NULL, t->options.seed, t->lbfgs ? t->options.history : 0};
    uint64_t h = hash(0xcbf29ce484222325u, numbers, sizeof numbers);

    for (int i = 0; i < t->n_variables; i++) {
        const MaasVariable *v = &t->variables[i];

        h = hash(h, v->name, strlen(v->name) + 1);
        h = hash(h, &v->value->tensor.count, sizeof v->value->tensor.count);
    }
    for (int i = 0; i < t->n_slots; i++)
        for (int k = 0; k < MAAS_OPTIMIZER_SLOTS; k++) {
            int64_t has = t->slots[i].state[k] ? t->slot_variables[i] : -1;

            h = hash(h, &has, sizeof has);
        }
    return h;
}

/* Calls fn with each block of memory that is saved. */
static void each_block(const MaasTrainer *t, void (*fn)(void *ctx, void *block, size_t bytes), void *ctx)
{
    for (int i = 0; i < t->n_variables; i++)
        fn(ctx, t->variables[i].value->tensor.data, maas_tensor_bytes(&t->variables[i].value->tensor));
    for (int i = 0; i < t->n_slots; i++)
        for (int k = 0; k < MAAS_OPTIMIZER_SLOTS; k++)
            if (t->slots[i].state[k])
                fn(ctx, t->slots[i].state[k], (size_t)t->slots[i].count * sizeof(float));
    for (int i = 0; t->best && i < t->n_variables; i++)
        fn(ctx, t->best[i], maas_tensor_bytes(&t->variables[i].value->tensor));
}

static void count_block(void *ctx, void *block, size_t bytes)
{
    *(size_t *)ctx += bytes;
}

static void write_block(void *ctx, void *block, size_t bytes)
{
    uint8_t **at = ctx;

    memcpy(*at, block, bytes);
    *at += bytes;
}

static void read_block(void *ctx, void *block, size_t bytes)
{
    const uint8_t **at = ctx;

    memcpy(block, *at, bytes);
    *at += bytes;
}

static size_t lbfgs_bytes(const MaasTrainer *t)
{
    return t->lbfgs ? maas_lbfgs_state_size(t->lbfgs) * sizeof(double) : 0;
}

static size_t checkpoint_bytes(const MaasTrainer *t)
{
    size_t bytes = sizeof(Header) + lbfgs_bytes(t);

    each_block(t, count_block, &bytes);
    return bytes;
}

MaasStatus maas_trainer_save(const MaasTrainer *trainer, MaasMem *mem, void **bytes, size_t *n_bytes,
                             MaasError *err)
{
    const MaasTrainer *t = trainer;
    size_t n = checkpoint_bytes(t);
    Header header = {.magic = MAGIC,
                     .fingerprint = fingerprint(t),
                     .bytes = n,
                     .step = t->step,
                     .schedule = t->schedule,
                     .has_best = t->has_best};
    uint8_t *block, *at;

    MAAS_TRY(maas_trainer_check_finite(t, err));
    block = at = maas_alloc(mem, n, err);
    if (!block)
        return err->status;
    memcpy(at, &header, sizeof header);
    at += sizeof header;
    if (t->lbfgs) /* first: doubles lie at a multiple of 8 */
        maas_lbfgs_save(t->lbfgs, (double *)at);
    at += lbfgs_bytes(t);
    each_block(t, write_block, &at);
    *bytes = block;
    *n_bytes = n;
    return MAAS_OK;
}

MaasStatus maas_trainer_restore(MaasTrainer *trainer, const void *bytes, size_t n_bytes, MaasError *err)
{
    MaasTrainer *t = trainer;
    const uint8_t *at = bytes;
    Header header;

    if (n_bytes < sizeof header)
        return maas_fail(err, MAAS_ERR_FORMAT, "the checkpoint is cut off");
    memcpy(&header, bytes, sizeof header);
    if (header.magic != MAGIC)
        return maas_fail(err, MAAS_ERR_FORMAT, "these bytes are no checkpoint of a training run");
    if (header.fingerprint != fingerprint(t))
        return maas_fail(err, MAAS_ERR_VALUE, "the checkpoint is of another model or of other options");
    if (header.bytes != checkpoint_bytes(t) || n_bytes != header.bytes || header.step < 0 ||
        header.schedule.epochs < 0)
        return maas_fail(err, MAAS_ERR_FORMAT, "the checkpoint is cut off or damaged");
    at += sizeof header;
    if (t->lbfgs) {
        double *state = maas_alloc(t->mem, lbfgs_bytes(t), err); /* the bytes need not be aligned */

        if (!state)
            return err->status;
        memcpy(state, at, lbfgs_bytes(t));
        bool valid = maas_lbfgs_restore(t->lbfgs, state);

        maas_free(t->mem, state);
        if (!valid)
            return maas_fail(err, MAAS_ERR_FORMAT, "the checkpoint is damaged");
    }
    at += lbfgs_bytes(t);
    t->step = header.step;
    t->schedule = header.schedule;
    t->has_best = header.has_best != 0 && t->best;
    each_block(t, read_block, &at);
    return MAAS_OK;
}
