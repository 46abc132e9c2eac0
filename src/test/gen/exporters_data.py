"""What the exporters' cases share: the list of cases, and rows of scikit-learn's data sets."""
import numpy as np

CASES = {}


TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}


def case(group, data, **tolerance):
    """Registers a function that returns (model, feeds, expected): feeds is a list of {input: array}, one a data set;
    expected a list of the arrays that the library that trained the model gives."""

    def register(function):
        CASES[function.__name__] = (group, data, function, TOLERANCE | tolerance)
        return function

    return register


# ---- data ----


def split(name, rows=24):
    """(train x, train y, test x, test y); the test rows are every k-th row."""
    from sklearn import datasets

    x, y = getattr(datasets, "load_" + name)(return_X_y=True)
    step = len(x) // rows
    test = np.arange(len(x)) % step == 1
    return x[~test], y[~test], x[test][:rows], y[test][:rows]


def two_batches(x):
    """The rows as one batch, and the first row alone."""
    return [x, x[:1]]


def with_holes(x, share=0.1, seed=3):
    x = x.copy()
    x[np.random.default_rng(seed).random(x.shape) < share] = np.nan
    return x


def mixed_table():
    """The diabetes data as a table of text, numbers and truth values, with gaps; the target is text."""
    import pandas as pd
    from sklearn.datasets import load_diabetes

    d = load_diabetes(as_frame=True, scaled=False).frame
    rng = np.random.default_rng(7)
    t = pd.DataFrame()
    t["age_group"] = np.select([d.age < 40, d.age < 60], ["young", "middle"], "senior").astype(object)
    t["sex"] = np.where(d.sex == 1, "a", "b").astype(object)
    t["bmi"] = d.bmi.astype(np.float32)
    t["pressure"] = d.bp.astype(np.float32)
    t["glucose"] = d.s6.astype(np.int64)
    t["high_ldl"] = d.s2 > 130
    t.loc[rng.random(len(t)) < 0.08, "bmi"] = np.nan
    t.loc[rng.random(len(t)) < 0.05, "age_group"] = "unknown"
    return t, np.where(d.target > d.target.median(), "progressing", "stable")


def sentences():
    """Sentences of scikit-learn's documentation, and which part of the library each is about."""
    import importlib
    import inspect
    import re

    text, label = [], []
    for part in ("cluster", "linear_model", "metrics", "preprocessing"):
        module = importlib.import_module("sklearn." + part)
        seen = []
        for name in sorted(module.__all__):
            doc = inspect.getdoc(getattr(module, name)) or ""
            for paragraph in doc.split("\n\n")[:12]:
                for s in re.split(r"\.\s", " ".join(paragraph.split())):
                    s = " ".join(re.sub(r"[^A-Za-z ]+", " ", s).split())
                    if 60 < len(s) < 160 and s[0].isupper() and "Guide" not in s and s not in seen:
                        seen.append(s)
        text += seen[:250]
        label += [part] * len(seen[:250])
    return np.array(text, dtype=object), np.array(label, dtype=object)
