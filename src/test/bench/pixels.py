#!/usr/bin/env python3
"""The embedding-LSTM on MNIST, pixels as tokens, trained by PyTorch: what doc/training.md compares maas_train with.

Usage: pixels.py FOLDER MODEL [--epochs N] [--rows N]

FOLDER is what tools/fetch-data names, MODEL the untrained network as maas_create makes it with the seed of the training.
Adam, the one-cycle schedule, the clipping of gradients, the epochs, the size of batches and their order (that of the table)
are those of the statement in doc/training.md; --rows takes the first rows only.  Prints the loss of each epoch and the
accuracy on the test rows.
"""
import argparse
import time

import numpy as np
import onnx
import torch
from torch import nn

BATCH = 128
RATE = 0.006
CLIP = 1.0


def read(path):
    """A table as COPY writes it: id, {pixels}, label."""
    images, labels = [], []
    with open(path, encoding="ascii") as lines:
        for line in lines:
            _, image, label = line.rstrip("\n").split("\t")
            images.append(np.fromstring(image[1:-1], dtype=np.uint8, sep=","))
            labels.append(int(label))
    return torch.from_numpy(np.stack(images)).long(), torch.tensor(labels)


class Pixels(nn.Module):
    """The network of a model that maas_create has made, with its weights."""

    def __init__(self, path):
        super().__init__()
        self.embedding, self.lstm, self.out = nn.Embedding(10000, 128), nn.LSTM(128, 64, batch_first=True), nn.Linear(64, 10)
        w = {i.name.partition("_")[0] + "." + i.name.partition(".")[2]: torch.from_numpy(onnx.numpy_helper.to_array(i).copy())
             for i in onnx.load(path).graph.initializer if "." in i.name}
        # ONNX's gates are input, output, forget, cell; PyTorch's input, forget, cell, output
        gates = lambda x: torch.cat([x[64 * k:64 * (k + 1)] for k in (0, 2, 3, 1)])
        bias = w["lstm.bias"][0]
        with torch.no_grad():
            for parameter, value in ((self.embedding.weight, w["embedding.weight"]), (self.lstm.weight_ih_l0, gates(w["lstm.weight"][0])),
                                     (self.lstm.weight_hh_l0, gates(w["lstm.recurrent_weight"][0])),
                                     (self.lstm.bias_ih_l0, gates(bias[:256])), (self.lstm.bias_hh_l0, gates(bias[256:])),
                                     (self.out.weight, w["dense.weight"].T), (self.out.bias, w["dense.bias"])):
                parameter.copy_(value)

    def forward(self, x):
        return self.out(self.lstm(self.embedding(x))[0][:, -1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("model")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--rows", type=int, default=60000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    images, labels = (part[:args.rows] for part in read(f"{args.folder}/mnist_train.copy"))
    model = Pixels(args.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    steps = -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps * args.epochs)
    for epoch in range(args.epochs):
        total, start = 0.0, time.monotonic()
        for step, part in enumerate(torch.arange(len(images)).split(BATCH)):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images[part]), labels[part])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(part)
            if step % 50 == 49:
                print(f"  step {step + 1} of {steps}, loss {loss.item():.3f}", flush=True)
        print(f"epoch {epoch + 1} of {args.epochs}: loss {total / len(images):.4f}, {time.monotonic() - start:.0f} s", flush=True)
    images, labels = read(f"{args.folder}/mnist_test.copy")
    with torch.no_grad():
        right = sum(int((model(x).argmax(1) == y).sum()) for x, y in zip(images.split(500), labels.split(500)))
    print(f"test accuracy {right / len(images):.4f}")


if __name__ == "__main__":
    main()
