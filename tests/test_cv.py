"""RobustRegressorCV: the same as a grid search, and what is its own."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from closeness import assert_close
from problems import ALPHAS, contaminated
from scipy import sparse
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedKFold,
    ShuffleSplit,
    check_cv,
)

from sklearn_robust import RobustRegressor, RobustRegressorCV
from sklearn_robust.metrics import get_scorer, s_scale, s_scale_scorer

PENALTIES = (0.0, 1e-2, 1.0)


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def _grid(X, y, cv=3, fit_params=None, **grid):
    model = RobustRegressor(init="s", random_state=0)
    return GridSearchCV(model, grid, scoring=s_scale_scorer, cv=cv).fit(X, y, **fit_params or {})


# ---- the same as a grid search -------------------------------------------------------


@pytest.mark.filterwarnings("ignore:No convergence:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", ["auto", "s", "mad", "reweighted", 2.0])
@pytest.mark.parametrize(
    "convert", [np.asarray, pytest.param(sparse.csr_array, marks=pytest.mark.slow)]
)
def test_a_grid_search_with_the_same_criterion(scale, convert):
    X, y = contaminated(n=240, share=0.2)
    shapes = ALPHAS[::2] if scale != "mad" else (1.0, 2.0)
    ours = RobustRegressorCV(
        shapes, scales=[scale], l2_regularizations=PENALTIES, cv=3, random_state=0
    ).fit(convert(X), y)
    theirs = _grid(convert(X), y, alpha=shapes, l2_regularization=PENALTIES, scale=[scale])
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == pytest.approx(theirs.best_score_, rel=1e-5)  # 10 tol of the fits
    assert sorted(ours.cv_results_) == sorted(theirs.cv_results_)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    for key in theirs.cv_results_:
        if "score" in key and "time" not in key and "rank" not in key:
            terms = -np.asarray(theirs.cv_results_["mean_test_score"])  # also of their deviation
            assert_close(ours.cv_results_[key], theirs.cv_results_[key], terms=terms, tol=1e-5)
    best = theirs.best_estimator_
    # 0.1 tol of the fits: ours ends from the S-estimate that the folds began at.
    assert_close(ours.coef_, best.coef_, tol=1e-7)
    assert_close(ours.weights_, best.weights_, tol=1e-7)
    assert (ours.alpha_, ours.scale_) == (best.alpha_, pytest.approx(best.scale_, rel=1e-7))
    assert ours.l2_regularization_ == best.l2_regularization


@pytest.mark.filterwarnings("ignore:No convergence:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1.0, "mad", "s"])
@pytest.mark.parametrize("seed", [8, pytest.param(9, marks=pytest.mark.slow)])
def test_other_shapes_change_no_score(scale, seed):
    rng = np.random.RandomState(seed)
    X = rng.randn(30, 8)
    y = X.sum(axis=1) + rng.standard_cauchy(30)
    options = {"scales": (scale,), "l2_regularizations": (0.1,), "cv": 4, "random_state": 0}
    several, alone = (
        RobustRegressorCV(alphas, **options).fit(X, y).cv_results_["mean_test_score"][0]
        for alphas in [(-2.0, -np.inf, 0.0, 1.0, 2.0), (-2.0,)]
    )
    assert several == pytest.approx(alone, rel=1e-5)


def test_many_rows():
    X, y = contaminated(n=12_000, p=6)
    shapes, penalties = (1.0, 0.0, -np.inf), (0.0, 0.1)
    ours = RobustRegressorCV(shapes, l2_regularizations=penalties, cv=3, random_state=0).fit(X, y)
    theirs = _grid(X, y, alpha=shapes, l2_regularization=penalties, scale=["auto"])
    np.testing.assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-6
    )


@pytest.mark.parametrize(
    "cv",
    [
        None,
        4,
        KFold(3, shuffle=True, random_state=0),
        RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
        ShuffleSplit(3, random_state=0),
        [(np.arange(100), np.arange(100, 200))],
    ],
)
def test_every_splitter(cv):
    X, y = contaminated()
    model = RobustRegressorCV((1.0, -2.0), cv=cv, random_state=0, tol=1e-9).fit(X, y)
    splits = list(check_cv(cv).split(X))
    assert model.n_splits_ == len(splits)
    for k, (train, test) in enumerate(splits):
        fold = RobustRegressor(-2.0, init="s", random_state=0, tol=1e-9).fit(X[train], y[train])
        expected = -s_scale(y[test], fold.predict(X[test]))
        assert model.cv_results_[f"split{k}_test_score"][1] == pytest.approx(expected, rel=1e-6)
    assert f"split{len(splits)}_test_score" not in model.cv_results_


@pytest.mark.parametrize(
    "scoring", ["r2", "neg_median_absolute_error", "neg_max_error", "tau_size", s_scale_scorer]
)
def test_scoring_is_what_it_says(scoring):
    X, y = contaminated()
    model = RobustRegressorCV((1.0, -2.0), cv=3, scoring=scoring, random_state=0).fit(X, y)
    train, test = next(KFold(3).split(X))
    fold = RobustRegressor(1.0, init="s", random_state=0).fit(X[train], y[train])
    scorer = get_scorer(scoring)
    expected = scorer(fold, X[test], y[test])
    assert model.cv_results_["split0_test_score"][0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
def test_parallel_is_serial_and_pandas_ready():
    X, y = contaminated()
    one, two = (
        RobustRegressorCV(l2_regularizations=PENALTIES, n_jobs=jobs, random_state=0).fit(X, y)
        for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.coef_, two.coef_)
    table = pd.DataFrame(two.cv_results_)
    np.testing.assert_array_equal(table.mean_test_score, one.cv_results_["mean_test_score"])
    assert table.loc[table.rank_test_score == 1, "mean_test_score"].max() == two.best_score_
    # The search of an S-estimate draws other rows, and finds the same.
    seeds = np.random.RandomState(0)
    drawn = RobustRegressorCV(l2_regularizations=PENALTIES, random_state=seeds).fit(X, y)
    assert drawn.best_params_ == one.best_params_
    assert drawn.best_score_ == pytest.approx(one.best_score_, rel=1e-5)


# ---- weights, targets, options -------------------------------------------------------


def test_weights_are_repetitions():
    X, y = contaminated(n=150)
    counts = np.random.default_rng(0).integers(0, 3, len(y))
    folds = np.arange(len(y)) % 3
    which = np.repeat(np.arange(len(y)), counts)

    def splits(fold):
        return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]

    options = {"alphas": (1.0, 0.0), "l2_regularizations": PENALTIES, "random_state": 0}
    weighted = RobustRegressorCV(**options, cv=splits(folds)).fit(X, y, sample_weight=counts)
    repeated = RobustRegressorCV(**options, cv=splits(folds[which])).fit(X[which], y[which])
    np.testing.assert_allclose(
        weighted.cv_results_["mean_test_score"],
        repeated.cv_results_["mean_test_score"],
        rtol=1e-4,
    )
    assert_close(weighted.coef_, repeated.coef_, tol=1e-4)


def test_one_weight_for_all_and_masks_for_folds():
    X, y = contaminated()
    options = {"alphas": (1.0,), "random_state": 0}
    mask = np.arange(len(y)) < 150
    none = RobustRegressorCV(**options, cv=[(np.flatnonzero(mask), np.flatnonzero(~mask))])
    none.fit(X, y)
    masks = RobustRegressorCV(**options, cv=[(mask, ~mask)]).fit(X, y, sample_weight=1.0)
    assert masks.best_score_ == pytest.approx(none.best_score_, rel=1e-9)


def test_weights_of_a_fold_that_are_all_zero_are_named():
    X, y = contaminated()
    weights = np.where(np.arange(len(y)) < 40, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"sample_weight must .* the 40 rows that are held out"):
        RobustRegressorCV(cv=5).fit(X, y, sample_weight=weights)


def test_two_targets_share_the_choice():
    X, y = contaminated()
    both = RobustRegressorCV((2.0, -2.0), random_state=0).fit(X, np.column_stack([y, -2.0 * y]))
    one = RobustRegressorCV((2.0, -2.0), random_state=0).fit(X, y)
    assert both.coef_.shape == (2, X.shape[1])
    assert_close(both.coef_[1], -2.0 * one.coef_, tol=1e-5)
    assert both.best_score_ == pytest.approx(1.5 * one.best_score_, rel=1e-6)


def test_one_standard_error_takes_the_plainest():
    X, y = contaminated(share=0.0)
    penalties = np.geomspace(1e-6, 10.0, 12)
    options = {"l2_regularizations": penalties, "random_state": 0}
    best = RobustRegressorCV(**options).fit(X, y)
    plain = RobustRegressorCV(**options, selection="1se").fit(X, y)
    results, k = best.cv_results_, best.best_index_
    scores = [results[f"split{fold}_test_score"][k] for fold in range(5)]
    least = best.best_score_ - np.std(scores, ddof=1) / np.sqrt(5)
    inside = [
        p for p, s in zip(results["params"], results["mean_test_score"], strict=True) if s >= least
    ]
    assert plain.l2_regularization_ == max(p["l2_regularization"] for p in inside)
    assert plain.l2_regularization_ > best.l2_regularization_
    shapes = [p["alpha"] for p in inside if p["l2_regularization"] == plain.l2_regularization_]
    assert plain.alpha_ == max(shapes)


def test_least_squares_without_outliers_is_ridge():
    X, y = contaminated(share=0.0)
    model = RobustRegressorCV((2.0,), l2_regularizations=(0.1,)).fit(X, y)
    ridge = Ridge(alpha=0.1 * len(y)).fit(X, y)
    assert_close(model.coef_, ridge.coef_)


def test_outliers_do_not_choose():
    X, y = contaminated(3, share=0.3)
    clean = np.abs(y - RobustRegressor(random_state=0).fit(X, y).predict(X)) < 5.0
    chosen = RobustRegressorCV(random_state=0).fit(X, y)
    bought = RobustRegressorCV(scoring="neg_mean_squared_error", random_state=0).fit(X, y)
    errors = [s_scale(y[clean], model.predict(X[clean])) for model in (chosen, bought)]
    assert chosen.alpha_ < 1.0 < bought.alpha_
    assert errors[0] < 0.9 * errors[1]


def test_named_loss_and_given_start():
    X, y = contaminated()
    huber = RobustRegressorCV(loss="huber", scales=("mad", "s"), random_state=0).fit(X, y)
    assert len(huber.cv_results_["params"]) == 2
    given = RobustRegressorCV((1.0,), init=np.zeros(X.shape[1] + 1)).fit(X, y)
    alone = RobustRegressor(1.0, init=np.zeros(X.shape[1] + 1)).fit(X, y)
    assert_close(given.coef_, alone.coef_, tol=1e-9)
    warm = RobustRegressorCV((1.0,), warm_start=True, random_state=0).fit(X, y)
    first = warm.n_iter_
    assert warm.fit(X, y).n_iter_ < first


# ---- routing -------------------------------------------------------------------------


def test_groups_without_routing():
    X, y = contaminated()
    groups = np.arange(len(y)) // 20
    model = RobustRegressorCV((1.0,), cv=GroupKFold(4), random_state=0).fit(X, y, groups=groups)
    theirs = _grid(X, y, GroupKFold(4), {"groups": groups}, alpha=[1.0])
    assert model.best_score_ == pytest.approx(theirs.best_score_, rel=1e-6)
    with pytest.raises(TypeError, match=r"X, y, sample_weight or groups, got \['colour'\]"):
        model.fit(X, y, colour="red")


@pytest.mark.usefixtures("routing")
def test_groups_and_weights_are_routed():
    X, y = contaminated()
    groups = np.arange(len(y)) // 20
    weights = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    cv = GroupKFold(4)
    model = RobustRegressorCV((1.0,), cv=cv, random_state=0, tol=1e-9)
    model.fit(X, y, sample_weight=weights, groups=groups)
    train, test = next(cv.split(X, y, groups))
    fold = RobustRegressor(1.0, init="s", random_state=0, tol=1e-9)
    fold.fit(X[train], y[train], sample_weight=weights[train])
    score = -s_scale(y[test], fold.predict(X[test]), sample_weight=weights[test])
    assert model.cv_results_["split0_test_score"][0] == pytest.approx(score, rel=1e-8)
    unweighted = get_scorer("r2").set_score_request(sample_weight=False)
    model = RobustRegressorCV((1.0,), scoring=unweighted, cv=cv, random_state=0, tol=1e-9)
    model.fit(X, y, sample_weight=weights, groups=groups)
    expected = get_scorer("r2")(fold, X[test], y[test])
    assert model.cv_results_["split0_test_score"][0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.usefixtures("routing")
def test_an_iterable_of_splits_is_used_once():
    X, y = contaminated()
    model = RobustRegressorCV((1.0,), cv=KFold(3).split(X), random_state=0).fit(X, y)
    assert model.n_splits_ == 3


# ---- errors and progress -------------------------------------------------------------


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"alphas": ()}, r"alphas must be a sequence of at least one value, got \(\)"),
        ({"alphas": 1.0}, r"alphas must be a sequence of at least one value, got 1\.0"),
        ({"alphas": (1.0, 3.0)}, r"every one of alphas must be a number in \[-inf, 2\], got 3\.0"),
        ({"scales": ("sd",)}, r"every one of scales must be one of .*got 'sd'"),
        ({"scales": (0.0,)}, r"every one of scales must be a number in .*got 0\.0"),
        ({"l2_regularizations": (-1.0,)}, r"every one of l2_regularizations must be .*got -1\.0"),
        ({"selection": "worst"}, r"selection must be one of \['best', '1se'\], got 'worst'"),
        ({"solver": "magic"}, r"solver must be one of .*got 'magic'"),
        ({"scoring": lambda model, X, y: np.nan}, r"scoring must give some candidate a number"),
        ({"scoring": lambda model, X, y: {"a": 1.0}}, r"scoring must give a number, got \{'a'"),
        ({"scoring": ["r2"]}, r"scoring must be a name, a callable or None, got \['r2'\]"),
        ({"scoring": "mse"}, r"scoring must be one of .*'s_scale'.* a name of .*, got 'mse'"),
        ({"scoring": "nll"}, r"scoring must be one of \['robust_r2'.*, got 'nll', which only"),
        ({"cv": []}, r"cv must give at least one split, got none from \[\]"),
    ],
)
def test_bad_parameters_are_named(keywords, message):
    X, y = contaminated(n=60)
    with pytest.raises(ValueError, match=message):
        RobustRegressorCV(**keywords).fit(X, y)


def test_a_line_for_every_fold(capsys):
    X, y = contaminated()
    RobustRegressorCV((1.0, -2.0), cv=3, random_state=0, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [
        f"[RobustRegressorCV] fold {k}" for k in (1, 2, 3)
    ]
    assert "best score -" in lines[0]
    assert "at alpha -2, l2_regularization 0, scale auto; " in lines[0]
    assert lines[3].startswith("[RobustRegressorCV] iteration 1: objective ")


def test_folds_that_do_not_converge_are_counted_in_one_warning():
    X, y = contaminated()
    with pytest.warns(sklearn.exceptions.ConvergenceWarning, match="in .* fits of folds") as caught:
        RobustRegressorCV((1.0,), max_iter=1, tol=1e-12, random_state=0).fit(X, y)
    assert len(caught) == 1
