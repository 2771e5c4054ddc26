"""
After the fit: what was found, how surely, and which rows were doubted
======================================================================

Twenty-one days of a plant that makes nitric acid from ammonia. Those who have analysed them since
agree that days 1, 3, 4 and 21 are not like the others. Nobody tells the fit.
"""

# %%
# The coefficients with their standard errors and limits; least squares first. The few odd days more
# than double the effect of the water's temperature, and add a half to its standard error.

import matplotlib.pyplot as plt
import numpy as np

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.datasets import load_phones, load_stackloss
from sklearn_robust.inspection import (
    AlphaProfileDisplay,
    LossDisplay,
    RobustFitDisplay,
    coef_table,
    outlier_mask,
)

X, y = load_stackloss(return_X_y=True, as_frame=True)
least_squares = RobustRegressor(2.0).fit(X, y)
print(coef_table(least_squares, X, y))

# %%
robust = RobustRegressor(random_state=0).fit(X, y)
print(coef_table(robust, X, y))

# %%
# Formulas are for many rows. With 21, rows drawn again show how far they can be trusted: most
# limits become wider, and are no longer the same on both sides. (A standard error here is that of
# the middle of the draws, the limits are their tails: one may shrink and the other grow.)

print(coef_table(robust, X, y, method="bootstrap", n_resamples=199, random_state=0))

# %%
# Which days are further off than 99 of 100 normal ones?

print(1 + np.flatnonzero(outlier_mask(robust, X, y)))

# %%
# The same in pictures: residuals, the weights that they got, and their quantiles.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, kind in zip(axes, ("residuals", "weights", "qq"), strict=True):
    RobustFitDisplay.from_estimator(robust, X, y, kind=kind, ax=ax)

# %%
# With a single feature, the line itself: international phone calls from Belgium, in
# millions; for some years minutes were counted instead.

phones, calls = load_phones(return_X_y=True, as_frame=True)
line = RobustRegressor(random_state=0).fit(phones, calls)
RobustFitDisplay.from_estimator(line, phones, calls, kind="line")

# %%
# How heavy are the tails? The learned shape has an interval of its own, in which the likelihood
# is hardly less than at its best. Normal errors, alpha = 2, are not in it.

adaptive = AdaptiveRobustRegressor(random_state=0).fit(X, y)
AlphaProfileDisplay.from_estimator(adaptive, X, y)

# %%
# The losses that this is about: least squares, what gives far rows no influence, and between.

LossDisplay.from_alphas()

# %%
LossDisplay.from_alphas(kind="surface")

# %%
# What is handed on can be scikit-learn's own linear model.

linear = robust.to_linear_regression()
print(linear, np.allclose(linear.predict(X), robust.predict(X)))
plt.show()
