"""Cases of torch.onnx.export: the TorchScript exporter and that of torch.export."""
import numpy as np
import onnx
from exporters_data import CASES, TOLERANCE, sentences, split

# Answers of a size of ten, sums of hundreds of products: one that happens to be near zero has the error of its terms.
LOGITS = TOLERANCE | {"atol": 1e-5}


def torch_case(module, batches, names, dynamic, dynamo, opset=17, outputs=("y",)):
    """batches: a list of tuples of arrays, one a data set; dynamic: {input: {dim: name}}."""
    import io
    import torch

    module.eval()
    torch.backends.mha.set_fastpath_enabled(False)  # the fused layer has no ONNX form
    args = tuple(torch.from_numpy(a) for a in batches[0])
    with torch.no_grad():
        if dynamo:
            shapes = tuple({d: torch.export.Dim(n, min=1, max=64) for d, n in dynamic.get(name, {}).items()} or None
                           for name in names)
            program = torch.onnx.export(module, args, dynamo=True, input_names=list(names),
                                        output_names=list(outputs), dynamic_shapes=shapes, verbose=False)
            onx = program.model_proto
        else:
            stream = io.BytesIO()
            axes = dict(dynamic)
            torch.onnx.export(module, args, stream, dynamo=False, input_names=list(names),
                              output_names=list(outputs), dynamic_axes=axes, opset_version=opset)
            onx = onnx.load_from_string(stream.getvalue())
        expected = []
        for batch in batches:
            y = module(*[torch.from_numpy(a) for a in batch])
            y = list(y) if isinstance(y, (tuple, list)) else [y]
            expected.append([v.numpy() for v in y])
    for prop in list(onx.metadata_props):
        onx.metadata_props.remove(prop)
    strip(onx.graph)
    for f in onx.functions:
        strip(f)
    return onx, [dict(zip(names, b)) for b in batches], expected


def strip(graph):
    """Stack traces and the like are most of a small model's bytes."""
    for item in list(graph.node) + list(getattr(graph, "initializer", [])) + list(graph.value_info):
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]
        if hasattr(item, "doc_string"):
            item.ClearField("doc_string")
    for item in list(getattr(graph, "input", [])) + list(getattr(graph, "output", [])):
        if hasattr(item, "metadata_props"):
            del item.metadata_props[:]
    if hasattr(graph, "metadata_props"):
        del graph.metadata_props[:]


def train_digits(module, image, epochs=12):
    """A few epochs on the digits, so that the answers are those of a model that has learned."""
    import torch

    torch.manual_seed(0)
    x, y, t, ty = split("digits")
    shape = (-1, 1, 8, 8) if image else (-1, 64)
    x = torch.from_numpy((x / 16).astype(np.float32).reshape(shape))
    y = torch.from_numpy(y)
    opt = torch.optim.Adam(module.parameters(), 3e-3)
    module.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for i in range(0, len(x), 64):
            part = order[i:i + 64]
            loss = torch.nn.functional.cross_entropy(module(x[part]), y[part])
            opt.zero_grad()
            loss.backward()
            opt.step()
    module.eval()
    t = (t / 16).astype(np.float32).reshape(shape)
    return [(t[:8],), (t[8:9],)]


