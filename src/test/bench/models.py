"""Writes the benchmark's models: deterministic random weights, the shapes of issue "Fast".

    python models.py FOLDER

Needs numpy and onnx only.  Each model is a function below; `MODELS` names them.  Weights are scaled so that
activations stay of order one through any depth.
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh


class Net:
    """A graph under construction."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.inits, self.n = [], [], 0

    def const(self, array, name=None):
        self.n += 1
        name = name or f"c{self.n}"
        self.inits.append(nh.from_array(np.asarray(array), name))
        return name

    def weight(self, *shape, fan_in=None, gain=1.0):
        fan_in = fan_in or int(np.prod(shape[1:]))
        return self.const((self.rng.standard_normal(shape) * gain / np.sqrt(fan_in)).astype(np.float32))

    def bias(self, n, scale=0.01):
        return self.const((self.rng.standard_normal(n) * scale).astype(np.float32))

    def op(self, kind, *inputs, domain="", n_out=1, **attrs):
        self.n += 1
        outs = [f"v{self.n}_{i}" for i in range(n_out)]
        self.nodes.append(h.make_node(kind, list(inputs), outs, domain=domain, **attrs))
        return outs[0] if n_out == 1 else outs

    def model(self, inputs, outputs, opset=17, ml=False):
        """inputs, outputs: lists of (name, type, shape)."""
        graph = h.make_graph(self.nodes, "bench", [h.make_tensor_value_info(*i) for i in inputs],
                             [h.make_tensor_value_info(*o) for o in outputs], self.inits)
        opsets = [h.make_opsetid("", opset)] + ([h.make_opsetid("ai.onnx.ml", 3)] if ml else [])
        model = h.make_model(graph, opset_imports=opsets, producer_name="maas-bench", ir_version=8)
        onnx.checker.check_model(model)
        return model


def mlp(sizes, seed):
    net = Net(seed)
    x = "x"
    for i, (a, b) in enumerate(zip(sizes, sizes[1:])):
        x = net.op("Gemm", x, net.weight(a, b, fan_in=a, gain=1.4), net.bias(b))
        if i < len(sizes) - 2:
            x = net.op("Relu", x)
    x = net.op("Softmax", x, axis=-1)
    return net.model([("x", T.FLOAT, ["N", sizes[0]])], [(x, T.FLOAT, ["N", sizes[-1]])])


