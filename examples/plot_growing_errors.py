"""
Errors that grow: what households spend on food
===============================================

Engel's table of 1857 has the income of 235 Belgian households and what they spent on food. Rich
households differ more from each other than poor ones do. A fit that takes this into account is more
accurate, and its intervals are narrow where they can be. The example needs matplotlib and
statsmodels.
"""

# %%
# Does the size of the errors depend on the income at all?

import matplotlib.pyplot as plt
import numpy as np
import statsmodels.api as sm

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.inspection import scale_table, scale_test

engel = sm.datasets.engel.load_pandas().data
X, y = engel[["income"]] / 1000.0, engel["foodexp"] / 1000.0
plain = RobustRegressor(random_state=0).fit(X, y)
print(f"p-value of errors of one size: {scale_test(plain, X, y).p_value:.0e}")

# %%
# It does. ``scale_features`` names the column. The logarithm of the size grows by ``estimate`` per
# thousand francs of income.

grows = AdaptiveRobustRegressor(scale_features=["income"], random_state=0).fit(X, y)
scale_table(grows, X, y)

# %%
# The intervals of both, in the same picture:

grid = X.iloc[:120].assign(income=np.linspace(0.3, 3.0, 120))
figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), sharey=True, layout="constrained")
for ax, (name, model) in zip(
    axes, {"one size of errors": plain, "errors that grow": grows}.items(), strict=True
):
    low, high = model.predict_interval(grid, 0.9, rows="good").T
    ax.fill_between(grid["income"], low, high, color="#9ecae1", label="nine of ten households")
    ax.plot(grid["income"], model.predict(grid), color="#08306b", label="fit")
    ax.scatter(X["income"], y, c=model.weights_, cmap="cividis", vmin=0, vmax=1, s=14, zorder=3)
    ax.set(title=name, xlabel="income (1000 francs)", xlim=(0.3, 3.0), ylim=(0.0, 2.2))
axes[0].set_ylabel("spent on food (1000 francs)")
axes[0].legend(loc="upper left")

# %%
# If one size is assumed, households of the poorer half are inside too often, and those of the
# richer half not often enough. The share inside should be 90 %; it is:

rich = X["income"] > X["income"].median()
for name, model in {"one size": plain, "growing": grows}.items():
    low, high = model.predict_interval(X, 0.9, rows="good").T
    inside = (low <= y) & (y <= high)
    of_poor, of_rich = 100 * inside[~rich].mean(), 100 * inside[rich].mean()
    print(f"{name:9} poor {of_poor:.0f} %, rich {of_rich:.0f} %")
plt.show()
