#!/usr/bin/env python3
"""Writes src/test/engine/convert_table.inc: what numpy and ml_dtypes make of element type conversions.

Usage: convert_table.py > src/test/engine/convert_table.inc    (needs numpy and ml_dtypes)

The 8- and 4-bit floats: all values, and the codes of the inputs at which rounding decides.  All other pairs: what
numpy's astype gives for a few inputs of each type.  float16 and bfloat16 made of wide types: numpy goes through
float32 and rounds twice for some, so the expected value is computed from exact fractions.
"""
import warnings
from fractions import Fraction

import ml_dtypes
import numpy as np

warnings.simplefilter("ignore")

SMALL = [
    ("MAAS_FLOAT8E4M3FN", ml_dtypes.float8_e4m3fn),
    ("MAAS_FLOAT8E4M3FNUZ", ml_dtypes.float8_e4m3fnuz),
    ("MAAS_FLOAT8E5M2", ml_dtypes.float8_e5m2),
    ("MAAS_FLOAT8E5M2FNUZ", ml_dtypes.float8_e5m2fnuz),
    ("MAAS_FLOAT8E8M0", ml_dtypes.float8_e8m0fnu),
    ("MAAS_FLOAT4E2M1", ml_dtypes.float4_e2m1fn),
]


def bits32(x):
    return np.asarray(x, np.float32).view(np.uint32)


def rows(values, per_line, fmt):
    for i in range(0, len(values), per_line):
        print("    " + " ".join(fmt(v) + "," for v in values[i : i + per_line]))


def small_floats():
    print("static const SmallDecode small_decode[] = {")
    for name, dtype in SMALL:
        codes = np.arange(16 if dtype is ml_dtypes.float4_e2m1fn else 256, dtype=np.uint8)
        values = bits32(codes.view(dtype).astype(np.float32))
        for code, value in zip(codes, values):
            if not np.isnan(value.view(np.float32)) and code % 3 == 0 or code in (0x7C, 0x7E, 0x7F, 0x80, 0xFF):
                print(f"    {{{name}, 0x{code:02x}, 0x{value:08x}}},")
    print("};\n")

    print("static const SmallEncode small_encode[] = {")
    for name, dtype in SMALL:
        if dtype is ml_dtypes.float8_e8m0fnu:
            continue
        codes = np.arange(8 if dtype is ml_dtypes.float4_e2m1fn else 128, dtype=np.uint8)
        values = codes.view(dtype).astype(np.float32)
        values = np.sort(values[np.isfinite(values)])
        middles = (values[1:] + values[:-1]) / 2
        top = values[-1]
        inputs = np.concatenate([
            middles, np.nextafter(middles, np.float32(0)), np.nextafter(middles, np.float32(np.inf)),
            np.float32([top * 1.03, top * 1.06, top * 1.0626, top * 1.12, top * 1.13, top * 1.2, top * 2, 1e30, np.inf,
                        0, 1e-30, 1e-40, values[1] / 4]),
        ]).astype(np.float32)
        inputs = np.concatenate([inputs[::2], -inputs[1::2], [np.float32(np.nan)]]).astype(np.float32)
        limit = np.float32(ml_dtypes.finfo(dtype).max)
        plain = inputs.astype(dtype).view(np.uint8)
        saturated = np.clip(inputs, -limit, limit).astype(dtype).view(np.uint8)
        for x, s, p in zip(bits32(inputs), saturated, plain):
            print(f"    {{{name}, 0x{x:08x}, 0x{s:02x}, 0x{p:02x}}},")
    print("};\n")


