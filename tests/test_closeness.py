"""What compares the others: it lets roundings pass, and nothing else."""

import numpy as np
import pytest
from closeness import ROUNDING, assert_close, assert_same_fit
from problems import contaminated

from sklearn_robust import RobustRegressor


def test_roundings_of_the_terms_pass_however_small_the_sum():
    assert_close([1e-17, 1.0], [0.0, 1.0 + 900.0 * ROUNDING])
    assert_close(3.0 * ROUNDING, 0.0, terms=1.0, tol=4.0 * ROUNDING)
    assert_close([np.inf, -np.inf, np.nan, 2.0], [np.inf, -np.inf, np.nan, 2.0])
    assert_close([1.0, 100.1], [1.0, 100.0], terms=[1.0, 1000.0], tol=1e-3)


@pytest.mark.parametrize(
    ("actual", "expected", "keywords"),
    [
        (1.0, 1.0 + 1100.0 * ROUNDING, {}),
        (1e-17, 0.0, {}),  # no terms are known that cancelled
        ([1.002, 100.0], [1.0, 100.0], {"terms": [1.0, 1000.0], "tol": 1e-3}),
        (np.nan, 1.0, {"tol": 1.0}),
        (np.inf, 1.0, {"tol": 1.0}),
        (np.inf, -np.inf, {"tol": 1.0}),
        ([1.0, 1.0], [1.0], {}),
        (1.0, 2.0, {"terms": np.inf}),
    ],
)
def test_the_rest_does_not(actual, expected, keywords):
    with pytest.raises(AssertionError, match=r"too far apart|shapes|finite"):
        assert_close(actual, expected, **keywords)


def test_fits_are_compared_in_the_unit_of_their_tol():
    X, y = contaminated()
    loose, sharp = (RobustRegressor(1.0, tol=tol).fit(X, y) for tol in (1e-2, 1e-10))
    assert_same_fit(loose, sharp, X, tol=2e-2)
    with pytest.raises(AssertionError, match="too far apart"):
        assert_same_fit(loose, sharp, X, tol=1e-9)
