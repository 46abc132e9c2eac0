"""Writes src/engine/text/category_table.inc: where the general category of code points changes.

    python3 src/test/gen/category_table.py > src/engine/text/category_table.inc

An entry is the first code point of a run, shifted left by 5, and the run's category as its place in `names`.  Those of
ASCII stand in a table of their own: they are looked up most.
"""
import unicodedata

names = ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po",
         "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"]
print("/* Made by src/test/gen/category_table.py from Unicode %s: do not edit. */" % unicodedata.unidata_version)
print("static const char category_names[][3] = {%s};" % ", ".join('"%s"' % n for n in names))
ascii_categories = ["%d," % names.index(unicodedata.category(chr(c))) for c in range(128)]
print("static const uint8_t ascii_categories[128] = {")
for at in range(0, 128, 26):
    print("    " + " ".join(ascii_categories[at:at + 26]))
print("};")
print("static const uint32_t category_runs[] = {")
row, last = "   ", None
for c in range(0x110000):
    category = names.index(unicodedata.category(chr(c)))
    if category != last:
        cell = " 0x%x," % (c << 5 | category)
        if len(row) + len(cell) > 114:
            print(row)
            row = "   "
        row += cell
        last = category
print(row)
print("};")
