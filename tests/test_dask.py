"""Fits of Dask collections: those of the same rows in memory, wherever the blocks are."""

import importlib
import pickle
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from closeness import assert_close, prediction_terms
from in_blocks import N, blocks, many, same
from problems import EACH_LOSS, contaminated
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor, RobustRegressorCV
from sklearn_robust.datasets import load_hbk
from sklearn_robust.scales import mad, normal_scaled_quantile

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
from sklearn_robust.dask import DaskAdaptiveRobustRegressor, DaskRobustRegressor  # noqa: E402
from sklearn_robust.design import residuals  # noqa: E402
from sklearn_robust.design.dask import DaskDesign  # noqa: E402
from sklearn_robust.design.dask_blocks import Scheduler, parts_of  # noqa: E402
from sklearn_robust.limits import changed_limits  # noqa: E402

PAIRS = {
    "convex": (RobustRegressor, DaskRobustRegressor, {"alpha": 1.0}),
    "given scale": (RobustRegressor, DaskRobustRegressor, {"alpha": 1.0, "scale": 1.0}),
    "default": (RobustRegressor, DaskRobustRegressor, {}),
    "mad": (RobustRegressor, DaskRobustRegressor, {"init": "ols", "scale": "mad", "alpha": 0.0}),
    "least squares": (RobustRegressor, DaskRobustRegressor, {"alpha": 2.0}),
    "ridge": (RobustRegressor, DaskRobustRegressor, {"l2_regularization": 0.1}),
    "without intercept": (RobustRegressor, DaskRobustRegressor, {"fit_intercept": False}),
    "adaptive": (AdaptiveRobustRegressor, DaskAdaptiveRobustRegressor, {}),
}


def fits(pair, X, y, weights=None, **more):
    local, other, options = PAIRS[pair]
    options = {"random_state": 0, "tol": 1e-9, "max_iter": 500, **options, **more}
    first = local(**options).fit(X, y, weights)
    cases = None if weights is None else blocks(weights)
    return first, other(**options).fit(blocks(X), blocks(y), cases)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_fit_is_that_of_the_rows_in_memory(pair):
    local, other = fits(pair, *many())
    same(local, other)
    assert 3 <= other.n_passes_ <= 25


@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_every_loss(keywords):
    X, y = many()
    options = {"scale": 1.0, "random_state": 0, "tol": 1e-9, **keywords}
    local = RobustRegressor(**options).fit(X, y)
    same(local, DaskRobustRegressor(**options).fit(blocks(X), blocks(y)))


@pytest.mark.parametrize("solver", ["irls", "lbfgs"])
@pytest.mark.parametrize("pair", ["convex", "adaptive"])
def test_every_solver(pair, solver):
    same(*fits(pair, *many(), solver=solver))


def test_a_given_shape_and_scale_take_few_passes():
    _, other = fits("given scale", *many())
    assert other.n_passes_ <= 12


@pytest.mark.parametrize("pair", PAIRS)
def test_few_rows_are_fitted_as_they_are(pair):
    local, other = fits(pair, *contaminated(n=300))
    same(local, other)
    assert other.n_passes_ == 3


