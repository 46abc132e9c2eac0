"""Writes src/engine/text/case_table.inc: simple case mappings of Unicode as runs of equal distance.

    python3 src/test/gen/case_table.py > src/engine/text/case_table.inc
"""
import unicodedata


def runs(convert):
    pairs = []
    for c in range(128, 0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        to = convert(chr(c))
        if len(to) == 1 and ord(to) != c:
            pairs.append((c, ord(to) - c))
    out = []
    for c, delta in pairs:
        if out:
            low, high, step, d = out[-1]
            gap = c - high
            if d == delta and (gap == step or (low == high and gap <= 2)):
                out[-1] = (low, c, gap, d)
                continue
        out.append((c, c, 1, delta))
    return out


print("/* Made by src/test/gen/case_table.py from Unicode %s: do not edit. */" % unicodedata.unidata_version)
for name, convert in (("to_lower", str.lower), ("to_upper", str.upper)):
    print("static const CaseRun %s[] = {" % name)
    row = "   "
    for run in runs(convert):
        cell = " {0x%x, 0x%x, %d, %d}," % run
        if len(row) + len(cell) > 114:
            print(row)
            row = "   "
        row += cell
    print(row)
    print("};")
