"""The bundled data sets."""

import builtins

import numpy as np
import pandas as pd
import pytest

from sklearn_robust import RobustRegressor, datasets

SHAPES = {
    "stackloss": (21, 3),
    "phones": (24, 1),
    "starscyg": (47, 1),
    "hbk": (75, 3),
    "salinity": (28, 3),
    "computer_hardware": (209, 8),
}


@pytest.mark.parametrize(("name", "shape"), SHAPES.items())
def test_shapes(name, shape):
    load = getattr(datasets, f"load_{name}")
    bunch = load()
    assert bunch.data.shape == shape
    assert bunch.target.shape == shape[:1]
    assert len(bunch.feature_names) == shape[1]
    assert "References" in bunch.DESCR
    X, y = load(return_X_y=True)
    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    frame = load(as_frame=True).frame
    assert list(frame.columns) == [*bunch.feature_names, *bunch.target_names]
    data, target = load(return_X_y=True, as_frame=True)
    assert isinstance(data, pd.DataFrame)
    np.testing.assert_array_equal(target, y)


def test_every_loader_is_listed():
    assert sorted(datasets.__all__) == sorted(f"load_{name}" for name in SHAPES)


def test_mixed_types():
    frame = datasets.load_computer_hardware(as_frame=True).data
    assert [pd.api.types.is_numeric_dtype(dtype) for dtype in frame.dtypes] == [False] * 2 + [
        True
    ] * 6


def test_known_values():
    """Least squares on stack loss, as printed by Brownlee (1965)."""
    X, y = datasets.load_stackloss(return_X_y=True)
    coef = np.linalg.lstsq(np.column_stack([np.ones(21), X]), y)[0]
    np.testing.assert_allclose(coef, [-39.9197, 0.7156, 1.2953, -0.1521], rtol=0.0, atol=5e-5)


def test_frames_need_pandas(monkeypatch):
    real = builtins.__import__

    def without_pandas(name, *args, **kwargs):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ImportError, match="as_frame=True needs pandas"):
        datasets.load_phones(as_frame=True)


# ---- known bad rows ------------------------------------------------------------------


def test_phones_known_bad_years_have_no_weight():
    X, y = datasets.load_phones(return_X_y=True)
    model = RobustRegressor().fit(X, y)
    wrong = (X.ravel() >= 64) & (X.ravel() <= 69)
    assert np.all(model.weights_[wrong] < 1e-6)
    assert np.all(model.weights_[X.ravel() <= 62] > 0.5)
    assert 1.0 < model.coef_[0] < 1.2


def test_stackloss_huber_is_that_of_statsmodels_documentation():
    """The RLM example of statsmodels' documentation, HuberT at its defaults."""
    X, y = datasets.load_stackloss(return_X_y=True)
    model = RobustRegressor(loss="huber", tol=1e-9).fit(X, y)
    np.testing.assert_allclose(
        [model.intercept_, *model.coef_], [-41.026498, 0.829384, 0.926066, -0.127847], atol=1e-4
    )
