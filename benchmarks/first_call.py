"""Time the import, the first fit of a process, and the very first fit, compiled code not kept.

    python benchmarks/first_call.py [TREE]

Every figure is the median of new processes, taken in turns. With another tree of the package, as
``git archive COMMIT | tar -x -C TREE`` makes, very first fits are compared with those of that tree.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TIMED = """
import time
begin, used = time.perf_counter(), time.process_time()
{code}
print(time.perf_counter() - begin, time.process_time() - used)
"""
DATA = """
import numpy as np
import sklearn.linear_model
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 5))
y = X.sum(axis=1) + rng.normal(size=200)
"""
FIT = "from sklearn_robust import {0}\n{1}.fit(X, y)"
FITS = {
    "RobustRegressor()": FIT.format("RobustRegressor", "RobustRegressor(random_state=0)"),
    "AdaptiveRobustRegressor()": FIT.format(
        "AdaptiveRobustRegressor", "AdaptiveRobustRegressor(random_state=0)"
    ),
    "RobustRegressor(1.0)": FIT.format("RobustRegressor", "RobustRegressor(1.0)"),
}
HERE = str(Path(__file__).parents[1])
TURNS = 3
"""Very first fits of each kind, of each tree."""


def run(code, before="", **environment):
    """Return the seconds that code takes in a process of its own, and those of the processor."""
    done = subprocess.run(
        # -P: Python would look for the package in the working folder before PYTHONPATH.
        [sys.executable, "-P", "-c", before + TIMED.format(code=code)],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    wall, used = map(float, done.stdout.split())
    return wall, used


def medians(tasks, repeats):
    times = [[run(*task)[0] for task in tasks] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def very_first(code, tree):
    """Return what a fit takes where nothing is kept."""
    with tempfile.TemporaryDirectory() as empty:
        return run(code, DATA, NUMBA_CACHE_DIR=empty, PYTHONPATH=tree)


def main():
    ours, theirs = medians([("import sklearn_robust",), ("import sklearn.linear_model",)], 9)
    print(f"import: {ours:.2f} s, {ours / theirs:.2f} x sklearn.linear_model")
    default = FITS["RobustRegressor()"]
    run(default, DATA)
    first, numba = medians([(default, DATA), ("import numba", DATA)], 9)
    print(f"first fit, compiled before: {first:.2f} s, {first / numba:.2f} x import numba")
    trees = [HERE, *map(os.path.abspath, sys.argv[1:])]
    for name, code in FITS.items():
        turns = [[very_first(code, tree) for tree in trees] for _ in range(TURNS)]
        walls, used = ([statistics.median(t) for t in zip(*of, strict=True)] for of in (
            [[wall for wall, _ in turn] for turn in turns],
            [[own for _, own in turn] for turn in turns],
        ))  # fmt: skip
        line = f"very first fit of {name}: {walls[0]:.1f} s, of the processor {used[0]:.1f}"
        if len(trees) > 1:
            line += f"; {walls[0] / walls[1]:.2f} and {used[0] / used[1]:.2f} x {sys.argv[1]}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
