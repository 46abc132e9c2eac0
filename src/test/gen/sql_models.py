#!/usr/bin/env python3
"""Writes src/test/psql/models.psql: small ONNX models as psql variables, for the tests in sql/.  Needs onnx and numpy.

A test has them with  \\i src/test/psql/models.psql  and loads one with  maas_load('linear', :'linear')."""

import os

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h

HERE = os.path.dirname(os.path.abspath(__file__))
lines = []


def vi(name, elem, dims):
    return h.make_tensor_value_info(name, elem, dims)


def init(name, array):
    return onnx.numpy_helper.from_array(np.array(array), name)


def emit(name, data):
    lines.append(r"\set %s '\\x%s'" % (name, data.hex()))


def model(name, nodes, ins, outs, inits=(), ml=0, functions=(), check=True):
    graph = h.make_graph(nodes, name, ins, outs, list(inits))
    opsets = [h.make_opsetid("", 17)]
    if ml:
        opsets.append(h.make_opsetid("ai.onnx.ml", ml))
    if functions:
        opsets.append(h.make_opsetid("local", 1))
    m = h.make_model(graph, opset_imports=opsets, producer_name="tests", functions=list(functions))
    m.ir_version = 8
    if check:
        onnx.checker.check_model(m)
    emit(name, m.SerializeToString())
    return m


f32 = np.float32
# y = x w + b: 3 features, 2 outputs
W, B = np.array([[1, 0], [0, 1], [1, 1]], f32), np.array([0.5, -0.5], f32)
linear = model("linear", [h.make_node("Gemm", ["x", "w", "b"], ["y"])], [vi("x", T.FLOAT, ["N", 3])],
               [vi("y", T.FLOAT, ["N", 2])], [init("w", W), init("b", B)])
# the same with another bias: a second version that answers differently
model("linear2", [h.make_node("Gemm", ["x", "w", "b"], ["y"])], [vi("x", T.FLOAT, ["N", 3])],
      [vi("y", T.FLOAT, ["N", 2])], [init("w", W), init("b", B + 100)])
# one number an example, and what it was made from as a second output
model("sum", [h.make_node("ReduceSum", ["x", "axis"], ["s"]), h.make_node("Mul", ["x", "x"], ["squares"])],
      [vi("x", T.FLOAT, ["N", 3])], [vi("s", T.FLOAT, ["N", 1]), vi("squares", T.FLOAT, ["N", 3])],
      [init("axis", np.array([1], np.int64))])
# a result of rank 0
model("total", [h.make_node("ReduceSum", ["x"], ["t"], keepdims=0)], [vi("x", T.FLOAT, ["N", 3])],
      [vi("t", T.FLOAT, [])])
# identities of several types
for name, elem, dims in [("same", T.FLOAT, ["N", 2]), ("same_double", T.DOUBLE, ["N"]), ("same_int", T.INT64, ["N", 2]),
                         ("same_uint8", T.UINT8, ["N"]), ("same_bool", T.BOOL, ["N"]), ("same_text", T.STRING, ["N"]),
                         ("same_text_column", T.STRING, ["N", 1]), ("one_only", T.FLOAT, [1, 2]),
                         ("no_batch", T.FLOAT, [2]), ("square", T.FLOAT, ["N", "N"]), ("scalar", T.FLOAT, [])]:
    model(name, [h.make_node("Identity", ["x"], ["y"])], [vi("x", elem, dims)], [vi("y", elem, dims)])
# several inputs, one a column, as pipelines are exported; one has a default
model("columns", [h.make_node("Cast", ["age"], ["a"], to=T.FLOAT),
                  h.make_node("Cast", ["member"], ["m"], to=T.FLOAT),
                  h.make_node("Equal", ["city_code", "oslo"], ["o"]),
                  h.make_node("Cast", ["o"], ["c"], to=T.FLOAT),
                  h.make_node("Concat", ["a", "income", "m", "c"], ["joined"], axis=1),
                  h.make_node("Mul", ["joined", "scale"], ["y"])],
      [vi("age", T.INT64, ["N", 1]), vi("income", T.FLOAT, ["N", 1]), vi("member", T.BOOL, ["N", 1]),
       vi("city_code", T.INT64, ["N", 1]), vi("scale", T.FLOAT, [1])],
      [vi("y", T.FLOAT, ["N", 4])], [init("oslo", np.array([[47]], np.int64)), init("scale", np.array([1], f32))])
