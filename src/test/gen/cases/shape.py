"""Operators that move data: what the official cases leave out.  Expected values come from onnxruntime (`ort`), from
ONNX's reference evaluator (`ref`) or from numpy."""

import numpy as np
from case_writer import expect, message, tensor, type_of
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(7)


def model_of(graph_or_node, inputs, out_types, opset):
    graph = graph_or_node
    if hasattr(graph, "op_type"):
        ins = [n for n in graph.input if n]
        graph = helper.make_graph(
            [graph_or_node], "g", [helper.make_value_info(n, type_of(v)) for n, v in zip(ins, inputs)],
            [helper.make_value_info(n, t) for n, t in zip([o for o in graph_or_node.output if o], out_types)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8 if opset < 19 else 10)


def feeds_of(model, inputs):
    return {i.name: v for i, v in zip(model.graph.input, inputs)}


def any_type(elem):
    return helper.make_tensor_type_proto(elem, None)


def ort(name, graph_or_node, inputs, out_elems, opset):
    import onnxruntime

    model = model_of(graph_or_node, inputs, [any_type(e) for e in out_elems], opset)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, feeds_of(model, inputs))
    expect(name, graph_or_node, inputs, outputs, opset=opset)


def ref(name, graph_or_node, inputs, out_elems, opset):
    model = model_of(graph_or_node, inputs, [any_type(e) for e in out_elems], opset)
    outputs = ReferenceEvaluator(model).run(None, feeds_of(model, inputs))
    expect(name, graph_or_node, inputs, outputs, opset=opset)


F, D, I64, I32, S, B = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32,
                        TensorProto.STRING, TensorProto.BOOL)
node = helper.make_node
f32 = np.float32
ints = lambda *v: np.array(v, np.int64)  # noqa: E731


def strings(*v):
    return np.array(v, dtype=object)


# ---- Pad ----

x = np.arange(12, dtype=f32).reshape(3, 4)
pad = lambda **a: node("Pad", ["x", "pads"], ["y"], **a)  # noqa: E731
expect("pad_wrap", pad(mode="wrap"), [x, ints(2, 1, 4, 9)], [np.pad(x, [(2, 4), (1, 9)], mode="wrap")])
expect("pad_reflect_twice", pad(mode="reflect"), [x, ints(5, 0, 0, 7)], [np.pad(x, [(5, 0), (0, 7)], mode="reflect")])
expect("pad_reflect_one", pad(mode="reflect"), [x[:, :1], ints(0, 2, 0, 3)],
       [np.pad(x[:, :1], [(0, 0), (2, 3)], mode="edge")])
expect("pad_edge_int8", pad(mode="edge"), [x.astype(np.int8), ints(1, 2, 3, 0)],
       [np.pad(x.astype(np.int8), [(1, 3), (2, 0)], mode="edge")])
expect("pad_crop", pad(), [x, ints(-1, -2, 0, -1)], [x[1:, 2:3]])
expect("pad_crop_and_extend", pad(), [x, ints(-2, 1, 3, -2)],
       [np.pad(x[2:, :2], [(0, 3), (1, 0)])])
expect("pad_edge_crop", pad(mode="edge"), [x, ints(-1, 0, 2, 0)], [np.pad(x[1:], [(0, 2), (0, 0)], mode="edge")])
expect("pad_axes", node("Pad", ["x", "pads", "value", "axes"], ["y"]),
       [x, ints(1, 2), f32(9), ints(-1)], [np.pad(x, [(0, 0), (1, 2)], constant_values=9)])
expect("pad_axes_wrap", node("Pad", ["x", "pads", "", "axes"], ["y"], mode="wrap"),
       [x, ints(1, 2), np.array([-2], np.int32)], [np.pad(x, [(1, 2), (0, 0)], mode="wrap")])
expect("pad_string", node("Pad", ["x", "pads", "value"], ["y"]), [strings("a", "b"), ints(1, 2), strings("-").reshape(())],
       [strings("-", "a", "b", "-", "-")])
expect("pad_bool", pad(), [np.array([True]), ints(1, 1)], [np.array([False, True, False])])
expect("pad_opset2", node("Pad", ["x"], ["y"], pads=[0, 1, 1, 0], value=2.5), [x.astype(np.double)],
       [np.pad(x.astype(np.double), [(0, 1), (1, 0)], constant_values=2.5)], opset=2)
expect("pad_opset1", node("Pad", ["x"], ["y"], paddings=[0, 1, 1, 0], mode="edge"), [x],
       [np.pad(x, [(0, 1), (1, 0)], mode="edge")], opset=1)

# ---- small types through operators that only move ----

