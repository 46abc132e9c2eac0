/*
 * topk.c - the k largest or smallest of a line, in order.
 *
 * A heap holds the k best so far with the worst of them on top, so that most elements cost one comparison.  Equal
 * values: the lower index is better.  NaN counts as larger than every number.
 */
#include "kernel.h"

#define TOP_K(name, T, above)                                                                                      \
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
        for (int64_t i = k; i < n; i++) { /* a later index must be strictly above */                               \
            const T v = x[i * stride];                                                                             \
                                                                                                                   \
            if (above(v, value[0]))                                                                                \
                name##_sink(value, index, k, v, i);                                                                \
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
#define MORE(a, b) ((a) > (b))
#define LESS(a, b) ((a) < (b))

#define TOP_K_INT(bits)                                                                                            \
    TOP_K(largest_i##bits, int##bits##_t, MORE)                                                                    \
    TOP_K(smallest_i##bits, int##bits##_t, LESS)                                                                   \
    TOP_K(largest_u##bits, uint##bits##_t, MORE)                                                                   \
    TOP_K(smallest_u##bits, uint##bits##_t, LESS)
TOP_K(largest_f32, float, FLOAT_MORE)
TOP_K(smallest_f32, float, FLOAT_LESS)
TOP_K(largest_double, double, FLOAT_MORE)
TOP_K(smallest_double, double, FLOAT_LESS)
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
