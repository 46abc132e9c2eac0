/*
 * recurrent_grad.h - the grad functions of the recurrent operators.
 */
#ifndef MAAS_OP_RECURRENT_GRAD_H
#define MAAS_OP_RECURRENT_GRAD_H

#include "grad.h"

void maas_grad_rnn(MaasGrad *g);
void maas_grad_lstm(MaasGrad *g);
void maas_grad_gru(MaasGrad *g);

#endif