for elem, values in ((TensorProto.INT4, [-8, -1, 0, 7, 3, 2]), (TensorProto.UINT4, [15, 1, 0, 7, 3, 2]),
                     (TensorProto.INT2, [-2, -1, 0, 1, 1, 0]), (TensorProto.UINT2, [3, 1, 0, 2, 3, 2]),
                     (TensorProto.FLOAT4E2M1, [-6, 0.5, 0, 1.5, 3, 2]), (TensorProto.FLOAT8E8M0, [1, 2, 4, 0.5, 8, 0.25]),
                     (TensorProto.FLOAT8E4M3FN, [1, -2, 448, 0.5, 8, 0.25]), (TensorProto.BFLOAT16, [1, 2, 3, 4, 5, 6])):
    name = TensorProto.DataType.Name(elem).lower()
    v = np.array(values, dtype=object).reshape(2, 3)
    t = tensor(elem, [2, 3], values)
    expect("transpose_" + name, node("Transpose", ["x"], ["y"]), [t], [tensor(elem, [3, 2], list(v.T.ravel()))])
    expect("reshape_" + name, node("Reshape", ["x", "s"], ["y"]), [t, ints(3, -1)], [tensor(elem, [3, 2], values)])
    expect("pad_" + name, pad(mode="edge"), [t, ints(0, 1, 0, 0)],
           [tensor(elem, [2, 4], list(np.pad(v, [(0, 0), (1, 0)], mode="edge").ravel()))])
    expect("unsqueeze_" + name, node("Unsqueeze", ["x", "axes"], ["y"]), [t, ints(0, -1)],
           [tensor(elem, [1, 2, 3, 1], values)])

# ---- Reshape and kin at their edges, and their older forms ----

e = np.zeros((0, 3, 4), f32)
expect("reshape_empty_copied", node("Reshape", ["x", "s"], ["y"]), [e, ints(0, -1)], [e.reshape(0, 12)])
expect("reshape_empty_minus", node("Reshape", ["x", "s"], ["y"]), [e, ints(-1, 12)], [e.reshape(0, 12)])
expect("reshape_to_scalar", node("Reshape", ["x", "s"], ["y"]), [np.ones((1, 1), f32), np.zeros(0, np.int64)],
       [np.array(1, f32)])
expect("reshape_opset1", node("Reshape", ["x"], ["y"], shape=[0, 2, -1]), [x], [x.reshape(3, 2, 2)], opset=1)
expect("squeeze_opset1", node("Squeeze", ["x"], ["y"], axes=[0, 2]), [x.reshape(1, 3, 1, 4)], [x], opset=1)
expect("squeeze_opset11_all", node("Squeeze", ["x"], ["y"]), [x.reshape(1, 3, 1, 4)], [x], opset=11)
expect("unsqueeze_opset11", node("Unsqueeze", ["x"], ["y"], axes=[-1, 0]), [x], [x.reshape(1, 3, 4, 1)], opset=11)
expect("concat_opset1", node("Concat", ["a", "b"], ["y"]), [x, x + 20], [np.concatenate([x, x + 20], 1)], opset=1)
expect("concat_empty_part", node("Concat", ["a", "b"], ["y"], axis=0), [x[:0], x], [x])
expect("split_opset2", node("Split", ["x"], ["a", "b"], axis=1, split=[1, 3]), [x], [x[:, :1], x[:, 1:]], opset=2)
expect("split_num_outputs_uneven", node("Split", ["x"], ["a", "b", "c"], num_outputs=3, axis=1), [x],
       [x[:, :2], x[:, 2:4], x[:, 4:]], opset=18)
expect("split_empty_part", node("Split", ["x", "s"], ["a", "b"], axis=0), [x, ints(0, 3)], [x[:0], x])
expect("slice_opset1", node("Slice", ["x"], ["y"], starts=[0, -3], ends=[2, 100], axes=[0, 1]), [x], [x[:2, -3:]], opset=1)
expect("slice_backward_all", node("Slice", ["x", "s", "e", "a", "t"], ["y"]),
       [x, ints(-1, 9), ints(-(2**63), 0), ints(0, 1), ints(-2, -1)], [x[::-2, 9:0:-1]])
expect("slice_big_step", node("Slice", ["x", "s", "e", "a", "t"], ["y"]),
       [x, ints(1), ints(2**63 - 1), ints(1), ints(2**62)], [x[:, 1:2]])
expect("slice_of_empty", node("Slice", ["x", "s", "e", "a", "t"], ["y"]),
       [x[:, :0], ints(0), ints(-(2**63)), ints(1), ints(-1)], [x[:, :0]])
expect("shape_of_string", node("Shape", ["x"], ["y"], start=-1), [strings("a", "b")], [ints(2)])
expect("tile_three_axes", node("Tile", ["x", "r"], ["y"]), [x.reshape(3, 2, 2), ints(2, 1, 3)],
       [np.tile(x.reshape(3, 2, 2), (2, 1, 3))])
