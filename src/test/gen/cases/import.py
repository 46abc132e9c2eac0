"""What import must understand and the official cases do not show: functions, order, defaults, constants."""

import numpy as np
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from case_writer import expect

F = TensorProto.FLOAT
x = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)
y = np.array([[2, 2, 2], [3, 3, 3]], np.float32)
cond = np.array(True)
OPS = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]


def info(name, array):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def graph(nodes, ins, outs, initializer=(), sparse=(), name="g"):
    return helper.make_graph(nodes, name, [info(n, a) for n, a in ins], [info(n, a) for n, a in outs],
                             initializer=list(initializer), sparse_initializer=list(sparse))


def ref_attr(node, name, ref, kind):
    attr = AttributeProto()
    attr.name, attr.ref_attr_name, attr.type = name, ref, kind
    node.attribute.append(attr)
    return node


def function(name, inputs, outputs, nodes, opset=18, attributes=(), defaults=(), overload=""):
    return helper.make_function("local", name, inputs, outputs, nodes,
                                [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)],
                                attributes=list(attributes), attribute_protos=list(defaults), overload=overload)


# nodes that are not in running order, one of them needed by a subgraph only
then = helper.make_graph([helper.make_node("Add", ["b", "b"], ["t"])], "then", [],
                         [helper.make_tensor_value_info("t", F, None)])
other = helper.make_graph([helper.make_node("Neg", ["x"], ["e"])], "else", [],
                          [helper.make_tensor_value_info("e", F, None)])
expect("nodes_unsorted", graph([
    helper.make_node("Mul", ["c", "x"], ["out"]),
    helper.make_node("If", ["cond"], ["c"], then_branch=then, else_branch=other),
    helper.make_node("Abs", ["x"], ["b"]),
], [("x", x), ("cond", cond)], [("out", x)]), [x, cond], [2 * np.abs(x) * x], opset=18)

# a function with attribute references and a default, called twice, one inside another
leak = ref_attr(helper.make_node("LeakyRelu", ["X"], ["Y"]), "alpha", "slope", AttributeProto.FLOAT)
inner = function("Leak", ["X"], ["Y"], [leak], defaults=[helper.make_attribute("slope", 0.25)])
call = ref_attr(helper.make_node("Leak", ["A"], ["l"], domain="local"), "slope", "factor", AttributeProto.FLOAT)
outer = function("LeakSum", ["A", "B"], ["S", "L"], [
    call, helper.make_node("Leak", ["B"], ["m"], domain="local"),
    helper.make_node("Add", ["l", "m"], ["S"]), helper.make_node("Identity", ["l"], ["L"])], attributes=["factor"])
leaky = np.where(x < 0, 0.5 * x, x)
expect("function_nested", graph([
    helper.make_node("LeakSum", ["x", "y"], ["s", "l"], domain="local", factor=0.5)],
    [("x", x), ("y", y)], [("s", x), ("l", x)]), [x, y], [leaky + y, leaky], opsets=OPS, functions=[inner, outer])

# a function that passes its input on, gives one value twice and leaves an optional input out
same = function("Same", ["A", "low", "high"], ["P", "Q", "R"], [
    helper.make_node("Clip", ["A", "low", "high"], ["Q"]), helper.make_node("Constant", [], ["one"], value_float=1.0),
    helper.make_node("Sub", ["Q", "one"], ["R"])], opset=18)
same.output[0] = "A"
expect("function_pass_through", graph([
    helper.make_node("Same", ["x", "", "two"], ["a", "b", "c"], domain="local"),
    helper.make_node("Same", ["b", "two"], ["d"], domain="local")],
    [("x", x)], [("a", x), ("b", x), ("c", x), ("d", x)], [numpy_helper.from_array(np.float32(2), "two")]),
    [x], [x, np.minimum(x, 2), np.minimum(x, 2) - 1, np.minimum(x, 2)], opsets=OPS, functions=[same])

# a function of an older opset than the model's: Squeeze with axes as an attribute, twice by overload
squeeze = function("Drop", ["X"], ["Y"], [helper.make_node("Squeeze", ["X"], ["Y"], axes=[0])], opset=11)
drop2 = function("Drop", ["X"], ["Y"], [helper.make_node("Neg", ["X"], ["Y"])], overload="neg")
expect("function_opset_overload", graph([
    helper.make_node("Drop", ["x"], ["s"], domain="local"),
    helper.make_node("Drop", ["s"], ["out"], domain="local", overload="neg")],
    [("x", x[:1])], [("out", x[0])]), [x[:1]], [-x[0]], opsets=OPS, functions=[squeeze, drop2])

# a subgraph inside a function sees the function's names, and one given as attribute the caller's
branch = helper.make_graph([helper.make_node("Mul", ["y", "k"], ["t"])], "caller_branch", [],
                           [helper.make_tensor_value_info("t", F, None)])
