"""Neural network operators where the official cases of onnx 1.12 are silent: what newer opsets add, corner cases of
recurrent layers, convolutions of all kinds, double and half precision, quantised products.

Expected values: onnx's own newer backend cases (as they are), onnxruntime, or numpy formulas; where onnxruntime
computes a case of a formula, both must agree.
"""

import ml_dtypes
import numpy as np
import onnxruntime
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases

from case_writer import expect, type_of

rng = np.random.default_rng(7)
node = helper.make_node
onnxruntime.set_default_logger_severity(4)

# ---- onnx's newer cases ----

OFFICIAL = ("attention_", "rotary_embedding", "tensorscatter", "rms_normalization", "group_normalization", "lppool",
            "col2im", "basic_deform", "deform_conv", "dft", "stft", "averagepool_2d_ceil", "averagepool_2d_dilations",
            "averagepool_3d_dilations", "averagepool_2d_averagepool_with", "maxpool_2d_ceil", "maxpool_3d_dilations",
            "convtranspose_autopad", "convtranspose_group", "qlinearmatmul", "roialign_mode_max", "lpnormalization",
            "l1normalization", "l2normalization", "basic_conv", "conv_with", "lstm_bidirectional", "lstm_reverse",
            "gru_bidirectional", "gru_reverse", "rnn_bidirectional", "rnn_reverse", "einsum_scalar")

for case in collect_testcases(None):
    name = case.name[len("test_"):]
    if not name.startswith(OFFICIAL) or name.endswith("_expanded"):
        continue
    if max(o.version for o in case.model.opset_import if o.domain in ("", "ai.onnx")) > 25:
        continue
    inputs, outputs = case.data_sets[0]
    if name.endswith(("_large", "_ref_impl_large", "_3d_default")) or "_large_count" in name:
        continue  # the same as others, in size
    if name.startswith("dft_inverse"):
        continue  # its numbers near 0 are rounding errors of float32; test_nn_dft_... has the inverse
    expect("official_" + name, case.model, [np.asarray(v) for v in inputs], [np.asarray(v) for v in outputs])


# ---- against onnxruntime ----

