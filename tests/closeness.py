"""Comparisons of numbers that another processor adds up in another order.

The last bits of a sum over rows depend on how many numbers the processor adds at once, on whether
it rounds between a product and the sum, and on the kernels that its linear algebra takes. The error
is a few roundings of the terms of the sum, however small the sum is. So a tolerance is a share of
the size of the terms, and never of a result that may be close to zero.
"""

import numpy as np

ROUNDING = float(np.finfo(np.float64).eps)


def assert_close(actual, expected, *, terms=None, tol=1000.0 * ROUNDING):
    """Assert that two arrays differ by at most ``tol`` times the size of their terms.

    Parameters
    ----------
    actual, expected : array-like of the same shape
        The expected one may be a single number. Infinities and NaN have to be the same.
    terms : array-like, optional
        The size of what is added up to give each number: ``abs(X) @ abs(coef)`` of a prediction,
        the scale of a residual. The default is the largest finite number expected.
    tol : float, default=1000 roundings
        More is for what is not known to the last digits: 10 to 1000 times the ``tol`` of the fits
        that are compared, the error of a difference quotient, the digits that an oracle prints.
    """
    __tracebackhide__ = True
    actual, expected = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    assert expected.shape in (actual.shape, ()), f"shapes {actual.shape} and {expected.shape}"
    if terms is None:
        terms = np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected))
    assert np.all(np.isfinite(terms)), f"terms must be finite, got {terms}"
    with np.errstate(invalid="ignore"):
        apart = np.abs(actual - expected)
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    allowed = np.broadcast_to(tol * np.asarray(terms, dtype=float), actual.shape)
    far = ~(same | (apart <= allowed))
    if np.any(far):
        worst = np.argmax(np.where(far, np.nan_to_num(apart - allowed, nan=np.inf), -1.0))
        raise AssertionError(
            f"{np.sum(far)} of {far.size} numbers are too far apart; the worst is "
            f"{actual.flat[worst]!r}, not {np.broadcast_to(expected, far.shape).flat[worst]!r}: "
            f"{apart.flat[worst]:.3g} apart where {allowed.flat[worst]:.3g} is allowed"
        )


def prediction_terms(model, X):
    """Return the sizes of the products that a linear model adds up for each row and target."""
    return np.abs(X) @ np.abs(model.coef_).T + np.abs(model.intercept_)


def assert_same_fit(actual, expected, X, tol):
    """Assert that two fits of the same rows agree in the unit of a fit's own ``tol``.

    A coefficient is compared by what it does to the residuals: its error times the spread of its
    column is a share of the scale and of its own part of the fitted values. X is a dense array.
    """
    spread, centre = np.std(X, axis=0), np.abs(np.mean(X, axis=0))
    scale = np.asarray(expected.scale_)
    coef_terms = scale[..., None] / spread + np.abs(expected.coef_)
    assert_close(actual.coef_, expected.coef_, terms=coef_terms, tol=tol)
    assert_close(actual.intercept_, expected.intercept_, terms=scale + coef_terms @ centre, tol=tol)
    assert_close(actual.scale_, expected.scale_, terms=scale, tol=tol)
