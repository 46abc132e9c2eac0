/*
 * quant.h - what quantised products and convolutions have in common.
 */
#ifndef MAAS_OP_QUANT_H
#define MAAS_OP_QUANT_H

#include "op.h"

#define MAAS_T_BYTES (MAAS_T(MAAS_INT8) | MAAS_T(MAAS_UINT8))

/* to = x[from ...] - zero, of n 8-bit integers. */
void maas_quant_widen(const MaasTensor *x, int64_t from, int32_t zero, int16_t *to, int64_t n);
/* Zero point or scale number i; one element serves all, an absent zero point is 0. */
int32_t maas_quant_zero(const MaasTensor *zero, int64_t i);
float maas_quant_scale(const MaasTensor *scale, int64_t i);
/* y[at + i * stride] = saturate(round(from[i] * scale) + zero), rounding half to even. */
void maas_quant_store(const int32_t *from, float scale, int32_t zero, MaasTensor *y, int64_t at, int64_t n,
                      int64_t stride);

#endif
