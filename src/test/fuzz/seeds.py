#!/usr/bin/env python3
"""Writes the first inputs of every fuzz target: seeds.py DIRECTORY makes DIRECTORY/<target>/<number>.

A target that has no function here starts from nothing.
"""

import os
import struct
import sys


def tensor_text():
    return [
        b"1", b"[]", b"[[1,2],[3,4]]", b"int64:[1,-2]", b"float(0,3):[]", b"[NaN,Infinity,-Infinity,1e-7,.5]",
        b'string:["a","\\u00e4\\n",""]', b"bool:[true,false]", b"complex64:[[1,2],[3,4]]", b"double precision:[0.1]",
        b"float16:[65504,6e-08]", b"bfloat16:[1.01]", b"float8e4m3fn:[448,NaN]", b"float8e8m0:[1,2]", b"float4e2m1:[-6,0.5]",
        b"uint64:18446744073709551615", b"int4:[-8,7]", b"uint2:3", b"[[[[[[[[1]]]]]]]]", b"int8:[1e2,-128]",
        b"[123456789.123456789,9007199254740993,3.4e38]", b"string:[[\"1.5\",\"inf\"],[\" 2 \",\"true\"]]",
    ]


def packed(kind, dims, data):
    return struct.pack("<4BI", 1, kind, len(dims), 0, 0) + struct.pack(f"<{len(dims)}q", *dims) + data


def strings(*texts):
    return struct.pack(f"<{len(texts)}q", *map(len, texts)) + b"".join(texts)


def tensor_pack():
    return [
        packed(1, [], struct.pack("<f", 1.5)), packed(1, [2, 2], struct.pack("<4f", 1, 2, 3, 4)), packed(1, [0, 3], b""),
        packed(7, [2], struct.pack("<2q", 1, -2)), packed(9, [2], b"\1\0"), packed(8, [3], strings(b"a", b"", "ä".encode())),
        packed(22, [2], b"\xf8\x07"), packed(15, [1], struct.pack("<2d", 1, 2)), packed(10, [1], b"\0\x3c"), packed(24, [1], b"\x7f"),
        packed(23, [2], b"\x0f\x01"), packed(26, [2], b"\xfe\x01"), packed(8, [], strings(b'"\\\n')), packed(11, [1] * 16, b"\0" * 8),
    ]


def json():
    texts = [
        b"[[1,2.5],[-3,1e-07]]", b'[1,"NaN","Infinity","-Infinity"]', b"[1,-2,9223372036854775807]", b'["a","\\ud83d\\ude00\\n"]',
        b"[true,false]", b'[[1,2],["NaN",-1]]', b'{"1":0.5,"-7":"NaN"}', b'{"a":1,"":2}', b'[{"0":1},{"0":2,"1":3}]', b"null",
        b'["x",["y","z"],[]]', b'{"a":[1,{"b":null}],"c":{"d":true}}', b'{"x":[1,2],"m":{"1":2},"o":null}', b"[[],[]]", b"15",
    ]
    return [bytes([what]) + text for what in range(15) for text in texts]


def image_open():
    return [bytes([model, 0, place, value]) for model in range(6) for place in (0, 3) for value in (0, 255)]


def main():
    for target in (tensor_text, tensor_pack, json, image_open):
        folder = os.path.join(sys.argv[1], target.__name__)
        os.makedirs(folder, exist_ok=True)
        for number, seed in enumerate(target()):
            with open(os.path.join(folder, f"{number:03}"), "wb") as file:
                file.write(seed)


main()
