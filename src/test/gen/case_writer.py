"""Writes cases in the folder format of ONNX's backend tests, below src/test/cases.

A file src/test/gen/cases/FAMILY.py calls expect() for each of its cases; cases.py runs them all.  Expected
values come from formulas written with numpy or from another runtime, never from this engine.
"""

import os
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cases")
OPSET = 25
ML_OPSET = 5
IR_VERSION = 11

_family = ""


def start_family(name):
    """Empties the folder of a family of cases."""
    global _family
    _family = name
    shutil.rmtree(os.path.join(ROOT, name), ignore_errors=True)


def type_of(value, elem_type=None):
    """The ONNX type of a numpy array, list (sequence), tuple (element type, array) or TensorProto."""
    if isinstance(value, onnx.TensorProto):
        return helper.make_tensor_type_proto(value.data_type, list(value.dims))
    if isinstance(value, dict):
        key, inner = next(iter(value.items()))
        return helper.make_map_type_proto(TensorProto.STRING if isinstance(key, str) else TensorProto.INT64,
                                          type_of(np.array(inner)))
    if isinstance(value, list):
        inner = type_of(value[0]) if value else helper.make_tensor_type_proto(elem_type or TensorProto.FLOAT, None)
        if inner.HasField("tensor_type"):
            inner.tensor_type.ClearField("shape")
        return helper.make_sequence_type_proto(inner)
    value = np.asarray(value)
    return helper.make_tensor_type_proto(elem_type or helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)


def message(value):
    """The protobuf message of a value."""
    if isinstance(value, onnx.TensorProto):
        return value
    if isinstance(value, dict):
        return map_message(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        sequence = onnx.SequenceProto(elem_type=onnx.SequenceProto.MAP)
        sequence.map_values.extend(map_message(v) for v in value)
        return sequence
    if isinstance(value, list):
        return numpy_helper.from_list(value)
    return numpy_helper.from_array(np.asarray(value))


def map_message(value):
    """The MapProto of a dict with text or integer keys."""
    message = onnx.MapProto()
    if isinstance(next(iter(value)), str):
        message.key_type = TensorProto.STRING
        message.string_keys.extend(k.encode() for k in value)
    else:
        message.key_type = TensorProto.INT64
        message.keys.extend(value)
    message.values.elem_type = onnx.SequenceProto.TENSOR
    message.values.tensor_values.extend(
        numpy_helper.from_array(np.float32(v) if type(v) is float else np.array(v)) for v in value.values())
    return message


def tensor(elem_type, dims, values):
    """A TensorProto of any element type, the 8-, 4- and 2-bit ones too; values are converted as ONNX does."""
    return helper.make_tensor("", elem_type, dims, values)


def expect(name, graph_or_node, inputs, outputs, opset=OPSET, ml_opset=ML_OPSET, ir_version=IR_VERSION,
           functions=(), opsets=None, in_types=None, out_types=None):
    """Writes the case test_NAME.

    graph_or_node: a NodeProto (its inputs and outputs that are not "" become the model's, in order), a
    GraphProto or a whole ModelProto.  inputs, outputs: numpy arrays, lists of them, or TensorProtos.
    """
    if isinstance(graph_or_node, onnx.ModelProto):
        model = graph_or_node
    else:
        graph = graph_or_node
        if isinstance(graph, onnx.NodeProto):
            node = graph
            ins = [n for n in node.input if n]
            outs = [n for n in node.output if n]
            graph = helper.make_graph(
                [node], "test_" + name,
                [helper.make_value_info(n, (in_types or {}).get(n) or type_of(v)) for n, v in zip(ins, inputs)],
                [helper.make_value_info(n, (out_types or {}).get(n) or type_of(v)) for n, v in zip(outs, outputs)])
        imports = opsets or [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml_opset)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=ir_version, functions=list(functions),
                                  producer_name="case_writer")
    folder = os.path.join(ROOT, _family, "test_" + name)
    data = os.path.join(folder, "test_data_set_0")
    os.makedirs(data)
    with open(os.path.join(folder, "model.onnx"), "wb") as file:
        file.write(model.SerializeToString(deterministic=True))
    for kind, values in (("input", inputs), ("output", outputs)):
        for i, value in enumerate(values):
            with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as file:
                file.write(message(value).SerializeToString(deterministic=True))
