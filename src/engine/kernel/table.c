/* table.c - the table of one CPU level. */
#include "kernel.h"

#define MAAS_STRING_(x) #x
#define MAAS_STRING_OF(x) MAAS_STRING_(x)

extern const MaasKernels MAAS_PASTE3(maas_, kernels, MAAS_LEVEL);

const MaasKernels MAAS_PASTE3(maas_, kernels, MAAS_LEVEL) = {
    .level = MAAS_STRING_OF(MAAS_LEVEL),
#define KERNEL(result, name, params) .name = K(name),
#include "list.def"
#undef KERNEL
};
