/*
 * version.c - one line about this build of the engine.
 */
#include <pthread.h>
#include <stdio.h>

#include "kernel/blas.h"
#include "kernel/kernel.h"
#include "maas.h"

static char text[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_text(void)
{
    snprintf(text, sizeof text, "maas engine 0.1, CPU level %s, products by %s", maas_kernel->level,
             maas_blas_describe());
}

const char *maas_engine_version(void)
{
    pthread_once(&once, make_text);
    return text;
}