def values(*shape, dtype=np.float32, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(dtype)


def whole(*shape):
    """Small whole numbers: sums of their products are exact in float32 in any order."""
    return rng.integers(-4, 5, shape).astype(np.float32)


def model_of(nodes, inputs, outputs, opset, n_out):
    graph = helper.make_graph(
        nodes, "case", [helper.make_value_info(n, type_of(v)) for n, v in inputs.items()],
        [helper.make_empty_tensor_value_info(n) for n in outputs][:n_out])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def by_runtime(nodes, inputs, outputs, opset):
    model = model_of(nodes, inputs, outputs, opset, len(outputs))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(list(outputs), inputs)


def case(name, one, inputs, outputs=None, opset=22):
    """One node: inputs in the node's order (absent ones left out); outputs by onnxruntime unless given."""
    inputs = [np.asarray(v) for v in inputs]
    named = dict(zip([n for n in one.input if n], inputs))
    wanted = [n for n in one.output if n]
    if outputs is None:
        outputs = by_runtime([one], named, wanted, opset)
    expect("nn_" + name, one, inputs, list(outputs), opset=opset, ir_version=10)


for spatial, kernel in (((9,), (3,)), ((7, 8), (3, 2)), ((5, 6, 4), (2, 3, 2))):
    n = len(spatial)
    x, w, b = whole(2, 4, *spatial), whole(6, 4, *kernel), whole(6)
    case(f"conv_{n}d", node("Conv", ["x", "w", "b"], ["y"], pads=[1] * n + [0] * n, strides=[2] * n), [x, w, b])
    case(f"conv_{n}d_dilated", node("Conv", ["x", "w"], ["y"], dilations=[2] * n, pads=[2] * (2 * n)), [x, w])
    grouped = whole(6, 2, *kernel)
    case(f"conv_{n}d_groups", node("Conv", ["x", "w", "b"], ["y"], group=2, pads=[1] * (2 * n)), [x, grouped, b])
    depthwise = whole(8, 1, *kernel)
    for stride in (1, 2, 3):
        case(f"conv_{n}d_depthwise_stride{stride}",
             node("Conv", ["x", "w", "b"], ["y"], group=4, pads=[1] * (2 * n), strides=[stride] * n),
             [x, depthwise, whole(8)])
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        case(f"conv_{n}d_{pad.lower()}",
             node("Conv", ["x", "w"], ["y"], auto_pad=pad, strides=[2] * n, kernel_shape=list(kernel)), [x, w])
    case(f"conv_{n}d_pointwise", node("Conv", ["x", "w", "b"], ["y"]), [x, whole(5, 4, *[1] * n), whole(5)])
    case(f"conv_{n}d_pointwise_strided", node("Conv", ["x", "w"], ["y"], strides=[2] * n), [x, whole(5, 4, *[1] * n)])
    # transposed
    w = whole(4, 3, *kernel)
    case(f"conv_transpose_{n}d", node("ConvTranspose", ["x", "w", "b"], ["y"], strides=[2] * n, pads=[1] * n + [0] * n),
         [x, w, whole(3)])
    case(f"conv_transpose_{n}d_groups",
         node("ConvTranspose", ["x", "w", "b"], ["y"], group=2, strides=[2] * n, output_padding=[1] * n),
         [x, w, whole(6)])
    case(f"conv_transpose_{n}d_dilated", node("ConvTranspose", ["x", "w"], ["y"], dilations=[2] * n, strides=[3] * n),
         [x, w])
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        case(f"conv_transpose_{n}d_{pad.lower()}",
             node("ConvTranspose", ["x", "w"], ["y"], auto_pad=pad, strides=[2] * n), [x, w])
    for pad in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        case(f"conv_transpose_{n}d_shape_{pad.lower()}",
             node("ConvTranspose", ["x", "w"], ["y"], auto_pad=pad, output_shape=[s + 1 for s in spatial]),
             [x, whole(4, 3, *[4] * n)])
    # pools
    for ceil in (0, 1):
        case(f"max_pool_{n}d_ceil{ceil}",
             node("MaxPool", ["x"], ["y", "i"], kernel_shape=[3] * n, strides=[2] * n, pads=[1] * n + [0] * n,
                  ceil_mode=ceil), [x])
        for include in (0, 1):
            case(f"average_pool_{n}d_ceil{ceil}_pad{include}",
                 node("AveragePool", ["x"], ["y"], kernel_shape=[3] * n, strides=[2] * n, pads=[1] * (2 * n),
                      ceil_mode=ceil, count_include_pad=include), [x])
    case(f"max_pool_{n}d_column_major",
         node("MaxPool", ["x"], ["y", "i"], kernel_shape=[2] * n, storage_order=1), [x])
    for power in (1, 2, 3):
        case(f"lp_pool_{n}d_p{power}", node("LpPool", ["x"], ["y"], kernel_shape=[2] * n, pads=[1] * (2 * n), p=power),
             [x], opset=11)
        case(f"global_lp_pool_{n}d_p{power}", node("GlobalLpPool", ["x"], ["y"], p=power), [x], opset=11)
    squares = np.pad(x.astype(np.float64) ** 2, [(0, 0), (1, 1)] + [(0, 0)] * n)
    squares = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    case(f"lrn_{n}d", node("LRN", ["x"], ["y"], size=3, alpha=0.3, beta=0.5, bias=1.5), [x],
         [(x / (1.5 + 0.1 * squares) ** 0.5).astype(np.float32)], opset=13)

x = whole(1, 3, 40, 33)
case("conv_wide", node("Conv", ["x", "w", "b"], ["y"], pads=[2] * 4), [x, whole(37, 3, 5, 5), whole(37)])
case("conv_many_channels", node("Conv", ["x", "w"], ["y"], pads=[1] * 4),
     [whole(1, 300, 6, 5), whole(9, 300, 3, 3)])
x = values(2, 9, 5, 5)
squares = np.pad(x.astype(np.float64) ** 2, [(0, 0), (1, 2), (0, 0), (0, 0)])
squares = sum(squares[:, i:i + 9] for i in range(4))
case("lrn_even", node("LRN", ["x"], ["y"], size=4, alpha=0.2), [x],
     [(x / (1 + 0.05 * squares) ** 0.75).astype(np.float32)], opset=13)
case("max_roi_pool", node("MaxRoiPool", ["x", "r"], ["y"], pooled_shape=[2, 3], spatial_scale=0.5),
     [whole(2, 3, 9, 9), np.array([[0, 1, 1, 9, 12], [1, 4, 3, 16, 8], [1, 2, 2, 3, 3]], np.float32)], opset=11)
for mode in ("avg", "max"):
    for transform in ("half_pixel", "output_half_pixel"):
        for sampling in (0, 2):
            case(f"roi_align_{mode}_{transform}_{sampling}",
                 node("RoiAlign", ["x", "r", "b"], ["y"], mode=mode, coordinate_transformation_mode=transform,
                      output_height=3, output_width=2, sampling_ratio=sampling, spatial_scale=0.7),
                 [values(2, 2, 8, 9), np.array([[-1, 0, 6, 7], [2, 1, 12, 14], [3, 3, 3, 3]], np.float32),
                  np.array([0, 1, 1], np.int64)], opset=16)
case("roi_align_opset10", node("RoiAlign", ["x", "r", "b"], ["y"], output_height=2, output_width=2, sampling_ratio=2),
     [whole(1, 1, 6, 6), np.array([[1, 1, 4, 5]], np.float32), np.array([0], np.int64)], opset=10)

# quantised
for signed in (np.uint8, np.int8):
    low, high = np.iinfo(signed).min, np.iinfo(signed).max
    a = rng.integers(low, high + 1, (5, 70)).astype(signed)
    for weights in (np.uint8, np.int8):
        info = np.iinfo(weights)
        tag = f"{np.dtype(signed).name}_{np.dtype(weights).name}"
        b = rng.integers(info.min, info.max + 1, (70, 6)).astype(weights)
        za = np.array(rng.integers(low, high), signed)
        zb = rng.integers(info.min, info.max, 6).astype(weights)
        case(f"matmul_integer_{tag}", node("MatMulInteger", ["a", "b", "za", "zb"], ["y"]), [a, b, za, zb],
             [(a.astype(np.int32) - za) @ (b.astype(np.int32) - zb)])
        rows = rng.integers(low, high, 5).astype(signed)
        case(f"matmul_integer_rows_{tag}", node("MatMulInteger", ["a", "b", "za"], ["y"]), [a, b, rows],
             [(a.astype(np.int32) - rows[:, None]) @ b.astype(np.int32)])
        x = rng.integers(low, high + 1, (2, 4, 6, 7)).astype(signed)
        w = rng.integers(info.min, info.max + 1, (6, 2, 3, 3)).astype(weights)
        exact = by_runtime([node("Conv", ["x", "w"], ["y"], group=2, pads=[1, 0, 1, 0], strides=[2, 1])],
                           {"x": x.astype(np.float32) - np.float32(za), "w": w.astype(np.float32) - zb[:, None, None, None]},
                           ["y"], 22)
        case(f"conv_integer_{tag}",
             node("ConvInteger", ["x", "w", "zx", "zw"], ["y"], group=2, pads=[1, 0, 1, 0], strides=[2, 1]),
             [x, w, za, zb], [np.rint(exact[0]).astype(np.int32)])
    # by formula: onnxruntime saturates sums of pairs on CPUs without VNNI
    x, zx = rng.integers(low, high + 1, (2, 4, 6, 7)).astype(signed), np.array(3, signed)
    w = rng.integers(-128, 128, (6, 4, 3, 3)).astype(np.int8)
    sw, bias = rng.uniform(0.001, 0.01, 6).astype(np.float32), rng.integers(-500, 500, 6).astype(np.int32)
    exact = by_runtime([node("Conv", ["x", "w"], ["y"], pads=[1] * 4)],
                       {"x": x.astype(np.float32) - np.float32(zx), "w": w.astype(np.float32)}, ["y"], 22)
    sums = np.rint(exact[0]).astype(np.int32) + bias[:, None, None]
    y = np.rint(sums * (np.float32(0.02) * sw / np.float32(0.05))[:, None, None]) + 7
    case(f"qlinear_conv_{np.dtype(signed).name}",
         node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy", "b"], ["y"], pads=[1] * 4),
         [x, np.float32(0.02), zx, w, sw, np.zeros(6, np.int8), np.float32(0.05), np.array(7, signed), bias],
         [np.clip(y, low, high).astype(signed)])
    b, za = rng.integers(-128, 128, (70, 6)).astype(np.int8), np.array(3, signed)
    sums = (a.astype(np.int32) - za) @ b.astype(np.int32)
    y = np.rint(sums * (np.float32(0.02) * np.float32(0.01) / np.float32(0.11))) + 9
    case(f"qlinear_matmul_{np.dtype(signed).name}",
         node("QLinearMatMul", ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"]),
         [a, np.float32(0.02), za, b, np.float32(0.01), np.array(0, np.int8), np.float32(0.11), np.array(9, signed)],
         [np.clip(y, low, high).astype(signed)], opset=21)

# ---- products ----

for dtype in (np.float32, np.float64, np.float16, ml_dtypes.bfloat16, np.int32, np.int64, np.uint32, np.uint64):
    kind = np.dtype(dtype).name
    shapes = (((3, 4), (4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((4,), (4, 3)), ((2, 3, 4), (4,)), ((4,), (4,)),
              ((2, 0, 4), (4, 3)), ((2, 3, 0), (0, 4)))
    for i, (sa, sb) in enumerate(shapes):
        wide = np.float64 if np.dtype(dtype).kind != "i" and np.dtype(dtype).kind != "u" else dtype
        a = rng.integers(-4, 5, sa).astype(dtype)
        b = rng.integers(-4, 5, sb).astype(dtype)
        case(f"matmul_{kind}_{i}", node("MatMul", ["a", "b"], ["y"]), [a, b],
             [np.asarray(np.matmul(a.astype(wide), b.astype(wide))).astype(dtype)])
    for ta in (0, 1):
        for tb in (0, 1):
            a, b, c = rng.integers(0, 5, (4, 3)), rng.integers(0, 5, (3, 5)), rng.integers(0, 5, (4, 1))
            y = 2 * (a @ b) + 3 * c
            case(f"gemm_{kind}_{ta}{tb}",
                 node("Gemm", ["a", "b", "c"], ["y"], alpha=2.0, beta=3.0, transA=ta, transB=tb),
                 [np.ascontiguousarray((a.T if ta else a).astype(dtype)), np.ascontiguousarray((b.T if tb else b).astype(dtype)),
                  c.astype(dtype)], [y.astype(dtype)])
case("gemm_opset6", node("Gemm", ["a", "b", "c"], ["y"], broadcast=1), (g := [values(3, 4), values(4, 2), values(2)]),
     [g[0] @ g[1] + g[2]], opset=6)
big = [np.abs(values(150, 260)), np.abs(values(260, 130))]
case("matmul_big", node("MatMul", ["a", "b"], ["y"]), big, [(big[0].astype(np.float64) @ big[1]).astype(np.float32)])
for m in (1, 2, 3, 4, 5, 6, 7):
    for tb in (0, 1):
        a, b = values(m, 37), values(37, 83)
        case(f"gemm_rows{m}_{tb}", node("Gemm", ["a", "b"], ["y"], transB=tb),
             [a, np.ascontiguousarray(b.T) if tb else b], [(a.astype(np.float64) @ b).astype(np.float32)])

EQUATIONS = [("ij,jk->ik", (3, 4), (4, 5)), ("ij,jk", (3, 4), (4, 5)), ("ij->ji", (3, 4)), ("ii->i", (4, 4)),
             ("ii", (4, 4)), ("ij->", (3, 4)), ("...ij,...jk->...ik", (2, 3, 4), (2, 4, 5)), ("i,j->ij", (3,), (4,)),
             ("b...i,b...i->b...", (2, 3, 4), (2, 3, 4)), ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)),
             ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("abc,cd,ae->bde", (2, 3, 4), (4, 5), (2, 6)),
             ("ab,ab->ab", (3, 4), (3, 4)), ("ab,cd->abcd", (2, 3), (2, 2)), ("iij->j", (3, 3, 4)),
             ("ij,ij->", (3, 4), (3, 4)), ("Ab,bA->A", (3, 4), (4, 3)), ("ba", (2, 3)), ("a...->...a", (2, 3, 4)),
             ("ij , jk -> ik", (3, 4), (4, 2)), (",ij->ij", (), (2, 3))]
for i, (equation, *shapes) in enumerate(EQUATIONS):
    for dtype in (np.float32, np.float64, np.int32, np.int8):
        inputs = [rng.integers(-3, 4, s).astype(dtype) for s in shapes]
        y = np.einsum(equation.replace(" ", ""), *[v.astype(np.int64) for v in inputs])
        case(f"einsum_{i}_{np.dtype(dtype).name}",
             node("Einsum", [f"x{k}" for k in range(len(shapes))], ["y"], equation=equation), inputs,
             [np.asarray(y).astype(dtype)])

for n in (0, 1, 2, 5, 9):
    x = values(3, n, n, dtype=np.float64)
    case(f"det_{n}", node("Det", ["x"], ["y"]), [x], [np.linalg.det(x) if n else np.ones(3)])

# ---- normalisation ----

for dtype in (np.float64, np.float16):
    kind = np.dtype(dtype).name
    x = values(2, 6, 5, 4, dtype=dtype)
    wide = x.astype(np.float64)

    def normal(v, axes, epsilon=1e-5):
        mean, var = v.mean(axes, keepdims=True), v.var(axes, keepdims=True)
        return (v - mean) / np.sqrt(var + epsilon)

    s, b = values(6, dtype=dtype), values(6, dtype=dtype)
    per_channel = [v.astype(np.float64)[:, None, None] for v in (s, b)]
    case(f"instance_norm_{kind}", node("InstanceNormalization", ["x", "s", "b"], ["y"]), [x, s, b],
         [(normal(wide, (2, 3)) * per_channel[0] + per_channel[1]).astype(dtype)])
    grouped = normal(wide.reshape(2, 3, 2, 5, 4), (2, 3, 4)).reshape(x.shape)
    case(f"group_norm_{kind}", node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=3), [x, s, b],
         [(grouped * per_channel[0] + per_channel[1]).astype(dtype)])
    s3, b3 = values(3, dtype=dtype), values(3, dtype=dtype)
    spread = [np.repeat(v.astype(np.float64), 2)[:, None, None] for v in (s3, b3)]
    case(f"group_norm_opset18_{kind}", node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=3), [x, s3, b3],
         [(grouped * spread[0] + spread[1]).astype(dtype)], opset=18)
    mean, var = values(6, dtype=dtype), np.abs(values(6, dtype=dtype)) + dtype(0.5)
    m, v = (t.astype(np.float64)[:, None, None] for t in (mean, var))
    y = (wide - m) / np.sqrt(v + 1e-5) * per_channel[0] + per_channel[1]
    case(f"batch_norm_{kind}", node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"]), [x, s, b, mean, var],
         [y.astype(dtype)], opset=15)
    now, spreadv = wide.mean((0, 2, 3)), wide.var((0, 2, 3))
    y = normal(wide, (0, 2, 3)) * per_channel[0] + per_channel[1]
    case(f"batch_norm_training_{kind}",
         node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y", "rm", "rv"], training_mode=1, momentum=0.75),
         [x, s, b, mean, var],
         [y.astype(dtype), (mean.astype(np.float64) * 0.75 + now * 0.25).astype(dtype),
          (var.astype(np.float64) * 0.75 + spreadv * 0.25).astype(dtype)], opset=15)
    case(f"batch_norm_opset7_training_{kind}",
         node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y", "rm", "rv", "sm", "sv"], momentum=0.75),
         [x, s, b, mean, var],
         [y.astype(dtype), (mean.astype(np.float64) * 0.75 + now * 0.25).astype(dtype),
          (var.astype(np.float64) * 0.75 + spreadv * 0.25).astype(dtype), now.astype(dtype), spreadv.astype(dtype)],
         opset=7)
    flat = [values(6, 5, 4, dtype=dtype) for _ in range(3)] + [np.abs(values(6, 5, 4, dtype=dtype)) + dtype(0.5)]
    f = [t.astype(np.float64) for t in flat]
    case(f"batch_norm_opset7_each_{kind}",
         node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], spatial=0), [x] + flat,
         [((wide - f[2]) / np.sqrt(f[3] + 1e-5) * f[0] + f[1]).astype(dtype)], opset=7)
    for axis in (1, 2, -1):
        shape = x.shape[axis:]
        s, b = values(*shape, dtype=dtype), values(*shape, dtype=dtype)
        axes = tuple(range(axis % 4, 4))
        y = normal(wide, axes) * s.astype(np.float64) + b.astype(np.float64)
        case(f"layer_norm_{kind}_{axis}", node("LayerNormalization", ["x", "s", "b"], ["y"], axis=axis), [x, s, b],
             [y.astype(dtype)], opset=17)
        case(f"layer_norm_no_bias_{kind}_{axis}", node("LayerNormalization", ["x", "s"], ["y"], axis=axis), [x, s],
             [(normal(wide, axes) * s.astype(np.float64)).astype(dtype)], opset=17)
        rms = wide / np.sqrt((wide ** 2).mean(axes, keepdims=True) + 1e-5) * s.astype(np.float64)
        case(f"rms_norm_{kind}_{axis}", node("RMSNormalization", ["x", "s"], ["y"], axis=axis), [x, s],
             [rms.astype(dtype)], opset=23)
    s = values(6, 1, 1, dtype=dtype)  # a scale that varies outside the normalised axes
    case(f"layer_norm_outer_scale_{kind}", node("LayerNormalization", ["x", "s"], ["y"], axis=2), [x, s],
         [(normal(wide, (2, 3)) * s.astype(np.float64)).astype(dtype)], opset=17)
    for axes in ([1], [0, 1, 2, 3], [-1, -2]):
        ax = tuple(axes)
        y = (wide - wide.mean(ax, keepdims=True)) / (wide.std(ax, keepdims=True) + 1e-9)
        case(f"mvn_{kind}_{len(axes)}_{axes[0]}", node("MeanVarianceNormalization", ["x"], ["y"], axes=axes), [x],
             [y.astype(dtype)], opset=13)
    for axis in (1, -1):
        for p in (1, 2):
            length = np.abs(wide).sum(axis, keepdims=True) if p == 1 else np.sqrt((wide ** 2).sum(axis, keepdims=True))
            case(f"lp_norm_{kind}_{axis}_{p}", node("LpNormalization", ["x"], ["y"], axis=axis, p=p), [x],
                 [(wide / length).astype(dtype)])
