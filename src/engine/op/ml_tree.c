/*
 * ml_tree.c - TreeEnsembleClassifier and TreeEnsembleRegressor: the notation with leaves among the nodes.
 *
 * Checks the attributes, brings them into the common form of ml_tree.h and finishes the scores.  A binary
 * classifier whose votes are all for one class gets its second score and its label as onnxruntime gives them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "ml_tree.h"

enum {
    BASE,
    BASE_TENSOR,
    IDS,
    VOTE_NODES,
    VOTE_TREES,
    WEIGHTS,
    WEIGHTS_TENSOR,
    FALSE_IDS,
    FEATURES,
    HITRATES,
    HITRATES_TENSOR,
    MISSING,
    MODES,
    NODE_IDS,
    TREE_IDS,
    TRUE_IDS,
    VALUES,
    VALUES_TENSOR,
    POST,
    LABEL_INTS, /* classifier */
    LABEL_STRINGS,
    N_TARGETS = LABEL_INTS, /* regressor */
    AGGREGATE
};

static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT",     "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ",
                                    "BRANCH_NEQ", "BRANCH_MEMBER", "LEAF",       NULL};
static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX", NULL};

/* ---- numbers that are a list of floats or a tensor of doubles ---- */

static int64_t n_reals(const MaasAttr *list, const MaasAttr *tensor)
{
    return tensor->n > 0 ? tensor->tensors[0]->count : list->n;
}

static double real_at(const MaasAttr *list, const MaasAttr *tensor, int64_t i)
{
    if (tensor->n == 0)
        return list->floats[i];
    return tensor->tensors[0]->type == MAAS_DOUBLE ? MAAS_F64(tensor->tensors[0])[i]
                                                   : MAAS_F32(tensor->tensors[0])[i];
}

static MaasStatus infer_reals(const MaasInferCtx *c, const MaasAttr *list, const MaasAttr *tensor)
{
    if (list->n > 0 && tensor->n > 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has both %s and %s", list->name, tensor->name);
    if (tensor->n > 0 && tensor->tensors[0]->type != MAAS_DOUBLE && tensor->tensors[0]->type != MAAS_FLOAT)
        return maas_infer_fail(c, MAAS_ERR_TYPE, "%s is %s, expected double", tensor->name,
                               maas_type_name(tensor->tensors[0]->type));
    return MAAS_OK;
}

/* ---- checks ---- */

static MaasStatus infer_lengths(const MaasInferCtx *c)
{
    const MaasAttr *a = c->attr;
    const int64_t nodes = a[NODE_IDS].n, votes = a[IDS].n;
    const int of_nodes[] = {FALSE_IDS, FEATURES, MODES, TREE_IDS, TRUE_IDS};
    const int of_votes[] = {VOTE_NODES, VOTE_TREES};

    if (nodes > INT32_MAX / 4 || votes > INT32_MAX)
        return maas_infer_fail(c, MAAS_ERR_LIMIT, "has %lld nodes and %lld votes", (long long)nodes,
                               (long long)votes);
    MAAS_TRY(infer_reals(c, &a[BASE], &a[BASE_TENSOR]));
    MAAS_TRY(infer_reals(c, &a[WEIGHTS], &a[WEIGHTS_TENSOR]));
    MAAS_TRY(infer_reals(c, &a[VALUES], &a[VALUES_TENSOR]));
    for (size_t i = 0; i < sizeof of_nodes / sizeof *of_nodes; i++)
        if (a[of_nodes[i]].n != nodes)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "%s has %lld entries, nodes_nodeids has %lld",
                                   a[of_nodes[i]].name, (long long)a[of_nodes[i]].n, (long long)nodes);
    for (size_t i = 0; i < sizeof of_votes / sizeof *of_votes; i++)
        if (a[of_votes[i]].n != votes)
            return maas_infer_fail(c, MAAS_ERR_VALUE, "%s has %lld entries, %s has %lld", a[of_votes[i]].name,
                                   (long long)a[of_votes[i]].n, a[IDS].name, (long long)votes);
    if (n_reals(&a[VALUES], &a[VALUES_TENSOR]) != nodes)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "nodes_values has %lld entries, nodes_nodeids has %lld",
                               (long long)n_reals(&a[VALUES], &a[VALUES_TENSOR]), (long long)nodes);
    if (n_reals(&a[WEIGHTS], &a[WEIGHTS_TENSOR]) != votes)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "%s has %lld entries, %s has %lld", a[WEIGHTS].name,
                               (long long)n_reals(&a[WEIGHTS], &a[WEIGHTS_TENSOR]), a[IDS].name, (long long)votes);
    return MAAS_OK;
}