expect("tile_string", node("Tile", ["x", "r"], ["y"]), [strings("a", "b"), ints(2)], [strings("a", "b", "a", "b")])
expect("tile_opset1", node("Tile", ["x", "n", "a"], ["y"]), [x, np.array(2, f32), np.array(1, f32)], [np.tile(x, (1, 2))],
       opset=1)
expect("tile_zero", node("Tile", ["x", "r"], ["y"]), [x, ints(0, 2)], [np.tile(x, (0, 2))])
expect("expand_from_scalar", node("Expand", ["x", "s"], ["y"]), [np.array(3, np.int16), ints(2, 3)],
       [np.full((2, 3), 3, np.int16)])
big = rng.standard_normal((33, 17, 5)).astype(f32)
for k, perm in enumerate(([2, 1, 0], [1, 0, 2], [0, 2, 1], [2, 0, 1])):
    expect(f"transpose_tiles_{k}", node("Transpose", ["x"], ["y"], perm=perm), [big], [big.transpose(perm)])
    expect(f"transpose_tiles_int64_{k}", node("Transpose", ["x"], ["y"], perm=perm), [(big * 9).astype(np.int64)],
           [(big * 9).astype(np.int64).transpose(perm)])
expect("transpose_string", node("Transpose", ["x"], ["y"]), [strings("a", "b", "c", "d").reshape(2, 2)],
       [strings("a", "c", "b", "d").reshape(2, 2)])
c128 = (x + 1j * x).astype(np.complex128)
expect("transpose_complex128", node("Transpose", ["x"], ["y"]), [c128], [c128.T.copy()])
expect("trilu_far", node("Trilu", ["x", "k"], ["y"], upper=0), [x, np.array(-100, np.int64)], [np.zeros_like(x)])
expect("eye_like_far", node("EyeLike", ["x"], ["y"], k=-2, dtype=B), [x], [np.eye(3, 4, k=-2, dtype=bool)])
expect("range_down", node("Range", ["s", "l", "d"], ["y"]), [np.int64(10), np.int64(-3), np.int64(-4)], [ints(10, 6, 2, -2)])
expect("range_empty", node("Range", ["s", "l", "d"], ["y"]), [f32(1), f32(0), f32(1)], [np.zeros(0, f32)])
expect("range_extremes", node("Range", ["s", "l", "d"], ["y"]),
       [np.int64(-(2**63)), np.int64(2**63 - 1), np.int64(2**62)], [ints(-(2**63), -(2**62), 0, 2**62)])
expect("one_hot_half", node("OneHot", ["i", "d", "v"], ["y"], axis=0),
       [np.array([1, -1, 7], np.int32), np.array([3], np.float32), np.array([2, 5], np.float16)],
       [np.array([[2, 2, 2], [5, 2, 2], [2, 5, 2]], np.float16)])
expect("depth_to_space_uint8", node("DepthToSpace", ["x"], ["y"], blocksize=2, mode="CRD"),
       [np.arange(16, dtype=np.uint8).reshape(1, 8, 1, 2)],
       [np.arange(16, dtype=np.uint8).reshape(1, 2, 2, 2, 1, 2).transpose(0, 1, 4, 2, 5, 3).reshape(1, 2, 2, 4)])

# ---- gather and scatter ----

expect("gather_scalar_index", node("Gather", ["x", "i"], ["y"], axis=1), [x, np.array(-1, np.int32)], [x[:, -1]])
expect("gather_strings", node("Gather", ["x", "i"], ["y"]), [strings("a", "b", "c"), ints(2, -3)], [strings("c", "a")])
expect("gather_elements_int8", node("GatherElements", ["x", "i"], ["y"], axis=1),
       [x.astype(np.int8), ints(0, -1, 2, 3).reshape(2, 2)], [np.array([[0, 3], [6, 7]], np.int8)])
ort("gather_nd_batch", node("GatherND", ["x", "i"], ["y"], batch_dims=1),
    [rng.standard_normal((3, 4, 2)).astype(f32), ints(0, 3, -1).reshape(3, 1)], [F], 13)
data = rng.integers(-50, 50, (4, 3))
updates = rng.integers(-50, 50, (3, 3))
index = ints(0, 0, 3, 0, -1, 1, 2, 0, 1).reshape(3, 3)
for reduction in ("add", "mul", "min", "max"):
    for dtype in (np.float16, np.float64, np.int32, np.int64, np.uint8):
        if dtype == np.uint8 and reduction == "mul":
            continue
        got = data.astype(dtype)
        for i in range(3):
            for j in range(3):
                k = (index[i, j], j)
                u = updates.astype(dtype)[i, j]
                got[k] = {"add": got[k] + u, "mul": got[k] * u, "min": min(got[k], u), "max": max(got[k], u)}[reduction]
        expect(f"scatter_elements_{reduction}_{np.dtype(dtype).name}",
               node("ScatterElements", ["x", "i", "u"], ["y"], reduction=reduction, axis=0),
               [data.astype(dtype), index, updates.astype(dtype)], [got])
    rows = ints(1, 1, -4).reshape(3, 1)
    got = data.astype(f32)
    for i in range(3):
        fn = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}[reduction]
        got[rows[i, 0]] = fn(got[rows[i, 0]], updates[i].astype(f32))
    expect(f"scatter_nd_{reduction}", node("ScatterND", ["x", "i", "u"], ["y"], reduction=reduction),
           [data.astype(f32), rows, updates.astype(f32)], [got])
