"""
Shape and penalty chosen by cross-validation
============================================

The data are 209 computers of the 1980s: the vendor, six numbers, and the performance. A few
computers were very much faster than the rest. ``RobustRegressorCV`` chooses the shape of the loss
and the penalty by the M-scale of the held-out residuals, which those few computers hardly change.
The mean squared error, which is shown beside it, is dominated by them. ``GridSearchCV`` with
``s_scale_scorer`` compares the same candidates, but fits the transformers of the columns again in
every fold and takes several times as long. Its scores therefore differ a little, and it may choose
a neighbouring candidate.

Run it as ``python examples/plot_cross_validation.py [PICTURE]``. Without a name the picture is
shown.
"""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_robust import RobustRegressor, RobustRegressorCV
from sklearn_robust.datasets import load_computer_hardware
from sklearn_robust.metrics import s_scale_scorer

ALPHAS = (-np.inf, -2.0, 0.0, 1.0, 2.0)
PENALTIES = (0.001, 0.01, 0.1, 1.0)
FOLDS = KFold(5, shuffle=True, random_state=0)


def with_columns(regressor, numbers):
    """Return a pipeline that encodes vendors and standardises numbers first."""
    columns = make_column_transformer(
        (OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist"), ["vendor"]),
        (StandardScaler(), numbers),
    )
    return make_pipeline(columns, regressor)


def draw(ax, results, chosen, title, unit):
    """Draw minus the mean score over the grid (less is better), and the chosen candidate."""
    scores = -np.asarray(results["mean_test_score"]).reshape(len(ALPHAS), len(PENALTIES)).T
    image = ax.imshow(scores, cmap="viridis_r", origin="lower", aspect="auto")
    middle = 0.5 * (scores.min() + scores.max())
    for (i, j), score in np.ndenumerate(scores):
        colour = "white" if score > middle else "black"
        ax.text(
            j,
            i,
            f"{score:,.0f}" if score > 1000 else f"{score:.3g}",
            ha="center",
            va="center",
            color=colour,
            fontsize=8,
        )
    place = ALPHAS.index(chosen["alpha"]), PENALTIES.index(chosen["l2_regularization"])
    ax.add_patch(
        plt.Rectangle(
            (place[0] - 0.47, place[1] - 0.47), 0.94, 0.94, fill=False, color="#d55e00", linewidth=3
        )
    )
    names = ["−∞" if alpha == -np.inf else f"{alpha:g}" for alpha in ALPHAS]
    ax.set_xticks(range(len(ALPHAS)), names)
    ax.set_yticks(range(len(PENALTIES)), [f"{penalty:g}" for penalty in PENALTIES])
    ax.set(xlabel="shape alpha", ylabel="l2_regularization", title=title)
    ax.figure.colorbar(image, ax=ax, label=unit)


def main(picture=None):
    # Many fits of folds and candidates reject most computers of some rare vendor, and would say so.
    warnings.filterwarnings("ignore", message="Most rows of level", category=UserWarning)
    hardware = load_computer_hardware(as_frame=True)
    X, y = hardware.data, hardware.target
    numbers = list(X.columns[2:])
    options = {
        "alphas": ALPHAS, "l2_regularizations": PENALTIES, "cv": FOLDS, "max_iter": 500,
        "random_state": 0,
    }  # fmt: skip

    robust = with_columns(RobustRegressorCV(**options), numbers).fit(X, y)[-1]
    squared = RobustRegressorCV(**options, scoring="neg_mean_squared_error")
    squared = with_columns(squared, numbers).fit(X, y)[-1]
    search = GridSearchCV(
        with_columns(RobustRegressor(init="s", max_iter=500, random_state=0), numbers),
        {
            "robustregressor__alpha": ALPHAS,
            "robustregressor__l2_regularization": PENALTIES,
        },
        scoring=s_scale_scorer,
        cv=FOLDS,
    ).fit(X, y)

    print(f"by the S-scale:      {robust.best_params_}")
    print(f"by GridSearchCV:     {search.best_params_}")
    print(f"by the mean square:  {squared.best_params_}")
    usual = y <= y.quantile(0.9)
    for name, model in (("S-scale", robust), ("mean square", squared)):
        fitted = with_columns(model, numbers)[:-1].fit_transform(X)
        missed = np.median(np.abs(model.predict(fitted) - y)[usual])
        print(f"{name}: median error of the slower nine tenths {missed:.1f}")

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    draw(axes[0], robust.cv_results_, robust.best_params_, "S-scale, held out", "performance")
    draw(
        axes[1], squared.cv_results_, squared.best_params_, "mean squared error, held out",
        "performance, squared",
    )  # fmt: skip
    if picture is None:
        plt.show()
    else:
        figure.savefig(picture, dpi=120)
        plt.close(figure)
    return robust, squared, search


if __name__ == "__main__":
    main(*sys.argv[1:2])
