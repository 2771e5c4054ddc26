"""Pictures: what is drawn is what was found."""

import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from closeness import assert_close
from problems import contaminated
from scipy import sparse
from scipy.stats import norm
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor
from sklearn_robust.datasets import load_hbk
from sklearn_robust.distribution import general_robust
from sklearn_robust.inspection import (
    AlphaProfileDisplay,
    LossDisplay,
    RobustFitDisplay,
    diagnostics,
    profile_alpha,
)
from sklearn_robust.inspection.plotting import labelled
from sklearn_robust.losses import psi, rho, weight

plt = pytest.importorskip("matplotlib.pyplot")
KINDS = ["residuals", "weights", "qq", "line", "distance"]


@pytest.fixture(autouse=True)
def _no_windows():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def data():
    X, y = contaminated(p=1)
    return pd.DataFrame({"size": X[:, 0]}), pd.Series(y, name="price")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_where_they_are(data, kind):
    X, y = data
    model = RobustRegressor(random_state=0).fit(X, y)
    display = RobustFitDisplay.from_estimator(model, X, y, kind=kind)
    residuals = np.sort(y - model.predict(X))
    drawn = np.asarray(display.points_.get_offsets())
    expected = {
        "residuals": (model.predict(X), residuals),
        "weights": (residuals, model.weights_),
        "qq": (model.sigma_ * norm.ppf((np.arange(len(y)) + 0.5) / len(y)), residuals),
        "line": (X["size"], y),
        "distance": (diagnostics(model, X, y).distance, residuals / model.sigma_),
    }[kind]
    for axis in (0, 1):
        assert_close(np.sort(drawn[:, axis]), np.sort(expected[axis]), terms=np.max(np.abs(y)))
    assert display.figure_ is display.ax_.figure
    assert "price" in display.ax_.get_ylabel() + display.ax_.get_xlabel()
    order = np.argsort(y - model.predict(X), kind="stable")
    assert_close(display.points_.get_array(), model.weights_[order])
    n_rejected = np.sum(model.weights_ < 0.1)
    label = f"robust weight ({n_rejected} of {len(y)} under 0.1)"
    assert display.colorbar_.ax.get_ylabel() == label


def test_a_learned_distribution_is_that_of_the_quantiles(data):
    X, y = data
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    display = RobustFitDisplay.from_estimator(model, X, y, kind="qq")
    assert_close(
        display.quantiles[[0, 20]],
        general_robust.ppf(np.array([0.5, 20.5]) / len(y), model.alpha_, scale=model.scale_),
    )
    assert "general robust" in display.ax_.get_xlabel()


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_data_targets_and_given_axes(data, kind):
    X, y = data
    both = pd.DataFrame({"price": y, "cost": -y})
    model = RobustRegressor(1.0)
    _, ax = plt.subplots()
    array = X.to_numpy()
    sparse_kinds = (sparse.csr_array(array), sparse.coo_array(array))
    for columns in (X, array, array.tolist(), pl.from_pandas(X), *sparse_kinds):
        display = RobustFitDisplay.from_estimator(
            model.fit(columns, both), columns, both, kind=kind, target=1, ax=ax
        )
        assert display.ax_ is ax
        assert display.target_name == "cost"
        assert_close(np.sort(display.residuals), np.sort(-y - model.predict(columns)[:, 1]))
    pipe = make_pipeline(StandardScaler(), model).fit(X, y)
    assert RobustFitDisplay.from_estimator(pipe, X, y, kind=kind).plot(ax, kind=kind).ax_ is ax


@pytest.mark.parametrize("kind", KINDS)
def test_the_worst_rows_are_labelled(data, kind):
    X, y = (of.set_axis([f"row {k}" for k in range(len(of))]) for of in data)
    model = RobustRegressor(random_state=0).fit(X, y)
    display = RobustFitDisplay.from_estimator(model, X, y, kind=kind, n_labels=4)
    worst = np.abs(y - model.predict(X)).nlargest(4).index
    assert [text.get_text() for text in display.texts_] == list(worst)
    assert display.plot(kind=kind, n_labels=0).texts_ == []
    numbered = RobustFitDisplay.from_estimator(
        RobustRegressor(random_state=0).fit(X.to_numpy(), y.to_numpy()), X.to_numpy(), y.to_numpy()
    )
    assert numbered.texts_[0].get_text() == worst[0].removeprefix("row ")


