#!/usr/bin/env python3
"""Writes the cases below src/test/cases: cases.py [FAMILY ...].  Needs onnx and numpy, for ml.py onnxruntime too."""

import glob
import importlib.util
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import case_writer  # noqa: E402

for path in sorted(glob.glob(os.path.join(HERE, "cases", "*.py"))):
    family = os.path.basename(path)[:-3]
    if len(sys.argv) > 1 and family not in sys.argv[1:]:
        continue
    case_writer.start_family(family)
    spec = importlib.util.spec_from_file_location("cases_" + family, path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
