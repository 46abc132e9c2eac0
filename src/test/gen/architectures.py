#!/usr/bin/env python3
"""Writes src/test/fixtures/architectures.json: architectures, inputs, and what PyTorch's own modules answer when they
are given the weights that the architecture's model begins with.

    make build/release/tool/architecture
    venv/bin/python src/test/gen/architectures.py          # torch, onnx, numpy: versions in requirements.txt
"""
import json
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parents[3]
SEED = 7


def weights_of(architecture):
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        subprocess.run([ROOT / "build/release/tool/architecture", str(SEED), file.name, json.dumps(architecture)],
                       check=True)
        model = onnx.load(file.name)
    onnx.checker.check_model(model, full_check=True)
    return {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in model.graph.initializer}


def set_dense(module, w, name):
    module.weight.data = w[name + ".weight"].T.contiguous()
    module.bias.data = w[name + ".bias"]


def set_norm(module, w, name):
    module.weight.data, module.bias.data = w[name + ".weight"], w[name + ".bias"]


def set_conv(module, w, name):
    module.weight.data = w[name + ".weight"]
    if module.bias is not None:
        module.bias.data = w[name + ".bias"]


# ONNX has a LSTM's gates as input, output, forget, cell, PyTorch as input, forget, cell, output; a GRU's as update,
# reset, hidden and reset, update, new.
GATES = {"lstm": [0, 2, 3, 1], "gru": [1, 0, 2], "rnn": [0]}


