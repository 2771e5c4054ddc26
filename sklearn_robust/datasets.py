"""Six small public data sets with rows known to be bad."""

from __future__ import annotations

import csv
import inspect
from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch

__all__ = [
    "load_computer_hardware",
    "load_hbk",
    "load_phones",
    "load_salinity",
    "load_stackloss",
    "load_starscyg",
]


def _load(loader, *, return_X_y, as_frame):
    """Read the file named after the loader; its last column is the target."""
    source = files("sklearn_robust") / "data" / f"{loader.__name__.removeprefix('load_')}.csv"
    with source.open(encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    columns = [_as_numbers(column) for column in zip(*rows, strict=True)]
    numeric = all(column.dtype == np.float64 for column in columns)
    frame = None
    if as_frame:
        frame = _pandas().DataFrame(dict(zip(header, columns, strict=True)))
        data, target = frame[header[:-1]], frame[header[-1]]
    else:
        dtype = np.float64 if numeric else object
        data, target = np.column_stack([c.astype(dtype) for c in columns[:-1]]), columns[-1]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame,
        feature_names=header[:-1],
        target_names=header[-1:],
        DESCR=inspect.getdoc(loader),
        filename=source.name,
        data_module="sklearn_robust.data",
    )


def _as_numbers(column):
    try:
        return np.array(column, dtype=np.float64)
    except ValueError:
        return np.array(column, dtype=object)


def _pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "as_frame=True needs pandas; install it, or use as_frame=False."
        ) from error
    return pandas


def load_stackloss(*, return_X_y=False, as_frame=False):
    """Load Brownlee's stack loss data: 21 days of a plant that oxidises ammonia.

    Features are the air flow, the temperature of the cooling water (degrees Celsius) and the
    acid concentration (per 1000, less 500). The target is the ammonia lost through the stack
    (tenths of a per cent). Rows 1, 3, 4 and 21, counted from 1, are generally regarded as
    outliers: they are start-up and transition days.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` alone.
    as_frame : bool, default=False
        Whether data and target are a pandas DataFrame and Series; needs pandas.

    Returns
    -------
    Bunch or tuple (data, target)
        ``data`` of shape (21, 3), ``target`` of shape (21,), ``frame``, ``feature_names``,
        ``target_names``, ``DESCR``, ``filename``.

    References
    ----------
    Brownlee, K. A. (1965). Statistical Theory and Methodology in Science and Engineering,
    2nd ed. Wiley, pages 491-500.

    Examples
    --------
    >>> from sklearn_robust.datasets import load_stackloss
    >>> load_stackloss().data.shape
    (21, 3)
    """
    return _load(load_stackloss, return_X_y=return_X_y, as_frame=as_frame)


def load_phones(*, return_X_y=False, as_frame=False):
    """Load the Belgian telephone data: international calls by year, 1950 to 1973.

    The feature is the year (less 1900), the target the number of calls from Belgium
    (millions). From 1964 to 1969 another recording system was in use and the minutes of the
    calls were written down instead; parts of 1963 and 1970 are affected too.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` alone.
    as_frame : bool, default=False
        Whether data and target are a pandas DataFrame and Series; needs pandas.

    Returns
    -------
    Bunch or tuple (data, target)
        ``data`` of shape (24, 1), ``target`` of shape (24,), ``frame``, ``feature_names``,
        ``target_names``, ``DESCR``, ``filename``.

    References
    ----------
    Rousseeuw, P. J. and Leroy, A. M. (1987). Robust Regression and Outlier Detection. Wiley,
    page 26.

    Examples
    --------
    >>> from sklearn_robust.datasets import load_phones
    >>> load_phones().target[:3]
    array([4.4, 4.7, 4.7])
    """
    return _load(load_phones, return_X_y=return_X_y, as_frame=as_frame)