static bool is_leaf(MaasStr mode)
{
    return mode.length == 4;
}

/* Everything but the structure of the trees, which prepare finds out. */
static MaasStatus infer_trees(const MaasInferCtx *c, int64_t targets, MaasMlRows *rows)
{
    const MaasAttr *a = c->attr;
    const int64_t base = n_reals(&a[BASE], &a[BASE_TENSOR]);

    MAAS_TRY(infer_lengths(c));
    MAAS_TRY(maas_ml_infer_post(c, &a[POST]));
    if (targets < 1 || targets > INT32_MAX)
        return maas_infer_fail(c, MAAS_ERR_VALUE, "has %lld targets or classes", (long long)targets);
    if (base != 0 && base != targets && !(base == 1 && targets == 2))
        return maas_infer_fail(c, MAAS_ERR_VALUE, "base_values has %lld entries for %lld targets or classes",
                               (long long)base, (long long)targets);
    MAAS_TRY(maas_ml_infer_rows(c, rows));
    if (rows->f >= 0)
        for (int64_t i = 0; i < a[FEATURES].n; i++)
            if (a[FEATURES].ints[i] >= rows->f && !is_leaf(a[MODES].strings[i]))
                return maas_infer_fail(c, MAAS_ERR_SHAPE,
                                       "node %lld asks for feature %lld, but X has %lld features", (long long)i,
                                       (long long)a[FEATURES].ints[i], (long long)rows->f);
    return MAAS_OK;
}

/* ---- the common form ---- */

/* A node's name: ids are unique within a tree only. */
typedef struct Name {
    int64_t tree, node;
    uint32_t place;
} Name;

