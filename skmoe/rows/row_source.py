"""Rows that do not fit in memory: files that are read a piece at a time."""

from __future__ import annotations

from copy import copy
from numbers import Integral
from typing import Any

import numpy as np

from .files import parts_of
from .parts import NUMBERS, ArrayPart, Part, Which, n_of, number_type, pieces
from .positions import positions


class RowSource:
    """A table in parts that need not fit in memory: ``.npy`` and Parquet files, and arrays.

    Takes the place of X in `fit`, `partial_fit` and everything that predicts. Rows are read a piece at a time, again in
    every pass; what has one number a row (y, weights, predictions) is held in memory. A single memory-mapped array
    (``numpy.load(file, mmap_mode="r")``) needs no `RowSource`. Where rows are seen only once, or are too many for some
    fifty passes, use `partial_fit`. What knows arrays only, such as other steps of a pipeline, is given the table in
    memory (``numpy.asarray(source)``), and so are `predict_dist` and `sample`.

    A pass over ``.npy`` files costs no more than over an array as long as the system keeps them in its cache. Parquet
    files are decoded anew in every pass, a group of rows at a time, of which one for every thread is in memory: where
    that takes long, write ``.npy`` files once, and write Parquet in groups of some 100,000 rows.

    Parameters
    ----------
    parts : path, array or list of them
        A folder with files that end in ``.npy`` or ``.parquet``, taken in the order of their names (as text: 10 comes
        before 2; folders in it are left out); a file; an array of shape (n_rows, n_columns); or a list of files and
        arrays.
    columns : list of str or int, mask or slice, default=None
        The features, by name (Parquet) or by position, in this order; None for all columns. Other columns, such as the
        response, are read by `column`.

    Attributes
    ----------
    shape : tuple of two int
        Rows of all parts, and features.
    dtype : dtype
        Of the features: float32 where all are, else float64.
    names : list of str, or None
        Names of the features, where the columns have names.

    Raises
    ------
    FileNotFoundError
        Where a file is not there.
    TypeError
        Where a part is neither a path nor an array.
    ValueError
        Where there are no rows, parts differ in their columns, a feature is unknown or holds no numbers, or a file is
        not whole. Reading raises it too, where a file is damaged or has changed.

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

    def __init__(self, parts: Any, *, columns: Any = None):
        given = parts_of(parts)
        for part in given[1:]:
            _check_like(part, given[0])
        self._parts = [part for part in given if part.shape[0]]
        if not self._parts:
            raise ValueError("All parts of the source are empty: there are no rows.")
        self._columns = self._features(columns)
        for part in self._parts:
            _check_numbers(part, self._columns)
        self._first = np.cumsum([0] + [part.shape[0] for part in self._parts])
        self.shape = int(self._first[-1]), len(self._columns)
        self.dtype = number_type(part.dtypes[j] for part in self._parts for j in self._columns)
        names = self._parts[0].names
        self.names = None if names is None else [names[j] for j in self._columns]

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"RowSource(n_rows={self.shape[0]}, n_columns={self.shape[1]}, n_parts={len(self._parts)})"

    def __getitem__(self, rows: Any) -> np.ndarray:
        """Features of some rows, in memory: a slice, numbers of rows, or a mask; of one row for its number."""
        if isinstance(rows, Integral):
            return self[[rows]][0]
        return self._read(_which(rows, len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The table in memory, for what knows arrays only."""
        if copy is False:
            raise ValueError("A source becomes an array by being read. Leave copy at None.")
        found = np.asarray(self[:], dtype=dtype)
        return found.copy() if copy else found

    def column(self, column: str | int) -> np.ndarray:
        """One column of the files, whether or not it is a feature, as it is stored, (n_rows,).

        Numbers, bools and times keep their type; text comes as str objects, categories as their values. Gaps are NaN in
        numbers, which are floats then, and None in text and bools. Where parts differ in the type of their numbers, it
        is one that holds all.

        Parameters
        ----------
        column : str or int
            Its name, or its position in the files.

        Raises
        ------
        ValueError
            Where there is no such column, or it holds numbers in some parts and something else in others.
        """
        first = self._parts[0]
        (j,) = positions([column], first.names, first.shape[1], "source.column", first.name).tolist()
        for part in self._parts:
            if _kind(part.dtypes[j]) != _kind(first.dtypes[j]):
                raise ValueError(
                    f"{_named(part, j)} of {part.name} is {part.dtypes[j]}, and of {first.name} {first.dtypes[j]}. "
                    "Write all parts with one type."
                )
        return np.concatenate([part.column(j) for part in self._parts])

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

    def _features(self, columns: Any) -> np.ndarray:
        """Positions of the features."""
        first = self._parts[0]
        if np.ndim(columns) == 0 and columns is not None and not isinstance(columns, slice):
            raise ValueError(
                f"columns={columns!r}: expected a list of names or positions, such as [{columns!r}], a mask or a slice."
            )
        every = slice(None) if columns is None else columns
        found = positions(every, first.names, first.shape[1], "columns", first.name)
        if not found.size:
            raise ValueError("columns is empty: a source needs at least one feature.")
        return found

    def _read(self, rows: Which) -> np.ndarray:
        if isinstance(rows, np.ndarray) and (np.diff(rows) < 0).any():
            order = np.argsort(rows, kind="stable")
            out = np.empty((len(rows), self.shape[1]), self.dtype)
            out[order] = self._read(rows[order])
            return out
        met = list(pieces(rows, self._first))
        if len(met) == 1:  # no copy of what is mapped or in memory
            p, there, _ = met[0]
            return np.asarray(self._parts[p].read(there, self._columns), dtype=self.dtype)
        out = np.empty((n_of(rows), self.shape[1]), self.dtype)
        for p, there, here in met:
            out[here] = self._parts[p].read(there, self._columns)
        return out


