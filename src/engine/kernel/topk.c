/*
 * topk.c - the k largest or smallest of a line, in order.
 *
 * A heap holds the k best so far with the worst of them on top, so that most elements cost one comparison.  Equal
 * values: the lower index is better.  NaN counts as larger than every number.
 */
#include "kernel.h"

#define BLOCK 64

/* above(a, b): a stands before b.  not_below(a, b): true whenever above(a, b) is, perhaps also elsewhere. */
#define TOP_K(name, T, above, not_below)                                                                           \
    static inline bool name##_better(T a, int64_t i, T b, int64_t j)                                               \
    {                                                                                                              \
        return above(a, b) || (!above(b, a) && i < j);                                                             \
    }                                                                                                              \
                                                                                                                   \
    /* Puts (v, id) at the hole on top of the heap of n and sinks it: worse ones rise. */                          \
    static void name##_sink(T *value, int64_t *index, int64_t n, T v, int64_t id)                                  \
    {                                                                                                              \
        int64_t at = 0;                                                                                            \
                                                                                                                   \
        for (int64_t child = 1; child < n; child = 2 * at + 1) {                                                   \
            if (child + 1 < n && name##_better(value[child], index[child], value[child + 1], index[child + 1]))    \
                child++;                                                                                           \
            if (!name##_better(v, id, value[child], index[child]))                                                 \
                break;                                                                                             \
            value[at] = value[child];                                                                              \
            index[at] = index[child];                                                                              \
            at = child;                                                                                            \
        }                                                                                                          \
        value[at] = v;                                                                                             \
        index[at] = id;                                                                                            \
    }                                                                                                              \
                                                                                                                   \
    static void name(const void *xv, int64_t stride, int64_t n, int64_t k, void *values, int64_t *index)           \
    {                                                                                                              \
        const T *x = xv;                                                                                           \
        T *value = values;                                                                                         \
                                                                                                                   \
        for (int64_t i = 0; i < k; i++) { /* swim up */                                                            \
            const T v = x[i * stride];                                                                             \
            int64_t at = i;                                                                                        \
                                                                                                                   \
            while (at > 0) {                                                                                       \
                const int64_t up = (at - 1) / 2;                                                                   \
                                                                                                                   \
                if (!name##_better(value[up], index[up], v, i))                                                    \
                    break;                                                                                         \
                value[at] = value[up];                                                                             \
                index[at] = index[up];                                                                             \
                at = up;                                                                                           \
            }                                                                                                      \
            value[at] = v;                                                                                         \
            index[at] = i;                                                                                         \
        }                                                                                                          \
        for (int64_t at = k; at < n; at += BLOCK) { /* a later index must be strictly above */                     \
            const int64_t end = n - at < BLOCK ? n : at + BLOCK;                                                   \
            const T least = value[0];                                                                              \
            int hit = stride != 1;                                                                                 \
                                                                                                                   \
            if (stride == 1) { /* most blocks hold nothing that counts: look at all of it at once */               \
                _Pragma("omp simd reduction(| : hit)") for (int64_t i = at; i < end; i++) hit |=                   \
                    not_below(x[i], least);                                                                        \
            }                                                                                                      \
            for (int64_t i = at; hit && i < end; i++) {                                                            \
                const T v = x[i * stride];                                                                         \
                                                                                                                   \
                if (above(v, value[0]))                                                                            \
                    name##_sink(value, index, k, v, i);                                                            \
            }                                                                                                      \
        }                                                                                                          \
        for (int64_t left = k - 1; left > 0; left--) { /* the worst goes last */                                   \
            const T v = value[left];                                                                               \
            const int64_t id = index[left];                                                                        \
                                                                                                                   \
            value[left] = value[0];                                                                                \
            index[left] = index[0];                                                                                \
            name##_sink(value, index, left, v, id);                                                                \
        }                                                                                                          \
    }

#define FLOAT_MORE(a, b) ((a) > (b) || ((a) != (a) && (b) == (b)))
#define FLOAT_LESS(a, b) ((a) < (b) || ((b) != (b) && (a) == (a)))
/* also where either is NaN */
#define NOT_AT_MOST(a, b) (!((a) <= (b)))
#define NOT_AT_LEAST(a, b) (!((a) >= (b)))
#define MORE(a, b) ((a) > (b))
#define LESS(a, b) ((a) < (b))

#define TOP_K_INT(bits)                                                                                            \
    TOP_K(largest_i##bits, int##bits##_t, MORE, MORE)                                                              \
    TOP_K(smallest_i##bits, int##bits##_t, LESS, LESS)                                                             \
    TOP_K(largest_u##bits, uint##bits##_t, MORE, MORE)                                                             \
    TOP_K(smallest_u##bits, uint##bits##_t, LESS, LESS)
TOP_K(largest_f32, float, FLOAT_MORE, NOT_AT_MOST)
TOP_K(smallest_f32, float, FLOAT_LESS, NOT_AT_LEAST)
TOP_K(largest_double, double, FLOAT_MORE, NOT_AT_MOST)
TOP_K(smallest_double, double, FLOAT_LESS, NOT_AT_LEAST)
TOP_K_INT(8)
TOP_K_INT(16)
TOP_K_INT(32)
TOP_K_INT(64)

MaasTopKFn K(top_k)(bool largest, MaasType type)
{
    static const MaasTopKFn table[MAAS_NTYPES][2] = {
        [MAAS_FLOAT] = {smallest_f32, largest_f32},  [MAAS_DOUBLE] = {smallest_double, largest_double},
        [MAAS_INT8] = {smallest_i8, largest_i8},     [MAAS_INT16] = {smallest_i16, largest_i16},
        [MAAS_INT32] = {smallest_i32, largest_i32},  [MAAS_INT64] = {smallest_i64, largest_i64},
        [MAAS_UINT8] = {smallest_u8, largest_u8},    [MAAS_UINT16] = {smallest_u16, largest_u16},
        [MAAS_UINT32] = {smallest_u32, largest_u32}, [MAAS_UINT64] = {smallest_u64, largest_u64}};

    return table[type][largest];
}
