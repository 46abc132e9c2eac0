"""Ours beside onnxruntime: the same process, the same inputs, interleaved rounds, medians and spread.

    python bench.py LIBRARY MODELS [--threads 1,2] [--only NAME] [--rounds 7] [--seconds 0.4] [--cpu-time]

Each round times a burst of calls of one engine, then of the other; the figure is the median over rounds of the time
of one call, the spread half the distance between the quartiles.  Outputs are compared first: a benchmark of wrong
answers is worth nothing.

With several threads both engines are left alone before each burst: onnxruntime's threads look for work for about 0.1 s
after a call before they sleep, and would take a core from whoever comes next in the same process.

--cpu-time counts the calling thread's processor time instead of the clock's, for a first look on a machine that is busy
with other things; figures that are published come from the clock.
"""
import argparse
import ctypes
import math
import os
import statistics
import time

import numpy as np
import onnxruntime as ort

import models

TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}


class Ours:
    def __init__(self, lib, path):
        self.lib, self.handle = lib, lib.bench_load(path.encode())

    def prepare(self, feed, threads):
        (x,) = feed.values()
        self.x = np.ascontiguousarray(x)
        self.args = (self.handle, TYPES[x.dtype], x.ndim, (ctypes.c_int64 * x.ndim)(*x.shape),
                     self.x.ctypes.data_as(ctypes.c_void_p), threads)

    def run(self):
        if self.lib.bench_run(*self.args, None) < 0:
            raise RuntimeError("our engine failed")

    def output(self, like):
        y = np.empty(like.shape, np.float32)
        n = self.lib.bench_run(*self.args, y.ctypes.data_as(ctypes.c_void_p))
        assert n == y.size, (n, y.shape)
        return y


class Theirs:
    def __init__(self, path, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def prepare(self, feed):
        # bound buffers, as a careful C program would have them: no conversion of Python objects in the loop
        self.binding = self.session.io_binding()
        for name, array in feed.items():
            self.binding.bind_cpu_input(name, array)
        for output in self.session.get_outputs():
            self.binding.bind_output(output.name)
        self.feed = feed

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def output(self):
        return self.session.run(None, self.feed)[0]


clock = time.perf_counter


REST = 0.25  # seconds


def burst(fn, calls):
    start = clock()
    for _ in range(calls):
        fn()
    return (clock() - start) / calls


def calls_for(fn, seconds):
    one = min(burst(fn, 1) for _ in range(2))
    return max(1, int(seconds / max(one, 1e-7)))


def empty_call(lib):
    """What ctypes itself costs a call; taken off ours, as Theirs.run pays its own binding."""
    fn = lib.bench_version
    return min(burst(fn, 20000) for _ in range(5))


def unit(seconds):
    for scale, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {name}"
    return f"{seconds / 1e-9:.3g} ns"


def spread(samples):
    q = statistics.quantiles(samples, n=4)
    return 100 * (q[2] - q[0]) / 2 / statistics.median(samples)


def machine_limit(threads):
    """float32 matrix product by numpy's OpenBLAS is not the limit: a register-blocked fma loop would be.  We give the
    best product of onnxruntime (1536 cubed), which is the fastest thing on this machine that is not ours."""
    from onnx import TensorProto as T
    from onnx import helper as h
    n = 1536
    graph = h.make_graph([h.make_node("MatMul", ["a", "b"], ["c"])], "g",
                         [h.make_tensor_value_info(k, T.FLOAT, [n, n]) for k in "ab"],
                         [h.make_tensor_value_info("c", T.FLOAT, [n, n])])
    path = "/tmp/maas-bench-matmul.onnx"
    import onnx
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)
    theirs = Theirs(path, threads)
    rng = np.random.default_rng(0)
    theirs.prepare({k: rng.standard_normal((n, n)).astype(np.float32) for k in "ab"})
    theirs.run()
    return 2 * n**3 / min(burst(theirs.run, 2) for _ in range(7))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("library")
    parser.add_argument("models")
    parser.add_argument("--threads", default="1,%d" % os.cpu_count())
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.4)
    parser.add_argument("--cpu-time", action="store_true", help="one thread only")
    args = parser.parse_args()
    if args.cpu_time:
        global clock
        clock, args.threads = time.thread_time, "1"
    lib = ctypes.CDLL(args.library)
    lib.bench_load.restype = lib.bench_version.restype = ctypes.c_void_p
    lib.bench_run.restype = ctypes.c_int64
    lib.bench_run.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p,
                              ctypes.c_int, ctypes.c_void_p]
    lib.bench_flops.restype = ctypes.c_double
    lib.bench_flops.argtypes = [ctypes.c_void_p]
    models.main(args.models)
    cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "?")
    print(f"{cpu}, {os.cpu_count()} cores; onnxruntime {ort.__version__}; {ctypes.string_at(lib.bench_version()).decode()}")
    overhead = empty_call(lib)
    for threads in map(int, args.threads.split(",")):
        limit = machine_limit(threads)
        print(f"\n{threads} thread{'s' if threads > 1 else ''}; largest product {limit / 1e9:.0f} GFLOP/s")
        print(f"{'model':16} {'batch':>7} {'ours':>9} {'+-%':>5} {'onnxruntime':>12} {'+-%':>5} {'ratio':>6} {'of limit':>9}")
        ratios = []
        for name, (_, make, batches) in models.MODELS.items():
            if args.only not in name:
                continue
            path = os.path.join(args.models, name + ".onnx")
            ours, theirs = Ours(lib, path), Theirs(path, threads)
            for batch in batches:
                feed = make(np.random.default_rng(batch), batch)
                ours.prepare(feed, threads)
                theirs.prepare(feed)
                want = theirs.output()
                got = ours.output(want)
                error = np.abs(got - want).max() / max(np.abs(want).max(), 1e-30)
                n_ours, n_theirs = calls_for(ours.run, args.seconds), calls_for(theirs.run, args.seconds)
                a, b = [], []
                rest = REST if threads > 1 else 0
                for _ in range(args.rounds):
                    time.sleep(rest)
                    a.append(burst(ours.run, n_ours) - overhead)
                    time.sleep(rest)
                    b.append(burst(theirs.run, n_theirs))
                ta, tb = statistics.median(a), statistics.median(b)
                flops = lib.bench_flops(ours.handle) * batch * (feed["ids"].shape[1] if "ids" in feed else 1)
                share = "" if name.startswith("trees") else f"{100 * flops / ta / limit:.0f} %"
                line = (f"{name:16} {batch:7} {unit(ta):>9} {spread(a):5.1f} {unit(tb):>12} {spread(b):5.1f} {tb / ta:6.2f} {share:>9}"
                        + (f"   WRONG by {error:.1e}" if error > 1e-4 else ""))
                print(line.rstrip(), flush=True)
                ratios.append(tb / ta)
        if ratios:
            print(f"geometric mean of the ratios {math.exp(statistics.mean(map(math.log, ratios))):.2f}, "
                  f"slower in {sum(r < 1 for r in ratios)} of {len(ratios)}")


if __name__ == "__main__":
    main()
