"""
A ten-minute tour
=================

Data with bad rows that nobody has marked, from the first fit to an interval for what comes next.
Every block can be copied and run; they follow each other, and need matplotlib and pandas.
"""

# %%
# A fit
# -----
#
# Forty-seven stars of one cluster: the hotter a star, the more light it gives. Four of them are
# giants, cool and bright, and no part of that line. Least squares follows them, and so does
# :class:`~sklearn.linear_model.HuberRegressor`, for they are far off in X: a robust loss alone is
# no help against those. :class:`~sklearn_robust.RobustRegressor` starts from a fit that such
# rows cannot move.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import HuberRegressor, LinearRegression

from sklearn_robust import RobustRegressor
from sklearn_robust.datasets import load_starscyg

X, y = load_starscyg(return_X_y=True, as_frame=True)
robust = RobustRegressor(random_state=0).fit(X, y)

figure, ax = plt.subplots(layout="constrained")
ax.scatter(X, y, c=robust.weights_, cmap="cividis", edgecolor="black")
for label, model in {
    "least squares": LinearRegression().fit(X, y),
    "HuberRegressor": HuberRegressor().fit(X, y),
    "RobustRegressor": robust,
}.items():
    ax.plot(X, model.predict(X), label=f"{label}, slope {model.coef_[0]:.2f}")
ax.set(xlabel="logarithm of the temperature", ylabel="logarithm of the light")
ax.legend(loc="lower right")

# %%
# Which rows?
# -----------
#
# Every row has a weight: 1 is a row that was fully believed, 0 one that was left out. The picture
# above is coloured by it. ``outlier_mask`` says which rows are further off than 99 of 100 normal
# ones would be, and takes new rows, too: the four giants, and two stars that are less far off and
# keep some weight.

from sklearn_robust.inspection import outlier_mask

doubted = X.assign(y=y, weight=robust.weights_.round(3))[outlier_mask(robust, X, y)]
print(doubted)

# %%
# How surely?
# -----------
#
# Standard errors and confidence limits, which the giants do not widen:

from sklearn_robust.inspection import coef_table

print(coef_table(robust, X, y))

# %%
# In a pipeline, searched
# -----------------------
#
# The estimators are scikit-learn's. Here are 209 computers of the 1980s, with columns of
# numbers over several powers of ten and a maker's name. The search is scored by the M-scale of the
# held-out residuals: wrong rows are among these, too, and would decide a mean square.

from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from sklearn_robust.datasets import load_computer_hardware
from sklearn_robust.metrics import s_scale_scorer

machines, performance = load_computer_hardware(return_X_y=True, as_frame=True)
columns = make_column_transformer(
    (FunctionTransformer(np.log1p), make_column_selector(dtype_include="number")),
    (OneHotEncoder(min_frequency=10, handle_unknown="infrequent_if_exist"), ["vendor"]),
)
search = GridSearchCV(
    make_pipeline(columns, RobustRegressor(init="s", random_state=0)),
    {
        "robustregressor__alpha": [2.0, 1.0, 0.0, -2.0, -np.inf],
        "robustregressor__l2_regularization": [0.001, 0.01, 0.1],
    },
    scoring=s_scale_scorer,
    cv=KFold(5, shuffle=True, random_state=0),
)
search.fit(machines, np.log(performance))
print(search.best_params_)
print(f"M-scale of the held-out residuals: {-search.best_score_:.3f}")

# %%
# Where the columns are made before, :class:`~sklearn_robust.RobustRegressorCV` does about the
# same in a fraction of the time: what the candidates share is computed once for every fold. (Here
# the columns have seen all rows, which in the search above they have not.)

from sklearn_robust import RobustRegressorCV

X_machines = columns.fit_transform(machines)
chosen = RobustRegressorCV(
    l2_regularizations=(0.001, 0.01, 0.1),
    cv=KFold(5, shuffle=True, random_state=0),
    random_state=0,
).fit(X_machines, np.log(performance))
print(chosen.best_params_, round(-chosen.best_score_, 3))

# %%
# Shape and scale learned
# -----------------------
#
# Nothing has to be chosen if the errors are taken to follow Barron's distribution:
# :class:`~sklearn_robust.AdaptiveRobustRegressor` learns its shape with the coefficients. A shape
# near 2 would be normal errors, 0 the tails of the Cauchy distribution. The profile says how
# surely it is known.

from sklearn_robust import AdaptiveRobustRegressor
from sklearn_robust.inspection import AlphaProfileDisplay

adaptive = AdaptiveRobustRegressor(random_state=0).fit(X_machines, np.log(performance))
print(f"shape {adaptive.alpha_:.2f}, scale {adaptive.scale_:.3f}")
AlphaProfileDisplay.from_estimator(adaptive, X_machines, np.log(performance))

# %%
# The interval leaves out 2: tails are heavier than normal ones. How much heavier, 209 rows hardly
# tell. The model also gives an interval in which a machine of the same kind lies with that
# probability, as if the coefficients were known exactly:

interval = np.exp(adaptive.predict_interval(X_machines[:3], coverage=0.9)).round()
print(machines[["vendor", "model"]].head(3).assign(
    published=performance[:3], **dict(zip(["low", "high"], interval.T, strict=True))
))  # fmt: skip

# %%
# A file of your own
# ------------------
#
# Read it, fit it, and write down which rows to look at. Text and gaps are for a pipeline, as
# above; the estimators say which columns and rows they cannot take.

import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
machines.assign(performance=performance).to_csv(folder / "machines.csv", index=False)

table = pd.read_csv(folder / "machines.csv")
target = np.log(table.pop("performance"))
model = make_pipeline(columns, RobustRegressor(random_state=0)).fit(table, target)
table["weight"] = model[-1].weights_.round(3)
suspects = table[outlier_mask(model, table, target)].sort_values("weight")
suspects.to_csv(folder / "look_at_these.csv", index=False)
print(f"{len(suspects)} of {len(table)} machines, the least believed first:")
print(suspects[["vendor", "model", "weight"]].head(8))

# %%
# Handed on
# ---------
#
# A fit is pickled as any scikit-learn estimator, or becomes one of its own:

print(robust.to_linear_regression().predict(X.head(2)))
plt.show()
