"""Many rows, and few: fits that begin on a sample, or do not leave compiled code."""

import numpy as np
import pytest
from closeness import assert_close, assert_same_fit
from in_threads import assert_read_by_threads, threads
from problems import EACH_LOSS, SOLVERS, contaminated
from scipy import sparse
from sklearn.linear_model import LinearRegression

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.design import make_design, passes, residuals
from sklearn_robust.limits import changed_limits
from sklearn_robust.losses import resolve
from sklearn_robust.procedures.subsample import sample_of, subsample_size
from sklearn_robust.scales import mad, truncated_deviation
from sklearn_robust.solvers.anderson import System, accelerated

MANY = 9_000
"""Rows of which a sample is fitted first."""
QUIET = {"tol": 1e-9, "max_iter": 100, "report": lambda value: None}


WITHOUT_SUBSAMPLES = {"subsampled": np.inf}
"""Limits under which no subsample is fitted first."""


# ---- many rows -----------------------------------------------------------------------


@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("scale", ["mad", 2.0, "auto"], ids=str)
def test_a_sample_first_changes_no_answer(keywords, scale):
    """Within tol, whatever solver goes on; at alpha = 2 no sample is drawn."""
    X, y = contaminated(n=MANY, p=4)
    fits = [
        RobustRegressor(**keywords, scale=scale, solver=solver, random_state=0).fit(X, y)
        for solver in ("auto", "lbfgs")
    ]
    with changed_limits(**WITHOUT_SUBSAMPLES):
        exact = RobustRegressor(
            **keywords, scale=scale, solver="lbfgs", tol=1e-10, max_iter=500, random_state=0
        ).fit(X, y)
    # "reweighted" may come to rest where one row more or less lies in its window.
    tol = 1e-4 if scale == "auto" and resolve(**keywords).redescending else 2e-6
    for fit in fits:
        assert_same_fit(fit, exact, X, tol)


@pytest.mark.parametrize("init", ["ols", "gnc", "s"])
def test_a_sample_first_changes_no_adaptive_answer(init):
    X, y = contaminated(n=MANY, p=4)
    fit = AdaptiveRobustRegressor(init=init, random_state=0).fit(X, y)
    model = AdaptiveRobustRegressor(init=init, tol=1e-8, max_iter=500, random_state=0)
    with changed_limits(**WITHOUT_SUBSAMPLES):
        exact = model.fit(X, y)
    assert_same_fit(fit, exact, X, 2e-6)
    assert fit.alpha_ == pytest.approx(exact.alpha_, abs=2e-6)
    assert fit.nll_ <= exact.nll_ + 1e-10


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_a_shape_at_its_bound_is_found_on_many_rows(alpha):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(MANY, 2))
    noise = rng.standard_t(0.5, size=MANY) if alpha == 0.0 else rng.uniform(-1.0, 1.0, size=MANY)
    model = AdaptiveRobustRegressor(init="ols").fit(X, X.sum(axis=1) + noise)
    assert model.alpha_ == alpha


@pytest.mark.parametrize(
    "model", [RobustRegressor(random_state=0), AdaptiveRobustRegressor(random_state=0)], ids=str
)
def test_bad_leverage_points_among_many_rows_are_left_out(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(MANY, 4))
    y = X.sum(axis=1) + rng.normal(size=MANY)
    bad = MANY // 5
    X[:bad] = 10.0 + 0.5 * rng.normal(size=(bad, 4))
    y[:bad] = -150.0 + rng.normal(size=bad)
    oracle = LinearRegression().fit(X[bad:], y[bad:])
    model.fit(X, y)
    assert np.max(model.weights_[:bad]) < 1e-6
    assert np.linalg.norm(model.coef_ - oracle.coef_) < 0.02


def test_penalised_fits_of_many_rows_agree():
    X, y = contaminated(n=MANY, p=4)
    fit = RobustRegressor(l2_regularization=0.5, scale="s", random_state=0).fit(X, y)
    with changed_limits(**WITHOUT_SUBSAMPLES):
        exact = RobustRegressor(
            l2_regularization=0.5, scale="s", tol=1e-10, max_iter=500, random_state=0
        ).fit(X, y)
    assert_same_fit(fit, exact, X, 2e-6)


def test_weights_are_cases_in_many_rows():
    X, y = contaminated(n=MANY, p=3)
    cases = np.random.default_rng(0).integers(0, 3, size=MANY)
    weighted = RobustRegressor(random_state=0).fit(X, y, cases)
    repeated = RobustRegressor(random_state=0).fit(np.repeat(X, cases, 0), np.repeat(y, cases))
    assert_same_fit(weighted, repeated, X, 1e-4)


