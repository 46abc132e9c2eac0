#!/usr/bin/env python3
"""Writes src/test/train/: models, batches, and what five training steps of PyTorch make of them.

Usage: train_fixtures.py src/test/train    (needs torch and onnx of requirements.txt)

A folder a model: model.onnx (exported by PyTorch, ending in Softmax or as the model's method end says), x0.pb ... x4.pb and y0.pb ... y4.pb (TensorProto,
the last batch smaller), and for each optimiser NAME.json (the options), NAME.pb (the five losses) and NAME.onnx (the
model afterwards, running statistics included).
"""
import json
import os
import shutil
import sys
import warnings

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from torch import nn

warnings.simplefilter("ignore")
STEPS = 5


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 12), nn.Tanh(), nn.Linear(12, 4))

    def forward(self, x):
        return self.body(x)


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 5),
        )

    def forward(self, x):
        return self.body(x)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True)
        self.out = nn.Linear(8, 5)

    def forward(self, x):
        y, _ = self.lstm(self.embedding(x))
        return self.out(y[:, -1])


class Gru(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(6, 8, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        y, _ = self.gru(x)
        return self.out(y[:, -1])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        # without bias: that of the keys changes no score, and Adam would follow the noise of its gradient
        self.qkv, self.merge = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(self.before(x)).split(c, 2)
        q, k, v = (a.view(n, t, self.heads, c // self.heads).transpose(1, 2) for a in (q, k, v))
        scores = torch.softmax(q @ k.transpose(2, 3) / (c // self.heads) ** 0.5, -1)
        x = x + self.merge((scores @ v).transpose(1, 2).reshape(n, t, c))
        return x + self.down(nn.functional.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        self.position = nn.Parameter(torch.randn(7, 16) * 0.1)
        self.blocks = nn.Sequential(Block(16, 2), Block(16, 4))
        self.norm, self.out = nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, x):
        return self.out(self.norm(self.blocks(self.embedding(x) + self.position)).mean(1))


class Attention(nn.Module):
    """Exported as the operator Attention: heads that share keys, none sees what comes later."""
    opset = 23

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 16)
        self.q, self.kv, self.merge = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False), nn.Linear(16, 16)
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        n, t = x.shape
        x = self.embedding(x)
        q = self.q(x).view(n, t, 4, 4).transpose(1, 2)
        k, v = (a.reshape(n, t, 2, 4).transpose(1, 2) for a in self.kv(x).split(8, 2))
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.out((x + self.merge(y.transpose(1, 2).reshape(n, t, 16))).mean(1))


class Upsample(nn.Module):
    """Resize in the middle of what is trained, by lines and by the nearest element."""
    def __init__(self):
        super().__init__()
        self.down, self.middle, self.up = nn.Conv2d(1, 4, 3, stride=2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 2, 3)
        self.out = nn.Linear(2 * 9 * 9, 3)

    def forward(self, x):
        x = torch.tanh(self.down(x))
        x = nn.functional.interpolate(x, size=(9, 7), mode="bilinear", align_corners=False)
        x = nn.functional.interpolate(torch.tanh(self.middle(x)), size=(11, 11), mode="nearest")
        return self.out(torch.tanh(self.up(x)).flatten(1))


class Positions(nn.Module):
    """As many rows of the table of positions as there are steps, which each batch has its own number of."""
    free = {0: torch.export.Dim("batch"), 1: torch.export.Dim("steps", max=9)}

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 6)
        self.position = nn.Parameter(torch.randn(9, 6) * 0.5)
        self.middle, self.out = nn.Linear(6, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.out(torch.tanh(self.middle(self.embedding(x) + self.position[: x.shape[1]])).mean(1))


class Binary(nn.Module):
    """One probability a row, as a vector."""
    loss = staticmethod(lambda y, target: nn.functional.binary_cross_entropy_with_logits(y.squeeze(1), target))

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 1))

    def forward(self, x):
        return self.body(x)

    def end(self, y):
        return torch.sigmoid(y).squeeze(1)


class Pairs(nn.Module):
    """Two distributions a row, which end with their classes last."""
    loss = staticmethod(lambda y, target: nn.functional.cross_entropy(y.view(-1, 4, 2), target))

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 8))

    def forward(self, x):
        return self.body(x)

    def end(self, y):
        return torch.softmax(y.view(-1, 4, 2), 1).transpose(1, 2)


class Fresh(nn.Module):
    """Never trained: the exporter that PyTorch had first joins what is equal, scales with running variances above all."""
    fresh = True

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 6, bias=False), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 6, bias=False),
                                  nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 6, bias=False), nn.LayerNorm(6), nn.Linear(6, 4))

    def forward(self, x):
        return self.body(x)


class Ended(nn.Module):
    def __init__(self, body):
        super().__init__()
        self.body = body
        self.end = getattr(body, "end", lambda y: torch.softmax(y, -1))

    def forward(self, x):
        return self.end(self.body(x))


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(8, 4)

    def forward(self, x):
        return self.body(x)


