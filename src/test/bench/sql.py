"""Scoring a table in the database, beside what a user would do instead.

    eval "$(tools/server env)"; python sql.py MODELS [--rows 1000000] [--rounds 5] [--only WORD]

The table has a million rows of real[30]; the model is the first of the benchmark's (models.py, mlp-30).  Measured are
the server's own statements (one process, two parallel workers, batching off), onnxruntime in a bare loop over an array
in memory at batch 1,024, a PL/Python function that calls onnxruntime for each row, and a client that fetches the rows,
runs onnxruntime in batches and writes the answers back.  Rounds are interleaved; the figure is the median, the spread
half the distance between the quartiles.

Needs psycopg2 and onnxruntime (requirements.txt), and postgresql-plpython3 of the server's version; what is missing is
left out and said so.  PL/Python takes onnxruntime from this program's own packages, so its Python must be of the same
version and the server's user must be able to read them.
"""
import argparse
import io
import itertools
import os
import statistics
import sys
import time

import numpy as np
import onnxruntime as ort
import psycopg2

import models

FEATURES = 30
CHEAP_PARALLEL = ("parallel_setup_cost = 0", "parallel_tuple_cost = 0", "min_parallel_table_scan_size = 0")


def connect(database):
    connection = psycopg2.connect(dbname=database)
    connection.autocommit = True
    return connection