case("lp_norm_zero", node("LpNormalization", ["x"], ["y"]), [np.zeros((2, 3), np.float32)], [np.zeros((2, 3), np.float32)])
case("dropout_opset1", node("Dropout", ["x"], ["y", "m"], is_test=1, ratio=0.3), [(x := values(2, 3))],
     [x, np.ones_like(x)], opset=6)

# ---- recurrent layers ----

ACT = {
    "Sigmoid": lambda v, a, b: 1 / (1 + np.exp(-v)), "Tanh": lambda v, a, b: np.tanh(v),
    "Relu": lambda v, a, b: np.maximum(v, 0), "Affine": lambda v, a, b: a * v + b,
    "LeakyRelu": lambda v, a, b: np.where(v >= 0, v, a * v), "ThresholdedRelu": lambda v, a, b: np.where(v >= a, v, 0),
    "ScaledTanh": lambda v, a, b: a * np.tanh(b * v), "HardSigmoid": lambda v, a, b: np.clip(a * v + b, 0, 1),
    "Elu": lambda v, a, b: np.where(v >= 0, v, a * (np.exp(v) - 1)), "Softsign": lambda v, a, b: v / (1 + np.abs(v)),
    "Softplus": lambda v, a, b: np.log1p(np.exp(v)),
}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}


