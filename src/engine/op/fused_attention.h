/*
 * fused_attention.h - how the operands of FusedAttention lie in memory; for the pass that makes it.
 */
#ifndef MAAS_OP_FUSED_ATTENTION_H
#define MAAS_OP_FUSED_ATTENTION_H

enum {
    MAAS_HEADS_FIRST,        /* (batch, heads, rows, columns); of rank 3: (batch, rows, columns) */
    MAAS_ROWS_FIRST,         /* (batch, rows, heads, columns) */
    MAAS_HEADS_FIRST_TURNED, /* (batch, heads, columns, rows): K as MatMul wants it */
};

#endif
