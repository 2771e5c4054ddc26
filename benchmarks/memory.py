"""Measure the memory that a fit takes beside X, over the size of X.

Every fit runs in a process of its own, after a fit of few rows has loaded everything; what is
read is the peak of the resident memory. A mapped X is read before, so that its pages count not.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

CODE = """
import resource, sys
import numpy as np
from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

def resident():
    with open("/proc/self/statm") as pages:
        return int(pages.read().split()[1]) * resource.getpagesize()

model, kind, place = {model}, {kind!r}, {place!r}
rng = np.random.default_rng(0)
few = rng.normal(size=(30_000, 20))
model.fit(few, few[:, 0] + rng.normal(size=len(few)))
if kind == "mapped":
    X = np.load(place, mmap_mode="r")
    X.sum()
else:
    X = np.load(place)
    if kind == "column-major":
        X = np.asfortranarray(X)
y = X[:, 0] + rng.normal(size=len(X))
before = resident()
with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
model.fit(X, y)
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) * 1024
print((peak - before) / X.nbytes)
"""
MODELS = ("RobustRegressor(1.0)", "RobustRegressor()", "AdaptiveRobustRegressor()")
KINDS = ("row-major", "column-major", "mapped")


def main():
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "X.npy")
        np.save(place, np.random.default_rng(0).normal(size=(2_000_000, 20)))
        print("extra memory over the size of X, 2 000 000 x 20")
        for model in MODELS:
            for kind in KINDS:
                code = CODE.format(model=model, kind=kind, place=place)
                done = subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, text=True, check=True
                )
                print(f"{model:>26} {kind:>13} {float(done.stdout):6.3f}", flush=True)


if __name__ == "__main__":
    main()
