"""How well maas_train does on a table with categories and gaps, beside scikit-learn on the same rows.

    eval "$(tools/server env)"; python credit.py [--repeats 40] [--epochs 30]

German credit (tools/load-data: 1,000 rows, 13 columns of text, 7 of numbers, NULL in two) is cut into five folds, again
and again in other ways; each fold is predicted by networks that learned from the other four, one by maas_train and
maas_evaluate in SQL, one by scikit-learn's pipeline: mean imputation, standardising, one-hot columns with one for what is
missing, MLPClassifier.  Layers, epochs, batch size, learning rate and optimiser are the same; scikit-learn's penalty on
weights is off, as ours is.  A repeat's accuracy is that of all 1,000 predictions.  Printed are the means over the
repeats, their standard deviations, and the mean difference with its standard error.

Needs psycopg2 and scikit-learn (requirements-credit.txt).
"""
import argparse
import json
import warnings

import numpy as np
import psycopg2
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

FOLDS = 5
LAYERS = (32, 16)
BATCH, RATE = 32, 0.001


def ours(cur, columns, epochs, repeat, fold):
    """Rows of the fold that are predicted rightly, by SQL alone."""
    rows = (f"SELECT {columns} FROM credit c JOIN credit_folds f USING (id) WHERE f.repeat = {repeat} AND f.fold "
            "{} " f"{fold} ORDER BY id")
    layers = [{"dense": n, "activation": "relu"} for n in LAYERS] + [{"dense": "output"}]
    options = {"epochs": epochs, "batch_size": BATCH, "optimizer": "adam", "learning_rate": RATE, "validation": 0,
               "seed": FOLDS * repeat + fold}
    cur.execute("SELECT maas_train('credit', %s, target => 'class', architecture => %s, options => %s)",
                (rows.format("<>"), json.dumps({"layers": layers}), json.dumps(options)))
    cur.execute("SELECT (r ->> 'accuracy')::float8 * (r ->> 'samples')::float8 FROM maas_evaluate('credit', %s, 'class') r",
                (rows.format("="),))
    return cur.fetchone()[0]


def theirs(x, y, numeric, epochs, seed, train, test):
    """The same by scikit-learn."""
    prepare = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numeric),
        ("categories", make_pipeline(SimpleImputer(missing_values=None, strategy="constant", fill_value="missing"),
                                     OneHotEncoder(handle_unknown="ignore")),
         [c for c in range(x.shape[1]) if c not in numeric])])
    network = MLPClassifier(LAYERS, batch_size=BATCH, learning_rate_init=RATE, alpha=0, max_iter=epochs, tol=0,
                            n_iter_no_change=epochs, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it would go on: the epochs are given
        model = make_pipeline(prepare, network).fit(x[train], y[train])
    return (model.predict(x[test]) == y[test]).sum()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    db = psycopg2.connect("")
    db.autocommit = True
    cur = db.cursor()
    cur.execute("CREATE EXTENSION IF NOT EXISTS maas")
    cur.execute("SELECT attname, atttypid = 'integer'::regtype FROM pg_attribute WHERE attrelid = 'credit'::regclass"
                " AND attnum > 0 AND attname NOT IN ('id', 'class') ORDER BY attnum")
    names, whole = zip(*cur.fetchall())
    columns = ", ".join(names + ("class",))
    cur.execute(f"SELECT id, {columns} FROM credit ORDER BY id")
    table = np.array(cur.fetchall(), dtype=object)
    ids, x, y = table[:, 0], table[:, 1:-1], table[:, -1].astype(str)
    cur.execute("CREATE TEMPORARY TABLE credit_folds (repeat integer, id integer, fold integer)")
    majority = max(np.unique(y, return_counts=True)[1]) / len(y)
    print(f"{len(y)} rows, {100 * majority:.1f} % of them of one class; {FOLDS} folds, {options.epochs} epochs\n"
          f"{'repeat':>6} {'maas':>8} {'scikit-learn':>13}")
    results = []
    for repeat in range(options.repeats):
        right = [0, 0]
        for fold, (train, test) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=repeat).split(x, y)):
            cur.executemany("INSERT INTO credit_folds VALUES (%s, %s, %s)", [(repeat, ids[i], fold) for i in test])
        for fold, (train, test) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=repeat).split(x, y)):
            right[0] += ours(cur, columns, options.epochs, repeat, fold)
            right[1] += theirs(x, y, [c for c, w in enumerate(whole) if w], options.epochs, FOLDS * repeat + fold, train, test)
        results.append([100 * r / len(y) for r in right])
        print(f"{repeat:6} {results[-1][0]:8.2f} {results[-1][1]:13.2f}", flush=True)
    cur.execute("SELECT maas_drop('credit')")
    a = np.array(results)
    mean, spread = a.mean(0), a.std(0, ddof=1)
    difference = a[:, 0] - a[:, 1]
    print(f"{'mean':>6} {mean[0]:8.2f} {mean[1]:13.2f}\n{'spread':>6} {spread[0]:8.2f} {spread[1]:13.2f}\n"
          f"difference {difference.mean():+.2f} points, standard error {difference.std(ddof=1) / len(a) ** 0.5:.2f}")


if __name__ == "__main__":
    main()
