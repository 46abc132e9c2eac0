/*
 * test_fuzz_found.c - what fuzzing has found in the past (src/test/fuzz/found/TARGET) runs through its target
 * again.
 */
#include <dirent.h>
#include <stdio.h>

#include "onnx_build.h"

int fuzz_image_open(const uint8_t *data, size_t size);
int fuzz_json(const uint8_t *data, size_t size);
int fuzz_onnx_load(const uint8_t *data, size_t size);
int fuzz_onnx_value(const uint8_t *data, size_t size);
int fuzz_tensor_pack(const uint8_t *data, size_t size);
int fuzz_tensor_text(const uint8_t *data, size_t size);

static void replay(const char *target, int (*run)(const uint8_t *data, size_t size))
{
    char path[512];
    struct dirent *entry;
    DIR *dir;

    snprintf(path, sizeof path, "src/test/fuzz/found/%s", target);
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        size_t size;
        char *bytes;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "src/test/fuzz/found/%s/%s", target, entry->d_name);
        bytes = read_source(path, &size);
        if (bytes != NULL)
            run((const uint8_t *)bytes, size);
        free(bytes);
    }
    if (dir != NULL)
        closedir(dir);
}

TEST(fuzz_found)
{
    replay("image_open", fuzz_image_open);
    replay("json", fuzz_json);
    replay("onnx_load", fuzz_onnx_load);
    replay("onnx_value", fuzz_onnx_value);
    replay("tensor_pack", fuzz_tensor_pack);
    replay("tensor_text", fuzz_tensor_text);
}
