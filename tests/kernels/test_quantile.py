"""Quantiles of normal mixtures against their definition and against `skmoe.quantiles.increasing_root`."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from skmoe import kernels
from skmoe.quantiles import increasing_root

LEVELS = [1e-300, 1e-12, 0.01, 0.3, 0.5, 0.9, 1 - 1e-6]


def quantile(weight, mean, scale, level):
    level = np.asarray(level, dtype=float)
    out = np.empty(level.shape)
    kernels.quantile.gaussian_quantile(weight, mean, scale, level, ndtri(level), out)
    return out


def mixtures(n_experts, apart, n_rows=300, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.dirichlet(np.full(n_experts, 0.3), n_rows).T.copy()
    return weight, apart * rng.standard_normal((n_experts, n_rows)), 10 ** rng.uniform(-2, 1, (n_experts, n_rows))


@pytest.mark.parametrize("apart", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("n_experts", [1, 2, 7])
@pytest.mark.parametrize("level", LEVELS)
def test_quantiles_are_those_of_the_root_finder(level, n_experts, apart):
    weight, mean, scale = mixtures(n_experts, apart)
    levels = np.full(weight.shape[1], level)

    def curve(x, rows):
        z = (x - mean[:, rows]) / scale[:, rows]
        value = (weight[:, rows] * ndtr(z)).sum(axis=0)
        return value, (weight[:, rows] * norm.pdf(z) / scale[:, rows]).sum(axis=0)

    ends = np.where(weight > 0, mean + scale * ndtri(level), np.nan)
    expected = increasing_root(curve, levels, np.nanmin(ends, axis=0), np.nanmax(ends, axis=0))
    got = quantile(weight, mean, scale, levels)
    # Where the curve is flat, what it is right to says more than where.
    value, slope = curve(expected, np.arange(len(expected)))
    room = 1e-12 * scale.min(axis=0) + 1e-13 * np.abs(expected) + 4e-15 * np.abs(value) / np.maximum(slope, 1e-300)
    assert (np.abs(got - expected) <= room).all()


def test_a_plateau_at_the_level():
    """Two experts so far apart that half of the probability lies below every point between them."""
    got = quantile(np.full((2, 1), 0.5), np.array([[0.0], [1000.0]]), np.ones((2, 1)), [0.5])
    assert 8 < got[0] < 40  # from where one half less the tail is one half, to where the density is zero


def test_levels_without_a_quantile():
    weight, mean, scale = (values[:, :5].copy() for values in mixtures(3, 1.0))
    got = quantile(weight, mean, scale, [0.0, 1.0, np.nan, -0.1, 1.1])
    assert_array_equal(got, [-np.inf, np.inf, np.nan, np.nan, np.nan])


def test_experts_of_weight_zero_take_no_part():
    weight, mean, scale = mixtures(3, 1.0)
    levels = np.full(weight.shape[1], 0.2)
    more = [
        np.concatenate([given, np.full((1, len(levels)), value)])
        for given, value in zip((weight, mean, scale), (0.0, -np.inf, 1e-9), strict=True)
    ]
    assert_allclose(quantile(*more, levels), quantile(weight, mean, scale, levels), rtol=0, atol=1e-12)
    weight[:2], weight[2] = 0.0, 1.0
    assert_allclose(quantile(weight, mean, scale, levels), mean[2] + scale[2] * ndtri(0.2), rtol=1e-13)


def test_no_rows():
    none = np.empty((3, 0))
    assert quantile(none, none, none, np.empty(0)).shape == (0,)
