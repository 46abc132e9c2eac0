/*
 * ml_tree.h - ensembles of trees as they are prepared from a node's attributes, and as they are computed.
 */
#ifndef MAAS_OP_ML_TREE_H
#define MAAS_OP_ML_TREE_H

#include "../kernel/kernel.h"
#include "ml.h"

/* The numbers of TreeEnsemble's aggregate_function. */
typedef enum MaasTreeAggregate { MAAS_TREE_AVERAGE, MAAS_TREE_SUM, MAAS_TREE_MIN, MAAS_TREE_MAX } MaasTreeAggregate;

/* The state of a node: this head and arrays at offsets from its start.  wide: thresholds and votes are double. */
typedef struct MaasForest {
    uint32_t n_trees, n_targets;
    uint8_t wide;
    uint8_t general;  /* some node is not of the kind LEQ */
    uint8_t single;   /* one target and a sum: leaves carry their value, there are no votes */
    uint8_t positive; /* no vote is negative */
    int32_t only;     /* the one target that all votes are for, or -1 */
    uint64_t nodes, flags, roots, depths, sets, members;
    uint64_t first, targets, weights; /* votes of list i: first[i] up to first[i + 1] */
} MaasForest;

/* What the two notations (nodes with leaves among them; nodes and leaves apart) have in common.  Numbers of
 * nodes and leaves are one sequence: leaves may stand anywhere in it. */
typedef struct MaasRawNode {
    uint32_t yes, no;
    uint32_t feature;
    uint8_t mode; /* MaasRawMode */
    uint8_t nan_yes;
    uint32_t set; /* MAAS_RAW_MEMBER */
    double split;
} MaasRawNode;

typedef enum MaasRawMode {
    MAAS_RAW_LEQ,
    MAAS_RAW_LT,
    MAAS_RAW_GTE,
    MAAS_RAW_GT,
    MAAS_RAW_EQ,
    MAAS_RAW_NEQ,
    MAAS_RAW_MEMBER,
    MAAS_RAW_LEAF
} MaasRawMode;

typedef struct MaasRawForest {
    bool wide;
    bool single;
    int64_t n_targets;
    int64_t n_nodes, n_roots;
    MaasRawNode *nodes;
    uint32_t *roots;
    const uint32_t *first; /* n_nodes + 1: votes of each node; only a leaf's are used */
    int64_t n_votes;
    const uint32_t *targets; /* n_votes */
    const double *weights;   /* n_votes */
    int64_t n_sets;
    const uint32_t *sets;  /* n_sets + 1 */
    const double *members; /* sets[n_sets], ascending within a set */
} MaasRawForest;

/* Makes the node's state; fails on cycles.  Children, roots and targets are within range already. */
MaasStatus maas_forest_build(MaasCtx *c, const MaasRawForest *raw);

/* Scores of the trees before anything is added: sum or extreme of the votes a target. */
typedef struct MaasForestScores {
    void *score;  /* float or (wide) double, (N, targets) */
    uint8_t *has; /* (N, targets): some leaf voted; NULL when single */
} MaasForestScores;

MaasStatus maas_forest_run(MaasCtx *c, const MaasTensor *x, MaasTreeAggregate how, MaasForestScores *out);

/* compute of a regressor: scores of in[0], averaged if so, plus base (NULL or one a target), transformed, to
 * out[0]. */
MaasStatus maas_forest_regress(MaasCtx *c, MaasTreeAggregate how, MaasMlPost post, const double *base);

static inline double maas_forest_score(const MaasForest *f, const MaasForestScores *s, int64_t i)
{
    return f->wide ? ((const double *)s->score)[i] : ((const float *)s->score)[i];
}

/* a + b in the precision of the thresholds. */
static inline double maas_forest_add(const MaasForest *f, double a, double b)
{
    return f->wide ? a + b : (double)((float)a + (float)b);
}

#endif
