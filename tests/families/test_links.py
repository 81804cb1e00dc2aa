"""Links: two derivatives, an inverse, and the bounds they keep."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe.families.links import Bounded, Identity, LogFloor

LINKS = {
    "identity": Identity(),
    **{f"floor {floor}": LogFloor(floor) for floor in (0.0, 1e-3, 0.5)},
    **{f"between {low} and {high}": Bounded(low, high) for low, high in ((1e-6, 4.0), (-2.0, -1.0))},
}
every_link = pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)


@every_link
def test_derivatives(link):
    v, h = np.linspace(-9, 6, 61), 1e-4
    up, at, down = link(v + h), link(v), link(v - h)
    assert_allclose(at.first, (up.value - down.value) / (2 * h), rtol=1e-6, atol=1e-9)
    assert_allclose(at.second, (up.first - down.first) / (2 * h), rtol=1e-6, atol=1e-9)


@every_link
def test_inverse(link):
    """From v and back, as far as the bound is not within rounding or the margin."""
    v = np.linspace(-4, 4, 33)
    value = link(v).value
    if isinstance(link, LogFloor) and link.floor > 0:
        value = value[v > np.log(link.floor) - 4]
    assert_allclose(link(link.inverse(value)).value, value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("floor", [1e-3, 0.5])
def test_scale_stays_between_floor_and_ceiling(floor):
    v = np.array([-1e4, -50.0, -5.0, 0.0, 5.0, 50.0, 300.0])
    value, first, _ = LogFloor(floor, ceiling=20.0)(v)
    below = np.exp(v) / np.hypot(1, np.exp(v) / 20.0)
    assert_allclose(np.exp(value), np.hypot(floor, below), rtol=1e-12)
    assert (np.exp(value) >= floor * (1 - 1e-15)).all()
    assert np.exp(value[-1]) == pytest.approx(np.hypot(floor, 20.0), rel=1e-12)
    assert first[-1] < 1e-12


@pytest.mark.parametrize("below", [-np.inf, -1e4, np.log(1e-4), np.log(1e-3)])
def test_a_scale_below_the_floor_is_placed_just_above_it(below):
    """Exactly at the floor the coordinate would be minus infinity, from where nothing moves."""
    link = LogFloor(1e-3)
    v = link.inverse(np.array([below]))
    assert np.isfinite(v).all()
    assert_allclose(np.exp(link(v).value), 1e-3, rtol=1e-4)
    assert (link(v).first > 0).all()


@pytest.mark.parametrize(("low", "high"), [(1e-6, 4.0), (-2.0, -1.0)])
def test_bounds(low, high):
    link = Bounded(low, high)
    v = np.array([-1e4, -700.0, -3.0, 0.0, 3.0, 700.0, 1e4])
    value, first, _ = link(v)
    assert ((value >= low) & (value <= high)).all()
    assert value[3] == pytest.approx((low + high) / 2)
    assert (first >= 0).all()
    placed = link.inverse(np.array([low - 1, low, high, high + 1]))
    assert np.isfinite(placed).all()
    assert_allclose(link(placed).value, [low, low, high, high], atol=1.01e-4 * (high - low))
