"""Fits by several threads, for the tests that their number changes nothing."""

from contextlib import contextmanager
from unittest import mock

from threadpoolctl import threadpool_limits

from sklearn_robust.design import make_design
from sklearn_robust.design.threads import available_threads


@contextmanager
def threads(count):
    """Let fits use ``count`` threads, whatever the number of processors of this machine."""
    with threadpool_limits(count), mock.patch("joblib.effective_n_jobs", return_value=count):
        assert available_threads() == count
        yield


def assert_read_by_threads(X, y, count):
    """Assert that a pass over these rows keeps ``count`` threads busy, each with several ranges."""
    rows = make_design(X, y)
    assert rows._n_threads == count
    assert len(rows._ranges) >= 2 * count
