/*
 * onnx_value.c - fuzzing: bytes are read as tensor, sequence, optional and map; what is read is written and read
 * again.
 */
#include <stdlib.h>
#include <string.h>

#include "../../engine/maas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MaasError err;
    MaasMem mem;

    maas_mem_init(&mem, &maas_malloc_allocator, (size_t)64 << 20);
    for (MaasKind kind = MAAS_KIND_TENSOR; kind <= MAAS_KIND_OPTIONAL; kind++) {
        MaasValue *value, *again;
        void *bytes;
        size_t n;
        if (maas_value_from_onnx(kind, data, size, &mem, &value, &err) != MAAS_OK)
            continue;
        if (maas_value_to_onnx(value, &mem, &bytes, &n, &err) == MAAS_OK) {
            if (maas_value_from_onnx(kind, bytes, n, &mem, &again, &err) == MAAS_OK)
                maas_value_unref(again);
            else if (err.status != MAAS_ERR_LIMIT)
                abort();
            maas_free(&mem, bytes);
        }
        maas_value_unref(value);
    }
    if (mem.used != 0)
        abort();
    return 0;
}