@pytest.mark.parametrize("pair", ["convex", "default", "adaptive"])
@pytest.mark.parametrize("n", [300, N])
def test_case_weights(pair, n):
    X, y = contaminated(n=n, p=3)
    weights = np.random.default_rng(1).integers(0, 3, size=n).astype(float)
    weights[: n // 7] = 0.0  # a block without any
    local, other = fits(pair, X, y, weights)
    same(local, other)


@pytest.mark.parametrize("n", [300, N])
def test_targets_have_each_their_own(n):
    X, y = contaminated(n=n, p=3)
    both = np.column_stack([y, contaminated(n=n, p=3, seed=3)[1]])
    for pair in ("convex", "adaptive"):
        same(*fits(pair, X, both))


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_kinds_of_numbers(dtype):
    X, y = many()
    X = (10.0 * X).astype(dtype)
    same(*fits("convex", X, y))


@pytest.mark.slow
def test_bad_leverage_rows_are_left_out_in_their_blocks():
    X, y = load_hbk(return_X_y=True)
    options = {"random_state": 0, "tol": 1e-9}
    local = AdaptiveRobustRegressor(**options).fit(X, y)
    other = DaskAdaptiveRobustRegressor(**options).fit(blocks(X, 20), blocks(y, 20))
    same(local, other)
    rng = np.random.default_rng(0)
    X, y = many()
    X, y = X.copy(), y.copy()
    bad = rng.choice(N, 3_000, replace=False)
    X[bad] = 100.0 + rng.normal(size=(3_000, 3))
    y[bad] = 2_000.0 + rng.normal(size=3_000)
    local, other = fits("adaptive", X, y)
    assert np.sum(local.weights_ == 0.0) == 3_000
    same(local, other)


def test_frames_with_empty_blocks_and_blocks_of_unknown_length():
    X, y = many()
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=y, w=1.0)
    collection = dd.from_pandas(frame, npartitions=7)
    collection = collection[collection["a"] > -1e9]  # lengths are no longer known
    nothing = collection[collection["a"] > 1e9]
    collection = dd.concat([nothing, collection, nothing], interleave_partitions=False)
    options = {"random_state": 0, "tol": 1e-9}
    local = RobustRegressor(**options).fit(frame[list("abc")], y)
    columns, target = collection[list("abc")], collection["y"]
    other = DaskRobustRegressor(**options).fit(columns, target, collection["w"])
    same(local, other)
    np.testing.assert_array_equal(other.feature_names_in_, list("abc"))
    predicted = other.predict(columns)
    assert isinstance(predicted, da.Array)
    terms = prediction_terms(local, X)
    assert_close(predicted.compute(), local.predict(frame[list("abc")]), terms=terms, tol=1e-8)
    unknown = DaskRobustRegressor(**options).fit(columns.to_dask_array(), target)
    same(local, unknown)
    again = unknown.predict(columns.to_dask_array())
    assert_close(again.compute(), predicted.compute(), terms=terms)
    with pytest.raises(ValueError, match="feature names"):
        other.predict(columns.rename(columns={"a": "z"})).compute()


def test_blocks_of_columns_and_of_other_lengths_are_joined():
    X, y = many()
    local = RobustRegressor(1.0, scale=1.0, tol=1e-9).fit(X, y)
    other = DaskRobustRegressor(1.0, scale=1.0, tol=1e-9)
    same(local, other.fit(da.from_array(X, (5_000, 2)), da.from_array(y, 7_000)))
    predicted = other.predict(da.from_array(X, (5_000, 2)))
    assert predicted.shape == (N,)
    assert_close(predicted.compute(), local.predict(X), terms=prediction_terms(local, X), tol=1e-8)


