"""BandDisplay against the predictive distribution."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose

from skmoe.inspection import BandDisplay
from skmoe.inspection.palette import COLORS


def rows(X, n):
    out = np.tile(np.median(X, axis=0), (n, 1))
    out[:, 1] = np.linspace(X[:, 1].min(), X[:, 1].max(), n)
    return out


def test_bands_are_intervals(regressor, data):
    X, y = data
    display = BandDisplay.from_estimator(regressor, X, y, feature=1, coverages=(0.5, 0.9), grid_resolution=15)
    grid = rows(X, 15)
    assert_allclose(display.coverages, [0.9, 0.5])
    for coverage, interval in zip(display.coverages, display.intervals, strict=True):
        assert_allclose(interval, regressor.predict_interval(grid, coverage), rtol=1e-9)
    assert_allclose(display.median, regressor.predict_quantile(grid, 0.5), rtol=1e-9)
    assert_allclose(display.mean, regressor.predict(grid), rtol=1e-12)
    assert_allclose(display.expert_means, regressor.predict_experts(grid), rtol=1e-12)
    assert_allclose(display.dots, np.column_stack([X[:, 1], y]))
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["0.9 interval", "0.5 interval", "median", "expert 0", "expert 1", "expert 2"]


def test_the_band_of_an_average_is_that_of_the_average(average, data):
    X, _ = data
    display = BandDisplay.from_estimator(average, X, feature=1, grid_resolution=10)
    grid = rows(X, 10)
    assert_allclose(display.mean, average.predict(grid), rtol=1e-12)
    assert_allclose(display.expert_means, average.members_[0].predict_experts(grid), rtol=1e-12)


def test_lines_of_experts_are_as_opaque_as_they_are_probable(regressor, data):
    display = BandDisplay.from_estimator(regressor, data[0], feature=1, grid_resolution=10)
    lines = [artist for artist in display.ax_.collections if isinstance(artist, LineCollection)]
    assert len(lines) == 3
    for k, line in enumerate(lines):
        colors = line.get_colors()
        between = (display.proba[1:, k] + display.proba[:-1, k]) / 2
        assert_allclose(colors[:, 3], between / display.proba.max())
        assert_allclose(colors[0, :3], to_rgb(COLORS[k]))


def test_what_is_left_out(regressor, data):
    X, y = data
    display = BandDisplay.from_estimator(regressor, X, feature=1, grid_resolution=10)
    assert display.dots.shape == (0, 2)
    assert len(display.ax_.lines) == 1
    display = BandDisplay.from_estimator(regressor, X, pd.Series(y, name="price"), feature=1, grid_resolution=10)
    assert display.ax_.get_ylabel() == "price"
    ax = display.plot(center="mean", experts=False, data=False).ax_
    assert_allclose(ax.lines[0].get_ydata(), display.mean)
    assert len(ax.collections) == 2


def test_errors_say_what_was_expected(regressor, data):
    X, y = data
    with pytest.raises(ValueError, match=r"coverages must lie between 0 and 1 \(both excluded\), got \(0.5, 1\)"):
        BandDisplay.from_estimator(regressor, X, feature=0, coverages=(0.5, 1))
    with pytest.raises(ValueError, match="X has 3 columns; name 1 column"):
        BandDisplay.from_estimator(regressor, X)
    with pytest.raises(ValueError, match="center='mode': expected one of"):
        BandDisplay.from_estimator(regressor, X, feature=0, center="mode")
    with pytest.raises(ValueError, match="X has 200 rows, but y has shape"):
        BandDisplay.from_estimator(regressor, X, y[:-1], feature=0)


@pytest.mark.parametrize("target", [None, "sum"])
def test_the_band_of_a_network(data, target):
    """Its distribution, and no experts: every member has its own."""
    pytest.importorskip("torch", reason="torch is not installed")
    from skmoe.neural import SparseMoERegressor

    X, y = data
    many = y if target is None else pd.DataFrame({"y": y, "sum": y + X.sum(1)})
    model = SparseMoERegressor(3, n_members=2, width=16, max_epochs=2, random_state=0).fit(X, many)
    display = BandDisplay.from_estimator(model, X, many, feature=1, target=target, grid_resolution=9)
    grid = rows(X, 9)
    mean, interval = model.predict(grid), model.predict_interval(grid, 0.9)
    assert_allclose(display.mean, mean if target is None else mean[:, 1], rtol=1e-6)
    assert_allclose(display.intervals[0], interval if target is None else interval[..., 1], rtol=1e-6)
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["0.9 interval", "0.5 interval", "median"]
