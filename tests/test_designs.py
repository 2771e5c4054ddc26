"""The contract of a design: what every procedure may ask of rows, wherever they are stored.

Every subclass of `Design` is compared with plain numpy on the rows written out. A new one needs a
maker in `MAKERS`; a test fails where it has none.
"""

import numpy as np
import pytest
from closeness import assert_close
from problems import contaminated
from scipy import sparse

from sklearn_robust.design import Design, LocalDesign, make_design, passes, residuals
from sklearn_robust.design.algebra import high_leverage
from sklearn_robust.design.csr import CsrDesign
from sklearn_robust.design.dense import DenseDesign
from sklearn_robust.losses import resolve, rho, weight
from sklearn_robust.scales import normal_scaled_quantile

da = pytest.importorskip("dask.array")
from sklearn_robust.design.dask import DaskDesign, GatheredDesign  # noqa: E402
from sklearn_robust.design.dask_blocks import Scheduler, parts_of  # noqa: E402

pytestmark = pytest.mark.usefixtures("unpacked")

N, P, SCALE, ALPHA = 300, 4, 1.5, 0.5
BLOCKS = (120, 1, 179)
LOSS = resolve(alpha=ALPHA)
COEF, INTERCEPT = np.linspace(-1.0, 1.0, P), 0.5


def _collection(X, y, weights, fit_intercept):
    whole = BLOCKS if len(y) == N else (len(y),)
    cases = None if weights is None else da.from_array(weights, (whole,))
    parts = parts_of(da.from_array(X, (whole, (P,))), da.from_array(y, (whole,)), cases)
    return DaskDesign(parts, Scheduler(None), fit_intercept=fit_intercept, persist=True)


def _in_process(layout):
    def make(X, y, weights, fit_intercept):
        return make_design(layout(X), y, weights, fit_intercept=fit_intercept)

    return make


MAKERS = {
    "row-major": (DenseDesign, _in_process(np.ascontiguousarray)),
    "column-major": (DenseDesign, _in_process(np.asfortranarray)),
    "csr": (CsrDesign, _in_process(sparse.csr_array)),
    "dask": (DaskDesign, _collection),
    "dask, gathered": (GatheredDesign, lambda *table: _collection(*table).here()),
}


@pytest.fixture(params=[False, True], ids=["no weights", "weights"])
def table(request):
    X, y = contaminated(n=N, p=P, sparse=True)
    weights = np.random.default_rng(1).integers(0, 3, size=N).astype(float)
    return X, y, weights if request.param else None


@pytest.fixture(params=MAKERS)
def kind(request):
    return request.param


def make(kind, X, y, weights=None, *, fit_intercept=True):
    return MAKERS[kind][1](X, y, weights, fit_intercept)


def present(kind, X, y, weights):
    """Return the rows that the design holds: those gathered here are the ones with a weight."""
    if kind != "dask, gathered" or weights is None:
        return X, y, weights
    return X[weights > 0.0], y[weights > 0.0], weights[weights > 0.0]


def errors(X, y, fit_intercept=True):
    """Return the residuals at `COEF` and `INTERCEPT`, and the sizes of what they add up."""
    constant = INTERCEPT if fit_intercept else 0.0
    return y - X @ COEF - constant, np.abs(y) + np.abs(X) @ np.abs(COEF) + constant


def _every_subclass(base):
    return {base, *(one for below in base.__subclasses__() for one in _every_subclass(below))}


def test_every_design_has_a_maker():
    concrete = {one for one in _every_subclass(Design) if not one.__abstractmethods__}
    package = {one for one in concrete if one.__module__.startswith("sklearn_robust.")}
    assert package - {LocalDesign} == {design for design, _ in MAKERS.values()}


def test_a_maker_makes_its_design(kind, table):
    assert type(make(kind, *table)) is MAKERS[kind][0]


