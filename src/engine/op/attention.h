/*
 * attention.h - what Attention and its gradient share: how heads lie in memory, which keys a query may see, scores.
 */
#ifndef MAAS_OP_ATTENTION_H
#define MAAS_OP_ATTENTION_H

#include "product.h"

enum { AT_Q, AT_K, AT_V, AT_MASK, AT_PAST_KEY, AT_PAST_VALUE, AT_LENGTHS };
enum { AT_Y, AT_PRESENT_KEY, AT_PRESENT_VALUE, AT_SCORES };
enum { A_CAUSAL, A_KV_HEADS, A_Q_HEADS, A_MODE, A_SCALE, A_SOFTCAP, A_PRECISION, A_LEFT, A_RIGHT, A_COUNT };
enum { MODE_RAW, MODE_CAPPED, MODE_BIASED, MODE_SOFTMAX }; /* qk_matmul_output_mode */

#define MAAS_ATTENTION_ATTRS                                                                                       \
    {"is_causal", MAAS_ATTR_INT}, {"kv_num_heads", MAAS_ATTR_INT}, {"q_num_heads", MAAS_ATTR_INT},                 \
        {"qk_matmul_output_mode", MAAS_ATTR_INT}, {"scale", MAAS_ATTR_FLOAT}, {"softcap", MAAS_ATTR_FLOAT},        \
        {"softmax_precision", MAAS_ATTR_INT}, {"left_window_size", MAAS_ATTR_INT, .i = -1},                        \
        {"right_window_size", MAAS_ATTR_INT, .i = -1}

/* Keys or values of all heads: element (batch b, head h, row r) begins at b * batch + h * head + r * row. */
typedef struct MaasHeads {
    const char *data;
    int64_t batch, head, row;
} MaasHeads;

typedef struct MaasAttention {
    MaasType type;
    int64_t size; /* bytes of an element */
    int64_t batch, q_heads, kv_heads, queries, keys, past, head_size, value_size;
    MaasHeads q, k, v, y;
    const MaasTensor *mask;
    int64_t mask_step[3], mask_keys; /* of batch, head, query; keys that the mask covers */
    const int64_t *lengths;
    double scale, softcap;
    int64_t left, right, mode;
    bool causal;
} MaasAttention;

/* Reads inputs and attributes; y: the output, or what has its shape.  Lengths are checked here. */
MaasStatus maas_attention_read(MaasCtx *c, const MaasTensor *y, MaasAttention *a);
/* How one of Q, K, V, Y lies. */
MaasHeads maas_attention_heads(const MaasTensor *t, int64_t heads, int64_t rows, int64_t size);
/* The row of a head. */
static inline void *maas_attention_at(const MaasAttention *a, const MaasHeads *h, int64_t batch, int64_t head,
                                      int64_t row)
{
    return (void *)(uintptr_t)(h->data + (size_t)((batch * h->batch + head * h->head + row * h->row) * a->size));
}

/* The place of a query's row in the mask. */
static inline int64_t maas_attention_mask_at(const MaasAttention *a, int64_t batch, int64_t head, int64_t query)
{
    return batch * a->mask_step[0] + head * a->mask_step[1] + query * a->mask_step[2];
}

/* The keys [*from, *to) that a query may see. */
void maas_attention_visible(const MaasAttention *a, int64_t batch, int64_t query, int64_t *from, int64_t *to);
/* One row of scores (keys) becomes probabilities; keys outside [from, to) get 0.  shown: gets the row as it is
 * after the step that a->mode names, or NULL. */
void maas_attention_row(const MaasAttention *a, void *row, int64_t from, int64_t to, int64_t mask_at, void *shown);

#endif
