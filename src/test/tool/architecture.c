/*
 * architecture.c - writes the model that an architecture describes.
 *
 *   architecture SEED FILE.onnx '{"layers": [...]}'
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../engine/maas.h"

int main(int argc, char **argv)
{
    MaasMem mem;
    MaasError err = {0};
    MaasRunOptions options = {.mem = &mem, .threads = 1};
    MaasArchitecture architecture = {0};
    void *bytes;
    size_t n;
    FILE *file;

    if (argc != 4) {
        fprintf(stderr, "usage: architecture SEED FILE.onnx JSON\n");
        return 2;
    }
    maas_mem_init(&mem, &maas_malloc_allocator, 0);
    architecture.seed = strtoull(argv[1], NULL, 10);
    architecture.json = argv[3];
    architecture.length = strlen(argv[3]);
    if (maas_architecture_to_onnx(&architecture, &options, &bytes, &n, &err) != MAAS_OK) {
        fprintf(stderr, "%s\n%s\n", err.message, err.hint);
        return 1;
    }
    file = fopen(argv[2], "wb");
    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0) {
        perror(argv[2]);
        return 1;
    }
    maas_free(&mem, bytes);
    return 0;
}
