"""Which levels of categories were rejected: counted by hand, in every kind of data."""

import sys
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.inspection import outlier_mask, rejected_levels

pytestmark = pytest.mark.filterwarnings("ignore:Most rows of level:UserWarning")

COLUMNS = ["rows", "rejected", "share", "mean_weight"]


def shops(n=300, seed=0):
    """Return a price, a shop of six, and sales; of shop D half of the rows are wrong, of F all."""
    rng = np.random.default_rng(seed)
    price = rng.normal(size=n)
    shop = rng.choice(list("ABCDEF"), size=n, p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
    sales = 2.0 * price + 0.2 * rng.normal(size=n)
    bad = np.flatnonzero(shop == "D")[::2]
    sales[bad] += 40.0
    far = np.flatnonzero(shop == "F")
    sales[far] += np.linspace(-300.0, 300.0, len(far))
    return pd.DataFrame({"price": price, "shop": shop}), sales


def encoded(table, **options):
    """Return the price and the dummies of the shops as a data frame."""
    dummies = pd.get_dummies(table["shop"], prefix="shop", dtype=float, **options)
    return pd.concat([table[["price"]], dummies], axis=1)


@pytest.fixture(scope="module")
def fitted():
    table, sales = shops()
    X = encoded(table)
    return RobustRegressor(random_state=0).fit(X, sales), X, sales


def same(first, second):
    """Compare two tables line by line."""
    pd.testing.assert_frame_equal(first.to_frame().sort_index(), second.to_frame().sort_index())


def test_every_level_is_counted(fitted):
    model, X, _ = fitted
    table = rejected_levels(model, X)
    assert set(table.names) == set(X.columns) - {"price"}
    for k, name in enumerate(table.names):
        weights = model.weights_[X[name] == 1.0]
        assert table.rows[k] == len(weights)
        assert table.rejected[k] == np.sum(weights < 0.1)
        assert table.share[k] == pytest.approx(np.mean(weights < 0.1))
        assert table.mean_weight[k] == pytest.approx(np.mean(weights))
    assert table.n_rows == len(X)
    assert table.n_rejected == np.sum(model.weights_ < 0.1)


def test_the_worst_is_first(fitted):
    model, X, _ = fitted
    table = rejected_levels(model, X)
    assert table.names[:2] == ("shop_F", "shop_D")
    assert table.share[0] > 0.8
    assert table.share[1] == pytest.approx(0.5, abs=0.03)
    assert np.all(np.diff(table.share) <= 0.0)
    ties = np.diff(table.share) == 0.0
    assert ties.any()
    assert np.all(np.diff(table.mean_weight)[ties] >= 0.0)


def test_the_threshold_is_the_least_weight_of_a_row_that_is_kept(fitted):
    model, X, _ = fitted
    counts = [rejected_levels(model, X, threshold=of).n_rejected for of in (0.01, 0.5, 1.0)]
    assert counts == [np.sum(model.weights_ < of) for of in (0.01, 0.5, 1.0)]
    assert counts[0] < counts[1] < counts[2]


def test_every_kind_of_data_gives_the_same_table(fitted):
    model, X, _ = fitted
    table = rejected_levels(model, X)
    same(rejected_levels(model, pl.from_pandas(X)), table)
    for kind in (np.asarray, np.asfortranarray, sparse.csr_array, sparse.csc_matrix):
        with warnings.catch_warnings():  # that there are no names now
            warnings.simplefilter("ignore", UserWarning)
            found = rejected_levels(model, kind(X.to_numpy()))
        same(found, table)


def test_zeros_that_are_stored_are_no_rows_of_a_level(fitted):
    _, X, sales = fitted
    dense = X.to_numpy()
    stored = sparse.csr_array(dense + 1.0)
    stored.data -= 1.0
    assert stored.nnz == dense.size
    model = RobustRegressor(random_state=0).fit(dense, sales)
    same(rejected_levels(model, stored), rejected_levels(model, dense))


@pytest.mark.parametrize(
    ("sparse_output", "named"),  # scikit-learn makes no frame of sparse columns
    [
        (True, "default"),
        *(pytest.param(False, of, marks=pytest.mark.slow) for of in ("default", "pandas")),
    ],
)
def test_names_are_those_of_the_column_transformer(sparse_output, named):
    table, sales = shops()
    columns = make_column_transformer(
        (StandardScaler(), ["price"]), (OneHotEncoder(sparse_output=sparse_output), ["shop"]),
        sparse_threshold=1.0,
    ).set_output(transform=named)  # fmt: skip
    pipe = make_pipeline(columns, RobustRegressor(random_state=0)).fit(table, sales)
    found = rejected_levels(pipe, table)
    assert found.names[:2] == ("onehotencoder__shop_F", "onehotencoder__shop_D")
    assert len(found.names) == 6
    search = GridSearchCV(pipe, {"robustregressor__tol": [1e-6]}, cv=2).fit(table, sales)
    same(rejected_levels(search, table), found)


def test_estimators_that_chose_or_learned(fitted):
    _, X, sales = fitted
    chosen = RobustRegressorCV([-np.inf], scales=("auto",), cv=2, random_state=0).fit(X, sales)
    assert rejected_levels(chosen, X).names[:2] == ("shop_F", "shop_D")
    learned = AdaptiveRobustRegressor(random_state=0).fit(X, sales)
    table = rejected_levels(learned, X)
    assert table.n_rejected == np.sum(learned.weights_ < 0.1)


def test_weight_two_is_the_row_twice_and_zero_absent():
    table, sales = shops()
    X = encoded(table)
    cases = np.random.default_rng(1).integers(0, 3, size=len(X))
    model = RobustRegressor(random_state=0).fit(X, sales, cases)
    counted = rejected_levels(model, X, sample_weight=cases)
    written = np.repeat(np.arange(len(X)), cases)
    model.weights_ = model.weights_[written]
    frame = rejected_levels(model, X.iloc[written]).to_frame().astype(float)
    pd.testing.assert_frame_equal(counted.to_frame().sort_index(), frame.sort_index())
    assert counted.n_rows == cases.sum()


def test_targets_have_each_their_own(fitted):
    model, X, sales = fitted
    both = np.column_stack([X["price"] + 0.1 * np.cos(np.arange(len(X))), sales])
    several = RobustRegressor(random_state=0).fit(X, both)
    table = rejected_levels(several, X)
    assert table.targets == ("y0", "y1")
    assert table.rows.shape == (2, 6)
    assert table.names[0] == "shop_F"
    frame = table.to_frame()
    pd.testing.assert_frame_equal(
        frame.loc["y1"].sort_index(), rejected_levels(model, X).to_frame().sort_index(), rtol=1e-4
    )
    np.testing.assert_array_equal(frame.loc["y0", "rejected"], 0)
    assert (
        str(table).splitlines()[-1].endswith(f"of all 300 rows 0 (y0), {table.n_rejected[1]} (y1))")
    )


def test_whatever_made_them_level_columns_are_found():
    """Flags, indicators of missing values, products, and flags that most rows have set."""
    rng = np.random.default_rng(0)
    n = 200
    x, flag = rng.normal(size=n), (rng.random(n) < 0.2).astype(float)
    gaps = np.where(rng.random(n) < 0.15, np.nan, rng.normal(size=n))
    filled = SimpleImputer(add_indicator=True).fit_transform(gaps[:, None])
    X = pd.DataFrame({
        "x": x, "flag": flag, "product": flag * x, "filled": filled[:, 0], "gap": filled[:, 1],
        "set": 1.0 - flag, "constant": np.ones(n),
    })  # fmt: skip
    model = RobustRegressor(random_state=0).fit(X, x + flag + rng.normal(size=n))
    table = rejected_levels(model, X)
    assert set(table.names) == {"flag", "product", "gap", "set"}
    with warnings.catch_warnings():  # that there are no names now
        warnings.simplefilter("ignore", UserWarning)
        same(rejected_levels(model, sparse.csr_array(X.to_numpy())), table)
    rows = dict(zip(table.names, table.rows, strict=True))
    assert rows["flag"] == rows["product"] == rows["set"] == flag.sum()
    assert rows["gap"] == np.isnan(gaps).sum()


def test_the_base_level_is_no_column():
    table, sales = shops()
    X = encoded(table, drop_first=True)
    found = rejected_levels(RobustRegressor(random_state=0).fit(X, sales), X)
    assert "shop_A" not in found.names
    assert found.rows.sum() == np.sum(table["shop"] != "A")


def test_a_table_without_levels_is_empty():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))
    y = X.sum(axis=1) + rng.normal(size=50)
    table = rejected_levels(RobustRegressor(random_state=0).fit(X, y), X)
    assert (table.names, table.rows.shape, table.n_rows) == ((), (0,), 50)
    assert str(table).splitlines()[0].split() == COLUMNS
    assert len(table.to_frame()) == 0
    both = np.column_stack([y, y])
    assert rejected_levels(RobustRegressor(1.0).fit(X, both), X).rows.shape == (2, 0)


