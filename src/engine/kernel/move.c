/*
 * move.c - copies elements of any type between strided places.
 *
 * Strides are counted in elements and may be zero or negative.  Elements are
 * moved by size only: 1, 2, 4, 8 or 16 bytes.
 */
#include <string.h>

#include "kernel.h"

typedef struct Wide {
    uint64_t a, b;
} Wide;

/* Both sides of a transposition touch whole cache lines within a tile. */
#define TILE 16

#define MOVE(T, NAME)                                                                                              \
    static void NAME(int64_t rows, int64_t cols, const T *restrict src, int64_t src_row, int64_t src_col,          \
                     T *restrict dst, int64_t dst_row, int64_t dst_col)                                            \
    {                                                                                                              \
        if (src_col == 1 && dst_col == 1) {                                                                        \
            for (int64_t r = 0; r < rows; r++)                                                                     \
                memcpy(dst + r * dst_row, src + r * src_row, (size_t)cols * sizeof(T));                            \
            return;                                                                                                \
        }                                                                                                          \
        if (src_col == 0 && dst_col == 1) {                                                                        \
            for (int64_t r = 0; r < rows; r++) {                                                                   \
                T value = src[r * src_row];                                                                        \
                T *to = dst + r * dst_row;                                                                         \
                                                                                                                   \
                for (int64_t i = 0; i < cols; i++)                                                                 \
                    to[i] = value;                                                                                 \
            }                                                                                                      \
            return;                                                                                                \
        }                                                                                                          \
        for (int64_t r0 = 0; r0 < rows; r0 += TILE) {                                                              \
            int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows;                                                      \
                                                                                                                   \
            for (int64_t c0 = 0; c0 < cols; c0 += TILE) {                                                          \
                int64_t c1 = c0 + TILE < cols ? c0 + TILE : cols;                                                  \
                                                                                                                   \
                for (int64_t r = r0; r < r1; r++)                                                                  \
                    for (int64_t i = c0; i < c1; i++)                                                              \
                        dst[r * dst_row + i * dst_col] = src[r * src_row + i * src_col];                           \
            }                                                                                                      \
        }                                                                                                          \
    }

/* 4 x 4 and 2 x 2 elements in registers: what the vectoriser does not find by itself */
typedef uint32_t Four __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint64_t Two __attribute__((vector_size(16), aligned(8), may_alias));

static void transpose_4x4(const uint32_t *src, int64_t src_col, uint32_t *dst, int64_t dst_row)
{
    Four a = *(const Four *)src, b = *(const Four *)(src + src_col), c = *(const Four *)(src + 2 * src_col),
         d = *(const Four *)(src + 3 * src_col);
    Four ab0 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab1 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    Four cd0 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd1 = __builtin_shufflevector(c, d, 2, 6, 3, 7);

    *(Four *)dst = __builtin_shufflevector(ab0, cd0, 0, 1, 4, 5);
    *(Four *)(dst + dst_row) = __builtin_shufflevector(ab0, cd0, 2, 3, 6, 7);
    *(Four *)(dst + 2 * dst_row) = __builtin_shufflevector(ab1, cd1, 0, 1, 4, 5);
    *(Four *)(dst + 3 * dst_row) = __builtin_shufflevector(ab1, cd1, 2, 3, 6, 7);
}

static void transpose_2x2(const uint64_t *src, int64_t src_col, uint64_t *dst, int64_t dst_row)
{
    Two a = *(const Two *)src, b = *(const Two *)(src + src_col);

    *(Two *)dst = __builtin_shufflevector(a, b, 0, 2);
    *(Two *)(dst + dst_row) = __builtin_shufflevector(a, b, 1, 3);
}

/* dst (rows, cols) = the transpose of src (cols, rows), both contiguous in their last axis.  TILE rows at a time:
 * they are the cache lines of src. */
#define TRANSPOSE(T, NAME, BLOCK, N)                                                                               \
    static void NAME(int64_t rows, int64_t cols, const T *src, int64_t src_col, T *dst, int64_t dst_row)           \
    {                                                                                                              \
        for (int64_t r0 = 0; r0 < rows; r0 += TILE) {                                                              \
            int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows, c = 0;                                               \
                                                                                                                   \
            for (; c + (N) <= cols; c += (N)) {                                                                    \
                int64_t r = r0;                                                                                    \
                                                                                                                   \
                for (; r + (N) <= r1; r += (N))                                                                    \
                    BLOCK(src + r + c * src_col, src_col, dst + r * dst_row + c, dst_row);                         \
                for (; r < r1; r++)                                                                                \
                    for (int64_t i = c; i < c + (N); i++)                                                          \
                        dst[r * dst_row + i] = src[r + i * src_col];                                               \
            }                                                                                                      \
            for (; c < cols; c++)                                                                                  \
                for (int64_t r = r0; r < r1; r++)                                                                  \
                    dst[r * dst_row + c] = src[r + c * src_col];                                                   \
        }                                                                                                          \
    }

TRANSPOSE(uint32_t, transpose_4, transpose_4x4, 4)
TRANSPOSE(uint64_t, transpose_8, transpose_2x2, 2)

MOVE(uint8_t, move_1)
MOVE(uint16_t, move_2)
MOVE(uint32_t, move_4)
MOVE(uint64_t, move_8)
MOVE(Wide, move_16)

/* dst[r * dst_row + c * dst_col] = src[r * src_row + c * src_col] for all r < rows, c < cols */
void K(move_2d)(size_t size, int64_t rows, int64_t cols, const void *src, int64_t src_row, int64_t src_col,
                void *dst, int64_t dst_row, int64_t dst_col)
{
    switch (size) {
    case 1:
        move_1(rows, cols, src, src_row, src_col, dst, dst_row, dst_col);
        break;
    case 2:
        move_2(rows, cols, src, src_row, src_col, dst, dst_row, dst_col);
        break;
    case 4:
        if (src_row == 1 && dst_col == 1 && src_col != 1)
            transpose_4(rows, cols, src, src_col, dst, dst_row);
        else
            move_4(rows, cols, src, src_row, src_col, dst, dst_row, dst_col);
        break;
    case 8:
        if (src_row == 1 && dst_col == 1 && src_col != 1)
            transpose_8(rows, cols, src, src_col, dst, dst_row);
        else
            move_8(rows, cols, src, src_row, src_col, dst, dst_row, dst_col);
        break;
    default:
        move_16(rows, cols, src, src_row, src_col, dst, dst_row, dst_col);
        break;
    }
}

#define GATHER(T, NAME)                                                                                            \
    static void NAME(int64_t n, const T *src, const int64_t *index, T *restrict dst)                               \
    {                                                                                                              \
        for (int64_t i = 0; i < n; i++)                                                                            \
            dst[i] = src[index[i]];                                                                                \
    }

GATHER(uint8_t, gather_1)
GATHER(uint16_t, gather_2)
GATHER(uint32_t, gather_4)
GATHER(uint64_t, gather_8)
GATHER(Wide, gather_16)

/* dst[i] = src[index[i]] */
void K(gather)(size_t size, int64_t n, const void *src, const int64_t *index, void *dst)
{
    switch (size) {
    case 1:
        gather_1(n, src, index, dst);
        break;
    case 2:
        gather_2(n, src, index, dst);
        break;
    case 4:
        gather_4(n, src, index, dst);
        break;
    case 8:
        gather_8(n, src, index, dst);
        break;
    default:
        gather_16(n, src, index, dst);
        break;
    }
}
