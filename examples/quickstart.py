"""Fit a line to data in which six unmarked years are wrong.

From 1964 to 1969 the Belgian telephone statistics counted minutes instead of calls. A
pipeline with a robust regressor, whose shape is cross-validated, finds the line of the other
years. Its weights show which years it rejected.

Run as ``python examples/quickstart.py [PICTURE]``. The default name of the picture is
quickstart.png.
"""

import sys

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import RobustRegressor
from sklearn_robust.datasets import load_phones
from sklearn_robust.inspection import outlier_mask

WRONG_YEARS = range(1964, 1970)


def main(picture="quickstart.png"):
    X, calls = load_phones(return_X_y=True)
    years = 1900 + X.ravel().astype(int)
    print("International calls from Belgium (millions), 1950 to 1973")
    print("(the very first fit compiles, for about ten seconds of one processor)\n", flush=True)

    search = GridSearchCV(
        make_pipeline(StandardScaler(), RobustRegressor(random_state=0)),
        {"robustregressor__alpha": [2.0, 1.0, 0.0, -2.0, -np.inf]},
        scoring="neg_median_absolute_error",
        cv=KFold(8, shuffle=True, random_state=0),
    )
    search.fit(X, calls)
    robust = search.best_estimator_
    weights = robust[-1].weights_
    squares = LinearRegression().fit(X, calls)

    print("alpha    median absolute error, held-out years")
    results = search.cv_results_
    for params, score in zip(results["params"], results["mean_test_score"], strict=True):
        alpha = params["robustregressor__alpha"]
        chosen = "  <- chosen" if params == search.best_params_ else ""
        print(f"{alpha:5.0f}    {-score:6.2f}{chosen}")

    slope = robust[-1].coef_[0] / robust[0].scale_[0]
    print(f"\nleast squares: {squares.coef_[0]:5.2f} million calls more every year")
    print(f"robust:        {slope:5.2f} million calls more every year")
    print("\nyear   calls   robust fit   weight")
    for i in np.flatnonzero(outlier_mask(robust, X, calls)):
        known = "  known to be wrong" if years[i] in WRONG_YEARS else ""
        print(f"{years[i]}  {calls[i]:6.1f}  {robust.predict(X[i : i + 1])[0]:11.1f}"
              f"  {weights[i]:7.3f}{known}")  # fmt: skip

    draw(picture, X, years, calls, weights, squares, robust)
    print(f"\nPicture written to {picture}")


def draw(picture, X, years, calls, weights, squares, robust):
    """Draw the data, coloured by weight, and both lines."""
    figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    ax.plot(years, squares.predict(X), color="#555555", linestyle="--", label="least squares")
    ax.plot(years, robust.predict(X), color="#0072b2", label="RobustRegressor")
    points = ax.scatter(
        years, calls, c=weights, cmap="cividis", vmin=0, vmax=1, edgecolor="black", zorder=3
    )
    figure.colorbar(points, label="robust weight of the year")
    ax.set_xlabel("year")
    ax.set_ylabel("international calls from Belgium (millions)")
    ax.set_title("From 1964 to 1969 minutes were counted instead of calls")
    ax.legend(loc="upper left")
    figure.savefig(picture, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main(*sys.argv[1:])
