"""Passes over the rows: the same sums wherever the rows are and however they are laid out."""

from unittest import mock

import numpy as np
import pytest
from closeness import assert_close
from in_threads import assert_read_by_threads, threads
from interpreted import needs_compiler
from problems import EACH_LOSS, contaminated
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklearn_robust.design import make_design, passes, residuals
from sklearn_robust.design.algebra import triangular
from sklearn_robust.losses import resolve, rho, weight
from sklearn_robust.scales import mad

pytestmark = pytest.mark.usefixtures("unpacked")

LAYOUTS = {
    "row-major": np.ascontiguousarray,
    "column-major": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every second column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "read-only": lambda X: _frozen(X),
    "csr": sparse.csr_array,
    "csr, unsorted": lambda X: _shuffled(sparse.csr_array(X)),
    "csr, doubled entries": lambda X: _doubled(sparse.csr_array(X)),
    "csr, 64-bit indices": lambda X: _wide(sparse.csr_array(X)),
}


def _frozen(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def _shuffled(X):
    for start, stop in zip(X.indptr[:-1], X.indptr[1:], strict=True):
        X.indices[start:stop] = X.indices[start:stop][::-1].copy()
        X.data[start:stop] = X.data[start:stop][::-1].copy()
    X.has_sorted_indices = False
    return X


def _doubled(X):
    indices, data = np.repeat(X.indices, 2), np.repeat(X.data / 2.0, 2)
    return sparse.csr_array((data, indices, 2 * X.indptr), shape=X.shape)


def _wide(X):
    indices, indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    wide = X.copy()
    wide.indices, wide.indptr = indices, indptr
    return wide


@pytest.fixture(params=[False, True], ids=["no weights", "weights"])
def problem(request):
    X, y = contaminated(n=700, p=5, sparse=True)
    weights = np.random.default_rng(1).integers(0, 3, size=700).astype(float)
    return X, y, weights if request.param else None


def _parameters(rows):
    return rows.from_original(np.linspace(-1.0, 1.0, rows.n_features), 0.5)


def _statistics(rows, loss=None, scale=1.5):
    """Return what the passes sum, in the user's units, at fixed coefficients."""
    loss = loss or resolve(alpha=0.5)
    params, columns = _parameters(rows), rows.columns
    value, gradient, gram = passes.curvature(rows, params, loss, scale)
    to_user = np.diag(np.append(columns.unit, 1.0))
    to_user[:-1, -1] = columns.centre
    return [
        value,
        to_user @ gradient,
        to_user @ gram @ to_user.T,
        residuals.residuals(rows, params),
        residuals.normal_scaled_quantile(rows, params, 0.5),
        residuals.robust_weights(rows, params, loss, scale),
    ]


def _share(y, weights):
    return np.full(len(y), 1.0 / len(y)) if weights is None else weights / weights.sum()


def _terms(X, y, weights, scale=1.5, **keywords):
    """Return the sizes of what each of the statistics adds up."""
    keywords = keywords or {"alpha": 0.5}
    full, params = np.column_stack([X, np.ones(len(y))]), np.append(np.linspace(-1, 1, 5), 0.5)
    sizes, left = np.abs(y) + np.abs(full) @ np.abs(params), y - full @ params
    counts = _share(y, weights) * weight(left, scale=scale, **keywords)
    return [
        _share(y, weights) @ rho(left, scale=scale, **keywords),
        np.abs(full).T @ (counts * sizes) / scale,
        np.abs(full).T @ np.diag(counts) @ np.abs(full),
        sizes,
        np.median(sizes),
        1.0,
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_agree(problem, layout):
    X, y, weights = problem
    expected = _statistics(make_design(X, y, weights))
    other = _statistics(make_design(LAYOUTS[layout](X), y, weights))
    for one, two, terms in zip(expected, other, _terms(X, y, weights), strict=True):
        assert_close(two, one, terms=terms)


@pytest.mark.parametrize("layout", ["row-major", "column-major", "csr"])
def test_single_precision_is_read_as_it_is(problem, layout):
    X, y, weights = problem
    X = X.astype(np.float32)
    expected = _statistics(make_design(X.astype(np.float64), y, weights))
    rows = make_design(LAYOUTS[layout](X), y, weights)
    for one, two, terms in zip(expected, _statistics(rows), _terms(X, y, weights), strict=True):
        assert_close(two, one, terms=terms)


@pytest.mark.parametrize("keywords", EACH_LOSS)
@pytest.mark.parametrize("layout", ["row-major", "column-major", "csr"])
def test_sums_are_those_of_the_definition(problem, layout, keywords):
    X, y, weights = problem
    found = _statistics(make_design(LAYOUTS[layout](X), y, weights), resolve(**keywords))
    share, full = _share(y, weights), np.column_stack([X, np.ones(len(y))])
    left = y - full @ np.append(np.linspace(-1.0, 1.0, 5), 0.5)
    w = weight(left, scale=1.5, **keywords)
    expected = [
        share @ rho(left, scale=1.5, **keywords),
        -full.T @ (share * w * left) / 1.5,
        full.T @ np.diag(share * w) @ full,
        left,
        mad(left, weights),
        w / weight(0.0, **keywords),
    ]
    terms = _terms(X, y, weights, **keywords)
    for one, two, size in zip(expected, found, terms, strict=True):
        assert_close(two, one, terms=size)


@pytest.mark.parametrize("keywords", EACH_LOSS)
def test_gradient_matches_differences(keywords):
    X, y = contaminated(n=50)
    rows, loss, scale = make_design(X, y), resolve(**keywords), 1.5
    params = _parameters(rows)
    gradient = passes.loss_gradient(rows, params, loss, scale)[1]
    for j, step in enumerate(1e-6 * np.eye(len(params))):
        up = passes.loss_gradient(rows, params + step, loss, scale)[0]
        down = passes.loss_gradient(rows, params - step, loss, scale)[0]
        # Of the difference quotient: the rounding of the sum, over the step, is 1e-10 of it.
        assert_close(gradient[j], scale * (up - down) / 2e-6, terms=scale * up, tol=1e-8)


@pytest.mark.parametrize("layout", ["row-major", "column-major", "csr"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_triangular_is_a_root_of_the_gram_matrix(problem, layout, fit_intercept):
    X, y, weights = problem
    rows = make_design(LAYOUTS[layout](X), y, weights, fit_intercept=fit_intercept)
    params = np.zeros(5 + fit_intercept)
    for loss in (resolve(alpha=-2.0), resolve("balanced_l1")):
        gram = passes.curvature(rows, params, loss, 1.5)[2]
        upper = triangular(rows, params, loss, 1.5)
        sizes = np.sqrt(np.diag(gram))
        assert_close(upper.T @ upper, gram, terms=np.outer(sizes, sizes))


@pytest.mark.parametrize("layout", ["row-major", "column-major", "csr"])
def test_columns_are_centred_and_scaled(problem, layout):
    X, y, weights = problem
    X[:, 0] = 1.6e12 + np.arange(len(X))
    X[:, 1] = 7.1
    rows = make_design(LAYOUTS[layout](X), y, weights)
    spread = np.sqrt(np.cov(X.T, aweights=weights, ddof=0).diagonal())
    np.testing.assert_allclose(rows.columns.unit[[0, 2, 3, 4]], spread[[0, 2, 3, 4]], rtol=1e-9)
    assert_close(rows.columns.centre[1], 7.1)
    assert rows.columns.unit[1] == 1.0
    coef, intercept = np.linspace(-1.0, 1.0, 5), 0.5
    back = rows.to_original(rows.from_original(coef, intercept))
    assert_close(back[0], coef)


@needs_compiler
@pytest.mark.parametrize("layout", ["row-major", "column-major", "every second row", "csr"])
def test_the_number_of_threads_changes_no_bit(layout):
    X, y = contaminated(n=300_000, p=6)
    X = LAYOUTS[layout](X)
    found = []
    for count in (1, 2, 3):
        with threads(count):
            assert_read_by_threads(X, y, count)
            found.append(_statistics(make_design(X, y)))
    for statistics in found[1:]:
        for one, other in zip(found[0], statistics, strict=True):
            np.testing.assert_array_equal(other, one)


@needs_compiler
def test_threads_follow_threadpoolctl_and_joblib():
    X, y = contaminated(n=300_000, p=6)
    with threads(2):
        assert make_design(X, y)._n_threads == 2
        assert make_design(X[:1000], y[:1000])._n_threads == 1  # too few to share
        for outer in (threadpool_limits(1), mock.patch("joblib.effective_n_jobs", return_value=1)):
            with outer:
                assert make_design(X, y)._n_threads == 1