def trees(n_trees, depth, seed, features=30):
    """A regressor of complete trees: thresholds near the middle of the inputs, so that paths differ from row to row."""
    rng = np.random.default_rng(seed)
    inner = 2**depth - 1
    total = 2 ** (depth + 1) - 1
    a = {k: [] for k in ("nodes_treeids nodes_nodeids nodes_featureids nodes_values nodes_modes nodes_truenodeids "
                         "nodes_falsenodeids target_treeids target_nodeids target_ids target_weights").split()}
    for tree in range(n_trees):
        for node in range(total):
            leaf = node >= inner
            a["nodes_treeids"].append(tree)
            a["nodes_nodeids"].append(node)
            a["nodes_featureids"].append(0 if leaf else int(rng.integers(features)))
            a["nodes_values"].append(0.0 if leaf else float(np.float32(rng.normal() * 0.7)))
            a["nodes_modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            a["nodes_truenodeids"].append(0 if leaf else 2 * node + 1)
            a["nodes_falsenodeids"].append(0 if leaf else 2 * node + 2)
            if leaf:
                a["target_treeids"].append(tree)
                a["target_nodeids"].append(node)
                a["target_ids"].append(0)
                a["target_weights"].append(float(np.float32(rng.normal() * 0.1)))
    net = Net(seed)
    y = net.op("TreeEnsembleRegressor", "x", domain="ai.onnx.ml", n_targets=1, post_transform="NONE",
               aggregate_function="SUM", **a)
    return net.model([("x", T.FLOAT, ["N", features])], [(y, T.FLOAT, ["N", 1])], ml=True)


def resnet50(seed):
    net = Net(seed)

    def conv(x, cin, cout, k, stride=1, relu=True):
        w = net.weight(cout, cin, k, k, gain=1.4)
        x = net.op("Conv", x, w, net.bias(cout), kernel_shape=[k, k], strides=[stride, stride], pads=[k // 2] * 4)
        return net.op("Relu", x) if relu else x

    x = conv("x", 3, 64, 7, 2)
    x = net.op("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    cin = 64
    for width, blocks, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
        for b in range(blocks):
            s = stride if b == 0 else 1
            y = conv(conv(x, cin, width, 1), width, width, 3, s)
            y = conv(y, width, 4 * width, 1, relu=False)
            if b == 0:
                x = conv(x, cin, 4 * width, 1, s, relu=False)
            x = net.op("Relu", net.op("Add", y, x))
            cin = 4 * width
    x = net.op("GlobalAveragePool", x)
    x = net.op("Flatten", x)
    x = net.op("Gemm", x, net.weight(2048, 1000, fan_in=2048 * 1000), net.bias(1000))
    return net.model([("x", T.FLOAT, ["N", 3, 224, 224])], [(x, T.FLOAT, ["N", 1000])])


def transformer(layers, width, heads, vocab, seed, ffn=4):
    """An encoder of token ids, as PyTorch and Hugging Face export it: separate products, dynamic batch and sequence."""
    net = Net(seed)
    head = width // heads
    x = net.op("Gather", net.const((net.rng.standard_normal((vocab, width))).astype(np.float32)), "ids")
    shape = net.op("Shape", "ids")
    batch = net.op("Gather", shape, net.const(np.array([0], np.int64)))
    seq = net.op("Gather", shape, net.const(np.array([1], np.int64)))
    split = net.op("Concat", batch, seq, net.const(np.array([heads, head], np.int64)), axis=0)
    join = net.op("Concat", batch, seq, net.const(np.array([width], np.int64)), axis=0)

    def linear(v, a, b):
        return net.op("Add", net.op("MatMul", v, net.weight(a, b, fan_in=a)), net.bias(b))

    def norm(v):
        return net.op("LayerNormalization", v, net.const(np.ones(width, np.float32)), net.bias(width), axis=-1, epsilon=1e-5)

    for _ in range(layers):
        q, k, v = (net.op("Reshape", linear(x, width, width), split) for _ in range(3))
        q = net.op("Transpose", q, perm=[0, 2, 1, 3])
        k = net.op("Transpose", k, perm=[0, 2, 3, 1])
        v = net.op("Transpose", v, perm=[0, 2, 1, 3])
        s = net.op("Div", net.op("MatMul", q, k), net.const(np.float32(np.sqrt(head))))
        a = net.op("MatMul", net.op("Softmax", s, axis=-1), v)
        a = net.op("Reshape", net.op("Transpose", a, perm=[0, 2, 1, 3]), join)
        x = norm(net.op("Add", x, linear(a, width, width)))
        f = linear(x, width, ffn * width)
        erf = net.op("Erf", net.op("Div", f, net.const(np.float32(np.sqrt(2)))))
        f = net.op("Mul", net.op("Mul", f, net.op("Add", erf, net.const(np.float32(1)))), net.const(np.float32(0.5)))
        x = norm(net.op("Add", x, linear(f, ffn * width, width)))
    y = net.op("ReduceMean", x, axes=[1], keepdims=0)
    return net.model([("ids", T.INT64, ["N", "S"])], [(y, T.FLOAT, ["N", width])])


def lstm(seed, vocab=10000, embed=128, hidden=64, classes=10):
    net = Net(seed)
    x = net.op("Gather", net.const(net.rng.standard_normal((vocab, embed)).astype(np.float32)), "ids")
    x = net.op("Transpose", x, perm=[1, 0, 2])
    w = net.weight(1, 4 * hidden, embed, fan_in=embed)
    r = net.weight(1, 4 * hidden, hidden, fan_in=hidden)
    b = net.const((net.rng.standard_normal((1, 8 * hidden)) * 0.1).astype(np.float32))
    _, last, _ = net.op("LSTM", x, w, r, b, n_out=3, hidden_size=hidden)
    y = net.op("Squeeze", last, net.const(np.array([0], np.int64)))
    y = net.op("Softmax", net.op("Gemm", y, net.weight(hidden, classes, fan_in=hidden), net.bias(classes)), axis=-1)
    return net.model([("ids", T.INT64, ["N", "S"])], [(y, T.FLOAT, ["N", classes])])


# name: (builder, input maker(batch), batches)
def floats(*shape):
    return lambda rng, n: {"x": rng.standard_normal((n, *shape)).astype(np.float32)}


def tokens(vocab, steps):
    return lambda rng, n: {"ids": rng.integers(0, vocab, (n, steps)).astype(np.int64)}


MODELS = {
    "mlp-30": (lambda: mlp([30, 128, 64, 2], 1), floats(30), (1, 1024)),
    "mlp-784": (lambda: mlp([784, 512, 256, 10], 2), floats(784), (1024,)),
    "trees-100x6": (lambda: trees(100, 6, 3), floats(30), (1, 1024, 100000)),
    "trees-500x8": (lambda: trees(500, 8, 4), floats(30), (1, 1024, 100000)),
    "resnet50": (lambda: resnet50(5), floats(3, 224, 224), (1, 8)),
    "encoder-6x384": (lambda: transformer(6, 384, 12, 30522, 6), tokens(30522, 128), (1, 32)),
    "bert-base": (lambda: transformer(12, 768, 12, 30522, 7), tokens(30522, 128), (1,)),
    "lstm": (lambda: lstm(8), tokens(10000, 784), (32,)),
}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for name, (build, _, _) in MODELS.items():
        path = os.path.join(folder, name + ".onnx")
        if not os.path.exists(path):
            onnx.save(build(), path)
            print(f"{path}: {os.path.getsize(path) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
