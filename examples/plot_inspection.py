"""
After the fit: coefficients, their standard errors, rows to check
=================================================================

The data are twenty-one days of a plant that makes nitric acid from ammonia. Those who have analysed
them agree that days 1, 3, 4 and 21 are not like the others. The fit does not know this.
"""

# %%
# These are the coefficients with standard errors and confidence limits, first of least squares. In
# that fit, the few odd days more than double the effect of the water's temperature, and increase
# its standard error by half.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.datasets import load_phones, load_stackloss
from sklearn_robust.inspection import (
    AlphaProfileDisplay,
    LossDisplay,
    RobustFitDisplay,
    coef_table,
    diagnostics,
    outlier_mask,
)

X, y = load_stackloss(return_X_y=True, as_frame=True)
least_squares = RobustRegressor(2.0).fit(X, y)
coef_table(least_squares, X, y)

# %%
robust = RobustRegressor(random_state=0).fit(X, y)
coef_table(robust, X, y)

# %%
# The formulas hold for many rows. With 21 rows, the bootstrap shows how far they can be trusted:
# most limits become wider, and are no longer symmetric. (Here a standard error follows from the
# middle of the draws and the limits from their tails, so one may shrink and the other grow.)

coef_table(robust, X, y, covariance="bootstrap", n_resamples=199, random_state=0)

# %%
# Which days are further off than 99 of 100 days with normal errors?

print(1 + np.flatnonzero(outlier_mask(robust, X, y)))

# %%
# How far off are they in X, and how much influence does each day have on the plane? Days with a
# weight near 0 have hardly any influence, so their leverage and Cook's distance are near 0, too.

diagnostics(robust, X, y)

# %%
# The same in pictures: residuals, their weights, their quantiles, and distances in X. The three
# days with the largest residuals have their numbers, from 0.

figure, axes = plt.subplots(2, 2, figsize=(9, 6.8), layout="constrained")
for ax, kind in zip(axes.ravel(), ("residuals", "weights", "qq", "distance"), strict=True):
    RobustFitDisplay.from_estimator(robust, X, y, kind=kind, ax=ax)

# %%
# For a new day like the last but one, this interval contains the loss of ammonia with a probability
# of 0.9. It is wide: twenty-one days do not show whether the odd ones are a heavy tail or something
# else, and if this cannot be decided, all of them count.

print(robust.predict_interval(X.iloc[[19]], 0.9).round(1))

# %%
# With a single feature the line can be drawn. These are international phone calls from Belgium, in
# millions. In some years minutes were counted instead.

phones, calls = load_phones(return_X_y=True, as_frame=True)
line = RobustRegressor(random_state=0).fit(phones, calls)
RobustFitDisplay.from_estimator(line, phones, calls, kind="line")

# %%
# How heavy are the tails? The profile likelihood gives a confidence interval for the learned shape.
# Twenty-one days are too few to tell: the interval contains every shape, also that of normal
# errors (alpha = 2).

adaptive = AdaptiveRobustRegressor(random_state=0).fit(X, y)
AlphaProfileDisplay.from_estimator(adaptive, X, y)

# %%
# These are the losses, from least squares to the loss that gives far rows no influence.

LossDisplay.from_alphas()

# %%
LossDisplay.from_alphas(kind="surface")

# %%
# The fit can be converted to scikit-learn's linear model.

linear = robust.to_linear_regression()
print(linear, np.allclose(linear.predict(X), robust.predict(X)))
plt.show()
