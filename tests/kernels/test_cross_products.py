"""Weighted cross-products against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmoe.kernels.cross_products import add, close, cross_products, room_for

RNG = np.random.default_rng(0)


def by_definition(design: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.einsum("gi,ji,ki->gjk", weights, design, design)


@pytest.mark.parametrize("n_columns", [1, 2, 5, 21, 64, 65])
@pytest.mark.parametrize("n_weights", [1, 5, 6, 17])
@pytest.mark.parametrize("met", [1.0, 0.9, 0.3, 0.0])
def test_sums_of_weighted_products(n_columns, n_weights, met):
    design = RNG.standard_normal((n_columns, 403))
    weights = RNG.uniform(size=(n_weights, 403)) * (RNG.uniform(size=(n_weights, 403)) < met)
    out = np.ones((n_weights, n_columns, n_columns))
    cross_products(design, weights, out)
    assert_allclose(out, 1 + by_definition(design, weights), rtol=0, atol=1e-11)


def test_under_many_weights_they_are_exactly_symmetric():
    out = np.zeros((9, 7, 7))
    cross_products(RNG.standard_normal((7, 100)), RNG.uniform(size=(9, 100)), out)
    assert_array_equal(out, out.swapaxes(1, 2))


def test_tiles_that_are_met_by_many_and_by_few_weights_add_up():
    designs, weights = RNG.standard_normal((3, 4, 50)), RNG.uniform(size=(3, 8, 50))
    weights[1, 1:] = 0  # one at a time, the others all together
    out = np.zeros((8, 4, 4))
    room = room_for(4, 8, 50)
    for design, weight in zip(designs, weights, strict=True):
        add(design, weight, room, out)
    close(room, out)
    expected = sum(by_definition(d, w) for d, w in zip(designs, weights, strict=True))
    assert_allclose(out, expected, rtol=0, atol=1e-12)


def test_what_is_not_finite_stays_with_its_weight():
    design, weights = RNG.standard_normal((3, 40)), RNG.uniform(size=(7, 40))
    weights[2, 5] = np.nan
    out = np.zeros((7, 3, 3))
    cross_products(design, weights, out)
    assert np.isnan(out[2]).all()
    assert np.isfinite(np.delete(out, 2, axis=0)).all()


def test_no_rows_and_no_weights_add_nothing():
    for n_weights, n_rows in ((0, 5), (7, 0)):
        out = np.zeros((n_weights, 2, 2))
        cross_products(np.ones((2, n_rows)), np.ones((n_weights, n_rows)), out)
        assert not out.any()
