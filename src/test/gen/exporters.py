#!/usr/bin/env python3
"""Models as real exporters write them, with the answers of onnxruntime: src/test/fixtures/<name>/.

    python3 -m venv venv && venv/bin/pip install -r src/test/gen/requirements.txt
    venv/bin/python src/test/gen/exporters.py [--out folder] [name ...]

Each folder has the layout of ONNX's backend tests (model.onnx, test_data_set_i/input_j.pb, output_j.pb) and a
data.json with the tolerance, so that `make conformance CASES=src/test/fixtures` runs them.  The rows are real:
scikit-learn's own data sets, none of the rows that a model learned from.  The script also compares onnxruntime with the
library that trained the model and writes both differences into src/test/fixtures/README.md.
"""
import argparse
import json
import pathlib
import shutil
import sys
import traceback
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import exporters_sklearn  # noqa: F401 (registers its cases)
import exporters_torch  # noqa: F401
import exporters_maas  # noqa: F401
from exporters_data import CASES

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "fixtures"


def to_value(name, value):
    """A TensorProto or (lists of maps) a SequenceProto."""
    if isinstance(value, list):
        keys = sorted(value[0])
        kind = onnx.TensorProto.STRING if isinstance(keys[0], str) else onnx.TensorProto.INT64
        seq = onnx.SequenceProto(name=name, elem_type=onnx.SequenceProto.MAP)
        for row in value:
            m = seq.map_values.add(key_type=kind)
            if kind == onnx.TensorProto.STRING:
                m.string_keys.extend(k.encode() for k in keys)
            else:
                m.keys.extend(keys)
            m.values.elem_type = onnx.SequenceProto.TENSOR
            m.values.tensor_values.extend(numpy_helper.from_array(np.float32(row[k])) for k in keys)
        return seq
    value = np.asarray(value)
    if value.dtype.kind in "OU":
        value = value.astype(object)
    return numpy_helper.from_array(value, name)


def far(a, b):
    """Largest difference of two answers, relative to the size of the answer; labels: 0 or 1."""
    if isinstance(a, list):
        a = np.array([[row[k] for k in sorted(row)] for row in a])
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype.kind in "OU" or b.dtype.kind in "OU":
        return float((a.ravel().astype(str) != b.ravel().astype(str)).any())
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if a.shape != b.shape:
        return float("nan")
    return float(np.max(np.abs(a - b) / np.maximum(np.abs(b), max(np.abs(b).mean(), 1e-6)), initial=0))


def write(name, tolerance, model, feeds, expected, out):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    blob = model.SerializeToString()
    (folder / "model.onnx").write_bytes(blob)
    (folder / "data.json").write_text(json.dumps(tolerance) + "\n")
    session = onnxruntime.InferenceSession(blob, providers=["CPUExecutionProvider"])
    worst = 0.0
    for i, feed in enumerate(feeds):
        answers = session.run(None, feed)
        case_folder = folder / f"test_data_set_{i}"
        case_folder.mkdir()
        for j, port in enumerate(session.get_inputs()):
            (case_folder / f"input_{j}.pb").write_bytes(to_value(port.name, feed[port.name]).SerializeToString())
        for j, (port, value) in enumerate(zip(session.get_outputs(), answers)):
            (case_folder / f"output_{j}.pb").write_bytes(to_value(port.name, value).SerializeToString())
        for own, theirs in zip(answers, expected[i]):
            worst = max(worst, far(own, theirs))
    return worst, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


README = """# Fixtures: models as real exporters write them

Written by `src/test/gen/exporters.py` (versions pinned in `requirements.txt` beside it), never by hand.  Every folder
is a case of ONNX's backend tests: `model.onnx`, rows in, onnxruntime's answers out; `make conformance
CASES=src/test/fixtures` runs them.  The rows are of scikit-learn's own data sets, which it distributes under the BSD
licence (iris: R. A. Fisher 1936; wine: M. Forina, UCI, CC BY 4.0; breast cancer: W. Wolberg, UCI, CC BY 4.0; digits:
E. Alpaydin and C. Kaynak, UCI, CC BY 4.0; diabetes: B. Efron et al. 2004; linnerud: A. C. Linnerud); a model's test rows
are not among those that it learned from.  "Diabetes as a table" is the diabetes data with ages as text, a truth value
and gaps; the sentences are of scikit-learn's documentation (BSD licence), but those that `maas_train` learned from, which
are made up.  The models were trained here and are under this
project's licence.  The last column is the largest relative difference between onnxruntime (float32) and the library
that trained the model (mostly float64), on these rows.

| folder | kind | data | bytes | onnxruntime against its origin |
| --- | --- | --- | --- | --- |
"""


def main():
    global OUT
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    OUT = args.out
    notes_file = OUT / "notes.json"
    notes = json.loads(notes_file.read_text()) if notes_file.exists() else {}
    failed = []
    for name, (group, data, function, tolerance) in CASES.items():
        if args.names and name not in args.names:
            continue
        try:
            worst, size = write(name, tolerance, *function(), OUT)
        except Exception:
            traceback.print_exc(limit=3)
            shutil.rmtree(OUT / name, ignore_errors=True)
            failed.append(name)
            continue
        notes[name] = [group, data, size, worst]
        print(f"{name}: {size} bytes, {worst:.1e}", flush=True)
    notes = {n: notes[n] for n in CASES if n in notes}
    notes_file.write_text(json.dumps(notes, indent=0) + "\n")
    rows = "".join(f"| {n} | {g} | {d} | {s} | {w:.0e} |\n" for n, (g, d, s, w) in notes.items())
    (OUT / "README.md").write_text(README + rows)
    print(len(notes), "cases,", sum(v[2] for v in notes.values()), "bytes; failed:", failed)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