TYPES = [
    ("MAAS_UINT8", np.uint8), ("MAAS_INT8", np.int8), ("MAAS_UINT16", np.uint16), ("MAAS_INT16", np.int16),
    ("MAAS_UINT32", np.uint32), ("MAAS_INT32", np.int32), ("MAAS_UINT64", np.uint64), ("MAAS_INT64", np.int64),
    ("MAAS_FLOAT16", np.float16), ("MAAS_BFLOAT16", ml_dtypes.bfloat16), ("MAAS_FLOAT", np.float32),
    ("MAAS_DOUBLE", np.float64), ("MAAS_BOOL", np.bool_), ("MAAS_INT4", ml_dtypes.int4),
    ("MAAS_UINT4", ml_dtypes.uint4), ("MAAS_INT2", ml_dtypes.int2), ("MAAS_UINT2", ml_dtypes.uint2),
]
INTS = [0, 1, 2, 3, 7, 9, 100, 127, 200, 255, 1000, 2049, 32767, 40000, 65519, 65520, 70000, 16777217, 2**31 - 1,
        2**32 - 1, 2**40 + 12345, 2**53 + 1, 2**63 - 1, 2**64 - 1, -1, -2, -8, -128, -129, -40000, -(2**31), -(2**63)]
REALS = [0.0, -0.0, 0.4, 0.5, 0.9, 1.5, 2.5, -0.7, -1.0, -1.9, 3.14159265358979, 127.5, 254.9, 1000.7, 65519.0, 65504.0,
         1e-5, 6e-8, 2e-8, 1e5, 1e9, -1e9, 1e38, float("inf"), float("-inf"), float("nan")]


def inputs_of(dtype):
    if dtype is np.bool_:
        return np.array([False, True])
    if dtype in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64):
        return np.array(REALS, np.float64).astype(dtype)
    info = ml_dtypes.iinfo(dtype)
    return np.array([v for v in INTS if int(info.min) <= v <= int(info.max)]).astype(dtype)


def nearest(value, dtype):
    """The value of a 16-bit type that is nearest to a finite number, ties to even."""
    mantissa, lowest, top = (10, -14, 65504) if dtype is np.float16 else (7, -126, Fraction(2) ** 127 * 255 / 128)
    exact = Fraction(value)
    if exact == 0:
        return dtype(value)
    exponent = lowest
    while abs(exact) >= Fraction(2) ** (exponent + 1):
        exponent += 1
    unit = Fraction(2) ** (exponent - mantissa)
    rounded = round(exact / unit) * unit
    if abs(rounded) > top:
        return dtype(np.inf if exact > 0 else -np.inf)
    return dtype(float(rounded))


def convert(x, dtype):
    if dtype in (np.float16, ml_dtypes.bfloat16) and x.dtype.kind in "iuf":
        return np.array([nearest(v.item(), dtype) if np.isfinite(v) else dtype(v) for v in x])
    try:
        return x.astype(dtype)
    except TypeError:  # between two small types
        return x.astype(np.int64).astype(dtype)


def is_defined(x, dtype):
    """Not where numpy leaves a float beyond a wide unsigned integer's range to the compiler."""
    if x.dtype.kind not in "fV" and x.dtype != ml_dtypes.bfloat16:
        return np.ones(len(x), bool)
    f = x.astype(np.float64)
    if dtype in (np.uint64, np.uint32):
        return np.isfinite(f) & (f > -(2.0**63)) & (f < (2.0**63))
    if x.dtype == ml_dtypes.bfloat16 and dtype not in (np.float16, np.float32, np.float64, np.bool_):
        return np.isfinite(f) & (np.abs(f) < 2.0**31)
    return np.ones(len(x), bool)


def pairs():
    lines = []
    print("static const char *const convert_table[] = {")
    for from_name, from_type in TYPES:
        for to_name, to_type in TYPES:
            if from_type is to_type:
                continue
            x = inputs_of(from_type)
            x = x[is_defined(x, to_type)]
            y = convert(x, to_type)
            if to_type in (np.float16, ml_dtypes.bfloat16, np.float32, np.float64):
                x, y = x[~np.isnan(y.astype(np.float64))], y[~np.isnan(y.astype(np.float64))]
            lines.append((from_name, to_name))
            print(f'    "{x.tobytes().hex()}",\n    "{y.tobytes().hex()}",')
    print("};\n")
    print("static const MaasType convert_pairs[][2] = {")
    rows(lines, 3, lambda p: f"{{{p[0]}, {p[1]}}}")
    print("};")


print("/* Generated by src/test/gen/convert_table.py with "
      f"numpy {np.__version__} and ml_dtypes {ml_dtypes.__version__}. */\n")
small_floats()
pairs()