def recurrent(op, x, w, r, b=None, lengths=None, h0=None, c0=None, p=None, direction="forward", acts=None, clip=0,
              linear_before_reset=0, input_forget=0):
    """The equations of the operators; x (steps, batch, inputs) -> y, y_h, y_c in float64."""
    x, w, r = x.astype(np.float64), w.astype(np.float64), r.astype(np.float64)
    steps, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
    dirs, gates = w.shape[0], w.shape[1] // hidden
    b = np.zeros((dirs, 2 * gates * hidden)) if b is None else b.astype(np.float64)
    p = np.zeros((dirs, 3 * hidden)) if p is None else p.astype(np.float64)
    lengths = np.full(batch, steps) if lengths is None else lengths
    acts = acts or [(a, 0, 0) for a in DEFAULTS[op]] * dirs
    y = np.zeros((steps, dirs, batch, hidden))
    yh, yc = np.zeros((dirs, batch, hidden)), np.zeros((dirs, batch, hidden))

    def act(d, k, v, bounded=True):
        name, alpha, beta = acts[d * len(DEFAULTS[op]) + k]
        return ACT[name](np.clip(v, -clip, clip) if clip and bounded else v, alpha, beta)

    for d in range(dirs):
        wb, rb = np.split(b[d], 2)
        pi, po, pf = np.split(p[d], 3)
        for e in range(batch):
            h = h0[d, e].astype(np.float64) if h0 is not None else np.zeros(hidden)
            c = c0[d, e].astype(np.float64) if c0 is not None else np.zeros(hidden)
            order = list(range(lengths[e]))
            if d == 1 or direction == "reverse":
                order.reverse()
            for t in order:
                xw, hr = x[t, e] @ w[d].T + wb, h @ r[d].T + rb
                if op == "RNN":
                    h = act(d, 0, xw + hr)
                elif op == "GRU":
                    (xz, xr, xh), (hz, hrr, hh) = np.split(xw, 3), np.split(hr, 3)
                    z, reset = act(d, 0, xz + hz), act(d, 0, xr + hrr)
                    if linear_before_reset:
                        fresh = act(d, 1, xh + reset * hh)
                    else:
                        fresh = act(d, 1, xh + (reset * h) @ r[d, 2 * hidden:].T + rb[2 * hidden:])
                    h = (1 - z) * fresh + z * h
                else:
                    i, o, f, g = np.split(xw + hr, 4)
                    i = act(d, 0, i + pi * c)
                    f = 1 - i if input_forget else act(d, 0, f + pf * c)
                    c = f * c + i * act(d, 1, g)
                    h = act(d, 0, o + po * c) * act(d, 2, c, False)
                y[t, d, e] = h
            yh[d, e], yc[d, e] = h, c
    return y, yh, yc