def test_labels_do_not_cover_each_other():
    _, ax = plt.subplots()
    ax.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    texts = labelled(ax, np.full(4, 0.5), np.full(4, 0.5), ["one", "two", "three", "four"])
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent().shrunk(0.8, 0.8) for text in texts]
    assert not any(boxes[k].overlaps(other) for k in range(4) for other in boxes[:k])


def test_labels_cover_no_points_if_there_is_room():
    _, ax = plt.subplots()
    ax.set(xlim=(0.0, 1.0), ylim=(0.0, 1.0))
    right = np.column_stack([np.linspace(0.52, 0.7, 50), np.full(50, 0.5)])
    [text] = labelled(ax, [0.5], [0.5], ["a long name"], right)
    ax.figure.canvas.draw()
    box = text.get_window_extent()
    places = ax.transData.transform(right)
    assert not any(box.contains(*place) for place in places)
    [covering] = labelled(ax, [0.5], [0.5], ["a long name"])
    ax.figure.canvas.draw()
    assert any(covering.get_window_extent().contains(*place) for place in places)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_stay_within_the_axes_and_near_their_rows(data, kind):
    X, y = (of.set_axis([f"{k} of a film with a long title, {k}" for k in range(len(of))])
            for of in data)  # fmt: skip
    model = RobustRegressor(random_state=0).fit(X, y)
    ax = plt.subplots(figsize=(4.0, 3.0))[1]
    width = ax.get_window_extent().width
    display = RobustFitDisplay.from_estimator(model, X, y, kind=kind, n_labels=5, ax=ax)
    ax.figure.canvas.draw()
    inside, boxes = ax.get_window_extent(), []
    for text in display.texts_:
        box = text.get_window_extent()
        assert inside.x0 <= box.x0
        assert box.x1 <= inside.x1
        assert inside.y0 <= box.y0
        assert box.y1 <= inside.y1
        x, y_of = ax.transData.transform(text.xy)
        away = max(box.x0 - x, x - box.x1, 0.0), max(box.y0 - y_of, y_of - box.y1, 0.0)
        assert np.hypot(*away) <= 6.0 * box.height
        assert len(text.get_text()) == 20
        boxes.append(box.shrunk(0.8, 0.8))
    assert not any(box.overlaps(other) for k, box in enumerate(boxes) for other in boxes[:k])
    assert inside.width > 0.7 * width  # beside the colour bar


def test_a_transformed_target_is_named_by_its_function(data):
    X, y = data
    y = y - y.min() + 1.0
    for function, inverse, name in (
        (np.log, np.exp, f"residual of log({y.name})"),
        (lambda of: of / 2.0, lambda of: 2.0 * of, f"residual of transformed {y.name}"),
    ):
        model = TransformedTargetRegressor(
            RobustRegressor(random_state=0), func=function, inverse_func=inverse
        ).fit(X, y)
        assert RobustFitDisplay.from_estimator(model, X, y).ax_.get_ylabel() == name


def test_a_line_through_a_pipeline_is_in_the_units_of_the_user(data):
    X, y = data
    y = np.exp(0.1 * y)
    inner = make_pipeline(StandardScaler(), RobustRegressor(random_state=0))
    model = TransformedTargetRegressor(inner, func=np.log, inverse_func=np.exp).fit(X, y)
    display = RobustFitDisplay.from_estimator(model, X, y, kind="line")
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("size", "price")
    drawn = np.asarray(display.points_.get_offsets())
    assert_close(np.sort(drawn[:, 0]), np.sort(X["size"]))
    assert_close(np.sort(drawn[:, 1]), np.sort(y))
    grid, curve = display.line_.get_data()
    assert_close(curve, model.predict(pd.DataFrame({"size": grid})), terms=np.max(curve))
    display.plot(kind="residuals")
    assert display.ax_.get_ylabel() == "residual of log(price)"