def copy_bytes(ids, x):
    """The rows (id bigint, x real[]) in COPY's binary format."""
    n, width = x.shape
    row = np.zeros(n, np.dtype([("fields", ">i2"), ("id_len", ">i4"), ("id", ">i8"), ("x_len", ">i4"), ("ndim", ">i4"),
                                ("nulls", ">i4"), ("oid", ">i4"), ("dim", ">i4"), ("lower", ">i4"),
                                ("x", np.dtype([("len", ">i4"), ("value", ">f4")]), width)]))
    row["fields"], row["id_len"], row["id"], row["x_len"] = 2, 8, ids, 20 + 8 * width
    row["ndim"], row["oid"], row["dim"], row["lower"] = 1, 700, width, 1
    row["x"]["len"], row["x"]["value"] = 4, x
    return b"PGCOPY\n\xff\r\n\0" + bytes(8) + row.tobytes() + b"\xff\xff"


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Bench:
    def __init__(self, path, rows):
        self.path, self.rows = path, rows
        admin = connect("postgres")
        with admin.cursor() as cur:
            cur.execute("DROP DATABASE IF EXISTS maas_bench")
            cur.execute("CREATE DATABASE maas_bench")
        admin.close()
        self.x = np.random.default_rng(0).standard_normal((rows, FEATURES)).astype(np.float32)
        self.session = session(path)
        self.db = connect("maas_bench")
        with self.db.cursor() as cur, open(path, "rb") as model:
            cur.execute("CREATE EXTENSION maas")
            cur.execute("SELECT maas_load('mlp', %s, labels => '{no,yes}')", (model.read(),))
            cur.execute("CREATE TABLE t (id bigint, x real[]) WITH (parallel_workers = 2)")
            cur.copy_expert("COPY t FROM STDIN (FORMAT binary)", io.BytesIO(copy_bytes(np.arange(rows), self.x)))
            cur.execute("VACUUM (ANALYZE, FREEZE) t")
        self.plpython = self.make_plpython()

    def make_plpython(self):
        """A function as users write it: the session is kept, each row is a call.  In a connection of its own: what a
        session has loaded, each of its parallel workers loads again."""
        self.python_db = connect("maas_bench")
        with self.python_db.cursor() as cur:
            try:
                cur.execute("CREATE EXTENSION plpython3u")
                cur.execute(f"""CREATE FUNCTION py_score(x real[]) RETURNS float8 LANGUAGE plpython3u AS $$
if 'session' not in SD:
    import sys
    sys.path[:0] = {[p for p in sys.path if p.endswith("site-packages")]!r}
    import numpy, onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    SD['numpy'] = numpy
    SD['session'] = onnxruntime.InferenceSession({os.path.abspath(self.path)!r}, options)
y = SD['session'].run(None, {{'x': SD['numpy'].array([x], dtype='float32')}})[0]
return float(y[0][1])
$$""")
                cur.execute("SELECT py_score(x) FROM t LIMIT 1")
                return True
            except psycopg2.Error as error:
                print(f"no PL/Python: {str(error).splitlines()[0]}", file=sys.stderr)
                return False

    def query(self, sql, *settings, db=None):
        with (db or self.db).cursor() as cur:
            for setting in settings:
                cur.execute("SET " + setting)
            start = time.perf_counter()
            cur.execute(sql)
            cur.fetchall() if cur.description else None
            return time.perf_counter() - start

    # ---- what is measured: each returns seconds and the number of rows ----

    def settled(self, measure):
        """The least of three in a row: a machine takes a while to settle after what was measured before."""
        return min(measure() for _ in range(3)), self.rows

    def bare(self):
        name = self.session.get_inputs()[0].name
        binding = self.session.io_binding()
        binding.bind_output(self.session.get_outputs()[0].name)
        rows = self.rows // 1024 * 1024  # a bound output has one shape

        def loop():
            start = time.perf_counter()
            for i in range(0, rows, 1024):
                binding.bind_cpu_input(name, self.x[i:i + 1024])
                self.session.run_with_iobinding(binding)
            return time.perf_counter() - start

        return self.settled(loop)[0], rows

    def scored(self, workers, batching):
        """In a session of its own: after a long statement, whichever, parallel ones of its session are slower here."""
        db = connect("maas_bench")
        settings = (f"max_parallel_workers_per_gather = {workers}", f"maas.batching = {batching}",
                    f"parallel_leader_participation = {'off' if workers else 'on'}", *CHEAP_PARALLEL)
        result = self.settled(lambda: self.query("SELECT sum(maas_score('mlp', x)) FROM t", *settings, db=db))
        db.close()
        return result

    def one(self):
        return self.scored(0, "on")

    def one_worker(self):
        with self.db.cursor() as cur:
            cur.execute("ALTER TABLE t SET (parallel_workers = 1)")
        result = self.scored(1, "on")
        with self.db.cursor() as cur:
            cur.execute("ALTER TABLE t SET (parallel_workers = 2)")
        return result

    def two_workers(self):
        return self.scored(2, "on")

    def unbatched(self):
        return self.scored(0, "off")

    def scan(self):
        return self.settled(lambda: self.query("SELECT sum(cardinality(x)) FROM t", "max_parallel_workers_per_gather = 0"))

    def python_rows(self):
        n = self.rows // 50
        return self.query(f"SELECT sum(py_score(x)) FROM (SELECT x FROM t LIMIT {n}) s",
                          "max_parallel_workers_per_gather = 0", db=self.python_db), n

    def written(self):
        self.query("DROP TABLE IF EXISTS answers")
        return self.query("CREATE TABLE answers AS SELECT id, maas_score('mlp', x) AS score FROM t",
                          "max_parallel_workers_per_gather = 0", "maas.batching = on"), self.rows

    def client(self):
        """Rows by a server-side cursor, 1,024 at a time, answers by COPY."""
        n = self.rows // 10
        self.query("DROP TABLE IF EXISTS answers")
        self.query("CREATE TABLE answers (id bigint, score float8)")
        name = self.session.get_inputs()[0].name
        reader = psycopg2.connect(dbname="maas_bench")
        start = time.perf_counter()
        with reader.cursor("rows") as cur, self.db.cursor() as writer:
            cur.itersize = 1024
            cur.execute(f"SELECT id, x FROM t LIMIT {n}")
            while rows := cur.fetchmany(1024):
                y = self.session.run(None, {name: np.array([r[1] for r in rows], np.float32)})[0]
                text = "".join(f"{r[0]}\t{s}\n" for r, s in zip(rows, y[:, 1].tolist()))
                writer.copy_expert("COPY answers FROM STDIN", io.StringIO(text))
        seconds = time.perf_counter() - start
        reader.close()
        return seconds, n

    def often(self, sql):
        """The least of several: such a query takes less than what may come between."""
        return min(self.query(sql, "max_parallel_workers_per_gather = 0") for _ in range(50))

    def limited(self):
        return self.often("SELECT maas_score('mlp', x) FROM t LIMIT 10"), 10

    def sixteen(self):
        return self.often("SELECT maas_score('mlp', x) FROM (SELECT x FROM t LIMIT 16) s"), 16


