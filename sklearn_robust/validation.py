"""Checks of parameters and weights; errors name the parameter, its value, and accepted values."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

_SIZES = 1e-150, 1e150
"""Least and largest size of an error: its square does not under- or overflow."""
_SHORT = 10
"""From this many numbers on, an error does not repeat them all."""
_NAMED = 10
"""Most columns that a message names."""


def check_number(name: str, value: Any, low: float, high: float, ends: str = "[]") -> None:
    """Raise unless ``value`` is a real number between ``low`` and ``high``.

    ``ends`` says which ends belong to the range, as in "[)".
    """
    if isinstance(value, Real) and not isinstance(value, bool | np.bool_):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf if repr(value)[0] != "-" else -math.inf
        above = number >= low if ends[0] == "[" else number > low
        below = number <= high if ends[1] == "]" else number < high
        if above and below:
            return
    accepted = f"a number in {ends[0]}{low:g}, {high:g}{ends[1]}"
    raise ValueError(f"{name} must be {accepted}, got {value!r}.")


def check_pair(name: str, value: Any, low: float, high: float, ends: str) -> None:
    """Raise unless ``value`` is two real numbers in a range, the first not above the second."""
    try:
        first, second = value
        check_number(name, first, low, high, ends)
        check_number(name, second, low, high, ends)
        ordered = first <= second
    except (TypeError, ValueError):
        ordered = False
    if ordered:
        return
    accepted = f"two numbers in {ends[0]}{low:g}, {high:g}{ends[1]}, the first not above the second"
    raise ValueError(f"{name} must be {accepted}, got {value!r}.")


def check_integer(name: str, value: Any, low: int, *, flag_too: bool = False) -> None:
    """Raise unless ``value`` is an integer of at least ``low``, or, with ``flag_too``, a bool."""
    if isinstance(value, bool | np.bool_) and flag_too:
        return
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}.")


def check_flag(name: str, value: Any) -> None:
    """Raise unless ``value`` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {value!r}.")


def check_choice(name: str, value: Any, choices: Iterable[str], otherwise: str = "") -> None:
    """Raise unless ``value`` is a given name; ``otherwise`` says what else is accepted."""
    names = list(choices)
    if not isinstance(value, str) or value not in names:
        raise ValueError(f"{name} must be one of {names}{otherwise}, got {value!r}.")


def check_seed(name: str, value: Any) -> None:
    """Raise unless ``value`` can seed random numbers."""
    # An integer is checked here, because seeding a generator takes as long as fitting a few rows.
    if isinstance(value, Integral) and 0 <= int(value) < 2**32:
        return
    try:
        check_random_state(value)
    except (TypeError, ValueError) as error:
        accepted = "None, an integer in [0, 2**32 - 1] or a numpy RandomState"
        raise ValueError(f"{name} must be {accepted}, got {value!r}.") from error


def check_unmasked(name: str, values: Any, where: str = "") -> Any:
    """Return data, a masked array as a plain one; raise if something is masked.

    numpy drops masks when it converts data to an array, and masked values would then count.
    ``where`` says which part of the data this is, as in " in block 3".
    """
    # A list of masked rows loses their masks in the same way.
    parts = values if isinstance(values, list | tuple) else [values]
    count = sum(int(np.ma.count_masked(of)) for of in parts if isinstance(of, np.ma.MaskedArray))
    if count:
        found = f"{count} masked value{'s' if count > 1 else ''}"
        raise ValueError(
            f"{name} must be without masked values, got {found}{where}; leave out their rows, or "
            "fill in the values."
        )
    return np.asarray(values) if isinstance(values, np.ma.MaskedArray) else values


def text_in(X: Any) -> str | None:
    """Return which columns of a data frame are not numbers, as the end of a message, or None."""
    text = []
    for name, (values, missing) in _by_name(X):
        try:
            values[~missing].astype(np.float64)
        except (TypeError, ValueError):
            text.append(name)
    return f"numbers, got others in {_columns(text)}; put an encoder before it" if text else None


def not_finite_in(X: Any, names=None) -> str | None:
    """Return which columns hold NaN or infinity, as the end of an error message, or None.

    Parameters
    ----------
    X : data frame or array
        With numbers only.
    names : sequence of str, optional
        The names of the columns of an array, of which nothing is said without them.
    """
    missing, infinite = [], []
    for name, (values, absent) in _by_name(X, names):
        values = values[~absent].astype(np.float64)
        if np.any(absent) or np.any(np.isnan(values)):
            missing.append(name)
        if np.any(np.isinf(values)):
            infinite.append(name)
    if missing:
        return f"finite numbers, got NaN in {_columns(missing)}; put an imputer before it"
    return f"finite numbers, got infinity in {_columns(infinite)}" if infinite else None


def check_finite_rows(name: str, values: Any) -> None:
    """Raise if numbers are NaN or infinite; the error names their rows by label or number."""
    array = np.asarray(values)
    if array.dtype.kind not in "fO" or array.ndim == 0:
        return
    try:
        array = array.astype(np.float64).reshape(len(array), -1)
    except (TypeError, ValueError):  # what is no number is refused elsewhere
        return
    if np.all(np.isfinite(array)):
        return
    missing = np.any(np.isnan(array), axis=1)
    rows = np.flatnonzero(missing if np.any(missing) else np.any(np.isinf(array), axis=1))
    take = getattr(getattr(values, "index", None), "take", None)  # that of a frame or series
    labels = rows.tolist() if take is None else list(take(rows))
    shown = ", ".join(map(repr, labels[:_NAMED]))
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    raise ValueError(
        f"{name} must hold finite numbers, got {'NaN' if np.any(missing) else 'infinity'} in "
        f"{len(rows)} row{'s' if len(rows) > 1 else ''}: {shown}{more}; leave these rows out."
    )


