/*
 * optimize.h - what one step of an optimiser does to the elements of a parameter.
 *
 * One struct for all optimisers, filled once a step; each reads what it needs.  The formulas are PyTorch's.
 */
#ifndef MAAS_KERNEL_OPTIMIZE_H
#define MAAS_KERNEL_OPTIMIZE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum MaasUpdateRule {
    MAAS_UPDATE_SGD,
    MAAS_UPDATE_ADAGRAD,
    MAAS_UPDATE_RMSPROP,
    MAAS_UPDATE_ADAM, /* and AdamW: shrink instead of decay */
    MAAS_UPDATE_LION,
    MAAS_N_UPDATES
} MaasUpdateRule;

typedef struct MaasUpdate {
    /* g = clamp(scale * (g + l1 * sign(w) + l2 * w), -limit, limit) + decay * w */
    float scale, l1, l2, limit, decay;
    float shrink; /* w *= shrink before the step: decay apart from the gradient */
    float rate;
    float momentum; /* SGD, RMSprop */
    float fresh;    /* SGD: share of the gradient that enters the momentum, 1 - dampening */
    float beta1, beta2, epsilon;
    float fresh1, fresh2; /* 1 - beta1 and 1 - beta2, rounded once: near 1 little is left of a rounded beta */
    float root;           /* Adam: 1 / sqrt(1 - beta2^step); rate is divided by 1 - beta1^step already */
    bool first;           /* SGD: there is no momentum yet */
    bool nesterov, centered, amsgrad;
} MaasUpdate;

/*
 * n elements of a parameter w, its gradient g and the optimiser's state: SGD s0 momentum; Adagrad s0 sum of
 * squares; RMSprop s0 mean square, s1 momentum, s2 mean; Adam s0 mean, s1 mean square, s2 largest mean square; Lion
 * s0 mean. What an optimiser's settings do not use may be NULL.
 */
typedef void (*MaasUpdateFn)(const MaasUpdate *u, float *w, const float *g, float *s0, float *s1, float *s2,
                             int64_t n);

#endif
