"""A case of our own: a model that maas_train made, exported, so that onnxruntime and the engine are compared on it.

It needs a running server with the extension: `make stage && tools/server start` before.
"""
import json
import pathlib
import subprocess

import numpy as np
import onnx
from exporters_data import case

ROOT = pathlib.Path(__file__).resolve().parents[3]
TEXTS = ["The old team was here.", "SNOW!!! (very near)", "", " ... --", "every \"great\" storm, today; rain", "qwerty uiop",
         "Ünusual ŁETTERS and 3.14 don't matter", "goal " * 40, "the\tnew\ncoach"]
WORDS = (("goal", "team", "player", "match", "coach"), ("rain", "storm", "snow", "wind", "cloud"))


def sql(*commands):
    run = subprocess.run([ROOT / "tools/server", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-"], check=True,
                         input=";\n".join(commands), capture_output=True, text=True)
    return run.stdout.strip()


def literal(text):
    return "'" + text.replace("'", "''") + "'"


@case("maas_train", "made sentences")
def maas_text_transformer():
    rows = [f"({literal(f'{a} {b} {word}{end}')}, {kind})" for kind, words in enumerate(WORDS) for word in words
            for a in ("the", "A", "Every") for b in ("old,", "new", "(big)") for end in (".", "", " was here!")]
    architecture = {"layers": [{"text_vectorization": [40, 12]}, {"embedding": [40, 8]}, "positional_embedding",
                               {"transformer_encoder": [16, 2]}, {"lstm": 6, "return_sequences": True, "bidirectional": True},
                               "global_average_pooling1d", {"dense": "output"}]}
    out = sql("CREATE EXTENSION IF NOT EXISTS maas", "SET client_min_messages = warning",
              f"CREATE TEMPORARY TABLE made AS SELECT * FROM (VALUES {', '.join(rows)}) v(body, kind)",
              f"SELECT 1 FROM maas_train('made', 'SELECT * FROM made', 'kind', {literal(json.dumps(architecture))}, "
              "'{\"seed\": 1, \"epochs\": 10, \"batch_size\": 16}')",
              "SELECT encode(maas_export('made'), 'hex')",
              *(f"SELECT maas_predict('made', jsonb_build_object('body', jsonb_build_array(jsonb_build_array({literal(t)}))))"
                for t in TEXTS), "SELECT maas_drop('made')").split("\n")
    answers = [json.loads(line) for line in out if line.startswith("{")]
    label = np.concatenate([a["label"] for a in answers])
    scores = np.concatenate([a["probabilities"] for a in answers])
    model = onnx.load_from_string(bytes.fromhex(out[1]))
    x = np.array(TEXTS, dtype=object).reshape(-1, 1)
    return model, [{"body": x}, {"body": x[:1]}], [[label, scores], [label[:1], scores[:1]]]
