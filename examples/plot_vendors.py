"""
A table with categories: which vendors lost rows
================================================

The data are 209 computers of the 1980s: six numbers, the vendor, and the performance. Thirty
vendors become thirty columns of zeros and ones, some with a single machine. If a vendor has two
machines, a wrong row is half of the data of that vendor. The example needs matplotlib and pandas.
"""

# %%
# The numbers span several powers of ten, so their logarithms are taken. The same columns go to
# least squares, to :class:`~sklearn.linear_model.HuberRegressor` and to
# :class:`~sklearn_robust.RobustRegressor`.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.linear_model import HuberRegressor, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from sklearn_robust import RobustRegressor
from sklearn_robust.datasets import load_computer_hardware
from sklearn_robust.inspection import rejected_levels

machines, performance = load_computer_hardware(return_X_y=True, as_frame=True)
numbers = list(machines.columns[2:])
columns = make_column_transformer(
    (FunctionTransformer(np.log1p, feature_names_out="one-to-one"), numbers),
    (OneHotEncoder(), ["vendor"]),
    verbose_feature_names_out=False,
)
models = {
    "LinearRegression": make_pipeline(columns, LinearRegression()),
    "HuberRegressor": make_pipeline(columns, HuberRegressor(alpha=0.0, max_iter=10_000)),
    "RobustRegressor": make_pipeline(columns, RobustRegressor(random_state=0)),
}
for model in models.values():
    model.fit(machines, np.log(performance))
robust = models["RobustRegressor"]

# %%
# Which vendors have rows that were rejected? The worst are first. The columns of the vendors are
# recognised. The numeric columns have no line, because in none of them two fifths of the machines
# share one value.

table = rejected_levels(robust, machines)
table

# %%
# These are the machines of the two vendors whose rows were rejected.

worst = [name.removeprefix("vendor_") for name in table.names[:2]]
of_worst = machines["vendor"].isin(worst)
lost = machines[of_worst].assign(
    performance=performance, weight=robust[-1].weights_[of_worst].round(2)
)
lost.drop(columns=["cycle_time_ns", "cache_kb", "min_channels"])

# %%
# The BTI 5000 has 64 kB, an eighth of the next smallest memory in the table, and the model is not
# valid so far outside the other data. The CYBER 170/750 and 760 of CDC are several times as fast as
# other machines with similar numbers.
#
# The plots show the published performance divided by the fitted one, by vendor in the order of the
# table. Least squares takes the middle of BTI's two machines, and misses both. HuberRegressor gives
# the 5000 less weight, and moves part of the way. The robust fit goes through the other machine.
# This may be the wrong one: of two rows that contradict each other, a fit can only believe one. If
# a vendor has a single machine, every fit goes through it, and no method can say whether it is
# right.

order = [name.removeprefix("vendor_") for name in table.names]
place = machines["vendor"].map({vendor: -k for k, vendor in enumerate(order)})
figure, axes = plt.subplots(1, 3, figsize=(11, 6.5), sharex=True, sharey=True, layout="constrained")
for ax, (name, model) in zip(axes, models.items(), strict=True):
    ratio = performance / np.exp(model.predict(machines))
    points = ax.scatter(
        ratio, place, c=robust[-1].weights_, cmap="cividis", vmin=0, vmax=1, edgecolor="black"
    )
    ax.axvline(1.0, color="black", linewidth=0.8)
    ax.set(xscale="log", title=name, xlabel="published over fitted")
    ax.set_xticks([0.25, 0.5, 1, 2, 4], ["1/4", "1/2", "1", "2", "4"])
    ax.minorticks_off()
    ax.grid(axis="y", color="#dddddd")
    ax.set_axisbelow(True)
axes[0].set_yticks(-np.arange(len(order)), order, fontsize=8)
figure.colorbar(points, ax=axes, label="weight in the robust fit")

# %%
# These are the effects of vendors as factors, relative to the average vendor:

first = len(numbers)
effects = {name: model[-1].coef_[first:] for name, model in models.items()}
vendors = list(robust[:-1].get_feature_names_out()[first:])
for vendor in ("BTI", "CDC", "IBM"):
    k = vendors.index(f"vendor_{vendor}")
    factors = "   ".join(f"{name} {np.exp(of[k] - of.mean()):.2f}" for name, of in effects.items())
    print(f"{vendor}: {factors}")
plt.show()
