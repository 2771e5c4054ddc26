"""Time the import, the first fit of a process, and the very first fit, compiled code not kept.

Every figure is the median of new processes, taken in turns.
"""

import os
import statistics
import subprocess
import sys
import tempfile

TIMED = """
import time
begin = time.perf_counter()
{code}
print(time.perf_counter() - begin)
"""
DATA = """
import numpy as np
import sklearn.linear_model
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 5))
y = X.sum(axis=1) + rng.normal(size=200)
"""
FIT = "from sklearn_robust import RobustRegressor\nRobustRegressor(random_state=0).fit(X, y)"


def run(code, before="", **environment):
    """Return the seconds that code takes in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", before + TIMED.format(code=code)],
        env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout)


def medians(tasks, repeats):
    times = [[run(*task) for task in tasks] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main():
    ours, theirs = medians([("import sklearn_robust",), ("import sklearn.linear_model",)], 9)
    print(f"import: {ours:.2f} s, {ours / theirs:.2f} x sklearn.linear_model")
    run(FIT, DATA)
    first, numba = medians([(FIT, DATA), ("import numba", DATA)], 9)
    print(f"first fit, compiled before: {first:.2f} s, {first / numba:.2f} x import numba")
    with tempfile.TemporaryDirectory() as empty:
        print(f"very first fit: {run(FIT, DATA, NUMBA_CACHE_DIR=empty):.1f} s")


if __name__ == "__main__":
    main()
