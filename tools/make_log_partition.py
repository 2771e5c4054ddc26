"""Compute the Chebyshev coefficients of log Z(alpha) that the package ships.

Run as ``python tools/make_log_partition.py sklearn_robust/data/log_partition.csv``; needs
mpmath. With x = √B·sinh w, B = |alpha - 2|, the partition function is

    Z(alpha) = √B ∫ exp(-(B/alpha)·(cosh(w)^alpha - 1))·cosh w dw,

whose integrand falls doubly exponentially, so that the trapezoidal rule converges faster than
any power of its step. log Z and its derivative are interpolated on pieces of a coordinate in
which they are smooth although the slope diverges at alpha = 2: see ``coordinate``. A piece is
halved until its last coefficients are below TOLERANCE.
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

    def terms(w):
        log_cosh = mp.log(mp.cosh(w))
        growth = mp.expm1(alpha * log_cosh)
        density = mp.exp(log_cosh - b / alpha * growth)
        slope = (side / alpha - b / alpha**2) * growth + b / alpha * (growth + 1) * log_cosh
        return density, -slope * density

    step = mp.mpf(1) / 16 / max(mp.mpf(1), alpha)  # the strip of analyticity is pi/alpha wide
    z, dz = (term / 2 for term in terms(mp.mpf(0)))
    k = 0
    while True:
        k += 1
        density, change = terms(k * step)
        z, dz = z + density, dz + change
        if k * step > 1 and density < z * mp.mpf(10) ** (-DIGITS) * 1e-3:
            break
    z, dz = 2 * step * z, 2 * step * dz
    return mp.log(z) + mp.log(b) / 2, dz / z + side / (2 * b)


def interpolate(low, high):
    """Return the Chebyshev coefficients of log Z and of its derivative on one piece."""
    size = DEGREE + 1
    angles = [mp.pi * (2 * k + 1) / (2 * size) for k in range(size)]
    values = [
        log_partition(*alpha_at((low + high) / 2 + (high - low) / 2 * mp.cos(angle)))
        for angle in angles
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


def pieces(low, high):
    """Yield (low, high, coefficients) over a range, halved until the series have ended."""
    coefficients = interpolate(mp.mpf(low), mp.mpf(high))
    if all(np.max(np.abs(series[-3:])) < TOLERANCE for series in coefficients):
        yield low, high, coefficients
        return
    middle = 0.5 * (low + high)
    yield from pieces(low, middle)
    yield from pieces(middle, high)


def main(path):
    """Write the table."""
    mp.mp.dps = DIGITS
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        head = ["low", "high"]
        for name in ("log_z", "slope"):
            head += [f"{name}_{j}" for j in range(DEGREE + 1)]
        writer.writerow(head)
        for low, high in START.values():
            for start, stop, (values, slopes) in pieces(low, high):
                writer.writerow([repr(float(x)) for x in (start, stop, *values, *slopes)])
                file.flush()


if __name__ == "__main__":
    main(sys.argv[1])
