/*
 * test_ml.c - ai.onnx.ml: what must be refused, and that trees give the same answer in every batch.
 */
#include <math.h>
#include <stdio.h>

#include "../../engine/kernel/kernel.h"
#include "refusal.h"

#define ML "ai.onnx.ml"

/* One tree: node 0 splits feature 0, nodes 1 and 2 are leaves. */
#define SHAPE(ids, yes, no)                                                                                        \
    "nodes_treeids=[0,0,0] nodes_nodeids=" ids " nodes_featureids=[0,0,0] nodes_values=<0.5,0,0> "                 \
    "nodes_modes={BRANCH_LEQ,LEAF,LEAF} nodes_truenodeids=" yes " nodes_falsenodeids=" no " "
#define TREE SHAPE("[0,1,2]", "[1,0,0]", "[2,0,0]")
#define VOTES "target_treeids=[0,0] target_nodeids=[1,2] target_ids=[0,0] target_weights=<1,2> n_targets=1"
#define TWO_ROWS {"[[1,2],[3,4]]"}
/* Version 5: node 0 and two leaves. */
#define ENSEMBLE(roots, modes, yes, no)                                                                            \
    "n_targets=1 tree_roots=" roots " nodes_featureids=[0] nodes_modes=" modes " nodes_splits=([0.5]) "            \
    "nodes_truenodeids=" yes " nodes_trueleafs=[1] nodes_falsenodeids=" no " nodes_falseleafs=[1] "                \
    "leaf_targetids=[0,0] leaf_weights=([1,2])"

