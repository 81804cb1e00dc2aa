"""Parquet: files that are decoded a group of rows at a time."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from .parts import Part, Which, n_of, number_type, opening, pieces


class LastRead(threading.local):
    """The decoded group of rows that a thread read last, of all the files of a source.

    It is the only one that is held for the thread: passes read on from where they are, so groups that are behind are
    met again in the next pass at the earliest. Threads that read in different places must not drive out each other's;
    those that read in the same group share it.
    """

    group: np.ndarray | None = None

    def __reduce__(self) -> tuple:
        """Another process decodes for itself."""
        return LastRead, ()


class ParquetPart(Part):
    """Rows of a Parquet file (needs pyarrow).

    Parameters
    ----------
    path : Path
    last : LastRead
        Holds what was decoded.
    """

    def __init__(self, path: Path, last: LastRead):
        self.name, self._last, self._file = str(path), last, _opened(path)
        meta, schema = self._file.metadata, self._file.schema_arrow
        self.shape, self.names = (meta.num_rows, len(schema)), list(schema.names)
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
        if twice:
            raise ValueError(
                f"{self.name} has several columns of one name ({', '.join(map(repr, twice))}), so a name does not say "
                "which. Write it again with different names."
            )
        self.dtypes = [_numpy_type(field) for field in schema]
        self._first = np.cumsum([0] + [meta.row_group(g).num_rows for g in range(meta.num_row_groups)])
        self._decoded: WeakValueDictionary[tuple, np.ndarray] = WeakValueDictionary()
        # A file has one reader, which is not for two threads at once. Those that wait mostly want the same group.
        self._lock = threading.Lock()

    def read(self, rows: Which, columns: np.ndarray) -> np.ndarray:
        out = np.empty((n_of(rows), len(columns)), self._type(columns))
        for number, there, here in pieces(rows, self._first):
            out[here] = self._group(number, columns)[there]
        return out

    def column(self, j: int) -> np.ndarray:
        with self._lock:
            return np.concatenate([self._arrays(number, [j])[0] for number in range(len(self._first) - 1)])

    def _type(self, columns: np.ndarray) -> np.dtype:
        return number_type(self.dtypes[j] for j in columns)

    def _group(self, number: int, columns: np.ndarray) -> np.ndarray:
        """Some columns of a group of rows, decoded, or still held by some thread."""
        key = number, columns.tobytes()
        with self._lock:
            group = self._decoded.get(key)
            if group is None:
                self._last.group = None  # before there is another
                group = np.empty((self._first[number + 1] - self._first[number], len(columns)), self._type(columns))
                for values, into in zip(self._arrays(number, columns.tolist()), group.T, strict=True):
                    into[:] = values  # a gap in a column of numbers is NaN
                self._decoded[key] = group
        self._last.group = group
        return group

    def _arrays(self, number: int, columns: list[int]) -> list[np.ndarray]:
        """Columns of a group of rows, as they are stored."""
        assert self.names is not None
        wanted = [self.names[j] for j in columns]
        try:
            table = self._file.read_row_group(number, columns=wanted)
        except (OSError, ValueError) as error:
            why = " ".join(str(error).split())
            raise ValueError(
                f"{self.name} is damaged: its row group {number} cannot be read ({why}). Write the file again."
            ) from error
        return [_array(table.column(name)) for name in wanted]


def _opened(path: Path) -> Any:
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ImportError(f"Reading {path} needs pyarrow: pip install pyarrow.") from error
    with opening(path, "a Parquet file", "Write it again."):
        return ParquetFile(path, page_checksum_verification=True)


def _numpy_type(field: Any) -> np.dtype:
    try:
        return np.dtype(field.type.to_pandas_dtype())
    except (NotImplementedError, TypeError):  # types that numpy lacks, such as unions and times with zones: no numbers
        return np.dtype(object)


def _array(column: Any) -> np.ndarray:
    """A column of Arrow in numpy; of categories their values."""
    from pyarrow.types import is_dictionary

    return np.asarray((column.cast(column.type.value_type) if is_dictionary(column.type) else column).to_numpy())
