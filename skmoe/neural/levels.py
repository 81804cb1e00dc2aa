"""Levels of categories: their order, their codes, and what is said where they tell nothing; without torch."""

from __future__ import annotations

import warnings
from numbers import Real
from typing import Any

import numpy as np

from ..exceptions import LevelsWarning
from .raw_columns import Category

#: Rows from which on something is said of all of them together.
_SOME_ROWS = 20


def learned_levels(column: Category, counts: np.ndarray, name: str) -> tuple:
    """Levels of the rows that count, in the order of their codes: numbers by size, all else by their text.

    Warns where there is hardly a row more than levels.
    """
    seen = np.zeros(len(column.levels) + 1, dtype=bool)  # the last one takes the gaps
    seen[column.codes[counts]] = True
    n_rows = np.count_nonzero(column.codes[counts] >= 0)
    seen_levels = {level for level, is_seen in zip(column.levels, seen[:-1], strict=True) if is_seen}
    numeric = not any(isinstance(level, str | bytes) for level in seen_levels)
    levels = sorted(seen_levels, key=None if numeric else lambda level: (str(level), type(level).__name__))
    if n_rows >= _SOME_ROWS and len(levels) > n_rows / 2:
        warnings.warn(
            f"Column {name} is one of categories, and has {len(levels)} levels, such as {levels[0]!r}, in {n_rows} "
            "rows: nothing can be learned of levels that occur once. Turn numbers that are written as text into "
            "numbers, and leave names of rows out.",
            LevelsWarning,
            stacklevel=2,
        )
    return tuple(levels)


def codes_of(column: Category, known: tuple, name: str) -> np.ndarray:
    """Codes (n_rows,) of rows, counted from one in the order of the levels that are known; else 0.

    Raises
    ------
    ValueError
        Where text comes and only numbers are known, or the other way round.
    """
    code = _Codes(known)
    codes: np.ndarray = np.array([*map(code, column.levels), 0])[column.codes]  # a gap is -1
    if known and not codes.any():
        _none_is_known(column, known, name)
    return codes


class _Codes:
    """Codes of levels. A fraction in single precision is the level that it was rounded from, or is rounded to."""

    def __init__(self, known: tuple) -> None:
        self._code = dict(zip(known, range(1, len(known) + 1), strict=True))
        fractions = [level for level in known if isinstance(level, float) and level % 1]
        self._single = {float(np.float32(level)): level for level in fractions}

    def __call__(self, level: Any) -> int:
        code = self._code.get(level, 0)
        if code or not isinstance(level, float):
            return code
        single = float(np.float32(level))
        near = self._single.get(single)
        return self._code[near] if near is not None and single in (level, near) else 0


def _none_is_known(column: Category, known: tuple, name: str) -> None:
    """Of rows with levels of a kind that the fit has not seen an error, of many rows a warning."""
    rows = column.codes[column.codes >= 0]
    came, kinds = [column.levels[code] for code in np.unique(rows)], {_kind(level) for level in known}
    if came and not kinds & {_kind(level) for level in came}:
        raise ValueError(
            f"Column {name} of X holds {_kind(came[0])}, such as {came[0]!r}, and held {kinds.pop()} in the fit, such "
            f"as {known[0]!r}. Pass its categories as they were passed to the fit."
        )
    if len(rows) >= _SOME_ROWS:
        warnings.warn(
            f"The fit has seen none of the levels of column {name} in {len(rows)} rows, such as {came[0]!r} (it has "
            f"seen {known[0]!r}): all are predicted as gaps are. Write them as they were written for the fit.",
            LevelsWarning,
            stacklevel=2,
        )


def _kind(level: Any) -> str:
    return "numbers" if isinstance(level, Real) else "text"
