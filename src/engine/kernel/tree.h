/*
 * tree.h - decision trees as the kernels walk them.
 *
 * The nodes of all trees lie in one array.  The two children of a node are
 * neighbours: child for "yes", child + 1 for "no".  A leaf is its own child
 * and always answers "yes", so that a walk may take more steps than the path
 * has.  Every kind of comparison is turned into x <= split when the trees are
 * built; only what that cannot express needs the general walk.
 */
#ifndef MAAS_KERNEL_TREE_H
#define MAAS_KERNEL_TREE_H

#include <stdint.h>

/* value: of a leaf when the ensemble has one target; votes: else the number of the leaf's list of votes. */
typedef struct MaasTreeNodeF32 {
    float split;
    uint32_t feature;
    uint32_t child;
    union {
        float value;
        uint32_t votes;
    };
} MaasTreeNodeF32;

typedef struct MaasTreeNodeF64 {
    double split;
    uint32_t feature;
    uint32_t child;
    union {
        double value;
        uint32_t votes;
    };
} MaasTreeNodeF64;

/* A byte a node: what x <= split does not say. */
enum {
    MAAS_TREE_LEQ = 0,
    MAAS_TREE_EQ = 1,
    MAAS_TREE_MEMBER = 2, /* split is the number of a set */
    MAAS_TREE_MODE = 3,
    MAAS_TREE_NAN_YES = 128 /* NaN goes to "yes" whatever the comparison says */
};

typedef enum MaasTreeWalk {
    MAAS_WALK_PLAIN, /* all nodes LEQ; the rows have no NaN */
    MAAS_WALK_NAN,   /* all nodes LEQ */
    MAAS_WALK_GENERAL
} MaasTreeWalk;

typedef struct MaasTreesF32 {
    const MaasTreeNodeF32 *nodes;
    const uint8_t *flags;   /* per node */
    const uint32_t *roots;  /* per tree */
    const uint32_t *depths; /* per tree: steps from the root to the deepest leaf */
    const uint32_t *sets;   /* set i: members[sets[i]] up to members[sets[i + 1]], ascending */
    const float *members;
} MaasTreesF32;

typedef struct MaasTreesF64 {
    const MaasTreeNodeF64 *nodes;
    const uint8_t *flags;
    const uint32_t *roots;
    const uint32_t *depths;
    const uint32_t *sets;
    const double *members;
} MaasTreesF64;

/* Votes of list i: first[i] up to first[i + 1]. */
typedef struct MaasVotesF32 {
    const uint32_t *first, *target;
    const float *weight;
} MaasVotesF32;

typedef struct MaasVotesF64 {
    const uint32_t *first, *target;
    const double *weight;
} MaasVotesF64;

typedef enum MaasVoteJoin { MAAS_VOTE_ADD, MAAS_VOTE_MIN, MAAS_VOTE_MAX } MaasVoteJoin;

#endif