@pytest.mark.parametrize("persist", [True, False, "auto"])
def test_blocks_are_read_as_often_as_said(persist):
    X, y = many()
    reads = []

    def read(block):
        reads.append(len(block))
        return block

    lazy = blocks(X).map_blocks(read, dtype=float, meta=np.empty((0, 0)))
    with dask.config.set(scheduler="synchronous"):
        model = DaskRobustRegressor(1.0, scale=1.0, persist=persist).fit(lazy, blocks(y))
    n_blocks = -(-N // 4_000)
    assert len(reads) == {True: 1, "auto": 2, False: model.n_passes_}[persist] * n_blocks


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_intervals_are_lazy(n_targets, framed):
    X, y = many()
    Y = y if n_targets == 1 else np.column_stack([y, -y])
    local, other = fits("default", X, Y)
    columns = blocks(X)
    if framed:
        columns = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    lazy = other.predict_interval(columns, 0.8)
    assert isinstance(lazy, da.Array)
    # Leverages are those among 20 000 rows, which their mean square is 0.7 % off.
    assert_close(lazy.compute(), local.predict_interval(X, 0.8), tol=1e-4)
    mean = other.predict_interval(columns, kind="mean").compute()
    assert_close(mean, local.predict_interval(X, kind="mean"), tol=1e-3)
    with pytest.raises(ValueError, match="rows must be one of"):
        other.predict_interval(columns, rows="bad")


def test_predictions_and_likelihoods_are_lazy():
    X, y = many()
    local, other = fits("adaptive", X, np.column_stack([y, -y]))
    columns, targets = blocks(X), blocks(np.column_stack([y, -y]))
    for lazy, expected in (
        (other.predict(columns), local.predict(X)),
        (other.nll(columns, targets), local.nll(X, np.column_stack([y, -y]))),
    ):
        assert isinstance(lazy, da.Array)
        assert_close(lazy.compute(), expected, tol=1e-8)
    assert_close(other.predict(X[:5]), local.predict(X[:5]), tol=1e-8)
    some = X[:5], np.column_stack([y, -y])[:5]
    assert_close(other.nll(*some), local.nll(*some), tol=1e-8)
    score = local.score(X, np.column_stack([y, -y]))
    assert_close(other.score(columns, targets), score, terms=1.0, tol=1e-8)


@pytest.mark.parametrize("pair", ["default", "adaptive"])
def test_to_local_is_the_plain_estimator(pair):
    local, other = fits(pair, *many())
    handed_on = other.to_local()
    assert type(handed_on) is type(local)
    assert handed_on.get_params() == local.get_params()
    np.testing.assert_array_equal(handed_on.coef_, other.coef_)
    assert not hasattr(handed_on, "weights_")
    again = pickle.loads(pickle.dumps(handed_on))
    np.testing.assert_array_equal(again.predict(many()[0]), handed_on.predict(many()[0]))
    assert type(other.to_linear_regression()).__name__ == "LinearRegression"
    with pytest.raises(NotFittedError):
        clone(other).to_local()


def test_the_client_is_no_parameter():
    model = DaskRobustRegressor()
    model.client = threading.Lock()  # which, as a client, cannot be pickled
    assert "client" not in model.get_params()
    assert clone(model).client is None
    assert pickle.loads(pickle.dumps(model)).client is None


def test_warm_start_and_given_coefficients():
    X, y = many()
    model = DaskRobustRegressor(1.0, warm_start=True).fit(blocks(X), blocks(y))
    first = model.n_iter_
    assert model.fit(blocks(X), blocks(y)).n_iter_ < first
    start = np.append(model.coef_, model.intercept_)
    same(RobustRegressor(1.0, init=start).fit(X, y), DaskRobustRegressor(1.0, init=start).fit(
        blocks(X), blocks(y)
    ), tol=1e-6)  # fmt: skip


@pytest.mark.slow
def test_dependent_columns():
    X, y = many()
    twice = np.column_stack([X, X[:, 0]])
    for pair in ("least squares", "convex", "adaptive"):
        same(*fits(pair, twice, y), tol=1e-7)


@pytest.mark.slow
def test_quantiles_are_exact_however_many_lie_near_them():
    X, y = many()
    convex, default = RobustRegressor(1.0).fit(X, y), RobustRegressor(random_state=0).fit(X, y)
    for gathered in (10_000, 100, 1):
        with changed_limits(gathered=gathered):
            same(convex, DaskRobustRegressor(1.0).fit(blocks(X), blocks(y)), tol=1e-6)
            other = DaskRobustRegressor(random_state=0).fit(blocks(X), blocks(y))
        assert other.scale_ == pytest.approx(default.scale_, rel=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_quantiles_of_rows_in_an_order_that_misleads(share):
    """Every second row is large: evenly spaced ones need not be like the others."""
    y = np.random.default_rng(0).normal(size=N)
    y[::2] *= 1e6
    X = np.zeros((N, 1))
    for gathered in (1_000_000, 100):
        parts = parts_of(blocks(X), blocks(y), None)
        design = DaskDesign(parts, Scheduler(None), fit_intercept=False, persist=True)
        with changed_limits(gathered=gathered):
            found = residuals.normal_scaled_quantile(design, np.zeros(1), share)
        assert found == pytest.approx(normal_scaled_quantile(y, share), rel=1e-11)


def test_residuals_of_equal_size_are_their_own_quantile():
    y = np.where(np.arange(N) % 3 == 0, 7.0, -7.0)
    parts = parts_of(blocks(np.zeros((N, 1))), blocks(y), None)
    design = DaskDesign(parts, Scheduler(None), fit_intercept=False, persist=True)
    np.testing.assert_array_equal(residuals.residuals(design, np.zeros(1)), y)
    with changed_limits(gathered=100):
        found = residuals.normal_scaled_quantile(design, np.zeros(1), 0.5)
    assert found == pytest.approx(mad(y), rel=1e-11)


def test_rows_so_wide_that_few_are_kept_are_fetched_to_be_searched():
    with changed_limits(kept=400):
        local, other = fits("default", *contaminated(n=300))
    same(local, other, tol=1e-6)
    assert other.n_passes_ > 3


# ---- what is refused -----------------------------------------------------------------


def refused(match, X, y, weights=None, error=ValueError, **options):
    with pytest.raises(error, match=match):
        DaskRobustRegressor(1.0, **options).fit(X, y, weights)


def test_blocks_are_named():
    X, y = many()
    bad = X.copy()
    bad[9_000, 1] = np.nan
    refused("X must be finite, got NaN or infinity in block 2", blocks(bad), blocks(y))
    late = y.copy()
    late[-1] = np.inf
    refused("y must be finite, got NaN or infinity in block 7", blocks(X), blocks(late))
    weights = np.ones(N)
    weights[5_000] = -1.0
    refused(r"sample_weight must be in \[0, inf\), got -1.0 in block 1", blocks(X), blocks(y),
            blocks(weights))  # fmt: skip
    refused("got all zeros", blocks(X), blocks(y), blocks(np.zeros(N)))
    parts = [da.from_array(X[:10]), da.from_array(X[10:20, :2]), da.from_array(X[20:30])]
    delayed = [dask.delayed(part.compute)() for part in parts]
    columns = da.concatenate([da.from_delayed(one, (10, 3), float) for one in delayed])
    refused(r"X must have 3 columns in block 1, got shape \(10, 2\)", columns, blocks(y[:30], 10))
    lengths = da.concatenate(
        [da.from_delayed(dask.delayed(X[:k]), (np.nan, 3), float) for k in (5, 9)]
    )
    refused("y must have as many rows as X, 9 in block 1, got 5", lengths, blocks(y[:10], 5))
    zeros = da.from_delayed(dask.delayed(sparse.csr_array)(X[:30]), (30, 3), float)
    refused("X must be dense arrays or data frames, got a sparse block 0", zeros, blocks(y[:30]))


def test_masked_values_are_refused_in_their_block():
    X, y = many()
    weights = np.ones(N)
    plain = [blocks(of) for of in (X, y, weights)]
    masked = [da.ma.masked_where(of == np.ravel(of)[0], of) for of in plain[:2]]
    masked.append(da.ma.masked_where(da.arange(N, chunks=plain[1].chunks) < 2, plain[2]))
    for place, (named, count) in enumerate((("X", 1), ("y", 1), ("sample_weight", 2))):
        data = [masked[k] if k == place else plain[k] for k in range(3)]
        refused(f"{named} must be without masked values, got {count} masked .* in block 0", *data)
    nothing = [da.ma.masked_where(of > np.inf, of) for of in plain]
    model = DaskAdaptiveRobustRegressor(random_state=0).fit(*nothing)
    same(DaskAdaptiveRobustRegressor(random_state=0).fit(*plain), model)
    with pytest.raises(ValueError, match="X must be without masked values, got 1 masked value;"):
        model.predict(masked[0]).compute()
    with pytest.raises(ValueError, match="y must be without masked values, got 1 masked value;"):
        model.nll(plain[0], masked[1]).compute()
    found = model.nll(nothing[0], nothing[1]).compute()
    np.testing.assert_array_equal(found, model.nll(*plain[:2]).compute())


def test_frames_are_named_too():
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0)})
    collection = dd.from_pandas(frame, npartitions=2)

    def spoil(part, partition_info=None):
        return part.rename(columns={"b": "z"}) if part["a"].iloc[0] == 10.0 else part

    meta = frame.iloc[:0]
    odd = collection.map_partitions(spoil, meta=meta, enforce_metadata=False)
    refused("must have the columns .*'a', 'b'.* in block 1", odd, collection["a"])
    words = collection.assign(b="word")
    refused(r"X must hold numbers, got others in block [01]", words, collection["a"])


