"""ai.onnx.ml, and com.microsoft's Tokenizer: operators in forms that no exporter of src/test/fixtures happens to write.

Expected values are onnxruntime's where it computes the form, else numpy's.
"""

import json
import os

import case_writer
import numpy as np
import onnxruntime
from case_writer import expect
from onnx import ValueInfoProto, helper, numpy_helper

onnxruntime.set_default_logger_severity(4)
MS = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
rng = np.random.default_rng(5)
F = np.array([[0.5, -1, 2, 0], [3, 0, -0.25, 1], [np.nan, 2, 1, -4]], np.float32)
S = np.array([["a", "b"], ["", "zz"]], dtype=object)


def answers(op, inputs, outputs, ml=5, domain="ai.onnx.ml", **attrs):
    """What onnxruntime says of one node."""
    node, opsets = make(op, inputs, outputs, ml, domain, **attrs)
    infos = [helper.make_value_info(n, case_writer.type_of(v)) for n, v in zip(node.input, inputs)]
    graph = helper.make_graph([node], "g", infos, [ValueInfoProto(name=n) for n in node.output])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(node.input, inputs)))


def make(op, inputs, outputs, ml, domain, **attrs):
    node = helper.make_node(op, [f"in{i}" for i in range(len(inputs))], [f"out{i}" for i in range(outputs)],
                            domain=domain, **attrs)
    if domain == "com.microsoft":
        return node, MS
    return node, [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", ml)]


def case(name, op, inputs, outputs=1, expected=None, ml=5, rtol=1e-5, atol=1e-6, domain="ai.onnx.ml", **attrs):
    """A case of one node; expected: None asks onnxruntime."""
    node, opsets = make(op, inputs, outputs, ml, domain, **attrs)
    if expected is None:
        expected = answers(op, inputs, outputs, ml, domain, **attrs)
    expect(name, node, inputs, expected, opsets=opsets, ir_version=10)
    folder = os.path.join(case_writer.ROOT, "ml", "test_" + name)
    with open(os.path.join(folder, "data.json"), "w") as file:
        json.dump({"rtol": rtol, "atol": atol}, file)
        file.write("\n")


def strings(*values):
    return np.array(values, dtype=object)


def tensor(values, name="t"):
    return numpy_helper.from_array(np.asarray(values), name)


# ---- arrays ----

index = np.array([2, 0, 2], np.int64)
case("array_feature_extractor", "ArrayFeatureExtractor", [F, index])
case("array_feature_extractor_row", "ArrayFeatureExtractor", [F[0], index])
case("array_feature_extractor_3d", "ArrayFeatureExtractor", [F.reshape(3, 2, 2), np.array([1], np.int64)])
case("array_feature_extractor_strings", "ArrayFeatureExtractor", [S, np.array([1], np.int64)])
for kind in (np.float32, np.float64, np.int64, np.int32):
    x = np.array([[-1, 0, 1, 2], [3, 0.5, -0.5, 7]]).astype(kind)
    name = np.dtype(kind).name
    case(f"binarizer_{name}", "Binarizer", [x], expected=[(x > 0.75).astype(kind)], threshold=0.75)
    norm = x.astype(np.float32)
    for way, by in (("MAX", norm.max(1)), ("L1", np.abs(norm).sum(1)), ("L2", np.sqrt((norm**2).sum(1)))):
        case(f"normalizer_{way.lower()}_{name}", "Normalizer", [x], expected=[norm / by[:, None]], norm=way)
    case(f"scaler_{name}", "Scaler", [x], offset=[0.5, 1.0, -1.0, 0.25], scale=[2.0, 0.5, 1.0, -1.0])
    case(f"feature_vectorizer_{name}", "FeatureVectorizer", [x, x[:, :1], x[:, 1:3]], inputdimensions=[3, 2, 2])
case("normalizer_zero", "Normalizer", [np.zeros((2, 3), np.float32)], norm="L2")
case("scaler_one", "Scaler", [F], offset=[1.0], scale=[3.0])
case("imputer_nan", "Imputer", [F], imputed_value_floats=[7.5], replaced_value_float=float("nan"))
case("imputer_features", "Imputer", [F], imputed_value_floats=[1.0, 2.0, 3.0, 4.0], replaced_value_float=0.0)
case("imputer_int64", "Imputer", [np.array([[1, 5], [5, 2]])], imputed_value_int64s=[10, 20], replaced_value_int64=5)
case("imputer_double", "Imputer", [F.astype(np.float64)],
     expected=[np.where(np.isnan(F), 2.5, F.astype(np.float64))], imputed_value_floats=[2.5],
     replaced_value_float=float("nan"))
case("imputer_int32", "Imputer", [np.array([[1, 5], [5, 2]], np.int32)],
     expected=[np.array([[1, -1], [-1, 2]], np.int32)], imputed_value_int64s=[-1], replaced_value_int64=5)

# ---- labels and categories ----

case("category_mapper_strings", "CategoryMapper", [S], cats_int64s=[3, -7], cats_strings=["a", "zz"], default_int64=9)
case("category_mapper_int64s", "CategoryMapper", [np.array([[3, -7], [0, 3]])], cats_int64s=[3, -7],
     cats_strings=["a", "zz"], default_string="?")
case("one_hot_strings", "OneHotEncoder", [S], cats_strings=["zz", "a", ""])
case("one_hot_int64", "OneHotEncoder", [np.array([1, 3, 9])], cats_int64s=[9, 1])
case("one_hot_float", "OneHotEncoder", [np.array([[1.9, 3], [-1.5, 9]], np.float32)], cats_int64s=[9, 1, -1])
case("label_encoder_v1", "LabelEncoder", [S], ml=1, expected=[np.array([[0, 2], [5, 5]])],
     classes_strings=["a", "x", "b"], default_int64=5)
case("label_encoder_v1_back", "LabelEncoder", [np.array([2, 0, 7, -1])], ml=1, classes_strings=["a", "x", "b"],
     expected=[strings("b", "a", "_Unused", "_Unused")])
case("label_encoder_strings_int64s", "LabelEncoder", [S], ml=2, keys_strings=["b", "zz"], values_int64s=[4, 5])
case("label_encoder_int64s_strings", "LabelEncoder", [np.array([1, 2, 3])], ml=2, keys_int64s=[3, 1],
     values_strings=["three", "one"], default_string="other")
case("label_encoder_int64s_floats", "LabelEncoder", [np.array([1, 2, 3])], ml=2, keys_int64s=[3, 1],
     values_floats=[0.5, -2.0], default_float=9.5)
case("label_encoder_floats_nan", "LabelEncoder", [np.array([np.nan, -0.0, 2.5, 1e30], np.float32)], ml=4,
     keys_floats=[float("nan"), 0.0, 2.5], values_strings=["none", "zero", "x"])
case("label_encoder_strings_strings", "LabelEncoder", [S], ml=4, keys_strings=["a", ""], values_strings=["", "void"])
case("label_encoder_int64s_int64s", "LabelEncoder", [np.array([[5, -5]])], ml=4, keys_int64s=[-5], values_int64s=[1])
case("label_encoder_tensor_double", "LabelEncoder", [np.array([0.1, 0.2, np.nan])], ml=4,
     keys_tensor=tensor([0.1, np.nan]), values_tensor=tensor([7.25, 1.5]), default_tensor=tensor([-3.5]))
case("label_encoder_tensor_int16", "LabelEncoder", [strings("x", "y", "q")], ml=4,
     expected=[np.array([1, 2, 42], np.int16)], keys_tensor=tensor(strings("x", "y")),
     values_tensor=tensor(np.array([1, 2], np.int16)), default_tensor=tensor(np.array([42], np.int16)))
case("label_encoder_int16_keys", "LabelEncoder", [np.array([-3, 3], np.int16)], ml=4, expected=[strings("n", "_Unused")],
     keys_tensor=tensor(np.array([-3], np.int16)), values_strings=["n"])
case("label_encoder_int32", "LabelEncoder", [np.array([7, 8], np.int32)], ml=4, expected=[np.array([70, -1], np.int32)],
     keys_tensor=tensor(np.array([7], np.int32)), values_tensor=tensor(np.array([70], np.int32)))
case("label_encoder_repeated_key", "LabelEncoder", [np.array([1, 2])], ml=4, expected=[np.array([20, -1])],
     keys_int64s=[1, 1], values_int64s=[10, 20])

# ---- maps ----

numbers = {4: np.float32(0.5), 0: np.float32(-2.75), 2: np.float32(7)}
words = {2: "3.5", 0: "-12"}
case("cast_map_dense", "CastMap", [numbers])
case("cast_map_sparse", "CastMap", [numbers], map_form="SPARSE", max_map=6)
case("cast_map_int64", "CastMap", [numbers], cast_to="TO_INT64")
case("cast_map_string", "CastMap", [numbers], cast_to="TO_STRING")
case("cast_map_words", "CastMap", [words], expected=[np.array([[-12, 0, 3.5]], np.float32)], cast_to="TO_FLOAT", map_form="SPARSE", max_map=3)
case("cast_map_words_string", "CastMap", [words], expected=[strings("-12", "3.5")[None]], cast_to="TO_STRING")
case("dict_vectorizer_string_float", "DictVectorizer", [{"c": np.float32(8), "a": np.float32(4)}],
     string_vocabulary=["a", "c", "b", "c"])
case("dict_vectorizer_string_int64", "DictVectorizer", [{"c": np.int64(8), "x": np.int64(4)}],
     expected=[np.array([[0, 8]])], string_vocabulary=["a", "c"])
case("dict_vectorizer_int64_double", "DictVectorizer", [{1: np.float64(0.1), 7: np.float64(2)}],
     expected=[np.array([[2, 0, 0.1]])], int64_vocabulary=[7, 2, 1])
case("dict_vectorizer_int64_string", "DictVectorizer", [{1: "one", 7: "seven"}],
     expected=[strings("seven", "", "one")[None]], int64_vocabulary=[7, 2, 1])
case("zip_map_strings", "ZipMap", [F[:2]], classlabels_strings=["w", "x", "y", "z"])
case("zip_map_int64s", "ZipMap", [F[:2, :3]], classlabels_int64s=[10, 20, 30])

# ---- linear models ----

X = rng.normal(size=(5, 3)).astype(np.float32)
W = [float(v) for v in rng.normal(size=9).astype(np.float32)]
for post in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
    low = post.lower()
    case(f"linear_classifier_binary_{low}", "LinearClassifier", [X], 2, coefficients=W[:3], intercepts=[0.1],
         classlabels_ints=[5, 7], post_transform=post)
    case(f"linear_classifier_{low}", "LinearClassifier", [X], 2, coefficients=W, intercepts=W[:3],
         classlabels_strings=["x", "y", "z"], post_transform=post)
    case(f"linear_regressor_{low}", "LinearRegressor", [X], coefficients=W, intercepts=W[3:6], targets=3,
         post_transform=post)
case("linear_regressor_one", "LinearRegressor", [X], coefficients=W[:3], targets=1, post_transform="LOGISTIC")
case("linear_regressor_probit", "LinearRegressor", [np.array([[0.3], [0.9]], np.float32)], coefficients=[1.0],
     targets=1, post_transform="PROBIT")
case("linear_classifier_int64", "LinearClassifier", [np.array([[1, -2, 3]])], 2, coefficients=W, intercepts=W[:3],
     classlabels_ints=[1, 2, 3])
case("linear_classifier_double", "LinearClassifier", [X.astype(np.float64)], 2, coefficients=W, intercepts=W[:3],
     classlabels_ints=[1, 2, 3])
case("linear_classifier_row", "LinearClassifier", [X[0]], 2, coefficients=W, intercepts=W[:3],
     classlabels_ints=[1, 2, 3])

# ---- support vectors ----

V = [float(v) for v in rng.normal(size=15).astype(np.float32)]
C2, C3 = [0.5, -1.25, 0.75, 0.3, -0.3], [0.5, -1.0, 0.25, 0.75, 0.5, -0.5, 1.5, -0.75, -1.25, 0.25]
for kernel in ("LINEAR", "POLY", "RBF", "SIGMOID"):
    shape = dict(kernel_type=kernel, kernel_params=[0.3, 0.5, 3.0], support_vectors=V)
    case(f"svm_regressor_{kernel.lower()}", "SVMRegressor", [X], coefficients=C2, rho=[0.2], n_supports=5, **shape)
    case(f"svm_classifier_{kernel.lower()}", "SVMClassifier", [X], 2, coefficients=C3, rho=[0.1, -0.2, 0.3],
         vectors_per_class=[2, 1, 2], classlabels_ints=[4, 5, 6], **shape)
    case(f"svm_classifier_proba_{kernel.lower()}", "SVMClassifier", [X], 2, coefficients=C3, rho=[0.1, -0.2, 0.3],
         vectors_per_class=[2, 1, 2], classlabels_strings=["x", "y", "z"], prob_a=[-1.2, -0.7, -2.0],
         prob_b=[0.1, 0.0, -0.3], **shape)
rbf = dict(kernel_type="RBF", kernel_params=[0.3, 0.5, 3.0], support_vectors=V, vectors_per_class=[2, 3],
           coefficients=C2, rho=[0.1], classlabels_ints=[8, 9])
for post in ("NONE", "LOGISTIC", "SOFTMAX"):
    case(f"svm_classifier_binary_{post.lower()}", "SVMClassifier", [X], 2, post_transform=post, **rbf)
    case(f"svm_classifier_linear_{post.lower()}", "SVMClassifier", [X], 2, coefficients=W, rho=[0.2],
         classlabels_ints=[4, 5, 6], kernel_params=[0.0, 0.0, 0.0], post_transform=post)
case("svm_classifier_binary_proba", "SVMClassifier", [X], 2, prob_a=[-1.5], prob_b=[0.2], **rbf)
case("svm_classifier_linear_binary", "SVMClassifier", [X], 2, coefficients=W[:6], rho=[0.2],
     classlabels_strings=["n", "p"], kernel_params=[0.0, 0.0, 0.0])
case("svm_classifier_linear_binary_positive", "SVMClassifier", [np.abs(X)], 2, coefficients=[0.1, 0.2, 0.1, 0.3, 0.1, 0.2],
     rho=[0.0], classlabels_strings=["n", "p"], kernel_params=[0.0, 0.0, 0.0])
case("svm_regressor_no_vectors", "SVMRegressor", [X], coefficients=W[:3], rho=[0.2], n_supports=0,
     kernel_params=[0.0, 0.0, 0.0])
case("svm_regressor_one_class", "SVMRegressor", [X], coefficients=C2, rho=[0.2], n_supports=5, one_class=1,
     kernel_type="RBF", kernel_params=[0.3, 0.5, 3.0], support_vectors=V)

# ---- trees ----

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def grow(trees, depth, modes, seed, targets, votes, only=None, positive=False, missing=True, grid=True):
    """Attributes of random trees; thresholds on a grid that the rows below hit exactly."""
    r = np.random.default_rng(seed)
    a = {k: [] for k in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing")}
    v = {k: [] for k in ("treeids", "nodeids", "ids", "weights")}
    for t in range(trees):
        def add(level):
            node = sum(i == t for i in a["treeids"])
            at = len(a["treeids"])
            for k, value in zip(a, (t, node, 0, 0.0, "LEAF", 0, 0, 0)):
                a[k].append(value)
            if level == 0 or r.random() < 0.15:
                for target in ([only] if only is not None else r.permutation(targets)[:votes]):
                    w = float(np.float32(r.random() if positive else r.normal()))
                    for k, value in zip(v, (t, node, int(target), w)):
                        v[k].append(value)
                return node
            a["featureids"][at] = int(r.integers(4))
            a["values"][at] = float(r.integers(-4, 5)) / 2 if grid else float(np.float32(r.normal()))
            a["modes"][at] = modes[r.integers(len(modes))]
            a["missing"][at] = int(missing and r.integers(2))
            a["truenodeids"][at] = add(level - 1)
            a["falsenodeids"][at] = add(level - 1)
            return node
        add(depth)
    nodes = {"nodes_" + k: x for k, x in a.items() if k != "missing"}
    nodes["nodes_missing_value_tracks_true"] = a["missing"]
    nodes["nodes_hitrates"] = [1.0] * len(a["values"])
    return nodes, v


def rows(n, nan, seed=9):
    r = np.random.default_rng(seed)
    x = (r.integers(-5, 6, size=(n, 4)) / 2).astype(np.float32)
    if nan:
        x[r.random(x.shape) < 0.2] = np.nan
        x[0, 0], x[1, 1] = np.inf, -np.inf
    return x


def regressor(nodes, v, **more):
    return {**nodes, **{"target_" + k: x for k, x in v.items()}, **more}


def classifier(nodes, v, **more):
    return {**nodes, **{"class_" + k: x for k, x in v.items()}, **more}


for mode in MODES + ["mixed"]:
    nodes, v = grow(11, 5, MODES if mode == "mixed" else [mode], 21, 1, 1)
    low = mode.lower()
    case(f"tree_regressor_{low}", "TreeEnsembleRegressor", [rows(19, False)], ml=3, n_targets=1, **regressor(nodes, v))
    case(f"tree_regressor_{low}_nan", "TreeEnsembleRegressor", [rows(19, True)], ml=3, n_targets=1,
         **regressor(nodes, v))
nodes, v = grow(9, 4, MODES, 22, 3, 2)
for how in ("SUM", "AVERAGE", "MIN", "MAX"):
    case(f"tree_regressor_targets_{how.lower()}", "TreeEnsembleRegressor", [rows(11, True)], ml=3, n_targets=3,
         aggregate_function=how, base_values=[0.5, -0.25, 2.0], **regressor(nodes, v))
    one, w = grow(9, 4, ["BRANCH_LEQ"], 23, 1, 1)
    case(f"tree_regressor_one_{how.lower()}", "TreeEnsembleRegressor", [rows(11, False)], ml=3, n_targets=1,
         aggregate_function=how, base_values=[0.5], **regressor(one, w))
for post in ("LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
    case(f"tree_regressor_targets_{post.lower()}", "TreeEnsembleRegressor", [rows(5, False)], ml=3, n_targets=3,
         post_transform=post, **regressor(nodes, v))
whole = rows(7, False).astype(np.int64)
case("tree_regressor_int64", "TreeEnsembleRegressor", [whole], ml=3, n_targets=3, **regressor(nodes, v),
     expected=answers("TreeEnsembleRegressor", [whole.astype(np.float32)], 1, ml=3, n_targets=3, **regressor(nodes, v)))
case("tree_regressor_row", "TreeEnsembleRegressor", [rows(1, False)], ml=3, n_targets=3, **regressor(nodes, v))
double, w = grow(6, 4, ["BRANCH_LEQ", "BRANCH_GT"], 24, 1, 1, grid=False)
split = np.random.default_rng(3).normal(size=len(double["nodes_values"]))
del double["nodes_values"], double["nodes_hitrates"]
weights = w.pop("weights")
x64 = np.random.default_rng(4).normal(size=(30, 4))
x64[np.arange(30), double["nodes_featureids"][0]] = split[np.arange(30) % len(split)]
case("tree_regressor_double", "TreeEnsembleRegressor", [x64], ml=3, n_targets=1,
     nodes_values_as_tensor=tensor(split), target_weights_as_tensor=tensor(np.array(weights)), **regressor(double, w))
# float thresholds, double rows: compared in double
nodes1, v1 = grow(6, 4, MODES, 25, 1, 1, grid=False)
x64 = np.random.default_rng(4).normal(size=(30, 4))
x64[:] = np.array(nodes1["nodes_values"])[np.random.default_rng(6).integers(len(nodes1["nodes_values"]), size=x64.shape)]
case("tree_regressor_double_rows", "TreeEnsembleRegressor", [x64 + np.resize([0, 1e-12, -1e-12], x64.shape)], ml=3,
     n_targets=1, **regressor(nodes1, v1))

for name, only, positive in (("first", 0, False), ("first_positive", 0, True), ("second", 1, False),
                             ("second_positive", 1, True)):
    nodes, v = grow(5, 3, ["BRANCH_LEQ"], 30, 2, 1, only=only, positive=positive)
    v["weights"] = [w / 4 for w in v["weights"]]
    for post in ("NONE", "LOGISTIC", "SOFTMAX"):
        case(f"tree_classifier_{name}_{post.lower()}", "TreeEnsembleClassifier", [rows(9, True)], 2, ml=3,
             classlabels_int64s=[7, 3], post_transform=post, **classifier(nodes, v))
    if only == 0:
        case(f"tree_classifier_{name}_base", "TreeEnsembleClassifier", [rows(9, True)], 2, ml=3,
             classlabels_strings=["n", "p"], base_values=[0.25], post_transform="LOGISTIC", **classifier(nodes, v))
nodes, v = grow(8, 4, ["BRANCH_LEQ", "BRANCH_LT"], 31, 4, 2)
for post in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
    case(f"tree_classifier_{post.lower()}", "TreeEnsembleClassifier", [rows(9, True)], 2, ml=3,
         classlabels_strings=["a", "b", "c", "d"], post_transform=post, **classifier(nodes, v))
case("tree_classifier_base", "TreeEnsembleClassifier", [rows(9, True)], 2, ml=3, classlabels_int64s=[4, 3, 2, 1],
     base_values=[0.5, -1.0, 0.25, 3.0], **classifier(nodes, v))
case("tree_classifier_int32", "TreeEnsembleClassifier", [rows(9, False).astype(np.int32)], 2, ml=3,
     classlabels_int64s=[4, 3, 2, 1], **classifier(nodes, v))
# two classes that both get votes: the larger wins (onnxruntime says "1" whenever the second is positive)
nodes, v = grow(5, 3, ["BRANCH_LEQ"], 32, 2, 2, positive=True, missing=False)
x = rows(9, False)
z = answers("TreeEnsembleRegressor", [x], 1, ml=3, n_targets=2, **regressor(nodes, v))[0]
case("tree_classifier_two", "TreeEnsembleClassifier", [x], 2, ml=3, expected=[np.array([7, 3])[z.argmax(1)], z],
     classlabels_int64s=[7, 3], **classifier(nodes, v))

# a node below several parents, as LightGBM's converter writes "is one of"
shared = dict(nodes_treeids=[0] * 5, nodes_nodeids=[0, 1, 2, 3, 4], nodes_featureids=[0, 0, 0, 0, 0],
              nodes_values=[1.0, 3.0, 5.0, 0.0, 0.0],
              nodes_modes=["BRANCH_EQ", "BRANCH_EQ", "BRANCH_EQ", "LEAF", "LEAF"],
              nodes_truenodeids=[3, 3, 3, 0, 0], nodes_falsenodeids=[1, 2, 4, 0, 0])
x = np.array([[0], [1], [2], [3], [4], [5], [np.nan]], np.float32)
case("tree_regressor_shared", "TreeEnsembleRegressor", [x], ml=3, n_targets=1,
     expected=[np.where(np.isin(x, [1, 3, 5]), 10, 20).astype(np.float32)], target_treeids=[0, 0],
     target_nodeids=[3, 4], target_ids=[0, 0], target_weights=[10.0, 20.0], **shared)


def ensemble(kind, **more):
    """Two trees in the notation of version 5: one with tests of membership, one a single leaf."""
    return dict(n_targets=2, tree_roots=[0, 3], nodes_featureids=[0, 1, 0, 0], nodes_modes=tensor(np.array([6, 6, 0, 0], np.uint8)),
                nodes_splits=tensor(np.array([0, 0, 1.5, 0], kind)), nodes_truenodeids=[1, 0, 2, 4],
                nodes_trueleafs=[0, 1, 1, 1], nodes_falsenodeids=[2, 1, 3, 4], nodes_falseleafs=[0, 1, 1, 1],
                membership_values=tensor(np.array([1, 3, 2.5, np.nan, 7, np.nan], kind)),
                leaf_targetids=[0, 1, 0, 1, 0], leaf_weights=tensor(np.array([5, -1, 2, 0.5, 0.25], kind)), **more)


x = np.array([[1, 7], [3, 6], [2.5, 7], [2, 7], [1.5, 0], [np.nan, 7], [1, np.nan]])
for kind in (np.float32, np.float64, np.float16):
    z = []
    for row in x:
        y = [0.25, 0.0]
        if row[0] in (1, 3, 2.5):
            y[0 if row[1] == 7 else 1] += 5 if row[1] == 7 else -1
        else:
            y[0 if row[0] <= 1.5 else 1] += 2 if row[0] <= 1.5 else 0.5
        z.append(y)
    name = np.dtype(kind).name
    case(f"tree_ensemble_member_{name}", "TreeEnsemble", [x.astype(kind)], expected=[np.array(z).astype(kind)],
         **ensemble(kind))
for how in range(4):
    for kind in (np.float32, np.float64):
        case(f"tree_ensemble_aggregate_{how}_{np.dtype(kind).name}", "TreeEnsemble", [x[:5].astype(kind)],
             aggregate_function=how, nodes_missing_value_tracks_true=[1, 0, 1, 0], **ensemble(kind))

# ---- com.microsoft's Tokenizer ----

text = strings("Hello World", "I love  computer-science!", "", "a1 b22 -- c333")
case("tokenizer_words", "Tokenizer", [text], domain="com.microsoft", mark=0, mincharnum=1, pad_value="#", tokenexp="[a-zA-Z0-9]+")
case("tokenizer_words_mark", "Tokenizer", [text.reshape(2, 2)], domain="com.microsoft", mark=1, mincharnum=2, pad_value="",
     tokenexp=r"\w\w+|-")
case("tokenizer_separators", "Tokenizer", [text], domain="com.microsoft", mark=0, mincharnum=1, pad_value="#",
     separators=[" +", "-"])
case("tokenizer_separators_min", "Tokenizer", [text], domain="com.microsoft", mark=1, mincharnum=3, pad_value="#",
     separators=["l|o", " "])
case("tokenizer_characters", "Tokenizer", [strings("häß", "", "日本x")], domain="com.microsoft", mark=1, mincharnum=1,
     pad_value="#", separators=[""])
case("tokenizer_longest", "Tokenizer", [strings("aab abb ab")], domain="com.microsoft", mark=0, mincharnum=1,
     pad_value="#", tokenexp="a|ab|abb|aa")
