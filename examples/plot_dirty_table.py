"""
A dirty table in a pipeline
===========================

The table has 398 cars of the years 1970 to 1982: numbers, text, a date, and gaps. The target is how
many miles a car runs on a gallon. In one row out of eight we have written kilometres per litre
instead, without marking it. The example needs matplotlib, pandas and vega_datasets.
"""

# %%
# The table is that of ``vega_datasets``. A mile per gallon is 0.425 kilometres per litre.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import HuberRegressor, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from vega_datasets import data

from sklearn_robust import RobustRegressor

cars = pd.read_json(data.cars.filepath).dropna(subset="Miles_per_Gallon").set_index("Name")
cars["Year"] = pd.to_datetime(cars["Year"])
true_mileage = cars.pop("Miles_per_Gallon")
in_kilometres = np.random.default_rng(0).uniform(size=len(cars)) < 1 / 8
mileage = true_mileage.where(~in_kilometres, 0.425 * true_mileage)
cars.head()

# %%
# These are the columns. Missing numbers are filled in, and a flag says that one was missing.
# Numbers and the target span a wide range, so their logarithms are taken. Text becomes columns of
# zeros and ones, and the date becomes a number.

numbers = ["Displacement", "Horsepower", "Weight_in_lbs", "Acceleration"]
filled = make_pipeline(
    SimpleImputer(strategy="median", add_indicator=True),
    FunctionTransformer(np.log1p, feature_names_out="one-to-one"),
)
year = FunctionTransformer(
    lambda dates: dates.apply(lambda of: of.dt.year - 1970), feature_names_out="one-to-one"
)
columns = ColumnTransformer(
    [
        ("numbers", filled, numbers),
        ("text", OneHotEncoder(drop="first"), ["Origin", "Cylinders"]),
        ("date", year, ["Year"]),
    ],
    verbose_feature_names_out=False,
)


def with_columns(regressor):
    """Return the regressor behind the columns, for the logarithm of the target."""
    return TransformedTargetRegressor(
        make_pipeline(columns, regressor), func=np.log, inverse_func=np.exp
    )


# %%
# The same columns go to three regressors. How far off are they from the true mileage? Half of the
# predictions are off by less than this:

models = {
    "LinearRegression": with_columns(LinearRegression()),
    "HuberRegressor": with_columns(HuberRegressor(alpha=0.0, max_iter=10_000)),
    "RobustRegressor": with_columns(RobustRegressor(random_state=0)),
}
off = {
    name: np.median(np.abs(model.fit(cars, mileage).predict(cars) / true_mileage - 1.0))
    for name, model in models.items()
}
pd.DataFrame({"off by, per cent": 100.0 * pd.Series(off)}).round(1)

# %%
# The rows that are flagged are nearly those that we changed.

from sklearn_robust.inspection import RobustFitDisplay, outlier_mask, predict_interval

robust = models["RobustRegressor"]
doubted = outlier_mask(robust, cars, mileage)
pd.crosstab(doubted.to_numpy(), in_kilometres, rownames=["doubted"], colnames=["in kilometres"])

# %%
# A figure for a report: the mileage in the table against the mileage that the model predicts. The
# colour shows how much the fit believes a row.

figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharex=True, sharey=True, layout="constrained")
weights = robust.regressor_[-1].weights_
for ax, (name, model) in zip(axes, models.items(), strict=True):
    points = ax.scatter(
        model.predict(cars), mileage, c=weights, cmap="cividis", s=12, vmin=0, vmax=1
    )
    ax.plot([5, 50], [5, 50], color="#d55e00", linewidth=1)
    ax.set(title=f"{name}: off by {100 * off[name]:.1f} %", xlabel="predicted miles per gallon")
axes[0].set_ylabel("miles per gallon in the table")
figure.colorbar(points, ax=axes, label="weight in the robust fit")

# %%
# These are intervals for cars whose mileage is recorded in the right unit. Their ends are in miles
# per gallon.

first = cars.head(3)
low, high = predict_interval(robust, first, 0.9).T
pd.DataFrame({"low": low, "high": high, "truth": true_mileage.head(3)}).round(1)

# %%
# The displays of :mod:`sklearn_robust.inspection` take the whole model, too.

RobustFitDisplay.from_estimator(robust, cars, mileage, kind="residuals")
plt.show()