expect("scatter_elements_bool_max", node("ScatterElements", ["x", "i", "u"], ["y"], reduction="max"),
       [np.array([False, True]), ints(0, 1), np.array([True, False])], [np.array([True, True])])
expect("scatter_elements_string", node("ScatterElements", ["x", "i", "u"], ["y"]),
       [strings("a", "b", "c"), ints(-1), strings("z")], [strings("a", "b", "z")])
expect("scatter_opset9", node("Scatter", ["x", "i", "u"], ["y"], axis=1),
       [x, ints(1, 3).reshape(1, 2), np.array([[-1, -2]], f32)],
       [np.concatenate([np.array([[0, -1, 2, -2]], f32), x[1:]])], opset=9)
expect("scatter_nd_whole", node("ScatterND", ["x", "i", "u"], ["y"]), [x, np.zeros((1, 0), np.int64), x[None] + 1], [x + 1])
expect("compress_short_condition", node("Compress", ["x", "c"], ["y"], axis=1), [x, np.array([False, True])], [x[:, 1:2]])
expect("non_zero_scalar", node("NonZero", ["x"], ["y"]), [np.array(5, f32)], [np.zeros((0, 1), np.int64)])
expect("non_zero_nan", node("NonZero", ["x"], ["y"]), [np.array([0.0, -0.0, np.nan, 2], np.float16)], [ints(2, 3).reshape(1, 2)])
uniq = node("Unique", ["x"], ["y", "i", "v", "n"])
expect("unique_strings", uniq, [strings("b", "a", "b", "")], [strings("", "a", "b"), ints(3, 1, 0), ints(2, 1, 2, 0), ints(1, 1, 2)])
expect("unique_nan", uniq, [np.array([np.nan, 1, np.nan, -1], f32)],
       [np.array([-1, 1, np.nan], f32), ints(3, 1, 0), ints(2, 1, 2, 0), ints(1, 1, 2)])
expect("unique_empty", uniq, [np.zeros(0, np.int64)], [np.zeros(0, np.int64)] * 4)
ux = rng.integers(0, 2, (2, 20, 2))
uy, ui, uv, un = np.unique(ux, return_index=True, return_inverse=True, return_counts=True, axis=1)
expect("unique_axis1", node("Unique", ["x"], ["y", "i", "v", "n"], axis=1), [ux], [uy, ui, uv.ravel(), un])
expect("unique_unsorted", node("Unique", ["x"], ["y", "i", "v", "n"], sorted=0), [ints(5, 1, 5, 9, 1)],
       [ints(5, 1, 9), ints(0, 1, 3), ints(0, 1, 0, 2, 1), ints(2, 2, 1)])

# ---- Resize, Upsample ----

img = rng.standard_normal((1, 2, 5, 7)).astype(f32)
vol = rng.standard_normal((1, 1, 4, 3, 5)).astype(f32)
sc = lambda *v: np.array(v, f32)  # noqa: E731


def resize(name, data, scales=None, sizes=None, roi=None, opset=19, **attrs):
    ins, values = ["x"], [data]
    for n, v in (("roi", roi), ("scales", scales), ("sizes", sizes)):
        ins.append(n if v is not None else "")
        if v is not None:
            values.append(v)
    while not ins[-1]:
        ins.pop()
    elem = helper.np_dtype_to_tensor_dtype(data.dtype)
    ref("resize_" + name, node("Resize", ins, ["y"], **attrs), values, [elem], opset)


