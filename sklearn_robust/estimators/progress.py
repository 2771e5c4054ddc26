"""Progress of a fit: a line for every step, and scikit-learn's callbacks if it has them."""

from __future__ import annotations

from collections import Counter
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    WRAPPERS = 1
    """Number of calls between that of ``fit`` and its body."""
except ImportError:  # scikit-learn before 1.9; experimental from 1.9 on
    WRAPPERS = 0

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """An empty base class: no callbacks are supported."""

    def with_callbacks(method):
        """Return the method itself."""
        return method


__all__ = ["WRAPPERS", "CallbackSupportMixin", "Progress", "silent", "with_callbacks"]


def silent(value):
    """Report nothing: the callback of fits that are part of another."""


class Progress:
    """Reports the steps of one fit: prints them if the estimator is verbose, and calls callbacks.

    Every step is a task of the callbacks, below that of the fit. It may be reported after it is
    done, so callbacks cannot stop it.

    Parameters
    ----------
    estimator : estimator
        Its ``fit`` is decorated by ``with_callbacks``.
    X, y, sample_weight
        The data of the fit; the last may be None.
    """

    def __init__(self, estimator, X, y, sample_weight):
        metadata = {} if sample_weight is None else {"sample_weight": sample_weight}
        self._estimator, self._data = estimator, {"X": X, "y": y, "metadata": metadata}
        self._told: Counter[str] = Counter()
        self._context: Any = None
        if hasattr(estimator, "set_callbacks"):
            self._context = estimator._init_callback_context(max_subtasks=None)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)
        self._called = bool(getattr(estimator, "_skl_callbacks", ()))

    def step(self, name, result):
        """Report a step and its result."""
        self._told[name] += 1
        if self._estimator.verbose:
            print(f"[{type(self._estimator).__name__}] {name} {self._told[name]}: {result}")
        if self._called:
            task = self._context.subcontext(task_name=name)
            task.call_on_fit_task_begin(estimator=self._estimator, **self._data)
            task.call_on_fit_task_end(estimator=self._estimator, **self._data)

    def report(self, value):
        """Report an iteration with the objective at its beginning."""
        self.step("iteration", f"objective {value:.10g}")

    def end(self):
        """Report the end of the fit."""
        if self._context is not None:
            self._context.call_on_fit_task_end(estimator=self._estimator, **self._data)
