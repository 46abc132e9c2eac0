/*
 * onnx_value.c - fuzzing: bytes are read as tensor, sequence, optional and map; what is read is written and read
 * again.
 */
#include "fuzz.h"

static MaasStatus read_and_write(MaasKind kind, const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    MaasValue *value, *again;
    MaasStatus status;
    void *bytes;
    size_t n;

    MAAS_TRY(maas_value_from_onnx(kind, data, size, mem, &value, err));
    status = maas_value_to_onnx(value, mem, &bytes, &n, err);
    maas_value_unref(value);
    MAAS_TRY(status);
    status = maas_value_from_onnx(kind, bytes, n, mem, &again, err);
    maas_free(mem, bytes);
    FUZZ_CHECK(status == MAAS_OK || status == MAAS_ERR_MEMORY || status == MAAS_ERR_LIMIT);
    if (status == MAAS_OK)
        maas_value_unref(again);
    return status;
}

static MaasStatus each_kind(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    MaasStatus status = MAAS_OK;

    for (MaasKind kind = MAAS_KIND_TENSOR; kind <= MAAS_KIND_OPTIONAL; kind++)
        status = read_and_write(kind, data, size, mem, err);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_run(each_kind, data, size);
}
