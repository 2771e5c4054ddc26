"""Covariance of coefficients whose errors may depend on X or be alike in groups."""

from __future__ import annotations

import numpy as np

from ..design.algebra import gram as gram_of
from ..design.algebra import squared_lengths, sums_by_group
from ..losses import resolve
from .formulas import Covariance, Terms, inverse_root, root_of

_ALONE = 1e-8
"""A row whose leverage is this near to 1 decides a fitted value alone, and has no residual."""


def heteroscedastic(terms: Terms, kind: str) -> tuple[Covariance, bool]:
    r"""Return the covariance of an M-estimate whose errors may depend on X, "hc0" to "hc3".

    With :math:`A = \sum\psi_i'\,x_i x_i^\top` it is
    :math:`A^{-1} \bigl(\sum a_i \psi_i^2\,x_i x_i^\top\bigr) A^{-1}`, where :math:`a_i` is 1 for
    "hc0", n / (n - p) for "hc1", 1 / (1 - h) for "hc2" and 1 / (1 - h)² for "hc3". The leverage h
    of a row is that of least squares with the robust weights. At ``alpha=2`` these are the
    formulas of least squares.

    Returns
    -------
    covariance : Covariance
    alone : bool
        Whether a row with leverage 1 counts as in "hc0", because its residual is zero whatever its
        error is.

    References
    ----------
    MacKinnon, J. G. & White, H. (1985). Some heteroskedasticity-consistent covariance matrix
    estimators with improved finite sample properties. Journal of Econometrics 29.
    Croux, C., Dhaene, G. & Hoorelbeke, D. (2003). Robust standard errors for robust estimators.
    KU Leuven, Center for Economic Studies, discussion paper 03.16.
    """
    terms.check()
    factors, alone = np.ones(len(terms.weights)), False
    if kind == "hc1":
        factors *= terms.n / (terms.n - terms.p)
    elif kind in ("hc2", "hc3"):
        left = 1.0 - _leverages_of_cases(terms)
        alone = bool(np.any(left <= _ALONE))
        left[left <= _ALONE] = 1.0
        factors = 1.0 / left if kind == "hc2" else 1.0 / left**2
    meat = gram_of(terms.rows, terms.root.root, terms.influence**2 * factors)
    bread = inverse_root(terms.newton)
    factor = bread @ (bread.T @ root_of(meat / terms.n))
    return terms.covariance(bread, factor), alone


def _leverages_of_cases(terms):
    """Return the leverage of one case of every row present."""
    lengths = squared_lengths(terms.rows, terms.rows.present(), terms.root.root)
    return terms.weights * lengths / terms.n


def clustered(terms: Terms, groups: list[np.ndarray]) -> tuple[Covariance, int]:
    """Return the covariance of an M-estimate whose errors are alike within groups.

    With one grouping, the meat of :func:`heteroscedastic` is the sum over groups g of the squared
    sum of the scores within g, times G / (G - 1) · (n - 1) / (n - p) for G groups. With two, the
    matrices of both are added, and that of their intersections subtracted; negative eigenvalues of
    the result are set to 0.

    Returns
    -------
    covariance : Covariance
    n_groups : int
        Of the grouping with the fewest.

    References
    ----------
    Liang, K.-Y. & Zeger, S. L. (1986). Longitudinal data analysis using generalized linear models.
    Biometrika 73.
    Cameron, A. C., Gelbach, J. B. & Miller, D. L. (2011). Robust inference with multiway
    clustering. Journal of Business & Economic Statistics 29.
    """
    terms.check()
    present = terms.rows.present()
    columns = [_numbered(group[present]) for group in groups]
    smallest = min(int(codes.max()) + 1 for codes in columns)
    if smallest < 2:
        raise ValueError("groups must hold at least 2 groups of rows, got 1.")
    bread = inverse_root(terms.newton)
    total = _between(terms, columns[0])
    if len(columns) == 2:
        both = _numbered(columns[0] * (columns[1].max() + 1) + columns[1])
        total = total + _between(terms, columns[1]) - _between(terms, both)
    factor = bread @ (bread.T @ root_of(total))
    return terms.covariance(bread, factor), smallest