static int by_name(const void *a, const void *b)
{
    const Name *x = a, *y = b;

    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

static const Name *find_name(const Name *names, int64_t n, int64_t tree, int64_t node)
{
    const Name key = {.tree = tree, .node = node}; /* bsearch is a macro in newer C libraries: no commas inside */

    return bsearch(&key, names, (size_t)n, sizeof *names, by_name);
}

static MaasStatus sort_names(MaasCtx *c, Name *names, int64_t n)
{
    const MaasAttr *a = c->attr;
    bool sorted = true;

    for (int64_t i = 0; i < n; i++) {
        names[i] = (Name){a[TREE_IDS].ints[i], a[NODE_IDS].ints[i], (uint32_t)i};
        sorted &= i == 0 || by_name(&names[i - 1], &names[i]) < 0;
    }
    if (!sorted)
        qsort(names, (size_t)n, sizeof *names, by_name);
    for (int64_t i = 1; i < n; i++)
        if (by_name(&names[i - 1], &names[i]) == 0)
            return maas_node_fail(c, MAAS_ERR_VALUE, "tree %lld has two nodes %lld", (long long)names[i].tree,
                                  (long long)names[i].node);
    return MAAS_OK;
}

static MaasStatus read_node(MaasCtx *c, const Name *names, int64_t n, int64_t i, MaasRawNode *node)
{
    const MaasAttr *a = c->attr;
    const MaasAttr mode = {.s = a[MODES].strings[i]};
    const int kind = maas_ml_choice(&mode, modes);
    const int64_t tree = a[TREE_IDS].ints[i], feature = a[FEATURES].ints[i];
    const Name *yes, *no;

    if (kind < 0 || kind == MAAS_RAW_MEMBER)
        return maas_node_fail(c, MAAS_ERR_VALUE, "node %lld has the unknown mode \"%.*s\"", (long long)i,
                              (int)(mode.s.length < 40 ? mode.s.length : 40), mode.s.data);
    *node = (MaasRawNode){.mode = (uint8_t)kind};
    if (kind == MAAS_RAW_LEAF)
        return MAAS_OK;
    yes = find_name(names, n, tree, a[TRUE_IDS].ints[i]);
    no = find_name(names, n, tree, a[FALSE_IDS].ints[i]);
    if (!yes || !no)
        return maas_node_fail(c, MAAS_ERR_VALUE,
                              "node %lld of tree %lld has the child %lld, which the tree has not",
                              (long long)a[NODE_IDS].ints[i], (long long)tree,
                              (long long)(yes ? a[FALSE_IDS].ints[i] : a[TRUE_IDS].ints[i]));
    if (feature < 0 || feature > INT32_MAX)
        return maas_node_fail(c, MAAS_ERR_VALUE, "node %lld asks for feature %lld", (long long)i,
                              (long long)feature);
    node->yes = yes->place;
    node->no = no->place;
    node->feature = (uint32_t)feature;
    node->nan_yes = i < a[MISSING].n && a[MISSING].ints[i] == 1;
    node->split = real_at(&a[VALUES], &a[VALUES_TENSOR], i);
    return MAAS_OK;
}

/* Votes in the order of the nodes, and within a node in the order of the attributes. */
static MaasStatus read_votes(MaasCtx *c, const Name *names, int64_t n, int64_t n_targets, uint32_t *first,
                             uint32_t *targets, double *weights)
{
    const MaasAttr *a = c->attr;
    const int64_t votes = a[IDS].n;
    uint32_t *node_of = maas_scratch(c, (size_t)votes, sizeof *node_of);
    uint32_t *next = maas_scratch(c, (size_t)n + 1, sizeof *next);

    if (!node_of || !next)
        return c->err->status;
    memset(first, 0, ((size_t)n + 1) * sizeof *first);
    for (int64_t i = 0; i < votes; i++) {
        const Name *name = find_name(names, n, a[VOTE_TREES].ints[i], a[VOTE_NODES].ints[i]);

        if (!name)
            return maas_node_fail(c, MAAS_ERR_VALUE, "vote %lld is of node %lld of tree %lld, which there is not",
                                  (long long)i, (long long)a[VOTE_NODES].ints[i], (long long)a[VOTE_TREES].ints[i]);
        if (a[IDS].ints[i] < 0 || a[IDS].ints[i] >= n_targets)
            return maas_node_fail(c, MAAS_ERR_VALUE, "%s has %lld at place %lld, expected 0 to %lld", a[IDS].name,
                                  (long long)a[IDS].ints[i], (long long)i, (long long)n_targets - 1);
        node_of[i] = name->place;
        first[name->place + 1]++;
    }
    for (int64_t i = 0; i < n; i++)
        first[i + 1] += first[i];
    memcpy(next, first, ((size_t)n + 1) * sizeof *next);
    for (int64_t i = 0; i < votes; i++) {
        uint32_t at = next[node_of[i]]++;

        targets[at] = (uint32_t)a[IDS].ints[i];
        weights[at] = real_at(&a[WEIGHTS], &a[WEIGHTS_TENSOR], i);
    }
    return MAAS_OK;
}

static MaasStatus prepare_trees(MaasCtx *c, int64_t n_targets, bool single)
{
    const MaasAttr *a = c->attr;
    const int64_t n = a[NODE_IDS].n, votes = a[IDS].n;
    Name *names = maas_scratch(c, (size_t)n, sizeof *names);
    MaasRawNode *nodes = maas_scratch(c, (size_t)n, sizeof *nodes);
    uint32_t *roots = maas_scratch(c, (size_t)n, sizeof *roots);
    uint32_t *first = maas_scratch(c, (size_t)n + 1, sizeof *first);
    uint32_t *targets = maas_scratch(c, (size_t)votes, sizeof *targets);
    double *weights = maas_scratch(c, (size_t)votes, sizeof *weights);
    MaasRawForest raw = {.single = single,
                         .n_targets = n_targets,
                         .n_nodes = n,
                         .nodes = nodes,
                         .roots = roots,
                         .first = first,
                         .n_votes = votes,
                         .targets = targets,
                         .weights = weights};

    if (!names || !nodes || !roots || !first || !targets || !weights)
        return c->err->status;
    raw.wide = c->in_types[0] == MAAS_DOUBLE;
    for (int i = 0; i < 3; i++) {
        const MaasAttr *tensor = &a[(const int[]){BASE_TENSOR, WEIGHTS_TENSOR, VALUES_TENSOR}[i]];

        raw.wide |= tensor->n > 0 && tensor->tensors[0]->type == MAAS_DOUBLE;
    }
    MAAS_TRY(sort_names(c, names, n));
    for (int64_t i = 0; i < n; i++)
        MAAS_TRY(read_node(c, names, n, i, &nodes[i]));
    MAAS_TRY(read_votes(c, names, n, n_targets, first, targets, weights));
    /* a tree's root is the first of its nodes; trees keep the order in which they come */
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || a[TREE_IDS].ints[i] != a[TREE_IDS].ints[i - 1])
            roots[raw.n_roots++] = (uint32_t)i;
    return maas_forest_build(c, &raw);
}

