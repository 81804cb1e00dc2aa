"""The root finder on functions whose roots are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, logit, ndtr, ndtri

from skmoe.quantiles import increasing_root


class Counted:
    """A function and its derivative, the same for all rows or one a row, with the number of calls."""

    def __init__(self, function, derivative):
        self.function, self.derivative, self.calls = function, derivative, 0

    def __call__(self, x, rows):
        assert x.shape == rows.shape
        self.calls += 1
        return self.function(x), self.derivative(x)


def cubic(x):
    return x**3


CURVES = {
    "line": (
        Counted(lambda x: 3 * x - 1, lambda x: np.full_like(x, 3.0)),
        lambda f: (f + 1) / 3,
        np.linspace(-5, 5, 21),
    ),
    "cubic": (Counted(lambda x: x**3, lambda x: 3 * x**2), np.cbrt, np.array([-8.0, -1e-3, 1e-6, 0.5, 700])),
    "logistic": (Counted(expit, lambda x: expit(x) * expit(-x)), logit, np.array([1e-12, 0.01, 0.5, 0.99])),
    "normal": (Counted(ndtr, lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)), ndtri, np.array([1e-9, 0.2, 0.8])),
    # A slope that promises nothing: bisection alone must do.
    "without slope": (Counted(lambda x: x**3, np.zeros_like), np.cbrt, np.array([-8.0, 0.3, 700])),
    "with a wrong slope": (Counted(lambda x: x**3, lambda x: np.full_like(x, -1.0)), np.cbrt, np.array([-8.0, 0.3])),
    "with a slope of NaN": (Counted(lambda x: x**3, lambda x: np.full_like(x, np.nan)), np.cbrt, np.array([-8.0, 0.3])),
}


@pytest.mark.parametrize("name", CURVES)
def test_roots(name):
    curve, inverse, level = CURVES[name]
    root = increasing_root(curve, level, np.full(level.shape, -40.0), np.full(level.shape, 50.0))
    assert_allclose(root, inverse(level), rtol=1e-12, atol=1e-14)
    assert curve.calls < 100


def test_newton_takes_a_handful_of_evaluations():
    curve = CURVES["normal"][0]
    curve.calls = 0
    increasing_root(curve, np.linspace(0.01, 0.99, 99), np.full(99, -3.0), np.full(99, 3.0))
    assert curve.calls < 15


def test_a_valley_does_not_trap_newton():
    """Between two far narrow experts the distribution function is flat; levels just beside the valley."""
    curve = Counted(
        lambda x: 0.5 * ndtr((x + 50) / 1e-3) + 0.5 * ndtr((x - 60) / 1e-3),
        lambda x: (
            (np.exp(-(((x + 50) / 1e-3) ** 2) / 2) + np.exp(-(((x - 60) / 1e-3) ** 2) / 2)) * 0.5e3 / np.sqrt(2 * np.pi)
        ),
    )
    level = np.array([0.1, 0.4999, 0.5 - 1e-12, 0.5 + 1e-12, 0.5001, 0.9])
    root = increasing_root(curve, level, np.full(6, -50.1), np.full(6, 60.1))
    assert_allclose(curve.function(root), level, rtol=0, atol=1e-11)
    assert curve.calls < 150


@pytest.mark.parametrize("jump", [-3.25, 0.0, 0.1, 7.0])
def test_the_smallest_point_that_reaches_a_level_over_a_jump(jump):
    curve = Counted(lambda x: (x >= jump).astype(float), np.zeros_like)
    root = increasing_root(curve, np.array([0.3, 1.0]), np.full(2, -10.0), np.full(2, 10.0))
    assert_allclose(root, jump, rtol=1e-14, atol=1e-30)
    assert (root >= jump).all()


def test_the_left_end_of_a_level_part():
    """f = 1 on [2, 5]: the smallest x with f(x) >= 1 is 2."""
    curve = Counted(
        lambda x: np.where(x < 2, x - 1, np.where(x > 5, x - 4, 1.0)), lambda x: ((x < 2) | (x > 5)).astype(float)
    )
    assert_allclose(increasing_root(curve, np.ones(1), np.zeros(1), np.full(1, 9.0)), 2, rtol=1e-12)


def test_rows_are_solved_for_themselves():
    """Each row has its own function; a bracket without width is the answer, and is not evaluated."""
    offset = np.array([0.0, 100.0, -1e6, 3.0])
    low, high = offset - 5, offset + 7
    low[3] = high[3] = 42.0
    seen = []

    def curve(x, rows):
        seen.extend(rows)
        return (x - offset[rows]) ** 3, 3 * (x - offset[rows]) ** 2

    root = increasing_root(curve, np.full(4, 8.0), low, high)
    assert_allclose(root, [2, 102, 2 - 1e6, 42], rtol=1e-14)
    assert set(seen) == {0, 1, 2}


def test_arguments_are_left_alone():
    low, high, level = np.zeros(3), np.ones(3), np.full(3, 0.5)
    increasing_root(Counted(cubic, lambda x: 3 * x**2), level, low, high)
    assert_array_equal([low, high, level], [[0] * 3, [1] * 3, [0.5] * 3])
    assert increasing_root(Counted(cubic, cubic), np.zeros(0), np.zeros(0), np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("scale", [1e-300, 1e-10, 1e10, 1e300])
def test_any_scale(scale):
    curve = Counted(lambda x: ndtr(x / scale), lambda x: np.exp(-((x / scale) ** 2) / 2) / np.sqrt(2 * np.pi) / scale)
    root = increasing_root(curve, np.array([0.2, 0.9]), np.full(2, -8 * scale), np.full(2, 8 * scale))
    assert_allclose(root / scale, ndtri([0.2, 0.9]), rtol=1e-12)
