"""Elementwise operators, reductions, casts and quantisation where the official cases are silent: all element types, old
opsets, new operators, edges.

Expected values are numpy formulas; casts and quantisation to the small types come from onnx's reference evaluator
(opset 25) and the types of ml_dtypes.  One model often holds many nodes, to keep the number of files down.
"""

import math

import ml_dtypes
import numpy as np
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from case_writer import expect, type_of

rng = np.random.default_rng(25)
node = helper.make_node
BF16 = ml_dtypes.bfloat16
FLOATS = {"float": np.float32, "double": np.float64, "float16": np.float16, "bfloat16": BF16}
SIGNED = [np.int8, np.int16, np.int32, np.int64]
UNSIGNED = [np.uint8, np.uint16, np.uint32, np.uint64]
INTS = SIGNED + UNSIGNED
erf = np.vectorize(math.erf)


def name_of(dtype):
    return np.dtype(dtype).name


def graph_case(name, nodes, inputs, outputs, opset=25, ir_version=13, constants=()):
    """Inputs and outputs by name; constants become initialisers."""
    graph = helper.make_graph(
        nodes, "test_" + name, [helper.make_value_info(n, type_of(v)) for n, v in inputs.items()],
        [helper.make_value_info(n, type_of(v)) for n, v in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in dict(constants).items()])
    expect(name, graph, list(inputs.values()), list(outputs.values()), opset=opset, ir_version=ir_version)


def reference_case(name, nodes, inputs, outputs, opset=25, constants=()):
    """Expected values from onnx's reference evaluator; outputs: names with element types."""
    graph = helper.make_graph(
        nodes, "test_" + name, [helper.make_value_info(n, type_of(v)) for n, v in inputs.items()],
        [helper.make_tensor_value_info(n, t, None) for n, t in outputs.items()],
        [numpy_helper.from_array(np.asarray(v), n) for n, v in dict(constants).items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=13)
    want = ReferenceEvaluator(model).run(None, inputs)
    for value, (output, elem_type) in zip(want, outputs.items()):
        assert helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype) == elem_type, (name, output, value.dtype)
    expect(name, graph, list(inputs.values()), want, opset=opset, ir_version=13)


def fan(name, ops, inputs, dtype, attrs=None, opset=25, cast=None):
    """One model with a node for each of ops {operator: expected array}, all on the same inputs."""
    nodes, outputs = [], {}
    for op, want in ops.items():
        kwargs = (attrs or {}).get(op, {})
        nodes.append(node(op.split(".")[0], list(inputs), ["y_" + op.replace(".", "_")], **kwargs))
        outputs["y_" + op.replace(".", "_")] = np.asarray(want).astype(dtype if cast is None else cast)
    graph_case(name, nodes, inputs, outputs, opset)


# ---- functions of one argument, every floating type ----

x = np.concatenate([rng.normal(size=60) * 3, [0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 10, -10, 30, -30]]).reshape(7, 10)
for name, dtype in FLOATS.items():
    v = x.astype(dtype)
    w = v.astype(np.float64)
    sigmoid = 1 / (1 + np.exp(-w))
    softplus = np.log1p(np.exp(-np.abs(w))) + np.maximum(w, 0)
    fan("math_functions_" + name, {
        "Abs": abs(w), "Neg": -w, "Sign": np.sign(w), "Ceil": np.ceil(w), "Floor": np.floor(w), "Round": np.rint(w),
        "Exp": np.exp(w) if name != "float16" else np.exp(w).clip(max=np.inf), "Sin": np.sin(w), "Cos": np.cos(w),
        "Tan": np.tan(w), "Atan": np.arctan(w), "Tanh": np.tanh(w), "Asinh": np.arcsinh(w), "Erf": erf(w),
        "Sigmoid": sigmoid, "Relu": np.maximum(w, 0), "Softplus": softplus, "Softsign": w / (1 + abs(w)),
        "Elu": np.where(w < 0, np.expm1(w), w), "LeakyRelu": np.where(w < 0, np.float32(0.01) * w, w),
        "ThresholdedRelu": np.where(w > 1, w, 0), "HardSwish": w * np.clip(w / 6 + 0.5, 0, 1),
        "HardSigmoid": np.clip(np.float32(0.2) * w + 0.5, 0, 1),
        "Selu": np.float32(1.05070102) * np.where(w < 0, np.float32(1.67326324) * np.expm1(w), w),
        "Mish": w * np.tanh(softplus), "Swish": w * sigmoid, "Swish.alpha": w / (1 + np.exp(-1.5 * w)),
        "Identity": w,
    }, {"x": v}, dtype, {"Swish.alpha": {"alpha": 1.5}})
    u = (rng.random((4, 9)) * 1.8 - 0.9).astype(dtype)
    w = u.astype(np.float64)
    fan("math_functions_bounded_" + name, {
        "Asin": np.arcsin(w), "Acos": np.arccos(w), "Atanh": np.arctanh(w), "Sinh": np.sinh(w), "Cosh": np.cosh(w),
    }, {"x": u}, dtype)
    p = (rng.random((4, 9)) * 5 + 0.01).astype(dtype)
    w = p.astype(np.float64)
    fan("math_functions_positive_" + name, {
        "Log": np.log(w), "Sqrt": np.sqrt(w), "Reciprocal": 1 / w,
        "Acosh": np.where(w >= 1, np.arccosh(np.maximum(w, 1)), np.nan)}, {"x": p}, dtype)
    g = (rng.normal(size=(5, 8)) * 1.5).astype(dtype)
    w = g.astype(np.float64)
    g_tanh = 0.5 * w * (1 + np.tanh(np.sqrt(2 / np.pi) * (w + 0.044715 * w**3)))
    graph_case("math_gelu_" + name, [node("Gelu", ["x"], ["a"]), node("Gelu", ["x"], ["b"], approximate="none"),
                                     node("Gelu", ["x"], ["c"], approximate="tanh")], {"x": g},
               {"a": (0.5 * w * (1 + erf(w / np.sqrt(2)))).astype(dtype),
                "b": (0.5 * w * (1 + erf(w / np.sqrt(2)))).astype(dtype), "c": g_tanh.astype(dtype)})
    special = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1.0], dtype)
    graph_case("math_special_" + name, [
        node("IsNaN", ["x"], ["nan"]), node("IsInf", ["x"], ["inf"]),
        node("IsInf", ["x"], ["pos"], detect_negative=0), node("IsInf", ["x"], ["neg"], detect_positive=0),
        node("Relu", ["x"], ["relu"]), node("Sign", ["x"], ["sign"]), node("Exp", ["x"], ["exp"]),
        node("Sigmoid", ["x"], ["sigmoid"]), node("Tanh", ["x"], ["tanh"]), node("Max", ["x", "one"], ["max"]),
        node("Min", ["x", "one"], ["min"]), node("Clip", ["x", "low", "one"], ["clip"])],
        {"x": special, "one": np.array(1, dtype), "low": np.array(-1, dtype)},
        {"nan": np.array([1, 0, 0, 0, 0, 0], bool), "inf": np.array([0, 1, 1, 0, 0, 0], bool),
         "pos": np.array([0, 1, 0, 0, 0, 0], bool), "neg": np.array([0, 0, 1, 0, 0, 0], bool),
         "relu": np.array([np.nan, np.inf, 0, 0, 0, 1], dtype), "sign": np.array([np.nan, 1, -1, 0, 0, 1], dtype),
         "exp": np.array([np.nan, np.inf, 0, 1, 1, np.e], dtype),
         "sigmoid": np.array([np.nan, 1, 0, 0.5, 0.5, 1 / (1 + np.exp(-1))], dtype),
         "tanh": np.array([np.nan, 1, -1, 0, 0, np.tanh(1)], dtype),
         "max": np.array([np.nan, np.inf, 1, 1, 1, 1], dtype), "min": np.array([np.nan, 1, -np.inf, 0, 0, 1], dtype),
         "clip": np.array([np.nan, 1, -1, 0, 0, 1], dtype)})

