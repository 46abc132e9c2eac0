/*
 * blas.c - OpenBLAS, opened at run time.
 *
 * The library starts threads when it is loaded, which a postmaster must not have, so nothing links to it: it is
 * opened by the first product that is big enough, with its own threads off.  When it cannot be opened the kernels
 * of gemm.c compute everything.  Opening is guarded by pthread_once; afterwards all state here is read-only.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "blas.h"
#include "kernel.h"

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* of cblas.h */

typedef void GemmF32(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                     const float *b, int ldb, float beta, float *c, int ldc);
typedef void GemmF64(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                     const double *b, int ldb, double beta, double *c, int ldc);

static struct {
    pthread_once_t once;
    bool forbidden;
    GemmF32 *sgemm; /* NULL: not there */
    GemmF64 *dgemm;
    char about[256];
} blas = {.once = PTHREAD_ONCE_INIT, .about = "OpenBLAS not opened"};

/* It has 14,000 references to itself: sought among the server's symbols first they take 5 ms, in itself 1 ms. */
#ifdef MAAS_SANITIZE
#define OPEN_FLAGS (RTLD_LAZY | RTLD_LOCAL) /* the sanitizers do not allow the other */
#else
#define OPEN_FLAGS (RTLD_LAZY | RTLD_LOCAL | RTLD_DEEPBIND)
#endif

/* Looks up a function; through memory since ISO C has no cast from object to function pointers. */
static bool look_up(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);

    *(void **)function = symbol;
    return symbol != NULL;
}

static void open_blas(void)
{
    void *library;
    GemmF32 *sgemm;
    GemmF64 *dgemm;
    void (*set_threads)(int);
    char *(*config)(void);

    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* read while it is loaded: no threads are started then */
    library = dlopen("libopenblas.so.0", OPEN_FLAGS);
    if (!library) {
        const char *why = dlerror();

        snprintf(blas.about, sizeof blas.about, "own products (%s)", why ? why : "OpenBLAS cannot be opened");
        return;
    }
    if (!look_up(library, "cblas_sgemm", &sgemm) || !look_up(library, "cblas_dgemm", &dgemm) ||
        !look_up(library, "openblas_set_num_threads", &set_threads)) {
        snprintf(blas.about, sizeof blas.about, "own products (libopenblas.so.0 lacks the functions of CBLAS)");
        dlclose(library);
        return;
    }
    set_threads(1);
    snprintf(blas.about, sizeof blas.about, "%s",
             look_up(library, "openblas_get_config", &config) ? config() : "OpenBLAS");
    blas.sgemm = sgemm;
    blas.dgemm = dgemm;
}

const char *maas_blas_describe(void)
{
    pthread_once(&blas.once, open_blas);
    return blas.about;
}

void maas_blas_allow(bool allowed)
{
    blas.forbidden = !allowed;
}

/* Whether a product goes to OpenBLAS: its sizes fit 32-bit integers, and it is beyond the sizes where the own
 * kernels are as fast (measured at the AVX2 level; a few rows are bound by memory either way). */
static bool use_blas(int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb, int64_t ldc)
{
    const int64_t big = 1 << 30;

    if (blas.forbidden || m <= 4 || n < 4 || m > big || n > big || k > big || lda > big || ldb > big || ldc > big)
        return false;
    if ((double)m * (double)n * (double)k < 80 * 80 * 80)
        return false;
    pthread_once(&blas.once, open_blas);
    return blas.sgemm != NULL;
}

#define DEFINE_GEMM(REAL, NAME, CBLAS)                                                                             \
    void maas_gemm_##NAME(bool ta, bool tb, int64_t m, int64_t n, int64_t k, REAL alpha, const REAL *a,            \
                          int64_t lda, const REAL *b, int64_t ldb, REAL beta, REAL *c, int64_t ldc)                \
    {                                                                                                              \
        if (m <= 0 || n <= 0)                                                                                      \
            return;                                                                                                \
        if (k <= 0) {                                                                                              \
            for (int64_t i = 0; i < m; i++)                                                                        \
                for (int64_t j = 0; j < n; j++)                                                                    \
                    c[i * ldc + j] = beta != 0 ? beta * c[i * ldc + j] : 0;                                        \
        } else if (n == 1 && ldc == 1 && m > 1) {                                                                  \
            /* a matrix times a column is a row times the transposed matrix */                                     \
            maas_gemm_##NAME(!tb, !ta, 1, m, k, alpha, b, ldb, a, lda, beta, c, m);                                \
        } else if (use_blas(m, n, k, lda, ldb, ldc)) {                                                             \
            blas.CBLAS(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a,  \
                       (int)lda, b, (int)ldb, beta, c, (int)ldc);                                                  \
        } else {                                                                                                   \
            maas_kernel->gemm_##NAME(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);                        \
        }                                                                                                          \
    }

DEFINE_GEMM(float, f32, sgemm)
DEFINE_GEMM(double, f64, dgemm)