def _which(rows: Any, n_rows: int) -> Which:
    """Rows that are asked for as users ask for them."""
    if isinstance(rows, tuple) and len(rows) == 2 and rows[1] is Ellipsis:  # as scikit-learn does
        rows = rows[0]
    if isinstance(rows, slice):
        start, stop, step = rows.indices(n_rows)
        return slice(start, max(start, stop)) if step == 1 else np.arange(start, stop, step)
    numbers = np.asarray(rows, dtype=object if isinstance(rows, tuple) else None)
    if numbers.dtype.kind == "b" and numbers.shape == (n_rows,):
        return np.flatnonzero(numbers)
    if not numbers.size:
        return slice(0, 0)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise IndexError(
            f"Rows of a source are asked for by their numbers, by a mask of its {n_rows} rows, or by a slice; got "
            f"{numbers.dtype} of shape {numbers.shape}. Columns are chosen by RowSource(..., columns=)."
        )
    low, high = int(numbers.min()), int(numbers.max())
    if low < -n_rows or high >= n_rows:
        raise IndexError(f"There is no row {high if high >= n_rows else low}: the source has {n_rows} rows.")
    numbers = numbers.astype(np.intp, copy=False)
    return numbers if low >= 0 else np.where(numbers < 0, numbers + n_rows, numbers)


def _check_like(part: Part, first: Part) -> None:
    """Raise ValueError where a part has other columns than the first."""
    if part.shape[1] == first.shape[1] and part.names == first.names:
        return
    mine, theirs = (f"{p.name} has {p.shape[1]} columns {p.names or 'without names'}" for p in (part, first))
    raise ValueError(f"Parts of a source must have the same columns: {mine}, {theirs}.")


def _check_numbers(part: Part, columns: np.ndarray) -> None:
    """Raise ValueError where a feature holds no numbers."""
    for j in columns.tolist():
        if part.dtypes[j].kind not in NUMBERS:
            raise ValueError(
                f"{_named(part, j)} of {part.name} holds no numbers ({part.dtypes[j]}). Leave it out with columns=, or "
                "write numbers in its place."
            )


def _kind(dtype: np.dtype) -> str:
    """What types have in common that are read as one column."""
    return NUMBERS if dtype.kind in NUMBERS else dtype.kind


def _named(part: Part, j: int) -> str:
    return f"column {j}" if part.names is None else f"column {part.names[j]!r}"