static double cost_trees(const MaasInferCtx *c)
{
    const MaasInfo *x = c->in[0];
    const double n = x->rank == 2 && x->dims[0] > 0 ? (double)x->dims[0] : 1, nodes = (double)c->attr[NODE_IDS].n;
    double trees = 0;

    for (int64_t i = 0; i < c->attr[TREE_IDS].n; i++)
        trees += i == 0 || c->attr[TREE_IDS].ints[i] != c->attr[TREE_IDS].ints[i - 1];
    return trees > 0 ? 2 * n * trees * (1 + log2(nodes / trees)) : n;
}

#define TREE_ATTRS(votes)                                                                                          \
    [BASE] = {"base_values", MAAS_ATTR_FLOATS}, [BASE_TENSOR] = {"base_values_as_tensor", MAAS_ATTR_TENSOR},       \
    [IDS] = {votes "_ids", MAAS_ATTR_INTS}, [VOTE_NODES] = {votes "_nodeids", MAAS_ATTR_INTS},                     \
    [VOTE_TREES] = {votes "_treeids", MAAS_ATTR_INTS}, [WEIGHTS] = {votes "_weights", MAAS_ATTR_FLOATS},           \
    [WEIGHTS_TENSOR] = {votes "_weights_as_tensor", MAAS_ATTR_TENSOR},                                             \
    [FALSE_IDS] = {"nodes_falsenodeids", MAAS_ATTR_INTS}, [FEATURES] = {"nodes_featureids", MAAS_ATTR_INTS},       \
    [HITRATES] = {"nodes_hitrates", MAAS_ATTR_FLOATS},                                                             \
    [HITRATES_TENSOR] = {"nodes_hitrates_as_tensor", MAAS_ATTR_TENSOR},                                            \
    [MISSING] = {"nodes_missing_value_tracks_true", MAAS_ATTR_INTS}, [MODES] = {"nodes_modes", MAAS_ATTR_STRINGS}, \
    [NODE_IDS] = {"nodes_nodeids", MAAS_ATTR_INTS}, [TREE_IDS] = {"nodes_treeids", MAAS_ATTR_INTS},                \
    [TRUE_IDS] = {"nodes_truenodeids", MAAS_ATTR_INTS}, [VALUES] = {"nodes_values", MAAS_ATTR_FLOATS},             \
    [VALUES_TENSOR] = {"nodes_values_as_tensor", MAAS_ATTR_TENSOR},                                                \
    [POST] = {"post_transform", MAAS_ATTR_STRING, .s = "NONE"}

/* ---- TreeEnsembleRegressor ---- */

static MaasStatus infer_regressor(MaasInferCtx *c)
{
    const int64_t targets = c->attr[N_TARGETS].set ? c->attr[N_TARGETS].i : 1;
    MaasMlRows rows;

    if (maas_ml_choice(&c->attr[AGGREGATE], aggregates) < 0)
        return maas_infer_fail(c, MAAS_ERR_VALUE,
                               "aggregate_function is unknown, expected AVERAGE, SUM, MIN or MAX");
    MAAS_TRY(infer_trees(c, targets, &rows));
    return maas_ml_infer_matrix(c, 0, MAAS_FLOAT, rows.n, targets);
}

static bool adds(MaasTreeAggregate how)
{
    return how == MAAS_TREE_SUM || how == MAAS_TREE_AVERAGE;
}

