/*
 * ml_tree_ensemble.c - TreeEnsemble (ai.onnx.ml 5): nodes and leaves apart, tests of membership in sets.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "ml_tree.h"

enum {
    AGGREGATE,
    LEAF_TARGETS,
    LEAF_WEIGHTS,
    MEMBERS,
    N_TARGETS,
    FALSE_LEAFS,
    FALSE_IDS,
    FEATURES,
    HITRATES,
    MISSING,
    MODES,
    SPLITS,
    TRUE_LEAFS,
    TRUE_IDS,
    POST,
    ROOTS
};

static double real_at(const MaasAttr *tensor, int64_t i)
{
    const MaasTensor *t = tensor->tensors[0];

    if (t->type == MAAS_DOUBLE)
        return MAAS_F64(t)[i];
    return t->type == MAAS_FLOAT ? MAAS_F32(t)[i] : maas_f16_to_f32(((const uint16_t *)t->data)[i]);
}

static MaasStatus infer_reals(const MaasInferCtx *c, const MaasAttr *tensor)
{
    if (!maas_type_in(tensor->tensors[0]->type, MAAS_T_FLOAT | MAAS_T_DOUBLE | MAAS_T(MAAS_FLOAT16)))
        return maas_infer_fail(c, MAAS_ERR_TYPE, "%s is %s, expected float, double or float16", tensor->name,
                               maas_type_name(tensor->tensors[0]->type));
    return MAAS_OK;
}

static int64_t n_targets(const MaasAttr *attr)
{
    return attr[N_TARGETS].set ? attr[N_TARGETS].i : 1;
}

static MaasStatus infer_tree_ensemble(MaasInferCtx *c)
{
    const MaasAttr *a = c->attr;
    const int64_t nodes = a[FEATURES].n, leaves = a[LEAF_TARGETS].n, targets = n_targets(a);
    const int of_nodes[] = {FALSE_LEAFS, FALSE_IDS, TRUE_LEAFS, TRUE_IDS};
    MaasMlRows rows;

    for (size_t i = 0; i < sizeof of_nodes / sizeof *of_nodes; i++)
        if (a[of_nodes[i]].n != nodes)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "%s has %lld entries, nodes_featureids has %lld",
                                   a[of_nodes[i]].name, (long long)a[of_nodes[i]].n, (long long)nodes);
    if (nodes > INT32_MAX / 4 || leaves > INT32_MAX / 4)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "has %lld nodes and %lld leaves", (long long)nodes,
                               (long long)leaves);
    MAAS_TRY(infer_reals(c, &a[SPLITS]));
    MAAS_TRY(infer_reals(c, &a[LEAF_WEIGHTS]));
    if (a[MEMBERS].n > 0)
        MAAS_TRY(infer_reals(c, &a[MEMBERS]));
    if (a[MODES].tensors[0]->type != MAAS_UINT8)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "nodes_modes is %s, expected uint8",
                               maas_type_name(a[MODES].tensors[0]->type));
    if (a[SPLITS].tensors[0]->count != nodes || a[MODES].tensors[0]->count != nodes ||
        a[LEAF_WEIGHTS].tensors[0]->count != leaves)
        return maas_infer_fail(
            c, MAAS_ERR_VALUE, "%lld nodes have %lld splits and %lld modes, %lld leaves have %lld weights",
            (long long)nodes, (long long)a[SPLITS].tensors[0]->count, (long long)a[MODES].tensors[0]->count,
            (long long)leaves, (long long)a[LEAF_WEIGHTS].tensors[0]->count);
    if (targets < 1 || targets > INT32_MAX)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "n_targets is %lld, expected 1 or more", (long long)targets);
    if (a[AGGREGATE].i < 0 || a[AGGREGATE].i > MAAS_TREE_MAX)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "aggregate_function is %lld, expected 0 to 3",
                               (long long)a[AGGREGATE].i);
    if (a[POST].i < 0 || a[POST].i >= MAAS_ML_POSTS)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "post_transform is %lld, expected 0 to 4", (long long)a[POST].i);
    MAAS_TRY(maas_ml_infer_rows(c, &rows));
    if (rows.f >= 0)
        for (int64_t i = 0; i < nodes; i++)
            if (a[FEATURES].ints[i] >= rows.f)
                return maas_infer_fail(c, MAAS_ERR_SHAPE,
                                       "node %lld asks for feature %lld, but X has %lld features", (long long)i,
                                       (long long)a[FEATURES].ints[i], (long long)rows.f);
    return maas_ml_infer_matrix(c, 0, c->in[0]->type, rows.n, targets);
}

static MaasStatus read_child(MaasCtx *c, int64_t node, const MaasAttr *ids, const MaasAttr *leafs, uint32_t *child)
{
    const bool leaf = leafs->ints[node] != 0;
    const int64_t id = ids->ints[node], n = leaf ? c->attr[LEAF_TARGETS].n : c->attr[FEATURES].n;

    if (id < 0 || id >= n)
        return maas_node_fail(c, MAAS_ERR_VALUE, "%s has %lld at place %lld, but there are %lld %s", ids->name,
                              (long long)id, (long long)node, (long long)n, leaf ? "leaves" : "nodes");
    *child = (uint32_t)(leaf ? c->attr[FEATURES].n + id : id);
    return MAAS_OK;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The sets of the BRANCH_MEMBER nodes in their order: membership_values has them with NaN between. */
