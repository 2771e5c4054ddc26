"""Time two commits of the project side by side: python benchmarks/two_commits.py OLD [NEW].

Each is unpacked into a folder of its own and fits in a process of its own; the processes take
turns, one fit each. NEW is the working tree where it is not given.
"""

import argparse
import io
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
WORKER = """
import sys, time, warnings
sys.path.insert(0, {folder!r})
sys.path.append({benchmarks!r})
warnings.simplefilter("ignore")
from fit import MODELS, make_data
problem = None
for line in sys.stdin:
    n, p, name = line.rstrip().split(" ", 2)
    if problem is None or problem[0] != (n, p):
        problem = (n, p), *make_data(int(n), int(p))
        for model in MODELS.values():
            model.fit(*problem[1:])
    begin = time.perf_counter()
    MODELS[name].fit(*problem[1:])
    print(time.perf_counter() - begin, flush=True)
"""
SIZES = [(200, 5), (1_000, 20), (10_000, 20), (100_000, 50)]


def unpacked(commit, folder):
    """Return a folder with the package as it was at a commit; the working tree at None."""
    if commit is None:
        return str(ROOT)
    archive = subprocess.run(
        ["git", "archive", commit, "sklearn_robust"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(Path(folder) / commit, filter="data")
    return str(Path(folder) / commit)


def worker(folder):
    code = WORKER.format(folder=folder, benchmarks=str(ROOT / "benchmarks"))
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ask(process, n, p, name):
    process.stdin.write(f"{n} {p} {name}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def main():
    from fit import MODELS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old")
    parser.add_argument("new", nargs="?")
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        old, new = (worker(unpacked(commit, folder)) for commit in (asked.old, asked.new))
        for n, p in SIZES:
            for name in MODELS:
                times = [(ask(old, n, p, name), ask(new, n, p, name)) for _ in range(asked.repeats)]
                before, after = (1e3 * statistics.median(t) for t in zip(*times, strict=True))
                ratio = statistics.median(b / a for a, b in times)
                print(
                    f"{n:>7} x {p:<3} {name:>20} {before:9.2f} ms {after:9.2f} ms"
                    f"  new / old {ratio:5.2f}", flush=True,
                )  # fmt: skip
        for process in (old, new):
            process.stdin.close()
            process.wait()


if __name__ == "__main__":
    main()
