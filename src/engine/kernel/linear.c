/*
 * linear.c - float32 products with packed panels.
 *
 * Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008, with the loops in another
 * order: some rows of A lie in the first-level cache while a block of B goes by from the second.  Every element
 * is a sum in the order of k, split at the same places, whatever the size of the rest: a row's result does not
 * depend on which rows are computed with it.
 */
#include <string.h>

#include "kernel.h"
#include "vec.h"

#define LANES (VEC_BYTES / 4)
#define STEP (2 * LANES) /* columns of a tile */
#define DEPTH 400        /* of a block */
#define A_ROW 416        /* elements from row to row of A's copy: rows fall into different sets of the cache */
#define SETS 4096        /* bytes after which addresses share a set of the first-level cache */
#define COLUMNS 256      /* of a block of packed B: it stays in the second-level cache, with the next one coming */

#if LANES == 16
#define ROWS 12
#elif LANES == 8
#define ROWS 6
#else
#define ROWS 4
#endif

#define UNROLL _Pragma("GCC unroll 16")

/* ---- vectors ---- */

static inline VecF32 load(const float *p)
{
    VecF32 v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline void store(float *p, VecF32 v)
{
    memcpy(p, &v, sizeof v);
}

/* Kept between low and high; NaN stays. */
static inline VecF32 clamp(VecF32 x, VecF32 low, VecF32 high)
{
#if LANES == 16
    return (VecF32)_mm512_min_ps((__m512)high, _mm512_max_ps((__m512)low, (__m512)x));
#elif LANES == 8
    return (VecF32)_mm256_min_ps((__m256)high, _mm256_max_ps((__m256)low, (__m256)x));
#else
    for (int i = 0; i < LANES; i++) {
        x[i] = x[i] < low[i] ? low[i] : x[i];
        x[i] = x[i] > high[i] ? high[i] : x[i];
    }
    return x;
#endif
}

/* ---- tiles ---- */

/* Where a tile goes and what is done to it. */
typedef struct Target {
    float *c;
    int64_t ldc, ldr, columns; /* columns that are there, from the tile's first one on */
    const float *bias, *residual;
    float low, high;
    bool add;  /* to what C holds */
    bool last; /* the sums are complete */
} Target;

/* The end of a tile whose last columns are not there: sums (rows, ld) are complete but for what C holds. */
static __attribute__((noinline)) void finish_part(int rows, const float *sums, int64_t ld, const Target *t)
{
    for (int r = 0; r < rows; r++)
        for (int64_t j = 0; j < t->columns; j++) {
            float *c = t->c + r * t->ldc + j, x = sums[r * ld + j];

            if (t->add)
                x += *c;
            if (t->last) {
                if (t->bias)
                    x += t->bias[j];
                if (t->residual)
                    x += t->residual[r * t->ldr + j];
                x = x < t->low ? t->low : x;
                x = x > t->high ? t->high : x;
            }
            *c = x;
        }
}

/* C (rows, panels * nv vectors) of A (rows, depth), rows of lda elements, and as many panels of B, whose rows are
 * `step` and which are `next` elements apart. */
static inline __attribute__((always_inline)) void tile(const int rows, const int nv, const int panels,
                                                       const float *a, int64_t lda, const float *b, int64_t step,
                                                       int64_t next, int64_t depth, const Target *t)
{
    const VecF32 zero = {0};
    VecF32 acc[ROWS][8];

    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < nv * panels; v++) acc[r][v] = zero;
    UNROLL for (int r = 0; r < rows; r++) __builtin_prefetch(t->c + r * t->ldc, 1);
    for (int64_t k = 0; k < depth; k++, b += step) {
        VecF32 y[8];

        UNROLL for (int v = 0; v < nv * panels; v++) y[v] = load(b + v / nv * next + v % nv * LANES);
        UNROLL for (int r = 0; r < rows; r++)
        {
            VecF32 x = a[r * lda + k] - zero;

            UNROLL for (int v = 0; v < nv * panels; v++) acc[r][v] = FMA_F32(x, y[v], acc[r][v]);
        }
    }
    if (t->columns < (panels - 1) * MAAS_PANEL + nv * LANES) {
        float sums[ROWS * 2 * LANES];

        UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < nv; v++)
            store(sums + (r * nv + v) * LANES, acc[r][v]);
        finish_part(rows, sums, nv * LANES, t);
        return;
    }
    UNROLL for (int v = 0; v < nv * panels; v++)
    {
        const int64_t j = v / nv * MAAS_PANEL + v % nv * LANES;
        const VecF32 low = t->low - zero, high = t->high - zero;

        UNROLL for (int r = 0; r < rows; r++)
        {
            float *c = t->c + r * t->ldc + j;
            VecF32 x = acc[r][v];

            if (t->add)
                x += load(c);
            if (t->last) {
                if (t->bias)
                    x += load(t->bias + j);
                if (t->residual)
                    x += load(t->residual + r * t->ldr + j);
                x = clamp(x, low, high);
            }
            store(c, x);
        }
    }
}