CASES = [
    ("onnxruntime, bare loop at batch 1,024", Bench.bare),
    ("sum(maas_score), one process", Bench.one),
    ("sum(maas_score), one parallel worker", Bench.one_worker),
    ("sum(maas_score), two parallel workers", Bench.two_workers),
    ("sum(maas_score), batching off", Bench.unbatched),
    ("the same scan without a model", Bench.scan),
    ("PL/Python, onnxruntime per row", Bench.python_rows),
    ("CREATE TABLE AS SELECT maas_score", Bench.written),
    ("client: fetch, onnxruntime, write back", Bench.client),
    ("LIMIT 10", Bench.limited),
    ("16 rows", Bench.sixteen),
]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models")
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    args = parser.parse_args()
    models.main(args.models)
    bench = Bench(os.path.join(args.models, "mlp-30.onnx"), args.rows)
    with bench.db.cursor() as cur:
        cur.execute("SELECT sum(maas_score('mlp', x)) FROM t")
        got = cur.fetchone()[0]
    name = bench.session.get_inputs()[0].name
    want = float(bench.session.run(None, {name: bench.x})[0][:, 1].astype(np.float64).sum())
    assert abs(got - want) < 1e-5 * abs(want), (got, want)
    cases = [(title, fn) for title, fn in CASES if args.only in title and (fn is not Bench.python_rows or bench.plpython)]
    for _, fn in cases:
        fn(bench)
    samples = {title: [] for title, _ in cases}
    for _, (title, fn) in itertools.product(range(args.rounds), cases):
        seconds, rows = fn(bench)
        samples[title].append(seconds / rows)
    print(f"{args.rows} rows of real[{FEATURES}], mlp-30; onnxruntime {ort.__version__}, PostgreSQL {bench.db.server_version // 10000}")
    print(f"{'':42} {'us a row':>10} {'+-%':>6} {'rows/s':>12}")
    for title, _ in cases:
        middle = statistics.median(samples[title])
        q = statistics.quantiles(samples[title], n=4)
        print(f"{title:42} {middle * 1e6:10.3f} {50 * (q[2] - q[0]) / middle:6.1f} {1 / middle:12.0f}")
    median = {fn: statistics.median(samples[title]) for title, fn in cases}
    for words, a, b, target in (
            ("one process of the bare loop's rate", Bench.bare, Bench.one, 0.7),
            ("two workers against one", Bench.one_worker, Bench.two_workers, 1.8),
            ("against PL/Python per row", Bench.python_rows, Bench.one, 10),
            ("against the client", Bench.client, Bench.written, 3)):
        if a in median and b in median:
            ratio = median[a] / median[b]
            print(f"{words}: {ratio:.2f} (target {target}{', missed' if ratio < target else ''})")
    if Bench.limited in median and Bench.sixteen in median:
        ratio = median[Bench.limited] * 10 / (median[Bench.sixteen] * 16)
        print(f"LIMIT 10 takes {ratio:.2f} of what 16 rows take (target at most 1{', missed' if ratio > 1.05 else ''})")


if __name__ == "__main__":
    main()