def test_what_is_no_collection_is_refused():
    X, y = many()
    refused("X must be a dask.array or dask.dataframe collection", X, blocks(y), error=TypeError)
    refused("y must be a dask.array or dask.dataframe", blocks(X), y, error=TypeError)
    refused("y must have as many blocks as X, 8, got 1", blocks(X), da.from_array(y[:-1], N))
    refused("persist must be one of", blocks(X), blocks(y), persist="yes")
    refused("X must be 2-D", blocks(y), blocks(y))
    wide = da.from_delayed(dask.delayed(X), (N, np.nan), float)
    refused("X must have a known number of columns, got nan", wide, da.from_array(y, N))
    refused("X must hold at least one row, got none", blocks(X[:0]), blocks(y[:0]))


def test_dask_is_asked_for_by_its_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "sklearn_robust.dask")
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(ImportError, match=r"extra dask"):
        importlib.import_module("sklearn_robust.dask")


@pytest.mark.parametrize(
    "model", [RobustRegressor(), AdaptiveRobustRegressor(), RobustRegressorCV()], ids=str
)
def test_plain_estimators_name_those_of_collections(model):
    X, y = contaminated(n=50)
    named = type(model).__name__.removesuffix("CV")
    for data in ((blocks(X), blocks(y)), (X, blocks(y)), (X, y, blocks(y))):
        with pytest.raises(TypeError, match=f"sklearn_robust.dask.Dask{named} takes collections"):
            model.fit(*data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y)
    with pytest.raises(TypeError, match="takes collections"):
        model.predict(blocks(X))
