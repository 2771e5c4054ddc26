"""The partition function against 30-digit values, closed forms and its own generator."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import read_reference
from scipy import special

from sklearn_robust.partition import TABLES, log_partition

REFERENCE = read_reference("logz_reference.csv")


@pytest.mark.parametrize("row", REFERENCE, ids=lambda row: row["alpha"])
def test_reference_values(row):
    value, slope = log_partition(float.fromhex(row["alpha_float64_hex"]))
    assert value == pytest.approx(float(row["logZ"]), rel=0.0, abs=1e-12)
    assert slope == pytest.approx(float(row["dlogZ_dalpha"]), rel=0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("alpha", "z"),
    [
        (0.0, math.pi * math.sqrt(2.0)),
        (1.0, 2.0 * math.e * special.k1(1.0)),
        (2.0, math.sqrt(2.0 * math.pi)),
        (math.inf, math.exp(0.7052602544175697)),
    ],
)
def test_closed_forms(alpha, z):
    assert log_partition(alpha)[0] == pytest.approx(math.log(z), rel=1e-14)


@given(alpha=st.floats(0.0, 50.0), step=st.floats(1e-6, 1e-3))
def test_falls_and_slope_matches_differences(alpha, step):
    step = min(step, 0.01 * abs(alpha - 2.0))
    low, high = alpha, alpha + step
    assert log_partition(low)[0] >= log_partition(high)[0] - 1e-14  # roundings of terms near 1
    if step > 1e-5:
        difference = (log_partition(high)[0] - log_partition(low)[0]) / (high - low)
        middle = log_partition(0.5 * (low + high))[1]
        assert difference == pytest.approx(middle, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("edge", [edge for edge in TABLES[0][:-1, 1] if edge not in (54.0, 114.0)])
def test_pieces_meet(edge):
    generator = _generator()
    alpha = float(generator["alpha_at"](float(edge))[0])
    below, above = np.nextafter(alpha, 0.0), np.nextafter(alpha, 9.0)
    step = 1e-15 / abs(alpha - 2.0)  # how far the slope itself moves between the two
    for one, two in zip(log_partition(below), log_partition(above), strict=True):
        assert one == pytest.approx(two, abs=1e-12 + step)


def _generator():
    path = Path(__file__).parents[1] / "tools" / "make_log_partition.py"
    return runpy.run_path(str(path))


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("partition", 6),
        *(pytest.param("partition", piece, marks=pytest.mark.slow) for piece in (1, 12)),
        *(pytest.param("information", piece, marks=pytest.mark.slow) for piece in (0, 5)),
    ],
)
def test_coefficients_are_those_of_the_script(name, piece):
    generator = _generator()
    generator["mp"].mp.dps = generator["DIGITS"]
    table = TABLES[("partition", "information").index(name)]
    low, high = table[piece, :2]
    mpf = generator["mp"].mpf
    computed = np.concatenate(
        generator["interpolate"](generator[f"log_{name}"], mpf(low), mpf(high))
    )
    np.testing.assert_allclose(table[piece, 2:], computed, rtol=1e-13, atol=1e-18)


@pytest.mark.parametrize("alpha", [-1e-300, -math.inf, math.nan])
def test_refusals(alpha):
    with pytest.raises(ValueError, match=r"alpha must be a number in \[0, inf\], got"):
        log_partition(alpha)
