"""
A line whose loss is learned
============================

This is the line-fitting experiment of Barron (2019): y = 0.7·x + 0.15 with noise of 0.025, and one
point in ten flipped to the other side. The flipped points pull least squares off the line. Losses
of a fixed shape with heavier tails resist them. ``AdaptiveRobustRegressor`` learns from the data
how heavy the tails are. An animation shows its search from least squares: the line, the shape alpha
and the scale, iteration by iteration.

Run it as ``python examples/plot_adaptive_line.py [PICTURE [ANIMATION]]``. Without a name the
picture is shown. The animation is a file ``.gif``.
"""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from sklearn.exceptions import ConvergenceWarning

from sklearn_robust import AdaptiveRobustRegressor, RobustRegressor

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#555555"


def make_line(n=50):
    """Return the experiment's data, and which points were flipped."""
    rng = np.random.RandomState(1)
    x = rng.uniform(size=n)
    y = 0.7 * x + 0.15 + 0.025 * rng.normal(size=n)
    flipped = rng.uniform(size=n) > 0.9
    y = np.where(flipped, np.where(y > 0.5, 0.05, 0.85), y)
    return x[:, None], y, flipped


def draw_points(ax, X, y, flipped):
    ax.plot(X[~flipped], y[~flipped], "o", color=GREY, markersize=4, label="points")
    ax.plot(X[flipped], y[flipped], "s", color=ORANGE, markersize=5, label="flipped points")
    ax.plot([0, 1], [0.15, 0.85], color="black", linewidth=1, linestyle=":", label="true line")
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="x", ylabel="y")


def compare():
    """Fit fixed shapes and the learned one, print and draw them side by side."""
    X, y, flipped = make_line()
    fits = {
        "least squares (alpha = 2)": RobustRegressor(2.0),
        "alpha = 1": RobustRegressor(1.0, init="ols", scale="mad"),
        "alpha = -2": RobustRegressor(-2.0, init="ols", scale="mad"),
        "adaptive": AdaptiveRobustRegressor(init="ols"),
    }
    print(f"{'fit':<26} {'slope':>7} {'intercept':>10}   (true: 0.7 and 0.15)")
    figure, axes = plt.subplots(1, 4, figsize=(13, 3.8), sharey=True, layout="constrained")
    grid = np.array([[0.0], [1.0]])
    for ax, (name, model) in zip(axes, fits.items(), strict=True):
        model.fit(X, y)
        print(f"{name:<26} {model.coef_[0]:7.4f} {model.intercept_:10.4f}")
        draw_points(ax, X, y, flipped)
        ax.plot(grid, model.predict(grid), color=BLUE, linewidth=2, label="fit")
        ax.set_title(f"{name}: slope {model.coef_[0]:.3f}", fontsize=11)
        ax.label_outer()
    learned = fits["adaptive"]
    print(f"learned: alpha = {learned.alpha_:.4f}, scale = {learned.scale_:.4f}, "
          f"mean nll = {learned.nll_:.4f}")  # fmt: skip
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def animate():
    """Return a figure and the search in it as an animation, one frame an iteration."""
    X, y, flipped = make_line()
    search = {"init": "ols", "solver": "lbfgs"}
    last = AdaptiveRobustRegressor(**search).fit(X, y).n_iter_
    with warnings.catch_warnings():
        # The fit is stopped after k iterations on purpose, and warns of it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [AdaptiveRobustRegressor(**search, max_iter=k).fit(X, y) for k in range(1, last + 1)]
    iterations = np.arange(1, last + 1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.5), dpi=80, layout="constrained")
    draw_points(left, X, y, flipped)
    (line,) = left.plot([], [], color=BLUE, linewidth=2, label="fit")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    scales = right.twinx()
    (alphas,) = right.plot([], [], "o-", color=BLUE)
    (sizes,) = scales.plot([], [], "s--", color=ORANGE)
    right.set(xlim=(0.5, last + 0.5), ylim=(-0.05, 2.05), xlabel="iteration")
    right.set_ylabel("shape alpha (circles)", color=BLUE)
    scales.set_ylabel("scale, in the unit of y (squares)", color=ORANGE)
    scales.set(ylim=(0, 1.1 * max(fit.scale_ for fit in fits)))

    # Titles change from frame to frame; the layout is computed once.
    left.set_title("iteration")
    figure.draw_without_rendering()
    figure.set_layout_engine("none")

    def draw(k):
        k = min(k, last - 1)  # the last frame stays for a while
        line.set_data([0, 1], fits[k].predict([[0.0], [1.0]]))
        alphas.set_data(iterations[: k + 1], [f.alpha_ for f in fits[: k + 1]])
        sizes.set_data(iterations[: k + 1], [f.scale_ for f in fits[: k + 1]])
        left.set_title(f"iteration {k + 1}: alpha {fits[k].alpha_:.2f}, scale {fits[k].scale_:.3f}")

    return figure, FuncAnimation(figure, draw, frames=last + 4, interval=500)


def main(picture=None, animation=None):
    """Write the picture and the animation, or show them; return the animation, if there is one."""
    figure = compare()
    if picture is not None:
        figure.savefig(picture, dpi=120)
        plt.close(figure)
        if animation is None:
            return None
    figure, search = animate()
    if animation is None:
        plt.show()
    else:
        search.save(animation, writer=PillowWriter(fps=2))
        plt.close(figure)
    return search


# %%
# The four fits side by side, and the search of the last:

if __name__ == "__main__":
    search = main(*sys.argv[1:])