def recurrent_case(name, op, dtype=np.float32, direction="forward", steps=5, batch=3, inputs=4, hidden=6, bias=True,
                   lengths=None, state=False, peephole=False, layout=0, acts=None, clip=0, check=True, only=None, **extra):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
    dirs = 2 if direction == "bidirectional" else 1
    x, w = values(steps, batch, inputs, dtype=dtype), values(dirs, gates * hidden, inputs, dtype=dtype)
    r = values(dirs, gates * hidden, hidden, dtype=dtype, scale=0.4)
    b = values(dirs, 2 * gates * hidden, dtype=dtype) if bias else None
    n = np.array(lengths, np.int32) if lengths is not None else None
    h0 = values(dirs, batch, hidden, dtype=dtype) if state else None
    c0 = values(dirs, batch, hidden, dtype=dtype) if state and op == "LSTM" else None
    p = values(dirs, 3 * hidden, dtype=dtype) if peephole else None
    ys = recurrent(op, x, w, r, b, n, h0, c0, p, direction, acts, clip, **extra)[:3 if op == "LSTM" else 2]
    attrs = dict(hidden_size=hidden, direction=direction, **extra)
    if clip:
        attrs["clip"] = float(clip)
    if acts:
        attrs["activations"] = [a[0] for a in acts]
        attrs["activation_alpha"] = [float(a[1]) for a in acts if a[0] in
                                     ("Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu")]
        attrs["activation_beta"] = [float(a[2]) for a in acts if a[0] in ("Affine", "ScaledTanh", "HardSigmoid")]
        attrs = {k: v for k, v in attrs.items() if v != []}
    outs = ["y", "yh", "yc"][:len(ys)]
    given = dict(x=x, w=w, r=r, b=b, n=n, h=h0, c=c0, p=p)
    names = list(given)[:8 if op == "LSTM" else 6]
    if check:
        plain = node(op, [k if given[k] is not None else "" for k in names], outs, **attrs)
        got = by_runtime([plain], {k: v for k, v in given.items() if v is not None and k in names}, outs, 14)
        for mine, theirs in zip(ys, got):
            assert np.allclose(mine, theirs, rtol=1e-4, atol=1e-5), name
    if layout:
        attrs["layout"] = 1
        given["x"] = x.transpose(1, 0, 2)
        for k in ("h", "c"):
            given[k] = None if given[k] is None else given[k].transpose(1, 0, 2)
        ys = [ys[0].transpose(2, 0, 1, 3)] + [v.transpose(1, 0, 2) for v in ys[1:]]
    if only is not None:
        outs = [o if i == only else "" for i, o in enumerate(outs)][:only + 1]
        ys = [ys[only]]
    one = node(op, [k if given[k] is not None else "" for k in names], outs, **attrs)
    case(name, one, [np.ascontiguousarray(v) for k, v in given.items() if v is not None and k in names],
         [np.ascontiguousarray(v).astype(dtype) for v in ys], opset=22)