def set_recurrent(module, w, name, kind):
    hidden, order = module.hidden_size, GATES[kind]
    turn = lambda x: torch.cat([x[g * hidden:(g + 1) * hidden] for g in order])
    for d, suffix in enumerate(["", "_reverse"] if module.bidirectional else [""]):
        bias = w[name + ".bias"][d]
        for what, value in (("weight_ih_l0", w[name + ".weight"][d]), ("weight_hh_l0", w[name + ".recurrent_weight"][d]),
                            ("bias_ih_l0", bias[:len(bias) // 2]), ("bias_hh_l0", bias[len(bias) // 2:])):
            getattr(module, what + suffix).data = turn(value)


def mlp(w):
    net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 8), nn.GELU(), nn.LayerNorm(8),
                        nn.Dropout(0.5), nn.Linear(8, 3), nn.Softmax(-1))
    set_dense(net[0], w, "dense_1")
    set_norm(net[2], w, "batch_norm_2")
    set_dense(net[3], w, "dense_3")
    set_norm(net[5], w, "layer_norm_4")
    set_dense(net[7], w, "dense_6")
    return net.eval()


class Cnn(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 3, padding="same"), nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.c, self.d, self.e = nn.Conv2d(4, 8, 3, 2, 1, bias=False), nn.Conv2d(4, 8, 1, 2, bias=False), nn.Linear(32, 5)
        set_conv(self.a, w, "conv2d_1")
        set_conv(self.b, w, "depthwise_conv2d_2")
        set_conv(self.c, w, "conv2d_5")
        self.d.weight.data = w["residual_4.shortcut.weight"]
        set_dense(self.e, w, "dense_8")

    def forward(self, x):
        x = nn.functional.max_pool2d(nn.functional.silu(self.b(torch.relu(self.a(x)))), 2)
        norm = lambda v: v / np.sqrt(np.float32(1 + 1e-5))  # a batch norm that has learned nothing
        x = torch.relu(norm(self.c(x)) + norm(self.d(x)))
        return self.e(x.flatten(1))


class Recurrent(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.embed = nn.Embedding(20, 5)
        self.conv = nn.Conv1d(5, 6, 3, padding=1)
        self.lstm = nn.LSTM(6, 4, batch_first=True, bidirectional=True)
        self.gru, self.rnn = nn.GRU(8, 5, batch_first=True), nn.RNN(5, 3, batch_first=True)
        self.embed.weight.data = w["embedding_1.weight"]
        set_conv(self.conv, w, "conv1d_2")
        for module, name, kind in ((self.lstm, "lstm_4", "lstm"), (self.gru, "gru_5", "gru"), (self.rnn, "rnn_6", "rnn")):
            set_recurrent(module, w, name, kind)

    def forward(self, x):
        x = self.conv(self.embed(x.long()).transpose(1, 2))
        x = nn.functional.avg_pool1d(x, 2).transpose(1, 2)
        return self.rnn(self.gru(self.lstm(x)[0])[0])[0][:, -1]


class LastBothWays(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True, bidirectional=True)
        set_recurrent(self.lstm, w, "lstm_1", "lstm")

    def forward(self, x):
        state = self.lstm(x)[1][0]
        return torch.cat([state[0], state[1]], 1)


class Transformer(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.embed, self.position = w["embedding_1.weight"], w["positional_embedding_2.weight"]
        self.blocks = nn.ModuleList()
        for i, first, activation in ((3, False, "relu"), (4, True, "gelu")):
            block = nn.TransformerEncoderLayer(8, 2, 12, 0, activation, batch_first=True, norm_first=first)
            name = f"transformer_encoder_{i}."
            part = lambda kind: [w[f"{name}attention.{x}.{kind}"] for x in ("query", "key", "value")]
            block.self_attn.in_proj_weight.data = torch.cat([x.T for x in part("weight")])
            block.self_attn.in_proj_bias.data = torch.cat(part("bias"))
            set_dense(block.self_attn.out_proj, w, name + "attention.out")
            set_dense(block.linear1, w, name + "feed_forward_1")
            set_dense(block.linear2, w, name + "feed_forward_2")
            set_norm(block.norm1, w, name + "attention_norm")
            set_norm(block.norm2, w, name + "feed_forward_norm")
            self.blocks.append(block)
        self.eval()

    def forward(self, x):
        x = self.embed[x.long()] + self.position
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.blocks[1](self.blocks[0](x), src_mask=mask).mean(1)


class Padded(nn.Module):
    """0 is padding: neither attended to nor part of the mean."""

    def __init__(self, w):
        super().__init__()
        self.whole = Transformer(w)

    def forward(self, x):
        mask, whole = x == 0, self.whole
        y = whole.embed[x.long()] + whole.position
        for block in whole.blocks:
            y = block(y, src_key_padding_mask=mask)
        return (y * ~mask[:, :, None]).sum(1) / (~mask).sum(1, keepdim=True)


class PaddedRecurrent(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.embed = w["embedding_1.weight"]
        self.lstm, self.gru = nn.LSTM(5, 4, batch_first=True, bidirectional=True), nn.GRU(8, 5, batch_first=True)
        set_recurrent(self.lstm, w, "l", "lstm")
        set_recurrent(self.gru, w, "g", "gru")

    def forward(self, x):
        pack = lambda v: nn.utils.rnn.pack_padded_sequence(v, (x != 0).sum(1), batch_first=True, enforce_sorted=False)
        packed = self.lstm(pack(self.embed[x.long()]))[0]
        y = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, padding_value=-1e9)[0]
        return torch.cat([self.gru(packed)[1][0], y.max(1).values], 1)


CASES = [
    ("mlp", mlp, (4, 6), {"input": [6], "layers": [
        {"dense": 16, "activation": "relu", "kernel_initializer": "he_normal"}, "batch_norm",
        {"dense": {"units": 8, "activation": "gelu"}}, "layer_norm", {"dropout": 0.5}, {"dense": 3}, "softmax"]}),
    ("cnn", Cnn, (2, 2, 8, 8), {"input": [2, 8, 8], "layers": [
        {"conv2d": [4, 3], "padding": "same", "activation": "relu"},
        {"depthwise_conv2d": 3, "padding": "same", "activation": "silu"}, {"max_pooling2d": 2},
        {"residual": [{"conv2d": [8, 3], "strides": 2, "padding": 1, "use_bias": False}, "batch_norm"],
         "activation": "relu"}, "flatten", {"dense": 5}]}),
    ("recurrent", Recurrent, 20, {"input": {"shape": [8], "type": "int64"}, "layers": [
        {"embedding": [20, 5]}, {"conv1d": [6, 3], "padding": "same"}, {"average_pooling1d": 2},
        {"lstm": 4, "bidirectional": True, "return_sequences": True}, {"gru": 5, "return_sequences": True}, {"rnn": 3}]}),
    ("last_both_ways", LastBothWays, (3, 5, 3), {"input": [5, 3], "layers": [{"lstm": 4, "bidirectional": True}]}),
    ("transformer", Transformer, 20, {"input": {"shape": [6], "type": "int64"}, "layers": [
        {"embedding": [20, 8]}, "positional_embedding", {"transformer_encoder": [12, 2]},
        {"transformer_encoder": [12, 2], "normalize_first": True, "activation": "gelu", "causal": True},
        "global_average_pooling1d"]}),
    ("padded", Padded, [6, 4, 1], {"input": {"shape": [6], "type": "int64"}, "layers": [
        {"embedding": [20, 8], "mask_zero": True}, "positional_embedding", {"transformer_encoder": [12, 2]},
        {"transformer_encoder": [12, 2], "normalize_first": True, "activation": "gelu"}, "global_average_pooling1d"]}),
    ("padded_recurrent", PaddedRecurrent, [2, 7, 5, 1], {"input": {"shape": [7], "type": "int64"}, "layers": [
        {"embedding": [20, 5], "mask_zero": True}, {"lstm": 4, "bidirectional": True, "return_sequences": True, "name": "l"},
        {"gru": 5, "name": "g"}, {"global_max_pooling1d": {}, "input": "l", "name": "m"}, {"concat": ["g", "m"]}]}),
]


def main():
    random = np.random.default_rng(1)
    cases = []
    for name, network, shape, architecture in CASES:
        if isinstance(shape, int):
            x = random.integers(0, shape, (3, architecture["input"]["shape"][0]))
        elif isinstance(shape, list):  # lengths of rows
            x = random.integers(1, 20, (len(shape), architecture["input"]["shape"][0]))
            x[np.arange(x.shape[1]) >= np.array(shape)[:, None]] = 0
        else:
            x = random.normal(size=shape).astype(np.float32)
        with torch.no_grad():
            y = network(weights_of(architecture))(torch.from_numpy(x)).numpy()
        cases.append({"name": name, "seed": SEED, "architecture": json.dumps(architecture),
                      "inputs": {"input": x.tolist()}, "output": y.astype(np.float64).round(9).tolist()})
    path = ROOT / "src/test/fixtures/architectures.json"
    path.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


main()