static const Refusal refusals[] = {
    {"TreeEnsembleRegressor", SHAPE("[0,1,2]", "[1,0,0]", "[0,0,0]") VOTES, TWO_ROWS, "a tree has a cycle", true, 3,
     ML},
    {"TreeEnsembleRegressor", SHAPE("[0,1,2]", "[1,0,0]", "[7,0,0]") VOTES, TWO_ROWS, "has the child 7", true, 3,
     ML},
    {"TreeEnsembleRegressor", SHAPE("[0,1,1]", "[1,0,0]", "[1,0,0]") VOTES, TWO_ROWS, "has two nodes 1", true, 3,
     ML},
    {"TreeEnsembleRegressor", SHAPE("[0,1,2]", "[1,0,0]", "[2,0]") VOTES, TWO_ROWS,
     "nodes_falsenodeids has 2 entries", true, 3, ML},
    {"TreeEnsembleRegressor", TREE VOTES " base_values=<1,2,3>", TWO_ROWS, "base_values has 3", true, 3, ML},
    {"TreeEnsembleRegressor", TREE VOTES " post_transform=SOFTMIN", TWO_ROWS, "post_transform is \"SOFTMIN\"", true,
     3, ML},
    {"TreeEnsembleRegressor", TREE VOTES " aggregate_function=MEDIAN", TWO_ROWS, "aggregate_function", true, 3, ML},
    {"TreeEnsembleRegressor",
     "nodes_treeids=[0,0] nodes_nodeids=[0,1] nodes_featureids=[2,0] nodes_values=<0,0> "
     "nodes_modes={BRANCH_LT,LEAF} "
     "nodes_truenodeids=[1,0] nodes_falsenodeids=[1,0] target_treeids=[0] target_nodeids=[1] target_ids=[0] "
     "target_weights=<1> n_targets=1",
     TWO_ROWS, "asks for feature 2, but X has 2", true, 3, ML},
    {"TreeEnsembleRegressor",
     "nodes_treeids=[0,0] nodes_nodeids=[0,1] nodes_featureids=[-1,0] nodes_values=<0,0> "
     "nodes_modes={BRANCH_LT,LEAF} "
     "nodes_truenodeids=[1,0] nodes_falsenodeids=[1,0] target_treeids=[0] target_nodeids=[1] target_ids=[0] "
     "target_weights=<1> n_targets=1",
     TWO_ROWS, "asks for feature -1", true, 3, ML},
    {"TreeEnsembleRegressor",
     TREE "target_treeids=[0,0] target_nodeids=[1,9] target_ids=[0,0] target_weights=<1,2> n_targets=1", TWO_ROWS,
     "vote 1 is of node 9", true, 3, ML},
    {"TreeEnsembleRegressor",
     TREE "target_treeids=[0,0] target_nodeids=[1,2] target_ids=[0,5] target_weights=<1,2> n_targets=2", TWO_ROWS,
     "target_ids has 5 at place 1", true, 3, ML},
    {"TreeEnsembleClassifier",
     TREE "class_treeids=[0,0] class_nodeids=[1,2] class_ids=[0,3] class_weights=<1,2> classlabels_int64s=[4,5]",
     TWO_ROWS, "class_ids has 3 at place 1", true, 3, ML},
    {"TreeEnsembleClassifier", TREE "class_treeids=[0] class_nodeids=[1] class_ids=[0] class_weights=<1>", TWO_ROWS,
     "needs class labels", true, 3, ML},
    {"TreeEnsemble", ENSEMBLE("[1]", "(uint8:[0])", "[0]", "[1]"), TWO_ROWS, "tree_roots has 1", true, 0, ML},
    {"TreeEnsemble", ENSEMBLE("[0]", "(uint8:[7])", "[0]", "[1]"), TWO_ROWS, "has mode 7", true, 0, ML},
    {"TreeEnsemble", ENSEMBLE("[0]", "(uint8:[0])", "[0]", "[2]"), TWO_ROWS, "nodes_falsenodeids has 2", true, 0,
     ML},
    {"LabelEncoder",
     "keys_int64s=[1,2] values_int64s=[1]",
     {"int64:[1]"},
     "has 2 entries, values_int64s has 1",
     true,
     4,
     ML},
    {"LabelEncoder",
     "keys_strings={a} values_int64s=[1]",
     {"int64:[1]"},
     "X is int64, but keys_strings",
     true,
     4,
     ML},
    {"LabelEncoder", "values_int64s=[1]", {"int64:[1]"}, "needs one of the attributes keys_*", true, 4, ML},
    {"OneHotEncoder", "cats_int64s=[1,2] zeros=0", {"int64:[1,3]"}, "element 1 is in none of the 2", false, 1, ML},
    {"ArrayFeatureExtractor", "", {"[[1,2]]", "int64:[0,2]"}, "index 2 at place 1", false, 1, ML},
    {"ArrayFeatureExtractor", "", {"[[1,2]]", "int64:[-1]"}, "index -1 at place 0", false, 1, ML},
    {"Scaler", "offset=<1,2,3>", TWO_ROWS, "offset has 3 values", true, 1, ML},
    {"Imputer", "replaced_value_float=0.0", TWO_ROWS, "imputed_value_floats", true, 1, ML},
    {"Normalizer", "norm=L3", TWO_ROWS, "norm is unknown", true, 1, ML},
    {"LinearClassifier", "coefficients=<1,2,3> intercepts=<0> classlabels_ints=[0,1]", TWO_ROWS,
     "coefficients has 3 values for 1 rows of 2", true, 1, ML},
    {"LinearRegressor", "coefficients=<1,2> targets=2", TWO_ROWS, "for 2 rows of 2 features", true, 1, ML},
    {"SVMRegressor", "coefficients=<1> support_vectors=<1,2,3> n_supports=1 rho=<0>", TWO_ROWS, "X has 2 features",
     true, 1, ML},
    {"SVMClassifier",
     "coefficients=<1,2> support_vectors=<1,2,3,4> vectors_per_class=[1,-1] rho=<0> classlabels_ints=[0,1]",
     TWO_ROWS, "vectors_per_class has -1", true, 1, ML},
    {"ZipMap", "classlabels_int64s=[1,2,3]", TWO_ROWS, "X has 2 columns for 3 class labels", true, 1, ML},
    {"Tokenizer",
     "mark=0 mincharnum=1 pad_value=x",
     {"string:[\"a\"]"},
     "needs one of the attributes",
     true,
     1,
     "com.microsoft"},
    {"Tokenizer",
     "mark=0 mincharnum=0 pad_value=x tokenexp=a+",
     {"string:[\"a\"]"},
     "mincharnum is 0",
     true,
     1,
     "com.microsoft"},
};