def test_rows_columns_and_cases_are_counted(kind, table):
    design = make(kind, *table)
    X, _, weights = present(kind, *table)
    assert (design.n_rows, design.n_features) == X.shape
    assert design.n_present == (len(X) if weights is None else np.count_nonzero(weights))
    assert design.total_weight == (len(X) if weights is None else weights.sum())


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_parameters_go_to_the_users_units_and_back(kind, table, fit_intercept):
    design = make(kind, *table, fit_intercept=fit_intercept)
    constant = INTERCEPT if fit_intercept else 0.0
    coef, intercept = design.to_original(design.from_original(COEF, constant))
    sizes = np.abs(table[0]).max(axis=0) @ np.abs(COEF) + np.abs(table[1]).max()
    assert_close(coef, COEF)
    assert_close(intercept, constant, terms=sizes)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_residuals(kind, table, fit_intercept):
    design = make(kind, *table, fit_intercept=fit_intercept)
    X, y, _ = present(kind, *table)
    expected, terms = errors(X, y, fit_intercept)
    params = design.from_original(COEF, INTERCEPT if fit_intercept else 0.0)
    assert_close(np.asarray(residuals.residuals(design, params)), expected, terms=terms)


def test_mean_loss_gradient_and_gram_matrix(kind, table):
    X, y, weights = table
    design = make(kind, *table)
    shares = np.full(N, 1.0 / N) if weights is None else weights / weights.sum()
    left, sizes = errors(X, y)
    robust = shares * weight(left, scale=SCALE, alpha=ALPHA)
    # In the standardised columns: that is what a gradient of the parameters is about.
    unit, centre = design.columns.unit, design.columns.centre
    Z = np.column_stack([(X - centre) / unit, np.ones(N)])
    params = design.from_original(COEF, INTERCEPT)
    value, gradient, gram = passes.curvature(design, params, LOSS, SCALE)
    assert_close(value, shares @ rho(left, scale=SCALE, alpha=ALPHA))
    terms = (np.abs(X) + np.abs(centre)) / unit
    terms = np.column_stack([terms, np.ones(N)])
    assert_close(gradient, -Z.T @ (robust * left) / SCALE, terms=terms.T @ (robust * sizes) / SCALE)
    assert_close(gram, Z.T @ (robust[:, None] * Z), terms=terms.T @ (robust[:, None] * terms))
    alone = passes.loss_gradient(design, params, LOSS, SCALE)
    assert_close(alone[0], value)
    assert_close(alone[1], gradient, terms=terms.T @ (robust * sizes) / SCALE)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_quantiles_of_absolute_residuals(kind, table, share):
    design = make(kind, *table)
    left, sizes = errors(*table[:2])
    params = design.from_original(COEF, INTERCEPT)
    found = residuals.normal_scaled_quantile(design, params, share)
    expected = normal_scaled_quantile(left, share, sample_weight=table[2])
    assert_close(found, expected, terms=sizes.max())


def test_robust_weights_are_relative_to_that_of_a_residual_of_zero(kind, table):
    design = make(kind, *table)
    left, _ = errors(*present(kind, *table)[:2])
    found = residuals.robust_weights(design, design.from_original(COEF, INTERCEPT), LOSS, SCALE)
    assert_close(np.asarray(found), weight(left, scale=SCALE, alpha=ALPHA), terms=1.0)


def statistics(design):
    """Return what is computed of the rows, at the same fitted values, in the user's units."""
    params = design.from_original(COEF, INTERCEPT)
    return [
        passes.loss_gradient(design, params, LOSS, SCALE)[0],
        residuals.normal_scaled_quantile(design, params, 0.5),
        residuals.m_scale(design, params, P + 1.0, design.floor),
        residuals.truncated_deviation(design, params, 10.0, P + 1.0),
    ]


def test_case_weight_2_is_the_row_twice(kind, table):
    X, y, weights = table
    if weights is None:
        weights = np.ones(N)
    written = np.repeat(np.arange(N), weights.astype(int))
    few, many = make(kind, X, y, weights), make(kind, X[written], y[written])
    terms = errors(X, y)[1].max()
    for one, other in zip(statistics(few), statistics(many), strict=True):
        assert_close(one, other, terms=terms)


