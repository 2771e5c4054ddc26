"""exp and log1p without a branch, so that loops over them become vector instructions."""

import math
import struct

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from .compiled import compiled

_LOG2_HIGH = float.fromhex("0x1.62e42fefa0000p-1")
_LOG2_LOW = float.fromhex("0x1.cf79abc9e3b39p-40")
_PER_LOG2 = 1.0 / math.log(2.0)
_SHIFTER = 1.5 * 2.0**52
"""Added to a small number, it leaves the nearest integer in the last bits."""
_SHIFTER_BITS, _HALF_ROOT_BITS = np.array([_SHIFTER, math.sqrt(0.5)]).view(np.uint64)
_MANTISSA = np.uint64(52)
_E3, _E4, _E5, _E6, _E7, _E8, _E9, _E10, _E11, _E12, _E13 = (
    1.0 / math.factorial(k) for k in range(3, 14)
)
_L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8, _L9, _L10 = (2.0 / (2 * k + 1) for k in range(1, 11))


def _bits(x):
    """Return the bits of a double as an unsigned integer."""
    return np.uint64(struct.unpack("<Q", struct.pack("<d", x))[0])


def _double(bits):
    """Return the double of these bits."""
    return struct.unpack("<d", struct.pack("<Q", int(bits)))[0]


def _reinterpreted(source, target):
    @intrinsic
    def reinterpret(typing_context, x):
        def generate(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], context.get_value_type(target))

        return target(source), generate

    return reinterpret


_bits_of_double = _reinterpreted(types.float64, types.uint64)
_double_of_bits = _reinterpreted(types.uint64, types.float64)
overload(_bits)(lambda x: lambda x: _bits_of_double(x))
overload(_double)(lambda bits: lambda bits: _double_of_bits(bits))


@compiled()
def smaller(a, b):
    """Return what ``min`` does, which numba would compile again for every call."""
    return b if b < a else a


@compiled()
def larger(a, b):
    """Return what ``max`` does."""
    return b if b > a else a


@compiled()
def exponential(t):
    """Return exp(t) and exp(t) - 1, each to 2e-16 of its value; 0 and -1 below -708.

    Taylor's polynomial of degree 13 within half a log 2 of zero, times a power of two.
    """
    inside = t if t > -708.0 else -708.0
    inside = inside if inside < 709.0 else 709.0
    shifted = inside * _PER_LOG2 + _SHIFTER
    k = shifted - _SHIFTER
    r = (inside - k * _LOG2_HIGH) - k * _LOG2_LOW
    p = _E8 + r * (_E9 + r * (_E10 + r * (_E11 + r * (_E12 + r * _E13))))
    p = 0.5 + r * (_E3 + r * (_E4 + r * (_E5 + r * (_E6 + r * (_E7 + r * p)))))
    less_one = r + r * r * p
    power = _double(_bits(1.0) + (_bits(shifted) << _MANTISSA))
    value, difference = power + power * less_one, power * less_one + (power - 1.0)
    value = value if t >= -708.0 else 0.0
    return (value if t <= 709.0 else math.inf), (difference if t <= 709.0 else math.inf)


@compiled()
def log1p(v):
    """Return log(1 + v) of a finite v >= 0, to 2e-16 of its value.

    The logarithm of (1 + s)/(1 - s) by its odd series to the 21st power, between the root of
    1/2 and that of 2; and what rounding took from 1 + v.
    """
    u = 1.0 + v
    lost = 1.0 - (u - v) if v > 1.0 else v - (u - 1.0)
    exponent = (_bits(u) - _HALF_ROOT_BITS) >> _MANTISSA
    k = _double(exponent + _SHIFTER_BITS) - _SHIFTER
    f = _double(_bits(u) - (exponent << _MANTISSA)) - 1.0
    s = f / (2.0 + f)
    z = s * s
    q = _L5 + z * (_L6 + z * (_L7 + z * (_L8 + z * (_L9 + z * _L10))))
    q = z * (_L1 + z * (_L2 + z * (_L3 + z * (_L4 + z * q))))
    half_square = 0.5 * f * f
    rest = half_square - s * (half_square + q)
    return k * _LOG2_HIGH + (f - (rest - (k * _LOG2_LOW + lost / u)))