static MaasStatus prepare_regressor(MaasCtx *c)
{
    const int64_t targets = c->attr[N_TARGETS].set ? c->attr[N_TARGETS].i : 1;

    return prepare_trees(c, targets, targets == 1 && adds(maas_ml_choice(&c->attr[AGGREGATE], aggregates)));
}

MaasStatus maas_forest_regress(MaasCtx *c, MaasTreeAggregate how, MaasMlPost post, const double *base)
{
    const MaasForest *f = c->state;
    const MaasTensor *x = maas_in(c, 0);
    MaasTensor *y = maas_out(c, 0);
    const int64_t m = f->n_targets, n = maas_ml_rows(x).n;
    double *row = maas_scratch(c, (size_t)m, sizeof *row);
    MaasForestScores scores;

    if (!row)
        return c->err->status;
    MAAS_TRY(maas_forest_run(c, x, how, &scores));
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < m; j++) {
            row[j] = maas_forest_score(f, &scores, i * m + j);
            if (how == MAAS_TREE_AVERAGE)
                row[j] = maas_forest_add(f, row[j] / f->n_trees, 0);
            if (base)
                row[j] = maas_forest_add(f, row[j], base[j]);
        }
        if (m > 1 || post == MAAS_ML_PROBIT) /* of a single target only PROBIT is taken */
            maas_ml_transform(post, row, m);
        for (int64_t j = 0; j < m; j++) {
            if (y->type == MAAS_DOUBLE)
                MAAS_F64(y)[i * m + j] = row[j];
            else
                MAAS_F32(y)[i * m + j] = (float)row[j];
        }
    }
    return MAAS_OK;
}

/* NULL with *status for want of memory, or when there are none. */
static double *base_values(MaasCtx *c, MaasStatus *status)
{
    const int64_t n = n_reals(&c->attr[BASE], &c->attr[BASE_TENSOR]);
    double *base = n ? maas_scratch(c, (size_t)n, sizeof *base) : NULL;

    *status = n && !base ? c->err->status : MAAS_OK;
    for (int64_t i = 0; base && i < n; i++)
        base[i] = real_at(&c->attr[BASE], &c->attr[BASE_TENSOR], i);
    return base;
}

static MaasStatus compute_regressor(MaasCtx *c)
{
    MaasStatus status;
    double *base = base_values(c, &status);

    MAAS_TRY(status);
    return maas_forest_regress(c, (MaasTreeAggregate)maas_ml_choice(&c->attr[AGGREGATE], aggregates),
                               maas_ml_post(&c->attr[POST]), base);
}

const MaasOp maas_op_tree_ensemble_regressor = {
    .domain = MAAS_ML,
    .name = "TreeEnsembleRegressor",
    .first = 1,
    .since = 3,
    .flags = MAAS_OP_STATE,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_FLOAT, 0, 0}},
    .attrs = {TREE_ATTRS("target"), [N_TARGETS] = {"n_targets", MAAS_ATTR_INT},
              [AGGREGATE] = {"aggregate_function", MAAS_ATTR_STRING, .s = "SUM"}},
    .infer = infer_regressor,
    .prepare = prepare_regressor,
    .compute = compute_regressor,
    .batch = maas_batch_table,
    .cost = cost_trees,
};

/* ---- TreeEnsembleClassifier ---- */

static MaasStatus infer_classifier(MaasInferCtx *c)
{
    MaasMlLabels labels = maas_ml_labels(&c->attr[LABEL_STRINGS], &c->attr[LABEL_INTS]);
    MaasMlRows rows;

    MAAS_TRY(maas_ml_infer_labels(c, &labels));
    MAAS_TRY(infer_trees(c, labels.n, &rows));
    MAAS_TRY(maas_infer_out(c, 0, labels.text ? MAAS_STRING : MAAS_INT64, 1, &rows.n));
    return maas_ml_infer_matrix(c, 1, MAAS_FLOAT, rows.n, labels.n);
}

static MaasStatus prepare_classifier(MaasCtx *c)
{
    return prepare_trees(c, maas_ml_labels(&c->attr[LABEL_STRINGS], &c->attr[LABEL_INTS]).n, false);
}

