"""
Blocks of a table that is larger than memory
============================================

Measurements of twelve months lie in twelve blocks, of which no machine needs to hold more than one.
In one month a device was set to another unit, and in the others some rows are wrong. The table here
is small and simulated, so that the example runs anywhere. It needs matplotlib, pandas and Dask.
"""

# %%
# A block is made when it is needed, just as a Parquet file would be read.

import dask.dataframe as dd
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sklearn_robust.dask import DaskRobustRegressor

COLUMNS = ["temperature", "humidity", "wind"]
EFFECTS = np.array([2.0, -1.0, 0.5])


def month(number):
    """Return 20 000 measurements of a month."""
    rng = np.random.default_rng(number)
    rows = pd.DataFrame(rng.normal(size=(20_000, 3)), columns=COLUMNS)
    ozone = 10.0 + rows.to_numpy() @ EFFECTS + rng.normal(size=len(rows))
    ozone[rng.uniform(size=len(rows)) < 0.02] = 0.0  # the device was off
    if number == 7:
        ozone *= 2.0  # another unit
    return rows.assign(ozone=ozone, month=float(number))


table = dd.from_map(month, range(1, 13))
table

# %%
# The fit reads all blocks a few times. Only sums and a sample of the rows leave a block.

model = DaskRobustRegressor(random_state=0).fit(table[COLUMNS], table["ozone"])
print(f"read {model.n_passes_} times; coefficients {model.coef_.round(3)}")

# %%
# Which month is wrong? ``to_local`` returns the fit without Dask, to use in a block, to save or to
# serve. A residual beyond four sigma counts as wrong here.

local = model.to_local()


def count(rows):
    """Return the month of a block, and the share of its rows that are wrong."""
    residual = rows["ozone"] - local.predict(rows[COLUMNS])
    share = (residual.abs() > 4.0 * local.sigma_).mean()
    return pd.DataFrame({"month": rows["month"].iloc[:1], "wrong": share})


wrong = table.map_partitions(count, meta={"month": float, "wrong": float}).compute()
figure, ax = plt.subplots(figsize=(8, 4), layout="constrained")
colours = ["#d55e00" if share > 0.5 else "#0072b2" for share in wrong["wrong"]]
ax.bar(wrong["month"], 100.0 * wrong["wrong"], color=colours)
ax.set(xlabel="month", ylabel="rows over 4 sigma off, %", xticks=range(1, 13))
ax.set_title("In the seventh month the device was set to another unit")

# %%
# For comparison, least squares: the same estimator with the shape 2.

squares = DaskRobustRegressor(2.0).fit(table[COLUMNS], table["ozone"])
for name, fit in {"least squares": squares, "robust": model}.items():
    print(f"{name:14} largest error of a coefficient {np.abs(fit.coef_ - EFFECTS).max():.4f}")
plt.show()