def test_another_order_of_many_rows_gives_the_same_scale():
    """It jumps as rows enter its window, and another order has another sample."""
    X, y = contaminated(n=16_000, p=20, share=0.3)
    scales = []
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(y))
        scales.append(RobustRegressor(random_state=0).fit(X[order], y[order]).scale_)
    np.testing.assert_allclose(scales, scales[0], rtol=1e-6)


@pytest.mark.parametrize("scale", ["mad", "s", "auto", 2.0], ids=str)
def test_acceleration_that_leads_nowhere_is_done_without(scale, monkeypatch):
    X, y = contaminated(n=MANY, p=4)
    options = {"alpha": 0.0, "scale": scale, "random_state": 0, "tol": 1e-9, "max_iter": 500}
    quick = RobustRegressor(**options).fit(X, y)
    tried = []

    def nowhere(*args, **options):
        tried.append(args)
        return None, [], False

    monkeypatch.setattr("sklearn_robust.solvers.anderson.accelerated", nowhere)
    tol = 1e-4 if scale == "auto" else 1e-6
    assert_same_fit(RobustRegressor(**options).fit(X, y), quick, X, tol)
    assert tried


def test_many_rows_most_of_which_lie_on_a_plane():
    X, y = contaminated(n=MANY, p=3)
    exact = np.arange(MANY) % 5 < 3
    y[exact] = X[exact] @ [1.0, -2.0, 3.0] + 4.0
    with pytest.warns(UserWarning, match="More than half of the rows are fitted exactly"):
        model = RobustRegressor(random_state=0).fit(X, y)
    assert_close([*model.coef_, model.intercept_], [1.0, -2.0, 3.0, 4.0])


def test_columns_that_a_sample_does_not_show_are_fitted():
    """A column that is nearly always zero is zero in most samples."""
    X, y = contaminated(n=40_000, p=3)
    X[:, 2] = 0.0
    X[:3, 2] = 1.0
    y[:3] += 7.0
    dense = RobustRegressor(1.0).fit(X, y)
    csr = RobustRegressor(1.0).fit(sparse.csr_array(X), y)
    assert_close(dense.coef_, csr.coef_, tol=1e-4)
    residuals = np.abs(y - dense.predict(X))[:3]
    assert np.median(residuals) < 10.0


def test_samples_are_drawn_without_replacement_and_without_absent_rows():
    X, y = contaminated(n=MANY, p=3)
    X[:, 0] = np.arange(MANY)
    weights = (np.arange(MANY) % 3 > 0).astype(float)
    for size in (1_000, 4_000):
        for cases in (None, weights):
            rows = make_design(X, y, cases).sample(size, np.random.RandomState(0))
            assert len(np.unique(rows.X[:, 0])) == rows.n_rows
            assert 0.9 * size <= rows.n_rows <= size
            assert cases is None or np.all(rows.sample_weight == 1.0)
    assert subsample_size(make_design(X[:5_000], y[:5_000])) == 0
    assert 0.9 * 2_048 <= sample_of(make_design(X, y), 2_048).n_rows <= 2_048


class _System(System):
    """A system whose steps are a function of the point."""

    def __init__(self, step):
        self.x, self._step = np.full(6, 0.01), step

    def read(self, x):
        step = self._step(x)
        return float(x @ x), step, float(np.max(np.abs(step)))


def test_acceleration_finds_the_root_and_gives_up_far_from_it():
    rng = np.random.default_rng(0)
    matrix = np.eye(6) + 0.1 * rng.normal(size=(6, 6))
    x, history, converged = accelerated(_System(lambda x: -matrix @ x), **QUIET)
    assert converged
    assert np.max(np.abs(x)) < 1e-9
    assert len(history) <= 9
    for lost in (lambda x: np.full(6, 1.0), lambda x: 0.1 * rng.normal(size=6), lambda x: x / 0.0):
        with np.errstate(divide="ignore"):
            assert not accelerated(_System(lost), **QUIET)[2]


