#!/usr/bin/env python3
"""Writes what PyTorch and scikit-learn say of optimisers, learning rates and metrics.

Usage: learn_table.py src/test/engine    (needs torch and scikit-learn of requirements.txt)

learn_optimizers.inc  parameters after six steps of an optimiser with given gradients
learn_rates.inc       learning rates (and cycled momenta) of schedules, step by step
learn_objectives.inc  losses and their gradients
learn_metrics.inc     samples and their metrics

PyTorch has no Lion: its rows follow Algorithm 2 of Chen et al., "Symbolic Discovery of Optimization Algorithms",
in numpy.  The expected calibration error is computed here in numpy, too (Guo et al., 2017).
"""
import os
import sys
import warnings

import numpy as np
import sklearn.metrics as sk
import torch

warnings.simplefilter("ignore")
N, STEPS = 37, 6


def array(out, kind, name, values):
    text = [f"{v:.9g}" if kind == "float" else f"{v:.17g}" if kind == "double" else str(int(v)) for v in np.ravel(values)]
    text = ["NAN" if t == "nan" else t for t in text]
    out.write(f"static const {kind} {name}[] = {{\n")
    for i in range(0, len(text), 8):
        out.write("    " + " ".join(t + "," for t in text[i : i + 8]) + "\n")
    out.write("};\n")


# ---- optimisers

