"""Fit the estimators and their peers to degenerate data and write the results as a page.

Run as ``python tools/make_degenerate_table.py doc/degenerate.rst``; needs statsmodels. Seeds are
fixed and numbers are rounded far above rounding errors, so that a second run writes the same
page. A new input is a function and a row in ``INPUTS``, a new estimator a row in ``OURS`` or
``PEERS``.
"""

import re
import sys
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import sklearn
import statsmodels
from sklearn.base import clone
from sklearn.linear_model import HuberRegressor, RANSACRegressor, TheilSenRegressor
from sklearn.utils.validation import has_fit_parameter
from statsmodels.api import RLM, add_constant
from statsmodels.robust.norms import HuberT, TukeyBiweight

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

NOISE = 0.5
EXACT = 1e-6
"""Error, in spreads of the true plane, below which an answer is right where no row has noise."""
WORDS = 8
"""Words of a message that are shown."""


class StatsmodelsRLM:
    """The RLM of statsmodels with an intercept, called as scikit-learn's estimators are."""

    def __init__(self, norm):
        self.norm = norm

    def __sklearn_clone__(self):
        return StatsmodelsRLM(self.norm)

    def fit(self, X, y):
        """Fit at the defaults of statsmodels."""
        self.result = RLM(y, add_constant(X), M=self.norm()).fit()
        return self

    def predict(self, X):
        """Predict the rows of the fit: on others ``add_constant`` may see other constants."""
        return self.result.predict(add_constant(X))


OURS = {
    "RobustRegressor": RobustRegressor(random_state=0),
    "RobustRegressor(1.0)": RobustRegressor(1.0, random_state=0),
    "AdaptiveRobustRegressor": AdaptiveRobustRegressor(random_state=0),
}
PEERS = {
    "HuberRegressor": HuberRegressor(),
    "RANSACRegressor": RANSACRegressor(random_state=0),
    "TheilSenRegressor": TheilSenRegressor(random_state=0),
    "RLM (Huber)": StatsmodelsRLM(HuberT),
    "RLM (Tukey)": StatsmodelsRLM(TukeyBiweight),
}


@dataclass
class Data:
    """One input; ``truth`` is the true plane at its rows, None where there is none to find.

    The first ``bad`` rows do not follow the plane.
    """

    X: np.ndarray
    y: np.ndarray
    truth: np.ndarray | None = None
    noise: float = NOISE
    bad: int = 0
    weight: np.ndarray | None = None


def plane(n=60, p=3, noise=NOISE):
    """Return normal columns and a plane through them, whose spread is several times the noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p))
    truth = 1.0 + X @ np.resize([1.0, -2.0, 3.0], p)
    return Data(X, truth + noise * rng.normal(size=n), truth, noise)


def no_truth(n=60, p=3):
    """Return rows without a true plane to find."""
    data = plane(n, p)
    data.truth = None
    return data


def extra_column(make):
    """Append a column that the plane ignores, made from the others."""
    data = plane()
    data.X = np.column_stack([data.X, make(data.X)])
    return data


def dummy():
    """Append a column with a single 1, whose coefficient is 5."""
    data = extra_column(lambda X: np.arange(len(X)) == 0)
    data.truth += 5.0 * data.X[:, -1]
    data.y += 5.0 * data.X[:, -1]
    return data


def column_units():
    """Return columns in units far apart."""
    data = plane()
    data.X *= [1e-100, 1.0, 1e100]
    return data


def time_stamps():
    """Turn a column into milliseconds since 1970."""
    data = plane()
    data.X[:, 0] = 1.6e12 + 1e3 * data.X[:, 0]
    return data


def target_unit(unit):
    """Return a target in another unit."""
    data = plane()
    return Data(data.X, data.y * unit, data.truth * unit, data.noise * unit)


def constant_target():
    """Return a target without spread."""
    X = plane().X
    truth = np.full(len(X), 5.0)
    return Data(X, truth, truth, noise=0.0)


def zero_inflated():
    """Return a target that is zero in most rows, whatever the columns are."""
    X = plane().X
    rng = np.random.default_rng(1)
    return Data(X, np.where(rng.random(len(X)) < 0.7, 0.0, rng.exponential(size=len(X))))


def ties():
    """Return counts, few of them different."""
    data = plane()
    noise = data.y - data.truth
    data.truth = 5.0 + 0.25 * data.truth
    data.y = np.maximum(np.round(data.truth + noise), 0.0)
    return data


def majority_exact():
    """Return rows of which three in five have no noise and the others are far off."""
    data = plane(noise=0.0)
    data.bad = 24
    data.y[:24] += 50.0 + 10.0 * np.random.default_rng(1).normal(size=24)
    return data


def outlier():
    """Return rows of which the first has an absurd target."""
    data = plane()
    data.y[0] = 1e12
    data.bad = 1
    return data


def leverage_row():
    """Return rows of which the first lies absurdly far from the others."""
    data = plane()
    data.X[0, 0] = 1e12
    data.bad = 1
    return data


def leverage_cluster(below):
    """Return rows of which two in five are a cluster, far in a column and below the plane."""
    data = plane()
    data.bad = 24
    data.X[:24] = [10.0, 0.0, 0.0] + 0.1 * data.X[:24]
    data.y[:24] += 11.0 - below - data.truth[:24]
    return data


def weighted(first, others):
    """Return rows of which the first has one weight and all others have another."""
    data = plane() if others else no_truth()
    data.weight = np.full(len(data.y), others)
    data.weight[0] = first
    return data


def not_finite(name, value):
    """Return rows of which the first holds NaN or infinity."""
    data = no_truth()
    getattr(data, name).flat[0] = value
    return data


PAGE = """\
Degenerate data
===============

