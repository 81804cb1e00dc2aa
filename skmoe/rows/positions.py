"""Positions: which columns of a table a selection means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def positions(selection: Any, names: Sequence[str] | None, n_columns: int, what: str, table: str = "X") -> np.ndarray:
    """Positions of the columns that a selection names, in its order.

    Parameters
    ----------
    selection : str, list of str, list of int, boolean mask or slice
    names : sequence of str or None
        Names of the columns, where the table has them.
    n_columns : int
    what, table : str
        The parameter and the table, for errors.

    Raises
    ------
    ValueError
        Where a name or a position is unknown, a mask has the wrong length, names are asked of a table without them, or
        the selection is none of these.
    """
    if isinstance(selection, slice):
        return np.arange(n_columns)[_by_position(selection, names, what, table)]
    keys = np.atleast_1d(np.asarray(selection))
    given = np.atleast_1d(np.asarray(selection, dtype=object))  # numpy makes text of numbers among names
    if keys.dtype.kind in "UO" and not all(isinstance(key, str) for key in given.ravel()):
        raise ValueError(f"{what} is {selection!r}: expected names alone, or positions alone.")
    if not keys.size:
        return np.zeros(0, dtype=np.intp)
    if keys.dtype.kind == "b":
        if keys.shape != (n_columns,):
            raise ValueError(f"{what} is a mask of shape {keys.shape}, but {table} has {n_columns} columns.")
        return np.flatnonzero(keys)
    if keys.ndim > 1 or keys.dtype.kind not in "iuUO":
        raise ValueError(
            f"{what} is {selection!r}: expected names or positions of columns, a mask of them, or a slice."
        )
    if keys.dtype.kind in "iu":
        wrong = keys[(keys < -n_columns) | (keys >= n_columns)]
        if wrong.size:
            raise ValueError(f"{what} names column {wrong[0]}, but {table} has {n_columns} columns.")
        return keys.astype(np.intp) % n_columns
    return np.array([_position(str(key), names, what, table) for key in keys], dtype=np.intp)


def _by_position(selection: slice, names: Sequence[str] | None, what: str, table: str) -> slice:
    """A slice of positions; a slice of names includes its end, as in dataframes."""
    start, stop = selection.start, selection.stop
    if isinstance(start, str):
        start = _position(start, names, what, table)
    if isinstance(stop, str):
        stop = _position(stop, names, what, table) + 1
    return slice(start, stop, selection.step)


def _position(name: str, names: Sequence[str] | None, what: str, table: str) -> int:
    if names is None:
        raise ValueError(
            f"{what} names column {name!r}, but {table} has no column names. Use positions, or a table with names."
        )
    found = list(names)
    if name not in found:
        raise ValueError(f"{what} names column {name!r}, but the columns of {table} are {found}.")
    return found.index(name)
