"""RoutingDisplay against skmoe.routing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe import routing
from skmoe.inspection import RoutingDisplay


@pytest.mark.parametrize("with_y", [False, True])
def test_gate_and_responsibilities(with_y, regressor, data):
    X, y = data
    proba = regressor.responsibilities(X, y) if with_y else regressor.gate_proba(X)
    display = RoutingDisplay.from_estimator(regressor, X, y if with_y else None)
    usage, entropies = display.axes_
    assert display.of == ("responsibilities" if with_y else "gate")
    assert_allclose([bar.get_width() for bar in usage.patches], proba.mean(axis=0), rtol=1e-12)
    chosen = np.bincount(proba.argmax(axis=1), minlength=3) / len(X)
    assert_allclose(usage.lines[0].get_xdata(), chosen)
    assert_allclose(display.entropy, routing.row_entropy(proba))
    assert sum(bar.get_height() for bar in entropies.patches) == pytest.approx(1.0)
    assert entropies.lines[0].get_xdata()[0] == pytest.approx(routing.gate_entropy(proba))
    title = usage.get_legend().get_title().get_text()
    assert title == f"{routing.effective_experts(proba):.2f} effective experts of 3"


def test_rows_are_in_their_bins():
    """Even rows of three experts lie at log 3, the right end; rows of one expert at zero."""
    display = RoutingDisplay.from_proba(np.array([[1.0, 0, 0], [0, 1.0, 0], [1 / 3] * 3]))
    heights = [bar.get_height() for bar in display.axes_[1].patches]
    assert_allclose([heights[0], heights[-1]], [2 / 3, 1 / 3])


def test_weights_count_rows():
    proba, count = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([3, 1])
    weighted = RoutingDisplay.from_proba(proba, sample_weight=count)
    repeated = RoutingDisplay.from_proba(np.repeat(proba, count, axis=0))
    assert_allclose(weighted.report.usage, repeated.report.usage)
    for ours, theirs in zip(weighted.axes_, repeated.axes_, strict=True):
        assert_allclose(
            [p.get_height() * p.get_width() for p in ours.patches],
            [p.get_height() * p.get_width() for p in theirs.patches],
        )


def test_a_pair_of_axes_or_one_of_any_shape(two_axes):
    import matplotlib.pyplot as plt

    proba = np.array([[0.9, 0.1], [0.5, 0.5]])
    assert RoutingDisplay.from_proba(proba, ax=two_axes).axes_ == tuple(two_axes)
    for size, side_by_side in (((8, 3), True), ((3.5, 5), False)):
        first, second = RoutingDisplay.from_proba(proba, ax=plt.subplots(figsize=size)[1]).axes_
        first, second = (ax.get_window_extent() for ax in (first, second))
        assert bool(first.x1 < second.x0) is side_by_side
        assert bool(first.y0 > second.y1) is not side_by_side
    with pytest.raises(ValueError, match="ax must be None, one Axes, or a pair"):
        RoutingDisplay.from_proba(proba, ax=[1, 2, 3])


def test_what_is_no_probability_is_refused():
    for proba in ([0.5, 0.5], [[0.5, 0.6]], [[1.5, -0.5]], np.empty((0, 2))):
        with pytest.raises(ValueError, match="proba must hold probabilities"):
            RoutingDisplay.from_proba(proba)


def test_a_single_expert():
    assert RoutingDisplay.from_proba(np.ones((4, 1))).report.effective_experts == 1.0
