/*
 * conv_grad.h - the grad functions of the convolutions.
 */
#ifndef MAAS_OP_CONV_GRAD_H
#define MAAS_OP_CONV_GRAD_H

#include "grad.h"

void maas_grad_conv(MaasGrad *g);
void maas_grad_conv_transpose(MaasGrad *g);

#endif