This page shows what this package and others return for difficult tables: with few rows, with
dependent columns, with values of very different sizes, and with wrong rows. The others, "peers" in
the tables, are HuberRegressor, RANSACRegressor and TheilSenRegressor of scikit-learn {sklearn},
and RLM of statsmodels {statsmodels}, with an intercept and two of its norms. All have their default
parameters, and seed 0 if they draw.

The page is written by ``python tools/make_degenerate_table.py doc/degenerate.rst``. Unless said
otherwise, there are {rows} rows and three normal columns, and y is a linear function of them (a
plane) with normal noise. If rounding decides, as for rows fitted exactly, another machine may give
other warnings. The entries of the tables mean:

right
    The root mean square error of the predictions, over the rows that follow the plane, is at most
    that of the noise. Without noise it is at most {exact:g} of the plane's standard deviation.
off by 3
    This error is three standard deviations of the true values. Predicting the mean would be
    off by 1.
finite
    The predictions hold neither NaN nor infinity. There is no true plane to compare them with.
SomeError: ...
    The error that was raised, with the first words of its message.
SomeWarning
    The warning that was issued.
no sample_weight
    The estimator does not take sample weights.
"""

INPUTS = {
    "Few rows": {
        "One row, three columns": partial(no_truth, 1, 3),
        "Two rows, three columns": partial(no_truth, 2, 3),
        "Five rows, five columns": partial(no_truth, 5, 5),
        "20 rows, 40 columns": partial(no_truth, 20, 40),
    },
    "Columns": {
        "A constant column": partial(extra_column, lambda X: np.full(len(X), 7.0)),
        "An all-zero column": partial(extra_column, lambda X: np.zeros(len(X))),
        "A duplicated column": partial(extra_column, lambda X: X[:, 0]),
        "A column that is the sum of the others": partial(extra_column, lambda X: X.sum(axis=1)),
        "A dummy with a single 1": dummy,
        "Columns in units of 1e-100, 1 and 1e100": column_units,
        "Time stamps around 1.6e12, spread 1e3": time_stamps,
    },
    "Targets": {
        "Constant y": constant_target,
        "All rows exactly on the plane": partial(plane, noise=0.0),
        "y with 70 % zeros": zero_inflated,
        "y rounded to counts": ties,
        "y in a unit of 1e-150": partial(target_unit, 1e-150),
        "y in a unit of 1e100": partial(target_unit, 1e100),
    },
    "Wrong rows": {
        "60 % exactly on the plane, 40 % far off": majority_exact,
        "One y of 1e12": outlier,
        "One row at 1e12 in a column": leverage_row,
        "40 % bad leverage points in a cluster, y off by 60": partial(leverage_cluster, 60.0),
        "40 % bad leverage points in a cluster, y off by 30": partial(leverage_cluster, 30.0),
    },
    "Sample weights": {
        "All weights zero but one": partial(weighted, 1.0, 0.0),
        "All weights 1e-300": partial(weighted, 1e-300, 1e-300),
    },
    "NaN and infinity": {
        "NaN in y": partial(not_finite, "y", np.nan),
        "Infinity in X": partial(not_finite, "X", np.inf),
    },
}
"""The function that makes each input, by section of the page and title."""


def judge(data, predicted):
    """Say whether predictions are finite and, where there is a truth, how far off."""
    if not np.all(np.isfinite(predicted)):
        return "NaN" if np.any(np.isnan(predicted)) else "infinite"
    if data.truth is None:
        return "finite"
    truth = data.truth[data.bad :]
    spread = truth.std() or abs(truth[0])
    error = np.sqrt(np.mean(((predicted[data.bad :] - truth) / spread) ** 2))
    if error <= max(data.noise / spread, EXACT):
        return "right"
    return "off by " + re.sub(r"e\+0*", "e", f"{error:.2g}" if error < 100 else f"{error:.0e}")


def outcome(model, data):
    """Fit, predict the rows of the fit, and return the result in a few words."""
    options = {}
    if data.weight is not None:
        if not has_fit_parameter(model, "sample_weight"):
            return "no sample_weight"
        options["sample_weight"] = data.weight
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            said = judge(data, clone(model).fit(data.X, data.y, **options).predict(data.X))
        except Exception as error:
            words = str(error).replace("`", "").split()
            said = f"{type(error).__name__}: {' '.join(words[:WORDS])}"
            said += " …" if len(words) > WORDS else ""
    return "; ".join([said, *sorted({warning.category.__name__ for warning in caught})])


def answers(models, make, everyone, mark=""):
    """Return a list item for each outcome of one input, with the models that had it."""
    found = {}
    for name, model in models.items():
        found.setdefault(outcome(model, make()), []).append(name)
    items = []
    for said, names in found.items():
        who = everyone if len(found) == 1 else ", ".join(names)
        items.append(f"- {mark}{who}{mark}: " + re.sub(r"[\\*_`|]", r"\\\g<0>", said))
    return items


def table(section, inputs):
    """Return the lines of one section, an input a row."""
    lines = ["", section, "-" * len(section), "", ".. list-table::", "   :header-rows: 1"]
    lines += ["   :width: 100%", "   :widths: 25 75", "", "   * - Input", "     - Results"]
    for title, make in inputs.items():
        items = answers(OURS, make, "This package", "**") + answers(PEERS, make, "All peers")
        lines += [f"   * - {title}", "     - " + "\n       ".join(items)]
    return lines


def main(path):
    """Write the page."""
    lines = PAGE.format(
        sklearn=sklearn.__version__,
        statsmodels=statsmodels.__version__,
        rows=len(plane().y),
        exact=EXACT,
    ).splitlines()
    for section, inputs in INPUTS.items():
        lines += table(section, inputs)
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1])
