/*
 * tensor_pack.c - any bytes as a packed tensor: what is read must pack into the same bytes, print and become JSON.
 */
#include "fuzz.h"

static MaasStatus use(const MaasValue *value, const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    const MaasTensor *tensor = &value->tensor;
    MaasTensor peeked;
    char *bytes, *text;
    size_t length;
    MaasStatus status;

    FUZZ_CHECK(maas_tensor_packed_size(tensor) == size);
    bytes = maas_alloc(mem, size, err);
    if (!bytes)
        return err->status;
    maas_tensor_pack(tensor, bytes);
    FUZZ_CHECK(memcmp(bytes, data, size) == 0);
    FUZZ_CHECK((maas_tensor_peek(bytes, size, &peeked, err) == MAAS_OK) == (tensor->type != MAAS_STRING));
    maas_free(mem, bytes);
    MAAS_TRY(maas_tensor_print(tensor, mem, &text, &length, err));
    maas_free(mem, text);
    status = maas_value_to_json(value, mem, &text, &length, err);
    if (status == MAAS_OK)
        maas_free(mem, text);
    return status;
}

static MaasStatus run(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    MaasValue *value = NULL;
    MaasStatus status;

    MAAS_TRY(maas_tensor_unpack(data, size, mem, &value, err));
    status = use(value, data, size, mem, err);
    maas_value_unref(value);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_run(run, data, size);
}