def test_it_prints_and_is_written_as_html(fitted):
    model, X, _ = fitted
    table = rejected_levels(model, X.rename(columns=str))
    lines = str(table).splitlines()
    assert lines[0].split() == COLUMNS
    assert lines[1].split()[:3] == ["shop_F", str(table.rows[0]), str(table.rejected[0])]
    assert lines[-1] == (
        f"(rejected: weight under 0.1; of all 300 rows {np.sum(model.weights_ < 0.1)})"
    )
    assert table._repr_html_().count("<tr>") == 7
    frame = table.to_frame()
    assert list(frame.columns) == COLUMNS
    assert (frame.index.name, frame.index[0]) == ("level", "shop_F")


def test_a_frame_needs_pandas(fitted, monkeypatch):
    model, X, _ = fitted
    table = rejected_levels(model, X)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="to_frame needs pandas"):
        table.to_frame()


def test_what_is_refused(fitted):
    model, X, sales = fitted
    with pytest.raises(ValueError, match=r"threshold must be a number in \(0, 1\], got 0"):
        rejected_levels(model, X, threshold=0)
    with pytest.raises(ValueError, match="X must hold the 300 rows of the fit in their order"):
        rejected_levels(model, X[:-1])
    with pytest.raises(ValueError, match="feature names"):
        rejected_levels(model, X.drop(columns="price"))
    with pytest.raises(ValueError, match="X must hold finite numbers, got NaN in 7 columns"):
        rejected_levels(model, X.where(X["price"] < 2.0))
    with pytest.raises(NotFittedError):
        rejected_levels(RobustRegressor(), X)
    with pytest.raises(TypeError, match="estimator must be a linear estimator of sklearn_robust"):
        rejected_levels(LinearRegression().fit(X, sales), X)


