"""Compute the Chebyshev coefficients of log Z(alpha) and log I(alpha) that the package ships.

Run as ``python tools/make_log_partition.py partition sklearn_robust/data/log_partition.csv``, or
with ``information`` and ``log_information.csv``; needs mpmath. With x = √B·sinh w, B = |alpha - 2|,
the partition function is

    Z(alpha) = √B ∫ exp(-(B/alpha)·(cosh(w)^alpha - 1))·cosh w dw,

whose integrand falls doubly exponentially, so that the trapezoidal rule converges faster than
any power of its step. The information of a location at c = 1 is I(alpha) = E psi², whose integral
has the factor B·sinh(w)²·cosh(w)^(2·alpha - 4) more. log Z, log I and their derivatives are
interpolated on pieces of a coordinate in which they are smooth although the slope diverges at
alpha = 2: see ``alpha_at``. A piece is halved until its last coefficients are below TOLERANCE.
"""

import csv
import sys

import mpmath as mp
import numpy as np

DEGREE = 23
TOLERANCE = 2e-15
DIGITS = 40

START = {"below 1": (0.0, 1.0), "below 2": (1.0, 54.0), "above 2": (60.0, 114.0),
         "above 4": (115.0, 116.0)}  # fmt: skip
"""The coordinate's four ranges, as ``log_partition`` in the kernels knows them."""


def alpha_at(t):
    """Return alpha and B = |alpha - 2| at the coordinate t, alpha = inf as None."""
    t = mp.mpf(t)
    if t <= 1:
        return t, 2 - t
    if t <= 54:
        b = mp.power(2, 1 - t)
        return 2 - b, b
    if t <= 114:
        b = mp.power(2, t - 113)
        return 2 + b, b
    return (4 / (116 - t), 4 / (116 - t) - 2) if t < 116 else (None, None)


def log_partition(alpha, b):
    """Return log Z and its derivative at alpha; b = |alpha - 2| is given for its digits."""
    if alpha is None:
        return mp.log(2 * mp.quad(lambda x: mp.exp(-mp.expm1(x * x / 2)), [0, 1, 2, 4])), mp.mpf(0)
    if alpha == 0:
        # The derivative is the limit that mp.limit confirms, in closed form.
        two = mp.log(2)
        return mp.log(mp.pi * mp.sqrt(2)), two - mp.mpf(1) / 4 - two**2 - mp.pi**2 / 12
    side = 1 if alpha > 2 else -1
    z, dz = integral(alpha, b, side, squared=False)
    return mp.log(z) + mp.log(b) / 2, dz / z + mp.mpf(side) / (2 * b)


def log_information(alpha, b):
    """Return log I and its derivative at alpha in (0, 2); b = 2 - alpha is given for its digits."""
    z, dz = integral(alpha, b, -1, squared=False)
    top, dtop = integral(alpha, b, -1, squared=True)
    return mp.log(top) + mp.log(b) - mp.log(z), dtop / top - dz / z - 1 / b


def integral(alpha, b, side, squared):
    """Return the integral over w, without powers of b in front, and its derivative in alpha.

    ``squared`` puts psi² into the integrand.
    """

    def terms(w):
        log_cosh = mp.log(mp.cosh(w))
        growth = mp.expm1(alpha * log_cosh)
        density = mp.exp(log_cosh - b / alpha * growth)
        slope = -((side / alpha - b / alpha**2) * growth + b / alpha * (growth + 1) * log_cosh)
        if squared:
            density *= mp.sinh(w) ** 2 * mp.exp((2 * alpha - 4) * log_cosh)
            slope += 2 * log_cosh
        return density, slope * density

    step = mp.mpf(1) / 16 / max(mp.mpf(1), alpha)  # the strip of analyticity is pi/alpha wide
    z, dz = (term / 2 for term in terms(mp.mpf(0)))
    k = 0
    while True:
        k += 1
        density, change = terms(k * step)
        z, dz = z + density, dz + change
        if k * step > 1 and density < z * mp.mpf(10) ** (-DIGITS) * 1e-3:
            return 2 * step * z, 2 * step * dz


def interpolate(function, low, high):
    """Return the Chebyshev coefficients of a function and of its derivative on one piece."""
    size = DEGREE + 1
    angles = [mp.pi * (2 * k + 1) / (2 * size) for k in range(size)]
    values = [
        function(*alpha_at((low + high) / 2 + (high - low) / 2 * mp.cos(angle))) for angle in angles
    ]
    coefficients = []
    for pick in (0, 1):
        column = [
            2 * mp.fsum(v[pick] * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / size
            for j in range(size)
        ]
        column[0] /= 2
        coefficients.append(np.array([float(c) for c in column]))
    return coefficients


def pieces(function, low, high):
    """Yield (low, high, coefficients) over a range, halved until the series have ended."""
    coefficients = interpolate(function, mp.mpf(low), mp.mpf(high))
    if all(np.max(np.abs(series[-3:])) < TOLERANCE for series in coefficients):
        yield low, high, coefficients
        return
    middle = 0.5 * (low + high)
    yield from pieces(function, low, middle)
    yield from pieces(function, middle, high)


TABLES = {
    "partition": (log_partition, "log_z", tuple(START)),
    "information": (log_information, "log_i", ("below 1", "below 2")),
}
"""The function of each table, its name in the head, and its ranges."""


def main(name, path):
    """Write a table."""
    function, label, ranges = TABLES[name]
    mp.mp.dps = DIGITS
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = ["low", "high"]
        for series in (label, "slope"):
            head += [f"{series}_{j}" for j in range(DEGREE + 1)]
        writer.writerow(head)
        for low, high in map(START.get, ranges):
            for start, stop, (values, slopes) in pieces(function, low, high):
                writer.writerow([repr(float(x)) for x in (start, stop, *values, *slopes)])
                file.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