for mode in ("linear", "cubic"):
    for coordinates in ("half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "pytorch_half_pixel"):
        resize(f"{mode}_{coordinates}", img, scales=sc(1, 1, 1.7, 0.6), mode=mode,
               coordinate_transformation_mode=coordinates)
    resize(f"{mode}_antialias", img, scales=sc(1, 1, 0.45, 0.3), mode=mode, antialias=1)
    resize(f"{mode}_antialias_outside", img, sizes=ints(3, 2), mode=mode, antialias=1, axes=[2, 3], exclude_outside=1)
    resize(f"{mode}_volume", vol, scales=sc(1, 1, 1.5, 2, 0.8), mode=mode)
    resize(f"{mode}_outside", img, sizes=ints(9, 11), mode=mode, axes=[2, 3], exclude_outside=1)
    resize(f"{mode}_roi_axes", img, sizes=ints(4, 6), roi=sc(-0.2, 0.4, 0.6, 1.3), axes=[3, 2], mode=mode,
           coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=10.0)
    resize(f"{mode}_not_larger", img, sizes=ints(12, 9), axes=[2, 3], mode=mode, keep_aspect_ratio_policy="not_larger")
    resize(f"{mode}_double", img.astype(np.double), sizes=ints(1, 2, 8, 3), mode=mode)
    resize(f"{mode}_vector", img.ravel(), sizes=ints(31), mode=mode)
    resize(f"{mode}_channels", img, scales=sc(1, 2, 1, 1), mode=mode)
    resize(f"{mode}_uint8", (img * 60 + 128).clip(0, 255).astype(np.uint8), sizes=ints(1, 2, 8, 3), mode=mode)
resize("cubic_a", img, scales=sc(1, 1, 1.5, 1.5), mode="cubic", cubic_coeff_a=-0.5)
for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
    for coordinates in ("half_pixel", "asymmetric", "align_corners"):
        resize(f"nearest_{nearest}_{coordinates}", img, sizes=ints(1, 2, 9, 4), nearest_mode=nearest,
               coordinate_transformation_mode=coordinates)
resize("nearest_not_smaller", img, sizes=ints(4, 9), axes=[2, 3], keep_aspect_ratio_policy="not_smaller")
resize("nearest_int64", np.arange(6), scales=sc(2.5))
expect("resize_nearest_string", node("Resize", ["x", "", "s"], ["y"]), [strings("a", "b"), sc(2)], [strings("a", "a", "b", "b")])
for mode in ("nearest", "linear"):
    ort(f"resize_opset10_{mode}", node("Resize", ["x", "s"], ["y"], mode=mode), [img, sc(1, 1, 2, 3)], [F], 10)
    ort(f"upsample_opset9_{mode}", node("Upsample", ["x", "s"], ["y"], mode=mode), [img, sc(1, 1, 2, 1.5)], [F], 9)
    ort(f"upsample_opset7_{mode}", node("Upsample", ["x"], ["y"], mode=mode, scales=[1.0, 1, 2, 2]), [img], [F], 7)
ort("resize_opset10_down", node("Resize", ["x", "s"], ["y"]), [img, sc(1, 1, 0.6, 0.6)], [F], 10)
expect("upsample_opset1", node("Upsample", ["x"], ["y"], height_scale=2.0, width_scale=1.0), [img], [img.repeat(2, 2)], opset=1)
ort("resize_opset11_sizes", node("Resize", ["x", "roi", "s", "z"], ["y"], mode="linear"),
    [img, np.zeros(0, f32), np.zeros(0, f32), ints(1, 2, 3, 9)], [F], 11)

# ---- GridSample, AffineGrid ----

grid = (rng.random((1, 4, 5, 2)) * 3 - 1.5).astype(f32)
grid3 = (rng.random((1, 2, 3, 4, 3)) * 3 - 1.5).astype(f32)
for padding in ("zeros", "border", "reflection"):
    for align in (0, 1):
        for mode in ("nearest", "linear", "cubic"):
            ort(f"grid_sample_{mode}_{padding}_{align}",
                node("GridSample", ["x", "g"], ["y"], mode=mode, padding_mode=padding, align_corners=align),
                [img, grid], [F], 20)
            if mode == "cubic" and padding == "border":
                continue  # the reference evaluator clamps the place, PyTorch and onnxruntime each tap
            ref(f"grid_sample_volume_{mode}_{padding}_{align}",
                node("GridSample", ["x", "g"], ["y"], mode=mode, padding_mode=padding, align_corners=align),
                [vol, grid3], [F], 20)
ort("grid_sample_opset16_bicubic", node("GridSample", ["x", "g"], ["y"], mode="bicubic"), [img, grid], [F], 16)
ref("grid_sample_line", node("GridSample", ["x", "g"], ["y"]), [img[:, :, 0], grid[:, 0, :, :1].copy()], [F], 20)
theta2 = rng.standard_normal((2, 2, 3)).astype(f32)
theta3 = rng.standard_normal((2, 3, 4)).astype(f32)
for align in (0, 1):
    ref(f"affine_grid_2d_{align}", node("AffineGrid", ["t", "s"], ["y"], align_corners=align),
        [theta2, ints(2, 3, 4, 5)], [F], 20)
    ref(f"affine_grid_3d_{align}", node("AffineGrid", ["t", "s"], ["y"], align_corners=align),
        [theta3, ints(2, 1, 2, 3, 4)], [F], 20)

# ---- CenterCropPad ----

for k, shape in enumerate(((5, 2), (2, 7), (4, 4), (1, 1), (0, 3))):
    ref(f"center_crop_pad_{k}", node("CenterCropPad", ["x", "s"], ["y"]), [x, ints(*shape)], [F], 18)
ref("center_crop_pad_axes", node("CenterCropPad", ["x", "s"], ["y"], axes=[-1]), [x, np.array([7], np.int32)], [F], 18)

# ---- strings ----

expect("string_concat_broadcast", node("StringConcat", ["a", "b"], ["y"]),
       [strings("a", "é", "").reshape(3, 1), strings("x", "")],
       [strings("ax", "a", "éx", "é", "x", "").reshape(3, 2)])
split = strings("a b  c", " lead", "", "  ", "x\ty\u2003z")
expect("string_split_space", node("StringSplit", ["x"], ["y", "n"]), [split],
       [strings("a", "b", "c", "lead", "", "", "", "", "", "", "", "", "x", "y", "z").reshape(5, 3), ints(3, 1, 0, 0, 3)])
expect("string_split_space_max", node("StringSplit", ["x"], ["y", "n"], maxsplit=1), [strings(" a b  c ", "d ")],
       [strings("a", "b  c ", "d", "").reshape(2, 2), ints(2, 1)])
expect("string_split_delimiter", node("StringSplit", ["x"], ["y", "n"], delimiter="--"), [strings("a--b", "--", "", "c---d")],
       [strings("a", "b", "", "", "", "", "c", "-d").reshape(4, 2), ints(2, 2, 1, 2)])
expect("string_split_delimiter_max", node("StringSplit", ["x"], ["y", "n"], delimiter=",", maxsplit=1),
       [strings("a,b,c").reshape(1, 1)], [strings("a", "b,c").reshape(1, 1, 2), ints(2).reshape(1, 1)])
expect("string_split_none", node("StringSplit", ["x"], ["y", "n"]), [np.zeros((0,), object)],
       [np.zeros((0, 0), object), np.zeros(0, np.int64)], in_types={"x": helper.make_tensor_type_proto(S, [0])},
       out_types={"y": helper.make_tensor_type_proto(S, [0, 0])})
for k, (pattern, texts, want) in enumerate((
        (r"www\.[\w.-]+\.\bcom\b", ["www.google.com", "www.facebook.com", "www.bbc.co.uk"], [1, 1, 0]),
        (r"(?i)straße|ÄB?", ["STRASSE", "straße", "äb", "Ä"], [0, 1, 1, 1]),
        (r"(a*)*b{2,3}", ["bb", "aabbb", "abbbb", ""], [1, 1, 0, 0]),
        (r"[^[:alpha:]\d]\pL\p{Nd}", [" é5", "aé5", "_x٣"], [1, 0, 1]),
        (r"(?s:.)\Q.*\E$", ["\n.*", "x.*", "xyz"], [1, 1, 0]),
        (r"", ["", "a"], [1, 0]))):
    expect(f"regex_{k}", node("RegexFullMatch", ["x"], ["y"], pattern=pattern), [strings(*texts)],
           [np.array(want, dtype=bool)])
norm = lambda **a: node("StringNormalizer", ["x"], ["y"], **a)  # noqa: E731
expect("normalizer_unicode_lower", norm(case_change_action="LOWER", stopwords=["ÉTÉ"]),
       [strings("Été", "ÇA", "ΣΊΣΥΦΟΣ", "ДА")], [strings("ça", "σίσυφοσ", "да")])
expect("normalizer_unicode_upper", norm(case_change_action="UPPER", is_case_sensitive=1, stopwords=["а"]),
       [strings("ä", "а", "Б", "ÿ").reshape(1, 4)], [strings("Ä", "Б", "Ÿ").reshape(1, 3)])
expect("normalizer_all_dropped", norm(stopwords=["A"]), [strings("a", "A").reshape(1, 2)], [strings("").reshape(1, 1)])
tokens = strings("to", "be", "or", "not", "to", "be").reshape(2, 3)
for mode in ("TF", "IDF", "TFIDF"):
    ort(f"tfidf_strings_{mode.lower()}",
        node("TfIdfVectorizer", ["x"], ["y"], mode=mode, min_gram_length=1, max_gram_length=2, max_skip_count=1,
             ngram_counts=[0, 3], ngram_indexes=[4, 0, 1, 3, 2],
             pool_strings=["to", "be", "not", "to", "be", "to", "or"], weights=[0.5, 1.5, 2.5, 3.5, 4.5]),
        [tokens], [F], 9)

# ---- sequences, optionals ----

expect("sequence_insert_erase", helper.make_graph(
    [node("SequenceEmpty", [], ["e"], dtype=I64), node("SequenceInsert", ["e", "a"], ["s1"]),
     node("SequenceInsert", ["s1", "b", "p"], ["s2"]), node("SequenceInsert", ["s2", "b"], ["s3"]),
     node("SequenceErase", ["s3"], ["s4"]), node("SequenceLength", ["s4"], ["n"]),
     node("SequenceAt", ["s4", "p"], ["first"])], "g",
    [helper.make_tensor_value_info("a", I64, [2]), helper.make_tensor_value_info("b", I64, [1]),
     helper.make_tensor_value_info("p", I64, [])],
    [helper.make_tensor_sequence_value_info("s4", I64, None), helper.make_tensor_value_info("n", I64, []),
     helper.make_tensor_value_info("first", I64, None)]),
    [ints(1, 2), ints(3), np.array(-1, np.int64)], [[ints(3), ints(1, 2)], np.array(2, np.int64), ints(1, 2)])
expect("split_to_sequence_drop", node("SplitToSequence", ["x"], ["y"], axis=1, keepdims=0), [x], [[x[:, i] for i in range(4)]])
expect("split_to_sequence_scalar", node("SplitToSequence", ["x", "s"], ["y"], axis=1), [x, np.array(3, np.int32)],
       [[x[:, :3], x[:, 3:]]])
expect("split_to_sequence_parts", node("SplitToSequence", ["x", "s"], ["y"], axis=0), [x, ints(1, 0, 2)],
       [[x[:1], x[1:1], x[1:]]])
expect("concat_from_sequence_new_axis", node("ConcatFromSequence", ["s"], ["y"], axis=-1, new_axis=1), [[x, x + 1]],
       [np.stack([x, x + 1], -1)])
expect("optional_round", helper.make_graph(
    [node("Optional", ["x"], ["o"]), node("OptionalHasElement", ["o"], ["h"]), node("OptionalGetElement", ["o"], ["y"]),
     node("Optional", [], ["none"], type=helper.make_tensor_type_proto(F, [2])), node("OptionalHasElement", ["none"], ["h2"]),
     node("OptionalHasElement", [], ["h3"]), node("OptionalHasElement", ["x"], ["h4"])], "g",
    [helper.make_tensor_value_info("x", F, [3, 4])],
    [helper.make_tensor_value_info("h", B, []), helper.make_tensor_value_info("y", F, [3, 4]),
     helper.make_tensor_value_info("h2", B, []), helper.make_tensor_value_info("h3", B, []),
     helper.make_tensor_value_info("h4", B, [])]),
    [x], [np.array(True), x, np.array(False), np.array(False), np.array(True)])

# ---- control flow ----

info = helper.make_tensor_value_info


def const(name, value):
    return node("Constant", [], [name], value=message(np.asarray(value)))


# doubles a vector's length each time: the state changes its shape; scan output: its length
grow = helper.make_graph(
    [node("Concat", ["v", "v"], ["v2"], axis=0), node("Size", ["v2"], ["n"]), node("Identity", ["c"], ["c2"])], "body",
    [info("i", I64, []), info("c", B, []), info("v", F, None)],
    [info("c2", B, []), info("v2", F, None), info("n", I64, [])])
loop_io = ([info("m", I64, []), info("v", F, [2])], [info("vo", F, None), info("ns", I64, None)])
loop = helper.make_graph([node("Loop", ["m", "", "v"], ["vo", "ns"], body=grow)], "g", *loop_io)
v = np.array([1, 2], f32)
expect("loop_growing_state", loop, [np.array(3, np.int64), v], [np.tile(v, 8), ints(4, 8, 16)])
expect("loop_no_iteration", loop, [np.array(0, np.int64), v], [v, np.zeros(0, np.int64)])
# counts to a limit that is captured, without a trip count
count = helper.make_graph(
    [const("one", np.int64(1)), node("Add", ["k", "one"], ["k2"]), node("Less", ["k2", "limit"], ["c2"]),
     node("Identity", ["i"], ["io"])], "body",
    [info("i", I64, []), info("c", B, []), info("k", I64, [])], [info("c2", B, []), info("k2", I64, []), info("io", I64, [])])
expect("loop_while", helper.make_graph([node("Loop", ["", "go", "k"], ["ko", "is"], body=count)], "g",
                                       [info("go", B, []), info("k", I64, []), info("limit", I64, [])],
                                       [info("ko", I64, []), info("is", I64, ["n"])]),
       [np.array(True), np.array(2, np.int64), np.array(5, np.int64)], [np.array(5, np.int64), ints(0, 1, 2)])
expect("if_shapes_differ", helper.make_graph(
    [node("If", ["c"], ["y"], then_branch=helper.make_graph([node("Flatten", ["x"], ["a"], axis=0)], "t", [], [info("a", F, None)]),
          else_branch=helper.make_graph([node("Transpose", ["x"], ["b"])], "e", [], [info("b", F, None)]))], "g",
    [info("c", B, [1]), info("x", F, [3, 4])], [info("y", F, None)]), [np.array([False]), x], [x.T.copy()])
# running sum; forward and backward input, scanned and stacked along other axes, output prepended
step = helper.make_graph(
    [node("Add", ["s", "a"], ["t"]), node("Add", ["t", "b"], ["s2"]), node("Identity", ["s2"], ["o1"]),
     node("Identity", ["s2"], ["o2"])], "body",
    [info("s", F, [3]), info("a", F, [3]), info("b", F, [3])],
    [info("s2", F, [3]), info("o1", F, [3]), info("o2", F, [3])])
scan = node("Scan", ["s", "x", "z"], ["so", "y1", "y2"], body=step, num_scan_inputs=2, scan_input_axes=[1, -1],
            scan_input_directions=[0, 1], scan_output_axes=[1, 0], scan_output_directions=[0, 1])
z = x + 100
total = np.cumsum(x + z[:, ::-1], axis=1) + 1
expect("scan_axes_directions", helper.make_graph([scan], "g", [info("s", F, [3]), info("x", F, [3, "n"]), info("z", F, [3, "n"])],
                                                 [info("so", F, [3]), info("y1", F, [3, "n"]), info("y2", F, ["n", 3])]),
       [np.ones(3, f32), x, z], [total[:, -1], total, total.T[::-1].copy()], opset=11)
step8 = helper.make_graph([node("Add", ["s", "a"], ["s2"]), node("Identity", ["s2"], ["o"])], "body",
                          [info("s", F, [2]), info("a", F, [2])], [info("s2", F, [2]), info("o", F, [2])])
x8 = rng.standard_normal((2, 3, 2)).astype(f32)
s8 = rng.standard_normal((2, 2)).astype(f32)
y8 = np.cumsum(x8, 1) + s8[:, None]
io8 = ([info("s", F, [2, 2]), info("x", F, [2, 3, 2])], [info("so", F, [2, 2]), info("y", F, [2, 3, 2])])
expect("scan_opset8", helper.make_graph([node("Scan", ["", "s", "x"], ["so", "y"], body=step8, num_scan_inputs=1)], "g", *io8),
       [s8, x8], [y8[:, -1], y8], opset=8)
r8 = np.cumsum(x8[:, ::-1], 1) + s8[:, None]
expect("scan_opset8_backward",
       helper.make_graph([node("Scan", ["", "s", "x"], ["so", "y"], body=step8, num_scan_inputs=1, directions=[1])], "g", *io8),
       [s8, x8], [r8[:, -1], r8], opset=8)
l8 = y8.copy()
l8[1, 1:] = 0
expect("scan_opset8_lengths",
       helper.make_graph([node("Scan", ["l", "s", "x"], ["so", "y"], body=step8, num_scan_inputs=1)], "g",
                         [info("l", I64, [2]), *io8[0]], io8[1]),
       [ints(3, 1), s8, x8], [np.stack([y8[0, 2], y8[1, 0]]), l8], opset=8)
add_one = helper.make_graph([const("one", f32(1)), node("Add", ["e", "one"], ["e2"]), node("Shape", ["other"], ["sh"])], "body",
                            [info("e", F, None), info("other", F, None)], [info("e2", F, None), info("sh", I64, None)])
expect("sequence_map_two_outputs", node("SequenceMap", ["s", "x"], ["y", "z"], body=add_one), [[x, x[:1]], x],
       [[x + 1, x[:1] + 1], [ints(3, 4), ints(3, 4)]])

# ---- random: shapes and types are compared ----

expect("random_uniform_half", node("RandomUniform", [], ["y"], shape=[2, 3], dtype=TensorProto.FLOAT16), [],
       [np.zeros((2, 3), np.float16)])
expect("random_normal_like_int", node("RandomNormalLike", ["x"], ["y"], dtype=D), [ints(1, 2)], [np.zeros(2)])
expect("random_normal", node("RandomNormal", [], ["y"], shape=[4], seed=3.0), [], [np.zeros(4, f32)])
expect("bernoulli_int64", node("Bernoulli", ["x"], ["y"], dtype=I64), [np.array([0.5, 1], f32)], [ints(0, 1)])
expect("multinomial", node("Multinomial", ["x"], ["y"], sample_size=5, dtype=I64), [np.zeros((2, 3), f32)],
       [np.zeros((2, 5), np.int64)])
# a probability of zero or one leaves nothing to chance
expect("bernoulli_certain", helper.make_graph(
    [node("Bernoulli", ["x"], ["r"], dtype=I64), node("Identity", ["r"], ["y"])], "g", [info("x", F, [2])], [info("y", I64, [2])]),
    [np.array([0, 1], f32)], [ints(0, 1)])