static void read_sets(MaasCtx *c, MaasRawForest *raw, uint32_t *sets, double *members)
{
    const MaasAttr *values = &c->attr[MEMBERS];
    const int64_t n = values->n > 0 ? values->tensors[0]->count : 0;
    int64_t at = 0;
    uint32_t end = 0;

    raw->sets = sets;
    raw->members = members;
    sets[0] = 0;
    for (int64_t i = 0; i < c->attr[FEATURES].n; i++) {
        if (raw->nodes[i].mode != MAAS_RAW_MEMBER)
            continue;
        raw->nodes[i].set = (uint32_t)raw->n_sets;
        for (; at < n; at++) {
            double value = real_at(values, at);

            if (value != value)
                break;
            members[end++] = value;
        }
        at++;
        qsort(members + sets[raw->n_sets], end - sets[raw->n_sets], sizeof *members, by_value);
        sets[++raw->n_sets] = end;
    }
}

static MaasStatus prepare_tree_ensemble(MaasCtx *c)
{
    const MaasAttr *a = c->attr;
    const int64_t inner = a[FEATURES].n, leaves = a[LEAF_TARGETS].n, n = inner + leaves, n_roots = a[ROOTS].n;
    const int64_t n_members = a[MEMBERS].n > 0 ? a[MEMBERS].tensors[0]->count : 0;
    MaasRawNode *nodes = maas_scratch(c, (size_t)n, sizeof *nodes);
    uint32_t *roots = maas_scratch(c, (size_t)n_roots, sizeof *roots);
    uint32_t *first = maas_scratch(c, (size_t)n + 1, sizeof *first);
    uint32_t *targets = maas_scratch(c, (size_t)leaves, sizeof *targets);
    double *weights = maas_scratch(c, (size_t)leaves, sizeof *weights);
    uint32_t *sets = maas_scratch(c, (size_t)inner + 1, sizeof *sets);
    double *members = maas_scratch(c, (size_t)n_members, sizeof *members);
    MaasRawForest raw = {.wide = c->in_types[0] == MAAS_DOUBLE || a[SPLITS].tensors[0]->type == MAAS_DOUBLE ||
                                 a[LEAF_WEIGHTS].tensors[0]->type == MAAS_DOUBLE,
                         .n_targets = n_targets(a),
                         .n_nodes = n,
                         .n_roots = n_roots,
                         .nodes = nodes,
                         .roots = roots,
                         .first = first,
                         .n_votes = leaves,
                         .targets = targets,
                         .weights = weights};

    if (!nodes || !roots || !first || !targets || !weights || !sets || !members)
        return c->err->status;
    if (n_roots > INT32_MAX / 4 || n_members > INT32_MAX)
        return maas_node_fail(c, MAAS_ERR_LIMIT, "has %lld trees and %lld members of sets", (long long)n_roots,
                              (long long)n_members);
    raw.single = raw.n_targets == 1 && (a[AGGREGATE].i == MAAS_TREE_SUM || a[AGGREGATE].i == MAAS_TREE_AVERAGE);
    for (int64_t i = 0; i < inner; i++) {
        const uint8_t mode = MAAS_U8(a[MODES].tensors[0])[i];

        if (mode > MAAS_RAW_MEMBER)
            return maas_node_fail(c, MAAS_ERR_VALUE, "node %lld has mode %d, expected 0 to 6", (long long)i, mode);
        if (a[FEATURES].ints[i] < 0 || a[FEATURES].ints[i] > INT32_MAX)
            return maas_node_fail(c, MAAS_ERR_VALUE, "node %lld asks for feature %lld", (long long)i,
                                  (long long)a[FEATURES].ints[i]);
        nodes[i] = (MaasRawNode){.mode = mode,
                                 .feature = (uint32_t)a[FEATURES].ints[i],
                                 .nan_yes = i < a[MISSING].n && a[MISSING].ints[i] == 1,
                                 .split = real_at(&a[SPLITS], i)};
        MAAS_TRY(read_child(c, i, &a[TRUE_IDS], &a[TRUE_LEAFS], &nodes[i].yes));
        MAAS_TRY(read_child(c, i, &a[FALSE_IDS], &a[FALSE_LEAFS], &nodes[i].no));
        first[i] = 0;
    }
    for (int64_t i = 0; i < leaves; i++) {
        if (a[LEAF_TARGETS].ints[i] < 0 || a[LEAF_TARGETS].ints[i] >= raw.n_targets)
            return maas_node_fail(c, MAAS_ERR_VALUE, "leaf_targetids has %lld at place %lld, expected 0 to %lld",
                                  (long long)a[LEAF_TARGETS].ints[i], (long long)i, (long long)raw.n_targets - 1);
        nodes[inner + i] = (MaasRawNode){.mode = MAAS_RAW_LEAF};
        first[inner + i] = (uint32_t)i;
        targets[i] = (uint32_t)a[LEAF_TARGETS].ints[i];
        weights[i] = real_at(&a[LEAF_WEIGHTS], i);
    }
    first[n] = (uint32_t)leaves;
    for (int64_t i = 0; i < n_roots; i++) {
        if (a[ROOTS].ints[i] < 0 || a[ROOTS].ints[i] >= inner)
            return maas_node_fail(c, MAAS_ERR_VALUE, "tree_roots has %lld at place %lld, but there are %lld nodes",
                                  (long long)a[ROOTS].ints[i], (long long)i, (long long)inner);
        roots[i] = (uint32_t)a[ROOTS].ints[i];
    }
    read_sets(c, &raw, sets, members);
    if (!raw.wide && raw.n_sets > 1 << 24) /* a node keeps its set's number as a float */
        return maas_node_fail(c, MAAS_ERR_LIMIT, "has %lld tests of membership", (long long)raw.n_sets);
    return maas_forest_build(c, &raw);
}

