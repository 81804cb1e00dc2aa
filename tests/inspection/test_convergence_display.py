"""ConvergenceDisplay against the histories of the starts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe.inspection import ConvergenceDisplay
from skmoe.inspection.palette import COLORS, GREY


def test_the_gap_to_the_best_start(regressor):
    display = ConvergenceDisplay.from_estimator(regressor)
    histories = regressor.start_histories_
    assert display.best == regressor.start_objectives_.argmax()
    top = regressor.objective_ + histories[display.best][-1]["decrement"]
    assert display.top == pytest.approx(top, rel=1e-12)
    lines = [line for line in display.ax_.lines if len(line.get_xdata()) > 1]
    assert [line.get_color() for line in lines] == [GREY, COLORS[0]]  # the best is drawn last
    for line, i in zip(lines, (1 - display.best, display.best), strict=True):
        gap = [max(top - step["objective"], regressor.tol) for step in histories[i]]
        assert_allclose(line.get_xydata(), np.column_stack([[step["pass"] for step in histories[i]], gap]))
    assert display.ax_.get_yscale() == "log"


def test_the_objective_itself(regressor):
    display = ConvergenceDisplay.from_estimator(regressor, scale="objective")
    assert display.ax_.get_yscale() == "linear"
    assert display.ax_.lines[-1].get_ydata()[-1] == pytest.approx(regressor.objective_, rel=1e-12)


def test_all_fits_of_an_average(average):
    display = ConvergenceDisplay.from_estimator(average)
    assert len(display.passes) == 3
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["best of 3 starts", "other starts"]


def test_one_start(classifier):
    display = ConvergenceDisplay.from_estimator(classifier)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["the only start"]


def test_an_unknown_scale_is_refused(regressor):
    with pytest.raises(ValueError, match="scale='log': expected one of"):
        ConvergenceDisplay.from_estimator(regressor, scale="log")