O = torch.optim
OPTIMIZERS = [
    ('{"optimizer":"sgd","learning_rate":0.1}', lambda p: O.SGD(p, lr=0.1)),
    ('{"optimizer":"sgd","learning_rate":0.1,"momentum":0.9,"weight_decay":0.01}',
     lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
    ('{"optimizer":"sgd","learning_rate":0.1,"momentum":0.9,"dampening":0.3}',
     lambda p: O.SGD(p, lr=0.1, momentum=0.9, dampening=0.3)),
    ('{"optimizer":"sgd","learning_rate":0.1,"momentum":0.9,"nesterov":true}',
     lambda p: O.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
    ('{"optimizer":"adagrad","learning_rate":0.1,"learning_rate_decay":0.05,"weight_decay":0.01}',
     lambda p: O.Adagrad(p, lr=0.1, lr_decay=0.05, weight_decay=0.01)),
    ('{"optimizer":"adagrad"}', lambda p: O.Adagrad(p)),
    ('{"optimizer":"rmsprop"}', lambda p: O.RMSprop(p)),
    ('{"optimizer":"rmsprop","momentum":0.8,"centered":true,"alpha":0.9,"weight_decay":0.1}',
     lambda p: O.RMSprop(p, momentum=0.8, centered=True, alpha=0.9, weight_decay=0.1)),
    ('{"optimizer":"rmsprop","momentum":0.8}', lambda p: O.RMSprop(p, momentum=0.8)),
    ('{"optimizer":"rmsprop","centered":true}', lambda p: O.RMSprop(p, centered=True)),
    ('{"optimizer":"adam"}', lambda p: O.Adam(p)),
    ('{"optimizer":"adam","learning_rate":0.05,"beta1":0.8,"beta2":0.95,"weight_decay":0.1}',
     lambda p: O.Adam(p, lr=0.05, betas=(0.8, 0.95), weight_decay=0.1)),
    ('{"optimizer":"adam","beta1":0.999,"beta2":0.9999999}', lambda p: O.Adam(p, betas=(0.999, 0.9999999))),
    ('{"optimizer":"rmsprop","alpha":0.99999}', lambda p: O.RMSprop(p, alpha=0.99999)),
    ('{"optimizer":"adam","amsgrad":true,"epsilon":0.001}', lambda p: O.Adam(p, amsgrad=True, eps=1e-3)),
    ('{"optimizer":"adamw"}', lambda p: O.AdamW(p)),
    ('{"optimizer":"adamw","learning_rate":0.05,"weight_decay":0.2}', lambda p: O.AdamW(p, lr=0.05, weight_decay=0.2)),
    ('{"optimizer":"lion"}', None),
    ('{"optimizer":"lion","learning_rate":0.03,"weight_decay":0.1}', None),
    ('{"optimizer":"sgd","learning_rate":0.1,"clip_norm":0.5}', lambda p: O.SGD(p, lr=0.1)),
    ('{"optimizer":"sgd","learning_rate":0.1,"clip_value":0.3}', lambda p: O.SGD(p, lr=0.1)),
    ('{"optimizer":"sgd","learning_rate":0.1,"l1":0.05,"l2":0.02}', lambda p: O.SGD(p, lr=0.1)),
    ('{"optimizer":"sgd","learning_rate":0.1,"max_norm":1.2}', lambda p: O.SGD(p, lr=0.1)),
]


def lion(w, gradients, rate=1e-4, beta1=0.9, beta2=0.99, decay=0.0):
    w, m = w.astype(np.float64), np.zeros(N)
    for g in gradients.astype(np.float64):
        step = np.sign(beta1 * m + (1 - beta1) * g)
        w = w - rate * (step + decay * w)
        m = beta2 * m + (1 - beta2) * g
    return w


def optimizers(folder):
    import json

    rng = np.random.default_rng(1)
    w = rng.standard_normal(N).astype(np.float32)
    gradients = (rng.standard_normal((STEPS, N)) * np.array([1, 0.1, 3, 1, 0.01, 1])[:, None]).astype(np.float32)
    with open(os.path.join(folder, "learn_optimizers.inc"), "w") as out:
        out.write("/* written by src/test/gen/learn_table.py */\n")
        out.write(f"enum {{ OPTIMIZER_N = {N}, OPTIMIZER_STEPS = {STEPS} }};\n")
        array(out, "float", "optimizer_start", w)
        array(out, "float", "optimizer_gradients", gradients)
        out.write("static const char *const optimizer_options[] = {\n")
        for options, _ in OPTIMIZERS:
            out.write("    " + json.dumps(options) + ",\n")
        out.write("};\n")
        rows = []
        for text, make in OPTIMIZERS:
            options = json.loads(text)
            if make is None:
                rows.append(lion(w, gradients, options.get("learning_rate", 1e-4), decay=options.get("weight_decay", 0)))
                continue
            p = torch.nn.Parameter(torch.tensor(w))
            optimizer = make([p])
            for g in gradients:
                optimizer.zero_grad()
                penalty = options.get("l1", 0) * p.abs().sum() + options.get("l2", 0) * (p * p).sum()
                (penalty + (p * torch.tensor(g)).sum()).backward()
                if "clip_norm" in options:
                    torch.nn.utils.clip_grad_norm_([p], options["clip_norm"])
                if "clip_value" in options:
                    torch.nn.utils.clip_grad_value_([p], options["clip_value"])
                optimizer.step()
                if "max_norm" in options:
                    with torch.no_grad():
                        p.copy_(torch.renorm(p[None], 2, 0, options["max_norm"])[0])
            rows.append(p.detach().numpy())
        array(out, "float", "optimizer_end", np.stack(rows))


# ---- schedules

S = O.lr_scheduler
EPOCHS, PER_EPOCH = 12, 5
PLATEAU = [5, 4, 4, 4, 4, 3.9997, 3, 3, 3, 3, 3, 2]
RATES = [
    ('"schedule":"constant"', "batch", lambda o: S.ConstantLR(o, factor=1)),
    ('"schedule":"step","step_epochs":3,"gamma":0.5', "epoch", lambda o: S.StepLR(o, 3, gamma=0.5)),
    ('"schedule":"cosine","minimum_rate":0.01', "batch",
     lambda o: S.CosineAnnealingLR(o, EPOCHS * PER_EPOCH, eta_min=0.01)),
    ('"schedule":"cosine","warmup":2', "batch",
     lambda o: S.SequentialLR(o, [S.LinearLR(o, start_factor=0.1, total_iters=9),
                                  S.CosineAnnealingLR(o, EPOCHS * PER_EPOCH - 10)], milestones=[10])),
    ('"schedule":"on_plateau","plateau_patience":1,"cooldown":1,"factor":0.5,"minimum_rate":0.03', "plateau",
     lambda o: S.ReduceLROnPlateau(o, patience=1, cooldown=1, factor=0.5, min_lr=0.03)),
    ('"schedule":"one_cycle"', "batch", lambda o: S.OneCycleLR(o, 0.1, total_steps=EPOCHS * PER_EPOCH)),
    ('"schedule":"one_cycle","cycle_start":0.45,"cycle_divisor":10,"cycle_final_divisor":100', "batch",
     lambda o: S.OneCycleLR(o, 0.1, total_steps=EPOCHS * PER_EPOCH, pct_start=0.45, div_factor=10, final_div_factor=100)),
]


def rates(folder):
    import json

    with open(os.path.join(folder, "learn_rates.inc"), "w") as out:
        out.write("/* written by src/test/gen/learn_table.py */\n")
        out.write(f"enum {{ RATE_EPOCHS = {EPOCHS}, RATE_STEPS = {PER_EPOCH} }};\n")
        out.write("static const char *const rate_options[] = {\n")
        table, momenta = [], []
        for text, unit, make in RATES:
            base = f'{{"optimizer":"adam","learning_rate":0.1,"epochs":{EPOCHS},{text}}}'
            out.write("    " + json.dumps(base) + ",\n")
            p = torch.nn.Parameter(torch.zeros(1))
            p.grad = torch.ones(1)
            optimizer = O.Adam([p], lr=0.1)
            scheduler = make(optimizer)
            row, moved = [], []
            for epoch in range(EPOCHS):
                for _ in range(PER_EPOCH):
                    row.append(optimizer.param_groups[0]["lr"])
                    moved.append(optimizer.param_groups[0]["betas"][0] if "one_cycle" in text else float("nan"))
                    optimizer.step()
                    last = len(row) == EPOCHS * PER_EPOCH
                    if unit == "batch" and not last:
                        scheduler.step()
                if unit == "epoch":
                    scheduler.step()
                if unit == "plateau":
                    scheduler.step(PLATEAU[epoch])
            table.append(row)
            momenta.append(moved)
        out.write("};\n")
        array(out, "double", "rate_plateau_values", PLATEAU)
        array(out, "double", "rate_expected", table)
        array(out, "double", "rate_momentum", momenta)


# ---- losses

F = torch.nn.functional
ROWS, WIDTH = 5, 3


def weighted(each, weights):
    return (each * weights).sum() / weights.expand_as(each).sum()


def pinball(x, t):
    return torch.maximum(0.8 * (t - x), -0.2 * (t - x))


# attributes of the operator, kind of target, loss of (x, target, sample weights (n, 1), class weights)
OBJECTIVES = [
    ("kind=mse", "real", lambda x, t, w, c: weighted((x - t) ** 2, w)),
    ("kind=mae", "real", lambda x, t, w, c: weighted((x - t).abs(), w)),
    ("kind=huber parameter=0.7", "real", lambda x, t, w, c: weighted(F.huber_loss(x, t, reduction="none", delta=0.7), w)),
    ("kind=binary_cross_entropy", "share",
     lambda x, t, w, c: weighted(F.binary_cross_entropy_with_logits(x, t, reduction="none"), w)),
    ("kind=poisson", "count", lambda x, t, w, c: weighted(F.poisson_nll_loss(x, t, reduction="none"), w)),
    ("kind=hinge", "sign", lambda x, t, w, c: weighted(torch.relu(1 - x * t), w)),
    ("kind=quantile parameter=0.8", "real", lambda x, t, w, c: weighted(pinball(x, t), w)),
    ("kind=cross_entropy", "class", lambda x, t, w, c: weighted(F.cross_entropy(x, t, reduction="none"), w[:, 0])),
    ("kind=cross_entropy", "class weighted", lambda x, t, w, c: F.cross_entropy(x, t, weight=c)),
    ("kind=cross_entropy smoothing=0.1", "class weighted",
     lambda x, t, w, c: F.cross_entropy(x, t, weight=c, label_smoothing=0.1)),
    ("kind=cross_entropy smoothing=0.2", "class even", lambda x, t, w, c: F.cross_entropy(x, t, label_smoothing=0.2)),
    ("kind=cross_entropy", "ignored", lambda x, t, w, c: F.cross_entropy(x, t)),
    ("kind=cross_entropy smoothing=0.1", "distribution even",
     lambda x, t, w, c: F.cross_entropy(x, t, label_smoothing=0.1)),
    ("kind=margin", "class even", lambda x, t, w, c: F.multi_margin_loss(x, t)),
]


def objectives(folder):
    torch.manual_seed(3)
    x = (torch.randn(ROWS, WIDTH) * 2).requires_grad_()
    weights, class_weights = torch.rand(ROWS) + 0.2, torch.tensor([0.5, 1.0, 2.0])
    labels = torch.randint(0, WIDTH, (ROWS,))
    targets = {
        "real": torch.randn(ROWS, WIDTH), "share": torch.rand(ROWS, WIDTH), "class": labels,
        "count": torch.randint(0, 4, (ROWS, WIDTH)).float(), "sign": torch.randint(0, 2, (ROWS, WIDTH)).float() * 2 - 1,
        "ignored": torch.where(torch.arange(ROWS) == 2, -100, labels), "distribution": torch.rand(ROWS, WIDTH).softmax(1),
    }
    with open(os.path.join(folder, "learn_objectives.inc"), "w") as out:
        out.write("/* written by src/test/gen/learn_table.py */\n")
        out.write(f"enum {{ OBJECTIVE_ROWS = {ROWS}, OBJECTIVE_WIDTH = {WIDTH} }};\n")
        array(out, "float", "objective_x", x.detach().numpy())
        array(out, "float", "objective_weights", weights.numpy())
        array(out, "float", "objective_class_weights", class_weights.numpy())
        for name, target in targets.items():
            array(out, "int64_t" if target.dtype == torch.int64 else "float", "objective_" + name, target.numpy())
        losses, gradients = [], []
        out.write("static const struct {\n    const char *attrs;\n    const void *target;\n    bool labels, weights, "
                  "class_weights;\n} objectives[] = {\n")
        for attrs, kind, loss_of in OBJECTIVES:
            target, *how = kind.split()
            loss = loss_of(x, targets[target], weights[:, None], class_weights)
            losses.append(loss.item())
            gradients.append(torch.autograd.grad(loss, x)[0].numpy())
            flags = (targets[target].dtype == torch.int64, not how and target != "ignored", how == ["weighted"])
            out.write(f'    {{"{attrs}", objective_{target}, {", ".join(str(f).lower() for f in flags)}}},\n')
        out.write("};\n")
        array(out, "float", "objective_losses", losses)
        array(out, "float", "objective_gradients", np.stack(gradients))


# ---- metrics


def calibration(scores, labels, weights, bins=15):
    best, right = scores.max(1).astype(np.float64), scores.argmax(1) == labels
    bin_of = np.clip(np.ceil(best * bins).astype(int) - 1, 0, bins - 1)
    total = 0.0
    for b in range(bins):
        at = bin_of == b
        if at.any():
            w = weights[at]
            total += w.sum() / weights.sum() * abs((w * right[at]).sum() - (w * best[at]).sum()) / w.sum()
    return total


def classes(out, name, scores, labels, weights, k):
    n, width = scores.shape
    guess = scores.argmax(1)
    w = dict(sample_weight=weights)
    z = dict(zero_division=0, sample_weight=weights)
    value = {"accuracy": sk.accuracy_score(labels, guess, **w)}
    onehot = np.eye(width)[labels]
    if width > 2:
        value["top_k_accuracy"] = sk.top_k_accuracy_score(labels, scores, k=k, labels=range(width), **w)
        value["brier"] = np.average(((scores.astype(np.float64) - onehot) ** 2).sum(1), weights=weights)
    else:
        value["brier"] = sk.brier_score_loss(labels, scores[:, 1], **w)
    for average in ["macro", "micro", "weighted"]:
        suffix = "" if average == "macro" else "_" + average
        value["precision" + suffix] = sk.precision_score(labels, guess, average=average, **z)
        value["recall" + suffix] = sk.recall_score(labels, guess, average=average, **z)
        value["f1" + suffix] = sk.f1_score(labels, guess, average=average, **z)
    value["log_loss"] = sk.log_loss(labels, scores, labels=range(width), **w)
    value["calibration_error"] = calibration(scores, labels, weights)
    columns = [1] if width == 2 else [c for c in range(width) if (labels == c).any()]
    value["roc_auc"] = np.mean([sk.roc_auc_score(labels == c, scores[:, c], **w) for c in columns])
    value["pr_auc"] = np.mean([sk.average_precision_score(labels == c, scores[:, c], **w) for c in columns])
    array(out, "float", f"{name}_scores", scores)
    array(out, "int64_t", f"{name}_labels", labels)
    array(out, "double", f"{name}_weights", weights)
    array(out, "double", f"{name}_confusion", sk.confusion_matrix(labels, guess, labels=range(width), **w))
    expected(out, name, value)
    out.write(f"enum {{ {name}_n = {n}, {name}_width = {width}, {name}_k = {k} }};\n")


def expected(out, name, value):
    out.write(f"static const Expected {name}_expected[] = {{\n")
    for metric, number in value.items():
        out.write(f'    {{"{metric}", {number:.17g}}},\n')
    out.write("};\n")


def values(out, name, predicted, actual, weights, quantile):
    w = dict(sample_weight=weights)
    p = predicted.astype(np.float64)
    value = {
        "mse": sk.mean_squared_error(actual, p, **w),
        "rmse": sk.root_mean_squared_error(actual, p, **w),
        "mae": sk.mean_absolute_error(actual, p, **w),
        "r2": sk.r2_score(actual, p, **w),
        "mape": sk.mean_absolute_percentage_error(actual, p, **w),
        "pinball": sk.mean_pinball_loss(actual, p, alpha=quantile, **w),
    }
    array(out, "float", f"{name}_predicted", predicted)
    array(out, "double", f"{name}_actual", actual)
    array(out, "double", f"{name}_weights", weights)
    expected(out, name, value)
    width = 1 if predicted.ndim == 1 else predicted.shape[1]
    out.write(f"enum {{ {name}_n = {len(predicted)}, {name}_width = {width} }};\n")


def metrics(folder):
    rng = np.random.default_rng(2)
    with open(os.path.join(folder, "learn_metrics.inc"), "w") as out:
        out.write("/* written by src/test/gen/learn_table.py */\n")
        out.write("typedef struct Expected {\n    const char *name;\n    double value;\n} Expected;\n")
        labels = rng.integers(0, 2, 60)
        p = np.clip(labels * 0.3 + rng.random(60) * 0.7, 0, 1)
        p = np.where(rng.random(60) < 0.3, np.round(p, 1), p).astype(np.float32)  # ties
        classes(out, "binary", np.stack([1 - p, p], 1), labels, rng.random(60) + 0.1, 1)
        scores = rng.random((80, 7)) ** 3
        labels = rng.integers(0, 6, 80)  # the last class never occurs
        scores[np.arange(80), labels] += 0.5
        scores = (scores / scores.sum(1, keepdims=True)).astype(np.float32)
        scores[:, 6] *= np.float32(0.01)
        scores /= scores.sum(1, keepdims=True)
        classes(out, "many", scores, labels, np.ones(80), 3)
        actual = rng.standard_normal(50) * 10
        values(out, "single", (actual + rng.standard_normal(50)).astype(np.float32), actual, rng.random(50) + 0.1, 0.8)
        actual = rng.standard_normal((40, 3)) * [1, 10, 100] + 1000
        values(out, "triple", (actual + rng.standard_normal((40, 3))).astype(np.float32), actual, np.ones(40), 0.8)


if __name__ == "__main__":
    optimizers(sys.argv[1])
    rates(sys.argv[1])
    objectives(sys.argv[1])
    metrics(sys.argv[1])
