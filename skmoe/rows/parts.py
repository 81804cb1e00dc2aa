"""Parts: each holds some rows of a table, in memory or in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EMFILE, ENFILE
from pathlib import Path

import numpy as np

#: Rows of a table: a slice of step 1 within it, or their numbers from 0.
Which = slice | np.ndarray
#: Kinds of types that are numbers.
NUMBERS = "fiub"


class Part(ABC):
    """Some rows of a table.

    Attributes
    ----------
    name : str
        For errors.
    shape : tuple of two int
    names : list of str, or None
        Names of the columns, where they have names.
    dtypes : list of dtype
        Types of the columns, as they are stored.
    """

    name: str
    shape: tuple[int, int]
    names: list[str] | None = None
    dtypes: list[np.dtype]

    @abstractmethod
    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        """Some columns, which hold numbers, of some rows, in rising order, (n_rows, n_columns)."""

    @abstractmethod
    def column(self, j: int) -> np.ndarray:
        """One column of all rows, as it is stored, (n_rows,)."""


class ArrayPart(Part):
    """Rows of an array, in memory or mapped.

    Parameters
    ----------
    array : ndarray of shape (n_rows, n_columns)
    name : str
    """

    def __init__(self, array: np.ndarray, name: str):
        if array.dtype.names is not None:
            raise ValueError(
                f"{name} holds records with the fields {list(array.dtype.names)}: expected columns of one type, "
                "(n_rows, n_columns). Make them of it with numpy.lib.recfunctions.structured_to_unstructured(array)."
            )
        if array.ndim != 2:
            raise ValueError(
                f"{name} has shape {array.shape}: a part of a table has rows and columns. "
                "A single column is array.reshape(-1, 1)."
            )
        self.name, self.shape, self.dtypes = name, array.shape, [array.dtype] * array.shape[1]
        self._array = array

    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        every = len(columns) == self.shape[1] and (columns == np.arange(len(columns))).all()
        found = np.asarray(self._array[rows])
        return found if every else np.take(found, columns, axis=1)  # row by row in memory, as everywhere

    def column(self, j: int) -> np.ndarray:
        return np.asarray(self._array[:, j])


def n_of(rows: Which) -> int:
    """How many rows they are."""
    return rows.stop - rows.start if isinstance(rows, slice) else len(rows)


def pieces(rows: Which, first: np.ndarray) -> Iterator[tuple[int, Which, slice]]:
    """Rows, numbers in rising order, by the pieces of the table that hold them.

    Parameters
    ----------
    rows : slice or ndarray
    first : ndarray of shape (n_pieces + 1,)
        The first row of every piece; last the number of rows.

    Yields
    ------
    piece : int
    there : slice or ndarray
        The rows by their numbers in the piece.
    here : slice
        Where they are among the rows asked for.
    """
    if isinstance(rows, slice):
        met = (first[:-1] < rows.stop) & (rows.start < first[1:]) & (rows.start < rows.stop)
        for piece in np.flatnonzero(met).tolist():
            at, start, stop = first[piece], max(rows.start, first[piece]), min(rows.stop, first[piece + 1])
            yield piece, slice(start - at, stop - at), slice(start - rows.start, stop - rows.start)
        return
    cuts = np.searchsorted(rows, first)
    for piece in np.flatnonzero(np.diff(cuts)).tolist():
        here = slice(cuts[piece], cuts[piece + 1])
        yield piece, rows[here] - first[piece], here


def number_type(dtypes: Iterable[np.dtype]) -> np.dtype:
    """Type in which columns of numbers are read together: float32 where all are, else float64."""
    return np.dtype(np.float32) if set(dtypes) == {np.dtype(np.float32)} else np.dtype(np.float64)


@contextmanager
def opening(path: Path, kind: str, again: str) -> Iterator[None]:
    """A file that is there, but cannot be read, is refused with its name and what to do."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno in (EMFILE, ENFILE):
            raise OSError(
                error.errno,
                f"{path} cannot be opened because this process has as many files open as the system lets it. Every "
                "part of a source is one: write fewer and larger parts, or raise the limit (ulimit -n)",
            ) from error
        raise ValueError(
            f"{path} cannot be read as {kind} ({error}; it holds {path.stat().st_size:,} bytes). {again}"
        ) from error
