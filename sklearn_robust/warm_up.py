"""Compile everything into numba's cache, so that no later process compiles.

    python -m sklearn_robust.warm_up [--cache-dir DIR] [FIT ...]

For images of containers, continuous integration, and machines on which the first user should not
wait. What a later process reads was compiled by the same versions of Python, numba and this
package, for the same processor, into the folder that its NUMBA_CACHE_DIR names.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from scipy import sparse

_SMALL, _LARGE = 300, 30_000
"""Rows that are searched packed, and so many that a part of them is fitted first."""
_SHARES = 8
"""Parts in which the linked functions are compiled: a few for every process."""


def _rows(n=_SMALL, p=4):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)) + 3.0
    y = X @ np.arange(1.0, p + 1.0) + rng.standard_t(3.0, size=n)
    y[: n // 10] += 20.0
    return X, y


def _with_levels():
    """Return numeric columns and the dummies of a factor with rare levels."""
    rng = np.random.default_rng(0)
    share = np.arange(1, 16) ** -1.2
    codes = rng.choice(15, size=600, p=share / share.sum())
    X = np.hstack([rng.normal(size=(600, 2)), np.eye(15)[codes][:, 1:]])
    y = X @ rng.normal(size=16) * 2.0 + rng.normal(size=600)
    X[:60, 0], y[:60] = 8.0, y[:60] - 30.0
    return X, y


def _fit(name, X, y, sample_weight=None, **parameters):
    from . import estimators

    module, _, of = name.rpartition(".")
    kind = getattr(__import__(f"{estimators.__name__}.{module}", fromlist=[of]), of)
    kind(**parameters).fit(X, y, sample_weight)


def _regression(*data, **parameters):
    _fit("robust.RobustRegressor", *data, random_state=0, **parameters)


def _likelihood(*data, **parameters):
    _fit("adaptive.AdaptiveRobustRegressor", *data, random_state=0, **parameters)


def _default():
    _regression(*_rows())
    _regression(*_rows(_LARGE))


def _convex():
    _regression(*_rows(), alpha=1.0)
    _regression(*_rows(_LARGE), alpha=1.0)


def _adaptive():
    _likelihood(*_rows())
    _likelihood(*_rows(_LARGE))


def _stored():
    """Fit rows that are stored in other ways."""
    X, y = _rows()
    for kept in (np.asfortranarray(X), X.astype(np.float32), sparse.csr_matrix(X)):
        _regression(kept, y)
        _likelihood(kept, y)
    wide = sparse.csr_matrix(X.astype(np.float32))
    _regression(wide, y, solver="lbfgs")
    _regression(X, y, np.arange(len(y)) % 3.0)
    _regression(*_rows(_LARGE), np.arange(_LARGE) % 3.0)


def _levels():
    _regression(*_with_levels())
    _likelihood(*_with_levels())


def _searches():
    """Fit by the other solvers, starts and scales."""
    for solver in ("irls", "lbfgs"):
        _regression(*_rows(), solver=solver)
        _likelihood(*_rows(), solver=solver)
    for init in ("ols", "gnc"):
        _regression(*_rows(), init=init)
    for scale in ("mad", "s", "reweighted"):
        _regression(*_rows(), scale=scale)


def _named():
    for loss in ("huber", "tukey", "balanced_l1", "optimal"):
        _regression(*_rows(), loss=loss)


def _selecting():
    X, y = _rows(p=20)
    _regression(X, y, l1_regularization=0.1)
    _regression(X, y, alpha=1.0, l1_regularization=0.1)
    _likelihood(X, y, l1_regularization=0.1)


def _growing():
    _likelihood(*_rows(), scale_features=[0])


def _functions():
    """Call what inspection and the functions of losses and scales call."""
    from . import distribution, losses, scales

    for value in (1.0, 1e200):
        losses.rho(value)
        losses.psi_prime(value)
        losses.weight(value, loss="tukey")
    losses.tuning_constant(loss="tukey", breakdown=0.5)
    scales.m_scale(np.arange(9.0))
    distribution.general_robust.logpdf(1.0, 1.0)


FITS: dict[str, Callable[[], None]] = {
    "default": _default,
    "adaptive": _adaptive,
    "convex": _convex,
    "stored": _stored,
    "levels": _levels,
    "searches": _searches,
    "named": _named,
    "selecting": _selecting,
    "growing": _growing,
    "functions": _functions,
}
"""What can be prepared, by name."""


def _links(share):
    """Compile a share of the linked functions."""
    from .kernels.linked import LINKS

    for link in LINKS[share::_SHARES]:
        link.make()


def _run(task):
    """Do one task in a process of its own; return the folder in which the code is kept."""
    logging.getLogger("sklearn_robust").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", RuntimeWarning)
        if isinstance(task, int):
            _links(task)
        else:
            FITS[task]()
    from .kernels import dense_pass

    return str(Path(dense_pass._cache.cache_path).parent)


def _prepare(tasks, processes):
    """Do tasks side by side, with a line of progress; return the folder of the code."""
    begin, folder = time.perf_counter(), ""
    for number, future in enumerate(as_completed([processes.submit(_run, t) for t in tasks]), 1):
        folder = future.result()
        seconds = time.perf_counter() - begin
        print(f"\r{number} of {len(tasks)} compiled, {seconds:.0f} s", end="", flush=True)
    print()
    return folder


def _checked_folder(given):
    """Make a folder and see that it can be written; return its name."""
    folder = Path(given).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise SystemExit(f"--cache-dir must be a folder that can be written: {error}") from None
    return str(folder)


def main(arguments=None):
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_robust.warm_up",
        description="Compile the kernels of sklearn_robust into numba's cache.",
    )
    parser.add_argument("--cache-dir", help="the folder; by default that of numba")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument(
        "fit", nargs="*", choices=[[], *FITS], metavar="FIT",
        help=f"what to prepare, by default all of {', '.join(FITS)}",
    )  # fmt: skip
    given = parser.parse_args(arguments)
    if given.cache_dir:
        os.environ["NUMBA_CACHE_DIR"] = _checked_folder(given.cache_dir)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # processes, not threads, fill the processors
    begin, context = time.perf_counter(), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(given.jobs or 1, 1), mp_context=context) as processes:
        # First what all fits share, divided between the processes; then what is left of the fits.
        folder = "" if given.fit else _prepare(list(range(_SHARES)), processes)
        folder = _prepare(given.fit or list(FITS), processes) or folder
    print(f"Compiled in {time.perf_counter() - begin:.0f} s. The code is in {folder}.")


if __name__ == "__main__":
    sys.exit(main())
