"""What one copy of the weights costs and saves: memory of many connections, the first prediction of each.

    python cache.py MODEL.onnx [connections]

MODEL.onnx: the encoder of models.py (ids of shape [N,S]).  Needs a running server that psql finds as a superuser
(eval "$(tools/server env)"), whose processes this user may look into (/proc/PID), and nothing but the standard
library.  Makes and drops the database maas_bench_cache.  Beside the wall clock stands the processor time of the
backend, which other work on the machine disturbs less.
"""
import os
import statistics
import subprocess
import sys
import time

DATABASE = "maas_bench_cache"
PREDICT = ("SELECT sum(e) FROM unnest((maas_predict('m', (SELECT maas_tensor(array_agg((i * 7) % 1000)::bigint[])"
           " FROM generate_series(1, 128) i))::real[])) e;")


class Session:
    """A psql that stays."""

    def __init__(self, database=DATABASE):
        self.psql = subprocess.Popen(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database], text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)
        self.pid = int(self.ask("SELECT pg_backend_pid();"))

    def ask(self, query):
        self.psql.stdin.write(query + "\n\\echo done\n")
        self.psql.stdin.flush()
        lines = []
        for line in self.psql.stdout:
            if line == "done\n":
                return "\n".join(lines)
            lines.append(line.rstrip("\n"))
        raise SystemExit("the session ended in: " + query)

    def timed(self, query):
        """Milliseconds on the wall clock and on the processor."""
        before, start = self.cpu(), time.perf_counter()
        self.ask(query)
        return (time.perf_counter() - start) * 1e3, self.cpu() - before

    def cpu(self):
        with open(f"/proc/{self.pid}/schedstat") as file:
            return int(file.read().split()[0]) / 1e6

    def private(self):
        """Bytes that no other process shares."""
        total = 0
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith(("Private_Dirty:", "Private_Clean:", "Private_Hugetlb:")):
                    total += int(line.split()[1]) * 1024
        return total

    def maps_image(self):
        with open(f"/proc/{self.pid}/maps") as file:
            return "pgsql_tmp_maas" in file.read()

    def close(self):
        self.psql.stdin.close()
        self.psql.wait()


def sql(query, database=DATABASE):
    return subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", query], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def show(what, *values):
    print(f"{what:<64}" + "".join(f"{value:>12}" for value in values))


def image(folder):
    names = [name for name in os.listdir(folder) if not name.startswith("building.")]
    return [os.path.join(folder, name) for name in names]


def main(path, connections=50):
    sql(f"DROP DATABASE IF EXISTS {DATABASE}", "postgres")
    sql(f"CREATE DATABASE {DATABASE}", "postgres")
    sql("CREATE EXTENSION maas")
    folder = sql("SHOW data_directory") + "/base/pgsql_tmp/pgsql_tmp_maas"
    loader = Session()
    show(f"model of {os.path.getsize(path) / 1e6:.0f} MB", "wall", "processor")
    wall, cpu = loader.timed(f"SELECT maas_load_file('m', '{os.path.abspath(path)}');")
    show("maas_load_file", f"{wall:.0f} ms", f"{cpu:.0f} ms")
    loader.close()
    sha256 = sql("SELECT encode(sha256, 'hex') FROM maas.versions")
    first, second, cold = [], [], []
    for _ in range(5):  # prepared anew
        for file in image(folder):
            if sha256 in file:
                os.unlink(file)
        session = Session()
        a, b = session.timed(PREDICT), session.timed(PREDICT)
        cold.append((a[0] - b[0], a[1] - b[1]))
        session.close()
    show("preparing it, best of 5: first prediction less the second", *(f"{min(c[i] for c in cold):.0f} ms" for i in (0, 1)))
    for _ in range(15):
        session = Session()
        first.append(session.timed(PREDICT))
        second.append(session.timed(PREDICT))
        session.close()
    for name, pick in (("best", min), ("median", statistics.median)):
        show(f"first prediction of a connection, {name} of 15", *(f"{pick(t[i] for t in first):.1f} ms" for i in (0, 1)))
        show(f"its second, {name} of 15", *(f"{pick(t[i] for t in second):.1f} ms" for i in (0, 1)))

    sessions = [Session() for _ in range(connections)]
    for session in sessions:
        session.ask("SELECT 1;")
    idle = [session.private() for session in sessions]
    for session in sessions:
        session.ask(PREDICT)
    used = [session.private() for session in sessions]
    more = [(b - a) / 2**20 for a, b in zip(idle, used)]
    show(f"private memory of {connections} connections that have predicted, over idle", "median", "largest")
    show("", f"{statistics.median(more):.2f} MB", f"{max(more):.2f} MB")

    sql("SELECT maas_drop('m')")
    left = [file for file in image(folder) if sha256 in file]
    for session in sessions[1:]:
        session.ask("SELECT 1;")
    mapped = sum(session.maps_image() for session in sessions[1:])
    show("dropped: files left, mappings left after one more transaction", len(left), mapped)
    start = time.time()
    while sessions[0].maps_image() and time.time() < start + 20:
        time.sleep(0.1)
    show("... and mappings of a session that only waits", int(sessions[0].maps_image()))
    for session in sessions:
        session.close()
    sql(f"DROP DATABASE {DATABASE}", "postgres")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