/* Two classes, all votes for one of them: s (2) becomes the scores; returns the label. */
static int64_t finish_binary(const MaasForest *f, MaasMlPost post, int64_t n_base, const double *base, double *s)
{
    double score = s[f->only];
    bool second;

    if (f->only == 0 && n_base == 2) {
        score = maas_forest_add(f, score, base[0]);
        s[0] = score;
        s[1] = 0;
        maas_ml_transform(post, s, 2);
    } else if (f->only == 1) {
        if (n_base == 2)
            score = maas_forest_add(f, score, base[1]);
        s[0] = n_base == 2 ? base[0] : 0;
        s[1] = score;
        maas_ml_transform(post, s, 2);
    } else {
        /* the score of the second class, whatever the number says */
        if (n_base == 1)
            score = maas_forest_add(f, score, base[0]);
        maas_ml_binary(post, score, f->positive, s);
    }
    second = f->positive ? score > 0.5 : score > 0;
    return second;
}

/* s (C) becomes the scores; has: classes that got a vote; returns the label. */
static int64_t finish_classes(const MaasForest *f, MaasMlPost post, int64_t n_base, const double *base,
                              const uint8_t *has, double *s)
{
    const int64_t n = f->n_targets;
    int64_t best = -1;

    for (int64_t i = 0; i < n; i++) {
        if (i < n_base)
            s[i] = maas_forest_add(f, s[i], base[i]);
        if ((has[i] || i < n_base) && (best < 0 || s[i] > s[best]))
            best = i;
    }
    if (n > 1 || post == MAAS_ML_PROBIT)
        maas_ml_transform(post, s, n);
    return best < 0 ? 0 : best;
}

static MaasStatus compute_classifier(MaasCtx *c)
{
    const MaasForest *f = c->state;
    const MaasTensor *x = maas_in(c, 0);
    const MaasMlLabels labels = maas_ml_labels(&c->attr[LABEL_STRINGS], &c->attr[LABEL_INTS]);
    const MaasMlPost post = maas_ml_post(&c->attr[POST]);
    const int64_t m = f->n_targets, n = maas_ml_rows(x).n, n_base = n_reals(&c->attr[BASE], &c->attr[BASE_TENSOR]);
    MaasTensor *y = maas_out(c, 0), *z = maas_out(c, 1);
    double *row = maas_scratch(c, (size_t)m, sizeof *row), *base;
    MaasForestScores scores;
    MaasStatus status;

    if (!row)
        return c->err->status;
    base = base_values(c, &status);
    MAAS_TRY(status);
    MAAS_TRY(maas_forest_run(c, x, MAAS_TREE_SUM, &scores));
    for (int64_t i = 0; i < n; i++) {
        int64_t label;

        for (int64_t j = 0; j < m; j++)
            row[j] = maas_forest_score(f, &scores, i * m + j);
        label = m == 2 && f->only >= 0 ? finish_binary(f, post, n_base, base, row)
                                       : finish_classes(f, post, n_base, base, scores.has + i * m, row);
        if (y)
            maas_ml_put_label(&labels, y, i, label);
        for (int64_t j = 0; z && j < m; j++)
            MAAS_F32(z)[i * m + j] = (float)row[j];
    }
    return MAAS_OK;
}

const MaasOp maas_op_tree_ensemble_classifier = {
    .domain = MAAS_ML,
    .name = "TreeEnsembleClassifier",
    .first = 1,
    .since = 3,
    .flags = MAAS_OP_STATE,
    .in = {{"X", MAAS_T_ML_NUMBERS, 0, 0}},
    .out = {{"Y", MAAS_T_STRING | MAAS_T_I64, 0, 0}, {"Z", MAAS_T_FLOAT, 0, 0}},
    .attrs = {TREE_ATTRS("class"), [LABEL_INTS] = {"classlabels_int64s", MAAS_ATTR_INTS},
              [LABEL_STRINGS] = {"classlabels_strings", MAAS_ATTR_STRINGS}},
    .infer = infer_classifier,
    .prepare = prepare_classifier,
    .compute = compute_classifier,
    .batch = maas_batch_table,
    .cost = cost_trees,
};