def load_starscyg(*, return_X_y=False, as_frame=False):
    """Load the Hertzsprung-Russell diagram of the star cluster CYG OB1: 47 stars.

    The feature is the logarithm of the effective surface temperature, the target the
    logarithm of the light intensity. Four giants (rows 11, 20, 30 and 34, counted from 1) are
    bad leverage points: least squares slopes down where the main sequence slopes up.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` alone.
    as_frame : bool, default=False
        Whether data and target are a pandas DataFrame and Series; needs pandas.

    Returns
    -------
    Bunch or tuple (data, target)
        ``data`` of shape (47, 1), ``target`` of shape (47,), ``frame``, ``feature_names``,
        ``target_names``, ``DESCR``, ``filename``.

    References
    ----------
    Rousseeuw, P. J. and Leroy, A. M. (1987). Robust Regression and Outlier Detection. Wiley,
    page 27.

    Examples
    --------
    >>> from sklearn_robust.datasets import load_starscyg
    >>> load_starscyg().data.shape
    (47, 1)
    """
    return _load(load_starscyg, return_X_y=return_X_y, as_frame=as_frame)


def load_hbk(*, return_X_y=False, as_frame=False):
    """Load the artificial data of Hawkins, Bradu and Kass: 75 rows, 14 leverage points.

    Three features and a target, without units. Rows 1 to 10, counted from 1, are bad leverage
    points; rows 11 to 14 are good ones, which least squares takes for the outliers.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` alone.
    as_frame : bool, default=False
        Whether data and target are a pandas DataFrame and Series; needs pandas.

    Returns
    -------
    Bunch or tuple (data, target)
        ``data`` of shape (75, 3), ``target`` of shape (75,), ``frame``, ``feature_names``,
        ``target_names``, ``DESCR``, ``filename``.

    References
    ----------
    Hawkins, D. M., Bradu, D. and Kass, G. V. (1984). Location of several outliers in
    multiple-regression data using elemental sets. Technometrics 26, 197-208.

    Examples
    --------
    >>> from sklearn_robust.datasets import load_hbk
    >>> load_hbk().data.shape
    (75, 3)
    """
    return _load(load_hbk, return_X_y=return_X_y, as_frame=as_frame)


def load_salinity(*, return_X_y=False, as_frame=False):
    """Load the salinity of Pamlico Sound, North Carolina: 28 spring fortnights.

    Features are the salinity two weeks before, the number of the fortnight in its season, and
    the discharge of rivers into the sound; the target is the salinity. Rows 5 and 16, counted
    from 1, had very heavy discharge; 16 is a bad leverage point.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` alone.
    as_frame : bool, default=False
        Whether data and target are a pandas DataFrame and Series; needs pandas.

    Returns
    -------
    Bunch or tuple (data, target)
        ``data`` of shape (28, 3), ``target`` of shape (28,), ``frame``, ``feature_names``,
        ``target_names``, ``DESCR``, ``filename``.

    References
    ----------
    Rousseeuw, P. J. and Leroy, A. M. (1987). Robust Regression and Outlier Detection. Wiley,
    page 82, after Ruppert, D. and Carroll, R. J. (1980), Journal of the American Statistical
    Association 75.

    Examples
    --------
    >>> from sklearn_robust.datasets import load_salinity
    >>> load_salinity().data.shape
    (28, 3)
    """
    return _load(load_salinity, return_X_y=return_X_y, as_frame=as_frame)


def load_computer_hardware(*, return_X_y=False, as_frame=False):
    """Load the relative performance of 209 computers of the 1980s; mixed types.

    Features are the vendor and the model (text), the cycle time (nanoseconds), least and
    largest main memory and cache (kilobytes), least and largest number of channels; the
    target is the published relative performance, with a heavy right tail.

    Parameters
    ----------
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` alone.
    as_frame : bool, default=False
        Whether data and target are a pandas DataFrame and Series; needs pandas. Without it,
        ``data`` is an array of Python objects, text and numbers.

    Returns
    -------
    Bunch or tuple (data, target)
        ``data`` of shape (209, 8), ``target`` of shape (209,), ``frame``, ``feature_names``,
        ``target_names``, ``DESCR``, ``filename``.

    References
    ----------
    Ein-Dor, P. and Feldmesser, J. (1987). Attributes of the performance of central processing
    units: a relative performance prediction model. Communications of the ACM 30, 308-317.
    From the UCI Machine Learning Repository, data set "Computer Hardware", licensed
    CC BY 4.0.

    Examples
    --------
    >>> from sklearn_robust.datasets import load_computer_hardware
    >>> load_computer_hardware().feature_names[:3]
    ['vendor', 'model', 'cycle_time_ns']
    """
    return _load(load_computer_hardware, return_X_y=return_X_y, as_frame=as_frame)
