"""GateDisplay against gate_proba."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from numpy.testing import assert_allclose
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmoe import MoERegressor
from skmoe.inspection import GateDisplay
from skmoe.inspection.palette import COLORS


def test_curves(regressor, data):
    X = data[0]
    display = GateDisplay.from_estimator(regressor, X, features=0, grid_resolution=30)
    rows = np.tile(np.median(X, axis=0), (30, 1))
    rows[:, 0] = np.linspace(X[:, 0].min(), X[:, 0].max(), 30)
    assert_allclose(display.proba, regressor.gate_proba(rows), rtol=1e-12)
    curves = display.ax_.lines[:3]
    assert [line.get_color() for line in curves] == list(COLORS[:3])
    for k, line in enumerate(curves):
        assert_allclose(line.get_xydata(), np.column_stack([rows[:, 0], display.proba[:, k]]))
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == ["expert 0", "expert 1", "expert 2"]
    assert display.ax_.get_xlabel() == "x0\n(2 other columns held at the median)"
    assert len(display.plot(data=False).ax_.lines) == 3


def test_regions(regressor, data):
    X = data[0]
    display = GateDisplay.from_estimator(regressor, X, features=[1, 0], grid_resolution=25)
    i, j = 3, 20
    row = np.median(X, axis=0)
    row[1], row[0] = display.grid[0][i], display.grid[1][j]
    expected = regressor.gate_proba(row[None])[0]
    assert_allclose(display.proba[i, j], expected, rtol=1e-12)
    cells = display.ax_.collections[0].get_array()  # rows of the picture go up the second column
    best = expected.argmax()
    strength = 0.6 * expected.max()
    assert_allclose(cells[j, i], strength * np.array(to_rgb(COLORS[best])) + 1 - strength)
    numbers = {text.get_text() for text in display.ax_.texts}
    assert numbers <= {str(k) for k in np.unique(display.proba.argmax(axis=2))}
    assert numbers


def test_numbers_stand_in_their_regions(regressor, data):
    display = GateDisplay.from_estimator(regressor, data[0], features=[0, 1], grid_resolution=40)
    for text in display.ax_.texts:
        i, j = (np.abs(axis - at).argmin() for axis, at in zip(display.grid, text.get_position(), strict=True))
        assert display.proba[i, j].argmax() == int(text.get_text())


def test_dots_outside_the_grid_are_not_drawn(regressor, data):
    X = data[0]
    display = GateDisplay.from_estimator(regressor, X, features=[0, 1], grid_resolution=5, percentiles=(0.1, 0.9))
    low, high = np.quantile(X[:, :2], [0.1, 0.9], axis=0)
    expected = X[((X[:, :2] >= low) & (X[:, :2] <= high)).all(axis=1), :2]
    assert_allclose(display.ax_.lines[0].get_xydata(), expected)


def test_axes_of_a_pipeline_are_in_the_units_of_its_columns():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"city": rng.choice(["a", "b"], 150, p=[0.7, 0.3]), "age": rng.normal(40, 10, 150)})
    y = np.abs(frame["age"] - 40) + (frame["city"] == "a")
    columns = make_column_transformer((OneHotEncoder(sparse_output=False), ["city"]), (StandardScaler(), ["age"]))
    pipeline = make_pipeline(columns, MoERegressor(2, n_init=1, random_state=0)).fit(frame, y)
    display = GateDisplay.from_estimator(pipeline, frame, features="age", grid_resolution=10)
    assert display.held == {"city": "a"}
    assert_allclose(display.grid[0][[0, -1]], [frame["age"].min(), frame["age"].max()])
    rows = pd.DataFrame({"city": ["a"] * 10, "age": display.grid[0]})
    assert_allclose(display.proba, pipeline[-1].gate_proba(pipeline[:-1].transform(rows)), rtol=1e-12)


def test_a_single_expert_has_one_region_and_no_border(data):
    X, y = data
    model = MoERegressor(1).fit(X, y)
    display = GateDisplay.from_estimator(model, X, features=[0, 1], grid_resolution=10)
    assert len(display.ax_.collections) == 1
    assert [text.get_text() for text in display.ax_.texts] == ["0"]


def borders(display):
    """Width and points of the borders of gates."""
    lines = [line for line in display.ax_.collections[1:] if line.get_linewidth()[0] != 0.8]
    return [(line.get_linewidth()[0], np.concatenate([p.vertices for p in line.get_paths()])) for line in lines]


def test_borders_of_the_gates_of_a_tree():
    """The root's runs where its log-odds are even, the others too, on their side of the root's, and are thinner."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (800, 2))
    left, right = np.where(X[:, 1] < 1, X[:, 0], 5 - X[:, 1]), np.where(X[:, 1] < -1, 2 * X[:, 1] - 4, 3 * X[:, 0])
    y = np.where(X[:, 0] < 0, left, right) + 0.2 * rng.standard_normal(800)
    model = MoERegressor((2, 2), random_state=0).fit(X, y)
    display = GateDisplay.from_estimator(model, X, grid_resolution=60, nodes=True)
    cell = max(np.diff(axis[:2])[0] for axis in display.grid)
    logits = {branch.path: i for i, branch in enumerate(model.tree_.branches)}

    def distance(path, points):
        """From the hyperplane of a node, towards its first branch."""
        one, other = logits[(*path, 0)], logits[(*path, 1)]
        slope = model.gate_coef_[one] - model.gate_coef_[other]
        intercept = model.gate_intercept_[one] - model.gate_intercept_[other]
        return (points @ slope + intercept) / np.linalg.norm(slope)

    drawn = borders(display)
    assert [width for width, _ in drawn] == pytest.approx([3.5, 3.5, 2.1, 2.1, 2.1, 2.1])  # each from both its sides
    for (_, points), path in zip(drawn, [(), (), (0,), (0,), (1,), (1,)], strict=True):
        assert np.abs(distance(path, points)).max() < cell
        assert np.ptp(points, axis=0).max() > 2
        if path:
            side = 1 if path == (0,) else -1
            assert (side * distance((), points) > -2 * cell).all()
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[4:] == ["gate of the root", "gates at depth 1"]
    assert borders(display.plot()) == []


def test_borders_of_a_flat_mixture_and_of_an_average(regressor, average, data):
    display = GateDisplay.from_estimator(regressor, data[0], features=[0, 1], grid_resolution=40, nodes=True)
    assert {width for width, _ in borders(display)} == {3.5}
    by_hand = GateDisplay(**{k: v for k, v in vars(display).items() if not k.endswith("_") and k != "tree"})
    assert len(borders(by_hand.plot(nodes=True))) == len(borders(display))
    display = GateDisplay.from_estimator(average, data[0], features=[0, 1], grid_resolution=40, member=None, nodes=True)
    assert {round(width, 6) for width, _ in borders(display)} == {2.1}  # the root ignores x and has no border


def test_an_unfitted_estimator_says_so_before_all_else():
    with pytest.raises(NotFittedError):
        GateDisplay.from_estimator(MoERegressor(), np.zeros((5, 3)))
