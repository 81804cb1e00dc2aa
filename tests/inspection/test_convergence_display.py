"""ConvergenceDisplay against the histories of the starts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skmoe.inspection import ConvergenceDisplay
from skmoe.inspection.palette import COLORS, GREY


def test_the_gap_to_the_best(regressor):
    display = ConvergenceDisplay.from_estimator(regressor)
    histories = [*regressor.start_histories_, *regressor.move_histories_]
    ends = [history[-1]["objective"] for history in histories]
    assert display.best == np.argmax(ends)
    assert display.n_moves == len(regressor.move_histories_) > 0
    top = regressor.objective_ + histories[display.best][-1]["decrement"]
    assert display.top == pytest.approx(top, rel=1e-12)
    lines = [line for line in display.ax_.lines if len(line.get_xdata()) > 1]
    assert [line.get_color() for line in lines] == [*[GREY] * (len(histories) - 1), COLORS[0]]  # the best is drawn last
    order = [i for i in range(len(histories)) if i != display.best] + [display.best]
    for line, i in zip(lines, order, strict=True):
        gap = [max(top - step["objective"], regressor.tol) for step in histories[i]]
        assert_allclose(line.get_xydata(), np.column_stack([[step["pass"] for step in histories[i]], gap]))
    assert display.ax_.get_yscale() == "log"
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == [f"best of 2 starts and {display.n_moves} moves", "the others"]


def test_the_objective_itself(regressor):
    display = ConvergenceDisplay.from_estimator(regressor, scale="objective")
    assert display.ax_.get_yscale() == "linear"
    assert display.ax_.lines[-1].get_ydata()[-1] == pytest.approx(regressor.objective_, rel=1e-12)


def test_all_fits_of_an_average(average):
    display = ConvergenceDisplay.from_estimator(average)
    assert len(display.passes) == 3
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["best of 3 starts", "the others"]


def test_one_start(classifier):
    display = ConvergenceDisplay.from_estimator(classifier)
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["the only start"]


def test_an_unknown_scale_is_refused(regressor):
    with pytest.raises(ValueError, match="scale='log': expected one of"):
        ConvergenceDisplay.from_estimator(regressor, scale="log")
