"""Rows that do not fit in memory: files that are read a piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from .parts import ArrayPart, Part, Which, parts_of


class RowSource:
    """A table in parts that need not fit in memory: ``.npy`` and Parquet files, and arrays.

    Takes the place of X in `fit`, `partial_fit` and everything that predicts. Rows are read a piece at a time, again in
    every pass; what has one number a row (y, weights, predictions) is held in memory. A single memory-mapped array
    (``numpy.load(file, mmap_mode="r")``) needs no `RowSource`. Where rows are seen only once, or are too many for some
    fifty passes, use `partial_fit`.

    A pass over ``.npy`` files costs no more than over an array as long as the system keeps them in its cache. Parquet
    files are decoded anew in every pass, a group of rows at a time: where that takes long, write ``.npy`` files once.

    Parameters
    ----------
    parts : path, array or list of them
        A folder with files that end in ``.npy`` or ``.parquet``, taken in the order of their names; a file; an array of
        shape (n_rows, n_columns); or a list of files and arrays.
    columns : sequence of str or int, default=None
        The features, by name (Parquet) or by position; None for all columns. Other columns, such as the response, are
        read by `column`.

    Attributes
    ----------
    shape : tuple of two int
        Rows of all parts, and features.
    dtype : dtype
        float32 where all columns are, else float64.
    names : list of str, or None
        Names of the features, where the columns have names.

    Raises
    ------
    FileNotFoundError
        Where a file is not there.
    ValueError
        Where there are no rows, parts differ in their columns or in their types, a column is unknown or holds no
        numbers, or a file is not whole.

    See Also
    --------
    skmoe.MoERegressor.partial_fit : Batches that are seen once.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from skmoe import MoERegressor
    >>> from skmoe.rows import RowSource
    >>> rng = np.random.default_rng(0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in range(3):
    ...         X = rng.uniform(-1, 1, size=(200, 2))
    ...         np.save(f"{folder}/{part}.npy", np.column_stack([X, np.abs(X[:, 0])]))
    ...     source = RowSource(folder, columns=[0, 1])
    ...     model = MoERegressor(2, random_state=0).fit(source, source.column(2))
    ...     source, round(model.score(source, source.column(2)), 3)
    (RowSource(n_rows=600, n_columns=2, n_parts=3), 1.0)
    """

    def __init__(self, parts: Any, *, columns: Sequence[str] | Sequence[int] | None = None):
        self._parts = [part for part in parts_of(parts) if part.shape[0]]
        if not self._parts:
            raise ValueError("All parts of the source are empty: there are no rows.")
        first = self._parts[0]
        for part in self._parts[1:]:
            _check_like(part, first)
        every = range(first.shape[1]) if columns is None else columns
        self._columns = np.array([_position(first, column) for column in every], dtype=np.intp)
        if not self._columns.size:
            raise ValueError("columns is empty: a source needs at least one feature.")
        for j in self._columns:
            _check_number(first, int(j))
        self._first = np.cumsum([0] + [part.shape[0] for part in self._parts])
        self.shape = int(self._first[-1]), len(self._columns)
        self.dtype = _type(first, self._columns)
        self.names = None if first.names is None else [first.names[j] for j in self._columns]

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"RowSource(n_rows={self.shape[0]}, n_columns={self.shape[1]}, n_parts={len(self._parts)})"

    def __getitem__(self, rows: Which) -> np.ndarray:
        """Features of some rows, in memory: a slice, numbers of rows, or a mask."""
        return self._read(rows, self._columns, self.dtype)

    def column(self, column: str | int) -> np.ndarray:
        """One column of the files, whether or not it is a feature, (n_rows,).

        Parameters
        ----------
        column : str or int
            Its name, or its position in the files.

        Raises
        ------
        ValueError
            Where there is no such column, or it holds no numbers.
        """
        first = self._parts[0]
        j = _position(first, column)
        _check_number(first, j)
        return self._read(slice(None), np.array([j]), np.dtype(np.float64))[:, 0]

    def where(self, row: int) -> str:
        """The part that holds a row, and its number there, in words."""
        part = int(np.searchsorted(self._first, row, side="right")) - 1
        return f"row {row - self._first[part]} of {self._parts[part].name}"

    def appended(self, rows: np.ndarray) -> RowSource:
        """This source with some rows more, (n_rows, n_columns), at its end; what is no feature is zero there."""
        wide = np.zeros((len(rows), self._parts[0].shape[1]))
        wide[:, self._columns] = rows
        grown = copy(self)
        grown._parts = [*self._parts, ArrayPart(wide, "appended rows")]
        grown._first = np.append(self._first, self._first[-1] + len(rows))
        grown.shape = int(grown._first[-1]), self.shape[1]
        return grown

    def _read(self, rows: Which, columns: np.ndarray, dtype: np.dtype) -> np.ndarray:
        if isinstance(rows, slice) and rows.step in (None, 1):
            start, stop, _ = rows.indices(len(self))
            pieces = [
                part.read(slice(max(start - at, 0), stop - at), columns)
                for part, at in zip(self._parts, self._first[:-1].tolist(), strict=True)
                if at < stop and start < at + part.shape[0]
            ]
            found = [np.asarray(piece, dtype=dtype) for piece in pieces]
            return found[0] if len(found) == 1 else np.concatenate([*found, np.empty((0, len(columns)), dtype)])
        numbers = np.arange(len(self))[rows]
        order = np.argsort(numbers, kind="stable")
        part = np.searchsorted(self._first, numbers[order], side="right") - 1
        out = np.empty((len(numbers), len(columns)), dtype)
        for p in np.unique(part).tolist():
            met = order[part == p]
            out[met] = self._parts[p].read(numbers[met] - self._first[p], columns)
        return out


def _check_like(part: Part, first: Part) -> None:
    """Raise ValueError where a part is not of the same columns and types as the first."""
    if part.shape[1] != first.shape[1] or part.names != first.names:
        mine, theirs = (f"{p.shape[1]} columns" + ("" if p.names is None else f" {p.names}") for p in (part, first))
        raise ValueError(
            f"Parts of a source must have the same columns: {part.name} has {mine}, {first.name} has {theirs}."
        )
    for j, (own, other) in enumerate(zip(part.dtypes, first.dtypes, strict=True)):
        if own != other:
            raise ValueError(
                f"Parts of a source must have the same types: {_named(part, j)} of {part.name} is {own}, "
                f"of {first.name} {other}. Write them with one type, such as float64."
            )


def _position(part: Part, column: str | int) -> int:
    if isinstance(column, str):
        if part.names is None:
            raise ValueError(f"There is no column {column!r}: {part.name} has no names of columns. Use positions.")
        if column not in part.names:
            raise ValueError(f"There is no column {column!r}: the columns of {part.name} are {part.names}.")
        return part.names.index(column)
    if not -part.shape[1] <= column < part.shape[1]:
        raise ValueError(f"There is no column {column}: {part.name} has {part.shape[1]} columns.")
    return int(column) % part.shape[1]


def _check_number(part: Part, j: int) -> None:
    if part.dtypes[j].kind not in "fiub":
        raise ValueError(
            f"{_named(part, j)} of {part.name} holds no numbers ({part.dtypes[j]}). Leave it out with columns=, or "
            "write the files with numbers in its place."
        )


def _named(part: Part, j: int) -> str:
    return f"column {j}" if part.names is None else f"column {part.names[j]!r}"


def _type(part: Part, columns: np.ndarray) -> np.dtype:
    every = {part.dtypes[j] for j in columns}
    return np.dtype(np.float32) if every == {np.dtype(np.float32)} else np.dtype(np.float64)
