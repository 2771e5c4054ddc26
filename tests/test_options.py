"""The options of RobustRegressor: starts, solvers, scales, progress, iterations."""

import re

import numpy as np
import pytest
from closeness import assert_close, assert_same_fit
from problems import ALPHAS, SOLVERS, contaminated, rms
from sklearn.exceptions import ConvergenceWarning

from sklearn_robust import RobustRegressor
from sklearn_robust.losses import tuning_constant


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("scale", ["mad", "s", "reweighted"])
def test_warm_start_begins_at_the_last_answer(solver, fit_intercept, scale):
    X, y = contaminated(14)
    options = {"solver": solver, "fit_intercept": fit_intercept, "scale": scale, "tol": 1e-8}
    model = RobustRegressor(0.0, warm_start=True, **options).fit(X, y)
    cold = model.n_iter_
    before = model.coef_
    warm = model.fit(X, y).n_iter_
    assert warm < cold
    assert_close(model.coef_, before, tol=1e-7)
    with pytest.raises(ValueError, match="warm_start must be False when the shape"):
        model.fit(X[:, :2], y)


def test_warm_start_stays_in_its_minimum():
    x = np.linspace(-1.0, 1.0, 60)
    y = np.where(np.arange(60) % 2, 20.0 * x, -20.0 * x)
    options = {"scale": 0.5, "fit_intercept": False}
    up = RobustRegressor(init=[20.0], **options).fit(x[:, None], y)
    down = RobustRegressor(init=[-20.0], **options).fit(x[:, None], y)
    assert up.coef_[0] == pytest.approx(-down.coef_[0], rel=1e-5) == pytest.approx(20.0, abs=0.5)
    up.set_params(warm_start=True, init="ols").fit(x[:, None], y)
    assert up.coef_[0] == pytest.approx(20.0, abs=0.5)


def test_init_is_in_the_units_of_the_user():
    X, y = contaminated(15)
    cold = RobustRegressor(0.0, init="ols", tol=1e-8).fit(1e3 * X + 5.0, y)
    warm = RobustRegressor(0.0, tol=1e-8, init=np.append(cold.coef_, cold.intercept_))
    warm.fit(1e3 * X + 5.0, y)
    assert warm.n_iter_ < cold.n_iter_
    assert_same_fit(cold, warm, 1e3 * X + 5.0, tol=1e-7)
    targets = np.column_stack([y, y])
    both = RobustRegressor(0.0, init=np.tile(warm.init, (2, 1))).fit(1e3 * X + 5.0, targets)
    assert_close(both.coef_[1], cold.coef_, tol=1e-5)


@pytest.mark.parametrize(
    ("n", "taken", "other"),
    [(50, "irls", "lbfgs"), (3000, "irls", "lbfgs"), (3001, "lbfgs", "irls")],
)
def test_auto_solves_normal_equations_up_to_30_million_products(n, taken, other):
    """So many has the Gram matrix of 3000 rows and 100 columns, that of ones among them."""
    X, y = contaminated(n=n, p=min(n // 5, 99))
    # So loose that the two end further apart than rounding could bring them.
    options = {"alpha": 1.0, "scale": 1.0, "tol": 1e-3}
    auto, same, different = (
        RobustRegressor(solver=solver, **options).fit(X, y) for solver in ("auto", taken, other)
    )
    np.testing.assert_array_equal(auto.coef_, same.coef_)
    assert np.max(np.abs(auto.coef_ - different.coef_)) > 1e-8


def test_efficiency_sets_the_scale():
    X, y = contaminated(16)
    for efficiency in (0.85, 0.99):
        model = RobustRegressor(0.0, efficiency=efficiency).fit(X, y)
        k = tuning_constant(0.0, efficiency=efficiency)
        assert model.scale_ == pytest.approx(k * model.sigma_, rel=1e-12)
    assert RobustRegressor(1.9).fit(X, y).scale_ == pytest.approx(
        0.5 * RobustRegressor(1.9).fit(X, y).sigma_
    )


def test_sigma_only_where_it_was_estimated():
    X, y = contaminated(17)
    model = RobustRegressor().fit(X, y)
    assert model.sigma_ > 0.0
    assert not hasattr(model.set_params(scale=1.0).fit(X, y), "sigma_")
    assert model.scale_ == 1.0


def test_verbose_prints_a_line_an_iteration(capsys):
    X, y = contaminated()
    model = RobustRegressor(verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_
    assert re.fullmatch(r"\[RobustRegressor\] iteration 1: objective [\d.]+", lines[0])


def test_verbose_may_be_a_flag(capsys):
    X, y = contaminated()
    RobustRegressor(verbose=True).fit(X, y)
    assert capsys.readouterr().out
    RobustRegressor(verbose=False).fit(X, y)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("solver", SOLVERS)
def test_too_few_iterations_warn_once(solver):
    X, y = contaminated()
    with pytest.warns(ConvergenceWarning, match="max_iter=2") as caught:
        model = RobustRegressor(solver=solver, max_iter=2).fit(X, np.column_stack([y, -y]))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert model.n_iter_.tolist() == [2, 2]
    assert np.all(np.isfinite(model.coef_))


@pytest.mark.filterwarnings("ignore:alpha=.* has no effect with loss:UserWarning")
@pytest.mark.parametrize("alpha", ALPHAS)
def test_alpha_is_stored_and_named_losses_have_none(alpha):
    X, y = contaminated()
    assert RobustRegressor(alpha).fit(X, y).alpha_ == alpha
    assert np.isnan(RobustRegressor(alpha, loss="tukey").fit(X, y).alpha_)
    np.testing.assert_array_equal(
        RobustRegressor(alpha, loss="cauchy", random_state=0).fit(X, y).coef_,
        RobustRegressor(0.0, random_state=0).fit(X, y).coef_,
    )


def test_tolerance_is_relative_to_the_coefficient():
    X, y = contaminated(18)
    model = RobustRegressor(1.0, tol=1e-3).fit(X, y)
    exact = RobustRegressor(1.0, tol=1e-12).fit(X, y)
    allowed = 1e-3 * (exact.scale_ + np.abs(exact.coef_) * rms(X))
    assert np.all(np.abs(model.coef_ - exact.coef_) * rms(X) <= allowed)