# text in a column: its length class by a label encoder
model("cities", [h.make_node("LabelEncoder", ["city"], ["y"], domain="ai.onnx.ml", keys_strings=["Oslo", "Bern"],
                             values_floats=[1.0, 2.0], default_float=-1.0)],
      [vi("city", T.STRING, ["N", 1])], [vi("y", T.FLOAT, ["N", 1])], ml=2)
# classifiers: with string labels; with integer labels and ZipMap; scores alone
classify = dict(domain="ai.onnx.ml", coefficients=[-1.0, 0.5, 1.0, -0.5], intercepts=[0.25, -0.25], multi_class=0,
                post_transform="SOFTMAX")
model("strings", [h.make_node("LinearClassifier", ["x"], ["label", "probabilities"],
                              classlabels_strings=["no", "yes"], **classify)],
      [vi("x", T.FLOAT, ["N", 2])], [vi("label", T.STRING, ["N"]), vi("probabilities", T.FLOAT, ["N", 2])], ml=1)
zip_out = h.make_value_info("output_probability", h.make_sequence_type_proto(
    h.make_map_type_proto(T.INT64, h.make_tensor_type_proto(T.FLOAT, []))))
model("zipmap", [h.make_node("LinearClassifier", ["x"], ["label", "p"], classlabels_ints=[10, 20], **classify),
                 h.make_node("ZipMap", ["p"], ["output_probability"], domain="ai.onnx.ml",
                             classlabels_int64s=[10, 20])],
      [vi("x", T.FLOAT, ["N", 2])], [vi("label", T.INT64, ["N"]), zip_out], ml=1)
model("three", [h.make_node("Softmax", ["x"], ["p"], axis=1)], [vi("x", T.FLOAT, ["N", 3])],
      [vi("p", T.FLOAT, ["N", 3])])
# rows that influence each other
model("centred", [h.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1), h.make_node("Sub", ["x", "m"], ["y"])],
      [vi("x", T.FLOAT, ["N", 3])], [vi("y", T.FLOAT, ["N", 3])])
# the same beside an output that keeps them apart
model("half_mixed", [h.make_node("Neg", ["x"], ["y"]), h.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=1),
                     h.make_node("Sub", ["x", "m"], ["mean"])],
      [vi("x", T.FLOAT, ["N", 3])], [vi("y", T.FLOAT, ["N", 3]), vi("mean", T.FLOAT, ["N", 3])])
# fails for rows whose first number is not one of 0 to 19
model("picky", [h.make_node("Slice", ["x", "zero", "one", "one"], ["f"]), h.make_node("Cast", ["f"], ["i"], to=T.INT64),
                h.make_node("Gather", ["table", "i"], ["y"], axis=0)],
      [vi("x", T.FLOAT, ["N", 3])], [vi("y", T.FLOAT, ["N", 1])],
      [init("zero", np.array([0], np.int64)), init("one", np.array([1], np.int64)),
       init("table", np.arange(20, dtype=f32) * 2)])
# an example that takes much room on the way
model("wide", [h.make_node("Unsqueeze", ["x", "two"], ["u"]), h.make_node("Expand", ["u", "shape"], ["many"]),
               h.make_node("ReduceMax", ["many"], ["m"], axes=[2], keepdims=0),
               h.make_node("ReduceSum", ["m", "axis"], ["s"])],
      [vi("x", T.FLOAT, ["N", 3])], [vi("s", T.FLOAT, ["N", 1])],
      [init("two", np.array([2], np.int64)), init("shape", np.array([1, 1, 20000], np.int64)),
       init("axis", np.array([1], np.int64))])
# examples of any length
model("lengths", [h.make_node("ReduceSum", ["x", "axis"], ["s"])], [vi("x", T.FLOAT, ["N", "M"])],
      [vi("s", T.FLOAT, ["N", 1])], [init("axis", np.array([1], np.int64))])
# sequences and optionals
seq = h.make_sequence_type_proto(h.make_tensor_type_proto(T.FLOAT, ["K"]))
model("sequence", [h.make_node("ConcatFromSequence", ["xs"], ["all"], axis=0),
                   h.make_node("SequenceInsert", ["xs", "all"], ["more"])],
      [h.make_value_info("xs", seq)], [vi("all", T.FLOAT, ["M"]), h.make_value_info("more", seq)])
