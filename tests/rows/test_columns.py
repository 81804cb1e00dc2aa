"""Selections of columns: every way to name them, and what is said where they are unknown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skmoe.rows.columns import Columns, selected

NAMES = ["age", "bmi", "dose", "sex"]
X = np.arange(20.0).reshape(5, 4) ** 1.5


@pytest.mark.parametrize(
    ("selection", "index"),
    [
        (None, [0, 1, 2, 3]),
        ("dose", [2]),
        (["sex", "bmi"], [1, 3]),
        (("sex", "sex"), [3]),
        (np.array(["age", "dose"]), [0, 2]),
        (pd.Index(["age", "dose"]), [0, 2]),
        ([2, 0], [0, 2]),
        ([-1, 0], [0, 3]),
        ([1, -3], [1]),
        (range(1, 3), [1, 2]),
        (np.array([3], dtype=np.uint8), [3]),
        ([True, False, False, True], [0, 3]),
        (np.zeros(4, dtype=bool), []),
        ([], []),
        ((), []),
        (np.array([]), []),
        (slice(1, 3), [1, 2]),
        (slice(None, -1), [0, 1, 2]),
        (slice(None, None, 2), [0, 2]),
        # A slice of names holds its end, as in dataframes.
        (slice("bmi", "sex"), [1, 2, 3]),
        (slice("bmi", None), [1, 2, 3]),
        (slice(None, "bmi"), [0, 1]),
        (slice("age", "sex", 2), [0, 2]),
        (lambda frame: frame.columns[frame.columns.str.contains("e")], [0, 2, 3]),
        (lambda frame: [0, -1], [0, 3]),
        (lambda frame: None, [0, 1, 2, 3]),
        (slice(None, None, -2), [1, 3]),
    ],
    ids=lambda value: "callable" if callable(value) else str(value),
)
def test_selected(selection, index):
    got = selected(selection, pd.DataFrame(X, columns=NAMES), NAMES, 4, "gate_features")
    assert_array_equal(got, index)
    assert np.issubdtype(got.dtype, np.integer)


@pytest.mark.parametrize(
    ("selection", "names", "message"),
    [
        ("weight", NAMES, r"gate_features names column 'weight', but the columns of X are \['age'"),
        (["age", "weight"], NAMES, "names column 'weight'"),
        (slice("age", "weight"), NAMES, "names column 'weight'"),
        ("age", None, "names column 'age', but X has no column names. Use positions, or a table with names"),
        ([0, 4], NAMES, "gate_features names column 4, but X has 4 columns"),
        ([-5], NAMES, "names column -5"),
        ([True, False], NAMES, r"mask of shape \(2,\), but X has 4 columns"),
        ([0.5], NAMES, r"gate_features is \[0\.5\]: expected names or positions of columns, a mask"),
        (["age", 1], NAMES, r"gate_features is \['age', 1\]: expected names alone, or positions alone"),
        ([[0, 1]], NAMES, r"gate_features is \[\[0, 1\]\]: expected names or positions"),
        (lambda X: [7], NAMES, "names column 7"),
    ],
    ids=lambda value: "callable" if callable(value) else str(value),
)
def test_unknown_columns(selection, names, message):
    with pytest.raises(ValueError, match=message):
        selected(selection, X, names, 4, "gate_features")


def test_columns_of_some_features():
    """Rows are given with all features; slopes come back among all features."""
    weight = np.arange(1.0, 6.0)
    columns = Columns.of(X, weight, np.array([1, 3]))
    share = weight / weight.sum()
    center = share @ X[:, [1, 3]]
    scale = np.sqrt(share @ (X[:, [1, 3]] - center) ** 2)
    assert_allclose(columns.units.center, center, rtol=1e-14)
    assert_allclose(columns.design(X).columns[1:], ((X[:, [1, 3]] - center) / scale).T, rtol=1e-12)
    assert_array_equal(columns.spread(np.array([[5.0, 6.0]])), [[0, 5, 0, 6]])