def _numbered(values):
    return np.unique(values, return_inverse=True)[1].ravel()


def _between(terms, codes):
    """Return the mean square of the sums of scores by group, divided by n and corrected."""
    n, n_groups = terms.n, int(codes.max()) + 1
    sums = sums_by_group(
        terms.rows, terms.root.root, terms.shares * terms.influence, codes, n_groups
    )
    return n_groups / (n_groups - 1) * (n - 1.0) / (n - terms.p) * (sums @ sums.T)


def with_scale(terms: Terms, u: np.ndarray) -> Covariance:
    r"""Return the covariance of an MM-estimate together with its scale: R's ``.vcov.avar1``.

    Errors may depend on X and need not be symmetric. With :math:`A` the mean of
    :math:`\psi_i' x_i x_i^\top` and :math:`\chi` the loss of the M-scale, which is 1/2 in the mean,
    the influence of row i on the coefficients is

    .. math:: A^{-1}x_i\psi_i - a\,\bigl(\chi(u_i) - \tfrac12\bigr), \qquad
              a = A^{-1}\,\frac{\mathrm{mean}(\psi' r x)}{\mathrm{mean}(\chi'(u)\,u)}.

    If the estimated matrix has negative eigenvalues, they are set to 0, and rows and columns are
    scaled to the variances it had, or to 0 where these were negative, as R does.

    Parameters
    ----------
    terms : Terms
    u : ndarray of shape (n_present,)
        Residuals of the S-estimate, divided by the scale c of the loss of the M-scale.

    References
    ----------
    Croux, C., Dhaene, G. & Hoorelbeke, D. (2003). Robust standard errors for robust estimators.
    KU Leuven, Center for Economic Studies, discussion paper 03.16.
    """
    terms.check()
    bread = inverse_root(terms.newton)
    inverse = bread @ bread.T
    pull, chi = scale_influence(terms, u)
    together = np.outer(pull, inverse @ _mean(terms, terms.influence * chi))
    meat = gram_of(terms.rows, terms.root.root, terms.influence**2)
    excess = float(terms.shares @ chi**2) - 0.25
    matrix = inverse @ meat @ inverse - together - together.T + excess * np.outer(pull, pull)
    return terms.covariance(bread, _definite(terms, matrix / terms.n))


def scale_influence(terms: Terms, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a and the chi of every row, as of :func:`with_scale`."""
    chi, _, weights = resolve("welsch").rho_psi_weight(u, 1.0)
    bread = inverse_root(terms.newton)
    pull = bread @ (bread.T @ _mean(terms, terms.slopes * terms.scaled))
    return pull / float(terms.shares @ (weights * u**2)), chi


def _mean(terms, of_rows):
    """Return the mean of the columns of X times a number for each row."""
    none = np.zeros(len(of_rows), dtype=np.intp)
    return sums_by_group(terms.rows, terms.root.root, terms.shares * of_rows, none, 1)[:, 0]


def _definite(terms, matrix):
    """Return a factor of a symmetric matrix, made semidefinite without a change of the variances.

    The variances are those of the coefficients in the user's units.
    """
    factor = root_of(matrix)
    if np.linalg.eigvalsh(matrix)[0] >= 0.0:
        return factor
    change = terms.rows.columns.jacobian() @ terms.parameters_of(np.eye(len(matrix)))
    wanted = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", change, matrix, change), 0.0))
    found = np.linalg.norm(change @ factor, axis=1)
    ratio = np.divide(wanted, found, out=np.zeros(len(found)), where=found > 0.0)
    return np.linalg.lstsq(change, ratio[:, None] * (change @ factor))[0]
