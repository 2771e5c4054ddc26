"""Weights that depend on the residuals of all rows, for ReweightedRegressor."""

from __future__ import annotations

import numpy as np

from .validation import check_integer, check_number

__all__ = ["GHMWeighting"]


class GHMWeighting:
    r"""Weights of gradient-harmonised regression, GHM-R.

    With u the residual in units of the scale, the gradient norm of a row is
    :math:`g = |u|/\sqrt{u^2 + \mu^2}`, in [0, 1). This range is divided into bins of equal width.
    The more rows are in a bin, the less each of them counts:

    .. math:: w = \frac{N}{\mathrm{bins}\cdot R(g)}\,\frac{1}{\sqrt{1 + (u/\mu)^2}}

    Here R(g) is the number of rows in the bin and N that of all rows. The first factor is that of
    GHM-R. The second turns a weighted fit of squared errors into a fit of the loss of GHM-R,
    :math:`\sqrt{u^2 + \mu^2} - \mu`, which is the general loss of shape 1.

    Parameters
    ----------
    bins : int >= 1, default=10
        Number of bins. With 1 the weights are those of the general loss of shape 1.
    mu : float in [1e-6, 1e6], default=1.0
        Where the loss turns from a square into a straight line, in units of the scale.
    momentum : float in [0, 1), default=0.0
        How much the counts of the rounds before weigh in those of a round. The first round has no
        rounds before it.

    See Also
    --------
    sklearn_robust.ReweightedRegressor : Its ``weighting`` takes this.

    Notes
    -----
    All bins that hold rows count about the same. Outliers are in the last bin, so that together
    they count as much as the rows of any other bin, however many they are and however far off. They
    are not rejected, as they are by losses that redescend. If many outliers lie on one side, from
    about three rows in ten, the scale grows with them, and the fit may follow them.

    A row that moves to another bin changes the weights of all rows of both. With few rows in a bin
    the weights may therefore never converge, and the fit warns. Use fewer bins then.

    An object holds the counts of the rounds before. A fit takes a copy of it, so that fits do not
    know of each other.

    References
    ----------
    Li, B., Liu, Y. & Wang, X. (2019). Gradient harmonized single-stage detector. AAAI.

    Examples
    --------
    Of six rows two have small gradients, and four have large ones:

    >>> from sklearn_robust.weightings import GHMWeighting
    >>> GHMWeighting(bins=2)([0.0, 0.0, 3.0, -3.0, 4.0, 4.0]).round(3)
    array([1.5  , 1.5  , 0.237, 0.237, 0.182, 0.182])

    In a regressor:

    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn_robust import ReweightedRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 1))
    >>> y = X[:, 0] + rng.normal(size=200)
    >>> y[:40] += 10.0
    >>> model = ReweightedRegressor(
    ...     LinearRegression(), weighting=GHMWeighting(bins=5), residuals="train"
    ... ).fit(X, y)
    >>> bool(model.intercept_ < 0.5 * LinearRegression().fit(X, y).intercept_)
    True
    """

    def __init__(self, bins=10, *, mu=1.0, momentum=0.0):
        check_integer("bins", bins, 1)
        check_number("mu", mu, 1e-6, 1e6)
        check_number("momentum", momentum, 0.0, 1.0, "[)")
        self.bins = bins
        self.mu = mu
        self.momentum = momentum
        self._counts = None

    def __call__(self, residuals, sample_weight=None):
        """Return the weights of residuals, and remember how many are in each bin.

        Parameters
        ----------
        residuals : array-like of shape (n_samples,)
            In units of the scale.
        sample_weight : array-like of shape (n_samples,), optional
            Case weights. A row of weight 2 counts as two rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Positive.
        """
        u = np.abs(np.asarray(residuals, dtype=np.float64)) / self.mu
        cases = np.ones(len(u)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        length = np.hypot(1.0, u)
        place = np.minimum((self.bins * (u / length)).astype(np.intp), self.bins - 1)
        counts = np.bincount(place, cases, self.bins)
        if self._counts is not None:
            counts = self.momentum * self._counts + (1.0 - self.momentum) * counts
        self._counts = counts
        # A bin of rows without a case weight is empty. What these rows get has no effect.
        of_rows = np.where(counts[place] > 0.0, counts[place], cases.sum())
        return cases.sum() / (self.bins * of_rows * length)

    def __repr__(self):
        return f"GHMWeighting({self.bins}, mu={self.mu!r}, momentum={self.momentum!r})"
