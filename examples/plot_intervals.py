"""
Intervals that outliers do not widen
====================================

The data are the stars of the cluster CYG OB1: brightness against temperature. Four giants are
another kind of star. An interval for a new star depends on which kind of star is meant. The example
needs matplotlib.
"""

# %%
# With ``rows="good"`` the interval is for a star like most, with ``rows="all"`` for any star,
# giants included. The third interval is for the line itself, not for a star.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression

from sklearn_robust import RobustRegressor
from sklearn_robust.datasets import load_starscyg

X, y = load_starscyg(return_X_y=True)
model = RobustRegressor(random_state=0).fit(X, y)
grid = np.linspace(3.4, 4.7, 100)[:, None]
intervals = {
    "a star as they come, 90 %": model.predict_interval(grid, 0.9, rows="all"),
    "a good star, 90 %": model.predict_interval(grid, 0.9, rows="good"),
    "the line, 90 %": model.predict_interval(grid, 0.9, kind="mean"),
}
figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
for (label, ends), shade in zip(intervals.items(), ("#dddddd", "#9ecae1", "#3182bd"), strict=True):
    ax.fill_between(grid.ravel(), *ends.T, color=shade, label=label)
ax.plot(grid, model.predict(grid), color="#08306b", label="robust line")
squares = LinearRegression().fit(X, y)
ax.plot(grid, squares.predict(grid), color="black", linestyle=":", label="least squares")
points = ax.scatter(
    X[:, 0], y, c=model.weights_, cmap="cividis", vmin=0, vmax=1, edgecolor="black", zorder=3
)
figure.colorbar(points, label="robust weight")
ax.set(xlabel="logarithm of the temperature", ylabel="logarithm of the light", ylim=(2.5, 7.5))
ax.invert_xaxis()
ax.legend(loc="lower left")

# %%
# Do the intervals have the coverage that was asked for? With new rows drawn from the same kind of
# data, the share of good rows inside should be 90 %. Here are 2000 rows, of which a fifth are 10
# too high, and a fit to 100.

rng = np.random.default_rng(0)


def draw(n):
    """Return a table, its targets, and which of them are wrong."""
    table = rng.normal(size=(n, 3))
    wrong = rng.uniform(size=n) < 0.2
    return table, table.sum(axis=1) + rng.normal(size=n) + 10.0 * wrong, wrong


inside = []
for _ in range(20):
    table, target, _ = draw(100)
    fitted = RobustRegressor(random_state=0).fit(table, target)
    fresh, observed, wrong = draw(2000)
    low, high = fitted.predict_interval(fresh, 0.9).T
    inside.append(np.mean(((low <= observed) & (observed <= high))[~wrong]))
print(f"of the good rows {100 * np.mean(inside):.0f} % are inside")
plt.show()
