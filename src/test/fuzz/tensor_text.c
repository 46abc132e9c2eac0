/*
 * tensor_text.c - any text as a tensor: what is read must survive printing, and be castable to every type.
 */
#include "fuzz.h"

/* Whether two tensors pack into the same bytes. */
static MaasStatus compare(const MaasTensor *a, const MaasTensor *b, MaasMem *mem, MaasError *err)
{
    size_t size = maas_tensor_packed_size(a);
    char *bytes;

    FUZZ_CHECK(size == maas_tensor_packed_size(b));
    bytes = maas_alloc(mem, 2 * size, err);
    if (!bytes)
        return err->status;
    maas_tensor_pack(a, bytes);
    maas_tensor_pack(b, bytes + size);
    FUZZ_CHECK(memcmp(bytes, bytes + size, size) == 0);
    maas_free(mem, bytes);
    return MAAS_OK;
}

static MaasStatus print_and_parse(const MaasTensor *tensor, MaasMem *mem, MaasError *err)
{
    MaasValue *again = NULL;
    MaasStatus status;
    size_t length;
    char *text;

    MAAS_TRY(maas_tensor_print(tensor, mem, &text, &length, err));
    status = maas_tensor_parse(text, length, mem, &again, err);
    FUZZ_CHECK(status == MAAS_OK || status == MAAS_ERR_MEMORY || status == MAAS_ERR_LIMIT);
    maas_free(mem, text);
    if (status == MAAS_OK)
        status = compare(tensor, &again->tensor, mem, err);
    maas_value_unref(again);
    return status;
}

static MaasStatus run(const uint8_t *data, size_t size, MaasMem *mem, MaasError *err)
{
    MaasValue *value = NULL, *cast;
    MaasStatus status;

    MAAS_TRY(maas_tensor_parse((const char *)data, size, mem, &value, err));
    status = print_and_parse(&value->tensor, mem, err);
    for (int type = 1; status == MAAS_OK && type < MAAS_NTYPES; type++)
        for (int exact = 0; status == MAAS_OK && exact < 2; exact++) {
            cast = NULL;
            status = maas_tensor_cast(&value->tensor, (MaasType)type, exact, mem, &cast, err);
            maas_value_unref(cast);
            if (status == MAAS_ERR_VALUE || status == MAAS_ERR_TYPE)
                status = MAAS_OK;
        }
    maas_value_unref(value);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_run(run, data, size);
}