def test_quantiles_end_with_the_rows():
    X, y = contaminated(n=60, share=0.0)
    model = AdaptiveRobustRegressor(alpha_bounds=(0.0, 0.0), random_state=0).fit(X, y)
    display = RobustFitDisplay.from_estimator(model, X, y, kind="qq")
    largest = np.max(np.abs(display.residuals))
    assert np.max(np.abs(display.quantiles)) > 2.0 * largest
    assert np.max(np.abs(np.asarray(display.points_.get_offsets()))) <= 1.06 * largest
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["y = x"]


def test_many_rows_have_no_edges():
    X, y = contaminated(n=600)
    model = RobustRegressor(1.0).fit(X, y)
    assert len(RobustFitDisplay.from_estimator(model, X, y).points_.get_edgecolors()) == 0
    few = RobustFitDisplay.from_estimator(model, X, y, subsample=50)
    assert len(few.points_.get_edgecolors()) == 1


@pytest.mark.parametrize("kind", ["residuals", "weights", "qq"])
def test_predictions_of_any_regressor(data, kind):
    X, y = data
    model = RobustRegressor(random_state=0, tol=1e-10).fit(X, y)
    display = RobustFitDisplay.from_predictions(y, model.predict(X), sigma=model.sigma_, kind=kind)
    own = RobustFitDisplay.from_estimator(model, X, y, kind=kind)
    for name in ("predicted", "residuals", "weights", "quantiles"):
        assert_close(getattr(display, name), getattr(own, name), terms=np.max(np.abs(y)))
    assert display.scale == pytest.approx(model.scale_)
    assert display.target_name == "price"
    alone = RobustFitDisplay.from_predictions(y.to_numpy(), model.predict(X), kind=kind)
    assert alone.sigma == pytest.approx(model.sigma_, rel=0.1)
    with pytest.raises(ValueError, match="kind must be one of"):
        RobustFitDisplay.from_predictions(y, y, kind="line")
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RobustFitDisplay.from_predictions(y, y[:-1])
    with pytest.raises(ValueError, match="y_true must have one target"):
        RobustFitDisplay.from_predictions(np.ones((5, 2)), np.ones((5, 2)))


def test_a_display_without_distances_says_how_to_get_them(data):
    display = RobustFitDisplay.from_estimator(RobustRegressor(1.0).fit(*data), *data)
    with pytest.raises(ValueError, match=r"kind must be another .* from_estimator"):
        display.plot(kind="distance")


def test_the_profile_is_drawn_about_its_interval():
    X, y = contaminated(n=400)
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    display = AlphaProfileDisplay.from_estimator(model, X, y)
    low, high = display.profile.interval
    left, right = display.ax_.get_xlim()
    assert left <= low < high <= right
    assert right - left <= 2.6 * (high - low)
    shapes, _ = display.line_.get_data()
    assert np.sum((shapes > low) & (shapes < high)) >= 12


def test_many_rows_are_thinned(data):
    X, y = data
    model = RobustRegressor(1.0).fit(X, y)
    few = [
        RobustFitDisplay.from_estimator(model, X, y, subsample=20, random_state=seed).residuals
        for seed in (0, 0, 1)
    ]
    assert len(few[0]) == 20
    np.testing.assert_array_equal(few[0], few[1])
    assert not np.array_equal(few[0], few[2])
    assert len(RobustFitDisplay.from_estimator(model, X, y, subsample=None).residuals) == len(y)


def test_rows_left_out_are_drawn_as_doubted():
    X, y = load_hbk(return_X_y=True)
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    display = RobustFitDisplay.from_estimator(model, X, y)
    np.testing.assert_array_equal(np.sort(display.weights), np.sort(model.weights_))
    assert np.sum(display.weights == 0.0) == 10
    others = RobustFitDisplay.from_estimator(model, X[::-1][:-1], y[::-1][:-1])
    assert np.all(others.weights > 0.0)