MODELS = {
    "linear": (Linear, lambda n: torch.randn(n, 8), 4),
    "mlp": (Mlp, lambda n: torch.randn(n, 8), 4),
    "cnn": (Cnn, lambda n: torch.randn(n, 1, 12, 12), 5),
    "lstm": (Lstm, lambda n: torch.randint(0, 20, (n, 7)), 5),
    "gru": (Gru, lambda n: torch.randn(n, 7, 6), 3),
    "transformer": (Transformer, lambda n: torch.randint(0, 20, (n, 7)), 3),
    "attention": (Attention, lambda n: torch.randint(0, 20, (n, 7)), 3),
    "upsample": (Upsample, lambda n: torch.randn(n, 1, 12, 12), 3),
    "positions": (Positions, lambda n: torch.randint(0, 20, (n, int(torch.randint(3, 9, ())))), 3),
    "binary": (Binary, lambda n: torch.randn(n, 8), 2),
    "pairs": (Pairs, lambda n: torch.randn(n, 8), 4),
    "fresh": (Fresh, lambda n: torch.randn(n, 8), 4),
}
TARGETS = {  # others are one class a row
    "binary": lambda n: torch.randint(0, 2, (n,)).float(),
    "pairs": lambda n: torch.randint(0, 4, (n, 2)),
}

OPTIMIZERS = {
    "sgd": ({"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9},
            lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "adam": ({"optimizer": "adam", "learning_rate": 0.01}, lambda p: torch.optim.Adam(p, lr=0.01)),
    "adamw": ({"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
              lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
    "lbfgs": ({"optimizer": "lbfgs", "learning_rate": 0.5, "max_iterations": 6, "history": 4},
              lambda p: torch.optim.LBFGS(p, lr=0.5, max_iter=6, history_size=4, line_search_fn="strong_wolfe")),
    "lbfgs_plain": ({"optimizer": "lbfgs", "learning_rate": 0.1, "max_iterations": 6, "line_search": False},
                    lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=6)),
}


def export(model, x, path):
    model.eval()
    if hasattr(model, "fresh"):
        torch.onnx.export(Ended(model).eval(), (x,), path, input_names=["x"], output_names=["y"], dynamo=False,
                          dynamic_axes={"x": {0: "batch"}}, training=torch.onnx.TrainingMode.PRESERVE,
                          do_constant_folding=False)
        return sorted({n.op_type for n in onnx.load(path).graph.node})
    torch.onnx.export(Ended(model), (x,), path, input_names=["x"], output_names=["y"], dynamo=True, verbose=False,
                      dynamic_shapes=(getattr(model, "free", {0: torch.export.Dim("batch")}),), external_data=False,
                      opset_version=getattr(model, "opset", None),
                      optimize=not any(isinstance(m, nn.BatchNorm2d) for m in model.modules()))  # it would fold them
    proto = onnx.load(path)
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in list(proto.graph.value_info) + list(proto.graph.input) + list(proto.graph.output):
        del value.metadata_props[:]
    del proto.graph.value_info[:], proto.metadata_props[:], proto.graph.metadata_props[:]
    onnx.save(proto, path)
    return sorted({n.op_type for n in proto.graph.node})


def save(tensor, path):
    with open(path, "wb") as out:
        out.write(onnx.numpy_helper.from_array(np.asarray(tensor)).SerializeToString())


def write(folder, name):
    make, draw, classes = MODELS[name]
    folder = os.path.join(folder, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    torch.manual_seed(7)
    first = make()
    for p in [] if hasattr(first, "fresh") else first.parameters():  # those of norms are all equal at first, and the exporter would make one of them
        p.data += 0.1 * torch.randn_like(p)
    state = {k: v.clone() for k, v in first.state_dict().items()}
    batches = []
    for i in range(STEPS):
        n = 64 if name == "linear" else 8 if i < STEPS - 1 else 5
        x = draw(n)
        batches.append((x, TARGETS[name](n) if name in TARGETS else torch.randint(0, classes, (n,))))
        save(x, os.path.join(folder, f"x{i}.pb"))
        save(batches[-1][1], os.path.join(folder, f"y{i}.pb"))
    print(name, *export(first, batches[0][0], os.path.join(folder, "model.onnx")))
    for key, (options, optimizer_of) in OPTIMIZERS.items():
        if key.startswith("lbfgs") != (name == "linear"):  # L-BFGS is for convex problems
            continue
        model = make()
        model.load_state_dict(state)
        model.train()
        optimizer = optimizer_of(model.parameters())
        losses = []
        for x, y in batches:
            def closure():
                optimizer.zero_grad()
                loss = getattr(model, "loss", nn.functional.cross_entropy)(model(x), y)
                loss.backward()
                return loss
            losses.append(float(optimizer.step(closure)))
        print(" ", key, *losses)
        with open(os.path.join(folder, key + ".json"), "w") as out:
            json.dump(options, out)
            out.write("\n")
        save(np.array(losses, np.float32), os.path.join(folder, key + ".pb"))
        export(model, batches[0][0], os.path.join(folder, key + ".onnx"))


if __name__ == "__main__":
    torch.set_num_threads(1)
    for model_name in sys.argv[2:] or MODELS:
        write(sys.argv[1], model_name)
