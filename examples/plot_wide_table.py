"""
A wide table: which columns count
=================================

There are 100 rows and 200 columns, and ten columns count. In a tenth of the rows y is far too high.
The example chooses the columns with :class:`~sklearn_robust.RobustRegressorCV` and looks at the
whole path. It needs matplotlib.
"""

# %%
# Neighbouring columns are correlated. The true coefficients are known, so the selected columns can
# be compared with them. The bad rows are drawn at random.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LassoCV

from sklearn_robust import RobustRegressorCV
from sklearn_robust.inspection import PathDisplay

rng = np.random.default_rng(1)
X = rng.normal(size=(100, 200))
for column in range(1, 200):
    X[:, column] = 0.5 * X[:, column - 1] + np.sqrt(0.75) * X[:, column]
truth = np.zeros(200)
truth[5::20] = [2.0, -1.5, 1.0, -2.0, 1.5, 1.0, -1.0, 2.0, -1.5, 1.0]
y = X @ truth + 0.5 * rng.normal(size=100)
bad = rng.permutation(100)[:10]
y[bad] += 20.0

# %%
# The lasso is fitted to all rows and, for comparison, to the good rows alone, which nobody knows in
# practice. The robust model gets all rows.

good = np.delete(np.arange(100), bad)
fits = {
    "lasso": LassoCV(cv=5).fit(X, y),
    "lasso, good rows": LassoCV(cv=5).fit(X[good], y[good]),
    "robust": RobustRegressorCV((-np.inf,), l1_regularizations=25, random_state=0).fit(X, y),
    "robust, adaptive": RobustRegressorCV(
        (-np.inf,), l1_regularizations=25, adaptive_penalty=True, random_state=0
    ).fit(X, y),
}
for name, fit in fits.items():
    used = fit.coef_ != 0.0
    error = np.linalg.norm(fit.coef_ - truth)
    found, others = np.sum(used & (truth != 0.0)), np.sum(used & (truth == 0.0))
    print(f"{name:18} finds {found:2} of 10, and {others:2} others; error {error:.2f}")

# %%
# The path shows every coefficient against the penalty. Below are the scores of the
# cross-validation, with their standard errors.

model = fits["robust"]
display = PathDisplay.from_estimator(model, X, y)
display.figure_.suptitle("Ten columns of 200 count; ten rows of 100 are wrong")
plt.show()

# %%
# The rejected rows are the bad ones.

rejected = np.flatnonzero(model.weights_ < 0.01)
print("rejected:", rejected.tolist())
print("bad:     ", sorted(bad.tolist()))
