"""Functions that are compiled once, when they are first called."""

import os
import subprocess
import sys

import numpy as np
import pytest
from interpreted import needs_compiler

from sklearn_robust.kernels.algebra import zeros
from sklearn_robust.kernels.compiled import entry
from sklearn_robust.kernels.linked import DATA, LINKS, NUMBER, ROW, linked

pytestmark = needs_compiler


@linked(NUMBER, ROW, NUMBER)
def scaled_total(values, factor):
    total = 0.0
    for i in range(values.shape[0]):
        total += factor * values[i]
    return total


@linked(NUMBER, DATA)
def corner(X):
    return 1.0 * X[-1, -1]


@linked(NUMBER, NUMBER)
def impossible(x):
    return x.no_such_thing


@entry
def twice(values):
    return scaled_total(values, 2)


@entry
def thrice(values):
    return scaled_total(values, 3.0) if values.shape[0] > 0 else 0.0


@entry
def last(X):
    return corner(X)


@entry
def calls_the_impossible(x):
    return impossible(x) if x > 0.0 else x


@entry
def reserve(rows, columns):
    return zeros(rows, columns).shape[0]


def links_of(function):
    return [link for link in LINKS if link.name.startswith(f"{__name__}.{function.__name__}")]


def test_a_function_is_compiled_once_and_only_if_it_is_called():
    [link] = links_of(scaled_total)
    values = np.arange(4.0)
    assert thrice(np.empty(0)) == 0.0
    assert not link.is_made
    assert twice(values) == 2.0 * values.sum() == scaled_total(values, 2.0)
    made = link.address
    assert thrice(values) == 3.0 * values.sum()
    assert link.is_made
    assert link.address == made


def test_there_is_one_function_for_each_type_of_the_data():
    X = np.arange(6.0).reshape(2, 3)
    assert last(X) == last(X.astype(np.float32)) == 5.0
    assert [link.is_made for link in links_of(corner)] == [True, True]
    assert len({link.address for link in links_of(corner)}) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_function_that_cannot_be_compiled_stops_its_caller():
    assert calls_the_impossible(-1.0) == -1.0
    for _ in range(2):
        with pytest.raises(RuntimeError, match="impossible could not be compiled"):
            calls_the_impossible(1.0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_want_of_memory_is_an_error():
    """numba also prints it, where the linked function cannot raise."""
    with pytest.raises(MemoryError):
        reserve(1 << 30, 1 << 20)
    assert reserve(3, 2) == 3


KEPT = """
import sys

sys.path.insert(0, sys.argv[1])
import numpy as np
import test_linked

assert test_linked.twice(np.arange(4.0)) == 12.0
[link] = test_linked.links_of(test_linked.scaled_total)
print(link.was_read)
"""


@pytest.mark.slow
def test_a_later_process_reads_the_function(tmp_path):
    def run():
        command = [sys.executable, "-c", KEPT, os.path.dirname(__file__)]
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert [run(), run()] == ["False", "True"]