TEST(ml_refusals)
{
    check_refusals(refusals, sizeof refusals / sizeof *refusals);
}

/* ---- trees ---- */

#define FEATURES 5
#define ROWS 301

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

typedef struct Forest {
    char ids[1 << 16], trees[1 << 16], features[1 << 16], values[1 << 16], modes[1 << 17], yes[1 << 16],
        no[1 << 16];
    char missing[1 << 16], vote_trees[1 << 16], vote_nodes[1 << 16], targets[1 << 16], weights[1 << 16];
    uint32_t seed;
    int n_targets;
} Forest;

static void put(char *list, const char *format, double value)
{
    size_t n = strlen(list);

    snprintf(list + n, 40, format, value);
}

/* Adds node id of a tree with up to depth levels below; returns the next free id.  Nodes stand in the order of
 * their ids, children behind their parent. */
static int grow(Forest *f, int tree, int id, int depth)
{
    static const char *const modes[] = {"BRANCH_LEQ,", "BRANCH_LT,", "BRANCH_GTE,", "BRANCH_GT,"};
    bool leaf = depth == 0 || next_random(&f->seed) % 8 == 0;
    size_t yes, no;

    put(f->trees, "%.0f,", tree);
    put(f->ids, "%.0f,", id);
    put(f->features, "%.0f,", next_random(&f->seed) % FEATURES);
    put(f->values, "%g,", (int)(next_random(&f->seed) % 17) / 4.0 - 2);
    put(f->missing, "%.0f,", next_random(&f->seed) % 2);
    strcat(f->modes, leaf ? "LEAF," : modes[next_random(&f->seed) % 4]);
    yes = strlen(f->yes);
    no = strlen(f->no);
    strcat(f->yes, "00000,");
    strcat(f->no, "00000,");
    if (leaf) {
        for (int t = 0; t < f->n_targets; t += 2) {
            put(f->vote_trees, "%.0f,", tree);
            put(f->vote_nodes, "%.0f,", id);
            put(f->targets, "%.0f,", t);
            put(f->weights, "%g,", (int)(next_random(&f->seed) % 1000) / 100.0 - 5);
        }
        return id + 1;
    }
    int second = grow(f, tree, id + 1, depth - 1), end = grow(f, tree, second, depth - 1);
    char text[16];

    snprintf(text, sizeof text, "%05d", id + 1);
    memcpy(f->yes + yes, text, 5);
    snprintf(text, sizeof text, "%05d", second);
    memcpy(f->no + no, text, 5);
    return end;
}

/* A model of trees up to depth 3 and one of depth 11, so that walks side by side end at different times. */
static MaasStatus load_forest(int n_targets, const char *aggregate, MaasMem *mem, MaasModel **model, MaasError *err)
{
    Forest *f = calloc(1, sizeof *f);
    char *attrs = malloc(sizeof *f + 1024);
    MaasRunOptions options = {.mem = mem, .threads = 1};
    MaasTensor x = {.type = MAAS_FLOAT, .rank = 1};
    MaasStatus status;
    Build b;

    f->seed = 11;
    f->n_targets = n_targets;
    for (int t = 0; t < 21; t++)
        grow(f, t, 0, t == 9 ? 11 : t % 4);
    sprintf(
        attrs,
        "nodes_treeids=[%s] nodes_nodeids=[%s] nodes_featureids=[%s] nodes_values=<%s> nodes_modes={%s} "
        "nodes_truenodeids=[%s] nodes_falsenodeids=[%s] nodes_missing_value_tracks_true=[%s] target_treeids=[%s] "
        "target_nodeids=[%s] target_ids=[%s] target_weights=<%s> n_targets=%d aggregate_function=%s",
        f->trees, f->ids, f->features, f->values, f->modes, f->yes, f->no, f->missing, f->vote_trees, f->vote_nodes,
        f->targets, f->weights, n_targets, aggregate);
    build_start(&b, 8, 21);
    build_open(&b, 8);
    build_text(&b, 1, ML);
    maas_pb_put_int(&b.out, 2, 3);
    build_close(&b);
    build_open(&b, 7);
    build_node(&b, 1, "TreeEnsembleRegressor", ML, "x", "y", true);
    build_attrs(&b, attrs);
    build_close(&b);
    build_port(&b, 11, "x", &x, false);
    build_port(&b, 12, "y", NULL, false);
    build_close(&b);
    status = maas_model_load(b.out.data, b.out.size, &options, model, err);
    build_free(&b);
    free(attrs);
    free(f);
    return status;
}

