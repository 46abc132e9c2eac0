/*
 * loop.h - inference that Loop and Scan share.
 */
#ifndef MAAS_OP_LOOP_H
#define MAAS_OP_LOOP_H

#include "op.h"

/* Any value that flows along an edge. */
#define MAAS_T_VALUE (MAAS_T_ANY | MAAS_T_SEQUENCE | MAAS_T_OPTIONAL | MAAS_T_MAP)

/* Infers a body whose inputs in[first_in ...] are state that its outputs first_out ... replace after each
 * iteration: until in[] describes the state at any time.  outs gets the body's outputs. */
MaasStatus maas_infer_states(MaasInferCtx *c, const MaasGraph *body, int n_body_in, MaasInfo *in, int first_in,
                             int n_state, int first_out, const MaasInfo **outs);
/* Output i: n elements of this info joined along a new axis. */
MaasStatus maas_infer_stacked(MaasInferCtx *c, int i, const MaasInfo *elem, int64_t axis, int64_t n);

#endif
