"""Settings of the whole suite."""

import os

import interpreted
import numba
import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, database=None)
settings.register_profile("fast", settings.get_profile("ci"), max_examples=25)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

SEED = int(os.environ.get("TEST_SEED", "0"))

if numba.config.DISABLE_JIT:
    interpreted.follow_ieee()


@pytest.fixture
def unpacked():
    """Small tables are read where they are, as large ones are, and not from a packed copy."""
    from sklearn_robust.limits import changed_limits

    with changed_limits(packed=0):
        yield


def pytest_runtest_setup(item):
    """Let fits without a seed of their own draw the same rows in every run."""
    np.random.seed(SEED)  # noqa: NPY002
