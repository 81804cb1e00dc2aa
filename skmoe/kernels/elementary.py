"""Exponential and logarithm in arithmetic that compilers turn into vector instructions.

A call of the C library for every number ends vector loops and costs about six times as much. Both are right to two
units in the last place.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compiled import elementary

_LOG2_E = 1.4426950408889634
#: log 2 in two parts; the first has so few digits that whole multiples of it are exact.
_LOG_2, _LOG_2_REST = 6.93147180369123816490e-01, 1.90821492927058770002e-10
#: Numbers added to it lose all behind the point.
_ROUNDER = 1.5 * 2.0**52
_LARGEST, _SMALLEST = 709.78, -708.0
_MANTISSA, _ONE = 0x000FFFFFFFFFFFFF, 0x3FF0000000000000
_SQRT_2 = sqrt(2.0)


def _number(context: Any, bits: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), generate


#: The number that some bits are.
_number_of: Any = intrinsic(_number)


def _bits(context: Any, number: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), generate


#: The bits of a number.
_bits_of: Any = intrinsic(_bits)


@elementary
def _exp(x: float) -> float:
    """``e^x = 2^n e^r`` with n whole and r at most half a log 2, for x from -708 to 709.

    ``(e^r - 1 - r) / r^2`` is the polynomial through its values at ten Chebyshev points: right to 2e-17 of e^r.
    """
    n = (x * _LOG2_E + _ROUNDER) - _ROUNDER
    r = (x - n * _LOG_2) - n * _LOG_2_REST
    s = 2.5100375832561234e-08
    s = s * r + 2.7620075879983367e-07
    s = s * r + 2.7557268480310024e-06
    s = s * r + 2.4801521322368692e-05
    s = s * r + 0.00019841269863040545
    s = s * r + 0.0013888888917196719
    s = s * r + 0.008333333333330065
    s = s * r + 0.041666666666624164
    s = s * r + 0.16666666666666669
    s = s * r + 0.5000000000000001
    return (s * r * r + r + 1) * _number_of((int(n) + 1023) << 52)


@elementary
def exp(x: float) -> float:
    """Exponential of any number; zero below -708."""
    value = _exp(min(max(x, _SMALLEST), _LARGEST))
    return inf if x > _LARGEST else 0.0 if x < _SMALLEST else value


@elementary
def exp_of_negative(x: float) -> float:
    """Exponential of a number that is at most zero, in fewer steps; 3e-308 below -708, minus infinity too."""
    return _exp(max(x, _SMALLEST))


@elementary
def _log_near_one(f: float) -> float:
    """``log(1 + f) = 2 artanh(s)`` with s = f / (2 + f), by its series, for 1 + f from sqrt(1/2) to sqrt(2)."""
    s = f / (2 + f)
    z = s * s
    t = 1 / 23
    t = t * z + 1 / 21
    t = t * z + 1 / 19
    t = t * z + 1 / 17
    t = t * z + 1 / 15
    t = t * z + 1 / 13
    t = t * z + 1 / 11
    t = t * z + 1 / 9
    t = t * z + 1 / 7
    t = t * z + 1 / 5
    t = t * z + 1 / 3
    # f - s f = 2 s exactly, and f has no rounding of the division in it.
    return f - s * (f - 2 * z * t)


@elementary
def log(x: float) -> float:
    """Logarithm of a positive number that is not smaller than 2e-308."""
    bits = _bits_of(x)
    n = (bits >> 52) - 1023
    m = _number_of((bits & _MANTISSA) | _ONE)
    upper = m > _SQRT_2
    n = n + 1 if upper else n
    m = 0.5 * m if upper else m
    value = n * _LOG_2 + (_log_near_one(m - 1) + n * _LOG_2_REST)
    return value if x < inf else x


@elementary
def log1p(u: float) -> float:
    """``log(1 + u)`` for u from 0 to 1, to all digits where u is small."""
    upper = u > _SQRT_2 - 1
    f = 0.5 * (u - 1) if upper else u
    n = 1.0 if upper else 0.0
    return n * _LOG_2 + (_log_near_one(f) + n * _LOG_2_REST)


@elementary
def normal_tail(a: float) -> float:
    """``(1 - Phi(a)) e^(a^2 / 2)`` of a number from 0 to 39: the probability that a standard normal is larger.

    Times 5 + a it is the polynomial in (a - 5) / (a + 5) through its values at 22 Chebyshev points: right to 4e-17.
    """
    inverse = 1 / (a + 5)
    s = (a - 5) * inverse
    t = 2.224938767716443e-09
    t = t * s + 7.630410417873182e-09
    t = t * s - 1.0618274174239376e-08
    t = t * s - 6.667529339227571e-08
    t = t * s + 4.375841598285575e-08
    t = t * s + 4.3443907263764586e-07
    t = t * s - 3.374965203524632e-07
    t = t * s - 2.7703209441469523e-06
    t = t * s + 3.981182741532577e-06
    t = t * s + 1.668170360977268e-05
    t = t * s - 4.9762853165030135e-05
    t = t * s - 5.937586616736071e-05
    t = t * s + 0.000544899062695852
    t = t * s - 0.0007978693748911934
    t = t * s - 0.002993376769094473
    t = t * s + 0.020795066797569855
    t = t * s - 0.06911863870647982
    t = t * s + 0.1650203661705007
    t = t * s - 0.3135331566712971
    t = t * s + 0.49530561596997413
    t = t * s - 0.6653825028900567
    t = t * s + 0.769193049750063
    return t * inverse