typedef void TileFn(const float *a, int64_t lda, const float *b, int64_t step, int64_t next, int64_t depth,
                    const Target *t);

#define TILE(rows, nv, panels)                                                                                     \
    static void tile_##rows##_##nv##_##panels(const float *a, int64_t lda, const float *b, int64_t step,           \
                                              int64_t next, int64_t depth, const Target *t)                        \
    {                                                                                                              \
        tile(rows, nv, panels, a, lda, b, step, next, depth, t);                                                   \
    }

TILE(1, 2, 1)
TILE(2, 2, 1)
TILE(3, 2, 1)
TILE(4, 2, 1)
#if ROWS >= 6
TILE(5, 2, 1)
TILE(6, 2, 1)
#endif
#if ROWS >= 12
TILE(7, 2, 1)
TILE(8, 2, 1)
TILE(9, 2, 1)
TILE(10, 2, 1)
TILE(11, 2, 1)
TILE(12, 2, 1)
TILE(1, 1, 1)
TILE(2, 1, 1)
TILE(3, 1, 1)
TILE(4, 1, 1)
TILE(5, 1, 1)
TILE(6, 1, 1)
TILE(7, 1, 1)
TILE(8, 1, 1)
TILE(9, 1, 1)
TILE(10, 1, 1)
TILE(11, 1, 1)
TILE(12, 1, 1)
#endif

/* By rows - 1. */
static TileFn *const tiles[ROWS] = {
    tile_1_2_1, tile_2_2_1, tile_3_2_1, tile_4_2_1,
#if ROWS >= 6
    tile_5_2_1, tile_6_2_1,
#endif
#if ROWS >= 12
    tile_7_2_1, tile_8_2_1, tile_9_2_1, tile_10_2_1, tile_11_2_1, tile_12_2_1,
#endif
};

#if LANES == 16
/* For a last panel of one vector. */
static TileFn *const narrow_tiles[ROWS] = {
    tile_1_1_1, tile_2_1_1, tile_3_1_1, tile_4_1_1,  tile_5_1_1,  tile_6_1_1,
    tile_7_1_1, tile_8_1_1, tile_9_1_1, tile_10_1_1, tile_11_1_1, tile_12_1_1,
};
#endif

/* A few rows alone would wait for the result of each addition: they go over several panels at once. */
TILE(1, 2, 4)
TILE(2, 2, 2)
TILE(3, 2, 2)
#define FEW 3
static const struct {
    TileFn *tile;
    int panels;
} few[FEW] = {{tile_1_2_4, 4}, {tile_2_2_2, 2}, {tile_3_2_2, 2}};

/* ---- packing ---- */

static inline int64_t panel_width(int64_t n, int64_t j)
{
    return n - j > MAAS_PANEL / 2 ? MAAS_PANEL : MAAS_PANEL / 2;
}