big = np.array([1e4, -1e5, 3.5e6, 1e10, -2e38, 12345.678], np.float32)
fan("math_sine_of_large", {"Sin": np.sin(big.astype(np.float64)), "Cos": np.cos(big.astype(np.float64))}, {"x": big},
    np.float32)
for t, dtype in (("e4m3fn", ml_dtypes.float8_e4m3fn), ("e4m3fnuz", ml_dtypes.float8_e4m3fnuz),
                 ("e5m2", ml_dtypes.float8_e5m2), ("e5m2fnuz", ml_dtypes.float8_e5m2fnuz)):
    v = np.arange(256, dtype=np.uint8).view(dtype)
    graph_case("math_special_float8" + t, [node("IsNaN", ["x"], ["nan"]), node("IsInf", ["x"], ["inf"])], {"x": v},
               {"nan": np.isnan(v.astype(np.float32)), "inf": np.isinf(v.astype(np.float32))})

# ---- integers: sums and products wrap, division truncates, the smallest by -1 wraps ----

for dtype in INTS:
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    bits = np.iinfo(dtype).bits
    signed = low < 0

    def wrap(values):
        return np.array([(int(i) - low) % 2**bits + low for i in values], object).astype(dtype)

    a = np.array([low, low, high, high, 7, 7, 3, 0, high // 2, 100], dtype)
    b = np.array([high, 1, high, 1, 2, 3, 7, 5, 3, 9], dtype)
    if signed:
        a = np.concatenate([a, np.array([low, -7, -7, 7, -100, low], dtype)])
        b = np.concatenate([b, np.array([-1, 2, -2, -2, 9, 2], dtype)])
    pairs = list(zip([int(i) for i in a], [int(i) for i in b]))
    truncated = [abs(i) // abs(j) * (1 if (i < 0) == (j < 0) else -1) for i, j in pairs]
    graph_case("math_integers_" + name_of(dtype), [
        node("Add", ["a", "b"], ["add"]), node("Sub", ["a", "b"], ["sub"]), node("Mul", ["a", "b"], ["mul"]),
        node("Div", ["a", "b"], ["div"]), node("Mod", ["a", "b"], ["mod"]), node("Mod", ["a", "b"], ["fmod"], fmod=1),
        node("Max", ["a", "b"], ["max"]), node("Min", ["a", "b"], ["min"]), node("Equal", ["a", "b"], ["eq"]),
        node("Less", ["a", "b"], ["lt"]), node("LessOrEqual", ["a", "b"], ["le"]),
        node("Greater", ["a", "b"], ["gt"]), node("GreaterOrEqual", ["a", "b"], ["ge"]),
        node("BitwiseAnd", ["a", "b"], ["and"]), node("BitwiseOr", ["a", "b"], ["or"]),
        node("BitwiseXor", ["a", "b"], ["xor"]), node("BitwiseNot", ["a"], ["not"]), node("Abs", ["a"], ["abs"]),
        node("Sign", ["a"], ["sign"]), node("Clip", ["a", "three", "seven"], ["clip"]), node("Clip", ["a"], ["all"]),
        node("Clip", ["a", "", "seven"], ["upper"])],
        {"a": a, "b": b, "three": np.array(3, dtype), "seven": np.array(7, dtype)},
        {"add": wrap([i + j for i, j in pairs]), "sub": wrap([i - j for i, j in pairs]),
         "mul": wrap([i * j for i, j in pairs]), "div": wrap(truncated), "mod": wrap([i % j for i, j in pairs]),
         "fmod": wrap([i - q * j for (i, j), q in zip(pairs, truncated)]), "max": np.maximum(a, b),
         "min": np.minimum(a, b), "eq": a == b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b, "and": a & b,
         "or": a | b, "xor": a ^ b, "not": ~a, "abs": wrap([abs(int(i)) for i in a]), "sign": np.sign(a),
         "clip": np.clip(a, dtype(3), dtype(7)), "all": a, "upper": np.minimum(a, dtype(7))})
    if signed:
        graph_case("math_negate_" + name_of(dtype), [node("Neg", ["a"], ["neg"]), node("Relu", ["a"], ["relu"])],
                   {"a": a}, {"neg": wrap([-int(i) for i in a]), "relu": np.maximum(a, 0)})
    else:
        s = np.array([0, 1, 2, 7, bits - 1, 3, 0, 1, 2, 4], dtype)
        graph_case("math_shift_" + name_of(dtype), [node("BitShift", ["a", "s"], ["l"], direction="LEFT"),
                                                    node("BitShift", ["a", "s"], ["r"], direction="RIGHT")],
                   {"a": a, "s": s}, {"l": wrap([int(i) << int(j) for i, j in zip(a, s)]), "r": a >> s})
    grid = rng.integers(max(low, -90), min(high, 90), (2, 1, 4)).astype(dtype)
    column = rng.integers(1, 20, (3, 1)).astype(dtype)
    graph_case("math_broadcast_" + name_of(dtype), [
        node("Add", ["a", "b"], ["add"]), node("BitwiseXor", ["b", "a"], ["xor"]), node("Less", ["a", "b"], ["lt"]),
        node("Max", ["b", "a", "a"], ["max"])], {"a": grid, "b": column},
        {"add": grid + column, "xor": grid ^ column, "lt": grid < column, "max": np.maximum(grid, column)})

for dtype in INTS:
    v = np.arange(0, 6).astype(dtype) if dtype in UNSIGNED else np.arange(-3, 3).astype(dtype)
    w = v.astype(np.float64)
    fan("math_shrink_" + name_of(dtype), {"Shrink": np.where(w < -1, w + 1, np.where(w > 1, w - 1, 0))}, {"x": v},
        dtype, {"Shrink": {"lambd": 1.0, "bias": 1.0}})
for dtype in (np.int32, np.int64, np.uint32, np.uint64):
    v = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    v = v - dtype(4) if dtype in SIGNED else v
    slope = np.array([2, 3, 5], dtype)
    expect("math_prelu_" + name_of(dtype), node("PRelu", ["x", "slope"], ["y"]), [v, slope],
           [np.where(v < 0, v * slope, v).astype(dtype)])
    graph_case("math_cumsum_" + name_of(dtype), [
        node("CumSum", ["x", "axis"], ["a"]), node("CumSum", ["x", "axis"], ["b"], exclusive=1, reverse=1),
        node("CumSum", ["x", "first"], ["c"], reverse=1)],
        {"x": v, "axis": np.array(-1, np.int32), "first": np.array([0], np.int64)},
        {"a": np.cumsum(v, 1, dtype=dtype),
         "b": (np.cumsum(v[:, ::-1], 1, dtype=dtype)[:, ::-1] - v).astype(dtype),
         "c": np.cumsum(v[::-1], 0, dtype=dtype)[::-1].copy()})

# ---- powers of mixed types ----

base = np.array([-3, -1, 0, 1, 2, 5], np.int64)
for dtype in INTS:
    e = np.array([3, 7, 0, 5, 6, 2], dtype)
    graph_case("math_pow_int_" + name_of(dtype), [node("Pow", ["a", "e"], ["y"]), node("Pow", ["b", "e"], ["z"])],
               {"a": base, "b": base.astype(np.int32), "e": e},
               {"y": base ** e.astype(np.int64), "z": (base ** e.astype(np.int64)).astype(np.int32)})
    f = np.array([0.5, 1.5, -2, 3, 1, 4], np.float32)
    graph_case("math_pow_float_" + name_of(dtype), [
        node("Pow", ["f", "e"], ["y"]), node("Pow", ["d", "e"], ["z"]), node("Pow", ["f", "two"], ["s"])],
        {"f": f, "d": f.astype(np.float64), "e": e, "two": np.array(2, dtype)},
        {"y": f ** e.astype(np.float32), "z": f.astype(np.float64) ** e.astype(np.float64), "s": f * f})
for name, dtype in FLOATS.items():
    p = np.array([0, 1, 2.25, 4, 9, 0.5], dtype)
    e = np.array([[0.5], [2], [3], [-1], [1], [0]], np.float32)
    graph_case("math_pow_exponents_" + name,
               [node("Pow", ["p", "e"], ["y"]), node("Pow", ["i", "p"], ["z"])] +
               [node("Pow", ["p", f"e{k}"], [f"y{k}"]) for k in range(6)],
               {"p": p, "e": e, "i": np.array([1, 2, 3, 4, 5, 6], np.int32)} | {f"e{k}": e[k, 0] for k in range(6)},
               {"y": (p.astype(np.float64) ** e).astype(dtype),
                "z": np.array([1, 2, 3, 4, 5, 6] ** p.astype(np.float64)).astype(np.int32)} |
               {f"y{k}": (p.astype(np.float64) ** e[k, 0]).astype(dtype) for k in range(6)})
fan("math_mod_float", {"Mod": np.fmod([5.5, -5.5, 5.5, -5.5], [2, 2, -2, -2])},
    {"a": np.array([5.5, -5.5, 5.5, -5.5], np.float32), "b": np.array([2, 2, -2, -2], np.float32)}, np.float32,
    {"Mod": {"fmod": 1}})

# ---- broadcasting patterns: rows, columns, middles, short rows that the kernel repeats, both sides ----

patterns = {"row": ((4, 30), (30,)), "column": ((40, 7), (40, 1)), "middle": ((2, 5, 6), (5, 1)), "short": ((50, 3), (3,)),
            "both": ((3, 1, 5), (4, 1)), "scalar": ((3, 4), ()), "outer": ((6, 1), (1, 5)), "alternate":
            ((2, 3, 4, 5), (2, 1, 4, 1)), "empty": ((0, 3), (1, 3)), "lower": ((3,), (2, 1, 3)), "ones": ((1, 1), (1,))}
for name, (a_shape, b_shape) in patterns.items():
    a, b = rng.normal(size=a_shape).astype(np.float32), rng.normal(size=b_shape).astype(np.float32)
    cond = rng.random(b_shape) < 0.5
    graph_case("math_pattern_" + name, [
        node("Add", ["a", "b"], ["add"]), node("Sub", ["b", "a"], ["sub"]), node("Div", ["a", "b"], ["div"]),
        node("Greater", ["a", "b"], ["gt"]), node("Where", ["cond", "a", "b"], ["where"]),
        node("Where", ["cond", "b", "a"], ["other"]), node("Min", ["a", "b", "a"], ["min"]),
        node("Sum", ["b", "a", "b"], ["sum"]), node("Mean", ["b", "a", "b"], ["mean"])],
        {"a": a, "b": b, "cond": cond},
        {"add": a + b, "sub": b - a, "div": a / b, "gt": a > b, "where": np.where(cond, a, b),
         "other": np.where(cond, b, a), "min": np.minimum(a, b), "sum": a + b + b, "mean": (a + b + b) / 3})
cond = np.array([[True, False, True]])
for dtype in INTS + [np.bool_, np.float16, BF16, np.float64, np.complex64, np.complex128]:
    a, b = np.array([[1], [0]]).astype(dtype), np.array([7, 0, 9]).astype(dtype)
    expect("math_where_" + name_of(dtype), node("Where", ["c", "a", "b"], ["y"]), [cond, a, b], [np.where(cond, a, b)])
words = np.array([["ä", "b", ""], ["b", "b", "c"]], object)
expect("math_where_string", node("Where", ["c", "a", "b"], ["y"]), [cond, words, np.array(["x"], object)],
       [np.where(cond, words, np.array(["x"], object))])
expect("math_equal_string", node("Equal", ["a", "b"], ["y"]), [words, np.array(["b", "b", ""], object)],
       [np.array([[False, True, True], [True, True, False]])])
expect("math_equal_bool", node("Equal", ["a", "b"], ["y"]), [np.array([True, False]), np.array([[True], [False]])],
       [np.array([[True, False], [False, True]])])
near = np.array([2**53, 2**53 + 1, -2**63, 2**63 - 1])
graph_case("math_compare_wide", [node("Equal", ["a", "b"], ["eq"]), node("Less", ["a", "b"], ["lt"])],
           {"a": near, "b": near[::-1].copy()}, {"eq": near == near[::-1], "lt": near < near[::-1]})
for name, dtype in FLOATS.items():
    a, b = rng.normal(size=(3, 4)).astype(dtype), rng.normal(size=(4,)).astype(dtype)
    b[1], a[0, 1], a[1, 2] = np.nan, 1, b[2]
    graph_case("math_binary_" + name, [
        node("Add", ["a", "b"], ["add"]), node("Mul", ["a", "b"], ["mul"]), node("Less", ["a", "b"], ["lt"]),
        node("GreaterOrEqual", ["a", "b"], ["ge"]), node("Equal", ["a", "b"], ["eq"]), node("Max", ["a", "b"], ["max"]),
        node("PRelu", ["a", "b"], ["prelu"]), node("Mean", ["a", "b"], ["mean"])], {"a": a, "b": b},
        {"add": a + b, "mul": a * b, "lt": a < b, "ge": a >= b, "eq": a == b, "max": np.maximum(a, b),
         "prelu": np.where(a < 0, (a.astype(np.float64) * b.astype(np.float64)).astype(dtype), a),
         "mean": ((a.astype(np.float64) + b.astype(np.float64)) / 2).astype(dtype)})

# ---- old opsets ----

a4 = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
for opset, axis, shape in ((1, 1, (3, 4)), (6, 1, (3,)), (6, 0, (2, 3)), (6, -2, (4,)), (6, None, (4, 5)), (6, 2, ())):
    b = rng.random(shape).astype(np.float32) + 0.5
    wide = b if axis is None or shape == () else b.reshape(b.shape + (1,) * (4 - axis % 4 - b.ndim))
    kwargs = {"broadcast": 1} | ({} if axis is None else {"axis": axis})
    hint = {"consumed_inputs": [0, 0]} if opset == 1 else {}
    nodes = [node("Add", ["a", "b"], ["add"], **kwargs, **hint), node("Sub", ["a", "b"], ["sub"], **kwargs, **hint),
             node("Mul", ["a", "b"], ["mul"], **kwargs, **hint), node("Div", ["a", "b"], ["div"], **kwargs, **hint),
             node("Pow", ["abs", "b"], ["pow"], **kwargs), node("Abs", ["a"], ["abs"]),
             node("Greater", ["a", "b"], ["gt"], **kwargs), node("Less", ["a", "b"], ["lt"], **kwargs)]
    nodes.insert(0, nodes.pop(5))
    graph_case(f"math_old_broadcast_{opset}_{axis}_{len(shape)}".replace("-", "m"), nodes, {"a": a4, "b": b},
               {"add": a4 + wide, "sub": a4 - wide, "mul": a4 * wide, "div": a4 / wide, "pow": abs(a4) ** wide,
                "gt": a4 > wide, "lt": a4 < wide}, opset=opset, ir_version=3)
flags, row = rng.random((2, 3, 4)) < 0.5, rng.random((3,)) < 0.5
ints = rng.integers(0, 3, (2, 3, 4))
graph_case("math_old_broadcast_logic", [
    node("And", ["a", "b"], ["and"], broadcast=1, axis=1), node("Or", ["a", "b"], ["or"], broadcast=1, axis=1),
    node("Xor", ["a", "b"], ["xor"], broadcast=1, axis=1), node("Equal", ["i", "j"], ["eq"], broadcast=1, axis=1)],
    {"a": flags, "b": row, "i": ints, "j": np.array([0, 1, 2])},
    {"and": flags & row[:, None], "or": flags | row[:, None], "xor": flags ^ row[:, None],
     "eq": ints == np.array([0, 1, 2])[:, None]}, opset=6, ir_version=3)
slope = np.array([0.1, 0.2, 0.3], np.float32)
graph_case("math_old_prelu", [node("PRelu", ["x", "s"], ["y"]), node("PRelu", ["x", "one"], ["z"])],
           {"x": a4, "s": slope, "one": np.array([0.25], np.float32)},
           {"y": np.where(a4 < 0, a4 * slope[:, None, None], a4), "z": np.where(a4 < 0, a4 * 0.25, a4)},
           opset=6, ir_version=3)
for dtype in (np.float32, np.float64, np.float16):
    graph_case("math_old_clip_" + name_of(dtype), [
        node("Clip", ["x"], ["y"], min=-0.5, max=0.75), node("Clip", ["x"], ["z"], max=0.25), node("Clip", ["x"], ["w"])],
        {"x": a4.astype(dtype)}, {"y": np.clip(a4.astype(dtype), -0.5, 0.75).astype(dtype),
                                  "z": np.minimum(a4.astype(dtype), dtype(0.25)), "w": a4.astype(dtype)},
        opset=6, ir_version=3)
graph_case("math_old_cast", [node("Cast", ["x"], ["i"], to="INT32"), node("Cast", ["x"], ["b"], to="BOOL"),
                             node("Cast", ["x"], ["d"], to="DOUBLE")], {"x": np.array([1.9, -2.9, 0], np.float32)},
           {"i": np.array([1, -2, 0], np.int32), "b": np.array([True, True, False]),
            "d": np.array([1.9, -2.9, 0], np.float32).astype(np.float64)}, opset=1, ir_version=3)
selu = np.where(a4 < 0, 1.6732 * np.expm1(a4.astype(np.float64)), a4) * 1.0507
graph_case("math_old_activations", [
    node("Selu", ["x"], ["selu"], consumed_inputs=[0]), node("Relu", ["x"], ["relu"], consumed_inputs=[0]),
    node("Elu", ["x"], ["elu"], alpha=0.5, consumed_inputs=[0]), node("Tanh", ["x"], ["tanh"], consumed_inputs=[0]),
    node("Sum", ["x", "x"], ["sum"], consumed_inputs=[0, 0]), node("Max", ["x", "relu"], ["max"])], {"x": a4},
    {"selu": selu.astype(np.float32), "relu": np.maximum(a4, 0),
     "elu": np.where(a4 < 0, 0.5 * np.expm1(a4), a4).astype(np.float32), "tanh": np.tanh(a4), "sum": a4 + a4,
     "max": np.maximum(a4, 0)}, opset=1, ir_version=3)


def softmax(v, axis):
    e = np.exp(v - v.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


for opset in (1, 11):
    for axis in (None, 0, 2, 3) + ((-2,) if opset == 11 else ()):
        at = 1 if axis is None else axis % 4
        flat = a4.reshape(int(np.prod(a4.shape[:at])), -1).astype(np.float64)
        kwargs = {} if axis is None else {"axis": axis}
        hard = np.zeros_like(flat)
        hard[np.arange(len(flat)), flat.argmax(1)] = 1
        graph_case(f"math_old_softmax_{opset}_{axis}".replace("-", "m"), [
            node("Softmax", ["x"], ["s"], **kwargs), node("LogSoftmax", ["x"], ["l"], **kwargs),
            node("Hardmax", ["x"], ["h"], **kwargs)], {"x": a4},
            {"s": softmax(flat, 1).reshape(a4.shape).astype(np.float32),
             "l": np.log(softmax(flat, 1)).reshape(a4.shape).astype(np.float32),
             "h": hard.reshape(a4.shape).astype(np.float32)}, opset=opset, ir_version=4)
order = np.argsort(-a4, axis=-1, kind="stable")[..., :2]
graph_case("math_old_topk", [node("TopK", ["x"], ["v", "i"], k=2)], {"x": a4},
           {"v": np.take_along_axis(a4, order, -1), "i": order}, opset=1, ir_version=3)
graph_case("math_old_reduce", [
    node("ReduceSum", ["x"], ["sum"], axes=[1, 2]), node("ReduceMean", ["x"], ["mean"], axes=[-1], keepdims=0),
    node("ReduceMax", ["x"], ["max"]), node("ReduceL2", ["x"], ["l2"], axes=[0, 3]),
    node("ReduceLogSumExp", ["x"], ["lse"], axes=[0, 2], keepdims=0), node("ArgMax", ["x"], ["arg"], axis=2)], {"x": a4},
    {"sum": a4.sum((1, 2), keepdims=True), "mean": a4.mean(-1), "max": a4.max(keepdims=True),
     "l2": np.sqrt((a4 * a4).sum((0, 3), keepdims=True)), "lse": np.log(np.exp(a4).sum((0, 2))),
     "arg": a4.argmax(2)[:, :, None]}, opset=11, ir_version=4)

# ---- reductions ----

REDUCTIONS = {
    "ReduceSum": lambda v, a, k: v.sum(a, keepdims=k), "ReduceMean": lambda v, a, k: v.mean(a, keepdims=k),
    "ReduceMax": lambda v, a, k: v.max(a, keepdims=k), "ReduceMin": lambda v, a, k: v.min(a, keepdims=k),
    "ReduceProd": lambda v, a, k: v.prod(a, keepdims=k), "ReduceL1": lambda v, a, k: abs(v).sum(a, keepdims=k),
    "ReduceL2": lambda v, a, k: np.sqrt((v * v).sum(a, keepdims=k)),
    "ReduceSumSquare": lambda v, a, k: (v * v).sum(a, keepdims=k),
    "ReduceLogSum": lambda v, a, k: np.log(v.sum(a, keepdims=k)),
    "ReduceLogSumExp": lambda v, a, k: np.log(np.exp(v).sum(a, keepdims=k))}


def reductions(name, v, axes, keep, dtype, noop=0, opset=25):
    w = v.astype(np.float64)
    nodes = [node(op, ["x", "axes"] if axes is not None else ["x"], ["y_" + op], keepdims=keep,
                  noop_with_empty_axes=noop) for op in REDUCTIONS]
    given = tuple(axes) if axes else (() if noop else None)
    outputs = {}
    for op, formula in REDUCTIONS.items():
        want = np.asarray(formula(w, given, bool(keep)))
        outputs["y_" + op] = np.trunc(want).astype(dtype) if np.issubdtype(dtype, np.integer) else want.astype(dtype)
    graph_case(name, nodes, {"x": v} | ({} if axes is None else {"axes": np.array(axes, np.int64)}), outputs, opset)


x4 = rng.random((3, 4, 2, 5)) + 0.25
for tag, axes in (("first", [0]), ("last", [-1]), ("middle", [1]), ("outer", [0, 3]), ("inner", [2, 3]),
                  ("apart", [0, 2]), ("all", [0, 1, 2, 3]), ("none", None), ("empty", [])):
    reductions("math_reduce_" + tag, x4.astype(np.float32), axes, 1, np.float32)
    reductions("math_reduce_" + tag + "_drop", x4.astype(np.float32), axes, 0, np.float32, opset=18)
reductions("math_reduce_noop", x4.astype(np.float32), [], 1, np.float32, noop=1)
reductions("math_reduce_noop_absent", x4.astype(np.float32), None, 1, np.float32, noop=1)
reductions("math_reduce_long", (rng.random((2, 3000)) * 0.01 + 0.995).astype(np.float32), [1], 0, np.float32)
for name, dtype in (("double", np.float64), ("float16", np.float16), ("bfloat16", BF16)):
    reductions("math_reduce_type_" + name, x4.astype(dtype), [1, 3], 1, dtype)
for dtype in (np.int32, np.int64, np.uint32, np.uint64):
    reductions("math_reduce_type_" + name_of(dtype), rng.integers(1, 6, (2, 3, 4)).astype(dtype), [0, 2], 1, dtype)
for dtype in (np.int32, np.int64):
    v = rng.integers(-9, 9, (4, 6)).astype(dtype)
    graph_case("math_reduce_negative_" + name_of(dtype), [
        node("ReduceMean", ["x", "axes"], ["mean"]), node("ReduceL1", ["x", "axes"], ["l1"]),
        node("ReduceMax", ["x", "axes"], ["max"])], {"x": v, "axes": np.array([1])},
        {"mean": np.trunc(v.sum(1, keepdims=True) / 6).astype(dtype), "l1": abs(v).sum(1, keepdims=True, dtype=dtype),
         "max": v.max(1, keepdims=True)})
for dtype in (np.int8, np.uint8, np.bool_):
    v = rng.integers(0, 2, (5, 3)).astype(dtype) if dtype == np.bool_ else rng.integers(0, 120, (5, 3)).astype(dtype)
    graph_case("math_reduce_extreme_" + name_of(dtype), [
        node("ReduceMax", ["x", "axes"], ["max"]), node("ReduceMin", ["x", "axes"], ["min"])],
        {"x": v, "axes": np.array([0])}, {"max": v.max(0, keepdims=True), "min": v.min(0, keepdims=True)})
nothing = np.zeros((2, 0, 3), np.float32)
graph_case("math_reduce_of_nothing", [node(op, ["x", "axes"], ["y_" + op], keepdims=0) for op in REDUCTIONS],
           {"x": nothing, "axes": np.array([1])},
           {"y_" + op: np.full((2, 3), value, np.float32) for op, value in
            (("ReduceSum", 0), ("ReduceMean", np.nan), ("ReduceMax", -np.inf), ("ReduceMin", np.inf), ("ReduceProd", 1),
             ("ReduceL1", 0), ("ReduceL2", 0), ("ReduceSumSquare", 0), ("ReduceLogSum", -np.inf),
             ("ReduceLogSumExp", -np.inf))})
far = np.array([[1000, 1000, -np.inf], [-1000, -1001, -1000], [-np.inf, -np.inf, -np.inf]], np.float32)
expect("math_reduce_log_sum_exp_far", node("ReduceLogSumExp", ["x", "axes"], ["y"], keepdims=0),
       [far, np.array([1])], [np.array([1000 + np.log(2), -1000 + np.log(2 + np.exp(-1)), -np.inf], np.float32)])

# ---- softmax ----

for name, dtype in FLOATS.items():
    v = (rng.normal(size=(3, 4, 5)) * 4).astype(dtype)
    w = v.astype(np.float64)
    graph_case("math_softmax_" + name, [
        node("Softmax", ["x"], ["last"]), node("Softmax", ["x"], ["middle"], axis=1),
        node("LogSoftmax", ["x"], ["log"], axis=0), node("Hardmax", ["x"], ["hard"], axis=1)], {"x": v},
        {"last": softmax(w, -1).astype(dtype), "middle": softmax(w, 1).astype(dtype),
         "log": np.log(softmax(w, 0)).astype(dtype),
         "hard": (np.arange(4)[:, None] == v.argmax(1)[:, None]).astype(dtype)})
v = np.concatenate([rng.normal(size=(20, 6)) * 50, [[-np.inf] * 5 + [0], [1e30, -1e30, 0, 0, 0, 1e30]]]).astype(np.float32)
expect("math_softmax_masked", node("Softmax", ["x"], ["y"]), [v], [softmax(v.astype(np.float64), 1).astype(np.float32)])
for n in (1, 2, 9, 31, 32, 33, 200):
    v = (rng.normal(size=(11, n)) * 3).astype(np.float32)
    w = softmax(v.astype(np.float64), 1)
    graph_case(f"math_softmax_of_{n}", [node("Softmax", ["x"], ["y"]), node("LogSoftmax", ["x"], ["z"])], {"x": v},
               {"y": w.astype(np.float32), "z": np.log(w).astype(np.float32)})

# ---- positions ----

for dtype in INTS + list(FLOATS.values()):
    v = rng.integers(0, 5, (3, 7, 2)).astype(dtype)
    last = v.shape[1] - 1
    k = np.array([4], np.int64)
    down = np.argsort(-v.astype(np.float64), axis=1, kind="stable")[:, :4]
    up = np.argsort(v.astype(np.float64), axis=1, kind="stable")[:, :4]
    graph_case("math_positions_" + name_of(dtype), [
        node("ArgMax", ["x"], ["max"], axis=1), node("ArgMin", ["x"], ["min"], axis=-2, keepdims=0),
        node("ArgMax", ["x"], ["max_last"], axis=1, select_last_index=1),
        node("ArgMin", ["x"], ["min_last"], axis=1, keepdims=0, select_last_index=1),
        node("TopK", ["x", "k"], ["v1", "i1"], axis=1), node("TopK", ["x", "k"], ["v2", "i2"], axis=1, largest=0)],
        {"x": v, "k": k},
        {"max": v.argmax(1)[:, None], "min": v.argmin(1), "max_last": last - v[:, ::-1].argmax(1)[:, None],
         "min_last": last - v[:, ::-1].argmin(1), "v1": np.take_along_axis(v, down, 1), "i1": down,
         "v2": np.take_along_axis(v, up, 1), "i2": up})
v = np.array([[1, np.nan, 3, np.nan, 2]], np.float32)
graph_case("math_positions_nan", [
    node("ArgMax", ["x"], ["max"], axis=1), node("ArgMin", ["x"], ["min"], axis=1), node("TopK", ["x", "k"], ["v", "i"]),
    node("TopK", ["x", "k"], ["w", "j"], largest=0)], {"x": v, "k": np.array([4])},
    {"max": np.array([[1]]), "min": np.array([[1]]), "v": v[:, [1, 3, 2, 4]], "i": np.array([[1, 3, 2, 4]]),
     "w": v[:, [0, 4, 2, 1]], "j": np.array([[0, 4, 2, 1]])})
v = rng.normal(size=(2, 500)).astype(np.float32)
order = np.argsort(-v, axis=1, kind="stable")
graph_case("math_topk_all", [node("TopK", ["x", "k"], ["v", "i"]), node("TopK", ["x", "none"], ["w", "j"])],
           {"x": v, "k": np.array([500]), "none": np.array([0])},
           {"v": np.take_along_axis(v, order, 1), "i": order, "w": v[:, :0], "j": order[:, :0]})
for name, dtype in FLOATS.items():
    v = rng.integers(-4, 5, (3, 4)).astype(dtype)
    w = v.astype(np.float64)
    graph_case("math_cumsum_" + name, [
        node("CumSum", ["x", "axis"], ["a"]), node("CumSum", ["x", "axis"], ["b"], exclusive=1)],
        {"x": v, "axis": np.array(1)}, {"a": w.cumsum(1).astype(dtype), "b": (w.cumsum(1) - w).astype(dtype)})

# ---- casts ----

NUMBERS = {t: helper.tensor_dtype_to_np_dtype(t) for t in (
    T.FLOAT, T.DOUBLE, T.FLOAT16, T.BFLOAT16, T.INT8, T.INT16, T.INT32, T.INT64, T.UINT8, T.UINT16, T.UINT32, T.UINT64,
    T.BOOL)}
SMALL = (T.FLOAT8E4M3FN, T.FLOAT8E4M3FNUZ, T.FLOAT8E5M2, T.FLOAT8E5M2FNUZ, T.FLOAT4E2M1, T.INT4, T.UINT4, T.INT2, T.UINT2)


def type_name(t):
    return T.DataType.Name(t).lower()


plain = np.array([0, 1, 2, 3, 5, 7, 40, 100])
for t, dtype in NUMBERS.items():
    v = plain.astype(dtype)
    graph_case("math_cast_from_" + type_name(t),
               [node("Cast", ["x"], ["y_" + type_name(to)], to=to) for to in NUMBERS], {"x": v},
               {"y_" + type_name(to): v.astype(d) for to, d in NUMBERS.items()})
fraction = np.array([0, 0.5, 1, 1.5, 2.5, -0.5, -1, -1.5, 0.0625, 3, 6, 7, 0.3, 1e-3], np.float32)
wide = np.concatenate([fraction, np.array([np.nan, np.inf, -np.inf, 448, 449, 464, 465, 57344, 61440, 65536, 1e30, -480,
                                           240, 248, 2**-9, 2**-10, 2**-16, 2**-17, 1e-8, -0.0, 6.5, -6.5, 0.24])]).astype(np.float32)
for t in SMALL[:4]:
    for source in (T.FLOAT, T.FLOAT16, T.BFLOAT16):
        reference_case(f"math_cast_{type_name(source)}_to_{type_name(t)}",
                       [node("Cast", ["x"], ["y"], to=t), node("Cast", ["x"], ["z"], to=t, saturate=0)],
                       {"x": wide.astype(helper.tensor_dtype_to_np_dtype(source))}, {"y": t, "z": t})
    every = np.arange(256, dtype=np.uint8).view(helper.tensor_dtype_to_np_dtype(t))
    graph_case(f"math_cast_{type_name(t)}_to_floats",
               [node("Cast", ["x"], ["y_" + n], to=helper.np_dtype_to_tensor_dtype(np.dtype(d))) for n, d in FLOATS.items()],
               {"x": every}, {"y_" + n: every.astype(np.float32).astype(d) for n, d in FLOATS.items()})
for t in SMALL[4:]:
    dtype = helper.tensor_dtype_to_np_dtype(t)
    fits = {T.FLOAT4E2M1: fraction, T.INT4: np.arange(-8, 8), T.UINT4: np.arange(16), T.INT2: np.arange(-2, 2),
            T.UINT2: np.arange(4)}[t].astype(np.float32)
    small = fits.astype(dtype)
    graph_case("math_cast_small_" + type_name(t), [
        node("Cast", ["x"], ["small"], to=t), node("Cast", ["small"], ["float"], to=T.FLOAT),
        node("Cast", ["small"], ["half"], to=T.FLOAT16), node("Cast", ["small"], ["int"], to=T.INT64),
        node("CastLike", ["small", "like"], ["double"])], {"x": fits, "like": np.zeros(1)},
        {"small": small, "float": small.astype(np.float32), "half": small.astype(np.float16),
         "int": small.astype(np.float32).astype(np.int64), "double": small.astype(np.float64)})
powers = np.array([0.75, 1, 1.1, 1.5, 1.9, 2, 3, 2.0**100, 1.3 * 2.0**-60], np.float32)
exponent = np.floor(np.log2(powers.astype(np.float64)))
fractions = powers / 2.0**exponent - 1
e8m0 = ml_dtypes.float8_e8m0fnu
up, down = exponent + (fractions > 0), exponent
nearest = exponent + (fractions >= 0.5)
graph_case("math_cast_float8e8m0", [
    node("Cast", ["x"], ["up"], to=T.FLOAT8E8M0), node("Cast", ["x"], ["down"], to=T.FLOAT8E8M0, round_mode="down"),
    node("Cast", ["x"], ["near"], to=T.FLOAT8E8M0, round_mode="nearest"), node("Cast", ["up"], ["back"], to=T.FLOAT)],
    {"x": powers}, {"up": (up + 127).astype(np.uint8).view(e8m0), "down": (down + 127).astype(np.uint8).view(e8m0),
                    "near": (nearest + 127).astype(np.uint8).view(e8m0), "back": (2.0**up).astype(np.float32)})
texts = np.array(["3.14", "-1e3", "+INF", "-inf", "NaN", "0", "42"], object)
graph_case("math_cast_strings", [
    node("Cast", ["s"], ["f"], to=T.FLOAT), node("Cast", ["s"], ["d"], to=T.DOUBLE), node("Cast", ["n"], ["i"], to=T.INT64),
    node("Cast", ["n"], ["h"], to=T.FLOAT16), node("Cast", ["v"], ["t"], to=T.STRING), node("Cast", ["k"], ["u"], to=T.STRING)],
    {"s": texts, "n": np.array(["7", "-12", "100"], object), "v": np.array([1.5, -0.25, 1000], np.float32),
     "k": np.array([-5, 2**62])},
    {"f": np.array([3.14, -1e3, np.inf, -np.inf, np.nan, 0, 42], np.float32),
     "d": np.array([3.14, -1e3, np.inf, -np.inf, np.nan, 0, 42]), "i": np.array([7, -12, 100]),
     "h": np.array([7, -12, 100], np.float16), "t": np.array(["1.5", "-0.25", "1000"], object),
     "u": np.array(["-5", str(2**62)], object)})

# ---- quantisation ----

v = (rng.normal(size=(6, 10)) * 20).astype(np.float32)
v[0, :4] = [0.5, 1.5, 2.5, -0.5]  # ties at scale 1
RANGES = {T.INT8: (-128, 127), T.UINT8: (0, 255), T.INT16: (-32768, 32767), T.UINT16: (0, 65535), T.INT4: (-8, 7),
          T.UINT4: (0, 15), T.INT2: (-2, 1), T.UINT2: (0, 3)}
for t, (low, high) in RANGES.items():
    dtype = helper.tensor_dtype_to_np_dtype(t)
    whole, axis0, blocked = np.float32(1), np.linspace(0.3, 2, 6), rng.random((6, 4)) * 3 + 0.2
    zero = {"whole": (low + high + 1) // 4, "axis0": rng.integers(low, high + 1, 6), "blocked":
            rng.integers(low, high + 1, (6, 4))}
    wide_scale = {"whole": whole, "axis0": axis0.astype(np.float32)[:, None],
                  "blocked": np.repeat(blocked.astype(np.float32), 3, 1)[:, :10]}
    wide_zero = {"whole": zero["whole"], "axis0": zero["axis0"][:, None],
                 "blocked": np.repeat(zero["blocked"], 3, 1)[:, :10]}
    q = {k: np.clip(np.rint(v / wide_scale[k]).astype(np.int64) + wide_zero[k], low, high).astype(dtype) for k in zero}
    back = {k: ((q[k].astype(np.float32) - np.float32(wide_zero[k])) * wide_scale[k]).astype(np.float32) for k in zero}
    kwargs = {"whole": {}, "axis0": {"axis": 0}, "blocked": {"axis": 1, "block_size": 3}}
    nodes, inputs, outputs = [], {"x": v}, {}
    for k in zero:
        nodes += [node("QuantizeLinear", ["x", "s_" + k, "z_" + k], ["q_" + k], **kwargs[k]),
                  node("DequantizeLinear", ["q_" + k, "s_" + k, "z_" + k], ["d_" + k], **kwargs[k])]
        inputs |= {"s_" + k: np.asarray({"whole": whole, "axis0": axis0, "blocked": blocked}[k]).astype(np.float32),
                   "z_" + k: np.asarray(zero[k]).astype(dtype)}
        outputs |= {"q_" + k: q[k], "d_" + k: back[k]}
    nodes.append(node("QuantizeLinear", ["x", "s_whole"], ["bare"], output_dtype=t))
    outputs["bare"] = np.clip(np.rint(v).astype(np.int64), low, high).astype(dtype)
    graph_case("math_quantize_" + type_name(t), nodes, inputs, outputs)
for t in SMALL[:5]:
    reference_case("math_quantize_" + type_name(t), [
        node("QuantizeLinear", ["x", "s"], ["q"], output_dtype=t, axis=0),
        node("DequantizeLinear", ["q", "s"], ["d"], axis=0)] + (
        [node("QuantizeLinear", ["x", "s"], ["n"], output_dtype=t, axis=0, saturate=0)] if t != T.FLOAT4E2M1 else []),
        {"x": v, "s": np.array([0.1, 1, 2, 0.5, 0.01, 10], np.float32)},
        {"q": t, "d": T.FLOAT} | ({"n": t} if t != T.FLOAT4E2M1 else {}))
first, inner = rng.normal(size=(4, 3, 2)).astype(np.float32) * 30, rng.random((2, 3, 2)).astype(np.float32) + 0.1
wide_scale = np.repeat(inner, 3, 0)[:4]
q = np.clip(np.rint(first / wide_scale), -128, 127).astype(np.int8)
graph_case("math_quantize_blocks_of_rows", [
    node("QuantizeLinear", ["x", "s"], ["q"], axis=0, block_size=3, output_dtype=T.INT8),
    node("DequantizeLinear", ["q", "s"], ["d"], axis=0, block_size=3)], {"x": first, "s": inner},
    {"q": q, "d": q.astype(np.float32) * wide_scale})
for name, dtype in (("float16", np.float16), ("bfloat16", BF16)):
    h, scale = v.astype(dtype), np.array(0.7, dtype)
    quotient = (h.astype(np.float32) / scale.astype(np.float32)).astype(dtype).astype(np.float32)
    q = np.clip(np.rint(quotient) + 3, 0, 255).astype(np.uint8)
    full = np.clip(np.rint(h.astype(np.float32) / scale.astype(np.float32)) + 3, 0, 255).astype(np.uint8)
    graph_case("math_quantize_half_" + name, [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]), node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node("QuantizeLinear", ["x", "s", "z"], ["full"], precision=T.FLOAT),
        node("DequantizeLinear", ["q", "s", "z"], ["f"], output_dtype=T.FLOAT)],
        {"x": h, "s": scale, "z": np.array(3, np.uint8)},
        {"q": q, "d": ((q.astype(np.float32) - 3) * scale.astype(np.float32)).astype(dtype), "full": full,
         "f": (q.astype(np.float32) - 3) * scale.astype(np.float32)})
i32 = np.array([-5, 0, 7, 100000, -2**31], np.int32)
graph_case("math_dequantize_int32", [node("DequantizeLinear", ["x", "s"], ["y"])],
           {"x": i32, "s": np.array(0.5, np.float32)}, {"y": i32.astype(np.float32) * np.float32(0.5)})
graph_case("math_dequantize_float8e8m0_scale", [node("DequantizeLinear", ["x", "s"], ["y"], output_dtype=T.FLOAT)],
           {"x": np.array([-4, 3, 100], np.int8), "s": np.array(126, np.uint8).view(e8m0)},
           {"y": np.array([-2, 1.5, 50], np.float32)})
for name, w in (("zeros", np.zeros(5)), ("negative", [-3, -2, -0.5]), ("mixed", [-1, 0, 0.5, 3.99]), ("positive", [1, 2, 5])):
    w = np.array(w, np.float32)
    low, high = min(0, w.min()), max(0, w.max())
    scale = np.float32((np.float32(high) - np.float32(low)) / np.float32(255))
    zero = np.clip(np.rint(-low / scale), 0, 255) if scale else 0
    q = np.clip(np.rint(w / scale) + zero, 0, 255) if scale else w
    expect("math_dynamic_quantize_" + name, node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"]), [w],
           [q.astype(np.uint8), scale, np.array(zero, np.uint8)])
