/*
 * metrics.h - what the files of the metrics share; learn.h is their face.
 *
 * metrics.c   gathering: everything but the areas under curves is kept as sums
 * curves.c    areas under the ROC and the precision-recall curve, from scores that are kept
 * report.c    the metrics made of the sums, by name and as JSON
 */
#ifndef MAAS_LEARN_METRICS_H
#define MAAS_LEARN_METRICS_H

#include "learn.h"

/* Regression sums of one of the numbers that a sample has. */
typedef struct MaasValueSums {
    double squares, absolute, percent, pinball; /* of the errors */
    double mean, spread;                        /* of the actual values: running mean, sum of squared distances */
} MaasValueSums;

typedef struct MaasClassSums {
    double true_positive, predicted, actual;
} MaasClassSums;

typedef struct MaasBin {
    double weight, confidence, correct;
} MaasBin;

struct MaasMetrics {
    MaasMem *mem;
    MaasMetricOptions options; /* defaults filled in */
    MaasArena arena;           /* names */
    int64_t n;                 /* samples */
    double weight;             /* of all samples */
    MaasValueSums *values;     /* width */
    double correct, in_top_k, log_loss, brier;
    MaasClassSums *classes; /* width */
    double *confusion;      /* (actual, predicted), or NULL when there are too many classes */
    MaasBin *bins;
    /* kept for the curves; with two classes scores of class 1 only */
    int64_t kept, capacity, columns;
    bool dropped;  /* too many: nothing is kept any more */
    float *scores; /* (kept, columns) */
    int32_t *labels;
    float *weights;
    /* areas by column, NaN where a class is missing; computed when first asked for */
    bool curved;
    double *roc, *precision_recall; /* columns */
};

/* Computes roc and precision_recall, if that has not happened since samples were added. */
MaasStatus maas_metrics_curves(MaasMetrics *metrics, MaasError *err);

#endif
