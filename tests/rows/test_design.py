"""Designs against plain numpy, and standardising against exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmoe.rows.columns import Columns
from skmoe.rows.design import Standardizer


def design_of(X, units):
    return Columns(np.arange(X.shape[1]), X.shape[1], units).design(X)


def exact_moments(x, weight):
    """Weighted mean and standard deviation without any rounding but the last."""
    x, w = [Fraction(v) for v in x.tolist()], [Fraction(v) for v in weight.tolist()]
    mean = sum(a * b for a, b in zip(w, x, strict=True)) / sum(w)
    variance = sum(a * (b - mean) ** 2 for a, b in zip(w, x, strict=True)) / sum(w)
    mpmath.mp.dps = 50
    root = mpmath.sqrt(mpmath.mpf(variance.numerator) / variance.denominator)
    return float(mean), float(root)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("scale", [1.0, 1e-10, 1e10, 1e-150, 1e150, 1e299])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e8])
def test_moments_are_right_at_any_offset_and_scale(rng, offset, scale):
    """Offsets in units of the scale: a column of 1e8 with sd 1 keeps its digits."""
    x = (rng.standard_normal(40) + offset) * scale
    weight = rng.exponential(size=40)
    units = Standardizer.of(x[:, None], weight)
    mean, sd = exact_moments(x, weight)
    assert units.center[0] == pytest.approx(mean, rel=1e-14, abs=1e-14 * sd)
    assert units.scale[0] == pytest.approx(sd, rel=1e-13)


def test_an_outlier_of_hardly_any_weight(rng):
    """The mean is far from the middle of the range: squares of residuals keep their digits, squares do not."""
    x, weight = np.append(1e-4 * rng.standard_normal(40), 1.0), np.append(np.ones(40), 1e-12)
    mean, sd = exact_moments(x, weight)
    units = Standardizer.of(x[:, None], weight)
    assert units.center[0] == pytest.approx(mean, rel=1e-11)
    assert units.scale[0] == pytest.approx(sd, rel=1e-11)


@pytest.mark.parametrize("scale", [1.0, 1e-10, 1e10, 1e-150, 1e150])
@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_standardised_columns_do_not_know_their_units(rng, offset, scale):
    X, weight = rng.integers(-9, 9, size=(30, 2)).astype(float), rng.exponential(size=30)
    expected = Standardizer.of(X, weight).apply(X)
    moved = (X + offset) * scale
    assert_allclose(Standardizer.of(moved, weight).apply(moved), expected, rtol=0, atol=3e-8 if offset else 1e-13)
    assert_allclose(weight @ expected, 0, atol=1e-13)
    assert_allclose(weight @ expected**2, weight.sum(), rtol=1e-13)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, -1e150, 1e8 + 1 / 3, 1e-300])
def test_constant_columns_are_zero(value):
    X = np.column_stack([np.full(7, value), np.arange(7.0)])
    units = Standardizer.of(X, np.linspace(0.1, 1, 7))
    assert units.center[0] == value
    assert units.scale[0] == np.inf
    assert_array_equal(design_of(X, units).columns[:2], [np.ones(7), np.zeros(7)])


def test_rounding_noise_is_no_variation():
    x = 0.1 * 3 + np.zeros(5)
    x[1] = 0.3
    assert x.max() > x.min()
    assert Standardizer.of(x[:, None], np.ones(5)).scale[0] == np.inf


def test_a_column_that_varies_only_where_the_weight_is_zero():
    units = Standardizer.of(np.array([[1.0], [1.0], [2.0]]), np.array([1.0, 2.0, 0.0]))
    assert units.scale[0] == np.inf
    assert_array_equal(units.apply(np.array([[5.0]])), 0)


def test_weights_count_rows(rng):
    X, count = rng.standard_normal((12, 3)), rng.integers(1, 4, size=12)
    once, repeated = (
        Standardizer.of(X, count.astype(float)),
        Standardizer.of(np.repeat(X, count, 0), np.ones(sum(count))),
    )
    assert_allclose(once.center, repeated.center, rtol=0, atol=1e-15)
    assert_allclose(once.scale, repeated.scale, rtol=1e-14)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_original_and_standardized_are_inverse(rng, shape):
    X = rng.standard_normal((20, 3)) * [1e-6, 1, 1e6] + [1, 0, -1e7]
    X[:, 1] = 4.0
    units = Standardizer.of(X, np.ones(20))
    coef = rng.standard_normal((*shape, 4))
    coef[..., 2] = 0  # the column that does not vary
    slopes, intercept = units.original(coef)
    assert slopes.shape == (*shape, 3)
    assert intercept.shape == shape
    assert_allclose(slopes @ X.T + intercept[..., None], design_of(X, units).predict(coef), rtol=0, atol=1e-8)
    assert_allclose(units.standardized(slopes, intercept), coef, rtol=1e-9, atol=1e-12)


def test_a_slope_on_a_column_that_does_not_vary_moves_to_the_intercept():
    units = Standardizer.of(np.array([[4.0, 0.0], [4.0, 2.0]]), np.ones(2))
    assert_array_equal(units.standardized(np.array([10.0, 3.0]), np.array(1.0)), [1 + 40 + 3, 0, 3])


@pytest.mark.parametrize("lead", [(), (2,), (2, 3), (0,)], ids=str)
def test_design_is_plain_algebra(rng, lead):
    X = rng.standard_normal((9, 2)) * 3 + 1
    units = Standardizer.of(X, rng.exponential(size=9))
    design = design_of(X, units)
    Z = np.column_stack([np.ones(9), (X - units.center) / units.scale])
    coef, values = rng.standard_normal((*lead, 3)), rng.standard_normal((*lead, 9))
    assert (design.n_coef, design.n_rows) == (3, 9)
    assert_allclose(design.columns, Z.T, rtol=1e-15)
    assert_allclose(design.predict(coef), np.einsum("ij,...j->...i", Z, coef), rtol=0, atol=1e-13)
    assert_allclose(design.score(values), np.einsum("ij,...i->...j", Z, values), rtol=0, atol=1e-13)
    assert_allclose(design.gram(values), np.einsum("...i,ij,ik->...jk", values, Z, Z), rtol=0, atol=1e-12)


def test_a_design_without_columns_is_an_intercept():
    X = np.zeros((4, 0))
    design = design_of(X, Standardizer.of(X, np.ones(4)))
    assert_array_equal(design.columns, np.ones((1, 4)))
    assert_array_equal(design.gram(np.arange(4.0)), [[6.0]])