opt = h.make_optional_type_proto(h.make_tensor_type_proto(T.FLOAT, ["K"]))
model("maybe", [h.make_node("OptionalHasElement", ["o"], ["has"]), h.make_node("Identity", ["o"], ["same"])],
      [h.make_value_info("o", opt)], [vi("has", T.BOOL, []), h.make_value_info("same", opt)])
# a loop that does not end in a lifetime
body = h.make_graph([h.make_node("Identity", ["c"], ["c2"]), h.make_node("Add", ["a", "a"], ["a2"])], "body",
                    [vi("i", T.INT64, []), vi("c", T.BOOL, []), vi("a", T.FLOAT, ["K"])],
                    [vi("c2", T.BOOL, []), vi("a2", T.FLOAT, ["K"])])
model("endless", [h.make_node("Loop", ["trip", "cond", "x"], ["y"], body=body)], [vi("x", T.FLOAT, ["K"])],
      [vi("y", T.FLOAT, ["K"])], [init("trip", np.array(2**62, np.int64)), init("cond", np.array(True))])
# as many zeros as the input asks for
model("zeros", [h.make_node("ConstantOfShape", ["shape"], ["y"])], [vi("shape", T.INT64, [2])],
      [vi("y", T.FLOAT, ["A", "B"])])

# ---- what must be refused ----

# a function that calls itself
fun = h.make_function("local", "Again", ["x"], ["y"], [h.make_node("Again", ["x"], ["y"], domain="local")],
                      [h.make_opsetid("local", 1)])
model("recursive", [h.make_node("Again", ["x"], ["y"], domain="local")], [vi("x", T.FLOAT, ["N"])],
      [vi("y", T.FLOAT, ["N"])], functions=[fun], check=False)
# a cycle
model("cycle", [h.make_node("Add", ["x", "b"], ["a"]), h.make_node("Neg", ["a"], ["b"])], [vi("x", T.FLOAT, ["N"])],
      [vi("b", T.FLOAT, ["N"])], check=False)
# operators that nobody has
model("unknown", [h.make_node("Frobnicate", ["x"], ["a"]), h.make_node("Defenestrate", ["a"], ["y"])],
      [vi("x", T.FLOAT, ["N"])], [vi("y", T.FLOAT, ["N"])], check=False)
# an initialiser of more elements than can be counted
big = onnx.TensorProto(name="w", data_type=T.FLOAT, dims=[2**40, 2**40])
model("absurd", [h.make_node("Add", ["x", "w"], ["y"])], [vi("x", T.FLOAT, ["N"])], [vi("y", T.FLOAT, None)], [big],
      check=False)
# types that do not fit
model("mismatch", [h.make_node("Add", ["x", "w"], ["y"])], [vi("x", T.FLOAT, ["N"])], [vi("y", T.FLOAT, ["N"])],
      [init("w", np.array([1], np.int64))], check=False)
# subgraphs within subgraphs, 300 deep: written by hand, as the protobuf library refuses to


def field(number, data):
    def varint(v):
        out = b""
        while v > 127:
            out, v = out + bytes([v & 127 | 128]), v >> 7
        return out + bytes([v])
    if isinstance(data, int):
        return varint(number << 3) + varint(data)
    return varint(number << 3 | 2) + varint(len(data)) + data


def node(op, inputs, attrs=b""):
    return b"".join(field(1, i) for i in inputs) + field(2, b"y") + field(4, op) + attrs


y = vi("y", T.FLOAT, ["N"]).SerializeToString()
deep = field(1, node(b"Identity", [b"x"])) + field(2, b"g") + field(12, y)
leaf = deep
for level in range(300):
    branches = b"".join(field(5, field(1, n) + field(6, g) + field(20, 5))
                        for n, g in ((b"then_branch", deep), (b"else_branch", leaf)))
    deep = field(1, node(b"If", [b"cond"], branches)) + field(2, b"g") + field(12, y)
deep += field(11, vi("x", T.FLOAT, ["N"]).SerializeToString()) + field(11, vi("cond", T.BOOL, []).SerializeToString())
emit("deep", field(1, 8) + field(8, field(2, 17)) + field(7, deep))

whole = linear.SerializeToString()
emit("truncated", whole[: len(whole) // 2])
emit("random", bytes((i * 2654435761 >> 7) & 255 for i in range(1, 400)))

path = os.path.join(HERE, "..", "psql", "models.psql")
with open(path, "w") as out:
    out.write("-- Made by src/test/gen/sql_models.py.\n" + "\n".join(lines) + "\n")
