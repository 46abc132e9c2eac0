#!/usr/bin/env python3
"""Training steps of the engine beside PyTorch's, in turns: samples per second and the ratio.

Usage: train.py LIBRARY [--only NAME] [--rounds N] [--threads 1,2] [--cpu-time]

Both start from the same weights (PyTorch exports its model to ONNX) and take the same batches with Adam; the losses of
the first steps are compared before anything is timed, and afterwards what onnxruntime makes of the model that the
engine exports.  The time of a network is the best of its rounds.
"""
import argparse
import ctypes
import io
import math
import os
import tempfile
import time
import warnings

import numpy as np
import onnxruntime
import torch
from torch import nn

warnings.simplefilter("ignore")
STEPS_CHECKED = 3


class Flat(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10))

    def forward(self, x):
        return self.body(x)


class Lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(),
            nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 256), nn.ReLU(), nn.Linear(256, 10))

    def forward(self, x):
        return self.body(x)


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm = nn.Embedding(10000, 128), nn.LSTM(128, 64, batch_first=True)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        return self.out(self.lstm(self.embedding(x))[0][:, -1])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, c = x.shape
        q, k, v = self.qkv(self.before(x)).split(c, 2)
        q, k, v = (a.view(n, t, self.heads, c // self.heads).transpose(1, 2) for a in (q, k, v))
        if torch.compiler.is_exporting():
            y = torch.softmax(q @ k.transpose(2, 3) / (c // self.heads) ** 0.5, -1) @ v
        else:  # what is fastest in PyTorch
            y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.merge(y.transpose(1, 2).reshape(n, t, c))
        return x + self.down(nn.functional.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.position = nn.Embedding(10000, 256), nn.Parameter(torch.randn(128, 256) * 0.1)
        self.blocks = nn.Sequential(*(Block(256, 8) for _ in range(4)))
        self.norm, self.out = nn.LayerNorm(256), nn.Linear(256, 10)

    def forward(self, x):
        return self.out(self.norm(self.blocks(self.embedding(x) + self.position)).mean(1))


NETWORKS = {
    "mlp": (Flat, lambda: torch.randn(128, 784)),
    "cnn": (Lenet, lambda: torch.randn(128, 1, 28, 28)),
    "lstm": (Sequence, lambda: torch.randint(0, 256, (128, 784))),
    "transformer": (Transformer, lambda: torch.randint(0, 10000, (32, 128))),
}


def export(model, x):
    out = io.BytesIO()
    program = torch.onnx.export(nn.Sequential(model, nn.Softmax(-1)).eval(), (x,), dynamo=True, verbose=False,
                                input_names=["x"], output_names=["y"], dynamic_shapes=({0: torch.export.Dim("n")},))
    program.save(out)
    model.train()
    return out.getvalue()


def load(path):
    library = ctypes.CDLL(path)
    library.bench_train_new.restype = ctypes.c_void_p
    library.bench_train_new.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int]
    library.bench_train_step.restype = ctypes.c_double
    library.bench_train_step.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                                         ctypes.c_int64, ctypes.c_void_p]
    library.bench_train_export.restype = ctypes.c_int64
    library.bench_train_export.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p,
                                           ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p,
                                           ctypes.c_int64]
    library.bench_train_memory.restype = ctypes.c_size_t
    library.bench_train_memory.argtypes = library.bench_train_free.argtypes = [ctypes.c_void_p]
    return library


def check_export(library, ours, x, y):
    """The exported model in onnxruntime against the engine's evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        dims = (ctypes.c_int64 * x.dim())(*x.shape)
        out = np.empty((len(x), 10), np.float32)
        kind = 7 if x.dtype == torch.int64 else 1
        if library.bench_train_export(ours, path.encode(), kind, x.dim(), dims, x.data_ptr(), len(y), y.data_ptr(),
                                      out.ctypes.data, out.size) != out.size:
            raise SystemExit("the export failed")
        theirs = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x.numpy()})[0]
    gap = np.abs(out - theirs).max() / np.abs(theirs).max()
    if not gap < 1e-5:
        raise SystemExit(f"onnxruntime differs by {gap}")
    return gap


def run(library, name, rounds, threads, clock):
    make, draw = NETWORKS[name]
    torch.manual_seed(1)
    model = make()
    for p in model.parameters():  # those of norms are all equal at first, and the exporter would make one of them
        p.data += 0.01 * torch.randn_like(p)
    batches = [(draw(), torch.randint(0, 10, (0,))) for _ in range(4)]
    batches = [(x, torch.randint(0, 10, (len(x),))) for x, _ in batches]
    onnx_bytes = export(model, batches[0][0])
    ours = library.bench_train_new(onnx_bytes, len(onnx_bytes), b'{"optimizer":"adam"}', threads)
    if not ours:
        return None
    optimizer = torch.optim.Adam(model.parameters())

    def step_ours(x, y):
        dims = (ctypes.c_int64 * x.dim())(*x.shape)
        kind = 7 if x.dtype == torch.int64 else 1
        return library.bench_train_step(ours, kind, x.dim(), dims, x.data_ptr(), len(y), y.data_ptr())

    def step_torch(x, y):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return float(loss)

    for x, y in batches[:STEPS_CHECKED]:
        a, b = step_ours(x, y), step_torch(x, y)
        if not abs(a - b) <= 1e-3 * (1 + abs(b)):
            raise SystemExit(f"{name}: our loss is {a}, PyTorch's {b}")
    best = {step_ours: math.inf, step_torch: math.inf}
    per_round = 1 if name == "lstm" else 4
    for _ in range(rounds):
        for step in best:
            start = clock()
            for x, y in batches[:per_round]:
                step(x, y)
            best[step] = min(best[step], (clock() - start) / per_round)
    memory = library.bench_train_memory(ours) / 2**20
    gap = check_export(library, ours, *batches[0])
    library.bench_train_free(ours)
    n = len(batches[0][1])
    mine, theirs = n / best[step_ours], n / best[step_torch]
    print(f"{name:12} {mine:12.0f} {theirs:12.0f} {mine / theirs:8.2f} {memory:10.0f} MB {gap:12.1e}", flush=True)
    return mine / theirs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("--only")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", default="1")
    parser.add_argument("--cpu-time", action="store_true", help="thread CPU time instead of the wall clock")
    options = parser.parse_args()
    library = load(options.library)
    clock = time.thread_time if options.cpu_time else time.perf_counter
    for threads in map(int, options.threads.split(",")):
        torch.set_num_threads(threads)
        print(f"PyTorch {torch.__version__}, threads: {threads}, Adam; samples per second")
        print(f"{'network':12} {'maas':>12} {'PyTorch':>12} {'ratio':>8} {'our memory':>13} {'export differs':>15}")
        ratios = [run(library, name, options.rounds, threads, clock)
                  for name in NETWORKS if options.only in (None, name)]
        if len(ratios) > 1 and all(ratios):
            print(f"{'geometric mean':38} {math.exp(sum(map(math.log, ratios)) / len(ratios)):8.2f}")


if __name__ == "__main__":
    main()