def torch_nets():
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, cin, cout, stride):
            super().__init__()
            self.a = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
            self.b = nn.BatchNorm2d(cout)
            self.c = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
            self.d = nn.BatchNorm2d(cout)
            self.skip = nn.Sequential()
            if stride != 1 or cin != cout:
                self.skip = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

        def forward(self, x):
            y = torch.relu(self.b(self.a(x)))
            return torch.relu(self.d(self.c(y)) + self.skip(x))

    class Last(nn.Module):
        """The output of a recurrent layer, and its last state through a linear layer."""

        def __init__(self, rnn):
            super().__init__()
            self.rnn = rnn
            self.out = nn.Linear(rnn.hidden_size * (2 if rnn.bidirectional else 1), 3)

        def forward(self, x):
            y, _ = self.rnn(x)
            return y, self.out(y[:, -1])

    class Attend(nn.Module):
        """Embedding, positions, a Transformer encoder, the mean over the tokens that are not padding."""

        def __init__(self, vocabulary=40, width=16, layers=2):
            super().__init__()
            self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
            self.position = nn.Parameter(torch.randn(1, 64, width) * 0.1)
            layer = nn.TransformerEncoderLayer(width, 4, 32, batch_first=True, dropout=0.0)
            self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
            self.out = nn.Linear(width, 5)

        def forward(self, ids):
            keep = (ids != 0).unsqueeze(-1).float()
            y = self.encoder(self.embed(ids) + self.position[:, :ids.shape[1]])
            return self.out((y * keep).sum(1) / keep.sum(1).clamp(min=1.0))

    class Layer(nn.Module):
        """An encoder layer in plain tensor operations: nn.MultiheadAttention's shapes become constants in TorchScript."""

        def __init__(self, width, heads, hidden):
            super().__init__()
            self.heads = heads
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
            self.feed = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

        def forward(self, x, mask):
            n, t, w = x.shape
            q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
            a = (q @ k.transpose(-1, -2) / (w // self.heads) ** 0.5 + mask).softmax(-1)
            x = self.one(x + self.out((a @ v).transpose(1, 2).reshape(n, t, w)))
            return self.two(x + self.feed(x))

    class AttendPlain(Attend):
        def __init__(self):
            super().__init__(layers=1)
            self.encoder = nn.ModuleList(Layer(16, 4, 32) for _ in range(2))

        def forward(self, ids):
            keep = (ids != 0).unsqueeze(-1).float()
            x = self.embed(ids) + self.position[:, :ids.shape[1]]
            for layer in self.encoder:
                x = layer(x, (1 - keep).transpose(1, 2).unsqueeze(1) * -1e4)
            return self.out((x * keep).sum(1) / keep.sum(1).clamp(min=1.0))

    class Picked(AttendPlain):
        """The mask and the last token picked by numbers of rows, as text models of today do."""

        def forward(self, ids):
            rows, places = torch.arange(ids.shape[0]), torch.arange(ids.shape[1])
            keep = ids != 0
            mask = keep[rows[:, None, None, None], places[None, None, None, :]]
            x = self.embed(ids) + self.position[:, :ids.shape[1]]
            for layer in self.encoder:
                x = layer(x, (~mask).float() * -1e4)
            return self.out(x[rows, keep.sum(1) - 1])

    class SelfAttention(nn.Module):
        def __init__(self, vocabulary=30, width=12):
            super().__init__()
            self.embed = nn.Embedding(vocabulary, width)
            self.qkv = nn.Linear(width, 3 * width)

        def forward(self, ids):
            q, k, v = self.qkv(self.embed(ids)).chunk(3, dim=-1)
            return nn.functional.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]

    torch.manual_seed(1)
    return {
        "mlp": nn.Sequential(nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 16), nn.GELU(), nn.Linear(16, 10)),
        "cnn": nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Conv2d(8, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                             nn.Linear(48, 10)),
        "resnet": nn.Sequential(nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), Block(8, 8, 1),
                                Block(8, 12, 2), Block(12, 12, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                nn.Linear(12, 10)),
        "lstm": Last(nn.LSTM(5, 8, 2, batch_first=True)),
        "lstm_bidirectional": Last(nn.LSTM(5, 6, batch_first=True, bidirectional=True)),
        "gru": Last(nn.GRU(5, 8, batch_first=True)),
        "gru_bidirectional": Last(nn.GRU(5, 6, 2, batch_first=True, bidirectional=True)),
        "rnn_tanh": Last(nn.RNN(5, 8, batch_first=True)),
        "transformer": AttendPlain(),
        "transformer_dynamo": Attend(),
        "attention": SelfAttention(),
        "conv1d": nn.Sequential(nn.Conv1d(3, 8, 5, padding=2), nn.SiLU(), nn.Conv1d(8, 8, 3, 2, dilation=2),
                                nn.GroupNorm(2, 8), nn.AvgPool1d(2), nn.Conv1d(8, 4, 1)),
        "conv_transpose": nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.LeakyReLU(0.1),
                                        nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1), nn.Tanh(),
                                        nn.Upsample(scale_factor=2, mode="bilinear"),
                                        nn.ConvTranspose2d(4, 1, 2, 2), nn.Sigmoid()),
        "picked": Picked(),
    }


