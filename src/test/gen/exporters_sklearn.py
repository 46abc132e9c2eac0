"""Cases of skl2onnx and onnxmltools: scikit-learn, XGBoost, LightGBM."""
import numpy as np
from exporters_data import case, mixed_table, sentences, split, two_batches, with_holes

# ---- scikit-learn ----


def whole_numbers():
    """skl2onnx hands truth values to attributes that are lists of integers, which protobuf no longer takes."""
    from skl2onnx.common import _container

    make_node = _container.make_node

    def patched(*args, **attributes):
        for name, value in attributes.items():
            if name == "nodes_missing_value_tracks_true":
                attributes[name] = [int(v) for v in value]
        return make_node(*args, **attributes)

    _container.make_node = patched


whole_numbers()


def skl(model, x_train, x_test, types=None, options=None, opset=None, methods=None, double=False):
    """Exports a fitted model; the answers are its predict and predict_proba (or transform, decision_function)."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    kind = DoubleTensorType if double else FloatTensorType
    types = types or [("X", kind([None, x_train.shape[1]]))]
    onx = to_onnx(model, initial_types=types, options=options, target_opset=opset)
    feeds, expected = [], []
    for rows in two_batches(x_test.astype(np.float64 if double else np.float32)):
        feeds.append({"X": rows})
        names = methods or [m for m in ("predict", "predict_proba") if hasattr(model, m)]
        expected.append([getattr(model, m)(rows) for m in names])
    return onx, feeds, expected


def plain(model):
    return {id(model): {"zipmap": False}}


@case("linear", "iris")
def logistic_zipmap():
    """Three classes; the probabilities come as a list of maps."""
    from sklearn.linear_model import LogisticRegression

    x, y, t, _ = split("iris")
    return skl(LogisticRegression(max_iter=500).fit(x, y), x, t)


@case("linear", "breast_cancer")
def logistic_binary():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y, t, _ = split("breast_cancer")
    m = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("linear", "wine")
def logistic_strings():
    """Labels are text."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    x, y, t, _ = split("wine")
    m = make_pipeline(MinMaxScaler(), LogisticRegression()).fit(x, np.array(["red", "rose", "white"])[y])
    return skl(m, x, t, options=plain(m))


@case("linear", "diabetes")
def lasso():
    from sklearn.linear_model import Lasso

    x, y, t, _ = split("diabetes")
    return skl(Lasso(alpha=0.1).fit(x, y), x, t)


@case("linear", "linnerud")
def ridge_targets():
    """Three targets, doubles."""
    from sklearn.linear_model import Ridge

    x, y, t, _ = split("linnerud", 5)
    return skl(Ridge().fit(x, y), x, t, double=True)


@case("linear", "digits")
def sgd_ovr():
    from sklearn.linear_model import SGDClassifier

    x, y, t, _ = split("digits")
    m = SGDClassifier(loss="log_loss", random_state=0, max_iter=50).fit(x / 16, y)
    return skl(m, x, t / 16, options=plain(m))