/* Scores rows (n, FEATURES) at once into y (n, targets). */
static void score(MaasModel *model, MaasMem *mem, int threads, float *x, int64_t n, float *y, size_t y_bytes)
{
    MaasRunOptions options = {.mem = mem, .threads = threads};
    const int64_t dims[2] = {n, FEATURES};
    const int wanted = 0;
    MaasResults *results = NULL;
    MaasValue *in = NULL;
    MaasError err;

    NEED_OK(maas_value_wrap(mem, MAAS_FLOAT, 2, dims, x, &in, &err));
    NEED_OK(maas_model_run(model, &options, (const MaasValue *const *)&in, 1, &wanted, &results, &err));
    CHECK_INT(maas_tensor_bytes(&maas_results_get(results, 0)->tensor), y_bytes);
    memcpy(y, maas_results_get(results, 0)->tensor.data, y_bytes);
    maas_results_free(results);
    maas_value_unref(in);
}

/* The answer for a row is the same, bit for bit, alone and in any batch, with threads, and at every CPU level. */
static void check_batches(int n_targets, const char *aggregate)
{
    static float x[ROWS * FEATURES], all[ROWS * 3], some[ROWS * 3];
    static const char *const levels[] = {"plain", "avx2", "avx512"};
    const char *level = maas_kernel->level;
    TestHost host;
    MaasMem mem;
    MaasError err;
    MaasModel *model = NULL;
    uint32_t seed = 5;

    test_host_init(&host, &mem);
    NEED_OK(load_forest(n_targets, aggregate, &mem, &model, &err));
    for (int i = 0; i < ROWS * FEATURES; i++) {
        x[i] = (float)((int)(next_random(&seed) % 17) / 4.0 - 2);
        if (i >= ROWS * FEATURES / 2 && next_random(&seed) % 9 == 0)
            x[i] = NAN;
    }
    for (int i = 0; i < ROWS; i++)
        score(model, &mem, 1, x + i * FEATURES, 1, all + i * n_targets, (size_t)n_targets * sizeof *all);
    for (size_t l = 0; l < 3; l++) {
        if (!maas_kernel_use(levels[l]))
            continue;
        for (int n = 2; n <= ROWS; n = n < 20 ? n + 5 : n * 4 < ROWS ? n * 4 : n < ROWS ? ROWS : ROWS + 1) {
            size_t bytes = (size_t)(n * n_targets) * sizeof *all;

            score(model, &mem, n > 100 ? 2 : 1, x, n, some, bytes);
            CHECK(memcmp(all, some, bytes) == 0);
            score(model, &mem, 1, x + (ROWS - n) * FEATURES, n, some, bytes);
            CHECK(memcmp(all + (ROWS - n) * n_targets, some, bytes) == 0);
        }
    }
    maas_kernel_use(level);
    maas_model_free(model);
    CHECK_NO_LEAK(&host, &mem);
}

TEST(trees_in_batches)
{
    check_batches(1, "SUM");
    check_batches(1, "MIN");
    check_batches(3, "AVERAGE");
    check_batches(3, "MAX");
}
