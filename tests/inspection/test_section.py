"""Sections: which rows a grid is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from skmoe.inspection.section import axis_label, section

table = {"age": [30.0, 20.0, 50.0, 90.0], "code": [1, 2, 4, 7], "city": ["b", "a", "a", "c"], "x": [0.0, 1.0, 2.0, 3.0]}


def of(X, features, **options):
    return section(None, X, features, **{"most": 2, "resolution": 3, "percentiles": (0.0, 1.0), **options})


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_other_columns_of_a_frame_are_held(frame):
    found = of(frame(table), "x")
    assert isinstance(found.rows, frame)
    assert list(found.rows.columns) == list(table)
    assert found.held == {"age": 40.0, "code": 2, "city": "a"}  # the lower median of integers is one of them
    assert found.rows["code"].to_numpy().dtype == np.int64
    assert_array_equal(found.rows["x"].to_numpy(), [0.0, 1.5, 3.0])
    assert set(found.rows["city"]) == {"a"}
    assert axis_label("x", found.held) == "x\n(3 other columns held at the median or most frequent value)"


def test_categories_stay_categories():
    frame = pd.DataFrame(table, index=[9, 8, 7, 6]).astype({"city": "category"})
    rows = of(frame, "x").rows
    assert rows["city"].dtype == frame["city"].dtype
    assert rows["city"].tolist() == ["a"] * 3


def test_the_last_column_varies_fastest():
    X = np.array([[0.0, 5.0, 10.0], [2.0, 7.0, 30.0]])
    found = of(X, [2, 0])
    assert found.names == ("x2", "x0")
    assert_array_equal(found.rows[:4], [[0, 6, 10], [1, 6, 10], [2, 6, 10], [0, 6, 20]])
    assert_array_equal(found.dots, [[10, 0], [30, 2]])
    assert found.held == {"x1": 6.0}


def test_gaps_do_not_count():
    found = of(np.array([[0.0, 1.0], [np.nan, np.nan], [4.0, 3.0]]), 0)
    assert_array_equal(found.grid[0], [0, 2, 4])
    assert found.held == {"x1": 2.0}


def test_percentiles_leave_out_tails():
    X = np.arange(101.0)[:, None]
    assert_array_equal(of(X, None, percentiles=(0.1, 0.9)).grid[0], [10, 50, 90])


def test_at_most_a_thousand_dots():
    assert_array_equal(of(np.arange(2500.0)[:, None], None).dots.ravel(), np.arange(0, 2500, 3))


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (
            "height",
            {},
            r"no column 'height': expected an index below 4, or a name among \['age', 'code'",
        ),
        (4, {}, "no column 4"),
        (True, {}, "no column True"),
        ([0, 1, 3], {}, r"Expected 1 to 2 columns to draw along, all different, got \[0, 1, 3\]"),
        (["x", 3], {}, "all different"),
        ([], {}, "Expected 1 to 2 columns"),
        (None, {}, "X has 4 columns; name 1 to 2 columns"),
        ([0, 1], {"most": 1}, "Expected 1 column"),
        ("city", {}, "Column 'city' holds .* no numbers"),
        ("x", {"percentiles": (0.5, 0.1)}, "percentiles must be two rising fractions"),
        ("x", {"percentiles": 0.5}, "percentiles must be two rising fractions"),
        ("x", {"resolution": 1}, "grid_resolution must be an int of at least 2, got 1"),
    ],
)
def test_errors_say_what_was_expected(features, options, message):
    with pytest.raises(ValueError, match=message):
        of(pd.DataFrame(table), features, **options)


def test_a_column_of_one_value_and_a_vector_are_refused():
    with pytest.raises(ValueError, match="Column 'x0' has one value, 2"):
        of(np.full((3, 1), 2.0), None)
    with pytest.raises(ValueError, match=r"X must be a table .* got shape \(3,\)"):
        of(np.ones(3), None)