def series(n, length, seed):
    """Real rows as sequences: measurements of the breast cancer data."""
    x, _, _, _ = split("breast_cancer")
    x = (x - x.mean(0)) / x.std(0)
    return np.ascontiguousarray(x.reshape(-1)[seed * 100:][:n * length * 5].reshape(n, length, 5).astype(np.float32))


def words(n, length, top, seed):
    """Ids of words of the sentences; 0 is padding."""
    text, _ = sentences()
    vocabulary, ids = {}, np.zeros((n, length), dtype=np.int64)
    for s in text:
        for w in s.lower().split():
            vocabulary.setdefault(w, 1 + len(vocabulary) % (top - 1))
    for i in range(n):
        s = text[(seed + 5 * i) % len(text)].lower().split()[:length - i % 3]
        ids[i, :len(s)] = [vocabulary[w] for w in s]
    return ids


def torch_digits(name, dynamo):
    net = torch_nets()[name]
    return torch_case(net, train_digits(net, name != "mlp"), ["x"], {"x": {0: "batch"}}, dynamo)


def torch_series(name, dynamo):
    # torch.export unrolls these over the time, which then is a constant
    unrolled = dynamo and name in ("lstm_bidirectional", "gru_bidirectional", "rnn_tanh")
    batches = [(series(3, 7, 0),), (series(2, 7 if unrolled else 4, 1),)]
    dynamic = {0: "batch"} if unrolled else {0: "batch", 1: "time"}
    return torch_case(torch_nets()[name], batches, ["x"], {"x": dynamic}, dynamo, outputs=("sequence", "y"))


def torch_words(name, dynamo):
    top = 30 if name == "attention" else 40
    batches = [(words(3, 9, top, 0),), (words(2, 5, top, 3),)]
    nets = torch_nets()
    net = nets.get(name + "_dynamo", nets[name]) if dynamo else nets[name]
    return torch_case(net, batches, ["ids"], {"ids": {0: "batch", 1: "length"}}, dynamo)


def torch_conv1d(name, dynamo):
    x, _, t, _ = split("digits")
    t = (t / 16).astype(np.float32)
    batches = [(np.ascontiguousarray(t[:12].reshape(4, 3, 64)),), (np.ascontiguousarray(t[12:15].reshape(1, 3, 64)),)]
    return torch_case(torch_nets()[name], batches, ["x"], {"x": {0: "batch"}}, dynamo)


def torch_image(name, dynamo):
    x, _, t, _ = split("digits")
    t = (t / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return torch_case(torch_nets()[name], [(t[:3],), (t[3:4],)], ["x"], {"x": {0: "batch"}}, dynamo)


def register_torch():
    kinds = {"mlp": torch_digits, "cnn": torch_digits, "resnet": torch_digits, "lstm": torch_series,
             "lstm_bidirectional": torch_series, "gru": torch_series, "gru_bidirectional": torch_series,
             "rnn_tanh": torch_series, "transformer": torch_words, "attention": torch_words, "picked": torch_words,
             "conv1d": torch_conv1d, "conv_transpose": torch_image}
    data = {torch_digits: "digits", torch_series: "breast_cancer as sequences", torch_words: "words of scikit-learn's documentation",
            torch_conv1d: "digits as signals", torch_image: "digits"}
    for name, function in kinds.items():
        for dynamo in (False, True):
            key = f"torch_{name}" + ("_dynamo" if dynamo else "")
            CASES[key] = ("pytorch, " + ("torch.export" if dynamo else "TorchScript"), data[function],
                          lambda f=function, n=name, d=dynamo: f(n, d), LOGITS)


register_torch()