def test_rows_left_out_are_as_good_as_absent(kind, table):
    X, y, weights = table
    design = make(kind, *table)
    params = design.from_original(COEF, INTERCEPT)
    limit = 2.0 * residuals.normal_scaled_quantile(design, params, 0.5)
    which = residuals.large_residuals(design, params, limit)
    far = np.abs(errors(X, y)[0]) > limit
    absent = far if weights is None else far & (weights > 0.0)
    assert 0 < len(which) == np.count_nonzero(absent)
    kept = ~far
    less = design.without(which)
    expected = make(kind, X[kept], y[kept], None if weights is None else weights[kept])
    assert less.n_present == expected.n_present
    terms = errors(X, y)[1].max()
    for one, other in zip(statistics(less), statistics(expected), strict=True):
        assert_close(one, other, terms=terms)


def test_rows_of_high_leverage_among_some(kind, table):
    design = make(kind, *table)
    params = design.from_original(COEF, INTERCEPT)
    which = residuals.large_residuals(design, params, 1.0)
    Z = (table[0] - design.columns.centre) / design.columns.unit
    distances = 1.0 + np.sum(Z * Z, axis=1)
    limit = float(np.median(distances)) + 0.1
    far = (distances > limit) & (np.abs(errors(*table[:2])[0]) > 1.0)
    if table[2] is not None:
        far &= table[2] > 0.0
    assert 0 < np.count_nonzero(far) == len(high_leverage(design, which, np.eye(P + 1), limit))


def test_some_rows_are_taken_in_the_same_frame(kind, table):
    X, y, weights = table
    design = make(kind, *table)
    rows = np.arange(N) if weights is None else np.flatnonzero(weights)
    places = np.arange(0, len(rows), 7)
    few = design.take(places)
    params = design.from_original(COEF, INTERCEPT)
    expected, terms = errors(X, y)
    which = rows[places]
    assert isinstance(few, LocalDesign)
    assert few.n_rows == len(which)
    assert_close(residuals.residuals(few, params), expected[which], terms=terms[which])
    assert design.take(None).n_present == len(rows)


@pytest.mark.parametrize("most", [1, 40, 10_000])
def test_thinned_rows_are_at_most_as_many_as_asked(kind, table, most):
    design = make(kind, *table)
    thinned = design.thinned(most)
    assert 0 < thinned.n_present <= most
    assert (thinned.n_present == design.n_present) == (most >= design.n_present)


def test_a_sample_depends_on_its_seed_alone(kind, table):
    design = make(kind, *table)
    params = design.from_original(COEF, INTERCEPT)

    def drawn(seed):
        sample = design.sample(50, np.random.default_rng(seed))
        return residuals.residuals(sample, params)

    np.testing.assert_array_equal(drawn(0), drawn(0))
    assert not np.array_equal(drawn(0), drawn(1))
    assert len(drawn(0)) <= 50


def test_a_pass_has_the_same_bits_again(kind, table):
    for one, other in zip(*(statistics(make(kind, *table)) for _ in range(2)), strict=True):
        assert one == other


def test_designs_agree_on_the_floor_of_the_scale(kind, table):
    assert_close(make(kind, *table).floor, make("row-major", *table).floor)


def test_rounding_in_a_column_of_zeros_does_not_set_its_unit():
    # Bases of splines are zero in most rows, and at a knot a rounding of zero.
    rng = np.random.default_rng(0)
    column = np.where(rng.random(400) < 0.2, rng.uniform(0.1, 0.6, size=400), 0.0)
    dust = np.where((column == 0.0) & (rng.random(400) < 0.1), 4.7e-15, column)
    units = [make_design(of[:, None], np.ones(400)).columns.unit for of in (column, dust)]
    np.testing.assert_allclose(units[1], units[0], 1e-12)
    ordinary = np.where(rng.random(400) < 0.6, 0.0, rng.normal(size=400))  # one value far off
    far = np.append(ordinary, 1e20)
    assert make_design(far[:, None], np.ones(401)).columns.unit < 10.0
