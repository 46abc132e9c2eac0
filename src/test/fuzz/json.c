/*
 * json.c - any text as JSON.  The first byte picks what to read it as: a tree, a value of one of several declared
 * types, or an object of inputs.  Values that are read must survive writing.
 */
#include "fuzz.h"

#include "../../engine/base/json.h"

#define TENSOR(element) {.name = "x", .kind = MAAS_KIND_TENSOR, .type = (element), .rank = -1}

static const MaasPort tensors[] = {TENSOR(MAAS_FLOAT),      TENSOR(MAAS_INT64),  TENSOR(MAAS_STRING),
                                   TENSOR(MAAS_BOOL),       TENSOR(MAAS_DOUBLE), TENSOR(MAAS_COMPLEX64),
                                   TENSOR(MAAS_FLOAT8E5M2), TENSOR(MAAS_UINT4)};
static const MaasPort int_map = {.name = "m", .kind = MAAS_KIND_MAP, .key = MAAS_INT64, .elem = &tensors[0]};
static const MaasPort text_map = {.name = "n", .kind = MAAS_KIND_MAP, .key = MAAS_STRING, .elem = &tensors[1]};
static const MaasPort maps = {.name = "s", .kind = MAAS_KIND_SEQUENCE, .elem = &int_map};
static const MaasPort lists = {.name = "t", .kind = MAAS_KIND_SEQUENCE, .elem = &tensors[2]};
static const MaasPort optional = {.name = "o", .kind = MAAS_KIND_OPTIONAL, .elem = &lists, .optional = true};
static const MaasPort *const ports[] = {&tensors[0], &tensors[1], &tensors[2], &tensors[3], &tensors[4],
                                        &tensors[5], &tensors[6], &tensors[7], &int_map,    &text_map,
                                        &maps,       &lists,      &optional};
#define N_PORTS (sizeof ports / sizeof *ports)

static MaasStatus read_tree(const char *text, size_t size, MaasMem *mem, MaasError *err)
{
    MaasArena arena;
    MaasJson *json;
    MaasStatus status;

    maas_arena_init(&arena, mem);
    status = maas_json_parse(text, size, &arena, &json, err);
    maas_arena_free(&arena);
    return status;
}

static MaasStatus read_inputs(const char *text, size_t size, MaasMem *mem, MaasError *err)
{
    MaasPort inputs[] = {tensors[0], int_map, optional};
    MaasModelInfo info = {.n_inputs = 3, .inputs = inputs};
    MaasValue *values[3];

    MAAS_TRY(maas_inputs_from_json(text, size, &info, mem, values, err));
    for (int i = 0; i < 3; i++)
        maas_value_unref(values[i]);
    return MAAS_OK;
}

static MaasStatus read_value(const MaasPort *port, const char *text, size_t size, MaasMem *mem, MaasError *err)
{
    MaasValue *value = NULL, *again = NULL;
    char *json = NULL, *twice = NULL;
    size_t length, twice_length;
    MaasStatus status;

    MAAS_TRY(maas_value_from_json(text, size, port, mem, &value, err));
    status = maas_value_to_json(value, mem, &json, &length, err);
    if (status == MAAS_OK) {
        status = maas_value_from_json(json, length, port, mem, &again, err);
        FUZZ_CHECK(status == MAAS_OK || status == MAAS_ERR_MEMORY || status == MAAS_ERR_LIMIT);
    }
    if (status == MAAS_OK)
        status = maas_value_to_json(again, mem, &twice, &twice_length, err);
    if (status == MAAS_OK)
        FUZZ_CHECK(length == twice_length && memcmp(json, twice, length) == 0);
    maas_value_unref(value);
    maas_value_unref(again);
    maas_free(mem, json);
    maas_free(mem, twice);
    return status;
}

static MaasStatus run(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    const char *text = (const char *)data + 1;
    size_t what = data[0] % (N_PORTS + 2);

    size--;
    if (what == N_PORTS)
        return read_tree(text, size, mem, err);
    if (what == N_PORTS + 1)
        return read_inputs(text, size, mem, err);
    return read_value(ports[what], text, size, mem, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return size == 0 ? 0 : fuzz_run(run, data, size);
}
