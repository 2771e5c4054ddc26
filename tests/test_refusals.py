"""What a RobustRegressor refuses: the parameter, the value and what is accepted are named."""

import numpy as np
import pytest
from problems import contaminated

from sklearn_robust import RobustRegressor

REFUSED = [
    ("alpha", 2.1, r"a number in \[-inf, 2\]"),
    ("alpha", np.nan, r"a number in \[-inf, 2\]"),
    ("alpha", "welsch", r"a number in \[-inf, 2\]"),
    ("alpha", True, r"a number in \[-inf, 2\]"),
    ("loss", "hubert", "one of .*'huber'"),
    ("loss", None, "one of"),
    ("scale", 0.0, r"a number in \[1e-150, 1e\+150\]"),
    ("scale", np.inf, r"a number in \[1e-150, 1e\+150\]"),
    ("scale", 10**400, r"a number in \[1e-150, 1e\+150\]"),
    ("scale", "median", r"one of .*'mad'.* or a number in \[1e-150, 1e\+150\]"),
    ("scale", None, "one of"),
    ("efficiency", 0.0, r"a number in \(0, 1\)"),
    ("efficiency", 1.0, r"a number in \(0, 1\)"),
    ("l2_regularization", -1.0, r"a number in \[0, inf\)"),
    ("l2_regularization", np.inf, r"a number in \[0, inf\)"),
    ("fit_intercept", "yes", "True or False"),
    ("fit_intercept", 1, "True or False"),
    ("solver", "newton", "one of .*'irls'"),
    ("init", "random", "one of .*'ols'.* or an array"),
    ("init", None, "the name of a start or an array"),
    ("init", 1.0, r"array of shape \(5,\)"),
    ("init", {"a": 1}, "the name of a start or an array"),
    ("init", [1j] * 5, "the name of a start or an array"),
    ("init", ["a"] * 5, "the name of a start or an array"),
    ("init", [1.0], r"shape \(5,\)"),
    ("init", [[1.0] * 5] * 2, r"shape \(5,\)"),
    ("max_iter", 0, "an integer of at least 1"),
    ("max_iter", 1.5, "an integer of at least 1"),
    ("tol", -1e-3, r"a number in \[0, inf\)"),
    ("tol", None, r"a number in \[0, inf\)"),
    ("warm_start", "no", "True or False"),
    ("verbose", -1, "an integer of at least 0"),
    ("random_state", "seed", "None, an integer"),
    ("random_state", -1, "None, an integer"),
    ("random_state", 1.5, "None, an integer"),
]


@pytest.mark.parametrize(("parameter", "value", "accepted"), REFUSED)
def test_wrong_parameters_are_refused(parameter, value, accepted):
    X, y = contaminated()
    model = RobustRegressor(**{parameter: value})
    with pytest.raises(ValueError, match=accepted) as raised:
        model.fit(X, y)
    message = str(raised.value)
    assert message.startswith(parameter)
    assert f"got {value!r}" in message or f"got shape {np.shape(value)}" in message


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["X", "y", "sample_weight", "init"])
def test_not_finite(bad, where):
    X, y = contaminated()
    data = {"X": X, "y": y, "sample_weight": np.ones(len(y)), "init": np.zeros(5)}
    data[where].flat[3] = bad
    model = RobustRegressor(init=data.pop("init"))
    with pytest.raises(ValueError, match=rf"(?s){where}.*(NaN|infinity)|(NaN|infinity).*{where}"):
        model.fit(**data)


@pytest.mark.parametrize(
    ("weights", "pattern"),
    [
        (-np.ones(200), "sample_weight must be numbers in .* got -1"),
        ({}, "sample_weight must be numbers in .* got {}"),
        (["a"] * 200, "sample_weight must be numbers in"),
        (np.zeros(200), "sample_weight must hold at least one positive number"),
        (np.ones(100), r"sample_weight must be .* shape \(200,\).*\(100,\)"),
        (np.ones((200, 2)), "sample_weight must be numbers in"),
        (np.full(200, 1e308), "sample_weight must have a finite sum"),
    ],
)
def test_wrong_weights(weights, pattern):
    X, y = contaminated()
    with pytest.raises(ValueError, match=pattern):
        RobustRegressor().fit(X, y, sample_weight=weights)


def test_lengths_and_widths_must_match():
    X, y = contaminated()
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RobustRegressor().fit(X, y[:-1])
    with pytest.raises(ValueError, match="expecting 4 features"):
        RobustRegressor().fit(X, y).predict(X[:, :2])