for op in ("RNN", "GRU", "LSTM"):
    low = op.lower()
    for direction in ("forward", "reverse", "bidirectional"):
        recurrent_case(f"{low}_{direction}", op, direction=direction)
        recurrent_case(f"{low}_{direction}_lengths", op, direction=direction, lengths=[2, 5, 3], state=True)
        recurrent_case(f"{low}_{direction}_batchwise", op, direction=direction, state=True, layout=1, lengths=[5, 1, 4])
        recurrent_case(f"{low}_{direction}_double", op, np.float64, direction=direction, state=True, check=False)
    recurrent_case(f"{low}_one_example", op, batch=1, hidden=9, state=True)
    recurrent_case(f"{low}_no_bias", op, bias=False)
    recurrent_case(f"{low}_clip", op, clip=0.4)
    recurrent_case(f"{low}_length_zero", op, lengths=[0, 5, 1], state=True, check=False)
    recurrent_case(f"{low}_only_last", op, only=1)
    recurrent_case(f"{low}_long", op, steps=40, hidden=17, batch=2)
for direction in ("forward", "bidirectional"):
    recurrent_case(f"lstm_{direction}_peephole", "LSTM", direction=direction, peephole=True, state=True)
    recurrent_case(f"gru_{direction}_linear", "GRU", direction=direction, linear_before_reset=1, state=True)