# ---- statistics of many residuals ----------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_scales_of_many_residuals_are_those_of_all_at_once(weighted):
    rng = np.random.default_rng(0)
    n = 60_001
    X, y = rng.normal(size=(n, 1)), rng.standard_t(2, size=n).round(2)
    cases = rng.integers(0, 3, size=n).astype(float) if weighted else None
    rows = make_design(X, y, cases)
    params = np.array([0.1, 0.0])
    left = residuals.residuals(rows, params)
    median = residuals.normal_scaled_quantile(rows, params, 0.5)
    assert median == pytest.approx(mad(left, cases), rel=1e-14)
    assert residuals.truncated_deviation(rows, params, 2.0, 2.0) == pytest.approx(
        truncated_deviation(left, 2.0, cases, n_parameters=2.0), rel=1e-12
    )
    ties = make_design(X, np.repeat([0.0, 1.0], [n // 2, n - n // 2]), cases)
    zero = np.zeros(2)
    median = residuals.normal_scaled_quantile(ties, zero, 0.5)
    assert median == pytest.approx(mad(residuals.residuals(ties, zero), cases), rel=1e-14)
    size = np.median(np.abs(left))
    _, _, sizes = passes.abs_residuals_gradient(
        rows, params, resolve(alpha=1.0), 1.0, (0.9 * size, 1.1 * size)
    )
    assert sizes.quantile(0.5) == pytest.approx(0.674489750196 * mad(left, cases), rel=1e-12)
    assert sizes.quantile(0.9) is None
    assert sizes.quantile(0.1) is None


def test_rows_in_an_order_that_misleads():
    """The evenly spaced rows that show where a median lies are all large."""
    y = np.random.default_rng(0).normal(size=60_000)
    y[::12] *= 1e6
    rows = make_design(np.zeros((60_000, 1)), y, fit_intercept=False)
    median = residuals.normal_scaled_quantile(rows, np.zeros(1), 0.5)
    assert median == pytest.approx(mad(y), rel=1e-12)


# ---- few rows ------------------------------------------------------------------------


@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("scale", ["mad", 1.5], ids=str)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_compiled_loops_find_what_passes_find(keywords, scale, l2):
    X, y = contaminated(3)
    model = RobustRegressor(
        **keywords, init="ols", scale=scale, l2_regularization=l2, tol=1e-10, max_iter=500
    )
    packed = model.fit(X, y)
    found = packed.coef_, packed.intercept_, packed.scale_
    with changed_limits(packed=0):
        unpacked = RobustRegressor(**model.get_params()).fit(X, y)
    assert_close(found[0], unpacked.coef_, tol=1e-8)
    assert_close(found[1:], [unpacked.intercept_, unpacked.scale_], tol=1e-8)


def test_a_block_is_that_of_the_present_rows():
    X, y = contaminated(n=50, p=3)
    cases = (np.arange(50) % 2).astype(float)
    design = make_design(X, y, cases)
    packed = design.packed()
    assert len(packed.y) == 25
    assert design.without([1]).packed().y.shape == (24,)
    assert design.packed() is packed


@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("weighted", [False, True])
def test_passes_over_packed_rows_are_those_over_the_rows(keywords, weighted):
    X, y = contaminated(n=300, p=4)
    cases = np.random.default_rng(0).integers(0, 3, 300).astype(float) if weighted else None
    params, loss = np.array([1.0, 0.5, -0.3, 0.2, 0.1]), resolve(**keywords)

    def read():
        design = make_design(X, y, cases)
        majorants = [passes.curvature(design, params, loss, 1.3, share) for share in (1.0, 0.25)]
        slopes = passes.scale_gradient(design, params, loss, 1.3)
        present = slice(None) if cases is None else cases > 0.0
        return *sum(majorants, ()), *slopes, residuals.residuals(design, params)[present]

    packed = read()
    with changed_limits(packed=0):
        for ours, theirs in zip(packed, read(), strict=True):
            assert_close(ours, theirs, tol=1e-12)


# ---- threads -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [RobustRegressor(1.0), RobustRegressor(random_state=0), AdaptiveRobustRegressor(init="ols")],
    ids=str,
)
def test_fits_have_the_same_bits_for_any_number_of_threads(model):
    X, y = contaminated(n=110_000, p=10)
    coefficients = []
    for count in (1, 2):
        with threads(count):
            assert_read_by_threads(X, y, count)
            coefficients.append(model.fit(X, y).coef_.copy())
    np.testing.assert_array_equal(*coefficients)


@pytest.mark.parametrize("keywords", [{"alpha": 2.0}, {"alpha": 1.0}, {"scale": 1.0}], ids=str)
@pytest.mark.parametrize("solver", SOLVERS)
def test_dependent_columns_of_many_rows(keywords, solver):
    """What rounding leaves of a direction that is not there grows with the number of rows."""
    X, y = contaminated(n=30_000, p=3)
    options = {"alpha": 1.0, "solver": solver, "random_state": 0, **keywords}
    single = RobustRegressor(**options).fit(X, y)
    double = RobustRegressor(**options).fit(np.column_stack([X, X[:, 0]]), y)
    expected = [0.5 * single.coef_[0], *single.coef_[1:], 0.5 * single.coef_[0]]
    assert_close(double.coef_, expected, tol=1e-5)
