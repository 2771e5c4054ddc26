"""
A ten-minute tour
=================

This tour uses data with unmarked bad rows, and goes from the first fit to prediction intervals. The
blocks can be copied and run one after the other. They need matplotlib and pandas.
"""

# %%
# A fit
# -----
#
# The data are forty-seven stars of one cluster: the hotter a star, the more light it gives. Four of
# them are giants, cool and bright, which do not lie on this line. Least squares follows the giants.
# So does :class:`~sklearn.linear_model.HuberRegressor`, because the giants are far off in X, and a
# robust loss alone does not help against such rows. :class:`~sklearn_robust.RobustRegressor` starts
# from a fit that they cannot move.

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
# Every row has a weight: 1 is a row that counts fully, 0 a rejected row. The colours of the picture
# above show the weights. ``outlier_mask`` flags the rows that are further off than 99 of 100 rows
# with normal errors; it also accepts new rows. Here these are the four giants.

from sklearn_robust.inspection import outlier_mask

doubted = X.assign(y=y, weight=robust.weights_.round(3))[outlier_mask(robust, X, y)]
doubted

# %%
# How accurate?
# -------------
#
# ``coef_table`` has standard errors and confidence limits, which the giants do not widen:

from sklearn_robust.inspection import coef_table

coef_table(robust, X, y)

# %%
# A pipeline and a search
# -----------------------
#
# The estimators follow scikit-learn. The next data are 209 computers of the 1980s, with numbers
# that span several powers of ten, and the vendor. The score of the search is the M-scale of the
# held-out residuals. Some held-out rows are wrong, too, and would dominate a mean square.

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
# If the columns are transformed beforehand, :class:`~sklearn_robust.RobustRegressorCV` does about
# the same in a fraction of the time, because it computes what the candidates share only once for
# every fold. (Here the transformers are fitted to all rows; in the search above they were fitted to
# the training rows.)

from sklearn_robust import RobustRegressorCV

X_machines = columns.fit_transform(machines)
chosen = RobustRegressorCV(
    l2_regularizations=(0.001, 0.01, 0.1),
    cv=KFold(5, shuffle=True, random_state=0),
    random_state=0,
).fit(X_machines, np.log(performance))
print(chosen.best_params_, round(-chosen.best_score_, 3))

# %%
# Learned shape and scale
# -----------------------
#
# Nothing has to be chosen if errors are assumed to follow Barron's distribution:
# :class:`~sklearn_robust.AdaptiveRobustRegressor` learns its shape with the coefficients. A shape
# near 2 means normal errors, 0 the tails of the Cauchy distribution. The profile likelihood shows
# how well the shape is known.

from sklearn_robust import AdaptiveRobustRegressor
from sklearn_robust.inspection import AlphaProfileDisplay

adaptive = AdaptiveRobustRegressor(random_state=0).fit(X_machines, np.log(performance))
print(f"shape {adaptive.alpha_:.2f}, scale {adaptive.scale_:.3f}")
AlphaProfileDisplay.from_estimator(adaptive, X_machines, np.log(performance))

# %%
# The interval does not contain 2, so tails are heavier than normal. From 209 rows one can hardly
# tell how much heavier. The model also predicts an interval that contains the performance of a new
# machine with the given probability:

interval = np.exp(adaptive.predict_interval(X_machines[:3], coverage=0.9)).round()
machines[["vendor", "model"]].head(3).assign(
    published=performance[:3], **dict(zip(["low", "high"], interval.T, strict=True))
)

# %%
# A file of your own
# ------------------
#
# Read the file, fit it, and write the rows that need a look to another file. Leave text and missing
# values to a pipeline, as above.

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
suspects[["vendor", "model", "weight"]].head(8)

# %%
# Export
# ------
#
# A fit can be pickled like any scikit-learn estimator, or converted to scikit-learn's linear model:

print(robust.to_linear_regression().predict(X.head(2)))
plt.show()