#ifdef __AVX2__
/* to (8, 8) = the transpose of from (8, 8); rows of ld and width elements. */
static inline void transpose_8(const float *from, int64_t ld, float *to, int64_t width)
{
    __m256 a[8], b[8];

    UNROLL for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(from + i * ld);
    UNROLL for (int i = 0; i < 8; i += 2)
    {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    UNROLL for (int i = 0; i < 8; i += 4)
    {
        a[i] = _mm256_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm256_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm256_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
    UNROLL for (int i = 0; i < 4; i++)
    {
        _mm256_storeu_ps(to + i * width, _mm256_permute2f128_ps(a[i], a[i + 4], 0x20));
        _mm256_storeu_ps(to + (i + 4) * width, _mm256_permute2f128_ps(a[i], a[i + 4], 0x31));
    }
}
#endif

#if LANES == 16
/* v (16, 16) = its transpose. */
static inline __attribute__((always_inline)) void transpose_16(__m512 *v)
{
    __m512 u[16];

    UNROLL for (int i = 0; i < 16; i += 2)
    {
        u[i] = _mm512_unpacklo_ps(v[i], v[i + 1]);
        u[i + 1] = _mm512_unpackhi_ps(v[i], v[i + 1]);
    }
    UNROLL for (int i = 0; i < 16; i += 4)
    {
        v[i] = _mm512_shuffle_ps(u[i], u[i + 2], 0x44);
        v[i + 1] = _mm512_shuffle_ps(u[i], u[i + 2], 0xee);
        v[i + 2] = _mm512_shuffle_ps(u[i + 1], u[i + 3], 0x44);
        v[i + 3] = _mm512_shuffle_ps(u[i + 1], u[i + 3], 0xee);
    }
    UNROLL for (int i = 0; i < 4; i++) for (int h = 0; h < 16; h += 8)
    {
        u[h + i] = _mm512_shuffle_f32x4(v[h + i], v[h + i + 4], 0x88);
        u[h + i + 4] = _mm512_shuffle_f32x4(v[h + i], v[h + i + 4], 0xdd);
    }
    UNROLL for (int i = 0; i < 8; i++)
    {
        v[i] = _mm512_shuffle_f32x4(u[i], u[i + 8], 0x88);
        v[i + 8] = _mm512_shuffle_f32x4(u[i], u[i + 8], 0xdd);
    }
}

/* to (rows, A_ROW) = the transpose of the first rows columns of from (n, ld), n a multiple of 16. */
static void take_columns(const float *from, int64_t ld, int rows, int64_t n, float *to)
{
    const __mmask16 there = (__mmask16)((1u << rows) - 1);

    for (int64_t p = 0; p < n; p += 16, from += 16 * ld, to += 16) {
        __m512 v[16];

        UNROLL for (int i = 0; i < 16; i++) v[i] = _mm512_maskz_loadu_ps(there, from + i * ld);
        transpose_16(v);
        UNROLL for (int i = 0; i < ROWS; i++) if (i < rows) _mm512_storeu_ps(to + i * A_ROW, v[i]);
    }
}
#endif

/* to (k, width) = the first columns of B, which is stored as (n, k). */
static void pack_transposed(const float *b, int64_t ldb, int64_t k, int64_t n, int64_t width, float *to)
{
    int64_t p = 0;

#ifdef __AVX2__
    for (; p + 8 <= k && n >= 8; p += 8) {
        for (int64_t j = 0; j + 8 <= n; j += 8)
            transpose_8(b + j * ldb + p, ldb, to + p * width + j, width);
        for (int64_t j = n / 8 * 8; j < n; j++)
            for (int64_t q = p; q < p + 8; q++)
                to[q * width + j] = b[j * ldb + q];
    }
#endif
    for (; p < k; p++)
        for (int64_t j = 0; j < n; j++)
            to[p * width + j] = b[j * ldb + p];
}

/* to (k, width) = the first columns of B (k, n); those that are not there are zero. */
static void pack_panel(const float *b, int64_t ldb, bool tb, int64_t k, int64_t n, int64_t width, float *to)
{
    const int64_t there = n < width ? n : width;

    if (tb)
        pack_transposed(b, ldb, k, there, width, to);
    else if (there == MAAS_PANEL)
        for (int64_t p = 0; p < k; p++)
            memcpy(to + p * MAAS_PANEL, b + p * ldb, MAAS_PANEL * sizeof *to);
    else
        for (int64_t p = 0; p < k; p++)
            memcpy(to + p * width, b + p * ldb, (size_t)there * sizeof *to);
    for (int64_t p = 0; p < k && there < width; p++)
        memset(to + p * width + there, 0, (size_t)(width - there) * sizeof *to);
}

void K(linear_pack_f32)(bool tb, int64_t k, int64_t n, const float *b, int64_t ldb, float *packed, int64_t j0,
                        int64_t j1)
{
    for (int64_t j = j0; j < j1; j += MAAS_PANEL)
        pack_panel(b + (tb ? j * ldb : j), ldb, tb, k, n - j, panel_width(n, j), packed + j * k);
}

/* ---- blocks ---- */

/* at (rows, A_ROW) = alpha times rows [i, i + rows) and columns [p0, p1) of A. */
static void take_rows(const MaasLinear *l, int64_t i, int rows, int64_t p0, int64_t p1, float *at)
{
    if (l->ta) {
        int64_t whole = 0;

#if LANES == 16
        whole = (p1 - p0) / 16 * 16;
        take_columns(l->a + p0 * l->lda + i, l->lda, rows, whole, at);
#endif
        for (int64_t p = p0 + whole; p < p1; p++)
            for (int r = 0; r < rows; r++)
                at[r * A_ROW + p - p0] = l->a[p * l->lda + i + r];
    } else
        for (int r = 0; r < rows; r++)
            memcpy(at + r * A_ROW, l->a + (i + r) * l->lda + p0, (size_t)(p1 - p0) * sizeof *at);
    if (l->alpha != 1)
        for (int r = 0; r < rows; r++)
            for (int64_t p = 0; p < p1 - p0; p++)
                at[r * A_ROW + p] *= l->alpha;
}

/* A block of B: rows [p0, p1).  Of B in place, a last panel that is not whole is packed. */
typedef struct Block {
    int64_t p0, p1;
    const float *rest; /* that panel, or NULL; its width is panel_width */
} Block;

/* One panel. */
static void multiply_panel(int rows, const float *a, int64_t lda, const float *b, int64_t width, int64_t step,
                           int64_t depth, const Target *t)
{
#if LANES == 16
    (width == STEP ? tiles : narrow_tiles)[rows - 1](a, lda, b, step, 0, depth, t);
#else
    for (int64_t s = 0; s < width && s < t->columns; s += STEP) {
        Target part = *t;

        part.c += s;
        part.bias = t->bias ? t->bias + s : NULL;
        part.residual = t->residual ? t->residual + s : NULL;
        part.columns -= s;
        tiles[rows - 1](a, lda, b + s, step, 0, depth, &part);
    }
#endif
}

/* Asks for share `part` of `parts` of the `rows` rows of A that come after row i, so that they are near when they
 * are copied. */
static void fetch_ahead(const MaasLinear *l, const Block *b, int64_t i, int64_t rows, int64_t part, int64_t parts)
{
    const int64_t lines = (b->p1 - b->p0 + 15) / 16, n = l->ta ? b->p1 - b->p0 : rows * lines;

    if (l->ta) { /* columns: where the last of them ends, for the first ones lie beside those of the tile before */
        for (int64_t at = n * part / parts; at < n * (part + 1) / parts; at++)
            __builtin_prefetch(l->a + (b->p0 + at) * l->lda + i + rows - 1, 0, 2);
        return;
    }
    for (int64_t at = n * part / parts; at < n * (part + 1) / parts; at++)
        __builtin_prefetch(l->a + (i + at / lines) * l->lda + b->p0 + at % lines * 16, 0, 2);
}

/* Whether a tile reads A where it is: as it is, and not with all rows in one set of the cache. */
static bool in_place(const MaasLinear *l, int rows)
{
    const int64_t past = (int64_t)((uint64_t)l->lda * sizeof *l->a % SETS);

    return !l->ta && l->alpha == 1 && (rows == 1 || (past < SETS - past ? past : SETS - past) >= 64);
}

/* Rows [i, i + rows) and columns [j0, j1) of the product with one block; `later` rows follow. */
static void multiply(const MaasLinear *l, const Block *b, int64_t i, int rows, int64_t later, int64_t j0,
                     int64_t j1)
{
    float copy[ROWS * A_ROW] __attribute__((aligned(64)));
    const float *a = copy;
    int64_t lda = A_ROW;
    const int64_t depth = b->p1 - b->p0;
    const int64_t several = LANES == 16 && rows <= FEW ? few[rows - 1].panels * MAAS_PANEL : INT64_MAX;
    Target t = {.ldc = l->ldc,
                .ldr = l->ldr,
                .low = l->low,
                .high = l->high,
                .add = l->add || b->p0 > 0,
                .last = b->p1 == l->k};

    if (in_place(l, rows)) {
        lda = l->lda;
        a = l->a + i * lda + b->p0;
    } else {
        take_rows(l, i, rows, b->p0, b->p1, copy);
    }
    later = later < ROWS ? later : ROWS;
    for (int64_t j = j0; j < j1;) {
        const int64_t width = panel_width(l->n, j);
        const float *panel = l->b + (l->ldb ? b->p0 * l->ldb + j : j * l->k + b->p0 * width);
        int64_t step = l->ldb ? l->ldb : width;

        t.c = l->c + i * l->ldc + j;
        t.bias = l->bias ? l->bias + j : NULL;
        t.residual = l->residual ? l->residual + i * l->ldr + j : NULL;
        t.columns = l->n - j;
        if (later)
            fetch_ahead(l, b, i + rows, later, (j - j0) / MAAS_PANEL, (j1 - j0 + MAAS_PANEL - 1) / MAAS_PANEL);
        if ((j1 < l->n ? j1 : l->n) - j >= several) {
            few[rows - 1].tile(a, lda, panel, step, l->ldb ? MAAS_PANEL : MAAS_PANEL * l->k, depth, &t);
            j += several;
            continue;
        }
        if (l->ldb && t.columns < MAAS_PANEL) {
            panel = b->rest;
            step = width;
        }
        multiply_panel(rows, a, lda, panel, width, step, depth, &t);
        j += MAAS_PANEL;
    }
}

/* The activation of rows [i, i + rows), columns [j0, j1). */
static void activate(const MaasLinear *l, int64_t i, int rows, int64_t j0, int64_t j1)
{
    float *c = l->c + i * l->ldc + j0;

    if (j1 - j0 == l->ldc)
        l->act(c, c, rows * l->ldc, l->p);
    else
        for (int r = 0; r < rows; r++)
            l->act(c + r * l->ldc, c + r * l->ldc, j1 - j0, l->p);
}

/* All rows [i0, i1) with one block, in tiles of much the same height. */
static void multiply_rows(const MaasLinear *l, const Block *b, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    const int64_t m = i1 - i0, n_tiles = (m + ROWS - 1) / ROWS;

    for (int64_t s = 0; s < n_tiles; s++) {
        const int64_t i = i0 + s * m / n_tiles;
        const int rows = (int)(i0 + (s + 1) * m / n_tiles - i);

        multiply(l, b, i, rows, i1 - i - rows, j0, j1);
        if (l->act && b->p1 == l->k)
            activate(l, i, rows, j0, j1);
    }
}

/* The same where B is in place and ends with a panel that is not whole. */
static void multiply_ragged(const MaasLinear *l, Block b, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    float rest[DEPTH * MAAS_PANEL] __attribute__((aligned(64)));
    const int64_t j = l->n / MAAS_PANEL * MAAS_PANEL;

    pack_panel(l->b + b.p0 * l->ldb + j, l->ldb, false, b.p1 - b.p0, l->n - j, panel_width(l->n, j), rest);
    b.rest = rest;
    multiply_rows(l, &b, i0, i1, j0, j1);
}

void K(linear_f32)(const MaasLinear *l, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    const int64_t n_blocks = l->k > DEPTH ? (l->k + DEPTH - 1) / DEPTH : 1;

    for (int64_t j = j0; j < j1; j += COLUMNS) {
        const int64_t end = j1 - j < COLUMNS ? j1 : j + COLUMNS;

        for (int64_t s = 0; s < n_blocks; s++) {
            const Block b = {.p0 = l->k * s / n_blocks, .p1 = l->k * (s + 1) / n_blocks};

            if (l->ldb && end == l->n && l->n % MAAS_PANEL)
                multiply_ragged(l, b, i0, i1, j, end);
            else
                multiply_rows(l, &b, i0, i1, j, end);
        }
    }
}

/* Measured on Zen 4 beside OpenBLAS 0.3.21, whose AVX2 kernels are as fast as these.  Where B must be packed for
 * one product, the rows of A have to pay for that. */
bool K(linear_leads)(bool tb, int64_t m, int64_t n, int64_t k)
{
    if (LANES < 16 || n <= 4 || (double)m * (double)n * (double)k < 80 * 80 * 80)
        return false;
    return !tb || m >= 256 || (m >= 32 && n * k <= 1 << 16);
}