static MaasStatus compute_tree_ensemble(MaasCtx *c)
{
    return maas_forest_regress(c, (MaasTreeAggregate)c->attr[AGGREGATE].i, (MaasMlPost)c->attr[POST].i, NULL);
}

static double cost_tree_ensemble(const MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const double n = x->rank == 2 && x->dims[0] > 0 ? (double)x->dims[0] : 1, trees = (double)c->attr[ROOTS].n;

    return trees > 0 ? 2 * n * trees * (1 + log2(1 + (double)c->attr[FEATURES].n / trees)) : n;
}

#define TREE_T (MAAS_T_FLOAT | MAAS_T_DOUBLE | MAAS_T(MAAS_FLOAT16))

const MaasOp maas_op_tree_ensemble = {
    .domain = MAAS_ML,
    .name = "TreeEnsemble",
    .first = 5,
    .since = 5,
    .flags = MAAS_OP_STATE | MAAS_OP_HALF_VIA_F32,
    .in = {{"X", TREE_T, 'T', 0}},
    .out = {{"Y", TREE_T, 'T', 0}},
    .attrs = {[AGGREGATE] = {"aggregate_function", MAAS_ATTR_INT, .i = MAAS_TREE_SUM},
              [LEAF_TARGETS] = {"leaf_targetids", MAAS_ATTR_INTS, .required = true},
              [LEAF_WEIGHTS] = {"leaf_weights", MAAS_ATTR_TENSOR, .required = true},
              [MEMBERS] = {"membership_values", MAAS_ATTR_TENSOR},
              [N_TARGETS] = {"n_targets", MAAS_ATTR_INT},
              [FALSE_LEAFS] = {"nodes_falseleafs", MAAS_ATTR_INTS, .required = true},
              [FALSE_IDS] = {"nodes_falsenodeids", MAAS_ATTR_INTS, .required = true},
              [FEATURES] = {"nodes_featureids", MAAS_ATTR_INTS, .required = true},
              [HITRATES] = {"nodes_hitrates", MAAS_ATTR_TENSOR},
              [MISSING] = {"nodes_missing_value_tracks_true", MAAS_ATTR_INTS},
              [MODES] = {"nodes_modes", MAAS_ATTR_TENSOR, .required = true},
              [SPLITS] = {"nodes_splits", MAAS_ATTR_TENSOR, .required = true},
              [TRUE_LEAFS] = {"nodes_trueleafs", MAAS_ATTR_INTS, .required = true},
              [TRUE_IDS] = {"nodes_truenodeids", MAAS_ATTR_INTS, .required = true},
              [POST] = {"post_transform", MAAS_ATTR_INT, .i = MAAS_ML_NONE},
              [ROOTS] = {"tree_roots", MAAS_ATTR_INTS, .required = true}},
    .infer = infer_tree_ensemble,
    .prepare = prepare_tree_ensemble,
    .compute = compute_tree_ensemble,
    .batch = maas_batch_table,
    .cost = cost_tree_ensemble,
};