own = helper.make_graph([helper.make_node("Sub", ["A", "half"], ["e"])], "own_branch", [],
                        [helper.make_tensor_value_info("e", F, None)])
choose = helper.make_node("If", ["C"], ["Y"], else_branch=own)
choose = function("Choose", ["C", "A"], ["Y"], [
    helper.make_node("Constant", [], ["half"], value_float=0.5),
    ref_attr(choose, "then_branch", "body", AttributeProto.GRAPH)], attributes=["body"])
expect("function_subgraphs", graph([
    helper.make_node("Constant", [], ["k"], value_float=3.0),
    helper.make_node("Not", ["cond"], ["not"]),
    helper.make_node("Choose", ["cond", "x"], ["a"], domain="local", body=branch),
    helper.make_node("Choose", ["not", "x"], ["b"], domain="local", body=branch)],
    [("x", x), ("y", y), ("cond", cond)], [("a", x), ("b", x)]),
    [x, y, cond], [y * 3, x - np.float32(0.5)], opsets=OPS, functions=[choose])

# IR version 3: initialisers are listed as inputs but are constants, as onnxruntime has it
expect("ir3_initializer_listed", graph([helper.make_node("Sub", ["w", "x"], ["out"])],
                                          [("w", y), ("x", x)], [("out", x)], [numpy_helper.from_array(y, "w")]),
       [x], [y - x], opset=8, ir_version=3)
# later: an input with a default is optional and comes after those without one
expect("inputs_with_default_last", graph([helper.make_node("Sub", ["w", "x"], ["out"])],
                                         [("w", y), ("x", x)], [("out", x)], [numpy_helper.from_array(y, "w")]),
       [x], [y - x], opset=18)
expect("input_overrides_default", graph([helper.make_node("Sub", ["w", "x"], ["out"])],
                                        [("w", y), ("x", x)], [("out", x)], [numpy_helper.from_array(y, "w")]),
       [x, x], [x - x], opset=18)

# a sparse initialiser, both forms of its indices
for name, indices in (("flat", np.array([1, 5], np.int64)), ("pairs", np.array([[0, 1], [1, 2]], np.int64))):
    sparse = helper.make_sparse_tensor(numpy_helper.from_array(np.array([7, 8], np.float32), "w"),
                                       numpy_helper.from_array(indices, "w_indices"), [2, 3])
    expect("sparse_initializer_" + name, graph([helper.make_node("Add", ["x", "w"], ["out"])],
                                               [("x", x)], [("out", x)], sparse=[sparse]),
           [x], [x + np.array([[0, 7, 0], [0, 0, 8]], np.float32)], opset=18)

# every form of Constant
forms = {
    "value": numpy_helper.from_array(x), "value_float": 2.5, "value_floats": [1.0, -2.0], "value_int": 7,
    "value_ints": [1, 2, 3], "value_string": "one", "value_strings": ["a", "bc"],
}
values = [x, np.float32(2.5), np.array([1, -2], np.float32), np.array(7), np.array([1, 2, 3]),
          np.array("one", object), np.array(["a", "bc"], object)]
nodes, outs = [], []
for key, value in zip(forms, values):
    kind = TensorProto.STRING if value.dtype == object else helper.np_dtype_to_tensor_dtype(value.dtype)
    nodes.append(helper.make_node("Constant", [], [key], **{key: forms[key]}))
    outs.append(helper.make_tensor_value_info(key, kind, value.shape))
expect("constant_forms", helper.make_graph(nodes, "g", [], outs), [], values, opset=18)

# tensors in the typed fields, small types packed
typed = {
    "int4": (TensorProto.INT4, [3], [-8, 7, -1]), "uint4": (TensorProto.UINT4, [3], [0, 15, 9]),
    "float16": (TensorProto.FLOAT16, [2], [1.5, -2.0]), "bfloat16": (TensorProto.BFLOAT16, [2], [1.5, -2.0]),
    "int8": (TensorProto.INT8, [2], [-128, 127]), "bool": (TensorProto.BOOL, [2], [True, False]),
    "uint32": (TensorProto.UINT32, [2], [0, 4294967295]), "uint64": (TensorProto.UINT64, [1], [2**64 - 1]),
    "double": (TensorProto.DOUBLE, [2], [0.1, -1e300]),
}
tensors = {k: helper.make_tensor(k, *v) for k, v in typed.items()}
expect("typed_fields", helper.make_graph(
    [helper.make_node("Identity", [k], [k + "_out"]) for k in tensors], "g", [],
    [helper.make_tensor_value_info(k + "_out", v[0], v[1]) for k, v in typed.items()], initializer=list(tensors.values())),
    [], list(tensors.values()), opset=21)