def test_what_is_refused():
    X, y = contaminated(n=30)
    model = RobustRegressor(1.0).fit(X, y)
    for wrong in (
        {"kind": "pie"}, {"kind": "line"}, {"target": 1}, {"target": -1}, {"subsample": 0},
        {"subsample": 1e4}, {"subsample": "all"}, {"random_state": "a"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} must"):
            RobustFitDisplay.from_estimator(model, X, y, **wrong)
    for alphas, named in (
        ([3.0], "every one of alphas"),
        ([], "alphas must"),
        (1.0, "alphas must"),
    ):
        with pytest.raises(ValueError, match=named):
            LossDisplay.from_alphas(alphas)
    adaptive = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="target must be below 1"):
        AlphaProfileDisplay.from_estimator(adaptive, X, y, target=3)
    with pytest.raises(ValueError, match="scale must be"):
        LossDisplay.from_alphas(scale=0.0)
    for ax in (plt.subplots()[1], "x"):
        with pytest.raises(ValueError, match="ax must be three axes"):
            LossDisplay.from_alphas(ax=ax)
    with pytest.raises(ValueError, match="3-D projection"):
        LossDisplay.from_alphas(kind="surface", ax=plt.subplots()[1])


def test_curves_are_the_losses():
    alphas = [2.0, 0.0, -np.inf]
    display = LossDisplay.from_alphas(alphas, scale=2.0, reach=8.0)
    for lines, quantity in zip(display.lines_, (rho, psi, weight), strict=True):
        for line, alpha in zip(lines, alphas, strict=True):
            residuals, values = line.get_data()
            assert (residuals[0], residuals[-1]) == (-8.0, 8.0)
            np.testing.assert_array_equal(values, quantity(residuals, alpha, 2.0))
    assert [text.get_text() for text in display.axes_[1].get_legend().get_texts()] == [
        "2", "0", "−∞"
    ]  # fmt: skip
    _, axes = plt.subplots(1, 3)
    assert LossDisplay.from_alphas(alphas, ax=axes).figure_ is axes[0].figure


def test_the_surface_is_drawn():
    display = LossDisplay.from_alphas([2.0, 0.0, -np.inf], kind="surface", scale=2.0)
    (lines,), (ax,) = display.lines_, display.axes_
    for line, alpha in zip(lines, [2.0, 0.0], strict=True):  # the surface ends at a shape of -8
        residuals, shapes, heights = line.get_data_3d()
        assert (residuals[0], residuals[-1]) == (-8.0, 8.0)
        assert np.all(shapes == alpha)
        np.testing.assert_array_equal(heights, rho(residuals, alpha, 2.0))
    assert display.surface_ in ax.collections
    assert tuple(ax.yaxis.get_data_interval()) == (-8.0, 2.0)
    assert tuple(ax.zaxis.get_data_interval()) == (0.0, 8.0)  # half of (8/2)²
    assert ax.get_zlabel() == "loss rho"


def test_the_profile_is_drawn():
    X, y = contaminated()
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    profile = profile_alpha(model, X, y, [0.0, 1.0, 2.0])
    display = AlphaProfileDisplay.from_estimator(model, X, y, alphas=[0.0, 1.0, 2.0])
    shapes, deviances = display.line_.get_data()
    drawn = dict(zip(shapes, deviances, strict=True))
    assert drawn[model.alpha_] == 0.0
    # A deviance is a difference of sums of the nll over the rows.
    terms = 2.0 * len(y) * np.max(np.abs(profile.nll))
    assert_close([drawn[a] for a in profile.alphas], profile.deviance, terms=terms)


def test_matplotlib_is_asked_for_by_its_extra(monkeypatch, data):
    X, y = data
    model = AdaptiveRobustRegressor(random_state=0).fit(X, y)
    for absent in ("matplotlib", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, absent, None)
    calls = (
        lambda: RobustFitDisplay.from_estimator(model, X, y),
        lambda: LossDisplay.from_alphas(),
        lambda: LossDisplay.from_alphas(kind="surface"),
        lambda: AlphaProfileDisplay.from_estimator(model, X, y, alphas=[1.0]),
    )
    for call in calls:
        with pytest.raises(ImportError, match="extra plot"):
            call()
