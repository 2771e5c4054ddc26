"""Time default fits in units of one sum over X, as rows and columns grow and layouts change.

A sum reads X once and does nothing else: it is what no fit can fall below. All ratios are medians
of interleaved repeats in one run.
"""

import argparse
import statistics
import time

import numpy as np
from fit import make_data

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

GROWTH = [
    (25_000, 20), (100_000, 20), (400_000, 20), (1_600_000, 20),
    (100_000, 5), (100_000, 80), (100_000, 160),
]  # fmt: skip
LAYOUT = (400_000, 20)


def seconds(task):
    begin = time.perf_counter()
    task()
    return time.perf_counter() - begin


def medians(tasks, repeats):
    """Return the median seconds of tasks that take turns."""
    for task in tasks.values():
        task()
    times = {name: [] for name in tasks}
    for _ in range(repeats):
        for name, task in tasks.items():
            times[name].append(seconds(task))
    return {name: statistics.median(values) for name, values in times.items()}


def models():
    return {
        "RobustRegressor()": RobustRegressor(random_state=0),
        "AdaptiveRobustRegressor()": AdaptiveRobustRegressor(random_state=0),
    }


def growth(repeats):
    print("whole fits in units of X.sum()")
    for n, p in GROWTH:
        X, y = make_data(n, p)
        tasks = {"sum": X.sum}
        for name, model in models().items():
            tasks[name] = lambda model=model, X=X, y=y: model.fit(X, y)
        took = medians(tasks, repeats)
        units = "  ".join(f"{name} {took[name] / took['sum']:6.1f}" for name in models())
        print(f"{n:>9} x {p:<4} sum {1e3 * took['sum']:7.2f} ms  {units}", flush=True)


def layouts(repeats):
    n, p = LAYOUT
    X, y = make_data(n, p)
    kinds = {"row-major": X, "column-major": np.asfortranarray(X), "float32": X.astype(np.float32)}
    try:
        import pandas as pd

        kinds["DataFrame"] = pd.DataFrame(X, columns=[f"x{j}" for j in range(p)])
    except ImportError:
        pass
    print(f"\nother layouts over row-major float64, {n} x {p}")
    for name, model in models().items():
        tasks = {kind: lambda model=model, Z=Z: model.fit(Z, y) for kind, Z in kinds.items()}
        took = medians(tasks, repeats)
        ratios = "  ".join(f"{kind} {took[kind] / took['row-major']:.2f}" for kind in kinds)
        print(f"{name:>26} {ratios}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    growth(repeats)
    layouts(repeats)


if __name__ == "__main__":
    main()
