"""Exponential and logarithm against mpmath, to two units in the last place, and at the ends of their ranges."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from numba import njit
from numpy.testing import assert_allclose, assert_array_equal

from skmoe import kernels

ULP = np.finfo(float).eps


def over(function):
    """A compiled loop of a function, in which sums may be taken in any order, as in kernels."""

    @njit(error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def of(x):
        out = np.empty(len(x))
        loop(np.asarray(x, dtype=float), out)
        return out

    return of


@pytest.fixture(scope="module")
def elementary():
    names = ("exp", "exp_of_negative", "log", "log1p", "normal_tail")
    return {name: over(getattr(kernels.elementary, name)) for name in names}


def points(low, high, n=4000):
    return np.random.default_rng(0).uniform(low, high, n)


CASES = {
    "exp": [points(-700, 700), points(-1, 1), points(-40, 0)],
    "exp_of_negative": [points(-700, 0), points(-1, 0)],
    "log": [10 ** points(-300, 300), 1 + points(-1e-3, 1e-3), points(0.5, 2.0)],
    "log1p": [points(0, 1), 10 ** points(-300, 0)],
}


@pytest.mark.parametrize("name", CASES)
def test_two_units_in_the_last_place(elementary, name):
    for x in CASES[name]:
        exact = [getattr(mpmath, name.removesuffix("_of_negative"))(mpmath.mpf(value)) for value in x]
        wrong = [
            abs(mpmath.mpf(got) - right) / abs(right) for got, right in zip(elementary[name](x), exact, strict=True)
        ]
        assert max(wrong) < 2 * ULP


def test_what_is_not_finite_stays_what_it_is(elementary):
    with np.errstate(all="ignore"):
        assert_array_equal(
            elementary["exp"]([np.nan, np.inf, -np.inf, 800.0, -800.0, 0.0]), [np.nan, np.inf, 0, np.inf, 0, 1]
        )
        assert_allclose(elementary["exp_of_negative"]([np.nan, -np.inf, -800.0, 0.0]), [np.nan, 0, 0, 1], atol=1e-307)
        assert_array_equal(elementary["log"]([np.nan, np.inf, 1.0]), [np.nan, np.inf, 0])
        assert_array_equal(elementary["log1p"]([np.nan, 0.0]), [np.nan, 0])


def test_tail_of_the_normal_distribution(elementary):
    a = np.concatenate([points(0, 39), points(0, 1), [0.0, 39.0]])
    with mpmath.workdps(30):
        exact = [0.5 * mpmath.exp(0.5 * mpmath.mpf(x) ** 2) * mpmath.erfc(mpmath.mpf(x) / mpmath.sqrt(2)) for x in a]
        found = map(mpmath.mpf, elementary["normal_tail"](a))
        wrong = [abs(got - right) / right for got, right in zip(found, exact, strict=True)]
    assert max(wrong) < 3 * ULP