def test_a_fit_of_collections_has_its_weights_elsewhere():
    da = pytest.importorskip("dask.array")
    from sklearn_robust.dask import DaskRobustRegressor

    table, sales = shops()
    X = encoded(table).to_numpy()
    model = DaskRobustRegressor(random_state=0)
    model.fit(da.from_array(X, chunks=(100, -1)), da.from_array(sales, chunks=100))
    with pytest.raises(ValueError, match="must have the weights of its training rows"):
        rejected_levels(model.to_local(), X)
    assert outlier_mask(model.to_local(), X, sales).any()
    assert rejected_levels(model, X).names[:2] == ("x6", "x4")


# ---- what the fit itself says ----------------------------------------------------------


def merged(n_small=9, n_large=6, n=200):
    """Return two numbers and a dummy that stands for two categories which are not alike."""
    rng = np.random.default_rng(0)
    x, rare = rng.normal(size=n), np.zeros(n)
    rare[: n_small + n_large] = 1.0
    y = x + 0.1 * rng.normal(size=n)
    y[:n_small] += rng.uniform(5.0, 9.0, size=n_small)
    return pd.DataFrame({"x": x, "rare": rare}), y


def said(fit):
    """Return the one warning of a fit, or None."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit()
    assert len(caught) <= 1
    return str(caught[0].message) if caught else None


def test_a_fit_names_levels_most_of_whose_rows_are_rejected():
    X, y = merged()
    message = said(lambda: RobustRegressor(random_state=0).fit(X, y))
    assert "Most rows of level column 'rare' (9 of 15) are rejected" in message
    numbers = said(lambda: RobustRegressor(random_state=0).fit(X.to_numpy(), y))
    assert "Most rows of level column 1 (9 of 15) are rejected" in numbers
    stored = said(lambda: RobustRegressor(random_state=0).fit(sparse.csr_array(X.to_numpy()), y))
    assert stored == numbers
    chosen = RobustRegressorCV([-np.inf], scales=("auto",), cv=2, random_state=0)
    assert "'rare' (9 of 15)" in said(lambda: chosen.fit(X, y))


def test_a_fit_does_not_name_levels_half_of_whose_rows_are_believed():
    for n_small, n_large in ((6, 6), (2, 2), (0, 15)):
        X, y = merged(n_small, n_large)
        assert said(lambda X=X, y=y: RobustRegressor(random_state=0).fit(X, y)) is None
    X, y = merged(3, 1)  # four rows say little
    assert said(lambda: RobustRegressor(random_state=0).fit(X, y)) is None
    X, y = merged()
    assert said(lambda: RobustRegressor(1.0).fit(X, y)) is None


def test_rows_of_warned_levels_are_counted_by_their_case_weights():
    X, y = merged()
    cases = np.ones(len(y), dtype=int)
    cases[:9], cases[9:12], cases[12:15] = 2, 3, 0
    written = np.repeat(np.arange(len(y)), cases)
    message = said(lambda: RobustRegressor(random_state=0).fit(X, y, cases))
    assert "'rare' (18 of 27)" in message
    assert said(lambda: RobustRegressor(random_state=0).fit(X.iloc[written], y[written])) == message


def test_a_level_without_any_believed_row_is_named_once():
    table, sales = shops()
    X = encoded(table)
    far = np.flatnonzero(table["shop"] == "F")
    sales[far] = np.linspace(-1e4, 1e4, len(far))
    start = np.append(np.zeros(X.shape[1]), 0.0)
    start[:2] = 2.0, 0.0
    message = said(lambda: RobustRegressor(init=start, scale=0.05).fit(X, sales))
    assert message.count("shop_F") == 1