@case("support vectors", "iris")
def svc_probability():
    """Pairwise coupled probabilities."""
    from sklearn.svm import SVC

    x, y, t, _ = split("iris")
    m = SVC(probability=True, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("support vectors", "breast_cancer")
def svc_binary():
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, y, t, _ = split("breast_cancer")
    s = StandardScaler().fit(x)
    m = SVC(probability=True, random_state=0, C=0.5).fit(s.transform(x)[::3], y[::3])
    return skl(m, x, s.transform(t), options=plain(m))


@case("support vectors", "wine")
def svc_votes():
    """Polynomial kernel, decision function, no probabilities."""
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, y, t, _ = split("wine")
    s = StandardScaler().fit(x)
    m = SVC(kernel="poly", degree=3, coef0=1.0).fit(s.transform(x), y)
    return skl(m, x, s.transform(t), options={id(m): {"zipmap": False, "raw_scores": True}},
               methods=["predict", "decision_function"])


@case("support vectors", "iris")
def linear_svc():
    from sklearn.svm import LinearSVC

    x, y, t, _ = split("iris")
    m = LinearSVC(random_state=0).fit(x, y)
    return skl(m, x, t, methods=["predict", "decision_function"])


@case("support vectors", "diabetes")
def svr():
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    x, y, t, _ = split("diabetes")
    s = StandardScaler().fit(x)
    return skl(SVR(kernel="rbf", C=10).fit(s.transform(x)[::4], y[::4]), x, s.transform(t))


@case("support vectors", "diabetes")
def nu_svr_sigmoid():
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import NuSVR

    x, y, t, _ = split("diabetes")
    s = StandardScaler().fit(x)
    return skl(NuSVR(kernel="sigmoid", gamma=0.05).fit(s.transform(x)[::4], y[::4]), x, s.transform(t))


@case("support vectors", "wine")
def one_class_svm():
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import OneClassSVM

    x, _, t, _ = split("wine")
    s = StandardScaler().fit(x)
    return skl(OneClassSVM(nu=0.2, gamma=0.05).fit(s.transform(x)), x, s.transform(t),
               methods=["predict", "decision_function"])


# ---- trees ----


@case("trees", "iris")
def decision_tree():
    from sklearn.tree import DecisionTreeClassifier

    x, y, t, _ = split("iris")
    m = DecisionTreeClassifier(random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("trees", "diabetes")
def decision_tree_regressor():
    from sklearn.tree import DecisionTreeRegressor

    x, y, t, _ = split("diabetes")
    return skl(DecisionTreeRegressor(max_depth=6, random_state=0).fit(x, y), x, t)


@case("trees", "wine")
def random_forest():
    from sklearn.ensemble import RandomForestClassifier

    x, y, t, _ = split("wine")
    m = RandomForestClassifier(20, max_depth=5, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("trees", "breast_cancer")
def random_forest_binary():
    from sklearn.ensemble import RandomForestClassifier

    x, y, t, _ = split("breast_cancer")
    m = RandomForestClassifier(15, max_depth=4, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("trees", "linnerud")
def random_forest_targets():
    from sklearn.ensemble import RandomForestRegressor

    x, y, t, _ = split("linnerud", 5)
    return skl(RandomForestRegressor(8, random_state=0).fit(x, y), x, t)


@case("trees", "wine")
def random_forest_double():
    from sklearn.ensemble import RandomForestClassifier

    x, y, t, _ = split("wine")
    m = RandomForestClassifier(10, max_depth=5, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m), double=True, opset={"": 17, "ai.onnx.ml": 3})


@case("trees", "digits")
def extra_trees():
    from sklearn.ensemble import ExtraTreesClassifier

    x, y, t, _ = split("digits")
    m = ExtraTreesClassifier(10, max_depth=5, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("trees", "iris")
def gradient_boosting():
    from sklearn.ensemble import GradientBoostingClassifier

    x, y, t, _ = split("iris")
    m = GradientBoostingClassifier(n_estimators=12, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("trees", "breast_cancer")
def gradient_boosting_binary():
    from sklearn.ensemble import GradientBoostingClassifier

    x, y, t, _ = split("breast_cancer")
    m = GradientBoostingClassifier(n_estimators=20, max_depth=2, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("trees", "diabetes")
def gradient_boosting_regressor():
    from sklearn.ensemble import GradientBoostingRegressor

    x, y, t, _ = split("diabetes")
    return skl(GradientBoostingRegressor(n_estimators=25, max_depth=3, random_state=0).fit(x, y), x, t)


@case("trees", "breast_cancer, with gaps")
def hist_gradient_boosting():
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y, t, _ = split("breast_cancer")
    m = HistGradientBoostingClassifier(max_iter=15, max_depth=4, random_state=0).fit(with_holes(x), y)
    return skl(m, x, with_holes(t, 0.2, 4), options=plain(m))


@case("trees", "diabetes, with gaps")
def hist_gradient_boosting_regressor():
    from sklearn.ensemble import HistGradientBoostingRegressor

    x, y, t, _ = split("diabetes")
    m = HistGradientBoostingRegressor(max_iter=15, max_depth=4, random_state=0).fit(with_holes(x), y)
    return skl(m, x, with_holes(t, 0.2, 4))


@case("trees", "wine")
def ada_boost():
    from sklearn.ensemble import AdaBoostClassifier
    from sklearn.tree import DecisionTreeClassifier

    x, y, t, _ = split("wine")
    m = AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=8, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("trees", "wine")
def isolation_forest():
    from sklearn.ensemble import IsolationForest

    x, _, t, _ = split("wine")
    m = IsolationForest(n_estimators=12, max_samples=48, random_state=0).fit(x)
    return skl(m, x, t, opset={"": 18, "ai.onnx.ml": 3}, methods=["predict", "decision_function"])


# ---- others ----


@case("neighbours", "iris")
def knn_classifier():
    from sklearn.neighbors import KNeighborsClassifier

    x, y, t, _ = split("iris")
    m = KNeighborsClassifier(5).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("neighbours", "diabetes")
def knn_regressor():
    from sklearn.neighbors import KNeighborsRegressor

    x, y, t, _ = split("diabetes")
    return skl(KNeighborsRegressor(4, weights="distance").fit(x[::2], y[::2]), x, t)


# The distances are the square roots of x.x - 2 x.c + c.c: near a centre float32 keeps four digits of them.
@case("neighbours", "iris", atol=2e-5)
def kmeans():
    from sklearn.cluster import KMeans

    x, _, t, _ = split("iris")
    m = KMeans(3, n_init=3, random_state=0).fit(x.astype(np.float32))
    return skl(m, x, t, methods=["predict", "transform"])


@case("bayes", "iris")
def gaussian_bayes():
    from sklearn.naive_bayes import GaussianNB

    x, y, t, _ = split("iris")
    m = GaussianNB().fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("bayes", "digits")
def multinomial_bayes():
    from sklearn.naive_bayes import MultinomialNB

    x, y, t, _ = split("digits")
    m = MultinomialNB().fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("bayes", "digits")
def bernoulli_bayes():
    from sklearn.naive_bayes import BernoulliNB

    x, y, t, _ = split("digits")
    m = BernoulliNB(binarize=7).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("gaussian process", "diabetes")
def gaussian_process():
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
    from sklearn.preprocessing import StandardScaler

    x, y, t, _ = split("diabetes")
    s = StandardScaler().fit(x)
    m = GaussianProcessRegressor(ConstantKernel(100.0) * RBF(3.0) + WhiteKernel(1.0), optimizer=None, normalize_y=True)
    return skl(m.fit(s.transform(x)[::10], y[::10]), x, s.transform(t), double=True)


@case("neural", "iris")
def mlp_classifier():
    from sklearn.neural_network import MLPClassifier

    x, y, t, _ = split("iris")
    m = MLPClassifier((12, 8), max_iter=600, random_state=0).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("neural", "diabetes")
def mlp_regressor():
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import RobustScaler

    x, y, t, _ = split("diabetes")
    return skl(make_pipeline(RobustScaler(), MLPRegressor(hidden_layer_sizes=(16,), activation="tanh", max_iter=300, random_state=0))
               .fit(x, y), x, t)


@case("ensembles", "wine")
def voting_stacking():
    from sklearn.ensemble import StackingClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.tree import DecisionTreeClassifier

    x, y, t, _ = split("wine")
    vote = VotingClassifier([("t", DecisionTreeClassifier(max_depth=3, random_state=0)), ("b", GaussianNB())],
                            voting="soft", flatten_transform=False)
    m = StackingClassifier([("v", vote), ("n", GaussianNB())], LogisticRegression(max_iter=300), cv=3).fit(x, y)
    return skl(m, x, t, options=plain(m))


@case("ensembles", "iris")
def calibrated():
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    x, y, t, _ = split("iris")
    m = CalibratedClassifierCV(LinearSVC(random_state=0), cv=2).fit(x, y)
    return skl(m, x, t, options=plain(m))


# ---- transformers ----


def transformer(model, name, double=False, rows=24):
    x, _, t, _ = split(name, rows)
    return skl(model.fit(x), x, t, methods=["transform"], double=double)


@case("transformers", "digits")
def pca_whiten():
    from sklearn.decomposition import PCA

    return transformer(PCA(6, whiten=True, random_state=0), "digits")


@case("transformers", "wine")
def normalizer_l2():
    from sklearn.preprocessing import Normalizer

    return transformer(Normalizer("l2"), "wine")


@case("transformers", "wine")
def normalizer_max():
    from sklearn.preprocessing import Normalizer

    return transformer(Normalizer("max"), "wine")


@case("transformers", "digits")
def binarizer():
    from sklearn.preprocessing import Binarizer

    return transformer(Binarizer(threshold=7.5), "digits", rows=6)


@case("transformers", "iris")
def kbins():
    from sklearn.preprocessing import KBinsDiscretizer

    return transformer(KBinsDiscretizer(5, encode="onehot-dense", strategy="uniform"), "wine")


@case("transformers", "iris")
def polynomial():
    from sklearn.preprocessing import PolynomialFeatures

    return transformer(PolynomialFeatures(2), "iris")


@case("transformers", "wine")
def power_transformer():
    from sklearn.preprocessing import PowerTransformer

    return transformer(PowerTransformer(), "wine")


@case("transformers", "wine, with gaps")
def imputers():
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, _, t, _ = split("wine")
    m = make_pipeline(SimpleImputer(strategy="median"), StandardScaler()).fit(with_holes(x))
    return skl(m, x, with_holes(t, 0.3, 5), methods=["transform"])


@case("transformers", "diabetes as a table")
def ordinal_onehot():
    """Text in one matrix; unknown categories."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    table, _ = mixed_table()
    x = table[["age_group", "sex"]].to_numpy(dtype=object)
    m = ColumnTransformer([("hot", OneHotEncoder(handle_unknown="ignore", sparse_output=False), [0]),
                           ("ord", OrdinalEncoder(), [1])]).fit(x[x[:, 0] != "unknown"])
    onx = to_onnx(m, initial_types=[("X", StringTensorType([None, 2]))])
    return onx, [{"X": r} for r in two_batches(x[::19])], [[m.transform(r)] for r in two_batches(x[::19])]


# ---- tables with a column an input ----


def table_pipeline(classifier, table, target, options):
    """A pipeline of the mixed table, fitted and exported with an input a column."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, Int64TensorType, StringTensorType
    from skl2onnx.sklapi import CastTransformer
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    m = Pipeline([
        ("columns", ColumnTransformer([
            ("text", OneHotEncoder(handle_unknown="ignore"), ["age_group", "sex"]),
            ("real", make_pipeline(SimpleImputer(), StandardScaler()), ["bmi", "pressure"]),
            ("whole", make_pipeline(CastTransformer(), StandardScaler()), ["glucose"]),
            ("truth", CastTransformer(), ["high_ldl"]),
        ])),
        ("model", classifier),
    ]).fit(table, target)
    kinds = {"O": StringTensorType, "f": FloatTensorType, "i": Int64TensorType, "b": BooleanTensorType}
    types = [(c, kinds["O" if table[c].dtype.kind not in "fib" else table[c].dtype.kind]([None, 1]))
             for c in table.columns]
    return m, to_onnx(m, initial_types=types, options={id(classifier): options})


def table_model(classifier, table, target, rows, options):
    m, onx = table_pipeline(classifier, table, target, options)
    feeds, expected = [], []
    for part in two_batches(rows):
        feeds.append({c: column(part[c]) for c in table.columns})
        expected.append([m.predict(part), m.predict_proba(part)])
    return onx, feeds, expected


def column(series):
    if series.dtype.kind not in "fib":
        return series.to_numpy(dtype=object).reshape(-1, 1)
    return series.to_numpy().reshape(-1, 1)


@case("tables", "diabetes as a table")
def table_logistic():
    """One input a column (text, real, whole and truth values), probabilities as a list of maps."""
    from sklearn.linear_model import LogisticRegression

    table, y = mixed_table()
    test = np.arange(len(table)) % 18 == 0
    return table_model(LogisticRegression(), table[~test], y[~test], table[test], {"zipmap": True})


@case("tables", "diabetes as a table")
def table_forest():
    from sklearn.ensemble import RandomForestClassifier

    table, y = mixed_table()
    test = np.arange(len(table)) % 18 == 0
    return table_model(RandomForestClassifier(10, max_depth=5, random_state=0), table[~test], y[~test], table[test],
                       {"zipmap": False})


# ---- text ----


def text_model(vectorizer, classifier):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.pipeline import make_pipeline

    text, label = sentences()
    test = np.arange(len(text)) % 7 == 0
    m = make_pipeline(vectorizer, classifier).fit(text[~test], label[~test])
    options = {id(m): {"zipmap": False}, id(vectorizer): {"locale": "C"}}
    onx = to_onnx(m, initial_types=[("text", StringTensorType([None, 1]))], options=options)
    rows = text[test][:16]
    return (onx, [{"text": r.reshape(-1, 1)} for r in two_batches(rows)],
            [[m.predict(r), m.predict_proba(r)] for r in two_batches(rows)])


@case("text", "sentences of scikit-learn's documentation")
def tfidf_logistic():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    return text_model(TfidfVectorizer(max_features=150, token_pattern="[a-zA-Z]+"), LogisticRegression(C=10))


@case("text", "sentences of scikit-learn's documentation")
def count_bigrams_bayes():
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    return text_model(CountVectorizer(ngram_range=(1, 2), max_features=120, token_pattern="[a-zA-Z]+"),
                      MultinomialNB())


# ---- XGBoost and LightGBM through onnxmltools ----


def boosted(converter, model, x, rows, opset=15, methods=("predict", "predict_proba")):
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    kwargs = {"zipmap": False} if converter == "lightgbm" else {}
    onx = getattr(onnxmltools, "convert_" + converter)(
        model, initial_types=[("X", FloatTensorType([None, x.shape[1]]))], target_opset=opset, **kwargs)
    rows = rows.astype(np.float32)
    names = [m for m in methods if hasattr(model, m)]
    return onx, [{"X": r} for r in two_batches(rows)], [[getattr(model, m)(r) for m in names]
                                                       for r in two_batches(rows)]


@case("xgboost", "breast_cancer, with gaps")
def xgboost_binary():
    from xgboost import XGBClassifier

    x, y, t, _ = split("breast_cancer")
    m = XGBClassifier(n_estimators=15, max_depth=3, random_state=0).fit(with_holes(x), y)
    return boosted("xgboost", m, x, with_holes(t, 0.2, 6))


@case("xgboost", "wine")
def xgboost_multi():
    from xgboost import XGBClassifier

    x, y, t, _ = split("wine")
    return boosted("xgboost", XGBClassifier(n_estimators=10, max_depth=3, random_state=0).fit(x, y), x, t)


@case("xgboost", "diabetes")
def xgboost_regressor():
    from xgboost import XGBRegressor

    x, y, t, _ = split("diabetes")
    return boosted("xgboost", XGBRegressor(n_estimators=20, max_depth=4, random_state=0).fit(x, y), x, t)


@case("lightgbm", "breast_cancer, with gaps")
def lightgbm_binary():
    from lightgbm import LGBMClassifier

    x, y, t, _ = split("breast_cancer")
    m = LGBMClassifier(n_estimators=15, num_leaves=12, verbose=-1, random_state=0).fit(with_holes(x), y)
    return boosted("lightgbm", m, x, with_holes(t, 0.2, 6))


@case("lightgbm", "iris")
def lightgbm_multi():
    from lightgbm import LGBMClassifier

    x, y, t, _ = split("iris")
    return boosted("lightgbm", LGBMClassifier(n_estimators=10, num_leaves=6, verbose=-1, random_state=0).fit(x, y),
                   x, t)


@case("lightgbm", "digits, pixels as categories")
def lightgbm_categorical():
    """Splits by membership in a set of categories, with a gap."""
    from lightgbm import LGBMRegressor

    x, y, t, _ = split("digits")
    pixels = [19, 20, 21, 28, 35, 36, 42, 43]
    m = LGBMRegressor(n_estimators=8, num_leaves=8, verbose=-1, random_state=0, min_data_per_group=20, cat_smooth=1)
    m.fit(x[:, pixels].astype(np.float32), y, categorical_feature=list(range(4)))
    rows = t[:, pixels].astype(np.float32)
    rows[3, 5] = np.nan
    return boosted("lightgbm", m, x[:, pixels], rows)
