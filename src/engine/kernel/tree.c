/*
 * tree.c - walks rows down decision trees.
 *
 * tree.h describes the nodes.  The caller gives the kernels so many trees at
 * a time that their nodes stay in the cache while many rows pass.
 */
#include <stdbool.h>

#include "kernel.h"

#define T float
#define NODE MaasTreeNodeF32
#define TREES MaasTreesF32
#define VOTES MaasVotesF32
#define NAME(x) x##_f32
#include "tree.inc"
#undef T
#undef NODE
#undef TREES
#undef VOTES
#undef NAME

#define T double
#define NODE MaasTreeNodeF64
#define TREES MaasTreesF64
#define VOTES MaasVotesF64
#define NAME(x) x##_f64
#include "tree.inc"
