/*
 * dispatch.c - chooses the CPU level once, when the library is loaded.
 */
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

extern const MaasKernels maas_kernels_plain;
const MaasKernels *maas_kernel = &maas_kernels_plain;

#ifdef __x86_64__
extern const MaasKernels maas_kernels_avx2;
#ifndef MAAS_NO_AVX512 /* the sanitized builds leave it out */
extern const MaasKernels maas_kernels_avx512;
#endif

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

#ifndef MAAS_NO_AVX512
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif
#endif

bool maas_kernel_use(const char *level)
{
    const MaasKernels *found = NULL;

    if (strcmp(level, "plain") == 0)
        found = &maas_kernels_plain;
#ifdef __x86_64__
    __builtin_cpu_init();
    if (strcmp(level, "avx2") == 0 && has_avx2())
        found = &maas_kernels_avx2;
#ifndef MAAS_NO_AVX512
    if (strcmp(level, "avx512") == 0 && has_avx512())
        found = &maas_kernels_avx512;
#endif
#endif
    if (!found)
        return false;
    maas_kernel = found;
    return true;
}

__attribute__((constructor)) static void choose_level(void)
{
    const char *wanted = getenv("MAAS_CPU");

    if (wanted && maas_kernel_use(wanted))
        return;
    if (!maas_kernel_use("avx512") && !maas_kernel_use("avx2"))
        maas_kernel_use("plain");
}