recurrent_case("lstm_input_forget", "LSTM", input_forget=1, peephole=True, check=False)
recurrent_case("lstm_only_cell", "LSTM", only=2)
recurrent_case("gru_linear_no_bias", "GRU", linear_before_reset=1, bias=False)
for a in ("Relu", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"):
    recurrent_case(f"rnn_{a.lower()}", "RNN", acts=[(a, 0.7, 0.3)], steps=3, check=a != "Softplus")
recurrent_case("lstm_activations", "LSTM", acts=[("HardSigmoid", 0.3, 0.4), ("LeakyRelu", 0.2, 0), ("ScaledTanh", 0.8, 0.6)])
recurrent_case("gru_activations", "GRU", direction="bidirectional",
               acts=[("HardSigmoid", 0.3, 0.4), ("Elu", 0.5, 0), ("Sigmoid", 0, 0), ("Softsign", 0, 0)])

# ---- Fourier transforms ----

for n in (1, 2, 3, 4, 5, 7, 8, 12, 16, 17, 30, 32, 97):
    x = values(2, n, 2, dtype=np.float64)
    z = x[..., 0] + 1j * x[..., 1]
    for inverse in (0, 1):
        f = (np.fft.ifft if inverse else np.fft.fft)(z, axis=1)
        case(f"dft_{n}_{inverse}", node("DFT", ["x", "", "a"], ["y"], inverse=inverse), [x, np.array(1)],
             [np.stack([f.real, f.imag], -1)], opset=20)
    f = np.fft.rfft(x[..., 0], axis=1)
    case(f"dft_real_{n}", node("DFT", ["x"], ["y"], onesided=1), [x[..., :1]], [np.stack([f.real, f.imag], -1)], opset=20)
    case(f"dft_onesided_inverse_{n}", node("DFT", ["x", "n"], ["y"], onesided=1, inverse=1),
         [np.stack([f.real, f.imag], -1), np.array(n)], [x[..., :1]], opset=20)
x = values(2, 5, 3, 1, dtype=np.float32)
for length in (3, 5, 8):
    f = np.fft.fft(x[..., 0].astype(np.float64), n=length, axis=1)
    case(f"dft_length_{length}", node("DFT", ["x", "n"], ["y"], axis=1), [x, np.array(length)],
         [np.stack([f.real, f.imag], -1).astype(np.float32)], opset=17)
x, w = values(2, 50, 1, dtype=np.float64), values(12, dtype=np.float64)
frames = np.stack([x[:, i:i + 12, 0] for i in range(0, 39, 5)], 1)
f = np.fft.rfft(frames * w, axis=-1)
case("stft_window", node("STFT", ["x", "s", "w"], ["y"]), [x, np.array(5), w], [np.stack([f.real, f.imag], -1)], opset=17)
f = np.fft.fft(frames, axis=-1)
case("stft_both_sides", node("STFT", ["x", "s", "", "n"], ["y"], onesided=0), [x, np.array(5), np.array(12)],
     [np.stack([f.real, f.imag], -1)], opset=17)
for kind, terms in (("Hann", (0.5, 0.5, 0)), ("Hamming", (25 / 46, 21 / 46, 0)), ("Blackman", (0.42, 0.5, 0.08))):
    for periodic in (0, 1):
        for dtype in (np.float64, np.float16):
            a = 2 * np.pi * np.arange(11) / (11 if periodic else 10)
            y = terms[0] - terms[1] * np.cos(a) + terms[2] * np.cos(2 * a)
            case(f"{kind.lower()}_{periodic}_{np.dtype(dtype).name}",
                 node(kind + "Window", ["n"], ["y"], periodic=periodic,
                      output_datatype=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))), [np.array(11, np.int32)],
                 [y.astype(dtype)], opset=17)
