"""Levels of categories: which are known, and what is said where none is."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmoe.exceptions import LevelsWarning
from skmoe.neural.levels import codes_of, learned_levels
from skmoe.neural.raw_columns import Category

EVERY = np.ones(40, dtype=bool)


def column(*values):
    """A column of values, None for a gap, as it is read."""
    levels = tuple(dict.fromkeys(value for value in values if value is not None))
    return Category(levels, np.array([-1 if value is None else levels.index(value) for value in values]))


def codes(known, *values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return codes_of(column(*values), known, "'a'").tolist()


def test_codes_are_counted_from_one_and_the_rest_is_a_gap():
    assert codes(("b", "c"), "c", None, "b", "x", "c") == [2, 0, 1, 0, 2]
    assert codes((), "c", None) == [0, 0]


def test_numbers_are_the_same_whatever_their_type():
    assert codes((0, 1), True, False, 1.0, np.float64(0.0)) == [2, 1, 2, 1]


@pytest.mark.parametrize("known", [(0.1, 0.25, 0.3), tuple(float(np.float32(x)) for x in (0.1, 0.25, 0.3))])
def test_fractions_are_the_same_in_single_precision(known):
    for dtype in (np.float32, np.float64):
        assert codes(known, *np.array([0.3, 0.1, 0.25], dtype).tolist()) == [3, 1, 2]


def test_other_numbers_are_other_levels():
    """Whole numbers that single precision cannot tell apart, and fractions that are near."""
    assert codes((2.0**24, 0.1), 2.0**24 + 1, 0.1 + 1e-10, 0.1) == [0, 0, 2]


@pytest.mark.parametrize(
    ("known", "values", "message"),
    [
        (
            ("10", "11"),
            (10, None, 11),
            r"Column 'a' of X holds numbers, such as 10, and held text in the fit, such as '10'",
        ),
        (
            (10, 11),
            ("10", "11"),
            r"Column 'a' of X holds text, such as '10', and held numbers in the fit, such as 10\.",
        ),
        ((False, True), ("True",), r"holds text, such as 'True', and held numbers in the fit, such as False"),
    ],
)
def test_levels_of_another_kind_are_refused(known, values, message):
    with pytest.raises(ValueError, match=message):
        codes(known, *values)


def test_some_levels_of_another_kind_are_gaps():
    assert codes(("10", 11), 10, "x", 11) == [0, 0, 2]


def test_levels_that_do_not_occur_are_no_matter():
    """Those of a dataframe's type, of which there may be more than rows have."""
    assert_array_equal(codes_of(Category(("x", 3), np.array([1, 1])), (3,), "'a'"), [1, 1])


def test_many_rows_without_a_known_level_are_told():
    with pytest.warns(
        LevelsWarning, match=r"none of the levels of column 'a' in 20 rows, such as 'de' \(it has seen 'DE'\)"
    ):
        found = codes_of(column(*["de", "at"] * 10, None), ("DE",), "'a'")
    assert not found.any()
    assert codes(("DE",), *["de"] * 19) == [0] * 19
    assert codes(("DE",), *["de"] * 30, "DE")[-1] == 1
    assert codes(("DE",), *[None] * 30) == [0] * 30


def test_about_as_many_levels_as_rows_are_told():
    values = [f"{i}" for i in range(21)] + ["0"] * 19
    with pytest.warns(
        LevelsWarning, match=r"Column 'a' .* has 21 levels, such as .*, in 40 rows: nothing can be learned"
    ):
        learned_levels(column(*values), EVERY, "'a'")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learned_levels(column(*values[:20], *["0"] * 20), EVERY, "'a'")
        learned_levels(column(*values), np.arange(40) < 19, "'a'")  # too few rows to tell


def test_levels_are_in_the_order_of_their_codes():
    assert learned_levels(column(3.5, None, True, 2), EVERY[:4], "'a'") == (True, 2, 3.5)
    assert learned_levels(column("b", 3, "a", 20), EVERY[:4], "'a'") == (20, 3, "a", "b")
    assert learned_levels(column("b", 3, "a", 20), np.array([True, False, True, False]), "'a'") == ("a", "b")
