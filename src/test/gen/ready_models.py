#!/usr/bin/env python3
"""Trains the ready models of models/ and writes them with held-out rows (models/data/*.csv) and models/MANIFEST.md.

    venv/bin/pip install -r src/test/gen/requirements.txt
    venv/bin/python src/test/gen/ready_models.py
"""
import csv
import hashlib
import pathlib

import numpy as np
import onnx
import onnxruntime
from exporters_data import mixed_table, sentences
from onnx import TensorProto, helper, numpy_helper
from sklearn import datasets
from sklearn.model_selection import train_test_split

MODELS = pathlib.Path(__file__).resolve().parents[3] / "models"


def rows_csv(name, header, rows):
    with open(MODELS / "data" / name, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(header)
        out.writerows([[str(v) if isinstance(v, np.float32) else v for v in row] for row in rows])


def name_column(text):
    return text.replace(" (cm)", "").replace("/", "_per_").replace(" ", "_")


def iris():
    """Logistic regression; text labels, probabilities as a list of maps."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    d = datasets.load_iris()
    y = d.target_names.astype(object)[d.target]
    x, t, y, ty = train_test_split(d.data, y, test_size=0.4, random_state=0, stratify=y)
    m = LogisticRegression(max_iter=500).fit(x, y)
    rows_csv("iris.csv", [name_column(c) for c in d.feature_names] + ["species"], [[*r, s] for r, s in zip(t, ty)])
    onx = to_onnx(m, initial_types=[("X", FloatTensorType([None, 4]))])
    return onx, {"X": t.astype(np.float32)}, ty, lambda out: out[0]


def wine():
    """Random forest of 30 trees; the cultivar as a number."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import RandomForestClassifier

    d = datasets.load_wine()
    x, t, y, ty = train_test_split(d.data, d.target, test_size=0.4, random_state=0, stratify=d.target)
    m = RandomForestClassifier(30, max_depth=6, random_state=0).fit(x, y)
    rows_csv("wine.csv", [name_column(c) for c in d.feature_names] + ["cultivar"], [[*r, s] for r, s in zip(t, ty)])
    onx = to_onnx(m, initial_types=[("X", FloatTensorType([None, 13]))], options={"zipmap": False})
    return onx, {"X": t.astype(np.float32)}, ty, lambda out: out[0]


def patients():
    """A pipeline with an input a column: text, real and whole numbers, truth values."""
    from exporters_sklearn import column, table_pipeline
    from sklearn.linear_model import LogisticRegression

    table, y = mixed_table()
    train, test, y, ty = train_test_split(table, y, test_size=0.3, random_state=0, stratify=y)
    _, onx = table_pipeline(LogisticRegression(), train, y, {"zipmap": True})
    rows = zip(*[test[c] for c in test.columns], ty)
    rows_csv("patients.csv", [*table.columns, "outcome"],
             [["" if v != v else v for v in r] for r in rows])
    return onx, {c: column(test[c]) for c in table.columns}, ty, lambda out: out[0]


def digits():
    """A small convolutional network from PyTorch, images of 8 x 8 grey values 0 to 16; scores without a label."""
    import io
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                                     nn.Conv2d(12, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                                     nn.Linear(96, 10))

        def forward(self, image):
            return torch.softmax(self.net(image / 16), 1)

    torch.manual_seed(0)
    d = datasets.load_digits()
    x, t, y, ty = train_test_split(d.data, d.target, test_size=0.2, random_state=0, stratify=d.target)
    net = Net()
    opt = torch.optim.Adam(net.parameters(), 3e-3)
    tx, tl = torch.from_numpy(x.astype(np.float32).reshape(-1, 1, 8, 8)), torch.from_numpy(y)
    for _ in range(30):
        for part in torch.randperm(len(tx)).split(64):
            loss = nn.functional.nll_loss(torch.log(net(tx[part]) + 1e-9), tl[part])
            opt.zero_grad()
            loss.backward()
            opt.step()
    net.eval()
    stream = io.BytesIO()
    torch.onnx.export(net, (tx[:2],), stream, dynamo=False, input_names=["image"], output_names=["probabilities"],
                      dynamic_axes={"image": {0: "N"}, "probabilities": {0: "N"}}, opset_version=17)
    rows_csv("digits.csv", ["digit", "pixels"],
             [[s, "{" + ",".join(str(int(v)) for v in r) + "}"] for r, s in zip(t, ty)])
    return (onnx.load_from_string(stream.getvalue()), {"image": t.astype(np.float32).reshape(-1, 1, 8, 8)}, ty,
            lambda out: out[0].argmax(1))


def topics():
    """Words weighted by tf-idf and a linear classifier; text in, text out.  Trained with scikit-learn; the graph is put
    together here, from operators of ONNX alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    text, label = sentences()
    x, t, y, ty = train_test_split(text, label, test_size=0.3, random_state=0, stratify=label)
    vectorizer = TfidfVectorizer(tokenizer=str.split, token_pattern=None, min_df=2, smooth_idf=False)
    m = LogisticRegression(C=30, max_iter=500).fit(vectorizer.fit_transform(x), y)
    words = vectorizer.get_feature_names_out()
    ml = "ai.onnx.ml"
    nodes = [
        helper.make_node("StringNormalizer", ["text"], ["lower"], case_change_action="LOWER", locale="C"),
        helper.make_node("StringSplit", ["lower"], ["words", "n_words"]),
        helper.make_node("TfIdfVectorizer", ["words"], ["weights"], mode="TFIDF", min_gram_length=1,
                         max_gram_length=1, max_skip_count=0, ngram_counts=[0], ngram_indexes=range(len(words)),
                         pool_strings=list(words), weights=[float(v) for v in vectorizer.idf_]),
        helper.make_node("Normalizer", ["weights"], ["unit"], domain=ml, norm="L2"),
        helper.make_node("LinearClassifier", ["unit"], ["topic", "probabilities"], domain=ml,
                         classlabels_strings=[str(c) for c in m.classes_], post_transform="SOFTMAX", multi_class=1,
                         coefficients=[float(v) for v in m.coef_.ravel()],
                         intercepts=[float(v) for v in m.intercept_]),
    ]
    graph = helper.make_graph(
        nodes, "topics", [helper.make_tensor_value_info("text", TensorProto.STRING, ["N"])],
        [helper.make_tensor_value_info("topic", TensorProto.STRING, ["N"]),
         helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(m.classes_)])])
    onx = helper.make_model(graph, producer_name="scikit-learn", ir_version=9,
                            opset_imports=[helper.make_opsetid("", 20), helper.make_opsetid(ml, 1)])
    onnx.checker.check_model(onx)
    rows_csv("topics.csv", ["topic", "sentence"], zip(ty, t))
    return onx, {"text": t}, ty, lambda out: out[0]


HEAD = """# Ready models

Small models to try things with; `data/` has rows that they have not learned from.  Written by
`src/test/gen/ready_models.py` (versions pinned in `requirements.txt` beside it).  Trained here: the models are under
this project's licence.  The data are those that scikit-learn distributes under the BSD licence: iris (R. A. Fisher
1936), wine (M. Forina, UCI, CC BY 4.0), digits (E. Alpaydin and C. Kaynak, UCI, CC BY 4.0), diabetes (B. Efron et al.
2004; `patients` has ages as text, a truth value, and gaps made here), and sentences of its documentation (`topics`:
which part of the library is this about?).
Accuracy is onnxruntime's on the rows in `data/`.

| model | what it is | bytes | rows | accuracy | sha256 |
| --- | --- | --- | --- | --- | --- |
"""


def main():
    (MODELS / "data").mkdir(parents=True, exist_ok=True)
    table = ""
    for build in (iris, wine, patients, digits, topics):
        onx, feed, truth, label = build()
        blob = onx.SerializeToString()
        (MODELS / f"{build.__name__}.onnx").write_bytes(blob)
        session = onnxruntime.InferenceSession(blob, providers=["CPUExecutionProvider"])
        right = (np.asarray(label(session.run(None, feed))).ravel() == np.asarray(truth)).mean()
        what = " ".join(build.__doc__.split())
        table += (f"| `{build.__name__}.onnx` | {what} | {len(blob)} | {len(truth)} | {right:.3f} | "
                  f"`{hashlib.sha256(blob).hexdigest()}` |\n")
        print(build.__name__, len(blob), f"{right:.3f}")
    (MODELS / "MANIFEST.md").write_text(HEAD + table)


main()