def _by_name(X, names=None):
    """Yield the name of every column that has one, its values, and where these are missing."""
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        for name in X.columns:
            column = X[name]
            missing = column.isna() if hasattr(column, "isna") else column.is_null()
            yield str(name), (np.asarray(column), np.asarray(missing, dtype=bool))
    elif names is not None:
        for k, name in enumerate(names):
            column = X[:, [k]]
            values = column.data if hasattr(column, "indptr") else column.ravel()
            yield str(name), (values, np.zeros(values.shape, dtype=bool))


def _columns(names) -> str:
    """Return a phrase that names the first few columns."""
    shown = ", ".join(map(repr, names[:_NAMED]))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} column{'s' if len(names) > 1 else ''}: {shown}{more}"


def _numbers(name: str, value: Any, accepted: str) -> np.ndarray:
    """Return a finite float64 array, or raise an error that names the parameter."""
    value = check_unmasked(name, value)
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise ValueError("complex numbers")
        array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be {accepted}, got {value!r}.") from error
    finite = np.isfinite(array)
    if not np.all(finite):
        got = repr(value) if array.size < _SHORT else _first_of_many(array, finite)
        raise ValueError(f"{name} must be {accepted}, without NaN or infinity, got {got}.")
    return array


def _first_of_many(array, finite) -> str:
    """Return how many numbers are not finite, and where the first of them is."""
    first = tuple(int(k) for k in np.argwhere(~finite)[0])
    where = first[0] if array.ndim == 1 else first
    many = np.count_nonzero(~finite)
    return f"{many} of them, the first {float(array[first])!r} at position {where}"


def _factors(name: str, value, size: int, which: str) -> np.ndarray:
    """Return numbers that are not negative; ``which`` says to what each belongs."""
    accepted = f"numbers in [0, inf) of shape ({size},), {which}"
    factors = _numbers(name, value, accepted)
    if factors.shape != (size,):
        raise ValueError(f"{name} must be {accepted}, got shape {factors.shape}.")
    if np.any(factors < 0.0):
        raise ValueError(f"{name} must be {accepted}, got {float(factors.min())!r}.")
    return factors


def check_weights(sample_weight, n_samples: int) -> np.ndarray | None:
    """Return case weights as float64 of shape (n_samples,), or None where none are given."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_samples, float(sample_weight))
    weights = _factors("sample_weight", sample_weight, n_samples, "one for each row of X")
    if not np.any(weights > 0.0):
        raise ValueError("sample_weight must hold at least one positive number, got all zeros.")
    with np.errstate(over="ignore"):
        total = float(weights.sum())
    if not math.isfinite(total):
        raise ValueError("sample_weight must have a finite sum, got inf.")
    return np.ascontiguousarray(weights)


def check_error_scale(error_scale, n_samples: int, where: str = "") -> np.ndarray | None:
    """Return sizes of errors as float64 of shape (n_samples,), or None where none are given."""
    if error_scale is None:
        return None
    low, high = _SIZES
    accepted = f"numbers in [{low:g}, {high:g}] of shape ({n_samples},), one for each row of X"
    sizes = _numbers("error_scale", error_scale, accepted)
    if sizes.shape != (n_samples,):
        raise ValueError(f"error_scale must be {accepted}, got shape {sizes.shape}{where}.")
    outside = sizes[(sizes < low) | (sizes > high)]
    if len(outside):
        raise ValueError(f"error_scale must be {accepted}, got {float(outside[0])!r}{where}.")
    return np.ascontiguousarray(sizes)


def check_columns(name: str, columns: Any, n_features: int, names=None) -> np.ndarray:
    """Return the numbers of columns given by "all", their names or their numbers, or raise."""
    if isinstance(columns, str) and columns == "all":
        return np.arange(n_features)
    known = [] if names is None else [str(of) for of in names]
    among = f" or names among {known[:_NAMED]}" if known else ""
    accepted = f'None, "all", a callable, or a list of different numbers below {n_features}{among}'
    found: list[int] = []
    numbers = range(n_features)
    if not isinstance(columns, str) and isinstance(columns, Iterable):
        for of in columns:
            if isinstance(of, str) and of in known:
                found.append(known.index(of))
            elif isinstance(of, Integral) and not isinstance(of, bool) and int(of) in numbers:
                found.append(int(of))
            else:
                break
        else:
            if len(set(found)) == len(found):
                return np.array(found, dtype=np.intp)
    raise ValueError(f"{name} must be {accepted}, got {columns!r}.")


def check_penalty_weights(penalty_weights, n_features: int) -> None:
    """Raise unless there is a weight of the penalty for every column, or none at all."""
    if penalty_weights is None:
        return
    _factors("penalty_weights", penalty_weights, n_features, "one for each column of X, or None")


def check_initial(init, n_targets: int, n_features: int, fit_intercept: bool) -> np.ndarray:
    """Return given initial coefficients, float64 of shape (n_targets, n_features + intercept)."""
    size = n_features + fit_intercept
    what = "n_features + 1, the intercept last" if fit_intercept else "n_features"
    accepted = (
        f"the name of a start or an array of shape ({size},) ({what}) or ({n_targets}, {size})"
    )
    values = _numbers("init", init, accepted)
    if values.shape not in ((size,), (n_targets, size)):
        raise ValueError(f"init must be {accepted}, got shape {values.shape}.")
    return np.broadcast_to(values, (n_targets, size))


def listed(name, values):
    """Return the values as a list, or raise if there are none."""
    try:
        if len(values) > 0 and not isinstance(values, str):
            return list(values)
    except TypeError:
        pass
    raise ValueError(f"{name} must be a sequence of at least one value, got {values!r}.")
