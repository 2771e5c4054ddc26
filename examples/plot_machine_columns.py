"""
Columns of a real table: what makes a computer fast
===================================================

The data are 209 computers of the 1980s: six numbers, the vendor, and the performance. Logarithms,
squares, products and thirty vendors make 57 columns of these. Which of them are needed? The example
needs matplotlib and pandas.
"""

# %%
# All columns are put on one scale, because the penalty does not know their units.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LassoCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from sklearn_robust import RobustRegressorCV
from sklearn_robust.datasets import load_computer_hardware
from sklearn_robust.inspection import PathDisplay, degrees_of_freedom, selected_columns

machines, performance = load_computer_hardware(return_X_y=True, as_frame=True)
numbers = list(machines.columns[2:])
columns = make_column_transformer(
    (
        make_pipeline(
            FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
            StandardScaler(), PolynomialFeatures(2, include_bias=False),
        ),
        numbers,
    ),
    (OneHotEncoder(sparse_output=False), ["vendor"]),
    verbose_feature_names_out=False,
)  # fmt: skip
search = RobustRegressorCV(
    (-np.inf,), l1_regularizations=25, selection="1se", cv=10, max_iter=500, random_state=0
)
model = make_pipeline(columns, StandardScaler(), search).fit(machines, np.log(performance))
lasso = make_pipeline(columns, StandardScaler(), LassoCV(cv=10)).fit(machines, np.log(performance))

# %%
# These columns are selected, by their names in the pipeline.

print(*selected_columns(model), sep="\n")
freedom = degrees_of_freedom(model, machines, np.log(performance))
print(f"degrees of freedom: {freedom:.0f}")
print("columns that LassoCV selects:", np.count_nonzero(lasso[-1].coef_))

# %%
# The penalty chosen is the largest whose score is within one standard error of the best.

display = PathDisplay.from_estimator(model, machines, np.log(performance))
display.figure_.suptitle("Performance of 209 computers")
plt.show()

# %%
# Some machines have little or no weight: they are faster or slower than the columns say.

weights = search.weights_
worst = np.argsort(weights)[:5]
machines.iloc[worst, :2].assign(performance=performance.iloc[worst], weight=weights[worst].round(2))
