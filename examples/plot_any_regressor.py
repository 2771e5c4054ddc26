"""
Any regressor: meters that were read in another unit
====================================================

The table has the heat that 1500 houses used in a day, the temperature outside and the kind of
house. Heating stops at some temperature, so a plane does not fit. A fifth of the meters showed
megajoules in place of kilowatt hours, which makes the number 3.6 times as large, and nobody noted
which meters. Here they are known, since the table is simulated. The example needs matplotlib and
pandas.
"""

# %%
# This is the table. Histogram boosting accepts the category as it is.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score

from sklearn_robust import ReweightedRegressor

rng = np.random.default_rng(0)
n = 1500
kinds = {"new": 1.5, "old": 4.0, "renovated": 2.5}
kind = rng.choice(list(kinds), size=n)
temperature = rng.uniform(-12.0, 28.0, size=n)


def heat(kind, temperature):
    """Return the kilowatt hours of a day that a house uses, without noise."""
    return 12.0 + pd.Series(kinds)[kind].to_numpy() * np.maximum(17.0 - temperature, 0.0)


houses = pd.DataFrame({"temperature": temperature, "kind": pd.Categorical(kind)})
used = heat(kind, temperature) * np.exp(0.08 * rng.normal(size=n))
in_megajoules = rng.uniform(size=n) < 0.2
used[in_megajoules] *= 3.6

# %%
# The noise is a share of what was used, so the logarithm is fitted. Three fits are compared:
# squared errors, absolute errors, and squared errors with reweighted rows.

boosting = HistGradientBoostingRegressor(
    max_iter=60, min_samples_leaf=10, max_bins=64, random_state=0
)
models = {
    "squared error": boosting,
    "absolute error": HistGradientBoostingRegressor(
        **boosting.get_params() | {"loss": "absolute_error"}
    ),
    "ReweightedRegressor": ReweightedRegressor(boosting, random_state=0),
}
for name, model in models.items():
    model.fit(houses, np.log(used))
    error = model.predict(houses) - np.log(heat(kind, temperature))
    print(f"{name:20} off by {100.0 * np.sqrt(np.mean(error**2)):.1f} per cent")

# %%
# The fit to squared errors is 30 per cent too high throughout, and bends to single rows. Absolute
# errors follow the bad rows where there happen to be many. The reweighted fit follows none.

grid = np.linspace(-12.0, 28.0, 200)
figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharex=True, sharey=True, layout="constrained")
weights = models["ReweightedRegressor"].weights_
for ax, (name, model) in zip(axes, models.items(), strict=True):
    points = ax.scatter(temperature, used, c=weights, s=6, cmap="cividis", vmin=0, vmax=1)
    for which in kinds:
        of_kind = np.full(200, which)
        levels = pd.Categorical(of_kind, categories=houses["kind"].cat.categories)
        table = pd.DataFrame({"temperature": grid, "kind": levels})
        ax.plot(grid, np.exp(model.predict(table)), color="#d55e00", linewidth=1.5)
        ax.plot(grid, heat(of_kind, grid), color="black", linewidth=0.8, linestyle=":")
    ax.set(title=name, xlabel="temperature (°C)", yscale="log")
axes[0].set_ylabel("heat of a day (kWh); dotted: the truth")
figure.colorbar(points, ax=axes, label="weight in the reweighted fit")

# %%
# Which rows have lost most of their weight? Those that are known to be bad.

doubted = weights < 0.5
area = roc_auc_score(in_megajoules, 1.0 - weights)
print(f"{doubted.sum()} rows doubted, of which {np.sum(doubted & in_megajoules)} in megajoules")
print(f"{in_megajoules.sum()} rows in megajoules; area under the ROC curve {area:.3f}")

# %%
# Intervals come from rows that were held out. This one is for a house whose meter is right:

january = pd.DataFrame({"temperature": [-5.0], "kind": ["old"]}).astype(
    {"kind": houses["kind"].dtype}
)
low, high = np.exp(models["ReweightedRegressor"].predict_interval(january, 0.9))[0]
print(f"an old house at -5 °C: {low:.0f} to {high:.0f} kWh; the truth without noise is 100")
plt.show()
